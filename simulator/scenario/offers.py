"""Checks of prices and incentives: can this coupon, subsidy, guarantee or salvage value be meant?"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product as pairs_of
from typing import Any

from simulator.scenario.amounts import shown
from simulator.scenario.goods import Product
from simulator.scenario.incentives import Coupon
from simulator.scenario.nodes import Parts
from simulator.scenario.references import Fault
from simulator.scenario.schema import Scenario

_AT: Parts = ("incentives",)
_UNLIMITED = Product.model_fields["stock"].default


def check_offers(scenario: Scenario) -> Iterator[Fault]:
    """Everything about prices and incentives that contradicts itself or would have no effect."""
    yield from _check_coupons(scenario.incentives.coupons)
    yield from _check_subsidies(scenario)
    yield from _check_contracts(scenario)
    yield from _check_rebates(scenario)
    for name, product in scenario.products.items():
        yield from _check_salvage(("products", name, "salvage"), product)


def _check_coupons(coupons: Mapping[str, Coupon]) -> Iterator[Fault]:
    for name, c in coupons.items():
        if not (c.merchant or c.platform) and c.order_value == c.refund == 1:
            rule = "has no effect: give merchant or platform a part of the price"
            yield Fault((*_AT, "coupons", name), f"{rule}, or leave it out")
        if not (c.merchant or c.platform) and c.order_value > 1:
            rule = (
                "must be 1 where nobody pays for larger baskets: give merchant or platform a part"
            )
            yield Fault((*_AT, "coupons", name, "order_value"), f"{rule} of the price")


def _check_subsidies(scenario: Scenario) -> Iterator[Fault]:
    subsidies, end = scenario.incentives.subsidies, scenario.calendar.end
    for name, subsidy in subsidies.items():
        at = (*_AT, "subsidies", name)
        if subsidy.start and subsidy.start >= end:
            yield Fault((*at, "start"), f"must be before calendar.end, {end} (got {subsidy.start})")
        if subsidy.start and subsidy.end and subsidy.end <= subsidy.start:
            yield Fault((*at, "end"), f"must be after its start {subsidy.start}")
    yield from _once("subsidies", subsidies, scenario.products, "products")


def _check_contracts(scenario: Scenario) -> Iterator[Fault]:
    incentives = scenario.incentives
    for name, guarantee in incentives.roi_guarantees.items():
        if not guarantee.scenes:
            at = (*_AT, "roi_guarantees", name, "scenes")
            yield Fault(at, "must name a scene: whose return is guaranteed?")
    yield from _once("roi_guarantees", incentives.roi_guarantees, scenario.scenes, "scenes")
    yield from _once("hosted", incentives.hosted, scenario.products, "products")


def _check_rebates(scenario: Scenario) -> Iterator[Fault]:
    """Of no yuan spent may more than one come back."""
    back: dict[tuple[str, str], float] = {}
    for name, rebate in scenario.incentives.rebates.items():
        pairs = pairs_of(rebate.scenes or scenario.scenes, rebate.products or scenario.products)
        back |= {pair: back.get(pair, 0.0) + float(rebate.rate) for pair in pairs}
        above = [scene for (scene, _), share in back.items() if share > 1 + 1e-9]
        if above:
            rule = "must leave rates of at most 100% together with the rebates above it on"
            yield Fault((*_AT, "rebates", name, "rate"), f"{rule} scene {shown(above[0])}")
            break


def _once(
    section: str, entries: Mapping[str, Any], every: Iterable[str], field: str
) -> Iterator[Fault]:
    """A product or scene stands in one entry of a section; an empty list names all."""
    seen: dict[str, str] = {}
    for name, entry in entries.items():
        for one in getattr(entry, field) or every:
            if one in seen and seen[one] != name:
                rule = f"must not hold {shown(one)}, which is in {shown(seen[one])} already"
                yield Fault((*_AT, section, name, field), rule)
                break
            seen[one] = name


def _check_salvage(at: Parts, product: Product) -> Iterator[Fault]:
    if product.salvage is None:
        return
    if product.salvage > product.price:
        rule = f"must be at most the price, {product.price:g} CNY"
        yield Fault(at, f"{rule} (got {product.salvage:g}): nobody clears stock dearer")
    if product.stock == _UNLIMITED:
        yield Fault(at, "needs the product's stock: how many units can be left?")
