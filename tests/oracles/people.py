"""The consumer chain as single people: each has a stage, a liking for media, and a memory.

Nothing here knows the hazards of `simulator/market/`; people meet views and visits by Poisson
processes, react to each visit by a toss, and carry the exact time of what happened to them last.
Events inside an hour come one after another at their own times, so nothing depends on the clock.

Three small worlds:

`first_contacts`    who has been reached at all, with uneven media use (docs/model.md section 7)
`remember`          who remembers a contact, for just W days or for W days on average
`live`              the whole chain with competing outcomes of a visit, and the last paid visit
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

Array = NDArray[np.float64]
Whole = NDArray[np.intp]

STAGES = 11
OUTSIDE, DISCOVER, ENGAGE, ENTHUSE, FAVOURITE, CART, DEPOSIT, INITIAL, NUMEROUS, KEEN, LAPSED = (
    range(STAGES)
)
BAND = np.array([0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4])
BOUGHT = np.array([INITIAL] * 7 + [NUMEROUS, NUMEROUS, KEEN, NUMEROUS])
FORGOT = np.array([0, OUTSIDE, OUTSIDE, ENGAGE, ENGAGE, ENGAGE, 6, 7, 8, 9, 10])
NOBODY = -1

ORDER, TO_CART, TO_FAVOURITE, TO_ENTHUSE, TO_ENGAGE, NOTHING, FORGET, TO_KEEN, SEE = range(9)
OTHERWISE = np.array(
    [TO_ENGAGE, TO_ENTHUSE, TO_FAVOURITE, TO_CART, ORDER, FORGET, TO_KEEN, NOTHING]
)
LEADS_TO = np.array([
    BOUGHT, *[[stage] * STAGES for stage in (CART, FAVOURITE, ENTHUSE, ENGAGE)],
    range(STAGES), FORGOT, [KEEN] * STAGES, [DISCOVER, *range(1, STAGES)],
])  # fmt: skip
"""Stage after each outcome: [outcome, stage]."""

Orders = tuple[Array, Whole, Array, Whole]
"""Times, scenes of the last paid visits, days since them, and scenes that opened the contact."""
WINDOWS = (1, 3, 7, 15, 30)
"""Look-back windows [d] for which people remember who opened the contact."""


# --- media use ----------------------------------------------------------------------------------


def draw_propensity(shape: float, people: int, rng: np.random.Generator) -> Array:
    """How much of the media each person uses: Gamma of mean 1; an infinite shape is even use.

    One person from each of as many equally likely strata, so that the mean is 1 in every crowd.
    """
    if np.isinf(shape):
        return np.ones(people)
    rank = (rng.permutation(people) + rng.random(people)) / people
    return np.asarray(gammaincinv(shape, rank) / shape)


def first_contacts(views: Array, shape: float, people: int, seed: int) -> Array:
    """Share of the people reached by the end of each day; `views` per average person [day]."""
    rng = np.random.default_rng(seed)
    propensity = draw_propensity(shape, people, rng)
    reached = np.zeros(people, dtype=bool)
    shares = []
    for today in views:
        for _ in range(24):
            reached |= rng.poisson(propensity * today / 24) > 0
        shares.append(reached.mean())
    return np.array(shares)


@dataclass(frozen=True)
class Contacts:
    """How often people of average media use have a contact, and how long they remember it."""

    rate: Array
    """Contacts per person: [day]."""
    hours: Array
    """Share of a day's contacts by hour: [24]."""
    shape: float
    """Of the Gamma distribution of media use."""
    memory: float
    """Days for which a contact is remembered."""
    fixed: bool
    """Whether every contact is remembered for just so long, or as long on average (exponential)."""


@dataclass
class Memories:
    """People who remember no contact (outside) and those who remember one (inside): by day."""

    first: Array
    """Contacts of people who remembered none."""
    lapsed: Array
    """People whose last remembered contact was forgotten."""
    outside: Array
    """Person-days."""
    inside: Array
    """Person-days."""


def remember(contacts: Contacts, people: int, seed: int) -> Memories:
    """Let people meet and forget contacts; at the start nobody remembers any."""
    rng = np.random.default_rng(seed)
    propensity = draw_propensity(contacts.shape, people, rng)
    until = np.full(people, -np.inf)
    seen = np.zeros((4, len(contacts.rate)))
    for hour in range(24 * len(contacts.rate)):
        day, start, end = hour // 24, hour / 24, (hour + 1) / 24
        mean = propensity * (contacts.rate[day] * contacts.hours[hour % 24])
        inside = np.clip(until, start, end).sum() - people * start
        for who, now in moments(mean, start, end, rng):
            before = until[who]
            stays = contacts.memory * (1 if contacts.fixed else rng.exponential(size=who.size))
            until[who] = np.maximum(before, now + stays)
            seen[0, day] += (before <= now).sum()
            seen[1, day] += ((before <= now) & (before > start)).sum()
            inside += (np.clip(until[who], now, end) - np.clip(before, now, end)).sum()
        seen[1, day] += ((until > start) & (until <= end)).sum()
        seen[2:, day] += people * (end - start) - inside, inside
    return Memories(*seen)


def moments(
    mean: Array, start: float, end: float, rng: np.random.Generator
) -> Iterator[tuple[Whole, Array]]:
    """The Poisson events of [start, end) in turns: who has one, and its exact time.

    Of k times that are left, uniform on what is left of the interval, the first is taken.
    """
    left = rng.poisson(mean)
    now = np.full(len(mean), start)
    while (who := np.flatnonzero(left)).size:
        now[who] += (end - now[who]) * (1 - rng.random(who.size) ** (1 / left[who]))
        left[who] -= 1
        yield who, now[who]


# --- wear-out -----------------------------------------------------------------------------------


def mean_click_odds(
    exposures: float, fatigue: float, people: int, *, shape: float = np.inf, seed: int
) -> tuple[float, float]:
    """Mean of exp(-fatigue (n - 1)) over people exposed n >= 1 times; and over all impressions.

    The second counts at each impression those that its person has seen before it in the same
    memory: what the next impression meets that is not aimed at anyone in particular.
    """
    rng = np.random.default_rng(seed)
    propensity = draw_propensity(shape, people, rng)
    seen = rng.poisson(exposures * propensity)
    of_people = np.exp(-fatigue * (seen[seen > 0] - 1.0)).mean()
    of_impressions = (propensity * np.exp(-fatigue * seen)).mean() / propensity.mean()
    return float(of_people), float(of_impressions)


# --- the chain ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Habits:
    """What people meet and how they react. Scenes are paid but for the last, which is free."""

    start: Array
    """Share of people by stage: [stage]."""
    views: Array
    """Per average person and day: [day, band]."""
    visits: Array
    """Per person and day: [day, scene, band]."""
    hours: Array
    """Share of a day's views, visits and basket releases by hour: [24]."""
    touch: Array
    """Power of a visit to move people: [scene]."""
    buying: Array
    """Probability that a visit of readiness 1 is a paid order: [scene]."""
    readiness: Array
    """[stage]"""
    moves: Array
    """Probability per visit of engage, enthuse, favourite, cart: [move, stage]."""
    base: Array
    """Hazard per day of the same without a visit: [move, stage]."""
    release: Array
    """Hazard per day that a cart is bought: [day]."""
    favourite_release: float
    """The same of a favourite against a cart."""
    forget: Array
    """Hazard per day of falling back, contacts included: [day, stage]."""
    keen: float
    """Hazard per day from numerous to keen."""
    lapse_days: float
    """The last orders of customers before the start lie evenly in so many days."""
    return_days: float
    """The same for the lapsed: they become outsiders within so many days."""
    shape: float
    """Of the Gamma distribution of media use."""


@dataclass
class Diary:
    """What happened to the people."""

    stages: Array
    """People by stage at the start of each day and at the end: [day + 1, stage]."""
    when: Array
    """Time of each order [d]."""
    scene: Whole
    """Scene of the last paid visit before or with the order; NOBODY if there was none."""
    age: Array
    """Days since that visit."""
    opener: Whole
    """Scene that opened the contact by each of the windows: [window, order]."""

    def credit(self, window: float, scenes: int) -> Array:
        """Orders of each paid scene whose last paid visit lies inside a look-back window."""
        return tally(self.scene[self.age < window], scenes)

    def openers(self, window: float, scenes: int) -> Array:
        """The same by the scene that opened the contact."""
        return tally(self.opener[WINDOWS.index(window), self.age < window], scenes)

    def direct(self, window: float, scenes: int, *, opened: bool) -> Array:
        """Of these, orders on a visit of the scene itself."""
        visited = self.age == 0
        if opened:
            visited &= self.opener[WINDOWS.index(window)] == self.scene
        return tally(self.scene[visited], scenes)


def tally(scene: Whole, scenes: int) -> Array:
    """Orders by scene."""
    return np.bincount(scene[scene >= 0], minlength=scenes)[:scenes].astype(float)


@dataclass
class Crowd:
    """One entry per person."""

    stage: Whole
    propensity: Array
    due: Array
    """When a customer who does not buy lapses, or a lapsed one becomes an outsider [d]."""
    touched_by: Whole
    touched_at: Array
    opened_by: Whole
    """[window, person]"""

    @classmethod
    def of(cls, habits: Habits, people: int, rng: np.random.Generator) -> "Crowd":
        """People at the start, none of them touched."""
        counts = np.floor(np.cumsum(habits.start) * people + 0.5).astype(int)
        stage = np.searchsorted(counts, np.arange(people), side="right")
        limit = np.full(STAGES, np.inf)
        limit[[INITIAL, NUMEROUS, KEEN]], limit[LAPSED] = habits.lapse_days, habits.return_days
        due = limit[stage] * rng.random(people)
        propensity = draw_propensity(habits.shape, people, rng)
        nobody = np.full((len(WINDOWS), people), NOBODY)
        return cls(stage, propensity, due, nobody[0].copy(), np.full(people, -np.inf), nobody)

    def touch(self, who: Whole, now: Array, scene: Whole, paid: NDArray[np.bool_]) -> None:
        """Remember the paid visits, and which of them open a contact: the one before is a window ago."""
        gap, visitors = now[paid] - self.touched_at[who[paid]], who[paid]
        for row, window in enumerate(WINDOWS):
            fresh = gap >= window
            self.opened_by[row, visitors[fresh]] = scene[paid][fresh]
        self.touched_by[who[paid]], self.touched_at[who[paid]] = scene[paid], now[paid]

    def last_touch(self, who: Whole, now: Array, ordered: NDArray[np.bool_]) -> Orders:
        """Note the orders, and that these people bought: they will not lapse."""
        buyers = who[ordered]
        self.due[buyers] = np.inf
        age = now[ordered] - self.touched_at[buyers]
        return now[ordered], self.touched_by[buyers], age, self.opened_by[:, buyers]


def live(habits: Habits, people: int, seed: int, *, tossed_apart: bool = False) -> Diary:
    """Let people live through the days of `habits`.

    With `tossed_apart` every outcome of a visit has its own toss and the furthest move counts;
    otherwise a visit has at most one outcome, as hazards in proportion have it.
    """
    rng = np.random.default_rng(seed)
    crowd = Crowd.of(habits, people, rng)
    reactions = react(habits, tossed_apart)
    stages, orders = [], []
    for hour in range(24 * len(habits.views)):
        if hour % 24 == 0:
            stages.append(np.bincount(crowd.stage, minlength=STAGES))
        fall_due(crowd, hour / 24)
        orders += live_an_hour(crowd, habits, reactions, hour, rng)
    stages.append(np.bincount(crowd.stage, minlength=STAGES))
    *parts, openers = zip(*orders, strict=True)
    when, scene, age = (np.concatenate(part) for part in parts)
    return Diary(np.array(stages, dtype=float), when, scene, age, np.concatenate(openers, axis=1))


def react(habits: Habits, tossed_apart: bool) -> Array:
    """Outcomes of a visit, cumulated: order, cart, favourite, enthuse, engage [scene, stage, 5]."""
    order = habits.buying[:, None] * habits.readiness
    moves = habits.touch[:, None, None] * habits.moves[::-1]
    outcomes = np.concatenate([order[:, None], moves], axis=1)
    assert (outcomes.sum(axis=1) <= 1).all(), "a visit has more outcomes than one"
    if tossed_apart:
        missed = np.cumprod(1 - outcomes, axis=1)
        outcomes[:, 1:] *= missed[:, :-1]
    return np.cumsum(outcomes, axis=1).swapaxes(1, 2)


def rates(habits: Habits, hour: int) -> Array:
    """Rates per day: visits of each scene, four moves, release, forget, keen: [stage, event]."""
    day, busy = hour // 24, 24 * habits.hours[hour % 24]
    table = np.zeros((STAGES, len(habits.touch) + 7))
    table[:, :-7] = habits.visits[day].T[BAND] * busy
    table[:, -7:-3] = habits.base.T
    table[CART, -3] = habits.release[day] * busy
    table[FAVOURITE, -3] = habits.favourite_release * table[CART, -3]
    table[:, -2] = habits.forget[day]
    table[NUMEROUS, -1] = habits.keen
    return table


def live_an_hour(
    crowd: Crowd, habits: Habits, reactions: Array, hour: int, rng: np.random.Generator
) -> list[Orders]:
    """Everything that can happen comes at one rate per person; a toss says what, or nothing."""
    scenes = len(habits.touch)
    table = np.cumsum(rates(habits, hour), axis=1)
    views = crowd.propensity * (habits.views[hour // 24, 0] * 24 * habits.hours[hour % 24])
    most = views + table[:, -1].max()
    orders = []
    for who, now in moments(most / 24, hour / 24, (hour + 1) / 24, rng):
        stage, toss = crowd.stage[who], rng.random(who.size) * most[who] - views[who]
        event = (toss[:, None] >= table[stage]).sum(axis=1)
        outcome = OTHERWISE[np.maximum(event - scenes, 0)]
        visit = (toss >= 0) & (event < scenes)
        reaction = rng.random(who.size)[:, None] >= reactions[np.minimum(event, scenes - 1), stage]
        outcome[visit] = reaction.sum(axis=1)[visit]
        known = visit & (event == scenes - 1) & (stage == OUTSIDE) & (outcome == NOTHING)
        outcome[(toss < 0) | known] = SEE
        crowd.touch(who, now, event, visit & (event < scenes - 1))
        orders.append(crowd.last_touch(who, now, outcome == ORDER))
        crowd.stage[who] = LEADS_TO[outcome, stage]
    return orders


def fall_due(crowd: Crowd, now: float) -> None:
    """Customers who have not bought for too long lapse; the lapsed become outsiders."""
    who = np.flatnonzero(crowd.due <= now)
    crowd.stage[who] = np.where(crowd.stage[who] == LAPSED, OUTSIDE, LAPSED)
    crowd.due[who] = np.inf
