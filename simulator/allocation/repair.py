"""The nearest plans that keep every limit and cost the whole budget.

symbol   meaning                                                       unit   shape
y        money before it is made to fit                                CNY    [row, cell]
k        size of a cell: y + a millionth of the budget                  CNY    [row, cell]
tau      share that is taken off every cell until the sum fits         1      [row, ..]

Limits are laid on three levels, cells in scenes in groups. The nearest plan that keeps all of them,
x = y - tau k, takes the same share off every cell, save where a limit binds (projection on a box with
one sum, here with nested sums and weights 1 / k: Brucker 1984). Cells without money stay without,
unless nothing else has room.
"""

from collections.abc import Callable

import numpy as np

from simulator.allocation.feasible import reach_floors
from simulator.allocation.problem import Array, Flags, Problem, Split, sums

HALVINGS = 70
"""Bisections of tau: the sum is then met to about 1e-13 of the budget."""
ROUNDING = 1e-6
"""Of the budget: rows keep limits that they miss by less."""
SPAN = 4e6
"""Largest tau that can be needed: all of the budget to a cell that had nothing."""


def repair(
    problem: Problem, split: Split, budget: Array | float | None = None, *, most: Array | None = None
) -> Split:  # fmt: skip
    """The nearest rows that keep every limit and cost the whole budget, if limits let them.

    `most` [row, cell] are further caps, which give way to floors. Where the caps leave no room for
    the budget, all of them bind and the rest is not planned; packages are kept as far as `must`,
    `may`, limits and the budget let them, the first ones first.
    """
    total = np.broadcast_to(problem.budget if budget is None else budget, len(split))
    booked = _payable(problem, split.booked, total)
    room = np.maximum(total - problem.contract_money(booked), 0.0)
    paid = problem.booked_money(booked)
    high = problem.high if most is None else _eased(problem, most, paid)
    fit = _Fit(problem, np.maximum(high, problem.low), paid)
    money = fit.money(split.money, room)
    for _ in problem.scenes:
        if not fit.below_minimum(money).any():
            break
        fit = fit.decided(money, room)
        money = fit.money(split.money, room)
    return Split(money, booked)


def keeps_limits(problem: Problem, split: Split) -> Flags:
    """Whether rows keep the budget and every limit as they are: [row]."""
    fitted = repair(problem, split, np.minimum(problem.total(split), problem.budget))
    apart = np.abs(fitted.money - split.money).sum(axis=1) > ROUNDING * problem.budget
    return np.asarray(~apart & (fitted.booked == split.booked).all(axis=1))


def _payable(problem: Problem, wish: Flags, total: Array) -> Flags:
    """Wishes and what must be booked, without the last ones that cannot be paid: [row, package]."""
    booked = (wish & problem.may) | problem.must
    for q in np.flatnonzero(problem.may & ~problem.must)[::-1]:
        booked[:, q] &= ~_over(problem, booked, total)[:, problem.payer[q]]
    return reach_floors(problem, booked)


def _over(problem: Problem, booked: Flags, total: Array) -> Flags:
    """Scenes whose bookings pass their cap, that of their group, or the budget [row]: [row, scene]."""
    least = problem.least(booked)
    groups = sums(least, problem.of_group)
    more = np.maximum(problem.group_floor - groups, 0.0)
    whole = least.sum(axis=1) + more.sum(axis=1) > total * (1 + 1e-9)
    own, group = least > problem.cap * (1 + 1e-9), groups > problem.group_cap * (1 + 1e-9)
    return np.asarray(own | problem.per_scene(group) | whole[:, None])


def _eased(problem: Problem, most: Array, paid: Array) -> Array:
    """Further caps, widened alike where a scene or a group could not reach its floor."""
    most = np.minimum(most, SPAN * problem.budget)
    if not (problem.floor.any() or problem.group_floor.any()):
        return np.minimum(most, problem.high)
    of_group = problem.of_group.astype(float) @ problem.of_scene > 0
    for floor, spent, member in (
        (problem.floor, paid, problem.of_scene),
        (problem.group_floor, sums(paid, problem.of_group), of_group),
    ):
        for _ in problem.cells:  # a cell that meets its own limit leaves the rest to the others
            need = np.maximum(floor - spent, 0.0)
            most, short = _widened(np.minimum(most, problem.high), problem.high, need, member)
            if not short.any():
                break
    return np.minimum(most, problem.high)


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
        return bisect(given, cap, above=True), bisect(given, floor)

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
