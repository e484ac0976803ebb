"""What can be asked for by name: metrics and presets, as tables for people and as JSON for programs."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from simulator.outcomes.metrics import (
    CELL_METRICS,
    COMMISSION_METRICS,
    METRICS,
    PACKAGE_METRICS,
    PRODUCT_METRICS,
    SCENE_METRICS,
    Metric,
)
from simulator.reports.tables import columns, cut
from simulator.scenario.catalogue import Preset, all_presets

Rows = list[list[str]]
MOST = 60
"""Columns of what a preset is."""

KINDS: dict[str, tuple[Metric, ...]] = {
    "plan": METRICS,
    "scenes": SCENE_METRICS,
    "cells": CELL_METRICS,
    "products": PRODUCT_METRICS,
    "packages": PACKAGE_METRICS,
    "commissions": COMMISSION_METRICS,
}
"""Metrics by what they are of, as the JSON of a run calls it."""
TITLES = {"plan": "of a plan", "cells": "of cells, the phases of scenes"}


def metrics_text(form: str) -> str:
    """Name, unit, Chinese name and title of every metric; `form` is table or json."""
    if form == "json":
        return _json({kind: [_metric(m) for m in metrics] for kind, metrics in KINDS.items()})
    return _blocks(_metric_blocks())


def presets_text(form: str) -> str:
    """Name, Chinese name and first line of every preset by its kind; `form` is table or json."""
    kinds = {kind: list(found) for kind, found in groupby(all_presets(), lambda p: p.kind)}
    if form == "json":
        return _json({kind: [_preset(p) for p in found] for kind, found in kinds.items()})
    return _blocks((kind, _preset_rows(found)) for kind, found in kinds.items())


def _metric_blocks() -> Iterator[tuple[str, Rows]]:
    for kind, metrics in KINDS.items():
        rows = [[m.name, m.unit, m.chinese, m.title] for m in metrics]
        title = TITLES.get(kind, f"of {kind}")
        yield title, [["name", "unit", "chinese", "title"], *rows]


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name, "unit": metric.unit, "title": metric.title, "chinese": metric.chinese,
        "better": metric.wish or None,
    }  # fmt: skip


def _preset(preset: Preset) -> dict[str, str]:
    return {"name": preset.name, "chinese": preset.chinese, "about": preset.about}


def _preset_rows(presets: Iterable[Preset]) -> Rows:
    body = [[p.name, p.chinese, cut(p.english, MOST)] for p in presets]
    return [["name", "chinese", "what it is"], *body]


def _blocks(blocks: Iterable[tuple[str, Rows]]) -> str:
    """Tables below their titles, all columns flush left."""
    tables = (f"{title}\n{columns(rows, left=len(rows[0]))}" for title, rows in blocks)
    return "\n\n".join(tables) + "\n"


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
