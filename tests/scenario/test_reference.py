"""The JSON Schema and the reference page are those of the model, and true of every shipped file."""

import json
import re
from pathlib import Path

import pytest

from simulator.scenario import goods, incentives, schema
from simulator.scenario.amounts import Part
from simulator.scenario.nodes import Source, compose
from simulator.scenario.reference import make_schema, page_text, schema_text, unit_of

ROOT = Path(__file__).parents[2]
SCHEMA = make_schema()
STARTER = ROOT / "simulator/scenario/presets/starter.yaml.txt"
SHIPPED = [*sorted((ROOT / "scenarios").glob("*.yaml")), STARTER]
PARTS = {
    name: part
    for name, part in (vars(schema) | vars(goods) | vars(incentives)).items()
    if isinstance(part, type) and issubclass(part, Part)
}


def plain(text):
    root = compose(text, Source("file.yaml"))
    assert root is not None
    return root.plain()


def faults(data):
    jsonschema = pytest.importorskip("jsonschema")
    return [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(data)]


def nodes(node):
    yield node
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(item)


# --------------------------------------------------------------------------- fresh
def test_the_json_schema_is_that_of_the_model():
    path = ROOT / "simulator/scenario/scenario.schema.json"
    stale = f"stale: adsim schema -o {path.relative_to(ROOT)}"
    assert path.read_text(encoding="utf-8") == schema_text(), stale


def test_the_reference_page_is_that_of_the_model():
    path = ROOT / "docs/scenario.md"
    stale = f"stale: adsim schema --format markdown -o {path.relative_to(ROOT)}"
    assert path.read_text(encoding="utf-8") == page_text(), stale


# --------------------------------------------------------------------------- whole
def test_every_reference_finds_its_definition():
    found = {node["$ref"] for node in nodes(SCHEMA) if isinstance(node, dict) and "$ref" in node}
    assert found == {f"#/$defs/{name}" for name in SCHEMA["$defs"]}


def test_every_row_of_the_page_is_one_line():
    rows = [line for line in page_text().splitlines() if line.startswith("|")]
    assert all(row.endswith("|") for row in rows)


@pytest.mark.parametrize("name", sorted(PARTS.keys() - {"Part", "SlotBase"}))
def test_every_field_of_the_model_has_its_sentence(name):
    part = SCHEMA if name == "Scenario" else SCHEMA["$defs"][name]
    assert part["additionalProperties"] is False or name == "PlanEntry"
    own = part["properties"].keys() - {"preset", "extends"}
    assert own == PARTS[name].model_fields.keys()
    silent = [field for field, value in part["properties"].items() if not value.get("description")]
    assert silent == []


def test_every_field_stands_on_the_page():
    page = page_text()
    for part in PARTS.values():
        for field in part.model_fields:
            assert f"| `{field}` | " in page
    for line in page.splitlines():
        if line.startswith("| `"):
            cells = line.split(" | ")
            assert cells[1].strip(), line
            assert len(cells) == 6 and len(cells[5]) > 7, line
    anchors = {
        heading.lower().replace(" ", "-") for heading in re.findall(r"^## (.+)$", page, re.M)
    }
    assert set(re.findall(r"\(#([a-z-]+)\)", page)) <= anchors


def test_bounds_units_and_defaults_stand_on_the_page():
    page = page_text()
    for row in (
        "| `budget` | amount | > 0 | CNY | required | Money to split over scenes and packages, signed ones included. |",
        "| `clock` | duration |  |  | `1d` | ",
        "| `organic_cvr` | rate | >= 0, < 1 | share | `0.03` | ",
        "| `lapse_days` | amount | > 0 | d | `180` | ",
        "| `audience` | bands with share |  |  | required | ",
        "| `mechanism` | `second_price`, `gsp`, `vcg`, `first_price` |  |  | `second_price` | ",
    ):
        assert row in page, row


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("budget", "CNY"), ("slots.any.reserve_cpm", "CNY per 1000 impressions"),
        ("products.任何.discount.sale", "share"), ("calendar.phases.sale.cvr", "x"),
        ("commerce.refund_slow_days", "d"), ("slots.any.mechanism", ""), ("nothing.at.all", ""),
    ],
)  # fmt: skip
def test_the_unit_of_a_path_is_that_of_its_field(path, unit):
    assert unit_of(path) == unit


# --------------------------------------------------------------------------- true
def test_it_is_a_json_schema():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_scenario_fits_the_json_schema(path):
    data = plain(path.read_text(encoding="utf-8"))
    assert faults(data) == []
    assert faults(data | {"extend": []}) != []


FITTING = [
    "{extends: calendars/plain}",
    "{extends: [./base.yaml, chain/deeplink]}",
    "{budget: 1.2万, segments: {a: null, 会员: {people: {low: 1k, high: 2k}}}}",
    "{scenes: {harvest: {preset: harvest, slots: [feed], audience: {active: 50%}}}}",
    "{plans: {a: {x: 20%, y: {sale: 3m}}, b: {scenes: {x: 3e5}, packages: none}}}",
    "{calendar: {phases: {sale: {clock: 15min, start: 2021-03-01 20:00}}}}",
]
WRONG = [
    "{extends: calendars/plan}",
    "{budget: -1}",
    "{budget: a lot}",
    "{format: 2}",
    "{segments: {a.b: {people: 1}}}",
    "{segments: {a: {people: 1, size: 2}}}",
    "{segments: {a: {start: {first: 1%}}}}",
    "{scenes: {harvest: {preset: harvst}}}",
    "{scenes: {harvest: {audience: {activ: 50%}}}}",
    "{slots: {a: {kind: auctoin}}}",
    "{slots: {a: {kind: auction, mechanism: gps}}}",
    "{calendar: {balances: [{start: 2021-03-01}]}}",
    "{calendar: {phases: {sale: {clock: 15}}}}",
    "{calendar: {hours_buy: [1, 2]}}",
    "{products: {a: {margin: 1.5}}}",
    "{products: {a: {price: {value: 1, sdd: 1}}}}",
]


@pytest.mark.parametrize("text", FITTING)
def test_what_an_editor_accepts(text):
    assert faults(plain(text)) == []


@pytest.mark.parametrize("text", WRONG)
def test_what_an_editor_underlines(text):
    assert faults(plain(text)) != []


def test_the_json_schema_is_plain_json():
    assert json.loads(schema_text()) == SCHEMA
    assert schema_text().endswith("}\n")
