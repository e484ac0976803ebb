"""Books that no engine wrote: small, seeded, and with everything in them."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from simulator.outcomes.frontier import Frontier, Move, Point
from simulator.outcomes.ledger import COUNTS, Ledger
from simulator.outcomes.margin import Margin, NextMoney
from simulator.outcomes.metrics import Terms
from simulator.outcomes.outcomes import Axes, Outcomes

STAGES = ("outside", "discover", "initial")
MONEY = (
    "refund_value",
    "goods_cost",
    "pooled_fulfilment",
    "refund_cost",
    "return_cost",
    "message_spend",
    "gmv",
    "gmv_campaign",
    "forfeited",
    "contract_spend",
    "money_back",
    "subsidy",
    "refund_subsidy",
    "rebate",
    "credit",
    "guarantee",
    "settlement",
    "hosted_fee",
    "write_down",
    "commission_media",
)


def make_axes(plans=("even", "launch first"), days=3):
    start = date(2020, 10, 21)
    dates = tuple((start + timedelta(n)).isoformat() for n in range(days))
    names = (
        ("scenes", "search", "live"),
        ("presale", "wave"),
        ("young", "members"),
        ("bags", "beans"),
    )
    return Axes(plans, names[0][1:], *names[1:], STAGES, dates)


def make_book(rng, axes, replications):
    """Random numbers of a likely size in every array, less of everything in the last plan."""
    lanes = (len(axes.plans) + 1) * replications
    sizes = len(axes.scenes), len(axes.phases), len(axes.segments), len(axes.products)
    book = Ledger.empty(*sizes, lanes=lanes, days=len(axes.days))
    for name in COUNTS:
        book.totals[name] = rng.uniform(50, 60, lanes)
    for name in ("impressions", "offered", "spend", "gmv_attributed"):
        book.scenes[name] = rng.uniform(500, 900, book.scenes[name].shape)
    for rows in (*book.scenes.values(), *book.products.values(), *book.days.values()):
        rows[:] += rng.uniform(20, 40, rows.shape)
    for name in ("targeted", "allowed"):  # no scene has a target
        book.scenes[name][:] = 0.0
    book.totals["new_customers"] += 200
    book.totals["gmv"] += 5000
    book.totals["goods_cost"] += 1000
    book.spend[:] = rng.uniform(5, 10, book.spend.shape)
    book.viewed[:] = rng.uniform(100, 300, book.viewed.shape)
    book.people = rng.uniform(0, 1000, (len(STAGES), len(axes.segments), lanes))
    names = ("booked", "delivered", "shortfall", "made_good")
    book.packages = {name: rng.uniform(5, 10, (3, lanes)) for name in names}
    book.asset, book.pending = rng.uniform(1e4, 2e4, (2, lanes))
    for rows in (*book.totals.values(), *book.scenes.values(), book.spend, book.viewed):
        rows[..., -replications:] *= 0.3
    return book


def make_terms(rng, axes, replications):
    return Terms.over(
        replications,
        people=rng.uniform(900, 1100, (len(axes.segments), replications)),
        fixed=[[20.0] * len(axes.plans) + [0.0] for _ in axes.scenes],
        money=[[[5.0] * len(axes.plans) + [0.0] for _ in axes.phases] for _ in axes.scenes],
        commission=rng.uniform(0.04, 0.06, replications), payment_fee=0.006, fulfilment=8.0,
        refund_handling=[[8.0]], depreciation=0.05, frequency_shape=0.6,
    )  # fmt: skip


def make_outcomes(seed=1, replications=40, mode="sampled", *, axes=None, chance_only=None):
    rng = np.random.default_rng(seed)
    axes = axes or make_axes()
    book, terms = make_book(rng, axes, replications), make_terms(rng, axes, replications)
    return Outcomes(
        scenario="coffee", title="新咖啡", mode=mode, replications=replications, seed=seed,
        axes=axes, book=book, terms=terms, chance_only=chance_only, scenario_hash="abc",
    )  # fmt: skip


def make_shop(spend, gmv, new):
    """Outcomes of a shop without costs: spend, gmv and new customers [plan, replication].

    The last plan is the zero-spend one; profit is gmv less spend.
    """
    plans, n = np.shape(gmv)
    axes = Axes(tuple("abcdefg"[: plans - 1]), ("ads",), ("all",), ("all",), ("tea",), ("outside",))
    book = Ledger.empty(1, 1, 1, 1, lanes=plans * n)
    book.scenes["spend"][0] = np.ravel(spend)
    book.totals["gmv"] = np.ravel(gmv).astype(float)
    book.totals["new_customers"] = np.ravel(new).astype(float)
    free = dict.fromkeys(("commission", "payment_fee", "fulfilment", "refund_handling"), 0.0)
    terms = Terms.over(
        n, people=[[1e3]], fixed=np.zeros((1, plans)), **free, depreciation=0, frequency_shape=1
    )
    return Outcomes("shop", "Shop", "sampled", n, 0, axes=axes, book=book, terms=terms)


def make_frontier(scenario, *, mode="sampled", objectives=("roi", "new_customers"), **changes):
    """A frontier of two plans and two at other budgets; figures of a shop, plans of a scenario.

    "best 1" brings 18,000 CNY more gmv than "now" in every replication and "best 2" ten more new customers; chance
    is the same for all. A customer is worth 2 CNY later.
    """
    from simulator.scenario.plan import Plan

    names = ("best 1", "best 2", "now", "even split", "70% best 1", "most profit")
    spend = np.outer([100, 100, 100, 100, 70, 120, 0], np.ones(20))
    luck = np.random.default_rng(4).normal(0, 20, 20)
    gmv = np.array([330.0, 320, 300, 290, 250, 340, 100])[:, None] + luck
    new = np.array([60.0, 70, 60, 55, 45, 66, 10])[:, None] + luck / 5
    shop = make_shop(600 * spend, 600 * gmv, new)  # all at the budget spend 60,000 CNY
    shop.book.asset = 2.0 * np.ravel(new)
    orders = shop.book.totals["gmv"] / 60  # of 60 CNY each, one in ten visits
    shop.book.totals["orders"], shop.book.totals["paid_orders"] = orders, orders.copy()
    shop.book.totals["paid_visits"], shop.book.totals["free_visits"] = 4 * orders, 6 * orders
    outcomes = replace(shop, mode=mode, axes=replace(shop.axes, plans=names))
    shares = {"best 1": 0.7, "best 2": 0.9, "70% best 1": 0.5, "most profit": 0.8, "now": 0.5}
    plans = {
        n: replace(Plan.shares(scenario, n, new_customer=s, harvest=1 - s), name=n)
        for n, s in shares.items()
    }
    plans["70% best 1"] = replace(
        plans["70% best 1"],
        money={s: {f: 0.7 * v for f, v in own.items()} for s, own in plans["now"].money.items()},
    )
    tables = {
        "best 1": {
            "new_customer.normal": Margin(30_000, 1.2, 210, 1.3, "inside"),
            "new_customer.sale": Margin(12_000, 1.1, 150, 1.1, "full"),
            "harvest.sale": Margin(0, 0.7, 90, 0.8, "empty"),
        }
    }
    points = [
        Point(
            plans[n], 60_000 * (0.7 if n.startswith("70%") else 1), 0.0, {}, price, tables.get(n, {}),
            next_money=NextMoney(10_000, 2_000.0, 210.0) if n == "best 1" else None,
        )
        for n, price in (("best 1", None), ("best 2", 3.0), ("70% best 1", None), ("most profit", None))
    ]  # fmt: skip
    made = Frontier(
        scenario="shop", budget=60_000, objectives=objectives, points=tuple(points[:2]),
        others=tuple(points[2:]), outcomes=outcomes, current_plan=plans["now"], leader="best 1",
        moves=(Move(400_000, "harvest.sale", "new_customer.normal", 24_000, 3100.0),),
        binding=("no more to buy: new_customer.sale",), calls=3, evaluations=40,
    )  # fmt: skip
    return replace(made, **changes)
