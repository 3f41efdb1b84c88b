"""Keys that are fetched over TLS: who may be the server."""
import http.server
import json
import ssl
import subprocess
import threading

import pytest

from issuer import Resource, jwks


def self_signed(folder, name):
    """A certificate for `name`, and its private key, as files."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", cert],
                   check=True, capture_output=True, timeout=60)
    return cert, key


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.document)))
        self.end_headers()
        self.wfile.write(self.server.document)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path, es256):
    """Its certificate is for localhost, and signed by nobody else."""
    cert, key = self_signed(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.document = json.dumps(jwks(es256)).encode()
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
    httpd.cert, httpd.port = cert, httpd.server_address[1]
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    yield httpd
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_a_self_signed_server_is_believed_where_it_is_named(start_resource, server, es256):
    resource = Resource(start_resource(jwks=f"https://localhost:{server.port}/", ca=str(server.cert)), None)
    assert resource.status(es256.token()) == 202


def refused(resource, token):
    assert resource.status(token) == 503
    assert resource.service.wait_event("request", status=503)["reason"] == "no keys: TLS certificate rejected"


def test_a_self_signed_server_is_not_believed_by_itself(start_resource, server, es256):
    refused(Resource(start_resource(jwks=f"https://localhost:{server.port}/"), None), es256.token())


def test_another_authority_is_not_believed(start_resource, server, es256, tmp_path):
    other, _ = self_signed(tmp_path, "other")
    refused(Resource(start_resource(jwks=f"https://localhost:{server.port}/", ca=str(other)), None), es256.token())


def test_a_server_of_another_name_is_not_believed(start_resource, server, es256):
    refused(Resource(start_resource(jwks=f"https://127.0.0.1:{server.port}/", ca=str(server.cert)), None), es256.token())
