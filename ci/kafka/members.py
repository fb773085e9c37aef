"""Tests a group of many members, over one connection for each: all join, get their assignments, send heartbeats, join again
after one has left, and leave. Checks the time, the memory of the broker, and how long a producer waits meanwhile."""

import multiprocessing
import os
import resource
import statistics
import struct
import sys
import tempfile
import time

from broker import Broker
from crowd import check, connect, request

JOIN, HEARTBEAT, LEAVE, SYNC = 11, 12, 13, 14
GROUP, METADATA = "large", bytes(60)
NEEDS_ID, REBALANCE = 79, 27


def text(string):
    return struct.pack(">h", len(string)) + string.encode()


def data(content):
    return struct.pack(">i", len(content)) + content


NONE = struct.pack(">h", -1)


class Response:
    """The body of a response, read from its front."""

    def __init__(self, peer):
        head = b""
        while len(head) < 4:
            head += peer.recv(4 - len(head)) or sys.exit("FAILED: the broker has closed a connection")
        left, parts = struct.unpack(">i", head)[0], []
        while left:
            parts.append(peer.recv(left))
            left -= len(parts[-1])
        self.bytes, self.at = b"".join(parts), 8  # behind correlation and throttle time

    def number(self, form):
        value = struct.unpack_from(">" + form, self.bytes, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def text(self):
        length = self.number("h")
        self.at += max(length, 0)
        return self.bytes[self.at - max(length, 0) : self.at].decode()


class Member:
    def __init__(self, address):
        self.peer, self.id, self.generation = connect(address), "", -1

    def join(self):
        body = text(GROUP) + struct.pack(">ii", 300_000, 300_000) + text(self.id) + NONE
        body += text("consumer") + struct.pack(">i", 1) + text("range") + data(METADATA)
        self.peer.sendall(request(JOIN, 5, body))

    def joined(self):
        """Returns the error code and the ids of the members, which only the leader gets."""
        response = Response(self.peer)
        code, self.generation = response.number("h"), response.number("i")
        _protocol, _leader, self.id = response.text(), response.text(), response.text()
        ids = []
        for _ in range(response.number("i")):
            ids.append(response.text())
            response.text()
            metadata = response.number("i")
            response.at += metadata
        return code, ids

    def named(self):
        return text(GROUP) + struct.pack(">i", self.generation) + text(self.id) + NONE

    def sync(self, ids):
        assigned = b"".join(text(member) + data(member.encode() * 2) for member in ids)
        self.peer.sendall(request(SYNC, 3, self.named() + struct.pack(">i", len(ids)) + assigned))

    def synced(self):
        response = Response(self.peer)
        code, length = response.number("h"), response.number("i")
        return code, response.bytes[response.at : response.at + length].decode()

    def heartbeat(self):
        self.peer.sendall(request(HEARTBEAT, 3, self.named()))

    def leave(self):
        self.peer.sendall(request(LEAVE, 1, text(GROUP) + text(self.id)))

    def code(self):
        return Response(self.peer).number("h")


def produce_until(stop, address, times):
    """Sends one batch after the other, and measures the time until each acknowledgement."""
    peer = connect(address)
    # A batch of one record; the broker does not read the record.
    head = struct.pack(">hiqqqhii", 4, 0, 0, 0, -1, -1, -1, 1) + bytes(1000)
    batch = struct.pack(">qiib", 0, 9 + len(head), 0, 2) + struct.pack(">I", crc32c(head)) + head
    body = NONE + struct.pack(">hii", 1, 1000, 1) + text("beside")
    frame = request(0, 7, body + struct.pack(">ii", 1, 0) + data(batch))
    waits = []
    while not stop.is_set():
        begun = time.perf_counter()
        peer.sendall(frame)
        check(Response(peer).bytes[22:24] == b"\0\0", "a batch is acknowledged")
        waits.append(time.perf_counter() - begun)
        time.sleep(0.0005)
    times.put(waits)


def crc32c(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def all_codes(members, code, what):
    found = [member.code() for member in members]
    check(all(one == code for one in found), f"{what}: {set(found)}")


def generation(members):
    """Waits for a generation that begins with all members, and assigns. Returns the leader."""
    joined = [member.joined() for member in members]
    check(all(code == 0 for code, _ in joined), f"joined: {set(code for code, _ in joined)}")
    leaders = [(member, ids) for member, (_, ids) in zip(members, joined) if ids]
    check(len(leaders) == 1 and len(leaders[0][1]) == len(members), "one leader gets all members")
    leader, ids = leaders[0]
    for member in members:
        member.sync(ids if member is leader else [])
    for member in members:
        check(member.synced() == (0, member.id * 2), "each gets its assignment")
    return leader


def group(broker, count):
    times = {}

    def timed(what, work):
        begun, cpu = time.monotonic(), broker.cpu_seconds()
        done = work()
        times[what] = (time.monotonic() - begun, broker.cpu_seconds() - cpu)
        return done

    members = [Member(broker.address) for _ in range(count)]

    def ids():
        for member in members:
            member.join()
        for member in members:
            check(member.joined()[0] == NEEDS_ID, "an id")

    def heartbeats(code):
        for member in members:
            member.heartbeat()
        all_codes(members, code, "heartbeat")

    def join():
        for member in members:
            member.join()
        return generation(members)

    before = broker.resident()
    timed("ids", ids)
    leader = timed("join", join)
    grown = (broker.resident() - before) / count
    timed("heartbeats", lambda: heartbeats(0))
    members.remove(leader)
    leader.leave()
    check(leader.code() == 0, "the leader leaves")
    timed("rebalance", lambda: heartbeats(REBALANCE))
    # In the order of the ids, in which the broker keeps them.
    members.sort(key=lambda member: member.id)
    timed("join again", join)

    def leave():
        for member in members:
            member.leave()
        all_codes(members, 0, "leave")

    timed("leave", leave)
    for what, (seconds, cpu) in times.items():
        print(f"{count} members, {what}: {seconds:.2f} s, {cpu / count * 1e6:.0f} us of the broker for each")
    print(f"{count} members: {grown / 1024:.1f} KiB for each", flush=True)
    check(grown < 16 * 1024, f"{grown:.0f} bytes for each member")
    slowest = max(cpu for _, cpu in times.values()) / count
    check(slowest < 0.001, f"{slowest * 1e6:.0f} us of the broker for a member")


def main(binary, short):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    count = min(2_000 if short else 10_000, most - 500)
    with tempfile.TemporaryDirectory() as directory:
        with Broker(binary, directory, "--sync", "never") as broker:
            create = connect(broker.address)
            create.sendall(request(3, 4, struct.pack(">i", 1) + text("beside") + b"\1"))
            Response(create)
            stop, waits = multiprocessing.Event(), multiprocessing.Queue()
            beside = multiprocessing.Process(target=produce_until, args=(stop, broker.address, waits))
            beside.start()
            try:
                group(broker, count)
            finally:
                stop.set()
            found = sorted(waits.get())
            beside.join()
            median, last = statistics.median(found) * 1e3, found[-1] * 1e3
            percentile = found[len(found) * 99 // 100] * 1e3
            print(f"a producer beside it: {len(found)} batches, {median:.2f} ms in the median,")
            print(f"{percentile:.1f} ms in 99 of 100, {last:.1f} ms at most", flush=True)
            check(os.path.exists(f"/proc/{broker.pid}"), "the broker runs")
    print("CELLS 1")


if __name__ == "__main__":
    main(sys.argv[1], "--short" in sys.argv)
