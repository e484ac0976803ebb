"""Whether limits can hold together, and what they ask of scenes that book packages alone.

Where cells take money a floor is met to the fen. A scene or a group without cells costs one of a few
sums of prices: its floor is raised to the least of them that reaches it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulator.allocation.problem import Array, Flags, Problem
from simulator.errors import UserError

MOST = 12
"""Packages of a part up to which all choices of them are looked at."""
EXACT = 1e-9
"""Share by which a sum of prices may miss a limit."""


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
    for part in parts_of(problem):
        _check_part(part)
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


# --------------------------------------------------------------------------- packages alone
@dataclass(frozen=True, eq=False)
class Part:
    """A scene or a group that has packages alone, and a floor (or lock) above what it pays in any case."""

    name: str
    scenes: Flags
    """[scene]"""
    low: float
    high: float
    booked: Flags
    """Every choice that keeps the limits of its scenes, the cheapest first: [choice, package]."""
    money: Array
    """Cost of the part [CNY]: [choice]."""

    @property
    def first(self) -> int | None:
        """The cheapest choice that keeps floor and cap, if there is one."""
        fits = (self.money >= self.low * (1 - EXACT)) & (self.money <= self.high * (1 + EXACT))
        return int(fits.argmax()) if fits.any() else None


def parts_of(problem: Problem) -> Iterator[Part]:
    """Such scenes, and then such groups."""
    every = np.eye(len(problem.scenes), dtype=bool)
    scenes = zip(problem.scenes, every, problem.floor, problem.cap, strict=True)
    named = (f"{problem.group_word} {name}" for name in problem.groups)
    groups = zip(named, problem.of_group, problem.group_floor, problem.group_cap, strict=True)
    for name, member, low, high in (*scenes, *groups):
        free = (problem.owns[member].any(axis=0) & problem.may).sum()
        auctions = problem.of_scene[member].any()
        if low > problem.sunk[member].sum() and free <= MOST and not auctions:
            yield Part(name, member, low, high, *_choices(problem, member))


def _choices(problem: Problem, member: Flags) -> tuple[Flags, Array]:
    """What scenes can book, each within its own limits: [choice, package], and the cost [choice]."""
    own = problem.owns[member].any(axis=0)
    free = np.flatnonzero(own & problem.may & ~problem.must)
    booked = np.tile(own & problem.must, (2**free.size, 1))
    booked[:, free] = np.arange(2**free.size)[:, None] >> np.arange(free.size) & 1
    each = problem.booked_money(booked)[:, member]
    if member.sum() > 1:
        low, high = problem.floor[member] * (1 - EXACT), problem.cap[member] * (1 + EXACT)
        kept = ((each >= low) & (each <= high)).all(axis=1)
        booked, each = booked[kept], each[kept]
    order = np.argsort(each.sum(axis=1), kind="stable")
    return booked[order], each.sum(axis=1)[order]


def _check_part(part: Part) -> None:
    """Raise UserError where choices cost less and more than the limits, but none lies between."""
    if part.first is None and (part.money < part.low).any() and (part.money > part.high).any():
        one = part.low == part.high
        span = exactly(part.low) if one else f"{exactly(part.low)} to {exactly(part.high)}"
        below, above = part.money[part.money < part.low], part.money[part.money > part.high]
        raise UserError(
            f"{part.name} books whole packages alone, and no choice of them costs {span} CNY: "
            f"ask for {exactly(below.max())} or {exactly(above.min())} CNY"
        )


def exactly(money: float) -> str:
    """An amount that can be asked for again: prices need not be whole yuan.

    >>> exactly(12345.6), exactly(10_000.0)
    ('12,345.6', '10,000')
    """
    return f"{money:,.12g}"


def fit_floors(problem: Problem) -> Problem:
    """The problem with floors of such parts raised to the least that bookings can cost."""
    floor, groups = problem.floor.copy(), problem.group_floor.copy()
    named = [f"{problem.group_word} {name}" for name in problem.groups]
    for part in parts_of(problem):
        if part.first is not None:
            at = named.index(part.name) if part.name in named else int(part.scenes.argmax())
            floors = groups if part.name in named else floor
            floors[at] = max(part.low, part.money[part.first])
    return replace(problem, floor=floor, group_floor=groups)


def reach_floors(problem: Problem, booked: Flags) -> Flags:
    """The same bookings, or the cheapest that reach the floor of such a part: [row, package]."""
    for part in parts_of(problem):
        cost = problem.booked_money(booked)[:, part.scenes].sum(axis=1, keepdims=True)
        own = problem.owns[part.scenes].any(axis=0)
        if part.first is not None:
            short = cost < part.low * (1 - EXACT)
            booked = np.where(short & own, part.booked[part.first], booked)
    return booked
