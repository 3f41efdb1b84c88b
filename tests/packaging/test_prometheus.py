"""The alert rules and the dashboard: checked by promtool, and each expression run by a real Prometheus that scrapes a server."""
import json
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

from support.ports import find_ports

from test_nginx import CARDEA, DEADLINE, ROOT, make_certificate

RULES = ROOT / "packaging/prometheus/alerts.yaml"
DASHBOARD = ROOT / "packaging/grafana/cardea.json"
DOC = ROOT / "docs/metrics.md"
GUIDE = "file:///usr/share/doc/cardea/operations.md"  # where the package installs it
PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")

# What has no samples where nothing of the kind is configured or has happened.
MAY_BE_ABSENT = {"cardea_provider_logins_total", "cardea_relay_deliveries_total", "cardea_outgoing_requests_total",
                 "cardea_outgoing_request_duration_seconds", "cardea_upstream_retries_total", "cardea_pool_wait_seconds",
                 "cardea_gate_upstream_duration_seconds"}


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def expressions():
    """(where, expression) of the rules and the dashboard, whose variables are filled in."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = [(rule["alert"], rule["expr"]) for rule in rules()]
    found += [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]
    found += [(note["name"], note["expr"]) for note in dashboard["annotations"]["list"]]
    variables = {"$__rate_interval": "1m", "$job": ".*", "$instance": ".*"}
    return [(where, re.sub("|".join(map(re.escape, variables)), lambda found: variables[found[0]], expr)) for where, expr in found]


# ---- promtool ----

def test_promtool_accepts_the_rules():
    done = subprocess.run([PROMTOOL, "check", "rules", "--lint-fatal", RULES], capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stdout + done.stderr


BASE = {"up": 1, "cardea_ready": 1, "cardea_store_available": 1, "cardea_store_writable": 1, "cardea_reload_last_successful": 1}
# The alert, and the series that make it fire and no other. Values are given for each minute, as promtool reads them: "0+5x120" grows by 5.
FIRES = [
    ("CardeaDown", {"up": "0x120"}),
    ("CardeaRestarts", {"process_start_time_seconds": "0+200x120"}),
    ("CardeaNotReady", {"cardea_ready": "0x120"}),
    ("CardeaStoreUnavailable", {"cardea_store_available": "0x120", "cardea_store_writable": "0x120"}),
    ("CardeaStoreNotWritable", {"cardea_store_writable": "0x120"}),
    ("CardeaStoreSlow", {'cardea_store_call_duration_seconds_bucket{operation="read",le="0.5"}': "0x120",
                         'cardea_store_call_duration_seconds_bucket{operation="read",le="1.0"}': "0+100x120",
                         'cardea_store_call_duration_seconds_bucket{operation="read",le="+Inf"}': "0+100x120"}),
    ("CardeaServerErrors", {'cardea_http_requests_total{status="200",route="/"}': "0+97x120",
                            'cardea_http_requests_total{status="503",route="/"}': "0+3x120"}),
    ("CardeaSlow", {'cardea_http_request_duration_seconds_bucket{route="/oauth/introspect",le="0.1"}': "0x120",
                    'cardea_http_request_duration_seconds_bucket{route="/oauth/introspect",le="0.25"}': "0+100x120",
                    'cardea_http_request_duration_seconds_bucket{route="/oauth/introspect",le="+Inf"}': "0+100x120"}),
    ("CardeaLoginFailuresSurge", {'cardea_logins_total{factor="password",outcome="refused"}': "0+1x90 90+60x30"}),
    ("CardeaLockouts", {'cardea_lockouts_total{of="account"}': "0+2x120"}),
    ("CardeaHashingQueueFull", {'cardea_pool_refused_total{pool="cpu"}': "0+1x120"}),
    ("CardeaHashingQueueFull", {'cardea_pool_queue_length{pool="cpu"}': "60x120", 'cardea_pool_queue_max{pool="cpu"}': "60x120"}),
    ("CardeaPoolQueueFull", {'cardea_pool_refused_total{pool="worker"}': "0+1x120"}),
    ("CardeaConnectionsNearLimit", {"cardea_http_connections": "91x120", "cardea_http_connections_max": "100x120"}),
    ("CardeaCertificateExpires", {"cardea_tls_certificate_expiry_timestamp_seconds": "1209600x120"}),
    ("CardeaUpstreamDown", {'cardea_upstream_up{upstream="http://a"}': "0x120"}),
    ("CardeaUpstreamErrors", {'cardea_upstream_requests_total{upstream="http://a",outcome="answered"}': "0+90x120",
                              'cardea_upstream_requests_total{upstream="http://a",outcome="timeout"}': "0+10x120"}),
    ("CardeaProviderFails", {'cardea_provider_logins_total{provider="github",outcome="error"}': "0+1x120"}),
    ("CardeaRelayFails", {'cardea_relay_deliveries_total{relay="/r",outcome="error",delivery="held"}': "0+1x120"}),
    ("CardeaMailGivenUp", {'cardea_mails_total{outcome="given_up"}': "0x90 1x30"}),
    ("CardeaReloadFailed", {"cardea_reload_last_successful": "0x120"}),
    ("CardeaLogLinesLost", {"cardea_log_dropped_lines_total": "0x110 1+9x10"}),
    ("CardeaAuditEventsLost", {"cardea_audit_lost_total": "0x90 7x30"}),
]
# The same just below the limit, or for something else: nothing fires.
QUIET = [
    {"process_start_time_seconds": "0x110 60x10"},
    {'cardea_http_requests_total{status="200",route="/"}': "0+99x120", 'cardea_http_requests_total{status="503",route="/"}': "0+1x120",
     'cardea_http_requests_total{status="503",route="/readyz"}': "0+50x120"},
    {'cardea_logins_total{factor="password",outcome="refused"}': "0+60x120"},
    {'cardea_lockouts_total{of="account"}': "0+1x120"},
    {'cardea_pool_queue_length{pool="cpu"}': "59x120", 'cardea_pool_queue_max{pool="cpu"}': "60x120"},
    {'cardea_pool_queue_length{pool="cpu"}': "0x120", 'cardea_pool_queue_max{pool="cpu"}': "0x120"},
    {"cardea_http_connections": "90x120", "cardea_http_connections_max": "100x120"},
    {"cardea_tls_certificate_expiry_timestamp_seconds": "1220000x120"},
    {'cardea_provider_logins_total{provider="github",outcome="refused"}': "0+9x120"},
    {'cardea_mails_total{outcome="failed"}': "0+9x120"},
]


def series(changes, instance):
    """As promtool reads them, each with the labels of a scrape."""
    values = {**{name: f"{value}x120" for name, value in BASE.items()}, **changes}
    return [{"series": (name[:-1] + "," if "{" in name else name + "{") + f'job="cardea",instance="{instance}"}}', "values": value}
            for name, value in values.items()]


def test_each_alert_fires_when_it_should_and_only_then(tmp_path):
    """Each row is an instance of its own."""
    assert {alert for alert, _ in FIRES} == {rule["alert"] for rule in rules()}
    rows = [*FIRES, *((None, changes) for changes in QUIET)]
    expected = [{"labels": f'{{alertname="{alert}",instance="{n}"}}', "value": 1} for n, (alert, _) in enumerate(rows) if alert]
    test = {"interval": "1m", "input_series": [one for n, (_, changes) in enumerate(rows) for one in series(changes, n)],
            "promql_expr_test": [{"expr": 'count by (alertname, instance) (ALERTS{alertstate="firing"})', "eval_time": "119m",
                                  "exp_samples": expected}]}
    file = tmp_path / "tests.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "2m", "tests": [test]}))
    done = subprocess.run([PROMTOOL, "test", "rules", file], capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_says_what_it_means_and_where_to_read_on():
    for rule in rules():
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook_url"}, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        anchor = re.fullmatch(re.escape(GUIDE) + "#(alert-[a-z-]+)", notes["runbook_url"])[1]
        assert f"(operations.md#{anchor})" in DOC.read_text(), anchor


# ---- a real Prometheus ----

class System:
    """Cardea with TLS, users and an application that is down; Prometheus with the packaged rules scrapes it."""

    def __init__(self, folder):
        self.folder = folder
        self.port, self.metrics, self.prometheus, dead = find_ports(4), 0, 0, 0
        self.metrics, self.prometheus, dead = self.port + 1, self.port + 2, self.port + 3
        certificate, key = make_certificate(folder, "cardea")
        self.config = folder / "cardea.yaml"
        self.config.write_text(json.dumps({
            "listen": [f"127.0.0.1:{self.port}"], "tls": {"certificate": str(certificate), "key": str(key)},
            "metrics": {"listen": [f"127.0.0.1:{self.metrics}"]}, "scopes": ["read"],
            "gate": {"routes": [{"host": "app.example.com", "upstream": f"http://127.0.0.1:{dead}", "public": True}]},
            "portal": {"url": "https://auth.example.com/_auth", "factors": ["password"], "cookie_domain": "example.com"},
            "clients": [{"id": "a", "secret": "0123456789abcdef", "grant_types": ["client_credentials", "password"], "scopes": ["read"],
                         "introspect": ["http://localhost:5001"]}]}))
        (folder / "prometheus.yaml").write_text(yaml.safe_dump({
            "global": {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{"job_name": "cardea", "static_configs": [{"targets": [f"127.0.0.1:{self.metrics}"]}]}]}))
        self.processes, self.log = [], open(folder / "log", "w+")

    def start(self, *command):
        self.processes.append(subprocess.Popen(command, stdout=self.log, stderr=self.log))

    def call(self, path, form=None, host="localhost"):
        """The status of an answer of Cardea."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", urllib.parse.urlencode(form).encode() if form else None,
                                         {"Host": host})
        try:
            with urllib.request.urlopen(request, context=context, timeout=DEADLINE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, None

    def ask(self, path, **query):
        """The data of an answer of Prometheus."""
        url = f"http://127.0.0.1:{self.prometheus}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is not ready yet
                raise
            raise AssertionError(error.read().decode()) from error

    def wait(self, condition, what):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            try:
                if condition():
                    return
            except OSError:
                pass
            assert all(process.poll() is None for process in self.processes), (self.folder / "log").read_text()
            time.sleep(0.05)
        raise AssertionError(f"waited for {what}: " + (self.folder / "log").read_text())

    def use(self):
        """A little of everything that is counted, twice, so that rates see it grow."""
        for _ in range(2):
            client = {"client_id": "a", "client_secret": "0123456789abcdef"}
            status, token = self.call("/oauth/token", {"grant_type": "client_credentials", **client})
            assert status == 200
            assert self.call("/oauth/introspect", {"token": token["access_token"], **client})[0] == 200
            assert self.call("/oauth/token", {"grant_type": "password", "username": "eve", "password": "x", **client})[0] == 400
            assert self.call("/", host="app.example.com")[0] >= 500
            scrapes = self.scrapes()
            self.wait(lambda: self.scrapes() >= scrapes + 2, "two scrapes")

    def scrapes(self):
        found = self.ask("query", query='cardea_http_requests_total{route="/metrics",status="200"}')["result"]
        return int(found[0]["value"][1]) if found else 0

    def end(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            process.wait(DEADLINE)
        self.log.close()


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    made = System(tmp_path_factory.mktemp("prometheus"))
    made.start(CARDEA, "serve", "--config", made.config)
    made.start(PROMETHEUS, f"--config.file={made.folder}/prometheus.yaml", f"--storage.tsdb.path={made.folder}/data",
               f"--web.listen-address=127.0.0.1:{made.prometheus}", "--log.level=warn")
    try:
        made.wait(lambda: made.call("/readyz")[0] == 200, "Cardea")
        made.wait(lambda: made.scrapes() >= 1, "the first scrape")
        made.use()
        yield made
    finally:
        made.end()


def test_promtool_accepts_what_is_published(system):
    text = urllib.request.urlopen(f"http://127.0.0.1:{system.metrics}/metrics", timeout=DEADLINE).read()
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, timeout=DEADLINE)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_prometheus_scrapes_it_and_evaluates_the_rules(system):
    targets = system.ask("targets")["activeTargets"]
    assert [(target["health"], target["lastError"]) for target in targets] == [("up", "")]

    def states():
        return {rule["name"]: (rule["health"], rule.get("lastError")) for group in system.ask("rules")["groups"] for rule in group["rules"]}

    system.wait(lambda: all(health != "unknown" for health, _ in states().values()), "the rules to be evaluated")
    assert states() == {rule["alert"]: ("ok", None) for rule in rules()}


def test_each_expression_is_valid_and_has_data(system):
    empty = []
    for where, expr in expressions():
        result = system.ask("query", query=expr)["result"]
        names = {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"\b(?:cardea|process)_[a-z_]+", expr)}
        is_condition = re.search(r"[<>=]=? ?[0-9.]|\band\b", re.sub(r"\{[^}]*\}", "", expr))
        if not result and not is_condition and not names & MAY_BE_ABSENT:
            empty.append((where, expr))
    assert not empty


def test_variables_of_the_dashboard_have_values(system):
    for variable in json.loads(DASHBOARD.read_text())["templating"]["list"]:
        if variable["type"] == "query":
            series_of = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            found = system.ask("series", **{"match[]": series_of[1].replace("$job", ".*")})
            assert {entry[series_of[2]] for entry in found}


def test_every_metric_that_is_named_exists(system):
    """Of the rules and the dashboard; and docs/metrics.md lists what there is, with type and meaning."""
    text = urllib.request.urlopen(f"http://127.0.0.1:{system.metrics}/metrics", timeout=DEADLINE).read().decode()
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (\S+) (.*)$", text, re.MULTILINE))
    named = {name for _, expr in expressions() for name in re.findall(r"\b(?:cardea|process)_[a-z_]+", expr)}
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in named} <= set(helps)
    rows = re.findall(r"^\| `((?:cardea|process)_\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$", DOC.read_text(), re.MULTILINE)
    assert {name: (kind, about) for name, kind, _, about in rows} == {name: (types[name], helps[name]) for name in helps}
    for name, _, labels, _ in rows:
        shown = {label for found in re.findall(rf"^{name}(?:_bucket)?\{{(.*)\}} ", text, re.MULTILINE)
                 for label in re.findall(r'(\w+)="', found)} - {"le"}
        assert not shown or shown == set(re.findall(r"\w+", labels)), name
