"""Touches that move with people: which scene's click reached them last or first, and how long ago.

symbol    meaning                                                unit     shape
T         people who belong to a scene, by age of last touch     people   [age, scene, stage, segment, lane]
y_i       paid visits of a scene per person in the step          1        [scene, band, segment, lane]
age       days since the last paid visit, classes as in WIDTHS   d

Credit is platform-style, not causal: an order of a person touched inside the window, or on a paid visit,
belongs to the scene of the last touch or of the first (that opened the contact), or half to each; any other
order belongs to nobody (organic). The rule says who gets it, never how much: credited + organic = all.
"""

import math
from dataclasses import dataclass, fields

import numpy as np

from simulator.market.audience import BAND, BY_WAY, CART, PASS_ON, STAY, TO, WAYS, ratio
from simulator.market.bounds import at_least
from simulator.market.groups import add_up
from simulator.market.people import STAGES
from simulator.scenario.chain import Stage

WIDTHS = (
    1,
    1,
    1,
    2,
    2,
    4,
    4,
    5,
    5,
    5,
)  # days of each age class; classes within the window are kept
MOVES = (TO != STAY)[..., None, None]
VISIT_WAYS = [way for way in WAYS if way[1] < PASS_ON]  # visits cause no other kind of move
FROM = BY_WAY.filled % STAGES
"""Stage that each way leaves, stage by stage: [round, way]."""
FIRST_WAYS = [[way[0] for way in WAYS].index(stage) for stage in range(STAGES)]
FURTHER_WAYS = [way for way in range(len(WAYS)) if way not in FIRST_WAYS]
"""Of the ways into each stage the first, and the others, by their number."""
NOBODY = 1e-9  # people: a stage with fewer of them is empty but for rounding, and has no shares
BLOCK = 131072  # people of one age and scene that are moved at once: they fit a core's own cache


Paid = tuple[np.ndarray, np.ndarray]
"""Parts of touches, and of buying visits, that a scene paid for: [scene, band, segment, lane]."""


@dataclass
class Credit:
    """Orders credited to scenes: [scene, segment, lane]."""

    orders: np.ndarray
    direct: np.ndarray
    """Of these, on a visit of the scene credited; presale: balances of deposits; the rest is indirect."""
    presale: np.ndarray
    visited: np.ndarray
    """Orders on visits of a scene, whoever is credited."""
    guests: np.ndarray
    """Orders on visits of commissioned media, and organic ones: [segment, lane]."""
    organic: np.ndarray


@dataclass
class Credits:
    """Who gets the orders of a step."""

    report: Credit
    """By the attribution model."""
    promised: Credit | None
    """By the last touch, where guarantees ask for it."""


@dataclass
class Takings:
    """What a step has sold, and what of it on visits of scenes."""

    gmv: np.ndarray
    """[CNY]: [lane], like orders."""
    orders: np.ndarray
    own_gmv: np.ndarray
    """On visits of a scene [CNY]: [scene, lane], like own_orders."""
    own_orders: np.ndarray
    worth: np.ndarray
    """Order value of a segment, whatever it buys: [segment, lane]."""


def gmv_of(credit: Credit, takings: Takings) -> np.ndarray:
    """Gmv credited to scenes [CNY]: [scene, lane]; with that of nobody, and of guests, it is all gmv.

    An order on a scene's own visit is worth what the products sold there are, every other one the mean of
    the others, each against what its segment spends (docs/model.md, Attributed orders).

    >>> two = np.array([[[1.0]], [[1.0]]])
    >>> credit = Credit(two, two, 0 * two, two, np.zeros((1, 1)), np.zeros((1, 1)))
    >>> own = np.array([[10.0], [100.0]]), np.array([[1.0], [1.0]])
    >>> takings = Takings(np.array([110.0]), np.array([2.0]), *own, np.array([[55.0]]))
    >>> gmv_of(credit, takings).ravel().tolist()
    [10.0, 100.0]
    """
    kept = ratio(credit.direct.sum(axis=1), credit.visited.sum(axis=1))
    orders = takings.orders - (takings.own_orders * kept).sum(axis=0)
    others = ratio(takings.gmv - (takings.own_gmv * kept).sum(axis=0), orders)
    rest = np.where(
        orders > 1e-9 * takings.orders, at_least(others, 0.0), ratio(takings.gmv, takings.orders)
    )
    own = ratio(takings.own_gmv, takings.own_orders)
    direct, other = (
        np.einsum("igl,gl->il", orders, takings.worth)
        for orders in (credit.direct, credit.orders - credit.direct)
    )
    nobody = ((credit.organic + credit.guests) * takings.worth).sum(axis=0)
    gmv = direct * own + other * rest
    total = gmv.sum(axis=0) + nobody * rest
    plain = direct + other  # where chance has sold nothing that these scenes show
    gmv = np.where(total > 0, gmv, plain)
    total = np.where(total > 0, total, plain.sum(axis=0) + nobody)
    return np.asarray(gmv * ratio(takings.gmv, total))


def classes_within(window_days: int) -> int:
    """Number of age classes inside a look-back window.

    >>> [classes_within(days) for days in (1, 3, 7, 15, 30)]
    [1, 3, 5, 7, 10]
    """
    return int(np.searchsorted(np.cumsum(WIDTHS), window_days, side="right"))


def _over_stages(rows: np.ndarray, part: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Sum over the stages of rows [row, stage, segment, lane] x part [stage, segment, lane]."""
    return np.einsum("icgl,cgl->igl", rows, part, out=out)


def _of_all_stages(rows: np.ndarray) -> np.ndarray:
    """Sum over the stages of rows [row, stage, segment, lane]."""
    people = rows.shape[2:]
    return add_up(rows.reshape(*rows.shape[:2], -1)).reshape(-1, *people)


class Tracers:
    """Last touches of one chunk of lanes: people belong to the scene that touched them last."""

    def __init__(self, window_days: int, scenes: int, people: tuple[int, ...]) -> None:
        """`people`: the shape [stage, segment, lane]."""
        self.touched = np.zeros((classes_within(window_days), scenes, *people))
        self.ages = len(self.touched)
        size = min(self.ages * scenes, max(1, BLOCK // math.prod(people)))
        self.moved, self.into = np.empty((size, *people)), np.empty((size, *people[1:]))
        """Work arrays: what a step changes of some ages and scenes, and what goes to one stage."""
        parts = (self.ages * scenes, *FROM.shape, *people[1:])
        self.few = math.prod(parts) <= BLOCK
        self.parts = np.empty(parts if self.few else 0)
        """The people of few lanes as `FROM` has their stages: [age and scene, round, way, segment, lane]."""
        self.after, self.level = np.zeros((2, *self.touched.shape[1:]))
        """Share of each stage whose last touch is a scene's, after the touches of the step and in its middle:
        [scene, stage, segment, lane]. Other orders of the step fall evenly between its touches.
        """

    def age_a_day(self) -> None:
        """Midnight: a class of w days passes 1/w of its people on; the oldest fall out.

        Touches of a day are half a day old at its end, so the first class is half a day longer.
        """
        for row in range(self.ages - 1, -1, -1):
            longer = WIDTHS[row] + (0.5 if row == 0 else 0.0)
            moved = self.touched[row] / longer
            self.touched[row] -= moved
            self.touched[row + 1 : row + 2] += moved

    def touch(self, visits: np.ndarray, n: np.ndarray) -> None:
        """New touches: `visits` per person [scene, band, segment, lane]."""
        before, total = self.share(n), visits.sum(axis=0)
        reached = -np.expm1(-total)
        by_scene = (visits * ratio(reached, total)).take(BAND, axis=1)
        new, kept = self._touch(by_scene, reached.take(BAND, axis=0), before)
        self.touched[0] += new * n
        self.after = before * kept + new
        self.level = (before + self.after) / 2

    def _touch(
        self, by_scene: np.ndarray, reached: np.ndarray, before: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The share `reached` of people [stage, segment, lane] is touched, by scenes [scene, ..]; shares that
        are new, and what is kept of those before.
        """
        kept = 1 - reached
        self.touched *= kept
        return by_scene, kept

    def share(self, n: np.ndarray) -> np.ndarray:
        """Share of each stage whose last touch is a scene's: [scene, stage, segment, lane]."""
        return np.asarray(np.minimum(np.add.reduce(self.touched), n) / at_least(n, NOBODY))

    def credit(
        self,
        direct: np.ndarray,
        paid_share: np.ndarray,
        waiting: np.ndarray,
        customers: np.ndarray,
        n: np.ndarray,
        *,
        balances: np.ndarray | None = None,
        guests: np.ndarray | None = None,
    ) -> Credit:
        """Credit the orders of a step.

        direct [stage, segment, lane]: orders on visits; paid_share [scene, band, segment, lane]:
        part of the band's buying visits that a scene paid for; waiting [stage, segment, lane]:
        orders from baskets and deposits; customers, balances [segment, lane]: orders from customers'
        baskets, of them from deposits; guests [band, segment, lane]: part of the buying visits that
        commissioned media brought.
        """
        last, on_paid = self.level, direct * paid_share.take(BAND, axis=1)
        on_guests = np.zeros_like(direct) if guests is None else direct * guests[BAND]
        unpaid = (1 - np.add.reduce(paid_share)).take(BAND, axis=0)
        rest = np.maximum(direct * unpaid - on_guests, 0.0) + waiting
        own, owners = self._own(on_paid), self._owners(on_paid)
        on_visit = _of_all_stages(own)
        credited = on_visit if owners is own else _of_all_stages(owners)
        credited = credited + _over_stages(last, rest)
        regular = ratio(_over_stages(self.after[:, 7:10], n[7:10]), n[7:10].sum(axis=0))
        presale = waiting[Stage.DEPOSIT] * last[:, Stage.DEPOSIT]
        if balances is not None:
            presale = presale + balances * regular
        untouched = (rest * (1 - last.sum(axis=0))).sum(axis=0)
        return Credit(
            credited + customers * regular, on_visit, presale,
            on_visit if own is on_paid else _of_all_stages(on_paid),
            on_guests.sum(axis=0), untouched + customers * (1 - regular.sum(axis=0)),
        )  # fmt: skip

    def _owners(self, on_visit: np.ndarray) -> np.ndarray:
        """To whom belongs what happened on paid visits [scene, stage, segment, lane]."""
        return on_visit

    def _own(self, on_visit: np.ndarray) -> np.ndarray:
        """What of it belongs to the visit's own scene."""
        return on_visit

    def move(self, flows: np.ndarray, n: np.ndarray, paid: Paid, caused: np.ndarray) -> None:
        """Touches go where their people go.

        flows [kind, stage, segment, lane]; caused [kind, stage, segment, lane]: part of them that visits
        cause, of the kinds before PASS_ON; paid: parts of these visits. Who moves on a scene's paid visit
        carries that visit, the rest carries the average.
        """
        average = np.where(MOVES, flows / at_least(n, NOBODY), 0.0)
        on_visit = average[:PASS_ON] * caused
        touches, buys = (self._owners(part.take(BAND, axis=1)) for part in paid)
        asked = touches * (on_visit[CART:].sum(axis=0) * n)
        asked += buys * (on_visit[:CART].sum(axis=0) * n)
        room = self._room(asked, average.sum(axis=0))
        touches *= room
        buys *= room
        asked *= -room
        average[:CART] -= on_visit[:CART] * buys.sum(axis=0)
        average[CART:PASS_ON] -= on_visit[CART:] * touches.sum(axis=0)
        self._carry(average)
        on_visit *= n
        for target, kind, stages in VISIT_WAYS:
            part = buys if kind < CART else touches
            asked[:, target] += _over_stages(part[:, stages], on_visit[kind, stages])
        self.touched[0] += asked

    def _carry(self, average: np.ndarray) -> None:
        """Touches of every age and scene move with these shares of their stage [kind, stage, segment, lane]."""
        touched = self.touched.reshape(-1, *self.touched.shape[2:])
        leaving, size = average.sum(axis=0), len(self.moved)
        if self.few:
            self._carry_at_once(touched, average, leaving)
            return
        for first in range(0, len(touched), size):
            here = touched[first : first + size]
            moved, into = self.moved[: len(here)], self.into[: len(here)]
            np.multiply(here, -leaving, out=moved)
            for target, kind, stages in WAYS:
                moved[:, target] += _over_stages(here[:, stages], average[kind, stages], out=into)
            here += moved

    def _carry_at_once(self, touched: np.ndarray, average: np.ndarray, leaving: np.ndarray) -> None:
        """The same for few lanes: by every way in one sum."""
        shares = np.append(
            average.reshape(-1, *leaving.shape[1:]), np.zeros_like(leaving[:1]), axis=0
        )
        touched.take(FROM, axis=1, out=self.parts, mode="clip")
        by_way = np.einsum("irwgl,rwgl->iwgl", self.parts, shares.take(BY_WAY.filled, axis=0))
        np.multiply(touched, -leaving, out=self.moved)
        self.moved += by_way.take(FIRST_WAYS, axis=1)
        for way in FURTHER_WAYS:
            self.moved[:, WAYS[way][0]] += by_way[:, way]
        touched += self.moved

    def _room(self, asked: np.ndarray, moving: np.ndarray) -> np.ndarray:
        """Part of those whom visits would move for whom there are new touches: [scene, stage, segment, lane]."""
        room = at_least(self.touched[0] * (1 - moving), 0.0)
        return ratio(room, np.maximum(asked, room))

    def shift(self, stage: int, target: int, share: np.ndarray) -> None:
        """A share [segment, lane] of a stage moves to another."""
        moved = self.touched[:, :, stage] * share
        self.touched[:, :, stage] -= moved
        self.touched[:, :, target] += moved

    def forfeit(self) -> None:
        """Deposits are forfeited: those people fall back to engage."""
        self.shift(Stage.DEPOSIT, Stage.ENGAGE, np.ones(self.touched.shape[-2:]))


class Openers(Tracers):
    """First touches: people belong to the scene that opened the contact.

    A contact lasts while paid visits come at most the window apart: a touch of somebody who is touched
    already renews the age and leaves the scene.
    """

    def _touch(
        self, by_scene: np.ndarray, reached: np.ndarray, before: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        every = np.zeros_like(before)
        for age in range(self.ages):
            again = self.touched[age] * reached
            self.touched[age] -= again
            every += again
        self.touched[0] += every
        return by_scene * (1 - before.sum(axis=0)), np.ones_like(reached)

    def _owners(self, on_visit: np.ndarray) -> np.ndarray:
        free = 1 - self.level.sum(axis=0)
        return np.asarray(self.level * on_visit.sum(axis=0) + on_visit * free)

    def _own(self, on_visit: np.ndarray) -> np.ndarray:
        return np.asarray(on_visit * (1 - self.level.sum(axis=0) + self.level))


MODELS: dict[str, list[type[Tracers]]] = {
    "last_touch": [Tracers],
    "first_touch": [Openers],
    "even": [Tracers, Openers],
}
"""Last touch, first touch, or both for half each."""


class Trail:
    """The tracers of an attribution model; and the last touch, whatever the model, where guarantees hang on it."""

    def __init__(
        self, model: str, window_days: int, scenes: int, people: tuple[int, ...], *,
        promised: bool = False,
    ) -> None:  # fmt: skip
        self.reported, self.promised = MODELS[model], promised
        more = [Tracers] if promised and Tracers not in self.reported else []
        self.tracers = {kind: kind(window_days, scenes, people) for kind in [*self.reported, *more]}

    def touch(self, visits: np.ndarray, n: np.ndarray) -> None:
        """New touches."""
        for tracer in self.tracers.values():
            tracer.touch(visits, n)

    def credit(
        self,
        *orders: np.ndarray,
        balances: np.ndarray | None = None,
        guests: np.ndarray | None = None,
    ) -> Credits:
        """The mean credit of the model's tracers, and that of the last touch."""
        by_kind = {
            kind: tracer.credit(*orders, balances=balances, guests=guests)
            for kind, tracer in self.tracers.items()
        }
        report = _mean([by_kind[kind] for kind in self.reported])
        return Credits(report, by_kind[Tracers] if self.promised else None)

    def move(self, flows: np.ndarray, n: np.ndarray, paid: Paid, caused: np.ndarray) -> None:
        """Touches go where their people go."""
        for tracer in self.tracers.values():
            tracer.move(flows, n, paid, caused)

    def shift(self, stage: int, target: int, share: np.ndarray) -> None:
        """A share of a stage moves to another."""
        for tracer in self.tracers.values():
            tracer.shift(stage, target, share)

    def forfeit(self) -> None:
        """Deposits are forfeited."""
        for tracer in self.tracers.values():
            tracer.forfeit()

    def age_a_day(self) -> None:
        """Midnight."""
        for tracer in self.tracers.values():
            tracer.age_a_day()


def _mean(credits: list[Credit]) -> Credit:
    """The mean of one or two credits."""
    first, *more = credits
    if not more:
        return first
    parts = ([getattr(c, f.name) for c in credits] for f in fields(Credit))
    return Credit(*(np.add(*pair) / 2 for pair in parts))
