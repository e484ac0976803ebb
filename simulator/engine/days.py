"""What becomes due: restocks, forfeits, ends of contracts and guarantees, and midnight's closing of a day."""

import numpy as np

from simulator.engine.floor import Floor
from simulator.engine.processes import Due
from simulator.engine.settlement import Settlement
from simulator.engine.state import Day
from simulator.market.audience import ratio
from simulator.market.basket import in_all, shares
from simulator.market.bill import PRICE
from simulator.market.bounds import at_least
from simulator.market.contract import Server
from simulator.market.fulfilment import FIRST, POOLS, Returned, Returns
from simulator.market.groups import add_up
from simulator.scenario.chain import Stage


class Days:
    """Step 1 of the list in `run`."""

    def __init__(self, floor: Floor, server: Server) -> None:
        self.floor, self.server = floor, server
        self.settlement = Settlement(floor)
        self.returns = Returns(floor.world.scenario.commerce)
        self.limited = floor.world.goods.limited()
        self.back = np.zeros_like(floor.state.day.paid)
        """Units of refunds that fell due, and are not on sale yet: [product, lane]."""

    def read(self, due: Due) -> None:
        """Carry out what became due since the last step."""
        floor = self.floor
        self._restock(due)
        if due.forfeit:
            self._forfeit()
        if due.closing or floor.step in self.server.bill_steps:
            self._settle(closing=due.closing)
        for trial in due.decisions:
            floor.decide(trial)
        if due.window:
            self.settlement.settle_window()
        self._turn_page(due)
        if due.midnight:
            self._put_back()
        if floor.schedule.new_day[floor.step]:
            sd, slots = floor.world.scenario.chance.supply_sd, len(floor.world.names.slots)
            floor.state.supply_noise = floor.draws.factor("supply", sd, slots)

    def _settle(self, *, closing: bool) -> None:
        """Packages whose window ends, deposits on bookings, and fees for cancelled ones."""
        floor, server, bookings = self.floor, self.server, self.floor.state.bookings
        if closing:
            second = int(floor.world.steps.start[floor.step])
            charge_packages(floor, server.close(bookings, second, floor.draws))
        if floor.step in server.bill_steps:
            charge_packages(floor, server.bill(bookings, floor.step))

    def _restock(self, due: Due) -> None:
        """Goods arrive in the depot; what was gone by then has been sold out."""
        state = self.floor.state
        if due.restocks:
            self.floor.note_sold_out(self.floor.step - 1)
        for product, units in due.restocks:
            for goods in filter(None, (state.stock, state.depot)):
                goods.restock(product, units, self.floor.sampled)

    def _turn_page(self, due: Due) -> None:
        """What buyers see from now on; a midnight closes the day before."""
        if due.midnight:
            self.close(self.floor.day - 1)
        for product in due.launches:
            self.floor.cycles.launch(self.floor.state.shelf, product)
        if due.decisions or due.launches:
            self.floor.refresh()
        elif not due.midnight:
            self.floor.look_again()
        self.floor.look_at_sky()

    def _forfeit(self) -> None:
        """Deposits whose balance was not paid are kept, those on what is sold out paid back; prospects fall back to
        engage.
        """
        floor, state, goods = self.floor, self.floor.state, self.floor.world.goods
        n, baskets = state.crowd.n, state.baskets
        people = np.array([n[Stage.DEPOSIT], baskets.deposits]) * floor.world.people.order_value
        mix = shares(baskets.presold, goods.organic[:, None, None])
        kept = goods.deposit * state.stock.available(floor.sampled)
        money = mix * ratio(baskets.agreed[PRICE], baskets.presold) * kept[:, None, None]
        floor.book.add(forfeited=in_all(people * np.add.reduce(money)))
        n[Stage.ENGAGE] += n[Stage.DEPOSIT]
        n[Stage.DEPOSIT] = 0.0
        if floor.tracers:
            floor.tracers.forfeit()
        baskets.deposits[...] = 0.0
        baskets.presold[...] = baskets.agreed[...] = 0.0

    def close(self, finished: int) -> None:
        """Close a day: that day's refunds to come, those that fall due, products."""
        floor, state, day = self.floor, self.floor.state, self.floor.state.day
        each = ratio(day.take_back, day.due_back)
        self.returns.enter(state.refunds, self._will_return(day), each)
        self._give_back(self.returns.advance(state.refunds))
        market = float(floor.schedule.market_day[finished])
        self._judge(day)
        floor.cycles.close_day(state.shelf, day.paid, market)
        if floor.linkage:
            floor.linkage.close_day(day.gmv, market)
        state.day = Day.empty(*day.paid.shape)
        if floor.tracers:
            floor.tracers.age_a_day()
        floor.refresh()

    def _judge(self, day: Day) -> None:
        """Late orders of the day cost the shop some of its service score."""
        world, state = self.floor.world, self.floor.state
        if state.queue is None or world.depot is None:
            return
        late = ratio(day.late, day.paid.sum(axis=0))[None]
        fall = state.queue.score(world.depot, late)
        state.shelf.score = world.goods.score - fall
        self.floor.book.peak(score_fall=fall)

    def _will_return(self, day: Day) -> np.ndarray:
        """Orders of the day that will be refunded, first orders and others: [kind, product, lane]."""
        draws, others = self.floor.draws, at_least(day.paid - day.first, 0.0)
        mix = np.array([day.first, others])
        kinds = draws.split("kinds", day.paid, mix)
        back = np.array([day.first_back, at_least(day.due_back - day.first_back, 0.0)])
        chance = np.minimum(ratio(back, mix), 1.0)
        shape = (-1, kinds.shape[-1])
        refunds = draws.binomial("refunds", kinds.reshape(shape), chance.reshape(shape))
        return refunds.reshape(kinds.shape)

    def settle(self) -> None:
        """The end of the run: all that is still pending falls due."""
        self._give_back(self.returns.settle(self.floor.state.refunds))
        self._put_back()

    def _give_back(self, due: Returned) -> None:
        """Refunds that fall due; refunded first orders make no customer."""
        floor, state = self.floor, self.floor.state
        floor.book.add(refunds=due.orders, **dict(zip(POOLS, add_up(due.pools), strict=True)))
        floor.book.products["refunds"] += due.orders.sum(axis=0)
        floor.book.products["refund_cost"] += due.pools[POOLS.index("refund_cost")]
        gone = due.orders[FIRST].sum(axis=0)[None]
        weights = np.where(state.first_due.any(axis=0), state.first_due, state.newcomers)
        parts = floor.draws.split("refund_people", gone, weights[:, None])[:, 0]
        n, old = state.crowd.n, state.crowd.old
        parts = np.minimum(parts, np.minimum(state.newcomers, n[Stage.INITIAL]))
        if floor.tracers:
            floor.tracers.shift(Stage.INITIAL, Stage.ENGAGE, ratio(parts, n[Stage.INITIAL]))
        state.newcomers -= parts
        state.first_due = at_least(state.first_due - parts, 0.0)
        n[Stage.INITIAL] -= parts
        n[Stage.ENGAGE] += parts
        old[0] = np.minimum(old[0], n[Stage.INITIAL])
        floor.book.add(refunded_new=parts)
        self._call_off(due)
        if self.limited.size:
            self.back += due.on_sale_again(floor.world.costs.resale)

    def _call_off(self, due: Returned) -> None:
        """Orders of the depot that are refunded before shipping leave its queue."""
        goods, queue = self.floor.book.products, self.floor.state.queue
        if queue is not None:
            own = 1 - ratio(goods["pooled"], goods["paid"])
            queue.call_off((due.unsent * own).sum(axis=0)[None])

    def _put_back(self) -> None:
        """Goods of refunds are on sale again, in the depot; the page of the moment does not show them yet."""
        floor, rows = self.floor, self.limited
        if not rows.size:
            return  # there is always enough
        back = floor.draws.round_off("resale", self.back)[rows]
        for goods in filter(None, (floor.state.stock, floor.state.depot)):
            goods.take_back(rows, back, floor.sampled)
        floor.book.products["back_on_sale"][rows] += back
        self.back[...] = 0.0


def charge_packages(floor: Floor, amount: np.ndarray) -> None:
    """Charge packages [package, lane] to their scenes."""
    book = floor.book
    floor.state.bookings.paid += amount
    book.add(contract_spend=amount)
    scene = floor.world.packages.scene
    np.add.at(book.scenes["spend"], scene, amount)
    if book.days:
        np.add.at(book.days["scene_spend"][floor.day], scene, amount)
        book.on_day(floor.day, spend=amount.sum(axis=0))
