"""Last touch that moves with people: which scene's click reached them last, and how long ago.

symbol    meaning                                                unit     shape
T         people whose last paid visit was by a scene, by age    people   [age, scene, stage, segment, lane]
y_i       paid visits of a scene per person in the step          1        [scene, band, segment, lane]
age       days since that visit, in classes that end at WIDTHS   d

Credit is platform-style, not causal: an order on a paid visit belongs to that visit's scene; any other
order belongs to the last touch inside the window, else to nobody (organic). Credited + organic = all.
"""

from dataclasses import dataclass

import numpy as np

from simulator.market.audience import BAND, STAY, TO, WAYS, ratio

WIDTHS = (
    1,
    1,
    1,
    2,
    2,
    4,
    4,
    5,
    5,
    5,
)  # days of each age class; classes within the window are kept
MOVES = TO != STAY


@dataclass
class Credit:
    """Orders credited to scenes: [scene, segment, lane]."""

    orders: np.ndarray


def classes_within(window_days: int) -> int:
    """Number of age classes inside a look-back window.

    >>> [classes_within(days) for days in (1, 3, 7, 15, 30)]
    [1, 3, 5, 7, 10]
    """
    return int(np.searchsorted(np.cumsum(WIDTHS), window_days, side="right"))


class Tracers:
    """Last touches of one chunk of lanes."""

    def __init__(self, window_days: int, scenes: int, people: tuple[int, int, int]) -> None:
        """`people`: the shape [stage, segment, lane]."""
        self.touched = np.zeros((classes_within(window_days), scenes, *people))
        self.ages = len(self.touched)
        self.before = np.zeros(self.touched.shape[1:])
        """Shares before the touches of the step: other orders of the step fall evenly between."""

    def age_a_day(self) -> None:
        """Midnight: a class of w days passes 1/w of its people on; the oldest fall out.

        Touches of a day are half a day old at its end, so the first class is half a day longer.
        """
        for row in range(self.ages - 1, -1, -1):
            moved = self.touched[row] / (WIDTHS[row] + (0.5 if row == 0 else 0.0))
            self.touched[row] -= moved
            self.touched[row + 1 : row + 2] += moved

    def touch(self, visits: np.ndarray, n: np.ndarray) -> None:
        """New touches: `visits` per person [scene, band, segment, lane]."""
        self.before = self.share(n)
        total = visits.sum(axis=0)
        reached = -np.expm1(-total)
        by_scene = (visits * ratio(reached, total))[:, BAND]
        self.touched *= (1 - reached)[BAND]
        self.touched[0] += by_scene * n

    def share(self, n: np.ndarray) -> np.ndarray:
        """Share of each stage whose last touch is a scene's: [scene, stage, segment, lane]."""
        return ratio(self.touched.sum(axis=0), n)

    def credit(
        self,
        direct: np.ndarray,
        paid_share: np.ndarray,
        waiting: np.ndarray,
        customers: np.ndarray,
        n: np.ndarray,
    ) -> Credit:
        """Credit the orders of a step.

        direct [stage, segment, lane]: orders on visits; paid_share [scene, band, segment, lane]:
        part of the band's buying visits that a scene paid for; waiting [stage, segment, lane]:
        orders from baskets; customers [segment, lane]: orders from customers' baskets.
        """
        last = (self.before + self.share(n)) / 2
        paid = paid_share[:, BAND]
        rest = np.maximum(direct * (1 - paid.sum(axis=0)), 0.0) + waiting
        credited = (direct * paid + rest * last).sum(axis=1)
        regular = ratio(self.touched[:, :, 7:10].sum(axis=(0, 2)), n[7:10].sum(axis=0))
        return Credit(credited + customers * regular)

    def move(self, flows: np.ndarray, n: np.ndarray, on_visit: np.ndarray) -> None:
        """Touches go where their people go.

        flows [kind, stage, segment, lane]; on_visit [scene, kind, stage, segment, lane]: part of a flow
        that happened on a scene's paid visit and carries that visit; the rest carries the average.
        """
        share = np.where(MOVES[..., None, None], ratio(flows, n), 0.0)
        on_visit = on_visit * share
        on_visit *= self._room(on_visit, share, n)[:, None]
        average = share - on_visit.sum(axis=0)
        change = self.touched * -average.sum(axis=0)
        visited = on_visit * n
        change[0] -= visited.sum(axis=1)
        for target, kind, stages in WAYS:
            here = self.touched[:, :, stages]
            change[:, :, target] += np.einsum("ascgl,cgl->asgl", here, average[kind, stages])
            change[0, :, target] += visited[:, kind, stages].sum(axis=1)
        self.touched += change

    def _room(self, on_visit: np.ndarray, share: np.ndarray, n: np.ndarray) -> np.ndarray:
        """Part of the visited movers for whom there are new touches: [scene, stage, segment, lane]."""
        asked = on_visit.sum(axis=1) * n
        room = self.touched[0] * np.maximum(1 - share.sum(axis=0), 0.0)
        return ratio(room, np.maximum(asked, room))

    def shift(self, stage: int, target: int, share: np.ndarray) -> None:
        """A share [segment, lane] of a stage moves to another."""
        moved = self.touched[:, :, stage] * share
        self.touched[:, :, stage] -= moved
        self.touched[:, :, target] += moved

    def forfeit(self) -> None:
        """Deposits are forfeited: those people fall back to engage."""
        self.shift(6, 2, np.ones(self.touched.shape[-2:]))
