"""Each login at a provider that fails ends on a page that says what to do, in a line of the log, and without a session."""
import concurrent.futures
import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from logins import who
from signins import FakeProviders, allowed, approve, assert_failed, begin, log_in_with, settings, state_of

DENIED = "You or the provider refused this login. Try again and agree there, or log in another way."
NO_STATE = "This login was not begun in this browser, or the browser keeps no cookies. Allow cookies for this site, then begin again here."
EXPIRED = "This login took too long and has expired. Begin again."
USED = "This login was completed already, perhaps in another tab. Continue there, or begin again."
MALFORMED = ("The answer that came back from the provider is not valid, so nobody was logged in. Begin again. If it happens again, "
             "tell the operator.")
NOT_ALLOWED = "This account may not log in here. Use another account, or ask the operator to allow this one."
DISABLED = "Your user is disabled here. Ask the operator why."
DOWN = "The provider does not answer at the moment. Try again in a few minutes, or log in another way."
WRONG_ANSWER = ("The provider gave an answer that cannot be used, so nobody was logged in. Tell the operator, who finds the reason in "
                "the log by the number of the request.")
BUSY = "Too many users are logging in with this provider just now. Try again in a few seconds."
AT_ONCE = 50


@pytest.fixture(scope="module")
def fakes():
    with FakeProviders() as fakes:
        yield fakes


@pytest.fixture(autouse=True)
def well_behaved(fakes):
    yield
    fakes.control(reset=True)


@pytest.fixture(scope="module")
def home(install_module, fakes):
    home = install_module(portal={"factors": ["password"]}, **settings(allowed(fakes, max_in_flight=4)))
    home.server = home.serve()
    return home


def failed_event(home, page, reason):
    """The line of the log that the number on the page leads to."""
    number = re.search(r"Request ([\w.-]+)", page.text)
    assert number, page
    event = home.server.wait_event("signin_failed", request_id=number[1])
    assert (event["provider"], event["reason"]) == ("github", reason), event
    return event


# ---- what comes back from the browser ----

def test_denied(home, fakes):
    browser = home.browser()
    page = log_in_with(browser, fakes, "deny", return_to="/_auth/tokens")
    assert_failed(browser, page, "denied", DENIED, 403)
    assert "access_denied" in failed_event(home, page, "denied")["details"]
    again = "/_auth/signin/github?return_to=" + quote("/_auth/tokens", safe="")
    assert again in page.links and "/_auth/login?return_to=" + quote("/_auth/tokens", safe="") in page.links, page.links
    fakes.control(auto_approve={"github": "octocat"})
    page = browser.get(approve(fakes, browser.get(browser.origin + again)))
    assert page.path == "/_auth/tokens", "the page to return to is kept"


def test_another_browsers_callback_and_cookies_off(home, fakes):
    url = approve(fakes, begin(home.browser()))
    browser = home.browser()
    page = browser.get(url)
    assert_failed(browser, page, "no-state", NO_STATE, 400)
    # It is no use to the other browser either: a user who begins again gets no circle, but a page each time (LESSONS 25).
    assert browser.get(url).path == "/_auth/signin/github/no-state"


def test_a_callback_of_another_browser_does_not_end_the_login_that_this_one_has_begun(home, fakes):
    browser = home.browser()
    own = begin(browser)
    for _ in range(8):
        browser.get(approve(fakes, begin(home.browser())))
    browser.get(approve(fakes, own))
    assert who(browser) == "github:octocat"


def test_lesson_25_the_back_button_and_a_second_tab_lead_to_a_page(home, fakes):
    browser = home.browser()
    url = approve(fakes, begin(browser))
    tab = browser.copy()
    browser.get(url)
    assert who(browser) == "github:octocat"
    session = browser.cookies["cardea_session"]
    for _ in range(3):
        page = browser.get(url)
        assert (page.path, page.status, page.error) == ("/_auth/signin/github/used", 400, USED), page
        assert "/_auth/login" in page.links
    assert browser.cookies["cardea_session"] == session
    page = tab.get(url)  # has not seen the cookie that the first answer changed
    assert_failed(tab, page, "used", USED, 400)
    failed_event(home, page, "used")


CALLBACKS = {
    "no state": ("code={code}", "no-state", NO_STATE, 400),
    "an empty state": ("code={code}&state=", "no-state", NO_STATE, 400),
    "a foreign state": ("code={code}&state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "no-state", NO_STATE, 400),
    "neither code nor error": ("state={state}", "malformed", MALFORMED, 400),
    "an empty code": ("code=&state={state}", "malformed", MALFORMED, 400),
    "both code and error": ("code={code}&state={state}&error=access_denied", "malformed", MALFORMED, 400),
    "two codes": ("code={code}&code=other&state={state}", "malformed", MALFORMED, 400),
    "the same code twice": ("code={code}&code={code}&state={state}", "malformed", MALFORMED, 400),
    "two states": ("code={code}&state={state}&state={state}", "malformed", MALFORMED, 400),
    "a long code": ("code=" + "x" * 5000 + "&state={state}", "malformed", MALFORMED, 400),
    "bytes that are no UTF-8": ("code=%ff%fe&state={state}", "malformed", MALFORMED, 400),
    "a NUL": ("code=a%00b&state={state}", "malformed", MALFORMED, 400),
    "half an escape": ("code=%4&state={state}", "malformed", MALFORMED, 400),
    "a line end in the error": ("error=a%0d%0aSet-Cookie:x&state={state}", "malformed", MALFORMED, 400),
    "a made-up code": ("code=made-up-code&state={state}", "expired", EXPIRED, 400),
    "HTML as the error": ("error=%3Cscript%3Ealert(1)%3C/script%3E&state={state}", "wrong-answer", WRONG_ANSWER, 502),
    "server_error": ("error=server_error&state={state}", "no-answer", DOWN, 503),
    "invalid_scope": ("error=invalid_scope&error_description=unknown+scope&state={state}", "wrong-answer", WRONG_ANSWER, 502),
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_bad_callbacks(home, fakes, name):
    query, reason, error, status = CALLBACKS[name]
    browser = home.browser()
    started = begin(browser)
    url = approve(fakes, started)
    code = parse_qs(urlsplit(url).query)["code"][0]
    page = browser.get("/signin/github/callback?" + query.format(code=code, state=state_of(started)))
    assert_failed(browser, page, reason, error, status)
    event = failed_event(home, page, reason)
    assert event["details"], event
    assert code not in str(event) and state_of(started) not in str(event), "LESSONS 28"
    assert "<script>" not in page.text


def test_a_callback_of_100_kb_is_refused(home, fakes):
    browser = home.browser()
    page = browser.get(f"/signin/github/callback?state={state_of(begin(browser))}&code=" + "x" * 100000)
    assert page.status in (414, 431), page
    assert "cardea_session" not in browser.cookies


def test_an_expired_code(home, fakes):
    browser = home.browser()
    url = approve(fakes, begin(browser))
    fakes.control(expire="codes")
    page = browser.get(url)
    assert_failed(browser, page, "expired", EXPIRED, 400)
    assert "bad_verification_code" in failed_event(home, page, "expired")["details"]


# ---- who may come in ----

def test_an_account_that_nobody_let_in(home, fakes):
    browser = home.browser()
    page = log_in_with(browser, fakes, "newcomer")
    assert_failed(browser, page, "not-allowed", NOT_ALLOWED, 403)
    assert "At GitHub you are logged in as newcomer." in page.text, page
    event = failed_event(home, page, "not-allowed")
    assert (event["subject"], event["login"]) == ("70000001", "newcomer"), event


def test_a_disabled_user(home, fakes):
    log_in_with(home.browser(), fakes)
    home.cardea("user", "disable", "github:octocat")
    try:
        browser = home.browser()
        page = log_in_with(browser, fakes)
        assert_failed(browser, page, "disabled", DISABLED, 403)
    finally:
        home.cardea("user", "enable", "github:octocat")


# ---- what the provider answers ----

ANSWERS = {
    "html": WRONG_ANSWER, "huge": WRONG_ANSWER, "error_200": DOWN, "no_token": WRONG_ANSWER, "empty_token": WRONG_ANSWER,
    "null_token": WRONG_ANSWER, "redirect": WRONG_ANSWER, "bad_json": WRONG_ANSWER, "deep_json": WRONG_ANSWER, "array": WRONG_ANSWER,
    "empty": WRONG_ANSWER, "gzip_bomb": DOWN, "garbage": DOWN, "reset": DOWN, "close": DOWN, "half": DOWN, "error_500": DOWN,
    "error_503": DOWN,
}
REASONS = {WRONG_ANSWER: ("wrong-answer", 502), DOWN: ("no-answer", 503)}
OF_USER = {name: error for name, error in ANSWERS.items() if name not in ("error_200", "no_token", "empty_token", "null_token")}


TOKEN, USER = "/github/login/oauth/access_token", "/github/api/user"
ALL = ([(TOKEN, name) for name in ANSWERS] + [(USER, name) for name in OF_USER] + [(USER, "no_subject")])


@pytest.mark.parametrize("path, name", ALL, ids=[f"{path.rsplit('/', 1)[1]}-{name}" for path, name in ALL])
def test_bad_answers(home, fakes, path, name):
    error = ANSWERS.get(name, WRONG_ANSWER)
    browser = home.browser()
    url = approve(fakes, begin(browser))
    fakes.misbehave(path, name)
    page = browser.get(url)
    reason, status = REASONS[error]
    assert_failed(browser, page, reason, error, status)
    assert failed_event(home, page, reason)["details"]
    assert (page.headers["Retry-After"] is not None) == (status == 503), page


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1/token", "https://127.0.0.1:{port}/github/login/oauth/access_token"],
                         ids=["nothing listens", "no TLS"])
def test_a_provider_that_cannot_be_reached(install, fakes, endpoint):
    dead = allowed(fakes, token_endpoint=endpoint.format(port=fakes.port))
    home = install(portal={"factors": ["password"]}, **settings(dead))
    home.server = home.serve()
    browser = home.browser()
    page = log_in_with(browser, fakes)
    assert_failed(browser, page, "no-answer", DOWN, 503)
    failed_event(home, page, "no-answer")


def test_a_wrong_secret_is_the_operators(install, fakes):
    home = install(portal={"factors": ["password"]}, **settings(allowed(fakes, client_secret="that-of-another-application")))
    home.note_secret("that-of-another-application")
    home.server = home.serve()
    browser = home.browser()
    page = log_in_with(browser, fakes)
    assert_failed(browser, page, "wrong-answer", WRONG_ANSWER, 502)
    event = failed_event(home, page, "wrong-answer")
    assert "incorrect_client_credentials" in event["details"] and "cardea check --online says which" in event["fix"], event


def test_a_redirect_uri_that_was_registered_with_a_slash(install, fakes):
    """GitHub sends the browser to the URI as it was registered, and says there that it does not match."""
    slash = allowed(fakes, client_id="Iv1.slash")
    home = install(portal={"factors": ["password"]}, **settings(slash))
    home.server = home.serve()
    url = home.browser().get("/signin/github/callback", follow=False).url.partition("?")[0] + "/"
    fakes.control(client={"provider": "github", "id": "Iv1.slash", "secret": "github-secret", "redirect_uris": [url]})
    browser = home.browser()
    page = log_in_with(browser, fakes)
    assert page.path == "/_auth/signin/github/wrong-answer", page
    event = failed_event(home, page, "wrong-answer")
    assert "redirect_uri_mismatch" in event["details"] and "the redirect URI to register" in event["fix"], event


def test_more_logins_than_may_wait_for_the_provider(home, fakes):
    """The busy ones can be tried again with a reload: their state is not used up."""
    browsers = [home.browser() for _ in range(8)]
    urls = [approve(fakes, begin(browser)) for browser in browsers]
    fakes.misbehave(TOKEN, "slow", delay=2)
    with concurrent.futures.ThreadPoolExecutor(len(browsers)) as pool:
        pages = list(pool.map(lambda pair: pair[0].get(pair[1]), zip(browsers, urls)))
    busy = [(browser, page, url) for browser, page, url in zip(browsers, pages, urls) if page.path.endswith("/busy")]
    assert len(busy) == 4, [page.path for page in pages]
    assert sum(page.path == "/_auth/" for page in pages) == 4
    fakes.control(clear_answers=True)
    for browser, page, url in busy:
        assert_failed(browser, page, "busy", BUSY, 503)
        assert int(page.headers["Retry-After"]) > 0
        assert browser.get(url).path == "/_auth/"


# ---- races ----

def test_one_callback_in_two_tabs_and_50_uses_of_one_state(home, fakes):
    browser = home.browser()
    url = approve(fakes, begin(browser))
    tabs = [browser.copy() for _ in range(AT_ONCE)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        pages = list(pool.map(lambda tab: tab.get(url), tabs))
    logged_in = [tab for tab in tabs if "cardea_session" in tab.cookies]
    assert len(logged_in) == 1, [page.path for page in pages]
    assert who(logged_in[0]) == "github:octocat"
    assert {page.path for tab, page in zip(tabs, pages) if tab is not logged_in[0]} <= {
        "/_auth/signin/github/used", "/_auth/signin/github/busy"}


def test_lesson_28_nothing_of_a_login_is_in_the_log_or_leaves_by_a_referer(home, fakes):
    browser = home.browser()
    started = begin(browser)
    url = approve(fakes, started)
    page = browser.get(url, follow=False)
    assert page.status == 303 and page.headers["Referrer-Policy"] == "no-referrer"
    code = parse_qs(urlsplit(url).query)["code"][0]
    log = "\n".join(home.server.lines())
    for secret in (code, state_of(started), "github-secret", browser.cookies["cardea_session"]):
        assert secret not in log
    assert "gho_" not in log
