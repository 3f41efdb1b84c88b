"""What is shipped beside the binary: container files and the systemd unit."""
import configparser
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def dockerfile():
    """(instruction, arguments) of each line, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line and not line.startswith("#")]


def test_compose_runs_the_three_services_each_with_its_own_file():
    time_services = {name: service for name, service in SERVICES.items() if "profiles" not in service}
    assert set(time_services) == {"authorization", "resource", "webapp"}
    for name, service in time_services.items():
        source, target, mode = service["volumes"][0].split(":")
        assert (ROOT / source).is_file()
        assert target == f"/etc/cardea/{name}.yaml" and mode == "ro"
        assert target in service["command"]


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "postgres"])
def test_compose_takes_every_privilege_away(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service and "cap_add" not in service


def test_compose_publishes_the_web_application_alone_and_on_loopback():
    assert SERVICES["webapp"]["ports"] == ["127.0.0.1:5003:5003"]
    assert "ports" not in SERVICES["authorization"] and "ports" not in SERVICES["resource"]
    assert COMPOSE["networks"]["private"]["internal"] is True


def test_the_image_runs_as_nobody_in_particular_and_starts_the_server():
    lines = dockerfile()
    users = [argument for instruction, argument in lines if instruction == "USER"]
    assert users and users[-1] not in ("root", "0")
    assert ("ENTRYPOINT", '["cardea"]') in lines
    assert any(instruction == "HEALTHCHECK" for instruction, _ in lines)


def test_the_image_copies_only_what_exists():
    for instruction, arguments in dockerfile():
        if instruction == "COPY" and not arguments.startswith("--from"):
            for source in arguments.split()[:-1]:
                assert (ROOT / source).exists(), source


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_systemd_unit_is_valid(tmp_path):
    unit = (ROOT / "packaging/systemd/cardea.service").read_text()
    (tmp_path / "cardea.service").write_text(unit.replace("/usr/bin/cardea", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "cardea.service"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def unit():
    """Its sections; of a setting that stands there twice, the last value."""
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str
    parsed.read(ROOT / "packaging/systemd/cardea.service")
    return parsed


def test_unit_sysusers_tmpfiles_init_and_their_page_name_the_same_user_and_paths():
    service = unit()["Service"]
    page = (ROOT / "docs/run-under-systemd.md").read_text()
    config = re.fullmatch(r"/usr/bin/cardea serve --config (\S+)", service["ExecStart"])[1]
    assert unit()["Unit"]["ConditionPathExists"] == config
    assert set(re.findall(r"--config (\S+)", page)) == {config}
    folder, user = str(pathlib.Path(config).parent), service["User"]
    state = f"/var/lib/{service['StateDirectory']}"
    assert re.findall(r"cardea init --dir (\S+)", page) == [folder]
    assert f"`--user {user}` and `--store sqlite:{state}/cardea.db`" in page
    users = re.findall(r"^u (\S+)", (ROOT / "packaging/systemd/cardea.sysusers").read_text(), re.M)
    assert users == [user] == [service["Group"]]
    folders = re.findall(r"^d (\S+) (\S+) (\S+) (\S+)", (ROOT / "packaging/systemd/cardea.tmpfiles").read_text(), re.M)
    assert folders == [(folder, "0750", "root", user), (state, service["StateDirectoryMode"], user, user)]
    init = (ROOT / "src/cmd/init.c").read_text()
    assert f'"sqlite:{state}/cardea.db"' in init and f'folder[] = "{folder}"' in init and f'init->user = "{user}"' in init
    # ProtectSystem=strict leaves two folders to write to.
    assert service["ProtectSystem"] == "strict" and "ReadWritePaths" not in service
    assert service["RuntimeDirectory"] == "cardea"


def test_the_unit_never_gives_up_but_for_a_wrong_configuration():
    assert unit()["Unit"]["StartLimitIntervalSec"] == "0"
    assert (unit()["Service"]["Restart"], unit()["Service"]["RestartPreventExitStatus"]) == ("on-failure", "2")
    assert (unit()["Service"]["Type"], unit()["Service"]["TimeoutStartSec"]) == ("notify", "infinity")


def test_the_unit_may_open_low_ports_and_nothing_else():
    """With PrivateUsers=yes the capability would count for nothing."""
    service = unit()["Service"]
    assert service["AmbientCapabilities"] == service["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"
    assert "PrivateUsers" not in service


def test_a_reload_of_the_unit_is_the_signal_that_the_server_reloads_at():
    assert unit()["Service"]["ExecReload"] == '/bin/sh -c "kill -HUP $MAINPID"'


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is not installed")
def test_sysusers_makes_the_user(tmp_path):
    (tmp_path / "etc").mkdir()
    done = subprocess.run(["systemd-sysusers", f"--root={tmp_path}", ROOT / "packaging/systemd/cardea.sysusers"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^cardea:x:\d+:\d+:Cardea login portal and authorization server:/:/usr/sbin/nologin$", (tmp_path / "etc/passwd").read_text(), re.M)
