"""Traefik and Envoy, which Debian does not have: what `cardea proxy-config` prints for them, read as they read it, with the requests that they
send to the check, against a real server."""
import http.client
import re
import urllib.parse

import pytest
import yaml
from services import Answer, call

from .installation import Installation
from .proxies import printed

WIKI = "wiki.example.com"
BROWSER = [("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate")]
UPGRADE = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
SPELLINGS = ["Remote-User", "remote-user", "REMOTE-USER", "Remote_User", "remote_user"]
ALLOWED = object()


@pytest.fixture(scope="module")
def cardea(tmp_path_factory):
    running = Installation(tmp_path_factory.mktemp("recorded") / "cardea")
    yield running
    running.stop()


class Traefik:
    """The middleware forwardAuth of Traefik 2 and 3."""

    def __init__(self, cardea):
        self.site = yaml.safe_load(printed("traefik", "--host", WIKI, "--config", cardea.config))["http"]
        self.middleware = yaml.safe_load(printed("traefik", "--include", "--config", cardea.config))["http"]["middlewares"]
        router = self.site["routers"]["wiki-example-com"]
        assert router["rule"] == f"Host(`{WIKI}`)" and router["middlewares"] == ["cardea@file"]
        self.auth = self.middleware["cardea"]["forwardAuth"]

    def ask(self, method, target, headers):
        """(answer, None) or (ALLOWED, the headers that the application gets)."""
        assert self.auth["trustForwardHeader"] is False and "authRequestHeaders" not in self.auth
        forwarded = {"x-forwarded-method": method, "x-forwarded-proto": "https", "x-forwarded-host": WIKI, "x-forwarded-uri": target,
                     "x-forwarded-for": "192.0.2.7"}
        hop = {"connection", "upgrade", "te", "trailer", "transfer-encoding", "keep-alive"}
        sent = [(n, v) for n, v in headers if n.lower() not in hop and n.lower() not in forwarded]
        answer = call(self.auth["address"], "GET", [*sent, *forwarded.items()])
        if answer.status < 200 or answer.status >= 300:
            return answer, None
        names = [name.lower() for name in self.auth["authResponseHeaders"]]
        pattern = re.compile(self.auth["authResponseHeadersRegex"])
        kept = [(n, v) for n, v in headers if n.lower() not in names and not pattern.match(n)]
        return ALLOWED, kept + [(n, v) for n, v in answer.headers.items() if n.lower() in names or pattern.match(n)]


class Envoy:
    """The filter ext_authz with an HTTP service."""

    def __init__(self, cardea):
        manager, clusters = yaml.safe_load_all(printed("envoy", "--include", "--config", cardea.config))
        site, own = yaml.safe_load_all(printed("envoy", "--host", WIKI, "--config", cardea.config))
        assert site["virtual_hosts"][0]["domains"] == [WIKI] and own["clusters"][0]["name"] == "wiki-example-com"
        assert [manager[name] for name in ("normalize_path", "merge_slashes", "path_with_escaped_slashes_action")] == [True, True, "REJECT_REQUEST"]
        assert manager["common_http_protocol_options"]["headers_with_underscores_action"] == "DROP_HEADER"
        self.filter = manager["http_filters"][0]["typed_config"]
        assert self.filter["failure_mode_allow"] is False
        address = clusters["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]
        self.address = address["address"], address["port_value"]
        assert self.filter["http_service"]["server_uri"]["uri"] == "http://{}:{}".format(*self.address)

    @staticmethod
    def names(patterns):
        return {pattern["exact"].lower() for pattern in patterns["patterns"] if pattern["ignore_case"]}

    def ask(self, method, target, headers):
        headers = [(n.lower(), v) for n, v in headers if "_" not in n and n.lower() not in ("x-forwarded-proto", "x-forwarded-for")]
        headers += [("x-forwarded-proto", "https"), ("x-forwarded-for", "192.0.2.7")]  # use_remote_address
        service = self.filter["http_service"]
        allowed = self.names(self.filter["allowed_headers"]) | {"authorization"}
        sent = [(n, v) for n, v in headers if n in allowed]
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        connection.putrequest(method, service["path_prefix"] + target, skip_host=True, skip_accept_encoding=True)
        for name, value in [("Host", WIKI), ("Content-Length", "0"), *sent]:
            connection.putheader(name, value)
        connection.endheaders()
        answer = Answer(connection.getresponse())
        connection.close()
        if answer.status != 200:
            client = self.names(service["authorization_response"]["allowed_client_headers"])
            for name in set(answer.headers.keys()):
                if name.lower() not in client:
                    del answer.headers[name]
            return answer, None
        names = self.names(service["authorization_response"]["allowed_upstream_headers"])
        answered = [(n.lower(), v) for n, v in answer.headers.items() if n.lower() in names]
        return ALLOWED, [(n, v) for n, v in headers if n not in dict(answered)] + answered


@pytest.fixture(scope="module", params=[Traefik, Envoy], ids=lambda proxy: proxy.__name__.lower())
def proxy(request, cardea):
    return request.param(cardea)


def portal_of(proxy, cardea):
    return list(yaml.safe_load_all(printed(proxy, "--host", "auth.example.com", "--config", cardea.config)))


def test_traefik_leads_from_the_portals_host_to_the_portal(cardea):
    http = portal_of("traefik", cardea)[0]["http"]
    assert all(router["tls"] == {} and router["rule"].startswith("Host(`auth.example.com`) && ") for router in http["routers"].values())
    assert {router["rule"].split(" && ", 1)[1]: router.get("middlewares") for router in http["routers"].values()} == {
        "PathPrefix(`/_auth/`) && !PathPrefix(`/_auth/check/`)": None, "Path(`/`)": ["auth-example-com-home"],
        "Path(`/.well-known/change-password`)": ["auth-example-com-password"]}
    targets = {name: middleware["redirectRegex"] for name, middleware in http["middlewares"].items()}
    assert [re.sub(target["regex"], target["replacement"], "https://auth.example.com/x?y", count=1) for target in targets.values()] == [
        "https://auth.example.com/_auth/", "https://auth.example.com/_auth/password"]


def test_envoy_leads_from_the_portals_host_to_the_portal(cardea):
    routes = portal_of("envoy", cardea)[0]["virtual_hosts"][0]["routes"]
    found = {next(iter(route["match"].values())): route for route in routes}
    assert list(found) == ["/_auth/check/", "/_auth/", "/", "/.well-known/change-password"]
    for path, target in (("/", "/_auth/"), ("/.well-known/change-password", "/_auth/password")):
        assert found[path]["match"] == {"path": path}
        assert found[path]["redirect"] == {"path_redirect": target, "response_code": "FOUND"}
        assert found[path]["typed_per_filter_config"]["envoy.filters.http.ext_authz"]["disabled"] is True  # it needs no login


def values(headers, name):
    return [v for n, v in headers if n.lower().replace("_", "-") == name.lower() and v]


@pytest.mark.parametrize("target", ["/", "/a%20b?x=1&y=%C3%BC&z=100%25"])
def test_a_browser_is_sent_to_the_login_page_and_would_come_back(proxy, target):
    answer, _ = proxy.ask("GET", target, BROWSER)
    assert answer.status == 302
    page, _, query = answer.headers["Location"].partition("?")
    assert page == "https://auth.example.com/_auth/login"
    assert urllib.parse.parse_qs(query) == {"return_to": [f"https://{WIKI}{target}"]}


def test_a_program_gets_401_and_json(proxy):
    answer, _ = proxy.ask("GET", "/", [("Accept", "application/json")])
    assert answer.status == 401 and answer.json()["error"] == "login_required"
    assert answer.headers["Content-Type"].startswith("application/json")


def test_a_user_is_let_through_and_another_is_not(proxy, cardea):
    allowed, headers = proxy.ask("POST", "/x", [("Cookie", cardea.cookie("ana"))])
    assert allowed is ALLOWED and values(headers, "Remote-User") == ["ana"] and values(headers, "Remote-Groups") == ["staff"]
    assert proxy.ask("GET", "/x", [("Cookie", cardea.cookie("bob"))])[0].status == 403


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_lesson_4_a_forged_user_header_never_reaches_the_application(proxy, cardea, spelling):
    _, headers = proxy.ask("GET", "/x", [("Cookie", cardea.cookie("ana")), (spelling, "admin"), (spelling, "root")])
    assert values(headers, "Remote-User") == ["ana"]


@pytest.mark.parametrize("name", ["X-Forwarded-Uri", "X-Forwarded-Host", "X-Original-URL", "X-Forwarded-Proto"])
def test_lesson_1_a_client_cannot_say_for_which_page_it_asks(proxy, name):
    answer, _ = proxy.ask("GET", "/secret", [*BROWSER, (name, "http://docs.example.com/public/x")])
    assert answer.headers["Location"].endswith("return_to=https%3A%2F%2Fwiki.example.com%2Fsecret")


def test_lesson_6_the_application_gets_other_cookies_and_credentials_but_not_ours(proxy, cardea):
    _, headers = proxy.ask("GET", "/x", [("Cookie", f"a=1; {cardea.cookie('ana')}; b=2"), ("Authorization", "Bearer x"), ("X-Api-Key", "k")])
    assert values(headers, "Cookie") == ["a=1; b=2"]
    assert values(headers, "Authorization") == ["Bearer x"] and values(headers, "X-Api-Key") == ["k"]
    _, headers = proxy.ask("GET", "/x", [("Cookie", cardea.cookie("ana"))])
    assert "cardea_session" not in str(headers)


def test_lesson_8_a_web_socket_needs_a_login_and_the_sites_own_origin(proxy, cardea):
    own, cookie = [*UPGRADE, ("Origin", f"https://{WIKI}")], ("Cookie", cardea.cookie("ana"))
    assert proxy.ask("GET", "/x", [*own, cookie])[0] is ALLOWED
    assert proxy.ask("GET", "/x", own)[0].status == 401
    assert proxy.ask("GET", "/x", [*UPGRADE, ("Origin", "https://evil.example"), cookie])[0].status == 403
