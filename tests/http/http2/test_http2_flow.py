"""Flow control (RFC 9113 section 5.2 and 6.9): windows are kept, memory is bounded, and one stream does not hold another up."""
import pytest

from frames import *  # noqa: F403

MEGABYTE = 1024 * 1024
PATTERN = bytes(i % 251 for i in range(251 * 1045))


class Memory:
    """Asserts in a `with` block that the server grows by so much at most; looked at whenever `look` is called."""

    def __init__(self, server, bound):
        self.server, self.bound = server, bound

    def __enter__(self):
        with self.server.wire() as wire:  # what stays is there
            wire.ask("/source?300000")
            stream = wire.open("/sink", method="POST", end=False)
            wire.upload(stream, 300000)
            wire.answer(stream)
        self.start = self.most = self.server.memory()
        return self

    def look(self):
        self.most = max(self.most, self.server.memory())

    def __exit__(self, kind, value, trace):
        self.look()
        if kind is None and not self.server.is_sanitized():
            assert self.most - self.start < self.bound, f"grew by {(self.most - self.start) / MEGABYTE:.1f} MB"


def is_of_pattern(body, start):
    return body == (PATTERN[start % 251:] + PATTERN)[:len(body)]


# ---- uploads ----

def test_64_mb_are_uploaded_in_little_memory(server, wire):
    stream = wire.open("/sink", method="POST", end=False)
    with Memory(server, 4 * MEGABYTE) as memory:
        for i in range(64):
            wire.upload(stream, MEGABYTE, end=i == 63)
            memory.look()
        assert wire.answer(stream).body == b"%d" % (64 * MEGABYTE)


def test_an_upload_may_consist_of_padding_for_the_most(wire):
    """Padding counts for the windows (section 6.1), and is credited although no handler sees it."""
    stream = wire.open("/sink", method="POST", end=False)
    it = wire.streams[stream]
    for i in range(8000):  # 2 MB, more than both windows
        assert wire.wait(lambda: wire.room(stream) > 300)
        it.sent += 257
        wire.send(data(stream, b"x", padding=255, end=i == 7999))
    assert wire.answer(stream).body == b"8000"


def test_a_handler_that_pulls_nothing_stops_the_client_at_its_window(server):
    with server.wire() as wire:
        stream = wire.open("/sink-held", method="POST", end=False)
        wire.upload(stream, wire.settings[INITIAL_WINDOW_SIZE], end=False)
        wire.ping()
        assert wire.updates[stream] == 0 and wire.room(stream) == 0
        wire.assert_serves()
        assert wire.post("/release", b"").status == 200
        wire.upload(stream, 3 * MEGABYTE)
        assert wire.answer(stream).body == b"%d" % (3 * MEGABYTE + wire.settings[INITIAL_WINDOW_SIZE])


def test_a_handler_that_pulls_slowly_gets_it_all(wire):
    """The client keeps the window full all the time."""
    stream = wire.open("/sink-slow?100000", method="POST", end=False)
    wire.upload(stream, 3 * MEGABYTE)
    assert wire.answer(stream).body == b"%d" % (3 * MEGABYTE)


def test_data_over_the_window_of_a_stream_are_an_error(wire):
    stream = wire.open("/sink-held", method="POST", end=False)
    wire.upload(stream, wire.settings[INITIAL_WINDOW_SIZE], end=False)
    wire.send(data(stream, b"x"))
    wire.assert_stream_error(stream, FLOW_CONTROL_ERROR)


def test_data_over_the_window_of_the_connection_end_it(server, wire):
    wire.ping()
    streams = [wire.open("/sink-held", method="POST", end=False) for _ in range(8)]
    while wire.room(streams[-1]) > 0:
        for stream in streams:
            wire.upload(stream, min(16384, max(wire.room(stream), 0)), end=False)
    assert all(wire.streams[stream].sent < wire.settings[INITIAL_WINDOW_SIZE] for stream in streams)
    wire.send(data(streams[0], b"x"))
    wire.assert_connection_error(FLOW_CONTROL_ERROR)
    server.assert_alive()


@pytest.mark.parametrize("how", ["nothing", "echo"])
def test_an_end_that_waits_for_a_window_does_not_wait_for_ever(how):
    """The last DATA frame has no byte, but nghttp2 sends it only where the window is not empty."""
    with Http2Server("write_timeout", 300) as server, server.wire((INITIAL_WINDOW_SIZE, 0 if how == "nothing" else 5)) as wire:
        wire.credits = False
        if how == "nothing":
            stream = wire.open("/source?0")
        else:
            stream = wire.open("/stream-echo", method="POST", end=False)
            wire.send(data(stream, b"hello"))
            wire.wait(lambda: wire.streams[stream].body == b"hello")
            wire.send(data(stream, b"", end=True))
        wire.wait_end()
        assert wire.streams[stream].code == CANCEL


@pytest.mark.parametrize("path, how", [("/sink-held", "reset"), ("/unasked", "answer"), ("/sink-small", "answer"), ("/echo", "reset"),
                                       ("/nowhere", "answer"), ("/tunnel-held", "reset")])
def test_what_nobody_took_is_credited_to_the_connection(wire, path, how):
    """Else a few bodies that nobody wants would stop all uploads."""
    for _ in range(20):
        stream = wire.open(path, method="POST", end=False)
        wire.upload(stream, 60000 if path == "/echo" else 200000, end=False)
        if how == "reset":
            wire.send(reset(stream))
        else:
            wire.wait(lambda: wire.streams[stream].is_over)  # noqa: B023
            if wire.streams[stream].code is None:
                wire.send(reset(stream))
    stream = wire.open("/sink", method="POST", end=False)
    wire.upload(stream, 4 * MEGABYTE)
    assert wire.answer(stream).body == b"%d" % (4 * MEGABYTE)


def test_uploads_beside_each_other_are_kept_apart(wire):
    streams = [wire.open("/sink", method="POST", end=False) for _ in range(10)]
    for i in range(10):
        for stream in streams:
            wire.upload(stream, 30000 + stream, end=i == 9)
    assert [wire.answer(stream).body for stream in streams] == [b"%d" % (10 * (30000 + stream)) for stream in streams]


# ---- downloads ----

@pytest.mark.parametrize("path", ["/source", "/source-length"])
@pytest.mark.parametrize("window", [1000, 65535, 16 * MEGABYTE])
def test_a_download_is_complete_whatever_the_window(server, path, window):
    with server.wire((INITIAL_WINDOW_SIZE, window)) as wire:
        answer = wire.ask(f"{path}?3000000")
        assert answer.size == 3000000 and answer.body[:251] == PATTERN[:251]
        assert all(is_of_pattern(answer.body[i:i + 1000], i) for i in range(0, 3000000, 1000))
        assert answer.headers.get("content-length") == ("3000000" if path == "/source-length" else None)


def test_64_mb_are_downloaded_slowly_in_little_memory(server):
    with server.wire((INITIAL_WINDOW_SIZE, 10000)) as wire:
        wire.keeps = wire.credits = False
        with Memory(server, 4 * MEGABYTE) as memory:
            stream = wire.open(f"/source?{64 * MEGABYTE}")
            it, step = wire.streams[stream], 10000
            while not it.ended:
                wire.wait(lambda: it.ended or it.taken == wire.initial + it.granted)
                memory.look()
                wire.credit(0, step)
                wire.credit(stream, step)
                step = min(step + 1000, 500000)
        assert it.size == 64 * MEGABYTE


def test_many_slow_downloads_hold_little_memory(server):
    with server.wire((INITIAL_WINDOW_SIZE, 0)) as wire:
        wire.credits = False
        with Memory(server, 12 * MEGABYTE):
            streams = [wire.open("/source?1000000000") for _ in range(100)]
            wire.wait(lambda: all(wire.streams[stream].status for stream in streams))
            wire.ping()


def test_a_stream_without_window_holds_no_other_up(server):
    with server.wire((INITIAL_WINDOW_SIZE, 0)) as wire:
        stuck = wire.open("/source?1000000")
        head = wire.open("/inline?b", method="HEAD")
        assert wire.answer(head).status == 200
        moving = wire.open("/source?100000")
        wire.credit(moving, 100000)
        assert wire.answer(moving).size == 100000
        assert wire.streams[stuck].status == 200 and wire.streams[stuck].size == 0


def test_a_window_that_settings_raise_counts_for_open_streams(server):
    """Section 6.9.2."""
    with server.wire((INITIAL_WINDOW_SIZE, 0)) as wire:
        stream = wire.open("/big?50000")
        wire.wait(lambda: wire.streams[stream].status)
        wire.ping()
        assert wire.streams[stream].size == 0
        wire.initial = 50000
        wire.send(settings((INITIAL_WINDOW_SIZE, 50000)))
        assert wire.answer(stream).size == 50000


def test_a_window_that_settings_make_negative_is_waited_for(server):
    with server.wire((INITIAL_WINDOW_SIZE, 40000)) as wire:
        wire.credits = False
        stream = wire.open("/big?60000")
        wire.wait_bytes(stream, 40000)
        wire.send(settings((INITIAL_WINDOW_SIZE, 10000)))
        wire.credit(stream, 30000)  # its window is 0 now
        wire.ping()
        assert wire.streams[stream].size == 40000
        wire.credit(stream, 20000)
        assert wire.answer(stream).size == 60000


def test_a_body_of_nothing_needs_no_window(server):
    with server.wire((INITIAL_WINDOW_SIZE, 0)) as wire:
        assert wire.ask("/big?0").size == 0
        assert wire.post("/echo", b"").size == 0


# ---- both ways ----

@pytest.mark.parametrize("connect", [False, True], ids=["a body", "a tunnel"])
def test_an_echo_with_a_backlog_all_the_time_keeps_its_memory(server, connect):
    """64 MB go through, and all the time some 100 KB wait: what was read is given back although the buffer is never empty."""
    with server.wire((INITIAL_WINDOW_SIZE, 0)) as wire:
        wire.keeps = wire.credits = False
        if connect:
            stream = wire.new_stream()
            wire.send(headers(stream, [*request("/tunnel", method="CONNECT"), (":protocol", "echo")], end=False))
        else:
            stream = wire.open("/stream-echo", method="POST", end=False)
        wire.credit(0, 70 * MEGABYTE)
        it, total, step = wire.streams[stream], 64 * MEGABYTE, 50000
        with Memory(server, 4 * MEGABYTE) as memory:
            wire.upload(stream, 100000, end=False)
            while it.sent < total and not it.is_over:
                wire.upload(stream, min(step, total - it.sent), end=False)
                wire.credit(stream, step)
                wire.wait(lambda: it.taken == it.granted or it.is_over)
                if it.sent % (20 * step) == 0:
                    memory.look()
            wire.send(data(stream, end=True))
            wire.credit(stream, MEGABYTE)
            assert wire.answer(stream).size == total


def test_an_echo_whose_answer_nobody_reads_stops_the_client(server):
    with server.wire((INITIAL_WINDOW_SIZE, 0)) as wire:
        stream = wire.open("/stream-echo", method="POST", end=False)
        with Memory(server, 4 * MEGABYTE):
            for _ in range(100):
                if wire.room(stream) <= 0:
                    wire.ping()
                if wire.room(stream) <= 0:
                    break
                wire.upload(stream, min(wire.room(stream), 16384), end=False)
            assert wire.room(stream) == 0
        assert wire.answer(wire.open("/inline", method="HEAD")).status == 200


# ---- answers that are not completed ----

@pytest.mark.parametrize("path", ["/cut?1", "/cut?60000", "/wrong-length?9", "/wrong-length?11"])
def test_an_answer_that_is_not_completed_is_reset(wire, path):
    how, code = wire.outcome(wire.open(path))
    assert how == "reset" and code in (INTERNAL_ERROR, CANCEL), (how, code)
    wire.assert_serves()


def test_an_answer_of_the_right_length_is_fine(wire):
    assert wire.ask("/wrong-length?10").size == 10


def test_an_answer_that_comes_later_goes_to_its_stream(wire):
    streams = [wire.open(f"/later?{ms}") for ms in (300, 100, 200)]
    assert [wire.answer(stream).body for stream in streams] == [b"300", b"100", b"200"]


# ---- readers that stand still ----

def test_a_stream_that_is_not_read_is_given_up_after_the_write_timeout():
    with Http2Server("write_timeout", 300) as server, server.wire((INITIAL_WINDOW_SIZE, 10)) as wire:
        wire.credits = False
        stuck = wire.open("/big?1000")
        busy = wire.open("/later?60000")
        assert wire.outcome(stuck) == ("reset", CANCEL)
        assert not wire.streams[busy].is_over
        wire.ping()


@pytest.mark.parametrize("window", [0, 5])
def test_a_body_whose_end_alone_does_not_fit_is_given_up_too(window):
    """nghttp2 sends the empty frame that ends a body only where the window has room."""
    with Http2Server("write_timeout", 300) as server, server.wire((INITIAL_WINDOW_SIZE, window)) as wire:
        wire.credits = False
        stream = wire.open(f"/source?{window}")
        assert wire.outcome(stream) in (("answer", 200), ("reset", CANCEL), ("goaway", NO_ERROR))


def test_a_reader_that_is_slow_is_not_given_up():
    with Http2Server("write_timeout", 700) as server, server.wire((INITIAL_WINDOW_SIZE, 10)) as wire:
        wire.credits = False
        stream = wire.open("/big?100")
        with server.wire() as clock:
            while not wire.streams[stream].is_over:
                clock.ask("/later?200")
                wire.credit(stream, 10)
                wire.ping()
        assert wire.answer(stream).size == 100


def test_a_client_that_wants_much_and_reads_nothing_is_closed_after_the_write_timeout():
    with Http2Server("write_timeout", 300) as server, server.wire((INITIAL_WINDOW_SIZE, 0)) as wire:
        for _ in range(100):
            wire.open("/big?1000000")
        wire.wait_end()
        server.assert_alive()


def test_a_client_that_does_not_even_read_its_socket_is_closed_after_the_write_timeout():
    with Http2Server("write_timeout", 300) as server, server.wire((INITIAL_WINDOW_SIZE, 2**31 - 1), SO_RCVBUF=4096) as wire:
        wire.credit(0, 2**31 - 1 - 65535)
        for _ in range(20):
            wire.open("/source?1000000")
        def is_reset():
            try:
                wire.sock.send(frame(PING, 0, 0, b"x" * 8))
                return False
            except (ConnectionResetError, BrokenPipeError):
                return True
        wait_until(is_reset)
        server.assert_alive()
