"""Anchors: levels of rivals, conversion and free visits that give last period's own figures.

symbol   meaning                                                    unit   shape
x        log of the levels: rivals, conversion, free_visits         1      [level]
r        ln(simulated / own) of each anchor                         1      [anchor]

Least squares over expected runs; a weak pull towards 1 leaves alone what no anchor speaks of. Levels that are
tried together are points of one run.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from simulator.calibration.levels import LEVELS, at_levels, at_many
from simulator.engine.simulate import simulate
from simulator.errors import UserError
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.asked import asked_scenario
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.schema import Scenario

LARGEST = math.log(10.0)
PULL = 0.01  # towards a level of 1, against an anchor that is off by as much
OFF = 0.05  # share by which an anchor may be missed
STRIDE = 0.7  # about ln 2: how far from the file a start is looked for
RUNS = 20
ASIDE = 0.01  # how far from x slopes are read
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
    trials = _Trials(scenario, plan_of(scenario))
    found = least_squares(
        trials.gaps, trials.start(), trials.slopes, bounds=(-LARGEST, LARGEST), max_nfev=RUNS,
        x_scale=1.0, xtol=1e-3, ftol=1e-6,
    )  # fmt: skip
    levels = dict(zip(LEVELS, np.exp(found.x).tolist(), strict=True))
    own, simulated = own_figures(scenario), trials.figures(found.x[None])[:, 0]
    rows = (Anchor(*row) for row in zip(own, own.values(), simulated.tolist(), strict=True))
    return Anchored(at_levels(scenario, levels), levels, tuple(rows))


@dataclass
class _Trials:
    """The plan's figures at several levels, all played in one run."""

    scenario: Scenario
    plan: Plan
    known: dict[bytes, np.ndarray] = field(default_factory=dict)
    """Gaps at x and, beside it, a little off in each level: [trial, gap]."""

    def start(self) -> np.ndarray:
        """Where to begin: as the file is, or with one level a stride off if figures are nearer there.

        Where all money is spent, a little more or less of anything moves spend by nothing.
        """
        steps = STRIDE * np.concatenate(
            [np.zeros((1, len(LEVELS))), np.eye(len(LEVELS)), -np.eye(len(LEVELS))]
        )
        return np.asarray(steps[np.square(self._gaps(steps)).sum(axis=1).argmin()])

    def gaps(self, x: np.ndarray) -> np.ndarray:
        """Gap r of every anchor, and the pull: [gap]."""
        return np.asarray(self._around(x)[0])

    def slopes(self, x: np.ndarray) -> np.ndarray:
        """How they change with x: [gap, level]."""
        here, *aside = self._around(x)
        return np.stack([(gaps - here) / ASIDE for gaps in aside], axis=1)

    def _around(self, x: np.ndarray) -> np.ndarray:
        """At x and beside it, where that was not played before."""
        key = x.tobytes()
        if key not in self.known:
            self.known[key] = self._gaps(x + ASIDE * np.eye(len(LEVELS) + 1, len(LEVELS), -1))
        return self.known[key]

    def _gaps(self, x: np.ndarray) -> np.ndarray:
        """[trial, gap] at x [trial, level]."""
        own = np.array(list(own_figures(self.scenario).values()))
        return np.concatenate([np.log(self.figures(x).T / own), PULL * x], axis=1)

    def figures(self, x: np.ndarray) -> np.ndarray:
        """What the plan has of every anchor, at least next to nothing: [anchor, trial]."""
        own = own_figures(self.scenario)
        follow = any(name.startswith("roas.") for name in own)
        world, points = at_many(self.scenario, x)
        outcomes = simulate(world, [self.plan], mode="expected", attribution=follow, vectors=points)
        period = _Period(outcomes, self.plan, self.scenario.calendar.end, len(x))
        return np.maximum([period.figure(name) for name in own], 1e-9)


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


@dataclass(frozen=True)
class _Period:
    """A plan's figures until advertising ends, in every trial of one run."""

    outcomes: Outcomes
    plan: Plan
    end: datetime
    trials: int

    def figure(self, name: str) -> np.ndarray:
        """The scenario's figure for an anchor: [trial]."""
        if name.startswith("roas."):
            scene = self.outcomes.axes.scenes.index(name.removeprefix("roas."))
            gmv, spend = (self._days(f"scene_{what}", scene) for what in ("gmv", "spend"))
            return self._ratio(
                name, gmv, spend, f"spends nothing on {self.outcomes.axes.scenes[scene]}"
            )
        if name == "new_customer_share":
            new, orders = (self._days(what) for what in ("new_customers", "paid_orders"))
            return self._ratio(name, new, orders, "sells nothing")
        if name == "average_cpc":
            return self._ratio(name, self._total("spend"), self._total("clicks"), "brings no click")
        return self._total("gmv_campaign" if name == "gmv" else "spend")

    def _total(self, metric: str) -> np.ndarray:
        return self._mean(self.outcomes.sample(self.plan.name, metric).top)

    def _days(self, what: str, scene: int | None = None) -> np.ndarray:
        """Of the plan's own lanes, on the days until the end."""
        days = sum(datetime.fromisoformat(day) < self.end for day in self.outcomes.axes.days)
        rows = self.outcomes.book.days[what][:days, ..., : self.outcomes.replications]
        return self._mean((rows if scene is None else rows[:, scene]).sum(axis=0))

    def _mean(self, lanes: np.ndarray) -> np.ndarray:
        """Of every trial's points: [trial]."""
        return np.asarray(lanes.reshape(self.trials, -1).mean(axis=1))

    def _ratio(self, name: str, part: np.ndarray, whole: np.ndarray, why: str) -> np.ndarray:
        if not (whole > 0).all():
            raise UserError(f"anchors.{name} means nothing: plan {self.plan.name!r} {why}")
        return part / whole
