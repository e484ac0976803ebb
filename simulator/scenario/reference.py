"""The reference of a scenario file, made from the model: a JSON Schema for editors, and a page.

The model says what a whole scenario must hold. A file holds less, for presets lie below it: in the
JSON Schema nothing that a preset can give is required, and `extends`, `preset` and null are known.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from simulator.scenario.loader import preset_names
from simulator.scenario.schema import BANDS, CHAIN_STAGES, Scenario

Json = dict[str, Any]

_NUMBERS = {
    (False, False): ("Amount", "A number: 40, 1e6, 12k, 5m, 1.5bn, 1.2万, 3亿."),
    (True, False): ("Share", "A share or multiple: 0.025 or 2.5%."),
    (False, True): (
        "Level",
        "A number, or one that is not quite known: 80, {value: 80, sd: 20%}, {low: 60, high: 100}.",
    ),
    (True, True): ("Rate", "A share, or one that is not quite known: 2.5%, {value: 2.5%, sd: 20%}."),
}
"""Definitions of numbers, by whether they may be percentages and whether they may be uncertain."""
_MONEY = ("Money", "Money [CNY], or a share of the budget: 3m or 20%.")

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


# --------------------------------------------------------------------------- JSON Schema
def make_schema() -> Json:
    """The JSON Schema of a scenario file."""
    schema = Scenario.model_json_schema()
    parts: Json = schema.pop("$defs")
    root: Json = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Scenario of the ad budget simulator",
    }
    root |= {key: schema[key] for key in ("description", "type", "additionalProperties")}
    root["properties"] = {"extends": _extends()} | schema["properties"]
    in_lists = set(_inside_lists(root["properties"])) | set(_inside_lists(parts))
    for name, part in parts.items():
        if name not in in_lists:
            part.pop("required", None)
        for field, words in ((field, words) for (owner, field), words in _WORDS.items() if owner == name):
            part["properties"][field]["propertyNames"] = {"enum": words}
    _know_presets(root["properties"], parts)
    _know_short_plans(parts["PlanEntry"])
    numbers: Json = {}
    root["properties"] = _tidy(root["properties"], numbers)
    root["$defs"] = _tidy(parts, numbers) | numbers
    return root


def schema_text() -> str:
    """The JSON Schema as it stands in simulator/scenario/scenario.schema.json."""
    return json.dumps(make_schema(), indent=1, ensure_ascii=False) + "\n"


def _extends() -> Json:
    whole = [name for name in preset_names() if name.split("/")[0] in {"calendars", "categories", "chain"}]
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
        presets = [name.partition("/")[2] for name in preset_names() if name.startswith(f"{section}/")]
        for member in members if presets else []:
            sentence = f"Preset that the entry starts from, one of {section}/."
            preset = {"enum": presets, "description": sentence}
            part = parts[member["$ref"].rpartition("/")[2]]
            part["properties"] = {"preset": preset} | part["properties"]
        field["additionalProperties"] = {"anyOf": [*members, {"type": "null"}]}
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
    if node.get("ge") == 0 and node.get("type") == "number":
        return _reference(_MONEY, _money_forms(), numbers) | {"minimum": 0}
    kept = {key: _tidy(item, numbers) for key, item in node.items() if not _is_noise(key, item)}
    if kept.get("exclusiveMinimum", -1) >= kept.get("minimum", 0):
        kept.pop("minimum", None)
    forms = node.get("anyOf", [])
    patterns = [form["pattern"] for form in forms if "suffix" in form or "万" in form.get("pattern", "")]
    if not patterns:
        return kept
    uncertain = any("high" in form.get("properties", {}) for form in forms)
    nothing = [form for form in forms if form.get("type") == "null"]
    forms = [form for form in forms if form not in nothing]
    kept.pop("anyOf")
    return _reference(_NUMBERS["%" in patterns[0], uncertain], forms, numbers) | kept


def _is_noise(key: str, item: Any) -> bool:
    """Titles that repeat the name, defaults that are whole parts, and nothing as a default."""
    return (key == "title" and isinstance(item, str)) or (
        key == "default" and (item is None or isinstance(item, dict))
    )


def _reference(named: tuple[str, str], forms: list[Json], numbers: Json) -> Json:
    name, sentence = named
    numbers.setdefault(name, {"description": sentence, "anyOf": forms})
    return {"$ref": f"#/$defs/{name}"}


def _money_forms() -> list[Json]:
    share = Scenario.model_json_schema()["$defs"]["Balance"]["properties"]["completion"]
    return list(share["anyOf"])


# --------------------------------------------------------------------------- the page
