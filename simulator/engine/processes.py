"""SimPy's part: who wakes when.

One process carries out the steps; every other process only posts a change that is due, and the next
step reads it. SimPy runs events of one instant in the order of their making, so a step first lets all
other events of its instant happen (`timeout(0)`).
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import simpy

from simulator.market.calendar import DAY, Steps, seconds_between
from simulator.market.goods import ANY_DAY
from simulator.market.guarantee import WINDOW_DAYS
from simulator.market.world import World

Events = Generator[simpy.Event, Any, None]


@dataclass
class Due:
    """Changes that the next step has to read."""

    midnight: bool = False
    forfeit: bool = False
    closing: bool = False
    window: bool = False
    """Seven days of a guaranteed return are over."""
    restocks: list[tuple[int, int]] = field(default_factory=list)
    """(product, units)"""
    decisions: list[int] = field(default_factory=list)
    """Product tests."""
    launches: list[int] = field(default_factory=list)
    """Products."""

    def restocks_of(self, product: int, units: int) -> None:
        """Goods arrive."""
        self.restocks.append((product, units))

    def decision_of(self, trial: int) -> None:
        """A product test ends."""
        self.decisions.append(trial)

    def launch_of(self, product: int) -> None:
        """A product is launched."""
        self.launches.append(product)

    def clear(self) -> None:
        """Everything has been read."""
        self.midnight = self.forfeit = self.closing = self.window = False
        self.restocks, self.decisions, self.launches = [], [], []


def post(env: simpy.Environment, agenda: Iterable[tuple[int, Callable[[], None]]]) -> Events:
    """Carry out small postings at their times."""
    for second, action in sorted(agenda, key=lambda item: item[0]):
        yield env.timeout(second - env.now)
        action()


def agendas(world: World, due: Due) -> list[list[tuple[int, Callable[[], None]]]]:
    """One agenda each for midnights, windows of balances, contracts and guarantees, deliveries, tests, launches."""
    steps, goods = world.steps, world.goods

    def flag(name: str) -> Callable[[], None]:
        return lambda: setattr(due, name, True)

    first = steps.start[steps.first_of(steps.day)][1:]
    origin, balances = steps.shape.origin, world.scenario.calendar.balances
    last = int(steps.start[-1])
    ends = [seconds_between(origin, window.end) for window in balances]
    deliveries = [
        (_next_step(steps, t), partial(due.restocks_of, p, u)) for t, p, u in goods.restocks
    ]
    tests = world.trials.decide_at.tolist() if world.trials else []
    decisions = [(_next_step(steps, t), partial(due.decision_of, n)) for n, t in enumerate(tests)]
    launches = [
        (_next_step(steps, t), partial(due.launch_of, p))
        for p, t in enumerate(goods.launch.tolist())
        if t != ANY_DAY
    ]
    return [
        [(int(t), flag("midnight")) for t in first],
        [(t, flag("forfeit")) for t in ends if t <= last],
        [
            (int(t), flag("closing"))
            for t in sorted(
                {*world.packages.close.tolist(), *world.packages.make_good_close.tolist()}
            )
            if t <= last
        ],
        [item for item in deliveries if item[0] <= last],
        [item for item in decisions if item[0] <= last],
        [item for item in launches if item[0] <= last],
        [(int(t), flag("window")) for t in first[WINDOW_DAYS - 1 :: WINDOW_DAYS]],
    ]


def _next_step(steps: Steps, second: int) -> int:
    """Start of the first step at or after a moment; a delivery waits for it."""
    later = steps.start[steps.start >= second]
    return int(later[0]) if len(later) else int(steps.end[-1]) + DAY


def march(env: simpy.Environment, steps: Steps, step: Callable[[int], None]) -> Events:
    """The one process that moves the market."""
    for number, start in enumerate(steps.start):
        yield env.timeout(int(start) - env.now)
        yield env.timeout(0)
        step(number)
