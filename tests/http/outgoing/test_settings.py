"""The settings outgoing and log.outgoing: what each mistake says."""
import json
import subprocess

import pytest

import services


def check(tmp_path, **config):
    path = tmp_path / "cardea.yaml"
    path.write_text(json.dumps(config))
    done = subprocess.run([services.PROGRAMS["cardea"], "check", "--config", "cardea.yaml"], capture_output=True, text=True,
                          timeout=services.PATIENCE, check=False, cwd=tmp_path)
    return done.returncode, [line.split(": ", 1)[1] for line in done.stdout.splitlines() if "outgoing" in line]


@pytest.mark.parametrize("networks", [[], ["10.0.0.0/8"], ["127.0.0.1", "::1"], ["fc00::/7"], ["192.168.1.0/24", "2001:db8::/32"]])
def test_good_networks_say_nothing(tmp_path, networks):
    assert check(tmp_path, outgoing={"networks": networks}) == (0, [])


@pytest.mark.parametrize("network, code, finding", [
    ("ghe.internal", 2, 'outgoing.networks[0]: "ghe.internal" is not an address or a network in CIDR notation; write it as in 10.1.2.0/24 '
     "or 10.1.2.3"),
    ("10.1.2.3/8", 2, 'outgoing.networks[0]: "10.1.2.3/8" has bits set after its prefix; write it as in 10.1.2.0/24 or 10.1.2.3'),
    ("10.0.0.0/33", 2, 'outgoing.networks[0]: "10.0.0.0/33" has an invalid prefix length; write it as in 10.1.2.0/24 or 10.1.2.3'),
    ("10.0.0.0/7", 0, "outgoing.networks[0]: 10.0.0.0/7 is wider than any private network: URLs may lead to nearly every machine inside; "
     "name the networks of your providers only"),
    ("0.0.0.0/0", 0, "outgoing.networks[0]: 0.0.0.0/0 is wider than any private network: URLs may lead to nearly every machine inside; "
     "name the networks of your providers only"),
    ("fc00::/6", 0, "outgoing.networks[0]: fc00::/6 is wider than any private network: URLs may lead to nearly every machine inside; "
     "name the networks of your providers only"),
])
def test_a_network_that_is_wrong_or_wide(tmp_path, network, code, finding):
    assert check(tmp_path, outgoing={"networks": [network]}) == (code, [finding])


def test_a_ca_that_is_missing(tmp_path):
    code, findings = check(tmp_path, outgoing={"ca": "ca.pem"})
    assert (code, findings) == (2, ["outgoing.ca: ca.pem cannot be read: No such file or directory; name a PEM file that the server may "
                                    "read, also while it runs"])
    (tmp_path / "ca.pem").write_text("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n")
    assert check(tmp_path, outgoing={"ca": "ca.pem"}) == (
        2, ["outgoing.ca: ca.pem has no certificate; name the PEM file with the certificate of the authority"])
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
    assert check(tmp_path, outgoing={"ca": "ca.pem"}) == (0, [])


def test_a_detail_that_there_is_not(tmp_path):
    code, findings = check(tmp_path, log={"outgoing": "fulll"})
    assert code == 2 and len(findings) == 1 and "full" in findings[0]
