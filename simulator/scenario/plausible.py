"""Checks of the parts of a scenario by themselves: can this number, date or list be meant?"""

from collections.abc import Iterator

from simulator.scenario.amounts import moment_text, percent
from simulator.scenario.calendar import Calendar
from simulator.scenario.goods import Product
from simulator.scenario.nodes import Parts, Tree
from simulator.scenario.plausible_calendar import check_calendar, check_shocks, inside_run
from simulator.scenario.plausible_media import check_media
from simulator.scenario.plausible_scenes import check_scenes
from simulator.scenario.ranges import check_ranges, in_range
from simulator.scenario.references import Fault
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, ContractSlot, Package


def check_parts(scenario: Scenario, tree: Tree | None) -> Iterator[Fault]:
    """Everything that cannot be meant, whatever the rest of the file says."""
    yield from check_ranges(scenario)
    yield from check_calendar(scenario, tree)
    yield from _check_people(scenario)
    yield from _check_returns(scenario)
    yield from _check_mix(scenario)
    yield from _check_goods(scenario)
    yield from check_media(scenario)
    yield from check_scenes(scenario)
    yield from _check_any_media(scenario)
    yield from check_shocks(scenario)


# --------------------------------------------------------------------------- people
def _check_people(scenario: Scenario) -> Iterator[Fault]:
    if not scenario.segments:
        yield Fault(("segments",), "must have at least one segment")
    for name, segment in scenario.segments.items():
        path = ("segments", name, "start")
        total = sum(map(float, segment.start.values()))
        if total > 1 + 1e-9:
            rule = f"must sum to at most 100% (sums to {percent(total)})"
            yield Fault(path, f"{rule}: the rest is outside")
        elif "outside" in segment.start and total < 1 - 1e-9:
            rest = 1 - total + segment.start["outside"]
            rule = "must be the rest of the people"
            yield Fault((*path, "outside"), f"{rule}, {percent(rest)}, or be left out")


def _check_returns(scenario: Scenario) -> Iterator[Fault]:
    for name, segment in scenario.segments.items():
        if segment.returns_borne_by == "platform" and segment.return_freight is not None:
            rule = "has no effect: returns_borne_by says that the platform pays; leave one out"
            yield Fault(("segments", name, "return_freight"), rule)


def _check_mix(scenario: Scenario) -> Iterator[Fault]:
    mix, ready = scenario.chain.reference_mix, scenario.chain.buy_propensity
    total = sum(map(float, mix.values()))
    if abs(total - 1) > 1e-6:
        yield Fault(("chain", "reference_mix"), f"must sum to 100% (sums to {percent(total)})")
    elif not any(share * ready.get(stage, 0) for stage, share in mix.items()):
        rule = "must be above 0 for a stage of reference_mix"
        yield Fault(("chain", "buy_propensity"), f"{rule}: nobody would ever buy")


# --------------------------------------------------------------------------- goods
def _check_goods(scenario: Scenario) -> Iterator[Fault]:
    products = scenario.products
    if not products:
        yield Fault(("products",), "must have at least one product")
    elif not any(product.organic for product in products.values()):
        path = ("products", next(iter(products)), "organic")
        yield Fault(path, "must be above 0 for one product: free visits look at something")
    cycle = scenario.life_cycle
    if cycle.organic_conversion > cycle.organic_base:
        rule = f"must be at most organic_base, {cycle.organic_base:g}"
        yield Fault(("life_cycle", "organic_conversion"), f"{rule}: weights stay above 0")
    for name, product in products.items():
        units = product.pooled.units if product.pooled else None
        yield from in_range(("products", name, "pooled", "units"), units, (0, 1e12))
        yield from _check_product(scenario.calendar, ("products", name), product)


def _check_product(calendar: Calendar, at: Parts, product: Product) -> Iterator[Fault]:
    if product.launch and product.product_stage != "sampling":
        rule = f"is for products in stage sampling only (this one is {product.product_stage})"
        yield Fault((*at, "launch"), f"{rule}: leave it out, or set product_stage: sampling")
    if product.launch and product.launch >= calendar.end:
        yield Fault((*at, "launch"), f"must be before calendar.end, {moment_text(calendar.end)}")
    if product.pooled and product.pooled.units * product.pooled.share < 1:
        pool = product.pooled
        rule = f"lets online orders take no unit ({percent(pool.share)} of {pool.units} units)"
        yield Fault((*at, "pooled"), f"{rule}: raise units or share, or leave it out")
    for number, restock in enumerate(product.restocks):
        path = (*at, "restocks", number)
        yield from in_range((*path, "units"), restock.units, (1, 1e12))
        yield from inside_run(calendar, (*path, "at"), restock.at)


# --------------------------------------------------------------------------- media
def _check_any_media(scenario: Scenario) -> Iterator[Fault]:
    auctions = any(isinstance(slot, AuctionSlot) for slot in scenario.slots.values())
    if not auctions and not any(packages_of(scenario)):
        yield Fault(("slots",), "must have at least one auction slot or package")


def packages_of(scenario: Scenario) -> Iterator[Package]:
    """All contract packages."""
    for slot in scenario.slots.values():
        if isinstance(slot, ContractSlot):
            yield from slot.packages.values()
