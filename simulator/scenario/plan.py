"""The decision: money per scene and phase, and whole contract packages."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from simulator.errors import UserError
from simulator.scenario.amounts import suggestion
from simulator.scenario.calendar import phase_spans
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
        packages = _chosen(scenario, packages)
        able = [name for name in scenario.scenes if _spends(scenario, name)]
        rest = scenario.budget - sum(package_price(scenario, p) for p in packages)
        _check_not_negative(rest, name, "the packages cost more than the budget")
        return cls(name, _over_phases(scenario, {s: rest / len(able) for s in able}), packages)

    @classmethod
    def shares(cls, scenario: Scenario, name: str, /, **shares: float) -> "Plan":
        """Scenes' shares of the budget (they must sum to at most 1), packages of the scenes included."""
        return cls.from_entry(scenario, name, PlanEntry.model_validate(dict(shares)))

    @classmethod
    def amounts(cls, scenario: Scenario, name: str, /, **amounts: float) -> "Plan":
        """Scenes' money [CNY], packages of the scenes included."""
        entry = PlanEntry.model_validate(
            {k: max(v, 1.000001) if v else 0.0 for k, v in amounts.items()}
        )
        return cls.from_entry(scenario, name, entry)

    @classmethod
    def current(cls, scenario: Scenario) -> "Plan":
        """The scenes' own budgets, packages of the scenes included."""
        budgets = {name: scene.budget for name, scene in scenario.scenes.items()}
        if None in budgets.values():
            raise UserError("plan 'current': every scene must have a budget; 0 gives it nothing")
        return cls.amounts(scenario, "current", **{s: v or 0.0 for s, v in budgets.items()})

    @classmethod
    def none(cls, scenario: Scenario) -> "Plan":
        """No further ad money: only what is signed already. The counterfactual of every run."""
        return cls("no ads", _over_phases(scenario, {}), _signed(scenario), frozenset())

    @classmethod
    def from_entry(cls, scenario: Scenario, name: str, entry: PlanEntry) -> "Plan":
        """A plan as the scenario file writes it."""
        kept = {p for p in _signed(scenario) if not can_cancel(scenario, p)}
        packages = _chosen(scenario, entry.packages) | kept
        unit = scenario.budget if entry.in_shares else 1.0
        money = {s: _scene_money(scenario, s, v, unit) for s, v in entry.scenes.items()}
        for package in sorted(packages - _signed(scenario)):
            _pay_package(scenario, name, money, package)
        return cls(name, _freeze(scenario, money), packages, _partners(scenario, entry.commissions))

    @property
    def auction_money(self) -> float:
        """Money for auctions [CNY]."""
        return sum(sum(phases.values()) for phases in self.money.values())

    def total(self, scenario: Scenario) -> float:
        """Money of the plan, packages and fees for cancelled ones included [CNY]."""
        fees = sum(cancelling_price(scenario, p) for p in _signed(scenario) - self.packages)
        return self.auction_money + sum(package_price(scenario, p) for p in self.packages) + fees


def _partners(scenario: Scenario, chosen: list[str] | str) -> frozenset[str] | None:
    if isinstance(chosen, str):
        return frozenset() if chosen == "none" else None
    for name in chosen:
        if name not in scenario.commissions:
            known = ", ".join(scenario.commissions) or "none"
            raise UserError(f"no commissioned media is called {name!r}: known are {known}")
    return frozenset(chosen)


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
    slot_name, _, key = name.partition(".")
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
    names = all_packages(scenario) if packages == "all" else list(packages)
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
