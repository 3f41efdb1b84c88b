"""Receivers of deliveries: scripts on a raw socket, which note what they are sent."""
import io
import json
import pickle
import socket
import struct
import threading

import services


class Refuses(pickle.Unpickler):
    """Reads what has no class and no function in it."""

    def find_class(self, module, name):
        raise pickle.UnpicklingError("no code is run")


def decode(data):
    return json.loads(data) if data.startswith(b"{") else Refuses(io.BytesIO(data)).load()


def encode(encoding, answer, protocol=None):
    return pickle.dumps(answer, protocol) if encoding == "pickle" else json.dumps(answer).encode() + b"\n"


def read_all(connection):
    data = b""
    while more := connection.recv(65536):
        data += more
    return data


class Receiver:
    """`script(connection, delivery bytes)` runs for each connection once everything was read; bytes are an answer. `first(connection)`
    runs before that."""

    def __init__(self, script, port=0, first=None):
        self.script, self.first = script, first
        self.raw, self.errors, self.connections = [], [], []
        self.listener = socket.create_server(("127.0.0.1", port), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.target = f"tcp://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            with connection:
                if self.first:
                    self.first(connection)
                data = read_all(connection)
                self.raw.append(data)
                answer = self.script
                if callable(answer):
                    answer = answer(connection, data)
                if answer:
                    connection.sendall(answer)
        except OSError as error:
            self.errors.append(error)

    @property
    def deliveries(self):
        return [decode(data) for data in self.raw if data]

    def wait(self, count=1):
        return services.wait_until(lambda: len(self.raw) >= count and self.deliveries, f"{count} deliveries")

    def close(self):
        for each in (self.listener, *self.connections):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()


def reset(connection, *_):
    """Closes with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    raise OSError("reset")


def closed_port():
    """Nobody listens there."""
    return services.find_ports()
