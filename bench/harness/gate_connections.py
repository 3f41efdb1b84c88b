"""Rows about the gate that are not rates: what it adds to the time of a response, what a connection costs, and how fast large bodies pass."""
import base64
import hashlib
import os
import re
import selectors
import socket
import statistics
import threading
import time

from . import cardea, peers
from .gate import CHAT_HOST, HOST, OURS, of_nginx, start_application, start_gate, start_proxy
from .load import LOAD_CORE, Sample, Target, measure_in_turn, run_pinned, run_wrk
from .portal import COOKIE, SESSIONS, cookie_arguments
from .processes import BenchError
from .rows import IDLE_CONNECTIONS, Row, count_closed, judge, raise_open_files, ratio_row
from .wire import read_answer, request_bytes

LATENCY_CONNECTIONS = 64
GIB = 1024 ** 3
WEB_SOCKETS = 5000  # each takes two open files of the gate, and one each of the application and of the client, which are in this process
SINK_MAX = 2 * GIB - 1
TRANSFER_PROXY = ('proxy_pass http://application; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; '
                  'client_max_body_size 0; client_body_buffer_size 128k; proxy_buffer_size 64k; proxy_buffers 16 64k; '
                  'proxy_busy_buffers_size 128k; proxy_max_temp_file_size 0;')


# ---- latency ----

def open_loop(options, server, cookies, rate, seconds):
    """(median, 99th percentile) in microseconds, of requests that come when they come."""
    argv = [cardea.binary(options, 'bench', 'micro', 'open_loop'), str(server.port), HOST, '/small', COOKIE, cookies,
            str(LATENCY_CONNECTIONS), str(rate), str(seconds)]
    (output,), *_ = run_pinned([argv], server)
    found = re.match(r'(\d+) ([\d.]+) ([\d.]+) (\d+)\n', output)
    if not found:
        raise BenchError(f'open_loop said nothing that can be read:\n{output}')
    if int(found[4]) or int(found[1]) < rate * seconds * 0.95:
        raise BenchError(f'of {rate * seconds:.0f} requests in the open loop, {found[1]} were answered, {found[4]} with another status')
    return float(found[2]), float(found[3])


def gate_latency(shop, options):
    application = start_application(shop)
    server = start_gate(shop, options, application)
    nginx = start_proxy(shop, application)
    peak = statistics.median(
        run_wrk(f'http://127.0.0.1:{server.port}/small', cookie_arguments(server.cookies, SESSIONS, {'Host': HOST}),
                seconds=options.seconds, connections=LATENCY_CONNECTIONS).rate for _ in range(3))
    rate, added = peak / 2, {'cardea': [], 'nginx': []}
    for number in range(options.rounds):
        direct = open_loop(options, application, server.cookies, rate, options.seconds)
        for name, process in (('cardea', server.process), ('nginx', nginx)):
            found = open_loop(options, process, server.cookies, rate, options.seconds)
            added[name].append([proxied - alone for proxied, alone in zip(found, direct)])
            print(f'  round {number + 1}  {name:8s} {rate:,.0f}/s   p50 {found[0]:6.0f} us   p99 {found[1]:6.0f} us   direct {direct[0]:.0f} and '
                  f'{direct[1]:.0f} us', flush=True)
    (p50, p99), (nginx_p50, nginx_p99) = ([statistics.median(values) for values in zip(*added[name])] for name in ('cardea', 'nginx'))
    return [
        Row(f'what the gate adds to the 99th percentile, {rate:,.0f} requests a second, half of what it does at most: {OURS}',
            f'{p99:.0f} µs', f'nginx `proxy_pass`: {nginx_p99:.0f} µs', '', '150 µs', '80 µs', judge(p99, 150, 80, higher_is_better=False)),
        Row('the same to the median', f'{p50:.0f} µs', f'nginx `proxy_pass`: {nginx_p50:.0f} µs', '', verdict='for information'),
    ]


# ---- memory ----

class Chat:
    """An application that opens every web socket, and says nothing on it. It runs in this process."""

    def __init__(self):
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.is_over = False
        self.open = []
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.is_over:
            for key, _ in self.selector.select(0.1):
                if key.fileobj is self.listener:
                    connection = self.listener.accept()[0]
                    self.open.append(connection)
                    self.selector.register(connection, selectors.EVENT_READ)
                else:
                    self._read(key.fileobj)

    def _read(self, connection):
        head = connection.recv(65536)
        key = re.search(rb'(?im)^sec-websocket-key:[ \t]*(\S+)', head)
        if not key:
            self.selector.unregister(connection)
            return
        accept = base64.b64encode(hashlib.sha1(key[1] + b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest()).decode()
        connection.sendall(f'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
                           f'Sec-WebSocket-Accept: {accept}\r\n\r\n'.encode())

    def close(self):
        self.is_over = True
        self.thread.join()
        for connection in (self.listener, *self.open):
            connection.close()


UPGRADE = {'Upgrade': 'websocket', 'Connection': 'Upgrade', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA=='}


def open_one(server, headers, path, status, number):
    connection = socket.create_connection(('127.0.0.1', server.port), timeout=10, source_address=(f'127.0.1.{number % 4 + 1}', 0))
    connection.sendall(request_bytes(server.port, 'GET', path, {'Cookie': server.cookie(), **headers}))
    answer = read_answer(connection)[0]
    if answer.status != status:
        raise BenchError(f'connection {number + 1} was answered {answer.status} {answer.body[:200]!r}')
    return connection


def kilobytes_each(server, headers, path, status, count):
    """Of memory, for each of many connections that stay open."""
    open_one(server, headers, path, status, 0).close()
    time.sleep(0.5)
    before = server.process.memory()['VmRSS']
    connections = [open_one(server, headers, path, status, number) for number in range(count)]
    time.sleep(1)
    after, closed = server.process.memory()['VmRSS'], count_closed(connections)
    for connection in connections:
        connection.close()
    if closed:
        raise BenchError(f'{closed} of {count} connections were closed by the server')
    return (after - before) / count


def gate_memory(shop, options):
    raise_open_files(max(IDLE_CONNECTIONS, 2 * WEB_SOCKETS) + 500)
    application, chat = start_application(shop), Chat()
    kinds = {
        f'memory for each of {IDLE_CONNECTIONS:,} connections whose request was passed on, and which are idle':
            (({'Host': HOST}, '/small', 200, IDLE_CONNECTIONS), 8, 4),
        f'memory for each of {WEB_SOCKETS:,} open web sockets':
            (({'Host': CHAT_HOST, **UPGRADE}, '/', 101, WEB_SOCKETS), 12, 8),
    }
    found = {work: [] for work in kinds}
    try:
        for number in range(options.rounds):
            for work, (connections, *_) in kinds.items():
                server = start_gate(shop, options, application, sessions=1, chat=chat.port)
                found[work].append(kilobytes_each(server, *connections))
                shop.stop(server.process)
                print(f'  round {number + 1}  {work}: {found[work][-1]:.2f} KB', flush=True)
    finally:
        chat.close()
    middle = {work: statistics.median(values) for work, values in found.items()}
    return [Row(work, f'{middle[work]:.1f} KB', '', '', f'{must} KB', f'{aim} KB',
                judge(middle[work], must, aim, higher_is_better=False)) for work, (_, must, aim) in kinds.items()]


# ---- large bodies ----

def curl_target(name, process, *words):
    """Mebibytes a second."""
    def measure(_):
        argv = ['curl', '-sS', '-o', '/dev/null', '-w', 'did %{http_code} %{size_upload} %{size_download}', *words]
        (output,), elapsed, load_busy, server_busy = run_pinned([argv], process)
        found = re.search(r'did (\d+) (\d+) (\d+)', output)
        moved = max(int(found[2]), int(found[3])) if found else 0
        problems = [] if found and found[1] == '200' and moved == GIB else [output]
        return Sample(moved / 2 ** 20 / elapsed, load_busy=load_busy, server_busy=server_busy, problems=problems)

    return Target(name, measure)


def start_origin(shop, options):
    """On the load's core: nginx for downloads; uploads go on to the tests' server, which counts and discards them."""
    with open(shop.path('gib'), 'wb') as file:
        file.truncate(GIB)
    os.chmod(shop.path('gib'), 0o644)
    os.chmod(shop.folder, 0o711)
    download = peers.start_nginx(shop, f'root {shop.folder}; sendfile on; location = / {{ return 200; }}', core=LOAD_CORE)
    return download, cardea.start_echo_server(shop, options, core=LOAD_CORE, body=SINK_MAX)


def gate_transfer(shop, options):
    download, sink = start_origin(shop, options)
    targets = []
    for way, origin in (('download', download), ('upload', sink)):
        server = start_gate(shop, options, origin, sessions=1)
        nginx = start_proxy(shop, origin, TRANSFER_PROXY)
        for name, process in (('cardea', server.process), ('nginx', nginx)):
            words = ['-H', f'Host: {HOST}', '-H', f'Cookie: {server.cookie()}']
            if way == 'download':
                words += [f'http://127.0.0.1:{process.port}/gib']
            else:
                words += ['-X', 'POST', '-H', 'Expect:', '-T', shop.path('gib'), f'http://127.0.0.1:{process.port}/sink']
            targets.append(curl_target(f'{name}, {way}', process, *words))
    series = measure_in_turn(targets, options)
    rows = []
    for way in ('download', 'upload'):
        ours, its = series[f'cardea, {way}'], of_nginx(series[f'nginx, {way}'], 'proxy_pass')
        rows.append(mebibytes_row(f'{way} of 1 GB: {OURS}', ours, its, per_core=False))
        rows.append(mebibytes_row('the same for each second of processor time', ours, its, per_core=True))
    return rows


def mebibytes_row(work, ours, its, per_core):
    row = ratio_row(work, ours, its, 1.0, 1.2, unit='', per_core=per_core)
    row.ours, row.reference = (re.sub(r'/s\b', ' MiB/s', text) for text in (row.ours, row.reference))
    return row


GROUPS = {'gate-latency': gate_latency, 'gate-memory': gate_memory, 'gate-transfer': gate_transfer}
