"""The block of variables against the buffer of Debian's uWSGI, which has 4,096 bytes unless told otherwise."""
import pathlib

import pytest
from gated import Gated
from raw_client import Http1
from services import wait_until

from .peers import find_ports, start_uwsgi

pytestmark = pytest.mark.xdist_group("gate-uwsgi-buffer")

SMALL, TOLD = "small.example.com", "told.example.com"


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uwsgi-buffer")
    port = find_ports()
    uwsgi = start_uwsgi(folder, pathlib.Path(__file__).with_name("environ_application.py"), ["--socket", f"127.0.0.1:{port}"], "--env", f"SEEN={folder}/seen",
                        "--buffer-size", "4096")
    running = Gated(folder / "cardea", [{"host": SMALL, "upstream": f"uwsgi://127.0.0.1:{port}", "public": True},
                                        {"host": TOLD, "upstream": f"uwsgi://127.0.0.1:{port}", "buffer_size": 4096, "public": True}])
    yield running
    running.stop()
    uwsgi.stop()


def ask(gate, host, size):
    with Http1(gate.h1) as connection:
        return connection.ask("GET /x", [("Host", host), ("X-Large", "x" * size)])


def test_a_block_over_buffer_size_is_431_and_not_sent(gate):
    assert ask(gate, TOLD, 1000).status == 200
    assert ask(gate, TOLD, 4096).status == 431
    assert ask(gate, TOLD, 1000).status == 200


def test_a_block_that_uwsgi_resets_is_502_and_the_log_names_its_setting(gate):
    assert ask(gate, SMALL, 1000).status == 200
    reply = ask(gate, SMALL, 5000)
    assert reply.status == 502 and b"127.0.0.1" not in reply.body
    wait_until(lambda: "buffer-size" in gate.log(), "the log to name buffer-size")
    assert ask(gate, SMALL, 1000).status == 200
