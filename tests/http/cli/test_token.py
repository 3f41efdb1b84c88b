"""cardea token: every action, its errors and exit codes. Tokens are rows here; the portal's page makes them."""
import json
import sqlite3
import time

import pytest

from .administration import Installation

ID = "3f9ab2740c51de86"


@pytest.fixture
def made(tmp_path):
    """An installation with ana and bo, and two tokens of ana's."""
    home = Installation(tmp_path / "auth")
    for name in ("ana", "bo"):
        home.run("user", "add", name, "--password-file", "-", stdin="correct horse battery", check=0)
    add_token(home, "ana", ID, hosts=["wiki.example.com", "*.lab.example.com"], methods=["GET"])
    add_token(home, "ana", "c0de77105a4b9e12", used=True)
    return home


def database(home):
    return sqlite3.connect(home.folder / "cardea.db")


def add_token(home, user, token, hosts=(), methods=(), used=False):
    now = int(time.time())
    with database(home) as db:
        generation = db.execute("SELECT generation FROM users WHERE name = ?", (user,)).fetchone()[0]
        count = db.execute("SELECT COUNT(*) FROM personal_tokens").fetchone()[0]
        db.execute("INSERT INTO personal_tokens (digest, id, user_name, generation, name, factors, hosts, paths, methods, networks,"
                   " created_at, expires_at, used_at, address) VALUES (?, ?, ?, ?, ?, 3, ?, '[]', ?, '[]', ?, ?, ?, ?)",
                   (f"digest-{token}", token, user, generation, "A \x1b[31mbackup", json.dumps(hosts), json.dumps(methods),
                    now - 100 + count, now + 900, now if used else 0, "192.0.2.1" if used else ""))


def tokens(home, user="ana"):
    return [json.loads(line) for line in home.run("token", "list", "--user", user, "--json", check=0).stdout.splitlines()]


def last_event(home):
    return json.loads(home.run("audit", "tail", "--lines", "1", "--json", check=0).stdout)


def test_tokens_are_listed(made):
    first, second = tokens(made)
    assert first["id"] == ID and first["user"] == "ana" and first["name"] == "A \x1b[31mbackup"
    assert first["hosts"] == ["wiki.example.com", "*.lab.example.com"] and first["methods"] == ["GET"]
    assert first["paths"] == [] and first["networks"] == []
    assert first["created_at"] < first["expires_at"] and first["used_at"] is None and first["address"] == ""
    assert second["used_at"].endswith("Z") and second["address"] == "192.0.2.1"
    assert not any("digest" in line for line in first)
    assert tokens(made, "bo") == []
    table = made.run("token", "list", "--user", "ANA", check=0).stdout.splitlines()
    assert table[0].split() == ["ID", "NAME", "SINCE", "USED", "UNTIL", "ADDRESS", "LIMITS"]
    assert len(table) == 3 and table[1].startswith(f"{ID} ")
    assert table[1].endswith("hosts: wiki.example.com *.lab.example.com; methods: GET") and table[2].endswith(" -")
    assert "\x1b" not in "".join(table)
    assert "\x1b" not in made.run("token", "list", "--user", "ana", "--json", check=0).stdout


def test_one_token_is_revoked(made):
    done = made.run("token", "revoke", "--user", "ana", "--id", ID, check=0)
    assert done.stdout == f"token {ID} of user ana revoked\n"
    assert [token["id"] for token in tokens(made)] == ["c0de77105a4b9e12"]
    event = last_event(made)
    assert (event["action"], event["subject"], event["detail"]) == ("user.revoke_token", "user:ana", ID)
    assert event["actor"].startswith("os:")
    done = made.run("token", "revoke", "--user", "ana", "--id", ID, check=3)
    assert done.stderr == 'cardea token revoke: user "ana" has no token of that id\n'
    made.run("token", "revoke", "--user", "bo", "--id", "c0de77105a4b9e12", check=3)
    assert len(tokens(made)) == 1


def test_what_to_do_with_which_token_is_said(made):
    for action in ("list", "revoke"):
        done = made.run("token", action, check=2)
        assert done.stderr == f"cardea token {action}: --user NAME is missing; see: cardea help token {action}\n"
    done = made.run("token", "revoke", "--user", "ana", check=2)
    assert done.stderr == "cardea token revoke: --id ID is missing; see: cardea help token revoke\n"
    for words in (["list", "--user", "nobody"], ["revoke", "--user", "nobody", "--id", ID]):
        assert made.run("token", *words, check=3).stderr == f'cardea token {words[0]}: there is no user "nobody"\n'


@pytest.mark.parametrize("words", [
    ("session", "end", "--user", "ana"),
    ("user", "disable", "ana"),
    ("user", "passwd", "ana", "--password-file", "-"),
], ids=lambda words: " ".join(words[:2]))
def test_lesson_12_what_ends_the_sessions_of_a_user_ends_the_tokens(made, words):
    add_token(made, "bo", "00000000000000b0")
    made.run(*words, stdin="another horse battery" if "passwd" in words else None, check=0)
    assert tokens(made) == [] and len(tokens(made, "bo")) == 1
    if "disable" in words:
        made.run("user", "enable", "ana", check=0)
        assert tokens(made) == []


def test_other_groups_and_details_end_no_token(made):
    made.run("user", "set", "ana", "--add-group", "staff", "--email", "ana@example.com", check=0)
    assert len(tokens(made)) == 2


def test_a_user_who_is_removed_leaves_no_token(made):
    made.run("user", "remove", "ana", "--yes", check=0)
    with database(made) as db:
        assert db.execute("SELECT COUNT(*) FROM personal_tokens").fetchone() == (0,)
