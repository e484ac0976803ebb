"""What the orders of a step bring: money, refunds to come, parcels, and credit to scenes (step 9)."""

from dataclasses import dataclass

import numpy as np

from simulator.engine.floor import Floor
from simulator.engine.tally import Met
from simulator.market.audience import ORDER, ratio
from simulator.market.basket import CustomerMoves, Orders
from simulator.market.bill import PRICE, REFUND, Balances, Bill, Money, part_of
from simulator.market.columns import prob
from simulator.market.groups import add_up
from simulator.market.shipping import Depot, late_share
from simulator.market.tracers import Takings, gmv_of
from simulator.scenario.chain import Stage


@dataclass(frozen=True)
class Sold:
    """What a step has sold, and to whom."""

    flows: np.ndarray
    """Moves of people: [kind, stage, segment, lane]."""
    baskets: CustomerMoves
    orders: Orders
    moved: dict[str, np.ndarray]
    """Moves of all segments by name: [lane]."""
    waiting: np.ndarray | None
    """Orders that no visit of the step brought [stage, segment, lane], where somebody asks."""
    bought: np.ndarray
    """Part of a product's orders made on visits of a scene, then of a partner: [.., product, lane]."""
    pooled: np.ndarray
    """Orders that shops send: [product, lane]."""
    pay: np.ndarray
    """Success of payment: [1, lane]."""
    settled: Balances | None
    """Balances among the orders, where there may be any."""


class Books:
    """Step 9 of the list in `run`."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.days = floor.world.steps.days
        """Length of each step [d]."""
        self.first = np.zeros((len(floor.world.names.products), floor.lanes))
        """First orders of the run: [product, lane]."""

    def limits(self) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """Every new customer has bought one product, and of it no more first orders are paid than orders."""
        book, first = self.floor.book, self.first.sum(axis=0)
        new = book.totals["new_customers"]
        return [
            ("first orders of a product", self.first, book.products["paid"]),
            ("first orders", first, new), ("new customers", new, first),
        ]  # fmt: skip

    def write(self, sold: Sold, met: Met) -> None:
        """Bill the orders of a step, and write down what came of them."""
        floor, day, orders, moved = self.floor, self.floor.state.day, sold.orders, sold.moved
        paid = add_up(orders.total)
        bill = self._bill(orders.total, paid, sold.settled)
        gmv = bill.total.gmv
        day.paid += paid
        day.gmv += gmv
        self._expect_refunds(sold, paid, bill)
        self._link(sold, bill)
        self._count(sold, paid, bill.total)
        if floor.trials:
            floor.learn(met.scene_buys, met.readiness)
        if floor.book.days:
            new = moved["new_customers"]
            floor.book.on_day(
                floor.day, gmv=gmv.sum(axis=0), paid_orders=paid.sum(axis=0), new_customers=new, visits=met.visits,
            )  # fmt: skip
        if floor.tracers:
            self._credit(sold, self._takings(sold, paid, bill), met)

    def _bill(self, orders: np.ndarray, paid: np.ndarray, settled: Balances | None) -> Bill:
        """What the paid orders bring: [product, segment, lane], and their sums [product, lane]."""
        floor, world, cost = self.floor, self.floor.world, self.floor.world.goods.unit_cost
        sd, terms = world.scenario.commerce.order_value_sd, floor.terms().order
        noise = floor.draws.mean_noise("order_value", paid, sd)
        terms = settled.among(terms) if settled else terms
        if floor.till is not None:
            return floor.till.charge(orders, terms, noise, cost)
        price, values = terms[PRICE] * noise, orders * world.people.order_value
        return Bill(values, price, cost, np.zeros_like(price))

    def _chance(self, settled: Balances | None, late: np.ndarray | float = 1.0) -> np.ndarray:
        """Of a refund of the step's orders, at odds `late` times as high: [product, segment (or 1), lane]."""
        terms = self.floor.terms()
        odds = terms.refund_odds * late
        chance = prob(odds)
        if settled is None or self.floor.till is None:
            return np.asarray(chance)
        then = prob(odds * (settled.terms[REFUND] / terms.order[REFUND])[:, None])
        return np.asarray(chance + settled.part[:, None] * (then - chance))

    def _link(self, sold: Sold, bill: Bill) -> None:
        """What scenes and commissioned media sold on their own visits, less what will come back of it."""
        floor, scenes, gmv = self.floor, len(self.floor.world.names.scenes), bill.total.gmv
        if floor.linkage:
            floor.linkage.sell(gmv, sold.bought[:scenes])
        if floor.partners:
            back = bill.coming_back(self._chance(sold.settled)).gmv
            floor.partners.settle(gmv, sold.bought[scenes:], 1 - ratio(back, gmv))

    def _expect_refunds(self, sold: Sold, paid: np.ndarray, bill: Bill) -> None:
        """Note what of the step's orders will come back, and what it takes back; `paid` [product, lane]."""
        floor, day = self.floor, self.floor.state.day
        orders, depot = sold.orders.total, floor.world.depot
        chance = self._chance(sold.settled)
        if depot is not None:
            late = self._ship(paid - sold.pooled, paid, depot)[:, None]
            chance = chance + late * (self._chance(sold.settled, depot.late_refund) - chance)
        self._expect_first(sold, chance)
        back = bill.coming_back(chance)
        day.due_back += part_of(paid, orders, chance)
        beyond = self._beyond(orders, paid, bill, chance)
        for pool, amount in enumerate((back.gmv, back.cost, back.aid, beyond)):  # as in POOLS
            day.take_back[pool] += amount

    def _expect_first(self, sold: Sold, chance: np.ndarray) -> None:
        """Note first orders, and how many of them will come back: what strangers bought, by product and segment."""
        state, new = self.floor.state, np.add.reduce(sold.flows[ORDER, : Stage.INITIAL])
        first = sold.orders.first(new)
        back, by_product = first * chance, add_up(first)
        state.newcomers += new
        state.day.first += by_product
        self.first += by_product
        state.day.first_back += add_up(back)
        state.first_due += back.sum(axis=0)

    def _beyond(
        self, orders: np.ndarray, paid: np.ndarray, bill: Bill, chance: np.ndarray
    ) -> np.ndarray:
        """What returns cost beyond the usual: their freight, less the loss of goods that others bear."""
        people, beyond = self.floor.world.people, np.zeros(())
        if people.return_cost is not None:
            beyond = part_of(paid, orders, chance * people.return_cost)
        if people.spared is not None:
            beyond = beyond - part_of(bill.value, bill.values, chance * people.spared) * bill.cost
        return beyond

    def _ship(self, own: np.ndarray, paid: np.ndarray, depot: Depot) -> np.ndarray:
        """The shop's own parcels join the depot's queue; return the share of all paid orders that is sent late:
        [product, lane].
        """
        floor, queue = self.floor, self.floor.state.queue
        assert queue is not None
        orders, days = own.sum(axis=0)[None], float(self.days[floor.step])
        wait = queue.take(orders, depot.per_day * days) / depot.per_day
        share = late_share(wait, depot)
        late = floor.draws.binomial("late", orders, share)
        floor.state.day.late += late[0]
        floor.book.add(late_orders=late, days_waited=orders * wait)
        floor.book.peak(shipping_delay=queue.backlog / depot.per_day)
        return share * ratio(own, paid)

    def _count(self, sold: Sold, paid: np.ndarray, money: Money) -> None:
        """Write the step's orders [product, lane] into the totals."""
        floor, book, orders = self.floor, self.floor.book, sold.orders
        total, gmv = np.add.reduce(paid), np.add.reduce(money.gmv)
        failed = floor.draws.round_off("unpaid", total[None] * (1 - sold.pay) / sold.pay)[0]
        book.add(
            paid_orders=total, orders=total + failed, gmv=gmv, goods_cost=money.cost, subsidy=money.aid,
        )  # fmt: skip
        if orders.paid is not orders.wanted:
            unmet = orders.unmet
            book.add(unmet=unmet)
            book.products["unmet"] += unmet
        book.products["paid"] += paid
        book.products["gmv"] += money.gmv
        if floor.step < floor.world.steps.advertising:
            book.add(gmv_campaign=gmv)

    def _takings(self, sold: Sold, paid: np.ndarray, bill: Bill) -> Takings:
        """The step's orders [product, lane] and their gmv, and what of both was made on visits of scenes."""
        scenes, both = len(self.floor.world.names.scenes), np.array([bill.total.gmv, paid])
        (gmv, orders), own = add_up(both), np.einsum("ipl,kpl->kil", sold.bought[:scenes], both)
        value = np.broadcast_to(self.floor.world.people.order_value, sold.orders.total.shape[1:])
        return Takings(gmv, orders, own[0], own[1], value)

    def _credit(self, sold: Sold, takings: Takings, met: Met) -> None:
        """Credit this step's orders and their gmv to scenes."""
        floor, tracers, baskets = self.floor, self.floor.tracers, sold.baskets
        assert tracers is not None and met.owners is not None and sold.waiting is not None
        customers = baskets.orders + baskets.balances
        direct = sold.flows[ORDER] - sold.waiting
        credits = tracers.credit(
            direct, met.owners, sold.waiting, customers, floor.state.crowd.n,
            balances=baskets.balances, guests=met.guest_share,
        )  # fmt: skip
        if credits.promised is not None:
            orders = credits.promised.orders.sum(axis=1)
            floor.state.promised += np.array([gmv_of(credits.promised, takings), orders])
        credit = credits.report
        gmv = gmv_of(credit, takings)
        floor.book.credit(credit.orders, credit.direct, credit.presale)
        floor.book.add(orders_organic=credit.organic, orders_commissioned=credit.guests)
        floor.book.scenes["gmv_attributed"] += gmv
        floor.book.on_day(floor.day, scene_gmv=gmv)
