"""grant-resource, the server of keys that it fetches from, and keys."""
import pytest

from issuer import AUDIENCE, ISSUER, Key, KeyServer, Resource


@pytest.fixture(scope="session")
def es256():
    return Key("ES256", "key-1")


@pytest.fixture(scope="session")
def rs256():
    return Key("RS256", "key-2")


@pytest.fixture(scope="session")
def eddsa():
    return Key("EdDSA", "key-3")


@pytest.fixture(scope="session")
def other():
    """A key that is published only where a test does."""
    return Key("ES256", "key-other")


@pytest.fixture
def start_resource(start):
    def start_it(**config):
        settings = {"issuer": ISSUER, "audience": AUDIENCE, "timeout": "10s", "refresh_gap": "100ms", **config}
        return start("grant-resource", {name: value for name, value in settings.items() if value is not None})

    return start_it


@pytest.fixture
def resource(start_resource, peer, es256, rs256, eddsa):
    """A running resource server whose keys are published by a server of its own."""
    keys = KeyServer(peer, es256, rs256, eddsa)
    return Resource(start_resource(jwks=keys.url), keys)
