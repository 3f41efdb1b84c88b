"""Many callers at once, and several loops."""
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

import forge
from authority import APP, WATCH, Connection

CREDENTIALS = {"grant_type": "client_credentials"}


@pytest.fixture(scope="module")
def two_loops(launch):
    return launch(threads=2)


def test_two_hundred_requests_of_eight_threads_are_all_right(server):
    def one(number):
        user = f"user-{number}"
        with Connection(server.port) as connection:
            fields = {"grant_type": "password", "username": user, "password": "x", "scope": "current_time"}
            answer = connection.form("/oauth/token", fields, APP)
            assert answer.status == 200
            token = answer.json()["access_token"]
            seen = connection.form("/oauth/introspect", {"token": token}, WATCH).json()
            assert seen["active"] is True and seen["sub"] == user
            if number % 2:
                assert connection.form("/oauth/revoke", {"token": token}, APP).status == 200
            return user, token

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(one, range(200)))
    assert len({forge.read(token)[1]["jti"] for _, token in results}) == 200
    for number, (user, token) in enumerate(results):
        assert server.introspect(token) == {"active": False} if number % 2 else server.introspect(token)["sub"] == user


def test_a_revocation_is_seen_on_all_connections_at_once(two_loops):
    connections = [Connection(two_loops.port) for _ in range(24)]

    def active(connection, token):
        return connection.form("/oauth/introspect", {"token": token}, WATCH).json()["active"]

    try:
        for turn in range(10):
            token = two_loops.token()
            assert all(active(connection, token) for connection in connections)
            assert connections[turn].form("/oauth/revoke", {"token": token}, APP).status == 200
            assert not any(active(connection, token) for connection in connections)
    finally:
        for connection in connections:
            connection.close()


def test_a_token_of_one_loop_is_known_to_the_other(two_loops):
    connections = [Connection(two_loops.port) for _ in range(12)]
    try:
        for giver in connections:
            token = giver.form("/oauth/token", CREDENTIALS, APP).json()["access_token"]
            for other in connections:
                assert other.form("/oauth/introspect", {"token": token}, WATCH).json()["active"] is True
    finally:
        for connection in connections:
            connection.close()


def test_a_token_is_never_active_after_a_revocation_that_races_with_introspection(two_loops):
    token = two_loops.token()
    revoked = []

    def look(_):
        before = bool(revoked)
        return before, two_loops.introspect(token)["active"]

    def revoke(_):
        status = two_loops.revoke(token).status
        revoked.append(status)
        return status

    with ThreadPoolExecutor(8) as pool:
        looks = [pool.submit(look, n) for n in range(40)]
        ends = [pool.submit(revoke, n) for n in range(4)]
        looks += [pool.submit(look, n) for n in range(160)]
        assert [end.result() for end in ends] == [200] * 4
        for future in looks:
            after, active = future.result()
            assert not (after and active)
    assert two_loops.introspect(token) == {"active": False}


@pytest.mark.h1_only("a pipeline")
def test_pipelined_requests_are_answered_in_order(server):
    one = b"POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 12\r\n\r\ngrant_type=x"
    two = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(one + two + one + two + last)
        data = b"".join(iter(lambda: sock.recv(65536), b""))
    assert re.findall(rb"HTTP/1\.1 (\d+) ", data) == [b"401", b"200", b"401", b"200", b"404"]


def test_sigterm_ends_it_with_0(launch):
    server = launch()
    server.token()
    assert server.service.stop() == 0
