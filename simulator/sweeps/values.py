"""Values at dotted paths of a scenario that has been read: put in, checked, and asked after by name.

It is the scenario that changes, not its file: so a cell costs a millisecond, and a scenario made in
Python can be varied like one from a file.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel, ValidationError

from simulator.errors import ScenarioError, UserError
from simulator.scenario.amounts import shown, suggestion
from simulator.scenario.asked import asked_scenario, asked_table
from simulator.scenario.checks import check_scenario
from simulator.scenario.faults import problems_of
from simulator.scenario.nodes import NOWHERE, Parts, parts_of
from simulator.scenario.schema import Scenario


def with_values(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """The scenario with other values at dotted paths, checked as if its file said so.

    A ScenarioError names the path of every fault; places in a file it cannot know.
    """
    document = asked_scenario(scenario).model_dump(exclude_unset=True)
    for path, value in asked_table("values", values, "{'budget': 6e4}").items():
        _put(document, full_path(_asked_parts(path)), value)
    try:
        changed = Scenario.model_validate(document)
    except ValidationError as error:
        raise ScenarioError(problems_of(Scenario, NOWHERE, error)) from None
    problems = check_scenario(changed)
    if problems:
        raise ScenarioError(problems)
    return changed


def _asked_parts(path: object) -> Parts:
    parts = parts_of(path) if isinstance(path, str | tuple) else ()
    if not parts or "" in parts:
        raise UserError(
            f"values stand at dotted paths such as 'scenes.NAME.budget' (got {shown(path)})"
        )
    return parts


def full_path(parts: Parts) -> Parts:
    """The path as the model has it: the short form of a plan is written without `scenes`."""
    beside = {"scenes", "packages", "commissions"}
    short = len(parts) > 2 and parts[0] == "plans" and parts[2] not in beside
    return (*parts[:2], "scenes", *parts[2:]) if short else parts


def _put(document: Any, parts: Parts, value: Any) -> None:
    for depth in range(1, len(parts)):
        key = _key(document, parts[:depth])
        held = document.get(key) if isinstance(document, dict) else document[key]
        if not isinstance(held, dict | list):
            document[key] = {}
        document = document[key]
    key = _key(document, parts)
    if value is None and isinstance(document, dict):
        document.pop(key, None)
    else:
        document[key] = deepcopy(value)


def _key(document: Any, parts: Parts) -> Any:
    """The last of the parts in what is above it: a name, or the number of an entry of a list."""
    if isinstance(document, dict):
        return parts[-1]
    if not str(parts[-1]).isdecimal() or int(parts[-1]) >= len(document):
        rule = f"must be a number below {len(document)}, an entry of the list"
        raise ScenarioError([NOWHERE.problem(parts, rule)])
    return int(parts[-1])


_IDLE = {
    **dict.fromkeys(("format", "name", "question"), "changes no number"),
    "anchors": "changes no number: anchors are met once, before anything is varied; write a file for each value",
}
"""Parts of a scenario that no cell can feel, and why."""


def unknown(scenario: Scenario, path: str) -> str:
    """Why a path leads nowhere in a scenario, or to what moves nothing; nothing if it leads somewhere."""
    value: Any = scenario
    parts = full_path(tuple(path.split(".")))
    if parts[0] in _IDLE:
        return _IDLE[str(parts[0])]
    for depth, part in enumerate(parts, 1):
        if value is None:  # a part that the file does not have, but may
            return ""
        names = _names_in(value)
        if names is None:
            above = ".".join(map(str, parts[: depth - 1]))
            return f"leads below {above}, which is a single value"
        if str(part) not in names:
            return "" if depth == len(parts) and _is_open(value) else _no_name(parts[:depth], names)
        value = _below(value, str(part))
    return ""


def _names_in(value: Any) -> list[str] | None:
    if isinstance(value, BaseModel):
        return list(type(value).model_fields)
    if isinstance(value, dict):
        return list(map(str, value))
    return list(map(str, range(len(value)))) if isinstance(value, list) else None


def _below(value: Any, part: str) -> Any:
    if isinstance(value, BaseModel):
        return getattr(value, part)
    return value[int(part)] if isinstance(value, list) else value[part]


def _is_open(value: Any) -> bool:
    """A mapping of plain numbers, such as discounts by phase, may get one more."""
    return isinstance(value, dict) and not any(isinstance(x, BaseModel) for x in value.values())


def _no_name(parts: Parts, names: list[str]) -> str:
    near = suggestion(str(parts[-1]), names) or (f"; known are {', '.join(names)}" if names else "")
    return f"is not known at {'.'.join(map(str, parts))}{near if len(near) < 300 else ''}"
