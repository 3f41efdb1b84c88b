import pytest
from people import make_config


@pytest.fixture
def people(start, tmp_path):
    """A server with the users ana and bo."""
    from test_grant import add_people
    server = start("cardea", make_config(tmp_path), ["serve"])
    add_people(server)
    return server
