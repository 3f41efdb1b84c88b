"""Installations with a portal, and browsers for them."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "grant"))

from browser import Browser  # noqa: E402
from installation import SQLITE, Installation  # noqa: E402


class Portal(Installation):
    """`portal` are settings of that section besides its URL; `changes` are other sections."""

    def __init__(self, folder, portal=None, **changes):
        super().__init__(folder, **changes)
        self.base = f"{self.issuer}/_auth"
        self.configure(portal={"url": self.base, **(portal or {})})

    def browser(self, headers=()):
        return Browser(self.base, headers)

    def invite(self, name, *flags):
        """The URL of an invitation."""
        words = self.cardea("user", "invite", name, *flags).split()
        links = [word for word in words if "/_auth/invite?token=" in word]
        assert len(links) == 1, words
        self.note_secret(links[0].split("token=")[1])
        return links[0]


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    return Installation(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="module")
def install_module(tmp_path_factory, template):
    """As `install`, for tests of one module that share an installation."""
    yield from installer(tmp_path_factory.mktemp("portal"), template)


@pytest.fixture
def install(tmp_path, template):
    """install(portal={…}, setting=…): a Portal whose servers end with the test."""
    yield from installer(tmp_path, template)


def installer(folder, template):
    made = []

    def make(portal=None, store=SQLITE, **changes):
        place = folder / f"i{len(made)}"
        place.mkdir()
        made.append(Portal(place, portal, store=store, template=template, **changes))
        return made[-1]

    yield make
    for home in made:
        home.finish()
