"""The twin's people at the end of a run: docs/model.md section 14, what each is worth from then on.

One-day steps of a normal day, free visits only, everything about the products as at the start, and
no shock: what a person is worth does not depend on the fortune of the run.
"""

import numpy as np

from simulator.scenario.calendar import Phase
from simulator.scenario.chain import BANDS, CHAIN_STAGES
from simulator.scenario.schema import Scenario
from tests.oracles.twin_chain import (
    DIRECT,
    ORDERS,
    WHO,
    WITH_OLD,
    Chain,
    Contacts,
    Segment,
    StepTerms,
    bar,
    cvr_of,
    leads_to,
    order_value_of,
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
        self.orders = {g: self._order(g) for g in scenario.segments}
        self.values = {g: self._values(g) for g in scenario.segments}
        repeats = scenario.chain.repeat is not None
        self.won = {g: self._won(g) for g in scenario.segments if repeats}

    def of(self, people: dict[str, Segment]) -> float:
        """All people and baskets of customers [CNY]."""
        release = bar(self.phase.release)
        in_time = release / (release + 1 / self.scenario.chain.basket_days)
        total = 0.0
        for g, segment in people.items():
            total += sum(segment.people[c] * v for c, v in self.values[g].items())
            total += segment.carts * self.orders[g] * in_time
            if self.won:
                joined = segment.people["initial"] - segment.old["initial"]
                total += joined * (self.won[g] - self.values[g]["initial"])
        return total

    def _order(self, g: str) -> float:
        """Mean contribution of an order [CNY]."""
        commerce = self.scenario.commerce
        people = self.scenario.segments[g]
        order_value = order_value_of(people)
        total = 0.0
        for p, share in self.mix.items():
            product = self.goods.products[p]
            rho = product.refund_probability(self.phase, people)
            paid = product.price * order_value
            kept = (
                paid * (1 - rho) * (1 - commerce.commission - commerce.technology_fee)
                - commerce.payment_fee * paid
            )
            unsent = commerce.refund_fast_share * rho
            returned = rho - unsent
            cost = product.unit_cost * order_value
            cost *= 1 - rho + returned * commerce.depreciation
            usual = commerce.refund_handling
            extra = product.extra_handling(people, usual, commerce.depreciation)
            handled = commerce.fulfilment * (1 - unsent) + returned * (usual + extra)
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

    def _won(self, g: str) -> float:
        """V of a first-time buyer of the run: its habit stays weaker until the next order."""
        table = self._everybody(g).hazards(self._day(), self._contacts(g))["initial"]
        rules = self.scenario.chain
        table[DIRECT] -= (1 - rules.repeat.event_factor) * self.chain.habit(rules.lapse_days)
        total, beta = sum(table.values()), (1 - self.scenario.commerce.discount_rate) ** (1 / 365)
        gain = 0.0
        for move, hazard in table.items():
            part = -np.expm1(-total) * hazard / total
            order = self.orders[g] if move in ORDERS else 0.0
            gain += beta * part * (order + self.values[g][leads_to("initial", move)])
        return gain / (1 - beta * np.exp(-total))

    def _everybody(self, g: str) -> Segment:
        """A segment in which every stage holds one person, customers all old."""
        segment = Segment(g, self.scenario, self.chain)
        segment.people = dict.fromkeys(CHAIN_STAGES, 1.0)
        segment.old = dict.fromkeys(WITH_OLD, 1.0)
        return segment

    def _day(self) -> StepTerms:
        """A normal day, at the very start."""
        everybody = [(who, g) for who in WHO for g in self.goods.segments]
        return StepTerms(
            days=1.0,
            living=1.0,
            browsing=1.0,
            middle=0.0,
            cart=1.0,
            liked={(who, g): x for who in WHO for g, x in self.goods.liked_at_start.items()},
            success=1.0,
            release=dict.fromkeys(everybody, bar(self.phase.release)),
            deposit=dict.fromkeys(self.goods.segments, 0.0),
            deposit_release=0.0,
            presold=dict.fromkeys(everybody, 0.0),
            balance=0.0,
            buying=1.0,
        )

    def _contacts(self, g: str) -> Contacts:
        touches, buys = dict.fromkeys(BANDS, 0.0), dict.fromkeys(BANDS, 0.0)
        for m, source in self.scenario.sources.items():
            factor = cvr_of(self.scenario.segments[g]) * self.goods.liked_at_start[g]
            factor *= self.scenario.personalisation
            buy = prob(odds(source.organic_cvr) * factor)
            for b, rate in self.rates[m][g].items():
                touches[b] += rate * source.touch
                buys[b] += rate * buy
        return Contacts(dict.fromkeys(BANDS, 0.0), touches, buys, touches["outside"])
