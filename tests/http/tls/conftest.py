import pytest

from tls import Authority, TlsServer, make_pair


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """A folder with cert.pem, key.pem and ca.pem for localhost."""
    return make_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(pair):
    with TlsServer(pair, "threads", 2) as running:
        yield running
