"""The decision: money per scene and phase, and whole contract packages."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AnySet
from dataclasses import dataclass, replace
from datetime import datetime
from numbers import Real
from typing import Any, NoReturn

from pydantic import ValidationError

from simulator.errors import UserError
from simulator.scenario.amounts import shown, suggestion
from simulator.scenario.asked import asked, asked_list, asked_scenario
from simulator.scenario.calendar import phase_spans
from simulator.scenario.faults import problems_of
from simulator.scenario.nodes import NOWHERE
from simulator.scenario.prices import late_factor, phase_factor
from simulator.scenario.scenes import PlanEntry
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, ContractSlot, Package

Money = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Plan:
    """A named split of the budget.

    `money[scene][phase]` is auction money [CNY]; `packages` names bookings as "slot.package", which are paid on top
    of it out of the same budget.
    """

    name: str
    money: Money
    packages: frozenset[str]
    commissions: frozenset[str] | None = None
    """Commissioned media that runs beside the plan, paid on top; None: all of the file."""

    @classmethod
    def even(
        cls, scenario: Scenario, name: str = "even", packages: Iterable[str] | str = "all"
    ) -> "Plan":
        """Some packages or all, and the rest of the budget in equal parts for every scene that can spend."""
        packages = _chosen(asked_scenario(scenario), packages)
        able = [name for name in scenario.scenes if _spends(scenario, name)]
        rest = scenario.budget - sum(package_price(scenario, p) for p in packages)
        _check_not_negative(rest, name, "the packages cost more than the budget")
        plan = cls(name, _over_phases(scenario, {s: rest / len(able) for s in able}), packages)
        check_plan(scenario, plan)
        return plan

    @classmethod
    def shares(cls, scenario: Scenario, name: str = "", /, **shares: Any) -> "Plan":
        """Scenes' shares of the budget, at most 1 in all: harvest=0.3, "30%", or {"sale": 0.3} by phase.

        Scenes that are not named get nothing. Packages (`packages`: "all", "none" or a list, as in a
        file) are booked out of the shares of their scenes.
        """
        entry = _entry(name, shares)
        if not entry.in_shares:
            total = sum(money for _, money in entry.cells)
            _refuse(
                name,
                f"shares of the budget sum to at most 1 (got {total:g}); Plan.amounts takes CNY",
            )
        return cls.from_entry(scenario, name, entry)

    @classmethod
    def amounts(cls, scenario: Scenario, name: str = "", /, **amounts: Any) -> "Plan":
        """Scenes' money [CNY]: harvest=12_000, "12k", or {"sale": 12_000} by phase; the rest as in `shares`.

        All of it may be more than the budget: a run then says what a larger one would bring.
        """
        entry = _entry(name, amounts)
        for path, money in entry.cells:
            if 0 < money <= 1:
                where = ".".join(path)
                _refuse(name, f"{where} has {money:g} CNY; Plan.shares takes shares of the budget")
        return cls._of(scenario, name, entry, 1.0)

    @classmethod
    def current(cls, scenario: Scenario) -> "Plan":
        """The scenes' own budgets, packages of the scenes included."""
        scenes = asked_scenario(scenario).scenes
        budgets = {name: scene.budget for name, scene in scenes.items()}
        if None in budgets.values():
            raise UserError("plan 'current': every scene must have a budget; 0 gives it nothing")
        return cls._of(scenario, "current", _entry("current", {"scenes": budgets}), 1.0)

    @classmethod
    def none(cls, scenario: Scenario) -> "Plan":
        """No further ad money: only what is signed already. The counterfactual of every run."""
        scenario = asked_scenario(scenario)
        return cls("no ads", _over_phases(scenario, {}), _signed(scenario), frozenset())

    @classmethod
    def from_entry(cls, scenario: Scenario, name: str, entry: PlanEntry) -> "Plan":
        """A plan as the scenario file writes it."""
        scenario = asked_scenario(scenario)
        asked(PlanEntry, entry, "an entry is what a file holds under the name of a plan")
        return cls._of(scenario, name, entry, scenario.budget if entry.in_shares else 1.0)

    @classmethod
    def _of(cls, scenario: Scenario, name: str, entry: PlanEntry, unit: float) -> "Plan":
        """The plan of an entry whose numbers are in units of so much [CNY]."""
        for scene in entry.scenes:
            _check_name(name, scene, asked_scenario(scenario).scenes, "scene")
        kept = {p for p in _signed(scenario) if not can_cancel(scenario, p)}
        packages = _chosen(scenario, entry.packages) | kept
        money = {s: _scene_money(scenario, s, v, unit) for s, v in entry.scenes.items()}
        for package in sorted(packages - _signed(scenario)):
            _pay_package(scenario, name, money, package)
        partners = _partners(entry.commissions)
        plan = cls(name, _freeze(scenario, money), packages, partners)
        check_plan(scenario, plan)
        return plan

    @property
    def auction_money(self) -> float:
        """Money for auctions [CNY]."""
        return sum(sum(phases.values()) for phases in self.money.values())

    def booked(self, prices: Mapping[str, float]) -> dict[str, float]:
        """Prices of what it books, of those of all packages: beside its auction money, what it pays."""
        return {name: prices[name] for name in sorted(self.packages) if name in prices}

    def total(self, scenario: Scenario) -> float:
        """Money of the plan, packages and fees for cancelled ones included [CNY]."""
        scenario = asked_scenario(scenario)
        fees = sum(cancelling_price(scenario, p) for p in _signed(scenario) - self.packages)
        return self.auction_money + sum(package_price(scenario, p) for p in self.packages) + fees


def _partners(chosen: list[str] | str) -> frozenset[str] | None:
    if isinstance(chosen, str):
        return frozenset() if chosen == "none" else None
    return frozenset(chosen)


def _entry(name: str, fields: Mapping[str, Any]) -> PlanEntry:
    """What a file would hold under the name of the plan, checked as there."""
    try:
        return PlanEntry.model_validate(dict(fields))
    except ValidationError as error:
        faults = problems_of(PlanEntry, NOWHERE, error)
    _refuse(
        name, "; ".join(f"{fault.path.removeprefix('scenes.')} {fault.message}" for fault in faults)
    )


def _refuse(plan: str, message: str) -> NoReturn:
    raise UserError(f"plan {plan!r}: {message}")


# --------------------------------------------------------------------------- checks
def check_plan(scenario: Scenario, plan: "Plan") -> None:
    """Refuse a plan that does not fit the scenario: its money would stay, and nobody be told."""
    if not isinstance(plan, Plan) or not isinstance(plan.name, str) or not plan.name:
        raise UserError(f"a plan is a sim.Plan with a name, or the name of one (got {shown(plan)})")
    _check_money(scenario, plan)
    _check_active(scenario, plan)
    what = f"plan {plan.name!r}: packages and commissions are sets, such as frozenset({{'slot.package'}})"
    for package in asked(AnySet, plan.packages, what):
        find_package(scenario, package)
    for name in () if plan.commissions is None else asked(AnySet, plan.commissions, what):
        if name not in scenario.commissions:
            known = ", ".join(scenario.commissions) or "none"
            raise UserError(f"no commissioned media is called {name!r}: known are {known}")


def _check_money(scenario: Scenario, plan: "Plan") -> None:
    if not isinstance(plan.money, Mapping):
        example = "{'harvest': {'sale': 100.0}}"
        _refuse(
            plan.name, f"money is by scene and phase, such as {example} (got {shown(plan.money)})"
        )
    phases = scenario.calendar.phases
    for scene, cells in plan.money.items():
        _check_name(plan.name, scene, scenario.scenes, "scene")
        if not isinstance(cells, Mapping):
            _refuse(
                plan.name,
                f"money of {scene} is by phase, such as {{'sale': 100.0}} (got {shown(cells)})",
            )
        for phase in cells:
            _check_name(plan.name, phase, phases, "phase")
        if not all(_is_money(x) for x in cells.values()):
            _refuse(
                plan.name,
                f"money of {scene} must be 0 CNY or more in every phase (got {dict(cells)})",
            )


def _is_money(x: object) -> bool:
    return isinstance(x, Real) and not isinstance(x, bool) and 0 <= float(x) < math.inf


def _check_active(scenario: Scenario, plan: "Plan") -> None:
    """Money for a phase in which its scene does not spend is a slip of who wrote it."""
    for scene, cells in plan.money.items():
        own = scenario.scenes[scene].phases or scenario.calendar.phases
        for phase in cells.keys() - set(own):
            where = f"it spends in {', '.join(own)} only"
            _refuse(plan.name, f"gives money to {scene} in {phase}: {where}")


def _check_name(plan: str, name: str, known: Collection[str], what: str) -> None:
    if name not in known:
        near = suggestion(name, list(known)) or f"; known are {', '.join(known)}"
        _refuse(plan, f"names no {what}: {shown(name)}{near}")


def asked_plans(
    scenario: Scenario, plans: "Sequence[Plan | str] | Plan | str | None" = None
) -> list[Plan]:
    """Plans of a run, made or by the names that `adsim run --plan` takes; those of the file for None."""
    scenario = asked_scenario(scenario)
    if plans is None:
        return plans_of(scenario)
    some = listed_plans(plans)
    found = [named_plans(scenario, [p])[0] if isinstance(p, str) else p for p in some]
    for plan in found:
        check_plan(scenario, plan)
    return found


def listed_plans(plans: "Iterable[Plan | str] | Plan | str") -> "list[Plan | str]":
    """Plans as a list; one alone need not stand in one."""
    one = isinstance(plans, str | Plan)
    return asked_list("plans", [plans] if one else plans, "['even', sim.Plan.even(scenario)]")


def asked_plan(scenario: Scenario, plan: "Plan | str | None" = None) -> Plan:
    """The plan that is asked for, by name or as it is; the file's first one for None."""
    return asked_plans(scenario, None if plan is None else [plan])[0]


# --------------------------------------------------------------------------- plans of a file
def plans_of(scenario: Scenario) -> list[Plan]:
    """The plans of the file; when it has none the scenes' own budgets, or else an even split."""
    named = [Plan.from_entry(scenario, name, entry) for name, entry in scenario.plans.items()]
    return named or [Plan.current(scenario) if has_budgets(scenario) else Plan.even(scenario)]


def named_plans(scenario: Scenario, names: Sequence[str]) -> list[Plan]:
    """Plans of these names, all of the file for none; `even` and `none` are always there."""
    written = {plan.name: plan for plan in plans_of(scenario)}
    made: dict[str, Callable[[], Plan]] = {
        "even": lambda: Plan.even(scenario),
        "none": lambda: replace(Plan.none(scenario), name="none"),
    }
    known = list(written | made)
    for name in names:
        if name not in known:
            near = suggestion(name, known) or f"; known are {', '.join(known)}"
            raise UserError(f"no plan is called {name!r}{near}")
    return [written.get(name) or made[name]() for name in names or written]


def has_budgets(scenario: Scenario) -> bool:
    """Whether any scene has money of its own."""
    return any(scene.budget is not None for scene in scenario.scenes.values())


def package_price(scenario: Scenario, name: str) -> float:
    """Price of a whole package [CNY]."""
    return price_of(scenario, _slot_of(scenario, name), find_package(scenario, name))


def package_prices(scenario: Scenario) -> dict[str, float]:
    """Price of every package of the file, booked or not [CNY]."""
    return {name: package_price(scenario, name) for name in all_packages(scenario)}


def price_of(scenario: Scenario, slot: ContractSlot, package: Package) -> float:
    """Price of a package of a slot [CNY]."""
    cpm = package.cpm or slot.cpm * price_factor(scenario, slot, package)
    return float(package.impressions * cpm / 1000)


def price_factor(scenario: Scenario, slot: ContractSlot, package: Package) -> float:
    """Price of a package at its date of booking and in its phases, against the slot's [x]."""
    traffic = {f: w for f, w in phase_traffic(scenario).items() if f in package.phases}
    first = min(scenario.calendar.phases[f].start for f in traffic)
    ahead = first - package.booked_at if package.booked_at else None
    steps = slot.price_steps
    cpm = {f: float(scenario.calendar.phases[f].cpm) for f in traffic}
    crowd = float(scenario.scenes[package.scene].selection.cpm)
    return late_factor(steps, ahead) * phase_factor(steps, traffic, cpm) * crowd


def can_cancel(scenario: Scenario, name: str) -> bool:
    """Whether a plan may leave a signed package out."""
    return _slot_of(scenario, name).cancellation_fee is not None


def cancelling_price(scenario: Scenario, name: str) -> float:
    """What a plan pays that leaves a signed package out: the fee, at least the deposit [CNY]."""
    slot = _slot_of(scenario, name)
    return max(slot.cancellation_fee or 0.0, slot.deposit) * package_price(scenario, name)


def _slot_of(scenario: Scenario, name: str) -> ContractSlot:
    slot = scenario.slots[name.split(".", maxsplit=1)[0]]
    assert isinstance(slot, ContractSlot)
    return slot


def find_package(scenario: Scenario, name: str) -> Package:
    """The package called "slot.package"."""
    slot_name, _, key = str(name).partition(".")
    slot = scenario.slots.get(slot_name)
    if not isinstance(slot, ContractSlot) or key not in slot.packages:
        raise UserError(
            f"no contract package is called {name!r}: known are {all_packages(scenario)}"
        )
    return slot.packages[key]


def all_packages(scenario: Scenario) -> list[str]:
    """Names of all packages, "slot.package"."""
    contract = {k: s for k, s in scenario.slots.items() if isinstance(s, ContractSlot)}
    return [f"{name}.{key}" for name, slot in contract.items() for key in slot.packages]


def price_of_scene(scenario: Scenario, scene: str) -> float:
    """Price of the packages that a scene pays out of its own money [CNY]."""
    unsigned = set(all_packages(scenario)) - _signed(scenario)
    own = [name for name in unsigned if find_package(scenario, name).scene == scene]
    return sum(package_price(scenario, name) for name in own)


def _signed(scenario: Scenario) -> frozenset[str]:
    return frozenset(p for p in all_packages(scenario) if find_package(scenario, p).signed)


def _chosen(scenario: Scenario, packages: Iterable[str] | str) -> frozenset[str]:
    if packages == "none":
        return frozenset()
    example = "['slot.package'], or the word all or none"
    names = (
        all_packages(scenario) if packages == "all" else asked_list("packages", packages, example)
    )
    for name in names:
        find_package(scenario, name)
    return frozenset(names)


def _spends(scenario: Scenario, scene: str) -> bool:
    return any(isinstance(scenario.slots[k], AuctionSlot) for k in scenario.scenes[scene].slots)


def _scene_money(
    scenario: Scenario, scene: str, value: float | Mapping[str, float], unit: float
) -> dict[str, float]:
    if isinstance(value, Mapping):
        return {phase: amount * unit for phase, amount in value.items()}
    weights = phase_weights(scenario, scene)
    return {phase: value * unit * weight for phase, weight in weights.items()}


def phase_weights(scenario: Scenario, scene: str) -> dict[str, float]:
    """How a scene's money spreads over its phases when only the total is given: days x traffic."""
    every = phase_traffic(scenario)
    raw = {f: every[f] for f in scenario.scenes[scene].phases or every}
    return {f: w / sum(raw.values()) for f, w in raw.items()}


def phase_traffic(scenario: Scenario) -> dict[str, float]:
    """Days x traffic of every phase, in order of time."""
    phases = scenario.calendar.phases
    return {
        name: _days(start, end) * float(phases[name].traffic)
        for name, start, end in phase_spans(scenario.calendar)
    }


def _days(start: datetime, end: datetime) -> float:
    return (end - start).total_seconds() / 86400


def _pay_package(
    scenario: Scenario, plan: str, money: dict[str, dict[str, float]], name: str
) -> None:
    """Take the price out of the owning scene's money, in proportion over its phases."""
    scene, price = find_package(scenario, name).scene, package_price(scenario, name)
    cells = money.get(scene, {})
    have = sum(cells.values())
    _check_not_negative(
        have - price + 1e-6 * price, plan,
        f"scene {scene!r} has {have:,.0f} CNY but its package {name!r} costs {price:,.0f} CNY; "
        f"give the scene more or leave the package out",
    )  # fmt: skip
    money[scene] = {f: v * max(0.0, have - price) / have for f, v in cells.items()} if have else {}


def _check_not_negative(value: float, plan: str, message: str) -> None:
    if value < 0:
        raise UserError(f"plan {plan!r}: {message}")


def _over_phases(scenario: Scenario, totals: Mapping[str, float]) -> Money:
    return _freeze(scenario, {s: _scene_money(scenario, s, v, 1.0) for s, v in totals.items()})


def _freeze(scenario: Scenario, money: Mapping[str, Mapping[str, float]]) -> Money:
    return {s: dict(money.get(s, {})) for s in scenario.scenes}
