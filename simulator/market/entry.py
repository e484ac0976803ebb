"""Who enters which opportunity: own scenes never bid against each other.

symbol   meaning                                                   unit     shape
a        share of a band that a scene selects                      1        [band, use]
omega    priority, money x (alpha v)^2                             -        [use, segment, lane]
pi       share of a segment's people in a band                     1        [band, segment, lane]
c        click odds of what a band is shown                       x        [band, use]
S1, S2   sums of a omega and a^2 omega over the uses of a slot     -        [band, slot, segment, lane]
share    part of a band's opportunities taken, a omega S2 / S1^2   1        [band, use, segment, lane]
F        pi S2 / S1^2, so that share x pi = a omega F              -        [band, slot, segment, lane]

One scene alone takes a; equal halves take half each and leave the others as they were; a scene
without money takes nothing (docs/model.md section 5). Shares are never written out: what uses bring
to bands is summed as a x F. Who clicks stands in the bands as a x c x F, for each band sees its own
creative.
"""

import numpy as np

from simulator.market.audience import ratio
from simulator.market.bounds import at_least
from simulator.market.groups import Groups, batches, weigh
from simulator.market.media import Media
from simulator.market.people import BANDS_N

PRIORITY = 2  # exponent of own priority: large means the highest score takes all
TINY = 1e-200
SMALL = 1e-150  # its square is still a number


class Entry:
    """The shares of one chunk of lanes; work arrays are made once."""

    def __init__(
        self, media: Media, scenes: int, segments: int, lanes: int, asked: np.ndarray
    ) -> None:
        """`asked`: auction uses of which `mean_of` tells."""
        self.media, n = media, media.auctions
        self.scenes, self.of_scene = scenes, Groups(media.scene[:n], scenes)
        self.affinity = media.affinity[0]
        self.drawn = self.affinity if media.creative is None else self.affinity * media.creative
        """Affinity of those who click."""
        self.meetings = batches(media.meetings, segments * lanes)
        """Uses of the auction slots."""
        self.powers, self.selected, self.clicking = (
            [batch.table(table) for batch in self.meetings]
            for table in (media.affinity, self.affinity, self.drawn)
        )
        """a and a^2, a, and that of those who click, by slot."""
        touch = media.touch[:, 0]
        each = [media.viewability[:, 0], touch, np.ones_like(touch)]
        if media.replaces.any():
            each.append(media.replaces[:, 0])
        worth = np.array(np.broadcast_arrays(*each))
        self.worth = worth[:, :, None]
        """Views, touches and buying visits per impression, visit, buying visit, and free visits replaced
        per visit if any are: [row, use, 1, replication]."""
        rows = np.broadcast_arrays(self.affinity, *[self.drawn] * (len(worth) - 1))
        brings = np.array(rows) * worth[:, None]
        self.brings = [batch.table(brings) for batch in self.meetings]
        slots = len(media.meetings)
        uses = np.array([uses.stop - uses.start for uses in media.meetings], dtype=np.intp)
        self.asked, self.asked_slot = asked, np.repeat(np.arange(slots), uses)[asked]
        self.ratio, self.pull = np.zeros((2, slots, BANDS_N, segments, lanes))
        at_once = len(self.ratio[self.meetings[0].at]) if self.meetings else 1
        self.sums = np.zeros((at_once, 2, BANDS_N, segments, lanes))
        self.banded = np.zeros((len(worth), BANDS_N, segments, lanes))
        self.brought = np.zeros((at_once, *self.banded.shape))
        self.omega, self.reach, self.cover = np.zeros((3, n, segments, lanes))
        """Cover: part of a segment's opportunities that each use enters, omega x reach."""
        alike = media.creative is None
        self.appeal = np.ones((0 if alike else len(media.scene), segments, lanes))
        """Mean c of the people whom a use reaches, where bands are shown creatives of their own."""
        self.clicked = self.reach if alike else np.zeros(self.reach.shape)
        """Reach that clicks count from, reach x appeal."""
        self.aimed = np.zeros((BANDS_N, len(media.scene) - n, segments, lanes))
        """Parts of a contract use's impressions that go to each band."""

    def divide(self, omega: np.ndarray) -> None:
        """New shares from priorities [use, segment, lane]."""
        self.omega = omega
        for slots, powers in zip(self.meetings, self.powers, strict=True):
            weigh("kbju,jusl->jkbsl", powers, slots.gather(omega), out=self.sums)
            first, second = self.sums[:, 0], self.sums[:, 1]
            at_least(first, SMALL, out=first)
            first *= first
            np.divide(second, first, out=self.ratio[slots.at])

    def meet(self, bands: np.ndarray) -> None:
        """Cover of every use when people stand as `bands` [band, segment, lane] say."""
        np.multiply(self.ratio, bands, out=self.pull)
        self._add_over_bands(self.pull, self.selected, self.reach)
        if self.media.creative is not None:
            self._add_over_bands(self.pull, self.clicking, self.clicked)
            self.appeal[: len(self.reach)] = self.clicked / at_least(self.reach, TINY)
        np.multiply(self.omega, self.reach, out=self.cover)

    def _add_over_bands(
        self, pull: np.ndarray, affinity: list[np.ndarray], out: np.ndarray
    ) -> None:
        """Sum of affinity x pull over the bands: [use, segment, lane]."""
        for slots, each in zip(self.meetings, affinity, strict=True):
            slots.spread("bju,jbsl->jusl", each, pull[slots.at], out)

    def aim(self, bands: np.ndarray, taken: np.ndarray, together: np.ndarray) -> None:
        """Contract impressions: precision x the audience, as far as it has opportunities, the rest to everybody.

        `taken`: part of what is on offer to each contract use that it takes [use, segment, lane]; `together`:
        1 where uses take from one inventory [use, use].
        """
        selected = self.affinity[:, self.media.auctions :, None] * bands[:, None]
        total = selected.sum(axis=0)
        precise = np.where(total > 0, self.media.precision[:, None], 0.0)
        precise *= within_crowds(precise, total, taken, together)
        selected *= precise / at_least(total, TINY)
        np.multiply(bands[:, None], 1 - precise, out=self.aimed)
        self.aimed += selected
        self.noticed = self.aimed
        if self.media.creative is not None:
            self.noticed = self.aimed * self.media.creative[:, self.media.auctions :, None]
            liked = self.noticed.sum(axis=0)
            self.appeal[self.media.auctions :] = liked
            self.noticed /= at_least(liked, TINY)

    def to_bands(self, rows: np.ndarray, *, contracts: bool) -> np.ndarray:
        """What `worth` tells of each band, [row, band, segment, lane], from what uses have of
        impressions, visits, buying visits (and visits again) [row, use, segment, lane].
        """
        n, per_cover = self.media.auctions, self._per_cover()
        total, brought = self.banded, self.brought
        total.fill(0.0)
        for slots, brings in zip(self.meetings, self.brings, strict=True):
            here = slots.gather(rows) * slots.gather(per_cover)
            weigh("kbju,kjusl->jkbsl", brings, here, out=brought)
            brought *= self.pull[slots.at, None]
            total += brought[0] if len(brought) == 1 else np.add.reduce(brought)
        if contracts:
            worth = rows[:, n:] * self.worth[:, n:]
            total[:1] += np.einsum("busl,kusl->kbsl", self.aimed, worth[:1])
            total[1:] += np.einsum("busl,kusl->kbsl", self.noticed, worth[1:])
        return total

    def _per_cover(self) -> np.ndarray:
        """One over the reach of impressions, and of clicks: [row or 1, use, segment, lane]."""
        if self.media.creative is None:
            return 1 / at_least(self.reach[None], TINY)
        clicks = [self.clicked] * (len(self.worth) - 1)
        return 1 / at_least(np.array([self.reach, *clicks]), TINY)

    def by_scene(self, rows: np.ndarray, *, contracts: bool) -> np.ndarray:
        """The same of clicks, kept apart by scene: [row, scene, band, segment, lane]."""
        n, scene = self.media.auctions, self.media.scene
        scaled = (rows[:, :n] / at_least(self.clicked, TINY))[:, :, None]
        affinity = self.drawn.swapaxes(0, 1)[:, :, None]
        total = np.zeros((len(rows), self.scenes, *self.pull.shape[1:]))
        for slots in self.meetings:
            uses = slots.rows
            part = scaled[:, uses] * (affinity[uses] * self.pull.take(slots.of, axis=0))
            if slots.places is None:
                total[:, scene[uses]] += part
            else:  # a scene may have several of these uses
                flat = part.reshape(*part.shape[:2], -1)
                total += self.of_scene.sum(flat).reshape(total.shape)
        for use in range(n, len(scene)) if contracts else ():
            total[:, scene[use]] += self.noticed[:, use - n] * rows[:, use, None]
        return total

    def of_clickers(
        self, weight: list[tuple[np.ndarray, slice]], *, out: list[np.ndarray], contracts: bool
    ) -> None:
        """Means of weights [band, segment, lane], of some bands each, over who clicks: [weight, use, segment, lane]."""
        n, per_click = self.media.auctions, 1 / at_least(self.clicked, TINY)
        for (each, bands), mean in zip(weight, out, strict=True):
            own, clicking = each[bands], [table[bands] for table in self.clicking]
            self._add_over_bands(self.pull[:, bands] * own, clicking, mean[:n])
            mean[:n] *= per_click
            if contracts:
                np.einsum("busl,bsl->usl", self.noticed[bands], own, out=mean[n:])

    def shown_to(self, impressions: np.ndarray, *, contracts: bool) -> np.ndarray:
        """Impressions [use, segment, lane] by the band that they reach: [band, segment, lane]."""
        n, total = self.media.auctions, np.zeros(self.banded.shape[1:])
        each = impressions[:n] / at_least(self.reach, TINY)
        for slots, affinity in zip(self.meetings, self.selected, strict=True):
            part = weigh("bju,jusl->jbsl", affinity, slots.gather(each))
            total += np.add.reduce(part * self.pull[slots.at])
        if contracts:
            total += np.einsum("busl,usl->bsl", self.aimed, impressions[n:])
        return total

    def mean_of_reached(
        self, weight: np.ndarray, *, contracts: bool, out: np.ndarray
    ) -> np.ndarray:
        """Mean of weight [band, segment, lane] over whom every use reaches: [use, segment, lane]."""
        n = self.media.auctions
        self._add_over_bands(self.pull * weight, self.selected, out[:n])
        out[:n] /= at_least(self.reach, TINY)
        out[n:] = np.einsum("busl,bsl->usl", self.aimed, weight) if contracts else 1.0
        return out

    def mean_of(self, weight: np.ndarray, *, seen: bool) -> np.ndarray:
        """Mean of weight [band, segment, lane] over whom the asked uses reach, those who click if not seen."""
        table, whole = (self.affinity, self.reach) if seen else (self.drawn, self.clicked)
        weight = self.pull.take(self.asked_slot, axis=0) * weight
        part = weigh("bu,ubsl->usl", table[:, self.asked], weight)
        return np.asarray(part / at_least(whole.take(self.asked, axis=0), TINY))


def within_crowds(
    precise: np.ndarray, crowd: np.ndarray, taken: np.ndarray, together: np.ndarray
) -> np.ndarray:
    """Part of the precision for which the crowds of an inventory have opportunities: [use, segment, lane].

    `crowd`: its part of the people, `taken`: part of what is on offer that the use takes [use, segment, lane].

    >>> fifth, hundredth = np.full((1, 1, 1), 0.2), np.full((1, 1, 1), 0.01)
    >>> aim = within_crowds(np.ones((1, 1, 1)), hundredth, fifth, np.ones((1, 1)))
    >>> round(float(0.2 * (aim + (1 - aim) * 0.01).item()), 6)  # the crowd is shown all that it has
    0.01
    """
    beyond = precise * taken * (1 / at_least(crowd, TINY) - 1)
    wanted, gone = (np.einsum("uv,vsl->usl", together, x) for x in (beyond, taken))
    room = at_least(1 - gone, 0.0)
    return np.asarray(ratio(room, np.maximum(wanted, room)))
