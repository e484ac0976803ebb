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

from simulator.market.world import Pushes


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
