"""From a study to its rows: compute what the store does not have yet, and hand back everything."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from pydantic import ValidationError

from simulator.errors import ScenarioError, UserError
from simulator.outcomes.compare import Sample, describe
from simulator.outcomes.metrics import BY_NAME, NO_ADS
from simulator.scenario.amounts import moment_text
from simulator.scenario.asked import asked, asked_progress
from simulator.scenario.faults import problems_of
from simulator.scenario.nodes import Node, Source, Tree
from simulator.scenario.plan import Plan, check_plan, listed_plans, named_plans
from simulator.scenario.schema import Scenario
from simulator.sweeps.design import Kind
from simulator.sweeps.runner import Runner, crew_of
from simulator.sweeps.store import Content, Store, frame_of, read_store, survey
from simulator.sweeps.study import (
    Case,
    Mode,
    Study,
    StudyFile,
    cell_fault,
    check_study,
    check_words,
    digest,
    make_study,
    read_study,
)
from simulator.sweeps.tasks import Answer, Task, Work, maker, play, prepare, tasks_of

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, int], None]
"""Lanes done, and lanes in all."""

LOOK = 1.0
"""How often a store is looked at for what others have done [s]; a large one less often."""


# --------------------------------------------------------------------------- the door
def sweep(
    question: Study | Scenario | str | os.PathLike[str], *,
    over: Mapping[str, Any] | None = None, plans: Sequence[str | Plan] | Plan = (),
    store: str | os.PathLike[str] | None = None, replications: int | None = None, seed: int | None = None,
    mode: Mode | None = None, spreads: bool | None = None, metrics: Sequence[str] | None = None,
    design: Kind | None = None, points: int | None = None, where: Sequence[str] | None = None,
    executor: Executor | str | None = None, jobs: int | None = None,
    progress: Progress | None = None, allow_mixed: bool = False,
) -> "pd.DataFrame":  # fmt: skip
    """Play plans in many versions of a scenario: a row per cell, plan and replication.

    `question` is a scenario, with what is varied in `over`: a list or array of values, or a pair
    (low, high), for each dotted path; what is left out is as in a study file that leaves it out. Or it is
    the path of a study file, which says all that itself, from plans to where. With a `store`
    (a folder) every part is kept as soon as it is done, and the next call goes on from there.
    `executor` is "process", "dask:tcp://host:port" or an executor of your own.
    """
    settings = _given(
        replications=replications, seed=seed, mode=mode, spreads=spreads, metrics=metrics,
        design=design, points=points, where=where,
    )  # fmt: skip
    if isinstance(question, Scenario):
        study = vary(question, {} if over is None else over, plans, settings)
    else:
        study = _told(question, [*_given(over=over, plans=plans or None), *settings])
    asked_progress(progress)
    with crew_of(executor, jobs) as crew:
        place = None if store is None else open_store(study, store, allow_mixed=allow_mixed)
        sweeping = Sweeping(study, place, progress)
        sweeping.go(Runner(crew))
    return sweeping.frame()


def _given(**settings: Any) -> dict[str, Any]:
    """What was said, as a file would hold it."""
    return {name: _plain(value) for name, value in settings.items() if value is not None}


def _told(question: object, given: Sequence[str]) -> Study:
    """The study of a file; what it decides cannot be decided once more."""
    words = "a study is a scenario with what is varied, or the path of a study file"
    asked(Study | str | os.PathLike, question, words)
    if given:
        raise UserError(
            f"a study file says itself what is varied and how it is played: leave out {', '.join(given)}"
        )
    return question if isinstance(question, Study) else read_study(cast(str, question))


def vary(
    scenario: Scenario, over: Mapping[str, Any], plans: Sequence[str | Plan] | Plan,
    settings: Mapping[str, Any],
) -> Study:  # fmt: skip
    """A study of one scenario; its faults are told as those of a file, without a line."""
    if not isinstance(over, Mapping):
        raise UserError(f"over is a mapping, such as {{'budget': [4e4, 6e4]}} (got {over!r})")
    tree = Tree(Node(None, Source("sweep"), 1, 1), {})
    levels = {path: _levels(value) for path, value in over.items()}
    try:
        file = StudyFile.model_validate({"scenarios": [scenario.name], "over": levels, **settings})
    except ValidationError as error:
        raise ScenarioError(problems_of(StudyFile, tree, error)) from None
    check_words(file, tree)
    plans = listed_plans(plans)
    for plan in plans:
        if not isinstance(plan, str):
            check_plan(scenario, plan)
    chosen = plans or [plan.name for plan in named_plans(scenario, [])]
    names = [plan if isinstance(plan, str) else plan.name for plan in chosen]
    if len(set(names)) < len(names):
        raise UserError(f"plan names must differ; got {', '.join(names)}")
    if NO_ADS in names:
        raise UserError(f"{NO_ADS!r} is always run beside the plans: give yours another name")
    study = make_study(file, [Case(scenario.name, scenario, tuple(chosen))])
    check_study(study, tree)
    return study


def _plain(value: Any) -> Any:
    """What a file would hold: a tuple or an array as a list, numbers without NumPy, dates as text.

    >>> _plain((np.int64(3), np.datetime64("2021-03-20T08"), date(2021, 3, 20), "4万"))
    [3, '2021-03-20 08:00', '2021-03-20', '4万']
    """
    if isinstance(value, Mapping):
        return {_plain(key): _plain(own) for key, own in value.items()}
    if isinstance(value, np.ndarray):
        value = list(np.atleast_1d(value))
    if isinstance(value, list | tuple | range) or hasattr(value, "to_list"):
        return [_plain(own) for own in value]
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[s]").item()
    if isinstance(value, date):  # or a moment
        return moment_text(value) if isinstance(value, datetime) else value.isoformat()
    return value.item() if isinstance(value, np.generic) else value


def _levels(value: Any) -> Any:
    if isinstance(value, tuple) and len(value) > 3:
        raise UserError(
            "over takes a pair (low, high), or (low, high, steps); more values stand in a list"
        )
    if isinstance(value, tuple):
        value = dict(zip(("from", "to", "steps"), value, strict=False))
    return _plain(value)


def open_store(study: Study, folder: str | os.PathLike[str], *, allow_mixed: bool = False) -> Store:
    """The store of a study, made if there is none."""
    tasks = sum(1 for _ in tasks_of(study))
    return Store.open(folder, study.content(), tasks, maker=maker(), allow_mixed=allow_mixed)


def status_of(study: Study, folder: str | os.PathLike[str]) -> dict[str, int]:
    """How many parts of a study a store has; nothing is changed."""
    mark, listed = digest(study.content()), survey(folder, study.content())
    keys = [task.key(mark) for task in tasks_of(study)]
    done = sum(listed.get(key, False) for key in keys)
    damaged = sum(not listed.get(key, True) for key in keys)
    missing = len(keys) - done - damaged
    return {"tasks": len(keys), "done": done, "missing": missing, "damaged": damaged}


# --------------------------------------------------------------------------- the work
@dataclass
class Sweeping:
    """One pass over a study: what is missing is computed, written, and counted."""

    study: Study
    store: Store | None = None
    progress: Progress | None = None
    parts: dict[str, bytes] = field(default_factory=dict)
    """The answers, where there is no store."""

    def __post_init__(self) -> None:
        mark = digest(self.study.content())
        self.tasks = {task.key(mark): task for task in tasks_of(self.study)}
        self.total = sum(task.lanes for task in self.tasks.values())
        self.done: set[str] = set()
        self.lanes = 0
        self.next_look = 0.0

    def go(self, runner: Runner) -> None:
        """Compute everything that is missing."""
        if self.store is not None:
            self._count(self.store.sound())
        for work, answer in runner.answers(self._works()):
            self._keep(work.key, answer)

    def frame(self) -> "pd.DataFrame":
        """All rows."""
        if self.store is None:
            plans = {case.name: case.plan_names for case in self.study.cases}
            return frame_of([self.parts[key] for key in self.tasks], plans)
        return read_store(self.store.folder)

    def _works(self) -> Iterator[Work]:
        """Missing tasks made ready, one by one; those that another process has done are left out."""
        for key in self._order():
            self._look()
            if key not in self.done:
                yield self._ready(key)

    def _order(self) -> list[str]:
        """Missing tasks; processes that share a store begin at different places."""
        missing = [key for key in self.tasks if key not in self.done]
        start = os.getpid() * 7919 % len(missing) if self.store and missing else 0
        return [*missing[start:], *missing[:start]]

    def _ready(self, key: str) -> Work:
        task = self.tasks[key]
        try:
            return prepare(self.study, task, key)
        except UserError as error:
            case, cell = self.study.cases[task.case], self.study.cells[task.cell]
            raise UserError(f"over {cell_fault(case, cell) or error}") from error

    def _look(self) -> None:
        """See what others have done."""
        now = time.monotonic()
        if self.store is not None and now > self.next_look:
            self._count(self.store.keys())
            taken = time.monotonic() - now
            self.next_look = now + max(LOOK, 50 * taken)

    def _keep(self, key: str, answer: Answer) -> None:
        if self.store is None:
            self.parts[key] = answer.part
        else:
            self.store.admit(answer.maker)
            if key not in self.done:
                self.store.write(key, answer.part)
        self._count({key})

    def _count(self, keys: Iterable[str]) -> None:
        fresh = [key for key in keys if key in self.tasks and key not in self.done]
        self.done.update(fresh)
        self.lanes += sum(self.tasks[key].lanes for key in fresh)
        if self.progress is not None:
            self.progress(self.lanes, self.total)


# --------------------------------------------------------------------------- before and after
@dataclass(frozen=True)
class Estimate:
    """What a study will take."""

    cells: int
    plans: int
    lanes: int
    tasks: int
    seconds: float
    size: float
    """Bytes on disk."""


def estimate(study: Study, jobs: int = 1) -> Estimate:
    """What a study will take, from two small chunks of every scenario: one of few lanes, one of more."""
    tasks = list(tasks_of(study))
    seconds = size = 0.0
    for number, _ in enumerate(study.cases):
        own = [task for task in tasks if task.case == number]
        time_of, size_of = _measure(study, own[0])
        seconds += sum(max(0.0, time_of(task.lanes)) for task in own)
        size += sum(max(0.0, size_of(task.lanes)) for task in own)
    plans = sum(len(case.plans) for case in study.cases)
    return Estimate(len(study.cells), plans, study.lanes(), len(tasks), seconds / jobs, size)


Line = Callable[[float], float]


def _measure(study: Study, task: Task) -> tuple[Line, Line]:
    """Seconds and bytes of a task, as lines in its lanes."""
    few = Task(
        task.case, task.cell, (task.plans[0], task.plans[0] + 1), (0, min(2, task.replications[1]))
    )
    more = Task(task.case, task.cell, task.plans, (0, min(32, task.replications[1])))
    play(prepare(study, few))  # imports and caches
    points = []
    for part in (few, more):
        work = prepare(study, part)
        start = time.perf_counter()
        answer = play(work)
        points.append((part.lanes, time.perf_counter() - start, len(answer.part)))
    (x, *low), (y, *high) = points
    slopes = [max(0.0, b - a) / max(1, y - x) for a, b in zip(low, high, strict=True)]
    return _line(x, low[0], slopes[0]), _line(x, low[1], slopes[1])


def _line(x: float, y: float, slope: float) -> Line:
    return lambda lanes: y + slope * (lanes - x)


def cells_of(frame: "pd.DataFrame", study: Study) -> list[Content]:
    """A row per scenario, cell and plan: the values, and each metric's mean, quantiles and interval.

    The mean of a ratio is the ratio of the means of its parts.
    """
    keys, names = ["scenario", "cell", "plan"], list(study.design.over)
    rows = []
    for _, group in frame.groupby(keys, sort=False):
        first = group.iloc[0].to_dict()
        figures = {name: _figure(group, name, study.mode) for name in study.metrics}
        head = {key: first[key] for key in keys} | {"values": {name: first[name] for name in names}}
        rows.append(head | {"metrics": figures})
    return rows


def _figure(group: "pd.DataFrame", name: str, mode: Mode) -> dict[str, float | None]:
    metric = BY_NAME[name]
    if metric.bottom:
        top = group[metric.top].to_numpy() * metric.scale
        sample = Sample(top, group[metric.bottom].to_numpy())
    else:
        sample = Sample.total(group[name].to_numpy())
    numbers = describe(sample)
    return numbers if mode == "sampled" else {"mean": numbers["mean"]}
