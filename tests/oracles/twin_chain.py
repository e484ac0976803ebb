"""The twin's people: docs/model.md sections 7 and 8, one segment and one step at a time.

A stage's hazards are a dict {move: hazard}. A move is the name of the stage it leads to, or one of
the kinds of order, which lead to `order_leads_to(stage)`.
"""

import math
from dataclasses import dataclass
from typing import Any

from simulator.scenario.chain import BAND_OF_STAGE, BANDS, CHAIN_STAGES, Moves
from simulator.scenario.people import Segment as Facts
from simulator.scenario.schema import Scenario

BAND = {stage: BANDS[b] for stage, b in zip(CHAIN_STAGES, BAND_OF_STAGE, strict=True)}
STAGES_OF_BAND = {band: [s for s in CHAIN_STAGES if BAND[s] == band] for band in BANDS}
STRANGERS = ("outside", "discover", "engage", "enthuse")
CUSTOMERS = ("initial", "numerous", "keen")
NEWCOMERS = CHAIN_STAGES[:7]  # an order from these makes a new customer
WITH_OLD = (*CUSTOMERS, "lapsed")
WHO = ("strangers", "customers")
Who = tuple[str, str]
"""Strangers or customers, of a segment."""
DIRECT, RELEASE, BALANCE = ORDERS = ("direct order", "release order", "balance order")
VISIT_TARGETS = {
    "outside": ("engage", "enthuse", "favourite", "cart"),
    "discover": ("engage", "enthuse", "favourite", "cart"),
    "engage": ("enthuse", "favourite", "cart"),
    "enthuse": ("favourite", "cart"),
    "favourite": ("cart",),
}
Hazards = dict[str, dict[str, float]]


def bar(q: float) -> float:
    """-ln(1 - q): a probability as a hazard; certainty is a large one."""
    return -math.log1p(-min(q, 1 - 1e-12))


def who_are(band: str) -> str:
    """Whether the people of a band make first orders."""
    return "customers" if band in ("customers", "lapsed") else "strangers"


def order_leads_to(stage: str) -> str:
    if stage in NEWCOMERS:
        return "initial"
    return "keen" if stage == "keen" else "numerous"


def leads_to(stage: str, move: str) -> str:
    return order_leads_to(stage) if move in ORDERS else move


def renewal(contacts: float, window: float, browsing: float, shape: float) -> float:
    """ren: the rate at which contacts leave a gap as long as the window, against 1 / window."""
    u = contacts * window / browsing
    if u <= 0:
        return 1.0
    spread = 1 + u / shape
    return u * spread ** (-shape - 1) / -math.expm1(-shape * math.log1p(u / shape))


def decayed(stock: float, inflow: float, age: float) -> float:
    """A stock after a step in which it decays by e^-age and the inflow comes evenly."""
    return stock * math.exp(-age) + inflow * -math.expm1(-age) / age


@dataclass(frozen=True)
class StepTerms:
    """What the hazards of all segments share in a step."""

    days: float  # D
    living: float  # D of what people do without sales: 0 after their close
    browsing: float  # V, or D where V is 0
    middle: float  # t [d]
    cart: float  # phase.cart
    liked: dict[Who, float]  # like_wg of section 8
    success: float  # Pi
    release: dict[Who, float]  # bar(release) U, at the prices of what stands in baskets
    deposit: dict[str, float]  # dep_g d, 0 where no deposit can be settled
    deposit_release: float  # bar(deposit_release) U
    presold: dict[Who, float]  # depk_wg, 0 where no deposit can be settled
    balance: float  # bar(Pi q)
    buying: float  # U

    def out_of_baskets(self, who: Who, phi: float) -> float:
        """Hazard of a deposit out of a basket: only the part depk of them is for presale goods."""
        return bar(self.presold[who] * -math.expm1(-phi * self.deposit_release))


@dataclass(frozen=True)
class Contacts:
    """Per person of each band in a step: views X, touches Y, buying visits Z."""

    views: dict[str, float]
    touches: dict[str, float]
    buys: dict[str, float]
    unseen: float = 0.0  # Yo: touches of strangers by visits that no scene brought


class Chain:
    """Constants of the consumer chain."""

    def __init__(self, scenario: Scenario) -> None:
        chain = scenario.chain
        self.rules = chain
        weight = sum(
            share * chain.buy_propensity.get(stage, 0.0)
            for stage, share in chain.reference_mix.items()
        )
        self.propensity = {
            stage: chain.buy_propensity.get(stage, 0.0) / weight if weight > 0 else 0.0
            for stage in CHAIN_STAGES
        }
        none = Moves()
        self.visit = {
            stage: {to: float(getattr(chain.visit_moves.get(stage, none), to)) for to in targets}
            for stage, targets in VISIT_TARGETS.items()
        }
        self.alone = {  # hazard per day without any visit
            stage: {to: bar(getattr(chain.base_moves.get(stage, none), to)) / 30 for to in targets}
            for stage, targets in VISIT_TARGETS.items()
        }
        self.customer_cart = float(chain.visit_moves.get("customers", none).cart)
        self.keen_per_day = bar(chain.keen_per_year) / 365

    def old_hazard(self, step: StepTerms, days: float) -> float:
        """D / (days - t); never above 1."""
        return step.living / max(days - step.middle, step.days)

    def habit(self, days: float, youngest: float = 0.0) -> float:
        """Mean of h over ages youngest..days; 0 without orders of habit."""
        if self.rules.repeat is None:
            return 0.0
        tau = self.rules.repeat.tau_months * 365 / 12
        year, part = 1 - math.exp(-365 / tau), 1 - math.exp((youngest - days) / tau)
        part *= math.exp(-youngest / tau)
        return self.rules.repeat.rate_365 * part / (year * (days - youngest))


def activity_of(facts: Facts) -> float:
    """activity_g of section 1."""
    return float(facts.activity) * math.sqrt(facts.breadth)


def cvr_of(facts: Facts) -> float:
    """cvr_g of section 1."""
    return float(facts.cvr) * math.sqrt(facts.spend / facts.breadth)


def order_value_of(facts: Facts) -> float:
    """order_value_g of section 1."""
    return float(facts.order_value) * math.sqrt(facts.spend / facts.breadth)


class Segment:
    """The people of one segment."""

    def __init__(self, name: str, scenario: Scenario, chain: Chain) -> None:
        facts = scenario.segments[name]
        self.name, self.chain = name, chain
        self.size = float(facts.people)
        self.people = {stage: 0.0 for stage in CHAIN_STAGES}
        for stage, share in facts.start.items():
            self.people["cart" if stage == "perform" else stage] += self.size * share
        known = sum(self.people[stage] for stage in CHAIN_STAGES[1:])
        self.people["outside"] = self.size - known
        self.old = {stage: self.people[stage] for stage in WITH_OLD}
        self.carts = self.deposits = 0.0  # B, T
        self.exposure = 0.0  # a
        self.fatigue = dict.fromkeys(BANDS, 0.0)  # F
        self.before = self.shown = dict.fromkeys(BANDS, 0.0)  # n and x of section 6
        self.viewed = 0.0
        self.new_unrefunded = 0.0
        self.first_refunds = self.first_refunded = 0.0  # of its orders in all; people so far
        self.delay = float(facts.order_delay_days)
        self.decided: dict[Any, float] = {}
        self.habit_part: dict[str, float] = {}  # of the direct orders of the step
        self.kept_part: dict[str, float] = {}  # of its deposits, those out of baskets

    def put_off(self, buys: dict[str, float], days: float) -> dict[str, float]:
        """Z per person once decisions wait for their order (section 6)."""
        if self.delay == 0:
            return buys
        people, ready = self.band_people(), self.ready_to_order()
        deciding = {b: n * ready[b] for b, n in people.items()}
        acted = {b: self.signed(b, each * deciding[b], days) for b, each in buys.items()}
        return {b: x / deciding[b] if deciding[b] > 0 else 0.0 for b, x in acted.items()}

    def signed(self, what: Any, fresh: float, days: float) -> float:
        """What of the decisions of one kind is ordered now."""
        if self.delay == 0:
            return fresh
        before = self.decided.get(what, 0.0)
        self.decided[what] = decayed(before, fresh, days / self.delay)
        return before + fresh - self.decided[what]

    # ----- bands
    def band_people(self) -> dict[str, float]:
        return {
            band: sum(self.people[s] for s in stages) for band, stages in STAGES_OF_BAND.items()
        }

    def moved_by_visit(self, goal: str) -> dict[str, float]:
        """mu_gb of section 5: people per visit who move into the stage by it."""
        wanted = ("favourite", "cart") if goal == "perform" else (goal,)
        means = {}
        for band, stages in STAGES_OF_BAND.items():
            people = sum(self.people[s] for s in stages)
            moved = sum(
                self.people[s] * self.chain.visit.get(s, {}).get(to, 0.0)
                for s in stages
                for to in wanted
                if s in STRANGERS
            )
            means[band] = moved / people if people > 0 else 0.0
        return means

    def band_propensity(self, of: tuple[str, ...] = CHAIN_STAGES) -> dict[str, float]:
        """s_gb of section 5, of some stages alone."""
        means = {}
        for band, stages in STAGES_OF_BAND.items():
            people = sum(self.people[s] for s in stages)
            buying = sum(self.people[s] * self.chain.propensity[s] for s in stages if s in of)
            means[band] = buying / people if people > 0 else 0.0
        return means

    def ready_to_order(self) -> dict[str, float]:
        """s'_gb of section 9: who has paid a deposit orders by its balance, not by a visit."""
        return self.band_propensity(tuple(s for s in CHAIN_STAGES if s != "deposit"))

    def ready_of(self, who: str) -> dict[str, float]:
        """s'_gb of the bands of strangers, or of customers; 0 in the others."""
        ready = self.ready_to_order()
        return {b: s if who_are(b) == who else 0.0 for b, s in ready.items()}

    def baskets_filled(self) -> dict[str, float]:
        """k_gb of section 8: favourites and carts that a touch fills."""
        filled, customers = self.moved_by_visit("perform"), self.band_people()["customers"]
        added = self.chain.customer_cart * self.without_basket()
        return filled | {"customers": added / customers if customers > 0 else 0.0}

    def without_basket(self) -> float:
        """Customers who hold neither a cart nor a deposit (section 8)."""
        return max(0.0, self.band_people()["customers"] - self.carts - self.deposits)

    # ----- hazards (section 7)
    def hazards(self, step: StepTerms, contacts: Contacts) -> Hazards:
        table: Hazards = {}
        for stage in CHAIN_STAGES:
            band = BAND[stage]
            x, y, z = contacts.views[band], contacts.touches[band], contacts.buys[band]
            buys = z * self.chain.propensity[stage]
            moves = self._contact_moves(stage, step, y)
            if stage in CUSTOMERS or stage == "lapsed":
                moves |= self._old_moves(stage, step)
                habit = self.habit(stage, step.middle) * step.buying
                moves[DIRECT] = step.success * (buys + habit)
                self.habit_part[stage] = habit / (buys + habit) if habit > 0 else 0.0
            elif stage == "deposit":
                moves[BALANCE] = step.balance
            else:
                moves |= self._forgetting(stage, step, x + y if stage == "discover" else y)
                moves |= self._purchases(stage, step, buys)
            table[stage] = moves
        seen, visited = contacts.views["outside"], contacts.unseen
        further = sum(self.chain.visit["outside"].values())
        table["outside"]["discover"] = self._reach(seen) + visited * max(0.0, 1 - further)
        return table

    def habit(self, stage: str, middle: float) -> float:
        """Orders of habit per person and day."""
        if stage == "lapsed" or self.chain.rules.repeat is None:
            return 0.0
        people, factor = self.people[stage], self.chain.rules.repeat.event_factor
        old = self.old[stage] / people if people > 0 else 0.0
        recent = self.chain.habit(max(middle, 1e-9))
        recent *= factor if stage == "initial" else 1.0
        lapse = self.chain.rules.lapse_days
        return old * self.chain.habit(lapse, min(middle, lapse * (1 - 1e-6))) + (1 - old) * recent

    def _contact_moves(self, stage: str, step: StepTerms, touches: float) -> dict[str, float]:
        """visit_moves x Y + bar(base_moves) D / 30; into baskets goes what people like."""
        moves = {}
        for to, per_visit in self.chain.visit.get(stage, {}).items():
            sale = (
                step.cart * step.liked["strangers", self.name]
                if to in {"favourite", "cart"}
                else 1.0
            )
            moves[to] = per_visit * touches * sale + self.chain.alone[stage][to] * step.living
        return moves

    def _reach(self, views: float) -> float:
        """r_f ln[(1 + (a + X) / r_f) / (1 + a / r_f)], exact for small X too."""
        shape = self.chain.rules.frequency_shape
        return shape * math.log1p(views / (shape + self.exposure))

    def _forgetting(self, stage: str, step: StepTerms, contacts: float) -> dict[str, float]:
        rules = self.chain.rules
        if stage == "outside":
            return {}
        if stage in {"discover", "engage"}:
            to, window = "outside", rules.discover_days
        elif stage == "enthuse":
            to, window = "engage", rules.enthuse_days
        else:
            to, window = "engage", rules.basket_days
        spread = rules.frequency_shape
        return {to: step.living / window * renewal(contacts, window, step.browsing, spread)}

    def _purchases(self, stage: str, step: StepTerms, buys: float) -> dict[str, float]:
        """Orders and deposits of stages 0..5."""
        ready = {"cart": 1.0, "favourite": float(self.chain.rules.favourite_release)}
        standing = ready.get(stage, 0.0)
        who = "strangers", self.name
        kept = step.out_of_baskets(who, standing)
        deposit = step.deposit[self.name] * buys + kept
        self.kept_part[stage] = kept / deposit if deposit > 0 else 0.0
        return {
            DIRECT: step.success * buys,
            RELEASE: step.success * standing * step.release[who],
            "deposit": deposit,
        }

    def _old_moves(self, stage: str, step: StepTerms) -> dict[str, float]:
        """Moves of customers and lapsed other than orders; the old part alone lapses or returns."""
        rules, people = self.chain.rules, self.people[stage]
        old = min(1.0, self.old[stage] / people) if people > 0 else 0.0
        if stage == "lapsed":
            gap = rules.new_customer_window_days - rules.lapse_days
            return {"outside": old * self.chain.old_hazard(step, gap)}
        moves = {"lapsed": old * self.chain.old_hazard(step, rules.lapse_days)}
        if stage == "numerous":
            moves["keen"] = self.chain.keen_per_day * step.living
        return moves

    # ----- moves (section 7, "Leaving")
    def moves(self, table: Hazards) -> Hazards:
        """People on each move: out_c of the stage, and half of it for the newcomers of the step."""
        total = {stage: sum(moves.values()) for stage, moves in table.items()}
        out = {stage: -math.expm1(-hazard) for stage, hazard in total.items()}
        inflow = dict.fromkeys(CHAIN_STAGES, 0.0)
        for stage, moves in table.items():
            leaving = self.people[stage] * out[stage] / total[stage] if total[stage] > 0 else 0.0
            for move, hazard in moves.items():
                to = leads_to(stage, move)
                if to != stage:
                    inflow[to] += leaving * hazard
        flows: Hazards = {}
        for stage, moves in table.items():
            people, hazard = self.people[stage], total[stage]
            if people <= 0 or hazard <= 0:
                flows[stage] = dict.fromkeys(moves, 0.0)
                continue
            half = -math.expm1(-hazard / 2) * inflow[stage] / people
            leaving = people * min(1.0, out[stage] + half)
            flows[stage] = {move: leaving * part / hazard for move, part in moves.items()}
        return flows

    # ----- customers' baskets (section 8)
    def basket_moves(self, step: StepTerms, contacts: Contacts) -> dict[str, float]:
        """Flows of B and T: orders, deposits, drops, new carts, balances."""
        touches, who = contacts.touches["customers"], ("customers", self.name)
        window, spread = self.chain.rules.basket_days, self.chain.rules.frequency_shape
        hazards = {
            RELEASE: step.success * step.release[who],
            "deposit": step.out_of_baskets(who, 1.0),
            "drop": step.living / window * renewal(touches, window, step.browsing, spread),
        }
        each = self.chain.customer_cart * step.cart * step.liked[who]
        added = self.without_basket() * -math.expm1(-touches * each)
        total = sum(hazards.values())
        leaving = self.carts * -math.expm1(-total) + added * -math.expm1(-total / 2)
        flows = {move: leaving * h / total if total > 0 else 0.0 for move, h in hazards.items()}
        flows["add"] = added
        flows[BALANCE] = self.deposits * -math.expm1(-step.balance)
        return flows

    # ----- the end of the step
    def apply(self, flows: Hazards, basket: dict[str, float]) -> None:
        """All moves happen at once; orders are those that were paid."""
        before = dict(self.people)
        for stage, moves in flows.items():
            for move, people in moves.items():
                self.people[stage] -= people
                self.people[leads_to(stage, move)] += people
        basket_orders = basket[RELEASE] + basket[BALANCE]
        customers = sum(before[stage] for stage in CUSTOMERS)
        part = basket_orders / customers if customers > 0 else 0.0
        again = min(part * before["initial"], max(0.0, self.people["initial"]))
        self.people["initial"] -= again
        self.people["numerous"] += again
        self._age(before, flows, part)
        self.carts += basket["add"] - basket[RELEASE] - basket["deposit"] - basket["drop"]
        self.deposits += basket["deposit"] - basket[BALANCE]

    def _age(self, before: dict[str, float], flows: Hazards, basket_part: float) -> None:
        """old[g, c] after the step; people who lapse are not old in lapsed."""
        for stage in WITH_OLD:
            people, moves = before[stage], flows[stage]
            if people <= 0:
                self.old[stage] = 0.0
                continue
            gone = (moves[DIRECT] + moves.get("keen", 0.0)) / people
            gone += basket_part if stage in CUSTOMERS else 0.0
            aged = moves["outside"] if stage == "lapsed" else moves["lapsed"]
            left = self.old[stage] * max(0.0, 1 - gone) - aged
            self.old[stage] = min(max(0.0, left), people - aged)

    def age_contacts(self, views: float, days: float) -> None:
        """a_g and F_gb after the step (sections 7 and 6), people having moved."""
        rules = self.chain.rules
        window, half_life = rules.reach_window_days, rules.fatigue_half_life_days
        self.exposure = decayed(self.exposure, views, days / window)
        stock = {
            b: decayed(y, self.shown[b], days / half_life * math.log(2))
            for b, y in self.fatigue.items()
        }
        mean = sum(stock[b] * n for b, n in self.before.items()) / self.size
        for b, after in self.band_people().items():
            stay, come = min(self.before[b], after), max(0.0, after - self.before[b])
            self.fatigue[b] = (stock[b] * stay + mean * come) / after if after > 0 else mean

    def wear_of_step(self, impressions: dict[str, float], days: float) -> dict[str, float]:
        """wear_gb of section 6, at the mean stock of the step."""
        h = days * math.log(2) / self.chain.rules.fatigue_half_life_days
        self.before = self.band_people()
        self.shown = {b: impressions[b] / n if n > 0 else 0.0 for b, n in self.before.items()}
        return {
            b: self.wear(y * -math.expm1(-h) / h + self.shown[b] * (h + math.expm1(-h)) / h**2)
            for b, y in self.fatigue.items()
        }

    def wear(self, y: float) -> float:
        """exp(-fatigue (f - 1)), f = y / (1 - e^-y)."""
        f = y / -math.expm1(-y) if y > 0 else 1.0
        return math.exp(-self.chain.rules.fatigue * (f - 1))

    def forfeit(self) -> float:
        """Deposits that were not settled: people back to engage, customers' deposits vanish."""
        lost = self.people["deposit"] + self.deposits
        self.people["engage"] += self.people["deposit"]
        self.people["deposit"] = self.deposits = 0.0
        return lost

    @property
    def to_refund(self) -> float:
        """What is still to be refunded of first orders (section 11)."""
        return max(0.0, self.first_refunds - self.first_refunded)

    def refund_first_orders(self, people: float) -> float:
        """Refunded first orders: from initial back to engage, never more than there are."""
        moved = min(people, self.new_unrefunded, self.people["initial"])
        self.people["initial"] -= moved
        self.people["engage"] += moved
        self.old["initial"] = min(self.old["initial"], self.people["initial"])
        self.new_unrefunded -= moved
        self.first_refunded += moved
        return moved
