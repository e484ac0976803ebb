"""Figures of an optimisation show its numbers, on the axes that are given, in any language."""

import dataclasses
import io
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from simulator.errors import UserError
from simulator.outcomes.decomposition import part_intervals
from simulator.outcomes.metrics import NO_ADS
from simulator.reports.figures import ALL, QUIET, plot_days, plot_plans, titles_of
from simulator.reports.optimum_figures import (
    GAIN,
    LOSS,
    plot_decomposition,
    plot_frontier,
    plot_gmv,
    plot_marginal,
    plot_split,
    plot_waterfall,
    write_figures,
)
from simulator.scenario import read_scenario
from tests.outcomes.synthetic import make_frontier

ROOT = Path(__file__).parents[2]


def drawn(ax):
    """The figure is drawn; a missing glyph would be a warning, and so an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax.figure.savefig(io.BytesIO(), format="png")
    return ax


def marks(ax, label):
    """Means (x, y) of the plans under one label."""
    bars = next(c for c in ax.containers if c.get_label() == label)
    return np.array(bars[0].get_data()).T


def test_the_frontier_stands_where_its_figures_are(frontier):
    ax = drawn(plot_frontier(frontier, picked="best 2"))
    for label, names in {
        "nothing beats these": ("best 1", "best 2"), "now: now": ("now",),
        "picked: best 2": ("best 2",), "other budgets": ("70% best 1", "most profit"),
    }.items():  # fmt: skip
        wanted = [(frontier.figure(n, "roi"), frontier.figure(n, "new_customers")) for n in names]
        assert marks(ax, label) == pytest.approx(np.array(wanted))


def test_intervals_are_drawn_to_their_ends(scenario):
    frontier = make_frontier(
        scenario, objectives=("gmv", "new_customers")
    )  # both have chance in them
    ax = plot_frontier(frontier)
    bars = next(c for c in ax.containers if c.get_label() == "now: now")
    found = frontier.outcomes.metrics("now")
    for axis, metric in enumerate(frontier.objectives):
        low, high = sorted(bars[2][axis].get_segments()[0][:, axis])
        assert (low, high) == pytest.approx((found[metric]["ci_lo"], found[metric]["ci_hi"]))
        assert low < found[metric]["mean"] < high


def test_one_objective_and_no_chance_can_be_drawn_too(scenario):
    single = make_frontier(scenario, objectives=("roi",), mode="expected", others=())
    ax = drawn(plot_frontier(single))
    assert ax.get_ylabel().startswith("Incremental new customers 增量新客数")


def test_given_axes_are_used_and_returned(frontier, scenario):
    axes = Figure().subplots(2, 2).ravel()
    assert plot_frontier(frontier, axes[0]) is axes[0]
    assert plot_split(scenario, [frontier.current_plan], axes[1]) is axes[1]
    assert plot_marginal(frontier, ax=axes[2]) is axes[2]
    assert plot_waterfall({"base": 1.0}, axes[3]) is axes[3]


@pytest.mark.parametrize("by", ["scene", "phase"])
def test_the_bars_of_a_split_add_up_to_the_plan(frontier, scenario, by):
    plans = [frontier.current_plan, frontier.best.plan]
    ax = drawn(plot_split(scenario, plans, by=by))
    widths = np.array([[bar.get_width() for bar in part] for part in ax.containers])
    assert widths.sum(axis=0) == pytest.approx([plan.total(scenario) for plan in plans])
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    shown = {"scene": ["New customers 拉新", "Harvest 爆发收割"], "phase": ["normal", "sale"]}
    assert labels == shown[by]


def test_two_scenes_of_one_title_go_by_their_names_as_well(scenario):
    scenes = {
        "pictures": scenario.scenes["new_customer"],
        "videos": scenario.scenes["new_customer"],
    }
    twins = scenario.model_copy(update={"scenes": scenes | {"harvest": scenario.scenes["harvest"]}})
    assert titles_of(twins) == {
        "pictures": "pictures: New customers 拉新", "videos": "videos: New customers 拉新",
        "harvest": "Harvest 爆发收割",
    }  # fmt: skip


def test_packages_are_part_of_a_split():
    coffee = read_scenario(ROOT / "scenarios/new_coffee_100m.yaml")
    from simulator.scenario.plan import plans_of

    plan = plans_of(coffee)[0]
    for by in ("scene", "phase"):
        ax = plot_split(coffee, [plan], by=by)
        money = sum(bar.get_width() for part in ax.containers for bar in part)
        assert money == pytest.approx(plan.total(coffee))
    with pytest.raises(UserError, match="by scene or phase, not by 'slot'"):
        plot_split(coffee, [plan], by="slot")


def test_the_margin_is_sorted_and_empty_cells_are_hollow(frontier):
    ax = drawn(plot_marginal(frontier))
    cells = [text.get_text() for text in ax.get_yticklabels()]
    assert cells == ["harvest.sale", "new_customer.sale", "new_customer.normal"]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([-0.3, 0.1, 0.2])
    assert [bar.get_facecolor()[:3] == (1, 1, 1) for bar in ax.patches] == [True, False, False]
    with pytest.raises(UserError, match="is at another budget"):
        plot_marginal(frontier, "70% best 1")


def test_the_price_of_the_budget_is_a_line_in_the_best_plan(frontier):
    ax = plot_marginal(frontier)
    line = next(x for x in ax.lines if x.get_label() == "one more yuan of budget")
    assert line.get_xdata() == pytest.approx([0.3, 0.3])  # the only cell inside its limits: 1.3
    best = replace(frontier.best, priced=False)
    ax = plot_marginal(replace(frontier, points=(best, *frontier.points[1:])))
    assert "one more yuan of budget" not in [x.get_label() for x in ax.lines]


def test_the_waterfall_ends_at_the_sum():
    parts = {"base 自然": 100.0, "拉新": 40.0, "harvest": -15.0}
    ax = drawn(plot_waterfall(parts, total="合计"))
    bars = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in ax.patches]
    assert np.array(bars) == pytest.approx(np.array([(0, 100), (100, 140), (140, 125), (0, 125)]))
    assert [t.get_text() for t in ax.get_xticklabels()] == [*parts, "合计"]
    colours = [to_hex(bar.get_facecolor()) for bar in ax.patches]
    assert colours == [QUIET, GAIN, LOSS, ALL]
    with pytest.raises(UserError, match="at least one amount"):
        plot_waterfall({})


def test_figures_of_a_waterfall_stand_above_its_intervals():
    ax = drawn(plot_waterfall({"base": 100.0, "a": -40.0}, intervals={"a": (-90.0, 10.0)}))
    assert [words.xy[1] for words in ax.texts] == [100, 110, 60]


@pytest.mark.parametrize("parts", [{"base": 1e6, "a": 9.0, "b": 2.0}, {"base": 9.0, "a": -30.0}])
def test_figures_of_a_waterfall_stand_below_its_title(parts):
    """Also where steps are small against what they stand on."""
    ax = drawn(plot_waterfall(parts))
    top = ax.transData.inverted().transform(
        [(0, words.get_window_extent().y1) for words in ax.texts]
    )[:, 1]
    assert (top <= ax.get_ylim()[1]).all()


def test_a_title_that_is_too_long_is_cut(frontier):
    long = replace(
        frontier, outcomes=replace(frontier.outcomes, title="新咖啡品牌在双十一之前" * 9)
    )
    ax = drawn(plot_frontier(long))
    words = ax.get_title(loc="left")
    title = next(text for text in ax.findobj(Text) if text.get_text() == words)
    assert title.get_window_extent().x1 <= ax.figure.bbox.x1


def test_an_answer_of_packages_alone_has_no_margin_to_draw(frontier, scenario, tmp_path):
    bare = replace(frontier, points=tuple(replace(p, margins={}) for p in frontier.points))
    names = write_figures(bare, scenario, frontier.best.plan, tmp_path)
    assert "frontier.svg" in names
    assert "marginal.svg" not in names
    with pytest.raises(UserError, match="all money is that of packages"):
        plot_marginal(bare)


def ends_of(ax):
    """Both ends of every interval that is drawn: [bar, 2]."""
    drawn_lines = [s for s in ax.collections[0].get_segments() if len(s)]
    return np.array([line[:, 1] for line in drawn_lines])


def test_what_decompose_gives_is_a_waterfall_as_it_is():
    ax = drawn(plot_waterfall({"base": 100.0, "visits": -40.0, "total": 60.0}, total="合计"))
    assert [t.get_text() for t in ax.get_xticklabels()] == ["base", "visits", "合计"]
    assert [bar.get_height() for bar in ax.patches] == [100, -40, 60]
    same = plot_waterfall({"total": 60.0})  # a part of that name, and no sum of others
    assert [bar.get_height() for bar in same.patches] == [60, 60]


def test_intervals_stand_at_the_end_of_their_bars():
    parts, ends = (
        {"base": 100.0, "a": -40.0, "b": 10.0},
        {"a": (-45.0, -35.0), "total": (60.0, 80.0)},
    )
    ax = drawn(plot_waterfall(parts, intervals=ends))
    np.testing.assert_allclose(ends_of(ax), [(55, 65), (60, 80)])
    assert ax.get_ylim()[1] > 100
    assert not len(ends_of(plot_waterfall(parts, intervals={"a": (np.nan, np.nan)})))


def test_a_decomposition_is_drawn_with_its_intervals(frontier):
    outcomes = frontier.outcomes
    ax = drawn(plot_decomposition(outcomes, "best 1", "now"))
    known = part_intervals(outcomes, "best 1", "now")
    ends = ends_of(ax)
    np.testing.assert_allclose(ends[0], known["base"])
    np.testing.assert_allclose(ends[-1], known["total"])
    certain = dataclasses.replace(outcomes, mode="expected")
    assert not len(ends_of(plot_decomposition(certain, "best 1", "now")))


def test_the_waterfall_goes_from_the_current_plan_to_the_picked_one(frontier):
    ax = drawn(plot_gmv(frontier, frontier.plans["best 1"]))
    now, best = (frontier.figure(name, "gmv") for name in ("now", "best 1"))
    heights = [bar.get_height() for bar in ax.patches]
    # best 1 has the orders of now and 18,000 CNY more, all from visits: four in ten are paid
    assert heights == pytest.approx([now, 7_200, 10_800, 0, 0, 0, best], abs=1e-6)
    assert [t.get_text() for t in ax.get_xticklabels()][::6] == ["now", "best 1"]
    own = plot_gmv(frontier, frontier.current_plan)
    assert own.patches[0].get_height() == pytest.approx(frontier.figure(NO_ADS, "gmv"))


def test_every_figure_is_written_in_two_forms(frontier, scenario, tmp_path):
    names = write_figures(frontier, scenario, frontier.best.plan, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert "frontier.svg" in names and "marginal.png" in names
    assert all((tmp_path / name).stat().st_size > 5_000 for name in names)


def test_names_with_signs_of_mathematics_are_words(frontier, scenario):
    own = replace(frontier.current_plan, name="$a_b$ 现在")
    texts = drawn(plot_split(scenario, [own])).findobj(Text)
    shown = [text for text in texts if "a_b" in text.get_text()]
    assert shown and not any(text.get_parse_math() for text in shown)


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda f: plot_frontier(f.outcomes), r"a frontier is what sim.optimize .* \(got Outcomes"),
        (lambda f: plot_marginal("x"), r"a frontier is what sim.optimize .* \(got 'x'\)"),
        (lambda f: plot_marginal(f, "x"), "no plan of the frontier is called 'x'; known are best 1"),
        (lambda f: plot_frontier(f, 5), r"ax are axes of Matplotlib \(got 5\)"),
        (lambda f: plot_decomposition(f, "best 1"), "outcomes are those of simulate or frontier.outcomes"),
        (lambda f: plot_split("x", ["even"]), "a scenario is what sim.read_scenario returns"),
        (lambda f: plot_days(f, "best 1"), "outcomes are those of simulate or frontier.outcomes"),
        (plot_plans, "outcomes are those of simulate or frontier.outcomes"),
        (lambda f: plot_plans(f.outcomes, 5), r"metrics are a list, such as .* \(got 5\)"),
        (lambda f: plot_plans(f.outcomes, ["roi", "roi"]), "metrics of a figure must differ"),
        (lambda f: plot_plans(f.outcomes, "roi", [5]), r"axes are those of Matplotlib \(got 5\)"),
        (lambda f: plot_waterfall([1, 2]), r"parts are a mapping, such as .* \(got a list\)"),
        (lambda f: plot_waterfall({"a": "x"}), "part 'a' must be a number such as"),
        (lambda f: plot_waterfall({"a": np.nan}), "part 'a' must be a finite number"),
        (lambda f: plot_waterfall({"a": 1}, intervals=5), "intervals are a mapping"),
        (lambda f: plot_waterfall({"a": 1}, intervals={"a": 5}), r"interval of 'a' is two numbers \(got 5\)"),
        (lambda f: plot_waterfall({"a": 1}, intervals={"b": (1, 2)}), "intervals name no part: 'b'"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_told_in_a_sentence(draw, words):
    with pytest.raises(UserError, match=words):
        draw(make_frontier(read_scenario(ROOT / "scenarios/minimal.yaml")))


def test_the_margin_of_a_wished_plan_is_drawn_and_an_even_split_has_none(
    frontier, scenario, tmp_path
):
    cheap, most = frontier.others
    both = replace(frontier, others=(replace(cheap, margins=frontier.best.margins), most))
    assert len(drawn(plot_marginal(both, "70% best 1")).patches) == 3
    even = replace(frontier.current_plan, name="even split")
    names = write_figures(replace(frontier, even_plan=even), scenario, even, tmp_path)
    assert "frontier.svg" in names and "marginal.svg" not in names
