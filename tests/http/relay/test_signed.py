"""Signed states: each is delivered once, and nothing else is."""
import re
import sqlite3
import threading
from urllib.parse import quote

import pytest

from receiver import Receiver, line, reset
from services import PATIENCE, wait_until

CODE, STATE = "q8Xb-the.code_0", "gAAAAABk-a_fernet-token=="
QUERY = f"?code={CODE}&state={quote(STATE)}"
WAITING, SENDING, ANSWERED, FAILED = range(4)


def entry(deliver, **settings):
    return [{"path": "/register", "deliver": deliver, "encoding": "json", "timeout": "2s", "hold": "5m", **settings}]


def rows(home, what="state, attempts, sealed"):
    with sqlite3.connect(home.folder / "cardea.db", timeout=PATIENCE) as store:
        return store.execute(f"SELECT {what} FROM deliveries").fetchall()


def let_time_pass(home):
    """As if every claim and every pause were over."""
    with sqlite3.connect(home.folder / "cardea.db", timeout=PATIENCE) as store:
        store.execute("UPDATE deliveries SET next_at = 0")


def begin(server, query=QUERY):
    """The path of the page that waits."""
    answer = server.ask("GET", "/register" + query)
    assert answer.status == 303 and re.fullmatch(r"\?waiting=[A-Za-z0-9_-]{43}", answer.headers["Location"])
    assert CODE not in answer.headers["Location"]
    return "/register" + answer.headers["Location"]


def shown(server, path):
    return server.ask("GET", path).body.decode()


def wait_for(server, path, text):
    return wait_until(lambda: text in shown(server, path), f"{text} on {path}")


@pytest.fixture
def down(home, free_port):
    """A server whose receiver is not there, and its port."""
    made = home(entry(f"tcp://127.0.0.1:{free_port}"))
    made.note_secret(CODE)
    made.note_secret(STATE)
    made.note_secret(quote(STATE))
    return made, made.serve(), free_port


# ---- signed states ----

def link(home, *more):
    return home.cardea("relay", "link", "--path", "/register", "--data", "user 7", *more).strip()


@pytest.mark.parametrize("hold", ["none", "5m"])
def test_only_a_signed_state_is_delivered_once(home, receiver, free_port, hold):
    made = home(entry(f"tcp://127.0.0.1:{free_port}", state="signed", hold=hold, timeout="300ms"))
    server = made.serve()
    state = link(made)
    assert server.ask("GET", "/register?code=a&state=made-up").status == 403
    if hold == "none":
        assert server.ask("GET", f"/register?code=a&state={state}").status == 503
        bot = receiver(line(True, "Hello"), free_port)
        for _ in range(2):  # by the button, and loaded again
            assert b"Hello" in server.ask("GET", f"/register?code=a&state={state}").body
    else:
        path = begin(server, f"?code=a&state={state}")
        bot = receiver(line(True, "Hello"), free_port)
        wait_for(server, path, "Hello")
        server.stop()
        server.start()
        assert begin(server, f"?code=a&state={state}") == path
    assert server.ask("GET", f"/register?code=b&state={state}").status == 403
    assert bot.got() == [{"code": "a", "state": state, "data": "user 7"}]
