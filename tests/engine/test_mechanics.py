"""Every number of a scenario matters, with the right sign; and single mechanics from end to end."""

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from simulator.engine.lanes import Chunk
from simulator.engine.run import Run, View
from simulator.engine.schedule import make_schedule
from simulator.engine.simulate import make_grid, simulate
from simulator.market.build import build_world
from simulator.outcomes.metrics import METRICS
from simulator.scenario import read_scenario
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.runoff import runoff_days
from simulator.scenario.schema import Scenario
from tests.worlds import (
    NONE_BACK,
    SCENARIOS,
    alone,
    arrays,
    booked,
    brief,
    coffee,
    everything,
    expected,
    figures,
    lanes_of,
    minimal,
    plan,
    sampled,
    totals,
)

# --- every number matters -----------------------------------------------------------------------


class Leaf(NamedTuple):
    """A number of a scenario."""

    path: tuple[str | int, ...]
    value: float
    uncertain: bool
    """Whether the field may be uncertain, so that replications can differ in it."""

    @property
    def name(self) -> str:
        return ".".join(map(str, self.path))


def leaves(part: Any, path: tuple[str | int, ...] = (), uncertain: bool = False) -> Iterator[Leaf]:
    """Every number below a part."""
    match part:
        case BaseModel():
            for name, field in type(part).model_fields.items():
                yield from leaves(getattr(part, name), (*path, name), _may_spread(field))
        case dict():
            for key, item in part.items():
                yield from leaves(item, (*path, key), uncertain)
        case list():
            for number, item in enumerate(part):
                yield from leaves(item, (*path, number), uncertain)
        case int() | float() if not isinstance(part, bool):
            yield Leaf(path, part, uncertain)


def _may_spread(field: FieldInfo) -> bool:
    def deep(annotation: Any) -> bool:
        marks = getattr(annotation, "__metadata__", ())
        return any(getattr(mark, "uncertain", False) for mark in marks) or any(
            deep(part) for part in get_args(annotation)
        )

    return any(getattr(mark, "uncertain", False) for mark in field.metadata) or deep(
        field.annotation
    )


def put(part: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy of the part with another value at the path."""
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(part, BaseModel):
        return part.model_copy(update={str(key): put(getattr(part, str(key)), rest, value)})
    if isinstance(part, dict):
        return part | {key: put(part[key], rest, value)}
    return [put(item, rest, value) if n == key else item for n, item in enumerate(part)]


IDLE = {
    "chain.visit_moves.engage.engage": "nobody moves to the stage where he stands",
    "chain.visit_moves.enthuse.en*": "nor back",
    "chain.visit_moves.favourite.en*": "nor back",
    "chain.visit_moves.favourite.favourite": "nor to where he stands",
    "chain.visit_moves.customers.e*": "customers only fill baskets",
    "chain.visit_moves.customers.favourite": "customers only fill baskets",
    "chain.base_moves.engage.engage": "as with visits",
    "chain.base_moves.enthuse.en*": "as with visits",
    "chain.base_moves.favourite.en*": "as with visits",
    "chain.base_moves.favourite.favourite": "as with visits",
    "rival_scores.[ab]*": "rivals are as when measured: tests/market/test_rivals.py",
    "life_cycle.halo_cvr": "no halo: tests/engine/test_products.py",
    "life_cycle.generation_decay": "all are originals: tests/engine/test_products.py",
}
"""Numbers that mean nothing anywhere, and why."""

AMPLE = "the supply is ample, so its size is no matter"
NO_PRESALE = "no deposits are taken for it"
TOO_LATE = "no payment is loaded after it"
IDLE_IN_COFFEE = {
    "calendar.phases.wave_2.wallet_topup": TOO_LATE,
    "sources.followers.cannibalisation": "no slot is there",
    "calendar.phases.after.wallet_topup": TOO_LATE,
    "calendar.phases.*.usual_discount": "nobody answers to prices",
    "calendar.phases.[!w]*.rival_booked": AMPLE,
    "calendar.phases.wave_1.rival_booked": AMPLE,
    "slots.taobao_splash.opportunities": AMPLE,
    "slots.focus_picture.cpm": "its packages have prices of their own",
    "slots.taobao_splash.cpm": "its package has a price of its own",
    "slot_price_scarcity": "no contract shares an auction's inventory",
    "products.drip_bags.deposit": NO_PRESALE,
    "products.latte_powder.deposit": NO_PRESALE,
    "products.cold_brew.deposit": NO_PRESALE,
    "calendar.phases.after.deposit*": "no balance can be paid any more",
}
IDLE_IN_EVERYTHING = {
    "calendar.phases.after.wallet_topup": TOO_LATE,
    "calendar.phases.normal.rival_booked": "no package is delivered then",
    "calendar.phases.presale.rival_booked": AMPLE,
    "slots.focus.opportunities": "it shares the inventory of the feed",
    "products.old.deposit": NO_PRESALE,
    "products.start.deposit": NO_PRESALE,
    "products.core.deposit": NO_PRESALE,
    "products.test.deposit": NO_PRESALE,
}
WALKS = {
    "coffee": (
        lambda: coffee(
            "chance.demand_sd=0",
            "products.cold_brew.luck_sd=0",
            "calendar.phases.wave_1.clock=1d",
            "calendar.phases.wave_2.clock=4h",
        ),
        IDLE | IDLE_IN_COFFEE,
    ),
    "everything": (
        lambda: everything(
            "chance.demand_sd=0",
            "segments.young.price_elasticity=1.5",
            "segments.others.price_elasticity=1",
            "products.core.stock=500k",
            "products.core.salvage=10",
            "incentives.coupons.all={merchant: 3%, platform: 4%, order_value: 1.1, refund: 1.2}",
        ),
        IDLE | IDLE_IN_EVERYTHING,
    ),
}


@pytest.mark.parametrize("name", WALKS)
def test_every_number_that_may_be_uncertain_matters(name: str):
    """All in one run: replication n has the n-th number raised by a tenth."""
    make, idle = WALKS[name]
    scenario = make()
    found = [leaf for leaf in leaves(scenario) if leaf.uncertain]
    assert len(found) > 200
    drawn = scenario
    for row, leaf in enumerate(found, start=1):
        values = np.full(len(found) + 1, float(leaf.value))
        values[row] = raised(leaf)
        drawn = put(drawn, leaf.path, values)
    moved = changed_replications(drawn, scenario, len(found) + 1)
    still = {leaf.name for leaf, change in zip(found, moved[1:], strict=True) if not change}
    excused = {leaf.name for leaf in found if any(fnmatch(leaf.name, rule) for rule in idle)}
    assert still - excused == set()
    assert excused - still == set(), "matters after all: take it off the list"


def raised(leaf: Leaf) -> float:
    return leaf.value * 1.1 if leaf.value else 0.05


def changed_replications(
    drawn: Scenario, scenario: Scenario, count: int, plan: Plan | None = None
) -> np.ndarray:
    """Replications in which anything differs from the first: [replication] of bool."""
    world = build_world(drawn, make_grid(scenario), original=scenario)
    chunk = Chunk((plan or Plan.even(scenario), Plan.none(scenario)), tuple(range(count)))
    book = Run(world, chunk, 1, sampled=False, daily=False).go()
    moved = np.zeros(count, dtype=bool)
    for array in arrays(book).values():
        plan_of = array[..., :count].reshape(-1, count)
        plan_of = np.where(np.isinf(plan_of), -1.0, plan_of)  # a product that never sells out
        change = np.abs(plan_of - plan_of[:, :1])
        moved |= (change > 1e-9 * np.maximum(np.abs(plan_of[:, :1]), 1e-3)).any(axis=0)
    return moved


BOOKED = "read when a package is booked: tests/engine/test_bookings.py"
CERTAIN_IDLE = {
    "format": "says how the file is written",
    "budget": "the plan says what is spent",
    "scenes.*.budget": "the plan says what is spent",
    "calendar.phases.*.clock": "the clock law: tests/engine/test_clock.py",
    "products.*.luck_sd": "none here; the next test",
    "products.[hscnt]*.stock": "never sold out",
    "products.*.generation": "tests/engine/test_products.py",
    "products.*.items": "rows of many items: tests/engine/test_products.py",
    "products.*.tail": "read after the run: the same tests",
    "chance.*": "the next test",
    "life_cycle.organic_score": "the score stays 4.6: tests/engine/test_operations.py",
    "commerce.order_value_sd": "the next test",
    "attribution.window_days": "credit is not kept here; the next test",
    "slots.*.reserve_cpm": "for the others see feed",
    "slots.words.positions": "whole places: tests/engine/test_slots.py",
    "slots.brand.positions": "whole places: tests/engine/test_slots.py",
    "slots.feed.position*": "one place is sold",
    "slots.out.position*": "one place is sold",
    "scenes.words.prediction": "a slot of several places is bid for flat",
    "slots.focus.make_good*": "nothing falls short",
    "slots.*.lead_days": BOOKED,
    "slots.*.price_steps.*": BOOKED,
    "slots.*.minimum_booking": BOOKED,
    "slots.*.deposit": BOOKED,
    "life_cycle.organic_boost_cap": "no scene boosts: tests/engine/test_linkage.py",
    "scenes.rush.fixed_cost": "as for the others",
    "scenes.move.fixed_cost": "as for the others",
}
CERTAIN_USED = {"slots.feed.reserve_cpm"}


def certain_leaves() -> list[Leaf]:
    """Numbers that cannot be uncertain: the first and last of those that mean the same."""
    by_field: dict[str, list[Leaf]] = {}
    for leaf in leaves(everything("chance.demand_sd=0")):
        idle = any(fnmatch(leaf.name, rule) for rule in CERTAIN_IDLE)
        if leaf.name in CERTAIN_USED or not (leaf.uncertain or idle):
            by_field.setdefault(meaning(leaf), []).append(leaf)
    ends = [leaf for group in by_field.values() for leaf in (group[0], group[-1])]
    return list(dict.fromkeys(ends))


def meaning(leaf: Leaf) -> str:
    """The path without the names that a user gives, and without places in a list."""
    sections = {"phases", "segments", "products", "sources", "slots", "scenes", "packages"}
    named = [part for n, part in enumerate(leaf.path) if n == 0 or leaf.path[n - 1] not in sections]
    lists = {"audience", "reference_mix"}
    kept = [part for n, part in enumerate(named) if n == 0 or named[n - 1] not in lists]
    return ".".join(str(part) for part in kept if not isinstance(part, int))


@pytest.mark.parametrize("leaf", certain_leaves(), ids=lambda leaf: leaf.name)
def test_every_number_that_is_certain_matters(leaf: Leaf):
    scenario = everything("chance.demand_sd=0")
    lower = leaf.value * 0.7 if leaf.value else 0.05
    value = int(lower) if isinstance(leaf.value, int) else lower
    before, after = standard(), figures_of(put(scenario, leaf.path, value))
    assert any(abs(after[x] - before[x]) > 1e-9 * abs(before[x]) for x in before)


_STANDARD: dict[str, float] = {}


def standard() -> dict[str, float]:
    """Figures of the world as it is."""
    if not _STANDARD:
        _STANDARD.update(figures_of(everything("chance.demand_sd=0")))
    return _STANDARD


def figures_of(scenario: Scenario, **options: Any) -> dict[str, float]:
    return figures(expected(scenario, [plan(scenario, **SPENT)], **options))


SPENT = {"new": 50e3, "sale": 50e3, "words": 20e3, "gain": 20e3, "rush": {"day": 5e3}}


@pytest.mark.parametrize(
    "setting",
    ["chance.demand_sd=0.3", "products.hit.luck_sd=0.3", "attribution.window_days=3"],
)
def test_shocks_and_windows_matter_in_expected_mode(setting: str):
    attribution = setting.startswith("attribution")
    before = figures_of(everything("chance.demand_sd=0"), attribution=attribution)
    after = figures_of(everything("chance.demand_sd=0", setting), attribution=attribution)
    assert any(after[name] != before[name] for name in before)


@pytest.mark.parametrize(
    ("setting", "metric"),
    [
        ("chance.supply_sd=0.4", "impressions"),
        ("chance.price_sd=3", "cpm"),
        ("commerce.order_value_sd=3", "aov"),
        ("chance.demand_sd=0.4", "paid_orders"),
        ("products.coffee.luck_sd=0.5", "paid_orders"),
    ],
)
def test_spreads_of_chance_spread_the_figures(setting: str, metric: str):
    bids = [f"scenes.{s}.bid={{mode: custom_bid, cost_per: click, target: 1}}"
            for s in ("new_customer", "harvest")]  # fmt: skip
    spread = [
        sampled(brief(*bids, *more), replications=48).values("half_half", metric).std()
        for more in ((), (setting,))
    ]
    assert spread[1] > 1.15 * spread[0]


# --- with the right sign ------------------------------------------------------------------------

SIGNS = {
    "products.hit.price=140": "+gmv +aov",
    "products.hit.margin=60%": "+profit +contribution =gmv",
    "products.hit.product_power=1.3": "+paid_orders +new_customers",
    "products.hit.refund=10%": "+refunds -revenue",
    "products.hit.discount.day=30%": "-gmv -profit",
    "products.hit.stock=300": "-paid_orders",
    "products.hit.deposit=30%": "+contribution =gmv",
    "slots.feed.median_cpm=90": "-impressions +cpm",
    "slots.feed.ctr=8%": "+clicks +new_customers",
    "slots.feed.cvr=4%": "+paid_orders",
    "slots.feed.opportunities=600k": "+impressions",
    "slots.feed.arrival=50%": "-visits -new_customers",
    "slots.feed.viewability=30%": "-reach",
    "slots.feed.reserve_cpm=60": "-impressions",
    "slots.focus.cpm=100": "+cpm",
    "slots.top.cpm=160": "+spend =impressions",
    "slots.focus.ctr=8%": "+clicks",
    "slots.top.opportunities=60k": "+fill_rate",
    "calendar.phases.day.rival_booked=90%": "-fill_rate",
    "slot_price_scarcity=3": "+cpm",
    "segments.others.people=800k": "+new_customers",
    "segments.others.cvr=2": "+paid_orders",
    "segments.others.ctr=2": "+clicks",
    "segments.others.cpm=2": "+cpm",
    "segments.others.order_value=2": "+gmv +aov",
    "segments.others.start.cart=5%": "+paid_orders +new_customers",
    "sources.search.organic_visits=4k": "+visits +paid_orders",
    "sources.search.organic_cvr=8%": "+paid_orders",
    "sources.recommend.touch=2": "+carts",
    "calendar.phases.day.traffic=6": "+visits",
    "calendar.phases.day.cpm=4": "+cpm -impressions",
    "calendar.phases.day.ctr=2": "+clicks",
    "calendar.phases.presale.cart=4": "+carts +favourites",
    "calendar.phases.day.cvr=6": "+paid_orders",
    "calendar.phases.day.refund=3": "+refunds -profit",
    "calendar.phases.day.release=50%": "+paid_orders",
    "calendar.phases.presale.deposit=2": "+deposits",
    "calendar.phases.presale.deposit_release=5%": "+deposits",
    "calendar.phases.day.payment_load=3": "-paid_orders",
    "calendar.balances.0.completion=50%": "-paid_orders",
    "chain.favourite_release=90%": "+paid_orders",
    "chain.discover_days=60": "+new_customers",
    "chain.basket_days=120": "+paid_orders",
    "chain.enthuse_days=5": "-carts",
    "chain.keen_per_year=80%": "+asset_value",
    "chain.fatigue=1": "-clicks -ctr",
    "chain.fatigue_half_life_days=60": "-clicks",
    "chain.frequency_shape=5": "+reach",
    "scenes.new.creative=1.5": "+clicks",
    "scenes.new.fixed_cost=9000": "-profit -roi =spend",
    "scenes.words.bid.target=4": "+spend +impressions",
    "scenes.gain.bid.target=3": "-spend",
    "scenes.sale.prediction=0": "-clicks",
    "service_score=5": "+win_rate",
    "commerce.commission=20%": "-profit =gmv",
    "commerce.payment_fee=3%": "-profit =gmv",
    "commerce.fulfilment=20": "-profit =gmv",
    "commerce.refund_handling=50": "-profit =gmv",
    "commerce.depreciation=90%": "-profit",
    "commerce.resale=0": "+unmet",
    "payment.fail=60%": "-paid_orders",
    "payment.wallet_share=10%": "-paid_orders",
    "payment.retry=0%": "-paid_orders",
    "shipping={per_day: 100}": "+refunds -profit +shipping_delay +late_share +peak_score_fall",
    "products.old.pooled={units: 200}": "+pooled -unmet",
    "products.old.pooled={units: 200, fulfilment: 90}": "+pooled -contribution",
    "shocks.fair={start: 2020-11-06, end: 2020-11-07, chance: 0.5, days: 3, demand: 2}": "+paid_orders",
    "shocks.fair={start: 2020-11-06, end: 2020-11-12, rate: 0.3, days: 1, traffic: 2}": "+visits",
    "payment.capacity=20": "-paid_orders +failed_payments +peak_payment_load",
    "payment.capacity=9000": "-failed_payments -peak_payment_load",
    "calendar.phases.presale.wallet_topup=50%": "+paid_orders -failed_payments",
    "life_cycle.promotion_days=1": "+win_rate",
}  # fmt: skip


@pytest.mark.parametrize("setting", SIGNS)
def test_a_number_moves_the_figures_the_right_way(setting: str):
    before, after = standard(), figures_of(everything("chance.demand_sd=0", setting))
    for sign, metric in ((word[0], word[1:]) for word in SIGNS[setting].split()):
        change = after[metric] - before[metric]
        size = 1e-6 * abs(before[metric])
        right = {"+": change > size, "-": change < -size, "=": abs(change) <= size}
        assert right[sign], f"{metric}: {before[metric]:g} -> {after[metric]:g}, not {sign}"


# --- drawn and expected -------------------------------------------------------------------------


def far_apart(*sets: str, count: int = 200, allowed: float) -> dict[str, str]:
    """Totals whose drawn mean is more than 4 standard errors and `allowed` from the expected one."""
    scenario = minimal(*sets)
    drawn = simulate(scenario, replications=count, seed=3, spreads=False, daily=False)
    mean = expected(scenario)
    off = {}
    for name in drawn.plans:
        for metric, values in totals(drawn, name).items():
            if metric == "unspent":  # what spend lacks to the plan: nothing, or fen
                continue
            center = float(mean.values(name, metric)[0])
            error = values.std(ddof=1) / np.sqrt(count)
            gap = values.mean() - center
            if abs(gap) > max(4 * error, allowed * abs(center)):
                off[f"{name} {metric}"] = f"{gap:+.4g} of {center:.6g}, {gap / error:+.1f} errors"
    return off


STEADY = ("chance.supply_sd=0", "chance.price_sd=0", "life_cycle.decline_days=3650")
"""A product that declines in one run of a hundred makes means that 200 runs cannot tell."""


def test_drawn_figures_scatter_around_the_expected_ones():
    """But for a fen here and there: a tenth of a thousandth."""
    assert far_apart(*STEADY, allowed=1e-4) == {}


def test_days_of_scarce_supply_are_dearer_but_not_by_much():
    """Money buys less from a supply that varies; the mean field does not know."""
    assert far_apart(allowed=0.01) == {}


SMALL = (
    *STEADY,
    "segments.shoppers.people=20k",
    "budget=3k",
    "scenes.new_customer.budget=1500",
    "scenes.harvest.budget=1500",
    "slots.feed.opportunities=7k",
    "slots.search_words.opportunities=2k",
    "sources.search.organic_visits=40",
    "sources.recommend.organic_visits=25",
)


def test_few_people_scatter_around_the_expected_ones():
    """A handful of refunds, too: one order that comes back comes back."""
    assert far_apart(*SMALL, count=400, allowed=0.005) == {}


def test_all_totals_are_compared():
    drawn = totals(sampled(brief(), replications=2), "half_half")
    unknown = {m.name for m in METRICS if m.kind == "total"} - set(drawn)
    credit = {"direct", "indirect", "presale", "commissioned", "organic"}
    assert unknown == {"mroi"} | {f"orders_{name}" for name in credit}
    assert all(np.isfinite(values).all() for values in drawn.values())


# --- single mechanics ---------------------------------------------------------------------------

PRESALE = (
    "calendar.phases.normal.deposit=0.8",
    "calendar.phases.normal.deposit_release=2%",
    "products.coffee.presale=true",
    "products.coffee.deposit=20%",
)


def balance(completion: str) -> str:
    window = "{start: 2021-03-26, end: 2021-03-28, completion: " + completion + "}"
    return f"calendar.balances=[{window}]"


@pytest.mark.parametrize(("completion", "kept"), [("0%", 1.0), ("60%", 0.4), ("100%", 0.0)])
def test_deposits_are_forfeited_unless_the_balance_is_paid(completion: str, kept: float):
    scenario = brief(*PRESALE, balance(completion), "calendar.phases.sale.release=0%")
    ads = plan(scenario, new_customer=0.4)
    book = lanes_of(expected(scenario, [ads]), "plan")
    deposits, lost = book.totals["deposits"][0], book.totals["forfeited"][0]
    assert deposits > 100
    before = deposits_before_the_window(scenario, ads)
    assert before == pytest.approx(deposits, rel=0.1)
    assert lost == pytest.approx(kept * before * 120 * 20 / 100, rel=0.12, abs=1.0)
    assert not book.people[6].any()  # nobody waits with a deposit at the end


@pytest.mark.parametrize("run", [expected, sampled])
@pytest.mark.parametrize("completion", ["0%", "60%", "100%"])
def test_a_deposit_ends_in_a_balance_or_is_forfeited(run, completion: str):
    """Each of 20% of 120 CNY; what nobody paid the balance of is kept, and nothing waits at the end."""
    outcomes = run(brief(*PRESALE, balance(completion)))
    name = outcomes.plans[0]
    deposits, balances, lost = (
        outcomes.values(name, metric) for metric in ("deposits", "balances", "forfeited")
    )
    np.testing.assert_allclose(balances + lost / (120 * 0.2), deposits, rtol=1e-9)
    assert (deposits > 100).all() and ((balances > 0) == (completion != "0%")).all()


NIGHT = "calendar.hours_buy=[0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,0]"


@pytest.mark.parametrize("completion", [0.0, 0.6, 1.0])
def test_balances_are_paid_in_the_hours_in_which_people_buy(completion: float):
    """By the end of the window its completion, in hours of buying alone, also when nothing is left for the night."""
    times = "start: 2021-03-26 19:00, end: 2021-03-27 06:00"
    window = f"{{{times}, completion: {completion}}}"
    scenario = brief(NIGHT, f"calendar.balances=[{window}]", "calendar.phases.sale.clock=1h")
    world = build_world(scenario, make_grid(scenario))
    paid = make_schedule(world).balance
    assert 1 - np.prod(1 - paid) == pytest.approx(completion, abs=1e-12)
    assert (paid > 0).sum() == (4 if completion else 0)


@pytest.mark.parametrize("run", [expected, sampled])
def test_a_window_may_outlast_the_evening_of_buying(run):
    window = (
        "calendar.balances=[{start: 2021-03-26 12:00, end: 2021-03-27 06:00, completion: 100%}]"
    )
    totals = run(brief(*PRESALE, NIGHT, window)).book.totals
    assert (totals["deposits"] > 100).all()
    assert totals["forfeited"] == pytest.approx(0.0, abs=1e-6)


def deposits_before_the_window(scenario: Scenario, ads: Plan) -> float:
    seen = watch(scenario, ads, "deposits")
    return seen[day(scenario, "2021-03-26")]


def test_no_deposit_is_taken_without_a_window_to_pay_it():
    """The first window is over when the second phase begins: its deposits could never be paid."""
    window = "calendar.balances=[{start: 2021-03-24, end: 2021-03-26, completion: 100%}]"
    late = brief(*PRESALE, window, "calendar.phases.sale.deposit=5")
    more, none = (figures(expected(world)) for world in (late, brief(*PRESALE, window)))
    assert more["deposits"] == none["deposits"] > 100


def test_paid_balances_are_orders():
    """More deposits are orders where more of them are paid."""
    orders = [figures(expected(brief(*PRESALE, balance(c))))["paid_orders"] for c in ("0%", "90%")]
    assert orders[1] > orders[0] + 100


def watch(scenario: Scenario, ads: Plan, total: str) -> dict[int, float]:
    """A total of the first lane by second, at the end of each day."""
    seen: dict[int, float] = {}

    def rule(view: View):
        while True:
            yield 86400
            seen[view.seconds] = float(view.book.totals[total][0])

    expected(scenario, [ads], processes=[until_the_end(rule, scenario)])
    return seen


def until_the_end(rule, scenario: Scenario):
    """A process that ends with the run, which waits for it."""
    last = int(make_grid(scenario).end[-1])

    def bounded(view: View):
        for wait in rule(view):
            if view.seconds + wait > last:
                return
            yield wait

    return bounded


def day(scenario: Scenario, date: str) -> int:
    """Second of a date since the start."""
    from datetime import datetime

    start = min(phase.start for phase in scenario.calendar.phases.values())
    return int((datetime.fromisoformat(date) - start).total_seconds())


@pytest.mark.parametrize("mode", [expected, sampled])
def test_the_run_off_sees_the_refunds_of_late_spending(mode):
    """What the ads sold comes back before the books are closed, though long after the ads."""
    scenario = minimal("products.coffee.refund=20%")
    options = {} if mode is expected else {"replications": 8}
    late = plan(scenario, harvest={"sale": 30e3})
    outcomes = mode(scenario, [late], **options)
    book = lanes_of(outcomes, "plan")
    free = lanes_of(outcomes, "no ads")  # most orders of the run-off are in both
    counted = (book.totals["refunds"] - free.totals["refunds"]).mean()
    pending = (book.pending - free.pending).mean()
    assert counted > 50
    assert abs(pending) < 0.1 * counted
    if mode is expected:
        at_the_end = watch(scenario, late, "refunds")[day(scenario, "2021-03-29")]
        assert at_the_end < 0.6 * book.totals["refunds"][0]
        share = (book.totals["refunds"] + book.pending) / book.totals["paid_orders"]
        assert 0.18 < share[0] < 0.25  # phases and stages move the 20% of the product


@pytest.mark.parametrize("mode", [expected, sampled])
def test_how_long_the_books_stay_open_sells_nothing(mode):
    """Only refunds still come once sales have closed: slower ones are no better return."""
    options = {} if mode is expected else {"replications": 4}
    usual, longer = (
        mode(brief(f"commerce.refund_slow_days={days}"), **options) for days in (4, 20)
    )
    name = usual.plans[0]
    assert len(make_grid(brief("commerce.refund_slow_days=20"))) > len(make_grid(brief()))
    for figure in ("orders", "visits"):
        assert longer.values(name, figure) == pytest.approx(usual.values(name, figure), rel=2e-3)


def test_sales_close_after_the_days_that_the_calendar_says():
    """Nobody comes afterwards, and who had decided before still signs."""
    scenario = minimal("calendar.sales_after_days=9", "segments.shoppers.order_delay_days=2")
    grid = make_grid(scenario)
    closed = grid.start >= grid.end[grid.advertising - 1] + 9 * 86400
    assert closed.sum() == runoff_days(scenario) - 9 > 10
    assert not grid.browse[closed].any()
    assert not grid.buy[closed].any()
    assert (grid.browse[~closed] > 0).all()
    orders = watch(scenario, plans_of(scenario)[0], "orders")
    at_close, last = orders[int(grid.start[closed][0])], list(orders.values())[-1]
    assert at_close < last < 1.05 * at_close


def test_who_finds_the_choice_gone_is_missed():
    """A product that is not there costs sales, less so the more people take another."""
    tea = "products.tea={price: 60, margin: 50%}"
    sold = [
        expected(minimal(tea, "products.coffee.stock=0", f"commerce.substitution={part}"))
        for part in (0, 0.3, 1)
    ]
    there = expected(minimal(tea))
    name = there.plans[0]
    gmv = [float(x.values(name, "gmv").mean()) for x in [*sold, there]]
    assert gmv == sorted(gmv)
    unmet = [float(x.values(name, "unmet").mean()) for x in sold]
    assert unmet[0] > unmet[1] > unmet[2]


@pytest.mark.parametrize("world", [brief, coffee])
def test_the_plan_without_ads_has_no_paid_visits(world):
    scenario = world("chance.demand_sd=0")
    for outcomes in (expected(scenario, attribution=True), sampled(scenario, replications=2)):
        book = lanes_of(outcomes, "no ads")
        assert not book.totals["paid_visits"].any()
        assert not book.viewed.any()
        assert not book.scenes["spend"].any() and not book.scenes["impressions"].any()
        assert not book.packages["booked"].any()
        assert (book.totals["free_visits"] > 0).all()
        assert (book.totals["gmv"] > 0).all()
    credit = lanes_of(expected(scenario, attribution=True), "no ads").scenes["gmv_attributed"]
    assert not credit.any()


def test_orders_are_all_credited_where_all_visits_are_paid_and_nobody_waits():
    moves = "{engage: 0, enthuse: 0, favourite: 0, cart: 0}"
    sets = [f"chain.{kind}_moves.{stage}={moves}" for kind in ("visit", "base")
            for stage in ("outside", "discover", "engage", "enthuse", "favourite")]  # fmt: skip
    scenario = alone(
        "sources.feed.organic_visits=0",
        "segments.people.start={discover: 0, engage: 0, cart: 0, initial: 0}",
        "chain.visit_moves.customers={cart: 0}",
        "slots.focus={kind: contract, source: feed, opportunities: 100k, cpm: 20, ctr: 5%, cvr: 1%, make_good_days: 5, "
        "packages: {all: {impressions: 500k, phases: [normal], scene: only}}}",
        "scenes.only.slots=[feed, focus]",
        *sets,
    )
    book = lanes_of(expected(scenario, [plan(scenario, only=1e6)], attribution=True), "plan")
    assert book.packages["delivered"] == pytest.approx(500e3)
    assert book.totals["paid_orders"] > 100
    assert book.scenes["orders_attributed"][0] == pytest.approx(book.totals["paid_orders"])
    assert book.scenes["gmv_attributed"][0] == pytest.approx(book.totals["gmv"])


def test_signed_packages_run_without_ads():
    scenario = booked("slots.focus.packages.opening.signed=true", "budget=73k")
    book = lanes_of(expected(scenario), "no ads")
    assert book.packages["delivered"].sum() == pytest.approx(600e3)
    assert book.totals["contract_spend"][0] == pytest.approx(3000)
    assert book.totals["paid_visits"][0] > 0
    assert not book.spend.any()


@pytest.mark.parametrize("mode", [expected, sampled])
def test_what_is_sold_out_is_not_sold_and_the_demand_is_recorded(mode):
    options = {} if mode is expected else {"replications": 6}

    def book(*sets: str):
        return lanes_of(mode(brief(*NONE_BACK, *sets), **options), "half_half")

    free, short = book(), book("products.coffee.stock=500")
    sold = short.totals["paid_orders"]
    assert (sold <= 500).all() and (sold > 499).all()
    assert (short.totals["unmet"] > 0.5 * (free.totals["paid_orders"] - 500)).all()
    assert not free.totals["unmet"].round(6).any()
    assert (short.totals["new_customers"] <= sold).all()
    more = book(
        "products.coffee.stock=500",
        "products.coffee.restocks=[{at: 2021-03-27 12:00, units: 200}]",
    )
    assert (more.totals["paid_orders"] > 699).all()
    assert (more.totals["paid_orders"] <= 700).all()
    asked, before = (b.totals["paid_orders"] + b.totals["unmet"] for b in (more, short))
    assert (before < asked).all()  # some wait for what is announced, and ads go on until it is gone
    assert (asked < 1.25 * before).all()


@pytest.mark.parametrize("mode", [expected, sampled])
def test_two_hundred_thousand_boxes_are_gone_in_thirty_seconds_if_enough_people_wait(mode):
    """The shipped opening in steps of five seconds; with a hundredth of the people boxes are left over."""
    sold, unmet = opening(mode)
    assert (sold[4] < 199_999).all() and (sold[5] > 199_999).all() and (sold <= 200_000).all()
    assert (np.diff(unmet[5:], axis=0) > 0).all()
    few = ("segments.fans.people=30k", "segments.general.people=170k")
    fewer = (
        *few,
        *(f"sources.{name}.organic_visits=300" for name in ("live", "search", "followers")),
    )
    sold, unmet = opening(mode, *fewer)
    assert (sold[5] > 100).all() and (sold[-1] < 150_000).all()
    assert unmet[-1] == pytest.approx(unmet[0])  # who came before the opening found nothing


def opening(mode, *sets: str) -> tuple[np.ndarray, np.ndarray]:
    """Boxes sold and orders turned away, of 5, 10, .. seconds after the opening: [moment, lane]."""
    scenario = read_scenario(SCENARIOS / "flash_presale.yaml", sets)
    doors = day(scenario, "2020-10-20 20:00")
    seen = []

    def look(view: View):
        yield doors
        for _ in range(13):
            seen.append((view.book.products["paid"][0].copy(), view.book.totals["unmet"].copy()))
            yield 5

    options = {"replications": 2} if mode is sampled else {}
    mode(scenario, plans_of(scenario)[:1], processes=[look], **options)
    sold, unmet = (np.array(x)[:, : len(seen[0][0]) // 2] for x in zip(*seen, strict=True))
    return sold, unmet


def test_an_early_opening_takes_orders_from_the_sale():
    """Baskets that are bought before the sale are not there on its days."""
    usual, early = (
        expected(brief(*sets), daily=True) for sets in ([], ["calendar.phases.normal.release=4%"])
    )
    gmv = [lanes_of(run, "half_half").days["gmv"].sum(axis=1) for run in (usual, early)]
    first = 6  # days before the sale
    gained = gmv[1][:first].sum() - gmv[0][:first].sum()
    lost = gmv[0][first : first + 3].sum() - gmv[1][first : first + 3].sum()
    assert gained > 0
    assert 0.05 * gained < lost < gained


@pytest.mark.slow
def test_the_hour_of_selling_out_is_no_cliff():
    """Boxes run out just before or just after the midnight of the sale: profit moves by the boxes.

    (The page once learnt at midnight what was sold out, and profit jumped by 0.9 million.)
    """
    stocks, price = np.arange(72_000, 87_000, 2_000), 218
    profit = np.array([
        [figures(run, plan)["profit"] for plan in run.plans]
        for run in (expected(_coffee_without_shocks(boxes)) for boxes in stocks)
    ])  # fmt: skip
    assert np.abs(np.diff(profit, axis=0)).max() < 2_000 * price


def _coffee_without_shocks(boxes: int) -> Scenario:
    return coffee(
        "chance.demand_sd=0", "products.cold_brew.luck_sd=0", f"products.gift_box.stock={boxes}"
    )  # fmt: skip


def test_nobody_buys_what_was_never_there():
    book = expected(brief("products.coffee.stock=0")).book
    assert not book.totals["paid_orders"].any()
    assert not book.totals["gmv"].any()
    assert (book.totals["unmet"] > 0).all()
