"""When things happen: phases, the rush of an opening, presale windows and clock curves, parts of a scenario."""

from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import Field

from simulator.scenario.amounts import Amount, Level, Moment, Part, Rate, Seconds, Share


class Burst(Part):
    """The rush at the opening of a sale: (1 + extra) (share (1 - exp(-(t/tau)^k)) + (1 - share) B(t))."""

    share: Annotated[Amount, Field(ge=0, le=0.95)] = 0.58
    """Part of the opening day's purchases that belongs to the rush (0.28 in 2013, 0.58 in 2019)."""
    tau: Annotated[Amount, Field(gt=0, le=24)] = 0.95
    """Time constant of the rush [h]."""
    k: Annotated[Amount, Field(gt=0.2, le=3)] = 0.72
    """Shape of the rush: 1 is exponential, below 1 has a sharper first minute."""
    traffic_part: Annotated[Amount, Field(gt=0, le=1)] = 0.45
    """Part of the rush, and of `extra`, that comes as more visitors; the rest as readier visitors."""
    extra: Share = 0.0
    """What the opening adds to purchases of its first 24 hours (of a shorter phase: to all of it), share of them."""


class Phase(Part):
    """A named stretch of the calendar with its multipliers (a normal day is 1)."""

    start: Moment
    """First moment of the phase; it ends where the next phase starts."""
    traffic: Annotated[Level, Field(gt=0, le=50)] = 1.0
    """Visitors and ad opportunities against a normal day [x]."""
    cpm: Annotated[Level, Field(gt=0, le=50)] = 1.0
    """Rival bids against a normal day [x]."""
    ctr: Annotated[Level, Field(gt=0, le=10)] = 1.0
    """Odds of a click against a normal day [x]."""
    cart: Annotated[Level, Field(ge=0, le=20)] = 1.0
    """Favourites and carts per visit against a normal day [x]."""
    cvr: Annotated[Level, Field(ge=0, le=50)] = 1.0
    """Odds that a visit buys at once, against a normal day [x]; basket orders come on top."""
    refund: Annotated[Level, Field(gt=0, le=10)] = 1.0
    """Odds that an order of this phase is refunded, against a normal day [x]."""
    usual_discount: Annotated[Rate, Field(lt=1)] = 0.0
    """Price cut that the phase's multipliers stand for already, share of list price."""
    release: Annotated[Rate, Field(ge=0, lt=1)] = 0.007
    """Share of the standing carts that is bought per day of this phase."""
    deposit: Annotated[Level, Field(ge=0, le=10)] = 0.0
    """Odds that a visit pays a presale deposit, against a normal day's purchase [x]; 0: none."""
    deposit_release: Annotated[Rate, Field(ge=0, lt=1)] = 0.0
    """Share of the standing carts that pays a deposit per day of this phase."""
    payment_load: Annotated[Level, Field(ge=0, le=20)] = 0.0
    """Payment attempts against the payment system's capacity when buying at a normal day's average."""
    wallet_topup: Annotated[Rate, Field(le=1)] = 0.0
    """Share of buyers with an empty wallet who fill it in this phase; it counts from the next phase on."""
    rival_booked: Annotated[Rate, Field(ge=0, lt=1)] = 0.0
    """Share of contract inventory that rivals have reserved."""
    clock: Seconds = 86400
    """Length of a step in this phase: 1h in sale windows, 1d elsewhere, 1min in an opening."""
    continues: str | None = None
    """Phase of which this one is a later part, if it was cut: what is uncertain in both is drawn once."""
    burst: Burst | None = None
    """The rush that opens this phase, if any."""


class Balance(Part):
    """A window in which presale balances 尾款 are paid; before it, deposits are only collected."""

    start: Moment
    """First moment at which a balance can be paid."""
    end: Moment
    """After this moment unpaid deposits are forfeited."""
    completion: Share = 0.9
    """Share of deposits whose balance is paid by the end of the window (before payment failures)."""


class Calendar(Part):
    """Phases, clock curves and presale windows. Times are local wall-clock, one zone a file."""

    end: Moment
    """First moment after the last phase: advertising ends here and the run-off begins."""
    sales_after_days: Annotated[int, Field(ge=7, le=90)] = 30
    """Days after the end in which sales still count, in every plan and whatever refunds take; then books are closed."""
    phases: dict[str, Phase]
    """Phases in order of time; they partition the run."""
    balances: list[Balance] = []
    """Balance windows in order of time; deposits paid before a window are settled in it."""
    hours_browse: Annotated[
        list[Annotated[Amount, Field(le=1e6)]], Field(min_length=24, max_length=24)
    ]
    """Share of a normal day's visits in each hour 0..23 (scaled to sum 1)."""
    hours_buy: Annotated[
        list[Annotated[Amount, Field(le=1e6)]], Field(min_length=24, max_length=24)
    ]
    """Share of a normal day's purchases in each hour 0..23 (scaled to sum 1)."""
    weekdays_browse: Annotated[
        list[Annotated[Amount, Field(le=1e6)]], Field(min_length=7, max_length=7)
    ]
    """Visits of Monday..Sunday against the mean day (scaled to mean 1)."""
    weekdays_buy: Annotated[
        list[Annotated[Amount, Field(le=1e6)]], Field(min_length=7, max_length=7)
    ]
    """Purchases of Monday..Sunday against the mean day (scaled to mean 1)."""


class Span(NamedTuple):
    """A phase between two moments."""

    phase: str
    start: datetime
    end: datetime


def phase_spans(calendar: Calendar) -> list[Span]:
    """The phases in order of time: each ends where the next one starts, the last with advertising."""
    starts = sorted((phase.start, name) for name, phase in calendar.phases.items())
    ends = [start for start, _ in starts[1:]] + [calendar.end]
    return [Span(name, start, end) for (start, name), end in zip(starts, ends, strict=True)]
