"""What is sent to hurt: the connection ends whatever the code, memory stays bounded, and other connections are served meanwhile."""
import contextlib
import resource
import signal

import pytest

from frames import *  # noqa: F403

MEGABYTE = 1024 * 1024
BOUND = 12 * MEGABYTE


@pytest.fixture
def attacked():
    with Http2Server("workers", 2, "header_timeout", 2000, "write_timeout", 2000) as server:
        yield server


@contextlib.contextmanager
def others_are_served(server):
    """What happens in this block costs the others nothing, and little memory."""
    with server.wire() as other:
        other.assert_serves()
        before = server.memory()
        yield other
        other.assert_serves()
        if not server.is_sanitized():
            grown = server.memory() - before
            assert grown < BOUND, f"grew by {grown / MEGABYTE:.1f} MB"
    assert server.process.poll() is None


def flood(wire, frames, most, turn=100):
    """Sends frames(i) for i = 0, 1, … until the server closes; False where it took `most` of them."""
    sent = 0
    while sent < most:
        wire.send(*(frames(sent + i) for i in range(turn)))
        sent += turn
        if not is_open(wire):
            return True
    wire.wait_end_or_ping()
    return wire.at_eof or bool(wire.goaways)


def is_open(wire):
    """Takes what the server has said until now."""
    wire.sock.setblocking(False)
    try:
        while wire.read() is not None:
            pass
    except BlockingIOError:
        pass
    finally:
        wire.sock.settimeout(PATIENCE)
    return not wire.at_eof and not wire.goaways


def ends(wire):
    wire.wait_end()
    assert wire.at_eof


FLOODS = {
    "of pings": lambda i: frame(PING, 0, 0, b"%08d" % i),
    "of settings": lambda i: settings(),
    "of settings that change the header table": lambda i: settings((HEADER_TABLE_SIZE, i % 2 * 4096)),
    "of settings that change the windows": lambda i: settings((INITIAL_WINDOW_SIZE, 1000 + i % 2)),
    "of settings with many values": lambda i: settings(*[(0x1000 + n, n) for n in range(100)]),
    "of window updates": lambda i: window_update(0, 1),
    "of priorities": lambda i: frame(PRIORITY, 0, 2 * i + 1, struct.pack(">IB", 0, i % 256)),
}

HARMLESS = {
    # Nothing is answered and nothing kept; like any other client that asks for nothing, this one is idle.
    "of acknowledgements of pings": lambda i: frame(PING, ACK, 0, b"%08d" % i),
    "of frames that nobody knows": lambda i: frame(0x42, 0, 0, b""),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_the_connection(attacked, name):
    with others_are_served(attacked), attacked.wire() as wire:
        assert flood(wire, FLOODS[name], 20000), "it was let go on"
        ends(wire)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_flood_does_not_keep_a_connection_alive(name):
    with Http2Server("idle_timeout", 1000) as server, server.wire() as wire:
        def has_ended():
            wire.send(*(HARMLESS[name](i) for i in range(50)))
            return not is_open(wire)
        wait_until(has_ended)
        ends(wire)
        server.assert_alive()


STREAM_FLOODS = {
    "of empty data": lambda stream: data(stream, b""),
    "of padding": lambda stream: data(stream, b"", padding=0),
    "of window updates": lambda stream: window_update(stream, 1),
    "of priorities": lambda stream: frame(PRIORITY, 0, stream, struct.pack(">IB", 0, 1)),
}


@pytest.mark.parametrize("name", STREAM_FLOODS)
@pytest.mark.parametrize("path", ["/sink", "/echo"])
def test_a_flood_on_a_stream_ends_the_connection(attacked, path, name):
    with others_are_served(attacked), attacked.wire() as wire:
        stream = wire.open(path, method="POST", end=False)
        assert flood(wire, lambda i: STREAM_FLOODS[name](stream), 20000), "it was let go on"
        ends(wire)


RESETS = {
    # What begins a request and has it reset at once, by us or, as we make it happen, by the server (CVE-2023-44487, CVE-2025-8671).
    "by the client": reset,
    "by a window that overflows": lambda stream: window_update(stream, 2**31 - 1),
    "by a window update of nothing": lambda stream: window_update(stream, 0),
    "by data after the end": lambda stream: data(stream, b"x"),
    "by headers after the end": lambda stream: headers(stream, [("x-late", "1")]),
    "by a short priority": lambda stream: frame(PRIORITY, 0, stream, b"\0"),
}


@pytest.mark.parametrize("path", ["/sleep?1000", "/later?60000", "/source?1000000000"])
@pytest.mark.parametrize("how", RESETS)
def test_requests_that_are_reset_at_once_end_the_connection(attacked, path, how):
    with others_are_served(attacked), attacked.wire() as wire:
        def begin(_):
            stream = wire.new_stream()
            return headers(stream, request(path)) + RESETS[how](stream)
        assert flood(wire, begin, 5000, turn=50), "it was let go on"
        ends(wire)
    wait_until(lambda: attacked.streaming()["begun"] == sum(attacked.streaming()[end] for end in ("ended", "cancelled")))


def test_bodies_that_belie_their_length_end_the_connection(attacked):
    with others_are_served(attacked), attacked.wire() as wire:
        def begin(_):
            stream = wire.new_stream()
            return headers(stream, request("/sink", ("content-length", "1"), method="POST"), end=False) + data(stream, b"too much")
        assert flood(wire, begin, 5000, turn=50), "it was let go on"
        ends(wire)


def test_malformed_requests_without_end_cost_no_memory(attacked):
    with others_are_served(attacked), attacked.wire() as wire:
        def begin(_):
            return headers(wire.new_stream(), request("/inline", ("UPPER", "x")))
        flood(wire, begin, 5000)


def test_a_flood_of_continuation_ends_the_connection(attacked):
    """CVE-2024-28182."""
    with others_are_served(attacked), attacked.wire() as wire:
        wire.send(headers(1, request(), flags=0))
        assert flood(wire, lambda i: continuation(1, block([("x-more", "a" * 100)]), end=False), 10000)
        ends(wire)


def test_a_flood_of_empty_continuation_ends_the_connection(attacked):
    with others_are_served(attacked), attacked.wire() as wire:
        wire.send(headers(1, request(), flags=0))
        assert flood(wire, lambda i: continuation(1, b"", end=False), 10000)
        ends(wire)


def test_a_small_block_that_stands_for_megabytes_costs_none(attacked):
    """A big entry of the header table, named again and again: 16 KB stand for 60 MB."""
    with others_are_served(attacked), attacked.wire() as wire:
        entry = literal(b"x-bomb", b"a" * 4000, indexed=True)
        for _ in range(20):
            stream = wire.new_stream()
            wire.send(headers(stream, block(request()) + entry + b"\xbe" * 12000))
            how, code = wire.outcome(stream)
            assert how != "answer" or code == 431
            if how != "answer":
                break


def test_responses_of_streams_that_are_reset_in_the_same_read_take_no_memory(attacked):
    """25 KB that fill a buffer of 256 KB a thousand times, all in one read."""
    with others_are_served(attacked), attacked.wire() as wire:
        names = b"".join(literal(name, value, indexed=True) for name, value in ((b":authority", b"x"), (b":path", b"/source?1000000000")))
        wire.send(headers(1, b"\x82\x86" + names), reset(1))
        wire.send(*(headers(i, b"\x82\x86\xbf\xbe") + reset(i) for i in range(3, 1900, 2)))
        wire.ping()


@pytest.mark.parametrize("where", ["head", "trailers"])
def test_what_a_block_says_beyond_reason_is_not_even_judged(attacked, where):
    """Each field that names the big entry cost as much time as its 4000 bytes: 340 KB/s kept a loop busy. The table stays in step."""
    with attacked.wire() as wire:
        wire.send(headers(wire.new_stream(), block(request()) + literal(b"x-bomb", b"a" * 3900, indexed=True)))
        stream = wire.new_stream()
        if where == "trailers":
            wire.send(headers(stream, request("/sink", method="POST"), end=False))
        wire.send(headers(stream, (block(request()) if where == "head" else b"") + b"\xbe" * 16000))
        assert wire.outcome(stream) == ("reset", INTERNAL_ERROR)
        answer = wire.ask("/inline?a")
        assert (answer.status, answer.body) == (200, b"a")


def test_headers_that_fill_every_stream_cost_little(attacked):
    """A hundred requests of 16 KB each wait for their bodies."""
    with others_are_served(attacked), attacked.wire() as wire:
        for _ in range(100):
            wire.send(headers(wire.new_stream(), request("/echo", *[("x-fill", "a" * 1000)] * 14, method="POST"), end=False))
        wire.ping()
        if not attacked.is_sanitized():
            assert attacked.memory() < 100 * MEGABYTE


def test_churn_of_the_header_table_is_let_pass(attacked):
    """Each block may begin with new sizes of the table (RFC 7541 section 6.3)."""
    with others_are_served(attacked), attacked.wire() as wire:
        for _ in range(200):
            stream = wire.new_stream()
            sizes = integer(0, 5, 0x20) + integer(4096, 5, 0x20)
            wire.send(headers(stream, sizes + block(request("/inline?a")) + literal(b"x-a", b"b" * 3000, indexed=True)))
            assert wire.answer(stream).status == 200


def test_a_thousand_sizes_of_the_header_table_in_one_block_cost_nothing(attacked):
    with others_are_served(attacked), attacked.wire() as wire:
        stream = wire.new_stream()
        wire.send(headers(stream, (integer(0, 5, 0x20) + integer(4096, 5, 0x20)) * 2000 + block(request())))
        assert wire.outcome(stream)[0] in ("answer", "goaway", "reset")


# ---- slowness ----

@pytest.mark.parametrize("said", [
    b"", PREFACE[:10], PREFACE, PREFACE + settings()[:5], PREFACE + settings() + headers(1, request(), flags=0),
    PREFACE + settings() + headers(1, request())[:20], PREFACE + settings() + headers(1, request(), flags=0) + continuation(1, b"", end=False)],
    ids=["nothing", "half a preface", "no settings", "half settings", "no end of headers", "half a HEADERS frame", "an empty CONTINUATION"])
def test_a_client_that_stops_in_the_middle_is_closed(said):
    with Http2Server("header_timeout", 300, "idle_timeout", 600) as server, server.wire(greets=False) as wire:
        wire.send(said)
        wire.wait_end()
        assert wire.at_eof
        server.assert_alive()


def test_headers_that_drip_are_closed():
    with Http2Server("header_timeout", 500) as server, server.wire() as wire, server.wire() as clock:
        encoded = headers(1, request("/inline", ("x-fill", "a" * 4000)))
        wire.send(encoded[:40])
        for i in range(40, 400):
            wire.send(encoded[i:i + 1])
            clock.ask("/later?20")
            if not is_open(wire):
                break
        ends(wire)
        assert i < 300


def test_headers_that_drip_beside_a_stream_that_runs_are_closed():
    """The other stream's answer must not lend them its time."""
    with Http2Server("header_timeout", 300) as server, server.wire() as wire:
        wire.open("/later?60000")
        wire.send(headers(3, request(), flags=0))
        ends(wire)


@pytest.mark.parametrize("path", ["/big?1000000", "/source?1000000000", "/big?10"])
def test_many_answers_that_nobody_takes_end_the_connection(path):
    with Http2Server("write_timeout", 500) as server, others_are_served(server):
        with server.wire((INITIAL_WINDOW_SIZE, 0)) as wire:
            for _ in range(100):
                wire.open(path)
            ends(wire)


def test_a_connection_that_asks_and_never_reads_stops_being_read(attacked):
    """Sooner or later one read brings more requests than may be open, which ends the connection; what still comes is discarded for two seconds,
    or 16 MB, before the close."""
    sent, most = 0, 128 * MEGABYTE  # far more than the kernel keeps for both sides
    with others_are_served(attacked), attacked.wire((INITIAL_WINDOW_SIZE, 2**31 - 1), SO_RCVBUF=4096) as wire:
        wire.sock.settimeout(1)
        with contextlib.suppress(OSError):
            while sent < most:
                frames = b"".join(headers(wire.new_stream(), request(f"/nowhere?{i}")) for i in range(100))
                wire.sock.sendall(frames)
                sent += len(frames)
        assert sent < most


# ---- cost ----

def test_a_thousand_idle_connections_cost_less_than_40_kb_each():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3000:
        pytest.skip("too few file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3000), hard))
    if is_sanitized():
        pytest.skip("a sanitizer needs more")
    with Http2Server("log", "4") as server, contextlib.ExitStack() as stack:
        server.assert_alive()
        before = server.memory()
        wires = [stack.enter_context(server.wire()) for _ in range(1000)]
        for wire in wires:
            wire.assert_serves()
        each = (server.memory() - before) / 1000
        print(f"{each:.0f} bytes each")
        assert each < 40 * 1024


def test_lesson_31_failing_allocations_cost_an_answer_at_most():
    paths = ["/inline?a", "/worker?a", "/show-worker", "/big?100000", "/error", "/nowhere", "/source?100000", "/later?1"]
    seen = set()
    with Http2Server("workers", 2, binary=BINARY.with_name("echo-server-failing")) as server:
        server.process.send_signal(signal.SIGUSR1)
        for i in range(300):
            try:
                with server.wire(greets=False) as wire:
                    wire.send(PREFACE, settings(), headers(1, request(paths[i % len(paths)])), headers(3, request("/echo", method="POST"), end=False),
                              data(3, b"x" * 5000, end=True))
                    seen.add(wire.outcome(1))
            except OSError:
                seen.add(("closed", None))
        server.process.send_signal(signal.SIGUSR2)
        server.assert_alive()
    assert ("answer", 200) in seen and len(seen - {("answer", 200), ("answer", 400), ("answer", 404)}) > 0, seen


def test_clients_that_go_away_in_the_middle_leave_nothing_behind():
    with Http2Server("workers", 2) as server:
        for i in range(60):
            wire = server.wire()
            wire.send(*(headers(wire.new_stream(), request(path)) for path in ("/sleep?30", "/later?30", "/source?1000000000", "/big?1000000")))
            for path in ("/sink", "/sink-slow", "/stream-echo", "/echo", "/tunnel"):
                stream = wire.open(path, method="POST", end=False)
                wire.send(data(stream, b"x" * 10000))
            if i % 2:
                wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
            if i % 3:
                wire.ping()
            wire.close()
        def all_gone():
            counts = server.streaming()
            return counts["begun"] == counts["ended"] + counts["cancelled"]
        wait_until(all_gone)
        server.assert_alive()
