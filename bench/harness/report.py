"""The table, on the terminal and as bench/RESULTS.md."""
import datetime
import os
import platform
import re
import subprocess

from .cardea import ROOT
from .peers import FLASK_BEST, OidcProvider
from .processes import BenchError

HEAD = ('work', 'ours', 'reference', 'ratio', 'must', 'aim', 'verdict')

TEXT = '''\
# How fast Cardea is

Measured {date} on {cpu}, {cores} cores, Linux {kernel}. {rounds} rounds of {seconds} s for each target, targets in turn within a
round and in reversed order every other round, after {warmup} s of warm-up; figures are medians over the rounds, ratios the median
of the ratios within each round. [README.md](README.md) says what each row means. To repeat it:

    ./dev build && {command}

{table}

† Both figures of this row are answers for each second of the servers' processor time. For HTTP/2, uploads, the check and the gate that
is so by definition; elsewhere the load generator used its core up before the server did, so the rates would only say how fast it is.

Servers are pinned to core 0 and what loads them to core 1, except for the user call and the memory, where everything uses all
cores. All peers write no logs, so Cardea's are off too (`log: {{ level: off }}`); the row that says so has them on. A run with one
wrong answer or one socket error is a failed measurement and says so in its row. Flask runs as "{flask}". The earlier revision is
{before}.

Load average when it began: {load:.2f}. Versions: {versions}.
'''


def first_line(argv, pattern):
    """Some programs say their version on stderr, and wrk with a status of 1."""
    try:
        run = subprocess.run(argv, capture_output=True, text=True)
    except OSError:
        return 'missing'
    found = re.search(pattern, run.stdout + run.stderr)
    return found.group(1) if found else 'unknown'


def debian_version(package):
    return first_line(['dpkg-query', '-W', '-f', '${Version}', package], r'(\S+)')


def versions(options):
    try:
        node = first_line([OidcProvider.node(), '--version'], r'v(\S+)')
    except BenchError:
        node = 'missing'
    with open(os.path.join(OidcProvider.FOLDER, 'package.json'), encoding='utf-8') as file:
        provider = re.search(r'"oidc-provider": "([^"]+)"', file.read()).group(1)
    found = [('cardea', first_line([os.path.join(options.build, 'cardea'), '--version'], r'([\d.]+)')),
             ('revision', first_line(['git', '-C', ROOT, 'rev-parse', '--short', 'HEAD'], r'(\w+)')),
             ('OpenSSL', first_line(['openssl', 'version'], r'OpenSSL (\S+)')), ('wrk', debian_version('wrk')),
             ('h2load', debian_version('nghttp2-client')), ('valgrind', debian_version('valgrind')),
             ('nginx', first_line(['/usr/sbin/nginx', '-v'], r'nginx/(\S+)')), ('Glewlwyd', debian_version('glewlwyd')),
             ('oidc-provider', provider), ('node', node), ('uWSGI', debian_version('uwsgi-core')),
             ('HAProxy', debian_version('haproxy')), ('Caddy', debian_version('caddy')), ('Apache', debian_version('apache2-bin')),
             ('mod_auth_openidc', debian_version('libapache2-mod-auth-openidc')),
             ('Python', platform.python_version()), ('Flask', debian_version('python3-flask')),
             ('PyJWT', debian_version('python3-jwt')), ('requests', debian_version('python3-requests'))]
    return ', '.join(f'{name} {version}' for name, version in found)


def cpu_model():
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        return re.search(r'model name\s*: (.*)', file.read()).group(1)


def table(rows):
    lines = [HEAD, *((row.work, row.ours, row.reference, row.ratio, row.must, row.aim, row.verdict) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    text = ['| ' + ' | '.join(cell.ljust(width) for cell, width in zip(line, widths)) + ' |' for line in lines]
    text.insert(1, '|' + '|'.join('-' * (width + 2) for width in widths) + '|')
    return '\n'.join(text)


def results(rows, options):
    command = f'bench/run --rounds {options.rounds} --seconds {options.seconds} --warmup {options.warmup}'
    return TEXT.format(date=datetime.date.today().isoformat(), cpu=cpu_model(), cores=os.cpu_count(), kernel=platform.release(),
                       rounds=options.rounds, seconds=options.seconds, warmup=options.warmup, command=command, load=options.load,
                       table=table(rows), flask=FLASK_BEST, before=options.before, versions=versions(options))
