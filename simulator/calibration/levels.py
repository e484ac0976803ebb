"""A scenario at levels of rivals, conversion and free visits: the same world with one number for each.

symbol   meaning                                                    unit   shape
x        log of the levels: rivals, conversion, free_visits         1      [trial, level]

The levels multiply median rival bids, the odds that a visit buys (paid and free), and the free visits.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any

import numpy as np

from simulator.engine.points import Points, make_points
from simulator.scenario.schema import Scenario

LEVELS = ("rivals", "conversion", "free_visits")
SPREAD = 0.1  # any: it says that a number may differ from lane to lane


def _numbers(value: Any, change: Callable[[float], float]) -> Any:
    """Change a number, or the values of an uncertain one; its spread stays."""
    if isinstance(value, dict):
        return {key: x if key == "sd" else change(x) for key, x in value.items()}
    return change(value)


def _mean(value: Any) -> Any:
    """What a number counts as, as a file holds it."""
    if not isinstance(value, dict):
        return value
    return value["value"] if "value" in value else (value["low"] + value["high"]) / 2


def _times(value: Any, level: Any) -> Any:
    return value * level


def _readier(value: Any, level: Any) -> Any:
    """Odds times the level."""
    return value * level / (1 - value + value * level)


FIELDS = {
    ("slots", "median_cpm"): ("rivals", _times),
    ("slots", "cvr"): ("conversion", _readier),
    ("sources", "organic_cvr"): ("conversion", _readier),
    ("sources", "organic_visits"): ("free_visits", _times),
}
"""Fields that a level changes: the level, and how a value changes with it."""


def at_levels(
    scenario: Scenario, levels: dict[str, float], *, kept: Collection[str] = ()
) -> Scenario:
    """The same world with stronger rivals, readier visitors, more free visits.

    Fields of the names `kept`, such as slots.search.median_cpm, stay as they are.
    """
    data = scenario.model_dump(mode="json")
    for entry, field, path, name, change in _changed(data):
        if path not in kept:
            entry[field] = _numbers(entry[field], partial(change, level=levels[name]))
    return Scenario.model_validate(data)


def at_many(scenario: Scenario, x: np.ndarray) -> tuple[Scenario, Points]:
    """The world whose numbers may differ, and the points of expected mode at every trial's levels, one trial
    after another. Unknown numbers stand at their means.
    """
    data = scenario.model_dump(mode="json")
    shocks = make_points(scenario, 0).shocks
    level = {name: np.exp(x[:, n])[:, None] for n, name in enumerate(LEVELS)}
    numbers = {}
    for entry, field, path, name, change in _changed(data):
        each = _mean(_numbers(entry[field], partial(change, level=level[name])))
        numbers[path] = np.broadcast_to(each, (len(x), shocks.shape[1])).ravel()
        entry[field] = {"value": _mean(entry[field]), "sd": SPREAD}
    return Scenario.model_validate(data), Points(np.tile(shocks, len(x)), numbers)


def _changed(data: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str, str, Any]]:
    """Of a scenario as JSON every field that a level changes: its part, name, path, level and rule."""
    for (part, field), (level, change) in FIELDS.items():
        for name, entry in data[part].items():
            if field in entry:
                yield entry, field, f"{part}.{name}.{field}", level, change
