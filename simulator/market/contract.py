"""Contract slots: whole packages booked in advance, delivered with the traffic, made good if short.

symbol    meaning                                             unit          shape
left      booked impressions not yet delivered                impressions   [package, lane]
owed      make-good impressions not yet served                impressions   [package, lane]
due       what the schedule wants in this step                impressions   [package, lane]
supply    what a slot of a package has on offer to it         impressions   [part, lane]
z         share of what is wanted that supply allows          1             [package, lane]
F         most impressions of a package per person and day    1             [package]

Booked = delivered + shortfall. With equal targeting High Water Mark (Chen et al. 2012) serves all packages of
an inventory by the same share z. A package over several slots has a part in each of them; what it wants goes
to them in proportion to what they have on offer (docs/model.md section 4).
"""

from dataclasses import dataclass, field

import numpy as np

from simulator.market.audience import ratio
from simulator.market.bounds import at_least
from simulator.market.calendar import Steps
from simulator.market.draws import Draws
from simulator.market.groups import add_up
from simulator.market.packages import Packages
from simulator.market.world import World


@dataclass
class Bookings:
    """What is still to be served: [package, lane]."""

    booked: np.ndarray
    left: np.ndarray
    owed: np.ndarray
    shortfall: np.ndarray
    delivered: np.ndarray
    made_good: np.ndarray
    paid: np.ndarray
    """Charged so far, fees for cancelled packages included [CNY]."""
    offered: np.ndarray
    """Opportunities of today, where a cap counts them."""
    today: np.ndarray
    """Impressions of today, where a cap counts them."""
    day: int = field(default=-1, init=False)
    """The day of the last two."""

    @classmethod
    def of(cls, booked: np.ndarray) -> "Bookings":
        """All booked impressions [package, lane] still to be delivered."""
        zeros = [np.zeros_like(booked) for _ in range(7)]
        return cls(booked, booked.copy(), *zeros)


class Server:
    """Serves the packages of one chunk of lanes."""

    def __init__(self, world: World, traffic: np.ndarray) -> None:
        """`traffic`: traffic of each step as the schedule expects it [step]."""
        self.packages, self.steps = packages, steps = world.packages, world.steps
        delivery = packages.window[:, steps.phase]  # [package, step]
        late = (steps.start >= packages.close[:, None]) & (
            steps.start < packages.make_good_close[:, None]
        )
        self.open = (delivery | late).astype(float)
        """Steps in which a package may be served: [package, step]."""
        self.busy = np.asarray(self.open.any(axis=0))
        """Steps in which there may be something to serve: [step]."""
        self.share = _schedule(steps, delivery, traffic)
        self.late_share = _schedule(steps, late, traffic)
        self.together = (packages.inventory[:, None] == packages.inventory).astype(float)
        self.owner = (np.arange(len(packages.scene))[:, None] == packages.of).astype(float)
        self.several = len(packages.of) > len(packages.scene)
        self.caps = Caps(world) if packages.cap.any() else None
        self.deposit = packages.deposit[:, None]
        self.pay_step = np.searchsorted(steps.start, packages.booked_at)
        self.bill_steps = {int(n) for n in self.pay_step[packages.deposit > 0]}
        self.bill_steps |= {0} if packages.fee.any() else set()
        """Steps in which deposits, or fees for what a plan has cancelled, are to be paid."""

    def idle(self, bookings: Bookings, step: int) -> bool:
        """Nothing can be served in this step, or nothing is left to serve."""
        if not self.busy[step]:
            return True
        return not (np.count_nonzero(bookings.left) or np.count_nonzero(bookings.owed))

    def due(self, bookings: Bookings, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Impressions wanted by the schedule and by make-good in this step: [package, lane] each."""
        return (
            bookings.left * self.share[:, step, None],
            bookings.owed * self.late_share[:, step, None],
        )

    def serve(
        self, bookings: Bookings, supply: np.ndarray, step: int, draws: Draws
    ) -> tuple[np.ndarray, np.ndarray]:
        """Serve what supply [part, lane] allows; return paid impressions [package, lane], and all [part, lane]."""
        due, late = self.due(bookings, step)
        if self.caps is not None:
            offered = np.einsum("qp,pl->ql", self.owner, supply) * self.open[:, step, None]
            allowed = self.caps.allow(bookings, due + late, offered, int(self.steps.day[step]))
            due, late = due * allowed, late * allowed
        served, parts = self._share_out(due + late, supply)
        paid = np.minimum(draws.round_off("contract", due * served), bookings.left)
        good = np.minimum(draws.round_off("make_good", late * served), bookings.owed)
        bookings.left -= paid
        bookings.owed -= good
        bookings.delivered += paid
        bookings.made_good += good
        shown = paid + good
        if self.caps is not None:
            bookings.today += shown
        return paid, shown if parts is None else shown[self.packages.of] * parts

    def _share_out(
        self, wanted: np.ndarray, supply: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Share served of each package, and how it divides over its slots (None: one slot each)."""
        if not self.several:
            total = np.einsum("pq,ql->pl", self.together, wanted)
            return ratio(supply, np.maximum(total, supply)), None
        of = self.packages.of
        split = ratio(supply, np.einsum("qp,pl->ql", self.owner, supply)[of])
        total = np.einsum("pq,ql->pl", self.together, wanted[of] * split)
        split *= ratio(supply, np.maximum(total, supply))
        served = np.einsum("qp,pl->ql", self.owner, split)
        return served, ratio(split, served[of])

    def price(self, paid: np.ndarray) -> np.ndarray:
        """What impressions cost when they are served [CNY]: the deposit on them is paid already."""
        return paid * self.packages.cpm / 1000 * (1 - self.deposit)

    def bill(self, bookings: Bookings, step: int) -> np.ndarray:
        """Deposits due in a step; in the first the fees for signed packages that a plan left out."""
        full = bookings.booked * self.packages.cpm / 1000
        bill = np.where((self.pay_step == step)[:, None], self.deposit * full, 0.0)
        if step == 0:
            bill += np.where(bookings.booked == 0, self.packages.fee, 0.0)
        return bill

    def most_to_pay(self, bookings: Bookings) -> np.ndarray:
        """Price of what is booked, or the fee for what is not [CNY]: [package, lane]."""
        full = bookings.booked * self.packages.cpm / 1000
        return np.where(bookings.booked == 0, self.packages.fee, full)

    def close(self, bookings: Bookings, second: int, draws: Draws) -> np.ndarray:
        """Windows that end by now: note the shortfall; return what must be paid for it [package, lane].

        Where the remedy is a refund the deposit on it is paid back; a make-good leaves it owed, however small, and
        what is owed when its window ends is paid back, too.
        """
        over = (self.packages.make_good_close <= second)[:, None]
        lost = np.where(over, bookings.owed, 0.0)
        bookings.owed -= lost
        back = ratio(lost, self.packages.make_good) * self.packages.cpm / 1000
        ends = (self.packages.close == second)[:, None]
        short = np.where(ends, bookings.left, 0.0)
        bookings.left -= short
        bookings.shortfall += short
        bookings.owed += draws.round_off("owed", short * self.packages.make_good)
        price = short * self.packages.cpm / 1000
        owes = self.packages.make_good_close > self.packages.close
        return np.where(owes[:, None], price, 0.0) - self.deposit * price - back


class Caps:
    """Packages of which a person is shown only so many impressions a day."""

    def __init__(self, world: World) -> None:
        packages, people = world.packages, world.people
        self.rows = np.flatnonzero(packages.cap)
        self.most = packages.cap[self.rows, None, None]
        part = world.media.segment_share / packages.reach[self.rows, None]
        self.part = np.where(packages.segments[self.rows, :, None], part, 0.0)
        """Part of a package's opportunities in each segment: [capped package, segment, replication]."""
        self.size = people.size
        self.shape = people.frequency_shape

    def allow(
        self, bookings: Bookings, wanted: np.ndarray, offered: np.ndarray, day: int
    ) -> np.ndarray:
        """Share of what packages want that the people below their cap leave room for: [package, lane]."""
        if day != bookings.day:
            bookings.day = day
            bookings.offered[...] = bookings.today[...] = 0.0
        bookings.offered += offered
        allowed, rows = np.ones_like(wanted), self.rows
        room = np.maximum(self.room(bookings.offered[rows]) - bookings.today[rows], 0.0)
        allowed[rows] = ratio(room, np.maximum(wanted[rows], room))
        return allowed

    def room(self, offered: np.ndarray) -> np.ndarray:
        """Impressions that fit under the cap in a day of so many opportunities: [capped package, lane]."""
        mean = offered[:, None] * self.part / self.size
        return add_up(self.size * at_most(mean, self.shape, self.most))


def at_most(mean: np.ndarray, shape: np.ndarray, most: int | np.ndarray) -> np.ndarray:
    """E[min(X, F)] of negative binomial X: the sum of P(X > k) over k = 0 .. F - 1 [impressions per person].

    >>> [round(float(at_most(np.array(4.0), np.array(0.6), F)), 3) for F in (1, 2, 500)]
    [0.705, 1.257, 4.0]
    """
    alone = -shape * np.log1p(mean / shape)
    chance, above = np.exp(alone), -np.expm1(alone)
    total, odds = above, mean / (mean + shape)
    for k in range(1, int(np.max(most))):
        chance = chance * ((k - 1 + shape) / k) * odds
        above = at_least(above - chance, 0.0)
        total = total + above * (k < most)
    return np.asarray(total)


def venues(packages: Packages, booked: np.ndarray) -> np.ndarray | None:
    """Free visits of a phase against those without booked venues: [phase, lane]; None where all are 1."""
    if (packages.free == 1).all():
        return None
    rise = np.where(packages.window[:, :, None], packages.free[:, None], 1.0)
    return np.asarray(np.multiply.reduce(np.where(booked[:, None] > 0, rise, 1.0), axis=0))


def _schedule(steps: Steps, window: np.ndarray, traffic: np.ndarray) -> np.ndarray:
    """Share of what is left that each step of a window should serve: [package, step]."""
    left = np.array([steps.left_in(row, traffic) for row in window]).reshape(window.shape)
    return ratio(np.where(window, traffic, 0.0), left)
