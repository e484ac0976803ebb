"""Anchors: levels of rivals, conversion and free visits that give last period's own figures.

symbol   meaning                                                    unit   shape
x        log of the levels: rivals, conversion, free_visits         1      [level]
r        ln(simulated / own) of each anchor                         1      [anchor]

The levels multiply median rival bids, the odds that a visit buys (paid and free), and the free visits.
Least squares over expected runs; a weak pull towards 1 leaves alone what no anchor speaks of.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from simulator.engine.simulate import simulate
from simulator.errors import UserError
from simulator.outcomes.compare import ratio_of_means
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.asked import asked_scenario
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.schema import Scenario

LEVELS = ("rivals", "conversion", "free_visits")
LARGEST = math.log(10.0)
PULL = 0.001  # towards a level of 1, against an anchor that is off by as much
OFF = 0.05  # share by which an anchor may be missed
STRIDE = 0.7  # about ln 2: how far from the file a start is looked for
RUNS = 20
AT_BOUND = 0.999  # of the largest log of a level: the search comes this near to it


@dataclass(frozen=True)
class Anchor:
    """One figure of the last period beside what the scenario gives."""

    name: str
    own: float
    simulated: float

    @property
    def off(self) -> float:
        """Simulated against own, less 1."""
        return self.simulated / self.own - 1


@dataclass(frozen=True)
class Anchored:
    """A scenario at the levels that its anchors ask for."""

    scenario: Scenario
    levels: dict[str, float]
    anchors: tuple[Anchor, ...]

    @property
    def contradictions(self) -> tuple[Anchor, ...]:
        """Anchors that cannot be met, together with the others or at all."""
        return tuple(anchor for anchor in self.anchors if abs(anchor.off) > OFF)

    @property
    def stretched(self) -> tuple[str, ...]:
        """Levels that went as far as they may."""
        most = AT_BOUND * LARGEST
        return tuple(name for name, x in self.levels.items() if abs(math.log(x)) > most)

    def of(self, changed: Scenario, kept: Collection[str]) -> Scenario:
        """Another version of the scenario at the same levels; fields `kept` stay as they are there."""
        return at_levels(changed, self.levels, kept=kept)


def anchor(scenario: Scenario) -> Anchored:
    """Solve the levels of a scenario with anchors; without any it stays as it is."""
    from scipy.optimize import least_squares

    if not own_figures(asked_scenario(scenario)):
        return Anchored(scenario, dict.fromkeys(LEVELS, 1.0), ())
    plan = plan_of(scenario)

    def gaps(x: np.ndarray) -> np.ndarray:
        rows = _compare(at_levels(scenario, _levels(x)), plan)
        return np.append([math.log1p(row.off) for row in rows], PULL * x)

    found = least_squares(
        gaps, _start(gaps), bounds=(-LARGEST, LARGEST), diff_step=np.full(len(LEVELS), 0.01), max_nfev=RUNS,
        x_scale=1.0, xtol=1e-4, ftol=1e-6,
    )  # fmt: skip
    levels = _levels(found.x)
    solved = at_levels(scenario, levels)
    return Anchored(solved, levels, tuple(_compare(solved, plan)))


def _start(gaps: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Where to begin: as the file is, or with one level a stride off if figures are nearer there.

    Where all money is spent, a little more or less of anything moves spend by nothing.
    """
    steps = STRIDE * np.concatenate(
        [np.zeros((1, len(LEVELS))), np.eye(len(LEVELS)), -np.eye(len(LEVELS))]
    )
    return min(steps, key=lambda x: float(np.square(gaps(x)).sum()))


def plan_of(scenario: Scenario) -> Plan:
    """The plan that stands for the last period."""
    plans = {plan.name: plan for plan in plans_of(scenario)}
    name = scenario.anchors.plan if scenario.anchors else ""
    if name and name not in plans:
        raise UserError(f"anchors.plan names no plan: {name!r}; known are {', '.join(plans)}")
    return plans[name] if name else next(iter(plans.values()))


def own_figures(scenario: Scenario) -> dict[str, float]:
    """Every anchor by name, a scene's return as roas.SCENE."""
    if scenario.anchors is None:
        return {}
    data = scenario.anchors.model_dump(exclude={"plan", "roas"}, exclude_none=True)
    return data | {f"roas.{scene}": value for scene, value in scenario.anchors.roas.items()}


def _levels(x: np.ndarray) -> dict[str, float]:
    return dict(zip(LEVELS, np.exp(x).tolist(), strict=True))


def _compare(scenario: Scenario, plan: Plan) -> list[Anchor]:
    own = own_figures(scenario)
    follow = any(name.startswith("roas.") for name in own)
    outcomes = simulate(scenario, [plan], mode="expected", attribution=follow)
    period = _Period(outcomes, plan, scenario.calendar.end)
    return [Anchor(name, value, max(period.figure(name), 1e-9)) for name, value in own.items()]


@dataclass(frozen=True)
class _Period:
    """A plan's figures until advertising ends."""

    outcomes: Outcomes
    plan: Plan
    end: datetime

    def figure(self, name: str) -> float:
        """The scenario's figure for an anchor."""
        if name.startswith("roas."):
            scene = self.outcomes.axes.scenes.index(name.removeprefix("roas."))
            gmv, spend = (self._days(f"scene_{what}")[:, scene].sum() for what in ("gmv", "spend"))
            return self._ratio(
                name, gmv, spend, f"spends nothing on {self.outcomes.axes.scenes[scene]}"
            )
        if name == "new_customer_share":
            new, orders = (self._days(what).sum() for what in ("new_customers", "paid_orders"))
            return self._ratio(name, new, orders, "sells nothing")
        if name == "average_cpc":
            return self._ratio(name, self._mean("spend"), self._mean("clicks"), "brings no click")
        return self._mean("gmv_campaign" if name == "gmv" else "spend")

    def _mean(self, metric: str) -> float:
        return ratio_of_means(self.outcomes.sample(self.plan.name, metric))

    def _days(self, what: str) -> np.ndarray:
        """The plan's own lanes on the days until the end: [day, .., lane]."""
        days = sum(datetime.fromisoformat(day) < self.end for day in self.outcomes.axes.days)
        return self.outcomes.book.days[what][:days, ..., : self.outcomes.replications]

    def _ratio(self, name: str, part: float, whole: float, why: str) -> float:
        if whole <= 0:
            raise UserError(f"anchors.{name} means nothing: plan {self.plan.name!r} {why}")
        return float(part / whole)


# --------------------------------------------------------------------------- a scenario at levels
def at_levels(
    scenario: Scenario, levels: dict[str, float], *, kept: Collection[str] = ()
) -> Scenario:
    """The same world with stronger rivals, readier visitors, more free visits.

    Fields of the names `kept`, such as slots.search.median_cpm, stay as they are.
    """
    data = scenario.model_dump(mode="json")
    for (part, field), (level, change) in FIELDS.items():
        for name, entry in data[part].items():
            if field in entry and f"{part}.{name}.{field}" not in kept:
                entry[field] = change(entry[field], levels[level])
    return Scenario.model_validate(data)


def _numbers(value: Any, change: Callable[[float], float]) -> Any:
    """Change a number, or the values of an uncertain one; its spread stays."""
    if isinstance(value, dict):
        return {key: x if key == "sd" else change(x) for key, x in value.items()}
    return change(value)


def _times(value: Any, level: float) -> Any:
    return _numbers(value, lambda x: x * level)


def _readier(value: Any, level: float) -> Any:
    """Odds times the level."""
    return _numbers(value, lambda p: p * level / (1 - p + p * level))


FIELDS = {
    ("slots", "median_cpm"): ("rivals", _times),
    ("slots", "cvr"): ("conversion", _readier),
    ("sources", "organic_cvr"): ("conversion", _readier),
    ("sources", "organic_visits"): ("free_visits", _times),
}
"""Fields that a level changes: the level, and how."""
