"""Three hundred broken scenario files: each is refused at a place, and nothing runs.

Half of them are the shipped scenarios with something wrong in their data, half with something wrong
in their text. A mutation that leaves a sound file is not counted, and another is made.
"""

import json
import random
import re
import sys
from copy import deepcopy
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from simulator.cli import adsim
from simulator.scenario.nodes import Source, compose

SCENARIOS = Path(__file__).parents[2] / "scenarios"
TEXTS = {name: (SCENARIOS / f"{name}.yaml").read_bytes() for name in ("minimal", "new_coffee_100m")}
WANTED = 300
BATCHES = 10
PLACE = re.compile(r"[^:]+\.yaml:[1-9][0-9]*:[1-9][0-9]*: \S.+")
ODD: list[Any] = [
    None, True, -1, 0, 1e300, 10**18, "", "many", "5%%", "1,000", "12:30", "nan", [], [1], [[]], {},
    {"low": 2, "high": 1}, {"value": 1, "sd": -1}, {"value": "x"}, "2021-13-01", "数", "a.b",
    "2021-03-01T00:00Z", "x" * 500,
]  # fmt: skip


def plain(text):
    root = compose(text.decode(), Source("file.yaml"))
    assert root is not None
    return root.plain()


DATA = {name: plain(text) for name, text in TEXTS.items()}


@pytest.fixture(autouse=True)
def no_engine(monkeypatch):
    """A run that begins fails the test."""

    def simulate(*_, **__):
        raise AssertionError("a broken scenario was run")

    engine = SimpleNamespace(simulate=simulate)
    monkeypatch.setitem(sys.modules, "simulator.engine.simulate", engine)


def answer(*arguments):
    return CliRunner().invoke(adsim, list(arguments))


def refuse(path, run=False):
    """The lines that refuse a file; none if it is sound."""
    found = answer("check", str(path))
    if found.exit_code == 0:
        return []
    assert found.exit_code == 2, found.output
    assert found.stdout == ""
    lines = found.stderr.splitlines()
    assert lines and all(PLACE.fullmatch(line) for line in lines), lines
    assert all(len(line) < 2000 for line in lines)
    if run:
        again = answer("run", str(path), "-n", "2", "-o", str(path.parent / "out"))
        assert (again.exit_code, again.stdout, again.stderr) == (2, "", found.stderr)
        assert not (path.parent / "out").exists()
    return lines


# --------------------------------------------------------------------------- mutations
def parts(node, path=()):
    """Every way into the data."""
    yield path
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for key, item in items:
        yield from parts(item, (*path, key))


def inside(data, path):
    for key in path:
        data = data[key]
    return data


def wrong_value(chance, data, path):
    inside(data, path[:-1])[path[-1]] = deepcopy(chance.choice(ODD))


def unknown_key(chance, data, path):
    node = inside(data, path)
    if isinstance(node, dict):
        node["colour_" + "abc"[chance.randrange(3)]] = 1


def lost_entry(chance, data, path):
    del inside(data, path[:-1])[path[-1]]


def misspelt_key(chance, data, path):
    node, key = inside(data, path[:-1]), path[-1]
    if isinstance(node, dict):
        at = chance.randrange(len(key))
        node[key[:at] + "q" + key[at + 1 :]] = node.pop(key)


def misspelt_word(chance, data, path):
    word = inside(data, path)
    if isinstance(word, str) and word:
        at = chance.randrange(len(word))
        inside(data, path[:-1])[path[-1]] = word[:at] + "q" + word[at + 1 :]


def swapped_values(chance, data, path):
    ways = [
        way for way in parts(data) if way and way[: len(path)] != path and path[: len(way)] != way
    ]
    if ways:
        other = chance.choice(ways)
        mine, yours = inside(data, path), inside(data, other)
        inside(data, path[:-1])[path[-1]] = deepcopy(yours)
        inside(data, other[:-1])[other[-1]] = deepcopy(mine)


OF_DATA = (wrong_value, unknown_key, lost_entry, misspelt_key, misspelt_word, swapped_values)


def byte_noise(chance, text):
    noise = bytearray(text)
    for _ in range(chance.choice([1, 1, 2, 5])):
        noise[chance.randrange(len(noise))] = chance.randrange(256)
    return bytes(noise)


def lost_bytes(chance, text):
    at = chance.randrange(len(text))
    return text[:at] + text[at + chance.randrange(1, 40) :]


def cut_short(chance, text):
    return text[: chance.randrange(len(text))]


def shifted_line(chance, text):
    lines = text.split(b"\n")
    at = chance.randrange(len(lines))
    lines[at] = chance.choice([b" ", b"    ", b"\t", b"- "]) + lines[at]
    return b"\n".join(lines)


def line_twice(chance, text):
    lines = text.split(b"\n")
    at = chance.randrange(len(lines))
    return b"\n".join([*lines[: at + 1], *lines[at:]])


def stray_mark(chance, text):
    at = chance.randrange(len(text))
    mark = chance.choice(
        [b"{", b"]", b'"', b"'", b": ", b"&a ", b"*a ", b"!!python/object:os ", b"\0", b"---\n"]
    )
    return text[:at] + mark + text[at:]


OF_TEXT = (byte_noise, lost_bytes, cut_short, shifted_line, line_twice, stray_mark)


def mutant(seed):
    """A scenario with something changed, as bytes."""
    chance = random.Random(seed)
    name = "minimal" if chance.random() < 0.7 else "new_coffee_100m"
    if seed % 2:
        return chance.choice(OF_TEXT)(chance, TEXTS[name])
    data = deepcopy(DATA[name])
    change = chance.choice(OF_DATA)
    change(chance, data, chance.choice([way for way in parts(data) if way]))
    return json.dumps(data, ensure_ascii=False, indent=1).encode()


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_broken_file_is_refused_at_its_place(tmp_path, batch):
    path, broken = tmp_path / "broken.yaml", 0
    for seed in count(batch * 1_000_000):
        path.write_bytes(mutant(seed))
        broken += bool(refuse(path, run=broken % 5 == 0))
        if broken == WANTED // BATCHES:
            break
        assert seed < batch * 1_000_000 + 10 * WANTED // BATCHES, "mutations hardly break anything"


# --------------------------------------------------------------------------- files that mean harm
def bomb():
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    return "\n".join(lines).encode()


HARM = {
    "brackets": (b"name: " + b"[" * 100_000, "is nested more than 64 levels deep"),
    "braces": (b"{a: " * 100_000, "is nested more than 64 levels deep"),
    "bomb": (bomb(), "anchors (&name) are not read"),
    "ten megabytes": (b"name: " + b"x" * 10_000_000, "is larger than 5 MB"),
    "many values": (b"name: [" + b"1," * 300_000 + b"]", "has more than 200000 values"),
    "a newer format": (
        b"format: 2\n" + TEXTS["minimal"],
        "file is written for format 2; this version",
    ),
    "two documents": (TEXTS["minimal"] + b"---\nname: b\n", "must hold one document only"),
    "an object": (b"name: !!python/object/apply:os.system [ls]", "tags (!name) are not read"),
    "nothing": (b"", "must hold a mapping of fields, and is not one"),
    "an image": (
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        "is not UTF-8 text: save the file as UTF-8",
    ),
    "utf-16": ("name: 数".encode("utf-16"), "is UTF-16 text"),
    "a long number": (b"budget: " + b"9" * 100_000, "must be a number such as 40, 12k, 5m, 1.2"),
    "itself": (b"extends: ./broken.yaml", "goes in a circle"),
    "another file": (b"extends: /etc/passwd\nname: a", "passwd:1:"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HARM)
def test_a_hostile_file_is_refused(tmp_path, name):
    data, words = HARM[name]
    path = tmp_path / "broken.yaml"
    path.write_bytes(data)
    found = answer("check", str(path))
    assert (found.exit_code, found.stdout) == (2, "")
    assert words in found.stderr
    assert "Traceback" not in found.stderr
    assert len(found.stderr) < 20_000
    assert answer("run", str(path)).exit_code == 2


@pytest.mark.parametrize("name", ["missing.yaml", "", ".", "a\nb.yaml"])
def test_what_is_no_file_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for command in ("check", "run"):
        found = answer(command, name)
        assert (found.exit_code, found.stdout) == (2, "")
        assert "cannot be read: " in found.stderr
        assert "Traceback" not in found.stderr
