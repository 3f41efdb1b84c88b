"""Request smuggling: the cases of aws/http-desync-guardian through the gate into Debian's servers. What one of them reads is what the gate
has decided on and sent, and nothing else: no request that was hidden in another.

In the body of each case is a request, which a server that saw the end of the body elsewhere would answer, and another one follows."""
import pathlib
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from gated import Gated
from raw_client import Http1, Http2

from .targets import TARGETS

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "vectors" / "desync"), str(HERE.parents[1] / "http" / "engine")]
from test_desync import OTHERS, VECTORS, cases, wire as to_bytes  # noqa: E402

pytestmark = pytest.mark.xdist_group("gate-desync")  # one server for all

CASES = [case.values[0] for case in cases("severe", "ambiguous", "rfc-compliant", *OTHERS)]
SMUGGLED = "GET /hidden HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()
FINAL = "/final"


class System:
    def __init__(self, folder):
        self.targets = {name: target(folder / name) for name, target in TARGETS.items()}
        self.gate = Gated(folder / "cardea", [{"host": f"{name}.example.com", "upstream": target.url, "public": True} for name, target in self.targets.items()], users={})

    def close(self):
        self.gate.stop()
        for target in self.targets.values():
            target.stop()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    if not VECTORS.is_dir():
        pytest.skip(f"no vectors at {VECTORS}")
    running = System(tmp_path_factory.mktemp("desync"))
    yield running
    running.close()


def fields_of(case, host):
    """Its headers, its Host replaced by the site's where there is none or one of theirs."""
    fields = [(to_bytes(h["name"]), to_bytes(h["value"])) for h in case.get("headers") or []]
    named = [(name, value) for name, value in fields if name.strip().lower() != b"host"]
    hosts = [pair for pair in fields if pair not in named]
    return [(b"Host", host), *named] if len(hosts) < 2 else [(b"Host", host), *hosts[1:], *named]


def bodies():
    """What may follow the head: a server that looks for the end of the body in another way sees a request."""
    chunk = b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n"
    return [b"", SMUGGLED, b"0\r\n\r\n" + SMUGGLED, chunk, b"5\r\nhello\r\n0\r\n\r\n" + SMUGGLED]


def of_http1(case, host, body):
    """With the length that fits where the case says none of its own."""
    fields = fields_of(case, host)
    version = to_bytes(case["version"])
    line = to_bytes(case["method"]) + b" " + (to_bytes(case["uri"]) or b"/") + (b" " + version if version else b"")
    return line + b"\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in fields) + b"\r\n" + body


def send_http1(port, data, host):
    """With a last request; everything that comes is read. The end comes only when nothing else does: some give up a request whose client has ended."""
    with Http1(port) as connection:
        try:
            connection.send(data + b"GET " + FINAL.encode() + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
            connection.socket.settimeout(0.3)
            try:
                while connection.reader.fill():
                    pass
            except TimeoutError:
                connection.socket.settimeout(30)
                connection.socket.shutdown(socket.SHUT_WR)
                while connection.reader.fill():
                    pass
        except OSError:
            pass


class Judge:
    """Each request that the gate forwards has an id from it. A request without one, or with that of another, is one that it did not send."""

    def __init__(self, target):
        self.target, self.ids, self.count, self.faults = target, set(), 0, []
        target.seen()

    def look(self, what):
        for line in self.target.seen():
            words = line.split(" ")
            if len(words) < 3 or len(words[-1]) < 8 or words[-1] in self.ids:
                self.faults.append(f"{what}: {line!r}")
            self.ids.add(words[-1])
            self.count += 1

    def finish(self, at_least):
        time.sleep(0.2)  # some write their log after they have answered
        self.look("at the end")
        assert self.faults == [] and self.count >= at_least


@pytest.mark.parametrize("name", TARGETS)
def test_the_server_reads_the_requests_that_the_gate_has_sent_and_no_others(system, name):
    host = f"{name}.example.com".encode()
    judge = Judge(system.targets[name])
    with ThreadPoolExecutor(16) as pool:
        for case in CASES:
            for body in bodies():
                pool.submit(send_http1, system.gate.h1, of_http1(case, host, body), host)
    judge.finish(50)


@pytest.mark.parametrize("name", TARGETS)
def test_a_body_that_the_gate_read_as_one_is_one_for_the_server(system, name):
    """What it contains is no request."""
    host = f"{name}.example.com"
    judge = Judge(system.targets[name])
    chunked = b"%x\r\n" % len(SMUGGLED) + SMUGGLED + b"\r\n0\r\n\r\n"
    for framing, body in ([("Content-Length", str(len(SMUGGLED)))], SMUGGLED), ([("Transfer-Encoding", "chunked")], chunked):
        for method in ("GET", "POST", "DELETE", "OPTIONS", "PUT"):
            with Http1(system.gate.h1) as connection:  # it ends if the server answers without having read the body
                reply = connection.ask(f"{method} /visible", [("Host", host), *framing], body)
            assert reply.status in (200, 405), (method, framing, reply)
            judge.look((method, framing))
    judge.finish(10)


# Over HTTP/2 a message ends where its frames say so; what a header says of it must not reach the server as a second word (H2.CL, H2.TE).
INJECTED = [
    (b"content-length", b"0"), (b"content-length", b"4"), (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"identity"), (b"transfer-encoding ", b"chunked"),
    (b"transfer_encoding", b"chunked"), (b"foo", b"bar\r\ntransfer-encoding: chunked"), (b"foo", b"bar\ntransfer-encoding: chunked"), (b"foo: bar\r\ntransfer-encoding", b"chunked"),
    (b"foo", b"bar\r\n\r\n" + SMUGGLED), (b"content_length", b"0"), (b"content.length", b"0"), (b"connection", b"content-length"), (b"connection", b"host"), (b"te", b"chunked"),
    (b"expect", b"100-continue"), (b"trailer", b"content-length"), (b"host", b"other.example.com"), (b"upgrade", b"h2c"), (b"http2-settings", b"AAMAAABkAARAAAAAAAIAAAAA"),
    (b"content-length", b"0\r\n\r\n" + SMUGGLED), (b"x-http-method-override", b"GET"),
]


@pytest.mark.parametrize("name", TARGETS)
def test_what_headers_of_http_2_say_of_the_framing_hides_no_request(system, name):
    host = f"{name}.example.com"
    judge = Judge(system.targets[name])
    for injected in INJECTED:
        for body in (b"", SMUGGLED, b"0\r\n\r\n" + SMUGGLED):
            with Http2(system.gate.h2) as connection:
                stream = connection.session.open([(b":method", b"POST"), (b":scheme", b"http"), (b":authority", host.encode()), (b":path", b"/visible"), injected], end=not body)
                if body:
                    connection.send(stream, body)
                if connection.read(stream).is_complete:
                    connection.ask(f"GET {FINAL}", [("Host", host)])
            judge.look((injected, body))
    judge.finish(len(INJECTED))
