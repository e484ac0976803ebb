"""The question a user asks, from its root: every field with its type, unit, bound and one sentence.

That sentence is the reference page (docs/scenario.md), the JSON Schema and the editor's hover text.
A scenario is data: nothing in it runs. Numbers of type Level and Rate may be uncertain:
`80`, `{value: 80, sd: 20%}` or `{low: 60, high: 100}`.
"""

from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.amounts import Amount, Level, Part, Rate
from simulator.scenario.anchors import Anchors
from simulator.scenario.calendar import Calendar
from simulator.scenario.chain import Chain
from simulator.scenario.chance import Chance, Shock
from simulator.scenario.commissions import Commission
from simulator.scenario.goods import Commerce, LifeCycle, Payment, Product, Shipping
from simulator.scenario.incentives import Incentives
from simulator.scenario.people import Push, Segment
from simulator.scenario.scenes import PlanEntry, Scene
from simulator.scenario.slots import Slot, Source


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


class Scenario(Part):
    """One world and its question."""

    format: Literal[1] = 1
    """Version of the file format."""
    name: str
    """Name for readers."""
    question: str = ""
    """What the file is asked."""
    budget: Annotated[Amount, Field(gt=0)]
    """Money to split over scenes and packages, signed ones included [CNY]."""
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
