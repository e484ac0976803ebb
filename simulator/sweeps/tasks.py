"""The work of a study, cut into tasks, and one task from lanes to a Parquet part.

A task is one cell x some plans x some replications, with a zero-spend lane beside every replication.
It is cut by the study alone, so that its key, and every byte of its part, are the same whoever
computes it, however often.

column                    meaning
scenario, cell, plan      whose answer it is
replication               which draw of chance; a quadrature point of equal weight in expected mode
one per parameter         its value in this cell
one per metric            float64; null where a ratio is undefined
one per part of a ratio   numerator and denominator: the mean of a ratio is the ratio of their means
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import pairwise
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.engine.lanes import (
    BLOCK,
    LANES_AT_ONCE,
    PLANS_AT_ONCE,
    Chunk,
    quadrature,
    shock_names,
)
from simulator.engine.simulate import Job, run_alone
from simulator.outcomes.compare import by_replication
from simulator.outcomes.metrics import BY_NAME, Quantities, quantities
from simulator.outcomes.store import this_machine
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario
from simulator.scenario.uncertain import uncertain_paths
from simulator.sweeps.design import as_number
from simulator.sweeps.study import Study, digest

ROOMS = ("scenario", "market", "engine", "outcomes", "sweeps/tasks.py")
"""Rooms and modules whose code decides the numbers."""

Reach = tuple[int, int]
"""First, and one past the last."""


@dataclass(frozen=True, order=True)
class Task:
    """Which lanes; an expected mode task has all quadrature points, whatever its replications say."""

    case: int
    cell: int
    plans: Reach
    replications: Reach

    @property
    def lanes(self) -> int:
        """Plans x replications."""
        return (self.plans[1] - self.plans[0]) * (self.replications[1] - self.replications[0])

    def key(self, study: str) -> str:
        """Name of the task in a store; `study` is the digest of what it belongs to."""
        return digest([study, self.case, self.cell, self.plans, self.replications])[:16]


def tasks_of(study: Study) -> Iterator[Task]:
    """All tasks of a study, in the order of its rows."""
    for number, case in enumerate(study.cases):
        cuts = [*_cut(len(case.plans), study)]
        for cell in study.cells:
            for plans, replications in cuts:
                yield Task(number, cell.number, plans, replications)


def _cut(plans: int, study: Study) -> Iterator[tuple[Reach, Reach]]:
    """Plans in even groups, with room for the zero-spend plan; replications in whole blocks."""
    groups = -(-plans // (PLANS_AT_ONCE - 1))
    edges = [plans * n // groups for n in range(groups + 1)]
    size = BLOCK * max(1, LANES_AT_ONCE // (BLOCK * (-(-plans // groups) + 1)))
    count = study.replications if study.mode == "sampled" else 1
    for first in range(0, count, size):
        for low, high in pairwise(edges):
            yield (low, high), (first, min(first + size, count))


# --------------------------------------------------------------------------- one task
@dataclass(frozen=True)
class Work:
    """A task with all that is needed for it, ready to be sent anywhere."""

    key: str
    scenario: Scenario
    plans: tuple[Plan, ...]
    replications: tuple[int, ...]
    seed: int
    sampled: bool
    spreads: bool
    metrics: tuple[str, ...]
    labels: dict[str, Any]
    """Scenario, cell, and the value of every parameter."""
    parameters: dict[str, bool]
    """Whether each is a number."""

    @property
    def lanes(self) -> int:
        """Plans x replications."""
        return len(self.plans) * len(self.replications)


@dataclass(frozen=True)
class Answer:
    """The part of a task, and what computed it."""

    part: bytes
    maker: dict[str, Any]


def prepare(study: Study, task: Task, key: str = "") -> Work:
    """A task of a study, made ready."""
    case, cell = study.cases[task.case], study.cells[task.cell]
    scenario, sampled = case.at(cell), study.mode == "sampled"
    points = quadrature(len(shock_names(scenario))).shape[1]
    return Work(
        key, scenario, tuple(case.plans_in(scenario, *task.plans)),
        tuple(range(*task.replications) if sampled else range(points)), study.seed, sampled,
        sampled and study.spreads and bool(uncertain_paths(scenario)), study.metrics,
        {"scenario": case.name, "cell": cell.number, **cell.values},
        {name: study.design.are_numbers(name) for name in study.design.over},
    )  # fmt: skip


def play(work: Work) -> Answer:
    """Run a task; the same bytes in any process."""
    sink = pa.BufferOutputStream()
    pq.write_table(table_of(work), sink, compression="zstd")
    return Answer(sink.getvalue().to_pybytes(), maker())


def table_of(work: Work) -> pa.Table:
    """A row per plan and replication."""
    chunk = Chunk((*work.plans, Plan.none(work.scenario)), work.replications)
    job = Job(
        work.scenario, chunk, work.seed, work.sampled, work.spreads, daily=False,
        attribution=needs_touches(work.metrics),
    )  # fmt: skip
    book, terms = run_alone(job)
    columns = _labels(work) | _figures(work, quantities(book, terms))
    return pa.table(columns)


def _labels(work: Work) -> dict[str, pa.Array]:
    rows = work.lanes
    names = [plan.name for plan in work.plans for _ in work.replications]
    numbers = np.tile(np.array(work.replications, dtype=np.int32), len(work.plans))
    columns = {
        "scenario": pa.array([work.labels["scenario"]] * rows, pa.string()),
        "cell": pa.array([work.labels["cell"]] * rows, pa.int32()),
        "plan": pa.array(names, pa.string()),
        "replication": pa.array(numbers),
    }
    for name, number in work.parameters.items():
        value = work.labels[name]
        shown = [as_number(value)] * rows if number else [_text(value)] * rows
        columns[name] = pa.array(shown, pa.float64() if number else pa.string())
    return columns


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _figures(work: Work, lanes: Quantities) -> dict[str, pa.Array]:
    rows = range(len(work.plans))
    columns = {name: lanes[name][:-1].ravel() for name in parts_of_ratios(work.metrics)}
    for name in work.metrics:
        samples = [BY_NAME[name].sample(lanes, row) for row in rows]
        columns[name] = np.concatenate([by_replication(sample) for sample in samples])
    order = [*work.metrics, *(name for name in columns if name not in work.metrics)]
    return {name: pa.array(columns[name], pa.float64(), from_pandas=True) for name in order}


def parts_of_ratios(metrics: tuple[str, ...]) -> list[str]:
    """Numerators and denominators of the ratios among some metrics, each once."""
    found = [(BY_NAME[name].top, BY_NAME[name].bottom) for name in metrics if BY_NAME[name].bottom]
    return list(dict.fromkeys(name for pair in found for name in pair))


TOUCHED = {
    "orders_attributed", "orders_direct", "orders_indirect", "orders_presale", "gmv_attributed",
    "orders_organic", "orders_commissioned",
}  # fmt: skip
"""Quantities that need touches to move with people."""


def needs_touches(metrics: tuple[str, ...]) -> bool:
    """Whether any of the metrics is made of attributed orders."""
    tops = {part for name in metrics for part in (BY_NAME[name].top, BY_NAME[name].bottom)}
    return bool(tops & TOUCHED)


# --------------------------------------------------------------------------- who computes
@lru_cache(maxsize=1)
def maker() -> dict[str, Any]:
    """What the last bits of a part depend on: the code, its parts, and the processor."""
    found = this_machine()
    found["versions"]["pyarrow"] = pa.__version__
    return {"code": code_digest(), **found}


def code_digest() -> str:
    """SHA-256 of the modules that decide the numbers; what presets say stands in the scenarios."""
    total, package = hashlib.sha256(), resources.files("simulator")
    for room in ROOMS:
        for path, file in sorted(_modules(package.joinpath(room), room), key=itemgetter(0)):
            total.update(path.encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()


def _modules(place: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    if place.is_dir():
        for entry in place.iterdir():
            yield from _modules(entry, f"{path}/{entry.name}")
    elif path.endswith(".py"):
        yield path, place
