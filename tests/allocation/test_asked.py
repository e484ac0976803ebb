"""Requests at the edge of sense: what they get is right, or refused with what would do."""

import re

import pytest

from simulator.allocation.bounds import best_target
from simulator.allocation.effort import SHORT
from simulator.allocation.goals import least_budget
from simulator.allocation.optimize import optimize
from simulator.allocation.portfolio import optimize_portfolio
from simulator.allocation.problem import Limits
from simulator.allocation.replan import replan
from simulator.errors import UserError
from simulator.reports.answers import portfolio_text
from tests.worlds import brief

QUICK = {"effort": SHORT, "replications": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "fits"),
    [
        ({}, True),
        ({"budget": 70_000}, True),
        ({"budget": 59_000}, False),
        ({"limits": Limits(caps={"harvest": 30_000})}, True),
        ({"limits": Limits(caps={"harvest": 29_000})}, False),
        ({"limits": Limits(locks={"new_customer.sale": 1_000})}, False),
        ({"limits": Limits(minimums={"harvest": 31_000})}, False),
    ],
)
def test_a_current_plan_that_breaks_budget_or_limits_wins_nothing(options, fits):
    frontier = optimize(brief(), budgets=(), **options, **QUICK)
    assert frontier.current_fits is fits
    if not fits:
        assert frontier.leader != frontier.current
        assert frontier.pick(objective="new_customers").name != frontier.current


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (0, "be above 0 CNY"), (-5.0, "be from 0 up"),
        (float("inf"), "be a finite number"), (float("nan"), "be a finite number"),
    ],
)  # fmt: skip
def test_a_budget_that_is_none_is_refused(budget, words):
    for ask in (
        lambda: optimize(brief(), budget=budget),
        lambda: least_budget(brief(), {"gmv": 1e5}, most=budget),
        lambda: optimize_portfolio([brief(), brief()], budget, labels=["a", "b"]),
        lambda: replan(brief(), None, "2021-03-24", budget=budget),
        lambda: best_target(brief(), "new_customers", budget=budget, min_roi=0.1),
    ):
        with pytest.raises(UserError, match=f"the budget must {words}"):
            ask()


@pytest.mark.slow
def test_a_huge_budget_to_try_changes_no_least_budget():
    target = {"new_customers": 2900}
    usual = least_budget(brief(), target, **QUICK)
    huge = least_budget(brief(), target, most=1e15, **QUICK)
    assert huge.budget == pytest.approx(usual.budget, rel=0.01)


@pytest.mark.slow
def test_a_portfolio_that_spends_nothing_has_no_return():
    """A yuan buys no impression of a whole fen in either file."""
    found = optimize_portfolio([brief(), brief()], 1.0, labels=["a", "b"], **QUICK)
    assert not re.search(r"\b(nan|inf)\b", portfolio_text(found))


def test_what_was_spent_before_the_date_is_named():
    with pytest.raises(
        UserError,
        match=r"[\d,]+ CNY were spent before 2021-03-24, more than the .* 1,000 CNY: give",
    ):
        replan(brief(), None, "2021-03-24", budget=1_000, **QUICK)
