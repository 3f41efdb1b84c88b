"""sentry.dsn: errors and crashes are sent as envelopes, by a thread of its own, whatever Sentry answers."""
import json
import os
import resource
import signal
import threading

import pytest

from .commands import DEADLINE, run
from .reloads import settings
from .sentry_ingest import Ingest


@pytest.fixture(name="ingest")
def ingest_server():
    ingest = Ingest()
    yield ingest
    ingest.close()


def reporting(ingest, **sentry):
    return settings(outgoing={"networks": ["127.0.0.1"]}, sentry={"dsn": ingest.dsn, "environment": "test", **sentry})


def fail(server, text="listen: nonsense"):
    """An event of level error: a reload that fails."""
    server.write(text)
    server.program.process.send_signal(signal.SIGHUP)
    return server.program.wait_event("reload_failed")


def threads(process):
    return len(os.listdir(f"/proc/{process.pid}/task"))


def test_an_error_of_the_log_is_sent(serve, ingest, tmp_path):
    server = serve(reporting(ingest, crash_folder=str(tmp_path)))
    fail(server)
    first, second = ingest.next_event(), ingest.next_event()
    assert {first["tags"]["event"], second["tags"]["event"]} == {"config_error", "reload_failed"}
    error = first if first["tags"]["event"] == "config_error" else second
    assert error["level"] == "error" and error["environment"] == "test" and error["server_name"]
    assert error["logentry"]["formatted"].startswith("config error: ")
    assert error["fingerprint"][:2] == ["config_error", error["extra"]["setting"]]
    fail(server)  # the same once more has the same fingerprint
    again = [ingest.next_event(), ingest.next_event()]
    assert sorted(e["fingerprint"] for e in again) == sorted([first["fingerprint"], second["fingerprint"]])
    assert server.program.end() == 0


def test_an_error_just_before_the_end_is_sent_too(serve, ingest, tmp_path):
    server = serve(reporting(ingest, crash_folder=str(tmp_path)))
    fail(server)
    assert server.program.end() == 0
    assert ingest.next_event() and ingest.next_event()


@pytest.mark.parametrize("headers", [
    {"Retry-After": "30"},
    {"X-Sentry-Rate-Limits": "60:error;transaction:organization, 2700:default:organization"},
])
def test_a_rate_limit_is_kept(serve, ingest, tmp_path, headers):
    ingest.answer = lambda handler: handler.reply(429, b"", **headers)
    server = serve(reporting(ingest, crash_folder=str(tmp_path)))
    fail(server)
    failed = server.program.wait_event("sentry_failed")
    assert failed["status"] == 429 and failed["pause_s"] == (30 if "Retry-After" in headers else 60)
    ingest.next_event()
    for _ in range(6):
        fail(server)
    assert server.program.end() == 0
    lost = [json.loads(line)["events"] for line in server.program.err if '"sentry_events_lost"' in line]
    assert ingest.requests == 1 and sum(lost) == 14
    assert len(lost) <= 2  # after the attempt, and at the end: not a line for each event


@pytest.mark.parametrize("kind", ["500", "huge", "reset"])
def test_a_broken_sentry_costs_its_events_only(serve, ingest, tmp_path, kind):
    answers = {"500": lambda handler: handler.reply(500, b"<html>"),
               "huge": lambda handler: handler.reply(200, b"x" * 1_000_000),
               "reset": lambda handler: handler.connection.close()}
    ingest.answer = answers[kind]
    server = serve(reporting(ingest, crash_folder=str(tmp_path)))
    fail(server)
    assert server.program.wait_event("sentry_failed")["pause_s"] == 10
    assert server.token()[0] == 200
    assert server.program.end() == 0


def test_a_slow_sentry_delays_no_request_and_the_queue_is_bounded(serve, ingest, tmp_path):
    release = threading.Event()
    ingest.answer = lambda handler: (release.wait(DEADLINE), handler.reply(200, b"{}"))
    server = serve(reporting(ingest, crash_folder=str(tmp_path)))
    for _ in range(40):  # two events each: more than the queue has room for
        fail(server)
        assert server.token()[0] == 200
    release.set()
    assert server.program.end() == 0
    lost = sum(json.loads(line)["events"] for line in server.program.err if '"sentry_events_lost"' in line)
    assert 1 <= lost <= 80 and lost + ingest.requests >= 80


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL])
def test_a_crash_is_reported_by_the_next_start(serve, ingest, tmp_path, number):
    config = reporting(ingest, crash_folder=str(tmp_path))
    server = serve(config, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
    server.program.process.send_signal(number)
    assert server.program.wait() == -number  # it dies of its signal
    record = tmp_path / "cardea.crash"
    assert f"signal {int(number)}\n" in record.read_text() and record.stat().st_mode & 0o777 == 0o600
    assert ingest.requests == 0
    if number != signal.SIGSEGV:
        return
    ingest.answer = lambda handler: handler.reply(503)  # what cannot be sent yet is kept
    server = serve(config)
    ingest.next_event()
    assert server.program.end() == 0 and record.read_text()
    assert [e["status"] for e in map(json.loads, server.program.err) if e["event"] == "sentry_failed"] == [503]
    ingest.answer = lambda handler: handler.reply(200, b"{}")
    server = serve(config)
    event = ingest.next_event()
    assert event["level"] == "fatal" and event["tags"]["event"] == "crash" and event["environment"] == "test"
    crash = event["exception"]["values"][0]
    assert crash["type"] == number.name and crash["mechanism"]["handled"] is False
    frames = crash["stacktrace"]["frames"]
    assert frames and all(frame["instruction_addr"].startswith("0x") for frame in frames)
    assert server.program.end() == 0 and record.read_text() == ""


def test_a_reload_goes_on_and_a_change_needs_a_restart(serve, ingest, tmp_path):
    config = reporting(ingest, crash_folder=str(tmp_path))
    server = serve(config)
    server.reload(config)
    server.reload({**config, "sentry": {**config["sentry"], "environment": "other"}}, expect="reload_failed")
    assert "restart" in server.findings()[0]["reason"] + server.findings()[0].get("fix", "")
    server.reload(config)
    assert server.program.end() == 0


def test_without_the_setting_there_is_no_thread(serve, ingest, tmp_path):
    without = serve(settings())
    count = threads(without.program.process)
    assert without.program.end() == 0
    server = serve(reporting(ingest, crash_folder=str(tmp_path)))
    assert threads(server.program.process) == count + 1
    assert not os.path.exists(tmp_path.parent / "cardea.crash")


@pytest.mark.parametrize("dsn, what", [
    ("abc", "does not begin with https://"),
    ("https://sentry.example/1", "has no key"),
    ("https://@sentry.example/1", "has no key"),
    ("https://key@/1", "has no host"),
    ("https://key@sentry.example", "has no project"),
    ("https://key@sentry.example/", "has no project"),
    ("https://key@a b/1", "has a host that is neither"),
    ("http://key@sentry.example/1", "begins with http://"),
])
def test_check_says_which_part_of_the_dsn_is_missing(tmp_path, dsn, what):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(settings(sentry={"dsn": dsn, "crash_folder": "."})))
    for command in ("check", "serve"):
        result = run(command, "--config", path)
        line = next(line for line in (result.stdout + result.stderr).splitlines() if "sentry.dsn" in line)
        assert result.returncode != 0 and what in line, line
    assert "Client Keys" in line or "write https://" in line


def test_check_online_tries_the_endpoint(ingest, tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(reporting(ingest, crash_folder=str(tmp_path))))
    result = run("check", "--online", "--config", path)
    assert "sentry.dsn" in result.stdout and "answers" in result.stdout and ingest.requests == 0, result.stdout
    ingest.server.server_close()
    result = run("check", "--online", "--config", path)
    assert result.returncode != 0 and "sentry.dsn" in result.stdout + result.stderr
