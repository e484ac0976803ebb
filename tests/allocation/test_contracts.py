"""Contract packages in a search: what is sunk, what a scene costs with them, and files that have nothing else."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from simulator.allocation.aims import linear
from simulator.allocation.effort import SHORT
from simulator.allocation.feasible import check_feasible, fit_floors
from simulator.allocation.goals import least_budget
from simulator.allocation.market import SimulatedMarket, make_plans
from simulator.allocation.market import make_problem as problem_of
from simulator.allocation.optimize import optimize
from simulator.allocation.portfolio import optimize_portfolio
from simulator.allocation.problem import Limits, Problem, Split
from simulator.allocation.repair import repair
from simulator.allocation.replan import replan
from simulator.allocation.response import Sweep, best_split
from simulator.allocation.slopes import held
from simulator.errors import UserError
from simulator.outcomes.portfolio import SHARED
from simulator.reports.sentences import answer
from simulator.scenario.cut import cut_at
from simulator.scenario.plan import Plan, package_price
from tests.allocation.markets import make_problem
from tests.worlds import Scenario, brief, expected, one

QUICK = {"effort": SHORT, "replications": 4}
SLOT = (
    "slots.focus={{kind: contract, source: recommend, opportunities: 200k, cpm: {cpm}, ctr: 4%, cvr: 1%, "
    "make_good_days: 3, {fee} packages: {{opening: {{impressions: 500k, phases: [normal], "
    "scene: new_customer, signed: true}}}}}}"
)
FEES = ("", "cancellation_fee: 30%,", "cancellation_fee: 100%,")


def signed(fee: str, *sets: str, cpm: int = 20) -> Scenario:
    """The first scene has signed a package, which a plan can cancel for a fee, if there is one."""
    return brief(
        SLOT.format(fee=fee, cpm=cpm), "scenes.new_customer.slots=[feed, focus]", "plans.half_half=null",
        "plans.mostly_new=null", "scenes.new_customer.budget=4k", "scenes.harvest.budget=4k", "budget=60k",
        *sets,
    )  # fmt: skip


def cost_of(scenario: Scenario, plan: Plan, scene: str) -> float:
    """What a scene costs that has all the packages of a plan [CNY]."""
    return sum(plan.money[scene].values()) + sum(package_price(scenario, p) for p in plan.packages)


# --------------------------------------------------------------------------- fixed costs
@pytest.mark.parametrize("fee", FEES)
def test_a_search_sees_the_profits_of_a_run(fee: str):
    """Also of a scene that a booking runs, whatever it has for auctions, and of one that is closed."""
    costs = ("scenes.new_customer.fixed_cost=5k", "scenes.harvest.fixed_cost=2k")
    world = signed(fee, *costs)
    problem = problem_of(world, world.budget)
    money = np.array([[0, 0, 9e3], [3e3, 3e3, 9e3], [3e3, 3e3, 0], [0, 0, 0]]).repeat(2, axis=0)
    flags = np.tile([[True], [False]], (4, 1))[:, : len(problem.packages)]
    rows, wanted = Split(money, flags), ["profit_incremental", "profit"]
    aims = linear(np.ones((8, 2)), np.ones(2), np.array([world.budget]), keeps=True)
    seen = aims.values(problem, rows, SimulatedMarket(world, problem, wanted)(rows))
    seen[:, 1] -= problem.fixed_costs(rows)
    played = expected(world, make_plans(world, problem, rows))
    figures = [one(played, *wanted, plan=name) for name in played.plans]
    assert seen == pytest.approx(np.array(figures), rel=1e-9)


@pytest.mark.slow
def test_what_a_signed_scene_costs_to_run_decides_nothing():
    def best(cost: str) -> Plan:
        more = "slots.focus.packages.opening.impressions=600k"
        world = signed("", f"scenes.new_customer.fixed_cost={cost}", more, "budget=12k", cpm=5)
        return optimize(world, ("roi",), effort=SHORT, replications=16).best.plan

    free, costly = (best(cost).money for cost in ("0", "20k"))
    for scene in free:
        assert costly[scene] == pytest.approx(free[scene], rel=1e-3)


@pytest.mark.slow
def test_a_budget_for_a_profit_reaches_it_beside_a_signed_booking():
    world = signed("", "scenes.new_customer.fixed_cost=20k", cpm=5)
    none = expected(world).metrics("no ads")["profit"]["mean"]
    goal = least_budget(world, {"profit": none + 3_000}, **QUICK)
    assert goal.expected["profit"] == pytest.approx(none + 3_000, rel=1e-3)


# --------------------------------------------------------------------------- what a scene costs
@pytest.mark.slow
@pytest.mark.parametrize("fee", FEES)
def test_limits_hold_for_all_that_a_scene_costs(fee: str):
    """The package costs 10,000 CNY, whatever cancelling it would have cost."""
    world = signed(fee)
    limits = Limits(caps={"new_customer": 20e3})
    found = optimize(world, ("gmv",), limits=limits, budgets=(), **QUICK).best.plan
    assert found.packages and cost_of(world, found, "new_customer") == pytest.approx(20e3)
    floor = problem_of(world, 60e3, Limits(floors={"new_customer": 15e3}))
    booked = np.ones((1, len(floor.packages)), bool)
    fitted = repair(floor, Split(np.array([[1.0, 1.0, 60e3]]), booked))
    made = make_plans(world, floor, fitted)[0]
    assert cost_of(world, made, "new_customer") == pytest.approx(15e3)
    assert made.total(world) == pytest.approx(60e3)


def test_a_limit_below_what_is_signed_is_refused_with_the_amounts():
    problem = problem_of(signed(""), 60e3, Limits(caps={"new_customer": 9e3}))
    with pytest.raises(UserError, match=r"must have 10,000 CNY, but may have only 9,000 CNY"):
        check_feasible(problem)
    with pytest.raises(UserError, match=r"need 10,000 CNY.*\(new_customer 10,000\)"):
        check_feasible(problem_of(signed(""), 8e3))


MINIMUM = make_problem([1, 1], 1000, sunk=np.array([100.0, 0.0]), minimum=np.array([300.0, 0.0]))


@pytest.mark.parametrize(
    ("wish", "fitted"), [((0, 500), (0, 900)), ((9, 500), (0, 900)), ((300, 1500), (200, 700))]
)
def test_a_scene_that_has_signed_gets_no_more_or_its_minimum(wish, fitted):
    row = repair(MINIMUM, Split(np.array([wish], float), np.zeros((1, 0), bool)))
    assert row.money[0] == pytest.approx(fitted, abs=0.5)
    assert MINIMUM.total(row)[0] == pytest.approx(1000)
    assert held(MINIMUM, row)[0].tolist() == [True, False]


# --------------------------------------------------------------------------- bookings that cannot be paid
BOOKINGS = {
    "packages": ("p", "q"), "price": np.array([70.0, 150.0]), "payer": np.array([0, 1]),
    "must": np.zeros(2, bool), "may": np.ones(2, bool),
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, [True, True]),
        ({"budget": 200.0}, [True, False]),
        ({"budget": 60.0}, [False, False]),
        ({"budget": 200.0, "must": np.array([False, True])}, [False, True]),
        ({"cap": np.array([60.0, np.inf])}, [False, True]),
        ({"floor": np.array([300.0, 0.0]), "budget": 400.0}, [True, False]),
        ({"group_cap": np.array([160.0])}, [True, False]),
    ],
)
def test_packages_that_limits_or_the_budget_do_not_pay_are_left_out(change: dict, kept: list[bool]):
    group = {"groups": ("g",), "group_of": np.zeros(2, int), "group_floor": np.zeros(1)}
    problem = make_problem([1, 1], 1000.0, **BOOKINGS, **group, group_cap=np.full(1, np.inf))
    problem = replace(problem, **change)
    fitted = repair(problem, Split(np.full((1, 2), 500.0), np.ones((1, 2), bool)))
    assert fitted.booked[0].tolist() == kept
    assert problem.total(fitted)[0] <= problem.budget + 1e-6


# --------------------------------------------------------------------------- scenes without auctions
def shop_window(**limits) -> Problem:
    """A scene with one cell, and one that books packages of 70 and 150 CNY alone."""
    return make_problem([1, 0], 1000.0, **BOOKINGS | {"payer": np.ones(2, int)} | limits)


def limit(name: str, money: float) -> dict[str, np.ndarray]:
    """A limit of the second scene."""
    other = 0.0 if name == "floor" else np.inf
    return {name: np.array([other, money])}


@pytest.mark.parametrize(
    ("low", "high", "mends"),
    [(100.0, 100.0, "100 CNY: ask for 70 or 150 CNY"),
     (30.0, 30.0, "30 CNY: ask for 0 or 70 CNY"),
     (160.0, 200.0, "160 to 200 CNY: ask for 150 or 220 CNY"),
     (250.0, 250.0, "must have 250 CNY, but may have only 220 CNY")],
)  # fmt: skip
def test_what_no_choice_of_packages_costs_is_refused_with_what_can_be_asked(low, high, mends):
    problem = shop_window(**limit("floor", low), **limit("cap", high))
    with pytest.raises(UserError, match=mends):
        check_feasible(problem)


def test_a_choice_of_packages_that_cannot_be_had_is_not_offered():
    problem = shop_window(
        **limit("floor", 100.0), **limit("cap", 100.0), must=np.array([True, False])
    )
    with pytest.raises(UserError, match="ask for 70 or 220 CNY"):
        check_feasible(problem)


@pytest.mark.parametrize(
    ("money", "booked"),
    [(70.0, [True, False]), (150.0, [False, True]), (220.0, [True, True])],
)
def test_a_lock_is_met_by_the_packages_that_cost_it(money: float, booked: list[bool]):
    problem = shop_window(**limit("floor", money), **limit("cap", money))
    check_feasible(problem)
    wishes = np.array([[False, False], [True, False], [False, True], [True, True]])
    fitted = repair(problem, Split(np.full((4, 1), 500.0), wishes))
    assert (fitted.booked == booked).all()
    assert fitted.money[:, 0] == pytest.approx(1000 - money)


def test_a_floor_counts_as_what_the_packages_that_reach_it_cost():
    problem = fit_floors(shop_window(**limit("floor", 100.0)))
    assert problem.floor.tolist() == [0.0, 150.0]
    with pytest.raises(UserError, match="need 150 CNY, but the budget is 120 CNY"):
        check_feasible(replace(problem, budget=120.0))
    rows = Split(np.full((2, 1), 500.0), np.array([[False, False], [True, True]]))
    assert repair(problem, rows).booked.tolist() == [[False, True], [True, True]]


def test_limits_of_a_group_without_auctions_are_met_by_packages_too():
    group = {"groups": ("g",), "group_of": np.array([-1, 0]), "group_word": "file"}
    problem = shop_window(**group, group_floor=np.array([100.0]), group_cap=np.array([100.0]))
    with pytest.raises(UserError, match=r"file g books .* 100 CNY: ask for 70 or 150 CNY"):
        check_feasible(problem)
    open_ = fit_floors(replace(problem, group_cap=np.array([np.inf])))
    assert open_.group_floor.tolist() == [150.0]
    row = Split(np.full((1, 1), 500.0), np.zeros((1, 2), bool))
    assert repair(open_, row).booked.tolist() == [[False, True]]


@pytest.mark.slow
def test_a_lock_on_packages_alone_holds_in_an_answer_though_they_lose():
    world = brief(
        "slots.focus={kind: contract, source: recommend, opportunities: 200k, cpm: 60, ctr: 4%, cvr: 1%, "
        "make_good_days: 3, packages: {b: {impressions: 200k, phases: [sale], scene: harvest}}}",
        "scenes.harvest.slots=[focus]", "plans=null",
    )  # fmt: skip
    limits = Limits(locks={"harvest": 12e3})
    best = optimize(world, ("roi",), limits=limits, budgets=(), **QUICK).best.plan
    assert best.packages == {B}
    with pytest.raises(UserError, match="ask for 0 or 12,000 CNY"):
        optimize(world, ("roi",), limits=Limits(locks={"harvest": 5e3}), **QUICK)


def test_the_knapsack_keeps_a_booking_that_costs_no_more_than_its_fee():
    problem: Problem = make_problem(
        [1], 100.0, sunk=np.array([40.0]), packages=("p",), price=np.zeros(1), payer=np.zeros(1, int),
        must=np.zeros(1, bool), may=np.ones(1, bool),
    )  # fmt: skip
    levels, gains = (np.array([0.0, 60.0]),), (np.array([[0.0], [90.0]]),)
    for gain in (5.0, -5.0):
        table = Sweep(levels, gains, levels, np.array([[gain]]), np.zeros(1, bool))
        found = best_split(problem, table, None, np.ones(1), 100.0, exact=False)
        assert found.booked[0, 0] == (gain > 0)
        assert found.money[0, 0] == pytest.approx(60.0, abs=0.2)


# --------------------------------------------------------------------------- nothing but contracts
def contracts(*sets: str) -> Scenario:
    """Packages of 10,000 and 4,000 CNY, and no auction."""
    return brief(
        "slots.feed=null", "slots.search_words=null",
        "slots.focus={kind: contract, source: recommend, opportunities: 200k, cpm: 20, ctr: 4%, cvr: 1%, "
        "make_good_days: 3, packages: {a: {impressions: 500k, phases: [normal], scene: new_customer}, "
        "b: {impressions: 200k, phases: [sale], scene: harvest}}}",
        "scenes.new_customer.slots=[focus]", "scenes.harvest.slots=[focus]", "plans=null",
        "scenes.new_customer.budget=10k", "scenes.harvest.budget=4k", "budget=20k", *sets,
    )  # fmt: skip


A, B = "focus.a", "focus.b"


@pytest.mark.parametrize(
    ("budget", "limits", "booked"),
    [
        (20e3, Limits(), {A, B}),
        (11e3, Limits(), {A}),
        (9e3, Limits(), {B}),
        (3e3, Limits(), set()),
        (20e3, Limits(packages={A: False}), {B}),
        (20e3, Limits(caps={"new_customer": 5e3}), {B}),
    ],
)
def test_of_bookings_alone_the_best_are_chosen(budget: float, limits: Limits, booked: set[str]):
    frontier = optimize(contracts(), budget=budget, limits=limits, budgets=(), **QUICK)
    assert frontier.best.plan.packages == booked
    spent = sum(package_price(contracts(), p) for p in booked)
    assert frontier.best.unspent == pytest.approx(budget - spent)
    assert cost_in(frontier.as_json()["frontier"][0]) == pytest.approx(spent)
    assert not frontier.best.margins and "cell" not in " ".join(frontier.binding)


def test_money_of_several_files_adds_up_with_their_packages():
    found = optimize_portfolio(
        [contracts(), contracts("budget=15k")],
        29e3,
        labels=["a", "b"],
        objective="new_customers",
        **QUICK,
    )
    for file, money in found.money[SHARED].items():
        assert cost_in(found.as_json()["plans"][file]) == pytest.approx(money)


def cost_in(document: dict[str, Any]) -> float:
    """What a plan costs, added up from a JSON document [CNY]."""
    assert list(document["package_prices"]) == document["packages"]
    money = sum(sum(phases.values()) for phases in document["plan"].values())
    return money + sum(document["package_prices"].values())


@pytest.mark.parametrize(("customers", "booked"), [(100, {B}), (300, {A}), (500, {A, B})])
def test_the_least_bookings_that_reach_a_target_are_found(customers: float, booked: set[str]):
    world = contracts()
    none = one(expected(world), "new_customers", plan="no ads")[0]
    goal = least_budget(world, {"new_customers": none + customers}, **QUICK)
    assert goal.plan.packages == booked
    assert goal.budget == sum(package_price(world, p) for p in booked)
    assert cost_in(goal.as_json()) == pytest.approx(goal.budget)


def test_bookings_alone_can_be_planned_again():
    world = contracts("slots.focus.packages.b.booked_at=2021-03-25")
    own = Plan("own", {s: {} for s in world.scenes}, frozenset([A]))
    frontier = replan(world, own, "2021-03-24", objectives=("new_customers",), **QUICK)
    assert frontier.best.plan.packages == {A, B}


@pytest.mark.parametrize("first", ["all", "none"])
def test_where_no_booking_pays_the_best_is_to_book_nothing(first: str):
    """Whatever plan the search begins with; and the answer for the whole budget says so."""
    money = ("scenes.new_customer.budget=2m", "scenes.harvest.budget=800k", "budget=9m")
    world = contracts("slots.focus.cpm=4k", *money)
    own = Plan("own", {s: {} for s in world.scenes}, frozenset([A, B] if first == "all" else []))
    frontier = optimize(world, current=own, **QUICK)
    most = frontier.others[-1]
    assert (most.plan.packages, most.plan.total(world)) == (frozenset(), 0.0)
    assert frontier.pick(at_least={"profit_incremental": 0.0}).packages == frozenset()
    assert frontier.figure(most.plan.name, "profit_incremental") == 0
    if first == "all":
        assert frontier.figure(frontier.answer, "profit_incremental") < 0
        said = answer(frontier, world, frontier.answered.plan)
        assert "Spend less: profit is highest with nothing spent." in " ".join(said.split())


def test_a_plan_that_rests_on_bookings_is_carried_on_as_it_is():
    """Money of a scene that does not bid is nowhere spent: it neither stays twice nor breaks a limit."""
    world = contracts("budget=200k")
    scene = next(iter(world.scenes))
    own = Plan("own", {scene: {"normal": 20e3}}, frozenset([A]))
    frontier = replan(world, own, "2021-03-24", **QUICK)
    assert frontier.current_plan.total(cut_at(world, datetime(2021, 3, 24))) == pytest.approx(
        own.total(world)
    )
    assert frontier.current_fits
