"""Where a browser goes after the login, and a login whose cookie does not come back (LESSONS 7 and 25)."""
import base64
from urllib.parse import quote, urlsplit

import pytest

from logins import BehindTls, add_person, at_login, enter_code, enter_password, log_in, who

HTTPS = "https://auth.example.com/_auth"
RULES = [{"host": "wiki.example.com", "allow": {"groups": ["staff"]}}, {"host": "other.example.org", "allow": {"groups": ["staff"]}},
         {"host": "localhost", "allow": {"groups": ["staff"]}}, {"host": "*.wild.example.com", "public": True}]
WIKI = "https://wiki.example.com/x?a=b&c=%20d"
MISSING = "The browser did not send it. It may block cookies, or delete them at once."
INSECURE = "This page was opened over http, and browsers keep the cookie for https only."
OTHER_HOST = "The address of this page is not within the domain that the cookie is for."
LONGEST = 4096  # bytes of return_to


@pytest.fixture(scope="module")
def home(install_module):
    home = install_module(portal={"url": HTTPS, "cookie_domain": "example.com"}, access=RULES)
    home.serve()
    return home


@pytest.fixture(scope="module")
def by_password(install_module):
    home = install_module(portal={"url": HTTPS, "cookie_domain": "example.com", "factors": ["password"]}, access=RULES)
    home.serve()
    return home


@pytest.fixture(scope="module")
def ana(by_password):
    return add_person(by_password, has_totp=False)


@pytest.fixture(scope="module")
def on_loopback(install_module):
    home = install_module(portal={"factors": ["password"]}, access=RULES)
    home.serve()
    return home


# ---- where to ----


def test_without_a_page_to_return_to_the_browser_goes_home(by_password, ana):
    assert log_in(BehindTls(by_password), ana).location == HTTPS + "/"


@pytest.mark.parametrize("asked, target", [
    (WIKI, WIKI), ("/_auth/me", HTTPS + "/me"), ("/some/page?x=%2F", "https://auth.example.com/some/page?x=%2F"),
    ("https://auth.example.com/page", "https://auth.example.com/page"), ("https://wiki.example.com:8443/", "https://wiki.example.com:8443/")])
def test_a_page_of_an_allowed_host_is_returned_to(home, by_password, ana, asked, target):
    assert log_in(BehindTls(by_password), ana, asked).location == target
    browser = BehindTls(home)
    assert log_in(browser, add_person(home), asked).location == target, "over the page for the code"


HOSTILE = [
    "https://evil.example/", "https://a.wild.example.com/", "//evil.example/", "//wiki.example.com/", "///evil.example", "/\\evil.example",
    "\\\\evil.example", "/%09/evil.example", "/\t/evil.example", "https:evil.example", "https:/evil.example", "https://wiki.example.com@evil.example/",
    "https://ana@wiki.example.com/", "https://wiki.example.com.evil.example/", "https://evilwiki.example.com/",
    "https://wiki.example.com\\@evil.example/", "https://evil.example#@wiki.example.com/", "https://WIKI.example.com@evil.example", "javascript:alert(1)",
    "JavaScript:alert(1)//", "data:text/html,x", "ftp://wiki.example.com/", "https://wiki.example.com/\r\nX: y", "https://wiki.example.com/\0",
    "https://wiki.example.com/\x7f", " https://wiki.example.com/", "https://wiki.example.com/a b", "https://wiki.example.com/#x",
    "https://wiki.example.com/%0d%0a", "https://wiki.example.com/a/../b", "evil.example", "x", "?", "\u2028", "https://wiki.example.com\u3002evil.example/",
    "https://wiki.example.com/" + "x" * LONGEST]


@pytest.mark.parametrize("asked", HOSTILE, ids=range(len(HOSTILE)))
def test_lesson_7_what_is_not_allowed_leads_home(by_password, ana, asked):
    browser = BehindTls(by_password)
    page = at_login(browser, asked)
    assert page.status == 200, page
    answer = browser.submit(page, "/login", username=ana.name, password=ana.password, follow=False)
    assert (answer.status, answer.location) == (303, HTTPS + "/"), answer
    # The same in the form, where the page for the code has passed it on in a cookie, and for a browser with a session.
    if len(asked) <= LONGEST and asked.isprintable():
        answer = browser.post("/login", {**at_login(BehindTls(by_password)).form().fields, **page.form().fields, "username": ana.name,
                                         "password": ana.password, "return_to": asked}, follow=False)
        assert (answer.status, answer.location) == (303, HTTPS + "/"), answer
    answer = browser.get(f"/login?return_to={quote(asked, safe='')}", follow=False)
    assert (answer.status, answer.location) == (303, HTTPS + "/"), answer


@pytest.mark.parametrize("asked", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"])
def test_lesson_7_a_cookie_cannot_lead_elsewhere_either(home, asked):
    ana, browser = add_person(home), BehindTls(home)
    page = enter_password(browser, ana)
    browser.cookies["__Host-cardea_return"] = base64.urlsafe_b64encode(asked.encode()).decode().rstrip("=")
    assert enter_code(browser, page, ana.code()).location == HTTPS + "/"


def test_the_page_to_return_to_is_kept_over_a_wrong_password_and_a_wrong_code(home):
    ana, browser = add_person(home), BehindTls(home)
    page = enter_password(browser, ana, WIKI, password="a wrong guess")
    page = browser.submit(page, "/login", username=ana.name, password=ana.password)
    page = enter_code(browser, page, ana.wrong_code())
    assert page.status == 401
    assert enter_code(browser, page, ana.code()).location == WIKI


def test_a_page_that_was_asked_for_before_is_forgotten_by_the_next_login(home):
    ana, browser = add_person(home), BehindTls(home)
    enter_password(browser, ana, WIKI)
    page = enter_password(browser, ana)
    assert enter_code(browser, page, ana.code()).location == HTTPS + "/"


def test_a_browser_with_a_session_goes_on_at_once(by_password, ana):
    browser = BehindTls(by_password)
    log_in(browser, ana)
    for asked, target in ((None, HTTPS + "/"), (WIKI, WIKI), ("https://evil.example/", HTTPS + "/")):
        answer = browser.get("/login" + (f"?return_to={quote(asked, safe='')}" if asked else ""), follow=False)
        assert (answer.status, answer.location) == (303, target), answer


@pytest.mark.parametrize("length", [LONGEST, LONGEST + 1])
def test_the_longest_page_to_return_to(by_password, ana, length):
    asked = "https://wiki.example.com/"
    asked += "x" * (length - len(asked))
    expected = asked if length <= LONGEST else HTTPS + "/"
    assert log_in(BehindTls(by_password), ana, asked).location == expected


def sources(page, directive):
    """What the Content-Security-Policy allows for it."""
    policies = [part.split() for part in page.headers["Content-Security-Policy"].split(";")]
    return next(words[1:] for words in policies if words[0] == directive)


def test_the_form_may_lead_to_the_page_to_return_to(home):
    """Chromium applies form-action to the redirect after a POST."""
    ana, browser = add_person(home), BehindTls(home)
    page = at_login(browser, WIKI)
    assert sources(page, "form-action") == ["'self'", "https://wiki.example.com"]
    assert "wiki.example.com" in page.text, "the page says where the user goes on to"
    page = browser.submit(page, "/login", username=ana.name, password="a wrong guess")
    assert sources(page, "form-action") == ["'self'", "https://wiki.example.com"]
    page = browser.submit(page, "/login", username=ana.name, password=ana.password)
    assert page.path == "/_auth/totp" and sources(page, "form-action") == ["'self'", "https://wiki.example.com"]
    assert sources(browser.get("/recovery"), "form-action") == ["'self'", "https://wiki.example.com"]
    page = enter_code(browser, page, ana.wrong_code())
    assert sources(page, "form-action") == ["'self'", "https://wiki.example.com"]


@pytest.mark.parametrize("asked", [None, "/_auth/me", "https://evil.example/", "https://evil.example/; script-src *", "https://x' 'unsafe-inline'/"])
def test_the_form_may_lead_nowhere_else(by_password, asked):
    page = at_login(BehindTls(by_password), asked)
    assert sources(page, "form-action") == ["'self'"]
    assert page.headers["Content-Security-Policy"].count("unsafe") == 0 and "script-src" not in page.headers["Content-Security-Policy"]
    assert "to continue to" not in page.text, "no page says that it leads to where it does not"


# ---- a login whose cookie does not come back ----


def assert_explained(page, reason, host):
    assert page.status == 400, page
    assert reason in page.text, page
    assert host in page.text and "cardea_session" in page.text, page
    assert page.is_html and page.location is None


def test_lesson_25_a_cookie_that_does_not_reach_the_host_is_explained_at_once(by_password, ana):
    browser = BehindTls(by_password)
    page = enter_password(browser, ana, "https://other.example.org/x", follow=False)
    assert_explained(page, OTHER_HOST, "other.example.org")
    assert "example.com" in page.text, "the domain of the cookie"
    assert who(browser) == ana.name, "the portal itself has the session"
    page = browser.get("/login?return_to=" + quote("https://other.example.org/x", safe=""), follow=False)
    assert_explained(page, OTHER_HOST, "other.example.org")


def test_lesson_25_without_a_domain_the_cookie_reaches_the_portals_host_alone(install):
    home = install(portal={"url": HTTPS, "factors": ["password"]}, access=RULES)
    home.serve()
    ana = add_person(home, has_totp=False)
    assert_explained(enter_password(BehindTls(home), ana, WIKI, follow=False), OTHER_HOST, "wiki.example.com")
    assert log_in(BehindTls(home), ana, "https://auth.example.com/app").location == "https://auth.example.com/app"


def test_lesson_25_a_cookie_for_https_does_not_reach_http(install):
    home = install(portal={"url": "https://localhost/_auth", "factors": ["password"]}, access=RULES)
    home.serve()
    ana = add_person(home, has_totp=False)
    browser = BehindTls(home, "https://localhost/_auth")
    assert_explained(enter_password(browser, ana, "http://localhost/x", follow=False), INSECURE, "localhost")


def from_page(browser, url=WIKI):
    """What the browser gets when the page sends it to the login."""
    return browser.get("/login?return_to=" + quote(url, safe=""), follow=False)


@pytest.mark.parametrize("factors", ["password", "password and code"])
def test_lesson_25_a_browser_that_drops_the_cookie_is_told_so(home, by_password, factors):
    place = by_password if factors == "password" else home
    ana, browser = add_person(place, has_totp=place is home), BehindTls(place)
    log_in(browser, ana, WIKI)
    del browser.cookies["__Secure-cardea_session"]
    page = from_page(browser)
    assert_explained(page, MISSING, "wiki.example.com")
    assert from_page(browser).form("/login"), "the next time it may try again"


def test_lesson_25_a_browser_that_drops_the_cookie_of_the_portal_is_told_so(by_password, ana):
    browser = BehindTls(by_password)
    for url in (HTTPS + "/me", HTTPS + "/", "https://auth.example.com/app"):
        log_in(browser, ana, url)
        del browser.cookies["__Secure-cardea_session"]
        assert_explained(from_page(browser, url), MISSING, "auth.example.com")


def test_lesson_25_a_page_that_never_gets_the_cookie_is_noticed_the_third_time(by_password, ana):
    """The browser has it and the portal gets it, but a proxy keeps it from the check."""
    browser = BehindTls(by_password)
    log_in(browser, ana, WIKI)
    assert from_page(browser).location == WIKI
    assert from_page(browser).location == WIKI
    assert_explained(from_page(browser), MISSING, "wiki.example.com")
    assert from_page(browser).location == WIKI, "the counting begins anew"


def test_there_is_no_alarm_for_a_browser_that_goes_back_to_the_login(by_password, ana):
    browser = BehindTls(by_password)
    log_in(browser, ana, WIKI)
    assert from_page(browser).location == WIKI
    for _ in range(5):
        assert browser.get("/login", follow=False).location == HTTPS + "/"
        assert from_page(browser, "/_auth/me").location == HTTPS + "/me"


def test_there_is_no_alarm_for_two_tabs_that_log_in(by_password, ana):
    browser = BehindTls(by_password)
    pages = [at_login(browser, WIKI), at_login(browser, WIKI), at_login(browser, WIKI), at_login(browser, WIKI)]
    for page in pages:
        answer = browser.submit(page, "/login", username=ana.name, password=ana.password, follow=False)
        assert (answer.status, answer.location) == (303, WIKI), answer


def test_there_is_no_alarm_after_logging_out(by_password, ana):
    browser = BehindTls(by_password)
    log_in(browser, ana, WIKI)
    answer = browser.submit(browser.get("/logout?return_to=" + quote(WIKI, safe="")), "/logout", follow=False)
    assert answer.location == WIKI
    page = from_page(browser)
    assert page.status == 200 and page.form("/login"), page
    assert browser.submit(page, "/login", username=ana.name, password=ana.password, follow=False).location == WIKI


@pytest.mark.parametrize("how", ["session end", "passwd", "disable"])
def test_there_is_no_alarm_when_the_session_ended_elsewhere(by_password, how):
    ana, browser = add_person(by_password, has_totp=False), BehindTls(by_password)
    log_in(browser, ana, WIKI)
    if how == "session end":
        by_password.cardea("session", "end", "--user", ana.name)
    elif how == "passwd":
        by_password.set_password(ana.name, "another password of hers")
    else:
        by_password.cardea("user", "disable", ana.name)
    assert who(browser) is None
    page = from_page(browser)
    assert page.status == 200 and page.form("/login"), page


def test_there_is_no_alarm_for_another_page_of_the_same_host(by_password, ana):
    browser = BehindTls(by_password)
    log_in(browser, ana, WIKI)
    for i in range(5):
        assert from_page(browser, f"https://wiki.example.com/{i}").location == f"https://wiki.example.com/{i}"


@pytest.mark.parametrize("cookie", ["", "-", "--", "---", "-!", "-AAAA", "x", "-" * 3000])
def test_a_garbage_cookie_of_the_page_to_return_to_raises_no_alarm(by_password, ana, cookie):
    browser = BehindTls(by_password)
    browser.cookies["__Host-cardea_return"] = cookie
    assert from_page(browser).status == 200
    assert log_in(browser, ana, WIKI).location == WIKI


def test_a_program_gets_no_redirect_to_the_login_but_401(on_loopback):
    answer = on_loopback.browser().get("/me", headers=[("Accept", "application/json")], follow=False)
    assert answer.status == 401 and answer.location is None
    assert urlsplit(answer.url).path == "/_auth/me"
