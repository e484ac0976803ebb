"""The twin's weather: docs/model.md section 13, the mean of every shock in a step."""

import math
from itertools import pairwise

from numpy.polynomial.legendre import leggauss

from simulator.scenario.chance import Shock
from simulator.scenario.schema import Scenario
from tests.oracles.twin_clock import DAY, Clock, Step

POINTS, WEIGHTS = leggauss(24)


class Sky:
    """Factors of one step, each shock at its mean."""

    def __init__(self, scenario: Scenario, clock: Clock) -> None:
        self.scenario, self.clock = scenario, clock
        self.on: dict[str, float] = dict.fromkeys(scenario.shocks, 0.0)

    def look(self, step: Step) -> None:
        """Read the step's shares, piece by piece between the corners of o(t)."""
        for name, shock in self.scenario.shocks.items():
            a, b = self.clock.seconds(shock.start), self.clock.seconds(shock.end)
            d = round(shock.days * DAY)
            inside = [t for t in (a, b, a + d, b + d) if step.start < t < step.end]
            total = sum(
                (right - left) / 2 * float(weight) * chance_on(shock, (a, b, d), t)
                for left, right in pairwise(sorted({step.start, step.end, *inside}))
                for point, weight in zip(POINTS, WEIGHTS, strict=True)
                for t in [(left + right) / 2 + (right - left) / 2 * float(point)]
            )
            self.on[name] = total / (step.end - step.start)

    def product(self, name: str) -> float:
        return self._of(lambda shock: not shock.segments and name in (shock.products or [name]))

    def segment(self, name: str) -> float:
        return self._of(lambda shock: name in shock.segments)

    def _of(self, moves) -> float:
        chosen = [(name, shock) for name, shock in self.scenario.shocks.items() if moves(shock)]
        return math.prod(1 + self.on[name] * (shock.demand - 1) for name, shock in chosen)

    @property
    def traffic(self) -> float:
        shocks = self.scenario.shocks.items()
        return math.prod(1 + self.on[name] * (shock.traffic - 1) for name, shock in shocks)


def chance_on(shock: Shock, times: tuple[int, int, int], t: float) -> float:
    """The probability that a shock is on at t."""
    a, b, d = times
    reach = max(0.0, min(b, t) - max(a, t - d))
    if shock.chance is not None:
        return shock.chance * reach / (b - a)
    return 1 - math.exp(-float(shock.rate or 0) * reach / DAY)
