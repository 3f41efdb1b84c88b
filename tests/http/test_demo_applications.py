"""The two applications of the demo without the gate: what they believe, and what they make of what users write."""
import asyncio
import contextlib
import json
import pathlib
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from support.ports import find_ports

websockets = pytest.importorskip("websockets")
exceptions = pytest.importorskip("websockets.exceptions")
pytest.importorskip("flask")
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
DEADLINE = 20


@contextlib.contextmanager
def running(command, port):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + DEADLINE
    try:
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            assert process.poll() is None and time.monotonic() < end, command
            time.sleep(0.01)
        yield
    finally:
        process.kill()  # uWSGI may miss a SIGTERM
        process.wait(DEADLINE)


# ---- the Flask application ----


class Notes:
    def __init__(self, port):
        self.port = port

    def ask(self, path="/", body=b"", **variables):
        """One request by the uwsgi protocol: status line, and everything after it."""
        method = {"REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/x-www-form-urlencoded"} if body else {"REQUEST_METHOD": "GET"}
        variables = {"REQUEST_URI": path, "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "localhost", "SERVER_PORT": "5000",
                     "SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_LENGTH": str(len(body) or ""), "REMOTE_USER": "ana", **method, **variables}
        block = b"".join(struct.pack("<H", len(text)) + text.encode() for pair in variables.items() for text in pair)
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as connection:
            connection.sendall(struct.pack("<BHB", 0, len(block), 0) + block + body)
            answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        status, _, rest = answer.partition("\r\n")
        return int(status.split()[1]), rest


@pytest.fixture(scope="module")
def notes():
    port = find_ports()
    with running(["uwsgi", "--plugin", "python3", "--socket", f"127.0.0.1:{port}", "--wsgi-file", EXAMPLES / "demo-flask/app.py",
                  "--callable", "app", "--need-app", "--die-on-term", "--threads", "2"], port):
        yield Notes(port)


def test_the_page_says_what_the_gate_said(notes):
    status, page = notes.ask(REMOTE_USER="ana <b>", CARDEA_GROUPS="staff,admin", AUTH_TYPE="session", HTTP_COOKIE="theme=dark")
    assert status == 200 and "default-src 'none'" in page and "Cache-Control: no-store" in page
    for shown in ("Hello, <bdi id=\"user\">ana &lt;b&gt;</bdi>", "<dd id=\"CARDEA_GROUPS\">staff,admin</dd>",
                  "<dd id=\"AUTH_TYPE\">session</dd>", "<dd id=\"Cookie\">theme=dark</dd>"):
        assert shown in page
    assert "<dd id=\"Cookie\">(empty)</dd>" in notes.ask()[1]


def test_a_note_is_kept_with_its_user_and_escaped(notes):
    status, answer = notes.ask("/notes", b"text=Milk+%3Cb%3E+%26+more", REMOTE_USER="bo")
    assert status == 303 and "Location: /\r\n" in answer
    assert '<bdi class="text">Milk &lt;b&gt; &amp; more</bdi> <span><bdi class="user">bo</bdi>' in notes.ask()[1]


@pytest.mark.parametrize("text, status", [(b"", 400), (b"++", 400), (b"x" * 500, 303), (b"x" * 501, 400)])
def test_a_note_has_1_to_500_characters(notes, text, status):
    assert notes.ask("/notes", b"text=" + text)[0] == status


def test_old_notes_make_room(notes):
    for number in range(51):
        assert notes.ask("/notes", b"text=number+%d." % number)[0] == 303
    page = notes.ask()[1]
    assert page.count('class="text"') == 50 and "number 50." in page and "number 0." not in page


def test_the_styles_are_there_and_the_source_is_not(notes):
    assert notes.ask("/style.css")[0] == 200
    assert notes.ask("/app.py")[0] == 404


# ---- the chat ----


@pytest.fixture(scope="module")
def chat():
    port = find_ports()
    with running([EXAMPLES / "demo-chat/chat.py", f"127.0.0.1:{port}"], port):
        yield port


def get(port, path, user="ana"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Remote-User": user} if user else {})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return answer.status, answer.headers["Content-Type"]
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers["Content-Type"]


def test_the_chat_has_a_page_and_what_it_needs(chat):
    assert get(chat, "/?from=here") == (200, "text/html; charset=utf-8")
    assert get(chat, "/chat.js") == (200, "text/javascript")
    assert get(chat, "/chat.css") == (200, "text/css")
    for path in ("/chat.py", "/socket", "/../chat.py", "//"):
        assert get(chat, path)[0] == 404


def test_without_a_user_there_is_no_chat(chat):
    for user in (None, ""):
        assert get(chat, "/", user)[0] == 403


def connect(port, user):
    return websockets.connect(f"ws://127.0.0.1:{port}/socket", extra_headers={"Remote-User": user} if user else {})


async def read_until(client, **wanted):
    while True:
        message = json.loads(await asyncio.wait_for(client.recv(), DEADLINE))
        if message == wanted:
            return


def test_what_one_user_says_all_read_and_so_do_users_who_come_later(chat):
    async def story():
        async with connect(chat, "ana") as ana, connect(chat, "bo") as bo:
            await read_until(ana, you="ana")
            await read_until(ana, user="bo", event="joined")
            await bo.send("Hello <b>")
            await bo.send(b"not a text")
            await bo.send("  ")
            await bo.send("x" * 600)
            for client in (ana, bo):
                await read_until(client, user="bo", text="Hello <b>")
                assert json.loads(await client.recv()) == {"user": "bo", "text": "x" * 500}
            await bo.close()
            await read_until(ana, user="bo", event="left")
        async with connect(chat, "cy") as cy:
            await read_until(cy, user="bo", text="Hello <b>")

    asyncio.run(story())


def test_a_web_socket_without_a_user_is_refused(chat):
    async def attempt():
        async with connect(chat, None):
            pass

    with pytest.raises(exceptions.InvalidStatusCode, match="403"):
        asyncio.run(attempt())
