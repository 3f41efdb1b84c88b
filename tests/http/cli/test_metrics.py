"""/metrics: its listener, its two formats, what is counted, and what a reload changes."""
import json
import re

import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_plain

from .commands import run
from .reloads import SECRET, Server, settings
from .test_reload_server import can_connect, free_port, port_of

OPEN = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


def scrape(port, accept=""):
    answer = requests.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


def samples(port):
    """The value of each sample, by its name and labels as they are written."""
    lines = scrape(port).text.splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """One server for the tests that do not reload it: (server, port of /metrics)."""
    from .commands import Program

    folder, port = tmp_path_factory.mktemp("metrics"), free_port()
    path = folder / "cardea.yaml"
    path.write_text(json.dumps(settings(metrics={"listen": [f"127.0.0.1:{port}"]}, threads=2)))
    programs = []

    def start(*args, **options):
        programs.append(Program(*args, **options))
        return programs[-1]

    yield Server(start, path), port
    for program in programs:
        program.end()


def test_only_its_listener_has_metrics_and_nothing_else(measured):
    server, port = measured
    assert server.call("GET", "/metrics")[0] == 404
    base = f"http://127.0.0.1:{port}"
    assert [requests.get(base + path, timeout=30).status_code for path in ("/", "/healthz", "/metrics/", "/oauth/token")] == [404] * 4
    assert requests.post(base + "/metrics", timeout=30).status_code == 405
    head = requests.head(base + "/metrics", timeout=30)
    assert (head.status_code, head.text) == (200, "")
    assert int(head.headers["Content-Length"]) > 1000


@pytest.mark.parametrize("accept, kind", [
    ("", "text/plain; version=0.0.4; charset=utf-8"),
    ("text/plain", "text/plain; version=0.0.4; charset=utf-8"),
    ("application/openmetrics-text;q=0", "text/plain; version=0.0.4; charset=utf-8"),
    ("application/openmetrics-text;q=0.2,text/plain;q=0.3", "text/plain; version=0.0.4; charset=utf-8"),
    (OPEN, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ("application/OpenMetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
])
def test_accept_chooses_the_format(measured, accept, kind):
    answer = scrape(measured[1], accept)
    assert answer.headers["Content-Type"] == kind
    families = list((read_open if "openmetrics" in kind else read_plain)(answer.text))
    assert len(families) > 40
    assert all(family.documentation and family.type != "unknown" for family in families)


def test_requests_are_counted_by_route_and_never_by_path(measured):
    server, port = measured
    before = samples(port)
    for path in ("/secret-1", "/secret-2", "/healthz", "/healthz"):
        server.call("GET", path)
    after = samples(port)
    requests_of = f'cardea_http_requests_total{{listener="{server.address}",method="GET",'
    unknown, known = requests_of + 'status="404",route="none"}', requests_of + 'status="200",route="/healthz"}'
    assert after[unknown] - before.get(unknown, 0) == 2
    assert after[known] - before.get(known, 0) == 2
    assert after['cardea_http_request_duration_seconds_count{route="/healthz"}'] >= 2
    assert after['cardea_http_sent_bytes_total{route="/healthz"}'] % len('{"status":"ok"}') == 0
    assert "secret" not in scrape(port).text
    assert after["cardea_http_requests_in_flight"] == 1  # the scrape itself


def test_tokens_introspections_and_logins_are_counted(measured):
    server, port = measured
    before = samples(port)
    token = server.token()[1]["access_token"]
    assert server.token(secret="x")[0] == 401
    server.call("POST", "/oauth/token", {"grant_type": "magic"}, ("a", SECRET))
    assert server.is_active(token) and not server.is_active("garbage")
    after = samples(port)
    changes = {name: value - before[name] for name, value in after.items()
               if re.match("cardea_(tokens|introspections|logins|lockouts)_total", name) and value != before[name]}
    assert changes == {'cardea_tokens_total{grant="client_credentials",outcome="ok"}': 1,
                       'cardea_tokens_total{grant="client_credentials",outcome="refused"}': 1,
                       'cardea_tokens_total{grant="other",outcome="refused"}': 1,
                       'cardea_introspections_total{outcome="active"}': 1,
                       'cardea_introspections_total{outcome="inactive"}': 1}


def test_a_reload_opens_and_closes_it_and_is_counted(serve):
    port = free_port()
    server = serve(settings())
    assert not can_connect(port)
    server.reload(settings(metrics={"listen": [f"127.0.0.1:{port}"]}))
    listening = [event for event in map(json.loads, server.program.err) if event["event"] == "listening"][-1]
    assert port_of(listening["address"]) == port
    assert (listening["url"], listening["setting"]) == (f"http://127.0.0.1:{port}", "metrics.listen[0]")
    before = samples(port)
    assert before["cardea_reload_last_successful"] == 1
    server.reload("listen: [", expect="reload_failed")
    after = samples(port)
    failed = 'cardea_reloads_total{cause="signal",outcome="failed"}'
    assert (after[failed] - before[failed], after["cardea_reload_last_successful"]) == (1, 0)
    server.reload(settings())
    assert not can_connect(port)


@pytest.mark.parametrize("address, finding", [
    ("127.0.0.1:9464", None),
    ("127.1.2.3:9464", None),
    ("[::1]:9464", None),
    ("unix:/tmp/cardea-metrics.sock", None),
    ("0.0.0.0:9464", "warning"),
    ("[::]:9464", "warning"),
    ("192.0.2.1:9464", "warning"),
    ("127.0.0.1:5001", "error"),
    ("localhost:9464", "error"),
    (":9464", "error"),
])
def test_who_can_reach_it_is_checked(tmp_path, address, finding):
    path = tmp_path / "cardea.yaml"
    path.write_text(json.dumps(settings(listen=["127.0.0.1:5001"], metrics={"listen": [address]})))
    output = run("check", "--config", path)
    lines = [line for line in (output.stdout + output.stderr).splitlines() if "metrics.listen[0]" in line and not line.startswith("ok ")]
    if finding == "warning":
        assert any("can be reached from other machines, and /metrics asks for no login" in line for line in lines), output
    elif finding == "error":
        assert output.returncode == 2 and lines, output
    else:
        assert not any("no login" in line for line in lines), lines
