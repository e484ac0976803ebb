"""Figures of a study, on the axes that are given or on new ones; axes are returned.

They look like those of figures.py, and take the rows of a store: nothing is simulated again.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from simulator.errors import UserError
from simulator.outcomes.metrics import BY_NAME
from simulator.reports.figures import (
    ALL,
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
)
from simulator.scenario.amounts import shown, suggestion
from simulator.scenario.asked import asked_choice
from simulator.scenario.reference import unit_of
from simulator.sweeps.analysis import cell_figures, check_metric, parameters_of, regrets
from simulator.sweeps.effects import best_in_squares, squares, swings
from simulator.sweeps.study import Mode

if TYPE_CHECKING:
    import pandas as pd

MOST_BARS = 20
MOST_COLOURS = len(COLOURS)

LUCK = "~ may be luck"

Show = Literal["figure", "regret", "best"]


class Choice(NamedTuple):
    """What a figure speaks of."""

    scenario: str
    plan: str


def choose(
    rows: "pd.DataFrame", metric: str, plan: str | None = None, scenario: str | None = None
) -> Choice:
    """The scenario (the first) and the plan (what gives away least over its cells), unless named."""
    check_metric(rows, metric)
    place = _known(scenario, list(rows["scenario"].unique()), "scenario")
    own = rows[rows["scenario"] == place]
    if plan is None and BY_NAME[metric].wish:
        return Choice(place, regrets(own, metric)["plan"].iloc[0])
    return Choice(place, _known(plan, list(own["plan"].unique()), "plan"))


def _known(name: str | None, names: list[str], kind: str) -> str:
    if name is not None and name not in names:
        near = suggestion(name, names) or f"; it has {', '.join(names)}"
        raise UserError(f"the study has no {kind} {shown(name)}{near}")
    return names[0] if name is None else name


# --------------------------------------------------------------------------- tornado
def plot_tornado(
    rows: "pd.DataFrame", metric: str = "roi", ax: Axes | None = None, *, plan: str | None = None,
    scenario: str | None = None, mode: Mode = "sampled",
) -> Axes:  # fmt: skip
    """How far every parameter moves a metric of one plan, from its lowest to its highest value.

    The widest is on top. Dots are means over all cells of an end, hollow at the lowest value, and lines
    their 95% intervals; below each name stands the difference with its own. Unless it is named, the plan
    is the one that gives away least over all cells. A metric that is undefined in all of them has a note.
    """
    own = choose(rows, metric, plan, scenario)
    asked_choice("mode", mode, get_args(Mode))
    part = rows[(rows["scenario"] == own.scenario) & (rows["plan"] == own.plan)]
    table = swings(part, metric, mode)
    shown = table.head(MOST_BARS)
    ax = asked_axes(ax, (10, 1.8 + 0.6 * len(shown)))
    if shown.empty:
        _note(ax, f"{metric} of {own.plan} is undefined in every cell")
    else:
        _draw_tornado(ax, shown, metric, _middle(part, metric))
    more = f", {len(shown)} widest of {len(table)}" if len(table) > len(shown) else ""
    ax.set_title(f"{own.scenario}: what moves {own.plan}{more}", loc="left", parse_math=False)
    dress(ax)
    return ax


def _note(ax: Axes, words: str) -> None:
    """Why there is nothing to draw."""
    ax.set(xticks=[], yticks=[])
    ax.text(
        0.5, 0.5, words, transform=ax.transAxes, ha="center", va="center", color=INK,
        parse_math=False,
    )  # fmt: skip


def _draw_tornado(ax: Axes, shown: "pd.DataFrame", metric: str, middle: float) -> None:
    _draw_swings(ax, shown)
    ax.axvline(middle, color=QUIET, linewidth=1, zorder=1, label="mean of all cells")
    ax.set_yticks(range(len(shown)), [_swing(row) for _, row in shown.iterrows()], parse_math=False)
    ax.set_ylim(len(shown) - 0.5, -0.5)
    ax.set_xlabel(axis_title(metric))
    ax.xaxis.set_major_formatter(short)
    ax.margins(x=0.15)
    legend(ax, *ax.get_legend_handles_labels())


def _swing(row: "pd.Series[Any]") -> str:
    """A parameter, and below it how far it moves the metric."""
    ends = f" ({_signed(row['swing_lo'])} to {_signed(row['swing_hi'])})"
    more = ends if np.isfinite(row["swing_lo"]) else ""
    return f"{_titled(row['parameter'])}\n{_signed(row['swing'])}{more}"


def _signed(value: float) -> str:
    """A difference, with its sign.

    >>> _signed(108_123.0), _signed(-0.03471), _signed(0.0)
    ('+108k', '-0.0347', '0')
    """
    return ("+" if value > 0 else "") + _three(value)


def _draw_swings(ax: Axes, table: "pd.DataFrame") -> None:
    places = np.arange(len(table))
    left = table[["at_low", "at_high"]].min(axis=1)
    ax.barh(places, table["swing"].abs(), 0.5, left, color=SHADE, edgecolor=QUIET, zorder=2)
    for end, fill in (("low", "white"), ("high", ALL)):
        means = table[f"at_{end}"].to_numpy()
        ends = table[[f"at_{end}_lo", f"at_{end}_hi"]].to_numpy().T
        ax.errorbar(
            means, places, xerr=abs(ends - means), fmt="o", color=ALL, mfc=fill, ms=6,
            elinewidth=1.2, zorder=3, label=f"at the {end}est value",
        )  # fmt: skip
    for place, (_, row) in enumerate(table.iterrows()):
        sides = ("right", "left") if row["swing"] >= 0 else ("left", "right")
        for end, side in zip(("low", "high"), sides, strict=True):
            _name_end(ax, row, end, (place, side))


def _name_end(ax: Axes, row: "pd.Series[Any]", end: str, where: tuple[int, str]) -> None:
    """The value of the parameter, outside of all that is drawn."""
    place, side = where
    edge = row[[f"at_{e}{more}" for e in ("low", "high") for more in ("", "_lo", "_hi")]].astype(
        float
    )
    x = edge.min() if side == "right" else edge.max()
    ax.annotate(
        _level(row[end]), (x, place), xytext=(-7 if side == "right" else 7, 0),
        textcoords="offset points", ha=side, va="center", color=INK, fontsize=9, parse_math=False,
    )  # fmt: skip


def _middle(part: "pd.DataFrame", metric: str) -> float:
    return float(cell_figures(part, metric)[metric].mean())


# --------------------------------------------------------------------------- heat map
def plot_heat_map(
    rows: "pd.DataFrame", metric: str = "roi", ax: Axes | None = None, *,
    by: tuple[str, str] | None = None, plan: str | None = None, scenario: str | None = None,
    show: Show = "figure", mode: Mode = "sampled",
) -> Axes:  # fmt: skip
    """A metric over two parameters, across and up: means over all others in every square.

    `show` is the "figure" of one plan, below it half of its 95% interval; its "regret" (what it gives
    away to the best plan of each cell); or the "best" plan. ~ stands where luck alone could explain
    what is given away, or the best one's lead. Without `by` the two are those that move the plan most.
    A square in which the metric is undefined stays empty; where it is so in all of them a note says it.
    """
    own = choose(rows, metric, plan, scenario)
    asked_choice("mode", mode, get_args(Mode))
    part = rows[rows["scenario"] == own.scenario]
    two = widest(part, metric, own.plan) if by is None else by
    ax = asked_axes(ax, (8.5, 5))
    _check_show(metric, show)
    if show == "best":
        table = best_in_squares(part, metric, two, mode)
        title = f"{own.scenario}: best plan by {metric}"
    else:
        table = squares(part, metric, two, mode)
        table = table[table["plan"] == own.plan]
        title = f"{own.scenario}: {'given away by ' if show == 'regret' else ''}{own.plan}"
    if table[metric].isna().all():
        _note(ax, f"{metric} is undefined in every cell")
    elif show == "best":
        _draw_best(ax, table, two)
    else:
        _draw_heat(ax, table, two, _column(metric, show), metric)
    ax.set_title(title, loc="left", parse_math=False)
    dress(ax)
    return ax


def _check_show(metric: str, show: str) -> None:
    if show not in ("figure", "regret", "best"):
        raise UserError(f"a heat map shows the figure, the regret or the best plan, not {show!r}")
    if show != "figure" and not BY_NAME[metric].wish:
        raise UserError(f"neither more nor less of {metric} is better: choose another metric")


def _column(metric: str, show: str) -> str:
    return "lost" if show == "regret" else metric


def widest(part: "pd.DataFrame", metric: str, plan: str) -> tuple[str, str]:
    """The two parameters that move a plan most; the first two where its metric is undefined."""
    names = parameters_of(part)
    if len(names) < 2:
        raise UserError("a heat map needs two parameters: the study varies fewer")
    moved: list[str] = list(swings(part[part["plan"] == plan], metric)["parameter"])
    first, second = (moved or names)[:2]
    return first, second


def _draw_heat(
    ax: Axes, table: "pd.DataFrame", by: tuple[str, str], column: str, metric: str
) -> None:
    grid = _grid(ax, table, by, column).astype(float)
    half = _grid(ax, table, by, "lost_half" if column == "lost" else "half").astype(float)
    least = 0.0 if column == "lost" else None
    image = ax.imshow(grid, vmin=least, cmap="viridis", origin="lower", aspect="auto")
    bar = ax.figure.colorbar(image, ax=ax, format=short)
    given = f"{metric} given away [{BY_NAME[metric].unit}]"
    bar.set_label(given if column == "lost" else axis_title(metric))
    bar.outline.set_visible(False)
    written = _given_away if column == "lost" else _with_half
    for (row, place), value in np.ndenumerate(grid):
        if np.isfinite(value):
            behind = tuple(map(float, image.to_rgba(value)))
            _write(ax, place, row, written(value, float(half[row, place])), behind)
    if any("~" in text.get_text() for text in ax.texts):
        ax.annotate(LUCK, (1, 1.02), xycoords="axes fraction", ha="right", color=INK, fontsize=9)
    dress(bar.ax)


def _with_half(value: float, half: float) -> str:
    """A figure, and below it half of its 95% interval.

    >>> _with_half(12_345.0, 678.9), _with_half(0.5, np.nan)
    ('12.3k\\n±679', '0.5')
    """
    below = f"\n±{_three(half)}" if half > 0 else ""
    return f"{_three(value)}{below}"


def _given_away(value: float, half: float) -> str:
    """What a plan gives away, marked where its 95% interval holds nothing at all.

    >>> _given_away(500.0, 200.0), _given_away(100.0, 200.0), _given_away(0.0, 0.0)
    ('500', '100 ~', '0')
    """
    return f"{_three(value)} ~" if 0 < value <= half else _three(value)


def _three(value: float) -> str:
    return short(float(f"{value:.3g}"))


def _draw_best(ax: Axes, table: "pd.DataFrame", by: tuple[str, str]) -> None:
    """A colour for every plan that is best somewhere."""
    plans = list(dict.fromkeys(table["plan"].dropna()))
    colours = {plan: to_rgb(COLOURS[n % MOST_COLOURS]) for n, plan in enumerate(plans)}
    grid, sure = _grid(ax, table, by, "plan"), _grid(ax, table, by, "sure")
    white = (1.0, 1.0, 1.0)
    ax.imshow(
        [[colours.get(plan, white) for plan in line] for line in grid],
        origin="lower", aspect="auto",
    )  # fmt: skip
    for (row, place), plan in np.ndenumerate(grid):
        if plan in colours:
            words = plan if sure[row, place] else f"{plan} ~"
            _write(ax, place, row, words, colours[plan])
    handles, words = [Patch(color=colours[plan]) for plan in plans], plans
    if not table["sure"].all():
        handles, words = [*handles, Patch(alpha=0)], [*plans, "~ its lead may be luck"]
    legend(ax, handles, words)


def _write(ax: Axes, x: int, y: int, words: str, behind: tuple[float, ...]) -> None:
    """Words in a square, dark on light and light on dark."""
    red, green, blue = behind[:3]
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.55
    colour = "white" if dark else INK
    ax.text(x, y, words, ha="center", va="center", color=colour, fontsize=8, parse_math=False)


def _grid(ax: Axes, table: "pd.DataFrame", by: tuple[str, str], column: str) -> np.ndarray:
    """The squares as [up, across], with both axes labelled; None where there is none."""
    across, up = (_levels(table[name]) for name in by)
    grid = np.full((len(up), len(across)), None, dtype=object)
    for x, y, value in zip(table[by[0]], table[by[1]], table[column], strict=True):
        grid[up.index(y), across.index(x)] = value
    ax.set_xticks(range(len(across)), [_level(x) for x in across], parse_math=False)
    ax.set_yticks(range(len(up)), [_level(y) for y in up], parse_math=False)
    ax.set_xlabel(_titled(by[0]), parse_math=False)
    ax.set_ylabel(_titled(by[1]), parse_math=False)
    return grid


def _levels(values: "pd.Series[Any]") -> list[Any]:
    """Numbers by size, words as they come."""
    levels = list(dict.fromkeys(values))
    return levels if any(isinstance(level, str) for level in levels) else sorted(levels)


# --------------------------------------------------------------------------- words
def _level(value: Any) -> str:
    return value if isinstance(value, str) else short(float(f"{value:.4g}"))


def _titled(path: str) -> str:
    """A parameter with its unit."""
    unit = unit_of(path)
    return f"{path} [{unit}]" if unit else path


# --------------------------------------------------------------------------- files
def write_study_figures(
    rows: "pd.DataFrame", metric: str, folder: str | Path, *, plan: str | None = None,
    by: tuple[str, str] | None = None, mode: Mode = "sampled",
) -> list[str]:  # fmt: skip
    """Write every figure that the rows allow as SVG and PNG; the names of the files.

    Each scenario has its own, if it has the plan.
    """
    scenarios, names = list(rows["scenario"].unique()), list[str]()
    for scenario in scenarios:
        if plan not in {None, *rows["plan"][rows["scenario"] == scenario]}:
            continue
        mark = f"-{scenario}" if len(scenarios) > 1 else ""
        options: dict[str, Any] = {"plan": plan, "scenario": scenario, "mode": mode}
        for name, ax in _figures(rows, metric, by, options).items():
            names += save(ax, folder, f"{name}{mark}")
    return names


def _figures(
    rows: "pd.DataFrame", metric: str, by: tuple[str, str] | None, options: dict[str, Any]
) -> dict[str, Axes]:
    varied = len(parameters_of(rows))
    figures = {"tornado": plot_tornado(rows, metric, **options)} if varied else {}
    if varied > 1:
        options = options | {"by": by}
        figures["heat_map"] = plot_heat_map(rows, metric, **options)
        own = rows[rows["scenario"] == options["scenario"]]
        if own["plan"].nunique() > 1 and BY_NAME[metric].wish:
            figures["best_plan"] = plot_heat_map(rows, metric, show="best", **options)
            figures["regret"] = plot_heat_map(rows, metric, show="regret", **options)
    return figures
