"""Rows about the relay: deliveries a second on one core, in both encodings."""
import re

from . import cardea
from .load import Sample, Target, measure_in_turn, run_pinned
from .processes import BenchError, free_port
from .revisions import count_instructions
from .rows import Row, judge

CONNECTIONS = 64
FEW, MANY = 500, 3000  # deliveries: the difference of their instructions leaves out what the start costs
STATES = 10_000_000   # that a run may use: none is delivered twice
CONFIG = cardea.COMMON + '''\
relay:
  - {{ path: /register, deliver: "tcp://127.0.0.1:{receiver}", encoding: {encoding} }}
'''


class Relay:
    def __init__(self, shop, options, encoding):
        self.shop, self.options, self.encoding = shop, options, encoding
        self.receiver, self.first = free_port(), 0
        self.process = self.start()

    def start(self, wrapper=()):
        return cardea.start_service(self.shop, self.options, ['cardea'], CONFIG, core=cardea.SERVER_CORE, threads=1, wrapper=wrapper,
                                    receiver=self.receiver, encoding=self.encoding)

    def load(self, process, *how):
        argv = [cardea.binary(self.options, 'bench', 'micro', 'relay_load'), str(process.port), '/register', str(self.receiver),
                self.encoding, str(CONNECTIONS), *map(str, how)]
        (output,), _, load_busy, server_busy = run_pinned([argv], process)
        found = re.match(r'(\d+) ([\d.]+) (\d+)\n', output)
        if not found:
            raise BenchError(f'relay_load said nothing that can be read:\n{output}')
        return Sample(int(found[1]) / float(found[2]), load_busy=load_busy, server_busy=server_busy,
                      problems=[f'{found[3]} pages were wrong'] if int(found[3]) or not int(found[1]) else [])

    def measure(self, options):
        for seconds in (options.warmup, options.seconds):
            sample = self.load(self.process, seconds, self.first)
            self.first += STATES
        return sample

    def instructions(self):
        most, least = (count_instructions(self.shop, self.start, lambda process: self.load(process, 'count', count)) for count in (MANY, FEW))
        return (most - least) / (MANY - FEW)


def relay(shop, options):
    relays = {encoding: Relay(shop, options, encoding) for encoding in ('pickle', 'json')}
    series = measure_in_turn([Target(encoding, each.measure) for encoding, each in relays.items()], options)
    rows = []
    for encoding, each in relays.items():
        shop.stop(each.process)
        rows += rows_of(encoding, series[encoding], each.instructions())
    return rows


def rows_of(encoding, series, instructions):
    rate, problem = series.median('rate_per_core'), series.problem()
    return [
        Row(f'deliveries by the relay, `encoding: {encoding}`: callback, connection to the receiver, answer, page', f'{rate:,.0f}/s †', '', '',
            '1,000/s', '4,000/s', f'FAILED: {problem}' if problem else judge(rate, 1000, 4000)),
        Row('instructions of such a delivery', f'{instructions:,.0f}', '', verdict='for information'),
    ]


GROUPS = {'relay': relay}
