"""cardea user invite and reset: the links, their rows in the store, and what is wrong."""
import base64
import datetime
import hashlib
import json
import re
import sqlite3

import pytest

from .administration import Installation
from .commands import run

URL = "https://auth.example.com/_auth"
LINK = re.compile(re.escape(URL) + r"/(invite|reset)\?token=([A-Za-z0-9_-]{43})\n")


@pytest.fixture
def made(tmp_path):
    """An installation with a portal, and ana."""
    home = Installation(tmp_path / "auth")
    set_portal(home, f"{{ url: '{URL}' }}")
    home.add_user("ana")
    return home


def set_portal(home, portal):
    lines = [line for line in home.config.read_text().splitlines() if not line.startswith("portal:")]
    home.config.write_text("\n".join([*lines, f"portal: {portal}" if portal else "", ""]))


def rows(home):
    """The links in the store, by digest."""
    with sqlite3.connect(home.folder / "cardea.db") as db:
        db.row_factory = sqlite3.Row
        return {row["digest"]: row for row in db.execute("SELECT * FROM links")}


def digest_of(token):
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")


def row_of(home, done):
    """The row of the link that was printed, which is all that was printed."""
    kind, token = LINK.fullmatch(done.stdout).groups()
    assert kind == done.args[2]
    return rows(home)[digest_of(token)]


def last_event(home):
    return json.loads(home.run("audit", "tail", "--lines", "1", "--json", check=0).stdout)


def test_an_invitation_is_a_link(made):
    done = made.run("user", "invite", "Bo", "--group", "staff", "--group", "admins", "--email", "bo@example.com",
                    "--display-name", "Bo Öst", check=0)
    row = row_of(made, done)
    assert (row["kind"], row["user_name"], row["generation"]) == ("invite", "bo", 0)
    assert row["expires_at"] - row["created_at"] == 72 * 3600
    assert json.loads(row["account"]) == {"display_name": "Bo Öst", "email": "bo@example.com", "groups": ["admins", "staff"]}
    until = datetime.datetime.fromtimestamp(row["expires_at"], datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert done.stderr == f"the link is valid once, until {until}; an earlier invitation for that name is void\n"
    event = last_event(made)
    assert (event["action"], event["subject"], event["detail"]) == ("user.invite", "user:bo", "+admins +staff")
    assert event["actor"].startswith("os:")
    assert made.run("user", "show", "bo").returncode == 3  # there is no such user yet


def test_a_second_invitation_replaces_the_first(made):
    first = row_of(made, made.run("user", "invite", "bo", check=0))
    other = row_of(made, made.run("user", "invite", "cy", check=0))
    second = row_of(made, made.run("user", "invite", "BO", check=0))
    assert set(rows(made)) == {other["digest"], second["digest"]} and first["digest"] != second["digest"]


def test_an_invitation_as_json(made):
    done = made.run("user", "invite", "bo", "--expires", "1h", "--json", check=0)
    answer = json.loads(done.stdout)
    assert list(answer) == ["name", "link", "expires_at"] and answer["name"] == "bo"
    row = rows(made)[digest_of(LINK.fullmatch(answer["link"] + "\n")[2])]
    assert row["expires_at"] - row["created_at"] == 3600
    assert datetime.datetime.fromisoformat(answer["expires_at"].replace("Z", "+00:00")).timestamp() == row["expires_at"]


@pytest.mark.parametrize("text,seconds", [("1m", 60), ("30d", 30 * 86400)])
def test_an_invitation_is_valid_as_long_as_was_said(made, text, seconds):
    row = row_of(made, made.run("user", "invite", "bo", "--expires", text, check=0))
    assert row["expires_at"] - row["created_at"] == seconds


@pytest.mark.parametrize("text,why", [
    ("59s", "must be 1m to 30d"), ("31d", "must be 1m to 30d"),
    ("3", "must be a duration such as 250ms, 5s, 10m, 1h or 7d"),
])
def test_an_invitation_is_valid_from_one_minute_to_30_days(made, text, why):
    done = made.run("user", "invite", "bo", "--expires", text, check=2)
    assert (done.stdout, done.stderr) == ("", f"cardea user invite: --expires: {why}\n")
    assert not rows(made)


@pytest.mark.parametrize("portal,why", [
    (None, "portal.url: is not set, and the link begins with it; write it as in https://auth.example.com/_auth"),
    (f"{{ url: '{URL}', registration: closed }}", "portal.registration: is closed, so that no invitation can be used; "
     "write invite, or add the user with cardea user add"),
])
def test_an_invitation_needs_a_portal_that_takes_it(made, portal, why):
    set_portal(made, portal)
    done = made.run("user", "invite", "bo", check=2)
    assert (done.stdout, done.stderr) == ("", f"cardea user invite: {why}\n")
    assert not rows(made)


def test_invitations_work_where_everybody_may_register(made):
    set_portal(made, f"{{ url: '{URL}', registration: open }}")
    row_of(made, made.run("user", "invite", "bo", check=0))


@pytest.mark.parametrize("args,code,why", [
    (["ANA"], 4, 'user "ana" exists already; for a new password use cardea user reset'),
    (["grant"], 4, '"grant" is the id of a client; choose another name'),
    ([".."], 2, 'name: nobody can be called "..", which means a folder in a path; use another name'),
    (["no name"], 2, "name: byte 3 of the user name is not allowed; use letters a-z, digits and . _ - @ +"),
    (["bo", "--email", "bo"], 2, "email: "),
    (["bo", "--group", "a b"], 2, "groups: "),
    (["bo", "--display-name", " "], 2, "display_name: "),
    ([], 2, "NAME is missing; see: cardea help user invite"),
])
def test_who_cannot_be_a_new_user_is_not_invited(made, args, code, why):
    done = made.run("user", "invite", *args, check=code)
    assert done.stdout == "" and done.stderr.startswith(f"cardea user invite: {why}"), done.stderr
    assert done.stderr.count("\n") == 1 and not rows(made)


@pytest.mark.parametrize("action", ["invite", "reset"])
def test_a_link_needs_a_store_that_lasts(tmp_path, action):
    path = tmp_path / "memory.yaml"
    path.write_text(f"portal: {{ url: '{URL}' }}\n")
    done = run("user", action, "bo", "--config", path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (f"cardea user {action}: {path}: store: is not set, so there is nothing to administer; write store: "
                           "sqlite:cardea.db and a master_key\n")


def test_a_reset_is_a_link(made):
    done = made.run("user", "reset", "Ana", check=0)
    row = row_of(made, done)
    assert (row["kind"], row["user_name"], row["expires_at"] - row["created_at"]) == ("reset", "ana", 1800)
    until = datetime.datetime.fromtimestamp(row["expires_at"], datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert done.stderr == f"the link is valid once, until {until}; the second factor stays as it is\n"
    assert (last_event(made)["action"], last_event(made)["subject"]) == ("user.reset_link", "user:ana")
    answer = json.loads(made.run("user", "reset", "ana", "--json", check=0).stdout)
    assert answer["name"] == "ana" and digest_of(LINK.fullmatch(answer["link"] + "\n")[2]) in rows(made)


def test_a_user_has_three_reset_links_at_a_time(made):
    for _ in range(3):
        made.run("user", "reset", "ana", check=0)
    done = made.run("user", "reset", "ana", check=1)
    assert done.stderr.splitlines() == [
        'cardea user reset: user "ana" has 3 links already, and no more are made; each is valid for 30 minutes, so wait for the '
        'oldest to expire', "cardea user reset: the link that was printed is void"]
    assert len(rows(made)) == 3


def test_what_cannot_be_reset_is_said(made):
    assert made.run("user", "reset", "bo", check=3).stderr == 'cardea user reset: there is no user "bo"\n'
    assert made.run("user", "reset", check=2).stderr == "cardea user reset: NAME is missing; see: cardea help user reset\n"
    made.run("user", "disable", "ana", check=0)
    done = made.run("user", "reset", "ana", check=2)
    assert done.stderr == ('cardea user reset: name: user "ana" is disabled, so that no link works; use cardea user enable '
                           "first\n")
    made.run("user", "enable", "ana", check=0)
    set_portal(made, f"{{ url: '{URL}', factors: [totp] }}")
    done = made.run("user", "reset", "ana", check=2)
    assert done.stderr == ("cardea user reset: portal.factors: does not contain password, so that users have none to reset; for "
                           "a lost authenticator use cardea user totp reset\n")
    set_portal(made, None)
    done = made.run("user", "reset", "ana", check=2)
    assert done.stderr == ("cardea user reset: portal.url: is not set, and the link begins with it; write it as in "
                           "https://auth.example.com/_auth\n")
    assert not rows(made)
