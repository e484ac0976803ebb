"""The answer of a portfolio: how several scenario files share one budget, and what that brings.

Figures are sums over the files, replication by replication, on draws that the search has not seen.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.outcomes.compare import (
    Interval,
    Sample,
    influence,
    interval_of,
    paired_difference,
    ratio_of_means,
)
from simulator.outcomes.frontier import packages_json
from simulator.outcomes.margin import Margin, NextMoney, margin_json, next_json, price_of_budget
from simulator.outcomes.metrics import BY_NAME
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.plan import Plan

if TYPE_CHECKING:
    import pandas as pd

PROFIT = "profit_incremental"
FIGURES = ("roi", PROFIT, "new_customers")
"""Of all files together, told of every split."""
SHARED = "portfolio"
EQUAL, PROPORTIONAL, OWN = "equal split", "proportional split", "own plans"
MOST = "most profit"
RIVALS = (EQUAL, PROPORTIONAL, OWN, MOST)
"""The same money for every file; money by the files' own budgets (each split as well as can be
inside the file); the first plan of every file at its own budget; what brings the most incremental
profit at whatever budget, where profit is sought and that is another split."""


@dataclass(frozen=True, eq=False)
class Portfolio:
    """What `optimize_portfolio` returns."""

    budget: float
    objective: str
    """Quantity that was sought."""
    plans: Mapping[str, Plan]
    """The plan of every file."""
    money: Mapping[str, Mapping[str, float]]
    """What every file gets in each split, packages included [CNY]: [split][file]."""
    unspent: float
    """What expected mode leaves over [CNY]; how much stays is shown by the fresh draws (`left`)."""
    margins: Mapping[str, Margin]
    """Values of "file/scene.phase"; equal in worth inside all limits, whatever the file."""
    outcomes: Mapping[str, Outcomes] = field(repr=False)
    """Of every file: the shared split and its rivals on fresh draws."""
    next_money: NextMoney | None = None
    """What a little more money brings; None where no cell is inside its limits."""
    binding: tuple[str, ...] = ()
    """What holds the plan back, in words."""
    calls: int = 0
    evaluations: int = 0
    """Rows of single files that were played."""
    asked: int = 0
    """Rows of single files that were asked for; most had been played before."""
    package_prices: Mapping[str, Mapping[str, float]] = field(default_factory=dict, repr=False)
    """Price of every package of every file [CNY]."""
    finished: bool = True
    """False after Ctrl-C: figures are then expected values alone, and rivals may be missing."""

    @property
    def shadow_price(self) -> float | None:
        """What one more yuan of budget brings net; None where something else than profit is sought."""
        return price_of_budget(self.margins) if self.priced else None

    @property
    def priced(self) -> bool:
        """Whether the return is sought; beside anything else it has next to no weight."""
        return self.objective == PROFIT

    @property
    def second(self) -> str | None:
        """What is sought beside the return."""
        return None if self.priced else self.objective

    @property
    def rivals(self) -> list[str]:
        """Splits that the shared one is held against."""
        return [name for name in RIVALS if name in self.money]

    @property
    def left(self) -> float:
        """What the shared split leaves of the budget on the fresh draws, in the mean [CNY]."""
        return max(0.0, self.budget - self.figure(SHARED, "spend"))

    @property
    def mode(self) -> str:
        """Whether the figures know of chance."""
        return next(iter(self.outcomes.values())).mode

    def sample(self, split: str, metric: str) -> Sample:
        """A metric of all files together in every replication."""
        parts = [outcomes.sample(split, metric) for outcomes in self.outcomes.values()]
        top = np.sum([part.top for part in parts], axis=0)
        if BY_NAME[metric].kind == "total":
            return Sample.total(top)
        return Sample(top, np.sum([part.bottom for part in parts], axis=0))

    def figure(self, split: str, metric: str) -> float:
        """Mean of a metric of all files together; NaN where it is undefined."""
        return ratio_of_means(self.sample(split, metric))

    def interval(self, split: str, metric: str) -> Interval:
        """Where that mean lies at 95% confidence; NaN in expected mode, which has no chance."""
        if self.mode == "expected":
            return Interval(math.nan, math.nan)
        return interval_of(self.figure(split, metric), influence(self.sample(split, metric)))

    def gain(self, metric: str, over: str) -> tuple[float, float, float]:
        """The shared split less a rival: mean and interval on paired draws."""
        found = paired_difference(self.sample(SHARED, metric), self.sample(over, metric))
        if self.mode == "expected":
            return found.mean, found.mean, found.mean
        return found.mean, *found.interval

    def without_beaten_most(self) -> "Portfolio":
        """Without the split of most profit where the shared one surely has more on the fresh draws."""
        if MOST not in self.money or self.gain(PROFIT, MOST)[1] <= 0:
            return self
        return replace(self, money={name: own for name, own in self.money.items() if name != MOST})

    def table(self) -> "pd.DataFrame":
        """A row per split: money of every file; roi, incremental profit and new customers of all, each with
        the interval of its mean.
        """
        import pandas as pd

        rows = {
            split: {f"money.{file}": money for file, money in self.money[split].items()}
            | {name: value for metric in FIGURES for name, value in self._cells(split, metric)}
            for split in (SHARED, *self.rivals)
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("split")

    def _cells(self, split: str, metric: str) -> list[tuple[str, float]]:
        low, high = self.interval(split, metric)
        bounds = [(f"{metric}.ci_lo", low), (f"{metric}.ci_hi", high)]
        return [(metric, self.figure(split, metric)), *(bounds if self.mode == "sampled" else [])]

    def as_json(self) -> dict[str, Any]:
        """For other programs."""
        return {
            "budget": self.budget, "objective": self.objective, "finished": self.finished, "unspent": self.left,
            "money": {split: dict(files) for split, files in self.money.items()},
            "plans": {file: self._plan_json(file) for file in self.plans},
            "gains": {over: self._gain_json(over) for over in self.rivals},
            "shadow_price": self.shadow_price,
            "next_10k": next_json(self.next_money, self.second),
            "marginal": {cell: margin_json(m, self.priced) for cell, m in self.margins.items()},
            "binding": list(self.binding), "calls": self.calls, "evaluations": self.evaluations,
        }  # fmt: skip

    def _plan_json(self, file: str) -> dict[str, Any]:
        plan = self.plans[file]
        return {"plan": plan.money, **packages_json(plan, self.package_prices.get(file, {}))}

    def _gain_json(self, over: str) -> dict[str, float]:
        keys = ("mean", "ci_lo", "ci_hi") if self.mode == "sampled" else ("mean",)
        return dict(zip(keys, self.gain(self.objective, over), strict=False))
