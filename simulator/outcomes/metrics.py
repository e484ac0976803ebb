"""What the ledger means to a marketer: each metric once, with its title, unit and formula.

symbol      meaning                                                     shape
book        what the engine wrote                                       [.., lane]
lane        plan * replications + replication; the last plan has no ads
quantity    a number of every lane, from which metrics are made         [plan, replication]
N_g, x_g    people of a segment; viewed impressions of the run / N_g    [segment, replication]
r_f         shape of the distribution of views over people              [replication]

A metric is a quantity, or a quantity over another. A ratio is defined where its denominator is
above zero, and its mean is the ratio of the means (see compare.py). Equations: docs/model.md,
section 12.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.outcomes.compare import Sample
from simulator.outcomes.ledger import Ledger
from simulator.scenario.amounts import compact
from simulator.scenario.goods import UNLIMITED

Array = NDArray[np.float64]
Quantities = dict[str, Array]
Wish = Literal["more", "less", ""]

NO_ADS = "no ads"
NO_CELLS = np.zeros((0, 0, 0))
ROUNDING = 1e-9
"""Share of the money below which what is left is rounding."""
"""Name of the zero-spend plan, which ends every run's list of plans."""


@dataclass(frozen=True)
class Metric:
    """One figure: `top`, or `top` / `bottom`, times `scale`."""

    name: str
    title: str
    chinese: str
    unit: str
    top: str
    bottom: str = ""
    scale: float = 1.0
    wish: Wish = "more"
    """Which of two plans is better; empty: neither."""

    @property
    def kind(self) -> Literal["total", "ratio"]:
        """Whether it has a denominator."""
        return "ratio" if self.bottom else "total"

    def sample(self, quantities: Quantities, row: int | tuple[int, ...]) -> Sample:
        """The figure in every replication of a plan (or scene and plan)."""
        top = quantities[self.top][row] * self.scale
        return Sample(top, quantities[self.bottom][row]) if self.bottom else Sample.total(top)


def _total(name: str, title: str, chinese: str, unit: str, wish: Wish = "more") -> Metric:
    return Metric(name, title, chinese, unit, name, wish=wish)


SPEND = _total("spend", "Spend", "花费", "CNY", "")
UNSPENT = _total("unspent", "Planned for auctions, not spent", "竞价预算余额", "CNY", "")
IMPRESSIONS = _total("impressions", "Impressions", "展现量", "impressions")
CLICKS = _total("clicks", "Clicks", "点击量", "clicks")
CTR = Metric("ctr", "Click-through rate", "点击率", "share", "clicks", "impressions")
CPM = Metric(
    "cpm", "Cost per mille", "千次展现成本", "CNY per mille", "spend", "impressions",
    scale=1000.0, wish="less",
)  # fmt: skip
CPC = Metric("cpc", "Cost per click", "点击成本", "CNY per click", "spend", "clicks", wish="less")
ROAS = Metric("roas", "Attributed GMV per yuan", "投产比", "x", "gmv_attributed", "spend")
TARGET_USE = Metric(
    "target_use", "Cost against what the bid's target allows", "出价目标占用", "share",
    "targeted", "allowed", wish="less",
)  # fmt: skip

DIRECT = _total("orders_direct", "Orders on paid visits", "直接成交订单数", "orders")
INDIRECT = _total("orders_indirect", "Later orders of people touched", "间接成交订单数", "orders")
PRESALE = _total("orders_presale", "Balances paid by people touched", "预售成交订单数", "orders")

METRICS: tuple[Metric, ...] = (
    Metric("roi", "Net incremental return", "增量净回报率", "x", "profit_incremental", "outlay"),
    _total("profit", "Profit", "利润", "CNY"),
    _total("profit_incremental", "Incremental profit", "增量利润", "CNY"),
    _total("new_customers", "New customers", "新客数", "people"),
    _total("new_customers_gross", "New customers, refunds included", "新客数(含退款)", "people"),
    _total("new_customers_incremental", "Incremental new customers", "增量新客数", "people"),
    _total("brand_new_customers", "Brand-new customers, refunds included", "品牌新客数(含退款)", "people"),
    Metric(
        "cac", "Cost of an incremental new customer", "增量获客成本", "CNY per person",
        "net_spend", "new_customers_incremental", wish="less",
    ),
    _total("recalled_members", "Recalled members", "召回会员数", "people"),
    _total("lapsed", "Customers who lapsed", "流失客户数", "people", "less"),
    _total("returned", "Lapsed long enough to be new again", "重新计为新客人数", "people", ""),
    SPEND,
    UNSPENT,
    _total("commission_media", "Commissioned media", "佣金推广花费", "CNY", ""),
    _total("message_spend", "Messages to members", "会员触达花费", "CNY", ""),
    _total("net_spend", "Net spend", "净花费", "CNY", ""),
    _total("money_back", "Rebates and guarantees", "返利与赔付", "CNY", ""),
    _total("fixed_cost", "Fixed cost of scenes that run", "场景固定成本", "CNY", ""),
    _total("gmv", "GMV", "成交额", "CNY"),
    _total("gmv_campaign", "GMV until advertising ends", "投放期成交额", "CNY"),
    _total("revenue", "Revenue after refunds", "退款后收入", "CNY"),
    _total("subsidy", "Subsidies paid by others", "外部补贴", "CNY", ""),
    _total("settlement", "Paid by hosts for missing GMV", "托管保底补足", "CNY", ""),
    _total("contribution", "Contribution before advertising", "广告前贡献毛利", "CNY"),
    ROAS,
    Metric(
        "roas_break_even", "Break-even ROAS", "保本投产比", "x",
        "gmv", "contribution", wish="less",
    ),
    Metric(
        "iroas", "Incremental revenue per yuan", "增量投产比", "x",
        "revenue_incremental", "net_spend",
    ),
    _total("mroi", "Marginal return", "边际净回报率", "x"),
    _total("asset_value", "Value of the people won", "人群资产价值", "CNY"),
    IMPRESSIONS,
    _total("reach", "Reach", "触达人数", "people"),
    Metric("frequency", "Frequency", "人均触达频次", "views per person", "views", "reach", wish=""),
    CLICKS,
    _total("visits", "Visits", "访问量", "visits"),
    _total("messages", "Messages sent", "消息发送数", "messages"),
    _total("favourites", "Favourites", "收藏数", "people"),
    _total("carts", "Carts", "加购数", "people"),
    _total("deposits", "Deposits", "预售定金笔数", "orders"),
    _total("balances", "Balances of deposits paid", "预售尾款支付笔数", "orders"),
    _total("forfeited", "Deposits that were forfeited", "预售定金没收额", "CNY", ""),
    _total("orders", "Orders", "下单数", "orders"),
    _total("paid_orders", "Paid orders", "支付订单数", "orders"),
    _total("refunds", "Refunds", "退款订单数", "orders", "less"),
    DIRECT,
    INDIRECT,
    PRESALE,
    _total("orders_commissioned", "Orders of commissioned media", "佣金推广成交订单数", "orders"),
    _total("orders_organic", "Organic orders", "自然成交订单数", "orders", ""),
    _total("unmet", "Orders that found no goods", "缺货流失订单", "orders", "less"),
    _total("pooled", "Orders sent from shops", "门店发货订单", "orders", ""),
    _total("failed_payments", "Failed payments", "支付失败笔数", "orders", "less"),
    _total("peak_payment_load", "Highest payment load", "支付峰值负载", "x", "less"),
    Metric(
        "shipping_delay", "Mean wait for shipping", "平均发货等待", "d",
        "days_waited", "paid_orders", wish="less",
    ),
    _total("peak_shipping_delay", "Longest wait for shipping", "最长发货等待", "d", "less"),
    Metric("late_share", "Orders sent late", "延迟发货率", "share", "late_orders", "paid_orders", wish="less"),
    _total("peak_score_fall", "Greatest fall of the service score", "体验分最大降幅", "points", "less"),
    CTR,
    Metric("cvr", "Paid orders per visit", "支付转化率", "share", "paid_orders", "visits"),
    CPM,
    CPC,
    Metric("aov", "Average order value", "客单价", "CNY per order", "gmv", "paid_orders"),
    Metric("win_rate", "Auction win rate", "竞得率", "share", "impressions_auction", "offered"),
    Metric("fill_rate", "Contract fill rate", "合约完成率", "share", "delivered", "booked"),
)  # fmt: skip
"""Every metric of a plan, in the order in which it is listed."""

SCENE_METRICS: tuple[Metric, ...] = (
    SPEND,
    UNSPENT,
    IMPRESSIONS,
    CLICKS,
    _total("visits", "Paid visits", "付费访问量", "visits"),
    _total("orders_attributed", "Attributed orders", "归因订单数", "orders"),
    DIRECT,
    INDIRECT,
    PRESALE,
    _total("gmv_attributed", "Attributed GMV", "归因成交额", "CNY"),
    CTR,
    CPM,
    CPC,
    ROAS,
    TARGET_USE,
)
"""Every metric of a scene; roas is to be read beside the plan's roas_break_even."""

CELL_METRICS: tuple[Metric, ...] = (
    _total("planned", "Planned for auctions", "竞价计划预算", "CNY", ""),
    _total("auction_spend", "Spent in auctions", "竞价花费", "CNY", ""),
    UNSPENT,
)
"""Every metric of a scene's phase; where a scene has one pot for its phases none has a plan of its own."""

PRODUCT_METRICS: tuple[Metric, ...] = (
    _total("paid_orders", "Paid orders", "支付订单数", "orders"),
    _total("gmv", "GMV", "成交额", "CNY"),
    _total("refunds", "Refunds", "退款订单数", "orders", "less"),
    Metric("refund_share", "Refunded orders", "退款率", "share", "refunds", "paid_orders", wish="less"),
    _total("unmet", "Orders that found no goods", "缺货流失订单", "orders", "less"),
    _total("left", "Units left at the end, where stock is limited", "期末剩余库存", "units", ""),
    _total("back_on_sale", "Refunded units back on sale", "退货重新上架件数", "units", ""),
    _total("sold_out", "Runs in which it sold out", "售罄概率", "share", ""),
    Metric(
        "sold_out_day", "When it first sold out, since the first midnight", "首次售罄时间", "d",
        "day_of_sold_out", "sold_out", wish="",
    ),
)  # fmt: skip
"""Every metric of a product; `left` and `back_on_sale` are undefined where the file limits no stock."""

PACKAGE_METRICS: tuple[Metric, ...] = (
    _total("booked", "Impressions booked", "合约预定展现", "impressions", ""),
    _total("delivered", "Impressions delivered in time", "合约完成展现", "impressions"),
    _total("shortfall", "Impressions that were not", "合约缺量", "impressions", "less"),
    _total("made_good", "Impressions made good later", "补量展现", "impressions", ""),
    _total("paid", "Paid for it, or for leaving it out", "合约花费", "CNY", ""),
    Metric("fill_rate", "Contract fill rate", "合约完成率", "share", "delivered", "booked"),
)
"""Every metric of a package; one that a plan leaves out books nothing and may cost a fee."""

COMMISSION_METRICS: tuple[Metric, ...] = (
    _total("visits", "Visits sent", "推广访问量", "visits"),
    _total("gmv", "GMV on these visits", "推广成交额", "CNY"),
    _total("cost", "Commission and fee", "佣金与坑位费", "CNY", ""),
)
"""Every metric of commissioned media."""

BY_NAME = {metric.name: metric for metric in METRICS}


def written(name: str, value: float) -> str:
    """An amount of a metric, with the unit where that is money.

    >>> written("gmv", 3e6), written("new_customers", 12_345), written("roi", 0.5)
    ('3.00m CNY', '12.3k', '0.500')
    """
    return f"{compact(value)}{' CNY' * (BY_NAME[name].unit == 'CNY')}"


def at_most(value: float) -> float:
    """Rounded down to what `written` shows, so that whoever asks for what is shown asks for no more.

    >>> at_most(12_399), at_most(6_123.9), at_most(-0.12341)
    (12300.0, 6123.0, -0.124)
    """
    if not value or not math.isfinite(value):
        return value
    digits = 4 if 999.5 <= abs(value) < 9995 else 3
    places = digits - 1 - math.floor(math.log10(abs(value)))
    return round(math.floor(round(value * 10.0**places, 6)) / 10.0**places, max(places, 0))


@dataclass(frozen=True, eq=False)
class Terms:
    """What the metrics need beside the ledger: the drawn costs of orders, and the people."""

    commission: Array
    """Commission and technology fee, share of kept revenue: [replication], as the next five."""
    payment_fee: Array
    """Share of gmv."""
    fulfilment: Array
    """Of a paid order [CNY]."""
    refund_handling: Array
    """Of a refund [CNY]."""
    depreciation: Array
    """Loss of a returned order, share of its unit cost."""
    frequency_shape: Array
    """r_f: shape of the negative binomial of views per person."""
    people: Array
    """People of each segment: [segment, replication]."""
    fixed: Array
    """Fixed cost of the scenes that run [CNY]: [scene, plan], the zero-spend plan last."""
    unsent: Array = field(default_factory=lambda: np.zeros(1))
    """Share of refunds that come before the parcel is sent: [replication]; 0 in runs of a version that sent all."""
    money: Array = field(default_factory=lambda: NO_CELLS)
    """Auction money [CNY], NaN where a scene has one pot for its phases: [scene, phase, plan]; none in runs of
    a version that did not write it down.
    """

    @classmethod
    def over(
        cls, replications: int, *, people: ArrayLike, fixed: ArrayLike, money: ArrayLike = NO_CELLS, **each: ArrayLike
    ) -> "Terms":  # fmt: skip
        """Numbers, or arrays [replication] or [1, replication], spread over all replications.

        >>> terms = Terms.over(
        ...     2, people=[[100.0]], fixed=[[0.0, 0.0]], commission=0.05, payment_fee=0.006,
        ...     fulfilment=[8.0], refund_handling=8.0, depreciation=0.05, frequency_shape=0.6)
        >>> terms.commission.tolist(), terms.people.tolist()
        ([0.05, 0.05], [[100.0, 100.0]])
        """
        rows = {name: _spread(np.ravel(value), replications) for name, value in each.items()}
        crowd = np.atleast_2d(np.asarray(people, dtype=float))
        crowd = _spread(crowd, replications)
        paid, planned = (np.asarray(table, dtype=float) for table in (fixed, money))
        return cls(**rows, people=crowd, fixed=paid, money=planned)


def _spread(values: ArrayLike, replications: int) -> Array:
    array = np.asarray(values, dtype=float)
    return np.broadcast_to(array, (*array.shape[:-1], replications)).copy()


def quantities(book: Ledger, terms: Terms) -> Quantities:
    """Every quantity of every plan: [plan, replication], the zero-spend plan last."""
    n = len(terms.commission)
    lanes = _media(book, n) | _shop(book, n)
    lanes |= _people(book, terms, n)
    lanes |= _money(lanes, terms)
    return lanes | _beyond_no_ads(lanes)


def tail_shares(items: int, tail: float) -> Array:
    """Share of a product's sales that each of its items has, by rank: r^-tail / sum (Zipf).

    >>> tail_shares(3, 1.0).round(3).tolist()
    [0.545, 0.273, 0.182]
    """
    weight = np.arange(1.0, items + 1) ** -tail
    return np.asarray(weight / weight.sum())


def items_above(sales: ArrayLike, items: int, tail: float, least: float) -> Array:
    """How many items of a product sell at least so much, when all sell `sales`: same shape as `sales`.

    >>> items_above([0.0, 6e6, 33e6], 3, 1.0, 2e6).tolist()
    [0.0, 1.0, 3.0]
    """
    total = np.asarray(sales, dtype=float)
    needed = np.full(total.shape, np.inf)
    np.divide(least, total, out=needed, where=total > 0)
    return np.searchsorted(-tail_shares(items, tail), -needed, side="right").astype(float)


def quantities_of(rows: Mapping[str, Array], replications: int) -> Quantities:
    """Every quantity of every scene, product or partner of a ledger: [.., plan, replication]."""
    return {name: _grid(values, replications) for name, values in rows.items()}


def goods_of(book: Ledger) -> dict[str, Array]:
    """What the book has of products, as a reader calls it: [product, lane].

    A product that comes with as many units as a file that names none is not limited by them.
    """
    rows, day = book.products, book.products["sold_out_day"]
    delivered = rows["paid"] + rows["left"] - np.nan_to_num(rows["back_on_sale"])
    limited = delivered < UNLIMITED - 1
    out = np.where(np.isnan(day), np.nan, np.isfinite(day))
    return {
        "paid_orders": rows["paid"], "gmv": rows["gmv"], "refunds": rows["refunds"],
        "unmet": rows["unmet"], "left": np.where(limited, rows["left"], np.nan),
        "back_on_sale": np.where(limited, rows["back_on_sale"], np.nan),
        "sold_out": out, "day_of_sold_out": np.where(np.isinf(day), 0.0, day),
    }  # fmt: skip


def cells_of(book: Ledger, terms: Terms) -> Quantities:
    """Auction money of scenes by phase: [scene, phase, plan, replication]."""
    spend = _grid(book.spend, len(terms.commission))
    planned = np.broadcast_to(terms.money[..., None], spend.shape)
    left = planned - spend
    left = np.where(left < ROUNDING * planned, 0.0, left)
    return {"planned": planned, "auction_spend": spend, "unspent": left}


def _grid(values: Array, replications: int) -> Array:
    """[.., lane] as [.., plan, replication]; one layout, so that sums have one order."""
    *rows, lanes = values.shape
    plans = lanes // replications
    return np.ascontiguousarray(values).reshape(*rows, plans, replications)


def _media(book: Ledger, n: int) -> Quantities:
    """What was shown, and what it cost; contract impressions are those delivered or made good."""
    lanes = {name: rows.sum(axis=0) for name, rows in quantities_of(book.scenes, n).items()}
    none = np.zeros_like(lanes["spend"])
    packs = {name: _grid(rows, n).sum(axis=0) for name, rows in book.packages.items()}
    served = packs.get("delivered", none) + packs.get("made_good", none)
    auction = np.maximum(lanes["impressions"] - served, 0.0)
    del lanes["visits"]  # those of the ads; `visits` of a plan counts the free ones too
    return lanes | {
        "delivered": packs.get("delivered", none), "booked": packs.get("booked", none), "impressions_auction": auction,
        "mroi": np.full_like(none, math.nan),  # a run cannot know it, only an optimiser
    }  # fmt: skip


def _shop(book: Ledger, n: int) -> Quantities:
    """What people did in the shop."""
    lanes = {name: _grid(values, n) for name, values in book.totals.items()}
    gross = lanes.pop("new_customers")
    return lanes | {
        "visits": lanes["paid_visits"] + lanes["free_visits"] + lanes["commission_visits"],
        "failed_payments": np.maximum(lanes["orders"] - lanes["paid_orders"], 0.0),
        "new_customers_gross": gross,
        "new_customers": gross - lanes["refunded_new"],
    }


def _people(book: Ledger, terms: Terms, n: int) -> Quantities:
    """Whom the ads met, and what the people are worth at the end.

    reach = sum_g N_g (1 - (1 + x_g / r_f)^-r_f)  [people]: views are negative binomial
    (Ehrenberg 1959).
    """
    viewed = _grid(book.viewed, n)  # [segment, plan, replication]
    people, shape = terms.people[:, None], terms.frequency_shape
    met = -np.expm1(-shape * np.log1p(viewed / people / shape))
    views = viewed.sum(axis=0)
    asset = _grid(book.asset, n) if book.asset.size else np.full_like(views, math.nan)
    return {"views": views, "reach": (people * met).sum(axis=0), "asset": asset}


def _money(lanes: Quantities, terms: Terms) -> Quantities:
    """From gmv to profit [CNY]; a refunded order gives its goods back, less depreciation if it was sent."""
    revenue = lanes["gmv"] - lanes["refund_value"]
    kept_goods = lanes["goods_cost"] - lanes["refund_cost"]
    fees = terms.commission * revenue + terms.payment_fee * lanes["gmv"]
    freight = terms.fulfilment * (lanes["paid_orders"] - lanes["pooled"])
    freight += lanes["pooled_fulfilment"]
    unsent = terms.unsent * lanes["refunds"] / np.maximum(lanes["paid_orders"], 1e-200)
    loss = lanes["return_cost"] + terms.refund_handling * lanes["refunds"]
    loss = (1 - terms.unsent) * (loss + terms.depreciation * lanes["refund_cost"])
    handling = freight * (1 - unsent)
    aid = lanes["subsidy"] - lanes["refund_subsidy"]
    loss = loss + lanes["hosted_fee"] - lanes["settlement"] + lanes["write_down"]
    contribution = revenue + lanes["forfeited"] + aid - kept_goods - fees - handling - loss
    net_spend = (
        lanes["spend"] + lanes["commission_media"] + lanes["message_spend"] - lanes["money_back"]
    )
    fixed = np.broadcast_to(terms.fixed.sum(axis=0)[:, None], net_spend.shape)
    outlay = net_spend + fixed
    return {
        "revenue": revenue, "subsidy": aid, "contribution": contribution, "net_spend": net_spend,
        "fixed_cost": fixed, "outlay": outlay, "profit": contribution - outlay,
    }  # fmt: skip


def _beyond_no_ads(lanes: Quantities) -> Quantities:
    """What the zero-spend plan of the same replication does not have."""
    beyond = {name: lanes[name] - lanes[name][-1] for name in ("profit", "revenue", "asset")}
    return {
        "profit_incremental": beyond["profit"],
        "revenue_incremental": beyond["revenue"],
        "asset_value": beyond["asset"],
        "new_customers_incremental": lanes["new_customers"] - lanes["new_customers"][-1],
    }
