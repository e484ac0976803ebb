"""Sums over groups of rows: the one door for every weighted sum from rows to groups.

`np.einsum` adds in the order of the rows, one multiplication and one addition at a time and never
through BLAS, so that a lane gets the same sum in any company.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEW = 256  # columns below which calls cost more than numbers


def membership(group: np.ndarray, count: int) -> np.ndarray:
    """1 where a row belongs to a group, else 0: [group, row].

    >>> membership(np.array([1, 0, 1]), 2).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    return (np.arange(count)[:, None] == group).astype(float)


def add_up(rows: np.ndarray) -> np.ndarray:
    """Sum rows [.., row, lane] to [.., lane], one row after the other.

    >>> add_up(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [4.0, 6.0]
    """
    if rows.shape[-1] > FEW:
        return np.asarray(np.add.reduce(rows, axis=-2))
    return np.einsum("...rl->...l", rows)  # sets up once where `reduce` starts anew for every row


class Groups:
    """Which rows belong to which group: sums of few rows a group, without the zeros of `membership`."""

    def __init__(self, group: np.ndarray, count: int) -> None:
        self._lay_out([np.flatnonzero(group == g) for g in range(count)], len(group))

    @classmethod
    def choose(cls, members: Sequence[Sequence[int]], rows: int) -> "Groups":
        """Groups by their members, of so many rows; a row may stand in several, or in none."""
        groups = cls.__new__(cls)
        groups._lay_out([np.array(m, dtype=np.intp) for m in members], rows)
        return groups

    def _lay_out(self, members: list[np.ndarray], rows: int) -> None:
        count = len(members)
        order = sorted(range(count), key=lambda g: -len(members[g]))
        most = max((len(m) for m in members), default=0)
        self.rounds = [
            np.array([members[g][r] for g in order if len(members[g]) > r]) for r in range(most)
        ]
        """The first row of every group that has one, the second ...; large groups stand first."""
        self.place = np.argsort(order, kind="stable")
        self.filled = np.full((most, count), rows)
        """The same by [round, group], for few lanes; groups that are short take a row of zeros."""
        for g, own in enumerate(members):
            self.filled[: len(own), g] = own

    def sum(self, rows: np.ndarray) -> np.ndarray:
        """Sum rows [.., row, lane] to [.., group, lane]; a group without rows has 0.

        >>> Groups(np.array([1, 0, 1]), 3).sum(np.array([[1.0], [2.0], [4.0]])).tolist()
        [[2.0], [5.0], [0.0]]
        """
        *before, count, lanes = rows.shape
        if lanes <= FEW:
            padded = np.zeros((*before, count + 1, lanes))
            padded[..., :count, :] = rows
            return np.add.reduce(padded.take(self.filled, axis=-2), axis=-3)
        total = np.zeros((*before, len(self.place), lanes))
        for index in self.rounds:
            total[..., : len(index), :] += rows.take(index, axis=-2)
        return total.take(self.place, axis=-2)


@dataclass(frozen=True)
class Batch:
    """Stretches of rows that are summed in one call: one, or several side by side, short ones filled up."""

    at: slice
    """Which of the stretches."""
    rows: slice
    """The rows of all of them."""
    places: np.ndarray | None
    """Row of each [stretch, place], where there are several; any row where there is none."""
    filled: np.ndarray
    """There is a row: [stretch, place]."""
    back: np.ndarray
    """Place of each row, the places of all stretches counted on."""
    of: np.ndarray
    """Stretch of each row."""

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Rows [.., row, segment, lane] by stretch: [.., stretch, place, segment, lane]."""
        if self.places is None:
            return rows[..., None, self.rows, :, :]
        return rows.take(self.places, axis=-3)

    def table(self, weights: np.ndarray) -> np.ndarray:
        """Weights [.., row, replication] by stretch, 0 where there is no row."""
        if self.places is None:
            return weights[..., None, self.rows, :]
        return weights.take(self.places, axis=-2) * self.filled[..., None]

    def spread(
        self, spec: str, weights: np.ndarray, amounts: np.ndarray, out: np.ndarray
    ) -> np.ndarray:
        """Weigh amounts into [stretch, place, segment, lane], and those into the rows of `out`."""
        if self.places is None:
            weigh(spec, weights, amounts, out=out[None, self.rows])
            return out
        every = weigh(spec, weights, amounts)
        return every.reshape(-1, *out.shape[1:]).take(self.back, axis=0, out=out, mode="clip")


def batches(stretches: Sequence[slice], columns: int) -> list[Batch]:
    """Stretches that follow each other: each alone, or all in one where they have few columns.

    >>> few, many = (batches([slice(0, 1), slice(1, 3)], columns) for columns in (8, 4096))
    >>> few[0].gather(np.arange(3.0)[:, None, None]).ravel().tolist(), len(many)
    ([0.0, 0.0, 1.0, 2.0], 2)
    """
    if columns > FEW or len(stretches) < 2:
        return [_alone(number, rows) for number, rows in enumerate(stretches)]
    longest = max(rows.stop - rows.start for rows in stretches)
    place, first = np.arange(longest), np.array([rows.start for rows in stretches])[:, None]
    filled = first + place < np.array([rows.stop for rows in stretches])[:, None]
    last = stretches[-1].stop
    places = np.where(filled, first + place, first)
    return [Batch(
        slice(0, len(stretches)), slice(0, last), places, filled, np.flatnonzero(filled), np.nonzero(filled)[0],
    )]  # fmt: skip


def _alone(number: int, rows: slice) -> Batch:
    """One stretch."""
    count = rows.stop - rows.start
    return Batch(
        slice(number, number + 1), rows, None, np.ones((1, count), bool), np.arange(count), np.array([number]),
    )  # fmt: skip


def weigh(
    spec: str, weights: np.ndarray, rows: np.ndarray, out: np.ndarray | None = None
) -> np.ndarray:
    """Sum of weights [.., replication] x rows [.., lane], the other axes as `spec` says.

    The last axis of the weights is a replication (length 1 where they are certain) and is not in
    their part of `spec`.

    >>> weigh("bu,ul->bl", np.array([[[0.5], [2.0]]]), np.array([[4.0, 6.0], [1.0, 1.0]])).tolist()
    [[4.0, 5.0]]
    >>> weigh("u,ul->l", np.array([[0.5, 1.0], [2.0, 3.0]]), np.array([[4.0, 6.0], [1.0, 1.0]])).tolist()
    [4.0, 9.0]
    """
    if weights.shape[-1] == 1:
        return np.einsum(spec, weights[..., 0], rows, out=out)
    return np.einsum(spec.replace(",", "l,", 1), weights, rows, out=out)


def runs(chosen: np.ndarray) -> list[slice]:
    """Stretches of rows that are chosen.

    >>> runs(np.array([True, True, False, True]))
    [slice(0, 2, None), slice(3, 4, None)]
    """
    edges = np.flatnonzero(np.diff(np.r_[0, chosen, 0])).tolist()
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]
