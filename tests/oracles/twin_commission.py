"""The twin's commissioned media: docs/model.md section 6."""

import math

from simulator.scenario.chain import BANDS
from simulator.scenario.schema import Scenario
from tests.oracles.twin_chain import WHO, Segment, activity_of, cvr_of, order_value_of
from tests.oracles.twin_clock import RUNOFF, Step
from tests.oracles.twin_goods import Goods, odds, prob
from tests.oracles.twin_prices import Prices

Bands = dict[str, dict[str, float]]  # by segment and band


class Partner:
    """One partner: its visits of a step, and what it has cost."""

    def __init__(
        self, name: str, scenario: Scenario, people: dict[str, Segment], prices: Prices
    ) -> None:
        facts = scenario.commissions[name]
        self.prices = prices
        self.name, self.key, self.facts = name, ("commission", name), facts
        self.source = scenario.sources[facts.source]
        self.segments = scenario.segments
        self.phases = facts.phases or list(scenario.calendar.phases)
        start = {g: segment.band_people() for g, segment in people.items()}
        weights = {
            g: {b: activity_of(s) * facts.bands.get(b, 0.0) for b in BANDS}
            for g, s in scenario.segments.items()
        }
        total = sum(start[g][b] * weights[g][b] for g in start for b in BANDS)
        rho = facts.visits / total if total > 0 else 0.0
        self.rates = {g: {b: rho * w for b, w in row.items()} for g, row in weights.items()}
        self.cap = math.inf if facts.cap is None else float(facts.cap)
        self.visits = self.gmv = self.cost = 0.0
        self.fee_due = True
        self.came: Bands = {}
        self.buying: Bands = {}  # bz_cg of strangers and of customers, by segment

    def bring(
        self, step: Step, traffic: float, people: dict[str, Segment], goods: Goods, demand: float
    ) -> Bands:
        """Buying visits by segment and band; the visits are `came`."""
        active = step.phase_name != RUNOFF and step.phase_name in self.phases
        if active and self.fee_due:
            self.fee_due = False
            self.pay(float(self.facts.fee))
        level = {g: k * step.phase.cvr * demand for g, k in goods.scene_kappa[self.key].items()}
        buy = {
            g: prob(odds(self.facts.cvr) * cvr_of(facts) * level[g])
            for g, facts in self.segments.items()
        }
        foreseen = 0.0
        self.came = {}
        for g, segment in people.items():
            ready, bands = segment.ready_to_order(), segment.band_people()
            self.came[g] = {
                b: bands[b] * self.rates[g][b] * traffic if active else 0.0 for b in BANDS
            }
            eager = sum(self.came[g][b] * ready[b] for b in BANDS)
            worth = self._kept_order(step, goods, g)
            foreseen += eager * buy[g] * step.readiness * worth * order_value_of(self.segments[g])
        due = foreseen * self.facts.rate
        room = max(0.0, self.cap - self.cost)
        theta = min(1.0, room / due) if due > 0 else float(room > 0 or self.facts.rate == 0)
        self.came = {g: {b: x * theta for b, x in row.items()} for g, row in self.came.items()}
        self.visits += sum(sum(row.values()) for row in self.came.values())
        bought = {g: {b: x * buy[g] for b, x in row.items()} for g, row in self.came.items()}
        self.buying = {
            who: {g: weighted(row, people[g].ready_of(who)) for g, row in bought.items()}
            for who in WHO
        }
        return bought

    def touches(self, g: str, weights: dict[str, float]) -> float:
        """t_cwg of section 8: touches of its visits in a segment, weighted by band."""
        return self.source.touch * weighted(self.came[g], weights)

    def _kept_order(self, step: Step, goods: Goods, g: str) -> float:
        """Mean gmv of an order on its visits that will be kept."""
        total = 0.0
        for p, weight in goods.mixes[self.key].items():
            refund = self.prices.refund(p, step.phase_name)
            kept = 1 - goods.products[p].refund_probability(step.phase, self.segments[g], refund)
            kept *= self.prices.buyer(p, step.phase_name) * goods.products[p].price_effect
            total += weight * goods.kappa(p, g) / goods.scene_kappa[self.key][g] * kept
        return total

    def pay(self, due: float) -> None:
        self.cost += min(due, self.cap - self.cost)


def weighted(row: dict[str, float], weights: dict[str, float]) -> float:
    """Sum over the bands."""
    return sum(x * weights[b] for b, x in row.items())
