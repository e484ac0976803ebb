"""Three shipped scenarios share one budget: better than by equal parts, and than by their own budgets."""

from collections.abc import Iterator

import numpy as np

from simulator.allocation.effort import SHORT
from simulator.allocation.portfolio import optimize_portfolio
from simulator.outcomes.portfolio import EQUAL, PROPORTIONAL, SHARED, Portfolio
from simulator.scenario import read_scenario
from tests.bench.table import Row
from tests.bench.worlds import ROOT

FILES = ("toy_whole_site", "single_day_1111_2013", "lighting_storage_harvest")
BUDGET = 6e6
"""About half of what the files have of their own: there is not enough for all."""
AGREE = 0.1
"""Spread that the values of the last yuan may have over all cells inside their limits."""


def portfolio_rows(replications: int) -> Iterator[Row]:
    """Gains over every rival, and how far the values of the last yuan are apart."""
    worlds = [read_scenario(ROOT / f"scenarios/{name}.yaml") for name in FILES]
    found = optimize_portfolio(
        worlds, BUDGET, labels=FILES, replications=replications, effort=SHORT
    )
    for rival in (EQUAL, PROPORTIONAL):
        mean, low, _ = found.gain("profit_incremental", rival)
        note = f"mean {mean:,.0f} of {found.figure(SHARED, 'profit_incremental'):,.0f}"
        yield Row(f"gain over {rival}", low, " CNY", ">=", 0.0, note)
    yield Row("spread of worth between cells", spread_of_worth(found), "", "<=", AGREE)
    yield Row("rows asked for one that is played", found.asked / found.evaluations, " x")
    for name in FILES:
        yield Row(f"money of {name}", found.money[SHARED][name], " CNY")


def spread_of_worth(found: Portfolio) -> float:
    """Standard deviation over the mean, cells inside their limits weighed by their money."""
    inside = [m for m in found.margins.values() if m.state == "inside"]
    money, worth = (np.array([getattr(m, k) for m in inside]) for k in ("money", "worth"))
    mean = np.average(worth, weights=money)
    return float(np.sqrt(np.average((worth - mean) ** 2, weights=money)) / mean)
