"""Where money meets people: supply, contracts, auction, clicks and visits (steps 2 to 5)."""

from collections.abc import Iterable
from functools import cache

import numpy as np

from simulator.engine.appeal import Appeal, HaloAppeal, read_appeal, usual_free_sales
from simulator.engine.contact import Contacts
from simulator.engine.days import charge_packages
from simulator.engine.floor import Floor
from simulator.engine.tally import Met, Tally, flat
from simulator.market.audience import (
    BUYERS,
    blend,
    by_band,
    mean_fading,
    people_moved,
    ratio,
    wear,
    wear_rate,
)
from simulator.market.bidding import Bidder, Entered, Field, tries
from simulator.market.bounds import at_least, at_most
from simulator.market.columns import prob
from simulator.market.contract import Server
from simulator.market.groups import Groups, add_up
from simulator.market.media import Media as Uses
from simulator.market.packages import Packages
from simulator.market.people import WHO
from simulator.market.purse import Hour, follow_traffic, money_left, nearly_spent, room_now
from simulator.market.scenes import BUYABLE

MOVED = ("discover", "engage", "enthuse", "perform", *BUYERS)
NEXT_TO_NOTHING = 1e-300  # a bid factor of 0 has no logarithm


class Media:
    """Steps 2 to 5 of the list in `run`, and step 6 by `Contacts`."""

    def __init__(self, floor: Floor, server: Server) -> None:
        self.floor, self.server, world = floor, server, floor.world
        self.spends = floor.money.any(axis=(1, 2))
        """Scenes with auction money in any phase of any plan."""
        self.fresh = floor.schedule.new_market | (
            world.bidding.counts.any() & floor.schedule.new_day
        )
        """Steps in which the market is new; so it is on each day where free sales count for a target."""
        self.fading = cache(lambda days: mean_fading(wear_rate(world.people, days)))
        """Of wear-out, by the length of a step."""
        packs = world.packages
        offered = world.media.slot_opportunities[packs.inventory]
        self.on_offer = offered * packs.reach[packs.of]
        """Opportunities of a normal day that packages may take: [part, lane]."""
        self.open = np.zeros(0, dtype=np.intp)
        """Uses that are open in the market of the phase: indices."""
        self.sleeps = np.zeros(floor.state.bids.shape, dtype=bool)
        """Scenes without money in the step: [scene, lane]."""
        self.waits = np.zeros(floor.state.bids.shape, dtype=bool)
        """Scenes that have had no money since the market was new: [scene, lane]."""
        self.late: np.ndarray | None = None
        """Scenes whose day is nearly over by its money: [scene, lane]; None where none keeps money by day."""

    def meet(self) -> Met:
        """Serve, bid, win, and bring people to the shop."""
        if self.floor.schedule.new_market[self.floor.step]:
            self._open_market()
        if self.floor.schedule.fresh[self.floor.step]:
            self.carry[...] = 0.0
        appeal, traffic = self._appeal(), self._traffic()
        served = self._contracts(traffic)
        entered = self._auction(traffic, served, appeal)
        per_person, scene_buys = self._clicks(entered, appeal)
        return self.contacts.meet(per_person, scene_buys, appeal)

    # ------------------------------------------------------------------ the phase, and its days
    def _open_market(self) -> None:
        """Lay out the uses of a phase, and of those that continue it, if they are others than before."""
        uses = self._open_uses()
        if not (self.floor.step and np.array_equal(uses, self.open)):
            self.open = uses
            self._lay_out(self.floor.world.media.only(uses))
            self._choose_cells()

    def _open_uses(self) -> np.ndarray:
        """Contract uses, and those of scenes that are active and have money: indices."""
        world, schedule, step = self.floor.world, self.floor.schedule, self.floor.step
        end = step + 1 + np.argmax(np.append(schedule.new_market[step + 1 :], True))
        active = world.bidding.active[world.steps.phase[step:end]]
        scenes = (active > 0).any(axis=0) & self.spends
        contract = np.arange(len(world.media.scene)) >= world.media.auctions
        return np.flatnonzero(contract | scenes[world.media.scene])

    def _choose_cells(self) -> None:
        """Chance is asked for the placements of open uses alone."""
        segments = len(self.floor.world.names.segments)
        cells = (self.open[:, None] * segments + np.arange(segments)).ravel()
        for purpose in ("opportunities", "impressions"):
            self.floor.draws.choose(purpose, cells[: self.media.auctions * segments])
        self.floor.draws.choose("clicks", cells)

    def _lay_out(self, media: Uses) -> None:
        """Work arrays for some uses."""
        for old in ("appeal", "contacts", "tally", "bidder", "scratch", "odds", "work", "carry"):
            vars(self).pop(old, None)  # gone before the new ones are made
        floor, world, scenes = self.floor, self.floor.world, len(self.floor.world.names.scenes)
        self.package_of = _package_of(media, world.packages)
        parts = np.array([np.flatnonzero(row)[0] for row in self.package_of], dtype=np.intp)
        self.inventory = world.packages.inventory[parts]
        """Slot whose opportunities a contract use takes."""
        self.together = (self.inventory[:, None] == self.inventory).astype(float)
        self.media, self.bidder = media, Bidder(world, media, floor.state.bids)
        self.of_scene = Groups(media.scene, scenes)
        action = world.bidding.action[media.scene]
        self.full_lift = action[: media.auctions, None, None] < BUYABLE.index("order")
        """Auction uses whose clicks take the whole lift of value-aware bidding."""
        self.action = action[self.bidder.bounded, None, None]
        bought = {goal for n, goal in enumerate(BUYABLE) if (self.action == n).any()}
        self.goals = bought & set(MOVED)
        """Moves of people for which a scene bounds its cost."""
        self.tally = Tally(floor, media)
        shape = self.tally.clicks.shape
        self.scratch = np.zeros((3, *shape))
        """What a step needs at first for odds and in between, and then for who the visitors are."""
        self.odds, self.work = self.scratch[:2], self.scratch[2]
        self.carry = np.zeros((media.auctions * shape[1], shape[2]))
        """Fractions of a fen not yet charged [CNY]: [placement, lane]."""
        self.appeal: Appeal | None = None
        self.contacts = Contacts(floor, self.tally, self.bidder.entry)

    def _appeal(self) -> Appeal:
        """Read anew what shelf and phase mean, where either has changed."""
        floor, seen = self.floor, self.appeal
        if seen is None or seen.today is not floor.today or seen.phase != floor.phase:
            self.appeal = seen = None  # gone before the new one is made
            self.appeal = seen = read_appeal(floor, self.media, self.bidder.bounded, self.action)
            if self.media.auctions and not len(self.media.shared_slots):
                self.bidder.meet(self._rivals(), floor.today.ln_quality)
        return seen

    def _rivals(self) -> np.ndarray:
        """Log median of the best rival's bid: [use, segment, lane]."""
        rise = self.floor.world.phases.ln_cpm[self.floor.phase]
        return np.asarray(self.media.mu + rise[self.open[: self.media.auctions]])

    # ------------------------------------------------------------------ 2, 3 supply and contracts
    def _traffic(self) -> np.ndarray:
        """Traffic of the slots in this step [normal days]: [slot, lane]."""
        floor = self.floor
        browse = floor.world.steps.browse[floor.step]
        traffic = browse * floor.world.phases.slot_traffic[floor.phase] * floor.state.supply_noise
        return np.asarray(traffic if floor.today.crowd is None else traffic * floor.today.crowd)

    def _contracts(self, traffic: np.ndarray) -> np.ndarray | None:
        """Impressions served by package and slot [part, lane]; None where nothing is."""
        floor, packs = self.floor, self.floor.world.packages
        shown = self.tally.impressions[self.media.auctions :]
        if self.server.idle(floor.state.bookings, floor.step):
            shown[...] = 0.0
            return None
        free = floor.world.phases.available[floor.phase]
        supply = self.on_offer * traffic[packs.inventory]
        supply *= free
        paid, served = self.server.serve(floor.state.bookings, supply, floor.step, floor.draws)
        charge_packages(floor, self.server.price(paid))
        by_use = np.einsum("uq,ql->ul", self.package_of, served)
        np.multiply(by_use[:, None], self.media.package_share, out=shown)
        whole = floor.world.media.slot_opportunities[self.inventory] * traffic[self.inventory]
        self.taken = ratio(shown, (whole * free)[:, None] * self.media.segment_share)
        return served

    def _supply(self, traffic: np.ndarray, served: np.ndarray | None) -> np.ndarray:
        """Opportunities of the auction uses; where contracts share a slot, its price rises."""
        media, n = self.media, self.media.auctions
        supply = media.opportunities[:n] * traffic.take(media.slot[:n], axis=0)[:, None]
        if len(media.shared_slots):
            mu = np.array(np.broadcast_to(self._rivals(), supply.shape))
            if served is not None:
                for k in media.shared_slots:
                    mu += self._share_inventory(int(k), traffic[k], served, supply)
            self.bidder.meet(mu, self.floor.today.ln_quality)
        return supply

    def _share_inventory(
        self, slot: int, traffic: np.ndarray, served: np.ndarray, supply: np.ndarray
    ) -> np.ndarray:
        """Take served contracts out of a slot's supply, in place; return the rise of ln price."""
        media, packs = self.media, self.floor.world.packages
        own = packs.inventory == slot
        of = packs.of[own]
        per_share = served[own] / packs.reach[of]
        used = media.segment_share * (packs.segments[of][:, :, None] * per_share[:, None]).sum(
            axis=0
        )
        uses = media.slot[: media.auctions] == slot
        supply[uses] = np.maximum(supply[uses] - used, 0.0)
        forecast = media.slot_opportunities[slot] * traffic
        left = np.maximum(1 - ratio(served[own].sum(axis=0), forecast), 0.05)
        rise = -self.floor.world.scarcity * np.log(left)
        return np.where(uses[:, None, None], rise, 0.0)

    # ------------------------------------------------------------------ 4 auction
    def _auction(
        self, traffic: np.ndarray, served: np.ndarray | None, appeal: Appeal
    ) -> Entered | None:
        """Bid, win and pay; None where no scene has money."""
        floor, world, phase = self.floor, self.floor.world, self.floor.phase
        self.tally.look(floor)
        bands = self.tally.people / world.people.size
        self.tally.booked = served is not None and bool(np.count_nonzero(served))
        if self.tally.booked:
            self.bidder.entry.aim(bands, self.taken, self.together)
        before = int(world.steps.phase[floor.step - 1]) if floor.step else None
        self.bidder.follow(phase, before)
        money, smooth = self._targets()
        slept, self.sleeps = self.sleeps, smooth <= 0
        fresh = bool(self.fresh[floor.step])
        new = self.waits & ~self.sleeps
        self.waits = self.sleeps & (self.waits | fresh)
        if floor.linkage and floor.step == 0:
            floor.linkage.free = usual_free_sales(floor)
        if not self.media.auctions or not np.count_nonzero(money):
            self.tally.impressions[: self.media.auctions] = 0.0
            return None
        supply = self._supply(traffic, served)
        ln_quality, on_sale = floor.today.ln_quality, floor.today.on_sale
        field = Field(
            money, smooth * on_sale, on_sale, supply, bands, ln_quality, None, slept, new, phase,
            tries(float(world.steps.days[floor.step])), fresh, late=self.late,
        )  # fmt: skip
        if floor.linkage:
            market = float(floor.schedule.market_step[floor.step])
            field.free = floor.linkage.counted(field.smooth, floor.today.mix, market)
        if len(self.bidder.bounded):
            self.bidder.prepare(field)
            field.actions = self._actions(appeal)
        if floor.steered:
            self.bidder.offset = np.log(np.maximum(floor.controls.bid, NEXT_TO_NOTHING))
        entered = self.bidder.pace(field)
        self._win(entered)
        return entered

    def _targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Money that each scene may spend in this step, and with smooth pacing [CNY]: [scene, lane]."""
        floor, bidding, f = self.floor, self.floor.world.bidding, self.floor.phase
        purses, pace = bidding.purses, floor.schedule.pace[floor.step]
        left = money_left(purses, floor.money, floor.state.spent, f)
        left *= bidding.active[f][:, None] & (floor.today.on_sale > 0)
        if floor.steered:
            left *= at_most(floor.controls.pace, 1.0)
        if purses.plain:
            self.room, smooth = left, left * pace
        else:
            hour = self._hour()
            day_money = floor.money[:, f] * hour.day_part
            self.room = room_now(purses, left, day_money, floor.state.purse)
            self.late = nearly_spent(purses, left, self.room, day_money, bidding.quick[:, None])
            smooth = follow_traffic(purses, left, self.room, hour)
        if floor.steered:  # faster, but never more than there is
            smooth = np.minimum(smooth * at_least(floor.controls.pace, 1.0), self.room)
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
        odds = self.bidder.entry.mean_of(worn, seen=True) * appeal.click.take(uses, axis=0)
        if self.media.creative is not None:
            odds *= self.bidder.entry.appeal.take(uses, axis=0)
        click = prob(odds)
        actions = click * appeal.per_click
        for goal in sorted(self.goals):
            here = self.action == BUYABLE.index(goal)
            moved = self._moved(goal)
            actions = np.where(here, moved if goal == "discover" else actions * moved, actions)
        return np.where(self.action == BUYABLE.index("impression"), 1 / 1000, actions)

    def _moved(self, goal: str) -> np.ndarray:
        """People moved into a stage, per visit of a bounded use (discover: per impression); for orders the
        readiness of visitors, of those that count: [bounded use, segment, lane].
        """
        crowd, world, entry = self.floor.state.crowd, self.floor.world, self.bidder.entry
        people = world.people
        if goal == "discover":
            fresh = np.zeros(self.tally.people.shape)
            fresh[0] = people.frequency_shape / (people.frequency_shape + crowd.exposure)
            viewed = self.media.viewability[self.bidder.bounded]
            return np.asarray(viewed * entry.mean_of(fresh, seen=True))
        if goal in BUYERS:
            ready = crowd.n * (people.propensity * BUYERS[goal])[:, None]
            return entry.mean_of(ratio(by_band(ready), self.tally.people), seen=False)
        each = entry.mean_of(people_moved(goal, crowd.n, people.visit_moves), seen=False)
        if goal != "perform":
            return each
        power = self.floor.today.scene_power[self.bidder.scene[self.bidder.bounded]]
        return each * (power * world.phases.cart[self.floor.phase])

    def _win(self, entered: Entered) -> None:
        """Impressions won and money paid."""
        floor, draws = self.floor, self.floor.draws
        offered, win = flat(entered.opportunities), flat(entered.rates.win)
        won = flat(self.tally.impressions[: self.media.auctions])
        draws.binomial("impressions", draws.round_off("opportunities", offered), win, out=won)
        spend = ratio(flat(entered.rates.cost), win)
        spend *= won
        if floor.sampled:
            self._charge(spend, won)
        total, tried = self._by_scene([spend, offered], self.bidder.of_scene)
        self._spend(total)
        book = floor.book
        book.scenes["offered"] += tried
        book.scenes["spend"] += total
        if entered.allowed is not None:
            book.scenes["targeted"] += total * self.bidder.limited[:, None]
            book.scenes["allowed"] += entered.allowed
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
        shape = (-1, self.tally.people.shape[1], self.floor.lanes)
        by_use = np.array([add_up(row.reshape(shape)) for row in rows])
        return of_scene.sum(by_use)

    def _charge(self, spend: np.ndarray, won: np.ndarray) -> None:
        """Price noise by scene, never above the scene's money; whole fen with the rest carried on."""
        floor, media = self.floor, self.media
        rows = (won, spend, self.carry)
        count, wanted, carried = self._by_scene(rows, self.bidder.of_scene)
        noise = floor.draws.mean_noise("price", count, floor.world.scenario.chance.price_sd)
        wanted *= noise
        left = at_least(self.room - carried, 0.0)
        noise *= at_most(ratio(left, np.maximum(wanted, left)), 1.0)
        spend.reshape(media.auctions, -1, floor.lanes)[...] *= noise[media.scene[: media.auctions]][
            :, None
        ]
        self.carry += spend
        np.multiply(self.carry, 100, out=spend)
        spend += 1e-6
        np.floor(spend, out=spend)
        spend /= 100
        self.carry -= spend
        at_least(self.carry, 0.0, out=self.carry)

    # ------------------------------------------------------------------ 5 clicks and visits
    def _clicks(self, entered: Entered | None, appeal: Appeal) -> tuple[np.ndarray, np.ndarray]:
        """Clicks, visits and buying visits; returns impressions per person of each band and buying visits by scene."""
        floor, media, entry = self.floor, self.media, self.bidder.entry
        self.tally.advertised = bool(np.count_nonzero(self.tally.impressions))
        if not self.tally.advertised:
            self.tally.clear()
            nobody = np.zeros_like(floor.controls.pace)[:, None, None]
            return np.zeros(self.tally.people.shape), nobody
        shown = entry.shown_to(self.tally.impressions, contracts=self.tally.booked)
        per_person = ratio(shown, self.tally.people)
        click, buy = self.odds
        entry.mean_of_reached(self._worn(per_person), contracts=self.tally.booked, out=click)
        click *= appeal.click
        np.copyto(buy, appeal.buy)
        if media.creative is not None:
            click *= entry.appeal
        if entered is not None:
            self._lift(click, buy, entered)
        self._to_prob(self.odds)
        floor.draws.binomial(
            "clicks", flat(self.tally.impressions), flat(click), out=flat(self.tally.clicks)
        )
        np.multiply(self.tally.clicks, media.arrival, out=self.tally.visits)
        np.multiply(self.tally.visits, buy, out=self.tally.buys)
        totals = self.of_scene.sum(add_up(self.tally.rows[:3]))
        ready = self._weigh()
        scene_buys = self._of_scenes(self.tally.buys, ready)
        self.tally.paid_visits = np.add.reduce(totals[2])
        floor.book.add(paid_visits=self.tally.paid_visits)
        if appeal.halo:
            self._go_on(appeal.halo, ready)
        for name, total in zip(("clicks", "impressions", "visits"), totals, strict=False):
            floor.book.scenes[name] += total
        return per_person, scene_buys

    def _worn(self, per_person: np.ndarray) -> np.ndarray:
        """Wear-out in the mean of the step: [band, segment, lane]."""
        floor, world = self.floor, self.floor.world
        fades = self.fading(float(world.steps.days[floor.step]))
        return wear(blend(fades, floor.state.crowd.fatigue, per_person), world.people.fatigue)

    def _weigh(self) -> np.ndarray:
        """Touches of scenes by the baskets that those who come fill; returns how ready visitors are, strangers and
        customers: [buyers, use, segment, lane].
        """
        tally, (room, *ready) = self.tally, self.scratch[: 1 + len(self.floor.buyers)]
        filling, deciding = ratio(np.array([tally.filling, tally.deciding]), tally.people)
        entry, contracts = self.bidder.entry, tally.booked
        scenes, (_, *each) = len(self.floor.world.names.scenes), tally.visits.shape
        tally.touches = np.empty((scenes, len(WHO), *each))
        for who, bands in enumerate(WHO):
            entry.of_clickers([(filling, bands)], out=[room], contracts=contracts)
            room *= tally.visits
            room *= self.media.touch
            tally.touches[:, who] = self.of_scene.sum(room.swapaxes(0, 1)).swapaxes(0, 1)
        weights = [(deciding, bands) for bands in self.floor.buyers]
        entry.of_clickers(weights, out=list(ready), contracts=contracts)
        return self.scratch[1 : 1 + len(ready)]

    def _of_scenes(self, buys: np.ndarray, ready: np.ndarray) -> np.ndarray:
        """Buying visits of uses, by how ready their visitors are: [scene, buyers, segment, lane]; of all segments in
        one where nothing tells them apart.
        """
        room = self.scratch[0]
        of = [self._by_scene_of(np.multiply(buys, each, out=room)) for each in ready]
        return np.stack(of, axis=1)

    def _by_scene_of(self, buys: np.ndarray) -> np.ndarray:
        """Buying visits of uses [use, segment, lane] by scene, segments as they are told apart."""
        if self.floor.by_segment:
            return self.of_scene.sum(buys.swapaxes(0, 1)).swapaxes(0, 1)
        return self.of_scene.sum(add_up(buys))[:, None]

    def _go_on(self, halo: HaloAppeal, ready: np.ndarray) -> None:
        """Visits of hits go on to other products, and buy there."""
        np.multiply(self.tally.visits, halo.seen, out=self.tally.looks)
        more = self.tally.visits * halo.buys
        scenes = len(self.floor.world.names.scenes)
        self.tally.halo_buys[:scenes] = self._of_scenes(more, ready)
        self.tally.visits += self.tally.looks
        self.tally.buys += more
        looks = np.add.reduce(flat(self.tally.looks))
        self.tally.paid_visits += looks
        self.floor.book.add(free_visits=looks)

    def _to_prob(self, odds: np.ndarray) -> None:
        """Odds to probabilities, in place: o / (1 + o)."""
        for row in odds:
            np.add(row, 1.0, out=self.work)
            np.divide(row, self.work, out=row)

    def _lift(self, click: np.ndarray, buy: np.ndarray, entered: Entered) -> None:
        """Positions, and the lift of value-aware bidding: on clicks, or half on clicks half on buying."""
        n = len(entered.opportunities)
        root = np.sqrt(entered.rates.lift, out=self.work[:n])
        click, buy = click[:n], buy[:n]
        click *= entered.rates.click_factor
        click *= root
        np.multiply(click, root, out=click, where=self.full_lift)
        np.multiply(buy, root, out=buy, where=~self.full_lift)


def _package_of(media: Uses, packs: Packages) -> np.ndarray:
    """1 where a part of a package is shown by a contract use: [contract use, part]."""
    slot, scene = (x[media.auctions :, None] for x in (media.slot, media.scene))
    return ((packs.slot == slot) & (packs.scene[packs.of] == scene)).astype(float)
