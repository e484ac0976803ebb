"""What the rows of a study say: which parameter moves a metric, and which plan is best where.

symbol   meaning                                                              shape
y        a metric of one plan in one cell, over its replications              a row per scenario, cell and plan
S_i      part of the variance of y that a parameter explains by itself        1
T_i      part that would be gone if every parameter but it were known: what it has a hand in

A ratio's y is the ratio of the means of its parts. Which columns are parameters is told by the names:
all that are neither labels, nor metrics, nor parts of them.
"""

import math
from typing import TYPE_CHECKING

from simulator.errors import UserError
from simulator.outcomes.compare import NOTHING
from simulator.outcomes.metrics import BY_NAME, METRICS
from simulator.scenario.amounts import suggestion

if TYPE_CHECKING:
    import pandas as pd

LABELS = ("scenario", "cell", "plan", "replication")
_PARTS = {name for metric in METRICS for name in (metric.top, metric.bottom)}


def parameters_of(rows: "pd.DataFrame") -> list[str]:
    """Names of the parameters."""
    known = {*LABELS, *BY_NAME, *_PARTS}
    return [name for name in rows.columns if name not in known]


def check_metric(rows: "pd.DataFrame", metric: str) -> None:
    """Refuse what the study does not keep."""
    if not hasattr(rows, "columns") or not {*LABELS} <= {*rows.columns}:
        raise UserError(f"rows are the table of sweep or read_store (got {type(rows).__name__})")
    kept = [name for name in rows.columns if name in BY_NAME]
    if metric not in kept:
        near = suggestion(metric, kept) or f"; it keeps {', '.join(kept)}"
        raise UserError(f"the study keeps no metric {metric!r}{near}")


def cell_figures(rows: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """y: a row per scenario, cell and plan, with the values of the parameters and the metric."""
    check_metric(rows, metric)
    own, keys = BY_NAME[metric], ["scenario", "cell", "plan", *parameters_of(rows)]
    parts = [own.top, own.bottom] if own.bottom else [metric]
    means = rows.groupby(keys, sort=False, as_index=False, dropna=False)[parts].mean()
    if own.bottom:
        below = means[own.bottom].where(means[own.bottom] > NOTHING)
        means[metric] = means[own.top] * own.scale / below
    return means[[*keys, metric]]


# --------------------------------------------------------------------------- plans
def best_plans(rows: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """The best plan of every cell, and how far it is ahead of the second; none where y is undefined for all."""
    figures = lost_of(rows, metric)
    keys = ["scenario", "cell", *parameters_of(rows)]
    order = figures.sort_values("lost", kind="stable").groupby(["scenario", "cell"], sort=True)
    best = order.nth(0).sort_index().set_index(["scenario", "cell"])
    best["ahead"] = order["lost"].agg(lambda lost: lost.iloc[1] if len(lost) > 1 else math.nan)
    best["plan"] = best["plan"].where(best[metric].notna())
    return best.reset_index()[[*keys, "plan", metric, "ahead"]]


def regrets(rows: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """What a plan gives away if it is fixed for all cells: on the mean, at worst, and how often it is best."""
    figures = lost_of(rows, metric)
    groups = figures.assign(best=figures["lost"] == 0).groupby("plan", sort=False)
    table = groups.agg(mean=("lost", "mean"), worst=("lost", "max"), best_share=("best", "mean"))
    return table.sort_values("mean", kind="stable").reset_index()


def lost_of(rows: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """y, and how far it lies behind the best plan of its cell."""
    figures = cell_figures(rows, metric)
    if not BY_NAME[metric].wish:
        raise UserError(f"neither more nor less of {metric} is better: choose another metric")
    sign = 1.0 if BY_NAME[metric].wish == "more" else -1.0
    worth = sign * figures[metric]
    best = worth.groupby([figures["scenario"], figures["cell"]]).transform("max")
    return figures.assign(lost=best - worth)


# --------------------------------------------------------------------------- parameters
def main_effects(rows: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """Mean of y at every value of every parameter, over all cells that have it."""
    import pandas as pd

    figures = cell_figures(rows, metric)
    tables = [
        figures.groupby(["scenario", "plan", name], sort=False)[metric].mean().reset_index()
        .rename(columns={name: "value"}).assign(parameter=name)
        for name in parameters_of(rows)
    ]  # fmt: skip
    columns = ["scenario", "plan", "parameter", "value", metric]
    return (
        pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    )


def rank_correlations(rows: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """Spearman's correlation of y with every parameter whose values are numbers (Spearman 1904)."""
    import pandas as pd

    figures = cell_figures(rows, metric)
    names = [n for n in parameters_of(rows) if pd.api.types.is_numeric_dtype(figures[n])]
    found = [
        (scenario, plan, name, group[name].rank().corr(group[metric].rank()))
        for (scenario, plan), group in figures.groupby(["scenario", "plan"], sort=False)
        for name in names
    ]
    return pd.DataFrame(found, columns=["scenario", "plan", "parameter", "correlation"])


def variance_shares(rows: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """S_i = Var(E[y | i]) / Var(y) and T_i = E[Var(y | all but i)] / Var(y)  [1] (Sobol 1993).

    Exact where the study is a whole grid, in which every value counts alike; else it is refused.
    """
    import pandas as pd

    figures, names = cell_figures(rows, metric), parameters_of(rows)
    found = []
    for (scenario, plan), group in figures.groupby(["scenario", "plan"], sort=False):
        _check_grid(group, names)
        whole = group[metric].var(ddof=0)
        for name in names:
            own = group.groupby(name)[metric].mean().var(ddof=0)
            others = [other for other in names if other != name]
            rest = group.groupby(others)[metric].var(ddof=0).mean() if others else whole
            shares = (own / whole, rest / whole) if whole > 0 else (math.nan, math.nan)
            found.append((scenario, plan, name, *shares))
    return pd.DataFrame(found, columns=["scenario", "plan", "parameter", "first", "total"])


def _check_grid(group: "pd.DataFrame", names: list[str]) -> None:
    cells = math.prod(group[name].nunique() for name in names)
    if cells != len(group):
        raise UserError(
            f"shares of variance need every combination of values: {len(group)} of {cells} are there; "
            f"use design: grid without where, or rank_correlations"
        )
