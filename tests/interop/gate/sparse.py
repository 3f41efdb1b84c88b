"""A server for large files: it takes them and says their digest, and sends them. They are mostly zeros, with a mark in
each megabyte, so that a piece that is lost, repeated or moved changes the digest."""
import http.server
import os
import threading
import zlib

MEGABYTE = 1 << 20


def pieces(size):
    """Of `size` bytes, a number of megabytes."""
    piece = bytearray(MEGABYTE)
    for number in range(size // MEGABYTE):
        piece[number % MEGABYTE:number % MEGABYTE + 8] = number.to_bytes(8, "big")
        yield piece
        piece[number % MEGABYTE:number % MEGABYTE + 8] = bytes(8)


def digest_of_pattern(size):
    return Sparse.digest_of(pieces(size))


def write_pattern(path, size):
    """A file that takes a page on the disk for each mark."""
    with path.open("wb") as file:
        for number in range(size // MEGABYTE):
            os.pwrite(file.fileno(), number.to_bytes(8, "big"), number * MEGABYTE + number % MEGABYTE)
        file.truncate(size)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_PUT(self):
        left = int(self.headers["Content-Length"])

        def received(left=left):
            while left > 0:
                piece = self.rfile.read1(min(left, MEGABYTE))
                if not piece:
                    return
                left -= len(piece)
                yield piece
        text = f"{left} {Sparse.digest_of(received())}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        size = int(self.path[1:])
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for piece in pieces(size):
            self.wfile.write(piece)


class Sparse(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    @staticmethod
    def digest_of(stream):
        """CRC-32: quick, and enough against mistakes."""
        crc = 0
        for piece in stream:
            crc = zlib.crc32(piece, crc)
        return f"{crc:08x}"

    def close(self):
        self.shutdown()
        self.server_close()
