"""Tests faults that must not lose or duplicate an acknowledged record: a broker that is killed repeatedly,
connections cut before the acknowledgement, flipped bits, a damaged segment, a full disk."""

import glob
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from broker import Broker
from clients import Confluent, values
from cost import MIB
from crowd import connect, fetch

PRODUCE = 0


class Wire:
    """A proxy between a producer and a broker that can change or cut the frames."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.broker = None
        #: Functions that get a produce request, or its response. They return the frame to send, or None to cut.
        self.request = lambda frame: frame
        self.response = lambda frame: frame
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.listener.accept()
            host, port = self.broker.rsplit(":", 1)
            try:
                server = socket.create_connection((host, int(port)))
            except OSError:
                peer.close()
                continue
            produces = set()
            for source, sink, change in (
                (peer, server, lambda frame: self.on_request(frame, produces)),
                (server, peer, lambda frame: self.on_response(frame, produces)),
            ):
                threading.Thread(target=pump, args=(source, sink, change), daemon=True).start()

    def on_request(self, frame, produces):
        key, _, correlation = struct.unpack(">hhi", frame[:8])
        if key == PRODUCE:
            produces.add(correlation)
            return self.request(frame)
        return frame

    def on_response(self, frame, produces):
        return self.response(frame) if struct.unpack(">i", frame[:4])[0] in produces else frame


def pump(source, sink, change):
    try:
        stream = source.makefile("rb")
        while len(head := stream.read(4)) == 4:
            frame = change(stream.read(struct.unpack(">i", head)[0]))
            if frame is None:
                break
            sink.sendall(head + frame)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Production:
    """Produces until it is stopped, and stores the acknowledged values with their offsets."""

    def __init__(self, lib, address, idempotent=True):
        config = {"bootstrap.servers": address, "enable.idempotence": idempotent, "acks": "all"}
        config |= {"linger.ms": 2, "delivery.timeout.ms": 240_000, "retry.backoff.ms": 50}
        config |= {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100}
        config |= {"retry.backoff.max.ms": 200, "batch.num.messages": 200}
        # Otherwise the client logs every cut.
        self.producer = lib.Producer(config | {"log_level": 0})
        self.acked, self.failed, self.sent = {}, [], 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def delivered(self, error, message):
        if error:
            self.failed.append((message.value(), error.code()))
        else:
            self.acked[message.value()] = message.offset()

    def run(self):
        while not self.done.is_set():
            try:
                self.producer.produce("t", b"%d" % self.sent, on_delivery=self.delivered)
                self.sent += 1
            except BufferError:
                self.producer.poll(0.05)
            if self.sent % 500 == 0:
                self.producer.poll(0.002)

    def stop(self):
        self.done.set()
        self.thread.join()
        self.producer.flush(240)


def read_back(address):
    return Confluent().consume(address, "t", total(address))


def total(address):
    lib = Confluent().lib
    consumer = lib.Consumer({"bootstrap.servers": address, "group.id": "none"})
    _, end = consumer.get_watermark_offsets(lib.TopicPartition("t", 0), 20)
    consumer.close()
    return end


def verify(what, production, found):
    """Checks that every acknowledged record is at its offset, that none is duplicated, and that the order is kept."""
    found = [int(value) for value in found]
    check(not production.failed, f"{what}: not delivered: {production.failed[:1]}")
    lost = [v for v, offset in production.acked.items() if found[offset : offset + 1] != [int(v)]]
    check(not lost, f"{what}: {len(lost)} of {len(production.acked)} acknowledged records lost")
    check(len(set(found)) == len(found), f"{what}: {len(found) - len(set(found))} records twice")
    check(found == sorted(found), f"{what}: out of order")
    print(f"{what}: {len(production.acked)} acknowledged, 0 lost, 0 twice, in order", flush=True)


def killed(binary, directory, lib, rounds):
    wire = Wire()
    broker = Broker(binary, directory, "--advertise", wire.address)
    wire.broker = broker.address
    production = Production(lib, wire.address)
    for _ in range(rounds):
        time.sleep(random.uniform(0.3, 1.0))
        broker.kill()
        broker = Broker(binary, directory, "--advertise", wire.address)
        wire.broker = broker.address
    production.stop()
    verify(f"kill -9, {rounds} times", production, read_back(wire.address))
    broker.kill()


def cut(binary, directory, lib, cuts):
    """Batches are appended, but the connection is cut before the acknowledgement arrives."""
    wire = Wire()
    with Broker(binary, directory, "--advertise", wire.address) as broker:
        wire.broker = broker.address
        left = [cuts]

        def lose(frame):
            if left[0] and random.random() < 0.3:
                left[0] -= 1
                return None
            return frame

        wire.response = lose
        production = Production(lib, wire.address)
        wait(lambda: not left[0], "all cuts")
        production.stop()
        verify(f"acknowledgements cut off, {cuts} times", production, read_back(wire.address))
        broker.process.terminate()
        output = broker.process.stdout.read()
        repeated = int(re.search(r"(\d+) batches sent again", output).group(1))
        check(repeated >= 1, "no batch was sent again")


def damaged_on_the_way(binary, directory, lib):
    """A batch whose bytes change in transit is refused, sent again, and delivered."""
    wire = Wire()
    with Broker(binary, directory, "--advertise", wire.address) as broker:
        wire.broker = broker.address
        left = [5]

        def flip(frame):
            if left[0] and random.random() < 0.3:
                left[0] -= 1
                return frame[:-1] + bytes([frame[-1] ^ 1])
            return frame

        wire.request = flip
        production = Production(lib, wire.address)
        wait(lambda: not left[0], "all flips")
        production.stop()
        verify("bits flipped on the way", production, read_back(wire.address))


def full_disk(binary, lib):
    """The disk is full and later has space again: producers wait, and no record is lost."""
    with tempfile.TemporaryDirectory() as mount:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "kafka", mount])
        if mounted.returncode:
            print("SKIPPED: a full disk: no file system can be mounted here")
            return 0
        try:
            filler = f"{mount}/filler"
            with open(filler, "wb") as out:
                out.write(bytes(10 << 20))
            options = ["--segment", "4"]
            with Broker(binary, f"{mount}/kafka", *options) as broker:
                production = Production(lib, broker.address)
                wait(lambda: any("No space" in e for e in broker.errors), "a full disk")
                acked = len(production.acked)
                production.done.set()
                production.thread.join()
                os.unlink(filler)
                production.stop()
                check(acked > 0, "nothing was acknowledged before")
                verify("a full disk", production, read_back(broker.address))
                broker.kill()
            with Broker(binary, f"{mount}/kafka", *options) as broker:
                verify("a full disk, restarted", production, read_back(broker.address))
        finally:
            subprocess.run(["umount", mount], check=True)
    return 1


def sealed_damage(binary, directory, lib):
    """A sealed segment is damaged on the disk: consumers and producers get errors until the file is repaired;
    then all records are served."""
    with Broker(binary, directory, "--segment", "2") as broker:
        production = Production(lib, broker.address)
        home = f"{directory}/topics/t/0"
        wait(lambda: len(glob.glob(f"{home}/*.log")) > 2, "three segments")
        production.stop()
        broker.kill()
    path, copy = min(glob.glob(f"{home}/*.log")), f"{directory}/copy"
    shutil.copy(path, copy)
    with open(path, "r+b") as out:
        out.seek(1_000_000)
        out.write(b"damage")
    with Broker(binary, directory, "--segment", "2") as broker:
        # The broker finds the damage when the first consumer fetches that segment.
        with connect(broker.address) as consumer:
            consumer.sendall(fetch("t", 0, MIB))
            check(consumer.recv(4, socket.MSG_WAITALL), "a fetch of a damaged log is not answered")
        outcomes = []
        config = {"bootstrap.servers": broker.address, "enable.idempotence": True, "log_level": 0}
        producer = lib.Producer(config | {"delivery.timeout.ms": 2000})
        producer.produce("t", b"refused", on_delivery=lambda error, _: outcomes.append(error))
        producer.flush(20)
        check(outcomes and outcomes[0] is not None, "a batch was appended to a damaged log")
        check(any("damaged" in error for error in broker.errors), f"said only {broker.errors}")
        broker.kill()
    shutil.copy(copy, path)
    with Broker(binary, directory, "--segment", "2") as broker:
        verify("a damaged segment, put right", production, read_back(broker.address))


def wait(condition, what):
    end = time.monotonic() + 60
    while not condition():
        check(time.monotonic() < end, f"too late: {what}")
        time.sleep(0.01)


def check(holds, what):
    if not holds:
        print(f"FAILED: {what}", flush=True)
        # Threads of clients and proxies would keep the process alive.
        os._exit(1)


def main(binary, short):
    try:
        lib = Confluent().lib
    except ImportError:
        print("SKIPPED: faults: they need confluent-kafka")
        return
    cells = 4
    with tempfile.TemporaryDirectory() as directory:
        killed(binary, f"{directory}/killed", lib, 4 if short else 30)
        cut(binary, f"{directory}/cut", lib, 5 if short else 50)
        damaged_on_the_way(binary, f"{directory}/flip", lib)
        sealed_damage(binary, f"{directory}/sealed", lib)
        cells += full_disk(binary, lib)
    print(f"CELLS {cells}")


if __name__ == "__main__":
    main(sys.argv[1], "--short" in sys.argv)
