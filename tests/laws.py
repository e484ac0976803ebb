"""The laws of every run, stated once more on what a user gets: for random worlds and for every shipped scenario."""

import math
from collections.abc import Sequence

import numpy as np

from simulator.outcomes.ledger import Ledger
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario


def check_outcomes(
    scenario: Scenario, plans: Sequence[Plan], outcomes: Outcomes, slack: float
) -> None:
    """All laws, in the lanes of every plan and of the zero-spend plan; slack 0 for whole numbers."""
    check_people(scenario, outcomes, slack)
    check_money(scenario, plans, outcomes)
    check_order_of_counts(scenario, outcomes.book, slack)
    check_sums(outcomes.book)
    book = outcomes.book
    assert_close(
        book.products["paid"] + book.products["left"] - book.products["back_on_sale"],
        ever_in_stock(scenario)[:, None],
        slack,
    )
    goods = {name: rows for name, rows in book.products.items() if name != "sold_out_day"}
    assert (book.products["sold_out_day"] >= 0).all()
    groups = (book.totals, book.scenes, goods, book.packages)
    for array in (*(a for group in groups for a in group.values()), book.viewed):
        assert np.isfinite(array).all()
        assert array.min(initial=0.0) >= -1e-6


def check_people(scenario: Scenario, outcomes: Outcomes, slack: float) -> None:
    """Nobody comes or goes: every segment ends with as many people as it had."""
    people = np.array([[float(g.people)] for g in scenario.segments.values()])
    people = people if slack else np.rint(people)
    found = outcomes.book.people
    assert_close(found.sum(axis=0), np.broadcast_to(people, found.shape[1:]), slack)
    assert found.min() >= (-1e-6 if slack else 0)


def check_money(scenario: Scenario, plans: Sequence[Plan], outcomes: Outcomes) -> None:
    """No cell, no scene and no plan spends more than it has; packages come on top of the cells."""
    book, spend = outcomes.book, outcomes.book.spend
    money = np.repeat(cells(plans, outcomes), outcomes.replications, axis=2)
    assert_most(spend.sum(axis=1), money.sum(axis=1), 1e-9)
    pots = [scene.budget_kind == "cycle" for scene in scenario.scenes.values()]
    assert_most(np.where(np.array(pots)[:, None, None], 0.0, spend), money, 1e-9)
    every = spend.sum(axis=(0, 1)) + book.totals["contract_spend"]
    assert_close(book.scenes["spend"].sum(axis=0), every, 1e-9)
    assert_most(book.totals["contract_spend"], book.packages["price"].sum(axis=0), 1e-9)


def cells(plans: Sequence[Plan], outcomes: Outcomes) -> np.ndarray:
    """Auction money [CNY]: [scene, phase, plan], nothing in the plan without ads."""
    axes = outcomes.axes
    table = [
        [[plan.money.get(scene, {}).get(phase, 0.0) for plan in plans] for phase in axes.phases]
        for scene in axes.scenes
    ]
    return np.pad(np.array(table), ((0, 0), (0, 0), (0, 1)))


def check_order_of_counts(scenario: Scenario, book: Ledger, slack: float) -> None:
    """Nothing is more than what it is a part of."""
    t, scenes, goods, packs = book.totals, book.scenes, book.products, book.packages
    for less, more in (
        (scenes["clicks"], scenes["impressions"]),
        (scenes["visits"], scenes["clicks"]),
        (t["paid_orders"], t["orders"]),
        (goods["refunds"], goods["paid"]),
        (goods["back_on_sale"], goods["refunds"]),
        (goods["paid"] - goods["back_on_sale"], ever_in_stock(scenario)[:, None]),
        (goods["pooled"], goods["paid"]),
        (t["late_orders"], t["paid_orders"]),
        (t["refunds"] + book.pending, t["paid_orders"]),
        (t["new_customers"] + t["recalled_members"], t["paid_orders"]),
        (t["refunded_new"], t["new_customers"]),
        (scenes["orders_attributed"].sum(axis=0), t["paid_orders"]),
        (scenes["gmv_attributed"].sum(axis=0), t["gmv"]),
        (packs["delivered"], packs["booked"]),
    ):
        assert_most(less, more, max(slack, 1e-9))


def check_sums(book: Ledger) -> None:
    """Parts add up to the whole: packages, products, days."""
    t, scenes, goods, packs = book.totals, book.scenes, book.products, book.packages
    assert_close(packs["delivered"] + packs["shortfall"], packs["booked"], 1e-9)
    wholes = {"paid": "paid_orders", "gmv": "gmv", "refunds": "refunds", "unmet": "unmet"}
    for name, whole in wholes.items():
        assert_close(goods[name].sum(axis=0), t[whole], 1e-9)
    for name, total in (
        ("gmv", t["gmv"]),
        ("spend", scenes["spend"].sum(axis=0)),
        ("new_customers", t["new_customers"]),
        ("visits", t["paid_visits"] + t["free_visits"] + t["commission_visits"]),
    ):
        assert_close(book.days[name].sum(axis=0), total, 1e-9)
    assert_close(book.days["scene_gmv"].sum(axis=0), scenes["gmv_attributed"], 1e-9)


def check_whole(book: Ledger) -> None:
    """People, clicks and orders are whole; advertising money is whole fen.

    A package's impressions are whole, too (its segments share them in fractions); what is made
    good has its own test.
    """
    counts = ("favourites", "carts", "deposits", "balances", "orders", "paid_orders", "unmet", "new_customers",
              "refunded_new", "recalled_members", "returned", "lapsed")  # fmt: skip
    whole = [book.totals[name] for name in counts]
    goods = [book.products[name] for name in ("paid", "unmet", "left", "back_on_sale")]
    whole += [book.scenes["clicks"], *goods, book.packages["delivered"]]
    for array in (*whole, book.people):
        np.testing.assert_array_equal(array, np.rint(array))
    seen = book.scenes["impressions"].sum(axis=0) - book.packages["made_good"].sum(axis=0)
    np.testing.assert_allclose(seen, np.rint(seen), rtol=1e-12, atol=1e-6)
    fen = book.spend * 100
    np.testing.assert_allclose(fen, np.rint(fen), atol=1e-3)


def ever_in_stock(scenario: Scenario) -> np.ndarray:
    """Units of each product at the start, in all deliveries and in shops that send."""
    return np.array([
        float(p.stock) + sum(r.units for r in p.restocks)
        + (math.floor(p.pooled.units * p.pooled.share) if p.pooled else 0)
        for p in scenario.products.values()
    ])  # fmt: skip


def assert_close(left: np.ndarray, right: np.ndarray, slack: float) -> None:
    """Equal but for `slack` of the right side."""
    assert (np.abs(left - right) <= slack * np.maximum(np.abs(right), 1.0)).all()


def assert_most(less: np.ndarray, more: np.ndarray, slack: float) -> None:
    """Never above, but for `slack`."""
    assert (less - more <= slack * np.maximum(np.abs(more), 1.0)).all()
