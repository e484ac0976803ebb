"""Numbers of a scenario as arrays, and the odds and hazards of a probability.

Numbers are plain, or arrays [replication] where they are uncertain and have been drawn; `column` stacks
both, so that every formula is written once.
"""

from typing import Any

import numpy as np

LITTLE = 4000  # elements that cost less than the call that reads them


def odds(p: Any) -> Any:
    """Odds of a probability.

    >>> odds(0.2)
    0.25
    """
    return p / (1 - p)


def prob(o: Any) -> Any:
    """Probability of odds; the inverse of `odds`."""
    return o / (1 + o)


def bar(q: Any) -> Any:
    """Hazard of a share that leaves: -ln(1 - q)."""
    return -np.log1p(-np.asarray(q, dtype=float))


def column(values: "list[Any]") -> np.ndarray:
    """Numbers or arrays [replication], stacked: [row, replication], or [row, 1] when all are certain."""
    if not any(isinstance(v, np.ndarray) for v in values):
        return np.array(values, dtype=float)[:, None]
    rows = [np.atleast_1d(np.asarray(v, dtype=float)) for v in values]
    return np.array(np.broadcast_arrays(*rows))


def stack(parts: list[np.ndarray]) -> np.ndarray:
    """Tables as one, a row each."""
    return np.array(np.broadcast_arrays(*parts))


def unless(table: np.ndarray, idle: float) -> np.ndarray | None:
    """The table, or None where it changes nothing."""
    return None if (table == idle).all() else table


def wide(table: np.ndarray, lanes: int) -> np.ndarray:
    """[.., replication] or [.., 1] as [.., lane] where that is little: arrays of one shape meet in a third of the time.

    >>> wide(np.ones((2, 1)), 3).shape, wide(np.ones((2, 1)), 3000).shape
    ((2, 3), (2, 1))
    """
    if table.size * lanes > LITTLE:
        return table
    return np.array(np.broadcast_to(table, (*table.shape[:-1], lanes)))


def flags(rows: list[list[bool]], columns: int) -> np.ndarray:
    """A table of bool that keeps its columns when it has no rows."""
    return np.array(rows, dtype=bool).reshape(len(rows), columns)
