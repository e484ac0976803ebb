"""The tables of docs/model.md, of the market and of exact rules: every field, file and test that they name exists."""

import ast
import json
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PRESETS = ROOT / "simulator/scenario"
COLOUR = {
    "Teams were reorganised",
    "M summit",
    "An education show with road maps",
    "number of viewers",
    "jobs created",
    "Channel against platform",
}
"""All that may stand in the table without a place in the model."""


class Row(NamedTuple):
    """A row of the market's table, its lists taken apart."""

    market: str
    concept: str
    fields: list[str]
    files: list[str]
    tests: list[str]


@cache
def cells(heading: str) -> list[list[str]]:
    """The rows of all tables below a heading of docs/model.md, without their heads."""
    text = (ROOT / "docs/model.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    heads = {i for i, row in enumerate(rows) if set(row[0].strip()) <= {"-", " "}}
    return [[x.strip() for x in row] for i, row in enumerate(rows) if not {i, i + 1} & heads]


def market() -> list[list[str]]:
    return cells("18. From the market to the model")


def rows() -> list[Row]:
    """The rows with a place in the model."""
    listed = ((*row[:2], *(re.findall(r"`([^`]+)`", x) for x in row[2:])) for row in market())
    return [Row(*row) for row in listed if any(row[2:])]


def place(name: str) -> Path:
    """A preset or scenario as the table writes it."""
    return (PRESETS if name.startswith("presets/") else ROOT) / name


# --- what must exist ----------------------------------------------------------------------------


@cache
def schema() -> Any:
    return json.loads((PRESETS / "scenario.schema.json").read_text(encoding="utf-8"))


def below(node: Any, step: str) -> list[Any]:
    """The parts of a schema's node that a step of a path leads to."""
    if "$ref" in node:
        return below(schema()["$defs"][node["$ref"].rsplit("/", 1)[1]], step)
    found = [
        x for key in ("anyOf", "oneOf", "allOf") for y in node.get(key, ()) for x in below(y, step)
    ]
    found += [x for name, x in node.get("properties", {}).items() if name == step]
    if step == "NAME" and isinstance(node.get("additionalProperties"), dict):
        found.append(node["additionalProperties"])
    if step == "NAME":
        found += node.get("patternProperties", {}).values()
    if step == "0":
        found += node.get("prefixItems", []) or [x for x in [node.get("items")] if x]
    return found


def exists(field: str) -> bool:
    nodes = [schema()]
    for step in field.split("."):
        nodes = [x for node in nodes for x in below(node, step)]
    return bool(nodes)


@cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def is_there(test: str) -> bool:
    """A story, or a test function of a file that is collected."""
    name, _, function = test.partition("::")
    path = ROOT / name
    if not path.is_file() or not name.startswith("tests/"):
        return False
    if path.suffix == ".yaml":
        return path.parent.name == "stories" and not function
    return (
        path.name.startswith("test_")
        and function.startswith("test_")
        and function in functions(path)
    )


def missing(names: list[str], there: Any) -> list[str]:
    return [name for name in names if not there(name)]


# --- the market ---------------------------------------------------------------------------------


def test_no_cell_is_empty():
    assert {len(row) for row in market()} == {5}
    assert [row for row in market() if not all(row)] == []
    assert len(market()) >= 143 and len({row[0] for row in market()}) == len(market())


def test_every_field_of_the_schema_exists():
    assert missing([x for row in rows() for x in row.fields], exists) == []


def test_every_preset_and_scenario_exists():
    names = [x for row in rows() for x in row.files]
    assert missing(names, lambda name: place(name).is_file()) == []
    assert {name.split("/")[0] for name in names} == {"presets", "scenarios"}


def test_every_test_and_story_exists():
    assert missing([x for row in rows() for x in row.tests], is_there) == []


def test_every_row_has_its_field_its_file_and_its_test():
    assert [row.market for row in rows() if not (row.fields and row.files and row.tests)] == []


def test_only_what_has_no_place_in_a_model_is_colour():
    whole = {row[0] for row in market() if "colour only" in row[1:]}
    assert all(row[1:] == ["colour only"] * 4 for row in market() if row[0] in whole)
    part = re.findall(
        r"\((?:the )?([^()]+?) (?:is|are) colour only\)", "\n".join(row[0] for row in market())
    )
    assert whole | {*part} == COLOUR
    assert sum(" ".join(row).count("colour only") for row in market()) == 4 * len(whole) + len(part)


def test_fields_stand_in_the_file_or_the_test_beside_them():
    """Every field of a row is written in one of its files, or set or read by one of its tests."""
    absent = {row.market: left for row in rows() if (left := set(leaves(row)) - written(row))}
    assert absent == {}


def leaves(row: Row) -> list[str]:
    """The last word of each field that is a word of the schema."""
    return [
        [step for step in field.split(".") if step not in ("NAME", "0")][-1] for field in row.fields
    ]


def written(row: Row) -> set[str]:
    places = [*map(place, row.files), *(ROOT / test.split("::")[0] for test in row.tests)]
    return {
        word for path in places for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))
    }


def test_every_scenario_and_every_story_of_the_table_is_read():
    """Files that the table names are YAML with something in it."""
    named = {place(x) for row in rows() for x in row.files}
    named |= {ROOT / x for row in rows() for x in row.tests if x.endswith(".yaml")}
    assert [
        path.name for path in named if not yaml.safe_load(path.read_text(encoding="utf-8"))
    ] == []


def test_every_shipped_scenario_has_its_row():
    named = {x for row in rows() for x in row.files}
    shipped = {f"scenarios/{path.name}" for path in (ROOT / "scenarios").glob("*.yaml")}
    assert shipped - named == set()


# --- the readers of the table -------------------------------------------------------------------


@pytest.mark.parametrize(
    "field", ["budgets", "slots.NAME.cpms", "products.price", "segments.NAME.start.NAME.more"]
)
def test_a_field_that_is_none_is_noticed(field: str):
    assert not exists(field)


@pytest.mark.parametrize(
    "test",
    ["tests/stories/none.yaml", "tests/test_mapping.py::test_none", "tests/test_mapping.py::exists",
     "tests/worlds.py::minimal", "tests/baseline.yaml"],
)  # fmt: skip
def test_a_test_that_is_none_is_noticed(test: str):
    assert not is_there(test)


# --- rules that hold exactly --------------------------------------------------------------------


def test_every_exact_rule_has_a_test_that_exists():
    table = cells("19. Rules that hold exactly")
    assert len(table) >= 7
    for rule, field, tests in table:
        assert rule and re.findall(r"`([^`]+)`", tests), rule
        assert missing(re.findall(r"`([^`]+)`", field), exists) == []
        assert missing(re.findall(r"`([^`]+)`", tests), is_there) == []
