"""How large a number can be meant to be: beyond it, somebody slipped by many zeros."""

from collections.abc import Iterator

from simulator.scenario.nodes import Parts
from simulator.scenario.references import Fault
from simulator.scenario.schema import Scenario

_Ranges = dict[str, dict[str, tuple[float, float]]]
FACTOR, _DAYS = (0.001, 1000.0), (0.01, 3650.0)
_RANGES: _Ranges = {
    "segments": {
        "people": (1.0, 1e10), "activity": FACTOR, "ctr": FACTOR, "cvr": FACTOR,
        "order_value": FACTOR, "cpm": FACTOR, "breadth": FACTOR, "spend": FACTOR,
        "new_product_affinity": FACTOR, "refund": FACTOR, "return_freight": (0, 1e6),
    },
    "products": {"price": (0.01, 1e9), "product_power": FACTOR, "stock": (0, 1e12)},
    "sources": {"organic_visits": (0, 1e11)},
    "slots": {"opportunities": (1.0, 1e12), "median_cpm": (0.01, 1e6), "cpm": (0.01, 1e6)},
    "scenes": {"creative": FACTOR, "personalisation": FACTOR},
}  # fmt: skip
"""What the entries of a section can be meant to hold; beyond it, somebody slipped by many zeros."""
_RANGES_OF_PARTS: _Ranges = {
    "chain": {
        "discover_days": _DAYS, "enthuse_days": _DAYS, "basket_days": _DAYS, "lapse_days": _DAYS,
        "new_customer_window_days": _DAYS, "reach_window_days": _DAYS,
        "fatigue_half_life_days": _DAYS,
    },
    "payment": {"capacity": (0.001, 1e9)},
    "shipping": {"per_day": (0.001, 1e12), "late_days": _DAYS, "half_life_days": _DAYS},
    "commerce": {"refund_fast_days": (0.01, 365.0), "refund_slow_days": (0.01, 365.0)},
    "life_cycle": {
        "category_orders": (0.001, 1e9), "potential_at": FACTOR, "hit_at": FACTOR,
        "promotion_days": _DAYS, "core_days": _DAYS, "decline_days": _DAYS,
    },
}  # fmt: skip


def check_ranges(scenario: Scenario) -> Iterator[Fault]:
    """Every number that lies beyond what it can be meant to be."""
    yield from in_range(("budget",), scenario.budget, (0.01, 1e13))
    for part, ranges in _RANGES_OF_PARTS.items():
        for field, limits in ranges.items():
            yield from in_range(
                (part, field), getattr(getattr(scenario, part), field, None), limits
            )
    for section, ranges in _RANGES.items():
        for name, entry in getattr(scenario, section).items():
            for field, limits in ranges.items():
                yield from in_range((section, name, field), getattr(entry, field, None), limits)


def in_range(path: Parts, value: float | None, limits: tuple[float, float]) -> Iterator[Fault]:
    """A fault, unless the number is absent or lies between the limits."""
    least, most = limits
    if value is not None and not least <= value <= most:
        yield Fault(path, f"must lie in {least:g}..{most:g} (got {value:g})")
