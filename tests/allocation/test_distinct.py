"""Plans of an answer that a reader could not tell apart are shown as one."""

import numpy as np
import pytest

from simulator.allocation.aims import Aims
from simulator.allocation.finalists import Final, distinct
from simulator.allocation.optimize import optimize
from simulator.allocation.problem import Split
from tests.worlds import minimal

BUDGET = 1000.0


def final(money, values, booked=None, budget=BUDGET, keeps=False):
    rows = len(money)
    flags = np.zeros((rows, 1), bool) if booked is None else np.array(booked)[:, None]
    aims = Aims(
        np.ones((rows, 2)), np.ones(2), np.broadcast_to(budget, rows).astype(float),
        np.broadcast_to(keeps, rows),
    )  # fmt: skip
    split = Split(np.array(money, dtype=float), flags)
    return Final(split, aims, np.array(values, dtype=float), np.full(rows, BUDGET), True)


def shown(found):
    return distinct(found, list(range(len(found.values))))


def test_plans_that_differ_in_money_or_in_figures_stay():
    money = [[500, 500], [478, 522], [515, 485], [500, 500]]
    values = [[90.0, 50.0], [89.999, 50.001], [90.2, 49.9], [90.001, 50.0]]
    assert shown(final(money, values)) == [
        0,
        1,
        2,
    ]  # of the last two only the one with other figures


def test_the_ends_stay_before_those_between_them():
    money = [[500, 500], [512, 488], [524, 476]]
    assert shown(final(money, [[90.0, 50.0]] * 3)) == [0, 2]
    assert shown(final([[500, 500]] * 3, [[90.0, 50.0]] * 3)) == [0]


def test_bookings_and_budgets_are_told_apart():
    alike = {"money": [[500, 500]] * 2, "values": [[90.0, 50.0]] * 2}
    assert shown(final(**alike)) == [0]
    assert shown(final(**alike, booked=[True, False])) == [0, 1]
    assert shown(final(**alike, budget=[1000, 1300])) == [0, 1]
    assert shown(final(**alike, keeps=[False, True])) == [0, 1]
    assert shown(final([], np.zeros((0, 2)))) == []


@pytest.mark.slow
def test_no_two_plans_of_an_answer_are_alike():
    world = minimal()
    points = optimize(world, budgets=(), replications=2).points
    assert points
    for n, a in enumerate(points):
        for b in points[n + 1 :]:
            apart = [
                abs(own[phase] - b.plan.money[scene][phase])
                for scene, own in a.plan.money.items()
                for phase in own
            ]
            figures = [abs(a.expected[m] / b.expected[m] - 1) for m in a.expected]
            assert max(apart) > 0.02 * world.budget or max(figures) > 1e-3
