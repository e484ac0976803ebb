"""Our search against other ways to split a budget, on the same market in expected mode.

Two objectives, return (money not spent is lost) and new customers. The reference is the frontier of all
that anybody found: our search at 20 times its evaluations from many origins, NSGA-II at 100,000
evaluations, SLSQP from 50 starts, and the measured runs themselves (with --quick 5 times, 10,000 and 10).
Areas are measured from a corner that lies a tenth of the frontier's range below its worst values; rows
"above even" measure them from what an even split brings.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from simulator.allocation.aims import Aims, nothing_beats
from simulator.allocation.archive import Archive
from simulator.allocation.effort import Effort
from simulator.allocation.market import make_plans, make_problem, read_plans
from simulator.allocation.problem import Array, Limits, Problem, Split, stack
from simulator.allocation.refine import climb
from simulator.allocation.repair import repair
from simulator.allocation.search import TILT, Search
from simulator.allocation.settle import settle
from simulator.scenario import read_scenario
from simulator.scenario.plan import Plan, all_packages, plans_of
from simulator.scenario.schema import Scenario
from tests.bench import rivals
from tests.bench.rivals import weighted
from tests.bench.table import Row
from tests.bench.watched import (
    Trace,
    WatchedMarket,
    corner_of,
    hypervolume,
    rows_to,
    trace_of,
)  # fmt: skip
from tests.bench.worlds import ROOT, split_scenario

PATIENT = Effort(fills=4, fill=10, between=150, sweeps=3, steps=40, more_steps=20, enough=1e-6)
WEIGHTINGS = 5
"""Of SLSQP from an even split."""
SEED = 5


@dataclass(frozen=True)
class Goal:
    """Share of the reference area to reach, and how many times fewer evaluations and own CPU it should take."""

    share: float
    evaluations: float | None = None
    own_cpu: float | None = None


GOALS = {6: Goal(0.995), 12: Goal(0.995, 4, 8), 30: Goal(0.97, 10, 10)}
BEST = 0.995
"""Share of the best single objective."""
LEAST = 0.1
"""Where the best return is less of the budget than this, shares are of this part of the budget."""
ANYWHERE, CLIMBS = 3, 10
"""Random starts of SLSQP in every scenario, and steps of our climb from where it ends."""
CHEAP = ("minimal", "single_day_1111_2013", "flash_presale", "mom_and_pop_300")


@dataclass(frozen=True)
class Size:
    """How long the reference is sought."""

    times: int
    """Evaluations of our patient search, as a multiple of the measured one's."""
    evaluations: int
    """Of NSGA-II, which is also the measured run."""
    starts: int
    random: int
    scenarios: tuple[str, ...]
    """Whose best return is sought."""


FULL = Size(20, 100_000, 50, 20_000, tuple(sorted(p.stem for p in ROOT.glob("scenarios/*.yaml"))))
QUICK = Size(5, 10_000, 10, 5_000, CHEAP)


# --- the frontier -------------------------------------------------------------------------------


def frontier_rows(cells: int, size: Size, beaten: Path | None = None) -> Iterator[Row]:
    """Everybody on the world of so many cells."""
    world = World.of(split_scenario(cells))
    runs = run_everybody(world, size)
    reference = np.concatenate([run.values for run in runs.values()])
    reference = reference[nothing_beats(reference)]
    ruler = Ruler(f"n = {cells}", GOALS[cells], corner_of(reference), reference)
    ours = runs["our search"]
    yield from ruler.race_rows(ours, runs["NSGA-II"])
    yield from ruler.end_rows(ours)
    for name, run in runs.items():
        yield ruler.row(name, run)
    yield Row(f"{ruler.label}: area, plans of our answer", ruler.share(ours.last()), " %")
    even = Goal(GOALS[cells].share), world.even_values()
    if (reference > even[1]).all(axis=1).any():
        plain = Ruler(f"n = {cells} above even", *even, reference)
        yield from plain.race_rows(ours, runs["NSGA-II"])
        yield from (plain.row(name, run, goal=False) for name, run in runs.items())
    if beaten:
        write_beaten(world, cells, runs, beaten)


@dataclass(frozen=True, eq=False)
class World:
    """A scenario whose bookings are made, so that only money is sought."""

    scenario: Scenario
    problem: Problem
    starts: Split

    @classmethod
    def of(cls, scenario: Scenario) -> "World":
        booked = Limits(packages={name: True for name in all_packages(scenario)})
        problem = make_problem(scenario, scenario.budget, booked)
        return cls(scenario, problem, repair(problem, read_plans(problem, [Plan.even(scenario)])))

    def even_values(self) -> Array:
        """What an even split brings: [objective]."""
        return self.watch(lambda market: market(self.starts)).values[0]

    def watch(self, work: Callable[[WatchedMarket], object]) -> Trace:
        """What a method asks on a market of its own."""
        market = WatchedMarket(self.scenario, self.problem)
        work(market)
        return trace_of(market)


def run_everybody(world: World, size: Size) -> dict[str, Trace]:
    """All methods, ours first; the last three are the reference."""
    problem, even = world.problem, world.starts
    ours = world.watch(partial(our_search, problem=problem, starts=even))
    scale = np.ptp(ours.values[nothing_beats(ours.values)], axis=0)
    few, many = (weighted(problem, between(n), scale) for n in (WEIGHTINGS, size.starts))
    once = partial(
        rivals.knapsack_once, problem=problem, start=even, weightings=between(21), scale=scale
    )
    alike = even.take([0] * WEIGHTINGS)
    anywhere = rivals.dirichlet(problem, size.starts, SEED)
    each = rivals.slsqp_each
    works: dict[str, Callable[[WatchedMarket], object]] = {
        "one knapsack": once,
        "SLSQP, even split": partial(each, problem=problem, starts=alike, aims=few),
        "SLSQP, even split, its own slopes": partial(
            each, problem=problem, starts=alike, aims=few, batched=False
        ),
        "random": partial(rivals.search_at_random, problem=problem, evaluations=size.random, seed=SEED),
        "NSGA-II": partial(rivals.nsga2, problem=problem, evaluations=size.evaluations, seed=SEED),
        f"SLSQP, {size.starts} starts": partial(each, problem=problem, starts=anywhere, aims=many),
        f"our search, {size.times} times": partial(
            patient_search, problem=problem, starts=even, evaluations=size.times * len(ours)
        ),
    }  # fmt: skip
    if len(problem.cells) > 12:  # cell by cell, one plan a call: minutes that say nothing new
        del works["SLSQP, even split, its own slopes"]
    return {"our search": ours} | {name: world.watch(work) for name, work in works.items()}


def between(count: int) -> Array:
    """Weightings from one end to the other: [row, objective]."""
    share = np.linspace(0.0, 1.0, count)
    return np.clip(np.stack([1 - share, share], axis=1), TILT, 1.0)


def our_search(
    market: WatchedMarket, problem: Problem, starts: Split, effort: Effort | None = None
) -> Search:
    """As `optimize` searches at one budget, its last step included: rows are planned as they are spent."""
    archive = Archive(market)
    search = Search(archive, problem, 2, effort or Effort())
    search.go(starts)
    aims, rows = search.known
    market(settle(archive, problem, rows, aims))  # the last call is the answer, whole
    return search


def patient_search(
    market: WatchedMarket, problem: Problem, starts: Split, evaluations: int
) -> None:
    """With more of everything, then again from random origins until so many plans are played."""
    our_search(market, problem, starts, PATIENT)
    seed = SEED
    while market.evaluations < evaluations:
        seed += 1
        our_search(market, problem, rivals.dirichlet(problem, 1, seed))


@dataclass(frozen=True, eq=False)
class Ruler:
    """What a run is measured with."""

    label: str
    goal: Goal
    corner: Array
    reference: Array
    """Values of the reference frontier: [row, objective]."""

    @property
    def whole(self) -> float:
        """Area of the reference."""
        return hypervolume(self.reference, self.corner)

    def share(self, values: Array) -> float:
        """Of the reference area [%]."""
        return 100 * hypervolume(values, self.corner) / self.whole

    def reached(self, values: Array) -> int | None:
        """Rows until the share that is asked."""
        return rows_to(values, self.corner, self.goal.share * self.whole)

    def row(self, name: str, run: Trace, *, goal: bool = True) -> Row:
        """How far a run came in all."""
        sign = ">=" if goal and name == "our search" else ""
        note = f"{len(run):,} evaluations in {run.calls:,} calls, own CPU {run.own_cpu:.2f} s of {run.cpu:.0f} s"
        found = self.reached(run.values)
        if found is not None:
            note += f"; {self.goal.share:.1%} at {found:,}"
        return Row(
            f"{self.label}: area, {name}",
            self.share(run.values),
            " %",
            sign,
            100 * self.goal.share,
            note,
        )

    def race_rows(self, ours: Trace, rival: Trace) -> Iterator[Row]:
        """How many times less we need than NSGA-II."""
        label = f"{self.label}: NSGA-II / ours to {self.goal.share:.1%}"
        a, b = self.reached(ours.values), self.reached(rival.values)
        costs = {
            "evaluations": np.arange(1, len(ours) + 1),
            "own CPU": ours.own,
            "calls": ours.call,
        }
        others = {
            "evaluations": np.arange(1, len(rival) + 1),
            "own CPU": rival.own,
            "calls": rival.call,
        }
        goals = {"evaluations": self.goal.evaluations, "own CPU": self.goal.own_cpu, "calls": None}
        for what, goal in goals.items():
            yield _ratio(f"{label}, {what}", (costs[what], a), (others[what], b), goal)
        strict = self.reached(ours.spending()), self.reached(rival.spending())
        steps = costs["evaluations"], others["evaluations"]
        yield _ratio(
            f"{label}, evaluations, only rows that spend all",
            (steps[0], strict[0]),
            (steps[1], strict[1]),
            None,
        )

    def end_rows(self, ours: Trace) -> Iterator[Row]:
        """Our best of each objective against the best that anybody found."""
        best, found = self.reference.max(axis=0), ours.values.max(axis=0)
        for n, what in enumerate(("return", "new customers")):
            yield Row(
                f"{self.label}: best {what}", 100 * found[n] / best[n], " %", ">=", 100 * BEST,
                f"{found[n]:,.0f} of {best[n]:,.0f}",
            )  # fmt: skip


def _ratio(
    what: str, ours: tuple[Array, int | None], rival: tuple[Array, int | None], goal: float | None
) -> Row:
    """The rival's cost over ours; where the rival never arrives, of all that it played: at least so much."""
    sign = ">=" if goal else ""
    if ours[1] is None:
        return Row(what, 0.0, "x", sign, goal or 0.0, "ours does not arrive")
    own = float(ours[0][ours[1] - 1])
    other = float(rival[0][-1 if rival[1] is None else rival[1] - 1])
    note = f"{other:,.4g} / {own:,.4g}" + (", which does not arrive" if rival[1] is None else "")
    return Row(what, other / max(own, 1e-9), "x", sign, goal or 0.0, note)


# --- where a rival is better --------------------------------------------------------------------

FOUND = 0.005
"""A rival beats us if its score is better by more, as a share of the frontier's range."""


def write_beaten(world: World, cells: int, runs: dict[str, Trace], folder: Path) -> None:
    """Where somebody's best plan of a weighting beats ours, both plans."""
    ours = runs["our search"]
    scale = np.ptp(ours.values[nothing_beats(ours.values)], axis=0)
    for n, weights in enumerate(between(WEIGHTINGS)):
        best = {name: _best_row(run, weights / scale) for name, run in runs.items()}
        winner = max(best, key=lambda name: best[name][1])
        if best[winner][1] <= best["our search"][1] + FOUND:
            continue
        told = {
            name: _told(world, runs[name], best[name][0]) | {"score": best[name][1]}
            for name in ("our search", winner)
        }
        path = folder / f"beaten_{cells}_{n}.json"
        path.write_text(
            json.dumps({"weights": weights.tolist(), "plans": told}, indent=1), encoding="utf-8"
        )


def _best_row(run: Trace, weight: Array) -> tuple[int, float]:
    scores = np.where(
        np.isfinite(run.values[:, 0]), np.nan_to_num(run.values, neginf=0.0) @ weight, -np.inf
    )
    return int(scores.argmax()), float(scores.max())


def _told(world: World, run: Trace, row: int) -> dict[str, object]:
    plan = make_plans(world.scenario, world.problem, run.split.take([row]))[0]
    return {
        "money": plan.money,
        "packages": sorted(plan.packages),
        "values": run.values[row].tolist(),
    }


# --- the best return of every shipped scenario --------------------------------------------------


def best_rows(names: Sequence[str]) -> Iterator[Row]:
    """Our search for the return alone, against SLSQP from several starts and climbs from where it ends."""
    for name in names:
        yield from best_of(name)


def best_of(name: str) -> Iterator[Row]:
    """One scenario: ours, and SLSQP from an even split."""
    scenario = read_scenario(ROOT / f"scenarios/{name}.yaml")
    problem = make_problem(scenario, scenario.budget)
    starts = repair(problem, read_plans(problem, [Plan.even(scenario), *plans_of(scenario)]))
    ours, even, others = (WatchedMarket(scenario, problem, 1) for _ in range(3))
    search = Search(Archive(ours), problem, 1)
    search.go(starts)
    best, cost = best_return(ours), ours.evaluations
    one = weighted(problem, np.ones((1, 1)), np.array([problem.budget]))
    rivals.slsqp(even, problem, starts.take([0]), one, batched=True)
    look_further(others, problem, stack([starts.take([1]), search.known.rows]), one)
    reference = max(best, best_return(even), best_return(others))
    size = max(abs(reference), LEAST * problem.budget)

    def row(what: str, value: float, goal: float, note: str) -> Row:
        share = 100 * (1 - (reference - value) / size)
        return Row(f"{name}: {what}", share, " %", ">=" if goal else "", goal, note)

    note = f"{best:,.0f} of {reference:,.0f} CNY, {len(problem.cells)} cells, {cost:,} evaluations"
    yield row("best return", best, 100 * BEST, note)
    yield row(
        "SLSQP from an even split", best_return(even), 0.0, f"{even.evaluations:,} evaluations"
    )


def best_return(market: WatchedMarket) -> float:
    """The highest return of all rows that cost no more than the budget."""
    return float(trace_of(market).values[:, 0].max())


def without_scenes(problem: Problem, rows: Split) -> Split:
    """Rows with one scene closed, its money given to the others or kept; and with all of them closed."""
    closed = np.concatenate([problem.of_scene, np.ones((1, len(problem.cells)), dtype=bool)])
    money = np.concatenate([np.where(out, 0.0, rows.money) for out in closed])
    kept = Split(money, np.tile(rows.booked, (len(closed), 1)))
    return stack([kept, repair(problem, kept)])


def look_further(market: WatchedMarket, problem: Problem, starts: Split, aim: Aims) -> None:
    """Scenes closed; SLSQP from the user's plan and anywhere, then our climb from where it and our search end."""
    market(without_scenes(problem, starts))
    booked = starts.booked[[-1]]
    anywhere = rivals.dirichlet(problem, ANYWHERE, SEED).money
    spread = repair(problem, Split(anywhere, np.repeat(booked, ANYWHERE, axis=0)))
    many = stack([starts.take([0]), spread])
    ends = rivals.slsqp_each(market, problem, many, aim.take([0] * len(many)))
    rows = stack([ends, starts.take([-1])])
    aims, reach = aim.take([0] * len(rows)), np.full(len(rows), 0.3)
    for _ in range(CLIMBS):
        rows, gain = climb(market, problem, aims, rows, reach)
        reach = np.where(gain > 0, reach, reach / 4)
