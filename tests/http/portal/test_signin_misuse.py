"""Logins at providers that somebody disturbs or misuses: slow providers, sessions that end meanwhile, and requests in parallel."""
import http.server
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from logins import add_person, log_in, who
from services import wait_until
from signins import FakeProviders, allowed, approve, begin, github, log_in_with, settings
from support.smtp_sink import SmtpSink

PATIENCE = 30  # seconds


@pytest.fixture(scope="module")
def fakes():
    with FakeProviders() as fakes:
        yield fakes


class Slow:
    """A server of a provider that answers each request with `answer`, once it is let go."""

    def __init__(self, answer):
        self.answer, self.may_go, self.count = json.dumps(answer).encode(), threading.Event(), 0
        slow = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                slow.count += 1
                slow.may_go.wait(PATIENCE)
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(slow.answer)

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.may_go.set()
        self.server.shutdown()
        self.server.server_close()

    def wait(self, count=1):
        wait_until(lambda: self.count >= count, f"{count} requests to the provider")


def own(fakes, slow, **changes):
    """A provider of OAuth 2.0 that is slow to say who has logged in."""
    return github(fakes, **{"type": "oauth2", "name": "own", "userinfo_endpoint": slow.url,
                            "identity": {"subject": "id", "login": "login"}, **changes})


def start_connecting(browser, name):
    page = browser.get("/")
    (form,) = [form for form in page.forms if form.action.endswith("/account/link") and form.fields["provider"] == name]
    go = browser.post("/account/link", form.fields)
    return browser.get(browser.origin + go.headers["Refresh"].partition("url=")[2], follow=False)


def accounts_of(home, name):
    return json.loads(home.cardea("user", "show", name, "--json"))["accounts"]


@pytest.mark.parametrize("end", ["log out", "new password", "disable"])
def test_nothing_is_connected_once_the_session_has_ended(install, fakes, end):
    with Slow({"id": 77, "login": "mona"}) as slow, ThreadPoolExecutor() as pool:
        home = install(portal={"factors": ["password"]}, **settings(own(fakes, slow)))
        home.serve()
        person = add_person(home, has_totp=False)
        browser = home.browser()
        log_in(browser, person)
        url = approve(fakes, start_connecting(browser, "own"))
        callback = pool.submit(browser.copy().get, url, follow=False)
        slow.wait()
        if end == "log out":
            browser.submit(browser.get("/logout"), "/logout")
        elif end == "disable":
            home.cardea("user", "disable", person.name)
        else:
            home.set_password(person.name, "a password that the operator has set")
        slow.may_go.set()
        page = callback.result()
        assert page.status == 303 and page.location.partition("?")[0].endswith("/signin/own/another-user"), page
        assert accounts_of(home, person.name) == []


def test_the_last_two_accounts_are_not_disconnected_at_once(install, fakes):
    home = install(portal={"factors": ["password"]}, **settings(allowed(fakes), allowed(fakes, name="second", label="Second")))
    home.serve()
    for _ in range(4):
        browser = home.browser()
        log_in_with(browser, fakes)
        browser.get(approve(fakes, start_connecting(browser, "second")))
        forms = [form for form in browser.get("/").forms if form.action.endswith("/account/unlink")]
        assert len(forms) == 2
        with ThreadPoolExecutor(2) as pool:
            pages = list(pool.map(lambda form: browser.copy().post("/account/unlink", form.fields, follow=False), forms))
        assert sorted(page.status for page in pages) == [303, 409], pages
        assert len(accounts_of(home, "github:octocat")) == 1
        home.cardea("user", "remove", "github:octocat", "--yes")


def test_no_link_for_a_password_is_mailed_to_a_user_of_a_provider(install, fakes):
    """It would let in an account that `allow` names no longer."""
    with SmtpSink() as sink:
        home = install(portal={"factors": ["password"], "title": "Example"}, smtp={"url": sink.url, "from": "auth@example.com"},
                       **settings(allowed(fakes)))
        home.server = home.serve()
        log_in_with(home.browser(), fakes)
        browser = home.browser()
        browser.submit(browser.get("/forgot"), "/forgot", username="github:octocat")

        def reasons():
            return [json.loads(line)["reason"] for line in home.server.lines() if "mail_not_written" in line]
        wait_until(reasons, "the reason in the log")
        assert reasons() == ["the user logs in at a provider, and has no password to reset"]
        # Once the operator has set one, the user can lose it.
        home.set_password("github:octocat", "a password that the operator has set")
        browser.submit(browser.get("/forgot"), "/forgot", username="github:octocat")
        assert sink.wait().recipients == ["octocat@example.com"]


def test_a_slow_issuer_holds_up_no_page(install):
    with Slow({}) as slow, ThreadPoolExecutor() as pool:
        corp = {"type": "oidc", "name": "corp", "client_id": "corp", "client_secret": "corp-secret", "issuer": slow.url}
        home = install(portal={"factors": ["password"]}, threads=1, **settings(corp))
        server = home.serve()
        login = pool.submit(home.browser().get, "/signin/corp")
        slow.wait()
        assert home.browser().get("/login?done=logged-out&provider=corp").status == 200
        assert not login.done()
        slow.may_go.set()
        assert login.result().status == 502
        wait_until(lambda: any(event.get("path") == "/_auth/signin/corp" for event in server.events()), "the request in the log")
        (event,) = [event for event in server.events() if event.get("path") == "/_auth/signin/corp"]
        assert event["reason"] == "is missing in the metadata of the issuer"


@pytest.mark.parametrize("kind", ["issuer", "token"])
def test_a_slow_provider_holds_up_no_login_at_another(install, fakes, kind):
    """More wait for it than may: the others are answered at once."""
    with Slow({}) as slow, ThreadPoolExecutor(60) as pool:
        corp = {"type": "oidc", "name": "corp", "client_id": "corp", "client_secret": "corp-secret", "issuer": slow.url}
        home = install(portal={"factors": ["password"]}, **settings(allowed(fakes), corp, allowed(fakes, name="slow", token_endpoint=slow.url)))
        home.serve()
        browsers = [home.browser() for _ in range(40)]
        urls = ["/signin/corp" if kind == "issuer" else approve(fakes, begin(browser, path="/signin/slow")) for browser in browsers]
        logins = [pool.submit(browser.get, url) for browser, url in zip(browsers, urls)]
        wait_until(lambda: sum(login.done() for login in logins) >= 24, "those that are too many")
        assert all(login.result().status == 503 for login in logins if login.done())
        browser = home.browser()
        log_in_with(browser, fakes)
        assert who(browser) == "github:octocat"
        assert sum(not login.done() for login in logins) == 16
        slow.may_go.set()
