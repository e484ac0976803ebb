"""Prices and subsidies against closed forms and counting: what is paid, by whom, and never too much."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import gamma, poisson

from simulator.engine.simulate import make_grid
from simulator.market.bill import Bill
from simulator.market.build import build_world
from simulator.market.promotion import Till, price_response, subsidy_of
from tests.worlds import brief

LANES = 4
SUBSIDY = "incentives.subsidies.state={rate: 20%, cap: 15, quota: 300}"
COUPON = "incentives.coupons.smart={merchant: 10%, platform: 5%, phases: [sale]}"
BIG = "incentives.coupons.big={merchant: 5%, order_value: 1.2, refund: 1.3}"


def offers_of(*sets: str):
    scenario = brief("products.tea={price: 50, margin: 50%}", *sets)
    return build_world(scenario, make_grid(scenario)).offers


def till_of(*sets: str, sampled: bool, second: int = 0) -> Till:
    offers = offers_of("commerce.order_value_sd=0", *sets)
    till = Till(offers, np.ones((1, 1)), LANES, sampled=sampled)
    till.look(0, second)
    return till


def orders(coffee: float, tea: float) -> np.ndarray:
    return np.broadcast_to(np.array([coffee, tea])[:, None, None], (2, 1, LANES)).copy()


NO_NOISE = np.ones((2, LANES))


def charge(till: Till, paid: np.ndarray) -> Bill:
    offers = till.offers
    terms = np.array([x[till.phase] for x in (offers.price, offers.aid, offers.size)])
    return till.charge(paid, terms, NO_NOISE, np.ones((2, 1)))


# --- prices -------------------------------------------------------------------------------------
def test_an_elasticity_is_the_slope_of_log_odds_in_log_price():
    price = np.array([50.0, 50.5])
    slope = np.diff(np.log(price_response(price, np.array(80.0), np.array(2.5)))) / np.diff(
        np.log(price)
    )
    assert slope == pytest.approx(-2.5)


def test_a_price_of_nothing_does_not_make_infinite_demand():
    assert price_response(np.array(0.0), np.array(10.0), np.array(2.0)) == pytest.approx(1e4)


def test_coupons_stack_one_after_the_other():
    offers = offers_of(COUPON, BIG, "products.coffee.discount={sale: 15%}")
    seller = 120 * 0.85 * 0.9 * 0.95 * 1.2
    sale = list(brief().calendar.phases).index("sale")
    assert offers.price[sale, :, 0] == pytest.approx([seller * 0.95, 50 * 0.9 * 0.95 * 0.95 * 1.2])
    assert offers.aid[sale, 0, 0] == pytest.approx(seller * 0.05)
    assert offers.price[-1, :, 0] == pytest.approx([120, 50])  # the run-off has none
    assert offers.refund[:, 0, 0] == pytest.approx([1.3, 1.3, 1])


def test_no_cut_goes_below_the_salvage_value():
    offers = offers_of(
        COUPON, "products.coffee.discount={sale: 80%}", "products.coffee.salvage=40", "products.coffee.stock=9k"
    )  # fmt: skip
    sale = list(brief().calendar.phases).index("sale")
    assert offers.price[sale, 0, 0] + offers.aid[sale, 0, 0] == pytest.approx(40)


def test_without_coupons_subsidies_and_elasticity_there_is_nothing_to_do():
    assert offers_of("incentives.rebates.red={rate: 10%}") is None


# --- subsidies ----------------------------------------------------------------------------------
def test_the_cap_of_an_order_binds():
    assert subsidy_of(np.array([60.0, 120.0]), np.array(0.2), np.array(15.0)) == pytest.approx(
        [12, 15]
    )


@pytest.mark.parametrize("sd", [0.2, 0.5, 1.5])
@pytest.mark.parametrize("cap", [2.0, 12.0, 40.0])
def test_a_cap_binds_single_orders(sd: float, cap: float):
    """The mean over their values, by quadrature."""
    value = gamma(1 / sd**2, scale=sd**2)
    mean = quad(lambda u: min(12 * value.ppf(u), cap), 0, 1, limit=200)[0]
    found = subsidy_of(np.array(60.0), np.array(0.2), np.array(cap), sd)
    assert found == pytest.approx(mean, rel=1e-4)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_mean_of_a_few_orders_and_their_spread_about_it_make_the_whole(count: int):
    """Sampled: orders of a step have a mean that is drawn, and scatter about it; in all as single orders do."""
    values = np.random.default_rng(5).gamma(4.0, 0.25, (200_000, count))
    singles = np.minimum(12 * values, 12.0).mean()
    within = subsidy_of(
        60 * values.mean(axis=1), np.array(0.2), np.array(12.0), 0.5 * np.sqrt(1 - 1 / count)
    )
    assert within.mean() == pytest.approx(singles, rel=0.01)


@pytest.mark.parametrize("sampled", [True, False])
def test_plenty_of_money_pays_every_order(sampled: bool):
    till = till_of(SUBSIDY.replace("300", "1m"), sampled=sampled)
    bill = charge(till, orders(3, 4)).total
    assert bill.aid[:, 0] == pytest.approx([3 * 15, 4 * 10])
    assert bill.gmv[:, 0] == pytest.approx([3 * 105, 4 * 40])
    assert till.granted[0] == pytest.approx(85)


def test_sampled_money_is_paid_to_the_last_yuan_and_no_further():
    till = till_of(SUBSIDY, sampled=True)
    paid = [charge(till, orders(10, 4)).total.aid.sum(axis=0) for _ in range(3)]
    assert [p[0] for p in paid] == pytest.approx([190, 110, 0])


def test_expected_money_is_the_mean_of_what_a_poisson_number_of_orders_gets():
    """Orders of one size: quota / size of them are paid, and the mean of that is known."""
    till = till_of(SUBSIDY.replace("}", ", products: [tea]}"), sampled=False)
    for _ in range(5):
        charge(till, orders(7, 6.5))
    number = poisson(5 * 6.5)
    mean = sum(10 * min(n, 30) * number.pmf(n) for n in range(200))
    assert till.granted[0] == pytest.approx(mean, rel=1e-9)
    assert till.granted.max() < 300


def test_a_subsidy_lives_between_its_dates():
    dated = SUBSIDY.replace("}", ", start: 2021-03-22, end: 2021-03-24}")
    paid = [
        charge(till_of(dated, sampled=False, second=day * 86400), orders(1, 1)).total.aid.sum()
        for day in range(6)
    ]
    assert [x > 0 for x in paid] == [False, False, True, True, False, False]


def test_what_others_added_goes_back_with_the_goods():
    till = till_of(SUBSIDY.replace("300", "1m"), sampled=False)
    back = charge(till, orders(10, 10)).coming_back(np.array([0.2, 0.1])[:, None, None])
    assert back.aid[:, 0] == pytest.approx([2 * 15, 1 * 10])
    assert back.gmv[:, 0] == pytest.approx([2 * 105, 1 * 40])
