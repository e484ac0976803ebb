"""The engine's lanes against the twin: one page of rules, two programs, the same figures.

What both produce must agree to 1e-9 of it (and to 1e-6 in absolute terms) in every lane: all plans
of the scenario, the plan without ads, and three points of the shocks.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from simulator.engine.lanes import Chunk, quadrature, shock_names
from simulator.engine.run import Run
from simulator.engine.simulate import make_grid
from simulator.market.build import build_world
from simulator.scenario import read_scenario
from simulator.scenario.chain import CHAIN_STAGES
from simulator.scenario.plan import Plan, all_packages, plans_of
from simulator.scenario.schema import Scenario
from tests.engine import stress
from tests.engine.stress_linkage import linked, short_of_goods, signed, with_regulars
from tests.oracles.twin import TwinResult, run_twin
from tests.oracles.twin_crowds import layered
from tests.worlds import alone, everything

REL, ABS = 1e-9, 1e-6
Figures = dict[str, float]

TOTALS = {  # engine: twin
    "refunded_new": "refunded_new_customers",
    "recalled_members": "recalled",
} | {
    name: name
    for name in (
        "paid_visits", "free_visits", "favourites", "carts", "deposits", "balances", "orders", "paid_orders",
        "unmet", "refunds", "refund_value", "goods_cost", "refund_cost", "return_cost", "new_customers",
        "returned", "lapsed", "gmv", "gmv_campaign", "forfeited", "contract_spend", "money_back",
        "peak_payment_load", "pooled", "pooled_fulfilment", "late_orders", "days_waited",
        "peak_shipping_delay", "peak_score_fall",
        "messages", "message_spend", "brand_new_customers",
        "subsidy", "refund_subsidy", "rebate", "credit", "guarantee", "settlement", "hosted_fee",
        "write_down",
        "commission_visits", "commission_media",
    )
}  # fmt: skip
SCENES = ("impressions", "offered", "clicks", "visits", "targeted", "allowed")
PACKAGES = {"delivered": "delivered", "shortfall": "shortfall", "made_good": "make_good_served"}
PARTNERS = ("visits", "gmv", "cost")
PRODUCTS = {"left": "stock_left"} | {
    name: name for name in ("paid", "gmv", "refunds", "unmet", "back_on_sale")
}
DAYS = ("gmv", "spend", "new_customers", "visits")


@dataclass(frozen=True)
class Case:
    """A scenario with the plans that are compared."""

    scenario: Scenario
    plans: tuple[Plan, ...]


def of_file(name: str) -> Case:
    scenario = read_scenario(f"scenarios/{name}.yaml")
    return Case(scenario, (*plans_of(scenario), Plan.none(scenario)))


def of_stress(data: dict) -> Case:
    return of_world(Scenario.model_validate(data))


def of_world(scenario: Scenario) -> Case:
    return Case(scenario, (stress.plan(scenario), Plan.none(scenario)))


def of_bookings() -> Case:
    scenario = Scenario.model_validate(stress.bookings())
    return Case(scenario, (stress.plan(scenario), stress.cancelled(scenario), Plan.none(scenario)))


CASES = {
    "minimal": lambda: of_file("minimal"),
    "new_coffee_100m": lambda: of_file("new_coffee_100m"),
    "rush": lambda: of_stress(stress.rush()),
    "linked": lambda: of_stress(linked()),
    "linked, with regulars": lambda: of_stress(with_regulars()),
    "linked, little stock": lambda: of_stress(short_of_goods()),
    "signed": lambda: of_stress(signed(elastic=False)),
    "signed at a price": lambda: of_stress(signed(elastic=True)),
    "scarcity": lambda: of_stress(stress.scarcity()),
    "crowds": lambda: of_stress(stress.crowds()),
    "moved": lambda: of_stress(stress.moved()),
    "shown": lambda: of_stress(stress.shown()),
    "bookings": of_bookings,
    "contracts alone": lambda: of_stress(stress.contracts_alone()),
    "flat_bid": lambda: of_stress(stress.flat_bid()),
    "busy_bargains": lambda: of_stress(stress.busy_bargains()),
    "busy": lambda: of_stress(stress.busy()),
    "sold_out": lambda: of_stress(stress.sold_out()),
    "shelf": lambda: of_stress(stress.shelf()),
    "everything": lambda: of_world(everything("products.old.stock=1m")),
    "nearly all is won": lambda: of_world(
        alone("scenes.only.bid={mode: cost_control, cost_per: order, target: 70}")
    ),
    "bargains": lambda: of_stress(stress.bargains()),
    "everything, little stock": lambda: of_world(everything()),
    "everything, and hits pull": lambda: of_world(everything("life_cycle.halo=0.3")),
}


LONG = ("new_coffee_100m", "crowds")
SOME_POINTS = (0, 6, 13)  # of those of the common shocks


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in CASES]
)
def test_the_engine_agrees_with_the_twin(name: str):
    apart = [
        f"{lane}: {figure}: engine {ours!r}, twin {theirs!r}"
        for lane, figure, ours, theirs in pairs_of(CASES[name]())
        if abs(ours - theirs) > max(REL * abs(theirs), ABS)
    ]
    assert not apart, "\n".join(apart[:40])


def pairs_of(case: Case) -> Iterator[tuple[str, str, float, float]]:
    """(lane, figure, engine, twin) of everything that both produce."""
    points = quadrature(len(shock_names(case.scenario))).shape[1]
    book = run_engine(case, points)
    some = SOME_POINTS if points > 1 else (0,)
    for (plan, chosen), point in itertools.product(enumerate(case.plans), some):
        lane = plan * points + point
        money = {scene: dict(cells) for scene, cells in chosen.money.items()}
        partners = None if chosen.commissions is None else sorted(chosen.commissions)
        packages = sorted(chosen.packages)
        twin = run_twin(case.scenario, money, packages, point=point, commissions=partners)
        ours, theirs = (
            figures_of_engine(case.scenario, book, lane),
            figures_of_twin(case.scenario, twin),
        )
        assert ours.keys() == theirs.keys()
        yield from ((f"{chosen.name}[{point}]", at, ours[at], theirs[at]) for at in ours)


def run_engine(case: Case, points: int):
    world = build_world(case.scenario, make_grid(case.scenario))
    chunk = Chunk(case.plans, tuple(range(points)))
    return Run(world, chunk, 1, sampled=False, daily=True).go()


def figures_of_engine(scenario: Scenario, book, lane: int) -> Figures:
    found = {f"total {name}": book.totals[name][lane] for name in TOTALS}
    phases = sorted(scenario.calendar.phases, key=lambda name: scenario.calendar.phases[name].start)
    found["asset"] = book.asset[lane]
    for i, scene in enumerate(scenario.scenes):
        found |= {f"{scene} {name}": book.scenes[name][i, lane] for name in SCENES}
        found[f"{scene} spend"] = book.scenes["spend"][i, lane]
        found |= {f"{scene} {p} spend": book.spend[i, f, lane] for f, p in enumerate(phases)}
    for q, package in enumerate(all_packages(scenario)):
        found |= {f"{package} {name}": book.packages[name][q, lane] for name in PACKAGES}
    for c, partner in enumerate(scenario.commissions):
        found |= {f"{partner} {name}": book.commissions[name][c, lane] for name in PARTNERS}
    for g, (segment, viewed) in enumerate(
        zip(layered(scenario).segments, book.viewed, strict=True)
    ):
        found[f"{segment} viewed"] = viewed[lane]
        for c, stage in enumerate(CHAIN_STAGES):
            found[f"{segment} {stage}"] = book.people[c, g, lane]
    for p, product in enumerate(scenario.products):
        found |= {f"{product} {name}": book.products[name][p, lane] for name in PRODUCTS}
    for name in DAYS:
        found |= {f"day {d} {name}": x for d, x in enumerate(book.days[name][:, lane])}
    return {at: float(x) for at, x in found.items()}


def figures_of_twin(scenario: Scenario, twin: TwinResult) -> Figures:
    found = {f"total {name}": twin.totals[theirs] for name, theirs in TOTALS.items()}
    found["asset"] = twin.totals["asset"]
    for scene, counts in twin.scenes.items():
        found |= {f"{scene} {name}": counts[name] for name in SCENES}
        found[f"{scene} spend"] = counts["spend"] + counts["contract_spend"]
        for phase in scenario.calendar.phases:
            found[f"{scene} {phase} spend"] = twin.scene_phase_spend.get((scene, phase), 0.0)
    for package in all_packages(scenario):
        counts = twin.packages.get(package, {})
        found |= {f"{package} {name}": counts.get(at, 0.0) for name, at in PACKAGES.items()}
    for partner in scenario.commissions:
        counts = twin.commissions.get(partner, {})
        found |= {f"{partner} {name}": counts.get(name, 0.0) for name in PARTNERS}
    found |= {f"{segment} viewed": x for segment, x in twin.viewed.items()}
    found |= {f"{segment} {stage}": n for (segment, stage), n in twin.people.items()}
    for product, counts in twin.products.items():
        found |= {f"{product} {name}": counts[at] for name, at in PRODUCTS.items()}
    for name in DAYS:
        found |= {f"day {d} {name}": day[name] for d, day in enumerate(twin.daily)}
    return found
