"""Speed, memory and variance of the engine on the world of twelve_scenes.yaml.

Every figure is CPU time of this process, and every ratio is taken within one run: the programs that
are compared take turns. "Replications per CPU second" counts lanes: 16 x 64 is 16 replications of 64
plans, the plan without ads among them. Sampled lanes keep the ledger's totals (`daily=False`).
"""

import math
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np

from simulator.engine.lanes import Chunk, make_chunks, quadrature, shock_names
from simulator.engine.run import Run
from simulator.engine.simulate import make_grid, simulate
from simulator.market.build import build_world
from simulator.market.world import World
from simulator.outcomes.compare import paired_difference
from simulator.outcomes.ledger import Ledger
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.schema import Scenario
from tests.bench.impressions import mean_market, run_impressions
from tests.bench.table import Row, cpu, medians
from tests.bench.worlds import SMALL, bench_plans, bench_scenario, bench_world, moved
from tests.oracles.twin import run_twin

SEED = 11
REPLICATIONS = 16
DEMAND_SD = 0.10  # the least of the shipped scenarios that have any: all but three
SINGLE = 100_000  # opportunities of the program with one process each


@dataclass(frozen=True)
class Size:
    """How long to measure."""

    runs: int
    most_lanes: int
    pairs: int
    """Replications behind the variance of plan differences."""


FULL = Size(runs=3, most_lanes=4096, pairs=512)
QUICK = Size(runs=1, most_lanes=1024, pairs=96)


def engine_rows(size: Size) -> Iterator[Row]:
    """All rows, in the order of the table."""
    run_lanes(2, 2)  # imports, caches
    run_twin(*twin_question())
    speeds = Speeds.measure(size.runs)
    yield from speeds.rows()
    yield from draw_rows()
    yield from growth_rows(size)
    yield from memory_rows(size)
    yield from what_if_rows(size.runs)
    yield from variance_rows(size.pairs)


def facts() -> str:
    """What one lane of the bench world is made of."""
    world = bench_world()
    draws = timed_draws(2, REPLICATIONS)
    steps, lanes, places = len(world.steps), 2 * REPLICATIONS, world.media.valid
    return (
        f"One lane: {places.sum()} placements ({places[: world.media.auctions].sum()} of them in auctions), "
        f"{steps} steps, {draws.decisions / lanes / steps:,.0f} draws a step "
        f"({draws.numbers / lanes / steps:,.0f} numbers, a split counting each part)."
    )


# --- what is run --------------------------------------------------------------------------------


def run_lanes(
    plans: int, replications: int, *, sampled: bool = True, scale: float = 1.0, whole: bool = False
) -> Ledger:
    """One chunk in a world that is built already; `whole`: with days and attribution, as `adsim run` plays."""
    chosen = bench_plans(bench_scenario(scale), plans)
    chunk = Chunk(chosen, tuple(range(replications)))
    return Run(
        bench_world(scale), chunk, SEED, sampled=sampled, daily=whole, attribution=whole
    ).go()


def run_chunks(plans: int, replications: int, *, sampled: bool) -> None:
    """Lanes in the chunks that `simulate` would make of them, totals thrown away."""
    chosen = bench_plans(bench_scenario(), plans)
    for chunk in make_chunks(chosen, replications):
        Run(bench_world(), chunk, SEED, sampled=sampled, daily=False).go()


def twin_question() -> tuple[Scenario, dict[str, dict[str, float]], list[str]]:
    """What the scalar program is asked: the first plan of the file."""
    scenario = bench_scenario()
    plan = plans_of(scenario)[0]
    return scenario, {s: dict(cells) for s, cells in plan.money.items()}, sorted(plan.packages)


def build_bench_world() -> World:
    scenario = bench_scenario()
    return build_world(scenario, make_grid(scenario))


# --- lanes against programs without lanes -------------------------------------------------------


@dataclass(frozen=True)
class Speeds:
    """Median CPU times [s], all measured in turns."""

    of: dict[str, float]
    offered: dict[float, float]
    """Opportunities that 16 x 64 lanes entered, by scale."""

    @classmethod
    def measure(cls, runs: int) -> "Speeds":
        works: dict[str, Callable[[], object]] = {
            "world": build_bench_world,
            "twin": partial(run_twin, *twin_question()),
            "single": partial(run_impressions, mean_market(bench_scenario()), SINGLE),
            "expected": partial(run_lanes, 1024, 1, sampled=False),
            "expected in chunks": partial(run_chunks, 1024, 1, sampled=False),
        }
        for scale in (1.0, SMALL):
            for plans in (16, 64):
                works[f"{plans} at {scale}"] = partial(run_lanes, plans, REPLICATIONS, scale=scale)
        works["whole"] = partial(run_lanes, 16, REPLICATIONS, whole=True)
        offered = {scale: opportunities(run_lanes(64, 1, scale=scale)) for scale in (1.0, SMALL)}
        return cls(medians(works, runs), {s: REPLICATIONS * n for s, n in offered.items()})

    def rows(self) -> Iterator[Row]:
        yield from self._against_twin()
        yield from self._against_single()
        yield from self._replications()

    def _against_twin(self) -> Iterator[Row]:
        twin = self.of["twin"]
        remark = f"twin {twin:.2f} s, lane {self.of['expected'] / 1024 * 1000:.2f} ms"
        yield Row(
            "expected lane / scalar twin, 1,024 lanes", 1024 * twin / self.of["expected"], "x",
            ">=", 130, remark,
        )  # fmt: skip
        split = self.of["expected in chunks"]
        yield Row(
            "  the same in the chunks of simulate()", 1024 * twin / split, "x",
            note="64 plans of one quadrature point a chunk",
        )  # fmt: skip
        for plans, goal in ((16, 45), (64, 65)):
            lanes, taken = plans * REPLICATIONS, self.of[f"{plans} at 1.0"]
            yield Row(
                f"sampled lane / scalar twin, 16 x {plans}", lanes * twin / taken, "x", ">=", goal,
                f"lane {taken / lanes * 1000:.2f} ms",
            )  # fmt: skip

    def _against_single(self) -> Iterator[Row]:
        single = SINGLE / self.of["single"]
        for scale, goal in ((1.0, ">="), (SMALL, "")):
            rate = self.offered[scale] / self.of[f"64 at {scale}"]
            yield Row(
                f"opportunities: lanes / a process each, {scale:.0%} scale", rate / single, "x",
                goal, 5000, f"{rate:,.0f} against {single:,.0f} per CPU second",
            )  # fmt: skip

    def _replications(self) -> Iterator[Row]:
        world = self.of["world"]
        for scale in (1.0, SMALL):
            for plans, goal in ((16, 250), (64, 350)):
                lanes, taken = plans * REPLICATIONS, self.of[f"{plans} at {scale}"]
                yield Row(
                    f"sampled replications per CPU second, 16 x {plans}, {scale:.0%} scale",
                    lanes / taken, "", ">=", goal,
                    f"{lanes / (taken + world):.0f} with a world built for the chunk",
                )  # fmt: skip
        whole = 16 * REPLICATIONS / self.of["whole"]
        yield Row("  the same with days and attribution, 16 x 16, 100% scale", whole, "")
        yield Row("building the bench world", world, " s")


def opportunities(book: Ledger) -> float:
    """Auction opportunities entered and contract impressions served, all lanes together."""
    packages = book.packages["delivered"].sum() + book.packages["made_good"].sum()
    return float(book.scenes["offered"].sum() + packages)


# --- draws --------------------------------------------------------------------------------------


class TimedDraws:
    """Passes every call on to the draws of a run, with the time and the numbers it took."""

    def __init__(self, draws: Any) -> None:
        self._draws = draws
        self.seconds = 0.0
        self.numbers = self.decisions = 0
        self.step_seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._draws, name)
        if not callable(found):
            return found
        self.__dict__[name] = partial(self._call, found)
        return self.__dict__[name]

    def _call(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        result: list[Any] = []
        self.seconds += cpu(lambda: result.append(method(*args, **options)))
        if isinstance(result[0], np.ndarray):
            self.numbers += result[0].size
            self.decisions += math.prod(result[0].shape[-2:])  # one uniform splits a total
        return result[0]


def timed_draws(plans: int, replications: int) -> TimedDraws:
    """A sampled chunk with a clock on its draws and one on its steps."""
    chunk = Chunk(bench_plans(bench_scenario(), plans), tuple(range(replications)))
    run: Any = Run(bench_world(), chunk, SEED, sampled=True, daily=False)
    run.floor.draws = draws = TimedDraws(run.floor.draws)
    step = run.step

    def timed(number: int) -> None:
        draws.step_seconds += cpu(lambda: step(number))

    run.step = timed
    run.go()
    return draws


def draw_rows() -> Iterator[Row]:
    draws = timed_draws(64, REPLICATIONS)
    yield Row(
        "sampled step / its own draws, 16 x 64", draws.step_seconds / draws.seconds, "", "<=", 1.7,
        f"{draws.step_seconds:.2f} s and {draws.seconds:.2f} s",
    )  # fmt: skip
    yield Row(
        "cost of a draw, 16 x 64", draws.seconds / draws.numbers * 1e9, " ns", "<=", 25,
        f"per number; {draws.seconds / draws.decisions * 1e9:.0f} ns where a split counts once",
    )  # fmt: skip


# --- growth and memory --------------------------------------------------------------------------


def growth_rows(size: Size) -> Iterator[Row]:
    """Exponent of CPU time in lanes: slope of ln time against ln lanes."""
    lanes = [n for n in (256, 512, 1024, 2048, 4096) if n <= size.most_lanes]
    for sampled in (True, False):
        works: dict[str, Callable[[], object]] = {
            str(n): partial(run_chunks, n // draws(sampled), draws(sampled), sampled=sampled)
            for n in lanes
        }
        times = medians(works, max(1, size.runs - 1))
        slope = np.polyfit(np.log(lanes), np.log([times[str(n)] for n in lanes]), 1)[0]
        yield Row(
            f"cost exponent, 256 to {lanes[-1]:,} lanes, {mode_of(sampled)}", float(slope), "",
            "<=", 1.03, ", ".join(f"{times[str(n)]:.1f}" for n in lanes) + " s",
        )  # fmt: skip


def memory_rows(size: Size) -> Iterator[Row]:
    """Peak of what Python and NumPy hold while a chunk runs, above the chunk's own ledger."""
    for lanes in (1024, size.most_lanes):
        for sampled in (True, False):
            yield Row(
                f"working memory of a chunk, {lanes:,} lanes, {mode_of(sampled)}",
                working_memory(lanes // draws(sampled), sampled=sampled), " MB", "<=", 64,
            )  # fmt: skip
        if size.most_lanes == lanes:
            return


def working_memory(plans: int, *, sampled: bool) -> float:
    """The most that a chunk holds beside its results [MB]."""
    chosen, world = bench_plans(bench_scenario(), plans), bench_world()
    most, books = 0.0, []
    tracemalloc.start()
    for chunk in make_chunks(chosen, draws(sampled)):
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        books.append(Run(world, chunk, SEED, sampled=sampled, daily=False).go())
        peak = tracemalloc.get_traced_memory()[1]
        most = max(most, peak - before - size_of(books[-1]))
    tracemalloc.stop()
    return most / 1e6


def size_of(book: Ledger) -> int:
    """Bytes of all arrays of a ledger."""
    values = [getattr(book, field.name) for field in fields(book)]
    arrays = [a for v in values for a in (v.values() if isinstance(v, dict) else [v])]
    return sum(array.nbytes for array in arrays)


def draws(sampled: bool) -> int:
    """Replications beside each plan; expected mode has no more than points of its shocks, if there are any."""
    names = shock_names(bench_scenario())
    return REPLICATIONS if sampled or not names else quadrature(len(names)).shape[1]


def mode_of(sampled: bool) -> str:
    return "sampled" if sampled else "expected"


# --- one what-if --------------------------------------------------------------------------------


def what_if_rows(runs: int) -> Iterator[Row]:
    """A user changes one plan and looks: everything from the scenario to the outcomes."""
    scenario = bench_scenario()
    plans = plans_of(scenario)[:1]
    bare = partial(simulate, scenario, plans, mode="expected", daily=False, attribution=False)
    works: dict[str, Callable[[], object]] = {
        "all": partial(simulate, scenario, plans, mode="expected"),
        "bare": bare,
        "lanes": partial(run_lanes, 2, 1, sampled=False),
    }
    times = medians(works, runs + 2)
    remark = f"{times['bare']:.3f} s without days and attribution; its lanes {times['lanes']:.3f} s"
    yield Row("what-if of one plan, expected mode", times["all"], " s", "<=", 0.15, remark)


# --- common random numbers ----------------------------------------------------------------------


def variance_rows(pairs: int) -> Iterator[Row]:
    """Variance of a plan difference with independent seeds, over that with common ones.

    A shock of demand meets all plans alike; without one, little is left that far plans have in common.
    """
    scenario = bench_scenario()
    yield from _variances(scenario, pairs, "")
    if not scenario.chance.demand_sd:
        shaken = scenario.chance.model_copy(update={"demand_sd": DEMAND_SD})
        scenario = scenario.model_copy(update={"chance": shaken})
        yield from _variances(scenario, pairs, f", demand_sd {DEMAND_SD:.0%}")


def _variances(scenario: Scenario, pairs: int, where: str) -> Iterator[Row]:
    current = plans_of(scenario)[0]
    plans = [current, moved(current, 0.01), moved(current, 0.30)]
    outcomes = simulate(
        scenario, plans, replications=pairs, seed=SEED, spreads=False, daily=False,
        attribution=False,
    )  # fmt: skip
    goals = {"gmv": (1000, 100), "new_customers": (1000, 100), "roi": (200, 5)}
    for which, (name, plan) in enumerate((("near", plans[1]), ("far", plans[2]))):
        for metric, goal in goals.items():
            gap = _gap(outcomes, plan, current, metric)
            yield Row(
                f"variance reduction, {name} plans{where}: {metric}", gap.variance_reduction, "x",
                ">=", goal[which], f"{plan.name}; {gap.mean:+.4g}, {pairs} replications",
                gap.variance_reduction * 2 / math.sqrt(pairs - 1),
            )  # fmt: skip


def _gap(outcomes: Any, a: Plan, b: Plan, metric: str) -> Any:
    return paired_difference(outcomes.sample(a.name, metric), outcomes.sample(b.name, metric))
