"""The relay behind nginx and Apache, with the lines of docs/relay.md and the example bot in both encodings."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import pytest

import services

sys.path.append(str(services.ROOT / "tests/http/relay"))

from receivers import closed_port  # noqa: E402
from relayed import CODE, STATE, Page  # noqa: E402
from running import relayed  # noqa: E402, F401

PAGE = (services.ROOT / "docs/relay.md").read_text()
BOT = services.ROOT / "examples/bot/bot.py"
ENCODINGS = ("pickle", "json")


def lines_of(name):
    """What the page says to write into the file."""
    return re.search(rf"^cat > {name} <<'END'\n(.*?)^END$", PAGE, re.M | re.S)[1]


def find(program):
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert path, f"{program} is missing: ./dev setup installs it"
    return path


class Running:
    """A program that listens on a port."""

    def __init__(self, command, port, log):
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        services.wait_until(lambda: self.process.poll() is not None or is_open(port), "the port")
        assert self.process.poll() is None, log.read_text()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(services.PATIENCE)


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


def start_nginx(folder, port, cardea):
    text = lines_of("nginx-relay.conf").replace("127.0.0.1:5000", f"127.0.0.1:{cardea}")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root; " if os.geteuid() == 0 else ""  # who may enter the folder of the test
    path = folder / "nginx.conf"
    path.write_text(f"{user}daemon off; pid {folder}/pid; worker_processes 1;\nevents {{}}\nhttp {{\naccess_log {folder}/access.log;\n{temporary}"
                    f"server {{\nlisten 127.0.0.1:{port};\n{text}}}\n}}\n")
    return Running([find("nginx"), "-e", "stderr", "-c", path], port, folder / "proxy.log"), folder / "access.log"


def start_apache(folder, port, cardea, path):
    text = lines_of("apache-relay.conf").replace("127.0.0.1:5000", f"127.0.0.1:{cardea}").replace("${APACHE_LOG_DIR}", str(folder))
    if path != "/register":  # as the page says for another path
        assert '`ProxyPass "/bot/" "http://127.0.0.1:5000/"`' in PAGE
        text = re.sub(r"^ProxyPass .*$", f'ProxyPass "/bot/" "http://127.0.0.1:{cardea}/"', text, flags=re.M).replace("^/register", "^/bot/")
    modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"
                      for name in ("mpm_event", "authz_core", "setenvif", "proxy", "proxy_http"))
    user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
    config = folder / "apache.conf"
    config.write_text(f"ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile pid\nErrorLog /dev/stderr\nServerName example.com\n{user}Listen 127.0.0.1:{port}\n"
                      f'{modules}LogFormat "%r" combined\n{text}')
    return Running([find("apache2"), "-D", "FOREGROUND", "-f", config], port, folder / "proxy.log"), folder / "access.log"


PROXIES = {
    "nginx-below-a-path": ("/bot/register", start_nginx),
    "apache": ("/register", lambda folder, port, cardea: start_apache(folder, port, cardea, "/register")),
    "apache-below-a-path": ("/bot/register", lambda folder, port, cardea: start_apache(folder, port, cardea, "/bot/register")),
}


class System:
    def __init__(self, start_proxy, server, path):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardea-relay-"))
        self.port, self.server, self.path = closed_port(), server, path
        self.url = f"http://127.0.0.1:{self.port}"
        self.proxy, self.access_log = start_proxy(self.folder, self.port, server.service.port)

    def get(self, suffix="", query=None):
        query = f"?code={CODE}&state={STATE.replace('=', '%3D')}" if query is None else query
        return Page(services.call(self.url + self.path + suffix + query))

    def stop(self):
        self.proxy.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(params=PROXIES)
def behind(request, relayed):  # noqa: F811
    """behind(route) returns the proxy in front of a server with the route."""
    path, start_proxy = PROXIES[request.param]
    running = []

    def start(**route):
        running.append(System(start_proxy, relayed(route), path))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def bot(tmp_path):
    running = []

    def start(encoding, port):
        running.append(Running([sys.executable, BOT, encoding, str(port)], port, tmp_path / "bot.log"))

    yield start
    for one in running:
        one.stop()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_example_bot_registers_the_user(behind, bot, encoding):
    port = closed_port()
    bot(encoding, port)
    system = behind(deliver=f"tcp://127.0.0.1:{port}", encoding=encoding)
    for suffix in ("", "/"):
        page = system.get(suffix)
        assert (page.status, page.mark, page.message) == (200, True, f"Registered {STATE}"), page.text
    page = system.get(query=f"?error=access_denied&state={STATE}x")
    assert (page.mark, page.message) == (False, "The login has ended: access_denied")
    styles = services.call(system.url + system.path + re.search(r'href="([^"]+)"', page.text)[1])
    assert styles.status == 200 and "text/css" in styles.headers["Content-Type"]


def test_the_code_is_not_in_the_log_of_the_proxy(behind, bot):
    port = closed_port()
    bot("json", port)
    system = behind(deliver=f"tcp://127.0.0.1:{port}", encoding="json")
    assert system.get().mark is True
    services.call(system.url + "/other?x=logged")
    system.proxy.stop()
    written = system.access_log.read_text() if system.access_log.exists() else ""
    assert "logged" in written and CODE not in written
    assert CODE not in system.proxy.log.read_text()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_button_of_the_page_works_below_the_path(behind, bot, encoding):
    port = closed_port()
    system = behind(deliver=f"tcp://127.0.0.1:{port}", encoding=encoding, timeout="1s")
    page = system.get()
    assert page.status == 503 and page.form == {"state": STATE, "code": CODE}
    action = re.search(r'<form[^>]* action="([^"]*)"', page.text)[1]
    assert not action.startswith("/"), "relative"
    bot(encoding, port)
    page = Page(services.call(system.url + system.path, "POST", body=page.form))
    assert page.message == f"Registered {STATE}"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_page_waits_for_a_held_delivery_below_the_path(behind, bot, encoding):
    port = closed_port()
    system = behind(deliver=f"tcp://127.0.0.1:{port}", encoding=encoding, timeout="1s", hold="5m")
    page = system.get()
    assert page.status == 303 and page.headers["Location"].startswith("?")
    bot(encoding, port)
    services.wait_until(lambda: system.get(query=page.headers["Location"]).message == f"Registered {STATE}", "the answer")


def test_what_is_refused_has_a_page_behind_the_proxy_too(behind):
    system = behind(deliver=f"tcp://127.0.0.1:{closed_port()}", encoding="json", timeout="1s")
    for query in ("", "?code=a&code=b&state=s", f"?code={CODE}&error=x&state=s", "?code=%00&state=s"):
        page = system.get(query=query)
        assert page.status == 400 and "<h1>" in page.text
    assert 400 <= system.get(query="?code=" + "x" * 100_000).status < 500
