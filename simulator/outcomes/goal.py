"""The answer to a goal: the least budget that reaches a target, or the best that a budget reaches.

Figures are those of `outcomes`, a run on draws that the search has not seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulator.errors import RunError, UserError
from simulator.outcomes.compare import ratio_of_means
from simulator.outcomes.frontier import packages_json
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.plan import Plan


class TargetMissed(RunError):  # noqa: N818
    """No plan reaches what was asked; `nearest` is the best that was found."""

    def __init__(self, message: str, nearest: float) -> None:
        self.nearest = nearest
        super().__init__(message)


class StoppedShort(TargetMissed):
    """Ctrl-C came before any plan reached what was asked; `nearest` is the best until then."""

    exit_code = 130


@dataclass(frozen=True, eq=False)
class Goal:
    """What `least_budget` and `best_target` return."""

    scenario: str
    metric: str
    """What is wanted."""
    least: Mapping[str, float]
    """What must be reached at least: a target, or bounds beside the metric."""
    budget: float
    """What the plan costs [CNY]."""
    plan: Plan
    expected: Mapping[str, float]
    """The metric and all that is bounded, in expected mode."""
    current_plan: Plan = field(repr=False)
    outcomes: Outcomes = field(repr=False)
    """The plan and the current one on fresh draws."""
    sure: float | None = None
    """Probability with which the bounds were to hold; None: in the mean."""
    tried: tuple[tuple[float, float], ...] = ()
    """Budgets and the metric's best there, rising: its mean, or with `sure` what it reaches with that
    probability; for a given budget the weights tried."""
    package_prices: Mapping[str, float] = field(default_factory=dict, repr=False)
    """Price of every package of the file [CNY]."""
    between: tuple[float, float | None] | None = None
    """With `sure`: the budgets that the draws of the search leave possible at 95% [CNY]; None at the end for
    more than was tried."""
    finished: bool = True
    """False after Ctrl-C: a smaller budget may do, and figures are expected values alone."""

    @property
    def value(self) -> float:
        """Mean of the metric on the fresh draws."""
        return ratio_of_means(self.outcomes.sample(self.plan.name, self.metric))

    def chance(self, metric: str) -> float | None:
        """P(metric >= its bound) on the fresh draws: share of replications; None without chance."""
        if metric not in self.least:
            raise UserError(f"{metric!r} has no bound; known are {', '.join(self.least)}")
        if self.outcomes.mode == "expected":
            return None
        values = self.outcomes.values(self.plan.name, metric)
        return float(np.mean(values >= self.least[metric]))

    def as_json(self) -> dict[str, Any]:
        """For other programs."""
        found = self.outcomes.metrics(self.plan.name)
        return {
            "scenario": self.scenario, "metric": self.metric, "least": dict(self.least),
            "sure": self.sure, "finished": self.finished, "budget": self.budget, "plan": self.plan.money,
            **packages_json(self.plan, self.package_prices), "expected": dict(self.expected),
            "budget_between": list(self.between) if self.between else None,
            "chances": {name: self.chance(name) for name in self.least},
            **{name: found[name] for name in dict.fromkeys([self.metric, *self.least, "roi", "spend"])},
        }  # fmt: skip
