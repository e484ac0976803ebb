"""The world as arrays: what a scenario says, once per replication, ready for the rules.

Every array ends with the axis [replication] (length 1 where the number is certain). Each subject has a module
of its own, with its arrays and what makes them of a scenario.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from simulator.market.calendar import Steps
from simulator.market.choice import Pictures, Trials
from simulator.market.commission import Partners
from simulator.market.free import Free
from simulator.market.fulfilment import Costs
from simulator.market.goods import Goods
from simulator.market.layout import Names
from simulator.market.media import Media
from simulator.market.owned import Pushes
from simulator.market.packages import Packages
from simulator.market.people import People
from simulator.market.phases import PhaseTable
from simulator.market.promotion import Offers
from simulator.market.repeat import Habit
from simulator.market.scenes import Bidding
from simulator.market.shipping import Depot
from simulator.market.shocks import Shocks
from simulator.scenario.schema import Scenario


@dataclass(frozen=True)
class World:
    """Everything the rules need to know; nothing in it changes during a run."""

    scenario: Scenario
    names: Names
    steps: Steps
    phases: PhaseTable
    media: Media
    bidding: Bidding
    people: People
    free: Free
    pushes: Pushes
    goods: Goods
    offers: Offers | None
    """None where prices are the sellers' own and move nobody."""
    packages: Packages
    partners: Partners
    costs: Costs
    depot: Depot | None
    """None: every order is sent at once."""
    shocks: Shocks | None
    scarcity: np.ndarray
    """eta: log price rise per log scarcity of shared inventory: [1, replication]."""
    pictures: Pictures | None
    """The choice among creatives, where a scene has one."""
    trials: Trials | None
    """Product tests, if there are any."""

    @property
    def replications(self) -> int:
        """Length of the axis [replication]: 1 where every number is certain."""
        parts = [getattr(self, f.name) for f in fields(self)]
        rows = [getattr(x, f.name) for x in parts if isinstance(x, REPLICATED) for f in fields(x)]
        return max(r.shape[-1] for r in rows if _is_replicated(r))

    def over_plans(self, plans: int) -> "World":
        """The same world with the last axis [replication] repeated for each plan: [lane]."""
        parts = {f.name: _tile(getattr(self, f.name), plans) for f in fields(self)}
        return World(**parts)


REPLICATED = (
    PhaseTable, Media, Bidding, People, Habit, Free, Pushes, Goods, Offers, Packages, Partners, Costs, Depot, Shocks,
    Pictures,
)  # fmt: skip


def _tile(part: Any, plans: int) -> Any:
    if isinstance(part, tuple):
        return tuple(_tile(item, plans) for item in part)
    if isinstance(part, np.ndarray):
        return _tile_array(part, plans)
    if not isinstance(part, REPLICATED):
        return part
    return type(part)(**{f.name: _tile_field(getattr(part, f.name), plans) for f in fields(part)})


def _tile_field(value: Any, plans: int) -> Any:
    return _tile(value, plans) if isinstance(value, REPLICATED) else _tile_array(value, plans)


def _tile_array(value: Any, plans: int) -> Any:
    if not _is_replicated(value) or value.shape[-1] == 1:
        return value
    return np.tile(value, plans)


def _is_replicated(value: Any) -> bool:
    """Whether the last axis is [replication]."""
    return isinstance(value, np.ndarray) and value.ndim > 1 and value.dtype == float
