"""Contract slots: whole packages booked in advance, delivered with the traffic, made good if short.

symbol    meaning                                             unit          shape
left      booked impressions not yet delivered                impressions   [package, lane]
owed      make-good impressions not yet served                impressions   [package, lane]
due       what the schedule wants in this step                impressions   [package, lane]
z         share of what is due that supply allows             1             [package, lane]

Booked = delivered + shortfall. With equal targeting High Water Mark (Chen et al. 2012) serves all packages of
an inventory by the same share z (docs/model.md section 4).
"""

from dataclasses import dataclass

import numpy as np

from simulator.market.audience import ratio
from simulator.market.calendar import Steps
from simulator.market.draws import Draws
from simulator.market.world import Packages


@dataclass
class Bookings:
    """What is still to be served: [package, lane]."""

    booked: np.ndarray
    left: np.ndarray
    owed: np.ndarray
    shortfall: np.ndarray
    delivered: np.ndarray
    made_good: np.ndarray
    back: np.ndarray
    """Money owed back for shortfalls without make-good [CNY]."""

    @classmethod
    def of(cls, booked: np.ndarray) -> "Bookings":
        """All booked impressions [package, lane] still to be delivered."""
        zeros = [np.zeros_like(booked) for _ in range(5)]
        return cls(booked, booked.copy(), *zeros)


class Server:
    """Serves the packages of one chunk of lanes."""

    def __init__(self, packages: Packages, steps: Steps, traffic: np.ndarray) -> None:
        """`traffic`: traffic of each step as the schedule expects it [step]."""
        self.packages, self.steps = packages, steps
        delivery = packages.window[:, steps.phase]  # [package, step]
        late = (steps.start >= packages.close[:, None]) & (
            steps.start < packages.make_good_close[:, None]
        )
        self.busy = np.asarray((delivery | late).any(axis=0))
        """Steps in which there may be something to serve: [step]."""
        self.share = _schedule(steps, delivery, traffic)
        self.late_share = _schedule(steps, late, traffic)
        self.together = (packages.inventory[:, None] == packages.inventory).astype(float)

    def due(self, bookings: Bookings, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Impressions wanted by the schedule and by make-good in this step: [package, lane] each."""
        return (
            bookings.left * self.share[:, step, None],
            bookings.owed * self.late_share[:, step, None],
        )

    def serve(
        self, bookings: Bookings, supply: np.ndarray, step: int, draws: Draws
    ) -> tuple[np.ndarray, np.ndarray]:
        """Serve what supply [package, lane] allows; return paid-for and make-good impressions."""
        due, late = self.due(bookings, step)
        wanted = np.einsum("pq,ql->pl", self.together, due + late)
        served = ratio(supply, np.maximum(wanted, supply))
        paid = np.minimum(draws.round_off("contract", due * served), bookings.left)
        good = np.minimum(draws.round_off("make_good", late * served), bookings.owed)
        bookings.left -= paid
        bookings.owed -= good
        bookings.delivered += paid
        bookings.made_good += good
        return paid, good

    def close(self, bookings: Bookings, second: int, draws: Draws) -> np.ndarray:
        """Windows that end now: note the shortfall; return what must be paid for it [package, lane]."""
        ends = (self.packages.close == second)[:, None]
        short = np.where(ends, bookings.left, 0.0)
        bookings.left -= short
        bookings.shortfall += short
        bookings.owed += draws.round_off("owed", short * self.packages.make_good)
        price = short * self.packages.cpm / 1000
        owes = self.packages.make_good > 0
        return np.where(owes, price, 0.0)


def _schedule(steps: Steps, window: np.ndarray, traffic: np.ndarray) -> np.ndarray:
    """Share of what is left that each step of a window should serve: [package, step]."""
    left = np.array([steps.left_in(row, traffic) for row in window]).reshape(window.shape)
    return ratio(np.where(window, traffic, 0.0), left)
