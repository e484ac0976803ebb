"""What every answer promises, checked on the shipped scenarios: one line each.

column        meaning                                                                     promise
gain          return of the answer less that of the current plan, money that is not      not below 0
              spent counted as lost, % of the budget: expected mode over unknown numbers,
              as the search has it, and its paired interval on the fresh draws
even          the same over an even split                                                 not below 0
profit        the gain over the current plan with what it does not spend counted as kept
inside        cells between their limits, over all cells
spread        largest less smallest marginal value of the cells inside, over the median   <= 2%
price         1 + shadow price: what one more yuan of the budget brings, gross
again         the same by re-optimising at 98% and 102% of the budget, packages fixed:    within 5%
              climbed and settled as the answer is
fresh         whether a new run of the plan gives the promised figures to the last bit    yes
parked        largest share of a cell's money that no point of expected mode spends       <= 0.5%
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from simulator.allocation.aims import linear
from simulator.allocation.archive import Archive
from simulator.allocation.effort import Effort
from simulator.allocation.fair import fair_points
from simulator.allocation.market import PROFIT, SimulatedMarket, make_problem, read_plans
from simulator.allocation.optimize import EVEN, optimize
from simulator.allocation.problem import Limits, Problem, Split
from simulator.allocation.repair import repair
from simulator.allocation.search import Search
from simulator.engine.points import Points
from simulator.engine.simulate import simulate
from simulator.outcomes.frontier import Frontier
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario import read_scenario
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario

FOLDER = Path(__file__).parents[2] / "scenarios"
EFFORT = Effort(fill=0)
SEED = 11
SPREAD, PRICE, PARKED, STEP = 0.02, 0.05, 0.005, 0.02
SLACK = 1e-9
"""Of the budget: rounding of sums."""

Gain = tuple[float, float, float]


@dataclass(frozen=True)
class Promise:
    """One scenario's answer and what became of its promises."""

    scenario: str
    gains: tuple[float, float]
    """Over the current plan and the even split, in expected mode [share of the budget]."""
    paired: tuple[Gain, Gain]
    """The same on the fresh draws: mean, low, high."""
    profit: float
    """Over the current plan in expected mode, unspent money kept."""
    inside: int
    cells: int
    spread: float
    worst: str
    """The cells inside with the smallest and the largest value."""
    price: float
    again: float
    fresh: bool
    parked: float
    unspent: float
    leader: str
    evaluations: int
    seconds: float

    @property
    def off(self) -> float:
        """How far the shadow price is from re-optimising, share of the latter; 0 where nothing is inside."""
        return 0.0 if np.isnan(self.price) else abs(self.price - self.again) / abs(self.again)

    def misses(self) -> Iterator[str]:
        """The promises that are not kept."""
        for name, gain, (_, _, high) in zip(
            ("current", "even"), self.gains, self.paired, strict=True
        ):
            if gain < -SLACK or high < 0:
                yield f"below {name}"
        if self.spread > SPREAD:
            yield f"spread ({self.worst})"
        if self.off > PRICE:
            yield "price"
        if not self.fresh:
            yield "fresh"
        if self.parked > PARKED:
            yield "parked"

    def cells_of_table(self) -> tuple[str, ...]:
        (own, even), (first, second) = self.gains, self.paired
        return (
            self.scenario, f"{own:+.2%} [{first[1]:+.2%}, {first[2]:+.2%}]",
            f"{even:+.2%} [{second[1]:+.2%}, {second[2]:+.2%}]", f"{self.profit:+.2%}",
            f"{self.inside}/{self.cells}",
            f"{self.spread:.2%}", f"{self.price:.4f}", f"{self.again:.4f}",
            "yes" if self.fresh else "no", f"{self.parked:.2%}", f"{self.unspent:.2%}",
            self.leader, f"{self.evaluations:,}", f"{self.seconds:.0f}",
            "; ".join(self.misses()) or "kept",
        )  # fmt: skip


HEADS = (
    "scenario", "gain", "even", "profit", "inside", "spread", "price", "again", "fresh", "parked", "unspent",
    "leader", "plans", "CPU s", "",
)  # fmt: skip


def kept(scenario: Scenario, label: str, replications: int, effort: Effort = EFFORT) -> Promise:
    """Optimise for the return, and look after every promise."""
    start = time.process_time()
    frontier = optimize(
        scenario, ("roi",), budgets=(), replications=replications, seed=SEED, effort=effort
    )
    seconds = time.process_time() - start
    best, budget = frontier.best, frontier.budget
    rivals = [best.plan, frontier.current_plan, _even(scenario)]
    points = fair_points(scenario)
    outcomes = simulate(
        scenario, rivals, mode="expected", daily=False, attribution=False, vectors=points
    )
    returns = [float(_return(outcomes, p.name).mean()) for p in rivals]
    profits = [float(outcomes.values(p.name, PROFIT).mean()) for p in rivals]
    values = {c: m.worth for c, m in best.margins.items() if m.state == "inside"}
    price = best.shadow_price
    return Promise(
        scenario=label, gains=tuple((returns[0] - other) / budget for other in returns[1:]),
        profit=(profits[0] - profits[1]) / budget,
        paired=tuple(_gain(frontier, over) for over in (frontier.current, EVEN)),
        inside=len(values), cells=len(best.margins), spread=_spread(list(values.values())),
        worst=", ".join(sorted(values, key=values.__getitem__)[:: max(1, len(values) - 1)]),
        price=np.nan if price is None else 1 + price, again=_again(scenario, best.plan, points),
        fresh=_is_fresh(scenario, frontier, replications), parked=_parked(scenario, best.plan, points),
        unspent=best.unspent / budget, leader=frontier.leader,
        evaluations=frontier.evaluations, seconds=seconds,
    )  # fmt: skip


def _even(scenario: Scenario) -> Plan:
    from dataclasses import replace

    return replace(Plan.even(scenario), name=EVEN)


def _return(outcomes: Outcomes, plan: str) -> np.ndarray:
    """Incremental profit before what was paid for media, so that unspent money is no gain: [replication]."""
    return outcomes.values(plan, PROFIT) + outcomes.values(plan, "spend")


def _gain(frontier: Frontier, over: str) -> Gain:
    """Paired on the fresh draws, with its 95% interval."""
    apart = _return(frontier.outcomes, frontier.best.plan.name) - _return(frontier.outcomes, over)
    mean, half = float(apart.mean()), 1.96 * float(apart.std(ddof=1)) / np.sqrt(apart.size)
    budget = frontier.budget
    return mean / budget, (mean - half) / budget, (mean + half) / budget


def _spread(values: Sequence[float]) -> float:
    return float(np.ptp(values) / np.median(np.abs(values))) if len(values) > 1 else 0.0


def _again(scenario: Scenario, plan: Plan, points: Points) -> float:
    """Gross value of one more yuan, by climbing again a little below and above the budget."""
    budget = scenario.budget
    free = make_problem(scenario, budget)
    fixed = Limits(packages={name: name in plan.packages for name in free.packages})
    problem = make_problem(scenario, budget, fixed)
    market = Archive(SimulatedMarket(scenario, problem, [PROFIT], vectors=points))
    budgets = budget * np.array([1 - STEP, 1 + STEP])
    aims = linear(np.ones((2, 1)), np.array([budget]), budgets)
    search = Search(market, problem, 1, EFFORT, aims=aims)
    search.rows = _stretched(problem, read_plans(problem, [plan, plan]), budgets)
    search.climb(EFFORT.steps)
    search.settle()
    rows = search.known.rows
    below, above = aims.values(problem, rows, market(rows))[:, 0]
    return 1 + float(above - below) / (2 * STEP * budget)


def _stretched(problem: Problem, rows: Split, budgets: np.ndarray) -> Split:
    """The same plan at other budgets; what is empty stays so, for a fen opens a scene."""
    return repair(problem, rows, budgets, most=np.where(rows.money > 0, np.inf, 0.0))


def _is_fresh(scenario: Scenario, frontier: Frontier, replications: int) -> bool:
    """Whether a run of this plan alone gives what was promised."""
    name = frontier.best.plan.name
    alone = simulate(
        scenario, [frontier.best.plan], replications=replications, seed=SEED, daily=False,
        chance_alone=False,
    )  # fmt: skip
    metrics = ("roi", "profit_incremental", "new_customers", "spend")
    return all(
        np.array_equal(alone.values(name, m), frontier.outcomes.values(name, m), equal_nan=True)
        for m in metrics
    )


def _parked(scenario: Scenario, plan: Plan, points: Points) -> float:
    """The largest share of a cell's money that stays, among cells that matter."""
    problem = make_problem(scenario, scenario.budget)
    row = read_plans(problem, [plan])
    most = SimulatedMarket(scenario, problem, [PROFIT], vectors=points)(row).most[0]
    money = row.money[0]
    left = (money - most) / np.maximum(money, 1.0)
    return float(np.max(left, initial=0.0))


def promise_rows(names: Sequence[str], replications: int) -> bool:
    """Print a line for every scenario as it is found; whether all promises are kept."""
    print(" | ".join(HEADS))
    good = True
    for name in names or sorted(path.stem for path in FOLDER.glob("*.yaml")):
        found = kept(read_scenario(FOLDER / f"{name}.yaml"), name, replications)
        print(" | ".join(found.cells_of_table()), flush=True)
        good &= not list(found.misses())
    return good
