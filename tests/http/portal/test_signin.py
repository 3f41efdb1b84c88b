"""Logging in with an account at another provider: GitHub, as a fake that behaves as the real one is documented to."""
import json
import time
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from browser import totp
from logins import add_person, at_login, begun_session, log_in, me, who
from signins import (LABEL, MONA, OCTOCAT, FakeProviders, allowed, approve, assert_clean, begin, log_in_with, settings)

LAST_ACCOUNT = ("You have no other way to log in, so this account stays connected. Connect another one first, or ask the operator "
                "for a password.")


@pytest.fixture(scope="module")
def fakes():
    with FakeProviders() as fakes:
        yield fakes


@pytest.fixture(scope="module")
def home(install_module, fakes):
    """octocat is let in and becomes a user; others need a connected account."""
    home = install_module(portal={"factors": ["password"]}, **settings(allowed(fakes)))
    home.server = home.serve()
    return home


def test_the_login_page_has_a_button_that_keeps_the_page_to_return_to(home, fakes):
    browser = home.browser()
    page = at_login(browser, "/_auth/tokens?a=b&c=d")
    target = "/_auth/signin/github?return_to=" + quote("/_auth/tokens?a=b&c=d", safe="")
    assert target in page.links, page
    assert f"Log in with {LABEL}" in page.text
    again = browser.submit(page, "/login", username="nobody", password="wrong")
    assert again.status == 401 and target in again.links, again


def test_a_login_makes_a_user_and_returns_to_the_page(home, fakes):
    browser = home.browser()
    page = log_in_with(browser, fakes, return_to="/_auth/tokens")
    assert page.path == "/_auth/tokens" and page.status == 200, page
    assert_clean(browser, page)
    assert who(browser) == "github:octocat"
    answer = me(browser.get("/me", headers=[("Accept", "application/json")]))
    assert (answer["factors"], answer["display_name"]) == (1, "The Octocat")
    assert abs(answer["auth_time"] - time.time()) < 60
    account = browser.get("/")
    assert "octocat" in account.text_of("accounts") and "last login" in account.text_of("accounts"), account
    # The same account is the same user.
    other = home.browser()
    log_in_with(other, fakes)
    assert who(other) == "github:octocat"


@pytest.mark.parametrize("detail", ["off", None, "full"])
def test_requests_to_the_provider_are_logged_from_the_first_one_on(install, fakes, detail):
    home = install(portal={"factors": ["password"]}, **settings(allowed(fakes)), **({"log": {"outgoing": detail}} if detail else {}))
    home.server = home.serve()
    browser = home.browser()
    log_in_with(browser, fakes)
    assert who(browser) == "github:octocat"
    events = [event for event in home.server.events() if event["event"] == "outgoing_request"]
    assert [event["name"] for event in events] == ([] if detail == "off" else ["provider github"] * 3)
    assert all(("request_headers" in event) == (detail == "full") for event in events), events


def test_a_long_page_to_return_to_is_kept(home, fakes):
    browser = home.browser()
    long = "/_auth/tokens?x=" + "y" * 1500
    page = browser.get(approve(fakes, begin(browser, long)), follow=False)
    assert page.status == 303 and page.location == home.issuer + long, page


def test_a_foreign_page_to_return_to_is_not_followed(home, fakes):
    for evil in ("https://evil.example/", "//evil.example/", "/\\evil.example", "/_auth/%09/evil.example"):
        browser = home.browser()
        page = browser.get(approve(fakes, begin(browser, evil)), follow=False)
        assert page.status == 303 and page.location == home.base + "/", (evil, page)


def test_the_redirect_to_the_provider(home, fakes):
    browser = home.browser()
    page = begin(browser)
    query = parse_qs(urlsplit(page.location).query)
    assert query["redirect_uri"] == [f"{home.base}/signin/github/callback"]
    assert query["client_id"] == ["Iv1.fake"] and query["response_type"] == ["code"]
    assert query["code_challenge_method"] == ["S256"]
    assert page.headers["Referrer-Policy"] == "no-referrer" and page.headers["Cache-Control"] == "no-store"
    (cookie,) = [text for text in browser.set_cookies if text.startswith("cardea_signin")]
    for part in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"):
        assert part in cookie, cookie
    assert "Domain" not in cookie, cookie
    assert query["state"][0] not in cookie


def test_lesson_26_state_cookies_are_few_and_none_displaces_another_while_there_is_room(home, fakes):
    browser = home.browser()
    pages = [begin(browser) for _ in range(4)]
    states = [name for name in browser.cookies if name.startswith("cardea_signin")]
    assert len(states) == 4, "each begun login has its own slot"
    for _ in range(20):
        begin(browser)
    states = [name for name in browser.cookies if name.startswith("cardea_signin")]
    assert len(states) == 4
    assert sum(len(browser.cookies[name]) for name in states) <= 4 * 2048
    # A login that has ended makes room again.
    other = home.browser()
    pages = [begin(other) for _ in range(4)]
    other.get(approve(fakes, pages[0]))
    assert who(other) == "github:octocat"
    for page in pages[1:]:
        other.cookies.pop("cardea_session")
        other.get(approve(fakes, page))
        assert who(other) == "github:octocat"


def test_a_browser_with_a_session_goes_on_without_the_provider(home, fakes):
    browser = home.browser()
    log_in_with(browser, fakes)
    page = browser.get("/signin/github?return_to=/_auth/tokens", follow=False)
    assert page.status == 303 and page.location == home.base + "/tokens", page


def test_head_begins_and_ends_nothing(home, fakes):
    browser = home.browser()
    url = approve(fakes, begin(browser))
    assert browser.request("HEAD", "/signin/github", follow=False).status == 303
    assert browser.request("HEAD", url, follow=False).status == 303
    browser.get(url)
    assert who(browser) == "github:octocat"


def test_an_unknown_provider_and_page(home):
    for path in ("/signin", "/signin/", "/signin/gitlab", "/signin/gitlab/callback?code=x&state=y", "/signin/github/x",
                 "/signin/github/callback/x"):
        assert home.browser().get(path).status == 404, path


def test_without_providers_there_is_nothing(install):
    home = install(portal={"factors": ["password"]})
    home.serve()
    person = add_person(home, has_totp=False)
    browser = home.browser()
    assert "providers" not in at_login(browser).texts
    assert browser.get("/signin/github").status == 404
    log_in(browser, person)
    assert "accounts" not in browser.get("/").texts


def test_the_only_way_in_is_a_provider(install, fakes):
    home = install(portal={"factors": []}, **settings(allowed(fakes)))
    home.serve()
    browser = home.browser()
    page = at_login(browser, "/_auth/tokens")
    assert page.forms == [] and page.text_of("providers") == f"Log in with {LABEL}", page
    assert browser.post("/login", {"username": "ana", "password": "x", "csrf": "x"}).status == 404
    assert log_in_with(browser, fakes, return_to="/_auth/tokens").path == "/_auth/tokens"


# ---- connecting and disconnecting ----

def connect(browser, fakes, page, user="mona"):
    go = browser.submit(page, "/account/link")
    assert go.status == 200, go
    delay, target = go.headers["Refresh"].split("; url=")
    assert delay == "0" and target == "/_auth/signin/github/connect" and target in go.links
    assert "form-action 'self';" in go.headers["Content-Security-Policy"]
    started = browser.get(browser.origin + target, follow=False)
    assert started.status == 302, started
    return browser.get(approve(fakes, started, user))


def test_a_user_connects_an_account_logs_in_with_it_and_disconnects_it(home, fakes):
    person = add_person(home, has_totp=False)
    browser = home.browser()
    log_in(browser, person)
    page = connect(browser, fakes, browser.get("/"))
    assert page.path == "/_auth/" and page.status == 200, page
    assert "The account is connected. You can log in with it now." in page.text
    assert_clean(browser, page)
    assert "mona" in page.text_of("accounts") and "not used to log in yet" in page.text_of("accounts")
    other = home.browser()
    log_in_with(other, fakes, "mona")
    assert who(other) == person.name
    page = browser.submit(browser.get("/"), "/account/unlink")
    assert "The account is disconnected." in page.text and "accounts" not in page.texts, page
    # GitHub would let mona in, Cardea does not.
    third = home.browser()
    assert log_in_with(third, fakes, "mona").path == "/_auth/signin/github/not-allowed"
    events = [event["action"] for event in map(json.loads, home.cardea("audit", "tail", "--json").splitlines())
              if event.get("subject") == f"user:{person.name}"]
    assert "user.link" in events and "user.unlink" in events


def test_connecting_needs_the_form(home, fakes):
    person = add_person(home, has_totp=False)
    browser = home.browser()
    log_in(browser, person)
    assert browser.get("/signin/github/connect", follow=False).location == home.base + "/"
    page = browser.get("/")
    bad = browser.post("/account/link", {"provider": "github", "csrf": "wrong"})
    assert bad.status == 403 and "cardea_connect" not in browser.cookies, bad
    bad = browser.submit(page, "/account/link", headers=[("Origin", "https://evil.example")])
    assert bad.status == 403, bad
    # The mark of another session is none of this one.
    browser.submit(browser.get("/"), "/account/link")
    other = home.browser()
    log_in(other, person)
    other.cookies["cardea_connect"] = browser.cookies["cardea_connect"]
    assert other.get("/signin/github/connect", follow=False).status == 303
    # It counts once.
    assert browser.get("/signin/github/connect", follow=False).status == 302
    assert browser.get("/signin/github/connect", follow=False).status == 303


def test_an_old_login_confirms_before_it_connects_or_disconnects(home, fakes):
    person = add_person(home, has_totp=False)
    browser = home.browser()
    browser.cookies["cardea_session"] = begun_session(home, person.name, 3600, 86400, 86400)
    page = browser.submit(browser.get("/"), "/account/link")
    assert page.path == "/_auth/step-up", page
    page = browser.submit(page, "/step-up", password=person.password)
    assert page.status == 200 and "You can connect and disconnect accounts now." in page.text, page
    connect(browser, fakes, page)
    browser.cookies["cardea_session"] = begun_session(home, person.name, 3600, 86400, 86400)
    page = browser.submit(browser.get("/"), "/account/unlink")
    assert page.path == "/_auth/step-up", page
    assert "mona" in browser.get("/").text_of("accounts")
    browser.cookies["cardea_session"] = begun_session(home, person.name, 0, 86400, 86400)
    assert "accounts" not in browser.submit(browser.get("/"), "/account/unlink").texts


def test_a_user_who_was_made_has_no_password_and_stays_so_over_export_and_import(home, fakes):
    browser = home.browser()
    log_in_with(browser, fakes)
    shown = json.loads(home.cardea("user", "show", "github:octocat", "--json"))
    assert shown["password_form"] == "none", shown
    line = next(line for line in home.cardea("user", "export").splitlines() if "github:octocat" in line)
    assert json.loads(line)["hash"] == "*", line
    for password in ("*", "x"):
        other = home.browser()
        page = other.submit(at_login(other), "/login", username="github:octocat", password=password)
        assert page.status == 401, page
    home.cardea("user", "remove", "github:octocat", "--yes")
    home.cardea("user", "import", "-", "--format", "jsonl", text=line + "\n")
    shown = json.loads(home.cardea("user", "show", "github:octocat", "--json"))
    assert shown["password_form"] == "none", shown
    home.cardea("user", "remove", "github:octocat", "--yes")


def test_the_last_way_in_is_not_disconnected(home, fakes):
    browser = home.browser()
    log_in_with(browser, fakes)
    page = browser.submit(browser.get("/"), "/account/unlink")
    assert (page.status, page.error) == (409, LAST_ACCOUNT), page
    assert "octocat" in browser.get("/").text_of("accounts")
    # With a password it is not the last one any more.
    home.set_password("github:octocat", "a password that the operator has set")
    log_in_with(browser, fakes, return_to="/_auth/")
    page = browser.submit(browser.get("/"), "/account/unlink")
    assert "The account is disconnected." in page.text, page
    home.cardea("user", "remove", "github:octocat", "--yes")


def test_another_users_account_is_not_disconnected(home, fakes):
    owner, thief = add_person(home, has_totp=False), add_person(home, has_totp=False)
    browsers = []
    for person in (owner, thief):
        browsers.append(home.browser())
        log_in(browsers[-1], person)
    connect(browsers[0], fakes, browsers[0].get("/"))
    page = browsers[1].get("/")
    fields = {**page.form("/account/link").fields, "provider": "github", "subject": MONA}
    assert browsers[1].post("/account/unlink", fields).status == 200
    assert "mona" in browsers[0].get("/").text_of("accounts")
    # It cannot be connected twice, either.
    page = connect(browsers[1], fakes, browsers[1].get("/"))
    assert page.path == "/_auth/signin/github/connected-elsewhere" and page.status == 409, page
    assert who(browsers[1]) == thief.name
    browsers[0].submit(browsers[0].get("/"), "/account/unlink")


def test_connecting_ends_when_the_user_is_another_one_or_has_logged_out(home, fakes):
    for then in ("another", "nobody"):
        person, other = add_person(home, has_totp=False), add_person(home, has_totp=False)
        browser = home.browser()
        log_in(browser, person)
        browser.submit(browser.get("/"), "/account/link")
        started = browser.get("/signin/github/connect", follow=False)
        browser.cookies.pop("cardea_session")
        if then == "another":
            log_in(browser, other)
        page = browser.get(approve(fakes, started, "mona"))
        assert page.path == "/_auth/signin/github/another-user" and page.status == 403, page
        for name in (person.name, other.name):
            session = home.browser()
            session.cookies["cardea_session"] = begun_session(home, name, 0, 600, 600)
            assert "accounts" not in session.get("/").texts


# ---- confirming ----

def test_a_user_without_a_password_confirms_with_the_provider(home, fakes):
    log_in_with(home.browser(), fakes)
    browser = home.browser()
    old = browser.cookies["cardea_session"] = begun_session(home, "github:octocat", 3600, 86400, 86400)
    page = browser.get("/step-up?return_to=/_auth/tokens")
    assert page.status == 200 and page.forms == [], page
    (link,) = [link for link in page.links if "/signin/github" in link]
    page = browser.get(approve(fakes, browser.get(browser.origin + link)))
    assert page.path == "/_auth/tokens" and page.status == 200, page
    assert page.form("/tokens"), "a token can be made now"
    assert browser.cookies["cardea_session"] != old
    browser.cookies["cardea_session"] = old
    assert who(browser) is None, "the session before has ended (LESSONS 12)"


# ---- a second factor ----

@pytest.fixture(scope="module")
def strict(install_module, fakes):
    home = install_module(portal={"factors": ["password", "totp"]}, **settings(allowed(fakes, second_factor=True)))
    home.serve()
    return home


def test_lesson_11_a_login_that_waits_for_its_code_can_do_nothing_else(strict, fakes):
    browser = strict.browser()
    page = log_in_with(browser, fakes, return_to="/_auth/tokens")
    assert page.path == "/_auth/register/totp", page
    assert who(browser) is None and "cardea_session" not in browser.cookies
    secret = page.text_of("secret").replace(" ", "")
    strict.note_secret(secret)
    page = browser.submit(page, "/register/totp", code=totp(secret))
    assert page.status == 200 and who(browser) == "github:octocat", page
    other = strict.browser()
    page = log_in_with(other, fakes, return_to="/_auth/tokens")
    assert page.path == "/_auth/totp" and who(other) is None, page
    page = other.submit(page, "/totp", code="000000")
    assert page.status == 401 and who(other) is None
    page = other.submit(page, "/totp", code=totp(secret, 1))
    assert page.path == "/_auth/tokens" and page.status == 200, page
    assert me(other.get("/me", headers=[("Accept", "application/json")]))["factors"] == 2


def test_without_second_factor_a_provider_login_is_one_factor_where_passwords_need_two(install, fakes):
    home = install(portal={"factors": ["password", "totp"]}, **settings(allowed(fakes)))
    home.serve()
    browser = home.browser()
    log_in_with(browser, fakes)
    assert me(browser.get("/me", headers=[("Accept", "application/json")]))["factors"] == 1
