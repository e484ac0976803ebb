"""The question a user asks: every field with its type, unit, bound and one sentence.

That sentence is the reference page (docs/scenario.md), the JSON Schema and the editor's hover text.
A scenario is data: nothing in it runs. Numbers of type Level and Rate may be uncertain:
`80`, `{value: 80, sd: 20%}` or `{low: 60, high: 100}`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from simulator.scenario.amounts import (
    Amount,
    Level,
    Moment,
    Multiple,
    Part,
    Rate,
    Seconds,
    Share,
    Whole,
    read_amount,
    read_moment,
    shown,
)
from simulator.scenario.anchors import Anchors
from simulator.scenario.chance import Chance, Shock
from simulator.scenario.commissions import Commission
from simulator.scenario.goods import Commerce, LifeCycle, Payment, Product, Shipping
from simulator.scenario.incentives import Incentives
from simulator.scenario.people import Push, Repeat, Segment
from simulator.scenario.prices import PriceSteps

__all__ = ["Commerce", "LifeCycle"]  # for rooms above, which find the parts of a scenario here

CHAIN_STAGES = (
    "outside", "discover", "engage", "enthuse", "favourite", "cart", "deposit",
    "initial", "numerous", "keen", "lapsed",
)  # fmt: skip
"""Where a person stands; favourite, cart and deposit together are DEEPLINK's "perform" 行动."""

BANDS = ("outside", "aware", "active", "customers", "lapsed")
"""Audience bands that a scene can aim at; each chain stage lies in exactly one."""

BAND_OF_STAGE = (0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4)

PRODUCT_STAGES = ("sampling", "launch", "potential", "hit", "core", "clearance")


# --------------------------------------------------------------------------- calendar
class Burst(Part):
    """The rush at the opening of a sale: S(t) = share (1 - exp(-(t/tau)^k)) + (1 - share) B(t)."""

    share: Annotated[Amount, Field(ge=0, le=0.95)] = 0.58
    """Part of the opening day's purchases that belongs to the rush (0.28 in 2013, 0.58 in 2019)."""
    tau: Annotated[Amount, Field(gt=0, le=24)] = 0.95
    """Time constant of the rush [h]."""
    k: Annotated[Amount, Field(gt=0.2, le=3)] = 0.72
    """Shape of the rush: 1 is exponential, below 1 has a sharper first minute."""
    traffic_part: Annotated[Amount, Field(gt=0, le=1)] = 0.45
    """Part of the purchase rush that comes as extra visitors; the rest as readier visitors."""


class Phase(Part):
    """A named stretch of the calendar with its multipliers (a normal day is 1)."""

    start: Moment
    """First moment of the phase; it ends where the next phase starts."""
    traffic: Annotated[Level, Field(gt=0, le=50)] = 1.0
    """Visitors and ad opportunities against a normal day [x]."""
    cpm: Annotated[Level, Field(gt=0, le=50)] = 1.0
    """Rival bids against a normal day [x]."""
    ctr: Annotated[Level, Field(gt=0, le=10)] = 1.0
    """Odds of a click against a normal day [x]."""
    cart: Annotated[Level, Field(ge=0, le=20)] = 1.0
    """Favourites and carts per visit against a normal day [x]."""
    cvr: Annotated[Level, Field(ge=0, le=50)] = 1.0
    """Odds that a visit buys at once, against a normal day [x]; basket orders come on top."""
    refund: Annotated[Level, Field(gt=0, le=10)] = 1.0
    """Odds that an order of this phase is refunded, against a normal day [x]."""
    usual_discount: Annotated[Rate, Field(lt=1)] = 0.0
    """Price cut that the phase's multipliers stand for already, share of list price."""
    release: Annotated[Rate, Field(ge=0, lt=1)] = 0.007
    """Share of the standing carts that is bought per day of this phase."""
    deposit: Annotated[Level, Field(ge=0, le=10)] = 0.0
    """Odds that a visit pays a presale deposit, against a normal day's purchase [x]; 0: none."""
    deposit_release: Annotated[Rate, Field(ge=0, lt=1)] = 0.0
    """Share of the standing carts that pays a deposit per day of this phase."""
    payment_load: Annotated[Level, Field(ge=0, le=20)] = 0.0
    """Payment attempts against the payment system's capacity when buying at the day's average."""
    wallet_topup: Annotated[Rate, Field(le=1)] = 0.0
    """Share of buyers with an empty wallet who fill it in this phase; it counts from the next phase on."""
    rival_booked: Annotated[Rate, Field(ge=0, lt=1)] = 0.0
    """Share of contract inventory that rivals have reserved."""
    clock: Seconds = 86400
    """Length of a step in this phase: 1h in sale windows, 1d elsewhere, 1min in an opening."""
    continues: str | None = None
    """Phase of which this one is a later part, if it was cut: what is uncertain in both is drawn once."""
    burst: Burst | None = None
    """The rush that opens this phase, if any."""


class Balance(Part):
    """A window in which presale balances 尾款 are paid; before it, deposits are only collected."""

    start: Moment
    """First moment at which a balance can be paid."""
    end: Moment
    """After this moment unpaid deposits are forfeited."""
    completion: Share = 0.9
    """Share of deposits whose balance is paid by the end of the window (before payment failures)."""


class Calendar(Part):
    """Phases, clock curves and presale windows. Times are local wall-clock, one zone a file."""

    end: Moment
    """First moment after the last phase: advertising ends here and the run-off begins."""
    phases: dict[str, Phase]
    """Phases in order of time; they partition the run."""
    balances: list[Balance] = []
    """Balance windows in order of time; deposits paid before a window are settled in it."""
    hours_browse: Annotated[list[Amount], Field(min_length=24, max_length=24)]
    """Share of a normal day's visits in each hour 0..23 (scaled to sum 1)."""
    hours_buy: Annotated[list[Amount], Field(min_length=24, max_length=24)]
    """Share of a normal day's purchases in each hour 0..23 (scaled to sum 1)."""
    weekdays_browse: Annotated[list[Amount], Field(min_length=7, max_length=7)]
    """Visits of Monday..Sunday against the mean day (scaled to mean 1)."""
    weekdays_buy: Annotated[list[Amount], Field(min_length=7, max_length=7)]
    """Purchases of Monday..Sunday against the mean day (scaled to mean 1)."""


# --------------------------------------------------------------------------- the chain
class Moves(Part):
    """What one visit does to a person of a chain stage: probabilities per visit."""

    engage: Annotated[Rate, Field(le=1)] = 0.0
    """Comes to know the brand (Engage 种草)."""
    enthuse: Annotated[Rate, Field(le=1)] = 0.0
    """Follows, joins, searches the brand (Enthuse 互动)."""
    favourite: Annotated[Rate, Field(le=1)] = 0.0
    """Keeps a product as a favourite 收藏."""
    cart: Annotated[Rate, Field(le=1)] = 0.0
    """Puts a product into the cart 加购."""


class Chain(Part):
    """The consumer chain 深链 (DEEPLINK): moves, windows and buying propensities."""

    visit_moves: dict[str, Moves]
    """Moves per visit by chain stage; customers' carts are the row `customers`."""
    base_moves: dict[str, Moves] = {}
    """Moves per 30 days without any visit (word of mouth), by chain stage."""
    buy_propensity: dict[str, Level]
    """Readiness to buy on a visit by chain stage [x], scaled by `reference_mix`."""
    reference_mix: dict[str, Share]
    """Stage mix of the visits at which the slots' cvr was measured; sums to 1."""
    discover_days: Annotated[Level, Field(gt=0)] = 15
    """Days without contact after which discover and engage are forgotten."""
    enthuse_days: Annotated[Level, Field(gt=0)] = 30
    """Days without contact after which enthuse falls back to engage."""
    basket_days: Annotated[Level, Field(gt=0)] = 30
    """Days without contact after which a favourite or cart is dropped."""
    favourite_release: Annotated[Rate, Field(le=1)] = 0.33
    """Readiness of a favourite to be bought on a sale day against a cart [x]."""
    keen_per_year: Annotated[Rate, Field(lt=1)] = 0.15
    """Share of repeat customers who become keen 挚爱 in a year."""
    repeat: Repeat | None = None
    """Repeat orders without a visit; none: customers buy again by visits and baskets alone."""
    lapse_days: Annotated[Amount, Field(gt=0)] = 180
    """Days since the last order after which a customer is lapsed 沉睡."""
    new_customer_window_days: Annotated[Amount, Field(gt=0)] = 365
    """Look-back: who has not bought for so long counts as new again."""
    frequency_shape: Annotated[Level, Field(gt=0.05)] = 0.6
    """Shape r of the negative binomial of exposures per person; large means even exposure."""
    reach_window_days: Annotated[Level, Field(gt=0)] = 15
    """Days over which past exposures count for reach."""
    fatigue: Annotated[Level, Field(ge=0, le=2)] = 0.1
    """Loss of log click odds per exposure beyond the first (wear-out)."""
    fatigue_half_life_days: Annotated[Level, Field(gt=0)] = 7
    """Half-life of wear-out [d]."""


# --------------------------------------------------------------------------- media
class Source(Part):
    """Where traffic comes from."""

    kind: Literal["onsite", "owned", "external"] = "onsite"
    """On the platform, owned reach (followers, members), or media outside."""
    organic_visits: Annotated[Level, Field(ge=0)] = 0.0
    """Free visits to the brand on a normal day at the start."""
    organic_cvr: Annotated[Rate, Field(lt=1)] = 0.03
    """Probability that a free visit of the reference mix buys, normal phase."""
    organic_bands: dict[str, Level] = {}
    """Free visits per person by audience band against each other [x]; missing bands are 0."""
    sale_sensitivity: Annotated[Level, Field(ge=0, le=2)] = 1.0
    """Exponent on the phases' traffic and cpm multipliers: 0 ignores the sale, 1 follows it."""
    touch: Annotated[Level, Field(ge=0, le=10)] = 1.0
    """Power of a visit to move people along the chain (live above 1, games below) [x]."""
    cannibalisation: Annotated[Rate, Field(le=0.3)] = 0.0
    """Free visits of the same people that one bought visit of the source replaces: it would have come anyway."""


class SlotBase(Part):
    """What every slot has."""

    title: str = ""
    """Name for readers."""
    source: str
    """Name of the source on which it is sold."""
    opportunities: Annotated[Level, Field(gt=0)]
    """Impressions on offer to the brand's people on a normal day."""
    ctr: Annotated[Rate, Field(gt=0, lt=1)]
    """Click-through rate at frequency 1, normal phase."""
    cvr: Annotated[Rate, Field(lt=1)]
    """Probability that an arriving click of the reference mix buys at once, normal phase."""
    arrival: Annotated[Rate, Field(gt=0, le=1)] = 0.9
    """Share of clicks that arrive in the shop."""
    viewability: Annotated[Rate, Field(gt=0, le=1)] = 0.8
    """Share of impressions that are seen."""


class AuctionSlot(SlotBase):
    """Impressions sold one by one in an auction against rivals."""

    kind: Literal["auction"]
    """Sold by auction."""
    mechanism: Literal["second_price", "gsp", "vcg", "first_price"] = "second_price"
    """Payment rule; gsp with one position equals second_price."""
    median_cpm: Annotated[Level, Field(gt=0)]
    """Median of the best rival bid, normal phase [CNY per 1000 impressions]."""
    sigma: Annotated[Level, Field(gt=0.05, le=3)] = 0.8
    """Spread of the best rival bid: sd of its logarithm."""
    positions: Annotated[Amount, Field(ge=1, le=8)] = 1
    """Places sold per opportunity (gsp and vcg)."""
    position_decay: list[Share] = [1.0, 0.65, 0.45, 0.3, 0.2, 0.15, 0.1, 0.08]
    """Click rate by position against the first [x]."""
    reserve_cpm: Annotated[Amount, Field(ge=0)] = 0.0
    """Reserve price [CNY per 1000 impressions]."""
    rival_level: dict[str, Annotated[Level, Field(gt=0, le=50)]] = {}
    """Rivals' bids on this slot by phase, beside the phase's cpm [x]; missing phases are 1."""


class Package(Part):
    """A whole booking of contract impressions."""

    impressions: Whole
    """Impressions booked."""
    phases: list[str]
    """Phases in which they are delivered, following the traffic."""
    scene: str
    """Scene that books and pays it."""
    cpm: Annotated[Level, Field(gt=0)] | None = None
    """Price agreed for this package, without price_steps [CNY per 1000 impressions]."""
    signed: bool = False
    """Already signed: it runs in every plan, the zero-spend lane included, and is paid in all; a
    plan that names its packages can leave it out where the slot has a cancellation_fee."""
    booked_at: Moment | None = None
    """When it is booked; long before the run if not given."""
    over: list[str] = []
    """Further contract slots over which it is delivered, in proportion to what each has on offer."""
    free_visits: Annotated[Level, Field(gt=0, le=20)] = 1.0
    """Free visits in its phases when it is booked: the venue of a marketing IP 超级品牌日, 小黑盒 [x]."""


class ContractSlot(SlotBase):
    """Impressions reserved in advance at a fixed price."""

    kind: Literal["contract"]
    """Reserved in advance."""
    cpm: Annotated[Level, Field(gt=0)]
    """Price [CNY per 1000 impressions]."""
    packages: dict[str, Package] = {}
    """What can be booked."""
    precision: Annotated[Rate, Field(le=1)] = 0.6
    """Share of impressions that follow the scene's audience; the rest goes to everybody."""
    shares: str | None = None
    """Auction slot with which it shares inventory: contracts are served first."""
    make_good: Annotated[Multiple, Field(le=2)] = 1.05
    """Make-good impressions per impression of shortfall."""
    make_good_days: Annotated[Amount, Field(gt=0, le=60)] = 30
    """Days after the package's last phase in which make-good is served."""
    remedy: Literal["make_good", "refund"] = "make_good"
    """What the seller owes for a shortfall: impressions later, or the money back."""
    lead_days: Annotated[Amount, Field(ge=0, le=365)] = 0
    """Days before its first impression by which a package must be booked."""
    price_steps: PriceSteps = PriceSteps()
    """How the price rises as the date comes near, and in dear phases."""
    minimum_booking: Annotated[Amount, Field(ge=0)] = 0.0
    """Least price of a package [CNY]."""
    deposit: Share = 0.0
    """Share of the price paid at booking; it is kept when the package is cancelled."""
    cancellation_fee: Share | None = None
    """Share of the price owed when a signed package is cancelled, at least the deposit; none: it cannot be."""
    frequency_cap: Annotated[Whole, Field(ge=1, le=50)] | None = None
    """Most impressions of one package that a person is shown in a day, over all its slots."""


def _read_money(value: object) -> float:
    money = read_amount(value)
    if money > 1 and isinstance(value, str) and value.rstrip().endswith("%"):
        raise ValueError(f"must be at most 100% of the budget (got {shown(value)})")
    return money


Money = Annotated[float, BeforeValidator(_read_money), Field(ge=0)]
"""Money [CNY], or a share of the budget (20%)."""


def _read_when(value: object) -> datetime | str:
    try:
        return read_moment(value)
    except ValueError:
        if isinstance(value, str) and value[:1].isalpha():
            return value
        raise


When = Annotated[datetime | str, BeforeValidator(_read_when), WithJsonSchema({"type": "string"})]
"""A moment, or the name of a phase: its start."""

Slot = Annotated[AuctionSlot | ContractSlot, Field(discriminator="kind")]


# --------------------------------------------------------------------------- decisions
class Bid(Part):
    """How a scene bids."""

    mode: Literal["max_amount", "custom_bid", "cost_control", "roi_control"] = "max_amount"
    """Most volume for the money, a fixed bid, an average cost, or a return target."""
    cost_per: Literal[
        "impression", "click", "cart", "order", "first_order",
        "discover", "engage", "enthuse", "perform", "initial", "numerous",
    ] = "order"  # fmt: skip
    """The action that is bid for; from discover on a person moved into that chain stage (initial: first_order)."""
    target: Annotated[Amount, Field(gt=0)] | None = None
    """Bid or average cost per action [CNY], or the gmv per yuan for roi_control."""
    counts_organic: bool = False
    """roi_control of whole-site promotion 全站推广: the target counts the products' free sales too, as of yesterday."""


Objective = Literal[
    "sales", "new_customers", "repeat", "recall", "members", "followers", "leads", "reach",
    "chain_moves", "product_test", "new_launch", "growth", "clearance", "warm_up", "harvest",
    "content", "service", "whole_shop",
]  # fmt: skip
"""What scenes are for."""


class Creatives(Part):
    """Pictures or films of a scene, many made by machine: the best is kept after a test."""

    count: Annotated[Whole, Field(ge=1, le=1000)]
    """Creatives that are made and tested."""
    cost: Annotated[Amount, Field(ge=0)] = 0.0
    """Cost of making and testing one, part of the scene's fixed cost [CNY]."""
    sd: Annotated[Multiple, Field(le=2)] = 0.25
    """Spread of the creatives: sd of the log of their click odds; their mean is `creative`."""
    test_impressions: Annotated[Amount, Field(ge=0)] = 2000.0
    """Impressions by which each is judged: few of them choose by luck."""


class Explore(Part):
    """A product test 测款: variants of a product share a scene's exposure, then the best is kept."""

    product: str
    """Product whose variants are tested; product_power is that of the mean variant."""
    variants: Annotated[Whole, Field(ge=2, le=100)]
    """Variants that are shown evenly until the decision."""
    sd: Annotated[Multiple, Field(le=2)] = 0.25
    """Spread of the variants: sd of the log of their buying odds."""
    decide_at: When
    """Phase or moment at whose first step the variant that sold best is chosen; the product is it from then on."""

    def moment(self, calendar: Calendar) -> datetime:
        """The moment of the decision."""
        at = self.decide_at
        return at if isinstance(at, datetime) else calendar.phases[at].start


class Selection(Part):
    """A crowd chosen on a data platform 达摩盘: a part of each band, readier to buy and dearer."""

    pool: Annotated[Rate, Field(gt=0, le=1)] = 1.0
    """Part of the people of a band, and of what is on offer, that belongs to the crowd."""
    cvr: Annotated[Level, Field(gt=0, le=20)] = 1.0
    """Odds of buying against those of everybody [x]."""
    cpm: Annotated[Level, Field(gt=0, le=20)] = 1.0
    """Rivals' bids for the crowd, and price of contracts, against those for everybody [x]."""


class Scene(Part):
    """One marketing purpose 场景 with its own budget."""

    title: str = ""
    """Name for readers."""
    objective: Objective = "sales"
    """What it is for, as catalogues of scenes sort them; it changes no figure, cost_per does."""
    audience: dict[str, Share]
    """Share of each audience band that the scene selects; missing bands are 0."""
    segments: list[str] = []
    """Segments it addresses; empty means all."""
    selection: Selection = Selection()
    """Crowd within its audience."""
    slots: list[str]
    """Slots it may use."""
    products: dict[str, Level] = {}
    """Products it promotes and their weights; empty means all alike."""
    product_stages: dict[str, Level] = {}
    """Weights of the stages that it suits, times those of the products; empty: any stage, missing stages 0."""
    phases: list[str] = []
    """Phases in which it spends; empty means all."""
    bid: Bid = Bid()
    """How it bids."""
    pacing: Literal["smooth", "quick"] = "smooth"
    """Follow the traffic of the phase, or spend as fast as the bid allows until the money is out."""
    prediction: Annotated[Amount, Field(ge=0, le=1.5)] = 0.5
    """tau: spread of the predicted log value of an impression; 0 is flat bidding."""
    creative: Annotated[Level, Field(gt=0)] = 1.0
    """Click odds of the scene's creatives against the slots' figure [x]."""
    creative_by_band: dict[str, Level] = {}
    """Click odds of what each audience band is shown [x]: bundles for customers, one product for newcomers; else 1."""
    personalisation: Annotated[Level, Field(gt=0)] = 1.0
    """Odds of buying on its visits by how well pages match people [x]: 1 none, 1.3 by rules, 1.8 learned 千人千面."""
    creatives: Creatives | None = None
    """How many creatives are made, of which the best is shown; none: one, as `creative` says."""
    explore: Explore | None = None
    """The product test that the scene's orders decide, if it is one."""
    organic_boost: Annotated[Level, Field(le=5)] = 0.0
    """kappa 自然流量助推: lift of a product's free visits per share of its sales that the scene made in 7 days [x]."""
    fixed_cost: Annotated[Amount, Field(ge=0)] = 0.0
    """Cost of running the scene at all, paid when it has money [CNY]."""
    budget_kind: Literal["total", "daily", "cycle"] = "total"
    """Money by phase; in equal parts a day, unspent ones lost; or one pot for all its phases (event cycle)."""
    daily_cap: Annotated[Amount, Field(gt=0)] | None = None
    """Most that it may pay in auctions on one calendar day [CNY]."""
    budget: Annotated[Amount, Field(ge=0)] | None = None
    """Own money, its packages included [CNY]; without plans these are the plan, and what no scene has is not spent."""

    @property
    def running_cost(self) -> float:
        """Fixed cost and that of the creatives [CNY]."""
        made = self.creatives
        return self.fixed_cost + (made.count * made.cost if made else 0.0)


class Attribution(Part):
    """How platform-style reports credit orders to scenes."""

    model: Literal["last_touch", "first_touch", "even"] = "last_touch"
    """Who gets an order: the last paid visit, the one that opened the contact, or half each."""
    window_days: Literal[1, 3, 7, 15, 30] = 15
    """Look-back window: a person is touched so long after the last paid visit."""


class RivalScores(Part):
    """Service scores of rivals' shops; prices were measured while they were like this."""

    measured: Annotated[Rate, Field(le=1)] = 0.30
    """Share of rivals above 4.8 when the slots' median_cpm were measured."""
    above: Annotated[Level, Field(ge=4.8, le=5)] = 4.9
    """Mean score of the rivals above 4.8."""
    below: Annotated[Level, Field(ge=3, le=4.8)] = 4.5
    """Mean score of the others."""


class PlanEntry(Part):
    """A named split of the budget."""

    scenes: dict[str, Money | dict[str, Money]]
    """Money by scene (or scene and phase): amounts, or shares of the budget when all sum to 1."""
    packages: list[str] | Literal["all", "none"] = "all"
    """Contract packages that are booked, as slot.package."""
    commissions: list[str] | Literal["all", "none"] = "all"
    """Commissioned media that runs; it is paid on top of the plan's money."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        """Allow `{new_customer: 20%, harvest: 80%}` without the word scenes."""
        if not isinstance(data, Mapping) or "scenes" in data:
            return data
        beside = ("packages", "commissions")
        rest = {key: value for key, value in data.items() if key not in beside}
        return {"scenes": rest} | {k: v for k, v in data.items() if k in beside}

    @property
    def in_shares(self) -> bool:
        """Whether the numbers are shares of the budget: they sum to at most 1."""
        values = [
            v for x in self.scenes.values() for v in (x.values() if isinstance(x, dict) else [x])
        ]
        return sum(values) <= 1 + 1e-9


class Scenario(Part):
    """One world and its question."""

    format: Literal[1] = 1
    """Version of the file format."""
    name: str
    """Name for readers."""
    question: str = ""
    """What the file is asked."""
    budget: Annotated[Amount, Field(gt=0)]
    """Money to split over scenes and packages [CNY]."""
    calendar: Calendar
    """Phases and clock curves."""
    segments: dict[str, Segment]
    """Groups of people."""
    chain: Chain
    """The consumer chain."""
    products: dict[str, Product]
    """What is sold."""
    life_cycle: LifeCycle = LifeCycle()
    """Product stages and organic weight."""
    sources: dict[str, Source]
    """Where traffic comes from."""
    pushes: dict[str, Push] = {}
    """Messages to followers and members: owned reach, free of any auction."""
    slots: dict[str, Slot]
    """What can be bought."""
    slot_price_scarcity: Annotated[Level, Field(ge=0, le=3)] = 0.7
    """eta: log price rise per log scarcity when contracts take shared inventory."""
    scenes: dict[str, Scene]
    """Purposes among which the budget is split."""
    commissions: dict[str, Commission] = {}
    """Commissioned media beside the scenes: affiliates 淘宝客 and creators, paid by what they sell."""
    personalisation: Annotated[Level, Field(gt=0)] = 1.0
    """Odds of buying on free visits by how well the shop's pages match people [x]: 1, 1.3 or 1.8."""
    commerce: Commerce = Commerce()
    """Costs of an order."""
    incentives: Incentives = Incentives()
    """Coupons, subsidies, rebates and guarantees."""
    payment: Payment = Payment()
    """The payment gate."""
    shipping: Shipping | None = None
    """The depot's capacity and what lateness does; without it every order is sent at once."""
    service_score: Annotated[Level, Field(ge=3, le=5)] = 4.6
    """Shop experience score 体验分 at the start: quality factor exp(0.6 (score - 4.6)) in auctions."""
    rivals_above: Annotated[Rate, Field(le=1)] = 0.30
    """Share of rivals whose service score is above 4.8: the more there are, the dearer is each place."""
    rival_scores: RivalScores = RivalScores()
    """What rivals' scores are above and below 4.8, and were when prices were measured."""
    chance: Chance = Chance()
    """Chance common to a replication or day."""
    shocks: dict[str, Shock] = {}
    """Weather and news that may come from outside."""
    attribution: Attribution = Attribution()
    """How reports credit orders."""
    anchors: Anchors | None = None
    """Last period's own figures, which set the levels of rivals, conversion and free visits."""
    plans: dict[str, PlanEntry] = {}
    """Named plans, the user's current one first; if none, the scenes' budgets, or else an even split."""
