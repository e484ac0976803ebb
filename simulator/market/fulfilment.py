"""After the order: payment, stock, and refunds that fall due later.

symbol   meaning                                              unit     shape
L        attempts to pay against what the gate takes          1        [1, lane]
Pi       payment success                                      1        [1, lane]
S, L     stock and cumulated demand since the last restock    units    [product, lane]
M        mean of min(S, Poisson(L))                           units    [product, lane]
pending  orders that will be refunded                         orders   [kind, product, lane]
pools    what they will take back, in the order of POOLS      CNY      [pool, product, lane]

Refund delays are phase-type: a share waits Exp(fast), the rest Gamma(4, slow) as four exponential
phases (docs/model.md sections 9 and 11).
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincc, gammaln

from simulator.market.audience import ratio
from simulator.market.bounds import at_least, at_most
from simulator.market.columns import column
from simulator.scenario.goods import Commerce
from simulator.scenario.schema import Scenario

PHASES = 5  # fast, then four slow ones
FIRST = 0  # of two kinds of refunds: of first orders, of others
POOLS = ("refund_value", "refund_cost", "refund_subsidy", "return_cost")
"""What refunds take back, as the books name it: price paid, unit cost, what others added to the price, and what a
return costs beyond the usual [CNY]."""
GONE = 1e-9  # a product with less chance to be in stock is sold out
EXACT, TINY, MOST_STEPS = 1e-12, 1e-300, 100  # of the demand that explains what is left


@dataclass(frozen=True)
class Costs:
    """Costs of an order and the payment gate: [1, replication]."""

    commission: np.ndarray
    """Commission and technology fee."""
    payment_fee: np.ndarray
    fulfilment: np.ndarray
    refund_handling: np.ndarray
    depreciation: np.ndarray
    resale: np.ndarray
    """Share of the parcels that come back which go on sale again."""
    unsent: np.ndarray
    """Share of refunds that come before the parcel is sent: they cost neither freight nor goods."""
    pay_fail: np.ndarray
    pay_retry: np.ndarray
    pay_capacity: np.ndarray | None
    """Payment attempts per hour at full load; None: the phases give the load."""


def make_costs(scenario: Scenario) -> Costs:
    """Costs of a scenario's orders, and its payment gate."""
    c, pay = scenario.commerce, scenario.payment
    return Costs(
        commission=column([c.commission + c.technology_fee]), payment_fee=column([c.payment_fee]),
        fulfilment=column([c.fulfilment]), refund_handling=column([c.refund_handling]),
        depreciation=column([c.depreciation]),
        resale=column([1 - c.depreciation if c.resale is None else c.resale]),
        unsent=column([c.refund_fast_share]), pay_fail=column([pay.fail]), pay_retry=column([pay.retry]),
        pay_capacity=None if pay.capacity is None else column([pay.capacity]),
    )  # fmt: skip


def payment_success(
    fail: np.ndarray, wallet: np.ndarray, retry: np.ndarray, load: np.ndarray, rush: np.ndarray
) -> np.ndarray:  # fmt: skip
    """Pi = 1 - f (1 - retry), f the mean over purchases of min(0.5, fail (1 - wallet) load^2).

    `load`, `fail`, `wallet`, `retry` [.., lane]; `rush` [2, .., hour]: of each hour the share of the purchases, and its
    load against the mean.

    >>> gate = (np.array([0.1]), np.array([0.0]), np.array([0.6]), np.array([1.0]))
    >>> payment_success(*gate, np.ones((2, 1))).round(3).tolist()
    [0.96]
    >>> payment_success(*gate, np.array([[0.5, 0.5], [2.0, 0.0]])).round(3).tolist()
    [0.92]
    """
    failure = np.zeros(())
    for hour in range(rush.shape[-1]):  # one by one: all hours of all steps are much memory
        share, dense = rush[..., hour, None]
        square = np.square(np.minimum(load * dense, 1e100))
        failure = failure + share * np.minimum(0.5, fail * (1 - wallet) * square)
    return np.asarray(1 - failure * (1 - retry))


def surely_met(stock: np.ndarray) -> np.ndarray:
    """Demand below which a stock is plentiful, beyond all doubt: L + 12 sqrt(L) + 50 = S  [units].

    >>> surely_met(np.array([114.0, 30.0])).tolist()
    [16.0, 0.0]
    """
    root = np.sqrt(np.maximum(stock - 14, 0.0)) - 6
    return np.square(np.maximum(root, 0.0))


def mean_sold(stock: np.ndarray, demand: np.ndarray) -> np.ndarray:
    """E[min(S, Poisson(L))] = L Q(S, L) - e^-L L^S / Gamma(S) + S (1 - Q(S, L)), S > 0.

    Q is the regularised upper incomplete gamma function; plentiful stock sells the demand exactly.

    >>> float(mean_sold(np.array(1.0), np.array(1.0)).round(6)) == round(1 - math.exp(-1), 6)
    True
    """
    plenty = demand < surely_met(stock)
    if np.count_nonzero(plenty) == plenty.size:
        return demand.copy()
    tight = (stock > 0) & (demand > 0) & ~plenty
    s, m = np.where(tight, stock, 1.0), np.where(tight, demand, 1.0)
    within = gammaincc(s, m)
    return np.where(
        tight, m * within - _edge(s, m) + s * (1 - within), np.where(plenty, demand, 0.0)
    )


def mean_left(stock: np.ndarray, demand: np.ndarray) -> np.ndarray:
    """S - M(S, L) = (S - L) Q(S, L) + e^-L L^S / Gamma(S), to the last digit where next to nothing is left.

    >>> float(mean_left(np.array(1.0), np.array(2.0)).round(6)) == round(math.exp(-2), 6)
    True
    """
    left = np.array(stock - demand)
    rows = (stock > 0) & (demand > 0) & (demand >= surely_met(stock))
    s, m = stock[rows], demand[rows]
    left[rows] = (s - m) * gammaincc(s, m) + _edge(s, m)
    return np.where(stock > 0, left, 0.0)


def demand_that_leaves(left: np.ndarray, stock: np.ndarray, near: np.ndarray) -> np.ndarray:
    """L of which so much of a stock is left, sought from a demand that is `near`: [row, lane].

    What is left is convex in L, of slope -Q(S, L), and never below S - L: Newton's steps end below L, from wherever
    they begin, and climb from there. A lane has its answer whether or not others need more steps.

    >>> near = np.array([1.0, 3.0])
    >>> demand_that_leaves(np.full(2, math.exp(-2)), np.ones(2), near).round(9).tolist()
    [2.0, 2.0]
    """
    least = at_least(stock - left, 0.0)
    demand = np.maximum(near, least)
    for step in range(MOST_STEPS):
        over = mean_left(stock, demand) - left
        over = np.where(over > EXACT * left, over, 0.0) if step else over
        if not np.count_nonzero(over):
            break
        slope = gammaincc(np.where(stock > 0, stock, 1.0), demand)
        demand = np.maximum(demand + over / at_least(slope, TINY), least)
    return demand


def _edge(s: np.ndarray, m: np.ndarray) -> np.ndarray:
    """e^-L L^S / Gamma(S)."""
    large = s >= 100
    small = np.exp(s * np.log(m) - m - gammaln(s))
    return np.where(large, _large_edge(np.where(large, s, 100.0), np.where(large, m, 100.0)), small)


def _large_edge(s: np.ndarray, m: np.ndarray) -> np.ndarray:
    """e^-L L^S / Gamma(S) for S >= 100 by Stirling's series, which keeps the digits that lgamma loses."""
    t = (m - s) / s
    series = -1 / (12 * s) + 1 / (360 * s**3)
    return np.asarray(np.sqrt(s / (2 * math.pi)) * np.exp(s * (np.log1p(t) - t) + series))


@dataclass
class Stock:
    """Goods in the warehouse."""

    units: np.ndarray
    """Units since the last restock: what was there then and has come back (expected), or is there now (sampled)."""
    demand: np.ndarray
    """Cumulated demand since the last restock, as far as units that came back since left it open (expected)."""
    gone: np.ndarray | None = None
    """Mean sold of it, once it has been asked for (expected)."""

    def __post_init__(self) -> None:
        self.sure = surely_met(self.units)
        """Demand below which nobody goes without [units]: [product, lane] (expected)."""

    @classmethod
    def of(cls, units: np.ndarray, lanes: int) -> "Stock":
        """Stock of each product [product] in every lane."""
        full = np.repeat(units[:, None], lanes, axis=1)
        return cls(full, np.zeros_like(full))

    def left(self, sampled: bool) -> np.ndarray:
        """Units left [product, lane]."""
        return self.units if sampled else self.units - self._sold()

    def _sold(self) -> np.ndarray:
        """M(S, L)  [units]."""
        if self.gone is None:
            self.gone = mean_sold(self.units, self.demand)
        return self.gone

    def available(self, sampled: bool) -> np.ndarray:
        """Probability that the next order finds goods, Q(S, L) [product, lane]."""
        some = self.units > 0
        if sampled:
            return np.asarray(some.astype(float))
        tight = self.demand >= self.sure
        if not np.count_nonzero(tight):
            return np.ones_like(self.units)
        chance = gammaincc(
            np.where(some & tight, self.units, 1.0), np.where(tight, self.demand, 0.0)
        )
        return np.where(some & (chance > GONE), chance, 0.0)

    def found(self, wanted: np.ndarray, sampled: bool) -> np.ndarray | None:
        """a: share of the units wanted in a step that finds goods [product, lane], 1 if none is wanted; None
        where that is all of them.

        a = (M(S, L + X) - M(S, L)) / X in expected mode; min(1, S / X), S the goods left, when sampled.
        """
        if sampled:
            short = wanted > self.units
            return (
                np.where(short, ratio(self.units, wanted), 1.0) if np.count_nonzero(short) else None
            )
        after = self.demand + wanted
        plenty = after < self.sure
        if np.count_nonzero(plenty) == plenty.size:
            return None
        sold = mean_sold(self.units, after) - self._sold()
        share = at_least(at_most(ratio(sold, wanted), 1.0), 0.0)
        return np.where(plenty | (wanted <= 0), 1.0, share)

    def restock(self, product: int, units: int, sampled: bool) -> None:
        """Goods arrive; demand that went away before does not come back."""
        self.units[product] = self.left(sampled)[product] + units
        self.demand[product] = 0.0
        self.gone, self.sure = None, surely_met(self.units)

    def take_back(self, rows: np.ndarray, back: np.ndarray, sampled: bool) -> None:
        """Units `back` [row, lane] of some products are on sale again: what was sold stays sold, and who found
        nothing does not come back for them.

        S <- S - (1 - k) M + b, and L such that k M is sold of it, k = 1 - (1 - a)(1 - e^-b): where the shelf was
        empty, 1 - a, and something came, the count starts anew; elsewhere the chance in what was sold goes on.
        """
        plenty = self.demand[rows] < self.sure[rows]
        if sampled or np.count_nonzero(plenty) == plenty.size:
            self.units[rows] += back
        else:
            direct = plenty | (back <= 0)
            units, demand = self._after(rows, back)
            self.demand[rows] = np.where(direct, self.demand[rows], demand)
            self.units[rows] = np.where(direct, self.units[rows] + back, units)
            self.gone = None
        self.sure[rows] = surely_met(self.units[rows])

    def _after(self, rows: np.ndarray, back: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """S and L of some products once units have come back: [row, lane] each."""
        left = mean_left(self.units[rows], self.demand[rows])
        anew = (1 - self._chance(rows)) * -np.expm1(-back) * self._sold()[rows]
        units = self.units[rows] + (back - anew)
        return units, demand_that_leaves(left + back, units, self.demand[rows])

    def _chance(self, rows: np.ndarray) -> np.ndarray:
        """Q(S, L) of some products, 1 where goods are plentiful  [row, lane]."""
        units, demand = self.units[rows], self.demand[rows]
        tight = demand >= self.sure[rows]
        chance = gammaincc(np.where(units > 0, units, 1.0), np.where(tight, demand, 0.0))
        return np.where(units > 0, chance, 0.0)

    def sell(self, wanted: np.ndarray, sampled: bool) -> np.ndarray:
        """Units sold of what is wanted: [product, lane]."""
        if sampled:
            sold = np.minimum(wanted, self.units)
            self.units -= sold
        else:
            sold = self._mean_sold(wanted)
        return np.asarray(sold)

    def _mean_sold(self, wanted: np.ndarray) -> np.ndarray:
        """Rise of the mean sales when the demand rises by what is wanted."""
        after = self.demand + wanted
        plenty = after < self.sure
        before = None if np.count_nonzero(plenty) == plenty.size else self._sold()
        self.demand, self.gone = after, None
        if before is None:
            return wanted
        rise = self._sold() - before
        return np.where(plenty, wanted, np.minimum(at_least(rise, 0.0), wanted))


@dataclass
class Refunds:
    """Orders on their way back."""

    waiting: np.ndarray
    """Mean of the orders in each phase of their delay: [phase, kind, product, lane]."""
    pending: np.ndarray
    """Orders that will be refunded and are not yet: [kind, product, lane]."""
    pools: np.ndarray
    """What the pending orders will take back [CNY]: [pool, product, lane]."""
    ripe: np.ndarray
    """Mean of the orders that have fallen due so far, and how many were refunded: [2, kind, product, lane]."""
    offset: np.ndarray | None
    """Where whole refunds fall between the means, fixed for the run (sampled): [kind, product, lane]."""

    @classmethod
    def of(cls, products: int, lanes: int, offset: np.ndarray | None = None) -> "Refunds":
        """Nothing pending; `offset` [kind * product, lane] uniform in (0, 1) when sampled."""
        waiting, ripe = np.zeros((PHASES, 2, products, lanes)), np.zeros((2, 2, products, lanes))
        pools = np.zeros((len(POOLS), products, lanes))
        offset = None if offset is None else offset.reshape(2, products, lanes)
        return cls(waiting, np.zeros((2, products, lanes)), pools, ripe, offset)


def delay_matrix(commerce: Commerce) -> np.ndarray:
    """One day of the delay: probability from phase (row) to phase or out (column): [5, 6].

    >>> delay_matrix(Commerce()).sum(axis=1).round(12).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    table = np.zeros((PHASES, PHASES + 1))
    leave = -math.expm1(-1 / commerce.refund_fast_days)
    table[0, 0], table[0, PHASES] = 1 - leave, leave
    rate = 4 / commerce.refund_slow_days
    for row in range(1, PHASES):
        steps = [math.exp(-rate) * rate**k / math.factorial(k) for k in range(PHASES - row)]
        table[row, row:PHASES] = steps
        table[row, PHASES] = 1 - sum(steps)
    return table


@dataclass
class Returned:
    """What falls due at a midnight, or at the end."""

    orders: np.ndarray
    """[kind, product, lane]"""
    pools: np.ndarray
    """What they take back [CNY]: [pool, product, lane]."""
    unsent: np.ndarray
    """F: those of the orders that were called off before the parcel was sent, the mean: [product, lane]."""

    def on_sale_again(self, resale: np.ndarray) -> np.ndarray:
        """b: their units that can be sold once more, the mean; `resale` of the parcels [1, lane]: [product, lane]."""
        return np.asarray(self.unsent + resale * (self.orders.sum(axis=0) - self.unsent))


class Returns:
    """Moves refunds through their delay, one day at a time.

    How many orders come back is drawn when they are paid; when they come back follows the mean delay,
    rounded without bias to whole orders.
    """

    def __init__(self, commerce: Commerce) -> None:
        self.table = delay_matrix(commerce)
        self.fast = float(commerce.refund_fast_share)

    @staticmethod
    def _whole(refunds: Refunds, ripe: np.ndarray) -> np.ndarray:
        """Whole refunds: floor(all that is ripe + u) less those before, u the same all along."""
        if refunds.offset is None:
            return ripe
        refunds.ripe[0] += ripe
        due = np.floor(refunds.ripe[0] + refunds.offset) - refunds.ripe[1]
        refunds.ripe[1] += due
        return np.asarray(due)

    def advance(self, refunds: Refunds) -> Returned:
        """One day passes; the orders that leave the last phase are refunded now."""
        now = refunds.waiting
        moved = np.einsum("ft,fkpl->tkpl", self.table, now)
        refunds.waiting, ripe = moved[:PHASES], moved[PHASES]
        due = np.minimum(self._whole(refunds, ripe), refunds.pending)
        share = ratio(due.sum(axis=0), refunds.pending.sum(axis=0))
        refunds.pending = refunds.pending - due
        fast = self.table[0, PHASES] * now[0]
        out = Returned(due, refunds.pools * share, _part(due, fast, ripe))
        refunds.pools = refunds.pools - out.pools
        return out

    @staticmethod
    def settle(refunds: Refunds) -> Returned:
        """All that is pending is refunded at once: nothing stays open at the end of a run."""
        unsent = _part(refunds.pending, refunds.waiting[0], refunds.waiting.sum(axis=0))
        out = Returned(refunds.pending, refunds.pools, unsent)
        refunds.pending, refunds.pools = np.zeros_like(out.orders), np.zeros_like(out.pools)
        refunds.waiting[...] = 0.0
        return out

    def enter(self, refunds: Refunds, orders: np.ndarray, each: np.ndarray) -> None:
        """Orders [kind, product, lane] that will be refunded; what each takes back [pool, product, lane]."""
        refunds.waiting[0] += self.fast * orders
        refunds.waiting[1] += (1 - self.fast) * orders
        refunds.pending = refunds.pending + orders
        refunds.pools = refunds.pools + orders.sum(axis=0) * each


def _part(due: np.ndarray, fast: np.ndarray, ripe: np.ndarray) -> np.ndarray:
    """Of the orders that fall due, the part that the fast ones have in what is ripe, all [kind, product, lane]:
    [product, lane].
    """
    return np.asarray(due.sum(axis=0) * np.minimum(ratio(fast.sum(axis=0), ripe.sum(axis=0)), 1.0))
