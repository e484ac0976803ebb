"""Figures of an optimisation, on the axes that are given or on new ones; axes are returned.

They look like those of figures.py: nothing global changes, and Chinese names print anywhere.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from matplotlib.axes import Axes

from simulator.errors import UserError
from simulator.outcomes.decomposition import decompose, part_intervals
from simulator.outcomes.frontier import Frontier, asked_frontier
from simulator.outcomes.metrics import NO_ADS
from simulator.outcomes.outcomes import Outcomes, asked_outcomes
from simulator.reports.figures import (
    ALL,
    CHANCE,
    COLOURS,
    INK,
    QUIET,
    SHADE,
    asked_axes,
    axis_title,
    dress,
    legend,
    save,
    short,
    titles_of,
)
from simulator.reports.tables import cut
from simulator.scenario.amounts import shown
from simulator.scenario.asked import asked_number, asked_table
from simulator.scenario.plan import Plan, asked_plans, find_package, package_price
from simulator.scenario.schema import Scenario

Named = TypeVar("Named")
_PARTS, _ENDS = "{'base': 9e5, 'ads': 2e5}", "{'ads': (1e5, 3e5)}"
GAIN, LOSS = "#59a14f", "#e15759"


def write_figures(
    frontier: Frontier, scenario: Scenario, picked: Plan, folder: str | Path
) -> list[str]:
    """Write every figure of an answer as SVG and PNG; the names of the files."""
    others = [picked] if picked.name != frontier.current else []
    both = [frontier.accounted(plan) for plan in (frontier.current_plan, *others)]
    figures = {
        "frontier": plot_frontier(frontier, picked=picked),
        "split_by_scene": plot_split(scenario, both),
        "split_by_phase": plot_split(scenario, both, by="phase"),
        "waterfall": plot_gmv(frontier, picked),
    }
    name = picked.name if others else frontier.answered.plan.name
    if any(p.margins for p in (*frontier.points, *frontier.others) if p.plan.name == name):
        figures["marginal"] = plot_marginal(frontier, picked if others else None)
    return [file for name, ax in figures.items() for file in save(ax, folder, name)]


# --------------------------------------------------------------------------- the frontier
def plot_frontier(
    frontier: Frontier, ax: Axes | None = None, *, picked: Plan | str | None = None
) -> Axes:
    """Both objectives of every plan at the budget, with the 95% intervals of their means.

    The current plan and the picked one stand out; plans at other budgets are drawn in grey. With
    one objective, incremental new customers stand beside it.
    """
    frontier, ax = asked_frontier(frontier), asked_axes(ax, (8.5, 5))
    across, up = _two(frontier)
    chosen = _name(picked) or frontier.answered.plan.name
    own = [point.plan.name for point in frontier.points]
    others = [point.plan.name for point in frontier.others]
    _draw_plans(ax, frontier, others, colour=QUIET, marker=".", label="other budgets")
    _draw_plans(ax, frontier, own, colour=ALL, marker="o", label="nothing beats these")
    _draw_plans(
        ax,
        frontier,
        [frontier.current],
        colour=CHANCE,
        marker="D",
        label=f"now: {frontier.current}",
    )
    if chosen != frontier.current:
        _draw_plans(ax, frontier, [chosen], colour=LOSS, marker="*", label=f"picked: {chosen}")
    ax.set_xlabel(axis_title(across))
    ax.set_ylabel(axis_title(up))
    ax.set_title(
        f"{cut(frontier.outcomes.title, 64)}: {short(frontier.budget)} CNY",
        loc="left",
        parse_math=False,
    )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(short)
    ax.grid(color=SHADE)
    legend(ax, *ax.get_legend_handles_labels())
    dress(ax)
    return ax


def _two(frontier: Frontier) -> tuple[str, str]:
    """Metrics across and up."""
    first, *more = frontier.objectives
    return first, more[0] if more else "new_customers_incremental"


def _name(plan: Plan | str | None) -> str | None:
    return plan.name if isinstance(plan, Plan) else plan


def _draw_plans(ax: Axes, frontier: Frontier, names: Sequence[str], **look: str) -> None:
    """Means as marks, intervals as thin lines; nothing for no plans."""
    if not names:
        return
    x, y = (_figures(frontier, names, metric) for metric in _two(frontier))
    size = 15 if look["marker"] == "*" else 6
    ax.errorbar(
        x[0], y[0], xerr=abs(x[1:] - x[0]), yerr=abs(y[1:] - y[0]), fmt=look["marker"],
        color=look["colour"], ms=size, mec="white", mew=0.6, elinewidth=0.8,
        label=look["label"], zorder=2 + 2 * (look["colour"] != QUIET),
    )  # fmt: skip


def _figures(frontier: Frontier, names: Sequence[str], metric: str) -> np.ndarray:
    """Mean and both ends of its interval: [3, plan]; expected mode has no interval."""
    rows = [frontier.outcomes.metrics(name)[metric] for name in names]
    parts = [[row.get(key, row["mean"]) for row in rows] for key in ("mean", "ci_lo", "ci_hi")]
    return np.array(parts, dtype=float)


# --------------------------------------------------------------------------- the split
def plot_split(
    scenario: Scenario, plans: Sequence[Plan | str], ax: Axes | None = None, *, by: str = "scene"
) -> Axes:
    """Money of plans side by side, a bar each, cut by `scene` or `phase` [CNY].

    Packages count for the scene that pays them; by phase they are a part of their own.
    """
    if by not in ("scene", "phase"):
        raise UserError(f"money is split by scene or phase, not by {by!r}")
    plans = asked_plans(scenario, plans)
    if not plans:
        raise UserError("a figure of the split needs a plan")
    ax = asked_axes(ax, (9, 1.4 + 0.6 * len(plans)))
    tables = [_money_by(scenario, plan, by) for plan in plans]
    titles = titles_of(scenario)
    left = np.zeros(len(plans))
    for number, part in enumerate(tables[0]):
        money = np.array([table[part] for table in tables])
        if money.any():
            colour = COLOURS[number % len(COLOURS)]
            words = titles.get(part, part) if by == "scene" else part
            ax.barh(np.arange(len(plans)), money, 0.6, left, color=colour, label=words)
            left += money
    ax.set_yticks(np.arange(len(plans)), [plan.name for plan in plans], parse_math=False)
    ax.invert_yaxis()
    ax.set_xlabel("CNY")
    ax.xaxis.set_major_formatter(short)
    ax.set_title(f"Money by {by}", loc="left")
    legend(ax, *ax.get_legend_handles_labels())
    dress(ax)
    return ax


def _money_by(scenario: Scenario, plan: Plan, by: str) -> dict[str, float]:
    """Planned money by part [CNY]; all parts of the scenario, in its order."""
    if by == "scene":
        table = {s: sum(plan.money.get(s, {}).values()) for s in scenario.scenes}
        for name in sorted(plan.packages):
            table[find_package(scenario, name).scene] += package_price(scenario, name)
        return table
    own = [plan.money.get(s, {}) for s in scenario.scenes]
    table = {f: sum(cells.get(f, 0.0) for cells in own) for f in scenario.calendar.phases}
    return table | {"packages": sum(package_price(scenario, p) for p in sorted(plan.packages))}


# --------------------------------------------------------------------------- the margin
def plot_marginal(
    frontier: Frontier, plan: Plan | str | None = None, ax: Axes | None = None
) -> Axes:
    """What one more yuan of every cell brings net, the best cell on top; empty cells are hollow.

    The line in the best plan is the shadow price: what one more yuan of budget brings net. Values are
    slopes of expected mode, in which replications have no part: there are no intervals.
    """
    frontier = asked_frontier(frontier)
    point = frontier.point(_name(plan) or frontier.answered.plan.name)
    if point in frontier.others and not point.margins:
        raise UserError(f"{point.plan.name!r} is at another budget: it has no values at the margin")
    if not point.margins:
        raise UserError(f"{point.plan.name!r} has no cells: all money is that of packages")
    cells = sorted(point.margins, key=lambda cell: point.margins[cell].value)
    ax = asked_axes(ax, (8.5, 1.4 + 0.3 * len(cells)))
    net = [point.margins[cell].value - 1 for cell in cells]
    full = [point.margins[cell].state != "empty" for cell in cells]
    colours = [ALL if has else "white" for has in full]
    ax.barh(range(len(cells)), net, 0.7, color=colours, edgecolor=ALL)
    ax.set_yticks(range(len(cells)), cells, parse_math=False)
    ax.axvline(0, color=INK, linewidth=1)
    if point is frontier.answered and point.shadow_price is not None:
        ax.axvline(
            point.shadow_price, color=CHANCE, linestyle=(0, (4, 3)), label="one more yuan of budget"
        )
        legend(ax, *ax.get_legend_handles_labels())
    ax.set_xlabel("net return of one more yuan [CNY per CNY]")
    ax.set_title(f"The next yuan in {point.plan.name}", loc="left", parse_math=False)
    dress(ax)
    return ax


# --------------------------------------------------------------------------- from base to total
def plot_gmv(frontier: Frontier, picked: Plan) -> Axes:
    """From the gmv of the current plan to that of the picked one; of the current one from no ads."""
    base = NO_ADS if picked.name == frontier.current else frontier.current
    return plot_decomposition(frontier.outcomes, picked.name, base)


def plot_decomposition(
    outcomes: Outcomes, plan: str, over: str = NO_ADS, ax: Axes | None = None
) -> Axes:
    """From the gmv of a plan (that without ads) to that of another: `decompose`, as a waterfall.

    Lines are 95% intervals of each mean; in expected mode there are none.
    """

    def titled(parts: Mapping[str, Named]) -> dict[str, Named]:
        return {over if name == "base" else name.replace("_", " "): x for name, x in parts.items()}

    outcomes = asked_outcomes(outcomes)
    known = part_intervals(outcomes, plan, over) if outcomes.mode == "sampled" else {}
    parts = titled(decompose(outcomes, plan, over))
    ax = plot_waterfall(parts, ax, total=plan, intervals=titled(known))
    ax.set_title(f"Where the gmv of {plan} comes from", loc="left", parse_math=False)
    return ax


def plot_waterfall(
    parts: Mapping[str, float], ax: Axes | None = None, *, total: str = "in all",
    intervals: Mapping[str, tuple[float, float]] | None = None,
) -> Axes:  # fmt: skip
    """Amounts [CNY] that add up, one after another, and their sum as the last bar, called `total`.

    `parts` are names and amounts in the order in which they are stacked: the base first, then what
    each scene or each step of an optimisation adds or takes. A last part "total" that is the sum of the
    others, as `decompose` gives it, is that bar. `intervals` are both ends of some amounts, by the
    same names: a line at the end of the bar.
    """
    parts = {
        n: asked_number(f"part {n!r}", x) for n, x in asked_table("parts", parts, _PARTS).items()
    }
    known = {
        n: _ends(n, x, parts) for n, x in asked_table("intervals", intervals or {}, _ENDS).items()
    }
    if _is_sum(parts):
        parts = {name: parts[name] for name in parts if name != "total"}
    if not parts:
        raise UserError("a waterfall needs at least one amount")
    names, amounts = list(parts), np.array(list(parts.values()), dtype=float)
    ax = asked_axes(ax, (1.6 + 0.9 * (len(names) + 1), 4))
    ends = np.cumsum(amounts)
    starts = ends - amounts
    colours = [QUIET, *(GAIN if amount >= 0 else LOSS for amount in amounts[1:]), ALL]
    heights, bottoms = np.append(amounts, ends[-1]), np.append(starts, 0.0)
    places = np.arange(len(heights))
    ax.bar(places, heights, 0.65, bottoms, color=colours)
    for step, level in enumerate(ends):
        ax.plot([step, step + 1], [level, level], color=QUIET, linewidth=0.8)
    no_ends = (np.nan, np.nan)
    spans = bottoms[:, None] + [
        known.get(name, no_ends) for name in [*names, "total"]
    ]  # [bar, end]
    ax.vlines(places, *spans.T, color=INK, linewidth=1.2, zorder=3)
    tops = np.fmax(np.maximum(bottoms, bottoms + heights), spans[:, 1])
    for place, height, top in zip(places, heights, tops, strict=True):
        ax.annotate(short(float(f"{height:.3g}")), (place, top), ha="center", va="bottom")
    ax.set_xticks(places, [*names, total], parse_math=False, rotation=30, ha="right")
    ax.set_ylabel("CNY")
    ax.yaxis.set_major_formatter(short)
    low, high = np.nanmin([0.0, *bottoms, *spans[:, 0]]), max(0.0, *tops)
    ax.set_ylim(low - 0.06 * (high - low) * (low < 0), high + 0.12 * (high - low))
    dress(ax)
    return ax


def _ends(name: str, given: Any, parts: Mapping[str, float]) -> tuple[float, float]:
    """Both ends of an interval, of a part that is there."""
    if name not in [*parts, "total"]:
        raise UserError(f"intervals name no part: {name!r}; known are {', '.join(map(str, parts))}")
    try:
        low, high = map(float, given)
    except (TypeError, ValueError):
        raise UserError(f"the interval of {name!r} is two numbers (got {shown(given)})") from None
    return low, high


def _is_sum(parts: Mapping[str, float]) -> bool:
    """Whether the last part is the total of the others."""
    if len(parts) < 2 or list(parts)[-1] != "total":
        return False
    *amounts, last = parts.values()
    return abs(sum(amounts) - last) <= 1e-9 * max(map(abs, parts.values()))
