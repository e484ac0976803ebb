"""How far a parameter moves a metric, and which plan is best where, with what certainty.

symbol   meaning                                                                shape
y        a metric of one plan in one cell                                       a number per cell and plan
e_r      influence of replication r on y (outcomes/compare.py)                  [replication]
end      the cells in which a parameter is lowest, or highest                   some cells
square   one value (or part of the range) of each of two parameters             some cells

Every cell draws the same chance, so the influence of r on a mean over cells is the mean of their e_r,
and that on a difference is the difference. An end is compared with the other at all else equal: only
cells that have a partner at the other end count. Where no cell has one (a space-filling design), the
straight-line effects of the other parameters are taken off, an end is a fifth of the cells, and its
interval also holds the luck of which cells those are.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import UserError
from simulator.outcomes.compare import NOTHING, interval_of, student_t
from simulator.outcomes.metrics import BY_NAME
from simulator.scenario.amounts import suggestion
from simulator.sweeps.analysis import cell_figures, check_metric, lost_of, parameters_of
from simulator.sweeps.study import Mode

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Cells = NDArray[np.intp]

END = 0.2
"""Share of the cells that an end has where no two cells differ in one parameter alone."""
MOST_LEVELS = 12
PARTS = 6
"""Parts of equal count into which numbers are cut that have more levels."""
SWINGS = (
    "scenario", "plan", "parameter", "low", "high",
    *(f"{figure}{end}" for figure in ("at_low", "at_high", "swing") for end in ("", "_lo", "_hi")),
)  # fmt: skip
"""Columns of `swings`."""


def influences(rows: "pd.DataFrame", metric: str) -> "pd.DataFrame":
    """Every row with y of its plan in its cell and its own e_r; where y is undefined there is none."""
    check_metric(rows, metric)
    own, keys = BY_NAME[metric], ["scenario", "cell", "plan"]
    table = rows[[*keys, "replication", *parameters_of(rows)]]
    top = rows[own.top] * own.scale
    bottom = rows[own.bottom] if own.bottom else top * 0.0 + 1.0
    groups = [rows[key] for key in keys]
    over, below = (part.groupby(groups, sort=False).transform("mean") for part in (top, bottom))
    y = over / below.where(below > NOTHING)
    return table.assign(y=y, effect=(top - y * bottom) / below).dropna(subset=["y"])


# --------------------------------------------------------------------------- parameters
def swings(rows: "pd.DataFrame", metric: str, mode: Mode = "sampled") -> "pd.DataFrame":
    """The metric at both ends of every parameter, and their difference, each with its 95% interval.

    A row per scenario, plan and parameter, the widest swing of a plan first; none for a plan whose metric
    is undefined in every cell. In expected mode chance has no part in the intervals.
    """
    import pandas as pd

    names, found = parameters_of(rows), []
    if not names:
        raise UserError("the study varies no parameter")
    groups = influences(rows, metric).groupby(["scenario", "plan"], sort=False)
    for (scenario, plan), group in groups:
        surface = Surface.of(group, names)
        own = [{"parameter": name, **_swing(surface, name, mode)} for name in names]
        own.sort(key=lambda row: -abs(row["swing"]))
        found += [{"scenario": scenario, "plan": plan, **row} for row in own]
    return pd.DataFrame(found, columns=SWINGS)


@dataclass(frozen=True)
class Surface:
    """One plan over the cells: values of the parameters, y [cell], and e [cell, replication]."""

    values: "pd.DataFrame"
    y: Array
    effect: Array

    @classmethod
    def of(cls, group: "pd.DataFrame", names: list[str]) -> "Surface":
        """From the rows of one plan."""
        cells = group.drop_duplicates("cell").sort_values("cell")
        table = group.pivot(index="cell", columns="replication", values="effect")
        y = cells["y"].to_numpy(dtype=float)
        return cls(cells[names].reset_index(drop=True), y, table.to_numpy())

    def without_others(self, name: str) -> "Surface":
        """What is left when the straight-line effects of the other parameters are taken off."""
        from pandas import get_dummies

        x = get_dummies(self.values, prefix_sep="=", dtype=float)
        x = (x - x.mean()) / x.std(ddof=0).replace(0.0, 1.0)
        if len(x) < 2 * (x.shape[1] + 1):  # too few to tell them apart
            return self
        own = [column == name or column.startswith(f"{name}=") for column in x.columns]
        slopes = np.linalg.pinv(x.to_numpy())
        slopes[own] = 0.0
        y, effect = (part - x.to_numpy() @ (slopes @ part) for part in (self.y, self.effect))
        return Surface(self.values, y, effect)


def _swing(surface: Surface, name: str, mode: Mode) -> dict[str, Any]:
    """Of one parameter."""
    low, high, paired = _ends(surface, name)
    shown = surface if paired else surface.without_others(name)
    y, chance = [shown.y[end] for end in (low, high)], [shown.effect[end] for end in (low, high)]
    luck = [0.0 if paired else _luck(values) for values in y]
    means, effects = [part.mean() for part in y], [part.mean(axis=0) for part in chance]
    figures = {
        "at_low": (means[0], effects[0], luck[0]), "at_high": (means[1], effects[1], luck[1]),
        "swing": (means[1] - means[0], effects[1] - effects[0], math.hypot(*luck)),
    }  # fmt: skip
    values = surface.values[name]
    answer = {"low": _value(values[low]), "high": _value(values[high])}
    for word, (figure, effect, more) in figures.items():
        half = _half(figure, effect, more, mode)
        answer |= {word: figure, f"{word}_lo": figure - half, f"{word}_hi": figure + half}
    return answer


def _ends(surface: Surface, name: str) -> tuple[Cells, Cells, bool]:
    """Cells at the lower and the upper end, and whether each has a partner at the other one."""
    rank, others = _rank(surface, name), [n for n in surface.values.columns if n != name]
    groups = surface.values.groupby(others, dropna=False, sort=False) if others else None
    same = groups.ngroup().to_numpy() if groups is not None else np.zeros(len(rank), dtype=int)
    low, high = np.flatnonzero(rank == rank.min()), np.flatnonzero(rank == rank.max())
    both = np.intersect1d(same[low], same[high])
    if len(both):
        return low[np.isin(same[low], both)], high[np.isin(same[high], both)], True
    edges = np.quantile(rank, [END, 1 - END])
    return np.flatnonzero(rank <= edges[0]), np.flatnonzero(rank >= edges[1]), False


def _rank(surface: Surface, name: str) -> Array:
    """Numbers by size; words by the mean of y that they bring."""
    import pandas as pd

    values = surface.values[name]
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(dtype=float)
    return pd.Series(surface.y).groupby(values).transform("mean").to_numpy()


def _value(values: "pd.Series[Any]") -> Any:
    """What stands for the values of an end: their mean, or the word."""
    import pandas as pd

    return float(values.mean()) if pd.api.types.is_numeric_dtype(values) else values.iloc[0]


def _luck(values: Array) -> float:
    """Half of the interval of a mean over cells that are a sample."""
    if len(values) < 2:
        return math.nan
    return student_t(len(values) - 1) * float(values.std(ddof=1)) / math.sqrt(len(values))


def _half(figure: float, effect: Array, luck: float, mode: Mode) -> float:
    if not math.isfinite(figure):
        return math.nan
    chance = interval_of(figure, effect).hi - figure if mode == "sampled" else 0.0
    half = math.hypot(chance, luck)
    return half if half > 0 or mode == "sampled" else math.nan


# --------------------------------------------------------------------------- squares
def squares(
    rows: "pd.DataFrame", metric: str, by: tuple[str, str], mode: Mode = "sampled"
) -> "pd.DataFrame":
    """The metric of every plan, and what it gives away, in every square of two parameters: means over all else.

    A row per scenario, square and plan. `half` and `lost_half` are halves of their 95% intervals, NaN
    where chance has no part. Numbers with many levels are cut into parts of equal count, each under its
    mean. Nothing is given away where neither more nor less of the metric is better.
    """
    check_metric(rows, metric)
    rows, keys = _cut(rows, by), ["scenario", *by, "plan"]
    wished = bool(BY_NAME[metric].wish)
    figures = (lost_of if wished else cell_figures)(rows, metric)
    table = figures.groupby(keys, sort=False)[[metric, "lost"] if wished else [metric]].mean()
    effect = _effects(rows, metric, [*keys, "cell"])
    table["half"] = _halves(table[metric], effect, mode)
    if wished:
        best = figures[figures["lost"] == 0].groupby(["scenario", "cell"])["plan"].first()
        table["lost_half"] = _halves(table["lost"], _behind(effect, best, by), mode)
    return table.reset_index()


def _effects(rows: "pd.DataFrame", metric: str, keys: list[str]) -> "pd.DataFrame":
    """e_r: a row per key, a column per replication."""
    return influences(rows, metric).pivot(index=keys, columns="replication", values="effect")


def _behind(effect: "pd.DataFrame", best: "pd.Series[Any]", by: tuple[str, str]) -> "pd.DataFrame":
    """Influence on how far a plan lies behind the best one of its cell, which is taken as known."""
    by_cell = effect.droplevel(list(by))  # [scenario, plan, cell]
    leaders = [(s, best.get((s, cell)), cell) for s, _, cell in by_cell.index]
    return effect - by_cell.reindex(leaders).to_numpy()


def _halves(figures: "pd.Series[Any]", effect: "pd.DataFrame", mode: Mode) -> list[float]:
    """Half of the interval of each figure, a mean over cells."""
    means = effect.groupby(figures.index.names).mean().reindex(figures.index).to_numpy()
    pairs = zip(figures.to_numpy(dtype=float), means, strict=True)
    return [_half(figure, own, 0.0, mode) for figure, own in pairs]


def best_in_squares(
    rows: "pd.DataFrame", metric: str, by: tuple[str, str], mode: Mode = "sampled"
) -> "pd.DataFrame":
    """The best plan of every square, how far it is ahead, and whether more than luck says so.

    A plan whose metric is undefined there has no part: one that is left alone has nothing to be ahead of,
    and where none is left no plan is named.
    """
    import pandas as pd

    rows, keys = _cut(rows, by), ["scenario", *by]
    effect, found = _effects(rows, metric, [*keys, "plan", "cell"]), []
    effect = effect.groupby([*keys, "plan"]).mean()
    for square, group in squares(rows, metric, by, mode).groupby(keys, sort=False):
        order = group.dropna(subset="lost").sort_values("lost", kind="stable")
        own = [effect.loc[(*square, plan)].to_numpy() for plan in order["plan"][:2]]
        best = (None, math.nan) if order.empty else order.iloc[0][["plan", metric]]
        found.append((*square, *best, *_lead(order["lost"].to_numpy(), own, mode)))
    return pd.DataFrame(found, columns=[*keys, "plan", metric, "ahead", "sure"])


def _lead(lost: Array, effects: list[Array], mode: Mode) -> tuple[float, bool]:
    """How far the first is ahead of the second, and whether that is more than luck."""
    if len(lost) < 2:
        return math.nan, True
    ahead = float(lost[1] - lost[0])
    noise = _half(ahead, effects[0] - effects[1], 0.0, mode)
    return ahead, ahead > (noise if mode == "sampled" else NOTHING)


def _cut(rows: "pd.DataFrame", by: tuple[str, str]) -> "pd.DataFrame":
    """The rows, with two of the parameters in parts."""
    names = parameters_of(rows)
    if not isinstance(by, tuple | list) or len(by) != 2:
        raise UserError(
            f"two parameters are needed, such as ({', '.join(map(repr, names[:2]))}); got {by!r}"
        )
    for name in by:
        if name not in names:
            near = suggestion(name, names) or f"; it varies {', '.join(names) or 'nothing'}"
            raise UserError(f"the study does not vary {name!r}{near}")
    if by[0] == by[1]:
        raise UserError(f"two parameters are needed; got {by[0]} twice")
    return rows.assign(**{name: in_parts(rows[name]) for name in by})


def in_parts(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """The values; where they are many numbers, the mean of the part in which each lies.

    >>> import pandas as pd
    >>> in_parts(pd.Series([3.0, 1.0, 3.0])).tolist()
    [3.0, 1.0, 3.0]
    >>> in_parts(pd.Series(range(600), dtype=float)).unique().tolist()
    [49.5, 149.5, 249.5, 349.5, 449.5, 549.5]
    """
    import pandas as pd

    levels = pd.Series(values.unique())
    if not pd.api.types.is_numeric_dtype(values) or len(levels) <= MOST_LEVELS:
        return values
    parts = (levels.rank() - 1) * PARTS // len(levels)
    means = levels.groupby(parts).transform("mean")
    return values.map(dict(zip(levels, means, strict=True)))
