"""Chance enters here and nowhere else: one uniform per purpose, cell, replication and step.

symbol    meaning                                                   unit   shape
cell      whatever a purpose decides about: a placement, a product  name
lane      plan * replications + replication                         number
u         uniform, a multiple of 2^-53 strictly inside (0, 1)       1      [cell, 1, replication]
z         standard normal quantile of u                             1      [cell, 1, replication]
window    steps drawn at once                                       step
block     16 replications drawn at once                             number

The uniform never depends on the plan, so that two plans of a replication differ by their decisions
and hardly by luck. It is found by name, not by order of call: Philox with key (seed, hash of
"purpose/cell") and counter (0, block, window, 0). Adding a purpose, a cell or a replication moves
no other draw, and any split of the replications into chunks gives the same numbers.

`Sampled` turns uniforms into whole counts; `Expected` returns the mean of the same decisions.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from simulator.market.bounds import at_least
from simulator.market.quantiles import (
    Array,
    Terms,
    Workspace,
    binomial_quantile,
    expansion_terms,
    gamma_multiplier,
    row_blocks,
    steady,
)

BLOCK_REPLICATIONS = 16
WINDOW = 20  # steps drawn at once; like the block part of a stream's address
LEAST_UNIFORM = 2.0**-53  # so that u and 1 - u both lie inside (0, 1)
SEEDS = 2**64
Amount = ArrayLike  # a number, [cell, 1] or [cell, lane]


class Draws(Protocol):
    """What the market asks of chance; results are [cell, lane], written to `out` if it is given."""

    def at(self, step: int) -> None:
        """Go to a step: what is drawn from now on is drawn there."""

    def choose(self, purpose: str, cells: NDArray[np.intp]) -> None:
        """From now on a purpose decides about these of its cells alone."""

    def binomial(self, purpose: str, n: Amount, p: Amount, *, out: Array | None = None) -> Array:
        """Successes [count] among n trials of probability p."""

    def split(
        self, purpose: str, total: Amount, weights: Array, *, out: Array | None = None
    ) -> Array:
        """Parts [part, cell, lane] of a total by weight; all zero where all weights are zero."""

    def round_off(self, purpose: str, amount: Amount) -> Array:
        """A whole amount whose mean is the amount."""

    def factor(self, purpose: str, sd: Amount, cells: int) -> Array:
        """Mean-one lognormal multiplier [1] of standard deviation sd: a number or [cell, 1]."""

    def mean_noise(self, purpose: str, count: Amount, cv: Amount) -> Array:
        """Mean-one multiplier [1] of the average of `count` amounts, sd / mean of each being cv."""

    def normal(self, purpose: str, cells: int) -> Array:
        """Standard normal [1], the same for all plans."""

    def exponential(self, purpose: str, cells: int) -> Array:
        """Exp(1) [1]: the integrated hazard at which a clock rings. Draw once and keep it."""


class Expected:
    """The mean of every decision; smooth, for the mean field and the optimiser."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes

    def at(self, step: int) -> None:
        """Nothing depends on the step."""

    def choose(self, purpose: str, cells: NDArray[np.intp]) -> None:
        """Means are asked for cell by cell."""

    def binomial(self, purpose: str, n: Amount, p: Amount, *, out: Array | None = None) -> Array:
        """The mean: n p."""
        return np.multiply(n, p, out=out)

    def split(
        self, purpose: str, total: Amount, weights: Array, *, out: Array | None = None
    ) -> Array:
        """Total * weight / sum of weights.

        >>> Expected(2).split("paid_by", [[8.0, 8.0]], np.array([[[1.0, 0.0]], [[3.0, 0.0]]]))
        array([[[2., 0.]],
        <BLANKLINE>
               [[6., 0.]]])
        """
        out = np.empty_like(weights) if out is None else out
        scale = np.divide(total, _nonzero(np.add.reduce(weights, axis=0)))
        return np.multiply(weights, scale, out=out)

    def round_off(self, purpose: str, amount: Amount) -> Array:
        """The amount."""
        return np.positive(amount)

    def factor(self, purpose: str, sd: Amount, cells: int) -> Array:
        """One."""
        return np.ones((cells, self.lanes))

    def mean_noise(self, purpose: str, count: Amount, cv: Amount) -> Array:
        """One."""
        return np.ones((len(np.atleast_2d(count)), self.lanes))

    def normal(self, purpose: str, cells: int) -> Array:
        """Its mean: zero."""
        return np.zeros((cells, self.lanes))

    def exponential(self, purpose: str, cells: int) -> Array:
        """The mean of the clock: one."""
        return np.ones((cells, self.lanes))


class Sampled:
    """Whole counts, drawn for some replications of every plan."""

    def __init__(
        self,
        seed: int,
        replications: Sequence[int] | NDArray[np.integer[Any]],
        plans: int,
        cells: Mapping[str, Sequence[str]],
    ) -> None:
        """`cells` names the cells of every purpose."""
        self.plans = plans
        self.replications = len(replications)
        source = _Source(seed, np.asarray(replications, dtype=np.int64))
        self._streams = {
            purpose: _Stream(source, purpose, names) for purpose, names in cells.items()
        }
        self._work = Workspace()
        self._step = 0

    def at(self, step: int) -> None:
        """Go to a step: what is drawn from now on is drawn there."""
        self._step = step

    def choose(self, purpose: str, cells: NDArray[np.intp]) -> None:
        """From now on a purpose decides about these of its cells alone: places in their list."""
        self._streams[purpose].choose(cells)

    def binomial(self, purpose: str, n: Amount, p: Amount, *, out: Array | None = None) -> Array:
        """Successes [count] among n trials of probability p.

        >>> draws = Sampled(seed=11, replications=[0, 1], plans=2, cells={"click": ["search"]})
        >>> draws.binomial("click", [[9e4, 9e4, 8e4, 8e4]], 0.05)
        array([[4676., 4486., 4166., 3986.]])
        """
        u, terms = self._uniform(purpose), self._streams[purpose].terms(self._step)
        counts = self._room(u, out)
        n_view, p_view = self._by_plan(n, u), self._by_plan(p, u)
        binomial_quantile(n_view, p_view, u, terms, counts, work=self._work)
        return self._deliver(counts, out)

    def split(
        self, purpose: str, total: Amount, weights: Array, *, out: Array | None = None
    ) -> Array:
        """Whole parts [part, cell, lane] of a whole total: systematic rounding by one uniform.

        part_k = floor(C_k total + u) - floor(C_(k-1) total + u), C the cumulated weights over their
        sum (Madow 1949). Each part is off its share by less than one, and on average by nothing.
        """
        u = self._uniform(purpose)
        weights_view = np.asarray(weights).reshape(len(weights), len(u), self.plans, -1)
        total_view = self._by_plan(total, u)
        out = np.empty(weights.shape) if out is None else out
        parts = out.reshape(weights_view.shape)
        for rows in row_blocks((len(u), len(weights) * self.plans, self.replications)):
            _split(
                total_view[rows], weights_view[:, rows], u[rows], parts[:, rows], work=self._work
            )
        return out

    def round_off(self, purpose: str, amount: Amount) -> Array:
        """A whole amount whose mean is the amount: floor(amount + u)."""
        u = self._uniform(purpose)
        amount_view, whole = self._by_plan(amount, u), self._room(u)
        for rows in row_blocks(whole.shape):
            (fraction,) = self._work.arrays("fraction", 1, whole[rows].shape)
            _round_off(amount_view[rows], u[rows], whole[rows], fraction)
        return whole.reshape(len(u), -1)

    def factor(self, purpose: str, sd: Amount, cells: int) -> Array:
        """Mean-one lognormal multiplier [1]: exp(s z - s^2 / 2) with s^2 = ln(1 + sd^2)."""
        z = self._z_of(purpose)[:, 0]
        spread = np.sqrt(steady(np.log1p, np.broadcast_to(np.square(sd), (cells, z.shape[1]))))
        return self._over_plans(steady(np.exp, spread * z - 0.5 * spread * spread))

    def mean_noise(self, purpose: str, count: Amount, cv: Amount) -> Array:
        """Mean-one gamma multiplier [1] of shape count / cv^2; 1 where the count is 0."""
        z = self._z_of(purpose)
        noise = self._room(z)
        (inverse_shape,) = self._work.arrays("inverse shape", 1, noise.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            variation = np.square(self._by_plan(cv, z))
            np.divide(variation, self._by_plan(count, z), out=inverse_shape)
        gamma_multiplier(inverse_shape, z, noise, work=self._work)
        return noise.reshape(len(z), -1)

    def normal(self, purpose: str, cells: int) -> Array:
        """Standard normal [1], common to all plans of a replication."""
        z = self._z_of(purpose)[:, 0]
        return self._over_plans(np.broadcast_to(z, (cells, z.shape[1])))

    def exponential(self, purpose: str, cells: int) -> Array:
        """Exp(1) [1], common to all plans of a replication: -ln u."""
        u = self._uniform(purpose)[:, 0]
        return self._over_plans(-steady(np.log, np.broadcast_to(u, (cells, u.shape[1]))))

    def _uniform(self, purpose: str) -> Array:
        return self._streams[purpose].uniform(self._step)

    def _z_of(self, purpose: str) -> Array:
        return self._streams[purpose].normal(self._step)

    def _by_plan(self, x: Amount, u: Array) -> Array:
        """View x as [cell, plan, replication]."""
        x, shape = np.asarray(x, dtype=np.float64), (len(u), self.plans * self.replications)
        x = x if x.shape == shape else np.broadcast_to(x, shape)
        return x.reshape(len(u), self.plans, self.replications)

    def _room(self, u: Array, out: Array | None = None) -> Array:
        """Contiguous [cell, plan, replication] to write to: `out` itself where it can be."""
        shape = (len(u), self.plans, self.replications)
        if out is None or not out.flags.c_contiguous:
            return np.empty(shape)
        return out.reshape(shape)

    @staticmethod
    def _deliver(result: Array, out: Array | None) -> Array:
        """The result as [cell, lane], in `out` if there is one."""
        lanes = result.reshape(len(result), -1)
        if out is None:
            return lanes
        if not np.may_share_memory(lanes, out):
            out[...] = lanes
        return out

    def _over_plans(self, x: Array) -> Array:
        """[cell, replication], the same for every plan."""
        return np.tile(x, self.plans)


def strata(names: Sequence[str], points: int, order: int = 0) -> Array:
    """Standard normals of a Latin hypercube [name, point], of mean 0 and variance 1 for every name.

    Each name takes the middles of `points` equally likely strata once, in the order that it and the
    number of the order alone decide.

    >>> z = strata(["demand", "luck.tea"], 4)
    >>> z.mean(axis=1).round(12).tolist(), (z**2).mean(axis=1).round(12).tolist()
    ([0.0, 0.0], [1.0, 1.0])
    """
    middles = ndtri((np.arange(points) + 0.5) / points)
    middles /= np.sqrt(np.square(middles).mean()) or 1.0
    orders = [
        np.random.Generator(np.random.Philox(_hash(f"strata/{order}/{name}"))).permutation(points)
        for name in names
    ]
    return np.array([middles[order] for order in orders]).reshape(len(names), points)


# --- rounding -----------------------------------------------------------------------------------


def _round_off(x: Array, u: Array, out: Array, fraction: Array) -> None:
    """floor(x + u), by the fraction of x: x + u itself rounds up when x is large and u near 1."""
    np.floor(x, out=out)
    np.subtract(x, out, out=fraction)
    fraction += u
    np.floor(fraction, out=fraction)
    out += fraction


def _split(total: Array, weights: Array, u: Array, out: Array, *, work: Workspace) -> None:
    """Systematic rounding of every cumulated part by the same u; the last of them is the total."""
    edge, target, fraction = work.arrays("split", 3, out.shape)
    np.copyto(edge, weights)
    for before, after in pairwise(edge):
        np.add(after, before, out=after)
    inner, whole = edge[:-1], edge[-1]
    np.divide(inner, _nonzero(whole), out=target[:-1])
    target[:-1] *= total
    _round_off(target[:-1], u, inner, fraction[:-1])
    np.multiply(total, whole > 0.0, out=whole)
    out[0] = edge[0]
    np.subtract(edge[1:], edge[:-1], out=out[1:])


def _nonzero(total: Array) -> Array:
    """The total, but 1 where it is 0."""
    return total if np.count_nonzero(total) == total.size else np.where(total == 0.0, 1.0, total)


# --- streams ------------------------------------------------------------------------------------


class _Source:
    """Uniforms by address. One Philox is moved about: making one costs six times as much."""

    def __init__(self, seed: int, replications: NDArray[np.int64]) -> None:
        if not 0 <= seed < SEEDS:
            raise ValueError(f"seed must be >= 0 and < 2**64 (got {seed})")
        self.replications = len(replications)
        self._seed = seed
        self._philox = np.random.Philox(0)
        self._generator = np.random.Generator(self._philox)
        self._state: Any = self._philox.state
        self._drawn = np.empty((WINDOW, BLOCK_REPLICATIONS))
        blocks, columns = np.divmod(replications, BLOCK_REPLICATIONS)
        self._blocks = [
            (int(block), _run(np.flatnonzero(blocks == block)), _run(columns[blocks == block]))
            for block in np.unique(blocks)
        ]

    def read(self, stream: int, window: int, out: Array) -> None:
        """Write one window of a stream, [step, replication]."""
        address = self._state["state"]
        address["key"][:] = self._seed, stream
        for block, places, columns in self._blocks:
            address["counter"][:] = 0, block, window, 0
            self._philox.state = self._state
            self._generator.random(out=self._drawn)
            out[:, places] = self._drawn[:, columns]


class _Stream:
    """The uniforms of one purpose, [step, cell, replication], a window at a time."""

    def __init__(self, source: _Source, purpose: str, cells: Sequence[str]) -> None:
        if len(set(cells)) < len(cells):
            raise ValueError(f"cells of {purpose!r} must have different names (got {list(cells)})")
        self._source = source
        self._every = [_hash(f"{purpose}/{cell}") for cell in cells]
        self.choose(np.arange(len(cells)))

    def choose(self, cells: NDArray[np.intp]) -> None:
        """Read these cells alone."""
        self._keys = [self._every[cell] for cell in cells]
        shape = (WINDOW, len(cells), 1, self._source.replications)
        self._u, self._z = np.empty(shape), np.empty(0)  # many purposes never ask for z
        self._window = self._z_window = self._terms_window = -1

    def uniform(self, step: int) -> Array:
        """The u of a step, [cell, 1, replication]."""
        window, row = divmod(step, WINDOW)
        if window != self._window:
            for cell, key in enumerate(self._keys):
                self._source.read(key, window, self._u[:, cell, 0])
            at_least(self._u, LEAST_UNIFORM, out=self._u)
            self._window = window
        return self._u[row]

    def normal(self, step: int) -> Array:
        """The z of a step, [cell, 1, replication]."""
        self.uniform(step)
        if self._z_window != self._window:
            self._z = np.empty_like(self._u) if not self._z.size else self._z
            ndtri(self._u, out=self._z)
            self._z_window = self._window
        return self._z[step % WINDOW]

    def terms(self, step: int) -> Terms:
        """The powers of z of a step, each [cell, 1, replication]."""
        self.normal(step)
        if self._terms_window != self._window:
            self._terms = expansion_terms(self._z)
            self._terms_window = self._window
        return self._terms.of(step % WINDOW)


def _run(places: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """A slice where the places follow each other: it copies three times faster."""
    first, last = int(places[0]), int(places[-1])
    run = np.arange(first, last + 1)
    return slice(first, last + 1) if np.array_equal(run, places) else places


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
