"""The clock law: the length of a step is a matter of cost, not of the answer.

Steps of 15 minutes for hours and of hours for days may change gmv, new customers and spend by 0.5%,
clicks by 1% and roi by 0.01. Quick pacing stops inside the step in which the money runs out.
"""

from collections.abc import Generator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from simulator.engine.run import View
from simulator.engine.simulate import make_grid
from simulator.market.calendar import DAY, Steps
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.plan import plans_of
from simulator.scenario.schema import Scenario
from tests.worlds import Figures, alone, coffee, expected, figures, minimal, plan

FINER = {3600: 900, 21600: 3600, 86400: 3600}
LAW = {"gmv": 0.005, "new_customers": 0.005, "spend": 0.005, "clicks": 0.01}
ROI = 0.01


def with_clocks(scenario: Scenario, clocks: dict[int, int]) -> Scenario:
    """The scenario with steps of another length."""
    phases = {
        name: phase.model_copy(update={"clock": clocks.get(phase.clock, phase.clock)})
        for name, phase in scenario.calendar.phases.items()
    }
    calendar = scenario.calendar.model_copy(update={"phases": phases})
    return scenario.model_copy(update={"calendar": calendar})


def broken(coarse: Outcomes, fine: Outcomes) -> dict[str, float]:
    """Where the law does not hold: the change of each figure of each plan."""
    found = {}
    for name in coarse.plans:
        a, b = figures(coarse, name), figures(fine, name)
        for metric, most in LAW.items():
            change = a[metric] / b[metric] - 1
            if abs(change) > most:
                found[f"{name} {metric}"] = change
        gap = a["roi"] - b["roi"]
        if abs(gap) > ROI:
            found[f"{name} roi"] = gap
    return found


@pytest.mark.slow
@pytest.mark.parametrize("world", [minimal, coffee])
def test_a_finer_clock_changes_little(world):
    scenario = world("chance.demand_sd=0")
    assert broken(expected(scenario), expected(with_clocks(scenario, FINER))) == {}


BIDS = {
    "cost per click": (
        "scenes.new_customer.bid={mode: cost_control, cost_per: click, target: 0.6}",
        "scenes.harvest.bid={mode: cost_control, cost_per: cart, target: 20}",
    ),
    "cost per order": (
        "scenes.new_customer.bid={mode: cost_control, cost_per: first_order, target: 12}",
        "scenes.harvest.bid={mode: cost_control, cost_per: order, target: 25}",
    ),
    "roi": ("scenes.harvest.bid={mode: roi_control, target: 5}",),
    "custom": (
        "scenes.new_customer.bid={mode: custom_bid, cost_per: click, target: 0.8}",
        "scenes.harvest.bid={mode: custom_bid, cost_per: order, target: 60}",
    ),
    "much money": ("budget=600k", "scenes.new_customer.budget=300k", "scenes.harvest.budget=300k"),
    "quick beside smooth": (
        "scenes.new_customer.bid={mode: custom_bid, cost_per: click, target: 0.8}",
        "scenes.new_customer.pacing=quick",
    ),
    "quick cost control beside smooth": (
        "scenes.harvest.bid={mode: cost_control, cost_per: order, target: 30}",
        "scenes.harvest.pacing=quick",
    ),
    "quick, all the money": ("scenes.harvest.pacing=quick",),
}
WORLDS = {
    "burst": ("calendar.phases.sale.burst={}",),
    "burst by 6 hours": ("calendar.phases.sale.burst={}", "calendar.phases.sale.clock=6h"),
    "tired people": ("chain.fatigue=0.5", "chain.fatigue_half_life_days=2"),
    "small stock": ("products.coffee.stock=4000",),
    "a hit that pulls the store": (
        "products.coffee.product_stage=hit",
        "products.tea={price: 90, margin: 50%}",
        "life_cycle.halo=20%",
        "life_cycle.halo_cvr=8%",
    ),
    "choices": (
        "plans=null",
        "budget=64k",
        "scenes.test={preset: product_test, slots: [feed], budget: 4k, "
        "explore: {product: coffee, variants: 6, sd: 40%, decide_at: sale}}",
        "scenes.new_customer.creatives={count: 5}",
    ),
}
SHORTER = (
    "calendar.phases.normal.start=2021-03-16", "commerce.refund_slow_days=2", "calendar.sales_after_days=8",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BIDS, *WORLDS])
def test_a_finer_clock_changes_little_in(name: str):
    scenario = minimal(*SHORTER, *(BIDS | WORLDS)[name])
    assert broken(expected(scenario), expected(with_clocks(scenario, FINER))) == {}


@pytest.mark.parametrize(
    ("name", "scene"),
    [
        ("quick beside smooth", "new_customer"),
        ("quick cost control beside smooth", "harvest"),
        ("quick, all the money", "harvest"),
    ],
)
def test_a_finer_clock_changes_little_for_a_quick_scene_alone(name: str, scene: str):
    scenario = minimal(*SHORTER, *BIDS[name])
    lonely = [plan(scenario, "alone", **{scene: 30000})]
    coarse, fine = (expected(s, lonely) for s in (scenario, with_clocks(scenario, FINER)))
    assert broken(coarse, fine) == {}


# --- quick pacing -------------------------------------------------------------------------------

SHARES = [0.1, 0.55]
"""Of the full cost of a day that the scene has."""


@dataclass(frozen=True)
class Quick:
    """One day at a fixed bid, spending as fast as it can."""

    steps: Steps
    figures: Figures
    spent: dict[int, float]
    """After the step that starts at this second."""


@cache
def run_quick(clock: str, money: float) -> Quick:
    spent: dict[int, float] = {}

    def watch(view: View) -> Generator[float, None, None]:
        while view.seconds < DAY:
            yield 60
            spent[view.seconds] = float(view.spent[0, 0, 0])

    scenario = alone(
        f"calendar.phases.normal.clock={clock}",
        "calendar.end=2021-03-02",
        "scenes.only.pacing=quick",
        "commerce.refund_slow_days=1",
        "calendar.sales_after_days=7",
    )
    processes = [watch] if clock == "1min" else []
    outcomes = expected(scenario, [plan(scenario, only=money)], processes=processes)
    return Quick(make_grid(scenario), figures(outcomes), spent)


def whole_day() -> Figures:
    """What the bid brings when it is paid all day."""
    return run_quick("1d", 1e8).figures


@pytest.mark.parametrize("share", SHARES)
def test_money_runs_out_inside_the_step(share: float):
    """The part of the day's traffic that is met is the part of the full cost that is there."""
    whole = whole_day()
    part = run_quick("1d", share * whole["spend"]).figures
    for name in ("spend", "impressions"):
        assert part[name] == pytest.approx(share * whole[name], rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("share", SHARES)
def test_money_runs_out_in_the_minute_in_which_its_traffic_has_passed(share: float):
    money = share * whole_day()["spend"]
    day = run_quick("1min", money)
    passed = np.cumsum(day.steps.browse[:1440]) / day.steps.browse[:1440].sum()
    due = int(day.steps.start[np.searchsorted(passed, share)])
    out = min(second for second, amount in day.spent.items() if amount > money * (1 - 1e-9))
    assert out == due
    assert max(day.spent.values()) == pytest.approx(money, rel=1e-9)


@pytest.mark.parametrize("clock", ["1d", "6h", "1h"])
@pytest.mark.parametrize("share", SHARES)
def test_a_day_at_a_quick_fixed_bid_is_the_same_in_minutes(clock: str, share: float):
    """But for the hour at which visitors buy: a step knows only its own mean."""
    money = share * whole_day()["spend"]
    coarse, fine = (run_quick(c, money).figures for c in (clock, "1min"))
    allowed = {"spend": 1e-9, "impressions": 1e-9, "clicks": LAW["clicks"]}
    if clock != "1d":
        allowed |= {"gmv": LAW["gmv"], "new_customers": LAW["new_customers"]}
    for name, most in allowed.items():
        assert coarse[name] == pytest.approx(fine[name], rel=most), name


def test_the_plans_of_the_files_are_all_compared():
    assert [len(plans_of(world())) for world in (minimal, coffee)] == [2, 4]
