"""Fixtures of the tests with hostile peers: servers and receivers that end with the test."""
import pytest

import receivers
from relayed import Relayed


@pytest.fixture
def relayed(tmp_path):
    """relayed({"deliver": …}, …) returns a running server with these routes."""
    servers = []

    def start(*routes, **changes):
        server = Relayed(tmp_path / f"server{len(servers)}", *routes, **changes)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.service.finish()
        assert server.secrets_in_log() == [], "LESSONS 28"


@pytest.fixture
def receive():
    """receive(script) returns a running Receiver."""
    running = []

    def start(script, **more):
        running.append(receivers.Receiver(script, **more))
        return running[-1]

    yield start
    for receiver in running:
        receiver.close()
