"""Real applications behind a gate that speaks TLS, and the clients that users have: curl, git, and those of npm."""
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import tempfile

import h2client
import pytest
import services
from gated import Gated

from .peers import HERE, PATIENCE, Peer, find, find_ports, start_uwsgi

REAL = HERE / "real"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def need_npm():
    """Skips where npm's packages are not there; ./dev test installs them."""
    if not (HERE / "node_modules/ws").is_dir():
        pytest.skip("npm's packages are missing: ./dev test interop installs them")


def start_gunicorn(folder, application, unix=None):
    """On a port, which tells when it is ready, and on a Unix socket."""
    port = find_ports()
    sockets = ["--bind", f"127.0.0.1:{port}", *(("--bind", f"unix:{unix}") if unix else ())]
    command = [find("gunicorn"), "--chdir", folder, "--pythonpath", REAL, "--workers", "1", "--threads", "8",
               "--graceful-timeout", "1", *sockets, application]
    return Peer(folder, f"gunicorn-{application.partition(':')[0]}", command, port, {"PYTHONDONTWRITEBYTECODE": "1"})


def start_flask_in_uwsgi(folder, port, unix):
    sockets = ["--socket", f"127.0.0.1:{port}", "--socket", str(unix)]
    return start_uwsgi(folder, REAL / "flask_application.py", sockets, "--callable", "application", "--threads", "8")


def start_django(folder):
    """With a user "root" whose password is "django"."""
    environment = {"PATH": PATH, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1",
                   "DJANGO_SUPERUSER_USERNAME": "root", "DJANGO_SUPERUSER_EMAIL": "root@example.com",
                   "DJANGO_SUPERUSER_PASSWORD": "django"}
    for words in (["migrate", "-v0"], ["createsuperuser", "--noinput"]):
        subprocess.run([find("python3"), REAL / "django_site.py", *words], cwd=folder, env=environment, check=True,
                       timeout=PATIENCE, capture_output=True)
    return start_gunicorn(folder, "django_site:application")


def start_node(folder, script, *words):
    """A script of npm's that serves the port which it is told."""
    port = find_ports()
    return Peer(folder, script.partition(".")[0], [shutil.which("node"), REAL / script, *words, str(port)], port)


class Apache(Peer):
    """Serves `files` by WebDAV below /dav/, and `repositories` of git below /git/. A push needs the user that the gate
    names."""

    def __init__(self, folder):
        # Apache does not stay root, and nobody else may enter the folder of a test.
        self.directory = tempfile.TemporaryDirectory(prefix="cardea-apache-")
        self.public = pathlib.Path(self.directory.name)
        self.files, self.repositories = self.public / "files", self.public / "git"
        self.files.mkdir()
        self.repositories.mkdir()
        user = ""
        if os.geteuid() == 0:
            user = "User www-data\nGroup www-data\n"
            subprocess.run(["chown", "-R", "www-data:www-data", self.public], check=True)
        modules = ("mpm_event", "authz_core", "env", "setenvif", "alias", "dav", "dav_fs", "cgid", "headers", "dir")
        port = find_ports()
        (folder / "apache.conf").write_text(
            "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in modules)
            + f"""{user}
ServerRoot {folder}
DefaultRuntimeDir {self.public}
PidFile pid
ErrorLog /dev/stderr
ServerName localhost
Listen 127.0.0.1:{port}
ScriptSock {self.public}/cgid
DavLockDB {self.public}/locks
AllowEncodedSlashes NoDecode
Alias /dav/ {self.files}/
<Directory {self.files}>
    Dav On
    Require all granted
</Directory>
# mod_dav compares the scheme of Destination with its own; guides for proxies with TLS have this line, which `rewrite`
# makes superfluous.
SetEnvIf Host ^files REWRITES_NOT
RequestHeader edit Destination ^https: http: env=REWRITES_NOT
SetEnv GIT_PROJECT_ROOT {self.repositories}
SetEnv GIT_HTTP_EXPORT_ALL 1
SetEnvIf Remote-User (.+) REMOTE_USER=$1
ScriptAlias /git/ /usr/lib/git-core/git-http-backend/
<Directory /usr/lib/git-core>
    Require all granted
</Directory>
""")
        super().__init__(folder, "apache", [find("apache2"), "-D", "FOREGROUND", "-f", folder / "apache.conf"], port)

    def stop(self, *with_signal):
        super().stop(*with_signal)
        self.directory.cleanup()

    def run(self, *command):
        """As the user that Apache is."""
        demote = ["setpriv", "--reuid", "www-data", "--regid", "www-data", "--clear-groups"]
        command = [*(demote if os.geteuid() == 0 else []), *command]
        subprocess.run(command, cwd=self.public, env={"PATH": PATH, "HOME": str(self.public)}, check=True,
                       timeout=PATIENCE, capture_output=True)


class SecureGate(Gated):
    """All its listeners speak TLS, HTTP/1.1 and HTTP/2, as the client chooses, with a certificate for *.example.com."""

    def __init__(self, folder, routes, **changes):
        authority = folder / "authority"
        authority.mkdir(parents=True)
        subprocess.run([services.PROGRAMS["cardea"], "cert", "new", "*.example.com", "--dir", authority], check=True,
                       capture_output=True)
        self.ca = authority / "ca.pem"
        tls = {"certificate": str(authority / "cert.pem"), "key": str(authority / "key.pem")}
        super().__init__(folder, routes, tls=tls, **changes)
        self.certificate = tls

    def add_node(self, folder):
        """One more server on the same store; it listens at the port `h1` of what is returned."""
        folder.mkdir()
        port = find_ports()
        node = services.Service("cardea", {**self.settings, "listen": [f"127.0.0.1:{port}"]}, folder, ["serve"])
        node.config_file.touch(mode=0o600)
        node.start()
        node.h1 = port
        return node

    def write_jar(self, path, user="ana"):
        """A file of cookies, as curl keeps it, with the session of a user."""
        name, _, value = self.cookies[user].partition("=")
        line = "\t".join([".example.com", "TRUE", "/", "TRUE", "0", name, value])
        path.write_text(f"# Netscape HTTP Cookie File\n{line}\n")
        path.chmod(0o600)
        return path

    def curl_command(self, jar, *words, port=None):
        return [find("curl"), "-sS", "--max-time", str(PATIENCE), "--cacert", self.ca, "-b", jar, "-c", jar,
                "--connect-to", f"::127.0.0.1:{port or self.h1}", *words]

    def curl(self, jar, *words, port=None, patience=2 * PATIENCE):
        done = subprocess.run(self.curl_command(jar, *words, port=port), capture_output=True, timeout=patience)
        assert done.returncode == 0, (words, done.returncode, done.stderr.decode(errors="replace"))
        return done.stdout.decode()

    def node(self, script, *words):
        """What a client of npm prints."""
        done = subprocess.run(self.node_command(script, *words), env=self.node_environment(), capture_output=True,
                              text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def node_command(self, script, *words):
        return [shutil.which("node"), REAL / script, *words]

    def node_environment(self, port=None):
        return {"PATH": PATH, "GATE_PORT": str(port or self.h1), "GATE_CA": str(self.ca),
                "GATE_COOKIE": self.cookies["ana"], "OTHER_COOKIE": self.cookies["bob"]}

    def connect_http2(self, host, port=None):
        context = ssl.create_default_context(cafile=self.ca)
        context.set_alpn_protocols(["h2"])
        connection = socket.create_connection(("127.0.0.1", port or self.h1), PATIENCE)
        session = h2client.Session(context.wrap_socket(connection, server_hostname=host))
        session.wait_settings()
        return session
