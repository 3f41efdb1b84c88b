"""The image, run as compose.yaml runs it. ./dev image builds it; these tests look at what was built."""
import json
import os
import shutil
import subprocess
import time

import pytest

DEADLINE = 60
IMAGE = "localhost/cardea"
# As the services of compose.yaml. The limits are not raised above those of the caller, who may not be allowed to.
CONFINED = ["--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--ulimit", "nofile=4096:4096",
            "--ulimit", "nproc=4096:4096", "--no-healthcheck"]  # podman runs the check by systemd, if there is one


def podman(*argv, check=True, **more):
    done = subprocess.run(["podman", *(str(a) for a in argv)], capture_output=True, text=True, timeout=DEADLINE, **more)
    assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module", autouse=True)
def image():
    if os.geteuid() != 0 or not shutil.which("podman"):
        pytest.skip("podman is not installed, or this is not root: ./dev image builds the image")
    if podman("image", "exists", IMAGE, check=False).returncode:
        pytest.skip("there is no image: ./dev image builds it")
    return json.loads(podman("image", "inspect", IMAGE).stdout)[0]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "cardea.yaml"
    path.write_text('listen: ["0.0.0.0:5001"]\n')
    tmp_path.chmod(0o755)
    return ["--volume", f"{path}:/etc/cardea/cardea.yaml:ro"]


@pytest.fixture
def volume():
    name = podman("volume", "create").stdout.strip()
    yield ["--volume", f"{name}:/var/lib/cardea"]
    podman("volume", "rm", "--force", name)


@pytest.fixture
def start():
    started = []

    def begin(*argv):
        started.append(podman("run", "--detach", *CONFINED, *argv).stdout.strip())
        return started[-1]

    yield begin
    for container in started:
        podman("rm", "--force", "--time", "0", container)


def wait(condition):
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def events(container):
    return [json.loads(line)["event"] for line in podman("logs", container).stderr.splitlines()]


def test_it_says_what_is_in_it_and_its_user(image):
    config = image["Config"]
    assert config["User"] == "cardea" and config["Labels"]["org.opencontainers.image.title"] == "Cardea"
    assert image["Healthcheck"]["Test"] == ["CMD", "/usr/libexec/cardea/healthcheck", "5001"]
    assert image["Size"] < 200_000_000


def test_it_serves_without_rights_and_ends_in_order(start, config):
    container = start(*config, IMAGE)
    wait(lambda: "ready" in events(container))
    podman("exec", container, "/usr/libexec/cardea/healthcheck", "5001")
    status = dict(line.split(":\t", 1) for line in podman("exec", container, "cat", "/proc/1/status").stdout.splitlines())
    assert (status["Name"], status["Uid"].split()[0], status["CapEff"], status["CapBnd"], status["NoNewPrivs"]) == ("cardea", "10001", "0" * 16, "0" * 16, "1")
    assert "Read-only" in podman("exec", container, "touch", "/var/lib/cardea/x", check=False).stderr
    podman("kill", "--signal", "HUP", container)
    wait(lambda: "reloaded" in events(container))
    podman("stop", "--time", DEADLINE // 2, container)
    assert podman("inspect", "--format", "{{.State.ExitCode}}", container).stdout == "0\n"
    assert events(container)[-2:] == ["stopping", "stopped"]


def test_a_wrong_configuration_ends_it_with_2(tmp_path, config):
    (tmp_path / "cardea.yaml").write_text('listen: ["0.0.0.0:99999"]\n')
    done = podman("run", "--rm", *CONFINED, *config, IMAGE, check=False)
    assert done.returncode == 2 and "listen[0]" in done.stderr.splitlines()[0]


def test_data_in_a_volume_survive_a_kill(start, volume):
    file = "/var/lib/cardea/config/cardea.yaml"
    podman("run", "--rm", *CONFINED, *volume, IMAGE, "init", "--dir", "/var/lib/cardea/config", "--store", "sqlite:/var/lib/cardea/cardea.db")
    podman("run", "--rm", "--interactive", *CONFINED, *volume, IMAGE, "user", "add", "ana", "--password-file", "-", "--config", file,
           input="correct horse battery staple")
    container = start(*volume, IMAGE, "serve", "--config", file)
    wait(lambda: podman("exec", container, "cardea", "status", "--config", file, check=False).returncode == 0)
    podman("kill", container)
    podman("wait", container)
    podman("start", container)
    wait(lambda: podman("exec", container, "cardea", "status", "--config", file, check=False).returncode == 0)
    assert "\nana " in podman("exec", container, "cardea", "user", "list", "--config", file).stdout
