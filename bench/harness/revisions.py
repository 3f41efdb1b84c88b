"""Rows against an earlier revision of this repository, which is built beside it: rates, and instructions a request."""
import argparse
import contextlib
import os
import re
import shutil
import socket
import subprocess
from functools import partial

from . import basic_tokens, cardea, peers
from .load import measure_in_turn, wrk_target
from .processes import BenchError
from .rows import Row, ratio_row
from .wire import read_answer, request_bytes

BEFORE = 'e79d249'  # the last one whose HTTP engine was llhttp's alone, without HTTP/2
CONNECTIONS = 16    # of the instruction counts, each with one request at a time
FEW, MANY = 2, 40   # requests on each: their difference leaves out what the start and the end cost
FORM = {'Authorization': cardea.CLIENT, 'Content-Type': 'application/x-www-form-urlencoded'}
REQUESTS = {
    '`GET /healthz`': ('GET', '/healthz', {}, ''),
    '`client_credentials`, ES256': ('POST', '/oauth/token', FORM, cardea.CLIENT_CREDENTIALS),
}


def run(*argv, **settings):
    done = subprocess.run(argv, capture_output=True, text=True, **settings)
    if done.returncode:
        raise BenchError(f'{" ".join(argv)}: {done.stderr or done.stdout}')
    return done.stdout.strip()


def build_before(options):
    """The options with the build folder of the earlier revision, which is kept below ours for the next run."""
    revision = run('git', '-C', cardea.ROOT, 'rev-parse', '--verify', options.before + '^{commit}')
    folder = os.path.join(options.build, 'before', revision[:12])
    source, build = os.path.join(folder, 'source'), os.path.join(folder, 'build')
    if not os.path.exists(os.path.join(build, 'cardea')):
        print(f'  building {revision[:12]}', flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(source)
        archive = os.path.join(folder, 'source.tar')
        run('git', '-C', cardea.ROOT, 'archive', '--output', archive, revision)
        run('tar', '-xf', archive, '-C', source)
        run('meson', 'setup', build, source)
        run('ninja', '-C', build, 'cardea')
    return argparse.Namespace(**{**vars(options), 'build': build})


def before(shop, options):
    builds = {'cardea': options, 'before': build_before(options)}
    servers = {name: cardea.start_server(shop, build) for name, build in builds.items()}
    tokens = measure_in_turn([
        wrk_target(name, server, '/oauth/token', ['post', cardea.CLIENT, cardea.CLIENT_CREDENTIALS],
                   expected_length=cardea.first_token(server.port).length)
        for name, server in servers.items()
    ], options)
    own = measure_in_turn(
        [basic_tokens.introspection_target(shop, server, name) for name, server in servers.items()], options)
    return [
        ratio_row(f'`client_credentials`, ES256, against revision {options.before}', tokens['cardea'], tokens['before'],
                  0.97, 1.1, unit=''),
        ratio_row(f'introspection of a token issued by this process, against revision {options.before}', own['cardea'],
                  own['before'], 0.97, 1.05, unit=''),
    ]


def count_instructions(shop, start, act):
    """Of a whole process while `act(process)` is done. `start(wrapper=…)` starts it."""
    wrapper = [peers.need('valgrind', 'valgrind'), '--tool=callgrind', '--callgrind-out-file=/dev/null']
    server = start(wrapper=wrapper)
    act(server)
    shop.stop(server)
    found = re.search(r'Collected : (\d+)', server.log_tail())
    if not found:
        raise BenchError(f'callgrind counted nothing:\n{server.log_tail()}')
    return int(found.group(1))


def ask_often(request, count, server):
    """`count` times on each connection."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection(('127.0.0.1', server.port)))
                       for _ in range(CONNECTIONS)]
        for _ in range(count):
            for connection in connections:
                connection.sendall(request_bytes(server.port, *request))
            for connection in connections:
                answer, _ = read_answer(connection)
                if answer.status != 200:
                    raise BenchError(f'{request[1]} answers {answer.status}')


def instructions_per_request(shop, start, request, many=MANY):
    most, least = (count_instructions(shop, start, partial(ask_often, request, count)) for count in (many, FEW))
    return (most - least) / ((many - FEW) * CONNECTIONS)


def instructions(shop, options):
    earlier = build_before(options)
    rows = []
    for work, request in REQUESTS.items():
        for log in ('off', 'info'):
            now, then = (instructions_per_request(shop, partial(cardea.start_server, shop, build, log=log), request)
                         for build in (options, earlier))
            print(f'  {work}, log {log}: {now:,.0f}, before {then:,.0f}', flush=True)
            rows.append(Row(f'instructions a request, {work}, `log: {log}`', f'{now:,.0f}',
                            f'{options.before}: {then:,.0f}', f'{now / then:.3f}', verdict='for information'))
    return rows


GROUPS = {'before': before, 'instructions': instructions}
