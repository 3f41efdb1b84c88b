"""cardea access test, and what cardea check says of the rules."""
import pytest

from .administration import PASSWORD, Installation
from .commands import run

RULES = """\
portal:
  url: https://auth.example.com/_auth
  cookie_domain: example.com
access:
  - { host: wiki.example.com, allow: { groups: [staff] } }
  - { host: grafana.example.com, path: /api/health, public: true }
  - { host: grafana.example.com, allow: { users: [ana], factors: 2, networks: [10.0.0.0/8], max_age: 8h } }
  - { host: "*.example.com", allow: { groups: [admins] } }
"""
ALLOWED, USAGE, NOT_FOUND, REFUSED = 0, 2, 3, 5


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    path = tmp_path_factory.mktemp("access") / "rules.yaml"
    path.write_text(RULES)
    return path


def details(done):
    return {line[:12].strip(): line[13:] for line in done.stdout.splitlines()}


def tried(rules, *words):
    """(exit code, the details that were shown)."""
    done = run("access", "test", "--config", rules, *words)
    assert done.stderr == "", done.stderr
    return done.returncode, details(done)


def test_the_example_of_the_issue_is_allowed_by_its_group(rules):
    code, shown = tried(rules, "--host", "wiki.example.com", "--path", "/x", "--user", "ana", "--group", "staff")
    assert (code, shown) == (ALLOWED, {"outcome": "allow", "rule": f"access[0] ({rules}:5)",
                                       "reason": "user ana is in the group staff"})


@pytest.mark.parametrize("words, outcome, rule, reason", [
    (["--host", "wiki.example.com", "--user", "ana"], "deny", 0, "user ana is in none of its groups (staff)"),
    (["--host", "WIKI.example.com.:8443", "--user", "ana", "--group", "x", "--group", "staff"], "allow", 0,
     "user ana is in the group staff"),
    (["--host", "grafana.example.com", "--path", "/api/health"], "allow", 1, "the path is public"),
    (["--host", "grafana.example.com", "--method", "POST", "--path", "/api/health"], "allow", 1, "the path is public"),
    (["--host", "grafana.example.com"], "deny", 2, "the client's address is not known, and the rule has networks"),
    (["--host", "grafana.example.com", "--address", "192.0.2.1"], "deny", 2, "192.0.2.1 is in none of the rule's networks"),
    (["--host", "grafana.example.com", "--address", "10.0.0.1", "--user", "ana"], "allow", 2,
     "user ana is one of the rule's users"),
    (["--host", "grafana.example.com", "--address", "10.0.0.1", "--user", "Ana", "--age", "8h"], "allow", 2,
     "user ana is one of the rule's users"),
    (["--host", "example.org"], "deny", None, "no rule has this host and path"),
    (["--host", "grafana.example.com", "--path", "/a%2fb"], "deny", None,
     "the path is not canonical, and rules of this host name paths"),
    (["--host", "grafana.example.com", "--path", "/api/../api/health"], "deny", None,
     "the path is not canonical, and rules of this host name paths; canonical is /api/health"),
    (["--host", "wiki.example.com", "--path", "/a%2fb", "--user", "ana", "--group", "staff"], "allow", 0,
     "user ana is in the group staff"),
])
def test_what_decides_and_why(rules, words, outcome, rule, reason):
    code, shown = tried(rules, *words)
    name = "none" if rule is None else f"access[{rule}] ({rules}:{5 + rule})"
    assert shown == {"outcome": outcome, "rule": name, "reason": reason}
    assert code == (ALLOWED if outcome == "allow" else REFUSED)


@pytest.mark.parametrize("words, outcome, reason, returns", [
    (["--host", "wiki.example.com", "--path", "/x"], "log in", "nobody is logged in", "https://wiki.example.com/x"),
    (["--host", "grafana.example.com", "--address", "10.0.0.1", "--user", "ana", "--factors", "1"], "step up",
     "the login has 1 factor, and the rule needs 2", "https://grafana.example.com/"),
    (["--host", "grafana.example.com", "--address", "10.0.0.1", "--user", "ana", "--age", "9h"], "step up",
     "the login is 9h old, and the rule accepts 8h", "https://grafana.example.com/"),
    (["--host", "files.example.com", "--path", "/x"], "log in", "nobody is logged in",
     "https://auth.example.com/_auth/, since https://files.example.com/x has a host without an access rule of its own"),
])
def test_a_login_comes_first_and_says_where_it_returns_to(rules, words, outcome, reason, returns):
    code, shown = tried(rules, *words)
    assert (code, shown["outcome"], shown["reason"], shown["returns to"]) == (REFUSED, outcome, reason, returns)


@pytest.mark.parametrize("url, host, returns", [
    ("http://localhost:8080", "localhost", "http://localhost:8080/x"),
    ("http://localhost:8080", "LOCALHOST", "http://localhost:8080/x"),
    ("http://localhost:8080", "localhost:9000", "http://localhost:9000/x"),
    ("http://[::1]", "[::1]:9000", "http://[::1]:9000/x"),
    ("http://127.0.0.1", "localhost", "http://localhost/x"),
    ("https://localhost:8443", "localhost", "https://localhost:8443/x"),
    ("https://auth.example.com:8443", "localhost", "https://localhost/x"),
])
def test_a_login_returns_by_the_scheme_of_the_portal_and_to_the_port_that_is_known(config, url, host, returns):
    path = config(f"portal: {{ url: '{url}/_auth' }}\naccess:\n  - {{ host: localhost, allow: {{ factors: 1 }} }}\n"
                  "  - { host: '[::1]', allow: { factors: 1 } }\n")
    code, shown = tried(path, "--host", host, "--path", "/x")
    assert (code, shown["outcome"], shown["returns to"]) == (REFUSED, "log in", returns)


@pytest.mark.parametrize("words, said", [
    ([], "--host HOST is missing; see: cardea help access test"),
    (["--host", "a/b"], "--host: is not a host; write it as in wiki.example.com"),
    (["--host", "a", "--path", "/x?y"], "--path: has a query, which no rule looks at; leave it out"),
    (["--host", "a", "--address", "10.0.0.0/8"], "--address: is not an address; write it as in 192.0.2.1 or 2001:db8::1"),
    (["--host", "a", "--group", "staff"], "--group, --factors and --age are of a user: --user NAME"),
    (["--host", "a", "--user", "ana", "--factors", "3"], "--factors: must be 1 to 2"),
    (["--host", "a", "--user", "ana", "--age", "long"],
     "--age: must be a duration such as 250ms, 5s, 10m, 1h or 7d"),
    (["--host", "a", "--user", "a b"],
     "--user: byte 2 of the user name is not allowed; use letters a-z, digits and . _ - @ +"),
    (["--host", "a", "extra"], 'unexpected argument "extra"; see: cardea help access test'),
])
def test_a_wrong_command_line_is_refused_by_name(rules, words, said):
    done = run("access", "test", "--config", rules, *words)
    assert (done.returncode, done.stdout, done.stderr) == (USAGE, "", f"cardea access test: {said}\n")


def test_without_a_configuration_there_are_no_rules():
    done = run("access", "test", "--host", "a")
    assert (done.returncode, done.stderr) == (USAGE, "cardea access test: there is no configuration; name it with --config FILE or $CARDEA_CONFIG, or "
                                              "write ./cardea.yaml or /etc/cardea/cardea.yaml\n")


def test_every_error_of_the_configuration_is_shown(config):
    path = config("access:\n  - { host: A.example.com, public: true }\n  - { host: 'b:80', public: true }\n")
    done = run("access", "test", "--config", path, "--host", "a.example.com")
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr.splitlines() == [
        f'cardea access test: {path}:2:13: access[0].host: "A.example.com" is not the canonical form of the host; write '
        "a.example.com",
        f"cardea access test: {path}:3:13: access[1].host: has a port: a rule is for all ports of its host; write b"]


def test_check_shows_the_rules_and_the_portal(rules):
    lines = run("check", "--config", rules).stdout.splitlines()
    assert f"ok    {rules}:2:8: portal.url: https://auth.example.com/_auth" in lines
    assert f"ok    {rules}:5:3: access: 4 rules" in lines
    assert lines[-1].startswith("0 errors")


def test_check_refuses_a_public_suffix_as_the_domain_of_the_cookie(config):
    path = config("portal: { url: 'https://auth.example.co.uk/_auth', cookie_domain: co.uk }\n")
    done = run("check", "--config", path)
    assert done.returncode == USAGE
    assert (f"error {path}:1:67: portal.cookie_domain: co.uk is a public suffix: browsers refuse a cookie for it; name a "
            "domain of your own, or leave it out") in done.stdout.splitlines()


def test_the_most_rules_that_a_file_may_have_are_checked_and_tried(config):
    def rules(count):
        return "access:\n" + "".join(f"  - {{ host: h{i}.example.com, public: true }}\n" for i in range(count))

    path = config(rules(4000))
    code, shown = tried(path, "--host", "h3999.example.com")
    assert (code, shown["rule"]) == (ALLOWED, f"access[3999] ({path}:4001)")
    done = run("check", "--config", config(rules(4001)))
    assert done.returncode == USAGE and ": access: has too many items (at most 4000)\n" in done.stdout


# --- with a store -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def auth(tmp_path_factory):
    made = Installation(tmp_path_factory.mktemp("stored") / "auth")
    with open(made.config, "a") as file:
        file.write(RULES)
    made.add_user("ana", PASSWORD)
    return made


def test_the_user_must_be_in_the_store(auth):
    words = "access", "test", "--host", "wiki.example.com", "--group", "staff", "--user"
    assert details(auth.run(*words, "ANA", check=ALLOWED))["reason"] == "user ana is in the group staff"
    done = auth.run(*words, "bo", check=NOT_FOUND)
    assert (done.stdout, done.stderr) == ("", "cardea access test: there is no user \"bo\"\n")


def test_groups_are_those_of_the_store_and_of_the_command_line(auth):
    auth.add_user("dee", PASSWORD, "--group", "staff")
    words = "access", "test", "--user", "dee", "--host"
    assert details(auth.run(*words, "wiki.example.com", check=ALLOWED))["reason"] == "user dee is in the group staff"
    auth.run(*words, "git.example.com", check=REFUSED)
    auth.run(*words, "git.example.com", "--group", "admins", check=ALLOWED)
    done = auth.run(*words, "git.example.com", "--group", "a b", check=USAGE)
    assert done.stderr.startswith("cardea access test: --group: ")


def test_a_user_who_is_disabled_is_not_logged_in(auth):
    auth.add_user("cy", PASSWORD)
    auth.run("user", "disable", "cy", check=0)
    shown = details(auth.run("access", "test", "--host", "wiki.example.com", "--user", "cy", "--group", "staff", check=REFUSED))
    assert (shown["outcome"], shown["reason"]) == ("log in", "user cy is disabled and cannot log in")
    assert details(auth.run("access", "test", "--host", "grafana.example.com", "--path", "/api/health", "--user", "cy",
                            check=ALLOWED))["reason"] == "the path is public"


def test_lesson_40_without_a_user_no_store_is_opened(auth, tmp_path):
    text = auth.config.read_text()
    path = auth.folder / "moved.yaml"
    path.write_text(text.replace("sqlite:", "sqlite:not-there/"))
    try:
        assert tried(path, "--host", "grafana.example.com", "--path", "/api/health")[0] == ALLOWED
        done = run("access", "test", "--config", path, "--host", "a.example.com", "--user", "ana")
        assert done.returncode != ALLOWED and "store" in done.stderr
    finally:
        path.unlink()


BEARER = """\
issuer: https://auth.example.com
scopes: [read, write]
access:
  - { host: api.example.com, methods: [GET], allow: { groups: [staff] }, bearer: { audience: "https://api.example.com", scope: read write } }
  - { host: only.example.com, bearer: { audience: "https://api.example.com" } }
"""
AUDIENCE = ["--audience", "https://api.example.com"]


@pytest.mark.parametrize("words, outcome, rule, reason", [
    (["--host", "api.example.com", *AUDIENCE, "--scope", "write read"], "allow", 0, "the access token has the audience and the scope of the rule"),
    (["--host", "api.example.com", *AUDIENCE, "--scope", "read"], "log in", 0,
     "nobody is logged in, and the access token does not have the scope write"),
    (["--host", "api.example.com", "--audience", "x"], "log in", 0,
     "nobody is logged in, and the access token is for another audience than https://api.example.com"),
    (["--host", "api.example.com"], "log in", 0, "nobody is logged in, and there is no valid access token"),
    (["--host", "api.example.com", *AUDIENCE, "--scope", "read", "--user", "ana", "--group", "staff"], "allow", 0,
     "user ana is in the group staff"),
    (["--host", "api.example.com", *AUDIENCE, "--scope", "read write", "--method", "POST"], "deny", 0, "POST is none of the rule's methods (GET)"),
    (["--host", "only.example.com", *AUDIENCE], "allow", 1, "the access token has the audience and the scope of the rule"),
    (["--host", "only.example.com", "--user", "ana"], "deny", 1, "the rule accepts access tokens only, and there is no valid one"),
])
def test_access_tokens_are_a_second_way_in(tmp_path, words, outcome, rule, reason):
    path = tmp_path / "bearer.yaml"
    path.write_text(BEARER)
    code, shown = tried(path, *words)
    assert shown == {"outcome": outcome, "rule": f"access[{rule}] ({path}:{4 + rule})", "reason": reason}
    assert code == (ALLOWED if outcome == "allow" else REFUSED)


def test_a_scope_without_an_audience_is_a_wrong_command_line(rules):
    done = run("access", "test", "--config", rules, "--host", "wiki.example.com", "--scope", "read")
    assert done.returncode == USAGE and "--scope is of an access token: --audience AUDIENCE" in done.stderr


def test_check_refuses_a_bearer_without_an_issuer(tmp_path):
    path = tmp_path / "bearer.yaml"
    path.write_text(BEARER.replace("issuer: https://auth.example.com\n", ""))
    done = run("check", "--config", path)
    assert done.returncode != 0 and "access[0].bearer: needs issuer, which is not set" in done.stdout + done.stderr
