"""Debian's HTTP servers, each with an application that says which requests it saw: one line for each, with the method, the address and the X-Request-Id."""
import os
import tempfile

from .peers import HERE, Peer, find, find_ports, start_nginx, start_uwsgi


class Target:
    """`url` as a route's upstream; `seen()` has the requests since it was last asked."""

    def __init__(self, folder):
        folder.mkdir()
        self.folder, self.position = folder, 0
        self.seen_file = folder / "seen"
        self.seen_file.touch()
        self.seen_file.chmod(0o666)
        self.port = find_ports()
        self.url = f"http://127.0.0.1:{self.port}"
        self.peer = self.start()

    def seen(self):
        with self.seen_file.open(encoding="latin-1") as file:
            file.seek(self.position)
            lines = file.readlines()
            self.position = file.tell()
        return [line.rstrip("\n") for line in lines]

    def stop(self):
        self.peer.stop()


class Nginx(Target):
    def start(self):
        return start_nginx(self.folder, f"server {{ listen 127.0.0.1:{self.port}; access_log {self.seen_file} seen; client_max_body_size 0; location / {{ return 200 hello; }} }}\n",
                           self.port, "log_format seen '$request_method $request_uri $http_x_request_id';\n")


class Apache(Target):
    def start(self):
        user, self.public = "", self.folder
        if os.geteuid() == 0:  # Apache refuses to stay root, and nobody else may enter the folder of a test
            user = "User www-data\nGroup www-data\n"
            self.temporary = tempfile.TemporaryDirectory(prefix="cardea-apache-")
            os.chmod(self.temporary.name, 0o755)
            self.public = self.temporary.name
        page = f"{self.public}/page"
        with open(page, "w", encoding="ascii") as file:
            file.write("hello")
        os.chmod(page, 0o644)
        modules = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in ("mpm_event", "authz_core", "alias"))
        path = self.folder / "apache.conf"
        path.write_text(f"ServerRoot {self.folder}\nDefaultRuntimeDir {self.folder}\nPidFile pid\nErrorLog /dev/stderr\nServerName example.com\n{user}{modules}"
                        f"Listen 127.0.0.1:{self.port}\nLogFormat \"%m %U%q %{{X-Request-Id}}i\" seen\nCustomLog {self.seen_file} seen\nAllowEncodedSlashes NoDecode\nAliasMatch ^ {page}\n"
                        f"<Directory {self.public}>\nRequire all granted\n</Directory>\n")
        return Peer(self.folder, "apache", [find("apache2"), "-D", "FOREGROUND", "-f", path], self.port)


class Haproxy(Target):
    """Its own server is Node's: HAProxy has no answers to bodies of its own."""

    def start(self):
        self.behind = Node(self.folder / "behind")
        path = self.folder / "haproxy.cfg"
        path.write_text("defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
                        f"listen x\n bind 127.0.0.1:{self.port}\n server s 127.0.0.1:{self.behind.port}\n")
        return Peer(self.folder, "haproxy", [find("haproxy"), "-db", "-f", path], self.port)

    def seen(self):
        return self.behind.seen()

    def stop(self):
        super().stop()
        self.behind.stop()


class Node(Target):
    def start(self):
        return Peer(self.folder, "node", [find("node"), str(HERE / "seen_application.cjs"), str(self.port), str(self.seen_file)], self.port)


class Gunicorn(Target):
    def start(self):
        return Peer(self.folder, "gunicorn", [find("gunicorn"), "--bind", f"127.0.0.1:{self.port}", "--workers", "1", "--threads", "4", "--chdir", str(HERE), "seen_application"],
                    self.port, {"SEEN": str(self.seen_file), "PYTHONDONTWRITEBYTECODE": "1"})


class UwsgiHttp(Target):
    """uWSGI's own HTTP, kept alive."""

    def start(self):
        return start_uwsgi(self.folder, HERE / "seen_application.py", ["--http11-socket", f"127.0.0.1:{self.port}"], "--env", f"SEEN={self.seen_file}",
                           "--threads", "32")  # each connection that is kept has one


class Uwsgi(Target):
    def start(self):
        self.url = f"uwsgi://127.0.0.1:{self.port}"
        return start_uwsgi(self.folder, HERE / "seen_application.py", ["--socket", f"127.0.0.1:{self.port}"], "--env", f"SEEN={self.seen_file}")


TARGETS = {"nginx": Nginx, "apache": Apache, "haproxy": Haproxy, "node": Node, "gunicorn": Gunicorn, "uwsgi-http": UwsgiHttp, "uwsgi": Uwsgi}
