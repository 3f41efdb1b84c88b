"""cardea cert, and what cardea check says of a certificate."""
import calendar
import os
import re
import ssl
import stat
import subprocess
import time

import pytest

from .commands import run



def make(folder, *args):
    folder.mkdir(exist_ok=True)
    return run("cert", "new", *args, "--dir", folder)


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
    assert done.stdout == (f"{tmp_path}/ca.pem: the authority, which clients must trust\n"
                           f"{tmp_path}/cert.pem: the certificate, for auth.example.org 192.0.2.1 2001:db8::1\n"
                           f"{tmp_path}/key.pem: its private key\n")
    assert sorted(os.listdir(tmp_path)) == ["ca.pem", "cert.pem", "key.pem"]  # and no key of the authority
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


def test_a_folder_that_alone_is_missing_is_created_for_its_owner(tmp_path):
    old = os.umask(0)
    try:
        done = run("cert", "new", "localhost", "--dir", tmp_path / "tls", "--ca-key", tmp_path / "tls/ca.key")
    finally:
        os.umask(old)
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(os.stat(tmp_path / "tls").st_mode) == 0o700
    assert sorted(os.listdir(tmp_path / "tls")) == ["ca.key", "ca.pem", "cert.pem", "key.pem"]


def test_a_folder_that_was_created_for_nothing_goes_again(tmp_path):
    done = run("cert", "new", "localhost", "--dir", tmp_path / "tls", "--ca-key", tmp_path / "none/ca.key")
    assert (done.returncode, done.stderr) == (1, f"cardea cert new: {tmp_path}/none/ca.key: No such file or directory\n")
    assert run("cert", "renew", "--dir", tmp_path / "tls").returncode == 2
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("there", ["ca.pem", "cert.pem", "key.pem"])
def test_nothing_is_written_over(tmp_path, there):
    (tmp_path / there).write_text("mine")
    done = make(tmp_path, "localhost")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (f"cardea cert new: {tmp_path}/{there} exists already and is not overwritten; name another folder with --dir, or replace the "
                           "certificate with \"cardea cert renew\"\n")
    assert os.listdir(tmp_path) == [there] and (tmp_path / there).read_text() == "mine"


def test_a_dangling_link_is_not_followed(tmp_path):
    (tmp_path / "key.pem").symlink_to(tmp_path / "elsewhere")
    assert make(tmp_path, "localhost").returncode == 1
    assert os.listdir(tmp_path) == ["key.pem"]


@pytest.mark.parametrize("args, code, reason", [
    (["new", "a b"], 2, 'cardea cert new: "a b" is neither a DNS name nor an IP address'),
    (["new", "--days", "0"], 2, "cardea cert new: --days is a number from 1 to 3650"),
    (["renew", "--days", "x"], 2, "cardea cert renew: --days is a number from 1 to 3650"),
    (["new", *["a"] * 65], 2, 'cardea cert new: NAME is given 65 times; a certificate has at most 64 names'),
    (["new", "--dir", "/nonexistent/tls"], 1, "cardea cert new: /nonexistent/tls/ca.pem: No such file or directory"),
    (["new", "--dir", "/dev/null"], 1, "cardea cert new: /dev/null/ca.pem: Not a directory"),
    (["new", "--ca-key", "/nonexistent/ca.key"], 1, "cardea cert new: /nonexistent/ca.key: No such file or directory"),
    (["new", "--ca-key", "/dev/null"], 2, "cardea cert new: file /dev/null is not a regular file"),
    (["renew"], 2, "cardea cert renew: ./cert.pem does not exist; name the folder of the certificate with --dir, or create one with "
     "\"cardea cert new\""),
    (["self-signed"], 2, 'cardea cert: unknown action "self-signed"; see: cardea help cert'),
], ids=range(10))
def test_what_it_does_not_do(tmp_path, args, code, reason):
    done = run("cert", *args, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", reason + "\n")
    assert os.listdir(tmp_path) == []


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def verify(ca, certificate, *more):
    """By the strictest rules that OpenSSL has."""
    return subprocess.run(["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-check_ss_sig", *more, "-CAfile", ca, certificate],
                          capture_output=True, text=True)


def validity(path):
    return re.findall(r"Not (?:Before|After ?) ?: (.*)", text_of(path))


def test_a_client_that_asks_for_a_real_authority_is_served(tmp_path):
    """Erlang, and Python from 3.13 on, believe no root that is not a CA."""
    make(tmp_path, "auth.example.org", "--days", "30")
    assert verify(tmp_path / "ca.pem", tmp_path / "cert.pem", "-verify_hostname", "auth.example.org").returncode == 0
    ca, leaf = text_of(tmp_path / "ca.pem"), text_of(tmp_path / "cert.pem")
    assert "CA:TRUE, pathlen:0" in ca and "Certificate Sign, CRL Sign" in ca and "CA:FALSE" in leaf
    subject = re.search(r"Subject: (CN = Cardea CA [0-9a-f]{8})\n", ca)[1]
    assert f"Issuer: {subject}\n" in leaf and f"Issuer: {subject}\n" in ca
    assert validity(tmp_path / "ca.pem") == validity(tmp_path / "cert.pem")
    strict = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    shake_hands(strict, server, "auth.example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(strict, server, "other.example.org")


def shake_hands(client, server, name):
    """In memory, as far as it goes."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname=name)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (one, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
    assert one.version() and other.version()


def test_renewing_replaces_authority_and_certificate_for_the_same_names_and_key(tmp_path):
    names = ["auth.example.org", "*.example.org", "192.0.2.1", "2001:db8::1"]
    make(tmp_path, *names, "--days", "1")
    before = contents(tmp_path)
    done = run("cert", "renew", "--dir", tmp_path, "--days", "90")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"{tmp_path}/ca.pem: a new authority; give this file to everything that has a copy of the earlier one: clients, a proxy in "
        "front (proxy_ssl_trusted_certificate), the \"ca\" of resource services on other machines\n"
        f"{tmp_path}/cert.pem: the certificate, for {' '.join(names)}\n"
        f"{tmp_path}/key.pem: its private key, as before\n")
    after = contents(tmp_path)
    assert set(after) == set(before)
    assert {name for name in after if after[name] != before[name]} == {"ca.pem", "cert.pem"}
    assert after["ca.pem"].endswith(before["ca.pem"]) and after["ca.pem"].count(b"BEGIN") == 2
    assert verify(tmp_path / "ca.pem", tmp_path / "cert.pem").returncode == 0
    assert "DNS:auth.example.org, DNS:*.example.org, IP Address:192.0.2.1" in text_of(tmp_path / "cert.pem")
    assert validity(tmp_path / "ca.pem") == validity(tmp_path / "cert.pem")
    assert stat.S_IMODE(os.stat(tmp_path / "key.pem").st_mode) == 0o600
    done, _ = findings(tmp_path, BOTH)
    assert done.returncode == 0


@pytest.mark.parametrize("spoilt", [False, True], ids=["a key", "a file that is no key"])
def test_a_new_key_ends_the_trust_in_the_earlier_one(tmp_path, spoilt):
    make(tmp_path, "localhost", "127.0.0.1")
    before = contents(tmp_path)
    (tmp_path.parent / "earlier.pem").write_bytes(before["cert.pem"])
    if spoilt:
        (tmp_path / "key.pem").write_text("spoilt")
        os.chmod(tmp_path / "key.pem", 0o644)
    done = run("cert", "renew", "--dir", tmp_path, "--new-key")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"{tmp_path}/ca.pem: a new authority; replace each copy of the earlier one, which trusts the earlier key, with this file: of clients, "
        "a proxy in front (proxy_ssl_trusted_certificate), the \"ca\" of resource services on other machines\n"
        f"{tmp_path}/cert.pem: the certificate, for localhost 127.0.0.1\n"
        f"{tmp_path}/key.pem: its private key, a new one\n")
    after = contents(tmp_path)
    assert set(after) == set(before) and not [name for name in after if after[name] == before[name]]
    assert stat.S_IMODE(os.stat(tmp_path / "key.pem").st_mode) == 0o600
    fits(tmp_path)
    assert verify(tmp_path / "ca.pem", tmp_path.parent / "earlier.pem").returncode != 0
    assert done.stdout != run("cert", "renew", "--dir", tmp_path).stdout
    assert (tmp_path / "key.pem").read_bytes() == after["key.pem"]


def test_a_new_key_under_a_kept_authority_needs_no_other_trust(tmp_path):
    make(tmp_path / "a", "localhost", "--ca-key", tmp_path / "ca.key")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes((tmp_path / "a/ca.pem").read_bytes())
    before = (tmp_path / "a/key.pem").read_bytes()
    done = run("cert", "renew", "--dir", tmp_path / "a", "--ca-key", tmp_path / "ca.key", "--new-key")
    assert done.returncode == 0 and "clients that trust the earlier one need no other" in done.stdout and "a new one" in done.stdout
    assert (tmp_path / "a/key.pem").read_bytes() != before
    fits(tmp_path / "a")
    assert verify(trusted, tmp_path / "a/cert.pem").returncode == 0


# Ends the process, or fails, at the call that $STEP counts to; writes what it would do to $STEPS.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static int fails(void)
{
        static int count;

        if (++count != atoi(getenv("STEP")))
                return 0;
        if (getenv("KILL"))
                kill(getpid(), SIGKILL);
        FILE *hit = fopen(getenv("HIT"), "we");
        fclose(hit);
        errno = EIO;
        return 1;
}
#define STEP(name, types, values)                                                                                      \
        int name types                                                                                                 \
        {                                                                                                              \
                int (*next) types = (int (*) types)dlsym(RTLD_NEXT, #name);                                            \
                return fails() ? -1 : next values;                                                                     \
        }
int openat64(int dir, const char *path, int flags, ...)
{
        int (*next)(int, const char *, int, ...) = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat64");
        va_list more;
        va_start(more, flags);
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
        va_end(more);
        return flags & O_EXCL && fails() ? -1 : next(dir, path, flags, mode);
}
STEP(fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
STEP(fchmod, (int fd, mode_t mode), (fd, mode))
STEP(fsync, (int fd), (fd))
STEP(rename, (const char *from, const char *to), (from, to))
"""
STEPS = 12  # two files: made, given to the owner, its mode, synced; renamed, the folder synced


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "shim.so", folder / "shim.c"], check=True)
    return folder / "shim.so"


def fits(folder, ca="ca.pem"):
    """A client that trusts ca.pem is served by a server that loads what is there now."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    shake_hands(ssl.create_default_context(cafile=folder / ca), server, "localhost")


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "failing"])
def test_the_files_fit_wherever_a_renewal_ends(tmp_path, shim, kill):
    make(tmp_path, "localhost")
    for step in range(1, STEPS + 2):
        hit = tmp_path.parent / f"hit-{kill}-{step}"
        done = run("cert", "renew", "--dir", tmp_path,
                   env={"LD_PRELOAD": str(shim), "STEP": str(step), "HIT": str(hit), "ASAN_OPTIONS": "verify_asan_link_order=0",
                        **({"KILL": "1"} if kill else {})})
        if kill:
            assert done.returncode == (-9 if step <= STEPS else 0), (step, done.stderr)
        else:
            assert hit.exists() == (step <= STEPS), step
            assert set(os.listdir(tmp_path)) == {"ca.pem", "cert.pem", "key.pem"}
        fits(tmp_path)
        assert run("cert", "renew", "--dir", tmp_path).returncode == 0
        fits(tmp_path)
        assert set(os.listdir(tmp_path)) == {"ca.pem", "cert.pem", "key.pem"}, "what a renewal that was killed has left"


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "failing"])
def test_the_files_fit_after_another_renewal_wherever_one_with_a_new_key_ends(tmp_path, shim, kill):
    make(tmp_path, "localhost")
    steps = STEPS + STEPS // 2  # a third file
    for step in range(1, steps + 2):
        done = run("cert", "renew", "--dir", tmp_path, "--new-key",
                   env={"LD_PRELOAD": str(shim), "STEP": str(step), "HIT": str(tmp_path.parent / f"hit-{step}"),
                        "ASAN_OPTIONS": "verify_asan_link_order=0", **({"KILL": "1"} if kill else {})})
        if kill:
            assert done.returncode == (-9 if step <= steps else 0), (step, done.stderr)
        assert run("cert", "renew", "--dir", tmp_path).returncode == 0
        assert set(os.listdir(tmp_path)) == {"ca.pem", "cert.pem", "key.pem"}
        fits(tmp_path)


def test_what_is_in_the_way_of_a_renewal_is_replaced_and_not_followed(tmp_path):
    make(tmp_path / "a", "localhost")
    (tmp_path / "other").write_text("other")
    (tmp_path / "a/cert.pem.new").symlink_to(tmp_path / "other")
    (tmp_path / "a/ca.pem.new").write_text("part of a certif")
    assert run("cert", "renew", "--dir", tmp_path / "a").returncode == 0
    assert set(os.listdir(tmp_path / "a")) == {"ca.pem", "cert.pem", "key.pem"} and (tmp_path / "other").read_text() == "other"
    fits(tmp_path / "a")


def test_a_key_that_did_not_fit_fits_after_a_renewal(tmp_path):
    make(tmp_path, "localhost")
    make(tmp_path / "other", "localhost")
    (tmp_path / "key.pem").write_bytes((tmp_path / "other/key.pem").read_bytes())
    assert run("cert", "renew", "--dir", tmp_path).returncode == 0
    fits(tmp_path)


def test_an_authority_that_did_not_sign_is_not_kept(tmp_path):
    """What ca.pem has besides belongs to nothing here."""
    make(tmp_path, "localhost")
    make(tmp_path / "other", "localhost")
    (tmp_path / "ca.pem").write_bytes((tmp_path / "other/ca.pem").read_bytes())
    assert run("cert", "renew", "--dir", tmp_path).returncode == 0
    assert (tmp_path / "ca.pem").read_bytes().count(b"BEGIN") == 1
    fits(tmp_path)


def test_what_init_made_is_renewed_too(tmp_path):
    assert run("init", "--dir", tmp_path / "auth").returncode == 0
    done = run("cert", "renew", "--dir", tmp_path / "auth")
    assert done.returncode == 0 and "for localhost 127.0.0.1 ::1" in done.stdout


def test_an_authority_that_keeps_its_key_stays_trusted(tmp_path):
    key = tmp_path / "kept" / "ca.key"
    key.parent.mkdir()
    (tmp_path / "a").mkdir()
    first = run("cert", "new", "localhost", "--dir", tmp_path / "a", "--ca-key", key)
    assert first.returncode == 0 and f"{key}: the private key of the authority\n" in first.stdout
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    trusted, kept = tmp_path / "trusted.pem", key.read_bytes()
    trusted.write_bytes((tmp_path / "a/ca.pem").read_bytes())
    again = run("cert", "renew", "--dir", tmp_path / "a", "--ca-key", key)
    assert again.returncode == 0 and "ca.pem: the authority; clients that trust the earlier one need no other\n" in again.stdout
    assert (tmp_path / "a/ca.pem").read_bytes().count(b"BEGIN") == 1
    other = make(tmp_path / "b", "other.example.org", "--ca-key", str(key))
    assert other.returncode == 0 and key.read_bytes() == kept
    for folder in ("a", "b"):
        assert verify(trusted, tmp_path / folder / "cert.pem").returncode == 0
        assert verify(tmp_path / folder / "ca.pem", tmp_path / folder / "cert.pem").returncode == 0
    run("cert", "renew", "--dir", tmp_path / "a")
    assert verify(trusted, tmp_path / "a/cert.pem").returncode != 0


@pytest.mark.parametrize("text, mode, reason", [
    ("no key", 0o600, "contains no EC private key in PEM"), ("", 0o600, "is empty"),
    ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600, "contains no EC private key in PEM"),
    (None, 0o644, "is a file that other users of this machine can read; chmod 600 ")])
def test_a_key_of_an_authority_that_is_none_is_refused_and_stays(tmp_path, text, mode, reason):
    key = tmp_path / "ca.key"
    if text is None:
        run("cert", "new", "--dir", tmp_path, "--ca-key", key)
        for name in ("ca.pem", "cert.pem", "key.pem"):
            (tmp_path / name).unlink()
    else:
        key.write_text(text)
    key.chmod(mode)
    before = key.read_text()
    done = make(tmp_path, "--ca-key", str(key))
    assert done.returncode == 2 and reason in done.stderr
    assert os.listdir(tmp_path) == ["ca.key"] and key.read_text() == before


def test_a_new_key_of_an_authority_goes_again_where_the_rest_fails(tmp_path):
    (tmp_path / "cert.pem").write_text("mine")
    assert make(tmp_path, "--ca-key", str(tmp_path / "ca.key")).returncode == 1
    assert os.listdir(tmp_path) == ["cert.pem"]


def test_lesson_39_a_certificate_of_another_authority_is_not_replaced(tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem",
                    "-out", "cert.pem", "-subj", "/CN=auth.example.org", "-addext", "subjectAltName=DNS:auth.example.org"],
                   cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "ca.pem").write_text("mine")
    before = contents(tmp_path)
    done = run("cert", "renew", "--dir", tmp_path)
    assert (done.returncode, done.stderr) == (
        2, f"cardea cert renew: {tmp_path}/cert.pem was not made by cardea cert; renew it with the CA that issued it\n")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("missing", ["ca.pem", "key.pem"])
def test_nothing_is_replaced_where_not_all_can_be(tmp_path, missing):
    make(tmp_path)
    (tmp_path / missing).unlink()
    before = contents(tmp_path)
    done = run("cert", "renew", "--dir", tmp_path)
    assert (done.returncode, done.stderr) == (2, f"cardea cert renew: file {tmp_path}/{missing} does not exist\n")
    assert contents(tmp_path) == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_the_owner_keeps_the_files(tmp_path):
    make(tmp_path)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        os.chown(tmp_path / name, 65534, 65534)
    assert run("cert", "renew", "--dir", tmp_path).returncode == 0
    assert {(path.stat().st_uid, path.stat().st_gid) for path in tmp_path.iterdir()} == {(65534, 65534)}


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
    assert re.fullmatch(r"ok    \S+:2:21: tls.certificate: valid until \d{4}-\d\d-\d\d", lines[0])
    assert re.fullmatch(r"ok    \S+:2:36: tls.key: fits the certificate", lines[1])


@pytest.mark.parametrize("days, level", [(13, "warn"), (15, "ok")])
def test_a_certificate_that_is_nearly_over_is_a_warning(tmp_path, days, level):
    make(tmp_path, "--days", str(days))
    done, lines = findings(tmp_path, BOTH)
    assert done.returncode == 0 and lines[0].startswith(level)
    if level == "warn":
        assert "the certificate expires in 1" in lines[0] and "replace the files" in lines[0]


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
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA!!\n-----END CERTIFICATE-----\n")
    for tls, more, wanted in [
        # OpenSSL's texts are loaded for this alone.
        ("{ certificate: broken.pem, key: key.pem }", "", "tls.certificate: contains no certificate (bad base64 decode)"),
        ("{ certificate: cert.pem, key: other/key.pem }", "", "tls.key: is not the key of the certificate of \"CN=localhost\"; both"),
        ("{ certificate: key.pem, key: key.pem }", "", "tls.certificate: contains no certificate"),
        ("{ certificate: cert.pem, key: cert.pem }", "", "tls.key: "),
        ("{ certificate: cert.pem }", "", "tls.key: is missing"),
        ("{ key: key.pem }", "", "tls.certificate: is missing"),
        ("{ certificate: none.pem, key: key.pem }", "", "none.pem does not exist"),
        ("{ certificate: cert.pem, key: key.pem, client_certificate: require }", "", "tls.client_ca: is missing, and is needed"),
        ("{ certificate: cert.pem, key: key.pem, client_certificate: request, client_ca: key.pem }", "",
         "tls.client_ca: contains no certificate"),
        ("{}", 'redirect_listen: ["127.0.0.1:0"]\n', "redirect_listen: redirects to https, but no listener speaks TLS"),
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
    assert done.returncode == 2 and "is encrypted; decrypt it, because a service cannot ask for the password" in lines[0]


def test_the_addresses_that_redirect_are_tried_too(tmp_path):
    make(tmp_path)
    done, lines = findings(tmp_path, BOTH, 'redirect_listen: ["127.0.0.1:0", "192.0.2.1:1"]\n')
    assert done.returncode == 2
    assert any(line.startswith("ok ") and "redirect_listen[0]" in line for line in lines)
    assert any(line.startswith("error ") and "redirect_listen[1]" in line for line in lines)
