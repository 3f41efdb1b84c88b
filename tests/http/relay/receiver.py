"""Receivers of the relay: what each connection sent, and what is answered to it."""
import json
import pathlib
import pickle
import socket
import struct
import threading


def line(success, message):
    return json.dumps({"success": success, "message": message}).encode() + b"\n"


class Receiver:
    """Reads each connection to its end, and answers. `answer` is bytes, or a function of what came and of the connection; None: it has
    answered itself. `where` is a port of this machine (0: a free one), or the path of a Unix socket."""

    def __init__(self, answer, where=0):
        self.answer, self.received, self.threads = answer, [], []
        if isinstance(where, pathlib.Path):
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(where))
            self.deliver = f"unix:{where}"
        else:
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(("127.0.0.1", where))
            self.port = self.listener.getsockname()[1]
            self.deliver = f"tcp://127.0.0.1:{self.port}"
        self.listener.listen(128)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            got = b""
            while chunk := connection.recv(65536):
                got += chunk
            self.received.append(got)
            answer = self.answer(got, connection) if callable(self.answer) else self.answer
            try:
                if answer is not None:
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def got(self, encoding="json"):
        """What was delivered, in order."""
        return [json.loads(one) if encoding == "json" else pickle.loads(one) for one in self.received]

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.thread.join()


def reset(got, connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
