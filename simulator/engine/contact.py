"""What people meet: what money brought them, free visits, messages and commissioned media (step 6)."""

import numpy as np

from simulator.engine.appeal import Appeal, HaloAppeal
from simulator.engine.floor import Floor
from simulator.engine.tally import Met, Tally
from simulator.market.audience import Contact, put_off, ratio
from simulator.market.columns import prob
from simulator.market.commission import Guests, Meeting
from simulator.market.contract import venues
from simulator.market.entry import Entry
from simulator.market.groups import weigh
from simulator.market.linkage import not_replaced
from simulator.market.owned import Sent, send
from simulator.market.people import WHO
from simulator.market.world import World


class Contacts:
    """Step 6 of the list in `run`."""

    def __init__(self, floor: Floor, tally: Tally, entry: Entry) -> None:
        self.floor, self.tally, self.entry = floor, tally, entry
        world = floor.world
        self.pushed = np.logical_or.reduce(floor.schedule.pushes, axis=1)
        """Messages are sent in a step."""
        self.order_rate = _order_rate(world)
        self.venues = venues(world.packages, floor.state.bookings.booked)
        self.left: np.ndarray | None = None
        """Share of free visits that bought ones leave in this step: [band, segment, lane]."""
        self.replaces = bool(world.partners.replaces.any() or world.media.replaces.any())
        """Bought visits take the place of free ones in this world, whatever a plan of the chunk buys."""

    def meet(self, per_person: np.ndarray, scene_buys: np.ndarray, appeal: Appeal) -> Met:
        """What the people of each band meet."""
        brought = self._brought() if self.tally.advertised else None
        guests = self._guests() if self.floor.partners else None
        touches, buys, visits = self._free_visits(appeal, self._taken(brought, guests))
        free_buys = self._by_segment(buys)
        touched = self._touched(touches, guests)
        if appeal.halo:
            visits = self._go_on_free(appeal.halo, touches, buys, visits)
        if self.pushed[self.floor.step]:
            sent = self._push(appeal)
            visits = visits + self._in_all(sent.visits)
            touched[-1] = self._into_baskets(sent.touches)
            touches, buys = touches + sent.touches, buys + sent.buys
            free_buys = free_buys + self._by_segment(sent.buys)
        contact = Contact(np.zeros(touches.shape), touches, buys, touches[0].copy())
        paid, share = None, None
        readiness = float(self.floor.world.steps.readiness[self.floor.step])
        if brought is not None:
            self._add_paid(contact, brought)
        if guests is not None:
            contact.touches += guests.touches
            contact.unseen += guests.touches[0]
            contact.buys += guests.buys
            visits = visits + guests.visits.sum(axis=0)
        if self.floor.tracers:
            paid = self._trace(contact)
            share = None if guests is None else ratio(guests.buys, contact.buys)
        contact.buys *= readiness
        visits = visits + self.tally.paid_visits
        halo_buys = self.tally.halo_buys if appeal.halo else None
        buying = None if guests is None else self._by_partner(guests)
        met = Met(
            contact, free_buys, scene_buys, paid, None if paid is None else paid[1],
            (self.tally.people, per_person), visits, halo_buys, buying, share,
            self.floor.today.wanted(touched), readiness,
        )  # fmt: skip
        if self.order_rate is not None:
            self._sign(met, self.order_rate)
        return met

    def _touched(self, free: np.ndarray, guests: Guests | None) -> np.ndarray:
        """What baskets may be filled from, messages still to come: [way, who, segment, lane]; `free` per person."""
        scenes, visitors = len(self.floor.world.names.scenes), self._into_baskets(free)[None]
        paid, self.tally.touches = self.tally.touches, None
        rows = [np.zeros((scenes, *visitors.shape[1:])) if paid is None else paid, visitors]
        rows += [] if guests is None else [guests.touching]
        return np.concatenate([*rows, np.zeros_like(visitors)])

    def _in_all(self, per_person: np.ndarray) -> np.ndarray:
        """Of all people [lane], from what a person of each band has."""
        return np.asarray(np.einsum("bsl,bsl->l", per_person, self.tally.people))

    def _into_baskets(self, per_person: np.ndarray) -> np.ndarray:
        """Touches [who, segment, lane] by the baskets they fill, from those that a person of each band has."""
        each = per_person * self.tally.filling
        return np.array([np.add.reduce(each[bands]) for bands in WHO])

    def _add_paid(self, contact: Contact, brought: np.ndarray) -> None:
        """What money brought to a person of each band."""
        self.floor.book.viewed += np.add.reduce(brought[0])
        contact.views, touches, buys = ratio(brought[:3], self.tally.people)
        contact.touches += touches
        contact.buys += buys

    def _go_on_free(
        self, halo: HaloAppeal, touches: np.ndarray, buys: np.ndarray, visits: np.ndarray
    ) -> np.ndarray:
        """Free visits of hits go on, too: touches and buys grow in place; all free visits [lane]."""
        floor = self.floor
        more = halo.free_buys * self._free_traffic()
        if self.left is not None:
            more *= self.left
        self.tally.halo_buys[-1] = self._by_segment(more)
        buys += more
        touches *= 1 + halo.free_seen
        looks = visits * halo.free_seen
        floor.book.add(free_visits=looks)
        return np.asarray(visits + looks)

    def _by_segment(self, buys: np.ndarray) -> np.ndarray:
        """Free buying visits, by how ready their visitors are [buyers, segment, lane]; all segments in one where
        nothing tells them apart.
        """
        if not self.floor.by_segment:
            return np.einsum("bsl,bsl->l", buys, self.tally.deciding)[None, None]
        each = buys * self.tally.deciding
        return np.array([np.add.reduce(each[bands]) for bands in self.floor.buyers])

    def _brought(self) -> np.ndarray:
        """Views, touches, buying visits (and free visits replaced) that money brought to each band."""
        if self.tally.replaces:
            np.subtract(self.tally.visits, self.tally.looks, out=self.tally.rows[4])
        return self.entry.to_bands(self.tally.rows[1:], contracts=self.tally.booked)

    def _guests(self) -> Guests:
        """Visits that commissioned media brings."""
        floor, world, today = self.floor, self.floor.world, self.floor.today
        assert floor.partners is not None
        terms = floor.terms()
        kept = floor.price()[:, None] * (1 - prob(terms.refund_odds))
        mix = today.partner_mix[:, :, None] * (today.kappa * kept)
        floor.partners.pay_fees(floor.step)
        guests = floor.partners.bring(floor.phase, Meeting(
            people=self.tally.people, deciding=self.tally.deciding, filling=self.tally.filling,
            browse=float(world.steps.browse[floor.step]), ready=float(world.steps.readiness[floor.step]),
            level=world.phases.cvr[floor.phase] * floor.demand, kappa=today.partner_kappa,
            order=ratio(mix.sum(axis=1), today.partner_kappa), order_value=world.people.order_value,
        ))  # fmt: skip
        floor.book.add(commission_visits=guests.visits)
        return guests

    def _by_partner(self, guests: Guests) -> np.ndarray:
        """Buying visits [partner, buyers, segment, lane]; all segments in one where nothing tells them apart."""
        of = np.stack([guests.buying[:, b].sum(axis=1) for b in self.floor.buyers], axis=1)
        return of if self.floor.by_segment else of.sum(axis=2, keepdims=True)

    def _taken(self, brought: np.ndarray | None, guests: Guests | None) -> np.ndarray | None:
        """Free visits that bought ones replace; None in a world where none are."""
        if not self.replaces:
            return None
        paid = brought[3] if self.tally.replaces and brought is not None else None
        if guests is None:
            return np.zeros(self.tally.people.shape) if paid is None else paid
        return guests.replaced if paid is None else guests.replaced + paid

    def _push(self, appeal: Appeal) -> Sent:
        """Messages of the step, and the visits that come of them."""
        floor = self.floor
        share = floor.schedule.pushes[floor.step]
        sent = send(floor.world.pushes, share, self.tally.people, appeal.free_chance)
        visits = self._in_all(sent.visits)
        floor.book.add(free_visits=visits, messages=sent.messages, message_spend=sent.cost)
        return sent

    def _sign(self, met: Met, per_day: np.ndarray) -> None:
        """Companies order days after the visit that decided it; whose visit it was stays known."""
        rate = np.asarray(per_day * self.floor.world.steps.days[self.floor.step])
        fresh, people = met.contact.buys * self.tally.deciding, self.tally.deciding
        now = self._signed("orders", fresh, rate)
        met.contact.buys = np.where(people > 0, ratio(now, np.maximum(people, 1e-9)), 0.0)
        if met.paid is not None:
            touches, buys = met.paid
            met.owners = ratio(self._signed("owners", buys * fresh, rate), now)
            met.paid = touches, np.where(np.isinf(rate), buys, 0.0)
        if met.guest_share is not None:
            met.guest_share = ratio(self._signed("guests", met.guest_share * fresh, rate), now)
        for name in ("free_buys", "scene_buys", "halo_buys", "guest_buys"):
            buying = getattr(met, name)
            if buying is not None:
                setattr(met, name, self._signed(name, buying * met.readiness, rate))
        met.readiness = 1.0

    def _signed(self, what: str, fresh: np.ndarray, rate: np.ndarray) -> np.ndarray:
        """What is ordered now of fresh decisions [.., segment, lane] and of those that wait."""
        decided = self.floor.state.decided
        now, decided[what] = put_off(decided.get(what, np.zeros(())), fresh, rate)
        return now

    def _trace(self, contact: Contact) -> tuple[np.ndarray, np.ndarray]:
        """Mark new touches; return the paid parts of touches and of buying visits."""
        floor, touch = self.floor, self.entry.media.touch
        assert floor.tracers is not None
        rows = np.array(
            [self.tally.visits - self.tally.looks, self.tally.visits * touch, self.tally.buys]
        )
        parts = self.entry.by_scene(rows, contracts=self.tally.booked)
        visits, touches, buys = ratio(parts, self.tally.people)
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
        if taken is None:
            visits = weigh("bs,bsl->l", free.visits[f], self.tally.people) * scale
        else:
            here = free.visits[f] * scale * self.tally.people
            left = self.left = not_replaced(taken, here)
            scale, visits = scale * left, np.einsum("bsl,bsl->l", here, left)
        floor.book.add(free_visits=visits)
        return free.touches[f] * scale, appeal.free_buys * scale, visits


def _order_rate(world: World) -> np.ndarray | None:
    """Orders a day and decision that waits for one: [segment, 1]; None where all order at once."""
    delay = world.people.order_delay
    if delay is None:
        return None
    return np.divide(1.0, delay, out=np.full_like(delay, np.inf), where=delay > 0)
