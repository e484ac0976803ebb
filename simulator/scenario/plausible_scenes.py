"""Checks of scenes by themselves: can this aim, bid, creative or product test be meant?"""

from collections.abc import Iterator
from datetime import datetime

from simulator.scenario.amounts import moment_text, shown
from simulator.scenario.chain import BANDS, CHAIN_STAGES, Moves
from simulator.scenario.nodes import Parts
from simulator.scenario.plausible_calendar import first_moment, span_text
from simulator.scenario.ranges import FACTOR, in_range
from simulator.scenario.references import Fault
from simulator.scenario.scenes import Scene
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot


def check_scenes(scenario: Scenario) -> Iterator[Fault]:
    """Every scene, and the product tests among them."""
    yield from _check_scenes(scenario)
    yield from _check_tests(scenario)


def _check_scenes(scenario: Scenario) -> Iterator[Fault]:
    if not scenario.scenes:
        yield Fault(("scenes",), "must have at least one scene")
    for name, scene in scenario.scenes.items():
        at = ("scenes", name)
        yield from _check_aim(at, scene)
        yield from _check_creative(at, scene)
        yield from _check_goal(scenario, at, scene)
        if scene.bid.mode != "max_amount" and scene.bid.target is None:
            action = scene.bid.cost_per.replace("_", " ")
            what = "gmv per CNY" if scene.bid.mode == "roi_control" else f"CNY per {action}"
            yield Fault((*at, "bid", "target"), f"is required by {scene.bid.mode} [{what}]")
        if scene.bid.counts_organic and scene.bid.mode != "roi_control":
            rule = f"has no effect with {scene.bid.mode}: only a return target can count free sales"
            yield Fault((*at, "bid", "counts_organic"), f"{rule}; leave it out, or set roi_control")
        if _only_booked(scenario, name, scene):
            rule = "must hold an auction slot, or a contract slot with a package of this scene"
            yield Fault((*at, "slots"), f"{rule}: its money could not be spent")


def _check_aim(at: Parts, scene: Scene) -> Iterator[Fault]:
    if not any(scene.audience.values()):
        rule = "must give a band above 0: the scene selects nobody"
        yield Fault((*at, "audience"), rule)
    if not scene.slots:
        yield Fault((*at, "slots"), "must name at least one slot")
    if scene.product_stages and not any(scene.product_stages.values()):
        rule = "must give a stage a weight above 0, or be left out for any stage"
        yield Fault((*at, "product_stages"), rule)
    if scene.products and not any(scene.products.values()):
        rule = "must give a product a weight above 0, or be left out for all alike"
        yield Fault((*at, "products"), rule)


def _check_creative(at: Parts, scene: Scene) -> Iterator[Fault]:
    for band, factor in scene.creative_by_band.items():
        path = (*at, "creative_by_band", band)
        yield from in_range(path, factor, FACTOR)
        if band in BANDS and not scene.audience.get(band):
            rule = "must be for a band of the scene's audience"
            yield Fault(path, f"{rule}; add {band} there, or leave it out here", at_name=True)


def _check_goal(scenario: Scenario, at: Parts, scene: Scene) -> Iterator[Fault]:
    """A scene that bids for moves which no visit makes would never bid."""
    moves = {"perform": ("favourite", "cart")}.get(scene.bid.cost_per, (scene.bid.cost_per,))
    rows = [scenario.chain.visit_moves.get(stage, Moves()) for stage in CHAIN_STAGES]
    if not {"engage", "enthuse", "cart"} & {*moves}:
        return
    if not any(getattr(row, move) for row in rows for move in moves):
        rule = f"names a move that no visit makes: chain.visit_moves has no {' or '.join(moves)}"
        yield Fault((*at, "bid", "cost_per"), f"{rule}; add it there, or bid for something else")


def _only_booked(scenario: Scenario, name: str, scene: Scene) -> bool:
    """Whether the scene has known slots, but none of them can take its money."""
    slots = [scenario.slots[slot] for slot in scene.slots if slot in scenario.slots]
    able = [
        isinstance(slot, AuctionSlot) or any(p.scene == name for p in slot.packages.values())
        for slot in slots
    ]
    return bool(slots) and not any(able)


def _check_tests(scenario: Scenario) -> Iterator[Fault]:
    """A product test ends within the run, and a product has one."""
    calendar, tested = scenario.calendar, dict[str, str]()
    for name, scene in scenario.scenes.items():
        test, path = scene.explore, ("scenes", name, "explore")
        if test is None:
            continue
        known = isinstance(test.decide_at, datetime) or test.decide_at in calendar.phases
        if known and not first_moment(calendar) < test.moment(calendar) < calendar.end:
            got = f"(got {moment_text(test.moment(calendar))})"
            yield Fault(
                (*path, "decide_at"), f"must lie inside the run, {span_text(calendar)} {got}"
            )
        if test.product in tested:
            other = f"scene {shown(tested[test.product])}"
            yield Fault((*path, "product"), f"is tested by {other} already: leave one out")
        tested.setdefault(test.product, name)
