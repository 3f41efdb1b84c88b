"""What a user has besides name, password and claims: display name, e-mail address and groups; and users of Authelia."""
import json
import re
import subprocess

import jwt
import pytest

from .administration import PASSWORD, Installation, within
from .commands import CARDEA, DEADLINE

HASH = "$2y$05$abcdefghijklmnopqrstuu5s9iJJVdsmkJcYqzDvnUuNfsaKuyPyW"
MEMBERS = ("display_name", "email", "email_verified", "groups")


@pytest.fixture(scope="module")
def auth(tmp_path_factory):
    return Installation(tmp_path_factory.mktemp("details") / "auth")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """An installation whose server runs, with a client that may introspect the tokens of users."""
    made = Installation(tmp_path_factory.mktemp("served") / "auth")
    log = made.folder.parent / "log"
    with open(log, "w") as stderr:
        server = subprocess.Popen([CARDEA, "serve", "--config", made.config], stderr=stderr)
    assert within(DEADLINE, lambda: '"event":"ready"' in log.read_text())
    made.secret = made.run("client", "add", "watch", "--introspect", f"https://localhost:{made.port + 1}",
                           check=0).stdout.strip()
    assert within(DEADLINE, lambda: made.request("/oauth/introspect", "watch", made.secret, b"token=x")[0] == 200)
    yield made
    server.terminate()
    assert server.wait(30) == 0


def details(made, name):
    shown = made.rows("user", "show", name)[0]
    return tuple(shown[member] for member in MEMBERS)


def introspect(made, token):
    return made.request("/oauth/introspect", "watch", made.secret, b"token=" + token.encode())[1]


def last_event(made):
    return json.loads(made.run("audit", "tail", "--json", "--lines", "1", check=0).stdout)


# --- add, set, show, list -------------------------------------------------------------------------------------------


def test_a_user_is_added_with_details_and_they_are_shown(auth):
    auth.add_user("ana", PASSWORD, "--display-name", "Ana \"Ä\" B.", "--email", "Ana@Example.com", "--email-verified",
                  "--group", "staff", "--group", "admins", "--group", "staff")
    assert details(auth, "ana") == ('Ana "Ä" B.', "Ana@Example.com", True, ["admins", "staff"])
    shown = auth.run("user", "show", "ana", check=0).stdout
    assert re.search(r'^display name +Ana "Ä" B\.$', shown, re.M)
    assert re.search(r"^email +Ana@Example\.com \(verified\)$", shown, re.M)
    assert re.search(r"^groups +admins staff$", shown, re.M)
    head, row = auth.run("user", "list", check=0).stdout.splitlines()
    assert head.split() == ["NAME", "STATE", "EMAIL", "GROUPS", "TOTP", "LAST", "LOGIN", "CHANGED", "CLAIMS"]
    assert row.split()[:5] == ["ana", "active", "Ana@Example.com", "admins", "staff"]


def test_a_user_without_details_is_shown_with_none(auth):
    auth.add_user("plain")
    assert details(auth, "plain") == (None, None, False, [])
    assert re.search(r"^groups +-$", auth.run("user", "show", "plain", check=0).stdout, re.M)


def test_only_a_change_of_groups_or_claims_is_said_to_revoke_tokens(auth):
    auth.add_user("rev", PASSWORD, "--group", "staff", "--claim", "role=editor")
    assert auth.run("user", "set", "rev", "--display-name", "Rev", check=0).stdout == "user rev changed\n"
    assert auth.run("user", "claims", "rev", "role=editor", check=0).stdout == "user rev has these claims already\n"
    assert last_event(auth)["action"] == "user.set" and last_event(auth)["detail"] == "display_name"
    done = auth.run("user", "claims", "rev", "role=viewer", check=0)
    assert done.stdout == "user rev has new claims; older tokens are revoked\n"
    done = auth.run("user", "set", "rev", "--remove-group", "staff", check=0)
    assert done.stdout == "user rev changed; older tokens are revoked\n"


def test_a_change_that_changes_nothing_says_so(auth):
    auth.add_user("same", PASSWORD, "--group", "staff", "--display-name", "Same", "--email", "same@example.com", "--email-verified")
    already = "has all of this already; nothing is changed"
    for words, said in [
        (["--remove-group", "dev"], "is not in the group dev; nothing is changed"),
        (["--remove-group", "dev", "--remove-group", "b"], "is in none of the groups dev b; nothing is changed"),
        (["--remove-group", "dev", "--add-group", "staff"], already),
        (["--display-name", "Same"], already),
        (["--email", "same@example.com", "--email-verified"], already),
        (["--email", "same@example.com"], "changed"),
        (["--email", "same@example.com", "--email-verified"], "changed"),
        (["--remove-group", "dev", "--remove-email"], "changed"),
        (["--remove-email"], already),
    ]:
        assert auth.run("user", "set", "same", *words, check=0).stdout == f"user same {said}\n"


def test_set_changes_what_is_given_and_nothing_else(auth):
    auth.add_user("bo", PASSWORD, "--claim", "role=editor")
    assert auth.run("user", "set", "BO", "--display-name", "Bo", "--email", "bo@example.com", check=0).stdout == \
        "user bo changed\n"
    assert details(auth, "bo") == ("Bo", "bo@example.com", False, [])
    assert (last_event(auth)["action"], last_event(auth)["detail"]) == ("user.set", "display_name email")
    done = auth.run("user", "set", "bo", "--add-group", "staff", "--add-group", "dev", check=0)
    assert done.stdout == "user bo changed; older tokens are revoked\n"
    auth.run("user", "set", "bo", "--remove-group", "dev", "--add-group", "wiki:write", "--email", "bo@example.com",
             "--email-verified", check=0)
    assert details(auth, "bo") == ("Bo", "bo@example.com", True, ["staff", "wiki:write"])
    assert last_event(auth)["detail"] == "email (verified) +wiki:write -dev"
    auth.run("user", "set", "bo", "--remove-display-name", "--remove-email", check=0)
    assert details(auth, "bo") == (None, None, False, ["staff", "wiki:write"])
    assert auth.rows("user", "show", "bo")[0]["claims"] == {"role": "editor"}


@pytest.mark.parametrize("args, code, reason", [
    (["add", "new", "--password-file", "-", "--email", "ana"], 2, "email: an e-mail address has the form name@domain"),
    (["add", "new", "--password-file", "-", "--email-verified"], 2, "email_verified: there is no e-mail address"),
    (["add", "new", "--password-file", "-", "--display-name", "a\nb"], 2, "display_name: the display name has a control"),
    (["add", "new", "--password-file", "-", "--display-name", "x" * 257], 2, "display_name: the display name is longer"),
    (["add", "new", "--password-file", "-", "--group", "a,b"], 2, 'groups: "a,b" has a character that is none of'),
    (["add", "new", "--email", "ana"], 2, "email: an e-mail address has the form"),  # before a password is asked for
    (["add", "new", "--display-name", ""], 2, "--display-name needs a value"),
    (["set"], 2, "NAME is missing; see: cardea help user set"),
    (["set", "there"], 2, "name a change: cardea user set NAME --add-group staff"),
    (["set", "nobody", "--display-name", "x"], 3, 'there is no user "nobody"'),
    (["set", "there", "--email-verified"], 2, "--email-verified needs --email"),
    (["set", "there", "--email", "a@b", "--remove-email"], 2, "--email and --remove-email exclude each other"),
    (["set", "there", "--display-name", "a", "--remove-display-name"], 2,
     "--display-name and --remove-display-name exclude each other"),
    (["set", "there", "--add-group", "a", "--remove-group", "a"], 2, 'groups: "a" cannot be both added and removed'),
    (["set", "there", "--remove-group", "a b"], 2, 'groups: "a b" has a character that is none of'),
    (["set", "there", *[w for i in range(65) for w in ("--add-group", f"g{i}")]], 2, "groups: a user is in at most 64"),
])
def test_a_mistake_is_one_sentence_and_changes_nothing(auth, args, code, reason):
    if not auth.run("user", "show", "there").stdout:
        auth.add_user("there")
    before = auth.run("user", "export", check=0).stdout
    done = auth.run("user", *args, stdin="a password")
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert reason in done.stderr and done.stderr.count("\n") == 1
    assert auth.run("user", "export", check=0).stdout == before


# --- tokens ---------------------------------------------------------------------------------------------------------


def test_tokens_and_introspection_say_the_groups_and_no_personal_data(served):
    served.add_user("tok", PASSWORD, "--claim", "role=editor", "--group", "staff", "--group", "admins",
                    "--display-name", "Tok", "--email", "tok@example.com", "--email-verified")
    token = served.login("tok")[1]["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["groups"], claims["role"]) == (["admins", "staff"], "editor")
    assert not {"name", "email", "email_verified"} & claims.keys()
    said = introspect(served, token)
    assert (said["active"], said["groups"], said["role"]) == (True, ["admins", "staff"], "editor")


def test_a_claim_of_the_user_comes_before_the_groups(served):
    served.add_user("own", PASSWORD, "--claim", 'groups=["theirs"]', "--group", "staff")
    token = served.login("own")[1]["token"]
    assert jwt.decode(token, options={"verify_signature": False})["groups"] == ["theirs"]
    assert introspect(served, token)["groups"] == ["theirs"]
    served.run("user", "claims", "own", "groups=null", check=0)
    token = served.login("own")[1]["token"]
    assert jwt.decode(token, options={"verify_signature": False})["groups"] == ["staff"]


def test_lesson_12_a_change_of_groups_ends_the_tokens_and_one_of_the_address_does_not(served):
    served.add_user("les", PASSWORD, "--group", "staff")
    token = served.login("les")[1]["token"]
    served.run("user", "set", "les", "--email", "les@example.com", "--display-name", "Les", check=0)
    served.run("user", "set", "les", "--add-group", "staff", check=0)  # as it was
    served.add_user("marker")  # a change that the server has seen: so it has seen those before
    assert within(DEADLINE, lambda: served.login("marker")[0] == 200)
    assert introspect(served, token)["active"] is True
    served.run("user", "set", "les", "--remove-group", "staff", check=0)
    assert within(DEADLINE, lambda: introspect(served, token)["active"] is False)
    token = served.login("les")[1]["token"]
    assert introspect(served, token)["active"] is True
    assert "groups" not in jwt.decode(token, options={"verify_signature": False})


# --- import, export -------------------------------------------------------------------------------------------------


def test_export_is_what_import_takes(tmp_path):
    made, other = Installation(tmp_path / "a"), Installation(tmp_path / "b")
    groups = [w for i in range(64) for w in ("--group", f"{i:064}")]
    made.add_user("ana", PASSWORD, "--display-name", "x" * 255 + '"', "--email", "ana@example.com", "--email-verified",
                  *groups)
    made.add_user("bo", PASSWORD, "--email", "bo@example.com")
    lines = made.run("user", "export", check=0).stdout
    assert other.run("user", "import", "-", stdin=lines, check=0).stdout == "2 users added, 0 updated, 0 refused\n"
    assert other.run("user", "export", check=0).stdout == lines
    assert details(other, "ana") == details(made, "ana") and len(details(other, "ana")[3]) == 64
    assert details(other, "bo") == (None, "bo@example.com", False, [])


def test_update_replaces_the_details_and_removes_what_is_not_given(auth):
    auth.add_user("upd", PASSWORD, "--display-name", "Upd", "--email", "upd@example.com", "--email-verified", "--group", "dev")
    line = {"name": "upd", "hash": HASH, "email": "new@example.com", "groups": ["staff"]}
    auth.run("user", "import", "-", "--update", stdin=json.dumps(line), check=0)
    assert details(auth, "upd") == (None, "new@example.com", False, ["staff"])
    auth.run("user", "import", "-", "--update", stdin=f"upd:{HASH}", check=0)
    assert details(auth, "upd") == (None, None, False, [])


def test_a_line_whose_details_are_none_is_refused(auth):
    wrong = [{"display_name": " x"}, {"email": "x"}, {"email_verified": True}, {"groups": ["a b"]}, {"groups": "a"}]
    lines = [json.dumps({"name": f"wrong{i}", "hash": HASH, **members}) for i, members in enumerate(wrong)]
    done = auth.run("user", "import", "-", stdin="\n".join(lines), check=5)
    fields = re.findall(r"^cardea user import: standard input:\d: (\w+): ", done.stderr, re.M)
    assert fields == ["display_name", "email", "email_verified", "groups", "groups"]


# --- Authelia -------------------------------------------------------------------------------------------------------

AUTHELIA = """\
# yamllint disable rule:line-length
---
users:
  authelia:
    displayname: "Test User"
    password: "$argon2id$v=19$m=32768,t=1,p=8$eUhVT1dQa082YVk2VUhDMQ$E8QI4jHbUBt3EdsU1NFDu4Bq5jObKNx7nBKSn1EYQxk"
    email: authelia@authelia.com
    groups:
      - dev
      - admins
  John.Doe:
    disabled: true
    displayname: "John Doe"
    password: '{CRYPT}$6$rounds=1000$saltsaltsalt$%s'
    email: ''
    groups: []
    given_name: John
    address: { locality: Somewhere }
...
""" % ("a" * 86)


def test_a_users_file_of_authelia_is_imported_and_its_users_log_in(served, tmp_path):
    file = tmp_path / "users_database.yml"
    file.write_text(AUTHELIA)
    dry = served.run("user", "import", "--format", "authelia", file, "--dry-run", check=0)
    assert dry.stdout == "2 users would be added, 0 updated, 0 refused; nothing was written\n"
    done = served.run("user", "import", "--format", "authelia", file, check=0)
    assert (done.stdout, done.stderr) == ("2 users added, 0 updated, 0 refused\n", "")
    assert details(served, "authelia") == ("Test User", "authelia@authelia.com", False, ["admins", "dev"])
    assert details(served, "john.doe") == ("John Doe", None, False, [])
    john = served.rows("user", "show", "john.doe")[0]
    assert (john["disabled"], john["password_form"]) == (True, "sha512-crypt")
    assert served.login("authelia", "wrong")[0] == 401
    status, body = served.login("authelia", "authelia")
    assert status == 200
    assert jwt.decode(body["token"], options={"verify_signature": False})["groups"] == ["admins", "dev"]
    again = served.run("user", "import", "--format", "authelia", file, check=5)
    assert re.findall(r'yml:(\d+): name: user "([\w.]+)" exists|yml:(\d+): name: "John.Doe" is user', again.stderr) == \
        [("4", "authelia", ""), ("", "", "11")]
    assert served.run("user", "import", "--format", "authelia", file, "--update",
                      check=0).stdout == "0 users added, 1 updated, 1 unchanged, 0 refused\n"  # whose password was hashed again


REFUSED = {
    "password: '$pbkdf2-sha512$310000$c8p78n7p$JNRBzwAo'": 'hash: PBKDF2 is not supported; add this user with a new password',
    "password: '$scrypt$ln=16,r=8,p=1$c8p78n7p$JNRBzwAo'": 'hash: scrypt is not supported; add this user with a new password',
    "password: [a]": "password: must be a string",
    "displayname: x": "hash: the password hash is empty",
    f"password: {HASH}\n    password: {HASH}": "password: is given twice",
    f"password: {HASH}\n    groups: staff": "groups: must be a list of names",
    f"password: {HASH}\n    groups: [[staff]]": "groups: must be a list of names",
    f"password: {HASH}\n    groups: [Domain Admins]": 'groups: "Domain Admins" has a character that is none of: ASCII '
                                                      "letters, digits, . _ - @ + : /",
    f"password: {HASH}\n    email: nobody": "email: an e-mail address has the form name@domain",
    f"password: {HASH}\n    disabled: maybe": "disabled: must be true or false",
}


@pytest.mark.parametrize("members", REFUSED)
def test_a_user_of_authelia_who_cannot_be_imported_is_named_with_the_reason(auth, members):
    text = f"users:\n  x y:\n    password: {HASH}\n  bad:\n    {members}\n  none:\n  good.{abs(hash(members))}:\n    password: {HASH}\n"
    done = auth.run("user", "import", "--format", "authelia", "-", stdin=text, check=5)
    assert done.stdout == "1 user added, 0 updated, 3 refused\n"
    lines = done.stderr.splitlines()
    assert lines[0].startswith('cardea user import: standard input:2: user "x y": name: byte 2 ')
    assert lines[1] == f'cardea user import: standard input:4: user "bad": {REFUSED[members]}'
    assert re.fullmatch(r'cardea user import: standard input:\d+: user "none": must be a mapping with a password', lines[2])
    assert "JNRBzwAo" not in done.stderr and HASH not in done.stderr


@pytest.mark.parametrize("text, reason", [
    ("", 'standard input has no mapping "users", as Authelia\'s file has'),
    ("users:\n", 'standard input has no mapping "users", as Authelia\'s file has'),
    ("- users\n", 'standard input has no mapping "users", as Authelia\'s file has'),
    (f"ana:{HASH}\n", 'standard input has no mapping "users", as Authelia\'s file has'),
    ("users: {}\nusers: {}\n", "users: is given twice"),
    ("users: [\n", "standard input:2:1: not YAML: "),
])
def test_a_file_that_is_none_of_authelia_is_one_error(auth, text, reason):
    done = auth.run("user", "import", "--format", "authelia", "-", stdin=text, check=2)
    assert done.stdout == "0 users added, 0 updated, 0 refused\n"
    assert done.stderr.startswith("cardea user import: " + reason) and done.stderr.count("\n") == 1


def test_a_file_of_authelia_has_at_most_1_MB(auth):
    text = f"users: {{limit: {{password: {HASH}}}}} #".ljust(1 << 20, "x")
    assert auth.run("user", "import", "--format", "authelia", "-", stdin=text, check=0).stdout.startswith("1 user added")
    done = auth.run("user", "import", "--format", "authelia", "-", stdin=text + "x", check=2)
    assert done.stderr == "cardea user import: standard input: larger than 1 MB\n"


def test_many_users_of_authelia_are_imported_over_several_batches(tmp_path):
    made = Installation(tmp_path / "auth")
    names = [f"user{i:04}" for i in range(1201)]
    text = "users:\n" + "".join(f"  {name}: {{password: {HASH}, groups: [g{i}]}}\n" for i, name in enumerate(names))
    done = made.run("user", "import", "--format", "authelia", "-", stdin=text, check=0)
    assert done.stdout == "1201 users added, 0 updated, 0 refused\n"
    assert [(row["name"], row["groups"]) for row in made.rows("user", "list")] == [(n, [f"g{i}"]) for i, n in enumerate(names)]
