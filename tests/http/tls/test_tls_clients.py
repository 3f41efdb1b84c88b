"""Certificates of clients: who must have one, who is believed, and what is known of them after that."""
import ssl

import pytest

from tls import Authority, Reader, TlsServer, curl, get, trusting

REQUEST, REQUIRE = 1, 2


@pytest.fixture(scope="module")
def ana(authority):
    return authority.client("ana", "/O=Example\\, Inc./CN=Ana Bó")


def shown(server, context, path="/show"):
    with server.connect(context) as sock:
        sock.sendall(get(path))
        return Reader(sock).answer().json()["client_certificate"]


def is_refused(server, context):
    """With TLS 1.3 a client learns it when it reads."""
    try:
        shown(server, context)
        return False
    except (ssl.SSLError, ConnectionError, AssertionError) as e:
        return "closed after" in str(e) or isinstance(e, (ssl.SSLError, ConnectionError))


@pytest.mark.parametrize("mode", [REQUEST, REQUIRE])
@pytest.mark.parametrize("path", ["/show", "/show-worker", "/move"])
def test_the_subject_is_in_the_request_and_in_its_log_line(pair, authority, ana, mode, path):
    with TlsServer(pair, "client_ca", authority.file, "client_certificate", mode) as server:
        subject = "CN=Ana B\\C3\\B3,O=Example\\, Inc."
        assert shown(server, trusting(pair, *ana), path) == subject
        assert server.wait_for_event("request")["client_certificate"] == subject


def test_a_resumed_session_knows_its_client(pair, authority, ana):
    with TlsServer(pair, "client_ca", authority.file, "client_certificate", REQUIRE) as server:
        context, session = trusting(pair, *ana), None
        for i in range(3):
            with server.connect(context, session=session) as sock:
                sock.sendall(get("/show"))
                assert Reader(sock).answer().json()["client_certificate"].startswith("CN=Ana")
                assert sock.session_reused == (i > 0)
                session = sock.session


def test_without_one_request_serves_and_require_does_not(pair, authority):
    with TlsServer(pair, "client_ca", authority.file, "client_certificate", REQUEST) as server:
        assert shown(server, trusting(pair)) == ""
        assert "client_certificate" not in server.wait_for_event("request")
    with TlsServer(pair, "client_ca", authority.file, "client_certificate", REQUIRE) as server:
        assert is_refused(server, trusting(pair))
        assert server.wait_for_event("tls_failed")["reason"] == "peer did not return a certificate"
        done = curl("--cacert", pair / "ca.pem", f"https://localhost:{server.port}/show")
        assert done.returncode != 0 and "certificate required" in done.stderr


@pytest.mark.parametrize("mode", [REQUEST, REQUIRE])
def test_a_certificate_that_is_no_good_is_refused(pair, authority, mode, tmp_path):
    stranger = Authority(tmp_path / "stranger", "Another CA").client("ana", "/CN=Ana")
    server_only = authority.client("server", "/CN=Ana", usage="serverAuth")
    over = authority.client("over", "/CN=Ana", days=-1)
    with TlsServer(pair, "client_ca", authority.file, "client_certificate", mode) as server:
        for number, (client, reason) in enumerate([(stranger, "unable to get local issuer certificate"),
                                                   (server_only, "unsuitable certificate purpose"),
                                                   (over, "certificate has expired")]):
            assert is_refused(server, trusting(pair, *client))
            event = server.wait_for_event("tls_failed", count=number + 1)
            assert event["reason"] == f"certificate verify failed: {reason}"


def test_a_proxy_that_is_not_asked_is_not_known(pair, ana):
    with TlsServer(pair) as server:
        assert shown(server, trusting(pair, *ana)) == ""
