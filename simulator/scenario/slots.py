"""What can be bought: sources of traffic, auction and contract slots and their packages, parts of a scenario."""

from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.amounts import Amount, Level, Moment, Multiple, Part, Rate, Share, Whole
from simulator.scenario.prices import PriceSteps


class Source(Part):
    """Where traffic comes from."""

    organic_visits: Annotated[Level, Field(ge=0)] = 0.0
    """Free visits to the brand on a normal day at the start."""
    organic_cvr: Annotated[Rate, Field(lt=1)] = 0.03
    """Probability that a free visit of the reference mix buys, normal phase."""
    organic_bands: dict[str, Annotated[Level, Field(le=1000)]] = {}
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
    position_decay: list[Annotated[Share, Field(gt=0)]] = [
        1.0,
        0.65,
        0.45,
        0.3,
        0.2,
        0.15,
        0.1,
        0.08,
    ]
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
    cpm: Annotated[Amount, Field(gt=0)] | None = None
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
    cpm: Annotated[Amount, Field(gt=0)]
    """Price [CNY per 1000 impressions]."""
    packages: dict[str, Package] = {}
    """What can be booked."""
    precision: Annotated[Rate, Field(le=1)] = 0.6
    """Share of impressions that follow the scene's audience, as far as its people have opportunities; the rest goes
    to everybody.
    """
    shares: str | None = None
    """Auction slot with which it shares inventory: contracts are served first."""
    make_good: Annotated[Multiple, Field(le=2)] = 1.05
    """Make-good impressions per impression of shortfall."""
    make_good_days: Annotated[Amount, Field(gt=0, le=60)] = 30
    """Days after the package's last phase in which make-good is served."""
    remedy: Literal["make_good", "refund"] = "make_good"
    """What the seller owes for a shortfall: impressions later, as far as there are any, or the money back."""
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


Slot = Annotated[AuctionSlot | ContractSlot, Field(discriminator="kind")]
