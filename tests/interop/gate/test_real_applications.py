"""Applications that are in use everywhere, behind the gate, with the clients that their users have."""
import hashlib
import json
import os
import re
import subprocess

import pytest
from gated import Gated

from .applications import PATH, Apache, SecureGate, find, find_ports, start_django, start_flask_in_uwsgi, start_gunicorn
from .peers import PATIENCE

pytestmark = pytest.mark.xdist_group("gate-applications")  # one set of servers for all
FLASKS = ["gunicorn", "uwsgi", "uwsgi-unix"]


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("applications")
    (folder / "site").mkdir()
    uwsgi = find_ports()
    running = [start_flask_in_uwsgi(folder, uwsgi, folder / "uwsgi.sock"),
               start_gunicorn(folder, "flask_application", folder / "gunicorn.sock"),
               start_django(folder / "site"), Apache(folder)]
    django, apache = running[2:]
    staff = {"allow": {"groups": ["staff"]}}
    made = SecureGate(folder / "cardea", [
        {"host": "gunicorn.example.com", "upstream": f"unix:{folder}/gunicorn.sock", **staff},
        {"host": "uwsgi.example.com", "upstream": f"uwsgi://127.0.0.1:{uwsgi}", **staff},
        {"host": "uwsgi-unix.example.com", "upstream": f"uwsgi+unix:{folder}/uwsgi.sock", **staff},
        {"host": "django.example.com", "upstream": f"http://127.0.0.1:{django.port}", **staff},
        {"host": "files.example.com", "upstream": f"http://127.0.0.1:{apache.port}", "paths": "opaque", **staff},
        {"host": "rewritten.example.com", "upstream": f"http://127.0.0.1:{apache.port}", "paths": "opaque",
         "set_host": "apache.internal", "rewrite": True, **staff},
    ])
    made.apache = apache
    yield made
    made.stop()
    for each in running:
        each.stop()


class Curl:
    """curl as a browser: one jar of cookies, and what it received last."""

    def __init__(self, gate, jar, *words):
        self.gate, self.jar, self.words = gate, jar, words

    def ask(self, url, *words):
        """The status and the body; `head` has the headers."""
        text = self.gate.curl(self.jar, *self.words, "-i", url, *words)
        while True:
            self.head, _, text = text.replace("\r\n", "\n", 200).partition("\n\n")
            status = int(self.head.split()[1])
            if status >= 200:
                return status, text

    def header(self, name):
        return re.findall(rf"^{name}: *(.*)$", self.head, re.M | re.I)


@pytest.fixture(params=["--http1.1", "--http2"])
def browser(request, gate, tmp_path):
    return Curl(gate, gate.write_jar(tmp_path / "jar"), request.param)


# ---- Flask behind uWSGI and behind gunicorn ----


@pytest.mark.parametrize("host", FLASKS)
def test_flask_knows_the_user_and_keeps_its_own_cookies(browser, host):
    url = f"https://{host}.example.com"
    status, _ = browser.ask(f"{url}/enter")
    assert status == 302 and browser.header("location") == ["/"]
    status, text = browser.ask(f"{url}/")
    seen = json.loads(text)
    assert seen.pop("url") in (f"{url}/", url.replace("https", "http") + "/")
    assert seen == {"user": "ana", "groups": "staff", "cookies": {"session": "of the application", "theme": "dark"},
                    "proto": "https", "address": "127.0.0.1", "is_secure": host != "gunicorn"}
    kept = {line.split("\t")[5] for line in browser.jar.read_text().splitlines() if line.count("\t") == 6}
    assert kept == {"session", "theme", "__Secure-cardea_session"}


@pytest.mark.parametrize("host", FLASKS)
def test_flask_takes_a_form_with_a_file(browser, tmp_path, host):
    file = tmp_path / "größe.bin"
    file.write_bytes(os.urandom(3_000_000))
    status, text = browser.ask(f"https://{host}.example.com/upload", "-F", "note=a & b €", "-F", f"file=@{file}")
    assert status == 200, text
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert json.loads(text) == {"name": "größe.bin", "note": "a & b €", "digest": digest}


@pytest.mark.parametrize("host", FLASKS)
def test_flask_takes_a_body_whose_length_is_not_said(browser, tmp_path, host):
    content = os.urandom(2_000_000)
    (tmp_path / "file").write_bytes(content)
    status, text = browser.ask(f"https://{host}.example.com/raw", "-T", str(tmp_path / "file"),
                               "-H", "Transfer-Encoding: chunked", "-H", "Content-Length:")
    assert status == 200, text
    seen = json.loads(text)
    assert (seen["size"], seen["digest"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert seen["length"] == (None if host == "gunicorn" else str(len(content)))


@pytest.mark.parametrize("host", FLASKS)
def test_flask_answers_ranges_head_and_what_is_not_modified(browser, host):
    url = f"https://{host}.example.com/source"
    status, text = browser.ask(url, "-r", "3-9")
    assert (status, text) == (206, "A Flask"), browser.head
    status, _ = browser.ask(url)
    (tag,), (length,) = browser.header("etag"), browser.header("content-length")
    assert browser.ask(url, "-H", f"If-None-Match: {tag}") == (304, "")
    assert browser.ask(url, "-I") == (200, "") and browser.header("content-length") == [length]
    assert browser.ask(url, "-r", "999999-")[0] == 416


@pytest.mark.parametrize("host", FLASKS)
def test_an_answer_that_comes_before_the_body_was_read_is_passed_on(gate, tmp_path, host):
    file, url = tmp_path / "file", f"https://{host}.example.com/refuse"
    file.write_bytes(bytes(20_000_000))
    client = Curl(gate, gate.write_jar(tmp_path / "jar"), "--http1.1")
    for words in ([], ["-H", "Expect:"]):
        status, text = client.ask(url, "-X", "POST", "-T", str(file), *words)
        assert (status, text) == (403, "no"), client.head
    # curl 7.88 calls it an error that the stream ends while it writes.
    headers = ["-H", f":authority: {host}.example.com", "-H", f"cookie: {gate.cookies['ana']}"]
    words = ["-v", "--no-dep", "-d", file, *headers, f"https://127.0.0.1:{gate.h1}/refuse"]
    done = subprocess.run([find("nghttp"), *words], capture_output=True, text=True, timeout=PATIENCE)
    assert ":status: 403" in done.stdout and "error_code=NO_ERROR(0x00)" in done.stdout, done.stdout[-3000:]


# ---- Django's admin behind gunicorn ----


DJANGO = "https://django.example.com/admin"


def csrf(text):
    return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text)[1]


def test_django_admin_logs_in_changes_its_data_and_logs_out(browser):
    status, _ = browser.ask(f"{DJANGO}/")
    assert (status, browser.header("location")) == (302, ["/admin/login/?next=/admin/"])
    _, text = browser.ask(f"{DJANGO}/login/?next=/admin/")
    fields = ["-d", "username=root", "-d", "password=django", "--data-urlencode", "next=/admin/"]
    status, _ = browser.ask(f"{DJANGO}/login/", *fields, "-H", f"Referer: {DJANGO}/login/")
    assert status == 403, "without its token"
    fields += ["-d", f"csrfmiddlewaretoken={csrf(text)}"]
    # Django looks at it because it believes that TLS is in use.
    for referer in ("", "https://other.example.com/", "http://django.example.com/"):
        status, _ = browser.ask(f"{DJANGO}/login/", *fields, "-H", f"Referer: {referer}")
        assert status == 403, referer
    status, _ = browser.ask(f"{DJANGO}/login/", *fields, "-H", f"Referer: {DJANGO}/login/")
    assert (status, browser.header("location")) == (302, ["/admin/"]), "logged in"
    assert len(browser.header("set-cookie")) == 2, browser.head

    _, text = browser.ask(f"{DJANGO}/auth/group/add/")
    name = f"group of {browser.words[0]} & co"
    status, _ = browser.ask(f"{DJANGO}/auth/group/add/", "-H", f"Referer: {DJANGO}/auth/group/add/",
                            "--data-urlencode", f"name={name}", "-d", "permissions=1", "-d", "permissions=2",
                            "-d", f"csrfmiddlewaretoken={csrf(text)}")
    assert (status, browser.header("location")) == (302, ["/admin/auth/group/"])
    _, text = browser.ask(f"{DJANGO}/auth/group/?q=group+of&o=-1")
    assert "was added successfully" in text and name.replace("&", "&amp;") in text
    status, text = browser.ask(f"{DJANGO}/logout/")
    assert status == 200 and "Logged out" in text
    assert browser.ask(f"{DJANGO}/")[0] == 302


def test_django_static_files(browser):
    _, page = browser.ask(f"{DJANGO}/login/")
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        status, text = browser.ask(f"https://django.example.com{path}")
        assert status == 200 and len(text.encode()) == int(browser.header("content-length")[0]), path


# ---- git http-backend ----


def git(gate, folder, *words, code=0, **more):
    environment = {"PATH": PATH, "HOME": str(folder), "GIT_SSL_CAINFO": str(gate.ca), "GIT_TERMINAL_PROMPT": "0",
                   "GIT_CONFIG_NOSYSTEM": "1"}
    settings = {"http.curloptResolve": f"files.example.com:{gate.h1}:127.0.0.1", "user.name": "Ana",
                "user.email": "ana@example.com", "init.defaultBranch": "main", **more}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    done = subprocess.run([find("git"), *options, *words], cwd=folder, env=environment, capture_output=True, text=True,
                          timeout=2 * PATIENCE)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
def test_git_clones_and_pushes_a_large_file_with_a_personal_token(gate, tmp_path, version):
    name = f"{version.replace('/', '')}.git"
    gate.apache.run("git", "init", "-q", "--bare", str(gate.apache.repositories / name))
    url = f"https://ana:{gate.make_token('ana')}@files.example.com:{gate.h1}/git/{name}"
    more = {"http.version": version, "http.postBuffer": "65536", "core.compression": "0"}
    git(gate, tmp_path, "clone", "-q", url, "one", **more)
    content = os.urandom(16 << 20)
    (tmp_path / "one/large.bin").write_bytes(content)
    git(gate, tmp_path / "one", "add", ".", **more)
    git(gate, tmp_path / "one", "commit", "-qm", "large", **more)
    git(gate, tmp_path / "one", "push", "-q", "origin", "HEAD:main", **more)
    git(gate, tmp_path, "clone", "-q", "-b", "main", url, "two", **more)
    assert (tmp_path / "two/large.bin").read_bytes() == content
    git(gate, tmp_path / "two", "push", "-q", "origin", "HEAD:refs/heads/small", **more)
    assert "small" in git(gate, tmp_path / "one", "ls-remote", "origin", **more)


def test_git_without_a_token_or_with_that_of_a_stranger_is_refused(gate, tmp_path):
    gate.apache.run("git", "init", "-q", "--bare", str(gate.apache.repositories / "closed.git"))
    path = f"files.example.com:{gate.h1}/git/closed.git"
    assert "could not read Username" in git(gate, tmp_path, "ls-remote", f"https://{path}", code=128)
    assert "Authentication failed" in git(gate, tmp_path, "ls-remote", f"https://ana:wrong@{path}", code=128)
    assert "403" in git(gate, tmp_path, "ls-remote", f"https://bob:{gate.make_token('bob')}@{path}", code=128)


# ---- WebDAV of Apache ----


PROPFIND = '<?xml version="1.0"?><propfind xmlns="DAV:"><prop><getcontentlength/></prop></propfind>'
LOCK = ('<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype>'
        "</lockinfo>")


@pytest.mark.parametrize("host", ["files", "rewritten"])
def test_webdav_of_apache(gate, browser, tmp_path, host):
    home = f"https://{host}.example.com/dav/"
    folder = f"{home}{host}{browser.words[0]}/"
    assert browser.ask(folder, "-X", "MKCOL")[0] == 201
    (tmp_path / "file").write_text("content")
    upload = ["-T", str(tmp_path / "file")]
    names = ["plain.txt", "a%20b%C3%BC.txt", "a%2Fb.txt", "a;v=1.txt", "100%25.txt"]
    for name in names:
        assert browser.ask(folder + name, *upload)[0] == 201, name
        assert browser.ask(folder + name) == (200, "content"), name
    status, text = browser.ask(folder, "-X", "PROPFIND", "-H", "Depth: 1", "-d", PROPFIND)
    assert status == 207 and text.count("<D:href>") == len(names) + 1, text
    status, _ = browser.ask(f"{folder}a%2Fb.txt", "-X", "MOVE", "-H", f"Destination: {folder}moved%2F%20b.txt")
    assert status == 201, browser.head
    assert browser.ask(f"{folder}a%2Fb.txt")[0] == 404 and browser.ask(f"{folder}moved%2F%20b.txt") == (200, "content")
    plain, destination = f"{folder}plain.txt", f"Destination: {folder}moved%2F%20b.txt"
    assert browser.ask(plain, "-X", "COPY", "-H", destination, "-H", "Overwrite: F")[0] == 412
    status, text = browser.ask(plain, "-X", "LOCK", "-d", LOCK)
    assert status == 200, text
    (token,) = browser.header("lock-token")
    assert browser.ask(plain, *upload)[0] == 423
    assert browser.ask(plain, *upload, "-H", f"If: ({token})")[0] == 204
    assert browser.ask(plain, "-X", "UNLOCK", "-H", f"Lock-Token: {token}")[0] == 204
    status, _ = browser.ask(folder.rstrip("/"))  # Apache believes that it speaks HTTP, which only `rewrite` mends
    seen = folder if host == "rewritten" else folder.replace("https", "http")
    assert (status, browser.header("location")) == (301, [seen])
    assert browser.ask(folder, "-X", "DELETE")[0] == 204


# ---- litmus, the test suite for WebDAV servers: all that Apache passes by itself ----


@pytest.fixture(scope="module")
def plain(gate, tmp_path_factory):
    """Without TLS, at hosts that litmus finds."""
    upstream = {"upstream": f"http://127.0.0.1:{gate.apache.port}", "paths": "opaque", "allow": {"groups": ["staff"]}}
    made = Gated(tmp_path_factory.mktemp("litmus"), [
        {"host": "localhost", **upstream},
        {"host": "127.0.0.1", "set_host": "apache.internal", "rewrite": True, **upstream},
    ])
    yield made
    made.stop()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("suite", ["basic", "copymove", "props", "locks", "http"])
def test_litmus_finds_no_fault(plain, tmp_path, suite, host):
    words = ["--htdocs", "/usr/share/litmus/htdocs", f"http://{host}:{plain.h1}/dav/", "ana", plain.make_token("ana")]
    done = subprocess.run([f"/usr/libexec/litmus/{suite}", *words], cwd=tmp_path, capture_output=True, text=True,
                          timeout=2 * PATIENCE)
    assert done.returncode == 0 and " 0 failed. 100.0%" in done.stdout, done.stdout
