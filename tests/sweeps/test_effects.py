"""Swings and squares against formulas, and their intervals against those of outcomes."""

import math

import numpy as np
import pytest

from simulator.errors import UserError
from simulator.outcomes.compare import Sample, describe, paired_difference
from simulator.sweeps.analysis import cell_figures, main_effects
from simulator.sweeps.effects import (
    PARTS,
    SWINGS,
    best_in_squares,
    in_parts,
    influences,
    squares,
    swings,
)
from tests.sweeps.made import rows_at, rows_of, scattered

LEVELS = {"a": [-1.0, 0.0, 1.0], "b": [-2.0, 2.0], "word": ["x", "y"]}
SUM = {"p": lambda a, b, word: 2 * a + 5 * b + (9 if word == "x" else 0)}
NOISE = (1.0, -2.0, 4.0)


def swing_of(table, name, *columns):
    return table.set_index("parameter").loc[name, list(columns)].tolist()


# --- parameters ---------------------------------------------------------------------------------


def test_a_swing_is_the_main_effect_from_the_lowest_to_the_highest_value():
    rows = rows_of(SUM, LEVELS, noise=NOISE)
    table = swings(rows, "profit")
    effects = main_effects(rows, "profit").set_index(["parameter", "value"])["profit"]
    for name, low, high in (("a", -1.0, 1.0), ("b", -2.0, 2.0), ("word", "y", "x")):
        ends = [effects[name, low], effects[name, high]]
        assert swing_of(table, name, "low", "high") == [low, high]
        assert swing_of(table, name, "at_low", "at_high") == pytest.approx(ends)
        assert swing_of(table, name, "swing") == pytest.approx([ends[1] - ends[0]])
    assert list(table["parameter"]) == ["b", "word", "a"]  # 20, 9 and 4


def test_the_interval_of_an_end_is_that_of_a_run_and_the_swing_has_no_common_luck():
    table = swings(rows_of(SUM, LEVELS, noise=NOISE), "profit")
    low, lo, hi = swing_of(table, "a", "at_low", "at_low_lo", "at_low_hi")
    own = describe(Sample.total(low + np.array(NOISE) - np.mean(NOISE)))
    assert (lo, hi) == pytest.approx((own["ci_lo"], own["ci_hi"]))
    assert swing_of(table, "a", "swing_lo", "swing_hi") == pytest.approx([4.0, 4.0])


def test_the_interval_of_a_ratio_is_paired():
    """Two cells, one parameter: the swing is the difference of two runs under the same luck."""
    chance = np.random.default_rng(1)
    rows = rows_of({"p": lambda a: a}, {"a": [0.0, 1.0]}, metric="roi", noise=(0.0,) * 8)
    rows["profit_incremental"] = chance.uniform(1, 2, 16)
    rows["outlay"] = chance.uniform(4, 5, 16)
    samples = [
        Sample(own["profit_incremental"].to_numpy(), own["outlay"].to_numpy())
        for _, own in rows.groupby("cell")
    ]
    wanted = paired_difference(samples[1], samples[0])
    table = swings(rows, "roi")
    assert swing_of(table, "a", "swing", "swing_lo", "swing_hi") == pytest.approx(
        [wanted.mean, *wanted.interval]
    )
    assert influences(rows, "roi").groupby("cell")["effect"].mean().tolist() == pytest.approx(
        [0, 0]
    )


def test_expected_mode_knows_no_chance():
    table = swings(rows_of(SUM, LEVELS, noise=NOISE), "profit", "expected")
    assert all(map(math.isnan, swing_of(table, "a", "swing_lo", "at_high_hi")))


def test_ends_are_compared_at_all_else_equal():
    """Where high a goes with high b alone, b is no part of what a does."""
    rows = rows_of(SUM, LEVELS, keep=lambda a, b, word: a < 1 or b > 0)
    table = swings(rows, "profit")
    assert swing_of(table, "a", "swing") == pytest.approx([4.0])
    effects = main_effects(rows, "profit").set_index(["parameter", "value"])["profit"]
    assert effects["a", 1.0] - effects["a", -1.0] == pytest.approx(14.0)


def test_without_partners_an_end_is_a_fifth_and_straight_lines_of_others_are_taken_off():
    """y = 10 a + b: what b does is told exactly, although a does ten times as much."""
    points = scattered(100)
    rows = rows_at(points, {"p": lambda a, b: 10 * a + b}, noise=NOISE)
    table = swings(rows, "profit").set_index("parameter")
    for name, slope in (("a", 10), ("b", 1)):
        values = np.sort([point[name] for point in points])
        own = table.loc[name]
        assert own["low"] == pytest.approx(values[:20].mean())
        assert own["high"] == pytest.approx(values[-20:].mean())
        assert own["swing"] == pytest.approx(slope * (own["high"] - own["low"]))


def test_the_interval_of_a_fifth_knows_the_luck_of_its_cells():
    """What b does is bent, so it stays in the way of a, whose swing is 8 on the mean over designs."""
    inside, widths = 0, []
    for seed in range(40):
        points = scattered(100, seed)
        rows = rows_at(points, {"p": lambda a, b: 10 * a + 40 * (b - 0.5) ** 2}, noise=(0.0, 0.0))
        own = swings(rows, "profit").set_index("parameter").loc["a"]
        inside += own["swing_lo"] <= 8.0 <= own["swing_hi"]
        widths.append(own["swing_hi"] - own["swing_lo"])
    assert 36 <= inside <= 40
    assert np.mean(widths) < 5.0


def test_a_word_that_does_nothing_is_told_so_in_any_design():
    points = [
        {"kind": "xy"[n % 2], "kind.of": point["a"], "b": point["b"]}
        for n, point in enumerate(scattered(60))
    ]
    rows = rows_at(points, {"p": lambda **v: 5 * v["kind.of"] + 3 * (v["kind"] == "x")})
    table = swings(rows, "profit")
    assert swing_of(table, "kind", "low", "high") == ["y", "x"]
    assert swing_of(table, "kind", "swing") == pytest.approx([3.0])
    assert swing_of(table, "b", "swing") == pytest.approx([0.0])


def test_a_plan_has_its_own_order():
    rows = rows_of({"p": lambda a, b: a, "q": lambda a, b: b}, {"a": [0.0, 1.0], "b": [0.0, 1.0]})
    table = swings(rows, "profit")
    assert list(table["plan"]) == ["p", "p", "q", "q"]
    assert list(table["parameter"]) == ["a", "b", "b", "a"]


def test_what_is_undefined_has_no_part():
    rows = rows_of({"p": lambda a: a}, {"a": [0.0, 1.0, 2.0]}, metric="roi")
    rows = rows.assign(profit_incremental=rows["a"], outlay=1.0 - (rows["a"] == 2.0))
    table = swings(rows, "roi")
    assert swing_of(table, "a", "high", "at_high") == [1.0, 1.0]
    with pytest.raises(UserError, match="varies no parameter"):
        swings(rows.drop(columns="a"), "roi")


def test_a_plan_whose_ratio_is_undefined_everywhere_has_no_swing():
    rows = returns_of(outlay=lambda plan, a, b: plan == "spends")
    assert set(swings(rows, "roi")["plan"]) == {"spends"}
    nothing = swings(rows[rows["plan"] == "none"], "roi")
    assert nothing.empty
    assert list(nothing.columns) == list(SWINGS) == list(swings(rows, "roi").columns)


def returns_of(outlay):
    """Two plans over two parameters, with a roi that is undefined where nothing is laid out."""
    formulas = {"none": lambda a, b: 0.0, "spends": lambda a, b: a + b}
    rows = rows_of(formulas, {"a": [0.0, 1.0], "b": [0.0, 1.0]}, metric="profit_incremental")
    money = [float(outlay(*row)) for row in zip(rows["plan"], rows["a"], rows["b"], strict=True)]
    return rows.assign(outlay=money, roi=np.nan)


# --- squares ------------------------------------------------------------------------------------


TWO = {"up": lambda a, b, word: a * b, "flat": lambda a, b, word: 0.5}


def test_a_square_is_the_mean_over_all_else():
    rows = rows_of(SUM | {"none": lambda a, b, word: 0.0}, LEVELS)
    table = squares(rows, "profit", ("a", "b")).set_index(["plan", "a", "b"])
    assert table.loc[("p", 1.0, 2.0), "profit"] == pytest.approx(2 + 10 + 4.5)
    assert table.loc[("none", 1.0, -2.0), "lost"] == pytest.approx((0 + (2 - 10 + 9)) / 2)
    assert "lost" not in squares(rows.rename(columns={"profit": "spend"}), "spend", ("a", "b"))


def test_the_best_plan_of_a_square():
    table = best_in_squares(rows_of(TWO, LEVELS), "profit", ("a", "b"))
    for row in table.itertuples():
        assert row.plan == ("up" if row.a * row.b > 0.5 else "flat")
        assert row.ahead == pytest.approx(abs(row.a * row.b - 0.5))
        assert row.sure  # both plans have the same luck


def test_a_lead_that_luck_explains_is_not_sure():
    rows = rows_of(TWO, LEVELS, noise=(0.0,) * 4)
    rows.loc[rows["plan"] == "up", "profit"] += np.tile([3.0, -3.0, 1.0, -1.0], 12)
    table = best_in_squares(rows, "profit", ("a", "b"))
    luck = describe(Sample.total(np.array([3.0, -3.0, 1.0, -1.0])))["ci_hi"]
    assert 1.5 < luck < 5.0
    assert list(table["sure"]) == list(table["ahead"] > luck)
    assert not table["sure"].any()
    sure = best_in_squares(rows, "profit", ("a", "b"), "expected")["sure"]
    assert sure.all()


@pytest.mark.parametrize("mode", ["sampled", "expected"])
def test_where_a_ratio_is_undefined_a_plan_has_no_part_in_a_square(mode):
    rows = returns_of(outlay=lambda plan, a, b: (plan == "spends" and a + b > 0) or a * b > 0)
    table = best_in_squares(rows, "roi", ("a", "b"), mode).set_index(["a", "b"])
    assert table["plan"].fillna("nobody").to_dict() == {
        (0, 0): "nobody", (0, 1): "spends", (1, 0): "spends", (1, 1): "spends",
    }  # fmt: skip
    assert table["ahead"].isna().to_dict() == {
        (0, 0): True, (0, 1): True, (1, 0): True, (1, 1): False,
    }  # fmt: skip
    assert table.loc[(1, 1), "ahead"] == pytest.approx(2.0)
    assert table["sure"].all()


def test_many_numbers_are_cut_into_parts_of_equal_count():
    rows = rows_at(scattered(60), {"p": lambda a, b: a, "q": lambda a, b: b})
    table = squares(rows, "profit", ("a", "b"))
    assert table["a"].nunique() == table["b"].nunique() == PARTS
    counts = in_parts(cell_figures(rows, "profit")["a"]).value_counts()
    assert set(counts) == {60 // PARTS * 2}
    best = best_in_squares(rows, "profit", ("a", "b"))
    assert {"p", "q"} == set(best["plan"])


@pytest.mark.parametrize(
    ("by", "words"),
    [
        (("a", "bb"), "the study does not vary 'bb', did you mean 'b'"),
        (("zzz", "b"), "the study does not vary 'zzz'; it varies a, b, word"),
        (("a", "a"), "two parameters are needed; got a twice"),
    ],
)
def test_a_parameter_that_is_not_there_is_refused(by, words):
    with pytest.raises(UserError, match=words):
        squares(rows_of(SUM, LEVELS), "profit", by)


def test_halves_of_squares_are_those_of_runs():
    """A square of one cell: the figure's interval is that of a run, what is given away that of a pair."""
    rows = rows_of(TWO, LEVELS | {"word": ["x"]}, noise=(0.0,) * 6)
    chance = np.random.default_rng(2).normal(size=len(rows))
    rows["profit"] += chance
    plans, table = list(TWO), squares(rows, "profit", ("a", "b")).set_index(["a", "b", "plan"])
    for (a, b), cell in rows.groupby(["a", "b"]):
        own = {p: Sample.total(cell[cell["plan"] == p]["profit"].to_numpy()) for p in plans}
        best = max(plans, key=lambda p: own[p].top.mean())
        for plan in plans:
            found, known = table.loc[(a, b, plan)], describe(own[plan])
            assert found["half"] == pytest.approx(known["ci_hi"] - known["mean"])
            gap = paired_difference(own[best], own[plan])
            assert found["lost"] == pytest.approx(gap.mean)
            assert found["lost_half"] == pytest.approx(gap.interval.hi - gap.mean)


def test_expected_squares_have_no_halves():
    table = squares(rows_of(TWO, LEVELS), "profit", ("a", "b"), "expected")
    assert table[["half", "lost_half"]].isna().all(axis=None)
