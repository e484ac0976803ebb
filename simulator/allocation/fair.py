"""Values of the unknown numbers at which plans that are known bring what they bring over many more.

symbol   meaning                                                          unit      shape
m        a metric of a known plan, mean over the values of one order      its own   [metric, plan, order]
s        its standard deviation over the orders                           its own   [metric, plan]

A few values of a hundred numbers miss the level of an answer, and an optimiser fits its plan to what
they are: of several orders of the same strata (engine/points.py) it takes the one with the
least sum of ((m - mean of m) / s)^2. Known are plans of the file, an even split, and no spending at
all: what they differ in is what other plans will differ in.
"""

from concurrent.futures import Executor
from dataclasses import replace

import numpy as np

from simulator.allocation.market import even_split
from simulator.engine.points import Points, make_points, side_by_side
from simulator.engine.simulate import simulate
from simulator.market.audience import ratio
from simulator.outcomes.metrics import quantities
from simulator.scenario.plan import plans_of
from simulator.scenario.schema import Scenario

VECTORS = 16
"""Values over which a plan is judged: at the means alone a plan is fitted to what vans, stock or a
quota take if everything comes as expected."""
ROUGH = 8
"""So many while the frontier is looked for; all of them from when it is settled."""
ORDERS = 16
KNOWN = ("profit_incremental", "new_customers", "gmv")
"""What has to be met."""
KNOWN_PLANS = 4
"""So many plans of the file at most: each is played over all orders."""


def fair_points(
    scenario: Scenario, count: int = VECTORS, executor: Executor | None = None
) -> Points:
    """So many values of all unknown numbers, chosen by what known plans bring at them."""
    sets = [make_points(scenario, count, order) for order in range(ORDERS)]
    if not sets[0].numbers:
        return sets[0]
    known = [*plans_of(scenario)[:KNOWN_PLANS], even_split(scenario)]
    plans = [replace(plan, name=f"known {n}") for n, plan in enumerate(known)]
    outcomes = simulate(
        scenario, plans, mode="expected", daily=False, attribution=False, executor=executor,
        vectors=side_by_side(sets),
    )  # fmt: skip
    lanes = quantities(outcomes.book, outcomes.terms)
    each = np.stack([lanes[name] for name in KNOWN])
    means = each.reshape(*each.shape[:2], ORDERS, count).mean(axis=3)
    apart = ratio(means - means.mean(axis=2, keepdims=True), means.std(axis=2, keepdims=True))
    return sets[int(np.square(apart).sum(axis=(0, 1)).argmin())]
