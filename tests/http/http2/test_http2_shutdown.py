"""The end of a server as its clients of HTTP/2 see it (RFC 9113 section 6.8)."""
import signal

from frames import *  # noqa: F403


def stop(server):
    server.process.send_signal(signal.SIGTERM)


def test_an_idle_connection_is_told_that_the_server_goes():
    with Http2Server() as server, server.wire() as wire:
        assert wire.ask("/inline?a").body == b"a"
        stop(server)
        assert wire.wait_end() == NO_ERROR
        assert wire.goaways[-1] == (NO_ERROR, 1)


def test_what_runs_is_answered_after_goaway():
    with Http2Server() as server, server.wire() as wire:
        streams = [wire.open(path) for path in ("/sleep?300", "/later?400", "/inline?a")]
        wire.answer(streams[2])
        stop(server)
        assert wire.wait(lambda: wire.goaways) and not wire.streams[streams[1]].is_over
        assert [wire.answer(stream).body for stream in streams] == [b"300", b"400", b"a"]
        assert wire.wait_end() == NO_ERROR and wire.goaways[-1][1] == streams[-1]
        assert server.process.wait(PATIENCE) == 0


def test_a_request_after_goaway_is_not_served_and_the_client_can_tell():
    with Http2Server() as server, server.wire() as wire:
        first = wire.open("/later?500")
        wire.ping()
        stop(server)
        assert wire.wait(lambda: wire.goaways)
        late = wire.open("/inline?late")
        assert wire.answer(first).body == b"500"
        wire.wait_end()
        assert wire.streams[late].status is None and wire.goaways[-1][1] == first < late


def test_requests_that_were_sent_before_the_signal_are_answered_or_may_be_sent_again():
    with Http2Server("threads", 2) as server:
        for _ in range(1):
            wires = [server.wire() for _ in range(20)]
            streams = [wire.open(f"/inline?{i}") for i, wire in enumerate(wires)]
            stop(server)
            for i, (wire, stream) in enumerate(zip(wires, streams)):
                wire.wait_end()
                it = wire.streams[stream]
                assert it.body == b"%d" % i or wire.goaways[-1] == (NO_ERROR, 0), (it, wire.goaways)
                wire.close()
            assert server.process.wait(PATIENCE) == 0


def test_a_header_block_that_is_coming_in_may_end_before_the_grace():
    with Http2Server() as server, server.wire() as wire:
        stream = wire.new_stream()
        encoded = block(request("/inline?late"))
        other = wire.open("/later?1000")
        wire.send(headers(stream + 4, encoded[:5], flags=0))
        wire.streams[stream + 4]
        with server.wire() as clock:
            clock.assert_serves()
        stop(server)
        server.wait_for_event("stopping")
        wire.send(continuation(stream + 4, encoded[5:]))
        assert wire.answer(other).body == b"1000"
        assert wire.wait_end() == NO_ERROR
        last = wire.goaways[-1][1]
        assert wire.streams[stream + 4].body == b"late" or last < stream + 4


def test_an_upload_that_runs_is_completed_after_the_signal():
    with Http2Server() as server, server.wire() as wire:
        stream = wire.open("/sink", method="POST", end=False)
        wire.upload(stream, 100000, end=False)
        wire.ping()
        stop(server)
        assert wire.wait(lambda: wire.goaways)
        wire.upload(stream, 1000000)
        assert wire.answer(stream).body == b"1100000"
        assert wire.wait_end() == NO_ERROR


def test_a_download_that_runs_is_completed_after_the_signal():
    with Http2Server() as server, server.wire((INITIAL_WINDOW_SIZE, 1000)) as wire:
        wire.credits = False
        stream = wire.open("/source?3000000")
        wire.wait_bytes(stream, 1000)
        stop(server)
        assert wire.wait(lambda: wire.goaways)
        wire.credits = True
        wire.credit(0, 3000000)
        wire.credit(stream, 3000000)
        assert wire.answer(stream).size == 3000000
        assert wire.wait_end() == NO_ERROR


def test_the_grace_is_bounded():
    with Http2Server("grace", 200) as server, server.wire() as wire:
        stream = wire.open("/later?60000")
        tunnel = wire.new_stream()
        wire.send(headers(tunnel, [*request("/tunnel", method="CONNECT"), (":protocol", "echo")], end=False))
        wire.ping()
        stop(server)
        wire.wait_end()
        assert wire.streams[stream].status is None
        assert server.process.wait(PATIENCE) == 0


def test_while_the_server_drains_new_requests_are_served():
    """LESSONS 43."""
    with Http2Server("drain", 60000, "grace", 200) as server, server.wire() as wire:
        stop(server)
        server.wait_for_event("stopping")
        wire.assert_serves()
        server.assert_alive()
        server.process.send_signal(signal.SIGKILL)
        server.expect_exit = -signal.SIGKILL
