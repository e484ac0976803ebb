"""Contract packages, as arrays: what is booked, where it is shown, and what it costs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from simulator.market.calendar import DAY, seconds_between
from simulator.market.columns import column, flags
from simulator.market.layout import Layout
from simulator.scenario.plan import price_factor
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import ContractSlot, Package


@dataclass(frozen=True)
class Packages:
    """Contract packages: [package]. Each has a part for every slot over which it is delivered: [part]."""

    of: np.ndarray
    """Package of each part."""
    slot: np.ndarray
    """Slot of each part."""
    inventory: np.ndarray
    """Slot whose opportunities the part uses (the shared auction slot, or the slot itself)."""
    scene: np.ndarray
    impressions: np.ndarray
    cpm: np.ndarray
    """[package, replication]."""
    window: np.ndarray
    """Phases of delivery: [package, phase] of bool."""
    close: np.ndarray
    """End of delivery [s]."""
    make_good_close: np.ndarray
    """End of make-good [s]; equal to close when the remedy is a refund."""
    make_good: np.ndarray
    """Impressions owed per impression of shortfall; 0 when the remedy is a refund."""
    deposit: np.ndarray
    """Share of the price that is paid at booking."""
    booked_at: np.ndarray
    """When that is [s]."""
    fee: np.ndarray
    """What a plan pays that leaves the package out [CNY]: [package, replication]."""
    cap: np.ndarray
    """Most impressions per person and day; 0 without a cap."""
    free: np.ndarray
    """Free visits in its phases when it is booked, against without: [package, replication]."""
    reach: np.ndarray
    """h summed over the segments of the owning scene: [package, replication]."""
    segments: np.ndarray
    """Segments of the owning scene: [package, segment] of bool."""


def make_packages(layout: Layout, original: Scenario) -> Packages:
    """Packages of a scenario; steps of prices are those of `original`, where nothing is drawn."""
    phases, share, booked, steps = layout.steps.phases, layout.share(), layout.booked, layout.steps
    scenes = [layout.scene_at[p.scene] for _, _, _, p in booked]
    ends = {f: int(steps.end[steps.phase == n].max()) for n, f in enumerate(phases)}
    close = np.array([max(ends[f] for f in p.phases) for *_, p in booked], dtype=np.int64)
    late = [round(slot.make_good_days * DAY) * _owes(slot) for _, _, slot, _ in booked]
    segments = [layout.segments_of(layout.scenes[i]) for i in scenes]
    of, slots = np.array(layout.parts, dtype=np.intp).reshape(-1, 2).T
    cpm = column([_price(original, slot, p) for _, _, slot, p in booked])
    impressions = np.array([float(p.impressions) for *_, p in booked])
    return Packages(
        of=of, slot=slots, inventory=_inventory(layout, slots), scene=np.array(scenes, dtype=np.intp),
        impressions=impressions, cpm=cpm,
        window=flags([[f in p.phases for f in phases] for *_, p in booked], len(phases)),
        close=close, make_good_close=close + np.array(late, dtype=np.int64),
        make_good=column([slot.make_good * _owes(slot) for _, _, slot, _ in booked]),
        deposit=np.array([slot.deposit for _, _, slot, _ in booked], dtype=float),
        booked_at=np.array([_second(layout, p.booked_at) for *_, p in booked], dtype=np.int64),
        fee=cpm / 1000 * (impressions * [_fee(slot, p) for _, _, slot, p in booked])[:, None],
        cap=np.array([slot.frequency_cap or 0 for _, _, slot, _ in booked], dtype=np.int64),
        free=column([p.free_visits for *_, p in booked]),
        reach=column([share[some].sum(axis=0) for some in segments]),
        segments=flags(
            [[g in some for g in range(len(layout.segments))] for some in segments],
            len(layout.segments),
        ),
    )  # fmt: skip


def _price(original: Scenario, slot: ContractSlot, package: Package) -> Any:
    """Cpm of a package, by its date of booking and its phases."""
    if package.cpm is not None:
        return package.cpm
    return slot.cpm * price_factor(original, slot, package)


def _inventory(layout: Layout, slots: np.ndarray) -> np.ndarray:
    """The auction slot that a contract slot shares, or the slot itself."""
    shared = [getattr(layout.slots[k], "shares", None) for k in slots]
    where = [
        k if name is None else layout.slot_at[name] for k, name in zip(slots, shared, strict=True)
    ]
    return np.array(where, dtype=np.intp)


def _second(layout: Layout, moment: datetime | None) -> int:
    """Seconds since the start; 0 for what is before it, or not dated."""
    return 0 if moment is None else max(0, seconds_between(layout.steps.shape.origin, moment))


def _owes(slot: ContractSlot) -> bool:
    """Whether a shortfall is made good in impressions."""
    return slot.remedy == "make_good"


def _fee(slot: ContractSlot, package: Package) -> float:
    """What is owed when a signed package is cancelled, share of its price."""
    return max(slot.cancellation_fee or 0.0, slot.deposit) if package.signed else 0.0
