"""What may be decided: money by cell, whole packages, and the limits of both.

symbol   meaning                                                       unit   shape
x        auction money of a cell: a scene in a phase, or the whole     CNY    [row, cell]
         of a scene that keeps its money in one pot
b        whether a contract package is booked                          bool   [row, package]
B        budget: sum(x) + prices of what is booked + what is sunk      CNY    [row]
y        money before it is made to fit                                CNY    [row, cell]
k        size of a cell: y + a millionth of the budget                  CNY    [row, cell]
tau      share that is taken off every cell until the sum fits         1      [row, ..]

Limits are laid on three levels, cells in scenes in groups; a scene's money is all that it costs:
auctions, packages, those that are signed among them, and fees for what is cancelled. The nearest plan
that keeps all of them, x = y - tau k, takes the same share off every cell, save where a limit binds
(projection on a box with one sum, here with nested sums and weights 1 / k: Brucker 1984). Cells
without money stay without, unless nothing else has room.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import UserError

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
HALVINGS = 70
"""Bisections of tau: the sum is then met to about 1e-13 of the budget."""
SPAN = 4e6
"""Largest tau that can be needed: all of the budget to a cell that had nothing."""


@dataclass(frozen=True)
class Limits:
    """What a user fixes: amounts [CNY] by "scene", "scene.phase" or the name of a group.

    Floors, caps and locks of a scene count its packages and fees for cancelled ones. A scene with a
    `minimum` gets no more than it pays in any plan, or at least that. `packages` says which bookings
    must (True) or must not (False) be made.
    """

    floors: Mapping[str, float] = field(default_factory=dict)
    caps: Mapping[str, float] = field(default_factory=dict)
    locks: Mapping[str, float] = field(default_factory=dict)
    minimums: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    packages: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of decisions."""

    money: Array
    """[row, cell]"""
    booked: Flags
    """[row, package]"""

    def __len__(self) -> int:
        return len(self.money)

    def take(self, rows: "NDArray[np.intp] | Sequence[int] | slice | Flags") -> "Split":
        """Some of the rows."""
        return Split(self.money[rows], self.booked[rows])


def stack(splits: Sequence[Split]) -> Split:
    """All rows, one after another."""
    return Split(
        np.concatenate([s.money for s in splits]), np.concatenate([s.booked for s in splits])
    )


@dataclass(frozen=True, eq=False)
class Problem:
    """Cells, packages and limits, as arrays."""

    budget: float
    cells: tuple[str, ...]
    """"scene.phase", or "scene" for one pot."""
    scenes: tuple[str, ...]
    scene_of: NDArray[np.intp]
    """[cell]"""
    low: Array
    high: Array
    """Least and most money: [cell]."""
    floor: Array
    cap: Array
    """Least and most of a scene, packages included: [scene]."""
    minimum: Array
    """No more than is sunk, or at least this: [scene]."""
    fixed: Array
    """Cost of running a scene that a plan may leave closed: [scene]."""
    sunk: Array
    """What every plan pays: bookings that cannot be cancelled, fees of those that can [CNY]: [scene]."""
    groups: tuple[str, ...] = ()
    group_word: str = "group"
    """What a group is called in messages."""
    group_of: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    """[scene]; -1 where it is in none."""
    group_floor: Array = field(default_factory=lambda: np.zeros(0))
    group_cap: Array = field(default_factory=lambda: np.zeros(0))
    packages: tuple[str, ...] = ()
    price: Array = field(default_factory=lambda: np.zeros(0))
    """What booking adds to the cost of the plan: the fee for cancelling, which is sunk, is taken off: [package]."""
    payer: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    """Scene that owns it: [package]."""
    must: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    may: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """Whether it has to be, and can be booked: [package]."""
    partners: frozenset[str] | None = None
    """Commissioned media beside every plan; None: all of the file."""

    # ------------------------------------------------------------------ sums
    @cached_property
    def of_scene(self) -> Flags:
        """Which cells are a scene's: [scene, cell]."""
        return self.scene_of == np.arange(len(self.scenes))[:, None]

    @cached_property
    def of_group(self) -> Flags:
        """Which scenes are in a group: [group, scene]."""
        return self.group_of == np.arange(len(self.groups))[:, None]

    @cached_property
    def owns(self) -> Flags:
        """Which packages are a scene's: [scene, package]."""
        return self.payer == np.arange(len(self.scenes))[:, None]

    @property
    def fees(self) -> float:
        """What a plan pays that books nothing [CNY]."""
        return float(self.sunk.sum())

    def booked_money(self, booked: Flags) -> Array:
        """What packages and cancellations cost each scene: [row, scene]."""
        return sums(booked * self.price, self.owns) + self.sunk

    def contract_money(self, booked: Flags) -> Array:
        """What packages and cancellations cost: [row]."""
        return np.asarray((booked * self.price).sum(axis=1) + self.fees)

    def fixed_costs(self, split: Split) -> Array:
        """Cost of the scenes that run, those apart that run in every plan: [row]."""
        runs = (sums(split.money, self.of_scene) > 0) | (sums(split.booked, self.owns) > 0)
        return np.asarray((runs * self.fixed).sum(axis=1))

    def least(self, booked: Flags) -> Array:
        """Least money of each scene with these bookings: [row, scene]."""
        low = sums(self.low[None], self.of_scene) + self.booked_money(booked)
        low = np.maximum(self.floor, low)
        return np.where(low > self.sunk, np.maximum(low, self.minimum), low)

    def per_scene(self, groups: NDArray[Any]) -> NDArray[Any]:
        """Values of groups [row, group] for each of their scenes, nothing for one in none: [row, scene]."""
        none = np.zeros((len(groups), 1), dtype=groups.dtype)
        return np.append(groups, none, axis=1)[:, self.group_of]

    def total(self, split: Split) -> Array:
        """Money of the plan: [row]."""
        return np.asarray(split.money.sum(axis=1) + self.contract_money(split.booked))

    # ------------------------------------------------------------------ fitting
    def repair(
        self, split: Split, budget: Array | float | None = None, *, most: Array | None = None
    ) -> Split:
        """The nearest rows that keep every limit and cost the whole budget, if limits let them.

        `most` [row, cell] are further caps, which give way to floors. Where the caps leave no room for
        the budget, all of them bind and the rest is not planned; packages are kept as far as `must`,
        `may`, limits and the budget let them, the first ones first.
        """
        total = np.broadcast_to(self.budget if budget is None else budget, len(split))
        booked = self._payable(split.booked, total)
        room = np.maximum(total - self.contract_money(booked), 0.0)
        paid = self.booked_money(booked)
        high = self.high if most is None else self._eased(most, paid)
        fit = _Fit(self, np.maximum(high, self.low), paid)
        money = fit.money(split.money, room)
        for _ in self.scenes:
            if not fit.below_minimum(money).any():
                break
            fit = fit.decided(money, room)
            money = fit.money(split.money, room)
        return Split(money, booked)

    def _payable(self, wish: Flags, total: Array) -> Flags:
        """Wishes, and what must be booked, without the last ones that cannot be paid: [row, package]."""
        booked = (wish & self.may) | self.must
        for q in np.flatnonzero(self.may & ~self.must)[::-1]:
            booked[:, q] &= ~self._over(booked, total)[:, self.payer[q]]
        return booked

    def _over(self, booked: Flags, total: Array) -> Flags:
        """Scenes whose bookings pass their cap, that of their group, or the budget [row]: [row, scene]."""
        least = self.least(booked)
        groups = sums(least, self.of_group)
        more = np.maximum(self.group_floor - groups, 0.0)
        whole = least.sum(axis=1) + more.sum(axis=1) > total * (1 + 1e-9)
        own, group = least > self.cap * (1 + 1e-9), groups > self.group_cap * (1 + 1e-9)
        return np.asarray(own | self.per_scene(group) | whole[:, None])

    def _eased(self, most: Array, paid: Array) -> Array:
        """Further caps, widened alike where a scene or a group could not reach its floor."""
        most = np.minimum(most, SPAN * self.budget)
        if not (self.floor.any() or self.group_floor.any()):
            return np.minimum(most, self.high)
        of_group = self.of_group.astype(float) @ self.of_scene > 0
        for floor, spent, member in (
            (self.floor, paid, self.of_scene),
            (self.group_floor, sums(paid, self.of_group), of_group),
        ):
            for _ in self.cells:  # a cell that meets its own limit leaves the rest to the others
                need = np.maximum(floor - spent, 0.0)
                most, short = _widened(np.minimum(most, self.high), self.high, need, member)
                if not short.any():
                    break
        return np.minimum(most, self.high)


def _widened(most: Array, high: Array, need: Array, member: Flags) -> tuple[Array, Flags]:
    """Caps widened towards what is needed, and which groups were short: [row, cell], [row, group]."""
    free = most < high
    held, open_ = sums(np.where(free, 0.0, most), member), sums(np.where(free, most, 0.0), member)
    short = (held + open_ < need * (1 - 1e-12)) & (sums(free.astype(float), member) > 0)
    least = 1e-12 * need
    wider = np.where(short, (need - held) / np.maximum(open_, least + 1e-300), 1.0)
    for n, own in enumerate(member):
        rest = np.where(own & free & short[:, [n]], np.maximum(most, least[:, [n]]), most)
        most = np.where(own & free, rest * wider[:, [n]], most)
    return most, short


class _Fit:
    """Limits of rows whose packages are given, as auction money: [row, scene], [row, group]."""

    def __init__(self, problem: Problem, high: Array, booked: Array):
        self.problem, self.booked = problem, booked
        shape = (len(booked), len(problem.cells))
        self.low, self.high = np.broadcast_to(problem.low, shape), np.broadcast_to(high, shape)
        self.floor = np.maximum(problem.floor - booked, 0.0)
        self.cap = np.maximum(problem.cap - booked, 0.0)

    def money(self, wish: Array, room: Array) -> Array:
        """Project the wishes [row, cell] on the limits and the sum `room` [row]."""
        scene = self._limits_of_scenes(wish)
        group = self._limits_of_groups(wish, scene)

        def given(tau: Array) -> Array:
            return self._after(wish, self._by_scene(tau, scene, group))

        tau = bisect(lambda tau: given(tau).sum(axis=1, keepdims=True), room[:, None])
        return given(tau)

    def _after(self, wish: Array, tau: Array) -> Array:
        """Money when tau [row, scene] is taken off."""
        size = np.maximum(wish, 0.0) + 1e-6 * self.problem.budget
        return np.clip(wish - tau[:, self.problem.scene_of] * size, self.low, self.high)

    def _limits_of_scenes(self, wish: Array) -> tuple[Array, Array]:
        """The tau at which a scene meets its cap, and its floor: [row, scene]."""
        own, shape = self.problem.of_scene, (len(wish), len(self.problem.scenes))
        if not self.floor.any() and not np.isfinite(self.cap).any():
            return np.full(shape, -SPAN), np.full(shape, SPAN)

        def given(tau: Array) -> Array:
            return sums(self._after(wish, tau), own)

        return (
            bisect(given, np.broadcast_to(self.cap, shape), above=True),
            bisect(given, np.broadcast_to(self.floor, shape)),
        )

    def _limits_of_groups(
        self, wish: Array, scene: tuple[Array, Array]
    ) -> tuple[Array, Array] | None:
        problem = self.problem
        if not problem.groups:
            return None
        booked = sums(self.booked, problem.of_group)

        def given(tau: Array) -> Array:
            wide = np.clip(problem.per_scene(tau), *scene)
            return sums(sums(self._after(wish, wide), problem.of_scene), problem.of_group)

        cap = np.maximum(problem.group_cap - booked, 0.0)
        floor = np.maximum(problem.group_floor - booked, 0.0)
        return (
            bisect(given, cap, above=True),
            bisect(given, floor),
        )

    def _by_scene(
        self, tau: Array, scene: tuple[Array, Array], group: tuple[Array, Array] | None
    ) -> Array:
        """The tau of every scene [row, scene] for a common one [row, 1]."""
        wide = np.repeat(tau, len(self.problem.scenes), axis=1)
        if group is not None:
            inside = self.problem.group_of >= 0
            at = self.problem.group_of[inside]
            wide[:, inside] = np.clip(wide[:, inside], group[0][:, at], group[1][:, at])
        return np.clip(wide, *scene)

    def below_minimum(self, money: Array) -> Flags:
        """Scenes still open that have more than what is sunk, but less than their minimum: [row, scene]."""
        total = sums(money, self.problem.of_scene) + self.booked
        some = total > self.problem.sunk
        return some & (total < self.problem.minimum * (1 - 1e-9)) & (self.cap > 0)

    def decided(self, money: Array, room: Array) -> "_Fit":
        """In every row the scene furthest below its minimum has to reach it if it is near, or closes.

        One at a time, because what a scene gives up may be what the next one lacks.
        """
        below = self.below_minimum(money)
        total = sums(money, self.problem.of_scene) + self.booked
        share = np.where(below, total / np.maximum(self.problem.minimum, 1e-300), np.inf)
        one = below & (np.arange(share.shape[1]) == share.argmin(axis=1)[:, None])
        least = np.where(one, self.problem.minimum - self.booked, 0.0)
        raised, closed = (
            self._with(np.maximum(self.floor, least), self.cap),
            self._with(np.where(one, 0.0, self.floor), np.where(one, 0.0, self.cap)),
        )
        stuck = (self.booked > self.problem.sunk) | (self.floor > 0) | ~closed.takes(room)
        near = ((share >= 0.5) | stuck) & one
        stays = (near & raised.fits(room)).any(axis=1, keepdims=True)
        return self._with(
            np.where(stays, raised.floor, closed.floor), np.where(stays, raised.cap, closed.cap)
        )

    def _with(self, floor: Array, cap: Array) -> "_Fit":
        other = _Fit(self.problem, self.high, self.booked)
        other.floor, other.cap = floor, cap
        return other

    def _most(self) -> Array:
        high = np.minimum(self.high, SPAN * self.problem.budget)
        return np.minimum(self.cap, sums(high, self.problem.of_scene))

    def fits(self, room: Array) -> Flags:
        """Whether the floors can be met with this room: [row, 1]."""
        least = np.maximum(self.floor, sums(self.low, self.problem.of_scene))
        enough = (self.floor <= self._most() * (1 + 1e-9)).all(axis=1)
        return (enough & (least.sum(axis=1) <= room * (1 + 1e-9)))[:, None]

    def takes(self, room: Array) -> Flags:
        """Whether the caps leave place for this room: [row, 1]."""
        return (self._most().sum(axis=1) >= room * (1 - 1e-9))[:, None]


def sums(values: Array | Flags, member: Flags) -> Array:
    """Sums [row, group] of values [row, item] by membership [group, item], in one order.

    >>> sums(np.array([[1.0, 2.0, 4.0]]), np.array([[True, True, False]])).tolist()
    [[3.0]]
    """
    return np.asarray(np.einsum("rc,sc->rs", values, member.astype(float)))


def bisect(given: Callable[[Array], Array], target: Array, *, above: bool = False) -> Array:
    """The tau at which given(tau), which falls with tau, meets the target; else the end of the span.

    Where the target is met on a stretch, its upper end; with `above`, the lower one.
    """
    low, high = np.full(target.shape, -SPAN), np.full(target.shape, SPAN)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        more = given(middle) > target if above else given(middle) >= target
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return high if above else low


def check_known(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Refuse names that the scenario does not have."""
    from simulator.scenario.amounts import suggestion

    for name in names:
        if name not in known:
            every = f"known are {', '.join(known)}" if known else "there is none"
            near = suggestion(name, list(known)) or f"; {every}"
            raise UserError(f"no {what} is called {name!r}{near}")


def check_locks(limits: Limits) -> None:
    """Raise UserError where a lock and another limit of the same name contradict each other."""
    for name, money in limits.locks.items():
        low, high = limits.floors.get(name, 0.0), limits.caps.get(name, np.inf)
        if not low <= money <= high:
            word, bound = ("floor", low) if money < low else ("cap", high)
            raise UserError(
                f"{name} has a lock of {money:,.0f} CNY and a {word} of {bound:,.0f} CNY: "
                f"lock it at {bound:,.0f} CNY, or drop one of them"
            )


def check_feasible(problem: Problem) -> None:
    """Raise UserError, with the amounts, where the limits cannot hold together."""
    cells = list(zip(problem.cells, problem.low, problem.high, strict=True))
    scenes = _spans_of_scenes(problem)
    groups = _spans_of_groups(problem, scenes)
    for name, low, high in (*cells, *scenes, *groups):
        if low > high * (1 + 1e-9):
            raise UserError(
                f"{name} must have {low:,.0f} CNY, but may have only {high:,.0f} CNY: "
                f"ask for {high:,.0f} CNY at most, or allow {low:,.0f} CNY"
            )
    parts = [(name, low) for name, low in _least(problem, scenes, groups) if low > 0]
    total = sum(low for _, low in parts)
    if total > problem.budget * (1 + 1e-9):
        said = ", ".join(f"{name} {low:,.0f}" for name, low in parts)
        raise UserError(
            f"floors, locks and signed bookings need {total:,.0f} CNY, but the budget is "
            f"{problem.budget:,.0f} CNY ({said}): lower them, or give {total:,.0f} CNY"
        )
    spans = [*groups, *(s for s, g in zip(scenes, problem.group_of, strict=True) if g < 0)]
    if sum(high for _, _, high in spans) <= problem.fees * (1 + 1e-9):
        said = ", ".join(f"{name} 0" for name, _, _ in spans)
        raise UserError(f"the limits leave no place for any money ({said}): allow one of them more")


Span = tuple[str, float, float]
"""Name, least and most money."""


def _spans_of_scenes(problem: Problem) -> list[Span]:
    """What limits, cells and packages together leave every scene."""
    low = problem.least(problem.must[None])[0]
    may = problem.booked_money((problem.must | problem.may)[None])[0]
    high = np.array([problem.high[own].sum() for own in problem.of_scene]) + may
    return list(zip(problem.scenes, low, np.minimum(problem.cap, high), strict=True))


def _least(
    problem: Problem, scenes: Sequence[Span], groups: Sequence[Span]
) -> Iterator[tuple[str, float]]:
    """What has to be spent: by group where the group asks for more than its scenes do."""
    asks = [
        floor > 0 and floor >= low
        for floor, (_, low, _) in zip(problem.group_floor, groups, strict=True)
    ]
    for (name, low, _), g in zip(scenes, problem.group_of, strict=True):
        if g < 0 or not asks[g]:
            yield name, low
    yield from ((name, low) for (name, low, _), own in zip(groups, asks, strict=True) if own)


def _spans_of_groups(problem: Problem, scenes: Sequence[Span]) -> list[Span]:
    """The same for groups, from their scenes."""
    low, high = (np.array([span[side] for span in scenes]) for side in (1, 2))
    return [
        (f"{problem.group_word} {name}", max(least, low[own].sum()), min(most, high[own].sum()))
        for name, own, least, most in zip(
            problem.groups, problem.of_group, problem.group_floor, problem.group_cap, strict=True
        )
    ]
