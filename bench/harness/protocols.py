"""Rows about the HTTP engine alone: HTTP/2, TLS and uploads, each against nginx that answers the same."""
from . import cardea, peers
from .load import h2load_target, handshakes_target, measure_in_turn, wrk_target
from .processes import Chain
from .rows import health_answer, nginx_like, ratio_row
from .wire import ask

UPLOAD_BYTES = 1024 * 1024
UPLOAD_CONNECTIONS = 16
HTTP2_CONNECTIONS = 10
HTTP2_STREAMS = 10


def start_tls_pair(shop, options):
    ours = cardea.start_tls_server(shop, options)
    answer = health_answer(ours, tls=True)
    nginx = nginx_like(shop, answer, tls=True)
    return answer, (('cardea', ours, answer.length), ('nginx', nginx, nginx.answer_length))


def http2(shop, options):
    answer, pair = start_tls_pair(shop, options)
    series = measure_in_turn([
        h2load_target(name, server, '/healthz', connections=HTTP2_CONNECTIONS, streams=HTTP2_STREAMS,
                      body_length=len(answer.body))
        for name, server, _ in pair
    ], options)
    return [ratio_row(f'HTTP/2 over TLS: `GET /healthz`, {HTTP2_CONNECTIONS} connections of {HTTP2_STREAMS} streams',
                      series['cardea'], series['nginx'], 1.5, 2.2, per_core=True)]


def tls(shop, options):
    _, pair = start_tls_pair(shop, options)
    requests = measure_in_turn([
        wrk_target(name, server, '/healthz', ['get'], scheme='https', expected_length=length)
        for name, server, length in pair
    ], options)
    handshakes = measure_in_turn([handshakes_target(name, server) for name, server, _ in pair], options)
    return [
        ratio_row('TLS 1.3, HTTP/1.1: `GET /healthz`, 64 connections', requests['cardea'], requests['nginx'],
                  1.0, 1.1, unit=''),
        ratio_row('full handshakes of TLS 1.3, ECDSA P-256', handshakes['cardea'], handshakes['nginx'],
                  0.95, 1.0, unit=''),
    ]


def upload(shop, options):
    """Ours counts and discards; nginx passes on to another process of ours that does."""
    ours, sink = (cardea.start_echo_server(shop, options, body=2 * UPLOAD_BYTES) for _ in range(2))
    proxy = peers.start_proxy_nginx(shop, sink.port)
    targets = []
    for name, server in (('cardea', ours), ('nginx and its sink', Chain(proxy, sink))):
        answer = cardea.expect(ask(server.port, 'POST', '/sink', body='x' * UPLOAD_BYTES), f'upload, {name}',
                               lambda answer: answer.body == str(UPLOAD_BYTES).encode())
        targets.append(wrk_target(name, server, '/sink', ['upload', str(UPLOAD_BYTES)], connections=UPLOAD_CONNECTIONS,
                                  expected_length=answer.length))
    series = measure_in_turn(targets, options)
    return [ratio_row(f'uploads of 1 MiB, counted and discarded, {UPLOAD_CONNECTIONS} connections', series['cardea'],
                      series['nginx and its sink'], 1.0, 1.2, unit='', per_core=True)]


GROUPS = {'http2': http2, 'tls': tls, 'upload': upload}
