"""Pickles that Python writes are read as Python reads them, and Python reads what the relay writes."""
import io
import json
import os
import pickle
import pickletools
import random
import struct
import subprocess

import pytest

import services

TOOL = services.BUILD / "tests/unit/relay/pickle-tool"
PROTOCOLS = (2, 3, 4, 5)


def read_all(pickles):
    """For each, a list of (key, value) in order, or the reason of the refusal as str."""
    given = b"".join(struct.pack("<I", len(one)) + one for one in pickles)
    done = subprocess.run([TOOL, "read"], input=given, capture_output=True, timeout=services.PATIENCE, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(pickles)
    return [line["refused"] if isinstance(line, dict) else [(key, value_of(kind, text)) for key, kind, text in line] for line in lines]


def value_of(kind, text):
    if kind == "int":
        return int.from_bytes(bytes.fromhex(text[2:]), "little", signed=True) if text.startswith("0x") else int(text)
    return text


def typed(items):
    """True == 1 for Python; not here."""
    return [(key, type(value), value) for key, value in items]


def text_of(chance):
    alphabet = ("abcxyz 019_-=.", "äöüßéñ€", "👍🎉𝄞", "\0\n\"\\'<>&\x7f\x1b")
    return "".join(chance.choice(chance.choice(alphabet)) for _ in range(chance.choice((0, 1, 5, 40, 255, 256, 300))))


def value(chance):
    big = chance.choice((1, 7, 8, 15, 16, 31, 32, 63, 64, 65, 300, 2040, 2041, 2100))
    number = chance.choice((-1, 1)) * ((1 << big) - chance.randrange(2))
    return chance.choice((True, False, None, number, chance.randrange(-70000, 70000), text_of(chance), "success"))


def random_dict(chance):
    count = chance.choice((0, 1, 2, 3, 10, 128))
    return {"success" if i == 0 else text_of(chance) + str(i): value(chance) for i in range(count)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_random_dicts_are_read_as_python_reads_them(protocol):
    chance = random.Random(13 + protocol)
    dicts = [random_dict(chance) for _ in range(120)]
    pickles = [pickle.dumps(one, protocol) for one in dicts]
    pickles += [pickletools.optimize(one) for one in pickles]
    pickles += [pickle._dumps(one, protocol) for one in dicts]  # Python's own writer, which frames otherwise
    small = [one for one in pickles if len(one) <= 65536]
    assert len(small) > len(pickles) * 0.9
    for written, found in zip(small, read_all(small)):
        assert not isinstance(found, str), (found, written[:100])
        assert typed(found) == typed(pickle.loads(written).items())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_no_such_dict_is_refused(protocol):
    class Anything:
        pass

    others = [1, "text", None, True, [], [1], (), ("a",), {1: 2}, {None: 1}, {True: 1}, {"a": {}}, {"a": []}, {"a": ()}, {"a": 1.5}, {"a": b"x"}, {"a": bytearray(b"x")},
              {"a": {1}}, {"a": frozenset()}, {"a": print}, {"a": int}, {"a": 1j}, {"a": ...}, {"a": "\ud800"}, os.system, range(3)]
    pickles = [pickle.dumps(one, protocol) for one in others]
    pickles += [pickle.dumps({}, 0), pickle.dumps({"success": True}, 1), pickle.dumps({"a": 1}, protocol) + b".", b"\x80", b""]
    for other, found in zip([*others, "protocol 0", "protocol 1", "more", "one byte", "none"], read_all(pickles)):
        assert isinstance(found, str), (other, found)


def test_a_pickle_that_would_run_code_is_refused_in_every_protocol(tmp_path):
    proof = tmp_path / "ran"

    class Run:
        def __reduce__(self):
            return os.system, (f"touch {proof}",)

    for protocol in PROTOCOLS:
        for one in (Run(), {"success": Run()}, {"success": True, "message": "x", "more": Run()}):
            written = pickle.dumps(one, protocol)
            assert "which would run code" in read_all([written])[0]
    assert not proof.exists()
    pickle.loads(written)
    assert proof.exists(), "the pickle does run code where it is unpickled"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_changed_pickles_are_never_read_otherwise_than_python_reads_them(protocol):
    """One to three bytes changed, left out or added: the relay refuses more than Python, but what it accepts is the same."""
    class Refuses(pickle.Unpickler):
        def find_class(self, module, name):
            raise pickle.UnpicklingError("no code is run")

        def persistent_load(self, pid):
            raise pickle.UnpicklingError("no code is run")

    chance = random.Random(31 + protocol)
    pickles = []
    for _ in range(3000):
        written = bytearray(pickle.dumps({"success": True, "message": text_of(chance)[:20], "n": chance.randrange(300)}, protocol))
        for _ in range(chance.choice((1, 1, 2, 3))):
            at = chance.randrange(2, len(written))
            written[at : at + chance.randrange(2)] = bytes(chance.choices(range(256), k=chance.randrange(2)))
        pickles.append(bytes(written))
    accepted = 0
    for written, found in zip(pickles, read_all(pickles)):
        if isinstance(found, str):
            continue
        accepted += 1
        assert typed(found) == typed(Refuses(io.BytesIO(written)).load().items()), written
    assert accepted > 100


def write(encoding, members):
    return subprocess.run([TOOL, "write", encoding, *(f"{name}={value}" for name, value in members.items())], capture_output=True, check=True,
                          timeout=services.PATIENCE).stdout


@pytest.mark.parametrize("members", [
    {"state": "gAAAAABl==", "code": "def502"},
    {"state": "", "error": "access_denied", "error_description": "Grüße 👍 \"'\\"},
    {"state": "x" * 4096, "code": "y" * 4096, "data": "z"},
], ids=["code", "error", "large"])
def test_python_reads_what_is_written(members):
    written = write("pickle", members)
    assert pickle.loads(written) == members
    assert {opcode.proto for opcode, _, _ in pickletools.genops(written)} <= {0, 1, 2}, "every Python 3 reads protocol 2"
    assert write("json", members).endswith(b"}\n") and json.loads(write("json", members)) == members
    assert write("json", members).count(b"\n") == 1
