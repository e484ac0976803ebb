"""The answer in its forms: numbers, tables, JSON, CSV."""

import csv
import dataclasses
import io
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from simulator.errors import UserError
from simulator.outcomes.compare import paired_difference
from simulator.outcomes.decomposition import decompose
from simulator.outcomes.metrics import (
    CELL_METRICS,
    METRICS,
    PACKAGE_METRICS,
    PRODUCT_METRICS,
    SCENE_METRICS,
)
from simulator.outcomes.store import read_outcomes, write_outcomes
from simulator.scenario.goods import UNLIMITED
from tests.outcomes.synthetic import make_axes, make_outcomes, make_shop
from tests.worlds import booked, brief, expected
from tests.worlds import plan as planned

STATISTICS = ["mean", "p10", "p50", "p90", "ci_lo", "ci_hi"]


@pytest.fixture(scope="module")
def outcomes():
    return make_outcomes(chance_only=make_outcomes(seed=2))


@pytest.fixture
def uneven():
    """Plan b sells nothing; plan a wins no customer in one of four replications."""
    spend = [[10.0, 10, 10, 10], [0, 0, 0, 0], [0, 0, 0, 0]]
    gmv = [[60.0, 70, 80, 90], [50, 50, 50, 50], [50, 50, 50, 50]]
    new = [[2, 4, 0, 5], [1, 1, 1, 1], [1, 1, 1, 1]]
    return make_shop(spend, gmv, new)


def test_sampled_figures_have_every_statistic(outcomes):
    for plan in outcomes.plans:
        for name, numbers in outcomes.metrics(plan).items():
            assert list(numbers)[:6] == STATISTICS
            if name != "mroi":
                assert numbers["p10"] <= numbers["p50"] <= numbers["p90"]
                assert numbers["ci_lo"] <= numbers["mean"] <= numbers["ci_hi"]


def test_expected_mode_gives_the_mean_alone():
    expected = make_outcomes(mode="expected", replications=4)
    sampled = dataclasses.replace(expected, mode="sampled")
    for name, numbers in expected.metrics("even").items():
        assert numbers == {"mean": sampled.metrics("even")[name]["mean"]}
    entry = expected.as_json()["plans"][0]["scenes"]["live"]
    assert all(list(numbers) == ["mean"] for numbers in entry.values())
    assert set(expected.summary().columns.get_level_values(1)) == {"mean"}
    assert list(expected.compare("even", "no ads").columns) == ["a", "b", "difference"]
    assert (
        expected.as_csv().splitlines()[0]
        == "plan,scene,phase,product,package,commission,metric,mean"
    )


def test_an_undefined_replication_is_left_out_of_quantiles_and_counted(uneven):
    cac = uneven.metrics("a")["cac"]
    # incremental customers 1, 3, -1, 4: cost 10, 3.33, undefined, 2.5; the mean is 40 / 7
    assert cac["mean"] == pytest.approx(40 / 7)
    assert cac["undefined_share"] == 0.25
    assert cac["p50"] == pytest.approx(10 / 3)
    assert (cac["p10"], cac["p90"]) == pytest.approx((2.5, 10))
    assert "undefined_share" not in uneven.metrics("a")["roi"]
    assert uneven.metrics("b")["cac"] == dict.fromkeys(STATISTICS) | {"undefined_share": 1.0}


def test_the_interval_of_an_incremental_figure_is_paired_with_no_ads(outcomes):
    gap = paired_difference(outcomes.sample("even", "profit"), outcomes.sample("no ads", "profit"))
    found = outcomes.metrics("even")["profit_incremental"]
    assert (found["mean"], found["ci_lo"], found["ci_hi"]) == pytest.approx(
        (gap.mean, *gap.interval)
    )


def test_differences_say_which_plan_is_better(uneven):
    table = uneven.differences("a", "no ads")
    assert table["profit"]["difference"] == 15
    assert table["profit"]["better"] == 0.875  # one tie, three above
    assert table["refunds"]["better"] == 0.5
    assert table["spend"]["better"] is None
    assert table["spend"]["variance_reduction"] is None
    assert table["new_customers"]["better"] == 0.75
    backwards = uneven.differences("no ads", "a")
    assert backwards["profit"]["difference"] == -15
    assert backwards["profit"]["better"] == 0.125


def test_a_lower_cost_is_better():
    cheap_and_dear = make_shop(
        [[10.0, 10], [20, 20], [0, 0]], np.ones((3, 2)), [[5, 5], [5, 5], [0, 1]]
    )
    gap = cheap_and_dear.differences("a", "b")["cac"]
    assert gap["better"] == 1
    assert gap["difference"] == pytest.approx(10 / 4.5 - 20 / 4.5)


def test_compare_is_the_differences_as_a_table(outcomes):
    table, numbers = (
        outcomes.compare("even", "launch first"),
        outcomes.differences("even", "launch first"),
    )
    assert list(table.index) == [metric.name for metric in METRICS]
    for name, row in numbers.items():
        expected = {k: np.nan if v is None else v for k, v in row.items()}
        assert table.loc[name].to_dict() == pytest.approx(expected, nan_ok=True)


def test_summary_is_a_row_per_plan(outcomes):
    table = outcomes.summary()
    assert list(table.index) == ["even", "launch first"]
    assert table.loc["even", ("roi", "mean")] == outcomes.metrics("even")["roi"]["mean"]
    short = outcomes.summary("cac", "roi")
    assert list(short.columns.get_level_values("metric").unique()) == ["cac", "roi"]
    pd.testing.assert_frame_equal(short, table[["cac", "roi"]])
    assert table.loc["even", ("roi", "undefined_share")] == 0
    assert table.loc["even", ("mroi", "undefined_share")] == 1


def test_json_is_the_contract(outcomes):
    found = outcomes.as_json()
    assert list(found) == ["scenario", "mode", "replications", "seed", "plans"]
    assert [entry["plan"] for entry in found["plans"]] == ["even", "launch first"]
    for entry in found["plans"]:
        assert list(entry) == [
            "plan",
            "metrics",
            "scenes",
            "cells",
            "products",
            "packages",
            "commissions",
            "chance_only",
        ]
        assert list(entry["cells"]) == ["search", "live"]
        assert [list(cell) for cell in entry["cells"]["live"].values()] == [
            ["planned", "auction_spend", "unspent"]
        ] * len(outcomes.axes.phases)
        assert list(entry["metrics"]) == list(entry["chance_only"]) == [m.name for m in METRICS]
        assert list(entry["scenes"]) == ["search", "live"]
        assert list(entry["scenes"]["live"]) == [m.name for m in SCENE_METRICS]
    assert found["plans"][0]["chance_only"] == outcomes.chance_only.metrics("even")
    assert "chance_only" not in make_outcomes().as_json()["plans"][0]


def test_products_and_commissioned_media_have_figures_like_scenes():
    outcomes = make_outcomes(axes=dataclasses.replace(make_axes(), commissions=("star", "friends")))
    n = outcomes.replications
    media = np.arange(2.0 * 3 * n).reshape(2, 3 * n)
    outcomes.book.commissions = {"visits": media, "gmv": 2 * media, "cost": 3 * media}
    parts = outcomes.as_json()["plans"][1]
    refunds = outcomes.book.products["refunds"][1, n : 2 * n]
    assert parts["products"]["beans"]["refunds"]["mean"] == pytest.approx(refunds.mean())
    assert list(parts["commissions"]) == ["star", "friends"]
    friends = parts["commissions"]["friends"]
    assert list(friends) == ["visits", "gmv", "cost"]
    assert friends["cost"]["mean"] == pytest.approx(3 * media[1, n : 2 * n].mean())
    assert friends["gmv"]["p10"] < friends["gmv"]["p50"] < friends["gmv"]["p90"]


def test_json_has_no_nan_and_plain_floats(outcomes, uneven):
    for each in (outcomes, uneven):
        found = each.as_json()
        assert json.loads(json.dumps(found, allow_nan=False)) == found
        kinds = {
            type(value)
            for entry in found["plans"]
            for numbers in entry["metrics"].values()
            for value in numbers.values()
        }
        assert kinds == {float, type(None)}


def test_csv_is_long_and_complete(outcomes, tmp_path):
    outcomes.to_csv(tmp_path / "run.csv")
    raw = (tmp_path / "run.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in raw
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"))))
    cells = len(outcomes.axes.phases) * len(CELL_METRICS)
    scenes, products = 2 * (len(SCENE_METRICS) + cells), 2 * len(PRODUCT_METRICS)
    assert len(rows) == 2 * (len(METRICS) + scenes + products)
    named = ("plan", "scene", "product", "metric", "phase")
    by_key = {tuple(row[name] for name in named): row for row in rows}
    assert len(by_key) == len(rows)
    roi = outcomes.metrics("even")["roi"]
    assert float(by_key["even", "", "", "roi", ""]["p90"]) == roi["p90"]
    spend = outcomes.scenes("even")["live"]["spend"]
    assert float(by_key["even", "live", "", "spend", ""]["mean"]) == spend["mean"]
    left = outcomes.parts("even")["products"]["beans"]["left"]
    assert float(by_key["even", "", "beans", "left", ""]["p10"]) == left["p10"]
    assert by_key["even", "", "", "mroi", ""]["mean"] == ""
    first = outcomes.axes.phases[0]
    paid = outcomes.cells("even")["live"][first]["auction_spend"]
    assert float(by_key["even", "live", "", "auction_spend", first]["p90"]) == paid["p90"]


def test_days_people_and_products_are_means_over_the_plans_lanes(outcomes):
    n, book = outcomes.replications, outcomes.book
    second = slice(n, 2 * n)
    days = outcomes.days("launch first")
    assert list(days.columns[:5]) == ["date", "spend", "gmv", "new_customers_gross", "visits"]
    assert list(days["date"].dt.strftime("%Y-%m-%d")) == list(outcomes.axes.days)
    assert days["gmv"].to_numpy() == pytest.approx(book.days["gmv"][:, second].mean(axis=1))
    scene = book.days["scene_spend"][:, 1, second].mean(axis=1)
    assert days["spend.live"].to_numpy() == pytest.approx(scene)
    people = outcomes.people("launch first")
    assert people.loc["initial", "members"] == pytest.approx(book.people[2, 1, second].mean())
    products = outcomes.products("launch first")
    assert products.loc["beans", "refunds"] == pytest.approx(
        book.products["refunds"][1, second].mean()
    )


def test_what_became_of_a_product_is_what_the_hand_gets():
    """Two replications of four sold out, on the first and the third day; of the other product nothing is known."""
    found = make_outcomes(replications=4)
    goods, own = found.book.products, slice(4, 8)  # those of the second plan
    goods["paid"][0, own], goods["refunds"][0, own] = [40, 60, 60, 40], [4, 0, 4, 2]
    goods["left"][0, own], goods["unmet"][0, own] = [20, 0, 0, 20], [0, 8, 4, 0]
    goods["back_on_sale"][0, own] = [2, 4, 4, 2]
    goods["sold_out_day"][0, own] = [np.inf, 0.5, 2.75, np.inf]
    for name in (
        "unmet",
        "left",
        "back_on_sale",
        "sold_out_day",
    ):  # a run of a version without them
        goods[name][1] = np.nan
    figures = found.parts("launch first")["products"]
    means = {name: row["mean"] for name, row in figures["bags"].items()}
    assert means | {"gmv": 0} == {
        "paid_orders": 50, "gmv": 0, "refunds": 2.5, "refund_share": 0.05, "unmet": 3, "left": 10,
        "back_on_sale": 3, "sold_out": 0.5, "sold_out_day": 1.625,
    }  # fmt: skip
    assert figures["bags"]["sold_out_day"]["p50"] == 1.625
    assert figures["bags"]["sold_out_day"]["undefined_share"] == 0.5
    unknown = {name for name, row in figures["beans"].items() if row["mean"] is None}
    assert unknown == {"unmet", "left", "back_on_sale", "sold_out", "sold_out_day"}
    table = found.products("launch first")
    assert list(table.columns) == [*(m.name for m in PRODUCT_METRICS), "sold_out_on"]
    assert table.loc["bags"].to_dict() == means | {"sold_out_on": pd.Timestamp("2020-10-22")}
    assert pd.isna(table.loc["beans", "sold_out_on"])
    assert found.sold_out_on("even") == {"bags": None, "beans": None}


def test_goods_without_a_limit_have_nothing_left():
    """A file that says nothing of the stock has 1,000,000,000 units of it."""
    for units, left in ((UNLIMITED, None), (5000, pytest.approx)):
        found = expected(brief(f"products.coffee.stock={units}"))
        figures = found.parts("half_half")["products"]["coffee"]
        sold, back = figures["paid_orders"]["mean"], figures["back_on_sale"]["mean"]
        assert figures["left"]["mean"] == (left and left(5000 + back - sold))


def with_packages():
    """Two replications; the second plan books the first of two packages, and cancels neither."""
    axes = dataclasses.replace(make_axes(), packages=("focus.early", "focus.late"))
    found = make_outcomes(replications=2, axes=axes)
    pairs = {
        "booked": (600, 600), "delivered": (600, 480), "shortfall": (0, 120), "made_good": (0, 50),
        "paid": (30, 20), "price": (30, 30),
    }  # fmt: skip
    found.book.packages = {name: np.zeros((2, 6)) for name in pairs}
    for name, pair in pairs.items():
        found.book.packages[name][0, 2:4] = pair
    return found


def test_what_became_of_a_package_is_what_the_hand_gets():
    found = with_packages()
    parts = found.as_json()["plans"]
    assert parts[0]["packages"] == {}  # the first plan books nothing
    assert list(parts[1]["packages"]) == ["focus.early"]
    figures = {name: row["mean"] for name, row in parts[1]["packages"]["focus.early"].items()}
    assert figures == {
        "booked": 600, "delivered": 540, "shortfall": 60, "made_good": 25, "paid": 25, "fill_rate": 0.9,
    }  # fmt: skip
    assert list(figures) == [metric.name for metric in PACKAGE_METRICS]
    assert found.packages("launch first").loc["focus.early"].to_dict() == figures
    assert list(found.packages("even").columns) == list(figures)
    rows = [row for row in csv.DictReader(io.StringIO(found.as_csv())) if row["package"]]
    assert [(row["metric"], float(row["mean"])) for row in rows] == list(figures.items())


def test_a_package_that_is_left_out_shows_its_fee():
    found = with_packages()
    found.book.packages["paid"][1, :2] = 40
    (name,) = found.parts("even")["packages"]
    figures = found.parts("even")["packages"][name]
    assert (name, figures["paid"]["mean"]) == ("focus.late", 40)
    assert (figures["booked"]["mean"], figures["fill_rate"]["mean"]) == (0, None)


def test_a_run_names_the_packages_that_its_plan_books():
    """600,000 impressions at 5 CNY a thousand; without them a plan has no package."""
    world = booked()
    money = {"new_customer": 20e3, "harvest": 5e3}
    plans = [
        planned(world, "with", **money),
        planned(world, "without", packages="none", **money),
    ]
    found = expected(world, plans)
    row = found.packages("with").loc["focus.opening"]
    assert (row["booked"], row["paid"]) == pytest.approx((600e3, 3000))
    assert row["delivered"] + row["shortfall"] == pytest.approx(600e3)
    assert found.packages("without").empty


def test_items_of_a_product_divide_its_gmv_by_rank():
    axes = dataclasses.replace(make_axes(), items=(1, 14), tails=(1.0, 0.7))
    found = make_outcomes(axes=axes)
    n, gmv = found.replications, found.book.products["gmv"]
    shares = np.arange(1.0, 15) ** -0.7
    shares /= shares.sum()
    ranks = gmv[1, n : 2 * n, None] * shares  # [replication, rank]
    table = found.items("launch first", least=2.0)
    assert table["items"].tolist() == [1, 14]
    assert table.loc["beans", "items_above"] == (ranks >= 2.0).sum(axis=1).mean()
    assert 0 < table.loc["beans", "items_above"] < 14
    assert table.loc["beans", "gmv_of_best"] == pytest.approx(ranks[:, 0].mean())
    assert table.loc["bags", "gmv_of_best"] == pytest.approx(gmv[0, n : 2 * n].mean())
    one_each = make_outcomes().items("even", least=2.0)
    assert one_each["items_above"].tolist() == [1.0, 1.0]


def test_without_a_daily_book_days_says_so():
    with pytest.raises(UserError, match="no daily book"):
        make_outcomes(axes=make_axes(days=0)).days("even")


def test_a_wrong_name_is_met_with_the_right_one(outcomes):
    with pytest.raises(UserError, match="no plan is called 'evn'; did you mean 'even'"):
        outcomes.metrics("evn")
    with pytest.raises(UserError, match="no metric is called 'x'; known are roi, profit"):
        outcomes.values("even", "x")


@pytest.mark.parametrize("plans", [("even", "even"), ("even", "no ads")])
def test_plan_names_differ(plans):
    with pytest.raises(UserError, match="plan names must differ"):
        make_outcomes(axes=make_axes(plans=plans))


def test_a_book_of_another_shape_is_refused(outcomes):
    with pytest.raises(ValueError, match=r"book\.spend has shape"):
        dataclasses.replace(outcomes, replications=39, chance_only=None)
    money = dataclasses.replace(outcomes.terms, money=outcomes.terms.money[:, 1:])
    with pytest.raises(ValueError, match=r"terms\.money has shape"):
        dataclasses.replace(outcomes, terms=money)
    with pytest.raises(ValueError, match="chance_only has other plans"):
        other = make_outcomes(axes=make_axes(plans=("even",)))
        dataclasses.replace(outcomes, chance_only=other)


def test_printing_it_prints_no_arrays(outcomes):
    assert repr(outcomes) == (
        "Outcomes(scenario='coffee', title='新咖啡', mode='sampled', replications=40, seed=1)"
    )


def test_the_room_opens_without_heavy_imports():
    code = (
        "import sys, simulator.outcomes as room; assert 'numpy' not in sys.modules; "
        "room.Outcomes, room.read_outcomes; assert not {'pandas', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_plans_and_metrics_are_given_by_name(outcomes):
    with pytest.raises(UserError, match=r"a metric is given by its name, as text .got list."):
        outcomes.summary(["roi"])
    with pytest.raises(UserError, match=r"a plan is given by its name, as text .got dict."):
        outcomes.days({})
    with pytest.raises(UserError, match="no plan is called 'nobody'"):
        outcomes.commissions("nobody")


def test_what_a_reader_changes_in_a_table_stays_in_the_table(outcomes):
    before = outcomes.summary().copy()
    for table in (outcomes.summary(), outcomes.days("even"), outcomes.products("even")):
        table.iloc[:, 1:8] = 0
    outcomes.values("even", "roi")[:] = 0
    outcomes.sample("even", "spend").top[:] = 0
    assert outcomes.summary().equals(before)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda o, _: o.items("a", least="much"), r"least must be a number such as .* \(got 'much'\)"),
        (lambda o, _: o.items("a", least=float("nan")), "least must be a finite number"),
        (lambda o, _: o.items("a", least=-1), "least must be from 0 up"),
        (lambda o, _: o.to_csv(None), r"a table is given by its path \(got nothing\)"),
        (lambda o, place: o.to_csv(place / "no" / "a.csv"), "cannot write to .*: No such file"),
        (lambda o, place: o.to_csv(place), "cannot write to .*: Is a directory"),
        (lambda o, _: write_outcomes(o, 5), r"the folder of a run is given by its path \(got 5\)"),
        (lambda o, _: read_outcomes(o), "the folder of a run is given by its path"),
        (lambda o, _: decompose({}, "a"), "outcomes are those of simulate or frontier.outcomes"),
    ],
)  # fmt: skip
def test_what_outcomes_cannot_answer_is_told_in_a_sentence(outcomes, tmp_path, ask, words):
    with pytest.raises(UserError, match=words):
        ask(outcomes, tmp_path)
