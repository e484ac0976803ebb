"""Plans that an optimiser has beside its own, whatever they are called and cost, and the partners of all of them."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

from simulator import cli
from simulator.allocation.bounds import best_target
from simulator.allocation.effort import SHORT
from simulator.allocation.goals import least_budget
from simulator.allocation.market import even_split
from simulator.allocation.optimize import EVEN, optimize
from simulator.allocation.portfolio import optimize_portfolio
from simulator.allocation.replan import replan
from simulator.outcomes.portfolio import EQUAL, PROPORTIONAL, SHARED
from simulator.scenario.plan import Plan, plans_of
from tests.worlds import SCENARIOS, Scenario, brief

QUICK = {"effort": SHORT, "replications": 4}
NO_PLANS = ("plans=null", "scenes.new_customer.budget=null", "scenes.harvest.budget=null")
ONE = ("plans.half_half=null", "plans.mostly_new=null")


# --------------------------------------------------------------------------- names
@pytest.mark.slow
@pytest.mark.parametrize("name", ["even", EVEN, "best 1"])
def test_a_plan_may_have_any_name(name: str):
    world = brief(*ONE, "plans.even={scenes: {new_customer: 30k, harvest: 20k}}")
    current = replace(plans_of(world)[0], name=name)
    frontier = optimize(world, ("roi",), current=current, budgets=(), **QUICK)
    own = f"own {name}" if name in (EVEN, "best 1") else name
    assert frontier.current == own
    assert {own, EVEN, "best 1"} == set(frontier.outcomes.plans)


@pytest.mark.slow
def test_a_file_without_plans_is_optimised():
    world = brief(*NO_PLANS)
    frontier = optimize(world, ("roi",), budgets=(), **QUICK)
    assert frontier.current == "even"
    assert frontier.figure("even", "profit") == pytest.approx(frontier.figure(EVEN, "profit"))
    assert least_budget(world, {"new_customers": 2900}, **QUICK).current_plan.name == "even"
    shared = optimize_portfolio([world, brief()], labels=["a", "b"], **QUICK)
    assert sum(shared.money[SHARED].values()) == pytest.approx(120e3)


@pytest.mark.slow
def test_a_file_without_plans_is_optimised_from_the_command_line():
    sets = (*NO_PLANS, "calendar.phases.normal.start=2021-03-20", "calendar.phases.sale.clock=6h")
    wanted = [part for text in sets for part in ("--set", text)]
    command = ["optimize", str(SCENARIOS / "minimal.yaml"), "--quick", "-n", "4", "--jobs", "1"]
    found = CliRunner().invoke(cli.adsim, [*command, *wanted])
    assert (found.exit_code, found.stderr) == (0, "") and "even (now)" in found.stdout


# --------------------------------------------------------------------------- even splits
def dear(*sets: str) -> Scenario:
    """Packages of 40,000 CNY each; the budget of 60,000 pays one, the plan has none."""
    return brief(
        "slots.focus={kind: contract, source: recommend, opportunities: 900k, cpm: 40, ctr: 4%, cvr: 1%, "
        "make_good_days: 3, packages: {a: {impressions: 1m, phases: [normal], scene: new_customer}, "
        "b: {impressions: 1m, phases: [sale], scene: new_customer}}}",
        "scenes.new_customer.slots=[feed, focus]", *ONE,
        "plans.p={scenes: {new_customer: 30k, harvest: 30k}, packages: none}",
        "scenes.new_customer.budget=null", "scenes.harvest.budget=null", *sets,
    )  # fmt: skip


def test_an_even_split_has_all_packages_or_none_that_it_may_leave_out():
    plan = "plans.p={scenes: {new_customer: 10k, harvest: 10k}, packages: none}"
    a = ("slots.focus.packages.a.signed=true", plan)
    bare, one = even_split(dear()), even_split(dear(*a))
    assert (bare.packages, bare.auction_money) == (frozenset(), pytest.approx(60e3))
    assert (one.packages, one.auction_money) == ({"focus.a"}, pytest.approx(20e3))
    assert even_split(dear(*a, "slots.focus.cancellation_fee=0.3")).packages == frozenset()
    rich = dear("budget=100k")
    assert even_split(rich) == Plan.even(rich) and len(even_split(rich).packages) == 2
    assert even_split(rich, 70e3).packages == frozenset()


@pytest.mark.slow
def test_packages_that_cost_more_together_than_the_budget_are_no_hindrance():
    frontier = optimize(dear(), ("roi",), budgets=(), **QUICK)
    assert len(frontier.best.plan.packages) < 2
    for name in frontier.outcomes.plans:
        assert frontier.figure(name, "spend") <= 60e3 * (1 + 1e-6)
    goal = least_budget(dear(), {"new_customers": 2900}, **QUICK)
    assert goal.expected["new_customers"] == pytest.approx(2900, rel=1e-3)
    shared = optimize_portfolio([dear(), brief()], labels=["a", "b"], **QUICK)
    assert sum(shared.money[SHARED].values()) <= 120e3 * (1 + 1e-6)


# --------------------------------------------------------------------------- partners
def with_partners() -> Scenario:
    """Commissioned media brings more than all ads; the plan does without."""
    return brief(
        "commissions.aff={source: search, visits: 1500, bands: {outside: 1, aware: 2, active: 3, customers: 2}, "
        "cvr: 5%, rate: 10%, fee: 100}",
        "sources.search={preset: search, organic_visits: 500}", *ONE,
        "plans.mine={scenes: {new_customer: 25k, harvest: 25k}, commissions: none}",
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("since", [None, "2021-03-24"])
def test_plans_have_the_partners_of_the_current_one(since: str | None):
    world = with_partners()
    frontier = (
        replan(world, None, since, objectives=("roi",), **QUICK)
        if since
        else optimize(world, ("roi",), **QUICK)
    )
    points = [*frontier.points, *frontier.others]
    assert {p.plan.commissions for p in points} == {frozenset()}
    assert {frontier.figure(n, "commission_media") for n in frontier.outcomes.plans} == {0.0}


@pytest.mark.slow
def test_another_current_plan_brings_its_own_partners():
    own = Plan("all", plans_of(with_partners())[0].money, frozenset(), None)
    frontier = optimize(with_partners(), ("roi",), current=own, budgets=(), **QUICK)
    assert frontier.best.plan.commissions is None
    assert all(frontier.figure(n, "commission_media") > 0 for n in frontier.outcomes.plans)


@pytest.mark.slow
def test_plans_for_a_goal_have_the_partners_of_the_current_one():
    world = with_partners()
    assert least_budget(world, {"gmv": 330e3}, **QUICK).plan.commissions == frozenset()
    goal = best_target(world, "new_customers", min_roi=-0.9, **QUICK)
    assert goal.plan.commissions == frozenset()


@pytest.mark.slow
def test_plans_of_a_portfolio_have_the_partners_of_their_files():
    shared = optimize_portfolio([with_partners(), brief()], labels=["a", "b"], **QUICK)
    assert shared.plans["a"].commissions == frozenset() and shared.plans["b"].commissions is None
    for split in (SHARED, EQUAL, PROPORTIONAL):
        assert shared.outcomes["a"].metrics(split)["commission_media"]["mean"] == 0.0
