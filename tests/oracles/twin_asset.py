"""The twin's people at the end of a run: docs/model.md section 14, what each is worth from then on.

One-day steps of a normal day, free visits only, everything about the products as at the start, and
no shock: what a person is worth does not depend on the fortune of the run.
"""

import numpy as np

from simulator.scenario.schema import BANDS, CHAIN_STAGES, Phase, Scenario
from tests.oracles.twin_chain import (
    ORDERS,
    WITH_OLD,
    Chain,
    Contacts,
    Segment,
    StepTerms,
    bar,
    leads_to,
)
from tests.oracles.twin_goods import Goods, odds, prob

Rates = dict[str, dict[str, dict[str, float]]]


class Worth:
    """V of a person by segment and stage, and of an order that stands in a customer's basket."""

    def __init__(self, scenario: Scenario, goods: Goods, rates: Rates) -> None:
        self.scenario, self.goods, self.rates = scenario, goods, rates
        self.chain = Chain(scenario)
        self.phase = Phase(start=scenario.calendar.end)
        self.mix = dict(goods.organic_start)  # pi_p
        self.kappa = sum(
            share * goods.products[p].own_power * goods.products[p].cvr
            for p, share in self.mix.items()
        )
        self.orders = {g: self._order(g) for g in scenario.segments}
        self.values = {g: self._values(g) for g in scenario.segments}

    def of(self, people: dict[str, Segment]) -> float:
        """All people and baskets of customers [CNY]."""
        release = bar(self.phase.release)
        in_time = release / (release + 1 / self.scenario.chain.basket_days)
        total = 0.0
        for g, segment in people.items():
            total += sum(segment.people[c] * v for c, v in self.values[g].items())
            total += segment.carts * self.orders[g] * in_time
        return total

    def _order(self, g: str) -> float:
        """Mean contribution of an order [CNY]."""
        commerce = self.scenario.commerce
        order_value = self.scenario.segments[g].order_value
        total = 0.0
        for p, share in self.mix.items():
            product = self.goods.products[p]
            rho = product.refund_probability(self.phase)
            paid = product.price * order_value
            kept = (
                paid * (1 - rho) * (1 - commerce.commission - commerce.technology_fee)
                - commerce.payment_fee * paid
            )
            cost = product.unit_cost * order_value * (1 - rho + rho * commerce.depreciation)
            handled = commerce.fulfilment + rho * commerce.refund_handling
            total += share * (kept - cost - handled)
        return total

    def _values(self, g: str) -> dict[str, float]:
        """V = beta (c + P V)."""
        table = self._everybody(g).hazards(self._day(), self._contacts(g))
        size = len(CHAIN_STAGES)
        moves, orders = np.eye(size), np.zeros(size)
        for i, stage in enumerate(CHAIN_STAGES):
            total = sum(table[stage].values())
            leaving = -np.expm1(-total)
            for move, hazard in table[stage].items():
                part = leaving * hazard / total if total > 0 else 0.0
                moves[i, i] -= part
                moves[i, CHAIN_STAGES.index(leads_to(stage, move))] += part
                orders[i] += part if move in ORDERS else 0.0
        beta = (1 - self.scenario.commerce.discount_rate) ** (1 / 365)
        values = np.linalg.solve(np.eye(size) - beta * moves, beta * orders * self.orders[g])
        return dict(zip(CHAIN_STAGES, map(float, values), strict=True))

    def _everybody(self, g: str) -> Segment:
        """A segment in which every stage holds one person, customers all old."""
        segment = Segment(g, self.scenario, self.chain)
        segment.people = dict.fromkeys(CHAIN_STAGES, 1.0)
        segment.old = dict.fromkeys(WITH_OLD, 1.0)
        return segment

    def _day(self) -> StepTerms:
        """A normal day, at the very start."""
        return StepTerms(
            days=1.0,
            browsing=1.0,
            middle=0.0,
            cart=1.0,
            success=1.0,
            release=bar(self.phase.release),
            deposit=0.0,
            deposit_release=0.0,
            balance=0.0,
        )

    def _contacts(self, g: str) -> Contacts:
        touches, buys = dict.fromkeys(BANDS, 0.0), dict.fromkeys(BANDS, 0.0)
        for m, source in self.scenario.sources.items():
            factor = self.scenario.segments[g].cvr * self.kappa
            buy = prob(odds(source.organic_cvr) * factor)
            for b, rate in self.rates[m][g].items():
                touches[b] += rate * source.touch
                buys[b] += rate * buy
        return Contacts(dict.fromkeys(BANDS, 0.0), touches, buys)
