"""Device cookies: who guesses at an account locks it for strangers, and not for the browsers in which its owner has logged in."""
import concurrent.futures
import time

import pytest

from browser import Browser
from logins import add_person, at_login, enter_code, enter_password, log_in, me, steady, who
from services import wait_until

DEVICE = "cardea_device"
HALF_A_YEAR = 180 * 24 * 3600
ATTEMPTS = 10  # wrong ones with one cookie
STRICT = {"account_attempts": 3, "address_attempts": 1000000, "delay": "1h", "max_delay": "2h"}
AT_ONCE = 50


@pytest.fixture(scope="module")
def home(install_module):
    home = install_module(portal={"factors": ["password"]}, lockout=STRICT)
    home.serve()
    return home


@pytest.fixture(scope="module")
def both(install_module):
    """With a second factor."""
    home = install_module(lockout=STRICT)
    home.serve()
    return home


def guess(browser, person, password="a guess"):
    return enter_password(browser, person, password=password, follow=False)


def lock(home, person):
    """As a stranger does it."""
    stranger = home.browser()
    for _ in range(STRICT["account_attempts"]):
        assert guess(stranger, person).status == 401
    assert guess(stranger, person, person.password).status == 429


def device_of(home, person):
    """A browser that has logged in and out again."""
    browser = home.browser()
    log_in(browser, person)
    browser.submit(browser.get("/logout"), "/logout")
    assert who(browser) is None
    return browser


def copy_of(browser):
    """A browser that has only the device cookie."""
    other = Browser(browser.base)
    other.cookies[DEVICE] = browser.cookies[DEVICE]
    return other


def lifetimes(browser):
    return [int(text.split("Max-Age=")[1].split(";")[0]) for text in browser.set_cookies if text.startswith(DEVICE)]


def test_lesson_9_a_stranger_locks_the_account_and_not_its_owner(home):
    ana = add_person(home, has_totp=False)
    browser = device_of(home, ana)
    lock(home, ana)
    log_in(browser, ana)
    assert who(browser) == ana.name
    assert guess(home.browser(), ana, ana.password).status == 429, "the owner's login opens nothing for strangers"
    assert home.servers[0].grant(ana.name, ana.password).status == 429, "Basic has no such cookie"
    assert home.servers[0].password_grant(ana.name, ana.password).status in (400, 429)


def test_a_login_gives_a_cookie_for_half_a_year_which_stays_when_the_user_logs_out(home):
    ana, browser = add_person(home, has_totp=False), home.browser()
    at_login(browser)
    guess(browser, ana)
    assert DEVICE not in browser.cookies
    log_in(browser, ana)
    first = browser.cookies[DEVICE]
    browser.submit(browser.get("/logout"), "/logout")
    assert browser.cookies[DEVICE] == first
    log_in(browser, ana)
    assert browser.cookies[DEVICE] != first and len(browser.cookies[DEVICE]) == len(first), "each login makes a new one"
    assert lifetimes(browser) == [HALF_A_YEAR] * 2


def test_lesson_11_half_a_login_gives_no_device_cookie(both):
    ana, browser = add_person(both), both.browser()
    page = enter_password(browser, ana)
    enter_code(browser, page, ana.wrong_code())
    assert DEVICE not in browser.cookies
    assert enter_code(browser, page, ana.code()).status == 303
    assert DEVICE in browser.cookies


def test_a_device_has_ten_wrong_attempts_also_over_a_restart_and_is_a_stranger_then(install):
    home = install(portal={"factors": ["password"]}, lockout=STRICT)
    server = home.serve()
    ana = add_person(home, has_totp=False)
    browser = device_of(home, ana)
    copy = copy_of(browser)
    lock(home, ana)
    for i in range(ATTEMPTS):
        if i == ATTEMPTS // 2:
            assert server.stop() == 0
            server = home.serve()
        assert guess(copy, ana).status == 401, i
    assert guess(copy, ana, ana.password).status == 429
    assert guess(browser, ana, ana.password).status == 429
    server.kill()
    home.serve()
    assert guess(browser, ana, ana.password).status == 429, "nor after another one"
    now = int(time.time())
    wait_until(lambda: time.time() >= now + 1, "a later second than that in which the user was made (SECURITY.md)")
    home.cardea("user", "unlock", ana.name)
    log_in(browser, ana)
    browser.submit(browser.get("/logout"), "/logout")
    lock(home, ana)
    log_in(browser, ana)  # with a new cookie
    assert '"action":"login.locked"' in home.cardea("audit", "tail", "--json")


def test_two_nodes_count_as_one(install):
    home = install(portal={"factors": ["password"]}, lockout=STRICT)
    home.serve()
    other = home.serve_another()
    ana = add_person(home, has_totp=False)
    here = device_of(home, ana)
    there = Browser(f"http://127.0.0.1:{other.port}/_auth", [("Origin", home.issuer)])
    there.cookies[DEVICE] = here.cookies[DEVICE]
    lock(home, ana)

    def guess_there(password="a guess"):
        page = at_login(there)
        fields = {**page.form("/login").fields, "username": ana.name, "password": password}
        return there.post("/login", fields, headers=[("Sec-Fetch-Site", "same-origin")], follow=False)

    for i in range(ATTEMPTS):
        assert (guess(here, ana) if i % 2 else guess_there()).status == 401, i
    assert guess(here, ana, ana.password).status == 429
    assert guess_there(ana.password).status == 429


def test_lesson_14_of_fifty_attempts_at_once_on_a_device_ten_are_judged(home):
    ana = add_person(home, has_totp=False)
    device = device_of(home, ana)
    lock(home, ana)
    browsers = [copy_of(device) for _ in range(AT_ONCE)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        statuses = list(pool.map(lambda browser: guess(browser, ana).status, browsers))
    assert (statuses.count(401), statuses.count(429)) == (ATTEMPTS, AT_ONCE - ATTEMPTS)


def test_lesson_13_wrong_codes_count_for_the_device_too(both):
    ana = add_person(both)
    browser = device_of(both, ana)
    stranger = both.browser()
    page = enter_password(stranger, ana)
    for _ in range(STRICT["account_attempts"]):
        assert enter_code(stranger, page, ana.wrong_code()).status == 401
    assert enter_code(stranger, page, ana.code()).status == 429
    page = enter_password(browser, ana)
    assert page.path == "/_auth/totp", page
    for _ in range(4):
        assert enter_code(browser, page, ana.wrong_code()).status == 401
    recovery = browser.get("/recovery")
    for _ in range(ATTEMPTS - 5):
        assert browser.submit(recovery, "/recovery", recovery_code="0000-0000-0000-0000").status == 401
    steady()
    last = browser.copy()
    assert browser.submit(recovery, "/recovery", recovery_code=ana.recovery_codes[0], follow=False).status == 303
    assert who(browser) == ana.name
    assert enter_code(last, page, ana.wrong_code()).status in (401, 303), "its login is over"
    again = copy_of(last)
    assert guess(again, ana).status == 401, "the tenth"
    assert guess(again, ana, ana.password).status == 429


def test_where_a_code_is_all_a_device_is_known_too(install):
    home = install(portal={"factors": ["totp"]}, lockout=STRICT)
    home.serve()
    ana, browser = add_person(home), home.browser()

    def enter(browser, code):
        return browser.submit(at_login(browser), "/login", username=f"  {ana.name} ", code=code, follow=False)

    steady()
    assert enter(browser, ana.code(-1)).status == 303
    browser.submit(browser.get("/logout"), "/logout")
    stranger = home.browser()
    for _ in range(STRICT["account_attempts"]):
        assert enter(stranger, ana.wrong_code()).status == 401
    assert enter(stranger, ana.code()).status == 429
    assert enter(browser, ana.code()).status == 303
    assert who(browser) == ana.name


def test_lesson_10_no_cookie_helps_at_an_account_that_it_is_not_of(home):
    """Another user's, one of an earlier generation, parts of a good one, a hundred: a stranger's attempt."""
    ana, eve = add_person(home, has_totp=False), add_person(home, has_totp=False)
    old = device_of(home, ana).cookies[DEVICE]
    home.set_password(ana.name, ana.password)
    good = device_of(home, ana).cookies[DEVICE]
    eves = device_of(home, eve).cookies[DEVICE]
    lock(home, ana)
    values = [eves, old, good[:-1], good + "A", good[:27] + eves[27:], eves[:32] + good[32:], good.upper(), "A" * 54, ".".join([eves] * 100),
              ".".join([eves] * 4 + [good])]
    for value in values:
        thief = home.browser()
        thief.cookies[DEVICE] = value
        assert guess(thief, ana, ana.password).status == 429, value
        unknown = home.browser()
        unknown.cookies[DEVICE] = value
        page = unknown.submit(at_login(unknown), "/login", username="nobody-at-all" + value[:8].lower(), password="x", follow=False)
        assert page.status in (401, 429), page
    many = home.browser([("Cookie", "; ".join([f"{DEVICE}={eves}"] * 99 + [f"{DEVICE}={good}"]))])
    assert many.get("/login").status == 200
    browser = home.browser()
    browser.cookies[DEVICE] = good
    log_in(browser, ana)


def test_a_browser_that_two_share_is_known_to_both(home):
    ana, bob = add_person(home, has_totp=False), add_person(home, has_totp=False)
    browser = device_of(home, ana)
    log_in(browser, bob)
    browser.submit(browser.get("/logout"), "/logout")
    for person in (ana, bob):
        lock(home, person)
    for person in (ana, bob):
        log_in(browser, person)
        assert who(browser) == person.name
        browser.submit(browser.get("/logout"), "/logout")


@pytest.mark.parametrize("how", ["this was not me", "disabled", "a new password", "a link"])
def test_what_ends_all_sessions_makes_device_cookies_void(home, how):
    ana = add_person(home, has_totp=False)
    browser, other = device_of(home, ana), device_of(home, ana)
    if how == "this was not me":
        log_in(browser, ana)
        assert browser.submit(browser.get("/"), "/not-me", follow=False).status == 303
    elif how == "disabled":
        home.cardea("user", "lock", ana.name)
        home.cardea("user", "unlock", ana.name)
    elif how == "a new password":
        home.set_password(ana.name, ana.password)
    else:
        link = next(word for word in home.cardea("user", "reset", ana.name).split() if "/_auth/reset?token=" in word)
        home.note_secret(link.split("token=")[1])
        page = other.get(link)
        assert other.submit(page, "/reset", new_password=ana.password, follow=False).status == 303
    lock(home, ana)
    for each in (browser, other):
        assert guess(each, ana, ana.password).status == 429


def test_who_changes_the_password_keeps_this_browser_known(home):
    ana = add_person(home, has_totp=False)
    browser, other = home.browser(), device_of(home, ana)
    log_in(browser, ana)
    home.note_secret("another password of ana")
    page = browser.submit(browser.get("/password"), "/password", current_password=ana.password, new_password="another password of ana",
                          follow=False)
    assert page.status == 303, page
    ana.password = "another password of ana"
    browser.submit(browser.get("/logout"), "/logout")
    lock(home, ana)
    assert guess(other, ana, ana.password).status == 429
    log_in(browser, ana)
    assert me(browser.get("/me", headers=[("Accept", "application/json")]))["user"] == ana.name


def test_a_locked_account_does_not_stop_its_owner_from_confirming_the_login(both):
    """Step-up, and what asks for the old code, count for the device too."""
    ana, browser = add_person(both), both.browser()
    log_in(browser, ana)
    stranger = both.browser()
    for _ in range(STRICT["account_attempts"]):
        assert guess(stranger, ana).status == 401
    page = browser.get("/password")
    page = browser.submit(page, "/password", current_password="a guess", new_password="another password of ana", follow=False)
    assert page.status == 401, page
    page = browser.submit(browser.get("/password"), "/password", current_password=ana.password, new_password=ana.password, follow=False)
    assert page.status == 303, page


def test_the_user_name_may_have_white_space_around_it(home):
    ana = add_person(home, has_totp=False)
    for name in (f"{ana.name} ", f"  {ana.name.upper()}  "):
        browser = home.browser()
        page = browser.submit(at_login(browser), "/login", username=name, password=ana.password, follow=False)
        assert page.status == 303 and who(browser) == ana.name, page
