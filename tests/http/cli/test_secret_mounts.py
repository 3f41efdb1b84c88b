"""Secrets on mounts whose modes nobody can change (LESSONS 41). The mounts are real, in a namespace of the test's own."""
import struct
import subprocess
import sys

import pytest

from .commands import CARDEA, DEADLINE, run

ENTER = ["unshare", "--map-root-user", "--mount"]
CONFIG = 'issuer: https://a.example\nlisten: ["127.0.0.1:0"]\nstore: sqlite:x.db\nmaster_key: ${file:MOUNT/master.key}\n'


def can_mount():
    try:
        return subprocess.run([*ENTER, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, timeout=DEADLINE).returncode == 0
    except OSError:
        return False


pytestmark = pytest.mark.skipif(not can_mount(), reason="this machine lets nobody mount")


def check(tmp_path, prepare, read_only, config=CONFIG):
    """`cardea check` with a file system in memory where it finds its secrets."""
    mount = tmp_path / "mount"
    mount.mkdir()
    (tmp_path / "c.yaml").write_text(config.replace("MOUNT", str(mount)))
    script = f"""set -e
        mount -t tmpfs none {mount}
        cd {mount}
        echo MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY= > master.key
        [ ! -f ../key.pem ] || cp ../key.pem .
        {prepare}
        {f'mount -o remount,ro {mount}' if read_only else ''}
        cd /
        exec {CARDEA} check --config {tmp_path}/c.yaml"""
    return subprocess.run([*ENTER, "sh", "-c", script], capture_output=True, text=True, timeout=DEADLINE)


@pytest.mark.parametrize("prepare, read_only, fault", [
    ("chmod 0400 master.key", False, None),
    ("chmod 0440 master.key", True, None),
    ("mkdir ..data; mv master.key ..data; chmod 0440 ..data/master.key; ln -s ..data/master.key .", True, None),  # Kubernetes' form
    ("chmod 0444 master.key", True, None),
    ("chmod 0444 master.key", False, ("read", "chmod 600 {}/master.key")),
    ("chmod 0660 master.key", True, ("write", "give {}/master.key mode 0440 in the source of the mount")),
    ("chmod 0602 master.key", False, ("write", "chmod 600 {}/master.key")),
])
def test_lesson_41_a_secret_on_a_mount_is_judged_by_who_can_reach_it(tmp_path, prepare, read_only, fault):
    done = check(tmp_path, prepare, read_only)
    said = [line for line in done.stdout.splitlines() if "master_key: " in line]
    if not fault:
        assert (done.returncode, said) == (0, []), done
    else:
        word, fix = fault
        assert done.returncode == 2 and len(said) == 1, done
        assert f"contains a secret from a file that other users of this machine can {word} (from file " in said[0]
        assert said[0].endswith("; " + fix.format(tmp_path / "mount"))


# What setfacl -m u:0:r writes: the owner, that user, the group, the mask, others; who, what they may, whose id.
ACL = struct.pack("<I" + "HHI" * 5, 2, 1, 4, 2**32 - 1, 2, 4, 0, 4, 0, 2**32 - 1, 16, 4, 2**32 - 1, 32, 0, 2**32 - 1)


@pytest.mark.parametrize("read_only", [True, False])
def test_lesson_41_an_acl_counts_as_a_group_does(tmp_path, read_only):
    """As systemd has it since 254: root's, with an ACL for the service's user."""
    give = f"import os; os.setxattr('master.key', 'system.posix_acl_access', {ACL!r})"
    done = check(tmp_path, f'{sys.executable} -c "{give}"; ls -l master.key | grep -q "^-r--r-----+"', read_only)
    assert done.returncode == 0, done


@pytest.mark.parametrize("mode, read_only, is_fine", [("0440", True, True), ("0444", True, True), ("0444", False, False), ("0460", True, False)])
def test_lesson_41_a_private_key_on_a_mount_is_judged_so_too(tmp_path, mode, read_only, is_fine):
    assert run("cert", "new", "--dir", tmp_path).returncode == 0
    done = check(tmp_path, f"chmod {mode} key.pem; chmod 0400 master.key", read_only,
                 CONFIG + f"tls: {{ certificate: {tmp_path}/cert.pem, key: MOUNT/key.pem }}\n")
    said = [line for line in done.stdout.splitlines() if "tls.key: " in line and line.startswith("error")]
    assert (done.returncode == 0) == is_fine == (said == []), done
    assert is_fine or "is in a file that other users of this machine can " in said[0]
