"""Who enters which opportunity: own scenes never bid against each other.

symbol   meaning                                                   unit     shape
a        share of a band that a scene selects                      1        [meeting, scene, band, 1, 1]
omega    priority, money x (alpha v)^2                             -        [meeting, scene, segment, lane]
pi       share of a segment's people in a band                     1        [band, segment, lane]
S1, S2   sums of a omega and a^2 omega over the scenes             -        [meeting, band, segment, lane]
share    part of a band's opportunities taken, a omega S2 / S1^2   1        [meeting, scene, band, segment, lane]

One scene alone takes a; equal halves take half each and leave the others as they were; a scene
without money takes nothing. A meeting is a slot and the scenes that use it for the same segments; meetings
of equal size are one block (docs/model.md section 5).
"""

import math

import numpy as np

from simulator.market.world import BANDS_N, Block, World

PRIORITY = 2  # exponent of own priority: large means the highest score takes all
TINY = 1e-300
SMALL = 1e-150  # its square is still a number


class Share:
    """The shares of one block; work arrays are made once."""

    def __init__(self, block: Block, lanes: int, work: np.ndarray) -> None:
        """`work`: memory that all blocks use in turn."""
        self.block = block
        meetings, scenes, segments = self.size = block.shape
        shape = (meetings, scenes, BANDS_N, segments, lanes)
        self.share, self.taken = np.zeros((2, *shape))
        sums = (2, meetings, BANDS_N, segments, lanes)
        self.work = work[: 2 * math.prod(shape)].reshape(2, *shape)
        self.sums = work[2 * math.prod(shape) :][: math.prod(sums)].reshape(sums)
        self.alone = scenes == 1

    def places(self, rows: np.ndarray) -> np.ndarray:
        """The block's placements of rows [placement, lane]: a view [meeting, scene, segment, lane]."""
        return rows[self.block.rows].reshape(*self.size, -1)

    def pi(self, bands: np.ndarray) -> np.ndarray:
        """Pi of the block's segments from [band, segment, lane], to go with [meeting, scene, ...]."""
        if self.block.everybody:
            return bands
        return np.moveaxis(bands[:, self.block.segments], 1, 0)[:, None]

    def divide(self, omega: np.ndarray) -> None:
        """Find the shares."""
        a, omega = self.block.affinity, self.places(omega)[:, :, None]
        if self.alone:
            np.multiply(a, np.sign(omega), out=self.share)
            return
        weight, own = self.work
        first, second = self.sums
        np.multiply(omega, a, out=weight)
        np.multiply(weight, a, out=own)
        np.add.reduce(weight, axis=1, out=first)
        np.add.reduce(own, axis=1, out=second)
        np.maximum(first, SMALL, out=first)
        first *= first
        second /= first
        np.multiply(weight, second[:, None], out=self.share)

    def meet(self, bands: np.ndarray, cover: np.ndarray) -> None:
        """Part of a segment's opportunities that each placement enters."""
        np.multiply(self.share, self.pi(bands), out=self.taken)
        np.add.reduce(self.taken, axis=2, out=self.places(cover))

    def aim(self, bands: np.ndarray) -> None:
        """Contract impressions: precision x the audience + (1 - precision) x everybody, summing to 1."""
        pi = self.pi(bands)
        np.multiply(self.block.affinity, pi, out=self.taken)
        total = self.taken.sum(axis=2, keepdims=True)
        precise = np.where(total > 0, self.block.precision, 0.0)
        self.taken *= precise / np.maximum(total, TINY)
        self.taken += pi * (1 - precise)

    def bring(self, rows: np.ndarray) -> np.ndarray:
        """What placements bring to each band: [meeting, scene, band, segment, lane]."""
        return np.multiply(self.taken, self.places(rows)[:, :, None], out=self.work[0])

    def add_up(self, rows: np.ndarray, total: np.ndarray) -> None:
        """Add what placements bring to the bands [band, segment, lane], in place."""
        brought = self.bring(rows)
        if self.block.everybody:
            total += np.add.reduce(brought, axis=(0, 1), out=self.sums[0, 0])
            return
        parts = np.add.reduce(brought, axis=1, out=self.sums[0])
        for segments, part in zip(self.block.segments, parts, strict=True):
            total[:, segments] += part


class Entry:
    """The shares of all blocks of one chunk of lanes."""

    def __init__(self, world: World, lanes: int) -> None:
        sizes = [math.prod(b.shape) + math.prod(b.shape[::2]) for b in world.blocks]
        work = np.zeros(2 * BANDS_N * lanes * max(sizes, default=0))
        self.blocks = [Share(block, lanes, work) for block in world.blocks]
        self.auction = [s for s in self.blocks if not s.block.contract]
        self.contract = [s for s in self.blocks if s.block.contract]
        places, self.segments = len(world.media.scene), len(world.names.segments)
        self.cover = np.zeros((places, lanes))
        self.cover[world.media.auctions :] = 1.0

    def divide(self, omega: np.ndarray) -> None:
        """New shares from priorities [placement, lane]."""
        for share in self.auction:
            share.divide(omega)

    def meet(self, bands: np.ndarray) -> None:
        """Cover of every placement when people stand as `bands` [band, segment, lane] say."""
        for share in self.auction:
            share.meet(bands, self.cover)

    def aim(self, bands: np.ndarray) -> None:
        """Bands that contract impressions reach."""
        for share in self.contract:
            share.aim(bands)

    def to_bands(self, rows: np.ndarray, out: np.ndarray) -> None:
        """Add up what placements [row, placement, lane] bring to each band [row, band, segment, lane]."""
        out.fill(0.0)
        for share in self.blocks:
            for row, total in zip(rows, out, strict=True):
                share.add_up(row, total)

    def by_segment(self, rows: np.ndarray) -> np.ndarray:
        """Placements [placement, lane] summed by segment: [segment, lane]."""
        total = np.zeros((self.segments, rows.shape[-1]))
        for share in self.blocks:
            parts = np.add.reduce(share.places(rows), axis=1)
            if share.block.everybody:
                total += np.add.reduce(parts, axis=0)
                continue
            for segments, part in zip(share.block.segments, parts, strict=True):
                total[segments] += part
        return total

    def by_scene(self, row: np.ndarray, out: np.ndarray) -> None:
        """The same of one row, kept apart by scene: [scene, band, segment, lane]."""
        out.fill(0.0)
        for share in self.blocks:
            brought, block = share.bring(row), share.block
            for scenes, segments, parts in zip(block.scenes, block.segments, brought, strict=True):
                for scene, part in zip(scenes, parts, strict=True):
                    out[scene][:, segments] += part

    def weighted(self, weight: np.ndarray, chosen: slice) -> np.ndarray:
        """Sum over some bands of taken x weight [band, segment, lane] by placement: [placement, lane]."""
        out = np.zeros_like(self.cover)
        for share in self.auction:
            part = share.taken * share.pi(weight)
            np.add.reduce(part[:, :, chosen], axis=2, out=share.places(out))
        return out
