"""cardea check: every finding, with setting, position, source and fix."""
import contextlib
import json
import math
import os
import pathlib
import pwd
import re
import secrets
import socket
import sqlite3
import subprocess
import tempfile

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .administration import Installation
from .commands import listen_somewhere, run

GOOD = """\
listen: ["127.0.0.1:0"]
issuer: https://auth.example.org
signing_key: ${file:signing.pem}
scopes: [a, b]
clients:
  - id: web
    secret: ${env:CD_SECRET}
    grant_types: [client_credentials]
    scopes: [a]
"""


def make_key(folder, mode=0o600):
    path = folder / "signing.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path],
                   check=True, capture_output=True)
    os.chmod(path, mode)


def test_a_good_file_has_only_ok_lines(config, tmp_path):
    make_key(tmp_path)
    got = run("check", "--config", config(GOOD), env={"CD_SECRET": "hush-hush-hush-hush"})
    assert got.returncode == 0, got.stdout
    lines = got.stdout.splitlines()
    assert lines[-1] == "0 errors, 0 warnings"
    assert all(line.startswith("ok    ") for line in lines[:-1])
    assert any("listen[0]: 127.0.0.1:0 can be listened on" in line for line in lines)
    assert any("signing_key: ES256, kid " in line and "(from file signing.pem)" in line for line in lines)
    assert "hush-hush-hush-hush" not in got.stdout + got.stderr


def test_every_mistake_is_one_line_with_position_and_fix(config):
    path = config("cliets: []\nthreads: many\nclients:\n  - id: a\n    secret: ${env:CD_NOT_SET}\n    scopes: [x]\n")
    got = run("check", "-c", path)
    assert got.returncode == 2
    errors = [line for line in got.stdout.splitlines() if line.startswith("error ")]
    first = f"error {path}:5:13: clients[0].secret: environment variable CD_NOT_SET is not set; "
    assert got.stdout.startswith(first)  # what may have caused the others
    assert "CD_NOT_SET" in errors[0].removeprefix(first)
    assert errors[1:] == [
        f'error {path}:1:1: unknown setting "cliets"; did you mean "clients"?',
        f"error {path}:2:10: threads: must be a whole number",
        f'error {path}:6:14: clients[0].scopes[0]: scope "x" does not exist; add it to the setting "scopes"',
    ]
    assert "4 errors, " in got.stdout.splitlines()[-1]


def test_a_secret_file_that_others_can_read_is_refused(config, tmp_path):
    make_key(tmp_path, 0o644)
    got = run("check", f"--config={config(GOOD)}", env={"CD_SECRET": "a secret of the client"})
    assert got.returncode == 2
    assert (f"signing_key: contains a secret from a file that other users of this machine can read (from file signing.pem); "
            f"chmod 600 {tmp_path}/signing.pem") in got.stdout
    assert got.stdout.splitlines()[-1] == "1 error, 0 warnings"


def roca_prime():
    """As the flawed library made them (CVE-2017-15361)."""
    small = [p for p in range(2, 168) if all(p % q for q in range(2, p))]
    product = math.prod(small)
    while True:
        p = secrets.randbits(1025 - product.bit_length()) * product + pow(65537, secrets.randbits(60), product)
        if p.bit_length() == 1024 and p >> 1022 == 3 and (p - 1) % 65537 and all(pow(a, p - 1, p) == 1 for a in (2, 3, 5, 7)):
            return p


def test_a_signing_key_that_can_be_factored_is_refused(config, tmp_path):
    p, q = roca_prime(), roca_prime()
    d = pow(65537, -1, (p - 1) * (q - 1))
    key = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(65537, p * q))
    pem = key.private_key().private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption())
    (tmp_path / "signing.pem").write_bytes(pem)
    (tmp_path / "signing.pem").chmod(0o600)
    path = config("tokens: { alg: RS256 }\nsigning_key: ${file:signing.pem}\n")
    for command in ("check", "serve"):
        got = run(command, "--config", path)
        assert got.returncode == 2
        assert "signing_key: does not parse: the RSA key has the ROCA weakness (CVE-2017-15361)" in got.stdout + got.stderr


def test_a_taken_port_is_a_warning_and_a_foreign_address_an_error(config):
    with listen_somewhere() as taken:
        port = taken.getsockname()[1]
        got = run("check", "--config", config(f'listen: ["127.0.0.1:{port}"]\n'))
        assert got.returncode == 0
        assert f"(process {os.getpid()}) listens on 127.0.0.1:{port} already; no problem if it is this service itself" in got.stdout
    got = run("check", "--config", config('listen: ["192.0.2.1:0"]\n'))
    assert got.returncode == 2
    assert "listen[0]: 192.0.2.1:0 cannot be listened on: " in got.stdout


def listen_lines(path):
    lines = run("check", "--config", path).stdout.splitlines()
    return [line.replace(f"{path}:", "") for line in lines if ": listen[" in line]


def test_a_unix_socket_is_tried_like_a_port(config, tmp_path):
    items = [f"unix:{tmp_path}/{name}" for name in ("new", "live", "left", "file", "none/s")] + ["systemd:web"]
    path = config(f"listen: {json.dumps(items)}\n")
    (tmp_path / "file").write_text("")
    with socket.socket(socket.AF_UNIX) as live, socket.socket(socket.AF_UNIX) as left:
        live.bind(f"{tmp_path}/live")
        live.listen()
        left.bind(f"{tmp_path}/left")
        left.close()
        lines = [re.sub(r" \d+:\d+: ", " ", line) for line in listen_lines(path)]
    lines.sort(key=lambda line: line[6:])  # errors come first
    new_path = "choose a new path, in a folder that exists and that the service may write to"
    assert lines == [
        f"ok    listen[0]: unix:{tmp_path}/new can be listened on",
        f"warn  listen[1]: something listens on unix:{tmp_path}/live already; no problem if it is this service itself, otherwise "
        "choose another path, or stop the program that listens there",
        f"ok    listen[2]: unix:{tmp_path}/left can be listened on",
        f"error listen[3]: unix:{tmp_path}/file cannot be listened on: File exists; {new_path}",
        f"error listen[4]: unix:{tmp_path}/none/s cannot be listened on: No such file or directory; {new_path}",
        "ok    listen[5]: systemd:web comes from systemd at the start and is not tried here",
    ]
    assert (tmp_path / "left").exists() and not (tmp_path / "new").exists()


@pytest.mark.parametrize("item, finding", [
    ('{ address: "127.0.0.1:0", mode: "0660" }', "1:42: listen[0].mode: is only for a Unix socket, which 127.0.0.1:0 "
     "is not; leave it out, or set address to unix:/PATH"),
    ('{ address: systemd:web, group: root }', "1:41: listen[0].group: is only for a Unix socket, which systemd:web is "
     "not; leave it out, or set address to unix:/PATH"),
    ('{ address: "127.0.0.1:0", ipv6_only: true }', "1:47: listen[0].ipv6_only: is only for an IPv6 address, which "
     "127.0.0.1:0 is not; leave it out, or set address to [::]:PORT"),
    ('{ address: unix:run/s }', '1:21: listen[0].address: must be unix: and an absolute path of at most 107 bytes, such as '
     "unix:/run/cardea/cardea.sock"),
    ('{ address: unix:/s, mode: rw }', '1:36: listen[0].mode: must be an octal number of three digits, such as 0660'),
    ('{ address: unix:/s, group: no-such }', '1:37: listen[0].group: "no-such" is not a group of this machine; correct the name, or create the group'),
    ('{ adress: "127.0.0.1:0" }', 'unknown setting "listen[0].adress"; did you mean "listen[0].address"?'),
    ('{ http2: true }', "1:10: listen[0].address: is missing"),
    ('[a]', '1:10: listen[0]: expects one value, or settings of the form "name: value"'),
])
def test_a_wrong_item_of_listen_names_setting_cause_and_fix(config, item, finding):
    got = run("check", "--config", config(f"listen: [{item}]\n"))
    assert got.returncode == 2
    assert [line for line in got.stdout.splitlines() if line.startswith("error ") and finding in line], got.stdout


def test_what_only_begins_like_a_loopback_address_is_one_error(config):
    path = config('listen: ["127.evil.org:1"]\naccept_any_user: demo-only\n')
    got = run("check", "--config", path)
    assert got.returncode == 2
    assert [line for line in got.stdout.splitlines() if line.startswith("error ")] == [
        f'error {path}:1:10: listen[0]: "127.evil.org:1" has a name, and names are not resolved here: must be ADDRESS:PORT with an IP '
        "address, such as 127.0.0.1:5001 for localhost"]


@pytest.mark.parametrize("text, reason", [
    ("a: [1\n", ':2:1: not YAML: the "[" before it is not closed here; close it with "]", and quote each value with a "{", "," or ": " in it, as in '
     '"${env:NAME}"'),
    ("a: &x 1\n", ":1:4: anchors are not supported; write the value out"),
    ("a: 1\n---\nb: 2\n", ':2:1: a second document ("---") is not supported; keep one'),
    ("a: \0\n", ":1: not YAML: control characters are not allowed at byte 3; save it as UTF-8"),
    ("just words\n", ':1:1: expects settings of the form "name: value"; write a colon and a space in each'),
    ("- a\n", ':1:1: expects settings of the form "name: value"; write a colon and a space in each'),
])
def test_what_is_not_a_configuration_is_one_error_and_no_word_about_defaults(config, text, reason):
    path = config(text)
    got = run("check", "--config", path)
    assert (got.returncode, got.stderr) == (2, "")
    assert got.stdout == f"error {path}{reason}\n1 error, 0 warnings\n"


def test_a_file_that_is_not_there_is_one_error(tmp_path):
    got = run("check", "--config", tmp_path / "none.yaml")
    assert (got.returncode, got.stderr) == (2, "")
    assert got.stdout == f"error file {tmp_path}/none.yaml does not exist; correct the path of the configuration\n1 error, 0 warnings\n"


def test_a_folder_is_one_error(tmp_path):
    got = run("check", "--config", tmp_path)
    assert (got.returncode, got.stderr) == (2, "")
    assert got.stdout == f"error {tmp_path} is a folder; name the file in it, as in {tmp_path}/cardea.yaml\n1 error, 0 warnings\n"


def test_a_store_that_is_yet_to_be_made_is_a_warning(config, tmp_path):
    key = tmp_path / "master.key"
    key.write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n")
    key.chmod(0o600)
    path = config("store: sqlite:new.db\nmaster_key: ${file:master.key}\n")
    got = run("check", "--config", path)
    assert got.returncode == 0
    assert (f"{path}:1:8: store: there is no database {tmp_path}/new.db; cardea serve creates an empty one; if this is not a first start, the "
            "database was moved or \"store\" is wrong: stop, restore it or correct the setting\n") in got.stdout
    assert not (tmp_path / "new.db").exists()
    with contextlib.closing(sqlite3.connect(tmp_path / "new.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
    (tmp_path / "new.db").chmod(0o600)
    got = run("check", "--config", path)
    assert got.returncode == 0
    assert ("store: the database is empty; cardea serve and cardea migrate create its tables; if this is not a first start, the database was "
            "moved or \"store\" is wrong: stop, restore it or correct the setting\n") in got.stdout


@pytest.mark.parametrize("host, fits", [
    ("auth.example.org", True), ("AUTH.example.org:8443", True), ("x.apps.example.org", True), ("192.0.2.1", True), ("[2001:db8::1]:1", True),
    ("example.org", False), ("a.b.apps.example.org", False), ("192.0.2.2", False), ("[2001:db8::2]", False)])
def test_an_issuer_that_the_certificate_is_not_for_is_warned_of(config, tmp_path, host, fits):
    run("cert", "new", "auth.example.org", "*.apps.example.org", "192.0.2.1", "2001:db8::1", "--dir", tmp_path)
    text = f"issuer: 'https://{host}'\nlisten: ['127.0.0.1:0']\ntls: {{ certificate: cert.pem, key: key.pem }}\n"
    name = host[1:host.index("]")] if host[0] == "[" else host.split(":")[0]
    warning = (f"warn  {tmp_path}/f.yaml:1:9: issuer: tls.certificate is not for {name}, so clients will not connect; use a name of "
               "the certificate, or a certificate for this name")
    got = run("check", "--config", config(text))
    assert got.returncode == 0
    assert (warning in got.stdout.splitlines()) != fits
    got = run("check", "--config", config(text + "trusted_proxies: [10.0.0.1]\n"))
    assert warning not in got.stdout.splitlines()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("name, mode, fix", [("cardea.db", 0o400, "u+rw"), ("", 0o500, "u+rwx")])
def test_a_database_that_its_owner_may_not_write_is_mended_by_its_mode(name, mode, fix):
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as folder:  # pytest's own is closed to other users
        os.chmod(folder, 0o755)
        made = Installation(pathlib.Path(folder) / "auth")
        made.config.write_text(made.config.read_text() + "user: nobody\n")
        for path in [made.folder, *made.folder.iterdir()]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        path = made.folder / name
        path.chmod(mode)
        got = run("check", "--config", made.config)
        assert got.returncode == 2
        assert f"cannot be written by the user nobody, who owns it: Permission denied; chmod {fix} {path}\n" in got.stdout
        os.system(f"chmod {fix} {path}")
        assert run("check", "--config", made.config).returncode == 0


def test_what_may_have_caused_the_others_comes_first(config):
    path = config("acess: []\nclients:\n  - { ident: a, secret: '${env:CD_NOT_SET}' }\nissuer: http://a.example/x\n")
    got = run("check", "--config", path)
    settings = [line.split(": ", 2)[1] for line in got.stdout.splitlines() if line.startswith("error ")]
    assert settings == ["clients[0].secret", 'unknown setting "acess"; did you mean "access"?',
                        'unknown setting "clients[0].ident"; remove it; the settings here are id, secret, grant_types, scopes, audience, '
                        "introspect, alg", "clients[0].id", "issuer"]
    levels = [line[:5].strip() for line in got.stdout.splitlines()[:-1] if not line.startswith(" ")]
    assert levels == sorted(levels, key=["error", "warn", "ok"].index) and len(set(levels)) == 3


def test_a_missing_setting_says_what_it_is(config):
    path = config("clients: [{ secret: 0123456789abcdef }]\n")
    assert run("check", "--config", path).stdout.startswith(
        f"error {path}:1:11: clients[0].id: is missing; add it: the client's name\n")


def test_json_has_the_findings_of_the_text(config):
    path = config("clients:\n  - id: a\n    secret: ${env:CD_NOT_SET}\n    grant_types: [client_credentials]\nthreads: many\n")
    text = run("check", "--config", path)
    got = run("check", "--config", path, "--json")
    assert (got.returncode, got.stderr) == (text.returncode, "") == (2, "")
    answer = json.loads(got.stdout)
    assert (answer["errors"], answer["warnings"]) == (2, 1)
    assert f"{answer['errors']} errors, {answer['warnings']} warning" == text.stdout.splitlines()[-1]
    lines = [line for line in text.stdout.splitlines()[:-1] if not line.startswith("        ")]
    assert [finding["level"][:4] for finding in answer["findings"]] == [line[:4].replace("erro", "erro").strip() for line in lines]
    first = answer["findings"][0]
    assert {k: first[k] for k in ("level", "setting", "file", "line", "column", "from", "what")} == {
        "level": "error", "setting": "clients[0].secret", "file": str(path), "line": 3, "column": 13, "from": "",
        "what": "environment variable CD_NOT_SET is not set"}
    assert lines[0].endswith(first["fix"]) and f"\n        {first['why']}\n" in text.stdout
    assert {frozenset(finding) for finding in answer["findings"]} == {
        frozenset(("level", "setting", "file", "line", "column", "from", "what", "why", "fix"))}


def test_each_error_and_warning_says_why_it_matters(config):
    path = config("listen: [localhost:5001]\nthreads: many\nissuer: http://auth.example.com\nclients: [{ id: a, secret: short }]\nportal: { url: https://x }\n"
                  "relay: [{ path: /a, deliver: tcp://bot:1, encoding: json }]\nsignin: { providers: [{ type: github, client_id: a }] }\n")
    answer = json.loads(run("check", "--config", path, "--json").stdout)
    serious = [finding for finding in answer["findings"] if finding["level"] != "ok"]
    assert len(serious) > 6 and [finding for finding in serious if not finding["why"]] == []
    text = run("check", "--config", path).stdout
    for finding in serious:
        assert (f"\n        {finding['why']}\n" in text) >= (finding["level"] == "error")


def test_check_and_start_say_the_same_about_the_store(tmp_path):
    made = Installation(tmp_path / "auth")
    os.system(f"rm {made.folder}/cardea.db*; mkdir {made.folder}/cardea.db")
    checked = run("check", "--config", made.config)
    served = run("serve", "--config", made.config)
    assert checked.returncode == 2 and served.returncode in (1, 2)
    assert checked.stdout.splitlines()[0].removeprefix("error ") == served.stderr.splitlines()[0].removeprefix("cardea: ")
    assert served.stderr.splitlines()[1:] == [*checked.stdout.splitlines()[1:2], "cardea: 1 error, 0 warnings"]
