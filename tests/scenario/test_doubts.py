"""What can be run but hardly meant is told at its place, and never refused."""

import pytest

import simulator as sim
from simulator.scenario import parse_scenario
from simulator.scenario.checks import doubts_of
from simulator.scenario.organic import organic_orders
from tests.scenario.test_checks import SHOP, complaint


def doubts(*sets: str) -> list[str]:
    return [str(doubt) for doubt in doubts_of(parse_scenario(SHOP.encode(), sets=sets))]


def test_a_sound_shop_is_not_doubted():
    assert doubts() == []


# --------------------------------------------------------------------------- clock
def test_a_sale_that_empties_baskets_in_steps_of_a_day_is_doubted():
    sale = "calendar.phases.late={start: 2021-03-28, release: %s, clock: %s}"
    (found,) = doubts(sale % ("30%", "1d"))
    assert "calendar.phases.late.release buys 30% of full baskets a day in steps of 1d: " in found
    assert "give the phase clock: 1h" in found
    assert doubts(sale % ("30%", "1h")) == doubts(sale % ("5%", "1d")) == []


# --------------------------------------------------------------------------- presale
NO_BALANCE = (
    "products.coffee.presale could take no deposit, for no balance can ever be paid: no window of "
    "calendar.balances ends after the start of phase 'presale', 2021-03-20; add one to calendar.balances"
)


@pytest.mark.parametrize("windows", ["[]", "[{start: 2021-03-10, end: 2021-03-20}]"])
def test_a_presale_whose_balances_nobody_can_pay_is_refused(windows: str):
    assert NO_BALANCE in complaint(f"calendar.balances={windows}")


def test_a_presale_phase_whose_visits_would_pay_no_deposit_is_refused():
    none = "calendar.phases.presale.cvr=0"
    assert "calendar.phases.presale.cvr must be above 0 where visits pay deposits" in complaint(
        none
    )
    assert doubts(none, "calendar.phases.presale.deposit=0") == []


@pytest.mark.parametrize(
    "setting", ["products.coffee.presale=false", "calendar.phases.presale.deposit=0"]
)
def test_without_deposits_no_window_is_asked_for(setting: str):
    assert doubts("calendar.balances=[]", setting) == []


@pytest.mark.parametrize("field", ["deposit", "deposit_release"])
def test_deposits_after_the_last_window_are_doubted(field: str):
    (found,) = doubts(
        "calendar.phases.late={start: 2021-03-28}", f"calendar.phases.late.{field}=0.1"
    )
    rule = "has no effect: the last window of calendar.balances is over by then, 2021-03-28"
    assert f"calendar.phases.late.{field} {rule}" in found


def test_a_window_in_which_nobody_pays_is_doubted():
    (found,) = doubts("calendar.balances.1.completion=0")
    assert (
        "calendar.balances.1.completion lets nobody pay the balance: every deposit before it"
        in found
    )


# --------------------------------------------------------------------------- goods
def test_goods_that_pay_when_nobody_buys_them_are_doubted():
    """Coffee costs 120 x (1 - 55%) = 54 CNY."""
    stock = "products.coffee.stock=100k"
    (found,) = doubts(stock, "products.coffee.salvage=55")
    rule = "products.coffee.salvage is above the cost of a unit, 54 CNY = price x (1 - margin) (got 55)"
    assert rule in found
    assert doubts(stock, "products.coffee.salvage=54") == []


# --------------------------------------------------------------------------- capacities
PLAIN = [
    "products.tea.product_stage=core",
    "products.tea.launch=null",
    "calendar.phases.presale.deposit=0",
]


@pytest.mark.parametrize(
    ("small", "enough", "words"),
    [
        ("shipping.per_day=5", "shipping.per_day=60", "shipping.per_day holds 5 orders, far below a normal day's"),
        ("payment.capacity=0.2", "payment.capacity=3", "payment.capacity holds 4.8 attempts a day, far below"),
        ("products.coffee={stock: 10, restocks: []}", "products.coffee={stock: 300, restocks: []}",
         "products.coffee.stock lasts 0."),
    ],
)  # fmt: skip
def test_capacities_that_free_orders_fill_are_doubted(small: str, enough: str, words: str):
    (found,) = doubts(*PLAIN, small)
    assert words in found
    assert "orders without ads" in found
    assert doubts(*PLAIN, enough) == []


def test_a_run_of_a_day_needs_goods_for_half_of_it():
    """About 30 cups of coffee a day: 20 do for one day, and not for a month."""
    day = ["calendar.phases.presale=null", "calendar.phases.normal=null", "calendar.balances=[]",
           "calendar.phases.sale.start=2021-03-28", "plans=null", "products.tea={stock: 100}",
           "scenes.harvest.phases=[sale]"]  # fmt: skip
    few = "products.coffee={stock: 20, restocks: []}"
    launched = PLAIN[:2]
    assert doubts(*launched, *day, few) == []
    assert len(doubts(*launched, few)) == 1


def test_goods_that_are_restocked_are_not_scarce():
    assert doubts("products.coffee.stock=0") == []


def test_free_orders_of_the_file_are_those_of_the_first_week_without_its_baskets():
    """A week has all its weekdays; carts are neither filled from the start nor bought."""
    sets = ["segments.shoppers.start={discover: 5%, engage: 4%, initial: 3%}",
            "calendar.phases.normal.release=0", "chain.favourite_release=0"]  # fmt: skip
    scenario = sim.read_scenario("scenarios/minimal.yaml", sets=sets)
    played = sim.simulate(scenario, ["even"], mode="expected", spreads=False)
    week = played.days("no ads")["gmv"][:7].mean()
    assert week / 120 == pytest.approx(organic_orders(scenario)["coffee"], rel=0.1)
