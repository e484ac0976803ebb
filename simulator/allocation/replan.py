"""What to do from a date on: what is spent stays, the rest of the money is split again.

The phase that lies across the date becomes two (simulator/scenario/cut.py). Cells before the date are
locked at the current plan, so that people, stock and products stand on that date as it left them: the
past is played again in every plan, the same in all.
"""

from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from simulator.allocation.effort import Effort, asked_effort
from simulator.allocation.optimize import optimize
from simulator.allocation.problem import Array, Limits, asked_limits
from simulator.allocation.quest import Progress, asked_budget
from simulator.engine.run import View
from simulator.engine.simulate import check_run, make_grid, simulate
from simulator.errors import UserError
from simulator.market.calendar import phase_names, seconds_between
from simulator.outcomes.frontier import Frontier, Past
from simulator.scenario.asked import asked_money, asked_table
from simulator.scenario.calendar import phase_spans
from simulator.scenario.cut import booked_before, cut_at, moment_of, name_of_rest, straddled
from simulator.scenario.plan import (
    Plan,
    all_packages,
    asked_plan,
    can_cancel,
    find_package,
    phase_weights,
)
from simulator.scenario.schema import Scenario

ON_PACE = 0.98
"""A cell that has spent so much of what it could spend is limited by its money."""


def replan(
    scenario: Scenario, plan: Plan | str | None, since: str | datetime, *,
    objectives: Sequence[str] = ("roi", "new_customers"), budget: float | None = None,
    spent: Mapping[str, float] | None = None, limits: Limits | None = None, replications: int = 100,
    seed: int = 11, budgets: Sequence[float] = (), effort: Effort | None = None,
    executor: Executor | None = None, progress: Progress | None = None, label: str | None = None,
    min_roi: float | None = None, at_least: Mapping[str, float] | None = None, sure: float | None = None,
) -> Frontier:  # fmt: skip
    """Split again what is left at a date, such as "2020-11-05"; the plan so far stays as it was.

    `plan` is made, a name, or None for the file's first. Plans of the answer are plans of
    `cut_at(scenario, since)`: play and draw them with that. `budget` is that of the whole run; what the
    past did not spend of its money is split again with the rest. `spent` gives what really was spent,
    by "scene.phase", where that is known better. Bookings made before the date stay. The plan of most
    profit is sought as well: what is left may be better kept.
    """
    check_run(scenario, "sampled", replications, seed, progress=progress)
    effort = asked_effort(effort)
    own, moment = asked_plan(scenario, plan), moment_of(since)
    done = _Done(scenario, own, moment)
    given, known = asked_limits(limits), done.asked(spent)
    done = replace(done, known=known) if known else done
    past = done.past
    done.refuse(given)
    limits = replace(
        given, locks={**given.locks, **past}, packages={**given.packages, **_fixed(scenario, own, moment)}
    )  # fmt: skip
    idle = sum(map(done.idle, past))
    whole = asked_budget(budget, scenario.budget)
    over = Past(moment, {cell: done.gone(cell) for cell in past}, idle)
    gone = sum(past.values()) - idle
    if gone > whole * (1 + 1e-9):
        raise UserError(
            f"{gone:,.0f} CNY were spent before {moment:%Y-%m-%d}, more than the budget of the whole "
            f"run, {whole:,.0f} CNY: give {gone:,.0f} CNY or more"
        )
    return optimize(
        done.ahead, objectives, budget=whole, past=over, limits=limits,
        current=done.carried_on, replications=replications, seed=seed, budgets=budgets, effort=effort,
        executor=executor, progress=progress, label=label, min_roi=min_roi, at_least=at_least, sure=sure,
    )  # fmt: skip


def carry_on(scenario: Scenario, plan: Plan, moment: datetime) -> Plan:
    """The plan as one of `cut_at(scenario, moment)`: what it has left on that day is for the rest."""
    return _Done(scenario, plan, moment).carried_on


@dataclass
class _Done:
    """What a plan has done by a moment.

    A cell of the past that spent nearly all it could keeps what it spent. Any other keeps the money
    that it could spend: own scenes share opportunities by their money, so that less of it would change
    the past. What it has left is idle. Where the user knows better what was spent, that is what it had.
    """

    scenario: Scenario
    plan: Plan
    moment: datetime
    known: Mapping[str, float] = field(default_factory=dict)
    """By scene.phase [CNY]."""

    def __post_init__(self) -> None:
        self.ahead = cut_at(self.scenario, self.moment)
        self.phase = straddled(self.scenario.calendar, self.moment)
        self.spent = spent_by(self.scenario, self.plan, self.moment)
        self.weights = _traffic(self.ahead)
        self._put_known(self.spent)
        money = {scene: self._scene(scene, dict(own)) for scene, own in self.plan.money.items()}
        self._put_known(money)
        self.carried_on = replace(self.plan, money=money)
        self.past = {
            f"{scene}.{phase}": money[scene].get(phase, 0.0)
            for scene in self.ahead.scenes
            for phase in phase_weights(self.ahead, scene)
            if self._is_past(phase) and _bids(self.ahead, scene)
        }

    def _put_known(self, table: dict[str, dict[str, float]]) -> None:
        """In a table by scene and phase."""
        for cell, money in self.known.items():
            scene, _, phase = cell.partition(".")
            table.setdefault(scene, {})[phase] = money

    def asked(self, spent: Mapping[str, float] | None) -> dict[str, float]:
        """What the user knows was spent; it must be of the past."""
        table = asked_table("amounts spent", spent or {}, "{'live.presale': 2e5}")
        for cell in table:
            if cell not in self.past:
                raise UserError(f"spent: {cell!r} is no scene.phase before {self.moment:%Y-%m-%d}")
        return {cell: asked_money(f"what {cell} spent", x) for cell, x in table.items()}

    def refuse(self, given: Limits) -> None:
        """Limits of the past come too late."""
        for cell in (*given.locks, *given.floors, *given.caps):
            if cell in self.past:
                raise UserError(
                    f"{cell} is over on {self.moment:%Y-%m-%d}: what it spent stays, so it takes no limit"
                )

    def idle(self, cell: str) -> float:
        """Money that a cell of the past has left; that of a daily budget is lost."""
        scene, _, phase = cell.partition(".")
        if self.scenario.scenes[scene].budget_kind == "daily":
            return 0.0
        return max(self.past[cell] - self.spent[scene][phase], 0.0)

    def gone(self, cell: str) -> float:
        """Money that a cell of the past has spent of its own; more than that is rounding."""
        scene, _, phase = cell.partition(".")
        return min(self.past[cell], self.spent[scene][phase])

    def _scene(self, scene: str, own: dict[str, float]) -> dict[str, float]:
        kind = self.scenario.scenes[scene].budget_kind
        if kind == "cycle":
            return self._along(scene, list(phase_weights(self.ahead, scene)), sum(own.values()))
        if not self.phase or self.phase not in own:
            return own
        if kind == "daily":
            before = own[self.phase] * self._time_gone(self.phase)
            return own | {self.phase: before, self._rest: own[self.phase] - before}
        return own | self._along(scene, [self.phase, self._rest], own[self.phase])

    @property
    def _rest(self) -> str:
        return name_of_rest(self.phase or "", self.moment)

    def _along(self, scene: str, phases: list[str], money: float) -> dict[str, float]:
        """Money that follows the traffic: what a past phase leaves goes on to the next ones."""
        found, left = dict[str, float](), money
        to_come = sum(self.weights[f] for f in phases)
        for phase in phases:
            share = left if self._is_quick(scene, phase) else left * self.weights[phase] / to_come
            to_come -= self.weights[phase]
            past = self._is_past(phase) and _bids(self.ahead, scene)
            found[phase] = self._kept(scene, phase, share) if past else share
            left -= min(self.spent[scene][phase], share) if past else share
        return found

    def _is_quick(self, scene: str, phase: str) -> bool:
        """Whether the scene may spend all it has in a phase of the past."""
        return self._is_past(phase) and self.scenario.scenes[scene].pacing == "quick"

    def _kept(self, scene: str, phase: str, share: float) -> float:
        spent = self.spent[scene][phase]
        return min(spent, share) if spent >= ON_PACE * share else share

    def _time_gone(self, phase: str) -> float:
        """Share of the phase's time that is over."""
        spans = phase_spans(self.scenario.calendar)
        _, start, end = next(span for span in spans if span.phase == phase)
        return (self.moment - start) / (end - start)

    def _is_past(self, phase: str) -> bool:
        return self.ahead.calendar.phases[phase].start < self.moment


def _traffic(scenario: Scenario) -> dict[str, float]:
    """Visits of every phase, as pacing reckons with them [normal days]."""
    grid, phases = make_grid(scenario), scenario.calendar.phases
    visits = np.bincount(grid.phase, grid.browse)
    return {
        f: float(v * float(phases[f].traffic))
        for f, v in zip(grid.phases[:-1], visits, strict=False)
    }


def _bids(scenario: Scenario, scene: str) -> bool:
    return any(scenario.slots[slot].kind == "auction" for slot in scenario.scenes[scene].slots)


def spent_by(scenario: Scenario, plan: Plan, moment: datetime) -> dict[str, dict[str, float]]:
    """Auction money that a plan has spent before a moment, in expected mode: [scene][phase]."""
    grid = make_grid(scenario)
    second = seconds_between(grid.shape.origin, moment)
    if second not in grid.start:
        raise UserError(f"{moment:%Y-%m-%d %H:%M} is within a step of the clock: take a midnight")
    books: list[Array] = []

    def watch(view: View) -> Generator[float, None, None]:
        yield float(second - 1)
        books.append(view.spent.sum(axis=2))

    outcomes = simulate(
        scenario, [plan], mode="expected", daily=False, attribution=False, processes=[watch]
    )
    mean = np.sum(books, axis=0) / outcomes.replications
    names = phase_names(scenario.calendar)
    return {
        s: dict(zip(names, mean[n].tolist(), strict=True)) for n, s in enumerate(scenario.scenes)
    }


def _fixed(scenario: Scenario, plan: Plan, moment: datetime) -> dict[str, bool]:
    """Packages whose time to be booked is over stay as the plan has them."""
    chosen: dict[str, bool] = {}
    for name in all_packages(scenario):
        package = find_package(scenario, name)
        over = booked_before(package, moment)
        if over and (not package.signed or can_cancel(scenario, name)):
            chosen[name] = name in plan.packages
    return chosen
