"""Descriptors that run out, connections that come while the server drains, and sockets of both families."""
import os
import resource
import select
import signal
import socket

import pytest

from support.ports import find_ports
from engine import PATIENCE, Reader, Server, answer_to, can_connect, get, read_all, wait_until

pytestmark = pytest.mark.h1_only("connections that are turned away are told so in HTTP/1")


@pytest.fixture(autouse=True)
def descriptors_of_our_own():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def burst(server, count):
    """So many connections that say nothing, as far as the kernel's queue takes them."""
    socks = []
    for _ in range(count):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", server.port))
        socks.append(sock)
    return socks


def count_descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def close_all(socks):
    for sock in socks:
        sock.close()


def is_served(server, sock):
    sock.sendall(get("/inline?open"))
    return Reader(sock).answer().body == b"open"


@pytest.mark.parametrize("descriptors, count", [(64, 300), (64, 5000), (1024, 5000)])
def test_a_burst_of_idle_connections_stops_nothing(descriptors, count):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < count + 200:
        pytest.skip("too few file descriptors")
    with Server(descriptors=descriptors) as server:
        capped = server.wait_for_event("connections_capped")
        assert capped["descriptors"] == descriptors and 0 < capped["connections"] < descriptors
        assert capped["setting"] == "limits.connections" and capped["configured"] == 20000 and "fix" in capped
        with server.connect() as sock:
            assert is_served(server, sock)
            for episode in range(2):
                socks = burst(server, count)
                for _ in range(5):
                    assert is_served(server, sock)
                close_all(socks)
                # What waits in the kernel's queue is worked off, then there is room again.
                def has_room():
                    try:
                        with server.connect() as fresh:
                            fresh.sendall(get("/inline?fresh"))
                            return Reader(fresh).answer().status == 200
                    except ConnectionError:  # one connection too many, closed with its request unread
                        return False
                wait_until(has_room)
                assert is_served(server, sock)
                assert len(server.events("accept_paused")) <= episode + 1
        assert len(server.events("connections_capped")) == 1


def test_accepting_goes_on_after_descriptors_ran_out():
    """The cap keeps some apart, but others of the process may use them up; here the limit sinks while it runs."""
    with Server(descriptors=256) as server, server.connect() as sock:
        assert is_served(server, sock)
        used = count_descriptors(server)
        for _ in range(2):
            before = len(server.events("accept_paused"))
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used + 5, 256))
            socks = burst(server, 50)
            server.wait_for_event("accept_paused", before + 1)
            for _ in range(5):
                assert is_served(server, sock)
            close_all(socks[:45])
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (256, 256))
            with server.connect() as fresh:
                assert is_served(server, fresh)
            for late in socks[45:]:
                late.settimeout(PATIENCE)
                assert is_served(server, late)
            close_all(socks)
            assert len(server.events("accept_paused")) == before + 1
        paused = server.events("accept_paused")[0]
        assert paused["level"] == "warn" and paused["reason"] == "Too many open files" and paused["connections"] >= 1


def test_the_server_stops_while_descriptors_are_out():
    with Server(descriptors=64) as server, server.connect() as sock:
        assert is_served(server, sock)
        used = count_descriptors(server)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used + 1, 64))
        socks = burst(server, 100)
        server.wait_for_event("accept_paused")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
        close_all(socks)


def test_enough_descriptors_are_no_warning():
    with Server("connections", 100, descriptors=1024) as server:
        assert answer_to(server, get("/inline?a")).body == b"a"
        assert server.events("connections_capped") == []


# ---- drain_delay ----

def test_connections_are_served_while_the_server_drains():
    with Server("drain", 700) as server, server.connect() as open_one:
        assert is_served(server, open_one)
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_event("stopping")
        served = 0
        with server.connect() as fresh:  # within the delay, since "stopping" was just logged
            assert is_served(server, fresh) and is_served(server, fresh)
            served += 1
        assert is_served(server, open_one)
        wait_until(lambda: not can_connect(server.port))
        assert read_all(open_one) == b""
        assert server.process.wait(PATIENCE) == 0
        assert served == 1 and len(server.events("stopping")) == 1


def test_several_loops_drain_together():
    with Server("drain", 500, "threads", 3) as server:
        server.process.send_signal(signal.SIGTERM)
        server.wait_for_event("stopping")
        for _ in range(10):
            assert answer_to(server, get("/inline?a")).body == b"a"
        assert server.process.wait(PATIENCE) == 0
        assert len(server.events("stopping")) == len(server.events("stopped")) == 1


def test_a_second_signal_does_not_begin_the_delay_anew():
    with Server("drain", 400, "grace", 60000) as server:
        for _ in range(20):
            server.process.send_signal(signal.SIGTERM)
            select.select([], [], [], 0.05)
            if server.process.poll() is not None:
                break
        assert server.process.wait(PATIENCE) == 0
        assert len(server.events("stopping")) == 1


# ---- both families ----

def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
            return True
    except OSError:
        return False


ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")


def show(address, port):
    with socket.create_connection((address, port), timeout=PATIENCE) as sock:
        sock.sendall(get("/show"))
        return Reader(sock).answer().json()


@ipv6
def test_the_ipv6_wildcard_takes_both_families():
    with Server("listen", "[::]:0") as server:
        assert server.events("listening")[0]["address"] == f"[::]:{server.port}"
        assert show("::1", server.port)["peer"] == "::1"
        assert show("127.0.0.1", server.port)["peer"] == "127.0.0.1"  # not ::ffff:127.0.0.1


@ipv6
def test_networks_of_ipv4_are_trusted_over_the_ipv6_wildcard():
    with Server("listen", "[::]:0", "trust", "127.0.0.0/8") as server:
        for address, client in (("127.0.0.1", "9.9.9.9"), ("::1", "::1")):
            with socket.create_connection((address, server.port), timeout=PATIENCE) as sock:
                sock.sendall(get("/show", "X-Forwarded-For: 9.9.9.9"))
                assert Reader(sock).answer().json()["client_address"] == client


@ipv6
@pytest.mark.parametrize("order", [("[::]", "0.0.0.0"), ("0.0.0.0", "[::]")])
def test_both_wildcards_of_one_port_stand_beside_each_other(order):
    port = find_ports()
    with Server("listen", f"{order[0]}:{port}", "listen", f"{order[1]}:{port}", "threads", 2) as server:
        assert {e["address"] for e in server.events("listening")} == {f"[::]:{port}", f"0.0.0.0:{port}"}
        for _ in range(5):
            assert show("::1", port)["peer"] == "::1"
            assert show("127.0.0.1", port)["peer"] == "127.0.0.1"


@ipv6
def test_one_address_of_ipv6_takes_that_alone():
    with Server("listen", "[::1]:0") as server:
        assert show("::1", server.port)["host"] == "localhost"
        assert not can_connect(server.port)
