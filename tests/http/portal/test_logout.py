"""Logging out, and who is logged in."""
import concurrent.futures
import json
from urllib.parse import quote

import pytest

from logins import BehindTls, add_person, at_login, begun_session, enter_password, log_in, me, who

HTTPS = "https://auth.example.com/_auth"
JSON = ("Accept", "application/json")


@pytest.fixture(scope="module")
def home(install_module):
    home = install_module(portal={"factors": ["password"]})
    home.serve()
    return home


@pytest.fixture(scope="module")
def with_sites(install_module):
    home = install_module(portal={"url": HTTPS, "cookie_domain": "example.com", "factors": ["password"]},
                          access=[{"host": "wiki.example.com", "allow": {"groups": ["staff"]}}])
    home.serve()
    return home


def logged_in(home, **details):
    ana, browser = add_person(home, has_totp=False, **details), home.browser()
    log_in(browser, ana)
    return ana, browser


# ---- logging out ----


def test_a_get_asks_and_changes_nothing(home):
    ana, browser = logged_in(home)
    page = browser.get("/logout")
    assert page.status == 200 and ana.name in page.text and page.form("/logout").method.lower() == "post", page
    assert set(page.form("/logout").inputs) == {"csrf"}
    assert who(browser) == ana.name


def test_a_post_ends_the_session_at_once_and_for_good(home):
    ana, browser = logged_in(home)
    kept = browser.copy()
    page = browser.submit(browser.get("/logout"), "/logout")
    assert page.path == "/_auth/login" and "You are logged out." in page.text, page
    assert set(browser.cookies) == {"cardea_form", "cardea_device"}
    assert who(browser) is None and who(kept) is None, "the cookie is worth nothing any more"
    assert "You are logged out." not in at_login(browser).text


def test_only_the_session_of_this_browser_ends(home):
    ana, browser = logged_in(home)
    other = home.browser()
    log_in(other, ana)
    browser.submit(browser.get("/logout"), "/logout")
    assert who(other) == ana.name


def test_every_session_that_the_browser_sends_ends(home):
    """A second cookie of that name comes from an earlier cookie_domain, or from another host below the domain. Deleting one cookie must
    not uncover the other."""
    ana, browser = logged_in(home)
    bo, other = logged_in(home)
    page, kept = browser.get("/logout"), browser.copy()
    both = [("Cookie", f"cardea_form={browser.cookies['cardea_form']}; cardea_session=garbage; "
                       f"cardea_session={other.cookies['cardea_session']}; cardea_session={browser.cookies['cardea_session']}"),
            ("Origin", browser.origin)]
    assert browser.submit(page, "/logout", headers=both, follow=False).status == 303
    assert who(kept) is None and who(other) is None


@pytest.mark.parametrize("fields", [{}, {"csrf": ""}, {"csrf": "A" * 43}])
def test_without_the_token_nothing_happens(home, fields):
    ana, browser = logged_in(home)
    page = browser.post("/logout", fields, follow=False)
    assert page.status == 403 and page.error == "This form had expired, and nothing was changed. Send it again.", page
    assert "cardea_session" in browser.cookies and who(browser) == ana.name
    assert browser.submit(page, "/logout", follow=False).status == 303, "the page asks again"
    assert who(browser) is None


def test_logging_out_again_is_fine(home):
    ana, browser = logged_in(home)
    page = browser.get("/logout")
    again = browser.copy()
    assert browser.submit(page, "/logout", follow=False).status == 303
    assert again.submit(page, "/logout", follow=False).status == 303
    assert "cardea_session" not in again.cookies
    assert browser.get("/logout").path == "/_auth/login", "nobody is logged in"


def test_logging_out_fifty_times_at_once_is_fine(home):
    ana, browser = logged_in(home)
    page = browser.get("/logout")
    browsers = [browser.copy() for _ in range(50)]
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda each: each.submit(page, "/logout", follow=False).status, browsers))
    assert set(answers) == {303}
    assert who(browser) is None


def test_a_half_finished_login_ends_too(install_module):
    home = install_module()
    home.serve()
    ana, browser = add_person(home), home.browser()
    page = enter_password(browser, ana)
    csrf = page.form("/totp").fields["csrf"]
    assert browser.get("/logout").path == "/_auth/login"
    enter_password(browser, ana)
    assert browser.post("/logout", {"csrf": csrf}, follow=False).status == 303
    assert "cardea_login" not in browser.cookies
    assert browser.get("/totp").path == "/_auth/login"


@pytest.mark.parametrize("asked, target", [
    ("https://wiki.example.com/bye?x=1", "https://wiki.example.com/bye?x=1"), ("/bye", "https://auth.example.com/bye"),
    ("https://evil.example/", HTTPS + "/"), ("//evil.example/", HTTPS + "/"), ("/\\evil.example", HTTPS + "/"),
    ("javascript:alert(1)", HTTPS + "/"), ("/\r\nX: y", HTTPS + "/"), ("https://wiki.example.com/" + "x" * 4096, HTTPS + "/")])
def test_lesson_7_after_logging_out_the_browser_goes_where_it_may(with_sites, asked, target):
    ana, browser = add_person(with_sites, has_totp=False), BehindTls(with_sites)
    log_in(browser, ana)
    page = browser.get("/logout?return_to=" + quote(asked, safe=""))
    assert page.status == 200
    answer = browser.submit(page, "/logout", follow=False)
    # What was refused while it was read is as if nothing had been asked for.
    targets = {target} | ({HTTPS + "/login?done=logged-out"} if target == HTTPS + "/" else set())
    assert answer.status == 303 and answer.location in targets, answer
    assert who(browser) is None


def test_the_form_may_lead_to_the_page_to_return_to(with_sites):
    """Chromium applies form-action to the redirect after a POST."""
    ana, browser = add_person(with_sites, has_totp=False), BehindTls(with_sites)
    log_in(browser, ana)
    policy = browser.get("/logout?return_to=" + quote("https://wiki.example.com/x", safe="")).headers["Content-Security-Policy"]
    assert "form-action 'self' https://wiki.example.com;" in policy
    assert "form-action 'self';" in browser.get("/logout?return_to=x").headers["Content-Security-Policy"]


def test_logging_out_is_audited(home):
    ana, browser = logged_in(home)
    browser.submit(browser.get("/logout"), "/logout")
    events = [json.loads(line) for line in home.cardea("audit", "tail", "--json", "--lines", "200").splitlines()]
    ends = [e for e in events if e["action"] == "session.end" and ana.name in e["subject"]]
    assert len(ends) == 1 and ends[0]["address"] == "127.0.0.1", ends


# ---- who is logged in ----


def test_me_says_who_is_logged_in(home):
    ana, browser = logged_in(home, flags=["--display-name", "Ana \"the first\" É", "--email", "ana@example.com", "--email-verified",
                                          "--group", "staff", "--group", "admins"])
    answer = browser.get("/me")
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    said = me(answer)
    assert said.pop("expires_at") - said.pop("auth_time") == 3600
    assert said == {"user": ana.name, "display_name": "Ana \"the first\" É", "email": "ana@example.com", "email_verified": True,
                    "groups": ["admins", "staff"], "factors": 1}
    assert answer.headers["Cache-Control"] == "no-store"


def test_me_of_a_user_without_details(home):
    ana, browser = logged_in(home)
    said = me(browser.get("/me"))
    assert (said["display_name"], said["email"], said["email_verified"], said["groups"]) == ("", "", False, [])


def test_me_is_of_the_user_as_stored_now(home):
    ana, browser = logged_in(home)
    home.cardea("user", "set", ana.name, "--display-name", "Ana Maria")
    assert me(browser.get("/me"))["display_name"] == "Ana Maria"


@pytest.mark.parametrize("accept", [JSON, ("Accept", "text/html"), ("Accept", "*/*")])
def test_me_without_a_login_is_401_in_json(home, accept):
    for browser in (home.browser([accept]), home.browser([accept, ("Cookie", "cardea_session=x")])):
        answer = browser.get("/me", follow=False)
        assert answer.status == 401 and answer.headers["Content-Type"].startswith("application/json"), answer
        said = me(answer)
        assert said["error"] == "login_required" and set(said) <= {"error", "error_description"}, said
        assert answer.headers["WWW-Authenticate"].split()[0] not in ("Basic", "Bearer", "Digest")
        assert answer.headers["Cache-Control"] == "no-store"


def test_other_sites_cannot_read_it(home):
    ana, browser = logged_in(home)
    answer = browser.get("/me", headers=[("Origin", "https://evil.example")])
    assert not any(name.lower().startswith("access-control-") for name in answer.headers)


def test_a_session_made_on_another_node_counts(home):
    ana = add_person(home, has_totp=False)
    browser = home.browser()
    browser.cookies["cardea_session"] = begun_session(home, ana.name, 0, 3600, 7200)
    assert who(browser) == ana.name
