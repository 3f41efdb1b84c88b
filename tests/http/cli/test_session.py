"""cardea session, and cardea user totp: every action, its errors and exit codes. Sessions are rows here: no page makes them yet."""
import json
import sqlite3
import time

import pytest

from .administration import Installation


@pytest.fixture
def made(tmp_path):
    """An installation with ana and bo, and two sessions of ana's."""
    home = Installation(tmp_path / "auth")
    for name in ("ana", "bo"):
        home.run("user", "add", name, "--password-file", "-", stdin="correct horse battery", check=0)
    for number in (1, 2):
        add_session(home, "ana", number)
    return home


def database(home):
    return sqlite3.connect(home.folder / "cardea.db")


def add_session(home, user, number):
    now = int(time.time())
    with database(home) as db:
        generation = db.execute("SELECT generation FROM users WHERE name = ?", (user,)).fetchone()[0]
        db.execute("INSERT INTO sessions (digest, sid, user_name, generation, amr, factors, auth_time, device, address, created_at,"
                   " seen_at, idle_lifetime, ends_at, expires_at) VALUES (?, ?, ?, ?, ?, 3, ?, ?, ?, ?, ?, 600, ?, ?)",
                   (f"digest-{user}-{number}", f"sid-{number}", user, generation, '["pwd","otp","mfa"]', now, "A \x1b[31mbrowser",
                    f"192.0.2.{number}", now - 100 + number, now, now + 900, now + 600))


def add_factor(home, user):
    with database(home) as db:
        db.execute("INSERT INTO totp (user_name, sealed, created_at, last_step, failures, failed_at) VALUES (?, 'x1.a', 1, 1, 100, 1)",
                   (user,))
        db.execute("INSERT INTO recovery_codes (mac, user_name) VALUES (?, ?)", (f"mac-of-{user}", user))


def sessions(home, user="ana"):
    return [json.loads(line) for line in home.run("session", "list", "--user", user, "--json", check=0).stdout.splitlines()]


def last_event(home):
    return json.loads(home.run("audit", "tail", "--lines", "1", "--json", check=0).stdout)


def test_sessions_are_listed(made):
    first, second = sessions(made)
    assert (first["id"], second["id"]) == ("sid-1", "sid-2")
    assert first["user"] == "ana" and first["amr"] == ["pwd", "otp", "mfa"] and first["address"] == "192.0.2.1"
    assert first["created_at"] < first["seen_at"] < first["expires_at"] and first["auth_time"].endswith("Z")
    assert sessions(made, "bo") == []
    table = made.run("session", "list", "--user", "ANA", check=0).stdout.splitlines()
    assert table[0].split() == ["ID", "SINCE", "SEEN", "UNTIL", "FACTORS", "ADDRESS", "DEVICE"]
    assert len(table) == 3 and table[1].startswith("sid-1 ") and "pwd otp mfa" in table[1]


def test_what_a_browser_calls_itself_does_nothing_to_a_terminal(made):
    assert "\x1b" not in made.run("session", "list", "--user", "ana", check=0).stdout
    assert "\x1b" not in made.run("session", "list", "--user", "ana", "--json", check=0).stdout


def test_one_session_is_ended(made):
    done = made.run("session", "end", "--user", "ana", "--id", "sid-1", check=0)
    assert done.stdout == "session sid-1 of user ana ended\n"
    assert [session["id"] for session in sessions(made)] == ["sid-2"]
    event = last_event(made)
    assert (event["action"], event["subject"], event["detail"]) == ("user.end_session", "user:ana", "sid-1")
    done = made.run("session", "end", "--user", "ana", "--id", "sid-1", check=3)
    assert done.stderr == 'cardea session end: user "ana" has no session of that id\n'
    made.run("session", "end", "--user", "bo", "--id", "sid-2", check=3)
    assert len(sessions(made)) == 1


def test_all_sessions_of_a_user_are_ended(made):
    add_session(made, "bo", 3)
    done = made.run("session", "end", "--user", "ana", check=0)
    assert done.stdout == "all sessions of user ana ended; older tokens are revoked\n"
    assert sessions(made) == [] and len(sessions(made, "bo")) == 1
    assert (last_event(made)["action"], last_event(made)["subject"]) == ("user.end_sessions", "user:ana")


@pytest.mark.parametrize("action", ["list", "end"])
def test_a_user_who_is_missing_is_said(made, action):
    assert made.run("session", action, check=2).stderr == f"cardea session {action}: --user NAME is missing; see: cardea help session {action}\n"
    done = made.run("session", action, "--user", "nobody", check=3)
    assert done.stderr == f'cardea session {action}: there is no user "nobody"\n'


def test_a_second_factor_is_reset(made):
    add_factor(made, "ana")
    add_factor(made, "bo")
    done = made.run("user", "totp", "reset", "Ana", check=0)
    assert done.stdout == ("user ana has no TOTP factor and no recovery codes any more; sessions and older tokens are ended\n")
    assert sessions(made) == []
    assert (last_event(made)["action"], last_event(made)["subject"]) == ("user.totp_reset", "user:ana")
    with database(made) as db:
        assert db.execute("SELECT user_name FROM totp").fetchall() == [("bo",)]
        assert db.execute("SELECT user_name FROM recovery_codes").fetchall() == [("bo",)]
    done = made.run("user", "totp", "reset", "ana", check=3)
    assert done.stderr == 'cardea user totp: user "ana" has no TOTP factor\n'
    made.run("user", "totp", "reset", "nobody", check=3)


@pytest.mark.parametrize("words, message", [
    ([], "reset is missing; see: cardea help user totp"),
    (["reset"], "NAME is missing; see: cardea help user totp"),
    (["remove", "ana"], "name a user: cardea user totp reset NAME"),
])
def test_what_to_do_with_a_factor_is_said(made, words, message):
    assert made.run("user", "totp", *words, check=2).stderr == f"cardea user totp: {message}\n"


def test_to_enable_a_user_ends_the_lock_of_wrong_codes(made):
    add_factor(made, "ana")
    made.run("user", "enable", "ana", check=0)
    with database(made) as db:
        assert db.execute("SELECT failures FROM totp").fetchall() == [(0,)]
    assert last_event(made)["action"] == "user.enable"
    assert len(sessions(made)) == 2


def test_a_user_who_is_removed_leaves_nothing(made):
    add_factor(made, "ana")
    made.run("user", "remove", "ana", "--yes", check=0)
    with database(made) as db:
        for table in ("sessions", "totp", "recovery_codes"):
            assert db.execute(f"SELECT COUNT(*) FROM {table}").fetchone() == (0,)
