"""Lanes: one plan x one replication (or quadrature point); lane = plan * replications + replication."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.linalg import cholesky, solve
from scipy.special import ndtri

from simulator.market.audience import MANY_WAYS
from simulator.market.draws import Draws, Expected, Sampled
from simulator.market.lifecycle import NEXT
from simulator.market.people import STAGES
from simulator.market.shocks import clocks
from simulator.market.world import World
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario

BLOCK = 16  # replications whose chance is made together
PLANS_AT_ONCE = 64
LANES_AT_ONCE = 512  # with few plans more replications run together, and the other way round
POINTS = 16  # of expected mode, where there are common shocks
GENERATOR = 5  # of their lattice
SHARED = 8  # plans from which a chunk is worth cutting in two for another process


@dataclass(frozen=True)
class Chunk:
    """Lanes that run together."""

    plans: tuple[Plan, ...]
    replications: tuple[int, ...]

    @property
    def lanes(self) -> int:
        """Number of lanes."""
        return len(self.plans) * len(self.replications)


def make_chunks(
    plans: Sequence[Plan], replications: int, *, shared: bool = False
) -> Iterator[Chunk]:
    """All lanes in chunks: whole blocks of 16 replications x at most 64 plans (more if there are few).

    A chunk has two plans at least (the zero-spend plan is always there, and plans are shared out
    evenly): NumPy takes another path for arrays of one column, so a single lane would differ in the
    last bit. Chunks that are `shared` among processes come in even numbers, unless they are small.
    """
    most = max(PLANS_AT_ONCE, LANES_AT_ONCE // min(replications, BLOCK))
    count = -(-len(plans) // most)
    count += count % 2 if shared and len(plans) >= SHARED else 0
    parts = np.array_split(np.arange(len(plans)), count)
    size = BLOCK * max(1, LANES_AT_ONCE // (BLOCK * len(parts[0])))
    for first in range(0, replications, size):
        some = tuple(range(first, min(first + size, replications)))
        for part in parts:
            yield Chunk(tuple(plans[n] for n in part), some)


def plan_money(plans: Sequence[Plan], world: World, replications: int) -> np.ndarray:
    """Auction money [CNY]: [scene, phase, lane]."""
    table = money_table(plans, world.names.scenes, world.names.phases)
    return np.repeat(table, replications, axis=2)


def money_table(plans: Sequence[Plan], scenes: Iterable[str], phases: Sequence[str]) -> np.ndarray:
    """Auction money [CNY]: [scene, phase, plan]."""
    return np.array([
        [[plan.money.get(s, {}).get(f, 0.0) for plan in plans] for f in phases] for s in scenes
    ])  # fmt: skip


def plan_bookings(plans: Sequence[Plan], world: World, replications: int) -> np.ndarray:
    """Booked impressions: [package, lane]."""
    names, full = world.names.packages, world.packages.impressions
    rows = [[n * (q in plan.packages) for plan in plans] for q, n in zip(names, full, strict=True)]
    table = np.array(rows, dtype=float).reshape(len(names), len(plans))
    return np.repeat(table, replications, axis=1)


def plan_partners(plans: Sequence[Plan], world: World, replications: int) -> np.ndarray:
    """1 where a plan has the commissioned media: [partner, lane]."""
    names = world.names.partners
    rows = [[p.commissions is None or name in p.commissions for p in plans] for name in names]
    return np.repeat(np.array(rows, dtype=float).reshape(len(names), len(plans)), replications, 1)


def shock_names(scenario: Scenario) -> list[tuple[str, float]]:
    """Common shocks that have a spread, and the spread."""
    lucks = [(f"luck.{name}", float(p.luck_sd)) for name, p in scenario.products.items()]
    every = [("demand", float(scenario.chance.demand_sd)), *lucks]
    return [(name, sd) for name, sd in every if sd > 0]


def quadrature(shocks: int) -> np.ndarray:
    """Points of equal weight for independent normals: z of each shock in each point, [shock, point].

    A Korobov lattice (1959) of 16 points, of 32, 64, ... where there are more than 8 shocks: every shock
    takes the middles of as many equally likely strata once each. Its rows are made orthogonal one after
    another. It is symmetric, so it is exact for polynomials of degree 3, and a promise, a stock or
    a budget that binds in some points alone is met in nearly its right share of them.

    >>> points = quadrature(2)
    >>> points.shape, (points**2).mean(axis=1).round(12).tolist()
    ((2, 16), [1.0, 1.0])
    """
    if shocks == 0:
        return np.zeros((0, 1))
    points = max(POINTS, 1 << (2 * shocks - 1).bit_length())
    steps = np.array([pow(GENERATOR, shock, 2 * points) for shock in range(shocks)])
    middles = np.outer(steps, np.arange(1, 2 * points, 2)) % (2 * points) / (2 * points)
    z = ndtri(middles)
    return np.asarray(solve(cholesky(z @ z.T / points), z))


def shock_factor(z: np.ndarray, sd: float) -> np.ndarray:
    """Mean-one log-normal factor exp(S z - S^2 / 2), S^2 = ln(1 + sd^2)."""
    variance = math.log1p(sd * sd)
    return np.asarray(np.exp(math.sqrt(variance) * z - variance / 2))


def make_draws(world: World, chunk: Chunk, seed: int, sampled: bool) -> Draws:
    """Chance of a chunk."""
    if not sampled:
        return Expected(chunk.lanes)
    return Sampled(seed, np.array(chunk.replications), len(chunk.plans), cells_of(world))


def cells_of(world: World) -> dict[str, list[str]]:
    """Every decision that chance takes: names of the cells of each purpose."""
    n = world.names
    segments, products, slots = list(n.segments), list(n.products), list(n.slots)
    scenes, packages = list(n.scenes), list(n.packages)
    auction = list(n.placements[: world.media.auctions * len(segments)])
    stages = [f"{stage}/{g}" for stage in range(STAGES) for g in segments]
    some = len(segments)
    kinds = [f"{kind}/{p}" for kind in ("first", "again") for p in products]
    moves = [f"{t}/{p}" for t in range(len(NEXT)) for p in products]
    again = [f"again/{g}" for g in segments] if len(products) > 1 else []
    buyers = [*segments, *again]  # first orders, and the others where products may differ
    media = {
        "supply": slots, "opportunities": auction, "impressions": auction, "price": scenes,
        "clicks": list(n.placements), "contract": packages, "make_good": packages, "owed": packages,
    }  # fmt: skip
    chain = {
        "people": stages[some:], "purchase": stages[: 6 * some],
        "buyers": [*stages, *(f"{kind}/{g}" for kind in ("balance", "fill") for g in segments)],
        "movers": [*stages, *(f"basket/{g}" for g in segments)],
        "ways": [f"{stage}/{g}" for stage in MANY_WAYS for g in segments],
        "old": [f"{c}/{g}" for c in range(4) for g in segments],
    }  # fmt: skip
    baskets = ("to", "stage")
    orders = {
        **{f"basket_{name}": segments for name in baskets}, "product": buyers, "cut": buyers,
        "stock": products, "order_value": products, "unpaid": ["all"],
        "late": ["all"], "carts": segments,
    }  # fmt: skip
    days = {
        "life_cycle": moves, "kinds": products, "refunds": kinds, "refund_due": kinds,
        "refund_people": ["all"], "resale": products,
    }  # fmt: skip
    shocks = {name: ["all"] for name, _ in shock_names(world.scenario)}
    if world.shocks:
        shocks["shock"] = clocks(world.shocks)
    return media | chain | orders | days | shocks | _choices(world)


def _choices(world: World) -> dict[str, list[str]]:
    """Cells of creatives and product tests, where there are any."""
    pictures = ("picture_best", "picture_rest") if world.pictures else ()
    variants = world.trials.cells if world.trials else []
    tests = ("variant", "variant_measured") if variants else ()
    return {key: list(world.names.scenes) for key in pictures} | {key: variants for key in tests}
