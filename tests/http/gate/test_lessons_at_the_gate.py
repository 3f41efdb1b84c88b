"""LESSONS 1 to 8, where requests pass through: the real server, and applications that remember what they received."""
import base64
import hashlib
import json
import posixpath
import re
import time
import urllib.parse

import pytest
from gated import COOKIE, PORTAL, Gated
from raw_client import Http1, Http2, head_bytes
from raw_server import RawServer, values
from services import wait_until

pytestmark = pytest.mark.xdist_group("gate-lessons")  # one server for all

WIKI, DOCS, RAW, UWSGI, WHOLE = "wiki.example.com", "docs.example.com", "raw.example.com", "uwsgi.example.com", "whole.example.com"
IDENTITY = ("Remote-User", "Remote-Groups", "Remote-Email", "Remote-Name")
BROWSER = [("Accept", "text/html,application/xhtml+xml"), ("Sec-Fetch-Mode", "navigate")]
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
STAFF = {"groups": ["staff"]}


def answer(connection, request):
    if request.values("Sec-WebSocket-Key"):
        accept = base64.b64encode(hashlib.sha1(request.values("Sec-WebSocket-Key")[0].encode() + GUID).digest())
        connection.sendall(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        while data := bytes(request.reader.buffer) or connection.recv(65536):
            request.reader.buffer.clear()
            connection.sendall(data)
        return False
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Application: yes\r\nContent-Length: 5\r\n\r\n" + (b"hello" if request.method != "HEAD" else b""))
    return True


class System:
    def __init__(self, folder):
        self.application, self.uwsgi = RawServer(answer), RawServer(answer, uwsgi=True)
        url = self.application.url
        self.gate = Gated(folder / "cardea", [
            {"host": WIKI, "upstream": url, "allow": STAFF},
            {"host": DOCS, "path": "/public/", "upstream": url, "public": True},
            {"host": DOCS, "path": "/admin/", "upstream": url, "allow": {"groups": ["admins"]}},
            {"host": DOCS, "path": "/network/", "upstream": url, "allow": {"users": ["ana"], "networks": ["10.0.0.0/8"]}},
            {"host": DOCS, "upstream": url, "allow": STAFF},
            {"host": RAW, "path": "/public/", "upstream": url, "public": True, "paths": "opaque"},
            {"host": RAW, "path": "/admin/", "upstream": url, "allow": {"groups": ["admins"]}, "paths": "opaque"},
            {"host": RAW, "upstream": url, "allow": STAFF, "paths": "opaque"},
            {"host": WHOLE, "upstream": url, "allow": STAFF, "paths": "opaque"},
            {"host": UWSGI, "path": "/public/", "upstream": self.uwsgi.url, "public": True},
            {"host": UWSGI, "upstream": self.uwsgi.url, "allow": STAFF},
        ], users={"ana": ["--group", "staff", "--email", "ana@example.com", "--display-name", "Ana Müller"], "bob": ["--group", "guests"], "eve": ["--group", "staff"]})
        self.token = self.gate.make_token("ana")
        # A login returns to pages of https alone: this one is reached through a proxy that says so.
        self.secure = Gated(folder / "secure", [{"host": WIKI, "upstream": url, "allow": STAFF}], users={}, trusted_proxies=["127.0.0.1"])

    def ask(self, line="GET /x", fields=(), host=WIKI, user=None, client=Http1, body=b""):
        """Its answer, and what the applications received of it."""
        before = [len(server.requests) for server in (self.application, self.uwsgi)]
        fields = list(fields)
        if not any(not isinstance(field, bytes) and field[0] == "Host" for field in fields):
            fields.insert(0, ("Host", host))
        if user:
            fields.append(("Cookie", self.gate.cookies[user]))
        if body:
            fields.append(("Content-Length", str(len(body))))
        with client(self.gate.h1 if client is Http1 else self.gate.h2) as connection:
            reply = connection.ask(line, fields, body)
        received = [request for server, count in zip((self.application, self.uwsgi), before) for request in server.requests[count:]]
        assert len(received) == (1 if reply.values("X-Application") else 0), (reply, [request.head for request in received])
        return reply, received[0] if received else None

    def sent_to_login(self, line, fields=(), client=Http1):
        with client(self.secure.h1 if client is Http1 else self.secure.h2) as connection:
            return connection.ask(line, [("Host", WIKI), ("X-Forwarded-Proto", "https"), *BROWSER, *fields])

    def received(self, *words, **more):
        reply, request = self.ask(*words, **more)
        assert request and reply.status == 200, reply
        return request

    def refused(self, *words, **more):
        reply, request = self.ask(*words, **more)
        assert request is None, request.head
        return reply

    def close(self):
        self.gate.stop()
        self.secure.stop()
        self.application.close()
        self.uwsgi.close()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    running = System(tmp_path_factory.mktemp("lessons"))
    yield running
    running.close()


@pytest.fixture(params=[Http1, Http2])
def client(request):
    return request.param


def plain(name):
    """As CGI-like servers read it."""
    return re.sub("[^a-z0-9]", "_", name.lower())


def of_name(request, name):
    """All that an application could read as this header."""
    return [value for key, value in request.fields if plain(key) in (plain(name), "http_" + plain(name))]


# --- 1: deny is the start value -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["unknown.example.com", "example.com", "x.wiki.example.com", "wiki.example.com.evil.example", "127.0.0.1", "localhost", "wiki", "wikiXexample.com"])
def test_lesson_1_a_host_that_no_route_names_is_denied(system, client, host):
    for user in (None, "ana"):
        assert system.refused(host=host, user=user, client=client).status in (400, 403, 404, 421)


@pytest.mark.parametrize("user, status", [(None, 401), ("bob", 403)])
@pytest.mark.parametrize("host", [WIKI, DOCS, RAW, UWSGI])
def test_lesson_1_who_is_not_allowed_is_denied_with_every_method(system, client, host, user, status):
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PROPFIND", "TRACE", "M-SEARCH"):
        reply = system.refused(f"{method} /x", host=host, user=user, client=client)
        assert reply.status == status or (method == "TRACE" and reply.status in (405, 501)), (method, reply)
        assert b"hello" not in reply.body


@pytest.mark.parametrize("value", ["", "x", "A" * 43, "A" * 5000, "%00", "\"\"", "null", "../../x", "=", "a b"])
def test_lesson_1_a_cookie_that_is_no_session_is_no_login(system, client, value):
    assert system.refused(fields=[("Cookie", f"{COOKIE}={value}")], client=client).status in (400, 401)


def test_lesson_1_a_cookie_of_another_name_is_no_login(system, client):
    value = system.gate.cookies["ana"].partition("=")[2]
    for name in (COOKIE.upper(), COOKIE.lower(), "cardea_session", "__Host-cardea_session", COOKIE + "2", "x" + COOKIE, f" {COOKIE}", f"{COOKIE} "):
        if name.strip(" ") != COOKIE:
            assert system.refused(fields=[("Cookie", f"{name}={value}")], client=client).status == 401


@pytest.mark.parametrize("fields", [[("Authorization", "Bearer x")], [("Authorization", "Basic YW5hOng=")], [("Authorization", "Basic")], [("Authorization", "")],
                                    [("X-Api-Key", "x")], [("X-Api-Key", "")]])
def test_lesson_1_a_credential_that_is_none_is_no_login(system, client, fields):
    assert system.refused(fields=fields, client=client).status in (400, 401)


@pytest.mark.parametrize("name", ["X-Original-URL", "X-Forwarded-Uri", "X-Rewrite-Url", "X-Original-Uri", "X-Forwarded-Prefix"])
def test_lesson_1_a_client_cannot_say_for_which_page_it_asks(system, client, name):
    for value in ("/public/x", f"https://{DOCS}/public/x"):
        assert system.refused("GET /secret", [(name, value)], host=DOCS, client=client).status == 401
        assert system.refused("GET /admin/x", [(name, value)], host=DOCS, user="ana", client=client).status == 403


def test_lesson_1_a_client_cannot_say_with_which_method_it_asks(system, client):
    for name in ("X-HTTP-Method-Override", "X-Forwarded-Method", "X-Original-Method", "X-Method-Override"):
        assert system.refused("POST /x", [(name, "GET")], client=client).status == 401


def test_lesson_1_two_hosts_are_no_host(system):
    reply, _ = system.ask("GET /public/x", [("Host", DOCS), b"Host: " + WIKI.encode()])
    assert reply.status == 400


# --- 2: canonicalise once -------------------------------------------------------------------------------------------

TRICKS = ["/public/../admin/x", "/public/%2e%2e/admin/x", "/public/..%2fadmin/x", "//admin/x", "/./admin/x", "/x/../admin/x", "/%61dmin/x", "/public/..;/admin/x", "/admin;x/x",
          "/public/..%5cadmin/x", "/public/..\\admin/x", "/public/%252e%252e/admin/x", "/public//../admin/x", "/public/x/../../admin/x", "/admin%00/x", "/public/%c0%ae%c0%ae/admin/x",
          "/public/.%2e/admin/x", "/public%2f..%2fadmin/x", "/%2fadmin/x", "/admin%2fx", "/public/;/../admin/x", "/public/x;/../../admin/x", "/admin/.", "/admin/%2e", "/admin/..%2fadmin/x",
          "/public/%2e%2e%2fadmin%2fx", "/.;/admin/x", "/;x/admin/x", "/public/..%252fadmin/x", "/admin#/x", "/public/#/../../admin/x", "/public/?/../../admin/x"]


def readings(target):
    """What applications make of a path: with dot segments resolved after decoding; with "\\" as "/"; with ";…" cut off."""
    decoded = urllib.parse.unquote(target.partition("?")[0], errors="replace").replace("\\", "/")
    for path in (decoded, re.sub(r";[^/]*", "", decoded)):
        yield posixpath.normpath(re.sub("/+", "/", path))


@pytest.mark.parametrize("host", [DOCS, RAW])
@pytest.mark.parametrize("user", [None, "ana"])
@pytest.mark.parametrize("path", TRICKS)
def test_lesson_2_no_spelling_of_a_path_opens_what_another_route_closes(system, client, path, user, host):
    """Ana is no admin. What the application gets, if anything, is not below /admin/ however it reads the path."""
    reply, request = system.ask(f"GET {path}", host=host, user=user, client=client)
    if request:
        assert not any(seen.startswith("/admin") for seen in readings(request.target)), request.target
    else:
        assert reply.status in (400, 401, 403, 404), reply


@pytest.mark.parametrize("sent, forwarded", [("/a/../b", "/b"), ("/%7Eana/%41", "/~ana/A"), ("//a//b/", "/a/b/"), ("/%e2%82%ac?%e2#", None), ("/a%2fb", None), ("/a/./b?c=/../d", "/a/b?c=/../d"),
                                             ("/%c3%bc", "/%C3%BC"), ("/a?", "/a?"), ("/a?b?c", "/a?b?c")])
def test_lesson_2_what_was_decided_on_is_what_is_forwarded(system, client, sent, forwarded):
    reply, request = system.ask(f"GET {sent}", user="ana", client=client)
    if forwarded is None:
        assert reply.status == 400
    else:
        assert request.target in (forwarded, forwarded.rstrip("?")), reply


@pytest.mark.parametrize("host", [RAW, WHOLE])
@pytest.mark.parametrize("path", ["/a%2Fb", "/a;b=c/d", "/a%2fb;c", "/x%3Bb", "/a%5Cb", "/%7Eana", "/a%2F%2Fb?c=%2F"])
def test_lesson_2_an_opaque_path_is_forwarded_byte_for_byte_where_no_rule_could_read_it_otherwise(system, client, host, path):
    reply, request = system.ask(f"GET {path}", host=host, user="ana", client=client)
    assert request and request.target == path, reply
    assert system.refused(f"GET {path}", host=host, user="bob", client=client).status == 403


@pytest.mark.parametrize("path", ["/public/a%2Fb;c//d", "/public/%7Eana/x%5Cy"])
def test_lesson_2_an_opaque_path_within_a_public_prefix_is_public_however_it_is_read(system, client, path):
    assert system.received(f"GET {path}", host=RAW, client=client).target == path


@pytest.mark.parametrize("path", ["/public%2Fx", "/;/public/x", "/x;y%2F..%2Fz", "/%2Fpublic/x", "/public%255Cx", "/%70ublic/x"])
def test_lesson_2_an_opaque_path_that_could_be_of_another_rule_is_refused(system, client, path):
    for user in (None, "ana"):
        assert system.refused(f"GET {path}", host=RAW, user=user, client=client).status == 400


@pytest.mark.parametrize("destination, status", [("/admin/y", 403), ("/y/../admin/y", 403), (f"http://{RAW}/%61dmin/y", 403), (f"http://{DOCS}/y", 502), ("y", 400), ("/y%2Fz", 200)])
def test_lesson_2_a_destination_is_judged_like_the_path(system, client, destination, status):
    """Ana may write to each route but /admin/."""
    reply, request = system.ask("MOVE /x", [("Destination", destination)], host=RAW, user="ana", client=client)
    assert reply.status == status and (request is None) == (status != 200)


@pytest.mark.parametrize("host", [DOCS.upper(), DOCS + ".", DOCS + ":80", DOCS + ":1234"])
def test_lesson_2_a_host_in_another_spelling_is_the_same_host(system, client, host):
    assert system.received("GET /public/x", [("Host", host)], client=client).path == "/public/x"
    assert system.refused("GET /x", [("Host", host)], client=client).status == 401


@pytest.mark.parametrize("line", [f"GET http://{DOCS}/public/x", f"GET https://{DOCS}/public/x", f"GET http://{WIKI}@{DOCS}/public/x", f"GET //{DOCS}/public/x"])
def test_lesson_2_an_absolute_address_opens_no_other_site(system, line):
    """The Host header names a site that bob may not open; the address one that he may."""
    reply, request = system.ask(line, user="bob")
    if request:
        assert request.values("Host") == [DOCS] and request.path == "/public/x"
    else:
        assert reply.status in (400, 403, 421)


# --- 3: forwarded headers -------------------------------------------------------------------------------------------

FORGED = [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Proto", "gopher"), ("X-Forwarded-Host", "evil.example"), ("Forwarded", "for=10.0.0.1;host=evil.example"), ("X-Real-IP", "10.0.0.1"),
          ("X-Forwarded-Port", "666"), ("X-Forwarded-Server", "evil.example"), ("X-Client-IP", "10.0.0.1"), ("True-Client-IP", "10.0.0.1"), ("X-Forwarded-Scheme", "gopher")]


@pytest.mark.parametrize("host", [WIKI, UWSGI])
def test_lesson_3_what_a_client_says_of_where_it_comes_from_does_not_reach_the_application(system, client, host):
    for spelled in (FORGED, [(name.upper(), value) for name, value in FORGED], [(name.replace("-", "_"), value) for name, value in FORGED], [*FORGED, *FORGED]):
        request = system.received("GET /x", spelled, host=host, user="ana", client=client)
        assert of_name(request, "X-Forwarded-For") == ["127.0.0.1"]
        assert of_name(request, "X-Forwarded-Proto") == ["http"]
        assert of_name(request, "X-Forwarded-Host") == [host]
        for name in ("Forwarded", "X-Real-IP", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Scheme"):
            assert not any(re.search("10.0.0.1|evil|666|gopher", value) for value in of_name(request, name)), (name, of_name(request, name))


def test_lesson_3_a_client_cannot_write_the_address_that_a_rule_looks_at(system, client):
    for pair in FORGED:
        assert system.refused("GET /network/x", [pair], host=DOCS, user="ana", client=client).status == 403


def test_lesson_3_ids_are_the_gates(system, client):
    first = system.received(fields=[("X-Request-Id", "mine"), ("traceparent", "00-" + "1" * 32 + "-" + "2" * 16 + "-01")], user="ana", client=client)
    second = system.received(user="ana", client=client)
    ids = [of_name(request, "X-Request-Id") for request in (first, second)]
    assert all(len(each) == 1 and each[0] and each[0] != "mine" for each in ids) and ids[0] != ids[1]
    assert of_name(first, "traceparent") and "1" * 32 not in str(of_name(first, "traceparent"))


# --- 4: identity ----------------------------------------------------------------------------------------------------


def spellings(name):
    words = name.split("-")
    for separator in "-_.":
        for change in (str, str.lower, str.upper, str.swapcase):
            yield change(separator.join(words))
    yield from (f"{name}!", f"{words[0]}~{words[1]}", f"{words[0]}|{words[1]}")[1:]


@pytest.mark.parametrize("host", [WIKI, UWSGI])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PROPFIND"])
def test_lesson_4_identity_is_the_gates_in_every_spelling_and_with_every_method(system, client, host, method):
    forged = [(spelling, "admin") for name in IDENTITY for spelling in spellings(name)]
    request = system.received(f"{method} /x", forged, host=host, user="ana", client=client)
    check_identity(request, host, "ana")


def check_identity(request, host, user):
    expected = {"ana": ("ana", "staff", "ana@example.com"), None: ("", "", "")}[user]
    if host == UWSGI:
        named = dict(request.fields)
        assert (named.get("REMOTE_USER", ""), named.get("CARDEA_GROUPS", "")) == expected[:2]
        assert [value for name, value in request.fields if name == "REMOTE_USER"] in ([expected[0]], [] if user is None else None)
        assert not any("admin" in value for name, value in request.fields if name.startswith(("HTTP_REMOTE", "REMOTE_USER", "AUTH_TYPE", "CARDEA_", "HTTP_CARDEA", "HTTP_AUTH_TYPE")))
    else:
        for name, value in zip(IDENTITY, expected):
            assert of_name(request, name) == [value], (name, of_name(request, name))
    assert "admin" not in str(request.fields)


@pytest.mark.parametrize("host, path", [(DOCS, "/public/x"), (UWSGI, "/public/x")])
def test_lesson_4_where_nobody_has_logged_in_identity_is_empty(system, client, host, path):
    forged = [(spelling, "admin") for name in IDENTITY for spelling in spellings(name)]
    check_identity(system.received(f"GET {path}", forged, host=host, client=client), host, None)
    check_identity(system.received(f"GET {path}", host=host, client=client), host, None)


def test_lesson_4_variables_of_the_server_cannot_be_sent(system, client):
    forged = [(name, "admin") for name in ("REMOTE_USER", "REMOTE-USER", "AUTH_TYPE", "Auth-Type", "CARDEA_GROUPS", "Cardea-Groups", "CARDEA_CLAIMS", "Cardea-Claims", "Cardea-Identity",
                                           "cardea_identity")]
    for host in (WIKI, UWSGI):
        request = system.received("GET /x", forged, host=host, user="ana", client=client)
        for name in ("Remote-User", "Cardea-Groups", "Cardea-Claims", "Cardea-Identity", *(["Auth-Type"] if host == UWSGI else [])):
            assert not any("admin" in value for key, value in request.fields if plain(key) == plain(name)), (host, name, request.fields)


@pytest.mark.parametrize("named", ["close, Remote-User, Remote-Groups", "Remote-User", "keep-alive, remote-user, Cookie, Authorization", "X-Forwarded-For, Host, X-Request-Id", "REMOTE_USER"])
def test_lesson_4_headers_named_in_connection_cannot_take_identity_away(system, named):
    request = system.received(fields=[("Connection", named), ("Remote-User", "admin")], user="ana")
    check_identity(request, WIKI, "ana")
    assert of_name(request, "X-Forwarded-For") == ["127.0.0.1"] and request.values("Host") == [WIKI] and of_name(request, "X-Request-Id")


@pytest.mark.parametrize("line", [b"Remote-User : admin", b"Remote-User\t: admin", b" Remote-User: admin", b"X-A: b\r\n Remote-User: admin", b"X-A: b\rRemote-User: admin", b"X-A: b\nRemote-User: admin",
                                  b"Remote-User\x00: admin", b"Remote\xadUser: admin", b"Remote-User", b"Remote User: admin", b"Remote-User:: admin"])
def test_lesson_4_a_header_that_is_no_header_brings_no_identity(system, line):
    reply, request = system.ask(fields=[line], user="ana")
    assert reply.status == 400 or of_name(request, "Remote-User") == ["ana"]


# --- 5: health and metrics ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/livez", "/metrics", "/ping", "/health", "/robots.txt", "/favicon.ico", "/.well-known/x", "/static/x.css"])
def test_lesson_5_no_path_is_open_because_of_its_name(system, client, path):
    """A site's own paths are the application's, and its rule decides."""
    assert system.refused(f"GET {path}", client=client).status == 401
    assert system.received(f"GET {path}", user="ana", client=client).path == path


@pytest.mark.parametrize("agent", ["kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0", "Prometheus/2.0"])
def test_lesson_5_no_user_agent_opens_anything(system, client, agent):
    assert system.refused(fields=[("User-Agent", agent)], client=client).status == 401


# --- 6: what is as good as a login stays here -----------------------------------------------------------------------


def secrets(system):
    return [cookie.partition("=")[2] for cookie in system.gate.cookies.values()] + [system.token]


def has_secret(system, request):
    return any(secret.encode() in request.head for secret in secrets(system)) or b"cardea_session" in request.head


@pytest.mark.parametrize("host", [WIKI, UWSGI])
@pytest.mark.parametrize("others", ["a=1", 'a=1; b="x y"; c==; __Host-other=%20; cardea=mine; d', "a=1;b=2", "a=\xe9"])
def test_lesson_6_the_application_gets_every_cookie_but_ours_byte_for_byte(system, client, host, others):
    mine = system.gate.cookies["ana"]
    for sent in (f"{mine}; {others}", f"{others}; {mine}"):
        request = system.received(fields=[("Cookie", sent)], host=host, client=client)
        assert not has_secret(system, request)
        assert of_name(request, "Cookie") == [others]


def test_lesson_6_no_cookie_header_is_left_where_there_was_only_ours(system, client):
    for host in (WIKI, UWSGI):
        assert of_name(system.received(user="ana", host=host, client=client), "Cookie") == []


@pytest.mark.parametrize("host, path", [(WIKI, "/x"), (UWSGI, "/x"), (DOCS, "/public/x"), (UWSGI, "/public/x")])
def test_lesson_6_the_session_is_found_and_taken_out_wherever_it_stands(system, client, host, path):
    mine, other = system.gate.cookies["ana"], system.gate.cookies["bob"]
    for cookies in ([f"{mine}; {mine}"], [mine, "a=1"], ["a=1", mine, "b=2"], [f"a=1;{mine};b=2"], [f"{mine}; {other}"], [f"  {mine}  "], [f"{COOKIE}=; {mine}"], [f"a=1; {mine.replace('=', ' = ', 1)}"],
                    [f'a="; {mine}; "']):
        if client is Http2 and cookies != [cookie.strip() for cookie in cookies]:
            continue  # HTTP/2 has no white space around a value (RFC 9113 §8.2.1)
        reply, request = system.ask(f"GET {path}", [("Cookie", cookie) for cookie in cookies], host=host, client=client)
        if request:
            assert not has_secret(system, request), cookies
        else:
            assert reply.status in (400, 401)


@pytest.mark.parametrize("host", [WIKI, UWSGI])
def test_lesson_6_personal_tokens_let_in_and_stay_here(system, client, host):
    basic = base64.b64encode(f"ana:{system.token}".encode()).decode()
    for fields in ([("Authorization", f"Bearer {system.token}")], [("Authorization", f"Basic {basic}")], [("X-Api-Key", system.token)]):
        request = system.received(fields=fields, host=host, client=client)
        assert not has_secret(system, request) and basic.encode() not in request.head
    path = "/public/x"
    for fields in ([("Authorization", f"Bearer {system.token}")], [("X-Api-Key", system.token)]):
        assert not has_secret(system, system.received(f"GET {path}", fields, host=UWSGI, client=client))


@pytest.mark.parametrize("value", ["Basic Ym9iOnNlY3JldA==", "Digest x=y", "Bearer of-the-application", "Custom  a,b"])
def test_lesson_6_credentials_of_the_applications_own_pass(system, client, value):
    assert of_name(system.received(fields=[("Authorization", value)], user="ana", client=client), "Authorization") == [value]


def test_lesson_6_the_session_never_goes_with_a_web_socket(system):
    with open_socket(system, origin=f"http://{WIKI}") as connection:
        connection.send(b"x")
        assert connection.reader.take(1) == b"x"
    assert not has_secret(system, system.application.requests[-1])


# --- 7: redirects ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/", "/a/b?x=1&y=2", "/a%20b?q=%C3%BC", "/?a=b%26c&return_to=https://evil.example/", "/?x=%0d%0aSet-Cookie:%20a=b", "/?next=//evil.example"])
def test_lesson_7_the_login_page_returns_to_the_page_and_nowhere_else(system, client, target):
    reply = system.sent_to_login(f"GET {target}", client=client)
    assert reply.status == 302 and "no-store" in reply.value("Cache-Control")
    page, _, query = reply.value("Location").partition("?")
    assert page == f"{PORTAL}/login"
    assert urllib.parse.parse_qs(query, strict_parsing=True)["return_to"] == [f"https://{WIKI}{target}"]


@pytest.mark.parametrize("line", ["GET //evil.example/x", "GET /\\evil.example", "GET /%09/evil.example", "GET /.//evil.example", "GET /%5Cevil.example", "GET /@evil.example", "GET ///evil.example/%2e%2e"])
def test_lesson_7_no_path_becomes_the_address_of_another_site(system, client, line):
    reply = system.sent_to_login(line, client=client)
    if reply.status == 302:
        page, _, query = reply.value("Location").partition("?")
        assert page == f"{PORTAL}/login"
        for target in urllib.parse.parse_qs(query).get("return_to", []):  # none: the login page has a start page of its own
            assert urllib.parse.urlsplit(target).netloc == WIKI and "\\" not in target
    else:
        assert reply.status in (400, 404)


@pytest.mark.parametrize("fields", [[("Forwarded", "host=evil.example")], [("X-Original-URL", "https://evil.example/")], [("X-Host", "evil.example")], [("Referer", "https://evil.example/")],
                                    [("Origin", "https://evil.example")]])
def test_lesson_7_no_header_changes_where_the_login_returns_to(system, client, fields):
    assert system.sent_to_login("GET /x", fields, client).value("Location") == system.sent_to_login("GET /x", (), client).value("Location")


def test_lesson_7_a_post_is_not_lost_in_a_redirect(system, client):
    reply = system.refused("POST /x", BROWSER, body=b"a=b", client=client)
    assert reply.status not in (301, 302, 303, 307, 308) and reply.value("Content-Type").startswith("text/html") and reply.body


def test_a_program_gets_json(system, client):
    reply = system.refused(client=client)
    assert json.loads(reply.body)["error"] and reply.value("Content-Type").startswith("application/json")


# --- 8: web sockets -------------------------------------------------------------------------------------------------


def upgrade(cookie, origin):
    fields = [("Host", WIKI), ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
    return fields + ([("Origin", origin)] if origin is not None else []) + ([("Cookie", cookie)] if cookie else [])


def open_socket(system, cookie=None, origin=f"http://{WIKI}"):
    connection = Http1(system.gate.h1)
    connection.send(head_bytes("GET /socket", upgrade(cookie or system.gate.cookies["ana"], origin)))
    reply = connection.read()
    assert reply.status == 101 and values(reply.fields, "Sec-WebSocket-Accept") == ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="], reply
    return connection


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://evil.wiki.example.com", f"http://{WIKI}.evil.example", f"http://x@{WIKI}", f"http://{DOCS}", "", "x", f"http://{WIKI}, https://evil.example",
                                    f"javascript://{WIKI}", "https://wiki.example.com.", "http://wiki.example.com:1"])
def test_lesson_8_a_web_socket_of_another_site_is_refused(system, origin):
    before = len(system.application.requests)
    with Http1(system.gate.h1) as connection:
        connection.send(head_bytes("GET /socket", upgrade(system.gate.cookies["ana"], origin)))
        assert connection.read().status in (400, 401, 403)
    assert len(system.application.requests) == before


@pytest.mark.parametrize("cookie", [None, f"{COOKIE}=x", "bob"])
def test_lesson_8_a_web_socket_is_checked_at_the_upgrade(system, cookie):
    before = len(system.application.requests)
    with Http1(system.gate.h1) as connection:
        connection.send(head_bytes("GET /socket", upgrade(system.gate.cookies.get(cookie, cookie), f"http://{WIKI}")))
        assert connection.read().status in (401, 403, 302)
    assert len(system.application.requests) == before


@pytest.mark.parametrize("protocol", ["h2c", "HTTP/2.0", "TLS/1.0", "other", "websocket, h2c", "h2c, websocket", ""])
def test_lesson_8_a_tunnel_is_opened_for_a_web_socket_only(system, protocol):
    """In a tunnel of HTTP/2, requests would reach the application that nobody has judged. It is asked without Upgrade (RFC 9110 §7.8)."""
    fields = [("Upgrade", protocol), ("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")]
    request = system.received("GET /public/x", fields, host=DOCS)
    assert not any(of_name(request, name) for name in ("Upgrade", "HTTP2-Settings"))


@pytest.mark.parametrize("protocol", ["h2c", "connect-udp", "websocket, h2c"])
def test_lesson_8_a_tunnel_over_http2_is_opened_for_a_web_socket_only(system, protocol):
    """RFC 9220 §3."""
    before = len(system.application.requests)
    with Http2(system.gate.h2) as connection:
        reply = connection.ask("CONNECT /public/x", [("Host", DOCS), (":protocol", protocol)])
        assert reply.status == 501
    assert len(system.application.requests) == before


@pytest.mark.parametrize("how", [("session", "end", "--user", "eve"), ("user", "disable", "eve")])
def test_lesson_8_a_web_socket_is_cut_when_the_session_ends(system, how):
    """Within a second, and a margin for a machine that is busy; another user's goes on."""
    mine, other = open_socket(system, system.gate.log_in("eve")), open_socket(system)
    with mine, other:
        for connection in (mine, other):
            connection.send(b"hello")
            assert connection.reader.take(5) == b"hello"
        system.gate.run(*how)
        began = time.monotonic()
        try:
            while mine.reader.fill():  # a frame that says so may come first
                pass
        except ConnectionResetError:
            pass
        assert time.monotonic() - began < 20
        other.send(b"still here")
        assert other.reader.take(10) == b"still here"
    wait_until(lambda: len(system.application.connections) < 50, "the application's side to be closed")
