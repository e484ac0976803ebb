"""Quantile functions: one uniform in, one count (or one positive multiplier) out.

symbol    meaning                                            unit    shape
n         trials                                             count   [cell, plan, replication]
p, q      probability of success, of failure                 1       [cell, plan, replication]
mean      expected count: n p                                count   [cell, plan, replication]
variance  of the count: n p q                                count2  [cell, plan, replication]
u         uniform, strictly inside (0, 1)                    1       [cell, 1, replication]
z         standard normal quantile of u                      1       [cell, 1, replication]
k         a count; drawn is the least k with P(X <= k) >= u  count
pmf       P(X = k)                                           1       [few]
shape     mean^2 / variance of a gamma distribution          1       [cell, plan, replication]

Two methods meet at a variance of 9: below it sequential inversion, which is exact; from it on the
Cornish-Fisher expansion to third order, off by one count in at most 0.3% of draws and in the mean
by less than 3e-5. Both know two tails: the expansion changes sign with q - p, and the inversion
counts failures from 1 - u where p > 1/2.

No value depends on its neighbours: `exp` and `log1p` see contiguous arrays of two elements or more
(NumPy has other loops, with other last bits, for anything else), every other step is exactly
rounded, and an element that is done leaves the loop alone.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]
Places = NDArray[np.intp]

LEAST_VARIANCE = 9.0  # of the expansion; smaller draws are few, and inverted
LAST_COUNT = 64  # P(X > 64) < 1e-25 wherever the variance is below 9
STRETCHES = (1, 3, 7, 13, 21, 33, LAST_COUNT + 1)  # counts after which finished draws leave
INVERSE = 1.0 / np.arange(1, LAST_COUNT + 1)[:, None]  # of every count
BLOCK = 22528  # draws worked on at once: fewer calls, and they still fit a shared cache
FEW = 16384  # draws inverted at once
WORTH_SKIPPING = 4096  # draws whose expansion costs more than the calls for a further stretch
LEAST_SHAPE = 0.1  # smaller gamma shapes are drawn as this one
PLAIN_SHAPE = 4.0  # from here on the mean of the cube is 1 - 2e-5 or nearer


class Workspace:
    """Work arrays by name, allocated once: page faults make fresh large arrays 2-4 times dearer."""

    def __init__(self) -> None:
        self._memory: dict[str, Array] = {}
        self._zeros = np.zeros(0)

    def arrays(self, name: str, count: int, shape: tuple[int, ...]) -> Array:
        """Uninitialised [count, *shape]; the same name hands out the same memory again."""
        size = count * math.prod(shape)
        memory = self._memory.get(name)
        if memory is None or memory.size < size:
            memory = self._memory[name] = np.empty(size)
        return memory[:size].reshape(count, *shape)

    def zeros(self, shape: tuple[int, ...]) -> Array:
        """Zeros to compare with: `maximum` of two arrays takes a third of the time of a scalar."""
        size = math.prod(shape)
        if self._zeros.size < size:
            self._zeros = np.zeros(size)
        return self._zeros[:size].reshape(shape)


class Terms(NamedTuple):
    """The powers of z in the Cornish-Fisher expansion, each [.., cell, 1, replication]."""

    z: Array
    second: Array  # (z^2 - 1) / 6
    third: Array  # -(z^3 + 2 z) / 72
    third_pq: Array  # (7 z - z^3) / 36

    def of(self, rows: slice | int) -> "Terms":
        """The terms of some cells, or of a step."""
        return Terms(*(term[rows] for term in self))


def expansion_terms(z: Array) -> Terms:
    """The powers of z that all plans of a replication share."""
    square = z * z
    return Terms(z, (square - 1) / 6, z * (square + 2) / -72, z * (7 - square) / 36)


# --- counts -------------------------------------------------------------------------------------


def binomial_quantile(
    n: Array, p: Array, u: Array, terms: Terms, out: Array, *, work: Workspace | None = None
) -> Array:
    """Successes among n trials [count]: the least k with P(X <= k) >= u.

    k = floor(n p + 1/2 + s z + (q - p)(z^2 - 1)/6 + (p q (7 z - z^3)/36 - (z^3 + 2 z)/72) / s)
    with s^2 = n p q, the Cornish-Fisher expansion on whole numbers (Giles & Beentjes 2024); below
    s^2 = 9 by inversion. `out` is contiguous; everything else broadcasts to it.

    >>> n, p, u, z = np.array([[[[1e4]]], [[[0.3]]], [[[0.975]]], [[[1.96]]]])
    >>> binomial_quantile(n, p, u, expansion_terms(z), np.empty((1, 1, 1))).item()
    3090.0
    """
    work = work or Workspace()
    n, p, u = (_spread(x, out.shape) for x in (n, p, u))
    _flat(out)
    with np.errstate(all="ignore"):  # p = 0 and p = 1 divide by zero; the few replace the result
        for rows in row_blocks(out.shape):
            block = out[rows]
            moments = work.arrays("moments", 5, block.shape)
            _binomial_moments(n[rows], p[rows], moments)
            small = moments[2] < LEAST_VARIANCE
            few = _places(small)
            flat_n, flat_p, flat_u = (x[rows].reshape(-1) for x in (n, p, u))
            uncertain = _not_surely_zero(few, moments[1], flat_u)
            uncertain, columns = _gathered(uncertain, (flat_n, flat_p, flat_u), work)
            for some in _not_wholly(small, few.size):
                each = n[rows][some], p[rows][some], terms.of(rows).of(some)
                zeros = work.zeros(block[some].shape)
                _expand_binomial(*each, moments[:, some], block[some], zeros=zeros)
            flat = block.reshape(-1)
            flat[few] = 0.0
            for part in _parts(uncertain.size):
                flat[uncertain[part]] = _invert_binomial(columns[:, part], work)
    return out


def _binomial_moments(n: Array, p: Array, moments: Array) -> None:
    """Write q, n p and n p q into the first three of `moments`."""
    q, mean, variance = moments[:3]
    np.subtract(1.0, p, out=q)
    np.multiply(n, p, out=mean)
    np.multiply(mean, q, out=variance)


def _expand_binomial(
    n: Array, p: Array, terms: Terms, moments: Array, out: Array, *, zeros: Array
) -> None:
    """Write the expansion, bounded by 0 and n, into `out`; `moments` are overwritten."""
    q, mean, variance, deviation, x = moments
    np.sqrt(variance, out=deviation)
    np.multiply(p, q, out=x)
    x *= terms.third_pq
    x += terms.third
    x /= deviation
    deviation *= terms.z
    x += deviation
    q -= p
    q *= terms.second
    x += q
    x += mean
    x += 0.5
    np.minimum(x, n, out=x)
    np.floor(x, out=x)
    np.maximum(x, zeros, out=out)


def _invert_binomial(columns: Array, work: Workspace) -> Array:
    """Count successes or, where they are the many, failures; the columns n, p and u are overwritten."""
    n, p, u = columns
    np.floor(n, out=n)
    failing = _places(p > 0.5)
    p[failing] = np.maximum(1.0 - p[failing], 0.0)
    u[failing] = 1.0 - u[failing]
    state = work.arrays("even", 4, n.shape)
    left, pmf, slope, odds = state
    np.negative(p, out=odds)
    np.log1p(odds, out=pmf)
    pmf *= n
    np.exp(pmf, out=pmf)
    np.subtract(u, pmf, out=left)
    odds += 1.0
    np.divide(p, odds, out=odds)
    np.add(n, 1.0, out=slope)
    slope *= odds
    counts = _count_up(state, work)
    np.minimum(counts, n, out=counts)
    counts[failing] = n[failing] - counts[failing]
    return counts


# --- inversion ----------------------------------------------------------------------------------


def _places(chosen: NDArray[np.bool_]) -> Places:
    """Where it is true, counted through all axes."""
    return chosen.reshape(-1).nonzero()[0]


def _gathered(places: Places, columns: tuple[Array, ...], work: Workspace) -> tuple[Places, Array]:
    """What stands at the places, [column, few]; one draw alone stands twice (see the module's head)."""
    places = np.repeat(places, 2) if places.size == 1 else places
    values = work.arrays("few", len(columns), places.shape)
    for column, value in zip(columns, values, strict=True):
        column.take(places, out=value, mode="clip")
    return places, values


def _not_wholly(small: NDArray[np.bool_], count: int) -> list[slice]:
    """Stretches of cells [cell, plan, replication] in which not every draw is small, short gaps included; all of
    them where less than half of the draws are.

    >>> _not_wholly(np.arange(3)[:, None, None] > 0, 2)
    [slice(0, 1, None)]
    """
    if 2 * count < small.size:
        return [slice(0, len(small))]
    some = np.logical_not(np.logical_and.reduce(small.reshape(len(small), -1), axis=1))
    cells, gap = some.nonzero()[0].tolist(), WORTH_SKIPPING // small[0].size
    ends = [k for k in range(len(cells)) if k + 1 == len(cells) or cells[k + 1] - cells[k] > gap]
    starts = [0, *(k + 1 for k in ends[:-1])]
    return [slice(cells[a], cells[b] + 1) for a, b in zip(starts, ends, strict=False)]


def _parts(size: int) -> Iterator[slice]:
    """Even parts that fit a core's own cache.

    >>> [part.stop - part.start for part in _parts(40000)]
    [13333, 13333, 13334]
    """
    count = -(-size // FEW)
    edges = [size * part // count for part in range(count + 1)] if count else []
    return (slice(first, last) for first, last in pairwise(edges))


def _not_surely_zero(places: Places, mean: Array, u: Array) -> Places:
    """Those of the places where u > 1 - mean; elsewhere P(X = 0) >= 1 - mean >= u draws zero."""
    if not places.size:
        return places
    reach = mean.take(places, mode="clip")
    reach += u.take(places, mode="clip")
    return places.compress(reach > 1.0)


def _count_up(state: Array, work: Workspace) -> Array:
    """The number of k with u > P(X <= k), where P(X = k) = P(X = k - 1) (slope / k - odds).

    The rows of `state` are u - P(X = 0), P(X = 0), slope and odds.
    """
    counts = work.arrays("counts", 1, state.shape[1:])[0]
    draws: Places | None = None  # all of them
    spare = "odd"
    for first, last in pairwise(STRETCHES):
        above = _count_stretch(INVERSE[first - 1 : last - 1], state, work)
        if draws is None:
            counts[...] = above
        else:
            counts[draws] += above
        alive = _places(state[0] > 0.0)
        if not alive.size:
            return counts
        smaller = work.arrays(spare, len(state), alive.shape)
        spare = "even" if spare == "odd" else "odd"
        state = state.take(alive, axis=1, out=smaller, mode="clip")
        draws = alive if draws is None else draws[alive]
    return counts


def _count_stretch(inverse: Array, state: Array, work: Workspace) -> NDArray[np.int8]:
    """How many of some k, of which there is 1 / k [k, 1], are counted; P(X = k) is taken from what is left of u,
    one after another.
    """
    left, pmf, slope, odds = state
    chance, rest = work.arrays("stretch", 2, (len(inverse), left.size))
    np.multiply(slope, inverse, out=chance)
    chance -= odds
    chance[0] *= pmf
    for before, after in pairwise(chance):
        np.multiply(after, before, out=after)
    rest[0] = left
    for row, before, taken in zip(rest[1:], rest[:-1], chance[:-1], strict=True):
        np.subtract(before, taken, out=row)
    np.subtract(rest[-1], chance[-1], out=left)
    np.copyto(pmf, chance[-1])
    return np.add.reduce((rest > 0.0).view(np.int8), axis=0, dtype=np.int8)


# --- positive multipliers -----------------------------------------------------------------------


def gamma_multiplier(
    inverse_shape: Array, z: Array, out: Array, *, work: Workspace | None = None
) -> Array:
    """Mean-one gamma multiplier [1] by Wilson & Hilferty (1931), never negative.

    max(0, 1 - v/9 + z sqrt(v)/3)^3 with v = 1/shape; where the shape is below 4 it is divided by
    its own mean. An infinite or undefined v (the average of nothing) gives 1.

    >>> v, z = np.array([[[[0.01]]], [[[1.0]]]])
    >>> round(gamma_multiplier(v, z, np.empty((1, 1, 1))).item(), 4)
    1.0998
    """
    work = work or Workspace()
    v, z = _spread(inverse_shape, out.shape), _spread(z, out.shape)
    with np.errstate(invalid="ignore", over="ignore"):
        for rows in row_blocks(out.shape):
            _cube(v[rows], z[rows], out[rows], work)
            wide = np.flatnonzero(~(v[rows] <= 1.0 / PLAIN_SHAPE))
            if wide.size:
                block = _flat(out[rows])
                block[wide] = _divided_cube(np.take(v[rows], wide), np.take(z[rows], wide))
    return out


def _cube(v: Array, z: Array, out: Array, work: Workspace) -> None:
    """max(0, 1 - v/9 + z sqrt(v)/3)^3."""
    root, x = work.arrays("moments", 2, out.shape)
    np.sqrt(v, out=root)
    root *= z
    root *= 1.0 / 3.0
    np.multiply(v, -1.0 / 9.0, out=x)
    x += 1.0
    x += root
    np.maximum(x, work.zeros(x.shape), out=x)
    np.multiply(x, x, out=root)
    np.multiply(root, x, out=out)


def _divided_cube(v: Array, z: Array) -> Array:
    """The cube over its mean b^3 ((h^3 + 3 h) Phi(h) + (h^2 + 2) phi(h)), a = 1 - v/9 = b h."""
    v = np.where(np.isfinite(v), np.minimum(v, 1.0 / LEAST_SHAPE), 0.0)
    b = np.sqrt(v) / 3.0
    with np.errstate(divide="ignore", invalid="ignore"):
        h = (1.0 - v / 9.0) / b
        density = steady(np.exp, -0.5 * h * h) / np.sqrt(2.0 * np.pi)
        mean = (h * h * h + 3.0 * h) * ndtr(h) + (h * h + 2.0) * density
    x = np.maximum(h + z, 0.0)
    return np.where(v > 0.0, x * x * x / mean, 1.0)


# --- arrays -------------------------------------------------------------------------------------


def steady(function: np.ufunc, x: Array) -> Array:
    """A function whose last bit does not depend on how many elements it is given.

    >>> steady(np.exp, np.array([0.0])).item()
    1.0
    """
    flat = np.ascontiguousarray(x).reshape(-1)
    if flat.size == 1:
        flat = np.repeat(flat, 2)
    return function(flat)[: x.size].reshape(x.shape)


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cells of [cell, plan, replication] in groups that fit a core's cache."""
    cells, plans, replications = shape
    step = max(1, BLOCK // max(1, plans * replications))
    for first in range(0, cells, step):
        yield slice(first, min(first + step, cells))


def _flat(out: Array) -> Array:
    if not out.flags.c_contiguous:
        raise ValueError("out must be C-contiguous: make it with np.empty, not by slicing")
    return out.reshape(-1)


def _spread(x: Array, shape: tuple[int, ...]) -> Array:
    return x if x.shape == shape else np.broadcast_to(x, shape)
