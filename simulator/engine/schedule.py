"""Numbers of every step that follow from the calendar alone: all arrays are [step] or [day]."""

from dataclasses import dataclass

import numpy as np

from simulator.market.calendar import Steps, seconds_between
from simulator.market.world import World

QUIET = 0.1  # least market level of a day


@dataclass(frozen=True)
class Schedule:
    """What the clock tells in advance."""

    pace: np.ndarray
    """Share of the phase's remaining traffic that falls into a step."""
    cycle_pace: np.ndarray
    """The same of all phases in which a scene spends, for one pot: [step, scene]."""
    day_pace: np.ndarray
    """Share of the remaining traffic of the day within the phase that falls into a step."""
    day_part: np.ndarray
    """Share of the phase's time that falls on the day of a step."""
    fresh: np.ndarray
    """First step of a phase."""
    new_market: np.ndarray
    """First step of a phase that is no later part of the one before it: bids are found anew."""
    new_day: np.ndarray
    """First step of a day."""
    readiness: np.ndarray
    """U / V of all steps of the same phase and day: what limits on the cost per order reckon with."""
    can_deposit: np.ndarray
    """A later, or the current, window can still settle a deposit."""
    balance: np.ndarray
    """Share of standing deposits whose balance is paid in a step."""
    presale: np.ndarray
    """Deposits can be paid, or balances are due: what is presold changes in no other step."""
    pushes: np.ndarray
    """Share of a push's day that falls into a step: [step, push]."""
    market_day: np.ndarray
    """Purchases of a day in the calendar, a normal day being 1: [day]."""
    market_step: np.ndarray
    """The same of a step, its visits being as ready as those of the whole day."""


def make_schedule(world: World) -> Schedule:
    """Read everything off the grid of the clock."""
    steps = world.steps
    windows = _windows(world)
    deposits = world.phases.deposit + world.phases.deposit_release
    by_phase, readiness = _market_level(world)[steps.phase], _readiness(steps)
    can_deposit = steps.start < max((end for _, end, _ in windows), default=-1)
    balance = _balance(steps, windows)
    return Schedule(
        pace=_pace(steps), cycle_pace=_cycle_pace(world),
        day_pace=_day_pace(steps), day_part=_day_part(steps),
        fresh=steps.first_of(steps.phase), new_market=_new_market(world), new_day=steps.first_of(steps.day),
        readiness=readiness,
        can_deposit=can_deposit, balance=balance,
        presale=can_deposit & deposits.any(axis=1)[steps.phase] | (balance > 0),
        pushes=_pushes(world),
        market_day=np.maximum(np.bincount(steps.day, steps.buy * by_phase), QUIET),
        market_step=steps.browse * readiness * by_phase,
    )  # fmt: skip


def expected_traffic(world: World) -> np.ndarray:
    """Traffic of each step as contracts' schedules know it: the file's central figures [step]."""
    return np.asarray(world.steps.browse * _central(world, "traffic")[world.steps.phase])


def _new_market(world: World) -> np.ndarray:
    phases, names = world.scenario.calendar.phases, world.names.phases
    origin = [phases[f].continues or f if f in phases else f for f in names]
    known = {name: n for n, name in enumerate(origin)}
    return world.steps.first_of(np.array([known[f] for f in origin])[world.steps.phase])


def _pace(steps: Steps) -> np.ndarray:
    left = np.zeros(len(steps))
    for phase in np.unique(steps.phase):
        left += steps.left_in(steps.phase == phase, steps.browse)
    return steps.browse / np.maximum(left, 1e-300)


def _cycle_pace(world: World) -> np.ndarray:
    steps, traffic = world.steps, expected_traffic(world)
    active = world.bidding.active[steps.phase]  # [step, scene]
    left = [steps.left_in(inside, traffic) for inside in active.T]
    return traffic[:, None] / np.maximum(np.array(left).T, 1e-300) * active


def _day_parts(steps: Steps) -> np.ndarray:
    """Number of the part of each step: a day within a phase."""
    return np.cumsum(steps.first_of(steps.phase) | steps.first_of(steps.day)) - 1


def _day_pace(steps: Steps) -> np.ndarray:
    part, pace = _day_parts(steps), np.zeros(len(steps))
    for number in range(int(part[-1]) + 1):
        inside = part == number
        left = np.cumsum(steps.browse[inside][::-1])[::-1]
        pace[inside] = steps.browse[inside] / np.maximum(left, 1e-300)
    return pace


def _day_part(steps: Steps) -> np.ndarray:
    part, length = _day_parts(steps), steps.days
    return np.asarray(
        np.bincount(part, length)[part] / np.bincount(steps.phase, length)[steps.phase]
    )


def _readiness(steps: Steps) -> np.ndarray:
    part = np.cumsum(steps.first_of(steps.phase) | steps.first_of(steps.day))
    buy, browse = (np.bincount(part, weight)[part] for weight in (steps.buy, steps.browse))
    return np.divide(buy, browse, out=np.ones(len(steps)), where=browse > 0)


def _pushes(world: World) -> np.ndarray:
    """Visits of a push follow those of its day: 0 on other days [step, push]."""
    steps, share = world.steps, np.zeros((len(world.steps), len(world.pushes.days)))
    for push, days in enumerate(world.pushes.days):
        for day in days:
            today = np.where(steps.day == day, steps.browse, 0.0)
            share[:, push] += today / today.sum()
    return share


def _windows(world: World) -> list[tuple[int, int, float]]:
    """Balance windows: start and end [s], completion."""
    origin = world.steps.shape.origin
    return [
        (seconds_between(origin, b.start), seconds_between(origin, b.end), b.completion)
        for b in world.scenario.calendar.balances
    ]


def _balance(steps: Steps, windows: list[tuple[int, int, float]]) -> np.ndarray:
    """Q = completion dU / ((1 - completion) U + completion U_left): U purchases of the window, of them those
    that are left at the start of a step; 0 where nobody buys, also when all that is due is paid.
    """
    share = np.zeros(len(steps))
    for start, end, completion in windows:
        inside = (steps.start >= start) & (steps.start < end)
        left = completion * steps.left_in(inside, steps.buy)
        still = (1 - completion) * steps.buy[inside].sum() + left
        np.divide(completion * steps.buy, still, out=share, where=inside & (steps.buy > 0))
    return share


def _market_level(world: World) -> np.ndarray:
    """Purchases of a phase's day against a normal day: [phase]."""
    return np.asarray(_central(world, "traffic") * _central(world, "cvr"))


def _central(world: World, field: str) -> np.ndarray:
    phases = world.scenario.calendar.phases
    names = world.names.phases
    return np.array([float(getattr(phases[f], field)) if f in phases else 1.0 for f in names])
