"""From contact to orders: chain moves, baskets, stock, and the people afterwards (steps 7, 8 and 10)."""

from functools import reduce

import numpy as np

from simulator.engine.books import Books, Sold
from simulator.engine.floor import Floor
from simulator.engine.shortage import BASKET_STAGES, cut_moves
from simulator.engine.standing import Standing
from simulator.engine.tally import Met
from simulator.engine.wanted import Wanted
from simulator.market.audience import (
    CART,
    DECAY,
    DEPOSIT,
    FAVOURITE,
    KINDS,
    ORDER,
    Chain,
    Pulse,
    ratio,
)
from simulator.market.basket import (
    CUSTOMER_STAGES,
    CustomerMoves,
    Orders,
    apply_baskets,
    basket_hazards,
    cut_by_stock,
    flat,
    in_all,
    payment_attempts,
    wishes,
)
from simulator.market.bill import Balances
from simulator.market.bounds import at_least
from simulator.market.columns import bar
from simulator.market.fulfilment import payment_success
from simulator.market.groups import Groups, add_up
from simulator.market.people import STAGES
from simulator.market.substitutes import Substitutes
from simulator.market.world import World
from simulator.scenario.chain import Stage

COUNTED: dict[str, list[tuple[int, int]]] = {
    "favourites": [(FAVOURITE, c) for c in range(Stage.FAVOURITE)],
    "carts": [(CART, c) for c in range(Stage.CART)],
    "deposits": [(DEPOSIT, c) for c in range(Stage.DEPOSIT)],
    "balances": [(ORDER, Stage.DEPOSIT)],
    "new_customers": [(ORDER, c) for c in range(Stage.INITIAL)],
    "brand_new_customers": [(ORDER, c) for c in range(Stage.FAVOURITE)],
    "recalled_members": [(ORDER, Stage.LAPSED)],
    "lapsed": [(DECAY, c) for c in range(Stage.INITIAL, Stage.LAPSED)],
    "returned": [(DECAY, Stage.LAPSED)],
}
"""Moves of people, (kind, stage), that are totals of the book."""
BASKETS = ("carts", "added"), ("deposits", "deposits"), ("balances", "balances")
"""Totals that count moves of customers' baskets, too."""
NONE, NO_BASKETS = np.zeros((1, 1)), np.zeros((2, 1, 1))


class Sales:
    """Steps 7, 8 and 10 of the list in `run`; the books are step 9."""

    def __init__(self, floor: Floor) -> None:
        self.floor, self.books = floor, Books(floor)
        segments, traced = len(floor.world.names.segments), floor.tracers is not None
        self.pooled = np.zeros(())
        """Orders of the step that shops send: [product, lane]."""
        self.chain = Chain(floor.world.people, segments, floor.lanes, traced=traced)
        rows = [[kind * STAGES + stage for kind, stage in moves] for moves in COUNTED.values()]
        self.groups = Groups.choose(rows, len(KINDS) * STAGES)
        self.moved: dict[str, np.ndarray] = {}
        """People of all segments who moved in the step, by name: [lane]."""
        self.counted = np.zeros((len(COUNTED), floor.lanes))
        """Moves since the start, people and baskets: the rows are totals of the book."""
        floor.book.totals |= zip(COUNTED, self.counted, strict=True)
        self.gate = calendar_gate(floor.world)
        """Load of payment and success [step, lane] each; None where the shop's own attempts are the load."""
        self.released_part = np.zeros(())
        """Part of the orders out of favourites and carts that the sale released: [2, segment, lane]."""
        self.days = floor.world.steps.days
        """Length of each step [d]."""
        self.wanted = Wanted(floor)
        self.standing = Standing(floor, self.wanted)
        self.by_habit = np.zeros(())
        """Part of customers' direct orders that no visit brought: [segment, lane]."""
        self.direct_mix = np.zeros(())
        """Product weights of direct orders, as they are tried: [product, buyers, segment, lane]."""
        self.settled: Balances | None = None
        """Balances among the orders; None where none can be."""
        self.found: np.ndarray | None = None
        """Part of a product's orders that finds goods [product, lane]; None where all do."""

    def sell(self, met: Met) -> None:
        """Move people, take orders, and write them down."""
        self.wanted.read(met)
        pulse = self._pulse(met)
        flows, baskets = self._moves(met, pulse)
        orders = self._orders(flows, baskets, met)
        if self.found is not None and orders.paid is not orders.wanted:
            self.released_part = cut_moves(
                flows, baskets, orders, self._mixes(self.direct_mix), found=self.found,
                released=self.released_part, draws=self.floor.draws,
            )  # fmt: skip
        if self.floor.tracers and self.found is not None:
            self._credit_what_was_found(met, self.found)
        self._sum_up(flows, baskets)
        self.books.write(self._sold(flows, baskets, orders), met)
        self._move_on(flows, baskets, met, pulse)
        self.wanted.forget()
        self.direct_mix = np.zeros(())

    # ------------------------------------------------------------------ 7 chain and baskets
    def _pulse(self, met: Met) -> Pulse:
        floor, world = self.floor, self.floor.world
        steps, phases, s, f = world.steps, world.phases, floor.step, floor.phase
        days, buy = float(self.days[s]) if s < steps.selling else 0.0, float(steps.buy[s])
        ready = self.wanted.readiness
        load, self.pay = self._pass_gate(met, ready)
        floor.book.peak(payment_load=load)
        opened = bool(floor.schedule.can_deposit[s])
        visits, carts = self._presold_parts() if opened else (NONE, NO_BASKETS)
        return Pulse(
            days=days, browse=float(steps.browse[s]) or 1.0,
            now=steps.middle(s), pay=self.pay,
            cart=phases.cart[f] * self.standing.fill(met), release=phases.release[f] * buy * ready,
            deposit=phases.deposit[f] * visits,
            deposit_release=phases.deposit_release[f] * buy, balance=self._balance(), buy=buy,
            presale=opened, presold=carts,
        )  # fmt: skip

    def _presold_parts(self) -> tuple[np.ndarray, np.ndarray]:
        """Part that can be presold of what strangers' visits would buy [segment, lane], and of what baskets hold
        [who, segment, lane].
        """
        visits, carts = self.wanted.presold_on_visits, self.wanted.presold_standing
        return np.add.reduce(visits), np.add.reduce(carts)

    def _balance(self) -> np.ndarray:
        """Hazard that a deposit's balance is paid in this step: [1, lane]."""
        share = self.floor.schedule.balance[self.floor.step]
        return bar(np.minimum(self.pay * share, 1 - 1e-12)) if share else NONE

    def _pass_gate(self, met: Met, ready: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Load of payment, the calendar's or that of the shop's own attempts, and success: [1, lane]."""
        floor, world, s, f = self.floor, self.floor.world, self.floor.step, self.floor.phase
        if self.gate is not None:
            load, success = self.gate
            return load[s, None], success[s, None]
        costs, buy = world.costs, float(world.steps.buy[s])
        assert costs.pay_capacity is not None
        tried = payment_attempts(
            floor.state.baskets, floor.state.crowd, met.contact, world.people,
            release=world.phases.release[f] * buy * ready,
            balance=floor.schedule.balance[s], now=world.steps.middle(s), buy=buy,
        )  # fmt: skip
        load = np.asarray(tried / (costs.pay_capacity * (24 * float(self.days[s]))))
        rush = world.steps.rush[:, s]
        wallet = world.phases.wallet[f]
        success = payment_success(costs.pay_fail, wallet, costs.pay_retry, load, rush)
        return load * rush[1].max(), success

    def _moves(self, met: Met, pulse: Pulse) -> tuple[np.ndarray, CustomerMoves]:
        """Moves of people and of customers' baskets: first who buys, then what becomes of the others."""
        crowd, held, draws = self.floor.state.crowd, self.floor.state.baskets, self.floor.draws
        self.chain.fill(crowd, met.contact, pulse)
        self.released_part = self._part_of(self.chain.baskets, BASKET_STAGES)
        risks = basket_hazards(held, crowd, met.contact, pulse, self.floor.world.people)
        buying, moving = self.chain.chances(crowd)
        buyers, (paid, added) = self._draw(
            "buyers", (crowd.n, held.deposits, risks.free), (buying, risks.balance, risks.fill)
        )
        carts = held.carts + added
        others, (gone,) = self._draw(
            "movers", (crowd.n - buyers, carts), (moving, risks.leaving(held.carts, carts))
        )
        flows = self.chain.part(buyers, others, pulse, draws)
        orders, deposits, dropped = draws.split("basket_to", gone, risks.out)
        return flows, CustomerMoves(orders, deposits, dropped, paid, added)

    def _draw(
        self, purpose: str, n: tuple[np.ndarray, ...], p: tuple[np.ndarray, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw (n, p) of people [stage, segment, lane] and then of baskets [segment, lane] in one go."""
        count = self.floor.draws.binomial(purpose, _in_rows(*n), _in_rows(*p))
        every = count.reshape(-1, *n[0].shape[1:])
        return every[:STAGES], every[STAGES:]

    # ------------------------------------------------------------------ 8 orders
    def _orders(self, flows: np.ndarray, baskets: CustomerMoves, met: Met) -> Orders:
        """Which product every order is for, and what of it is in stock."""
        floor, stock = self.floor, self.floor.state.stock
        self.presale = bool(floor.schedule.presale[floor.step])
        kinds = self._kinds(flows, baskets)
        weights, tried = self._wishes(kinds, self._by_habit(flows).sum(axis=0), met)
        wanted = floor.draws.split("product", flat(reduce(np.add, kinds)), flat(weights))
        tries = wanted
        if tried is not weights and not floor.sampled:
            tries = np.where(flat(tried) == flat(weights), wanted, flat(tried))
        demand = add_up(tries)
        sold = stock.sell(demand, floor.sampled)
        self.found = None if sold is demand else np.where(demand > 0, ratio(sold, demand), 1.0)
        self._send(demand, sold)
        paid = cut_by_stock(wanted, tries, demand, sold, floor.draws)
        orders = Orders.of(wanted, paid, weights.shape)
        self.settled = None
        if self.presale:
            balances = np.array([flows[ORDER, Stage.DEPOSIT], baskets.balances])
            self.settled = self.standing.settled(balances, orders.total, self.found)
        return orders

    def _kinds(self, flows: np.ndarray, baskets: CustomerMoves) -> list[np.ndarray]:
        """Direct orders, released ones, and balances where there may be any: [buyers, segment, lane] each."""
        orders = flows[ORDER]
        every = np.empty((3, 2, *orders.shape[1:]))
        (direct, again), (release, kept), (balance, paid) = every
        np.add.reduce(self._released(flows), out=release)
        kept[...], balance[...], paid[...] = baskets.orders, orders[Stage.DEPOSIT], baskets.balances
        np.add.reduce(orders[: Stage.DEPOSIT], out=direct)
        direct -= release
        np.add.reduce(orders[Stage.INITIAL :], out=again)
        at_least(direct, 0.0, out=direct)
        kinds = every if self.presale else every[:2]
        return list(kinds if len(self.floor.buyers) > 1 else kinds.sum(axis=1, keepdims=True))

    def _wishes(
        self, kinds: list[np.ndarray], habit: np.ndarray, met: Met
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean orders by product [product, buyers, segment, lane], wanted, once direct ones have turned from what is
        sold out, and tried; `habit`: those of customers that no visit brought [segment, lane].
        """
        mixes, direct = self.wanted, kinds[0]
        self.by_habit = ratio(habit, direct[-1])
        self.direct_mix = self._direct(mixes.on_visits)
        wanted = tried = self._by_product(kinds, self.direct_mix)
        found = self.floor.state.stock.found(in_all(wanted), self.floor.sampled)
        if mixes.asked:
            visits = direct.copy()
            visits[-1] -= habit
            mixes.credit(met, at_least(visits, 0.0))
        if found is not None:
            wanted = tried = self.direct_mix = np.zeros(())  # room
            wanted, tried = self._turn(kinds, met, np.asarray((found < 1).any(axis=0)))
        if mixes.asked:
            mixes.share_out(in_all(tried))
        return wanted, tried

    def _turn(
        self, kinds: list[np.ndarray], met: Met, short: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean orders as they are wanted and as they are tried, once some have turned to what is there, where something
        runs `short` [lane].
        """
        mixes, pages = self.wanted, self.wanted.pages_in_full()
        shop = self._shop(kinds, mixes.first_choices(met, pages))
        on_visits, others = mixes.turn(met, pages, shop, short)
        usual, another = mixes.turn_usual(shop, short)
        self.direct_mix = self._direct(on_visits, usual)
        wanted = self._by_product(kinds, self._direct(others, another))
        return wanted, self._by_product(kinds, self.direct_mix)

    def _shop(self, kinds: list[np.ndarray], first: np.ndarray) -> Substitutes:
        """What visitors find if `first` are their first choices."""
        wanted = in_all(self._by_product(kinds, self._direct(first)))
        found = self.floor.state.stock.found(wanted, self.floor.sampled)
        return self.wanted.substitutes(first, np.ones_like(wanted) if found is None else found)

    def _direct(self, on_visits: np.ndarray, usual: np.ndarray | None = None) -> np.ndarray:
        """Product weights of direct orders, from those on visits and, of habit, what is `usual`: what is bought freely,
        if not given.
        """
        if self.chain.habit is None:
            return on_visits
        free = self.floor.today.bought_free()[:, None] if usual is None else usual
        return self.wanted.with_habit(on_visits, free, self.by_habit)

    def _by_product(self, kinds: list[np.ndarray], direct: np.ndarray) -> np.ndarray:
        """Mean orders [product, buyers, segment, lane], direct ones by these weights."""
        return wishes(kinds, self._mixes(direct))

    def _send(self, demand: np.ndarray, sold: np.ndarray) -> None:
        """From the depot while it has goods, then from shops while these have some: both [product, lane]."""
        depot, book = self.floor.state.depot, self.floor.book
        if depot is None:
            return
        shops = at_least(self.floor.world.goods.pool[:, None] - book.products["pooled"], 0.0)
        without = sold - depot.sell(demand, self.floor.sampled)
        self.pooled = np.clip(without, 0.0, np.minimum(sold, shops))
        cost = self.pooled * self.floor.world.goods.pool_cost
        book.add(pooled=self.pooled, pooled_fulfilment=cost)
        book.products["pooled"] += self.pooled

    def _mixes(self, direct: np.ndarray) -> list[np.ndarray]:
        """Product weights of `direct` orders, of released baskets, and of balances where there are any:
        [product, buyers, segment or 1, lane].
        """
        held = [self.wanted.released, *([self.wanted.deposited] if self.presale else [])]
        return [direct, *(mix[:, : len(self.floor.buyers)] for mix in held)]

    def _released(self, flows: np.ndarray) -> np.ndarray:
        """Orders out of favourites and carts that the sale released: [2, segment, lane]."""
        return np.asarray(flows[ORDER, BASKET_STAGES] * self.released_part)

    def _part_of(self, hazard: np.ndarray, stages: slice) -> np.ndarray:
        """Part of the order hazard of some stages that one of its terms [stage, segment, lane] is."""
        return ratio(hazard, self.chain.hazards[ORDER, stages])

    def _by_habit(self, flows: np.ndarray) -> np.ndarray:
        """Orders of customers that no visit brought: [initial, numerous, keen; segment, lane]."""
        orders = flows[ORDER, CUSTOMER_STAGES]
        if self.chain.habit is None:
            return np.zeros_like(orders)
        return np.asarray(orders * self._part_of(self.chain.habit, CUSTOMER_STAGES))

    def _credit_what_was_found(self, met: Met, found: np.ndarray) -> None:
        """Whose visits brought the orders that are left: scenes and partners have those that found goods."""
        assert met.owners is not None
        *scenes, guest, free = self.wanted.served(found)
        brought = 0.0 if met.guest_share is None else met.guest_share
        unpaid = at_least(1 - np.add.reduce(met.owners) - brought, 0.0) * free
        owners, guests = met.owners * np.array(scenes)[:, None, None], brought * guest
        every = np.add.reduce(owners) + guests + unpaid
        short = (found < 1).any(axis=0)  # no other lane changes by a last bit
        met.owners = np.where(short, ratio(owners, every), met.owners)
        if met.guest_share is not None:
            met.guest_share = np.where(short, ratio(guests, every), met.guest_share)

    # ------------------------------------------------------------------ for the books (9)
    def _sum_up(self, flows: np.ndarray, baskets: CustomerMoves) -> None:
        """Moves of the step over all segments."""
        by_stage = add_up(flows)
        people = self.groups.sum(by_stage.reshape(-1, self.floor.lanes))
        self.moved = dict(zip(COUNTED, people, strict=True))
        self.counted += people
        for total, moves in BASKETS:
            self.counted[list(COUNTED).index(total)] += add_up(getattr(baskets, moves))

    def _sold(self, flows: np.ndarray, baskets: CustomerMoves, orders: Orders) -> Sold:
        """What the books ask of the step."""
        waiting = self._not_on_visits(flows) if self.floor.tracers else None
        return Sold(
            flows, baskets, orders, self.moved, waiting, self.wanted.bought, self.pooled, self.pay, self.settled
        )  # fmt: skip

    def _not_on_visits(self, flows: np.ndarray) -> np.ndarray:
        """Orders that no visit of the step brought: released, of deposits, and by habit [stage, segment, lane]."""
        waiting = np.zeros_like(flows[ORDER])
        waiting[BASKET_STAGES] = self._released(flows)
        waiting[Stage.DEPOSIT] = flows[ORDER, Stage.DEPOSIT]
        waiting[CUSTOMER_STAGES] = self._by_habit(flows)
        return waiting

    # ------------------------------------------------------------------ 10 people and baskets move on
    def _move_on(self, flows: np.ndarray, baskets: CustomerMoves, met: Met, pulse: Pulse) -> None:
        floor, crowd = self.floor, self.floor.state.crowd
        if floor.tracers and met.paid is not None:
            floor.tracers.move(flows, crowd.n, met.paid, self.chain.on_visits())
        self._stand(flows, baskets)
        again = baskets.orders + baskets.balances
        first = self._first_again(again)
        self.chain.settle(crowd, again, floor.draws)
        moved = np.minimum(first, crowd.n[Stage.INITIAL])
        if floor.tracers:
            floor.tracers.shift(Stage.INITIAL, Stage.NUMEROUS, ratio(moved, crowd.n[Stage.INITIAL]))
        crowd.n[Stage.INITIAL] -= moved
        crowd.n[Stage.NUMEROUS] += moved
        crowd.old[0] = np.minimum(crowd.old[0], crowd.n[Stage.INITIAL])
        apply_baskets(floor.state.baskets, baskets)
        if pulse.days:
            self.chain.remember(crowd, met.contact, pulse, met.shown)

    def _first_again(self, again: np.ndarray) -> np.ndarray:
        """First-time buyers among the customers whose basket was bought: they become numerous."""
        n = self.floor.state.crowd.n
        mix = np.array([n[Stage.INITIAL], n[Stage.NUMEROUS] + n[Stage.KEEN]])
        return np.asarray(self.floor.draws.split("basket_stage", again, mix)[0])

    def _stand(self, flows: np.ndarray, baskets: CustomerMoves) -> None:
        """What is left in baskets, and what has come."""
        bought = np.array([self._released(flows).sum(axis=0), baskets.orders])
        deposits = flows[DEPOSIT, BASKET_STAGES] * self.chain.presold_part()
        presold = np.array([deposits.sum(axis=0), baskets.deposits])
        self.standing.move(flows, baskets, bought=bought, presold=presold, found=self.found)


def _in_rows(people: np.ndarray, *baskets: np.ndarray) -> np.ndarray:
    """People [stage, segment, lane] and baskets [segment, lane] below each other: [row, lane]."""
    return np.concatenate([people.reshape(-1, people.shape[-1]), *baskets])


def calendar_gate(world: World) -> tuple[np.ndarray, np.ndarray] | None:
    """Highest load of payment as the calendar has it, and success: [step, lane]; None where the gate has a capacity."""
    if world.costs.pay_capacity is not None:
        return None
    steps, phases, costs = world.steps, world.phases, world.costs
    load = phases.payment_load[steps.phase] * (steps.buy / steps.days)[:, None]
    wallet, rush = phases.wallet[steps.phase], steps.rush
    success = payment_success(costs.pay_fail, wallet, costs.pay_retry, load, rush)
    return load * rush[1].max(axis=1)[:, None], success
