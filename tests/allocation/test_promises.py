"""What every answer promises, on small scenarios; `python -m tests.bench promises` asks the shipped ones."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from simulator.allocation import optimize as door
from simulator.allocation.effort import SHORT
from simulator.allocation.fair import fair_points
from simulator.allocation.market import PROFIT, make_problem
from simulator.allocation.optimize import optimize
from simulator.allocation.problem import Limits
from simulator.allocation.search import Search
from simulator.outcomes.frontier import Frontier, Point
from simulator.scenario.plan import Plan, plans_of
from tests.allocation.worlds import packaged, six
from tests.bench.promises import SPREAD, Promise, kept
from tests.worlds import Scenario, expected, minimal

SMALL = {"six cells": six, "a package": packaged}


# --------------------------------------------------------------------------- the promises themselves
@pytest.fixture(scope="module", params=SMALL)
def promise(request) -> Promise:
    return kept(SMALL[request.param](), request.param, 16)


@pytest.mark.slow
def test_every_promise_is_kept(promise: Promise):
    assert list(promise.misses()) == []


def test_there_are_cells_to_compare(promise: Promise):
    assert promise.inside >= 3 and promise.price > 0


def test_a_promise_that_is_not_kept_is_named(promise: Promise):
    wrong = {
        "below current": {"gains": (-0.01, 0.1)},
        "below even": {"paired": (promise.paired[0], (-0.2, -0.3, -0.1))},
        "spread": {"spread": 2 * SPREAD},
        "price": {"price": 1.1 * promise.again},
        "fresh": {"fresh": False},
        "parked": {"parked": 0.01},
    }
    for word, change in wrong.items():
        found = list(replace(promise, **change).misses())
        assert len(found) == 1 and found[0].startswith(word)


@pytest.mark.slow
def test_marginal_values_are_those_of_a_new_run():
    """The value of a cell, by hand: its money 2% up and down."""
    frontier = optimize(six(), ("roi",), effort=SHORT, replications=2, budgets=())
    plan, margin = frontier.best.plan, frontier.best.margins["new_customer.normal"]
    moved = [_changed(plan, "new_customer", "normal", share) for share in (1.02, 0.98)]
    points = fair_points(six())
    up, down = (
        float(expected(six(), [other], vectors=points).values(other.name, PROFIT).mean())
        for other in moved
    )
    assert margin.value - 1 == pytest.approx((up - down) / (0.04 * margin.money), rel=1e-3)


def _changed(plan: Plan, scene: str, phase: str, share: float) -> Plan:
    own = dict(plan.money[scene])
    own[phase] *= share
    return Plan(f"{phase} {share}", dict(plan.money) | {scene: own}, plan.packages)


@pytest.mark.slow
def test_a_plan_that_is_already_the_best_stays():
    first = optimize(six(), ("roi",), replications=2, budgets=())
    again = optimize(
        six(), ("roi",), replications=2, budgets=(), effort=SHORT, current=first.best.plan
    )  # fmt: skip
    assert again.best.expected[PROFIT] >= first.best.expected[PROFIT] - 1e-6 * first.budget
    assert again.best.expected[PROFIT] == pytest.approx(first.best.expected[PROFIT], rel=1e-4)


# --------------------------------------------------------------------------- limits
LIMITS = Limits(
    floors={"harvest": 6_000, "new_customer.sale": 900},
    caps={"new_customer.normal": 3_000, "all": 19_000},
    locks={"harvest.after": 2_500},
    minimums={"new_customer": 4_000},
    groups={"all": ["new_customer", "harvest"]},
)


@pytest.fixture(scope="module")
def limited() -> Frontier:
    return optimize(packaged(), limits=LIMITS, effort=SHORT, replications=2)


def points(frontier: Frontier) -> list[Point]:
    return [*frontier.points, *frontier.others]


def total_of(scenario: Scenario, plan: Plan, scene: str) -> float:
    problem = make_problem(scenario, scenario.budget)
    packages = [p in plan.packages for p in problem.packages]
    booked = problem.booked_money(np.array([packages]))[0]
    return sum(plan.money[scene].values()) + float(booked[problem.scenes.index(scene)])


@pytest.mark.slow
def test_floors_caps_locks_and_groups_hold_in_every_plan(limited: Frontier):
    for point in points(limited):
        money = point.plan.money
        assert money["new_customer"]["normal"] <= 3_000 + 0.01
        assert money["new_customer"]["sale"] >= 900 - 0.01
        assert money["harvest"]["after"] == pytest.approx(2_500, abs=0.01)
        totals = [total_of(packaged(), point.plan, s) for s in ("new_customer", "harvest")]
        assert totals[1] >= 6_000 - 0.01
        assert totals[0] < 0.01 or totals[0] >= 4_000 - 0.01
        assert sum(totals) <= min(19_000, point.budget) + 0.01


@pytest.mark.slow
def test_locks_that_fill_the_budget_between_two_units_leave_one_plan():
    """The knapsack counts in five-hundredths of the budget; both locks are rounded up there."""
    locks = {"new_customer": 20_010, "harvest": 39_990}
    found = optimize(
        minimal(), ("roi",), limits=Limits(locks=locks), effort=SHORT, replications=2, budgets=()
    )
    totals = {scene: sum(money.values()) for scene, money in found.best.plan.money.items()}
    assert totals == pytest.approx(locks)


@pytest.mark.slow
def test_limits_cost_something(limited: Frontier):
    free = optimize(packaged(), effort=SHORT, replications=2, budgets=())
    assert limited.best.expected[PROFIT] < free.best.expected[PROFIT]
    assert limited.best.unspent == pytest.approx(1_000, abs=30)


@pytest.mark.slow
@pytest.mark.parametrize("booked", [True, False])
def test_packages_are_as_the_user_says(booked: bool):
    limits = Limits(packages={"focus.opening": booked})
    frontier = optimize(packaged(), limits=limits, effort=SHORT, replications=2, budgets=())
    assert {"focus.opening" in p.plan.packages for p in points(frontier)} == {booked}


@pytest.mark.slow
def test_a_free_choice_of_packages_is_the_better_one():
    def best(**packages: bool) -> float:
        limits = Limits(packages={f"focus.{name}": flag for name, flag in packages.items()})
        frontier = optimize(
            packaged(), ("roi",), limits=limits, effort=SHORT, replications=2, budgets=()
        )
        return frontier.best.expected[PROFIT]

    assert best() >= max(best(opening=True), best(opening=False)) - 1e-4 * packaged().budget


# --------------------------------------------------------------------------- the same again
def quick(**options) -> Frontier:
    return optimize(six(), effort=SHORT, replications=4, **({"budgets": ()} | options))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_frontier_with_and_without_an_executor():
    alone = quick(seed=3).as_json()
    assert alone["finished"] and quick(seed=3).as_json() == alone
    with ProcessPoolExecutor(2) as pool:
        assert quick(seed=3, executor=pool).as_json() == alone


@pytest.mark.slow
def test_a_plan_that_is_beaten_on_the_fresh_draws_is_played_and_not_shown():
    frontier = optimize(minimal(), effort=SHORT, replications=20, seed=3, budgets=())
    shown = {point.plan.name for point in frontier.points}
    played = {name for name in frontier.outcomes.plans if name.startswith("best ")}
    assert frontier.answer in shown and shown < played
    for name in shown - {frontier.answer, frontier.leader}:
        assert not any(frontier._beats(other, name) for other in played)


# --------------------------------------------------------------------------- stopped half-way
@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    ["climbing", "filling gaps", "planning as it is spent", "racing under chance", "checking"],
)
def test_ctrl_c_returns_the_best_so_far(words: str):
    def stop(said: str, _: float) -> None:
        if said.startswith(words):
            raise KeyboardInterrupt

    frontier = quick(progress=stop)
    assert not frontier.finished
    assert frontier.outcomes.mode == "expected"
    own = expected(six(), [plans_of(six())[0]], vectors=fair_points(six()))
    current = float(own.values(own.plans[0], PROFIT).mean())
    assert frontier.best.expected[PROFIT] >= current


@pytest.mark.slow
@pytest.mark.parametrize("call", [4, 6, 9, 15])
def test_ctrl_c_in_the_market_keeps_what_was_found(monkeypatch: pytest.MonkeyPatch, call: int):
    """The key is pressed while plans are played, in the middle of a step."""
    inside, at = door.Archive.__call__, [call]

    def pressed(archive, split):
        if archive.calls in at:
            at.clear()
            raise KeyboardInterrupt
        return inside(archive, split)

    monkeypatch.setattr(door.Archive, "__call__", pressed)
    frontier = quick()
    assert not frontier.finished and frontier.points


@pytest.mark.slow
def test_ctrl_c_while_the_budget_of_most_profit_is_sought_from_two_sides(
    monkeypatch: pytest.MonkeyPatch,
):
    """The search then has two rows for it: the better one alone is shown."""

    rows = []

    def pressed(search: Search, _) -> None:
        rows.append(search.known.aims.keeps.sum())
        raise KeyboardInterrupt

    monkeypatch.setattr(Search, "switch", pressed)
    frontier = quick(budgets=(0.7,))
    assert rows == [2] and not frontier.finished
    names = [point.plan.name for point in frontier.others]
    assert names.count("most profit") == 1
    most = frontier.figure("most profit", PROFIT)
    assert most >= max(frontier.figure(p.plan.name, PROFIT) for p in frontier.points)


def test_ctrl_c_before_anything_is_known_is_passed_on():
    def stop(*_) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(progress=stop)
