"""cardea config show: each effective setting, its value and its source."""
import hashlib
import json
import re

import pytest

from .commands import run

TEXT = """\
threads: 2
tokens: { lifetime: 90s }
scopes: [a, '${env:CD_SCOPE}']
clients:
  - id: web
    secret: pre-${env:CD_SECRET}
"""
ENV = {"CD_SCOPE": "b", "CD_SECRET": "hush-hush"}


def as_dict(path=None, env=None):
    args = ["config", "show", "--json"] + (["--config", path] if path else [])
    got = run(*args, env=env)
    assert got.returncode == 0, got.stderr
    return {row["setting"]: row for row in json.loads(got.stdout)["settings"]}, got


def test_without_a_file_everything_is_a_default():
    rows, _ = as_dict()
    assert {row["source"] for row in rows.values()} == {"default"}
    assert rows["listen"]["value"] == ["127.0.0.1:5001"]
    assert rows["issuer"]["value"] == "http://localhost:5001"
    assert rows["tokens.lifetime"]["value"] == "5m"
    assert rows["limits.body"]["value"] == "64KB"
    assert rows["limits.connections"]["value"] == 20000
    assert rows["accept_any_user"]["value"] == "never"
    assert rows["signing_key"]["value"] == "not set"
    assert rows["clients"]["value"] == []


def test_each_setting_says_where_it_came_from(config):
    path = str(config(TEXT))
    rows, _ = as_dict(path, ENV)
    assert rows["threads"] == {"setting": "threads", "value": 2, "source": {"file": path, "line": 1, "column": 10}}
    assert rows["tokens.lifetime"]["value"] == "90s"
    assert rows["tokens.alg"]["source"] == "default"
    assert rows["scopes"]["value"] == ["a", "b"]
    assert rows["scopes"]["source"]["from"] == "env CD_SCOPE"
    assert rows["clients[0].secret"]["source"] == {"file": path, "line": 6, "column": 13, "from": "env CD_SECRET"}


def test_plain_addresses_of_listen_are_one_list(config):
    path = str(config("listen:\n  - 127.0.0.1:1\n  - 127.0.0.1:${env:CD_PORT}\n"))
    rows, _ = as_dict(path, {"CD_PORT": "2"})
    assert rows["listen"] == {"setting": "listen", "value": ["127.0.0.1:1", "127.0.0.1:2"],
                              "source": {"file": path, "line": 2, "column": 3, "from": "env CD_PORT"}}
    assert not [name for name in rows if name.startswith("listen[")]


def test_listeners_with_settings_are_shown_by_their_members(config):
    path = str(config("listen:\n  - 127.0.0.1:${env:CD_PORT}\n  - { address: unix:/s, mode: 0660 }\n"
                      "tls: { certificate: cert.pem, key: key.pem }\n"))
    rows, _ = as_dict(path, {"CD_PORT": "2"})
    assert rows["listen[0].address"] == {"setting": "listen[0].address", "value": "127.0.0.1:2",
                                         "source": {"file": path, "line": 2, "column": 5, "from": "env CD_PORT"}}
    assert rows["listen[0].http2"] == {"setting": "listen[0].http2", "value": True, "source": "default"}
    assert rows["listen[1].mode"]["value"] == "0660"
    assert rows["listen[1].mode"]["source"] == {"file": path, "line": 3, "column": 31}
    assert "listen" not in rows
    rows, _ = as_dict(str(config("listen: [{ address: '127.0.0.1:1' }]\n")))
    assert (rows["listen[0].address"]["value"], rows["listen[0].http2"]["value"]) == ("127.0.0.1:1", False)


def test_an_audience_that_is_not_given_is_the_issuer(config):
    path = str(config("issuer: https://auth.example.org\nclients:\n  - { id: a, secret: s }\n"
                      "  - { id: b, secret: s, audience: https://api.example.org }\n"))
    rows, _ = as_dict(path)
    assert rows["clients[0].audience"] == {"setting": "clients[0].audience", "value": "https://auth.example.org",
                                           "source": "default"}
    assert rows["clients[1].audience"]["value"] == "https://api.example.org"
    line = next(line for line in run("config", "show", "-c", path).stdout.splitlines() if line.startswith("clients[0].aud"))
    assert line.split() == ["clients[0].audience", '"https://auth.example.org"', "default"]


MASTER_KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
OTHER_KEY = "MTEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def fingerprints(path, count):
    rows, got = as_dict(path, ENV)
    values = [rows[f"clients[{i}].secret"]["value"] for i in range(count)]
    text = run("config", "show", "--config", path, env=ENV)
    for value in values:
        assert f'"{value}"' in text.stdout
    for output in (got.stdout, got.stderr, text.stdout, text.stderr):
        assert "hush" not in output
    return values


def test_secrets_are_a_length_and_a_fingerprint_under_the_master_key(config):
    text = ("master_key: {}\nstore: 'sqlite:x.db'\nclients:\n  - {{ id: a, secret: pre-hush-hush }}\n"
            "  - {{ id: b, secret: pre-hush-hush }}\n  - {{ id: c, secret: pre-hush-hush2 }}\n")
    first, second, third = fingerprints(config(text.format(MASTER_KEY)), 3)
    assert re.fullmatch("13 bytes, fingerprint [0-9a-f]{8}…", first)
    assert hashlib.sha256(b"pre-hush-hush").hexdigest()[:8] not in first
    assert first == second
    assert third.startswith("14 bytes, fingerprint ") and third[-9:] != first[-9:]
    assert fingerprints(config(text.format(MASTER_KEY)), 3) == [first, second, third]
    assert fingerprints(config(text.format(OTHER_KEY)), 3)[0] != first


@pytest.mark.parametrize("setting, url, shown", [
    ("smtp.url", "smtps://user:hush-hush@mail.example.org:465", "smtps://***@mail.example.org:465"),
    ("smtp.url", "smtps:/user:hush-hush@mail.example.org", "smtps:/***@mail.example.org"),
    ("smtp.url", "smtps:///hush-hush@h@mail.example.org", "smtps:///***@mail.example.org"),
    ("issuer", "https://hush-hush@auth.example.org/a", "https://***@auth.example.org/a"),
    ("portal.logo", "https://example.org:8443/logo@2x.png", "https://example.org:8443/logo@2x.png"),
    ("portal.title", "Mail to: a@example.org", "Mail to: a@example.org"),
    ("store", "postgresql://u:hush-hush@db.example.org/c", "postgresql://u:***@db.example.org/c"),
    ("store", "postgresql:/u:hush-hush@db.example.org/c", "postgresql:/u:***@db.example.org/c"),
    ("store", "postgresql:u:hush-hush@db.example.org/c", "postgresql:u:***@db.example.org/c"),
    ("store", "sqlite:/a:b@c.db", "sqlite:/a:b@c.db"),
])
def test_no_password_of_a_url_is_shown(config, setting, url, shown):
    """Also where it does not belong, since the output is what a user shows who asks why a configuration is wrong."""
    section, _, name = setting.rpartition(".")
    path = config(f'{section}: {{ {name}: "{url}" }}\n' if section else f'{name}: "{url}"\n')
    got = run("config", "show", "--json", "--config", path)
    assert {row["setting"]: row["value"] for row in json.loads(got.stdout)["settings"]}[setting] == shown
    text = run("config", "show", "--config", path)
    assert f'"{shown}"' in text.stdout and "hush-hush" not in got.stdout + got.stderr + text.stdout + text.stderr


def test_the_lists_of_urls_show_no_password_either(config):
    path = config('outgoing: { networks: ["http://u:hush-hush@10.0.0.1"] }\n')
    assert '["http://***@10.0.0.1"]' in run("config", "show", "--config", path).stdout


def test_without_a_master_key_there_is_no_fingerprint(config):
    assert fingerprints(config(TEXT), 1) == ["13 bytes, no fingerprint without master_key"]
    assert fingerprints(config(TEXT + "master_key: short\n"), 1) == ["13 bytes, no fingerprint without master_key"]


def test_text_has_one_line_for_each_setting(config):
    path = config(TEXT)
    lines = run("config", "show", "-c", path, env=ENV).stdout.splitlines()
    rows, _ = as_dict(path, ENV)
    assert [line.split()[0] for line in lines] == list(rows)
    assert next(line for line in lines if line.startswith("threads")).split() == ["threads", "2", f"{path}:1:10"]


def test_what_has_no_value_is_marked_and_the_rest_is_shown(config):
    complete, _ = as_dict(config(TEXT + "listen: ['127.0.0.1:1', '127.0.0.1:2']\nlog: { level: info }\nshutdown_grace: 10s\n"), ENV)
    path = config(TEXT + "listen: ['127.0.0.1:1', '127.0.0.1:${env:CD_PORT}']\nlog: { level: '${env:CD_LEVEL}' }\nshutdown_grace: soon\n")
    got = run("config", "show", "--json", "--config", path, env={"CD_SCOPE": "b"})
    assert got.returncode == 2
    rows = {row["setting"]: row for row in json.loads(got.stdout)["settings"]}
    wrong = {"listen": "CD_PORT", "log.level": "CD_LEVEL", "shutdown_grace": "must be a duration", "clients[0].secret": "CD_SECRET"}
    assert list(rows) == list(complete)
    assert {name for name, row in rows.items() if "error" in row} == set(wrong)
    for name, cause in wrong.items():
        assert rows[name]["value"] is None and cause in rows[name]["error"] and cause in got.stderr, rows[name]
        assert rows[name]["source"]["file"] == str(path) and rows[name]["source"]["line"] > 0, rows[name]
    for name in set(rows) - set(wrong):
        assert rows[name]["value"] == complete[name]["value"]
    lines = {line.split()[0]: line.split()[1] for line in run("config", "show", "--config", path, env={"CD_SCOPE": "b"}).stdout.splitlines()}
    assert {name for name, value in lines.items() if value == "error"} == set(wrong)
    assert lines["threads"] == "2"


def test_what_is_within_a_setting_that_is_written_wrongly_has_no_value(config):
    path = config("log: debug\nclients: [job]\nlogs: 1\nthreads: 2\n")
    got = run("config", "show", "--json", "--config", path)
    assert got.returncode == 2
    rows = json.loads(got.stdout)["settings"]
    wrong = [row for row in rows if row["setting"].startswith(("log.", "clients[0]."))]
    assert len(wrong) > 5 and all(row["value"] is None and row["error"].startswith("expects settings") for row in wrong), wrong
    assert not [row for row in rows if "error" in row and row not in wrong]
    assert re.search(rf"^log\.level +error +{re.escape(str(path))}:1:6$", run("config", "show", "--config", path).stdout, re.MULTILINE)


def test_a_file_that_is_no_configuration_shows_nothing(config):
    got = run("config", "show", "--config", config("- a\n- list\n"))
    assert (got.returncode, got.stdout) == (2, "") and "expects settings" in got.stderr


def test_a_setting_that_does_not_exist_is_an_error_beside_the_others(config):
    path = config("cliets: []\n")
    got = run("config", "show", "--config", path)
    assert got.returncode == 2 and "clients " in got.stdout and "cliets" not in got.stdout
    assert got.stderr == f'cardea config show: {path}:1:1: unknown setting "cliets"; did you mean "clients"?\n'
