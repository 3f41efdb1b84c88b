"""Programs that a test starts, and configuration files for them."""
import json
import signal

import pytest

from .commands import Program
from .reloads import Server

# Somebody who runs the tests in the background, or under nohup, has these ignored, and every program that they start as well.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def start():
    """Starts programs; what still runs at the end is killed."""
    programs = []

    def start_program(*args, **options):
        programs.append(Program(*args, **options))
        return programs[-1]

    yield start_program
    for program in programs:
        if program.process.poll() is None:
            program.process.kill()
            program.wait()


@pytest.fixture
def config(tmp_path):
    def write(text, name="f.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def serve(start, tmp_path):
    """A cardea with a configuration that can be replaced."""
    def begin(config, plain=True, **options):
        path = tmp_path / "cardea.yaml"
        path.write_text(json.dumps(config))
        return Server(start, path, plain=plain, **options)

    return begin
