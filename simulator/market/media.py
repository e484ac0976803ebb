"""Where money can go, as arrays: money meets people on two axes, the use and the segment.

A use is a scene on a slot, a placement is a use that may show to a segment.

symbol   meaning                                          unit                  shape
J        uses, auction then contract                                            [use]
O        opportunities of a use's slot and segment        impressions per day   [use, segment]
v        value of an impression in the scene's actions    actions per mille     [auction use, segment]
"""

from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from simulator.market.choice import Pictures
from simulator.market.columns import column, flags, odds, stack, unless
from simulator.market.layout import Layout
from simulator.market.rivals import ln_rivals
from simulator.market.value import ln_value
from simulator.scenario.chain import BANDS
from simulator.scenario.people import Segment, readiness_of
from simulator.scenario.scenes import Scene
from simulator.scenario.slots import AuctionSlot, ContractSlot


@dataclass(frozen=True)
class Media:
    """Where money can go: [use, segment, replication] unless said otherwise."""

    scene: np.ndarray
    """[use]"""
    slot: np.ndarray
    """[use]"""
    auctions: int
    """Number of auction uses; they come first."""
    meetings: tuple[slice, ...]
    """Uses of each auction slot."""
    valid: np.ndarray
    """The scene may show to the segment: [use, segment] of bool."""
    opportunities: np.ndarray
    affinity: np.ndarray
    """a: share of a band that the use's scene selects, and its square: [2, band, use, replication]."""
    creative: np.ndarray | None
    """c: click odds of what a band is shown: [band, use, replication]; None where all are shown the same."""
    precision: np.ndarray
    """Targeting precision of contract uses: [contract use, replication]."""
    mu: np.ndarray
    """Log median of the best rival bid [ln CNY per mille]: [auction use, segment, replication]."""
    sigma: np.ndarray
    tau: np.ndarray
    reserve: np.ndarray
    mechanism: tuple[str, ...]
    """Of each auction use."""
    decay: tuple[tuple[float, ...], ...]
    """Click rate of the positions sold to each auction use."""
    ln_value: np.ndarray
    """ln v: [auction use, segment, replication]."""
    click_odds: np.ndarray
    buy_odds: np.ndarray
    arrival: np.ndarray
    """[use, 1, replication], like viewability and touch."""
    viewability: np.ndarray
    touch: np.ndarray
    replaces: np.ndarray
    """Free visits that a visit replaces (cannibalisation): [use, 1, replication]."""
    segment_share: np.ndarray
    """h: share of a slot's opportunities in each segment: [segment, replication]."""
    package_share: np.ndarray
    """Share of a served package that goes to each segment: [contract use, segment, replication]."""
    slot_opportunities: np.ndarray
    """Opportunities of each slot per day: [slot, replication]."""
    shared_slots: np.ndarray
    """Auction slots whose inventory is shared with contracts: indices."""

    def only(self, uses: np.ndarray) -> "Media":
        """Some of the uses, by rising index; the others might as well not exist."""
        if len(uses) == len(self.scene):
            return self
        n = int(np.searchsorted(uses, self.auctions))
        auction, contract = uses[:n], uses[n:] - self.auctions
        of_use = {f: getattr(self, f)[uses] for f in OF_USE}
        of_auction = {f: getattr(self, f)[auction] for f in OF_AUCTION}
        of_contract = {f: getattr(self, f)[contract] for f in OF_CONTRACT}
        return replace(
            self, **of_use, **of_auction, **of_contract,
            auctions=n, meetings=_meetings(of_use["slot"][:n].tolist()),
            affinity=self.affinity[:, :, uses],
            creative=None if self.creative is None else self.creative[:, uses],
            mechanism=tuple(self.mechanism[u] for u in auction),
            decay=tuple(self.decay[u] for u in auction),
        )  # fmt: skip


OF_USE = (
    "scene", "slot", "valid", "opportunities", "click_odds", "buy_odds", "arrival", "viewability", "touch",
    "replaces",
)  # fmt: skip
OF_AUCTION = ("mu", "sigma", "tau", "reserve", "ln_value")
OF_CONTRACT = ("precision", "package_share")
"""Arrays whose first axis is the use, the auction use or the contract use."""


def make_media(layout: Layout, pictures: Pictures | None) -> Media:
    """Arrays of the uses of a scenario."""
    n, uses, share, valid = len(layout.auction), layout.uses, layout.share(), _valid(layout)
    chosen, sources = layout.auction, layout.scenario.sources
    scene, slot = (np.array(x, dtype=np.intp) for x in zip(*uses, strict=True))
    click_odds, buy_odds = _click_odds(layout, pictures), _buy_odds(layout)
    affinity, creative = _affinity(layout), _creative(layout)
    return Media(
        scene=scene, slot=slot, auctions=n, meetings=_meetings([k for _, k in chosen]), valid=valid,
        opportunities=layout.per_use(lambda i, k: k.opportunities, uses) * share,
        affinity=affinity, creative=creative,
        precision=column([slot.precision for slot in layout.contract_slots]),
        mu=_mu(layout), sigma=layout.per_place(lambda i, k, g: k.sigma, chosen),
        tau=layout.per_place(lambda i, k, g: _predicts(i, k) * i.prediction, chosen),
        ln_value=ln_value(layout, (click_odds, buy_odds), affinity[0], creative),
        reserve=layout.per_place(lambda i, k, g: k.reserve_cpm, chosen),
        mechanism=tuple(slot.mechanism for slot in layout.auction_slots),
        decay=tuple(_positions(slot) for slot in layout.auction_slots),
        click_odds=click_odds, buy_odds=buy_odds,
        arrival=layout.per_use(lambda i, k: k.arrival, uses),
        viewability=layout.per_use(lambda i, k: k.viewability, uses),
        touch=layout.per_use(lambda i, k: sources[k.source].touch, uses),
        replaces=layout.per_use(lambda i, k: sources[k.source].cannibalisation, uses),
        segment_share=share, package_share=_package_share(valid[n:], share),
        slot_opportunities=column([slot.opportunities for slot in layout.slots]),
        shared_slots=_shared_slots(layout),
    )  # fmt: skip


def _meetings(slots: list[int]) -> tuple[slice, ...]:
    """Stretches of uses of one slot; `slots` tells the slot of each auction use."""
    ends = [0, *accumulate(slots.count(k) for k in dict.fromkeys(slots))]
    return tuple(slice(first, last) for first, last in pairwise(ends))


def _valid(layout: Layout) -> np.ndarray:
    """The scene of a use may show to the segment: [use, segment]."""
    targets = [layout.segments_of(scene) for scene in layout.scenes]
    every = range(len(layout.segments))
    return flags([[g in targets[i] for g in every] for i, _ in layout.uses], len(layout.segments))


def _affinity(layout: Layout) -> np.ndarray:
    scenes = [layout.scenes[i] for i, _ in layout.uses]
    rows = [column([i.audience.get(b, 0.0) for i in scenes]) for b in BANDS]
    table = stack(rows)
    return np.array([table, table * table])


def _creative(layout: Layout) -> np.ndarray | None:
    rows = [[layout.scenes[i].creative_by_band.get(b, 1.0) for i, _ in layout.uses] for b in BANDS]
    return unless(stack([column(row) for row in rows]), 1.0)


def _click_odds(layout: Layout, pictures: Pictures | None) -> np.ndarray:
    table = layout.per_place(lambda i, k, g: odds(k.ctr) * g.ctr * i.creative, layout.uses)
    if pictures is None:
        return table
    return table * pictures.gain[[i for i, _ in layout.uses]][:, None]


def _buy_odds(layout: Layout) -> np.ndarray:
    return layout.per_place(
        lambda i, k, g: odds(k.cvr) * readiness_of(g) * i.personalisation * _readier(i, k),
        layout.uses,
    )


def _readier(scene: Scene, slot: Any) -> Any:
    """Odds of buying of the scene's crowd; a contract reaches it as far as it is precise."""
    precision = slot.precision if isinstance(slot, ContractSlot) else 1.0
    return 1 + precision * (scene.selection.cvr - 1)


def _mu(layout: Layout) -> np.ndarray:
    s, scores = layout.scenario, layout.scenario.rival_scores
    ln_rise = ln_rivals(s.rivals_above, scores.measured, scores.above, scores.below)

    def ln_bid(i: Scene, k: Any, g: Segment) -> Any:
        return np.log(k.median_cpm) + np.log(g.cpm) + ln_rise + np.log(i.selection.cpm)

    return layout.per_place(ln_bid, layout.auction)


def _package_share(valid: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Shares h within the segments of the owning scene: [contract use, segment, replication]."""
    rows = np.where(valid[:, :, None], share, 0.0)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))


def _shared_slots(layout: Layout) -> np.ndarray:
    contracts = [slot for slot in layout.slots if isinstance(slot, ContractSlot)]
    shared = {layout.slot_at[slot.shares] for slot in contracts if slot.shares}
    return np.array(sorted(shared), dtype=np.intp)


def _predicts(scene: Scene, slot: AuctionSlot) -> float:
    """0 where bids are flat: several positions are sold, or nothing but being seen is bid for."""
    bid = scene.bid
    seen = bid.mode != "roi_control" and bid.cost_per in ("impression", "discover")
    return float(len(_positions(slot)) == 1 and not seen)


def _positions(slot: AuctionSlot) -> tuple[float, ...]:
    several = slot.mechanism in ("gsp", "vcg")
    return tuple(slot.position_decay[: round(slot.positions)]) if several else (1.0,)
