"""From contact to orders: chain moves, baskets, stock, and the people afterwards (steps 7, 8 and 10)."""

import numpy as np

from simulator.engine.books import Books, Sold
from simulator.engine.floor import Floor
from simulator.engine.tally import Met
from simulator.market.audience import (
    CART,
    DECAY,
    DEPOSIT,
    FAVOURITE,
    KINDS,
    ORDER,
    Chain,
    Pulse,
    by_band,
    ratio,
)
from simulator.market.basket import (
    CUSTOMER_STAGES,
    CustomerMoves,
    Orders,
    apply_baskets,
    basket_hazards,
    choose_instead,
    cut_by_stock,
    payment_attempts,
    scale_orders,
    shares,
    wishes,
)
from simulator.market.bounds import at_least, at_most
from simulator.market.columns import bar
from simulator.market.fulfilment import payment_success
from simulator.market.groups import Groups, add_up
from simulator.market.people import STAGES
from simulator.market.world import World
from simulator.scenario.chain import Stage

BASKET_STAGES = slice(Stage.FAVOURITE, Stage.DEPOSIT)
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
MOVES = COUNTED | {
    "filled": [(kind, c) for kind in (CART, FAVOURITE) for c in range(Stage.FAVOURITE)],
    "emptied": [
        (kind, c) for kind in (ORDER, DEPOSIT, DECAY) for c in (Stage.FAVOURITE, Stage.CART)
    ],
}
"""All moves of people that are added up."""
BASKETS = {
    name: f"basket_{name}" for name in ("added", "deposits", "balances", "orders", "dropped")
}
WITH_BASKETS = [list(COUNTED).index(name) for name in ("carts", "deposits", "balances")]
"""Totals that count the first moves of customers' baskets, too."""
NONE = np.zeros((1, 1))


class Sales:
    """Steps 7, 8 and 10 of the list in `run`; the books are step 9."""

    def __init__(self, floor: Floor) -> None:
        self.floor, self.books = floor, Books(floor)
        segments, traced = len(floor.world.names.segments), floor.tracers is not None
        self.pooled = np.zeros(())
        """Orders of the step that shops send: [product, lane]."""
        self.chain = Chain(floor.world.people, segments, floor.lanes, traced=traced)
        rows = [[kind * STAGES + stage for kind, stage in moves] for moves in MOVES.values()]
        self.groups = Groups.choose(rows, len(KINDS) * STAGES)
        self.moved: dict[str, np.ndarray] = {}
        """People of all segments who moved in the step, by name: [lane]; and customers' baskets."""
        self.counted = np.zeros((len(COUNTED), floor.lanes))
        """Moves since the start, people and baskets: the rows are totals of the book."""
        floor.book.totals |= zip(COUNTED, self.counted, strict=True)
        self.gate = calendar_gate(floor.world)
        """Load of payment and success [step, lane] each; None where the shop's own attempts are the load."""
        self.released_part = np.zeros(())
        """Part of the orders out of favourites and carts that the sale released: [2, segment, lane]."""
        self.days = floor.world.steps.days
        """Length of each step [d]."""
        self.asked = bool(floor.linkage or floor.partners or floor.tracers)
        """Somebody asks on whose visits a product was bought."""
        self.bought = np.zeros((0, 1, floor.lanes))
        """Part of a product's orders made on visits of a scene, then of a partner: [.., product, lane]."""
        self.filling = np.zeros((0, floor.lanes))
        """Product weights of the step's new baskets: [product, lane]."""

    def sell(self, met: Met) -> None:
        """Move people, take orders, and write them down."""
        pulse = self._pulse(met)
        flows, baskets = self._moves(met, pulse)
        orders = self._orders(flows, baskets, met)
        self._cut(flows, baskets, orders)
        self._sum_up(flows, baskets)
        self.books.write(self._sold(flows, baskets, orders), met)
        self._move_on(flows, baskets, met, pulse)

    # ------------------------------------------------------------------ 7 chain and baskets
    def _pulse(self, met: Met) -> Pulse:
        floor, world = self.floor, self.floor.world
        steps, phases, s, f = world.steps, world.phases, floor.step, floor.phase
        days, buy = float(self.days[s]), float(steps.buy[s])
        self.release_mix, ready = self._read_release()
        load, self.pay = self._pass_gate(met, ready)
        floor.book.peak(payment_load=load)
        opened = floor.today.presale if floor.schedule.can_deposit[s] else NONE
        return Pulse(
            days=days, browse=float(steps.browse[s]) or days,
            now=steps.middle(s), pay=self.pay,
            cart=phases.cart[f] * self._wanted(met), release=phases.release[f] * buy * ready,
            deposit=phases.deposit[f] * opened,
            deposit_release=phases.deposit_release[f] * buy * opened, balance=self._balance(), buy=buy,
        )  # fmt: skip

    def _balance(self) -> np.ndarray:
        """Hazard that a deposit's balance is paid in this step: [1, lane]."""
        share = self.floor.schedule.balance[self.floor.step]
        return bar(np.minimum(self.pay * share, 1 - 1e-12)) if share else NONE

    def _wanted(self, met: Met) -> np.ndarray:
        """Product power that the visits of the step meet [segment or 1, lane]; what new baskets hold is kept."""
        self.filling, touches = self.floor.today.wanted(met.touches)
        taste = self.floor.today.taste
        if taste is None:
            return ratio(np.add.reduce(self.filling), touches)[None]
        by_segment = self.filling[:, None] * taste
        own = np.einsum("bgl,bgl->gl", met.contact.touches, by_band(self.floor.state.crowd.n))
        self.filling = np.einsum("pgl,gl->pl", by_segment, own)
        return ratio(np.add.reduce(by_segment), touches)

    def _pass_gate(self, met: Met, ready: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
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
        return load, payment_success(costs.pay_fail, world.phases.wallet[f], costs.pay_retry, load)

    def _read_release(self) -> tuple[np.ndarray | None, np.ndarray | float]:
        """Prices move baskets too: products of a segment's released ones [product, segment, lane], and its
        readiness against usual prices [segment, lane].
        """
        today = self.floor.today
        if today.prices is None:
            return None, 1.0
        standing = shares(self.floor.state.baskets.products, today.free_mix)
        wanted = standing[:, None] * today.prices
        ready = wanted.sum(axis=0)
        return wanted / ready, ready

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
        floor, orders = self.floor, flows[ORDER]
        release = np.add.reduce(self._released(flows)) + baskets.orders
        balance = orders[Stage.DEPOSIT] + baskets.balances
        total = np.add.reduce(orders) + baskets.orders + baskets.balances
        direct = at_least(total - release - balance, 0.0)
        kinds, stock = [direct, release], floor.state.stock
        self.direct_mix = self._direct_mix(met)
        self.presale = bool(floor.schedule.presale[floor.step])
        if self.presale:
            kinds.append(balance)
            presale = self.direct_mix * floor.world.goods.presale[:, None]
            self.presold_mix = shares(presale, self.direct_mix)
        weights = wishes(kinds, self._mixes())
        found = stock.found(add_up(weights), floor.sampled)
        if found is not None:
            self.direct_mix = choose_instead(self.direct_mix, found, floor.world.goods.substitution)
            weights = wishes(kinds, self._mixes())
        if self.asked:
            visited = direct.sum(axis=0) - self._by_habit(flows).sum(axis=(0, 1))
            on_visits = at_least(visited, 0.0) * self.direct_mix
            self.bought *= np.minimum(ratio(on_visits, add_up(weights)), 1.0)
        wanted = floor.draws.split("product", direct + release + balance, weights)
        demand = add_up(wanted)
        sold = stock.sell(demand, floor.sampled)
        self._send(demand, sold)
        return Orders(wanted, cut_by_stock(wanted, demand, sold, floor.draws))

    def _send(self, demand: np.ndarray, sold: np.ndarray) -> None:
        """From the depot while it has goods, then from shops: both [product, lane]."""
        depot, book = self.floor.state.depot, self.floor.book
        if depot is None:
            return
        self.pooled = np.clip(sold - depot.sell(demand, self.floor.sampled), 0.0, sold)
        cost = self.pooled * self.floor.world.goods.pool_cost
        book.add(pooled=self.pooled, pooled_fulfilment=cost)
        book.products["pooled"] += self.pooled

    def _mixes(self) -> list[np.ndarray]:
        """Product weights of direct orders, of released baskets, and of balances where there are any:
        [product, segment, lane].
        """
        held, direct = self.floor.state.baskets, self.direct_mix
        released = self.release_mix
        if released is None:
            released = shares(held.products, direct)[:, None]
        mixes = [direct[:, None], released]
        return [*mixes, shares(held.presold, self.presold_mix)[:, None]] if self.presale else mixes

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

    def _direct_mix(self, met: Met) -> np.ndarray:
        """u: product weights of orders from visits, paid ones by scene and free ones."""
        today = self.floor.today
        each = ratio(met.scene_buys, today.scene_kappa)
        free = today.free_mix[:, None] * (met.free_buys / today.free_kappa)
        if today.response is None:
            paid = np.add.reduce(today.mix * each)[:, None]
        else:
            paid = np.einsum("ipl,igl->pgl", today.mix, each)
        weights = (paid + free) * today.kappa
        looks = None
        if today.halo and met.halo_buys is not None:
            looks = today.halo.mix * met.halo_buys[:, None]
            weights += np.add.reduce(looks)
        every = add_up(weights)
        if self.asked:
            self._ask(each, looks, met)
            every = every + self.bought[len(each) :].sum(axis=0)
            self.bought = ratio(self.bought, every)
        return shares(every, today.free_mix)

    def _ask(self, each: np.ndarray, looks: np.ndarray | None, met: Met) -> None:
        """What scenes' visits, and then partners', weigh among a product's orders: [.., product, lane]."""
        today = self.floor.today
        self.bought = today.mix * np.einsum("igl,pgl->ipl", each, today.kappa)
        if looks is not None:
            self.bought += add_up(looks[:-1])
        if met.guest_buys is not None:
            each = ratio(met.guest_buys, today.partner_kappa)
            by_guest = today.partner_mix * np.einsum("igl,pgl->ipl", each, today.kappa)
            self.bought = np.concatenate([self.bought, by_guest])

    def _cut(self, flows: np.ndarray, baskets: CustomerMoves, orders: Orders) -> None:
        """Nobody moves on for an order that found no goods."""
        asked = [flows[ORDER], baskets.orders[None], baskets.balances[None]]
        asked = scale_orders(asked, orders, self.floor.draws)
        flows[ORDER], baskets.orders, baskets.balances = asked[0], asked[1][0], asked[2][0]

    # ------------------------------------------------------------------ for the books (9)
    def _sum_up(self, flows: np.ndarray, baskets: CustomerMoves) -> None:
        """Moves of the step over all segments."""
        by_stage = add_up(flows)
        people = self.groups.sum(by_stage.reshape(-1, self.floor.lanes))
        held = add_up(np.array([getattr(baskets, name) for name in BASKETS]))
        self.moved = dict(zip(MOVES, people, strict=True))
        self.moved |= zip(BASKETS.values(), held, strict=True)
        self.counted += people[: len(COUNTED)]
        self.counted[WITH_BASKETS] += held[: len(WITH_BASKETS)]

    def _sold(self, flows: np.ndarray, baskets: CustomerMoves, orders: Orders) -> Sold:
        """What the books ask of the step."""
        waiting = self._not_on_visits(flows) if self.floor.tracers else None
        return Sold(flows, baskets, orders, self.moved, waiting, self.bought, self.pooled, self.pay)

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
        self._basket_products(flows, baskets)
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
        self.chain.remember(crowd, met.contact, pulse, met.per_person)

    def _first_again(self, again: np.ndarray) -> np.ndarray:
        """First-time buyers among the customers whose basket was bought: they become numerous."""
        n = self.floor.state.crowd.n
        mix = np.array([n[Stage.INITIAL], n[Stage.NUMEROUS] + n[Stage.KEEN]])
        return np.asarray(self.floor.draws.split("basket_stage", again, mix)[0])

    def _basket_products(self, flows: np.ndarray, baskets: CustomerMoves) -> None:
        """Products in standing baskets: what leaves goes in proportion, what comes has today's mix."""
        n, held, moved = self.floor.state.crowd.n, self.floor.state.baskets, self.moved
        stock = np.add.reduce(n[BASKET_STAGES], axis=(0, 1)) + np.add.reduce(held.carts)
        out = moved["emptied"] + moved["basket_orders"]
        out += moved["basket_deposits"] + moved["basket_dropped"]
        into = moved["filled"] + moved["basket_added"]
        if self.release_mix is not None:
            out = self._left_by_product(flows, baskets, out)
        held.products *= 1 - at_most(ratio(out, stock), 1.0)
        held.products += into * shares(self.filling, self.floor.today.free_mix)
        if self.presale:
            self._presold()

    def _presold(self) -> None:
        """The same of what is presold."""
        n, held, moved = self.floor.state.crowd.n, self.floor.state.baskets, self.moved
        waiting = np.add.reduce(n[Stage.DEPOSIT]) + np.add.reduce(held.deposits)
        gone = moved["balances"] + moved["basket_balances"]
        fresh = moved["deposits"] + moved["basket_deposits"]
        held.presold *= 1 - at_most(ratio(gone, waiting), 1.0)
        held.presold += fresh * self.presold_mix

    def _left_by_product(
        self, flows: np.ndarray, baskets: CustomerMoves, out: np.ndarray
    ) -> np.ndarray:
        """Baskets that left [product, lane], as if all products had left like each: prices release some more."""
        assert self.release_mix is not None
        bought = self._released(flows).sum(axis=0) + baskets.orders
        standing = shares(self.floor.state.baskets.products, self.floor.today.free_mix)
        by_product = np.einsum("pgl,gl->pl", self.release_mix, bought)
        return np.asarray(out - bought.sum(axis=0) + ratio(by_product, standing))


def _in_rows(people: np.ndarray, *baskets: np.ndarray) -> np.ndarray:
    """People [stage, segment, lane] and baskets [segment, lane] below each other: [row, lane]."""
    return np.concatenate([people.reshape(-1, people.shape[-1]), *baskets])


def calendar_gate(world: World) -> tuple[np.ndarray, np.ndarray] | None:
    """Load of payment as the calendar has it, and success: [step, lane]; None where the gate has a capacity."""
    if world.costs.pay_capacity is not None:
        return None
    steps, phases, costs = world.steps, world.phases, world.costs
    load = phases.payment_load[steps.phase] * (steps.buy / steps.days)[:, None]
    return load, payment_success(costs.pay_fail, phases.wallet[steps.phase], costs.pay_retry, load)
