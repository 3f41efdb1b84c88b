"""The files for containers and clusters: they fit each other, and their configurations are those of the program."""
import fnmatch
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

import pytest
import yaml

from support.ports import find_ports

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CARDEA_BUILD", ROOT / "build")).resolve()
CARDEA = BUILD / "cardea"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OWN = {name for name, service in SERVICES.items() if service.get("image") == "cardea"}
KUBERNETES = list(yaml.safe_load_all((ROOT / "packaging/kubernetes/manifest.yaml").read_text()))
DEADLINE = 60


# --- compose.yaml ---------------------------------------------------------------------------------------------------


def test_what_compose_names_is_there():
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"], (name, volume)
        assert set(service.get("networks", [])) <= set(COMPOSE["networks"])
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
    copied = (ROOT / "Dockerfile").read_text()
    for name in OWN:
        for program in SERVICES[name].get("entrypoint", []):
            assert re.search(rf"\b{pathlib.PurePath(program).name}\b", copied), program


def test_containers_publish_on_this_machine_only():
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == {name for name, service in SERVICES.items() if "front" in service["networks"]} == {"webapp", "nginx"}


def test_the_second_set_is_started_only_by_its_profile():
    grants = {name for name, service in SERVICES.items() if service.get("profiles") == ["grants"]}
    assert grants == {"postgres", "grants-setup", "grant", "grant-resource", "nginx"}
    assert not any(other in grants for name in set(SERVICES) - grants for other in SERVICES[name].get("depends_on", {}))


class Grants:
    """The second set as its containers would run it: the names of hosts become 127.0.0.1, the ports free ones."""

    def __init__(self, folder):
        self.folder, self.processes = folder / "grants", []
        self.grant, self.resource, self.front, self.front_resource = (find_ports() for _ in range(4))
        self.url = self.start_postgres()

    def start_postgres(self):
        self.postgres = pathlib.Path(tempfile.mkdtemp(prefix="cardea-postgres-"))
        self.postgres.chmod(0o711)  # PostgreSQL does not run as root
        self.postgres /= "server"
        done = subprocess.run([ROOT / "tests/support/postgres-server", "start", self.postgres], capture_output=True, text=True, timeout=120)
        if done.returncode == 77:
            pytest.skip("PostgreSQL is not installed")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def setup(self):
        return subprocess.run([ROOT / "packaging/compose/grants-setup"], capture_output=True, text=True, timeout=DEADLINE,
                              env={**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}", "GRANTS_FOLDER": str(self.folder), "GRANTS_HOST": "localhost",
                                   "GRANTS_STORE": self.url, "GRANTS_PROXIES": "127.0.0.1"})

    def use_free_ports(self):
        for name in ("cardea.yaml", "resource.yaml"):
            path = self.folder / name
            text = path.read_text().replace("0.0.0.0:8443", f"127.0.0.1:{self.grant}").replace("0.0.0.0:8444", f"127.0.0.1:{self.resource}")
            path.write_text(text.replace('"https://localhost:8443/.well-known', f'"https://localhost:{self.grant}/.well-known'))
        config = (ROOT / "packaging/compose/grants-nginx.conf").read_text()
        for old, new in [("grant:8443", f"127.0.0.1:{self.grant}"), ("grant-resource:8444", f"127.0.0.1:{self.resource}"),
                         ("listen 8443", f"listen 127.0.0.1:{self.front}"), ("listen 8444", f"listen 127.0.0.1:{self.front_resource}"),
                         ("/tmp/", "/var/lib/cardea/grants/"), ("/var/lib/cardea/grants", str(self.folder)), ("worker_processes auto", "daemon off; master_process off")]:
            assert old in config, old
            config = config.replace(old, new)
        (self.folder / "nginx.conf").write_text(config)

    def start(self, *command):
        self.processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def wait_for(self, port):
        end = time.monotonic() + DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                assert time.monotonic() < end and all(p.poll() is None for p in self.processes)
                time.sleep(0.02)

    def end(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(DEADLINE)
        subprocess.run([ROOT / "tests/support/postgres-server", "stop", self.postgres], timeout=60, check=True)
        self.postgres.parent.rmdir()


@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
def test_the_second_set_issues_tokens_behind_nginx_as_it_prints(tmp_path):
    grants = Grants(tmp_path)
    try:
        done = grants.setup()
        assert done.returncode == 0, done
        again = grants.setup()
        assert (again.returncode, again.stdout) == (0, done.stdout), "the second run changes nothing"
        assert stat.S_IMODE((grants.folder / "users").stat().st_mode) & 0o077 == 0
        logins = re.findall(r"^  curl --cacert ca\.pem -u '(ana|bo):(\S+)' https://localhost:8443/grant ", done.stdout, re.MULTILINE)
        assert [name for name, _ in logins] == ["ana", "bo"] and len(done.stdout.splitlines()) == 5, done.stdout
        grants.use_free_ports()
        grants.start(CARDEA, "serve", "--config", grants.folder / "cardea.yaml")
        grants.wait_for(grants.grant)
        grants.start(BUILD / "examples/resource/grant-resource", "--config", grants.folder / "resource.yaml")
        grants.start(NGINX, "-c", grants.folder / "nginx.conf")
        for port in (grants.resource, grants.front, grants.front_resource):
            grants.wait_for(port)
        curl = ["curl", "--silent", "--show-error", "--cacert", grants.folder / "ca.pem"]
        for (name, password), role in zip(logins, ["editor", "reader"]):
            answer = subprocess.run([*curl, "-u", f"{name}:{password}", f"https://localhost:{grants.front}/grant"], capture_output=True, text=True, timeout=30)
            token = json.loads(answer.stdout)["token"]
            answer = subprocess.run([*curl, "-H", f"Authorization: Bearer {token}", f"https://localhost:{grants.front_resource}/"],
                                    capture_output=True, text=True, timeout=30)
            assert json.loads(answer.stdout)["role"] == role, answer
    finally:
        grants.end()


# --- Kubernetes -----------------------------------------------------------------------------------------------------


def find(kind):
    return next(item for item in KUBERNETES if item["kind"] == kind)


def test_the_configuration_of_the_cluster_is_valid(tmp_path):
    text = find("ConfigMap")["data"]["cardea.yaml"]
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    subprocess.run(f"umask 077; openssl rand -base64 32 > {secrets}/master.key; echo secret > {secrets}/postgres-password", shell=True, check=True)
    path = tmp_path / "cardea.yaml"
    path.write_text(text.replace("/run/secrets/cardea/", f"{secrets}/").replace("0.0.0.0:8080", "127.0.0.1:0"))
    done = subprocess.run([CARDEA, "check", "--json", "--config", path], capture_output=True, text=True, timeout=DEADLINE)
    errors = [finding for finding in json.loads(done.stdout)["findings"] if finding["level"] == "error"]
    assert [finding["setting"] for finding in errors] == ["store"], "only the database is not there"


def test_pods_meet_the_restricted_standard_and_mount_what_the_configuration_names():
    deployment = find("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    container, = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert str(pod["securityContext"]["runAsUser"]) == re.search(r"useradd --uid (\d+)", (ROOT / "Dockerfile").read_text())[1]
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert pod["automountServiceAccountToken"] is False
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    config = find("ConfigMap")["data"]["cardea.yaml"]
    assert all(os.path.dirname(path) in mounts for path in re.findall(r"\$\{file:(.*?)\}", config)) and "/etc/cardea" in mounts
    port = container["ports"][0]["containerPort"]
    assert f"0.0.0.0:{port}" in config
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for item in KUBERNETES:
        selector = item.get("spec", {}).get("selector", {})
        assert selector.get("matchLabels", selector) in ({}, labels), item["kind"]
    # What stops a pod waits longer than the server takes.
    assert pod["terminationGracePeriodSeconds"] > 5 + 10


def test_the_probes_are_answered(tmp_path):
    container, = find("Deployment")["spec"]["template"]["spec"]["containers"]
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    config = tmp_path / "cardea.yaml"
    config.write_text('listen: ["127.0.0.1:0"]\n')
    server = subprocess.Popen([CARDEA, "serve", "--config", config], stderr=subprocess.PIPE, text=True)
    try:
        events = {}
        while "ready" not in events:
            event = json.loads(server.stderr.readline())
            events[event["event"]] = event
        for path in paths.values():
            done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"http://{events['listening']['address']}{path}"],
                                  capture_output=True, text=True, timeout=30)
            assert done.stdout == "200", path
    finally:
        server.terminate()
        server.stderr.close()
        server.wait(DEADLINE)


# --- the repository -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["key.pem", "sub/cert.pem", "master.key", "a/master.key", "cardea.yaml", "home/cardea.yaml", "cardea.db",
                                  "a/cardea.db-wal", ".env"])
def test_secrets_of_an_installation_are_in_no_commit_and_no_image(name):
    assert subprocess.run(["git", "check-ignore", "-q", "--no-index", name], cwd=ROOT, timeout=30).returncode == 0
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith(("#", "!"))]
    assert any(fnmatch.fnmatch(name, pattern.removeprefix("**/")) or fnmatch.fnmatch(pathlib.PurePath(name).name, pattern.removeprefix("**/"))
               for pattern in patterns)


def test_nothing_that_is_committed_is_ignored():
    done = subprocess.run(["git", "ls-files", "--cached", "--ignored", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.stdout == ""


def test_the_pipeline_runs_what_this_repository_runs():
    pipeline = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    job, = pipeline["jobs"].values()
    assert job["steps"][-1] == {"run": ".ci/run"} and os.access(ROOT / ".ci/run", os.X_OK)
    assert job["container"] == "debian:12" and pipeline["permissions"] == {"contents": "read"}
    for template in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yaml"):
        form = yaml.safe_load(template.read_text())
        assert {"name", "description", "body"} <= set(form) and all({"type", "attributes"} <= set(part) for part in form["body"]), template
