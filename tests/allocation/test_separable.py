"""Channels that do not touch each other: the exact answer is known, and the search must find it."""

from collections.abc import Sequence

import numpy as np
import pytest

from simulator.allocation.aims import linear
from simulator.allocation.archive import Archive
from simulator.allocation.problem import Split
from simulator.allocation.search import Search
from tests.allocation.markets import (
    BUDGET,
    Array,
    Hill,
    by_greedy,
    by_slsqp,
    exact,
    hill,
    make_problem,
    searched,
)

SLOPES = (1.0, 1.5, 2.0, 3.0)
LOSS = 1e-3
"""Of the response, what an answer may be short of."""


def losses(markets: Sequence[Hill], found: Sequence[float]) -> Array:
    return 1 - np.array(found) / exact(markets)


@pytest.mark.parametrize("slope", SLOPES)
def test_every_answer_is_as_good_as_dynamic_programming_and_spends_the_budget(slope: float):
    markets = [hill(slope, seed) for seed in range(40)]
    rows = [searched(market) for market in markets]
    for split in rows:
        assert split.money.sum() == pytest.approx(BUDGET, rel=1e-9)
    found = [float(m.response(s.money).sum()) for m, s in zip(markets, rows, strict=True)]
    lost = losses(markets, found)
    assert lost.max() <= LOSS, lost.round(5).tolist()


def test_the_usual_ways_lose_on_the_same_instances():
    """Where curves are an S, slopes from an even split and steps by marginal return go wrong."""
    markets = [hill(slope, seed) for slope in (2.0, 3.0) for seed in range(8)]
    slsqp = losses(markets, [by_slsqp(market) for market in markets])
    greedy = losses(markets, [by_greedy(market) for market in markets])
    assert (slsqp > 10 * LOSS).mean() >= 0.1
    assert (greedy > 10 * LOSS).mean() >= 0.1


def test_steps_alone_would_miss_the_promise():
    """The same search without its view from afar."""
    markets = [hill(3.0, seed) for seed in range(8)]
    found = []
    for market in markets:
        search = Search(Archive(market), make_problem([1] * 8), 1)
        search.aims = linear(np.ones((1, 1)), np.array([BUDGET]), np.array([BUDGET]))
        search.rows = Split(np.full((1, 8), BUDGET / 8), np.zeros((1, 0), dtype=bool))
        search.climb(30)
        found.append(float(market.response(search.rows.money).sum()))
    assert losses(markets, found).max() > 10 * LOSS
