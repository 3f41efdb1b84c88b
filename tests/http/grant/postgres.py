"""A real PostgreSQL server for a test, by tests/support/postgres-server; each installation has a schema of its own."""
import pathlib
import shutil
import subprocess
import tempfile
import uuid

import psycopg2
import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "support/postgres-server"


def new_schema(url):
    """The URL of an empty one on the server of that URL."""
    name = f"t{uuid.uuid4().hex}"
    connection = psycopg2.connect(url)
    connection.autocommit = True
    connection.cursor().execute(f"CREATE SCHEMA {name}")
    connection.close()
    return f"{url}?options=-csearch_path%3D{name}"


class Postgres:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="cardea-postgres.", dir="/tmp")  # a socket's path must be short
        pathlib.Path(self.folder).chmod(0o755)
        self.url = self.run("start")

    def run(self, action, *more):
        done = subprocess.run([SCRIPT, action, self.folder, *more], stdout=subprocess.PIPE, text=True, timeout=120)
        if done.returncode == 77:
            pytest.skip("PostgreSQL is not installed")
        assert done.returncode == 0, action
        return done.stdout.strip()

    def new_schema(self):
        return new_schema(self.url)

    def remove(self):
        self.run("stop")
        shutil.rmtree(self.folder, ignore_errors=True)
