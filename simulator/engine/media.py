"""Where money meets people: supply, contracts, auction, clicks, visits, contact (steps 2 to 6)."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from simulator.engine.days import charge_packages
from simulator.engine.floor import Floor
from simulator.market.audience import (
    Contact,
    blend,
    by_band,
    mean_fading,
    people_moved,
    put_off,
    ratio,
    wear,
    wear_rate,
)
from simulator.market.bidding import Bidder, Entered, Field
from simulator.market.bounds import at_least, at_most
from simulator.market.columns import prob
from simulator.market.commission import Guests, Meeting
from simulator.market.contract import Server, venues
from simulator.market.groups import Groups, weigh
from simulator.market.linkage import not_replaced
from simulator.market.owned import Sent, send
from simulator.market.purse import Hour, follow_traffic, money_left, room_now
from simulator.market.scenes import BUYABLE
from simulator.market.today import Halo, Today
from simulator.market.world import World

MOVED = ("discover", "engage", "enthuse", "perform", "first_order", "numerous")
TO_NUMEROUS = (7, 10)  # chain stages whose buyers become numerous
NEW = slice(0, 3)  # bands whose buyers are new customers


@dataclass
class Met:
    """What a step's media brought."""

    contact: Contact
    free_buys: np.ndarray
    """Free buying visits: [segment, lane], as `today` keeps segments apart."""
    scene_buys: np.ndarray
    """Paid buying visits: [scene, segment, lane], likewise."""
    paid: tuple[np.ndarray, np.ndarray] | None
    """Parts of touches and of buying visits that each scene paid for: [scene, band, segment, lane] each."""
    per_person: np.ndarray
    """Paid impressions per person: [segment, lane]."""
    visits: np.ndarray
    """All visits: [lane]."""
    halo_buys: np.ndarray | None
    """Buying looks at other products after a hit: [way, segment, lane]; None without a halo."""
    guest_buys: np.ndarray | None
    """Buying visits of commissioned media: [partner, segment, lane]; None where there is none."""
    guest_share: np.ndarray | None
    """Part of the buying visits that it brought: [band, segment, lane]; None where nobody follows orders."""


@dataclass
class HaloAppeal:
    """What hits bring to the other products, until midnight or the next phase."""

    seen: np.ndarray
    """Further looks per visit: [use, 1, lane]."""
    buys: np.ndarray
    """Buying ones among them, per visit: [use, segment, lane]."""
    free_seen: np.ndarray
    """Per free visit: [lane]."""
    free_buys: np.ndarray
    """Per person and normal day of browsing, as the free buying visits: [band, segment, lane]."""


@dataclass
class Appeal:
    """What shelf and phase make of impressions and visits, until midnight or the next phase."""

    today: Today
    phase: int
    click: np.ndarray
    """Odds of a click without wear and lift: [use, segment, lane]."""
    buy: np.ndarray
    """Odds that a visit buys, without lift: [use, segment, lane]."""
    per_click: np.ndarray
    """What a bounded scene counts per click: [bounded use, segment, lane]."""
    free_buys: np.ndarray
    """Free buying visits per person and normal day of browsing: [band, segment, lane]."""
    free_chance: np.ndarray
    """Probability that a free visit buys: [source, segment, lane]."""
    halo: HaloAppeal | None


class Media:
    """Steps 2 to 6 of the list in `run`."""

    def __init__(self, floor: Floor, server: Server) -> None:
        self.floor, self.server = floor, server
        world, lanes = floor.world, floor.lanes
        self.bidder = Bidder(world, lanes)
        media, scenes = world.media, len(world.names.scenes)
        self.of_scene = Groups(media.scene, scenes)
        self.auction_of_scene = Groups(media.scene[: media.auctions], scenes)
        action = world.bidding.action[media.scene]
        contract = np.arange(len(action)) >= media.auctions
        self.full_lift = np.flatnonzero((action < BUYABLE.index("order")) & ~contract)
        """Uses whose clicks take the whole lift of value-aware bidding."""
        self.action = action[self.bidder.bounded, None, None]
        self.fresh = floor.schedule.new_market | (
            world.bidding.counts.any() & floor.schedule.new_day
        )
        """Steps in which the market is new; so it is on each day where free sales count for a target."""
        self.fading = cache(lambda days: mean_fading(wear_rate(world.people, days)))
        """Of wear-out, by the length of a step."""
        self.pushed = np.logical_or.reduce(floor.schedule.pushes, axis=1)
        """Messages are sent in a step."""
        self.goals = {goal for n, goal in enumerate(BUYABLE) if (self.action == n).any()} & set(
            MOVED
        )
        """Moves of people for which a scene bounds its cost."""
        self.order_rate = _order_rate(world)
        self.package_of = _package_of(world)
        packs = world.packages
        offered = media.slot_opportunities[packs.inventory]
        self.on_offer = offered * (packs.reach * packs.pool)[packs.of]
        """Opportunities of a normal day that packages may take: [part, lane]."""
        self.venues = venues(world.packages, floor.state.bookings.booked)
        self.replaces = bool(media.replaces.any())
        """Bought visits replace free ones."""
        self.left: np.ndarray | None = None
        """Share of free visits that they leave in this step: [band, segment, lane]."""
        self.guests_replace = bool(world.partners.replaces.any())
        self.tally = np.zeros((4 + self.replaces, len(action), len(world.names.segments), lanes))
        self.clicks, self.impressions, self.visits, self.buys = self.tally[:4]
        self.odds = np.zeros((2, *self.clicks.shape))
        self.work = np.zeros(self.clicks.shape)
        self.appeal: Appeal | None = None
        pulls = floor.today.halo is not None
        self.looks = np.zeros(self.clicks.shape if pulls else (1, 1, 1))
        """Paid visits that went on to another product: [use, segment, lane]."""
        apart = 1 if floor.today.response is None else len(world.names.segments)
        self.halo_buys = np.zeros((scenes + 1, apart, lanes) if pulls else (1, 1, 1))

    def meet(self) -> Met:
        """Serve, bid, win, and bring people to the shop."""
        appeal = self._appeal()
        served = self._contracts()
        entered = self._auction(served, appeal)
        per_person, scene_buys = self._clicks(entered, appeal)
        return self._contact(per_person, scene_buys, appeal)

    # ------------------------------------------------------------------ what the day is like
    def _appeal(self) -> Appeal:
        """Read anew what shelf and phase mean, where either has changed."""
        floor, seen = self.floor, self.appeal
        if seen is None or seen.today is not floor.today or seen.phase != floor.phase:
            self.appeal = seen = self._read_appeal(floor.today, floor.phase)
            media = floor.world.media
            if media.auctions and not len(media.shared_slots):
                self.bidder.meet(self._rivals(), floor.today.ln_quality)
        return seen

    def _read_appeal(self, today: Today, phase: int) -> Appeal:
        world, demand = self.floor.world, self.floor.demand
        media, phases = world.media, world.phases
        click = today.scene_ctr[media.scene][:, None] * (media.click_odds * phases.ctr[phase])
        ready = today.scene_kappa * (phases.cvr[phase] * demand)
        buy = ready[media.scene] * media.buy_odds
        free = world.free
        free_odds = free.buy_odds * (today.free_kappa * phases.cvr[phase] * demand)
        if today.eager is not None:
            buy, free_odds = buy * today.eager, free_odds * today.eager
        chance = prob(free_odds)
        free_buys = weigh("mbs,msl->bsl", free.by_phase[phase], chance)
        halo = self._halo(today.halo, today.eager, phase) if today.halo else None
        return Appeal(
            today, phase, click, buy, self._per_click(today, buy, phase), free_buys, chance, halo
        )

    def _halo(self, halo: Halo, eager: np.ndarray | None, phase: int) -> HaloAppeal:
        """How often visits go on to another product, and buy it."""
        world, scene = self.floor.world, self.floor.world.media.scene
        ready = halo.kappa * (world.phases.cvr[phase] * self.floor.demand)
        odds = world.free.halo_odds * ready  # [way, segment, lane]
        buys = halo.seen[:, None] * prob(odds if eager is None else odds * eager)
        free_buys = world.free.visits[phase] * buys[-1]
        return HaloAppeal(halo.seen[scene][:, None], buys[scene], halo.seen[-1], free_buys)

    def _per_click(self, today: Today, buy: np.ndarray, phase: int) -> np.ndarray:
        """Carts, orders or order value per click; readiness is the mean of the day."""
        world, uses = self.floor.world, self.bidder.bounded
        scene, arrival = world.media.scene[uses], world.media.arrival[uses]
        order = arrival * prob(buy[uses]) * self.floor.schedule.readiness[self.floor.step]
        price = (today.mix * world.goods.list_price).sum(axis=1)
        price = price[scene][:, None] * world.people.order_value
        order *= np.where(world.bidding.roi[scene, None, None], price, 1.0)
        cart = arrival * (world.people.visit_moves[3, 2] * world.phases.cart[phase])
        touched = arrival * world.media.touch[uses]
        other = np.where(self.action == BUYABLE.index("click"), 1.0, touched)
        other = np.where(self.action == BUYABLE.index("cart"), cart, other)
        return np.where(self.action > BUYABLE.index("cart"), order, other)

    def _rivals(self) -> np.ndarray:
        """Log median of the best rival's bid: [use, segment, lane]."""
        return np.asarray(
            self.floor.world.media.mu + self.floor.world.phases.ln_cpm[self.floor.phase]
        )

    # ------------------------------------------------------------------ 2, 3 supply and contracts
    def _traffic(self, slots: np.ndarray | slice) -> np.ndarray:
        """Traffic of slots in this step [normal days]: [row, lane]."""
        floor = self.floor
        browse = floor.world.steps.browse[floor.step]
        table = floor.world.phases.slot_traffic[floor.phase]
        traffic = browse * table[slots] * floor.state.supply_noise[slots]
        return np.asarray(traffic if floor.today.crowd is None else traffic * floor.today.crowd)

    def _contracts(self) -> np.ndarray | None:
        """Impressions served by package and slot [part, lane]; None where nothing is."""
        floor, packs = self.floor, self.floor.world.packages
        shown = self.impressions[floor.world.media.auctions :]
        if not self.server.busy[floor.step]:
            shown[...] = 0.0
            return None
        supply = self.on_offer * self._traffic(packs.inventory)
        supply *= floor.world.phases.available[floor.phase]
        paid, served = self.server.serve(floor.state.bookings, supply, floor.step, floor.draws)
        charge_packages(floor, self.server.price(paid))
        by_use = np.einsum("uq,ql->ul", self.package_of, served)
        np.multiply(by_use[:, None], floor.world.media.package_share, out=shown)
        return served

    def _supply(self, served: np.ndarray | None) -> np.ndarray:
        """Opportunities of the auction uses; where contracts share a slot, its price rises."""
        media = self.floor.world.media
        n, slots = media.auctions, slice(None)
        supply = (
            media.opportunities[:n] * self._traffic(slots).take(media.slot[:n], axis=0)[:, None]
        )
        if len(media.shared_slots):
            mu = np.array(np.broadcast_to(self._rivals(), supply.shape))
            if served is not None:
                for k in media.shared_slots:
                    mu += self._share_inventory(int(k), served, supply)
            self.bidder.meet(mu, self.floor.today.ln_quality)
        return supply

    def _share_inventory(self, slot: int, served: np.ndarray, supply: np.ndarray) -> np.ndarray:
        """Take served contracts out of a slot's supply, in place; return the rise of ln price."""
        media, packs = self.floor.world.media, self.floor.world.packages
        own = packs.inventory == slot
        of = packs.of[own]
        per_share = served[own] / packs.reach[of]
        used = media.segment_share * (packs.segments[of][:, :, None] * per_share[:, None]).sum(
            axis=0
        )
        uses = media.slot[: media.auctions] == slot
        supply[uses] = np.maximum(supply[uses] - used, 0.0)
        forecast = media.slot_opportunities[slot] * self._traffic(np.array([slot]))[0]
        left = np.maximum(1 - ratio(served[own].sum(axis=0), forecast), 0.05)
        rise = -self.floor.world.scarcity * np.log(left)
        return np.where(uses[:, None, None], rise, 0.0)

    # ------------------------------------------------------------------ 4 auction
    def _auction(self, served: np.ndarray | None, appeal: Appeal) -> Entered | None:
        """Bid, win and pay; None where no scene has money."""
        floor, world, phase = self.floor, self.floor.world, self.floor.phase
        self.people = by_band(floor.state.crowd.n)
        bands = self.people / world.people.size
        self.booked = served is not None and bool(np.count_nonzero(served))
        """Contract impressions are shown in this step."""
        if self.booked:
            self.bidder.entry.aim(bands)
        before = int(world.steps.phase[floor.step - 1]) if floor.step else None
        self.bidder.follow(phase, before)
        money, smooth = self._targets()
        if not world.media.auctions or not np.count_nonzero(money):
            self.impressions[: world.media.auctions] = 0.0
            return None
        supply, fresh = self._supply(served), bool(self.fresh[floor.step])
        ln_quality = floor.today.ln_quality
        field = Field(money, smooth, supply, bands, ln_quality, None, phase, fresh)
        if floor.linkage:
            market = float(floor.schedule.market_step[floor.step])
            field.free = floor.linkage.counted(smooth, floor.today.mix, market)
        if len(self.bidder.bounded):
            self.bidder.prepare(field)
            field.actions = self._actions(appeal)
        self.bidder.offset = np.log(floor.controls.bid)
        entered = self.bidder.pace(field)
        self._win(entered)
        return entered

    def _targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Money that each scene may spend in this step, and with smooth pacing [CNY]: [scene, lane]."""
        floor, bidding, f = self.floor, self.floor.world.bidding, self.floor.phase
        purses, pace = bidding.purses, floor.schedule.pace[floor.step]
        left = money_left(purses, floor.money, floor.state.spent, f)
        left *= bidding.active[f][:, None] * floor.controls.pace
        if purses.plain:
            self.room = left
            return np.where(bidding.quick[:, None], left, left * pace), left * pace
        hour = self._hour()
        self.room = room_now(purses, left, floor.money[:, f] * hour.day_part, floor.state.purse)
        smooth = follow_traffic(purses, left, self.room, hour)
        return np.where(bidding.quick[:, None], self.room, smooth), smooth

    def _hour(self) -> Hour:
        """The clock as purses read it; what was spent on other days and phases is forgotten."""
        floor, schedule, s = self.floor, self.floor.schedule, self.floor.step
        if schedule.new_day[s]:
            floor.state.purse.today[...] = 0.0
        if schedule.new_day[s] or schedule.fresh[s]:
            floor.state.purse.here[...] = 0.0
        cycle = floor.world.bidding.purses.cycle
        pace = np.where(cycle, schedule.cycle_pace[s][:, None], schedule.pace[s])
        return Hour(pace, float(schedule.day_pace[s]), float(schedule.day_part[s]))

    def _actions(self, appeal: Appeal) -> np.ndarray:
        """Actions per impression of the bounded uses: [bounded use, segment, lane]."""
        uses = self.bidder.bounded
        worn = wear(self.floor.state.crowd.fatigue, self.floor.world.people.fatigue)
        odds = appeal.click[uses] * worn
        if self.floor.world.media.creative is not None:
            odds *= self.bidder.entry.appeal[uses]
        click = prob(odds)
        actions = click * appeal.per_click
        for goal in sorted(self.goals):
            here = self.action == BUYABLE.index(goal)
            moved = self._moved(goal)[uses]
            actions = np.where(here, moved if goal == "discover" else actions * moved, actions)
        return np.where(self.action == BUYABLE.index("impression"), 1 / 1000, actions)

    def _moved(self, goal: str) -> np.ndarray:
        """People moved into a stage, per visit or order of an auction use (discover: per impression):
        [use, segment, lane].
        """
        crowd, world, entry = self.floor.state.crowd, self.floor.world, self.bidder.entry
        people = world.people
        if goal == "discover":
            fresh = np.zeros(self.people.shape)
            fresh[0] = people.frequency_shape / (people.frequency_shape + crowd.exposure)
            viewed = world.media.viewability[: world.media.auctions]
            return np.asarray(viewed * entry.mean_of(fresh, seen=True))
        if goal in ("first_order", "numerous"):
            ready = crowd.n * people.propensity[:, None]
            eager = ratio(by_band(ready), self.people)
            if goal == "first_order":
                return entry.share_of(eager, NEW)
            ready[[c for c in range(len(ready)) if c not in TO_NUMEROUS]] = 0.0
            again = ratio(by_band(ready), self.people)
            return ratio(entry.mean_of(again, seen=False), entry.mean_of(eager, seen=False))
        each = entry.mean_of(people_moved(goal, crowd.n, people.visit_moves), seen=False)
        return each * world.phases.cart[self.floor.phase] if goal == "perform" else each

    def _win(self, entered: Entered) -> None:
        """Impressions won and money paid."""
        floor, draws = self.floor, self.floor.draws
        offered, win = _flat(entered.opportunities), _flat(entered.rates.win)
        won = _flat(self.impressions[: floor.world.media.auctions])
        draws.binomial("impressions", draws.round_off("opportunities", offered), win, out=won)
        spend = ratio(_flat(entered.rates.cost), win)
        spend *= won
        if floor.sampled:
            self._charge(spend, won)
        total, tried = self._by_scene([spend, offered], self.auction_of_scene)
        self._spend(total)
        book = floor.book
        book.scenes["offered"] += tried
        book.scenes["spend"] += total
        book.spend[:, floor.phase] += total
        if book.days:
            book.on_day(floor.day, spend=total.sum(axis=0), scene_spend=total)

    def _spend(self, total: np.ndarray) -> None:
        """Take the step's spend [scene, lane] out of the purses."""
        state, book = self.floor.state, self.floor.book
        state.spent[:, self.floor.phase] += total
        if not self.floor.world.bidding.purses.plain:
            state.purse.today += total
            state.purse.here += total
            np.maximum(book.scenes["peak_spend"], state.purse.today, out=book.scenes["peak_spend"])

    def _by_scene(self, rows: Iterable[np.ndarray], of_scene: Groups) -> np.ndarray:
        """Rows [use and segment, lane] summed by scene: [row, scene, lane]."""
        shape = (-1, self.people.shape[1], self.floor.lanes)
        by_use = np.array([np.add.reduce(row.reshape(shape), axis=1) for row in rows])
        return of_scene.sum(by_use)

    def _charge(self, spend: np.ndarray, won: np.ndarray) -> None:
        """Price noise by scene, never above the scene's money; whole fen with the rest carried on."""
        floor, state, media = self.floor, self.floor.state, self.floor.world.media
        if floor.schedule.fresh[floor.step]:
            state.carry[...] = 0.0
        rows = (won, spend, state.carry)
        count, wanted, carried = self._by_scene(rows, self.auction_of_scene)
        noise = floor.draws.mean_noise("price", count, floor.world.scenario.chance.price_sd)
        wanted *= noise
        left = at_least(self.room - carried, 0.0)
        noise *= at_most(ratio(left, np.maximum(wanted, left)), 1.0)
        spend.reshape(media.auctions, -1, floor.lanes)[...] *= noise[media.scene[: media.auctions]][
            :, None
        ]
        state.carry += spend
        np.multiply(state.carry, 100, out=spend)
        spend += 1e-6
        np.floor(spend, out=spend)
        spend /= 100
        state.carry -= spend
        at_least(state.carry, 0.0, out=state.carry)

    # ------------------------------------------------------------------ 5 clicks and visits
    def _clicks(self, entered: Entered | None, appeal: Appeal) -> tuple[np.ndarray, np.ndarray]:
        """Clicks, visits and buying visits; returns impressions per person and buying visits by scene."""
        floor, world, media = self.floor, self.floor.world, self.floor.world.media
        per_person = np.add.reduce(self.impressions, axis=0) / world.people.size
        self.advertised = bool(np.count_nonzero(per_person))
        if not self.advertised:
            self.clicks[...] = self.visits[...] = self.buys[...] = 0.0
            self.looks[...] = self.halo_buys[...] = 0.0
            return per_person, np.zeros_like(floor.controls.pace)[:, None]
        fades = self.fading(float(world.steps.days[floor.step]))
        level = blend(fades, floor.state.crowd.fatigue, per_person)
        click, buy = self.odds
        np.multiply(appeal.click, wear(level, world.people.fatigue), out=click)
        np.copyto(buy, appeal.buy)
        if media.creative is not None:
            click *= self.bidder.entry.appeal
        if entered is not None:
            self._lift(click, buy, entered)
        self._to_prob(self.odds)
        floor.draws.binomial(
            "clicks", _flat(self.impressions), _flat(click), out=_flat(self.clicks)
        )
        np.multiply(self.clicks, media.arrival, out=self.visits)
        np.multiply(self.visits, buy, out=self.buys)
        totals = self.of_scene.sum(np.add.reduce(self.tally[:4], axis=2))
        scene_buys = self._of_scenes(self.buys, totals[3])
        if appeal.halo:
            self._go_on(appeal.halo)
        for name, total in zip(("clicks", "impressions", "visits"), totals, strict=False):
            floor.book.scenes[name] += total
        floor.book.add(paid_visits=totals[2])
        return per_person, scene_buys

    def _of_scenes(self, buys: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Buying visits [scene, segment, lane]; `total` [scene, lane], in one, where prices move nobody."""
        if self.floor.today.response is None:
            return total[:, None]
        return self.of_scene.sum(buys.swapaxes(0, 1)).swapaxes(0, 1)

    def _go_on(self, halo: HaloAppeal) -> None:
        """Visits of hits go on to other products, and buy there."""
        np.multiply(self.visits, halo.seen, out=self.looks)
        more = self.visits * halo.buys
        scenes = len(self.floor.world.names.scenes)
        total = self._by_scene([_flat(more)], self.of_scene)[0]
        self.halo_buys[:scenes] = self._of_scenes(more, total)
        self.visits += self.looks
        self.buys += more
        self.floor.book.add(free_visits=self.looks)

    def _to_prob(self, odds: np.ndarray) -> None:
        """Odds to probabilities, in place: o / (1 + o)."""
        for row in odds:
            np.add(row, 1.0, out=self.work)
            np.divide(row, self.work, out=row)

    def _lift(self, click: np.ndarray, buy: np.ndarray, entered: Entered) -> None:
        """Positions, and the lift of value-aware bidding: on clicks, or half on clicks half on buying."""
        n, uses = len(entered.opportunities), self.full_lift
        root = np.sqrt(entered.rates.lift, out=self.work[:n])
        click[:n] *= entered.rates.click_factor
        click[:n] *= root
        click[uses] *= root[uses]
        root[uses] = 1.0
        buy[:n] *= root

    # ------------------------------------------------------------------ 6 contact
    def _contact(self, per_person: np.ndarray, scene_buys: np.ndarray, appeal: Appeal) -> Met:
        """What the people of each band meet."""
        paid, brought = None, self._brought() if self.advertised else None
        guests = self._guests() if self.floor.partners else None
        touches, buys, visits = self._free_visits(appeal, self._taken(brought, guests))
        free_buys = self._by_segment(buys)
        if appeal.halo:
            visits = self._go_on_free(appeal.halo, touches, buys, visits)
        if self.pushed[self.floor.step]:
            sent = self._push(appeal)
            visits = visits + np.einsum("bsl,bsl->l", sent.visits, self.people)
            touches, buys = touches + sent.touches, buys + sent.buys
            free_buys = free_buys + self._by_segment(sent.buys)
        views, paid = np.zeros_like(self.people), None
        if brought is not None:
            viewed, touched, bought = brought[:3]
            self.floor.book.viewed += viewed.sum(axis=0)
            views = ratio(viewed, self.people)
            touches += ratio(touched, self.people)
            buys += ratio(bought, self.people)
        if guests is not None:
            touches += guests.touches
            buys += guests.buys
            visits = visits + guests.visits.sum(axis=0)
        contact = Contact(views, touches, buys)
        share = None
        if self.floor.tracers:
            paid = self._trace(contact)
            share = None if guests is None else ratio(guests.buys, contact.buys)
        contact.buys *= float(self.floor.world.steps.readiness[self.floor.step])
        if self.order_rate is not None:
            self._put_off(contact, self.order_rate)
        visits = visits + np.add.reduce(self.visits.reshape(-1, self.floor.lanes))
        halo_buys = self.halo_buys if appeal.halo else None
        buying = None if guests is None else self._by_partner(guests)
        return Met(
            contact, free_buys, scene_buys, paid, per_person, visits, halo_buys, buying, share
        )

    def _go_on_free(
        self, halo: HaloAppeal, touches: np.ndarray, buys: np.ndarray, visits: np.ndarray
    ) -> np.ndarray:
        """Free visits of hits go on, too: touches and buys grow in place; all free visits [lane]."""
        floor = self.floor
        more = halo.free_buys * self._free_traffic()
        if self.left is not None:
            more *= self.left
        self.halo_buys[-1] = self._by_segment(more)
        buys += more
        touches *= 1 + halo.free_seen
        looks = visits * halo.free_seen
        floor.book.add(free_visits=looks[None])
        return np.asarray(visits + looks)

    def _by_segment(self, buys: np.ndarray) -> np.ndarray:
        """Free buying visits [segment, lane]; all segments in one where prices move nobody."""
        if self.floor.today.response is None:
            return np.einsum("bsl,bsl->l", buys, self.people)[None]
        return np.einsum("bsl,bsl->sl", buys, self.people)

    def _brought(self) -> np.ndarray:
        """Views, touches, buying visits (and free visits replaced) that money brought to each band."""
        if self.replaces:
            np.subtract(self.visits, self.looks, out=self.tally[4])
        return self.bidder.entry.to_bands(self.tally[1:], contracts=self.booked)

    def _guests(self) -> Guests:
        """Visits that commissioned media brings."""
        floor, world, today = self.floor, self.floor.world, self.floor.today
        assert floor.partners is not None
        kept = (world.offers or world.goods).price[floor.phase][:, None] * (
            1 - prob(floor.refund_odds())
        )
        mix = today.partner_mix[:, :, None] * (today.kappa * kept)
        eager = by_band(floor.state.crowd.n * world.people.propensity[:, None])
        floor.partners.pay_fees(floor.step)
        guests = floor.partners.bring(floor.phase, Meeting(
            people=self.people, keenness=ratio(eager, self.people),
            browse=float(world.steps.browse[floor.step]), ready=float(world.steps.readiness[floor.step]),
            level=world.phases.cvr[floor.phase] * floor.demand, kappa=today.partner_kappa,
            order=ratio(mix.sum(axis=1), today.partner_kappa), order_value=world.people.order_value,
        ))  # fmt: skip
        floor.book.add(commission_visits=guests.visits)
        return guests

    def _by_partner(self, guests: Guests) -> np.ndarray:
        """Buying visits [partner, segment, lane]; all segments in one where prices move nobody."""
        one = self.floor.today.response is None
        return guests.buying.sum(axis=1, keepdims=True) if one else guests.buying

    def _taken(self, brought: np.ndarray | None, guests: Guests | None) -> np.ndarray | None:
        """Free visits that bought ones replace; None in a world where none are."""
        if not (self.replaces or self.guests_replace):
            return None
        taken = np.zeros_like(self.people) if guests is None else guests.replaced
        return taken + brought[3] if self.replaces and brought is not None else taken

    def _push(self, appeal: Appeal) -> Sent:
        """Messages of the step, and the visits that come of them."""
        floor = self.floor
        share = floor.schedule.pushes[floor.step]
        sent = send(floor.world.pushes, share, self.people, appeal.free_chance)
        visits = np.einsum("bsl,bsl->l", sent.visits, self.people)
        floor.book.add(
            free_visits=visits[None], messages=sent.messages[None], message_spend=sent.cost[None]
        )
        return sent

    def _put_off(self, contact: Contact, per_day: np.ndarray) -> None:
        """Companies order days after the visit that decided it."""
        floor, state = self.floor, self.floor.state
        rate = np.asarray(per_day * floor.world.steps.days[floor.step])
        now, state.decided = put_off(state.decided, contact.buys * self.people, rate)
        contact.buys = np.where(self.people > 0, ratio(now, np.maximum(self.people, 1e-9)), 0.0)

    def _trace(self, contact: Contact) -> tuple[np.ndarray, np.ndarray]:
        """Mark new touches; return the paid parts of touches and of buying visits."""
        floor, touch = self.floor, self.floor.world.media.touch
        assert floor.tracers is not None
        rows = np.array([self.visits - self.looks, self.visits * touch, self.buys])
        parts = self.bidder.entry.by_scene(rows, contracts=self.booked)
        visits, touches, buys = ratio(parts, self.people)
        floor.tracers.touch(visits, floor.state.crowd.n)
        return ratio(touches, contact.touches), ratio(buys, contact.buys)

    def _free_traffic(self) -> np.ndarray:
        """Free visits of the step against those of a normal day of browsing: [lane]."""
        floor, today = self.floor, self.floor.today
        scale = floor.world.steps.browse[floor.step] * today.organic
        if self.venues is not None:
            scale = scale * self.venues[floor.phase]
        return np.asarray(scale if today.crowd is None else scale * today.crowd[0])

    def _free_visits(
        self, appeal: Appeal, taken: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Free touches and buying visits per person [band, segment, lane], and free visits [lane];
        `taken`: how many bought visits would replace.
        """
        floor, free, f = self.floor, self.floor.world.free, self.floor.phase
        scale = self._free_traffic()
        touches, buys = free.touches[f] * scale, appeal.free_buys * scale
        if taken is None:
            visits = weigh("bs,bsl->l", free.visits[f], self.people) * scale
        else:
            here = free.visits[f] * scale * self.people
            left = self.left = not_replaced(taken, here)
            touches, buys, visits = touches * left, buys * left, np.einsum("bsl,bsl->l", here, left)
        floor.book.add(free_visits=visits[None])
        return touches, buys, visits


def _package_of(world: World) -> np.ndarray:
    """1 where a part of a package is shown by a contract use: [contract use, part]."""
    media, packs = world.media, world.packages
    slot, scene = (x[media.auctions :, None] for x in (media.slot, media.scene))
    return ((packs.slot == slot) & (packs.scene[packs.of] == scene)).astype(float)


def _order_rate(world: World) -> np.ndarray | None:
    """Orders a day and decision that waits for one: [segment, 1]; None where all order at once."""
    delay = world.people.order_delay
    if delay is None:
        return None
    return np.divide(1.0, delay, out=np.full_like(delay, np.inf), where=delay > 0)


def _flat(rows: np.ndarray) -> np.ndarray:
    """[use, segment, lane] as [use and segment, lane]."""
    return rows.reshape(-1, rows.shape[-1])
