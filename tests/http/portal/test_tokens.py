"""The page of personal tokens, of the real binary. What the form refuses is in tests/unit/portal/test_tokens.c."""
import json

import pytest

from test_account import NEW, PASSWORD, change_password, log_in
from test_enrol import age, register
from browser import totp

RULES = [{"host": "wiki.example.com", "allow": {"factors": 1}}]


@pytest.fixture
def home(install):
    home = install(portal={"factors": ["password"], "title": "Example"}, access=RULES)
    home.add_user("ana", PASSWORD)
    home.add_user("bo", PASSWORD)
    home.server = home.serve()
    return home


def make(home, browser, **fields):
    """The token, and the page that shows it."""
    page = browser.submit(browser.get("/tokens"), "/tokens", **{"name": "backup", "days": "30", **fields})
    token = page.text_of("token")
    assert page.status == 200 and token and len(token) == 68 and token.startswith("cdp_"), page
    home.note_secret(token[4:])
    return token, page


def tokens(home, user="ana"):
    return [json.loads(line) for line in home.cardea("token", "list", "--user", user, "--json").splitlines()]


def ids(page):
    return [form.fields["token"] for form in page.forms if form.action.endswith("/tokens/revoke")]


def test_a_token_is_made_shown_once_listed_and_revoked(home):
    browser = log_in(home)
    account = browser.get("/")
    assert "/_auth/tokens" in account.links, account
    token, page = make(home, browser, hosts="wiki.example.com", methods="GET HEAD")
    assert page.headers.get("Cache-Control") == "no-store"
    assert f"Authorization: Bearer {token}" in page.text and "curl -H @token.txt https://wiki.example.com/" in page.text
    listed = browser.get("/tokens")
    assert token not in listed.text and "cdp_" not in listed.text and "never used" in listed.text, listed
    [row] = tokens(home)
    assert ids(listed) == [row["id"]]
    assert (row["name"], row["hosts"], row["methods"]) == ("backup", ["wiki.example.com"], ["GET", "HEAD"])
    done = browser.submit(listed, "/tokens/revoke")
    assert done.path == "/_auth/tokens" and "The token is revoked." in done.text and ids(done) == [], done
    assert tokens(home) == []
    events = [json.loads(line) for line in home.cardea("audit", "tail", "--json").splitlines()]
    own = [(e["action"], e["actor"], e["subject"], e["detail"]) for e in events if e["action"].startswith("token.")]
    assert own == [("token.create", "user:ana", "user:ana", row["id"]), ("token.revoke", "user:ana", "user:ana", row["id"])]


def test_an_operator_revokes_a_token_and_the_page_shows_it(home):
    browser = log_in(home)
    make(home, browser)
    make(home, browser, name="git")
    [backup] = [token["id"] for token in tokens(home) if token["name"] == "backup"]
    home.cardea("token", "revoke", "--user", "ana", "--id", backup)
    page = browser.get("/tokens")
    assert len(ids(page)) == 1 and "git" in page.text and "backup" not in page.text, page


def test_the_token_of_another_user_cannot_be_revoked(home):
    ana, bo = log_in(home), log_in(home, "bo")
    make(home, ana)
    csrf = bo.get("/password").form("/password").fields["csrf"]
    bo.post("/tokens/revoke", {"csrf": csrf, "token": tokens(home)[0]["id"]})
    assert len(tokens(home)) == 1 and ids(bo.get("/tokens")) == []


def test_forms_without_their_csrf_or_from_another_site_change_nothing(home):
    browser = log_in(home)
    make(home, browser)
    page = browser.get("/tokens")
    for path, fields in (("/tokens", {"name": "x", "days": "1"}), ("/tokens/revoke", {"token": tokens(home)[0]["id"]})):
        assert browser.post(path, fields).status == 403
        assert browser.post(path, {**fields, "csrf": "x"}).status == 403
        csrf = page.form("/tokens").fields["csrf"]
        foreign = browser.post(path, {**fields, "csrf": csrf}, headers=[("Origin", "https://evil.example.org")])
        assert foreign.status == 403 and foreign.error == "The form was sent from another site, so it was refused."
    assert len(tokens(home)) == 1
    assert home.browser().post("/tokens", {"name": "x", "days": "1"}).status == 401


def test_a_program_is_answered_as_json(home):
    browser = log_in(home)
    csrf = browser.get("/tokens").form("/tokens").fields["csrf"]
    browser.headers.append(("Accept", "application/json"))
    answer = browser.post("/tokens", {"csrf": csrf, "name": "x", "days": ""})
    assert answer.status == 400 and json.loads(answer.body)["error"] == "invalid_request"
    stranger = home.browser([("Accept", "application/json")]).get("/tokens")
    assert stranger.status == 401 and json.loads(stranger.body)["error"] == "login_required"


@pytest.mark.parametrize("end", ["password", "not-me"])
def test_lesson_12_a_new_password_and_this_was_not_me_end_the_tokens(home, end):
    browser = log_in(home)
    make(home, browser)
    make(home, log_in(home, "bo"))
    if end == "password":
        assert "all your tokens end" in browser.get("/password").text
        change_password(browser, PASSWORD, NEW)
        assert ids(browser.get("/tokens")) == []
    else:
        browser.submit(browser.get("/"), "/not-me")
    assert tokens(home) == [] and len(tokens(home, "bo")) == 1


def test_a_login_that_is_not_recent_confirms_before_it_makes_a_token(install):
    home = install(portal={"registration": "open"}, access=RULES)
    home.server = home.serve()
    browser, secret, _ = register(home, "ana")
    open_form = browser.get("/tokens")
    age(home, "ana", 601)
    page = browser.get("/tokens")
    assert "/_auth/step-up?return_to=%2F_auth%2Ftokens" in page.links
    assert not any(form.action.endswith("/tokens") for form in page.forms)
    asked = browser.submit(open_form, "/tokens", name="x", days="1")
    assert asked.path == "/_auth/step-up" and tokens(home) == [], asked
    done = browser.submit(asked, code=totp(secret, 1))
    assert done.path == "/_auth/tokens", done
    make(home, browser)
    assert len(tokens(home)) == 1
