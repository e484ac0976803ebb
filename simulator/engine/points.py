"""Points of expected mode: what common shocks and unknown numbers may be, every point as likely as another.

symbol   meaning                                                    unit    shape
factor   of a common shock, of mean one over the points               1       [shock, point]
value    of an unknown number                                       its own [point]

Where unknown numbers stand at their means the points are those of the shocks alone (`quadrature`).
A mean over unknown numbers takes a Latin hypercube over shocks and numbers together (McKay,
Beckman, Conover 1979): a hundred numbers ask for no more points than ten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from simulator.engine.lanes import quadrature, shock_factor, shock_names
from simulator.market.draws import strata
from simulator.scenario.amounts import Uncertain
from simulator.scenario.schema import Scenario
from simulator.scenario.uncertain import stream_of, uncertain_paths


@dataclass(frozen=True, eq=False)
class Points:
    """Shocks and unknown numbers of every point."""

    shocks: np.ndarray
    """Factors: [shock, point]."""
    numbers: Mapping[str, np.ndarray]
    """Values by path: [point]; none where all stand at their means."""

    @property
    def count(self) -> int:
        """Number of points."""
        return self.shocks.shape[1]


def make_points(scenario: Scenario, vectors: int, order: int = 0) -> Points:
    """The points of the shocks, or `vectors` of shocks and unknown numbers where there are any.

    Another `order` pairs the values of the numbers in another way.
    """
    shocks = dict(shock_names(scenario))
    numbers = uncertain_paths(scenario) if vectors else {}
    if not numbers:
        return Points(_factors(quadrature(len(shocks)), shocks), {})
    streams = streams_of(scenario)
    names = list(dict.fromkeys(streams.values()))
    z = strata([f"parameter/{n}" for n in names], vectors, order)
    rows = dict(zip(names, z, strict=True))
    values = {path: _value(number, rows[streams[path]]) for path, number in numbers.items()}
    return Points(_factors(strata(list(shocks), vectors, order), shocks), values)


def side_by_side(sets: Sequence[Points]) -> Points:
    """The points of all sets, one set after another."""
    shocks = np.concatenate([points.shocks for points in sets], axis=1)
    paths = sets[0].numbers
    return Points(shocks, {p: np.concatenate([s.numbers[p] for s in sets]) for p in paths})


def streams_of(scenario: Scenario) -> dict[str, str]:
    """The name under which every unknown number is drawn, by its path."""
    phases = scenario.calendar.phases.items()
    continued = {name: phase.continues for name, phase in phases if phase.continues}
    return {path: stream_of(path, continued) for path in uncertain_paths(scenario)}


def _factors(z: np.ndarray, shocks: Mapping[str, float]) -> np.ndarray:
    rows = [_mean_one(row, sd) for row, sd in zip(z, shocks.values(), strict=True)]
    return np.array(rows).reshape(z.shape)


def _mean_one(z: np.ndarray, sd: float) -> np.ndarray:
    """A factor of mean one over the points themselves: they hit the mean of z and z^2, not that of exp(z)."""
    factor = shock_factor(z, sd)
    return factor / factor.mean()


def _value(number: Uncertain, z: np.ndarray) -> np.ndarray:
    return value_of(number, _mean_one(z, number.sd), ndtr(z))


def value_of(number: Uncertain, factor: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Values of an unknown number: log-normal by a mean-one factor, or between its limits."""
    if number.low is not None and number.high is not None:
        return np.asarray(number.low + (number.high - number.low) * uniform)
    return np.minimum(float(number) * factor, number.most * (1 - 1e-9))
