"""One chunk of lanes from the first second to the end of the run-off.

The order of a step, which `Run.step` carries out as it stands here:

 1. calendar and shocks: what became due (restocks, forfeited deposits, product tests, guaranteed returns,
    midnight), and the page that buyers see: stock, prices, subsidies left                                days
 2. supply: opportunities of every slot                                                                   media
 3. contracts served                                                                                      media
 4. auction: who enters, bids, wins, pays; pace                                                           media
 5. clicks, and the visits that they bring                                                                media
 6. contact: commissioned and free visits, exposure, and what each band of people meets                   contact
 7. chain moves and customers' baskets                                                                    sales
 8. orders by product, cut by stock; payment is part of the hazards                                       sales
 9. money and books, and what product tests have seen                                                     books
10. people and baskets move on                                                                            sales
11. the user's own processes see the finished step and set controls for the next
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Real
from typing import Any

import numpy as np
import simpy

from simulator.engine import processes
from simulator.engine.days import Days
from simulator.engine.floor import Controls, Floor, open_floor
from simulator.engine.lanes import Chunk
from simulator.engine.media import Media
from simulator.engine.points import Points
from simulator.engine.sales import Sales
from simulator.engine.schedule import expected_traffic
from simulator.engine.state import whole_size
from simulator.errors import UserError
from simulator.market.asset import people_value
from simulator.market.contract import Server
from simulator.market.purse import unspent
from simulator.market.world import World
from simulator.outcomes.ledger import Ledger, check_caps, check_credit, check_laws, check_limits
from simulator.scenario.chain import Stage

HOUR = 3600
BUFFER = 1024  # elements: NumPy then reads columns as they are; more, and it copies them out first


@dataclass
class View:
    """What a user's process sees of the finished step; it may write `controls` only."""

    floor: Floor
    seconds: int = 0
    """Time since the start [s]."""

    @property
    def controls(self) -> Controls:
        """Factors on bids and on the pace of spending: [scene, lane]."""
        return self.floor.controls

    @property
    def people(self) -> np.ndarray:
        """People by stage: [stage, segment, lane]."""
        return np.asarray(_to_read(self.floor.state.crowd.n))

    @property
    def spent(self) -> np.ndarray:
        """Auction spend so far [CNY]: [scene, phase, lane]."""
        return np.asarray(_to_read(self.floor.state.spent))

    @property
    def book(self) -> Ledger:
        """Everything written down so far; not yet what is left at the end (`unspent`, `left`, people, asset)."""
        book = self.floor.book
        return replace(book, **{f.name: _to_read(getattr(book, f.name)) for f in fields(book)})

    def scene(self, name: str) -> int:
        """The row of a scene in arrays that begin with [scene, ..]."""
        names = self.floor.world.names.scenes
        if name not in names:
            raise UserError(f"no scene is called {name!r}; known are {', '.join(names)}")
        return names.index(name)

    def lanes(self, plan: str) -> np.ndarray:
        """Which lanes are those of a plan: [lane], none where a chunk is without it."""
        chunk = self.floor.chunk
        return np.repeat([own.name == plan for own in chunk.plans], len(chunk.replications))

    @staticmethod
    def hours(hours: float) -> float:
        """What to yield in order to sleep for so many hours."""
        return hours * HOUR


def _to_read(values: Any) -> Any:
    """The array, or arrays by name, as they stand, but not to be written to."""
    if isinstance(values, dict):
        return {name: _to_read(rows) for name, rows in values.items()}
    shown = values.view()
    shown.flags.writeable = False
    return shown


Rule = Callable[[View], Generator[float, None, None]]
"""A user's process: yields how long it sleeps [s], and sets controls when it wakes."""


def _waits(rule: Rule, view: View) -> Iterator[float]:
    """How long a user's process sleeps each time [s]; what it gets wrong is told in a sentence."""
    name = getattr(rule, "__name__", repr(rule))
    sleeps = rule(view)
    if not isinstance(sleeps, Iterator):
        raise UserError(f"process {name} must yield how long it sleeps, such as view.hours(24)")
    for wait in sleeps:
        _check_controls(name, view)
        if not isinstance(wait, Real) or not 0 <= wait < np.inf:
            raise UserError(
                f"process {name} must yield seconds, such as view.hours(24) (got {wait!r})"
            )
        yield float(wait)
    _check_controls(name, view)


def _check_controls(name: str, view: View) -> None:
    """Factors are numbers from 0 up, one for each scene and lane."""
    scenes, _, lanes = view.spent.shape
    for what, factor in vars(view.controls).items():
        if np.shape(factor) != (scenes, lanes):
            raise UserError(
                f"process {name}: controls.{what} keeps its shape [scene, lane]; "
                f"write view.controls.{what}[:] = 0.8, or [view.scene(NAME)] for one scene"
            )
        if not ((factor >= 0) & (factor < np.inf)).all():
            raise UserError(
                f"process {name}: controls.{what} takes factors from 0 up, 1 for no change"
            )


class Run:
    """One chunk of lanes; `world` has the axis [replication], the run spreads it over plans."""

    def __init__(
        self, world: World, chunk: Chunk, seed: int, *, sampled: bool, daily: bool,
        attribution: bool = False, rules: Sequence[Rule] = (), points: Points | None = None,
    ) -> None:  # fmt: skip
        self.floor = floor = open_floor(
            world, chunk, seed, sampled=sampled, daily=daily, attribution=attribution, points=points
        )
        self.worth = [_over_plans(value, chunk) for value in people_value(world)]
        self.due, self.rules = processes.Due(), rules
        floor.steered = bool(rules)
        self.server = server = Server(floor.world, expected_traffic(floor.world))
        self.days, self.media, self.sales = Days(floor, server), Media(floor, server), Sales(floor)

    @property
    def world(self) -> World:
        """The world of the run, its last axis over lanes."""
        return self.floor.world

    def go(self) -> Ledger:
        """Run all steps; return the book, its laws checked."""
        env = simpy.Environment()
        for agenda in processes.agendas(self.world, self.due):
            env.process(processes.post(env, agenda))
        env.process(processes.march(env, self.world.steps, self.step))
        for rule in self.rules:
            env.process(self._user(env, rule))
        before = np.setbufsize(BUFFER)
        try:
            env.run(until=int(self.world.steps.end[-1]))
        finally:
            np.setbufsize(before)
        return self._close_book()

    def step(self, number: int) -> None:
        """One step, in the order of the list above."""
        self.floor.move_to(number)
        self.days.read(self.due)
        self.due.clear()
        met = self.media.meet()
        self.sales.sell(met)

    def _user(self, env: simpy.Environment, rule: Rule) -> processes.Events:
        view = View(self.floor)
        for wait in _waits(rule, view):
            yield env.timeout(max(1, int(wait)))
            yield env.timeout(0)
            yield env.timeout(0)
            view.seconds = int(env.now)

    def _close_book(self) -> Ledger:
        """The refunds of the last midnight, what is left and owed at the end, and the laws."""
        floor, book, state = self.floor, self.floor.book, self.floor.state
        floor.note_sold_out(floor.step)
        self.days.close(floor.day)
        self.days.settle()
        self.days.settlement.close()
        person, cart, event = self.worth
        book.asset = (state.crowd.n * person).sum(axis=(0, 1))
        book.asset += (state.baskets.carts * cart).sum(axis=0)
        won = state.crowd.n[Stage.INITIAL] - state.crowd.old[0]
        book.asset += (won * event).sum(axis=0)
        bookings = state.bookings
        book.packages = {
            "booked": bookings.booked, "delivered": bookings.delivered,
            "shortfall": bookings.shortfall + bookings.left, "made_good": bookings.made_good,
            "paid": bookings.paid, "price": self.server.most_to_pay(bookings),
        }  # fmt: skip
        if floor.partners:
            book.take_commissions(floor.partners.visits, floor.partners.gmv, floor.partners.cost)
        book.scenes["unspent"] = unspent(floor.money, book.spend)
        book.products["left"] = np.array(state.stock.left(floor.sampled))
        book.people, book.pending = state.crowd.n, state.refunds.pending.sum(axis=(0, 1))
        self._check()
        if floor.tracers is None:
            book.forget_credit()
        return book

    def _check(self) -> None:
        floor, goods = self.floor, self.world.goods
        size = whole_size(self.world, floor.lanes, sampled=floor.sampled)
        came = goods.for_sale(int(self.world.steps.start[-1]))
        ever = np.repeat(came[:, None], floor.lanes, axis=1)
        purses = self.world.bidding.purses
        check_laws(
            floor.book, size, floor.money, ever, exact=floor.sampled, pool=goods.pool[:, None],
            pot=purses.cycle, cap=purses.cap,
        )  # fmt: skip
        check_limits([*self.days.settlement.limits(), *self.sales.books.limits()])
        if floor.tracers:
            check_credit(floor.book)
        if floor.partners:
            check_caps(floor.book, self.world.partners.cap)


def _over_plans(value: np.ndarray, chunk: Chunk) -> np.ndarray:
    """[.., replication] repeated for every plan: [.., lane]."""
    return value if value.shape[-1] == 1 else np.tile(value, len(chunk.plans))
