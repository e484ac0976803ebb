"""Free visits: organic ones and those of owned reach, as arrays.

symbol   meaning                                             unit                shape
V        visits to the brand on a normal day at the start    visits per day      [row]
r        visits of a person of a band on a normal day        visits per person   [row, band, segment, replication]
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.market.columns import column, odds, stack
from simulator.market.layout import Layout, follow_sale
from simulator.market.people import BANDS_N, people_at_start
from simulator.scenario.chain import BAND_OF_STAGE, BANDS
from simulator.scenario.people import activity_of, readiness_of


@dataclass(frozen=True)
class Free:
    """Organic and owned visits."""

    rate: np.ndarray
    """Visits per person of a band on a normal day: [source, band, segment, replication]."""
    by_phase: np.ndarray
    """The same in each phase: [phase, source, band, segment, replication]."""
    visits: np.ndarray
    """Of all sources: [phase, band, segment, replication]."""
    touches: np.ndarray
    """The same times the sources' power of touch."""
    buy_odds: np.ndarray
    """[source, segment, replication] of odds without product and phase."""
    touch: np.ndarray
    """[source, replication]."""
    halo: np.ndarray
    """Share of a hit's visits that go on to another product: [1, replication]."""
    halo_odds: np.ndarray
    """Odds that such a look buys, without product and phase: [segment, replication]."""


def make_free(layout: Layout) -> Free:
    """Free visits of the sources of a scenario."""
    s, sources, segments = layout.scenario, layout.sources, layout.segments
    buys = [
        column([odds(m.organic_cvr) * readiness_of(g) * s.personalisation for g in segments])
        for m in sources
    ]
    rate = free_rates(
        layout, [m.organic_visits for m in sources], [m.organic_bands for m in sources]
    )
    touch = column([m.touch for m in sources])
    traffic = layout.by_phase(lambda f: [follow_sale(f.traffic, m) for m in sources])
    by_phase = traffic[:, :, None, None] * rate
    return Free(
        rate=rate, by_phase=by_phase, visits=by_phase.sum(axis=1),
        touches=(by_phase * touch[:, None, None]).sum(axis=1), buy_odds=stack(buys), touch=touch,
        halo=column([s.life_cycle.halo]),
        halo_odds=column([odds(s.life_cycle.halo_cvr) * readiness_of(g) for g in segments]),
    )  # fmt: skip


def free_rates(layout: Layout, visits: list[Any], bands: list[dict[str, Any]]) -> np.ndarray:
    """r: visits per person and normal day that bring V from people as they stand at the start."""
    activity, start = (
        column([activity_of(g) for g in layout.segments]),
        people_at_start(layout.segments),
    )
    rates = []
    for wanted, weights in zip(visits, bands, strict=True):
        weight = column([weights.get(b, 0.0) for b in BANDS])
        shape = weight[:, None] * activity  # [band, segment, replication]
        people = stack([start[np.array(BAND_OF_STAGE) == b].sum(axis=0) for b in range(BANDS_N)])
        total = (people * shape).sum(axis=(0, 1))
        scale = np.where(total > 0, wanted / np.maximum(total, 1e-300), 0.0)
        rates.append(shape * scale)
    return stack(rates)
