"""What receivers do wrong: each time the user sees a clear page, the log has the reason, and the server goes on."""
import os
import pickle
import socket
import threading
import time

import pytest

import services
from receivers import closed_port, encode, reset
from relayed import CODE, STATE
from running import receive, relayed  # noqa: F401

ENCODINGS = ("pickle", "json")
GOOD = {"success": True, "message": "You are in."}


def assert_no_answer(server, page, statuses=(502, 504)):
    """The page says that something went wrong and shows nothing of the receiver; the log has an event with the reason."""
    assert page.status in statuses, (page.status, page.text)
    assert page.mark is not True and page.message is None
    assert "text/html" in page.headers["Content-Type"]
    assert CODE not in page.text and STATE not in page.text
    server.failures += 1
    return services.wait_until(lambda: [e["reason"] for e in server.service.events() if e["event"] == "relay_failed"][server.failures - 1 :],
                               "an event with the reason")[0]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_receiver_gets_code_and_state_and_its_answer_is_shown(relayed, receive, encoding, protocol):
    receiver = receive(encode(encoding, GOOD, protocol))
    server = relayed({"deliver": receiver.target, "encoding": encoding})
    page = server.get()
    assert (page.status, page.mark, page.message) == (200, True, GOOD["message"])
    assert receiver.deliveries == [{"state": STATE, "code": CODE}]
    if encoding == "pickle":
        assert receiver.raw[0][:2] == b"\x80\x02", "protocol 2"
    else:
        assert receiver.raw[0].count(b"\n") == 1 and receiver.raw[0].endswith(b"\n")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_refusal_has_a_cross(relayed, receive, encoding):
    receiver = receive(encode(encoding, {"success": False, "message": "Ask an operator."}))
    page = relayed({"deliver": receiver.target, "encoding": encoding}).get()
    assert (page.status, page.mark, page.message) == (200, False, "Ask an operator.")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_plain_text_is_shown(relayed, receive, encoding):
    receiver = receive("Grüße, you are registered.\r\n".encode())
    page = relayed({"deliver": receiver.target, "encoding": encoding}).get()
    assert (page.status, page.message) == (200, "Grüße, you are registered.")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("message", ["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "&lt;b&gt; & &amp;", "</bdi></p><h1>x", "{{code}} ${code} %s%n"])
def test_a_message_is_text(relayed, receive, encoding, message):
    receiver = receive(encode(encoding, {"success": True, "message": message}))
    page = relayed({"deliver": receiver.target, "encoding": encoding}).get()
    assert page.status == 200 and page.message == message
    assert "<script" not in page.text and "<img" not in page.text and page.text.count("<h1") == 1
    assert "default-src 'none'" in page.headers["Content-Security-Policy"] and "unsafe" not in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_control_characters_and_directions_do_not_spoil_the_page(relayed, receive, encoding):
    receiver = receive(encode(encoding, {"success": True, "message": "a\0b\x1b[2J\u202egnp.exe\u2028c"}))
    page = relayed({"deliver": receiver.target, "encoding": encoding}).get()
    assert page.status == 200 and page.mark is True
    assert "\0" not in page.text and "\x1b" not in page.text


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_long_message_is_cut_between_characters(relayed, receive, encoding):
    receiver = receive(encode(encoding, {"success": True, "message": "€" * 5000}))
    page = relayed({"deliver": receiver.target, "encoding": encoding}).get()
    assert page.status == 200 and page.message.strip("…") == "€" * (4096 // 3)


GARBAGE = {
    "random bytes": b"\xff\xfe\x00\x01" * 20,
    "NUL": b"\0",
    "terminal codes": b"\x1b[2J\x1b]0;x\x07",
    "HTTP": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "nothing": b"",
    "white space": b"\r\n \r\n",
    "protocol 0": pickle.dumps(GOOD, 0),
    "protocol 1": pickle.dumps(GOOD, 1),
    "a list": pickle.dumps([True, "hi"], 4),
    "a nested dict": pickle.dumps({"success": True, "message": {"a": "b"}}, 4),
    "an int": pickle.dumps({"success": 1, "message": "hi"}, 2),
    "no success": pickle.dumps({"message": "hi"}, 2),
    "two pickles": pickle.dumps(GOOD, 2) * 2,
    "protocol 6": b"\x80\x06" + pickle.dumps(GOOD, 5)[2:],
    "a surrogate": pickle.dumps({"success": True, "message": "\ud800"}, 3),
    "JSON without success": b'{"message":"hi"}\n',
    "JSON twice": b'{"success":true}\n{"success":false}\n',
    "a name twice": b'{"success":false,"success":true}\n',
    "Latin-1": "Grüße".encode("latin-1"),
    "UTF-16": "hello".encode("utf-16"),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE)
def test_garbage(relayed, receive, encoding, answer):
    receiver = receive(answer)
    server = relayed({"deliver": receiver.target, "encoding": encoding})
    if answer.startswith(b'{"message"') and encoding == "pickle" or answer.startswith(b'{"success":') and encoding == "pickle":
        assert server.get().mark is not True  # text in braces is text, or JSON on a route of pickles
        return
    assert_no_answer(server, server.get(), (502,))
    receiver.script = encode(encoding, GOOD)
    assert server.get(query={"code": "another", "state": STATE}).mark is True


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_half_a_pickle(relayed, receive, protocol):
    whole = encode("pickle", GOOD, protocol)
    receiver = receive(whole)
    server = relayed({"deliver": receiver.target})
    for size in (1, 2, len(whole) // 2, len(whole) - 1):
        receiver.script = whole[:size]
        assert "cut short" in assert_no_answer(server, server.get(query={"code": f"{CODE}{size}", "state": STATE}), (502,))


def test_half_a_line(relayed, receive):
    whole = encode("json", GOOD)
    receiver = receive(whole)
    server = relayed({"deliver": receiver.target, "encoding": "json"})
    for size in (1, len(whole) // 2, len(whole) - 2):
        receiver.script = whole[:size]
        assert_no_answer(server, server.get(query={"code": f"{CODE}{size}", "state": STATE}), (502,))


class Run:
    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return os.system, (f"touch {self.proof}",)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_pickle_that_would_run_code_runs_none(relayed, receive, tmp_path, protocol):
    proof = tmp_path / "ran"
    pickles = [pickle.dumps(Run(proof), protocol), pickle.dumps({"success": True, "message": Run(proof)}, protocol),
               pickle.dumps({"success": True, "message": "hi", "more": Run(proof)}, protocol)]
    receiver = receive(None)
    server = relayed({"deliver": receiver.target})
    for i, one in enumerate(pickles):
        receiver.script = one
        reason = assert_no_answer(server, server.get(query={"code": f"{CODE}{i}", "state": STATE}), (502,))
        assert protocol < 2 or "would run code" in reason
    assert not proof.exists()
    pickle.loads(pickles[0])
    assert proof.exists(), "the pickle does run code elsewhere"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_ten_megabytes(relayed, receive, encoding):
    """No more of them is read than an answer may have, and none of it stays in memory."""
    sent = []

    def pour(connection, data):
        start = b"\x80\x04\x8c" if encoding == "pickle" else b'{"success":true,"message":"'
        connection.sendall(start)
        for _ in range(160):
            connection.sendall(b"x" * 65536)
            sent.append(65536)

    receiver = receive(pour)
    server = relayed({"deliver": receiver.target, "encoding": encoding, "timeout": "10s"})
    for i in range(10):
        sent.clear()
        assert_no_answer(server, server.get(query={"code": f"{CODE}{i}", "state": STATE}), (502,))
        assert sum(sent) < 10 << 20, "the connection was closed before all was read"
    assert resident(server) < 100 << 20 or is_sanitized()


def resident(server):
    """Bytes."""
    with open(f"/proc/{server.service.process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


def is_sanitized():
    return b"__asan_init" in services.PROGRAMS["cardea"].read_bytes()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_receiver_that_never_answers(relayed, receive, encoding):
    over = threading.Event()
    receiver = receive(lambda connection, data: over.wait(services.PATIENCE) and None)
    server = relayed({"deliver": receiver.target, "encoding": encoding, "timeout": "1s"})
    started = time.monotonic()
    assert_no_answer(server, server.get(), (504,))
    assert time.monotonic() - started >= 1
    assert len(receiver.raw) == 1, "what was sent once is not sent again"
    over.set()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_receiver_that_sends_a_byte_now_and_then(relayed, receive, encoding):
    """The timeout holds for the whole answer."""
    def drip(connection, data):
        for byte in encode(encoding, {"success": True, "message": "x" * 2000}):
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    server = relayed({"deliver": receive(drip).target, "encoding": encoding, "timeout": "1s"})
    assert_no_answer(server, server.get(), (504,))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_answer_in_single_bytes(relayed, receive, encoding):
    def drip(connection, data):
        for byte in encode(encoding, GOOD):
            connection.sendall(bytes([byte]))

    assert relayed({"deliver": receive(drip).target, "encoding": encoding}).get().message == GOOD["message"]


def test_a_line_of_json_ends_the_answer_although_the_connection_stays(relayed, receive):
    over = threading.Event()

    def keep(connection, data):
        connection.sendall(encode("json", GOOD))
        over.wait(services.PATIENCE)

    server = relayed({"deliver": receive(keep).target, "encoding": "json", "timeout": "20s"})
    assert server.get().message == GOOD["message"]
    over.set()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_receiver_that_resets_the_connection(relayed, receive, encoding):
    receiver = receive(reset)
    server = relayed({"deliver": receiver.target, "encoding": encoding})
    assert_no_answer(server, server.get(), (502,))
    assert len(receiver.raw) == 1, "it had been read: not sent again"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_receiver_that_resets_before_it_reads(relayed, receive, encoding):
    """It may have been read, for all the server knows."""
    server = relayed({"deliver": receive(None, first=reset).target, "encoding": encoding})
    page = server.get()
    assert page.status in (502, 503, 504) and page.mark is not True


def test_half_an_answer_and_a_reset(relayed, receive):
    def cut(connection, data):
        connection.sendall(encode("pickle", GOOD)[:10])
        time.sleep(0.05)
        reset(connection)

    server = relayed({"deliver": receive(cut).target})
    assert_no_answer(server, server.get(), (502,))


def targets(folder):
    return {"tcp": f"tcp://127.0.0.1:{closed_port()}", "unix": f"unix:{folder}/bot.sock"}


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_receiver_that_is_down_gives_a_page_with_a_button(relayed, tmp_path, kind):
    server = relayed({"deliver": targets(tmp_path)[kind], "timeout": "1s"})
    page = server.get()
    assert page.status == 503 and page.mark is not True
    assert "Try again" in page.text and page.form == {"state": STATE, "code": CODE}
    assert "no-store" in page.headers["Cache-Control"] and page.headers["Referrer-Policy"] == "no-referrer"


def test_the_button_delivers_once_the_receiver_is_there(relayed, receive):
    port = closed_port()
    server = relayed({"deliver": f"tcp://127.0.0.1:{port}", "timeout": "1s"})
    form = server.get().form
    receiver = receive(encode("pickle", GOOD), port=port)
    page = server.post("/register", form)
    assert (page.status, page.message) == (200, GOOD["message"])
    assert receiver.deliveries == [{"state": STATE, "code": CODE}]


def test_a_receiver_that_comes_within_the_timeout_gets_the_delivery(relayed, receive):
    port = closed_port()
    server = relayed({"deliver": f"tcp://127.0.0.1:{port}", "timeout": "20s"})
    pages = []
    asking = threading.Thread(target=lambda: pages.append(server.get()))
    asking.start()
    time.sleep(0.3)  # a few attempts meet nobody; none of them is needed for the test to hold
    receiver = receive(encode("pickle", GOOD), port=port)
    asking.join()
    assert pages[0].message == GOOD["message"] and len(receiver.raw) == 1


def test_receivers_that_hang_hold_up_nobody_else(relayed, receive):
    over = threading.Event()
    slow = receive(lambda connection, data: over.wait(services.PATIENCE) and None)
    quick = receive(encode("json", GOOD))
    server = relayed({"path": "/slow", "deliver": slow.target, "timeout": "20s"}, {"path": "/quick", "deliver": quick.target, "encoding": "json"})
    asking = [threading.Thread(target=server.get, args=("/slow", {"code": f"{CODE}{i}", "state": STATE})) for i in range(100)]
    for thread in asking:
        thread.start()
    slow.wait(100)
    for i in range(20):
        assert server.get("/quick", {"code": f"{CODE}{i}", "state": STATE}).message == GOOD["message"]
    over.set()
    for thread in asking:
        thread.join()


def test_many_failures_leak_no_descriptor(relayed, receive):
    receiver = receive(reset)
    server = relayed({"deliver": receiver.target})
    count = lambda: len(os.listdir(f"/proc/{server.service.process.pid}/fd"))  # noqa: E731
    server.get()
    before = count()
    for i in range(200):
        receiver.script = (reset, b"\xff", None)[i % 3]
        server.get(query={"code": f"{CODE}{i}", "state": STATE})
    services.wait_until(lambda: count() <= before + 2, "descriptors to be closed")


def test_a_receiver_may_be_a_unix_socket(relayed, tmp_path):
    path = tmp_path / "bot.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve():
        connection, _ = listener.accept()
        with connection:
            while connection.recv(65536):
                pass
            connection.sendall(encode("pickle", GOOD))

    threading.Thread(target=serve, daemon=True).start()
    assert relayed({"deliver": f"unix:{path}"}).get().message == GOOD["message"]
    listener.close()
