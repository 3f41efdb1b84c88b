"""The portal's cookies: their names and attributes, what garbage does, and how long a login lasts."""
import re
import time

import pytest

import services
from logins import (BehindTls, add_person, at_login, begun_session, enter_code, enter_password, log_in, me, who)
from services import wait_until

HTTPS = "https://auth.example.com/_auth"


@pytest.fixture(scope="module")
def home(install_module):
    home = install_module(portal={"session_idle": "1h", "session_lifetime": "12h", "remember_for": "30d"})
    home.serve()
    return home


def attributes(browser):
    """Of the last Set-Cookie of each name: the attributes that are not Expires, in lower case."""
    found = {}
    for text in browser.set_cookies:
        pair, *rest = [part.strip() for part in text.split(";")]
        found[pair.split("=")[0]] = {part.split("=")[0].lower(): part.partition("=")[2] for part in rest}
    return found


def all_cookies(browser, person):
    """Logs in such that every cookie of a login is set and deleted."""
    page = enter_password(browser, person, return_to="/_auth/me")
    given = attributes(browser)
    enter_code(browser, page, person.code())
    return given | {name: a for name, a in attributes(browser).items() if a.get("max-age") != "0"}


def test_on_loopback_http_the_cookies_are_plain(home):
    ana, browser = add_person(home), home.browser()
    cookies = all_cookies(browser, ana)
    assert set(cookies) == {"cardea_session", "cardea_login", "cardea_form", "cardea_return", "cardea_device"}
    for name, given in cookies.items():
        assert "secure" not in given and "domain" not in given, (name, given)
        assert given["path"] == "/" and "httponly" in given and given["samesite"] == "Lax", (name, given)


@pytest.mark.parametrize("domain", [None, "example.com", "auth.example.com"])
def test_on_https_the_names_say_what_browsers_must_hold(install, domain):
    home = install(portal={"url": HTTPS, **({"cookie_domain": domain} if domain else {})})
    home.serve()
    ana, browser = add_person(home), BehindTls(home)
    cookies = all_cookies(browser, ana)
    session = "__Secure-cardea_session" if domain else "__Host-cardea_session"
    assert set(cookies) == {session, "__Host-cardea_login", "__Host-cardea_form", "__Host-cardea_return", "__Host-cardea_device"}
    for name, given in cookies.items():
        assert "secure" in given and "httponly" in given and given["samesite"] == "Lax" and given["path"] == "/", (name, given)
        assert given.get("domain") == (domain if name == session and domain else None), (name, given)
    assert who(browser) == ana.name
    # A deletion reaches the cookie only with the attributes that it was set with.
    page = browser.submit(browser.get("/logout"), "/logout", follow=False)
    assert page.status == 303
    assert session not in browser.cookies
    gone = attributes(browser)[session]
    assert gone.get("domain") == domain and "secure" in gone and gone["path"] == "/", gone


def test_a_plain_cookie_is_no_session_of_a_portal_with_https(install):
    home = install(portal={"url": HTTPS})
    home.serve()
    ana, browser = add_person(home), BehindTls(home)
    log_in(browser, ana)
    thief = BehindTls(home)
    for name in ("cardea_session", "__Secure-cardea_session", "__host-cardea_session"):
        thief.cookies = {name: browser.cookies["__Host-cardea_session"]}
        assert who(thief) is None


def test_the_cookies_of_a_login_go_with_it(home):
    ana, browser = add_person(home), home.browser()
    page = enter_password(browser, ana)
    given = attributes(browser)
    assert 0 < int(given["cardea_login"]["max-age"]) <= 300
    assert "max-age" not in given["cardea_form"], "until the browser is closed"
    enter_code(browser, page, ana.code())
    assert set(browser.cookies) == {"cardea_form", "cardea_session", "cardea_return", "cardea_device"}
    assert int(attributes(browser)["cardea_return"]["max-age"]) <= 60
    assert "max-age" not in attributes(browser)["cardea_session"]


def test_cookies_hold_no_names_and_are_long_enough_not_to_be_guessed(home):
    users = [add_person(home), add_person(home)]
    browsers = [home.browser(), home.browser()]
    for person, browser in zip(users, browsers):
        log_in(browser, person)
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", browser.cookies["cardea_form"])
        assert re.fullmatch(r"[A-Za-z0-9_-]{64}", browser.cookies["cardea_session"])
        assert re.fullmatch(r"[A-Za-z0-9_-]{54}", browser.cookies["cardea_device"])
        assert not any(person.name in text for text in browser.set_cookies)
    assert len({browser.cookies[f"cardea_{name}"] for browser in browsers for name in ("form", "session", "device")}) == 6


def test_lesson_12_each_login_has_an_id_of_its_own(home):
    """The id that a browser came with is never the one that it leaves with: session fixation."""
    ana, bob, browser = add_person(home), add_person(home), home.browser()
    log_in(browser, ana)
    ids = [browser.cookies["cardea_session"]]
    for came_with in (begun_session(home, bob.name, 100, 1, 1), begun_session(home, bob.name, 0, 60, 60), "A" * 64):
        browser = home.browser()
        page = at_login(browser)
        browser.cookies["cardea_session"] = came_with
        page = browser.submit(page, "/login", username=ana.name, password=ana.password)
        answer = browser.submit(browser.get("/recovery"), recovery_code=ana.recovery_codes.pop(), follow=False)
        assert answer.status == 303 and who(browser) == ana.name
        ids += [came_with, browser.cookies["cardea_session"]]
    assert len(set(ids)) == len(ids)


# ---- garbage ----


GARBAGE = ["", "x", "=", "A" * 64, "A" * 4000, "\"quoted\"", "%00", "é", "a b"]


@pytest.mark.parametrize("value", GARBAGE)
@pytest.mark.parametrize("name", ["session", "login", "form", "return", "enrol", "invite", "lang", "device"])
def test_a_garbage_cookie_is_no_login_and_hinders_none(home, name, value):
    ana, browser = add_person(home), home.browser()
    browser.cookies[f"cardea_{name}"] = value
    assert who(browser) is None
    assert browser.get("/totp").path == "/_auth/login"
    log_in(browser, ana)
    assert who(browser) == ana.name


def with_cookies(home, *pairs):
    return home.browser([("Cookie", "; ".join(pairs))])


def test_a_second_session_cookie_in_front_does_not_hide_the_good_one(home):
    """Any sibling host can set one for the whole domain."""
    ana, browser = add_person(home), home.browser()
    log_in(browser, ana)
    good = f"cardea_session={browser.cookies['cardea_session']}"
    bad = ["cardea_session=x", "cardea_session=" + "A" * 64, f"cardea_session={begun_session(home, ana.name, 100, 1, 1)}"]
    for front in bad:
        assert who(with_cookies(home, front, good)) == ana.name
        assert who(with_cookies(home, good, front)) == ana.name
    assert who(with_cookies(home, *bad, *bad, bad[0], good)) == ana.name, "the eighth"
    assert who(with_cookies(home, *bad, *bad, *bad[:2], good)) is None, "the ninth is not looked at"


def test_a_hundred_cookies_of_ours_are_fine(home):
    ana, browser = add_person(home), home.browser()
    log_in(browser, ana)
    good = f"cardea_session={browser.cookies['cardea_session']}"
    assert who(with_cookies(home, *(f"cardea_session{i}=x" for i in range(99)), good)) == ana.name
    assert who(with_cookies(home, good, *("cardea_session=x" for _ in range(99)))) == ana.name
    many = with_cookies(home, *("cardea_session=x" for _ in range(100)))
    assert who(many) is None
    assert at_login(many).status == 200


def test_cookies_of_others_are_left_alone(home):
    ana, browser = add_person(home), home.browser()
    browser.cookies["theirs"] = "1"
    log_in(browser, ana)
    browser.submit(browser.get("/logout"), "/logout")
    assert browser.cookies["theirs"] == "1"
    assert not any("theirs" in text for text in browser.set_cookies)


# ---- how long a login lasts ----


def holder(home, name, ago, idle, lifetime):
    browser = home.browser()
    browser.cookies["cardea_session"] = begun_session(home, name, ago, idle, lifetime)
    return browser


@pytest.mark.parametrize("ago, idle, lifetime, is_good", [
    (60, 120, 7200, True), (120, 120, 7200, False), (60, 7200, 120, True), (120, 7200, 120, False), (0, 120, 120, True)])
def test_a_login_ends_when_it_is_idle_and_after_its_lifetime(home, ago, idle, lifetime, is_good):
    ana = add_person(home, has_totp=False)
    assert who(holder(home, ana.name, ago, idle, lifetime)) == (ana.name if is_good else None)


def expiry(browser):
    return me(browser.get("/me"))["expires_at"]


def test_a_login_that_is_used_lasts_longer_but_not_beyond_its_lifetime(home):
    ana = add_person(home, has_totp=False)
    for lifetime, end in ((50000, 1000), (1100, 500)):
        browser = holder(home, ana.name, 600, 1000, lifetime)
        assert expiry(browser) - time.time() < 401
        wait_until(lambda: expiry(browser) - time.time() > 450, "the use to be noted")
        assert abs(expiry(browser) - time.time() - end) < services.PATIENCE


def test_the_lifetimes_are_those_of_the_configuration(home):
    ana, browser = add_person(home), home.browser()
    log_in(browser, ana)
    assert abs(expiry(browser) - time.time() - 3600) < services.PATIENCE


def test_a_device_is_remembered_as_long_as_the_configuration_says(home):
    ana, browser = add_person(home), home.browser()
    log_in(browser, ana, remember="1")
    assert int(attributes(browser)["cardea_session"]["max-age"]) == 30 * 86400
    assert abs(expiry(browser) - time.time() - 30 * 86400) < services.PATIENCE


def test_where_remembering_is_off_it_is_not_offered_and_not_done(install):
    home = install(portal={"remember_for": "0s"})
    home.serve()
    ana, browser = add_person(home), home.browser()
    page = enter_password(browser, ana)
    assert "remember" not in page.form("/totp").inputs
    browser.post("/totp", {**page.form("/totp").fields, "code": ana.code(), "remember": "1"}, follow=False)
    assert "max-age" not in attributes(browser)["cardea_session"]
    assert abs(expiry(browser) - time.time() - 3600) < services.PATIENCE


@pytest.mark.parametrize("change", [["user", "disable"], ["user", "remove", "--yes"], ["user", "totp", "reset"], "passwd", "groups"])
def test_lesson_12_a_session_of_an_older_generation_is_none(home, change):
    ana, browser = add_person(home), home.browser()
    log_in(browser, ana)
    if change == "passwd":
        home.set_password(ana.name, "another password of hers")
    elif change == "groups":
        home.cardea("user", "set", ana.name, "--add-group", "staff")
    else:
        home.cardea(*change, ana.name)
    wait_until(lambda: who(browser) is None, "the change to be seen", 10)
    assert at_login(browser).path == "/_auth/login"


def test_a_session_survives_a_restart(install):
    home = install()
    server = home.serve()
    ana, browser = add_person(home), home.browser()
    log_in(browser, ana)
    assert server.stop() == 0
    home.serve()
    assert who(browser) == ana.name
