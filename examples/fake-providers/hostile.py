"""Answers that no provider should give, and some give: what POST /control can ask for instead of the true answer."""
import functools
import gzip
import json
import os
import socket
import struct
import time
import zlib

from provider import Answer

DRIP_SECONDS = 0.2  # between two bytes
HUGE = 10 * 1024 * 1024


def fields_of(answer):
    try:
        fields = json.loads(answer.body)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def changed(change):
    """The true answer with a change."""
    def make(answer):
        fields = fields_of(answer)
        change(fields)
        return Answer.json(answer.status, fields)
    return make


def as_form(answer):
    return Answer.form(answer.status, {key: value for key, value in fields_of(answer).items() if value is not None})


@functools.cache
def packed():
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(b" " * HUGE) for _ in range(10)) + packer.flush()


def bomb(_):
    """450 KB that become 100 MB."""
    return Answer(200, packed(), [("Content-Type", "application/json"), ("Content-Encoding", "gzip")])


def json_answer(body, status=200):
    return lambda _: Answer(status, body, [("Content-Type", "application/json; charset=utf-8")])


# Each makes an answer from the true one.
ANSWERS = {
    "html": lambda _: Answer.html(200, "Sorry", "<p>We are down for maintenance.</p>"),
    "huge": json_answer(b'{"access_token":"' + b"x" * HUGE + b'"}'),
    "form": as_form,
    "error_200": lambda _: Answer.json(200, {"error": "server_error", "error_description": "A <b>JSON</b> error\r\nwith status 200"}),
    "no_token": changed(lambda fields: fields.pop("access_token", None)),
    "empty_token": changed(lambda fields: fields.update(access_token="")),
    "null_token": changed(lambda fields: fields.update(access_token=None)),
    "token_with_newline": changed(lambda fields: fields.update(access_token="one\r\nX-Injected: yes")),
    "expires_text": changed(lambda fields: fields.update(expires_in="soon")),
    "expires_digits": changed(lambda fields: fields.update(expires_in="3600")),
    "expires_negative": changed(lambda fields: fields.update(expires_in=-1)),
    "redirect": lambda _: Answer(302, b"", [("Location", "http://127.0.0.1:1/elsewhere")]),
    "gzip": lambda answer: Answer(answer.status, gzip.compress(answer.body), [*answer.headers, ("Content-Encoding", "gzip")]),
    "gzip_bomb": bomb,
    "bad_json": json_answer(b'{"access_token":"gho_cut'),
    "deep_json": json_answer(b"[" * 100_000),
    "array": json_answer(b"[]"),
    "empty": json_answer(b""),
    "no_subject": changed(lambda fields: fields.pop("id", None)),
    "subject_text": changed(lambda fields: fields.update(id="")),
    "error_500": json_answer(b'{"message":"Server Error"}', 500),
    "error_503": lambda _: Answer.html(503, "Unicorn", "<p>No server is currently available to service your request.</p>"),
}


def send_drip(connection, head, body):
    """One byte at a time, until the reader has had enough."""
    connection.sendall(head)
    for byte in body:
        time.sleep(DRIP_SECONDS)
        connection.sendall(bytes([byte]))


def send_reset(connection, head, body):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())


def send_half(connection, head, body):
    connection.sendall(head + body[:len(body) // 2])


def send_nothing(connection, head, body):
    """Keeps the connection until the other side closes it."""
    while connection.recv(4096):
        pass


def send_endless_headers(connection, head, body):
    connection.sendall(head.partition(b"\r\n")[0] + b"\r\n")
    for number in range(1_000_000):
        connection.sendall(b"X-Filler-%d: " % number + b"x" * 1000 + b"\r\n")


# Each sends the true answer in its own way, and the connection is closed afterwards.
SENDERS = {"drip": send_drip, "reset": send_reset, "half": send_half, "never": send_nothing, "close": lambda connection, head, body: None,
           "endless_headers": send_endless_headers, "garbage": lambda connection, head, body: connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")}
