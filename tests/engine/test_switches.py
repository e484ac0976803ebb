"""Every incentive and mechanism, on and off: its sign, its cap, and the laws of the books.

A row of the table is one switch. A tiny world is run without it and with it, its numbers drawn, in
expected and in sampled mode; every run checks the laws of the ledger. The rows here are about
money, goods and what follows an order; those about media and people are in test_switches_market.py.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from simulator.outcomes.metrics import METRICS
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario import read_scenario
from simulator.scenario.plan import all_packages
from simulator.scenario.schema import Scenario
from tests.worlds import SCENARIOS, expected, lanes_of, sampled

Values = dict[str, np.ndarray]
"""Figures of a plan by name: [replication]."""
Drawn = dict[str, Any]
Pairs = list[tuple[Any, Any]]
"""What is never more than what."""
MODES = ("expected", "sampled")
SIGNS = {"+": [1], "-": [-1], "=": [0], "^": [0, 1], "_": [0, -1]}


class Switch(NamedTuple):
    """How a world gets something, what must move, and how far at most."""

    name: str
    on: tuple[str, ...]
    """Settings; %(x)s stands for the drawn number x."""
    draw: dict[str, st.SearchStrategy]
    signs: str
    """Figures with + (rises), - (falls), = (stays), ^ (does not fall), _ (does not rise)."""
    cap: Callable[[Values, Values, Drawn], Pairs] = lambda off, on, x: []
    """Of the figures without and with it."""
    world: tuple[str, ...] = ()
    """Settings beneath, without it and with it."""
    nil: tuple[str, ...] = ()
    """Settings over it that make it nothing: every figure is then as without it, to the last bit."""
    idle: tuple[str, ...] = ()
    """Settings of a world in which it does nothing."""
    noisy: str = ""
    """Figures whose sign chance can hide from a few replications: only expected mode knows it."""


def share(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(least, most).map(lambda x: round(x, 4))


# --- worlds -------------------------------------------------------------------------------------
TINY = (
    "calendar.phases.normal.start=2021-03-23",
    "calendar.phases.sale.clock=6h",
    "calendar.end=2021-03-27",
    "commerce.refund_slow_days=1",
    "calendar.sales_after_days=7",
    "products.coffee.discount.sale=0",
    "products.tea={price: 50, margin: 50%, refund: 8%}",
    "plans.mostly_new=null",
    "scenes.harvest.phases=[]",
    "scenes.new_customer.bid={mode: custom_bid, cost_per: click, target: 1}",
    "scenes.harvest.bid={mode: custom_bid, cost_per: click, target: 1}",
)
"""Three days and a sale of one; bids are fixed and money is ample, so that ads buy the same."""
ELASTIC = ("segments.shoppers.price_elasticity=2",)
STILL = (
    "life_cycle.organic_orders=0",
    *(f"life_cycle.{name}=3650" for name in ("promotion_days", "core_days", "decline_days")),
)
"""What was sold does not come back as free visits, and products stay in their stages."""
EVEN = tuple(
    f"sources.{name}.organic_bands={{outside: 1, aware: 1, active: 1, customers: 1, lapsed: 1}}"
    for name in ("search", "recommend")
)
"""Free visits do not depend on where people stand."""
ALL_FREE = ("sources.search.cannibalisation=0",)
"""Bought visits replace no free ones."""
SCARCE = ("products.tea=null", "products.coffee.stock=150")
"""With a second product, who finds the first one gone would turn to it, and unmet orders would have no sign."""


def tiny(*sets: str) -> Scenario:
    return read_scenario(SCENARIOS / "minimal.yaml", (*TINY, *sets))


@lru_cache(maxsize=64)
def run(mode: str, seed: int, *sets: str) -> Outcomes:
    world = tiny(*sets)
    return expected(world) if mode == "expected" else sampled(world, replications=2, seed=seed)


@lru_cache(maxsize=64)
def values(mode: str, seed: int, *sets: str) -> Values:
    """Every metric of the plan, every total of its book, and those of scenes, products and packages."""
    outcomes = run(mode, seed, *sets)
    plan = outcomes.plans[0]
    book, axes = lanes_of(outcomes, plan), outcomes.axes
    found = {metric.name: outcomes.values(plan, metric.name) for metric in METRICS}
    found |= {f"total {key}": array for key, array in book.totals.items()}
    packages = tuple(name.rpartition(".")[2] for name in all_packages(tiny(*sets)))
    parts = (axes.scenes, book.scenes), (axes.products, book.products), (packages, book.packages)
    for names, part in parts:
        for key, rows in part.items():
            found |= {f"{n} {key}": row for n, row in zip(names, rows, strict=True)}
    return found


# --- what is checked ----------------------------------------------------------------------------
def check(switch: Switch, mode: str, x: Drawn, seed: int) -> None:
    setting = tuple(text % x for text in switch.on)
    off, on = (values(mode, seed, *switch.world, *more) for more in ((), setting))
    check_signs(switch, mode, off, on)
    for number, (less, more) in enumerate(switch.cap(off, on, x)):
        assert (less <= more + 1e-9 * np.abs(more) + 1e-6).all(), (number, less, more)
    if switch.nil:
        check_same(off, values(mode, seed, *switch.world, *setting, *switch.nil))
    if switch.idle:
        without, within = ((*switch.world, *more, *switch.idle) for more in ((), setting))
        check_same(values(mode, seed, *without), values(mode, seed, *within))


def check_signs(switch: Switch, mode: str, off: Values, on: Values) -> None:
    for figure, sign in ((word[:-1].replace(".", " "), word[-1]) for word in switch.signs.split()):
        if mode == "sampled" and figure in switch.noisy:
            continue
        before, after = off[figure].mean(), on[figure].mean()
        slack = 1e-9 * max(abs(before), abs(after))
        rise = int(after > before + slack) - int(after < before - slack)
        assert rise in SIGNS[sign], f"{figure} {sign}: {before} -> {after}"


NOT_OF_SALES = {"peak_spend", "targeted", "allowed", "left", "back_on_sale"}
"""Written down only for money by the day, and where a bid has a target; goods that nobody misses."""


def check_same(off: Values, on: Values) -> None:
    assert off.keys() == on.keys()
    kept = [name for name in off if name.split()[-1] not in NOT_OF_SALES]
    moved = {n: (off[n], on[n]) for n in kept if not np.array_equal(off[n], on[n], equal_nan=True)}
    assert moved == {}


# --- money --------------------------------------------------------------------------------------
MONEY = [
    Switch(
        "red-packet rebate", ("incentives.rebates.red={rate: %(rate)s, cap: %(cap)s, scenes: [harvest]}",),
        {"rate": share(0.01, 1), "cap": share(1, 2e4)},
        "money_back+ net_spend- profit+ spend= gmv= new_customers=",
        lambda off, on, x: [
            (on["money_back"], x["cap"]), (on["money_back"], x["rate"] * on["harvest spend"]),
            (np.minimum(x["cap"], x["rate"] * on["harvest spend"]) - 0.01, on["money_back"]),
        ],
        nil=("incentives.rebates.red.rate=0",),
    ),
    Switch(
        "rebate of a large spender", ("incentives.rebates.red={rate: %(rate)s}",), {"rate": share(0.5, 1)},
        "net_spend- profit+ gmv=", lambda off, on, x: [(on["money_back"], 2e5), (2e5, on["money_back"])],
        world=("budget=4m", "slots.feed.opportunities=20m", "segments.shoppers.people=40m",
               "scenes.harvest.bid.target=9"),
    ),
    Switch(
        "credit for small merchants", ("incentives.credit={match: %(match)s, cap: %(cap)s, budget_below: 61k}",),
        {"match": share(0.01, 1), "cap": share(1, 2e4)},
        "money_back+ net_spend- profit+ spend= gmv=",
        lambda off, on, x: [(on["money_back"], x["cap"]), (on["money_back"], x["match"] * on["spend"])],
        nil=("incentives.credit.budget_below=60k",),
    ),
    Switch(
        "seven-day guarantee of a return",
        ("incentives.roi_guarantees.seven={scenes: [harvest], target: %(target)s, organic: %(organic)s}",),
        {"target": share(50, 500), "organic": st.sampled_from(["true", "false"])},
        "money_back+ net_spend- profit+ spend= gmv=",
        lambda off, on, x: [(on["money_back"], on["harvest spend"])],
        nil=("incentives.roi_guarantees.seven={organic: true, least_orders: 1m}",),
    ),
    Switch(
        "hosted guarantee",
        ("incentives.hosted.sky={guaranteed_gmv: %(floor)s, fee: %(fee)s, products: [tea]}",),
        {"floor": share(1e5, 1e7), "fee": share(0.01, 0.9)},
        "settlement+ net_spend= gmv= spend=",  # of contribution and profit either sign
        lambda off, on, x: [
            (x["floor"], on["tea gmv"] + on["settlement"]),
            (on["tea gmv"] + on["settlement"], np.maximum(x["floor"] + 0.01, on["tea gmv"])),
            (off["contribution"] - on["contribution"] + on["settlement"], x["fee"] * on["tea gmv"]),
            (x["fee"] * on["tea gmv"], off["contribution"] - on["contribution"] + on["settlement"]),
        ],
        nil=("incentives.hosted.sky={guaranteed_gmv: 1, fee: 0}",),
    ),
    *(
        Switch(
            name, (f"commerce.{name}=%(fee)s",), {"fee": share(0.01, 0.3)},
            "contribution- profit- asset_value- gmv= revenue= spend=",
            lambda off, on, x, of=of: [
                (off["contribution"] - on["contribution"], x["fee"] * on[of]),
                (x["fee"] * on[of], off["contribution"] - on["contribution"]),
            ],
            world=(f"commerce.{name}=0",), nil=(f"commerce.{name}=0",),
        )
        for name, of in (("commission", "revenue"), ("technology_fee", "revenue"), ("payment_fee", "gmv"))
    ),
]  # fmt: skip
PRICES = [
    Switch(
        "smart coupon", ("incentives.coupons.smart={merchant: %(cut)s}",), {"cut": share(0.01, 0.5)},
        "paid_orders+ new_customers+ aov-",  # of gmv and profit either sign
        lambda off, on, x: [(off["aov"] * (1 - x["cut"]), on["aov"] * 1.01)],
        ELASTIC, nil=("incentives.coupons.smart.merchant=1e-300",),
    ),
    Switch(
        "coupon for buyers whom no price moves", ("incentives.coupons.smart={merchant: %(cut)s}",),
        {"cut": share(0.01, 0.5)}, "gmv- revenue- contribution- paid_orders= new_customers= spend=",
        lambda off, on, x: [(off["gmv"] * (1 - x["cut"]), on["gmv"])],
        nil=("incentives.coupons.smart.merchant=1e-300",),
    ),
    Switch(
        "coupon of the platform", ("incentives.coupons.smart={platform: %(cut)s}",), {"cut": share(0.01, 0.5)},
        "subsidy+ paid_orders+ contribution+ profit+",
        lambda off, on, x: [(on["total subsidy"], x["cut"] * (on["gmv"] + on["total subsidy"]))],
        ELASTIC, nil=("incentives.coupons.smart.platform=1e-300",),
    ),
    Switch(
        "threshold coupon", ("incentives.coupons.full={merchant: 1e-9, order_value: %(goods)s, refund: %(back)s}",),
        {"goods": share(1.02, 3), "back": share(1.3, 5)}, "aov+ gmv+ refunds+",
        lambda off, on, x: [
            (on["aov"], x["goods"] * off["aov"] * 1.001),
            (on["total goods_cost"], x["goods"] * off["total goods_cost"] * 1.05),
            (on["refunds"] / on["paid_orders"], x["back"] * off["refunds"] / off["paid_orders"]),
        ],
        nil=("incentives.coupons.full={order_value: 1, refund: 1, merchant: 1e-300}",),
    ),
    Switch(
        "state subsidy", ("incentives.subsidies.state={rate: %(rate)s, quota: %(quota)s, cap: %(most)s}",),
        {"rate": share(0.02, 0.8), "quota": share(500, 1e5), "most": share(2, 50)},
        "subsidy+ paid_orders+ contribution+",
        lambda off, on, x: [
            (on["total subsidy"], x["quota"]), (on["total subsidy"], x["most"] * on["paid_orders"]),
            (on["total subsidy"], x["rate"] * (on["gmv"] + on["total subsidy"])),
        ],
        ELASTIC, nil=("incentives.subsidies.state.quota=0",),
    ),
    Switch(
        "dates of a subsidy", ("incentives.subsidies.state.end=%(end)s",),
        {"end": st.sampled_from(["2021-03-24", "2021-03-25 12:00", "2021-03-26 06:00"])},
        "subsidy- paid_orders- contribution-",
        world=(*ELASTIC, "incentives.subsidies.state={rate: 20%, quota: 90m, start: 2021-03-23}"),
        nil=("incentives.subsidies.state.end=2021-09-01",),
    ),
    Switch(
        "price cut of a phase", ("products.coffee.discount.sale=%(cut)s",), {"cut": share(0.02, 0.6)},
        "coffee.paid+ paid_orders+ aov-", world=ELASTIC, nil=("products.coffee.discount.sale=0",),
    ),
    Switch(
        "price cut that moves nobody", ("products.coffee.discount.sale=%(cut)s",), {"cut": share(0.02, 0.6)},
        "gmv- contribution- paid_orders= new_customers=",
        lambda off, on, x: [(off["gmv"] * (1 - x["cut"]), on["gmv"])], nil=("products.coffee.discount.sale=0",),
    ),
    Switch(
        "usual discount of a phase", ("calendar.phases.sale.usual_discount=%(cut)s",), {"cut": share(0.02, 0.6)},
        "paid_orders- gmv-", world=ELASTIC, idle=("segments.shoppers.price_elasticity=0",),
    ),
    Switch(
        "clearance down to the salvage value", ("products.tea.salvage=%(worth)s",), {"worth": share(0, 24.5)},
        "contribution- gmv= paid_orders=",
        lambda off, on, x: [
            (on["total write_down"], (5000 - on["tea paid"] + on["tea refunds"]) * (25 - x["worth"])),
            ((5000 - on["tea paid"]) * (25 - x["worth"]), on["total write_down"]),
        ],
        world=("products.tea.stock=5000",), nil=("products.tea.salvage=25",),
    ),
    Switch(
        "no price below the salvage value", ("products.tea.salvage=%(worth)s",), {"worth": share(6, 25)},
        "tea.gmv+ tea.paid= coffee.gmv=",
        lambda off, on, x: [(on["tea gmv"], off["tea gmv"] * max(1, x["worth"] / 5))],
        world=("products.tea.stock=5000", "products.tea.discount={normal: 90%, sale: 90%}"),
    ),
]  # fmt: skip
GOODS = [
    Switch(
        "product power", ("products.coffee.product_power=%(power)s",), {"power": share(1.05, 3)},
        "coffee.paid+ paid_orders+ gmv+",
        lambda off, on, x: [(on["coffee paid"], x["power"] * off["coffee paid"] * 1.02)],
        STILL, nil=("products.coffee.product_power=1",),
    ),
    Switch(
        "decay of generations", ("products.coffee.generation=%(n)s", "life_cycle.generation_decay=%(decay)s"),
        {"n": st.integers(2, 6), "decay": share(0.02, 0.5)}, "coffee.paid- paid_orders- gmv-",
        lambda off, on, x: [((1 - x["decay"]) ** (x["n"] - 1) * off["coffee paid"], on["coffee paid"] * 1.02)],
        STILL, nil=("products.coffee.generation=1",),
    ),
    Switch(
        "halo of a hit", ("life_cycle.halo=%(halo)s", "life_cycle.halo_cvr=%(cvr)s"),
        {"halo": share(0.02, 1), "cvr": share(0.01, 0.2)}, "visits+ paid_orders+ tea.paid+",
        lambda off, on, x: [(on["total free_visits"], off["total free_visits"] + x["halo"] * off["visits"])],
        (*STILL, *EVEN, "products.coffee.product_stage=hit"), nil=("life_cycle.halo=0",),
        idle=("products.coffee.product_stage=core",),
    ),
    Switch(
        "refunds", ("products.coffee.refund=%(odds)s",), {"odds": share(0.01, 0.6)},
        "refunds+ revenue- contribution-",
        lambda off, on, x: [(on["coffee refunds"], on["coffee paid"])],
        world=("products.coffee.refund=0",), nil=("products.coffee.refund=0",),
    ),
    Switch(
        "presale deposits",
        ("calendar.phases.normal.deposit=%(odds)s", "calendar.phases.normal.deposit_release=%(rate)s"),
        {"odds": share(0.1, 2), "rate": share(0, 0.05)}, "deposits+ total.forfeited+ paid_orders+",
        lambda off, on, x: [(on["paid_orders"] - off["paid_orders"], on["deposits"])],
        ("calendar.balances=[{start: 2021-03-26, end: 2021-03-27, completion: 80%}]", "products.coffee.presale=true"),
        nil=("calendar.phases.normal.deposit=0", "calendar.phases.normal.deposit_release=0"),
        idle=("products.coffee.presale=false",),
    ),
    Switch(
        # A few units that are announced fill more baskets than they serve.
        "restock", ("products.coffee.restocks=[{at: 2021-03-25, units: %(units)s}]",), {"units": st.integers(100, 400)},
        "coffee.paid+ unmet- gmv+",
        lambda off, on, x: [(on["coffee paid"], 150 + x["units"] + on["coffee back_on_sale"])],
        world=SCARCE, idle=("products.coffee.stock=1m",),
    ),
    Switch(
        "pooled stock", ("products.coffee.pooled={units: %(units)s, share: %(part)s, fulfilment: 20}",),
        {"units": st.integers(20, 400), "part": share(0.1, 1)}, "coffee.paid+ pooled+ unmet- gmv+",
        lambda off, on, x: [
            (on["pooled"], x["units"] * x["part"]),
            (on["coffee paid"], 150 + x["units"] * x["part"] + on["coffee back_on_sale"]),
        ],
        world=SCARCE, idle=("products.coffee.stock=1m",),
    ),
    Switch(
        "parcels on sale again", ("commerce.resale=%(part)s",), {"part": share(0.1, 1)},
        "coffee.back_on_sale+ coffee.paid+ unmet-",
        lambda off, on, x: [
            (on["coffee back_on_sale"], on["coffee refunds"]), (on["coffee paid"], 150 + on["coffee back_on_sale"]),
        ],
        world=(*SCARCE, "commerce.resale=0", "products.coffee.refund=40%"), nil=("commerce.resale=0",),
        idle=("products.coffee.stock=1m",), noisy="coffee paid unmet",
    ),
    Switch(
        "another product instead", ("commerce.substitution=%(part)s",), {"part": share(0.1, 1)},
        "tea.paid+ unmet- gmv+", lambda off, on, x: [(on["tea paid"] - off["tea paid"], off["unmet"])],
        world=("products.coffee.stock=50", "commerce.substitution=0"), nil=("commerce.substitution=0",),
        idle=("products.coffee.stock=1m",),
    ),
]  # fmt: skip
AFTER = [
    Switch(
        "load of the payment gate", ("calendar.phases.sale.payment_load=%(load)s",), {"load": share(0.2, 20)},
        "failed_payments+ paid_orders- gmv-",
        lambda off, on, x: [(on["failed_payments"], on["orders"] / 2)],
        ("payment.wallet_share=0", "payment.retry=0"), nil=("calendar.phases.sale.payment_load=0",),
    ),
    Switch(
        "capacity of the payment gate", ("payment.capacity=%(room)s",), {"room": share(1, 40)},
        "failed_payments+ paid_orders- gmv-",
        lambda off, on, x: [(on["failed_payments"], on["orders"] / 2)],
        ("payment.wallet_share=0", "payment.retry=0", "payment.capacity=1e9"), nil=("payment.capacity=1e9",),
    ),
    Switch(
        "filled wallets", ("calendar.phases.normal.wallet_topup=%(part)s",), {"part": share(0.05, 1)},
        "failed_payments- paid_orders+",
        world=("payment.wallet_share=20%", "calendar.phases.sale.payment_load=3"),
        nil=("calendar.phases.normal.wallet_topup=0",), idle=("payment.wallet_share=1",),
        noisy="paid_orders",
    ),
    Switch(
        "capacity of shipping", ("shipping={per_day: %(room)s, late_refund: %(odds)s, late_score: 0}",),
        {"room": share(20, 150), "odds": share(1.5, 10)},
        "late_share+ peak_shipping_delay+ shipping_delay+ refunds+",
        lambda off, on, x: [
            # drawn counts are off their means by less than one each
            (on["refunds"] - 2, x["odds"] * off["refunds"] * on["paid_orders"] / off["paid_orders"]),
        ],
        world=("shipping={per_day: 1e9, late_score: 0}",), nil=("shipping={per_day: 1e9, late_refund: 2}",),
    ),
    Switch(
        "service score that overload moves", ("shipping.late_score=%(fall)s",), {"fall": share(0.05, 2)},
        "peak_score_fall+ impressions- spend-",
        lambda off, on, x: [(on["peak_score_fall"], x["fall"])],
        world=("shipping={per_day: 20, late_days: 1, half_life_days: 1, late_score: 0}",),
        nil=("shipping.late_score=0",), idle=("shipping.per_day=1e9",),
    ),
]  # fmt: skip
SWITCHES = [*MONEY, *PRICES, *GOODS, *AFTER]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.name)
@settings(max_examples=5, phases=[Phase.generate])
@given(data=st.data(), seed=st.sampled_from([1, 2, 3]))
def test_a_switch_has_its_sign_and_its_cap(switch: Switch, mode: str, data: Any, seed: int):
    check(switch, mode, data.draw(st.fixed_dictionaries(switch.draw)), seed)


def test_a_rebate_that_is_put_back_into_ads_sells_more():
    """At fixed bids a rebate changes no sales; whoever spends it on ads in turn has more of them."""
    bids = tuple(
        f"scenes.{s}.bid={{mode: max_amount, cost_per: order}}" for s in ("new_customer", "harvest")
    )
    rebate = "incentives.rebates.red={rate: 20%}"
    kept, again = (values("expected", 1, *bids, rebate, f"budget={b}") for b in ("20k", "24k"))
    assert kept["spend"] == pytest.approx(2e4, rel=0.01)
    assert again["gmv"] > 1.005 * kept["gmv"]
    assert again["net_spend"] < 2e4


@pytest.mark.parametrize("mode", MODES)
def test_a_longer_tail_leaves_the_best_item_less(mode: str):
    """Ranks are read after the run: they change nothing of it."""
    worlds = [("products.coffee.items=30", f"products.coffee.tail={tail}") for tail in (0, 0.7, 2)]
    runs = [run(mode, 1, *sets) for sets in worlds]
    best = [
        outcomes.items(outcomes.plans[0], least=1).loc["coffee", "gmv_of_best"] for outcomes in runs
    ]
    assert best[0] < best[1] < best[2]
    check_same(values(mode, 1, *worlds[0]), values(mode, 1, *worlds[2]))
