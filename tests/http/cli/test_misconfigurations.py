"""What users get wrong: for each mistake, the first line that `cardea check` prints, and the first that `cardea serve` prints, names the
setting, the cause and the fix."""
import copy
import json
import os
import pathlib
import subprocess
import tempfile

import pytest

from .commands import CARDEA, Program, listen_somewhere, run

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
        (providers({**GITHUB, "client_secret": "\ufeff" + SECRET}), f"{NAME}.client_secret", "begins with a byte order mark",
         "save it without a byte order mark"),
    "the name of a file where the secret belongs":
        (providers({**GITHUB, "client_secret": "master.key"}), f"{NAME}.client_secret", "is the name of a file", "write ${file:master.key}"),
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
        ({"master_key": "/etc/cardea/master.key"}, "master_key", "is the name of a file", "write ${file:/etc/cardea/master.key}"),
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
    "the port of smtps":
        ({"smtp": {"url": "smtp://mail.example.com:465", "from": "a@example.com"}}, "smtp.url", "servers expect TLS at once on port 465", "write smtps://"),
    "the port of smtp":
        ({"smtp": {"url": "smtps://mail.example.com:587", "from": "a@example.com"}}, "smtp.url", "servers expect STARTTLS on port 587", "write smtp://"),
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
                                            (SECRET[:9] + "\n" + SECRET[9:], "has more than one line")])
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


# ---- what is written wrong in the file itself, around it, and on the machine ----

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n"
TOP = 'listen: ["127.0.0.1:0"]\nissuer: https://auth.example.com\n'
STORED = TOP + "store: sqlite:cardea.db\nmaster_key: ${file:master.key}\n"
TLS = TOP + "tls: { certificate: cert.pem, key: key.pem }\n"
CLIENT = TOP + "scopes: [read]\nclients:\n  - { id: a, secret: 0123456789abcdef, %s }\n"


def at(address):
    return f"listen: {json.dumps([address])}\n"


def stored(store, key="${file:master.key}"):
    return TOP + f"store: '{store}'\nmaster_key: {key}\n"


# name: (the file, setting or line, cause, fix)
FILES = {
    # the form of the file
    "a tab": ("log:\n\tlevel: info\n", ":2:1", "a tab", "indent with spaces only"),
    "a setting that is indented": ("threads: 2\n issuer: https://a.example\n", ":2:", "where no setting can begin", "in the same column"),
    "a member that is indented further": ("log:\n  level: info\n   outgoing: full\n", ":3:", "where no setting can begin", "in the same column"),
    "a member that is indented less": ("tokens:\n  lifetime: 5m\n alg: ES256\n", ":3:2", "not a setting of the level before it", "in the same column"),
    "no space after the colon": ("issuer:https://a.example\nthreads: 2\n", ":2:", "where no setting can begin", 'a space after the ":"'),
    "a list that is not closed": ('listen: ["127.0.0.1:0"\nissuer: https://a.example\n', ":2:", '"[" before it is not closed', 'close it with "]"'),
    "a variable within braces": (TOP + "smtp: { password: ${env:PASSWORD} }\n", ":3:", '"{" before it is not closed', 'as in "${env:NAME}"'),
    "a quotation mark that is not closed": ("issuer: 'https://a.example\nthreads: 2\n", ":3:1", "the file ends within quotation marks", "close them"),
    "an ini file": ("listen = 127.0.0.1:0\n", ":1:1", "expects settings", "write a colon and a space in each"),
    "a section of TOML": ("[log]\nlevel = 'info'\n", ":2:1", "is no setting", 'write each as "name: value"'),
    "a value that begins with @": ("issuer: @example\n", ":1:9", 'begins with "@"', "put it in quotation marks"),
    "a value of Windows": ("issuer: %ISSUER%\n", ":1:9", 'begins with "%"', "put it in quotation marks"),
    "two documents": ("threads: 1\n---\nthreads: 2\n", ":2:1", "a second document", "keep one"),
    "UTF-16": (TOP.encode("utf-16"), "not YAML", "is in UTF-16", "save it as UTF-8"),
    "Latin-1": ((TOP + "portal: { title: 'café' }\n").encode("latin-1"), ":3: not YAML", "UTF-8", "save it as UTF-8"),
    "a space of the web": ("listen: []\nthreads:\u00a02\nlog: { level: info }\n", ":2:1", "a non-breaking space", "write a common space"),
    "an indentation of the web": ("log:\n\u00a0\u00a0level: info\n", ":2:1", "a non-breaking space", "write a common space"),
    "no colon": ("threads: 1\nissuer https://a.example\nlog: { level: info }\n", ":2:1", 'without its ":"', 'write each as "name: value"'),
    "an empty file": ("\n", "f.yaml", "is empty", "restore it"),
    "the same setting twice": (TOP + "issuer: https://b.example\n", "issuer", "is given twice", "keep one of them"),
    "a setting without a value": (TOP + "store:\n", "store", "has no value", "leave the line out"),
    "settings where there is one": (TOP + "log: debug\n", "log", 'expects settings of the form "name: value"', "write them below it, indented"),
    "one value where there are several": (TOP + "trusted_proxies: 127.0.0.1\n", "trusted_proxies", "expects a list", 'write ["a", "b"]'),
    "clients as a mapping": (TOP + "clients:\n  a:\n    secret: x\n", "clients", "expects a list", 'begin each item with "- "'),
    "a setting without the one that it belongs to": (TOP + "routes: []\n", 'unknown setting "routes"', "", 'did you mean "gate.routes"?'),
    "a setting with a dot": (TOP + "log.level: info\n", 'unknown setting "log.level"', "", 'write "log: { level: … }"'),
    "several values where there is one": (TOP + "basic_tokens: { audience: [https://a.example] }\n", "basic_tokens.audience", "expects one value", "without [ ]"),
    "a variable with a default": (TOP + "basic_tokens: { audience: '${env:AUDIENCE:-x}' }\n", "basic_tokens.audience", '"AUDIENCE:-x" is not the name', "without a default"),
    "a word of OAuth": (TOP + "clients:\n  - { client_id: a }\n", 'unknown setting "clients[0].client_id"', "", 'did you mean "clients[0].id"?'),
    "yes for true": ('listen: [{ address: "127.0.0.1:0", proxy_protocol: yes }]\n', "listen[0].proxy_protocol", "must be true or false", ""),
    # units
    "a duration without a unit": (TOP + "tokens: { lifetime: 300 }\n", "tokens.lifetime", "must be a duration", "such as 250ms, 5s, 10m"),
    "a size in another form": (TOP + "password_hashing: { memory: 64M }\n", "password_hashing.memory", "must be a size", "such as 512, 64KB"),
    "a level of another logger": (TOP + "log: { level: verbose }\n", "log.level", "must be one of", "debug, info, warn"),
    # addresses
    "a name to listen on": (at("localhost:5001"), "listen[0]", '"localhost:5001" has a name, and names are not resolved', "127.0.0.1:5001"),
    "a port that is too large": (at("127.0.0.1:99999"), "listen[0]", "has no such port", "at most 65535"),
    "a port alone": (at("5001"), "listen[0]", "is a port without an address", "127.0.0.1:5001"),
    "no address before the port": (at(":5001"), "listen[0]", "names no IP address", "0.0.0.0:5001"),
    "a star before the port": (at("*:443"), "listen[0]", "names no IP address", "0.0.0.0:5001"),
    "IPv6 without brackets": (at("::1:5001"), "listen[0]", "without brackets", "[::1]:5001"),
    "a URL to listen on": (at("https://127.0.0.1:5001"), "listen[0]", "is a URL", "the setting tls"),
    "the same address twice": ('listen: ["127.0.0.1:5001", "127.0.0.1:5001"]\n', "listen[1]", "is also listen[0]", "remove one of them"),
    "an address within another": ('listen: ["0.0.0.0:5001", "127.0.0.1:5001"]\n', "listen[1]", "contains or is within listen[0]", "remove one of them"),
    "an address of another machine": (at("192.0.2.1:0"), "listen[0]", "Cannot assign requested address", "choose an address of this machine"),
    "a socket in no folder": (at("unix:/nonexistent/s"), "listen[0]", "No such file or directory", "in a folder that exists"),
    "a proxy by name": (TOP + "trusted_proxies: [nginx]\n", "trusted_proxies[0]", "must be an address", "such as 10.0.0.1"),
    "a network with bits after its prefix": (TOP + "trusted_proxies: [10.0.0.1/8]\n", "trusted_proxies[0]", "without bits after its prefix", "such as 10.0.0.1, 10.0.0.0/8"),
    "an issuer without its scheme": (at("127.0.0.1:0") + "issuer: auth.example.com\n", "issuer", "is not an http or https URL", "https://auth.example.org"),
    "an issuer with a slash": (at("127.0.0.1:0") + "issuer: https://a.example/\n", "issuer", "ends with a slash", "remove the slash"),
    # TLS
    "a certificate that is not there": (TLS.replace("cert.pem", "none.pem"), "tls.certificate", "none.pem does not exist", "cardea cert new"),
    "a certificate that has expired": (TLS.replace("cert.pem", "over.pem"), "tls.certificate", "expired on 20", "cardea cert renew"),
    "a key of another certificate": (TLS.replace("key.pem", "other/key.pem"), "tls.key", "is not the key of the certificate", "the same key pair"),
    "certificate and key swapped": (TOP + "tls: { certificate: key.pem, key: cert.pem }\n", "tls.certificate", "contains no certificate", "name a PEM file"),
    "a key with a password": (TLS.replace("key.pem", "locked.pem"), "tls.key", "is encrypted", "decrypt it"),
    "a key that others can read": (TLS.replace("key.pem", "open.pem"), "tls.key", "other users of this machine can read", "chmod 600"),
    "cert for certificate": (TOP + "tls: { cert: cert.pem, key: key.pem }\n", 'unknown setting "tls.cert"', "", 'did you mean "tls.certificate"?'),
    # the store and its key
    "a database without a name": (stored("postgresql://cardea@db.example"), "store", "names no database", "postgresql://USER@HOST/DATABASE"),
    "a password with an @": (stored("postgresql://cardea:p@ss@db.example/cardea"), "store", "a character that ends it there", "@ in a password as %40"),
    "a password with a slash": (stored("postgresql://cardea:p/ss@db.example/cardea"), "store", "a character that ends it there", "/ as %2F"),
    "PostgreSQL that does not run": (stored("postgresql://cardea@127.0.0.1:1/cardea"), "store", "Connection refused", "start PostgreSQL there"),
    "a mode of TLS that there is not": (stored("postgresql://cardea@127.0.0.1:1/cardea?sslmode=off"), "store", 'invalid sslmode value: "off"', "write disable, require"),
    "another database": (stored("mysql://cardea@db.example/cardea"), "store", "begins with neither sqlite: nor postgresql://", "write sqlite:PATH"),
    "a path without its scheme": (stored("cardea.db"), "store", "begins with neither sqlite: nor postgresql://", "write sqlite:PATH"),
    "a path with two slashes": (stored("sqlite:///cardea.db"), "store", "begins with sqlite://", "sqlite:cardea.db"),
    "no folder for the database": (stored("sqlite:none/cardea.db"), "store", "the folder of the database", "create the folder"),
    "a folder for a database": (stored("sqlite:other"), "store", "is not a file", "name a file"),
    "a damaged database": (stored("sqlite:damaged.db"), "store", "not an SQLite database, or it is damaged", "restore a backup"),
    "a database that others can read": (stored("sqlite:readable.db"), "store", "is open to other users", "chmod 600"),
    "no master key": (TOP + "store: sqlite:cardea.db\n", "master_key", "is not set", "restore the master key"),
    "half of a master key": (stored("sqlite:cardea.db", KEY[:30]), "master_key", "44 characters, and not 30", "restore the master key"),
    "a master key in hex": (stored("sqlite:cardea.db", "'" + 32 * "ab" + "'"), "master_key", "is in hex", "restore the master key"),
    "the master key of another store": (stored("sqlite:full.db", "QUJD" * 10 + "QUI="), "master_key", "is not the one that this store was created with", "restore that one"),
    "a file of the master key that is not there": (stored("sqlite:cardea.db", "${file:none.key}"), "master_key", "none.key does not exist", "restore the master key"),
    "a reference without its braces": (stored("sqlite:cardea.db", "file:master.key"), "master_key", 'without its "${"', "write ${file:master.key}"),
    "a variable without its braces": (stored("sqlite:cardea.db", "env:MASTER_KEY"), "master_key", 'without its "${"', "write ${env:MASTER_KEY}"),
    "a credential outside of its unit": (stored("sqlite:cardea.db", "${credential:master.key}"), "master_key", "credential master.key does not exist",
                                         "set CREDENTIALS_DIRECTORY"),
    "the name of a key's file": (TOP + "signing_key: signing.pem\n", "signing_key", "is the name of a file", "write ${file:signing.pem}"),
    "a public key": (TOP + "signing_key: ${file:public.pem}\n", "signing_key", "is a public key", "give the private key"),
    "a key of another algorithm": (TOP + "signing_key: ${file:key.pem}\ntokens: { alg: EdDSA }\n", "signing_key", "is a key for ES256", "change tokens.alg"),
    # users and clients
    "a user that is not there": (STORED + "user: nosuchuser\n", "user", '"nosuchuser" is not a user of this machine', "create the user"),
    "a group that is not there": ('listen: [{ address: "unix:/tmp/x.sock", group: nosuchgroup }]\n', "listen[0].group", '"nosuchgroup" is not a group', "create the group"),
    "a grant that there is not": (CLIENT % "grant_types: [authorization_code]", "clients[0].grant_types[0]", "unknown grant", "there are client_credentials and"),
    "a scope that there is not": (CLIENT % "scopes: [write]", "clients[0].scopes[0]", 'scope "write" does not exist', 'add it to the setting "scopes"'),
    "an algorithm of shared secrets": (TOP + "tokens: { alg: HS256 }\n", "tokens.alg", "must be one of", "ES256, RS256, EdDSA"),
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A folder with the files that FILES name."""
    folder = tmp_path_factory.mktemp("machine")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    assert run("cert", "new", "--dir", folder).returncode == 0
    assert run("cert", "new", "--dir", folder / "other").returncode == 0
    openssl("req", "-new", "-key", "key.pem", "-out", "request.pem", "-subj", "/CN=localhost")
    openssl("x509", "-req", "-in", "request.pem", "-signkey", "key.pem", "-out", "over.pem", "-days", "-1")
    openssl("pkey", "-in", "key.pem", "-aes128", "-passout", "pass:a", "-out", "locked.pem")
    openssl("pkey", "-in", "key.pem", "-pubout", "-out", "public.pem")
    (folder / "open.pem").write_bytes((folder / "key.pem").read_bytes())
    (folder / "master.key").write_text(KEY)
    (folder / "damaged.db").write_text("not a database" * 100)
    (folder / "readable.db").write_text("")
    for path in folder.glob("*.*"):
        path.chmod(0o600)
    for name in ("open.pem", "readable.db"):
        (folder / name).chmod(0o644)
    (folder / "full.yaml").write_text(stored("sqlite:full.db"))
    assert run("migrate", "--config", folder / "full.yaml").returncode == 0
    return folder


def write_file(folder, text):
    path = folder / "f.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    return path


def first_lines(path, **options):
    """What check and serve say first, without what stands before a finding, and their exit codes."""
    checked, served = (run(command, "--config", path, **options) for command in ("check", "serve"))
    return (checked.stdout.splitlines()[0].removeprefix("error "), served.stderr.splitlines()[0].removeprefix("cardea: "), checked, served)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_wrong_is_named_with_cause_and_fix_in_the_first_line(machine, name):
    text, *parts = FILES[name]
    checked_line, served_line, checked, served = first_lines(write_file(machine, text))
    assert checked.returncode == 2 and served.returncode in (1, 2)
    assert checked_line == served_line and is_named(served_line, *parts), served_line
    # The same findings, in the same order.
    assert [line.removeprefix("cardea: ").replace("warning: ", "warn  ", 1) for line in served.stderr.splitlines()] == [
        line.removeprefix("error ") for line in checked.stdout.splitlines() if not line.startswith("ok ")]


@pytest.mark.parametrize("path, parts", [
    (".", ("FOLDER", "is a folder", "name the file in it")),
    ("none.yaml", ("none.yaml", "does not exist", "correct the path of the configuration")),
])
def test_what_is_no_file_is_named_in_the_first_line(machine, path, parts):
    checked, served, *_ = first_lines(machine / path)
    assert checked == served and is_named(served.replace(str(machine), "FOLDER", 1), *parts), served


def test_a_byte_order_mark_before_the_file_is_no_mistake(machine):
    assert run("check", "--config", write_file(machine, b"\xef\xbb\xbf" + TOP.encode())).returncode == 0


# ---- secrets ----

SECRETS = {  # setting: the file, with the secret in the variable SECRET
    "clients[0].secret": CLIENT.replace("0123456789abcdef", '"${env:SECRET}"') % "grant_types: [client_credentials]",
    "master_key": TOP + "store: sqlite:cardea.db\nmaster_key: ${env:SECRET}\n",
    "signing_key": TOP + "signing_key: ${env:SECRET}\n",
    "smtp.password": STORED + "portal: { url: https://auth.example.com/_auth }\nsmtp:\n  url: smtp://mail.example.com:587\n  from: a@example.com\n"
                              "  username: a\n  password: ${env:SECRET}\n",
    f"{NAME}.client_secret": STORED + "portal: { url: https://auth.example.com/_auth }\nsignin: { providers: [{ type: github, client_id: a,\n"
                                      '  client_secret: "${env:SECRET}" }] }\n',
    "store": TOP + "store: postgresql://cardea:${env:SECRET}@127.0.0.1:1/cardea\nmaster_key: ${file:master.key}\n",
}
VALUES = {  # cause, fix
    "": ("environment variable SECRET is empty", "SECRET"),
    "   ": ("has nothing but white space", "write the value"),
    f'"{SECRET}"': ("has quotation marks around it", "remove them"),
    f"'{SECRET}'": ("has quotation marks around it", "remove them"),
    "$CARDEA_SECRET": ("is the name of a variable", "write ${env:CARDEA_SECRET}"),
    "${CARDEA_SECRET}": ("contains a literal ${", "write ${env:NAME}"),
    "%CARDEA_SECRET%": ("is the name of a variable", "write ${env:CARDEA_SECRET}"),
    "$(cat secret)": ("is a command of a shell", "write ${env:NAME} or ${file:PATH}"),
    "{{ cardea_secret }}": ("is a placeholder that was not filled in", "write the value itself"),
    "<your-secret>": ("is a placeholder that was not filled in", "write the value itself"),
    "secret.txt": ("is the name of a file", "write ${file:secret.txt}"),
}


@pytest.mark.parametrize("setting", SECRETS)
def test_lesson_23_a_secret_that_is_none_is_refused_wherever_it_is(machine, setting):
    path = write_file(machine, SECRETS[setting])
    for value, parts in VALUES.items():
        checked, served, *outcomes = first_lines(path, env={"SECRET": value})
        assert checked == served and is_named(served, setting, *parts), (value, served)
        assert [outcome.returncode for outcome in outcomes] == [2, 2]
        assert SECRET not in "".join(outcome.stdout + outcome.stderr for outcome in outcomes)


@pytest.mark.parametrize("setting", [setting for setting in SECRETS if setting != "signing_key"])  # PEM has lines
@pytest.mark.parametrize("value", [SECRET + "\n", SECRET + "\r\n", SECRET + " "])
def test_white_space_at_the_end_of_a_secret_is_called_so(machine, setting, value):
    served = first_lines(write_file(machine, SECRETS[setting]), env={"SECRET": value})[1]
    cause = "has more than one line" if setting == "store" and value[-1] == "\n" else "has white space at its end"
    assert is_named(served, setting, cause, "copy it again" if "line" in cause else "remove it, where the value is set"), served
    assert ("a line break" in served) == (value[-1] == "\n" and setting != "store")


@pytest.mark.parametrize("value", ["changeme", "change-me", "CHANGE_ME!", "secret", "Password", "xxxxxxxx"])
def test_a_secret_of_an_example_is_warned_of_or_refused_by_its_form(machine, value):
    for setting, text in SECRETS.items():
        done = run("check", "--config", write_file(machine, text), env={"SECRET": value})
        lines = [line for line in done.stdout.splitlines() if f" {setting}: " in line and not line.startswith("ok")]
        if setting in ("master_key", "signing_key"):
            assert done.returncode == 2 and lines
        else:
            assert any(is_named(line, setting, "is a word of examples, which anybody can guess", "write the real one") for line in lines), lines


def test_a_secret_that_only_looks_odd_is_accepted(machine):
    for value in ("pa$$w%rd-0123456789", "$1$abcdefghijklmnop", "a<b>c-0123456789", "s3cret {{x}} 0123456789", "a'b'c'-0123456789", "ä-0123456789abcdef",
                  "abcd efgh ijkl mnop", "it's-a-secret-'0123"):
        for setting in ("clients[0].secret", "smtp.password"):
            done = run("check", "--config", write_file(machine, SECRETS[setting]), env={"SECRET": value})
            assert done.returncode == 0, (value, done.stdout)


# ---- ports ----

def test_a_port_in_use_is_named_with_the_program_that_has_it(machine):
    with listen_somewhere() as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        path = write_file(machine, at(address))
        served, checked = run("serve", "--config", path), run("check", "--config", path)
    assert served.returncode == 1
    name = pathlib.Path("/proc/self/comm").read_text().strip()
    assert is_named(served.stderr.splitlines()[0], "listen[0]", f"{address} cannot be listened on: Address already in use by {name} (process {os.getpid()})",
                    "choose another port, or stop the program that listens there")
    # The server itself may be the program.
    assert checked.returncode == 0 and f"warn  {path}:1:10: listen[0]: {name} (process {os.getpid()}) listens on {address} already" in checked.stdout


def test_a_socket_of_systemd_that_was_not_passed_is_named_at_the_start(machine):
    served = run("serve", "--config", write_file(machine, at("systemd:web")))
    assert served.returncode == 1
    assert is_named(served.stderr.splitlines()[0], "listen[0]", "systemd passed no socket with this name", "set FileDescriptorName=")


@pytest.mark.skipif(int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 443, reason="any user may open port 443 here")
def test_a_port_that_needs_a_right_is_named_with_the_ways_to_it():
    with tempfile.TemporaryDirectory() as folder, CARDEA.open("rb") as program:  # the build folder may be closed to others
        os.chmod(folder, 0o755)
        path = pathlib.Path(folder) / "f.yaml"
        path.write_text('listen: ["127.0.0.1:443"]\n')
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        for command in ("serve", "check"):
            done = subprocess.run([f"/proc/self/fd/{program.fileno()}", command, "--config", path], pass_fds=[program.fileno()], capture_output=True,
                                  text=True, timeout=30, **user)
            first = (done.stdout + done.stderr).splitlines()[0]
            assert is_named(first, "listen[0]", "127.0.0.1:443 cannot be listened on: Permission denied", "AmbientCapabilities=CAP_NET_BIND_SERVICE"), first
            for way in ("a socket unit, listen: systemd:NAME", "net.ipv4.ip_unprivileged_port_start", "behind a proxy or a redirect"):
                assert way in first


# ---- the server that starts ----

@pytest.mark.parametrize("text, setting, cause, fix", [
    (at("127.0.0.1:0") + "issuer: http://auth.example.com\n", "issuer", "is http: tokens and secrets travel in the clear", "use https, with a proxy in front"),
    (CLIENT.replace("0123456789abcdef", "changeme") % "grant_types: [client_credentials]", "clients[0].secret", "is a word of examples", "write the real one"),
    (TOP + "trusted_proxies: [0.0.0.0/0]\n", "trusted_proxies[0]", "0.0.0.0/0 is every address", "name the addresses of your proxies only"),
])
def test_the_first_line_of_a_server_that_starts_names_what_is_dangerous(machine, text, setting, cause, fix):
    server = Program("serve", "--config", write_file(machine, text))
    try:
        event = json.loads(server.wait_line(lambda _: True))
        assert (event["event"], event["setting"]) == ("config_warning", setting)
        assert cause in event["reason"] and fix in event["fix"]
    finally:
        server.end()
