"""The best that a budget reaches while other figures stay above their bounds.

symbol   meaning                                                       unit    shape
g_k      a bounded figure less its bound, over its size; for a return  1       [row, bound]
         r: (profit - r outlay) / budget
theta    weight of the bounds against the wanted metric                1       [row]

The best plan of (1 - theta) metric + theta g is sought for the theta at which the tightest bound just
holds (Lagrange; Everett 1963). Where the plan jumps there, the last step goes along the line between
the plans on both sides of the jump.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from simulator.allocation.aims import Aims, linear
from simulator.allocation.effort import Effort, asked_effort
from simulator.allocation.market import TARGETS, make_plans, make_problem
from simulator.allocation.problem import Array, Flags, Limits, Split, check_known, stack
from simulator.allocation.quest import (
    CLOSE,
    Draws,
    Progress,
    Quest,
    asked_budget,
    kept_so_far,
    make_quest,
    metric_of,
    spread,
)
from simulator.allocation.repair import repair
from simulator.allocation.search import TILT
from simulator.engine.simulate import check_run, simulate
from simulator.errors import UserError
from simulator.outcomes.goal import Goal, StoppedShort, TargetMissed
from simulator.outcomes.metrics import at_most, written
from simulator.outcomes.outcomes import Outcomes
from simulator.outcomes.wanted import (
    Statistic,
    asked_bounds,
    asked_return,
    check_statistic,
    statistic_of,
)
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario

WEIGHTS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""theta of the first round."""
ROUNDS = 4
ASIDE = np.array([-0.15, 0.0, 0.15])
"""Where a round tries: at the secant's theta and beside it, as shares of the bracket."""
BETWEEN = np.linspace(0.0, 1.0, 9)
"""Plans on the line between two others."""
SURER = 0.01 * 1.4 ** np.arange(12.0)
"""Plans from the best that keeps the bounds to the safest, as parts of the way."""
IDLE = 0.01
"""A plan that costs less of the budget does nothing: it reaches a return only by not being there."""


def best_target(
    scenario: Scenario, metric: str = "new_customers", *, budget: float | None = None,
    min_roi: float | None = None, at_least: Mapping[str, float] | None = None,
    sure: float | None = None, statistic: Statistic = "mean", limits: Limits | None = None,
    current: Plan | str | None = None, replications: int = 100, seed: int = 11,
    effort: Effort | None = None, executor: Executor | None = None, progress: Progress | None = None,
    label: str | None = None,
) -> Goal:  # fmt: skip
    """The most of a metric that a budget reaches while other figures stay above their bounds.

    Money that would break a bound stays unspent. With `sure` the bounds hold in this share of
    replications; `statistic` says what of the metric is wanted, its mean, P10 or CVaR. Raises
    TargetMissed, with the nearest value, where no plan keeps the bounds. Ctrl-C ends the search with the
    best plan so far that keeps them, `finished` False, or with StoppedShort where there is none.
    """
    check_run(scenario, "sampled", replications, seed, progress=progress)
    check_statistic(statistic)
    least, floor = asked_bounds(at_least), asked_return(min_roi)
    if floor is not None:
        least["roi"] = floor
    check_known("metric", [metric, *least], list(TARGETS))
    if metric == "roi" or not least:
        raise UserError("ask optimize for the best return, or for a metric without bounds")
    problem = make_problem(scenario, asked_budget(budget, scenario.budget), limits, current)
    names = list(dict.fromkeys([metric, *least]))
    bounds = {metric_of(n): v for n, v in least.items()}

    quest = make_quest(
        scenario, problem, names, current=current, effort=asked_effort(effort), executor=executor,
        bounds=bounds, progress=progress,
    )  # fmt: skip
    draws = Draws(replications, seed, sure)
    front = _Front(quest, draws, bounds, metric, statistic)
    row, finished = front.found()
    return quest.answer(
        row, draws, metric, bounds, tried=front.tried, label=label, finished=finished
    )


def reaching(
    quest: Quest, draws: Draws, bounds: Mapping[str, float], metric: str
) -> tuple[Split, bool]:
    """The row with the most of a metric that keeps the bounds, and some that are surer to keep them; and
    whether the search came to its end.

    Chance decides which of them do on other draws. Where no row does, the one that comes nearest. Raises
    StoppedShort after Ctrl-C if none did until then.
    """
    front = _Front(quest, draws, bounds, metric, "mean")
    try:
        row, finished = front.found()
    except StoppedShort:
        raise
    except TargetMissed:
        return front.nearest(), True
    return front.surer(row), finished


@dataclass
class _Front:
    """Plans between the most of a metric and the safest side of its bounds."""

    quest: Quest
    draws: Draws
    least: Mapping[str, float]
    name: str
    how: Statistic
    """What of the metric is wanted under chance."""
    theta: Array = field(default_factory=lambda: np.zeros(0))
    rows: list[Split] = field(default_factory=list)
    gaps: Array = field(default_factory=lambda: np.zeros(0))
    """The tightest g_k of every row."""
    shares: Array = field(default_factory=lambda: np.zeros(0))
    """How the weight of the bounds is shared among them."""

    @property
    def tried(self) -> list[tuple[float, float]]:
        """Weights, and the gap of the tightest bound."""
        return list(zip(self.theta.tolist(), self.gaps.tolist(), strict=True))

    @property
    def by_chance(self) -> bool:
        """Whether chance has a say in which row is the best."""
        return self.draws.sure is not None or self.how != "mean"

    def found(self) -> tuple[Split, bool]:
        """The best row that keeps the bounds, under chance if that is asked for; and whether the search
        came to its end.
        """
        try:
            row = self._best_of_all(self.close_in())
            return self.surest(row) if self.by_chance else row, True
        except KeyboardInterrupt:
            return self._so_far(), False

    def _say(self, words: str, share: float) -> None:
        self.quest.search.say(words, share)

    def _best_of_all(self, row: Split) -> Split:
        """The row, or one that was played on the way: where plans jump, theta misses some that keep the bounds."""
        rows, answers = kept_so_far(self.quest.archive, self.quest.problem)
        values = answers.values
        most = np.where((values[:, 2:] >= 0).all(axis=1), values[:, 1], -np.inf)
        best = int(most.argmax())
        return rows.take([best]) if most[best] > self._values(row)[0, 1] else row

    def surer(self, row: Split) -> Split:
        """The row, and some on the way from it to the safest plan, if any bound binds."""
        if len(self.rows) < 2:
            return row
        line = _line(row, self.rows[-1], SURER)
        return stack([row, repair(self.quest.problem, line, self.quest.problem.total(line))])

    def close_in(self) -> Split:
        """The row on which the bounds that bind just hold, and all others hold."""
        self.shares = np.zeros(len(self.least))
        turns = 2 * len(self.least)
        for turn in range(turns):
            row = self._meet(0.7 * turn / turns, 0.7 / turns)
            gaps = self._values(row)[0, 2:]
            broken, slack = gaps < -CLOSE, gaps > CLOSE
            if not broken.any() and ((self.shares > 0).sum() <= 1 or not slack.any()):
                return row
            more = np.maximum(2 * self.shares, 1.0)
            self.shares = np.where(broken, more, np.where(slack, self.shares / 4, self.shares))
        if broken.any():
            raise self._missed()
        return row

    def _meet(self, begun: float, part: float) -> Split:
        """The row at which the bounds that have a share hold; without any, the most of the metric.

        `begun` is the share of the work that is behind, and `part` what this is of it.
        """
        self._say("weighing the figures", begun)
        bound = bool(self.shares.any())
        self._begin(WEIGHTS if bound else WEIGHTS[:1])
        if self.gaps[0] >= 0 or not bound:
            return self.rows[0]
        if self.gaps.max() < 0 or not self._busy(self.rows[int(self.gaps.argmax())])[0]:
            raise self._missed()
        for n in range(ROUNDS):
            self._say("closing in on the figures", begun + part * (n + 1) / (ROUNDS + 1))
            at = self._bracket()
            if self.gaps[at] <= CLOSE / 4 or self.theta[at] - self.theta[at - 1] < 1e-4:
                break
            self._add(at)
        return self._on_the_line(*(self.rows[n] for n in (self._bracket() - 1, self._bracket())))

    def _begin(self, weights: Sequence[float]) -> None:
        """Rows for some weights, from afar."""
        self.theta, self.rows, self.gaps = np.zeros(0), [], np.zeros(0)
        theta = np.array(weights)
        self._keep(theta, self.quest.search.seek(self._aims(theta), self.quest.starts()).rows)

    def _aims(self, theta: Array) -> Aims:
        weights = np.full((len(theta), 2 + len(self.least)), TILT)
        weights[:, 1] = np.maximum(1 - theta, TILT)
        weights[:, 2:] = (
            np.maximum(theta, TILT)[:, None] * self.shares / max(self.shares.max(), 1e-9)
        )
        scale = np.array([self.quest.problem.budget, self._size(), *np.ones(len(self.least))])
        return linear(weights, scale, np.full(len(theta), self.quest.problem.budget), keeps=True)

    def _size(self) -> float:
        """The metric's size at the current plan."""
        rows = repair(self.quest.problem, self.quest.starts().take([0]))
        return max(abs(float(self.quest.archive(rows).values[0, 1])), 1e-9)

    def _keep(self, theta: Array, rows: Split) -> None:
        gaps = self._tightest(rows)
        every = np.concatenate([self.theta, theta])
        order = np.argsort(every, kind="stable")
        known = [*self.rows, *(rows.take([n]) for n in range(len(rows)))]
        self.theta, self.rows = every[order], [known[n] for n in order]
        self.gaps = np.concatenate([self.gaps, gaps])[order]

    def _tightest(self, rows: Split) -> Array:
        """The least gap of the bounds that have a share: [row]."""
        gaps = self._values(rows)[:, 2:]
        return np.asarray(gaps.min(axis=1, initial=np.inf, where=self.shares > 0))

    def _values(self, rows: Split) -> Array:
        return self.quest.archive(rows).values

    def _bracket(self) -> int:
        """The first weight at which all bounds hold."""
        return int(np.argmax(self.gaps >= 0))

    def _add(self, at: int) -> None:
        low, high = self.theta[at - 1 : at + 1]
        below, above = self.gaps[at - 1 : at + 1]
        part = np.clip(-below / (above - below) + ASIDE, 0.05, 0.95)
        starts = _line(self.rows[at - 1], self.rows[at], part)
        theta = low + part * (high - low)
        self._keep(theta, self.quest.search.near(self._aims(theta), starts).rows)

    def _on_the_line(self, short: Split, safe: Split) -> Split:
        """The row between two plans on which the bound just holds: the first that keeps it."""
        for _ in range(4):
            line = repair(self.quest.problem, *self._between(short, safe))
            held = self._tightest(line) >= 0
            at = int(np.argmax(held))
            if at == 0 or not held.any():
                break
            short, safe = line.take([at - 1]), line.take([at])
        return safe

    def _between(self, a: Split, b: Split) -> tuple[Split, Array]:
        """Rows from one plan to another, and what they may cost."""
        line = _line(a, b, BETWEEN)
        return line, self.quest.problem.total(line)

    # ------------------------------------------------------------------ under chance
    def surest(self, row: Split) -> Split:
        """The best of a statistic among many plans of the front that keep the bounds as asked."""
        if len(self.rows) == 1:  # in the mean nothing binds; under chance it may
            self.shares = np.ones(len(self.least))
            self._begin(WEIGHTS)
        self._say("asking chance", 0.7)
        rows = [*self.rows, row]
        many = stack([*rows, *(self._between(a, b)[0] for a, b in pairwise(rows))])
        for _ in range(2):
            chosen, at = self._best_under_chance(many)
            ahead = many.take([max(at - 1, 0)]), many.take([min(at + 1, len(many) - 1)])
            many = stack([chosen, *(self._between(chosen, x)[0] for x in ahead)])
        return self._best_under_chance(many)[0]

    def _best_under_chance(self, rows: Split) -> tuple[Split, int]:
        outcomes = self.quest.play(self._fitted(rows), self.draws)
        held = np.array([self._held(outcomes, name) for name in outcomes.plans])
        if held.max() < (self.draws.sure or 1.0):
            raise self._unsure(float(held.max()))
        metric = metric_of(self.name)
        score = [statistic_of(outcomes.sample(name, metric), self.how) for name in outcomes.plans]
        fits: Flags = held >= (self.draws.sure or 1.0)
        at = int(np.where(fits, score, -np.inf).argmax())
        return self._fitted(rows).take([at]), at

    def _fitted(self, rows: Split) -> Split:
        problem = self.quest.problem
        return repair(problem, rows, np.minimum(problem.total(rows), problem.budget))

    def _held(self, outcomes: Outcomes, plan: str) -> float:
        """Share of replications in which all bounds hold; in the mean, 1 if they do."""
        if self.draws.sure is None:
            figures = [
                statistic_of(outcomes.sample(plan, m), "mean") >= v for m, v in self.least.items()
            ]
            return float(all(figures))
        held = [outcomes.values(plan, m) >= v for m, v in self.least.items()]
        return float(np.mean(np.all(held, axis=0)))

    # ------------------------------------------------------------------ stopped
    def _so_far(self) -> Split:
        """The best row played until now that keeps the bounds, under chance if that is asked for."""
        try:
            rows = self._held_so_far()
            return self._best_under_chance(rows)[0] if self.by_chance else rows.take([0])
        except TargetMissed as missed:
            raise StoppedShort(f"stopped: so far {missed}", missed.nearest) from None

    def _held_so_far(self) -> Split:
        """Rows played until now that keep the bounds, from the most of the metric to the least."""
        rows, answers = kept_so_far(self.quest.archive, self.quest.problem)
        held = (answers.values[:, 2:] >= 0).all(axis=1) & self._busy(rows)
        if not held.any():
            raise self._missed()
        order = np.argsort(-answers.values[held, 1], kind="stable")
        return rows.take(spread(np.flatnonzero(held)[order]))

    # ------------------------------------------------------------------ out of reach
    def _busy(self, rows: Split) -> Flags:
        """Whether rows do something: [row]."""
        return np.asarray(self.quest.problem.total(rows) >= IDLE * self.quest.problem.budget)

    def _missed(self) -> TargetMissed:
        """What is nearest: the best of a bounded figure over all plans that do something."""
        row, bound = self._nearest()
        name, least = list(self.least.items())[bound]
        nearest = self._figure(row, name)
        return TargetMissed(
            f"no plan for {self.quest.problem.budget:,.0f} CNY reaches {name} >= "
            f"{written(name, least)}: the nearest is {written(name, at_most(nearest))}", nearest,
        )  # fmt: skip

    def nearest(self) -> Split:
        """Of all plans that do something the one with the most of the bounded figure that is hardest to reach."""
        return self._nearest()[0]

    def _nearest(self) -> tuple[Split, int]:
        """The same, and which bound that is."""
        split, answers = self.quest.archive.every()
        busy = self._busy(split)
        gaps = answers.values[busy, 2:]
        bound = int(gaps.max(axis=0).argmin())
        near = self._figures(answers.values[busy], bound)
        return split.take(busy).take([int(near.argmax())]), bound

    def _figures(self, values: Array, bound: int) -> Array:
        """What rises with a bounded figure [row]; the gap of a return rises with less money as well."""
        name, least = list(self.least.items())[bound]
        gap = values[:, 2 + bound]
        if name != "roi" or not least:
            return gap
        outlay = (values[:, 0] - gap * self.quest.problem.budget) / least
        return np.asarray(values[:, 0] / np.maximum(outlay, 1e-9))

    def _figure(self, row: Split, name: str) -> float:
        plans = make_plans(self.quest.scenario, self.quest.problem, row)
        outcomes = simulate(
            self.quest.scenario, plans, mode="expected", daily=False, attribution=False,
            vectors=self.quest.points,
        )  # fmt: skip
        return statistic_of(outcomes.sample(plans[0].name, name), "mean")

    def _unsure(self, most: float) -> TargetMissed:
        words = " and ".join(f"{m} >= {written(m, v)}" for m, v in self.least.items())
        budget, sure = self.quest.problem.budget, self.draws.sure
        how = f"in {sure:.0%} of replications: the nearest is {most:.1%}" if sure else "in the mean"
        return TargetMissed(f"no plan for {budget:,.0f} CNY keeps {words} {how}", most)


def _line(a: Split, b: Split, part: Array) -> Split:
    """Rows between two plans, with the packages of the second."""
    money = a.money + part[:, None] * (b.money - a.money)
    return Split(money, b.booked.repeat(len(part), axis=0))
