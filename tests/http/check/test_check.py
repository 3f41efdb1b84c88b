"""The check endpoints, as proxies ask them: every row of docs/forward-auth.md."""
import json
import os
import signal
import socket
import subprocess
import urllib.parse

import pytest

import services

from .conftest import COOKIE, PASSWORD, RECOVERY, TOTP, cookie, forward, nginx, becomes

LOGIN = "https://auth.example.com/_auth/login"
IDENTITY = ("Remote-User", "Remote-Groups", "Remote-Email", "Remote-Name")
BROWSER = ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")


def to(page, url):
    return f"https://auth.example.com/_auth/{page}?return_to={urllib.parse.quote(url, safe='')}"


def identity(answer):
    return tuple(answer.headers.get_all(name) for name in IDENTITY)


NOBODY = ([""],) * 4
ANA = (["ana"], ["admins,staff"], ["ana@example.com"], ["Ana Müller".encode().decode("latin-1")])


def logged(server, answer):
    """The line of the log for that answer."""
    return server.wait_event("request", request_id=answer.headers["X-Request-Id"])


def refused(server, answer, error, reason):
    """403, and the log says why."""
    assert answer.status == 403 and json.loads(answer.body) == {"error": error}
    assert all(answer.headers.get(name) is None for name in IDENTITY)
    line = logged(server, answer)
    assert (line["error"], line["reason"]) == (error, reason)


# ---- nginx: 200, 401 and 403 only


def test_nginx_gets_401_with_the_page_of_the_login_for_every_client(home):
    url = "https://wiki.example.com/a%20b?x=1&y=%26"
    for more, scheme in (([], "Basic"), ([BROWSER], "Cardea"), ([("X-Requested-With", "XMLHttpRequest")], "Cardea")):
        answer = nginx(home.server, url, *more)
        assert answer.status == 401
        assert answer.headers["Location"] == to("login", url)
        assert answer.headers["WWW-Authenticate"] == f'{scheme} realm="auth.example.com"'
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.json()["error"] == "login_required"


def test_a_user_with_a_session_passes(home):
    token = home.log_in()
    for _ in range(3):
        answer = nginx(home.server, "https://wiki.example.com/", cookie(token))
        assert (answer.status, answer.body) == (200, b"")
        assert identity(answer) == ANA
        assert answer.headers["Cache-Control"] == "no-store"
        assert logged(home.server, answer)["user"] == "ana"


def test_a_rule_decides(home):
    token, twice = home.log_in(), home.log_in(factors=PASSWORD | RECOVERY)
    assert nginx(home.server, "https://wiki.example.com/", cookie(home.log_in("bo"))).status == 403
    assert nginx(home.server, "https://bo.example.com/", cookie(token)).status == 403
    assert nginx(home.server, "https://two.example.com/", cookie(twice)).status == 200
    assert nginx(home.server, "https://fresh.example.com/", cookie(token)).status == 200
    assert nginx(home.server, "https://x.wild.example.com/", cookie(token)).status == 200
    assert nginx(home.server, "https://part.example.com/health").status == 200
    assert nginx(home.server, "https://part.example.com/static/x.css").status == 200
    assert nginx(home.server, "https://part.example.com/healthy").status == 401


def test_a_missing_factor_leads_to_the_step_up_page(home):
    token = home.log_in()
    answer = nginx(home.server, "https://two.example.com/x", cookie(token))
    assert (answer.status, answer.headers["Location"]) == (401, to("step-up", "https://two.example.com/x"))
    assert answer.json()["error"] == "insufficient_user_authentication"
    answer = forward(home.server, "two.example.com", "/x", cookie(token), BROWSER)
    assert (answer.status, answer.headers["Location"]) == (302, to("step-up", "https://two.example.com/x"))


def test_another_account_may_be_allowed(home):
    token = home.log_in()
    for answer in (nginx(home.server, "https://bo.example.com/x", cookie(token)),
                   forward(home.server, "bo.example.com", "/x", cookie(token))):
        assert answer.headers["Location"] == to("forbidden", "https://bo.example.com/x")
        refused(home.server, answer, "access_denied", "bo.example.com: user ana is none of the rule's users")
    answer = forward(home.server, "bo.example.com", "/x", cookie(token), BROWSER)
    assert (answer.status, answer.headers["Location"]) == (302, to("forbidden", "https://bo.example.com/x"))


def test_lesson_01_what_no_rule_has_is_denied(home):
    token = home.log_in()
    answer = nginx(home.server, "https://unknown.example.com/", cookie(token))
    assert answer.headers.get("Location") is None
    refused(home.server, answer, "access_denied", "unknown.example.com: no rule has this host and path")
    for other in ("https://wild.example.com/", "https://wiki.example.com.evil.org/", "https://xwiki.example.com/"):
        assert nginx(home.server, other, cookie(token)).status == 403


@pytest.mark.parametrize("browser", [[BROWSER], [BROWSER, ("Sec-Fetch-Mode", "navigate")]])
def test_a_browser_that_is_refused_shows_a_sentence_that_says_nothing_of_the_rules(home, browser):
    for host, why in (("unknown.example.com", "access_denied"), ("not a host", "invalid_request")):
        answer = forward(home.server, host, "/", *browser)
        assert (answer.status, answer.headers["Content-Type"]) == (403, "text/plain; charset=utf-8")
        assert answer.body == b"403: this page is closed. The operator of the site finds the reason in the log of Cardea.\n"
        assert logged(home.server, answer)["error"] == why
        for program in ([("Accept", "*/*")], [*browser, ("X-Requested-With", "x")], [*browser, ("Upgrade", "websocket")]):
            assert forward(home.server, host, "/", *program).json()["error"] == why


@pytest.mark.parametrize("url, why", [
    ("", "X-Original-URL is not an absolute URL"),
    ("/only/a/path", "X-Original-URL is not an absolute URL"),
    ("https://wiki.example.com", 'the path does not begin with "/"'),
    ("ftp://wiki.example.com/", "the scheme is neither http nor https"),
    ("https:///x", "the host is not valid"),
    ("https://a@wiki.example.com/", "the host is not valid"),
    ("https://wiki.example.com/?a#b", "the query has a byte that must be percent-encoded"),
])
def test_lesson_01_what_cannot_be_read_is_403_and_the_log_says_why(home, url, why):
    answer = nginx(home.server, url, cookie(home.log_in()))
    assert answer.headers.get("Location") is None
    refused(home.server, answer, "invalid_request", why)


def test_lesson_02_a_path_in_another_spelling_is_denied_where_a_rule_names_a_path(home):
    token = home.log_in()
    for path in ("/open/%2e%2e/secret", "//open/", "/open//x", "/%6fpen/x", "/open/./x", "/open/..%2fsecret", "/open/a;b", "/open/../../x",
                 "/open/\\..\\x", "/open/%00", "/open/%c0%ae"):
        assert nginx(home.server, "https://path.example.com" + path, cookie(token)).status == 403, path
    assert nginx(home.server, "https://path.example.com/open/x").status == 200
    assert nginx(home.server, "https://path.example.com/secret").status == 401
    # A host without rules for paths does not judge it: to some applications "%2F" is no "/".
    for path in ("//a/%6f", "/group%2Fproject", "/a;v=1", "/../x"):
        assert nginx(home.server, "https://wiki.example.com" + path, cookie(token)).status == 200, path
    assert nginx(home.server, "https://wiki.example.com/group%2Fproject").headers["Location"] == LOGIN
    for host in ("PATH.example.com", "path.example.com.", "path.example.com:8443"):
        assert nginx(home.server, f"https://{host}/secret").status == 401, host


def test_the_method_of_the_user_counts(home):
    token = home.log_in()
    assert nginx(home.server, "https://get.example.com/", cookie(token), method="HEAD").status == 200
    for method in ("POST", "get", "GET ", "DELETE"):
        assert nginx(home.server, "https://get.example.com/", cookie(token), method=method).status == (200 if method == "GET " else 403)


# ---- forward: redirects as well


def test_forward_redirects_browsers_and_tells_programs(home):
    answer = forward(home.server, "wiki.example.com", "/a?b=c", BROWSER)
    assert (answer.status, answer.headers["Location"], answer.body) == (302, to("login", "https://wiki.example.com/a?b=c"), b"")
    for sign in (("Accept", "application/json"), ("Accept", "*/*"), ("X-Requested-With", "x"), ("Sec-Fetch-Mode", "cors")):
        answer = forward(home.server, "wiki.example.com", "/a?b=c", sign, *([BROWSER] if sign[0] != "Accept" else []))
        assert answer.status == 401, sign
        assert answer.headers["Location"] == to("login", "https://wiki.example.com/a?b=c")
    assert forward(home.server, "wiki.example.com", "/", BROWSER, method="POST").status == 401
    assert forward(home.server, "wiki.example.com", "/", BROWSER, ("Sec-Fetch-Mode", "navigate")).status == 302
    assert forward(home.server, "wiki.example.com", "/", cookie(home.log_in())).status == 200


def test_lesson_07_the_login_is_not_told_of_a_page_to_which_it_would_not_return(home):
    for answer in (nginx(home.server, "https://x.wild.example.com/"), nginx(home.server, "http://wiki.example.com/"),
                   nginx(home.server, "https://wiki.example.com/" + "a" * 4096)):
        assert (answer.status, answer.headers["Location"]) == (401, LOGIN)


# ---- envoy: its own request


def envoy(server, target, host, *headers, method="GET"):
    """The bytes as Envoy writes them; the status and the headers."""
    with socket.create_connection(("127.0.0.1", server.port), services.PATIENCE) as peer:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Content-Length: 0", "Connection: close",
                 *(f"{name}: {value}" for name, value in headers)]
        peer.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = b""
        while more := peer.recv(65536):
            answer += more
    head, _, _ = answer.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:] if ": " in line)


@pytest.mark.h1_only("the bytes are HTTP/1.1")
def test_envoy_asks_with_its_own_request(home):
    https = ("X-Forwarded-Proto", "https")
    status, headers = envoy(home.server, "/_auth/check/envoy/a?b=c", "wiki.example.com", https, BROWSER)
    assert (status, headers["Location"]) == (302, to("login", "https://wiki.example.com/a?b=c"))
    status, headers = envoy(home.server, "/_auth/check/envoy/a", "wiki.example.com", https, cookie(home.log_in()))
    assert (status, headers["Remote-User"]) == (200, "ana")
    assert envoy(home.server, "/_auth/check/envoy/", "pub.example.com", method="PROPFIND")[0] == 200
    assert envoy(home.server, "/_auth/check/envoy/x", "get.example.com", cookie(home.log_in()), method="PUT")[0] == 403
    assert envoy(home.server, "/_auth/check/envoy", "pub.example.com")[0] == 403


@pytest.mark.h1_only("the bytes are HTTP/1.1")
@pytest.mark.parametrize("path", ["/../../../healthz", "/%2e%2e/nginx", "/../../login", "/a/../../../../healthz", "/..", "/../forward"])
def test_lesson_02_no_path_of_a_user_leads_out_of_envoys_prefix(home, path):
    """/healthz answers 200, and Envoy would let the request pass."""
    status, _ = envoy(home.server, "/_auth/check/envoy" + path, "wiki.example.com", ("X-Original-URL", "https://pub.example.com/"),
                      ("X-Original-Method", "GET"))
    assert status == 400


@pytest.mark.h1_only("the bytes are HTTP/1.1")
@pytest.mark.parametrize("path", ["/_auth//check/envoy/x", "/_auth/./check/envoy/x", "/_auth/x/../check/envoy/x", "/_auth/%63heck/envoy/x",
                                  "/_auth/check/env%6fy/x", "//_auth/check/envoy/x", "/_auth/%2e/check/nginx", "/_auth//check/forward"])
def test_lesson_02_no_other_spelling_leads_to_a_check(home, path):
    """A proxy that passes /_auth/ on, and keeps /_auth/check/ from its clients, may look at the bytes that the client sent (HAProxy). The
    answer repeats the application's cookies, so a script could read those that are HttpOnly."""
    status, headers = envoy(home.server, path, "wiki.example.com", cookie(home.log_in(), after="; app=secret"),
                            ("X-Original-URL", "https://wiki.example.com/"), ("X-Original-Method", "GET"), ("X-Forwarded-Method", "GET"),
                            ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "wiki.example.com"), ("X-Forwarded-Uri", "/"))
    assert status in (400, 403) and "secret" not in str(headers)


# ---- who may ask, and what counts


def test_lesson_03_only_a_trusted_proxy_may_ask(new_home):
    stranger = new_home(trusted_proxies=["192.0.2.1"])
    server = stranger.serve()
    for answer in (nginx(server, "https://pub.example.com/"), forward(server, "pub.example.com", "/")):
        refused(server, answer, "invalid_request", "the peer is not in trusted_proxies, so its headers are not believed")
    answer = stranger.cardea("check", code=0)
    stranger.write(trusted_proxies=[])
    assert "trusted_proxies: is empty: the check endpoints answer 403 to every proxy" in stranger.cardea("check")
    assert "trusted_proxies" not in answer


def test_lesson_45_missing_and_doubled_headers_are_refused(home):
    for endpoint, names in (("nginx", ("X-Original-URL", "X-Original-Method")),
                            ("forward", ("X-Forwarded-Method", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri"))):
        good = [("X-Original-URL", "https://pub.example.com/"), ("X-Original-Method", "GET"), ("X-Forwarded-Method", "GET"),
                ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "pub.example.com"), ("X-Forwarded-Uri", "/")]
        assert home.server.call(f"/_auth/check/{endpoint}", headers=good).status == 200
        for name in names:
            less = [pair for pair in good if pair[0] != name]
            refused(home.server, home.server.call(f"/_auth/check/{endpoint}", headers=less), "invalid_request",
                    f"{name} is missing: the proxy must send it to this endpoint")
            more = good + [pair for pair in good if pair[0] == name]
            refused(home.server, home.server.call(f"/_auth/check/{endpoint}", headers=more), "invalid_request",
                    f"{name} comes twice: the proxy must replace what a client sends")


def test_lesson_45_the_source_of_another_endpoint_does_not_count(home):
    spoofed = [("X-Forwarded-Uri", "/"), ("X-Forwarded-Host", "pub.example.com"), ("X-Forwarded-Proto", "https")]
    assert nginx(home.server, "https://wiki.example.com/", *spoofed).status == 401
    assert forward(home.server, "wiki.example.com", "/", ("X-Original-URL", "https://pub.example.com/"),
                   ("X-Original-Method", "GET")).status == 401


def test_lesson_03_the_address_of_the_proxy_is_no_clients(home):
    token = home.log_in()
    ask = lambda *headers: nginx(home.server, "https://net.example.com/", cookie(token), *headers).status  # noqa: E731
    assert ask() == 403
    assert ask(("X-Forwarded-For", "10.1.2.3")) == 200
    assert ask(("X-Forwarded-For", "10.1.2.3, 192.0.2.1")) == 403
    assert ask(("X-Forwarded-For", "unknown")) == 403
    # Proxies pass on what a client sends here.
    assert ask(("Forwarded", "for=10.1.2.3")) == 403
    assert ask(("Forwarded", "for=10.1.2.3"), ("X-Forwarded-For", "192.0.2.1")) == 403


# ---- what the application gets


def test_lesson_45_every_header_is_in_every_200(home):
    answer = nginx(home.server, "https://pub.example.com/", ("Remote-User", "root"), ("Remote-Groups", "admins"), ("remote-name", "x"))
    assert answer.status == 200 and identity(answer) == NOBODY
    assert [answer.headers.get_all(name) for name in ("Cookie", "Authorization", "X-Api-Key")] == [["cardea-filtered=1"], [""], [""]]
    answer = forward(home.server, "pub.example.com", "/", cookie(home.log_in("bo")))
    assert answer.status == 200 and identity(answer) == (["bo"], [""], [""], [""])


def test_lesson_04_spoofed_identity_headers_change_nothing(home):
    token = home.log_in("bo")
    spoofed = [(name, "root") for name in ("Remote-User", "REMOTE-USER", "Remote_User", "remote.user", "X-Remote-User")]
    answer = nginx(home.server, "https://get.example.com/", cookie(token), *spoofed)
    assert answer.status == 200 and identity(answer) == (["bo"], [""], [""], [""])
    assert nginx(home.server, "https://wiki.example.com/", *spoofed).status == 401


def test_lesson_06_no_cookie_of_ours_reaches_the_application(home):
    token = home.log_in()
    ours = "; ".join(f"{prefix}cardea_{name}=x" for prefix in ("__Host-", "__Secure-", "")
                     for name in ("login", "form", "enrol", "invite", "reset", "return", "language"))
    answer = nginx(home.server, "https://wiki.example.com/", cookie(token, f'a="b c"; {ours};', '; d=e=f; __Host-app=1'))
    assert (answer.status, answer.headers["Cookie"]) == (200, 'a="b c"; d=e=f; __Host-app=1')
    assert token not in str(answer.headers)
    answer = nginx(home.server, "https://wiki.example.com/", cookie(token))
    assert answer.headers["Cookie"] == "cardea-filtered=1"


def test_credentials_go_on_as_they_came(home):
    token = home.log_in()
    answer = nginx(home.server, "https://wiki.example.com/", cookie(token), ("Authorization", "Basic YTpi"), ("X-Api-Key", "k e y"))
    assert (answer.headers["Authorization"], answer.headers["X-Api-Key"]) == ("Basic YTpi", "k e y")


@pytest.mark.parametrize("identity, names", [
    ({"preset": "x-auth-request"}, ("X-Auth-Request-User", "X-Auth-Request-Groups", "X-Auth-Request-Email", "X-Auth-Request-Name")),
    ({"preset": "x-forwarded-user", "name": "X-Full-Name"},
     ("X-Forwarded-User", "X-Forwarded-Groups", "X-Forwarded-Email", "X-Full-Name")),
])
def test_the_names_of_the_headers_are_configured(new_home, identity, names):
    home = new_home(portal={"url": "https://auth.example.com/_auth", "cookie_domain": "example.com", "identity": identity})
    server = home.serve()
    home.add_user("ana", "--group", "staff")
    answer = nginx(server, "https://wiki.example.com/", cookie(home.log_in()))
    assert answer.status == 200
    assert [answer.headers.get_all(name) for name in names] == [["ana"], ["staff"], [""], [""]]
    assert answer.headers.get("Remote-User") is None


# ---- cookies


def test_one_of_many_cookies_of_the_session_counts(home):
    token = home.log_in()
    ask = lambda *cookies: nginx(home.server, "https://wiki.example.com/",  # noqa: E731
                                 ("Cookie", "; ".join(f"{COOKIE}={value}" for value in cookies))).status
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert ask(flipped) == ask("") == ask(token[:-1]) == ask(token + "A") == 401
    assert ask(*[flipped] * 7, token) == 200
    assert ask(*[flipped] * 8, token) == 401
    assert ask(*[flipped] * 100) == 401
    assert nginx(home.server, "https://wiki.example.com/", ("Cookie", f"__Host-cardea_session={token}")).status == 401


def test_lesson_28_no_cookie_is_in_the_log(home):
    token = home.log_in()
    nginx(home.server, "https://wiki.example.com/?secret=of-the-query", cookie(token))
    nginx(home.server, "https://unknown.example.com/?secret=of-the-query", cookie(token))
    assert token[:20] not in home.server.log_file.read_text() and "of-the-query" not in home.server.log_file.read_text()


# ---- upgrades


def test_lesson_08_an_upgrade_must_come_from_a_page_of_the_site(home):
    token = home.log_in()
    key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    ask = lambda *headers, url="https://wiki.example.com/ws": nginx(home.server, url, cookie(token), *headers).status  # noqa: E731
    assert ask(key, ("Origin", "https://wiki.example.com")) == 200
    assert ask(key) == 200  # a program
    assert ask(key, ("Origin", "https://evil.example.com")) == 403
    assert ask(key, ("Origin", "http://wiki.example.com")) == ask(key, ("Origin", "null")) == 403
    assert ask(key, ("Origin", "https://wiki.example.com"), ("Origin", "https://wiki.example.com")) == 403
    assert ask(key, ("Origin", "https://wiki.example.com:8443"), url="https://wiki.example.com:8443/ws") == 200
    assert ask(("Origin", "https://evil.example.com")) == 200  # no upgrade: the application's own affair
    assert nginx(home.server, "https://wiki.example.com/ws", key, BROWSER).status == 401


# ---- ends


def test_lesson_12_what_an_operator_ends_holds_on_every_node_within_a_second(own):
    other = own.serve()
    token = own.log_in()
    ask = lambda server: nginx(server, "https://wiki.example.com/", cookie(token))  # noqa: E731
    assert ask(own.server).status == ask(other).status == ask(other).status == 200
    ident = own.cardea("session", "list", "--user", "ana", "--json")
    own.cardea("session", "end", "--user", "ana", "--id", json.loads(ident)["id"])
    becomes(lambda: ask(own.server), 401)
    becomes(lambda: ask(other), 401)


@pytest.mark.parametrize("change", [("user", "disable", "ana"), ("user", "set", "ana", "--remove-group", "staff"),
                                    ("session", "end", "--user", "ana"), ("user", "remove", "ana", "--yes")])
def test_lesson_12_a_change_of_the_user_ends_the_session(own, change):
    token = own.log_in()
    ask = lambda: nginx(own.server, "https://wiki.example.com/", cookie(token))  # noqa: E731
    assert ask().status == ask().status == 200
    own.cardea(*change)
    becomes(ask, 401)


def test_a_session_expires(own):
    token = own.log_in(idle=2, lifetime=2)
    ask = lambda: nginx(own.server, "https://wiki.example.com/", cookie(token))  # noqa: E731
    assert ask().status == 200
    becomes(ask, 401)


def test_lesson_12_a_logout_on_this_node_holds_at_once(own):
    """The portal's form says so; here is its token."""
    token = own.log_in()
    assert nginx(own.server, "https://wiki.example.com/", cookie(token)).status == 200
    page = own.server.call("/_auth/logout", headers=[cookie(token)])
    assert page.status == 200, page.body
    field = page.body.decode().split('name="csrf"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
    form = next(value for value in page.headers.get_all("Set-Cookie") if "cardea_form" in value).split(";", 1)[0]
    done = own.server.call("/_auth/logout", "POST", [("Cookie", f"{form}; {COOKIE}={token}"), ("Origin", "https://auth.example.com")],
                           {"csrf": field})
    assert done.status in (302, 303), done.body
    assert nginx(own.server, "https://wiki.example.com/", cookie(token)).status == 401


# ---- configuration


def test_without_a_portal_there_is_no_check(start):
    server = start("cardea", {"trusted_proxies": ["127.0.0.1"]}, ["serve"])
    for path in ("nginx", "forward", "envoy/x"):
        assert server.call(f"/_auth/check/{path}").status == 404


def test_a_portal_without_a_store_is_for_demonstrations_and_check_says_so(tmp_path):
    file = tmp_path / "cardea.yaml"
    file.write_text(json.dumps({"portal": {"url": "https://auth.example.com/_auth"}}))
    done = subprocess.run([services.PROGRAMS["cardea"], "check", "--config", file], capture_output=True, text=True)
    assert done.returncode == 0
    assert "store: is not set: users, sessions, clients and keys are in memory" in done.stdout + done.stderr


def test_lesson_27_rules_and_portal_change_at_a_reload(own):
    token = own.log_in()
    assert nginx(own.server, "https://wiki.example.com/", cookie(token)).status == 200
    new = {"access": [{"host": "wiki.example.com", "allow": {"users": ["bo"]}}],
           "portal": {"url": "https://login.example.com/_auth", "cookie_domain": "example.com", "identity": {"user": "X-User"}}}
    before = own.config
    own.write(**new)
    os.kill(own.server.process.pid, signal.SIGHUP)
    own.server.wait_event("reloaded")
    answer = nginx(own.server, "https://wiki.example.com/", cookie(token))
    assert answer.status == 403
    assert answer.headers["Location"].startswith("https://login.example.com/_auth/forbidden?")
    assert nginx(own.server, "https://pub.example.com/").status == 403
    answer = nginx(own.server, "https://wiki.example.com/", cookie(own.log_in("bo")))
    assert (answer.status, answer.headers["X-User"], answer.headers.get("Remote-User")) == (200, "bo", None)
    own.config = before


def test_lesson_27_a_reload_that_is_refused_changes_nothing(own):
    token = own.log_in()
    own.write(access=[{"host": "wiki.example.com", "allow": {"users": ["bo"]}}], audit_keep="1h")
    os.kill(own.server.process.pid, signal.SIGHUP)
    own.server.wait_event("reload_failed")
    assert nginx(own.server, "https://wiki.example.com/", cookie(token)).status == 200


def test_two_factors_of_either_kind_count(own):
    for factors, status in ((PASSWORD, 401), (TOTP, 401), (PASSWORD | TOTP, 200), (PASSWORD | RECOVERY, 200), (TOTP | RECOVERY, 401)):
        assert nginx(own.server, "https://two.example.com/", cookie(own.log_in(factors=factors))).status == status, factors
