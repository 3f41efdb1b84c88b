"""The end of a service behind a load balancer: readiness fails first, then the listeners close (LESSONS 43)."""
import socket
import time

import pytest

import authority
from services import PATIENCE, call, wait_until
from support.ports import find_ports

DELAY = 4  # seconds; what is asked meanwhile takes a few milliseconds, on a busy machine a second
CONFIGS = {
    "cardea": lambda: authority.settings(find_ports()),
    "time-resource": lambda: {"authorization_server": "http://127.0.0.1:9", "resource": "http://127.0.0.1:8", "client_id": "x",
                              "client_secret": "y"},
    "time-webapp": lambda: {},
    "grant-resource": lambda: {"issuer": "https://a.example", "audience": "https://b.example", "jwks": "http://127.0.0.1:9/"},
}


def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        return False
    except ConnectionRefusedError:
        return True


def assert_not_ready(service):
    answer = service.call("/readyz")
    assert (answer.status, answer.json()["error"]) == (503, "not_ready")
    assert answer.json()["error_description"] == "the server is stopping"
    assert answer.headers["Retry-After"] == "1"


def run(start, program, **settings):
    return start(program, {**CONFIGS[program](), **settings}, ["serve"] if program == "cardea" else None)


@pytest.fixture
def draining(start):
    """draining(program): it has been told to stop, and waits. With the time of the signal."""

    def begin(program):
        service = run(start, program, drain_delay=f"{DELAY}s")
        begun = time.monotonic()
        service.process.terminate()
        service.wait_event("stopping")
        return service, begun

    return begin


def assert_ends(service, begun):
    assert service.process.wait(PATIENCE) == 0
    assert time.monotonic() - begun >= DELAY
    assert is_refused(service.port)
    assert service.find("stopped")


def test_lesson_43_readiness_fails_first_and_tokens_are_still_given(draining):
    service, begun = draining("cardea")
    assert_not_ready(service)
    assert service.call("/healthz").status == 200
    assert service.call("/.well-known/jwks.json").status == 200
    form = {"grant_type": "client_credentials"}
    assert service.call("/oauth/token", "POST", [authority.basic(authority.APP)], form).status == 200
    assert service.find("stopped") is None
    assert_ends(service, begun)


def test_lesson_43_a_second_signal_changes_nothing(draining):
    """A supervisor and a terminal send it to the whole group, and then again."""
    service, begun = draining("cardea")
    service.process.terminate()
    service.process.send_signal(2)
    assert_not_ready(service)
    assert_ends(service, begun)


@pytest.mark.parametrize("program", ["time-resource", "time-webapp", "grant-resource"])
def test_lesson_43_the_readiness_of_an_example_fails_first_too(draining, program):
    service, begun = draining(program)
    assert_not_ready(service)
    assert service.call("/healthz").status == 200
    assert_ends(service, begun)


def test_without_a_delay_the_listeners_close_at_once(start):
    service = run(start, "cardea")
    held = socket.create_connection(("127.0.0.1", service.port), PATIENCE)
    with held:
        service.process.terminate()
        wait_until(lambda: is_refused(service.port), "the listeners to close")
    assert service.process.wait(PATIENCE) == 0
    with pytest.raises(OSError):
        call(service.url + "/healthz")
