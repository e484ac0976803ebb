"""The ledger's laws in random worlds, and the unit of money, which means nothing.

Every run checks the laws itself and raises; here they are stated again, on what a user gets.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from simulator.engine.lanes import Chunk
from simulator.engine.run import Run
from simulator.engine.simulate import make_grid
from simulator.market.build import build_world
from simulator.outcomes.ledger import LawBroken, Ledger, check_caps, check_credit, check_laws
from simulator.outcomes.metrics import METRICS, SCENE_METRICS
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario
from tests.laws import check_outcomes, check_whole, ever_in_stock
from tests.worlds import apart, booked, brief, everything, expected, figures, one, sampled

MANY = settings.default.max_examples // 6 if settings.default else 15
"""Worlds that are tried: an example is a run."""

MODES = {
    "max_amount": "{{mode: max_amount, cost_per: {action}}}",
    "cost_control": "{{mode: cost_control, cost_per: {action}, target: {price:.2f}}}",
    "custom_bid": "{{mode: custom_bid, cost_per: {action}, target: {price:.2f}}}",
    "roi_control": "{{mode: roi_control, target: {roi:.2f}}}",
}
ACTIONS = {
    "impression": 40, "click": 1.5, "cart": 15, "order": 40, "first_order": 60, "discover": 0.1,
    "engage": 5, "enthuse": 20, "perform": 10, "initial": 60, "numerous": 60,
}  # fmt: skip
"""Actions that are bid for, and a usual price [CNY]."""


def log_between(least: float, most: float) -> st.SearchStrategy[float]:
    """Numbers of every size between the two."""
    return st.floats(np.log(least), np.log(most)).map(np.exp)


@st.composite
def bids(draw) -> str:
    action = draw(st.sampled_from(list(ACTIONS)))
    price, roi = ACTIONS[action] * draw(log_between(0.1, 10)), draw(log_between(0.1, 5))
    return MODES[draw(st.sampled_from(list(MODES)))].format(action=action, price=price, roi=roi)


@st.composite
def worlds(draw) -> tuple[Scenario, Plan]:
    """A world with every mechanic in it, at any scale, and any plan for it."""
    sets = [f"calendar.phases.day.clock={draw(st.sampled_from(['2h', '6h', '1d']))}"]
    if draw(st.booleans()):
        sets.append("calendar.phases.day.burst=null")
    people = [draw(log_between(300, 3e6)) for _ in range(2)]
    for segment, count in zip(("young", "others"), people, strict=True):
        sets.append(f"segments.{segment}.people={count:.1f}")
    for product in ("hit", "old", "next"):
        sets.append(f"products.{product}.price={draw(log_between(2, 2000)):.2f}")
        sets.append(f"products.{product}.stock={draw(st.sampled_from([0, 1, 40, 3000, 10**9]))}")
    for slot in ("words", "feed", "brand", "out"):
        sets.append(f"slots.{slot}.ctr={draw(log_between(0.002, 0.6)):.4f}")
        sets.append(f"slots.{slot}.cvr={draw(log_between(0.001, 0.5)):.4f}")
    for slot in ("words", "feed", "brand", "out", "focus", "top"):
        each = draw(log_between(0.001, 50))
        sets.append(f"slots.{slot}.opportunities={1 + each * sum(people):.1f}")
    sets.append(f"slots.top.remedy={draw(st.sampled_from(['refund', 'make_good']))}")
    for scene in SCENES:
        sets.append(f"scenes.{scene}.bid={draw(bids())}")
        sets.append(f"scenes.{scene}.pacing={draw(st.sampled_from(['smooth', 'quick']))}")
    return everything(*sets), draw(plans())


SCENES = ("new", "sale", "words", "gain", "rush", "move")
PHASES = ("normal", "presale", "day", "after")
PACKAGES = ("focus.early", "focus.rest")


@st.composite
def plans(draw) -> Plan:
    amount = st.one_of(st.just(0.0), log_between(0.01, 1e6))
    money = {
        scene: {phase: draw(amount) for phase in (["day"] if scene == "rush" else PHASES)}
        for scene in SCENES
    }
    packages = draw(st.sets(st.sampled_from(PACKAGES)))
    return Plan("any", money, frozenset({"top.all", *packages}))


# --- the laws -----------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=MANY)
@given(worlds())
def test_the_laws_hold_in_the_mean_field(world: tuple[Scenario, Plan]):
    scenario, plan = world
    outcomes = expected(scenario, [plan], attribution=True, daily=True)
    check_outcomes(scenario, [plan], outcomes, slack=1e-9)


@pytest.mark.slow
@settings(max_examples=MANY)
@given(worlds(), st.integers(0, 2**64 - 1))
def test_the_laws_hold_when_drawn(world: tuple[Scenario, Plan], seed: int):
    scenario, plan = world
    outcomes = sampled(scenario, [plan], replications=2, seed=seed, attribution=True, daily=True)
    check_outcomes(scenario, [plan], outcomes, slack=0.0)
    check_whole(outcomes.book)


def test_contracts_are_paid_in_whole_fen_when_drawn():
    """47.3 CNY per mille is 4.73 fen an impression."""
    spend = sampled(booked("slots.focus.cpm=4.73"), replications=3).book.totals["contract_spend"]
    assert spend.max() > 0
    np.testing.assert_allclose(spend * 100, np.rint(spend * 100), atol=1e-3)


def test_goods_are_made_good_in_whole_impressions_when_drawn():
    """110% of a shortfall need not be whole."""
    served = sampled(everything(), replications=8).book.packages["made_good"]
    assert served.max() > 0
    np.testing.assert_array_equal(served, np.rint(served))


# --- the unit of money --------------------------------------------------------------------------

MONEY = {
    "budget", "price", "median_cpm", "cpm", "reserve_cpm", "target", "fixed_cost", "fulfilment",
    "refund_handling", "minimum_booking", "cost", "return_freight", "daily_cap",
}  # fmt: skip
"""Fields in CNY. The cpm of a phase, a segment or a crowd is a multiplier, and the target of roi_control a ratio."""
IN_YUAN = {m.name for m in (*METRICS, *SCENE_METRICS) if m.unit.startswith("CNY")}


def in_units(part: Any, unit: float, inside: str = "") -> Any:
    """The part of a scenario in another unit of money."""
    if isinstance(part, dict):
        return {key: in_units(item, unit, inside) for key, item in part.items()}
    if not isinstance(part, BaseModel):
        return part
    changed = {}
    for name in type(part).model_fields:
        value = getattr(part, name)
        ratio = (bool(inside) and name == "cpm") or getattr(part, "mode", "") == "roi_control"
        ratio = ratio or isinstance(value, list)  # by product stage
        if name in MONEY and value is not None and not ratio:
            changed[name] = value * unit
        else:
            inner = name if name in ("phases", "segments", "selection") else inside
            changed[name] = in_units(value, unit, inner)
    return part.model_copy(update=changed)


@pytest.mark.slow
@settings(max_examples=MANY // 2)
@given(worlds(), st.sampled_from([2.0, 0.15, 100.0]))
def test_the_unit_of_money_changes_no_count_and_no_ratio(world: tuple[Scenario, Plan], unit: float):
    scenario, plan = world
    money = {s: {f: x * unit for f, x in cells.items()} for s, cells in plan.money.items()}
    other = Plan(plan.name, money, plan.packages)
    before = figures(expected(scenario, [plan]))
    after = figures(expected(in_units(scenario, unit), [other]))
    scale = {name: unit if name.split()[-1] in IN_YUAN else 1.0 for name in before}
    before = {name: x * scale[name] for name, x in before.items()}
    small = {name for name, x in before.items() if abs(x) < 1e-6}  # a rest of large numbers
    kept = before.keys() - small - losses(before)
    assert apart({k: before[k] for k in kept}, {k: after[k] for k in kept}, 1e-9) == {}


def losses(row: dict[str, float]) -> set[str]:
    """Differences that are small against what they are differences of: their digits are lost."""
    size = {
        "profit_incremental": "gmv",
        "asset_value": "gmv",
        "new_customers_incremental": "visits",
    }
    lost = {name for name, of in size.items() if abs(row[name]) < 1e-5 * row[of]}
    return lost | ({"roi"} if "profit_incremental" in lost else set()) | {"cac", "iroas"}


def test_the_unit_reaches_every_field_of_money():
    """Guards the list above: twice the unit moves the total of all money, and nothing else."""
    scenario = everything()
    twice = in_units(scenario, 2.0)
    for read in (
        lambda s: s.budget,
        lambda s: s.products["hit"].price,
        lambda s: s.slots["feed"].median_cpm,
        lambda s: s.slots["feed"].reserve_cpm,
        lambda s: s.slots["focus"].cpm,
        lambda s: s.slots["focus"].packages["early"].cpm,
        lambda s: s.scenes["new"].fixed_cost,
        lambda s: s.scenes["new"].bid.target,
        lambda s: s.commerce.fulfilment,
        lambda s: s.commerce.refund_handling,
    ):
        assert read(twice) == 2 * read(scenario)
    for read in (
        lambda s: s.calendar.phases["day"].cpm,
        lambda s: s.segments["young"].cpm,
        lambda s: s.scenes["gain"].bid.target,
    ):
        assert read(twice) == read(scenario)


# --- broken laws --------------------------------------------------------------------------------


def book_of(scenario: Scenario, *, exact: bool) -> tuple[Ledger, tuple[np.ndarray, ...]]:
    """A run's book, and what the laws hold it against."""
    plan = Plan.even(scenario)
    chunk = Chunk((plan, Plan.none(scenario)), (0,))
    run = Run(
        build_world(scenario, make_grid(scenario)), chunk, 1,
        sampled=exact, daily=False, attribution=True,
    )  # fmt: skip
    book = run.go()
    size = np.array([[float(g.people)] for g in scenario.segments.values()]) * np.ones(2)
    money = np.zeros_like(book.spend)
    money[:, :-1, 0] = [[plan.money[s].get(f, 0) for f in PHASES] for s in scenario.scenes]
    return book, (size, money, ever_in_stock(scenario)[:, None] * np.ones(2))


def add(array: np.ndarray, amount: float) -> None:
    array.reshape(-1)[0] += amount


BREAKS: dict[str, Callable[[Ledger], None]] = {
    "people": lambda b: add(b.people, 1.0),
    "negative people": lambda b: move_more_than_there_are(b.people),
    "spend of a scene in a phase": lambda b: add(b.spend, 1e6),
    "clicks": lambda b: add(b.scenes["clicks"], 1e9),
    "paid orders": lambda b: add(b.totals["orders"], -1e9),
    "late orders": lambda b: add(b.totals["late_orders"], 1e9),
    "brand-new customers": lambda b: add(b.totals["brand_new_customers"], 1e9),
    "refunds of a product": lambda b: add(b.products["refunds"], 1e9),
    "orders sent from shops": lambda b: add(b.products["pooled"], 1e12),
    "units taken from shops": lambda b: add(b.products["pooled"], 1.0),
    "units sold of a product": lambda b: add(b.products["paid"], 1e12),
    "orders by product": lambda b: add(b.products["paid"], 1.0),
    "units sold and left of a product": lambda b: add(b.products["left"], 10.0),
    "orders without goods by product": lambda b: add(b.products["unmet"], 1.0),
    "contract impressions": lambda b: add(b.packages["shortfall"], 1.0),
    "money of a package": lambda b: add(b.packages["price"], -1e9),
    "contract money": lambda b: add(b.totals["contract_spend"], 1e6),
    "money back": lambda b: add(b.totals["money_back"], 1e6),
    "credited gmv": lambda b: add(b.scenes["gmv_attributed"], 1e9),
}
NO_SHOPS = np.zeros((6, 1))
"""Units of every product in shops that send."""


def move_more_than_there_are(people: np.ndarray) -> None:
    people[1, 0, 0] -= 1e5
    people[2, 0, 0] += 1e5


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("law", BREAKS)
def test_a_broken_law_is_told(law: str, exact: bool):
    book, limits = book_of(SMALL, exact=exact)
    check_laws(book, *limits, exact=exact, pool=NO_SHOPS)
    BREAKS[law](book)
    with pytest.raises(LawBroken, match=f"^{law}: .*fault of the simulator"):
        check_laws(book, *limits, exact=exact, pool=NO_SHOPS)


def test_what_is_no_number_breaks_a_law():
    book, limits = book_of(SMALL, exact=False)
    add(book.people, np.nan)
    with pytest.raises(LawBroken, match=r"^people: "):
        check_laws(book, *limits, exact=False)


def test_every_paid_order_is_credited_once():
    book, _ = book_of(SMALL, exact=True)
    check_credit(book)
    add(book.totals["orders_organic"], 1.0)
    with pytest.raises(LawBroken, match=r"^credited and organic orders: "):
        check_credit(book)


def test_commissioned_media_stays_within_its_cap():
    cost = np.array([[100.0, 99.0], [0.0, 50.01]])
    book = Ledger.empty(1, 1, 1, 1, lanes=2)
    book.take_commissions(np.zeros((2, 2)), np.zeros((2, 2)), cost)
    check_caps(book, np.array([100.0, 50.01]))
    with pytest.raises(LawBroken, match=r"^cost of commissioned media: above its limit by 0.01;"):
        check_caps(book, np.array([100.0, 50.0]))


SMALL = everything(
    "calendar.phases.day.clock=1d", "chance.demand_sd=0", "scenes.gain.budget_kind=total"
)


def test_the_exact_laws_allow_no_fraction():
    book, limits = book_of(SMALL, exact=True)
    add(book.people, 1e-7)
    check_laws(book, *limits, exact=False)
    with pytest.raises(LawBroken):
        check_laws(book, *limits, exact=True)


def test_a_run_that_breaks_a_law_raises(monkeypatch):
    """A fault in the engine: clicks that nobody saw."""
    from simulator.market.draws import Expected

    monkeypatch.setattr(Expected, "binomial", doubled(Expected.binomial))
    with pytest.raises(LawBroken):
        one(expected(SMALL), "gmv")


def test_a_run_that_credits_nobody_raises(monkeypatch):
    monkeypatch.setattr(Ledger, "credit", lambda *orders: None)
    with pytest.raises(LawBroken, match=r"^credited and organic orders"):
        expected(SMALL, attribution=True)


def test_a_run_that_pays_commissions_twice_raises(monkeypatch):
    once = Ledger.take_commissions
    monkeypatch.setattr(Ledger, "take_commissions", lambda b, v, g, cost: once(b, v, g, 2 * cost))
    partner = "{source: recommend, visits: 50, bands: {outside: 1}, cvr: 2%, fee: 100, cap: 100}"
    with pytest.raises(LawBroken, match=r"^cost of commissioned media"):
        expected(brief(f"commissions={{creator: {partner}}}"))


def doubled(binomial: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    def binomial_of_clicks(self, purpose, n, p, *, out=None):
        found = binomial(self, purpose, n, p, out=out)
        if purpose == "clicks":
            found += np.asarray(n) * 1.5
        return found

    return binomial_of_clicks
