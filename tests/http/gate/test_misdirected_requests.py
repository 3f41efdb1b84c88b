"""421 for a site that the certificate of an HTTP/2 connection does not cover (RFC 9110 §15.5.20, RFC 9113 §9.1.1), over real TLS."""
import json
import socket
import ssl

import pytest
from gated import Gated, make_authority
from h2client import Session
from raw_server import RawServer
from services import PATIENCE, wait_until

pytestmark = pytest.mark.xdist_group("gate-misdirected")  # one server for all

A, B, IPV4, IPV6, PORTAL = "a.example.com", "b.example.com", "127.0.0.1", "[::1]", "auth.example.com"
HOSTS = [A, B, IPV4, "127.0.0.2", IPV6, "[::2]", "x.wild.example.com"]


def answer(connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    return True


def start(folder, application, **more):
    """The server's certificate is for some of the sites only."""
    certificate, key, _ = make_authority(folder / "tls", A, IPV4, "::1", "*.wild.example.com")
    return Gated(folder / "cardea", [{"host": host, "upstream": application.url, "public": True} for host in HOSTS], users={},
                 tls={"certificate": str(certificate), "key": str(key)}, **more)


@pytest.fixture(scope="module")
def application():
    running = RawServer(answer)
    yield running
    running.close()


@pytest.fixture(scope="module")
def gate(tmp_path_factory, application):
    running = start(tmp_path_factory.mktemp("misdirected"), application)
    yield running
    running.stop()


def connect(port, protocol, name=A):
    """Like a browser that reaches several hosts at one address, but believes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    connection = context.wrap_socket(socket.create_connection(("127.0.0.1", port), PATIENCE), server_hostname=name)
    assert connection.selected_alpn_protocol() == protocol
    return connection


def ask(session, host, path="/", body=None):
    stream = session.open([(b":method", b"GET" if body is None else b"POST"), (b":scheme", b"https"), (b":authority", host.encode()), (b":path", path.encode())],
                          end=body is None)
    if body is not None:
        session.send_some(stream, body, True)
    return session.finish(stream)


def test_a_host_that_the_certificate_does_not_cover_is_misdirected_over_http2(gate, application):
    with connect(gate.h1, "h2") as connection:
        session = Session(connection)
        session.wait_settings()
        for host, status in [(A, 200), (B, 421), (A.upper(), 200), (A + ":443", 200), (B + ":443", 421), (A, 200), (B, 421), (IPV4, 200), ("127.0.0.2", 421),
                             (IPV6, 200), ("[::2]", 421), ("x.wild.example.com", 200), (A, 200)]:
            before = len(application.requests)
            reply = ask(session, host)
            assert reply.status == status, host
            assert reply.body == (b"hello" if status == 200 else b'{"error":"misdirected_request"}')
            assert len(application.requests) == before + (status == 200), host
    wait_until(lambda: '"status":421' in gate.log(), "the log line")
    refused = [json.loads(line) for line in gate.log().splitlines() if '"status":421' in line]
    assert {event["reason"] for event in refused} == {"the certificate of the connection does not cover the host"}


def test_a_body_of_a_misdirected_request_does_not_hold_up_the_connection(gate):
    with connect(gate.h1, "h2") as connection:
        session = Session(connection)
        session.wait_settings()
        for _ in range(3):
            assert ask(session, B, body=b"x" * 60000).status == 421
        assert ask(session, A, body=b"x" * 60000).status == 200


def test_the_name_in_the_handshake_does_not_matter(gate):
    with connect(gate.h1, "h2", B) as connection:
        session = Session(connection)
        session.wait_settings()
        assert [ask(session, host).status for host in (B, A)] == [421, 200]


def test_http1_has_no_misdirected_requests(gate):
    """Its clients use a connection for one host only, and servers of one certificate have always served all of theirs."""
    for host in (A, B):
        with connect(gate.h1, "http/1.1") as sock:
            sock.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            said = b"".join(iter(lambda: sock.recv(65536), b""))
        assert said.startswith(b"HTTP/1.1 200 ") and said.endswith(b"hello"), host


def test_hosts_that_are_no_site_are_served_as_ever(gate):
    with connect(gate.h1, "h2") as connection:
        session = Session(connection)
        session.wait_settings()
        assert ask(session, PORTAL, "/healthz").status == 200
        assert ask(session, "unknown.example.com", "/nowhere").status == 404
        assert ask(session, B, "/_auth/style.css").status == 200  # on every host


def test_a_trusted_proxy_may_use_one_connection_for_all_hosts(tmp_path, application):
    proxied = start(tmp_path, application, trusted_proxies=["127.0.0.1"])
    try:
        with connect(proxied.h1, "h2") as connection:
            session = Session(connection)
            session.wait_settings()
            assert [ask(session, host).status for host in (A, B)] == [200, 200]
    finally:
        proxied.stop()
