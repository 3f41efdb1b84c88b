"""What a WSGI application under Debian's uWSGI sees through the gate is what it sees through nginx with uwsgi_pass and its uwsgi_params,
but for what is listed here. nginx is the reference, since applications are written for what it passes."""
import hashlib
import json
import pathlib

import pytest
from gated import COOKIE, Gated
from raw_client import Http1, Http2, chunked_bytes

from .peers import find_ports, start_nginx, start_uwsgi
from .requests_of import generate

pytestmark = pytest.mark.xdist_group("gate-uwsgi")  # one server for all

WIKI, OPAQUE = "wiki.example.com", "opaque.example.com"
GROUP = 25  # requests of one test

# Variables that the two sides may have in different ways, and why. Whatever is not here is equal, or missing on both sides.
IDENTITY = {"REMOTE_USER", "AUTH_TYPE", "CARDEA_GROUPS", "CARDEA_CLAIMS", "HTTP_REMOTE_USER", "HTTP_REMOTE_GROUPS", "HTTP_REMOTE_EMAIL", "HTTP_REMOTE_NAME"}
WANTED = {
    **dict.fromkeys(IDENTITY, "who has logged in is known to the gate alone"),
    "DOCUMENT_ROOT": "the gate has no folder of files; nginx names the default of its package",
    "HTTP_X_FORWARDED_FOR": "the gate sets the forwarded headers; uwsgi_params does not",
    "HTTP_X_FORWARDED_PROTO": "the same", "HTTP_X_FORWARDED_HOST": "the same", "HTTP_FORWARDED": "the same",
    "HTTP_X_REAL_IP": "the same",
    "HTTP_X_REQUEST_ID": "each request has an id from the gate on", "HTTP_TRACEPARENT": "the same",
    "HTTP_COOKIE": "the gate's own cookie is taken out (LESSONS 6); see cookies_of",
    "HTTP_TRANSFER_ENCODING": "nginx passes it although the body has a length by then",
    "SERVER_PORT": "each names the port of its own listener; see ports_of", "REMOTE_PORT": "each names the port of its own client; see ports_of",
}


class System:
    def __init__(self, folder):
        backend, self.seen = find_ports(), folder / "seen"
        self.seen.touch()
        self.position = 0
        socket_path = folder / "uwsgi.sock"
        self.uwsgi = start_uwsgi(folder, pathlib.Path(__file__).with_name("environ_application.py"),
                                 ["--socket", f"127.0.0.1:{backend}", "--socket", str(socket_path)], "--env", f"SEEN={self.seen}")
        self.nginx_port = find_ports(2)
        servers = "".join(f"server {{ listen 127.0.0.1:{self.nginx_port}; listen 127.0.0.1:{self.nginx_port + 1} http2; server_name {host}; client_max_body_size 0;"
                          f"location / {{ include /etc/nginx/uwsgi_params; uwsgi_pass 127.0.0.1:{backend}; }} }}\n" for host in (WIKI, OPAQUE))
        self.nginx = start_nginx(folder, servers, self.nginx_port)
        self.gate = Gated(folder / "cardea", [
            {"host": WIKI, "upstream": f"uwsgi://127.0.0.1:{backend}", "allow": {"groups": ["staff"]}},
            {"host": OPAQUE, "upstream": f"uwsgi+unix:{socket_path}", "paths": "opaque", "allow": {"groups": ["staff"]}}])

    def _ask(self, client, port, line, fields, framing, body, sent):
        """What the application saw of one request, with the ports of the connection."""
        with client(port) as connection:
            own_port = connection.socket.getsockname()[1]
            reply = connection.ask(line, [*fields, *framing], sent if client is Http1 else body)
        with self.seen.open(encoding="ascii") as seen:
            seen.seek(self.position)
            lines = seen.readlines()
            self.position = seen.tell()
        assert reply.status == 200 and reply.is_complete, (reply, line, fields)
        assert reply.body == (b"" if line.startswith("HEAD ") else b"hello")
        assert len(lines) == 1, "a request that nobody sent, or none"
        view = json.loads(lines[0])
        ports_of(view["environ"], port, own_port)
        return view

    def both(self, host, line, fields, framing=(), body=b"", sent=b"", client=Http1):
        cookie = self.gate.cookies["ana"]
        fields = [("Host", host), *with_session(fields, cookie)]
        at = 0 if client is Http1 else 1
        return (self._ask(client, self.nginx_port + at, line, fields, framing, body, sent),
                self._ask(client, (self.gate.h2 if at else self.gate.h1), line, fields, framing, body, sent))

    def close(self):
        self.gate.stop()
        self.nginx.stop()
        self.uwsgi.stop()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    running = System(tmp_path_factory.mktemp("uwsgi-differential"))
    yield running
    running.close()


def with_session(fields, cookie):
    """The session's cookie is the last one, in the same header as the others where there is one."""
    if not any(name == "Cookie" for name, _ in fields):
        return [*fields, ("Cookie", cookie)]
    return [(name, f"{value}; {cookie}" if name == "Cookie" else value) for name, value in fields]


def ports_of(environ, port, own_port):
    """Those of the two ends of the client's connection."""
    assert (environ.pop("SERVER_PORT"), environ.pop("REMOTE_PORT")) == (str(port), str(own_port))


def cookies_of(environ):
    cookies = environ.get("HTTP_COOKIE", "").split("; ")
    return "; ".join(cookie for cookie in cookies if not cookie.startswith(COOKIE + "="))


def divergences(reference, seen):
    """Those that nobody wants, as readable lines."""
    found = []
    for name in sorted(reference["environ"].keys() | seen["environ"].keys()):
        expected, value = reference["environ"].get(name), seen["environ"].get(name)
        if name not in WANTED and value != expected:
            found.append(f"{name}: nginx {expected!r}, gate {value!r}")
    if cookies_of(reference["environ"]) != seen["environ"].get("HTTP_COOKIE", ""):
        found.append(f"HTTP_COOKIE: nginx {reference['environ'].get('HTTP_COOKIE')!r}, gate {seen['environ'].get('HTTP_COOKIE')!r}")
    for what in ("length", "hash"):
        if reference[what] != seen[what]:
            found.append(f"{what} of the body: nginx {reference[what]}, gate {seen[what]}")
    return found


def check_identity(environ):
    assert (environ["REMOTE_USER"], environ["CARDEA_GROUPS"]) == ("ana", "staff")
    assert environ["AUTH_TYPE"]
    assert isinstance(json.loads(environ["CARDEA_CLAIMS"]), dict)
    assert environ["HTTP_X_FORWARDED_FOR"] == "127.0.0.1" and environ["HTTP_X_FORWARDED_PROTO"] == "http"
    assert environ["HTTP_X_REQUEST_ID"]


def compare(system, host, requests, client):
    found = []
    for request in requests:
        reference, seen = system.both(host, request.line, request.fields, request.framing, request.content, request.sent, client)
        assert (reference["length"], reference["hash"]) == (len(request.content), hashlib.sha256(request.content).hexdigest()), "nginx changed the body"
        check_identity(seen["environ"])
        found += [f"{request!r}: {line}" for line in divergences(reference, seen)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("client", [Http1, Http2])
@pytest.mark.parametrize("first", range(0, 200, GROUP))
def test_the_environ_is_the_one_that_nginx_passes(system, first, client):
    compare(system, WIKI, generate("canonical", 200)[first:first + GROUP], client)


@pytest.mark.parametrize("client", [Http1, Http2])
@pytest.mark.parametrize("first", range(0, 50, GROUP))
def test_the_environ_of_an_opaque_path_is_the_one_that_nginx_passes(system, first, client):
    compare(system, OPAQUE, generate("opaque", 50, opaque=True)[first:first + GROUP], client)


@pytest.mark.parametrize("name", ["X_Under", "x_under_score", "X.Dot", "X!Bang", "X~Tilde", "X#Hash", "_X", "X_", "X|Y", "X`Y", "X^Y", "X$Y", "X%Y", "X&Y", "X*Y", "X+Y", "X'Y"])
def test_a_name_that_nginx_leaves_out_is_left_out(system, name):
    """Only letters, digits and hyphens have a variable of their own."""
    reference, seen = system.both(WIKI, "GET /x", [(name, "odd"), ("X-Good", "1")])
    assert divergences(reference, seen) == []
    assert "odd" not in seen["environ"].values() and seen["environ"]["HTTP_X_GOOD"] == "1"


# --- where nginx 1.22 is not the example --------------------------------------------------------------------------------


def seen_by_gate(system, line, fields, **more):
    return system.both(WIKI, line, fields, **more)[1]["environ"]


def test_a_header_that_comes_twice_is_one_list(system):
    """nginx 1.22 passes a variable twice, of which uWSGI keeps one; RFC 9110 §5.3 has them joined, as nginx does since 1.23."""
    environ = seen_by_gate(system, "GET /x", [("X-Twice", "1"), ("Other", "x"), ("x-twice", "2, 3"), ("X-Twice", "")])
    assert environ["HTTP_X_TWICE"] in ("1, 2, 3, ", "1, 2, 3")


def test_cookies_in_two_headers_are_joined_as_cookies(system):
    """RFC 6265 §5.4 knows one header; HTTP/2 allows several, to be joined with "; " (RFC 9113 §8.2.3)."""
    for client in (Http1, Http2):
        environ = seen_by_gate(system, "GET /x", [("Cookie", "a=1"), ("X", "y"), ("Cookie", "b=2")], client=client)
        assert environ["HTTP_COOKIE"] == "a=1; b=2"


def test_headers_of_the_connection_are_not_passed_on(system):
    """nginx passes them (RFC 9110 §7.6.1 forbids it)."""
    environ = seen_by_gate(system, "GET /x", [("Connection", "X-Hop, keep-alive"), ("X-Hop", "1"), ("Keep-Alive", "timeout=5"), ("TE", "trailers"), ("Proxy-Connection", "x"),
                                              ("X-End", "2")])
    assert environ["HTTP_X_END"] == "2"
    assert not {"HTTP_CONNECTION", "HTTP_X_HOP", "HTTP_KEEP_ALIVE", "HTTP_TE", "HTTP_PROXY_CONNECTION", "HTTP_UPGRADE"} & environ.keys()


def test_a_chunked_body_has_a_length_and_no_coding(system):
    body = b"hello" * 1000
    view = system.both(WIKI, "POST /x", [], [("Transfer-Encoding", "chunked")], body, chunked_bytes(body, [1, 4000]))[1]
    assert view["environ"]["CONTENT_LENGTH"] == str(len(body)) and view["hash"] == hashlib.sha256(body).hexdigest()
    assert "HTTP_TRANSFER_ENCODING" not in view["environ"]


def test_lesson_4_the_variable_that_sets_a_proxy_for_programs_is_never_passed(system):
    """CVE-2016-5385: a header named Proxy would be HTTP_PROXY."""
    for name in ("Proxy", "proxy", "PROXY"):
        assert "HTTP_PROXY" not in seen_by_gate(system, "GET /x", [(name, "http://evil.example/")])


def test_lesson_4_names_that_would_be_one_variable_do_not_mix(system):
    for fields in ([("X-Two-Names", "1"), ("X_Two_Names", "2")], [("X_Two_Names", "2"), ("X-Two-Names", "1")], [("x-two.names", "2"), ("X-Two-Names", "1"), ("x-two_names", "2")]):
        assert seen_by_gate(system, "GET /x", fields).get("HTTP_X_TWO_NAMES") in ("1", None)


def test_lesson_2_the_path_that_was_decided_on_is_the_one_that_is_passed(system):
    """nginx passes REQUEST_URI as it came."""
    environ = seen_by_gate(system, "GET /a/../b//%63/./%e2%82%ac?d=/../%65", [])
    assert environ["REQUEST_URI"] == "/b/c/%E2%82%AC?d=/../%65"
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/b/c/€" and environ["QUERY_STRING"] == "d=/../%65"


def test_a_client_that_waits_before_it_sends_its_body_is_told_to_go_on(system):
    environ = seen_by_gate(system, "POST /x", [("Expect", "100-continue")], framing=[("Content-Length", "5")], body=b"hello", sent=b"hello")
    assert environ["CONTENT_LENGTH"] == "5"


@pytest.mark.parametrize("scheme", ["https://wiki.example.com", "http://wiki.example.com"])
def test_an_absolute_address_is_passed_as_its_path(system, scheme):
    cookie = [("Host", WIKI), ("Cookie", system.gate.cookies["ana"])]
    with Http1(system.gate.h1) as connection:
        status = connection.ask(f"GET {scheme}/x?y", cookie).status
    with system.seen.open(encoding="ascii") as seen:
        seen.seek(system.position)
        lines = seen.readlines()
        system.position = seen.tell()
    assert [json.loads(line)["environ"]["REQUEST_URI"] for line in lines] == (["/x?y"] if status == 200 else [])
    assert status in (200, 400, 421)
