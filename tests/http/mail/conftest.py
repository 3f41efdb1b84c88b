"""Installations that send e-mail to a sink, and e-mails for their queues."""
import pathlib
import sqlite3
import ssl
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "grant"))

import services  # noqa: E402
from installation import SQLITE, Installation  # noqa: E402
from support.smtp_sink import SmtpSink  # noqa: E402

TOOL = services.BUILD / "tests/support/mail-tool"
FROM = "Cardea <auth@example.com>"
DAY = 86400


class Home(Installation):
    def __init__(self, folder, sink, template, smtp=None, **changes):
        super().__init__(folder, store=SQLITE, template=template, **changes)
        self.smtp(sink, **(smtp or {}))

    def smtp(self, sink, **more):
        self.configure(portal={"url": f"{self.issuer}/_auth"}, smtp={"url": sink.url, "from": FROM, **more})

    def queue(self, to="ana@example.org", subject="A subject", text="Dear Ana, a text\n", lifetime=DAY, code=0):
        for secret in (to, subject, text.strip()):
            self.note_secret(secret)  # never in a log
        done = subprocess.run([TOOL, self.config_file, to, subject, text, str(lifetime)], capture_output=True, text=True,
                              timeout=services.PATIENCE)
        assert done.returncode == code, done
        return done.stderr

    def rows(self, what="*", then=""):
        with sqlite3.connect(self.folder / "cardea.db", timeout=services.PATIENCE) as store:
            return store.execute(f"SELECT {what} FROM mails {then}").fetchall()

    def let_time_pass(self):
        """As if every claim and every pause were over."""
        with sqlite3.connect(self.folder / "cardea.db", timeout=services.PATIENCE) as store:
            store.execute("UPDATE mails SET next_at = 0")


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    return Installation(tmp_path_factory.mktemp("template"))


@pytest.fixture
def install(tmp_path, template):
    """install(sink, setting=…): a Home whose servers end with the test."""
    made = []

    def make(sink, smtp=None, **changes):
        folder = tmp_path / f"i{len(made)}"
        folder.mkdir()
        made.append(Home(folder, sink, template, smtp, **changes))
        return made[-1]

    yield make
    for home in made:
        home.finish()


@pytest.fixture
def sink():
    with SmtpSink() as sink:
        yield sink


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A folder with cert.pem, key.pem and ca.pem, for localhost and 127.0.0.1."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run([services.PROGRAMS["cardea"], "cert", "new", "localhost", "127.0.0.1", "--dir", folder], check=True,
                   capture_output=True, timeout=services.PATIENCE)
    return folder


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context
