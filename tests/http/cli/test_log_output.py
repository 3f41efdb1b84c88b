"""How the log is written: JSON or text, the access log in Apache's combined format, priorities, and a reload of all of
it."""
import json
import os
import pty
import re
import select
import socket
import subprocess
import time

import pytest

from .commands import CARDEA, DEADLINE, run
from .reloads import settings

COMBINED = re.compile(r'(\S+) - (\S+) \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] '
                      r'"((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"')


def send(address, text):
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=DEADLINE) as sock:
        sock.sendall(text if isinstance(text, bytes) else text.encode())
        while sock.recv(65536):
            pass


def get(path, *headers):
    lines = "".join(line + "\r\n" for line in headers)
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n"


def test_format_access_and_level_change_by_a_reload(serve):
    server = serve(settings(log={"access": "combined"}))
    program, address = server.program, server.address
    send(address, get("/nowhere?token=secret", 'User-Agent: a "b\\', "Referer: https://a.example/x?code=secret#y"))
    line = program.wait_line(lambda line: "/nowhere" in line)
    host, user, _, request, status, size, referer, agent = COMBINED.fullmatch(line.rstrip("\n")).groups()
    assert (host, user, request, status) == ("127.0.0.1", "-", "GET /nowhere HTTP/1.1", "404")
    assert int(size) > 0 and referer == "https://a.example/x"
    send(address, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    assert COMBINED.fullmatch(program.wait_line(lambda line: '"-" 400' in line).rstrip("\n"))
    server.reload(settings(log={"access": "off"}))
    send(address, get("/unlogged"))
    server.reload(settings(log={"access": "json"}))
    send(address, get("/json"))
    assert json.loads(program.wait_line(lambda line: "/json" in line))["status"] == 404
    assert not [line for line in program.err if "/unlogged" in line or "=secret" in line]

    server.write(json.dumps(settings(log={"format": "text"})))
    server.program.process.send_signal(1)
    program.wait_line(lambda line: re.fullmatch(r"\S+Z INFO   reloaded  cause=signal\n", line))
    send(address, get("/text"))
    line = program.wait_line(lambda line: "/text" in line)
    assert re.match(r"20\S+Z INFO   GET /text 404  host=localhost  duration_us=\d+  client_address=127.0.0.1  "
                    r"error=not_found  request_id=[0-9a-f]{32}\n", line), line
    server.write(json.dumps(settings(log={"format": "json", "priority": "on"}, control="unix:control.sock")))
    server.program.process.send_signal(1)
    program.wait_line(lambda line: line.startswith('<6>{"ts"') and '"event":"reloaded"' in line)
    server.write(json.dumps(settings(log={"format": "json", "level": "warn", "priority": "on"}, control="unix:control.sock")))
    assert run("reload", "--config", server.path).returncode == 0
    send(address, get("/after"))
    server.write("listen: nonsense")
    server.program.process.send_signal(1)
    line = program.wait_line(lambda line: "reload_failed" in line)
    assert line.startswith('<3>{"ts"') and json.loads(line[3:])["level"] == "error"
    assert not [line for line in program.err if "/after" in line]


@pytest.mark.parametrize("raw, shown", [
    (b'x" 200 5 "-" "-', r'x\" 200 5 \"-\" \"-'),
    (b"a\\", r"a\\"),
    (b"caf\xc3\xa9 \x7f", r"caf\xc3\xa9 \x7f"),
    (b"tab\there", r"tab\there"),
])
def test_nobody_forges_a_field_of_the_access_log(combined, raw, shown):
    marker = b"/forge" + str(time.monotonic_ns()).encode()
    send(combined.address, b"GET " + marker + b" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + raw +
         b"\r\nConnection: close\r\n\r\n")
    line = combined.program.wait_line(lambda line: marker.decode() in line or '" 400 ' in line).rstrip("\n")
    found = COMBINED.fullmatch(line)
    assert found, line
    if found[5] == "400":  # the engine refuses such a header altogether
        assert found[8] == "-"
    else:
        assert found[8] == shown


def test_a_long_field_of_the_access_log_is_cut(combined):
    send(combined.address, get("/long", "User-Agent: " + "u" * 5000, "Referer: http://u:p@a/" + "r" * 3000))
    found = COMBINED.fullmatch(combined.program.wait_line(lambda line: "/long" in line).rstrip("\n"))
    assert found[8] == "u" * 900 + "..." and found[7] == "-"


@pytest.fixture(name="combined", scope="module")
def combined_server(tmp_path_factory):
    from .commands import Program
    from .reloads import Server
    path = tmp_path_factory.mktemp("combined") / "c.json"
    path.write_text(json.dumps(settings(log={"access": "combined"})))
    programs = []

    def start(*args, **options):
        programs.append(Program(*args, **options))
        return programs[-1]
    server = Server(start, path)
    yield server
    assert programs[0].end() == 0


def under_journald(tmp_path, log, stream=None):
    """The standard error of a server whose standard error is the socket that JOURNAL_STREAM names."""
    path = tmp_path / "journal.json"
    path.write_text(json.dumps(settings(log=log)))
    ours, theirs = socket.socketpair()
    status = os.fstat(theirs.fileno())
    env = {**os.environ, "JOURNAL_STREAM": stream or f"{status.st_dev}:{status.st_ino}"}
    process = subprocess.Popen([CARDEA, "serve", "--config", path], stderr=theirs, env=env, stdin=subprocess.DEVNULL)
    theirs.close()
    text = b""
    with ours:
        ours.settimeout(DEADLINE)
        while b'"ready"' not in text:
            text += ours.recv(65536)
        process.terminate()
        while part := ours.recv(65536):
            text += part
    assert process.wait(DEADLINE) == 0
    return text.decode().splitlines()


def test_under_journald_each_line_has_its_priority_and_stays_json(tmp_path):
    lines = under_journald(tmp_path, {})
    events = {}
    for line in lines:
        priority, rest = re.fullmatch(r"<(\d)>(\{.*\})", line).groups()
        event = json.loads(rest)
        assert {"error": "3", "warn": "4", "info": "6", "debug": "7"}[event["level"]] == priority
        events[event["event"]] = priority
    assert events["config_warning"] == "4" and events["ready"] == "6"


def test_another_standard_error_than_journald_s_has_no_priority(tmp_path):
    for line in under_journald(tmp_path, {}, stream="1:2") + under_journald(tmp_path, {"priority": "off"}):
        json.loads(line)


def on_terminal(tmp_path, **env):
    path = tmp_path / "terminal.json"
    path.write_text(json.dumps(settings()))
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", **env}
    if "NO_COLOR" not in env:
        environment.pop("NO_COLOR", None)
    process = subprocess.Popen([CARDEA, "serve", "--config", path], stderr=theirs, stdin=subprocess.DEVNULL,
                               env=environment)
    os.close(theirs)
    text, end = b"", time.monotonic() + DEADLINE
    while b"ready" not in text and time.monotonic() < end:
        if select.select([ours], [], [], 1)[0]:
            text += os.read(ours, 65536)
    process.terminate()
    try:
        while part := os.read(ours, 65536):
            text += part
    except OSError:  # the terminal is gone
        pass
    os.close(ours)
    assert process.wait(DEADLINE) == 0
    return text.decode()


def test_a_terminal_gets_text_in_colour_unless_it_asks_for_none(tmp_path):
    coloured = on_terminal(tmp_path)
    assert "\033[" in coloured and "{" not in coloured.split("ready")[1]
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        plain = on_terminal(tmp_path, **env)
        assert "\033" not in plain
        assert re.search(r"\d\d:\d\d:\d\d\.\d{3} INFO   listening on http://127\.0\.0\.1:\d+\r\n", plain), plain
    assert re.sub(r"\033\[[0-9;]*m", "", coloured).count("INFO   ready") == 1
