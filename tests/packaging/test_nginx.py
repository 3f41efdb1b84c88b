"""packaging/nginx/cardea.conf, in Debian's nginx, in front of a real server, TLS on both sides."""
import base64
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from support.ports import find_ports

ROOT = pathlib.Path(__file__).resolve().parents[2]
CARDEA = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build")) / "cardea"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
CONFIG = ROOT / "packaging" / "nginx" / "cardea.conf"
DEADLINE = 30


def wait_for(port):
    end = time.monotonic() + DEADLINE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.02)


def make_certificate(folder, name):
    """name.pem and name.key for localhost and auth.example.org."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:auth.example.org",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    key.chmod(0o600)
    return certificate, key


class System:
    """Cardea, and nginx with the packaged file, whose names, ports and paths are replaced by those of this test."""

    def __init__(self, folder):
        self.folder = folder
        self.inner, self.http, self.https = find_ports(), find_ports(), find_ports()
        self.own, own_key = make_certificate(folder, "cardea")
        self.outer, self.outer_key = make_certificate(folder, "outer")
        (folder / "cardea.yaml").write_text(f"""\
listen: ["127.0.0.1:{self.inner}"]
issuer: https://auth.example.org
trusted_proxies: ["127.0.0.1"]
tls: {{ certificate: {self.own}, key: {own_key} }}
scopes: [read]
clients:
  - {{ id: app, secret: secret-of-the-app, grant_types: [client_credentials], scopes: [read] }}
""")
        (folder / "cardea.yaml").chmod(0o600)
        self.log = folder / "cardea.log"
        with self.log.open("wb") as log:
            self.cardea = subprocess.Popen([CARDEA, "serve", "--config", folder / "cardea.yaml"], stderr=log)
        wait_for(self.inner)
        self.nginx = subprocess.Popen([NGINX, "-e", folder / "nginx-error.log", "-c", self.write_nginx()])
        wait_for(self.https)

    def write_nginx(self):
        text = CONFIG.read_text()
        for wrong, right in ((r"listen \[::\]:\d+( ssl)?;", ""), (r"listen 80;", f"listen 127.0.0.1:{self.http};"),
                             (r"listen 443 ssl;", f"listen 127.0.0.1:{self.https} ssl;"),
                             (r"server 127\.0\.0\.1:8443;", f"server 127.0.0.1:{self.inner};"),
                             (r"/etc/cardea/ca\.pem", str(self.own)),
                             (r"/etc/ssl/certs/auth\.example\.org\.pem", str(self.outer)),
                             (r"/etc/ssl/private/auth\.example\.org\.key", str(self.outer_key))):
            text, count = re.subn(wrong, right, text)
            assert count, f"{wrong} is not in {CONFIG}"
        path = self.folder / "nginx.conf"
        temporary = "".join(f"    {kind}_temp_path {self.folder}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path.write_text(f"daemon off; pid {self.folder}/nginx.pid; worker_processes 1;\nevents {{}}\n"
                        f"http {{\n    log_format ids '$request_id'; access_log {self.folder}/access.log ids;\n{temporary}{text}}}\n")
        return path

    def ask(self, path, headers=None, data=None):
        context = ssl.create_default_context(cafile=self.outer)
        request = urllib.request.Request(f"https://localhost:{self.https}{path}", data=data, headers=headers or {})
        with urllib.request.urlopen(request, timeout=DEADLINE, context=context) as answer:
            return answer.status, answer.read()

    def events(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def wait_request(self, path, count=1):
        end = time.monotonic() + DEADLINE
        while True:
            found = [event for event in self.events() if event["event"] == "request" and event.get("path") == path]
            if len(found) >= count:
                return found
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.02)

    def stop(self):
        for process in (self.nginx, self.cardea):
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(DEADLINE) for process in (self.nginx, self.cardea)]
        assert codes == [0, 0], self.log.read_text()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    assert NGINX, "nginx is missing: ./dev setup installs it"
    folder = tmp_path_factory.mktemp("nginx")
    if os.geteuid() == 0:  # nginx's worker is not root
        for parent in (folder, *folder.parents[:3]):
            if parent != pathlib.Path("/tmp"):
                parent.chmod(0o755)
    running = System(folder)
    yield running
    running.stop()


def test_a_token_comes_through_nginx_over_tls_on_both_sides(system):

    basic = base64.b64encode(b"app:secret-of-the-app").decode()
    status, body = system.ask("/oauth/token", {"Authorization": f"Basic {basic}"}, b"grant_type=client_credentials")
    assert status == 200 and json.loads(body)["token_type"] == "Bearer"
    status, body = system.ask("/.well-known/oauth-authorization-server")
    assert json.loads(body)["issuer"] == "https://auth.example.org"


def test_lesson_3_the_log_has_the_client_that_nginx_saw_not_the_one_that_the_client_claims(system):
    system.ask("/.well-known/jwks.json", {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"})
    event = system.wait_request("/.well-known/jwks.json")[-1]
    assert event["peer"] == "127.0.0.1" and event["client_address"] == "127.0.0.1"


def test_the_real_client_address_is_in_the_log(system):
    """A client that is not 127.0.0.1: loopback has more addresses."""
    context = ssl.create_default_context(cafile=system.outer)
    with socket.create_connection(("127.0.0.1", system.https), DEADLINE, source_address=("127.0.7.9", 0)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            connection.sendall(b"GET /no-such-page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 404")
    event = system.wait_request("/no-such-page")[-1]
    assert event["peer"] == "127.0.0.1" and event["client_address"] == "127.0.7.9"


def test_one_request_id_is_on_the_lines_of_both(system):
    system.ask("/.well-known/jwks.json?id")
    ids = {event["request_id"] for event in system.wait_request("/.well-known/jwks.json")}
    end = time.monotonic() + DEADLINE
    while not ids & set((system.folder / "access.log").read_text().split()):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_plain_http_is_redirected(system):
    with socket.create_connection(("127.0.0.1", system.http), DEADLINE) as connection:
        connection.sendall(b"GET /grant?a=b HTTP/1.1\r\nHost: auth.example.org\r\nConnection: close\r\n\r\n")
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 308") and b"Location: https://auth.example.org/grant?a=b\r\n" in answer


def test_nginx_keeps_its_connections_to_cardea(system):
    """One handshake serves many requests."""
    before = len(system.wait_request("/.well-known/jwks.json", 0))
    context = ssl.create_default_context(cafile=system.outer)
    with socket.create_connection(("127.0.0.1", system.https), DEADLINE) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as connection:
            for _ in range(20):
                connection.sendall(b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
                received = b""
                while b"\r\n\r\n" not in received or not received.rstrip().endswith(b"]}"):
                    received += connection.recv(65536)
                assert received.startswith(b"HTTP/1.1 200")
    system.wait_request("/.well-known/jwks.json", before + 20)
    assert open_connections(system.inner) <= 4


def open_connections(port):
    """Established connections to a port of this machine, by the kernel's table."""
    wanted = f":{port:04X}"
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[2].endswith(wanted) and line.split()[3] == "01" for line in lines)


def test_a_certificate_that_is_not_cardeas_is_refused_by_nginx(system, tmp_path):
    """proxy_ssl_verify is what keeps another program on that port from taking passwords."""
    other, _ = make_certificate(tmp_path, "other")
    folder = system.folder
    text = (folder / "nginx.conf").read_text().replace(str(system.own), str(other)).replace(f"{folder}/nginx.pid", f"{tmp_path}/pid")
    port = find_ports()
    text = text.replace(f"127.0.0.1:{system.https} ssl", f"127.0.0.1:{port} ssl").replace(f"127.0.0.1:{system.http}", f"127.0.0.1:{find_ports()}")
    (tmp_path / "nginx.conf").write_text(text)
    nginx = subprocess.Popen([NGINX, "-e", tmp_path / "error.log", "-c", tmp_path / "nginx.conf"])
    try:
        wait_for(port)
        context = ssl.create_default_context(cafile=system.outer)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"https://localhost:{port}/healthz", timeout=DEADLINE, context=context)
        assert refused.value.code == 502
    finally:
        nginx.send_signal(signal.SIGTERM)
        nginx.wait(DEADLINE)
