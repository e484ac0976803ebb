"""The consumer chain: exposure, wear-out, and the moves of people in one step.

symbol   meaning                                            unit                 shape
n        people by chain stage                              people               [stage, segment, lane]
old      customers and lapsed who last bought before start  people               [4, segment, lane]
a        decayed viewed impressions per outside person      views per person     [segment, lane]
F        decayed impressions per person (wear-out)          impressions          [band, segment, lane]
X, Y, Z  views, touches, buying visits per person           per person and step  [band, segment, lane]
H        hazards of one step                                1                    [kind, stage, segment, lane]

Competing hazards leave together, 1 - exp(-sum H), and split in proportion (docs/model.md section 7).
Stages follow DEEPLINK; reach is the negative binomial model of exposure (Danaher) written as a hazard.
"""

import math
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from simulator.market.bounds import at_least, at_most
from simulator.market.columns import bar
from simulator.market.draws import Draws
from simulator.market.groups import FEW, Groups, runs
from simulator.market.people import STAGES, STRANGERS, People
from simulator.market.repeat import habit_rate
from simulator.scenario.chain import BAND_OF_STAGE, Stage

KINDS = ("order", "deposit", "cart", "favourite", "enthuse", "engage", "pass_on", "decay")
ORDER, DEPOSIT, CART, FAVOURITE, ENTHUSE, ENGAGE, PASS_ON, DECAY = range(8)
VISIT_MOVES, UP = slice(CART, PASS_ON), 5  # cart to engage, from the first five stages
STAY = -1

# Destination of each kind of move from each stage; STAY marks no move (or an order that returns).
TO = np.array([
    [7, 7, 7, 7, 7, 7, 7, 8, STAY, STAY, 8],
    [6, 6, 6, 6, 6, 6, STAY, STAY, STAY, STAY, STAY],
    [5, 5, 5, 5, 5, STAY, STAY, STAY, STAY, STAY, STAY],
    [4, 4, 4, 4, STAY, STAY, STAY, STAY, STAY, STAY, STAY],
    [3, 3, 3, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY],
    [2, 2, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY, STAY],
    [1, STAY, STAY, STAY, STAY, STAY, STAY, STAY, 9, STAY, STAY],
    [STAY, 0, 0, 2, 2, 2, STAY, 10, 10, 10, 0],
])  # fmt: skip
BUYERS = {
    "order": np.ones((STAGES, 1)),
    "first_order": (TO[ORDER] == Stage.INITIAL).astype(float)[:, None],
    "numerous": (TO[ORDER] == Stage.NUMEROUS).astype(float)[:, None],
}
"""1 for a stage whose orders count for a bid, else 0: [stage, 1]."""
BAND = np.array(BAND_OF_STAGE, dtype=np.intp)
BY_BAND = Groups(BAND, int(BAND[-1]) + 1)
BEFORE_PERFORM = (np.arange(STAGES) < 4).astype(float)[:, None]


def _ways() -> list[tuple[int, int, slice]]:
    """Every destination, with each kind of move and stretch of stages that lead there.

    >>> [(kind, stages) for target, kind, stages in _ways() if target == 8]
    [(0, slice(7, 8, None)), (0, slice(10, 11, None))]
    """
    return [
        (target, kind, stages)
        for kind, row in enumerate(TO)
        for target in range(STAGES)
        for stages in runs(row == target)
    ]


WAYS = _ways()
BY_WAY = Groups.choose(
    [[kind * STAGES + stage for stage in range(STAGES)[stages]] for _, kind, stages in WAYS],
    len(KINDS) * STAGES,
)
BY_TARGET = Groups(np.array([target for target, _, _ in WAYS]), STAGES)
"""The same as sums of the rows [kind and stage], and of the ways."""
MANY_WAYS = np.array([0, 1, 2, 3, 4, 8])
"""Stages from which people who do not buy may go more than one way."""
UNPAID = np.arange(Stage.DEPOSIT)
"""Stages from which people may pay a deposit."""


def arrivals(moves: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
    """Moves [kind, stage, segment, lane], times scale [stage, segment, lane], by destination:
    [stage, segment, lane].
    """
    arrived = np.zeros(moves.shape[1:])
    if math.prod(moves.shape[2:]) <= FEW:
        every = moves if scale is None else moves * scale
        whole = BY_WAY.sum(every.reshape(len(KINDS) * STAGES, -1))
        return BY_TARGET.sum(whole).reshape(arrived.shape)
    for target, kind, stages in WAYS:
        part = moves[kind, stages]
        part = part if scale is None else part * scale[stages]
        arrived[target] += np.add.reduce(part)
    return arrived


@dataclass
class Crowd:
    """People and their memory of advertising."""

    n: np.ndarray
    old: np.ndarray
    exposure: np.ndarray
    fatigue: np.ndarray


@dataclass
class Contact:
    """What reaches the people of each band in a step, per person."""

    views: np.ndarray
    touches: np.ndarray
    buys: np.ndarray
    unseen: np.ndarray | float = 0.0
    """Touches of strangers by visits that no ad brought: [segment, lane]."""


@dataclass(frozen=True)
class Pulse:
    """The numbers of one step that the chain needs; arrays are [1, lane] or scalars, [who, segment or 1, lane] where
    strangers and customers differ.
    """

    days: float
    """Length of the step for what time alone does; 0 once sales have closed."""
    browse: float
    """Visits of the step against a normal day: contacts are counted per day of browsing."""
    now: float
    """Days since the start at the middle of the step."""
    pay: np.ndarray
    """Payment success Pi."""
    cart: np.ndarray
    """Multiplier of favourites and carts, of phase and goods: [who, segment or 1, lane]."""
    release: np.ndarray
    """Hazard of a cart's release in this step: [who, segment or 1, lane]."""
    deposit: np.ndarray
    """Deposit hazard of a visit against its buying hazard, presale share included: [segment or 1, lane]."""
    deposit_release: np.ndarray
    """Hazard that a presale product in a cart is paid a deposit on in this step."""
    balance: np.ndarray
    """Hazard that a deposit's balance is paid in this step."""
    buy: float = 1.0
    """Purchases of the step against a normal day."""
    presale: bool = True
    """Deposits can be paid in this step."""
    presold: np.ndarray = field(default_factory=lambda: np.zeros((2, 1, 1)))
    """Part of what baskets hold that can be presold: [who, segment or 1, lane]."""

    def presell(self, who: int, part: np.ndarray | float = 1.0) -> np.ndarray:
        """Hazard of a deposit out of a basket of strangers or customers that is released `part` as fast as a cart."""
        return np.asarray(bar(self.presold[who] * -np.expm1(-part * self.deposit_release)))


def wear(impressions_per_person: np.ndarray, fatigue: np.ndarray) -> np.ndarray:
    """Click odds lost to repetition: exp(-phi (f - 1)), f the mean exposures of those exposed.

    With Poisson exposures of mean y, f = y / (1 - exp(-y)).

    >>> float(wear(np.array(1e-12), np.array(0.1)).round(9))
    1.0
    """
    y = at_least(impressions_per_person, 1e-12)
    return np.asarray(np.exp(-fatigue * (y / -np.expm1(-y) - 1)))


def carried_over(stock: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """A stock per person once people have moved, newcomers with the mean of all: [band, segment, lane].

    >>> one, two = np.array([[1.0], [3.0]]), np.array([[2.0], [2.0]])
    >>> carried_over(np.array([[4.0], [0.0]]), one, two).ravel().tolist()  # the mean is 1
    [2.5, 0.0]
    """
    mean = ratio((stock * before).sum(axis=0), before.sum(axis=0))
    new = ratio(at_least(after - before, 0.0), after)
    return np.where(after > 0, stock + (mean - stock) * new, mean)


Weights = tuple[np.ndarray, np.ndarray]
"""Of a stock, and of what arrives evenly over a step."""


def fading(rate: np.ndarray) -> Weights:
    """What a step leaves of a stock that decays by `rate`, and of its inflow: e^-r, (1 - e^-r)/r."""
    keep = np.exp(-rate)
    return keep, (1 - keep) / rate


def mean_fading(rate: np.ndarray) -> Weights:
    """The same in the mean of the step: (1 - e^-r)/r, (r - 1 + e^-r)/r^2."""
    lost = -np.expm1(-rate)
    late = np.where(rate > 1e-4, (rate - lost) / np.maximum(rate, 1e-4) ** 2, 0.5 - rate / 6)
    return lost / rate, late


def blend(weights: Weights, stock: np.ndarray, inflow: np.ndarray) -> np.ndarray:
    """A stock after a step, or in its mean, while `inflow` arrives evenly.

    >>> mean = blend(mean_fading(np.array(1e-6)), np.array(2.0), np.array(1.0))
    >>> float(mean.round(4)), float(blend(fading(np.log(2)), np.array(2.0), np.array(0.0)).round(4))
    (2.5, 1.0)
    """
    return np.asarray(stock * weights[0] + inflow * weights[1])


def wear_rate(people: People, days: float) -> np.ndarray:
    """Decay of wear-out in so many days."""
    return np.asarray(days * math.log(2) / people.fatigue_half_life)


def put_off(
    waiting: np.ndarray, fresh: np.ndarray, rate: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Decisions that are acted on in a step, and those left waiting; each waits Exp with `rate` a step.

    Fresh ones come evenly over the step; nobody waits where the rate is infinite.

    >>> [float(x.round(6)) for x in put_off(np.array(3.0), np.array(0.0), np.array(np.log(3)))]
    [2.0, 1.0]
    """
    keep = np.exp(-rate)
    left = waiting * keep + fresh * (1 - keep) / rate
    return waiting + fresh - left, left


def reach_hazard(exposure: np.ndarray, views: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Hazard of a first contact: r ln[(1 + (a + x)/r) / (1 + a/r)], a ratio of survivals.

    >>> survivors = np.exp(-reach_hazard(np.array(0.0), np.array(2.0), np.array(0.5)))
    >>> float(survivors.round(6)) == round((1 + 2 / 0.5) ** -0.5, 6)
    True
    """
    return np.asarray(shape * np.log1p(views / (shape + exposure)))


def renewal(contacts_per_window: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Lapse rate against no contact at all: the rate of gaps as long as the window.

    u (1 + u/r)^-(r+1) / (1 - (1 + u/r)^-r): Poisson contacts, media use Gamma of shape r over the
    people inside; u / (e^u - 1) for even use.

    >>> renewal(np.array([0.0, 1.0]), np.array([1e9])).round(6).tolist()
    [1.0, 0.581977]
    """
    u = at_least(contacts_per_window, 1e-12)
    thinned = at_most(shape * np.log1p(u / shape), 700.0)
    return np.asarray(u / (np.expm1(thinned) * (1 + u / shape)))


def habitual(people: People, crowd: Crowd, now: float) -> np.ndarray:
    """Orders of habit per customer and day: [initial, numerous, keen; segment, lane]."""
    assert people.habit is not None
    old = ratio(crowd.old[:3], crowd.n[7:10])
    return habit_rate(people.habit, old, people.lapse_days, now)


def _upward(moves: np.ndarray) -> np.ndarray:
    """Moves [engage, enthuse, favourite, cart; stage, replication] as hazards stand, cart first, and 0 where
    there is no such move: [kind, stage, 1, replication].
    """
    return np.where(TO[VISIT_MOVES, :UP, None] == STAY, 0.0, moves[::-1, :UP])[:, :, None]


class Chain:
    """Moves of one chunk of lanes; work arrays are made once."""

    def __init__(self, people: People, segments: int, lanes: int, *, traced: bool = True) -> None:
        """`traced`: keep apart what visits cause."""
        self.people, self.traced = people, traced
        shape = (len(KINDS), STAGES, segments, lanes)
        self.hazards = np.zeros(shape)
        self.flows = np.zeros(shape)
        self.visited = np.zeros(shape if traced else 0)
        """Part of the hazards that visits cause."""
        self._reach = cache(lambda days: fading(days / people.reach_window))
        self._wear = cache(lambda days: fading(wear_rate(people, days)))
        """By the length of a step."""
        self._visit_moves, self._base_moves = map(_upward, (people.visit_moves, people.base_moves))
        self._no_further = at_least(1 - np.add.reduce(people.visit_moves[:, 0]), 0.0)
        """Part of the visits of strangers after which they know the brand and no more: [replication]."""
        self._contact = self.flows[:3]  # room that is free until people move
        self.baskets = np.zeros((2, segments, lanes))
        """Release part of the order hazard of favourite and cart."""
        self.presold = np.zeros((2, segments, lanes))
        """The same of the deposit hazard."""
        self.habit: np.ndarray | None = None
        """Orders of habit in the order hazard of customers: [3, segment, lane]."""

    def fill(self, crowd: Crowd, contact: Contact, pulse: Pulse) -> None:
        """Hazards of the step from what people meet (docs/model.md section 7, the table)."""
        views, touches, buys = self._by_stage(contact)
        self._fill_moves(touches, pulse)
        self._fill_orders(buys, pulse)
        self._fill_decay(crowd, views, touches, pulse)
        p = self.people
        if p.habit is not None:
            self.habit = habitual(p, crowd, pulse.now) * (pulse.pay * pulse.buy)
            self.hazards[ORDER, 7:10] += self.habit
        reach = reach_hazard(crowd.exposure, contact.views[0], p.frequency_shape)
        self.hazards[PASS_ON, 0] = reach + contact.unseen * self._no_further
        self.hazards[PASS_ON, 8] = p.keen_rate * pulse.days

    def _by_stage(self, contact: Contact) -> np.ndarray:
        parts = (contact.views, contact.touches, contact.buys)
        for part, out in zip(parts, self._contact, strict=True):
            part.take(BAND, axis=0, out=out, mode="clip")
        return self._contact

    def _fill_moves(self, touches: np.ndarray, pulse: Pulse) -> None:
        moves = self.hazards[VISIT_MOVES, :UP]
        np.multiply(touches[:UP], self._visit_moves, out=moves)
        moves[:2] *= pulse.cart[STRANGERS]
        if self.traced:
            self.visited[VISIT_MOVES, :UP] = moves
        moves += self._base_moves * pulse.days

    def _fill_orders(self, buys: np.ndarray, pulse: Pulse) -> None:
        p, h = self.people, self.hazards
        ready = buys
        ready *= p.propensity[:, None]
        np.multiply(ready, pulse.pay, out=h[ORDER])
        if self.traced:
            self.visited[ORDER] = h[ORDER]
            self.visited[ORDER, 6] = 0.0
        release = pulse.pay * pulse.release[STRANGERS]
        self.baskets[0] = p.favourite_release * release
        self.baskets[1] = release
        h[ORDER, 4:6] += self.baskets
        h[ORDER, 6] = pulse.balance
        np.multiply(ready[:6], pulse.deposit, out=h[DEPOSIT, :6])
        if self.traced:
            self.visited[DEPOSIT, :6] = h[DEPOSIT, :6]
        self.presold[0] = pulse.presell(STRANGERS, p.favourite_release)
        self.presold[1] = pulse.presell(STRANGERS)
        h[DEPOSIT, 4:6] += self.presold

    def _fill_decay(
        self, crowd: Crowd, views: np.ndarray, touches: np.ndarray, pulse: Pulse
    ) -> None:
        p, h = self.people, self.hazards
        window = p.forget[:, None]
        contacts = np.array(touches[1:6])
        contacts[0] += views[
            1
        ]  # to be seen keeps a brand known; interest and baskets live by visits
        contacts *= window / pulse.browse
        lapse = renewal(contacts, p.frequency_shape)
        np.multiply(lapse, pulse.days / window, out=h[DECAY, 1:6])
        ageing = (p.lapse_days, p.lapse_days, p.lapse_days, p.window_days - p.lapse_days)
        rate = [pulse.days / max(limit - pulse.now, pulse.days) for limit in ageing]
        old = ratio(crowd.old, crowd.n[7:11])
        np.multiply(np.array(rate)[:, None, None], old, out=h[DECAY, 7:11])

    def presold_part(self) -> np.ndarray:
        """Part of the deposit hazard of favourite and cart that is their release: [2, segment, lane]."""
        return ratio(self.presold, self.hazards[DEPOSIT, 4:6])

    def on_visits(self) -> np.ndarray:
        """Part of each hazard that visits cause, releases and base moves excluded: like hazards, but without
        the last two kinds, which no visit causes.
        """
        return ratio(self.visited[:PASS_ON], self.hazards[:PASS_ON])

    def chances(self, crowd: Crowd) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities to order or pay a deposit, and to move otherwise if not: [stage, segment, lane]."""
        total = np.add.reduce(self.hazards, axis=0)
        leaving = self._leaving(crowd.n, total)
        buying = ratio(self.hazards[ORDER] + self.hazards[DEPOSIT], total)
        buying *= leaving
        leaving -= buying
        leaving /= at_least(1 - buying, 1e-12)
        return buying, leaving.clip(0.0, 1.0, out=leaving)

    def part(
        self, buyers: np.ndarray, others: np.ndarray, pulse: Pulse, draws: Draws
    ) -> np.ndarray:
        """Flows of the step [kind, stage, segment, lane] from who moves; the crowd is not changed yet."""
        self.flows[ORDER], self.flows[DEPOSIT : CART + 1] = buyers, 0.0  # contacts stood there
        if pulse.presale:
            self._split("purchase", buyers, UNPAID, slice(ORDER, CART), draws)
        self.flows[DECAY] = others
        self.flows[DECAY, 6] = 0.0
        self._split("ways", others, MANY_WAYS, slice(CART, len(KINDS)), draws)
        return self.flows

    def _split(
        self, purpose: str, people: np.ndarray, stages: np.ndarray, kinds: slice, draws: Draws
    ) -> None:
        """Part the people of some stages between kinds of moves."""
        flat = (-1, people.shape[2])
        weights = self.hazards[kinds].take(stages, axis=1)
        parts = weights.reshape(len(weights), *flat)
        draws.split(purpose, people.take(stages, axis=0).reshape(flat), parts, out=parts)
        self.flows[kinds, stages] = weights

    def _leaving(self, n: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Share of a stage that leaves; newcomers of the step get half of its hazard."""
        out = -np.expm1(-total)
        inflow = arrivals(self.hazards, ratio(n * out, total))
        out += -np.expm1(-0.5 * total) * ratio(inflow, n)
        return at_most(out, 1.0, out=out)

    def settle(self, crowd: Crowd, again: np.ndarray, draws: Draws) -> None:
        """Carry the flows out: people are conserved; `again` [segment, lane]: customers' basket orders."""
        gone = self.flows.sum(axis=0)
        gone[8:10] -= self.flows[ORDER, 8:10]
        rebought = self.flows[ORDER, 7:11].copy()
        rebought[1] += self.flows[PASS_ON, 8]
        regulars = crowd.n[7:10]
        rebought[:3] += regulars * ratio(again, regulars.sum(axis=0))
        self._age(crowd, rebought, draws)
        crowd.n += arrivals(self.flows) - gone

    def _age(self, crowd: Crowd, rebought: np.ndarray, draws: Draws) -> None:
        decay = self.flows[DECAY, 7:11]
        kept = crowd.old * at_least(1 - ratio(rebought, crowd.n[7:11]), 0.0) - decay
        flat = kept.reshape(-1, kept.shape[-1])
        rounded = draws.round_off("old", at_least(flat, 0.0)).reshape(kept.shape)
        left = crowd.n[7:11] - decay
        crowd.old[...] = np.minimum(rounded, at_least(left, 0.0))

    def remember(
        self, crowd: Crowd, contact: Contact, pulse: Pulse, shown: tuple[np.ndarray, np.ndarray]
    ) -> None:
        """Carry exposure and wear-out to the next step; `shown`: people by band as the step began, and the
        impressions that each has met [band, segment, lane].
        """
        crowd.exposure = blend(self._reach(pulse.days), crowd.exposure, contact.views[0])
        before, impressions = shown
        stock = blend(self._wear(pulse.days), crowd.fatigue, impressions)
        crowd.fatigue = carried_over(stock, before, by_band(crowd.n))


def people_moved(goal: str, n: np.ndarray, visit_moves: np.ndarray) -> np.ndarray:
    """People per visit that move into a stage by it, by band: [band, segment, lane].

    `n` [stage, segment, lane]; visit_moves [move, stage, replication]. To perform is to take a
    favourite or a cart where there was none.
    """
    if goal == "perform":
        moved = into_baskets(n, visit_moves)
    else:
        moved = by_band(n * visit_moves[("engage", "enthuse").index(goal)][:, None])
    return np.asarray(ratio(moved, by_band(n)))


def into_baskets(n: np.ndarray, visit_moves: np.ndarray) -> np.ndarray:
    """People who take a favourite or a cart where there was none, per visit: [band, segment, lane]."""
    moves = (visit_moves[2] + visit_moves[3]) * BEFORE_PERFORM
    return by_band(n * moves[:, None])


def deciding(n: np.ndarray, propensity: np.ndarray) -> np.ndarray:
    """People who may order on a visit, each as ready as their stage is: [band, segment, lane].

    `n` [stage, segment, lane]; who has paid a deposit waits for the balance.
    """
    ready = n * propensity[:, None]
    ready[Stage.DEPOSIT] = 0.0
    return by_band(ready)


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part / whole, 0 where both are 0 (a part of nothing is nothing).

    >>> ratio(np.array([1.0, 0.0]), np.array([4.0, 0.0])).tolist()
    [0.25, 0.0]
    """
    return np.asarray(part / at_least(whole, 1e-200))


def by_band(n: np.ndarray) -> np.ndarray:
    """People by band [band, segment, lane] from people by stage."""
    if n[0].size <= FEW:
        return BY_BAND.sum(n.reshape(STAGES, -1)).reshape(-1, *n.shape[1:])
    return np.array([n[0], n[1] + n[2], n[3] + n[4] + n[5] + n[6], n[7] + n[8] + n[9], n[10]])
