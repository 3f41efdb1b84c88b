"""Sites of other root domains: the session is handed over to them (docs/several-domains.md)."""
import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import pytest

import h2client
import services
from browser import AGENT, HTML, Browser, Page
from logins import add_person, begun_session, me

PORTAL = "https://auth.example.com/_auth"
RULES = [{"host": "wiki.example.com", "allow": {"groups": ["staff"]}}, {"host": "wiki.example.org", "allow": {"groups": ["staff"]}},
         {"host": "git.example.org", "allow": {"groups": ["staff"]}}, {"host": "fresh.example.org", "allow": {"groups": ["staff"], "max_age": "30m"}},
         {"host": "example.net", "allow": {"groups": ["staff"]}}, {"host": "boss.example.net", "allow": {"groups": ["bosses"]}},
         {"host": "open.example.org", "public": True}, {"host": "*.wild.example.net", "allow": {"groups": ["staff"]}},
         {"host": "outside.example.edu", "allow": {"groups": ["staff"]}}]
SETTINGS = {"url": PORTAL, "cookie_domain": "example.com", "other_domains": ["example.org", "example.net"], "factors": ["password"]}
WIKI = "https://wiki.example.org/a%20b?x=1&y=%26"
SESSION, SITES, NONCE = "__Secure-cardea_session", "__Host-cardea_session", "__Host-cardea_start"
MISSING = "The browser did not send it. It may block cookies, or delete them at once."
AN_HOUR = 3600
INVALID = "This link is not valid. It may have been used, or it has expired."


class Web(Browser):
    """A browser that keeps the cookies of each host apart. A proxy, which ends TLS, is in front of every host: it passes /_auth/ on, and asks
    Cardea about everything else, as Caddy does."""

    def __init__(self, home, url=PORTAL):
        super().__init__(url)
        self.local, self.jars, self.keeps = f"http://127.0.0.1:{home.port}", {}, lambda host, name: True

    def jar(self, host):
        return self.jars.setdefault(host, {})

    def cookies_for(self, host):
        found = {}
        for name, jar in self.jars.items():
            if name == host or (name.startswith(".") and ("." + host).endswith(name)):
                found.update(jar)
        return "; ".join(f"{name}={value}" for name, value in found.items())

    def keep(self, host, answer):
        for text in answer.headers.get_all("Set-Cookie") or []:
            self.set_cookies.append((host, text))
            pair, *attributes = [part.strip() for part in text.split(";")]
            name, value = pair.split("=", 1)
            domain = next((a[7:] for a in attributes if a.startswith("Domain=")), None)
            assert not domain or ("." + host).endswith("." + domain), (host, text)
            assert not (name.startswith("__Host-") and domain), text
            assert "Secure" in attributes and "HttpOnly" in attributes and "SameSite=Lax" in attributes and "Path=/" in attributes, text
            jar = self.jar("." + domain if domain else host)
            if "Max-Age=0" in attributes:
                jar.pop(name, None)
            elif self.keeps(host, name):
                jar[name] = value

    def ask(self, method, url, body=None, headers=()):
        """One request, without redirects."""
        parts = urlsplit(url)
        target = parts.path + ("?" + parts.query if parts.query else "")
        given = {name.lower() for name, _ in headers}
        cookies = self.cookies_for(parts.hostname)
        sent = [("User-Agent", AGENT), ("Accept", HTML), *([("Cookie", cookies)] if cookies else [])]
        sent = [*(pair for pair in sent if pair[0].lower() not in given), *headers]
        if parts.path.startswith("/_auth/"):
            sent += [("X-Forwarded-Host", parts.netloc), ("X-Forwarded-Proto", parts.scheme), ("X-Forwarded-For", "192.0.2.7")]
            answer = services.call(self.local + target, method, sent, body)
            self.keep(parts.hostname, answer)
        else:
            sent += [("X-Forwarded-Method", method), ("X-Forwarded-Proto", parts.scheme), ("X-Forwarded-Host", parts.netloc),
                     ("X-Forwarded-Uri", target), ("X-Forwarded-For", "192.0.2.7")]
            answer = services.call(self.local + "/_auth/check/forward", "GET", sent)
        return Page(url, answer, [])

    def request(self, method, path, body=None, headers=(), follow=True):
        url = path if "://" in path else self.base + path
        history = []
        while True:
            self.visited.append(url)
            page = self.ask(method, url, body, headers)
            if not follow or page.status not in (302, 303):
                page.history = history
                return page
            assert len(history) < 20, f"a redirect loop: {history}"
            history.append((page.status, url))
            url, method, body, headers = urljoin(url, page.location), "GET", None, ()

    def user_of(self, url):
        """Who the application behind this page sees; None: the page is not shown."""
        page = self.ask("GET", url)
        return page.headers["Remote-User"] if page.status == 200 else None

    def walk(self, url, stop):
        """Opens the page, and follows redirects until one leads to a path that ends so. The URL of that one."""
        for _ in range(20):
            page = self.ask("GET", url)
            assert page.status in (302, 303), page
            url = urljoin(url, page.location)
            if urlsplit(url).path.endswith(stop):
                return url
        raise AssertionError(f"no {stop}")


def log_in(web, person, url=WIKI):
    """Opens the page without a session, and logs in."""
    page = web.get(url)
    assert page.status == 200 and page.path == "/_auth/login", page
    return web.submit(page, "/login", username=person.name, password=person.password)


@pytest.fixture(scope="module")
def home(install_module):
    home = install_module(portal=SETTINGS, access=RULES, trusted_proxies=["127.0.0.1"])
    home.server = home.serve()
    return home


@pytest.fixture(scope="module")
def ana(home):
    return add_person(home, has_totp=False, flags=("--group", "staff"))


@pytest.fixture
def web(home):
    return Web(home)


@pytest.fixture
def logged_in(web, ana):
    page = log_in(web, ana, "https://wiki.example.com/")
    assert page.headers["Remote-User"] == ana.name
    return web


def code_of(url):
    return parse_qs(urlsplit(url).query)["code"][0]


def path_of(url):
    return urlsplit(url).path


# ---- the journey ----


def test_a_user_logs_in_for_a_site_of_another_root_domain(home, web, ana):
    page = log_in(web, ana)
    assert (page.url, page.status, page.headers["Remote-User"]) == (WIKI, 200, ana.name)
    assert [(urlsplit(url).hostname, path_of(url)) for _, url in page.history] == [
        ("auth.example.com", "/_auth/login"), ("wiki.example.org", "/_auth/start"), ("auth.example.com", "/_auth/hand-over"),
        ("wiki.example.org", "/_auth/finish")]
    assert "cardea" not in page.headers["Cookie"].replace("cardea-filtered", "")


def test_a_user_who_is_logged_in_only_sees_the_page(logged_in, ana):
    page = logged_in.get(WIKI)
    assert (page.url, page.status, page.headers["Remote-User"]) == (WIKI, 200, ana.name)
    assert not any(path_of(url).endswith("/login") for _, url in page.history)
    assert logged_in.get(WIKI).history == [], "the site has the session now"


def test_every_site_gets_its_own_cookie_of_one_session(home, logged_in, ana):
    for url in (WIKI, "https://git.example.org/", "https://example.net/"):
        assert logged_in.get(url).headers["Remote-User"] == ana.name
    jars = {host: jar[name] for host, jar in logged_in.jars.items() for name in (SESSION, SITES) if name in jar}
    assert set(jars) == {".example.com", "wiki.example.org", "git.example.org", "example.net"}
    assert len(set(jars.values())) == 1, "it is the same session"
    sites = [text for host, text in logged_in.set_cookies if host != "auth.example.com" and text.startswith(SITES)]
    assert len(sites) == 3 and not any("Domain" in text or "Max-Age" in text for text in sites)


def test_there_is_one_session_in_the_list(home):
    bo, web = add_person(home, has_totp=False, flags=("--group", "staff")), Web(home)
    log_in(web, bo)
    assert len(home.cardea("session", "list", "--user", bo.name, "--json").splitlines()) == 1


def test_a_program_is_told_where_to_log_in(web):
    answer = web.ask("GET", WIKI, headers=[("Accept", "application/json")])
    assert answer.status == 401
    assert answer.location == "https://wiki.example.org/_auth/start?return_to=" + quote(WIKI, safe="")


def test_nginx_gets_the_same_address(home):
    answer = home.server.call("/_auth/check/nginx", headers=[("X-Original-Method", "GET"), ("X-Original-URL", WIKI)])
    assert (answer.status, answer.headers["Location"]) == (401, "https://wiki.example.org/_auth/start?return_to=" + quote(WIKI, safe=""))


@pytest.mark.parametrize("url", ["https://wiki.example.com/", "https://outside.example.edu/", "https://a.wild.example.net/"])
def test_a_host_that_is_not_handed_over_to_leads_to_the_login(web, url):
    """One that the cookie reaches, one of no such domain, one that no rule names."""
    assert web.ask("GET", url).location.startswith(PORTAL + "/login")


def test_a_page_for_everybody_needs_no_hand_over(web):
    assert web.ask("GET", "https://open.example.org/").status == 200


def test_the_form_may_lead_to_the_site(web):
    page = web.get(WIKI)
    assert "form-action 'self' https://wiki.example.org;" in page.headers["Content-Security-Policy"]
    assert "wiki.example.org" in page.text


# ---- what ends


def test_logging_out_at_the_portal_ends_the_session_on_every_site_at_once(logged_in, ana):
    logged_in.get(WIKI), logged_in.get("https://example.net/")
    assert logged_in.user_of(WIKI) == ana.name
    logged_in.submit(logged_in.get("/logout"), "/logout")
    for url in (WIKI, "https://example.net/", "https://wiki.example.com/"):
        assert logged_in.user_of(url) is None
    assert SITES in logged_in.jar("wiki.example.org"), "the old cookie, which is of no use"
    page = log_in(logged_in, ana)
    assert page.headers["Remote-User"] == ana.name, "and which the next login replaces"


def test_logging_out_on_a_site_leads_to_the_portal(logged_in, ana):
    logged_in.get(WIKI)
    page = logged_in.get("https://wiki.example.org/_auth/logout?return_to=" + quote(WIKI, safe=""))
    assert (page.status, page.url) == (200, PORTAL + "/logout?return_to=" + quote(WIKI, safe=""))
    page = logged_in.submit(page, "/logout", follow=False)
    assert (page.status, page.location) == (303, WIKI)
    assert logged_in.user_of(WIKI) is None


# ---- more factors, another account


def test_a_confirmed_login_is_handed_over_anew(home):
    cy, web = add_person(home, has_totp=False, flags=("--group", "staff")), Web(home)
    web.jar(".example.com")[SESSION] = begun_session(home, cy.name, AN_HOUR, 2 * AN_HOUR, 9 * AN_HOUR)
    assert web.get(WIKI).headers["Remote-User"] == cy.name
    before = web.jar("wiki.example.org")[SITES]
    page = web.get("https://fresh.example.org/x")
    assert page.path == "/_auth/step-up", page
    assert web.jar("fresh.example.org")[SITES] == before
    page = web.submit(page, "/step-up", password=cy.password)
    assert (page.url, page.status, page.headers["Remote-User"]) == ("https://fresh.example.org/x", 200, cy.name)
    assert web.jar("fresh.example.org")[SITES] != before, "the id has changed"
    assert web.user_of(WIKI) is None, "where the old one has ended"
    assert web.get(WIKI).headers["Remote-User"] == cy.name


def test_a_site_with_an_older_session_gets_the_one_of_the_portal(home):
    """The portal's cookie was lost, and the site's was not: to confirm the login at the portal must not lead in a circle."""
    di, web = add_person(home, has_totp=False, flags=("--group", "staff")), Web(home)
    web.jar("fresh.example.org")[SITES] = old = begun_session(home, di.name, AN_HOUR, 2 * AN_HOUR, 9 * AN_HOUR)
    page = web.get("https://fresh.example.org/x")
    assert page.path == "/_auth/login", page
    page = web.submit(page, "/login", username=di.name, password=di.password)
    assert (page.url, page.status) == ("https://fresh.example.org/x", 200)
    web.jar("fresh.example.org")[SITES] = old
    page = web.get("https://fresh.example.org/x")
    assert (page.url, page.status) == ("https://fresh.example.org/x", 200), "nor where the portal has a newer one"


def test_a_forbidden_site_says_so(logged_in, ana):
    page = logged_in.get("https://boss.example.net/")
    assert (page.status, page.path) == (403, "/_auth/forbidden") and ana.name in page.text, page


# ---- codes


def test_a_code_counts_once(home, logged_in):
    url = logged_in.walk(WIKI, "/finish")
    assert re.fullmatch(r"https://wiki\.example\.org/_auth/finish\?code=[A-Za-z0-9_-]{43}", url)
    page = logged_in.ask("GET", url)
    assert (page.status, page.location) == (303, WIKI)
    assert page.headers["Cache-Control"] == "no-store" and page.headers["Referrer-Policy"] == "no-referrer"
    page = logged_in.ask("GET", url)
    assert page.status == 400 and INVALID in page.text
    assert not any(text.startswith((SESSION, SITES)) for text in page.headers.get_all("Set-Cookie") or [])
    assert page.headers["Referrer-Policy"] == "no-referrer"


def refused(page, status=400):
    assert page.status == status and page.location is None, page
    assert not any(text.startswith((SESSION, SITES)) for text in page.headers.get_all("Set-Cookie") or []), page


def test_a_code_without_the_nonce_is_refused_and_stays_good(logged_in):
    url = logged_in.walk(WIKI, "/finish")
    nonce = logged_in.jar("wiki.example.org").pop(NONCE)
    page = logged_in.ask("GET", url)
    refused(page)
    assert MISSING in page.text and NONCE in page.text and "wiki.example.org" in page.text and "/" in page.links
    logged_in.jar("wiki.example.org")[NONCE] = nonce
    assert logged_in.ask("GET", url).location == WIKI


def test_lesson_7_an_attackers_code_logs_nobody_in(home, logged_in):
    """Session fixation: the attacker has a code for his own session, and makes another browser use it."""
    attackers = logged_in.walk(WIKI, "/finish")
    victim = Web(home)
    refused(victim.ask("GET", attackers))
    victim.walk(WIKI, "/hand-over")  # the browser has a nonce of its own
    assert NONCE in victim.jar("wiki.example.org")
    page = victim.ask("GET", attackers)
    refused(page)
    assert INVALID in page.text
    assert SITES not in victim.jar("wiki.example.org") and victim.user_of(WIKI) is None
    # Nor does the victim's own login help an attacker who has made the victim's browser ask with the attacker's nonce.
    attacker, bo = Web(home), add_person(home, has_totp=False, flags=("--group", "staff"))
    asked = attacker.walk(WIKI, "/hand-over")
    log_in(victim, bo, "https://wiki.example.com/")
    got = urljoin(asked, victim.ask("GET", asked).location)
    refused(victim.ask("GET", got))
    assert victim.user_of(WIKI) is None


@pytest.mark.parametrize("host", ["git.example.org", "example.net", "auth.example.com", "outside.example.edu", "a.wild.example.net", "evil.example"])
def test_a_code_counts_on_its_own_host_alone(logged_in, host):
    url = logged_in.walk(WIKI, "/finish")
    logged_in.jar(host)[NONCE] = logged_in.jar("wiki.example.org")[NONCE]
    page = logged_in.ask("GET", url.replace("wiki.example.org", host))
    refused(page, 400 if host in ("git.example.org", "example.net") else 404)
    assert logged_in.ask("GET", url).location == WIKI, "and it is still good there"


@pytest.mark.parametrize("code", ["", "?code=", "?code=x", "?code=" + "A" * 43, "?code=" + "A" * 44, "?code=%00", "?code=" + "%C3%89" * 30, "?x=" + "A" * 43])
def test_what_is_no_code_is_refused(logged_in, code):
    logged_in.walk(WIKI, "/finish")
    refused(logged_in.ask("GET", "https://wiki.example.org/_auth/finish" + code))


@pytest.mark.parametrize("how", ["HEAD", "Sec-Purpose", "Purpose"])
def test_lesson_46_to_look_consumes_nothing(logged_in, how):
    url = logged_in.walk(WIKI, "/finish")
    page = logged_in.ask("HEAD", url) if how == "HEAD" else logged_in.ask("GET", url, headers=[(how, "prefetch")])
    refused(page, 503)
    assert logged_in.ask("GET", url).location == WIKI
    refused(logged_in.ask("POST", url, b""), 405)


def test_two_windows_may_be_on_their_way(logged_in):
    one, two = logged_in.walk(WIKI, "/finish"), logged_in.walk("https://wiki.example.org/two", "/finish")
    assert logged_in.ask("GET", two).location == "https://wiki.example.org/two"
    assert logged_in.ask("GET", one).location == WIKI


def test_a_code_of_a_session_that_ended_is_refused(logged_in):
    url = logged_in.walk(WIKI, "/finish")
    logged_in.submit(logged_in.get("/logout"), "/logout")
    refused(logged_in.ask("GET", url))


def test_a_code_of_another_node_is_good_and_one_for_a_host_without_a_rule_is_not(home, logged_in):
    url, another = logged_in.walk(WIKI, "/finish"), home.serve_another(access=[rule for rule in RULES if rule["host"] != "wiki.example.org"])
    logged_in.local, first = f"http://127.0.0.1:{another.port}", logged_in.local
    refused(logged_in.ask("GET", url), 404)
    another_url = logged_in.walk("https://git.example.org/", "/finish")
    logged_in.local = first
    assert logged_in.ask("GET", url).location == WIKI
    assert logged_in.ask("GET", another_url).location == "https://git.example.org/"


def test_lesson_28_no_code_is_in_the_log(home, logged_in):
    url = logged_in.walk(WIKI, "/finish")
    logged_in.ask("GET", url), logged_in.ask("GET", url)
    log = "\n".join(home.server.lines())
    assert '"path":"/_auth/finish"' in log.replace(" ", "")
    assert code_of(url) not in log and logged_in.jar("wiki.example.org")[NONCE] not in log


# ---- where to


def at(path, return_to, host="wiki.example.org", **more):
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in {**more, "return_to": return_to}.items() if value is not None)
    return f"https://{host}/_auth/{path}?{query}"


ELSEWHERE = ["https://evil.example/", "https://git.example.org/", "https://wiki.example.com/", "https://a.wild.example.net/", "//evil.example/",
             "https://wiki.example.org@evil.example/", "https://wiki.example.org.evil.example/", "https://wiki.example.org\\@evil.example/",
             "https://WIKI.example.org/", "https://wiki.example.org/a/../b", "https://wiki.example.org/%0d%0a", "http://wiki.example.org/", "/x", "", None,
             "javascript:alert(1)", "https://wiki.example.org/" + "x" * 4096]


@pytest.mark.parametrize("asked", ELSEWHERE, ids=range(len(ELSEWHERE)))
def test_lesson_7_a_hand_over_begins_for_a_page_of_its_own_host_alone(web, asked):
    page = web.ask("GET", at("start", asked))
    assert (page.status, page.location) == (303, PORTAL + "/"), page
    assert not page.headers.get_all("Set-Cookie")


@pytest.mark.parametrize("asked", [url for url in ELSEWHERE if url != "https://git.example.org/"])
def test_lesson_7_the_portal_hands_over_to_named_hosts_of_its_domains_alone(logged_in, asked):
    page = logged_in.ask("GET", at("hand-over", asked, "auth.example.com", nonce="A" * 43))
    assert (page.status, page.location) == (303, PORTAL + "/"), page


@pytest.mark.parametrize("nonce", [None, "", "x", "A" * 42, "A" * 44, "B" * 43, "\0" * 43])
def test_without_the_hash_of_a_nonce_there_is_no_code(logged_in, nonce):
    page = logged_in.ask("GET", at("hand-over", WIKI, "auth.example.com", nonce=nonce))
    assert (page.status, page.location) == (303, PORTAL + "/"), page


@pytest.mark.parametrize("host", ["auth.example.com", "wiki.example.com", "outside.example.edu", "a.wild.example.net", "none.example.org", "evil.example",
                                  "open.example.org.evil.example"])
def test_a_host_without_a_rule_below_the_domains_has_no_hand_over(web, host):
    """Its own rule, and one of portal.other_domains."""
    page = web.ask("GET", at("start", f"https://{host}/", host))
    assert page.status == 404 and NONCE not in web.jar(host), page


@pytest.mark.parametrize("spelling", ["WIKI.Example.ORG", "wiki.example.org.", "wiki.example.org:443", "wiki.example.org:8443"])
def test_the_host_of_the_request_is_made_canonical(home, spelling):
    page = Web(home).ask("GET", at("start", WIKI, spelling))
    assert page.status == 303 and page.location.startswith(PORTAL + "/hand-over?nonce=")


@pytest.mark.parametrize("spelling", ["wiki.example.org:x", "wiki.example.org/", "wiki.example.org, evil.example", "wiki%2eexample.org", ""])
def test_what_is_no_host_has_no_hand_over(home, spelling):
    url = f"http://127.0.0.1:{home.port}/_auth/start?return_to={quote(WIKI, safe='')}"
    answer = services.call(url, headers=[("X-Forwarded-Host", spelling), ("Accept", HTML)])
    assert answer.status == 404 or answer.headers["Location"] == PORTAL + "/", answer.body


def test_only_a_trusted_proxy_may_name_another_host_than_the_requests_own(install):
    home = install(portal={"other_domains": ["b.localhost", "c.localhost"], "factors": ["password"]},
                   access=[{"host": host, "public": True} for host in ("b.localhost", "c.localhost")])
    home.serve()

    def start(host, *more):
        connection = h2client.connect("127.0.0.1", home.port, services.PATIENCE)
        connection.putrequest("GET", "/_auth/start?return_to=" + quote(f"http://{host}/", safe=""), skip_host=True)
        for name, value in [("Host", "b.localhost"), *more]:
            connection.putheader(name, value)
        connection.endheaders()
        answer = services.Answer(connection.getresponse())
        connection.close()
        return answer

    assert start("b.localhost").headers["Location"].startswith(f"{home.base}/hand-over?nonce="), "Host is read"
    assert start("c.localhost", ("X-Forwarded-Host", "c.localhost")).headers["Location"] == home.base + "/"


def test_100_cookies(logged_in, ana):
    for host in ("auth.example.com", "wiki.example.org"):
        logged_in.jar(host).update({f"cardea_{n}": "x" * 20 for n in range(100)})
    logged_in.jar("wiki.example.org")[NONCE] = "garbage"
    page = logged_in.get(WIKI)
    assert (page.url, page.headers["Remote-User"]) == (WIKI, ana.name)


# ---- what else there is on such a host


@pytest.mark.parametrize("path", ["/_auth/", "/_auth/login?return_to=%2Fx", "/_auth/me", "/_auth/register", "/_auth/totp", "/_auth/hand-over?nonce=x"])
def test_other_pages_are_the_portals(web, path):
    page = web.ask("GET", "https://wiki.example.org" + path)
    assert (page.status, page.location) == (303, "https://auth.example.com" + path), page
    assert not page.headers.get_all("Set-Cookie")


def test_forms_are_the_portals(web, ana):
    page = web.ask("POST", "https://wiki.example.org/_auth/login", b"username=x", [("Content-Type", "application/x-www-form-urlencoded")])
    assert page.status == 404, page


def test_the_styles_of_its_pages_are_there(web):
    assert web.ask("GET", "https://wiki.example.org/_auth/style.css").status == 200


def test_without_other_domains_nothing_is_handed_over(install):
    home = install(portal={key: value for key, value in SETTINGS.items() if key != "other_domains"}, access=RULES, trusted_proxies=["127.0.0.1"])
    home.server = home.serve()
    web = Web(home)
    assert web.ask("GET", WIKI).location.startswith(PORTAL + "/login")
    assert web.ask("GET", at("start", WIKI)).status == 404
    assert web.ask("GET", at("finish", WIKI, code="A" * 43)).status == 404


# ---- a browser that keeps no cookie


def test_lesson_25_a_browser_that_does_not_keep_the_nonce_is_told_so(home, ana):
    web = Web(home)
    web.keeps = lambda host, name: host != "wiki.example.org"
    page = log_in(web, ana)
    assert page.status == 400 and MISSING in page.text and NONCE in page.text and "wiki.example.org" in page.text, page


def test_lesson_25_a_site_that_does_not_get_the_session_is_noticed(home, ana):
    """A proxy that keeps the cookie from the check, for example."""
    web = Web(home)
    web.keeps = lambda host, name: name != SITES
    page = log_in(web, ana)
    assert (page.status, page.path) == (400, "/_auth/hand-over") and MISSING in page.text, page
    assert SITES in page.text and "wiki.example.org" in page.text
    web.keeps = lambda host, name: True
    assert web.get(WIKI).headers["Remote-User"] == ana.name, "it may try again"


def test_lesson_25_a_browser_that_does_not_keep_the_portals_cookie_is_told_so(home, ana):
    web = Web(home)
    web.keeps = lambda host, name: name != SESSION
    page = log_in(web, ana)
    assert (page.status, page.path) == (400, "/_auth/login") and MISSING in page.text, page
    assert "auth.example.com" in page.text


def test_lesson_25_the_cookie_of_https_is_not_kept_over_http(install):
    rules = [{"host": "b.localhost", "allow": {"groups": ["staff"]}}]
    home = install(portal={"url": "https://localhost/_auth", "other_domains": ["b.localhost"], "factors": ["password"]}, access=rules,
                   trusted_proxies=["127.0.0.1"])
    home.server = home.serve()
    web, fay = Web(home, "https://localhost/_auth"), add_person(home, has_totp=False, flags=("--group", "staff"))
    page = web.get("/login?return_to=" + quote("http://b.localhost/", safe=""))
    page = web.submit(page, "/login", username=fay.name, password=fay.password)
    assert page.status == 400 and "over http" in page.text, page
    web.jar("b.localhost").clear()
    page = web.ask("GET", "http://b.localhost/_auth/finish?code=" + "A" * 43)
    assert page.status == 400 and "over http" in page.text, page


# ---- many at once


def test_of_50_that_use_one_code_one_gets_the_session(home, logged_in):
    url = logged_in.walk(WIKI, "/finish")
    with ThreadPoolExecutor(50) as pool:
        pages = list(pool.map(lambda _: logged_in.ask("GET", url), range(50)))
    assert sorted(page.status for page in pages).count(303) == 1
    assert {page.status for page in pages} <= {303, 400, 503}


def test_me_is_the_same_user(logged_in, ana):
    logged_in.get(WIKI)
    assert me(logged_in.get("/me", headers=[("Accept", "application/json")]))["user"] == ana.name
