"""Sessions are resumed by tickets, whichever loop serves, until their key is gone."""
import ssl
import time

import pytest

from tls import Reader, TlsServer, get, s_client, trusting, wait_until


def context_for(folder, version):
    context = trusting(folder)
    context.minimum_version = context.maximum_version = version
    return context


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def visit(server, context, session=None):
    """One request; (whether the session was resumed, the session to resume next)."""
    with server.connect(context, session=session) as sock:
        sock.sendall(get("/inline?a", "Connection: close"))
        assert Reader(sock).answer().body == b"a"
        return sock.session_reused, sock.session


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
def test_a_ticket_is_good_on_every_loop(pair, version):
    with TlsServer(pair, "threads", 4) as server:
        context = context_for(pair, version)
        reused, session = visit(server, context)
        assert not reused
        for _ in range(20):
            reused, session = visit(server, context, session)
            assert reused


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
def test_a_ticket_outlives_a_rotation_of_its_key_and_not_three(pair, version):
    with TlsServer(pair, "threads", 2, "ticket_rotation", 1000) as server:
        context = context_for(pair, version)
        begun = time.monotonic()
        _, first = visit(server, context)
        while time.monotonic() - begun < 1.1:
            time.sleep(0.05)
        reused, renewed = visit(server, context, first)
        if time.monotonic() - begun < 1.9:  # on a very busy machine the ticket itself is over by then
            assert reused
            assert version == VERSIONS[0] or renewed.ticket_lifetime_hint == 2
        wait_until(lambda: time.monotonic() - begun > 4.1)
        assert not visit(server, context, first)[0]
        assert visit(server, context, visit(server, context)[1])[0]


def test_openssl_resumes_too(pair, tmp_path):
    with TlsServer(pair) as server:
        for version in ("-tls1_2", "-tls1_3"):
            file = tmp_path / version
            request = get("/inline?a", "Connection: close")
            first = s_client(server.port, version, "-sess_out", file, "-ign_eof", data=request)
            assert "New, TLSv1" in first and "lifetime hint: 7200" in first
            assert "Reused, TLSv1" in s_client(server.port, version, "-sess_in", file, "-ign_eof", data=request)


def test_a_ticket_of_another_server_is_no_ticket(pair):
    context = context_for(pair, VERSIONS[0])
    with TlsServer(pair) as one, TlsServer(pair) as two:
        _, session = visit(one, context)
        assert visit(one, context, session)[0]
        assert not visit(two, context, session)[0]
