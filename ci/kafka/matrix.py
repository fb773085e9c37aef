"""Tests each client, codec, acknowledgement and idempotence with 10,000 records: another client reads them, and
the contents are compared. `--short` tests each client with each codec once."""

import glob
import os
import struct
import sys
import tempfile
import time

from broker import Broker
from clients import CODECS, available, values

RECORDS = 10_000


def modes(short, turn):
    every = [("0", False), ("1", False), ("all", False), ("all", True)]
    return [every[turn % 4]] if short else every


def main(binary, short):
    clients = available()
    done = 0
    with tempfile.TemporaryDirectory() as directory, Broker(binary, directory) as broker:
        for at, client in enumerate(clients):
            begun = time.monotonic()
            for turn, codec in enumerate(client.codecs):
                for acks, idempotent in modes(short, at + turn):
                    topic = f"{client.name}.{codec}.{acks}.{idempotent}"
                    sent = values(RECORDS, f"{at}-{turn}")
                    client.produce(broker.address, topic, sent, codec, acks, idempotent)
                    readers = [c for c in clients if codec in c.codecs]
                    reader = readers[(at + done + 1) % len(readers)]
                    got = reader.consume(broker.address, topic, RECORDS)
                    if got != sent:
                        sys.exit(f"FAILED: {topic} read by {reader.name}: {difference(sent, got)}")
                    check_codec(f"{directory}/topics/{topic}/0", codec)
                    done += 1
            print(f"{client.name}: {time.monotonic() - begun:.1f} s, {done} cells so far", flush=True)
        print(broker.stop())
        refused = [line for line in broker.errors]
        print("\n".join(refused[:20]))
    print(f"CELLS {done}")


def check_codec(partition, codec):
    """Checks that most bytes in the log have the codec. A client that rejects the versions of a broker silently
    sends without compression; a client may also send single batches uncompressed that compression would not
    shorten."""
    found = [0] * 8
    for segment in glob.glob(f"{partition}/*.log"):
        with open(segment, "rb") as log:
            log.seek(1024)  # the header of a segment
            while (head := log.read(61)) and head[16] == 2:
                length, attributes = struct.unpack(">8xi9xh", head[:23])
                found[attributes & 7] += length
                log.seek(length + 12 - 61, os.SEEK_CUR)
    if found[CODECS.index(codec)] * 2 <= sum(found):
        sys.exit(f"FAILED: {partition} has these bytes of each codec: {found}")


def difference(sent, got):
    if len(sent) != len(got):
        return f"{len(got)} records of {len(sent)}"
    at = next(n for n, (a, b) in enumerate(zip(sent, got)) if a != b)
    return f"record {at} is {got[at]!r}, not {sent[at]!r}"


if __name__ == "__main__":
    main(sys.argv[1], "--short" in sys.argv)
