"""Prices and incentives: coupons, subsidies, rebates and guarantees, parts of a scenario as schema.py."""

from typing import Annotated

from pydantic import Field

from simulator.scenario.amounts import Amount, Level, Moment, Part, Rate, Share


# --------------------------------------------------------------------------- what buyers pay
class Coupon(Part):
    """A coupon on some products in some phases: it lowers the price that buyers pay.

    A threshold coupon ("300 minus 50") also makes baskets larger and more of them come back.
    """

    merchant: Annotated[Rate, Field(lt=1)] = 0.0
    """Part of the price that the seller gives up."""
    platform: Annotated[Rate, Field(lt=1)] = 0.0
    """Part of the price, less the seller's parts, that the platform pays to the seller."""
    order_value: Annotated[Level, Field(ge=1, le=3)] = 1.0
    """Goods in an order against an order without the coupon [x]."""
    refund: Annotated[Level, Field(gt=0, le=10)] = 1.0
    """Odds that an order is refunded against an order without the coupon [x]."""
    phases: list[str] = []
    """Phases in which it is valid; empty means all until advertising ends."""
    products: list[str] = []
    """Products on which it is valid; empty means all."""


class Subsidy(Part):
    """A subsidy 国补 that others pay to buyers, until its money is used up."""

    rate: Annotated[Share, Field(lt=1)]
    """Part of the price paid, coupons taken off, that is subsidised."""
    cap: Annotated[Amount, Field(gt=0)] | None = None
    """Most for one order [CNY]; none: no limit."""
    quota: Annotated[Amount, Field(ge=0)]
    """Money set aside for orders of this shop [CNY]: used up in order of time."""
    start: Moment | None = None
    """First moment of the subsidy; none: from the start."""
    end: Moment | None = None
    """Orders of steps that start from here on have no subsidy; none: until the run ends."""
    products: list[str] = []
    """Products that are subsidised; empty means all."""


# --------------------------------------------------------------------------- what spending brings back
class Rebate(Part):
    """A red packet 红包返利: part of the auction spend comes back, up to a cap.

    What a guaranteed return has given back is not eligible.
    """

    rate: Share
    """Part of the eligible spend that comes back."""
    cap: Annotated[Amount, Field(ge=0)] = 200_000.0
    """Most that comes back in a run [CNY]."""
    scenes: list[str] = []
    """Scenes that opt in; empty means all."""
    products: list[str] = []
    """Products that opt in: a scene's spend counts by their weight in it; empty means all."""


class Credit(Part):
    """Ad credit for small merchants: part of the spend is matched, up to a cap.

    What a guaranteed return or a red packet gives back is not matched.
    """

    match: Share
    """Credit per yuan of spend."""
    cap: Annotated[Amount, Field(ge=0)]
    """Most credit in a run [CNY]."""
    budget_below: Annotated[Amount, Field(gt=0)]
    """Only a scenario with a smaller budget than this is eligible [CNY]."""


class RoiGuarantee(Part):
    """A return that the platform guarantees in windows of seven days: it pays what is short of it."""

    scenes: list[str]
    """Scenes whose auction spend and gmv count, together."""
    target: Annotated[Amount, Field(gt=0)]
    """Guaranteed gmv per yuan of spend."""
    least_orders: Annotated[Amount, Field(ge=0, le=1e6)] = 20.0
    """Orders in a window below which nothing is paid."""
    organic: bool = False
    """Whether all gmv of the scenes' products counts (whole_site), or only what the last touch gives the scenes."""


class Hosted(Part):
    """Full hosting with a guaranteed gmv: the host takes a fee and pays what gmv falls short of it."""

    guaranteed_gmv: Annotated[Amount, Field(gt=0)]
    """Gmv of its products in the run below which the host pays the difference [CNY]."""
    fee: Annotated[Share, Field(lt=1)]
    """Part of the gmv of its products that the host takes."""
    products: list[str] = []
    """Products that are hosted; empty means all."""


class Incentives(Part):
    """Coupons, subsidies, rebates and guarantees, each by a name of its own."""

    coupons: dict[str, Coupon] = {}
    """Coupons of seller and platform; several on one product stack one after the other."""
    subsidies: dict[str, Subsidy] = {}
    """State subsidies; a product can be in one of them."""
    rebates: dict[str, Rebate] = {}
    """Red packets on spend."""
    credit: Credit | None = None
    """Credit for small merchants, if it is offered."""
    roi_guarantees: dict[str, RoiGuarantee] = {}
    """Guaranteed returns, settled every seven days."""
    hosted: dict[str, Hosted] = {}
    """Hosting contracts, settled at the end of the run."""
