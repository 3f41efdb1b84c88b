"""Logging in with the fake GitHub (examples/fake-providers), and the steps of such a login."""
import pathlib
import sys
from urllib.parse import parse_qs, quote, urlsplit

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))

from fake_providers import FakeProviders  # noqa: E402, F401

OCTOCAT, MONA = "583231", "9919"  # subjects
LOOPBACK = {"networks": ["127.0.0.0/8"]}
LABEL = "GitHub"


def github(fakes, **changes):
    """The settings of a provider."""
    return {"type": "github", "client_id": "Iv1.fake", "client_secret": "github-secret",
            "authorization_endpoint": f"{fakes.url}/github/login/oauth/authorize",
            "token_endpoint": f"{fakes.url}/github/login/oauth/access_token",
            "userinfo_endpoint": f"{fakes.url}/github/api/user", **changes}


def settings(*providers):
    """The sections of the configuration."""
    return {"signin": {"providers": list(providers)}, "outgoing": LOOPBACK}


def allowed(fakes, **changes):
    """Lets octocat in, as a user who is made at the first login."""
    return github(fakes, **{"allow": {"subjects": [OCTOCAT]}, "create": True, **changes})


def begin(browser, return_to=None, path="/signin/github"):
    """The answer that sends the browser to the provider, which is not followed."""
    page = browser.get(path + (f"?return_to={quote(return_to, safe='')}" if return_to else ""))
    assert page.status == 302, page
    return page


def state_of(page):
    return parse_qs(urlsplit(page.location).query)["state"][0]


def approve(fakes, page, user="octocat"):
    """What the provider answers to the browser: the URL of the callback. `user` may be "deny"."""
    fakes.control(auto_approve={"github": user})
    assert page.location.startswith(fakes.url), page.location
    status, headers, body = fakes.ask(page.location[len(fakes.url):])
    assert status in (302, 303), (status, body)
    return headers["Location"]


def log_in_with(browser, fakes, user="octocat", return_to=None):
    """The page at which such a login ends."""
    return browser.get(approve(fakes, begin(browser, return_to), user))


def assert_clean(browser, page):
    """The callback was answered by a redirect to a URL that has nothing of the login."""
    assert page.history[0][0] == 303 and "/callback?" in page.history[0][1], page.history
    assert "code=" not in page.url and "state=" not in page.url, page.url
    query = parse_qs(urlsplit(page.history[0][1]).query)
    for secret in [*query.get("code", []), *query.get("state", [])]:
        assert len(secret) < 6 or secret not in page.text, secret


def assert_failed(browser, page, reason, error, status):
    """The page that says why, without a session."""
    assert_clean(browser, page)
    assert page.path == f"/_auth/signin/github/{reason}", page
    assert (page.status, page.error) == (status, error), page
    assert "cardea_session" not in browser.cookies, browser.cookies
    assert page.headers["Cache-Control"] == "no-store"

