"""The figures of "What comes out" in docs/model.md: what stories and emergent tests compare."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from scipy.stats import spearmanr

from simulator.allocation.problem import check_known
from simulator.outcomes.metrics import NO_ADS
from tests.bench.table import Row
from tests.engine import test_emergent as emergent
from tests.test_stories import Story

STORIES: Mapping[str, tuple[str, ...]] = {
    "preheat_pays_in_the_wave": ("gmv in preheat", "gmv in wave_1", "gmv in wave_2", "gmv", "roi"),
    "dear_places_cheap_customers": (
        "cpm", "cac", "new_customers in lull", "new_customers in wave_1", "new_customers in wave_2",
    ),
    "two_waves_ease_payment": ("peak_payment_load", "failed_payments"),
    "two_waves_ease_shipping": ("peak_shipping_delay", "late_share"),
    "two_waves_leave_time_to_refill": ("unmet",),
    "how_much_to_test": ("profit",),
    "test_then_scale": ("profit",),
    "contracts_hold_when_prices_double": ("impressions", "win_rate", "fill_rate"),
}  # fmt: skip
"""Figures of every variant that the document names."""


def fact_rows(names: list[str]) -> Iterator[Row]:
    """All facts, or those of these names."""
    known = (*STORIES, *EMERGENT)
    check_known("fact", names, known)
    for name in names or known:
        yield from EMERGENT[name]() if name in EMERGENT else _story(name)


def _story(name: str) -> Iterator[Row]:
    story = Story.read(name)
    found = story.run()
    for variant, figures in found.items():
        same_world = "set" not in story.variants.get(variant, {})
        for metric in STORIES[name]:
            if not np.isnan(figures.get(metric, np.nan)):
                none = found[NO_ADS].get(metric, 0.0) if same_world else 0.0
                yield Row(
                    f"{name}: {variant} {metric}",
                    figures[metric],
                    note=_extra(figures[metric], none),
                )


def _extra(figure: float, without_ads: float) -> str:
    """What a plan has beyond the same days without ads, where these have any."""
    if not without_ads or figure == without_ads:
        return ""
    extra = figure - without_ads
    return f"{extra:+,.4g}, {extra / without_ads:+.1%} against no ads"


def _baskets() -> Iterator[Row]:
    for sets in ((), ("chance.demand_sd=0.1",), ("chance.demand_sd=0.15",), emergent.NO_RELEASE):
        filled, orders, gmv = emergent.ten_days_and_the_day(*sets)
        world = ", ".join(sets) or "as it is"
        yield Row(
            f"baskets and the day's gmv, rank correlation: {world}",
            spearmanr(filled, gmv).statistic,
        )
        yield Row(f"orders more per basket: {world}", np.polyfit(filled, orders, 1)[0])


def _again() -> Iterator[Row]:
    for name in emergent.TWO_WAVES:
        quiet = emergent.quiet_later(name)
        usual = emergent.bought_again(emergent.new_shop(name))
        yield Row(f"first buyers of wave 1 who buy again: {name}", 100 * usual, "%")
        yield Row("  the second window an ordinary week", 100 * emergent.bought_again(quiet), "%")


def _free_visits() -> Iterator[Row]:
    for world, last in emergent.ENDS.items():
        extra = world()
        after = extra[last + 1 :]
        for when, part in (("on the last day of ads", extra[last]), ("a day later", after[0]),
                           ("two weeks later", after[13])):  # fmt: skip
            yield Row(f"extra free visits, {world.__name__}: {when}", 100 * part, "%")
        yield Row("  half-life", emergent.half_life(extra, last), " d")


def _waves() -> Iterator[Row]:
    for calendar, waves in (
        ("double11_2019", ("main_day",)),
        ("double11_2020", ("wave_1", "wave_2")),
    ):
        found = emergent.strained(calendar, *waves)
        for name in ("peak_payment_load", "failed_payments", "paid_orders"):
            yield Row(f"shop of 2013 in {calendar}: {name}", found[name])


def _small() -> Iterator[Row]:
    for name in emergent.LARGE:
        yield Row(
            f"sd of roi over chance by its mean: {name}",
            emergent.uncertainty(emergent.shipped(name)),
        )
    for budget in (300, 500, 800):
        shop = emergent.shipped("mom_and_pop_300", f"budget={budget}")
        yield Row(f"  mom_and_pop_300 with {budget}", emergent.uncertainty(shop))
    for size in (1, 100):
        yield Row(f"  the couple's shop times {size}", emergent.uncertainty(emergent.couple(size)))


def _weak() -> Iterator[Row]:
    for world in (emergent.every_split, emergent.forty_splits):
        for power in (0.6, 1.0, 1.5):
            yield Row(f"highest roi, {world.__name__}: power {power}", world(power))


EMERGENT: Mapping[str, Callable[[], Iterator[Row]]] = {
    "baskets": _baskets, "again": _again, "free_visits": _free_visits, "waves": _waves,
    "small": _small, "weak": _weak,
}  # fmt: skip
