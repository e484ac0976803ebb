"""What is wanted of a plan's figures: least values, how surely they are reached, and by which statistic."""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np

from simulator.errors import UserError
from simulator.outcomes.compare import Sample, by_replication, ratio_of_means
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.asked import asked_number, asked_table

Statistic = Literal["mean", "p10", "cvar"]
TAIL = 0.1
"""CVaR and P10 look at the worst tenth of replications."""


def asked_bounds(at_least: Mapping[str, float] | None) -> dict[str, float]:
    """Least values of metrics that a plan must have."""
    table = asked_table("least values", at_least or {}, "{'new_customers': 3e4}")
    return {name: asked_number(name, value, percent=name == "roi") for name, value in table.items()}


def asked_return(min_roi: float | None) -> float | None:
    """The least return that a plan must have, if any."""
    return None if min_roi is None else asked_number("min_roi", min_roi, percent=True)


def asked_sure(sure: float | None) -> float | None:
    """How surely figures are to be reached: a share of replications, or nothing."""
    share = None if sure is None else asked_number("sure", sure, percent=True)
    if share is not None and not 0 < share <= 1:
        raise UserError(
            f"sure is a share of replications above 0, up to 1: 0.9 for 90% (got {share:g})"
        )
    return share


def reaches(
    outcomes: Outcomes, plan: str, least: Mapping[str, float], min_roi: float | None, sure: float | None
) -> bool:  # fmt: skip
    """Whether a plan's figures are as wanted, the return in the mean or in a share of replications.

    A plan that spends nothing has no roi.
    """
    means = in_the_mean(least, min_roi, sure)
    if not all(ratio_of_means(outcomes.sample(plan, m)) >= v for m, v in means.items()):
        return False
    if min_roi is None or sure is None:
        return True
    return bool(np.mean(outcomes.values(plan, "roi") >= min_roi) >= sure)


def in_the_mean(
    least: Mapping[str, float], min_roi: float | None, sure: float | None
) -> dict[str, float]:
    """Figures that are wanted in the mean: the return among them unless it is to be reached surely."""
    return {**least, **({"roi": min_roi} if min_roi is not None and sure is None else {})}


def check_statistic(how: object) -> None:
    """What of a figure is wanted: its mean, P10 or CVaR."""
    if how not in get_args(Statistic):
        raise UserError(f"a statistic is one of {', '.join(get_args(Statistic))} (got {how!r})")


def statistic_of(sample: Sample, how: Statistic) -> float:
    """Mean, 10% quantile, or mean of the worst tenth of replications of a figure."""
    check_statistic(how)
    if how == "mean":
        return ratio_of_means(sample)
    values = np.sort(by_replication(sample))
    if how == "p10":
        return float(np.quantile(values, TAIL, method="median_unbiased"))
    return float(values[: max(1, round(TAIL * values.size))].mean())
