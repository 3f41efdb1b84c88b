"""cardea user import with TOTP secrets: in JSON lines, and as a list of otpauth URIs such as Authelia exports them."""
import json
import sqlite3

import pytest

from .administration import Installation

HASH = "$2y$05$abcdefghijklmnopqrstuu5s9iJJVdsmkJcYqzDvnUuNfsaKuyPyW"
SECRETS = ["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"]


@pytest.fixture
def made(tmp_path):
    return Installation(tmp_path / "auth")


def uri(account, secret=SECRETS[0], more=""):
    """As Authelia 4.38 prints it."""
    return f"otpauth://totp/Authelia:{account}?algorithm=SHA1&digits=6&issuer=Authelia&period=30&secret={secret}{more}"


def line(name, totp=None, **more):
    return json.dumps({"name": name, "hash": HASH, **({"totp": totp} if totp else {}), **more}) + "\n"


def imports(home, text, *options, check=0):
    return home.run("user", "import", "-", *options, stdin=text, check=check)


def factors(home):
    """The sealed secrets in the store, by user."""
    with sqlite3.connect(home.folder / "cardea.db") as db:
        return dict(db.execute("SELECT user_name, sealed FROM totp"))


def generation(home, user):
    with sqlite3.connect(home.folder / "cardea.db") as db:
        return db.execute("SELECT generation FROM users WHERE name = ?", (user,)).fetchone()[0]


def last_event(home):
    return json.loads(home.run("audit", "tail", "--lines", "1", "--json", check=0).stdout)


def test_users_come_with_their_secrets(made):
    done = imports(made, line("ana", uri("someone")) + line("bo") + line("Cy", uri("cy", SECRETS[1])))
    assert (done.stdout, done.stderr) == ("3 users added, 0 updated, 0 refused\n", "")
    assert set(factors(made)) == {"ana", "cy"}
    assert (last_event(made)["action"], last_event(made)["detail"]) == ("user.import", "3 users, ana to cy, 2 with TOTP")


def test_lesson_28_no_secret_is_stored_or_shown_in_the_clear(made):
    imports(made, line("ana", uri("ana")))
    made.run("audit", "tail", check=0)
    exported = made.run("user", "export", check=0).stdout
    shown = made.run("user", "show", "ana", "--json", check=0).stdout
    stored = b"".join(path.read_bytes() for path in made.folder.glob("cardea.db*"))
    assert SECRETS[0].encode() not in stored and b"Hello!" not in stored  # base32, and what it encodes
    assert factors(made)["ana"].startswith("x1.")
    for text in (exported, shown):
        assert SECRETS[0] not in text and "otpauth" not in text and factors(made)["ana"] not in text
    assert "totp" not in exported


def test_who_has_a_second_factor_is_shown_with_the_recovery_codes_that_are_left(made):
    imports(made, line("ana", uri("ana")) + line("bo"))
    for count in range(3):
        shown, listed = made.rows("user", "show", "ana")[0], made.rows("user", "list")
        assert (shown["totp"], shown["recovery_codes"]) == (True, count)
        assert [(row["name"], row["totp"], row["recovery_codes"]) for row in listed] == [("ana", True, count), ("bo", False, 0)]
        assert f"\ntotp         yes, unused recovery codes: {count}\n" in made.run("user", "show", "ana", check=0).stdout
        with sqlite3.connect(made.folder / "cardea.db") as db:
            db.execute("INSERT INTO recovery_codes VALUES (?, 'ana')", (f"{count:043}",))
    assert "\ntotp         no\n" in made.run("user", "show", "bo", check=0).stdout
    head, *rows = made.run("user", "list", check=0).stdout.splitlines()
    assert [row[head.index("TOTP"):].split()[0] for row in rows] == ["yes", "no"]


def test_what_the_export_of_a_user_says_keeps_the_secret(made):
    imports(made, line("ana", uri("ana")))
    before = factors(made), generation(made, "ana")
    done = imports(made, made.run("user", "export", check=0).stdout, "--update")
    assert done.stdout == "0 users added, 0 updated, 1 unchanged, 0 refused\n"
    assert (factors(made), generation(made, "ana")) == before


def test_an_update_replaces_another_secret_and_ends_what_the_old_one_began(made):
    imports(made, line("ana", uri("ana")))
    before, old = factors(made), generation(made, "ana")
    imports(made, line("ana", uri("ana")), "--update")
    assert (factors(made), generation(made, "ana")) == (before, old)  # it is the same one
    imports(made, line("ana", uri("ana", SECRETS[1])), check=5)
    assert factors(made) == before
    done = imports(made, line("ana", uri("ana", SECRETS[1])), "--update")
    assert done.stdout == "0 users added, 1 updated, 0 unchanged, 0 refused\n"
    assert factors(made) != before and generation(made, "ana") > old
    assert (last_event(made)["subject"], last_event(made)["detail"]) == ("user:ana", "totp")


@pytest.mark.parametrize("totp,why", [
    (uri("ana").replace("digits=6", "digits=8"), "totp.digits: is not supported: only 6 is"),
    (uri("ana").replace("period=30", "period=60"), "totp.period: is not supported: only 30 (s) is"),
    (uri("ana").replace("SHA1", "SHA512"), "totp.algorithm: is not supported: only SHA1 is"),
    (uri("ana").replace("totp/", "hotp/"), "totp.type: is not supported: only time-based codes (otpauth://totp/) are"),
    (uri("ana", "0O0O0O0O0O0O0O0O"), "totp.secret: is not base32 (A to Z and 2 to 7)"),
    (SECRETS[0], "totp: is not an otpauth URI: it does not begin with otpauth://"),
    (123456, "totp: must be a string"),
])
@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--update"]])
def test_a_secret_for_other_codes_is_refused_with_its_user(made, totp, why, options):
    done = imports(made, line("bo") + line("ana", totp), *options, check=5)
    assert done.stderr == f"cardea user import: standard input:2: {why}\n"
    assert done.stdout.startswith("1 user ") and ", 1 refused" in done.stdout
    assert made.run("user", "show", "ana").returncode == 3 and not factors(made)


def test_a_dry_run_writes_no_secret(made):
    assert imports(made, line("ana", uri("ana")), "--dry-run").stdout == (
        "1 user would be added, 0 updated, 0 refused; nothing was written\n")
    imports(made, line("ana"))
    done = imports(made, uri("ana") + "\n", "--format", "otpauth", "--dry-run")
    assert done.stdout == "1 TOTP secret would be added, 0 replaced, 0 refused; nothing was written\n"
    assert not factors(made)


def test_a_list_of_uris_gives_users_their_secrets(made):
    imports(made, line("ana") + line("bo", disabled=True) + line("cy"))
    done = imports(made, uri("ana") + "\r\n\n# a comment\n" + uri("Bo", SECRETS[1]), "--format", "otpauth")
    assert (done.stdout, done.stderr) == ("2 TOTP secrets added, 0 replaced, 0 refused\n", "")
    assert set(factors(made)) == {"ana", "bo"}
    assert (last_event(made)["action"], last_event(made)["subject"], last_event(made)["detail"]) == (
        "user.import", "user:bo", "totp")


def test_a_list_of_uris_replaces_secrets_only_where_that_is_said(made):
    imports(made, line("ana", uri("ana")))
    before, old = factors(made), generation(made, "ana")
    other = uri("ana", SECRETS[1]) + "\n"
    done = imports(made, other, "--format", "otpauth", check=5)
    assert done.stdout == "0 TOTP secrets added, 0 replaced, 1 refused\n"
    assert done.stderr == 'cardea user import: standard input:1: totp: user "ana" has a TOTP factor already\n'
    assert factors(made) == before
    done = imports(made, other, "--format", "otpauth", "--update", "--dry-run")
    assert done.stdout == "0 TOTP secrets would be added, 1 replaced, 0 refused; nothing was written\n"
    assert factors(made) == before
    imports(made, other, "--format", "otpauth", "--update")
    assert factors(made) != before and generation(made, "ana") > old


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--update"]])
def test_a_line_that_is_wrong_does_not_stop_the_others(made, options):
    imports(made, line("ana") + line("bo"))
    text = "\n".join([uri("nobody"), uri("ana"), uri("ANA", SECRETS[1]), uri("bo", more="&digits=8"), "x" * 20000,
                      "Successfully exported 2 TOTP configurations", uri("a b"), uri("bo")])
    done = imports(made, text, "--format", "otpauth", *options, check=5)
    twice = ("name: line 2 is for user \"ana\" too" if options else 'totp: user "ana" has a TOTP factor already')
    assert done.stderr.splitlines() == [f"cardea user import: standard input:{said}" for said in [
        '1: name: there is no user "nobody"', f"3: {twice}", "4: digits: is given twice",
        "5: the otpauth URI is longer than 4096 bytes", "6: is not an otpauth URI: it does not begin with otpauth://",
        "7: name: byte 2 of the user name is not allowed; use letters a-z, digits and . _ - @ +"]]
    assert done.stdout.startswith("2 TOTP secrets ") and ", 6 refused" in done.stdout
    assert set(factors(made)) == (set() if "--dry-run" in options else {"ana", "bo"})


def test_a_thousand_secrets_are_imported_in_batches(made):
    text = "".join(line(f"user{number}", uri("x")) for number in range(1001))
    assert imports(made, text).stdout == "1001 users added, 0 updated, 0 refused\n"
    assert len(factors(made)) == 1001 and len(set(factors(made).values())) == 1001
