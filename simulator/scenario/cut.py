"""A scenario cut at a moment: the phase that lies across it becomes two, and nothing else changes."""

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel

from simulator.errors import UserError
from simulator.scenario.amounts import read_moment
from simulator.scenario.asked import asked_scenario
from simulator.scenario.calendar import Calendar, Phase
from simulator.scenario.commissions import Commission
from simulator.scenario.incentives import Coupon
from simulator.scenario.plan import phase_traffic
from simulator.scenario.scenes import PlanEntry, Scene
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, Package, Slot

Value = TypeVar("Value")
Model = TypeVar("Model", bound=BaseModel)
Listed = TypeVar("Listed", Coupon, Scene, Commission, Package)
ONE_DAY = timedelta(days=1)


def moment_of(moment: str | datetime) -> datetime:
    """A moment as a file writes it, such as "2020-11-05"."""
    try:
        return read_moment(moment)
    except ValueError as error:
        raise UserError(f"since: {error}") from None


def booked_before(package: Package, moment: datetime) -> bool:
    """Whether its time to be booked is over: without a date it is booked long before the run."""
    return package.booked_at is None or package.booked_at < moment


def cut_at(scenario: Scenario, moment: str | datetime) -> Scenario:
    """The same scenario with a phase that starts at `moment`; multipliers, prices and bookings stay.

    `moment` is one, or text such as "2020-11-05". The new phase is called after the one it continues
    and the date, as in "normal_1105". Money that plans of the file give to the phase goes to both parts
    by days; a scene that keeps its money in one pot keeps it by phase from now on, for a pot has no
    past that could be left as it is.
    """
    scenario, moment = asked_scenario(scenario), moment_of(moment)
    phase = straddled(scenario.calendar, moment)
    scenes = {name: _by_phase(scene) for name, scene in scenario.scenes.items()}
    whole = _with(scenario, scenes=scenes)
    return _cut(whole, phase, moment) if phase else whole


def straddled(calendar: Calendar, moment: datetime) -> str | None:
    """The phase that began before the moment and ends after it; None where one begins just then."""
    starts = {name: phase.start for name, phase in calendar.phases.items()}
    first = min(starts.values())
    if not first < moment < calendar.end:
        span = f"after {first:%Y-%m-%d %H:%M}, when the scenario begins, and before {calendar.end:%Y-%m-%d %H:%M}"
        raise UserError(f"{moment:%Y-%m-%d %H:%M}: give a moment {span}")
    if moment in starts.values():
        return None
    return max((n for n in starts if starts[n] < moment), key=lambda n: starts[n])


def name_of_rest(phase: str, moment: datetime) -> str:
    """What the part from the moment on is called."""
    hour = "" if moment.time() == time.min else f"_{moment:%H%M%S}"
    return f"{phase}_{moment:%m%d}{hour}"


def _cut(scenario: Scenario, phase: str, moment: datetime) -> Scenario:
    cut = _Cut(phase, name_of_rest(phase, moment), scenario, moment)
    incentives = scenario.incentives
    coupons = {name: cut.listed(coupon) for name, coupon in incentives.coupons.items()}
    return _with(
        scenario,
        calendar=_with(scenario.calendar, phases=cut.phases()),
        products={n: _with(p, discount=cut.table(p.discount)) for n, p in scenario.products.items()},
        slots={name: cut.slot(slot) for name, slot in scenario.slots.items()},
        scenes={name: cut.listed(scene) for name, scene in scenario.scenes.items()},
        commissions={name: cut.listed(partner) for name, partner in scenario.commissions.items()},
        incentives=_with(incentives, coupons=coupons),
        plans={name: cut.plan(entry) for name, entry in scenario.plans.items()},
    )  # fmt: skip


def _by_phase(scene: Scene) -> Scene:
    return _with(scene, budget_kind="total") if scene.budget_kind == "cycle" else scene


def _with(model: Model, **changes: Any) -> Model:
    return model.model_copy(update=changes)


class _Cut:
    """What every part of a scenario that names phases has to know."""

    def __init__(self, phase: str, rest: str, scenario: Scenario, moment: datetime):
        self.phase, self.rest, self.scenario, self.moment = phase, rest, scenario, moment
        own = scenario.calendar.phases[phase]
        if rest in scenario.calendar.phases:
            raise UserError(f"there is a phase {rest!r} already: call it something else")
        if own.burst and moment < own.start + ONE_DAY:
            end = own.start + ONE_DAY
            rule = f"{phase} opens with a rush, which cannot be cut"
            raise UserError(f"{rule}: take {end:%Y-%m-%d %H:%M} or later")

    def phases(self) -> dict[str, Phase]:
        """Both parts; wallets count as filled once the later part is over, as before."""
        table: dict[str, Phase] = {}
        for name, phase in self.scenario.calendar.phases.items():
            table[name] = _with(phase, wallet_topup=0.0) if name == self.phase else phase
            if name == self.phase:
                origin = phase.continues or name
                table[self.rest] = _with(phase, start=self.moment, burst=None, continues=origin)
        return table

    def table(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """A table by phase: the later part has what the earlier one has."""
        more = {self.rest: values[self.phase]} if self.phase in values else {}
        return dict(values) | more

    def names(self, phases: Iterable[str]) -> list[str]:
        """A list of phases."""
        both = {self.phase: [self.phase, self.rest]}
        return [name for phase in phases for name in both.get(phase, [phase])]

    def listed(self, part: Listed) -> Listed:
        """A part of a scenario with a list of phases."""
        return _with(part, phases=self.names(part.phases))

    def slot(self, slot: Slot) -> Slot:
        """Rivals' levels, steps of prices, and phases of packages."""
        if isinstance(slot, AuctionSlot):
            return _with(slot, rival_level=self.table(slot.rival_level))
        steps = _with(slot.price_steps, phases=self.table(slot.price_steps.phases))
        packages = {name: self.listed(package) for name, package in slot.packages.items()}
        return _with(slot, price_steps=steps, packages=packages)

    def plan(self, entry: PlanEntry) -> PlanEntry:
        """Money of the phase, by the traffic of its parts."""
        calendar = _with(self.scenario.calendar, phases=self.phases())
        traffic = phase_traffic(_with(self.scenario, calendar=calendar))
        share = traffic[self.phase] / (traffic[self.phase] + traffic[self.rest])

        def parted(money: float | dict[str, float]) -> float | dict[str, float]:
            if not isinstance(money, dict) or self.phase not in money:
                return money
            own = money[self.phase]
            return money | {self.phase: own * share, self.rest: own * (1 - share)}

        return _with(entry, scenes={s: parted(m) for s, m in entry.scenes.items()})
