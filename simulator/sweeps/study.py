"""A study: scenarios, plans and what is varied, read from a file or put together in Python.

A study file is read as safely as a scenario file, and its faults are told the same way: all at once,
each at its line. Every parameter is tried before any work is begun: its name in every scenario, and
its values one by one; of the cells, those that are first, last and spread evenly between.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from simulator.errors import Problem, ScenarioError, UserError
from simulator.outcomes.metrics import BY_NAME
from simulator.scenario import read_scenario
from simulator.scenario.amounts import Part, Whole, suggestion
from simulator.scenario.loader import read_tree, validate
from simulator.scenario.nodes import NOWHERE, Parts, Tree, parts_of
from simulator.scenario.plan import Plan, named_plans
from simulator.scenario.schema import Scenario
from simulator.scenario.uncertain import scenario_digest
from simulator.sweeps.design import (
    MOST_CELLS,
    Cell,
    Design,
    Kind,
    Levels,
    Range,
    Rule,
    check_levels,
)
from simulator.sweeps.values import full_path, unknown, with_values

MOST_LANES = 100_000_000
MOST_TRIED = 200
"""Cells that are read before the work begins; the others are read when their turn comes."""

METRICS = (
    "roi", "profit", "profit_incremental", "new_customers", "new_customers_incremental", "cac",
    "net_spend", "spend", "gmv", "revenue",
)  # fmt: skip
"""What is kept unless the study says otherwise: all that needs no attribution."""

NOT_PLAYED = {"mroi"}
"""Metrics that no run can know."""

Mode = Literal["expected", "sampled"]
Prepare = Callable[[str, Scenario], Scenario]


class StudyFile(Part):
    """What a study file holds."""

    format: Literal[1] = 1
    """Version of the file format."""
    name: str = ""
    """Name for readers."""
    question: str = ""
    """What the study is asked."""
    scenarios: Annotated[list[str], Field(min_length=1, max_length=100)]
    """Files (from ./, ../ or /), or names of files beside the study or one folder above."""
    plans: list[str] = []  # noqa: RUF012 (pydantic copies the default of a field)
    """Plans of the scenarios, `even` or `none`; all of each file by default."""
    over: dict[str, Levels] = {}  # noqa: RUF012
    """Values of each parameter by its dotted path: a list, or a range."""
    design: Kind = "grid"
    """Every combination, or points that fill the space."""
    points: Annotated[Whole, Field(ge=1, le=MOST_CELLS)] | None = None
    """How many points a space-filling design has."""
    where: Annotated[list[str], Field(max_length=100)] = []  # noqa: RUF012
    """Rules that a cell must meet, such as "a < b"."""
    replications: Annotated[Whole, Field(ge=1, le=1_000_000)] = 100
    """Draws of chance in sampled mode, the same in every cell."""
    seed: Annotated[Whole, Field(ge=0, lt=2**64)] = 11
    """Start of all chance, the design included."""
    mode: Mode = "sampled"
    """Every decision drawn, or the mean alone."""
    spreads: bool = True
    """Whether uncertain numbers are drawn in sampled mode."""
    metrics: Annotated[list[str], Field(min_length=1)] = list(METRICS)  # noqa: RUF012
    """Figures to keep."""


# --------------------------------------------------------------------------- the study
@dataclass(frozen=True)
class Case:
    """One scenario of a study, and its plans: by name, or with their money."""

    name: str
    scenario: Scenario
    plans: tuple[str | Plan, ...]

    @property
    def plan_names(self) -> list[str]:
        """Names of the plans, in order."""
        return [plan if isinstance(plan, str) else plan.name for plan in self.plans]

    def plans_in(self, scenario: Scenario, first: int, last: int) -> list[Plan]:
        """Some of the plans in one version of the scenario, where shares may be other amounts."""
        chosen = self.plans[first:last]
        names = [plan for plan in chosen if isinstance(plan, str)]
        made = dict(zip(names, named_plans(scenario, names), strict=True)) if names else {}
        return [made[plan] if isinstance(plan, str) else plan for plan in chosen]

    def at(self, cell: Cell) -> Scenario:
        """The scenario with the values of a cell."""
        return with_values(self.scenario, cell.values) if cell.values else self.scenario


@dataclass(frozen=True)
class Study:
    """A question with many versions; what stands in it decides every number of the answer."""

    cases: tuple[Case, ...]
    design: Design
    replications: int = 100
    mode: Mode = "sampled"
    spreads: bool = True
    metrics: tuple[str, ...] = METRICS
    name: str = ""
    question: str = ""

    @property
    def seed(self) -> int:
        """Start of all chance."""
        return self.design.seed

    @cached_property
    def cells(self) -> list[Cell]:
        """Every cell, in order."""
        return self.design.cells()

    def content(self) -> dict[str, Any]:
        """What decides the numbers, for the manifest of a store: parts as text, worlds as hashes."""
        over = {name: _plain(levels) for name, levels in self.design.over.items()}
        return {
            "scenarios": {case.name: scenario_digest(case.scenario) for case in self.cases},
            "plans": {case.name: case.plan_names for case in self.cases},
            "plan_money": digest([[_plan_content(p) for p in case.plans] for case in self.cases]),
            "over": over,
            "design": self.design.kind,
            "points": self.design.points,
            "where": [rule.text for rule in self.design.rules],
            "cells": digest([dict(cell.values) for cell in self.cells]),
            "replications": self.replications,
            "seed": self.seed,
            "mode": self.mode,
            "spreads": self.spreads,
            "metrics": list(self.metrics),
        }

    def lanes(self) -> int:
        """Cells x plans x replications; the zero-spend lanes beside them are not counted."""
        plans = sum(len(case.plans) for case in self.cases)
        return len(self.cells) * plans * (self.replications if self.mode == "sampled" else 1)


def digest(content: object) -> str:
    """SHA-256 of plain data."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _plain(levels: Levels) -> Any:
    return levels.model_dump(by_alias=True) if isinstance(levels, Range) else levels


def _plan_content(plan: str | Plan) -> Any:
    if isinstance(plan, str):
        return plan
    money = {scene: dict(phases) for scene, phases in plan.money.items()}
    partners = None if plan.commissions is None else sorted(plan.commissions)
    return [plan.name, money, sorted(plan.packages), partners]


# --------------------------------------------------------------------------- from a file
def read_study(path: str | os.PathLike[str], prepare: Prepare | None = None) -> Study:
    """The study file at `path`; a ScenarioError holds everything that is wrong with it.

    `prepare` changes every scenario once, before anything is varied in it.
    """
    tree = read_tree(path)
    if tree.root.child("scenes") and not tree.root.child("scenarios"):
        words = "make this a scenario, not a study: a study names its file under scenarios"
        raise ScenarioError([tree.key_problem("scenes", words)])
    file = validate(StudyFile, tree)
    problems: list[Problem] = []
    scenarios = _read_scenarios(file, tree, Path(path), problems)
    check_words(file, tree, problems)
    prepared = {name: prepare(name, s) if prepare else s for name, s in scenarios.items()}
    cases = [
        Case(name, s, tuple(p.name for p in named_plans(s, file.plans)))
        for name, s in prepared.items()
    ]
    study = make_study(file, cases)
    check_study(study, tree)
    return study


def make_study(file: StudyFile, cases: Iterable[Case]) -> Study:
    """What a file says, as a study."""
    rules = tuple(Rule.read(text, list(file.over)) for text in file.where)
    return Study(
        tuple(cases), Design(file.over, file.design, file.points, rules, file.seed),
        file.replications, file.mode, file.spreads, tuple(dict.fromkeys(file.metrics)),
        name=file.name, question=file.question,
    )  # fmt: skip


def _read_scenarios(
    file: StudyFile, tree: Tree, path: Path, problems: list[Problem]
) -> dict[str, Scenario]:
    found: dict[str, Scenario] = {}
    for n, name in enumerate(file.scenarios):
        place = _scenario_file(name, path)
        if place is None:
            problems.append(tree.problem(("scenarios", n), _no_file(name, path)))
            continue
        if place.stem in found:
            problems.append(tree.problem(("scenarios", n), f"is the second called {place.stem!r}"))
            continue
        try:
            found[place.stem] = read_scenario(place)
            named_plans(found[place.stem], file.plans)
        except ScenarioError as error:
            problems += error.problems
        except UserError as error:
            problems.append(tree.problem("plans", f"do not fit {name}: {error}"))
    return found


def _scenario_file(name: str, path: Path) -> Path | None:
    own, folder = path.resolve(), path.resolve().parent
    if name.startswith(("./", "../", "/")):
        places = [folder / name]
    else:
        places = [folder / f"{name}.yaml", folder.parent / f"{name}.yaml"]
    return next(
        (Path(os.path.relpath(p)) for p in places if p.is_file() and p.resolve() != own), None
    )


def _no_file(name: str, path: Path) -> str:
    folder = path.resolve().parent
    known = [p.stem for p in (*folder.glob("*.yaml"), *folder.parent.glob("*.yaml"))]
    near = suggestion(name, sorted({stem for stem in known if stem != path.stem}))
    return f"names no scenario file: {name!r}{near}"


def check_words(file: StudyFile, tree: Tree, others: Iterable[Problem] = ()) -> None:
    """Raise whatever can be told wrong without a scenario, together with other problems."""
    problems = [*others]
    problems += [tree.problem(path, wrong) for path, wrong in _wrong_words(file) if wrong]
    if problems:
        raise ScenarioError(problems)


def _wrong_words(file: StudyFile) -> Iterator[tuple[Parts, str]]:
    for name, levels in file.over.items():
        yield ("over", name), check_levels(levels, file.design)
        yield ("over", name), _inside(name, file.over)
    for n, name in enumerate(file.plans):
        yield ("plans", n), f"names {name!r} twice" if name in file.plans[:n] else ""
    for n, name in enumerate(file.metrics):
        yield ("metrics", n), _check_metric(name)
    yield ("points",), _check_points(file)
    for n, text in enumerate(file.where):
        yield ("where", n), _check_rule(file, text)


def _inside(name: str, names: Iterable[str]) -> str:
    """A parameter within another would change what that one says."""
    own = full_path(tuple(name.split(".")))
    for other in names:
        outer = full_path(tuple(other.split(".")))
        if other != name and own[: len(outer)] == outer:
            return f"is a part of over.{other}: vary one of the two"
    return ""


def _check_metric(name: str) -> str:
    if name in NOT_PLAYED:
        return f"is no metric of a study: {name!r}; adsim optimize finds it"
    near = suggestion(name, list(BY_NAME))
    return "" if name in BY_NAME else f"is no metric: {name!r}{near}"


def _check_points(file: StudyFile) -> str:
    if file.design == "grid":
        return "are for space-filling designs: a grid has its own" if file.points else ""
    if file.points is None:
        return f"must say how many cells design: {file.design} has"
    if not file.over:
        return "have nothing to fill: name parameters under over"
    if file.design == "sobol" and file.points & (file.points - 1):
        below = 1 << (file.points.bit_length() - 1)
        return f"must be a power of two for sobol (got {file.points}): {below} or {2 * below}"
    return ""


def _check_rule(file: StudyFile, text: str) -> str:
    try:
        rule = Rule.read(text, list(file.over))
    except ValueError as error:
        return str(error)
    design = Design(file.over)
    words = [name for name in sorted(rule.names()) if not design.are_numbers(name)]
    return f"compares {words[0]}, whose values are not all numbers" if words else ""


# --------------------------------------------------------------------------- checks
def check_study(study: Study, tree: Tree = NOWHERE) -> None:
    """Raise everything that would stop a study half-way, before any work."""
    size = study.design.size()
    if size > MOST_CELLS:
        _stop(
            tree, "over", f"makes {size:,} cells, more than {MOST_CELLS:,}: fewer steps, or points"
        )
    problems = [*_unknown_paths(study, tree)]
    if not problems:
        problems = [*_wrong_values(study, tree)]
    if problems:
        raise ScenarioError(problems)
    if not study.cells:
        _stop(tree, "where", f"leaves none of {size:,} cells")
    if study.lanes() > MOST_LANES:
        _stop(tree, "replications", f"make {study.lanes():,} lanes, more than {MOST_LANES:,}")
    problems = list({str(p): p for p in _wrong_cells(study, tree)}.values())
    if problems:
        raise ScenarioError(problems)


def _stop(tree: Tree, path: str, message: str) -> None:
    raise ScenarioError([tree.problem(path, message)])


def _unknown_paths(study: Study, tree: Tree) -> Iterator[Problem]:
    for path in study.design.over:
        for case in study.cases:
            if wrong := unknown(case.scenario, path):
                yield tree.key_problem(("over", path), f"{wrong} (in {case.name})")
                break


def _wrong_values(study: Study, tree: Tree) -> Iterator[Problem]:
    """Values that a field does not take, each at its place; how they fit each other comes later."""
    for path, levels in study.design.over.items():
        some = levels if isinstance(levels, list) else levels.at(np.array([0.0, 1.0]))
        for n, value in enumerate(some):
            for case in study.cases:
                if wrong := _refused(case.scenario, path, value):
                    place = ("over", path, n) if isinstance(levels, list) else ("over", path)
                    yield tree.problem(place, f"{wrong} (in {case.name})")
                    break


def _refused(scenario: Scenario, path: str, value: Any) -> str:
    try:
        with_values(scenario, {path: value})
    except ScenarioError as error:
        dotted = ".".join(map(str, full_path(parts_of(path))))
        own = [p for p in error.problems if p.path == dotted or p.path.startswith(f"{dotted}.")]
        return own[0].message if own else ""
    return ""


def _wrong_cells(study: Study, tree: Tree) -> Iterator[Problem]:
    cells = study.cells
    step = max(1, -(-len(cells) // MOST_TRIED))
    for cell in dict.fromkeys([*range(0, len(cells), step), len(cells) - 1]):
        for case in study.cases:
            if wrong := cell_fault(case, cells[cell]):
                yield tree.problem("over", wrong)


def cell_fault(case: Case, cell: Cell) -> str:
    """Why a cell cannot be played; nothing if it can."""
    try:
        case.plans_in(case.at(cell), 0, len(case.plans))
    except ScenarioError as error:
        faults = "; ".join(f"{p.path} {p.message}".strip() for p in error.problems)
    except UserError as error:
        faults = str(error)
    else:
        return ""
    values = ", ".join(f"{name}={value}" for name, value in cell.values.items())
    return f"makes cell {cell.number} ({values}) of {case.name}, where {faults}"
