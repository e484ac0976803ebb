"""Answers of the simulator to rows of decisions, and how a scenario becomes a problem.

Everything here runs in expected mode: no chance, smooth, and the same for any order of rows. Answers
of the optimiser are means over a few values of all unknown numbers (allocation/fair.py).
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.allocation.feasible import fit_floors
from simulator.allocation.problem import (
    Array,
    Limits,
    Problem,
    Split,
    asked_limits,
    check_known,
    check_locks,
)
from simulator.engine.points import Points
from simulator.engine.simulate import simulate
from simulator.outcomes.metrics import quantities
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.plan import (
    Plan,
    all_packages,
    asked_plan,
    can_cancel,
    cancelling_price,
    find_package,
    package_price,
    phase_weights,
    plans_of,
)
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot

PROFIT = "profit_incremental"
OBJECTIVES = {
    "roi": PROFIT, "profit": PROFIT, PROFIT: PROFIT, "new_customers": "new_customers", "gmv": "gmv",
    "recalled_members": "recalled_members", "asset_value": "asset_value",
}  # fmt: skip
"""What can be asked for, and the quantity of a run that says it; at a fixed budget the best roi is
the best incremental profit, which is the best profit too: what comes without ads is the same in all plans."""
TARGETS = OBJECTIVES | {"profit": "profit"}
"""What can be reached, and the quantity that says it: here `profit` is all of it, with what comes without ads."""
PROFITS = ("profit", PROFIT)
"""Quantities from which a plan's fixed costs are taken."""


@dataclass(frozen=True, eq=False)
class Answers:
    """What rows of decisions bring."""

    values: Array
    """Quantities that were asked for; profits before `Problem.fixed_costs`: [row, objective]."""
    spent: Array
    """Mean auction spend [CNY]: [row, cell]."""
    most: Array
    """Highest auction spend over the points of expected mode: money above it is never spent: [row, cell]."""

    def take(self, rows: "NDArray[np.intp] | Sequence[int]") -> "Answers":
        """Some of the rows, or rows repeated."""
        return Answers(self.values[rows], self.spent[rows], self.most[rows])


Market = Callable[[Split], Answers]
"""Whatever answers rows of decisions with what they bring."""


class SimulatedMarket:
    """The world of one scenario."""

    def __init__(
        self, scenario: Scenario, problem: Problem, wanted: Sequence[str], *,
        executor: Executor | None = None, vectors: int | Points = 0,
    ):  # fmt: skip
        self.scenario, self.problem, self.wanted = scenario, problem, list(wanted)
        self.executor, self.vectors = executor, vectors

    def __call__(self, split: Split) -> Answers:
        """Play all rows in one call of the simulator."""
        plans = make_plans(self.scenario, self.problem, split)
        outcomes = simulate(
            self.scenario, plans, mode="expected", daily=False, attribution=False,
            executor=self.executor, vectors=self.vectors,
        )  # fmt: skip
        return read_answers(outcomes, self.problem, split, self.wanted)


def read_answers(
    outcomes: Outcomes, problem: Problem, split: Split, wanted: Sequence[str]
) -> Answers:
    """Means over the lanes of every plan; the fixed costs added back are those that a search takes off."""
    lanes = quantities(outcomes.book, outcomes.terms)
    rows = len(split)
    values = np.stack([_mean(lanes[name])[:rows] for name in wanted], axis=1)
    profits = [name in PROFITS for name in wanted]
    values[:, profits] += problem.fixed_costs(split)[:, None]
    spent = _spent(outcomes, problem, rows)
    return Answers(values, spent.mean(axis=2), spent.max(axis=2))


def _mean(lanes: Array) -> Array:
    """[plan, replication] to [plan]."""
    return np.asarray(lanes.mean(axis=1))


def _spent(outcomes: Outcomes, problem: Problem, rows: int) -> Array:
    """Auction spend of every cell: [row, cell, point]."""
    spend = outcomes.book.spend  # [scene, phase, lane]
    scenes, phases = list(outcomes.axes.scenes), list(outcomes.axes.phases)
    table = spend.reshape(*spend.shape[:2], -1, outcomes.replications)[:, :, :rows]
    spent = np.empty((rows, len(problem.cells), outcomes.replications))
    for n, cell in enumerate(problem.cells):
        scene, _, phase = cell.partition(".")
        own = table[scenes.index(scene)]
        spent[:, n] = own[phases.index(phase)] if phase else own.sum(axis=0)
    return spent


def make_plans(
    scenario: Scenario, problem: Problem, split: Split, names: Sequence[str] = ()
) -> list[Plan]:
    """Rows of decisions as plans of the scenario."""
    called = names or [f"row {n}" for n in range(len(split))]
    weights = {s: phase_weights(scenario, s) for s in problem.scenes}
    parts = [cell.partition(".") for cell in problem.cells]

    def money(row: Array) -> dict[str, dict[str, float]]:
        table: dict[str, dict[str, float]] = {name: {} for name in scenario.scenes}
        for (scene, _, phase), value in zip(parts, row.tolist(), strict=True):
            pot = {f: value * w for f, w in weights[scene].items()}
            table[scene] |= {phase: value} if phase else pot
        return table

    always = frozenset(all_packages(scenario)) - set(problem.packages)
    return [
        Plan(
            name,
            money(row),
            always | {p for p, b in zip(problem.packages, flags, strict=True) if b},
            problem.partners,
        )
        for name, row, flags in zip(called, split.money, split.booked, strict=True)
    ]


def read_plans(problem: Problem, plans: Sequence[Plan]) -> Split:
    """Plans as rows of decisions; money outside the cells is not counted."""
    parts = [cell.partition(".") for cell in problem.cells]

    def value(plan: Plan, scene: str, phase: str) -> float:
        own = plan.money.get(scene, {})
        return own.get(phase, 0.0) if phase else sum(own.values())

    return Split(
        np.array([[value(plan, s, f) for s, _, f in parts] for plan in plans]).reshape(len(plans), -1),
        np.array([[p in plan.packages for p in problem.packages] for plan in plans], dtype=bool)
        .reshape(len(plans), -1),
    )  # fmt: skip


def even_split(scenario: Scenario, budget: float = np.inf) -> Plan:
    """Equal parts for every scene that can spend, after all packages.

    Where this budget [CNY] or the file's own does not pay all of them, without any that a plan may leave out.
    """
    every = all_packages(scenario)
    price = sum(package_price(scenario, p) for p in every)
    pays = price <= min(budget, scenario.budget)
    kept = every if pays else [p for p in every if not _is_free(scenario, p)]
    return Plan.even(scenario, packages=kept)


def known_rows(scenario: Scenario, problem: Problem, current: Plan | None = None) -> Split:
    """Plans that are known before any search: the current one, those of the file, an even split."""
    own = [current] if current else []
    plans = [*own, *plans_of(scenario), even_split(scenario, problem.budget)]
    return read_plans(problem, plans)


# --------------------------------------------------------------------------- the problem of a scenario
def make_problem(
    scenario: Scenario,
    budget: float,
    limits: Limits | None = None,
    current: Plan | str | None = None,
) -> Problem:
    """Cells and packages of a scenario, under the limits of a user.

    Commissioned media is that of the current plan, by default the file's first.
    """
    limits = asked_limits(limits)
    scenes = tuple(
        s for s in scenario.scenes if _cells_of(scenario, s) or _own_packages(scenario, s)
    )
    cells = [(s, cell) for s in scenes for cell in _cells_of(scenario, s)]
    names = tuple(cell for _, cell in cells)
    packages = tuple(p for p in all_packages(scenario) if _is_free(scenario, p))
    _check_names(limits, scenes, names, packages)
    check_locks(limits)
    low, high = _bounds(limits, names)
    floor, cap = _bounds(limits, scenes)
    groups = tuple(limits.groups)
    group_floor, group_cap = _bounds(limits, groups)
    found = Problem(
        budget=budget, cells=names, scenes=scenes,
        scene_of=np.array([scenes.index(s) for s, _ in cells], dtype=np.intp),
        low=low, high=high, floor=floor, cap=cap,
        minimum=np.array([limits.minimums.get(s, 0.0) for s in scenes]),
        fixed=np.array([_avoidable(scenario, s) for s in scenes]),
        sunk=np.array([_sunk(scenario, s) for s in scenes]),
        groups=groups, group_floor=group_floor, group_cap=group_cap,
        group_of=np.array([_group_of(limits, s) for s in scenes], dtype=np.intp),
        packages=packages, price=np.array([_added_price(scenario, p) for p in packages]),
        payer=np.array([scenes.index(find_package(scenario, p).scene) for p in packages], dtype=np.intp),
        must=np.array([limits.packages.get(p, False) for p in packages], dtype=bool),
        may=np.array([limits.packages.get(p, True) for p in packages], dtype=bool),
        partners=asked_plan(scenario, current).commissions,
    )  # fmt: skip
    return fit_floors(found)


def _cells_of(scenario: Scenario, scene: str) -> list[str]:
    """Where a scene's auction money goes: its phases, or one pot."""
    own = scenario.scenes[scene]
    if not any(isinstance(scenario.slots[k], AuctionSlot) for k in own.slots):
        return []
    if own.budget_kind == "cycle":
        return [scene]
    return [f"{scene}.{phase}" for phase in phase_weights(scenario, scene)]


def _own_packages(scenario: Scenario, scene: str) -> list[str]:
    return [p for p in all_packages(scenario) if find_package(scenario, p).scene == scene]


def _is_free(scenario: Scenario, package: str) -> bool:
    """Whether a plan may take it or leave it."""
    return not find_package(scenario, package).signed or can_cancel(scenario, package)


def _added_price(scenario: Scenario, package: str) -> float:
    """Price, less the fee that is saved by keeping what is signed."""
    price = package_price(scenario, package)
    signed = find_package(scenario, package).signed
    return price - cancelling_price(scenario, package) if signed else price


def _sunk(scenario: Scenario, scene: str) -> float:
    """What a scene pays in every plan [CNY]."""
    own = _own_packages(scenario, scene)
    return sum(_owed(scenario, p) for p in own if find_package(scenario, p).signed)


def _owed(scenario: Scenario, package: str) -> float:
    """Price of a signed package, or the fee where it can be cancelled [CNY]."""
    owed = cancelling_price if can_cancel(scenario, package) else package_price
    return owed(scenario, package)


def _avoidable(scenario: Scenario, scene: str) -> float:
    """Cost of running a scene, nothing where a booking that stays runs it in every plan [CNY]."""
    stays = any(not _is_free(scenario, p) for p in _own_packages(scenario, scene))
    return 0.0 if stays else scenario.scenes[scene].running_cost


def _bounds(limits: Limits, names: Sequence[str]) -> tuple[Array, Array]:
    """Least and most of every name; a lock is both."""
    low = [limits.locks.get(n, limits.floors.get(n, 0.0)) for n in names]
    high = [limits.locks.get(n, limits.caps.get(n, np.inf)) for n in names]
    return np.array(low, dtype=float), np.array(high, dtype=float)


def _group_of(limits: Limits, scene: str) -> int:
    return next((n for n, of in enumerate(limits.groups.values()) if scene in of), -1)


def _check_names(
    limits: Limits, scenes: Sequence[str], cells: Sequence[str], packages: Sequence[str]
) -> None:
    known = [*scenes, *cells, *limits.groups]
    for table in (limits.floors, limits.caps, limits.locks):
        check_known("scene, scene.phase or group", list(table), known)
    check_known("scene", list(limits.minimums), scenes)
    check_known("scene", [s for of in limits.groups.values() for s in of], scenes)
    check_known("package that a plan may choose", list(limits.packages), packages)
