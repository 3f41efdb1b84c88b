"""Trailers of a request at the gate: the application sees them, but none that it could take for a header of the gate's (LESSONS 4)."""
import pytest

from gated import Gated
from raw_client import Http1, Http2, chunked_bytes
from raw_server import RawServer
from services import PATIENCE

HOST = "app.example.com"
UWSGI = "uwsgi.example.com"
pytestmark = pytest.mark.xdist_group("gate-request-trailers")  # one server for all


def answer(connection, _):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    return True


@pytest.fixture(scope="module")
def application():
    running = RawServer(answer)
    yield running
    running.close()


@pytest.fixture(scope="module")
def uwsgi():
    running = RawServer(answer, uwsgi=True)
    yield running
    running.close()


@pytest.fixture(scope="module")
def gate(tmp_path_factory, application, uwsgi):
    running = Gated(tmp_path_factory.mktemp("trailers"), [
        {"host": HOST, "upstream": application.url, "public": True, "identity": {"headers": {"user": "X-Web-User"}}},
        {"host": UWSGI, "upstream": uwsgi.url, "public": True}], users={})
    yield running
    running.stop()


def by_http1(gate, host, trailers, body=b"abc"):
    with Http1(gate.h1) as connection:
        return connection.ask("POST /", [("Host", host), ("Transfer-Encoding", "chunked")], chunked_bytes(body, [1], trailers))


def by_http2(gate, host, trailers, body=b"abc"):
    with Http2(gate.h2, PATIENCE) as connection:
        return connection.ask("POST /", [("Host", host)], body, trailers)


@pytest.fixture(params=[by_http1, by_http2], ids=["HTTP/1.1", "HTTP/2"])
def send(request, gate):
    return lambda host, trailers, body=b"abc": request.param(gate, host, trailers, body)


def lower(fields):
    return [(name.lower(), value) for name, value in fields]


@pytest.mark.parametrize("body", [b"abc", b"", b"x" * 300_000], ids=["3 bytes", "none", "300 KB"])
def test_trailers_reach_the_application(send, application, body):
    sent = [("x-checksum", "sum: 1"), ("content-digest", "sha-256=:abc=:"), ("empty", "")]
    assert send(HOST, sent, body).status == 200
    request = application.requests[-1]
    assert (request.body, lower(request.trailers)) == (body, sent)
    assert not application.faults


@pytest.mark.parametrize("name", [
    "remote-user", "x-web-user", "x_web_user", "x-forwarded-user", "x-forwarded-for", "forwarded", "x-real-ip", "cardea-identity",
    "authorization", "cookie", "content-length", "content-type", "content-encoding", "transfer-encoding", "host", "x-api-key", "expect",
    "if-match", "range", "x-original-url", "script_name", "proxy-authorization", "te", "trailer", "x-http-method-override"])
def test_lesson_4_no_trailer_says_who_the_user_is_or_what_the_message_is(send, application, name):
    before = len(application.requests)
    reply = send(HOST, [("x-first", "1"), (name, "evil"), ("x-last", "2")])
    requests = application.requests[before:]
    if name in ("te", "host", "transfer-encoding", "content-length") and not requests:
        assert reply.status in (400, None)  # libnghttp2 refuses these by themselves
        return
    assert reply.status == 200
    expected = [("x-first", "1"), ("x-last", "2")]
    if name == "x-http-method-override":
        expected.insert(1, (name, "evil"))  # passed among the headers too
    assert lower(requests[0].trailers) == expected


def test_an_application_behind_uwsgi_sees_the_body_without_them(send, uwsgi):
    assert send(UWSGI, [("x-checksum", "1")]).status == 200
    assert uwsgi.requests[-1].body == b"abc"
    assert not [name for name, _ in uwsgi.requests[-1].fields if "CHECKSUM" in name]


@pytest.mark.parametrize("count, status", [(64, 200), (65, 431)])
def test_there_are_at_most_64(send, application, count, status):
    before = len(application.requests)
    assert send(HOST, [("x", "1")] * count).status == status
    assert [len(request.trailers) for request in application.requests[before:]] == ([64] if status == 200 else [])
