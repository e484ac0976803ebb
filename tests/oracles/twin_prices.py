"""The twin's prices: docs/model.md section 17, what buyers pay, what others add, and how buyers answer."""

import math

from scipy.special import gammainc, gammaincc

from simulator.scenario.incentives import Coupon, Subsidy
from simulator.scenario.schema import Scenario
from tests.oracles.twin_chain import order_value_of
from tests.oracles.twin_clock import RUNOFF, Clock, Step
from tests.oracles.twin_goods import find_goods, mean_sold, plenty


class Fund:
    """The money of one subsidy, counted in subsidies of a typical order."""

    def __init__(
        self, subsidy: Subsidy, scenario: Scenario, products: list[str], clock: Clock
    ) -> None:
        self.subsidy = subsidy
        self.spread = scenario.commerce.order_value_sd
        most = subsidy.cap or math.inf
        each = [min(subsidy.rate * float(scenario.products[p].price), most) for p in products]
        self.unit = sum(each) / len(each) if each else 1.0
        self.size, self.demand, self.paid = subsidy.quota / self.unit, 0.0, 0.0
        self.start = clock.seconds(subsidy.start) if subsidy.start else 0
        self.end = clock.seconds(subsidy.end) if subsidy.end else math.inf

    def of_order(self, price: float) -> float:
        """The mean over single orders of min(rate P X, cap), X gamma of mean 1."""
        full, cap = self.subsidy.rate * price, self.subsidy.cap
        if cap is None or full <= 0:
            return full
        if self.spread == 0:
            return min(full, cap)
        shape = 1 / self.spread**2
        below, beyond = (
            gammainc(shape + 1, cap / full * shape),
            gammaincc(shape, cap / full * shape),
        )
        return float(full * below + cap * beyond)

    def is_open(self, step: Step) -> bool:
        return self.start <= step.start < self.end

    def chance(self, step: Step) -> float:
        """A: the probability that the next order finds money."""
        return find_goods(self.size, self.demand) if self.is_open(step) else 0.0

    def grant(self, asked: float) -> float:
        """The part of the money asked for in a step that is paid."""
        wanted = asked / self.unit
        after = self.demand + wanted
        sold = mean_sold(self.size, after) - mean_sold(self.size, self.demand)
        sold = wanted if plenty(self.size, after) else min(max(sold, 0.0), wanted)
        self.demand = after
        self.paid += sold * self.unit
        return sold * self.unit / asked if asked > 0 else 0.0


class Prices:
    """Prices by product and phase, and the odds multipliers that they make."""

    def __init__(self, scenario: Scenario, clock: Clock) -> None:
        self.scenario = scenario
        subsidies = scenario.incentives.subsidies.values()
        covered = {
            p: next((s for s in subsidies if not s.products or p in s.products), None)
            for p in scenario.products
        }
        funds = {
            id(s): Fund(s, scenario, [p for p, own in covered.items() if own is s], clock)
            for s in subsidies
        }
        self.funds = list(funds.values())
        self.fund_of = {p: funds[id(s)] if s else None for p, s in covered.items()}
        self.elastic = any(g.price_elasticity > 0 for g in scenario.segments.values())

    def _coupons(self, p: str, phase: str) -> list[Coupon]:
        return [
            c
            for c in self.scenario.incentives.coupons.values()
            if (phase in c.phases or (not c.phases and phase != RUNOFF))
            and (not c.products or p in c.products)
        ]

    def seller(self, p: str, phase: str) -> float:
        """What the seller takes for an order of value 1 without the coupons' larger baskets."""
        item = self.scenario.products[p]
        price = item.price * (1 - item.discount.get(phase, 0.0))
        price *= math.prod(1 - c.merchant for c in self._coupons(p, phase))
        return max(float(price), item.salvage or 0.0)

    def size(self, p: str, phase: str) -> float:
        """h."""
        return math.prod(float(c.order_value) for c in self._coupons(p, phase))

    def refund(self, p: str, phase: str) -> float:
        return math.prod(float(c.refund) for c in self._coupons(p, phase))

    def buyer(self, p: str, phase: str) -> float:
        """P."""
        part = math.prod(1 - c.platform for c in self._coupons(p, phase))
        return self.seller(p, phase) * part * self.size(p, phase)

    def aid(self, p: str, phase: str) -> float:
        """What the platform's coupons add to P."""
        return self.seller(p, phase) * self.size(p, phase) - self.buyer(p, phase)

    def responses(self, step: Step) -> dict[str, dict[str, float]]:
        """Odds multipliers by product and segment."""
        return {
            p: {g: self._response(p, g, step) for g in self.scenario.segments}
            for p in self.scenario.products
        }

    def _response(self, p: str, g: str, step: Step) -> float:
        facts, phase = self.scenario.segments[g], step.phase_name
        usual = self.scenario.products[p].price * (1 - step.phase.usual_discount)
        usual *= self.size(p, phase) * order_value_of(facts)
        price = self.buyer(p, phase) * order_value_of(facts)
        fund = self.fund_of[p]
        chance = fund.chance(step) if fund else 0.0
        helped = price - fund.of_order(price) if fund else price
        full, less = (max(0.01, x / usual) ** -facts.price_elasticity for x in (price, helped))
        return float((1 - chance) * full + chance * less)

    def mean_paid(self, p: str, g: str, effect: float, step: Step) -> float:
        """What a buyer of g pays in the mean for an order, stages (`effect`) and subsidies included."""
        value = order_value_of(self.scenario.segments[g])
        price, fund = self.buyer(p, step.phase_name) * effect * value, self.fund_of[p]
        return price - (fund.chance(step) * fund.of_order(price) if fund else 0.0)

    def subsidy(self, p: str, price: float, step: Step) -> float:
        """s of an order at a price, while the subsidy is open."""
        fund = self.fund_of[p]
        return fund.of_order(price) if fund and fund.is_open(step) else 0.0
