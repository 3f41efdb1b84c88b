"""Answers of several connections are batched in one turn of a loop and written together. A stopped process makes that one turn
certain: what was sent meanwhile is read at once when it goes on."""
import contextlib
import signal

import pytest

from engine import Reader, Server, get, post, read_all


@contextlib.contextmanager
def one_turn(server):
    """What is sent in this block is read by the server in one turn of its loop."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_each_connection_gets_its_own_answers_in_order():
    with Server("threads", 1) as server:
        socks = [server.connect() for _ in range(50)]
        with one_turn(server):
            for i, sock in enumerate(socks):
                sock.sendall(get(f"/inline?{i}") + get(f"/inline?{i}b"))
        for i, sock in enumerate(socks):
            reader = Reader(sock)
            assert reader.answer().body == str(i).encode()
            assert reader.answer().body == f"{i}b".encode()
            sock.sendall(get("/inline?again"))
            assert reader.answer().body == b"again"
            sock.close()


@pytest.mark.h1_only("half requests and nonsense")
def test_batched_answers_stand_among_all_other_kinds():
    with Server("threads", 1) as server:
        kinds = [
            (get("/inline?a"), 200), (get("/worker?b"), 200), (get("/none"), 404), (b"nonsense\r\n\r\n", 400),
            (get("/inline?c", "Connection: close"), 200), (post("/echo", b"x" * 30000), 200), (get("/big?300000"), 200),
            (get("/inline?d") + b"GET /inl", 200), (get("/inject"), 500), (get("/inline?e"), 200),
        ] * 4
        socks = [server.connect() for _ in kinds]
        with one_turn(server):
            for sock, (data, _) in zip(socks, kinds):
                sock.sendall(data)
        for sock, (data, status) in zip(socks, kinds):
            assert Reader(sock).answer().status == status, data
            sock.close()


@pytest.mark.h1_only("a request cut in two by a read")
def test_a_second_read_in_the_same_turn_comes_after_the_first():
    # More than the loop's buffer of 64 KB: the connection is read twice in one turn, the second time up to half a request.
    count = 3000
    with Server("threads", 1) as server, server.connect() as sock, server.connect() as other:
        requests = b"".join(get(f"/inline?{i}") for i in range(count))
        assert len(requests) > 2 * 65536
        with one_turn(server):
            sock.sendall(requests[:120000])
            other.sendall(get("/inline?other"))
        sock.sendall(requests[120000:])
        reader = Reader(sock)
        assert [reader.answer().body for _ in range(count)] == [str(i).encode() for i in range(count)]
        assert Reader(other).answer().body == b"other"


@pytest.mark.h1_only("a pipeline")
def test_a_long_pipeline_does_not_hold_the_batched_answers_back():
    with Server("threads", 1) as server:
        socks = [server.connect() for _ in range(5)]
        with one_turn(server), server.connect() as long:
            for i, sock in enumerate(socks):
                sock.sendall(get(f"/inline?{i}"))
            long.sendall(b"".join(get(f"/inline?{i}") for i in range(1000)))
            server.process.send_signal(signal.SIGCONT)
            for i, sock in enumerate(socks):
                assert Reader(sock).answer().body == str(i).encode()
            reader = Reader(long)
            assert [reader.answer().body for _ in range(1000)] == [str(i).encode() for i in range(1000)]
        for sock in socks:
            sock.close()


def test_clients_that_went_away_do_not_disturb_the_others():
    with Server("threads", 1) as server:
        socks = [server.connect() for _ in range(30)]
        with one_turn(server):
            for i, sock in enumerate(socks):
                sock.sendall(get(f"/inline?{i}"))
                if i % 2:
                    sock.close()
        for i, sock in enumerate(socks[::2]):
            assert Reader(sock).answer().body == str(2 * i).encode()
            sock.close()


@pytest.mark.h1_only("a client of HTTP/2 that closes its side has gone")
def test_a_half_closed_client_gets_its_answer():
    with Server("threads", 1) as server:
        socks = [server.connect() for _ in range(10)]
        with one_turn(server):
            for i, sock in enumerate(socks):
                sock.sendall(get(f"/inline?{i}"))
                sock.shutdown(1)
        for i, sock in enumerate(socks):
            assert read_all(sock).endswith(f"\r\n\r\n{i}".encode())
            sock.close()


@pytest.mark.h1_only("reads the bytes; see http2/test_http2_shutdown.py")
def test_a_signal_in_the_same_turn_loses_no_answer():
    with Server("threads", 1) as server:
        socks = [server.connect() for _ in range(20)]
        with one_turn(server):
            for i, sock in enumerate(socks):
                sock.sendall(get(f"/inline?{i}"))
            server.process.send_signal(signal.SIGTERM)
        for i, sock in enumerate(socks):
            assert read_all(sock).endswith(f"\r\n\r\n{i}".encode())
            sock.close()
