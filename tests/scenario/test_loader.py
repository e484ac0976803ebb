"""Scenario files: positions, presets, --set, plain words, and files that mean harm."""

import random
import subprocess
import sys
import textwrap
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from simulator.errors import FieldError, RunError, ScenarioError, UserError
from simulator.scenario import loader
from simulator.scenario.amounts import Amount, Level, Moment, Rate, Seconds, Share, Whole, spread_of
from simulator.scenario.loader import parse_tree, read_tree, validate
from simulator.scenario.nodes import MOST_DEPTH


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Goal(StrEnum):
    launch = "launch"
    harvest = "harvest"


class Package(Part):
    impressions: Whole
    phases: list[str] = []


class Auction(Part):
    kind: Literal["auction"]
    median_cpm: Annotated[Level, Field(gt=0)]
    reserve_cpm: Annotated[Level, Field(ge=0)] = 0.0
    mechanism: Literal["gsp", "vcg", "first_price"] = "gsp"
    live: bool = False
    tiers: list[Rate] = []


class Contract(Part):
    kind: Literal["contract"]
    cpm: Level
    packages: list[Package] = []


Slot = Annotated[Auction | Contract, Field(discriminator="kind")]
Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class Bid(Part):
    target: Amount


class Scene(Part):
    goal: Goal = Goal.launch
    budget: Amount | None = None
    share: Share = 0.0
    every: Seconds = 3600
    bid: Bid | Amount | Literal["auto"] = "auto"

    @model_validator(mode="after")
    def _budget_or_share(self) -> "Scene":
        if self.budget and self.share:
            raise FieldError("must not stand beside budget", "share")
        return self


class World(Part):
    """A small scenario."""

    name: str
    budget: Annotated[Amount, Field(gt=0)]
    start: Moment | None = None
    slots: dict[Name, Slot] = {}
    scenes: dict[str, Scene] = {}
    pair: tuple[Rate, Whole] | None = None

    @field_validator("name")
    @classmethod
    def _no_shouting(cls, name: str) -> str:
        if name.isupper():
            raise ValueError("must not be in capitals")
        return name


GOOD = """\
name: coffee
budget: 9m
slots:
  search:
    kind: auction
    median_cpm: 45
    mechanism: vcg
  focus: {kind: contract, cpm: 60, packages: [{impressions: 5m, phases: [presale]}]}
scenes:
  warm_up: {goal: harvest, budget: 2.5m, every: 1d}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes a file into the current folder."""
    monkeypatch.chdir(tmp_path)

    def write_file(text, name="file.yaml"):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return path

    return write_file


@pytest.fixture
def preset(tmp_path, monkeypatch):
    """Writes a preset, in a folder of its own."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setattr(loader, "preset_folder", lambda: folder)

    def write_preset(name, text):
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")

    return write_preset


def load(model, path, sets=(), trusted=True):
    """The model that a file describes."""
    return validate(model, read_tree(path, sets, trusted))


def slots_of(path: Path, *sets: str) -> dict[str, Any]:
    """The slots by name; Any, for a test knows the kind of each."""
    return dict(load(World, path, sets).slots)


def complaints(path, sets=(), trusted=True):
    with pytest.raises(ScenarioError) as caught:
        load(World, path, sets, trusted)
    assert all(problem.line >= 1 and problem.column >= 1 for problem in caught.value.problems)
    return str(caught.value).splitlines()


# --------------------------------------------------------------------------- reading
def test_a_good_file_becomes_a_model(write):
    world = load(World, write(GOOD))
    assert world.budget == 9_000_000
    search, focus = world.slots["search"], world.slots["focus"]
    assert isinstance(search, Auction)
    assert isinstance(focus, Contract)
    assert focus.packages[0].impressions == 5_000_000
    assert world.scenes["warm_up"].every == 86_400


def test_a_byte_order_mark_is_no_fault(write):
    assert load(World, write(b"\xef\xbb\xbf" + GOOD.encode())).name == "coffee"


def test_windows_line_ends_count_once(write):
    path = write(b"name: coffee\r\nbudget: 1\r\nslot: {}\r\n")
    assert complaints(path) == ["file.yaml:3:1: slot is not a known field, did you mean 'slots'?"]


def test_words_mean_what_they_say(write):
    path = write("""\
        - [no, on, off, y, 12:30, 0o7, 007, 0x1F, 1_000, 2020-11-11, .inf, .nan, 1e999]
        - [true, False, null, ~, 1e6, 9e6, 1.5, -3, +2, .5, "5", 'true']
        """)
    tree = parse_tree(b"words:\n" + path.read_bytes())
    texts, values = tree.root.plain()["words"]
    assert all(isinstance(text, str) for text in texts)
    assert values == [True, False, None, None, 1e6, 9e6, 1.5, -3, 2, 0.5, "5", "true"]
    assert [type(value) for value in values[4:8]] == [float, float, float, int]


def test_the_loader_needs_no_numpy():
    code = "import sys, simulator.scenario.loader; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_errors_carry_their_exit_codes():
    assert (ScenarioError([]).exit_code, RunError().exit_code) == (2, 1)
    assert issubclass(ScenarioError, UserError)


# --------------------------------------------------------------------------- plain words
def test_all_faults_at_once_in_order_of_lines(write):
    path = write("""\
        name: 2020
        budget: -1
        slots:
          search_words:
            kind: auction
            reserve_cpm: -0.5
            reserv_cpm: 1
            mechanism: gps
            live: 3
          focus: {kind: contract, cpm: 60, packages: [{phases: 3}]}
          banner: {kind: acution}
          Bad Name: {kind: contract, cpm: 1}
          empty: {cpm: 3}
        scenes:
          warm_up: {goal: harvst, every: 15, share: 20}
        start: 2020-11-11T00:00Z
        pair: [0.5]
        """)
    assert complaints(path) == [
        "file.yaml:1:7: name must be text (got 2020), in quotes if need be",
        "file.yaml:2:9: budget must be > 0 (got -1)",
        "file.yaml:5:5: slots.search_words.median_cpm is required",
        "file.yaml:6:18: slots.search_words.reserve_cpm must be >= 0 (got -0.5)",
        "file.yaml:7:5: slots.search_words.reserv_cpm is not a known field, "
        "did you mean 'reserve_cpm'?",
        "file.yaml:8:16: slots.search_words.mechanism must be one of gsp, vcg, first_price "
        "(got 'gps'), did you mean 'gsp'?",
        "file.yaml:9:11: slots.search_words.live must be true or false (got 3)",
        "file.yaml:10:47: slots.focus.packages.0.impressions is required",
        "file.yaml:10:56: slots.focus.packages.0.phases must be a list (got 3)",
        "file.yaml:11:18: slots.banner.kind must be one of auction, contract (got 'acution'), "
        "did you mean 'auction'?",
        "file.yaml:12:3: slots.Bad Name must match ^[a-z][a-z0-9_]*$ (got 'Bad Name')",
        "file.yaml:13:10: slots.empty.kind is required: one of auction, contract",
        "file.yaml:15:19: scenes.warm_up.goal must be one of launch, harvest (got 'harvst'), "
        "did you mean 'harvest'?",
        "file.yaml:15:34: scenes.warm_up.every must be a duration such as 30s, 15min, 1h or 7d "
        "(got 15)",
        "file.yaml:15:45: scenes.warm_up.share must lie in 0..1 (got 20; did you mean 20%?)",
        "file.yaml:16:8: start must be local time without a time zone (got '2020-11-11T00:00Z')",
        "file.yaml:17:7: pair.1 is required",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("scenes: {a: {bid: {targt: 1}}}", "1:19: scenes.a.bid.target is required"),
        (
            "scenes: {a: {bid: x}}",
            "1:19: scenes.a.bid must be a mapping of fields (got 'x'), or must be a number such as "
            "40, 12k, 5m, 1.2万 (got 'x'), or must be auto (got 'x')",
        ),
        (
            "scenes: {a: {budget: 1, share: 20%}}",
            "1:32: scenes.a.share must not stand beside budget",
        ),
        ("scenes: {a: 3}", "1:13: scenes.a must be a mapping of fields (got 3)"),
        ("scenes:", "1:8: scenes must be a mapping (got nothing)"),
        ("slots: {a: 3}", "1:12: slots.a must be a mapping of fields (got 3)"),
        ("slots: []", "1:8: slots must be a mapping (got a list)"),
        (
            "slots: {a: {kind: auction, median_cpm: {value: 3, std: 1}}}",
            "1:51: slots.a.median_cpm.std is not a known field, did you mean 'sd'?",
        ),
        (
            "slots: {a: {kind: auction, median_cpm: {value: 3, sd: -1}}}",
            "1:55: slots.a.median_cpm.sd must lie in 0..5 (got -1)",
        ),
        (
            "slots: {a: {kind: auction, median_cpm: 1, tiers: [1%, 2%, 3]}}",
            "1:59: slots.a.tiers.2 must lie in 0..1 (got 3; did you mean 3%?)",
        ),
        (
            "slots: {auction: {kind: auction, auction: 1, median_cpm: 0}}",
            "1:34: slots.auction.auction is not a known field; known are kind, median_cpm, "
            "reserve_cpm, mechanism, live, tiers",
        ),
        ("budget: 2.5%", "1:9: budget must be a number, not a percentage (got '2.5%')"),
        ("name: COFFEE", "1:7: name must not be in capitals"),
        ("name: [a]", "1:7: name must be text (got a list), in quotes if need be"),
    ],
)
def test_a_fault_in_plain_words(write, line, message):
    found = complaints(write(f"{line}\n"))
    assert f"file.yaml:{message}" in found


def test_no_jargon_and_no_addresses(write):
    text = "\n".join(complaints(write("slots: {a: {kind: auction}, b: [], c: {kind: [1]}}\n")))
    for word in ("pydantic", "http", "Input", "function-", "literal[", "BaseModel", "dictionary"):
        assert word not in text


# --------------------------------------------------------------------------- extends
def test_later_files_lie_over_earlier_and_the_file_over_all(write, preset):
    preset("a/one", "{name: one, budget: 1, scenes: {x: {budget: 1, share: 0}, y: {budget: 1}}}")
    preset("two", "{budget: 2, scenes: {x: {budget: 2}}}")
    path = write("extends: [a/one, two]\nscenes: {x: {every: 2h}, y: null}\n")
    world = load(World, path)
    assert (world.name, world.budget) == ("one", 2)
    assert list(world.scenes) == ["x"]
    assert (world.scenes["x"].budget, world.scenes["x"].every) == (2, 7200)


def test_a_list_and_a_scalar_are_replaced(write, preset):
    preset("base", GOOD)
    path = write("extends: base\nslots: {focus: {packages: [{impressions: 1}]}}\n")
    packages = slots_of(path)["focus"].packages
    assert [package.impressions for package in packages] == [1]
    assert packages[0].phases == []


def test_files_extend_files_beside_them(write):
    write("name: ground\nbudget: 1\n", "lib/ground.yaml")
    write("extends: ./ground.yaml\nbudget: 2\n", "lib/base.yaml")
    assert load(World, write("extends: ./lib/base.yaml\n")).budget == 2
    up = write("extends: ../lib/base.yaml\n", "mine/file.yaml")
    assert load(World, up).name == "ground"
    full = write(f"extends: {Path('lib/base.yaml').resolve()}\n")
    assert load(World, full).name == "ground"


def test_positions_lead_into_the_extended_file(write, preset):
    preset("base", "name: x\nbudget: 1\nslots:\n  a: {kind: auction, median_cpm: -1}\n")
    write("\n\nscenes: {s: {shar: 1}}\n", "lib.yaml")
    path = write("extends: [base, ./lib.yaml]\nslots: {a: {reserve_cpm: -2}}\n")
    assert complaints(path) == [
        "file.yaml:2:26: slots.a.reserve_cpm must be >= 0 (got -2)",
        "lib.yaml:3:14: scenes.s.shar is not a known field, did you mean 'share'?",
        "presets/base.yaml:4:34: slots.a.median_cpm must be >= 0 (got -1)",
    ]


@pytest.mark.parametrize(
    ("extends", "words"),
    [
        ("[categoris/coffee]", "file.yaml:1:11: extends names no preset: 'categoris/coffee', "
         "did you mean 'categories/coffee'?"),
        ("../x/../etc", "file.yaml:1:10: extends names no file: '../x/../etc'"),
        ("categories/../categories/coffee", "names no preset"),
        ("coffee.yaml", "names no preset: 'coffee.yaml'; a file is written './coffee.yaml'"),
        ('"./\\0"', "file.yaml:1:10: has an unprintable character"),
        (f"./{'x' * 5000}", "names no file"),
        ("x" * 5000, "names no preset"),
        ("[3]", "file.yaml:1:11: extends must name presets or files (got 3)"),
        ("{a: b}", "must name presets or files (got a mapping)"),
        ("./file.yaml", "goes in a circle: file.yaml -> file.yaml"),
    ],
)  # fmt: skip
def test_a_bad_extends_is_explained(write, preset, extends, words):
    preset("categories/coffee", "name: coffee\n")
    found = complaints(write(f"extends: {extends}\n"))
    assert len(found) == 1
    assert words in found[0]


def test_a_circle_over_several_files_is_named(write):
    write("extends: ./b.yaml\n", "a.yaml")
    write("extends: ./a.yaml\n", "b.yaml")
    assert complaints(Path("a.yaml")) == [
        "b.yaml:1:10: extends goes in a circle: a.yaml -> b.yaml -> a.yaml"
    ]


def test_extends_goes_eight_files_deep_and_no_deeper(write):
    write("name: x\nbudget: 1\n", "f0.yaml")
    for number in range(1, 10):
        write(f"extends: ./f{number - 1}.yaml\n", f"f{number}.yaml")
    assert load(World, Path("f8.yaml")).name == "x"
    assert "extends goes more than 8 files deep" in complaints(Path("f9.yaml"))[0]


def test_a_fan_of_files_ends_soon(write, preset):
    preset("p0", "name: x")
    for number in range(1, 6):
        preset(f"p{number}", f"extends: [{', '.join([f'p{number - 1}'] * 50)}]")
    assert "a scenario reads at most 256" in complaints(write("extends: p5\n"))[0]


def test_an_uploaded_file_may_extend_presets_only(write, preset):
    preset("base", "name: x\nbudget: 1\n")
    write("name: secret\n", "secret.yaml")
    assert load(World, write("extends: base\n"), trusted=False).name == "x"
    for name in ("./secret.yaml", "/etc/hosts", "../secret.yaml"):
        found = complaints(write(f"extends: {name}\n"), trusted=False)
        assert found == [f"file.yaml:1:10: extends may name presets only here (got {name!r})"]


def test_a_preset_cannot_reach_for_files(write, preset):
    preset("base", "extends: ./file.yaml\n")
    assert (
        "presets/base.yaml:1:10: extends may name presets only"
        in complaints(write("extends: base\n"))[0]
    )


def test_an_upload_is_read_from_its_bytes(preset):
    preset("base", "name: x\n")
    tree = parse_tree(b"extends: base\nbudget: 3\n", "up.yaml", ["budget=4"])
    assert validate(World, tree).budget == 4
    with pytest.raises(ScenarioError, match=r"up\.yaml:1:10: extends may name presets only"):
        parse_tree(b"extends: ./x.yaml\n", "up.yaml")


@pytest.mark.parametrize("name", ["missing.yaml", "folder", "/dev/zero"])
def test_what_is_no_file_is_refused(write, name):
    write("", "folder/x")
    (message,) = complaints(Path(name))
    assert message.startswith(f"{name}:1:1: cannot be read: ")


# --------------------------------------------------------------------------- presets of entries
@pytest.fixture
def shelf(preset):
    preset("scenes/push", "provenance: estimate\ngoal: harvest\nevery: 2h\nbid: {target: 3}\n")
    preset("scenes/rest", "extends: scenes/push\nevery: 1d\n")
    preset("slots/words", "provenance: published\nkind: auction\nmedian_cpm: 9\ntiers: [1%]\n")


def test_an_entry_lies_over_the_preset_it_names(write, shelf):
    path = write(
        "name: x\nbudget: 1\nslots: {w: {preset: words, reserve_cpm: 2}}\n"
        "scenes: {a: {preset: push, every: 3h}, b: {preset: rest, bid: null}}\n"
    )
    world = load(World, path, ["slots.w.tiers.0=2%"])
    assert world.scenes["a"] == Scene(goal=Goal.harvest, every="3h", bid={"target": 3})
    assert world.scenes["b"] == Scene(goal=Goal.harvest, every="1d")
    words = dict(world.slots)["w"]
    assert words == Auction(kind="auction", median_cpm=9, reserve_cpm=2, tiers=[0.02])
    assert (spread_of(words.median_cpm), spread_of(words.reserve_cpm)) == (0.1, 0)
    assert (
        read_tree(path).nearest("slots.w.median_cpm")[0].source.name == "presets/slots/words.yaml"
    )


def test_a_preset_can_be_changed_by_a_later_file_and_by_set(write, shelf):
    write("name: x\nbudget: 1\nscenes: {a: {preset: push, budget: 5}}\n", "base.yaml")
    path = write("extends: ./base.yaml\nscenes: {a: {preset: rest}}\n")
    assert load(World, path).scenes["a"] == Scene(
        goal=Goal.harvest, every="1d", bid={"target": 3}, budget=5
    )
    assert load(World, path, ["scenes.a.preset=push"]).scenes["a"].every == 7200


WRITTEN = "scenes: {a: {preset: push, budget: 5}, b: {preset: rest}}\n"


@pytest.mark.parametrize(
    "sets",
    [
        ["scenes.a={preset: push, budget: 5}", "scenes.b={preset: rest}"],
        ["scenes={a: {preset: push, budget: 5}, b: {preset: rest}}"],
        ["scenes.b={preset: rest}", "scenes.a.budget=5", "scenes.a.preset=push"],
    ],
)
def test_an_entry_may_be_set_with_its_preset(write, shelf, sets):
    head = "name: x\nbudget: 1\n"
    written = load(World, write(head + WRITTEN))
    assert load(World, write(head), sets) == written
    for file in ("scenes: {a: {preset: rest}}\n", "scenes: {a: {budget: 3}, b: {}}\n"):
        assert load(World, write(head + file), sets) == written


def test_a_preset_that_is_set_lies_below_the_entry_of_the_file(write, shelf):
    path = write("name: x\nbudget: 1\nscenes: {a: {preset: rest, budget: 5}}\n")
    scene = load(World, path, ["scenes.a={preset: push, goal: launch}"]).scenes["a"]
    assert (scene.budget, scene.every, scene.goal) == (5, 7200, Goal.launch)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scenes.a={preset: pusch}", "1:19: scenes.a.preset names no preset: 'pusch', did you "
         "mean 'push'?"),
        ("scenes={a: {preset: pusch}}", "1:21: scenes.a.preset names no preset: 'pusch'"),
        ("scenes.a={preset: words}", "1:19: scenes.a.preset names no preset: 'words', there is one "
         "for slots"),
        ("scenes.a={preset: push, bid: x}", "1:30: scenes.a.bid must be a mapping of fields"),
        ("scenes.a={preset: push, budgt: 3}", "1:25: scenes.a.budgt is not a known field"),
        ("scenes.a={preset: push, preset: rest}", "1:25: preset is given twice"),
        ("budget={preset: push}", "1:8: budget must be a number"),
    ],
)  # fmt: skip
def test_a_bad_entry_that_is_set_is_explained(write, shelf, text, message):
    found = complaints(write("name: x\nbudget: 1\n"), [text])
    assert any(line.startswith(f"--set {text}:{message}") for line in found), found


def test_a_crowd_of_presets_ends_soon(write, shelf):
    entries = "".join(f"  a{number}: {{preset: rest}}\n" for number in range(30_000))
    found = complaints(write(f"scenes:\n{entries}"))
    assert found == ["file.yaml:130:18: is one file too many: a scenario reads at most 256"]


def test_a_crowd_of_unknown_presets_ends_soon(write, shelf):
    entries = "".join(f"  a{number}: {{preset: x}}\n" for number in range(30_000))
    assert len(complaints(write(f"scenes:\n{entries}"))) == 257


def test_every_unknown_preset_of_an_entry_is_told(write, shelf):
    path = write("scenes: {a: {preset: pusch}, b: {preset: 3}, c: {preset: ../slots/words}}\n")
    assert complaints(path) == [
        "file.yaml:1:22: scenes.a.preset names no preset: 'pusch', did you mean 'push'?",
        "file.yaml:1:42: scenes.b.preset names no preset: 3",
        "file.yaml:1:58: scenes.c.preset names no preset: '../slots/words'",
    ]


# --------------------------------------------------------------------------- provenance
@pytest.fixture
def sourced(write, preset):
    """A file over a published preset, that lies over an estimated one."""
    preset(
        "guess",
        """\
        provenance: estimate
        slots:
          a: {kind: auction, median_cpm: 40, reserve_cpm: 5, tiers: [1%, 2%]}
          b: {kind: contract, cpm: {value: 60}}
        """,
    )
    preset(
        "known",
        """\
        provenance: published
        extends: guess
        slots:
          a: {median_cpm: 44}
          c: {kind: contract, cpm: {value: 60, sd: 3%}}
          d: {kind: contract, cpm: {low: 50, high: 70}}
          e: {kind: contract, cpm: {value: 60, sd: 0}}
        """,
    )
    preset("plain", "slots: {f: {kind: contract, cpm: 9}}")
    return write("name: x\nextends: [known, plain]\nbudget: 1\nslots: {a: {tiers: [3%]}}\n")


def test_a_number_of_a_preset_is_as_sure_as_its_provenance(sourced):
    slots = slots_of(sourced)
    assert (slots["a"].median_cpm, spread_of(slots["a"].median_cpm)) == (44, 0.10)
    assert spread_of(slots["a"].reserve_cpm) == 0.30
    assert spread_of(slots["b"].cpm) == 0.30
    assert spread_of(slots["f"].cpm) == 0


def test_a_stated_spread_stays(sourced):
    slots = slots_of(sourced)
    assert [spread_of(slots[name].cpm) for name in "ce"] == [0.03, 0]
    assert slots["d"].cpm.low == 50


def test_a_user_s_own_number_has_no_spread(sourced):
    sets = ["slots.a.median_cpm=50", "slots.b.cpm=61", "slots.c.cpm={value: 62}"]
    slots = slots_of(sourced, *sets)
    assert [spread_of(rate) for rate in slots["a"].tiers] == [0]
    assert spread_of(slots["a"].median_cpm) == spread_of(slots["b"].cpm) == 0
    assert spread_of(slots["c"].cpm) == 0


def test_a_list_of_a_preset_gets_spreads_too(sourced):
    slots = slots_of(sourced, "slots.a.tiers=null")
    assert slots["a"].tiers == []
    Path("file.yaml").write_text("name: x\nextends: guess\nbudget: 1\n", encoding="utf-8")
    tiers = slots_of(sourced)["a"].tiers
    assert [(rate, spread_of(rate)) for rate in tiers] == [(0.01, 0.3), (0.02, 0.3)]


def test_an_uncertain_number_is_replaced_whole(sourced):
    Path("file.yaml").write_text(
        "name: x\nextends: known\nbudget: 1\n"
        "slots: {c: {cpm: {low: 1, high: 3}}, d: {cpm: {value: 4, sd: 1%}}, e: {cpm: {sd: 2%}}}\n",
        encoding="utf-8",
    )
    slots = slots_of(sourced)
    assert [slots[name].cpm for name in "cde"] == [2, 4, 60]
    assert (slots["c"].cpm.low, spread_of(slots["d"].cpm), spread_of(slots["e"].cpm)) == (
        1, 0.01, 0.02,
    )  # fmt: skip


def test_the_tree_tells_where_a_value_comes_from(sourced):
    tree = read_tree(sourced, ["slots.b.cpm=7"])

    def at(path) -> tuple[str, int, int, str | None]:
        node = tree.nearest(path)[0]
        return node.source.name, node.line, node.column, node.source.provenance

    assert at("slots.a.median_cpm")[::3] == ("presets/known.yaml", "published")
    assert at("slots.a.reserve_cpm")[3] == "estimate"
    assert at("slots.a.tiers.0") == ("file.yaml", 4, 21, None)
    assert at(("slots", "b", "cpm")) == ("--set slots.b.cpm=7", 1, 13, None)
    assert at("slots.f.cpm")[3] is None
    assert at("extends")[1] == 2


def test_a_cross_check_can_point_at_a_path(sourced):
    tree = read_tree(sourced)
    problem = tree.problem("slots.a.tiers.0", "is too low")
    assert str(problem) == "file.yaml:4:21: slots.a.tiers.0 is too low"
    nearest = tree.problem("slots.a.tiers.9.x", "is missing")
    assert (nearest.line, nearest.column, nearest.path) == (4, 20, "slots.a.tiers.9.x")
    assert tree.key_problem("slots.a", "is unused").column == 9
    assert str(tree.problem("", "is odd")).endswith(": is odd")


def test_a_provenance_is_one_of_two(write, preset):
    preset("base", "provenance: hearsay\n")
    assert complaints(write("extends: base\n")) == [
        "presets/base.yaml:1:13: provenance must be one of published, estimate"
    ]


def test_a_user_s_file_has_no_provenance(write):
    assert any("provenance is not a known field" in line for line in complaints(
        write("provenance: published\n")
    ))  # fmt: skip


# --------------------------------------------------------------------------- format
def test_the_format_is_1(write):
    assert load(World, write("format: 1\n" + GOOD)).name == "coffee"
    assert complaints(write("format: 2\nnonsense: 1\n")) == [
        "file.yaml:1:9: file is written for format 2; this version reads format 1: please update"
    ]
    assert complaints(write("format: one\n")) == ["file.yaml:1:9: format must be 1 (got 'one')"]


def test_a_model_may_declare_the_header(write, preset):
    class Headed(World):
        format: Literal[1] = 1
        extends: list[str] = []

    preset("base", "format: 1\nname: x\n")
    world = load(Headed, write("format: 1\nextends: base\nbudget: 1\n"))
    assert (world.format, world.extends) == (1, ["base"])


# --------------------------------------------------------------------------- --set
def test_set_lies_over_the_file(write):
    sets = [
        "budget=12m",
        "slots.search.median_cpm={value: 40, sd: 20%}",
        "slots.focus.packages.0.impressions=7",
        "scenes.extra.share=5%",
        "scenes.warm_up=null",
        "name=a=b",
    ]
    world = load(World, write(GOOD), sets)
    assert (world.budget, world.name) == (12_000_000, "a=b")
    slots: dict[str, Any] = dict(world.slots)
    assert spread_of(slots["search"].median_cpm) == 0.2
    assert slots["focus"].packages[0].impressions == 7
    assert list(world.scenes) == ["extra"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("budget=-1", "1:8: budget must be > 0 (got -1)"),
        ("budgt=1", "1:1: budgt is not a known field, did you mean 'budget'?"),
        ("slots.search.median_cpm= no", "1:26: slots.search.median_cpm must be a number such as "
         "40, 12k, 5m, 1.2万 (got 'no')"),
        ("slots.new.cpm=3", "1:1: slots.new.kind is required: one of auction, contract"),
        ("budget.x=3", "1:10: budget.x cannot be set below a single value ('9m', file.yaml:2:9)"),
        ("budget.x.y=3", "1:1: budget.x cannot be set below a single value "
         "('9m', file.yaml:2:9)"),
        ("slots.focus.packages.1=3", "1:24: slots.focus.packages.1 must be a number below 1, "
         "an entry of the list"),
        ("slots.focus.packages.x.y=3", "1:1: slots.focus.packages.x must be a number below 1, "
         "an entry of the list"),
        (f"slots.focus.packages.{'9' * 5000}=3", "must be a number below 1"),
        ("budget", "1:1: must read KEY=VALUE with a dotted KEY such as slots.search.median_cpm"),
        ("=3", "1:1: must read KEY=VALUE"),
        ("a..b=3", "1:1: must read KEY=VALUE"),
        (f"{'a.' * 100_000}b=3", "1:1: must read KEY=VALUE"),
        ("budget=", "1:1: budget has no value; null takes it away"),
        ("slots={}", "1:7: slots takes nothing away: null does"),
        ("budget=[1", "1:8: is not YAML"),
        ("budget=*x", "1:8: aliases (*name) are not read"),
        ("name=\udcff", "is not UTF-8 text"),
        (f"name={'[' * 100_000}", "is nested more than 64 levels deep"),
        ("extends=base", "1:1: extends cannot be set, only written in a file"),
    ],
)  # fmt: skip
def test_a_bad_set_is_explained(write, text, message):
    found = complaints(write(GOOD), [text])
    assert any(line.startswith("--set ") and message in line for line in found), found


def test_every_bad_set_is_told(write):
    assert len(complaints(write(GOOD), ["x", "budget.y=1", "z="])) == 3


# --------------------------------------------------------------------------- files that mean harm
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{chr(ord(name) - 1)}'] * 9)}]\n" for name in "bcdefghi"
)

HOSTILE = {
    "brackets": (b"[" * 100_000, "1:65: is nested more than 64 levels deep"),
    "braces": (b"{" * 100_000, "1:2: must not be a mapping: a name is plain text"),
    "named braces": (b"{a: " * 100_000, "1:257: is nested more than 64 levels deep"),
    "brackets on lines": (b"[\n" * 100_000, "65:1: is nested more than 64 levels deep"),
    "value brackets": (b"a: " + b"[" * 100_000, "1:67: is nested more than 64 levels deep"),
    "dashes": (b"- " * 100_000, "1:129: is nested more than 64 levels deep"),
    "questions": (b"? " * 100_000, "1:3: must not be a mapping: a name is plain text"),
    "staircase": (
        b"".join(b" " * depth + b"a:\n" for depth in range(2000)),
        "65:65: is nested more than 64 levels deep",
    ),
    "alias bomb": (BOMB.encode(), "1:4: anchors (&name) are not read"),
    "alias": (b"a: 1\nb: *a\n", "2:4: aliases (*name) are not read"),
    "10 MB": (b"a: 1\n" * 2_000_000, "1:1: is larger than 5 MB"),
    "10 MB of one word": (b"a: " + b"x" * 10_000_000, "1:1: is larger than 5 MB"),
    "many values": (b"- a\n" * 1_200_000, "200000:3: has more than 200000 values"),
    "binary": (bytes(range(256)) * 10, "2:118: is not UTF-8 text"),
    "binary later": (b"name: x\nbudget: \xff\xfe\n", "2:9: is not UTF-8 text"),
    "UTF-16": ("name: x".encode("utf-16"), "1:1: is UTF-16 text: save the file as UTF-8"),
    "UTF-16 without mark": ("name: x".encode("utf-16-le"), "1:2: has an unprintable character"),
    "GBK": ("name: 咖啡".encode("gbk"), "1:7: is not UTF-8 text"),
    "escape": (b"name: \x1b[31m", "1:7: has an unprintable character (U+001B)"),
    "escaped escape": (b'name: "\\e[31m"', "1:7: has an unprintable character"),
    "broken name": (b'"a\\nb": 1', "1:1: name 'a\\nb' must stand on one line"),
    "surrogate": (b'name: "\\ud800"', "file.yaml:1:"),
    "tab": (b"slots:\n\ta: 1", "token: a tab cannot indent, use spaces"),
    "open quote": (b'name: "x\nbudget: 1\n', "1:7: is not YAML: found unexpected end of stream"),
    "open bracket": (b"name: [x\nbudget: 1\n", "is not YAML"),
    "colons": (b"a: b: c\n", "1:5: is not YAML: mapping values are not allowed"),
    "same name twice": (b"name: x\nbudget: 1\nname: y\n",
                        "3:1: name is given twice, first at line 1, column 1"),
    "twice within": (b"slots:\n  a:\n  - {b: 1, b: 2}\n",
                     "3:12: slots.a.0.b is given twice, first at line 3, column 6"),
    "merge key": (b"a: {x: 1}\nb:\n  <<: {y: 1}\n",
                  "3:3: merge keys (<<) are not read; use extends"),
    "python tag": (b"name: !!python/object/apply:os.system [ls]\n",
                   "1:7: tags (!name) are not read"),
    "own tag": (b"name: !foo bar\n", "1:7: tags (!name) are not read"),
    "str tag": (b"name: !!str 5\n", "1:7: tags (!name) are not read"),
    "number as name": (b"2020: x\ntrue: y\n", "1:1: name 2020 must be text: write it in quotes"),
    "list as name": (b"? [a, b]\n: c\n", "1:3: must not be a list: a name is plain text"),
    "two documents": (b"name: x\n---\nname: y\n", "2:1: must hold one document only"),
    "two empty documents": (b"---\n---\n", "2:1: must hold one document only"),
    "empty": (b"", "1:1: must hold a mapping of fields"),
    "comment only": (b"# nothing\n", "1:1: must hold a mapping of fields"),
    "list": (b"- a\n", "1:1: must hold a mapping of fields"),
    "word": (b"hello\n", "1:1: must hold a mapping of fields"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_at_its_place(write, name):
    data, message = HOSTILE[name]
    found = complaints(write(data))
    assert any(line.startswith("file.yaml:") and message in line for line in found), found


def test_sixty_four_levels_are_read():
    depth = MOST_DEPTH - 1
    tree = parse_tree(b"a: " + b"[" * depth + b"]" * depth)
    assert tree.nearest("a" + ".0" * (depth - 1))[0].column == 3 + depth


def test_every_repeated_name_is_told(write):
    assert len(complaints(write("a: 1\na: 2\nb: {c: 1, c: 2}\n3: 4\n"))) == 3


TOKENS = [
    "&a", "*a", "<<:", "!!x", "[", "]", "{", "}", ": ", "- ", "\n", "\t", "null", "~", "---", "...",
    "'", '"', "|", ">", "%", "#", "12:30", "1e999", "-1", "\x00", "\ufeff", "\u2028", "万", "? ",
    "kind: contract", "extends: [x]", "format: 3", "{value: 1, sd: 9}", "true", "@", "`", ",",
]  # fmt: skip


def mutated(chance: random.Random) -> bytes:
    """GOOD after one to three accidents."""
    data = GOOD.encode()
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(data))
        match chance.randrange(5):
            case 0:
                data = (
                    data[:place]
                    + bytes([data[place] ^ 1 << chance.randrange(8)])
                    + data[place + 1 :]
                )
            case 1:
                data = data[:place] + data[place + chance.randint(1, 9) :]
            case 2:
                data = data[:place] + chance.choice(TOKENS).encode() + data[place:]
            case 3:
                lines = data.splitlines(keepends=True)
                lines.insert(chance.randrange(len(lines)), chance.choice(lines))
                data = b"".join(lines)
            case _:
                words = GOOD.split()
                old, new = chance.choice(words), chance.choice(words)
                data = data.replace(old.encode(), new.encode(), 1)
    return data


def test_any_accident_gives_a_model_or_positions(write):
    chance = random.Random(20201111)
    read = 0
    for _ in range(600):
        path = write(mutated(chance))
        try:
            read += isinstance(load(World, path), World)
        except ScenarioError as error:
            assert error.problems
            for problem in error.problems:
                assert problem.file == "file.yaml"
                assert 1 <= problem.line <= 60
                assert problem.column >= 1
                assert problem.message
    assert 0 < read < 500


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\nbudget：60k\n", "x.yaml:2:7: has '：', which is no ':'"),
        ("name: x\nbudget:\u300060k\nplans: {}\n", "x.yaml:2:8: has"),
        ("scenes: {a: 1， b: 2: 3}\n", "x.yaml:1:14: has '，', which is no ','"),
    ],
)  # fmt: skip
def test_full_width_signs_are_told_at_their_place(text: str, words: str):
    with pytest.raises(ScenarioError) as caught:
        parse_tree(text.encode(), "x.yaml")
    assert words in str(caught.value)


def test_full_width_signs_may_stand_in_texts_and_remarks():
    tree = parse_tree("name: 新品：咖啡，茶 # 说明：好\n".encode(), "x.yaml")
    assert tree.root.child("name").value == "新品：咖啡，茶"


@pytest.mark.parametrize(
    ("setting", "near"),
    [
        ("slots.serch.median_cpm=60", "search"), ("plans.evem.scenes.harvest=10%", "even"),
        ("calendar.phases.sal.traffic=2", "sale"), ("incentives.rebates.redd.rate=2%", "red"),
    ],
)  # fmt: skip
def test_a_slip_of_the_pen_makes_no_new_entry(setting: str, near: str):
    text = b"slots: {search: {}}\nplans: {even: {}}\ncalendar: {phases: {sale: {}}}\nincentives: {rebates: {red: {}}}\n"
    with pytest.raises(
        ScenarioError, match=f"does not exist, did you mean '{near}'.*set it as a whole"
    ):
        parse_tree(text, "x.yaml", [setting])
    parse_tree(
        text, "x.yaml", [setting.replace(near[:2], "other_", 1), "slots.serch={kind: auction}"]
    )
