"""cardea demo: three systems, one command."""
import base64
import json
import os
import pathlib
import re
import select
import signal
import ssl
import subprocess
import time
import urllib.request

import pytest

from support.ports import find_ports

from .commands import BUILD, CARDEA, DEADLINE, ROOT, Program, listen_somewhere, run

NAMES = ["gate", "authorization server", "resource server", "web application", "Basic token service", "resource service",
         "Flask application", "chat", "commits application", "fake GitHub", "gate with TLS"]
TLS = 443  # ports after the first
OFFSETS = [*range(len(NAMES) - 1), TLS]
UWSGI = {"Flask application", "commits application"}

pytestmark = pytest.mark.skipif(not (BUILD / "examples/time-api/time-webapp").exists(),
                                reason="the example services are not built")


def free_base():
    """The services take this port and the nine after it, and the one with TLS."""
    return find_ports(len(NAMES) - 1, also=[TLS])


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=DEADLINE) as answer:
        return json.load(answer)


class Demo:
    def __init__(self, start, tmp_path, **options):
        self.base = free_base()
        self.tmp = tmp_path
        self.program = start("demo", "--port-base", str(self.base), env={**os.environ, "TMPDIR": str(tmp_path)}, **options)
        self.program.wait_line(lambda line: "is ready after" in line)
        self.program.wait_line(lambda line: "Ctrl-C stops everything" in line)
        self.wait_logs(lambda events: sum(event["event"] == "ready" for event in events) == len(NAMES) - len(UWSGI))
        self.rows = re.findall(r"^  (\S+(?: \S+)*) +\w+://localhost:(\d+)  pid (\d+)  (\S+)$", "".join(self.program.out), re.M)

    def wait_logs(self, predicate):
        """Until the log events so far fit."""
        end = time.monotonic() + DEADLINE
        while not predicate([json.loads(line) for line in list(self.program.err) if line.startswith("{")]):  # not uWSGI's
            assert time.monotonic() < end, self.program.err
            time.sleep(0.01)

    def pids(self):
        return [int(row[2]) for row in self.rows]


@pytest.fixture(scope="module", params=[pytest.param(None, id="shared", marks=pytest.mark.xdist_group("demo"))])
def demo(tmp_path_factory):
    """One for all tests that leave it as it is: it starts eleven programs."""
    demo = Demo(Program, tmp_path_factory.mktemp("demo"))
    yield demo
    assert demo.program.end() == 0


@pytest.fixture
def own_demo(start, tmp_path):
    return Demo(start, tmp_path)


def wait_gone(pids):
    end = time.monotonic() + DEADLINE
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < end, pids
        time.sleep(0.01)


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_two_calls_of_the_readme_answer(demo):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", get(demo.base + 3, "/current_time")["current_time"])
    assert abs(get(demo.base + 3, "/epoch_time")["epoch_time"] - time.time()) < 60
    assert f"curl http://localhost:{demo.base + 3}/current_time" in "".join(demo.program.out)


def test_it_says_what_runs_where_with_which_configuration(demo):
    assert [(row[0], int(row[1]) - demo.base) for row in demo.rows] == list(zip(NAMES, OFFSETS))
    for row in demo.rows:
        path = pathlib.Path(row[3])
        if row[0] == "chat":
            assert path == BUILD / "examples/demo-chat/chat.py"
            continue
        listen = {"fake GitHub": f'"port": {row[1]},', **dict.fromkeys(UWSGI, f"socket = 127.0.0.1:{row[1]}\n")}
        assert listen.get(row[0], f'listen: ["127.0.0.1:{row[1]}"]\n') in path.read_text()
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert demo.tmp in path.parents


def test_both_users_get_their_claims_and_the_resource_service_takes_them(demo):
    said = "".join(demo.program.out)
    grants = {}
    for certificate, name, password in re.findall(r"curl --cacert (\S+) -u (\w+):(\w+) https", said):
        context = ssl.create_default_context(cafile=certificate)
        basic = base64.b64encode(f"{name}:{password}".encode()).decode()
        token = ask(f"https://localhost:{demo.base + 4}/grant", f"Basic {basic}", context, 200)["token"]
        grants[name] = ask(f"https://localhost:{demo.base + 5}/", f"Bearer {token}", context, 202)
    assert {name: (claims["sub"], claims["role"], claims["projects"]) for name, claims in grants.items()} == {
        "ana": ("ana", "editor", ["a", "b"]), "bo": ("bo", "reader", ["a"])}


def test_the_gate_lets_nobody_in_who_has_not_logged_in(demo):
    """Over HTTP/1.1, and over HTTP/2 with the certificate that the demo names."""
    authority = re.search(r"curl -i --cacert (\S+) https", "".join(demo.program.out))[1]
    for offset, scheme, version in ((0, "http", "1.1"), (TLS, "https", "2")):
        for path in ("/", "/chat/", "/chat/socket", "/notes", "/commits/"):
            url = f"{scheme}://localhost:{demo.base + offset}{path}"
            done = subprocess.run(["curl", "-s", "--cacert", authority, "-w", "%{http_code} %{http_version}", url],
                                  capture_output=True, text=True, timeout=DEADLINE)
            answer, _, said = done.stdout.rpartition("}")
            assert (json.loads(answer + "}")["error"], said) == ("login_required", f"401 {version}")


def ask(url, authorization, context, status):
    request = urllib.request.Request(url, headers={"Authorization": authorization})
    with urllib.request.urlopen(request, timeout=DEADLINE, context=context) as answer:
        assert answer.status == status
        return json.load(answer)


def test_the_command_that_it_offers_lists_its_users(demo):
    config = demo.rows[4][3]
    assert f"user list --config {config}" in "".join(demo.program.out)
    assert [json.loads(line)["name"] for line in run("user", "list", "--json", "--config", config).stdout.splitlines()] == ["ana", "bo"]


def test_one_request_id_runs_through_all_three(demo):
    get(demo.base + 3, "/epoch_time")

    def one_call_is_in_all_logs(events):
        services = {}
        for event in events:
            if event["event"] == "request":
                services.setdefault(event["request_id"], set()).add(event["service"])
        return {"cardea", "time-resource", "time-webapp"} in services.values()

    demo.wait_logs(one_call_is_in_all_logs)


def test_the_drawing_of_the_readme_is_true(demo):
    shown = dict(re.findall(r"\b(cardea serve|uwsgi|chat\.py) :(\d+)", (ROOT / "README.md").read_text()))
    roles = {"cardea serve": "gate", "uwsgi": "Flask application", "chat.py": "chat"}
    assert {roles[program]: int(port) - 5000 for program, port in shown.items()} == {
        row[0]: int(row[1]) - demo.base for row in demo.rows if row[0] in roles.values()}
    # What listens on these ports are these programs.
    for program, role in roles.items():
        pid = next(row[2] for row in demo.rows if row[0] == role)
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        words = [pathlib.Path(word).name for word in command]
        assert words[words[0].startswith("python3"):][:len(program.split())] == program.split()


@pytest.mark.table
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_leaves_nothing(own_demo, number):
    assert own_demo.program.end(number) == 0
    wait_gone(own_demo.pids())
    assert list(own_demo.tmp.iterdir()) == []
    for offset in OFFSETS:
        listen_somewhere(own_demo.base + offset).close()


def test_under_nohup_it_outlives_its_terminal(start, tmp_path):
    demo = Demo(start, tmp_path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    demo.program.process.send_signal(signal.SIGHUP)
    assert get(demo.base + 3, "/epoch_time")["epoch_time"]
    assert demo.program.end() == 0
    assert not any("ended" in line or "killed" in line for line in demo.program.err)


@pytest.mark.table
@pytest.mark.parametrize("which", range(len(NAMES)))
def test_a_killed_service_is_named_and_the_others_are_stopped(own_demo, which):
    os.kill(own_demo.pids()[which], signal.SIGKILL)
    assert own_demo.program.wait() == 1
    said = [line for line in own_demo.program.err if line.startswith("cardea demo: ")]
    assert len(said) == 1
    assert said[0].startswith(f"cardea demo: the {own_demo.rows[which][0]} was killed by signal 9 (Killed); its last line: ")
    assert ("uWSGI" if NAMES[which] in UWSGI else '"event":') in said[0]
    wait_gone(own_demo.pids())
    assert list(own_demo.tmp.iterdir()) == []


def test_the_services_do_not_survive_a_killed_demo(own_demo):
    own_demo.program.end(signal.SIGKILL)
    wait_gone(own_demo.pids())


def test_a_terminal_shows_what_to_try_and_the_logs_go_to_a_file(tmp_path):
    base = free_base()
    screen, terminal = os.openpty()
    demo = subprocess.Popen([CARDEA, "demo", "--port-base", str(base)], stdout=subprocess.PIPE, stderr=terminal, text=True,
                            env={**os.environ, "TMPDIR": str(tmp_path)})
    try:
        said = ""
        while "Ctrl-C stops everything" not in said:
            line = demo.stdout.readline()
            assert line, said
            said += line
        log = pathlib.Path(re.search(r"^All services log to (\S+), as JSON lines but for uWSGI;", said, re.M)[1])
        assert tmp_path in log.parents and log.stat().st_mode & 0o777 == 0o600
        ready = [json.loads(line)["service"] for line in log.read_text().splitlines() if '"event":"ready"' in line]
        assert "cardea" in ready
        assert select.select([screen], [], [], 0)[0] == [], os.read(screen, 65536)
    finally:
        demo.terminate()
        assert demo.wait(DEADLINE) == 0
        os.close(screen)
        os.close(terminal)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.table
@pytest.mark.parametrize("offset, name", zip(OFFSETS, NAMES))
def test_a_taken_port_is_an_error_that_names_it(start, tmp_path, offset, name):
    base = free_base()
    with listen_somewhere(base + offset):
        program = start("demo", "--port-base", str(base), env={**os.environ, "TMPDIR": str(tmp_path)})
        assert program.wait() == 1
    assert program.err == [f"cardea demo: port {base + offset}, for the {name}, is taken; choose others with --port-base N\n"]
    assert program.out == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error(start, tmp_path):
    program = start("demo", "--port-base", str(free_base()), env={**os.environ, "TMPDIR": str(tmp_path / "none")})
    assert program.wait() == 1
    assert program.err == ["cardea demo: cannot create a folder for the configuration: No such file or directory\n"]
