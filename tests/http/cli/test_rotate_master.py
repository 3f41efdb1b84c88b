"""cardea key rotate-master: a running server goes on, nothing is lost by a kill, and the earlier key is worth nothing afterwards."""
import json
import os
import re
import signal
import stat
import subprocess

import pytest
from grant.postgres import Postgres, new_schema

from .administration import Installation
from .commands import CARDEA, DEADLINE

HASH = "$2y$05$abcdefghijklmnopqrstuu5s9iJJVdsmkJcYqzDvnUuNfsaKuyPyW"
TOTP = "otpauth://totp/x?algorithm=SHA1&digits=6&period=30&secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture(scope="module")
def postgres_url():
    url = os.environ.get("CARDEA_POSTGRES")
    postgres = None if url else Postgres()
    yield lambda: new_schema(url or postgres.url)
    if postgres:
        postgres.remove()


class Rotated(Installation):
    """With ana, a client, and a TOTP secret of each of some users."""

    def fill(self, users=3):
        self.add_user("ana")
        made = self.run("client", "add", "app", "--grant-type", "client_credentials", "--scope", "read")
        self.secret = re.search(r"[\w-]{43}", made.stdout)[0]
        lines = (json.dumps({"name": f"u{i}", "hash": HASH, "totp": TOTP}) for i in range(users))
        done = self.run("user", "import", "-", stdin="\n".join(lines))
        assert done.returncode == 0, done.stderr[:500]
        return self

    def make(self):
        return self.run("key", "rotate-master", "--make", self.folder / "new.key", check=0)

    def both(self):
        self.config.write_text(self.config.read_text().replace("master_key: ${file:master.key}",
                                                               "master_key: ${file:new.key}\nmaster_key_old: ${file:master.key}"))

    def only(self, name):
        text = re.sub(r"^master_key.*\n", "", self.config.read_text(), flags=re.M)
        self.config.write_text(text + f"master_key: ${{file:{name}}}\n")

    def rotate(self, *options, **more):
        return self.run("key", "rotate-master", *options, **more)


@pytest.fixture
def home(tmp_path):
    return Rotated(tmp_path / "auth").fill()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_running_server_goes_on(home, start, kind, postgres_url):
    if kind == "postgres":
        home.run("backup", home.folder / "b", check=0)
        home.config.write_text(re.sub(r"^store: .*$", f'store: "{postgres_url()}"', home.config.read_text(), flags=re.M))
        home.run("restore", home.folder / "b", "--keep-sessions", check=0)
    done = home.make()
    key = home.folder / "new.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and re.fullmatch(r"[A-Za-z0-9+/]{43}=\n", key.read_text())
    assert f"rename master_key to master_key_old, and write a new master_key that names {key}; restart every server" in done.stdout
    assert home.rotate("--make", key, check=4).stderr == f"cardea key rotate-master: {key} exists already: choose another name\n"
    home.both()
    program = start("serve", "--config", home.config)
    program.wait_event("ready")
    token = home.login("ana")[1]["token"]
    done = home.rotate(check=0)
    first = done.stdout.splitlines()[0]
    assert re.fullmatch(r"The store is sealed under master_key now; \d+ secrets were sealed again\.", first), first
    assert home.login("ana")[0] == 200 and home.client_token("app", home.secret)[0] == 200
    home.add_user("bo")
    assert home.login("bo")[0] == 200
    assert program.end() == 0
    assert home.rotate(check=0).stdout.startswith("The store is sealed under master_key already; 0 secrets were sealed again.\n")
    home.only("new.key")
    program = start("serve", "--config", home.config)
    program.wait_event("ready")
    assert home.login("ana")[0] == 200 and home.client_token("app", home.secret)[0] == 200
    assert token
    assert program.end() == 0
    assert home.rows("audit", "tail", "--lines", "50")
    home.only("master.key")
    done = home.run("user", "list", check=2)
    assert "master_key: is not the one that this store was created with; restore that one" in done.stderr


def test_without_the_earlier_key_it_says_what_is_missing(home):
    done = home.rotate(check=2)
    assert done.stderr.startswith("cardea key rotate-master: master_key_old: is not set: master_key must be the new key"), done.stderr
    home.make()
    home.only("new.key")
    assert "master_key: is not the one that this store was created with" in home.rotate(check=2).stderr


@pytest.mark.parametrize(("old", "why"), [
    ("${file:master.key}", "master_key_old: is the same as master_key"),
    ("rubbish", "master_key_old: is not a master key: 32 bytes in base64, 44 characters"),
    ("${file:none}", "master_key_old"),
    ("A" * 43 + "=", None),
])
def test_a_wrong_earlier_key_is_named(home, old, why):
    home.config.write_text(home.config.read_text() + f'master_key_old: "{old}"\n')
    done = home.run("check")
    assert why is None or (done.returncode == 2 and why in done.stdout + done.stderr), done.stdout + done.stderr
    if why is None:  # it is not used, and a key that is neither is refused
        (home.folder / "master.key").write_text("B" * 42 + "A=\n")
        assert "neither it nor master_key_old is the one of this store" in home.run("user", "list", check=2).stderr


def test_a_backup_under_the_earlier_key_is_restored_with_it(home):
    taken = home.folder / "b"
    home.run("backup", taken, check=0)
    home.make()
    home.both()
    home.rotate(check=0)
    home.only("new.key")
    assert "was made under another master key" in home.run("restore", "--replace", taken, check=2).stderr
    home.config.write_text(home.config.read_text() + "master_key_old: ${file:master.key}\n")
    home.run("restore", "--replace", taken, check=0)
    assert len(home.rows("user", "list")) == 4
    home.rotate(check=0)
    home.only("new.key")
    assert len(home.rows("user", "list")) == 4


def test_killed_at_any_moment_it_is_run_again(tmp_path, start):
    home = Rotated(tmp_path / "auth").fill(users=600)
    home.make()
    home.both()
    for seconds in (0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05):
        process = subprocess.Popen([CARDEA, "key", "rotate-master", "--config", home.config], stdout=subprocess.DEVNULL)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE)
        program = start("serve", "--config", home.config)
        program.wait_event("ready")
        assert home.client_token("app", home.secret)[0] == 200
        assert program.end() == 0
    home.rotate(check=0)
    done = home.rotate(check=0)
    assert "already; 0 secrets were sealed again" in done.stdout and "could not be read" not in done.stdout
    home.only("new.key")
    program = start("serve", "--config", home.config)
    program.wait_event("ready")
    assert home.client_token("app", home.secret)[0] == 200 and home.login("ana")[0] == 200
    assert program.end() == 0
