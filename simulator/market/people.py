"""Segments and the consumer chain, as arrays.

symbol   meaning                                          unit     shape
n        people of a stage at the start                   people   [stage, segment, replication]
s        readiness of a stage to buy on a visit           x        [stage, replication]
m        moves of a person by a visit                     1        [move, stage, replication]
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.market.columns import bar, column, stack, unless
from simulator.market.layout import Layout
from simulator.market.repeat import Habit, make_habit
from simulator.scenario.chain import BANDS, CHAIN_STAGES, Chain, Moves
from simulator.scenario.people import Segment, order_value_of, readiness_of

STAGES, BANDS_N = len(CHAIN_STAGES), len(BANDS)
WHO = (slice(0, 3), slice(3, BANDS_N))
"""Bands of strangers, whose orders are first orders, and of customers."""
STRANGERS, CUSTOMERS = range(2)
MOVES = ("engage", "enthuse", "favourite", "cart")

# Which stages a visit can move where: engage from 0-1, enthuse 0-2, favourite 0-3, cart 0-4.
_ALLOWED = np.array([[c <= last for c in range(STAGES)] for last in (1, 2, 3, 4)], dtype=float)


@dataclass(frozen=True)
class People:
    """Segments and the consumer chain."""

    size: np.ndarray
    start: np.ndarray
    """People by stage at the start: [stage, segment, replication]."""
    order_value: np.ndarray
    buy_odds: np.ndarray
    """Odds multiplier of buying: [segment, replication]."""
    new_taste: np.ndarray | None
    """Extra odds of buying new products, 0 for none: [segment, replication]; None where nobody has any."""
    refund_odds: np.ndarray | None
    """Odds multiplier of a refund: [1, segment, replication]; None where all are 1."""
    return_cost: np.ndarray | None
    """Cost of one of their refunds beyond the usual [CNY], goods aside: [segment, replication]; None if none is."""
    spared: np.ndarray | None
    """Loss by their refunds that others bear, share of the unit cost: [segment, replication]; None if none is."""
    order_delay: np.ndarray | None
    """Mean days from the deciding visit to the order: [segment, 1]; None where all order at once."""
    visit_moves: np.ndarray
    """Probability per visit: [move, stage, replication]; moves are engage, enthuse, favourite, cart."""
    base_moves: np.ndarray
    """Hazard per day: [move, stage, replication]."""
    cart_again: np.ndarray
    """Carts per visit of customers: [1, replication]."""
    propensity: np.ndarray
    """s: [stage, replication]."""
    forget: np.ndarray
    """Windows [d] of discover, engage, enthuse, favourite, cart: [5, replication]."""
    favourite_release: np.ndarray
    keen_rate: np.ndarray
    """Hazard per day."""
    habit: Habit | None
    """Repeat orders without a visit; None where there are none."""
    lapse_days: float
    window_days: float
    frequency_shape: np.ndarray
    reach_window: np.ndarray
    fatigue: np.ndarray
    fatigue_half_life: np.ndarray


def make_people(layout: Layout) -> People:
    """Arrays of the segments and the chain of a scenario."""
    chain, segments = layout.scenario.chain, layout.segments
    forget = [chain.discover_days] * 2 + [chain.enthuse_days] + [chain.basket_days] * 2
    return People(
        size=size_of(segments), start=people_at_start(segments),
        propensity=propensity_of(chain),
        order_value=column([order_value_of(g) for g in segments]),
        buy_odds=column([readiness_of(g) for g in segments]),
        new_taste=unless(column([g.new_product_affinity for g in segments]) - 1, 0.0),
        refund_odds=unless(column([g.refund for g in segments])[None], 1.0),
        return_cost=unless(_return_cost(layout), 0.0), spared=unless(_spared(layout), 0.0),
        order_delay=unless(np.array([[g.order_delay_days] for g in segments]), 0.0),
        visit_moves=move_table(chain.visit_moves),
        base_moves=bar(move_table(chain.base_moves)) / 30,
        cart_again=column([moves_of(chain, "customers").cart]), forget=column(forget),
        favourite_release=column([chain.favourite_release]),
        keen_rate=bar(column([chain.keen_per_year])) / 365,
        habit=make_habit(chain), lapse_days=chain.lapse_days, window_days=chain.new_customer_window_days,
        frequency_shape=column([chain.frequency_shape]),
        reach_window=column([chain.reach_window_days]), fatigue=column([chain.fatigue]),
        fatigue_half_life=column([chain.fatigue_half_life_days]),
    )  # fmt: skip


def propensity_of(chain: Chain) -> np.ndarray:
    """s: readiness to buy on a visit, 1 on average over the stages of the reference mix: [stage, replication]."""
    propensity = column([chain.buy_propensity.get(stage, 0.0) for stage in CHAIN_STAGES])
    mix = column([chain.reference_mix.get(stage, 0.0) for stage in CHAIN_STAGES])
    return np.asarray(propensity / (mix * propensity).sum(axis=0))


def size_of(segments: list[Segment]) -> np.ndarray:
    """People: [segment, replication]."""
    return column([g.people for g in segments])


def people_at_start(segments: list[Segment]) -> np.ndarray:
    """n: people by stage at the start, those in no stage outside."""

    def share(segment: Segment, stage: str) -> Any:
        extra = segment.start.get("perform", 0.0) if stage == "cart" else 0.0
        return segment.start.get(stage, 0.0) + extra

    rows = [column([share(g, stage) for g in segments]) for stage in CHAIN_STAGES]
    table = stack(rows)
    table[1:] /= np.maximum(table[1:].sum(axis=0), 1.0)
    table[0] = 1 - table[1:].sum(axis=0)
    return np.asarray(table * size_of(segments))


def moves_of(chain: Chain, stage: str) -> Moves:
    """Moves of a stage by a visit; none where the file names none."""
    return chain.visit_moves.get(stage, Moves())


def move_table(table: dict[str, Moves]) -> np.ndarray:
    """m, where a stage can move so."""
    rows = [
        column([getattr(table.get(stage, Moves()), move) for stage in CHAIN_STAGES])
        for move in MOVES
    ]
    return stack(rows) * _ALLOWED[:, :, None]


def _return_cost(layout: Layout) -> np.ndarray:
    """What a refund costs beyond the usual handling, goods aside: [segment, replication]."""
    usual = layout.scenario.commerce.refund_handling

    def freight(segment: Segment) -> Any:
        if segment.returns_borne_by == "platform":
            return 0.0
        return usual if segment.return_freight is None else segment.return_freight

    return column([freight(g) - usual for g in layout.segments])


def _spared(layout: Layout) -> np.ndarray:
    """Depreciation that the platform bears: [segment, replication]."""
    lost = layout.scenario.commerce.depreciation
    return column([lost if g.returns_borne_by == "platform" else 0.0 for g in layout.segments])
