"""What a provider may answer, and what becomes of it."""
import gzip
import subprocess
import time

import services

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def answers(*parts):
    def answer(connection, _):
        for part in parts:
            connection.sendall(part)
    return answer


def with_length(body, head=HEAD):
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_html_with_status_200_is_an_answer_that_the_log_shows_in_part(hostile, send):
    page = b"<html><title>Maintenance</title>" + b"<p>later</p>" * 500
    server = hostile(answers(with_length(page, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")))
    sent = send(server.url)
    assert sent.result == f"ok 200 {len(page)} "
    assert sent.event["response_body"].startswith("<html><title>Maintenance</title>")
    assert len(sent.event["response_body"]) == 1025 and sent.event["response_body"].endswith("…")
    assert sent.event["received_bytes"] == len(page)


def test_ten_megabytes_end_at_the_limit(hostile, send):
    server = hostile(answers(HEAD + b"Content-Length: 10485760\r\n\r\n", b"x" * 10485760))
    sent = send(server.url)
    assert sent.result == "too_large: the response is too large"
    assert (sent.event["level"], sent.event["reason"], sent.event["status"]) == ("warn", "the response is too large", 200)
    assert sent.event["received_bytes"] <= 1024 * 1024
    assert len(sent.log) < 32 * 1024


def test_endless_headers_end_at_the_limit(hostile, send):
    def answer(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(b"X-Header: 0123456789\r\n" * 1000)
    sent = send(hostile(answer).url)
    assert sent.result == "too_large: the headers of the response are too large"


def test_a_slow_drip_ends_with_the_total_timeout(hostile, send):
    def answer(connection, _):
        connection.sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
        while True:
            connection.sendall(b" ")
            time.sleep(0.05)
    sent = send(hostile(answer).url)
    assert sent.result == "timeout: no complete response in time"
    assert 9_900_000 < sent.event["total_us"]
    assert 0 < sent.event["first_byte_us"] < sent.event["total_us"]


def test_a_redirect_is_not_followed(hostile, send):
    other = hostile(answers(with_length(b"{}")))
    server = hostile(answers(b"HTTP/1.1 302 Found\r\nLocation: %s/x?code=hush-hush-hush\r\nContent-Length: 0\r\n\r\n"
                             % other.url.encode()))
    sent = send(server.url)
    assert sent.result == f"ok 302 0 {other.url}/x?code=hush-hush-hush"
    assert f"Location: {other.url}/x?code=‹redacted 14 chars, fingerprint " in sent.event["response_headers"]
    assert other.connections == 0 and "hush" not in sent.log


def test_a_gzip_bomb_is_refused_at_its_header(hostile, send):
    bomb = gzip.compress(b"\0" * 50_000_000)
    server = hostile(answers(with_length(bomb, HEAD + b"Content-Encoding: gzip\r\n")))
    sent = send(server.url)
    assert sent.result == "temporarily_unavailable: the response is compressed, although that was not asked for"
    assert b"accept-encoding" not in server.requests[0].lower()
    assert "received_bytes" not in sent.event and "response_body" not in sent.event


def test_a_certificate_that_nobody_vouches_for(hostile, send, tls, certificate):
    server = hostile(answers(with_length(b"{}")), tls)
    sent = send(server.url)
    assert sent.result == "temporarily_unavailable: TLS certificate rejected"
    assert server.requests == []
    assert sent.event["reason"] == "TLS certificate rejected" and "tls_us" not in sent.event
    sent = send(server.url, ca=str(certificate / "ca.pem"))
    assert sent.result == "ok 200 2 "
    assert sent.event["dns_us"] <= sent.event["connect_us"] <= sent.event["tls_us"] <= sent.event["first_byte_us"]
    assert sent.event["address"] == "127.0.0.1"


def test_a_ca_is_found_beside_the_configuration(hostile, send, tls, certificate, tmp_path):
    (tmp_path / "own.pem").write_bytes((certificate / "ca.pem").read_bytes())
    assert send(hostile(answers(with_length(b"{}")), tls).url, ca="own.pem").result == "ok 200 2 "


def test_tls_that_is_none(hostile, send):
    server = hostile(answers(with_length(b"{}")))
    sent = send(server.url.replace("http:", "https:"))
    assert sent.result.startswith(("temporarily_unavailable: ", "timeout: no connection in time"))
    assert server.requests == []


def test_an_address_that_is_not_listed_is_not_connected_to(hostile, send):
    server = hostile(answers(with_length(b"{}")))
    for networks in ((), ("127.0.0.2",), ("10.0.0.0/8",)):
        sent = send(server.url, "POST", "client_secret=hush-hush-hush", networks=networks)
        assert sent.result == (f"invalid_request: 127.0.0.1:{server.port} has the address 127.0.0.1, which is loopback; add it to "
                               "outgoing.networks if this server may connect to it")
        assert sent.event["reason"] == sent.result.removeprefix("invalid_request: ")
        assert "status" not in sent.event and "address" not in sent.event and "sent_bytes" not in sent.event
        assert "hush" not in sent.log
    assert server.connections == 0


def test_libcurl_is_loaded_with_the_first_client_only(hostile, send):
    assert not send(hostile(answers(with_length(b"{}"))).url).has_libcurl_before
    linked = subprocess.run(["ldd", services.PROGRAMS["cardea"]], capture_output=True, text=True, check=False).stdout
    assert "libcurl" not in linked
