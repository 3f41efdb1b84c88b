"""What /metrics costs the hot path: without the setting, and with a scrape every second, against the revision before there was one."""
import argparse
import contextlib
import threading
from functools import partial

from . import cardea
from .load import measure_in_turn, wrk_target
from .processes import free_port
from .revisions import build_before, instructions_per_request
from .rows import Row, judge, ratio_row
from .wire import ask

BEFORE = '36d0d61a'  # the last one without metrics
EVERY = 1  # second
TEMPLATE = cardea.SERVE + 'metrics: {{ listen: ["127.0.0.1:{metrics}"] }}\n'
REQUEST = ('GET', '/healthz', {}, '')
MANY = 400  # requests on each connection: the start of a process varies by more instructions than 40 requests cost


@contextlib.contextmanager
def scraping(port):
    ended = threading.Event()

    def scrape():
        while not ended.wait(EVERY):
            cardea.expect(ask(port, 'GET', '/metrics'), 'GET /metrics', lambda answer: b'cardea_ready 1' in answer.body)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def metrics(shop, options):
    earlier = build_before(argparse.Namespace(**{**vars(options), 'before': BEFORE}))
    port = free_port()
    starts = {
        'before': partial(cardea.start_server, shop, earlier),
        'without': partial(cardea.start_server, shop, options),
        'scraped': partial(cardea.start_server, shop, options, TEMPLATE, metrics=port),
    }
    servers = {name: start() for name, start in starts.items()}
    targets = [wrk_target(name, server, '/healthz', ['get'], expected_length=ask(server.port, 'GET', '/healthz').length)
               for name, server in servers.items()]
    with scraping(port):
        series = measure_in_turn(targets, options)
    for server in servers.values():
        shop.stop(server)
    rows = [ratio_row(f'`GET /healthz`, {what}, against revision {BEFORE}', series[name], series['before'], 0.99, 1, unit='', per_core=True)
            for name, what in (('without', 'no `metrics`'), ('scraped', '`/metrics` scraped every second'))]
    then, *now = (instructions_per_request(shop, start, REQUEST, many=MANY) for start in starts.values())
    for what, count, must in zip(('no `metrics`', 'with `metrics`'), now, (1.01, None)):
        verdict = judge(count / then, must, 1, higher_is_better=False) if must else 'for information'
        rows.append(Row(f'instructions a request, `GET /healthz`, {what}', f'{count:,.0f}', f'{BEFORE}: {then:,.0f}', f'{count / then:.4f}',
                        f'{must:g}' if must else '', '1' if must else '', verdict))
    return rows


GROUPS = {'metrics': metrics}
