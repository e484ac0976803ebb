"""Touches that move with people: which scene's click reached them last or first, and how long ago.

symbol    meaning                                                unit     shape
T         people who belong to a scene, by age of last touch     people   [age, scene, stage, segment, lane]
y_i       paid visits of a scene per person in the step          1        [scene, band, segment, lane]
age       days since the last paid visit, classes as in WIDTHS   d

Credit is platform-style, not causal: an order of a person touched inside the window, or on a paid visit,
belongs to the scene of the last touch or of the first (that opened the contact), or half to each; any other
order belongs to nobody (organic). The rule says who gets it, never how much: credited + organic = all.
"""

from dataclasses import dataclass, fields

import numpy as np

from simulator.market.audience import BAND, STAY, TO, WAYS, arrivals, ratio
from simulator.market.bounds import at_least

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
DEPOSIT = 6  # chain stage


@dataclass
class Credit:
    """Orders credited to scenes: [scene, segment, lane]."""

    orders: np.ndarray
    direct: np.ndarray
    """Of these, on a visit of the scene credited; presale: balances of deposits; the rest is indirect."""
    presale: np.ndarray
    guests: np.ndarray
    """Orders on visits of commissioned media, and organic ones: [segment, lane]."""
    organic: np.ndarray


def classes_within(window_days: int) -> int:
    """Number of age classes inside a look-back window.

    >>> [classes_within(days) for days in (1, 3, 7, 15, 30)]
    [1, 3, 5, 7, 10]
    """
    return int(np.searchsorted(np.cumsum(WIDTHS), window_days, side="right"))


class Tracers:
    """Last touches of one chunk of lanes: people belong to the scene that touched them last."""

    def __init__(self, window_days: int, scenes: int, people: tuple[int, int, int]) -> None:
        """`people`: the shape [stage, segment, lane]."""
        self.touched = np.zeros((classes_within(window_days), scenes, *people))
        self.ages = len(self.touched)
        self.before = np.zeros(self.touched.shape[1:])
        """Shares before the touches of the step: other orders of the step fall evenly between."""

    def age_a_day(self) -> None:
        """Midnight: a class of w days passes 1/w of its people on; the oldest fall out.

        Touches of a day are half a day old at its end, so the first class is half a day longer.
        """
        for row in range(self.ages - 1, -1, -1):
            moved = self.touched[row] / (WIDTHS[row] + (0.5 if row == 0 else 0.0))
            self.touched[row] -= moved
            self.touched[row + 1 : row + 2] += moved

    def touch(self, visits: np.ndarray, n: np.ndarray) -> None:
        """New touches: `visits` per person [scene, band, segment, lane]."""
        self.before = self.share(n)
        total = visits.sum(axis=0)
        reached = -np.expm1(-total)
        by_scene = (visits * ratio(reached, total))[:, BAND]
        self._touch(by_scene, reached[BAND], n)

    def _touch(self, by_scene: np.ndarray, reached: np.ndarray, n: np.ndarray) -> None:
        """The share `reached` of people [stage, segment, lane] is touched, by scenes [scene, ..]."""
        self.touched *= 1 - reached
        self.touched[0] += by_scene * n

    def share(self, n: np.ndarray) -> np.ndarray:
        """Share of each stage whose last touch is a scene's: [scene, stage, segment, lane]."""
        return ratio(self.touched.sum(axis=0), n)

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
        last, paid = self.level(n), paid_share[:, BAND]
        on_paid = direct * paid
        on_guests = np.zeros_like(direct) if guests is None else direct * guests[BAND]
        rest = np.maximum(direct * (1 - paid.sum(axis=0)) - on_guests, 0.0) + waiting
        credited = (self._owners(on_paid, last) + rest * last).sum(axis=1)
        regular = ratio(self.touched[:, :, 7:10].sum(axis=(0, 2)), n[7:10].sum(axis=0))
        presale = waiting[DEPOSIT] * last[:, DEPOSIT]
        if balances is not None:
            presale = presale + balances * regular
        untouched = (rest * (1 - last.sum(axis=0))).sum(axis=0)
        return Credit(
            credited + customers * regular, self._own(on_paid, last).sum(axis=1), presale,
            on_guests.sum(axis=0), untouched + customers * (1 - regular.sum(axis=0)),
        )  # fmt: skip

    def level(self, n: np.ndarray) -> np.ndarray:
        """Share of each stage that belongs to a scene in the middle of the step: [scene, stage, ..]."""
        return np.asarray((self.before + self.share(n)) / 2)

    def _owners(self, on_visit: np.ndarray, level: np.ndarray) -> np.ndarray:
        """To whom belongs what happened on paid visits [scene, .., stage, segment, lane]."""
        return on_visit

    def _own(self, on_visit: np.ndarray, level: np.ndarray) -> np.ndarray:
        """What of it belongs to the visit's own scene."""
        return on_visit

    def move(self, flows: np.ndarray, n: np.ndarray, on_visit: np.ndarray) -> None:
        """Touches go where their people go.

        flows [kind, stage, segment, lane]; on_visit [scene, kind, stage, segment, lane]: part of a flow
        that happened on a scene's paid visit and carries that visit; the rest carries the average. The last
        kinds of moves may be left out: no visit causes them.
        """
        share = np.where(MOVES, ratio(flows, n), 0.0)
        kinds = on_visit.shape[1]
        on_visit = self._owners(on_visit, self.level(n)[:, None]) * share[:kinds]
        on_visit *= self._room(on_visit, share, n)[:, None]
        average = share
        average[:kinds] -= on_visit.sum(axis=0)
        change = self.touched * -average.sum(axis=0)
        visited = on_visit * n
        change[0] -= visited.sum(axis=1)
        for target, kind, stages in WAYS:
            here, into = self.touched[:, :, stages], change[:, :, target]
            into += np.einsum("ascgl,cgl->asgl", here, average[kind, stages])
        change[0] += arrivals(visited)
        self.touched += change

    def _room(self, on_visit: np.ndarray, share: np.ndarray, n: np.ndarray) -> np.ndarray:
        """Part of the visited movers for whom there are new touches: [scene, stage, segment, lane]."""
        asked = on_visit.sum(axis=1) * n
        room = self.touched[0] * at_least(1 - share.sum(axis=0), 0.0)
        return ratio(room, np.maximum(asked, room))

    def shift(self, stage: int, target: int, share: np.ndarray) -> None:
        """A share [segment, lane] of a stage moves to another."""
        moved = self.touched[:, :, stage] * share
        self.touched[:, :, stage] -= moved
        self.touched[:, :, target] += moved

    def forfeit(self) -> None:
        """Deposits are forfeited: those people fall back to engage."""
        self.shift(DEPOSIT, 2, np.ones(self.touched.shape[-2:]))


class Openers(Tracers):
    """First touches: people belong to the scene that opened the contact.

    A contact lasts while paid visits come at most the window apart: a touch of somebody who is touched
    already renews the age and leaves the scene.
    """

    def _touch(self, by_scene: np.ndarray, reached: np.ndarray, n: np.ndarray) -> None:
        again = self.touched * reached
        self.touched -= again
        self.touched[0] += again.sum(axis=0) + by_scene * (1 - self.before.sum(axis=0)) * n

    def _owners(self, on_visit: np.ndarray, level: np.ndarray) -> np.ndarray:
        return np.asarray(level * on_visit.sum(axis=0) + on_visit * (1 - level.sum(axis=0)))

    def _own(self, on_visit: np.ndarray, level: np.ndarray) -> np.ndarray:
        return np.asarray(on_visit * (1 - level.sum(axis=0) + level))


class Trail:
    """The tracers of an attribution model: last touch, first touch, or both for half each (even)."""

    def __init__(
        self, model: str, window_days: int, scenes: int, people: tuple[int, int, int]
    ) -> None:
        kinds: dict[str, list[type[Tracers]]]
        kinds = {"last_touch": [Tracers], "first_touch": [Openers], "even": [Tracers, Openers]}
        self.tracers = [kind(window_days, scenes, people) for kind in kinds[model]]

    def touch(self, visits: np.ndarray, n: np.ndarray) -> None:
        """New touches."""
        for tracer in self.tracers:
            tracer.touch(visits, n)

    def credit(
        self,
        *orders: np.ndarray,
        balances: np.ndarray | None = None,
        guests: np.ndarray | None = None,
    ) -> Credit:
        """The mean of the tracers' credits."""
        first, *more = (
            tracer.credit(*orders, balances=balances, guests=guests) for tracer in self.tracers
        )
        if not more:
            return first
        parts = ([getattr(c, f.name) for c in (first, *more)] for f in fields(Credit))
        return Credit(*(np.add(*pair) / 2 for pair in parts))

    def move(self, flows: np.ndarray, n: np.ndarray, on_visit: np.ndarray) -> None:
        """Touches go where their people go."""
        for tracer in self.tracers:
            tracer.move(flows, n, on_visit)

    def shift(self, stage: int, target: int, share: np.ndarray) -> None:
        """A share of a stage moves to another."""
        for tracer in self.tracers:
            tracer.shift(stage, target, share)

    def forfeit(self) -> None:
        """Deposits are forfeited."""
        for tracer in self.tracers:
            tracer.forfeit()

    def age_a_day(self) -> None:
        """Midnight."""
        for tracer in self.tracers:
            tracer.age_a_day()
