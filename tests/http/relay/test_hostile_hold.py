"""Held deliveries, with kill -9 at each step: at least once, never again once the answer was read, and again only where nothing was
sent or Cardea crashed."""
import random
import threading
import time

import pytest

import services
from receivers import closed_port, encode, reset
from relayed import CODE, STATE
from running import receive, relayed  # noqa: F401

GOOD = {"success": True, "message": "You are in."}
ENCODINGS = ("pickle", "json")
HOLD = {"timeout": "1s", "hold": "5m"}


def ask(server, code=CODE):
    """The page that waits, and its URL's path."""
    page = server.get(query={"code": code, "state": STATE})
    if page.status == 303:
        return page, page.headers["Location"]
    return page, None


def look(server, where):
    return server.get("/register" + where, query="")


def wait_answer(server, where):
    """The page once the answer is there."""
    pages = []

    def is_there():
        pages.append(look(server, where))
        return pages[-1].message is not None

    services.wait_until(is_there, "the answer")
    return pages[-1]


def hold(relayed, encoding, target):
    return relayed({"deliver": target, "encoding": encoding, **HOLD})


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_receiver_that_comes_later_gets_the_delivery_and_the_page_its_answer(relayed, receive, encoding):
    port = closed_port()
    server = hold(relayed, encoding, f"tcp://127.0.0.1:{port}")
    _, where = ask(server)
    assert CODE not in where and STATE not in where
    page = look(server, where)
    assert page.status == 200 and page.mark is None
    assert "Refresh" in page.headers or "http-equiv" in page.text, "no JavaScript is needed"
    receiver = receive(encode(encoding, GOOD), port=port)
    page = wait_answer(server, where)
    assert (page.status, page.mark, page.message) == (200, True, GOOD["message"])
    assert receiver.deliveries == [{"state": STATE, "code": CODE}]
    for _ in range(3):
        assert look(server, where).message == GOOD["message"]
    assert len(receiver.raw) == 1


def test_a_strange_id_shows_nothing(relayed, receive):
    server = hold(relayed, "json", receive(encode("json", GOOD)).target)
    _, where = ask(server)
    wait_answer(server, where)
    name, _, value = where.partition("=")
    for other in ("", "x", "A" * 43, value[:-1], value + "A", value.swapcase(), "A" * 100000):
        page = look(server, f"{name}={other}")
        assert 400 <= page.status < 500 and page.message is None


def test_a_delivery_is_held_over_a_restart(relayed, receive):
    port = closed_port()
    server = hold(relayed, "pickle", f"tcp://127.0.0.1:{port}")
    _, where = ask(server)
    assert server.service.stop() == 0
    server.service.restart()
    assert look(server, where).mark is None
    receiver = receive(encode("pickle", GOOD), port=port)
    assert wait_answer(server, where).mark is True
    assert len(receiver.raw) == 1


def test_nothing_secret_is_in_the_store(relayed):
    server = hold(relayed, "pickle", f"tcp://127.0.0.1:{closed_port()}")
    ask(server)
    assert server.service.stop() == 0
    for path in server.folder.glob("cardea.db*"):
        data = path.read_bytes()
        assert CODE.encode() not in data and STATE.encode() not in data, path


def test_what_is_not_delivered_in_time_expires(relayed, receive):
    port = closed_port()
    server = relayed({"deliver": f"tcp://127.0.0.1:{port}", **HOLD, "hold": "2s"})
    _, where = ask(server)
    services.wait_until(lambda: look(server, where).status >= 500, "the delivery to expire")
    receiver = receive(encode("pickle", GOOD), port=port)
    ask(server, "another")
    receiver.wait()
    assert [one["code"] for one in receiver.deliveries] == ["another"]


@pytest.mark.parametrize("bad", [reset, b"\xff\xfe", b"", lambda c, d: time.sleep(3)], ids=["RST", "garbage", "nothing", "never"])
def test_what_was_sent_and_not_answered_is_not_sent_again(relayed, receive, bad):
    """The receiver may have used the code."""
    receiver = receive(bad)
    server = hold(relayed, "pickle", receiver.target)
    _, where = ask(server)
    services.wait_until(lambda: look(server, where).status >= 500, "the failure")
    receiver.script = encode("pickle", GOOD)
    server.service.stop()
    server.service.restart()
    ask(server, "another")
    receiver.wait(2)
    assert [one["code"] for one in receiver.deliveries] == [CODE, "another"]
    assert look(server, where).mark is not True


# --- kill -9 --------------------------------------------------------------------------------------------------------


def kill(server):
    server.service.kill()
    server.service.restart()


def test_killed_while_the_delivery_waits(relayed, receive):
    port = closed_port()
    server = hold(relayed, "pickle", f"tcp://127.0.0.1:{port}")
    _, where = ask(server)
    kill(server)
    receiver = receive(encode("pickle", GOOD), port=port)
    assert wait_answer(server, where).mark is True
    assert len(receiver.raw) == 1


def test_killed_once_connected(relayed, receive):
    """Whether anything was sent is not known to the next process: it is sent."""
    over, arrived = threading.Event(), threading.Event()

    def first(connection):
        arrived.set()
        over.wait(services.PATIENCE)

    receiver = receive(encode("pickle", GOOD), first=first)
    server = hold(relayed, "pickle", receiver.target)
    _, where = ask(server)
    assert arrived.wait(services.PATIENCE)
    server.service.kill()
    over.set()
    receiver.first = None
    server.service.restart()
    assert wait_answer(server, where).mark is True
    assert {one["code"] for one in receiver.deliveries} == {CODE} and len(receiver.deliveries) <= 2


def test_killed_while_the_receiver_works(relayed, receive):
    over, arrived = threading.Event(), threading.Event()

    def work(connection, data):
        arrived.set()
        over.wait(services.PATIENCE)
        return encode("pickle", GOOD)

    receiver = receive(work)
    server = relayed({"deliver": receiver.target, **HOLD, "timeout": "5s"})
    _, where = ask(server)
    assert arrived.wait(services.PATIENCE)
    server.service.kill()
    over.set()
    server.service.restart()
    assert wait_answer(server, where).mark is True
    assert len(receiver.raw) == 2, "at least once, and again since Cardea crashed"


def test_killed_in_the_middle_of_the_answer(relayed, receive):
    over, arrived = threading.Event(), threading.Event()
    answer = encode("pickle", GOOD)

    def half(connection, data):
        connection.sendall(answer[:10])
        arrived.set()
        over.wait(services.PATIENCE)
        return answer[10:]

    receiver = receive(half)
    server = hold(relayed, "pickle", receiver.target)
    _, where = ask(server)
    assert arrived.wait(services.PATIENCE)
    server.service.kill()
    over.set()
    receiver.script = answer
    server.service.restart()
    assert wait_answer(server, where).mark is True
    assert len(receiver.raw) == 2


def test_killed_once_the_answer_was_read(relayed, receive):
    receiver = receive(encode("pickle", GOOD))
    server = hold(relayed, "pickle", receiver.target)
    _, where = ask(server)
    wait_answer(server, where)
    for _ in range(2):
        kill(server)
        assert look(server, where).message == GOOD["message"], "the answer is durable once it was shown"
    ask(server, "another")
    receiver.wait(2)
    assert [one["code"] for one in receiver.deliveries] == [CODE, "another"]
    page, again = ask(server)  # the browser's back button, after the crash
    assert (again and look(server, again) or page).message == GOOD["message"]
    assert len(receiver.raw) == 2


@pytest.mark.slow
def test_killed_at_any_moment(relayed, receive):
    """Each delivery that was accepted arrives; one whose answer was seen never arrives again."""
    chance = random.Random(9)
    receiver = receive(encode("pickle", GOOD))
    server = hold(relayed, "pickle", receiver.target)
    accepted = {}
    for round_ in range(12):
        seen = set()
        for i in range(3):
            code = f"code-{round_}-{i}"
            page, where = ask(server, code)
            if where:
                accepted[code] = where
        if chance.random() < 0.5:
            time.sleep(chance.random() * 0.03)  # any moment is as good
        for code, where in accepted.items():
            if look(server, where).message:
                seen.add(code)
        before = [one["code"] for one in receiver.deliveries]
        kill(server)
        after = [one["code"] for one in receiver.deliveries][len(before):]
        assert not seen & set(after)
    for code, where in accepted.items():
        assert wait_answer(server, where).mark is True
    arrived = [one["code"] for one in receiver.deliveries]
    assert set(accepted) <= set(arrived)
    assert len(accepted) == 36


def test_many_deliveries_to_a_receiver_that_is_down(relayed, receive):
    port = closed_port()
    # What was sent and is not answered in time is lost, and a hundred at once take the receiver of this test a while.
    server = relayed({"deliver": f"tcp://127.0.0.1:{port}", "encoding": "json", **HOLD, "timeout": "20s"})
    waits = [ask(server, f"{CODE}{i}")[1] for i in range(100)]
    assert all(waits)
    receiver = receive(encode("json", GOOD), port=port)
    for where in waits:
        assert wait_answer(server, where).mark is True
    assert sorted(one["code"] for one in receiver.deliveries) == sorted(f"{CODE}{i}" for i in range(100))
