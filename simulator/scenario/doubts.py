"""What can be run but hardly meant, beside prices and incentives: warnings that the file alone can give."""

from collections.abc import Iterator

from simulator.scenario.amounts import moment_text
from simulator.scenario.plausible_calendar import deposit_phases, settled_phases
from simulator.scenario.references import Fault
from simulator.scenario.schema import Scenario


def doubt_parts(scenario: Scenario) -> Iterator[Fault]:
    """Presales that bring less than they seem to."""
    if any(product.presale for product in scenario.products.values()):
        yield from _doubt_deposits(scenario)


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
