"""The table of test_switches.py, continued: media, contracts, crowds, partners and people."""

from math import exp
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.engine.test_switches import (
    ALL_FREE,
    EVEN,
    MODES,
    STILL,
    Drawn,
    Pairs,
    Switch,
    Values,
    check,
    share,
)

# --- worlds -------------------------------------------------------------------------------------
CONTRACT = (
    "slots.focus={kind: contract, source: recommend, opportunities: 200k, cpm: 5, ctr: 4%, cvr: 1%, "
    "make_good_days: 5, packages: {opening: {impressions: 400k, phases: [normal], scene: new_customer}}}",
    "scenes.new_customer.slots=[feed, focus]",
)
SENT = 0.6
"""Share of refunds whose parcel had been sent; the others cost nothing to send back."""
SHORT = (*CONTRACT, "slots.focus.packages.opening.impressions=1.2m")
"""Twice of what there is."""
AMPLE = ("slots.focus.opportunities=90m",)
NO_PACKAGES = "plans.half_half={scenes: {new_customer: 20k, harvest: 20k}, packages: none}"
CANCELLED = (
    *CONTRACT, "slots.focus.cancellation_fee=0", "slots.focus.packages.opening.signed=true",
    NO_PACKAGES,
)  # fmt: skip
TIGHT = (
    "budget=3k",
    "scenes.new_customer.bid={mode: max_amount, cost_per: click}",
    "scenes.harvest.bid={mode: max_amount, cost_per: click}",
)
"""All money is spent."""
BUSY = ("shipping={per_day: 20, late_days: 1, half_life_days: 1, late_score: 1}",)
CROWD = ("scenes.new_customer.selection={pool: 1, cvr: 1, cpm: 1}",)
MEMBERS = ("segments.members={people: 40k, start: {initial: 5%}}",)


def equal(left: Any, right: Any) -> Pairs:
    return [(left, right), (right, left)]


def lost_visits(off: Values, on: Values, x: Drawn) -> Pairs:
    return [
        (off["total free_visits"] - on["total free_visits"], x["part"] * on["total paid_visits"])
    ]


def lifted(off: Values, on: Values, x: Drawn) -> Pairs:
    return [(on["total free_visits"], (1 + x.get("cap", 0.4)) * off["total free_visits"])]


def habit(off: Values, on: Values, x: Drawn) -> Pairs:
    """All customers at the rate of the first day, for three weeks."""
    tau = x["tau"] * 365 / 12
    rate = x["rate"] / (tau * (1 - exp(-365 / tau)))
    return [
        (on["paid_orders"] - off["paid_orders"], 21 * rate * (12e3 + on["total new_customers"]))
    ]


def fees(off: Values, on: Values, x: Drawn) -> Pairs:
    """A package of 2,000 CNY."""
    return equal(on["spend"] - off["spend"], 2000 * x["part"])


# --- free visits --------------------------------------------------------------------------------
FREE = [
    Switch(
        "lift of free visits", ("scenes.harvest.organic_boost=%(lift)s", "life_cycle.organic_boost_cap=%(cap)s"),
        {"lift": share(0.05, 5), "cap": share(0.01, 1)}, "total.free_visits+ visits+ gmv+", lifted,
        (*STILL, *EVEN), nil=("life_cycle.organic_boost_cap=0",), idle=("scenes.harvest.organic_boost=0",),
    ),
    Switch(
        "lift of free visits by 40% at most", ("scenes.harvest.organic_boost=%(lift)s",), {"lift": share(1, 5)},
        "total.free_visits+", lifted, (*STILL, *EVEN), nil=("scenes.harvest.organic_boost=0",),
    ),
    Switch(
        "cannibalisation", tuple(f"sources.{name}.cannibalisation=%(part)s" for name in ("search", "recommend")),
        {"part": share(0.01, 0.3)}, "total.free_visits- visits- gmv- profit-", lost_visits, (*STILL, *EVEN, *ALL_FREE),
        nil=tuple(f"sources.{name}.cannibalisation=0" for name in ("search", "recommend")),
    ),
    Switch(
        "free visits that follow the service score", ("life_cycle.organic_score=%(points)s",),
        {"points": share(0.1, 10)}, "total.free_visits- gmv-", world=BUSY, nil=("life_cycle.organic_score=0",),
        idle=("shipping.late_score=0",),
    ),
    Switch(
        "venue of a marketing IP", ("slots.focus.packages.opening.free_visits=%(times)s",), {"times": share(1.05, 5)},
        "total.free_visits+ gmv+",
        lambda off, on, x: [(on["total free_visits"], x["times"] * off["total free_visits"])],
        (*STILL, *EVEN, *CONTRACT), nil=("slots.focus.packages.opening.free_visits=1",),
    ),
    Switch(
        "extra of an opening", ("calendar.phases.sale.burst.extra=%(part)s",), {"part": share(0.01, 1)},
        "total.free_visits+ visits+ paid_orders+ gmv+",
        lambda off, on, x: [(on["total free_visits"], (1 + 0.45 * x["part"]) * off["total free_visits"])],
        (*STILL, *EVEN, *ALL_FREE, "calendar.phases.sale.burst={}"), nil=("calendar.phases.sale.burst.extra=0",),
    ),
    Switch(
        "pushes",
        ("pushes.fans={source: search, days: [2021-03-23], audience: {active: %(part)s, customers: %(part)s}, "
         "reach: %(reach)s, ctr: 8%%, cost: %(cost)s}",),
        {"part": share(0.1, 1), "reach": share(0.05, 1), "cost": share(0.01, 1)},
        "messages+ visits+ paid_orders+ net_spend+",
        lambda off, on, x: [
            *equal(on["net_spend"] - on["spend"], x["cost"] * on["messages"]),
            *equal(on["total free_visits"] - off["total free_visits"], 0.08 * x["reach"] * on["messages"]),
        ],
        (*STILL, *EVEN, *ALL_FREE), idle=("segments.shoppers.start={discover: 0, engage: 0, cart: 0, initial: 0}",),
    ),
    Switch(
        "affiliates and creators",
        ("commissions.partner={source: search, visits: %(visits)s, bands: {aware: 1, active: 2}, cvr: 5%%, "
         "rate: %(rate)s, fee: %(fee)s, cap: %(cap)s}",),
        {"visits": share(50, 5000), "rate": share(0.01, 0.8), "fee": share(0, 90), "cap": share(100, 1e4)},
        "commission_media+ net_spend+ visits+ paid_orders+ gmv+",
        lambda off, on, x: [
            (on["commission_media"], x["cap"]), (on["commission_media"], x["fee"] + x["rate"] * on["gmv"]),
            *equal(on["net_spend"], on["spend"] + on["commission_media"]),
        ],
        nil=("commissions.partner={visits: 0, fee: 0}",),
    ),
]  # fmt: skip
# --- auctions -----------------------------------------------------------------------------------
AUCTIONS = [
    Switch(
        "value-aware bidding", tuple(f"scenes.{s}.prediction=%(tau)s" for s in ("new_customer", "harvest")),
        {"tau": share(0.1, 1.5)}, "clicks+ cpc-", lambda off, on, x: [(on["spend"], 3000)],
        (*TIGHT, "scenes.new_customer.prediction=0", "scenes.harvest.prediction=0"),
        nil=("scenes.new_customer.prediction=0", "scenes.harvest.prediction=0"),
    ),
    Switch(
        "better served rivals", ("rivals_above=%(part)s",), {"part": share(0.33, 1)},
        "impressions- win_rate- clicks-", nil=("rivals_above=30%",),
        idle=("rival_scores={above: 4.8, below: 4.8}",),
    ),
    Switch(
        "service score", ("service_score=%(score)s",), {"score": share(4.62, 5)}, "impressions+ win_rate+ clicks+",
        nil=("service_score=4.6",),
    ),
    Switch(
        "quality of products", ("life_cycle.quality=[1, 1, 1, 1, %(times)s, 1]",), {"times": share(1.02, 3)},
        "impressions+ win_rate+ clicks+", world=("life_cycle.quality=[1, 1, 1, 1, 1, 1]", *STILL),
        nil=("life_cycle.quality=[1, 1, 1, 1, 1, 1]",),
    ),
    Switch(
        "reserve price", ("slots.feed.reserve_cpm=%(least)s",), {"least": share(15, 60)},
        "new_customer.impressions- impressions-", nil=("slots.feed.reserve_cpm=0",),
    ),
    Switch(
        "rivals of a phase", ("slots.feed.rival_level.sale=%(times)s",), {"times": share(1.05, 5)},
        "impressions- win_rate-", nil=("slots.feed.rival_level.sale=1",),
    ),
    Switch(
        "first price", ("slots.feed.mechanism=first_price",), {}, "new_customer.spend+ profit-",
    ),
    Switch(
        "wear-out", ("chain.fatigue=%(rate)s",), {"rate": share(0.02, 2)}, "clicks- ctr-",
        world=("chain.fatigue=0",), nil=("chain.fatigue=0",),
    ),
    Switch(
        "a limit on the cost of a click", ("scenes.harvest.bid={mode: cost_control, target: %(limit)s}",),
        {"limit": share(0.2, 3)}, "harvest.spend_",
        lambda off, on, x: [(on["harvest spend"], x["limit"] * on["harvest clicks"] * 1.1)], TIGHT,  # some 800 clicks
        nil=("scenes.harvest.bid.target=1e9",),
    ),
    Switch(
        "a return that counts free sales", ("scenes.harvest.bid={counts_organic: true}",), {},
        "harvest.spend+", lambda off, on, x: [(on["harvest spend"], 3e4)],
        ("scenes.harvest.bid={mode: roi_control, target: 20}",),
        nil=("scenes.harvest.bid={counts_organic: false}",),
    ),
    Switch(
        "most money of a day", ("scenes.harvest.daily_cap=%(cap)s",), {"cap": share(5, 300)},
        "harvest.spend-",  # what it leaves, other scenes may buy
        lambda off, on, x: [(on["harvest peak_spend"], x["cap"]), (on["harvest spend"], 4 * x["cap"])],
        nil=("scenes.harvest.daily_cap=1bn",),
    ),
    Switch(
        "money by the day", ("scenes.harvest.budget_kind=daily",), {}, "harvest.spend_",
        lambda off, on, x: [(on["harvest spend"], 1500)], TIGHT, idle=("scenes.harvest.phases=[sale]",),
    ),
    Switch(
        "one pot for all phases", ("scenes.harvest.budget_kind=cycle",), {},
        "harvest.spend^", lambda off, on, x: [(on["harvest spend"], 1500)],
        ("budget=3k", "scenes.harvest.bid.target=5"),
        idle=("scenes.harvest.phases=[sale]",), noisy="harvest spend",
    ),
    Switch(
        "haste where money is ample", ("scenes.harvest.pacing=quick",), {}, "spend= gmv= clicks= profit=",
    ),
]  # fmt: skip
# --- contracts ----------------------------------------------------------------------------------
BOOKED = [
    Switch(
        "frequency cap", ("slots.focus.frequency_cap=%(cap)s",), {"cap": st.integers(1, 4)},
        "opening.delivered- fill_rate-", lambda off, on, x: [(on["opening delivered"], 3 * 4e5 * x["cap"])],
        SHORT, idle=("slots.focus.opportunities=90m", "slots.focus.packages.opening.impressions=30k"),
    ),
    Switch(
        "refund of a shortfall", ("slots.focus.remedy=refund",), {},
        "total.contract_spend- opening.made_good-",
        lambda off, on, x: equal(
            off["total contract_spend"] - on["total contract_spend"], 0.005 * on["opening shortfall"]
        ),
        SHORT, idle=AMPLE,
    ),
    Switch(
        "make-good", ("slots.focus.make_good=%(part)s",), {"part": share(0.05, 1)},
        "opening.made_good+ total.contract_spend= opening.delivered=",
        lambda off, on, x: [(on["opening made_good"], x["part"] * on["opening shortfall"] + 1)],
        (*SHORT, "slots.focus.make_good=0"), nil=("slots.focus.make_good=0",), idle=AMPLE,
    ),
    Switch(
        "high water mark", ("slots.focus.packages.rest={impressions: %(n)s, phases: [normal], scene: new_customer}",),
        {"n": st.integers(10**4, 3 * 10**6)}, "opening.delivered-",
        lambda off, on, x: [
            (on["opening delivered"] + on["rest delivered"], off["opening delivered"] + 3),
            (on["opening delivered"] / 1.2e6, on["rest delivered"] / x["n"] + 3 / x["n"]),
            (on["rest delivered"] / x["n"], on["opening delivered"] / 1.2e6 + 3 / x["n"]),
        ],
        SHORT,
    ),
    Switch(
        "cancellation fee", ("slots.focus.cancellation_fee=%(part)s",), {"part": share(0.01, 1)},
        "spend+ profit- total.contract_spend+ gmv= impressions=", fees, CANCELLED,
        nil=("slots.focus.cancellation_fee=0",),
    ),
    Switch(
        "deposit of a cancelled package", ("slots.focus.deposit=%(part)s",), {"part": share(0.01, 1)},
        "spend+ profit- gmv= impressions=", fees, CANCELLED, nil=("slots.focus.deposit=0",),
    ),
    Switch(
        "deposit of a package that runs", ("slots.focus.deposit=%(part)s",), {"part": share(0.01, 1)},
        "spend= profit= gmv= total.contract_spend=", world=(*SHORT, "slots.focus.remedy=refund"),
        nil=("slots.focus.deposit=0",),
    ),
    Switch(
        "price that rises as the date comes near", ("slots.focus.price_steps={per_week: %(step)s, weeks: 3}",),
        {"step": share(0.01, 1)}, "total.contract_spend+ opening.delivered=",
        lambda off, on, x: equal(on["total contract_spend"], (1 + 2 * x["step"]) * off["total contract_spend"]),
        (*CONTRACT, "slots.focus.packages.opening.booked_at=2021-03-15", "chance.supply_sd=0"),
        nil=("slots.focus.price_steps.per_week=0",),
    ),
    Switch(
        "auctions that contracts leave less to", ("slot_price_scarcity=%(eta)s",), {"eta": share(0.1, 3)},
        "win_rate- harvest.impressions-", world=(*CONTRACT, "slots.focus.shares=feed", "slot_price_scarcity=0"),
        nil=("slot_price_scarcity=0",), idle=(NO_PACKAGES,),
    ),
    Switch(
        "precise delivery", ("slots.focus.precision=%(part)s",), {"part": share(0.05, 1)}, "paid_orders+ gmv+",
        world=(*CONTRACT, "slots.focus.precision=0",
               "scenes.new_customer.audience={outside: 0, aware: 0, active: 1, customers: 1}"),
        nil=("slots.focus.precision=0",),
    ),
]  # fmt: skip
# --- crowds and creatives -----------------------------------------------------------------------
CROWDS = [
    Switch(
        "part of a band that a crowd is", ("scenes.new_customer.selection.pool=%(part)s",), {"part": share(0.05, 0.9)},
        "new_customer.impressions- new_customer.spend-", world=CROWD, nil=("scenes.new_customer.selection.pool=1",),
    ),
    Switch(
        "readiness of a crowd", ("scenes.new_customer.selection.cvr=%(times)s",), {"times": share(1.1, 5)},
        "paid_orders+ new_customers+ gmv+", world=CROWD, nil=("scenes.new_customer.selection.cvr=1",),
    ),
    Switch(
        "price of a crowd", ("scenes.new_customer.selection.cpm=%(times)s",), {"times": share(1.1, 5)},
        "new_customer.impressions-", world=CROWD, nil=("scenes.new_customer.selection.cpm=1",),
    ),
    *(
        Switch(
            f"personal pages of {where}", (f"{field}=%(times)s",), {"times": st.sampled_from([1.3, 1.8])},
            "paid_orders+ gmv+ profit+", lambda off, on, x: [(on["paid_orders"], x["times"] * off["paid_orders"])],
            STILL, nil=(f"{field}=1",),
        )
        for where, field in (("a scene", "scenes.harvest.personalisation"), ("the shop", "personalisation"))
    ),
    Switch(
        "creatives by stage of the chain",
        ("scenes.new_customer.creative_by_band={outside: %(times)s, aware: %(times)s}",),
        {"times": share(1.05, 4)}, "new_customer.clicks+ clicks+",
        lambda off, on, x: [(on["new_customer clicks"] / on["new_customer impressions"],
                             x["times"] * off["new_customer clicks"] / off["new_customer impressions"] * 1.01)],
        nil=("scenes.new_customer.creative_by_band={outside: 1, aware: 1}",),
    ),
    Switch(
        "best of many creatives", ("scenes.new_customer.creatives={count: %(n)s, sd: %(sd)s, cost: %(cost)s}",),
        {"n": st.integers(2, 100), "sd": share(0.05, 0.6), "cost": share(0, 50)}, "new_customer.clicks+ clicks+",
        lambda off, on, x: equal(on["contribution"] - on["net_spend"] - on["profit"],
                                 off["contribution"] - off["net_spend"] - off["profit"] + x["n"] * x["cost"]),
        nil=("scenes.new_customer.creatives={count: 1, sd: 0, cost: 0}",), noisy="new_customer clicks",
    ),
    Switch(
        "product test", ("scenes.harvest.explore={product: coffee, variants: %(k)s, sd: %(sd)s, decide_at: sale}",),
        {"k": st.integers(4, 20), "sd": share(0.1, 0.3)}, "coffee.paid+ paid_orders+ gmv+",
        lambda off, on, x: [(on["coffee paid"], x["k"] * off["coffee paid"])],
        nil=("scenes.harvest.explore.sd=0",), noisy="coffee paid_orders gmv",
    ),
]  # fmt: skip
# --- people -------------------------------------------------------------------------------------
PEOPLE = [
    Switch(
        "members who spend", ("segments.members.spend=%(spend)s", "segments.members.breadth=%(breadth)s"),
        {"spend": share(5.5, 20), "breadth": share(1.1, 5)}, "aov+ gmv+",
        lambda off, on, x: [(on["aov"], (x["spend"] / x["breadth"]) ** 0.5 * off["aov"])],
        MEMBERS, nil=("segments.members.spend=1", "segments.members.breadth=1"), noisy="gmv",
    ),
    Switch(
        "taste for new products", ("segments.shoppers.new_product_affinity=%(times)s",), {"times": share(1.05, 3)},
        "tea.paid+ paid_orders+", lambda off, on, x: [(on["tea paid"], x["times"] * off["tea paid"] * 1.01)],
        (*STILL, "products.tea.product_stage=launch"), nil=("segments.shoppers.new_product_affinity=1",),
        idle=("products.tea.product_stage=core",),
    ),
    Switch(
        "orders that wait for a signature", ("segments.shoppers.order_delay_days=%(days)s",), {"days": share(0.5, 10)},
        "gmv_campaign- total.gmv_campaign-", lambda off, on, x: [(on["gmv_campaign"], on["gmv"])],
        nil=("segments.shoppers.order_delay_days=0",),
    ),
    Switch(
        "returns that the platform bears", ("segments.shoppers.returns_borne_by=platform",), {},
        "contribution+ profit+ gmv= refunds= revenue=",
        lambda off, on, x: equal(
            on["contribution"] - off["contribution"], SENT * (8 * on["refunds"] + 0.1 * on["total refund_cost"])
        ),
        idle=("products.coffee.refund=0", "products.tea.refund=0"),
    ),
    Switch(
        "freight of returns", ("segments.shoppers.return_freight=%(freight)s",), {"freight": share(8.1, 300)},
        "contribution- gmv= refunds=",
        lambda off, on, x: equal(
            off["contribution"] - on["contribution"], SENT * (x["freight"] - 8) * on["refunds"]
        ),
        idle=("products.coffee.refund=0", "products.tea.refund=0"),
    ),
    Switch(
        "people who send back", ("segments.shoppers.refund=%(odds)s",), {"odds": share(1.2, 8)},
        "refunds+ revenue- contribution-",
        lambda off, on, x: [(on["refunds"], x["odds"] * off["refunds"] * 1.02 + 10)],
        nil=("segments.shoppers.refund=1",),
    ),
    Switch(
        "repeat orders of habit", ("chain.repeat={rate_365: %(rate)s, tau_months: %(tau)s}",),
        {"rate": share(0.3, 20), "tau": share(2, 12)}, "paid_orders+ gmv+ asset_value+", habit,
        nil=("chain.repeat.rate_365=1e-300",),
    ),
    Switch(
        "shorter look-back", ("chain.new_customer_window_days=%(days)s",), {"days": st.integers(195, 330)},
        "total.returned+ new_customers+", lambda off, on, x: [(on["total returned"], 2e4)],
        ("segments.shoppers.start.lapsed=5%",), nil=("chain.new_customer_window_days=365",), noisy="new_customers",
    ),
]  # fmt: skip
# --- what comes from outside --------------------------------------------------------------------
OUTSIDE = [
    *(
        Switch(
            f"{field} of a phase", (f"calendar.phases.sale.{field}=%(times)s",), {"times": share(1.1, 4)}, signs,
            world=(f"calendar.phases.sale.{field}=1",), nil=(f"calendar.phases.sale.{field}=1",),
        )
        for field, signs in (
            ("traffic", "visits+ impressions+ paid_orders+"), ("cpm", "impressions- clicks-"), ("ctr", "clicks+ ctr+"),
            ("cvr", "paid_orders+ gmv+"), ("cart", "carts+"), ("refund", "refunds+ revenue-"),
        )
    ),
    Switch(
        "baskets bought in a sale", ("calendar.phases.sale.release=%(part)s",), {"part": share(0.02, 0.5)},
        "paid_orders+ gmv+",
        world=("calendar.phases.sale.release=0",), nil=("calendar.phases.sale.release=0",),
    ),
    Switch(
        "news that sells",
        ("shocks.news={start: 2021-03-23, end: 2021-03-25, chance: %(chance)s, days: 3, demand: %(times)s}",),
        {"chance": share(0.3, 1), "times": share(1.2, 5)}, "paid_orders+ gmv+",
        lambda off, on, x: [(on["paid_orders"], x["times"] * off["paid_orders"])], STILL,
        nil=("shocks.news.chance=0",), noisy="paid_orders gmv",
    ),
    Switch(
        "weather that keeps people at home",
        ("shocks.rain={start: 2021-03-23, end: 2021-03-26, rate: %(rate)s, days: 2, traffic: %(times)s}",),
        {"rate": share(0.2, 5), "times": share(1.2, 5)}, "visits+ impressions+",
        lambda off, on, x: [(on["visits"], x["times"] * off["visits"] * 1.02)], (*STILL, *EVEN),
        nil=("shocks.rain.rate=1e-300",), noisy="visits impressions",
    ),
]  # fmt: skip
SWITCHES = [*FREE, *AUCTIONS, *BOOKED, *CROWDS, *PEOPLE, *OUTSIDE]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.name)
@settings(max_examples=5, phases=[Phase.generate])
@given(data=st.data(), seed=st.sampled_from([1, 2, 3]))
def test_a_switch_of_the_market_has_its_sign_and_its_cap(
    switch: Switch, mode: str, data: Any, seed: int
):
    check(switch, mode, data.draw(st.fixed_dictionaries(switch.draw)), seed)
