"""Stock against sums of Poisson terms in many digits, and refunds against their delay's own law."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy.stats import expon, gamma, poisson

from simulator.market.fulfilment import Refunds, Returns, Stock, delay_matrix, mean_sold
from simulator.scenario.goods import Commerce
from simulator.scenario.runoff import settle_days


def exact_mean_sold(stock: int, demand: float) -> float:
    """E[min(S, K)] of a Poisson K: S less what is left over, term by term."""
    with localcontext() as context:
        context.prec = 60
        term, left = (-Decimal(demand)).exp(), Decimal(0)
        for k in range(stock):
            left += (stock - k) * term
            term = term * Decimal(demand) / (k + 1)
        return float(stock - left)


@pytest.mark.parametrize("stock", [1, 2, 7, 30, 99, 100, 101, 400])
def test_stock_sells_the_mean_of_the_smaller(stock: int):
    demands = stock * np.array([0.02, 0.5, 0.9, 1.0, 1.1, 2.0])
    exact = [exact_mean_sold(stock, x) for x in demands]
    np.testing.assert_allclose(mean_sold(np.full(6, float(stock)), demands), exact, rtol=3e-13)


def test_plentiful_stock_sells_the_demand_and_none_sells_nothing():
    demand = np.array([0.0, 1e-9, 40.0, 1e4])
    assert mean_sold(demand + 12.5 * np.sqrt(demand) + 51, demand).tolist() == demand.tolist()
    assert mean_sold(np.zeros(4), demand).tolist() == [0.0] * 4


@pytest.mark.parametrize("sampled", [False, True])
def test_goods_that_arrive_join_what_is_left(sampled: bool):
    stock = Stock.of(np.array([300.0, 20.0]), 1)
    stock.sell(np.array([[50.0], [80.0]]), sampled)
    for product, units in ((0, 40), (1, 70)):
        stock.restock(product, units, sampled)
    assert stock.units == pytest.approx(np.array([[290.0], [70.0]]))
    assert stock.left(sampled) == pytest.approx(stock.units)
    assert stock.available(sampled) == pytest.approx(1.0)


def test_goods_that_are_sold_are_gone():
    stock = Stock.of(np.array([300.0, 20.0]), 1)
    sold = [stock.sell(np.array([[50.0], [15.0]]), sampled=True).ravel().tolist() for _ in range(2)]
    assert sold == [[50, 15], [50, 5]]
    assert stock.left(sampled=True).ravel().tolist() == [200, 0]
    assert stock.available(sampled=True).ravel().tolist() == [1, 0]


def test_found_is_the_share_of_what_is_wanted_that_is_sold():
    units, wanted = np.array([300.0, 20.0, 0.0, 5.0]), np.array([50.0, 80.0, 3.0, 0.0])[:, None]
    stock = Stock.of(units, 1)
    assert stock.found(wanted, sampled=True).ravel().tolist() == [1, 0.25, 0, 1]
    for _ in range(2):
        found = stock.found(wanted, sampled=False)
        sold = stock.sell(wanted, sampled=False)
        np.testing.assert_allclose(found[:3] * wanted[:3], sold[:3], rtol=1e-12)
        assert found[0] == found[3] == 1
    demand = stock.demand[1, 0]
    exact = exact_mean_sold(20, demand) - exact_mean_sold(20, demand - 80)
    assert sold[1] == pytest.approx(exact, abs=1e-11)


@pytest.mark.parametrize(("depot", "shops"), [(1, 3), (30, 12), (100, 250)])
def test_shops_sell_the_mean_of_what_is_beyond_the_depot(depot: int, shops: int):
    """E[min(shops, max(0, N - depot))] of a Poisson N, term by term, in two steps of demand."""
    whole, near = (Stock.of(np.array([float(s)]), 1) for s in (depot + shops, depot))
    for demand in (0.8 * depot, 0.7 * shops):
        sold = whole.sell(np.array([[demand]]), False) - near.sell(np.array([[demand]]), False)
    total, first = 0.8 * depot + 0.7 * shops, 0.8 * depot
    n = np.arange(3000)
    taken = np.clip(n - depot, 0, shops)
    exact = [(poisson.pmf(n, mean) * taken).sum() for mean in (total, first)]
    assert sold[0, 0] == pytest.approx(exact[0] - exact[1], rel=1e-9, abs=1e-9)


# --- refunds ------------------------------------------------------------------------------------

COMMERCE = Commerce(refund_fast_share=0.3, refund_fast_days=1.7, refund_slow_days=6.0)


def waiting(day: int) -> float:
    """Share of the refunds that have not fallen due so many days after a midnight."""
    fast, slow = expon.sf(day, scale=1.7), gamma.sf(day, 4, scale=6.0 / 4)
    return 0.3 * fast + 0.7 * slow


def test_refunds_settle_on_the_day_their_delay_says():
    """By the closed form, and as the engine's refunds fall due from midnight to midnight."""
    table, open_refunds = delay_matrix(COMMERCE), np.array([0.3, 0.7, 0.0, 0.0, 0.0])
    for day in range(1, 30):
        open_refunds = open_refunds @ table[:, :5]
        assert open_refunds.sum() == pytest.approx(waiting(day), rel=1e-9)
        assert settle_days(COMMERCE, waiting(day) * (1 + 1e-6)) == day
        assert settle_days(COMMERCE, waiting(day) * (1 - 1e-6)) == day + 1


@pytest.mark.parametrize("offset", [None, 0.3])
def test_refunds_fall_due_as_their_delay_says(offset: float | None):
    """In whole orders where they are drawn: all that is ripe, rounded by one number for the run."""
    returns, orders = Returns(COMMERCE), np.array([700.0, 40.0]).reshape(2, 1, 1)
    refunds = Refunds.of(1, 1, None if offset is None else np.full((2, 1), offset))
    each = np.array([20.0, 8.0, 2.0, 3.0]).reshape(4, 1, 1)
    returns.enter(refunds, orders, each)
    gone = np.zeros_like(orders)
    for day in range(1, 40):
        due = returns.advance(refunds)
        gone += due.orders
        ripe = orders * (1 - waiting(day))
        exact = ripe if offset is None else np.floor(ripe + offset)
        np.testing.assert_allclose(gone, exact, rtol=1e-12)
        taken = each * due.orders.sum(axis=0)
        np.testing.assert_allclose(due.pools, taken, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(refunds.pending, orders - gone, rtol=1e-9, atol=1e-9)


# --- goods that come back -------------------------------------------------------------------------
@pytest.mark.parametrize("back", [1e-9, 0.3, 5.0, 400.0])
@pytest.mark.parametrize("demand", [0.0, 5.0, 40.0, 200.0, 900.0])
def test_what_comes_back_is_left_and_what_was_sold_stays_sold(demand: float, back: float):
    stock = Stock.of(np.array([40.0, 1e6]), 1)
    stock.sell(np.array([[demand], [7.0]]), sampled=False)
    before = stock.left(sampled=False)
    stock.take_back(np.array([0]), np.array([[back]]), sampled=False)
    after = stock.left(sampled=False)
    assert after[0, 0] == pytest.approx(before[0, 0] + back, rel=1e-9, abs=1e-9)
    assert after[1, 0] == before[1, 0] == 1e6 - 7


def test_a_shelf_that_is_empty_starts_anew_and_a_full_one_goes_on():
    stock = Stock.of(np.array([40.0, 400.0, 40.0]), 1)
    stock.sell(np.array([[500.0], [100.0], [40.0]]), sampled=False)
    stock.take_back(np.arange(3), np.array([[30.3], [30.0], [1.0]]), sampled=False)
    np.testing.assert_allclose(stock.units[:2, 0], [30.3, 430])
    np.testing.assert_allclose(stock.demand[:2, 0], [0, 100], atol=1e-9)
    assert 0 < stock.demand[2, 0] < 40


@pytest.mark.parametrize(("units", "wanted"), [(5, 1.0), (30, 6.0), (200, 40.0)])
def test_goods_that_come_back_are_sold_as_often_as_drawn(units: int, wanted: float):
    """Three of ten come back the next day: the mean of the draws, within 2% on every day."""
    rng, lanes = np.random.default_rng(3), 40_000
    drawn, mean = Stock.of(np.array([float(units)]), lanes), Stock.of(np.array([float(units)]), 1)
    sold = [np.zeros((1, lanes)), np.zeros((1, 1))]
    back = [np.zeros((1, lanes)), np.zeros((1, 1))]
    for _ in range(12):
        asked = (rng.poisson(wanted, (1, lanes)).astype(float), np.full((1, 1), wanted))
        for n, (stock, sampled) in enumerate(((drawn, True), (mean, False))):
            stock.take_back(np.array([0]), back[n], sampled)
            today = stock.sell(asked[n], sampled)
            sold[n] += today
            back[n] = rng.binomial(today.astype(int), 0.3).astype(float) if sampled else 0.3 * today
        assert sold[1][0, 0] == pytest.approx(sold[0].mean(), rel=0.025)


def test_a_count_that_starts_anew_is_none_however_it_rounds():
    """What comes back to an empty shelf is all that there is; the sum of large numbers is off by a rounding."""
    stock = Stock.of(np.full(300, 9000.0), 1)
    stock.sell(np.append(np.full(299, 12_000.0), 9000.0)[:, None], sampled=False)
    back = np.append(100 + np.arange(299) / 7, 5.0)[:, None]
    stock.take_back(np.arange(300), back, sampled=False)
    np.testing.assert_allclose(stock.demand[:-1], 0, atol=1e-9)
    np.testing.assert_allclose(stock.left(sampled=False)[:-1], back[:-1])
