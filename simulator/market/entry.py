"""Who enters which opportunity: own scenes never bid against each other.

symbol   meaning                                                   unit     shape
a        share of a band that a scene selects                      1        [scene, band, 1, lane]
omega    priority, money x (alpha v)^2                             -        [scene, 1, segment, lane]
pi       share of a segment's people in a band                     1        [band, segment, lane]
S1, S2   sums of a omega and a^2 omega over the scenes             -        [band, segment, lane]
share    part of a band's opportunities taken, a omega S2 / S1^2   1        [scene, band, segment, lane]

One scene alone takes a; equal halves take half each and leave the others as they were; a scene
without money takes nothing. Arrays live in blocks: the scenes that meet on one slot for the same segments
(docs/model.md section 5).
"""

import numpy as np

from simulator.market.world import BANDS_N, Block, World

PRIORITY = 2  # exponent of own priority: large means the highest score takes all
TINY = 1e-300
SMALL = 1e-150  # its square is still a number


class Share:
    """The share of one block; work arrays are made once."""

    def __init__(self, block: Block, lanes: int) -> None:
        shape = (block.scenes, BANDS_N, len(block.segments), lanes)
        self.block = block
        self.share, self.keen = np.zeros(shape), np.zeros(shape)
        self.taken = np.zeros(shape)
        """share x pi: part of the segment's opportunities taken in each band."""
        self.work = np.zeros((2, *shape))
        self.sums = np.zeros((3, *shape[1:]))

    def pi(self, bands: np.ndarray) -> np.ndarray:
        """pi of the block's segments from [band, segment, lane]."""
        return bands if self.block.everybody else bands[:, self.block.segments]

    def divide(self, omega: np.ndarray) -> None:
        """Find the shares, and keen = d ln share / d x = PRIORITY (1 + a^2 omega/S2 - 2 a omega/S1)."""
        a = self.block.affinity
        weight, own = self.work
        first, second, factor = self.sums
        np.multiply(omega[:, None], a, out=weight)
        np.multiply(weight, a, out=own)
        np.add.reduce(weight, axis=0, out=first)
        np.add.reduce(own, axis=0, out=second)
        np.maximum(first, SMALL, out=first)
        np.divide(1.0, first, out=first)
        np.multiply(first, first, out=factor)
        factor *= second
        np.multiply(weight, factor, out=self.share)
        np.maximum(second, TINY, out=second)
        np.divide(PRIORITY, second, out=second)
        own *= second
        first *= 2 * PRIORITY
        weight *= first
        np.subtract(own, weight, out=self.keen)
        self.keen += PRIORITY

    def cover(self, bands: np.ndarray, cover: np.ndarray, slope: np.ndarray | None) -> None:
        """Part of a segment's opportunities that each placement enters, and its slope in x."""
        np.multiply(self.share, self.pi(bands), out=self.taken)
        np.add.reduce(self.taken, axis=1, out=cover)
        if slope is not None:
            np.multiply(self.taken, self.keen, out=self.work[0])
            np.add.reduce(self.work[0], axis=1, out=slope)

    def bring(self, row: np.ndarray) -> np.ndarray:
        """What placements [scene, segment, lane] bring to each band: [band, segment, lane]."""
        if len(row) == 1:
            return np.multiply(self.taken[0], row[0], out=self.sums[0])
        np.multiply(self.taken, row[:, None], out=self.work[0])
        return np.add.reduce(self.work[0], axis=0, out=self.sums[0])

    def aim(self, bands: np.ndarray) -> None:
        """Contract impressions: precision x the audience + (1 - precision) x everybody, summing to 1."""
        pi = self.pi(bands)
        aimed, total = self.taken, self.work[0][:, :1]
        np.multiply(self.block.affinity, pi, out=aimed)
        np.add.reduce(aimed, axis=1, keepdims=True, out=total)
        everybody = np.where(total > 0, 0.0, 1.0)
        aimed /= np.maximum(total, TINY)
        aimed *= self.block.precision * (1 - everybody)
        aimed += pi * (1 - self.block.precision * (1 - everybody))


class Entry:
    """The shares of all blocks of one chunk of lanes."""

    def __init__(self, world: World, lanes: int) -> None:
        self.blocks = [Share(block, lanes) for block in world.blocks]
        self.auction = [s for s in self.blocks if not s.block.contract]
        self.contract = [s for s in self.blocks if s.block.contract]
        places = len(world.media.scene)
        self.cover, self.slope = np.zeros((2, places, lanes))
        self.cover[world.media.auctions :] = 1.0

    def divide(self, omega: np.ndarray) -> None:
        """New shares from priorities [placement, lane]."""
        for share in self.auction:
            share.divide(_block(omega, share.block))

    def meet(self, bands: np.ndarray, *, slope: bool) -> None:
        """Cover of every placement (and its slope) when people stand as `bands` [band, segment, lane] say."""
        for share in self.auction:
            block = share.block
            slopes = _block(self.slope, block) if slope else None
            share.cover(bands, _block(self.cover, block), slopes)

    def aim(self, bands: np.ndarray) -> None:
        """Bands that contract impressions reach."""
        for share in self.contract:
            share.aim(bands)

    def to_bands(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Add up what placements [row, placement, lane] bring to each band [row, band, segment, lane]."""
        out.fill(0.0)
        for share in self.blocks:
            block = share.block
            for row, total in zip(rows, out, strict=True):
                brought = share.bring(_block(row, block))
                if block.everybody:
                    total += brought
                else:
                    total[:, block.segments] += brought

    def by_scene(self, row: np.ndarray, out: np.ndarray) -> None:
        """The same kept apart by scene: [scene, band, segment, lane]."""
        out.fill(0.0)
        for share in self.blocks:
            block = share.block
            np.multiply(share.taken, _block(row, block)[:, None], out=share.work[0])
            for scene, brought in zip(block.scene_of, share.work[0], strict=True):
                out[scene][:, block.segments] += brought

    def weighted(self, weight: np.ndarray, chosen: slice) -> np.ndarray:
        """Sum over some bands of taken x weight [band, segment, lane] by placement: [placement, lane]."""
        out = np.zeros_like(self.cover)
        for share in self.auction:
            part = share.taken[:, chosen] * share.pi(weight)[chosen]
            np.add.reduce(part, axis=1, out=_block(out, share.block))
        return out


def _block(rows: np.ndarray, block: Block) -> np.ndarray:
    """A block's placements as [scene, segment, lane]: a view."""
    return rows[block.rows].reshape(block.scenes, len(block.segments), -1)
