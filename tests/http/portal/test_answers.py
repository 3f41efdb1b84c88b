"""What all of the portal's answers have in common: headers, languages, methods, errors for programs, and a store that fails."""
import contextlib
import json
import os
import re
import resource
import sqlite3

import pytest

import services
from logins import add_person, at_login, begun_session, enter_code, enter_password, log_in, me, who
from postgres import Postgres
from services import call, wait_until

JSON = ("Accept", "application/json")
DIRECTIVES = {"default-src": ["'none'"], "style-src": ["'self'"], "img-src": ["'self'"], "form-action": ["'self'"], "base-uri": ["'none'"],
              "frame-ancestors": ["'none'"]}
PAGES = ["/login", "/totp", "/recovery", "/logout"]


@pytest.fixture(scope="module")
def home(install_module):
    home = install_module(lockout={"account_attempts": 1000, "address_attempts": 1000000})
    home.serve()
    return home


@pytest.fixture
def own_postgres():
    """One that the test may stop."""
    postgres = Postgres()
    yield postgres
    postgres.remove()


@pytest.fixture(scope="module")
def ana(home):
    return add_person(home)


def pending(home, ana):
    browser = home.browser()
    enter_password(browser, ana)
    return browser


def holder(home, name):
    browser = home.browser()
    browser.cookies["cardea_session"] = begun_session(home, name, 0, 3600, 7200)
    return browser


def policy(page):
    return {words[0]: words[1:] for words in (part.split() for part in page.headers["Content-Security-Policy"].split(";"))}


def assert_headers_of_a_page(page, directives=DIRECTIVES):
    names = [name.lower() for name in page.headers.keys() if name.lower() != "set-cookie"]
    assert len(names) == len(set(names)), f"a header twice: {page}"
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert policy(page) == directives, page
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "camera=()" in page.headers["Permissions-Policy"] and "geolocation=()" in page.headers["Permissions-Policy"]
    assert re.search(r"<script|<style|\son\w+=|\sstyle=|javascript:", page.text) is None


# ---- headers ----


def test_every_page_has_the_headers(home, ana):
    browser = pending(home, ana)
    pages = {path: browser.get(path) for path in ("/login", "/totp", "/recovery")}
    pages["/logout"] = holder(home, ana.name).get("/logout")
    pages["wrong code"] = browser.submit(pages["/totp"], code="12")
    pages["wrong password"] = enter_password(home.browser(), ana, password="a wrong guess")
    pages["wrong form"] = home.browser().post("/login", {"csrf": "x"})
    pages["expired"] = home.browser().post("/totp", {"csrf": "x"})
    assert [page.status for page in pages.values()] == [200, 200, 200, 200, 401, 401, 400, 401]
    for page in pages.values():
        assert_headers_of_a_page(page)


def test_a_redirect_is_not_kept_either(home, ana):
    browser = home.browser()
    for page in (enter_password(browser, ana, follow=False), browser.get("/logout", follow=False)):
        assert page.status == 303 and page.headers["Cache-Control"] == "no-store", page
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert page.location.startswith(home.base + "/"), "an absolute URL, from the configuration"


@pytest.mark.parametrize("header", [("X-Forwarded-Host", "evil.example"), ("Forwarded", "host=evil.example;proto=https"),
                                    ("X-Forwarded-Proto", "https"), ("X-Original-URL", "https://evil.example/")])
def test_lesson_3_no_header_of_the_client_changes_where_it_is_sent(home, ana, header):
    browser = home.browser([header])
    page = enter_password(browser, ana, follow=False)
    assert page.location == home.base + "/totp", page
    assert "evil" not in at_login(browser).text


def test_a_logo_of_another_site_may_be_loaded_and_nothing_else(install):
    home = install(portal={"logo": "https://static.example.com/a:b/logo.svg", "title": "<Our> \"site\"", "footer": "'\"><b>ours"})
    home.serve()
    page = at_login(home.browser())
    assert_headers_of_a_page(page, {**DIRECTIVES, "img-src": ["'self'", "https://static.example.com"]})
    assert "<b>" not in page.text and "<Our>" not in page.text


def test_a_logo_of_our_own_changes_no_policy(install):
    home = install(portal={"logo": "/a:b/logo.svg"})
    home.serve()
    assert_headers_of_a_page(at_login(home.browser()))


# ---- the styles ----


def test_the_styles_are_kept_by_browsers_under_a_name_that_changes(home, install):
    other = install(portal={"accent": "#7a1f2b"})
    other.serve()
    names = []
    for place in (home, other):
        page = at_login(place.browser())
        names.append(re.search(r'<link rel="stylesheet" href="([^"]*)"', page.text).group(1))
        answer = call(place.issuer + names[-1])
        assert answer.status == 200 and answer.headers["Content-Type"] == "text/css; charset=utf-8"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Set-Cookie"] is None
        assert b"{" in answer.body and len(answer.body) < 16 * 1024
    assert names[0] != names[1]


def test_the_login_page_and_its_styles_are_small(home):
    page = at_login(home.browser())
    name = re.search(r'<link rel="stylesheet" href="([^"]*)"', page.text).group(1)
    assert len(page.body) + len(call(home.issuer + name).body) < 15 * 1024


# ---- languages ----


def language(page):
    return re.search(r'<html lang="([^"]*)"', page.text).group(1)


@pytest.mark.parametrize("accept, query, expected", [
    ("de", "", "de"), ("de-CH,en;q=0.5", "", "de"), ("fr,de;q=0.3,en;q=0.2", "", "de"), ("fr", "", "en"), ("", "", "en"),
    ("en", "?ui_locales=de", "de"), ("de", "?ui_locales=en", "en"), ("de", "?ui_locales=xx", "de"), ("en", "?ui_locales=xx+de", "de"),
    ("de", "?ui_locales=%ff", "de"), ("\x01,;q=,de", "", "de"), ("en", "?ui_locales=" + "x+" * 500 + "de", "en")])
def test_a_page_is_in_the_language_of_its_reader(home, accept, query, expected):
    page = home.browser([("Accept-Language", accept)] if accept.isprintable() else []).get("/login" + query)
    assert language(page) == (expected if accept.isprintable() else "en")
    assert ("Anmelden" in page.text) == (language(page) == "de")


def test_a_language_that_was_chosen_is_remembered(home, ana):
    browser = home.browser()
    page = browser.get("/login?return_to=/_auth/me")
    german = next(link for link in page.links if "ui_locales=de" in link)
    page = browser.get(home.issuer + german)
    assert language(page) == "de" and page.form("/login").fields["return_to"] == "/_auth/me", "nothing is lost by the choice"
    assert language(at_login(browser)) == "de"
    page = browser.submit(at_login(browser), username=ana.name, password="a wrong guess")
    assert language(page) == "de" and page.error not in (None, "The user name or the password is wrong."), page
    assert browser.get("/login?ui_locales=en").status == 200
    assert language(at_login(browser)) == "en"


@pytest.mark.parametrize("value", ["xx", "<b>", "de; x=y", "A" * 4000])
def test_a_language_that_is_not_known_is_not_remembered(home, value):
    browser = home.browser([("Cookie", f"cardea_lang={value}")])
    assert language(at_login(browser)) in ("en", "de")


# ---- methods ----


@pytest.mark.parametrize("path", [*PAGES, "/me", "/style.css"])
def test_head_is_as_get(home, ana, path):
    for browser in (home.browser(), pending(home, ana), holder(home, ana.name)):
        get, head = browser.get(path, follow=False), browser.request("HEAD", path, follow=False)
        assert head.status == get.status and head.location == get.location and head.body == b"", (get, head)
        assert head.headers["Content-Type"] == get.headers["Content-Type"]


@pytest.mark.parametrize("path, allowed", [*((path, {"GET", "HEAD", "POST", "OPTIONS"}) for path in PAGES),
                                           ("/me", {"GET", "HEAD", "OPTIONS"}), ("/style.css", {"GET", "HEAD", "OPTIONS"})])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "POST"])
def test_other_methods_are_refused(home, ana, method, path, allowed):
    if method in allowed and method != "OPTIONS":
        return
    browser = holder(home, ana.name)
    answer = browser.request(method, path, follow=False)
    assert answer.status in ((405, 204, 200) if method == "OPTIONS" else (405, 501)), answer
    if answer.status == 405:
        assert {word.strip() for word in answer.headers["Allow"].split(",")} >= allowed - {"OPTIONS"}, answer
    assert who(browser) == ana.name


def test_a_page_that_is_not_there_is_404(home):
    for path in ("/nothing", "/login/", "/LOGIN", "/login/x", "/style.css/x"):
        assert home.browser().get(path, follow=False).status in (400, 404), path


def test_without_a_portal_there_are_no_pages(install):
    home = install()
    home.config.pop("portal")
    home.configure()
    home.serve()
    for path in (*PAGES, "/me", "/style.css"):
        answer = home.browser().get(path, follow=False)
        assert answer.status == 404, answer
        assert home.browser().post(path, {"csrf": "x"}, follow=False).status in (404, 405)


# ---- programs ----


def assert_json_error(answer, status, error):
    assert answer.status == status, answer
    said = me(answer)
    assert set(said) <= {"error", "error_description"} and said["error"] == error, answer
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Cache-Control"] == "no-store" and answer.location is None
    names = [name.lower() for name in answer.headers.keys() if name.lower() != "set-cookie"]
    assert len(names) == len(set(names)), answer


def test_errors_for_programs_are_json(home, ana):
    browser = home.browser([JSON])
    page = home.browser()
    csrf = at_login(page).form("/login").fields["csrf"]
    browser.cookies = dict(page.cookies)
    right = {"csrf": csrf, "username": ana.name, "password": ana.password}
    assert_json_error(browser.post("/login", {**right, "password": "a wrong guess"}), 401, "invalid_credentials")
    assert_json_error(browser.post("/login", {**right, "csrf": "x"}), 403, "access_denied")
    assert_json_error(browser.post("/login", {**right, "password": ""}), 400, "invalid_request")
    assert_json_error(browser.post("/login", b"%"), 400, "invalid_request")
    assert_json_error(browser.post("/login", right, [("Origin", "https://evil.example")]), 403, "access_denied")
    assert_json_error(browser.get("/totp"), 401, "login_required")
    assert_json_error(browser.post("/totp", {"csrf": csrf, "code": "1"}), 401, "login_required")
    assert browser.post("/login", right, follow=False).status == 303
    assert_json_error(browser.post("/totp", {"csrf": csrf, "code": ana.wrong_code()}), 401, "invalid_credentials")
    assert_json_error(browser.post("/recovery", {"csrf": csrf, "recovery_code": "x"}), 401, "invalid_credentials")
    assert browser.post("/totp", {"csrf": csrf, "code": ana.code()}, follow=False).status == 303
    assert me(browser.get("/me"))["user"] == ana.name


def test_a_lockout_for_programs_is_json(install):
    home = install(lockout={"account_attempts": 1, "address_attempts": 1000000, "delay": "1m", "max_delay": "15m"})
    home.serve()
    ana, browser = add_person(home), home.browser([("Accept", "application/json, */*")])
    other = home.browser()
    fields = {"csrf": at_login(other).form("/login").fields["csrf"], "username": ana.name, "password": "a wrong guess"}
    browser.cookies = dict(other.cookies)
    browser.post("/login", fields)
    answer = browser.post("/login", fields)
    assert_json_error(answer, 429, "too_many_attempts")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("accept", ["text/html", "*/*", "text/html,application/json", "", "application/xml"])
def test_everyone_else_gets_pages(home, ana, accept):
    browser = home.browser([("Accept", accept)])
    page = browser.submit(at_login(browser), username=ana.name, password="a wrong guess")
    assert page.status == 401 and page.is_html


# ---- a store that fails ----


SECRETS = re.compile(r"sqlite|postgres|psycopg|libpq|\.db|locked|disk|/tmp/|errno|database|5432|relation", re.IGNORECASE)


def assert_unavailable(page):
    assert page.status == 503, page
    assert int(page.headers["Retry-After"]) >= 1
    if page.is_html:
        assert_headers_of_a_page(page)
    assert SECRETS.search(page.text) is None, f"LESSONS 29: {page}"


def everything_fails(home, ana, begun):
    """What needs the store says that it cannot be reached, as a page or as JSON; the first page needs none."""
    holder, half = begun
    first = home.browser()
    page = at_login(first)
    assert page.status == 200
    assert_unavailable(first.submit(page, username=ana.name, password=ana.password))
    assert_unavailable(first.submit(page, username="nobody", password=ana.password))
    assert set(first.cookies) == {"cardea_form"}
    for path in ("/totp", "/recovery"):
        assert_unavailable(half.get(path))
    assert_unavailable(half.post("/totp", {"csrf": "x", "code": ana.code()}))
    for path in ("/logout", "/login"):
        assert_unavailable(holder.get(path))
    answer = holder.get("/me", headers=[JSON])
    assert_unavailable(answer)
    assert me(answer)["error"] == "temporarily_unavailable"
    assert "cardea_session" in holder.cookies and "cardea_login" in half.cookies, "what cannot be judged is kept"


def test_lesson_29_without_its_database_the_portal_says_so_and_recovers(install, own_postgres):
    home = install(store=own_postgres.new_schema())
    server = home.serve()
    ana = add_person(home)
    begun = holder(home, ana.name), pending(home, ana)
    own_postgres.run("kill")
    everything_fails(home, ana, begun)
    own_postgres.run("start")

    def goes_on():
        """Each connection to the store finds out by itself that it was closed, and a 503 spends no code."""
        page = begun[1].get("/totp")
        return page.status == 200 and enter_code(begun[1], page, ana.code()).status == 303

    wait_until(lambda: begun[0].get("/me").status == 200, "the store to come back")
    wait_until(goes_on, "the login to go on")
    wait_until(lambda: (answer := begun[1].get("/me")).status == 200 and json.loads(answer.body)["user"] == ana.name,
               "the session to be found")
    assert server.find("totp_clock_skew") is None


def test_a_code_is_not_spent_where_it_could_not_be_judged(install):
    """The database is locked by another process, so nothing can be written; reading goes on."""
    home = install()
    home.serve()
    ana = add_person(home)
    browser = pending(home, ana)
    page = browser.get("/totp")
    code = ana.code()
    lock = sqlite3.connect(home.folder / "cardea.db", timeout=services.PATIENCE, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        assert_unavailable(enter_code(browser, page, code))
        assert "cardea_session" not in browser.cookies
        assert_unavailable(enter_password(home.browser(), ana, follow=False))
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    assert enter_code(browser, page, ana.code()).status == 303
    assert who(browser) == ana.name


@contextlib.contextmanager
def full_disk(server, database):
    """The database's log may not grow: RLIMIT_FSIZE, which needs no root. It is first made larger than what else the server writes, its own
    log above all; and a reader has it kept, else it would begin anew."""
    pid = server.process.pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    with contextlib.closing(sqlite3.connect(database, timeout=services.PATIENCE, isolation_level=None)) as connection:
        connection.executescript("CREATE TABLE large (bytes); INSERT INTO large VALUES (zeroblob(500000)); BEGIN; SELECT * FROM large")
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (os.path.getsize(f"{database}-wal"), hard))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("path, field", [("/totp", "code"), ("/recovery", "recovery_code")])
def test_lesson_13_with_a_full_disk_a_code_is_refused_and_not_spent(install, path, field):
    home = install()
    server, database, ana = home.serve(), home.folder / "cardea.db", add_person(home)
    browser = pending(home, ana)
    page = browser.get(path)
    code = {"code": ana.code, "recovery_code": lambda: ana.recovery_codes[0]}[field]
    with full_disk(server, database):
        for _ in range(3):
            assert_unavailable(browser.submit(page, path, follow=False, **{field: code()}))
        assert "cardea_session" not in browser.cookies
    wait_until(lambda: server.ask("GET", "/readyz").status == 200, "the store to be writable again", 20)
    assert browser.submit(page, path, follow=False, **{field: code()}).status == 303
    assert who(browser) == ana.name
    assert home.cardea("session", "list", "--user", ana.name, "--json").count("\n") == 1


def test_the_log_names_the_reason_and_the_page_the_request(home):
    browser = home.browser()
    page = browser.post("/totp", {"csrf": "x"}, follow=False)
    request_id = page.headers["X-Request-Id"]
    assert page.status == 401 and request_id in page.text, page
    event = home.servers[0].wait_event("request", request_id=request_id)
    assert event["status"] == 401 and event["path"] == "/_auth/totp" and event["error"] == "login_required", json.dumps(event)


def test_the_log_names_the_user(home):
    ana, browser = add_person(home), home.browser()
    answer = log_in(browser, ana)
    event = home.servers[0].wait_event("request", request_id=answer.headers["X-Request-Id"])
    assert event["user"] == ana.name
