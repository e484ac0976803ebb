"""What is decided: scenes with their bids and tests, and plans that split the money over them, parts of a scenario."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from simulator.scenario.amounts import (
    Amount,
    Level,
    Multiple,
    Part,
    Share,
    Whole,
    read_amount,
    read_moment,
    shown,
)
from simulator.scenario.calendar import Calendar


def _read_when(value: object) -> datetime | str:
    try:
        return read_moment(value)
    except ValueError:
        if isinstance(value, str) and value[:1].isalpha():
            return value
        raise


When = Annotated[datetime | str, BeforeValidator(_read_when), WithJsonSchema({"type": "string"})]
"""A moment, or the name of a phase: its start."""


class Bid(Part):
    """How a scene bids."""

    mode: Literal["max_amount", "custom_bid", "cost_control", "roi_control"] = "max_amount"
    """Most volume for the money, a fixed bid, an average cost, or a return target."""
    cost_per: Literal[
        "impression", "click", "cart", "order", "first_order",
        "discover", "engage", "enthuse", "perform", "initial", "numerous",
    ] = "order"  # fmt: skip
    """The action that is bid for; from discover on a person moved into that chain stage (initial: first_order). How
    likely it is in each segment is read at the start."""
    target: Annotated[Amount, Field(gt=0)] | None = None
    """Bid or average cost per action [CNY], or gmv per yuan for roi_control; later orders of visitors do not count."""
    counts_organic: bool = False
    """roi_control of whole-site promotion 全站推广: the target counts the products' free sales too, as of yesterday;
    on the first day as of a normal day.
    """


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
    """A crowd chosen on a data platform 达摩盘: some of the people, readier to buy and dearer."""

    pool: Annotated[Share, Field(gt=0, le=1)] = 1.0
    """Part of the people of its segments, and of what is on offer, that belongs to the crowd: the same people
    throughout, the best suited first, so that a smaller crowd is part of a larger one."""
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
    """Share of the opportunities in each audience band that the scene selects; missing bands are 0."""
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
    """tau: spread of the predicted log value of an impression; 0 is flat bidding, as it always is for impression and
    discover, and on slots of several positions."""
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
    """Own money, its packages included, signed ones on top [CNY]; without plans these are the plan, and what no
    scene has is not spent."""

    @property
    def running_cost(self) -> float:
        """Fixed cost and that of the creatives [CNY]."""
        made = self.creatives
        return self.fixed_cost + (made.count * made.cost if made else 0.0)


# --------------------------------------------------------------------------- plans
def _read_money(value: object) -> float:
    money = read_amount(value)
    if money > 1 and isinstance(value, str) and value.rstrip().endswith("%"):
        raise ValueError(f"must be at most 100% of the budget (got {shown(value)})")
    return money


Money = Annotated[float, BeforeValidator(_read_money), Field(ge=0)]
"""Money [CNY], or a share of the budget (20%)."""


class PlanEntry(Part):
    """A named split of the budget."""

    scenes: dict[str, Money | dict[str, Money]]
    """Money by scene (or scene and phase): amounts, or shares of the budget where all of them sum to at most 1. The
    packages of a scene are paid out of it, signed ones on top; one number is split over the scene's phases by
    days x traffic."""
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
        return sum(money for _, money in self.cells) <= 1 + 1e-9

    @property
    def cells(self) -> list[tuple[tuple[str, ...], float]]:
        """Every number, with its scene, or scene and phase."""
        found: list[tuple[tuple[str, ...], float]] = []
        for scene, value in self.scenes.items():
            by_phase = value if isinstance(value, dict) else {}
            found += [((scene, phase), money) for phase, money in by_phase.items()]
            found += [] if isinstance(value, dict) else [((scene,), value)]
        return found
