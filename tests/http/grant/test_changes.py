"""What a command changes, a running server does within a second; what it was told survives its end."""
import base64
import contextlib
import datetime
import json
import os
import pathlib
import re
import select
import sqlite3
import subprocess

import psycopg2
import pytest

from installation import AUDIENCE, assert_refused, kid_of, soon
from services import PATIENCE, PROGRAMS

ANA = ("ana", "ana's password")


@pytest.fixture
def running(install, store):
    home = install(store=store())
    home.add_user("ana", "ana's password", "role=editor")
    home.add_user("bo", "bo's password")
    return home, home.serve()


def test_lesson_12_a_disabled_users_tokens_are_inactive_at_once(running):
    home, server = running
    token, other = server.token(*ANA), server.token("bo", "bo's password")
    by_form = server.password_grant(*ANA).json()["access_token"]
    home.cardea("user", "disable", "ana")
    soon(lambda: not server.is_alive(token) and not server.is_alive(by_form), "the tokens to be revoked")
    assert_refused(server.grant(*ANA))
    assert server.is_alive(other)
    home.cardea("user", "enable", "ana")
    assert server.is_alive(server.token(*ANA))
    assert not server.is_alive(token), "a token came back to life"


def test_lesson_12_a_new_password_ends_the_old_one_and_its_tokens(running):
    home, server = running
    token = server.token(*ANA)
    home.set_password("ana", "ana's new password")
    soon(lambda: not server.is_alive(token), "the token to be revoked")
    assert_refused(server.grant(*ANA))
    assert server.is_alive(server.token("ana", "ana's new password"))
    assert not server.is_alive(token)


def test_a_token_issued_after_a_change_is_valid_however_close_they_are(running):
    home, server = running
    for number in range(3):
        before = server.token(*ANA)
        home.cardea("user", "claims", "ana", f"number={number}")
        after = server.token(*ANA)
        soon(lambda: not server.is_alive(before), "the earlier token to be revoked")
        assert server.is_alive(after)


@pytest.mark.parametrize("action", [["disable", "ana"], ["remove", "ana", "--yes"],
                                    ["passwd", "ana", "--password-file", "-"], ["claims", "ana", "role=reader"]],
                         ids=lambda action: action[0])
def test_a_revocation_outlasts_every_token_whatever_the_configuration_of_the_command(install, action):
    """Issued for an hour; revoked and served on where tokens live for two seconds."""
    home = install(basic_tokens={"audience": AUDIENCE, "lifetime": "1h"})
    home.add_user("ana", "ana's password")
    server = home.serve()
    token = server.token(*ANA)
    assert server.stop() == 0
    other = home.serve_another(basic_tokens={"audience": AUDIENCE, "lifetime": "2s"}, tokens={"lifetime": "2s"})
    home.config_file = home.folder / "node1.yaml"
    home.cardea("user", *action, text="ana's new password")
    soon(lambda: not other.is_alive(token), "the token to be revoked")
    claims = other.verify(token)
    with contextlib.closing(sqlite3.connect(home.folder / "cardea.db")) as db:
        (kept_until,), = db.execute("SELECT expires_at FROM revocations WHERE user_name = 'ana'")
    assert kept_until >= claims["iat"] + 24 * 3600
    assert not other.is_alive(token)


def test_a_rotated_key_outlasts_every_token_whatever_the_configuration_of_the_command(install):
    """Issued for an hour; rotated by a command where tokens live for two seconds."""
    home = install(basic_tokens={"audience": AUDIENCE, "lifetime": "1h"})
    home.add_user("ana", "ana's password")
    server = home.serve()
    token = server.token(*ANA)
    short = {**home.config, "basic_tokens": {"audience": AUDIENCE, "lifetime": "2s"}, "tokens": {"lifetime": "2s"}}
    home.config_file = home.folder / "short.yaml"
    home.config_file.write_text(json.dumps(short))
    home.cardea("key", "rotate", "--alg", "RS256", "--now")
    soon(lambda: kid_of(server.token(*ANA)) != kid_of(token), "the new key to sign")
    before, after = home.keys()
    assert before["kid"] == kid_of(token)
    published_until, signs_from = map(datetime.datetime.fromisoformat, (before["verify_until"], after["sign_from"]))
    assert published_until >= signs_from + datetime.timedelta(days=1)
    assert published_until.timestamp() >= server.verify(token)["exp"]


def test_a_command_that_changes_nothing_ends_nothing_and_is_not_in_the_audit(running):
    home, server = running
    token, events = server.token(*ANA), home.cardea("audit", "tail", "--json")
    home.cardea("user", "claims", "ana", "role=editor")
    home.cardea("user", "enable", "ana")
    export = home.cardea("user", "export")
    home.cardea("user", "import", "-", "--update", text=export)
    assert [e for e in home.cardea("audit", "tail", "--json").splitlines() if "os:" in e] == [
        e for e in events.splitlines() if "os:" in e]
    home.cardea("user", "disable", "bo")
    soon(lambda: server.grant("bo", "bo's password").status == 401, "the change of bo to be known")
    assert server.is_alive(token)


def test_a_change_of_claims_is_in_the_next_token(running):
    home, server = running
    assert server.verify(server.token(*ANA))["role"] == "editor"
    home.cardea("user", "claims", "ana", "role=reader", "more=1")
    claims = server.verify(server.token(*ANA))
    assert claims["role"] == "reader" and claims["more"] == 1
    home.cardea("user", "claims", "ana", "role=null")
    assert "role" not in server.verify(server.token(*ANA))


def test_a_removed_user_is_gone_and_a_new_one_of_the_name_is_another(running):
    home, server = running
    token = server.token(*ANA)
    home.cardea("user", "remove", "ana", "--yes")
    soon(lambda: not server.is_alive(token), "the token to be revoked")
    assert_refused(server.grant(*ANA))
    home.add_user("ana", "ana's other password")
    assert_refused(server.grant(*ANA))
    assert server.is_alive(server.token("ana", "ana's other password"))
    assert not server.is_alive(token)


def test_an_added_user_may_log_in_at_once(running):
    home, server = running
    assert_refused(server.grant("cy", "cy's password"))
    home.add_user("cy", "cy's password")
    assert server.grant("cy", "cy's password").status == 200


def test_clients_come_change_and_go(running):
    home, server = running
    token = server.token(*ANA)

    def can(client, secret=None):
        home.clients["now"] = (client, secret or home.clients[client][1])
        return server.form("/oauth/introspect", {"token": token}, "now").status

    home.add_client("late", introspect=[AUDIENCE])
    soon(lambda: can("late") == 200, "the new client")
    old = home.clients["late"][1]
    new = json.loads(home.cardea("client", "secret", "late", "--json"))["secret"]
    home.secrets.add(new)
    soon(lambda: can("late", new) == 200, "the new secret")
    assert can("late", old) == 401
    home.cardea("client", "remove", "late", "--yes")
    soon(lambda: can("late", new) == 401, "the client to be gone")


def test_a_removed_clients_tokens_are_inactive(running):
    home, server = running
    home.add_client("late", grant_types=["client_credentials"], scopes=["read"], audience=AUDIENCE)

    def ask():
        return server.form("/oauth/token", {"grant_type": "client_credentials"}, "late")
    token = soon(lambda: ask().status == 200 and ask().json()["access_token"], "the new client")
    assert server.is_alive(token)
    home.cardea("client", "remove", "late", "--yes")
    soon(lambda: ask().status == 401 and not server.is_alive(token), "the client and its tokens to be gone")


def test_a_revoked_token_is_inactive_also_after_a_restart(running):
    home, server = running
    token = server.password_grant(*ANA).json()["access_token"]
    other = server.password_grant(*ANA).json()["access_token"]
    assert server.form("/oauth/revoke", {"token": token}, "app").status == 200
    assert not server.is_alive(token)
    assert server.is_alive(other)
    assert server.stop() == 0
    server.start()
    assert not server.is_alive(token)
    assert server.is_alive(other)


def test_everything_survives_a_kill(running):
    home, server = running
    token, other = server.token(*ANA), server.token("bo", "bo's password")
    kids = server.kids()
    home.cardea("user", "disable", "bo")
    soon(lambda: not server.is_alive(other), "the token to be revoked")
    server.kill()
    server.start()
    assert server.kids() == kids
    assert server.is_alive(token)
    assert not server.is_alive(other)
    assert server.grant(*ANA).status == 200
    assert_refused(server.grant("bo", "bo's password"))


def test_a_rotated_key_is_published_before_it_signs(running):
    home, server = running
    token = server.token(*ANA)
    (first,) = home.keys()
    assert first["state"] == "signing" and first["kid"] == kid_of(token)
    home.cardea("key", "rotate", "--alg", "RS256")
    following = [key["kid"] for key in home.keys() if key["state"] == "next"][0]
    soon(lambda: server.kids() == {first["kid"], following}, "the next key in the JWKS")
    assert kid_of(server.token(*ANA)) == first["kid"]
    assert server.is_alive(token)


def test_a_key_rotated_now_signs_and_the_old_tokens_live_until_it_is_retired(running):
    home, server = running
    token = server.token(*ANA)
    old = kid_of(token)
    home.cardea("key", "rotate", "--alg", "RS256", "--now")
    soon(lambda: kid_of(server.token(*ANA)) != old, "the new key to sign")
    new = server.token(*ANA)
    assert server.kids() == {old, kid_of(new)}
    assert server.is_alive(token) and server.verify(token)["sub"] == "ana"
    assert server.is_alive(new) and server.verify(new)["sub"] == "ana"
    home.cardea("key", "retire", "--", old)
    soon(lambda: server.kids() == {kid_of(new)}, "the old key to be gone")
    assert not server.is_alive(token)
    assert server.is_alive(new)


def test_the_key_that_signs_cannot_be_retired(running):
    home, server = running
    home.cardea("key", "retire", "--", kid_of(server.token(*ANA)), code=2)
    assert server.grant(*ANA).status == 200



def list_of_all_kinds():
    """JSON lines and htpasswd lines of five users whose hashes others have made; the password is "password of KIND"."""
    import argon2
    import bcrypt
    import crypt
    import hashlib
    salt = "00112233445566778899aabbccddeeff"
    blake = hashlib.blake2b(b"password of blake2b", salt=bytes.fromhex(salt)).hexdigest()
    argon = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash("password of argon2id")
    return "\n".join([
        json.dumps({"name": "argon2id", "hash": argon, "claims": {"role": "imported"}}),
        "bcrypt:" + bcrypt.hashpw(b"password of bcrypt", bcrypt.gensalt(4)).decode(),
        json.dumps({"name": "sha512-crypt", "hash": crypt.crypt("password of sha512-crypt", "$6$rounds=1000$saltsalt")}),
        json.dumps({"name": "yescrypt", "hash": crypt.crypt("password of yescrypt", "$y$j75$saltsaltsalt")}),
        json.dumps({"name": "blake2b", "algorithm": "blake2b", "hash": blake, "salt": salt}),
    ]) + "\n"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_imported_hashes_log_in_and_are_made_anew(running):
    home, server = running
    home.cardea("user", "import", "-", text=list_of_all_kinds())
    kinds = ["argon2id", "bcrypt", "sha512-crypt", "yescrypt", "blake2b"]

    def stored():
        users = map(json.loads, home.cardea("user", "export").splitlines())
        return {user["name"]: user["hash"] for user in users}

    before = stored()
    for kind in kinds:
        assert_refused(server.grant(kind, "another password"))
        assert server.grant(kind, f"password of {kind}").status == 200, kind
    assert server.verify(server.token("argon2id", "password of argon2id"))["role"] == "imported"

    def made_anew():
        now = stored()
        return all(now[kind].startswith("$argon2id$v=19$m=64,t=1,p=1$") for kind in kinds) and now
    after = soon(made_anew, "hashes of the server's own cost")
    for kind in kinds[1:]:
        assert after[kind] != before[kind]
        assert server.grant(kind, f"password of {kind}").status == 200, kind
        assert_refused(server.grant(kind, "another password"))


def test_a_raised_cost_holds_from_the_next_login_on(install):
    home = install()
    home.add_user("ana", "ana's password")
    home.config["password_hashing"] = {"memory": "128KB", "iterations": 2}
    home.config_file.write_text(json.dumps(home.config))
    server = home.serve()
    token = server.token(*ANA)

    def stored():
        return json.loads(home.cardea("user", "export"))["hash"].startswith("$argon2id$v=19$m=128,t=2,p=1$")
    soon(stored, "the hash of the new cost")
    assert server.is_alive(token), "the same password has a new hash: nothing of the user's ends"
    assert server.grant(*ANA).status == 200


def test_the_audit_says_who_did_what_and_no_secret(running):
    home, server = running
    token = server.token(*ANA)
    assert_refused(server.grant("ana", "a wrong guess"))
    home.cardea("user", "disable", "ana")

    def events():
        return [json.loads(line) for line in home.cardea("audit", "tail", "--json", "-n", "100").splitlines()]
    soon(lambda: any("fail" in e["action"] for e in events()), "the failed login in the audit")
    text = json.dumps(events())
    for action in ("user.add", "client.add", "key.generate", "user.disable"):
        assert action in text
    assert "a wrong guess" not in text and token not in text and ANA[1] not in text


def test_another_master_key_is_refused_by_every_command_and_named(install):
    home = install()
    (home.folder / "master.key").write_text(base64.b64encode(bytes(32)).decode())
    for command in (["serve"], ["check"], ["user", "list"], ["key", "list"]):
        done = subprocess.run([PROGRAMS["cardea"], *command, "--config", home.config_file], capture_output=True,
                              text=True, timeout=PATIENCE)
        assert done.returncode == 2, done
        assert "master_key" in done.stdout + done.stderr and "is not the one" in done.stdout + done.stderr


def test_lesson_39_nothing_advises_to_write_over_the_master_key_of_a_store(install):
    """A new key makes every key and every client that the database holds useless."""
    home = install()
    text, key = home.config_file.read_text(), (home.folder / "master.key").read_text()
    unset = "is not set, and the store's keys are encrypted with it"
    outside = "credential master.key does not exist: systemd passed no credentials to this process"
    for config, value, reason, advice in (
            (json.dumps({k: v for k, v in home.config.items() if k != "master_key"}), key, unset, "; restore the master key this store was created with"),
            (text, key[:20], "is not a master key", "; restore the master key this store was created with"),
            (text, "", "is empty", ""),
            (text, base64.b64encode(bytes(32)).decode(), "is not the one that this store was created with",
             "; restore that one"),
            (text.replace("${file:master.key}", "${credential:master.key}"), key, outside,
             "; outside its unit, set CREDENTIALS_DIRECTORY")):
        home.config_file.write_text(config)
        (home.folder / "master.key").write_text(value)
        for command in (["serve"], ["check"], ["user", "list"], ["key", "list"], ["migrate"]):
            done = subprocess.run([PROGRAMS["cardea"], *command, "--config", home.config_file], capture_output=True,
                                  text=True, timeout=PATIENCE)
            said = [line for line in (done.stdout + done.stderr).splitlines() if "master_key: " in line]
            assert done.returncode == 2 and len(said) == 1, done
            assert reason in said[0] and advice in said[0] and ">" not in said[0], said
    home.config_file.write_text(text)
    (home.folder / "master.key").write_text(key)
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(home.folder)}
    home.config_file.write_text(text.replace("${file:master.key}", "${credential:master.key}"))
    subprocess.run([PROGRAMS["cardea"], "user", "list", "--config", home.config_file], check=True, env=environment,
                   timeout=PATIENCE, capture_output=True)


def test_the_database_and_the_keys_are_their_owners_alone(install):
    home = install()
    home.add_user("ana", "ana's password")
    home.serve().token(*ANA)
    for path in pathlib.Path(home.folder).glob("*"):
        if path.is_file() and path.suffix not in (".pem", ".yaml") or path.name == "key.pem":
            assert path.stat().st_mode & 0o077 == 0, path
    database = (home.folder / "cardea.db").read_bytes()
    assert b"PRIVATE" not in database and b"ana's password" not in database and b'"d":' not in database


def test_following_the_audit_misses_no_event_that_is_committed_after_a_higher_one(install, own_postgres):
    home = install(store=own_postgres.new_schema())
    tail = subprocess.Popen([PROGRAMS["cardea"], "audit", "tail", "--follow", "--json", "-n", "1", "--config",
                             home.config_file], stdout=subprocess.PIPE, text=True)
    first, second = (psycopg2.connect(home.config["store"]) for _ in range(2))

    def add(connection, action):
        connection.cursor().execute("INSERT INTO audit (happened_at, action, actor, subject, address, detail)"
                                    " VALUES (1, %s, 'test', '', '', '')", (action,))

    def next_action():
        assert select.select([tail.stdout], [], [], PATIENCE)[0]
        return json.loads(tail.stdout.readline())["action"]

    try:
        assert next_action() == "client.add"
        add(first, "test.lower")
        add(second, "test.higher")
        second.commit()
        assert next_action() == "test.higher"
        first.commit()
        assert next_action() == "test.lower"
        add(first, "test.undone")
        first.rollback()
        add(second, "test.last")
        second.commit()
        assert next_action() == "test.last"
    finally:
        tail.kill()
        tail.wait()
        tail.stdout.close()
        first.close()
        second.close()


def test_imports_queue_before_they_lock_users(install, postgres_store):
    """Two with the same users in different orders would otherwise wait for each other, and PostgreSQL would end one of them."""
    home = install(store=postgres_store())
    names = ("ana", "bo")
    users = "".join(json.dumps({"name": name, "hash": "*"}) + "\n" for name in names)
    home.cardea("user", "import", "-", text=users)
    with contextlib.closing(psycopg2.connect(home.config["store"])) as holder, contextlib.closing(psycopg2.connect(home.config["store"])) as watcher:
        watcher.autocommit = True
        holder.cursor().execute("SELECT * FROM versions WHERE name = 'revocations' FOR UPDATE")
        command = subprocess.Popen([PROGRAMS["cardea"], "user", "import", "-", "--update", "--config", home.config_file],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        command.stdin.write(users.replace('"*"', '"*", "display_name": "A. B."'))
        command.stdin.close()
        cursor = watcher.cursor()

        def waits():
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))", (holder.info.backend_pid,))
            return cursor.fetchone()[0]

        soon(lambda: command.poll() is not None or waits(), "the import to wait for the lock")
        assert command.poll() is None
        cursor.execute("SELECT name FROM users FOR UPDATE NOWAIT")
        assert {row[0] for row in cursor} == set(names)
        holder.rollback()
        assert command.stdout.read() == "0 users added, 2 updated, 0 unchanged, 0 refused\n"
        assert command.wait() == 0
        command.stdout.close()


def test_users_are_taken_over_to_another_kind_of_store(install, postgres_store):
    old, new = install(), install(store=postgres_store())
    old.add_user("ana", "ana's password", "role=editor", 'projects=["a","b"]')
    old.add_user("bo", "bo's password", flags=["--disabled"])
    for source, target in ((old, new), (new, install())):
        target.cardea("user", "import", "-", text=source.cardea("user", "export"))
        assert target.cardea("user", "export") == source.cardea("user", "export")
        server = target.serve()
        claims = server.verify(server.token(*ANA))
        assert (claims["role"], claims["projects"]) == ("editor", ["a", "b"])
        assert_refused(server.grant("bo", "bo's password"))


def test_init_on_a_database_that_is_in_use_says_so(postgres_store, tmp_path):
    """Its own new master key is not what is wrong."""
    url = postgres_store()
    first, second = tmp_path / "first", tmp_path / "second"
    done = subprocess.run([PROGRAMS["cardea"], "init", "--dir", first, "--store", url], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([PROGRAMS["cardea"], "init", "--dir", second, "--store", url], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (
        2, "cardea init: --store: this database is in use: it was created with another master key, and init makes a new one; name an empty "
        "database, or go on with the configuration and the master key that it was created with\n")
    assert not second.exists()


def test_a_command_makes_no_store_of_an_empty_database(postgres_store, tmp_path):
    """A mistyped URL would make a second one, in which no user is."""
    done = subprocess.run([PROGRAMS["cardea"], "init", "--dir", tmp_path / "auth", "--store", postgres_store()], capture_output=True, text=True,
                          timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    config = tmp_path / "auth/cardea.yaml"
    config.write_text(re.sub("(?m)^store: .*$", f'store: "{postgres_store()}"', config.read_text()))
    for command in (["user", "list"], ["migrate", "--check"]):
        done = subprocess.run([PROGRAMS["cardea"], *command, "--config", config], capture_output=True, text=True, timeout=PATIENCE)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"cardea {' '.join(command[:2]) if command[0] == 'user' else 'migrate'}: the database is empty; " in done.stderr
    done = subprocess.run([PROGRAMS["cardea"], "migrate", "--config", config], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout[:37]) == (0, "the schema was updated from version 0")
