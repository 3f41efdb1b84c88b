"""Receivers, and servers that deliver to them."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "grant"))

from installation import Installation  # noqa: E402
from receiver import Receiver  # noqa: E402


@pytest.fixture
def receiver():
    """receiver(answer) returns a running one."""
    running = []

    def start_receiver(answer, where=0):
        running.append(Receiver(answer, where))
        return running[-1]

    yield start_receiver
    for one in running:
        one.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    return Installation(tmp_path_factory.mktemp("template"))


@pytest.fixture
def home(template, tmp_path):
    """home(relay, …) returns an installation with a store."""
    made = []

    def make(relay, **changes):
        made.append(Installation(tmp_path, template=template, relay=relay, **changes))
        return made[-1]

    yield make
    for one in made:
        one.finish()
