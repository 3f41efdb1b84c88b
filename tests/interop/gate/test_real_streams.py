"""Events, long polling, uploads of 2 GB, 100-continue and trailers of real applications and clients."""
import hashlib
import json
import os
import pathlib
import queue
import re
import subprocess
import threading

import pytest
import services
from services import wait_until

from .applications import SecureGate, find_ports, start_flask_in_uwsgi, start_gunicorn, start_node
from .peers import PATIENCE
from .sparse import Sparse, digest_of_pattern, write_pattern

pytestmark = pytest.mark.xdist_group("gate-streams")
FLASKS = ["gunicorn", "uwsgi"]
PROTOCOLS = ["--http1.1", "--http2"]


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    uwsgi = find_ports()
    running = [start_flask_in_uwsgi(folder, uwsgi, folder / "uwsgi.sock"),
               start_gunicorn(folder, "flask_application", folder / "gunicorn.sock"),
               start_node(folder, "trailers.mjs", "serve")]
    sparse = Sparse()
    staff = {"allow": {"groups": ["staff"]}}
    made = SecureGate(folder / "cardea", [
        {"host": "gunicorn.example.com", "upstream": f"unix:{folder}/gunicorn.sock", **staff},
        {"host": "uwsgi.example.com", "upstream": f"uwsgi://127.0.0.1:{uwsgi}", **staff},
        {"host": "trailers.example.com", "upstream": f"http://127.0.0.1:{running[2].port}", **staff},
        {"host": "sparse.example.com", "upstream": f"http://127.0.0.1:{sparse.port}", **staff},
    ])
    made.sparse = sparse
    yield made
    made.stop()
    sparse.close()
    for each in running:
        each.stop()


@pytest.fixture
def jar(gate, tmp_path):
    return gate.write_jar(tmp_path / "jar")


class Reading:
    """A curl that goes on; its output comes line by line."""

    def __init__(self, gate, jar, *words):
        command = gate.curl_command(jar, "-N", *words)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.decode().rstrip("\r\n"))
        self.lines.put(None)

    def next(self):
        return self.lines.get(timeout=PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("host", FLASKS)
def test_server_sent_events_arrive_one_by_one(gate, jar, host, protocol):
    url = f"https://{host}.example.com"
    with Reading(gate, jar, protocol, f"{url}/events") as reading:
        for number in range(5):  # each is sent once the one before it was read
            gate.curl(jar, protocol, "-X", "POST", f"{url}/say/events/number{number}")
            assert (reading.next(), reading.next()) == (f"data: number{number}", "")
        gate.curl(jar, protocol, "-X", "POST", f"{url}/say/events/end")
        assert reading.next() is None and reading.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("host", FLASKS)
def test_a_long_poll_waits_for_what_another_request_brings(gate, jar, host, protocol):
    url = f"https://{host}.example.com"
    with Reading(gate, jar, protocol, f"{url}/poll") as reading:
        wait_until(lambda: gate.curl(jar, protocol, f"{url}/waiting") == "1", "the poll to arrive")
        assert reading.lines.empty() and reading.process.poll() is None
        gate.curl(jar, protocol, "-X", "POST", f"{url}/say/poll/news")
        assert reading.next() == "news" and reading.next() is None


EXPECT = ["--http1.1", "-H", "Expect: 100-continue", "--expect100-timeout", str(PATIENCE)]


@pytest.mark.parametrize("host", FLASKS)
def test_curl_is_told_to_continue_and_then_sends(gate, jar, tmp_path, host):
    (tmp_path / "file").write_bytes(content := os.urandom(2_000_000))
    with Reading(gate, jar, "-v", *EXPECT, "-T", str(tmp_path / "file"), f"https://{host}.example.com/raw") as reading:
        lines = list(iter(reading.next, None))
    assert any("HTTP/1.1 100 Continue" in line for line in lines), lines
    (answer,) = [line for line in lines if '"digest"' in line]
    assert json.loads(re.search(r"\{.*\}", answer)[0])["digest"] == hashlib.sha256(content).hexdigest()


def test_curl_that_is_not_let_in_sends_no_body(gate, tmp_path):
    (tmp_path / "file").write_bytes(bytes(2_000_000))
    sent = gate.curl(tmp_path / "empty", *EXPECT, "-T", str(tmp_path / "file"), "-o", str(tmp_path / "answer"),
                     "-w", "%{http_code} %{size_upload}", "https://gunicorn.example.com/raw")
    assert sent == "401 0"


def test_trailers_of_node_reach_node(gate):
    """Those of a request are dropped, as nginx does."""
    gate.node("trailers.mjs", "ask")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_trailers_of_node_reach_curl(gate, jar, protocol):
    text = gate.curl(jar, protocol, "-i", "-d", "text", "https://trailers.example.com/").lower()
    assert "x-checksum: of the response" in text and "x-seen: nothing" in text, text


# ---- 2 GB ----


def peak(gate):
    """Bytes of memory since clear_peak."""
    text = pathlib.Path(f"/proc/{gate.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", text)[1]) * 1024


def clear_peak(gate):
    pathlib.Path(f"/proc/{gate.pid}/clear_refs").write_text("5")
    return peak(gate)


@pytest.mark.slow
@pytest.mark.parametrize("protocol, size", [("--http1.1", 2 << 30), ("--http2", 256 << 20)])
def test_2_gb_there_and_back_in_flat_memory(gate, jar, tmp_path, protocol, size):
    code = services.PROGRAMS["cardea"].read_bytes()
    if b"__asan_init" in code or b"__tsan_init" in code:
        pytest.skip("takes minutes under a sanitizer")
    file = tmp_path / "large"
    write_pattern(file, size)
    wanted = digest_of_pattern(size)
    before = clear_peak(gate)
    words = [protocol, "--max-time", "120", "-H", "Expect:"]
    assert gate.curl(jar, *words, "-T", str(file), "https://sparse.example.com/", patience=120) == f"{size} {wanted}"
    command = gate.curl_command(jar, *words, f"https://sparse.example.com/{size}")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
        digest = Sparse.digest_of(iter(lambda: curl.stdout.read(1 << 20), b""))
    assert curl.returncode == 0 and digest == wanted
    assert peak(gate) < before + (8 << 20)
