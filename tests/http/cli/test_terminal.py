"""What came from outside never reaches a terminal raw: not in tables, errors or logs, and JSON stays JSON."""
import contextlib
import fcntl
import json
import os
import pty
import re
import sqlite3
import struct
import subprocess
import termios
import unicodedata

import pytest

from .administration import Installation
from .commands import CARDEA, DEADLINE, run

EVIL = "\x1b[31m\x9b2J\u061c\u202e\u2066\u2028\ufeff\U000e0041\r\n"
HASH = "$2y$05$abcdefghijklmnopqrstuu5s9iJJVdsmkJcYqzDvnUuNfsaKuyPyW"
LINE = json.dumps  # of JSON Lines: all of it escaped


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return Installation(tmp_path_factory.mktemp("terminal") / "auth")


def assert_safe(text):
    """Nothing but what can be seen, and the ends of lines."""
    bad = {c for c in text if c != "\n" and (unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") or c == "\ufffd")}
    assert bad == set(), (bad, text)


def said(done):
    assert_safe(done.stdout + done.stderr)
    return done.stdout + done.stderr


@pytest.mark.parametrize("line", [
    LINE({"name": "eve", EVIL: 1}), LINE({"name": EVIL, "hash": "x"}), LINE({"name": "eve", "hash": EVIL}),
    LINE({"name": "eve", "hash": {EVIL: 1}}), LINE({"name": "eve", "hash": "$2y$05$abcdefghijklmnopqrstuu", "claims": {EVIL: 1}}),
    LINE({"name": "eve", "hash": HASH, "groups": [EVIL]}), f"eve{EVIL.strip()}:hash", f"eve:{EVIL.strip()}", "\x1b]0;title\x07", '{"\x1b":'])
def test_an_import_file_with_odd_names_is_refused_in_plain_text(home, tmp_path, line):
    path = tmp_path / f"users{EVIL.strip()}"
    path.write_text(line + "\n", encoding="utf-8", errors="surrogatepass")
    done = home.run("user", "import", path, check=5)
    assert "\\x1b" in said(done) and len(done.stderr.splitlines()) == 1


def test_claims_are_shown_and_exported_in_plain_text(home):
    claim = json.dumps({"note": EVIL})
    home.run("user", "import", "-", check=0, stdin=json.dumps(
        {"name": "ana", "algorithm": "blake2b", "hash": "00" * 32, "salt": "00" * 16, "claims": {"note": EVIL}}) + "\n")
    for command in (["user", "list"], ["user", "show", "ana"], ["audit", "tail"]):
        said(home.run(*command, check=0))
        for line in said(home.run(*command, "--json", check=0)).splitlines():
            json.loads(line)
    shown = json.loads(home.run("user", "show", "ana", "--json", check=0).stdout)
    exported = json.loads(said(home.run("user", "export", check=0)))
    assert shown["claims"] == exported["claims"] == json.loads(claim)


def test_details_of_a_row_changed_by_hand_are_shown_and_exported_in_plain_text(tmp_path):
    home = Installation(tmp_path / "auth")
    home.add_user("ana")
    with sqlite3.connect(home.folder / "cardea.db") as database:
        database.execute("UPDATE users SET display_name = ?, email = ?, groups = ?", (EVIL, EVIL, json.dumps([EVIL])))
    for command in (["user", "list"], ["user", "show", "ana"]):
        said(home.run(*command, check=0))
    for command in (["user", "export"], ["user", "list", "--json"], ["user", "show", "ana", "--json"]):
        ana = json.loads(said(home.run(*command, check=0)))
        assert (ana["display_name"], ana["email"], ana["groups"]) == (EVIL, EVIL, [EVIL])


def test_a_users_file_of_authelia_with_odd_texts_is_refused_in_plain_text(home):
    evil = json.dumps(EVIL).replace("\\udb40\\udc41", "\\U000e0041")
    users = [f"{evil}: {{}}", f"a: {{disabled: {evil}}}", f"a: {{password: {HASH}, groups: [{evil}]}}",
             f"a: {{password: {HASH}, email: {evil}}}", f"a: {{password: {HASH}, displayname: {evil}}}"]
    for user in users:
        done = home.run("user", "import", "--format", "authelia", "-", stdin=f"users:\n  {user}\n", check=5)
        assert len(said(done).splitlines()) == 2
    said(home.run("user", "import", "--format", "authelia", "-", stdin=EVIL, check=2))


@pytest.mark.parametrize("text", [
    f'"{{}}": 1\n', f"{{}}: 1\n", 'issuer: "{}"\n', 'store: "sqlite:{}"\n', 'master_key: "${{file:{}}}"\n', 'listen: ["{}"]\n',
    'signing_key: "${{env:{}}}"\n', 'signing_key: "${{credential:{}}}"\n', 'scopes: ["{}"]\n', 'user: "{}"\n', "issuer: [{}\n",
    'tls: {{ certificate: "{}", key: "{}" }}\n', 'clients: [{{ id: "{}", secret: x, grant_types: ["{}"], introspect: ["{}"] }}]\n',
    'listen: [{{ address: "unix:/nonexistent/x", group: "{}" }}]\n', 'tokens: {{ alg: "{}" }}\n', 'trusted_proxies: ["{}"]\n'])
@pytest.mark.parametrize("form", ["raw", "escaped"])
def test_a_configuration_with_odd_texts_is_judged_in_plain_text(tmp_path, text, form):
    evil = EVIL.strip() if form == "raw" else json.dumps(EVIL)[1:-1].replace("\\udb40\\udc41", "\\U000e0041")
    path = tmp_path / f"c{EVIL.strip()}.yaml"
    path.write_text(text.replace("{}", evil) if "{{" not in text else text.replace("{{", "{").replace("}}", "}").replace("{}", evil),
                    encoding="utf-8")
    for command in (["check"], ["config", "show"], ["config", "show", "--json"], ["user", "list"]):
        done = run(*command, "--config", path)
        assert done.returncode in (0, 2)
        said(done)
        if command[-1] == "--json" and done.returncode == 0:
            json.loads(done.stdout)


@pytest.mark.parametrize("args", [
    [EVIL], ["user", EVIL], ["help", EVIL], ["help", "user", EVIL], ["user", "list", f"--{EVIL}"], ["check", "--config", f"/nonexistent/{EVIL}"],
    ["user", "list", "extra", EVIL], ["demo", "--port-base", EVIL], ["schema", EVIL], ["cert", "new", EVIL], ["cert", "renew", "--dir", EVIL],
    ["init", "--dir", "/nonexistent/x", "--listen", EVIL], ["init", "--dir", f"/nonexistent/{EVIL}"]])
def test_an_odd_argument_is_refused_in_plain_text(args):
    done = run(*args)
    assert done.returncode != 0
    said(done)


@pytest.mark.parametrize("args", [
    ["user", "show", EVIL], ["user", "disable", EVIL], ["user", "claims", "ana", f"{EVIL}=1"], ["user", "set", "ana", "--add-group", EVIL],
    ["user", "set", "ana", "--remove-group", EVIL], ["user", "set", "ana", "--email", EVIL], ["client", "show", EVIL],
    ["user", "set", "ana", "--display-name", EVIL], ["client", "add", EVIL, "-g", "client_credentials"], ["client", "add", "x", "-g", EVIL], ["client", "add", "x", "-s", EVIL],
    ["client", "add", "x", "-i", EVIL], ["client", "remove", EVIL, "--yes"], ["key", "export", EVIL], ["key", "retire", EVIL],
    ["key", "rotate", "--alg", EVIL], ["audit", "tail", "-n", EVIL], ["user", "import", EVIL], ["user", "add", "x", "--password-file", EVIL]])
def test_an_odd_name_is_refused_in_plain_text(home, args):
    done = home.run(*args)
    assert done.returncode != 0 or args[-1] == EVIL
    said(done)


def on_a_terminal(columns, *args):
    """What a terminal of that width shows."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([CARDEA, *args], stdout=slave)
    os.close(slave)
    text = b""
    with contextlib.suppress(OSError): # the other end is closed
        while data := os.read(master, 4096):
            text += data
    os.close(master)
    assert process.wait(timeout=DEADLINE) == 0
    return text.decode().replace("\r\n", "\n")


def test_a_table_that_is_too_wide_for_a_terminal_is_shown_line_by_line(home):
    args = ["key", "list", "--config", str(home.config)]
    table = run(*args).stdout
    titles = ["KID", "ALG", "STATE", "CREATED", "SIGNS FROM", "VERIFIES UNTIL"]
    assert on_a_terminal(max(map(len, table.splitlines())), *args) == table
    blocks = on_a_terminal(80, *args).split("\n\n")
    rows = [re.split(r"  +", line) for line in table.splitlines()]
    assert rows[0] == titles and len(blocks) == len(rows) - 1
    assert [[re.split(r"  +", line) for line in block.splitlines()] for block in blocks] == [
        [[title, value] for title, value in zip(titles, row)] for row in rows[1:]]
    assert max(len(line) for block in blocks for line in block.splitlines()) <= 80
