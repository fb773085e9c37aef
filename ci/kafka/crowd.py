"""Tests many peers at the same time: slow consumers of a large log, idle connections, and one more client, which
the broker must serve. Checks the memory of the broker."""

import resource
import select
import socket
import struct
import sys
import tempfile
import time

from broker import Broker
from clients import available, values
from cost import MIB, drain, produce


def connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)))


def request(key, version, body):
    header = struct.pack(">hhih", key, version, 1, -1)
    return struct.pack(">i", len(header + body)) + header + body


def fetch(topic, offset, length):
    body = struct.pack(">iiiibii", -1, 500, 1, length, 0, 0, -1)
    body += struct.pack(">ih", 1, len(topic)) + topic.encode()
    body += struct.pack(">iiiqqi", 1, 0, -1, offset, -1, length) + struct.pack(">ih", 0, 0)
    return request(1, 11, body)


def served(broker, client, seed):
    """Serves one more client; returns the seconds that this takes."""
    sent = values(1_000, seed)
    begun = time.monotonic()
    client.produce(broker.address, seed, sent)
    check(client.consume(broker.address, seed, len(sent)) == sent, f"{seed}: served among the others")
    return time.monotonic() - begun


def slow_consumers(broker, client, count, mib):
    produce(broker.address, "log", mib)
    end = drain(broker.address, "log", 1)
    check(end > 0, "the log has been written")
    before, descriptors = broker.resident(), broker.descriptors()
    peers = [connect(broker.address) for _ in range(count)]
    for peer in peers:
        # Two requests; the consumer never reads the whole first response.
        peer.sendall(fetch("log", 0, 50 * MIB) * 2)
    for turn in range(5):
        for peer in peers:
            check(len(peer.recv(1000)) > 0, "a slow consumer gets something")
        grown = (broker.resident() - before) / count
        print(f"{count} slow consumers, turn {turn}: {grown / 1024:.1f} KiB for each", flush=True)
    check(grown < 32 * 1024, f"{grown:.0f} bytes for each slow consumer")
    seconds = served(broker, client, "among-slow")
    print(f"one that reads at once is served in {seconds:.2f} s", flush=True)
    for peer in peers:
        peer.close()
    wait(lambda: broker.descriptors() <= descriptors + 20, "descriptors are back")


def idle_connections(broker, client, count):
    before, descriptors = broker.resident(), broker.descriptors()
    peers = []
    for n in range(count):
        peer = connect(broker.address)
        # A third sends nothing, a third half a request, a third gets an answer.
        peer.sendall([b"", struct.pack(">i", 500) + b"\0\0", request(18, 0, b"")][n % 3])
        peers.append(peer)
    for peer in peers[2::3]:
        check(len(peer.recv(4)) == 4, "an answer")
    grown = (broker.resident() - before) / count
    print(f"{count} connections: {grown / 1024:.2f} KiB for each", flush=True)
    check(grown < 16 * 1024, f"{grown:.0f} bytes for each connection")
    seconds = served(broker, client, "among-idle")
    print(f"one more is served in {seconds:.2f} s", flush=True)
    for peer in peers:
        peer.close()
    wait(lambda: broker.descriptors() <= descriptors + 20, "descriptors are back")


def too_many(binary, directory):
    """Connections over the limit are closed; the others stay open."""
    with Broker(binary, directory, "--connections", "50") as broker:
        peers = [connect(broker.address) for _ in range(80)]
        for peer in peers:
            try:
                peer.sendall(request(18, 0, b""))
            except OSError:
                pass
        answered = 0
        for peer in peers:
            select.select([peer], [], [], 10)
            try:
                answered += bool(peer.recv(4))
            except OSError:
                pass
        check(answered == 50, f"{answered} of 80 connections answered, 50 are allowed")


def wait(condition, what):
    end = time.monotonic() + 60
    while not condition():
        check(time.monotonic() < end, f"too late: {what}")
        time.sleep(0.01)


def check(holds, what):
    if not holds:
        sys.exit(f"FAILED: {what}")


def main(binary, short):
    client = next(iter(available()), None)
    if client is None:
        print("SKIPPED: crowds: they need a client")
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    slow, mib, idle = (200, 64, 2_000) if short else (1_000, 1_024, 10_000)
    idle = min(idle, most - 500)
    with tempfile.TemporaryDirectory() as directory:
        with Broker(binary, f"{directory}/many", "--sync", "never") as broker:
            slow_consumers(broker, client, slow, mib)
            idle_connections(broker, client, idle)
        too_many(binary, f"{directory}/limit")
    print("CELLS 3")


if __name__ == "__main__":
    main(sys.argv[1], "--short" in sys.argv)
