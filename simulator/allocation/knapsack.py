"""The best sum of independent curves at every total: an exact knapsack by dynamic programming.

symbol   meaning                                                        shape
v        what a part brings when it gets n units of money, -inf where   [unit]
         it cannot have them
V        the best that a set of parts brings with n units together      [unit]

V_ab(n) = max over k of V_a(k) + V_b(n - k)  (max-plus convolution; Bellman 1957; multiple-choice
knapsack: Sinha and Zoltners 1979). Parts are merged in the order of the limits: cells and packages of
a scene, scenes of a group, groups; limits cut the merged curve. No shape of the curves is assumed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
IMPOSSIBLE = -np.inf


@dataclass(frozen=True, eq=False)
class Curve:
    """The best of a set of parts at every number of units, and how to find it again."""

    best: Array
    """[unit]"""
    left: "Curve | None" = None
    right: "Curve | None" = None
    given: NDArray[np.intp] | None = None
    """Units of the right part at every total: [unit]."""
    part: int = -1
    """Number of the part, if it is a single one."""

    def units(self, total: int) -> dict[int, int]:
        """Units of every part at the best split of a total."""
        if self.left is None or self.right is None or self.given is None:
            return {self.part: total}
        own = int(self.given[total])
        return self.left.units(total - own) | self.right.units(own)

    def limited(self, least: int, most: int, minimum: int = 0) -> "Curve":
        """The same, impossible below `least` and above `most`, and between nothing and `minimum`."""
        n = np.arange(self.best.size)
        fits = (n >= least) & (n <= most) & ((n == 0) | (n >= minimum))
        return Curve(
            np.where(fits, self.best, IMPOSSIBLE), self.left, self.right, self.given, self.part
        )

    def costing(self, price: float) -> "Curve":
        """The same, less a price of having anything at all."""
        best = self.best.copy()
        best[1:] -= price
        return Curve(best, self.left, self.right, self.given, self.part)


def merge(a: Curve, b: Curve) -> Curve:
    """The best of both together.

    >>> a, b = Curve(np.array([0.0, 3.0, 4.0]), part=0), Curve(np.array([0.0, 2.0, 2.5]), part=1)
    >>> both = merge(a, b)
    >>> both.best.tolist(), both.units(2)
    ([0.0, 3.0, 5.0], {0: 1, 1: 1})
    """
    size = a.best.size
    best, given = np.full(size, IMPOSSIBLE), np.zeros(size, dtype=np.intp)
    for k in np.flatnonzero(np.isfinite(b.best)):
        tried = a.best[: size - k] + b.best[k]
        better = tried > best[k:]
        best[k:][better] = tried[better]
        given[k:][better] = k
    return Curve(best, a, b, given)


def merge_all(curves: Sequence[Curve], size: int) -> Curve:
    """The best of all together; of none, nothing at no cost."""
    if not curves:
        nothing = np.full(size, IMPOSSIBLE)
        nothing[0] = 0.0
        return Curve(nothing, part=-1)
    whole = curves[0]
    for curve in curves[1:]:
        whole = merge(whole, curve)
    return whole
