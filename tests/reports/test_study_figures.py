"""Figures of a study show the numbers of its tables, on the axes that are given, in any language."""

import io
import warnings

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from simulator.errors import UserError
from simulator.reports.figures import ALL, COLOURS
from simulator.reports.study_figures import (
    MOST_BARS,
    plot_heat_map,
    plot_tornado,
    write_study_figures,
)
from simulator.sweeps.analysis import cell_figures, regrets
from simulator.sweeps.effects import best_in_squares, squares, swings
from tests.sweeps.made import rows_of

CPM = "slots.search_words.median_cpm"
LEVELS = {"budget": [40e3, 50e3, 60e3], CPM: [30.0, 60.0], "words": ["热门", "plain"]}
PLANS = {
    "拉新为主": lambda **v: v["budget"] / 10 - 100 * v[CPM] + 500 * (v["words"] == "热门"),
    "half_half": lambda **v: 900 - v[CPM],
}
ROWS = rows_of(PLANS, LEVELS, noise=(300.0, -500.0, 100.0))
SPENT = ROWS.rename(columns={"profit": "spend"})


def drawn(ax):
    """The figure is drawn; a missing glyph would be a warning, and so an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.figure.savefig(io.BytesIO(), format="png")
    return ax


def labels(axis):
    return [text.get_text() for text in axis.get_ticklabels()]


def words(ax):
    """What is written in the axes."""
    return [text.get_text() for text in ax.texts]


def errorbars(ax, label):
    """Means, and both ends of their lines, of what stands under a label."""
    own = next(c for c in ax.containers if c.get_label() == label)
    ends = np.array([segment[:, 0] for segment in own[2][0].get_segments()])
    return own[0].get_xdata(), ends


# --- tornado ------------------------------------------------------------------------------------


def test_the_bars_reach_from_the_lowest_to_the_highest_value_widest_first():
    ax = drawn(plot_tornado(ROWS, "profit", plan="拉新为主"))
    table = swings(ROWS[ROWS["plan"] == "拉新为主"], "profit")
    assert list(table["parameter"]) == [CPM, "budget", "words"]
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
    ends = np.sort(table[["at_low", "at_high"]].to_numpy())
    np.testing.assert_allclose(bars, ends)
    for end in ("low", "high"):
        means, lines = errorbars(ax, f"at the {end}est value")
        np.testing.assert_allclose(means, table[f"at_{end}"])
        np.testing.assert_allclose(lines, table[[f"at_{end}_lo", f"at_{end}_hi"]])
    assert sorted(words(ax)) == sorted(["30", "60", "40k", "60k", "plain", "热门"])


def test_the_mark_at_the_lowest_value_is_hollow():
    ax = plot_tornado(ROWS, "profit", plan="拉新为主")
    marks = {c.get_label(): c[0] for c in ax.containers if c.get_label().startswith("at the")}
    inside = {label: to_rgb(mark.get_markerfacecolor()) for label, mark in marks.items()}
    assert inside == {"at the lowest value": to_rgb("white"), "at the highest value": to_rgb(ALL)}


def test_names_and_units_stand_beside_the_bars_and_the_difference_with_its_interval():
    ax = drawn(plot_tornado(ROWS, "profit", plan="拉新为主"))
    assert labels(ax.yaxis) == [
        f"{CPM} [CNY per 1000 impressions]\n-3k (-3k to -3k)",
        "budget [CNY]\n+2k (+2k to +2k)", "words\n+500 (+500 to +500)",
    ]  # fmt: skip
    assert ax.get_xlabel() == "Profit 利润 [CNY]"
    assert ax.get_title(loc="left") == "made: what moves 拉新为主"
    line = next(x for x in ax.lines if x.get_label() == "mean of all cells")
    own = cell_figures(ROWS[ROWS["plan"] == "拉新为主"], "profit")["profit"].mean()
    assert line.get_xdata() == pytest.approx([own, own])


def test_unless_named_the_plan_is_the_one_that_gives_away_least():
    best = regrets(ROWS, "profit")["plan"].iloc[0]
    assert best in plot_tornado(ROWS, "profit").get_title(loc="left")
    assert "拉新为主" in plot_tornado(ROWS.rename(columns={"profit": "spend"}), "spend").get_title(
        loc="left"
    )  # neither more nor less is better: the first
    with pytest.raises(UserError, match="no plan 'half_hal', did you mean 'half_half'"):
        plot_tornado(ROWS, "profit", plan="half_hal")
    with pytest.raises(UserError, match="no scenario 'x'; it has made"):
        plot_tornado(ROWS, "profit", scenario="x")


def test_expected_mode_has_no_lines_and_many_parameters_are_cut():
    many = {f"p{n}": [0.0] if n else [0.0, 1.0] for n in range(MOST_BARS + 3)}
    rows = rows_of({"p": lambda **v: v["p0"]}, many)
    ax = drawn(plot_tornado(rows, "profit", mode="expected"))
    assert len(ax.patches) == MOST_BARS
    assert ax.get_title(loc="left").endswith(f"{MOST_BARS} widest of {MOST_BARS + 3}")
    assert labels(ax.yaxis)[0] == "p0\n+1"
    own = next(c for c in ax.containers if c.get_label() == "at the lowest value")
    assert not any(len(segment) for segment in own[2][0].get_segments())


# --- heat map -----------------------------------------------------------------------------------


def grid(table, by, column):
    return table.pivot_table(index=by[1], columns=by[0], values=column).to_numpy()


@pytest.mark.parametrize(("show", "column"), [("figure", "profit"), ("regret", "lost")])
def test_the_squares_are_those_of_the_table(show, column):
    by = ("budget", CPM)
    ax = drawn(plot_heat_map(ROWS, "profit", by=by, plan="half_half", show=show))
    table = squares(ROWS, "profit", by)
    wanted = grid(table[table["plan"] == "half_half"], by, column)
    assert wanted.shape == (2, 3)
    np.testing.assert_allclose(ax.images[0].get_array(), wanted)
    assert labels(ax.xaxis) == ["40k", "50k", "60k"]
    assert labels(ax.yaxis) == ["30", "60"]
    assert ax.get_xlabel() == "budget [CNY]"
    assert ax.get_ylabel() == f"{CPM} [CNY per 1000 impressions]"
    bar = ax.images[0].colorbar.ax
    named = {"figure": "Profit 利润 [CNY]", "regret": "profit given away [CNY]"}
    assert bar.get_ylabel() == named[show]
    if show == "figure":
        assert words(ax)[0] == "837\n±1.03k"  # 900 - 30, and a mean noise of -33


def test_what_chance_alone_could_explain_is_marked_in_a_map_of_regret():
    by, rows = ("budget", "words"), ROWS.copy()
    own = rows["plan"] == "half_half"
    rows.loc[own, "profit"] += np.tile([300.0, -300.0, 0.0], own.sum() // 3)
    ax = drawn(plot_heat_map(rows, "profit", by=by, plan="half_half", show="regret"))
    table = squares(rows, "profit", by).set_index(["plan", "words", "budget"]).loc["half_half"]
    marks = [text.endswith(" ~") for text in words(ax)[:6]]
    luck = (table["lost"] > 0) & (table["lost"] <= table["lost_half"])
    order = [(word, budget) for word in LEVELS["words"] for budget in LEVELS["budget"]]
    assert marks == luck.loc[order].tolist()
    assert 0 < sum(marks) < 6
    assert words(ax)[6:] == ["~ may be luck"]


def test_expected_mode_has_no_halves():
    ax = drawn(plot_heat_map(ROWS, "profit", by=("budget", CPM), plan="half_half", mode="expected"))
    assert words(ax)[0] == "837"


def test_what_is_no_table_or_no_pair_is_told():
    with pytest.raises(UserError, match=r"rows are the table of sweep or read_store .got list."):
        plot_heat_map([], "profit")
    for by in (("budget",), "budget"):
        with pytest.raises(UserError, match="two parameters are needed, such as"):
            plot_heat_map(ROWS, "profit", by=by)


def test_the_best_plan_has_its_colour_and_a_lead_that_may_be_luck_its_mark():
    by = ("budget", "words")
    rows = ROWS.copy()
    own = rows["plan"] == "half_half"
    rows.loc[own, "profit"] += np.tile([300.0, -300.0, 0.0], own.sum() // 3)
    ax = drawn(plot_heat_map(rows, "profit", by=by, show="best"))
    table = best_in_squares(rows, "profit", by).set_index(["words", "budget"])
    assert set(table["plan"]) == set(PLANS)
    shown = np.array(ax.images[0].get_array())
    plans = list(dict.fromkeys(table["plan"]))
    for (row, place), text in zip(np.ndindex(2, 3), words(ax), strict=True):
        found = table.loc[(LEVELS["words"][row], LEVELS["budget"][place])]
        assert shown[row, place] == pytest.approx(to_rgb(COLOURS[plans.index(found["plan"])]))
        assert text == found["plan"] + ("" if found["sure"] else " ~")
    assert 0 < table["sure"].sum() < 6
    shown = [text.get_text() for text in ax.get_legend().get_texts()]
    assert shown == [*plans, "~ its lead may be luck"]
    sure = plot_heat_map(ROWS, "profit", by=by, show="best").get_legend().get_texts()
    assert [text.get_text() for text in sure] == plans


def test_a_square_without_a_cell_stays_empty():
    rows = rows_of(PLANS, LEVELS, keep=lambda **v: v["budget"] > 40e3 or v[CPM] < 60)
    ax = drawn(plot_heat_map(rows, "profit", by=("budget", CPM)))
    values = np.asarray(ax.images[0].get_array(), dtype=float)
    assert np.isnan(values[1, 0])
    assert len(words(ax)) == 5
    assert len(words(drawn(plot_heat_map(rows, "profit", by=("budget", CPM), show="best")))) == 5


def test_what_is_undefined_everywhere_has_a_note_in_the_place_of_a_figure(tmp_path):
    """A plan that spends nothing has no return."""
    formulas = {"none": lambda **v: v["budget"], "idle": lambda **v: 0.0}
    rows = rows_of(formulas, LEVELS, metric="profit_incremental").assign(outlay=0.0, roi=np.nan)
    assert words(drawn(plot_tornado(rows, "roi"))) == ["roi of none is undefined in every cell"]
    for show in ("figure", "regret", "best"):
        ax = drawn(plot_heat_map(rows, "roi", show=show, plan="none"))
        assert words(ax) == ["roi is undefined in every cell"]
        assert not ax.images
    names = write_study_figures(rows, "roi", tmp_path)
    kinds = ["tornado", "heat_map", "best_plan", "regret"]
    assert names == [f"{kind}.{end}" for kind in kinds for end in ("svg", "png")]


def test_a_square_without_a_defined_plan_is_white_and_has_no_word():
    rows = rows_of({"none": lambda **v: 0.0, "p": lambda **v: 1.0}, LEVELS, "profit_incremental")
    spent = (rows["plan"] == "p") & (rows["budget"] > 40e3)
    rows = rows.assign(outlay=spent.astype(float), roi=np.nan)
    ax = drawn(plot_heat_map(rows, "roi", by=("budget", CPM), show="best"))
    assert words(ax) == ["p"] * 4
    assert np.all(ax.images[0].get_array()[:, 0] == 1.0)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["p"]


def test_the_parameters_are_those_that_move_the_plan_most_unless_named():
    ax = plot_heat_map(ROWS, "profit", plan="拉新为主")
    assert (ax.get_xlabel()[:4], ax.get_ylabel()) == ("slot", "budget [CNY]")
    with pytest.raises(UserError, match="a heat map needs two parameters"):
        plot_heat_map(ROWS.drop(columns=["words", CPM]), "profit")
    with pytest.raises(UserError, match="the figure, the regret or the best plan, not 'worst'"):
        plot_heat_map(ROWS, "profit", show="worst")
    with pytest.raises(UserError, match="neither more nor less of spend is better"):
        plot_heat_map(ROWS.rename(columns={"profit": "spend"}), "spend", show="regret")


# --- both ---------------------------------------------------------------------------------------


def test_given_axes_are_used_and_returned():
    axes = Figure().subplots(1, 2)
    assert plot_tornado(ROWS, "profit", axes[0]) is axes[0]
    assert plot_heat_map(ROWS, "profit", axes[1]) is axes[1]


def test_names_with_signs_of_mathematics_are_words():
    rows = ROWS.replace({"half_half": "$a_b$"}).rename(columns={"words": "$w_x$"})
    for ax in (
        drawn(plot_tornado(rows, "profit", plan="$a_b$")),
        drawn(plot_heat_map(rows, "profit", by=("budget", "$w_x$"), show="best")),
        drawn(plot_heat_map(rows, "profit", by=("budget", "$w_x$"), plan="$a_b$")),
    ):
        shown = [t for t in ax.figure.findobj(Text) if "$" in t.get_text()]
        assert shown
        assert not any(text.get_parse_math() for text in shown)


def test_files_are_those_that_the_rows_allow(tmp_path):
    names = write_study_figures(ROWS, "profit", tmp_path)
    kinds = ["tornado", "heat_map", "best_plan", "regret"]
    assert names == [f"{kind}.{end}" for kind in kinds for end in ("svg", "png")]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    one = ROWS[ROWS["plan"] == "half_half"].drop(columns=["words", CPM])
    assert write_study_figures(one, "profit", tmp_path / ".") == names[:2]


@pytest.mark.slow
def test_every_scenario_has_its_own_files_if_it_has_the_plan(tmp_path):
    other = ROWS[ROWS["plan"] == "half_half"].assign(scenario="other")
    import pandas as pd

    both = pd.concat([ROWS, other])
    names = write_study_figures(both, "profit", tmp_path)
    assert [name for name in names if "other" in name] == [
        "tornado-other.svg", "tornado-other.png", "heat_map-other.svg", "heat_map-other.png",
    ]  # fmt: skip
    named = write_study_figures(both, "profit", tmp_path, plan="拉新为主")
    assert not [name for name in named if "other" in name]


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (
            lambda: plot_tornado(ROWS[["profit"]], "profit"),
            "rows are the table of sweep or read_store",
        ),
        (lambda: plot_tornado(ROWS, 5), "the study keeps no metric 5"),
        (lambda: plot_tornado(ROWS, "profit", 5), "ax are axes of Matplotlib"),
        (lambda: plot_tornado(ROWS, "profit", plan=5), "the study has no plan 5"),
        (lambda: plot_tornado(ROWS, "profit", mode="x"), "mode must be one of expected, sampled"),
        (lambda: plot_heat_map(ROWS, "profit", by=5), "two parameters are needed"),
        (lambda: plot_heat_map(ROWS, "profit", by=()), "two parameters are needed"),
        (
            lambda: plot_heat_map(SPENT, "spend", show="best"),
            "neither more nor less of spend is better",
        ),
    ],
)
def test_what_cannot_be_drawn_of_a_study_is_told_in_a_sentence(draw, words):
    with pytest.raises(UserError, match=words):
        draw()
