"""What testssl.sh, which many users will point at such a server, finds: nothing."""
import json
import os
import shutil
import subprocess

import pytest

from tls import Server, TlsServer

# A certificate that signs itself has nobody who could take it back.
INHERENT = {"cert_revocation"}
HARMLESS = {"OK", "INFO", "LOW", "DEBUG"}
# It warns of itself: Debian's openssl has no GOST.
OF_ITSELF = {"engine_problem"}


# It asks for a ticket with a client that leaves as soon as the handshake is over; on a busy machine that is before the ticket of TLS 1.3 is
# there, and it says so.
CAME_TOO_LATE = "check failed because of connect problem"


def find(pair, server, checks, found):  # a file that is not there yet
    subprocess.run(["testssl", checks, "--quiet", "--warnings", "off", "--color", "0", "--nodns", "none", "--ip", "127.0.0.1",
                    "--add-ca", pair / "ca.pem", "--jsonfile", found, f"https://localhost:{server.port}"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=600,
                   env={**os.environ, "TERM": "dumb"})
    return {f["id"]: f for f in json.loads(found.read_text())}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("testssl"), reason="testssl.sh is not installed")
@pytest.mark.parametrize("checks, expected", [
    ("--protocols", {"TLS1": "not offered", "TLS1_1": "not offered", "TLS1_2": "offered", "TLS1_3": "offered with final"}),
    ("--server-preference", {"cipher_order": "server"}),
    ("--server-defaults", {"TLS_session_ticket": "valid for 7200 seconds only (<daily)", "sessionresumption_ticket": "supported",
                           "cert_subjectAltName": "localhost 127.0.0.1", "cert_keySize": "EC 256 bits"}),
])
def test_testssl_finds_nothing_of_weight(pair, tmp_path, checks, expected):
    with TlsServer(pair, "log", 4) as server:
        if Server.is_sanitized(server):
            pytest.skip("takes minutes, and says the same of the other build")
        for attempt in range(4):
            findings = find(pair, server, checks, tmp_path / f"found-{attempt}.json")
            if all(f["finding"] != CAME_TOO_LATE for f in findings.values()):
                break
    assert {i: f for i, f in findings.items() if f["severity"] not in HARMLESS and i not in INHERENT | OF_ITSELF} == {}
    for name, text in expected.items():
        assert findings[name]["finding"].startswith(text), findings[name]
