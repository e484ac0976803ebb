"""The twin's products: docs/model.md sections 8 (baskets), 9 (stock), 10 (stages), 11 (refunds)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from scipy.special import gammaincc

from simulator.scenario.calendar import Phase
from simulator.scenario.goods import PRODUCT_STAGES
from simulator.scenario.people import Segment as Facts
from simulator.scenario.schema import Scenario
from tests.oracles.twin_chain import WHO, Who, order_value_of

START_ORDERS = dict(zip(PRODUCT_STAGES, (0.05, 0.3, 1.0, 4.0, 2.0, 0.3), strict=True))
SLOW_PHASES = 4
Terms = dict[str, float]  # of an order of value 1, by name


def odds(p: float) -> float:
    return p / (1 - p)


def prob(o: float) -> float:
    return o / (1 + o)


# --------------------------------------------------------------------------- choices (section 10)
def told(sd: float, information: float) -> float:
    """a = sd sqrt(sd^2 I / (sd^2 I + 1))."""
    heard = sd**2 * information
    return sd * math.sqrt(heard / (heard + 1))


def best_of(count: int, a: float) -> float:
    """G(n, a) = n times the integral of phi(x - a) Phi(x)^(n-1), by trapezoids."""
    width = 0.05
    total = 0.0
    for step in range(-200, 241):
        x = step * width + a
        inside = math.erfc(-x / math.sqrt(2)) / 2
        total += math.exp(-((x - a) ** 2) / 2) * inside ** (count - 1)
    return count * total * width / math.sqrt(2 * math.pi)


# --------------------------------------------------------------------------- stock (section 9)
def plenty(stock: float, demand: float) -> bool:
    return stock > demand + 12 * math.sqrt(demand) + 50


def find_goods(stock: float, demand: float) -> float:
    """Q(S, L): the probability that the next order finds goods; dM/dL."""
    if stock <= 0:
        return 0.0
    chance = 1.0 if plenty(stock, demand) else float(gammaincc(stock, demand))
    return chance if chance > 1e-9 else 0.0


def mean_sold(stock: float, demand: float) -> float:
    """M(S, L): the mean of min(S, Poisson(L))."""
    if stock <= 0:
        return 0.0
    if plenty(stock, demand):
        return demand
    inside = float(gammaincc(stock, demand))
    return demand * inside - edge(stock, demand) + stock * (1 - inside)


def edge(stock: float, demand: float) -> float:
    """e^-L L^S / Gamma(S); for large S by Stirling, because lgamma loses digits there."""
    if demand <= 0:
        return 0.0
    if stock < 50:
        return math.exp(stock * math.log(demand) - demand - math.lgamma(stock))
    t = (demand - stock) / stock
    rest = 1 / (12 * stock) - 1 / (360 * stock**3) + 1 / (1260 * stock**5)
    return math.sqrt(stock / (2 * math.pi)) * math.exp(stock * (math.log1p(t) - t) - rest)


def availability(stock: float, demand: float, wanted: float) -> float:
    """(M(S, L + X) - M(S, L)) / X; 1 if nothing is wanted."""
    if wanted <= 0 or plenty(stock, demand + wanted):
        return 1.0
    sold = mean_sold(stock, demand + wanted) - mean_sold(stock, demand)
    return min(1.0, max(0.0, sold / wanted))


def mean_left(stock: float, demand: float) -> float:
    """S - M(S, L) = (S - L) Q(S, L) + e^-L L^S / Gamma(S)."""
    if stock <= 0:
        return 0.0
    if plenty(stock, demand):
        return stock - demand
    return (stock - demand) * float(gammaincc(stock, demand)) + edge(stock, demand)


def demand_of(stock: float, left: float) -> float:
    """L that leaves so much, by Newton's steps from below: the slope is -Q(S, L)."""
    demand = max(0.0, stock - left)
    for _ in range(200):
        over = mean_left(stock, demand) - left
        if over <= 1e-12 * left:
            break
        demand += over / float(gammaincc(stock, demand))
    return demand


@dataclass
class Supply:
    """Goods that meet a demand by its mean: units, and the demand that they have met."""

    units: float
    demand: float = 0.0

    def left(self) -> float:
        return mean_left(self.units, self.demand)

    def restock(self, units: float) -> None:
        self.units, self.demand = self.left() + units, 0.0

    def take_back(self, units: float) -> None:
        """Units that were sold are there again; where the shelf was empty the count starts anew."""
        if units > 0:
            left, chance = self.left(), self.chance()
            anew = (1 - chance) * (1 - math.exp(-units)) * mean_sold(self.units, self.demand)
            self.units += units - anew
            self.demand = demand_of(self.units, left + units)

    def chance(self) -> float:
        """Q(S, L), 1 where there is plenty."""
        if plenty(self.units, self.demand):
            return 1.0
        return float(gammaincc(self.units, self.demand)) if self.units > 0 else 0.0


# --------------------------------------------------------------------------- refunds (section 11)
class Pipeline:
    """Refunds on their way: fast ones, and slow ones in four phases."""

    def __init__(self, scenario: Scenario) -> None:
        commerce = scenario.commerce
        self.fast_share = float(commerce.refund_fast_share)
        self.fast_leaves = 1 - math.exp(-1 / commerce.refund_fast_days)
        rate = SLOW_PHASES / commerce.refund_slow_days
        self.jumps = [
            math.exp(-rate) * rate**jump / math.factorial(jump) for jump in range(SLOW_PHASES)
        ]
        self.fast = self.called_off = 0.0  # waiting; of what fell due last
        self.slow = [0.0] * SLOW_PHASES

    @property
    def waiting(self) -> float:
        return self.fast + sum(self.slow)

    def enter(self, refunds: float) -> None:
        self.fast += refunds * self.fast_share
        self.slow[0] += refunds * (1 - self.fast_share)

    def advance(self) -> float:
        """One day: the refunds that fall due."""
        before, fast = self.waiting, self.fast
        self.fast *= 1 - self.fast_leaves
        self.called_off = fast - self.fast
        self.slow = [
            sum(self.slow[phase - jump] * self.jumps[jump] for jump in range(phase + 1))
            for phase in range(SLOW_PHASES)
        ]
        return before - self.waiting

    def end(self) -> float:
        """The end of the run: the refunds that are still on their way fall due."""
        due, self.called_off = self.waiting, self.fast
        self.fast, self.slow = 0.0, [0.0] * SLOW_PHASES
        return due


# --------------------------------------------------------------------------- one product
class Product:
    """State and constants of one product."""

    def __init__(self, name: str, scenario: Scenario, luck: float) -> None:
        item, cycle = scenario.products[name], scenario.life_cycle
        self.name, self.item, self.cycle = name, item, cycle
        self.price = float(item.price)
        self.seller = self.price  # what the seller takes in the phase, stages aside
        self.unit_cost = self.price * (1 - item.margin)  # at order value 1
        self.own_power = item.product_power * (1 - cycle.generation_decay) ** (item.generation - 1)
        self.power = self.own_power * luck
        self.refund_odds = odds(item.refund)
        self.terms: Terms = {}  # in the mean of the step's orders
        self.settled, self.old_refund = 0.0, 1.0  # beta, and the refund factor of its deposits
        self.price_paid: dict[str, float] = {}  # by a buyer of each segment, in the mean
        self.standing = {stage: float(stage == item.product_stage) for stage in PRODUCT_STAGES}
        self.stages = dict(self.standing)  # mean of the day
        self.bring_effects()
        self.category_orders = cycle.category_orders * item.items
        self.week = self.category_orders * START_ORDERS[item.product_stage]  # o7
        self.level_week = self.level_month = self.week  # b7, b28
        self.score = float(scenario.service_score)
        self.organic_weight = self.organic_aim()
        self.organic_share_at_start = self.organic_share()
        pool = item.pooled
        self.pool = float(math.floor(pool.units * pool.share + 1e-9)) if pool else 0.0
        cost = pool.fulfilment if pool else None
        self.pool_cost = float(scenario.commerce.fulfilment if cost is None else cost)
        self.supply = Supply(float(item.stock) + self.pool)
        self.restocks_to_come = len(item.restocks)
        self.depot, self.pooled, self.from_shops = Supply(float(item.stock)), 0.0, 0.0
        ever = self.supply.units + sum(restock.units for restock in item.restocks)
        self.limited = ever < 1_000_000_000
        commerce = scenario.commerce
        resale = 1 - commerce.depreciation if commerce.resale is None else commerce.resale
        self.resale, self.back, self.back_on_sale = float(resale), 0.0, 0.0
        self.first_pipeline, self.other_pipeline = Pipeline(scenario), Pipeline(scenario)
        self.pending_value = self.pending_cost = 0.0  # of the refunds in both pipelines
        self.pending_aid = self.refund_aid = self.aid = 0.0  # what others added to the price
        self.paid = self.gmv = self.cost = self.unmet = 0.0
        self.refunds = self.refund_value = self.refund_cost = 0.0
        self.week_gmv, self.week_boosted = self.week * self.price, 0.0
        self.free_gmv = 0.0  # of the last day, per market level
        self.pending_handling = self.return_cost = 0.0
        self._open_day()

    def _open_day(self) -> None:
        self.boosted_today = self.bought_today = 0.0
        self.paid_today = self.refunds_today = self.first_refunds_today = 0.0
        self.gmv_today = self.handling_today = 0.0
        self.value_back_today = self.cost_back_today = self.aid_back_today = 0.0

    # ----- stages (section 10)
    def bring_effects(self) -> None:
        """ctr_p, cvr_p, quality_p, refund_p and kappa_p of the day."""
        self.ctr, self.cvr = self._mean(self.cycle.ctr), self._mean(self.cycle.cvr)
        self.quality = self._mean(self.cycle.quality)
        self.refund_effect = self._mean_order(self.cycle.refund)
        self.kappa = self.liked

    @property
    def liked(self) -> float:
        """power_p luck_p cvr_p: kappa_p without weather."""
        return self.power * self.cvr

    @property
    def price_effect(self) -> float:
        """price_p: no stage takes what the seller takes below the salvage value."""
        salvage = float(self.item.salvage or 0.0)
        least = salvage / self.seller if salvage > 0 else 0.0
        return self._mean_order(max(price, least) for price in self.cycle.price)

    @property
    def stage_price(self) -> float:
        """List price, as far as the stage takes it."""
        return self.price * self.price_effect

    def _mean(self, figures: Iterable[float]) -> float:
        return sum(share * y for share, y in zip(figures, self.stages.values(), strict=True))

    def _mean_order(self, figures: Iterable[float]) -> float:
        """Mean over the product's orders: a stage counts with its share times its readiness."""
        return (
            self._mean(f * cvr for f, cvr in zip(figures, self.cycle.cvr, strict=True)) / self.cvr
        )

    @property
    def new_in_orders(self) -> float:
        """Share of the stages sampling and launch in the orders."""
        return self._mean_order([1.0, 1.0, 0.0, 0.0, 0.0, 0.0])

    def organic_aim(self) -> float:
        cycle = self.cycle
        orders = 7 * self.week / self.item.items / cycle.organic_orders_scale
        sales = cycle.organic_orders * math.log(1 + orders)
        aim = cycle.organic_base + sales + cycle.organic_conversion * (self.liked - 1)
        if not cycle.organic_score:
            return aim
        return max(aim + cycle.organic_score * (self.score - 4.6), cycle.organic_base / 100)

    def organic_share(self) -> float:
        """g_p."""
        return self.organic_weight / (self.organic_weight + self.cycle.organic_rivals)

    def organic_change(self) -> float:
        """boost_p g_p / g0_p."""
        share = self.week_boosted / self.week_gmv if self.week_gmv > 0 else 0.0
        boost = 1 + min(self.cycle.organic_boost_cap, share)
        return boost * self.organic_share() / self.organic_share_at_start

    def launch(self) -> None:
        """All that is in sampling is a launch from now on."""
        for stages in (self.standing, self.stages):
            stages["launch"] += stages["sampling"]
            stages["sampling"] = 0.0
        self.bring_effects()

    def close_day(self, level: float) -> None:
        """Orders of the finished day change the stage and the organic weight."""
        self.week += (self.paid_today - self.week) / 7
        self.level_week += (self.paid_today / level - self.level_week) / 7
        self.level_month += (self.paid_today / level - self.level_month) / 28
        self._move_stages()
        memory = self.cycle.organic_memory
        self.organic_weight = memory * self.organic_weight + (1 - memory) * self.organic_aim()
        self.week_gmv += (self.gmv_today - self.week_gmv) / 7
        self.week_boosted += (self.boosted_today - self.week_boosted) / 7
        self.free_gmv = max(0.0, self.gmv_today - self.bought_today) / level
        self._open_day()
        self.bring_effects()

    def _move_stages(self) -> None:
        moved, mean = dict(self.standing), dict(self.standing)
        for stage, hazards in self._stage_hazards().items():
            total = sum(hazards.values())
            if total <= 0:
                continue
            leaving = self.standing[stage] * -math.expm1(-total)
            away = self.standing[stage] * (1 + math.expm1(-total) / total)
            moved[stage] -= leaving
            mean[stage] -= away
            for to, hazard in hazards.items():
                moved[to] += leaving * hazard / total
                mean[to] += away * hazard / total
        self.standing, self.stages = moved, mean

    def _stage_hazards(self) -> dict[str, dict[str, float]]:
        cycle = self.cycle
        x = self.week / self.category_orders
        kept = self._hill(self.level_week / self.level_month / cycle.decline_at)
        decline = (1 - kept) / cycle.decline_days
        to_potential = self._hill(x / cycle.potential_at) / cycle.promotion_days
        to_hit = self._hill(x / cycle.hit_at) / cycle.promotion_days
        return {
            "sampling": {"launch": 1 / 3 if self.item.launch is None else 0.0},
            "launch": {"potential": to_potential, "clearance": decline},
            "potential": {"hit": to_hit, "clearance": decline},
            "hit": {"core": 1 / cycle.core_days, "clearance": decline},
            "core": {"clearance": decline},
        }

    def _hill(self, x: float) -> float:
        """x^s / (1 + x^s)."""
        steep = self.cycle.steepness
        return 1 / (1 + x**-steep) if x > 1 else x**steep / (1 + x**steep)

    # ----- sales (sections 9 and 11)
    def restock(self, units: float) -> None:
        self.restocks_to_come -= 1
        self.depot.restock(units)
        self.supply.restock(units)

    def put_back(self) -> None:
        """Units of the refunds that fell due are on sale again: b_p."""
        self.depot.take_back(self.back)
        self.supply.take_back(self.back)
        self.back_on_sale += self.back
        self.back = 0.0  # on the shelf from now on

    def stock_left(self) -> float:
        return self.supply.left()

    def would_find(self, wanted: float) -> float:
        """(M(S, L + X) - M(S, L)) / X of so many orders more: avail_p, or f_p of what is tried."""
        return availability(self.supply.units, self.supply.demand, wanted)

    def serve(self, tried: float) -> float:
        """Take the orders that try it in a step: f_p; what the depot lacks the shops send."""
        chance = self.would_find(tried)
        sold = tried * chance
        of_depot = tried * availability(self.depot.units, self.depot.demand, tried)
        still_there = max(0.0, self.pool - self.pooled)
        self.from_shops = min(max(0.0, sold - of_depot), sold, still_there)
        self.pooled += self.from_shops
        self.supply.demand += tried
        self.depot.demand += tried
        return chance

    def sell(self, orders: float, gmv: float, cost: float) -> None:
        """Book paid orders with goods of such a cost; refunds are booked by `expect_refunds`."""
        self.paid += orders
        self.paid_today += orders
        self.gmv += gmv
        self.gmv_today += gmv
        self.cost += cost

    def refund_probability(self, phase: Phase, people: Facts, coupons: float = 1.0) -> float:
        """rho."""
        return prob(self.refund_odds * phase.refund * self.refund_effect * coupons * people.refund)

    def be_helped(self, aid: float) -> None:
        """What others add to the price of paid orders."""
        self.aid += aid

    def extra_handling(
        self, people: Facts, usual: float, depreciation: float, size: float = 1.0
    ) -> float:
        """x_pg: what a return costs beyond the usual [CNY]; `size` is h of its coupons."""
        if people.returns_borne_by == "platform":
            return -usual - depreciation * self.unit_cost * order_value_of(people) * size
        return 0.0 if people.return_freight is None else people.return_freight - usual

    def expect_refunds(self, refunds: float, first: float, extra: float) -> None:
        """Refunds to come of a segment's orders, `first` of them those of first orders."""
        self.refunds_today += refunds
        self.first_refunds_today += first
        self.handling_today += refunds * extra

    def expect_back(self, gmv: float, cost: float, aid: float) -> None:
        """What the refunds to come of a segment's orders will take back."""
        self.value_back_today += gmv
        self.cost_back_today += cost
        self.aid_back_today += aid

    def move_refunds(self) -> float:
        """One midnight: the finished day enters, refunds fall due; refunded first orders."""
        self.first_pipeline.enter(self.first_refunds_today)
        self.other_pipeline.enter(self.refunds_today - self.first_refunds_today)
        self.pending_value += self.value_back_today
        self.pending_cost += self.cost_back_today
        self.pending_handling += self.handling_today
        self.pending_aid += self.aid_back_today
        waiting = self.first_pipeline.waiting + self.other_pipeline.waiting
        first_due = self.first_pipeline.advance()
        due = first_due + self.other_pipeline.advance()
        self._come_back(due)
        self._settle(due, due / waiting if waiting > 0 else 0.0)
        return first_due

    def end_refunds(self) -> float:
        """The end of the run: all that is still pending falls due; refunded first orders."""
        first_due = self.first_pipeline.end()
        due = first_due + self.other_pipeline.end()
        self._come_back(due)
        self.put_back()
        self._settle(due, 1.0)
        return first_due

    @property
    def called_off(self) -> float:
        """F_p: refunds before shipping among those that fell due last."""
        return self.first_pipeline.called_off + self.other_pipeline.called_off

    def _come_back(self, due: float) -> None:
        """b_p, where there is no end of goods in any case."""
        if self.limited:
            self.back += self.called_off + self.resale * (due - self.called_off)

    def _settle(self, due: float, part: float) -> None:
        """What falls due takes its share of the pools."""
        self.refunds += due
        self.refund_value += self.pending_value * part
        self.refund_cost += self.pending_cost * part
        self.return_cost += self.pending_handling * part
        self.pending_handling *= 1 - part
        self.refund_aid += self.pending_aid * part
        self.pending_aid *= 1 - part
        self.pending_value *= 1 - part
        self.pending_cost *= 1 - part


# --------------------------------------------------------------------------- the assortment
@dataclass
class Halo:
    """What visits of a way (a scene, or free ones) bring to products beside the hits."""

    seen: float  # further looks per visit
    kappa: float
    mix: dict[str, float]  # of the orders so made
    in_full: dict[str, float]  # as if everything were there


@dataclass
class Ways:
    """Buying visits of strangers, or of customers, weighted by readiness (bz and bzh of section 9)."""

    scenes: dict[tuple[Any, str], float]  # of scenes and partners, by segment
    free: dict[str, float]
    looks: dict[tuple[Any, str], float]
    """By the scene whose visit led to them (None: a free visit) and segment."""


@dataclass
class Row:
    """What a way adds to the weights of orders on visits of a segment's strangers or customers (b of section 9)."""

    who: str
    g: str
    owner: Any  # scene or partner that has the credit, if any
    page: bool  # whether something else of its own is looked at first where goods are gone
    first: dict[str, float]
    tried: dict[str, float]
    wanted: dict[str, float]


@dataclass
class Choice:
    """Weights of orders by product: as first made, and what is tried and wanted where goods run short."""

    first: dict[str, float]
    tried: dict[str, float]
    wanted: dict[str, float]


Choices = dict[str, dict[str, Choice]]
"""By strangers or customers, and segment."""


class Goods:
    """All products, the mixes that scenes and free visits show, and the weights of baskets."""

    def __init__(self, scenario: Scenario, shocks: dict[str, float]) -> None:
        self.products = {
            name: Product(name, scenario, shocks.get(f"luck.{name}", 1.0))
            for name in scenario.products
        }
        self.scene_weights: dict[Any, dict[str, float]] = {
            name: {p: float(w) for p, w in scene.products.items()}
            or dict.fromkeys(self.products, 1.0)
            for name, scene in scenario.scenes.items()
        } | {
            ("commission", name): {p: float(w) for p, w in partner.products.items()}
            or dict.fromkeys(self.products, 1.0)
            for name, partner in scenario.commissions.items()
        }
        self.scene_stages = {s: dict(scene.product_stages) for s, scene in scenario.scenes.items()}
        self.taste_for_new = {
            g: float(s.new_product_affinity) for g, s in scenario.segments.items()
        }
        organic = {name: float(item.organic) for name, item in scenario.products.items()}
        self.organic_start = scaled_to_one(organic or {}) or scaled_to_one(
            dict.fromkeys(organic, 1.0)
        )
        self.segments = list(scenario.segments)
        self.release = 0.0  # h: hazard of a cart's release in the step, at usual prices
        self.liked_at_start = {  # like_0g
            g: sum(self.liked_first(g).values()) for g in self.segments
        }
        everybody = [(who, g) for who in WHO for g in self.segments]
        self.baskets = {who: dict.fromkeys(self.products, 0.0) for who in everybody}  # K
        self.liked: dict[Who, float] = {}  # like_wg
        self.new_baskets: dict[Who, dict[str, float]] = {}  # v_pwg
        self.forget_deposits()
        self.halo = float(scenario.life_cycle.halo)
        self.substitution = float(scenario.commerce.substitution)
        self.bring_mixes({p: dict.fromkeys(self.segments, 1.0) for p in self.products})
        self.choose({who: Ways({}, {}, {}) for who in WHO})

    def bring_mixes(self, responses: dict[str, dict[str, float]]) -> None:
        """m_ip, omix_p, omixa_p and their means; responses to prices by segment.

        What is shown (m_ip, omixa_p) goes by availability, what people come for (omix_p) does not.
        """
        products = self.products
        self.responses = responses
        self.there = {
            p: find_goods(x.supply.units, x.supply.demand) for p, x in products.items()
        }  # a_p
        self.may_wait = {  # had_p
            p: 1.0 if x.restocks_to_come else self.there[p] for p, x in products.items()
        }
        self.mixes = {
            scene: self._on_sale(self._suited(scene, w)) for scene, w in self.scene_weights.items()
        }
        self.in_full = {
            scene: scaled_to_one(self._suited(scene, w)) for scene, w in self.scene_weights.items()
        }
        self.scene_kappa = {
            scene: {g: self.mean_kappa(mix, g) for g in self.segments}
            for scene, mix in self.mixes.items()
        }
        self.scene_ctr = self._means("ctr")
        self.scene_quality = self._means("quality")
        self.scene_liked = {  # like_ig
            scene: {g: self.mean_liked(mix, g) for g in self.segments}
            for scene, mix in self.mixes.items()
        }
        self.scene_price = self._means("stage_price")
        grown = {p: share * products[p].organic_change() for p, share in self.organic_start.items()}
        self.organic_multiplier = sum(grown.values())  # Omega
        self.organic_mix = scaled_to_one(grown)  # omix_p
        self.organic_shown = self._on_sale(grown)  # omixa_p
        self.organic_kappa = {g: self.mean_kappa(self.organic_mix, g) for g in self.segments}
        self.halos = {
            scene: {g: self.halo_of(mix, g) for g in self.segments}
            for scene, mix in self.mixes.items()
        }
        self.organic_halo = {g: self.halo_of(self.organic_mix, g) for g in self.segments}

    def kappa(self, p: str, g: str) -> float:
        """kappa_pg, prices and the taste for new products included."""
        return self.products[p].kappa * self.responses[p][g] * self.taste(p, g)

    def taste(self, p: str, g: str) -> float:
        """taste_pg: how a segment takes to the stages sampling and launch."""
        return 1 + (self.taste_for_new[g] - 1) * self.products[p].new_in_orders

    def mean_kappa(self, mix: dict[str, float], g: str) -> float:
        return sum(weight * self.kappa(p, g) for p, weight in mix.items())

    def mean_liked(self, mix: dict[str, float], g: str) -> float:
        """Mean of kappa_pg without weather and prices."""
        return sum(w * self.products[p].liked * self.taste(p, g) for p, w in mix.items())

    def liked_first(self, g: str) -> dict[str, float]:
        """Of a free visit in the first stages, by product and without luck."""
        return {
            p: share * self.products[p].own_power * self.products[p].cvr * self.taste(p, g)
            for p, share in self.organic_start.items()
        }

    def halo_of(self, mix: dict[str, float], g: str) -> "Halo":
        """Section 10: what a visit's further looks are, and what they buy."""
        looks = self.looks_of(mix)
        seen = sum(looks.values())
        bought, full = (
            {q: x * self.kappa(q, g) for q, x in some.items()}
            for some in (looks, self.looks_of(mix, self.organic_mix))
        )
        kappa = sum(bought.values()) / seen if seen > 0 else 0.0
        return Halo(self.halo * seen, kappa, scaled_to_one(bought), scaled_to_one(full))

    def looks_of(
        self, mix: dict[str, float], beside: dict[str, float] | None = None
    ) -> dict[str, float]:
        """o_q: visits of a hit go on to the others that are there, pair by pair."""
        looks, beside = dict.fromkeys(self.products, 0.0), beside or self.organic_shown
        for p, weight in mix.items():
            room = 1 - beside.get(p, 0.0)
            if room > 1e-6:
                for q, other in beside.items():
                    if q != p:
                        looks[q] += weight * self.products[p].stages["hit"] * other / room
        return looks

    def _suited(self, scene: str, weights: dict[str, float]) -> dict[str, float]:
        """Product weights times the affinity of the stages they are in; without it if none suits."""
        affinity = self.scene_stages.get(scene, {})
        if not affinity:
            return weights
        suited = {
            p: w * sum(y * affinity.get(x, 0.0) for x, y in self.products[p].stages.items())
            for p, w in weights.items()
        }
        return scaled_to_one(suited) or weights

    def _on_sale(self, weights: dict[str, float]) -> dict[str, float]:
        """Weights times availability, scaled to sum 1; without it if nothing is available."""
        sold = {p: weight * self.there[p] for p, weight in weights.items()}
        return scaled_to_one(sold) or scaled_to_one(weights)

    def paid_in(self, scene: str, g: str) -> float:
        """Mean gmv of an order of g on a visit of the scene, by what is bought."""
        goods = self.mixes[scene].items()
        worth = sum(m * self.kappa(p, g) * self.products[p].price_paid[g] for p, m in goods)
        total = self.scene_kappa[scene][g]
        return worth / total if total > 0 else 0.0

    def on_sale(self, scene: str) -> float:
        """open_i: how surely the surest product of the scene is to be had, cubed."""
        there = [self.may_wait[p] for p, m in self.mixes[scene].items() if m > 0]
        return max(there, default=0.0) ** 3

    def _means(self, figure: str) -> dict[str, float]:
        return {
            scene: sum(weight * getattr(self.products[p], figure) for p, weight in mix.items())
            for scene, mix in self.mixes.items()
        }

    # ----- first choices (section 9)
    def bought_freely(self, g: str) -> dict[str, float]:
        """f_pg: what free visits buy."""
        total = self.organic_kappa[g]
        if total <= 0:
            return dict(self.organic_mix)
        return {p: x * self.kappa(p, g) / total for p, x in self.organic_mix.items()}

    def _rows(self, *, in_full: bool) -> list[Row]:
        """What every way adds to the weights, of what is there or as if everything were there."""
        mixes = self.in_full if in_full else self.mixes
        rows: list[Row] = []
        for who, ways in self.ways.items():
            for (i, g), buys in ways.scenes.items():
                liked = {p: x * self.kappa(p, g) for p, x in mixes[i].items()}
                rows.append(self._row((who, g), i, scaled_to_one(liked), buys))
            for g, buys in ways.free.items():
                rows.append(self._row((who, g), None, self.bought_freely(g), buys, page=False))
            for (i, g), buys in ways.looks.items():
                halo = self.organic_halo[g] if i is None else self.halos[i][g]
                mix = (halo.in_full if in_full else halo.mix) or halo.mix
                rows.append(self._row((who, g), i, mix, buys))
        return rows

    def _row(
        self, who: Who, owner: Any, mix: dict[str, float], buys: float, *, page: bool = True
    ) -> Row:
        """A way before anybody turns to another product."""
        first = {p: buys * mix.get(p, 0.0) for p in self.products}
        return Row(who[0], who[1], owner, page, first, dict(first), dict(first))

    # ----- what goes into baskets (section 8)
    def fill(
        self,
        who: Who,
        scenes: dict[str, float],
        partners: dict[Any, float],
        free: float,
        pushed: float,
    ) -> None:
        """like_wg, and the weights of new favourites and carts.

        From the touches of every way to come without looks, weighted by the baskets that they fill (t_iwg, t_cwg,
        t_owg, t_pushwg).
        """
        met = self._met_by_free_visits()
        none: dict[str, float] = {}
        all_ways = [
            (t, self._met_in_scene(i), self.looks_of(self.mixes[i]) if i in scenes else none)
            for i, t in (scenes | partners).items()
        ]
        all_ways += [(free, met, self.looks_of(self.organic_mix)), (pushed, met, none)]
        came = sum(t * (1 + self.halo * sum(looks.values())) for t, _, looks in all_ways)
        put_in = dict.fromkeys(self.products, 0.0)  # v_pwg
        for touched, seen, looks in all_ways:
            more = {p: self.halo * x for p, x in self._to_be_had(looks).items()}
            for row in (seen, more):
                for p, x in row.items():
                    put_in[p] += touched * x * self.products[p].liked * self.taste(p, who[1])
        self.liked[who] = sum(put_in.values()) / came if came > 0 else 0.0
        self.new_baskets[who] = shares(put_in) or self.organic_mix

    def _met_in_scene(self, scene: Any) -> dict[str, float]:
        """w_ip: what a scene, or a partner, shows and can be had."""
        return self._to_be_had(self.mixes[scene])

    def _to_be_had(self, mix: dict[str, float]) -> dict[str, float]:
        """As much of it as the surest of its products is to be had."""
        most = max((self.may_wait[p] for p, weight in mix.items() if weight > 0), default=0.0)
        return {p: weight * most for p, weight in mix.items()}

    def _met_by_free_visits(self) -> dict[str, float]:
        """ok_p: what free visits come for and can have, or take in its place."""
        found = {p: weight * self.may_wait[p] for p, weight in self.organic_mix.items()}
        anything = sum(found.values())  # A
        instead = self.substitution * (1 - anything) / max(anything, 0.01)
        return {p: x * (1 + instead) for p, x in found.items()}

    # ----- what is bought (section 9)
    def choose(self, ways: dict[str, Ways]) -> None:
        """First choices of the step: us_pg, uc_pg, u_pg, and u_p of everybody."""
        self.ways = ways
        self.rows = self._rows(in_full=False)
        self.choices = self._choices()
        self.first_of = {  # us_pg and uc_pg for what is presold, whatever runs short later
            (who, g): choice.first for who, row in self.choices.items() for g, choice in row.items()
        }
        self.wanted_by_all = {g: self._first_of_rows(self._rows_of(g)) for g in self.segments}
        self.first_choice_of_all = self._first_of_rows(self.rows)
        self.usual = {g: self._untouched(self.bought_freely(g)) for g in self.segments}

    def choose_in_full(self) -> None:
        """First choices made anew as if everything were there; what is presold keeps the others."""
        self.rows = self._rows(in_full=True)
        self.choices = self._choices()
        self.wanted_by_all = {g: self._first_of_rows(self._rows_of(g)) for g in self.segments}

    def _rows_of(self, g: str, who: str | None = None) -> list[Row]:
        """The ways of a segment, of strangers or customers alone if one of them is named."""
        return [row for row in self.rows if row.g == g and who in (None, row.who)]

    def _first_of_rows(self, rows: list[Row]) -> dict[str, float]:
        """First choices of some ways together, scaled to sum 1; omix_p if nobody comes."""
        sums = {p: sum(row.first[p] for row in rows) for p in self.products}
        return scaled_to_one(sums) or dict(self.organic_mix)

    def _untouched(self, weights: dict[str, float]) -> Choice:
        """A choice that finds what it looks for."""
        return Choice(dict(weights), dict(weights), dict(weights))

    def _choices(self) -> Choices:
        """us_pg and uc_pg: first, tried, wanted."""
        return {who: {g: self._choice(who, g) for g in self.segments} for who in WHO}

    def _choice(self, who: str, g: str) -> Choice:
        """The ways of strangers or customers of a segment over the sum of their first choices."""
        rows = self._rows_of(g, who)
        total = sum(sum(row.first.values()) for row in rows)
        if total <= 0:
            return self._untouched(self.organic_mix)
        return Choice(
            first={p: sum(row.first[p] for row in rows) / total for p in self.products},
            tried={p: sum(row.tried[p] for row in rows) / total for p in self.products},
            wanted={p: sum(row.wanted[p] for row in rows) / total for p in self.products},
        )

    def choose_directly(self, orders: dict[str, tuple[float, float, float]]) -> None:
        """Weights of direct orders, us_pg and dc_pg, from S_g, C_g and R_g of the step."""
        self.orders = orders
        self.direct: Choices = {
            "strangers": self.choices["strangers"],
            "customers": {g: self._direct(g, *orders[g][1:]) for g in self.segments},
        }

    def _direct(self, g: str, by_visits: float, by_habit: float) -> Choice:
        """dc_pg = [C_g uc_pg + R_g f_pg] / (C_g + R_g)."""
        on_visits, usual = self.choices["customers"][g], self.usual[g]
        total = by_visits + by_habit
        if total <= 0:
            return on_visits
        mixed: list[dict[str, float]] = []
        for of_visits, of_habit in (
            (on_visits.first, usual.first),
            (on_visits.tried, usual.tried),
            (on_visits.wanted, usual.wanted),
        ):
            mixed.append(
                {p: (by_visits * of_visits[p] + by_habit * of_habit[p]) / total for p in of_visits}
            )
        return Choice(*mixed)

    # ----- where goods run short (section 9)
    def _avail(self, wanted: dict[str, float]) -> dict[str, float]:
        """avail_p of so many orders of each product."""
        return {p: product.would_find(wanted[p]) for p, product in self.products.items()}

    def runs_short(self, wanted: dict[str, float]) -> bool:
        """Whether some avail_p is below 1."""
        return min(self._avail(wanted).values()) < 1

    def turn(self, wanted: dict[str, float]) -> None:
        """Who misses what is wanted takes other products; `wanted` are the orders of first choices made anew."""
        avail = self._avail(wanted)
        for row in self.rows:
            others = self.wanted_by_all[row.g]
            row.tried, row.wanted = self._turned(row.first, avail, others, page=row.page)
        self.choices = self._choices()
        for g, usual in self.usual.items():
            others = self.wanted_by_all[g]
            usual.tried, usual.wanted = self._turned(usual.first, avail, others, page=False)
        self.choose_directly(self.orders)

    def _turned(
        self, first: dict[str, float], avail: dict[str, float], u: dict[str, float], *, page: bool
    ) -> tuple[dict[str, float], dict[str, float]]:
        """b_p + y_p, what is tried, and b_p - (what leaves p) + avail_p y_p, what is wanted."""
        tried, wanted = dict(first), dict(first)
        for p, b in first.items():
            missed = (1 - avail[p]) * b
            if missed <= 0:
                continue
            left = 0.0
            if page:
                left = self._turn_to(p, missed, first, avail, (tried, wanted))
            rest = self.substitution * (missed - left)
            left += self._turn_to(p, rest, u, avail, (tried, wanted))
            wanted[p] -= left
        return tried, wanted

    def _turn_to(
        self, p: str, missed: float, weights: dict[str, float], avail: dict[str, float],
        into: tuple[dict[str, float], dict[str, float]],
    ) -> float:  # fmt: skip
        """Who misses p tries others by their weights; returns how many find one: go_p of them."""
        others = [q for q, w in weights.items() if q != p and w > 0]
        if not others:
            return 0.0
        tried, wanted = into
        c = {q: taken_if_there(q, weights, avail) for q in others}
        gone = 1.0  # all of them
        for q in others:
            gone *= 1 - avail[q]
        go, r = 1 - gone, sum(avail[q] * c[q] for q in others)
        k = min(go / r, 1 / max(c.values())) if r > 0 else 0.0
        room = sum(avail[q] * (1 - k * c[q]) for q in others)
        e = min(1.0, max(0.0, (go - k * r) / room)) if room > 0 else 0.0
        found = 0.0
        for q in others:
            tries = missed * (k * c[q] + e * (1 - k * c[q]))
            tried[q] += tries
            wanted[q] += tries * avail[q]
            found += tries * avail[q]
        return found

    def brought(self, tried: dict[str, float]) -> dict[str, dict[Any, float]]:
        """q_ip of section 10 by product: of the orders that try it, those on visits of a scene or partner."""
        parts = {p: dict.fromkeys(self.scene_weights, 0.0) for p in self.products}
        for who, column in (("strangers", 0), ("customers", 1)):
            for g in self.segments:
                rows, orders = self._rows_of(g, who), self.orders[g][column]
                total = sum(sum(row.first.values()) for row in rows)
                for row in rows:
                    if row.owner is None or total <= 0:
                        continue
                    for p, x in row.tried.items():
                        if tried[p] > 0:
                            parts[p][row.owner] += orders * x / total / tried[p]
        return parts

    # ----- presale (sections 7 and 9)
    def presale(self, weights: dict[str, float]) -> dict[str, float]:
        """Weights of the products of which deposits are taken; 0 for the others."""
        return {p: w if self.products[p].item.presale else 0.0 for p, w in weights.items()}

    def presale_there(self, weights: dict[str, float]) -> dict[str, float]:
        """Weights x had_p presale_p."""
        return {p: w * self.may_wait[p] for p, w in self.presale(weights).items()}

    # ----- standing baskets (section 9)
    def standing(self, who: Who) -> dict[str, float]:
        """K^_pwg: what stands in baskets, omix_p while there is none."""
        return shares(self.baskets[who]) or dict(self.organic_mix)

    def basket_readiness(self, who: Who) -> float:
        """R_wg: how prices of the step move the releases of what stands in baskets."""
        gone, h = sum(self._released(who).values()), self.release
        if h <= 0:
            return sum(x * self.responses[p][who[1]] for p, x in self.standing(who).items())
        return -math.log1p(-min(gone, 1 - 1e-12)) / h

    def _released(self, who: Who) -> dict[str, float]:
        """k_pwg (1 - exp(-h R_pg))."""
        return {
            p: -x * math.expm1(-self.release * self.responses[p][who[1]])
            for p, x in self.standing(who).items()
        }

    def basket_mix(self, who: Who) -> dict[str, float]:
        """Weights of released orders; k_pwg R_pg / R_wg where nothing is released."""
        if self.release > 0:
            return scaled_to_one(self._released(who)) or self.standing(who)
        answered = {p: x * self.responses[p][who[1]] for p, x in self.standing(who).items()}
        return scaled_to_one(answered) or self.standing(who)

    def change_baskets(self, who: Who, gone: dict[str, float], left: float, entered: float) -> None:
        """K after the step; `gone` is what was ordered and presold (r_p + e_p), `left` all that left."""
        baskets, bought = self.baskets[who], 0.0
        for p, part in self.new_baskets[who].items():
            held = baskets[p] + entered * part
            baskets[p] = max(0.0, held - gone[p])
            bought += held - baskets[p]
        rest = sum(baskets.values())
        kept = max(0.0, 1 - max(0.0, left - bought) / rest) if rest > 0 else 0.0
        for p in baskets:
            baskets[p] *= kept

    # ----- standing deposits (section 9)
    def deposit_mix(self, who: Who) -> dict[str, float]:
        """KT^_pwg; while there is none the first choices, of presale products if there are any."""
        first = self.first_of[who]
        return shares(self.deposits[who]) or scaled_to_one(self.presale(first)) or dict(first)

    def change_deposits(
        self, who: Who, settled: dict[str, float], new: dict[str, float], today: dict[str, Terms]
    ) -> None:
        """KT and VT after the step: balances leave, VT in proportion; new ones come on the step's terms."""
        standing = self.deposits[who]
        for p, weight in standing.items():
            kept, value = max(0.0, weight - settled[p]), self.deposit_values[who][p]
            standing[p] = kept + new[p]
            for x, amount in today[p].items():
                old = value.get(x, 0.0) * kept / weight if weight > 0 else 0.0
                value[x] = old + new[p] * amount

    def agreed(self, who: Who, p: str, today: Terms) -> Terms:
        """VT_pwg / KT_pwg: the mean terms of standing deposits; today's while there is none."""
        weight = self.deposits[who][p]
        if weight <= 0:
            return today
        return {x: value / weight for x, value in self.deposit_values[who][p].items()}

    def deposit_value(self, who: Who, today: dict[str, Terms]) -> float:
        """Section 12: what is forfeited of one deposit, per unit of order value [CNY].

        What is sold out at this moment is paid back.
        """
        parts = shares(self.deposits[who]) or dict(self.organic_start)
        total = 0.0
        for p, part in parts.items():
            product = self.products[p]
            there = find_goods(product.supply.units, product.supply.demand)
            price = self.agreed(who, p, today[p])["price"]
            total += part * there * price * float(product.item.deposit)
        return total

    def forget_deposits(self) -> None:
        """No deposit stands: KT = VT = 0."""
        everybody = [(who, g) for who in WHO for g in self.segments]
        self.deposits = {who: dict.fromkeys(self.products, 0.0) for who in everybody}  # KT
        self.deposit_values: dict[Who, dict[str, Terms]] = {
            who: {p: {} for p in self.products} for who in everybody
        }  # VT


def taken_if_there(q: str, weights: dict[str, float], avail: dict[str, float]) -> float:
    """c_q = w_q / (w_q + sum over s not q of w_s avail_s)."""
    others = sum(w * avail[s] for s, w in weights.items() if s != q)
    return weights[q] / (weights[q] + others)


def shares(weights: dict[str, float]) -> dict[str, float]:
    """Weights of baskets scaled to sum 1; nothing where their sum is 1e-9 or less."""
    return scaled_to_one(weights) if sum(weights.values()) > 1e-9 else {}


def scaled_to_one(weights: dict[str, float]) -> dict[str, float]:
    """Weights scaled to sum 1; nothing where they are all 0."""
    total = sum(weights.values())
    return {p: weight / total for p, weight in weights.items()} if total > 0 else {}
