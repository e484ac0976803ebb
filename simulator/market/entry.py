"""Who enters which opportunity: own scenes never bid against each other.

symbol   meaning                                                   unit     shape
a        share of a band that a scene selects                      1        [band, use]
omega    priority, money x (alpha v)^2                             -        [use, segment, lane]
pi       share of a segment's people in a band                     1        [band, segment, lane]
S1, S2   sums of a omega and a^2 omega over the uses of a slot     -        [band, slot, segment, lane]
share    part of a band's opportunities taken, a omega S2 / S1^2   1        [band, use, segment, lane]
F        pi S2 / S1^2, so that share x pi = a omega F              -        [band, slot, segment, lane]

One scene alone takes a; equal halves take half each and leave the others as they were; a scene
without money takes nothing (docs/model.md section 5). Shares are never written out: what uses bring
to bands is summed as a x F.
"""

import numpy as np

from simulator.market.groups import weigh
from simulator.market.world import BANDS_N, Media

PRIORITY = 2  # exponent of own priority: large means the highest score takes all
TINY = 1e-200
SMALL = 1e-150  # its square is still a number


class Entry:
    """The shares of one chunk of lanes; work arrays are made once."""

    def __init__(self, media: Media, segments: int, lanes: int) -> None:
        self.media, n = media, media.auctions
        self.affinity = media.affinity[0]
        touch = media.touch[:, 0]
        each = [media.viewability[:, 0], touch, np.ones_like(touch)]
        if media.replaces.any():
            each.append(media.replaces[:, 0])
        worth = np.array(np.broadcast_arrays(*each))
        self.worth = worth[:, :, None]
        """Views, touches and buying visits per impression, visit, buying visit, and free visits replaced
        per visit if any are: [row, use, 1, replication]."""
        self.brings = self.affinity * worth[:, None]
        slots = len(media.meetings)
        self.sums = np.zeros((slots, 2, BANDS_N, segments, lanes))
        self.ratio, self.pull = np.zeros((2, slots, BANDS_N, segments, lanes))
        self.banded = np.zeros((2, len(worth), BANDS_N, segments, lanes))
        self.omega, self.reach, self.cover = np.zeros((3, n, segments, lanes))
        """Cover: part of a segment's opportunities that each use enters, omega x reach."""
        self.aimed = np.zeros((BANDS_N, len(media.scene) - n, segments, lanes))
        """Parts of a contract use's impressions that go to each band."""

    def divide(self, omega: np.ndarray) -> None:
        """New shares from priorities [use, segment, lane]."""
        self.omega = omega
        for uses, sums in zip(self.media.meetings, self.sums, strict=True):
            weigh("kbu,usl->kbsl", self.media.affinity[:, :, uses], omega[uses], out=sums)
        first, second = self.sums[:, 0], self.sums[:, 1]
        np.maximum(first, SMALL, out=first)
        first *= first
        np.divide(second, first, out=self.ratio)

    def meet(self, bands: np.ndarray) -> None:
        """Cover of every use when people stand as `bands` [band, segment, lane] say."""
        np.multiply(self.ratio, bands, out=self.pull)
        self._add_over_bands(self.pull, self.reach)
        np.multiply(self.omega, self.reach, out=self.cover)

    def _add_over_bands(self, pull: np.ndarray, out: np.ndarray) -> None:
        """Sum of a x pull over the bands: [use, segment, lane]."""
        for slot, uses in enumerate(self.media.meetings):
            weigh("bu,bsl->usl", self.affinity[:, uses], pull[slot], out=out[uses])

    def aim(self, bands: np.ndarray) -> None:
        """Contract impressions: precision x the audience + (1 - precision) x everybody."""
        selected = self.affinity[:, self.media.auctions :, None] * bands[:, None]
        total = selected.sum(axis=0)
        precise = np.where(total > 0, self.media.precision[:, None], 0.0)
        selected *= precise / np.maximum(total, TINY)
        np.multiply(bands[:, None], 1 - precise, out=self.aimed)
        self.aimed += selected

    def to_bands(self, rows: np.ndarray, *, contracts: bool) -> np.ndarray:
        """What `worth` tells of each band, [row, band, segment, lane], from what uses have of
        impressions, visits, buying visits (and visits again) [row, use, segment, lane].
        """
        n, per_cover = self.media.auctions, 1 / np.maximum(self.reach, TINY)
        total, brought = self.banded
        total.fill(0.0)
        for slot, uses in enumerate(self.media.meetings):
            here = rows[:, uses] * per_cover[uses]
            weigh("kbu,kusl->kbsl", self.brings[:, :, uses], here, out=brought)
            brought *= self.pull[slot]
            total += brought
        if contracts:
            total += np.einsum("busl,kusl->kbsl", self.aimed, rows[:, n:] * self.worth[:, n:])
        return total

    def by_scene(self, rows: np.ndarray, scenes: int, *, contracts: bool) -> np.ndarray:
        """The same, kept apart by scene: [row, scene, band, segment, lane]."""
        n, scene = self.media.auctions, self.media.scene
        scaled = (rows[:, :n] / np.maximum(self.reach, TINY))[:, :, None]
        affinity = self.affinity.swapaxes(0, 1)[:, :, None]
        total = np.zeros((len(rows), scenes, *self.pull.shape[1:]))
        for slot, uses in enumerate(self.media.meetings):
            total[:, scene[uses]] += scaled[:, uses] * (affinity[uses] * self.pull[slot])
        for use in range(n, len(scene)) if contracts else ():
            total[:, scene[use]] += self.aimed[:, use - n] * rows[:, use, None]
        return total

    def share_of(self, weight: np.ndarray, chosen: slice) -> np.ndarray:
        """Part of some bands in what a use brings, people counting by weight [band, segment, lane]."""
        some, every = np.empty((2, *self.reach.shape))
        pull = self.pull * weight
        self._add_over_bands(pull, every)
        pull[:, : chosen.start] = pull[:, chosen.stop :] = 0.0
        self._add_over_bands(pull, some)
        return np.asarray(some / np.maximum(every, TINY))
