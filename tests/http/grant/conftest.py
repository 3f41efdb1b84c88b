import os
import shutil

import pytest

from installation import SQLITE, Installation
from postgres import Postgres, new_schema


@pytest.fixture(scope="session")
def postgres_store():
    """Makes the URL of a new, empty store. The server is the one that ./dev test started for all workers, else this one's own."""
    url = os.environ.get("CARDEA_POSTGRES")
    postgres = None if url else Postgres()
    yield lambda: new_schema(url or postgres.url)
    if postgres:
        postgres.remove()


@pytest.fixture
def own_postgres():
    """One that the test may stop and kill."""
    postgres = Postgres()
    yield postgres
    postgres.remove()


@pytest.fixture(params=["sqlite", "postgres"])
def store(request):
    """Makes the URL of a new, empty store of either kind."""
    if request.param == "sqlite":
        return lambda: SQLITE
    return request.getfixturevalue("postgres_store")


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    return Installation(tmp_path_factory.mktemp("template"))


@pytest.fixture
def install(tmp_path, template):
    """install(store="…", setting=…): an Installation whose servers end with the test."""
    made = []

    def make(**changes):
        folder = tmp_path / f"i{len(made)}"
        folder.mkdir()
        made.append(Installation(folder, template=template, **changes))
        return made[-1]

    yield make
    for home in made:
        home.finish()


@pytest.fixture(scope="module")
def home(tmp_path_factory, template):
    """The ordinary one on SQLite, with ana and a running server, for tests that leave nothing behind."""
    folder = tmp_path_factory.mktemp("grant")
    home = Installation(folder, template=template)
    home.add_user("ana", "ana's password", "role=editor", 'projects=["a","b"]')
    home.serve()
    yield home
    home.finish()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def server(home):
    return home.servers[0]
