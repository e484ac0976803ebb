"""Slots from end to end: a run of one slot against the closed forms of docs/model.md, section 5.

In the world `alone` nothing but the auction happens to a scene's money: one scene aims at everybody
of one segment, so it enters every opportunity, and a fixed bid meets the same rivals all week.
"""

from dataclasses import dataclass
from math import exp, factorial, log, sqrt

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtr

from simulator.engine.simulate import make_grid
from simulator.scenario.plan import Plan, package_price
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import AuctionSlot, ContractSlot
from tests.worlds import alone, expected, figures, lanes_of, plan, sampled

MONEY = 50e6  # more than anybody can spend
COUNT = 64  # replications


# --- closed forms -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Auction:
    """What one opportunity of the scene meets."""

    slot: AuctionSlot
    sigma: float
    tau: float
    mu: float
    ln_score: float
    quality: float
    opportunities: float

    @classmethod
    def of(cls, scenario: Scenario, rise: float = 0.0, served: float = 0.0) -> "Auction":
        """`rise`: dearer rivals, log; `served`: opportunities that contracts took."""
        slot, scene = scenario.slots["feed"], scenario.scenes["only"]
        phase, source = scenario.calendar.phases["normal"], scenario.sources["feed"]
        segment, target = scenario.segments["people"], scene.bid.target
        assert isinstance(slot, AuctionSlot)
        assert target is not None
        grid = make_grid(scenario)
        traffic = grid.browse[: grid.advertising].sum() * phase.traffic**source.sale_sensitivity
        tau = 0.0 if slot.positions > 1 else scene.prediction
        quality = exp(0.6 * (scenario.service_score - 4.6)) * scenario.life_cycle.quality[4]
        mu = log(slot.median_cpm * segment.cpm) + source.sale_sensitivity * log(phase.cpm) + rise
        ln_score = log(target) + log(1000 * slot.ctr) - tau**2 / 2 + log(quality)
        count = slot.opportunities * traffic - served
        return cls(slot, slot.sigma, tau, mu, ln_score, quality, count)

    @property
    def d(self) -> float:
        return sqrt(self.sigma**2 + self.tau**2)

    @property
    def z(self) -> float:
        return (self.ln_score - self.mu) / self.d

    def win(self) -> float:
        """W A: probability to be shown in any place."""
        if self.slot.reserve_cpm:
            return self.over_predictions(self.win_above_reserve)
        rivals = -log(ndtr(self.z))
        places = range(int(self.slot.positions))
        return ndtr(self.z) * sum(rivals**place / factorial(place) for place in places)

    def cost(self) -> float:
        """C: payment per opportunity [CNY]."""
        if self.slot.reserve_cpm:
            return self.over_predictions(self.cost_above_reserve)
        second = self.mean_below(self.z - self.sigma**2 / self.d)
        rivals = -log(ndtr(self.z))
        match self.slot.mechanism:
            case "first_price":
                valued = ndtr(self.z + self.tau**2 / self.d)
                return exp(self.ln_score + self.tau**2 / 2) * valued / (1000 * self.quality)
            case "vcg":
                return self.vcg()
            case _:
                decay = self.slot.position_decay[: int(self.slot.positions)]
                return second * sum(d * rivals**n / factorial(n) for n, d in enumerate(decay))

    def mean_below(self, z: float) -> float:
        """M Phi(z) / (1000 q): mean of the rival's score where it is below."""
        return exp(self.mu + self.sigma**2 / 2) * ndtr(z) / (1000 * self.quality)

    def over_predictions(self, value) -> float:
        """Mean over the prediction p of what a score s exp(p) brings."""
        if not self.tau:
            return value(self.ln_score)
        least = (log(self.slot.reserve_cpm) - self.ln_score) / self.tau

        def weighed(p: float) -> float:
            return value(self.ln_score + self.tau * p) * exp(-p * p / 2) / sqrt(2 * np.pi)

        low = max(-12.0, least)
        return quad(weighed, low, 12, epsabs=0, epsrel=1e-12, limit=200)[0] if low < 12 else 0.0

    def win_above_reserve(self, ln_score: float) -> float:
        if ln_score < log(self.slot.reserve_cpm) - 1e-12:
            return 0.0
        return float(ndtr((ln_score - self.mu) / self.sigma))

    def cost_above_reserve(self, ln_score: float) -> float:
        reserve = self.slot.reserve_cpm
        if ln_score < log(reserve) - 1e-12:
            return 0.0
        low, high = ((x - self.mu) / self.sigma for x in (log(reserve), ln_score))
        between = exp(self.mu + self.sigma**2 / 2) * (
            ndtr(high - self.sigma) - ndtr(low - self.sigma)
        )
        return float(reserve * ndtr(low) + between) / (1000 * self.quality)

    def vcg(self) -> float:
        """Each rival below is paid the clicks that it loses by one place."""
        decay = [*self.slot.position_decay[: int(self.slot.positions)], 0.0]

        def paid(t: float) -> float:
            rivals = min(-log(ndtr(t)), 50.0)
            lost = sum(
                (decay[n] - decay[n + 1]) * rivals**n / factorial(n) for n in range(len(decay) - 1)
            )
            return exp(self.mu + self.sigma * t - t * t / 2) / sqrt(2 * np.pi) * lost

        return quad(paid, -30, self.z, epsabs=0, epsrel=1e-12, limit=400)[0] / (1000 * self.quality)


AUCTIONS = {
    "second price": (),
    "flat bid": ("scenes.only.prediction=0",),
    "low bid": ("scenes.only.bid.target=0.3",),
    "high bid": ("scenes.only.bid.target=30",),
    "first price": ("slots.feed.mechanism=first_price",),
    "first price, flat": ("slots.feed.mechanism=first_price", "scenes.only.prediction=0"),
    "gsp of one place": ("slots.feed.mechanism=gsp",),
    "gsp": ("slots.feed.mechanism=gsp", "slots.feed.positions=4"),
    "gsp of equal places": (
        "slots.feed.mechanism=gsp",
        "slots.feed.positions=3",
        "slots.feed.position_decay=[1, 1, 1]",
    ),
    "vcg": (
        "slots.feed.mechanism=vcg",
        "slots.feed.positions=3",
        "slots.feed.position_decay=[1, 0.6, 0.3]",
    ),
    "reserve": ("slots.feed.reserve_cpm=35",),
    "reserve, flat": ("slots.feed.reserve_cpm=35", "scenes.only.prediction=0"),
    "reserve above a flat bid": ("slots.feed.reserve_cpm=5000", "scenes.only.prediction=0"),
    "poor service": ("service_score=3.5",),
    "good service, gsp": (
        "service_score=5",
        "slots.feed.mechanism=gsp",
        "slots.feed.positions=2",
    ),
}


@pytest.mark.parametrize("name", AUCTIONS)
def test_an_auction_alone_is_its_closed_form(name: str):
    scenario = alone(*AUCTIONS[name])
    auction = Auction.of(scenario)
    found = figures(expected(scenario, [plan(scenario, only=MONEY)]))
    seen = auction.opportunities * auction.win()
    assert found["only impressions"] == pytest.approx(seen, rel=1e-9, abs=1e-6)
    paid = auction.opportunities * auction.cost()
    assert found["only spend"] == pytest.approx(paid, rel=1e-8 if "vcg" in name else 1e-9, abs=1e-6)
    assert found["win_rate"] == pytest.approx(auction.win(), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", AUCTIONS)
def test_an_auction_alone_is_its_closed_form_when_drawn(name: str):
    scenario = alone(*AUCTIONS[name])
    auction = Auction.of(scenario)
    book = lanes_of(sampled(scenario, [plan(scenario, only=MONEY)], replications=COUNT), "plan")
    for what, each in (("impressions", auction.win()), ("spend", auction.cost())):
        drawn = book.scenes[what][0]
        error = drawn.std(ddof=1) / sqrt(COUNT)
        assert abs(drawn.mean() - auction.opportunities * each) <= 4 * error, what


@pytest.mark.parametrize("tau", [0.0, 0.4])
def test_clicks_follow_the_prediction(tau: float):
    """Value-aware bidding wins impressions that are clicked more: the odds rise by WV / W."""
    scenario = alone(f"scenes.only.prediction={tau}")
    auction = Auction.of(scenario)
    assert_click_odds(scenario, ndtr(auction.z + tau**2 / auction.d) / ndtr(auction.z))


def test_clicks_follow_the_places():
    """A second place is clicked less: the odds fall by E / A."""
    scenario = alone(*GSP, "slots.feed.positions=2", "slots.feed.position_decay=[1, 0.4]")
    rivals = -log(ndtr(Auction.of(scenario).z))
    assert_click_odds(scenario, (1 + 0.4 * rivals) / (1 + rivals))


GSP = ("slots.feed.mechanism=gsp",)


def assert_click_odds(scenario: Scenario, factor: float) -> None:
    rate = figures(expected(scenario, [plan(scenario, only=MONEY)]))["ctr"]
    assert rate / (1 - rate) == pytest.approx(0.04 / 0.96 * factor, rel=1e-9)


# --- what bid modes promise ---------------------------------------------------------------------


@pytest.mark.parametrize("money", [500, 5000, 40000])
@pytest.mark.parametrize("action", ["impression", "click", "cart", "order", "first_order"])
def test_max_amount_spends_the_money(money: float, action: str):
    scenario = alone(f"scenes.only.bid={{mode: max_amount, cost_per: {action}}}")
    found = figures(expected(scenario, [plan(scenario, only=money)]))
    assert found["spend"] == pytest.approx(money, rel=1e-3)
    drawn = sampled(scenario, [plan(scenario, only=money)], replications=16)
    assert drawn.values("plan", "spend") == pytest.approx(money, rel=0.02)


COSTS = {"impression": 0.03, "click": 0.9, "cart": 20.0, "order": 40.0, "first_order": 45.0}
"""A target that is above the least cost of the action and below what the whole market costs."""
EVEN_WEEK = tuple(f"calendar.weekdays_{what}=[1, 1, 1, 1, 1, 1, 1]" for what in ("browse", "buy"))
"""Visitors are as ready to buy on every day."""


@pytest.mark.parametrize("action", COSTS)
@pytest.mark.parametrize("prediction", [0, 0.4])
def test_cost_control_keeps_the_average_cost(action: str, prediction: float):
    target = COSTS[action] * (1000 if action == "impression" else 1)
    scenario = alone(
        f"scenes.only.bid={{mode: cost_control, cost_per: {action}, target: {target}}}",
        f"scenes.only.prediction={prediction}",
        *EVEN_WEEK,
    )
    found = figures(expected(scenario, [plan(scenario, only=MONEY)], attribution=True))
    assert 1000 < found["spend"] < 0.01 * MONEY
    cost = found["spend"] / actions(scenario, found)[action]
    assert cost == pytest.approx(COSTS[action], rel=0.02)


def test_roi_control_keeps_the_average_return():
    bid = "scenes.only.bid={mode: roi_control, target: 2.2}"
    scenario = alone(bid, "scenes.only.prediction=0", *EVEN_WEEK)
    found = figures(expected(scenario, [plan(scenario, only=MONEY)], attribution=True))
    assert 1000 < found["spend"] < 0.01 * MONEY
    worth = 120 * actions(scenario, found)["order"]
    assert worth / found["spend"] == pytest.approx(2.2, rel=0.02)


OUTSIDERS = "scenes.only.audience={outside: 100%, aware: 0, active: 0, customers: 0, lapsed: 0}"


def test_an_order_of_people_who_seldom_buy_costs_no_more_than_the_limit():
    """The platform knows the rate of those whom it shows the ad, not that of the average visitor."""
    bid = "scenes.only.bid={mode: cost_control, cost_per: order, target: 90}"
    scenario = alone(bid, OUTSIDERS, "scenes.only.prediction=0", *EVEN_WEEK)
    found = figures(expected(scenario, [plan(scenario, only=MONEY)], attribution=True))
    assert 1000 < found["spend"] < 0.01 * MONEY
    assert found["spend"] / found["only orders_direct"] == pytest.approx(90, rel=0.03)


def test_a_return_counts_what_buyers_pay():
    """Three tenths off the price are three tenths less gmv of the same order."""
    bid = "scenes.only.bid={mode: roi_control, target: 2.2}"
    cut = "products.coffee.discount={normal: 30%}"
    scenario = alone(bid, cut, "scenes.only.prediction=0", *EVEN_WEEK)
    found = figures(expected(scenario, [plan(scenario, only=MONEY)], attribution=True))
    worth = 0.7 * 120 * found["only orders_direct"]
    assert 1000 < found["spend"] < 0.01 * MONEY
    assert worth / found["spend"] == pytest.approx(2.2, rel=0.02)


@pytest.mark.parametrize("goal", ["impression", "discover"])
def test_who_bids_to_be_seen_predicts_no_clicks(goal: str):
    bid = f"scenes.only.bid={{mode: custom_bid, cost_per: {goal}, target: 0.05}}"
    flat, sharp = (
        figures(
            expected(
                scenario := alone(bid, f"scenes.only.prediction={tau}"),
                [plan(scenario, only=MONEY)],
            )
        )
        for tau in (0, 1)
    )
    assert flat["only impressions"] > 0
    assert flat == sharp


def test_a_bid_per_new_or_returning_buyer_is_for_those_alone():
    """What is bid for an order is bid for the orders that count: thin where few of them do."""
    won = {
        goal: figures(
            expected(
                scenario := alone(
                    f"scenes.only.bid={{mode: custom_bid, cost_per: {goal}, target: 40}}"
                ),
                [plan(scenario, only=MONEY)],
            )
        )["only impressions"]
        for goal in ("order", "first_order", "initial", "numerous")
    }
    assert won["initial"] == won["first_order"]
    assert won["order"] > won["first_order"] > won["numerous"] > 0


def actions(scenario: Scenario, found: dict[str, float]) -> dict[str, float]:
    """What the impressions brought: views, clicks, carts of visitors, and orders on the visits, at once."""
    carts = found["only visits"] * float(scenario.chain.visit_moves["engage"].cart)
    orders = found["only orders_direct"]
    return {"impression": found["only impressions"], "click": found["only clicks"], "cart": carts,
            "order": orders, "first_order": orders * share_of_new(scenario)}  # fmt: skip


def share_of_new(scenario: Scenario) -> float:
    """Of the buying visits of an even mix of people at the start, who never bought."""
    chain, start = scenario.chain, dict(scenario.segments["people"].start)
    start["outside"] = 1 - sum(start.values())
    ready = {stage: part * chain.buy_propensity[stage] for stage, part in start.items()}
    return 1 - ready["initial"] / sum(ready.values())


def test_a_custom_bid_spends_what_it_wins_and_not_more_than_there_is():
    scenario = alone()
    free = figures(expected(scenario, [plan(scenario, only=MONEY)]))
    tight = figures(expected(scenario, [plan(scenario, only=free["spend"] / 3)]))
    assert free["spend"] < 0.01 * MONEY
    assert tight["spend"] == pytest.approx(free["spend"] / 3, rel=1e-9)
    assert tight["cpm"] == pytest.approx(free["cpm"], rel=1e-9)


@pytest.mark.parametrize("mode", ["cost_control", "roi_control"])
def test_a_bound_that_does_not_bind_spends_the_money(mode: str):
    target = {"cost_control": 900, "roi_control": 0.01}[mode]
    scenario = alone(f"scenes.only.bid={{mode: {mode}, cost_per: order, target: {target}}}")
    found = figures(expected(scenario, [plan(scenario, only=5000.0)]))
    assert found["spend"] == pytest.approx(5000, rel=1e-3)


# --- contracts ----------------------------------------------------------------------------------

CONTRACT = (
    "slots.focus={{kind: contract, source: feed, opportunities: {supply}, cpm: 20, ctr: 5%, "
    "cvr: 1%, {more}packages: {{all: {{impressions: {booked}, phases: [normal], scene: only}}}}}}"
)
MODES = {"expected": expected, "sampled": sampled}


def with_contract(booked: int, supply: float = 100e3, more: str = "", *sets: str) -> Scenario:
    text = CONTRACT.format(booked=booked, supply=supply, more=f"{more}, " if more else "")
    open_month = "calendar.sales_after_days=30"
    return alone(text, "scenes.only.slots=[feed, focus]", open_month, *sets)


def supply_of(scenario: Scenario, slot: str, share: float = 1.0) -> float:
    """Impressions that the slot can serve before the run-off."""
    grid, source = make_grid(scenario), scenario.sources["feed"]
    traffic = 1.3**source.sale_sensitivity * grid.browse[: grid.advertising].sum()
    return scenario.slots[slot].opportunities * traffic * share


def run_booked(mode: str, scenario: Scenario, money: float = 0.0):
    """The book of the plan that books the package, and has money for the auction on top."""
    options = {"replications": 32} if mode == "sampled" else {}
    chosen = Plan("plan", {"only": {"normal": money}}, frozenset({"focus.all"}))
    return lanes_of(MODES[mode](scenario, [chosen], **options), "plan")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rival", [0.0, 0.25])
def test_too_little_supply_is_delivered_and_the_rest_recorded(mode: str, rival: float):
    scenario = with_contract(
        2_000_000, 100e3, "make_good: 120%, make_good_days: 9",
        "chance.supply_sd=0", f"calendar.phases.normal.rival_booked={rival}",
    )  # fmt: skip
    packs = run_booked(mode, scenario).packages
    supply = supply_of(scenario, "focus", 1 - rival)
    assert packs["delivered"] == pytest.approx(supply, abs=1e-6 if mode == "expected" else 8)
    assert packs["delivered"] + packs["shortfall"] == pytest.approx(packs["booked"])
    late = make_grid(scenario)
    days = late.browse[late.advertising : late.advertising + 9].sum()
    later = scenario.slots["focus"].opportunities * days
    owed = 1.2 * packs["shortfall"]
    assert packs["made_good"] == pytest.approx(np.minimum(owed, later), rel=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_enough_supply_is_delivered_in_full(mode: str):
    book = run_booked(mode, with_contract(500_000))
    assert book.packages["delivered"] == pytest.approx(500_000)
    assert book.packages["shortfall"] == pytest.approx(0, abs=1e-6)
    assert book.totals["contract_spend"] == pytest.approx(10_000)


@pytest.mark.parametrize("mode", MODES)
def test_a_small_shortfall_is_made_good_in_full(mode: str):
    scenario = with_contract(1_100_000, 100e3, "make_good: 120%", "chance.supply_sd=0")
    packs = run_booked(mode, scenario).packages
    assert (packs["shortfall"] > 0).all()
    slack = 1e-6 if mode == "expected" else 1.0  # whole impressions
    assert packs["made_good"] == pytest.approx(1.2 * packs["shortfall"], abs=slack)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("remedy", ["make_good", "refund"])
def test_a_shortfall_is_paid_only_when_goods_are_owed(mode: str, remedy: str):
    scenario = with_contract(2_000_000, 100e3, f"remedy: {remedy}")
    book = run_booked(mode, scenario)
    packs, paid = book.packages, book.totals["contract_spend"]
    charged = packs["booked"] if remedy == "make_good" else packs["delivered"]
    assert paid == pytest.approx(charged.sum(axis=0) * 20 / 1000, rel=1e-9, abs=0.02)
    assert bool(packs["made_good"].any()) == (remedy == "make_good")
    assert package_price(scenario, "focus.all") == 40_000


def test_two_packages_of_one_inventory_are_served_alike():
    scenario = with_contract(3_000_000, 100e3)
    slot = scenario.slots["focus"]
    assert isinstance(slot, ContractSlot)
    second = slot.packages["all"].model_copy(update={"impressions": 1_000_000})
    slot = slot.model_copy(update={"packages": slot.packages | {"more": second}})
    scenario = scenario.model_copy(update={"slots": scenario.slots | {"focus": slot}})
    both = Plan("plan", {"only": {}}, frozenset({"focus.all", "focus.more"}))
    packs = lanes_of(expected(scenario, [both]), "plan").packages
    share = packs["delivered"] / packs["booked"]
    assert share[0] == pytest.approx(share[1], rel=1e-9)
    assert packs["delivered"].sum() == pytest.approx(supply_of(scenario, "focus"), rel=1e-9)


@pytest.mark.parametrize("eta", [0.0, 0.7])
def test_contracts_served_first_make_the_auction_dearer(eta: float):
    """What they take is not there to win, and the price of the rest rises by eta ln(1 / left)."""
    scenario = with_contract(500_000, 1.0, "shares: feed", f"slot_price_scarcity={eta}")
    grid = make_grid(scenario)
    book = run_booked("expected", scenario, MONEY)
    served = float(book.packages["delivered"].sum())
    assert served == pytest.approx(500_000)
    forecast = supply_of(scenario, "feed")
    per_day = grid.browse[: grid.advertising] / grid.browse[: grid.advertising].sum()
    assert len(per_day) == 8  # a contract follows the traffic: the same share of every day
    left = 1 - served / forecast
    auction = Auction.of(scenario, eta * log(1 / left), served)
    seen = book.scenes["impressions"].sum() - served
    assert seen == pytest.approx(auction.opportunities * auction.win(), rel=1e-9)
    assert book.spend.sum() == pytest.approx(auction.opportunities * auction.cost(), rel=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_scarcity_raises_the_cpm_in_both_modes(mode: str):
    loose, tight = (
        run_booked(mode, with_contract(booked, 1.0, "shares: feed"), MONEY)
        for booked in (100_000, 1_200_000)
    )

    def cpm(book):
        return book.spend.sum() / (book.scenes["impressions"] - book.packages["delivered"]).sum()

    assert cpm(tight) > 1.1 * cpm(loose)
