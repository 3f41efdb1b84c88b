"""examples/bot: both encodings, and a reader of pickles that runs no code."""
import os
import pickle
import signal
import socket
import subprocess
import sys

import pytest

import services
from receivers import closed_port, decode, encode, read_all
from relayed import CODE, STATE
from running import relayed  # noqa: F401

BOT = services.ROOT / "examples/bot/bot.py"


class Bot:
    def __init__(self, folder, encoding, port=None):
        self.port, self.log = port or closed_port(), folder / "bot.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([sys.executable, BOT, encoding, str(self.port)], stdout=log, stderr=log)
        services.wait_until(lambda: "listening" in self.log.read_text(), "the bot")

    def ask(self, data):
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return read_all(connection)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(services.PATIENCE) == 0


@pytest.fixture
def bot(tmp_path):
    running = []

    def start(encoding, **more):
        running.append(Bot(tmp_path, encoding, **more))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.mark.parametrize("encoding", ["pickle", "json"])
def test_it_registers_the_user(relayed, bot, encoding):  # noqa: F811
    one = bot(encoding)
    server = relayed({"deliver": f"tcp://127.0.0.1:{one.port}", "encoding": encoding})
    page = server.get()
    assert (page.status, page.mark, page.message) == (200, True, f"Registered {STATE}")
    page = server.get(query={"error": "access_denied", "state": STATE})
    assert (page.mark, page.message) == (False, "The login has ended: access_denied")
    assert CODE not in one.log.read_text()


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_its_reader_of_pickles_runs_no_code(bot, tmp_path, protocol):
    proof = tmp_path / "ran"

    class Run:
        def __reduce__(self):
            return os.system, (f"touch {proof}",)

    one = bot("pickle")
    for evil in (Run(), {"state": Run(), "code": "c"}, {"state": "s", "code": "c", "more": [Run()]}):
        assert one.ask(pickle.dumps(evil, protocol)) == b""
    assert not proof.exists()
    assert decode(one.ask(encode("pickle", {"state": "s", "code": "c"}, protocol))) == {"success": True, "message": "Registered s"}


@pytest.mark.parametrize("encoding", ["pickle", "json"])
@pytest.mark.parametrize("data", [b"", b"x", b"{}\n", b"[1]\n", b"\x80\x04}.", b"\xff" * 100])
def test_it_goes_on_after_garbage(bot, encoding, data):
    one = bot(encoding)
    assert one.ask(data) == b""
    assert decode(one.ask(encode(encoding, {"state": "s", "code": "c"})))["success"] is True
    assert one.process.poll() is None


def test_it_has_about_40_lines():
    assert sum(1 for line in BOT.read_text().splitlines() if line.strip()) <= 40
