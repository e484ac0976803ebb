"""Sums over groups of rows: the one door for every weighted sum from rows to groups.

`np.einsum` adds in the order of the rows, one multiplication and one addition at a time and never
through BLAS, so that a lane gets the same sum in any company.
"""

import numpy as np


def membership(group: np.ndarray, count: int) -> np.ndarray:
    """1 where a row belongs to a group, else 0: [group, row].

    >>> membership(np.array([1, 0, 1]), 2).tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """
    return (np.arange(count)[:, None] == group).astype(float)


class Groups:
    """Which rows belong to which group: sums of few rows a group, without the zeros of `membership`."""

    def __init__(self, group: np.ndarray, count: int) -> None:
        members = [np.flatnonzero(group == g) for g in range(count)]
        order = sorted(range(count), key=lambda g: -len(members[g]))
        most = max((len(m) for m in members), default=0)
        self.rounds = [
            np.array([members[g][r] for g in order if len(members[g]) > r]) for r in range(most)
        ]
        """The first row of every group that has one, the second ...; large groups stand first."""
        self.place = np.argsort(order, kind="stable")

    def sum(self, rows: np.ndarray) -> np.ndarray:
        """Sum rows [.., row, lane] to [.., group, lane]; a group without rows has 0.

        >>> Groups(np.array([1, 0, 1]), 3).sum(np.array([[1.0], [2.0], [4.0]])).tolist()
        [[2.0], [5.0], [0.0]]
        """
        total = np.zeros((*rows.shape[:-2], len(self.place), rows.shape[-1]))
        for index in self.rounds:
            total[..., : len(index), :] += rows.take(index, axis=-2)
        return total.take(self.place, axis=-2)


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
