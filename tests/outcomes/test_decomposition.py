"""The waterfall from base to total: exact, fair to every factor, and silent where nothing changed."""

from itertools import permutations

import numpy as np
import pytest

from simulator.errors import UserError
from simulator.outcomes.compare import Sample, describe
from simulator.outcomes.decomposition import (
    VISITS,
    check_sum,
    decompose,
    effects,
    part_intervals,
)
from simulator.outcomes.ledger import LawBroken
from simulator.outcomes.metrics import NO_ADS
from tests.worlds import brief, expected, plan, sampled

ADS = brief(
    "commissions={creator: {source: recommend, visits: 50, bands: {outside: 1}, cvr: 2%, rate: 10%}}"
)


def both():
    return [
        plan(ADS, "little", new_customer=10_000, harvest=5_000),
        plan(ADS, "much", new_customer=20_000, harvest=40_000),
    ]


@pytest.mark.parametrize("run", [expected, sampled])
@pytest.mark.parametrize("over", ["little", NO_ADS])
def test_base_and_effects_are_the_total(run, over):
    options = {"replications": 4} if run is sampled else {}
    outcomes = run(ADS, both(), **options)
    found = decompose(outcomes, "much", over)
    assert list(found) == ["base", *VISITS, "conversion", "order_value", "total"]
    parts = [value for name, value in found.items() if name != "total"]
    assert sum(parts) == pytest.approx(found["total"], rel=1e-12)
    assert found["total"] == outcomes.metrics("much")["gmv"]["mean"]
    assert found["paid_visits"] > 0
    assert (found["commission_visits"] > 0) == (over == NO_ADS)


def test_the_other_way_round_effects_change_sign():
    outcomes = expected(ADS, both())
    there, back = decompose(outcomes, "much", "little"), decompose(outcomes, "little", "much")
    for name in (*VISITS, "conversion", "order_value"):
        assert there[name] == pytest.approx(-back[name], rel=1e-9)


def test_against_itself_nothing_has_an_effect():
    found = decompose(expected(ADS, both()), "much", "much")
    assert {value for name, value in found.items() if name not in ("base", "total")} == {0.0}


def test_a_dearer_product_is_an_effect_of_order_value():
    # The same visits come, without ads, and buy as readily: only the price differs.
    plain, dear = (expected(brief(*sets), []) for sets in ((), ("products.coffee.price=240",)))
    own = [read(outcomes) for outcomes in (plain, dear)]
    found = {name: float(value[0]) for name, value in effects(*own).items()}
    gain = float(own[1]["gmv"][0] - own[0]["gmv"][0])
    assert found["order_value"] == pytest.approx(gain, rel=0.02)


def read(outcomes):
    totals = outcomes.book.totals
    return {n: totals[n][-1:] for n in (*VISITS, "paid_orders", "gmv")}


def test_effects_are_the_mean_over_all_orders_of_change():
    rng = np.random.default_rng(5)
    for _ in range(20):
        was, now = rng.uniform(0, 10, (2, 3))
        was[rng.integers(3)] *= rng.integers(2)  # some factors are zero
        plans = [
            {
                "paid_visits": np.array([0.4 * v]), "free_visits": np.array([0.6 * v]),
                "commission_visits": np.zeros(1), "paid_orders": np.array([v * c]),
                "gmv": np.array([v * c * a]),
            }
            for v, c, a in (was, now)
        ]  # fmt: skip
        found = effects(*plans)
        slow = by_orders(*(factors(p) for p in plans))
        visits = sum(float(found[name][0]) for name in VISITS)
        mine = [visits, float(found["conversion"][0]), float(found["order_value"][0])]
        assert mine == pytest.approx(slow, rel=1e-9, abs=1e-9)


def factors(plan):
    v = float(sum(plan[name][0] for name in VISITS))
    orders, gmv = float(plan["paid_orders"][0]), float(plan["gmv"][0])
    return [v, orders / v if v else 0.0, gmv / orders if orders else 0.0]


def by_orders(was, now):
    """Every order in which the factors can change, one after the other."""
    total = [0.0, 0.0, 0.0]
    for order in permutations(range(3)):
        state = list(was)
        for factor in order:
            before = np.prod(state)
            state[factor] = now[factor]
            total[factor] += np.prod(state) - before
    return [value / 6 for value in total]


def test_a_sum_that_does_not_hold_breaks_a_law():
    with pytest.raises(LawBroken, match="gmv decomposition: off by 1"):
        check_sum({"base": 10.0, "conversion": 6.0, "total": 15.0})


def test_a_plan_that_was_not_run_is_refused():
    with pytest.raises(UserError, match="no plan is called 'mine'; known are little, much, no ads"):
        decompose(expected(ADS, both()), "mine")


def test_intervals_of_parts_are_those_of_their_replications():
    outcomes = sampled(ADS, both(), replications=8)
    found, parts = part_intervals(outcomes, "much", "none"), decompose(outcomes, "much", "none")
    for name, row in (("total", "much"), ("base", "no ads")):
        own = outcomes.metrics(row)["gmv"]
        assert tuple(found[name]) == pytest.approx((own["ci_lo"], own["ci_hi"]))
    gain = outcomes.values("much", "gmv") - outcomes.values("no ads", "gmv")
    own = describe(Sample.total(gain))
    halves = sum(hi - lo for name, (lo, hi) in found.items() if name not in ("base", "total")) / 2
    assert (
        halves >= (own["ci_hi"] - own["ci_lo"]) / 2
    )  # errors of a sum are at most those of its parts
    assert found["paid_visits"].lo < parts["paid_visits"] < found["paid_visits"].hi


def test_one_replication_has_no_interval():
    found = part_intervals(sampled(ADS, both(), replications=1), "much")
    assert np.isnan(list(found.values())).all()
