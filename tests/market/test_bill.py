"""What comes back of a step's orders, against the sum over single segments."""

import numpy as np
import pytest

from simulator.market.bill import Bill

SHAPE = 2, 3, 4  # products, segments, lanes
RNG = np.random.default_rng(5)


def a_bill(*, subsidised: bool) -> Bill:
    granted = RNG.random(SHAPE) if subsidised else None
    price, cost, aid = 50 + 10 * RNG.random((3, 2, 4))
    return Bill(RNG.random(SHAPE), price, cost, aid, granted)


def of_segment(bill: Bill, g: int) -> Bill:
    granted = None if bill.granted is None else bill.granted[:, g : g + 1]
    return Bill(bill.values[:, g : g + 1], bill.price, bill.cost, bill.aid, granted)


@pytest.mark.parametrize("subsidised", [True, False])
def test_what_comes_back_is_summed_over_segments(subsidised: bool):
    """Each with its own odds and its own value: whoever buys more and returns more counts as both."""
    bill, chance = a_bill(subsidised=subsidised), RNG.random(SHAPE)
    back = bill.coming_back(chance)
    for name in ("gmv", "cost", "aid"):
        alone = (getattr(of_segment(bill, g).total, name) * chance[:, g] for g in range(3))
        assert getattr(back, name) == pytest.approx(sum(alone), rel=1e-12)


@pytest.mark.parametrize("subsidised", [True, False])
def test_equal_odds_bring_back_that_part_of_everything(subsidised: bool):
    bill, chance = a_bill(subsidised=subsidised), RNG.random((2, 1, 4))
    back, apart = bill.coming_back(chance), bill.coming_back(np.repeat(chance, 3, axis=1))
    for name in ("gmv", "cost", "aid"):
        part = getattr(bill.total, name) * chance[:, 0]
        assert getattr(back, name) == pytest.approx(part, rel=1e-12)
        assert getattr(apart, name) == pytest.approx(part, rel=1e-12)
