"""What the products mean today: for scenes, for free visits, for refunds (docs/model.md section 10).

symbol   meaning                                                  unit     shape
kappa    odds multiplier of buying: power x luck x stage x price x taste  x        [product, segment, lane]
m        weights of a scene's products, availability included     1        [scene, product, lane]
omix     weights of the products among free visits                1        [product, lane]
omixa    the same, of what is there                               1        [product, lane]
Omega    free visits against the start                            x        [lane]
y        share of the stage hit                                   1        [product, lane]
power    product power as it stands: power x luck x stage         x        [product, lane]
way      a scene, or the free visits after them; to fill baskets  -        [way]
         also commissioned media, and messages

Where prices move nobody, all segments are alike and their axis has length 1.
"""

from dataclasses import dataclass

import numpy as np

from simulator.market.audience import ratio
from simulator.market.groups import add_up, weigh
from simulator.market.lifecycle import NEW_STAGES, LifeCycles, Shelf
from simulator.market.rivals import ln_quality
from simulator.market.shocks import Weather
from simulator.market.substitutes import SCARCE
from simulator.market.world import World
from simulator.scenario.goods import PRODUCT_STAGES

HIT = PRODUCT_STAGES.index("hit")
STEEP = 3  # how fast a scene closes while its last product runs out (docs/model.md section 5)
ALONE = 1e-6  # a hit with less beside it pulls nobody there; nearer to nothing, the rest of 1 loses its digits


@dataclass
class Halo:
    """Where visits of a hit go on to: the other products of the store."""

    seen: np.ndarray
    """Further looks per visit: [way, lane]."""
    kappa: np.ndarray
    """Odds multiplier of buying on a further look: [way, segment, lane]."""
    mix: np.ndarray
    """Product weights of the orders so made, sum 1 or 0: [way, product, segment, lane]."""
    looks: np.ndarray
    """Further looks per visit by product: [way, product, lane]."""


@dataclass(frozen=True, eq=False)
class Pages:
    """What visitors choose from: product weights, and their mean kappa."""

    scenes: np.ndarray
    """[scene, product, lane]"""
    scene_kappa: np.ndarray
    """[scene, segment, lane]"""
    partners: np.ndarray
    """[partner, product, lane]"""
    partner_kappa: np.ndarray
    """[partner, segment, lane]"""
    looks: np.ndarray | None
    """What orders on further looks are for: [way, product, segment, lane]; None where hits do not pull the store."""


@dataclass
class Today:
    """Refreshed at every midnight, and whenever goods run short or come back."""

    refund_odds: np.ndarray
    """[product, lane]"""
    kappa: np.ndarray
    mix: np.ndarray
    """m"""
    scene_kappa: np.ndarray
    """[scene, segment, lane]"""
    scene_ctr: np.ndarray
    """[scene, lane]"""
    scene_power: np.ndarray
    """Product power that a scene shows, tastes included: [scene, segment, lane]."""
    ln_quality: np.ndarray
    """Log quality score: [scene, lane]."""
    on_sale: np.ndarray
    """Part of a scene that still sells, of runs that stop with the goods: [scene, lane]."""
    free_mix: np.ndarray
    """omix"""
    free_kappa: np.ndarray
    """[segment, lane]"""
    organic: np.ndarray
    """Omega"""
    filling: np.ndarray
    """How much a touch makes people want each product that is there, against an average one: [way, product, lane]."""
    halo: Halo | None
    """None where hits do not pull the store."""
    eager: np.ndarray | None
    """Factor of weather and news on the odds of buying: [segment, lane]."""
    crowd: np.ndarray | None
    """The same on visits and opportunities: [1, lane]."""
    response: np.ndarray | None
    """Odds multiplier of prices and tastes: [product, segment, lane]; None where they move nobody."""
    taste: np.ndarray | None
    """That of tastes alone."""
    prices: np.ndarray | None
    """That of the prices alone: they move standing baskets, too."""
    partner_mix: np.ndarray
    """m of commissioned media: [partner, product, lane]."""
    partner_kappa: np.ndarray
    """[partner, segment, lane]"""
    suited: np.ndarray
    """m before availability, not scaled: [scene, product, lane]."""

    def pages(self) -> Pages:
        """What is shown and can be had."""
        looks = self.halo.mix if self.halo else None
        return Pages(self.mix, self.scene_kappa, self.partner_mix, self.partner_kappa, looks)

    def pages_in_full(self, partners: np.ndarray, hit: np.ndarray) -> Pages:
        """The same as if everything were there; `partners`: weights of their products before availability
        [partner, product, lane], `hit` [product, lane]: y.
        """
        scenes = _scaled(self.suited, self.suited, axis=1)
        looks = None
        if self.halo:
            ways = np.concatenate([self.mix, self.free_mix[None]])
            looks = halo_of(ways, hit, self.free_mix, self.kappa).mix
        kappas = [_means(mix, self.kappa) if len(mix) else mix for mix in (scenes, partners)]
        return Pages(scenes, kappas[0], partners, kappas[1], looks)

    def bought_free(self) -> np.ndarray:
        """Product weights of orders on free visits: [product, segment or 1, lane]."""
        return self.free_mix[:, None] * ratio(self.kappa, self.free_kappa)

    def wanted(self, touches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What a step's touches [way, who, segment, lane] fill baskets with [product, who, segment, lane]; and all of
        them, looks included [who, segment, lane].
        """
        filled = np.einsum("wpl,wbgl->pbgl", self.filling, touches)
        total = np.add.reduce(touches)
        if self.halo:
            seen = self.halo.seen
            total = total + np.einsum("wl,wbgl->bgl", seen, touches[: len(seen)])
        return filled, total


class Assortment:
    """The products of one chunk of lanes as scenes and free visitors find them."""

    def __init__(
        self, world: World, cycles: LifeCycles, luck: np.ndarray, shelf: Shelf,
        pictures: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """`luck` [product, lane]; `shelf` as it stands at the start; `pictures` [scene, lane]: fortune
        of the creatives that were chosen.
        """
        self.world, self.cycles, self.luck, self.pictures = world, cycles, luck, pictures
        self.first_pull = cycles.organic_pull(shelf)
        self.pulls = bool((world.free.halo > 0).any())

    def today(
        self, shelf: Shelf, available: np.ndarray, response: np.ndarray | None = None, *,
        boost: np.ndarray | None = None, weather: Weather | None = None, awaited: np.ndarray | bool = False,
    ) -> Today:  # fmt: skip
        """`available` [product, lane]: probability that the next order finds goods; `response` of buyers
        to prices [product, segment, lane]; `boost`: free visits against what the organic weight brings;
        `awaited` [product, 1]: more units come, so that baskets may be filled with it.
        """
        goods = self.world.goods
        effects = self.cycles.effects(shelf)
        power = goods.power * self.luck * effects.cvr
        wish = weather.of_products() if weather else None
        kappa = power if wish is None else power * wish
        suited = self._suited(shelf)
        mix = _scaled(suited * available, suited, axis=1)
        partner_mix = self._partner_mix(available)
        gain = goods.organic * self.cycles.organic_pull(shelf) / self.first_pull
        if boost is not None:
            gain *= boost
        free_mix, there = ratio(gain, gain.sum(axis=0)), _scaled(gain * available, gain, axis=0)
        taste = self._taste(shelf)
        prices, response = response, _both(response, taste)
        by_segment = kappa[:, None] if response is None else kappa[:, None] * response
        clicks = add_up(mix * effects.ctr)
        if self.pictures is not None:
            clicks *= self.pictures
        halo = None
        if self.pulls:
            ways = np.concatenate([mix, free_mix[None]])
            halo = halo_of(ways, shelf.stage[HIT], there, by_segment)
            halo.seen *= self.world.free.halo
            halo.looks *= self.world.free.halo
        to_have = np.where(awaited, 1.0, available)
        found = _found(free_mix, to_have, goods.substitution)
        shown = _on_show(mix, partner_mix, found, to_have, halo)
        return Today(
            refund_odds=goods.refund_odds * effects.refund, kappa=by_segment, mix=mix,
            scene_kappa=_means(mix, by_segment), scene_ctr=clicks,
            scene_power=_means(mix, power[:, None] if taste is None else power[:, None] * taste),
            ln_quality=ln_quality(shelf.score) + np.log(add_up(mix * effects.quality)),
            on_sale=_any_there(mix, to_have)[:, 0] ** STEEP, filling=power * shown, free_mix=free_mix,
            free_kappa=(free_mix[:, None] * by_segment).sum(axis=0), organic=gain.sum(axis=0),
            halo=halo, response=response,
            partner_mix=partner_mix,
            partner_kappa=_means(partner_mix, by_segment) if len(partner_mix) else partner_mix,
            eager=weather.of_segments() if weather else None,
            crowd=weather.of_traffic() if weather else None,
            prices=prices, taste=taste, suited=suited,
        )  # fmt: skip

    def _partner_mix(self, available: np.ndarray) -> np.ndarray:
        mix = self.world.partners.mix
        return _scaled(mix * available, mix, axis=1) if len(mix) else mix

    def _suited(self, shelf: Shelf) -> np.ndarray:
        """Weights of a scene's products, by the stages that suit it; by the others if none does."""
        goods = self.world.goods
        if goods.stage_affinity is None:
            return goods.mix
        suits = weigh("is,spl->ipl", goods.stage_affinity, shelf.stage)
        return _scaled(goods.mix * suits, goods.mix, axis=1)

    def _taste(self, shelf: Shelf) -> np.ndarray | None:
        """1 + (A - 1) x share of new stages in orders: [product, segment, lane]; None where all are alike."""
        extra = self.world.people.new_taste
        if extra is None:
            return None
        return 1 + extra * self.cycles.ordered(shelf)[NEW_STAGES].sum(axis=0)[:, None]


def _both(one: np.ndarray | None, other: np.ndarray | None) -> np.ndarray | None:
    """Product of two multipliers, of which None changes nothing."""
    if one is None or other is None:
        return other if one is None else one
    return one * other


def _means(mix: np.ndarray, kappa: np.ndarray) -> np.ndarray:
    """Mean kappa of each scene's products: [scene, segment, lane]."""
    if kappa.shape[1] == 1:
        return add_up(mix * kappa[:, 0])[:, None]
    return np.einsum("ipl,pgl->igl", mix, kappa)


def halo_of(ways: np.ndarray, hit: np.ndarray, others: np.ndarray, kappa: np.ndarray) -> Halo:
    """Where visits go on to, if every visit of a hit does: `seen` is the hits' share of the visits.

    Who looks at the hit p (weight m y of a way) goes on to q by others_q / (1 - others_p), q not p:
    in sum o_q = others_q (A - m_q y_q / (1 - others_q)), A = sum_p m_p y_p / (1 - others_p).
    `ways` [way, product, lane]: m of each; `hit` [product, lane]: y; `others` [product, lane]: omixa;
    `kappa` [product, segment, lane].

    >>> half = np.array([[0.5], [0.5]])
    >>> halo = halo_of(np.array([[[0.8], [0.2]]]), np.array([[1.0], [0.0]]), half, np.ones((2, 1, 1)))
    >>> halo.seen.tolist(), halo.mix.ravel().tolist()
    ([[0.8]], [0.0, 1.0])
    """
    room = 1 - others
    open_to = np.where(room > ALONE, hit, 0.0)
    reach = ways * ratio(open_to, room)
    looks = others * np.maximum(reach.sum(axis=1, keepdims=True) - reach, 0.0)
    seen, bought = add_up(ways * open_to), looks[:, :, None] * kappa
    total = bought.sum(axis=1)
    return Halo(seen, ratio(total, seen[:, None]), ratio(bought, total[:, None]), looks)


def _found(mix: np.ndarray, to_have: np.ndarray, substitution: np.ndarray) -> np.ndarray:
    """What free visitors can have of what they look for, or take instead: [product, lane].

    omix a (1 + s (1 - A) / max(A, 1%)), A = sum omix a.
    """
    found = mix * to_have
    any_found = found.sum(axis=0)
    return np.asarray(found * (1 + substitution * (1 - any_found) / np.maximum(any_found, SCARCE)))


def _on_show(
    mix: np.ndarray, partner_mix: np.ndarray, found: np.ndarray, to_have: np.ndarray, halo: Halo | None
) -> np.ndarray:  # fmt: skip
    """Products that a touch meets and can be had: of scenes, free visits, partners, messages [way, product, lane]."""
    shown, guests = (m * _any_there(m, to_have) for m in (mix, partner_mix))
    ways = np.concatenate([shown, found[None], guests, found[None]])
    if halo:
        ways[: len(halo.looks)] += halo.looks * _any_there(halo.looks, to_have)
    return ways


def _any_there(mix: np.ndarray, to_have: np.ndarray) -> np.ndarray:
    """How surely the surest of the products is to be had: [way, 1, lane]."""
    return np.where(mix > 0, to_have, 0.0).max(axis=1, keepdims=True)


def _scaled(weights: np.ndarray, instead: np.ndarray, *, axis: int) -> np.ndarray:
    """Weights that sum to 1; those of `instead` where all are 0."""
    chosen = np.where(weights.sum(axis=axis, keepdims=True) > 0, weights, instead)
    return ratio(chosen, chosen.sum(axis=axis, keepdims=True))
