"""Records requests of the clients, one of each API and version, as the test data of `tests/kafka_broker`:
`record.py BINARY FOLDER`. A proxy in front of a broker splits the stream into frames."""

import os
import socket
import struct
import sys
import tempfile
import threading

from broker import Broker
from clients import available, values

NAMES = {
    0: "produce", 1: "fetch", 2: "list_offsets", 3: "metadata", 8: "offset_commit", 9: "offset_fetch",
    10: "find_coordinator", 11: "join_group", 12: "heartbeat", 13: "leave_group", 14: "sync_group",
    18: "api_versions", 22: "init_producer_id",
}  # fmt: skip


class Recorder:
    """A proxy that stores the first frame of each API and version."""

    def __init__(self, folder):
        self.folder = folder
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.broker = None
        self.client = None
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.listener.accept()
            host, port = self.broker.rsplit(":", 1)
            server = socket.create_connection((host, int(port)))
            threading.Thread(target=self.requests, args=(peer, server), daemon=True).start()
            threading.Thread(target=self.responses, args=(server, peer), daemon=True).start()

    def requests(self, peer, server):
        stream = peer.makefile("rb")
        while len(head := stream.read(4)) == 4:
            frame = stream.read(struct.unpack(">i", head)[0])
            self.keep(frame)
            server.sendall(head + frame)
        server.close()

    def responses(self, server, peer):
        try:
            while data := server.recv(65536):
                peer.sendall(data)
        except OSError:
            pass
        peer.close()

    def keep(self, frame):
        key, version = struct.unpack(">hh", frame[:4])
        path = f"{self.folder}/{self.client}/{NAMES.get(key, key)}-v{version}.bin"
        if len(frame) <= 1500 and not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(frame)


def main(binary, folder):
    recorder = Recorder(folder)
    with tempfile.TemporaryDirectory() as directory:
        advertise = ["--advertise", recorder.address]
        with Broker(binary, directory, *advertise) as broker:
            recorder.broker = broker.address
            for client in available():
                recorder.client = client.name
                topic = f"to-{client.name}"
                for codec in client.codecs:
                    client.produce(recorder.address, topic, values(3, codec), codec, "all", True)
                client.produce(recorder.address, topic, values(3, "plain"), "none", "1", False)
                count = 3 * (len(client.codecs) + 1)
                client.consume(recorder.address, topic, count)
                if client.name == "kcat":
                    # With `-e`, a group of kcat ends at the end of the topic.
                    import subprocess

                    command = ["kcat", "-q", "-b", recorder.address, "-G", "group", "-e", topic]
                    command += ["-X", "auto.offset.reset=earliest", "-X", "heartbeat.interval.ms=200"]
                    subprocess.run(command, capture_output=True, timeout=30)
                elif client.name != "kafkajs":
                    client.consume(recorder.address, topic, count, group="group")
    for name in sorted(os.listdir(folder)):
        if os.path.isdir(f"{folder}/{name}"):
            print(name, *sorted(os.listdir(f"{folder}/{name}")))


if __name__ == "__main__":
    main(*sys.argv[1:])
