"""Commands that change and list users, each a process of its own, on SQLite."""
import base64
import dataclasses
import hashlib
import json
import os
import statistics
import subprocess
import time

from .cardea import binary
from .load import children_seconds
from .rows import Row, judge

TIMES = 20
LISTED = 100
PASSWORD = 'correct horse battery'
ARGON2_LINE = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$'
MUST_MS, AIM_MS = 30, 20
MUST_RATIO, AIM_RATIO = 3, 2


class Installation:
    """A folder as `cardea init` makes it."""

    def __init__(self, shop, options, name):
        self.program = binary(options, 'cardea')
        self.folder = shop.path(name)
        subprocess.run([self.program, 'init', '--dir', self.folder], check=True, capture_output=True)

    def run(self, *words, stdin=''):
        config = os.path.join(self.folder, 'cardea.yaml')
        subprocess.run([self.program, *words, '--config', config], input=stdin, text=True, check=True, capture_output=True)

    def milliseconds(self, *words, stdin=''):
        began = time.perf_counter()
        self.run(*words, stdin=stdin)
        return (time.perf_counter() - began) * 1000

    def processor_seconds(self, *words, stdin=''):
        before = children_seconds()
        self.run(*words, stdin=stdin)
        return children_seconds() - before


def lines(count, team):
    """Users as a nightly export of a directory has them, with hashes of the default cost."""
    made = []
    for number in range(count):
        digest = base64.b64encode(hashlib.sha256(str(number).encode()).digest()).decode().rstrip('=')
        made.append(json.dumps({'name': f'user{number:06}', 'hash': ARGON2_LINE + digest, 'claims': {'team': team}, 'groups': ['staff'],
                                'display_name': f'User {number}', 'email': f'user{number}@example.org'}, separators=(',', ':')))
    return '\n'.join(made) + '\n'


def command_row(name, times):
    middle = statistics.median(times)
    print(f'  {name}: {min(times):.1f} to {max(times):.1f} ms, median {middle:.1f} ms', flush=True)
    return Row(name, f'{middle:.1f} ms', '', '', f'{MUST_MS} ms', f'{AIM_MS} ms', judge(middle, MUST_MS, AIM_MS, higher_is_better=False))


def commands(shop, options):
    """The last row is a change that hashes no password, so the difference to `user add` is Argon2id."""
    made = Installation(shop, options, 'listed')
    made.run('user', 'import', '-', stdin=lines(LISTED, 'red'))
    listed = [made.milliseconds('user', 'list') for _ in range(TIMES)]
    password = shop.write('password', PASSWORD)
    added = [made.milliseconds('user', 'add', f'new{number}', '--password-file', password) for number in range(TIMES)]
    bare = [made.milliseconds('user', 'set', f'new{number}', '--display-name', 'New') for number in range(TIMES)]
    return [command_row(f'cardea user list, {LISTED} users', listed), command_row('cardea user add', added),
            dataclasses.replace(command_row('cardea user set, which hashes no password', bare), must='', aim='', verdict='for information')]


def import_users(shop, options):
    count = options.users
    same, other = lines(count, 'red'), lines(count, 'blue')
    ratios = {'the same lines': [], 'other claims': []}
    imports, updates = [], []
    for turn in range(max(1, min(options.rounds, 3))):
        made = Installation(shop, options, f'imported-{turn}')
        imports.append(made.processor_seconds('user', 'import', '-', stdin=same))
        for name, stdin in (('the same lines', same), ('other claims', other)):
            updates.append((name, made.processor_seconds('user', 'import', '-', '--update', stdin=stdin)))
            ratios[name].append(updates[-1][1] / imports[-1])
        print(f'  import {imports[-1]:.2f} s, ' + ', '.join(f'{name} {seconds:.2f} s' for name, seconds in updates[-2:]), flush=True)
    rows = []
    for name, found in ratios.items():
        ratio = statistics.median(found)
        seconds = statistics.median(s for n, s in updates if n == name)
        rows.append(Row(f'cardea user import --update of {count:,} users, {name}', f'{seconds:.2f} s',
                        f'import: {statistics.median(imports):.2f} s', f'{ratio:.2f}×', f'{MUST_RATIO}×', f'{AIM_RATIO}×',
                        judge(ratio, MUST_RATIO, AIM_RATIO, higher_is_better=False)))
    return rows


GROUPS = {'commands': lambda shop, options: commands(shop, options) + import_users(shop, options)}
