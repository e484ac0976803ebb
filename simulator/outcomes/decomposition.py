"""Where the gmv of a plan comes from: a base, and what traffic, conversion and order value add to it.

symbol   meaning                                                       unit        shape
V        visits: paid, free, and those of commissioned media           visits      [replication]
c        conversion: paid orders per visit                             1           [replication]
a        order value: gmv per paid order                               CNY         [replication]
e_x      effect of a factor: what its change does to V c a             CNY         [replication]

gmv = V c a in both plans. The effect of a factor is its change times the other two, averaged over all
orders in which the three could have changed (Shapley 1953), so that effects sum to the difference
exactly, also where a factor is zero. It is linear in the change, so visits part into their kinds.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from simulator.outcomes.compare import Interval, interval_of
from simulator.outcomes.ledger import LawBroken
from simulator.outcomes.metrics import NO_ADS, Quantities, quantities
from simulator.outcomes.outcomes import Outcomes, asked_outcomes

Array = NDArray[np.float64]

VISITS = ("paid_visits", "free_visits", "commission_visits")
SLACK = 1e-9


def decompose(outcomes: Outcomes, plan: str, over: str = NO_ADS) -> dict[str, float]:
    """Mean gmv of a plan as base (that of another plan, or without ads) and effects [CNY].

    Keys in the order of a waterfall: base, one for each kind of visits, conversion, order_value,
    total. All but total sum to total.
    """
    draws = decompose_draws(outcomes, plan, over)
    whole = {name: float(value.mean()) for name, value in draws.items()}
    check_sum(whole)
    return whole


def decompose_draws(outcomes: Outcomes, plan: str, over: str = NO_ADS) -> dict[str, Array]:
    """The same in every replication [CNY]: each part is [replication]."""
    outcomes = asked_outcomes(outcomes)
    lanes = quantities(outcomes.book, outcomes.terms)
    before, after = (_row(lanes, outcomes.row(name)) for name in (over, plan))
    return {"base": before["gmv"]} | effects(before, after) | {"total": after["gmv"]}


def part_intervals(outcomes: Outcomes, plan: str, over: str = NO_ADS) -> dict[str, Interval]:
    """95% intervals of the means that `decompose` gives [CNY]; NaN for one replication."""
    draws = decompose_draws(outcomes, plan, over)
    return {
        name: interval_of(float(value.mean()), value - value.mean())
        for name, value in draws.items()
    }


def _row(lanes: Quantities, row: int) -> dict[str, Array]:
    return {name: lanes[name][row] for name in (*VISITS, "paid_orders", "gmv")}


def effects(before: Mapping[str, Array], after: Mapping[str, Array]) -> dict[str, Array]:
    """Effects of the kinds of visits, of conversion and of order value  [CNY].

    >>> one = {"paid_visits": 1.0, "free_visits": 9.0, "commission_visits": 0.0, "paid_orders": 2.0, "gmv": 20.0}
    >>> two = one | {"paid_visits": 11.0, "paid_orders": 4.0, "gmv": 40.0}
    >>> found = effects(*({k: np.array([v]) for k, v in plan.items()} for plan in (one, two)))
    >>> {name: float(value[0]) for name, value in found.items() if value[0]}
    {'paid_visits': 20.0}
    """
    was, now = (_factors(plan) for plan in (before, after))
    per_visit, conversion, value = (_pull(was, now, others) for others in ((1, 2), (0, 2), (0, 1)))
    kinds = {name: (after[name] - before[name]) * per_visit for name in VISITS}
    return kinds | {
        "conversion": (now[1] - was[1]) * conversion,
        "order_value": (now[2] - was[2]) * value,
    }


def _factors(plan: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    """V, c and a; a ratio without a denominator is zero, and so is the gmv."""
    visits = np.sum([plan[name] for name in VISITS], axis=0)
    return visits, _ratio(plan["paid_orders"], visits), _ratio(plan["gmv"], plan["paid_orders"])


def _ratio(top: Array, bottom: Array) -> Array:
    return np.divide(top, bottom, out=np.zeros_like(top, dtype=float), where=bottom > 0)


def _pull(was: tuple[Array, ...], now: tuple[Array, ...], others: tuple[int, int]) -> Array:
    """What one unit of a factor brings, the others changed before it or not: mean of the orders.

    The others have both changed, or neither, in a third of the orders each, and either one in a sixth.
    """
    y, z = others
    both = was[y] * was[z] + now[y] * now[z]
    either = was[y] * now[z] + now[y] * was[z]
    return np.asarray(both / 3 + either / 6)


def check_sum(whole: Mapping[str, float]) -> None:
    """Raise LawBroken unless base and effects sum to the total (law)."""
    gap = sum(value for name, value in whole.items() if name != "total") - whole["total"]
    if abs(gap) > SLACK * max(abs(whole["total"]), abs(whole["base"]), 1.0):
        raise LawBroken(f"gmv decomposition: off by {gap:g}; this is a fault of the simulator")
