"""What passes through the gate, byte for byte: an application on raw sockets receives what nginx with proxy_pass (or uwsgi_pass) would have
passed on, and the client receives what the application sent, but for what is listed here."""
import collections
import random

import pytest
from gated import COOKIE, Gated, make_authority
from raw_client import Http1, Http2, chunked_bytes
from raw_server import RawServer

from .peers import find_ports, start_nginx

pytestmark = pytest.mark.xdist_group("gate-http")  # one server for all

KINDS = ["http", "https", "unix", "uwsgi", "uwsgi+unix"]
CLIENTS = [Http1, Http2]
SIZES = [0, 1, 2, 16383, 16384, 16385, 65535, 65536, 65537, 1 << 20, (3 << 20) + 7]

# Headers of a request that are not as nginx passes them, and why.
SET_BY_GATE = {"remote-user", "remote-groups", "remote-email", "remote-name", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-request-id",
               "traceparent", "x-real-ip"}
WANTED_OF_REQUEST = {
    **dict.fromkeys(SET_BY_GATE, "the gate sets it, whatever the client sent"),
    "cookie": "the gate's own cookie is taken out; the others are compared by cookies_of",
    "te": "concerns the connection (RFC 9110 §7.6.1)", "connection": "the same", "keep-alive": "the same", "transfer-encoding": "compared as the body",
    "content-length": "compared as the body", "expect": "the gate asks before it sends a chunked body; nginx does not",
}
# Headers of a response that the client receives and the application did not send, and those that it does not receive.
WANTED_OF_RESPONSE = {
    "connection": "concerns the connection", "keep-alive": "the same", "transfer-encoding": "compared as the body", "content-length": "compared as the body",
    "date": "added where the application sends none (RFC 9110 §6.6.1)", "x-request-id": "for the client to report",
}


class System:
    """Every kind of upstream, once: five sites of the gate and of nginx, each with the same application."""

    def __init__(self, folder):
        self.responses = {}
        certificate, key, authority = make_authority(folder / "authority")
        more = {"http": {}, "https": {"certificate": (certificate, key)}, "unix": {"unix": folder / "http.sock"}, "uwsgi": {"uwsgi": True},
                "uwsgi+unix": {"uwsgi": True, "unix": folder / "uwsgi.sock"}}
        self.upstreams = {kind: RawServer(self._answer, **more[kind]) for kind in KINDS}
        self.nginx_port = find_ports(2)
        self.nginx = start_nginx(folder, "".join(self._nginx_site(kind) for kind in KINDS), self.nginx_port)
        tls = {"tls": {"ca": str(authority)}}
        self.gate = Gated(folder / "cardea", [{"host": host_of(kind), "upstream": self.upstreams[kind].url, "allow": {"groups": ["staff"]},
                                               **(tls if kind == "https" else {})} for kind in KINDS])
        self.numbers = 0

    def _nginx_site(self, kind):
        url = self.upstreams[kind].url
        if kind.startswith("uwsgi"):
            passed = f"include /etc/nginx/uwsgi_params; uwsgi_pass {url.replace('uwsgi+', '').replace('uwsgi://', '')};"
        else:
            passed = ("proxy_http_version 1.1; proxy_request_buffering off; proxy_set_header Host $http_host; proxy_set_header Connection ''; proxy_pass_header Server;"
                      f"proxy_pass_header Date; proxy_pass {url.replace('unix:', 'http://unix:')};")
        return (f"server {{ listen 127.0.0.1:{self.nginx_port}; listen 127.0.0.1:{self.nginx_port + 1} http2; server_name {host_of(kind)}; client_max_body_size 0;"
                f"location / {{ {passed} }} }}\n")

    def _answer(self, connection, request):
        response = self.responses[request.path.rpartition("/")[2]]
        connection.sendall(response.head)
        for piece in response.pieces if request.method != "HEAD" else ():
            connection.sendall(piece)
        return response.keeps

    def through(self, port, kind, client, exchange):
        """What the application received, and what the client did."""
        self.numbers += 1
        target = f"{exchange.path}/{self.numbers}{exchange.query}"
        self.responses[str(self.numbers)] = exchange.response
        upstream = self.upstreams[kind]
        before = len(upstream.requests)
        exchange.host = f"{host_of(kind)}:8080"
        fields = [("Host", exchange.host), *exchange.fields, ("Cookie", f"theme=dark; {self.gate.cookies['ana']}; lang=de")]
        with client(port) as connection:
            if client is Http1:
                reply = connection.ask(f"{exchange.method} {target}", [*fields, *exchange.framing], exchange.sent)
            else:
                framing = exchange.framing if exchange.says_length else ()
                reply = connection.ask(f"{exchange.method} {target}", [*fields, *framing], exchange.body, end=not exchange.framing)
        assert reply.is_complete, (reply, exchange)
        assert not upstream.faults, upstream.faults
        assert len(upstream.requests) == before + 1, (reply, exchange)
        request = upstream.requests.pop()
        request.expected_target = target
        del self.responses[str(self.numbers)]
        return request, reply

    def both(self, kind, client, exchange):
        at = CLIENTS.index(client)
        return (self.through(self.nginx_port + at, kind, client, exchange), self.through((self.gate.h1, self.gate.h2)[at], kind, client, exchange))

    def close(self):
        self.gate.stop()
        self.nginx.stop()
        for upstream in self.upstreams.values():
            upstream.close()


def host_of(kind):
    return f"{kind.replace('+', '-')}.example.com"


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    running = System(tmp_path_factory.mktemp("gate"))
    yield running
    running.close()


# --- what is sent ---------------------------------------------------------------------------------------------------


class Response:
    """As the application sends it. `how` ends its body: "length", "chunked", "close" or "none"."""

    def __init__(self, rng, size, how, status=200):
        self.status, self.how, self.keeps = status, how, how != "close"
        self.body = rng.randbytes(size) if how != "none" else b""
        self.fields = [("Content-Type", rng.choice(["text/html", "application/octet-stream"])), ("Server", "Application/1"), ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
                       ("ETag", '"x"'), ("X-Odd-CASE", "a  b"), ("x-lower", ""), ("X-Latin", "caf\xe9"), ("Set-Cookie", "a=1; Path=/"), ("set-cookie", "b=2; HttpOnly"),
                       ("Vary", "Accept"), ("vary", "Cookie"), ("Location", "/somewhere?x=%2F")]
        rng.shuffle(self.fields)
        framing = {"length": [("Content-Length", str(len(self.body)))], "chunked": [("Transfer-Encoding", "chunked")]}.get(how, [])
        lines = [f"{name}: {value}\r\n" for name, value in [*self.fields, *framing]]
        self.head = f"HTTP/1.1 {status} Reason of its own\r\n{''.join(lines)}\r\n".encode("latin-1")
        sent = chunked_bytes(self.body, [rng.randint(1, 40_000) for _ in range(rng.randint(0, 30))]) if how == "chunked" else self.body
        cuts = sorted(rng.randint(0, len(sent)) for _ in range(rng.randint(0, 4)))
        self.pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)]) if a < b]


class Exchange:
    def __init__(self, rng, method, size=0, how="none", response=None, says_length=None):
        self.method, self.response = method, response or Response(rng, 5, "length")
        self.path, self.query = rng.choice(["/a", "/a/b.c", "/%C3%BC/~x", "/x@y"]), rng.choice(["", "?", "?a=b&c=%2F", "?x;y"])
        self.body = rng.randbytes(size)
        self.sent, self.framing = self.body, []
        if how == "length":
            self.framing = [("Content-Length", str(size))]
        elif how == "chunked":
            self.framing = [("Transfer-Encoding", "chunked")]
            self.sent = chunked_bytes(self.body, [rng.randint(1, 40_000) for _ in range(rng.randint(0, 30))])
        self.says_length = how == "length"
        self.fields = [("User-Agent", "test/1"), ("Accept", "*/*"), ("aCCept-Language", "de, en;q=0.5"), ("X-Empty", ""), ("X-Latin", "caf\xe9"), ("x-lower", "1"), ("X-Twice", "1"),
                       ("Authorization", "Custom abc"), ("If-None-Match", 'W/"1"'), ("X-TWICE", "2"), ("Origin", "null"), ("X-Spaces", "a  b\tc"), ("Range", "bytes=0-")]
        rng.shuffle(self.fields)
        self.fields = self.fields[:rng.randint(0, len(self.fields))]

    def __repr__(self):
        return f"{self.method} {self.path} {self.fields} {self.framing} {len(self.body)} bytes; {self.response.status} {self.response.how} {len(self.response.body)} bytes"


# --- what is compared -----------------------------------------------------------------------------------------------


def cookies_of(fields):
    cookies = "; ".join(value for name, value in fields if name.lower() in ("cookie", "http_cookie")).split("; ")
    return [cookie for cookie in cookies if not cookie.startswith(f"{COOKIE}=")]


def end_to_end(fields, wanted):
    return [(name, value) for name, value in fields if name.lower() not in wanted]


def compare_requests(exchange, reference, request):
    assert (reference.method, reference.target) == (exchange.method, reference.expected_target), "nginx changed it"
    assert (request.method, request.target) == (exchange.method, request.expected_target)
    assert reference.body == exchange.body, "nginx changed the body"
    assert request.body == exchange.body
    assert cookies_of(request.fields) == ["theme=dark", "lang=de"] == cookies_of(reference.fields)
    assert end_to_end(request.fields, WANTED_OF_REQUEST) == end_to_end(reference.fields, WANTED_OF_REQUEST)
    assert request.version == "HTTP/1.1"
    if len(exchange.body) >= 1 << 20 and not exchange.says_length:
        assert request.chunks is not None, "a large body was kept until its length was known"
    if exchange.says_length:
        assert request.values("Content-Length") == [str(len(exchange.body))]


def compare_variables(exchange, reference, request):
    """Variables are a set; what the gate adds is in test_uwsgi_differential.py. Debian's nginx leaves the port out of HTTP_HOST, with which an
    application makes its addresses."""
    assert request.values("HTTP_HOST") == [exchange.host]
    assert request.modifiers == (0, 0)
    assert request.body == exchange.body
    assert cookies_of(request.fields) == ["theme=dark", "lang=de"]
    seen, expected = collections.Counter(of_client(request, exchange)), collections.Counter(of_client(reference, exchange))
    assert seen == expected


def of_client(request, exchange):
    """The variables of what the client sent; a header that came twice in one."""
    sent = collections.defaultdict(list)
    for name, value in request.fields:
        sent[name].append(value)
    names = {"HTTP_" + name.upper().replace("-", "_") for name, _ in exchange.fields} | {"REQUEST_METHOD", "QUERY_STRING", "CONTENT_TYPE", "SERVER_PROTOCOL", "REQUEST_SCHEME",
                                                                                      "SERVER_NAME"}
    if exchange.says_length:
        names.add("CONTENT_LENGTH")
    return [(name, ", ".join(sent[name])) for name in names if name in sent]


def in_order(fields):
    return fields


def compare_replies(exchange, client, reply):
    """What the application sent is what the client receives: the order of the headers, their case in HTTP/1.1, and every byte of the body."""
    response = exchange.response
    assert reply.status == response.status
    expected = [(name if client is Http1 else name.lower(), value) for name, value in response.fields]
    received = [(name, value) for name, value in reply.fields if name.lower() not in WANTED_OF_RESPONSE or name.lower() == "date"]
    assert in_order(received) == in_order(expected)
    assert reply.body == (b"" if exchange.method == "HEAD" else response.body)
    if response.how == "length":
        assert reply.values("Content-Length") == [str(len(response.body))]


def check(system, kind, client, exchange):
    (reference, reference_reply), (request, reply) = system.both(kind, client, exchange)
    (compare_variables if kind.startswith("uwsgi") else compare_requests)(exchange, reference, request)
    assert reference_reply.status == exchange.response.status
    if exchange.method != "HEAD" and not (kind.startswith("uwsgi") and exchange.response.how == "chunked"):  # nginx 1.22 passes the chunks as the body
        assert reference_reply.body == exchange.response.body, "nginx changed the body"
    compare_replies(exchange, client, reply)


def seeded(*words):
    return random.Random(" ".join(map(str, words)))


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(params=CLIENTS)
def client(request):
    return request.param


@pytest.mark.parametrize("how", ["length", "chunked"])
def test_a_request_body_of_any_size_arrives(system, kind, client, how):
    for size in SIZES:
        rng = seeded("request", size)
        check(system, kind, client, Exchange(rng, rng.choice(["POST", "PUT", "PATCH"]), size, how))


@pytest.mark.parametrize("how", ["length", "chunked", "close"])
def test_a_response_body_of_any_size_arrives(system, kind, client, how):
    for size in SIZES:
        rng = seeded("response", size)
        check(system, kind, client, Exchange(rng, "GET", response=Response(rng, size, how)))


@pytest.mark.parametrize("seed", range(4))
def test_requests_and_responses_of_any_form_pass(system, kind, client, seed):
    rng = seeded("any", seed)
    for _ in range(6):
        response = Response(rng, rng.randint(0, 50_000), rng.choice(["length", "chunked", "close"]), rng.choice([200, 200, 201, 206, 302, 404, 418, 500, 503]))
        method = rng.choice(["GET", "POST", "DELETE", "OPTIONS", "PROPFIND", "REPORT"])
        how = rng.choice(["none", "length", "chunked"])
        check(system, kind, client, Exchange(rng, method, 0 if how == "none" else rng.randint(0, 50_000), how, response))


@pytest.mark.parametrize("status", [204, 304])
def test_responses_without_a_body_have_none(system, kind, client, status):
    rng = seeded("empty", status)
    check(system, kind, client, Exchange(rng, "GET", response=Response(rng, 0, "none", status)))


def test_the_head_of_a_response_says_the_length_of_what_is_not_sent(system, kind, client):
    rng = seeded("head")
    check(system, kind, client, Exchange(rng, "HEAD", response=Response(rng, 1000, "length")))
