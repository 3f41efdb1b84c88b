"""Real services on free ports, and fake peers for them. A service runs in its test's tmp_path and is stopped after it."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

import pytest

import h2client
from support.ports import find_ports

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build")).resolve()
PROGRAMS = {
    "cardea": BUILD / "cardea",
    "time-resource": BUILD / "examples/time-api/time-resource",
    "time-webapp": BUILD / "examples/time-api/time-webapp",
    "grant-resource": BUILD / "examples/resource/grant-resource",
    "hello-site": BUILD / "examples/hello-site/hello-site",
}
PATIENCE = 30  # seconds; only a test that fails takes so long


def wait_until(condition, what, patience=PATIENCE):
    """What condition() returned once it was true."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"waited {patience} s for {what}")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


def call(url, method="GET", headers=(), body=None, timeout=PATIENCE):
    """One request on a connection of its own; headers are pairs, so that one may come twice."""
    parts = urllib.parse.urlsplit(url)
    connection = h2client.connect(parts.hostname, parts.port, timeout)
    try:
        if isinstance(body, dict):
            body = urllib.parse.urlencode(body)
            headers = [("Content-Type", "application/x-www-form-urlencoded"), *headers]
        connection.putrequest(method, parts.path + ("?" + parts.query if parts.query else ""))
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body.encode() if isinstance(body, str) else body)
        return Answer(connection.getresponse())
    finally:
        connection.close()


class Service:
    """One program with one configuration. `config` is a dict (JSON is YAML too), or None for no file at all."""

    def __init__(self, program, config, folder, arguments=None):
        self.program, self.config, self.arguments = program, config, arguments
        self.config_file = folder / f"{program}.yaml"
        self.log_file = folder / f"{program}.log"
        self.process = None
        self.expects_kill = False

    def start(self):
        command = [PROGRAMS[self.program], *(self.arguments or [])]
        if self.config is not None:
            self.config_file.write_text(json.dumps(h2client.with_protocol(self.config)))
            command += ["--config", self.config_file]
        before = len(self.events())
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL)
        wait_until(lambda: self.has_ended() or self.find("ready", since=before), f"{self.program} to be ready")
        assert not self.has_ended(), f"{self.program} ended: {self.log_file.read_text()}"
        self.port = int(self.find("listening", since=before)["address"].rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def has_ended(self):
        return self.process.poll() is not None

    def lines(self):
        return self.log_file.read_text().splitlines() if self.log_file.exists() else []

    def events(self):
        """The log as dicts. A line still being written is left for the next time."""
        text = self.log_file.read_text() if self.log_file.exists() else ""
        lines = text[: text.rfind("\n") + 1].splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def find(self, event, since=0, **members):
        """The first such event, or None."""
        for e in self.events()[since:]:
            if e["event"] == event and all(e.get(k) == v for k, v in members.items()):
                return e
        return None

    def wait_event(self, event, **members):
        return wait_until(lambda: self.find(event, **members), f"{event} {members} in {self.log_file}")

    def call(self, path, method="GET", headers=(), body=None, **more):
        return call(self.url + path, method, headers, body, **more)

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self):
        self.expects_kill = True
        self.process.kill()
        self.process.wait(PATIENCE)

    def restart(self):
        """On the port that it had, so that others find it again."""
        self.config = {**(self.config or {}), "listen": [f"127.0.0.1:{self.port}"]}
        self.expects_kill = False
        return self.start()

    def finish(self):
        if self.process is None:
            return
        if not self.has_ended():
            code = self.stop()
            assert code == 0, f"{self.program} ended with {code}: {self.log_file.read_text()[-4000:]}"
        strange = [line for line in self.lines() if not line.startswith("{")]
        assert not strange or self.expects_kill, f"{self.program} wrote more than events: {strange[:50]}"


@pytest.fixture
def start(tmp_path):
    """start("time-resource", {…}) returns a running Service on a free port unless the configuration names one."""
    services = []

    def start_service(program, config=None, arguments=None):
        folder = tmp_path / str(len(services))
        folder.mkdir()
        config = {"listen": ["127.0.0.1:0"], **(config or {})}
        service = Service(program, config, folder, arguments)
        services.append(service)
        return service.start()

    yield start_service
    for service in reversed(services):
        service.finish()


class Peer:
    """A server on a raw socket. `answer` is bytes to send, or a function of the request (bytes) that returns them; None
    means silence. Each connection is closed after `close_after` requests, where that is set."""

    def __init__(self, answer, close_after=None):
        self.answer, self.close_after = answer, close_after
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection:
                served = 0
                while served != self.close_after and (request := self._read(connection)):
                    self.requests.append(request)
                    served += 1
                    answer = self.answer(request) if callable(self.answer) else self.answer
                    if answer is not None:
                        connection.sendall(answer)
        except OSError:
            pass

    @staticmethod
    def _read(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return b""
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        length = next((int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self):
        for each in (self.listener, *self.connections):  # shut down too: a thread may hold it in accept() or recv()
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()


def http_answer(status, message, *headers):
    """The bytes of an answer; a dict goes out as JSON."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture
def peer():
    peers = []

    def start_peer(answer, **more):
        peers.append(Peer(answer, **more))
        return peers[-1]

    yield start_peer
    for p in peers:
        p.close()


@pytest.fixture
def free_port():
    """A port on which nobody listens."""
    return find_ports()
