"""No plan of a grid over the whole simplex beats the search."""

import numpy as np
import pytest

from tests.allocation.worlds import six
from tests.bench.grid import GOAL, Judge, gaps, grid


def test_a_grid_has_every_plan_once():
    found = grid(4, 3)
    assert len(found) == 15 == len({tuple(row) for row in found.tolist()})
    assert found.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.slow
def test_no_plan_of_a_coarse_grid_beats_the_search():
    assert gaps(six(), 10).max() <= GOAL


@pytest.mark.slow
def test_no_plan_of_a_fine_grid_beats_the_search():
    assert gaps(six(), 20).max() <= GOAL


def test_the_plans_of_the_grid_differ_by_more_than_the_goal():
    """Else any answer would do."""
    judge = Judge(six())
    values = judge.values(grid(3, 6))
    assert (np.quantile(values, 0.9, axis=0) < values.max(axis=0) * (1 - 10 * GOAL)).all()
