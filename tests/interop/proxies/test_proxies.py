"""One table of cases for every proxy of Debian: the real proxy, with what `cardea proxy-config` prints for it, a real server, and an
application that remembers what it received."""
import base64
import html
import http.cookies
import posixpath
import re
import urllib.parse

import pytest

from services import call, wait_until

from .application import Application
from .client import ask, connect, read_head, request_bytes
from .installation import PASSWORD, Installation
from .proxies import PROXIES, find_ports

WIKI, DOCS, AUTH = "wiki.example.com", "docs.example.com", "auth.example.com"
BROWSER = [("Accept", "text/html,application/xhtml+xml"), ("Sec-Fetch-Mode", "navigate")]
IDENTITY = ("Remote-User", "Remote-Groups", "Remote-Email", "Remote-Name")
UPGRADE = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
           ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]


class System:
    def __init__(self, proxy, folder, **more):
        self.application = Application()
        base = find_ports(3)
        self.ports = {WIKI: base, DOCS: base + 1, AUTH: base + 2}
        self.cardea = Installation(folder / "cardea", f"https://{AUTH}:{base + 2}/_auth", **more)
        folder = folder / "proxy"
        folder.mkdir()
        self.proxy = PROXIES[proxy](folder, self.ports, f"http://127.0.0.1:{self.application.port}", self.cardea.config)

    def host(self, host):
        return f"{host}:{self.ports[host]}"

    def ask(self, line, headers=(), body=b"", host=WIKI, user=None):
        """A line without a method is the path of a GET."""
        line = line if " " in line else f"GET {line}"
        headers = list(headers)
        if not any(not isinstance(h, bytes) and h[0] == "Host" for h in headers):
            headers.insert(0, ("Host", self.host(host)))
        if user:
            headers.append(("Cookie", self.cardea.cookie(user)))
        if body:
            headers.append(("Content-Length", str(len(body))))
        return ask(self.ports[host], host, line, headers, body)

    def received(self, *words, **more):
        """What the application received of a request that it answered."""
        before = len(self.application.received)
        answer = self.ask(*words, **more)
        assert answer and answer.status == 200 and answer.is_from_application, (answer and (answer.status, answer.body), self.proxy.log())
        assert len(self.application.received) == before + 1
        return self.application.received[-1]

    def refused(self, *words, **more):
        """The answer to a request that did not reach the application."""
        before = len(self.application.received)
        answer = self.ask(*words, **more)
        assert len(self.application.received) == before, self.application.received[-1].line
        assert not (answer and answer.is_from_application)
        return answer

    def close(self):
        self.proxy.stop()
        self.cardea.stop()
        self.application.close()


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in PROXIES])
def system(request, tmp_path_factory):
    running = System(request.param, tmp_path_factory.mktemp(request.param))
    yield running
    running.close()


# --- logged out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/", "/a/b?x=1&y=2", "/a%20b?q=%C3%BC&r=100%25&s=a%2Fb", "/?a=b%26c&return_to=https://evil.example/"])
def test_a_browser_without_a_login_is_sent_to_the_login_page_and_would_come_back(system, target):
    answer = system.refused(target, BROWSER)
    assert answer.status == 302
    page, _, query = answer.headers["Location"].partition("?")
    assert page == f"https://{system.host(AUTH)}/_auth/login"
    assert urllib.parse.parse_qs(query, strict_parsing=True) == {"return_to": [f"https://{system.host(WIKI)}{target}"]}
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_return_address_has_bytes_beyond_ascii_encoded(system):
    answer = system.refused("/\xc3\xbc?q=1", BROWSER)
    if answer.status == 302:
        query = urllib.parse.urlsplit(answer.headers["Location"]).query
        assert query.isascii() and urllib.parse.parse_qs(query)["return_to"] == [f"https://{system.host(WIKI)}/%C3%BC?q=1"]
    else:
        assert answer.status in (400, 403)


@pytest.mark.parametrize("headers", [[("Accept", "application/json")], [("Accept", "*/*")], [("Accept", "text/html"), ("X-Requested-With", "x")],
                                     [("Accept", "text/html"), ("Sec-Fetch-Mode", "cors")]])
def test_a_program_without_a_login_gets_401_and_json(system, headers):
    answer = system.refused("/api", headers)
    assert answer.status == 401
    assert answer.headers["Content-Type"].startswith("application/json") and answer.json()["error"] == "login_required"


def test_a_form_without_a_login_is_refused_and_its_body_goes_nowhere(system):
    assert system.refused("POST /form", BROWSER, body=b"a=b").status == 401


@pytest.mark.parametrize("cookie", ["", "x" * 64, "%00", "A" * 5000])
def test_a_cookie_that_is_no_session_is_no_login(system, cookie):
    assert system.refused("/", [("Cookie", f"{system.cardea.cookie_name}={cookie}")]).status == 401


# --- logged in ------------------------------------------------------------------------------------------------------


def test_a_user_of_the_group_is_let_through_and_the_application_is_told_who_it_is(system):
    received = system.received("/a?b=c", user="ana")
    assert received.line == "GET /a?b=c HTTP/1.1"
    assert {name: received.values(name) for name in IDENTITY} == {
        "Remote-User": ["ana"], "Remote-Groups": ["staff"], "Remote-Email": ["ana@example.com"], "Remote-Name": ["Ana Ü".encode().decode("latin-1")]}
    assert received.values("Host") == [system.host(WIKI)]
    assert received.values("X-Forwarded-Proto") == ["https"] and received.values("X-Forwarded-For") == ["127.0.0.1"]


def test_a_user_of_another_group_is_forbidden(system):
    answer = system.refused("/", BROWSER, user="bob")
    assert answer.status == 302 and "/_auth/forbidden?return_to=" in answer.headers["Location"]
    assert system.refused("/", user="bob").status == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_body_of_a_request_reaches_the_application(system, method):
    received = system.received(f"{method} /form", body=b"x" * 100_000, user="ana")
    assert (received.method, received.body) == (method, b"x" * 100_000)


def test_a_client_that_waits_before_it_sends_its_body_is_not_in_the_way(system):
    received = system.received("POST /form", [("Expect", "100-continue")], body=b"hello", user="ana")
    assert received.body == b"hello"


def test_the_head_of_a_page_is_the_head_of_the_applications(system):
    assert system.received("HEAD /x", user="ana").method == "HEAD"
    assert system.refused("HEAD /x", BROWSER).status == 302
    assert system.refused("HEAD /x").status == 401


def test_a_chunked_body_reaches_the_application(system):
    chunks = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    before = len(system.application.received)
    answer = ask(system.ports[WIKI], WIKI, "POST /form", [("Host", system.host(WIKI)), ("Cookie", system.cardea.cookie("ana")),
                                                        ("Transfer-Encoding", "chunked")], chunks)
    assert answer.status == 200 and system.application.received[before].body == b"hello world"


def test_a_public_path_needs_no_login_and_has_no_user(system):
    received = system.received("/public/x", host=DOCS)
    assert [value for name in IDENTITY for value in received.values(name) if value] == []


def test_a_public_path_shows_who_is_logged_in_nevertheless(system):
    assert system.received("/public/x", host=DOCS, user="bob").values("Remote-User") == ["bob"]


# --- what a client forges -------------------------------------------------------------------------------------------

SPELLINGS = ["Remote-User", "remote-user", "REMOTE-USER", "Remote_User", "remote_user", "REMOTE_USER", "Remote.User", "rEMOTE-uSER"]


def lesson_4_values(system, headers, **more):
    received = system.received("/x", headers, **more)
    return received.values("Remote-User"), received.values("Remote-Groups")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_lesson_4_a_forged_user_header_never_reaches_the_application(system, spelling):
    groups = spelling.replace("ser", "xx").replace("User", "Groups").replace("user", "groups").replace("USER", "GROUPS")
    forged = [(spelling, "admin"), (groups, "admins")]
    assert lesson_4_values(system, forged, user="ana") == (["ana"], ["staff"])
    assert lesson_4_values(system, [*forged, *forged], user="ana") == (["ana"], ["staff"])
    public = system.received("/public/x", forged, host=DOCS)
    assert [value for value in public.values("Remote-User") if value] == []


def test_lesson_4_all_spellings_at_once_and_named_in_connection(system):
    forged = [(spelling, "admin") for spelling in SPELLINGS]
    assert lesson_4_values(system, forged, user="ana")[0] == ["ana"]
    for named in ("close, Remote-User, Remote-Groups", "close, Cookie, Authorization"):
        received = system.received("/x", [*forged, ("Connection", named)], user="ana")
        assert (received.values("Remote-User"), received.values("Remote-Groups")) == (["ana"], ["staff"])
        assert "cardea_session" not in str(received.headers)


@pytest.mark.parametrize("line", [b"Remote-User : admin", b"Remote-User\t: admin", b" Remote-User: admin", b"X-A: b\r\n Remote-User: admin", b"X-A: b\rRemote-User: admin",
                                  b"X-A: b\nRemote-User: admin", b"Remote-User\x00: admin", b"Remote\xadUser: admin", b"Remote-User", b"Remote User: admin",
                                  b"Remote=User: admin", b"Remote-User:: admin", b"remote-user;: admin"])
def test_lesson_4_a_header_that_is_no_header_is_none_for_the_application_either(system, line):
    before = len(system.application.received)
    system.ask("/x", [line], user="ana")
    for received in system.application.received[before:]:
        mapped = [value for name, value in received.headers if re.sub("[^a-z]", "-", name.lower().strip()) == "remote-user"]
        assert mapped in (["ana"], []), received.headers


@pytest.mark.parametrize("name", ["X-Original-URL", "X-Original-Uri", "X-Forwarded-Uri", "X-Rewrite-Url", "X_Original_URL", "x-forwarded-uri"])
def test_lesson_1_a_client_cannot_say_for_which_page_it_asks(system, name):
    public = f"https://{system.host(DOCS)}/public/x"
    for value in (public, "/public/x"):
        answer = system.refused("/secret", [(name, value), *BROWSER], host=DOCS)
        assert answer.status == 302 and "%2Fsecret" in answer.headers["Location"]


@pytest.mark.parametrize("headers", [[("X-Forwarded-Host", DOCS)], [("X-Forwarded-Method", "GET")], [("X-Original-Method", "GET")],
                                     [("X-Forwarded-Proto", "http")], [("Forwarded", f"host={DOCS};proto=http")], [("X-HTTP-Method-Override", "GET")],
                                     [("X-Forwarded-For", "10.0.0.1")], [("X-Real-IP", "10.0.0.1")]])
def test_lesson_3_forwarded_headers_of_a_client_change_nothing(system, headers):
    answer = system.refused("/x", [*headers, *headers, *BROWSER])
    assert answer.status == 302
    assert answer.headers["Location"] == system.refused("/x", BROWSER).headers["Location"]


def test_lesson_3_a_client_cannot_write_the_address_that_a_rule_looks_at(system):
    for headers in ([("X-Forwarded-For", "10.0.0.1")], [("X-Real-IP", "10.0.0.1")], [("Forwarded", "for=10.0.0.1")]):
        assert system.refused("/network/x", headers, host=DOCS, user="ana").status == 403


# --- other names for a path -----------------------------------------------------------------------------------------

TRICKS = ["/public/../admin/x", "/public/%2e%2e/admin/x", "/public/..%2fadmin/x", "//admin/x", "/./admin/x", "/x/../admin/x", "/%61dmin/x",
          "/public/..;/admin/x", "/admin;x/x", "/public/..%5cadmin/x", "/public/..\\admin/x", "/public/%252e%252e/admin/x", "/public//../admin/x",
          "/public/x/../../admin/x", "/admin%00/x", "/public/%c0%ae%c0%ae/admin/x", "/public/.%2e/admin/x", "/public%2f..%2fadmin/x"]


@pytest.mark.parametrize("user", [None, "ana"])
@pytest.mark.parametrize("path", TRICKS)
def test_lesson_2_no_spelling_of_a_path_opens_what_another_rule_closes(system, path, user):
    """Ana is no admin. What the application gets, if anything, is not below /admin/ however it reads the path."""
    before = len(system.application.received)
    system.ask(path, host=DOCS, user=user)
    for received in system.application.received[before:]:
        decoded = [path.replace("%", "%25") for path in received.values("X-Path-Info")]  # by uWSGI for the application
        for target in (received.target, *decoded):
            assert not any(seen.startswith("/admin") for seen in readings(target)), (received.line, target)


def readings(target):
    """What applications make of a path: with dot segments resolved after decoding; with "\\" as "/"; with ";…" cut off."""
    decoded = urllib.parse.unquote(target.partition("?")[0], errors="replace").replace("\\", "/")
    for path in (decoded, re.sub(r";[^/]*", "", decoded), decoded.replace("\xc0\xae", ".")):
        yield posixpath.normpath(re.sub("/+", "/", path))


def test_lesson_2_the_case_of_a_path_counts(system):
    """A rule for /admin/ says nothing of /ADMIN/, which the next rule decides."""
    assert system.refused("/admin/x", host=DOCS, user="ana").status == 403
    assert system.refused("/ADMIN/x", host=DOCS).status == 401


@pytest.mark.parametrize("path", ["/a%2Fb", "/a//b", "/a;b=c", "/%61", "/a/%2e/b?c=%zz", "/a%20b+c?d=e+f&g"])
def test_lesson_2_where_no_rule_names_a_path_the_application_gets_the_bytes_of_the_client(system, path):
    before = len(system.application.received)
    answer = system.ask(path, user="ana")
    if answer.status == 200:
        assert system.application.received[before].target == path
    else:
        assert answer.status in (400, 403, 404) and len(system.application.received) == before


def test_a_fragment_in_a_request_opens_nothing(system):
    before = len(system.application.received)
    system.ask("/public/x#/../../admin/x", host=DOCS)
    assert all("admin" not in received.target for received in system.application.received[before:])


# --- other names for a host -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["docs.example.com", "DOCS.example.com", "docs.example.com.", "docs.example.com:1", "evil.example", "127.0.0.1",
                                  "wiki.example.com.", "WIKI.EXAMPLE.COM", "wiki.example.com:1", "wiki.example.com@docs.example.com", "docs.example.com, x"])
def test_lesson_2_a_host_header_opens_no_other_site_and_the_application_sees_the_site_that_was_decided_on(system, host):
    """/public/x is public on one host alone, and bob may open no page of the other."""
    for user in (None, "bob"):
        before = len(system.application.received)
        system.ask("/public/x", [("Host", host)], user=user)
        for received in system.application.received[before:]:
            assert received.values("Host") == [system.host(DOCS)], received.headers


@pytest.mark.parametrize("line", ["GET https://docs.example.com/public/x", "GET http://docs.example.com/public/x", "GET https://wiki.example.com@docs.example.com/public/x",
                                  "GET //docs.example.com/public/x", "GET /public/x@docs.example.com", "GET *", "OPTIONS *"])
def test_lesson_2_an_absolute_address_opens_no_other_site(system, line):
    before = len(system.application.received)
    system.ask(line, user="bob")
    for received in system.application.received[before:]:
        assert received.values("Host") == [system.host(DOCS)], received.headers
    before = len(system.application.received)
    answer = system.ask(line, user="ana")
    for received in system.application.received[before:]:
        assert received.values("Host") in ([system.host(WIKI)], [system.host(DOCS)])
    assert answer is None or answer.status in (200, 301, 308, 400, 401, 403, 404, 421)


def test_two_host_headers_are_refused(system):
    answer = system.refused("/public/x", [("Host", WIKI), b"Host: docs.example.com"])
    assert answer is None or answer.status in (400, 401, 403)


# --- the end of a login ---------------------------------------------------------------------------------------------


def test_lesson_12_a_session_that_is_ended_is_refused_at_once(system):
    headers = [("Cookie", system.cardea.log_in("eve"))]
    assert system.received("/x", headers).values("Remote-User") == ["eve"]
    system.cardea.run("session", "end", "--user", "eve")
    wait_until(lambda: system.ask("/x", headers).status == 401, "the server to know what another process has done")
    assert system.refused("/x", headers).status == 401
    assert system.refused("/x", [*headers, *BROWSER]).status == 302


class Browser:
    """As much of one as a login needs: cookies, and the fields of a form."""

    def __init__(self, system):
        self.system, self.cookies = system, {}

    def ask(self, line, host, headers=(), body=b""):
        cookies = [("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))] if self.cookies else []
        answer = self.system.ask(line, [*BROWSER, *headers, *cookies], body, host=host)
        for name, morsel in http.cookies.SimpleCookie("\r\n".join(answer.headers.get_all("Set-Cookie") or [])).items():
            self.cookies[name] = morsel.value
        return answer

    def submit(self, page, path, **fields):
        hidden = {re.search(r'name="(\w+)"', tag)[1]: html.unescape(re.search(r'value="([^"]*)"', tag)[1])
                  for tag in re.findall(r"<input [^>]*>", page.body.decode()) if 'type="hidden"' in tag}
        body = urllib.parse.urlencode({**hidden, **fields}).encode()
        headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Origin", f"https://{self.system.host(AUTH)}"), ("Sec-Fetch-Site", "same-origin")]
        return self.ask(f"POST {path}", AUTH, headers, body)


def test_a_user_logs_in_at_the_portal_comes_back_and_logs_out_for_good(system):
    browser = Browser(system)
    asked = browser.ask("/a?b=c%20d", WIKI)
    assert asked.status == 302
    page = browser.ask(asked.headers["Location"].removeprefix(f"https://{system.host(AUTH)}"), AUTH)
    assert page.status == 200 and b"<form" in page.body
    done = browser.submit(page, "/_auth/login", username="ana", password=PASSWORD)
    assert (done.status, done.headers["Location"]) == (303, f"https://{system.host(WIKI)}/a?b=c%20d"), done.body
    mine = [("Cookie", f"{system.cardea.cookie_name}={browser.cookies[system.cardea.cookie_name]}")]
    received = system.received("/a?b=c%20d", mine)
    assert received.values("Remote-User") == ["ana"] and "cardea_" not in str(received.headers)
    done = browser.submit(browser.ask("/_auth/logout", AUTH), "/_auth/logout")
    assert done.status in (200, 303), done.body
    assert system.refused("/a?b=c%20d", mine).status == 401


# --- what is not the application's -----------------------------------------------------------------------------------


def test_lesson_6_the_application_gets_every_cookie_but_ours_byte_for_byte(system):
    others = 'a=1; b="x y"; c==; __Host-other=%20; cardea=mine; d'
    received = system.received("/x", [("Cookie", f'{system.cardea.cookie("ana")}; {others}; __Host-cardea_login=x')])
    assert received.values("Cookie") == [others]


def test_lesson_6_two_cookie_headers_are_filtered_both(system):
    received = system.received("/x", [("Cookie", "a=1"), ("Cookie", f'b=2; {system.cardea.cookie("ana")}'), ("Cookie", "c=3")])
    assert "cardea_" not in str(received.headers)
    assert "; ".join(received.values("Cookie")).replace(", ", "; ") == "a=1; b=2; c=3"  # Apache joins headers with commas


def test_lesson_6_an_application_gets_none_of_our_cookies_when_there_are_no_others(system):
    assert "cardea_" not in str(system.received("/x", user="ana").headers)
    assert "cardea_" not in str(system.received("/public/x", [("Cookie", "__Host-cardea_form=x; cardea_lang=de")], host=DOCS).headers)


def test_many_cookies_are_no_reason_to_refuse(system):
    others = "; ".join(f"c{i}={'v' * 100}" for i in range(60))
    received = system.received("/x", [("Cookie", f'{others}; {system.cardea.cookie("ana")}')])
    assert received.values("Cookie") == [others]


@pytest.mark.parametrize("name, value", [("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."), ("Authorization", "Basic YTpi"), ("X-Api-Key", "k=1, 2")])
def test_the_credentials_of_the_application_are_untouched(system, name, value):
    assert system.received("/x", [(name, value)], user="ana").values(name) == [value]
    assert system.refused("/x", [(name, value)]).status == 401


def test_headers_that_were_not_sent_are_not_made_up(system):
    received = system.received("/x", user="ana")
    assert received.values("Authorization") == [] and received.values("X-Api-Key") == []
    assert "{" not in str([value for _, value in received.headers])


# --- web sockets ----------------------------------------------------------------------------------------------------


def test_lesson_8_a_web_socket_is_opened_for_a_user(system):
    with connect(system.ports[WIKI], WIKI) as connection:
        headers = [("Host", system.host(WIKI)), *UPGRADE, ("Origin", f"https://{system.host(WIKI)}"), ("Cookie", system.cardea.cookie("ana"))]
        connection.sendall(request_bytes("GET /socket", headers))
        assert read_head(connection).startswith(b"HTTP/1.1 101 "), system.proxy.log()
        connection.sendall(b"\x81\x85\x00\x00\x00\x00hello")
        assert connection.recv(11) in (b"\x81\x85\x00\x00\x00\x00hello", b"\x81\x05hello")  # as it was sent, or as a server of web sockets sends it
    received = system.application.received[-1]
    assert received.values("Remote-User") == ["ana"] and "cardea_session" not in str(received.headers)


@pytest.mark.parametrize("user, origin, status", [(None, None, 401), ("ana", "https://evil.example", 403), ("ana", "null", 403), ("bob", None, 403),
                                                  ("ana", f"https://{DOCS}", 403)])
def test_lesson_8_a_web_socket_is_not_opened_for_others(system, user, origin, status):
    headers = [*UPGRADE, ("Origin", origin or f"https://{system.host(WIKI)}")]
    before = len(system.application.received)
    with connect(system.ports[WIKI], WIKI) as connection:
        cookie = [("Cookie", system.cardea.cookie(user))] if user else []
        connection.sendall(request_bytes("GET /socket", [("Host", system.host(WIKI)), *headers, *cookie]))
        assert read_head(connection).split(b" ")[1] == str(status).encode()
    assert len(system.application.received) == before


# --- programs -------------------------------------------------------------------------------------------------------


def basic(name, password):
    return "Authorization", "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def values(received, name):
    """An empty header and none are the same to an application."""
    return [value for value in received.values(name) if value]


def test_a_program_is_challenged_by_basic_and_a_browser_is_not(system):
    """git and WebDAV send a token only after the challenge, and a browser would open a dialog."""
    for line in ("GET /repo.git/info/refs?service=git-upload-pack", "PROPFIND /dav/"):
        answer = system.refused(line, [("Accept", "*/*")])
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="auth.example.com"')
    assert "Basic" not in system.refused("/", [("Accept", "*/*"), ("Sec-Fetch-Mode", "cors")]).headers["WWW-Authenticate"]
    assert "Basic" not in str(system.refused("/", BROWSER).headers)


def test_lesson_6_a_personal_token_lets_a_program_in_and_does_not_reach_the_application(system):
    token = system.cardea.make_token("ana")
    for header in (("Authorization", f"Bearer {token}"), ("authorization", f"bearer {token}"), basic("ana", token), basic("Ana", token),
                   basic("token", token), ("X-Api-Key", token)):
        received = system.received("PUT /dav/x", [header], body=b"hello")
        assert received.values("Remote-User") == ["ana"] and received.body == b"hello"
        assert values(received, "Authorization") == values(received, "X-Api-Key") == []
        assert token not in str(received.headers) and basic("ana", token)[1] not in str(received.headers)
    received = system.received("/x", [("X-Api-Key", token), ("Authorization", "Bearer of-the-application")])
    assert received.values("Authorization") == ["Bearer of-the-application"]
    public = system.received("/public/x", [("Authorization", f"Bearer {token}")], host=DOCS)
    assert public.values("Remote-User") == ["ana"] and values(public, "Authorization") == []


def test_lesson_1_a_wrong_personal_token_passes_nowhere(system):
    token = system.cardea.make_token("ana")
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    for header in (("Authorization", f"Bearer {wrong}"), ("X-Api-Key", wrong), basic("bob", token), ("Authorization", f"Token {token}")):
        answer = system.refused("/x", [header], user="ana")
        assert (answer.status, answer.json()["error"]) == (401, "invalid_token"), header
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="auth.example.com"'
    assert system.refused("/public/x", [("X-Api-Key", wrong)], host=DOCS).status == 401
    before = len(system.application.received)
    answer = system.ask("/public/x", [("Authorization", "Basic YTpi"), ("Authorization", f"Bearer {token}")], host=DOCS)
    assert token not in str([received.headers for received in system.application.received[before:]]), answer.status


def test_the_owner_of_a_personal_token_is_judged_by_the_rules(system):
    token = system.cardea.make_token("bob")
    answer = system.refused("/x", [("Authorization", f"Bearer {token}"), ("Accept", "application/json")])
    assert (answer.status, answer.json()["error"]) == (403, "access_denied")


@pytest.mark.parametrize("proxy", PROXIES)
def test_lesson_14_an_address_with_too_many_wrong_tokens_is_told_when_to_come_back(proxy, tmp_path):
    system = System(proxy, tmp_path)
    try:
        known, other = system.cardea.make_token("ana"), system.cardea.make_token("ana")
        wrong = [("X-Api-Key", "cdp_" + "x" * 64)]
        assert system.received("/x", [("X-Api-Key", known)])
        statuses = [system.refused("/x", wrong).status for _ in range(60)]
        assert set(statuses) == {401, 429} and statuses[0] == 401 and statuses[-1] == 429
        answer = system.refused("/x", [("X-Api-Key", other)])
        assert answer.status == 429 and int(answer.headers["Retry-After"]) > 0
        assert system.received("/x", [("X-Api-Key", known)]) and system.refused("/x").status == 401
    finally:
        system.close()


def test_an_access_token_lets_a_program_in_where_the_rule_says_so(system):
    token = ("Authorization", "Bearer " + system.cardea.get_access_token("read"))
    received = system.received("/bearer/x", [token], host=DOCS)
    assert received.values("Remote-User") == ["client:reports"] and values(received, "Authorization") == []
    weak = ("Authorization", "Bearer " + system.cardea.get_access_token("write"))
    for header, path in ((weak, "/bearer/x"), (token, "/x"), (("Authorization", "Bearer x.y.z"), "/bearer/x")):
        assert system.refused(path, [header], host=DOCS).status == 401
    assert system.received("/bearer/x", [weak], host=DOCS, user="ana").values("Authorization") == [weak[1]]


# --- the portal's own host -------------------------------------------------------------------------------------------


def test_the_portals_host_passes_its_pages_to_cardea_and_protects_the_rest(system):
    answer = system.refused("/_auth/no-such-page", host=AUTH)
    assert answer.status == 404 and answer.json()["error"] == "not_found"
    assert system.refused("/", host=AUTH).status == 401
    assert system.received("/", host=AUTH, user="ana").values("Remote-User") == ["ana"]


@pytest.mark.parametrize("path", ["/_auth/../x", "/_auth/%2e%2e/x", "/_auth/..%2fx", "/_auth%2f../x", "//_auth/x", "/_auth/..;/x", "/x/../_auth/x", "/_auth/..\\x"])
def test_lesson_2_no_spelling_of_the_portals_path_leads_to_the_application(system, path):
    assert system.refused(path, host=AUTH).status in (400, 401, 403, 404)


def test_lesson_3_the_pages_get_the_address_of_the_client(system):
    system.refused("/_auth/address", [("X-Forwarded-For", "203.0.113.9")], host=AUTH)
    assert system.cardea.service.wait_event("request", path="/_auth/address")["client_address"] == "127.0.0.1"


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("is_tls", [False, True])
def test_the_portals_host_without_an_application_leads_to_the_portal(proxy, is_tls, tmp_path):
    port = find_ports()
    site = f"https://{AUTH}:{port}"
    cardea = Installation(tmp_path / "cardea", f"{site}/_auth", is_tls=is_tls)
    (tmp_path / "proxy").mkdir()
    running = PROXIES[proxy](tmp_path / "proxy", {AUTH: port}, None, cardea.config)
    try:
        for path, target in {"/": "/_auth/", "/.well-known/change-password": "/_auth/password"}.items():
            answer = ask(port, AUTH, f"GET {path}", [("Host", f"{AUTH}:{port}"), *BROWSER], b"")
            assert (answer.status, answer.headers["Location"]) == (302, site + target), running.log()
        answer = ask(port, AUTH, "GET /_auth/", [("Host", f"{AUTH}:{port}"), *BROWSER], b"")
        assert answer.status in (302, 303) and answer.headers["Location"].startswith(f"{site}/_auth/login"), answer.headers
        for path in ("/x", "/.well-known/x", "/_auth/check/forward"):
            answer = ask(port, AUTH, f"GET {path}", [("Host", f"{AUTH}:{port}"), *BROWSER], b"")
            assert answer.status in (200, 404, 503) and "Location" not in answer.headers, (path, answer.status)
    finally:
        running.stop()
        cardea.stop()


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_site_of_localhost_is_served_to_this_machine(proxy, tmp_path):
    port = find_ports()
    cardea = Installation(tmp_path / "cardea", f"http://localhost:{port}/_auth", cookie_domain="")
    (tmp_path / "proxy").mkdir()
    running = PROXIES[proxy](tmp_path / "proxy", {"localhost": port}, None, cardea.config)
    try:
        answer = call(f"http://localhost:{port}/")
        assert (answer.status, answer.headers["Location"]) == (302, f"http://localhost:{port}/_auth/"), running.log()
    finally:
        running.stop()
        cardea.stop()


# --- the check itself -----------------------------------------------------------------------------------------------


def test_the_check_is_not_for_clients(system):
    for path in ("/_auth/check/nginx", "/_auth/check/forward", "/_cardea/check", "/_auth/check/envoy/x"):
        forged = [("X-Original-URL", f"https://{system.host(DOCS)}/public/x"), ("X-Original-Method", "GET")]
        assert system.refused(path, forged).status in (401, 404)
        headers = [*forged, *(("X-Forwarded-" + name, "x") for name in ("Method", "Proto", "Host", "Uri"))]
        answer = system.refused(path, headers, host=AUTH)
        assert answer.status in (401, 404) and "access_denied" not in str(answer.body) and "invalid_request" not in str(answer.body)


@pytest.mark.parametrize("proxy", PROXIES)
def test_the_check_is_asked_by_tls_and_only_of_cardea(proxy, tmp_path):
    """Another server with another certificate on that port is not believed."""
    system = System(proxy, tmp_path, is_tls=True)
    try:
        assert system.received("/x", user="ana").values("Remote-User") == ["ana"]
        assert system.refused("/x", BROWSER).status == 302
        assert system.refused("/_auth/no-such-page", host=AUTH).json()["error"] == "not_found"
        system.cardea.stop()
        system.cardea.make_certificate()
        system.cardea.start()
        assert system.refused("/x", user="ana").status >= 500
        assert system.refused("/x", BROWSER).status >= 500
        assert system.refused("/_auth/no-such-page", host=AUTH).status >= 500
    finally:
        system.close()


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("identity, names", [({"preset": "x-auth-request"}, ("X-Auth-Request-User", "X-Auth-Request-Groups")),
                                             ({"preset": "x-forwarded-user", "groups": "Teams"}, ("X-Forwarded-User", "Teams"))])
def test_lesson_4_other_identity_headers_are_guarded_as_well(proxy, identity, names, tmp_path):
    system = System(proxy, tmp_path, identity=identity)
    try:
        user, groups = names
        forged = [(spelling, "admin") for name in names
                  for spelling in (name, name.lower(), name.replace("-", "_"), name.replace("-", "."), name.replace("-", "_", 1))]
        received = system.received("/x", [*forged, ("Connection", f"close, {user}")], user="ana")
        assert (received.values(user), received.values(groups)) == (["ana"], ["staff"])
        received = system.received("/public/x", forged, host=DOCS)
        assert [value for name in names for value in received.values(name) if value] == []
    finally:
        system.close()


@pytest.mark.parametrize("proxy", PROXIES)
def test_lesson_1_the_site_is_closed_while_cardea_is_down(proxy, tmp_path):
    system = System(proxy, tmp_path)
    try:
        assert system.received("/x", user="ana").values("Remote-User") == ["ana"]
        system.cardea.stop()
        for user in (None, "ana"):
            assert system.refused("/x", user=user).status >= 500
            assert system.refused("/public/x", host=DOCS, user=user).status >= 500
        system.cardea.start()
        assert system.received("/x", user="ana").values("Remote-User") == ["ana"]
    finally:
        system.close()
