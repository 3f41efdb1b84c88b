import pytest

from frames import Http2Server


@pytest.fixture(scope="module")
def server():
    with Http2Server("workers", 4) as running:
        yield running


@pytest.fixture
def wire(server):
    with server.wire() as connection:
        yield connection
