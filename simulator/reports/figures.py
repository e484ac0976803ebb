"""Figures of outcomes: on the axes that are given, or on new ones; axes are returned.

Nothing global changes: no pyplot, no rcParams. In a notebook `plot_days(...).figure` shows a
figure, `.figure.savefig("days.png")` keeps it.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from importlib import resources
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from simulator.errors import UserError
from simulator.outcomes.metrics import BY_NAME
from simulator.outcomes.outcomes import Outcomes, asked_outcomes
from simulator.reports.tables import cut
from simulator.scenario.asked import asked, asked_list, asked_scenario
from simulator.scenario.calendar import Calendar, phase_spans
from simulator.scenario.schema import Scenario

if TYPE_CHECKING:
    import pandas as pd

FONT = "Noto Sans CJK SC Subset"
"""GB 2312 and Latin; DejaVu Sans, which Matplotlib brings, has what is missing."""

COLOURS = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1",
    "#9c755f", "#ff9da7", "#1b5e7b", "#a0cb6b", "#8c3d5e", "#d4a373", "#6b6ecf",
)  # fmt: skip
"""Of the scenes, in the scenario's order: a scene has the same colour in every figure."""
INK, QUIET, SHADE = "#333333", "#8a8a8a", "#eef1f4"
ALL, CHANCE = "#1f4e79", "#e08214"
RUNOFF = "after the ads"


class Shade(NamedTuple):
    """A phase between two moments, as Matplotlib's day numbers."""

    name: str
    start: float
    end: float


class Bar(NamedTuple):
    """How the figures of one kind are drawn: their name, look and place beside a plan's line."""

    name: str
    colour: str
    offset: float


# --------------------------------------------------------------------------- day by day
def plot_days(
    outcomes: Outcomes, plan: str, ax: Axes | None = None, *, scenario: Scenario | None = None
) -> Axes:
    """Spend of each scene and gmv, day by day [CNY]; means over the replications.

    `ax` is divided: spend stays in it, and gmv gets new axes below, labelled "gmv". The `scenario`
    gives the dates of the phases, the end of advertising and the titles of the scenes; outcomes do
    not hold them.
    """
    table = asked_outcomes(outcomes).days(plan)
    if scenario is not None:
        _check_same(outcomes, scenario)
    ax = asked_axes(ax, (10, 5.5))
    below = _split(ax)
    _draw_spend(ax, table, _titles(outcomes, scenario))
    _draw_gmv(below, table)
    _draw_time(ax, below, table, scenario)
    ax.set_title(_heading(outcomes, plan), loc="left", parse_math=False)
    for panel in (ax, below):
        panel.yaxis.set_major_formatter(short)
        panel.grid(axis="y", color="#dde2e7", linewidth=0.7)
        dress(panel)
    return ax


def _check_same(outcomes: Outcomes, scenario: Scenario) -> None:
    if set(outcomes.axes.scenes) != set(asked_scenario(scenario).scenes):
        raise UserError(
            f"the outcomes are of scenario {outcomes.title!r}, with other scenes than "
            f"{scenario.name!r}; give plot_days the scenario that was simulated"
        )


def _split(ax: Axes) -> Axes:
    """Leave the upper half of its place to `ax`, and make axes in the lower half."""
    place = ax.get_subplotspec()
    if place is not None:
        halves = place.subgridspec(2, 1)
        ax.set_subplotspec(halves[0])
        return ax.figure.add_subplot(halves[1], sharex=ax, label="gmv")
    left, bottom, width, height = ax.get_position().bounds
    ax.set_position((left, bottom + 0.54 * height, width, 0.46 * height))
    return ax.figure.add_axes((left, bottom, width, 0.46 * height), sharex=ax, label="gmv")


def _heading(outcomes: Outcomes, plan: str) -> str:
    head = f"{cut(outcomes.title, 56)}: {cut(plan, 24)}"
    if outcomes.mode == "expected":
        return head
    return f"{head}, mean of {outcomes.replications} replications"


def _titles(outcomes: Outcomes, scenario: Scenario | None) -> dict[str, str]:
    if scenario is None:
        return {name: name for name in outcomes.axes.scenes}
    return titles_of(scenario)


def titles_of(scenario: Scenario) -> dict[str, str]:
    """What a legend calls each scene: its title, after its name where another has the same title."""
    titles = {name: scene.title or name for name, scene in scenario.scenes.items()}
    times = Counter(titles.values())
    return {name: f"{name}: {t}" if times[t] > 1 else t for name, t in titles.items()}


def _draw_spend(ax: Axes, table: "pd.DataFrame", titles: dict[str, str]) -> None:
    """Stacked bars of the scenes that spend anything."""
    days, top = _numbers(table), np.zeros(len(table))
    for number, (scene, title) in enumerate(titles.items()):
        spend = table[f"spend.{scene}"].to_numpy()
        if spend.any():
            colour = COLOURS[number % len(COLOURS)]
            ax.bar(days, spend, 1.0, top, align="edge", color=colour, label=title, zorder=2)
            top = top + spend
    ax.set_ylabel("spend a day [CNY]")
    if top.any():
        handles, labels = ax.get_legend_handles_labels()
        legend(ax, handles[::-1], labels[::-1])  # in the order of the stack


def _draw_gmv(ax: Axes, table: "pd.DataFrame") -> None:
    ax.bar(_numbers(table), table["gmv"], 1.0, align="edge", color=QUIET, zorder=2)
    ax.set_ylabel("GMV a day [CNY]")


def _draw_time(ax: Axes, below: Axes, table: "pd.DataFrame", scenario: Scenario | None) -> None:
    """Dates below, phases shaded and named above, and the line at which advertising ends."""
    days = _numbers(table)
    first, last = float(days[0]), float(days[-1]) + 1
    ax.set_xlim(first, last)
    ax.tick_params(labelbottom=False)
    locator = AutoDateLocator(minticks=3, maxticks=10)  # type: ignore[no-untyped-call]
    below.xaxis.set_major_locator(locator)
    below.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    if scenario is not None:
        spans = _spans(scenario.calendar, last)
        _shade((ax, below), spans)
        _name_phases(ax, spans)
        _mark_end(ax, below, _number(scenario.calendar.end), "advertising ends")
    elif table["spend"].any():
        _mark_end(ax, below, float(days[table["spend"] > 0][-1]) + 1, "last spend")


def _spans(calendar: Calendar, last: float) -> list[Shade]:
    """The phases in order of time, then the run-off."""
    named = [(name, _number(start), _number(end)) for name, start, end in phase_spans(calendar)]
    every = [*named, (RUNOFF, _number(calendar.end), last)]
    return [Shade(name, start, min(end, last)) for name, start, end in every if start < last]


def _number(moment: datetime) -> float:
    return float(date2num(moment))  # type: ignore[no-untyped-call]


def _numbers(table: "pd.DataFrame") -> np.ndarray:
    """The days of a table."""
    return np.asarray(date2num(table["date"]))  # type: ignore[no-untyped-call]


def _shade(panels: Iterable[Axes], spans: Sequence[Shade]) -> None:
    """A tint behind every other phase, never behind the run-off."""
    for ax in panels:
        for span in spans[-2::-2]:
            ax.axvspan(span.start, span.end, color=SHADE, linewidth=0, zorder=0)


def _name_phases(ax: Axes, spans: Sequence[Shade]) -> None:
    """Names above the axes, slanted when one is wider than its phase."""
    room = 0.7 * ax.get_window_extent().width * 72 / ax.figure.dpi  # [points], less the legend's
    scale = room / (spans[-1].end - spans[0].start)
    level = all(_width(span.name) < scale * (span.end - span.start) for span in spans)
    middles = [(span.start + span.end) / 2 for span in spans]
    names = ax.secondary_xaxis("top")
    names.set_xticks(middles if level else _apart(middles, 13 / scale), [s.name for s in spans])
    slant = {} if level else {"rotation": 60, "ha": "left", "rotation_mode": "anchor"}
    for label in names.get_xticklabels():
        label.set(parse_math=False, color=QUIET, fontsize=9, **slant)
    names.tick_params(length=0)
    names.spines["top"].set_visible(False)


def _apart(places: Sequence[float], least: float) -> list[float]:
    """Places in order, moved on where they are closer than `least` to the one before.

    >>> _apart([1.0, 2.0, 2.5, 9.0], 1.0)
    [1.0, 2.0, 3.0, 9.0]
    """
    return list(accumulate(places, lambda before, place: max(place, before + least)))


def _width(name: str) -> float:
    """About how wide a name prints [points]; a Chinese character counts as two Latin ones.

    >>> _width("sale"), _width("预热")
    (22.0, 22.0)
    """
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in name)
    return 5.5 * (len(name) + wide)


def _mark_end(ax: Axes, below: Axes, end: float, words: str) -> None:
    for panel in (ax, below):
        panel.axvline(end, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=3)
    ax.annotate(
        words, (end, 1), xycoords=("data", "axes fraction"), xytext=(5, -5),
        textcoords="offset points", va="top", color=INK,
    )  # fmt: skip


# --------------------------------------------------------------------------- plan beside plan
def plot_plans(
    outcomes: Outcomes,
    metrics: Sequence[str] = ("roi", "new_customers", "profit"),
    axes: Iterable[Axes] | None = None,
) -> list[Axes]:
    """Each metric on axes of its own, a line per plan: mean (dot), its 95% interval, P10 to P90.

    Figures with chance only stand beside those with chance and not knowing, where the outcomes have
    both. In expected mode there are the dots alone.
    """
    outcomes, metrics = asked_outcomes(outcomes), _asked_metrics(metrics)
    panels = _asked_panels(outcomes, metrics, axes)
    shown = _bars(outcomes)
    tables = [found.summary(*metrics) for found, _ in shown]
    for ax, name in zip(panels, metrics, strict=True):
        for (_, bar), table in zip(shown, tables, strict=True):
            _draw_metric(ax, table[[name]].droplevel(0, axis="columns"), bar)
        _label_metric(ax, outcomes.plans, name)
    _explain(panels[-1], outcomes, [bar for _, bar in shown])
    for ax in panels:
        dress(ax)
    return panels


def _asked_metrics(metrics: Sequence[str]) -> list[str]:
    """One metric or more, each once."""
    one = isinstance(metrics, str)
    found = asked_list("metrics", [metrics] if one else metrics, "['roi', 'profit']")
    if not found:
        raise UserError("a figure needs a metric, such as roi")
    if any(found.count(name) > 1 for name in found):
        raise UserError(f"metrics of a figure must differ (got {', '.join(map(str, found))})")
    return found


def _asked_panels(
    outcomes: Outcomes, metrics: Sequence[str], axes: Iterable[Axes] | None
) -> list[Axes]:
    """Axes for every metric: those that are given, or new ones."""
    if axes is None:
        return new_axes(len(metrics), _size(outcomes, metrics))
    panels: list[Axes] = np.asarray(axes, dtype=object).ravel().tolist()
    if len(panels) != len(metrics):
        raise UserError(f"{len(metrics)} metrics need as many axes; got {len(panels)}")
    return [asked(Axes, ax, "axes are those of Matplotlib") for ax in panels]


def _size(outcomes: Outcomes, metrics: Sequence[str]) -> tuple[float, float]:
    return 3.2 * len(metrics) + 2.8, 1.7 + 0.55 * len(outcomes.plans)


def _bars(outcomes: Outcomes) -> list[tuple[Outcomes, Bar]]:
    """What is drawn for every plan, from top to bottom."""
    if outcomes.chance_only is None:
        return [(outcomes, Bar("", ALL, 0.0))]
    return [
        (outcomes, Bar("chance and not knowing", ALL, -0.14)),
        (outcomes.chance_only, Bar("chance only", CHANCE, 0.14)),
    ]


def _draw_metric(ax: Axes, figures: "pd.DataFrame", bar: Bar) -> None:
    """One kind of figure [plan, statistic]; what is undefined is left out."""
    rows, colour = np.arange(len(figures)) + bar.offset, bar.colour
    for low, high, width in (("p10", "p90", 1.2), ("ci_lo", "ci_hi", 5.0)):
        if low in figures:
            label = f"{bar.name} {low}-{high}"
            ends = figures[low], figures[high]
            ax.hlines(rows, *ends, colour, linewidth=width, zorder=3, label=label)
    means = figures["mean"].to_numpy()
    ax.plot(means, rows, "o", color=colour, ms=6, mec="white", zorder=3, label=f"{bar.name} mean")
    for row in rows[np.isnan(means)]:
        transform = ax.get_yaxis_transform()
        ax.text(0.02, row, "undefined", transform=transform, va="center", color=QUIET)


def _label_metric(ax: Axes, plans: Sequence[str], name: str) -> None:
    metric = BY_NAME[name]
    ax.set_title(metric.title, loc="left")
    ax.set_xlabel(f"{name} [{metric.unit}]")
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    ax.xaxis.set_major_formatter(_percent if metric.unit == "share" else short)
    ax.tick_params(axis="y", length=0)
    ax.margins(x=0.08)
    ax.grid(axis="x", color=SHADE)
    place = ax.get_subplotspec()
    first = place is None or place.is_first_col()
    ax.set_yticks(np.arange(len(plans)), plans if first else [""] * len(plans), parse_math=False)
    ax.set_ylim(len(plans) - 0.5, -0.5)
    low, high = ax.dataLim.intervalx
    if low < 0 < high:
        ax.axvline(0, color=INK, linewidth=1, zorder=1)


def _explain(ax: Axes, outcomes: Outcomes, bars: Sequence[Bar]) -> None:
    """What colours and lines mean."""
    named = [bar for bar in bars if bar.name]
    handles: list[Artist] = [Line2D([], [], color=b.colour, marker="o", lw=0) for b in named]
    labels = [bar.name for bar in named]
    if outcomes.mode == "sampled":
        handles += [Line2D([], [], color=INK, lw=5), Line2D([], [], color=INK, lw=1.2)]
        labels += ["95% interval of the mean", "P10 to P90"]
    if handles:
        legend(ax, handles, labels)


# --------------------------------------------------------------------------- parts
def new_axes(count: int, size: tuple[float, float]) -> list[Axes]:
    """Axes side by side in a figure of their own, of this size [inch]."""
    figure = Figure(figsize=size, layout="constrained")
    return list(np.ravel(figure.subplots(1, count)))


def asked_axes(ax: object, size: tuple[float, float]) -> Axes:
    """The axes that are given, or new ones in a figure of this size [inch]."""
    own = new_axes(1, size)[0] if ax is None else ax
    return asked(Axes, own, "ax are axes of Matplotlib")


def save(ax: Axes, folder: str | Path, name: str) -> list[str]:
    """Write the figure of the axes as SVG and PNG; the names of the files."""
    assert isinstance(ax.figure, Figure)
    files = [f"{name}.{kind}" for kind in ("svg", "png")]
    for file in files:
        ax.figure.savefig(Path(folder) / file, dpi=150)
    return files


def legend(ax: Axes, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """To the right of the axes; close when it is long."""
    size, space = (10, 0.5) if len(labels) <= 6 else (8, 0.25)
    box = ax.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False,
        fontsize=size, labelspacing=space, borderaxespad=0.0,
    )  # fmt: skip
    for text in box.get_texts():
        text.set_parse_math(False)


def dress(ax: Axes) -> None:
    """Font, amounts and frame, the same in every figure."""
    fonts = [_font(), "DejaVu Sans"]
    for text in ax.findobj(Text):
        text.set_fontfamily(fonts)
    ax.tick_params(labelfontfamily=fonts, color=QUIET)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(QUIET)
    ax.set_axisbelow(True)


@cache
def _font() -> str:
    """The name of the packaged font, made known to Matplotlib on first use."""
    packaged = resources.files("simulator.reports") / "fonts" / "NotoSansCJKsc-Subset.otf"
    with resources.as_file(packaged) as path:
        fontManager.addfont(path)
    return FONT


def axis_title(metric: str) -> str:
    """A metric in English and Chinese, with its unit."""
    found = BY_NAME[metric]
    return f"{found.title} {found.chinese} [{found.unit}]"


def short(value: float, _position: float = 0) -> str:
    """An amount as an axis prints it.

    >>> [short(x) for x in (0, 250, -1500, 12_000, 2_500_000, 0.25)]
    ['0', '250', '-1.5k', '12k', '2.5m', '0.25']
    """
    for unit, name in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def _percent(value: float, _position: float = 0) -> str:
    """A share as an axis prints it.

    >>> _percent(0.125), _percent(0.1 + 0.2)
    ('12.5%', '30%')
    """
    return f"{100 * value:g}%"
