"""Values at dotted paths of a scenario that has been read: put in, checked, and asked after by name.

It is the scenario that changes, not its file: so a cell costs a millisecond, and a scenario made in
Python can be varied like one from a file.
"""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import BaseModel, ValidationError

from simulator.errors import ScenarioError
from simulator.scenario.amounts import suggestion
from simulator.scenario.checks import check_scenario
from simulator.scenario.faults import problems_of
from simulator.scenario.nodes import NOWHERE, Parts, parts_of
from simulator.scenario.schema import Scenario


def with_values(scenario: Scenario, values: Mapping[str, Any]) -> Scenario:
    """The scenario with other values at dotted paths, checked as if its file said so.

    A ScenarioError names the path of every fault; places in a file it cannot know.
    """
    document = scenario.model_dump(exclude_unset=True)
    for path, value in values.items():
        _put(document, full_path(parts_of(path)), value)
    try:
        changed = Scenario.model_validate(document)
    except ValidationError as error:
        raise ScenarioError(problems_of(Scenario, NOWHERE, error)) from None
    problems = check_scenario(changed)
    if problems:
        raise ScenarioError(problems)
    return changed


def full_path(parts: Parts) -> Parts:
    """The path as the model has it: the short form of a plan is written without `scenes`."""
    beside = {"scenes", "packages", "commissions"}
    short = len(parts) > 2 and parts[0] == "plans" and parts[2] not in beside
    return (*parts[:2], "scenes", *parts[2:]) if short else parts


def _put(document: Any, parts: Parts, value: Any) -> None:
    for part in parts[:-1]:
        if isinstance(document, list):
            document = document[int(part)]
        else:
            if not isinstance(document.get(part), dict | list):
                document[part] = {}
            document = document[part]
    key = int(parts[-1]) if isinstance(document, list) else parts[-1]
    if value is None and isinstance(document, dict):
        document.pop(key, None)
    else:
        document[key] = deepcopy(value)


def unknown(scenario: Scenario, path: str) -> str:
    """Why a path leads nowhere in a scenario; nothing if it leads somewhere."""
    value: Any = scenario
    parts = full_path(tuple(path.split(".")))
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
    return "" if parts[0] not in {"format", "name", "question"} else "changes no number"


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
