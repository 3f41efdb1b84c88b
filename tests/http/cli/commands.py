"""The commands of build/cardea, run as a user runs them. CARDEA_BUILD names the build folder (default: build)."""
import json
import os
import pathlib
import queue
import signal
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build"))
CARDEA = BUILD / "cardea"
DEADLINE = 30  # seconds; a sanitizer build on a busy machine is slow


def run(*args, env=None, **options):
    return subprocess.run([CARDEA, *args], capture_output=True, text=True, timeout=DEADLINE, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})}, **options)


class Program:
    """A running program whose output is read as it comes."""

    def __init__(self, *args, **options):
        self.process = subprocess.Popen([CARDEA, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        stdin=subprocess.DEVNULL, **options)
        self.out, self.err = [], []
        self.lines = queue.Queue()
        self.readers = [threading.Thread(target=self._read, args=pair, daemon=True)
                        for pair in ((self.process.stdout, self.out), (self.process.stderr, self.err))]
        for reader in self.readers:
            reader.start()

    def _read(self, stream, lines):
        for line in stream:
            lines.append(line)
            self.lines.put(line)

    def wait_line(self, predicate):
        """The first line of either stream that has not been looked at and fits."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                line = self.lines.get(timeout=0.05)
            except queue.Empty:
                assert time.monotonic() < end and self.process.poll() is None, self.err + self.out
                continue
            if predicate(line):
                return line

    def wait_event(self, name):
        return json.loads(self.wait_line(lambda line: f'"event":"{name}"' in line))

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        code = self.process.wait(DEADLINE)
        for reader in self.readers:
            reader.join(DEADLINE)
        return code


def listen_somewhere(port=0):
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    taken.listen()
    return taken
