"""The pool for logins, and handlers that go on elsewhere."""
import os
import select
import signal
import time

import pytest

from engine import BINARY, PATIENCE, Reader, Server, answer_to, get, post, wait_until


@pytest.fixture(scope="module")
def server():
    with Server("workers", 1) as running:
        yield running


def test_a_pool_thread_that_wakes_up_does_not_push_a_loop_aside(server):
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert answer_to(server, get("/priority")).body == b"%d %d" % (os.SCHED_OTHER, ours)
    assert answer_to(server, get("/priority-worker")).body == b"%d %d" % (os.SCHED_BATCH, ours)
    assert answer_to(server, get("/priority-cpu")).body == b"%d %d" % (os.SCHED_BATCH, ours)


def test_a_handler_goes_on_elsewhere_with_the_whole_request(server):
    answer = answer_to(server, post("/move?a=b", b"the body" * 500, "X-Test: kept", "X-Request-Id: not-trusted"))
    shown = answer.json()
    assert answer.status == 200
    assert (shown["path"], shown["query"], shown["host"], shown["x"]) == ("/move", "a=b", "localhost", "kept")
    assert shown["body"] == "the body" * 500
    assert shown["request_id"] == answer.headers["x-request-id"]


def test_what_was_said_before_a_request_moved_is_forgotten():
    with Server() as server:
        answer = answer_to(server, get("/move"))
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert "x-inline" not in answer.headers
        event = server.wait_for_event("request")
        assert event["client_id"] == "somebody" and "user" not in event and "error" not in event


def test_pipelined_requests_that_move_are_answered_in_order(server):
    with server.connect() as sock:
        sock.sendall(b"".join(get(f"/move-sleep?{i % 3}{i}") for i in range(30)))
        reader = Reader(sock)
        assert [reader.answer().body for _ in range(30)] == [b"%d%d" % (i % 3, i) for i in range(30)]


def test_a_handler_on_a_pool_cannot_move_again():
    with Server() as server:
        answer = answer_to(server, get("/move-twice"))
        assert (answer.status, answer.json()) == (500, {"error": "server_error"})
        assert server.wait_for_event("request")["reason"] == "the handler's answer cannot be sent"


def test_lesson_15_a_full_cpu_queue_is_503_and_other_requests_do_not_wait():
    with Server("cpu", 1, "cpu_queue", 2, "workers", 1) as server:
        socks = [server.connect() for _ in range(12)]
        for sock in socks:
            sock.sendall(get("/move-hold?1000"))
        refused = {}
        while len(refused) < 9:  # one runs, two wait, the others are told at once
            ready, _, _ = select.select([s for s in socks if s not in refused], [], [], PATIENCE)
            for sock in ready:
                refused[sock] = Reader(sock)
                answer = refused[sock].answer()
                assert (answer.status, answer.json()) == (503, {"error": "temporarily_unavailable"})
                assert answer.headers["retry-after"] == "1" and "connection" not in answer.headers
        for path in ("/inline?a", "/worker?a", "/outgoing?a", "/move-sleep?0"):
            assert answer_to(server, get(path)).body in (b"a", b"0")
        for sock, reader in refused.items():
            sock.sendall(get("/inline?still"))
            assert reader.answer().body == b"still"
        # The third may have come before the first was taken from the queue: it is refused. The others are held all the time.
        assert len(select.select([s for s in socks if s not in refused], [], [], 0)[0]) <= 1
        answer_to(server, get("/release"))
        rest = sorted(Reader(s).answer().status for s in socks if s not in refused)
        assert rest in ([200, 200, 200], [200, 200, 503], [200, 200])

        def reasons():
            return [e["reason"] for e in server.events("request") if e["status"] == 503]

        wait_until(lambda: len(reasons()) >= len(refused))  # the log is written after the answers
        assert set(reasons()) == {"the queue of the pool is full"}


def test_lesson_33_a_pool_without_a_thread_says_that_it_is_not_its_queue():
    """Who reads "the queue is full" raises limits.queue, which mends nothing here."""
    with Server("cpu", 1, "cpu_queue", 1, "workers", 1, binary=BINARY.with_name("echo-server-failing")) as server:
        server.process.send_signal(signal.SIGWINCH)
        for path in ("/worker?a", "/move-hold?0"):
            answer = answer_to(server, get(path))
            assert (answer.status, answer.json()) == (503, {"error": "temporarily_unavailable"})
            assert answer.headers["retry-after"] == "1"
        assert answer_to(server, get("/inline?a")).body == b"a"
        server.wait_for_event("request", 3)
        reasons = [e["reason"] for e in server.events("request") if e["status"] == 503]
        assert reasons == ["no thread can be started: out of memory"] * 2
        server.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: answer_to(server, get("/worker?a")).body == b"a")
        assert answer_to(server, get("/move-hold?0")).body == b"0"


def test_requests_that_wait_for_a_thread_are_answered_before_the_end():
    with Server("cpu", 1, "cpu_queue", 100) as server:
        first, *socks = [server.connect() for _ in range(6)]
        first.sendall(get("/move-sleep?500"))
        for sock in socks:
            sock.sendall(get("/move-sleep?100"))
        Reader(first).answer()
        server.process.send_signal(signal.SIGTERM)
        for sock in socks:
            assert Reader(sock).answer().status == 200
