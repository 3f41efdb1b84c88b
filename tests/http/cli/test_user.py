"""cardea user: every action, its errors and exit codes; and what a running server makes of it."""
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import threading

import jwt
import pytest

from .administration import PASSWORD, Installation, at_terminal, exit_code, within
from .commands import CARDEA, DEADLINE, run


@pytest.fixture(scope="module")
def auth(tmp_path_factory):
    return Installation(tmp_path_factory.mktemp("users") / "auth")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """An installation whose server runs."""
    made = Installation(tmp_path_factory.mktemp("served") / "auth")
    log = open(made.folder.parent / "log", "w+")
    server = subprocess.Popen([CARDEA, "serve", "--config", made.config], stderr=log)
    assert within(DEADLINE, lambda: '"event":"ready"' in (made.folder.parent / "log").read_text())
    yield made
    server.terminate()
    assert server.wait(30) == 0
    log.close()


def active(made, token):
    """What introspection says of a Basic token."""
    status, body = made.request("/oauth/introspect", "watch", made.watch_secret, b"token=" + token.encode())
    assert status == 200, body
    return body["active"]


@pytest.fixture(scope="module")
def watched(served):
    """The same, with a client that may introspect the tokens of users."""
    served.watch_secret = served.run("client", "add", "watch", "--introspect", f"https://localhost:{served.port + 1}",
                                     check=0).stdout.strip()
    assert within(DEADLINE, lambda: served.request("/oauth/introspect", "watch", served.watch_secret, b"token=x")[0] == 200)
    return served


# --- add, list, show ------------------------------------------------------------------------------------------------


def test_a_user_is_added_listed_and_shown_without_the_hash(auth):
    done = auth.add_user("Bea.B@Example.org", PASSWORD, "--claim", "role=editor", "--claim", 'projects=["a","b"]',
                         "--claim", "level=3")
    assert (done.stdout, done.stderr) == ("user bea.b@example.org added\n", "")
    shown = auth.rows("user", "show", "BEA.b@example.org")[0]
    assert shown["name"] == "bea.b@example.org"
    assert shown["claims"] == {"role": "editor", "projects": ["a", "b"], "level": 3}
    assert (shown["disabled"], shown["password_form"], shown["last_login_at"]) == (False, "argon2id", None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", shown["created_at"])
    for args in (["user", "show", "bea.b@example.org"], ["user", "list"], ["user", "list", "--json"]):
        text = auth.run(*args, check=0).stdout
        assert "bea.b@example.org" in text and "$argon2id$" not in text
    head, *rows = auth.run("user", "list", check=0).stdout.splitlines()
    assert head.split() == ["NAME", "STATE", "EMAIL", "GROUPS", "TOTP", "LAST", "LOGIN", "CHANGED", "CLAIMS"]
    assert len({row.index("active") for row in rows if " active " in row}) == 1


def set_failures(made, name, failures, ago):
    with sqlite3.connect(made.folder / "cardea.db") as database:
        database.execute("UPDATE users SET failures = ?, failed_at = unixepoch() - ? WHERE name = ?", (failures, ago, name))
    database.close()


def test_a_locked_user_is_shown_as_locked_and_until_when(tmp_path):
    """Of failures below lockout.account_attempts nobody is locked, and after the delay nobody any more."""
    made = Installation(tmp_path / "auth")
    with made.config.open("a") as config:
        config.write("lockout: { account_attempts: 5, delay: 1h, max_delay: 1h }\n")
    made.add_user("ana")
    for failures, ago, is_locked in ((0, 0, False), (4, 0, False), (5, 0, True), (5, 3590, True), (5, 3601, False)):
        set_failures(made, "ana", failures, ago)
        row = made.rows("user", "show", "ana")[0]
        assert bool(row["locked_until"]) == is_locked, (failures, ago)
        assert made.rows("user", "list") == [row]
        assert made.rows("user", "list", "--locked") == ([row] if is_locked else [])
        assert row["state"] == ("locked" if is_locked else "active")
        state = f"locked until {row['locked_until']}" if is_locked else "active"
        assert re.search(rf"^state +{state}$", made.run("user", "show", "ana", check=0).stdout, re.M)
        assert re.search(rf"^ana +{state} ", made.run("user", "list", check=0).stdout, re.M)
    set_failures(made, "ana", 5, 0)
    made.run("user", "disable", "ana", check=0)
    assert re.search(r"^state +disabled$", made.run("user", "show", "ana", check=0).stdout, re.M)


def test_a_disabled_user_is_added_disabled(auth):
    auth.add_user("dis", PASSWORD, "--disabled")
    assert auth.rows("user", "show", "dis")[0]["disabled"] is True


@pytest.mark.parametrize("password, min_length, reason", [
    ("fourteen chars", "", "needs at least 15 characters (the setting passwords.min_length)"),
    ("zpq7gwx", "passwords: { min_length: 8 }", "needs at least 8 characters (the setting passwords.min_length)"),
    ("Superman", "passwords: { min_length: 8 }", "is one of the 10000 most common passwords; choose another one"),
    ("zpq7gwxk", "passwords: { min_length: 8 }", None),
    ("fifteen of these", "", None),
])
def test_a_new_password_is_long_enough_and_not_common(tmp_path, password, min_length, reason):
    made = Installation(tmp_path / "auth")
    made.config.write_text(made.config.read_text() + min_length + "\n")
    done = made.run("user", "add", "ana", "--password-file", "-", stdin=password)
    if reason:
        assert (done.returncode, done.stderr) == (2, f"cardea user add: password: {reason}\n")
        made.add_user("ana", PASSWORD)
        changed = made.run("user", "passwd", "ana", "--password-file", "-", stdin=password)
        assert (changed.returncode, changed.stderr) == (2, f"cardea user passwd: password: {reason}\n")
    else:
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("args, stdin, code, reason", [
    (["add"], "", 2, "NAME is missing; see: cardea help user add"),
    (["add", "a b", "--password-file", "-"], "x", 2, "name: "),
    (["add", "Än", "--password-file", "-"], "x", 2, "name: "),
    (["add", "x" * 129, "--password-file", "-"], "x", 2, "name: "),
    (["add", ".", "--password-file", "-"], "x", 2, 'name: nobody can be called ".", which means a folder in a path; use another name'),
    (["add", "..", "--password-file", "-"], "x", 2, 'name: nobody can be called ".."'),
    (["add", "there", "--password-file", "-"], "x", 4, ': user "there" exists already'),
    (["add", "THERE", "--password-file", "-"], "x", 4, ': user "there" exists already'),
    (["add", "new", "--password-file", "-"], "", 2, "password: "),
    (["add", "new", "--password-file", "-"], "a\0b", 2, "password: "),
    (["add", "new", "--password-file", "-"], "x" * 1025, 2, "password: is longer than 1024 bytes"),
    (["add", "new", "--password-file", "-", "--claim", "role"], "x", 2, "claim: a claim is written name=value"),
    (["add", "new", "--password-file", "-", "--claim", "sub=eve"], "x", 2, "claim: sub: "),
    (["add", "new", "--password-file", "-", "--claim", "a=[1"], "x", 2, "claim: a: "),
    (["add", "new", "--password-file", "-", "--claim", "a=" + "x" * 5000], "x", 2, "claim: "),
    (["add", "new", "--password-file", "/no/such/file"], "", 2, "password-file: /no/such/file: No such file"),
    (["add", "new"], "", 2, "there is no terminal to read the password from"),
    (["show", "nobody"], "", 3, ': there is no user "nobody"'),
    (["show"], "", 2, "NAME is missing; see: cardea help user show"),
    (["passwd", "nobody", "--password-file", "-"], "x", 3, ': there is no user "nobody"'),
    (["claims", "nobody", "a=1"], "", 3, ': there is no user "nobody"'),
    (["claims", "there"], "", 2, "name a claim"),
    (["claims", "there", "exp=1"], "", 2, "claims.exp: "),
    (["disable", "nobody"], "", 3, ': there is no user "nobody"'),
    (["enable", "nobody"], "", 3, ': there is no user "nobody"'),
    (["lock", "nobody"], "", 3, ': there is no user "nobody"'),
    (["unlock", "nobody"], "", 3, ': there is no user "nobody"'),
    (["remove", "nobody", "--yes"], "", 3, ': there is no user "nobody"'),
    (["remove", "there"], "", 2, "there is no terminal to ask for confirmation on; use --yes"),
    (["import"], "", 2, "FILE is missing; see: cardea help user import"),
    (["import", "/no/such/file"], "", 2, "/no/such/file: No such file"),
    (["import", "-", "--format", "csv"], "", 2, "--format must be htpasswd, jsonl, authelia or otpauth"),
    (["list", "more"], "", 2, 'unexpected argument "more"'),
    (["lst"], "", 2, 'unknown action "lst"; did you mean "list"?'),
    (["frobnicate"], "", 2, 'unknown action "frobnicate"; see: cardea help user'),
    (["add", "new", "--clam", "a=1"], "", 2, 'unknown option "--clam"; did you mean "--claim"?'),
])
def test_a_mistake_is_one_sentence_and_changes_nothing(auth, args, stdin, code, reason):
    if not auth.run("user", "show", "there").stdout:
        auth.add_user("there")
    before = auth.run("user", "export", check=0).stdout
    done = auth.run("user", *args, stdin=stdin)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert re.match(r"cardea user( \w+)?: ", done.stderr) and reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert auth.run("user", "export", check=0).stdout == before


def test_without_a_configuration_it_says_so(tmp_path):
    done = run("user", "list", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "cardea user list: there is no configuration; name it with --config FILE or $CARDEA_CONFIG, or "
                                              "write ./cardea.yaml or /etc/cardea/cardea.yaml\n")
    done = run("user", "list", "--config", "none.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "cardea user list: file none.yaml does not exist; correct the path of the configuration\n")
    (tmp_path / "bad.yaml").write_text("stroe: a\nstore: x\n")
    done = run("user", "list", "--config", "bad.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert 'cardea user list: bad.yaml:1:1: unknown setting "stroe"; did you mean "store"?' in done.stderr.splitlines()


def test_a_wrong_master_key_is_refused(tmp_path):
    made, other = Installation(tmp_path / "a"), Installation(tmp_path / "b", fresh=True)
    shutil.copy(other.folder / "master.key", made.folder / "master.key")
    done = made.run("user", "list")
    assert done.returncode == 2 and "master_key" in done.stderr
    assert (other.folder / "master.key").read_text().strip() not in done.stderr


def test_the_claim_scope_is_checked_and_is_the_scope_of_the_token(watched):
    watched.run("user", "add", "scoped", "--claim", "scope=read write", "--claim", "role=editor", "--password-file", "-",
                stdin=PASSWORD, check=0)
    token = watched.login("scoped")[1]["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["scope"], claims["role"], claims["sub"]) == ("read write", "editor", "scoped")
    said = watched.request("/oauth/introspect", "watch", watched.watch_secret, b"token=" + token.encode())[1]
    assert (said["active"], said["scope"], said["username"], said["role"]) == (True, "read write", "scoped", "editor")
    refused = watched.run("user", "claims", "scoped", "scope=read admin", check=2)
    assert 'scope: "admin" does not exist; add it to the setting "scopes" first' in refused.stderr
    watched.run("user", "claims", "scoped", "scope=[\"read\"]", check=2)
    watched.run("user", "claims", "scoped", "scope=read", check=0)
    assert jwt.decode(watched.login("scoped")[1]["token"], options={"verify_signature": False})["scope"] == "read"


def test_a_password_file_that_others_can_read_is_refused(auth, tmp_path):
    file = tmp_path / "password"
    file.write_text("hush, a password\n")
    file.chmod(0o644)
    done = auth.run("user", "add", "filed", "--password-file", file)
    assert done.returncode == 2 and f"chmod 600 {file}" in done.stderr and "hush" not in done.stderr
    file.chmod(0o600)
    auth.run("user", "add", "filed", "--password-file", file, check=0)


# --- the terminal ---------------------------------------------------------------------------------------------------


def test_a_password_is_asked_for_twice_without_echo(served):
    status, shown = at_terminal("user", "add", "pty", "--config", served.config,
                                answers=[("Password for pty: ", "typed secret words\n"), ("The same again: ", "typed secret words\n")])
    assert exit_code(status) == 0 and "user pty added" in shown
    assert "typed secret words" not in shown
    assert served.login("pty", "typed secret words")[0] == 200


@pytest.mark.parametrize("first, second, reason", [
    ("one\n", "two\n", "password: the two passwords differ"),
    ("\n", None, "password: is empty"),
])
def test_two_that_differ_are_refused(auth, first, second, reason):
    answers = [("Password for pty2: ", first)] + ([("The same again: ", second)] if second else [])
    status, shown = at_terminal("user", "add", "pty2", "--config", auth.config, answers=answers)
    assert exit_code(status) == 2 and reason in shown
    auth.run("user", "show", "pty2", check=3)


def test_control_c_at_the_question_ends_it_and_adds_nobody(auth):
    status, shown = at_terminal("user", "add", "pty3", "--config", auth.config, answers=[("Password for pty3: ", "abc\x03")])
    assert exit_code(status) == -2 and "abc" not in shown
    auth.run("user", "show", "pty3", check=3)


def test_remove_asks(auth):
    auth.add_user("gone")
    question = "Remove user gone for good? Answer yes or no: "
    status, shown = at_terminal("user", "remove", "gone", "--config", auth.config, answers=[(question, "no\n")])
    assert exit_code(status) == 2 and "not removed" in shown
    auth.run("user", "show", "gone", check=0)
    status, shown = at_terminal("user", "remove", "gone", "--config", auth.config, answers=[(question, "yes\n")])
    assert exit_code(status) == 0 and "user gone removed" in shown
    auth.run("user", "show", "gone", check=3)


# --- a running server -----------------------------------------------------------------------------------------------


def test_a_running_server_sees_a_new_user_at_once(served):
    assert served.login("carl")[0] == 401
    served.add_user("carl", PASSWORD, "--claim", "role=editor")
    status, body = served.login("carl")
    assert status == 200 and body["expires_in"] == 300
    assert within(DEADLINE, lambda: served.rows("user", "show", "carl")[0]["last_login_at"])


CHANGES = {
    "passwd": (["passwd", "NAME", "--password-file", "-"], "another secret of words"),
    "claims": (["claims", "NAME", "role=viewer"], PASSWORD),
    "disable": (["disable", "NAME"], None),
    "lock": (["lock", "NAME"], None),
    "remove": (["remove", "NAME", "--yes"], None),
}


@pytest.mark.parametrize("action", CHANGES)
def test_lesson_12_what_takes_something_away_ends_the_tokens_within_a_second(watched, action):
    args, password = CHANGES[action]
    name = f"revoke-{action}"
    watched.add_user(name, PASSWORD, "--claim", "role=editor")
    token = watched.login(name)[1]["token"]
    assert active(watched, token) is True
    watched.run("user", *[name if a == "NAME" else a for a in args], stdin="another secret of words", check=0)
    assert within(DEADLINE, lambda: active(watched, token) is False)
    if not password:
        assert watched.login(name)[0] == 401
        return
    status, body = watched.login(name, password)
    assert status == 200
    assert active(watched, body["token"]) is True, "a token got after the command lives"


def test_an_enabled_user_may_log_in_again(served):
    served.add_user("again")
    served.run("user", "disable", "again", check=0)
    assert served.login("again")[0] == 401
    served.run("user", "enable", "again", check=0)
    assert served.login("again")[0] == 200


def test_lock_and_unlock_are_disable_and_enable(served):
    """One state with two names, and so in the audit too."""
    served.add_user("shut")
    assert served.run("user", "lock", "shut", check=0).stdout == "user shut is disabled; older tokens are revoked\n"
    assert served.rows("user", "show", "shut")[0]["disabled"] is True
    assert served.login("shut")[0] == 401
    assert served.run("user", "unlock", "shut", check=0).stdout == "user shut is enabled\n"
    assert served.rows("user", "show", "shut")[0]["disabled"] is False
    assert served.login("shut")[0] == 200
    actions = [row["action"] for row in served.rows("audit", "tail") if row["subject"] == "user:shut"]
    assert [action for action in actions if action.startswith("user.")] == ["user.add", "user.disable", "user.enable"]


# --- import, export -------------------------------------------------------------------------------------------------


def htpasswd(*flags):
    if not shutil.which("htpasswd"):
        pytest.skip("htpasswd (apache2-utils) is not installed")
    return subprocess.run(["htpasswd", "-nb", *flags], capture_output=True, text=True, check=True).stdout.strip()


def blake2b(name, password):
    salt = os.urandom(16)
    return json.dumps({"name": name, "algorithm": "blake2b", "salt": salt.hex(),
                       "hash": hashlib.blake2b(password.encode(), salt=salt).hexdigest()})


def test_users_from_elsewhere_log_in_and_are_hashed_anew(served, tmp_path):
    lines = ["# from the old server", htpasswd("-B", "-C", "5", "hta", "pass a"), htpasswd("-5", "htb", "pass b"), "",
             blake2b("blc", "pass c")]
    file = tmp_path / "users"
    file.write_text("\n".join(lines) + "\n")
    forms = {"hta": "bcrypt", "htb": "sha512-crypt", "blc": "blake2b"}
    dry = served.run("user", "import", file, "--dry-run", check=0)
    assert dry.stdout == "3 users would be added, 0 updated, 0 refused; nothing was written\n"
    served.run("user", "show", "hta", check=3)
    assert served.run("user", "import", file, check=0).stdout == "3 users added, 0 updated, 0 refused\n"
    for name, form in forms.items():
        assert served.rows("user", "show", name)[0]["password_form"] == form
        assert served.login(name, "wrong")[0] == 401
        assert served.login(name, "pass " + name[-1])[0] == 200
        assert within(DEADLINE, lambda: served.rows("user", "show", name)[0]["password_form"] == "argon2id")
        assert served.login(name, "pass " + name[-1])[0] == 200


def test_each_refused_line_is_named_and_the_others_are_added(auth):
    good = "$2y$05$abcdefghijklmnopqrstuu5s9iJJVdsmkJcYqzDvnUuNfsaKuyPyW"
    lines = [f"one:{good}", "two", "thr ee:" + good, f"one:{good}", '{"name":"five"}', '{"name":', "six:{SHA}nonsense",
             f"seven:{good}", json.dumps({"name": "eight", "hash": good, "claims": {"sub": "x"}})]
    done = auth.run("user", "import", "-", stdin="\n".join(lines), check=5)
    assert done.stdout == "2 users added, 0 updated, 7 refused\n"
    said = re.findall(r"^cardea user import: standard input:(\d): (.*)$", done.stderr, re.M)
    assert [number for number, _ in said] == ["2", "3", "4", "5", "6", "7", "9"]
    reasons = dict(said)
    assert reasons["2"] == "not of the form NAME:HASH; for a users file of Authelia, add --format authelia"
    assert reasons["3"].startswith("name: ") and reasons["5"] == "hash: is missing"
    assert reasons["4"] == 'name: user "one" exists already'
    assert reasons["7"].startswith("hash: ") and "nonsense" not in done.stderr
    assert reasons["9"].startswith("claims.sub: ")
    auth.run("user", "show", "seven", check=0)


def test_more_refused_lines_than_a_batch_has_are_said_in_their_order(auth):
    """A batch is 500 lines; of every three, one is no line, one exists already once the first was added, and one is new."""
    good = "$2y$05$abcdefghijklmnopqrstuu5s9iJJVdsmkJcYqzDvnUuNfsaKuyPyW"
    lines = [("bad", f"many:{good}", f"many{i}:{good}")[i % 3] for i in range(2000)]
    done = auth.run("user", "import", "-", stdin="\n".join(lines), check=5)
    said = list(map(int, re.findall(r"^cardea user import: standard input:(\d+): ", done.stderr, re.M)))
    assert said == [i + 1 for i in range(2000) if i % 3 != 2 and i != 1]
    assert done.stdout == f"{2000 - len(said)} users added, 0 updated, {len(said)} refused\n"


def test_a_user_who_is_removed_while_an_import_updates_is_not_said_to_exist(tmp_path):
    made = Installation(tmp_path / "auth")
    made.run("user", "import", "-", stdin=blake2b("gone", "x"), check=0)
    with sqlite3.connect(made.folder / "cardea.db") as database:  # so that the update finds no row
        database.execute("CREATE TRIGGER gone BEFORE UPDATE ON users BEGIN DELETE FROM users WHERE name = old.name; "
                         "SELECT RAISE(IGNORE); END")
    database.close()
    done = made.run("user", "import", "-", "--update", stdin=blake2b("gone", "y"), check=5)
    assert done.stderr == ('cardea user import: standard input:1: name: user "gone" was removed during the import; to add the user, import the '
                           "line again\n")


@pytest.mark.parametrize("options", [[], ["--update"], ["--dry-run"], ["--dry-run", "--update"]])
def test_names_that_differ_by_case_are_reported_with_both(tmp_path, options):
    made = Installation(tmp_path / "auth")
    made.run("user", "import", "-", stdin=blake2b("old", "x"), check=0)
    lines = [blake2b("Ana", "a"), blake2b("bo", "b"), blake2b("ana", "c"), blake2b("ANA", "d"), blake2b("OLD", "e")]
    done = made.run("user", "import", "-", *options, stdin="\n".join(lines), check=5)
    said = dict(re.findall(r"^cardea user import: standard input:(\d): (.*)$", done.stderr, re.M))
    both = 'name: "{}" and "Ana" of line 1 are one name: case does not count'
    want = {"3": both.format("ana"), "4": both.format("ANA")}
    if "--update" not in options:
        want["5"] = 'name: "OLD" is user "old", who exists already'
    assert said == want
    counts = (2, 1, 0, 2) if "--update" in options else (2, 0, 3)  # added, updated, unchanged, refused
    assert re.findall(r"\d+", done.stdout) == list(map(str, counts))


def test_update_replaces_users_that_exist(auth):
    auth.add_user("upd", PASSWORD, "--claim", "role=editor")
    line = json.loads(next(row for row in auth.run("user", "export").stdout.splitlines() if '"upd"' in row))
    line |= {"claims": {"role": "viewer"}, "disabled": True}
    done = auth.run("user", "import", "-", "--update", stdin=json.dumps(line), check=0)
    assert done.stdout == "0 users added, 1 updated, 0 unchanged, 0 refused\n"
    shown = auth.rows("user", "show", "upd")[0]
    assert (shown["claims"], shown["disabled"]) == ({"role": "viewer"}, True)


def test_export_is_what_import_takes(auth, tmp_path):
    auth.add_user("exp", PASSWORD, "--claim", 'text="a\\"b\\u0001"', "--disabled")
    lines = auth.run("user", "export", check=0).stdout
    other = Installation(tmp_path / "auth")
    assert other.run("user", "import", "-", stdin=lines, check=0).stdout.endswith(", 0 updated, 0 refused\n")
    assert other.run("user", "export", check=0).stdout == lines


def test_long_lists_are_imported_listed_and_exported_whole(tmp_path):
    made = Installation(tmp_path / "auth")
    salt, digest = "00" * 16, "ab" * 64
    names = [f"user{i:05}" for i in range(2501)]
    text = "".join(json.dumps({"name": n, "hash": f"$blake2b${salt}${digest}"}) + "\n" for n in names)
    assert made.run("user", "import", "-", stdin=text, check=0).stdout == "2501 users added, 0 updated, 0 refused\n"
    assert [row["name"] for row in made.rows("user", "list")] == names
    assert [line.split()[0] for line in made.run("user", "list").stdout.splitlines()[1:]] == names
    assert [json.loads(line)["name"] for line in made.run("user", "export").stdout.splitlines()] == names
    assert made.run("user", "import", "-", stdin=text, check=5).stdout == "0 users added, 0 updated, 2501 refused\n"


def test_a_full_disk_behind_an_export_is_a_failure(tmp_path):
    auth = Installation(tmp_path / "auth")
    auth.add_user("ana")
    with open("/dev/full", "w") as full:
        assert subprocess.run([CARDEA, "user", "export", "--config", auth.config], stdout=full, timeout=30).returncode == 1


# --- at the same time -----------------------------------------------------------------------------------------------


def test_commands_at_the_same_time_beside_a_server_lose_nothing(served):
    served.add_user("shared")
    done = []

    def work(i):
        for k in range(4):
            done.append(served.run("user", "claims", "shared", f"g{i}{k}={k}").returncode)
            done.append(served.run("user", "add", f"par{i}{k}", "--password-file", "-", stdin=PASSWORD).returncode)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        assert served.login("shared")[0] == 200
    for thread in threads:
        thread.join()
    assert done == [0] * 16
    assert len(served.rows("user", "show", "shared")[0]["claims"]) == 8
    assert len([row for row in served.rows("user", "list") if row["name"].startswith("par")]) == 8


@pytest.mark.parametrize("at", [0, 4096])
def test_a_damaged_database_is_the_same_failure_for_every_command(tmp_path, at):
    """Exit code 1: neither the command line nor the configuration is wrong. Damaged in its head, or after it."""
    made = Installation(tmp_path / "auth")
    with open(made.folder / "cardea.db", "r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * 100_000)
    for command in (["user", "list"], ["user", "show", "ana"], ["user", "export"], ["client", "list"], ["key", "list"],
                    ["audit", "tail"], ["migrate"], ["serve"]):
        done = made.run(*command)
        assert done.returncode == 1, (command, done.stderr)
        assert re.search(r"cardea\.db: (the file is not an SQLite database|the database is damaged)", done.stderr), (command, done.stderr)


# --- rows that were changed by hand ---------------------------------------------------------------------------------


@pytest.fixture
def changed(tmp_path):
    home = Installation(tmp_path / "auth")
    for name in ("ana", "ben", "eva"):
        home.add_user(name)
    with sqlite3.connect(home.folder / "cardea.db") as database:
        database.execute("UPDATE users SET claims = ? WHERE name = 'ana'", ('{ "a":"\u202e\u061c" }',))
        database.execute("UPDATE users SET claims = ? WHERE name = 'ben'", ('{"a":"\x1b[31m"}',))
    return home


@pytest.mark.parametrize("command", ["export", "list --json"])
def test_claims_of_a_row_changed_by_hand_are_json_again_or_refused_by_name(changed, command):
    done = changed.run("user", *command.split(), check=1)
    assert done.stdout.isascii() and "\x1b" not in done.stdout + done.stderr
    users = {user["name"]: user["claims"] for user in map(json.loads, done.stdout.splitlines())}
    assert users == {"ana": {"a": "\u202e\u061c"}, "eva": {}}
    assert done.stderr == (f"cardea user {command.split()[0]}: user ben: the claims in the store are damaged: control "
                           "character in a string at byte 6; correct that row of the table users\n")
    changed.run("user", "claims", "ben", "--replace", "role=editor", check=0)
    assert len(changed.run("user", *command.split(), check=0).stdout.splitlines()) == 3


def test_show_refuses_damaged_claims_as_json(changed):
    done = changed.run("user", "show", "ben", "--json", check=1)
    assert done.stdout == "" and "user ben: the claims in the store are damaged" in done.stderr
    assert json.loads(changed.run("user", "show", "ana", "--json", check=0).stdout)["claims"] == {"a": "\u202e\u061c"}
