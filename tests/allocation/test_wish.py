"""Least figures that a user asks for: a plan is sought for them, and `pick` knows of it."""

import pytest

from simulator.allocation.effort import SHORT
from simulator.allocation.optimize import WISHED, optimize
from simulator.allocation.replan import replan
from simulator.errors import UserError
from simulator.reports.sentences import answer, signed
from tests.worlds import booked, brief, minimal

QUICK = {"effort": SHORT, "replications": 32, "budgets": ()}
BOTH = ("roi", "new_customers")


@pytest.mark.slow
def test_a_return_that_no_plan_for_the_budget_reaches_is_sought_below_it():
    found = optimize(brief(), BOTH, min_roi=0.2, **QUICK)
    assert all(found.figure(p.plan.name, "roi") < 0.2 for p in found.points)
    picked = found.pick(min_roi=0.2)
    assert picked.name == found.wished == WISHED
    assert 0.2 <= found.figure(WISHED, "roi") < 0.25  # chance decides between plans along a line
    assert picked.total(brief()) < 0.9 * found.budget
    cheaper = optimize(brief(), BOTH, budget=picked.total(brief()), **QUICK)
    assert all(
        found.figure(WISHED, "new_customers") >= 0.99 * cheaper.figure(p.plan.name, "new_customers")
        for p in cheaper.points
        if cheaper.figure(p.plan.name, "roi") >= 0.2
    )


@pytest.mark.slow
def test_of_a_wished_plan_its_own_next_money_is_told():
    """Kept to 5,600 new customers it spends less than the budget, and its next yuan is worth more."""
    world = minimal()
    found = optimize(world, BOTH, at_least={"new_customers": 5_600}, **QUICK)
    own, best = found.point(WISHED), found.best
    assert own.margins.keys() == best.margins.keys()
    assert 0.9 < own.margins["new_customer.normal"].value < 2  # before the yuan is paid
    assert own.next_money.money == 10_000 and own.next_money.second > 0
    text = " ".join(answer(found, world, own.plan).split())
    assert f"and {signed(own.next_money.profit)} CNY net of themselves." in text


@pytest.mark.slow
def test_a_package_that_spoils_the_return_is_left_out():
    world = booked("slots.focus.cpm=40")
    found = optimize(world, BOTH, min_roi=0.3, **QUICK)
    picked = found.pick(min_roi=0.3)
    assert (picked.name, picked.packages) == (WISHED, frozenset())


@pytest.mark.slow
def test_what_is_out_of_reach_names_the_most_that_was_found():
    found = optimize(brief(), BOTH, min_roi=50, **QUICK)
    most = found.figure(WISHED, "roi")
    assert most > max(found.figure(p.plan.name, "roi") for p in found.points)
    with pytest.raises(UserError, match=f"the most is {int(most * 100) / 100}"):
        found.pick(min_roi=50)


@pytest.mark.slow
def test_a_wish_may_be_reached_surely():
    found = optimize(brief(), BOTH, min_roi=-0.15, sure=0.9, **QUICK)
    assert found.chance(found.pick(min_roi=-0.15, sure=0.9).name, "roi", -0.15) >= 0.9


@pytest.mark.slow
def test_a_new_plan_at_a_date_may_be_wished_for_as_well():
    found = replan(brief(), None, "2021-03-24", min_roi=0.1, effort=SHORT, replications=32)
    spent = found.past.spent
    assert found.wished == WISHED
    plan = found.point(WISHED).plan
    for cell, money in spent.items():
        scene, _, phase = cell.partition(".")
        assert plan.money[scene][phase] >= money * (1 - 1e-9)


def pressed_from(turn):
    """Ctrl-C when the search for the wish says something for the nth time."""
    said = []

    def pressed(words, share):
        said.append(words)
        assert 0.0 <= share <= 1.0
        if said.count("seeking what is wished") == turn:
            raise KeyboardInterrupt

    return pressed


@pytest.mark.slow
def test_ctrl_c_leaves_what_was_found_without_it():
    found = optimize(brief(), BOTH, min_roi=0.2, progress=pressed_from(1), **QUICK)
    assert (found.finished, found.wished) == (False, "")


@pytest.mark.slow
@pytest.mark.parametrize(("least", "turn", "wished"), [(0.2, 3, WISHED), (50, 2, "")])
def test_ctrl_c_while_it_is_sought_leaves_the_best_so_far_that_reaches_it(least, turn, wished):
    found = optimize(brief(), BOTH, min_roi=least, progress=pressed_from(turn), **QUICK)
    assert (found.finished, found.wished) == (False, wished)
    assert not wished or found.pick(min_roi=least).name == WISHED


def test_certainty_of_nothing_is_refused():
    with pytest.raises(UserError, match="give both"):
        optimize(brief(), BOTH, sure=0.9, **QUICK)
