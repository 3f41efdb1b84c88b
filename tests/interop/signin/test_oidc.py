"""Logging in at issuers of OpenID Connect that others wrote: npm oidc-provider, and oauth2-mock-server, which also breaks the rules on demand."""
import html.parser
import http.cookiejar
import importlib.util
import json
import pathlib
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import pytest

from glewlwyd import Glewlwyd
from support.node import node_for
from support.ports import find_ports

HERE = pathlib.Path(__file__).resolve().parent
PORTAL = HERE.parents[1] / "http/portal"
PATIENCE = 30  # seconds
SECRET = "a-secret+with%what~must/be=encoded"
LOOPBACK = {"networks": ["127.0.0.0/8", "::1/128"]}

sys.path.insert(0, str(PORTAL))
spec = importlib.util.spec_from_file_location("portal_conftest", PORTAL / "conftest.py")
portal = importlib.util.module_from_spec(spec)
spec.loader.exec_module(portal)
template, install_module = portal.template, portal.install_module

from logins import who  # noqa: E402

pytestmark = [pytest.mark.xdist_group("signin-oidc"),
              pytest.mark.skipif(not (HERE / "node_modules/oidc-provider").is_dir(), reason="npm's packages are missing: ./dev test interop installs them")]


class Forms(html.parser.HTMLParser):
    """The forms of a page: (action, {name: value})."""

    def __init__(self, page):
        super().__init__()
        self.all = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.all.append((attributes["action"], {}))
        elif tag == "input" and self.all and attributes.get("name"):
            self.all[-1][1][attributes["name"]] = attributes.get("value") or ""


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Visitor:
    """Somebody at the issuer, with cookies of their own."""

    def __init__(self, **typed):
        self.typed, self.asked = typed, set()  # what was typed into which fields, and the fields that were shown
        self.opener = urllib.request.build_opener(Stay, urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def _ask(self, url, data):
        try:
            with self.opener.open(url, data, timeout=PATIENCE) as answer:
                return answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.headers, answer.read().decode()

    def go(self, url, until):
        """Follows redirects and fills in forms, to the first URL that begins with `until`."""
        data = None
        for _ in range(20):
            status, headers, page = self._ask(url, data)
            if status in (302, 303):
                url, data = urllib.parse.urljoin(url, headers["Location"]), None
                if url.startswith(until):
                    return url
                continue
            assert status == 200, (url, status, page)
            action, fields = Forms(page).all[0]
            self.asked |= set(fields)
            if "xsrf" in fields:
                fields["logout"] = "yes"  # the button
            fields.update({name: value for name, value in self.typed.items() if name in fields})
            url, data = urllib.parse.urljoin(url, action), urllib.parse.urlencode(fields).encode()
        raise AssertionError(f"no end at {url}")


class Node:
    """A program of Node.js that says when it is ready."""

    def __init__(self, *words):
        self.process = subprocess.Popen([node_for(HERE), *words], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = self.process.stdout.readline()
        assert self.said.startswith("ready"), self.said

    def tell(self, **what):
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n"

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stdin.close()
        self.process.stdout.close()


def provider(port, **changes):
    return {"type": "oidc", "name": "corp", "label": "Corp", "issuer": f"http://localhost:{port}", "client_id": "cardea", "client_secret": SECRET,
            "allow": {"subjects": ["una"], "email_domains": ["example.com"]}, "create": True, **changes}


def start(install_module, port, **changes):
    home = install_module(portal={"factors": ["password"]}, signin={"providers": [provider(port, **changes)]}, outgoing=LOOPBACK)
    home.server = home.serve()
    return home


def log_in(home, visitor, browser=None):
    """The page where the login ends."""
    browser = browser or home.browser()
    page = browser.get("/signin/corp")
    assert page.status == 302, page
    return browser, browser.get(visitor.go(page.location, home.base))


# ---- npm oidc-provider ----

@pytest.fixture(scope="module", params=[("ES256", "client_secret_post"), ("RS256", "client_secret_basic"), ("EdDSA", "client_secret_post")],
                ids=lambda param: "-".join(param))
def real(request, install_module):
    """A portal, and the issuer of its provider."""
    alg, method = request.param
    port = find_ports()
    home = start(install_module, port, client_authentication=method.removeprefix("client_secret_"))
    node = Node("oidc_provider.mjs", json.dumps({
        "port": port, "redirect_uri": f"{home.base}/signin/corp/callback", "after_logout": f"{home.base}/", "secret": SECRET, "alg": alg,
        "auth_method": method}))
    yield home
    node.stop()


def test_a_user_logs_in_at_oidc_provider(real):
    browser, page = log_in(real, Visitor(login="una", password="x"))
    assert page.status == 200, page
    assert who(browser) == "corp:una"
    assert "The una" in browser.get("/").text


def test_a_user_logs_out_at_oidc_provider_too(real):
    """OpenID Connect RP-Initiated Logout 1.0: the page after the logout leads there, and from there the user comes back."""
    una = Visitor(login="una", password="x")
    browser, _ = log_in(real, una)
    page = browser.submit(browser.get("/logout"), "/logout")
    assert "cardea_session" not in browser.cookies, page
    (link,) = [link for link in page.links if "/session/end" in link]
    assert una.go(link, real.base) == f"{real.base}/"
    una.asked.clear()
    una.go(browser.get("/signin/corp").location, real.base)
    assert "password" in una.asked  # again


def test_an_address_that_is_not_verified_lets_nobody_in(real):
    browser, page = log_in(real, Visitor(login="unverified", password="x"))
    assert page.path == "/_auth/signin/corp/not-allowed" or page.status in (403, 401), page
    assert "cardea_session" not in browser.cookies


def test_a_user_who_cancels_is_told_so(real):
    browser = real.browser()
    page = browser.get("/signin/corp")
    state = urllib.parse.parse_qs(urllib.parse.urlsplit(page.location).query)["state"][0]
    issuer = urllib.parse.quote(page.location.split("/auth")[0], safe="")
    page = browser.get(f"/signin/corp/callback?error=access_denied&state={state}&iss={issuer}")
    assert page.status >= 400 and "cardea_session" not in browser.cookies, page


def test_lesson_17_a_callback_of_another_issuer_is_refused(real):
    """oidc-provider promises "iss" in its metadata (RFC 9207)."""
    for iss in ("", "&iss=https%3A%2F%2Fevil.example"):
        browser = real.browser()
        page = browser.get("/signin/corp")
        back = Visitor(login="una", password="x").go(page.location, real.base)
        parts = [part for part in back.split("?")[1].split("&") if not part.startswith("iss=")]
        page = browser.get(f"/signin/corp/callback?{'&'.join(parts)}{iss}")
        assert page.status >= 400 and "cardea_session" not in browser.cookies, page


# ---- oauth2-mock-server ----

@pytest.fixture(scope="module")
def mock():
    running = Node("mock_server.mjs")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def home(install_module, mock):
    return start(install_module, int(mock.said.split()[1]), allow={"subjects": ["johndoe"]})


def test_a_user_logs_in_at_oauth2_mock_server(home, mock):
    mock.tell(claims={"preferred_username": "john", "name": "John"})
    browser, page = log_in(home, Visitor())
    assert page.status == 200 and who(browser) == "corp:john", page


HOSTILE = {
    "another nonce": {"claims": {"nonce": "another"}},
    "no nonce": {"remove": ["nonce"]},
    "another issuer": {"claims": {"iss": "http://localhost:1"}},
    "another audience": {"claims": {"aud": "another"}},
    "two audiences": {"claims": {"aud": ["cardea", "another"]}},
    "another party": {"claims": {"azp": "another"}},
    "expired": {"claims": {"exp": 1}},
    "from the future": {"claims": {"nbf": 9_999_999_999}},
    "no subject": {"remove": ["sub"]},
    "another subject than userinfo": {"userinfo": {"sub": "somebody"}},
    "no ID token": {"answer": {"id_token": None}},
    "garbage": {"answer": {"id_token": "a.b.c"}},
    "no alg": {"answer": {"id_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJqb2huZG9lIn0."}},
    "empty access token": {"answer": {"access_token": ""}},
    "another token type": {"answer": {"token_type": "mac"}},
    "a lifetime in words": {"answer": {"expires_in": "soon"}},
    "an error with 200": {"answer": {"error": "invalid_grant"}},
    "an error": {"status": 400, "answer": {"error": "invalid_client"}},
    "500": {"status": 500},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_breaks_the_rules_is_no_login(home, mock, what):
    mock.tell(**HOSTILE[what])
    browser, page = log_in(home, Visitor())
    assert page.status >= 400 and page.path.startswith("/_auth/signin/corp/"), page
    assert "cardea_session" not in browser.cookies
    mock.tell(claims={"preferred_username": "john", "name": "John"})
    browser, page = log_in(home, Visitor())
    assert who(browser) == "corp:john", page


# ---- Glewlwyd ----

def log_in_at_glewlwyd(home, issuer):
    browser = home.browser()
    page = browser.get("/signin/corp")
    assert page.status == 302, page
    return browser, browser.get(issuer.agree(page.location))


def test_a_user_logs_in_at_glewlwyd(install_module, tmp_path):
    """It does not say that an address is verified, and invents the subject; the operator finds that in the log."""
    home = install_module(portal={"factors": ["password"]})
    issuer = Glewlwyd(tmp_path, f"{home.base}/signin/corp/callback", SECRET)
    try:
        corp = provider(0, issuer=issuer.issuer, allow={"email_domains": ["example.com"]})
        home.configure(signin={"providers": [corp]}, outgoing=LOOPBACK)
        home.server = home.serve()
        browser, page = log_in_at_glewlwyd(home, issuer)
        assert page.status == 403 and "cardea_session" not in browser.cookies, page
        subject = home.server.wait_event("signin_failed", provider="corp")["subject"]
        home.configure(signin={"providers": [{**corp, "allow": {"subjects": [subject]}}]})
        home.server.process.send_signal(signal.SIGHUP)
        home.server.wait_event("reloaded")
        browser, page = log_in_at_glewlwyd(home, issuer)
        assert page.status == 200 and who(browser).startswith("corp:"), page
    finally:
        issuer.stop()
