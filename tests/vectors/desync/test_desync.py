"""Request smuggling: the cases of aws/http-desync-guardian (../shared/vectors/http-desync), sent byte by byte as they say.

`severe` and `ambiguous` must be refused with 400 and the connection closed, `rfc-compliant` must be answered otherwise, but
for what is `STRICTER`. Of the other files only this holds: nothing crashes, and nothing behind a refused request is ever answered.
"""
import os
import pathlib
import socket
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "http" / "engine"))
from engine import Server, read_all  # noqa: E402

yaml = pytest.importorskip("yaml")

ROOT = pathlib.Path(__file__).resolve().parents[3]
VECTORS = pathlib.Path(os.environ.get("CARDEA_VECTORS", ROOT.parent / "shared" / "vectors")) / "http-desync"
# What RFC 9110 lets pass and is refused here, because another parser may read it differently (LESSONS 2): see
# test_a_body_that_others_could_read_differently_is_400_and_the_end and test_lesson_2_a_query_that_others_could_read_differently_is_400_and_the_end.
STRICTER = {"Transfer-Encoding with a param: chunked;custom_param", "Compliant URL"}
OTHERS = ["acceptable", "bad-header-characters", "more-compliant-tests", "single-case", "uri-specific-test-cases"]
SECOND = b"GET /inline?second HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def cases(*names):
    for name in names:
        path = VECTORS / f"{name}.yaml"
        for case in yaml.safe_load(path.read_text()) if path.exists() else []:
            yield pytest.param(case, id=f"{name}: {case['name']}".encode("ascii", "backslashreplace").decode())


def wire(text):
    """A character up to U+00FF stands for the byte of that value ("\\x88"); others are meant as UTF-8."""
    text = str(text)
    return text.encode("latin-1") if all(ord(c) < 256 for c in text) else text.encode()


def body_for(headers):
    """The body that the headers promise, so that a request that is accepted is complete."""
    names = {name.strip().lower(): value.strip() for name, value in headers}
    if b"transfer-encoding" in names:
        return b"5\r\nhello\r\n0\r\n\r\n"
    length = names.get(b"content-length", b"0")
    return b"x" * int(length) if length.isdigit() and int(length) < 10**6 else b""


def request_of(case):
    headers = [(wire(h["name"]), wire(h["value"])) for h in case.get("headers") or []]
    if not any(name.lower() == b"host" for name, _ in headers):
        headers.insert(0, (b"Host", b"localhost"))  # the cases list the headers of interest only
    # An empty URI cannot be written on the wire: "the client MUST send '/'" (RFC 9112 section 3.2.1).
    uri = wire(case["uri"]) or b"/"
    version = wire(case["version"])
    line = wire(case["method"]) + b" " + uri + (b" " + version if version else b"")
    head = line + b"\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in headers) + b"\r\n"
    return head + body_for(headers)


def exchange(server, data):
    """All that the server says to `data` and a second request behind it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(data)
        try:
            sock.sendall(SECOND)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return read_all(sock)


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


@pytest.fixture(scope="module")
def server():
    if not VECTORS.is_dir():
        pytest.skip(f"no vectors at {VECTORS}")
    with Server("log", "4") as running:
        yield running
        assert running.process.poll() is None, "the server died"


@pytest.mark.parametrize("case", cases("severe", "ambiguous"))
def test_is_refused(server, case):
    answer = exchange(server, request_of(case))
    assert status_of(answer) == 400, answer
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 ") == 1, "something behind a refused request was answered"


@pytest.mark.parametrize("case", cases("rfc-compliant"))
def test_is_accepted(server, case):
    answer = exchange(server, request_of(case))
    if case["name"] in STRICTER:
        assert status_of(answer) == 400 and answer.count(b"HTTP/1.1 ") == 1, answer
        return
    assert status_of(answer) == 404, answer  # no such path, and nothing wrong with its framing
    assert answer.endswith(b"\r\n\r\nsecond"), "the next request was not seen where it begins"


@pytest.mark.parametrize("case", cases(*OTHERS))
def test_nothing_behind_a_refused_request_is_answered(server, case, record_property):
    answer = exchange(server, request_of(case))
    status = status_of(answer)
    record_property("status", status)
    print(f"{case['expected']['tier']:>10}  {status}  {case['name']}")
    assert status is not None
    if status == 400:
        assert answer.count(b"HTTP/1.1 ") == 1
    if case["expected"]["tier"] in ("Severe", "Ambiguous"):
        assert status == 400
