"""The documents say what is so: their commands run, their samples have the shape of the real output, their links lead somewhere,
and they name every setting, command, option and log member that the program has."""
import json
import re
import shutil
import subprocess

import pytest

from . import pages

ROOT, CARDEA = pages.ROOT, pages.BUILD / "cardea"
PAGES = ["README.md", "examples/time-api/README.md", *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
MANUAL = ROOT / "packaging/man/cardea.1"

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
    ("docs/containers.md", "docker build -t cardea ."): (None, "needs a container engine and a base image"),
    ("docs/containers.md", "buildah build --isolation chroot -t cardea ."): (None, "needs a base image"),
    ("docs/containers.md", "debootstrap --variant=minbase bookworm root"): (None, "needs root and a mirror"),
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
                assert pages.shapes(sample.text) == pages.shapes(ran.out), f"{where}\n{ran.out}"
            else:
                assert pages.plain(sample.text) == pages.plain(ran.out), where


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


def test_the_readme_leads_to_every_page_of_docs():
    text = pages.read("README.md") + pages.read("ARCHITECTURE.md")
    for page in PAGES:
        if page.startswith("docs/"):
            assert f"({page})" in text, page


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
    synopsis, description = re.search(r"SYNOPSIS (.*?) DESCRIPTION (.*?) CONFIGURATION", manual).groups()
    for command in commands():
        assert f"cardea {command} " in synopsis + " ", command
        assert re.search(rf"^\.It Cm {command}\b", MANUAL.read_text(), re.M), command
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
