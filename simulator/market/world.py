"""The world as arrays: what a scenario says, once per replication, ready for the rules.

Every array ends with the axis [replication] (length 1 where the number is certain). Money meets people on
two axes: the use, a scene on a slot, and the segment. Uses of one slot stand together, those of contract
slots after the auction's; a placement is a use that may show to a segment.

symbol   meaning                                          unit                  shape
J        uses, auction then contract                                            [use]
O        opportunities of a use's slot and segment        impressions per day   [use, segment]
v        value of an impression in the scene's actions    actions per mille     [auction use, segment]
s        readiness of a stage to buy on a visit           x                     [stage]
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from simulator.market.calendar import Steps
from simulator.market.choice import Pictures, Trials
from simulator.market.purse import Purses
from simulator.market.repeat import Habit
from simulator.scenario.chain import BANDS, CHAIN_STAGES
from simulator.scenario.schema import Scenario

STAGES, BANDS_N = len(CHAIN_STAGES), len(BANDS)
BUYABLE = (
    "impression", "discover", "click", "engage", "enthuse", "perform", "cart",
    "order", "first_order", "numerous",
)  # fmt: skip
"""What can be bid for: things seen, things done on a visit, and from order on things bought."""


def odds(p: Any) -> Any:
    """Odds of a probability.

    >>> odds(0.2)
    0.25
    """
    return p / (1 - p)


def prob(o: Any) -> Any:
    """Probability of odds; the inverse of `odds`."""
    return o / (1 + o)


def bar(q: Any) -> Any:
    """Hazard of a share that leaves: -ln(1 - q)."""
    return -np.log1p(-np.asarray(q, dtype=float))


def column(values: "list[Any]") -> np.ndarray:
    """Numbers or arrays [replication], stacked: [row, replication], or [row, 1] when all are certain."""
    rows = [np.atleast_1d(np.asarray(v, dtype=float)) for v in values]
    if not rows:
        return np.zeros((0, 1))
    return np.array(np.broadcast_arrays(*rows))


def stack(parts: list[np.ndarray]) -> np.ndarray:
    """Tables as one, a row each."""
    return np.array(np.broadcast_arrays(*parts))


@dataclass(frozen=True)
class Names:
    """The axes, in the order of the file."""

    scenes: tuple[str, ...]
    slots: tuple[str, ...]
    segments: tuple[str, ...]
    products: tuple[str, ...]
    sources: tuple[str, ...]
    phases: tuple[str, ...]
    placements: tuple[str, ...]
    """scene/slot/segment of every use and segment, the use first."""
    packages: tuple[str, ...]
    partners: tuple[str, ...]
    """Commissioned media."""


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
    available: np.ndarray
    """Share of contract inventory that rivals left: [phase, replication]."""


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


@dataclass(frozen=True)
class Bidding:
    """How scenes bid: [scene] or [scene, replication]."""

    target: np.ndarray
    custom: np.ndarray
    """True: fixed bid."""
    cost: np.ndarray
    """True: average cost per action is bounded."""
    roi: np.ndarray
    quick: np.ndarray
    held: np.ndarray
    """True where the multiplier is not moved by the budget (quick custom and cost control)."""
    action: np.ndarray
    """Index of the action in BUYABLE."""
    purses: Purses
    active: np.ndarray
    """Scene spends in this phase: [phase, scene] of bool."""
    fixed_cost: np.ndarray
    boost: np.ndarray
    """Lift of free visits per share of sales made: [scene, replication]."""
    counts: np.ndarray
    """The return target counts free sales: [scene] of bool."""


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
    """Cost of one of their refunds beyond the usual [CNY]: [product, segment, replication]; None if none is."""
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


@dataclass(frozen=True)
class Goods:
    """Products and their costs: [product, replication] unless said otherwise."""

    price: np.ndarray
    """What the seller takes for an order by phase: [phase, product, replication]."""
    list_price: np.ndarray
    unit_cost: np.ndarray
    salvage: np.ndarray
    """Worth of a unit left at the end [CNY], where `clearing`; else 0, and not read."""
    clearing: np.ndarray
    """It has a salvage value: [product] of bool."""
    refund_odds: np.ndarray
    power: np.ndarray
    stock: np.ndarray
    """Units in the depot at the start: [product]."""
    pool: np.ndarray
    """Units in shops that online orders may take: [product]."""
    pool_cost: np.ndarray
    """Fulfilment of an order sent from a shop [CNY]."""
    restocks: tuple[tuple[int, int, int], ...]
    """(second, product, units) in order of time."""
    presale: np.ndarray
    deposit: np.ndarray
    """Deposit paid [CNY]."""
    organic: np.ndarray
    """pi: share of free visits, sums to 1."""
    mix: np.ndarray
    """Weights of the products of a scene: [scene, product, replication]."""
    stage_affinity: np.ndarray | None
    """Weights of the product stages in a scene: [scene, stage, replication]; None where all are 1."""
    stage: np.ndarray
    """One-hot stage at the start: [product, stage]."""
    launch: np.ndarray
    """Second from which a sampling product may launch: [product]."""
    items: np.ndarray
    """Items for which each product stands: [product]."""
    score: np.ndarray
    """Service score of the shop at the start: [1, replication]."""


@dataclass(frozen=True)
class Offers:
    """What coupons and subsidies make of prices: [phase, product, replication] unless said otherwise."""

    price: np.ndarray
    """What the buyer pays for an order of value 1, subsidies aside [CNY]."""
    aid: np.ndarray
    """What platform coupons add to it for the seller [CNY]."""
    size: np.ndarray
    """Goods in an order against one without coupons."""
    refund: np.ndarray
    """Odds multiplier of a refund."""
    elastic: bool
    """Some segment answers to prices."""
    response: np.ndarray
    """Odds multiplier of buying, without and with subsidy: [2, phase, product, segment, replication]."""
    programme: np.ndarray
    """Subsidy of each product, -1 for none: [product]."""
    rate: np.ndarray
    """Part of the price that is subsidised: [product, 1]."""
    cap: np.ndarray
    """Most for one order [CNY]: [product, 1]."""
    quota: np.ndarray
    """Money of each subsidy [CNY]: [programme]."""
    unit: np.ndarray
    """A typical subsidy of an order [CNY]: [programme, replication]."""
    window: np.ndarray
    """Start and end of each subsidy [s]: [2, programme]."""


@dataclass(frozen=True)
class Packages:
    """Contract packages: [package]. Each has a part for every slot over which it is delivered: [part]."""

    of: np.ndarray
    """Package of each part."""
    slot: np.ndarray
    """Slot of each part."""
    inventory: np.ndarray
    """Slot whose opportunities the part uses (the shared auction slot, or the slot itself)."""
    scene: np.ndarray
    impressions: np.ndarray
    cpm: np.ndarray
    """[package, replication]."""
    signed: np.ndarray
    window: np.ndarray
    """Phases of delivery: [package, phase] of bool."""
    close: np.ndarray
    """End of delivery [s]."""
    make_good_close: np.ndarray
    """End of make-good [s]; equal to close when the remedy is a refund."""
    make_good: np.ndarray
    """Impressions owed per impression of shortfall; 0 when the remedy is a refund."""
    deposit: np.ndarray
    """Share of the price that is paid at booking."""
    booked_at: np.ndarray
    """When that is [s]."""
    fee: np.ndarray
    """What a plan pays that leaves the package out [CNY]: [package, replication]."""
    cap: np.ndarray
    """Most impressions per person and day; 0 without a cap."""
    free: np.ndarray
    """Free visits in its phases when it is booked, against without: [package, replication]."""
    pool: np.ndarray
    """Part of people and opportunities in the crowd of the owning scene: [package, replication]."""
    reach: np.ndarray
    """h summed over the segments of the owning scene: [package, replication]."""
    segments: np.ndarray
    """Segments of the owning scene: [package, segment] of bool."""


@dataclass(frozen=True)
class Partners:
    """Commissioned media: [partner, replication] unless said otherwise."""

    visits: np.ndarray
    """Per person of a band on a day of a phase: [phase, partner, band, segment, replication]."""
    buy_odds: np.ndarray
    """[partner, segment, replication] of odds without product and phase."""
    touch: np.ndarray
    replaces: np.ndarray
    """Free visits that a visit replaces."""
    rate: np.ndarray
    """Commission, share of gmv."""
    mix: np.ndarray
    """Weights of the products: [partner, product, replication]."""
    fee: np.ndarray
    """[partner], like cap [CNY], infinite where there is none."""
    cap: np.ndarray
    start: np.ndarray
    """Step at which the fee is paid: [partner]."""


@dataclass(frozen=True)
class Costs:
    """Costs of an order and the payment gate: [1, replication]."""

    commission: np.ndarray
    """Commission and technology fee."""
    payment_fee: np.ndarray
    fulfilment: np.ndarray
    refund_handling: np.ndarray
    depreciation: np.ndarray
    pay_fail: np.ndarray
    pay_retry: np.ndarray
    pay_capacity: np.ndarray | None
    """Payment attempts per hour at full load; None: the phases give the load."""


@dataclass(frozen=True)
class Depot:
    """What the depot can send, and what lateness does: [1, replication]."""

    per_day: np.ndarray
    late_days: np.ndarray
    steepness: float
    late_refund: np.ndarray
    late_score: np.ndarray
    half_life: np.ndarray
    """[d]"""


@dataclass(frozen=True)
class Shocks:
    """Weather and news that may come: [shock] unless said otherwise."""

    names: tuple[str, ...]
    start: np.ndarray
    """First moment at which it may begin [s]."""
    end: np.ndarray
    last: np.ndarray
    """How long it lasts [s]."""
    chance: np.ndarray
    """Probability that it comes once; 0 where it has a rate."""
    rate: np.ndarray
    """Times per day that it begins; 0 where it has a chance."""
    demand: np.ndarray
    """Factor on the odds of buying: [shock, replication]."""
    traffic: np.ndarray
    products: np.ndarray
    """Products that it moves: [shock, product] of bool."""
    segments: np.ndarray
    """Segments that it moves, where not by product: [shock, segment] of bool."""


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
