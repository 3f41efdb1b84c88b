"""tools/check-words must see a word of the old vocabulary, wherever it stands; a check that cannot fail holds nothing."""
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A file, what stands in its third line, and what is said of it.
PLANTS = [
    ("src/app/planted.c", "/* The newest picture. */", '"picture": write snapshot'),
    ("src/app/planted.c", "static void show_new_pictures(void);", '"pictures": write snapshot'),
    ("src/app/planted.h", "struct cd_follower *cd_follower_new(void);", '"follower": write store watcher'),
    ("src/core/planted.h", "        cd_time cut_until;", '"cut_until": write revoke'),
    ("docs/planted.md", "`passwd` cuts the tokens that the user has.", '"cuts the tokens": write revoke'),
    ("docs/planted.md", "What goes on while the database is away.", '"database is away": write unavailable'),
    ("docs/planted.md", "| `store_back` | info |", '"store_back": write recovered'),
    ("src/core/planted.c", "        core->memo = NULL;", '"memo": write verified-token cache'),
    ("docs/planted.md", "Revocations are mirrored into memory.", '"mirrored": write cache'),
    ("src/app/planted.c", '#include "app/backing.h"', '"backing": write storage'),
    ("src/cmd/planted.c", "static int look(struct cd_work *context);", '"cd_work": write command context'),
    ("src/store/sql/planted.c", "static cd_status put_work(void *arg);", '"put_work": write transaction, write'),
    ("src/app/planted.h", "/* signs in place of the store's */", '"in place of": write instead of'),
    ("src/core/planted.c", "static struct counter *take_place(void);", '"take_place": write slot'),
    ("src/cmd/planted.c", "        cd_sheet_init(&sheet);", '"sheet": write table'),
    ("src/core/planted.h", "struct cd_user_order {", '"cd_user_order": write params'),
    ("src/core/planted.h", "struct cd_user_done {", '"cd_user_done": write result'),
    ("src/store/planted.c", "/* What is settled once stays. */", '"settled": write put_if_absent'),
    ("src/store/planted.c", "/* How long lines may gather. */", '"gather": write coalesce'),
    ("src/store/sql/planted.c", '#include "store/sql/kinds.h"', '"sql/kinds": write tables'),
    ("docs/planted.md", "A costly call.", '"costly": write CPU pool'),
    ("packaging/man/planted.1", "Prove a configuration.", '"Prove": write validate, check'),
    ("docs/planted.md", "cardea user add ana --grant role=editor", '"--grant": write claims'),
    ("docs/planted.md", "`grant.audience` is not set.", '"grant.audience": write basic_tokens'),
    ("docs/planted.md", "People log in.", '"People": write users'),
    ("src/core/planted.c", "/* Whoever needs it waits. */", '"Whoever": write users'),
    ("docs/planted.md", "A user who wants to log-in.", '"log-in": write login; as a verb, log in'),
    ("src/core/planted.c", "/* Other log-ins wait. */", '"log-ins": write login'),
    ("src/core/planted.c", '        return "too many wrong tries";', '"wrong tries": write attempt'),
    ("src/cmd/planted.c", '        printf("its tokens are dead");', '"are dead": write revoked, expired'),
    ("src/app/planted.c", '        return "good until tomorrow";', '"good until": write valid'),
    ("src/crypto/planted.c", '        return "scrypt is not taken";', '"is not taken": write rejected, not supported'),
    ("tests/unit/core/planted.c", "static void what_comes_behind_it(void **state)", '"behind_it": write after'),
    ("src/core/planted.h", "/* The keys of before. */", '"of before": write earlier'),
    ("docs/planted.md", "The log says `abandoned`.", '"`abandoned`": write shutdown_timeout'),
    ("docs/planted.md", "Show what is in force:", '"what is in force": write effective'),
    # Over the end of a line: of a comment, a string, a paragraph.
    ("src/app/planted.c", "/* What goes on while the store\n * is away. */", '"store * is away": write unavailable'),
    ("src/cmd/planted.c", 'static const char help[] = "The tokens that the user has are "\n        "dead.";', "write revoked, expired"),
    ("docs/planted.md", "A service asks whether a\ntoken is good.", "write valid"),
]
ORDINARY = [
    ("src/http/planted.c", "/* The response is cut off; a mirror image; a port is taken; in the end it is good for two answers. */"),
    ("src/core/planted.h", "enum cd_grant { CD_GRANT_PASSWORD }; /* the password grant of a client: grant_type */"),
    ("src/net/planted.h", "typedef void cd_job_done(struct cd_job *job); /* `done` on the loop; behind a proxy, a clock that is behind */"),
    ("docs/ordinary.md", "Try again: `curl https://localhost/grant` and `grant-resource`, where the server is. It works, in order."),
    ("src/store/postgres/migrations/0001_first.sql", "CREATE TABLE settled (grants TEXT);"),
    ("tests/fuzz/corpus/user_line/seed", '{"name":"people","grants":{}}'),
]


PATHS = [path.replace("planted", f"planted{number}") for number, (path, _, _) in enumerate(PLANTS)]


def check(tree):
    done = subprocess.run([ROOT / "tools/check-words", tree], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout.splitlines()


def plant(tree, path, line):
    file = tree / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n\n" + line + "\n")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """What is said of a tree with all the words in it."""
    tree = tmp_path_factory.mktemp("tree")
    for path, (_, line, _) in zip(PATHS, PLANTS):
        plant(tree, path, line)
    status, output = check(tree)
    assert status == 1 and output[-1] == f"check-words: {len(output) - 1} words to replace"
    return output[:-1]


@pytest.mark.parametrize("path, said", [(path, said) for path, (_, _, said) in zip(PATHS, PLANTS)],
                         ids=[said for _, _, said in PLANTS])
def test_a_word_is_named_with_its_line_and_what_to_write(planted, path, said):
    assert any(line.startswith(f"{path}:3: ") and said in line for line in planted)


def test_every_row_is_planted(planted):
    rows = re.findall(r'^    \(r"', (ROOT / "tools/check-words").read_text(), re.MULTILINE)
    assert len({line.split(": write ")[1] for line in planted}) == len(rows)


def test_ordinary_english_and_what_is_never_edited_pass(tmp_path):
    for path, line in ORDINARY:
        plant(tmp_path, path, line)
    assert check(tmp_path) == (0, ["check-words: 0 words to replace"])

