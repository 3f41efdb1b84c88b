"""A Debian of its own to install the packages in: a folder that mmdebstrap fills from what this machine's apt reads, booted with systemd as
process 1 where systemd-nspawn can do that. Elsewhere, Machine.start runs what the unit would run, as its user."""
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

DEADLINE = 60
UNIT = "cardea.service"
PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
INCLUDE = ["systemd", "systemd-sysv", "dbus", "curl"]  # systemd-run --wait needs dbus


def run(*argv, check=True, **more):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=300, **more)
    assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done


def sources():
    """Where this machine's Debian comes from, whatever the form of its lists."""
    return run("apt-get", "indextargets", "Created-By: Packages", "Origin: Debian", "--format",
               "deb $(REPO_URI) $(RELEASE) $(COMPONENT)").stdout


def proxies():
    lines = run("apt-config", "dump").stdout.splitlines()
    return [f"--aptopt={line}" for line in lines if line.lower().startswith(("acquire::http::proxy", "acquire::https::proxy"))]


def bootstrap(folder, packages):
    """Fills the folder, or skips: without root, the tool, or a server with the packages."""
    if os.geteuid() != 0:
        pytest.skip("only root can install packages into a folder")
    if not shutil.which("mmdebstrap"):
        pytest.skip("mmdebstrap is not installed")
    lines = sources()
    if not lines:
        pytest.skip("apt has read no list of Debian's packages")
    done = run("mmdebstrap", "--quiet", "--mode=root", "--variant=apt", f"--include={','.join(INCLUDE + packages)}",
               "--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/doc/*", '--aptopt=Acquire::Languages "none"', *proxies(),
               lines.split()[2], folder, "-", input=lines, check=False)
    if done.returncode:
        pytest.skip(f"mmdebstrap could not fetch and install Debian: {done.stderr.strip().splitlines()[-1:]}")


def wait(what, condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


class Machine:
    def __init__(self, packages):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cardea-package.", dir="/var/tmp"))
        self.root = self.folder / "root"
        self.process = self.server = None
        try:
            self.folder.chmod(0o755)
            bootstrap(self.root, packages)
            self.has_systemd = self.boot()
            if not self.has_systemd:
                self.hold()
        except BaseException:
            self.close()
            raise

    def boot(self):
        if not shutil.which("systemd-nspawn") or "CARDEA_TEST_NO_SYSTEMD" in os.environ:
            return False
        unit = [] if pathlib.Path("/run/systemd/system").exists() else ["--keep-unit"]
        with (self.folder / "boot.log").open("wb") as log:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", *unit, "--directory", self.root, "--private-network", "--console=pipe", "--boot"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"})
        end = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < end:
            if self.leader() and self.run("systemctl is-system-running --wait", check=False).stdout.strip() in ("running", "degraded"):
                return True
            time.sleep(0.1)
        self.end()
        return False

    def hold(self):
        """Namespaces with the folder as their root and loopback up, in which nothing runs yet."""
        self.process = subprocess.Popen(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={self.root}/proc",
                                         "chroot", self.root, "sleep", "infinity"], stdin=subprocess.DEVNULL)
        wait("unshare", self.leader)
        run("nsenter", "-t", self.leader(), "-n", "python3", "-c", "import fcntl, socket, struct; "
            "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sh', b'lo', 1))")  # SIOCSIFFLAGS, IFF_UP
        self.run("mkdir -p /run/lock")

    def leader(self):
        """The process of this machine that is number 1 in it."""
        return run("pgrep", "-P", self.process.pid, check=False).stdout.strip()

    def run(self, command, check=True, **more):
        return run("nsenter", "-t", self.leader(), "-a", "-r", "-w", "env", "-i", PATH, "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
                   "sh", "-c", command, check=check, **more)

    def install(self, *packages):
        for package in packages:
            shutil.copy(package, self.root / "srv")
        return self.run("apt-get install -q -y --no-install-recommends " + " ".join(f"/srv/{p.name}" for p in packages))

    # --- the service

    def properties(self, *names):
        lines = self.run(f"systemctl show {UNIT} " + " ".join(f"-p {name}" for name in names)).stdout
        return dict(line.split("=", 1) for line in lines.splitlines())

    def service(self, verb):
        """What systemctl does with the unit: start, stop, restart or reload."""
        if self.has_systemd:
            self.run(f"systemctl {verb} {UNIT}")
            return
        if verb == "reload":
            self.run("kill -HUP $(cat /run/server.pid)")
        if verb in ("stop", "restart") and self.server:
            self.run("kill -TERM $(cat /run/server.pid)")
            assert self.server.wait(DEADLINE) == 0
            self.server = None
        if verb in ("start", "restart"):
            self.start_as_the_unit_does()

    def start_as_the_unit_does(self):
        text = (self.root / f"lib/systemd/system/{UNIT}").read_text()
        lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
        with (self.folder / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                ["nsenter", "-t", self.leader(), "-a", "-r", "-w", "env", "-i", PATH, "sh", "-c", 'echo $$ >/run/server.pid; exec "$@"', "sh",
                 "setpriv", "--reuid", lines["User"], "--regid", lines["Group"], "--init-groups", "--bounding-set=-all,+net_bind_service",
                 "--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service", "--no-new-privs",
                 *shlex.split(lines["ExecStart"])], stdin=subprocess.DEVNULL, stderr=log)

    def log(self):
        if self.has_systemd:
            return self.run(f"journalctl -q -o cat -u {UNIT}").stdout
        return (self.folder / "server.log").read_text()

    def ask(self, path, *options, port=8443):
        """The body that the server answers with, once it answers."""
        return self.run(f"curl -sS --fail-with-body --retry 100 --retry-connrefused --retry-delay 0 --retry-max-time {DEADLINE} "
                        f"--cacert /etc/cardea/ca.pem {' '.join(options)} https://localhost:{port}{path}").stdout

    def end(self):
        if self.process and self.process.poll() is None:
            leader = self.leader()
            if leader:
                os.kill(int(leader), signal.SIGKILL)  # and with it all that runs there
            else:
                self.process.kill()
            self.process.wait()

    def close(self):
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)
