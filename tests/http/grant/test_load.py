"""Hashing has a budget: a flood of logins fills its queue, and nobody else waits (LESSONS 15)."""
import concurrent.futures
import contextlib
import signal
import threading
import time

import psycopg2

from installation import APP, CHEAP, assert_unavailable
from services import PATIENCE

ANA = ("ana", "ana's password")
SLOW = {"memory": "64MB", "iterations": 6, "parallel": 1, "queue": 2}  # a few hundred milliseconds each
SLOWER = {**SLOW, "iterations": 15}


def test_lesson_15_a_full_queue_says_so_and_introspection_goes_on(install):
    home = install(password_hashing=SLOW)
    home.add_user("ana", "ana's password")
    server = home.serve()
    token = server.token(*ANA)
    ended = threading.Event()
    slowest = []

    def introspect():
        while not ended.is_set():
            start = time.monotonic()
            assert server.is_alive(token)
            slowest.append(time.monotonic() - start)

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        watching = pool.submit(introspect)
        answers = list(pool.map(lambda _: server.grant(*ANA), range(19)))
        ended.set()
        watching.result()
    good = [answer for answer in answers if answer.status == 200]
    full = [answer for answer in answers if answer.status != 200]
    assert len(good) >= 3, answers
    assert len(full) >= 10, "the queue has no bound"
    for answer in full:
        assert_unavailable(answer)
    assert len(slowest) >= 10
    assert sorted(slowest)[len(slowest) // 2] < 0.25, sorted(slowest)[-5:]
    assert server.grant(*ANA).status == 200


def test_lesson_15_a_flood_of_unknown_names_fills_the_same_queue(install):
    home = install(password_hashing=SLOW, lockout={"account_attempts": 1000, "address_attempts": 1000000})
    server = home.serve()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda i: server.grant(f"made-up-{i}", "a guess").status, range(20)))
    assert set(statuses) == {401, 503}, statuses


def test_many_users_log_in_at_once_and_each_is_answered_for_itself(install, store):
    home = install(store=store(), password_hashing={"memory": "64KB", "iterations": 1, "parallel": 1, "queue": 200},
                   lockout={"account_attempts": 1000, "address_attempts": 1000000})
    for i in range(8):
        home.add_user(f"user{i}", f"the password of {i}", f"number={i}")
    home.cardea("user", "disable", "user7")
    server = home.serve()

    def log_in(i):
        number = i % 8
        if i % 3 == 0:
            return server.grant(f"user{number}", f"the password of {(number + 1) % 8}").status == 401
        if i % 5 == 0:
            return server.grant(f"nobody{i}", f"the password of {number}").status == 401
        if number == 7:
            return server.grant("user7", "the password of 7").status == 401
        token = server.token(f"USER{number}", f"the password of {number}")
        return server.verify(token)["number"] == number and server.is_alive(token)
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert all(pool.map(log_in, range(240)))


@contextlib.contextmanager
def nobody_reads_users(url):
    """Every login waits for its user meanwhile."""
    connection = psycopg2.connect(url)
    connection.cursor().execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
    try:
        yield
    finally:
        connection.close()


def log_in_at_once(pool, server, count):
    """`count` logins of ana, of which one is refused: the answers of the others, which are under way or wait."""
    asked = [pool.submit(server.grant, *ANA) for _ in range(count)]
    refused = next(concurrent.futures.as_completed(asked, PATIENCE))
    assert_unavailable(refused.result())
    others = [answer for answer in asked if answer is not refused]
    assert not any(answer.done() for answer in others)
    return others


def statuses(answers):
    return {answer.result(PATIENCE).status for answer in answers}


def test_lesson_15_log_ins_whose_store_hangs_stop_no_revocation_and_are_bounded(install, postgres_store):
    url = postgres_store()
    home = install(store=url, password_hashing={**CHEAP, "parallel": 2, "queue": 6})
    home.add_user("ana", "ana's password")
    server = home.serve()
    token = server.password_grant(*ANA).json()["access_token"]
    with concurrent.futures.ThreadPoolExecutor(9) as pool:
        with nobody_reads_users(url):
            others = log_in_at_once(pool, server, 2 + 6 + 1)
            assert server.form("/oauth/revoke", {"token": token}, APP).status == 200
            assert not server.is_alive(token)
            assert not any(answer.done() for answer in others)
        assert statuses(others) == {200}, "as many as hash and wait are all answered"
    assert server.grant(*ANA).status == 200


def test_log_ins_whose_hashes_are_under_way_are_answered_before_the_end(install):
    home = install(password_hashing=SLOWER, shutdown_grace="60s")  # for a slow machine
    home.add_user("ana", "ana's password")
    server = home.serve()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        others = log_in_at_once(pool, server, 1 + 2 + 1)
        assert server.stop() == 0
        assert statuses(others) == {200}


def test_a_hash_that_outlives_the_grace_of_a_shutdown_is_left_alone(install):
    home = install(password_hashing={**SLOWER, "iterations": 64}, shutdown_grace="100ms")
    home.add_user("ana", "ana's password")
    server = home.serve()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        others = log_in_at_once(pool, server, 1 + 2 + 1)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
        assert server.find("shutdown_timeout")["requests"] == 2, "one hashes and one waits for that; the third has no thread yet"
        for answer in others:
            assert answer.exception(PATIENCE), "the connection just ends"
