"""Names in a scenario: all well formed, and whatever points at something finds it."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from simulator.scenario.amounts import shown, suggestion
from simulator.scenario.anchors import Anchors
from simulator.scenario.chain import BANDS, CHAIN_STAGES, Chain, Moves
from simulator.scenario.goods import PRODUCT_STAGES
from simulator.scenario.nodes import Parts
from simulator.scenario.plan import all_packages
from simulator.scenario.scenes import PlanEntry, Scene
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, ContractSlot, Package

LONGEST_NAME = 60
_NAME = re.compile(rf"\w[\w-]{{0,{LONGEST_NAME - 1}}}")
_KEPT = {
    "phases": {"runoff": "for the days after the end of advertising"},
    "scenes": {word: "by plans" for word in ("scenes", "packages", "commissions", "preset")},
    "plans": {"none": "for the plan without further ad money"},
}
"""Names that mean something else already, by what they would name."""

_NAMED = (
    "segments", "products", "sources", "pushes", "slots", "scenes", "commissions", "plans", "shocks",
)  # fmt: skip
"""Sections whose entries have names of the user's."""

_LAST_STAGE = {
    "engage": "discover",
    "enthuse": "engage",
    "favourite": "enthuse",
    "cart": "favourite",
}
"""The last stage from which a person can still make each move."""


class Fault(NamedTuple):
    """What is wrong with the value at a path, or with the name at its end."""

    path: Parts
    message: str
    at_name: bool = False


def check_references(scenario: Scenario) -> Iterator[Fault]:
    """Every name of the file that is malformed or finds nothing."""
    yield from _check_names(scenario)
    yield from _check_chain(scenario.chain)
    for name, segment in scenario.segments.items():
        stages = (*CHAIN_STAGES, "perform")
        yield from _keys(("segments", name, "start"), segment.start, stages, "chain stage")
    for name, source in scenario.sources.items():
        yield from _keys(("sources", name, "organic_bands"), source.organic_bands, BANDS, "band")
    yield from _check_pushes(scenario)
    for name, product in scenario.products.items():
        phases = scenario.calendar.phases
        yield from _keys(("products", name, "discount"), product.discount, phases, "phase")
    yield from _check_incentives(scenario)
    for name, scene in scenario.scenes.items():
        yield from _check_scene(scenario, ("scenes", name), scene)
        yield from _check_explore(scenario, ("scenes", name), scene)
    yield from _check_partners(scenario)
    yield from _check_shocks(scenario)
    for name, slot in scenario.slots.items():
        yield from _one(("slots", name, "source"), slot.source, scenario.sources, "source")
        if isinstance(slot, ContractSlot):
            yield from _check_contract(scenario, name, slot)
        else:
            levels = ("slots", name, "rival_level")
            yield from _keys(levels, slot.rival_level, scenario.calendar.phases, "phase")
    for name, plan in scenario.plans.items():
        yield from _check_plan(scenario, ("plans", name), plan)
    yield from _check_anchors(scenario, scenario.anchors or Anchors())


def _check_anchors(scenario: Scenario, anchors: Anchors) -> Iterator[Fault]:
    if anchors.plan and scenario.plans:
        yield from _one(("anchors", "plan"), anchors.plan, scenario.plans, "plan")
    yield from _keys(("anchors", "roas"), anchors.roas, scenario.scenes, "scene")


# --------------------------------------------------------------------------- well formed
def _check_names(scenario: Scenario) -> Iterator[Fault]:
    yield from _well_formed(("calendar", "phases"), scenario.calendar.phases)
    for section in _NAMED:
        yield from _well_formed((section,), getattr(scenario, section))
    for name, phase in scenario.calendar.phases.items():
        if phase.continues:
            known = scenario.calendar.phases.keys() - {name}
            yield from _one(
                ("calendar", "phases", name, "continues"), phase.continues, known, "phase"
            )
    for name, slot in scenario.slots.items():
        if isinstance(slot, ContractSlot):
            yield from _well_formed(("slots", name, "packages"), slot.packages)
    for section, entries in scenario.incentives:
        if isinstance(entries, Mapping):
            yield from _well_formed(("incentives", section), entries)


def _well_formed(path: Parts, names: Iterable[str]) -> Iterator[Fault]:
    kept = _KEPT.get(str(path[-1]), {})
    for name in names:
        if not _NAME.fullmatch(name):
            plain = re.sub(r"[^\w-]+", "_", name).strip("_-")[:LONGEST_NAME] or "a_name"
            rule = f"is no name: letters, digits, _ and -, at most {LONGEST_NAME}"
            yield Fault((*path, name), f"{rule}; write {shown(plain)}", at_name=True)
        elif name in kept:
            yield Fault((*path, name), f"is a name kept {kept[name]}: choose another", at_name=True)


# --------------------------------------------------------------------------- pointing
def _check_chain(chain: Chain) -> Iterator[Fault]:
    visitors = (*CHAIN_STAGES, "customers")
    yield from _keys(("chain", "visit_moves"), chain.visit_moves, visitors, "chain stage")
    yield from _keys(("chain", "base_moves"), chain.base_moves, CHAIN_STAGES, "chain stage")
    yield from _keys(("chain", "buy_propensity"), chain.buy_propensity, CHAIN_STAGES, "chain stage")
    yield from _keys(("chain", "reference_mix"), chain.reference_mix, CHAIN_STAGES, "chain stage")
    yield from _possible(("chain", "visit_moves"), chain.visit_moves)
    yield from _possible(("chain", "base_moves"), chain.base_moves)
    for stage, moves in chain.base_moves.items():
        for move, share in moves:
            if share == 1:
                rule = "must be < 1: in 30 days nobody would be left, at any moment of them"
                yield Fault(("chain", "base_moves", stage, move), rule)


def _possible(path: Parts, table: Mapping[str, Moves]) -> Iterator[Fault]:
    """Moves that nobody of the stage can make would be dropped in silence."""
    for stage in table.keys() & {*CHAIN_STAGES, "customers"}:
        for move, last in _LAST_STAGE.items():
            possible = CHAIN_STAGES[: CHAIN_STAGES.index(last) + 1]
            again = stage == "customers" and move == "cart"
            if getattr(table[stage], move) > 0 and stage not in possible and not again:
                way = f"people {move} from {', '.join(possible)} only"
                yield Fault((*path, stage, move), f"has no effect: {way}; leave it out")


def _check_scene(scenario: Scenario, at: Parts, scene: Scene) -> Iterator[Fault]:
    yield from _keys((*at, "audience"), scene.audience, BANDS, "band")
    yield from _keys((*at, "product_stages"), scene.product_stages, PRODUCT_STAGES, "product stage")
    yield from _keys((*at, "creative_by_band"), scene.creative_by_band, BANDS, "band")
    yield from _keys((*at, "products"), scene.products, scenario.products, "product")
    yield from _list((*at, "slots"), scene.slots, scenario.slots, "slot")
    yield from _list((*at, "segments"), scene.segments, scenario.segments, "segment")
    yield from _list((*at, "phases"), scene.phases, scenario.calendar.phases, "phase")


def _check_pushes(scenario: Scenario) -> Iterator[Fault]:
    for name, push in scenario.pushes.items():
        at = ("pushes", name)
        yield from _one((*at, "source"), push.source, scenario.sources, "source")
        yield from _keys((*at, "audience"), push.audience, BANDS, "band")
        yield from _list((*at, "segments"), push.segments, scenario.segments, "segment")


def _check_explore(scenario: Scenario, at: Parts, scene: Scene) -> Iterator[Fault]:
    """A test is of a product that the scene shows."""
    if scene.explore is None:
        return
    name, path = scene.explore.product, (*at, "explore", "product")
    yield from _one(path, name, scenario.products, "product")
    if name in scenario.products and scene.products and not scene.products.get(name):
        rule = f"names a product that the scene does not show, {shown(name)}"
        yield Fault(path, f"{rule}: give it a weight in products")
    if isinstance(scene.explore.decide_at, str):
        known = scenario.calendar.phases
        yield from _one((*at, "explore", "decide_at"), scene.explore.decide_at, known, "phase")


def _check_shocks(scenario: Scenario) -> Iterator[Fault]:
    for name, shock in scenario.shocks.items():
        at = ("shocks", name)
        yield from _list((*at, "products"), shock.products, scenario.products, "product")
        yield from _list((*at, "segments"), shock.segments, scenario.segments, "segment")


def _check_incentives(scenario: Scenario) -> Iterator[Fault]:
    """Phases, products and scenes that coupons, subsidies, rebates and guarantees name."""
    known: dict[str, tuple[Collection[str], str]] = {
        "phases": (scenario.calendar.phases, "phase"),
        "products": (scenario.products, "product"),
        "scenes": (scenario.scenes, "scene"),
    }
    for section, entries in scenario.incentives:
        for name, entry in entries.items() if isinstance(entries, Mapping) else ():
            for field, (names, what) in known.items():
                at = ("incentives", section, name, field)
                yield from _list(at, getattr(entry, field, []), names, what)


def _check_partners(scenario: Scenario) -> Iterator[Fault]:
    for name, partner in scenario.commissions.items():
        at = ("commissions", name)
        yield from _one((*at, "source"), partner.source, scenario.sources, "source")
        yield from _keys((*at, "bands"), partner.bands, BANDS, "band")
        yield from _keys((*at, "products"), partner.products, scenario.products, "product")
        yield from _list((*at, "phases"), partner.phases, scenario.calendar.phases, "phase")


def _check_contract(scenario: Scenario, name: str, slot: ContractSlot) -> Iterator[Fault]:
    auctions = [key for key, other in scenario.slots.items() if isinstance(other, AuctionSlot)]
    if slot.shares is not None:
        yield from _one(("slots", name, "shares"), slot.shares, auctions, "auction slot")
    for key, package in slot.packages.items():
        at = ("slots", name, "packages", key)
        yield from _list((*at, "phases"), package.phases, scenario.calendar.phases, "phase")
        yield from _one((*at, "scene"), package.scene, scenario.scenes, "scene")
        yield from _owned(scenario, (*at, "scene"), name, package)
        yield from _check_over(scenario, (*at, "over"), name, package)
    rises = slot.price_steps.phases
    at_rises = ("slots", name, "price_steps", "phases")
    yield from _keys(at_rises, rises, scenario.calendar.phases, "phase")


def _owned(scenario: Scenario, path: Parts, slot: str, package: Package) -> Iterator[Fault]:
    scene = scenario.scenes.get(package.scene)
    if scene and slot not in scene.slots:
        what = f"scene {shown(package.scene)} does not use slot {shown(slot)}"
        yield Fault(path, f"must use the slot: {what}; add it to scenes.{package.scene}.slots")


def _check_over(scenario: Scenario, at: Parts, slot: str, package: Package) -> Iterator[Fault]:
    """Further slots of a package: other contract slots, used by its scene as well."""
    contracts = [key for key, other in scenario.slots.items() if isinstance(other, ContractSlot)]
    yield from _list(at, package.over, contracts, "contract slot")
    for number, other in enumerate(package.over):
        if other == slot:
            rule = "names the package's own slot: it is delivered there anyway"
            yield Fault((*at, number), f"{rule}; leave it out")
        elif other in contracts:
            yield from _owned(scenario, (*at, number), other, package)


def _check_plan(scenario: Scenario, at: Parts, plan: PlanEntry) -> Iterator[Fault]:
    yield from _keys((*at, "scenes"), plan.scenes, scenario.scenes, "scene")
    for name, money in plan.scenes.items():
        if isinstance(money, Mapping):
            known = scenario.calendar.phases
            yield from _keys((*at, "scenes", name), money, known, "phase")
            yield from _active(scenario, (*at, "scenes", name), money)
    if not isinstance(plan.commissions, str):
        partners, what = scenario.commissions, "commissioned media"
        yield from _list((*at, "commissions"), plan.commissions, partners, what)
    if not isinstance(plan.packages, str):
        packages = all_packages(scenario)
        yield from _list((*at, "packages"), plan.packages, packages, "contract package")


def _active(scenario: Scenario, path: Parts, money: Mapping[str, float]) -> Iterator[Fault]:
    scene = scenario.scenes.get(str(path[-1]))
    for phase in money.keys() & scenario.calendar.phases.keys():
        if scene and scene.phases and phase not in scene.phases:
            where = f"scene {shown(path[-1])} spends in {', '.join(scene.phases)} only"
            yield Fault((*path, phase), f"gives money to a phase without the scene: {where}", True)


# --------------------------------------------------------------------------- one name or many
def _one(path: Parts, name: str, known: Collection[str], what: str) -> Iterator[Fault]:
    if name not in known:
        yield Fault(path, _unknown(name, known, what))


def _list(path: Parts, names: list[str], known: Collection[str], what: str) -> Iterator[Fault]:
    for number, name in enumerate(names):
        yield from _one((*path, number), name, known, what)
        if name in names[:number]:
            yield Fault((*path, number), f"names {what} {shown(name)} twice: leave one out")


def _keys(path: Parts, names: Iterable[str], known: Collection[str], what: str) -> Iterator[Fault]:
    for name in names:
        if name not in known:
            yield Fault((*path, name), _unknown(name, known, what), at_name=True)


def _unknown(name: str, known: Collection[str], what: str) -> str:
    words = list(known)
    listed = f"; known are {', '.join(words)}" if words else "; there is none"
    near = suggestion(name, words) or (listed if len(listed) < 300 else "")
    return f"names no {what}: {shown(name)}{near}"
