"""The documents say what is so: their commands run, their samples have the shape of the real output, their links lead somewhere,
and they name every setting, command, option and log member that the program has."""
import importlib.machinery
import importlib.util
import json
import re
import shutil
import socket
import subprocess

import pytest
import yaml
from jsonschema import Draft202012Validator

from . import masks, pages

ROOT, CARDEA = pages.ROOT, pages.BUILD / "cardea"
PAGES = ["README.md", "examples/time-api/README.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
MANUAL = pages.BUILD / "cardea.1"

pytestmark = pytest.mark.skipif(not CARDEA.exists(), reason="cardea is not built")

PORTAL_NGINX = "cardea proxy-config nginx --config auth/cardea.yaml --host localhost:8080 --upstream http://127.0.0.1:5007{} > site.conf"

# Blocks that cannot run in a test, by page and first line: what runs instead (None: nothing), and why.
NOT_AS_WRITTEN = {
    ("README.md", "./dev deb"): (None, "it installs packages and builds; tests/package does the same"),
    ("README.md", "./dev demo     # installs what is missing, builds, and starts the demo services"):
        ("cardea demo", "it installs packages and builds; what it then runs is the build's demo"),
    ("docs/verify-tokens.md", "sudo meson install -C build"):
        ('meson install -C build --no-rebuild --destdir "$PWD/root"\n'
         'export PKG_CONFIG_SYSROOT_DIR=$PWD/root LD_LIBRARY_PATH=$(dirname "$(find root -name libcardea.so.0)")\n'
         'export PKG_CONFIG_PATH=$LD_LIBRARY_PATH/pkgconfig', "it needs root; this installs into a folder"),
    ("docs/run-under-systemd.md", "sudo meson install -C build"):
        ('meson install -C build --no-rebuild --destdir "$PWD/root" && grep "^ExecStart=/usr/local/bin/cardea " '
         'root/usr/local/lib/systemd/system/cardea.service && ls root/usr/local/lib/systemd/system/cardea.socket '
         'root/usr/local/lib/sysusers.d/cardea.conf root/usr/local/lib/tmpfiles.d/cardea.conf && test -x root/usr/local/bin/cardea -a -x root/usr/local/bin/grant-resource',
         "it needs root; this installs into a folder"),
    ("docs/install.md", "./dev deb"): ("cardea init --dir /etc/cardea --listen 127.0.0.1:8443\ncardea serve --config /etc/cardea/cardea.yaml",
                                       "it builds and installs packages, which tests/package does; this is what they start"),
    ("docs/upgrade.md", "sudo -u cardea cardea check --config /etc/cardea/cardea.yaml"):
        ("""cardea init --dir /etc/cardea --listen 127.0.0.1:8443
sudo -u cardea cardea check --config /etc/cardea/cardea.yaml
cardea serve --config /etc/cardea/cardea.yaml
curl --silent --show-error --cacert /etc/cardea/ca.pem https://localhost:8443/readyz""", "the page begins with a server that is there"),
    ("docs/portal.md", "cardea serve --config auth/cardea.yaml"):
        ("cardea serve --config auth/cardea.yaml\nprintf 'listen: [\"127.0.0.1:5007\"]\\n' > hello.yaml\n"
         "build/examples/hello-site/hello-site --config hello.yaml", "its usual port may be in use"),
    ("docs/portal.md", PORTAL_NGINX.format("")): (PORTAL_NGINX.format(" | sed 's,/usr/local/share/cardea/proxy/nginx.conf,cardea-auth.conf,'") + """
cardea proxy-config nginx --config auth/cardea.yaml --include > cardea-auth.conf
echo "daemon off; master_process off; pid nginx.pid; events {} http { access_log off; client_body_temp_path t1; proxy_temp_path t2;
fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5; include $PWD/site.conf; }" > nginx.conf
PATH=$PATH:/usr/sbin nginx -e stderr -p "$PWD" -c nginx.conf &
services+=($!)
curl -s --retry 50 --retry-connrefused --retry-delay 0 http://localhost:8080/ > first""", "the nginx of this machine is left alone; this one reads the same file"),
    ("docs/protect-an-application.md", "cardea user invite ana --group staff --config gate/cardea.yaml"): (f"""
cardea user invite ana --group staff --config gate/cardea.yaml | tee link
python3 {ROOT}/tests/support/accept_invitation.py "$(cat link)" http://localhost:8080/ | grep -qx 'Hello, ana!'""",
        "it also does what the page says next: open the link, register, and open the application"),
    ("docs/access-rules.md", 'curl -H "Authorization: Bearer $token" https://reports.example.com/'):
        ("""curl -sf -H "Authorization: Bearer $token" -H 'X-Original-Method: GET' \
    -H 'X-Original-URL: https://reports.example.com/' http://localhost:8080/_auth/check/nginx""",
         "there is no such site; this is what its proxy asks"),
    ("docs/mail.md", "cardea mail test --config auth/cardea.yaml --to ana@example.com"):
        (f"""python3 {ROOT}/tests/support/smtp_sink.py mail.example.com cardea 'a password' > port &
services+=($!)
until [ -s port ]; do sleep 0.05; done
sed -i "s,smtp://.*,smtp://127.0.0.1:$(cat port)," auth/cardea.yaml
cardea mail test --config auth/cardea.yaml --to ana@example.com""", "there is no such mail server; this one listens on this machine"),
    ("docs/trace.md", "cardea trace login github --config auth/cardea.yaml"): (rf"""
echo '{{"client":{{"provider":"github","id":"Ov23liABCDEFGHIJKLMN","secret":"0123456789abcdef0123456789abcdef01234567","redirect_uris":[]}}}}' > fake.json
python3 {ROOT}/examples/fake-providers/fake_providers.py --port 5009 --auto-approve github,octocat --settings fake.json > fake &
fake=$!
until [ -s fake ]; do sleep 0.05; done
cat >> auth/cardea.yaml <<'END'
      authorization_endpoint: http://127.0.0.1:5009/github/login/oauth/authorize
      token_endpoint: http://127.0.0.1:5009/github/login/oauth/access_token
      userinfo_endpoint: http://127.0.0.1:5009/github/api/user
outgoing: {{ networks: [127.0.0.0/8] }}
END
timeout 60 cardea trace login github --config auth/cardea.yaml > trace &
until grep -q '^  waiting' trace; do sleep 0.05; done
curl -s -L --cacert auth/ca.pem --connect-to auth.example.com:443:localhost:8443 -k "$(grep '^http' trace)" | grep -q 'Go back to your terminal'
wait $!
kill $fake
sed -E -e 's,http://127.0.0.1:[0-9]+/github/api,https://api.github.com,g; s,http://127.0.0.1:[0-9]+/github/login,https://github.com/login,g' \
    -e 's,http://127.0.0.1:[0-9]+/github,https://github.com,g; s,(> [A-Z]+ /)github/(api/)?,\1,; s,(Server: )fake-providers,\1github.com,' \
    -e '/^POST/,/^  </ s,(Host: ).*,\1github.com,; /^GET/,/^  </ s,(Host: ).*,\1api.github.com,' \
    -e 's,state=trace-[A-Za-z0-9_-]{{75}},state=trace-2e1Vt…,; s,code_challenge=[A-Za-z0-9_-]{{43}},code_challenge=XKiEI…,' \
    -e 's,(Date: ).*,\1Sun\, 29 Nov 2026 22:16:25 GMT,; s,(< Content-Length: ).*,\1368,; s,(X-RateLimit-Reset: ).*,\11795993200,; s,(X-RateLimit-Limit:) .*,\1 5000,' \
    -e 's,^  200 from .*connected.*,  200 from 140.82.121.3 in 187.4 ms: name 3.1\, connected 21.8\, TLS 44.0\, first byte 187.2,' \
    -e 's,^  200 from 127.*,  200 from 140.82.121.6 in 63.9 ms: first byte 63.5,' \
    -e '/^GET .*user .provider/,/^  200/ s,^  200 from.*,  200 from 140.82.121.6 in 139.0 ms: name 2.6\, connected 20.9\, TLS 42.5\, first byte 138.7,' trace""",
        "GitHub does not know this application; a fake answers as it does, with its addresses and times, and curl is the browser"),
    ("docs/containers.md", "docker compose up --build"): (None, "needs a container engine and a base image"),
    ("docs/containers.md", "curl http://localhost:5003/current_time"): (None, "needs the containers"),
    ("docs/containers.md", "docker compose --profile grants up --build"): (None, "needs a container engine and a base image"),
    ("docs/kubernetes.md", "(umask 077 && set -C && openssl rand -base64 32 > master.key)"): (None, "needs a cluster"),
    ("docs/kubernetes.md", "kubectl -n cardea apply -f manifest.yaml"): (None, "needs a cluster"),
    ("docs/kubernetes.md", "kubectl -n cardea exec deploy/cardea -- cardea user list --config /etc/cardea/cardea.yaml"): (None, "needs a cluster"),
    ("docs/containers.md", "docker build -t cardea ."): (None, "needs a container engine and a base image"),
    ("docs/containers.md", "./dev image"): (None, "needs root, and compiles everything once more"),
}


def markdown():
    """Every page of the repository, by its path in it."""
    inside = (p.relative_to(ROOT) for p in ROOT.rglob("*.md"))
    return sorted(str(p) for p in inside if not re.match(r"(build|\.)|.*node_modules", str(p)))


def run(*args):
    return subprocess.run([CARDEA, *args], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)


# --- commands and samples -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_command_runs_and_prints_what_the_page_shows(page, tmp_path):
    def edit(block):
        instead, _ = NOT_AS_WRITTEN.get((page, block.first), (block.text, ""))
        instead = instead and pages.without_root(instead) if page in pages.NEEDS_ROOT else instead
        return instead and pages.Block("sh", instead + "\n", block.line)

    for ran in pages.run(page, tmp_path, edit):
        for sample in ran.samples:
            where = f"{page}:{sample.line}"
            if sample.language == "json":
                shown, printed = masks.unmatched(pages.json_values(sample.text), pages.json_values(ran.out))
                assert not shown and not printed, "\n".join([where, *(f"page: {json.dumps(value)}" for value in shown),
                                                             *(f"real: {json.dumps(value)}" for value in printed)])
            else:
                assert masks.is_text(sample.text, ran.out), f"{where}\n{sample.text}\n--- real:\n{ran.out}"


def test_what_is_not_run_still_stands_in_its_page():
    for page, first in NOT_AS_WRITTEN:
        assert first in [b.first for b in pages.blocks(pages.read(page))], (page, first)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_has_a_language_that_these_tests_know(page):
    """So that no command hides in a block that nobody runs. A drawing has no language and no command."""
    for block in pages.blocks(pages.read(page)):
        assert block.language in ("sh", "json", "text", ""), f"{page}:{block.line}"
        if block.language == "":
            assert not re.search(r"^\s*(\./|\.\./|cardea |curl |openssl |docker )", block.text, re.M), f"{page}:{block.line}"


# Outputs and files that follow no command of their page, by page and first line: what holds them instead.
NO_OUTPUT = {
    ("docs/configuration.md", "[Socket]"): "a file of systemd",
    ("docs/forward-auth.md", "listen:"): "a part of a configuration of Envoy; tests/interop/proxies runs one",
    ("docs/forward-auth.md", "http_filters:"): "the same",
    ("docs/proxies.md", "location /oauth/ {"): "a part of a configuration of nginx",
    ("docs/postgresql.md", "postgresql://auth@db.example.org/auth?sslmode=verify-full&sslrootcert=/etc/cardea/db-ca.pem"): "a value of `store`",
    ("docs/sqlite-store.md", """cp "$(find /proc/$(pidof cardea)/fd -lname '*/cardea.db (deleted)' | head -n 1)" saved.db"""): "tests/http/grant/test_store_faults.py does it",
    ("docs/logs.md", '{"ts":"2026-11-22T19:52:00.105542Z"'): "the first line of the page's own example, which is compared",
    ("docs/logs.md", '{"ts":"2026-11-22T19:52:00.801193Z"'): "test_the_line_of_a_request_that_is_not_accepted_is_as_shown",
    ("docs/network-defence.md", '{"level":"warn","event":"credential_stuffing"'): "an extract; tests/http/portal/test_network_limit.py",
    ("docs/outgoing-requests.md", '{"ts":"2026-11-29T21:40:12.105542Z"'): "tests/http/outgoing",
}


def test_every_output_is_compared_or_says_what_holds_it():
    loose = set()
    for page in PAGES:
        found = pages.blocks(pages.read(page))
        compared = {sample.line for _, samples in pages.with_samples(found) for sample in samples}
        loose |= {(page, block.first.split(',"level"')[0].split(',"network"')[0]) for block in found
                  if block.language in ("json", "text") and block.line not in compared}
    assert loose == set(NO_OUTPUT)


def test_the_line_of_a_request_that_is_not_accepted_is_as_shown(tmp_path):
    sample = next(b for b in pages.blocks(pages.read("docs/logs.md")) if "several Host" in b.text)
    (tmp_path / "log.yaml").write_text('listen: ["127.0.0.1:0"]\n')
    server = subprocess.Popen([CARDEA, "serve", "--config", tmp_path / "log.yaml"], stderr=subprocess.PIPE, text=True)
    try:
        address = next(event["address"] for event in map(json.loads, server.stderr) if event["event"] == "listening")
        with socket.create_connection(address.rsplit(":", 1), timeout=30) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            assert connection.recv(9) == b"HTTP/1.1 "
        event = next(event for event in map(json.loads, server.stderr) if event["event"] == "request")
    finally:
        server.terminate()
        server.communicate(timeout=30)
    assert masks.unmatched(pages.json_values(sample.text), [event]) == ([], [])


def test_a_mask_hides_nothing_but_what_it_is_for():
    real = {"user": "ana", "exp": 1796000318, "jti": "-isyCKfpAARN8hWnq3jpcQ.0.2"}
    assert masks.is_same({"user": "ana", "exp": 1795340305, "jti": "KkQ…"}, real)
    for wrong in ({"user": "bo"}, {"exp": "soon"}, {"exp": 5}, {"jti": 7}):
        assert not masks.is_same({"user": "ana", "exp": 1795340305, "jti": "KkQ…", **wrong}, real), wrong
    assert not masks.is_same({"exp": 1795340305, "user": "ana", "jti": "KkQ…"}, real), "the order of members"
    assert not masks.is_same({"user": "ana"}, real) and not masks.is_same([real], [real, real])
    assert masks.is_text("a  …\nkeys …", "a 1\nkeys 2\n") and not masks.is_text("a …", "b 1") and not masks.is_text("a …", "a 1\nb")
    assert masks.unmatched([{"a": 1}], [{"a": 2}]) == ([{"a": 1}], [{"a": 2}])


def test_a_command_that_fails_fails_its_page(tmp_path):
    def edit(block):
        return pages.Block("sh", "false | cat\n", block.line)

    with pytest.raises(AssertionError, match="exit code 1"):
        pages.run("docs/configuration.md", tmp_path, edit)


# --- links ----------------------------------------------------------------------------------------------------------


def anchors(text):
    """What the headings of a page can be linked by."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", markdown())
def test_every_relative_link_leads_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", pages.read(page), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(target.read_text()), f"{page}: {link}"


def test_the_index_leads_to_every_page():
    text = pages.read("docs/README.md")
    for page in PAGES:
        if page.startswith("docs/") and page != "docs/README.md":
            assert f"]({page.removeprefix('docs/')}): " in text, page


def test_the_site_has_every_page_and_no_broken_link(tmp_path):
    if not shutil.which("cmark-gfm") or not shutil.which("mandoc"):
        pytest.skip("cmark-gfm or mandoc is not installed")
    done = subprocess.run([ROOT / "tools/docs/make-site", tmp_path / "site", CONFIG_MANUAL], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    for page in PAGES:
        made = tmp_path / "site" / page.replace("README.md", "index.md").replace(".md", ".html")
        assert "<h1" in made.read_text(), page
    assert "https://" not in (ROOT / "tools/docs/page.html").read_text(), "fonts and scripts are local"
    assert len(re.findall("<li>", (tmp_path / "site/docs/index.html").read_text())) >= 100  # the menu, and the page itself


def test_the_site_names_a_broken_link(tmp_path):
    (tmp_path / "a.html").write_text('<a href="b.html#there">x</a> <a href="c.html">x</a> <a href="#here">x</a> <h2 id="here">')
    (tmp_path / "b.html").write_text("<h2 id=\"elsewhere\">")
    loader = importlib.machinery.SourceFileLoader("make_site", str(ROOT / "tools/docs/make-site"))
    make_site = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_site", loader))
    loader.exec_module(make_site)
    assert [link for _, link in make_site.broken_links(tmp_path)] == ["b.html#there", "c.html"]


def test_the_readme_leads_to_the_index():
    assert "(docs/README.md)" in pages.read("README.md")


# --- configuration.md -----------------------------------------------------------------------------------------------


def leaves(schema, path=""):
    """(dotted name, schema, required) of every setting."""
    for name, member in schema["properties"].items():
        here = f"{path}.{name}".lstrip(".")
        yield here, member, name in schema.get("required", [])
        if member["type"] == "object":
            yield from leaves(member, here)
        for item in [member.get("items", {}), *member.get("items", {}).get("anyOf", [])]:
            if "properties" in item:
                yield from leaves(item, here + "[]")


def settings():
    done = run("schema", "config")
    assert done.returncode == 0
    return {name: (schema, required) for name, schema, required in leaves(json.loads(done.stdout))
            if schema["type"] != "object"}


def setting_rows():
    """name: (type, default, bounds, meaning) of the two tables with five columns."""
    rows = {}
    for line in pages.read("docs/configuration.md").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0].startswith("`"):
            rows[cells[0].strip("`")] = tuple(cells[1:])
    return rows


def test_the_page_has_exactly_the_settings_of_the_program():
    assert list(setting_rows()) == list(settings())


def test_the_page_has_the_defaults_and_choices_of_the_program():
    rows = setting_rows()
    for name, (schema, required) in settings().items():
        kind, default, bounds, _ = rows[name]
        assert (default == "required") == required, name
        if "default" in schema:
            assert json.loads(default.strip("`")) == schema["default"], name
        elif schema["type"] == "array":
            assert default == ("required" if required else "`[]`"), name
        for choice in schema.get("enum", []):
            assert f"`{choice}`" in bounds, name
        if kind in UNITS:
            bound = "minimum", "maximum"
            stated = [schema["x-" + name if kind != "number" else name] for name in bound]
            assert stated == [amount(text, kind) for text in bounds.split(" to ")], name
        if schema["type"] == "string" and bounds.endswith("bytes"):
            assert bounds.split()[-2] == str(schema["maxLength"]), name


UNITS = {
    "duration": {"ms": 1, "s": 1000, "m": 60000, "h": 3600000},
    "size": {"": 1, "KB": 1024, "MB": 1024 ** 2},
    "number": {"": 1},
}


def amount(text, kind):
    number, unit = re.fullmatch(r"(\d+)(\w*)", text).groups()
    return int(number) * UNITS[kind][unit]


def bounded_settings():
    for name, (kind, _, bounds, _) in setting_rows().items():
        if kind in UNITS:
            least, most = (amount(text, kind) for text in bounds.split(" to "))
            yield name, kind, least, most


ITEMS = {"access[]": {"host": "a.example.com"}, "routes[]": {"host": "b.example.com", "upstream": "http://127.0.0.1:3000"},
         "relay[]": {"path": "/register", "deliver": "tcp://127.0.0.1:7865", "encoding": "json"},
         "providers[]": {"type": "github", "client_id": "Iv1.abc", "client_secret": "0123456789abcdef"}}


def errors_of(values, folder):
    """The settings that cardea check finds wrong in {name: (kind, amount)}."""
    config = {"portal": {"url": "https://auth.example.com/_auth"}}
    for name, (kind, value) in values.items():
        *parents, last = name.split(".")
        at = config
        for parent in parents:
            at = at.setdefault(parent[:-2], [dict(ITEMS[parent])])[0] if parent.endswith("[]") else at.setdefault(parent, {})
        at[last] = f"{value}ms" if kind == "duration" else value
    file = folder / "bounds.yaml"
    file.write_text(json.dumps(config))
    return {m[1].replace("[0]", "[]") for m in re.finditer(r"^error \S+ ([\w.\[\]]+):", run("check", "--config", file).stdout, re.M)}


def test_the_program_takes_what_is_within_the_bounds_of_the_page_and_nothing_else(tmp_path):
    rows = list(bounded_settings())
    assert len(rows) >= 16
    assert errors_of({n: (k, least) for n, k, least, _ in rows}, tmp_path) == set()
    assert errors_of({n: (k, most) for n, k, _, most in rows}, tmp_path) == set()
    assert errors_of({n: (k, most + 1) for n, k, _, most in rows}, tmp_path) == {n for n, *_ in rows}
    below = {n: (k, least - 1) for n, k, least, _ in rows if least > 0}
    assert errors_of(below, tmp_path) == set(below)


class Plain(yaml.SafeLoader):
    """Times stay texts, as they are for the program."""


Plain.yaml_implicit_resolvers = {first: [(tag, pattern) for tag, pattern in known if not tag.endswith("timestamp")]
                                 for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def snippets():
    """(page, line, value) of each piece of configuration that no command of its page reads."""
    known = {name.split(".")[0].removesuffix("[]") for name in settings()}
    for page in PAGES:
        for block in pages.blocks(pages.read(page)):
            try:
                value = yaml.load(block.text, Plain) if block.language in ("", "text") else None
            except yaml.YAMLError:
                continue
            if isinstance(value, dict) and set(value) & known:
                yield page, block.line, value


def test_every_piece_of_configuration_has_settings_that_there_are():
    validator = Draft202012Validator(json.loads(run("schema", "config").stdout))
    found = list(snippets())
    assert len(found) >= 5
    wrong = [(page, line, error.message) for page, line, value in found for error in validator.iter_errors(value)]
    assert wrong == []
    assert list(validator.iter_errors({"gate": {"route": []}})) and list(validator.iter_errors({"deny": [{"network": "x"}]}))


# --- cardea.yaml(5) -------------------------------------------------------------------------------------------------

CONFIG_MANUAL = pages.BUILD / "tools/docs/cardea.yaml.5"


def config_manual_rows():
    """name: what the first line of its entry says."""
    found = re.findall(r"^\.It Va (\S+)\n(.*)\.$", CONFIG_MANUAL.read_text(), re.M)
    return {name: facts.replace("\\-", "-").replace("\\e", "\\") for name, facts in found}


def test_the_manual_page_of_the_configuration_has_every_setting_with_its_default():
    rows = config_manual_rows()
    assert list(rows) == list(settings())
    for name, (schema, required) in settings().items():
        facts = rows[name].split("; ")
        assert ("required" in facts) == required, name
        assert "default" not in schema or f'default {json.dumps(schema["default"], ensure_ascii=False)}' in rows[name], name
        for choice in schema.get("enum", []):
            assert f'"{choice}"' in facts[0], name


def test_it_says_of_each_setting_what_configuration_md_says_about_a_reload():
    restarts = {name for name, facts in config_manual_rows().items() if facts.endswith("; restart")}
    assert restarts == {name for name, (*_, meaning) in setting_rows().items() if "**Needs a restart**" in meaning}


def test_it_is_free_of_warnings():
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", CONFIG_MANUAL], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "")


# --- http-engine.md, logs.md ----------------------------------------------------------------------------------------


def test_the_engine_page_names_every_limit():
    text = pages.read("docs/http-engine.md")
    for name in settings():
        if name.startswith("limits."):
            assert f"`{name}`" in text, name


def sources():
    return "\n".join(p.read_text() for p in sorted((ROOT / "src").rglob("*.c")))


def test_the_log_page_names_every_event_and_every_member():
    text, code = pages.read("docs/logs.md"), sources()
    events = set(re.findall(r'(?:CD_LOG_\w+|->level),\s*"(\w+)"', code)) | set(re.findall(r'\blog_event\(\S+log, "(\w+)"', code))
    members = set(re.findall(r'\b(?:cd_log_(?:str|int|bool)|log_known)\(&?event, "(\w+)"', code))
    assert {"request", "ready", "log_dropped"} <= events
    assert {"request_id", "user", "lines"} <= members
    for name in sorted(events | (members - {"field"})):
        assert f"`{name}`" in text, name


def test_the_events_shown_in_the_log_page_have_members_that_it_explains():
    text = pages.read("docs/logs.md")
    for block in pages.blocks(text):
        if block.language == "json":
            for event in pages.json_values(block.text):
                assert [name for name in event if f"`{name}`" not in text] == []


# --- the man page ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manual():
    """The page as a user reads it."""
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-T", "ascii", MANUAL], capture_output=True, text=True, timeout=30, check=True)
    return re.sub(r"\s+", " ", re.sub(r".\x08", "", done.stdout))


def commands():
    return re.findall(r"^  ([\w-]+)  +\S", run("help").stdout, re.M)


def options_of(command):
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", run("help", command).stdout))


def test_the_man_page_is_free_of_warnings():
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", MANUAL], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_man_page_has_every_command_and_its_options(manual):
    assert {"serve", "check", "config", "schema", "demo", "version", "help"} <= set(commands())
    description = re.search(r" DESCRIPTION (.*?) CONFIGURATION", manual)[1]
    for command in commands():
        assert re.search(rf"^\.It Cm {command}\b", MANUAL.read_text(), re.M), command
        if f".Xr cardea-{command} 1" in MANUAL.read_text():
            continue # test_commands.py looks at its own page
        for option in options_of(command):
            assert re.search(rf"(?<![\w-]){option}\b", description), (command, option)


def test_the_man_page_has_no_option_that_the_program_does_not_have(manual):
    known = {"--version", "--help", "-h"}.union(*(options_of(command) for command in commands()))
    shown = re.sub(r"EXAMPLES.*SEE ALSO", "", manual)
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", shown)) <= known


def test_the_man_page_names_every_endpoint(manual):
    routes = re.findall(r'ROUTE\(([^,"]+), "([^"]+)"', (ROOT / "src/web/routes.c").read_text())
    known = {f"{method} {path}" for methods, path in routes for method in re.findall(r"CD_HTTP_(\w+)", methods)}
    shown = re.search(r"ENDPOINTS (.*?) ENVIRONMENT", manual).group(1)
    assert len(known) >= 7 and known == set(re.findall(r"\b[A-Z]{3,7} /[\w./-]*\w", shown))


def test_the_man_page_names_every_variable_that_is_read(manual):
    sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*.c"))
    known = set(re.findall(r'getenv\("(\w+)"\)', sources))
    shown = re.search(r" ENVIRONMENT (.*?) FILES ", manual).group(1)
    assert known and known | {"PGPASSFILE"} == set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", shown)) - {"NAME", "SQL"}


def test_the_documents_name_no_command_that_does_not_exist():
    known = set(commands())
    for page in markdown():
        for word in re.findall(r"`cardea ([a-z][a-z-]*)", pages.read(page)):
            assert word in known, f"{page}: cardea {word}"


# --- operations.md, troubleshooting.md -------------------------------------------------------------------------------

ALERTS = ("down", "restarts", "not-ready", "store-unavailable", "store-not-writable", "store-slow", "server-errors", "slow", "login-failures", "lockouts",
          "hashing-queue", "pool-queue", "connections", "certificate", "upstream-down", "upstream-errors", "provider", "relay", "mail", "reload-failed",
          "log-lines-lost", "audit-lost")


def test_the_operations_guide_has_a_section_for_every_alert():
    text = pages.read("docs/operations.md")
    rules = ROOT / "packaging/prometheus/alerts.yaml"
    linked = set(re.findall(r"operations\.md#([\w-]+)", rules.read_text())) if rules.exists() else set()
    assert {f"alert-{name}" for name in ALERTS} | linked <= anchors(text)
    for section in re.split(r"^## ", text, flags=re.M):
        if section.startswith("Alert: "):
            assert section.split("\n")[1].startswith("**It means**: ") and re.search(r"^(1\. |\| )", section, re.M), section


def literals():
    """Every text of the program, as written in C; what it inserts is "…"."""
    one = r'"((?:[^"\\\n]|\\.)*)"'
    for source in (ROOT / "src").rglob("*.[ch]"):
        for match in re.finditer(rf"{one}(?:[\s\\]+{one})*", source.read_text()):
            text = "".join(re.findall(one, match[0])).replace('\\"', '"')
            yield re.sub(r"%[-+ #0-9.*]*(?:ll|l|z|j)?[a-zA-Z]", "…", text)


def messages_of(page):
    """The first cell of each row below a heading "message", and the texts in quotation marks below one of what the user sees."""
    heading = ""
    for line in pages.read(page).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|"):
            heading = ""
        elif not heading:
            heading = cells[0]
        elif heading == "message" and cells[0].startswith("`"):
            yield cells[0].strip("`")
        elif heading == "what the user sees" and cells[0].startswith('"') and not cells[0].startswith('"too many'):
            yield cells[0].strip('"')


def test_every_message_of_the_troubleshooting_page_is_one_that_the_program_has():
    texts, messages = "\n".join(literals()), list(messages_of("docs/troubleshooting.md"))
    assert len(messages) >= 35
    assert [message for message in messages if message not in texts] == []
