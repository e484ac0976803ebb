"""What an impression is worth to a scene, with people and products as they stand at the start.

symbol   meaning                                            unit                shape
v        value of an impression in the scene's actions      actions per mille   [auction use, segment, replication]
a        share of a band that the use's scene selects       1                   [band, use, replication]
b        share of a segment's people in each band           1                   [band, segment, replication]
"""

import numpy as np

from simulator.market.audience import BUYERS, by_band, people_moved, ratio
from simulator.market.columns import column, prob, stack
from simulator.market.goods import first_mix
from simulator.market.layout import Layout
from simulator.market.people import (
    BANDS_N,
    move_table,
    moves_of,
    people_at_start,
    propensity_of,
    size_of,
)
from simulator.scenario.chain import BAND_OF_STAGE
from simulator.scenario.people import order_value_of

MOVED = {"discover", "engage", "enthuse", "perform"}  # by views and visits
WORTHLESS = 1e-300  # value of an impression that brings no action: never bid for


def ln_value(
    layout: Layout,
    odds_of: tuple[np.ndarray, np.ndarray],
    affinity: np.ndarray,
    creative: np.ndarray | None,
) -> np.ndarray:
    """The log of v; `odds_of` clicking and of buying [use, segment, replication], `affinity` is a."""
    n, aimed = len(layout.auction), affinity[:, :, None] * _first_bands(layout)[:, None]
    click_odds, buy_odds = odds_of
    clicks, buys = prob(_first_click_odds(click_odds, aimed, creative)[:n]), prob(buy_odds)[:n]
    arrive = clicks * layout.per_use(lambda i, k: k.arrival, layout.auction)
    order, prices = arrive * buys, _order_price(layout)
    drawn = aimed if creative is None else aimed * creative[:, :, None]
    reached = aimed[:, :n], drawn[:, :n]
    actions = {
        "impression": np.full_like(clicks, 0.001),
        "click": clicks,
        "cart": arrive * moves_of(layout.scenario.chain, "engage").cart,
    } | {goal: _first_moves(layout, goal, clicks, reached) for goal in _goals(layout, MOVED)}
    for goal in BUYERS:
        actions[goal] = order * _first_buyers(layout, goal, drawn[:, :n])
    actions["initial"] = actions["first_order"]
    rows = []
    for j, (i, _) in enumerate(layout.auction):
        bid = layout.scenes[i].bid
        roi = bid.mode == "roi_control"
        value = actions["order"][j] * prices[j] if roi else actions[bid.cost_per][j]
        rows.append(np.log(np.maximum(1000.0 * value, WORTHLESS)))
    return stack(rows) if rows else np.zeros((0, len(layout.segments), 1))


def _first_bands(layout: Layout) -> np.ndarray:
    """Share of the people in each band, before any step: b."""
    start, band = (
        people_at_start(layout.segments) / size_of(layout.segments),
        np.array(BAND_OF_STAGE),
    )
    return stack([start[band == b].sum(axis=0) for b in range(BANDS_N)])


def _first_click_odds(
    click_odds: np.ndarray, aimed: np.ndarray, creative: np.ndarray | None
) -> np.ndarray:
    """Click odds among the people whom each scene would reach at the start, alone."""
    if creative is None:
        return click_odds
    total = aimed.sum(axis=0)
    shown = (aimed * creative[:, :, None]).sum(axis=0) / np.maximum(total, WORTHLESS)
    return np.asarray(click_odds * np.where(total > 0, shown, 1.0))


def _goals(layout: Layout, of: set[str]) -> set[str]:
    """Those that scenes bid for."""
    return of & {i.bid.cost_per for i in layout.scenes}


def _first_buyers(layout: Layout, goal: str, drawn: np.ndarray) -> np.ndarray:
    """Readiness to buy of those who click, at the start, of the buyers that the goal counts: [use, segment,
    replication]; `drawn` [band, use, segment, replication]: who clicks.
    """
    start = people_at_start(layout.segments)
    ready = start * (propensity_of(layout.scenario.chain) * BUYERS[goal])[:, None]
    eager = ratio(by_band(ready), by_band(start))[:, None] * drawn
    return np.asarray(ratio(eager.sum(axis=0), drawn.sum(axis=0)))


def _first_moves(
    layout: Layout, goal: str, clicks: np.ndarray, reached: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """People moved per impression, [auction use, segment, replication]; `reached` by views and by clicks."""
    (aimed, drawn), s = reached, layout.scenario
    if goal == "discover":
        share = ratio(aimed[0], aimed.sum(axis=0))
        return layout.per_use(lambda i, k: k.viewability, layout.auction) * share
    weight = people_moved(goal, people_at_start(layout.segments), move_table(s.chain.visit_moves))
    each = ratio((drawn * weight[:, None]).sum(axis=0), drawn.sum(axis=0))
    visits = clicks * layout.per_use(
        lambda i, k: k.arrival * s.sources[k.source].touch, layout.auction
    )
    return np.asarray(visits * each)


def _order_price(layout: Layout) -> np.ndarray:
    mix, price = (
        first_mix(layout.scenario),
        column([p.price for p in layout.scenario.products.values()]),
    )
    mean = (mix * price).sum(axis=1)  # [scene, replication]
    value = column([order_value_of(g) for g in layout.segments])
    return np.asarray(mean[[i for i, _ in layout.auction]][:, None] * value)
