"""Books that no engine wrote: small, seeded, and with everything in them."""

from datetime import date, timedelta

import numpy as np

from simulator.outcomes.ledger import COUNTS, Ledger
from simulator.outcomes.metrics import Terms
from simulator.outcomes.outcomes import Axes, Outcomes

STAGES = ("outside", "discover", "initial")
MONEY = (
    "refund_value",
    "goods_cost",
    "pooled_fulfilment",
    "refund_cost",
    "return_cost",
    "message_spend",
    "gmv",
    "gmv_campaign",
    "forfeited",
    "contract_spend",
    "money_back",
    "subsidy",
    "refund_subsidy",
    "rebate",
    "credit",
    "guarantee",
    "settlement",
    "hosted_fee",
    "write_down",
    "commission_media",
)


def make_axes(plans=("even", "launch first"), days=3):
    start = date(2020, 10, 21)
    dates = tuple((start + timedelta(n)).isoformat() for n in range(days))
    names = (
        ("scenes", "search", "live"),
        ("presale", "wave"),
        ("young", "members"),
        ("bags", "beans"),
    )
    return Axes(plans, names[0][1:], *names[1:], STAGES, dates)


def make_book(rng, axes, replications):
    """Random numbers of a likely size in every array, less of everything in the last plan."""
    lanes = (len(axes.plans) + 1) * replications
    sizes = len(axes.scenes), len(axes.phases), len(axes.segments), len(axes.products)
    book = Ledger.empty(*sizes, lanes=lanes, days=len(axes.days))
    for name in COUNTS:
        book.totals[name] = rng.uniform(50, 60, lanes)
    for name in ("impressions", "offered", "spend", "gmv_attributed"):
        book.scenes[name] = rng.uniform(500, 900, book.scenes[name].shape)
    for rows in (*book.scenes.values(), *book.products.values(), *book.days.values()):
        rows[:] += rng.uniform(20, 40, rows.shape)
    book.totals["new_customers"] += 200
    book.totals["gmv"] += 5000
    book.totals["goods_cost"] += 1000
    book.spend[:] = rng.uniform(5, 10, book.spend.shape)
    book.viewed[:] = rng.uniform(100, 300, book.viewed.shape)
    book.people = rng.uniform(0, 1000, (len(STAGES), len(axes.segments), lanes))
    names = ("booked", "delivered", "shortfall", "made_good")
    book.packages = {name: rng.uniform(5, 10, (3, lanes)) for name in names}
    book.asset, book.pending = rng.uniform(1e4, 2e4, (2, lanes))
    for rows in (*book.totals.values(), *book.scenes.values(), book.spend, book.viewed):
        rows[..., -replications:] *= 0.3
    return book


def make_terms(rng, axes, replications):
    return Terms.over(
        replications,
        people=rng.uniform(900, 1100, (len(axes.segments), replications)),
        fixed=[[20.0] * len(axes.plans) + [0.0] for _ in axes.scenes],
        commission=rng.uniform(0.04, 0.06, replications), payment_fee=0.006, fulfilment=8.0,
        refund_handling=[[8.0]], depreciation=0.05, frequency_shape=0.6,
    )  # fmt: skip


def make_outcomes(seed=1, replications=40, mode="sampled", *, axes=None, chance_only=None):
    rng = np.random.default_rng(seed)
    axes = axes or make_axes()
    book, terms = make_book(rng, axes, replications), make_terms(rng, axes, replications)
    return Outcomes(
        scenario="coffee", title="新咖啡", mode=mode, replications=replications, seed=seed,
        axes=axes, book=book, terms=terms, chance_only=chance_only, scenario_hash="abc",
    )  # fmt: skip


def make_shop(spend, gmv, new):
    """Outcomes of a shop without costs: spend, gmv and new customers [plan, replication].

    The last plan is the zero-spend one; profit is gmv less spend.
    """
    plans, n = np.shape(gmv)
    axes = Axes(tuple("abcdefg"[: plans - 1]), ("ads",), ("all",), ("all",), ("tea",), ("outside",))
    book = Ledger.empty(1, 1, 1, 1, lanes=plans * n)
    book.scenes["spend"][0] = np.ravel(spend)
    book.totals["gmv"] = np.ravel(gmv).astype(float)
    book.totals["new_customers"] = np.ravel(new).astype(float)
    free = dict.fromkeys(("commission", "payment_fee", "fulfilment", "refund_handling"), 0.0)
    terms = Terms.over(
        n, people=[[1e3]], fixed=np.zeros((1, plans)), **free, depreciation=0, frequency_shape=1
    )
    return Outcomes("shop", "Shop", "sampled", n, 0, axes=axes, book=book, terms=terms)
