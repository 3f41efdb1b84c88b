"""What is uWSGI's own: the check is a function of Python in the instance, which must let nothing through when it fails; the application has the
path decoded; and a server in front may speak uWSGI's protocol."""
import os
import subprocess
import urllib.parse

import pytest
from services import call, wait_until

from .application import Application
from .client import ask
from .installation import Installation
from .proxies import Uwsgi, find, find_ports

pytestmark = pytest.mark.xdist_group("uwsgi-itself")  # one server for all

WIKI = "wiki.example.com"


@pytest.fixture(scope="module")
def cardea(tmp_path_factory):
    running = Installation(tmp_path_factory.mktemp("uwsgi") / "cardea")
    yield running
    running.stop()


@pytest.fixture
def application():
    running = Application()
    yield running
    running.close()


@pytest.fixture
def start(cardea, application, tmp_path):
    """Starts an instance of one site. The function that asks it as a user."""
    started = []

    def with_changes(include=lambda text: text, instance=lambda text: text, more=""):
        class Changed(Uwsgi):
            def write(self, sites):
                self.more = more
                command = super().write([instance(site) for site in sites])
                path = self.folder / "cardea.py"
                text = include(path.read_text())
                path.write_text(text) if text is not None else path.unlink()
                return command

        port = find_ports()
        started.append(Changed(tmp_path, {WIKI: port}, f"http://127.0.0.1:{application.port}", cardea.config))
        return lambda target="/x", user="ana", headers=(): ask(
            port, WIKI, f"GET {target}", [("Host", WIKI), *headers, *([("Cookie", cardea.cookie(user))] if user else [])])

    yield with_changes
    for proxy in started:
        proxy.stop()


@pytest.mark.parametrize("more", ["threads = 4\n", "lazy-apps = true\n", "single-interpreter = true\nenable-threads = true\n"])
def test_the_check_works_however_the_instance_runs_its_workers(start, application, more):
    get = start(more=more)
    for _ in range(4):
        assert get(user=None).status == 401 and get(user="bob").status == 403
    assert application.received == []
    assert get().status == 200
    assert application.received[0].values("Remote-User") == application.received[0].values("X-Remote-User-Variable") == ["ana"]


@pytest.mark.parametrize("include", [
    lambda text: None,
    lambda text: "raise ValueError",
    lambda text: text.replace('register_rpc("cardea", ', 'register_rpc("other", '),
    lambda text: text.replace("def check(", "def check_(").replace("return check(*values)", "raise SystemExit"),
    lambda text: text.replace('return b"allowed"', "return None"),
    lambda text: text.replace('return b"allowed"', 'return b"allowed "'),
    lambda text: text.replace("uwsgi.add_var(", "uwsgi.no_such_function("),
    lambda text: text.replace("lambda answer: answer", "None").replace('return b"allowed"', 'return b"other"'),
], ids=["missing", "fails", "not-registered", "ends", "nothing", "other-word", "no-variables", "no-refusal"])
def test_lesson_1_a_check_that_fails_lets_nothing_through(start, application, include):
    get = start(include=include)
    for target in ("/x", "/x?CARDEA=allowed"):
        try:
            answer = get(target, headers=[("Cardea", "allowed"), ("CARDEA", "allowed")])
        except OSError:
            answer = None
        assert answer is None or answer.status >= 400
    assert application.received == []


def test_lesson_1_an_instance_without_the_line_that_asks_lets_nothing_through(start, application):
    get = start(instance=lambda text: "".join(line for line in text.splitlines(True) if "rpcvar:" not in line))
    answer = get(headers=[("CARDEA", "allowed")])
    assert (answer is None or answer.status >= 400) and application.received == []


@pytest.mark.parametrize("target", ["/a%20b%2Fc/%C3%BC?x=%20y", "/a//b;c=d/", "/"])
def test_lesson_2_the_application_has_the_path_that_was_decided_on(start, application, target):
    assert start()(target).status == 200
    received = application.received[0]
    assert received.target == target
    decoded = urllib.parse.unquote_to_bytes(target.partition("?")[0]).decode("latin-1")
    assert received.values("X-Path-Info") == [decoded.encode("unicode_escape").decode()]


@pytest.mark.parametrize("setting", ["static-map = /files=FOLDER", "check-static = FOLDER", "static-index = index.html\nstatic-map = /=FOLDER"])
def test_lesson_1_files_that_uwsgi_serves_itself_are_protected(start, tmp_path, setting):
    folder = tmp_path / "folder"
    (folder / "files").mkdir(parents=True)
    for name in ("x.txt", "files/x.txt", "index.html"):
        (folder / name).write_text("secret")
    get = start(more=setting.replace("FOLDER", str(folder)) + "\n")
    for target in ("/files/x.txt", "/x.txt", "/", "/files/../files/x.txt"):
        for user in (None, "bob"):
            answer = get(target, user)
            assert answer.status in (401, 403) and b"secret" not in answer.body
    assert get("/files/x.txt").body == b"secret"


@pytest.mark.parametrize("target", ["https://wiki.example.com/x", "*", "x", "/x#y", "/x?a#b"])
def test_lesson_2_a_target_that_is_no_path_is_refused(start, application, target):
    assert start()(target).status == 400 and application.received == []


@pytest.mark.parametrize("line", [b"Origin: a\r\n X-Forwarded-Uri: /y", b"Origin: a\nX-Forwarded-Uri: /y", b"X-Api-Key: a\x00b"])
def test_lesson_1_a_value_with_line_breaks_does_not_reach_the_check(start, application, line):
    assert start()(headers=[line]).status == 400 and application.received == []


def test_a_cookie_of_any_bytes_reaches_the_application(start, application):
    value = "a=" + "".join(map(chr, [*range(0x21, 0x7f), *range(0x80, 0x100), 0x1c, 0x0b, 0x0c, 0x09])).replace(",", "").replace(";", "") + "z"
    answer = start()(headers=[("Cookie", value)])
    if answer.status == 200:
        assert application.received[0].values("Cookie") == [value]
    else:
        assert answer.status in (400, 403, 503) and application.received == []


def test_a_server_in_front_may_speak_the_protocol_of_uwsgi(start, cardea, application, tmp_path):
    """nginx with uwsgi_pass, as its package has it."""
    port, backend = find_ports(), find_ports()
    start(instance=lambda text: text.replace("https-socket = ", f"socket = 127.0.0.1:{backend}\nhttps-socket = "))
    (tmp_path / "nginx.conf").write_text(
        f"{'user root; ' if os.geteuid() == 0 else ''}daemon off; pid {tmp_path}/pid; events {{}}\n"
        f"http {{ access_log off; uwsgi_temp_path {tmp_path}/u; client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p; fastcgi_temp_path {tmp_path}/f;"
        f"scgi_temp_path {tmp_path}/s; server {{ listen 127.0.0.1:{port};"
        f"location / {{ include /etc/nginx/uwsgi_params; uwsgi_param REMOTE_USER admin; uwsgi_pass 127.0.0.1:{backend}; }} }} }}\n")
    nginx = subprocess.Popen([find("nginx"), "-e", "stderr", "-c", tmp_path / "nginx.conf"])
    try:
        forged = {"Remote-User": "admin", "Remote_User": "admin", "X-Forwarded-For": "10.0.0.1", "CARDEA": "allowed"}
        wait_until(lambda: get(port, forged) != 502, "nginx to start")
        assert get(port, forged) == 401
        assert get(port, {**forged, "Cookie": cardea.cookie("bob")}) == 403 and application.received == []
        assert get(port, {**forged, "Cookie": cardea.cookie("ana")}) == 200
        received = application.received[0]
        assert received.values("Remote-User") == received.values("X-Remote-User-Variable") == ["ana"]
        assert received.values("X-Forwarded-For") == ["127.0.0.1"] and "cardea_" not in str(received.headers)
    finally:
        nginx.terminate()
        nginx.wait(30)


def get(port, headers):
    try:
        return call(f"http://127.0.0.1:{port}/x", headers=headers.items()).status
    except OSError:
        return 502
