"""HTTP/2 of others: curl, nghttp, h2load, and a browser."""
import json
import os
import re
import shutil
import subprocess

import pytest

from frames import *  # noqa: F403
from engine import BUILD, ROOT

CARDEA = (BUILD if BUILD.is_absolute() else ROOT / BUILD) / "cardea"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    subprocess.run([CARDEA, "cert", "new", "localhost", "127.0.0.1", "--dir", folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def secure(pair):
    """With TLS, and nothing said of HTTP/2: it is on."""
    with Server("certificate", pair / "cert.pem", "key", pair / "key.pem", "threads", 2) as running:
        yield running


def run(program, *arguments, **options):
    if not shutil.which(program):
        pytest.skip(f"no {program}")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, timeout=3 * PATIENCE, **options)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def curl(*arguments, data_=None):
    code, out, err = run("curl", "-sS", "--max-time", PATIENCE, "-w", "\n%{http_version} %{http_code}", *arguments, input=data_)
    assert code == 0, err
    body, _, last = out.rpartition("\n")
    return (*last.split(" "), body)


def test_curl_with_prior_knowledge(server):
    url = f"http://127.0.0.1:{server.port}"
    assert curl("--http2-prior-knowledge", f"{url}/inline?curl") == ("2", "200", "curl")
    assert curl("--http2-prior-knowledge", "-d", "@-", f"{url}/echo", data_=b"x" * 60000) == ("2", "200", "x" * 60000)
    assert curl("--http2-prior-knowledge", "-T", "-", f"{url}/sink", data_=b"x" * 3000000) == ("2", "200", "3000000")


def test_curl_that_would_upgrade_is_answered_in_http_1(server):
    """RFC 9113 section 3.1: the upgrade of RFC 7540 is no more."""
    assert curl("--http2", f"http://127.0.0.1:{server.port}/inline?curl") == ("1.1", "200", "curl")


def test_curl_over_tls(secure, pair):
    url, trust = f"https://localhost:{secure.port}", ["--cacert", pair / "ca.pem"]
    assert curl(*trust, "--http2", f"{url}/inline?curl") == ("2", "200", "curl")
    assert curl(*trust, "--http1.1", f"{url}/inline?curl") == ("1.1", "200", "curl")
    assert curl(*trust, "--http2", "-d", "@-", f"{url}/echo", data_=b"x" * 60000) == ("2", "200", "x" * 60000)
    assert json.loads(curl(*trust, "--http2", f"{url}/scheme")[2])["scheme"] == "https"
    events = [event for event in secure.events("request") if event["path"] == "/inline"]
    assert {event["protocol"] for event in events} == {"2", "1.1"}


def test_curl_downloads_much_over_tls(secure, pair, tmp_path):
    got = tmp_path / "got"
    code, _, err = run("curl", "-sS", "--http2", "--cacert", pair / "ca.pem", "-o", got, f"https://localhost:{secure.port}/source?50000000")
    assert code == 0 and got.stat().st_size == 50000000, err


def test_http2_may_be_switched_off(pair):
    with Server("certificate", pair / "cert.pem", "key", pair / "key.pem", "http2", 0, "listen", "127.0.0.1:0") as server:
        done = curl("--cacert", pair / "ca.pem", "--http2", f"https://localhost:{server.port}/inline?curl")
        assert done == ("1.1", "200", "curl")


def test_without_tls_http2_is_off_unless_it_is_asked_for():
    with Server("http2", 0, "listen", "127.0.0.1:0") as server, server.connect_raw() as sock:
        sock.sendall(PREFACE + settings() + headers(1, request("/inline?unserved")))
        got = b""
        while piece := sock.recv(65536):
            got += piece
        assert got.startswith(b"HTTP/1.1 400 ") and b"unserved" not in got


def test_nghttp_over_tls(secure):
    code, out, err = run("nghttp", "-v", "--no-verify-peer", *[f"https://localhost:{secure.port}/inline?{i}" for i in range(5)])
    assert code == 0 and "The negotiated protocol: h2" in out, err
    assert len(re.findall(r"recv \(stream_id=\d+\) :status: 200", out)) == 5
    assert "SETTINGS_ENABLE_CONNECT_PROTOCOL(0x08):1" in out and "recv GOAWAY" not in out


def test_nghttp_sends_a_body_with_trailers_and_padding(server, tmp_path):
    (tmp_path / "body").write_bytes(b"x" * 50000)
    code, out, err = run("nghttp", "-b", 100, "-d", tmp_path / "body", "--trailer", "x-sum: 1", f"http://127.0.0.1:{server.port}/sink")
    assert code == 0 and out == "50000", (out, err)


@pytest.mark.parametrize("path", ["/inline?a", "/worker?a", "/big?20000", "/source?20000"])
def test_h2load_reports_no_failure(server, path):
    code, out, err = run("h2load", "-n", 1000, "-c", 10, "-m", 10, f"http://127.0.0.1:{server.port}{path}")
    assert code == 0 and "1000 total, 1000 started, 1000 done, 1000 succeeded, 0 failed, 0 errored, 0 timeout" in out, (out, err)
    assert "status codes: 1000 2xx, 0 3xx, 0 4xx, 0 5xx" in out


def test_h2load_over_tls_reports_no_failure(secure):
    code, out, err = run("h2load", "-n", 1000, "-c", 10, "-m", 10, f"https://localhost:{secure.port}/inline?a")
    assert code == 0 and "Application protocol: h2" in out and "1000 succeeded, 0 failed" in out, (out, err)


def test_h2load_uploads_reports_no_failure(server, tmp_path):
    (tmp_path / "body").write_bytes(b"x" * 50000)
    code, out, err = run("h2load", "-n", 300, "-c", 5, "-m", 10, "-d", tmp_path / "body", f"http://127.0.0.1:{server.port}/echo")
    assert code == 0 and "300 succeeded, 0 failed" in out, (out, err)


def test_a_browser_speaks_http2(secure, tmp_path):
    log = tmp_path / "netlog.json"
    code, out, err = run(
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-dev-shm-usage", "--ignore-certificate-errors",
        f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={log}", "--dump-dom", f"https://localhost:{secure.port}/inline?from-the-browser",
        env={**os.environ, "HOME": str(tmp_path)})
    assert code == 0 and "from-the-browser" in out, (out, err[-2000:])
    text = log.read_text(errors="replace")
    assert '"negotiated_protocol":"h2"' in text.replace(" ", "") or '"protocol":"h2"' in text.replace(" ", ""), text[:500]
    events = [event for event in secure.events("request") if event["path"] == "/inline" and event["protocol"] == "2"]
    assert events, secure.text()[-2000:]
