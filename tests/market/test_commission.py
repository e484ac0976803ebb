"""Commissioned media to the fen, by hand."""

from dataclasses import fields, replace

import numpy as np
import pytest

from simulator.market.commission import Meeting, Partners, Partnership

NOTHING = Partners(**{part.name: np.zeros((1, 1)) for part in fields(Partners)})
TAOKE = replace(
    NOTHING,
    rate=np.array([[0.15]]),
    cap=np.array([9.996]),
    fee=np.array([2.0]),
    start=np.array([3]),
)


def sell(shop: Partnership, gmv: float) -> float:
    """Sell for so much, half of it on the partner's visits and 90% of it kept; what it has cost so far."""
    shop.settle(np.array([[gmv]]), np.full((1, 1, 1), 0.5), np.array([[0.9]]))
    return float(shop.cost[0, 0])


def test_drawn_commissions_are_whole_fen_and_what_is_left_of_one_stays_owed():
    """15% of 90% of a half of 20 CNY is 135 fen; of 2.1 CNY 14.175 fen, four times of which are 56.7."""
    shop = Partnership(TAOKE, np.ones((1, 1)), whole=True)
    assert sell(shop, 20) == 1.35
    assert [sell(shop, 2.1) for _ in range(4)] == [1.49, 1.63, 1.77, 1.91]
    assert float(shop.owed[0, 0]) == pytest.approx(0.7)
    assert float(shop.gmv[0, 0]) == pytest.approx(14.2)
    assert sell(shop, 1000) == 9.99


def test_a_commission_of_the_mean_is_paid_to_the_last_part_of_a_fen():
    shop = Partnership(TAOKE, np.ones((1, 1)), whole=False)
    assert sell(shop, 2.1) == pytest.approx(0.14175, rel=1e-12)
    assert sell(shop, 1000) == pytest.approx(9.996, rel=1e-12)


@pytest.mark.parametrize("whole", [True, False])
def test_a_fee_falls_due_once_where_the_partner_runs(whole: bool):
    shop = Partnership(TAOKE, np.array([[1.0, 0.0]]), whole=whole)
    costs = []
    for step in range(6):
        shop.pay_fees(step)
        costs.append(shop.cost[0].tolist())
    assert costs == [[0.0, 0.0]] * 3 + [[2.0, 0.0]] * 3


@pytest.mark.parametrize(("rate", "come"), [(0.0, 100.0), (0.15, 0.0)])
def test_of_a_cap_that_is_used_up_only_visits_that_cost_something_stay_away(
    rate: float, come: float
):
    visits = np.full((1, 1, 1, 1, 1), 10.0)  # [phase, partner, band, segment, lane]
    star = replace(
        TAOKE,
        rate=np.array([[rate]]),
        cap=np.array([2.0]),
        visits=visits,
        buy_odds=np.full((1, 1, 1), 0.1),
    )
    shop = Partnership(star, np.ones((1, 1)), whole=False)
    shop.pay_fees(3)
    one = np.ones((1, 1, 1))
    meeting = Meeting(
        people=10 * one, deciding=10 * one, filling=one, browse=1.0, ready=1.0, level=np.ones((1, 1)),
        kappa=one, order=one,
        order_value=np.ones((1, 1)),
    )  # fmt: skip
    assert shop.bring(0, meeting).visits.tolist() == [[come]]
