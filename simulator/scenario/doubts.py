"""What can be run but hardly meant, beside prices and incentives: warnings that the file alone can give."""

from collections.abc import Iterator

from simulator.scenario.amounts import duration, moment_text, percent
from simulator.scenario.goods import Product
from simulator.scenario.nodes import Parts
from simulator.scenario.offers import units_of
from simulator.scenario.organic import organic_orders
from simulator.scenario.plausible_calendar import DAY, deposit_phases, first_moment, settled_phases
from simulator.scenario.references import Fault
from simulator.scenario.schema import Scenario

LEAST_DAY = 0.5
"""Part of a normal day's free orders that a capacity must hold: the rest is what their estimate may be off by."""
LEAST_STOCK = 2.0
"""Normal days of free orders that all goods of a product must last, or half of a shorter run."""
MUCH, COARSE = 0.1, 6 * 3600
"""Part of the baskets that a day releases, and length of a step [s], from which on a sale is too coarse."""
_AN_HOUR = 1 / 24


def doubt_parts(scenario: Scenario) -> Iterator[Fault]:
    """Presales that bring less than they seem to, goods that pay when unsold, and capacities that hold nothing."""
    if any(product.presale for product in scenario.products.values()):
        yield from _doubt_deposits(scenario)
    yield from _doubt_clocks(scenario)
    for name, product in scenario.products.items():
        yield from _doubt_salvage(("products", name, "salvage"), product)
    yield from _doubt_capacities(scenario)


# --------------------------------------------------------------------------- clock
def _doubt_clocks(scenario: Scenario) -> Iterator[Fault]:
    """Sales that empty baskets on a clock too coarse for those that are filled on the same day."""
    for name, phase in scenario.calendar.phases.items():
        if phase.release >= MUCH and phase.clock > COARSE:
            rule = f"buys {percent(phase.release)} of full baskets a day in steps of {duration(phase.clock)}"
            lost = "who fills a basket in a step is hardly ever served in it"
            yield Fault(
                ("calendar", "phases", name, "release"), f"{rule}: {lost}; give the phase clock: 1h"
            )


# --------------------------------------------------------------------------- presale
def _doubt_deposits(scenario: Scenario) -> Iterator[Fault]:
    """Deposits that are taken in vain, or not at all."""
    calendar = scenario.calendar
    settled = set(settled_phases(calendar))
    for name in deposit_phases(calendar):
        if name not in settled:
            phase = calendar.phases[name]
            field = "deposit" if phase.deposit else "deposit_release"
            last = moment_text(max(window.end for window in calendar.balances))
            rule = f"has no effect: the last window of calendar.balances is over by then, {last}"
            yield Fault(("calendar", "phases", name, field), f"{rule}; add one, or write 0")
    for number, window in enumerate(calendar.balances):
        if settled and not window.completion:
            rule = "lets nobody pay the balance: every deposit before it is forfeited"
            mend = "the calendars of the presets have 90%"
            yield Fault(("calendar", "balances", number, "completion"), f"{rule}; {mend}")


# --------------------------------------------------------------------------- goods
def _doubt_salvage(at: Parts, product: Product) -> Iterator[Fault]:
    """Goods that nobody buys are written down to their salvage value, and here up."""
    cost = product.price * (1 - product.margin)
    if product.salvage is not None and product.salvage > cost * (1 + 1e-9):
        rule = f"is above the cost of a unit, {cost:.6g} CNY = price x (1 - margin)"
        mend = "what is left unsold brings a profit; lower it, or the margin"
        yield Fault(at, f"{rule} (got {product.salvage:g}): {mend}")


# --------------------------------------------------------------------------- capacities
def _doubt_capacities(scenario: Scenario) -> Iterator[Fault]:
    """Depots, gates and stocks that free orders alone would fill at once."""
    orders = organic_orders(scenario)
    day = sum(orders.values())
    if scenario.shipping and scenario.shipping.per_day < LEAST_DAY * day:
        rule = _too_small(scenario.shipping.per_day, "orders", day)
        yield Fault(("shipping", "per_day"), f"{rule}: orders pile up and are late; raise it")
    gate = scenario.payment.capacity
    if gate and gate < LEAST_DAY * day * _AN_HOUR:
        rule = _too_small(gate * 24, "attempts a day", day)
        yield Fault(
            ("payment", "capacity"), f"{rule}: payments fail; it is per hour at full load, raise it"
        )
    least = min(LEAST_STOCK, _days(scenario) / 2)
    for name, product in scenario.products.items():
        units = units_of(product)
        if product.product_stage != "sampling" and units < least * orders[name]:
            rule = f"lasts {units / orders[name]:.1f} normal days, restocks included"
            mend = "raise it unless the goods are meant to be gone at once"
            yield Fault(
                ("products", name, "stock"), f"{rule}, at {_about(orders[name])} a day: {mend}"
            )


def _days(scenario: Scenario) -> float:
    """From the first phase to the end of advertising."""
    calendar = scenario.calendar
    return (calendar.end - first_moment(calendar)).total_seconds() / DAY


def _too_small(capacity: float, what: str, day: float) -> str:
    return f"holds {capacity:,.6g} {what}, far below a normal day's {_about(day)}"


def _about(orders: float) -> str:
    return (
        f"{orders:,.2g} orders without ads" if orders < 10 else f"{orders:,.0f} orders without ads"
    )
