"""The depot's queue: orders wait to be sent, late ones come back more often, and the shop's score falls.

symbol   meaning                                                    unit     shape
Q        orders that wait to be sent (backlog)                      orders   [1, lane]
w        mean wait of the orders of a step, Q / capacity            d        [1, lane]
l        share of them that is late                                 1        [1, lane]
fall     what lateness has taken off the service score              points   [1, lane]

First come, first served, at an even rate; a refund before shipping leaves its place empty (docs/model.md
section 9).
"""

from dataclasses import dataclass

import numpy as np

from simulator.market.audience import ratio
from simulator.market.columns import column
from simulator.market.lifecycle import hill
from simulator.scenario.schema import Scenario

BEYOND = 1000.0  # times late_days: everything is late, and powers stay finite


@dataclass(frozen=True)
class Depot:
    """What the depot can send, and what lateness does: [1, replication]."""

    per_day: np.ndarray
    late_days: np.ndarray
    steepness: float
    late_refund: np.ndarray
    late_score: np.ndarray
    half_life: np.ndarray
    """[d]"""


def read_depot(scenario: Scenario) -> Depot | None:
    """Arrays of the shipping of a scenario, if it has a capacity."""
    ship = scenario.shipping
    if ship is None:
        return None
    return Depot(
        per_day=column([ship.per_day]), late_days=column([ship.late_days]),
        steepness=ship.steepness, late_refund=column([ship.late_refund]),
        late_score=column([ship.late_score]), half_life=column([ship.half_life_days]),
    )  # fmt: skip


@dataclass
class Queue:
    """What waits in the depot, and what it has done to the score."""

    backlog: np.ndarray
    """Q"""
    fall: np.ndarray

    @classmethod
    def of(cls, lanes: int) -> "Queue":
        """Nothing waits."""
        return cls(*np.zeros((2, 1, lanes)))

    def take(self, orders: np.ndarray, sent: np.ndarray) -> np.ndarray:
        """Orders [1, lane] join in the course of a step in which `sent` could leave; return the mean backlog."""
        before = self.backlog
        after = before + orders - sent
        self.backlog = np.maximum(after, 0.0)
        return np.where(after >= 0, (before + self.backlog) / 2, emptied(before, sent - orders))

    def call_off(self, orders: np.ndarray) -> None:
        """Orders [1, lane] that are refunded before they were sent wait no longer."""
        self.backlog = np.maximum(self.backlog - orders, 0.0)

    def score(self, depot: Depot, late: np.ndarray) -> np.ndarray:
        """A day passes of which a share `late` [1, lane] was late; return the fall of the score.

        fall <- fall 2^(-1/H) + late_score late (1 - 2^(-1/H))
        """
        keep = np.exp2(-1 / depot.half_life)
        self.fall = self.fall * keep + depot.late_score * late * (1 - keep)
        return self.fall


def emptied(before: np.ndarray, faster: np.ndarray) -> np.ndarray:
    """Mean backlog of a step in which it runs out: Q/2 while it lasts, the part Q / `faster` of the step.

    >>> float(emptied(np.array(10.0), np.array(40.0)))
    1.25
    """
    return np.asarray(before / 2 * np.minimum(ratio(before, faster), 1.0))


def late_share(wait: np.ndarray, depot: Depot) -> np.ndarray:
    """Late of the orders with a mean wait: single ones scatter log-logistically about it.

    l = x^s / (1 + x^s), x = wait / late_days
    """
    return hill(np.minimum(wait / depot.late_days, BEYOND), depot.steepness)
