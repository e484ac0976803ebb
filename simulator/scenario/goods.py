"""What is sold, how it lives, and what an order of it costs: parts of a scenario, as schema.py."""

from typing import Annotated, Literal

from pydantic import Field

from simulator.scenario.amounts import Amount, Level, Moment, Multiple, Part, Rate, Share, Whole

PRODUCT_STAGES = ("sampling", "launch", "potential", "hit", "core", "clearance")
UNLIMITED = 1_000_000_000
"""Units of a product of whose stock a file says nothing."""

ByStage = Annotated[list[Amount], Field(min_length=6, max_length=6)]
"""A number for each product stage, in their order."""


# --------------------------------------------------------------------------- products
class Restock(Part):
    """A delivery of goods to the warehouse."""

    at: Moment
    """When the goods arrive."""
    units: Whole
    """Units that arrive."""


class Pooled(Part):
    """Units in shops that online orders may take once the depot is out: pooled stock 全渠道库存."""

    units: Whole
    """Units that shops hold at the start."""
    share: Share = 1.0
    """Share of them that online orders may take."""
    fulfilment: Annotated[Level, Field(ge=0)] | None = None
    """Packing and freight of an order sent from a shop [CNY]; that of commerce if not given."""


class Product(Part):
    """Something that is sold."""

    price: Annotated[Level, Field(gt=0)]
    """List price of an order of this product [CNY]; buyers answer to cuts below it, never to the list price itself."""
    margin: Annotated[Rate, Field(lt=1)]
    """Gross margin at list price; unit cost is price x (1 - margin) and stays when discounted."""
    product_stage: Literal["sampling", "launch", "potential", "hit", "core", "clearance"] = "core"
    """Stage of the life cycle at the start."""
    stock: Whole = UNLIMITED
    """Units for sale at the start; an order takes one, however much it is worth."""
    restocks: list[Restock] = []
    """Later deliveries."""
    pooled: Pooled | None = None
    """Units in shops beside the stock, if online orders may take them."""
    product_power: Annotated[Level, Field(gt=0)] = 1.0
    """商品力: odds of buying, and favourites and carts per visit, against the average product of the category [x]."""
    generation: Annotated[Whole, Field(ge=1, le=20)] = 1
    """1 for an original; every later generation 迭代 of it has generation_decay less product_power."""
    luck_sd: Annotated[Multiple, Field(le=2)] = 0.0
    """Spread of the product's fortune: relative sd of a mean-one factor on product_power."""
    refund: Annotated[Rate, Field(lt=1)] = 0.05
    """Share of orders refunded, normal phase."""
    organic: Annotated[Level, Field(ge=0)] = 1.0
    """Weight of the product among the store's organic visits at the start."""
    presale: bool = False
    """Whether deposits are taken for this product, in phases before the end of a balance window."""
    deposit: Annotated[Rate, Field(le=1)] = 0.1
    """Deposit as a share of the price; kept by the seller when the balance is not paid, unless it is sold out."""
    discount: dict[str, Rate] = {}
    """Price cut by phase, share of list price."""
    salvage: Annotated[Level, Field(ge=0)] | None = None
    """Worth of a unit left or back at the end [CNY]: no price goes below it, what is left is written down to it."""
    launch: Moment | None = None
    """Moment at which a sampling product goes on sale as a new launch; without one after three days or so."""
    items: Annotated[Whole, Field(ge=1, le=1_000_000)] = 1
    """Items for which the product stands; stock and organic are those of all, stages follow their mean."""
    tail: Annotated[Amount, Field(ge=0, le=5)] = 1.0
    """Zipf exponent of the items' sales by rank: 0 all alike, 1 the second sells half of the best."""


class LifeCycle(Part):
    """How products move through sampling, launch, potential, hit, core and clearance."""

    category_orders: Annotated[Amount, Field(gt=0)] = 20.0
    """Orders per day of the category's median product; thresholds are multiples of it."""
    potential_at: Annotated[Amount, Field(gt=0)] = 1.0
    """Orders per day [x median] around which a launch becomes potential."""
    hit_at: Annotated[Amount, Field(gt=0)] = 4.0
    """Orders per day [x median] around which a potential product becomes a hit."""
    steepness: Annotated[Amount, Field(gt=0, le=20)] = 3.0
    """Exponent of the smooth threshold x^s / (1 + x^s)."""
    promotion_days: Annotated[Amount, Field(gt=0)] = 5.0
    """Mean days to the next stage once far above the threshold."""
    core_days: Annotated[Amount, Field(gt=0)] = 60.0
    """Mean days a hit stays a hit before it is core."""
    decline_at: Annotated[Share, Field(gt=0, lt=1)] = 0.5
    """Orders of a week against four weeks, both per market traffic, around which a product declines."""
    decline_days: Annotated[Amount, Field(gt=0)] = 60.0
    """Mean days to clearance while far below decline_at."""
    generation_decay: Annotated[Rate, Field(lt=1)] = 0.15
    """Product power lost from one generation of a product to the next."""
    ctr: ByStage = [0.8, 0.95, 1.05, 1.2, 1.05, 0.85]
    """Click odds by product stage [x]."""
    cvr: ByStage = [1.5, 0.75, 0.95, 1.25, 1.15, 0.8]
    """Buying odds by product stage [x]."""
    quality: ByStage = [0.85, 0.9, 1.0, 1.15, 1.1, 0.9]
    """Auction quality score by product stage [x]."""
    refund: ByStage = [0.5, 1.1, 1.0, 0.95, 0.9, 1.1]
    """Refund odds by product stage [x]."""
    price: ByStage = [0.3, 1.0, 1.0, 1.0, 1.0, 1.0]
    """Price by product stage [x]: samples 派样 are sold at a part of it, mostly below their cost."""
    halo: Annotated[Rate, Field(le=1)] = 0.0
    """Share of a hit's visits that go on to another product of the store: 5 to 20% where a hit pulls it."""
    halo_cvr: Annotated[Rate, Field(lt=1)] = 0.05
    """Probability that such a further look buys, reference mix, normal phase."""
    organic_memory: Annotated[Share, Field(lt=1)] = 0.85
    """Organic weight kept from one day to the next."""
    organic_base: Annotated[Amount, Field(gt=0)] = 1.0
    """a0: organic weight of a product without orders; the larger, the less that sales add to it."""
    organic_orders: Annotated[Amount, Field(ge=0)] = 0.3
    """a1: organic weight per log(1 + orders of 7 days): paid sales earn free traffic 付免联动."""
    organic_orders_scale: Annotated[Amount, Field(gt=0)] = 1.0
    """Orders of 7 days that count as one in that log; 7 x category_orders counts against the median product."""
    organic_conversion: Annotated[Amount, Field(ge=0)] = 0.0
    """a2: organic weight per conversion above the category's median, odds [x] less 1; at most organic_base."""
    organic_score: Annotated[Amount, Field(ge=0, le=100)] = 0.0
    """a3: organic weight per point of the service score above 4.6; organic_visits hold that of the start already."""
    organic_rivals: Annotated[Amount, Field(gt=0)] = 10.0
    """Organic weight of competing products: free visits are g = w / (w + organic_rivals) against g at the start, so
    that the smaller it is, the sooner more orders bring no more visits."""
    organic_boost_cap: Share = 0.40
    """Most that scenes with an organic_boost lift a product's free visits."""


# --------------------------------------------------------------------------- orders
class Commerce(Part):
    """What an order costs beside the goods."""

    commission: Annotated[Rate, Field(lt=1)] = 0.05
    """Platform commission, share of kept revenue."""
    technology_fee: Annotated[Rate, Field(lt=1)] = 0.0
    """Technology fee beside the commission (0.6% on Tmall since 2024), share of kept revenue."""
    payment_fee: Annotated[Rate, Field(lt=1)] = 0.006
    """Payment fee, share of gmv."""
    fulfilment: Annotated[Level, Field(ge=0)] = 8.0
    """Packing and freight of an order [CNY]."""
    refund_handling: Annotated[Level, Field(ge=0)] = 8.0
    """Inbound freight and handling of a refund [CNY]."""
    depreciation: Annotated[Rate, Field(le=1)] = 0.05
    """Loss of value of a returned order, share of its unit cost."""
    resale: Annotated[Rate, Field(le=1)] | None = None
    """Share of the parcels that come back which go on sale again, where stock is limited; 1 - depreciation if not
    given. What is refunded before shipping always does."""
    order_value_sd: Annotated[Multiple, Field(le=5)] = 0.5
    """Relative spread of the value of single orders."""
    refund_fast_share: Share = 0.4
    """Share of refunds before shipping (mean delay refund_fast_days)."""
    refund_fast_days: Annotated[Amount, Field(gt=0)] = 1.0
    """Mean delay of fast refunds [d]."""
    refund_slow_days: Annotated[Amount, Field(gt=0)] = 8.0
    """Mean delay of the others, Gamma with shape 4 [d]."""
    substitution: Annotated[Rate, Field(le=1)] = 0.3
    """Part of those whose choice is sold out that takes another product of the shop: of shoppers 19% take another
    item of the brand, 45% any other (Corsten and Gruen 2003); the others are unmet demand. Visitors of scenes and
    partners with several products are shown what is there, and all take another."""
    discount_rate: Annotated[Share, Field(gt=0, lt=1)] = 0.1
    """Yearly discount of future contribution in asset_value."""


class Shipping(Part):
    """How fast the depot sends: orders beyond it wait, late ones come back more often and cost good will."""

    per_day: Annotated[Level, Field(gt=0)]
    """Orders that the depot can send per day; 1.5 to 2.5 times a normal day's orders is common."""
    late_days: Annotated[Level, Field(gt=0)] = 3.0
    """Days of waiting at which half of the orders count as late."""
    steepness: Annotated[Amount, Field(gt=0, le=50)] = 6.0
    """How alike the waits of single orders are: the share of late ones is x^s / (1 + x^s), x = wait / late_days."""
    late_refund: Annotated[Level, Field(ge=1, le=100)] = 2.0
    """Odds that a late order is refunded, against one in time [x]."""
    late_score: Annotated[Level, Field(ge=0, le=2)] = 0.05
    """Fall of the service score if all orders were late for long [points]."""
    half_life_days: Annotated[Level, Field(gt=0)] = 7.0
    """Half-life with which the service score falls while orders are late and recovers afterwards [d]."""


class Payment(Part):
    """The last gate: an order becomes a paid order."""

    fail: Annotated[Rate, Field(le=1)] = 0.10
    """Failure probability at full load for buyers without a filled wallet."""
    wallet_share: Annotated[Rate, Field(le=1)] = 0.9
    """Share of buyers whose wallet is filled beforehand."""
    retry: Annotated[Rate, Field(le=1)] = 0.6
    """Share of failures that succeed at the one retry."""
    capacity: Annotated[Level, Field(gt=0)] | None = None
    """Payment attempts per hour at full load; the load is then that of the shop's own buyers, not payment_load."""
