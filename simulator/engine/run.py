"""One chunk of lanes from the first second to the end of the run-off.

The order of a step, which `Run.step` carries out as it stands here:

 1. calendar and shocks: what became due (restocks, forfeited deposits, midnight's refunds and products)
 2. supply: opportunities of every slot
 3. contracts served
 4. auction: who enters, bids, wins, pays; pace
 5. clicks and visits, paid and free
 6. exposure and fatigue: what each band of people meets
 7. chain moves and customers' baskets
 8. orders by product, cut by stock; payment is part of the hazards
 9. money and books
10. people and baskets move on
11. the user's own processes see the finished step and set controls for the next
"""

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

from simulator.engine import processes
from simulator.engine.lanes import (
    Chunk,
    make_draws,
    plan_bookings,
    plan_money,
    quadrature,
    shock_factor,
    shock_names,
)
from simulator.engine.state import Day, first_state, whole_size
from simulator.market.audience import (
    DEPOSIT,
    ORDER,
    Chain,
    Contact,
    Pulse,
    by_band,
    mean_level,
    ratio,
    wear,
)
from simulator.market.asset import people_value
from simulator.market.basket import (
    Orders,
    apply_baskets,
    cut_by_stock,
    move_baskets,
    scale_orders,
    shares,
    want,
)
from simulator.market.bidding import Bidder, Entered, Field
from simulator.market.calendar import seconds_between
from simulator.market.contract import Server
from simulator.market.fulfilment import FIRST, Returns, payment_success
from simulator.market.lifecycle import LifeCycles
from simulator.market.tracers import Tracers
from simulator.market.world import BUYABLE, World, bar, prob
from simulator.outcomes.ledger import Ledger, check_laws


@dataclass
class Controls:
    """What a user's process may set: [scene, lane], effective with the next step."""

    bid: np.ndarray
    """Factor on the scene's bids."""
    pace: np.ndarray
    """Factor on the money that a scene may spend in a step."""


@dataclass
class View:
    """What a user's process sees of the finished step; it may write `controls` only."""

    world: World
    step: int
    seconds: int
    people: np.ndarray
    """[stage, segment, lane]"""
    spent: np.ndarray
    """[scene, phase, lane]"""
    book: Ledger
    controls: Controls

    def hours(self, hours: float) -> float:
        """What to yield in order to sleep for so many hours [s]."""
        return hours * 3600


Rule = Callable[[View], Generator[float, None, None]]


class Run:
    """One chunk of lanes; `world` has the axis [replication], the run spreads it over plans."""

    def __init__(
        self, world: World, chunk: Chunk, seed: int, *, sampled: bool, daily: bool,
        attribution: bool = False, rules: Sequence[Rule] = (),
    ) -> None:  # fmt: skip
        self.chunk, self.sampled = chunk, sampled
        self.worth = people_value(world)
        self.world = world = world.over_plans(len(chunk.plans))
        lanes, reps = chunk.lanes, len(chunk.replications)
        self.draws = make_draws(world, chunk, seed, sampled)
        self.money = plan_money(chunk.plans, world, reps)
        booked = plan_bookings(chunk.plans, world, reps)
        self.due, self.rules = processes.Due(), rules
        self.cycles = LifeCycles(world.goods, world.scenario.life_cycle, sampled)
        self.returns = Returns(world.scenario.commerce)
        self.state = first_state(world, self.cycles, booked, self.draws, sampled=sampled)
        names, steps = world.names, world.steps
        self.chain = Chain(world.people, len(names.segments), lanes)
        self.bidder = Bidder(world, lanes)
        self.server = Server(world.packages, steps, pace_traffic(world))
        self.shock, self.luck = self._shocks(lanes)
        self.controls = Controls(np.ones((len(names.scenes), lanes)), np.ones((len(names.scenes), lanes)))
        self.book = Ledger.empty(
            len(names.scenes), len(names.phases), len(names.segments), len(names.products),
            lanes=lanes, days=int(steps.day[-1]) + 1 if daily else 0,
        )  # fmt: skip
        action = world.bidding.action[world.media.scene[: world.media.auctions], None]
        self.lift_on_clicks = action < BUYABLE.index("order")
        self.number = -1
        self.tracers = self._tracers() if attribution else None
        self._schedule()
        self._buffers(lanes)
        self._refresh_goods()

    # ------------------------------------------------------------------ preparation
    def _shocks(self, lanes: int) -> tuple[np.ndarray, np.ndarray]:
        """Demand factor [1, lane] and luck of each product [product, lane]."""
        names = shock_names(self.world.scenario)
        points = quadrature(len(names))
        demand, luck = np.ones((1, lanes)), np.ones((len(self.world.names.products), lanes))
        for row, (name, sd) in enumerate(names):
            if self.sampled:
                factor = self.draws.factor(name, sd, 1)
            else:
                z = points[row, np.array(self.chunk.replications)]
                factor = np.tile(shock_factor(z, sd), len(self.chunk.plans))[None]
            if name == "demand":
                demand = factor
            else:
                luck[self.world.names.products.index(name.removeprefix("luck."))] = factor[0]
        return demand, luck

    def _tracers(self) -> Tracers:
        window = self.world.scenario.attribution.window_days
        return Tracers(window, len(self.world.names.scenes), self.state.crowd.n.shape)

    def _schedule(self) -> None:
        """Numbers of every step that follow from the calendar alone."""
        steps, calendar = self.world.steps, self.world.scenario.calendar
        last = np.array([np.flatnonzero(steps.phase == f)[-1] for f in steps.phase])
        left = np.cumsum(steps.browse[::-1])[::-1]
        beyond = np.r_[left[1:], 0.0][last]
        self.pace_share = steps.browse / np.maximum(left - beyond, 1e-300)
        self.fresh = steps.first_of(steps.phase)
        self.market_day = np.maximum(np.bincount(steps.day, steps.buy * market_level(self.world)[steps.phase]), 0.1)
        self.new_day = steps.first_of(steps.day)
        origin = steps.shape.origin
        windows = [
            (seconds_between(origin, b.start), seconds_between(origin, b.end), b.completion)
            for b in calendar.balances
        ]
        last_end = max((end for _, end, _ in windows), default=-1)
        self.can_deposit = steps.start < last_end
        self.balance_share = np.zeros(len(steps))
        for start, end, completion in windows:
            inside = (steps.start >= start) & (steps.start < end)
            before = np.cumsum(np.where(inside, steps.buy, 0.0)) - steps.buy
            total = steps.buy[inside].sum()
            self.balance_share[inside] = (
                completion * steps.buy / total / (1 - completion * before / total)
            )[inside]

    def _buffers(self, lanes: int) -> None:
        places, segments = len(self.world.media.scene), len(self.world.names.segments)
        self.reach_rows = np.zeros((3, places, lanes))  # views, touches, buys of placements
        self.band_rows = np.zeros((3, 5, segments, lanes))  # the same of bands
        self.tally = np.zeros((4, places, lanes))
        self.impressions, self.clicks, self.visits, self.buys = self.tally
        self.auction_tally = np.zeros((3, self.world.media.auctions, lanes))
        self.odds = np.zeros((2, places, lanes))
        bidding = self.world.bidding
        self.limited = bool(((bidding.cost | bidding.roi) & ~bidding.held).any())

    # ------------------------------------------------------------------ the clock
    def go(self, progress: Callable[[int], None] | None = None) -> Ledger:
        """Run all steps; return the book, its laws checked."""
        env = simpy.Environment()
        for agenda in processes.agendas(self.world, self.due):
            env.process(processes.post(env, agenda))
        env.process(processes.march(env, self.world.steps, self.step))
        for rule in self.rules:
            env.process(self._user(env, rule))
        env.run()
        self._close_book()
        return self.book

    def _user(self, env: simpy.Environment, rule: Rule) -> processes.Events:
        view = View(self.world, 0, 0, self.state.crowd.n, self.state.spent, self.book, self.controls)
        for wait in rule(view):
            yield env.timeout(int(wait))
            view.step, view.seconds, view.people = self.number, int(env.now), self.state.crowd.n

    def step(self, number: int) -> None:
        """One step, in the order of the list above."""
        self.number, self.phase = number, int(self.world.steps.phase[number])
        self.draws.at(number)
        self._calendar()
        contract = self._contracts()
        entered = self._auction(contract)
        self._clicks(entered)
        contact, free = self._contact()
        pulse = self._pulse()
        flows, baskets = self._moves(contact, pulse)
        orders = self._orders(flows, baskets, free)
        self._settle(flows, baskets, orders, contact, pulse)

    # ------------------------------------------------------------------ 1 calendar and shocks
    def _calendar(self) -> None:
        due, state = self.due, self.state
        for product, units in due.restocks:
            state.stock.restock(product, units, self.sampled)
        if due.forfeit:
            self._forfeit()
        if due.closing:
            self._close_contracts()
        if due.midnight:
            self._midnight()
        if self.new_day[self.number]:
            sd, slots = self.world.scenario.chance.supply_sd, len(self.world.names.slots)
            state.supply_noise = self.draws.factor("supply", sd, slots)
        due.restocks, due.forfeit, due.closing, due.midnight = [], False, False, False

    def _forfeit(self) -> None:
        """Deposits whose balance was not paid are kept; prospects fall back to engage."""
        state, goods = self.state, self.world.goods
        n, baskets = state.crowd.n, state.baskets
        value = (n[6] + baskets.deposits) * self.world.people.order_value
        mean = (shares(baskets.presold, goods.organic + 0 * baskets.presold) * goods.deposit).sum(axis=0)
        self.book.add(forfeited=value * mean)
        n[2] += n[6]
        n[6] = 0.0
        if self.tracers:
            self.tracers.forfeit()
        baskets.deposits[...] = 0.0
        baskets.presold[...] = 0.0

    def _close_contracts(self) -> None:
        second = int(self.world.steps.start[self.number])
        owed = self.server.close(self.state.bookings, second)
        self._spend_on_contracts(owed)

    def _spend_on_contracts(self, amount: np.ndarray) -> None:
        """Charge packages [package, lane] to their scenes."""
        self.book.add(contract_spend=amount)
        for q, scene in enumerate(self.world.packages.scene):
            self.book.scenes["spend"][scene] += amount[q]
            if self.book.days:
                self.book.days["scene_spend"][self._day(), scene] += amount[q]
        self.book.on_day(self._day(), spend=amount.sum(axis=0))

    def _day(self) -> int:
        return int(self.world.steps.day[self.number])

    def _midnight(self, *, last: bool = False) -> None:
        state, draws = self.state, self.draws
        self._refund()
        day = state.day
        first = ratio(day.first, day.paid.sum(axis=0))
        back = np.minimum(ratio(day.due_back, day.paid), 1.0)
        mix = np.array(np.broadcast_arrays(first, 1 - first))[:, None]
        kinds = draws.split("kinds", day.paid, mix * np.ones_like(day.paid))
        flat = kinds.reshape(-1, kinds.shape[-1])
        kinds = draws.binomial("refunds", flat, np.tile(back, (2, 1))).reshape(kinds.shape)
        price, cost = ratio(day.gmv, day.paid), ratio(day.cost, day.paid)
        self.returns.enter(state.refunds, kinds, price, cost)
        second = int(self.world.steps.start[self.number])
        finished = self._day() - (not last)
        self.cycles.close_day(state.shelf, day.paid, float(self.market_day[finished]), second)
        state.day = Day.empty(*day.paid.shape)
        if self.tracers:
            self.tracers.age_a_day()
        self._refresh_goods()

    def _refund(self) -> None:
        """Refunds that fall due at this midnight; refunded first orders make no customer."""
        state, book = self.state, self.book
        due = self.returns.advance(state.refunds, self.draws)
        book.add(refunds=due.orders, refund_value=due.value, refund_cost=due.cost)
        book.products["refunds"] += due.orders.sum(axis=0)
        gone = due.orders[FIRST].sum(axis=0)[None]
        parts = self.draws.split("refund_people", gone, state.newcomers[:, None])[:, 0]
        parts = np.minimum(parts, np.minimum(state.newcomers, state.crowd.n[7]))
        if self.tracers:
            self.tracers.refund(ratio(parts, state.crowd.n[7]))
        state.newcomers -= parts
        state.crowd.n[7] -= parts
        state.crowd.n[2] += parts
        state.crowd.old[0] = np.minimum(state.crowd.old[0], state.crowd.n[7])
        book.add(refunded_new=parts)

    def _refresh_goods(self) -> None:
        """What products mean today for scenes and free visits (section 10 of docs/model.md)."""
        goods, state = self.world.goods, self.state
        effects = self.cycles.effects(state.shelf)
        self.refund_odds = goods.refund_odds * effects.refund
        self.kappa = goods.power * self.luck * effects.cvr
        on_sale = state.stock.available(self.sampled)
        mix = goods.mix * on_sale
        total = mix.sum(axis=1, keepdims=True)
        self.mix = np.where(total > 0, ratio(mix, total), goods.mix)
        self.scene_kappa = (self.mix * self.kappa).sum(axis=1)
        self.scene_ctr = (self.mix * effects.ctr).sum(axis=1)
        self.scene_quality = (self.mix * effects.quality).sum(axis=1)
        pull = self.cycles.organic_pull(state.shelf)
        if self.number < 0:
            self.first_pull = pull
        gain = goods.organic * pull / self.first_pull
        self.organic = gain.sum(axis=0)
        open_gain = gain * on_sale
        free = np.where(open_gain.sum(axis=0) > 0, open_gain, gain)
        self.free_mix = free / free.sum(axis=0)
        self.free_kappa = (self.free_mix * self.kappa).sum(axis=0)
        self.presale = (self.free_mix * goods.presale[:, None]).sum(axis=0)
        self.ln_quality = np.take(
            self.world.bidding.ln_quality + np.log(self.scene_quality),
            self.world.media.scene[: self.world.media.auctions], axis=0,
        )  # fmt: skip

    # ------------------------------------------------------------------ 2, 3 supply and contracts
    def _traffic(self, slots: np.ndarray) -> np.ndarray:
        """Traffic of slots in this step [normal days]: [row, lane]."""
        browse = self.world.steps.browse[self.number]
        table = self.world.phases.slot_traffic[self.phase]
        return np.asarray(browse * table[slots] * self.state.supply_noise[slots])

    def _contracts(self) -> np.ndarray:
        """Impressions served by package: [package, lane]."""
        packs, state = self.world.packages, self.state
        if not len(packs.slot):
            return np.zeros((0, self.chunk.lanes))
        slots = packs.inventory
        supply = self.world.media.slot_opportunities[slots] * packs.reach * self._traffic(slots)
        supply = supply * self.world.phases.available[self.phase]
        paid, good = self.server.serve(state.bookings, supply, self.number, self.draws)
        self._spend_on_contracts(paid * packs.cpm / 1000)
        return paid + good

    def _contract_impressions(self, served: np.ndarray) -> None:
        media, packs = self.world.media, self.world.packages
        for row, j in enumerate(range(media.auctions, len(media.scene))):
            own = (packs.slot == media.slot[j]) & (packs.scene == media.scene[j])
            self.impressions[j] = served[own].sum(axis=0) * media.package_share[row]

    # ------------------------------------------------------------------ 4 auction
    def _auction(self, contract: np.ndarray) -> Entered | None:
        """Bid, win and pay; None where no scene has money."""
        self._contract_impressions(contract)
        n = self.world.media.auctions
        self.band_people = by_band(self.state.crowd.n)
        bands = self.band_people / self.world.people.size
        self.bidder.entry.aim(bands)
        before = int(self.world.steps.phase[self.number - 1]) if self.number else None
        self.bidder.follow(self.phase, before)
        money = self._targets()
        if not money.any():
            self.impressions[:n] = 0.0
            return None
        supply, mu = self._opportunities(contract)
        field = Field(
            money, supply, bands, mu, self.ln_quality, None,
            phase=self.phase, fresh=bool(self.fresh[self.number]),
        )  # fmt: skip
        if self.limited:
            self.bidder.prepare(field)
            field.actions = self._actions()
        entered = self.bidder.pace(field)
        self._win(entered)
        return entered

    def _targets(self) -> np.ndarray:
        """Money that each scene may spend in this step [CNY]: [scene, lane]."""
        bidding, f = self.world.bidding, self.phase
        left = self.money[:, f] - self.state.spent[:, f]
        left = np.where(left > 1e-9 * self.money[:, f], left, 0.0)
        share = np.where(bidding.quick, 1.0, self.pace_share[self.number])[:, None]
        return np.asarray(left * share * bidding.active[f][:, None] * self.controls.pace)

    def _opportunities(self, contract: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Opportunities of the auction placements, and the log median rival bid they meet."""
        media, n = self.world.media, self.world.media.auctions
        supply = media.opportunities[:n] * self._traffic(media.slot[:n])
        mu = media.mu + self.world.phases.ln_cpm[self.phase]
        for k in media.shared_slots:
            mu = self._share_inventory(int(k), contract, supply, mu)
        return supply, np.ascontiguousarray(mu)

    def _share_inventory(
        self, slot: int, contract: np.ndarray, supply: np.ndarray, mu: np.ndarray
    ) -> np.ndarray:
        """Take served contracts out of a slot's supply, in place; return the dearer price level."""
        media, packs = self.world.media, self.world.packages
        own = packs.inventory == slot
        per_share = contract[own] / packs.reach[own]
        used = (packs.segments[own][:, :, None] * per_share[:, None]).sum(axis=0)  # [segment, lane]
        rows = np.flatnonzero(media.slot[: media.auctions] == slot)
        supply[rows] -= media.segment_share[rows] * used[media.segment[rows]]
        np.maximum(supply, 0.0, out=supply)
        forecast = media.slot_opportunities[slot] * self._traffic(np.array([slot]))[0]
        left = np.maximum(1 - ratio(contract[own].sum(axis=0), forecast), 0.05)
        rise = np.zeros((len(mu), self.chunk.lanes))
        rise[rows] = -self.world.scenario.slot_price_scarcity * np.log(left)
        return mu + rise

    def _actions(self) -> np.ndarray:
        """Actions per impression, for the scenes whose cost per action is bounded."""
        media, n = self.world.media, self.world.media.auctions
        scene, phases = media.scene[:n], self.world.phases
        worn = wear(self.state.crowd.fatigue, self.world.people.fatigue)
        click = prob(self._click_odds(worn)[:n])
        arrive = click * media.arrival[:n]
        cart = arrive * self._cart_rate() * phases.cart[self.phase]
        order = arrive * prob(self._buy_odds()[:n]) * self.readiness
        first = order * self._newness()
        kinds = (np.full_like(click, 1 / 1000), click, cart, order, first)
        action = self.world.bidding.action[scene][:, None]
        rates = np.select([action == k for k in range(5)], kinds)
        money = np.where(self.world.bidding.roi[scene][:, None], media.order_price, 1.0)
        return np.asarray(rates * money)

    @property
    def readiness(self) -> float:
        """r of the step."""
        return float(self.world.steps.readiness[self.number])

    def _cart_rate(self) -> np.ndarray:
        return np.asarray(self.world.people.visit_moves[3, 2])

    def _newness(self) -> np.ndarray:
        """Share of an auction placement's buyers who are new customers: [placement, lane]."""
        n, entry = self.state.crowd.n, self.bidder.entry
        eager = ratio(by_band(n * self.world.people.propensity[:, None]), self.band_people)
        new, every = (entry.weighted(eager, slice(0, last)) for last in (3, 5))
        return ratio(new, every)[: self.world.media.auctions]

    def _win(self, entered: Entered) -> None:
        """Impressions won and money paid."""
        draws, n = self.draws, self.world.media.auctions
        offered, won = entered.opportunities, self.impressions[:n]
        tried = draws.round_off("opportunities", offered)
        draws.binomial("impressions", tried, entered.rates.win, out=won)
        price = entered.cost / np.maximum(offered * entered.rates.win, 1e-200)
        spend = won * price
        if self.sampled:
            spend = self._charge(spend, won)
        rows = self.auction_tally[:2]
        rows[0], rows[1] = spend, offered
        total, tried_by = self.world.media.auction_by_scene.sum(rows)
        self.state.spent[:, self.phase] += total
        book = self.book
        book.scenes["offered"] += tried_by
        book.scenes["spend"] += total
        book.spend[:, self.phase] += total
        book.on_day(self._day(), spend=total.sum(axis=0), scene_spend=total)

    def _charge(self, spend: np.ndarray, won: np.ndarray) -> np.ndarray:
        """Price noise by scene, never above the scene's money; whole fen with the rest carried on."""
        media, state, f = self.world.media, self.state, self.phase
        scene, rows = media.scene[: media.auctions], self.auction_tally
        if self.fresh[self.number]:
            state.carry[...] = 0.0
        rows[0], rows[1], rows[2] = won, spend, state.carry
        count, wanted, carried = media.auction_by_scene.sum(rows)
        noise = self.draws.mean_noise("price", count, self.world.scenario.chance.price_sd)
        wanted *= noise
        left = np.maximum(self.money[:, f] - state.spent[:, f] - carried, 0.0)
        noise *= np.minimum(1.0, ratio(left, np.maximum(wanted, left)))
        exact = spend * noise[scene] + state.carry
        fen = np.floor(exact * 100 + 1e-6) / 100
        state.carry[...] = np.maximum(exact - fen, 0.0)
        return np.asarray(fen)

    # ------------------------------------------------------------------ 5 clicks and visits
    def _click_odds(self, worn: np.ndarray) -> np.ndarray:
        media, odds, work = self.world.media, self.odds[0], self.reach_rows[0]
        np.take(self.scene_ctr, media.scene, axis=0, out=odds, mode="clip")
        odds *= media.click_odds * self.world.phases.ctr[self.phase]
        odds *= np.take(worn, media.segment, axis=0, out=work, mode="clip")
        return odds

    def _buy_odds(self) -> np.ndarray:
        media, odds = self.world.media, self.odds[1]
        ready = self.scene_kappa * (self.world.phases.cvr[self.phase] * self.shock)
        np.take(ready, media.scene, axis=0, out=odds, mode="clip")
        odds *= media.buy_odds
        return odds

    def _clicks(self, entered: Entered | None) -> None:
        media, people, n = self.world.media, self.world.people, self.world.media.auctions
        self.per_person = media.by_segment.sum(self.impressions) / people.size
        rate = float(self.world.steps.days[self.number]) * math.log(2) / people.fatigue_half_life
        worn = wear(mean_level(self.state.crowd.fatigue, self.per_person, rate), people.fatigue)
        if not self.impressions.any():
            self.tally[1:] = 0.0
            self.scene_buys = np.zeros_like(self.controls.pace)
            return
        click, buy = self._click_odds(worn), self._buy_odds()
        if entered is not None:
            lift, root = entered.rates.lift, np.sqrt(entered.rates.lift)
            click[:n] *= entered.rates.click_factor
            click[:n] *= np.where(self.lift_on_clicks, lift, root)
            buy[:n] *= np.where(self.lift_on_clicks, 1.0, root)
        self.draws.binomial("clicks", self.impressions, _prob(click), out=self.clicks)
        np.multiply(self.clicks, media.arrival, out=self.visits)
        np.multiply(self.visits, _prob(buy), out=self.buys)
        totals = media.by_scene.sum(self.tally)
        for name, total in zip(("impressions", "clicks", "visits"), totals, strict=False):
            self.book.scenes[name] += total
        self.scene_buys = totals[3]
        self.book.add(paid_visits=totals[2])

    # ------------------------------------------------------------------ 6 exposure
    def _contact(self) -> tuple[Contact, np.ndarray]:
        """What the people of each band meet; and the free buying visits [lane]."""
        media, entry = self.world.media, self.bidder.entry
        rows = self.reach_rows
        self.per_cover = 1 / np.maximum(entry.cover, 1e-200)
        np.multiply(self.impressions, media.viewability, out=rows[0])
        np.multiply(self.visits, media.touch, out=rows[1])
        np.multiply(self.buys, self.per_cover, out=rows[2])
        rows[:2] *= self.per_cover
        entry.to_bands(rows, self.band_rows)
        self.book.viewed += self.band_rows[0].sum(axis=0)
        paid_buys = self._trace() if self.tracers else None
        free, buys = self._free_visits()
        views, touches, bought = (ratio(x, self.band_people) for x in self.band_rows)
        touches += free[0]
        bought += free[1]
        if paid_buys is not None:
            self.paid_share = ratio(paid_buys, bought)
        bought *= self.readiness
        return Contact(views, touches, bought), buys

    def _trace(self) -> np.ndarray:
        """Mark new touches; return paid buying visits per person [scene, band, segment, lane]."""
        assert self.tracers is not None
        shape = (len(self.world.names.scenes), *self.band_people.shape)
        found = []
        for amount in (self.visits, self.buys):
            cells = np.empty(shape)
            self.bidder.entry.by_scene(amount * self.per_cover, cells)
            found.append(ratio(cells, self.band_people))
        self.tracers.touch(found[0], self.state.crowd.n)
        return found[1]

    def _free_visits(self) -> tuple[np.ndarray, np.ndarray]:
        """Touches and buying visits per person [2, band, segment, lane], and free buying visits in all [lane]."""
        free, phases, f = self.world.free, self.world.phases, self.phase
        people = self.band_people
        shape, groups = people.shape, people.shape[1]
        scale = self.world.steps.browse[self.number] * self.organic
        ready = self.free_kappa * phases.cvr[f] * self.shock
        total = np.zeros((2, *shape))
        np.multiply(free.touches[f].reshape(5, groups, -1), scale, out=total[0])
        chance = _prob(free.buy_odds * ready)
        for m, rate in enumerate(free.rate):
            each = rate * phases.free_traffic[f, m]
            total[1] += each.reshape(5, groups, -1) * chance[m * groups : (m + 1) * groups]
        total[1] *= scale
        every = (people * free.visits[f].reshape(5, groups, -1)).sum(axis=(0, 1))
        self.free_visits = every * scale
        self.book.add(free_visits=self.free_visits[None])
        return total, (total[1] * people).sum(axis=(0, 1))

    # ------------------------------------------------------------------ 7 chain and baskets
    def _pulse(self) -> Pulse:
        steps, phases, s, f = self.world.steps, self.world.phases, self.number, self.phase
        days, buy = float(steps.days[s]), float(steps.buy[s])
        costs = self.world.costs
        load = phases.payment_load[f] * (buy / days)
        self.pay = payment_success(costs.pay_fail, costs.pay_wallet, costs.pay_retry, load)
        opened = self.presale * float(self.can_deposit[s])
        balance = bar(np.minimum(self.pay * self.balance_share[s], 1 - 1e-12))
        return Pulse(
            days=days, browse=float(steps.browse[s]), now=(int(steps.start[s]) + int(steps.end[s])) / 2 / 86400, pay=self.pay,
            cart=phases.cart[f], release=phases.release[f] * buy, deposit=phases.deposit[f] * opened,
            deposit_release=phases.deposit_release[f] * buy * opened, balance=balance,
        )  # fmt: skip

    def _moves(self, contact: Contact, pulse: Pulse):  # type: ignore[no-untyped-def]
        crowd, chain = self.state.crowd, self.chain
        chain.fill(crowd, contact, pulse)
        flows = chain.move(crowd, pulse, self.draws)
        baskets = move_baskets(
            self.state.baskets, crowd.n, contact.touches[3], contact.views[3], pulse,
            people=self.world.people, draws=self.draws,
        )  # fmt: skip
        return flows, baskets

    # ------------------------------------------------------------------ 8 orders
    def _orders(self, flows: np.ndarray, baskets, free: np.ndarray) -> Orders:  # type: ignore[no-untyped-def]
        orders, hazard = flows[ORDER], self.chain.hazards[ORDER, 4:6]
        released = orders[4:6] * np.minimum(ratio(self.chain.baskets, hazard), 1.0)
        release = released.sum(axis=0) + baskets.orders
        balance = orders[6] + baskets.balances
        total = orders.sum(axis=0) + baskets.orders + baskets.balances
        direct = np.maximum(total - release - balance, 0.0)
        self.direct_mix = self._direct_mix(free)
        presold = shares(self.direct_mix * self.world.goods.presale[:, None], self.direct_mix)
        mixes = [
            self.direct_mix, shares(self.state.baskets.products, self.direct_mix),
            shares(self.state.baskets.presold, presold),
        ]  # fmt: skip
        self.presold_mix = presold
        wanted = want(direct, release, balance, mixes, self.draws)
        asked = wanted.sum(axis=1)
        sold = self.state.stock.sell(asked, self.sampled)
        return Orders(wanted, cut_by_stock(wanted, sold, self.draws))

    def _direct_mix(self, free: np.ndarray) -> np.ndarray:
        """u: product weights of orders from visits, paid ones by scene and free ones."""
        weights = (self.mix * ratio(self.scene_buys, self.scene_kappa)[:, None]).sum(axis=0)
        weights = (weights + self.free_mix * (free / self.free_kappa)) * self.kappa
        return shares(weights, self.free_mix)

    # ------------------------------------------------------------------ 9, 10 books, people move on
    def _settle(self, flows, baskets, orders: Orders, contact: Contact, pulse: Pulse) -> None:  # type: ignore[no-untyped-def]
        paid = orders.paid.sum(axis=0)
        asked = [flows[ORDER], baskets.orders[None], baskets.balances[None]]
        asked = scale_orders(asked, paid, self.draws)
        flows[ORDER], baskets.orders, baskets.balances = asked[0], asked[1][0], asked[2][0]
        self._book_orders(flows, orders, baskets)
        state = self.state
        if self.tracers:
            self._credit(flows, orders, baskets)
            self.tracers.move(flows, state.crowd.n)
        self._basket_products(flows, baskets)
        again = self._customer_orders(baskets)
        self.chain.settle(state.crowd, baskets.orders + baskets.balances, self.draws)
        moved = np.minimum(again, state.crowd.n[7])
        state.crowd.n[7] -= moved
        state.crowd.n[8] += moved
        state.crowd.old[0] = np.minimum(state.crowd.old[0], state.crowd.n[7])
        apply_baskets(state.baskets, baskets)
        self.chain.remember(state.crowd, contact, pulse, self.per_person)

    def _credit(self, flows: np.ndarray, orders: Orders, baskets) -> None:  # type: ignore[no-untyped-def]
        """Credit this step's orders and their gmv to scenes."""
        assert self.tracers is not None
        waiting = np.zeros_like(flows[ORDER])
        released = np.minimum(ratio(self.chain.baskets, self.chain.hazards[ORDER, 4:6]), 1.0)
        waiting[4:6] = flows[ORDER, 4:6] * released
        waiting[6] = flows[ORDER, 6]
        customers = baskets.orders + baskets.balances
        credit = self.tracers.credit(
            flows[ORDER] - waiting, self.paid_share, waiting, customers, self.state.crowd.n
        )
        paid = orders.paid.sum(axis=0)
        worth = ratio(self.segment_gmv, paid)
        gmv = (credit.orders * worth).sum(axis=1)
        self.book.scenes["orders_attributed"] += credit.orders.sum(axis=1)
        self.book.scenes["gmv_attributed"] += gmv
        self.book.on_day(self._day(), scene_gmv=gmv)

    def _customer_orders(self, baskets) -> np.ndarray:  # type: ignore[no-untyped-def]
        """First-time buyers among the customers whose basket was bought: they become numerous."""
        n = self.state.crowd.n[7:10]
        mix = np.array([n[0], n[1] + n[2]])
        return np.asarray(self.draws.split("basket_stage", baskets.orders + baskets.balances, mix)[0])

    def _basket_products(self, flows: np.ndarray, baskets) -> None:  # type: ignore[no-untyped-def]
        """Products in standing baskets: what leaves goes in proportion, what comes has today's mix."""
        n, held = self.state.crowd.n, self.state.baskets
        stock = n[4].sum(axis=0) + n[5].sum(axis=0) + held.carts.sum(axis=0)
        out = flows[:, 4:6].sum(axis=(0, 1, 2)) - flows[2, 4].sum(axis=0)
        out = out + (baskets.orders + baskets.deposits + baskets.dropped).sum(axis=0)
        into = flows[2:4, :4].sum(axis=(0, 1, 2)) + baskets.added.sum(axis=0)
        held.products *= 1 - np.minimum(ratio(out, stock), 1.0)
        held.products += into * self.direct_mix
        waiting = n[6].sum(axis=0) + held.deposits.sum(axis=0)
        gone = flows[ORDER, 6].sum(axis=0) + baskets.balances.sum(axis=0)
        fresh = flows[DEPOSIT].sum(axis=(0, 1)) + baskets.deposits.sum(axis=0)
        held.presold *= 1 - np.minimum(ratio(gone, waiting), 1.0)
        held.presold += fresh * self.presold_mix

    def _book_orders(self, flows: np.ndarray, orders: Orders, baskets) -> None:  # type: ignore[no-untyped-def]
        world, book, day = self.world, self.book, self.state.day
        paid = orders.paid.sum(axis=1)
        value = (orders.paid * world.people.order_value).sum(axis=1)
        noise = self.draws.mean_noise("order_value", paid, world.scenario.commerce.order_value_sd)
        gmv = value * world.goods.price[self.phase] * noise
        cost = value * world.goods.unit_cost
        price = (world.goods.price[self.phase] * noise)[:, None]
        self.segment_gmv = (orders.paid * world.people.order_value * price).sum(axis=0)
        chance = prob(self.refund_odds * world.phases.refund[self.phase])
        new = flows[ORDER, :7].sum(axis=0)
        self.state.newcomers += new
        day.paid += paid
        day.due_back += paid * chance
        day.gmv += gmv
        day.cost += cost
        day.first += new.sum(axis=0)
        self._book_counts(flows, orders, baskets, gmv, cost)
        book.products["paid"] += paid
        book.products["gmv"] += gmv
        if self.number < self.world.steps.advertising:
            book.add(gmv_campaign=gmv)
        book.on_day(
            self._day(), gmv=gmv.sum(axis=0), new_customers=new.sum(axis=0),
            visits=self.visits.sum(axis=0) + self.free_visits,
        )  # fmt: skip

    def _book_counts(self, flows: np.ndarray, orders: Orders, baskets, gmv: np.ndarray, cost: np.ndarray) -> None:  # type: ignore[no-untyped-def]
        total = orders.paid.sum(axis=(0, 1))[None]
        failed = self.draws.round_off("unpaid", total * (1 - self.pay) / self.pay)
        decay = flows[7]
        self.book.add(
            favourites=flows[3], carts=np.vstack([flows[2].sum(axis=(0, 1))[None], baskets.added.sum(axis=0)[None]]),
            deposits=np.vstack([flows[DEPOSIT].sum(axis=(0, 1))[None], baskets.deposits.sum(axis=0)[None]]),
            paid_orders=total, orders=total + failed, unmet=orders.unmet, gmv=gmv, goods_cost=cost,
            new_customers=flows[ORDER, :7], recalled_members=flows[ORDER, 10], lapsed=decay[7:10], returned=decay[10],
        )  # fmt: skip

    def _close_book(self) -> None:
        book, state = self.book, self.state
        self.number += 1
        self._last_day()
        bookings = state.bookings
        book.packages = {
            "booked": bookings.booked, "delivered": bookings.delivered,
            "shortfall": bookings.shortfall + bookings.left, "made_good": bookings.made_good,
        }  # fmt: skip
        book.asset = self._asset()
        book.people, book.pending = state.crowd.n, state.refunds.pending.sum(axis=(0, 1))
        size = whole_size(self.world, self.chunk.lanes, sampled=self.sampled)
        stock = np.array(self.world.goods.stock)
        for _, product, units in self.world.goods.restocks:
            stock[product] += units
        check_laws(book, size, self.money, stock[:, None] * np.ones(self.chunk.lanes), exact=self.sampled)

    def _asset(self) -> np.ndarray:
        """Future contribution of the people at the end [CNY]: [lane]."""
        person, cart = (self._over_plans(value) for value in self.worth)
        crowd, baskets = self.state.crowd, self.state.baskets
        return (crowd.n * person).sum(axis=(0, 1)) + (baskets.carts * cart).sum(axis=0)

    def _over_plans(self, value: np.ndarray) -> np.ndarray:
        if value.shape[-1] == 1:
            return value
        return np.tile(value, len(self.chunk.plans))

    def _last_day(self) -> None:
        """The refunds of the last midnight."""
        self.number -= 1
        self._midnight(last=True)


def pace_traffic(world: World) -> np.ndarray:
    """Traffic of each step as schedules expect it: the file's central figures [step]."""
    phases = world.scenario.calendar.phases
    factor = [float(phases[f].traffic) if f in phases else 1.0 for f in world.names.phases]
    return np.asarray(world.steps.browse * np.array(factor)[world.steps.phase])


def market_level(world: World) -> np.ndarray:
    """Purchases of a phase's day against a normal day, by the file's central figures: [phase]."""
    phases = world.scenario.calendar.phases
    return np.array([
        float(phases[f].traffic) * float(phases[f].cvr) if f in phases else 1.0 for f in world.names.phases
    ])  # fmt: skip


def _prob(odds: np.ndarray) -> np.ndarray:
    """Odds to probabilities, in place: o / (1 + o)."""
    return np.divide(odds, odds + 1, out=odds)
