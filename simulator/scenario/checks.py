"""Cross-checks of a scenario that fits the model: do its parts fit each other?

Checks yield faults; `check_scenario` puts them at their place in the file. Plans and size are
looked at only when every name finds its thing and every part makes sense by itself.
"""

import math
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from simulator.errors import Problem, UserError
from simulator.scenario.amounts import percent, spread_of
from simulator.scenario.calendar import phase_spans
from simulator.scenario.crowds import with_crowds
from simulator.scenario.doubts import doubt_parts
from simulator.scenario.faults import as_written
from simulator.scenario.nodes import NOWHERE, Parts, Tree
from simulator.scenario.offers import check_offers, doubt_offers
from simulator.scenario.plan import Plan, has_budgets, price_of_scene
from simulator.scenario.plausible import check_parts, packages_of
from simulator.scenario.references import Fault, check_references
from simulator.scenario.runoff import runoff_days
from simulator.scenario.scenes import PlanEntry
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, ContractSlot

MOST_STEPS = 20_000
MOST_PLACEMENTS = 5_000
MOST_ENTRIES = 1_000
MOST_WORK = 10_000_000
"""Steps x (placements + segments + products) of one lane; more would take hours."""


def check_scenario(scenario: Scenario, tree: Tree | None = None) -> list[Problem]:
    """Everything in the scenario that contradicts itself or cannot be run, at its place.

    Without the tree of a file places are unknown, and the order of the phases is not asked for.
    """
    faults = [
        *check_references(scenario),
        *check_parts(scenario, tree),
        *check_offers(scenario),
    ]
    if not faults:
        faults = [*_check_plans(scenario), *_check_size(scenario)]
    return [_placed(fault, tree or NOWHERE) for fault in faults]


def doubts_of(scenario: Scenario, tree: Tree | None = None) -> list[Problem]:
    """What a scenario that can be run is warned of, at its place."""
    faults = [*doubt_offers(scenario), *doubt_parts(scenario)]
    return [_placed(fault, tree or NOWHERE) for fault in faults]


def _placed(fault: Fault, tree: Tree) -> Problem:
    place = tree.key_problem if fault.at_name else tree.problem
    return place(as_written(fault.path, tree), fault.message)


def counts(scenario: Scenario) -> dict[str, int]:
    """How large a scenario is, by what is counted."""
    return {
        "segments": len(scenario.segments),
        "scenes": len(scenario.scenes),
        "slots": len(scenario.slots),
        "placements": _placements(scenario),
        "plans": len(scenario.plans),
        "uncertain numbers": _uncertain(scenario),
    }


def _uncertain(value: Any) -> int:
    match value:
        case BaseModel():
            return sum(_uncertain(item) for _, item in value)
        case dict():
            return sum(map(_uncertain, value.values()))
        case list():
            return sum(map(_uncertain, value))
        case float():
            return int(spread_of(value) > 0)
    return 0


# --------------------------------------------------------------------------- money
def _check_plans(scenario: Scenario) -> Iterator[Fault]:
    for name, entry in scenario.plans.items():
        faults = list(_check_units(("plans", name), entry))
        yield from faults or _check_money(scenario, name, entry)
    if not scenario.plans:
        faults = list(_check_budgets(scenario))
        yield from faults or _check_unnamed(scenario)


def _check_budgets(scenario: Scenario) -> Iterator[Fault]:
    """Without plans the scenes' budgets are the plan: none has one, or each has all that it pays."""
    if not has_budgets(scenario):
        return
    for name, scene in scenario.scenes.items():
        at, price = ("scenes", name, "budget"), price_of_scene(scenario, name)
        if scene.budget is None:
            rule = "is required, for other scenes have one and no plan is named"
            yield Fault(at, f"{rule}; 0 gives the scene nothing")
        elif scene.budget < price * (1 - 1e-6):
            rule = f"must pay the packages of the scene, {price:,.0f} CNY"
            yield Fault(at, f"{rule} (got {scene.budget:,.0f})")


def _check_unnamed(scenario: Scenario) -> Iterator[Fault]:
    """The plan of a file that names none fits the budget."""
    if has_budgets(scenario):
        if over := _over(scenario, Plan.current(scenario)):
            yield Fault(("scenes",), f"have budgets that spend {over}: lower some, or raise it")
        return
    try:
        Plan.even(scenario)
    except UserError as error:
        yield Fault(("budget",), f"is too small for the even split: {_without_plan(error)}")


def _check_units(at: Parts, entry: PlanEntry) -> Iterator[Fault]:
    """All numbers are shares of the budget, or all are money: a share among money is 0.2 CNY."""
    if entry.in_shares:
        return
    cells = entry.cells
    total = sum(money for _, money in cells)
    if all(money <= 1 for _, money in cells):
        rule = f"must share out at most 100% of the budget (shares {percent(total)})"
        yield Fault(at, f"{rule}; divide each by {total:.4g}")
        return
    for path, money in cells:
        if 0 < money <= 1:
            rule = f"is a share ({percent(money)}) among amounts of money"
            yield Fault((*at, "scenes", *path), f"{rule}: write all as one or the other")


def _check_money(scenario: Scenario, name: str, entry: PlanEntry) -> Iterator[Fault]:
    try:
        plan = Plan.from_entry(scenario, name, entry)
    except UserError as error:
        yield Fault(("plans", name), f"does not fit: {_without_plan(error)}")
        return
    if over := _over(scenario, plan):
        yield Fault(("plans", name), f"spends {over}: lower it, or raise the budget")


def _over(scenario: Scenario, plan: Plan) -> str:
    """How much more than the budget a plan spends, in words; nothing if it fits."""
    over = plan.total(scenario) - scenario.budget
    if over <= 1e-9 * scenario.budget:
        return ""
    what = f"{over:,.0f} CNY more than the budget of {scenario.budget:,.0f} CNY"
    signed = any(package.signed for package in packages_of(scenario))
    return f"{what}, signed packages included" if signed else what


def _without_plan(error: UserError) -> str:
    return str(error).partition("': ")[2] or str(error)


# --------------------------------------------------------------------------- size
def _check_size(scenario: Scenario) -> Iterator[Fault]:
    steps, placements = _steps(scenario), _placements(scenario)
    entries = len(with_crowds(scenario).segments) + len(scenario.products)
    if steps > MOST_STEPS:
        yield _too_many(("calendar", "phases"), steps, "steps", MOST_STEPS)
    if placements > MOST_PLACEMENTS:
        what = "placements (scene x slot x segment)"
        yield _too_many(("scenes",), placements, what, MOST_PLACEMENTS)
    for section in ("segments", "products", "sources", "plans"):
        number = len(getattr(scenario, section))
        if number > MOST_ENTRIES:
            yield _too_many((section,), number, "entries", MOST_ENTRIES)
    if steps * (placements + entries) > MOST_WORK:
        what = f"{steps:,} steps x {placements + entries:,} placements, segments and products"
        rule = f"make a run too large: {what} is above {MOST_WORK:,}"
        yield Fault(("calendar", "phases"), f"{rule}; give phases a longer clock")


def _too_many(path: Parts, number: int, what: str, most: int) -> Fault:
    mend = "give phases a longer clock" if what == "steps" else "merge some of them"
    return Fault(path, f"make {number:,} {what}, above {most:,}: {mend}")


def _steps(scenario: Scenario) -> int:
    """Steps of the clock, run-off included; cuts inside a phase are left out."""
    calendar = scenario.calendar
    during = sum(
        math.ceil((end - start).total_seconds() / calendar.phases[name].clock)
        for name, start, end in phase_spans(calendar)
    )
    return during + runoff_days(scenario)


def _placements(scenario: Scenario) -> int:
    """Combinations of scene, slot and segment to which money can go."""
    slots, layers = scenario.slots, with_crowds(scenario)
    pairs = {
        (name, key)
        for name, scene in scenario.scenes.items()
        for key in scene.slots
        if isinstance(slots[key], AuctionSlot)
    }
    pairs |= {
        (package.scene, key)
        for key, slot in slots.items()
        if isinstance(slot, ContractSlot)
        for package in slot.packages.values()
    }
    return sum(len(layers.scenes[i].segments or layers.segments) for i, _ in pairs)
