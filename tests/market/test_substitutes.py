"""Who misses a product takes what is there of the others: against all worlds, one by one."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.market.substitutes import Beside, Substitutes

CHANCE = st.floats(0, 1)
WEIGHT = st.floats(0.01, 1)
SHELF = st.lists(st.tuples(WEIGHT, CHANCE), min_size=2, max_size=5)


def tries(weights: list[float], found: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """What somebody who misses the first product tries of every product, and how surely he finds any."""
    mix = np.array(weights)[:, None, None, None]
    beside = Beside.of(mix, np.array(found)[:, None])
    missed = np.zeros_like(mix)
    missed[0] = 1
    return beside.tries(missed).ravel(), beside.go.ravel()[0]


def in_all_worlds(weights: list[float], found: list[float]) -> np.ndarray:
    """What he takes, when each of the others is there or not by itself, and he chooses by the weights."""
    taken, others = np.zeros(len(weights)), range(1, len(weights))
    for world in itertools.product([0, 1], repeat=len(others)):
        there = dict(zip(others, world, strict=True))
        chance = np.prod([found[q] if x else 1 - found[q] for q, x in there.items()])
        total = sum(weights[q] * x for q, x in there.items())
        for q, x in there.items():
            taken[q] += chance * x * weights[q] / total if total > 0 else 0.0
    return taken


@given(shelf=SHELF)
def test_nobody_tries_more_than_once_and_all_find_what_is_there(shelf):
    weights, found = map(list, zip(*shelf, strict=True))
    tried, go = tries(weights, found)
    assert tried[0] == 0
    assert (tried >= 0).all()
    assert (tried <= 1 + 1e-9).all()
    assert tried @ np.array(found) == pytest.approx(go, abs=1e-9)
    assert go == pytest.approx(in_all_worlds(weights, found).sum(), abs=1e-9)


@pytest.mark.parametrize(
    ("weights", "found"),
    [
        ([1, 3, 1], [0, 1, 1]),
        ([1, 3, 1], [0.5, 1, 1]),  # part of the worlds: those in which it is missed count
        ([1, 3, 1, 2], [0.3, 1, 0, 1]),
        ([2, 1, 1], [0, 0.5, 0.5]),
        ([2, 5], [0.2, 0.7]),
    ],
)
def test_it_is_exact_where_the_others_are_there_or_gone_or_two_alike(weights, found):
    tried, _ = tries(weights, found)
    assert tried * found == pytest.approx(in_all_worlds(weights, found))


@given(shelf=SHELF)
def test_elsewhere_it_is_near(shelf):
    weights, found = map(list, zip(*shelf, strict=True))
    tried, _ = tries(weights, found)
    assert tried * found == pytest.approx(in_all_worlds(weights, found), abs=0.2)


def test_what_hardly_anybody_wants_takes_the_worlds_that_the_other_leaves() -> None:
    tried, _ = tries([1, 1, 0.001], [0, 0.1, 1])
    assert tried * [0, 0.1, 1] == pytest.approx([0, 0.1, 0.9], abs=1e-3)


@given(shelf=SHELF, taken=CHANCE, page=st.booleans())
def test_who_turns_still_wants_one_product(shelf, taken, page):
    weights, found = map(np.array, zip(*shelf, strict=True))
    first = weights[:, None, None, None] / weights.sum()
    shop = Substitutes.of(first, found[:, None], np.array([taken]))
    tried, wanted = (x.ravel() for x in shop.turn(first.copy(), first if page else None))
    assert wanted.sum() == pytest.approx(1)
    assert (wanted >= found * tried - 1e-9).all()
