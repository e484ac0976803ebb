"""What a step's visitors would buy, and what baskets and deposits hold.

Docs/model.md section 9.

symbol   meaning                                                     unit   shape
u        product weights of orders on visits, first choices           1      [product, buyers, segment, lane]
K^       those of standing baskets; released: as prices move them     1      [product, lane]
KT^      those of standing deposits                                   1      [product, lane]

The axis buyers: us of strangers, uc of customers; both in one where there is one product.
"""

from collections.abc import Iterable

import numpy as np

from simulator.engine.floor import Floor
from simulator.engine.tally import Met
from simulator.market.audience import ratio
from simulator.market.basket import Assortment, in_all, shares
from simulator.market.bounds import at_least
from simulator.market.groups import add_up


class Wanted:
    """Product weights of the orders that a step may bring, each summing to 1; KT^ in steps of a presale alone."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self.asked = bool(floor.linkage or floor.partners or floor.tracers)
        """Somebody asks on whose visits a product was bought."""
        self.bought = np.zeros((0, 1, floor.lanes))
        """Part of a product's orders made on visits of a scene, then of a partner: [.., product, lane]."""
        self.due, self.every = self.bought, np.zeros((1, floor.lanes))
        """What they add to the product weights of orders on visits, and all that is added [product, lane]."""
        self.on_visits = self.standing = self.deposited = self.released = np.zeros(())
        """u, K^, KT^; of released baskets [product, segment or 1, lane]."""
        self.total = np.zeros(())
        """Of the weights u, before they are scaled: [buyers, segment, lane]."""
        goods, partners = floor.world.goods, floor.world.partners
        self.pages = np.any(goods.mix, axis=2), np.any(partners.mix, axis=2)
        """What scenes, and partners, have on their pages, whether it is there or not: [.., product]."""
        self.readiness: np.ndarray | float = 1.0
        """Of standing baskets at the prices of the step against the usual ones: [segment, lane]."""
        self.presold_on_visits = self.presold_standing = np.zeros(())
        """What of us and of K^ is a presale and can be had, in steps in which deposits are asked for."""

    def read(self, met: Met) -> None:
        """As the step begins, before anybody has moved."""
        baskets, today, goods = self.floor.state.baskets, self.floor.today, self.floor.world.goods
        weights = self._choices(met)
        self.on_visits = shares(weights, today.free_mix[:, None, None], least=0.0)
        self.total = np.add.reduce(weights)
        self.standing = shares(baskets.products, today.free_mix)
        schedule, s = self.floor.schedule, self.floor.step
        if schedule.can_deposit[s] or schedule.presale[s]:
            every = shares(add_up(add_up(weights)), today.free_mix, least=0.0)
            self.deposited = shares(baskets.presold, shares(every * goods.presale[:, None], every))
            self.presold_on_visits = self._presold(self.on_visits[:, 0])
            self.presold_standing = self._presold(self.standing)
        self.released = self.standing[:, None]
        if today.prices is not None:
            wanted = self.released * today.prices
            self.readiness = wanted.sum(axis=0)
            self.released = wanted / self.readiness

    def _presold(self, mix: np.ndarray) -> np.ndarray:
        """What of product weights [product, .., lane] is a presale and can be had."""
        part = self.floor.world.goods.presale[:, None] * self.floor.available
        return mix * (part if mix.ndim == part.ndim else part[:, None])

    def with_habit(self, part: np.ndarray) -> np.ndarray:
        """Product weights of direct orders [product, buyers, segment, lane]; a part of customers' is bought by
        habit [segment, lane].
        """
        own, usual = self.on_visits[:, -1:], self.floor.today.bought_free()[:, None]
        mixed = own + (usual - own) * part
        if len(self.floor.buyers) == 1:
            return np.asarray(mixed)
        return np.concatenate([self.on_visits[:, :1], mixed], axis=1)

    def assortment(self, found: np.ndarray) -> Assortment:
        """What a step has for visitors if `found` [product, lane] of a product's orders finds goods; they turn to
        what all visits of their segment want.
        """
        every = np.add.reduce(self.on_visits * self.total, axis=1)
        wanted = shares(every, self.floor.today.free_mix[:, None], least=0.0)
        return Assortment.of(wanted, found, self.floor.world.goods.substitution)

    def shown(self, met: Met, assortment: Assortment) -> np.ndarray:
        """What of `on_visits` is due to scenes and partners whose page goes on with what is there."""
        today, (scenes, partners) = self.floor.today, self.pages
        each = ratio(met.scene_buys, today.scene_kappa[:, None])
        weights = _by_product(today.mix * assortment.goes_on(scenes), each)
        if met.guest_buys is not None:
            each = ratio(met.guest_buys, today.partner_kappa[:, None])
            weights = weights + _by_product(today.partner_mix * assortment.goes_on(partners), each)
        return ratio(weights * today.kappa[:, None], self.total)

    def _choices(self, met: Met) -> np.ndarray:
        """Product weights of orders from visits, paid ones by scene and free ones: [product, buyers, segment, lane]."""
        today = self.floor.today
        each = ratio(met.scene_buys, today.scene_kappa[:, None])
        free = today.free_mix[:, None, None] * ratio(met.free_buys, today.free_kappa)
        weights = np.asarray(free)
        weights += _by_product(today.mix, each)
        weights *= today.kappa[:, None]
        looks = self._looks(met)
        if looks is not None:
            weights += np.add.reduce(looks)
        if met.guest_buys is not None:
            each = ratio(met.guest_buys, today.partner_kappa[:, None])
            weights = weights + _by_product(today.partner_mix, each) * today.kappa[:, None]
        return weights

    def _looks(self, met: Met) -> np.ndarray | None:
        """What looks after a hit add: [way, product, buyers, segment, lane]."""
        halo = self.floor.today.halo
        if halo is None or met.halo_buys is None:
            return None
        return np.asarray(halo.mix[:, :, None] * met.halo_buys[:, None])

    def credit(
        self, met: Met, on_visits: np.ndarray, assortment: Assortment | None, part: np.ndarray
    ) -> None:
        """Write down on whose visits products are bought, once buyers have turned to what is there; `part` of a
        product's orders [product, lane] comes of visits, whose weights are `on_visits`.
        """
        today, looks, (scenes, partners) = self.floor.today, self._looks(met), self.pages
        due = self._due(today.mix, met.scene_buys, today.scene_kappa, scenes, assortment)
        if looks is not None:
            due += looks[:-1].sum(axis=(2, 3))
            if assortment is not None:
                due += _turning(assortment, looks[:-1], np.zeros((len(looks) - 1, 1, 1)))
        if met.guest_buys is not None:
            guests = self._due(
                today.partner_mix, met.guest_buys, today.partner_kappa, partners, assortment
            )
            due = np.concatenate([due, guests])
        self.due, self.every = due, in_all(on_visits * self.total)
        self.bought = ratio(due, self.every) * part

    def served(self, found: np.ndarray) -> np.ndarray:
        """Part of the orders on visits of each scene, of all partners, and on free visits that finds goods, once
        buyers have turned; `found` [product, lane] of a product's orders do: [scene + 2, lane].
        """
        scenes = len(self.pages[0])
        guests, free = self.due[scenes:].sum(axis=0), self.every - self.due.sum(axis=0)
        ways = np.concatenate([self.due[:scenes], [guests, at_least(free, 0.0)]])
        every = ways.sum(axis=1)
        return np.where(every > 0, ratio((ways * found).sum(axis=1), every), 1.0)

    def _due(
        self, mix: np.ndarray, buys: np.ndarray, kappa: np.ndarray, pages: np.ndarray,
        assortment: Assortment | None,
    ) -> np.ndarray:  # fmt: skip
        """What ways add to the weights of products: [way, product, lane]."""
        each, own = ratio(buys, kappa[:, None]), self.floor.today.kappa
        due = np.asarray(mix * np.einsum("igl,pgl->ipl", each.sum(axis=1), own))
        if assortment is not None:
            first = (m[:, None, None] * e * own[:, None] for m, e in zip(mix, each, strict=True))
            due += _turning(assortment, first, assortment.goes_on(pages))
        return due


def _turning(
    assortment: Assortment, first: Iterable[np.ndarray], goes_on: np.ndarray
) -> np.ndarray:
    """By how much what ways add changes once their visitors have turned, from their first choices [product, buyers,
    segment, lane] of every way; its page `goes_on` [way, product, lane] with what is there: [way, product, lane].
    """
    ways = zip(first, goes_on[:, :, None, None], strict=True)
    return np.array([in_all(assortment.instead(one, on * one) - one) for one, on in ways])


def _by_product(mix: np.ndarray, each: np.ndarray) -> np.ndarray:
    """Sum over ways [way, ..] of product weights [way, product, lane] x [way, buyers, segment, lane]."""
    return np.einsum("ipl,ibgl->pbgl", mix, each)
