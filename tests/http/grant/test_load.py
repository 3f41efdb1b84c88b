"""Hashing has a budget: a flood of logins fills its queue, and nobody else waits (LESSONS 15)."""
import concurrent.futures
import threading
import time

from installation import assert_unavailable

ANA = ("ana", "ana's password")
SLOW = {"memory": "64MB", "iterations": 6, "parallel": 1, "queue": 2}  # a few hundred milliseconds each


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
