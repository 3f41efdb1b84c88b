"""What users get wrong: for each mistake, the first line that `cardea check` prints, and the first that `cardea serve` prints, names the
setting, the cause and the fix."""
import copy
import json
import os
import pathlib

import pytest

from .commands import Program, run

SECRET = "0123456789abcdef0123456789abcdef01234567"
GITHUB = {"type": "github", "client_id": "Iv1.0123456789abcdef", "client_secret": SECRET}
OSU = {"type": "osu", "client_id": "31415", "client_secret": "0123456789abcdefABCDEFGHIJKLMNOPQRSTUVWX"}
ENDPOINTS = {f"{name}_endpoint": f"https://id.example.net/{name}" for name in ("authorization", "token", "userinfo")}
OAUTH2 = {"type": "oauth2", "name": "id", "client_id": "a", "client_secret": SECRET, "identity": {"subject": "id"}, **ENDPOINTS}
ROUTE = {"host": "app.example.com", "upstream": "http://127.0.0.1:3000", "allow": {"groups": ["staff"]}}
RELAY = {"path": "/register", "deliver": "tcp://127.0.0.1:7865", "encoding": "pickle", "host": "bot.example.com"}
GOOD = {
    "listen": ["127.0.0.1:0"],
    "issuer": "https://auth.example.com",
    "store": "sqlite:cardea.db",
    "master_key": "${file:master.key}",
    "trusted_proxies": ["127.0.0.1"],
    "portal": {"url": "https://auth.example.com/_auth", "cookie_domain": "example.com"},
    "gate": {"routes": [ROUTE]},
    "signin": {"providers": [GITHUB]},
    "relay": [RELAY],
}
NAME = "signin.providers[0]"
FROM_ENV = {**GITHUB, "client_secret": "${env:GITHUB_CLIENT_SECRET}"}


def providers(*entries):
    return {"signin": {"providers": list(entries)}}


def portal(**changes):
    return {"portal": {k: v for k, v in {**GOOD["portal"], **changes}.items() if v is not None}}


def routes(*entries):
    return {"gate": {"routes": list(entries)}}


def relay(*entries):
    return {"relay": list(entries)}


# name: (what differs from GOOD, setting, cause, fix)
ERRORS = {
    # providers
    "a variable that is not set":
        (providers(FROM_ENV), f"{NAME}.client_secret", "environment variable GITHUB_CLIENT_SECRET is not set", "GITHUB_CLIENT_SECRET"),
    "a literal placeholder":
        (providers({**GITHUB, "client_secret": "$${GITHUB_CLIENT_SECRET}"}), f"{NAME}.client_secret",
         "contains a literal ${, which nothing replaces", "write ${env:NAME} with one $"),
    "a placeholder of the shell":
        (providers({**GITHUB, "client_secret": "${GITHUB_CLIENT_SECRET}"}), f"{NAME}.client_secret", '"${" must begin ${env:NAME}',
         "write $${ for a literal ${"),
    "a secret with a space at its end":
        (providers({**GITHUB, "client_secret": SECRET + " "}), f"{NAME}.client_secret", "has white space at its end", "remove it, where the value is set"),
    "an id with a space before it":
        (providers({**GITHUB, "client_id": " Iv1.0123456789abcdef"}), f"{NAME}.client_id", "has white space at its beginning",
         "remove it, where the value is set"),
    "an empty secret":
        (providers({**GITHUB, "client_secret": ""}), f"{NAME}.client_secret", "empty", "${env:NAME} or ${file:PATH}"),
    "no secret":
        (providers({"type": "github", "client_id": "a"}), f"{NAME}.client_secret", "missing", "${env:NAME}"),
    "a variable of the shell":
        (providers({**GITHUB, "client_secret": "$GITHUB_CLIENT_SECRET"}), f"{NAME}.client_secret", "is the name of a variable",
         "write ${env:GITHUB_CLIENT_SECRET}"),
    "a secret in quotation marks":
        (providers({**GITHUB, "client_secret": f'"{SECRET}"'}), f"{NAME}.client_secret", "has quotation marks around it", "remove them"),
    "a secret with a byte order mark":
        (providers({**GITHUB, "client_secret": "\ufeff" + SECRET}), f"{NAME}.client_secret", "has a character that is not ASCII",
         "save the file without a byte order mark"),
    "the name of a file where the secret belongs":
        (providers({**GITHUB, "client_secret": "master.key"}), f"{NAME}.client_secret", "is the name of a file", "write ${file:PATH}"),
    "an application of GitHub as a provider of another type":
        (providers({**GITHUB, "type": "discord"}), f"{NAME}.client_id", "is not a number, as the ids of discord are", "or correct type"),
    "id and secret of GitHub swapped":
        (providers({**GITHUB, "client_id": SECRET, "client_secret": "Iv1.0123456789abcdef"}), f"{NAME}.client_id",
         "has the form of a secret of GitHub", "swap client_id and client_secret"),
    "id and secret of osu! swapped":
        (providers({**OSU, "client_id": OSU["client_secret"], "client_secret": "31415"}), f"{NAME}.client_id",
         "is not a number, but client_secret is", "swap client_id and client_secret"),
    "the id as the secret":
        (providers({**OSU, "client_secret": "31415"}), f"{NAME}.client_secret", "is the client_id", "write the secret that belongs to the id"),
    "a type that is misspelt":
        (providers({**GITHUB, "type": "githb"}), f"{NAME}.type", '"githb" is no type of provider', 'did you mean "github"?'),
    "a member that is misspelt":
        (providers({**GITHUB, "clientid": "a"}), f'unknown setting "{NAME}.clientid"', "unknown setting", f'did you mean "{NAME}.client_id"?'),
    "no endpoints":
        (providers({k: v for k, v in OAUTH2.items() if k != "token_endpoint"}), f"{NAME}.token_endpoint",
         "is missing: a provider of type oauth2 has no endpoints of its own", "write the URL that the provider's documentation names"),
    "an endpoint of http":
        (providers({**OAUTH2, "token_endpoint": "http://id.example.net/token"}), f"{NAME}.token_endpoint",
         "is http: codes, tokens and the secret would travel in the clear", "write https://"),
    "an endpoint without its scheme":
        (providers({**OAUTH2, "userinfo_endpoint": "id.example.net/me"}), f"{NAME}.userinfo_endpoint",
         '"id.example.net/me" is not a URL of https', "write it as in https://example.com/oauth/token"),
    "two providers of one name":
        (providers(GITHUB, GITHUB), "signin.providers[1].name", '"github" is the name of signin.providers[0] too', "give each provider a name of its own"),
    "a name of an account where its id belongs":
        (providers({**GITHUB, "allow": {"subjects": ["octocat"]}}), f"{NAME}.allow.subjects[0]", '"octocat" is not an id', "https://api.github.com/users/LOGIN"),
    "users that are made of nobody":
        (providers({**GITHUB, "create": True}), f"{NAME}.create", "is true, but allow names nobody", "say in allow who may come in"),
    "an address where a domain belongs":
        (providers({**GITHUB, "allow": {"email_domains": ["@example.com"]}}), f"{NAME}.allow.email_domains[0]", '"@example.com" is not a domain',
         "write it as in example.com"),
    "an organisation as a URL":
        (providers({**GITHUB, "allow": {"organizations": ["https://github.com/example"]}}), f"{NAME}.allow.organizations[0]",
         "is not the name of an organisation", "github.com/NAME"),
    "two scopes in one item":
        (providers({**GITHUB, "scopes": ["read:user user:email"]}), f"{NAME}.scopes[0]", "is not one scope", "write each scope as an item of the list"),
    "scopes that do not tell the organisations":
        (providers({**GITHUB, "scopes": ["read:user"], "allow": {"organizations": ["example"]}}), f"{NAME}.scopes", "lacks read:org", "add read:org"),
    "a redirect URI of http":
        (portal(url="http://auth.example.com/_auth"), "portal.url", "is http, and its host is not this machine", "write it as in https://auth.example.com/_auth"),
    "no URL of the portal":
        ({"portal": {}}, "portal.url", "is missing", "https://auth.example.com/_auth"),

    # portal
    "a redirect URI that is off by a slash":
        (portal(url="https://auth.example.com/_auth/"), "portal.url", "ends with a slash", "write it as in https://auth.example.com/_auth"),
    "a URL without its scheme":
        (portal(url="auth.example.com/_auth"), "portal.url", "is not a URL of https", "write it as in https://auth.example.com/_auth"),
    "a cookie domain that browsers refuse":
        (portal(cookie_domain="co.uk"), "portal.cookie_domain", "co.uk is a public suffix: browsers refuse a cookie for it", "name a domain of your own"),
    "a cookie domain with a dot before it":
        (portal(cookie_domain=".example.com"), "portal.cookie_domain", "begins with a dot", "write example.com"),
    "a cookie domain of another host":
        (portal(cookie_domain="example.org"), "portal.cookie_domain", "example.org does not have the host of portal.url, auth.example.com",
         "write the domain that has the host of portal.url"),
    "a cookie domain as a URL":
        (portal(cookie_domain="https://example.com"), "portal.cookie_domain", '"https://example.com" is not a domain', "write a domain, as in example.com"),
    "no factor":
        ({**portal(factors=[]), "signin": {}}, "portal.factors", "names no factor", "write [password, totp], [password] or [totp]"),
    "a session that is idle for longer than it lives":
        (portal(session_idle="30d", session_lifetime="1d"), "portal.session_idle", "is longer than portal.session_lifetime",
         "lower it, or raise portal.session_lifetime"),
    "a setting that is misspelt":
        (portal(cookie_domian="example.com"), 'unknown setting "portal.cookie_domian"', "unknown setting", 'did you mean "portal.cookie_domain"?'),

    # gate
    "a host with its scheme":
        (routes({**ROUTE, "host": "https://app.example.com"}), "gate.routes[0].host", '"https://app.example.com"', "as in"),
    "an upstream without its scheme":
        (routes({**ROUTE, "upstream": "127.0.0.1:3000"}), "gate.routes[0].upstream", '"127.0.0.1:3000" has none of the schemes',
         "write it as in http://127.0.0.1:3000"),
    "an upstream with a path":
        (routes({**ROUTE, "upstream": "http://127.0.0.1:3000/app"}), "gate.routes[0].upstream", "has a path", "end it after the host and the port"),
    "an upstream of uwsgi without its port":
        (routes({**ROUTE, "upstream": "uwsgi://127.0.0.1"}), "gate.routes[0].upstream", "has no port", "write it as in uwsgi://127.0.0.1:3031"),
    "a socket that is named by a relative path":
        (routes({**ROUTE, "upstream": "unix:run/app.sock"}), "gate.routes[0].upstream", "is not an absolute path", "as in unix:/run/app.sock"),
    "two routes that shadow each other":
        (routes(ROUTE, {**ROUTE, "path": "/admin/"}), "gate.routes[1]", "never decides: gate.routes[0] comes first", "put it before that one"),
    "a route that names nobody":
        (routes({**ROUTE, "allow": {}}), "gate.routes[0].allow", "is empty", "name users or groups"),
    "a path that is stripped and is not there":
        (routes({**ROUTE, "strip_path": True}), "gate.routes[0].strip_path", "takes path off, and there is none", "add path"),
    "a host of the application with a scheme":
        (routes({**ROUTE, "set_host": "http://app.internal"}), "gate.routes[0].set_host", "is not a host", "without scheme and path"),

    # relay
    "a path without its slash":
        (relay({**RELAY, "path": "register"}), "relay[0].path", '"register" does not begin with a slash', "as in /register"),
    "a path with a slash too many":
        (relay({**RELAY, "path": "/register/"}), "relay[0].path", '"/register/" ends with a slash', "write /register"),
    "a URL where a path belongs":
        (relay({**RELAY, "path": "https://bot.example.com/register"}), "relay[0].path", "does not begin with a slash", "write the path alone"),
    "a path of the server itself":
        (relay({**RELAY, "path": "/_auth/login"}), "relay[0].path", "is a path of this server itself", "choose another path"),
    "a receiver by name":
        (relay({**RELAY, "deliver": "tcp://localhost:7865"}), "relay[0].deliver", "has no IP address", "write it as in tcp://127.0.0.1:7865"),
    "a receiver without its port":
        (relay({**RELAY, "deliver": "tcp://127.0.0.1"}), "relay[0].deliver", "has no port", "write it as in tcp://127.0.0.1:7865"),
    "a receiver of http":
        (relay({**RELAY, "deliver": "http://127.0.0.1:7865"}), "relay[0].deliver", "begins with neither tcp:// nor unix:", "write it as in tcp://127.0.0.1:7865"),
    "two of the same path":
        (relay(RELAY, RELAY), "relay[1].path", "relay[0] has the same path and host", "give it another path or another host"),
    "no encoding":
        (relay({k: v for k, v in RELAY.items() if k != "encoding"}), "relay[0].encoding", "is missing", "pickle"),
    "a host of the relay with its scheme":
        (relay({**RELAY, "host": "https://bot.example.com"}), "relay[0].host", "is not a host", "without scheme and path"),
    "a delivery that is held without a store":
        ({**relay({**RELAY, "hold": "5m"}), "store": None, "master_key": None}, "relay[0].hold", "needs a store",
         "write store: sqlite:cardea.db and a master_key"),

    # all of them
    "the path of a key where the key belongs":
        ({"master_key": "/etc/cardea/master.key"}, "master_key", "", "if it is the path of a file, write ${file:PATH}"),
    "an issuer with a path":
        ({"issuer": "https://auth.example.com/oauth"}, "issuer", "has a path", "remove the path"),
    "an address without a port":
        ({"listen": ["127.0.0.1"]}, "listen[0]", "must be ADDRESS:PORT", "such as 127.0.0.1:5001"),
}
WARNINGS = {
    "a portal that nobody gets into":
        (portal(factors=[]), "portal.factors", "names no factor, and no provider makes users", "set allow and create: true of a provider"),
    "a proxy that nobody trusts":
        ({"trusted_proxies": [], "access": [{"host": "wiki.example.com", "allow": {"groups": ["staff"]}}]}, "trusted_proxies",
         "is empty: the check endpoints answer 403 to every proxy", "name the proxies that ask"),
    "a route for every user":
        (routes({k: v for k, v in ROUTE.items() if k != "allow"}), "gate.routes[0]", "has no allow: every user who can log in gets in", "add allow"),
    "groups of users that are not made":
        (providers({**GITHUB, "groups": ["staff"]}), f"{NAME}.groups", "is for users that create makes, and it makes none", "set create: true"),
    "a relay on every host":
        (relay({k: v for k, v in RELAY.items() if k != "host"}), "relay[0]", "has no host", "name the host of the redirect URI as host"),
}


@pytest.fixture
def write(tmp_path):
    def write_changes(changes):
        (tmp_path / "master.key").write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")
        (tmp_path / "master.key").chmod(0o600)
        path = tmp_path / "f.yaml"
        path.write_text(json.dumps({k: v for k, v in {**copy.deepcopy(GOOD), **changes}.items() if v is not None}, indent=1))
        path.chmod(0o600)
        return path

    return write_changes


def is_named(line, setting, cause, fix):
    """All three, in that order."""
    at = line.find(setting)
    cause_at = at if setting.startswith("unknown") else line.find(cause, at + len(setting))
    return at >= 0 and cause_at >= at and line.find(fix, cause_at) >= cause_at


def test_the_configuration_without_a_mistake_has_none(write):
    got = run("check", "--config", write({}))
    assert got.returncode == 0 and not [line for line in got.stdout.splitlines()[:-1] if not line.startswith("ok")
                                        and "there is no database" not in line], got.stdout


@pytest.mark.parametrize("name", ERRORS)
def test_the_first_line_names_setting_cause_and_fix(write, name):
    changes, *parts = ERRORS[name]
    path = write(changes)
    checked = run("check", "--config", path)
    served = run("serve", "--config", path)
    first = checked.stdout.splitlines()[0]
    assert (checked.returncode, served.returncode) == (2, 2)
    assert first.startswith(f"error {path}:") and is_named(first, *parts), checked.stdout
    assert served.stderr.splitlines()[0] == first.replace("error ", "cardea: ", 1)


@pytest.mark.parametrize("name", WARNINGS)
def test_the_first_line_of_a_start_names_what_it_warns_of(write, name):
    changes, *parts = WARNINGS[name]
    path = write(changes)
    checked = run("check", "--config", path)
    first = checked.stdout.splitlines()[0]
    assert checked.returncode == 0 and first.startswith("warn  ") and is_named(first, *parts), checked.stdout
    server = Program("serve", "--config", path)
    try:
        event = json.loads(server.wait_line(lambda _: True))
        assert (event["event"], event["setting"]) == ("config_warning", parts[0])
        assert first.endswith(f"{event['reason']}; {event['fix']}")
        server.wait_event("ready")
    finally:
        server.end()


@pytest.mark.parametrize("value, cause, fix", [
    ("", "environment variable GITHUB_CLIENT_SECRET is empty", "GITHUB_CLIENT_SECRET"),
    (SECRET + "\n", "white space at its end", "remove it, where the value is set"),
    (SECRET + "\r", "white space at its end", "remove it, where the value is set"),
    ("${GITHUB_CLIENT_SECRET}", "contains a literal ${", "set the variable where this program is started"),
])
def test_lesson_23_the_value_of_a_variable_is_looked_at_too(write, value, cause, fix):
    path = write(providers(FROM_ENV))
    for command in ("check", "serve"):
        got = run(command, "--config", path, env={"GITHUB_CLIENT_SECRET": value})
        first = (got.stdout + got.stderr).splitlines()[0]
        assert got.returncode == 2 and is_named(first, f"{NAME}.client_secret", cause, fix), first
        assert SECRET not in got.stdout + got.stderr


def test_a_variable_that_is_misspelt_is_named(write):
    path = write(providers(FROM_ENV))
    for command in ("check", "serve"):
        got = run(command, "--config", path, env={"GITHUB_CLIENT_SECRT": SECRET})
        first = (got.stdout + got.stderr).splitlines()[0]
        assert is_named(first, f"{NAME}.client_secret", "is not set", "did you mean GITHUB_CLIENT_SECRT, which is set?"), first
        assert SECRET not in got.stdout + got.stderr


def test_a_file_that_is_not_there_comes_before_what_follows_from_it(write):
    path = write({**providers({**GITHUB, "client_id": "${file:id}", "client_secret": "${file:secret}"}), "acess": []})
    got = run("check", "--config", path)
    assert is_named(got.stdout.splitlines()[0], f"{NAME}.client_id", f"file {os.path.dirname(path)}/id does not exist", "correct the path")
    assert got.returncode == 2


@pytest.mark.parametrize("content, cause", [("", "is empty"), ("\n", "is empty"), (SECRET + " \n", "has white space at its end"),
                                            (SECRET[:9] + "\n" + SECRET[9:], "has white space or a control character in it")])
def test_the_value_of_a_file_is_looked_at_too(write, content, cause):
    path = write(providers({**GITHUB, "client_secret": "${file:secret}"}))
    secret = pathlib.Path(path).parent / "secret"
    secret.write_text(content)
    secret.chmod(0o600)
    fix = {"is empty": "write the value into it", "has white space at its end": "remove it"}.get(cause, "copy it again")
    for command in ("check", "serve"):
        got = run(command, "--config", path)
        first = (got.stdout + got.stderr).splitlines()[0]
        assert got.returncode == 2 and is_named(first, f"{NAME}.client_secret", cause, fix), first
