"""The reference of a scenario file, made from the model: a JSON Schema for editors, and a page.

The model says what a whole scenario must hold. A file holds less, for presets lie below it: in the
JSON Schema nothing that a preset can give is required, and `extends`, `preset` and null are known.
"""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter

from simulator.scenario.amounts import Part, Share, duration
from simulator.scenario.chain import BANDS, CHAIN_STAGES
from simulator.scenario.loader import preset_names
from simulator.scenario.schema import Scenario

Json = dict[str, Any]

_NUMBERS = {
    (False, False): ("Amount", "A number: 40, 1e6, 12k, 5m, 1.5bn, 1.2万, 3亿."),
    (True, False): ("Share", "A share or multiple: 0.025 or 2.5%."),
    (False, True): (
        "Level",
        "A number, or one that is not quite known: 80, {value: 80, sd: 20%}, {low: 60, high: 100}.",
    ),
    (True, True): (
        "Rate",
        "A share, or one that is not quite known: 2.5%, {value: 2.5%, sd: 20%}.",
    ),
}
"""Definitions of numbers, by whether they may be percentages and whether they may be uncertain."""
_MONEY = ("Money", "Money [CNY], or a share of the budget: 3m or 20%.")

_NOTHING = {"const": None, "description": "Takes away what a preset gives."}

_STAGES = list(CHAIN_STAGES)
_WORDS = {
    ("Scene", "audience"): list(BANDS),
    ("Source", "organic_bands"): list(BANDS),
    ("Segment", "start"): [*_STAGES, "perform"],
    ("Chain", "visit_moves"): [*_STAGES, "customers"],
    ("Chain", "base_moves"): _STAGES,
    ("Chain", "buy_propensity"): _STAGES,
    ("Chain", "reference_mix"): _STAGES,
}
"""Mappings whose names are words of the model, not of the user."""


_NUMBER_NAMES = {_MONEY[0], *(name for name, _ in _NUMBERS.values())}


def tidied(file: type[Part] = Scenario) -> tuple[Json, Json, Json]:
    """The model of a file as JSON Schema: the root, its parts by name, and the numbers by name."""
    root = file.model_json_schema()
    definitions: Json = root.pop("$defs")
    described = definitions | {file.__name__: root}
    for kind in _kinds(Part):
        if kind.__name__ in described:
            _describe(described[kind.__name__]["properties"], kind)
    numbers: Json = {}
    parts: Json = _tidy(definitions, numbers)
    root = _tidy(root, numbers)
    for (owner, field), words in _WORDS.items() if file is Scenario else ():
        parts[owner]["properties"][field]["propertyNames"] = {"enum": words}
    return root, parts, numbers


def _describe(fields: Json, kind: type[Part]) -> None:
    """Gives every field of a part its sentence."""
    for field, sentence in _sentences(kind).items():
        name = kind.model_fields[field].alias or field
        fields[name] = dict(sorted((fields[name] | {"description": sentence}).items()))


def _kinds(kind: type[Part]) -> Iterator[type[Part]]:
    """Every kind of part, those that other kinds extend before them."""
    for below in kind.__subclasses__():
        yield below
        yield from _kinds(below)


def _sentences(kind: type[Part]) -> dict[str, str]:
    """The sentence below each field, own and inherited, read from the source.

    Pydantic can read them, too, but it would do so whenever a file is read.
    """
    found: dict[str, str] = {}
    for owner in reversed([base for base in kind.__mro__ if issubclass(base, Part)]):
        (definition,) = ast.parse(inspect.getsource(owner)).body
        assert isinstance(definition, ast.ClassDef)
        for field, below in pairwise(definition.body):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[name] = text
    return found


# --------------------------------------------------------------------------- JSON Schema
def make_schema() -> Json:
    """The JSON Schema of a scenario file."""
    root, parts, numbers = tidied()
    in_lists = {*_inside_lists(root), *_inside_lists(parts)}
    for name in parts.keys() - in_lists:
        parts[name].pop("required", None)
    root.pop("required", None)
    _know_presets(root["properties"], parts)
    _know_short_plans(parts["PlanEntry"])
    root["properties"] = {"extends": _extends()} | root["properties"]
    return headed("Scenario", root) | {"$defs": parts | numbers}


def headed(title: str, root: Json) -> Json:
    """The root of a model under its title, as a JSON Schema begins."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    keys = ("description", "type", "additionalProperties", "required", "properties")
    return head | {key: root[key] for key in keys if key in root}


def schema_text(schema: Json | None = None) -> str:
    """A JSON Schema as text; that of a scenario stands in simulator/scenario/scenario.schema.json."""
    return json.dumps(schema or make_schema(), indent=1, ensure_ascii=False) + "\n"


def _extends() -> Json:
    whole = [
        name
        for name in preset_names()
        if name.split("/")[0] in {"calendars", "categories", "chain"}
    ]
    name: Json = {"anyOf": [{"enum": whole}, {"type": "string", "pattern": r"^\.{0,2}/"}]}
    sentence = "Presets, or paths of files (./ or /), that lie below this file, the first lowest."
    return {"anyOf": [name, {"type": "array", "items": name}], "description": sentence}


def _inside_lists(node: Any) -> Iterator[str]:
    """Parts that are entries of lists: nothing lies below those."""
    for key, value in node.items() if isinstance(node, dict) else ():
        if key == "items" and "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for item in value if isinstance(value, list) else [value]:
            yield from _inside_lists(item)


def _know_presets(sections: Json, parts: Json) -> None:
    """Entries of a section may start from a preset, be taken away by null, and have any name."""
    for section, field in sections.items():
        inner = field.get("additionalProperties")
        if not inner:
            continue
        members = [inner] if "$ref" in inner else inner["oneOf"]
        presets = [
            name.partition("/")[2] for name in preset_names() if name.startswith(f"{section}/")
        ]
        for member in members if presets else []:
            sentence = f"Preset that the entry starts from, one of {section}/."
            preset = {"enum": presets, "description": sentence}
            part = parts[member["$ref"].rpartition("/")[2]]
            part["properties"] = {"preset": preset} | part["properties"]
        field["additionalProperties"] = {"anyOf": [*members, _NOTHING]}
        field["propertyNames"] = {"pattern": r"^[^./\s]+$"}


def _know_short_plans(part: Json) -> None:
    """`{new_customer: 20%, harvest: 80%}` without the word scenes."""
    part["additionalProperties"] = part["properties"]["scenes"]["additionalProperties"]


def _tidy(node: Any, numbers: Json) -> Any:
    """The node with numbers by reference, and without what pydantic adds for itself."""
    if isinstance(node, list):
        return [_tidy(item, numbers) for item in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "number" and "ge" in node:
        return _number(_MONEY, _money_forms(), numbers) | {"minimum": node["ge"]}
    node = _without_null({key: item for key, item in node.items() if not _is_noise(key, item)})
    if isinstance(node.get("default"), int) and node.get("type") == "string":
        node["default"] = duration(node["default"])
    forms = node.get("anyOf", [])
    if forms[:1] != [{"type": "number"}]:
        return {key: _tidy(item, numbers) for key, item in node.items()}
    for strict, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if node.get(strict) == node.get(bound):
            node.pop(bound, None)
    kind = ("%" in forms[1]["pattern"], len(forms) > 2)
    rest = {key: item for key, item in node.items() if key != "anyOf"}
    return _number(_NUMBERS[kind], forms, numbers) | rest


def _without_null(node: Json) -> Json:
    """A field that may be absent need not be null."""
    forms = [form for form in node.get("anyOf", []) if form != {"type": "null"}]
    if len(forms) == len(node.get("anyOf", [])):
        return node
    rest = {key: item for key, item in node.items() if key != "anyOf"}
    return rest | (forms[0] if len(forms) == 1 else {"anyOf": forms})


def _is_noise(key: str, item: Any) -> bool:
    """Titles that repeat the name, and defaults that are whole parts or nothing."""
    titled = key == "title" and isinstance(item, str)
    return titled or (key == "default" and (item is None or isinstance(item, dict)))


def _number(named: tuple[str, str], forms: list[Json], numbers: Json) -> Json:
    name, sentence = named
    numbers.setdefault(name, {"description": sentence, "anyOf": forms})
    return {"$ref": f"#/$defs/{name}"}


def _money_forms() -> list[Json]:
    share: Json = TypeAdapter(Share).json_schema()
    return list(share["anyOf"])


# --------------------------------------------------------------------------- units
def unit_of(path: str) -> str:
    """The unit of the number at a dotted path of a scenario file; nothing where it has none.

    >>> unit_of("slots.search_words.median_cpm"), unit_of("slots.search_words.ctr"), unit_of("name")
    ('CNY per 1000 impressions', 'share', '')
    """
    schema = _made_once()
    fields, words = [schema], path.split(".")
    for word in words:
        fields = [below for field in fields for below in _below(field, word, schema["$defs"])]
    return next(filter(None, (_unit(words[-1], field, _type(field)) for field in fields)), "")


@cache
def _made_once() -> Json:
    return make_schema()


def _below(field: Json, word: str, parts: Json) -> Iterator[Json]:
    """What a field of this kind has under a name or a number."""
    part = field.get("$ref", "").rpartition("/")[2]
    for form in [*field.get("anyOf", []), *field.get("oneOf", [])]:
        yield from _below(form, word, parts)
    if part and part not in _NUMBER_NAMES:
        yield from _below(parts[part], word, parts)
    elif word in field.get("properties", {}):
        yield field["properties"][word]
    elif isinstance(field.get("additionalProperties"), dict):
        more = field["additionalProperties"]
        yield {"description": field.get("description", "")} | more
    elif "items" in field:
        yield field["items"]


# --------------------------------------------------------------------------- the page
_HEAD = """\
# The scenario file

Every field of a scenario file. This page is made from the model by `adsim schema --format
markdown`: do not edit it. `adsim check FILE` reads a file against all of this and against
itself, and names the line of everything that is wrong. `adsim new NAME` writes a file to start
from, `adsim schema` the JSON Schema with which an editor completes one.

A file is YAML 1.2 without anchors, aliases and tags. `no`, `12:30` and dates are text. No name
may be given twice. Your own names (of segments, scenes, plans ...) are letters of any script,
digits, `_` and `-`.

| written as | means |
| --- | --- |
"""
_WRITTEN = {
    "moment": "Local wall-clock time, one zone a file: 2020-11-11 or 2020-11-11 20:00.",
    "duration": "30s, 15min, 1h, 7d or 2w.",
    "bands": f"Of an audience: {', '.join(BANDS)}.",
    "chain stages": f"Where a person stands: {', '.join(CHAIN_STAGES)}.",
}
_PRESETS = """
## Presets

`extends: [calendars/plain, chain/deeplink]` lays whole presets, or files (`./base.yaml`), below
the file; `preset: harvest` in an entry lays a preset below that entry. Mappings merge, but the
money of a plan is one value; anything else replaces, and `null` takes an entry away.
`--set slots.search.median_cpm=60` lays one value on top of all, and
`--set 'scenes.mine={preset: live, slots: [feed]}'` a whole entry. A number of a preset has a
spread of its own, or that of its origin: 10% when it was published, 30% when it is our estimate.

Media that is paid by what it sells is no slot and takes no money of a plan: affiliates 淘宝客 and
creators are `commissions`. Full hosting with a guaranteed sum of sales 百亿聚星 is no slot either: it
is `incentives.hosted`, as in `scenarios/hosted_guarantee.yaml`.

| section | presets |
| --- | --- |
"""


def page_text() -> str:
    """The reference page as it stands in docs/scenario.md."""
    root, parts, numbers = tidied()
    written = {name.lower(): number["description"] for name, number in numbers.items()}
    lines = [
        _HEAD.rstrip(),
        *(f"| {name} | {what} |" for name, what in (written | _WRITTEN).items()),
    ]
    for title, path, part in _walk(root, parts):
        lines += ["", f"## {title}", "", f"{part['description']}", ""]
        lines += [f"In the file: {path}.", ""] if path else []
        lines += [
            "| field | type | bound | unit | default | |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        required = part.get("required", [])
        lines += [_row(name, field, name in required) for name, field in part["properties"].items()]
    lines += [_PRESETS.rstrip(), *_preset_rows()]
    return "\n".join(lines) + "\n"


def _walk(root: Json, parts: Json) -> Iterator[tuple[str, str, Json]]:
    """Title, place and definition of every part, each after the part that it stands in."""
    places: dict[str, list[str]] = {}
    _place(root, "", parts, places)
    yield "Scenario", "", root
    for name, found in places.items():
        shown = ", ".join(f"`{path}`" for path in dict.fromkeys(found))
        yield _title(name), shown, parts[name]


def _place(part: Json, path: str, parts: Json, places: dict[str, list[str]]) -> None:
    for name, field in part["properties"].items():
        for inner, way in _parts_in(field, f"{path}{name}"):
            places.setdefault(inner, []).append(way)
            _place(parts[inner], f"{way}.", parts, places)


def _parts_in(field: Json, path: str) -> Iterator[tuple[str, str]]:
    """Parts that a field holds, and the way to them."""
    name = field.get("$ref", "").rpartition("/")[2]
    if name and name not in _NUMBER_NAMES:
        yield name, path
    for form in [*field.get("anyOf", []), *field.get("oneOf", [])]:
        yield from _parts_in(form, path)
    if isinstance(field.get("additionalProperties"), dict):
        yield from _parts_in(field["additionalProperties"], f"{path}.NAME")
    if "items" in field:
        yield from _parts_in(field["items"], f"{path}.0")


def _row(name: str, field: Json, required: bool) -> str:
    plain = " ".join(re.sub(r"\s*\[[^\]]+\]", "", field.get("description", "")).split())
    kind = _type(field)
    default = "required" if required else _default(field.get("default"))
    unit = _unit(name, field, kind)
    return f"| `{name}` | {kind} | {_bound(field)} | {unit} | {default} | {plain} |"


def _unit(name: str, field: Json, kind: str) -> str:
    """The unit that the sentence of a field names, or else the usual one of its kind."""
    units = re.findall(r"\[([^\]]+)\]", field.get("description", ""))
    if units:
        return units[0]
    if kind in {"share", "rate"}:
        return "x" if field.get("maximum", 1) > 1 else "share"
    return "d" if name.endswith("_days") else ""


def _default(value: Any) -> str:
    if value in ("", None, [], {}):
        return ""
    return f"`{json.dumps(value, ensure_ascii=False)}`".replace('"', "")


def _bound(field: Json) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    return ", ".join(f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field)


def _type(field: Json) -> str:
    """The type of a field in words."""
    forms = [*field.get("anyOf", []), *field.get("oneOf", [])]
    if forms:
        return " or ".join(dict.fromkeys(map(_type, forms)))
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        title = _title(name)
        return (
            name.lower()
            if name in _NUMBER_NAMES
            else f"[{title}](#{title.lower().replace(' ', '-')})"
        )
    if "enum" in field or "const" in field:
        return ", ".join(f"`{word}`" for word in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        count = f"{field['minItems']} of " if "minItems" in field else "list of "
        return f"{count}{_type(field['items'])}"
    if field.get("type") == "object":
        words = field.get("propertyNames", {}).get("enum", [])
        names = "names" if not words else "bands" if len(words) == len(BANDS) else "chain stages"
        inner = _type(field["additionalProperties"])
        return f"{names} with ({inner})" if " with " in inner else f"{names} with {inner}"
    return _text_type(field)


def _text_type(field: Json) -> str:
    pattern = field.get("pattern", "")
    if pattern:
        return "duration" if "min" in pattern else "moment"
    return {"string": "text", "boolean": "true or false"}.get(field["type"], str(field["type"]))


def _title(name: str) -> str:
    """`AuctionSlot` as a heading: Auction slot."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def _preset_rows() -> Iterator[str]:
    sections: dict[str, list[str]] = {}
    for name in preset_names():
        section, _, rest = name.partition("/")
        sections.setdefault(section, []).append(f"`{rest}`")
    for section, names in sections.items():
        yield f"| {section} | {', '.join(names)} |"
