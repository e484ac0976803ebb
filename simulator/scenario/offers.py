"""Checks of prices and incentives: can this coupon, subsidy, guarantee or salvage value be meant, or paid?"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product as pairs_of
from math import prod
from typing import Any

from simulator.scenario.amounts import shown
from simulator.scenario.goods import Commerce, Product
from simulator.scenario.incentives import Coupon
from simulator.scenario.nodes import Parts
from simulator.scenario.people import order_value_of
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


def doubt_offers(scenario: Scenario) -> Iterator[Fault]:
    """What can be meant and still pays more, or more often, than a platform would promise."""
    for name, guarantee in scenario.incentives.roi_guarantees.items():
        at = (*_AT, "roi_guarantees", name)
        bids = {scene: scenario.scenes[scene].bid for scene in guarantee.scenes}
        free = [scene for scene, bid in bids.items() if bid.counts_organic]
        if free and not guarantee.organic:
            rule = f"leaves out free sales, which scene {shown(free[0])} counts as reached for its target"
            yield Fault(
                (*at, "organic"), f"{rule}: it pays although the bid is met; set organic: true"
            )
        counts_more = guarantee.organic and not free
        wanted = [bid.target for bid in bids.values() if bid.mode == "roi_control" and bid.target]
        if not counts_more and len(wanted) == len(bids) and guarantee.target > max(wanted):
            rule = (
                f"is above the return that is bid for, {max(wanted):g} (got {guarantee.target:g})"
            )
            mend = "it pays although the bid is met; lower it, or raise the bid's target"
            yield Fault((*at, "target"), f"{rule}: {mend}")
    yield from _doubt_hosts(scenario)
    offered = [kind for kind in ("coupons", "subsidies") if getattr(scenario.incentives, kind)]
    if offered and not any(group.price_elasticity for group in scenario.segments.values()):
        rule = "cost money and move nobody: price_elasticity is 0 in every segment"
        yield Fault((*_AT, offered[0]), f"{rule}; set it where prices matter (1.5 to 4 is common)")


def _doubt_hosts(scenario: Scenario) -> Iterator[Fault]:
    """Goods that were never there cannot be sold, and would be paid for."""
    largest = max((float(order_value_of(g)) for g in scenario.segments.values()), default=1.0)
    largest *= prod(float(coupon.order_value) for coupon in scenario.incentives.coupons.values())
    for name, hosted in scenario.incentives.hosted.items():
        goods = [scenario.products[p] for p in hosted.products or scenario.products]
        most = sum(ever_sold(product, scenario.commerce) * product.price for product in goods)
        most *= largest
        if most < hosted.guaranteed_gmv:
            rule = f"is more than all hosted goods in stock bring, CNY {most:,.0f} at list prices"
            mend = "the host would pay for what was never there; lower it, or raise the stock"
            yield Fault((*_AT, "hosted", name, "guaranteed_gmv"), f"{rule}: {mend}")


def units_of(product: Product) -> float:
    """All units that an order can find in the run."""
    pool = product.pooled
    shops = 0.0 if pool is None else pool.units * pool.share
    return float(product.stock) + shops + sum(float(r.units) for r in product.restocks)


def ever_sold(product: Product, commerce: Commerce) -> float:
    """Orders that these units can serve, those that are refunded and on sale again more than once."""
    early, resale = commerce.refund_fast_share, commerce.resale
    parcels = 1 - commerce.depreciation if resale is None else resale
    return units_of(product) / (1 - float(product.refund * (early + (1 - early) * parcels)))


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
