"""How a scene's money is kept: by phase, by day, or in one pot for all its phases; and the cap of a day.

symbol   meaning                                                      unit     shape
M, m     money of the plan, and what of it is spent                   CNY      [scene, phase, lane]
left     money that is left: of the phase, or of the pot (cycle)      CNY      [scene, lane]
room     most that may be spent now: left, the day's part, the cap    CNY      [scene, lane]
smooth   what a step spends when the money follows the traffic        CNY      [scene, lane]

Docs/model.md section 5, "Budgets".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from simulator.scenario.scenes import Scene

NOTHING = 1e-9  # share of the money below which what is left is rounding
REST, REST_OF_QUICK = 0.05, 0.5  # share of a day's money for which no bid is lowered


@dataclass(frozen=True)
class Purses:
    """How the money of each scene is kept."""

    daily: np.ndarray
    """Equal parts a day of each phase; what is left of a day is lost: [scene, 1] of bool."""
    cycle: np.ndarray
    """One pot for all phases: [scene, 1] of bool."""
    cap: np.ndarray
    """Most on one calendar day [CNY], infinite where there is none: [scene, 1]."""

    @cached_property
    def plain(self) -> bool:
        """Every scene keeps its money by phase, without a cap."""
        return not (self.daily.any() or self.cycle.any() or np.isfinite(self.cap).any())


def make_purses(scenes: Sequence[Scene]) -> Purses:
    """How a scenario's scenes keep their money."""
    kinds = np.array([[scene.budget_kind] for scene in scenes])
    caps = [[np.inf if i.daily_cap is None else i.daily_cap] for i in scenes]
    return Purses(daily=kinds == "daily", cycle=kinds == "cycle", cap=np.array(caps))


@dataclass
class Hour:
    """What the clock says of a step."""

    pace: np.ndarray
    """Share of the remaining traffic of the phase, or of the pot's phases: [scene, 1]."""
    day_pace: float
    """Share of the remaining traffic of the phase's day."""
    day_part: float
    """Share of the phase's time that falls on this day."""


@dataclass
class Spent:
    """Auction spend since the last midnight [CNY]: [scene, lane]."""

    today: np.ndarray
    here: np.ndarray
    """The same since the phase began, if that was later."""


def unspent(money: np.ndarray, spend: np.ndarray) -> np.ndarray:
    """What the phases of a scene leave of its money [CNY]: [scene, lane], from [scene, phase, lane] each."""
    planned = money.sum(axis=1)
    left = planned - spend.sum(axis=1)
    return np.where(left > NOTHING * planned, left, 0.0)


def money_left(purses: Purses, money: np.ndarray, spent: np.ndarray, phase: int) -> np.ndarray:
    """Money left in the phase, or in the pot  [CNY].

    >>> keep = [np.array([[flag]]) for flag in (False, True)]
    >>> pot = Purses(keep[0], keep[1], np.array([[np.inf]]))
    >>> float(money_left(pot, np.array([[[60.0], [40.0]]]), np.array([[[25.0], [0.0]]]), 1)[0, 0])
    75.0
    """
    whole, gone = money[:, phase], spent[:, phase]
    if not purses.plain and purses.cycle.any():
        whole = np.where(purses.cycle, money.sum(axis=1), whole)
        gone = np.where(purses.cycle, spent.sum(axis=1), gone)
    return _what_is_left(whole, gone)


def _what_is_left(whole: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """Money, not the rounding of money: a billionth of it is nothing."""
    left = whole - gone
    return np.where(left > NOTHING * whole, left, 0.0)


def room_now(purses: Purses, left: np.ndarray, day_money: np.ndarray, spent: Spent) -> np.ndarray:
    """Most that may be spent in this step; `day_money`: the day's part of the phase's money."""
    capped = np.isfinite(purses.cap)
    under_cap = _what_is_left(np.where(capped, purses.cap, 0.0), spent.today)
    room = np.where(capped, np.minimum(left, under_cap), left)
    of_day = _what_is_left(day_money, spent.here)
    return np.where(purses.daily, np.minimum(room, of_day), room)


def nearly_spent(
    purses: Purses, left: np.ndarray, room: np.ndarray, day_money: np.ndarray, quick: np.ndarray
) -> np.ndarray:
    """Whether the day binds, and has but a rest that says nothing of the next one: [scene, lane] of bool.

    A `quick` scene [scene, 1] has half of its day's money left by chance alone.

    >>> keep = [np.array([[flag]]) for flag in (False, True)]
    >>> capped = Purses(keep[0], keep[0], np.array([[1000.0]]))
    >>> left, room, none = np.full((1, 4), 9e3), np.array([[50.0, 50.4, 500.0, 504.0]]), np.zeros((1, 4))
    >>> [nearly_spent(capped, left, room, none, quick).tolist() for quick in keep]
    [[[True, False, False, False]], [[True, True, True, False]]]
    """
    of_day = np.where(purses.daily, np.minimum(day_money, purses.cap), purses.cap)
    binds = room < left * (1 - NOTHING)
    return binds & (room <= np.where(quick, REST_OF_QUICK, REST) * of_day)


def follow_traffic(purses: Purses, left: np.ndarray, room: np.ndarray, hour: Hour) -> np.ndarray:
    """Spend of the step that follows the traffic of the phase, and of the day where that binds."""
    of_day = room * hour.day_pace
    of_phase = left * hour.pace
    capped = np.where(np.isfinite(purses.cap), np.minimum(of_phase, of_day), of_phase)
    return np.where(purses.daily, of_day, capped)
