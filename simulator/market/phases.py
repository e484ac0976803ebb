"""What a phase makes of a normal day, as arrays.

symbol   meaning                                                     unit    shape
level    multiplier at which a scene's bids meet the market, mean    ln      [phase, scene, replication]
wallet   buyers whose wallet is filled                               1       [phase, replication]
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.market.columns import bar, column, stack
from simulator.market.layout import Layout, follow_sale
from simulator.market.media import Media
from simulator.market.value import WORTHLESS
from simulator.scenario.calendar import Phase

NORMAL = -1  # the run-off, the last phase, is a stretch of normal days


@dataclass(frozen=True)
class PhaseTable:
    """Multipliers by phase, the run-off last: [phase, replication] unless said otherwise."""

    ctr: np.ndarray
    cart: np.ndarray
    cvr: np.ndarray
    refund: np.ndarray
    release: np.ndarray
    """Hazard of release of a cart per normal day of purchases."""
    deposit: np.ndarray
    """Deposit hazard of a visit against its buying hazard."""
    deposit_release: np.ndarray
    payment_load: np.ndarray
    wallet: np.ndarray
    """Share of buyers whose wallet is filled."""
    slot_traffic: np.ndarray
    """Traffic multiplier of the slots: [phase, slot, replication]."""
    ln_cpm: np.ndarray
    """Log of rival bids against a normal day: [phase, auction use, 1, replication]."""
    level: np.ndarray
    """Mean log multiplier that meets the market, by scene: [phase, scene, replication]."""
    lowest: np.ndarray
    highest: np.ndarray
    """The same of its cheapest and of its dearest place."""
    available: np.ndarray
    """Share of contract inventory that rivals left: [phase, replication]."""


def make_phases(layout: Layout, media: Media) -> PhaseTable:
    """Arrays of the phases of a scenario, the run-off included."""

    def rows(read: Any) -> np.ndarray:
        return column([read(phase) for phase in layout.phases])

    named = zip(layout.steps.phases, layout.phases, strict=True)
    rises = [column(_ln_cpm(layout, name, phase)) for name, phase in named]
    return PhaseTable(
        ctr=rows(lambda f: f.ctr), cart=rows(lambda f: f.cart), cvr=rows(lambda f: f.cvr),
        refund=rows(lambda f: f.refund), release=bar(rows(lambda f: f.release)),
        deposit=rows(_deposit_ratio), deposit_release=bar(rows(lambda f: f.deposit_release)),
        payment_load=rows(lambda f: f.payment_load), wallet=_wallet(layout, rows),
        available=1 - rows(lambda f: f.rival_booked),
        slot_traffic=layout.by_phase(
            lambda f: [follow_sale(f.traffic, layout.sources[m]) for m in layout.source_of_slot]
        ),
        ln_cpm=stack(rises)[:, :, None],
        **{
            name: stack([column(_levels(layout, media, rise, fold)) for rise in rises])
            for name, fold in (("level", np.mean), ("lowest", np.min), ("highest", np.max))
        },
    )  # fmt: skip


def _wallet(layout: Layout, rows: Any) -> np.ndarray:
    """1 - (1 - wallet share) x product over earlier phases of (1 - top-up): [phase, replication]."""
    share = column([layout.scenario.payment.wallet_share])
    empty = np.cumprod(1 - rows(lambda f: f.wallet_topup)[:-1], axis=0)
    first = np.ones((1, empty.shape[-1]))
    topped = 1 - (1 - share) * np.concatenate([first, empty])
    return np.where(topped > share, topped, share)  # to the last bit where nobody tops up


def _deposit_ratio(phase: Phase) -> Any:
    cvr = np.asarray(phase.cvr, dtype=float)
    return np.divide(
        phase.deposit, cvr, out=np.zeros(np.broadcast(phase.deposit, cvr).shape), where=cvr > 0
    )


def _ln_cpm(layout: Layout, name: str, phase: Phase) -> list[Any]:
    """Rivals' bids in a phase: of all slots, as far as a source follows the sale, and of each slot."""
    common = [np.log(phase.cpm) * m.sale_sensitivity for m in layout.sources]
    return [
        common[layout.source_at[slot.source]] + np.log(slot.rival_level.get(name, 1.0))
        for slot in layout.auction_slots
    ]


def _levels(layout: Layout, media: Media, rise: np.ndarray, fold: Callable[..., Any]) -> list[Any]:
    """Mean (`fold`) by scene of mu + rise - ln v, over the places whose impressions are worth something."""
    n, value = media.auctions, media.ln_value
    level = media.mu + rise[:, None] - value
    worthy = (value > np.log(WORTHLESS)).any(axis=2) & media.valid[:n]
    scene = media.scene[:n, None]
    rows = [level[worthy & (scene == i)] for i in range(len(layout.scenes))]
    return [fold(row, axis=0) if len(row) else 0.0 for row in rows]
