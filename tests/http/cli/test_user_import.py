"""cardea user import of long lists: batches, the line that says how far it is, and interruption."""
import json
import os
import pty
import re
import select
import signal
import sqlite3
import subprocess
import time

from .administration import Installation, within
from .commands import CARDEA, DEADLINE

HASH = "$2y$05$abcdefghijklmnopqrstuu5s9iJJVdsmkJcYqzDvnUuNfsaKuyPyW"
BATCH = 500


def line(name, **members):
    return json.dumps({"name": name, "hash": HASH, **members}) + "\n"


def count_users(made):
    with sqlite3.connect(made.folder / "cardea.db") as database:
        count = database.execute("SELECT count(*) FROM users").fetchone()[0]
    database.close()
    return count


def begin(made, *options, stderr=subprocess.PIPE):
    return subprocess.Popen([CARDEA, "user", "import", "-", "--config", made.config, *options], text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr)


def feed(process, count, first=0):
    process.stdin.write("".join(line(f"u{i}") for i in range(first, first + count)))
    process.stdin.flush()


def test_users_who_exist_are_replaced_a_batch_at_a_time(tmp_path):
    made = Installation(tmp_path / "auth")
    names = [f"u{i}" for i in range(2 * BATCH + 1)]
    made.run("user", "import", "-", stdin="".join(line(n) for n in names[::2]), check=0)
    with sqlite3.connect(made.folder / "cardea.db") as database:  # an event of somebody's else ends what is one transaction
        before = database.execute("SELECT count(*) FROM audit").fetchone()[0]
    database.close()
    done = made.run("user", "import", "-", "--update", stdin="".join(line(n, claims={"a": 1}) for n in names), check=0)
    assert (done.stdout, done.stderr) == (f"{BATCH} users added, {BATCH + 1} updated, 0 unchanged, 0 refused\n", "")
    rows = {row["name"]: row for row in made.rows("user", "list")}
    assert len(rows) == len(names) and all(row["claims"] == {"a": 1} for row in rows.values())
    with sqlite3.connect(made.folder / "cardea.db") as database:
        after = database.execute("SELECT count(*) FROM audit").fetchone()[0]
    database.close()
    assert after - before == BATCH + 1 + 2  # one of each user who was replaced, and one of all users who were added in a batch
    again = made.run("user", "import", "-", "--update", stdin="".join(line(n, claims={"a": 1}) for n in names), check=0)
    assert again.stdout == f"0 users added, 0 updated, {len(names)} unchanged, 0 refused\n"
    some = "".join(line(n, claims={"a": 1 + (n == "u7")}) for n in names) + line("new")
    for dry, added in (["--dry-run"], "would be added"), ([], "added"):
        done = made.run("user", "import", "-", "--update", *dry, stdin=some, check=0)
        assert done.stdout.startswith(f"1 user {added}, 1 updated, {len(names) - 1} unchanged, 0 refused")


def test_of_two_lines_for_a_user_in_a_batch_the_later_counts(tmp_path):
    made = Installation(tmp_path / "auth")
    lists = line("ana", claims={"a": 1}) + line("bo") + line("ana", claims={"a": 2}) + line("bo", disabled=True) + line("bo")
    assert made.run("user", "import", "-", "--update", stdin=lists, check=0).stdout == "2 users added, 3 updated, 0 unchanged, 0 refused\n"
    for _ in range(2):
        shown = {row["name"]: row for row in made.rows("user", "list")}
        assert shown["ana"]["claims"] == {"a": 2} and not shown["bo"]["disabled"]
        made.run("user", "import", "-", "--update", stdin=lists, check=0)


def test_a_client_with_the_name_of_a_user_is_refused_alone(tmp_path):
    made = Installation(tmp_path / "auth")
    made.run("client", "add", "shop", "--grant-type", "client_credentials", check=0)
    made.run("user", "import", "-", stdin=line("ana"), check=0)
    done = made.run("user", "import", "-", "--update", stdin=line("ana") + line("shop") + line("bo"), check=5)
    assert done.stdout == "1 user added, 0 updated, 1 unchanged, 1 refused\n"
    assert re.fullmatch(r"cardea user import: standard input:2: name: .*shop.*\n", done.stderr)


def test_an_interrupted_import_ends_after_its_batch_and_says_what_was_written(tmp_path):
    made = Installation(tmp_path / "auth")
    process = begin(made)
    feed(process, BATCH)
    assert within(DEADLINE, lambda: count_users(made) == BATCH)
    feed(process, BATCH - 1, BATCH)
    process.send_signal(signal.SIGINT)
    feed(process, 1, 2 * BATCH - 1)
    assert process.wait(DEADLINE) == 1  # though the list goes on
    assert process.stdout.read() == f"{2 * BATCH} users added, 0 updated, 0 refused\n"
    assert process.stderr.read() == "cardea user import: interrupted before the end of standard input\n"
    assert count_users(made) == 2 * BATCH
    process.stdin.close()


def test_a_second_interruption_ends_at_once(tmp_path):
    made = Installation(tmp_path / "auth")
    process = begin(made)
    feed(process, BATCH)
    assert within(DEADLINE, lambda: count_users(made) == BATCH)
    process.send_signal(signal.SIGINT)
    assert within(DEADLINE, lambda: process.send_signal(signal.SIGINT) or process.poll() is not None)
    assert process.returncode == -signal.SIGINT
    process.stdin.close()


def test_a_terminal_sees_how_far_an_import_is(tmp_path):
    made = Installation(tmp_path / "auth")
    ours, theirs = pty.openpty()
    process = begin(made, stderr=theirs)
    os.close(theirs)
    shown, fed, end = b"", 0, time.monotonic() + DEADLINE
    while not re.search(rb"\r\x1b\[K\d+ lines, \d+/s", shown) and time.monotonic() < end:
        feed(process, BATCH, fed)
        fed += BATCH
        if select.select([ours], [], [], 0.1)[0]:
            shown += os.read(ours, 4096)
    process.stdin.close()
    assert process.wait(DEADLINE) == 0 and process.stdout.read() == f"{fed} users added, 0 updated, 0 refused\n"
    while select.select([ours], [], [], 0)[0]:
        try:
            shown += os.read(ours, 4096)
        except OSError:  # nobody has the other end any more
            break
    os.close(ours)
    assert re.search(rb"\r\x1b\[K\d+ lines, \d+/s", shown) and shown.endswith(b"\r\x1b[K"), shown
