"""What the server really answers is what docs/openapi.yaml says: status, headers, type and body of each endpoint."""
import base64
import http.client
import json
import pathlib
import re

import pytest
import yaml
from jsonschema import Draft202012Validator

import services
from installation import APP, WATCH

ROOT = pathlib.Path(__file__).resolve().parents[3]
API = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text())
PASSWORD = "horse battery staple"
WIKI = "https://wiki.example.com/"
METHODS = {"get", "post", "options"}


@pytest.fixture(scope="module")
def home(install_module):
    home = install_module(portal={"factors": ["password"]}, trusted_proxies=["127.0.0.1"],
                          lockout={"account_attempts": 2, "address_attempts": 1000000, "delay": "1h", "max_delay": "1h"},
                          access=[{"host": "wiki.example.com", "path": "/open/", "public": True},
                                  {"host": "wiki.example.com", "allow": {"groups": ["staff"]}}])
    for name in ("ana", "bo"):
        home.add_user(name, PASSWORD)
    home.serve()
    return home


def basic(name, password):
    return ("Authorization", "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode())


def client(home, name):
    return basic(*home.clients[name])


def token_of(home):
    answer = services.call(home.issuer + "/oauth/token", "POST", [client(home, APP)], {"grant_type": "client_credentials"})
    home.note_secret(answer.json()["access_token"])
    return answer.json()["access_token"]


def session_of(home):
    browser = home.browser()
    assert browser.submit(browser.get("/login"), username="ana", password=PASSWORD).status == 200
    return browser


def of_nginx(url):
    return [("X-Original-Method", "GET"), ("X-Original-URL", url)]


def of_forward(path, *more):
    return [("X-Forwarded-Method", "GET"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "wiki.example.com"), ("X-Forwarded-Uri", path),
            *more]


def lock(home, path, form=None):
    """The third wrong password of bo."""
    return [call(home, "POST" if form else "GET", path, [client(home, APP)] if form else [basic("bo", "wrong")], form) for _ in range(3)][-1]


def call(home, method, path, headers=(), form=None):
    return services.call(home.issuer + path, method, headers, form)


def ask_as_host(home, path, host):
    connection = http.client.HTTPConnection("127.0.0.1", home.port, timeout=services.PATIENCE)
    connection.request("GET", path, headers={"Host": host})
    answer = services.Answer(connection.getresponse())
    connection.close()
    return answer


BROWSER = [("Accept", "text/html")]
CASES = {  # (path of the document, method, status): the call
    ("/oauth/token", "post", 200): lambda h: call(h, "POST", "/oauth/token", [client(h, APP)], {"grant_type": "client_credentials"}),
    ("/oauth/token", "post", 400): lambda h: call(h, "POST", "/oauth/token", [client(h, APP)], {"grant_type": "none"}),
    ("/oauth/token", "post", 401): lambda h: call(h, "POST", "/oauth/token", [basic(APP, "wrong")], {"grant_type": "client_credentials"}),
    ("/oauth/token", "post", 415): lambda h: call(h, "POST", "/oauth/token", [client(h, APP), ("Content-Encoding", "gzip")], {"grant_type": "x"}),
    ("/oauth/token", "post", 429): lambda h: lock(h, "/oauth/token", {"grant_type": "password", "username": "bo", "password": "wrong"}),
    ("/oauth/introspect", "post", 200): lambda h: call(h, "POST", "/oauth/introspect", [client(h, WATCH)], {"token": token_of(h)}),
    ("/oauth/introspect", "post", 400): lambda h: call(h, "POST", "/oauth/introspect", [client(h, WATCH)], {}),
    ("/oauth/introspect", "post", 401): lambda h: call(h, "POST", "/oauth/introspect", [basic(WATCH, "wrong")], {"token": "x"}),
    ("/oauth/revoke", "post", 200): lambda h: call(h, "POST", "/oauth/revoke", [client(h, APP)], {"token": token_of(h)}),
    ("/oauth/revoke", "post", 400): lambda h: call(h, "POST", "/oauth/revoke", [client(h, APP)], {}),
    ("/oauth/revoke", "post", 401): lambda h: call(h, "POST", "/oauth/revoke", [basic(APP, "wrong")], {"token": "x"}),
    ("/grant", "get", 200): lambda h: call(h, "GET", "/grant", [basic("ana", PASSWORD)]),
    ("/grant", "post", 200): lambda h: call(h, "POST", "/grant", [basic("ana", PASSWORD)], ""),
    ("/grant", "get", 401): lambda h: call(h, "GET", "/grant", [basic("nobody", PASSWORD)]),
    ("/grant", "get", 429): lambda h: lock(h, "/grant"),
    ("/.well-known/jwks.json", "get", 200): lambda h: call(h, "GET", "/.well-known/jwks.json"),
    ("/.well-known/jwks.json", "options", 204): lambda h: call(h, "OPTIONS", "/.well-known/jwks.json"),
    ("/.well-known/oauth-authorization-server", "get", 200): lambda h: call(h, "GET", "/.well-known/oauth-authorization-server"),
    ("/.well-known/oauth-authorization-server", "options", 204): lambda h: call(h, "OPTIONS", "/.well-known/oauth-authorization-server"),
    ("/.well-known/change-password", "get", 303): lambda h: call(h, "GET", "/.well-known/change-password"),
    ("/healthz", "get", 200): lambda h: call(h, "GET", "/healthz"),
    ("/readyz", "get", 200): lambda h: call(h, "GET", "/readyz"),
    ("/_auth/me", "get", 200): lambda h: session_of(h).get("/me"),
    ("/_auth/me", "get", 401): lambda h: call(h, "GET", "/_auth/me"),
    ("/_auth/check/nginx", "get", 200): lambda h: call(h, "GET", "/_auth/check/nginx", of_nginx(WIKI + "open/")),
    ("/_auth/check/nginx", "get", 401): lambda h: call(h, "GET", "/_auth/check/nginx", of_nginx(WIKI)),
    ("/_auth/check/nginx", "get", 403): lambda h: call(h, "GET", "/_auth/check/nginx", of_nginx("https://other.example.com/")),
    ("/_auth/check/forward", "get", 200): lambda h: call(h, "GET", "/_auth/check/forward", of_forward("/open/")),
    ("/_auth/check/forward", "get", 401): lambda h: call(h, "GET", "/_auth/check/forward", of_forward("/")),
    ("/_auth/check/forward", "get", 302): lambda h: call(h, "GET", "/_auth/check/forward", of_forward("/", *BROWSER)),
    ("/_auth/check/forward", "get", 403): lambda h: call(h, "GET", "/_auth/check/forward", BROWSER),
    ("/_auth/check/envoy/{path}", "get", 401): lambda h: ask_as_host(h, "/_auth/check/envoy/x", "wiki.example.com"),
}


def resolved(part):
    """A part of the document, or what it refers to."""
    while "$ref" in part:
        at = API
        for name in part["$ref"][2:].split("/"):
            at = at[name]
        part = at
    return part


def findings_of(value, schema):
    """What is wrong with a value, by a schema whose references begin at the document."""
    return [error.message for error in Draft202012Validator({**schema, "components": API["components"]}).iter_errors(value)]


def check_headers(response, answer):
    for name, header in response.get("headers", {}).items():
        header, value = resolved(header), answer.headers.get(name)
        assert value is not None or not header.get("required"), name
        assert value is None or findings_of(value, header["schema"]) == [], (name, value)


@pytest.mark.parametrize("path, method, status", CASES)
def test_an_answer_is_as_described(home, path, method, status):
    answer = CASES[path, method, status](home)
    assert answer.status == status, answer.body
    response = resolved(API["paths"][path][method]["responses"][str(status)])
    check_headers(response, answer)
    if "content" not in response:
        assert status in (200, 204, 302, 303) and answer.body == b""
        return
    kind = answer.headers["Content-Type"].split(";")[0]
    if kind == "application/json" or kind.endswith("+json"):
        assert findings_of(json.loads(answer.body), response["content"][kind]["schema"]) == []
    else:
        assert response["content"][kind]["schema"] == {"type": "string"}


def test_each_endpoint_is_asked_at_least_once_and_every_success():
    described = {(path, method) for path, item in API["paths"].items() for method in METHODS & set(item)}
    assert described == {(path, method) for path, method, _ in CASES}
    documented = {(path, method, int(status)) for path, method in described for status in API["paths"][path][method]["responses"]}
    assert set(CASES) <= documented
    assert len(CASES) >= 30


def test_the_fields_of_each_form_are_read(home):
    """A request with the fields of the document alone, and values of their schemas, is not malformed."""
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke"):
        schema = API["paths"][path]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
        given = {name: "x" for name in schema["properties"] if not re.match("client_", name)}
        answer = call(home, "POST", path, [client(home, APP)], given)
        assert answer.json().get("error") != "invalid_request", (path, answer.body)
        missing = call(home, "POST", path, [client(home, APP)], {name: "x" for name in given if name not in schema["required"]})
        assert missing.json()["error"] == "invalid_request", path
