"""What we do not know: one value of every uncertain number per replication, common to all plans."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel

from simulator.scenario.amounts import Uncertain, spread_of

Draw = Callable[[str, Uncertain], np.ndarray]
"""From the dotted path and the number to one value per replication: [replication]."""

BY_PHASE = ("phases", "discount", "rival_level")
"""Tables of a scenario that are kept by phase."""

Model = TypeVar("Model", bound=BaseModel)


def draw_all(model: Model, draw: Draw, path: str = "") -> Model:
    """A copy of the model whose uncertain numbers are arrays [replication]; others stay as they are."""
    fields = {name: getattr(model, name) for name in type(model).model_fields}
    changed = {
        name: new
        for name, value in fields.items()
        if (new := _draw(value, draw, f"{path}.{name}" if path else name)) is not value
    }
    return model.model_copy(update=changed) if changed else model


def _draw(value: Any, draw: Draw, path: str) -> Any:
    if isinstance(value, Uncertain):
        return draw(path, value) if spread_of(value) > 0 else value
    if isinstance(value, BaseModel):
        return draw_all(value, draw, path)
    if isinstance(value, dict):
        return {key: _draw(item, draw, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        return [_draw(item, draw, f"{path}.{n}") for n, item in enumerate(value)]
    return value


def stream_of(path: str, continued: Mapping[str, str]) -> str:
    """The path under which a number is drawn: a phase that was cut draws once for all its parts.

    >>> stream_of("products.tea.discount.sale_1105", {"sale_1105": "sale"})
    'products.tea.discount.sale'
    """
    parts = path.split(".")
    pairs = zip(["", *parts], parts, strict=False)
    return ".".join(
        continued.get(name, name) if above in BY_PHASE else name for above, name in pairs
    )


def uncertain_paths(model: BaseModel) -> dict[str, Uncertain]:
    """Every number of the model that has a spread, by its dotted path."""
    found: dict[str, Uncertain] = {}

    def note(path: str, number: Uncertain) -> np.ndarray:
        found[path] = number
        return np.array([float(number)])

    draw_all(model, note)
    return found


def scenario_digest(model: BaseModel) -> str:
    """SHA-256 of a scenario, spreads of its numbers included."""
    spreads = [(p, n.sd, n.low, n.high, n.most) for p, n in uncertain_paths(model).items()]
    text = f"{model.model_dump_json()} {spreads}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
