"""Which plan of an answer is called that of most profit.

It is sought in expected mode, and played with all others on fresh draws. There the best of many is
in part the luckiest: the plan that was sought keeps the name until another one surely beats it, by a
paired interval that lies above zero. What only leads by chance is a tie and is called one.
"""

from dataclasses import replace

from simulator.outcomes.frontier import Frontier, Point

PROFIT = "profit_incremental"
MOST = "most profit"


def most_profit(frontier: Frontier) -> str:
    """Name of the plan that no other surely beats: the one that was sought, or of the others the one that leads."""
    leads = max(frontier.plans, key=lambda name: frontier.figure(name, PROFIT))
    sought = MOST in frontier.plans and not _surely_beats(frontier, leads, MOST)
    return MOST if sought else leads


def _surely_beats(frontier: Frontier, plan: str, other: str) -> bool:
    """Whether a plan brings more incremental profit than another one, chance apart."""
    return plan != other and frontier.gain(plan, PROFIT, other)[1] > 0


def ties_with_most(frontier: Frontier) -> list[str]:
    """Plans whose incremental profit is above that of the plan of most profit by chance alone."""
    if most_profit(frontier) != MOST:
        return []
    level = frontier.figure(MOST, PROFIT)
    return [name for name in frontier.plans if frontier.figure(name, PROFIT) > level]


def with_most_named(frontier: Frontier) -> Frontier:
    """The name for the plan that deserves it: at another budget, for those at the budget have names of their own."""
    leads = most_profit(frontier)
    if leads == MOST or MOST not in frontier.plans:
        return frontier
    names = {MOST: _by_budget(frontier, frontier.point(MOST))}
    if leads in (p.plan.name for p in frontier.others if p.plan.name != frontier.wished):
        names[leads] = MOST
    axes = frontier.outcomes.axes
    plans = tuple(names.get(name, name) for name in axes.plans)
    others = [_renamed(point, names) for point in frontier.others]
    others.sort(key=lambda point: point.plan.name == MOST)
    outcomes = replace(frontier.outcomes, axes=replace(axes, plans=plans))
    return replace(frontier, others=tuple(others), outcomes=outcomes)


def _renamed(point: Point, names: dict[str, str]) -> Point:
    name = names.get(point.plan.name, point.plan.name)
    return replace(point, plan=replace(point.plan, name=name))


def _by_budget(frontier: Frontier, point: Point) -> str:
    """A name by what is planned, as plans at other budgets have it, that no plan has yet."""
    share = round(100 * point.budget / frontier.budget)
    names = (f"{share}% best {n}" for n in range(1, len(frontier.plans) + 2))
    return next(name for name in names if name not in frontier.outcomes.plans)
