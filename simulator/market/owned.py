"""Owned reach: messages to followers and members, and the visits that come of them.

symbol   meaning                                                     unit               shape
share    part of a push's day that falls into the step               1                  [push]
n        people of a band                                            people             [band, segment, lane]
visits   visits that a push brings, per person                       visits per person  [push, band, segment, repl.]
p        probability that a free visit buys                          1                  [source, segment, lane]

A push brings audience x reach x ctr visits per person of a band on its day, spread like visits of the
day; they touch and buy like free visits of its source (docs/model.md section 6).
"""

from dataclasses import dataclass

import numpy as np

from simulator.market.columns import column
from simulator.market.layout import Layout
from simulator.market.people import BANDS_N
from simulator.scenario.chain import BANDS


@dataclass(frozen=True)
class Pushes:
    """Messages to followers and members: [push, ..]."""

    source: np.ndarray
    """[push]"""
    messages: np.ndarray
    """Messages per person on a day of the push: [push, band, segment, replication]."""
    visits: np.ndarray
    """Visits per person that they bring."""
    touch: np.ndarray
    """Power of touch of the source: [push, replication]."""
    cost: np.ndarray
    """Of a message [CNY]: [push, replication]."""
    days: tuple[tuple[int, ...], ...]
    """Calendar days of each push, 0 for the first."""


def make_pushes(layout: Layout) -> Pushes:
    """The messages of a scenario."""
    s, first = layout.scenario, layout.steps.shape.origin.date()
    pushes = list(s.pushes.values())
    chosen = [{layout.segment_at[g] for g in p.segments or s.segments} for p in pushes]
    address = column([
        p.audience.get(band, 0.0) * (g in some)
        for p, some in zip(pushes, chosen, strict=True)
        for band in BANDS
        for g in range(len(layout.segments))
    ])  # fmt: skip
    messages = address.reshape(len(pushes), BANDS_N, len(layout.segments), address.shape[-1])
    answered = column([p.reach * p.ctr for p in pushes])[:, None, None]
    return Pushes(
        source=np.array([layout.source_at[p.source] for p in pushes], dtype=np.intp),
        messages=messages, visits=messages * answered,
        touch=column([s.sources[p.source].touch for p in pushes]),
        cost=column([p.cost for p in pushes]),
        days=tuple(tuple((day.date() - first).days for day in p.days) for p in pushes),
    )  # fmt: skip


@dataclass
class Sent:
    """What the messages of a step bring: per person [band, segment, lane], or in all [lane]."""

    visits: np.ndarray
    touches: np.ndarray
    buys: np.ndarray
    messages: np.ndarray
    cost: np.ndarray


def send(pushes: Pushes, share: np.ndarray, people: np.ndarray, chance: np.ndarray) -> Sent:
    """The messages of one step; `people` are n, `chance` is p."""
    visits, touches, buys, messages = np.zeros((4, *people.shape))
    cost = np.zeros(people.shape)
    for q in np.flatnonzero(share):
        came, wrote = share[q] * pushes.visits[q], share[q] * pushes.messages[q]
        visits += came
        touches += came * pushes.touch[q]
        buys += came * chance[pushes.source[q]]
        messages += wrote
        cost += wrote * pushes.cost[q]
    total = [np.einsum("bsl,bsl->l", each, people) for each in (messages, cost)]
    return Sent(visits, touches, buys, *total)
