"""Which TLS is spoken, with curl, openssl and Python's ssl; and what comes of what is no TLS or half of it."""
import signal
import socket
import ssl
import time

import pytest

from tls import (BINARY, Reader, TlsServer, closed_without_a_word, curl, get, is_sanitized, post, read_all, s_client, trusting, unread,
                 wait_until)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl_trusts_the_certificate_and_gets_its_answer(server, version):
    done = curl("--cacert", server.folder / "ca.pem", f"--tlsv{version}", "--tls-max", version, "-w", "%{http_version}",
                f"https://localhost:{server.port}/inline?a")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a2", "")


def test_curl_without_the_certificate_trusts_nobody(server):
    done = curl(f"https://localhost:{server.port}/inline?a")
    assert done.returncode == 60 and "unable to get local issuer certificate" in done.stderr


def test_a_version_below_1_2_is_refused(server):
    done = curl("--cacert", server.folder / "ca.pem", "--tls-max", "1.1", "--tlsv1.0", "--ciphers", "DEFAULT@SECLEVEL=0",
                f"https://localhost:{server.port}/inline?a")
    assert done.returncode == 35 and "protocol version" in done.stderr
    wait_until(lambda: "unsupported protocol" in [e["reason"] for e in server.events("tls_failed")])


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES128-GCM-SHA256"])
def test_a_cipher_without_forward_secrecy_or_aead_is_refused(server, cipher):
    assert "alert handshake failure" in s_client(server.port, "-tls1_2", "-cipher", cipher)


def test_alpn_chooses_http_2_before_http_1_1_and_nothing_else(server):
    assert "ALPN protocol: h2" in s_client(server.port, "-alpn", "http/1.1,h2")
    assert "ALPN protocol: http/1.1" in s_client(server.port, "-alpn", "spdy/3,http/1.1")
    assert "No ALPN negotiated" in s_client(server.port)
    assert "alert no application protocol" in s_client(server.port, "-alpn", "spdy/3")


def test_alpn_chooses_http_1_1_alone_where_http_2_is_off(pair):
    with TlsServer(pair, "http2", "0") as server:
        assert "ALPN protocol: http/1.1" in s_client(server.port, "-alpn", "h2,http/1.1")
        assert "alert no application protocol" in s_client(server.port, "-alpn", "h2")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_renegotiation_is_refused_and_there_is_no_compression(server, version):
    said = s_client(server.port, version, "-comp", data=b"R\nQ\n")
    assert "Compression: NONE" in said
    if version == "-tls1_2":
        assert "no renegotiation" in said


def test_many_requests_go_over_one_connection(server):
    with server.connect() as sock:
        reader = Reader(sock)
        for i in range(100):
            path = ("/inline", "/worker", "/move-sleep")[i % 3]
            sock.sendall(get(f"{path}?{i % 3 * 0}{i}"))
            assert reader.answer().body == b"0%d" % i


def test_pipelined_requests_are_answered_in_order(server):
    with server.connect() as sock:
        sock.sendall(b"".join(get(f"/{('inline', 'worker')[i % 2]}?{i}") for i in range(500)))
        reader = Reader(sock)
        assert [reader.answer().body for _ in range(500)] == [b"%d" % i for i in range(500)]


def test_a_request_may_come_in_records_of_one_byte(server):
    with server.connect() as sock:
        for byte in post("/echo", b"the body"):
            sock.sendall(bytes([byte]))
        assert Reader(sock).answer().body == b"the body"


@pytest.mark.parametrize("path", ["/echo", "/worker-echo"])
def test_a_large_body_goes_both_ways(server, path):
    body = bytes(range(256)) * 255
    with server.connect() as sock:
        reader = Reader(sock)
        for _ in range(5):
            sock.sendall(post(path, body))
            assert reader.answer().body == body


def test_large_answers_reach_a_slow_reader(pair):
    with TlsServer(pair, "output", 65536) as server, server.connect(SO_RCVBUF=4096) as sock:
        sizes = [300000 + i for i in range(10)]
        sock.sendall(b"".join(get(f"/big?{size}") for size in sizes))
        wait_until(lambda: unread(sock) > 1000)  # more than the tickets of TLS 1.3: the answers have begun
        reader = Reader(sock)
        for size in sizes:
            assert reader.answer().body == b"x" * size


def test_a_reader_that_stands_still_is_reset(pair):
    with TlsServer(pair, "write_timeout", 300) as server, server.connect(SO_RCVBUF=4096) as sock:
        sock.sendall(get("/big?1000000") * 20)

        def is_reset():
            try:
                sock.send(b"x")
                return False
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                return True
        wait_until(is_reset)


def test_the_end_is_announced(server):
    """Python's ssl raises SSLEOFError where close_notify is missing and this is off."""
    context = trusting(server.folder)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    for path, header in (("/inline?a", "Connection: close"), ("/a;b", "X: y")):
        with server.connect(context) as sock:
            sock.suppress_ragged_eofs = False
            sock.sendall(get(path, header))
            assert read_all(sock).startswith(b"HTTP/1.1 ")


def test_an_idle_connection_is_closed_with_an_announcement(pair):
    with TlsServer(pair, "idle_timeout", 200) as server, server.connect() as sock:
        sock.suppress_ragged_eofs = False
        assert sock.recv(100) == b""


def test_a_client_that_half_closes_gets_its_answers(server):
    with server.connect() as sock:
        sock.sendall(get("/sleep?100") + get("/inline?b"))
        plain = socket.socket(fileno=socket.dup(sock.fileno()))
        with pytest.raises((ssl.SSLError, OSError)):  # it sends close_notify, and does not like what comes after its own end
            sock.settimeout(0.05)
            sock.unwrap()
        plain.settimeout(20)
        answered = b""
        while piece := plain.recv(65536):
            answered += piece
        assert len(answered) > 300  # both answers, encrypted
        plain.close()
    wait_until(lambda: [e["status"] for e in server.events("request") if e.get("path") == "/sleep"] == [200])


def test_a_connection_that_is_cut_between_requests_or_in_a_record_costs_nothing(server):
    for cut in (b"", b"\x17\x03\x03", b"\x17\x03\x03\x00\x20half", b"\x17\x03\x03\x40"):
        sock = server.connect()
        sock.sendall(get("/inline?a"))
        assert Reader(sock).answer().body == b"a"
        plain = socket.socket(fileno=sock.detach())
        plain.sendall(cut)
        plain.shutdown(socket.SHUT_WR)
        plain.settimeout(20)
        assert isinstance(read_all(plain), bytes)  # it ends
        plain.close()
    with server.connect() as sock:
        sock.sendall(get("/inline?a"))
        assert Reader(sock).answer().body == b"a"


def test_a_record_that_was_changed_on_the_way_ends_the_connection(pair):
    with TlsServer(pair) as server:
        sock = server.connect()
        sock.sendall(get("/inline?a"))
        assert Reader(sock).answer().body == b"a"
        plain = socket.socket(fileno=sock.detach())
        plain.sendall(b"\x17\x03\x03\x00\x40" + b"x" * 0x40)
        plain.settimeout(20)
        assert read_all(plain)[:1] in (b"\x15", b"\x17")  # the alert; its record says so in TLS 1.2 only
        plain.close()
        assert server.wait_for_event("tls_failed")["reason"] == "decryption failed or bad record mac"


@pytest.mark.parametrize("request_", [get("/healthz"), b"POST /a HTTP/1.1\r\n", b"options * HTTP/1.1\r\n", b"S"],
                         ids=["GET", "POST", "options", "S"])
def test_plain_http_is_told_that_it_is(pair, request_):
    with TlsServer(pair) as server, server.raw() as sock:
        sock.sendall(request_)
        answer = Reader(sock).answer()
        assert (answer.status, answer.json()) == (400, {"error": "bad_request"})
        assert answer.headers["connection"] == "close"
        assert read_all(sock) == b""
        assert server.wait_for_event("request")["reason"] == "plain HTTP on a port for TLS"


GARBAGE = {
    "zeros": b"\0" * 100,
    "a record too long": b"\x16\x03\x01\xff\xff" + b"a" * 70000,
    "SSL 2": b"\x80\x2e\x01\0\x02" + b"\0" * 100,
    "a hello too short": b"\x16\x03\x01\0\x05\x01\0\0\x01\0",
    "an alert": b"\x15\x03\x03\0\x02\x02\x28",
    "ChangeCipherSpec for ever": b"\x14\x03\x03\0\x01\x01" * 50,
    "ones": b"\xff" * 300000,
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_ends_its_connection_and_no_other(pair, kind):
    garbage = GARBAGE[kind]
    with TlsServer(pair) as server, server.connect() as other:
        with server.raw() as sock:
            try:
                sock.sendall(garbage)
                sock.shutdown(socket.SHUT_WR)
                sock.recv(100)
            except OSError:
                pass
        other.sendall(get("/inline?a"))
        assert Reader(other).answer().body == b"a"
        assert server.wait_for_event("tls_failed")["peer"] == "127.0.0.1"


def hello(pair):
    """The first flight of a client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting(pair).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def test_a_slow_handshake_ends_after_header_timeout_whatever_drips(pair):
    first = hello(pair)
    with TlsServer(pair, "header_timeout", 300) as server:
        for data in (b"", first[:1], first[:-1], first):
            with server.raw() as sock:
                begun = time.monotonic()
                sock.sendall(data)
                while sock.recv(65536):
                    pass  # the server's own flight
                assert time.monotonic() - begun > 0.25
        with server.raw() as sock:
            sock.settimeout(0.02)
            begun, at = time.monotonic(), 0
            while True:
                try:
                    assert sock.recv(100) == b""
                    break
                except socket.timeout:
                    sock.sendall(first[at:at + 1])
                    at += 1
                    assert at < len(first) - 1
            assert time.monotonic() - begun > 0.25


def test_a_handshake_in_single_bytes_succeeds(server):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting(server.folder).wrap_bio(incoming, outgoing, server_hostname="localhost")

    def step(action):
        while True:
            try:
                return action()
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    sock.sendall(bytes([byte]))
                incoming.write(sock.recv(65536))

    with server.raw() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        step(client.do_handshake)
        client.write(get("/inline?drip"))
        for byte in outgoing.read():
            sock.sendall(bytes([byte]))
        assert b"drip" in step(lambda: client.read(65536))


def test_one_connection_too_many_is_closed_and_the_others_go_on(pair):
    with TlsServer(pair, "connections", 1) as server, server.connect() as one:
        one.sendall(get("/inline?a"))
        assert Reader(one).answer().body == b"a"
        with server.raw() as two:
            assert closed_without_a_word(two)
        one.sendall(get("/inline?still"))
        assert Reader(one).answer().body == b"still"


def test_a_stop_finishes_what_runs_and_closes_the_rest(pair):
    with TlsServer(pair, "threads", 2) as server, server.connect() as busy, server.connect() as idle, server.raw() as silent:
        idle.sendall(get("/inline?a"))
        reader = Reader(idle)
        assert reader.answer().body == b"a"
        busy.sendall(get("/sleep?1500"))

        def is_read():
            idle.sendall(get("/held"))
            return reader.answer().body == b"1"

        wait_until(is_read)
        server.process.terminate()
        assert Reader(idle).is_closed() and closed_without_a_word(silent)
        reader = Reader(busy)
        answer = reader.answer()
        assert (answer.body, answer.headers["connection"]) == (b"1500", "close")
        assert reader.is_closed()
        assert server.process.wait(20) == 0


def test_lesson_32_a_body_is_gone_once_it_is_answered_and_the_connection_closed(pair):
    from test_engine_secrets import copies_in
    secret = b"correct-horse-%d-battery" % time.monotonic_ns()
    if is_sanitized():
        pytest.skip("shadow memory takes too long to read")
    with TlsServer(pair) as server:
        with server.connect() as sock:
            request = post("/worker-echo", b"x" * 300 + secret)
            sock.sendall(request[:-4])
            wait_until(lambda: copies_in(server.process, secret[:-4]) > 0)
            sock.sendall(request[-4:])
            assert Reader(sock).answer().body.endswith(secret)
        wait_until(lambda: copies_in(server.process, secret[:-4]) == 0)


def test_lesson_31_failing_allocations_cost_a_connection_at_most(pair):
    requests = [get("/inline?a"), get("/show-worker"), get("/big?1000000"), post("/echo", b"x" * 5000), get("/nowhere")]
    seen = set()
    with TlsServer(pair, "workers", 2, binary=BINARY.with_name("echo-server-failing")) as server:
        server.process.send_signal(signal.SIGUSR1)
        for i in range(150):
            try:
                with server.connect() as sock:
                    sock.sendall(requests[i % len(requests)] + requests[(i + 1) % len(requests)])
                    sock.sendall(get("/inline?a", "Connection: close"))
                    seen.add(read_all(sock)[9:12])
            except OSError:
                seen.add(b"closed")
        server.process.send_signal(signal.SIGUSR2)

        def is_well():
            with server.connect() as sock:
                sock.sendall(get("/worker?a"))
                return Reader(sock).answer().body == b"a"
        wait_until(is_well)
    assert b"200" in seen and len(seen & {b"", b"closed", b"503", b"500"}) > 0
