"""A second factor that a user sets up at a login, and one that replaces another."""
import contextlib
import json
import sqlite3

import pytest

from browser import secret_of, totp
from test_register import ARABIC, PASSWORD, begin, codes_of, confirm, who

OLD_CODE = "Replace the authenticator"
SECRET = "Set up your authenticator"


@pytest.fixture(scope="module")
def home(install_module):
    home = install_module(portal={"registration": "open"}, lockout={
        "account_attempts": 50, "address_attempts": 1000000, "delay": "1s", "max_delay": "15m",
        "network_registrations": 1000})
    home.serve()
    return home


def register(home, name):
    """A browser that is logged in, the secret and the recovery codes."""
    browser = home.browser()
    page = begin(home, browser, name)
    return browser, secret_of(page), confirm(home, browser, page)


def first_factor(home, name, password=PASSWORD):
    browser = home.browser()
    return browser, browser.submit(browser.get("/login"), username=name, password=password)


def age(home, name, seconds):
    """The user logged in so many seconds earlier."""
    with contextlib.closing(sqlite3.connect(home.folder / "cardea.db")) as store, store:
        done = store.execute("UPDATE sessions SET auth_time = auth_time - ? WHERE user_name = ?", (seconds, name))
        assert done.rowcount == 1


def show_old_code(home, browser, secret, step=1):
    """The page with a new secret, after a code of the old one."""
    page = browser.get("/totp/replace")
    assert page.status == 200 and page.title == OLD_CODE, page
    page = browser.submit(page, code=totp(secret, step))
    assert page.status == 200 and page.title == SECRET and page.path == "/_auth/totp/replace", page
    home.note_secret(secret_of(page))
    return page


# ---- a login without the factor that it needs ----

def test_a_user_without_a_second_factor_sets_it_up_at_the_login(home):
    home.add_user("ana", PASSWORD)
    browser = home.browser()
    page = browser.submit(browser.get("/login?return_to=/.well-known/jwks.json"), username="ana", password=PASSWORD)
    assert page.path == "/_auth/register/totp" and page.title == SECRET and "Create the account" not in page.text, page
    assert who(browser) is None
    again = browser.submit(page, code="123456")
    assert again.status == 400 and secret_of(again) == secret_of(page), again
    assert secret_of(browser.get("/register/totp")) == secret_of(page)
    page = browser.submit(again, code=totp(secret_of(page)).translate(ARABIC))
    assert len(codes_of(page)) == 10 and f"{home.issuer}/.well-known/jwks.json" in page.links, page
    assert json.loads(browser.get("/me").body)["factors"] == 2
    assert set(browser.cookies) == {"cardea_session", "cardea_form", "cardea_device"}
    _, page = first_factor(home, "ana")
    assert page.path == "/_auth/totp", "the factor is there"


def test_a_reset_factor_is_set_up_anew(home):
    browser, _, codes = register(home, "reset")
    home.cardea("user", "totp", "reset", "reset")
    assert who(browser) is None
    browser, page = first_factor(home, "reset")
    assert page.title == SECRET, page
    new = codes_of(browser.submit(page, code=totp(secret_of(page))))
    assert not set(new) & set(codes)
    assert who(browser) == "reset"


def test_a_login_that_needs_a_code_sets_up_nothing(home):
    register(home, "has-one")
    browser, page = first_factor(home, "has-one")
    assert browser.get("/register/totp").path == "/_auth/totp"
    csrf = page.form().fields["csrf"]
    page = browser.post("/register/totp", {"csrf": csrf, "code": "123456"})
    assert page.path == "/_auth/totp" and who(browser) is None, page


def test_of_two_browsers_that_set_up_a_factor_the_first_counts(home):
    home.add_user("twice", PASSWORD)
    (first, page), (second, other) = first_factor(home, "twice"), first_factor(home, "twice")
    assert secret_of(page) != secret_of(other)
    codes_of(first.submit(page, code=totp(secret_of(page))))
    late = second.submit(other, code=totp(secret_of(other)))
    assert late.path == "/_auth/totp" and who(second) is None, late


def test_a_registration_ends_a_login_that_is_open_and_a_login_comes_before_a_registration(home):
    home.add_user("open", PASSWORD)
    browser, page = first_factor(home, "open")
    assert page.values["username"] == "open"
    page = begin(home, browser, "newcomer")
    assert page.values["username"] == "newcomer" and "cardea_login" not in browser.cookies
    page = browser.submit(browser.get("/login"), username="open", password=PASSWORD)
    assert page.values["username"] == "open" and page.title == SECRET, page


def test_lesson_11_a_login_without_its_second_factor_can_do_nothing_else(home):
    home.add_user("pending", PASSWORD)
    browser, _ = first_factor(home, "pending")
    for path in ("/", "/totp/replace", "/password"):
        assert browser.get(path).path == "/_auth/login"


# ---- replacing it ----

def test_lesson_12_a_new_authenticator_takes_a_code_of_the_old_one_and_ends_other_sessions(home):
    browser, secret, codes = register(home, "bo")
    other, page = first_factor(home, "bo")
    other.submit(page, code=totp(secret, 1))
    assert who(other) == "bo"
    before = browser.cookies["cardea_session"]
    page = browser.get("/totp/replace")
    assert page.title == OLD_CODE, page
    wrong = browser.submit(page, code="123456")
    assert wrong.status == 401 and wrong.title == OLD_CODE and wrong.error.startswith("This code is wrong"), wrong
    replayed = browser.submit(page, code=totp(secret, 1))
    assert replayed.status == 401 and replayed.title == OLD_CODE, "LESSONS 13: it logged the other browser in"
    assert secret not in page.text and "cardea_enrol" not in browser.cookies
    # A recovery code of the old factor logs in, and that login may replace it.
    third = home.browser()
    page = third.submit(third.get("/login?return_to=/.well-known/jwks.json"), username="bo", password=PASSWORD)
    page = third.submit(third.get("/recovery"), recovery_code=codes[0])
    assert page.path == "/_auth/totp/replace" and page.title == SECRET, page
    assert "A recovery code was used." in page.text
    page = third.submit(page, code=totp(secret_of(page)))
    assert not set(codes_of(page)) & set(codes)
    assert f"{home.issuer}/.well-known/jwks.json" in page.links, page
    assert who(third) == "bo" and who(browser) is None and who(other) is None
    assert browser.cookies["cardea_session"] == before
    fresh, page = first_factor(home, "bo")
    assert fresh.submit(page, code=totp(secret, 1)).status == 401, "the old authenticator"


def test_the_browser_that_replaced_it_stays_logged_in(home):
    browser, secret, _ = register(home, "cy")
    before = browser.cookies["cardea_session"]
    page = show_old_code(home, browser, secret)
    assert secret_of(browser.get("/totp/replace")) == secret_of(page), "a reload shows what the app has scanned"
    again = browser.submit(page, code="000000")
    assert again.status == 400 and secret_of(again) == secret_of(page) and again.error, again
    done = browser.submit(again, code=totp(secret_of(page)))
    assert len(codes_of(done)) == 10 and "Your authenticator is replaced." in done.text, done
    assert who(browser) == "cy" and browser.cookies["cardea_session"] != before
    assert "cardea_enrol" not in browser.cookies
    assert json.loads(browser.get("/me").body)["factors"] == 2
    stolen = home.browser()
    stolen.cookies = {"cardea_session": before}
    assert who(stolen) is None


def test_a_stolen_session_replaces_nothing(home):
    browser, _, codes = register(home, "dan")
    thief = browser.copy()
    page = thief.get("/totp/replace")
    assert page.title == OLD_CODE
    mine = home.browser()
    ticket = begin(home, mine, "thief")
    thief.cookies["cardea_enrol"] = mine.cookies["cardea_enrol"]  # of a registration
    page = thief.get("/totp/replace")
    assert page.title == OLD_CODE, page
    assert thief.submit(page, code=totp(secret_of(ticket))).status == 401
    assert thief.submit(page, code=codes[0]).status == 401
    assert who(browser) == "dan"


def test_a_login_by_recovery_code_replaces_the_factor_for_ten_minutes(home):
    browser, secret, codes = register(home, "eve")
    browser.submit(browser.get("/logout"))
    browser, page = first_factor(home, "eve")
    assert browser.submit(browser.get("/recovery"), recovery_code=codes[0]).title == SECRET
    del browser.cookies["cardea_enrol"]
    with contextlib.closing(sqlite3.connect(home.folder / "cardea.db")) as store, store:
        store.execute("DELETE FROM sessions WHERE user_name = 'eve' AND factors & 4 = 0")
    age(home, "eve", 595)
    assert browser.get("/totp/replace").title == SECRET
    del browser.cookies["cardea_enrol"]
    age(home, "eve", 10)
    page = browser.get("/totp/replace")
    assert page.title == OLD_CODE, page
    assert browser.submit(page, code=totp(secret, 1)).title == SECRET


def test_a_user_without_a_factor_confirms_an_old_session_by_the_password(install):
    home = install(portal={"registration": "open", "factors": ["password"]})
    server = home.serve()
    browser = home.browser()
    browser.submit(browser.get("/register"), username="ana", password=PASSWORD)
    server.stop()
    home.configure(portal={**home.config["portal"], "factors": ["password", "totp"]})
    server.start()
    before = browser.cookies["cardea_session"]
    age(home, "ana", 700)
    page = browser.get("/totp/replace")
    assert page.path == "/_auth/step-up" and "password" in page.form().inputs, page
    page = browser.submit(page, password=PASSWORD)
    assert page.title == SECRET and page.path == "/_auth/totp/replace", page
    raised = browser.cookies["cardea_session"]
    assert raised != before
    assert len(codes_of(browser.submit(page, code=totp(secret_of(page))))) == 10
    me = json.loads(browser.get("/me").body)
    assert (me["user"], me["factors"]) == ("ana", 2)
    assert browser.cookies["cardea_session"] != raised, "LESSONS 12: a new id at every rise of privilege"
    stolen = home.browser()
    stolen.cookies = {"cardea_session": raised}
    assert who(stolen) is None


def test_only_a_session_replaces_a_factor(home):
    page = home.browser().get("/totp/replace")
    assert page.path == "/_auth/login" and page.url.endswith("?return_to=%2F_auth%2Ftotp%2Freplace"), page
    browser = home.browser()
    csrf = browser.get("/login").form().fields["csrf"]
    page = browser.post("/totp/replace", {"csrf": csrf, "code": "123456"})
    assert page.status == 401, page


@pytest.mark.parametrize("path", ["old code", "new code"])
def test_a_form_needs_its_token_and_its_origin(home, path):
    browser, secret, _ = register(home, "form-" + path.split()[0])
    page = show_old_code(home, browser, secret) if path == "new code" else browser.get("/totp/replace")
    csrf, code = page.form().fields["csrf"], totp(secret_of(page) if path == "new code" else secret, 1)
    for fields, headers, status in (({"code": code}, None, 403), ({"csrf": "A" * 43, "code": code}, None, 403),
                                    ({"csrf": csrf, "code": code}, [("Origin", "https://evil.example")], 403),
                                    ({"csrf": csrf}, None, 400), ({"csrf": csrf, "code": "1" * 5000}, None, 400),
                                    ([("csrf", csrf), ("code", code), ("code", code)], None, 400)):
        answer = browser.post("/totp/replace", fields, headers)
        assert answer.status == status and answer.title == page.title and answer.error, answer
    # Nothing was consumed.
    assert browser.submit(page, code=code).status == 200
