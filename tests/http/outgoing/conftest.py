"""Servers that a provider, or somebody who has taken one over, could run."""
import json
import socket
import ssl
import subprocess
import threading

import pytest

import services

TOOL = services.BUILD / "tests/support/outgoing-tool"
MASTER_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


class Hostile:
    """Answers each connection with what `answer(connection, request)` does; keeps every request as bytes."""

    def __init__(self, answer, tls=None):
        self.answer, self.tls, self.requests, self.connections = answer, tls, [], 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection, (self.tls.wrap_socket(connection, server_side=True) if self.tls else connection) as stream:
                request = b""
                while b"\r\n\r\n" not in request:
                    more = stream.recv(65536)
                    if not more:
                        return
                    request += more
                head, _, body = request.partition(b"\r\n\r\n")
                length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n")
                               if line.lower().startswith(b"content-length:")), 0)
                while len(body) < length:
                    body += stream.recv(65536)
                self.requests.append(head + b"\r\n\r\n" + body)
                self.answer(stream, self.requests[-1])
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.fixture
def hostile():
    made = []

    def make(answer, tls=None):
        made.append(Hostile(answer, tls))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A folder with cert.pem, key.pem and ca.pem, for localhost and 127.0.0.1."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run([services.PROGRAMS["cardea"], "cert", "new", "localhost", "127.0.0.1", "--dir", folder], check=True,
                   capture_output=True, timeout=services.PATIENCE)
    return folder


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


class Sent:
    def __init__(self, done):
        first, self.result = done.stdout.splitlines()
        self.has_libcurl_before = first == "libcurl is loaded"
        self.log = done.stderr
        self.events = [json.loads(line) for line in done.stderr.splitlines()]

    @property
    def event(self):
        assert len(self.events) == 1 and self.events[0]["event"] == "outgoing_request"
        return self.events[0]


@pytest.fixture
def send(tmp_path):
    """One request with a configuration of `outgoing` and `log`, and loopback addresses allowed."""
    def send(url, method="GET", body="", credentials=None, networks=("127.0.0.0/8",), log=None, **outgoing):
        config = {"master_key": MASTER_KEY, "store": "sqlite:x.db", "log": log or {"outgoing": "full"},
                  "outgoing": {"networks": list(networks), **outgoing}}
        (tmp_path / "cardea.yaml").write_text(json.dumps(config))
        return Sent(subprocess.run([TOOL, tmp_path / "cardea.yaml", method, url, body,
                                    *([credentials] if credentials else [])],
                                   capture_output=True, text=True, timeout=services.PATIENCE, check=False))

    return send
