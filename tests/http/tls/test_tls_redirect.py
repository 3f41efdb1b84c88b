"""The listener that only sends to https."""
import socket
import subprocess

import pytest

from tls import CARDEA, Reader, TlsServer, curl, get, post


@pytest.fixture(scope="module")
def server(pair):
    with TlsServer(pair, "listen", "127.0.0.1:0", "redirect", "127.0.0.1:0", "redirect", "127.0.0.1:0") as running:
        running.redirects = [int(e["address"].rsplit(":", 1)[1]) for e in running.events("listening") if e["speaks"] == "redirect"]
        yield running


def ask(server, data, index=0):
    with socket.create_connection(("127.0.0.1", server.redirects[index]), timeout=20) as sock:
        sock.sendall(data)
        return Reader(sock).answer()


def test_the_log_says_who_speaks_what(server):
    assert [e["speaks"] for e in server.events("listening")] == ["https", "redirect", "redirect"]


@pytest.mark.parametrize("request_, location", [
    (get("/inline?a=b&c"), "https://localhost:{port}/inline?a=b&c"),
    (get("/no/such/%7Epath"), "https://localhost:{port}/no/such/~path"),
    (get("/a/../b"), "https://localhost:{port}/b"),
    (get("/?"), "https://localhost:{port}/?"),
    (post("/echo", b"x" * 100), "https://localhost:{port}/echo"),
    (b"DELETE /a HTTP/1.1\r\nHost: Auth.Example.ORG.:8080\r\n\r\n", "https://auth.example.org:{port}/a"),
    (b"GET /a HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "https://[::1]:{port}/a"),
    (b"GET http://a.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n", "https://a.example:{port}/x"),
    (b"GET /a HTTP/1.0\r\nHost: a\r\n\r\n", "https://a:{port}/a"),
], ids=range(9))
def test_every_request_is_sent_to_its_target(server, request_, location):
    for index in range(2):
        answer = ask(server, request_, index)
        assert (answer.status, answer.body) == (308, b"")
        assert answer.headers["location"] == location.format(port=server.port)


@pytest.mark.parametrize("request_", [
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
], ids=range(7))
def test_where_there_is_no_target_it_says_400(server, request_):
    answer = ask(server, request_)
    assert (answer.status, answer.json()) == (400, {"error": "bad_request"})
    assert "location" not in answer.headers


def test_nothing_is_served_there_and_the_connection_stays(server):
    with socket.create_connection(("127.0.0.1", server.redirects[0]), timeout=20) as sock:
        reader = Reader(sock)
        for path in ("/healthz", "/worker?a", "/move"):
            sock.sendall(get(path))
            assert reader.answer().status == 308


def test_curl_follows(server):
    done = curl("--cacert", server.folder / "ca.pem", "-L", "-d", "the body", f"http://localhost:{server.redirects[0]}/echo")
    assert (done.returncode, done.stdout) == (0, "the body")


def test_443_is_left_out(pair):
    try:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", 443))
    except OSError:
        pytest.skip("443 is not ours")
    with TlsServer(pair, "listen", "127.0.0.1:443", "redirect", "127.0.0.1:0") as server:
        server.redirects = [int(server.wait_for_event("listening", count=2)["address"].rsplit(":", 1)[1])]
        assert ask(server, get("/a?b")).headers["location"] == "https://localhost/a?b"


@pytest.mark.parametrize("query", [b"a#b", b"a=\"b\"", b"a\\b", b"\x80", b"\xff", "ä".encode()])
def test_lesson_2_a_query_that_others_could_read_differently_is_sent_nowhere(server, query):
    with socket.create_connection(("127.0.0.1", server.redirects[0]), timeout=20) as sock:
        sock.sendall(b"GET /a?" + query + b" HTTP/1.1\r\nHost: a\r\n\r\n" + get("/second"))
        reader = Reader(sock)
        answer = reader.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close") and "location" not in answer.headers
        assert reader.is_closed()


def test_after_unix_sockets_alone_it_is_443_and_check_says_so(pair, tmp_path):
    (tmp_path / "c.yaml").write_text(f'listen: ["unix:{tmp_path}/s"]\nredirect_listen: ["127.0.0.1:0"]\n'
                                     f"tls: {{ certificate: {pair}/cert.pem, key: {pair}/key.pem }}\n")
    done = subprocess.run([CARDEA, "check", "--config", tmp_path / "c.yaml"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "redirect_listen: redirects to port 443, since no address of listen has a port; make sure that" in done.stdout
