"""What the products mean today: for scenes, for free visits, for refunds (docs/model.md section 10).

symbol   meaning                                                  unit     shape
kappa    odds multiplier of buying: power x luck x stage          x        [product, lane]
m        weights of a scene's products, availability included     1        [scene, product, lane]
omix     weights of the products among free visits                1        [product, lane]
Omega    free visits against the start                            x        [lane]
"""

from dataclasses import dataclass

import numpy as np

from simulator.market.audience import ratio
from simulator.market.lifecycle import LifeCycles, Shelf
from simulator.market.world import World


@dataclass
class Today:
    """Refreshed at every midnight, and whenever goods run short or come back."""

    refund_odds: np.ndarray
    """[product, lane]"""
    kappa: np.ndarray
    mix: np.ndarray
    """m"""
    scene_kappa: np.ndarray
    """[scene, lane]"""
    scene_ctr: np.ndarray
    ln_quality: np.ndarray
    """Log quality score: [scene, lane]."""
    free_mix: np.ndarray
    """omix"""
    free_kappa: np.ndarray
    """[lane]"""
    organic: np.ndarray
    """Omega"""
    presale: np.ndarray
    """Share of presale products among free visits: [lane]."""


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

    def today(self, shelf: Shelf, available: np.ndarray) -> Today:
        """`available` [product, lane]: probability that the next order finds goods."""
        goods = self.world.goods
        effects = self.cycles.effects(shelf)
        kappa = goods.power * self.luck * effects.cvr
        mix = _scaled(goods.mix * available, goods.mix, axis=1)
        gain = goods.organic * self.cycles.organic_pull(shelf) / self.first_pull
        free_mix = _scaled(gain * available, gain, axis=0)
        clicks = (mix * effects.ctr).sum(axis=1)
        if self.pictures is not None:
            clicks *= self.pictures
        return Today(
            refund_odds=goods.refund_odds * effects.refund, kappa=kappa, mix=mix,
            scene_kappa=(mix * kappa).sum(axis=1), scene_ctr=clicks,
            ln_quality=self.world.bidding.ln_quality + np.log((mix * effects.quality).sum(axis=1)),
            free_mix=free_mix,
            free_kappa=(free_mix * kappa).sum(axis=0), organic=gain.sum(axis=0),
            presale=(free_mix * goods.presale[:, None]).sum(axis=0),
        )  # fmt: skip


def _scaled(weights: np.ndarray, instead: np.ndarray, *, axis: int) -> np.ndarray:
    """Weights that sum to 1; those of `instead` where all are 0."""
    chosen = np.where(weights.sum(axis=axis, keepdims=True) > 0, weights, instead)
    return ratio(chosen, chosen.sum(axis=axis, keepdims=True))
