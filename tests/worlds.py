"""Small worlds for the tests of the engine, and what to compare of their runs.

Most are scenarios/minimal.yaml with a few settings; two are written out here: `alone`, in which the
closed forms of an auction hold from end to end, and `everything`, which uses every mechanic.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from simulator.engine.simulate import simulate
from simulator.outcomes.ledger import Ledger
from simulator.outcomes.metrics import METRICS
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario import parse_scenario, read_scenario
from simulator.scenario.plan import Plan
from simulator.scenario.scenes import PlanEntry
from simulator.scenario.schema import Scenario

ROOT = Path(__file__).parents[1]
SCENARIOS = ROOT / "scenarios"

Figures = dict[str, float]

NONE_BACK = ("commerce.resale=0", "commerce.refund_fast_share=0")
"""Nothing that is refunded is on sale again."""


# --- scenarios ----------------------------------------------------------------------------------


@cache
def minimal(*sets: str) -> Scenario:
    """scenarios/minimal.yaml with settings on top."""
    return read_scenario(SCENARIOS / "minimal.yaml", sets)


@cache
def coffee(*sets: str) -> Scenario:
    """scenarios/new_coffee_100m.yaml with settings on top."""
    return read_scenario(SCENARIOS / "new_coffee_100m.yaml", sets)


@cache
def alone(*sets: str) -> Scenario:
    """One scene that aims at everybody, one auction slot, one segment: nothing but the auction."""
    return parse_scenario(ALONE.encode(), "alone.yaml", sets)


@cache
def everything(*sets: str) -> Scenario:
    """A short sale that uses every mechanic: presale, contracts, stock, bursts, all bid modes."""
    return parse_scenario(EVERYTHING.encode(), "everything.yaml", sets)


def brief(*sets: str) -> Scenario:
    """The minimal world in nine days and few steps."""
    return minimal(
        "calendar.phases.normal.start=2021-03-20",
        "calendar.phases.sale.clock=6h",
        "commerce.refund_slow_days=2",
        "calendar.sales_after_days=8",
        *sets,
    )


def booked(*sets: str) -> Scenario:
    """The brief world with a contract slot that shares the feed: 600,000 impressions."""
    return brief(
        "slots.focus={kind: contract, source: recommend, opportunities: 200k, cpm: 5, ctr: 4%, "
        "cvr: 1%, shares: feed, make_good_days: 3, packages: {opening: {impressions: 600k, phases: [normal], "
        "scene: new_customer}}}",
        "scenes.new_customer.slots=[feed, focus]",
        "scenes.new_customer.budget=40k",
        "budget=70k",
        "plans.half_half=null",
        "plans.mostly_new=null",
        *sets,
    )


def plan(scenario: Scenario, name: str = "plan", /, packages: Any = "all", **money: Any) -> Plan:
    """A plan as a file would write it: money by scene, or by scene and phase."""
    entry = PlanEntry.model_validate({"scenes": money, "packages": packages})
    return Plan.from_entry(scenario, name, entry)


# --- runs ---------------------------------------------------------------------------------------


def expected(scenario: Scenario, plans: Iterable[Plan] | None = None, **options: Any) -> Outcomes:
    """The mean field, without what costs time: daily book and attribution."""
    chosen = None if plans is None else list(plans)
    options = {"daily": False, "attribution": False} | options
    return simulate(scenario, chosen, mode="expected", **options)


def sampled(scenario: Scenario, plans: Iterable[Plan] | None = None, **options: Any) -> Outcomes:
    """Drawn, without the spread of uncertain numbers."""
    chosen = None if plans is None else list(plans)
    options = {"daily": False, "attribution": False, "spreads": False} | options
    return simulate(scenario, chosen, mode="sampled", **options)


def one(outcomes: Outcomes, *metrics: str, plan: str | None = None) -> list[float]:
    """Means of some metrics of a plan (the first if none is named)."""
    row = outcomes.metrics(plan or outcomes.plans[0])
    found = [row[name]["mean"] for name in metrics]
    return [float("nan") if x is None else x for x in found]


def figures(outcomes: Outcomes, plan: str | None = None) -> Figures:
    """The mean of every metric of a plan and of its scenes; undefined ones are left out."""
    name = plan or outcomes.plans[0]
    rows = {"": outcomes.metrics(name)} | outcomes.scenes(name)
    return {
        f"{scene} {metric}".strip(): numbers["mean"]
        for scene, row in rows.items()
        for metric, numbers in row.items()
        if numbers["mean"] is not None
    }


def arrays(book: Ledger) -> dict[str, np.ndarray]:
    """Every array of a book by name."""
    found: dict[str, np.ndarray] = {}
    for part in fields(book):
        value = getattr(book, part.name)
        if isinstance(value, Mapping):
            found |= {f"{part.name}.{name}": array for name, array in value.items()}
        else:
            found[part.name] = value
    return found


def apart(left: Figures, right: Figures, rel: float) -> dict[str, tuple[float, float]]:
    """Figures that differ by more than `rel` of the larger; both must have the same ones."""
    assert left.keys() == right.keys()
    pairs = {name: (left[name], right[name]) for name in left}
    return {
        name: (x, y) for name, (x, y) in pairs.items() if abs(x - y) > rel * max(abs(x), abs(y))
    }


def differing(one: Ledger, other: Ledger) -> list[str]:
    """Names of the arrays that are not the same to the last bit."""
    left, right = arrays(one), arrays(other)
    assert left.keys() == right.keys()
    return [name for name in left if not np.array_equal(left[name], right[name], equal_nan=True)]


def lanes_of(outcomes: Outcomes, plan: str) -> Ledger:
    """The book of one plan's lanes ("no ads": the zero-spend plan)."""
    first = [*outcomes.plans, "no ads"].index(plan) * outcomes.replications
    return outcomes.book.lanes(np.arange(first, first + outcomes.replications))


def totals(outcomes: Outcomes, plan: str) -> dict[str, np.ndarray]:
    """Every total that the run knows, in each replication: [replication]."""
    names = [m.name for m in METRICS if m.kind == "total"]
    found = {name: outcomes.values(plan, name) for name in names}
    return {name: values for name, values in found.items() if not np.isnan(values).all()}


# --- scenarios written out ----------------------------------------------------------------------

ALONE = """
name: One slot alone
extends: [calendars/plain, chain/deeplink, categories/coffee]
budget: 100m
calendar:
  end: 2021-03-09
  sales_after_days: 8
  phases:
    normal: {start: 2021-03-01, traffic: 1.3, cpm: 1.2}
segments:
  people: {people: 500k, cpm: 1.1, start: {discover: 5%, engage: 4%, cart: 1%, initial: 3%}}
products:
  coffee: {price: 120, margin: 55%}
life_cycle: {quality: [1.1, 1.1, 1.1, 1.1, 1.1, 1.1], ctr: [1, 1, 1, 1, 1, 1], cvr: [1, 1, 1, 1, 1, 1]}
chain: {fatigue: 0}
commerce: {refund_slow_days: 2}
service_score: 4.8
sources:
  feed: {organic_visits: 500, organic_bands: {outside: 1, customers: 5}, sale_sensitivity: 0.8}
slots:
  feed: {kind: auction, source: feed, opportunities: 200k, median_cpm: 40, sigma: 0.7, ctr: 4%,
         cvr: 2%}
scenes:
  only:
    slots: [feed]
    audience: {outside: 100%, aware: 100%, active: 100%, customers: 100%, lapsed: 100%}
    bid: {mode: custom_bid, cost_per: click, target: 1.5}
    prediction: 0.4
"""

EVERYTHING = """
name: Everything at once
extends: [calendars/plain, chain/deeplink, categories/coffee]
budget: 300k
calendar:
  end: 2020-11-13
  sales_after_days: 8
  phases:
    normal: {start: 2020-11-02, rival_booked: 10%}
    presale: {start: 2020-11-04, traffic: 1.3, cpm: 1.3, ctr: 1.05, cart: 1.8, cvr: 0.6,
              deposit: 0.5, deposit_release: 0.8%, rival_booked: 35%}
    day: {start: 2020-11-11, traffic: 3, cpm: 1.9, ctr: 1.1, cart: 0.8, cvr: 3, refund: 1.4,
          release: 20%, payment_load: 0.4, rival_booked: 50%, clock: 3h,
          burst: {share: 0.5, tau: 0.9, k: 0.7, traffic_part: 0.5, extra: 20%}}
    after: {start: 2020-11-12, traffic: 0.8, cpm: 0.8, cvr: 0.7, cart: 0.9, deposit: 0.1,
            deposit_release: 0.1%, payment_load: 0.1, refund: 1.2, ctr: 0.95}
  balances:
    - {start: 2020-11-11 00:30, end: 2020-11-12, completion: 85%}
    - {start: 2020-11-12 06:00, end: 2020-11-13, completion: 60%}
segments:
  young: {people: 300k, activity: 1.3, breadth: 1.2, spend: 1.3, new_product_affinity: 1.2, refund: 1.3,
          return_freight: 11, ctr: 1.1, cvr: 0.8, order_value: 0.9, cpm: 1.1,
          start: {discover: 4%, engage: 3%, enthuse: 2%, favourite: 1%, cart: 1%, initial: 3%,
                  numerous: 2%, keen: 0.5%, lapsed: 2%}}
  others: {people: 500k, activity: 0.9, new_product_affinity: 0.9, order_delay_days: 1.5,
           ctr: 0.9, cvr: 1.1, order_value: 1.1, cpm: 0.9,
           start: {discover: 2%, engage: 2%, enthuse: 1%, favourite: 0.5%, cart: 0.5%,
                   initial: 2%, numerous: 1%, keen: 0.2%, lapsed: 1%}}
personalisation: 1.05
pushes:
  fans: {source: search, days: [2020-11-08, 2020-11-11], audience: {active: 80%, customers: 60%},
         segments: [young], reach: 30%, ctr: 6%, cost: 0.05}
chain: {repeat: {rate_365: 0.2, tau_months: 6, event_factor: 0.7},
        base_moves: {outside: {enthuse: 0.01%, favourite: 0.01%, cart: 0.01%},
                     discover: {enthuse: 0.1%, favourite: 0.1%}}}
products:
  hit: {price: 120, margin: 55%, product_stage: hit, organic: 3, presale: true, deposit: 10%,
        refund: 4%, discount: {day: 15%, presale: 5%}, product_power: 1.1}
  old: {price: 60, margin: 40%, product_stage: clearance, stock: 250, refund: 5%,
        restocks: [{at: 2020-11-11, units: 150}], discount: {day: 20%}}
  start: {price: 90, margin: 50%, product_stage: launch, organic: 0.5, refund: 6%}
  next: {price: 80, margin: 50%, product_stage: potential, organic: 0.5, presale: true,
         deposit: 20%}
  core: {price: 100, margin: 50%, product_stage: core}
  test: {price: 70, margin: 50%, product_stage: sampling, launch: 2020-11-05}
life_cycle: {category_orders: 30}
commerce: {refund_slow_days: 2}
sources:
  search: {preset: search, organic_visits: 2k}
  recommend: {preset: recommend, organic_visits: 1.5k, sale_sensitivity: 0.8, touch: 0.9}
slots:
  words: {preset: search_words, source: search, opportunities: 80k, position_decay: [1, 0.6, 0.4, 0.3]}
  feed: {preset: recommend_feed, source: recommend, opportunities: 300k, reserve_cpm: 8}
  brand: {kind: auction, source: search, mechanism: vcg, positions: 2, position_decay: [1, 0.5],
          opportunities: 40k, median_cpm: 60, ctr: 6%, cvr: 4%, sigma: 0.7}
  out: {kind: auction, source: recommend, mechanism: first_price, opportunities: 100k,
        median_cpm: 20, ctr: 2%, cvr: 1%}
  focus: {kind: contract, source: recommend, opportunities: 100k, cpm: 50, ctr: 4%, cvr: 1.5%,
          shares: feed, precision: 60%, make_good: 110%, make_good_days: 4,
          packages: {early: {impressions: 900k, phases: [presale], scene: new, cpm: 40},
                     rest: {impressions: 300k, phases: [day, after], scene: sale}}}
  top: {kind: contract, source: recommend, opportunities: 30k, cpm: 80, ctr: 5%, cvr: 1%,
        make_good_days: 4, packages: {all: {impressions: 100k, phases: [day], scene: sale, signed: true}}}
scenes:
  new: {preset: new_customer, slots: [feed, out, focus], fixed_cost: 1500, budget: 120k,
        bid: {mode: cost_control, cost_per: first_order, target: 40}, products: {hit: 2, start: 1},
        creative_by_band: {outside: 1.2, aware: 0.9}, personalisation: 1.1, daily_cap: 8k}
  sale: {preset: harvest, slots: [words, feed, focus, top], fixed_cost: 1000, budget: 90k,
         products: {hit: 3, old: 1, core: 1}, creative: 1.1}
  words: {preset: keyword, slots: [words, brand], fixed_cost: 800, budget: 30k,
          bid: {mode: custom_bid, cost_per: click, target: 2}, segments: [young]}
  gain: {preset: harvest, slots: [brand, out, feed], budget: 30k, fixed_cost: 100,
         bid: {mode: roi_control, target: 1.2}, budget_kind: cycle,
         product_stages: {hit: 1, launch: 0.5, core: 0.8, potential: 1, sampling: 1, clearance: 1.2}}
  move: {preset: crowd_ark, slots: [feed], budget: 2k, budget_kind: daily, fixed_cost: 10,
         bid: {mode: cost_control, cost_per: perform, target: 6}}
  rush: {preset: harvest, slots: [out], budget: 10k, fixed_cost: 10, pacing: quick,
         bid: {mode: cost_control, cost_per: cart, target: 8}, phases: [day]}
chance: {demand_sd: 0.1}
"""
