"""Every definition against an example computed by hand."""

import dataclasses
import re

import numpy as np
import pytest

from simulator.outcomes.ledger import Ledger
from simulator.outcomes.metrics import BY_NAME, METRICS, SCENE_METRICS, Terms, quantities
from simulator.outcomes.outcomes import Outcomes
from tests.outcomes.synthetic import MONEY, make_axes, make_outcomes

WISHED = set(
    re.findall(
        r"\w+",
        """impressions reach frequency clicks visits favourites carts deposits orders paid_orders
refunds new_customers new_customers_gross new_customers_incremental recalled_members spend net_spend
gmv revenue contribution profit ctr cvr cpm cpc aov win_rate fill_rate roas roas_break_even iroas
roi mroi cac asset_value money_back subsidy""",
    )
)

TOTALS = {  # with ads, without
    "paid_visits": (60, 0), "free_visits": (140, 150), "paid_orders": (20, 10), "orders": (25, 12),
    "gmv": (2000, 1000), "gmv_campaign": (1500, 800),
    "refunds": (2, 1), "refund_value": (200, 100), "goods_cost": (800, 400),
    "refund_cost": (80, 40), "new_customers": (12, 4), "refunded_new": (2, 1), "forfeited": (30, 0),
    "money_back": (40, 0), "commission_media": (30, 0), "commission_visits": (20, 0),
    "message_spend": (20, 0), "messages": (90, 80), "brand_new_customers": (6, 2), "return_cost": (5, 0),
    "recalled_members": (3, 1), "lapsed": (8, 9), "returned": (2, 1), "favourites": (40, 20), "carts": (30, 10),
    "deposits": (5, 1), "balances": (3, 0), "peak_payment_load": (1.5, 0.5), "unmet": (3, 0), "pooled": (4, 0),
    "pooled_fulfilment": (28, 0), "late_orders": (5, 0), "days_waited": (30, 1),
    "peak_shipping_delay": (4, 0.2), "peak_score_fall": (0.05, 0),
    "subsidy": (60, 20), "refund_subsidy": (10, 5), "hosted_fee": (7, 3), "settlement": (9, 6),
    "write_down": (4, 9), "orders_organic": (13, 10), "orders_commissioned": (3, 0),
}  # fmt: skip
SCENES = {  # [scene] with ads; without there are none
    "impressions": (1000, 480), "offered": (4000, 0), "clicks": (49, 25), "visits": (40, 20),
    "spend": (100, 60), "gmv_attributed": (300, 100), "orders_attributed": (3, 1),
    "orders_direct": (1.5, 1), "orders_indirect": (1, 0), "orders_presale": (0.5, 0),
    "unspent": (30, 5), "targeted": (90, 0), "allowed": (120, 0),
}  # fmt: skip
# revenue 1800; goods kept 720; fees 90 + 20; handling 80 + 28 + 8 and 5 more; depreciation 8; others add 50;
# hosting 7, and 9 paid by the host; written down 4
CONTRIBUTION = 1800 + 30 - 720 - 110 - 121 - 8 + 50 - 7 + 9 - 4
# without ads: revenue 900; goods kept 360; fees 45 + 10; handling 50 + 4; depreciation 4
WITHOUT = 900 - 360 - 55 - 54 - 4 + 15 - 3 + 6 - 9
REACH = 1000 * (1 - 1.6**-0.5)

BY_HAND = {
    "impressions": 1480, "reach": REACH, "frequency": 300 / REACH, "clicks": 74, "visits": 220, "commission_media": 30,
    "message_spend": 20, "brand_new_customers": 6, "messages": 90,
    "favourites": 40, "carts": 30, "deposits": 5, "balances": 3, "forfeited": 30, "orders": 25,
    "paid_orders": 20, "refunds": 2,
    "failed_payments": 5, "peak_payment_load": 1.5, "unmet": 3, "pooled": 4,
    "shipping_delay": 1.5, "peak_shipping_delay": 4, "late_share": 0.25, "peak_score_fall": 0.05,
    "new_customers": 10, "new_customers_gross": 12, "new_customers_incremental": 7,
    "recalled_members": 3, "lapsed": 8, "returned": 2,
    "spend": 160, "unspent": 35, "net_spend": 170, "fixed_cost": 20, "gmv": 2000, "gmv_campaign": 1500, "revenue": 1800,
    "contribution": CONTRIBUTION, "profit": CONTRIBUTION - 190, "ctr": 0.05, "cvr": 1 / 11,
    "profit_incremental": CONTRIBUTION - 190 - WITHOUT, "cpm": 160 / 1.48, "cpc": 160 / 74,
    "money_back": 40, "subsidy": 50, "settlement": 9, "aov": 100, "win_rate": 0.25, "fill_rate": 0.9, "roas": 2.5,
    "roas_break_even": 2000 / CONTRIBUTION, "iroas": 900 / 170, "mroi": None, "cac": 170 / 7,
    "roi": (CONTRIBUTION - 190 - WITHOUT) / 190, "asset_value": 800,
    "orders_direct": 2.5, "orders_indirect": 1, "orders_presale": 0.5, "orders_commissioned": 3,
    "orders_organic": 13,
}  # fmt: skip


@pytest.fixture
def example():
    axes = make_axes(plans=("mine",), days=0)
    book = Ledger.empty(2, 2, 2, 2, lanes=2)
    for name, pair in TOTALS.items():
        book.totals[name][:] = pair
    for name, pair in SCENES.items():
        book.scenes[name][:, 0] = pair
    book.viewed[0, 0] = 300
    packs = {"booked": 500, "delivered": 450, "shortfall": 50, "made_good": 30}
    book.packages = {name: np.array([[value, 0.0]]) for name, value in packs.items()}
    book.asset = np.array([5000.0, 4200.0])
    terms = Terms.over(
        1, people=[[1000.0], [500.0]], fixed=[[20.0, 0.0], [0.0, 0.0]], commission=0.05,
        payment_fee=0.01, fulfilment=5, refund_handling=4, depreciation=0.1, frequency_shape=0.5,
    )  # fmt: skip
    return Outcomes("x", "X", "expected", 1, 0, axes=axes, book=book, terms=terms)


def test_every_metric_is_what_the_hand_gets(example):
    found = {name: numbers["mean"] for name, numbers in example.metrics("mine").items()}
    assert found == {name: value and pytest.approx(value) for name, value in BY_HAND.items()}


def test_every_metric_of_a_scene_is_what_the_hand_gets(example):
    found = {name: numbers["mean"] for name, numbers in example.scenes("mine")["search"].items()}
    assert found == pytest.approx({
        "spend": 100, "unspent": 30, "impressions": 1000, "clicks": 49, "visits": 40, "orders_attributed": 3,
        "orders_direct": 1.5, "orders_indirect": 1, "orders_presale": 0.5,
        "gmv_attributed": 300, "ctr": 0.049, "cpm": 100, "cpc": 100 / 49, "roas": 3,
        "target_use": 0.75,
    })  # fmt: skip


def test_without_ads_nothing_is_incremental_and_no_ratio_to_spend_exists(example):
    found = {name: numbers["mean"] for name, numbers in example.metrics("no ads").items()}
    assert found["profit"] == pytest.approx(WITHOUT)
    assert {
        found[n] for n in ("profit_incremental", "new_customers_incremental", "asset_value")
    } == {0}
    assert {found[n] for n in ("roi", "cac", "iroas", "roas", "cpm", "win_rate")} == {None}


def test_the_table_has_every_metric_once_in_two_languages():
    assert WISHED - set(BY_NAME) == set()
    assert len(BY_NAME) == len(METRICS)
    for metric in (*METRICS, *SCENE_METRICS):
        assert metric.title and metric.unit
        assert any("\u4e00" <= letter <= "\u9fff" for letter in metric.chinese)
        assert metric.kind == ("ratio" if metric.bottom else "total")


def test_a_plan_is_the_same_alone_and_among_others():
    both = make_outcomes()
    n, axes = both.replications, dataclasses.replace(both.axes, plans=both.plans[1:])
    fixed, money = both.terms.fixed[:, 1:], both.terms.money[..., 1:]
    terms = dataclasses.replace(both.terms, fixed=fixed, money=money)
    chosen = np.arange(n, 3 * n)
    alone = dataclasses.replace(both, axes=axes, book=both.book.lanes(chosen), terms=terms)
    assert alone.metrics("launch first") == both.metrics("launch first")


def test_doubling_every_money_unit_changes_no_ratio():
    once, twice = make_outcomes(), make_outcomes()
    for name in MONEY:
        twice.book.totals[name] *= 2
    for name in ("spend", "unspent", "gmv_attributed"):
        twice.book.scenes[name] *= 2
    twice.book.asset[:] *= 2
    terms, double = once.terms, ("fulfilment", "refund_handling", "fixed")
    terms = dataclasses.replace(terms, **{name: 2 * getattr(terms, name) for name in double})
    twice = dataclasses.replace(twice, terms=terms)
    a, b = once.metrics("even"), twice.metrics("even")
    for metric in METRICS:
        factor = 2 if metric.unit.startswith("CNY") else 1
        expected = {
            k: v and v * factor for k, v in a[metric.name].items() if k != "undefined_share"
        }
        found = {k: v for k, v in b[metric.name].items() if k != "undefined_share"}
        assert found == {k: v and pytest.approx(v) for k, v in expected.items()}, metric.name


@pytest.mark.parametrize("packages", [{}, {"booked": 0, "delivered": 0, "made_good": 0}])
def test_without_contracts_or_asset_these_figures_are_null(packages):
    outcomes = make_outcomes()
    lanes = outcomes.book.viewed.shape[-1]
    outcomes.book.packages = {name: np.zeros((rows, lanes)) for name, rows in packages.items()}
    outcomes.book.asset = np.zeros(0)
    found = outcomes.metrics("even")
    assert {found[name]["mean"] for name in ("fill_rate", "asset_value")} == {None}
    assert found["win_rate"]["mean"] is not None


def test_a_run_without_attribution_has_no_roas():
    outcomes = make_outcomes()
    outcomes.book.scenes["gmv_attributed"][:] = np.nan  # unknown is not zero
    assert outcomes.metrics("even")["roas"]["mean"] is None
    assert outcomes.scenes("even")["live"]["gmv_attributed"]["p50"] is None
    assert outcomes.metrics("even")["roi"]["mean"] is not None


def test_reach_never_passes_the_people_and_starts_with_the_views():
    outcomes = make_outcomes()
    people = outcomes.terms.people.sum(axis=0)
    for size, most in ((1e-6, 1e-3), (1e12, people)):
        outcomes.book.viewed[:] = size
        reach = quantities(outcomes.book, outcomes.terms)["reach"]
        assert np.all(reach <= most)
    outcomes.book.viewed[:] = 1e-6
    reach = quantities(outcomes.book, outcomes.terms)["reach"]
    assert reach == pytest.approx(2e-6, rel=1e-6)
