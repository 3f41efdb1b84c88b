"""cardea user link and unlink: accounts at other providers, what is shown of them, and what is wrong."""
import json
import sqlite3

import pytest

from .administration import Installation

OCTOCAT = ("--provider", "github", "--subject", "583231")


@pytest.fixture
def made(tmp_path):
    """An installation with ana and bo."""
    home = Installation(tmp_path / "auth")
    home.add_user("ana")
    home.add_user("bo")
    return home


def events(home):
    lines = home.run("audit", "tail", "--lines", "100", "--json", check=0).stdout.splitlines()
    return [(e["action"], e["subject"], e["detail"]) for e in map(json.loads, lines) if "link" in e["action"]]


def accounts(home, user):
    return json.loads(home.run("user", "show", user, "--json", check=0).stdout)["accounts"]


def test_an_account_is_linked_shown_and_unlinked(made):
    done = made.run("user", "link", "Ana", *OCTOCAT, check=0)
    assert done.stdout == "user ana is linked to account 583231 of github\n"
    made.run("user", "link", "ana", "--provider", "osu", "--subject", "2", check=0)
    shown = accounts(made, "ana")
    assert [(a["provider"], a["subject"], a["login"], a["last_login_at"]) for a in shown] == [
        ("github", "583231", None, None), ("osu", "2", None, None)]
    assert shown[0]["linked_at"]
    with sqlite3.connect(made.folder / "cardea.db") as db:
        db.execute("UPDATE provider_accounts SET login = 'octocat' WHERE provider = 'github'")
        db.execute("INSERT INTO provider_tokens VALUES ('ana', 'github', 'x1.x', 0, 0, 1, 0)")
    text = made.run("user", "show", "ana", check=0).stdout
    assert "\naccounts     github 583231 (octocat), osu 2\n" in text
    listed = [json.loads(line) for line in made.run("user", "list", "--json", check=0).stdout.splitlines()]
    assert [len(user["accounts"]) for user in listed] == [2, 0]
    assert "\naccounts     -\n" in made.run("user", "show", "bo", check=0).stdout

    done = made.run("user", "unlink", "ana", *OCTOCAT, check=0)
    assert done.stdout == "user ana is no longer linked to account 583231 of github\n"
    assert [a["provider"] for a in accounts(made, "ana")] == ["osu"]
    with sqlite3.connect(made.folder / "cardea.db") as db:
        assert db.execute("SELECT COUNT(*) FROM provider_tokens").fetchone() == (0,)
    assert events(made) == [("user.link", "user:ana", "github 583231"), ("user.link", "user:ana", "osu 2"),
                            ("user.unlink", "user:ana", "github 583231")]


def test_an_account_belongs_to_one_user(made):
    made.run("user", "link", "ana", *OCTOCAT, check=0)
    for user in ("ana", "bo"):
        done = made.run("user", "link", user, *OCTOCAT, check=4)
        assert done.stderr == 'cardea user link: the account is linked to user "ana" already\n'
    done = made.run("user", "unlink", "bo", *OCTOCAT, check=3)
    assert done.stderr == 'cardea user unlink: user "bo" is not linked to account 583231 of github\n'
    assert len(events(made)) == 1


def test_accounts_go_with_their_user(made):
    made.run("user", "link", "ana", *OCTOCAT, check=0)
    made.run("user", "remove", "ana", "--yes", check=0)
    made.run("user", "link", "bo", *OCTOCAT, check=0)


@pytest.mark.parametrize(("words", "code", "message"), [
    (("eve", *OCTOCAT), 3, '"eve"'),
    (("ana",), 2, "--provider NAME is missing; see: cardea help user {}"),
    (("ana", "--provider", "github"), 2, "--subject ID is missing; see: cardea help user {}"),
    (OCTOCAT, 2, "NAME is missing; see: cardea help user {}"),
    (("ana", "--provider", "GitHub", "--subject", "1"), 2, "provider: is not a name of 1 to 32 letters a-z, digits and -"),
    (("ana", "--provider", "a" * 33, "--subject", "1"), 2, "provider: is not a name of 1 to 32 letters a-z, digits and -"),
    (("ana", "--provider", "github", "--subject", ""), 2, "--subject needs a value"),
    (("ana", "--provider", "github", "--subject", "the octocat"), 2, "subject: is not 1 to 255 bytes without white space"),
    (("ana", "--provider", "github", "--subject", "a" * 256), 2, "subject: is not 1 to 255 bytes without white space"),
])
@pytest.mark.parametrize("action", ["link", "unlink"])
def test_what_is_wrong_is_named(made, action, words, code, message):
    done = made.run("user", action, *words, check=code)
    assert message.format(action) in done.stderr, done.stderr
    assert done.stdout == "" and events(made) == []
