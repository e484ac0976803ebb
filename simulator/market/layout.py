"""The layout of a world: what stands in which row of its arrays.

symbol   meaning                                             shape
J        uses: a scene on a slot, auction then contract      [use]
q        packages, and the parts in which they are shown     [package], [part]

Uses of one slot stand together, those of contract slots after the auction's.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.market.calendar import RUNOFF, Steps, phase_of_runoff
from simulator.market.columns import column, stack
from simulator.scenario.people import activity_of
from simulator.scenario.scenes import Scene
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, ContractSlot, Package, Source


@dataclass(frozen=True)
class Names:
    """The axes, in the order of the file."""

    scenes: tuple[str, ...]
    slots: tuple[str, ...]
    segments: tuple[str, ...]
    products: tuple[str, ...]
    phases: tuple[str, ...]
    placements: tuple[str, ...]
    """scene/slot/segment of every use and segment, the use first."""
    packages: tuple[str, ...]
    partners: tuple[str, ...]
    """Commissioned media."""


class Layout:
    """A scenario by rows, in the order of the file."""

    def __init__(self, scenario: Scenario, steps: Steps) -> None:
        self.scenario, self.steps = scenario, steps
        self.scenes, self.slots = list(scenario.scenes.values()), list(scenario.slots.values())
        self.segments = list(scenario.segments.values())
        self.scene_at = {name: n for n, name in enumerate(scenario.scenes)}
        self.slot_at = {name: n for n, name in enumerate(scenario.slots)}
        self.segment_at = {name: n for n, name in enumerate(scenario.segments)}
        self.source_at = {name: n for n, name in enumerate(scenario.sources)}
        self.source_of_slot = [self.source_at[slot.source] for slot in self.slots]
        self.sources = list(scenario.sources.values())
        self.phases = [
            scenario.calendar.phases[name]
            if name != RUNOFF
            else phase_of_runoff(scenario.calendar.end)
            for name in steps.phases
        ]
        self.booked = _booked(scenario, self.slot_at)
        """Slot, name, slot and package of every package."""
        self.parts = [
            (q, self.slot_at[slot])
            for q, (_, name, _, package) in enumerate(self.booked)
            for slot in (name.split(".", maxsplit=1)[0], *package.over)
        ]
        """Package and slot of each part."""
        self.auction = _auction_uses(scenario)
        contract = dict.fromkeys((self.scene_at[self.booked[q][3].scene], k) for q, k in self.parts)
        self.contract = list(contract)
        self.uses = [*self.auction, *self.contract]
        """Scene and slot of each use."""
        rows = [self.slots[k] for _, k in self.uses]
        self.auction_slots = [slot for slot in rows if isinstance(slot, AuctionSlot)]
        self.contract_slots = [slot for slot in rows if isinstance(slot, ContractSlot)]
        """Slot of each use."""

    def names(self) -> Names:
        """The names of all rows."""
        s = self.scenario
        places = tuple(
            "/".join((list(s.scenes)[i], list(s.slots)[k], g))
            for i, k in self.uses
            for g in s.segments
        )
        return Names(
            scenes=tuple(s.scenes), slots=tuple(s.slots), segments=tuple(s.segments),
            products=tuple(s.products), phases=self.steps.phases,
            placements=places, packages=tuple(name for _, name, *_ in self.booked),
            partners=tuple(s.commissions),
        )  # fmt: skip

    def segments_of(self, scene: Scene) -> list[int]:
        """Rows of the segments to which a scene may show."""
        return [self.segment_at[name] for name in scene.segments] or list(range(len(self.segments)))

    def share(self) -> np.ndarray:
        """h: share of a slot's opportunities in each segment: [segment, replication]."""
        weight = column([g.people * activity_of(g) for g in self.segments])
        return np.asarray(weight / weight.sum(axis=0))

    def per_use(self, read: Any, uses: list[tuple[int, int]]) -> np.ndarray:
        """What a use is: [use, 1, replication]."""
        return column([read(self.scenes[i], self.slots[k]) for i, k in uses])[:, None]

    def per_place(self, read: Any, uses: list[tuple[int, int]]) -> np.ndarray:
        """What a use is to a segment: [use, segment, replication]."""
        rows = [read(self.scenes[i], self.slots[k], g) for i, k in uses for g in self.segments]
        table = column(rows)
        return table.reshape(len(uses), len(self.segments), table.shape[-1])

    def by_phase(self, read: Any) -> np.ndarray:
        """What a phase is to a list of things: [phase, thing, replication]."""
        return stack([column(read(phase)) for phase in self.phases])


def _booked(
    scenario: Scenario, slot_at: dict[str, int]
) -> list[tuple[int, str, ContractSlot, Package]]:
    return [
        (slot_at[name], f"{name}.{key}", slot, package)
        for name, slot in scenario.slots.items()
        if isinstance(slot, ContractSlot)
        for key, package in slot.packages.items()
    ]


def _auction_uses(scenario: Scenario) -> list[tuple[int, int]]:
    return [
        (i, k)
        for k, (name, slot) in enumerate(scenario.slots.items())
        if isinstance(slot, AuctionSlot)
        for i, scene in enumerate(scenario.scenes.values())
        if name in scene.slots
    ]


def follow_sale(traffic: Any, source: Source) -> Any:
    """A phase's multiplier as far as a source follows it  [x]."""
    return np.power(np.asarray(traffic, dtype=float), source.sale_sensitivity)
