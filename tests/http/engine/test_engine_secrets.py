"""What a connection held is wiped before its memory goes back (LESSONS 32)."""
import os

import pytest
from engine import Reader, Server, get, is_sanitized, post, wait_until

SECRET = b"correct-horse-battery-staple-%d" % os.getpid()


def copies_in(process, needle):
    """How often the bytes lie in the writable memory of a process."""
    count = 0
    with open(f"/proc/{process.pid}/maps", encoding="ascii") as maps, open(f"/proc/{process.pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            if not rights.startswith("rw"):
                continue
            try:
                memory.seek(start)
                count += memory.read(end - start).count(needle)
            except OSError:
                pass
    return count


@pytest.mark.parametrize("path", ["/echo", "/worker-echo"])
@pytest.mark.parametrize("after", [b"", b"GET /inl"], ids=["whole", "half a request after it"])
def test_a_body_is_gone_once_it_is_answered_and_the_connection_closed(path, after):
    if is_sanitized():
        pytest.skip("shadow memory takes too long to read")
    with Server("threads", 1) as server:
        with server.connect() as sock:
            request = post(path, b"x" * 300 + SECRET)
            sock.sendall(request[:-4])
            wait_until(lambda: copies_in(server.process, SECRET[:-4]) > 0)
            sock.sendall(request[-4:] + after)
            assert Reader(sock).answer().body.endswith(SECRET)
        with server.connect() as sock:
            sock.sendall(get("/inline?next"))
            assert Reader(sock).answer().body == b"next"
        wait_until(lambda: copies_in(server.process, SECRET[:-4]) == 0)
