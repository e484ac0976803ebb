"""A step of the chain alone, as the engine takes it beside the baskets."""

import numpy as np

from simulator.market.audience import Chain, Crowd, Pulse
from simulator.market.draws import Draws
from simulator.market.people import STAGES


def draw_moves(chain: Chain, crowd: Crowd, pulse: Pulse, draws: Draws) -> np.ndarray:
    """Flows of the step [kind, stage, segment, lane]; the crowd is not changed yet."""
    buying, moving = chain.chances(crowd)
    flat, shape = (-1, crowd.n.shape[-1]), crowd.n.shape
    buyers = draws.binomial("buyers", crowd.n.reshape(flat), buying.reshape(flat)).reshape(shape)
    left = (crowd.n - buyers).reshape(flat)
    others = draws.binomial("movers", left, moving.reshape(flat)).reshape(shape)
    return chain.part(buyers, others, pulse, draws)


def cells(segments: list[str]) -> dict[str, list[str]]:
    """What these draws decide about."""
    stages = [f"{stage}/{g}" for stage in range(STAGES) for g in segments]
    ways = [f"{stage}/{g}" for stage in (0, 1, 2, 3, 4, 8) for g in segments]
    purchase = stages[: 6 * len(segments)]
    return {"buyers": stages, "movers": stages, "purchase": purchase, "ways": ways}
