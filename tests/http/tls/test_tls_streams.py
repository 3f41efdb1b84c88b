"""Streams over TLS: what decrypting adds to them."""
import ssl

from tls import TlsServer, get, post, trusting, wait_until

from engine import answer_to


def test_the_scheme_is_https(server):
    shown = answer_to(server, get("/scheme")).json()
    assert (shown["scheme"], shown["authority"], shown["forwarded_host"]) == ("https", "localhost", "(none)")
    # Nobody is trusted to say otherwise.
    assert answer_to(server, get("/scheme", "X-Forwarded-Proto: http")).json()["scheme"] == "https"


def test_a_trusted_proxy_may_say_http(pair):
    with TlsServer(pair, "trust", "127.0.0.1") as server:
        assert answer_to(server, get("/scheme", "X-Forwarded-Proto: http")).json()["scheme"] == "http"
        assert answer_to(server, get("/scheme")).json()["scheme"] == "https"


def test_much_goes_both_ways_in_bounded_memory(pair):
    with TlsServer(pair) as server:
        total = (16 if server.is_sanitized() else 128) * 1024 * 1024
        assert answer_to(server, post("/stream-echo", b"x" * 300000)).status == 200
        before = most = server.memory()
        with server.begin("GET", f"/source?{total}") as exchange:
            assert exchange.head().status == 200
            got = 0
            for piece in exchange.body:
                got += len(piece)
                most = max(most, server.memory()) if got % 64 == 0 else most
            assert got == total
        with server.begin("POST", "/sink", chunked=True) as exchange:
            for _ in range(total // 1000000):
                exchange.send(b"x" * 1000000)
            most = max(most, server.memory())
            exchange.end()
            assert exchange.answer().body == b"%d" % (total // 1000000 * 1000000)
        if not server.is_sanitized():
            assert most - before < 2 * 1024 * 1024


def test_a_tunnel_opens_over_tls(server):
    with server.begin("GET", "/tunnel", "Connection: upgrade", "Upgrade: echo") as tunnel:
        assert tunnel.head().status == 101
        for i in range(20):
            tunnel.send(b"%d" % i * 1000)
            assert tunnel.sock.recv(65536)


def memory_client(pair, server):
    """(socket, what it reads, what it writes, TLS): a client whose records we put together ourselves."""
    sock = server.raw()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting(pair).wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            client.do_handshake()
            sock.sendall(outgoing.read())
            return sock, incoming, outgoing, client
        except ssl.SSLWantReadError:
            sock.sendall(outgoing.read())
            incoming.write(sock.recv(65536))


def test_a_body_whose_end_comes_with_the_end_of_tls_is_whole(pair, server):
    """The handler pulls less than what one read brings, and the close_notify is read with it."""
    sock, incoming, outgoing, client = memory_client(pair, server)
    with sock:
        client.write(post("/sink-slow?20", b"x" * 100))
        try:
            client.unwrap()
        except ssl.SSLWantReadError:
            pass
        sock.sendall(outgoing.read())
        data = b""
        while not data.endswith(b"\r\n\r\n100"):
            piece = sock.recv(65536)
            assert piece, data
            incoming.write(piece)
            try:
                data += client.read(65536)
            except ssl.SSLWantReadError:
                pass


def test_a_reset_over_tls_cancels(pair):
    with TlsServer(pair) as server:
        exchange = server.begin("GET", "/later?60000")
        wait_until(lambda: server.streams()["begun"] == 1)
        exchange.reset()
        wait_until(lambda: server.streams()["cancelled"] == 1)
