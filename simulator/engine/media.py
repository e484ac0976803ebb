"""Where money meets people: supply, contracts, auction, clicks, visits, contact (steps 2 to 6)."""

import math
from dataclasses import dataclass

import numpy as np

from simulator.engine.days import charge_packages
from simulator.engine.floor import Floor
from simulator.market.audience import Contact, by_band, mean_level, ratio, wear
from simulator.market.bidding import Bidder, Entered, Field
from simulator.market.contract import Server
from simulator.market.world import BANDS_N, BUYABLE, prob

NEW = slice(0, 3)  # bands whose buyers are new customers


@dataclass
class Met:
    """What a step's media brought."""

    contact: Contact
    free_buys: np.ndarray
    """Free buying visits: [lane]."""
    scene_buys: np.ndarray
    """Paid buying visits: [scene, lane]."""
    paid: tuple[np.ndarray, np.ndarray] | None
    """Parts of touches and of buying visits that each scene paid for: [scene, band, segment, lane] each."""
    per_person: np.ndarray
    """Paid impressions per person: [segment, lane]."""
    visits: np.ndarray
    """All visits: [lane]."""


class Media:
    """Steps 2 to 6 of the list in `run`."""

    def __init__(self, floor: Floor, server: Server) -> None:
        self.floor, self.server = floor, server
        world, lanes = floor.world, floor.lanes
        self.bidder = Bidder(world, lanes)
        media, bidding = world.media, world.bidding
        action = bidding.action[media.scene[: media.auctions]]
        self.lift_on_clicks = np.flatnonzero(action < BUYABLE.index("order"))
        self.bounds_first = bool(
            (action[self.bidder.bounded] == BUYABLE.index("first_order")).any()
        )
        places, segments = len(media.scene), len(world.names.segments)
        self.tally = np.zeros((4, places, lanes))
        self.impressions, self.clicks, self.visits, self.buys = self.tally
        self.rows = np.zeros((3, places, lanes))
        """Views, touches and buying visits of placements."""
        self.bands = np.zeros((3, BANDS_N, segments, lanes))
        """The same of bands."""
        self.odds = np.zeros((2, places, lanes))
        self.auction_tally = np.zeros((3, media.auctions, lanes))

    def meet(self) -> Met:
        """Serve, bid, win, and bring people to the shop."""
        served = self._contracts()
        entered = self._auction(served)
        per_person, scene_buys = self._clicks(entered)
        return self._contact(per_person, scene_buys)

    # ------------------------------------------------------------------ 2, 3 supply and contracts
    def _traffic(self, slots: np.ndarray) -> np.ndarray:
        """Traffic of slots in this step [normal days]: [row, lane]."""
        floor = self.floor
        browse = floor.world.steps.browse[floor.step]
        table = floor.world.phases.slot_traffic[floor.phase]
        return np.asarray(browse * table[slots] * floor.state.supply_noise[slots])

    def _contracts(self) -> np.ndarray:
        """Impressions served by package: [package, lane]."""
        floor, packs = self.floor, self.floor.world.packages
        if not len(packs.slot):
            return np.zeros((0, floor.lanes))
        slots = packs.inventory
        supply = floor.world.media.slot_opportunities[slots] * packs.reach * self._traffic(slots)
        supply = supply * floor.world.phases.available[floor.phase]
        paid, good = self.server.serve(floor.state.bookings, supply, floor.step, floor.draws)
        charge_packages(floor, paid * packs.cpm / 1000)
        self._show(paid + good)
        return paid + good

    def _show(self, served: np.ndarray) -> None:
        media, packs = self.floor.world.media, self.floor.world.packages
        for row, j in enumerate(range(media.auctions, len(media.scene))):
            own = (packs.slot == media.slot[j]) & (packs.scene == media.scene[j])
            self.impressions[j] = served[own].sum(axis=0) * media.package_share[row]

    def _supply(self, served: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Opportunities of the auction placements, and the log median rival bid they meet."""
        world, n = self.floor.world, self.floor.world.media.auctions
        supply = world.media.opportunities[:n] * self._traffic(world.media.slot[:n])
        mu = world.media.mu + world.phases.ln_cpm[self.floor.phase]
        for k in world.media.shared_slots:
            mu = mu + self._share_inventory(int(k), served, supply)
        return supply, np.ascontiguousarray(mu)

    def _share_inventory(self, slot: int, served: np.ndarray, supply: np.ndarray) -> np.ndarray:
        """Take served contracts out of a slot's supply, in place; return the rise of ln price."""
        media, packs = self.floor.world.media, self.floor.world.packages
        own = packs.inventory == slot
        per_share = served[own] / packs.reach[own]
        used = (packs.segments[own][:, :, None] * per_share[:, None]).sum(axis=0)
        rows = np.flatnonzero(media.slot[: media.auctions] == slot)
        supply[rows] -= media.segment_share[rows] * used[media.segment[rows]]
        np.maximum(supply, 0.0, out=supply)
        forecast = media.slot_opportunities[slot] * self._traffic(np.array([slot]))[0]
        left = np.maximum(1 - ratio(served[own].sum(axis=0), forecast), 0.05)
        rise = np.zeros((media.auctions, self.floor.lanes))
        rise[rows] = -self.floor.world.scarcity * np.log(left)
        return rise

    # ------------------------------------------------------------------ 4 auction
    def _auction(self, served: np.ndarray) -> Entered | None:
        """Bid, win and pay; None where no scene has money."""
        floor, world = self.floor, self.floor.world
        n, phase = world.media.auctions, floor.phase
        self.people = by_band(floor.state.crowd.n)
        bands = self.people / world.people.size
        if served.any():
            self.bidder.entry.aim(bands)
        before = int(world.steps.phase[floor.step - 1]) if floor.step else None
        self.bidder.follow(phase, before)
        money, smooth = self._targets()
        if not money.any():
            self.impressions[:n] = 0.0
            return None
        supply, mu = self._supply(served)
        fresh = bool(floor.schedule.fresh[floor.step])
        ln_quality = floor.today.ln_quality
        field = Field(money, smooth, supply, bands, mu, ln_quality, None, phase, fresh)
        if len(self.bidder.bounded):
            self.bidder.prepare(field)
            field.actions = self._actions()
        self.bidder.offset = np.log(floor.controls.bid)
        entered = self.bidder.pace(field)
        self._win(entered)
        return entered

    def _targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Money that each scene may spend in this step, and with smooth pacing [CNY]: [scene, lane]."""
        floor, bidding, f = self.floor, self.floor.world.bidding, self.floor.phase
        left = floor.money[:, f] - floor.state.spent[:, f]
        left = np.where(left > 1e-9 * floor.money[:, f], left, 0.0)
        left *= bidding.active[f][:, None] * floor.controls.pace
        smooth = left * floor.schedule.pace[floor.step]
        return np.where(bidding.quick[:, None], left, smooth), smooth

    def _actions(self) -> np.ndarray:
        """Actions per impression of the bounded placements: [bounded placement, lane]."""
        floor, world, rows = self.floor, self.floor.world, self.bidder.bounded
        media, phases, f = world.media, world.phases, floor.phase
        scene = media.scene[rows]
        worn = wear(floor.state.crowd.fatigue, world.people.fatigue)[media.segment[rows]]
        click = prob(media.click_odds[rows] * phases.ctr[f] * floor.today.scene_ctr[scene] * worn)
        arrive = click * media.arrival[rows]
        ready = floor.today.scene_kappa[scene] * (phases.cvr[f] * floor.demand)
        order = arrive * prob(media.buy_odds[rows] * ready) * floor.schedule.readiness[floor.step]
        cart = arrive * world.people.visit_moves[3, 2] * phases.cart[f]
        first = order * self._newness()[rows] if self.bounds_first else order
        action = world.bidding.action[scene][:, None]
        kinds = (np.full_like(click, 1 / 1000), click, cart, order, first)
        rates = np.select([action == k for k in range(len(BUYABLE))], kinds)
        return np.asarray(
            rates * np.where(world.bidding.roi[scene][:, None], media.order_price[rows], 1.0)
        )

    def _readiness(self) -> float:
        """R of the step."""
        return float(self.floor.world.steps.readiness[self.floor.step])

    def _newness(self) -> np.ndarray:
        """Share of an auction placement's buyers who are new customers: [placement, lane]."""
        n, entry = self.floor.state.crowd.n, self.bidder.entry
        eager = ratio(by_band(n * self.floor.world.people.propensity[:, None]), self.people)
        new, every = (entry.weighted(eager, bands) for bands in (NEW, slice(None)))
        return ratio(new, every)[: self.floor.world.media.auctions]

    def _win(self, entered: Entered) -> None:
        """Impressions won and money paid."""
        floor, draws = self.floor, self.floor.draws
        n = floor.world.media.auctions
        offered, won = entered.opportunities, self.impressions[:n]
        tried = draws.round_off("opportunities", offered)
        draws.binomial("impressions", tried, entered.rates.win, out=won)
        price = ratio(entered.cost, offered * entered.rates.win)
        spend = won * price
        if floor.sampled:
            spend = self._charge(spend, won)
        rows = self.auction_tally[:2]
        rows[0], rows[1] = spend, offered
        total, tried_by = floor.world.media.auction_by_scene.sum(rows)
        floor.state.spent[:, floor.phase] += total
        book = floor.book
        book.scenes["offered"] += tried_by
        book.scenes["spend"] += total
        book.spend[:, floor.phase] += total
        book.on_day(floor.day, spend=total.sum(axis=0), scene_spend=total)

    def _charge(self, spend: np.ndarray, won: np.ndarray) -> np.ndarray:
        """Price noise by scene, never above the scene's money; whole fen with the rest carried on."""
        floor, state, media = self.floor, self.floor.state, self.floor.world.media
        if floor.schedule.fresh[floor.step]:
            state.carry[...] = 0.0
        rows = self.auction_tally
        rows[0], rows[1], rows[2] = won, spend, state.carry
        count, wanted, carried = media.auction_by_scene.sum(rows)
        noise = floor.draws.mean_noise("price", count, floor.world.scenario.chance.price_sd)
        wanted *= noise
        left = floor.money[:, floor.phase] - state.spent[:, floor.phase] - carried
        left = np.maximum(left, 0.0)
        noise *= np.minimum(1.0, ratio(left, np.maximum(wanted, left)))
        exact = spend * noise[media.scene[: media.auctions]] + state.carry
        fen = np.floor(exact * 100 + 1e-6) / 100
        state.carry[...] = np.maximum(exact - fen, 0.0)
        return np.asarray(fen)

    # ------------------------------------------------------------------ 5 clicks and visits
    def _click_odds(self, worn: np.ndarray) -> np.ndarray:
        world, odds = self.floor.world, self.odds[0]
        media = world.media
        np.take(self.floor.today.scene_ctr, media.scene, axis=0, out=odds, mode="clip")
        odds *= media.click_odds * world.phases.ctr[self.floor.phase]
        odds *= np.take(worn, media.segment, axis=0, out=self.rows[0], mode="clip")
        return odds

    def _buy_odds(self) -> np.ndarray:
        world, odds = self.floor.world, self.odds[1]
        ready = self.floor.today.scene_kappa * (
            world.phases.cvr[self.floor.phase] * self.floor.demand
        )
        np.take(ready, world.media.scene, axis=0, out=odds, mode="clip")
        odds *= world.media.buy_odds
        return odds

    def _clicks(self, entered: Entered | None) -> tuple[np.ndarray, np.ndarray]:
        """Clicks, visits and buying visits; returns impressions per person and buying visits by scene."""
        floor, world, media = self.floor, self.floor.world, self.floor.world.media
        per_person = self.bidder.entry.by_segment(self.impressions) / world.people.size
        if not per_person.any():
            self.tally[1:] = 0.0
            return per_person, np.zeros_like(floor.controls.pace)
        rate = float(world.steps.days[floor.step]) * math.log(2) / world.people.fatigue_half_life
        level = mean_level(floor.state.crowd.fatigue, per_person, rate)
        click, buy = self._click_odds(wear(level, world.people.fatigue)), self._buy_odds()
        if entered is not None:
            self._lift(click, buy, entered)
        floor.draws.binomial("clicks", self.impressions, _to_prob(click), out=self.clicks)
        np.multiply(self.clicks, media.arrival, out=self.visits)
        np.multiply(self.visits, _to_prob(buy), out=self.buys)
        totals = media.by_scene.sum(self.tally)
        for name, total in zip(("impressions", "clicks", "visits"), totals, strict=False):
            floor.book.scenes[name] += total
        floor.book.add(paid_visits=totals[2])
        return per_person, totals[3]

    def _lift(self, click: np.ndarray, buy: np.ndarray, entered: Entered) -> None:
        """Positions, and the lift of value-aware bidding: on clicks, or half on clicks half on buying."""
        n, lift = len(entered.cost), entered.rates.lift
        root = np.sqrt(lift)
        click[:n] *= entered.rates.click_factor
        click[:n] *= root
        rows = self.lift_on_clicks
        click[rows] *= root[rows]
        root[rows] = 1.0
        buy[:n] *= root

    # ------------------------------------------------------------------ 6 contact
    def _contact(self, per_person: np.ndarray, scene_buys: np.ndarray) -> Met:
        """What the people of each band meet."""
        media, entry, rows = self.floor.world.media, self.bidder.entry, self.rows
        per_cover = 1 / np.maximum(entry.cover, 1e-200)
        np.multiply(self.impressions, media.viewability, out=rows[0])
        np.multiply(self.visits, media.touch, out=rows[1])
        rows[2] = self.buys
        rows *= per_cover
        entry.to_bands(rows, self.bands)
        self.floor.book.viewed += self.bands[0].sum(axis=0)
        touches, buys, visits = self._free_visits()
        contact = Contact(*(ratio(x, self.people) for x in self.bands))
        contact.touches += touches
        contact.buys += buys
        paid = self._trace(per_cover, contact) if self.floor.tracers else None
        contact.buys *= self._readiness()
        free_buys = (buys * self.people).sum(axis=(0, 1))
        return Met(
            contact, free_buys, scene_buys, paid, per_person,
            visits=self.visits.sum(axis=0) + visits,
        )  # fmt: skip

    def _trace(self, per_cover: np.ndarray, contact: Contact) -> tuple[np.ndarray, np.ndarray]:
        """Mark new touches; return the paid parts of touches and of buying visits."""
        floor, entry = self.floor, self.bidder.entry
        assert floor.tracers is not None
        visits, touches, buys = np.empty((3, len(floor.world.names.scenes), *self.people.shape))
        entry.by_scene(self.visits * per_cover, visits)
        entry.by_scene(self.visits * floor.world.media.touch * per_cover, touches)
        entry.by_scene(self.buys * per_cover, buys)
        floor.tracers.touch(ratio(visits, self.people), floor.state.crowd.n)
        paid_touches = ratio(ratio(touches, self.people), contact.touches)
        return paid_touches, ratio(ratio(buys, self.people), contact.buys)

    def _free_visits(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Free touches and buying visits per person [band, segment, lane], and free visits [lane]."""
        floor, f = self.floor, self.floor.phase
        free, phases, people = floor.world.free, floor.world.phases, self.people
        segments = people.shape[1]
        scale = floor.world.steps.browse[floor.step] * floor.today.organic
        ready = floor.today.free_kappa * phases.cvr[f] * floor.demand
        chance = _to_prob(free.buy_odds * ready)
        buys = np.zeros_like(people)
        for m, rate in enumerate(free.rate):
            each = (rate * phases.free_traffic[f, m]).reshape(BANDS_N, segments, -1)
            buys += each * chance[m * segments : (m + 1) * segments]
        buys *= scale
        touches = free.touches[f].reshape(BANDS_N, segments, -1) * scale
        per_day = free.visits[f].reshape(BANDS_N, segments, -1)
        visits = (people * per_day).sum(axis=(0, 1)) * scale
        floor.book.add(free_visits=visits)
        return touches, buys, visits


def _to_prob(odds: np.ndarray) -> np.ndarray:
    """Odds to probabilities, in place: o / (1 + o)."""
    return np.divide(odds, odds + 1, out=odds)
