"""cardea relay link."""
import pytest

from receivers import encode
from relayed import CODE
from running import receive, relayed  # noqa: F401

OSU = "https://osu.ppy.sh/oauth/authorize?client_id=1&response_type=code"


@pytest.fixture
def server(relayed, receive):  # noqa: F811
    receiver = receive(encode("json", {"success": True, "message": "hi"}))
    more = {"deliver": receiver.target, "encoding": "json"}
    return relayed({**more, "state": "signed"}, {**more, "path": "/open"}, {**more, "path": "/two", "host": "a.example", "state": "signed"},
                   {**more, "path": "/two", "host": "b.example", "state": "signed"})


def test_it_prints_a_state_of_base64url_that_differs_each_time(server):
    states = {server.run("relay", "link", "--path", path, "--data", "42") for path in ("/register", "/register/", "/register")}
    assert len(states) == 3
    for state in states:
        assert state.endswith("\n") and state[:-1].replace("-", "a").replace("_", "a").isalnum() and len(state) <= 513
        assert server.get(query={"code": CODE, "state": state[:-1]}).mark is True


def test_data_is_optional_and_has_a_limit(server):
    assert server.get(query={"code": CODE, "state": server.run("relay", "link", "--path", "/register").strip()}).mark is True
    state = server.link(data="x" * 328)
    assert len(state) == 512 and server.get(query={"code": CODE, "state": state}).mark is True
    done = server.command("relay", "link", "--path", "/register", "--data", "x" * 329)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "cardea relay link: data: has 329 bytes; a state has room for 328, so pass an id of what you keep elsewhere\n"


@pytest.mark.parametrize("url, instead", [(OSU, OSU + "&state="), ("https://example.com/authorize", "https://example.com/authorize?state=")])
def test_it_prints_the_whole_url(server, url, instead):
    url = server.run("relay", "link", "--path", "/register", "--url", url).strip()
    assert url.startswith(instead)
    assert server.get(query={"code": CODE, "state": url.partition("state=")[2]}).mark is True


@pytest.mark.parametrize("words, reason", [
    (["--path", "/registe"], "--path: no entry of relay has the path /registe; name one of the configuration"),
    (["--path", "/register", "--host", "x.example"], "--path: no entry of relay has the path /register and the host x.example; name one of the configuration"),
    (["--path", "/open"], "relay.state: of /open is opaque, so that anybody can make a state; write state: signed"),
    (["--path", "/two"], "--host: is needed: several entries of relay have the path /two"),
    (["--path", "/register", "--expires", "0s"], None),
    (["--path", "/register", "--expires", "31d"], None),
    (["--path", "/register", "--expires", "soon"], None),
    (["--path", "/register", "--data", "a\nb"], "data: is not UTF-8 text on one line; encode other bytes, for instance as base64"),
    (["--path", "/register", "--url", OSU + "&state=x"], "--url: has a state or a fragment; leave them out"),
    (["--path", "/register", "--url", OSU + "#x"], "--url: has a state or a fragment; leave them out"),
    ([], "--path PATH is missing; see: cardea help relay link"),
])
def test_a_mistake_is_one_sentence_and_exit_code_2(server, words, reason):
    done = server.command("relay", "link", *words)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.startswith("cardea relay link: ") and done.stderr.count("\n") == 1
    assert reason is None or done.stderr == f"cardea relay link: {reason}\n"


def test_a_state_is_for_one_host(server):
    state = server.run("relay", "link", "--path", "/two", "--host", "a.example").strip()
    status = {host: server.status_at(host, "/two", state) for host in ("b.example", "a.example")}
    assert status == {"b.example": 403, "a.example": 200}
