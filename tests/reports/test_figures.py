"""Figures show the numbers of the outcomes, on the axes that are given, and change nothing else."""

import io
import subprocess
import sys
import warnings
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.dates import date2num
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text

from simulator.engine.simulate import simulate
from simulator.errors import UserError
from simulator.reports import figures
from simulator.reports.figures import plot_days, plot_plans
from simulator.scenario import read_scenario
from simulator.scenario.plan import Plan

ROOT = Path(__file__).parents[2]
FONTS = ROOT / "simulator/reports/fonts"


@pytest.fixture(scope="module")
def scenario():
    return read_scenario(ROOT / "scenarios/minimal.yaml")


@pytest.fixture(scope="module")
def sampled(scenario):
    return simulate(scenario, replications=3, seed=5)


@pytest.fixture(scope="module")
def expected(scenario):
    plans = [Plan.shares(scenario, "only_new", new_customer=0.5)]
    return simulate(scenario, plans, mode="expected")


def draw(ax) -> str:
    """The figure as SVG; a missing glyph would be a warning, and so an error."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        ax.figure.savefig(text, format="svg")
    return text.getvalue()


def draw_png(ax) -> None:
    ax.figure.savefig(io.BytesIO(), format="png")


def legend(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def where(line) -> list[float]:
    """The two ends of a line, along x."""
    return list(line.get_xdata())


def shades(ax) -> list[tuple[float, float]]:
    """Start and end of every shaded phase."""
    colour = matplotlib.colors.to_rgba(figures.SHADE)
    shaded = [patch for patch in ax.patches if patch.get_facecolor() == colour]
    return [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in shaded]


def gmv_axes(ax):
    return next(panel for panel in ax.figure.axes if panel.get_label() == "gmv")


def lines(ax, label) -> np.ndarray:
    """Ends of the horizontal lines with this label: [plan, end]."""
    found = [c for c in ax.collections if c.get_label() == label]
    assert len(found) == 1 and isinstance(found[0], LineCollection)
    return np.array([segment[:, 0] for segment in found[0].get_segments()])


# ---------------------------------------------------------------------- day by day
def test_bars_are_the_spend_of_the_scenes(sampled, scenario):
    ax = plot_days(sampled, "half_half", scenario=scenario)
    table = sampled.days("half_half")
    for bars, name in zip(ax.containers, sampled.axes.scenes, strict=True):
        assert bars.get_label() == scenario.scenes[name].title
        assert [bar.get_height() for bar in bars] == pytest.approx(table[f"spend.{name}"])
    tops = [bar.get_y() + bar.get_height() for bar in ax.containers[-1]]
    assert tops == pytest.approx(table["spend"])
    assert [bar.get_x() for bar in ax.containers[0]] == list(date2num(table["date"]))


def test_new_customers_of_all_days_are_the_gross_ones_of_the_run(sampled):
    """`new_customers` are net of refunds, which a day's are not yet."""
    figures, days = sampled.metrics("half_half"), sampled.days("half_half")
    assert days["new_customers_gross"].sum() == pytest.approx(
        figures["new_customers_gross"]["mean"]
    )
    assert figures["new_customers"]["mean"] < 0.99 * figures["new_customers_gross"]["mean"]
    assert "new_customers" not in days


def test_the_panel_below_is_gmv(sampled):
    below = gmv_axes(plot_days(sampled, "half_half"))
    heights = [bar.get_height() for bar in below.containers[0]]
    assert heights == pytest.approx(sampled.days("half_half")["gmv"])
    assert below.get_ylabel() == "GMV a day [CNY]"


def test_a_scene_without_spend_is_not_drawn(expected, scenario):
    ax = plot_days(expected, "only_new", scenario=scenario)
    assert legend(ax) == ["New customers 拉新"]
    assert ax.get_title(loc="left") == "A month with a sale: only_new"


def test_phases_are_named_and_shaded_and_the_end_is_marked(sampled, scenario):
    ax = plot_days(sampled, "half_half", scenario=scenario)
    start, end = date2num(datetime(2021, 3, 26)), date2num(datetime(2021, 3, 29))
    svg = draw(ax)
    assert all(f">{name}<" in svg for name in ("normal", "sale", figures.RUNOFF))
    assert [text.get_text() for text in ax.texts] == ["advertising ends"]
    for panel in (ax, gmv_axes(ax)):
        assert where(panel.lines[0]) == [end, end]
        assert shades(panel) == [(start, end)]


def test_without_the_scenario_the_last_spend_is_marked(sampled):
    ax = plot_days(sampled, "half_half")
    assert [text.get_text() for text in ax.texts] == ["last spend"]
    assert where(ax.lines[0]) == [date2num(datetime(2021, 3, 29))] * 2


def test_another_scenario_is_refused(sampled, scenario):
    other = scenario.model_copy(update={"name": "Other", "scenes": {}})
    with pytest.raises(UserError, match="give plot_days the scenario that was simulated"):
        plot_days(sampled, "half_half", scenario=other)


def test_days_need_a_daily_book(sampled):
    assert sampled.chance_only is not None
    with pytest.raises(UserError, match="no daily book"):
        plot_days(sampled.chance_only, "half_half")


def test_the_given_axes_are_divided(sampled):
    figure = Figure()
    given, other = figure.subplots(1, 2)
    before, next_door = given.get_position(), other.get_position()
    assert plot_days(sampled, "half_half", given) is given
    below = gmv_axes(given)
    upper, lower = given.get_position(), below.get_position()
    assert upper.x0 == lower.x0 == before.x0
    assert before.y0 == pytest.approx(lower.y0) and lower.y1 < upper.y0
    assert upper.y1 == pytest.approx(before.y1)
    assert np.array_equal(other.get_position(), next_door)
    assert below.get_xlim() == given.get_xlim()


def test_axes_of_no_grid_are_divided_too(sampled):
    given = Figure().add_axes((0.1, 0.2, 0.5, 0.6))
    assert plot_days(sampled, "half_half", given) is given
    assert given.get_position().y1 == pytest.approx(0.8)
    assert gmv_axes(given).get_position().y0 == pytest.approx(0.2)


# ---------------------------------------------------------------------- plan beside plan
def test_lines_are_the_intervals(sampled):
    metrics = ("roi", "new_customers", "cvr")
    for ax, metric in zip(plot_plans(sampled, metrics), metrics, strict=True):
        for name, source in (
            ("chance and not knowing", sampled),
            ("chance only", sampled.chance_only),
        ):
            table = source.summary(metric)[metric]
            assert lines(ax, f"{name} p10-p90") == pytest.approx(table[["p10", "p90"]].to_numpy())
            wide = lines(ax, f"{name} ci_lo-ci_hi")
            assert wide == pytest.approx(table[["ci_lo", "ci_hi"]].to_numpy())
            dots = next(line for line in ax.lines if line.get_label() == f"{name} mean")
            assert dots.get_xdata() == pytest.approx(table["mean"])


def test_axes_say_what_they_show(sampled):
    first, second = plot_plans(sampled, ("profit", "ctr"))
    assert (first.get_title(loc="left"), first.get_xlabel()) == ("Profit", "profit [CNY]")
    assert [label.get_text() for label in first.get_yticklabels()] == ["half_half", "mostly_new"]
    assert first.yaxis_inverted()  # the first plan on top
    assert [label.get_text() for label in second.get_yticklabels()] == ["", ""]
    assert legend(second) == [
        "chance and not knowing",
        "chance only",
        "95% interval of the mean",
        "P10 to P90",
    ]
    svg = draw(first)
    assert "300k<" in svg and "4%<" in svg


def test_expected_mode_shows_dots_alone(expected):
    (ax,) = plot_plans(expected, ["roi"])
    assert ax.get_legend() is None
    assert ax.lines[0].get_xdata() == [expected.metrics("only_new")["roi"]["mean"]]
    assert list(ax.collections) == []


def test_zero_is_marked_where_plans_stand_on_both_sides(sampled):
    (ax,) = plot_plans(sampled, ["roi"])
    low, high = ax.dataLim.intervalx
    marks = [line for line in ax.lines if where(line) == [0, 0]]
    assert len(marks) == (1 if low < 0 < high else 0)


def test_what_is_undefined_is_said(expected):
    (ax,) = plot_plans(expected, ["mroi"])
    assert [text.get_text() for text in ax.texts] == ["undefined"]


def test_given_axes_of_any_shape_come_back(sampled):
    given = Figure().subplots(2, 2)
    back = plot_plans(sampled, ["roi", "profit", "gmv", "cac"], given)
    assert all(a is b for a, b in zip(back, given.flat, strict=True))
    assert [a.get_yticklabels()[0].get_text() for a in back] == ["half_half", ""] * 2


def test_mistakes_are_named(sampled):
    with pytest.raises(UserError, match="2 metrics need as many axes; got 1"):
        plot_plans(sampled, ["roi", "profit"], Figure().subplots(1, 1, squeeze=False))
    with pytest.raises(UserError, match="no metric is called 'rio'; did you mean 'roi'"):
        plot_plans(sampled, ["rio"])


# ---------------------------------------------------------------------- letters
def test_chinese_prints_with_the_packaged_font(sampled, scenario):
    """Titles of the shipped scenes, a scenario, a plan and phases; warnings are errors."""
    outcomes = replace(
        sampled, title="新咖啡品牌:双11预算", chance_only=None,
        axes=replace(sampled.axes, plans=("先蓄水,后收割", "¥50 → $60")),
    )  # fmt: skip
    phases = dict(zip(("蓄水期", "大促"), scenario.calendar.phases.values(), strict=True))
    calendar = scenario.calendar.model_copy(update={"phases": phases})
    chinese = scenario.model_copy(update={"calendar": calendar})
    for ax in (
        plot_days(outcomes, "先蓄水,后收割", scenario=chinese),
        plot_plans(outcomes, ["roi"])[0],
    ):
        svg = draw(ax)
        draw_png(ax)
        assert "先蓄水,后收割" in svg
        fonts = {text.get_fontfamily()[0] for text in ax.findobj(Text)}
        assert fonts == {figures.FONT}
    assert "¥50 → $60" in svg  # no formula between dollar signs
    assert Path(findfont(FontProperties(family=figures.FONT))).parent == FONTS


def test_a_letter_that_no_font_has_would_be_noticed(sampled):
    ax = plot_days(replace(sampled, title="\U000f1234"), "half_half")
    with pytest.warns(UserWarning, match="missing from font"):
        draw_png(ax)


def test_the_font_has_gb_2312_and_its_licence():
    letters = FT2Font(str(FONTS / "NotoSansCJKsc-Subset.otf")).get_charmap()
    rows = [*range(0xA1, 0xAA), *range(0xB0, 0xF8)]
    codes = (bytes([row, cell]) for row in rows for cell in range(0xA1, 0xFF))
    wanted = "".join(code.decode("gb2312", "ignore") for code in codes) + "¥€×±−≤≥→“”–…"
    assert len(wanted) > 7400
    assert {letter for letter in wanted if ord(letter) not in letters} == set()
    assert "SIL OPEN FONT LICENSE Version 1.1" in (FONTS / "OFL.txt").read_text(encoding="utf-8")
    assert (FONTS / "NotoSansCJKsc-Subset.otf").stat().st_size < 2_000_000


# ---------------------------------------------------------------------- nothing else changes
def test_nothing_global_changes(sampled, scenario):
    before = dict(matplotlib.rcParams)
    draw(plot_days(sampled, "half_half", scenario=scenario))
    draw(plot_plans(sampled)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # reading every setting meets deprecated ones
        assert dict(matplotlib.rcParams) == before


def test_importing_neither_adds_a_font_nor_loads_pyplot():
    code = (
        "import sys, simulator.reports.figures as f;"
        "from matplotlib.font_manager import fontManager;"
        "print(f.FONT in fontManager.get_font_names(), 'matplotlib.pyplot' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["False", "False"]
