"""cardea backup and cardea restore, with SQLite and PostgreSQL: what comes back, what must not, and what a damaged file, a kill or a full disk
leaves."""
import fcntl
import os
import pathlib
import re
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import threading
import time

import pytest
from grant.postgres import Postgres, new_schema

from .administration import Installation, within
from .commands import CARDEA, DEADLINE

KINDS = ["sqlite", "postgres"]


@pytest.fixture(scope="module")
def stores():
    """stores(kind): the URL of a new, empty store."""
    url = os.environ.get("CARDEA_POSTGRES")
    postgres = None if url else Postgres()
    yield lambda kind: "sqlite:cardea.db" if kind == "sqlite" else new_schema(url or postgres.url)
    if postgres:
        postgres.remove()


def use_store(home, url):
    """The installation with another store, which is empty; the key stays."""
    for path in home.folder.glob("cardea.db*"):
        path.unlink()
    home.config.write_text(re.sub(r"^store: .*$", f'store: "{url}"', home.config.read_text(), flags=re.M))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An installation with ana, bo and a client, its backup, and the client's secret. Not to be changed."""
    home = Installation(tmp_path_factory.mktemp("made") / "auth")
    for name in ("ana", "bo"):
        home.add_user(name)
    secret = home.run("client", "add", "app", "--grant-type", "client_credentials", check=0).stdout
    home.run("user", "disable", "bo", check=0)
    home.backup = home.folder / "all.backup"
    home.run("backup", home.backup, check=0)
    home.secret = secret
    return home


@pytest.fixture
def home(made, tmp_path):
    """A copy of it, for a test that changes it."""
    folder = shutil.copytree(made.folder, tmp_path / "auth")
    copy = Installation.__new__(Installation)
    copy.folder, copy.port, copy.config, copy.backup = folder, made.port, folder / "cardea.yaml", folder / "all.backup"
    return copy


def users(home):
    return {row["name"]: row["disabled"] for row in home.rows("user", "list")}


def test_a_backup_is_private_complete_and_never_overwrites(made, tmp_path):
    info = made.backup.stat()
    before = made.backup.read_bytes()
    assert stat.S_IMODE(info.st_mode) == 0o600
    assert (made.folder / "master.key").read_text().strip().encode() not in before
    done = made.run("backup", made.backup, check=4)
    assert done.stderr == f"cardea backup: {made.backup} exists already: choose another name, or --force\n"
    assert made.backup.read_bytes() == before and (made.backup.stat().st_ino, made.backup.stat().st_mtime_ns) == (info.st_ino, info.st_mtime_ns)
    done = made.run("backup", tmp_path / "b", check=0)
    first, second = done.stdout.splitlines()
    assert re.fullmatch(rf"{tmp_path}/b: 2 users, 1 client, \d keys, 0 sessions, \d+ audit events; schema \d+, \d+ bytes", first)
    assert str(made.config) in second and "master key" in second
    inode = (tmp_path / "b").stat().st_ino
    made.run("backup", "--force", tmp_path / "b", check=0)
    assert (tmp_path / "b").stat().st_ino != inode
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b"]
    done = made.run("backup", tmp_path / "none/b")
    assert done.returncode in (1, 2) and str(tmp_path / "none") in done.stderr


@pytest.mark.parametrize("is_link", [False, True])
def test_a_backup_removes_nobody_elses_files(made, tmp_path, is_link):
    """FILE.part was there before, or leads to another folder: a root that writes backups to a shared folder must not empty that one."""
    others = tmp_path / "others" if is_link else tmp_path / "b.part"
    others.mkdir()
    (others / "thesis").write_text("years of work")
    if is_link:
        (tmp_path / "b.part").symlink_to(others)
        (others / "cardea.db").write_text("another store")
    done = made.run("backup", tmp_path / "b", check=1)
    assert done.stderr == f"cardea backup: {tmp_path}/b.part exists, and is not what an interrupted command leaves: move it away\n"
    assert {path.name for path in others.iterdir()} == ({"thesis", "cardea.db"} if is_link else {"thesis"})
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("mode, group, is_refused", [
    (0o777, None, True), (0o702, None, True), (0o1777, None, False), (0o770, "others", True), (0o1770, "others", False), (0o770, None, False),
])
def test_a_folder_in_which_others_may_replace_the_backup_is_refused(made, tmp_path, mode, group, is_refused):
    folder = tmp_path / "shared"
    folder.mkdir()
    if group:
        if os.geteuid() != 0:
            pytest.skip("only root can give a folder to any group")
        os.chown(folder, -1, os.getegid() + 1)
    folder.chmod(mode)
    done = made.run("backup", folder / "b", check=2 if is_refused else 0)
    if is_refused:
        assert done.stderr == (f"cardea backup: {folder}: other users may write to this folder, and could replace the backup while it is written; "
                               "use a folder of this user alone, or chmod go-w it\n")
    assert [path.name for path in folder.iterdir()] == ([] if is_refused else ["b"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
@pytest.mark.parametrize("mode", [0o700, 0o1777])
@pytest.mark.parametrize("sudo", [None, "65534", "65533", "x"])
def test_a_folder_of_another_user_is_refused_but_of_the_one_who_called_sudo(made, tmp_path, mode, sudo):
    folder = tmp_path / "theirs"
    folder.mkdir()
    folder.chmod(mode)
    os.chown(folder, 65534, -1)
    is_refused = sudo != "65534"
    environment = {"SUDO_UID": sudo} if sudo else {}
    done = made.run("backup", folder / "b", check=2 if is_refused else 0, env=environment)
    if is_refused:
        assert done.stderr == (f"cardea backup: {folder}: belongs to another user, who could replace the backup while it is written; "
                               "use a folder of this user\n")
    assert [path.name for path in folder.iterdir()] == ([] if is_refused else ["b"])


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_a_round_trip_brings_everything_back(made, home, stores, source, target, tmp_path):
    if source != "sqlite":
        use_store(home, stores(source))
        home.run("restore", "--keep-sessions", home.backup, check=0)
    taken = tmp_path / "taken"
    home.run("backup", taken, check=0)
    exported = home.run("user", "export", check=0).stdout
    clients = home.run("client", "list", "--json", check=0).stdout
    keys = home.run("key", "list", "--json", check=0).stdout
    use_store(home, stores(target))
    done = home.run("restore", taken, check=0)
    assert "2 users, 1 client" in done.stdout and "All sessions, tokens" in done.stdout
    assert home.run("user", "export", check=0).stdout == exported
    assert home.run("client", "list", "--json", check=0).stdout == clients
    assert home.run("key", "list", "--json", check=0).stdout == keys
    last = home.rows("audit", "tail", "--lines", "1")[0]
    assert last["action"] == "store.restore" and last["detail"].startswith("backup of 20")
    done = home.run("restore", taken, check=4)
    assert "has 2 users and 1 client; to put the backup in their place, write --replace" in done.stderr
    home.run("user", "remove", "ana", "--yes")
    home.run("restore", "--replace", taken, check=0)
    assert users(home) == {"ana": False, "bo": True}


def spoil(path, how, other_key):
    data = bytearray(path.read_bytes())
    if how == "cut":
        data = data[:-4096]
    elif how == "without its end":
        data = data[:-1]
    elif how == "a bit":
        data[len(data) // 2] ^= 1
    elif how == "longer":
        data += b"x"
    elif how == "empty":
        data = b""
    elif how == "another program":
        data = b"PGDMP" * 1000
    elif how == "later":
        data = data.replace(b"\ncardea backup 1\n", b"\ncardea backup 2\n")
    elif how == "another key":
        other_key()
    path.write_bytes(data)


@pytest.mark.parametrize(("how", "why"), [
    ("cut", "is cut short, or is a database that cardea backup did not make"),
    ("without its end", "is cut short"),
    ("a bit", "is damaged: it is not as cardea backup wrote it; use another backup"),
    ("longer", "is cut short"),
    ("empty", "is not a backup that cardea backup made"),
    ("another program", "is not a backup that cardea backup made"),
    ("later", "was made by a later version of cardea"),
    ("another key", "was made under another master key; name that one in master_key"),
])
def test_what_is_not_a_whole_backup_changes_nothing(home, how, why):
    if how == "another key":
        (home.folder / "cardea.db").unlink()
    spoil(home.backup, how, lambda: (home.folder / "master.key").write_text("A" * 43 + "=\n"))
    before = {path.name: path.read_bytes() for path in home.folder.iterdir()}
    done = home.run("restore", "--replace", home.backup, check=2)
    assert done.stderr.startswith(f"cardea restore: {home.backup}: {why}"), done.stderr
    assert {path.name: path.read_bytes() for path in home.folder.iterdir()} == before


def test_a_missing_file_and_a_missing_option_are_said(home):
    done = home.run("restore", "--replace", home.folder / "none", check=3)
    assert done.stderr == f"cardea restore: {home.folder}/none: No such file or directory\n"


def test_a_missing_folder_is_said_with_what_to_do(home):
    done = home.run("backup", home.folder / "none/a.backup", check=1)
    assert done.stderr == (f"cardea backup: {home.folder}/none/a.backup.part: No such file or directory; write to a folder that exists and "
                           "that this user may write to\n")


def test_the_earlier_database_is_kept(home):
    home.add_user("cy")
    done = home.run("restore", "--replace", home.backup, check=0)
    kept = pathlib.Path(re.search(r"The earlier database is kept as (\S+)\.\n", done.stdout)[1])
    assert kept.name.startswith("cardea.db.before-20") and stat.S_IMODE(kept.stat().st_mode) == 0o600
    with sqlite3.connect(kept) as db:
        assert {name for (name,) in db.execute("SELECT name FROM users")} == {"ana", "bo", "cy"}
    db.close()
    assert set(users(home)) == {"ana", "bo"}


def test_a_link_to_the_database_stays_a_link(home):
    """The data stay on the disk that they were put on."""
    disk = home.folder / "disk"
    disk.mkdir()
    os.rename(home.folder / "cardea.db", disk / "cardea.db")
    (home.folder / "cardea.db").symlink_to("disk/cardea.db")
    home.add_user("cy")
    home.run("restore", "--replace", home.backup, check=0)
    assert (home.folder / "cardea.db").is_symlink() and set(users(home)) == {"ana", "bo"}
    (kept,) = disk.glob("cardea.db.before-*")
    with sqlite3.connect(kept) as db:
        assert ("cy",) in set(db.execute("SELECT name FROM users"))
    db.close()


@pytest.mark.parametrize("damage", ["garbage", "emptied"])
def test_a_damaged_database_is_replaced_and_kept(home, damage):
    database = home.folder / "cardea.db"
    if damage == "garbage":
        database.write_bytes(b"garbage" * 1000)
    else:
        database.write_bytes(b"")
    done = home.run("restore", home.backup)
    assert done.returncode in (1, 2) and "store: " in done.stderr and str(database) in done.stderr
    home.run("restore", "--replace", home.backup, check=0)
    assert set(users(home)) == {"ana", "bo"}
    assert [path for path in home.folder.iterdir() if ".before-" in path.name]


def test_the_log_of_a_lost_database_does_not_become_that_of_the_restored_one(home):
    database, log = home.folder / "cardea.db", home.folder / "cardea.db-wal"
    os.rename(database, log)
    home.run("restore", home.backup, check=0)
    assert set(users(home)) == {"ana", "bo"}
    assert [path.name for path in home.folder.glob("*.before-*-wal")]


def begin(start, home):
    program = start("serve", "--config", home.config)
    program.wait_event("ready")
    return program


def ready(home):
    status, body = home.request("/readyz", "", "")
    return status if status == 200 else (status, body)


CONFIGURED = "a-secret-of-a-client-of-the-configuration"


def add_configured_client(home):
    """Which has no row in the store that a restore could change."""
    home.config.write_text(home.config.read_text() + "clients:\n  - id: job\n    secret: ${file:job.secret}\n    grant_types: [client_credentials]\n"
                           f"    audience: \"https://localhost:{home.port + 1}\"\n")
    secret = home.folder / "job.secret"
    secret.touch(0o600)
    secret.write_text(CONFIGURED)


@pytest.mark.parametrize("kind", KINDS)
def test_earlier_sessions_and_tokens_do_not_live_again(home, stores, start, kind, tmp_path):
    if kind != "sqlite":
        use_store(home, stores(kind))
        home.run("restore", home.backup, check=0)
    add_configured_client(home)
    program = begin(start, home)

    def token_of_job():
        return home.request("/oauth/token", "job", CONFIGURED, b"grant_type=client_credentials")[1]["access_token"]

    status, answer = home.login("ana")
    assert status == 200, answer
    secret = home.run("client", "add", "asks", "--grant-type", "client_credentials", "--introspect", f"https://localhost:{home.port + 1}", check=0).stdout
    taken = tmp_path / "taken"
    home.run("backup", taken, check=0)  # while the server runs
    home.add_user("cy")                 # who is not in the backup
    later = home.login("cy")[1]["token"]
    of_job = token_of_job()
    revoked = home.request("/oauth/revoke", "job", CONFIGURED, f"token={of_job}".encode())  # nor is this
    assert revoked[0] == 200
    issued = time.time()
    refused = home.run("restore", "--replace", taken, check=4)
    assert "stop cardea serve first" in refused.stderr
    assert program.end() == 0
    assert within(DEADLINE, lambda: int(time.time()) > int(issued))  # a token tells its second
    home.run("restore", "--replace", taken, check=0)
    program = begin(start, home)

    def active(token):
        return home.request("/oauth/introspect", "asks", re.search(r"[A-Za-z0-9_-]{30,}", secret)[0], f"token={token}".encode())

    for token in (answer["token"], later, of_job):
        status, body = active(token)
        assert (status, body) == (200, {"active": False}), body
    for token in (home.login("ana")[1]["token"], token_of_job()):
        assert active(token)[1]["active"] is True
    assert program.end() == 0


def test_a_running_server_notices_that_its_database_was_replaced(home, start):
    program = begin(start, home)
    database = home.folder / "cardea.db"
    shutil.copy(database, home.folder / "other.db")
    os.rename(home.folder / "other.db", database)
    event = program.wait_event("store_unavailable")
    assert "was replaced while cardea uses it" in event["reason"] and "restart cardea" in event["reason"]
    assert within(DEADLINE, lambda: ready(home) != 200)
    assert home.login("ana")[0] == 503
    program.end()


def test_a_backup_while_a_server_writes_is_of_one_moment(home, start, tmp_path):
    program = begin(start, home)
    ends = threading.Event()

    def log_in():
        while not ends.is_set():
            home.login("ana")

    thread = threading.Thread(target=log_in)
    thread.start()
    try:
        for number in range(3):
            home.run("backup", tmp_path / f"b{number}", check=0)
    finally:
        ends.set()
        thread.join()
    assert program.end() == 0
    for number in range(3):
        home.run("restore", "--replace", tmp_path / f"b{number}", check=0)
        assert set(users(home)) == {"ana", "bo"}


def interrupt(home, seconds, *words):
    """Runs the command and kills it after that time; whether it was killed."""
    process = subprocess.Popen([CARDEA, *map(str, words), "--config", home.config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def test_a_killed_backup_leaves_the_earlier_file_and_the_next_one_works(home, tmp_path):
    taken = tmp_path / "taken"
    home.run("backup", taken, check=0)
    before = taken.read_bytes()
    for seconds in (0.002, 0.006, 0.01, 0.015, 0.02, 0.03):
        if interrupt(home, seconds, "backup", "--force", taken):
            assert taken.read_bytes() == before or taken.read_bytes()[-1:] == b"\n"
        home.run("restore", "--replace", taken, check=0)
    home.run("backup", "--force", taken, check=0)
    assert sorted(path.name for path in tmp_path.iterdir() if path != home.folder) == ["taken"]


def test_a_killed_restore_leaves_the_one_or_the_other(home):
    home.add_user("cy")
    for seconds in (0.002, 0.006, 0.01, 0.015, 0.02, 0.03, 0.04):
        interrupt(home, seconds, "restore", "--replace", home.backup)
        assert set(users(home)) in ({"ana", "bo"}, {"ana", "bo", "cy"})
    home.run("restore", "--replace", home.backup, check=0)
    assert set(users(home)) == {"ana", "bo"}
    assert not list(home.folder.glob("cardea.db.restore*"))


@pytest.mark.parametrize("name", ["all.backup", "cardea.db.restore"])
def test_a_restore_removes_nobody_elses_files(home, name):
    """A backup, this or an earlier one, has the name of the folder in which a database is unpacked."""
    beside = home.folder / "cardea.db.restore"
    shutil.copy(home.backup, beside)
    before, users_before = beside.read_bytes(), users(home)
    done = home.run("restore", "--replace", home.folder / name, check=1)
    assert done.stderr == f"cardea restore: {beside} exists, and is not what an interrupted command leaves: move it away\n"
    assert beside.read_bytes() == before and home.backup.read_bytes() == before and users(home) == users_before
    beside.unlink()
    beside.mkdir(mode=0o700)
    (beside / "cardea.db").write_text("cut")
    (beside / "cardea.db-wal").write_text("of a restore that was killed")
    home.run("restore", "--replace", home.backup, check=0)
    assert not beside.exists()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_a_second_command_leaves_the_folder_of_the_first_alone(home, tmp_path, command):
    """Otherwise one restore would put in place what the other has unpacked: a database whose sessions have not ended yet."""
    folder = tmp_path / "b.part" if command == "backup" else home.folder / "cardea.db.restore"
    arguments = ("backup", tmp_path / "b") if command == "backup" else ("restore", "--replace", home.backup)
    folder.mkdir(mode=0o700)
    (folder / "cardea.db").write_text("of the first")
    before = (home.folder / "cardea.db").read_bytes()
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = home.run(*arguments, check=4)
        assert done.stderr == f"cardea {command}: {folder} is in use by another command that is running: wait until that ends\n"
        assert (folder / "cardea.db").read_text() == "of the first" and (home.folder / "cardea.db").read_bytes() == before
    finally:
        os.close(held)
    home.run(*arguments, check=0)
    assert not folder.exists()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_of_two_at_once_one_is_done(home, tmp_path, command):
    """As two timers would start them."""
    taken = tmp_path / "b"
    arguments = ("backup", "--force", taken) if command == "backup" else ("restore", "--replace", home.backup)
    for _ in range(8):
        both = [subprocess.Popen([CARDEA, *map(str, arguments), "--config", str(home.config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 text=True) for _ in range(2)]
        answers = [process.communicate(timeout=DEADLINE) for process in both]
        codes = sorted(process.returncode for process in both)
        assert codes in ([0, 0], [0, 4]), answers
        assert all(process.returncode == 0 or "in use by another" in answer[1] for process, answer in zip(both, answers)), answers
        if command == "backup":
            home.run("restore", "--replace", taken, check=0)
        assert set(users(home)) == {"ana", "bo"}
        assert home.rows("audit", "tail", "--lines", "1")[0]["action"] == "store.restore"


def limit(size):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [70_000, 200_000, 400_000])
def test_a_full_disk_leaves_no_half_file(home, tmp_path, size):
    taken = tmp_path / "taken"
    done = home.run("backup", taken, preexec_fn=limit(size))
    if done.returncode:
        assert done.returncode == 1 and str(taken) in done.stderr, done.stderr
        assert not taken.exists() and not list(tmp_path.glob("taken*"))
    database = (home.folder / "cardea.db").read_bytes()
    done = home.run("restore", "--replace", home.backup, preexec_fn=limit(size))
    if done.returncode:
        assert done.returncode == 1
        assert (home.folder / "cardea.db").read_bytes() == database
    assert set(users(home)) == {"ana", "bo"}
    assert not list(home.folder.glob("cardea.db.restore*"))
