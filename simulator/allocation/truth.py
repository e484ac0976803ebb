"""Attribution of the true increment to scenes: leave-one-out, and Shapley values.

symbol   meaning                                                       shape
v        worth of a coalition of players                               [coalition, metric, replication]
order    players in the order in which they join                       [order, player]
part     what a player adds when it joins                              [order, player, metric, replication]

Few players: all coalitions are played and the values are exact. Many: orders are drawn in antithetic
pairs, each with its reverse (Mitchell et al. 2022), and every coalition that any order meets is
played once, all in one call. The parts of an order sum to v(all) - v(none), so their means do as well.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from itertools import permutations
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.engine.simulate import Mode, check_run, simulate
from simulator.errors import UserError
from simulator.outcomes.metrics import BY_NAME, quantities
from simulator.outcomes.truth import PARTNERS, Share, Truth
from simulator.scenario.asked import asked, asked_list, asked_whole
from simulator.scenario.plan import Plan, all_packages, asked_plan, find_package
from simulator.scenario.schema import Scenario
from simulator.sweeps.study import NOT_PLAYED

Array = NDArray[np.float64]
Coalition = frozenset[str]
Worth = Callable[[Sequence[Coalition]], Array]
"""Worth of coalitions, the empty one being 0: [coalition, metric, replication]."""

METRICS = ("profit", "new_customers")
EXACT = 6
"""With so many players or fewer all coalitions are played."""


def attribute(
    scenario: Scenario, plan: Plan | str | None = None, metrics: Sequence[str] = METRICS, *,
    orders: int = 64, exact: bool | None = None, mode: Mode = "expected", replications: int = 50,
    seed: int = 11, executor: Executor | None = None, label: str | None = None,
) -> Truth:  # fmt: skip
    """What each scene of a plan (the file's first) truly brings of what it adds over no ads.

    Metrics are totals. `orders` of the scenes are drawn, in pairs; with `exact`, or few scenes, all
    coalitions are played instead. In sampled mode all coalitions meet the same chance.
    """
    check_run(scenario, mode, replications, seed)
    own = asked_plan(scenario, plan)
    _check_metrics(metrics)
    if exact is not None:
        asked(bool, exact, "exact must be True or False")
    if asked_whole("orders", orders, 0, 10**6) < 4 or orders % 2:
        raise UserError(f"orders are drawn in pairs: an even number, at least 4 (got {orders})")
    players = players_of(scenario, own)
    worth = _worth(
        scenario, own, metrics, mode=mode, replications=replications, seed=seed, executor=executor,
    )  # fmt: skip
    whole = exact if exact is not None else len(players) <= EXACT
    chosen = every_order(players) if whole else draw_orders(players, orders, seed)
    values = _Values(worth, players, chosen, sampled=mode == "sampled", whole=whole)
    return Truth(
        scenario=label or scenario.name, plan=own.name, orders=0 if whole else len(chosen),
        total=dict(zip(metrics, values.total.tolist(), strict=True)),
        shares={m: values.shares(n) for n, m in enumerate(metrics)}, played=len(values.coalitions),
    )  # fmt: skip


def _check_metrics(metrics: Sequence[str]) -> None:
    totals = [m.name for m in BY_NAME.values() if m.kind == "total" and m.name not in NOT_PLAYED]
    if not asked_list("metrics", metrics, "['gmv']"):
        raise UserError("metrics must name at least one, such as ['gmv']")
    for name in metrics:
        if name not in totals:
            known = ", ".join(totals)
            raise UserError(f"{name!r} is no total that could be shared out: known are {known}")


def left_out(
    scenario: Scenario, plan: Plan, metrics: Sequence[str] = METRICS
) -> dict[str, dict[str, float]]:
    """What a plan loses when a scene alone is left out, in expected mode: [scene][metric].

    One run more than there are scenes, where Shapley values take one for every coalition.
    """
    _check_metrics(metrics)
    players = players_of(scenario, plan)
    whole = frozenset(players)
    worth = _worth(scenario, plan, metrics, mode="expected")(
        [whole, *(whole - {p} for p in players)]
    )
    lost = (worth[0] - worth[1:]).mean(axis=2)
    return {
        p: dict(zip(metrics, row, strict=True))
        for p, row in zip(players, lost.tolist(), strict=True)
    }


def _worth(scenario: Scenario, plan: Plan, metrics: Sequence[str], **options: Any) -> Worth:
    """The game of a plan: its coalitions are played, all in one call."""

    def worth(coalitions: Sequence[Coalition]) -> Array:
        plans = [coalition_plan(scenario, plan, s, f"plan {n}") for n, s in enumerate(coalitions)]
        outcomes = simulate(
            scenario, plans, daily=False, attribution=False, chance_alone=False, **options
        )
        lanes = quantities(outcomes.book, outcomes.terms)
        table = np.stack([lanes[BY_NAME[m].top] for m in metrics], axis=1)
        return table[:-1] - table[-1]

    return worth


# --------------------------------------------------------------------------- coalitions
def players_of(scenario: Scenario, plan: Plan) -> list[str]:
    """Scenes with money or with a booking that is theirs to make, and commissioned media."""
    none = Plan.none(scenario)
    changed = {find_package(scenario, p).scene for p in plan.packages ^ none.packages}
    scenes = [s for s in scenario.scenes if sum(plan.money.get(s, {}).values()) > 0 or s in changed]
    partners = scenario.commissions if plan.commissions is None else plan.commissions
    return [*scenes, *([PARTNERS] if partners else [])]


def coalition_plan(scenario: Scenario, plan: Plan, players: Coalition, name: str) -> Plan:
    """The plan with the money and bookings of some players; others do what they do without ads."""
    none = Plan.none(scenario)
    packages = {
        p
        for p in all_packages(scenario)
        if p in (plan if find_package(scenario, p).scene in players else none).packages
    }
    money = {s: own if s in players else {} for s, own in plan.money.items()}
    partners = plan.commissions if PARTNERS in players else frozenset[str]()
    return Plan(name, money, frozenset(packages), partners)


def every_order(players: Sequence[str]) -> list[tuple[str, ...]]:
    """All orders of the players."""
    if len(players) > EXACT + 1:
        raise UserError(
            f"{len(players)} scenes have {factorial(len(players)):,} orders: sample them"
        )
    return list(permutations(players))


def draw_orders(players: Sequence[str], count: int, seed: int) -> list[tuple[str, ...]]:
    """Orders in pairs: one at random, and its reverse."""
    rng = np.random.Generator(np.random.Philox(seed))
    found: list[tuple[str, ...]] = []
    for _ in range(count // 2):
        order = tuple(players[n] for n in rng.permutation(len(players)))
        found += [order, order[::-1]]
    return found


# --------------------------------------------------------------------------- values
class _Values:
    """Worth of all coalitions that the orders meet, and the players' parts of it."""

    def __init__(
        self, worth: Worth, players: Sequence[str], orders: Sequence[tuple[str, ...]], *,
        sampled: bool, whole: bool,
    ):  # fmt: skip
        self.players, self.orders, self.sampled, self.whole = list(players), orders, sampled, whole
        self.all = frozenset(players)
        without = [self.all - {p} for p in players]
        met = [frozenset(order[:n]) for order in orders for n in range(1, len(order) + 1)]
        self.coalitions = list(dict.fromkeys([self.all, *(s for s in (*without, *met) if s)]))
        self.rows = {s: n for n, s in enumerate(self.coalitions)}
        self.worth = worth(self.coalitions)

    @property
    def total(self) -> Array:
        """v(all): [metric]."""
        return np.asarray(self.worth[self.rows[self.all]].mean(axis=1))

    def of(self, coalition: Coalition) -> Array:
        """Worth of a coalition: [metric, replication]."""
        return np.asarray(self.worth[self.rows[coalition]] if coalition else 0.0 * self.worth[0])

    def shares(self, metric: int) -> dict[str, Share]:
        """Value, error and leave-one-out of every player."""
        parts = self.parts(metric)
        left_out = [
            float((self.of(self.all) - self.of(self.all - {p}))[metric].mean())
            for p in self.players
        ]
        return {
            p: Share(float(parts[:, n].mean()), self._error(parts[:, n]), left_out[n])
            for n, p in enumerate(self.players)
        }

    def parts(self, metric: int) -> Array:
        """What every player adds in every order: [order, player, replication]."""
        found = np.empty((len(self.orders), len(self.players), self.worth.shape[2]))
        place = {p: n for n, p in enumerate(self.players)}
        for row, order in enumerate(self.orders):
            before = self.of(frozenset())[metric]
            for n, player in enumerate(order):
                after = self.of(frozenset(order[: n + 1]))[metric]
                found[row, place[player]] = after - before
                before = after
        return found

    def _error(self, parts: Array) -> float:
        """Of the drawn pairs [order, replication], and of chance: they are independent."""
        orders = (
            0.0 if self.whole else _variance_of_mean((parts[::2] + parts[1::2]).mean(axis=1) / 2)
        )
        chance = _variance_of_mean(parts.mean(axis=0)) if self.sampled else 0.0
        return float(np.sqrt(orders + chance))


def _variance_of_mean(values: Array) -> float:
    return float(values.var(ddof=1) / values.size) if values.size > 1 else np.inf


def shapley(
    worth: Worth, players: Sequence[str], *, orders: int | None = None, seed: int = 11
) -> dict[str, Share]:
    """Shapley values of any game: exact, or over `orders` drawn in pairs.

    >>> game = lambda coalitions: np.array([[[float(len(s) ** 2)]] for s in coalitions])
    >>> {player: share.value for player, share in shapley(game, ["a", "b"]).items()}
    {'a': 2.0, 'b': 2.0}
    """
    chosen = every_order(players) if orders is None else draw_orders(players, orders, seed)
    return _Values(worth, players, chosen, sampled=False, whole=orders is None).shares(0)
