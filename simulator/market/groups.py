"""Sums over groups of rows: the one door for every [row, lane] -> [group, lane] sum.

A grouped sum is a few whole-array additions in a fixed order (the first member of every group, the
second of every group that has two ...), so that the result is the same for any number of lanes.
"""

import math
from dataclasses import dataclass

import numpy as np

NOBODY = -1  # group of rows that are not summed


@dataclass(frozen=True)
class Groups:
    """Which rows belong to which group."""

    rounds: tuple[np.ndarray, ...]
    """Rows taken in each round; groups stand in order of falling size."""
    place: np.ndarray
    """Where each group stands in that order: [group]."""

    @classmethod
    def of(cls, group: np.ndarray, count: int) -> "Groups":
        """Rounds for `count` groups from the group of each row; an empty group sums to 0.

        >>> [r.tolist() for r in Groups.of(np.array([1, 0, 1]), 2).rounds]
        [[0, 1], [2]]
        """
        members = [np.flatnonzero(group == g) for g in range(count)]
        order = sorted(range(count), key=lambda g: -len(members[g]))
        size = max((len(m) for m in members), default=0)
        rounds = [[members[g][r] for g in order if len(members[g]) > r] for r in range(size)]
        place = np.argsort(np.array(order, dtype=np.intp), kind="stable")
        return cls(tuple(np.array(r, dtype=np.intp) for r in rounds), place)

    def sum(
        self, rows: np.ndarray, out: np.ndarray | None = None, work: np.ndarray | None = None
    ) -> np.ndarray:
        """Sum rows [.., row, lane] into `out` [.., group, lane]; `work` is [2, *out.shape].

        >>> rows = np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
        >>> groups = Groups.of(np.array([1, 0, 1]), 2)
        >>> groups.sum(rows).tolist()
        [[2.0, 2.0], [5.0, 5.0]]
        """
        shape = (*rows.shape[:-2], len(self.place), rows.shape[-1])
        out = np.empty(shape) if out is None else out
        total, part = np.empty((2, *shape)) if work is None else work
        first = len(self.rounds[0]) if self.rounds else 0
        total[..., first:, :] = 0.0
        for number, index in enumerate(self.rounds):
            taken = _room(part, len(index))
            rows.take(index, axis=-2, out=taken, mode="clip")
            if number:
                total[..., : len(index), :] += taken
            else:
                total[..., : len(index), :] = taken
        return total.take(self.place, axis=-2, out=out, mode="clip")


def _room(work: np.ndarray, groups: int) -> np.ndarray:
    """A contiguous [.., groups, lane] in the memory of `work`."""
    shape = (*work.shape[:-2], groups, work.shape[-1])
    return work.reshape(-1)[: math.prod(shape)].reshape(shape)
