"""cardea cert self-signed, and what cardea check says of a certificate."""
import calendar
import os
import re
import stat
import subprocess
import time

import pytest

from .commands import run



def make(folder, *args):
    folder.mkdir(exist_ok=True)
    return run("cert", "self-signed", *args, "--dir", folder)


def text_of(certificate):
    return subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-text"], capture_output=True, text=True,
                          check=True).stdout


def test_it_writes_a_certificate_for_the_names_and_a_key_for_nobody_else(tmp_path):
    old = os.umask(0)
    try:
        done = make(tmp_path, "auth.example.org", "192.0.2.1", "2001:db8::1", "--days", "30")
    finally:
        os.umask(old)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (f"{tmp_path}/cert.pem: for auth.example.org 192.0.2.1 2001:db8::1\n"
                           f"{tmp_path}/key.pem: its private key\n")
    assert stat.S_IMODE(os.stat(tmp_path / "key.pem").st_mode) == 0o600
    assert stat.S_IMODE(os.stat(tmp_path / "cert.pem").st_mode) == 0o644
    text = text_of(tmp_path / "cert.pem")
    assert "DNS:auth.example.org, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1" in text
    assert "NIST CURVE: P-256" in text and "CA:FALSE" in text and "TLS Web Server Authentication" in text
    end = time.strptime(re.search(r"Not After : (.* GMT)", text)[1], "%b %d %H:%M:%S %Y %Z")
    assert "PRIVATE KEY" in (tmp_path / "key.pem").read_text()

    assert abs(calendar.timegm(end) - time.time() - 30 * 86400) < 60


def test_without_a_name_it_is_for_this_host(tmp_path):
    assert make(tmp_path).returncode == 0
    assert "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1" in text_of(tmp_path / "cert.pem")


@pytest.mark.parametrize("there", ["cert.pem", "key.pem"])
def test_nothing_is_written_over(tmp_path, there):
    (tmp_path / there).write_text("mine")
    done = make(tmp_path, "localhost")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"cardea cert: {tmp_path}/{there} is there already; nothing is written over\n"
    assert os.listdir(tmp_path) == [there] and (tmp_path / there).read_text() == "mine"


def test_a_dangling_link_is_not_followed(tmp_path):
    (tmp_path / "key.pem").symlink_to(tmp_path / "elsewhere")
    assert make(tmp_path, "localhost").returncode == 1
    assert os.listdir(tmp_path) == ["key.pem"]


@pytest.mark.parametrize("args, code, reason", [
    ([], 2, "cardea cert: say what to make: cardea cert self-signed [NAME...]"),
    (["signed"], 2, "cardea cert: say what to make: cardea cert self-signed [NAME...]"),
    (["self-signed", "a b"], 2, 'cardea cert: "a b" is neither a DNS name nor an address'),
    (["self-signed", "--days", "0"], 2, "cardea cert: --days is a number from 1 to 3650"),
    (["self-signed", "--days", "x"], 2, "cardea cert: --days is a number from 1 to 3650"),
    (["self-signed", *["a"] * 65], 2, 'cardea cert: "a" is one argument too many; see: cardea help cert'),
    (["self-signed", "--dir", "/nonexistent"], 1, "cardea cert: /nonexistent/key.pem: No such file or directory"),
], ids=range(7))
def test_what_it_does_not_do(tmp_path, args, code, reason):
    done = run("cert", *args, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", reason + "\n")
    assert os.listdir(tmp_path) == []


# --- what cardea check says of it -------------------------------------------------------------------------------------


def findings(folder, tls, more=""):
    (folder / "c.yaml").write_text(f'listen: ["127.0.0.1:0"]\ntls: {tls}\n{more}')
    done = run("check", "--config", folder / "c.yaml")
    return done, [line for line in done.stdout.splitlines() if re.search(r": (tls|redirect_listen)", line)]


BOTH = "{ certificate: cert.pem, key: key.pem }"


def test_a_good_pair_is_ok_whatever_the_working_directory(tmp_path):
    make(tmp_path)
    done, lines = findings(tmp_path, BOTH)
    assert done.returncode == 0
    assert re.fullmatch(r"ok    \S+:2:21: tls.certificate: good until \d{4}-\d\d-\d\d", lines[0])
    assert re.fullmatch(r"ok    \S+:2:36: tls.key: fits the certificate", lines[1])


@pytest.mark.parametrize("days, level", [(13, "warn"), (15, "ok")])
def test_a_certificate_that_is_nearly_over_is_a_warning(tmp_path, days, level):
    make(tmp_path, "--days", str(days))
    done, lines = findings(tmp_path, BOTH)
    assert done.returncode == 0 and lines[0].startswith(level)
    if level == "warn":
        assert "the certificate is over in 1" in lines[0] and "replace the files" in lines[0]


def test_a_key_that_others_can_read_is_refused_with_the_fix(tmp_path):
    make(tmp_path)
    for mode in (0o644, 0o604):
        os.chmod(tmp_path / "key.pem", mode)
        done, lines = findings(tmp_path, BOTH)
        assert done.returncode == 2
        key = tmp_path / "key.pem"
        assert lines == [f"error {tmp_path}/c.yaml:2:36: tls.key: is in a file that other users of this machine can read; chmod 600 {key}"]
        served = run("serve", "--config", tmp_path / "c.yaml")
        assert (served.returncode, "tls.key: " in served.stderr) == (2, True)


def test_what_does_not_fit_together_is_an_error(tmp_path):
    make(tmp_path)
    make(tmp_path / "other")
    for tls, more, wanted in [
        ("{ certificate: cert.pem, key: other/key.pem }", "", "tls.key: is not the key of the certificate of \"CN=localhost\"; both"),
        ("{ certificate: key.pem, key: key.pem }", "", "tls.certificate: holds no certificate"),
        ("{ certificate: cert.pem, key: cert.pem }", "", "tls.key: "),
        ("{ certificate: cert.pem }", "", "tls.key: is missing"),
        ("{ key: key.pem }", "", "tls.certificate: is missing"),
        ("{ certificate: none.pem, key: key.pem }", "", "none.pem does not exist"),
        ("{ certificate: cert.pem, key: key.pem, client_certificate: require }", "", "tls.client_ca: is needed"),
        ("{ certificate: cert.pem, key: key.pem, client_certificate: request, client_ca: key.pem }", "",
         "tls.client_ca: holds no certificate"),
        ("{}", 'redirect_listen: ["127.0.0.1:0"]\n', "redirect_listen: redirects to https, which nothing here speaks"),
    ]:
        done, lines = findings(tmp_path, tls, more)
        assert done.returncode == 2, tls
        assert [line for line in lines if line.startswith("error") and wanted in line], (tls, lines)


def test_a_chain_that_begins_with_another_certificate_is_named_by_its_subject(tmp_path):
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=tmp_path, check=True, capture_output=True)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-utf8", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/O=Käse/CN=The CA")
    openssl("req", *new, "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/CN=auth.example.org")
    openssl("x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "leaf.pem")
    leaf, root = (tmp_path / "leaf.pem").read_text(), (tmp_path / "ca.pem").read_text()
    make(tmp_path / "other")
    (tmp_path / "cert.pem").write_text(root + leaf)
    done, lines = findings(tmp_path, BOTH)
    assert done.returncode == 2 and len(lines) == 1
    assert lines[0].endswith('tls.certificate: begins with the certificate of "CN=The CA,O=Käse", but the key is that of '
                             '"CN=auth.example.org", number 2; put it first')
    (tmp_path / "cert.pem").write_text((tmp_path / "other/cert.pem").read_text() + root + leaf)
    assert "number 3; put it first" in findings(tmp_path, BOTH)[1][0]
    (tmp_path / "cert.pem").write_text(root)
    assert 'tls.key: is not the key of the certificate of "CN=The CA,O=Käse"; both must' in findings(tmp_path, BOTH)[1][0]
    (tmp_path / "cert.pem").write_text(leaf + root)
    assert findings(tmp_path, BOTH)[0].returncode == 0


def test_a_client_ca_for_nothing_is_a_warning(tmp_path):
    make(tmp_path)
    done, lines = findings(tmp_path, "{ certificate: cert.pem, key: key.pem, client_ca: cert.pem }")
    assert done.returncode == 0
    assert any(line.startswith("warn") and "no client is asked for a certificate" in line for line in lines)


def test_an_encrypted_key_is_named_as_such(tmp_path):
    make(tmp_path)
    subprocess.run(["openssl", "pkey", "-in", "key.pem", "-aes256", "-passout", "pass:secret", "-out", "sealed.pem"], cwd=tmp_path,
                   check=True)
    done, lines = findings(tmp_path, "{ certificate: cert.pem, key: sealed.pem }")
    assert done.returncode == 2 and "is encrypted, and nobody is there to ask for the password" in lines[0]


def test_the_addresses_that_redirect_are_tried_too(tmp_path):
    make(tmp_path)
    done, lines = findings(tmp_path, BOTH, 'redirect_listen: ["127.0.0.1:0", "192.0.2.1:1"]\n')
    assert done.returncode == 2
    assert any(line.startswith("ok ") and "redirect_listen[0]" in line for line in lines)
    assert any(line.startswith("error ") and "redirect_listen[1]" in line for line in lines)
