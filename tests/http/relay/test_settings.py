"""The settings of the relay: what is refused and warned of, and what a reload changes."""
import json
import signal
import subprocess

import pytest

import services
from receiver import line

GOOD = {"path": "/register", "deliver": "tcp://127.0.0.1:7865", "encoding": "json"}


def check(tmp_path, relay, **settings):
    """The exit code, and the findings about the relay without their positions."""
    path = tmp_path / "cardea.yaml"
    path.write_text(json.dumps({"listen": ["127.0.0.1:0", "127.0.0.1:7000"], "relay": relay, **settings}))
    done = subprocess.run([services.PROGRAMS["cardea"], "check", "--config", path], capture_output=True, text=True, timeout=services.PATIENCE)
    lines = [text.split(": ", 1) for text in (done.stdout + done.stderr).splitlines()]
    return done.returncode, [(one[0].split()[0], one[1]) for one in lines if len(one) == 2 and one[1].startswith("relay")]


@pytest.mark.parametrize("change, finding, fix", [
    ({"path": None}, "relay[0].path: is missing", "add it: the path of the redirect URI"),
    ({"deliver": None}, "relay[0].deliver: is missing", "add it: the program that gets the code: tcp://ADDRESS:PORT"),
    ({"encoding": None}, "relay[0].encoding: is missing", "one Python pickle each way, or one line of JSON"),
    ({"encoding": "Pickle"}, "relay[0].encoding: ", "pickle"),
    ({"path": "register"}, 'relay[0].path: "register" does not begin with a slash', "/register"),
    ({"path": "https://bot.example.com/register"}, "relay[0].path: ", "relay[].host"),
    ({"path": "/register/"}, 'relay[0].path: "/register/" ends with a slash', "write /register"),
    ({"path": "/a/../register"}, 'relay[0].path: "/a/../register" is not canonical', "write /register"),
    ({"path": "/a%2Fb"}, 'relay[0].path: "/a%2Fb" is not a path', "plain path"),
    ({"path": "/a?code=1"}, "relay[0].path: ", "path"),
    ({"path": "/_auth/x"}, "relay[0].path: /_auth/x is a path of this server itself", "another path"),
    ({"path": "/oauth/token"}, "relay[0].path: /oauth/token is a path of this server itself", "another path"),
    ({"path": "/healthz"}, "relay[0].path: /healthz is a path of this server itself", "another path"),
    ({"host": "https://bot.example.com"}, 'relay[0].host: "https://bot.example.com" is not a host', "without scheme"),
    ({"host": "Bot.Example.com"}, 'relay[0].host: "Bot.Example.com" is not canonical', "write bot.example.com"),
    ({"deliver": "127.0.0.1:7865"}, 'relay[0].deliver: "127.0.0.1:7865" begins with neither tcp:// nor unix:', "tcp://127.0.0.1:7865"),
    ({"deliver": "tcp://127.0.0.1"}, 'relay[0].deliver: "tcp://127.0.0.1" has no port', "tcp://127.0.0.1:7865"),
    ({"deliver": "tcp://127.0.0.1:0"}, 'relay[0].deliver: "tcp://127.0.0.1:0" has no port', "tcp://127.0.0.1:7865"),
    ({"deliver": "tcp://127.0.0.1:65536"}, "relay[0].deliver: ", "tcp://127.0.0.1:7865"),
    ({"deliver": "tcp://127.0.0.1:7865/"}, "relay[0].deliver: ", "tcp://127.0.0.1:7865"),
    ({"deliver": "tcp://localhost:7865"}, "relay[0].deliver: ", "tcp://127.0.0.1:7865"),
    ({"deliver": "tcp://::1:7865"}, "relay[0].deliver: ", "tcp://[::1]:7865"),
    ({"deliver": "unix:run/bot.sock"}, 'relay[0].deliver: "unix:run/bot.sock" is not an absolute path', "unix:/run/bot.sock"),
    ({"deliver": "unix:/" + "x" * 108}, "relay[0].deliver: ", "unix:/run/bot.sock"),
    ({"deliver": "tcp://127.0.0.1:7000"}, "relay[0].deliver: is an address of listen", "the program"),
    ({"timeout": "99ms"}, "relay[0].timeout: ", ""),
    ({"hold": "999ms"}, "relay[0].hold: ", ""),
    ({"hold": "1500ms"}, "relay[0].hold: has a fraction of a second", "whole seconds"),
    ({"hold": "5m"}, "relay[0].hold: needs a store", "store: sqlite:cardea.db"),
    ({"state": "signed"}, "relay[0].state: is signed and needs a store and a master_key", "store: sqlite:cardea.db"),
], ids=lambda value: "".join(f"{k}={v}" for k, v in value.items())[:40] if isinstance(value, dict) else "")
def test_a_mistake_is_named_with_its_setting_cause_and_fix(tmp_path, change, finding, fix):
    entry = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    code, findings = check(tmp_path, [entry])
    errors = [text for level, text in findings if level == "error"]
    assert code != 0 and len(errors) == 1, findings
    assert errors[0].startswith(finding) and fix in errors[0]


def test_two_relays_with_one_path(tmp_path):
    code, findings = check(tmp_path, [GOOD, GOOD])
    assert code != 0 and ("error", "relay[1].path: relay[0] has the same path and host; give it another path or another host") in findings
    assert check(tmp_path, [GOOD, {**GOOD, "host": "bot.example.com"}])[0] == 0


@pytest.mark.parametrize("deliver", ["tcp://192.0.2.7:7865", "tcp://[2001:db8::1]:7865"])
def test_codes_that_leave_this_machine_are_warned_of(tmp_path, deliver):
    code, findings = check(tmp_path, [{**GOOD, "deliver": deliver}])
    assert code == 0 and any(level == "warn" and text.startswith("relay[0].deliver: ") and "clear text" in text for level, text in findings)


@pytest.mark.parametrize("deliver", ["tcp://127.0.0.1:7865", "tcp://[::1]:7865", "unix:/run/bot.sock", "unix:/" + "x" * 106])
def test_good_settings(tmp_path, deliver):
    assert check(tmp_path, [{**GOOD, "deliver": deliver}]) == (0, [("ok", f"relay[0]: /register is delivered to {deliver[:100]} as json")])


def test_a_path_that_an_application_of_the_gate_loses_is_warned_of(tmp_path):
    gate = {"routes": [{"host": "app.example.com", "public": True, "upstream": "http://127.0.0.1:3000"}]}
    _, findings = check(tmp_path, [GOOD], gate=gate, portal={"url": "http://auth.example.com/_auth"})
    assert any(level == "warn" and text.startswith("relay[0]: has no host") for level, text in findings)
    _, findings = check(tmp_path, [{**GOOD, "host": "bot.example.com"}], gate=gate, portal={"url": "http://auth.example.com/_auth"})
    assert all(level == "ok" for level, _ in findings)


def test_lesson_27_a_reload_changes_the_relay_and_a_bad_one_changes_nothing(start, receiver):
    one, two = receiver(line(True, "one")), receiver(line(True, "two"))
    server = start("cardea", {"relay": [{**GOOD, "deliver": one.deliver}]}, ["serve"])

    def reload(relay, event):
        before = len(server.events())
        server.config["relay"] = relay
        server.config_file.write_text(json.dumps(server.config))
        server.process.send_signal(signal.SIGHUP)
        services.wait_until(lambda: server.find(event, since=before), event)

    assert b"one" in server.call("/register?code=1&state=s").body
    reload([{**GOOD, "deliver": "nowhere"}], "reload_failed")
    assert b"one" in server.call("/register?code=2&state=s").body
    reload([{**GOOD, "deliver": two.deliver}, {**GOOD, "path": "/second", "deliver": one.deliver}], "reloaded")
    assert b"two" in server.call("/register?code=3&state=s").body and b"one" in server.call("/second/?code=4&state=s").body
    reload([], "reloaded")
    assert server.call("/register?code=5&state=s").status == 404
