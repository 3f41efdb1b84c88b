"""Two root domains behind a real proxy: the session is handed over to the site of the other one (docs/several-domains.md)."""
from urllib.parse import urljoin, urlsplit

import pytest

from .application import Application
from .client import ask
from .installation import PASSWORD, Installation
from .proxies import PROXIES, find_ports

AUTH, WIKI, SHOP = "auth.a.example", "wiki.a.example", "shop.b.example"
RULES = [{"host": host, "allow": {"groups": ["staff"]}} for host in (WIKI, SHOP)]
BROWSER = [("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate")]
SESSION, SITES, NONCE = "__Secure-cardea_session", "__Host-cardea_session", "__Host-cardea_start"


class Browser:
    """Keeps the cookies of each host apart; those with a Domain are the portal's, for both hosts of a.example."""

    def __init__(self, ports):
        self.ports, self.jars, self.history = ports, {}, []

    def request(self, url, method="GET", body=b"", headers=()):
        parts = urlsplit(url)
        target = parts.path + ("?" + parts.query if parts.query else "")
        jars = (self.jars.get(parts.hostname, {}), self.jars.get(".a.example", {}) if parts.hostname.endswith(".a.example") else {})
        cookies = "; ".join(f"{name}={value}" for jar in jars for name, value in jar.items())
        sent = [("Host", parts.netloc), *BROWSER, *([("Cookie", cookies)] if cookies else []), *headers]
        answer = ask(self.ports[parts.hostname], parts.hostname, f"{method} {target}", sent, body)
        self.history.append((parts.hostname, parts.path))
        for text in answer.headers.get_all("Set-Cookie") or []:
            pair, *attributes = text.split("; ")
            jar = self.jars.setdefault(".a.example" if "Domain=a.example" in attributes else parts.hostname, {})
            name, value = pair.split("=", 1)
            jar.pop(name, None)
            if "Max-Age=0" not in attributes:
                jar[name] = value
        return answer

    def get(self, url):
        """Follows redirects. The last URL and answer."""
        for _ in range(12):
            answer = self.request(url)
            if answer.status not in (302, 303):
                return url, answer
            url = urljoin(url, answer.headers["Location"])
        raise AssertionError(f"a redirect loop: {self.history}")


@pytest.fixture(params=PROXIES)
def system(request, tmp_path):
    ports = dict(zip((AUTH, WIKI, SHOP), (find_ports() for _ in range(3)), strict=True))
    cardea = Installation(tmp_path / "cardea", f"https://{AUTH}:{ports[AUTH]}/_auth", cookie_domain="a.example", other_domains=["b.example"],
                          rules=RULES)
    application = Application()
    (tmp_path / "proxy").mkdir()
    proxy = PROXIES[request.param](tmp_path / "proxy", ports, f"http://127.0.0.1:{application.port}", cardea.config)
    yield cardea, ports
    proxy.stop()
    application.close()
    cardea.stop()


def test_a_login_is_handed_over_by_a_real_proxy(system):
    cardea, ports = system
    page = f"https://{SHOP}:{ports[SHOP]}/a%20b?x=1&y=%26"
    browser = Browser(ports)
    url, answer = browser.get(page)
    assert (answer.status, urlsplit(url).hostname, urlsplit(url).path) == (200, AUTH, "/_auth/login"), (url, answer.body)
    csrf = next(part.split('"')[0] for part in answer.body.decode().split('name="csrf" value="')[1:])
    fields = f"csrf={csrf}&username=ana&password={PASSWORD.replace(' ', '+')}&return_to={page.replace('%', '%25').replace('&', '%26')}"
    answer = browser.request(url, "POST", fields.encode(), [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", str(len(fields))),
                                                            ("Origin", f"https://{AUTH}:{ports[AUTH]}")])
    assert answer.status == 303, answer.body
    browser.history.clear()
    url, answer = browser.get(answer.headers["Location"])
    assert (url, answer.status, answer.is_from_application) == (page, 200, True), (browser.history, answer.status, answer.body)
    assert browser.history == [(SHOP, "/_auth/start"), (AUTH, "/_auth/hand-over"), (SHOP, "/_auth/finish"), (SHOP, "/a%20b")]
    seen = {name.lower(): value for name, value in answer.json()["headers"]}
    assert seen["remote-user"] == "ana" and "cardea_" not in seen.get("cookie", "")
    assert browser.jars[SHOP][SITES] == browser.jars[".a.example"][SESSION]
    cardea.run("session", "end", "--user", "ana")


def test_a_session_of_the_first_domain_opens_the_second(system):
    cardea, ports = system
    browser = Browser(ports)
    browser.jars[".a.example"] = dict([cardea.cookie("ana").split("=", 1)])
    for host in (WIKI, SHOP):
        url, answer = browser.get(f"https://{host}:{ports[host]}/x")
        assert answer.status == 200 and answer.is_from_application and urlsplit(url).path == "/x", (host, browser.history, answer.body)
    assert NONCE in browser.jars[SHOP] and SITES in browser.jars[SHOP] and WIKI not in browser.jars
    assert browser.request(f"https://{SHOP}:{ports[SHOP]}/_auth/check/forward").status == 404
    url, answer = browser.get(f"https://{SHOP}:{ports[SHOP]}/_auth/")
    assert urlsplit(url).hostname == AUTH and answer.status == 200
