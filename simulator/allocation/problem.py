"""What may be decided: money by cell, whole packages, and the limits of both.

symbol   meaning                                                       unit   shape
x        auction money of a cell: a scene in a phase, or the whole     CNY    [row, cell]
         of a scene that keeps its money in one pot
b        whether a contract package is booked                          bool   [row, package]
B        budget: sum(x) + prices of what is booked + what is sunk      CNY    [row]

Limits are laid on three levels, cells in scenes in groups; a scene's money is all that it costs:
auctions, packages, those that are signed among them, and fees for what is cancelled. `repair` finds the
nearest plans that keep them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.errors import UserError
from simulator.scenario.amounts import suggestion
from simulator.scenario.asked import asked, asked_list, asked_money, asked_table

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


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

    def __post_init__(self) -> None:
        for kind in ("floor", "cap", "lock", "minimum"):
            given = asked_table(f"{kind}s", getattr(self, f"{kind}s"), "{'live': 2e5}")
            amounts = {name: asked_money(f"the {kind} of {name}", x) for name, x in given.items()}
            object.__setattr__(self, f"{kind}s", amounts)
        _check_groups(asked_table("groups", self.groups, "{'paid': ['live', 'search']}"))
        for name, booked in asked_table("packages", self.packages, "{'tv.opening': True}").items():
            asked(bool, booked, f"package {name} must be True or False")  # "no" would count as yes


def _check_groups(groups: Mapping[str, object]) -> None:
    """A scene stands in one group at most: the limit of a second one would be lost."""
    home: dict[object, str] = {}
    for group, scenes in groups.items():
        for scene in asked_list(f"scenes of group {group}", scenes, "['live', 'search']"):
            if home.setdefault(scene, group) != group:
                raise UserError(f"{scene} is in two groups: {home[scene]} and {group}")


def asked_limits(limits: Limits | None) -> Limits:
    """The limits that are asked for; nothing is none."""
    limits = Limits() if limits is None else limits
    if not isinstance(limits, Limits):
        raise UserError(
            f"limits are a sim.Limits, such as sim.Limits(caps={{'live': 2e5}}) (got {limits!r})"
        )
    return limits


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


def sums(values: Array | Flags, member: Flags) -> Array:
    """Sums [row, group] of values [row, item] by membership [group, item], in one order.

    >>> sums(np.array([[1.0, 2.0, 4.0]]), np.array([[True, True, False]])).tolist()
    [[3.0]]
    """
    return np.asarray(np.einsum("rc,sc->rs", values, member.astype(float)))


def check_known(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Refuse names that the scenario does not have."""
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
