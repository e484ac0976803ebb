"""Orders that free visits alone bring on a normal day at the start: what capacities can be held against.

symbol   meaning                                                     unit
V        free visits of a source on a normal day                     visits
s        readiness to buy of a chain stage, reference mix 1          1
kappa    odds of buying a product against the average one            1

They are what docs/model.md sections 6 to 10 make of visits at the start, with the mean of every number. Orders out of
baskets, of habit and of pushes come on top, so that there are more rather than fewer.
"""

from collections.abc import Mapping

from simulator.scenario.chain import BAND_OF_STAGE, BANDS, CHAIN_STAGES, Chain
from simulator.scenario.goods import PRODUCT_STAGES, Product
from simulator.scenario.people import Segment, activity_of, readiness_of
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import Source


def organic_orders(scenario: Scenario) -> dict[str, float]:
    """Orders of a normal day without any ad, by product."""
    odds = {name: _odds_of(scenario, product) for name, product in scenario.products.items()}
    total = sum(float(product.organic) for product in scenario.products.values())
    looks = {name: float(p.organic) / total for name, p in scenario.products.items()}
    mean = sum(looks[name] * odds[name] for name in looks)
    orders = sum(_orders_of(scenario, source, mean) for source in scenario.sources.values())
    return {name: orders * looks[name] * odds[name] / mean for name in looks}


def _odds_of(scenario: Scenario, product: Product) -> float:
    cycle = scenario.life_cycle
    stage = cycle.cvr[PRODUCT_STAGES.index(product.product_stage)]
    aged = (1 - cycle.generation_decay) ** (product.generation - 1)
    return float(product.product_power) * aged * stage


def _orders_of(scenario: Scenario, source: Source, kappa: float) -> float:
    """V x the chance that a visit buys, over segments and stages."""
    ready, odds = readiness(scenario.chain), source.organic_cvr / (1 - source.organic_cvr)
    visits, orders = 0.0, 0.0
    for segment in scenario.segments.values():
        for stage, share in stages_at_start(segment).items():
            band = BANDS[BAND_OF_STAGE[CHAIN_STAGES.index(stage)]]
            here = segment.people * share * activity_of(segment) * source.organic_bands.get(band, 0)
            buys = odds * readiness_of(segment) * scenario.personalisation * kappa
            visits += here
            orders += here * min(1.0, ready[stage] * buys / (1 + buys))
    return float(source.organic_visits * orders / visits) if visits else 0.0


def readiness(chain: Chain) -> dict[str, float]:
    """s: readiness to buy on a visit, 1 on average over the stages of the reference mix."""
    mean = sum(share * chain.buy_propensity.get(c, 0.0) for c, share in chain.reference_mix.items())
    return {stage: chain.buy_propensity.get(stage, 0.0) / mean for stage in CHAIN_STAGES}


def stages_at_start(segment: Segment) -> Mapping[str, float]:
    """Share of the people in each chain stage, `outside` included."""
    extra = segment.start.get("perform", 0.0)
    inside = {
        c: segment.start.get(c, 0.0) + (extra if c == "cart" else 0) for c in CHAIN_STAGES[1:]
    }
    return {"outside": 1 - sum(inside.values()), **inside}
