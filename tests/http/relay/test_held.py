"""Deliveries that are kept in the store until the receiver is there."""
import pickle
import re
import signal
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


def test_a_delivery_is_held_until_the_receiver_is_there(down, receiver):
    home, server, port = down
    path = begin(server)
    assert begin(server) == path  # loaded again
    waiting = server.ask("GET", path)
    assert waiting.status == 200 and "Please wait" in waiting.body.decode()
    assert waiting.headers["Refresh"] == "2; url=" + path[len("/register"):] and waiting.headers["Cache-Control"] == "no-store"
    wait_until(lambda: rows(home)[0][1] > 1, "two attempts")
    bot = receiver(line(True, "Here I am"), port)
    wait_for(server, path, "Here I am")
    assert bot.got() == [{"code": CODE, "state": STATE}]
    assert shown(server, "/register" + QUERY) == "" and "Here I am" in shown(server, path)
    assert len(bot.received) == 1 and [row[0] for row in rows(home)] == [ANSWERED]
    assert server.wait_event("relay_delivered", held=True)["attempts"] > 1


def test_lesson_28_what_is_held_is_sealed(down):
    home, server, _ = down
    begin(server)
    for path in home.folder.glob("cardea.db*"):
        for secret in (CODE, STATE):
            assert secret.encode() not in path.read_bytes()


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_delivery_survives_a_restart(down, receiver, how):
    home, server, port = down
    path = begin(server)
    getattr(server, how)()
    bot = receiver(line(True, "Here I am"), port)
    let_time_pass(home)
    server.start()
    wait_for(server, path, "Here I am")
    assert bot.got() == [{"code": CODE, "state": STATE}]


def test_a_delivery_that_was_being_sent_when_the_server_was_killed_is_sent_again(down, receiver):
    home, server, port = down
    go = threading.Event()
    bot = receiver(lambda got, connection: line(True, "At last") if go.wait(PATIENCE) else None, port)
    path = begin(server)
    wait_until(lambda: bot.received, "the first delivery")
    server.kill()
    go.set()
    let_time_pass(home)
    server.start()
    wait_for(server, path, "At last")
    assert len(bot.received) == 2


def test_a_delivery_is_not_sent_again_after_its_answer_was_read(down, receiver):
    home, server, port = down
    bot = receiver(line(False, "Not you"), port)
    path = begin(server)
    wait_for(server, path, "Not you")
    server.kill()
    let_time_pass(home)
    server.start()
    assert "Not you" in shown(server, path) and begin(server) == path
    begin(server, "?code=other&state=s")
    wait_until(lambda: len(bot.received) == 2, "the other delivery")
    assert [one["code"] for one in bot.got()] == [CODE, "other"]


def test_a_receiver_that_got_it_and_failed_does_not_get_it_again(down, receiver):
    home, server, port = down
    bot = receiver(reset, port)
    path = begin(server)
    wait_for(server, path, "No answer")
    let_time_pass(home)
    begin(server, "?code=other&state=s")
    wait_until(lambda: len(bot.received) == 2, "the other delivery")
    assert [row[0] for row in rows(home)].count(FAILED) >= 1
    assert [one["code"] for one in bot.got()] == [CODE, "other"]


def test_a_delivery_expires(home, free_port):
    made = home(entry(f"tcp://127.0.0.1:{free_port}", hold="3s"))
    server = made.serve()
    path = begin(server)
    wait_for(server, path, "The program was not there")
    assert server.ask("GET", path).status == 504
    assert server.wait_event("relay_failed", held=True)["sent"] is False
    bot = Receiver(line(True, "too late"), free_port)
    assert "The program was not there" in shown(server, path) and not bot.received
    bot.close()


def test_a_server_that_does_not_have_the_relay_leaves_the_delivery_to_others(down, receiver):
    home, server, port = down
    path = begin(server)
    server.stop()
    other = home.serve_another(relay=[{**entry(f"tcp://127.0.0.1:{port}")[0], "path": "/other"}])
    let_time_pass(home)
    attempts = rows(home)[0][1]
    wait_until(lambda: rows(home)[0][1] > attempts, "the other server to look at it")
    other.stop()
    let_time_pass(home)
    bot = receiver(line(True, "Here I am"), port)
    server.start()
    wait_for(server, path, "Here I am")
    assert len(bot.received) == 1


def test_a_held_delivery_has_the_encoding_that_its_relay_has_when_it_is_sent(down, receiver):
    home, server, port = down
    path = begin(server)
    home.configure(relay=entry(f"tcp://127.0.0.1:{port}", encoding="pickle"))
    server.process.send_signal(signal.SIGHUP)
    server.wait_event("reloaded")
    attempts = rows(home)[0][1]  # the last one may have begun before
    wait_until(lambda: rows(home)[0][1] > attempts, "an attempt with the new configuration")
    bot = receiver(pickle.dumps({"success": True, "message": "Now in pickles"}), port)
    wait_for(server, path, "Now in pickles")
    assert bot.got("pickle") == [{"code": CODE, "state": STATE}]


def test_two_servers_deliver_once(down, receiver):
    home, server, port = down
    other = home.serve_another()
    bot = receiver(line(True, "Here I am"), port)
    for i in range(20):
        begin((server, other)[i % 2], f"?code=c{i}&state=s")
    wait_until(lambda: len(bot.received) >= 20, "20 deliveries")
    wait_until(lambda: [row[0] for row in rows(home)] == [ANSWERED] * 20, "20 answers")
    assert sorted(one["code"] for one in bot.got()) == sorted(f"c{i}" for i in range(20))


def test_stopping_waits_for_an_answer(down, receiver):
    home, server, port = down
    go = threading.Event()
    bot = receiver(lambda got, connection: line(True, "At last") if go.wait(PATIENCE) else None, port)
    begin(server)
    wait_until(lambda: bot.received, "the delivery")
    threading.Timer(0.5, go.set).start()
    server.stop()
    assert [row[0] for row in rows(home)] == [ANSWERED] and len(bot.received) == 1
