"""The twin's orders, stock and baskets against arithmetic by hand, and laws of every step."""

import math
from typing import Any

import pytest
import simpy

from simulator.scenario.schema import Scenario
from tests.oracles.test_twin import auction, even_money, small_world
from tests.oracles.twin import Buyers, World
from tests.oracles.twin_chain import (
    BALANCE,
    DIRECT,
    NEWCOMERS,
    ORDERS,
    RELEASE,
    WHO,
    order_value_of,
)
from tests.oracles.twin_crowds import layered
from tests.oracles.twin_goods import Goods, Ways

S, C = WHO
NONE: dict[str, Any] = {who: Ways({}, {}, {}) for who in WHO}


def shop(powers: dict[str, float], presale: str = "", **commerce: Any) -> Goods:
    """Core products of plain power, with free visits alike; scene "sale" shows them all, "keep" too."""
    world = small_world()
    world["products"] = {
        p: {"price": 100, "margin": 0.5, "product_power": power, "product_stage": "core"}
        for p, power in powers.items()
    }
    for p in presale:
        world["products"][p]["presale"] = True
    world["scenes"]["sale"]["products"] = dict.fromkeys(powers, 1.0)
    world["life_cycle"] = {"cvr": [1.0] * 6}
    world["commerce"] = commerce
    world["segments"] = {"a": world["segments"]["a"] | {"new_product_affinity": 1}}
    world["scenes"]["keep"].pop("segments")
    return Goods(Scenario.model_validate(world), {})


def ways_of(who: str, **how: Any) -> dict[str, Ways]:
    """One way of visiting, of strangers or customers of segment a."""
    empty: dict[str, Any] = {"scenes": {}, "free": {}, "looks": {}}
    return NONE | {who: Ways(**empty | how)}


# --------------------------------------------------------------------------- first choices
def test_first_choices_are_mixes_times_readiness_over_ways():
    goods = shop({"x": 1.0, "y": 3.0})
    goods.choose(ways_of(S, scenes={("sale", "a"): 3.0}, free={"a": 1.0}))
    # each way shows both alike and sells them 1 to 3
    assert goods.first_of[S, "a"] == pytest.approx({"x": 0.25, "y": 0.75})
    assert goods.first_choice_of_all == pytest.approx({"x": 0.25, "y": 0.75})
    assert goods.first_of[C, "a"] == pytest.approx({"x": 0.5, "y": 0.5})  # nobody: omix


def test_direct_orders_of_customers_mix_visits_and_habit():
    goods = shop({"x": 1.0, "y": 3.0})
    goods.products["y"].supply.units = 0.0  # pages show x alone, free visits come for both
    goods.bring_mixes({p: {"a": 1.0} for p in goods.products})
    goods.choose(ways_of(C, scenes={("sale", "a"): 1.0}))
    assert goods.first_of[C, "a"] == pytest.approx({"x": 1, "y": 0})
    goods.choose_directly({"a": (5.0, 1.0, 3.0)})
    assert goods.direct[C]["a"].first == pytest.approx({"x": (1 + 3 / 4) / 4, "y": 9 / 4 / 4})


# --------------------------------------------------------------------------- who finds nothing
def turned(goods: Goods, first: dict[str, float], avail: dict[str, float], page: bool) -> Any:
    return goods._turned(first, avail, first, page=page)


def test_on_a_page_all_take_what_is_there_by_its_weight():
    goods = shop({"x": 1, "y": 1, "z": 1}, substitution=0.0)
    tried, wanted = turned(goods, {"x": 4.0, "y": 3.0, "z": 1.0}, {"x": 0, "y": 1, "z": 1}, True)
    assert tried == pytest.approx({"x": 4, "y": 6, "z": 2})
    assert wanted == pytest.approx({"x": 0, "y": 6, "z": 2})


def test_of_free_visits_a_part_takes_what_is_there():
    goods = shop({"x": 1, "y": 1, "z": 1}, substitution=0.25)
    tried, wanted = turned(goods, {"x": 4.0, "y": 3.0, "z": 1.0}, {"x": 0, "y": 1, "z": 1}, False)
    assert tried == pytest.approx({"x": 4, "y": 3.75, "z": 1.25})
    assert wanted == pytest.approx({"x": 3, "y": 3.75, "z": 1.25})


def test_two_others_half_there_are_taken_in_three_of_four_worlds():
    """Both there: half and half; one there: that one; none: nothing. Each by 3/8."""
    goods = shop({"x": 1, "y": 1, "z": 1}, substitution=0.0)
    avail = {"x": 0.0, "y": 0.5, "z": 0.5}
    tried, wanted = {"x": 8.0, "y": 0.0, "z": 0.0}, {"x": 8.0, "y": 0.0, "z": 0.0}
    left = goods._turn_to("x", 8.0, {"x": 2.0, "y": 1.0, "z": 1.0}, avail, (tried, wanted))
    assert left == pytest.approx(6)
    assert wanted == pytest.approx({"x": 8, "y": 3, "z": 3})
    assert tried == pytest.approx({"x": 8, "y": 6, "z": 6})


@pytest.mark.parametrize("page", [True, False])
@pytest.mark.parametrize(
    "levels", [(0.0, 0.3, 0.9), (0.2, 0.01, 0.99), (0.7, 0.7, 0.7), (1, 1, 1), (0, 0, 0)]
)
def test_nobody_is_lost_and_no_more_is_found_than_wanted(page: bool, levels: tuple[float, ...]):
    goods = shop({"x": 1, "y": 1, "z": 1}, substitution=0.3)
    first = {"x": 5.0, "y": 2.0, "z": 0.1}
    avail = dict(zip(first, levels, strict=True))
    tried, wanted = turned(goods, first, avail, page)
    assert sum(wanted.values()) == pytest.approx(sum(first.values()))
    for p, x in first.items():
        assert tried[p] >= x
        assert -1e-12 <= tried[p] * avail[p] <= wanted[p] + 1e-12


def test_a_tiny_step_with_one_product_gone():
    """x is gone, y is there. 10 strangers on a page, 10 customers of whom 4 by habit; sub is a half."""
    goods = shop({"x": 1.0, "y": 3.0}, substitution=0.5)
    goods.bring_mixes({p: {"a": 1.0} for p in goods.products})
    goods.choose(
        {
            S: Ways({("sale", "a"): 2.0}, {}, {}),
            C: Ways({("sale", "a"): 1.0}, {"a": 1.0}, {}),
        }
    )
    goods.products["x"].supply.units = 0.0  # went while the page was read
    goods.choose_directly({"a": (10.0, 6.0, 4.0)})
    wanted = {
        p: 10 * goods.direct[S]["a"].first[p] + 10 * goods.direct[C]["a"].first[p] for p in "xy"
    }
    assert wanted == pytest.approx({"x": 5, "y": 15})
    assert goods.runs_short(wanted)
    goods.choose_in_full()
    goods.choose_directly(goods.orders)
    goods.turn(wanted)
    strangers, customers = (goods.direct[who]["a"] for who in WHO)
    assert strangers.tried == pytest.approx({"x": 0.25, "y": 1.0})
    assert strangers.wanted == pytest.approx({"x": 0.0, "y": 1.0})
    # customers: 3 on the page (all turn), 3 free and 4 by habit (half of those who miss x turn)
    missed = 10 * 0.25
    off = (3 + 7 * 0.5) * 0.25
    assert customers.tried == pytest.approx({"x": missed / 10, "y": (7.5 + off) / 10})
    assert customers.wanted == pytest.approx({"x": (missed - off) / 10, "y": (7.5 + off) / 10})
    # whose visits: of y 20 x 0.75 + 2.5 + off are tried; the page brings all of strangers, 3 of customers
    tried = {p: 10 * strangers.tried[p] + 10 * customers.tried[p] for p in goods.products}
    brought = goods.brought(tried)
    assert brought["y"]["sale"] == pytest.approx((10 + 3) / (10 + 7.5 + off))
    assert brought["x"]["sale"] == pytest.approx((2.5 + 0.75) / 5)
    assert brought["y"]["new"] == 0


# --------------------------------------------------------------------------- stock and shops
def test_shops_send_what_the_depot_lacks():
    goods = shop({"x": 1.0})
    x = goods.products["x"]
    x.depot.units, x.pool = 1.0, 2.0
    x.supply.units = 3.0
    chance = x.serve(2.0)
    e = math.exp(-2.0)
    of_all = e * 2 + 2 * e * 2 + (1 - e - 2 * e - 2 * e) * 3  # mean of min(3, Poisson(2))
    assert 2 * chance == pytest.approx(of_all)
    assert x.from_shops == pytest.approx(of_all - (1 - e))
    x.serve(100.0)
    assert x.pooled == pytest.approx(2.0)  # no more than they have
    assert (x.supply.demand, x.depot.demand) == (102.0, 102.0)


# --------------------------------------------------------------------------- baskets and deposits
def test_what_is_bought_leaves_baskets_as_the_product_that_it_is():
    goods, who = shop({"x": 1.0, "y": 1.0}), (S, "a")
    goods.baskets[who] = {"x": 6.0, "y": 4.0}
    goods.new_baskets[who] = {"x": 0.1, "y": 0.9}
    # 10 new, then 2 of x bought, 1 of y presold, and 2 of the 17 left dropped
    goods.change_baskets(who, {"x": 2.0, "y": 1.0}, 5.0, 10.0)
    assert goods.baskets[who] == pytest.approx({"x": (7 - 2) * 15 / 17, "y": (13 - 1) * 15 / 17})


def test_cheaper_products_leave_baskets_first():
    goods, who = shop({"x": 1.0, "y": 1.0}), (C, "a")
    goods.baskets[who] = {"x": 3.0, "y": 1.0}
    goods.bring_mixes({"x": {"a": 1.0}, "y": {"a": 5.0}})
    assert goods.basket_readiness(who) == pytest.approx(0.75 + 1.25)
    assert goods.basket_mix(who) == pytest.approx({"x": 0.375, "y": 0.625})
    goods.release = 1.0  # of a quarter of the baskets no more than these
    x, y = 0.75 * (1 - math.exp(-1)), 0.25 * (1 - math.exp(-5))
    assert goods.basket_mix(who) == pytest.approx({"x": x / (x + y), "y": y / (x + y)})
    assert goods.basket_readiness(who) == pytest.approx(-math.log(1 - x - y))
    assert goods.standing(who) == pytest.approx({"x": 0.75, "y": 0.25})


def at(x: float, y: float) -> dict[str, dict[str, float]]:
    """Terms of two products that differ by their price."""
    return {"x": {"price": x}, "y": {"price": y}}


def test_deposits_keep_the_price_at_which_they_were_paid():
    goods, who = shop({"x": 1.0, "y": 1.0}), (C, "a")
    assert goods.agreed(who, "x", {"price": 55.0}) == {"price": 55.0}
    none = {"x": 0.0, "y": 0.0}
    goods.change_deposits(who, none, {"x": 10.0, "y": 0.0}, at(80.0, 1.0))
    goods.change_deposits(who, none, {"x": 10.0, "y": 5.0}, at(100.0, 20.0))
    assert goods.agreed(who, "x", {"price": 55.0})["price"] == pytest.approx(90)
    goods.change_deposits(who, {"x": 15.0, "y": 0.0}, none, at(1.0, 1.0))
    assert goods.deposits[who] == pytest.approx({"x": 5, "y": 5})
    assert goods.agreed(who, "x", {"price": 55.0})["price"] == pytest.approx(90)
    assert goods.deposit_mix(who) == pytest.approx({"x": 0.5, "y": 0.5})
    goods.products["y"].supply.units = 0.0  # sold out: paid back
    assert goods.deposit_value(who, at(0.0, 0.0)) == pytest.approx(0.5 * 90 * 0.1)


def test_deposits_of_nobody_are_for_presale_goods():
    goods = shop({"x": 1.0, "y": 3.0})
    goods.choose(ways_of(S, free={"a": 1.0}))
    assert goods.deposit_mix((S, "a")) == pytest.approx({"x": 0.25, "y": 0.75})
    goods = shop({"x": 1.0, "y": 3.0}, presale="x")
    goods.choose(ways_of(S, free={"a": 1.0}))
    assert goods.deposit_mix((S, "a")) == pytest.approx({"x": 1, "y": 0})
    goods.products["x"].supply.units = 0.0
    goods.bring_mixes({p: {"a": 1.0} for p in goods.products})
    assert goods.presale_there(goods.first_of[S, "a"]) == pytest.approx({"x": 0, "y": 0})


def test_balances_are_billed_at_the_price_of_their_deposit():
    world = World(layered(Scenario.model_validate(small_world())), {}, [], {}, None)
    step = world.clock.steps[0]
    goods, today = world.goods, world._order_terms("x", step)
    none = dict.fromkeys(goods.products, 0.0)
    half = {
        p: {name: x / 2 for name, x in world._order_terms(p, step).items()} for p in goods.products
    }
    goods.change_deposits((S, "a"), none, none | {"x": 4.0}, half)

    def agreed(own: dict[str, Buyers]) -> dict[str, float]:
        world._agree(goods.products["x"], step, own)
        return {
            name: x / today[name] for name, x in goods.products["x"].terms.items() if today[name]
        }

    def buyers(balances: float, direct: float) -> Buyers:
        found = {who: {kind: dict(none) for kind in ORDERS} for who in WHO}
        found[S][BALANCE]["x"], found[C][DIRECT]["x"] = balances, direct
        return Buyers({}, 0.0, found, dict(none), none | {"x": balances + direct})

    for balances, direct, expected in ((2.0, 6.0, 0.875), (2.0, 0.0, 0.5), (0.0, 6.0, 1.0)):
        own = {"a": buyers(balances, direct), "b": buyers(0.0, 0.0)}
        assert agreed(own) == pytest.approx(dict.fromkeys(agreed(own), expected))
    both = {"a": buyers(2.0, 0.0), "b": buyers(0.0, 3.0)}
    a, b = (order_value_of(world.scenario.segments[g]) for g in "ab")
    expected = 1 - 2 * a / 2 / (2 * a + 3 * b)
    assert agreed(both)["price"] == pytest.approx(expected)


# --------------------------------------------------------------------------- laws of every step
def scarce_world() -> dict[str, Any]:
    """Many ways of visiting, little of everything, presale, shops, partners, prices, late orders."""
    world = small_world()
    world["products"] = {
        "x": {"price": 120, "margin": 0.6, "presale": True, "discount": {"day": 0.2}, "stock": 2500},
        "y": {"price": 60, "margin": 0.5, "product_stage": "hit", "organic": 2, "stock": 1500,
              "restocks": [{"at": "2020-11-05 12:00", "units": 1000}]},
        "z": {"price": 90, "margin": 0.5, "stock": 200, "presale": True,
              "pooled": {"units": 100, "share": 0.5}},
        "w": {"price": 80, "margin": 0.5},
    }  # fmt: skip
    world["scenes"]["sale"]["products"] = {"x": 1, "z": 1}
    world["life_cycle"] = {"halo": 0.4}
    world["commerce"] = {"substitution": 0.6}
    world["segments"]["a"]["price_elasticity"] = 1.0
    world["segments"]["b"]["order_delay_days"] = 1.5
    world["chain"]["repeat"] = {"rate_365": 0.3}
    world["shipping"] = {"per_day": 300}
    world["commissions"] = {
        "guide": {"source": "feed", "visits": 300, "bands": {"outside": 1, "customers": 1},
                  "cvr": 0.03, "rate": 0.1, "products": {"x": 1, "y": 1}},
    }  # fmt: skip
    world["slots"]["more"] = auction("feed", 1e5, 20)
    return world


def test_laws_of_every_step():
    scenario = layered(Scenario.model_validate(scarce_world()))
    world = World(scenario, even_money(scarce_world()), ["top.sale"], {}, None)
    book, seen = world._book_all, {}

    def keep(step: Any, buyers: Any, sold: Any, tried: Any) -> None:
        seen["buyers"] = buyers
        book(step, buyers, sold, tried)
        for p in world.goods.products:
            parts = world.goods.brought(tried)[p].values()
            assert min(parts) >= 0 and sum(parts) <= 1 + 1e-12

    world._book_all = keep  # type: ignore[method-assign]

    def close(x: float, y: float) -> None:
        assert x == pytest.approx(y, rel=1e-9, abs=1e-9)

    def check(index: int, values: dict[str, Any]) -> None:
        for g, own in seen["buyers"].items():
            moves, basket, people = values["flows"][g], values["baskets"][g], world.people[g]
            new = sum(moves[s].get(kind, 0.0) for s in NEWCOMERS for kind in ORDERS)
            every = sum(x.get(kind, 0.0) for x in moves.values() for kind in ORDERS)
            close(sum(own.first.values()), new)
            close(sum(own.by_product.values()), every + basket[RELEASE] + basket[BALANCE])
            assert all(own.first[p] <= own.by_product[p] for p in own.first)
            held = people.people["favourite"] + people.people["cart"], people.carts
            paid = people.people["deposit"], people.deposits
            for who, stand, deposits in zip(WHO, held, paid, strict=True):
                close(sum(world.goods.baskets[who, g].values()), stand)
                close(sum(world.goods.deposits[who, g].values()), deposits)
                assert all(own.part(who, kind) <= 1 + 1e-12 for kind in ORDERS)

    environment = simpy.Environment()
    world.start(environment)
    environment.run(until=environment.process(world.run(environment, world.clock.steps, check)))
    totals = world.result(len(world.clock.steps)).totals
    assert totals["unmet"] > 100 and totals["balances"] > 10
    assert totals["unmet"] == pytest.approx(sum(p.unmet for p in world.goods.products.values()))
    for product in world.goods.products.values():
        assert product.unmet >= -1e-9
        came = product.item.stock + product.pool + sum(r.units for r in product.item.restocks)
        close(product.paid + product.stock_left(), came + product.back_on_sale)
