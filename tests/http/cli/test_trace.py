"""`cardea trace login`: a login at a provider, walked from the terminal, with the fake GitHub of examples/fake-providers."""
import http.server
import json
import os
import pathlib
import pty
import re
import select
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import types
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from .commands import CARDEA, DEADLINE, run

TESTS = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "grant"), str(TESTS / "portal")]

from browser import Browser  # noqa: E402
from installation import Installation  # noqa: E402
from signins import MONA, OCTOCAT, FakeProviders, allowed, approve, begin, github, settings  # noqa: E402

WORKS = "verdict: the login would work: octocat would log in as the user github:octocat, who would be made"


@pytest.fixture(scope="module")
def fakes():
    with FakeProviders() as fakes:
        yield fakes


@pytest.fixture(autouse=True)
def true_answers(fakes):
    fakes.control(reset=True)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return Installation(tmp_path_factory.mktemp("template"))


@pytest.fixture
def install(tmp_path, template, fakes):
    """install(provider…, setting=…); its servers end with the test."""
    made = []

    def make(*providers, **changes):
        place = tmp_path / f"i{len(made)}"
        place.mkdir()
        home = Installation(place, template=template)
        home.base = f"{home.issuer}/_auth"
        home.configure(portal={"url": home.base, "factors": ["password"]}, **{**settings(*(providers or (allowed(fakes),))), **changes})
        made.append(home)
        return home

    yield make
    for home in made:
        home.finish()


class Trace:
    """A command that runs. `secrets` of the login must not be in what it prints."""

    def __init__(self, home, *args, name="github", **options):
        command = [CARDEA, "trace", "login", name, "--config", home.config_file, *args]
        options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        self.process, self.secrets, self.text = subprocess.Popen(command, **options), {"github-secret"}, ""
        self.home = home

    def read_until(self, pattern):
        """What it has printed, up to a line that fits."""
        end = time.monotonic() + DEADLINE
        while not (found := re.search(pattern, self.text, re.M)):
            assert time.monotonic() < end, self.text
            if select.select([self.process.stdout], [], [], 0.1)[0]:
                data = os.read(self.process.stdout.fileno(), 65536)
                assert data, (self.text, self.process.stderr.read())
                self.text += data.decode()
        return found

    def url(self):
        """The one to open, once it waits."""
        self.read_until("^  (waiting|paste).*\n")
        return re.search("^http.*$", self.text, re.M)[0]

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def end(self):
        """(exit code, what it printed)"""
        out, err = self.process.communicate(timeout=DEADLINE)
        self.text += out.decode()
        for secret in self.secrets:
            assert secret not in self.text + err.decode(), (secret, self.text)
        assert "Sanitizer" not in err.decode(), err
        self.error = err.decode()
        return self.process.returncode, self.text

    def verdict(self):
        code, text = self.end()
        return code, text.splitlines()[-1]

    def walk(self, fakes, user="octocat"):
        """The page at which the browser ends."""
        callback = answer(fakes, self.url(), user)
        self.note(callback)
        return Browser(self.home.base).get(callback)

    def note(self, callback):
        self.secrets.update(parse_qs(urlsplit(callback).query).get("code", []))


def answer(fakes, url, user="octocat"):
    """The URL of the callback."""
    return approve(fakes, types.SimpleNamespace(location=url), user)


def with_query(callback, **changes):
    query = {**{key: value[0] for key, value in parse_qs(urlsplit(callback).query).items()}, **changes}
    return callback.partition("?")[0] + "?" + urlencode({key: value for key, value in query.items() if value is not None})


def rows(home, table):
    with sqlite3.connect(home.folder / "cardea.db") as database:
        return database.execute(f"SELECT * FROM {table}").fetchall()


# ---- a running server ----

def test_a_running_server_passes_the_redirect_on(install, fakes):
    home = install()
    server = home.serve()
    before = {table: rows(home, table) for table in ("users", "sessions", "provider_accounts", "used_states", "audit")}
    trace = Trace(home)
    page = trace.walk(fakes)
    assert page.status == 200 and page.path == "/_auth/signin/github/traced", page
    assert "Go back to your terminal" in page.text and "GitHub" in page.text
    code, text = trace.end()
    assert code == 0 and text.splitlines()[-1] == WORKS, text
    for line in ("The redirect came back, passed on by the server", "  subject        583231", "  login          octocat",
                 f"  allow.subjects: {OCTOCAT} lets the account in", "  the account belongs to no user, and create is true"):
        assert line in text.splitlines(), text
    assert "Differs" not in text
    # Nobody has logged in, and nothing was made.
    assert {table: rows(home, table) for table in before} == before
    assert "cardea_session" not in "".join(page.headers.get_all("Set-Cookie") or [])
    assert server.find("signin_traced", provider="github")


def test_requests_are_shown_as_they_were_sent_and_received(install, fakes):
    home = install()
    home.serve()
    trace = Trace(home)
    trace.walk(fakes)
    text = trace.end()[1]
    exchange = text[text.index("\nPOST "):]
    assert exchange.startswith(f"\nPOST {fakes.url}/github/login/oauth/access_token (provider github)\n"), text
    for pattern in (r"  > POST /github/login/oauth/access_token HTTP/1\.1", r"  > Accept: application/json",
                    r"  > .*code=‹redacted 20 chars, fingerprint [0-9a-f]{8}…›.*client_secret=‹redacted 13 chars, fingerprint [0-9a-f]{8}…›",
                    r"  < HTTP/1\.1 200 OK", r'  < \{"access_token": ?"‹redacted 40 chars, fingerprint [0-9a-f]{8}…›".*"token_type": ?"bearer"\}',
                    r"  200 from 127\.0\.0\.1 in [0-9.]+ ms.*first byte [0-9.]+",
                    r"  > Authorization: .*‹redacted [0-9]+ chars, fingerprint [0-9a-f]{8}…›"):
        assert re.search("^" + pattern + "$", exchange, re.M), (pattern, text)
    # The same fingerprint as in the configuration's.
    shown = re.search(r"client_secret  ‹redacted 13 chars, fingerprint ([0-9a-f]{8})…›", text)[1]
    assert f"fingerprint {shown}…" in home.cardea("config", "show")


def test_german_browsers_get_a_german_page(install, fakes):
    home = install()
    home.serve()
    trace = Trace(home)
    page = Browser(home.base, [("Accept-Language", "de")]).get(answer(fakes, trace.url()))
    assert "Gehen Sie zurück zu Ihrem Terminal" in page.text
    assert trace.end()[0] == 0


def test_tls_and_http_2_of_the_configuration_are_used(install, fakes):
    """`cardea init` makes a certificate for localhost."""
    home = install()
    home.configure(tls={"certificate": "cert.pem", "key": "key.pem"}, issuer=f"https://localhost:{home.port}",
                   portal={"url": f"https://localhost:{home.port}/_auth", "factors": ["password"]})
    trace = Trace(home)
    callback = answer(fakes, trace.url())
    trace.note(callback)
    done = subprocess.run(["curl", "-s", "--cacert", home.folder / "ca.pem", "-w", "%{http_version}", callback], capture_output=True, text=True,
                          timeout=DEADLINE)
    assert done.stdout.startswith("Go back to your terminal") and done.stdout.endswith("\n2"), done
    assert trace.verdict() == (0, WORKS)


def test_a_state_works_once_and_for_its_provider_only(install, fakes):
    home = install(allowed(fakes), allowed(fakes, name="other"))
    home.serve()
    trace = Trace(home)
    callback = answer(fakes, trace.url())
    browser = Browser(home.base)
    other = browser.get(callback.replace("/signin/github/", "/signin/other/"))
    assert other.path.endswith("/no-state"), other
    assert rows(home, "deliveries") == []
    assert browser.get(callback).path.endswith("/traced")
    assert browser.get(callback).path.endswith("/used")
    assert trace.end()[0] == 0
    assert browser.get(callback).path.endswith("/used")
    assert len(rows(home, "deliveries")) == 1


def test_strangers_cannot_fill_the_store(install, fakes):
    home = install()
    home.serve()
    trace = Trace(home)
    callback = answer(fakes, trace.url())
    state = parse_qs(urlsplit(callback).query)["state"][0]
    assert state.startswith("trace-")
    browser = Browser(home.base)
    changed = state[:20] + ("A" if state[20] != "A" else "B") + state[21:]
    for odd in (changed, state[:-2], state + "A", "trace-", "trace-" + "A" * 75, "trace-" + "%" * 75, state[6:], state.upper()):
        page = browser.get(with_query(callback, state=odd))
        assert page.path.endswith("/no-state"), (odd, page)
    for bad in (callback + "&state=" + state, callback + "&code=1", with_query(callback, code="x" * 5000)):
        assert browser.get(bad).path.endswith("/malformed"), bad
    assert rows(home, "deliveries") == []
    assert browser.get(callback, follow=False).headers.get_all("Set-Cookie") is None
    assert trace.end()[0] == 0


def test_what_waits_in_the_store_is_sealed_and_removed_when_it_was_taken(install, fakes):
    home = install()
    home.serve()
    trace = Trace(home)
    callback = answer(fakes, trace.url())
    code = parse_qs(urlsplit(callback).query)["code"][0]
    trace.process.send_signal(signal.SIGSTOP)
    assert Browser(home.base).get(callback).path.endswith("/traced")
    (row,) = rows(home, "deliveries")
    assert "trace:github" in row and code not in json.dumps(row), row
    trace.process.send_signal(signal.SIGCONT)
    assert trace.end()[0] == 0
    (after,) = rows(home, "deliveries")
    assert not any(isinstance(value, str) and value.startswith("x1.") for value in after), after


def test_a_login_of_the_same_browser_goes_on(install, fakes):
    home = install()
    home.serve()
    browser = Browser(home.base)
    own = approve(fakes, begin(browser, "/_auth/tokens"))
    trace = Trace(home)
    assert browser.get(answer(fakes, trace.url())).path.endswith("/traced")
    assert browser.get(own).path == "/_auth/tokens" and "cardea_session" in browser.cookies
    assert trace.end()[0] == 0


# ---- no server ----

def test_without_a_server_the_command_listens(install, fakes):
    home = install()
    trace = Trace(home)
    url = trace.url()
    assert "nothing listens on the addresses of the configuration, so this command does" in trace.text
    browser = Browser(home.base)
    assert browser.get("/login").status == 404
    assert browser.get("/signin/github/callback?code=1&state=2").status == 400
    page = browser.get(answer(fakes, url))
    assert page.status == 200 and "Go back to your terminal" in page.text and "Gehen Sie zurück" in page.text, page
    assert page.headers["Cache-Control"] == "no-store" and page.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert trace.verdict() == (0, WORKS)
    assert "received here" in trace.text
    home.serve()  # the port is free again


def test_a_command_that_can_neither_listen_nor_ask_says_so(install, fakes, tmp_path):
    home = install(listen=[f"unix:{tmp_path}/missing/cardea.sock"])
    trace = Trace(home, stdin=subprocess.DEVNULL)
    code, _ = trace.end()
    assert code == 2 and "listen: no server runs here, and this command cannot listen: " in trace.error and "--paste" in trace.error


# ---- a URL that is pasted ----

def test_a_url_can_be_pasted(install, fakes):
    home = install()
    trace = Trace(home, "--paste")
    callback = answer(fakes, trace.url())
    trace.note(callback)
    trace.say("https://example.com/")
    trace.say(with_query(callback, state="x" * 43))
    trace.say(f"  '{callback}#top' ")
    assert trace.verdict() == (0, WORKS)
    assert "this is not the URL of a callback" in trace.text and "this is the URL of another login" in trace.text
    assert "The redirect came back, pasted" in trace.text


def test_an_input_that_ends_without_the_url_is_a_failure(install):
    trace = Trace(install(), "--paste")
    trace.url()
    trace.say("http://127.0.0.1/" + "x" * 30_000)  # more than any callback has
    assert trace.verdict() == (1, "verdict: the input has ended without the URL of this login's callback")


def test_a_terminal_is_asked_where_a_server_may_not_pass_it_on(install, fakes):
    home = install()
    home.serve()
    master, slave = pty.openpty()
    trace = Trace(home, stdin=slave)
    trace.read_until("paste the URL")
    callback = answer(fakes, trace.url())
    trace.note(callback)
    os.write(master, callback.encode() + b"\n")
    assert trace.verdict() == (0, WORKS)
    os.close(master)
    os.close(slave)


# ---- who may come in ----

@pytest.mark.parametrize("changes, user, decision, verdict", [
    ({"create": False}, "octocat", f"allow.subjects: {OCTOCAT} lets the account in",
     "the login would fail at the decision who may come in: the account is linked to no user"),
    ({}, "mona", "no entry of allow names the account",
     "the login would fail at the decision who may come in: no entry of allow names the account"),
    ({"allow": {"organizations": ["Example"]}}, "octocat", "allow.organizations: Example lets the account in", None),
    ({"allow": {"teams": ["example/ops"]}}, "octocat", "allow.teams: example/ops lets the account in", None),
    ({"allow": {"email_domains": ["example.com"]}}, "octocat", "allow.email_domains: example.com lets the account in", None),
    ({"second_factor": True}, "octocat", "a code is asked for on top (second_factor)", None),
])
def test_what_allow_decides(install, fakes, changes, user, decision, verdict):
    home = install(allowed(fakes, **changes))
    trace = Trace(home, "--paste")
    callback = answer(fakes, trace.url(), user)
    trace.say(callback)
    code, text = trace.end()
    assert f"  {decision}" in text.splitlines(), text
    assert (code, text.splitlines()[-1]) == ((1, f"verdict: {verdict}") if verdict else (0, WORKS)), text


def test_the_user_of_a_connected_account_is_named(install, fakes):
    home = install(github(fakes))
    home.add_user("ana", "a password of ana")
    home.cardea("user", "link", "ana", "--provider", "github", "--subject", OCTOCAT)
    trace = Trace(home, "--paste")
    trace.say(answer(fakes, trace.url()))
    assert trace.verdict() == (0, "verdict: the login would work: octocat would log in as the user ana")
    assert "  the account belongs to the user ana" in trace.text
    home.cardea("user", "disable", "ana")
    trace = Trace(home, "--paste")
    trace.say(answer(fakes, trace.url()))
    assert trace.verdict() == (1, "verdict: the login would fail at the decision who may come in: the user is disabled")


def test_a_name_that_exists_is_not_joined(install, fakes):
    home = install()
    home.serve()
    with sqlite3.connect(home.folder / "cardea.db") as database:
        assert database.execute("SELECT COUNT(*) FROM users").fetchone() == (0,)
    browser = Browser(home.base)
    assert browser.get(approve(fakes, begin(browser))).status == 200  # makes github:octocat
    with sqlite3.connect(home.folder / "cardea.db") as database:
        database.execute("DELETE FROM provider_accounts")
    trace = Trace(home)
    trace.walk(fakes)
    code, verdict = trace.verdict()
    assert code == 1 and "the name github:octocat exists already and is not joined" in verdict


# ---- what differs ----

def differences(trace):
    text = trace.end()[1]
    assert "\nDiffers from the configuration\n" in text, text
    return text.split("\nDiffers from the configuration\n")[1].split("\n\n")[0]


def test_a_redirect_uri_that_is_not_registered(install, fakes):
    fakes.control(client={"provider": "github", "id": "Iv1.fake", "secret": "github-secret",
                          "redirect_uris": ["https://auth.example.com/_auth/signin/github/callback/"]})
    try:
        home = install()
        trace = Trace(home, "--paste")
        callback = answer(fakes, trace.url())
        assert callback.startswith("https://auth.example.com/")
        trace.say(callback)
        text = differences(trace)
        assert f"portal.url: the redirect URI {home.base}/signin/github/callback is not the one that is registered" in text
        assert "the browser came back to https://auth.example.com/_auth/signin/github/callback/, and not to" in text
        assert trace.text.splitlines()[-1].startswith("verdict: the login would fail at the provider's page: redirect_uri_mismatch: ")
        assert trace.process.returncode == 1
    finally:
        fakes.control(client={"provider": "github", "id": "Iv1.fake", "secret": "github-secret", "redirect_uris": []})


def test_a_secret_that_is_not_the_client_s(install, fakes):
    trace = Trace(install(allowed(fakes, client_secret="another-secret")), "--paste")
    trace.secrets.add("another-secret")
    trace.say(answer(fakes, trace.url()))
    text = differences(trace)
    assert "client_secret: the provider does not accept it for the client_id Iv1.fake (incorrect_client_credentials)" in text
    assert trace.text.splitlines()[-1].startswith("verdict: the login would fail when the code is exchanged for a token: ")


def test_an_id_and_a_secret_that_are_swapped(install, fakes):
    fakes.control(client={"provider": "github", "id": "0123456789abcdef0123", "secret": "x", "redirect_uris": []})
    trace = Trace(install(allowed(fakes, client_id="0123456789abcdef0123", client_secret="Iv1.0123456789abcdef")), "--paste")
    trace.say(answer(fakes, trace.url()))
    assert "client_id, client_secret: they look swapped; swap them" in differences(trace)


@pytest.mark.parametrize("changes, message", [
    ({"client_secret": "github-secret\n"}, "client_secret: has white space at its end"),
    ({"client_secret": ""}, "client_secret: is missing or empty"),
    ({"client_id": "0123456789abcdef0123456789abcdef01234567"}, "client_id: has the form of a secret of GitHub"),
])
def test_what_the_configuration_cannot_have_ends_it_before_anything_is_sent(install, fakes, changes, message):
    home = install(allowed(fakes, **changes))
    done = run("trace", "login", "github", "--config", home.config_file)
    assert done.returncode == 2 and done.stdout == "" and message in done.stderr, done
    assert "github-secret" not in done.stderr


def test_scopes_that_were_not_granted(install, fakes):
    fakes.misbehave("/github/login/oauth/access_token", "custom", status=200, headers=[["Content-Type", "application/json"]],
                    body='{"access_token": "gho_made_up_0123456789", "token_type": "bearer", "scope": "user"}', times=1)
    trace = Trace(install(allowed(fakes, scopes=["read:user", "read:org"])), "--paste")
    trace.secrets.add("gho_made_up_0123456789")
    trace.say(answer(fakes, trace.url()))
    text = differences(trace)
    assert "scopes: read:org was asked for, and not granted" in text and "read:user" not in text


@pytest.mark.parametrize("offset, text", [(300, "this machine's clock is [0-9]+ s behind the provider's"),
                                          (-300, "this machine's clock is [0-9]+ s ahead of the provider's"), (20, None)])
def test_a_clock_that_is_wrong(install, fakes, offset, text):
    fakes.control(date_offset=offset)
    trace = Trace(install(), "--paste")
    trace.say(answer(fakes, trace.url()))
    if text:
        assert re.search(text, differences(trace))
    else:
        assert "Differs" not in trace.end()[1]
    assert trace.process.returncode == 0


class Issuer(http.server.BaseHTTPRequestHandler):
    """Publishes the metadata of an issuer, and nothing else."""

    def do_GET(self):
        url = f"http://127.0.0.1:{self.server.server_port}"
        body = json.dumps({"issuer": url, "authorization_endpoint": f"{url}/authorize", "token_endpoint": f"{url}/token",
                           "userinfo_endpoint": f"{url}/me", "jwks_uri": f"{url}/jwks"}).encode()
        self.send_response(200 if self.path == "/.well-known/openid-configuration" else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_endpoints_that_the_issuer_publishes_otherwise(install, fakes):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer) as issuer:
        threading.Thread(target=issuer.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{issuer.server_port}"
        home = install({"type": "oidc", "name": "corp", "issuer": url, "client_id": "me", "client_secret": "a-secret-of-corp",
                        "token_endpoint": f"{url}/old-token", "userinfo_endpoint": f"{url}/me"})
        trace = Trace(home, "--paste", name="corp")
        asked = trace.url()
        assert asked.startswith(f"{url}/authorize?") and "nonce=" in asked
        assert f"GET {url}/.well-known/openid-configuration (" in trace.text
        state = parse_qs(urlsplit(asked).query)["state"][0]
        trace.say(f"{home.base}/signin/corp/callback?error=access_denied&state={state}")
        text = differences(trace)
        assert text == f"  token_endpoint: the configuration has {url}/old-token, and the issuer publishes {url}/token; leave it out"
        assert trace.process.returncode == 1
        issuer.shutdown()


def test_an_issuer_that_does_not_answer(install, fakes):
    home = install({"type": "oidc", "name": "corp", "issuer": f"{fakes.url}/corp", "client_id": "me", "client_secret": "a-secret-of-corp"})
    trace = Trace(home, "--paste", name="corp")
    code, line = trace.verdict()
    assert code == 1 and line.startswith("verdict: the login would fail at the provider's metadata: "), trace.text
    assert "Open this URL" not in trace.text


@pytest.mark.parametrize("bad, path, verdict", [
    ("html", "access_token", "when the code is exchanged for a token: the answer is a page of HTML"),
    ("no_token", "access_token", "when the code is exchanged for a token: the answer has no access_token"),
    ("error_503", "access_token", "when the code is exchanged for a token: .*the status is 503"),
    ("redirect", "access_token", "when the code is exchanged for a token: .*"),
    ("reset", "access_token", "when the code is exchanged for a token: .*"),
    ("huge", "access_token", "when the code is exchanged for a token: .*"),
    ("garbage", "access_token", "when the code is exchanged for a token: .*"),
    ("no_subject", "api/user", "when the provider is asked who it is: the provider's answer has no \"id\".*"),
    ("html", "api/user", "when the provider is asked who it is: .*the answer is not JSON.*"),
])
def test_bad_answers_of_a_provider_are_named(install, fakes, bad, path, verdict):
    fakes.misbehave(".*" + path, bad)
    trace = Trace(install(), "--paste")
    trace.say(answer(fakes, trace.url()))
    code, line = trace.verdict()
    assert code == 1 and re.fullmatch("verdict: the login would fail " + verdict, line), line
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", trace.text)


def test_a_login_that_the_user_refuses(install, fakes):
    home = install()
    home.serve()
    trace = Trace(home)
    trace.walk(fakes, "deny")
    code, line = trace.verdict()
    assert code == 1 and line.startswith("verdict: the login would fail at the provider's page: access_denied"), trace.text


# ---- its own end ----

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(install, fakes, number):
    home = install()
    trace = Trace(home)
    url = trace.url()
    trace.process.send_signal(number)
    assert trace.verdict() == (1, "verdict: it was stopped before the redirect came back")
    # A server that starts then keeps the redirect until its state expires, and nobody takes it.
    home.serve()
    assert Browser(home.base).get(answer(fakes, url)).path.endswith("/traced")


def test_lesson_38_a_closed_or_full_standard_output_ends_it_at_once(install):
    home = install()
    done = subprocess.run(["sh", "-c", f'"{CARDEA}" trace login github --config "{home.config_file}" >&-'], capture_output=True, text=True,
                          timeout=DEADLINE, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "cannot be written" in done.stderr and done.stdout == "", done
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([CARDEA, "trace", "login", "github", "--config", home.config_file], stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=DEADLINE, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "No space left on device" in done.stderr, done


@pytest.mark.parametrize("args, message", [
    ((), "NAME is missing; see: cardea help trace login"),
    (("githab",), "signin.providers: there is no provider \"githab\"; name one of: github"),
    (("github", "more"), "unexpected argument"),
    (("github", "--pasted"), "did you mean \"--paste\"?"),
])
def test_a_wrong_command_line(install, args, message):
    done = run("trace", "login", *args, "--config", install().config_file)
    assert done.returncode == 2 and message in done.stderr and done.stdout == "", done
    assert "cardea trace login: " in done.stderr


def test_a_configuration_without_a_store_or_providers(config):
    done = run("trace", "login", "github", "--config", config("listen: [\"127.0.0.1:0\"]\n"))
    assert done.returncode == 2 and "store: is not set" in done.stderr, done
