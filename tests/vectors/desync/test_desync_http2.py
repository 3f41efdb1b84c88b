"""Request smuggling over HTTP/2: the cases of aws/http-desync-guardian, as a client that speaks HTTP/2 can say them.

There a message ends where its frames say so, and what the cases write into headers to move that end is of no effect or refused. A
proxy behind which Cardea stands, or that stands behind Cardea, may still write them as HTTP/1, so:

- A case that is `severe` or `ambiguous` for what HTTP/2 has too (headers of framing, names and values that are none, targets) is refused.
- Whatever the answer, the next request of the connection is answered as itself, or the connection ends.
"""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "http" / "http2"))
from frames import PROTOCOL_ERROR, Http2Server, data, headers  # noqa: E402
from test_desync import OTHERS, VECTORS, body_for, cases, wire as to_bytes  # noqa: E402

# What a request of HTTP/2 cannot say, so that nothing is left of the case: a version, and spaces around a value, which is why they are kept.
FRAMING = {b"content-length", b"transfer-encoding"}


@pytest.fixture(scope="module")
def server():
    if not VECTORS.is_dir():
        pytest.skip(f"no vectors at {VECTORS}")
    with Http2Server("log", "4") as running:
        yield running
        assert running.process.poll() is None, "the server died"


def fields_of(case):
    """The request with its headers in lower case, as a gateway would write them, and byte by byte else."""
    pairs = [(to_bytes(h["name"]), to_bytes(h["value"])) for h in case.get("headers") or []]
    fields = [(b":method", to_bytes(case["method"])), (b":scheme", b"http"), (b":authority", b"localhost"), (b":path", to_bytes(case["uri"]) or b"/")]
    return fields + [(name.lower(), value) for name, value in pairs if name.lower() != b"host"]


def outcome(server, fields, body):
    """How the request ended, and whether the next one was answered as itself or not at all."""
    with server.wire() as wire:
        stream, following = wire.new_stream(), wire.new_stream()
        wire.send(headers(stream, fields, end=not body), *([data(stream, body, end=True)] if body else []))
        wire.send(headers(following, [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/inline?second")]))
        result = wire.outcome(stream)
        if result[0] in ("answer", "reset"):
            second = wire.answer(following)
            assert (second.status, second.body) == (200, b"second"), second
        assert set(wire.streams) <= {stream, following}, "an answer that nobody asked for"
        return result


def is_refused(result):
    return result in (("reset", PROTOCOL_ERROR), ("goaway", PROTOCOL_ERROR)) or (result[0] == "answer" and result[1] in (400, 413, 417, 501))


def has_something_left(case):
    """Whether the case is still one when its version, its Host and the case of its letters are gone."""
    fields = fields_of(case)[4:]
    names = [name for name, _ in fields]
    return any(name.strip() in FRAMING | {b"connection"} and (b"transfer" in name or b"connection" in name or name != name.strip() or
                                                             not value.isdigit() or names.count(name) > 1) for name, value in fields)


@pytest.mark.parametrize("case", cases("severe", "ambiguous"))
def test_its_framing_is_refused_and_moves_no_end(server, case):
    fields = fields_of(case)
    result = outcome(server, fields, body_for(fields[4:]))
    if has_something_left(case):
        assert is_refused(result), result


@pytest.mark.parametrize("case", cases("rfc-compliant", *OTHERS))
def test_it_moves_no_end(server, case):
    fields = fields_of(case)
    outcome(server, fields, body_for(fields[4:]))


@pytest.mark.parametrize("length", [b"0", b"4", b"100"])
@pytest.mark.parametrize("end", [True, False], ids=["in HEADERS", "in DATA"])
def test_a_length_that_hides_a_request_is_refused(server, length, end):
    """H2.CL: what lies behind the body that the length promises would be a request to the server behind a proxy."""
    body = b"" if end and length != b"0" else b"xxxxGET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n"
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"localhost"), (b":path", b"/echo"), (b"content-length", length)]
    assert is_refused(outcome(server, fields, body))


@pytest.mark.parametrize("name, value", [
    (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"identity"), (b"transfer-encoding", b""), (b" transfer-encoding", b"chunked"),
    (b"transfer-encoding ", b"chunked"), (b"transfer-encoding:", b"chunked"), (b"transfer_encoding", b"chunked"), (b"transfer-encoding\r", b"chunked"),
    (b"foo", b"bar\r\ntransfer-encoding: chunked"), (b"foo", b"bar\ntransfer-encoding: chunked"), (b"foo: bar\r\ntransfer-encoding", b"chunked"),
    (b"foo", b"bar\r\n\r\nGET /admin HTTP/1.1\r\nx: y"), (b"content-length", b"0\r\n\r\nGET /admin HTTP/1.1"),
])
def test_a_coding_that_hides_a_request_is_refused(server, name, value):
    """H2.TE, and header injection: what HTTP/1 would read as a line of its own."""
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"localhost"), (b":path", b"/echo"), (name, value)]
    assert is_refused(outcome(server, fields, b"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n"))


@pytest.mark.parametrize("pseudo, value", [
    (b":method", b"GET /admin HTTP/1.1\r\nx: y\r\n\r\nGET"), (b":path", b"/ HTTP/1.1\r\nHost: localhost\r\n\r\nGET /admin"), (b":path", b"/x y"),
    (b":authority", b"localhost\r\nx: y"), (b":scheme", b"http://localhost/admin?"), (b":path", b"http://elsewhere/"), (b":path", b"@elsewhere/"),
])
def test_a_pseudo_header_that_hides_a_request_is_refused(server, pseudo, value):
    fields = {b":method": b"GET", b":scheme": b"http", b":authority": b"localhost", b":path": b"/echo", pseudo: value}
    assert is_refused(outcome(server, list(fields.items()), b""))
