"""The relay catches the redirect of a login, delivers it, and shows the answer."""
import http.client
import pickle
import re
import threading
import time
from urllib.parse import quote

import pytest

from receiver import line, reset
from services import PATIENCE, Answer, wait_until

CODE, STATE = "q8Xb-the.code_0", "gAAAAABk-a_fernet-token=="
QUERY = f"?code={CODE}&state={quote(STATE)}"


@pytest.fixture
def relay(start):
    """relay(receiver, …) returns a server with one relay at /register; every other keyword is a setting of it."""
    def start_relay(deliver, server=None, **settings):
        entry = {"path": "/register", "deliver": getattr(deliver, "deliver", deliver), "encoding": "json", "timeout": "10s", **settings}
        return start("cardea", {"relay": [entry], "threads": 2, **(server or {})}, ["serve"])

    return start_relay


def page(answer):
    return answer.body.decode()


def heading(answer):
    return re.sub("<[^>]*>", "", re.search("<h1>(.*?)</h1>", page(answer), re.DOTALL)[1])


def no_secret_is_in(server):
    for text in server.lines():
        for secret in (CODE, STATE, quote(STATE)):
            assert secret not in text, "LESSONS 28: a code or a state in the log"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("encoding", ["json", "pickle"])
def test_a_login_is_delivered_and_its_answer_is_shown(relay, receiver, encoding, slash):
    answers = {"json": line(True, "Hello, ana"), "pickle": pickle.dumps({"success": True, "message": "Hello, ana"})}
    bot = receiver(answers[encoding])
    server = relay(bot, encoding=encoding)
    answer = server.call("/register" + slash + QUERY)
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store" and "Location" not in answer.headers
    assert heading(answer) == "✓ Done" and "<bdi>Hello, ana</bdi>" in page(answer)
    assert bot.got(encoding) == [{"state": STATE, "code": CODE}]
    event = server.wait_event("relay_delivered", relay="/register", receiver=bot.deliver[6:], success=True)
    assert event["attempts"] == 1 and event["duration_us"] > 0
    no_secret_is_in(server)


def test_over_a_unix_socket(relay, receiver, tmp_path):
    bot = receiver(line(False, "You are too late"), tmp_path / "bot.sock")
    answer = relay(bot).call("/register" + QUERY)
    assert heading(answer) == "✗ That did not work" and "You are too late" in page(answer)


def test_a_plain_text_is_shown_as_text(relay, receiver):
    bot = receiver("Grüße <script>alert(1)</script>\nTwo lines".encode())
    answer = relay(bot, encoding="pickle").call("/register" + QUERY)
    assert answer.status == 200 and heading(answer) == "The answer"
    assert "Grüße &lt;script&gt;alert(1)&lt;/script&gt;\nTwo lines" in page(answer) and "<script" not in page(answer)


def test_the_page_is_in_the_language_of_the_browser(relay, receiver):
    answer = relay(receiver(line(True, ""))).call("/register" + QUERY, headers=[("Accept-Language", "de-CH, en;q=0.5")])
    assert heading(answer) == "✓ Fertig" and '<html lang="de"' in page(answer)


def test_the_page_refers_to_its_own_address_only(relay, receiver):
    server = relay(receiver(line(True, "yes")))
    answer = server.call("/register" + QUERY)
    assert re.findall('(?:href|action|src)="([^"]*)"', page(answer)) == ["?styles"]
    styles = server.call("/register/?styles")
    assert styles.status == 200 and styles.headers["Content-Type"].startswith("text/css") and b"main{" in styles.body
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_what_the_provider_refused_is_delivered_too(relay, receiver):
    bot = receiver(line(False, "Then not"))
    answer = relay(bot).call(f"/register?error=access_denied&error_description=The+user+said+n%C3%B6&state={quote(STATE)}&other=1")
    assert answer.status == 200 and "Then not" in page(answer)
    assert bot.got() == [{"state": STATE, "error": "access_denied", "error_description": "The user said nö"}]


@pytest.mark.parametrize("query", [
    "",
    "?",
    "?code=a",
    "?state=a",
    "?code=&state=a",
    "?code=a&state=",
    "?code=a&code=b&state=c",
    "?code=a&state=b&state=c",
    "?code=a&state=b&error=access_denied",
    "?error=a&error=b&state=c",
    "?code=a%0ab&state=c",
    "?code=a%00b&state=c",
    "?code=%FF&state=c",
    "?code=%zz&state=c",
    "?code=a&state=%E2%80%AE",
    f"?code={'a' * 4097}&state=c",
    f"?code=a&state={'c' * 4097}",
    f"?error=x&state=c&error_description={'c' * 4097}",
], ids=lambda query: query[:40])
def test_what_no_provider_sends_is_refused(relay, receiver, query):
    bot = receiver(line(True, "never"))
    answer = relay(bot).call("/register" + query)
    assert answer.status == 400 and heading(answer) == "Not a login"
    assert bot.received == []


def test_a_code_and_a_state_of_4096_bytes_each_are_delivered(relay, receiver):
    bot = receiver(line(True, "yes"))
    answer = relay(bot).call("/register", "POST", body={"code": "a" * 4096, "state": "b" * 4096})
    assert answer.status == 200 and bot.got() == [{"code": "a" * 4096, "state": "b" * 4096}]
    assert relay(bot).call(f"/register?code={'a' * 4096}&state=b").status == 200


def test_only_get_delivers(relay, receiver):
    bot = receiver(line(True, "yes"))
    server = relay(bot)
    assert server.call("/register" + QUERY, "HEAD").status == 200
    for headers in ([("Sec-Purpose", "prefetch;prerender")], [("Purpose", "prefetch")], [("X-Moz", "prefetch")]):
        assert server.call("/register" + QUERY, headers=headers).status == 503
    for method in ("PUT", "DELETE", "OPTIONS", "PROPFIND"):
        answer = server.call("/register" + QUERY, method)
        assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD, POST"
    assert server.call("/register" + QUERY, "POST", [("Content-Type", "text/plain")], "code=a&state=b").status == 400
    assert bot.received == []
    assert server.call("/register" + QUERY).status == 200 and len(bot.received) == 1


# ---- nothing is delivered twice ----

def test_a_page_that_is_loaded_again_shows_the_answer_and_delivers_nothing(relay, receiver):
    bot = receiver(line(True, "Hello, ana"))
    server = relay(bot)
    pages = [page(server.call(path + QUERY)) for path in ("/register", "/register", "/register/")]
    assert len(bot.received) == 1 and pages[0] == pages[1] == pages[2]
    assert server.call(f"/register?code={CODE}&state=another").status == 200 and len(bot.received) == 2


def test_50_requests_at_once_deliver_one_login_once(relay, receiver):
    go = threading.Event()

    def answer(got, connection):
        assert go.wait(30)
        return line(True, "Hello, ana")

    bot = receiver(answer)
    server = relay(bot)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(server.call("/register" + QUERY))) for _ in range(50)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(answers) == 49, "the others to be told to wait")
    where = {one.headers["Location"] for one in answers}
    assert {one.status for one in answers} == {303} and len(where) == 1
    wait = "/register" + where.pop()
    assert CODE not in wait and STATE not in wait
    waiting = server.call(wait)
    assert waiting.status == 200 and heading(waiting) == "Please wait" and waiting.headers["Refresh"].startswith("2; url=?waiting=")
    go.set()
    for thread in threads:
        thread.join()
    assert answers[-1].status == 200 and len(bot.received) == 1
    assert "Hello, ana" in page(server.call(wait))


def test_a_browser_that_leaves_finds_the_answer_when_it_is_back(relay, receiver):
    go = threading.Event()
    bot = receiver(lambda got, connection: line(True, "Hello, ana") if go.wait(30) else None)
    server = relay(bot)
    with pytest.raises(TimeoutError):
        server.call("/register" + QUERY, timeout=0.3)
    assert server.call("/register" + QUERY).status == 303
    go.set()
    server.wait_event("relay_delivered")
    assert "Hello, ana" in page(server.call("/register" + QUERY)) and len(bot.received) == 1


def test_nothing_is_delivered_again_after_a_receiver_got_it_and_failed(relay, receiver):
    bot = receiver(reset)
    server = relay(bot)
    for _ in range(3):
        answer = server.call("/register" + QUERY)
        assert answer.status == 502 and heading(answer) == "No answer" and "<form" not in page(answer)
    assert len(bot.received) == 1
    assert server.wait_event("relay_failed")["sent"] is True


@pytest.mark.parametrize("waiting", ["x", "A" * 43, "A" * 42 + "!", "A" * 4097], ids=len)
def test_a_made_up_id_finds_nothing(relay, receiver, waiting):
    answer = relay(receiver(b"")).call(f"/register?waiting={waiting}")
    assert answer.status == (404 if len(waiting) < 4097 else 400)


# ---- receivers that are not there, or answer nonsense ----

def test_a_receiver_that_comes_within_the_timeout_gets_it(relay, receiver, free_port):
    server = relay(f"tcp://127.0.0.1:{free_port}")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(server.call("/register" + QUERY)))
    thread.start()
    time.sleep(0.5)  # it is refused some times
    bot = receiver(line(True, "Here I am"), free_port)
    thread.join()
    assert answers[0].status == 200 and "Here I am" in page(answers[0])
    assert server.wait_event("relay_delivered")["attempts"] > 1 and len(bot.received) == 1


def test_a_receiver_that_is_not_there_gets_it_by_the_button(relay, receiver, free_port):
    server = relay(f"tcp://127.0.0.1:{free_port}", timeout="300ms")
    answer = server.call("/register" + QUERY)
    assert answer.status == 503 and heading(answer) == "The program is not there"
    fields = dict(re.findall('<input type="hidden" name="([a-z_]+)" value="([^"]*)">', page(answer)))
    assert fields == {"code": CODE, "state": STATE} and '<form method="post" action="?">' in page(answer)
    failed = server.wait_event("relay_failed")
    assert failed["sent"] is False and failed["fix"].startswith("start the receiver, or correct deliver of this relay"), failed
    bot = receiver(line(True, "Here I am"), free_port)
    again = server.call("/register", "POST", body=fields)
    assert again.status == 200 and "Here I am" in page(again) and bot.got() == [{"state": STATE, "code": CODE}]
    no_secret_is_in(server)


@pytest.mark.parametrize("answer", [
    b"",
    b'{"success": true, "mess',
    b"\x80\x04\x95\xff",
    b"\xff\xfe\xfd",
    b"x" * (10 << 20),
    b'{"a":' * 10000,
], ids=["empty", "half", "pickle", "not UTF-8", "10 MB", "deep"])
def test_an_answer_that_cannot_be_read(relay, receiver, answer):
    server = relay(receiver(answer))
    shown = server.call("/register" + QUERY)
    assert shown.status == 502 and heading(shown) == "No answer"
    failed = server.wait_event("relay_failed")
    assert failed["reason"] and "whether it reads JSON: this relay's encoding" in failed["fix"], failed
    assert server.call("/healthz").status == 200


def test_a_receiver_that_never_answers(relay, receiver):
    over = threading.Event()
    server = relay(receiver(lambda got, connection: over.wait(30) and None), timeout="500ms")
    answer = server.call("/register" + QUERY)
    assert answer.status == 504 and heading(answer) == "No answer"
    over.set()


def test_200_slow_receivers_hold_no_thread(relay, receiver):
    over = threading.Event()
    bot = receiver(lambda got, connection: line(True, "late") if over.wait(30) else None)
    server = relay(bot, server={"threads": 1, "worker_threads": 1, "outgoing_threads": 1})
    answers = []
    threads = [threading.Thread(target=lambda i=i: answers.append(server.call(f"/register?code={i}&state=s"))) for i in range(200)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(bot.received) == 200, "200 deliveries")
    assert server.call("/healthz").status == 200
    over.set()
    for thread in threads:
        thread.join()
    assert {one.status for one in answers} == {200}


# ---- hosts and other paths ----

def at(server, host, path):
    """A GET of that path at that host."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Host": host})
        return Answer(connection.getresponse())
    finally:
        connection.close()


@pytest.mark.h1_only
def test_hosts(start, receiver):
    a, b = receiver(line(True, "host a")), receiver(line(True, "any host"))
    entry = {"path": "/register", "encoding": "json"}
    server = start("cardea", {"relay": [{**entry, "deliver": b.deliver}, {**entry, "host": "bot.example.com", "deliver": a.deliver}]}, ["serve"])
    assert "host a" in page(at(server, "BOT.example.com:80", "/register?code=1&state=s"))
    assert "any host" in page(at(server, "x.example", "/register?code=2&state=s"))


@pytest.mark.h1_only
def test_other_paths_are_not_the_relays(relay, receiver):
    bot = receiver(line(True, "never"))
    server = relay(bot, host="bot.example.com")
    assert server.call("/register" + QUERY).status == 404
    for path in ("/registers", "/register//x", "/register/x", "/Register"):
        assert at(server, "bot.example.com", path + QUERY).status == 404
    assert at(server, "bot.example.com", "/.well-known/oauth-authorization-server").status == 200
    assert bot.received == []
