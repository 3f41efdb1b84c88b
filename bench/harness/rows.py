"""The rows of the table. Each group starts what it compares, measures it in turn, and ends it."""
import dataclasses
import os
import resource
import select
import socket
import statistics
import subprocess
import tempfile
import time

from . import cardea, peers
from .load import Target, compare, ecdsa_signs, measure_in_turn, run_wrk, wrk_target
from .processes import BenchError, free_port
from .wire import ask, collect_tokens, form, http2_begin, http2_read_body, read_answer, request_bytes

ISSUED_TOKENS = 2000              # that the "issued by it" run takes in turn
UNSEEN_TOKENS_PER_SECOND = 20000  # made beforehand; a faster server would run out, which counts as a failed run
IDLE_CONNECTIONS = 10000
STARTS = 20
USER_CALL_CONNECTIONS = 32


@dataclasses.dataclass
class Row:
    work: str
    ours: str
    reference: str
    ratio: str = ''
    must: str = ''
    aim: str = ''
    verdict: str = ''


def judge(value, must, aim, higher_is_better=True):
    def reached(bound):
        return value >= bound if higher_is_better else value <= bound
    return 'aim reached' if reached(aim) else 'must reached' if reached(must) else 'MISSED'


def ratio_row(work, ours, reference, must=None, aim=None, unit='×', per_core=False):
    """Without `must`: for information. `per_core`: by the servers' processor time, whatever the load generator did."""
    bounds = (f'{must:g}{unit}', f'{aim:g}{unit}') if must else ('', '')
    problems = [problem for problem in (ours.problem(), reference.problem()) if problem]
    field, value = compare(ours, reference, per_core)
    mark = ' †' if field == 'rate_per_core' else ''
    verdict = 'FAILED: ' + '; '.join(problems) if problems else judge(value, must, aim) if must else 'for information'
    decimals = 1 if value >= 2 else 3
    return Row(work, f'{ours.median(field):,.0f}/s{mark}', f'{reference.name}: {reference.median(field):,.0f}/s{mark}',
               f'{value:.{decimals}f}{unit}', *bounds, verdict)


def plain_row(work, series, note=''):
    return Row(work, f'{series.median():,.0f}/s' + note, verdict='FAILED: ' + series.problem() if series.problem() else
               'for information', reference='')


def health_answer(server, tls=False):
    return cardea.expect(ask(server.port, 'GET', '/healthz', tls=tls), 'GET /healthz', lambda answer: answer.body)


def nginx_answering(shop, body):
    process = peers.start_nginx(shop, peers.return_200(body))
    process.answer_length = ask(process.port, 'GET', '/').length
    return process


def nginx_like(shop, answer, tls=False):
    """nginx with the very bytes and the content type of our answer."""
    process = peers.start_nginx(shop, peers.return_200(answer.body.decode()), answer.header('Content-Type'),
                                **(peers.over_tls(shop) if tls else {}))
    its = ask(process.port, 'GET', '/healthz', tls=tls)
    if its.body != answer.body or its.header('Content-Type') != answer.header('Content-Type'):
        raise BenchError('nginx does not answer what cardea answers')
    process.answer_length = its.length
    return process


def healthz(shop, options):
    server = cardea.start_server(shop, options)
    answer = health_answer(server)
    nginx = nginx_like(shop, answer)
    targets = []
    for connections in (64, 16, 256):
        for name, process, length in (('cardea', server, answer.length), ('nginx', nginx, nginx.answer_length)):
            targets.append(wrk_target(f'{name}, {connections} connections', process, '/healthz', ['get'],
                                      connections=connections, expected_length=length))
    series = measure_in_turn(targets, options)
    rows = []
    for connections, bounds in ((64, (0.98, 1.1)), (16, ()), (256, ())):
        rows.append(ratio_row(f'`GET /healthz`, {connections} connections', series[f'cardea, {connections} connections'],
                              series[f'nginx, {connections} connections'], *bounds, unit=''))
    return rows


def tokens(shop, options):
    server = cardea.start_server(shop, options)
    logging = cardea.start_server(shop, options, log='info')
    glewlwyd, provider = peers.Glewlwyd(shop), peers.OidcProvider(shop)

    def target(name, process, path, authorization, body):
        length = cardea.first_token(process.port, path, authorization, body).length
        return wrk_target(name, process, path, ['post', authorization, body], expected_length=length)

    ours = ('/oauth/token', cardea.CLIENT, cardea.CLIENT_CREDENTIALS)
    series = measure_in_turn([
        target('cardea', server, *ours),
        Target('openssl speed', ecdsa_signs),
        target('Glewlwyd', glewlwyd.process, glewlwyd.TOKEN_PATH, peers.CLIENT, glewlwyd.TOKEN_BODY),
        target('oidc-provider', provider.process, provider.TOKEN_PATH, peers.CLIENT, provider.JWT_BODY),
        target('cardea, logs on', logging, *ours),
    ], options)
    memory = server.memory()
    own = series['cardea']
    return [
        ratio_row('`client_credentials`, ES256, secret checked, against ECDSA P-256 signs', own, series['openssl speed'],
                  0.50, 0.65, unit=''),
        ratio_row('tokens, ES256, against Glewlwyd', own, series['Glewlwyd'], 15, 25),
        ratio_row('tokens, ES256, against oidc-provider', own, series['oidc-provider'], 4, 7),
        plain_row('the same tokens with `log: { level: info }`, one line a request', series['cardea, logs on']),
        Row('memory of the authorization server after these runs', f'{memory["VmRSS"] / 1024:.1f} MB', '',
            verdict='for information'),
    ]


class UnseenTokens:
    """Tokens of a second authorization server with the same key and issuer, in a file; each is introspected once in a run, by
    a process started for this run."""

    def __init__(self, shop, options):
        self.shop = shop
        self.path = shop.path('unseen-tokens')
        self.warmup = UNSEEN_TOKENS_PER_SECOND * options.warmup
        self.count = UNSEEN_TOKENS_PER_SECOND * options.seconds
        minting = cardea.start_server(shop, options, core=None, threads=0)
        print(f'  making {self.warmup + self.count:,} tokens', flush=True)
        with open(self.path, 'w', encoding='ascii') as file:
            collect_tokens(minting.port, '/oauth/token', cardea.CLIENT, cardea.CLIENT_CREDENTIALS, self.warmup + self.count,
                           lambda token: print(form(token=token).removeprefix('token='), file=file))
        self.spare = cardea.first_token(minting.port).json()['access_token']
        shop.stop(minting)

    def measure(self, options):
        server = cardea.start_server(self.shop, options)
        expected = cardea.first_introspection(server.port, self.spare).length
        url = f'http://127.0.0.1:{server.port}/oauth/introspect'
        once = ['once', cardea.INTROSPECTOR, self.path]
        run_wrk(url, [*once, '1', str(self.warmup)], seconds=options.warmup, connections=64)
        sample = run_wrk(url, [*once, str(self.warmup + 1), str(self.count)], seconds=options.seconds, connections=64,
                         server=server, expected_length=expected)
        self.shop.stop(server)
        if sample.rate * options.seconds > self.count:
            sample.problems.insert(0, f'it was faster than the {UNSEEN_TOKENS_PER_SECOND:,} tokens made for each second')
        return sample


def introspection(shop, options):
    server = cardea.start_server(shop, options)
    nginx = nginx_like(shop, health_answer(server))
    provider = peers.OidcProvider(shop)
    unseen = UnseenTokens(shop, options)
    issued_path = shop.path('issued-tokens')
    with open(issued_path, 'w', encoding='ascii') as file:
        collect_tokens(server.port, '/oauth/token', cardea.CLIENT, cardea.CLIENT_CREDENTIALS, ISSUED_TOKENS,
                       lambda token: print(form(token=token).removeprefix('token='), file=file))
    one = cardea.first_token(server.port).json()['access_token']
    turn = ['turn', cardea.INTROSPECTOR, issued_path, '1', str(ISSUED_TOKENS)]
    opaque = cardea.first_token(provider.port, provider.TOKEN_PATH, peers.CLIENT, provider.OPAQUE_BODY).json()['access_token']
    its = cardea.first_introspection(provider.port, opaque, provider.INTROSPECTION_PATH, peers.CLIENT)
    series = measure_in_turn([
        wrk_target('cardea, issued by it', server, '/oauth/introspect', turn,
                   expected_length=cardea.first_introspection(server.port, one).length),
        Target('cardea, never seen', unseen.measure),
        wrk_target('nginx, GET', nginx, '/healthz', ['get'], expected_length=nginx.answer_length),
        wrk_target('nginx, the same POSTs', nginx, '/', turn, expected_length=nginx.answer_length),
        wrk_target('oidc-provider', provider.process, provider.INTROSPECTION_PATH, ['post', peers.CLIENT, form(token=opaque)],
                   expected_length=its.length),
    ], options)
    issued = series['cardea, issued by it']
    return [
        ratio_row('introspection of a token never seen by this process', series['cardea, never seen'], series['nginx, GET'],
                  0.05, 0.07, unit=''),
        ratio_row('introspection of a token issued by this process', issued, series['nginx, GET'], 0.5, 0.8, unit=''),
        ratio_row('the same against nginx answering the same POSTs', issued, series['nginx, the same POSTs'], unit=''),
        ratio_row("introspection against oidc-provider's (opaque, memory)", issued, series['oidc-provider'], 8, 15),
    ]


def user_call(shop, options):
    ours, flask = cardea.start_user_call(shop, options), peers.start_flask(shop)
    series = measure_in_turn([user_call_target(name, chain) for name, chain in (('cardea', ours), ('Flask', flask))], options)
    row = ratio_row('the whole user call, all on 2 cores', series['cardea'], series['Flask'], 8, 15)
    return [row]


def user_call_target(name, chain):
    answer = cardea.expect(ask(chain.port, 'GET', '/current_time'), f'user call, {name}',
                           lambda answer: 'current_time' in answer.json())
    return wrk_target(name, chain, '/current_time', ['get'], connections=USER_CALL_CONNECTIONS, core=None,
                      expected_length=answer.length)


def tune_flask(shop, options):
    """Prints how the ways to run the Flask services compare; the last column does not mind what else the machine does."""
    for variant in peers.FLASK_VARIANTS:
        flask = peers.start_flask(shop, variant)
        sample = user_call_target('Flask', flask).measure(options)
        print(f'{variant:66s} {sample.rate:8.1f}/s   p99 {sample.p99_ms:7.1f} ms   {sample.rate_per_core:8.1f} for each second '
              f'of processor time   {"; ".join(sample.problems)}', flush=True)
        for process in reversed(flask.processes):
            shop.stop(process)


def raise_open_files(wanted):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        raise BenchError(f'{wanted} open files are needed and the hard limit is {hard}; raise it (ulimit -Hn)')
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def ask_and_stay(connection, port):
    connection.sendall(request_bytes(port, 'GET', '/healthz'))
    return read_answer(connection)[0].body


def ask_and_stay_http2(connection, port):
    http2_begin(connection, port, '/healthz')
    return http2_read_body(connection)


def open_idle_connections(port, count, ask_on):
    """Each asks once for /healthz and then stays. Several source addresses, so that no range of ports runs out."""
    expected = ask(port, 'GET', '/healthz').body
    connections = []
    for number in range(count):
        connection = socket.create_connection(('127.0.0.1', port), timeout=10, source_address=(f'127.0.1.{number % 4 + 1}', 0))
        if ask_on(connection, port) != expected:
            raise BenchError(f'connection {number + 1} was not answered')
        connections.append(connection)
    return connections


def count_closed(connections):
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLRDHUP)
    return len(poll.poll(0))


def memory_sample(shop, options, template, ask_on):
    """Of one server: idle, and with the connections."""
    server = cardea.start_server(shop, options, template, core=None, threads=0)
    idle = server.memory()
    connections = open_idle_connections(server.port, IDLE_CONNECTIONS, ask_on)
    time.sleep(1)
    full = server.memory()
    closed = count_closed(connections)
    for connection in connections:
        connection.close()
    shop.stop(server)
    if closed:
        raise BenchError(f'{closed} of {IDLE_CONNECTIONS} idle connections were closed by the server')
    return idle, full


def memory(shop, options):
    raise_open_files(IDLE_CONNECTIONS + 500)
    idle, full, full_http2 = [], [], []
    for number in range(options.rounds):
        sample = memory_sample(shop, options, cardea.SERVE, ask_and_stay)
        idle.append(sample[0])
        full.append(sample[1])
        full_http2.append(memory_sample(shop, options, cardea.SERVE_PLAIN_HTTP2, ask_and_stay_http2)[1])
        print(f'  round {number + 1}  idle {idle[-1]}   with {IDLE_CONNECTIONS} connections {full[-1]}   of HTTP/2 '
              f'{full_http2[-1]}   kB', flush=True)

    def row(work, found, must, aim):
        total, own = (statistics.median(sample[key] for sample in found) / 1024 for key in ('VmRSS', 'RssAnon'))
        return Row(work, f'{total:.1f} MB (anonymous {own:.1f} MB)', '', '', f'{must} MB', f'{aim} MB',
                   judge(total, must, aim, higher_is_better=False))

    return [row('resident memory of the authorization server, idle', idle, 9.5, 8),
            row(f'the same with {IDLE_CONNECTIONS:,} idle connections', full, 20, 13),
            row(f'the same with {IDLE_CONNECTIONS:,} idle connections of HTTP/2', full_http2, 180, 150)]


def first_answer_ms(shop, options, number):
    port = free_port()
    text = cardea.SERVE.format(port=port, threads=0, log='off', key=cardea.signing_key(shop))
    config = shop.write(f'start-{number}.yaml', text)
    argv = [cardea.binary(options, 'cardea'), 'serve', '--config', config]
    request = request_bytes(port, 'GET', '/healthz')
    began = time.perf_counter()
    process = shop.start('cardea', argv)
    deadline = began + 10
    while True:
        if time.perf_counter() > deadline or process.popen.poll() is not None:
            raise BenchError(f'no answer after the start:\n{process.log_tail()}')
        with socket.socket() as connection:
            if connection.connect_ex(('127.0.0.1', port)) == 0:
                connection.sendall(request)
                answer = connection.recv(4096)
                break
    elapsed = (time.perf_counter() - began) * 1e3
    shop.stop(process)
    if not answer.startswith(b'HTTP/1.1 200'):
        raise BenchError(f'the first answer is {answer[:100]!r}')
    return elapsed


def start(shop, options):
    times = [first_answer_ms(shop, options, number) for number in range(STARTS)]
    middle = statistics.median(times)
    print(f'  {STARTS} starts: {min(times):.1f} to {max(times):.1f} ms, median {middle:.1f} ms', flush=True)
    return [Row('from exec to the first answer', f'{middle:.1f} ms', '', '', '50 ms', '20 ms',
                judge(middle, 50, 20, higher_is_better=False))]


CHECKED = """listen: ["127.0.0.1:0"]
issuer: https://auth.example.com
store: sqlite:cardea.db
master_key: MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
portal: { url: https://auth.example.com/_auth, cookie_domain: example.com }
signin: { providers: [{ type: github, client_id: Iv1.0123456789abcdef, client_secret: 0123456789abcdef0123456789abcdef01234567 }] }
gate: { routes: [{ host: app.example.com, upstream: "http://127.0.0.1:3000", allow: { groups: [staff] } }] }
"""


def check_ms(program, config):
    began = time.perf_counter()
    if subprocess.run([program, 'check', '--config', config], stdout=subprocess.DEVNULL, check=False).returncode:
        raise BenchError('cardea check finds an error')
    return (time.perf_counter() - began) * 1000


def check_command(_, options):
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, 'cardea.yaml')
        with open(config, 'w', encoding='utf-8') as file:
            file.write(CHECKED)
        times = [check_ms(os.path.join(options.build, 'cardea'), config) for _ in range(STARTS)]
    middle = statistics.median(times)
    print(f'  {STARTS} checks: {min(times):.1f} to {max(times):.1f} ms, median {middle:.1f} ms', flush=True)
    return [Row('cardea check, without --online', f'{middle:.1f} ms', '', '', '30 ms', '20 ms',
                judge(middle, 30, 20, higher_is_better=False))]


GROUPS = {'healthz': healthz, 'tokens': tokens, 'introspection': introspection, 'user-call': user_call, 'memory': memory,
          'start': start, 'check-command': check_command}
