"""A real PgBouncer in front of a PostgreSQL server, in transaction mode and with fewer connections than its clients use."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import urllib.parse
import uuid

import psycopg2
import pytest

from services import wait_until
from support.ports import find_ports

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:" + os.environ.get("PATH", ""))


class PgBouncer:
    """`url` is that of a new database after it. It refuses startup parameters, and so a schema in the URL."""

    def __init__(self, server_url):
        if not PROGRAM:
            pytest.skip("PgBouncer is not installed")
        self.server_url, self.database = server_url, f"t{uuid.uuid4().hex}"
        self.ask(server_url, f"CREATE DATABASE {self.database}")
        server, self.port = urllib.parse.urlsplit(server_url), find_ports()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardea-pgbouncer.", dir="/tmp"))
        self.folder.chmod(0o755)
        (self.folder / "users").write_text(f'"{server.username}" "{server.password}"\n')
        (self.folder / "ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\nauth_type = scram-sha-256\n"
            f"auth_file = {self.folder}/users\npool_mode = transaction\ndefault_pool_size = 3\n")
        self.process = None
        self.start()
        self.url = f"postgresql://{server.username}:{server.password}@127.0.0.1:{self.port}/{self.database}"
        wait_until(self.answers, "PgBouncer to answer")

    def start(self):
        # It refuses to run as root.
        as_nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"] if os.getuid() == 0 else []
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([*as_nobody, PROGRAM, self.folder / "ini"], stdout=log, stderr=log,
                                            cwd="/")

    @staticmethod
    def ask(url, sql):
        connection = psycopg2.connect(url)
        connection.autocommit = True
        connection.cursor().execute(sql)
        connection.close()

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            self.ask(self.url, "SELECT 1")
        except psycopg2.OperationalError:
            return False
        return True

    def remove(self):
        self.process.terminate()
        self.process.wait(30)
        self.ask(self.server_url, f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")
        shutil.rmtree(self.folder, ignore_errors=True)
