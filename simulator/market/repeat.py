"""Repeat orders of habit: customers who buy again without any visit that could be told.

symbol   meaning                                                       unit      shape
R        repeats of a customer within 365 days of an order             orders    [1, replication]
tau      time over which the habit fades                               d         [1, replication]
h(a)     rate of a repeat at age a, R e^(-a/tau) / tau (1 - e^-365/tau) per day  [1, replication]
L        days after which a customer is lapsed                         d
phi      habit of those whom the event won, against others             x         [1, replication]

The state keeps no ages. Of customers from before the run those of ages t..L are left at the time t since its start,
evenly spread, and those who ordered within it have ages 0..t; each has the mean rate of its ages (docs/model.md
section 7).
"""

from dataclasses import dataclass

import numpy as np

from simulator.market.columns import column
from simulator.scenario.chain import Chain

WINDOW = 365.0
MONTH = 365 / 12
LAST = 1e-6  # of the days until they lapse: when the last of old customers do


@dataclass(frozen=True)
class Habit:
    """How customers repeat: [1, replication]."""

    repeats: np.ndarray
    fade: np.ndarray
    event: np.ndarray

    def mean_rate(self, first: float, last: float) -> np.ndarray:
        """Mean of h over ages first..last [d].

        >>> one = np.ones((1, 1))
        >>> habit = Habit(one, 100 * one, one)
        >>> float((365 * habit.mean_rate(0.0, 365.0)).round(9)[0, 0])
        1.0
        >>> young, old = habit.mean_rate(0.0, 90.0), habit.mean_rate(90.0, 180.0)
        >>> bool(np.isclose((young + old) / 2, habit.mean_rate(0.0, 180.0))[0, 0])
        True
        """
        year, part = -np.expm1(-WINDOW / self.fade), -np.expm1((first - last) / self.fade)
        return np.asarray(
            self.repeats * np.exp(-first / self.fade) * part / (year * (last - first))
        )


def make_habit(chain: Chain) -> Habit | None:
    """The habit of a scenario's customers, if they have one."""
    repeat = chain.repeat
    if repeat is None:
        return None
    return Habit(
        repeats=column([repeat.rate_365]), fade=column([repeat.tau_months * MONTH]),
        event=column([repeat.event_factor]),
    )  # fmt: skip


def habit_rate(habit: Habit, old: np.ndarray, lapse: float, now: float) -> np.ndarray:
    """Orders of habit per customer and day: [initial, numerous, keen; segment, lane].

    `old` [3, segment, lane]: share of a stage that last bought before the start.
    """
    settled = habit.mean_rate(min(now, lapse * (1 - LAST)), lapse)
    recent = habit.mean_rate(0.0, max(now, 1e-9))
    rate = settled * old + recent * (1 - old)
    rate[0] -= recent * (1 - habit.event) * (1 - old[0])
    return rate
