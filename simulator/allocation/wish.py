"""What a user asks of a plan beside the budget: least figures, in the mean or surely."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from simulator.allocation.bounds import reaching
from simulator.allocation.effort import Effort
from simulator.allocation.market import PROFIT, TARGETS
from simulator.allocation.problem import Problem, Split
from simulator.allocation.quest import Draws, Progress, make_quest, metric_of
from simulator.errors import UserError
from simulator.outcomes.outcomes import Outcomes
from simulator.outcomes.wanted import asked_bounds, asked_return, asked_sure, reaches
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario


@dataclass(frozen=True)
class Wish:
    """Figures to reach; without any every plan fits."""

    min_roi: float | None
    at_least: Mapping[str, float]
    sure: float | None
    """Share of replications in which min_roi is to be reached."""

    @property
    def least(self) -> dict[str, float]:
        """All of them by metric."""
        own = {} if self.min_roi is None else {"roi": self.min_roi}
        return {**self.at_least, **own}

    @property
    def sought(self) -> bool:
        """Whether a plan can be sought for it: some metrics can only be read of plans that are found."""
        return bool(self.least) and set(self.least) <= set(TARGETS)

    def reached(self, outcomes: Outcomes, plan: str) -> bool:
        """Whether a plan that was played reaches them."""
        return reaches(outcomes, plan, self.at_least, self.min_roi, self.sure)

    def metric(self, objectives: Sequence[str]) -> str:
        """What there is to be the most of: the other objective where a return is asked for, else the first."""
        name = objectives[-1 if self.min_roi is not None else 0]
        return PROFIT if name == "roi" else name


def asked_wish(
    min_roi: float | None, at_least: Mapping[str, float] | None, sure: float | None
) -> Wish:
    """The figures that are asked for."""
    share = asked_sure(sure)
    if share is not None and min_roi is None:
        raise UserError("sure says how surely min_roi is reached: give both")
    return Wish(asked_return(min_roi), asked_bounds(at_least), share)


def wished(
    wish: Wish, scenario: Scenario, problem: Problem, metric: str, *, current: Plan, draws: Draws,
    effort: Effort, executor: Executor | None, progress: Progress | None,
) -> tuple[Split, bool]:  # fmt: skip
    """Rows that may reach the figures with the most of the metric, and whether the search came to its end.

    Money that would spoil them stays unspent. Raises StoppedShort after Ctrl-C if no row reached them until then.
    """
    bounds = {metric_of(name): least for name, least in wish.least.items()}
    quest = make_quest(
        scenario, problem, list(dict.fromkeys([metric, *wish.least])), current=current, effort=effort,
        executor=executor, bounds=bounds, progress=progress,
    )  # fmt: skip
    return reaching(quest, draws, bounds, metric)
