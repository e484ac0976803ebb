"""How scenes bid and when they spend, as arrays."""

from dataclasses import dataclass

import numpy as np

from simulator.market.columns import column
from simulator.market.layout import Layout
from simulator.market.purse import Purses, make_purses
from simulator.scenario.scenes import Bid

BUYABLE = (
    "impression", "discover", "click", "engage", "enthuse", "perform", "cart",
    "order", "first_order", "numerous",
)  # fmt: skip
"""What can be bid for: things seen, things done on a visit, and from order on things bought."""


@dataclass(frozen=True)
class Bidding:
    """How scenes bid: [scene] or [scene, replication]."""

    target: np.ndarray
    cost: np.ndarray
    """True: average cost per action is bounded."""
    roi: np.ndarray
    quick: np.ndarray
    held: np.ndarray
    """True where the bid is the file's (custom bids)."""
    action: np.ndarray
    """Index of the action in BUYABLE."""
    purses: Purses
    active: np.ndarray
    """Scene spends in this phase: [phase, scene] of bool."""
    boost: np.ndarray
    """Lift of free visits per share of sales made: [scene, replication]."""
    counts: np.ndarray
    """The return target counts free sales: [scene] of bool."""


def make_bidding(layout: Layout) -> Bidding:
    """Bids and money of the scenes of a scenario."""
    bids = [scene.bid for scene in layout.scenes]
    mode = np.array([bid.mode for bid in bids])
    quick = np.array([scene.pacing == "quick" for scene in layout.scenes])
    return Bidding(
        target=column([1.0 if bid.target is None else bid.target for bid in bids]),
        cost=mode == "cost_control", roi=mode == "roi_control",
        quick=quick, held=mode == "custom_bid",
        action=np.array([BUYABLE.index(_action(bid)) for bid in bids]), purses=make_purses(layout.scenes),
        active=_active(layout),
        boost=column([scene.organic_boost for scene in layout.scenes]),
        counts=np.array([bid.counts_organic for bid in bids]),
    )  # fmt: skip


def _active(layout: Layout) -> np.ndarray:
    active = [
        [not scene.phases or name in scene.phases for scene in layout.scenes]
        for name in layout.steps.phases
    ]
    active[-1] = [False] * len(layout.scenes)
    return np.array(active)


def _action(bid: Bid) -> str:
    if bid.mode == "roi_control":
        return "order"
    return "first_order" if bid.cost_per == "initial" else str(bid.cost_per)
