"""A store that is there and cannot be written: its disk is full, it is read-only, somebody holds its lock."""
import concurrent.futures
import contextlib
import os
import pathlib
import re
import resource
import sqlite3
import subprocess

import psycopg2
import pytest

import services
from installation import SQLITE, assert_unavailable, assert_refused, soon
from services import wait_until

ANA = ("ana", "ana's password")
FULL = "the disk of the database is full"
LOGINS = 65
WORKERS = 4  # threads that wait for the store
REVOCATIONS = 40


def readiness(server):
    answer = server.ask("GET", "/readyz")
    return answer.status, answer.body.decode()


def becomes_unready(server, why):
    wait_until(lambda: readiness(server)[0] == 503, "readyz to say so", 20)
    status, body = readiness(server)
    assert status == 503 and why in body, body


def becomes_ready(server):
    wait_until(lambda: readiness(server)[0] == 200, "readyz to say so", 20)


def fails(home, *args, text=""):
    """Standard error of a command that must fail."""
    done = subprocess.run([services.PROGRAMS["cardea"], *args, "--config", home.config_file], input=text,
                          capture_output=True, text=True, timeout=services.PATIENCE)
    assert done.returncode == 1, (args, done.returncode, done.stdout, done.stderr)
    return done.stderr


def audited(home, action):
    return sum(f'"action":"{action}"' in line for line in home.cardea("audit", "tail", "--json", "--lines", "1000").splitlines())


class FullSqlite:
    """The log of the database may not grow, neither by the server nor by a command: RLIMIT_FSIZE, which needs no root."""

    def __init__(self, home):
        self.log, self.logins = home.folder / "cardea.db-wal", 0

    def prepare(self, server):
        """More than what else the processes write, their own log above all, so that only the database meets the limit."""
        while os.path.getsize(self.log) < 400_000:
            self.logins += 1
            token = server.password_grant(*ANA).json()["access_token"]
            assert server.form("/oauth/revoke", {"token": token}, "app").status == 200

    @contextlib.contextmanager
    def full(self, server):
        size, pids = os.path.getsize(self.log), [server.process.pid, os.getpid()]
        limits = [resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids]
        for pid, (_, hard) in zip(pids, limits):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            for pid, limit in zip(pids, limits):
                with contextlib.suppress(ProcessLookupError):  # a test may have stopped the server
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)


class FullPostgres:
    """Whatever writes a row is told what a server with a full disk tells (SQLSTATE 53100)."""

    def __init__(self, url):
        self.connection = psycopg2.connect(url)
        self.connection.autocommit = True
        self.logins = 0

    def prepare(self, server):
        self.run("CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS"
                 " $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$")

    def run(self, sql):
        self.connection.cursor().execute(sql)

    @contextlib.contextmanager
    def full(self, server):
        tables = ("fixed_values", "audit", "revocations", "users", "clients", "keys")
        for table in tables:
            self.run(f"CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {table}"
                     " FOR EACH ROW EXECUTE FUNCTION no_room()")
        try:
            yield
        finally:
            for table in tables:
                self.run(f"DROP TRIGGER full_disk ON {table}")


@pytest.fixture
def disk(install, store):
    url = store()
    home = install(store=url)
    home.add_user("ana", "ana's password")
    disk = FullSqlite(home) if url == SQLITE else FullPostgres(url)
    return home, home.serve(), disk


def test_lesson_35_with_a_full_disk_logins_go_on_and_their_events_wait(disk):
    home, server, disk = disk
    disk.prepare(server)
    token = server.password_grant(*ANA).json()["access_token"]
    before = disk.logins + 1
    soon(lambda: audited(home, "login.ok") == before, "the earlier events")
    with disk.full(server):
        for _ in range(LOGINS):
            assert server.grant(*ANA).status == 200
        becomes_unready(server, FULL)
        assert audited(home, "login.ok") == before
        assert_unavailable(server.form("/oauth/revoke", {"token": token}, "app"))
        assert server.is_alive(token), "a revocation that was not acknowledged"
        assert FULL in fails(home, "user", "add", "bea", "--password-file", "-", text="bea's password")
        assert FULL in fails(home, "client", "add", "another", "--grant-type", "client_credentials")
        assert f"store: cannot be written: {FULL}" in home.cardea("check")
        event = server.wait_event("store_not_writable")
        assert FULL in event["reason"] and event["level"] == "error"
        assert server.grant(*ANA).status == 200
    becomes_ready(server)
    assert audited(home, "login.ok") == before + LOGINS + 1
    assert server.wait_event("store_writable")["events_delayed"] == LOGINS + 1
    assert not server.find("audit_events_lost")
    assert len([e for e in server.events() if e["event"] == "store_not_writable"]) == 1
    assert server.form("/oauth/revoke", {"token": token}, "app").status == 200
    assert not server.is_alive(token)


def test_lesson_35_events_that_are_lost_at_the_end_are_counted(disk):
    home, server, disk = disk
    disk.prepare(server)
    with disk.full(server):
        becomes_unready(server, FULL)
        for _ in range(3):
            assert server.grant(*ANA).status == 200
        assert server.stop() == 0
    assert server.find("audit_events_lost", events=3, level="warn"), server.lines()[-5:]


# ---- the file of SQLite, and its lock ----

@pytest.fixture
def on_sqlite(install):
    home = install()
    home.add_user("ana", "ana's password")
    return home, home.serve(), home.folder / "cardea.db"


def assert_out_of_use(server, why, file):
    """Nothing is taken from what others do not see, and nothing is acknowledged that is written to it."""
    becomes_unready(server, why)
    event = server.wait_event("store_unavailable")
    assert str(file) in event["reason"], event
    assert str(file) not in readiness(server)[1]
    assert_unavailable(server.grant(*ANA))


def assert_comes_back(server):
    becomes_ready(server)
    wait_until(lambda: server.grant(*ANA).status == 200, "logins to come back")


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_lesson_37_a_file_that_is_deleted_is_noticed_and_named(on_sqlite, suffix):
    home, server, file = on_sqlite
    token = server.password_grant(*ANA).json()["access_token"]
    file = file.with_name(file.name + suffix)
    aside = file.with_name("aside")
    file.rename(aside)
    assert_unavailable(server.form("/oauth/revoke", {"token": token}, "app"))
    assert_out_of_use(server, "a file of the database was deleted", file)
    assert server.is_alive(token)
    aside.rename(file)
    assert_comes_back(server)
    assert server.form("/oauth/revoke", {"token": token}, "app").status == 200


def test_lesson_37_a_file_that_is_replaced_is_noticed_and_used_after_a_restart(on_sqlite):
    home, server, file = on_sqlite
    backup = file.with_name("backup.db")
    with contextlib.closing(sqlite3.connect(file)) as source, contextlib.closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    home.add_user("bea", "bea's password")
    assert server.grant("bea", "bea's password").status == 200
    os.chmod(backup, 0o600)
    backup.replace(file)
    assert_out_of_use(server, "a file of the database was replaced", file)
    assert server.stop() == 0
    server.start()
    assert server.grant(*ANA).status == 200
    assert_refused(server.grant("bea", "bea's password"))


def test_lesson_37_a_file_that_is_emptied_is_noticed_and_kept_from_commands(on_sqlite):
    """SQLite would take it for new, and remove the log in which all is still."""
    home, server, file = on_sqlite
    os.truncate(file, 0)
    assert_out_of_use(server, "the database file was emptied", file)
    for args in (["user", "list"], ["user", "disable", "ana"], ["migrate"]):
        assert f"the database {file} is empty (0 bytes)" in fails(home, *args)
    log = file.with_name(file.name + "-wal").read_bytes()
    server.kill()
    assert "is empty (0 bytes)" in fails(home, "serve")
    assert file.stat().st_size == 0 and file.with_name(file.name + "-wal").read_bytes() == log


def test_what_was_in_a_deleted_file_can_be_saved(on_sqlite):
    """As docs/sqlite-store.md says."""
    home, server, file = on_sqlite
    home.add_user("bea", "bea's password")
    assert server.grant("bea", "bea's password").status == 200
    file.unlink()
    assert_out_of_use(server, "a file of the database was deleted", file)
    page = (services.ROOT / "docs/sqlite-store.md").read_text()
    commands = re.search(r"^```text\n(cp .*?)^```$", page, re.M | re.S)[1]
    subprocess.run(["bash", "-eu", "-c", commands.replace("$(pidof cardea)", str(server.process.pid))],
                   cwd=file.parent, check=True)
    with contextlib.closing(sqlite3.connect(file.with_name("saved.db"))) as database:
        assert {name for name, in database.execute("SELECT name FROM users")} == {"ana", "bea"}


def test_lesson_37_a_store_that_goes_back_in_time_is_noticed(on_sqlite):
    """Restored by SQLite's own means, under the server."""
    home, server, file = on_sqlite
    backup = file.with_name("backup.db")
    with contextlib.closing(sqlite3.connect(file)) as source, contextlib.closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    tokens = [server.password_grant(*ANA).json()["access_token"] for _ in range(4)]
    for token in tokens[:3]:
        assert server.form("/oauth/revoke", {"token": token}, "app").status == 200
    kids = server.kids()
    home.cardea("key", "rotate", "--alg", "RS256", "--now")
    soon(lambda: server.kids() != kids, "the server to see what is there")
    with contextlib.closing(sqlite3.connect(backup)) as source, contextlib.closing(sqlite3.connect(file)) as target:
        source.backup(target)
    server.wait_event("store_restored")
    soon(lambda: server.kids() == kids, "the keys of the backup")
    other = home.serve_another()
    assert other.form("/oauth/revoke", {"token": tokens[3]}, "app").status == 200
    soon(lambda: not server.is_alive(tokens[3]), "a revocation with a number that was there before")
    assert not any(server.is_alive(token) for token in tokens[:3]), "what this server has revoked stays so"


def revocation_reasons(server, count):
    """Why so many revocations failed."""
    def reasons():
        return [event["reason"] for event in server.events() if event.get("path") == "/oauth/revoke"]

    return wait_until(lambda: len(reasons()) == count and reasons(), "the log lines of all revocations")


@contextlib.contextmanager
def write_lock(home, store):
    if store == SQLITE:
        with contextlib.closing(sqlite3.connect(home.folder / "cardea.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
    else:
        with contextlib.closing(psycopg2.connect(store)) as other:
            other.cursor().execute("SELECT * FROM versions FOR UPDATE")
            yield


def test_revocations_do_not_wait_for_the_store_one_after_the_other(install, store):
    """Only those that get a thread at once ask it; the others were in the queue while it did not answer these."""
    url = store()
    home = install(store=url)
    home.add_user("ana", "ana's password")
    server = home.serve()
    tokens = [server.password_grant(*ANA).json()["access_token"] for _ in range(REVOCATIONS)]

    def revoke(token):
        return server.form("/oauth/revoke", {"token": token}, "app")

    with concurrent.futures.ThreadPoolExecutor(REVOCATIONS) as pool, write_lock(home, url):
        for answer in pool.map(revoke, tokens):
            assert_unavailable(answer)
    reasons = revocation_reasons(server, REVOCATIONS)
    at_once = [why for why in reasons if why.endswith(("too many wait for the store", "is locked by another process"))]
    assert len(at_once) >= REVOCATIONS - WORKERS, reasons
    assert_comes_back(server)
    assert all(server.is_alive(token) for token in tokens)
    assert all(revoke(token).status == 200 for token in tokens)
    assert not any(server.is_alive(token) for token in tokens)


def test_a_write_lock_of_another_process_is_named_and_holds_nobody_for_long(on_sqlite):
    home, server, file = on_sqlite
    token = server.password_grant(*ANA).json()["access_token"]
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert_unavailable(server.form("/oauth/revoke", {"token": token}, "app"))
        assert server.grant(*ANA).status == 200
        becomes_unready(server, "the database is locked by another process")
        assert_unavailable(server.form("/oauth/revoke", {"token": token}, "app"))
        assert revocation_reasons(server, 2)[1].endswith("now: the database is locked by another process"), "it was tried"
        assert "locked by another process" in fails(home, "user", "disable", "ana")
        other.execute("ROLLBACK")
    assert_comes_back(server)
    assert server.form("/oauth/revoke", {"token": token}, "app").status == 200


# ---- a database that may only be read ----

def make_standby(postgres, _):
    """A server in recovery that nobody sends anything."""
    postgres.run("kill")
    (pathlib.Path(postgres.folder) / "data/standby.signal").touch()
    postgres.run("start")


def promote(connection):
    connection.cursor().execute("SELECT pg_promote()")


def set_read_only(_, connection):
    connection.cursor().execute("ALTER DATABASE cardea SET default_transaction_read_only = on")


def set_writable(connection):
    connection.cursor().execute("SET transaction_read_only = off; ALTER DATABASE cardea"
                                " RESET default_transaction_read_only")


def connect(postgres):
    connection = psycopg2.connect(postgres.url)
    connection.set_session(readonly=False, autocommit=True)
    return connection


@pytest.mark.parametrize("make_read_only, make_writable", [(make_standby, promote), (set_read_only, set_writable)])
def test_a_database_that_may_only_be_read_is_said_so(install, own_postgres, make_read_only, make_writable):
    home = install(store=own_postgres.new_schema())
    home.add_user("ana", "ana's password")
    early = home.serve()
    token = early.password_grant(*ANA).json()["access_token"]
    assert "read-only" not in home.cardea("check")
    make_read_only(own_postgres, connect(own_postgres))
    late = home.serve_another()
    reason = "the database is read-only"
    assert readiness(late)[0] == 503, "not once it is ready"
    becomes_unready(late, reason)
    assert reason in late.wait_event("store_not_writable")["reason"]
    if make_read_only is make_standby:  # the other concerns new sessions only
        wait_until(lambda: reason in readiness(early)[1], "readyz to say why", 20)
    warnings = [line for line in home.cardea("check").splitlines() if line.startswith("warn")]
    assert any("store: cannot be written: " + reason in line for line in warnings), warnings
    assert reason in fails(home, "user", "disable", "ana")
    assert late.grant(*ANA).status == 200
    assert_unavailable(late.form("/oauth/revoke", {"token": token}, "app"))
    make_writable(connect(own_postgres))
    for server in (early, late):
        becomes_ready(server)
    late.wait_event("store_writable")
    assert late.form("/oauth/revoke", {"token": token}, "app").status == 200
    soon(lambda: home.cardea("audit", "tail").count("login.ok") == 2, "the events of both logins")
