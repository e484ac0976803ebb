"""Sums over groups of rows: the one door for every [row, lane] -> [group, lane] sum.

A gather table of row numbers, padded with a row of zeros, turns a grouped sum into a few whole-array
additions in a fixed order, so that the result is the same for any number of lanes.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Groups:
    """Which rows belong to which group."""

    of_row: np.ndarray
    """Group of each row: [row]."""
    table: np.ndarray
    """Rows of each group, padded with the number of rows: [size, group]."""

    @classmethod
    def of(cls, group: np.ndarray, count: int) -> "Groups":
        """Make the table for `count` groups from the group of each row.

        >>> Groups.of(np.array([0, 1, 0]), 2).table.tolist()
        [[0, 1], [2, 3]]
        """
        members = [np.flatnonzero(group == g) for g in range(count)]
        size = max((len(m) for m in members), default=0)
        table = np.full((max(size, 1), count), len(group), dtype=np.intp)
        for g, rows in enumerate(members):
            table[: len(rows), g] = rows
        return cls(np.asarray(group, dtype=np.intp), table)

    def sum(self, rows: np.ndarray, out: np.ndarray, work: np.ndarray) -> np.ndarray:
        """Sum the rows of each group; `rows` [.., row + 1, lane] ends with a row of zeros.

        >>> rows = np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0], [0.0, 0.0]])
        >>> groups = Groups.of(np.array([0, 1, 0]), 2)
        >>> groups.sum(rows, np.empty((2, 2)), np.empty((2, 2))).tolist()
        [[5.0, 5.0], [2.0, 2.0]]
        """
        rows.take(self.table[0], axis=-2, out=out, mode="clip")
        for index in self.table[1:]:
            out += rows.take(index, axis=-2, out=work, mode="clip")
        return out

    def spread(self, groups: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Give each row the value of its group."""
        return np.take(groups, self.of_row, axis=0, out=out, mode="clip")
