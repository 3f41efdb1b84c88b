"""The proxies, each run with what `cardea proxy-config` prints, and nothing else than names of files and what surrounds it."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

from services import PROGRAMS
from support.ports import find_ports  # noqa: F401

from .client import connect

PATIENCE = 30  # seconds


def find(program):
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    assert path, f"{program} is missing: ./dev setup installs it"
    return path


def printed(*words):
    done = subprocess.run([PROGRAMS["cardea"], "proxy-config", *words], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_for(host, port, proxy):
    """Until the site has its certificate: Caddy listens before it has made them. A site of localhost needs none."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            (socket.create_connection(("127.0.0.1", port)) if host == "localhost" else connect(port, host)).close()
            return
        except OSError:
            assert time.monotonic() < end and proxy.process.poll() is None, proxy.log()
            time.sleep(0.02)


class Proxy:
    """`sites`: the ports of the hosts that it serves. Without `upstream`, they have no application."""

    def __init__(self, folder, sites, upstream, cardea_config):
        self.folder, self.sites = folder, sites
        self.include = folder / f"include-{self.name}"
        self.authority = cardea_config.parent / "ca.pem"
        self.include.write_text(self.with_authority(printed(self.name, "--include", "--config", cardea_config)))
        application = ["--upstream", upstream] if upstream else []
        texts = [printed(self.name, "--host", f"{host}:{port}", *application, "--config", cardea_config)
                 for host, port in sites.items()]
        texts = [self.with_authority(text) for text in texts]
        self.command = self.write([re.sub(r"/\S+/cardea/proxy/[^\s;]+|/etc/\w+/cardea[^\s;]+", str(self.include), text) for text in texts])
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env={"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        for host, port in sites.items():
            wait_for(host, port, self)

    def with_authority(self, text):
        return text.replace("/etc/cardea/ca.pem", str(self.authority))

    def write(self, sites):
        """Writes the configuration. The command that runs it."""
        raise NotImplementedError

    def certificate(self):
        """One file with a certificate and its key."""
        path, key = self.folder / "site.pem", self.folder / "site.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=example.com", "-keyout", key, "-out", path], check=True, capture_output=True)
        path.write_text(path.read_text() + key.read_text())
        return path

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # uWSGI misses the signal once in some hundred times
            self.process.kill()
            self.process.wait()


class Nginx(Proxy):
    name = "nginx"

    def write(self, sites):
        certificate = self.certificate()
        first, *others = sites
        text = "".join([first, *(re.sub(r"^upstream cardea .*\n", "", site) for site in others)])  # once, for all sites
        text = re.sub(r"/etc/ssl/certs/\S+\.pem", str(certificate), re.sub(r"/etc/ssl/private/\S+\.key", str(certificate), text))
        text = re.sub(r"listen (\d+) ssl", r"listen 127.0.0.1:\1 ssl", text)
        temporary = "".join(f"{kind}_temp_path {self.folder}/{kind};\n"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        path = self.folder / "nginx.conf"
        user = "user root; " if os.geteuid() == 0 else ""  # who may enter the folder of the test
        path.write_text(f"{user}daemon off; pid {self.folder}/pid; worker_processes 1;\nevents {{}}\n"
                        f"http {{\naccess_log off;\n{temporary}{text}}}\n")
        return [find("nginx"), "-e", "stderr", "-c", path]


class Caddy(Proxy):
    name = "caddy"

    def write(self, sites):
        path = self.folder / "Caddyfile"
        options = f"admin off\nlocal_certs\nskip_install_trust\nstorage file_system {self.folder}/storage\nauto_https disable_redirects"
        path.write_text(f"{{\n{options}\n}}\n" + "".join(sites))
        return [find("caddy"), "run", "--config", path, "--adapter", "caddyfile"]


class Haproxy(Proxy):
    name = "haproxy"

    def write(self, sites):
        certificate = self.certificate()
        first, *others = sites
        text = "".join([first, *(re.sub(r"^global\n(?: .*\n)*", "", site) for site in others)])  # once, for all sites
        text = re.sub(r"/etc/haproxy/\S+\.pem", str(certificate), re.sub(r"bind :(\d+)", r"bind 127.0.0.1:\1", text))
        path = self.folder / "haproxy.cfg"
        path.write_text("defaults\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n    timeout tunnel 30s\n" + text)
        return [find("haproxy"), "-db", "-f", path]


class Apache(Proxy):
    name = "apache"

    def write(self, sites):
        modules = ("mpm_event", "authz_core", "headers", "setenvif", "ssl", "proxy", "proxy_http", "lua", "alias")
        certificate = self.certificate()
        text = re.sub(r"/etc/ssl/private/\S+\.pem", str(certificate), "".join(sites))
        user = ""
        if os.geteuid() == 0:  # Apache refuses to stay root, and nobody else may enter the folder of a test
            user = "User www-data\nGroup www-data\n"
            self.public = tempfile.TemporaryDirectory(prefix="cardea-apache-")
            os.chmod(self.public.name, 0o755)
            text = text.replace(str(self.include), shutil.copy(self.include, self.public.name))
            if self.authority.exists():
                authority = shutil.copy(self.authority, self.public.name)
                include = pathlib.Path(self.public.name) / self.include.name
                include.write_text(include.read_text().replace(str(self.authority), authority))
                os.chmod(authority, 0o644)
        path = self.folder / "apache.conf"
        path.write_text("".join([f"ServerRoot {self.folder}\nDefaultRuntimeDir {self.folder}\nPidFile pid\nErrorLog /dev/stderr\n"
                                 f"ServerName example.com\n{user}",
                                 *(f"Listen 127.0.0.1:{port}\n" for port in self.sites.values()),
                                 *(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in modules), text]))
        return [find("apache2"), "-D", "FOREGROUND", "-f", path]


class Uwsgi(Proxy):
    """An instance for each site; the application is in it."""
    name = "uwsgi"
    more = ""  # lines of each instance

    def __init__(self, folder, sites, upstream, cardea_config):
        self.application_port = urllib.parse.urlsplit(upstream or "").port
        super().__init__(folder, sites, upstream, cardea_config)

    def write(self, sites):
        certificate = self.certificate()
        include = self.folder / "cardea.py"
        shutil.copy(self.include, include)
        application = f"wsgi-file = {pathlib.Path(__file__).with_name('wsgi_application.py')}\nenv = APPLICATION_PORT={self.application_port}\n"
        instances = self.folder / "instances"
        instances.mkdir()
        # A worker that misses the signal to stop is killed after worker-reload-mercy, which is 60 s by default.
        for i, text in enumerate(sites):
            text = re.sub(r"/etc/ssl/\w+/[^\s,]+", str(certificate), text.replace(str(self.include), str(include)))
            text = re.sub(r"(https?-socket = ):", r"\g<1>127.0.0.1:", text)
            (instances / f"{i}.ini").write_text(f"{text}master = true\nprocesses = 2\nworker-reload-mercy = 2\nno-orphans = true\n{application if self.application_port else ''}{self.more}")
        what = ["--ini", instances / "0.ini"] if len(sites) == 1 else ["--emperor", instances, "--emperor-freq", "1"]
        return [find("uwsgi"), *what, "--die-on-term"]


PROXIES = {proxy.name: proxy for proxy in (Nginx, Caddy, Haproxy, Apache, Uwsgi)}
