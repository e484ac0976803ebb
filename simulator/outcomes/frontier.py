"""The answer of an optimisation: the plans that nothing beats on both objectives, and what they promise.

symbol   meaning                                                       unit
point    one plan, its figures on fresh draws, its values at the margin
lambda   shadow price: what one more yuan of budget brings, net        CNY per CNY

Figures are those of `outcomes`, a run of all plans on draws that the search has not seen.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.errors import UserError
from simulator.outcomes.compare import Sample, paired_difference, ratio_of_means
from simulator.outcomes.margin import Margin, NextMoney, margin_json, next_json, price_of_budget
from simulator.outcomes.metrics import at_most, written
from simulator.outcomes.outcomes import Outcomes
from simulator.outcomes.wanted import (
    Statistic,
    asked_bounds,
    asked_return,
    asked_sure,
    in_the_mean,
    reaches,
    statistic_of,
)
from simulator.scenario.amounts import shown
from simulator.scenario.asked import asked, asked_number
from simulator.scenario.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

RETURNS = ("roi", "profit", "profit_incremental")
FREE = 3.0
"""The plan of most profit is looked for at up to so many times the budget."""


@dataclass(frozen=True)
class Move:
    """One step from the current plan to a better one; effects of all steps add up."""

    amount: float
    source: str
    target: str
    profit: float
    """Incremental profit [CNY]."""
    second: float
    """Of the second objective."""


@dataclass(frozen=True)
class Past:
    """What is over in plans that were made again at a date; it is the same in all of them."""

    until: datetime
    spent: Mapping[str, float]
    """By "scene.phase" before the date: expected, or what the user knows [CNY]."""
    idle: float = 0.0
    """What plans keep there beyond that, so that the past plays as it was; it is split again [CNY]."""


@dataclass(frozen=True)
class Point:
    """One plan of the frontier."""

    plan: Plan
    budget: float
    """What was to be split [CNY]."""
    unspent: float
    """What expected mode leaves over [CNY]: cells that run out of people or of bids that pay. It decides what is
    said of the plan; how much stays is shown by the fresh draws (`Frontier.left`)."""
    expected: Mapping[str, float]
    """Metrics of expected mode."""
    price_of_new: float | None
    """Profit given up here for one more of the second objective, whatever it is [CNY]; None at an end."""
    margins: Mapping[str, Margin] = field(default_factory=dict)
    priced: bool = True
    """Whether the return counts in what is sought here; at the other end nothing has a price in it."""
    next_money: NextMoney | None = None
    """What a little more money brings; None where no cell is inside its limits, and at other budgets (the
    plan that was wished is at the budget)."""

    @property
    def shadow_price(self) -> float | None:
        """lambda: what one more yuan of budget brings net, median over cells inside their limits.

        The second objective counts at its price of this point; None where that price means nothing.
        """
        return price_of_budget(self.margins) if self.priced else None


@dataclass(frozen=True, eq=False)
class Frontier:
    """The one thing that `optimize` returns."""

    scenario: str
    budget: float
    objectives: tuple[str, ...]
    points: tuple[Point, ...]
    """At the budget, falling in the first objective."""
    others: tuple[Point, ...]
    """At other budgets, the budget of highest profit last."""
    outcomes: Outcomes = field(repr=False)
    """All plans on fresh draws: points, others, current and even; and those that turned out to be beaten."""
    current_plan: Plan = field(repr=False)
    """The user's plan."""
    even_plan: Plan | None = field(default=None, repr=False)
    """An even split, as far as limits and budget let."""
    current_fits: bool = True
    """Whether the current plan keeps the budget and the limits: only then it may be the answer."""
    leader: str = ""
    """Plan that won the race under chance in the first objective, the current one and an even split included."""
    answer: str = ""
    """Plan that is best under chance in the first objective, of those that the search found."""
    moves: tuple[Move, ...] = ()
    """From the current plan to the answer."""
    binding: tuple[str, ...] = ()
    """What holds the answer back, in words."""
    calls: int = 0
    evaluations: int = 0
    finished: bool = True
    past: Past | None = None
    """Of plans that were made again at a date."""
    wished: str = ""
    """Plan that was sought for least figures, if any were asked for; it is the first of the others."""
    package_prices: Mapping[str, float] = field(default_factory=dict, repr=False)
    """Price of every package of the file [CNY]."""

    # ------------------------------------------------------------------ figures
    @property
    def current(self) -> str:
        """Name of the user's plan."""
        return self.current_plan.name

    @property
    def second(self) -> str | None:
        """The objective beside the return, if there is one."""
        return next((name for name in self.objectives if name not in RETURNS), None)

    @property
    def best(self) -> Point:
        """The point that is best in the first objective."""
        return self.points[0]

    @property
    def answered(self) -> Point:
        """The point of the answer."""
        return self.point(self.answer) if self.answer else self.best

    def point(self, name: str) -> Point:
        """The point whose plan has this name."""
        for point in (*self.points, *self.others):
            if point.plan.name == name:
                return point
        known = ", ".join(p.plan.name for p in (*self.points, *self.others))
        raise UserError(f"no plan of the frontier is called {shown(name)}; known are {known}")

    def figure(self, plan: str, metric: str) -> float:
        """Mean of a metric on the fresh draws; NaN where it is undefined."""
        return ratio_of_means(self.outcomes.sample(plan, metric))

    def statistic(self, plan: str, metric: str, how: Statistic = "mean") -> float:
        """Mean, 10% quantile, or mean of the worst tenth of replications; roi on the whole budget."""
        return statistic_of(self._on_budget(plan, metric), how)

    def chance(self, plan: str, metric: str, least: float) -> float:
        """P(metric >= least): share of replications."""
        bound = asked_number("least", least, percent=True)
        return float(np.mean(self.outcomes.values(plan, metric) >= bound))

    # ------------------------------------------------------------------ choice
    def pick(
        self, *, objective: str | None = None, statistic: Statistic = "mean", min_roi: float | None = None,
        sure: float | None = None, at_least: Mapping[str, float] | None = None,
    ) -> Plan:  # fmt: skip
        """The best plan at the budget, the user's own included if it fits, under minimal figures.

        Where none reaches them, the best of those that cost less, and an even split. `sure` asks that
        min_roi be reached in this share of replications. Raises UserError, with the nearest value that
        can be reached, if no plan fits.
        """
        sure = asked_sure(sure)
        aim = objective or self.objectives[-1 if min_roi is not None else 0]
        min_roi, least = asked_return(min_roi), asked_bounds(at_least)
        own = [p.plan.name for p in self.points] + [self.current] * self.current_fits
        own += [self.wished] if self.wished else []
        less = [p.plan.name for p in self.others if p.budget <= self.budget]
        less += [self.even_plan.name] if self.even_plan else []
        fits: list[str] = []
        for names in (own, less):
            fits = fits or [n for n in names if reaches(self.outcomes, n, least, min_roi, sure)]
        if not fits:
            raise UserError(self._out_of_reach([*own, *less], least, min_roi, sure))
        name = max(fits, key=lambda n: self.statistic(n, aim, statistic))
        return self.plans[name]

    def _out_of_reach(
        self, names: list[str], least: Mapping[str, float], min_roi: float | None, sure: float | None
    ) -> str:  # fmt: skip
        parts = [
            f"{metric} >= {written(metric, value)} (the most is {self._most(names, metric)})"
            for metric, value in in_the_mean(least, min_roi, sure).items()
        ]
        if sure is not None and min_roi is not None:
            most = max(self.chance(n, "roi", min_roi) for n in names)
            parts.append(f"P(roi >= {min_roi:g}) >= {sure:g} (the most is {most:.3g})")
        return f"no plan found for {self.budget:,.0f} CNY reaches {' and '.join(parts)}"

    def _most(self, names: list[str], metric: str) -> str:
        known = [x for x in (self.figure(n, metric) for n in names) if math.isfinite(x)]
        return written(metric, at_most(max(known))) if known else "not defined"

    @property
    def plans(self) -> dict[str, Plan]:
        """Every plan by name, the current one and an even split included."""
        even = [self.even_plan] if self.even_plan else []
        known = [p.plan for p in (*self.points, *self.others)]
        return {plan.name: plan for plan in (*known, *even, self.current_plan)}

    def accounted(self, plan: Plan) -> Plan:
        """The plan with what was spent before the date of a new one, not what could have been there.

        This is what to read and to add up: with what stays open it is the budget. The plan itself is
        what to play.
        """
        if self.past is None:
            return plan
        spent = self.past.spent
        money = {
            scene: {phase: spent.get(f"{scene}.{phase}", x) for phase, x in own.items()}
            for scene, own in plan.money.items()
        }
        return replace(plan, money=money)

    def left(self, plan: str) -> float:
        """What a plan leaves of what was to be split on the fresh draws, in the mean [CNY]: one measure for all."""
        budgets = {p.plan.name: p.budget for p in (*self.points, *self.others)}
        return max(0.0, budgets.get(plan, self.budget) - self.figure(plan, "spend"))

    def gain(self, plan: str, metric: str, over: str | None = None) -> tuple[float, float, float]:
        """A plan less another (the current one by default): mean and interval on paired draws.

        The gain of roi is that of incremental profit by the whole budget: a plan that spends little
        of it at a high return is not the better one.
        """
        a, b = self._on_budget(plan, metric), self._on_budget(over or self.current, metric)
        found = paired_difference(a, b)
        if self.outcomes.mode == "expected":
            return found.mean, found.mean, found.mean
        return found.mean, *found.interval

    def _on_budget(self, plan: str, metric: str) -> Sample:
        """Sample of a metric; roi on the whole budget."""
        if metric != "roi":
            return self.outcomes.sample(plan, metric)
        return Sample.total(self.outcomes.sample(plan, "profit_incremental").top / self.budget)

    def ties(self, plan: str, metric: str) -> list[str]:
        """Points that chance alone does not tell from this plan in a metric."""
        found = []
        for name in (p.plan.name for p in self.points):
            mean, lo, hi = self.gain(name, metric, plan)
            if name != plan and (lo <= 0 <= hi or mean == 0):
                found.append(name)
        return found

    # ------------------------------------------------------------------ what is shown
    def unbeaten(self) -> "Frontier":
        """Without plans that another one of their budget beats on the fresh draws.

        The search chose them in expected mode. The answer and the winner of the race stay: they are named.
        """
        beside = [self.current] * self.current_fits
        beside += [self.even_plan.name] if self.even_plan else []
        points = tuple(p for p in self.points if not self._is_beaten(p, self.points, beside))
        others = tuple(p for p in self.others if not self._is_beaten(p, self.others))
        return replace(self, points=points, others=others)

    def _is_beaten(self, point: Point, rivals: Sequence[Point], beside: Sequence[str] = ()) -> bool:
        """Whether a plan of the same budget is better in everything that is sought."""
        name = point.plan.name
        names = [p.plan.name for p in rivals if p.budget == point.budget and p is not point]
        stays = name in (self.answer, self.leader, self.wished)
        return not stays and any(self._beats(rival, name) for rival in (*names, *beside))

    def _beats(self, plan: str, other: str) -> bool:
        """Better in all figures as they are shown, and where roi is sought in incremental profit as well.

        A plan that spends a part of the budget at a high return is not the better use of it.
        """
        shown = (self.figure(plan, m) > self.figure(other, m) for m in self.objectives)
        whole = (self.statistic(plan, m) > self.statistic(other, m) for m in self.objectives)
        return all(shown) and all(whole)

    # ------------------------------------------------------------------ tables
    def table(self) -> "pd.DataFrame":
        """A row per plan of the frontier, the current one and an even split: objectives with intervals, budgets."""
        import pandas as pd

        rows = {p.plan.name: p for p in (*self.points, *self.others)}
        names = [*rows, self.current, *([self.even_plan.name] if self.even_plan else [])]
        table: dict[str, list[float]] = {}
        for metric in dict.fromkeys((*self.objectives, "profit_incremental")):
            found = [self.outcomes.metrics(n)[metric] for n in names]
            for key in ("mean", "ci_lo", "ci_hi", "p10", "p90"):
                table[f"{metric}_{key}"] = [_number(f.get(key)) for f in found]
        table["budget"] = [rows[n].budget if n in rows else self.budget for n in names]
        table["unspent"] = [self.left(n) for n in names]
        table["price_of_new"] = [
            _number(rows[n].price_of_new) if n in rows else math.nan for n in names
        ]
        return pd.DataFrame(table, index=pd.Index(names, name="plan"))

    def as_json(self) -> dict[str, Any]:
        """What `adsim optimize --format json` prints."""
        answer = self.answered
        return {
            "scenario": self.scenario, "budget": self.budget, "objectives": list(self.objectives),
            "replications": self.outcomes.replications, "seed": self.outcomes.seed,
            "finished": self.finished,
            "frontier": [self._point_json(p) for p in self.points],
            "other_budgets": [self._point_json(p) for p in self.others],
            "current": self._plan_json(self.current_plan) | {"fits": self.current_fits},
            "even": self._plan_json(self.even_plan) if self.even_plan else None,
            "answer": answer.plan.name, "shadow_price": answer.shadow_price,
            "next_10k": next_json(answer.next_money, self.second),
            "marginal": {c: margin_json(m, answer.priced) for c, m in answer.margins.items()},
            "leader": self.leader, "moves": [vars(m) for m in self.moves], "binding": list(self.binding),
            "calls": self.calls, "evaluations": self.evaluations,
        }  # fmt: skip

    def _figures(self, name: str) -> dict[str, Any]:
        found = self.outcomes.metrics(name)
        return {m: found[m] for m in dict.fromkeys((*self.objectives, "roi", "profit", "spend"))}

    def _plan_json(self, plan: Plan) -> dict[str, Any]:
        """A plan that is not of the frontier: the current one, or an even split."""
        money = self.accounted(plan).money
        head = {"name": plan.name, "plan": money, **self._packages_json(plan)}
        return head | self._figures(plan.name) | {"unspent": self.left(plan.name)}

    def _packages_json(self, plan: Plan) -> dict[str, Any]:
        return packages_json(plan, self.package_prices)

    def _point_json(self, point: Point) -> dict[str, Any]:
        return {
            "name": point.plan.name, "budget": point.budget,
            "plan": self.accounted(point.plan).money,
            **self._packages_json(point.plan), **self._figures(point.plan.name),
            "unspent": self.left(point.plan.name), "price_of_new": point.price_of_new,
            "shadow_price": point.shadow_price, "next_10k": next_json(point.next_money, self.second),
        }  # fmt: skip


def packages_json(plan: Plan, prices: Mapping[str, float]) -> dict[str, Any]:
    """What a plan books, and what each package costs beside the money of its scene."""
    return {"packages": sorted(plan.packages), "package_prices": plan.booked(prices)}


def asked_frontier(given: object) -> Frontier:
    """A frontier, not its outcomes or the answer to another question."""
    words = "a frontier is what sim.optimize or sim.replan returns"
    return asked(Frontier, given, words)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
