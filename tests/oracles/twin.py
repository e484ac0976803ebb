"""The twin: one lane of docs/model.md in expected mode, a second time, in plain Python.

Written from docs/model.md alone; it shares the scenario's schema with the simulator and nothing
else. SimPy owns the clock: a process per scene (its bid and its pacing), one per product's
deliveries and per balance window, the refunds, the daily close, and the market, which runs the
steps. A step:

1. what is due at this moment: forfeits, deliveries, refunds, the daily close (their processes)
2. contracts are served
3. scenes open the step (target, level) and move their bids; the market shares opportunities
   out; they pay
4. clicks, visits, free visits, contacts per person
5. the chain and customers' baskets
6. orders: products, stock, refunds to come; what found no goods stays where it was
7. all moves at once; exposure, fatigue, baskets' weights
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import simpy

from simulator.scenario.calendar import Phase
from simulator.scenario.chain import BANDS, CHAIN_STAGES
from simulator.scenario.goods import Shipping
from simulator.scenario.scenes import Creatives, Explore
from simulator.scenario.schema import Scenario
from tests.oracles.twin_asset import Worth
from tests.oracles.twin_chain import (
    BALANCE,
    BAND,
    CUSTOMERS,
    DIRECT,
    NEWCOMERS,
    ORDERS,
    RELEASE,
    STRANGERS,
    WHO,
    Chain,
    Contacts,
    Hazards,
    Segment,
    StepTerms,
    Who,
    activity_of,
    bar,
    cvr_of,
    order_value_of,
    renewal,
    who_are,
)
from tests.oracles.twin_clock import DAY, RUNOFF, Clock, Step, runoff_days
from tests.oracles.twin_commission import Partner
from tests.oracles.twin_crowds import layered
from tests.oracles.twin_deals import Deals
from tests.oracles.twin_goods import (
    Goods,
    Halo,
    Product,
    Terms,
    Ways,
    best_of,
    odds,
    prob,
    scaled_to_one,
    told,
)
from tests.oracles.twin_luck import shock_factors
from tests.oracles.twin_media import (
    Contracts,
    Market,
    Package,
    Scene,
    Supply,
    make_placements,
)
from tests.oracles.twin_prices import Prices
from tests.oracles.twin_weather import Sky

BASKET = ("favourite", "cart")
DAY_COUNTS = ("gmv", "spend", "new_customers", "visits")
SCENE_COUNTS = ("impressions", "clicks", "visits", "spend")
OnStep = Callable[[int, dict[str, Any]], None]
Wait = Generator[simpy.Event, Any, None]
Flows = dict[str, Hazards]  # by segment
Wanted = dict[str, dict[str, dict[str, dict[str, float]]]]  # by segment, who, kind and product

TOTALS = (
    "impressions", "viewed", "clicks", "visits", "paid_visits", "free_visits", "favourites",
    "carts", "deposits", "balances", "orders", "paid_orders", "unmet", "refunds", "refund_value",
    "new_customers", "refunded_new_customers", "recalled", "returned", "lapsed", "gmv",
    "gmv_campaign", "spend", "auction_spend", "contract_spend", "money_back", "forfeited",
    "fixed_costs", "peak_payment_load", "pooled", "pooled_fulfilment",
    "late_orders", "days_waited", "peak_shipping_delay", "peak_score_fall",
    "messages", "message_spend", "brand_new_customers",
    "subsidy", "refund_subsidy", "rebate", "credit", "guarantee",
    "settlement", "hosted_fee", "write_down",
    "fixed_costs", "commission_visits", "commission_media",
)  # fmt: skip


@dataclass
class TwinResult:
    """What one lane brought."""

    totals: dict[str, float]
    scenes: dict[str, dict[str, float]]
    scene_phase_spend: dict[tuple[str, str], float]
    packages: dict[str, dict[str, float]]
    people: dict[tuple[str, str], float]
    viewed: dict[str, float]
    products: dict[str, dict[str, Any]]
    daily: list[dict[str, Any]]
    commissions: dict[str, dict[str, float]] = field(default_factory=dict)
    steps: int = 0
    placements: int = 0


@dataclass
class Buyers:
    """Orders of one segment in a step by who makes them and kind, wanted and then paid."""

    wanted: dict[str, dict[str, float]]
    by_habit: float  # R_g: of the direct ones of customers, those without a visit
    found: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """Of the orders tried, by who, kind and product, what finds it."""
    first: dict[str, float] = field(default_factory=dict)  # F_pg
    by_product: dict[str, float] = field(default_factory=dict)

    @property
    def direct(self) -> tuple[float, float, float]:
        """S_g, C_g and R_g."""
        of_customers = self.wanted["customers"][DIRECT]
        return self.wanted["strangers"][DIRECT], of_customers - self.by_habit, self.by_habit

    def part(self, who: str, kind: str) -> float:
        """Part of the orders of one kind that find goods; the others are cut."""
        wanted = self.wanted[who][kind]
        return sum(self.found[who][kind].values()) / wanted if wanted > 0 else 1.0


def run_twin(
    scenario: Scenario,
    money: dict[str, dict[str, float]],
    packages: list[str],
    *,
    point: int | None = None,
    commissions: list[str] | None = None,
    end_after_steps: int | None = None,
    on_step: OnStep | None = None,
    runoff: int | None = None,
) -> TwinResult:
    """Run one lane: money[scene][phase] in CNY, packages as "slot.package", common shocks as in `point`.

    `commissions` names the commissioned media that runs (all if None); `runoff` replaces the length of
    the run-off [d]; `on_step(index, values)` sees every step.
    """
    world = World(layered(scenario), money, packages, shock_factors(scenario, point), runoff)
    world.partners = [p for p in world.partners if commissions is None or p.name in commissions]
    environment = simpy.Environment()
    world.start(environment)
    steps = world.clock.steps[:end_after_steps]
    environment.run(until=environment.process(world.run(environment, steps, on_step)))
    return world.result(len(steps))


class World:
    """The state of the lane and the processes that change it."""

    def __init__(
        self,
        scenario: Scenario,
        money: dict[str, dict[str, float]],
        packages: list[str],
        shocks: dict[str, float],
        runoff: int | None,
    ) -> None:
        self.scenario = scenario
        self.clock = Clock(scenario, runoff_days(scenario) if runoff is None else runoff)
        self.sky = Sky(scenario, self.clock)
        self.goods = Goods(scenario, shocks)
        self.prices = Prices(scenario, self.clock)
        self.supply = Supply(scenario)
        self.chain = Chain(scenario)
        self.people = {g: Segment(g, scenario, self.chain) for g in scenario.segments}
        self.demand = shocks.get("demand", 1.0)
        self.contracts = Contracts(scenario, self.clock, self.supply, packages)
        self.placements = make_placements(scenario, self.goods)
        self.scenes = {s: Scene(s, scenario, money.get(s, {})) for s in scenario.scenes}
        self.market = Market(scenario, self.supply, self.goods, self.people)
        self.market.demand_shock = self.demand
        self.market.readiness = self.clock.readiness()
        for j in self.placements:
            if not j.contract:
                self.market.add(self.scenes[j.scene], j)
        self.placements_of = {
            g: [j for j in self.placements if j.segment == g] for g in self.people
        }
        self.deals = Deals(scenario, self.goods, self.scenes)
        self.partners = [
            Partner(name, scenario, self.people, self.prices) for name in scenario.commissions
        ]
        self.counting = any(s.bid.counts_organic for s in scenario.scenes.values())
        self.last_date = ""
        self._set_pace()
        self._set_free_visits()
        self._fill_carts()
        self.worth = Worth(scenario, self.goods, self.free_rates)
        self.balances = self.clock.balance_shares()
        self.market_levels = self.clock.market_levels()
        self.totals = dict.fromkeys(TOTALS, 0.0)
        self.scene_totals = {
            s: dict.fromkeys((*SCENE_COUNTS, "contract_spend", "offered"), 0.0) for s in self.scenes
        }
        self.days: dict[str, dict[str, float]] = {}
        tests = {s: scene.explore for s, scene in scenario.scenes.items()}
        self.seen = {s: 0.0 for s, test in tests.items() if test}  # orders of the tested product
        self.backlog = self.late_today = self.score_fall = 0.0

    def _set_pace(self) -> None:
        for phase in self.scenario.calendar.phases:
            left = self.clock.remaining(partial(in_phase, phase))
            for scene in self.scenes.values():
                scene.pace_left[phase] = left
                scene.clock = self.clock

    def _set_free_visits(self) -> None:
        """Section 6: rate_mgb, so that the start brings organic_visits_m a day."""
        self.free_rates: dict[str, dict[str, dict[str, float]]] = {}
        start = {g: people.band_people() for g, people in self.people.items()}
        for m, source in self.scenario.sources.items():
            weights = {
                g: {b: activity_of(facts) * source.organic_bands.get(b, 0.0) for b in BANDS}
                for g, facts in self.scenario.segments.items()
            }
            total = sum(start[g][b] * weights[g][b] for g in start for b in BANDS)
            rho = source.organic_visits / total if total > 0 else 0.0
            self.free_rates[m] = {
                g: {b: rho * w for b, w in bands.items()} for g, bands in weights.items()
            }

    def _fill_carts(self) -> None:
        """Section 8: customers' carts of the start, as many filled as released and dropped a day."""
        rules = self.chain.rules
        release = bar(Phase(start=self.clock.start).release)
        for g, people in self.people.items():
            rates = ((m, self.free_rates[m][g]["customers"]) for m in self.scenario.sources)
            touches = sum(self.scenario.sources[m].touch * rate for m, rate in rates)
            fill = touches * self.chain.customer_cart * self.goods.liked_at_start[g]
            drop = (
                renewal(touches, rules.basket_days, 1.0, rules.frequency_shape) / rules.basket_days
            )
            customers = sum(people.people[stage] for stage in CUSTOMERS)
            people.carts = customers * fill / (fill + release + drop)
            self._fill_with_products(people)

    def _fill_with_products(self, people: Segment) -> None:
        """Section 1: K of the start, what free visitors put in."""
        liked = scaled_to_one(self.goods.liked_first(people.name))
        held = {
            "strangers": people.people["favourite"] + people.people["cart"],
            "customers": people.carts,
        }
        for who, baskets in held.items():
            for p, part in liked.items():
                self.goods.baskets[who, people.name][p] = baskets * part

    # ----------------------------------------------------------------- processes beside the market
    def start(self, environment: simpy.Environment) -> None:
        """One process per window, delivery and scene; the market comes last."""
        self.called = environment.event()
        for _, end, _ in self.clock.balances:
            if end > 0:
                environment.process(self.forfeits(environment, end))
        for product in self.goods.products.values():
            environment.process(self.deliveries(environment, product))
        for name, scene in self.scenario.scenes.items():
            if scene.explore:
                environment.process(self.decision(environment, name, scene.explore))
        environment.process(self.refunds(environment))
        environment.process(self.daily_close(environment))
        environment.process(self.windows(environment))
        for scene in self.scenes.values():
            environment.process(self.bids(scene))

    def forfeits(self, environment: simpy.Environment, end: int) -> Wait:
        """Sections 7 and 12: deposits that stand at a window's end, of goods that are still there."""
        yield environment.timeout(end)
        yield environment.timeout(0)  # after the restocks of the moment, before goods come back
        step = next((s for s in self.clock.steps if s.start >= end), self.clock.steps[-1])
        today = {p: self._order_terms(p, step) for p in self.goods.products}
        for g, people in self.people.items():
            order_value = order_value_of(self.scenario.segments[g])
            held = {"strangers": people.people["deposit"], "customers": people.deposits}
            for who, deposits in held.items():
                each = self.goods.deposit_value((who, g), today) * order_value
                self.totals["forfeited"] += deposits * each
            people.forfeit()
        self.goods.forget_deposits()

    def deliveries(self, environment: simpy.Environment, product: Product) -> Wait:
        """Section 9: restocks, those before the start at once."""
        for restock in sorted(product.item.restocks, key=lambda restock: restock.at):
            at = self.clock.seconds(restock.at)
            if at > environment.now:
                yield environment.timeout(at - environment.now)
            product.restock(restock.units)

    def decision(self, environment: simpy.Environment, scene: str, test: Explore) -> Wait:
        """Section 10: at decide_at the product becomes the variant that sold best."""
        yield environment.timeout(self.clock.seconds(test.moment(self.scenario.calendar)))
        a = told(test.sd, self.seen.pop(scene) / test.variants)
        product = self.goods.products[test.product]
        product.power *= best_of(test.variants, a)
        product.bring_effects()

    def refunds(self, environment: simpy.Environment) -> Wait:
        """Section 11: each midnight the finished day's refunds enter and those due fall due; at the end all do."""
        products = self.goods.products.values()
        for moment in self.clock.closings():
            yield environment.timeout(moment - environment.now)
            self._refund_new_customers(sum(product.move_refunds() for product in products))
            self._call_off()
        self._refund_new_customers(sum(product.end_refunds() for product in products))

    def _call_off(self) -> None:
        """Section 9: orders that are refunded before shipping leave the queue."""
        off = sum(
            product.called_off * (1 - product.pooled / product.paid)
            for product in self.goods.products.values()
            if product.paid > 0
        )
        self.backlog = max(0.0, self.backlog - off)

    def _refund_new_customers(self, first: float) -> None:
        """Section 11: refunded first orders, each segment's in proportion to what it is still to get."""
        parts = scaled_to_one({g: people.to_refund for g, people in self.people.items()})
        parts = parts or scaled_to_one({g: p.new_unrefunded for g, p in self.people.items()})
        for g, part in parts.items():
            moved = self.people[g].refund_first_orders(first * part)
            self.totals["refunded_new_customers"] += moved

    def daily_close(self, environment: simpy.Environment) -> Wait:
        """Section 10: each midnight product stages and organic weights move."""
        for moment in self.clock.closings():
            yield environment.timeout(moment - environment.now)
            self._judge()
            level = self.market_levels[self.clock.date(moment - 1)]
            for product in self.goods.products.values():
                product.close_day(level)

    def windows(self, environment: simpy.Environment) -> Wait:
        """Section 17: every seven days guaranteed returns are settled."""
        for day, moment in enumerate(self.clock.midnights(), start=1):
            yield environment.timeout(moment - environment.now)
            if day % 7 == 0:
                self.deals.end_window()

    def bids(self, scene: Scene) -> Wait:
        """Section 5: what a scene does in a step, each time the market calls."""
        while True:
            act, answers = yield self.called
            act(scene)
            answers[scene.name].succeed()

    # ----------------------------------------------------------------- the market
    def run(
        self, environment: simpy.Environment, steps: list[Step], on_step: OnStep | None
    ) -> Wait:
        """The steps, one after the other."""
        for step in steps:
            yield environment.timeout(0)  # after everything that was due at this moment
            self._launch(step)
            self._look_at_sky(step)
            for p, product in self.goods.products.items():
                product.seller = self.prices.seller(p, step.phase_name)
                effect = product.price_effect
                product.price_paid = {
                    g: self.prices.mean_paid(p, g, effect, step) for g in self.people
                }
            self.goods.bring_mixes(
                self.prices.responses(step)
            )  # after the day's close and all deliveries, before goods come back
            for product in self.goods.products.values():
                product.put_back()
            pi = self._band_shares()
            taken = self.contracts.serve(step)
            yield from self._bidding(environment, step, partial(self.market.open, step, taken, pi))
            values = self.finish_step(step, pi)
            if on_step:
                on_step(step.index, values)
            yield environment.timeout(step.end - step.start)
        yield environment.timeout(0)

    def _launch(self, step: Step) -> None:
        """Section 10: products whose launch has come."""
        for product in self.goods.products.values():
            launch = product.item.launch
            if launch is not None and self.clock.seconds(launch) <= step.start:
                product.launch()

    def _look_at_sky(self, step: Step) -> None:
        """Shocks of the step reach products, people and traffic."""
        self.sky.look(step)
        self.supply.shock = self.sky.traffic
        for p, product in self.goods.products.items():
            product.kappa = product.liked * self.sky.product(p)
        self.market.eager = {g: self.sky.segment(g) for g in self.people}

    def _bidding(
        self, environment: simpy.Environment, step: Step, open_market: Callable[[], None]
    ) -> Wait:
        """Section 5, in its order; all scenes move together."""
        fresh = step.opens_phase or (self.counting and step.date != self.last_date)
        self.last_date = step.date
        yield self._call(environment, lambda scene: scene.open_step(step, self.goods, fresh))
        open_market()
        self._count_free(step)
        share_out = self.market.divide if fresh else self.market.bring_opportunities
        share_out()
        yield self._call(environment, lambda scene: scene.learn(step, self.market))
        for n in range(16):
            if n > 0:
                self.market.divide()
            yield self._call(environment, lambda scene, n=n: scene.move(n, fresh, step))
        self.market.divide()
        yield self._call(environment, lambda scene: scene.take_back())
        self.market.divide()
        yield self._call(environment, lambda scene: scene.settle(step))

    def _count_free(self, step: Step) -> None:
        """Section 5: free sales that count towards scenes' return targets."""
        counting = [s for s in self.scenes.values() if s.facts.bid.counts_organic]
        if step.index == 0 and counting:
            for p, product in self.goods.products.items():
                product.free_gmv = self._usual_sales(p, step)
        ready = self.market.readiness[step.phase_name, step.date]
        market = step.browse * ready * step.phase.traffic * step.phase.cvr
        for scene in counting:
            scene.free_gmv = 0.0
            for p, product in self.goods.products.items():
                claims = sum(s.claim * self.goods.mixes[s.name].get(p, 0.0) for s in counting)
                own = scene.claim * self.goods.mixes[scene.name].get(p, 0.0)
                scene.free_gmv += own / claims * product.free_gmv * market if claims > 0 else 0.0

    def _usual_sales(self, p: str, step: Step) -> float:
        """Section 5: what free visits of a normal day sell of p as the run begins."""
        goods, total = self.goods, 0.0
        for g, people in self.people.items():
            n, ready, facts = (
                people.band_people(),
                people.ready_to_order(),
                self.scenario.segments[g],
            )
            eager = cvr_of(facts) * goods.organic_kappa[g] * self.scenario.personalisation
            orders = sum(
                rate * n[b] * ready[b] * prob(odds(source.organic_cvr) * eager)
                for m, source in self.scenario.sources.items()
                for b, rate in self.free_rates[m][g].items()
            )
            part = goods.organic_mix[p] * goods.kappa(p, g) / goods.organic_kappa[g]
            total += orders * part * order_value_of(facts)
        return total * self._day_price(p, step)

    def _call(self, environment: simpy.Environment, act: Callable[[Scene], None]) -> simpy.Event:
        """Wake all scenes and wait for their answers."""
        answers = {scene: environment.event() for scene in self.scenes}
        self.called, called = environment.event(), self.called
        called.succeed((act, answers))
        return environment.all_of(answers.values())

    def _band_shares(self) -> dict[str, dict[str, float]]:
        """pi_gb."""
        return {
            g: {b: n / people.size for b, n in people.band_people().items()}
            for g, people in self.people.items()
        }

    def finish_step(self, step: Step, pi: dict[str, dict[str, float]]) -> dict[str, Any]:
        """Steps 4 to 7 of the list above; returns what a trace shows."""
        self._show_contracts(step, pi)
        self._look_at_people()
        self.goods.release = bar(step.phase.release) * step.buy
        scene_buys = self._click(step)
        contacts, free_buys = self._contacts(step)
        ways = {who: self._ways(who, scene_buys[who], free_buys[who]) for who in WHO}
        if any(people.delay > 0 for people in self.people.values()):
            ways = {who: self._sign(step, who, own) for who, own in ways.items()}
            self._learn(ways, 1.0)
        else:
            self._learn(ways, step.readiness)
        self.goods.choose(ways)
        self._fill()
        terms = self._terms(step, contacts)
        trace = self._trace(contacts)
        flows: Flows = {}
        baskets: dict[str, dict[str, float]] = {}
        for g, people in self.people.items():
            flows[g] = people.moves(people.hazards(terms, contacts[g]))
            baskets[g] = people.basket_moves(terms, contacts[g])
        buyers = {
            g: self._buyers(people, flows[g], baskets[g]) for g, people in self.people.items()
        }
        self._sell(step, buyers, terms.success)
        for g in self.people:
            self._cut(flows[g], baskets[g], buyers[g])
        self._weigh_deposits(step, flows, baskets, buyers)
        self._weigh_baskets(flows, baskets, buyers)
        for g, people in self.people.items():
            people.apply(flows[g], baskets[g])
            self._age(step, people, contacts[g])
        for partner in self.partners:
            sales = self.guest_sales[partner.name]
            partner.gmv += sum(gmv for gmv, _ in sales)
            partner.pay(partner.facts.rate * sum(gmv * kept for gmv, kept in sales))
        self._count(step, flows, baskets)
        trace |= {"flows": flows, "baskets": baskets}
        trace["n_after"] = {g: dict(people.people) for g, people in self.people.items()}
        return trace

    def _look_at_people(self) -> None:
        """How readily those who are there buy (s'_gb, section 9) and fill baskets (k_gb, section 8)."""
        self.ready = {
            who: {g: people.ready_of(who) for g, people in self.people.items()} for who in WHO
        }
        self.filling = {
            (who, g): {
                b: k if who_are(b) == who else 0.0 for b, k in people.baskets_filled().items()
            }
            for who in WHO
            for g, people in self.people.items()
        }

    # ----- section 6: clicks and visits
    def _show_contracts(self, step: Step, pi: dict[str, dict[str, float]]) -> None:
        shown = self.contracts.impressions()
        crowds = {
            (i, g): sum(scene.audience[b] * share[b] for b in BANDS)
            for i, scene in self.scenes.items()
            for g, share in pi.items()
        }
        bear = self.contracts.within_crowds(shown, crowds, step)
        for j in self.placements:
            if j.contract:
                j.impressions = shown.get((j.scene, j.slot, j.segment), 0.0)
                j.reached = self.contracts.reached(
                    j.slot,
                    self.scenes[j.scene].audience,
                    pi[j.segment],
                    bear.get((self.contracts.pool(j.slot), j.segment), 1.0),
                )

    def _click(self, step: Step) -> dict[str, dict[tuple[str, str], float]]:
        """Clicks, visits and buying visits of every placement; bz_ig by who visits, scene and segment."""
        phase, goods = step.phase, self.goods
        shown = {g: dict.fromkeys(BANDS, 0.0) for g in self.people}
        for j in self.placements:
            for b, share in j.reached.items():
                shown[j.segment][b] += j.impressions * share
        wear = {g: people.wear_of_step(shown[g], step.days) for g, people in self.people.items()}
        buys = {who: {(scene, g): 0.0 for scene in self.scenes for g in self.people} for who in WHO}
        for j in self.placements:
            kappa = goods.scene_kappa[j.scene][j.segment]
            click = (
                j.click_odds
                * goods.scene_ctr[j.scene]
                * phase.ctr
                * j.mean_of_reached(wear[j.segment])
            )
            buy = j.buy_odds * kappa * phase.cvr * self.demand * j.buy_lift
            buy *= self.sky.segment(j.segment)
            click *= j.appeal
            j.clicks = j.impressions * prob(click * j.position_factor * j.click_lift)
            j.visits = j.clicks * j.arrival
            j.buying = j.visits * prob(buy)
            for who, row in buys.items():
                ready = self.ready[who][j.segment]
                row[j.scene, j.segment] += j.buying * j.mean_of_clickers(ready)
            halo = goods.halos[j.scene][j.segment]
            j.looks = j.visits * halo.seen
            j.look_buying = j.looks * self._look_buys(step, j.segment, halo)
        return buys

    def _look_buys(self, step: Step, g: str, halo: Halo) -> float:
        """Probability that a further look buys."""
        ready = halo.kappa * step.phase.cvr * self.demand * self.sky.segment(g)
        return prob(
            odds(self.scenario.life_cycle.halo_cvr) * cvr_of(self.scenario.segments[g]) * ready
        )

    def _ways(self, who: str, scenes: dict[Any, float], free: dict[str, float]) -> Ways:
        """bz_ig, bz_cg, bz_og and the looks that buy, of strangers or of customers."""
        partners = {
            (partner.key, g): buying
            for partner in self.partners
            for g, buying in partner.buying[who].items()
        }
        return Ways({**scenes, **partners}, dict(free), self._looks(who))

    def _looks(self, who: str) -> dict[tuple[Any, str], float]:
        """bzh_ig and bzh_og: looks that buy, by the scene whose visit led to them (None: a free visit)."""
        owners = [None, *self.scenes]
        looks = {(owner, g): 0.0 for owner in owners for g in self.people}
        for j in self.placements:
            ready = self.ready[who][j.segment]
            looks[j.scene, j.segment] += j.look_buying * j.mean_of_clickers(ready)
        for g, buying in self.free_look_buys[who].items():
            looks[None, g] += buying
        return looks

    def _sign(self, step: Step, who: str, ways: Ways) -> Ways:
        """Section 6, late orders: whose visits decided what is ordered now (r is in it)."""

        def signed(kind: str, owner: Any, g: str, buying: float) -> float:
            decision = kind, who, owner
            return self.people[g].signed(decision, buying * step.readiness, step.days)

        return Ways(
            {(i, g): signed("visit", i, g, x) for (i, g), x in ways.scenes.items()},
            {g: signed("free visit", None, g, x) for g, x in ways.free.items()},
            {(i, g): signed("look", i, g, x) for (i, g), x in ways.looks.items()},
        )

    def _learn(self, ways: dict[str, Ways], readiness: float) -> None:
        """Section 10: orders of the tested product that a scene has seen."""
        for scene in self.seen:
            p = self.scenario.scenes[scene].explore.product
            shown = self.goods.mixes[scene].get(p, 0.0)
            for of in ways.values():
                for g in self.people:
                    total = self.goods.scene_kappa[scene][g]
                    part = shown * self.goods.kappa(p, g) / total if total > 0 else 0.0
                    self.seen[scene] += of.scenes[scene, g] * readiness * part

    def _contacts(self, step: Step) -> tuple[dict[str, Contacts], dict[str, dict[str, float]]]:
        """X, Y, Z per person of every band, and bz_og of the free visits by who and segment."""
        sums = {g: [dict.fromkeys(BANDS, 0.0) for _ in range(3)] for g in self.people}
        taken = {g: dict.fromkeys(BANDS, 0.0) for g in self.people}
        for j in self.placements:
            if j.impressions <= 0:
                continue
            views, touches, buys = sums[j.segment]
            replaces = self.scenario.sources[j.source].cannibalisation
            clickers = j.clickers()
            for b, share in j.reached.items():
                views[b] += j.impressions * j.viewability * share
            for b, share in clickers.items():
                touches[b] += (j.visits + j.looks) * j.touch * share
                buys[b] += (j.buying + j.look_buying) * share
                taken[j.segment][b] += j.visits * share * replaces
        of_ads = {g: touches["outside"] for g, (_, touches, _) in sums.items()}
        self._guests(step, sums, taken)
        free_buys = self._free_visits(step, sums, taken)
        contacts = {}
        for g, people in self.people.items():
            n = people.band_people()
            views, touches, buys = (
                {b: x / n[b] if n[b] > 0 else 0.0 for b, x in part.items()} for part in sums[g]
            )
            ready = {b: z * step.readiness for b, z in buys.items()}
            unseen = max(0.0, sums[g][1]["outside"] - of_ads[g])
            unseen /= n["outside"] if n["outside"] > 0 else 1.0
            contacts[g] = Contacts(views, touches, people.put_off(ready, step.days), unseen)
        return contacts, free_buys

    def _guests(
        self,
        step: Step,
        sums: dict[str, list[dict[str, float]]],
        taken: dict[str, dict[str, float]],
    ) -> None:
        """Visits of commissioned media, added to the sums of touches and buys."""
        for partner in self.partners:
            traffic = self.supply.usual_traffic(partner.facts.source, step)
            bought = partner.bring(step, traffic, self.people, self.goods, self.demand)
            for g, row in partner.came.items():
                _, touches, buys = sums[g]
                for b, visits in row.items():
                    touches[b] += visits * partner.source.touch
                    buys[b] += bought[g][b]
                    taken[g][b] += visits * partner.source.cannibalisation
                    self._day(step)["visits"] += visits
                    self.totals["commission_visits"] += visits

    def _free_visits(
        self,
        step: Step,
        sums: dict[str, list[dict[str, float]]],
        taken: dict[str, dict[str, float]],
    ) -> dict[str, dict[str, float]]:
        """Free visits of every band, source by source, added to the sums of touches and buys.

        Returns bz_og.
        """
        self.free_look_buys = {who: dict.fromkeys(self.people, 0.0) for who in WHO}
        self.free_filling = dict.fromkeys(self.filling, 0.0)  # t_owg of section 8
        self.pushed_filling = dict.fromkeys(self.filling, 0.0)
        self.free_visits = sum(j.looks for j in self.placements)
        goods, buying = self.goods, {who: dict.fromkeys(self.people, 0.0) for who in WHO}
        bands = {g: people.band_people() for g, people in self.people.items()}
        coming = {g: dict.fromkeys(BANDS, 0.0) for g in self.people}
        for m in self.scenario.sources:
            traffic = self.supply.traffic(m, step) * goods.organic_multiplier
            traffic *= self.contracts.venue(step)
            for g, rates in self.free_rates[m].items():
                for b, rate in rates.items():
                    coming[g][b] += bands[g][b] * rate * traffic
        for m, source in self.scenario.sources.items():
            traffic = self.supply.traffic(m, step) * goods.organic_multiplier
            traffic *= self.contracts.venue(step)
            for g, rates in self.free_rates[m].items():
                factor = step.phase.cvr * self.demand * self.sky.segment(g)
                ready = cvr_of(self.scenario.segments[g]) * goods.organic_kappa[g]
                ready *= self.scenario.personalisation
                buy = prob(odds(source.organic_cvr) * ready * factor)
                _, touches, buys = sums[g]
                for b, rate in rates.items():
                    visits = bands[g][b] * rate * traffic
                    if visits > 0:
                        visits *= math.exp(-taken[g][b] / coming[g][b])
                    halo = goods.organic_halo[g]
                    looks = visits * halo.seen
                    look_buys = looks * self._look_buys(step, g, halo)
                    touches[b] += (visits + looks) * source.touch
                    buys[b] += visits * buy + look_buys
                    who = who_are(b)
                    buying[who][g] += visits * buy * self.ready[who][g][b]
                    self.free_look_buys[who][g] += look_buys * self.ready[who][g][b]
                    self.free_visits += visits + looks
                    filled = visits * source.touch * self.filling[who, g][b]
                    self.free_filling[who, g] += filled
        self._send(step, sums, buying)
        return buying

    def _send(self, step: Step, sums: dict, buying: dict[str, dict[str, float]]) -> None:
        """Messages of the day."""
        for push in self.scenario.pushes.values():
            if step.date in {day.date().isoformat() for day in push.days}:
                self._push(step, push, sums, buying)

    def _push(self, step: Step, push: Any, sums: dict, buying: dict[str, dict[str, float]]) -> None:
        """Section 6: messages of a day, and visits like free ones of the push's source."""
        of_day = sum(s.browse for s in self.clock.steps if s.date == step.date)
        part = step.browse / of_day if of_day > 0 else 0.0
        source, facts = self.scenario.sources[push.source], self.scenario.segments
        for g in push.segments or self.people:
            ready = cvr_of(facts[g]) * self.goods.organic_kappa[g] * self.scenario.personalisation
            ready *= self.sky.segment(g)
            buy = prob(odds(source.organic_cvr) * ready * step.phase.cvr * self.demand)
            _, touches, buys = sums[g]
            for b, n in self.people[g].band_people().items():
                messages = n * push.audience.get(b, 0.0) * part
                visits = messages * push.reach * push.ctr
                touches[b] += visits * source.touch
                buys[b] += visits * buy
                who = who_are(b)
                buying[who][g] += visits * buy * self.ready[who][g][b]
                self.free_visits += visits
                self.pushed_filling[who, g] += visits * source.touch * self.filling[who, g][b]
                self.totals["messages"] += messages
                self.totals["message_spend"] += messages * push.cost

    def _fill(self) -> None:
        """Section 8: touches of every way to come, weighted by the baskets that they fill (k_gb)."""
        for (who, g), filling in self.filling.items():
            scenes = dict.fromkeys(self.scenes, 0.0)  # t_iwg
            for j in self.placements_of[g]:
                scenes[j.scene] += j.visits * j.touch * j.mean_of_clickers(filling)
            partners = {x.key: x.touches(g, filling) for x in self.partners}  # t_cwg
            free, pushed = self.free_filling[who, g], self.pushed_filling[who, g]
            self.goods.fill((who, g), scenes, partners, free, pushed)

    # ----- sections 7 and 9: what the step's hazards share
    def _terms(self, step: Step, contacts: dict[str, Contacts]) -> StepTerms:
        phase, payment = step.phase, self.scenario.payment
        load = phase.payment_load * step.buy / step.days
        if payment.capacity is not None:
            load = self._attempts(step, contacts) / (step.days * 24 * payment.capacity)
        fail = 0.0
        for share, dense in self.clock.hours(step):
            own = load * dense
            self.totals["peak_payment_load"] = max(self.totals["peak_payment_load"], own)
            fail += share * min(0.5, payment.fail * self._empty_wallets(step) * own**2)
        success = 1 - fail * (1 - payment.retry)
        visits, kept = self._deposits_open(step)
        return StepTerms(
            days=step.days,
            living=step.days if step.start < self.clock.close_of_sales else 0.0,
            browsing=step.browse if step.browse > 0 else step.days,
            middle=self._middle(step),
            cart=float(phase.cart),
            liked=self.goods.liked,
            success=success,
            release=self._releases(step),
            deposit={
                g: dep * phase.deposit / phase.cvr if phase.cvr > 0 else 0.0
                for g, dep in visits.items()
            },
            deposit_release=bar(phase.deposit_release) * step.buy,
            presold=kept,
            balance=bar(success * self.balances.get(step.index, 0.0)),
            buying=step.buy,
        )

    def _releases(self, step: Step) -> dict[Who, float]:
        """bar(release) U, at the prices of what stands in baskets (R_wg of section 17)."""
        release = bar(step.phase.release) * step.buy
        return {who: release * self.goods.basket_readiness(who) for who in self.goods.baskets}

    def _deposits_open(self, step: Step) -> tuple[dict[str, float], dict[Who, float]]:
        """dep_g and depk_wg: 0 where no balance window that has not ended can settle a deposit."""
        goods = self.goods
        if not any(end > step.start for _, end, _ in self.clock.balances):
            return dict.fromkeys(self.people, 0.0), dict.fromkeys(goods.baskets, 0.0)
        visits = {
            g: sum(goods.presale_there(goods.first_of["strangers", g]).values())
            for g in self.people
        }
        kept = {
            who: sum(goods.presale_there(goods.standing(who)).values()) for who in goods.baskets
        }
        return visits, kept

    def _middle(self, step: Step) -> float:
        return (step.start + step.end) / 2 / DAY

    def _empty_wallets(self, step: Step) -> float:
        """Buyers whose wallet is not filled: less in each phase after a top-up."""
        empty = 1 - self.scenario.payment.wallet_share
        for span in self.clock.spans:
            if span.name == step.phase_name:
                return float(empty)
            empty *= 1 - span.phase.wallet_topup
        raise KeyError(step.phase_name)

    def _attempts(self, step: Step, contacts: dict[str, Contacts]) -> float:
        """Orders that buyers try to pay for: by visits, from baskets, and balances."""
        chain = self.scenario.chain
        releases, due = self._releases(step), self.balances.get(step.index, 0.0)
        total = 0.0
        for g, people in self.people.items():
            n = people.people
            total += sum(
                n[stage] * self.chain.propensity[stage] * contacts[g].buys[BAND[stage]]
                for stage in CHAIN_STAGES
                if stage != "deposit"
            )
            release = releases["strangers", g]
            total -= math.expm1(-chain.favourite_release * release) * n["favourite"]
            total -= math.expm1(-release) * n["cart"]
            total -= math.expm1(-releases["customers", g]) * people.carts
            total += due * (n["deposit"] + people.deposits)
            middle, customers = self._middle(step), ("initial", "numerous", "keen")
            total += sum(n[c] * people.habit(c, middle) for c in customers) * step.buy
        return total

    # ----- section 9: orders and stock
    def _buyers(self, people: Segment, flows: Hazards, basket: dict[str, float]) -> Buyers:
        """Orders of the step in a segment, before the stock cut."""
        wanted = {
            who: {
                kind: sum(moves.get(kind, 0.0) for moves in self._moves_of(who, flows, basket))
                for kind in ORDERS
            }
            for who in WHO
        }
        by_habit = sum(flows[stage][DIRECT] * people.habit_part[stage] for stage in CUSTOMERS)
        return Buyers(wanted, by_habit)

    def _moves_of(
        self, who: str, flows: Hazards, basket: dict[str, float]
    ) -> list[dict[str, float]]:
        """Moves that make first orders, or the others, those of customers' baskets among them."""
        of = [moves for stage, moves in flows.items() if who_are(BAND[stage]) == who]
        return of if who == "strangers" else [*of, basket]

    def _sell(self, step: Step, buyers: dict[str, Buyers], success: float) -> None:
        """What is wanted, tried and found, and what the step books."""
        goods, products = self.goods, self.goods.products
        goods.choose_directly({g: own.direct for g, own in buyers.items()})
        if goods.runs_short(self._total(self._wanted(buyers, "first"))):
            goods.choose_in_full()
            goods.choose_directly(goods.orders)
            goods.turn(self._total(self._wanted(buyers, "first")))
        tried, wanted = self._wanted(buyers, "tried"), self._wanted(buyers, "wanted")
        tried_of, wanted_of = self._total(tried), self._total(wanted)
        chance = {p: product.serve(tried_of[p]) for p, product in products.items()}  # f_p
        for g, own in buyers.items():
            self._find(own, tried[g], wanted[g], chance)
        sold = {p: sum(own.by_product[p] for own in buyers.values()) for p in products}
        for p, product in products.items():
            product.unmet += wanted_of[p] - sold[p]
            self.totals["unmet"] += wanted_of[p] - sold[p]
            self.totals["orders"] += sold[p] / success
        self._book_all(step, buyers, sold, tried_of)

    def _find(
        self,
        own: Buyers,
        tried: dict[str, dict[str, dict[str, float]]],
        wanted: dict[str, dict[str, dict[str, float]]],
        chance: dict[str, float],
    ) -> None:
        """Paid orders T_pg f_p of a segment, at most X_pg; F_pg likewise."""
        own.found = {
            who: {
                kind: {p: x * chance[p] for p, x in weights.items()}
                for kind, weights in kinds.items()
            }
            for who, kinds in tried.items()
        }
        for p in chance:
            found = {who: sum(kind[p] for kind in own.found[who].values()) for who in WHO}
            most = {who: sum(kind[p] for kind in wanted[who].values()) for who in WHO}
            own.first[p] = min(found["strangers"], most["strangers"])
            own.by_product[p] = min(sum(found.values()), sum(most.values()))

    def _book_all(
        self,
        step: Step,
        buyers: dict[str, Buyers],
        sold: dict[str, float],
        tried: dict[str, float],
    ) -> None:
        """Book the paid orders: whose visits brought them, at what price, sent when."""
        products, parts = self.goods.products, self.goods.brought(tried)
        for p, product in products.items():
            self._link(product, parts[p])
            self._agree(product, step, buyers)
        self.late_part = dict.fromkeys(products, 0.0)
        if self.scenario.shipping is not None:
            sent = {p: sold[p] - product.from_shops for p, product in products.items()}
            self._queue(step, sent, sold, self.scenario.shipping)
        self.guest_sales: dict[str, list[tuple[float, float]]] = {p.name: [] for p in self.partners}
        funded = self._grant(step, buyers)
        for p, product in products.items():
            for g, own in buyers.items():
                self._book(step, product, g, own, funded.get(p, 0.0))

    def _grant(self, step: Step, buyers: dict[str, Buyers]) -> dict[str, float]:
        """Section 17: the part of each product's subsidies of the step for which there is money."""
        funded: dict[str, float] = {}
        for fund in self.prices.funds:
            if not fund.is_open(step):
                continue
            own = [p for p, of in self.prices.fund_of.items() if of is fund]
            asked = sum(
                b.by_product[p] * self.prices.subsidy(p, self._price(p, g, step), step)
                for g, b in buyers.items()
                for p in own
            )
            funded |= dict.fromkeys(own, fund.grant(asked))
        return funded

    def _day_price(self, p: str, step: Step) -> float:
        """P, as far as the stage takes it."""
        return self.prices.buyer(p, step.phase_name) * self.goods.products[p].price_effect

    def _price(self, p: str, g: str, step: Step) -> float:
        """P v, balances being paid at the price of their deposit."""
        price = self.goods.products[p].terms["price"]
        return price * order_value_of(self.scenario.segments[g])

    def _order_terms(self, p: str, step: Step) -> Terms:
        """Section 9: what an order of value 1 is on the terms of the day."""
        prices, phase = self.prices, step.phase_name
        return {
            "price": self._day_price(p, step),
            "aid": prices.aid(p, phase) * self.goods.products[p].price_effect,
            "size": prices.size(p, phase),
            "refund": prices.refund(p, phase),
        }

    def _agree(self, product: Product, step: Step, buyers: dict[str, Buyers]) -> None:
        """Section 9: the mean terms of the step's orders, balances on those of their deposits."""
        p, balances, all_orders = product.name, 0.0, 0.0
        today = self._order_terms(p, step)
        then = dict.fromkeys(today, 0.0)
        for g, own in buyers.items():
            order_value = order_value_of(self.scenario.segments[g])
            all_orders += own.by_product[p] * order_value  # o_p
            for who in WHO:
                b = own.found[who][BALANCE][p] * order_value  # b_pwg
                balances += b
                for x, value in self.goods.agreed((who, g), p, today).items():
                    then[x] += b * value
        most = max(all_orders, balances)
        beta = balances / most if most > 0 else 0.0
        old = {x: value / balances for x, value in then.items()} if balances > 0 else today
        product.settled, product.old_refund = beta, old["refund"]
        product.terms = {x: today[x] + beta * (old[x] - today[x]) for x in today}

    def _link(self, product: Product, parts: dict[Any, float]) -> None:
        """Section 10: which part of the product's orders were made on scenes' visits, and x kappa_i."""
        kappa = {s: facts.organic_boost for s, facts in self.scenario.scenes.items()}
        product.bought_part = sum(parts[s] for s in kappa)
        product.boosted_part = sum(kappa[s] * parts[s] for s in kappa)
        product.guest_parts = {p.name: parts[p.key] for p in self.partners}

    def _queue(
        self, step: Step, sent: dict[str, float], sold: dict[str, float], rules: Shipping
    ) -> None:
        """The depot's backlog, and the part of each product's orders that is sent late."""
        orders, could = sum(sent.values()), rules.per_day * step.days
        before, after = self.backlog, max(0.0, self.backlog + orders - could)
        mean = (before + after) / 2
        if before + orders < could:  # empty before the end of the step
            mean = before / 2 * before / (could - orders)
        self.backlog = after
        wait = mean / rules.per_day
        late = 1 / (1 + (rules.late_days / wait) ** rules.steepness) if wait > 0 else 0.0
        totals = self.totals
        totals["late_orders"] += orders * late
        totals["days_waited"] += orders * wait
        totals["peak_shipping_delay"] = max(totals["peak_shipping_delay"], after / rules.per_day)
        self.late_today += orders * late
        for p, own in sent.items():
            paid = sold[p]
            self.late_part[p] = late * own / paid if paid > 0 else 0.0

    def _judge(self) -> None:
        """The service score after a day of which a part was late; known to scenes and products."""
        rules = self.scenario.shipping
        if rules is None:
            return
        paid = sum(product.paid_today for product in self.goods.products.values())
        late = self.late_today / paid if paid > 0 else 0.0
        keep = 2 ** (-1 / rules.half_life_days)
        self.score_fall = self.score_fall * keep + rules.late_score * late * (1 - keep)
        self.totals["peak_score_fall"] = max(self.totals["peak_score_fall"], self.score_fall)
        self.late_today = 0.0
        score = self.scenario.service_score - self.score_fall
        for scene in self.scenes.values():
            scene.service = math.exp(0.6 * (score - 4.6))
        for product in self.goods.products.values():
            product.score = score

    def _wanted(self, buyers: dict[str, Buyers], which: str) -> Wanted:
        """Orders by what they are for: first choices, what is tried, or what is wanted in the end."""
        goods = self.goods
        wanted: Wanted = {}
        for g, own in buyers.items():
            wanted[g] = {}
            for who, counts in own.wanted.items():
                mixes = {
                    DIRECT: getattr(goods.direct[who][g], which),
                    RELEASE: goods.basket_mix((who, g)),
                    BALANCE: goods.deposit_mix((who, g)),
                }
                wanted[g][who] = {
                    kind: {p: counts[kind] * mix.get(p, 0.0) for p in goods.products}
                    for kind, mix in mixes.items()
                }
        return wanted

    def _total(self, wanted: Wanted) -> dict[str, float]:
        """The sum over segments, strangers and customers, and kinds."""
        total = dict.fromkeys(self.goods.products, 0.0)
        for of_segment in wanted.values():
            for kinds in of_segment.values():
                for weights in kinds.values():
                    for p, x in weights.items():
                        total[p] += x
        return total

    def _book(self, step: Step, product: Product, g: str, buyers: Buyers, funded: float) -> None:
        """Paid orders; `funded` is the part of their subsidies for which there is money."""
        p, phase, orders = product.name, step.phase_name, buyers.by_product[product.name]
        people, commerce = self.scenario.segments[g], self.scenario.commerce
        order_value = order_value_of(people)
        price = self._price(p, g, step)
        subsidy = self.prices.subsidy(p, price, step) * funded
        gmv, size = orders * (price - subsidy), product.terms["size"]
        cost = orders * order_value * size * product.unit_cost
        product.sell(orders, gmv, cost)
        aid = orders * (subsidy + product.terms["aid"] * order_value)
        product.be_helped(aid)
        product.boosted_today += gmv * product.boosted_part
        product.bought_today += gmv * product.bought_part
        now = product.refund_probability(step.phase, people, self.prices.refund(p, phase))
        then = product.refund_probability(step.phase, people, product.old_refund)
        beta = product.settled
        refund = now + beta * (then - now)
        for partner in self.partners:
            sale = gmv * product.guest_parts[partner.name]
            self.guest_sales[partner.name].append((sale, 1 - refund))
        if self.scenario.shipping is not None:
            part = self.late_part[p]
            rise = self.scenario.shipping.late_refund
            slow, old = prob(odds(now) * rise), prob(odds(then) * rise)
            refund += part * (slow + beta * (old - slow) - refund)
        handling, lost = commerce.refund_handling, commerce.depreciation
        extra = product.extra_handling(people, handling, lost, size)
        first = buyers.first[p] * refund  # F_pg rho_pg
        product.expect_refunds(orders * refund, first, extra)
        self.people[g].first_refunds += first
        product.expect_back(gmv * refund, cost * refund, aid * refund)
        self.totals["paid_orders"] += orders
        self.totals["gmv"] += gmv
        self._day(step)["gmv"] += gmv
        if step.phase_name != RUNOFF:
            self.totals["gmv_campaign"] += gmv

    def _cut(self, flows: Hazards, basket: dict[str, float], buyers: Buyers) -> None:
        """The orders that find no goods: the people, carts and deposits stay where they were."""
        for who in WHO:
            for moves in self._moves_of(who, flows, basket):
                for kind in ORDERS:
                    if kind in moves:
                        moves[kind] *= buyers.part(who, kind)

    def _weigh_baskets(
        self, flows: Flows, baskets: dict[str, dict[str, float]], buyers: dict[str, Buyers]
    ) -> None:
        """K after the step (section 9)."""
        for who, g in self.goods.baskets:
            left, entered = _turnover(who, flows[g], baskets[g])
            gone = dict(buyers[g].found[who][RELEASE])  # r_p
            kept = self._deposits_kept(who, g, flows[g], baskets[g])
            presold = scaled_to_one(self.goods.presale_there(self.goods.standing((who, g))))
            for p, part in presold.items():
                gone[p] += kept * part  # e_p
            self.goods.change_baskets((who, g), gone, left, entered)

    def _deposits_kept(self, who: str, g: str, moves: Hazards, basket: dict[str, float]) -> float:
        """e: deposits that deposit_release brought out of baskets."""
        if who == "customers":
            return basket["deposit"]
        kept = self.people[g].kept_part
        return sum(moves[stage]["deposit"] * kept[stage] for stage in BASKET)

    def _weigh_deposits(
        self,
        step: Step,
        flows: Flows,
        baskets: dict[str, dict[str, float]],
        buyers: dict[str, Buyers],
    ) -> None:
        """KT and VT after the step (section 9)."""
        goods = self.goods
        today = {p: self._order_terms(p, step) for p in goods.products}
        for who, g in goods.baskets:
            new = dict.fromkeys(goods.products, 0.0)
            kept = self._deposits_kept(who, g, flows[g], baskets[g])
            add(new, kept, goods.presale_there(goods.standing((who, g))))
            if who == "strangers":
                paid = sum(moves.get("deposit", 0.0) for moves in flows[g].values())
                add(new, paid - kept, goods.presale_there(goods.first_of[who, g]))
            goods.change_deposits((who, g), buyers[g].found[who][BALANCE], new, today)

    # ----- the end of the step
    def _age(self, step: Step, people: Segment, contacts: Contacts) -> None:
        mine = self.placements_of[people.name]
        people.viewed += sum(j.impressions * j.viewability for j in mine)
        people.age_contacts(contacts.views["outside"], step.days)

    def _count(
        self, step: Step, flows: dict[str, Hazards], baskets: dict[str, dict[str, float]]
    ) -> None:
        """Totals of the step."""
        self._count_media(step)
        totals, day = self.totals, self._day(step)
        for g, people in self.people.items():
            moves, basket = flows[g], baskets[g]
            for stage, count in (("favourite", "favourites"), ("cart", "carts")):
                totals[count] += sum(part.get(stage, 0.0) for part in moves.values())
            totals["carts"] += basket["add"]
            totals["deposits"] += basket["deposit"]
            totals["deposits"] += sum(part.get("deposit", 0.0) for part in moves.values())
            totals["balances"] += moves["deposit"][BALANCE] + basket[BALANCE]
            new = sum(moves[s].get(kind, 0.0) for s in NEWCOMERS for kind in ORDERS)
            people.new_unrefunded += new
            totals["new_customers"] += new
            day["new_customers"] += new
            totals["brand_new_customers"] += sum(
                moves[s].get(kind, 0.0) for s in STRANGERS for kind in ORDERS
            )
            totals["recalled"] += moves["lapsed"][DIRECT]
            totals["returned"] += moves["lapsed"]["outside"]
            totals["lapsed"] += sum(moves[stage]["lapsed"] for stage in CUSTOMERS)

    def _count_media(self, step: Step) -> None:
        totals, day = self.totals, self._day(step)
        day["visits"] += self.free_visits
        totals["free_visits"] += self.free_visits
        for j in self.placements:
            scene = self.scene_totals[j.scene]
            for count in SCENE_COUNTS[:3]:
                scene[count] += getattr(j, count)
            totals["impressions"] += j.impressions
            totals["clicks"] += j.clicks
            totals["viewed"] += j.impressions * j.viewability
            totals["paid_visits"] += j.visits
            day["visits"] += j.visits
            if not j.contract:
                scene["offered"] += self.scenes[j.scene].theta * j.opportunities
                scene["spend"] += j.spend
                totals["auction_spend"] += j.spend
                day["spend"] += j.spend
        charges = [(package.scene, package.spend) for package in self.contracts.packages]
        for scene, spend in charges + (self.contracts.fees() if step.index == 0 else []):
            totals["contract_spend"] += spend
            self.scene_totals[scene]["contract_spend"] += spend
            day["spend"] += spend

    def _limits(self, name: str) -> dict[str, float]:
        """What a scene with a limit spent, and what the limit allows."""
        scene = self.scenes[name]
        return {"targeted": scene.targeted, "allowed": scene.allowed}

    def _day(self, step: Step) -> dict[str, float]:
        return self.days.setdefault(step.date, dict.fromkeys(DAY_COUNTS, 0.0))

    def _trace(self, contacts: dict[str, Contacts]) -> dict[str, Any]:
        scenes = self.scenes
        return {
            "x": {s: scene.x for s, scene in scenes.items()},
            "target": {s: scene.target for s, scene in scenes.items()},
            "G": {s: scene.cost for s, scene in scenes.items()},
            "theta": {s: scene.theta for s, scene in scenes.items()},
            "X": {(g, b): c.views[b] for g, c in contacts.items() for b in BANDS},
            "Y": {(g, b): c.touches[b] for g, c in contacts.items() for b in BANDS},
            "Z": {(g, b): c.buys[b] for g, c in contacts.items() for b in BANDS},
            "n": {g: dict(people.people) for g, people in self.people.items()},
            "u": dict(self.goods.first_choice_of_all),
            "placements": {
                (j.scene, j.slot, j.segment): (j.opportunities, j.impressions, j.clicks, j.spend)
                for j in self.placements
            },
        }

    # ----------------------------------------------------------------- the answer
    def result(self, steps: int) -> TwinResult:
        self._close_totals()
        return TwinResult(
            totals=self.totals,
            scenes={
                name: counts | self._limits(name) for name, counts in self.scene_totals.items()
            },
            scene_phase_spend={
                (s, phase): spent
                for s, scene in self.scenes.items()
                for phase, spent in scene.spent.items()
            },
            packages={p.name: package_result(p) for p in self.contracts.packages},
            people={
                (g, stage): people.people[stage]
                for g, people in self.people.items()
                for stage in CHAIN_STAGES
            },
            viewed={g: people.viewed for g, people in self.people.items()},
            products={p: product_result(product) for p, product in self.goods.products.items()},
            commissions={
                p.name: {"visits": p.visits, "gmv": p.gmv, "cost": p.cost} for p in self.partners
            },
            daily=[{"date": date, **day} for date, day in self.days.items()],
            steps=steps,
            placements=len(self.placements),
        )

    def _close_totals(self) -> None:
        """Section 12."""
        totals, scenes = self.totals, self.scenes.values()
        products = self.goods.products.values()
        totals["visits"] = totals["paid_visits"] + totals["free_visits"]
        totals["visits"] += totals["commission_visits"]
        totals["commission_media"] = sum(partner.cost for partner in self.partners)
        totals["spend"] = totals["auction_spend"] + totals["contract_spend"]
        totals["refunds"] = sum(product.refunds for product in products)
        totals["refund_value"] = sum(product.refund_value for product in products)
        totals["subsidy"] = sum(product.aid for product in products)
        totals["refund_subsidy"] = sum(product.refund_aid for product in products)
        booked = {package.scene for package in self.contracts.packages}
        totals["fixed_costs"] = sum(
            scene.facts.fixed_cost + made_for(scene.facts.creatives)
            for scene in scenes
            if sum(scene.money.values()) > 0 or scene.name in booked
        )
        self.deals.close()
        totals.update(self.deals.totals)
        totals["money_back"] = sum(self.deals.totals.values()) - totals["settlement"]
        totals["hosted_fee"], totals["write_down"] = self.deals.fees, self.deals.write_down()
        totals["contribution"] = self._contribution()
        totals["net_spend"] = totals["spend"] + totals["commission_media"] - totals["money_back"]
        totals["net_spend"] += totals["message_spend"]
        totals["profit"] = totals["contribution"] - totals["net_spend"] - totals["fixed_costs"]
        totals["asset"] = self.worth.of(self.people)
        totals["reach"] = sum(self._reach(people) for people in self.people.values())
        reach = totals["reach"]
        totals["frequency"] = totals["viewed"] / reach if reach > 0 else 0.0

    def _contribution(self) -> float:
        totals, commerce = self.totals, self.scenario.commerce
        revenue = totals["revenue"] = totals["gmv"] - totals["refund_value"]
        products = self.goods.products.values()
        refunded = totals["refund_cost"] = sum(product.refund_cost for product in products)
        totals["pooled"] = sum(product.pooled for product in products)
        totals["pooled_fulfilment"] = sum(p.pooled * p.pool_cost for p in products)
        totals["return_cost"] = sum(product.return_cost for product in products)
        totals["goods_cost"] = sum(product.cost for product in products)
        return (
            revenue * (1 - commerce.commission - commerce.technology_fee)
            + totals["forfeited"]
            + totals["subsidy"]
            - totals["refund_subsidy"]
            - totals["hosted_fee"]
            + totals["settlement"]
            - totals["write_down"]
            - (totals["goods_cost"] - refunded)
            - commerce.payment_fee * totals["gmv"]
            - self._sending()
            - self._returns()
        )

    def _sending(self) -> float:
        """Section 12: freight of the orders that were sent."""
        totals, commerce = self.totals, self.scenario.commerce
        freight = commerce.fulfilment * (totals["paid_orders"] - totals["pooled"])
        freight += totals["pooled_fulfilment"]
        if totals["paid_orders"] <= 0:
            return float(freight)
        unsent = commerce.refund_fast_share * totals["refunds"] / totals["paid_orders"]
        return float(freight * (1 - unsent))

    def _returns(self) -> float:
        """Section 12: what it cost to take back the refunded orders that were sent."""
        totals, commerce = self.totals, self.scenario.commerce
        handled = commerce.refund_handling * totals["refunds"] + totals["return_cost"]
        handled += commerce.depreciation * totals["refund_cost"]
        return float((1 - commerce.refund_fast_share) * handled)

    def _reach(self, people: Segment) -> float:
        """N (1 - (1 + x / r_f)^-r_f)."""
        shape = self.scenario.chain.frequency_shape
        return people.size * -math.expm1(-shape * math.log1p(people.viewed / people.size / shape))


def add(sums: dict[str, float], count: float, weights: dict[str, float]) -> None:
    """Add a count, divided by weights, to sums by product."""
    for p, part in scaled_to_one(weights).items():
        sums[p] += count * part


def made_for(creatives: Creatives | None) -> float:
    """What the scene's creatives cost [CNY]."""
    return creatives.count * creatives.cost if creatives else 0.0


def in_phase(phase: str, step: Step) -> bool:
    return step.phase_name == phase


def package_result(package: Package) -> dict[str, float]:
    return {
        "booked": package.booked,
        "delivered": package.delivered,
        "shortfall": package.shortfall,
        "make_good_due": package.make_good_due,
        "make_good_served": package.make_good_served,
    }


def product_result(product: Product) -> dict[str, Any]:
    return {
        "paid": product.paid,
        "gmv": product.gmv,
        "refunds": product.refunds,
        "unmet": product.unmet,
        "stock_left": product.stock_left(),
        "back_on_sale": product.back_on_sale,
        "stages": dict(product.stages),
    }


def _turnover(who: str, moves: Hazards, basket: dict[str, float]) -> tuple[float, float]:
    """What left favourites and carts (or B) in a step, and what entered them."""
    if who == "customers":
        return basket[RELEASE] + basket["deposit"] + basket["drop"], basket["add"]
    left = sum(x for stage in BASKET for move, x in moves[stage].items() if move not in BASKET)
    entered = sum(moves[stage].get(to, 0.0) for stage in STRANGERS for to in BASKET)
    return left, entered
