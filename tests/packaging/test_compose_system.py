"""The configuration files of compose.yaml, run as they are but for addresses: what the containers would do."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess

import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build"))
PROGRAMS = {
    "authorization": [BUILD / "cardea", "serve"],
    "resource": [BUILD / "examples/time-api/time-resource"],
    "webapp": [BUILD / "examples/time-api/time-webapp"],
}


@contextlib.contextmanager
def running(name, folder, ports):
    """Starts a service with its container's configuration; the hosts become loopback addresses. Yields its port."""
    text = (ROOT / f"packaging/compose/{name}.yaml").read_text()
    text = re.sub(r"0\.0\.0\.0:\d+", "127.0.0.1:0", text)
    for other, port in ports.items():
        text = re.sub(rf"(_server: http://){other}:\d+", rf"\g<1>127.0.0.1:{port}", text)
    config = folder / f"{name}.yaml"
    config.write_text(text)
    config.chmod(0o600)
    process = subprocess.Popen([*PROGRAMS[name], "--config", config], stderr=subprocess.PIPE, text=True)
    try:
        for line in process.stderr:
            event = json.loads(line)
            if event["event"] == "listening":
                port = int(event["address"].rpartition(":")[2])
            if event["event"] == "ready":
                break
        else:
            pytest.fail(f"{name} ended before it was ready")
        yield port
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.stderr.close()
        process.wait()


def test_the_three_services_answer_with_the_configuration_of_the_containers(tmp_path):
    with contextlib.ExitStack() as stack:
        ports = {}
        for name in ("authorization", "resource", "webapp"):
            ports[name] = stack.enter_context(running(name, tmp_path, ports))
        answer = requests.get(f"http://127.0.0.1:{ports['webapp']}/current_time", timeout=10)
        assert answer.status_code == 200
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer.json()["current_time"])
        assert requests.get(f"http://127.0.0.1:{ports['webapp']}/epoch_time", timeout=10).json()["epoch_time"] > 1.7e9
        for name, port in ports.items():
            check = subprocess.run([ROOT / "packaging/compose/healthcheck", str(port)], timeout=10)
            assert check.returncode == 0, name


def test_the_health_check_fails_where_nothing_answers():
    check = subprocess.run([ROOT / "packaging/compose/healthcheck", "1"], stderr=subprocess.DEVNULL, timeout=10)
    assert check.returncode != 0
