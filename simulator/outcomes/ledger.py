"""What the engine writes down while it runs, and the laws that every run obeys.

Totals are [lane] or [scene, lane], [product, lane], [package, lane]; days are [day, lane] and [day, scene, lane].
A law that is broken raises LawBroken: it is a fault of the engine, never of the scenario.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from simulator.errors import RunError

COUNTS = (
    "paid_visits", "free_visits", "favourites", "carts", "deposits", "balances", "orders", "paid_orders", "unmet",
    "refunds", "refund_value", "goods_cost", "refund_cost", "return_cost", "new_customers", "refunded_new",
    "recalled_members", "returned", "lapsed", "gmv", "gmv_campaign", "forfeited", "contract_spend", "money_back",
    "pooled", "pooled_fulfilment", "late_orders", "days_waited",
    "messages", "message_spend", "brand_new_customers",
    "subsidy", "refund_subsidy", "rebate", "credit", "guarantee", "settlement", "hosted_fee", "write_down",
    "commission_visits", "commission_media", "orders_organic", "orders_commissioned",
)  # fmt: skip
"""Totals of a lane, people, orders or CNY."""
CREDITED = (
    "gmv_attributed",
    "orders_attributed",
    "orders_direct",
    "orders_indirect",
    "orders_presale",
)
"""What scenes have only where orders were followed."""
PEAKS = ("payment_load", "shipping_delay", "score_fall")
"""Highest of all steps (days), kept among the totals as peak_payment_load and so on."""


class LawBroken(RunError):  # noqa: N818
    """A conservation law does not hold: the run is not to be trusted."""


@dataclass
class Ledger:
    """One chunk of lanes."""

    totals: dict[str, np.ndarray]
    scenes: dict[str, np.ndarray]
    """What stands in SCENE: [scene, lane]; peak_spend is the most that was paid in auctions on one day, where
    a scene keeps its money by the day; unspent is auction money that the plan has left at the end; targeted is
    what scenes with a target spent in auctions, and allowed what it allows for what they did [CNY].
    """
    spend: np.ndarray
    """Auction spend [CNY]: [scene, phase, lane]."""
    viewed: np.ndarray
    """Viewed impressions: [segment, lane]."""
    products: dict[str, np.ndarray]
    """paid, gmv, refunds, pooled; refund_cost, unit cost of what came back [CNY]; unmet, orders that found no
    goods; left, units in depot and shops at the end; back_on_sale, units of refunds that were there to be sold once
    more, where goods are limited; sold_out_day, when it was first sold out: start of that
    step, in days since the first midnight [d], inf where it never was: [product, lane]
    """
    days: dict[str, np.ndarray] = field(default_factory=dict)
    """gmv, spend, paid_orders, new_customers, visits: [day, lane]; scene_spend, scene_gmv: [day, scene, lane]"""
    packages: dict[str, np.ndarray] = field(default_factory=dict)
    """booked, delivered, shortfall, made_good; paid and price (of a cancelled one the fee) [CNY]: [package, lane]"""
    commissions: dict[str, np.ndarray] = field(default_factory=dict)
    """visits, gmv, cost of commissioned media: [partner, lane]"""
    people: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """People by stage at the end: [stage, segment, lane]."""
    pending: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """Refunds still to come at the end: [lane]."""
    asset: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """Value of the people at the end [CNY]: [lane]."""

    SCENE = (
        "impressions",
        "offered",
        "clicks",
        "visits",
        "spend",
        "gmv_attributed",
        "orders_attributed",
        "orders_direct",
        "orders_indirect",
        "orders_presale",
        "peak_spend",
        "unspent",
        "targeted",
        "allowed",
    )
    PRODUCT = (
        "paid", "gmv", "refunds", "refund_cost", "pooled", "unmet", "left", "back_on_sale", "sold_out_day",
    )  # fmt: skip
    DAY = ("gmv", "spend", "paid_orders", "new_customers", "visits")

    @classmethod
    def empty(
        cls, scenes: int, phases: int, segments: int, products: int, *, lanes: int, days: int = 0
    ) -> "Ledger":
        """Zeros; `days` > 0 keeps a daily book as well."""
        book = {name: np.zeros((days, lanes)) for name in cls.DAY} if days else {}
        if days:
            book |= {name: np.zeros((days, scenes, lanes)) for name in ("scene_spend", "scene_gmv")}
        goods = {name: np.zeros((products, lanes)) for name in cls.PRODUCT}
        goods["sold_out_day"].fill(np.inf)
        return cls(
            {name: np.zeros(lanes) for name in (*COUNTS, *(f"peak_{name}" for name in PEAKS))},
            {name: np.zeros((scenes, lanes)) for name in cls.SCENE},
            np.zeros((scenes, phases, lanes)), np.zeros((segments, lanes)),
            goods, book,
        )  # fmt: skip

    def add(self, **amounts: np.ndarray) -> None:
        """Add to totals by name: arrays [.., lane] are summed over their first axes, if they have any."""
        for name, amount in amounts.items():
            whole = amount.ndim == 1
            rows = amount if whole else amount.reshape(-1, amount.shape[-1])
            self.totals[name] += rows if whole else np.add.reduce(rows, axis=0)

    def peak(self, **levels: np.ndarray) -> None:
        """Keep the highest level so far: arrays [lane] or [1, lane]."""
        for name, level in levels.items():
            top = self.totals[f"peak_{name}"]
            np.maximum(top, level.reshape(-1), out=top)

    def on_day(self, day: int, **amounts: np.ndarray) -> None:
        """Add to the daily book, if there is one."""
        if self.days:
            for name, amount in amounts.items():
                self.days[name][day] += amount

    def take_commissions(self, visits: np.ndarray, gmv: np.ndarray, cost: np.ndarray) -> None:
        """What commissioned media brought and cost: [partner, lane]."""
        self.commissions = {"visits": visits, "gmv": gmv, "cost": cost}
        self.add(commission_media=cost)

    def credit(self, orders: np.ndarray, direct: np.ndarray, presale: np.ndarray) -> None:
        """Orders credited to scenes, on their own visits, from deposits: [scene, segment, lane]."""
        every, on_visit, later = (part.sum(axis=1) for part in (orders, direct, presale))
        self.scenes["orders_attributed"] += every
        self.scenes["orders_direct"] += on_visit
        self.scenes["orders_presale"] += later
        self.scenes["orders_indirect"] += every - on_visit - later

    def forget_credit(self) -> None:
        """Credited orders were not followed: they are unknown, not zero."""
        for name in CREDITED:
            self.scenes[name][...] = np.nan
        for name in ("orders_organic", "orders_commissioned"):
            self.totals[name][...] = np.nan
        if self.days:
            self.days["scene_gmv"][...] = np.nan

    def lanes(self, chosen: np.ndarray) -> "Ledger":
        """The same book for some of the lanes."""
        return join([self], chosen)


def join(ledgers: list[Ledger], chosen: np.ndarray | None = None) -> Ledger:
    """One book of all lanes in the order given, or of the chosen ones of them."""

    def table(name: str) -> dict[str, np.ndarray]:
        parts = [getattr(x, name) for x in ledgers]
        return {key: _joined([part[key] for part in parts], chosen) for key in parts[0]}

    def array(name: str) -> np.ndarray:
        return _joined([getattr(x, name) for x in ledgers], chosen)

    return Ledger(
        totals=table("totals"), scenes=table("scenes"), spend=array("spend"), viewed=array("viewed"),
        products=table("products"), days=table("days"), packages=table("packages"),
        commissions=table("commissions"),
        people=array("people"), pending=array("pending"), asset=array("asset"),
    )  # fmt: skip


def _joined(values: list[np.ndarray], chosen: np.ndarray | None) -> np.ndarray:
    """Values side by side; what no lane has filled in yet (an open book) stays empty."""
    whole = np.concatenate(values, axis=-1)
    unfilled = whole.shape[-1] == 0
    return whole if chosen is None or unfilled else np.take(whole, chosen, axis=-1)


def check_laws(
    book: Ledger, size: np.ndarray, money: np.ndarray, stock: np.ndarray,
    *, exact: bool, pool: np.ndarray | None = None, pot: ArrayLike = False, cap: ArrayLike = np.inf,
) -> None:  # fmt: skip
    """Raise LawBroken unless people, money, clicks, orders and contracts add up.

    size [segment, lane] people; money [scene, phase, lane] of the plan; stock [product, lane] that was delivered,
    pool [product, 1] of it in shops; pot [scene, 1]: the money of all phases is one; cap [scene, 1]: most on
    one day [CNY]; exact: whole numbers (sampled mode), else 1e-9 relative.
    """
    slack = 0.0 if exact else 1e-9
    t, scenes, goods, packs = book.totals, book.scenes, book.products, book.packages
    _equal("people", book.people.sum(axis=0), size, slack)
    _most("negative people", -book.people, np.zeros(1), 1e-6)
    cells = np.where(np.asarray(pot)[..., None], np.inf, money)
    _most("spend of a scene in a phase", book.spend, cells, 1e-9)
    _most("spend of a scene", book.spend.sum(axis=1), money.sum(axis=1), 1e-9)
    _most("spend of a scene on one day", scenes["peak_spend"], np.asarray(cap), 1e-9)
    _most("clicks", scenes["clicks"], scenes["impressions"], slack)
    _most("paid orders", t["paid_orders"], t["orders"], 1e-9)
    _most("late orders", t["late_orders"], t["paid_orders"], slack)
    _most("brand-new customers", t["brand_new_customers"], t["new_customers"], 1e-9)
    _most("refunds of a product", goods["refunds"], goods["paid"], slack)
    _most("units back on sale", goods["back_on_sale"], goods["refunds"], max(slack, 1e-9))
    stock = stock + goods["back_on_sale"]
    _most("units sold of a product", goods["paid"], stock, slack)
    _most("orders sent from shops", goods["pooled"], goods["paid"], 1e-9)
    if pool is not None:
        _most("units taken from shops", goods["pooled"], pool, slack)
    _equal("orders by product", goods["paid"].sum(axis=0), t["paid_orders"], 1e-9)
    _equal("units sold and left of a product", goods["paid"] + goods["left"], stock, slack)
    _equal("orders without goods by product", goods["unmet"].sum(axis=0), t["unmet"], 1e-9)
    _equal("contract impressions", packs["delivered"] + packs["shortfall"], packs["booked"], 1e-9)
    _most("money of a package", packs["paid"], packs["price"], 1e-9)
    _equal("contract money", packs["paid"].sum(axis=0), t["contract_spend"], 1e-9)
    back = t["rebate"] + t["credit"] + t["guarantee"]
    _equal("money back", back, t["money_back"], 1e-9)
    _most("credited gmv", scenes["gmv_attributed"].sum(axis=0), t["gmv"], 1e-9)


def check_limits(limits: Iterable[tuple[str, np.ndarray, np.ndarray]]) -> None:
    """Raise LawBroken where an amount is above the most that it may be: (name, amount, most)."""
    for what, amount, most in limits:
        _most(what, amount, most, 1e-9)


def check_credit(book: Ledger) -> None:
    """Every paid order belongs to a scene, to commissioned media, or to nobody."""
    t, parts = book.totals, ("orders_direct", "orders_indirect", "orders_presale")
    credited = sum(book.scenes[name].sum(axis=0) for name in parts)
    every = credited + t["orders_organic"] + t["orders_commissioned"]
    _equal("credited and organic orders", every, t["paid_orders"], 1e-9)


def check_caps(book: Ledger, cap: np.ndarray) -> None:
    """Commissioned media never costs more than its cap [partner], to the fen when it is paid in fen."""
    _most("cost of commissioned media", book.commissions["cost"], cap[:, None], 1e-12)


def _equal(what: str, left: np.ndarray, right: np.ndarray, slack: float) -> None:
    gap = np.abs(left - right) - slack * np.maximum(np.abs(right), 1.0)
    if gap.size and not gap.max() <= 0:
        raise LawBroken(f"{what}: off by {gap.max():g}; this is a fault of the simulator")


def _most(what: str, value: np.ndarray, limit: np.ndarray, slack: float) -> None:
    gap = value - limit - slack * np.maximum(np.abs(limit), 1.0)
    if gap.size and not gap.max() <= 0:
        raise LawBroken(
            f"{what}: above its limit by {gap.max():g}; this is a fault of the simulator"
        )
