"""The packages on a Debian of their own, as an operator meets them: installed, started, changed, upgraded, removed, purged. The tests are
steps, in this order."""
import json
import re

import pytest

from .debs import ROOT, built, fields, relations
from .machine import Machine, run, wait

pytestmark = [pytest.mark.xdist_group("machine"), pytest.mark.slow]
CONFIG = "/etc/cardea/cardea.yaml"


@pytest.fixture(scope="module")
def debs():
    return built()


@pytest.fixture(scope="module")
def machine(debs):
    names = [name for name, version in relations(debs["cardea"], "Depends", "Recommends") + relations(debs["libcardea0"], "Depends")]
    made = Machine(sorted(set(names)))
    yield made
    made.close()


@pytest.fixture
def by_systemd(machine):
    if not machine.has_systemd:
        pytest.skip("systemd cannot run as process 1 of a container here")


def change(machine, old, new):
    """In the configuration."""
    path = machine.root / CONFIG[1:]
    text, count = re.subn(old, new, path.read_text())
    assert count == 1, old
    path.write_text(text)


def token(machine):
    return json.loads(machine.ask("/grant", "-u 'ana:correct horse battery'"))["token"]


def test_what_is_installed_runs_at_once(machine, debs):
    said = machine.install(debs["cardea"], debs["libcardea0"]).stdout
    assert "cardea: created /etc/cardea/cardea.yaml; the server listens on https://localhost:8443\n" in said
    if machine.has_systemd:
        assert machine.properties("ActiveState", "StatusText") == {"ActiveState": "active", "StatusText": "serving"}
    else:
        machine.service("start")
    assert json.loads(machine.ask("/readyz")) == {"status": "ready"}


def test_its_folders_are_as_documented(machine):
    listed = machine.run("stat -c '%a %U:%G %n' /etc/cardea /etc/cardea/master.key /var/lib/cardea /var/lib/cardea/cardea.db").stdout
    assert listed.splitlines() == ["750 root:cardea /etc/cardea", "600 cardea:cardea /etc/cardea/master.key",
                                   "700 cardea:cardea /var/lib/cardea", "600 cardea:cardea /var/lib/cardea/cardea.db"]


def test_check_has_nothing_against_its_configuration(machine):
    said = machine.run(f"runuser -u cardea -- cardea check --config {CONFIG}").stdout
    assert "\n0 errors, 1 warning" in said, said
    assert re.findall("^warn.*", said, re.M)[0].count("listens on 127.0.0.1:8443 already")  # the server itself


def test_the_manual_and_the_completion_are_there(machine):
    for path in ("man/man1/cardea.1.gz", "man/man1/grant-resource.1.gz", "bash-completion/completions/cardea", "cardea/proxy/nginx.conf"):
        assert (machine.root / "usr/share" / path).is_file(), path


def test_its_units_are_valid(by_systemd, machine):
    done = machine.run("systemd-analyze verify --man=no /lib/systemd/system/cardea.service /lib/systemd/system/cardea.socket")
    assert done.stderr == ""


def test_its_unit_has_few_rights(by_systemd, machine):
    level = machine.run("systemd-analyze security --no-pager cardea.service").stdout
    assert float(re.search(r"Overall exposure level for cardea.service: ([\d.]+)", level)[1]) <= 1.5
    pid = machine.properties("MainPID")["MainPID"]
    status = machine.run(f"cat /proc/{pid}/status").stdout
    assert re.findall(r"^Cap(?:Eff|Bnd):\t(\w+)", status, re.M) == ["0000000000000400"] * 2  # CAP_NET_BIND_SERVICE


def test_a_user_gets_a_token(machine):
    machine.run(f"echo 'correct horse battery' | runuser -u cardea -- cardea user add ana --config {CONFIG} --password-file -")
    assert token(machine).count(".") == 2


def test_root_asks_the_server_how_it_is(machine):
    said = machine.run("cardea status").stdout
    assert "\nlistens on   https://127.0.0.1:8443 unix:/run/cardea/control.sock\n" in said
    assert "\nstore        /var/lib/cardea/cardea.db, ok\n" in said


def test_commands_of_its_user_work_in_the_home_of_root(machine):
    """A folder that the user may not enter has no configuration for it."""
    assert "\nana " in machine.run("cd /root && runuser -u cardea -- cardea user list").stdout


def test_the_server_can_read_a_new_master_key_of_root_s(machine):
    machine.run("cardea key rotate-master --make /etc/cardea/other.key")
    assert machine.run("stat -c '%a %U:%G' /etc/cardea/other.key && rm /etc/cardea/other.key").stdout == "600 cardea:cardea\n"


def test_a_command_gets_a_variable_of_the_unit_as_the_page_says(by_systemd, machine):
    line = re.search(r"`(systemd-run [^`]*)`", (ROOT / "docs/run-under-systemd.md").read_text())[1]
    (machine.root / "etc/cardea/environment").write_text("DB_FILE=cardea.db\n")
    change(machine, r"/cardea\.db", "/${env:DB_FILE}")
    assert machine.run("runuser -u cardea -- cardea user list", check=False).returncode == 2
    assert "\nana " in machine.run(line).stdout
    change(machine, r"/\$\{env:DB_FILE\}", "/cardea.db")
    machine.run("rm /etc/cardea/environment")


def test_the_master_key_may_be_a_credential_of_the_unit(by_systemd, machine):
    """As docs/run-under-systemd.md says; then it belongs to root."""
    machine.run("chown root: /etc/cardea/master.key && mkdir -p /run/systemd/system/cardea.service.d && "
                "printf '[Service]\\nLoadCredential=master.key:/etc/cardea/master.key\\n' >/run/systemd/system/cardea.service.d/key.conf && "
                "systemctl daemon-reload")
    change(machine, "file:master.key", "credential:master.key")
    machine.service("restart")
    for folder in ("/run/credentials/cardea.service", "/etc/cardea"):
        assert "\nana " in machine.run(f"CREDENTIALS_DIRECTORY={folder} cardea user list").stdout
    change(machine, "credential:master.key", "file:master.key")
    machine.run("chown cardea: /etc/cardea/master.key && rm -r /run/systemd/system/cardea.service.d && systemctl daemon-reload")
    machine.service("restart")


def test_a_reload_takes_a_changed_setting(machine):
    change(machine, r"  lifetime: 5m", "  lifetime: 10m")
    machine.service("reload")
    wait("reloaded", lambda: '"event":"reloaded"' in machine.log())
    assert json.loads(machine.ask("/grant", "-u 'ana:correct horse battery'"))["expires_in"] == 600


def test_a_reload_with_a_mistake_changes_nothing(machine):
    change(machine, r"  lifetime: 10m", "  lifetime: ten")
    done = machine.run("cardea reload", check=False)
    assert done.returncode == 2 and "basic_tokens.lifetime: must be a duration" in done.stderr.splitlines()[0]
    change(machine, r"  lifetime: ten", "  lifetime: 10m")
    assert machine.run("cardea reload").stdout == "the configuration is in use\n"


def test_a_backup_survives_the_loss_of_its_data(machine):
    """As docs/backup.md says."""
    keys = machine.ask("/.well-known/jwks.json")
    machine.run("cardea backup /srv/cardea.backup")
    machine.service("stop")
    machine.run("rm -rf /var/lib/cardea")
    lost = machine.run("cardea restore /srv/cardea.backup", check=False)
    assert lost.returncode != 0 and "create the folder, for the user who runs the server" in lost.stderr
    machine.run("systemd-tmpfiles --create cardea.conf && cardea restore --replace /srv/cardea.backup")
    machine.service("start")
    assert machine.ask("/.well-known/jwks.json") == keys and token(machine)


def test_it_may_listen_on_port_443(machine):
    change(machine, "127.0.0.1:8443", "0.0.0.0:443")
    machine.service("restart")
    assert json.loads(machine.ask("/readyz", port=443)) == {"status": "ready"}
    change(machine, "0.0.0.0:443", "127.0.0.1:8443")
    machine.service("restart")


def test_the_socket_unit_starts_the_server_that_is_asked(by_systemd, machine):
    """As docs/upgrade.md and docs/run-under-systemd.md say; in between, the socket starts a server that does not run."""
    line, again = (re.search(r"`(sudo systemctl stop cardea && [^`]*)`", (ROOT / "docs" / page).read_text())[1].replace("sudo ", "")
                   for page in ("upgrade.md", "run-under-systemd.md"))
    assert line == again
    change(machine, "127.0.0.1:8443", "systemd:web")
    machine.run(line)
    for command in ("restart cardea.service", "stop cardea.service"):
        machine.run(f"systemctl {command}")
        assert json.loads(machine.ask("/readyz", port=443)) == {"status": "ready"}
    change(machine, "systemd:web", "127.0.0.1:8443")
    machine.run("systemctl disable --now cardea.socket && systemctl restart cardea.service")


def test_it_never_gives_up(by_systemd, machine):
    """systemd's own limit is five starts in ten seconds."""
    machine.run("mkdir -p /run/systemd/system/cardea.service.d && systemctl stop cardea && "
                "printf '[Service]\\nRestartSec=50ms\\n' >/run/systemd/system/cardea.service.d/fast.conf && systemctl daemon-reload && "
                "systemctl start cardea")
    for _ in range(7):
        pid = machine.properties("MainPID")["MainPID"]
        machine.run("systemctl kill --kill-who=main -s KILL cardea")
        wait("restart", lambda: machine.properties("MainPID")["MainPID"] not in ("0", pid))
    machine.ask("/readyz")
    machine.run("rm -r /run/systemd/system/cardea.service.d && systemctl daemon-reload")


def test_a_wrong_configuration_is_not_tried_again_and_again(by_systemd, machine):
    change(machine, "127.0.0.1:8443", "127.0.0.1:99999")
    done = machine.run("systemctl restart cardea", check=False)
    assert done.returncode == 1 and "Job for cardea.service failed" in done.stderr
    assert machine.properties("ActiveState", "ExecMainStatus", "Result") == {"ActiveState": "failed", "ExecMainStatus": "2", "Result": "exit-code"}
    change(machine, "127.0.0.1:99999", "127.0.0.1:8443")
    machine.run("systemctl start cardea")


def test_a_database_that_is_late_is_tried_again_and_again(by_systemd, machine):
    """The command says that it is not there; the unit goes on by itself."""
    change(machine, "sqlite:/var/lib/cardea/cardea.db", "postgresql://cardea@127.0.0.1:5432/cardea")
    done = machine.run("systemctl restart cardea", check=False)
    assert done.returncode == 1 and "Job for cardea.service failed" in done.stderr
    wait("tried again", lambda: int(machine.properties("NRestarts")["NRestarts"]) >= 2)
    # Of an attempt that has just begun, it has no finding yet.
    wait("the finding", lambda: "cardea.yaml" in machine.run("systemctl status cardea", check=False).stdout)
    change(machine, "postgresql://cardea@127.0.0.1:5432/cardea", "sqlite:/var/lib/cardea/cardea.db")
    wait("active", lambda: machine.properties("ActiveState")["ActiveState"] == "active")


def test_an_upgrade_keeps_data_and_configuration(machine, debs, tmp_path):
    machine.ask("/readyz")
    keys, config = machine.ask("/.well-known/jwks.json"), (machine.root / CONFIG[1:]).read_bytes()
    old = machine.properties("MainPID") if machine.has_systemd else None
    machine.install(*(higher(debs[name], tmp_path) for name in ("cardea", "libcardea0")))
    if machine.has_systemd:
        new = machine.properties("MainPID", "ActiveState")
        assert new["ActiveState"] == "active" and new["MainPID"] != old["MainPID"]
    else:
        machine.service("restart")
    assert machine.ask("/.well-known/jwks.json") == keys and token(machine)
    assert (machine.root / CONFIG[1:]).read_bytes() == config
    assert machine.run("dpkg-query -W -f '${Version}' cardea").stdout == fields(debs["cardea"])["Version"] + "+upgraded"


def higher(deb, folder):
    """The same package with a higher version."""
    tree = folder / deb.stem
    run("dpkg-deb", "-R", deb, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^(Version: .*)$", r"\1+upgraded", control.read_text(), flags=re.M))
    run("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, folder / f"{deb.stem}-upgraded.deb")
    return folder / f"{deb.stem}-upgraded.deb"


def test_what_is_removed_leaves_the_data_and_comes_back(machine, debs):
    machine.service("stop")
    if machine.has_systemd:
        machine.run("systemctl start cardea.socket")  # which would start the server again
    machine.run("apt-get remove -q -y cardea")
    assert (machine.root / CONFIG[1:]).exists() and (machine.root / "var/lib/cardea/cardea.db").exists()
    assert not (machine.root / "usr/bin/cardea").exists()
    if machine.has_systemd:
        assert machine.run("systemctl is-active cardea.service cardea.socket", check=False).stdout.split() == ["inactive", "inactive"]
    machine.install(debs["cardea"])
    if not machine.has_systemd:
        machine.service("start")
    assert token(machine)


def test_a_purge_leaves_nothing(machine):
    if not machine.has_systemd:
        machine.service("stop")
    machine.run("apt-get purge -q -y cardea libcardea0")
    left = machine.run("find / -xdev -name '*cardea*' -not -path '/srv/*' -not -path '/proc/*' -not -path '/sys/*'").stdout
    assert left == ""
    assert machine.run("getent passwd cardea; getent group cardea", check=False).stdout == ""


def test_a_folder_with_other_files_is_left_alone(machine, debs):
    machine.run("mkdir /etc/cardea && echo mine >/etc/cardea/notes")
    done = machine.install(debs["cardea"])
    assert "cardea: /etc/cardea has files but no cardea.yaml" in done.stdout + done.stderr
    assert machine.run("ls /etc/cardea").stdout == "notes\n"
    if machine.has_systemd:
        assert machine.properties("ActiveState", "ConditionResult") == {"ActiveState": "inactive", "ConditionResult": "no"}
