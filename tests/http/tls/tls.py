"""What the TLS tests share: certificates, a server that speaks TLS, and clients that are not ours."""
import pathlib
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "engine"))

import engine  # noqa: E402
from engine import BINARY, BUILD, PATIENCE, ROOT, Reader, Server, get, is_sanitized, post, read_all, unread, wait_until  # noqa: E402,F401

CARDEA = (BUILD if BUILD.is_absolute() else ROOT / BUILD) / "cardea"


def openssl(*arguments, **options):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=PATIENCE, **options)


def make_pair(folder, *names):
    """folder/cert.pem, key.pem and ca.pem, made by cardea itself."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([CARDEA, "cert", "new", *(names or ("localhost", "127.0.0.1")), "--dir", folder], check=True,
                   capture_output=True, timeout=PATIENCE)
    return folder


class Authority:
    """Signs the certificates of clients."""

    def __init__(self, folder, name="Test CA"):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "ca.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "ca.key",
                "-out", self.file, "-days", 30, "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")

    def client(self, name, subject, usage="clientAuth", days=30):
        """(certificate, key) of a new client."""
        certificate, key, request, extensions = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        openssl("req", "-utf8", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request,
                "-subj", subject)
        extensions.write_text(f"extendedKeyUsage={usage}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.folder / "ca.key", "-CAcreateserial",
                "-out", certificate, "-days", days, "-extfile", extensions)
        return certificate, key


class TlsServer(Server):
    """echo-server with TLS on its listener; `folder` has cert.pem and key.pem."""

    def __init__(self, folder, *arguments, **options):
        self.folder = folder
        super().__init__("certificate", folder / "cert.pem", "key", folder / "key.pem", *arguments, **options)

    def raw(self, **options):
        """A plain connection, for what is no TLS."""
        return super().connect(**options)

    def connect(self, context=None, session=None, name="localhost", **options):
        context = context or trusting(self.folder)
        return context.wrap_socket(super().connect(**options), server_hostname=name, session=session)


def trusting(folder, *client):
    """A client's context that believes folder/ca.pem and may show (certificate, key)."""
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if client:
        context.load_cert_chain(*client)
    return context


def curl(*arguments):
    return subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE), *map(str, arguments)], capture_output=True, text=True,
                          timeout=2 * PATIENCE)


def s_client(port, *arguments, data=b"Q\n"):
    """What openssl s_client says; it gets `data` on standard input."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *map(str, arguments)], input=data,
                          capture_output=True, timeout=PATIENCE)
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


def closed_without_a_word(sock):
    try:
        return sock.recv(65536) == b""
    except (ConnectionResetError, socket.timeout):
        return False
