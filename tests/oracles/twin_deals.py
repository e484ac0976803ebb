"""The twin's deals: docs/model.md section 17, what platform and host pay back.

Gmv that is credited to scenes needs the last touches, which the twin does not follow: here a
guaranteed return counts all gmv of its scenes' products.
"""

import math

from scipy.special import gammainc

from simulator.scenario.incentives import RoiGuarantee
from simulator.scenario.schema import Scenario
from tests.oracles.twin_goods import Goods
from tests.oracles.twin_media import Scene


class Deals:
    """Money back of one lane."""

    def __init__(self, scenario: Scenario, goods: Goods, scenes: dict[str, Scene]) -> None:
        self.scenario, self.goods, self.scenes = scenario, goods, scenes
        self.rules = scenario.incentives
        self.totals = dict.fromkeys(("rebate", "credit", "guarantee", "settlement"), 0.0)
        self.given = dict.fromkeys(self.rules.roi_guarantees, 0.0)
        self.fees = 0.0
        self.before = dict.fromkeys(self.rules.roi_guarantees, (0.0, 0.0, 0.0))

    def spent(self, scene: str) -> float:
        return sum(self.scenes[scene].spent.values())

    def end_window(self) -> None:
        """Seven days are over."""
        for name, guarantee in self.rules.roi_guarantees.items():
            now = self._counted(guarantee)
            spend, gmv, orders = (a - b for a, b in zip(now, self.before[name], strict=True))
            self.before[name] = now
            missing = max(0.0, spend - gmv / guarantee.target)
            least = math.ceil(guarantee.least_orders)
            counts = float(gammainc(least, orders)) if least > 0 else 1.0
            self.given[name] += missing * counts
            self.totals["guarantee"] += missing * counts

    def _counted(self, guarantee: RoiGuarantee) -> tuple[float, float, float]:
        assert guarantee.organic, "the twin does not follow last touches"
        own = {p for s in guarantee.scenes for p, w in self.goods.scene_weights[s].items() if w > 0}
        products = [self.goods.products[p] for p in own]
        spend = sum(self.spent(s) for s in guarantee.scenes)
        return spend, sum(p.gmv for p in products), sum(p.paid for p in products)

    def close(self) -> None:
        """The end of the run."""
        kept = {s: self.spent(s) for s in self.scenes}
        for name, guarantee in self.rules.roi_guarantees.items():
            spend = sum(self.spent(s) for s in guarantee.scenes)
            for s in guarantee.scenes:
                kept[s] -= self.spent(s) * self.given[name] / spend if spend > 0 else 0.0
        for rebate in self.rules.rebates.values():
            spend = sum(
                kept[s] * self._part(s, rebate.products) for s in rebate.scenes or self.scenes
            )
            self.totals["rebate"] += min(rebate.cap, rebate.rate * spend)
        credit = self.rules.credit
        if credit and self.scenario.budget < credit.budget_below:
            own = sum(kept.values()) - self.totals["rebate"]
            self.totals["credit"] += min(credit.cap, credit.match * own)
        for hosted in self.rules.hosted.values():
            gmv = sum(self.goods.products[p].gmv for p in hosted.products or self.goods.products)
            self.fees += hosted.fee * gmv
            self.totals["settlement"] += max(0.0, hosted.guaranteed_gmv - gmv)

    def _part(self, scene: str, products: list[str]) -> float:
        """Weight of products in a scene."""
        weights = self.goods.scene_weights[scene]
        chosen = products or weights
        return sum(w for p, w in weights.items() if p in chosen) / sum(weights.values())

    def write_down(self) -> float:
        """Goods with a salvage value that are left, and parcels neither on sale again nor lost, less their worth."""
        commerce, total = self.scenario.commerce, 0.0
        sent = 1 - commerce.refund_fast_share
        for product in self.goods.products.values():
            salvage = product.item.salvage
            if salvage is not None:
                total += product.stock_left() * (product.unit_cost - salvage)
                stands = max(0.0, 1 - product.resale - commerce.depreciation)
                kept = product.refund_cost * sent * stands
                total += kept - salvage * kept / product.unit_cost
        return total
