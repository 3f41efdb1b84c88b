"""Applications that break the rules: the client sees an error or a cut, never a part of one answer in another; and what the gate held is given back."""
import json
import threading
import time

import pytest
from gated import Gated, make_authority
from hostile_upstream import BAD, BAD_OR_CUT, BAD_OR_LATE, BEHAVIOURS, CUT, EVIL, LATE, SLOW, HostileUpstream
from raw_client import Http1, Http2
from services import wait_until

KINDS = ["http", "https", "unix", "uwsgi"]
TIMEOUTS = {"connect": "5s", "first_byte": "1s", "idle": "1s"}
QUICK = [name for name in BEHAVIOURS if name not in SLOW]


class System:
    def __init__(self, folder):
        certificate, key, authority = make_authority(folder / "authority")
        more = {"http": {}, "https": {"certificate": (certificate, key)}, "unix": {"unix": folder / "u.sock"}, "uwsgi": {"uwsgi": True}}
        self.upstreams = {kind: HostileUpstream(**more[kind]) for kind in KINDS}
        self.gate = Gated(folder / "cardea", [*self._routes("", authority, {}), *self._routes("slow-", authority, {"timeouts": TIMEOUTS})], users={})

    def _routes(self, prefix, authority, more):
        return [{"host": f"{prefix}{kind}.example.com", "upstream": self.upstreams[kind].url, "public": True,
                 **({"tls": {"ca": str(authority)}} if kind == "https" else {}), **more} for kind in KINDS]

    def connect(self, client):
        return client(self.gate.h1 if client is Http1 else self.gate.h2)

    def ask(self, client, kind, path, method="GET", body=b"", slow=False, fields=()):
        fields = [("Host", f"{'slow-' if slow else ''}{kind}.example.com"), *fields]
        if body:
            fields.append(("Content-Length", str(len(body))))
        with self.connect(client) as connection:
            return connection.ask(f"{method} {path}", fields, body)

    def check_good(self, client, kind):
        path = f"/good/{time.monotonic_ns()}"
        reply = self.ask(client, kind, path)
        assert (reply.status, reply.body, reply.is_complete) == (200, f"answer to {path}".encode(), True), reply

    def close(self):
        self.gate.stop()
        for upstream in self.upstreams.values():
            upstream.close()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    running = System(tmp_path_factory.mktemp("hostile"))
    yield running
    running.close()


@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.xdist_group(f"gate-hostile-{kind}")) for kind in KINDS])  # one server for each
def kind(request):
    return request.param


@pytest.fixture(params=[Http1, Http2])
def client(request):
    return request.param


def is_error(reply, status):
    """An answer of the gate's own: complete, for programs, with nothing of the application's and without its address."""
    assert reply.is_complete and reply.status == status, reply
    assert EVIL not in reply.body and not any("evil" in value.lower() for pair in reply.fields for value in pair)
    assert b"127.0.0.1" not in reply.body and b".sock" not in reply.body
    assert json.loads(reply.body)["error"] and "no-store" in (reply.value("Cache-Control") or "")
    return True


def is_cut(reply):
    return reply.status == 200 and not reply.is_complete and EVIL not in reply.body


def check(reply, expected):
    if expected == BAD:
        assert is_error(reply, 502)
    elif expected == LATE:
        assert is_error(reply, 504)
    elif expected == BAD_OR_LATE:
        assert is_error(reply, reply.status) and reply.status in (502, 504), reply
    elif expected == CUT:
        assert is_cut(reply), reply
    else:
        assert expected == BAD_OR_CUT and (is_cut(reply) or is_error(reply, 502)), reply


@pytest.mark.parametrize("name", QUICK)
def test_a_broken_answer_is_an_error_or_a_cut(system, kind, client, name):
    if kind == "unix" and name == "reset of a body that the end would close":
        pytest.skip("a Unix socket has no reset")
    upstream = system.upstreams[kind]
    reply = system.ask(client, kind, upstream.path_of(name))
    if kind == "uwsgi" and name == "status 'HTTP/2.0 200 OK'":
        assert (reply.status, reply.is_complete) == (200, True)  # uWSGI repeats SERVER_PROTOCOL there
    else:
        check(reply, BEHAVIOURS[name][1])
    system.check_good(client, kind)


@pytest.mark.xdist_group("gate-hostile-unix")
def test_a_late_answer_is_an_error_or_a_cut(system, client):
    """All at the same time, since each takes as long as its timeout."""
    replies, threads = {}, []
    for kind in KINDS:
        for name in SLOW:
            body = b"x" * 1_000_000 if name == "a_body_that_is_not_read" else b""
            if kind == "uwsgi" and body:
                continue  # the whole body fits into the buffers of the system, or does not
            words = (client, kind, system.upstreams[kind].path_of(name), "POST" if body else "GET", body, True)
            threads.append(threading.Thread(target=lambda key=(kind, name), words=words: replies.__setitem__(key, system.ask(*words))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == len(threads)
    for (kind, name), reply in replies.items():
        try:
            check(reply, BEHAVIOURS[name][1])
        except AssertionError as fault:
            raise AssertionError(f"{kind}, {name}: {reply}") from fault


# --- answers that have what they must not have ----------------------------------------------------------------------


@pytest.fixture
def behave(system, kind):
    """Sets what the upstream does for /other/…"""
    upstream = system.upstreams[kind]
    yield lambda function: upstream.others.__setitem__("other", function)
    upstream.others.pop("other", None)


def sends(*pieces, keeps=True, pause=0.0):
    """`answer.sent` is set once all of it is on its way."""
    def answer(connection, request):
        request.read_body()
        try:
            for at, piece in enumerate(pieces):
                time.sleep(pause if at else 0)
                connection.sendall(piece)
        finally:
            answer.sent.set()
        return keeps

    answer.sent = threading.Event()
    return answer


@pytest.mark.parametrize("kind", ["http", "uwsgi"], indirect=True)
@pytest.mark.parametrize("method, head", [
    ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n"), ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"), ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n"),
    ("GET", b"HTTP/1.1 304 Not Modified\r\n\r\n"), ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"), ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n"),
    ("GET", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n")])
def test_a_body_where_none_can_be_is_not_passed_on(system, kind, client, behave, method, head):
    """The head may have gone on before the body shows. What follows it is not the answer to the next request."""
    answer = sends(head, EVIL, b"\r\n0\r\n\r\n", pause=0.05)
    behave(answer)
    with system.connect(client) as connection:
        fields = [("Host", f"{kind}.example.com")]
        reply = connection.ask(f"{method} /other/x", fields)
        assert reply.status in (204, 304, 200, 502) and EVIL not in reply.body, reply
    assert answer.sent.wait(30)  # what comes before the next request was sent is nobody's; what comes later is its answer
    for _ in range(3):
        system.check_good(client, kind)


@pytest.mark.parametrize("extra", [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"evil", b"\r\n", b"HTTP/1.1 103 X\r\n\r\n"])
@pytest.mark.parametrize("pause", [0.0, 0.05])
@pytest.mark.parametrize("kind", ["http", "https"], indirect=True)
def test_an_answer_that_nobody_asked_for_is_nobodys(system, kind, client, behave, pause, extra):
    """Neither behind an answer, nor on a connection that is kept."""
    answer = sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", extra, pause=pause)
    behave(answer)
    for _ in range(2):
        answer.sent.clear()
        reply = system.ask(client, kind, "/other/x")
        assert (reply.status == 200 and reply.body == b"hello") or is_error(reply, 502), reply
        assert answer.sent.wait(30)  # what comes before the next request was sent is nobody's; what comes later is its answer
        for _ in range(2):
            system.check_good(client, kind)


def test_a_few_interim_answers_are_not_the_answer(system, kind, client, behave):
    behave(sends(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x.css>\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
    reply = system.ask(client, kind, "/other/x")
    assert (reply.status, reply.body, reply.is_complete) == (200, b"hello", True)
    assert all(status == 103 for status, _ in reply.interim), "100 (Continue) is the gate's own to say"


def test_http_1_0_is_understood(system, kind, client, behave):
    behave(sends(b"HTTP/1.0 200 OK\r\nServer: old\r\n\r\nhello", keeps=False))
    reply = system.ask(client, kind, "/other/x")
    assert (reply.status, reply.body, reply.is_complete) == (200, b"hello", True)


def test_a_connection_that_the_upstream_closed_is_not_an_error(system, kind, client, behave):
    """It closes each connection right after its answer, without having said so."""
    behave(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", keeps=False))
    for _ in range(20):
        reply = system.ask(client, kind, "/other/x")
        assert (reply.status, reply.body) == (200, b"hello"), reply


@pytest.mark.parametrize("reads_later", [True, False])
def test_an_early_answer_arrives_although_the_body_was_not_read(system, kind, client, behave, reads_later):
    """413 to an upload of 20 MB, of which the application reads nothing before it answers."""
    def answer(connection, request):
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge")
        if reads_later:
            request.read_body()
        else:
            time.sleep(0.2)
        return False

    behave(answer)
    reply = system.ask(client, kind, "/other/x", "POST", b"x" * 20_000_000)
    assert (reply.status, reply.body) == (413, b"large"), reply
    system.check_good(client, kind)
