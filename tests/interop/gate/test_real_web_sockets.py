"""Web sockets of npm's ws and socket.io: over HTTP/1.1 with npm's clients, and over HTTP/2 (RFC 8441)."""
import json
import os
import re
import subprocess

import pytest
from grant.postgres import Postgres, new_schema

from .applications import SecureGate, need_npm, start_node
from .peers import PATIENCE

frames = pytest.importorskip("websockets.frames")

pytestmark = pytest.mark.xdist_group("gate-web-sockets")
CHAT = "chat.example.com"


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    need_npm()
    folder = tmp_path_factory.mktemp("npm")
    made = {"chat": start_node(folder, "ws_server.mjs"), "live": start_node(folder, "socketio_server.mjs")}
    made["routes"] = [{"host": f"{name}.example.com", "upstream": f"http://127.0.0.1:{made[name].port}",
                       "allow": {"groups": ["staff"]}} for name in ("chat", "live")]
    yield made
    made["chat"].stop()
    made["live"].stop()


@pytest.fixture(scope="module")
def gate(servers, tmp_path_factory):
    made = SecureGate(tmp_path_factory.mktemp("web-sockets"), servers["routes"])
    yield made
    made.stop()


@pytest.mark.parametrize("story", ["echo", "large", "close", "ping", "protocols", "refused"])
def test_ws(gate, story):
    gate.node("ws_client.mjs", story)


@pytest.mark.parametrize("story", ["upgrade", "polling", "websocket", "refused"])
def test_socket_io(gate, story):
    gate.node("socketio_client.mjs", story)


# ---- over HTTP/2 ----


class Http2Socket:
    """A web socket in a stream of HTTP/2."""

    def __init__(self, session, host, cookie, origin=None):
        self.session = session
        fields = {":method": "CONNECT", ":protocol": "websocket", ":scheme": "https", ":path": "/room",
                  ":authority": host, "sec-websocket-version": "13", "cookie": cookie,
                  "origin": origin or f"https://{host}"}
        self.stream = session.open([(name.encode(), value.encode()) for name, value in fields.items()], end=False)
        self.pump_until(lambda: self.stream.status is not None)

    def pump_until(self, condition):
        while not condition():
            assert self.session.pump() or condition(), (self.stream.status, self.stream.error, self.session.goaway)

    def is_over(self):
        return self.stream.ended or self.stream.error is not None

    def send(self, opcode, data):
        left = frames.Frame(opcode, data).serialize(mask=True)
        while left:
            sent = self.session.send_some(self.stream, left, False)
            left = left[sent:]
            if not sent:
                assert self.session.pump()

    def read(self):
        """One frame."""
        def take(count):
            self.pump_until(lambda: len(self.stream.body) >= count or self.is_over())
            data, self.stream.body = self.stream.body[:count], self.stream.body[count:]
            yield from ()
            return data
        parser = frames.Frame.parse(take, mask=False, max_size=None)
        try:
            next(parser)
        except StopIteration as done:
            return done.value
        raise AssertionError("a frame that does not end")


@pytest.fixture
def session(gate):
    made = gate.connect_http2(CHAT)
    yield made
    made.sock.close()


def test_ws_over_http_2(gate, session):
    socket = Http2Socket(session, CHAT, f"theme=dark; {gate.cookies['ana']}")
    assert socket.stream.status == 200 and "sec-websocket-accept" not in dict(socket.stream.headers)
    socket.send(frames.OP_TEXT, b"headers")
    seen = json.loads(socket.read().data)
    wanted = {"cookie": "theme=dark", "remote-user": "ana", "host": CHAT, "upgrade": "websocket"}
    assert {name: seen[name] for name in wanted} == wanted
    for size in (0, 125, 126, 65535, 65536, 1 << 20):
        content = os.urandom(size)
        socket.send(frames.OP_BINARY, content)
        assert socket.read().data == content
    socket.send(frames.OP_PING, b"of the client")
    assert (answer := socket.read()).opcode == frames.OP_PONG and answer.data == b"of the client"
    socket.send(frames.OP_TEXT, b"close 4000")
    assert (answer := socket.read()).opcode == frames.OP_CLOSE and answer.data == b"\x0f\xa0closed with 4000"
    socket.send(frames.OP_CLOSE, answer.data)
    session.h2.end_stream(socket.stream.number)
    session.flush()
    socket.pump_until(socket.is_over)
    assert socket.stream.ended and socket.stream.error in (None, 0)


def test_several_in_one_connection_of_http_2_beside_requests(gate, session):
    sockets = [Http2Socket(session, CHAT, gate.cookies["ana"]) for _ in range(5)]
    for number, socket in enumerate(sockets):
        socket.send(frames.OP_TEXT, b"%d" % number)
    page = session.finish(session.open([(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"),
                                        (b":authority", CHAT.encode()), (b"cookie", gate.cookies["ana"].encode())]))
    assert (page.status, page.body) == (200, b"a page")
    for number, socket in reversed(list(enumerate(sockets))):
        assert socket.read().data == b"%d" % number
    sockets[2].send(frames.OP_TEXT, b"terminate now")
    sockets[2].pump_until(sockets[2].is_over)
    sockets[3].send(frames.OP_TEXT, b"still here")
    assert sockets[3].read().data == b"still here"


def test_lesson_8_over_http_2_another_origin_and_a_stranger_are_refused(gate, session):
    assert Http2Socket(session, CHAT, gate.cookies["ana"], origin="https://evil.example.com").stream.status == 403
    assert Http2Socket(session, CHAT, gate.cookies["bob"]).stream.status == 403
    assert Http2Socket(session, CHAT, "a=b").stream.status == 401


# ---- two nodes ----


@pytest.fixture
def nodes(servers, tmp_path):
    """Two nodes on PostgreSQL. The server is the one that ./dev test started for all workers, else this test's own."""
    url = os.environ.get("CARDEA_POSTGRES")
    postgres = None if url else Postgres()
    made = SecureGate(tmp_path / "first", servers["routes"], store=new_schema(url or postgres.url))
    second = made.add_node(tmp_path / "second")
    yield made, second
    second.finish()
    made.stop()
    if postgres:
        postgres.remove()


STATUS = ["-o", os.devnull, "-w", "%{http_code} %{redirect_url}"]


def log_out(gate, jar):
    page = gate.curl(jar, "https://auth.example.com/_auth/logout")
    token = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    status = gate.curl(jar, *STATUS, "-H", "Origin: https://auth.example.com", "--data-urlencode", f"csrf={token}",
                       "https://auth.example.com/_auth/logout")
    assert status.startswith("303 https://auth.example.com/_auth/login"), status


def test_lesson_8_who_logs_out_at_one_node_is_cut_at_the_other(nodes, tmp_path):
    gate, second = nodes
    jar = gate.write_jar(tmp_path / "jar")
    with subprocess.Popen(gate.node_command("ws_client.mjs", "stay"), env=gate.node_environment(second.h1),
                          stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "open\n"
        session = gate.connect_http2(CHAT, second.h1)
        socket = Http2Socket(session, CHAT, gate.cookies["ana"])
        assert socket.stream.status == 200
        kept = gate.write_jar(tmp_path / "kept")  # what a thief has
        log_out(gate, jar)
        assert client.stdout.readline() == "closed 1006\n"
        socket.pump_until(socket.is_over)
        session.sock.close()
        assert client.wait(PATIENCE) == 0
    for port in (second.h1, gate.h1):
        went = gate.curl(kept, *STATUS, "-H", "Accept: text/html", f"https://{CHAT}/", port=port)
        assert went.startswith("302 https://auth.example.com/_auth/login?"), went
    second.wait_event("request", error="web_socket_cut", user="ana", route=CHAT)
