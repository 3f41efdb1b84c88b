"""Start, threads, and the end."""
import re
import resource
import signal
import socket
import subprocess
import time

import pytest

from engine import BINARY, PATIENCE, Reader, Server, answer_to, get, is_sanitized, post, read_all, says_close, wait_until


def run_to_end(*arguments):
    return subprocess.run([str(BINARY), *arguments], stderr=subprocess.PIPE, timeout=PATIENCE, text=True)


def test_a_taken_port_is_an_error_that_names_it():
    with Server("threads", 2) as server:
        ended = run_to_end("listen", f"127.0.0.1:{server.port}")
        assert ended.returncode == 1
        assert re.search(rf"127\.0\.0\.1:{server.port} cannot be listened on: Address already in use by echo-server "
                         r"\(process \d+\); choose another port", ended.stderr)


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost:1", "127.0.0.1:65536", "[::1]", "::1:80", "127.0.0.1:", "1.2.3:4"])
def test_a_bad_address_is_an_error_that_names_it(address):
    ended = run_to_end("listen", address)
    assert ended.returncode == 1 and address in ended.stderr


def test_an_address_of_another_host_is_an_error():
    ended = run_to_end("listen", "192.0.2.1:0")
    assert ended.returncode == 1 and "192.0.2.1:0 cannot be listened on: Cannot assign requested address; choose an address of this machine" in ended.stderr


@pytest.mark.parametrize("network", ["10.1.2.3/16", "10.0.0.0/33", "everybody", "::1/129"])
def test_a_bad_network_is_an_error_that_names_it(network):
    ended = run_to_end("trust", network)
    assert ended.returncode == 1 and network in ended.stderr


def test_several_loops_share_a_free_port_and_several_listeners_work():
    with Server("threads", 3, "listen", "127.0.0.1:0", "listen", "127.0.0.1:0") as server:
        ports = [int(e["address"].rsplit(":", 1)[1]) for e in server.events("listening")]
        assert len(set(ports)) == 2
        for port in ports * 20:
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.sendall(get("/inline?a"))
                assert Reader(sock).answer().body == b"a"


def test_threads_0_is_one_for_each_usable_core():
    with Server("threads", 0) as server:
        assert answer_to(server, get("/worker?a")).body == b"a"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_finishes_what_runs_and_exits_0(number):
    with Server("threads", 2) as server, server.connect() as sock, server.connect() as idle:
        sock.sendall(get("/sleep?1500"))
        idle.sendall(get("/inline?a"))
        idle_reader = Reader(idle)
        idle_reader.answer()
        wait_until(lambda: answer_to(server, get("/held")).body == b"1")
        server.process.send_signal(number)
        reader = Reader(sock)
        assert idle_reader.is_closed()
        answer = reader.answer()
        assert answer.body == b"1500" and says_close(answer)
        assert reader.is_closed()
        assert server.process.wait(PATIENCE) == 0
        assert [e["event"] for e in server.events("stopping") + server.events("stopped")] == ["stopping", "stopped"]


def test_no_connection_is_taken_after_the_signal():
    with Server() as server, server.connect() as sock:
        sock.sendall(get("/sleep?500"))  # it may not be read yet when the signal comes; it is answered all the same
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_event("stopping")
        def is_refused():
            try:
                server.connect().close()
                return False
            except OSError:
                return True
        wait_until(is_refused)
        assert Reader(sock).answer().status == 200


@pytest.mark.h1_only("half a head; see http2/test_http2_shutdown.py")
def test_a_request_that_is_coming_in_may_end_before_the_grace():
    with Server("threads", 1) as server, server.connect() as sock:
        sock.sendall(b"GET /inline?a HTTP/1.1\r\nHo")
        wait_until(lambda: answer_to(server, get("/healthz")).status == 200)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_event("stopping")
        sock.sendall(b"st: localhost\r\n\r\n")
        answer = Reader(sock).answer()
        assert (answer.body, answer.headers["connection"]) == (b"a", "close")


def test_the_grace_is_bounded():
    with Server("grace", 200) as server, server.connect() as sock, server.connect() as half:
        half.sendall(b"GET / HTTP/1.1\r\n")
        sock.sendall(get("/hold?1000"))
        wait_until(lambda: answer_to(server, get("/held")).body == b"1")
        server.process.send_signal(signal.SIGTERM)
        assert read_all(sock) == b"" and read_all(half) == b""
        assert server.process.wait(PATIENCE) == 0  # and the request is held for ever


def test_a_client_may_go_away_while_its_request_runs():
    with Server("workers", 2) as server:
        for i in range(30):
            sock = server.connect()
            sock.sendall(get("/sleep?30") + get("/inline?a") * 3)
            if i % 2:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            sock.close()
        assert answer_to(server, get("/worker?a")).body == b"a"


def test_a_client_may_go_away_while_its_request_comes():
    with Server() as server:
        for data in (b"", b"G", get("/echo", "Content-Length: 9", method="POST") + b"x", get("/big?1000000") * 9):
            for reset in (False, True):
                sock = server.connect()
                sock.sendall(data)
                if reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sock.close()
        assert answer_to(server, get("/inline?a")).body == b"a"


@pytest.mark.h1_only("those of HTTP/2 have their own bound; see http2/test_http2_attacks.py")
def test_idle_connections_cost_little():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3000:
        pytest.skip("too few file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    if is_sanitized():
        pytest.skip("a sanitizer needs more")
    with Server("log", "4") as server:
        before, socks = server.rss(), []
        for _ in range(2000):
            socks.append(server.connect())
        for sock in socks:
            sock.sendall(get("/inline?a"))
            assert Reader(sock).answer().body == b"a"
        assert (server.rss() - before) / 2000 < 1024
        for sock in socks:
            sock.close()


@pytest.mark.h1_only("reads the bytes; see http2/test_http2_attacks.py")
def test_lesson_31_failing_allocations_cost_an_answer_at_most():
    requests = [get("/inline?a"), get("/worker?a"), get("/show-worker"), get("/big?1000000"), post("/echo", b"x" * 5000),
                get("/%61/../inline?a"), get("/error"), get("/nowhere"), get("/error", method="PUT")]
    seen = set()
    with Server("workers", 2, binary=BINARY.with_name("echo-server-failing")) as server:
        server.process.send_signal(signal.SIGUSR1)
        for i in range(300):
            try:
                with server.connect(SO_RCVBUF=4096) as sock:
                    request = requests[i % len(requests)]
                    sock.sendall(request[:30])
                    time.sleep(0.001)
                    sock.sendall(request[30:] + requests[(i + 1) % len(requests)])
                    sock.shutdown(socket.SHUT_WR)
                    seen.add(read_all(sock)[9:12])
            except OSError:
                seen.add(b"closed")
        server.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: answer_to(server, get("/worker?a")).body == b"a")
    assert b"200" in seen and len(seen & {b"", b"closed", b"503", b"500"}) > 0
