"""cardea gate test, and what cardea check says of gate.routes."""
import json
import re
import subprocess

import pytest

from .administration import PASSWORD, Installation
from .commands import run

ROUTES = """\
portal:
  url: https://auth.example.com/_auth
  cookie_domain: example.com
gate:
  routes:
    - host: wiki.example.com
      upstream: uwsgi://127.0.0.1:3031
      allow: { groups: [staff] }
      public: [/assets/]
    - host: tools.example.com
      path: /old/
      upstream: unix:/run/old.sock
      strip_path: true
      allow: { users: [ana], factors: 2, methods: [GET, POST] }
    - host: grafana.example.com
      upstream: http://grafana.internal:3000
      allow: { factors: 1 }
      set_host: grafana.internal
      identity: { headers: { user: X-WEBAUTH-USER } }
    - { host: dav.example.com, upstream: "http://dav.internal", paths: opaque, allow: { factors: 1 } }
    - { host: closed.example.com, upstream: "http://closed.internal", maintenance: Back at noon, public: true }
access:
  - { host: other.example.com, public: true }
"""
ALLOWED, USAGE, NOT_FOUND, REFUSED = 0, 2, 3, 5


@pytest.fixture(scope="module")
def routes(tmp_path_factory):
    path = tmp_path_factory.mktemp("gate") / "routes.yaml"
    path.write_text(ROUTES)
    return path


def tried(routes, *words):
    """(exit code, the details that were shown, the lines of the request)."""
    done = run("gate", "test", "--config", routes, *words)
    assert done.stderr == "", done.stderr
    details, _, request = done.stdout.partition("\n\n")
    return done.returncode, {line[:12].strip(): line[13:] for line in details.splitlines()}, request.splitlines()


def test_a_request_over_http_is_shown_as_the_application_gets_it(routes):
    code, shown, request = tried(routes, "https://tools.example.com/old/x?y=1", "--user", "Ana", "--address", "192.0.2.1")
    assert code == ALLOWED
    assert shown == {"outcome": "allow", "route": "tools.example.com/old/", "rule": f"gate.routes[1] ({routes}:10)",
                     "reason": "user ana is one of the rule's users", "upstream": "unix:/run/old.sock"}
    assert request[:2] == ["GET /x?y=1 HTTP/1.1", "Host: tools.example.com"]
    assert {"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: tools.example.com", "Remote-User: ana",
            "Remote-Groups:", "Remote-Email:", "Remote-Name:"} < set(request)


def test_the_names_of_the_identity_and_the_host_are_those_of_the_route(routes):
    code, _, request = tried(routes, "http://grafana.example.com:8080/", "--user", "ana", "--group", "a", "--group", "b", "--method", "DELETE")
    assert code == ALLOWED and request[:2] == ["DELETE / HTTP/1.1", "Host: grafana.internal"]
    assert {"X-WEBAUTH-USER: ana", "Remote-Groups: a,b", "X-Forwarded-Host: grafana.example.com:8080", "X-Forwarded-Proto: http"} < set(request)
    assert "Remote-User: ana" not in request


def test_a_request_over_uwsgi_is_shown_as_variables(routes):
    code, shown, request = tried(routes, "https://wiki.example.com/a%C3%A4?q", "--user", "ana", "--group", "staff")
    assert (code, shown["upstream"]) == (ALLOWED, "uwsgi://127.0.0.1:3031")
    assert {"REQUEST_METHOD=GET", "REQUEST_URI=/a%C3%A4?q", "QUERY_STRING=q", "SERVER_PROTOCOL=HTTP/1.1", "HTTPS=on", "REMOTE_USER=ana",
            "AUTH_TYPE=session", "CARDEA_GROUPS=staff", "HTTP_HOST=wiki.example.com"} < set(request)


def test_nobody_is_told_of_on_a_public_path(routes):
    code, shown, request = tried(routes, "https://wiki.example.com/assets/x.css")
    assert (code, shown["reason"]) == (ALLOWED, "the path is public")
    assert {"REMOTE_USER=", "AUTH_TYPE=", "CARDEA_GROUPS=", "CARDEA_CLAIMS={}"} < set(request)


def test_json_has_the_same(routes):
    done = run("gate", "test", "--config", routes, "--json", "https://tools.example.com/old/", "--user", "ana")
    shown = json.loads(done.stdout)
    assert (shown["outcome"], shown["route"], shown["method"], shown["target"]) == ("allow", "tools.example.com/old/", "GET", "/")
    assert shown["headers"][0] == ["Host", "tools.example.com"] and ["Remote-User", "ana"] in shown["headers"]
    done = run("gate", "test", "--config", routes, "--json", "https://wiki.example.com/assets/")
    assert ["REMOTE_USER", ""] in json.loads(done.stdout)["variables"]
    done = run("gate", "test", "--config", routes, "--json", "https://wiki.example.com/")
    assert done.returncode == REFUSED
    assert json.loads(done.stdout) == {
        "outcome": "log in", "route": "wiki.example.com", "rule": f"gate.routes[0] ({routes}:6)", "reason": "nobody is logged in",
        "returns_to": "https://wiki.example.com/", "upstream": "uwsgi://127.0.0.1:3031"}


@pytest.mark.parametrize("words, outcome, rule, reason", [
    (["https://wiki.example.com/", "--user", "ana"], "deny", 0, "user ana is in none of its groups (staff)"),
    (["https://tools.example.com/old/", "--user", "ana", "--factors", "1"], "step up", 1, "the login has 1 factor, and the rule needs 2"),
    (["https://tools.example.com/old/", "--user", "ana", "--method", "PUT"], "deny", 1, "PUT is none of the rule's methods (GET, POST)"),
])
def test_a_request_that_is_not_let_in_reaches_no_application(routes, words, outcome, rule, reason):
    code, shown, request = tried(routes, *words)
    assert (code, shown["outcome"], shown["reason"], request) == (REFUSED, outcome, reason, [])
    assert shown["rule"].startswith(f"gate.routes[{rule}] ")


@pytest.mark.parametrize("url, answer", [
    ("https://tools.example.com/new/", "404: no route has this host and path"),
    ("https://nowhere.example.com/", "404: no route has this host and path"),
    ("https://wiki.example.com/a%2fb", "400: the path has no canonical form; a route with paths: opaque passes it on"),
    ("https://dav.example.com/a/%252e%252e/b", "400: the path has a dot segment"),
    ("https://closed.example.com/", "503: the route has maintenance"),
])
def test_what_the_client_gets_instead(routes, url, answer):
    code, shown, request = tried(routes, url, "--user", "ana", "--group", "staff")
    assert (code, shown["answer"], request) == (REFUSED, answer, [])


def test_lesson_2_what_is_judged_is_what_is_passed_on(routes):
    code, shown, request = tried(routes, "https://tools.example.com/x/../old/%61", "--user", "ana")
    assert (code, shown["route"], request[0]) == (ALLOWED, "tools.example.com/old/", "GET /a HTTP/1.1")
    code, shown, request = tried(routes, "https://dav.example.com/a%2fb;c/%61", "--user", "ana")
    assert (code, shown["route"], request[0]) == (ALLOWED, "dav.example.com", "GET /a%2fb;c/%61 HTTP/1.1")


def test_a_rule_of_a_route_is_tried_by_access_test_too(routes):
    done = run("access", "test", "--config", routes, "--host", "tools.example.com", "--path", "/old/x", "--user", "ana")
    assert done.returncode == ALLOWED and f"gate.routes[1] ({routes}:10)" in done.stdout


@pytest.mark.parametrize("words, said", [
    ([], "URL is missing; see: cardea help gate test"),
    (["wiki.example.com"], "the URL begins with neither https:// nor http://; write it as in https://wiki.example.com/start"),
    (["https://"], "the URL has no host; write it as in https://wiki.example.com/start"),
    (["https://a b/"], "the URL has no host; write it as in https://wiki.example.com/start"),
    (["https://wiki.example.com/#x"], "the URL has a #: browsers keep that part to themselves; write it as in https://wiki.example.com/start"),
    (["https://wiki.example.com/?a\"b"],
     "the URL has a character in its query that is not allowed there; write it as in https://wiki.example.com/start"),
    (["https://wiki.example.com/_auth/login"], "the URL has a path of Cardea's own: none below /_auth reaches an application"),
    (["https://other.example.com/"], "the URL has a host of access, not of gate.routes; see: cardea access test"),
    (["https://wiki.example.com/", "--factors", "1"], "--group, --factors and --age are of a user: --user NAME"),
    (["https://wiki.example.com/", "--address", "x"], "--address: is not an address; write it as in 192.0.2.1 or 2001:db8::1"),
    (["https://wiki.example.com/", "extra"], 'unexpected argument "extra"; see: cardea help gate test'),
])
def test_a_wrong_command_line_is_refused_by_name(routes, words, said):
    done = run("gate", "test", "--config", routes, *words)
    assert (done.returncode, done.stdout, done.stderr) == (USAGE, "", f"cardea gate test: {said}\n")


def test_a_route_of_a_whole_domain_leaves_the_portal_alone(tmp_path):
    path, route = tmp_path / "all.yaml", '    - { host: "*.example.com", upstream: "http://app", public: true }\n'
    path.write_text(ROUTES.partition("    - host")[0] + route)
    assert tried(path, "https://any.example.com/x")[0] == ALLOWED
    done = run("gate", "test", "--config", path, "https://auth.example.com/x")
    assert (done.returncode, done.stderr) == (
        USAGE, "cardea gate test: the URL has the host of portal.url, which is Cardea's own unless a route names it\n")


def test_without_a_configuration_there_are_no_routes():
    done = run("gate", "test", "https://a.example.com/")
    assert (done.returncode, done.stderr) == (USAGE, "cardea gate test: there is no configuration; name it with --config FILE or $CARDEA_CONFIG, or "
                                              "write ./cardea.yaml or /etc/cardea/cardea.yaml\n")


# --- with a store -----------------------------------------------------------------------------------------------------


def test_the_identity_is_that_of_the_store(tmp_path):
    auth = Installation(tmp_path / "auth")
    with open(auth.config, "a") as file:
        file.write(ROUTES)
    auth.add_user("ana", PASSWORD, "--group", "staff", "--email", "ana@example.com", "--display-name", "Ana Müller")
    lines = auth.run("gate", "test", "https://grafana.example.com/", "--user", "ANA", check=ALLOWED).stdout.splitlines()
    assert {"X-WEBAUTH-USER: ana", "Remote-Groups: staff", "Remote-Email: ana@example.com", "Remote-Name: Ana Müller"} < set(lines)
    done = auth.run("gate", "test", "https://grafana.example.com/", "--user", "bo", check=NOT_FOUND)
    assert done.stderr == 'cardea gate test: there is no user "bo"\n'


# --- cardea check -----------------------------------------------------------------------------------------------------


def test_check_shows_the_routes(routes):
    done = run("check", "--config", routes)
    assert f"ok    {routes}:6:5: gate.routes: 5 routes" in done.stdout.splitlines() and done.returncode == 0


ROUTE = "portal: {{ url: 'https://auth.example.com/_auth', cookie_domain: example.com }}\ngate:\n  routes:\n    - {{ host: a.example.com, {} }}\n"


@pytest.mark.parametrize("settings, finding", [
    ("upstream: 'ftp://x', allow: { factors: 1 }",
     'error gate.routes[0].upstream: "ftp://x" has none of the schemes that an upstream may have; write it as in '
     "http://127.0.0.1:3000, https://app.internal, unix:/run/app.sock, uwsgi://127.0.0.1:3031 or uwsgi+unix:/run/app.sock"),
    ("upstrem: 'http://x'", 'error unknown setting "gate.routes[0].upstrem"; did you mean "gate.routes[0].upstream"?'),
    ("upstream: 'http://x'", "warn  gate.routes[0]: has no allow: every user who can log in gets in; add allow, as in allow: { "
                             "groups: [staff] }"),
    ("upstream: 'https://x', public: true, tls: { ca: not-there.pem }",
     "error gate.routes[0].tls.ca: file FOLDER/not-there.pem does not exist"),
    ("upstream: 'https://x', public: true, tls: { ca: broken.pem }", "error gate.routes[0].tls.ca: contains no certificate (ASN1 lib)"),
    ("upstream: 'http://x', public: true, timeouts: { total: never }",
     "error gate.routes[0].timeouts.total: must be none, or a duration such as 250ms, 5s, 10m, 1h or 7d"),
])
def test_check_names_the_setting_the_cause_and_the_fix(config, settings, finding):
    path = config(ROUTE.format(settings))
    (path.parent / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    lines = [re.sub(rf"{re.escape(str(path))}:4:\d+: ", "", line) for line in run("check", "--config", path).stdout.splitlines()]
    assert finding.replace("FOLDER", str(path.parent)) in lines


def test_files_of_tls_are_relative_to_the_configuration(config, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                    "-keyout", tmp_path / "key.pem", "-out", tmp_path / "ca.pem"], check=True, capture_output=True)
    settings = "upstream: 'https://x', public: true, tls: { ca: ca.pem, certificate: ca.pem, key: key.pem }"
    path = config(ROUTE.format(settings))
    (tmp_path / "key.pem").chmod(0o600)
    assert run("check", "--config", path).returncode == 0
    (tmp_path / "key.pem").chmod(0o644)
    done = run("check", "--config", path)
    assert done.returncode == USAGE and "gate.routes[0].tls.key: is in a file that " in done.stdout


def test_lesson_40_what_only_the_server_reads_does_not_stop_a_command(tmp_path):
    """Neither the files of a route's TLS nor that of smtp."""
    auth = Installation(tmp_path / "auth")
    settings = ROUTE.format("upstream: 'https://x', public: true, tls: { ca: ca.pem, certificate: c.pem, key: k.pem }").partition("gate:")
    smtp = "smtp: { url: 'smtp://127.0.0.1:25', from: auth@example.com, ca_file: smtp.pem }\n"
    auth.config.write_text(auth.config.read_text() + smtp + settings[1] + settings[2])
    auth.run("user", "list", check=0)
    auth.run("gate", "test", "https://a.example.com/", check=ALLOWED)
    checked = auth.run("check", check=USAGE).stdout
    assert "gate.routes[0].tls.certificate: file " in checked and "smtp.ca_file: " in checked
