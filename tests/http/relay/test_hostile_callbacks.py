"""What browsers send that no provider has sent: nothing reaches the receiver, and nothing is repeated."""
import socket
import struct
import threading
import urllib.parse

import pytest

import services
from receivers import closed_port, encode
from relayed import CODE, STATE
from running import receive, relayed  # noqa: F401

GOOD = {"success": True, "message": "You are in."}
LARGE = 100 * 1024


@pytest.fixture
def receiver(receive):
    return receive(encode("json", GOOD))


@pytest.fixture
def server(relayed, receiver):
    return relayed({"deliver": receiver.target, "encoding": "json"})


def query(*pairs):
    return urllib.parse.urlencode(pairs)


REFUSED = {
    "nothing": "",
    "no state": query(("code", CODE)),
    "no code": query(("state", STATE)),
    "empty": "code=&state=",
    "an empty code": query(("code", ""), ("state", STATE)),
    "code and error": query(("code", CODE), ("error", "access_denied"), ("state", STATE)),
    "two codes": query(("code", CODE), ("code", CODE), ("state", STATE)),
    "two different codes": query(("code", CODE), ("code", "other"), ("state", STATE)),
    "two states": query(("code", CODE), ("state", STATE), ("state", STATE)),
    "two errors": query(("error", "a"), ("error", "b"), ("state", STATE)),
    "a second code in other spelling": query(("code", CODE), ("state", STATE)) + "&%63ode=x",
    "NUL": f"code={CODE}%00&state={STATE}",
    "a line feed": f"code={CODE}%0d%0aX&state={STATE}",
    "no UTF-8": f"code={CODE}%ff&state={STATE}",
    "half an escape": f"code={CODE}%4&state={STATE}",
    "a state with a line feed": f"code={CODE}&state=a%0ab",
    "an error with a line feed": f"error=a%0ab&state={STATE}",
    "a code that is too long": query(("code", "x" * 4097), ("state", STATE)),
    "a state that is too long": query(("code", CODE), ("state", "x" * 4097)),
    "a description that is too long": query(("error", "x"), ("error_description", "x" * 4097), ("state", STATE)),
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_it_is_refused_with_a_page(server, receiver, sent):
    page = server.get(query=sent)
    assert page.status == 400 and page.mark is not True
    assert "text/html" in page.headers["Content-Type"] and "no-store" in page.headers["Cache-Control"]
    assert CODE not in page.text and STATE not in page.text
    assert receiver.raw == [] and not receiver.connections
    assert "Set-Cookie" not in page.headers


def test_a_query_of_100_kb_is_refused(server, receiver):
    for sent in (query(("code", "x" * LARGE), ("state", STATE)), query(("code", CODE), ("state", STATE)) + "&a=" + "y" * LARGE, "&" * LARGE):
        page = server.get(query=sent)
        assert 400 <= page.status < 500
    assert receiver.raw == []


def test_the_largest_that_is_accepted(server, receiver):
    """What a line of a request can hold, which is less than two full parameters."""
    assert server.get(query=query(("code", "x" * 4096), ("state", STATE))).status == 200
    assert receiver.deliveries == [{"state": STATE, "code": "x" * 4096}]


def test_an_error_is_delivered(server, receiver):
    assert server.get(query=query(("error", "access_denied"), ("error_description", "Grüße, no"), ("state", STATE))).status == 200
    assert receiver.deliveries == [{"state": STATE, "error": "access_denied", "error_description": "Grüße, no"}]


def test_other_parameters_are_left_out(server, receiver):
    more = query(("code", CODE), ("state", STATE), ("iss", "https://osu.ppy.sh"), ("session_state", "x"), ("data", "forged"), ("scope", "a b"))
    assert server.get(query=more).status == 200
    assert receiver.deliveries == [{"state": STATE, "code": CODE}]


def test_characters_of_codes_and_states_arrive_as_they_were(server, receiver):
    code = "4/0A-_.~!*'();:@&=+$,/?#[]% \"<>\\^`{|}"
    assert server.get(query=query(("code", code), ("state", code))).status == 200
    assert receiver.deliveries == [{"state": code, "code": code}]


@pytest.mark.parametrize("path", ["/register", "/register/", "/%72egister", "/./register", "/x/../register/"])
def test_every_spelling_of_the_path_is_caught_without_a_redirect(server, receiver, path):
    page = server.get(path)
    assert page.status == 200 and page.message == GOOD["message"]


@pytest.mark.parametrize("path", ["/", "/registe", "/registers", "/register/x", "/REGISTER", "/register.html", "/register%2f"])
def test_other_paths_are_not_caught(server, receiver, path):
    assert server.get(path).status in (400, 404)
    assert receiver.raw == []


def test_another_host_is_not_caught(relayed, receiver):
    server = relayed({"deliver": receiver.target, "encoding": "json", "host": "bot.example.com"})
    assert server.status_at("evil.example.com") in (404, 421)
    assert server.status_at("bot.example.com.evil.example") in (404, 421)
    assert receiver.raw == []
    assert server.status_at("BOT.example.com:8443") == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_refused(server, receiver, method):
    assert server.service.call(f"/register?code={CODE}&state={STATE}", method).status in (400, 405, 501)
    assert receiver.raw == []


def test_a_head_delivers_nothing(server, receiver):
    """Programs that preview links send it."""
    assert server.service.call(f"/register?code={CODE}&state={STATE}", "HEAD").status in (200, 405)
    assert receiver.raw == []


def test_a_form_may_bring_it_too(server, receiver):
    """response_mode=form_post, and the button of the page."""
    assert server.post("/register", {"code": CODE, "state": STATE}).status == 200
    assert receiver.deliveries == [{"state": STATE, "code": CODE}]
    for form in ({"code": "x" * LARGE, "state": STATE}, {"state": STATE}):
        assert 400 <= server.post("/register", form).status < 500
    body = '{"code":"c","state":"s"}'
    page = server.service.call("/register", "POST", [("Content-Type", "application/json")], body)
    assert 400 <= page.status < 500 and len(receiver.raw) == 1


def test_the_form_with_a_query_is_not_mixed_with_it(server, receiver):
    server.post(f"/register?code=evil&state={STATE}", {"code": CODE, "state": STATE})
    assert [one["code"] for one in receiver.deliveries] in ([CODE], [])


def test_a_page_that_is_loaded_again_delivers_nothing_twice(server, receiver):
    pages = [server.get() for _ in range(3)]
    assert {page.status for page in pages} <= {200, 409}
    assert len(receiver.raw) == 1, "a code can be used once"


def test_the_same_in_two_tabs_at_once(relayed, receive):
    over = threading.Event()

    def answer(connection, data):
        over.wait(services.PATIENCE)
        return encode("json", GOOD)

    receiver = receive(answer)
    server = relayed({"deliver": receiver.target, "encoding": "json", "timeout": "20s"})
    pages = []
    tabs = [threading.Thread(target=lambda: pages.append(server.get())) for _ in range(10)]
    for tab in tabs:
        tab.start()
    receiver.wait()
    services.wait_until(lambda: len(pages) == 9, "the other tabs")
    over.set()
    for tab in tabs:
        tab.join()
    assert len(receiver.raw) == 1
    assert [page.mark for page in pages].count(True) >= 1


# --- signed states ---------------------------------------------------------------------------------------------------


@pytest.fixture
def signing(relayed, receiver):
    return relayed({"deliver": receiver.target, "encoding": "json", "state": "signed"},
                   {"path": "/other", "deliver": receiver.target, "encoding": "json", "state": "signed"})


@pytest.mark.parametrize("leaves", (False, True))
def test_the_second_tab_learns_that_the_receiver_is_not_there(relayed, leaves):
    server = relayed({"deliver": f"tcp://127.0.0.1:{closed_port()}", "encoding": "json", "timeout": "1s"})
    first = socket.create_connection(("127.0.0.1", server.service.port))
    first.sendall(f"GET /register?{query(('code', CODE), ('state', STATE))} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    second = services.wait_until(lambda: [page for page in [server.get()] if page.status == 303], "the delivery that is under way")[0]
    if leaves:
        first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        assert first.recv(65536).startswith(b"HTTP/1.1 503 ")
    first.close()
    assert services.wait_until(lambda: [page for page in [server.follow(second)] if page.status != 200], "the end")[0].status == 503



@pytest.mark.parametrize("detail", ("off", "summary", "full"))
def test_the_log_of_outgoing_requests_has_the_delivery_from_the_start(relayed, receiver, detail):
    server = relayed({"deliver": receiver.target, "encoding": "json"}, log={"outgoing": detail})
    assert server.get().message == GOOD["message"]
    server.service.wait_event("request", path="/register")
    events = [one for one in server.service.events() if one["event"] == "outgoing_request"]
    assert [(one["name"], one["protocol"], "request_body" in one) for one in events] == {
        "off": [], "summary": [("relay /register", "json", False)], "full": [("relay /register", "json", True)]}[detail]



def test_a_signed_state_is_delivered_with_its_data(signing, receiver):
    state = signing.link(data="user 42, Grüße")
    page = signing.get(query={"code": CODE, "state": state})
    assert page.status == 200 and page.mark is True
    assert receiver.deliveries == [{"state": state, "code": CODE, "data": "user 42, Grüße"}]
    assert signing.secrets_in_log(state) == []


def test_states_of_strangers_do_not_reach_the_receiver(signing, receiver):
    state = signing.link()
    strange = [STATE, "", "x", state[:-1], state + "A", state + "=", state.swapcase(), "A" * len(state), state[::-1], state[:-4] + "AAAA", "." + state]
    for one in strange:
        page = signing.get(query={"code": CODE, "state": one})
        assert page.status in (400, 403) and page.mark is not True
    assert signing.get("/other", query={"code": CODE, "state": state}).status in (400, 403), "it is another path's"
    assert receiver.raw == []
    assert signing.get(query={"code": CODE, "state": state}).mark is True


def test_a_signed_state_expires(signing, receiver):
    state = signing.link("--expires", "1s")
    services.time.sleep(2)
    assert signing.get(query={"code": CODE, "state": state}).status in (400, 403)
    assert receiver.raw == []


def test_a_signed_state_is_used_once(signing, receiver):
    state = signing.link()
    assert signing.get(query={"code": CODE, "state": state}).mark is True
    assert signing.get(query={"code": "another", "state": state}).status in (400, 403)
    assert len(receiver.raw) == 1


def test_of_50_uses_of_one_state_one_is_delivered(signing, receiver):
    state = signing.link()
    start, pages = threading.Barrier(50), []

    def use(i):
        start.wait()
        pages.append(signing.get(query={"code": f"{CODE}{i}", "state": state}))

    threads = [threading.Thread(target=use, args=(i,)) for i in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.raw) == 1
    assert sorted(page.status for page in pages) == [200] + [403] * 49


def test_a_used_state_stays_used_over_a_restart(signing, receiver):
    state = signing.link()
    signing.get(query={"code": CODE, "state": state})
    signing.service.stop()
    signing.service.restart()
    assert signing.get(query={"code": "another", "state": state}).status in (400, 403)
    assert len(receiver.raw) == 1


def test_a_state_that_met_no_receiver_may_be_tried_again(relayed, receive):
    port = services.find_ports()
    server = relayed({"deliver": f"tcp://127.0.0.1:{port}", "encoding": "json", "state": "signed", "timeout": "1s"})
    page = server.get(query={"code": CODE, "state": server.link(data="7")})
    assert page.status == 503
    receiver = receive(encode("json", GOOD), port=port)
    assert server.post("/register", page.form).mark is True
    assert receiver.deliveries[0]["data"] == "7"
