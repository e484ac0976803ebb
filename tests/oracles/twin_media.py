"""The twin's media: docs/model.md sections 3 (supply), 4 (contracts), 5 (scenes that bid)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulator.scenario.chain import BANDS, Moves
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, ContractSlot
from tests.oracles.twin_auction import Auction, Offer, offer_at
from tests.oracles.twin_chain import Chain, Segment, activity_of, cvr_of, order_value_of
from tests.oracles.twin_clock import DAY, Clock, Step
from tests.oracles.twin_goods import Goods, best_of, odds, prob, told

NEW_BANDS = ("outside", "aware", "active")
GOALS = {"discover", "engage", "enthuse", "perform"}
SEEN = {"impression", "discover"}  # worth the same wherever they are
FIRST = {"first_order", "initial"}
SPENT = 1e-9  # share of a cell below which the money left is rounding, not money


class Supply:
    """Section 3: opportunities by slot and segment."""

    def __init__(self, scenario: Scenario) -> None:
        self.slots, self.shock = scenario.slots, 1.0
        self.sensitivity = {
            name: float(source.sale_sensitivity) for name, source in scenario.sources.items()
        }
        activity = {g: s.people * activity_of(s) for g, s in scenario.segments.items()}
        self.share = {g: part / sum(activity.values()) for g, part in activity.items()}  # h

    def traffic(self, source: str, step: Step) -> float:
        """V x phase.traffic^e_m, weather included."""
        return self.usual_traffic(source, step) * self.shock

    def usual_traffic(self, source: str, step: Step) -> float:
        """The same without weather."""
        return step.browse * step.phase.traffic ** self.sensitivity[source]

    def of_slot(self, slot: str, step: Step) -> float:
        """The sum of O_kg over the segments."""
        facts = self.slots[slot]
        return facts.opportunities * self.traffic(facts.source, step)

    def of_segments(self, segments: list[str]) -> float:
        return sum(self.share[g] for g in segments)


@dataclass
class Placement:
    """Scene i on slot k for segment g, with the results of the step."""

    scene: str
    slot: str
    segment: str
    source: str
    contract: bool
    click_odds: float  # odds(ctr_k) ctr_g creative_i
    buy_odds: float  # odds(cvr_k) cvr_g personalisation_i
    creative: dict[str, float]  # c_ib
    arrival: float
    viewability: float
    touch: float
    auction: Auction | None = None
    value: float = 0.0  # v; 0 never bids
    log_value: float = 0.0
    log_price: float = 0.0  # ln(median_cpm_k) + ln(cpm_g)
    sensitivity: float = 0.0  # e_m
    rival_level: dict[str, float] = field(default_factory=dict)  # ln, by phase
    mu: float = 0.0
    opportunities: float = 0.0  # Q
    shares: dict[str, float] = field(default_factory=dict)  # share_b
    pulls: dict[str, float] = field(default_factory=dict)  # share_b of one unit of omega
    reached: dict[str, float] = field(default_factory=dict)  # e_b
    offer: Offer | None = None
    click_lift: float = 1.0  # lc
    buy_lift: float = 1.0  # lb
    impressions: float = 0.0
    clicks: float = 0.0
    visits: float = 0.0
    buying: float = 0.0  # visits x p_j
    looks: float = 0.0  # visits of hits that go on to another product
    look_buying: float = 0.0
    spend: float = 0.0

    @property
    def appeal(self) -> float:
        """f_j: the mean of c over the people reached."""
        return sum(share * self.creative[b] for b, share in self.reached.items())

    def clickers(self) -> dict[str, float]:
        """Where those stand who click."""
        appeal = self.appeal
        return {
            b: x * self.creative[b] / appeal if appeal > 0 else 0.0 for b, x in self.reached.items()
        }

    def mean_of_reached(self, by_band: dict[str, float]) -> float:
        """Sum of e_jb times a figure of the bands."""
        return sum(share * by_band[b] for b, share in self.reached.items())

    def mean_of_clickers(self, by_band: dict[str, float]) -> float:
        """Sum of e^c_jb times a figure of the bands."""
        return sum(share * by_band[b] for b, share in self.clickers().items())

    @property
    def position_factor(self) -> float:
        return self.offer.position_factor if self.offer else 1.0


def segments_of(scenario: Scenario, scene: str) -> list[str]:
    return scenario.scenes[scene].segments or list(scenario.segments)


def make_placements(scenario: Scenario, goods: Goods) -> list[Placement]:
    """Auction slots that a scene uses, contract slots of which it owns a package."""
    placements = []
    for scene, facts in scenario.scenes.items():
        for slot, offered in scenario.slots.items():
            booked = scene in owners_of(scenario, slot)
            used = booked if isinstance(offered, ContractSlot) else slot in facts.slots
            if used:
                placements += [
                    _placement(scenario, goods, scene, slot, g)
                    for g in segments_of(scenario, scene)
                ]
    return placements


def _placement(scenario: Scenario, goods: Goods, scene: str, slot: str, segment: str) -> Placement:
    facts, people = scenario.slots[slot], scenario.segments[segment]
    contract = isinstance(facts, ContractSlot)
    source = facts.source  # its own, also where it shares another slot's inventory
    placement = Placement(
        scene=scene,
        slot=slot,
        segment=segment,
        source=source,
        contract=contract,
        click_odds=odds(facts.ctr) * people.ctr * best_creative(scenario, scene),
        buy_odds=odds(facts.cvr)
        * cvr_of(people)
        * scenario.scenes[scene].personalisation
        * readier(scenario, scene, slot),
        creative={b: float(scenario.scenes[scene].creative_by_band.get(b, 1.0)) for b in BANDS},
        arrival=float(facts.arrival),
        viewability=float(facts.viewability),
        touch=float(scenario.sources[source].touch),
        sensitivity=float(scenario.sources[source].sale_sensitivity),
    )
    if isinstance(facts, AuctionSlot):
        placement.auction = _auction(facts, prediction_of(scenario, scene))
        placement.log_price = math.log(facts.median_cpm) + math.log(people.cpm) + rivals(scenario)
        placement.log_price += math.log(scenario.scenes[scene].selection.cpm)
        placement.rival_level = {f: math.log(x) for f, x in facts.rival_level.items()}
        placement.value = _value(scenario, goods, placement)
        placement.log_value = math.log(placement.value) if placement.value > 0 else 0.0
    return placement


def best_creative(scenario: Scenario, scene: str) -> float:
    """creative_i: the mean one times the gain of the best of n (section 10)."""
    facts = scenario.scenes[scene]
    made = facts.creatives
    if made is None:
        return float(facts.creative)
    rates = [prob(odds(scenario.slots[k].ctr) * facts.creative) for k in facts.slots]
    ctr = sum(rates) / len(rates)
    information = made.test_impressions * ctr * (1 - ctr)
    return facts.creative * best_of(made.count, told(made.sd, information))


def owners_of(scenario: Scenario, slot: str) -> set[str]:
    """Scenes that own a package delivered over the contract slot."""
    return {
        package.scene
        for name, facts in scenario.slots.items()
        if isinstance(facts, ContractSlot)
        for package in facts.packages.values()
        if slot in (name, *package.over)
    }


def pool_of(scenario: Scenario, slot: str) -> str:
    """The slot whose inventory it uses."""
    facts = scenario.slots[slot]
    return facts.shares or slot if isinstance(facts, ContractSlot) else slot


def _auction(facts: AuctionSlot, tau: float) -> Auction:
    several = facts.mechanism in {"gsp", "vcg"} and facts.positions > 1  # there the bid is flat
    decay = tuple(float(d) for d in facts.position_decay[: int(facts.positions)])
    return Auction(
        mechanism=facts.mechanism,
        sigma=float(facts.sigma),
        tau=0.0 if several else tau,
        reserve=float(facts.reserve_cpm),
        decay=decay if several else (1.0,),
    )


def prediction_of(scenario: Scenario, scene: str) -> float:
    """tau of the scene; where it bids for what is seen there is nothing to predict."""
    facts = scenario.scenes[scene]
    flat = facts.bid.mode != "roi_control" and facts.bid.cost_per in SEEN
    return 0.0 if flat else float(facts.prediction)


def _value(scenario: Scenario, goods: Goods, placement: Placement) -> float:
    """v_j: expected actions per 1000 impressions at the start."""
    bid = scenario.scenes[placement.scene].bid
    clicks = 1000 * prob(placement.click_odds * _first_appeal(scenario, placement))
    orders = clicks * placement.arrival * prob(placement.buy_odds)
    if bid.mode == "roi_control":
        order_value = order_value_of(scenario.segments[placement.segment])
        ready = _first_readiness(scenario, placement, "order")
        return orders * ready * goods.scene_price[placement.scene] * order_value
    if bid.cost_per in {*FIRST, "order", "numerous"}:
        return orders * _first_readiness(scenario, placement, bid.cost_per)
    if bid.cost_per in GOALS:
        return _first_moves(scenario, placement, bid.cost_per)
    if bid.cost_per == "cart":
        return clicks * placement.arrival * cart_move(scenario)
    return clicks if bid.cost_per == "click" else 1.0


def _aimed(scenario: Scenario, placement: Placement) -> tuple[Segment, dict[str, float]]:
    """The segment, and the people of each band whom the scene addresses at the start."""
    people = Segment(placement.segment, scenario, Chain(scenario))
    audience = scenario.scenes[placement.scene].audience
    return people, {b: float(audience.get(b, 0.0)) * n for b, n in people.band_people().items()}


def _drawn(placement: Placement, aimed: dict[str, float]) -> dict[str, float]:
    """Those of the people aimed at whom the creative makes click, up to a factor: e^c_jb."""
    return {b: x * placement.creative[b] for b, x in aimed.items()}


def _first_readiness(scenario: Scenario, placement: Placement, goal: str) -> float:
    """s_j of the goal at the start, as if the scene were alone."""
    people, aimed = _aimed(scenario, placement)
    return readiness_of(people, people.band_propensity(), _drawn(placement, aimed), goal)


def readiness_of(
    people: Segment, s: dict[str, float], clickers: dict[str, float], goal: str
) -> float:
    """Mean readiness of those who click, of those whose order counts for the goal.

    `clickers` stand in the bands as e^c_jb, up to a factor; `s` is s_gb.
    """
    everyone = sum(clickers.values())
    if goal == "numerous":
        s = people.band_propensity(("initial", "lapsed"))  # s'_gb of section 5
    bands = NEW_BANDS if goal in FIRST else BANDS
    wanted = sum(clickers[b] * s[b] for b in bands)
    return wanted / everyone if everyone > 0 else 0.0


def _first_moves(scenario: Scenario, placement: Placement, goal: str) -> float:
    """People moved per 1000 impressions at the start, as if the scene were alone."""
    people, aimed = _aimed(scenario, placement)
    total = sum(aimed.values())
    if total <= 0:
        return 0.0
    if goal == "discover":
        return 1000 * placement.viewability * aimed["outside"] / total
    drawn = _drawn(placement, aimed)
    each = people.moved_by_visit(goal)
    mean = sum(drawn[b] * each[b] for b in BANDS) / sum(drawn.values())
    clicks = 1000 * prob(placement.click_odds * _first_appeal(scenario, placement))
    return clicks * placement.arrival * placement.touch * mean


def _first_appeal(scenario: Scenario, placement: Placement) -> float:
    """f_j at the start, as if the scene were alone."""
    _, aimed = _aimed(scenario, placement)
    total = sum(aimed.values())
    if total <= 0:
        return 1.0
    return sum(n * placement.creative[b] for b, n in aimed.items()) / total


def readier(scenario: Scenario, scene: str, slot: str) -> float:
    """Odds of buying of the scene's crowd, as far as the slot reaches it."""
    facts = scenario.slots[slot]
    precision = facts.precision if isinstance(facts, ContractSlot) else 1.0
    return float(1 + precision * (scenario.scenes[scene].selection.cvr - 1))


def rivals(scenario: Scenario) -> float:
    """rho."""
    scores = scenario.rival_scores
    more = scenario.rivals_above - scores.measured
    return float(0.6 * more * (scores.above - scores.below))


def cart_move(scenario: Scenario) -> float:
    """c0 = visit_moves.engage.cart."""
    return float(scenario.chain.visit_moves.get("engage", Moves()).cart)


# --------------------------------------------------------------------------- contracts (section 4)
class Package:
    """One booked package and its delivery."""

    def __init__(self, name: str, scenario: Scenario, clock: Clock) -> None:
        self.name = name
        self.slot, key = name.split(".", 1)
        slot = scenario.slots[self.slot]
        assert isinstance(slot, ContractSlot)
        self.facts = slot.packages[key]
        self.scene = self.facts.scene
        self.segments = segments_of(scenario, self.scene)
        slots = (self.slot, *self.facts.over)
        self.pools = {name: pool_of(scenario, name) for name in slots}  # whose inventory it takes
        self.cpm = cpm_of(slot, self.facts, clock)
        if self.facts.cpm is None:
            self.cpm *= float(scenario.scenes[self.scene].selection.cpm)
        self.deposit, self.cap = float(slot.deposit), slot.frequency_cap
        booked_at = self.facts.booked_at
        self.bill_at = 0 if booked_at is None else max(0, clock.seconds(booked_at))
        self.billed = False
        self.make_good = float(slot.make_good) if slot.remedy == "make_good" else 0.0
        self.remedy = slot.remedy
        self.booked = float(self.facts.impressions)
        self.delivered = self.shortfall = self.make_good_due = self.make_good_served = 0.0
        ends = [span.end for span in clock.spans if span.name in self.facts.phases]
        self.end = max(ends, default=0)
        self.good_end = good_end = self.end + slot.make_good_days * DAY
        self.settled = False
        self.pace_left = clock.remaining(lambda step: step.phase_name in self.facts.phases)
        self.good_pace_left = clock.remaining(lambda step: self.end <= step.start < good_end)
        self.closed = False
        self.due = self.served = self.spend = 0.0
        self.served_in: dict[str, float] = {}  # by slot
        self.today, self.seen_today, self.offered_today = "", 0.0, 0.0

    @property
    def price(self) -> float:
        return self.booked * self.cpm / 1000

    def open_step(self, step: Step) -> None:
        """The deposit; at the first step at or after the window's end the shortfall is known."""
        self.spend = 0.0
        if not self.billed and step.start >= self.bill_at:
            self.billed, self.spend = True, self.deposit * self.price
        if self.closed and step.start >= self.good_end and self.make_good_due > 0:
            missing = (self.make_good_due - self.make_good_served) / self.make_good
            self.spend -= 0.0 if self.settled else missing * self.cpm / 1000
            self.settled = True
        if self.closed or step.start < self.end:
            return
        self.closed = True
        self.shortfall = max(0.0, self.booked - self.delivered)
        self.make_good_due = self.shortfall * self.make_good
        owed = self.shortfall * self.cpm / 1000
        self.spend += owed * ((self.remedy == "make_good") - self.deposit)

    def is_open(self, step: Step) -> bool:
        """Whether it may be served in this step."""
        return step.index in (self.good_pace_left if self.closed else self.pace_left)

    def ask(self, step: Step) -> None:
        """due_q of this step."""
        if not self.closed:
            owed, left = self.booked - self.delivered, self.pace_left.get(step.index, 0.0)
        else:
            owed = self.make_good_due - self.make_good_served
            left = self.good_pace_left.get(step.index, 0.0)
        self.due = max(0.0, owed) * step.pace / left if left > 0 else 0.0

    def serve(self, parts: dict[str, float]) -> None:
        """Impressions of the step by slot; make-good is free."""
        self.served_in, self.served = parts, sum(parts.values())
        self.seen_today += self.served
        if self.closed:
            self.make_good_served += self.served
        else:
            self.delivered += self.served
            self.spend += (1 - self.deposit) * self.served * self.cpm / 1000


def cpm_of(slot: ContractSlot, package: Any, clock: Clock) -> float:
    """The package's own price, or the slot's by its date of booking and its phases."""
    if package.cpm is not None:
        return float(package.cpm)
    steps, spans = slot.price_steps, [s for s in clock.spans if s.name in package.phases]
    first, weeks = min(span.start for span in spans), 0
    if package.booked_at is not None:
        ahead = first - clock.seconds(package.booked_at)
        weeks = math.ceil(max(0.0, steps.weeks - ahead / (7 * DAY)))
    weight = {span.name: (span.end - span.start) * span.phase.traffic for span in spans}
    rise = {span.name: span.phase.cpm**steps.sale_sensitivity for span in spans}
    dear = sum(steps.phases.get(name, 1.0) * rise[name] * w for name, w in weight.items())
    return float(slot.cpm * (1 + steps.per_week * weeks) * dear / sum(weight.values()))


def shown_at_most(mean: float, shape: float, most: int) -> float:
    """M: the mean of min(X, F), X negative binomial."""
    chance = (1 + mean / shape) ** -shape
    total = 0.0
    for k in range(most):  # F less the mean of what is missing to it
        total += (most - k) * chance
        chance *= (k + shape) / (k + 1) * mean / (mean + shape)
    return most - total


class Contracts:
    """All booked packages, served before the auction."""

    def __init__(self, scenario: Scenario, clock: Clock, supply: Supply, booked: list[str]) -> None:
        every = [
            (f"{slot}.{key}", package.signed, facts.cancellation_fee)
            for slot, facts in scenario.slots.items()
            if isinstance(facts, ContractSlot)
            for key, package in facts.packages.items()
        ]
        names = [n for n, signed, fee in every if n in booked or (signed and fee is None)]
        self.supply, self.scenario = supply, scenario
        self.packages = [Package(name, scenario, clock) for name in names]
        self.cancelled = [
            Package(n, scenario, clock) for n, signed, _ in every if signed and n not in names
        ]
        self.precision = {
            slot: float(facts.precision)
            for slot, facts in scenario.slots.items()
            if isinstance(facts, ContractSlot)
        }

    def fees(self) -> list[tuple[str, float]]:
        """What cancelled packages cost: scene, CNY."""
        slots = self.scenario.slots
        return [
            (p.scene, max(slots[p.slot].cancellation_fee or 0.0, p.deposit) * p.price)
            for p in self.cancelled
        ]

    def venue(self, step: Step) -> float:
        """Free visits of the step against those without the venues of booked packages."""
        there = [p.facts for p in self.packages if step.phase_name in p.facts.phases]
        return math.prod(float(facts.free_visits) for facts in there)

    def serve(self, step: Step) -> dict[tuple[str, str], float]:
        """Serve what is due; impressions taken from each pool by (pool, segment)."""
        for package in self.packages:
            package.open_step(step)
            package.ask(step)
        offers = {package.name: self._offers(package, step) for package in self.packages}
        for package in self.packages:
            self._cap(package, sum(offers[package.name].values()), step)
        wants = {
            package.name: split(package.due, offers[package.name]) for package in self.packages
        }
        total: dict[str, float] = {}
        for package in self.packages:
            for slot, pool in package.pools.items():
                total[pool] = total.get(pool, 0.0) + wants[package.name][slot]
        taken: dict[tuple[str, str], float] = {}
        for package in self.packages:
            parts = {}
            for slot, wanted in wants[package.name].items():
                whole, offered = total[package.pools[slot]], offers[package.name][slot]
                parts[slot] = wanted * min(1.0, offered / whole) if whole > 0 else 0.0
            package.serve(parts)
            for (slot, g), impressions in self.by_segment(package).items():
                key = package.pools[slot], g
                taken[key] = taken.get(key, 0.0) + impressions
        return taken

    def _offers(self, package: Package, step: Step) -> dict[str, float]:
        """supply_qk by slot."""
        part = self.supply.of_segments(package.segments) * (1 - step.phase.rival_booked)
        return {
            slot: self.supply.of_slot(pool, step) * part for slot, pool in package.pools.items()
        }

    def _cap(self, package: Package, offered: float, step: Step) -> None:
        """No more than fits under the cap, today."""
        if package.cap is None or not package.is_open(step):
            return
        if package.today != step.date:
            package.today, package.seen_today, package.offered_today = step.date, 0.0, 0.0
        package.offered_today += offered
        share, total = self.supply.share, self.supply.of_segments(package.segments)
        shape, fits = float(self.scenario.chain.frequency_shape), 0.0
        for g in package.segments:
            people = float(self.scenario.segments[g].people)
            mean = package.offered_today * share[g] / total / people
            fits += people * shown_at_most(mean, shape, package.cap)
        package.due = min(package.due, max(0.0, fits - package.seen_today))

    def by_segment(self, package: Package) -> dict[tuple[str, str], float]:
        """What was served in each slot over the scene's segments, by h_kg."""
        total = self.supply.of_segments(package.segments)
        share = self.supply.share
        return {
            (slot, g): served * share[g] / total
            for slot, served in package.served_in.items()
            for g in package.segments
        }

    def impressions(self) -> dict[tuple[str, str, str], float]:
        """By placement: scene, slot, segment."""
        shown: dict[tuple[str, str, str], float] = {}
        for package in self.packages:
            for (slot, g), impressions in self.by_segment(package).items():
                key = package.scene, slot, g
                shown[key] = shown.get(key, 0.0) + impressions
        return shown

    def pool(self, slot: str) -> str:
        """Whose opportunities a contract slot takes."""
        return pool_of(self.scenario, slot)

    def within_crowds(
        self, shown: dict[Any, float], crowds: dict[tuple[str, str], float], step: Step
    ) -> dict[tuple[str, str], float]:
        """lambda by pool and segment: the part of the precision for which the crowds have opportunities."""
        gone: dict[tuple[str, str], float] = {}
        beyond: dict[tuple[str, str], float] = {}
        for (scene, slot, g), impressions in shown.items():
            if impressions > 0:
                key, crowd = (self.pool(slot), g), crowds[scene, g]
                offered = self.supply.of_slot(key[0], step) * self.supply.share[g]
                part = impressions / (offered * (1 - step.phase.rival_booked))
                gone[key] = gone.get(key, 0.0) + part
                if crowd > 0:
                    more = self.precision[slot] * part * (1 / crowd - 1)
                    beyond[key] = beyond.get(key, 0.0) + more
        return {
            key: min(1.0, max(0.0, 1 - gone[key]) / x) if x > 0 else 1.0
            for key, x in beyond.items()
        }

    def reached(
        self, slot: str, audience: dict[str, float], pi: dict[str, float], bear: float
    ) -> dict[str, float]:
        """e_b = aim a pi / sum a pi + (1 - aim) pi."""
        aimed = sum(audience[b] * pi[b] for b in BANDS)
        if aimed <= 0:
            return dict(pi)
        precision = self.precision[slot] * bear
        return {b: precision * audience[b] * pi[b] / aimed + (1 - precision) * pi[b] for b in BANDS}


def split(wanted: float, offers: dict[str, float]) -> dict[str, float]:
    """What is wanted, in proportion to what is on offer."""
    total = sum(offers.values())
    return {slot: wanted * x / total if total > 0 else 0.0 for slot, x in offers.items()}


# --------------------------------------------------------------------------- scenes (section 5)
class Scene:
    """One scene: its money, its bid and its own auction placements."""

    def __init__(self, name: str, scenario: Scenario, money: dict[str, float]) -> None:
        facts = scenario.scenes[name]
        self.name, self.facts = name, facts
        self.audience = {band: facts.audience.get(band, 0.0) for band in BANDS}
        self.placements: list[Placement] = []
        phases = facts.phases or list(scenario.calendar.phases)
        self.money = {phase: float(money.get(phase, 0.0)) for phase in phases}
        self.spent = dict.fromkeys(self.money, 0.0)
        self.spent_on: dict[str, float] = {}  # by date
        self.spent_in: dict[tuple[str, str], float] = {}  # by phase and date
        self.clock: Clock | None = None
        self.pace_left: dict[str, dict[int, float]] = {}
        self.service = math.exp(0.6 * (scenario.service_score - 4.6))
        self.cart_move = cart_move(scenario)
        self.held = facts.bid.mode == "custom_bid"
        self.held_at = math.log(facts.bid.target or 1.0)
        self.lift_on_clicks = facts.bid.mode != "roi_control" and facts.bid.cost_per in {
            "impression",
            "click",
            "cart",
            *GOALS,
        }
        self.limited = facts.bid.mode in {"cost_control", "roi_control"} and not self.held
        self.limit = self._limit()
        self.x = self.level = self.target = self.smooth = self.cost = self.theta = 0.0
        self.open = 1.0
        self.targeted = self.allowed = 0.0
        self.late = self.slept = self.sleeps = self.waits = self.new = self.enough = False
        self.before = 0.0
        self.quality = self.log_quality = 0.0
        self.free_gmv = 0.0  # counts towards a return target
        self.rates: dict[int, Callable[[float], float]] = {}

    def _limit(self) -> float:
        """The highest cost per action; with roi_control per yuan of gmv."""
        target = self.facts.bid.target
        if target is None:
            return math.inf
        return 1 / target if self.facts.bid.mode == "roi_control" else float(target)

    @property
    def active(self) -> bool:
        return self.target > 0

    @property
    def claim(self) -> float:
        """Smooth money, as far as there is something on sale."""
        return self.smooth * self.open

    # ----- opening the step: target and (1) the move of the level
    def open_step(self, step: Step, goods: Goods, fresh: bool) -> None:
        self.open = goods.on_sale(self.name)
        room = self._room(step) if self.open > 0 else 0.0
        self.smooth = self._smooth(step, room) if self.open > 0 else 0.0
        self.target = room if self.facts.pacing == "quick" else self.smooth
        self.slept, self.sleeps = self.sleeps, self.smooth <= 0
        self.new = self.waits and not self.sleeps
        self.waits = self.sleeps and (self.waits or fresh)
        self.enough = False
        rest = 0.5 if self.facts.pacing == "quick" else 0.05
        self.late = room < self._left(step) * (1 - SPENT) and room <= rest * self._of_day(step)
        levels = self._levels(step)
        level = sum(levels) / len(levels) if levels else 0.0
        self.x = level if step.index == 0 else self.x + level - self.level
        self.level = level
        if self.held:
            self.x = self.held_at
        self.quality = self.service * goods.scene_quality[self.name]
        self.log_quality = math.log(self.quality)
        self.cost = self.theta = 0.0
        for j in self.placements:
            j.impressions = j.spend = 0.0
            j.click_lift = j.buy_lift = 1.0

    def _left(self, step: Step) -> float:
        """Money left in the phase."""
        if step.phase_name not in self.money:
            return 0.0
        money, spent = self.money[step.phase_name], self.spent[step.phase_name]
        if self.facts.budget_kind == "cycle":
            money, spent = sum(self.money.values()), sum(self.spent.values())
        return kept(money, spent)

    def _room(self, step: Step) -> float:
        """The most that may be spent in the step."""
        room = self._left(step)
        if self.facts.daily_cap is not None:
            room = min(room, kept(self.facts.daily_cap, self.spent_on.get(step.date, 0.0)))
        if self.facts.budget_kind == "daily":
            length = sum(s.days for s in self._steps(step, same_day=False))
            part = sum(s.days for s in self._steps(step)) / length
            money = self.money.get(step.phase_name, 0.0) * part
            room = min(room, kept(money, self.spent_in.get((step.phase_name, step.date), 0.0)))
        return room

    def _of_day(self, step: Step) -> float:
        """What a day may cost, where money is kept by day."""
        found = [math.inf if self.facts.daily_cap is None else float(self.facts.daily_cap)]
        if self.facts.budget_kind == "daily":
            length = sum(s.days for s in self._steps(step, same_day=False))
            part = sum(s.days for s in self._steps(step)) / length
            found.append(self.money.get(step.phase_name, 0.0) * part)
        return min(found)

    def _steps(self, step: Step, *, same_day: bool = True) -> list[Step]:
        """Steps of the same phase, and of the same day."""
        assert self.clock is not None
        return [
            s
            for s in self.clock.steps
            if s.phase_name == step.phase_name and (s.date == step.date or not same_day)
        ]

    def _smooth(self, step: Step, room: float) -> float:
        of_phase = self._left(step) * self._part(step)
        if self.facts.budget_kind != "daily" and self.facts.daily_cap is None:
            return of_phase
        later = sum(s.browse for s in self._steps(step) if s.index >= step.index)
        of_day = room * step.browse / later if later > 0 else 0.0
        return of_day if self.facts.budget_kind == "daily" else min(of_phase, of_day)

    def _part(self, step: Step) -> float:
        """The step's part of the pace left in the phase."""
        if self.facts.budget_kind == "cycle":
            assert self.clock is not None
            later = self.clock.steps[step.index :]
            pace_left = sum(s.pace for s in later if s.phase_name in self.money)
        else:
            pace_left = self.pace_left.get(step.phase_name, {}).get(step.index, 0.0)
        return step.pace / pace_left if pace_left > 0 else 0.0

    def _levels(self, step: Step) -> list[float]:
        """ln price - ln v of the placements that can bid."""
        log_cpm = math.log(step.phase.cpm)
        return [
            j.log_price
            + j.sensitivity * log_cpm
            + j.rival_level.get(step.phase_name, 0.0)
            - j.log_value
            for j in self.placements
            if j.value > 0
        ]

    def weight(self, placement: Placement) -> float:
        """omega_j = smooth (alpha_i v_j / exp(mu0_j))^2."""
        if placement.value <= 0:
            return 0.0
        return self.claim * math.exp(2 * (self.x + placement.log_value - placement.log_price))

    # ----- bidding: (2) actions, (3) Newton, (4) evaluation, (5) throttle
    def learn(self, step: Step, market: "Market") -> None:
        if self.limited and self.active:
            self.rates = {
                i: self._rate(j, step, market) for i, j in enumerate(self.placements) if j.value > 0
            }

    def rounds(self, fresh: bool, step: Step) -> range:
        """The Newton iterations of a step in which the scene takes part, of sixteen."""
        if fresh:
            return range(8)
        if self.new:
            return range(8, 16)
        if self.slept:
            return range(0)
        return range(1 if step.days < 0.25 else 3)

    def move(self, n: int, fresh: bool, step: Step) -> None:
        """Newton iteration n, at the rates of x; at first at those that the step before ended with."""
        if self.active and not self.held and n in self.rounds(fresh, step):
            if fresh or n > 0:
                self._bring_offers()
            change = self._newton()
            self.x += max(change, 0.0) if self.late else change
            levels = self._levels(step) or [0.0]
            self.x = min(max(self.x, min(levels) - 3), max(levels) + 3)

    def take_back(self) -> None:
        """A step down that loses a fifth of the money is not made."""
        if self.active and self.enough:
            self._bring_offers()
            if self._evaluate().cost < 0.8 * self.target:
                self.x = self.before

    def settle(self, step: Step) -> None:
        """Evaluation at the new x, throttle and results."""
        if not self.active:
            return
        self._bring_offers()
        found = self._evaluate()
        self.cost = found.cost
        self.theta = self.open * (min(1.0, self.target / self.cost) if self.cost > 0 else 1.0)
        if self.limited:
            counted = self.free_gmv + self.theta * (found.actions - self.free_gmv)
            self.allowed += self.limit * counted
        for j in self.placements:
            if j.offer:
                entered = self.theta * j.opportunities
                j.impressions = j.offer.impressions * entered
                j.spend = entered * j.offer.cost
                lift = j.offer.lift
                lifts = (lift, 1.0) if self.lift_on_clicks else (math.sqrt(lift), math.sqrt(lift))
                j.click_lift, j.buy_lift = lifts
        paid = sum(j.spend for j in self.placements)
        self.targeted += paid if self.limited else 0.0
        self.spent[step.phase_name] += paid
        self.spent_on[step.date] = self.spent_on.get(step.date, 0.0) + paid
        part = step.phase_name, step.date
        self.spent_in[part] = self.spent_in.get(part, 0.0) + paid

    def _bring_offers(self) -> None:
        """What one opportunity of each placement brings at x."""
        for j in self.placements:
            if j.value > 0 and j.auction is not None:
                score = self.x + j.log_value - j.auction.tau**2 / 2 + self.log_quality
                j.offer = offer_at(j.auction, score, j.mu, self.quality)

    def _evaluate(self) -> "Evaluation":
        """G, Y and their slopes in x."""
        found = Evaluation(actions=self.free_gmv)
        for i, j in enumerate(self.placements):
            offer = j.offer
            if offer is None:
                continue
            found.cost += j.opportunities * offer.cost
            found.cost_slope += j.opportunities * offer.cost_slope
            if self.limited:
                per_win = j.opportunities * offer.shown * self.rates[i](offer.position_factor)
                flat = self.counts_impressions  # other actions weigh WV / W
                found.actions += per_win * (offer.win if flat else offer.value_win)
                found.action_slope += per_win * offer.value_slope
        return found

    def _newton(self) -> float:
        found = self._evaluate()
        cost = max(found.cost, 1e-300)
        step = clipped(math.log(self.target / cost) * cost / (found.cost_slope + cost))
        limit = self._limit_step(found) if self.limited else math.inf
        self.before, self.enough = self.x, cost >= self.target and step <= limit
        return min(step, limit)

    def _limit_step(self, found: "Evaluation") -> float:
        """step_cost: towards the limit on the cost per action; free while nothing is bought."""
        if found.cost <= 1e-300 or math.isinf(self.limit):
            return 1.0
        if found.actions <= 1e-300:
            return -1.0
        slope = found.cost_slope / found.cost - found.action_slope / found.actions
        return clipped(math.log(self.limit * found.actions / found.cost) / max(slope, 0.05))

    # ----- actions per impression, for the limit
    @property
    def counts_impressions(self) -> bool:
        return self.facts.bid.mode == "cost_control" and self.facts.bid.cost_per in SEEN

    def _rate(self, j: Placement, step: Step, market: "Market") -> Callable[[float], float]:
        """act_j as a function of the position factor E / A."""
        if self.counts_impressions:
            one = self.facts.bid.cost_per == "impression"
            rate = 1 / 1000 if one else j.viewability * market.not_seen(j)
            return lambda _: rate
        goods, phase = market.goods, step.phase
        clicks = (
            j.click_odds
            * goods.scene_ctr[self.name]
            * phase.ctr
            * j.mean_of_reached(market.wear[j.segment])
        )
        clicks *= j.appeal
        rate = prob(clicks) * self._after_click(j, step, market)
        return lambda factor: rate * factor

    def _after_click(self, j: Placement, step: Step, market: "Market") -> float:
        """Actions per click."""
        goods, bid, phase = market.goods, self.facts.bid, step.phase
        if bid.mode == "cost_control" and bid.cost_per == "cart":
            liked = goods.scene_liked[self.name][j.segment]
            return j.arrival * self.cart_move * phase.cart * liked
        if bid.mode == "cost_control" and bid.cost_per == "click":
            return 1.0
        if bid.mode == "cost_control" and bid.cost_per in GOALS:
            each = market.people[j.segment].moved_by_visit(bid.cost_per)
            mean = j.mean_of_clickers(each)
            if bid.cost_per == "perform":
                mean *= phase.cart * goods.scene_liked[self.name][j.segment]
            return j.arrival * j.touch * mean
        kappa = goods.scene_kappa[self.name][j.segment]
        buys = prob(j.buy_odds * kappa * phase.cvr * market.demand_shock * market.eager[j.segment])
        orders = j.arrival * buys * market.readiness[step.phase_name, step.date]
        if bid.mode == "roi_control":
            return orders * market.readiness_of(j) * goods.paid_in(self.name, j.segment)
        return orders * market.readiness_of(j, bid.cost_per)


def kept(money: float, spent: float) -> float:
    """What is left, if it is more than rounding."""
    return money - spent if money - spent > SPENT * money else 0.0


@dataclass
class Evaluation:
    """What a scene's bid brings in a step, and its slopes in x."""

    cost: float = 0.0  # G
    cost_slope: float = 0.0  # sum of Q C'
    actions: float = 0.0  # Y
    action_slope: float = 0.0


def clipped(step: float) -> float:
    return min(1.0, max(-1.0, step))


class Market:
    """What scenes bid on in a step: opportunities and rivals of every group (k, g)."""

    def __init__(
        self, scenario: Scenario, supply: Supply, goods: Goods, people: dict[str, Segment]
    ) -> None:
        self.supply, self.goods, self.people = supply, goods, people
        self.eta = float(scenario.slot_price_scarcity)
        self.demand_shock = 1.0
        self.eager: dict[str, float] = {}
        self.readiness: dict[tuple[str, str], float] = {}  # by phase and date
        self.groups: dict[tuple[str, str], list[tuple[Scene, Placement]]] = {}
        self.wear: dict[str, dict[str, float]] = {}
        self.propensity: dict[str, dict[str, float]] = {}
        self.offered: dict[tuple[str, str], float] = {}  # O'
        self.pi: dict[str, dict[str, float]] = {}

    def add(self, scene: Scene, placement: Placement) -> None:
        scene.placements.append(placement)
        self.groups.setdefault((placement.slot, placement.segment), []).append((scene, placement))

    def open(self, step: Step, taken: dict[Any, float], pi: dict[str, dict[str, float]]) -> None:
        """O' of every group and mu of every placement."""
        self.pi = pi
        self.wear = {
            g: {b: people.wear(y) for b, y in people.fatigue.items()}
            for g, people in self.people.items()
        }
        self.propensity = {g: people.band_propensity() for g, people in self.people.items()}
        log_cpm = math.log(step.phase.cpm)
        scarcity = {slot: self._scarcity(slot, step, taken) for slot, _ in self.groups}
        for (slot, g), members in self.groups.items():
            self.offered[slot, g] = self._left(slot, g, step, taken)
            for _, j in members:
                j.mu = j.log_price + j.sensitivity * log_cpm + scarcity[slot]
                j.mu += j.rival_level.get(step.phase_name, 0.0)

    def divide(self) -> None:
        """New shares from the scenes' x and targets, and what follows from them."""
        for members in self.groups.values():
            self._share(members)
        self.bring_opportunities()

    def bring_opportunities(self) -> None:
        """Q and e_b of every placement at the shares in force."""
        for (slot, g), members in self.groups.items():
            for _, j in members:
                entered = sum(share * self.pi[g][b] for b, share in j.shares.items())
                j.opportunities = self.offered[slot, g] * entered
                part = {b: pull * self.pi[g][b] for b, pull in j.pulls.items()}
                total = sum(part.values())
                j.reached = {b: x / total if total > 0 else 0.0 for b, x in part.items()}

    def _left(self, slot: str, g: str, step: Step, taken: dict[Any, float]) -> float:
        """O'_kg."""
        offered = self.supply.of_slot(slot, step) * self.supply.share[g]
        return max(0.0, offered - taken.get((slot, g), 0.0))

    def _scarcity(self, slot: str, step: Step, taken: dict[Any, float]) -> float:
        """eta ln(1 / left_k)."""
        if not any(pool == slot for pool, _ in taken):
            return 0.0
        forecast = self.supply.of_slot(slot, step)
        remaining = sum(self._left(slot, g, step, taken) for g in self.people)
        left = max(0.05, remaining / forecast) if forecast > 0 else 1.0
        return -self.eta * math.log(left)

    def _share(self, members: list[tuple[Scene, Placement]]) -> None:
        """share_jb = a omega S2 / S1^2: own scenes divide the opportunities among them."""
        weights = [scene.weight(j) for scene, j in members]
        most = max(weights)  # only their proportions count
        weights = [weight / most if most > 0 else 0.0 for weight in weights]
        for band in BANDS:
            s1 = sum(s.audience[band] * w for (s, _), w in zip(members, weights, strict=True))
            s2 = sum(s.audience[band] ** 2 * w for (s, _), w in zip(members, weights, strict=True))
            for (scene, j), weight in zip(members, weights, strict=True):
                a = scene.audience[band]
                j.pulls[band] = a * s2 / s1**2 if s1 > 0 else 0.0
                j.shares[band] = weight * j.pulls[band]

    def not_seen(self, j: Placement) -> float:
        """Share of the people reached who are outside and were never reached, at the margin."""
        people = self.people[j.segment]
        shape = people.chain.rules.frequency_shape
        return j.reached["outside"] * shape / (shape + people.exposure)

    def readiness_of(self, j: Placement, goal: str = "order") -> float:
        """Sum of e^c_jb s_gb, by the people and the shares of the step."""
        g = j.segment
        return readiness_of(self.people[g], self.propensity[g], j.clickers(), goal)
