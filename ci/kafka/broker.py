"""Starts brokers and measures their resources."""

import os
import re
import signal
import subprocess
import threading
import time


class Broker:
    """A broker process. The end of the `with` block kills it."""

    def __init__(self, binary, directory, *options, listen="127.0.0.1:0", ulimit=None):
        command = [binary, "--listen", listen, *options, str(directory)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        found = re.match(r"listening on (\S+),", line)
        if not found:
            raise RuntimeError(f"no broker: {line}{self.process.stderr.read()}")
        self.address = found.group(1)
        self.errors = []
        # A full pipe would block the broker.
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.errors.append(line.rstrip())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends the broker by SIGTERM, and returns its output."""
        self.process.send_signal(signal.SIGTERM)
        output = self.process.stdout.read()
        if self.process.wait(10) != 0:
            raise RuntimeError(f"the broker ended with {self.process.returncode}")
        return output

    def cpu_seconds(self):
        return cpu_seconds(self.pid)

    def resident(self):
        """Returns the resident bytes."""
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def cpu_seconds(pid):
    """Returns the processor time of a process in seconds, to the nanosecond, with that of ended threads."""
    cpu_clock = (~pid << 3) | 2
    return time.clock_gettime(cpu_clock)
