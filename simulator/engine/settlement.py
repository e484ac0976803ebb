"""Money that comes back: guaranteed returns every seven days; rebates, credit and hosting at the end."""

from collections.abc import Iterator

import numpy as np

from simulator.engine.floor import Floor
from simulator.market.audience import ratio
from simulator.market.bounds import at_least
from simulator.market.guarantee import enough, made_up, matched, short_of
from simulator.scenario.incentives import Rebate, RoiGuarantee

FEN = 1e-6  # of a fen: rounding of the sum before


class Settlement:
    """What platform and host owe in one chunk of lanes."""

    def __init__(self, floor: Floor) -> None:
        self.floor, self.rules = floor, floor.world.scenario.incentives
        self.scene = {name: n for n, name in enumerate(floor.world.names.scenes)}
        self.product = {name: n for n, name in enumerate(floor.world.names.products)}
        self.paid: dict[tuple[str, str], np.ndarray] = {}
        """By kind and name of the rule [CNY]: [lane]."""
        self.before = {name: np.zeros((3, floor.lanes)) for name in self.rules.roi_guarantees}
        """Spend, gmv and orders when the last window was settled: [3, lane]."""

    # ------------------------------------------------------------------ every seven days
    def settle_window(self) -> None:
        """Pay what the window that ends now is short of its guaranteed return."""
        for name, guarantee in self.rules.roi_guarantees.items():
            now = self._counted(guarantee)
            spend, gmv, orders = now - self.before[name]
            self.before[name] = now
            counts = enough(orders, guarantee.least_orders, sampled=self.floor.sampled)
            self._pay("guarantee", name, short_of(spend, gmv, guarantee.target) * counts)

    def _counted(self, guarantee: RoiGuarantee) -> np.ndarray:
        """Spend, gmv and orders of a guarantee since the start: [3, lane]."""
        book, scenes = self.floor.book, [self.scene[name] for name in guarantee.scenes]
        spend = self.floor.state.spent[scenes].sum(axis=(0, 1))
        if not guarantee.organic:
            return np.array([spend, *self.floor.state.promised[:, scenes].sum(axis=1)])
        mine = self.floor.world.goods.mix[scenes].sum(axis=(0, 2)) > 0
        return np.array([spend, *(book.products[x][mine].sum(axis=0) for x in ("gmv", "paid"))])

    def _pay(self, kind: str, name: str, amount: np.ndarray) -> None:
        """Book an amount [lane]; whole fen when sampled, never more (hosting: never less) than is owed."""
        if self.floor.sampled:
            up = kind == "settlement"
            amount = (np.ceil(amount * 100 - FEN) if up else np.floor(amount * 100 + FEN)) / 100
        self.paid[kind, name] = self.paid.get((kind, name), 0.0) + amount
        self.floor.book.add(**{kind: amount[None]})
        if kind != "settlement":  # a host pays for sales that are missing, not for media
            self.floor.book.add(money_back=amount[None])

    # ------------------------------------------------------------------ at the end
    def close(self) -> None:
        """Settle what is known only when the run is over."""
        kept = self._not_paid_back()
        for name, rebate in self.rules.rebates.items():
            eligible = self._eligible(rebate, kept)
            self._pay("rebate", name, matched(eligible, rebate.rate, rebate.cap))
        credit = self.rules.credit
        if credit and self.floor.world.scenario.budget < credit.budget_below:
            own = kept.sum(axis=(0, 1)) - self._paid("rebate")
            self._pay("credit", "", matched(own, credit.match, credit.cap))
        for name, hosted in self.rules.hosted.items():
            gmv = self._gmv(hosted.products)
            self.floor.book.add(hosted_fee=(hosted.fee * gmv)[None])
            self._pay("settlement", name, made_up(gmv, hosted.guaranteed_gmv))
        self._write_down()

    def _not_paid_back(self) -> np.ndarray:
        """Auction spend less what guaranteed returns gave back of it [CNY]: [scene, phase, lane]."""
        kept = self.floor.state.spent.copy()
        for name, guarantee in self.rules.roi_guarantees.items():
            scenes = [self.scene[one] for one in guarantee.scenes]
            back = ratio(self._paid("guarantee", name), kept[scenes].sum(axis=(0, 1)))
            kept[scenes] *= 1 - back
        return kept

    def _paid(self, kind: str, only: str | None = None) -> np.ndarray:
        """Paid so far by all rules of a kind, or by one of them [CNY]: [lane]."""
        found = [x for (k, name), x in self.paid.items() if k == kind and only in (None, name)]
        return np.asarray(sum(found, np.zeros(self.floor.lanes)))

    def _eligible(self, rebate: Rebate, kept: np.ndarray) -> np.ndarray:
        """Spend that stays with the seller, by the weight of the products that opt in [CNY]: [lane]."""
        scenes = [self.scene[name] for name in rebate.scenes or self.scene]
        spend = kept[scenes].sum(axis=1)
        if not rebate.products:
            return spend.sum(axis=0)
        mine = [self.product[name] for name in rebate.products]
        part = self.floor.world.goods.mix[scenes][:, mine].sum(axis=1)
        return np.asarray((spend * part).sum(axis=0))

    def _gmv(self, products: list[str]) -> np.ndarray:
        rows = [self.product[name] for name in products or self.product]
        return np.asarray(self.floor.book.products["gmv"][rows].sum(axis=0))

    def _write_down(self) -> None:
        """What is left of goods with a salvage value is worth that, no longer what it cost.

        So are parcels that came back and neither went on sale again nor lost that part of their value; they count
        by the goods in the orders.
        """
        floor, world = self.floor, self.floor.world
        goods, mine = world.goods, world.goods.clearing
        if not mine.any():
            return
        back = floor.book.products["refund_cost"] / goods.unit_cost
        costs = world.costs
        stands = (1 - costs.unsent) * at_least(1 - costs.resale - costs.depreciation, 0.0)
        left = floor.state.stock.left(floor.sampled) + back * stands
        floor.book.add(write_down=(left * (goods.unit_cost - goods.salvage))[mine])

    # ------------------------------------------------------------------ laws
    def limits(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """What must hold: (name, amount, the most that it may be)."""
        back = sum(self._paid(kind) for kind in ("guarantee", "rebate", "credit"))
        yield "money back", np.asarray(back), self.floor.state.spent.sum(axis=(0, 1))
        for name, rebate in self.rules.rebates.items():
            yield f"rebate {name}", self.paid["rebate", name], np.array([rebate.cap])
        if self.rules.credit and ("credit", "") in self.paid:
            yield "credit", self.paid["credit", ""], np.array([self.rules.credit.cap])
        for name, guarantee in self.rules.roi_guarantees.items():
            yield f"guarantee {name}", self._paid("guarantee", name), self._counted(guarantee)[0]
        for name, hosted in self.rules.hosted.items():
            missing = hosted.guaranteed_gmv - self._gmv(hosted.products)
            yield f"gmv that {name} guarantees", missing, self.paid["settlement", name]
        if self.floor.till:
            till = self.floor.till
            yield "subsidies", till.granted, till.offers.quota[:, None]
