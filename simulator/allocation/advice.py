"""What to make of a plan: the value of the next yuan in every cell, what binds, and which moves lead there."""

from collections.abc import Iterator, Mapping
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from simulator.allocation.aims import Aims
from simulator.allocation.market import Market
from simulator.allocation.problem import Array, Flags, Problem, Split, stack, sums
from simulator.allocation.repair import repair
from simulator.allocation.slopes import slopes, states
from simulator.outcomes.frontier import Move
from simulator.outcomes.margin import YUAN, Margin, NextMoney, State

MOVES = 5
"""Moves that are named; the rest is one step."""
UNPLANNED = "money without a plan"
"""Where money comes from, or goes to, if the two plans do not cost the same."""
SAME = 0.002
"""A share of the budget that is not worth a move."""


def margins_of(
    market: Market, problem: Problem, rows: Split, aims: Aims
) -> list[dict[str, Margin]]:
    """Values at the margin of every cell: one table a row."""
    found = slopes(market, problem, aims, rows)
    pull = aims.pull()
    price, state = pull / pull[:, :1], states(problem, rows, found, pull)
    slope = np.where((state == "full")[..., None], found.down, found.middle)
    return [
        _margins(problem, rows.money[n], slope[n], price[n], state[n]) for n in range(len(rows))
    ]


def _margins(
    problem: Problem, money: Array, slope: Array, price: Array, state: NDArray[np.str_]
) -> dict[str, Margin]:
    """The table of one row; where there is no more to buy, the last yuan speaks."""
    return {
        cell: Margin(
            money=float(money[c]), value=float(slope[c, 0]), worth=float(slope[c] @ price),
            second=float(1e4 * slope[c, 1]) if len(price) > 1 else float("nan"),
            state=cast(State, str(state[c])),
        ) for c, cell in enumerate(problem.cells)
    }  # fmt: skip


def next_money(
    market: Market, problem: Problem, row: Split, margins: Mapping[str, Margin], step: float
) -> NextMoney | None:
    """What so much more money [CNY] brings, played beside the row; None where no cell can take any."""
    inside = [cell in margins and margins[cell].state == "inside" for cell in problem.cells]
    more = _with_more(problem, row, np.array(inside, dtype=bool), step)
    given = float((more.money - row.money).sum())
    if given < YUAN:
        return None
    both = stack([row, more])
    values = market(both).values
    profit = float(np.diff(values[:, 0] - problem.fixed_costs(both))[0])
    second = float(np.diff(values[:, 1])[0]) if values.shape[1] > 1 else None
    return NextMoney(step if abs(given - step) < YUAN else given, profit, second)


def _with_more(problem: Problem, row: Split, inside: Flags, step: float) -> Split:
    """The row with a step more [CNY] in cells inside their limits, by their money, as far as limits let."""
    own = np.where(inside, row.money, 0.0)
    wish = row.money + step * own / max(own.sum(), YUAN)
    most = np.where(inside, np.inf, row.money)
    return repair(problem, Split(wish, row.booked), problem.total(row) + step, most=most)


# --------------------------------------------------------------------------- what binds
ENDED = {"full": "no more to buy", "at_target": "held by the target of its bid"}
"""Why a cell would not spend a little more."""


class Advised(Protocol):
    """A plan with its values at the margin."""

    @property
    def unspent(self) -> float:
        """Money that stays [CNY]."""

    @property
    def margins(self) -> Mapping[str, Margin]:
        """Of every cell."""

    @property
    def shadow_price(self) -> float | None:
        """What one more yuan brings net."""


def binding_of(problem: Problem, row: Split, point: Advised, left: float) -> Iterator[str]:
    """In words: what would let the plan bring more; `left` stays on the fresh draws [CNY]."""
    price, stays = point.shadow_price, point.unspent > SAME * problem.budget
    if stays:
        yield f"about {left:,.0f} CNY stay unspent: {_why_unspent(problem, row, point)}"
    if price is not None:
        less = "; spend less" if price < 0 else ""
        also = ", money that stays being lost" if stays else less
        yield f"budget: one more yuan brings {price:+.2f} CNY net{also}"
    for state, words in ENDED.items():
        cells = [cell for cell, m in point.margins.items() if m.state == state]
        if cells:
            yield f"{words}: {', '.join(cells)}"
    yield from _limits_of_scenes(problem, row)


def _why_unspent(problem: Problem, row: Split, point: Advised) -> str:
    """Supply that has ended, limits, or that nothing pays."""
    left = problem.budget - float(problem.total(row)[0])
    return "; ".join([_why_cells_leave(problem, left, point), *_why_packages(problem, row)])


def _why_cells_leave(problem: Problem, left: float, point: Advised) -> str:
    """Why no cell spends the money, of which so much [CNY] has no plan."""
    known, price = {m.state for m in point.margins.values()}, point.shadow_price
    if "full" in known:
        also = ", or targets of bids hold them back" if "at_target" in known else ""
        return f"the cells below have no more to buy{also}"
    if "at_target" in known:
        return "the targets of bids hold the cells below back"
    if "inside" in known and left > SAME * problem.budget and (price or 0.0) < 0:
        return "more of it in the cells would lose"
    if "at_limit" in known:
        return "limits hold them back"
    if not known:
        return "no other package fits and brings what it costs"
    return (
        "not every day can use all of it" if "inside" in known else "no cell brings what it costs"
    )


def _why_packages(problem: Problem, row: Split) -> Iterator[str]:
    """Packages beside cells that are left out although money and limits leave room for them."""
    out = np.flatnonzero(problem.may & ~row.booked[0])
    tries = [Split(row.money, row.booked | (np.arange(len(problem.packages)) == q)) for q in out]
    fit = [q for q, one in zip(out, tries, strict=True) if _fits(problem, one)]
    if problem.cells and fit:
        yield f"booking {', '.join(problem.packages[q] for q in fit)} would lose"


def _fits(problem: Problem, row: Split) -> bool:
    """Whether budget and limits leave the row as it is."""
    kept = repair(problem, row, most=row.money)
    moved = np.abs(kept.money - row.money).sum() > YUAN
    return bool((kept.booked == row.booked).all() and not moved)


def _limits_of_scenes(problem: Problem, row: Split) -> Iterator[str]:
    """Floors and caps that are met, and minimums that nothing can meet."""
    totals = sums(row.money, problem.of_scene)[0] + problem.booked_money(row.booked)[0]
    for n, (name, total) in enumerate(zip(problem.scenes, totals, strict=True)):
        low, high, least = problem.floor[n], problem.cap[n], problem.minimum[n]
        room = min(high, problem.budget)
        if low == high > 0:
            yield f"lock of {name}: {low:,.0f} CNY"
        elif low > 0 and total <= low * (1 + 1e-6):
            yield f"floor of {name}: {low:,.0f} CNY"
        elif total >= high * (1 - 1e-6):
            yield f"cap of {name}: {high:,.0f} CNY"
        elif least > room:
            yield f"minimum of {name}: {least:,.0f} CNY, of {room:,.0f} that it may have"


# --------------------------------------------------------------------------- moves
def moves_between(market: Market, problem: Problem, start: Split, goal: Split) -> list[Move]:
    """Steps from one plan to another, the largest first, each with its effect in this order.

    The effects add up to the whole difference, because each is measured after those before it.
    """
    path, words = _path(problem, start, goal)
    answers = market(path)
    profit = answers.values[:, 0] - problem.fixed_costs(path)
    second = answers.values[:, 1] if answers.values.shape[1] > 1 else np.zeros(len(path))
    gains = np.diff(profit), np.diff(second)
    return [
        Move(amount, source, target, profit=float(gain), second=float(more))
        for (amount, source, target), gain, more in zip(words, *gains, strict=True)
    ]


def _path(
    problem: Problem, start: Split, goal: Split
) -> tuple[Split, list[tuple[float, str, str]]]:
    """Plans from start to goal, and what each step moves."""
    rows, words = [start], []
    places = (*problem.cells, UNPLANNED)
    missing = np.append(goal.money - start.money, problem.total(start) - problem.total(goal))
    if (start.booked != goal.booked).any():
        freed = problem.contract_money(start.booked) - problem.contract_money(goal.booked)
        paid = _share_of(missing, float(freed[0]))
        words.append(_package_money(problem, start.booked, goal.booked, paid))
        missing = missing - paid
        rows.append(Split(goal.money - missing[:-1], goal.booked))
    for _ in range(MOVES):
        source, target = int(missing.argmin()), int(missing.argmax())
        amount = float(min(-missing[source], missing[target]))
        if amount < SAME * problem.budget:
            break
        missing[[source, target]] += amount, -amount
        words.append((amount, places[source], places[target]))
        rows.append(Split(goal.money - missing[:-1], goal.booked))
    rest = float(max(missing.clip(min=0).sum(), -missing.clip(max=0).sum()))
    if rest >= YUAN:
        words.append((rest, "the rest", "the rest"))
        rows.append(goal)
    return stack(rows), words


def _share_of(missing: Array, freed: float) -> Array:
    """Of what places gain what bookings free, or of what they lose what bookings take: [place].

    Gains less losses are what is freed; every place that gains has its share of that.
    """
    side = missing.clip(min=0) if freed > 0 else missing.clip(max=0)
    whole = abs(float(side.sum()))
    return side * (abs(freed) / whole) if min(abs(freed), whole) >= YUAN else np.zeros_like(missing)


def _package_money(
    problem: Problem, before: Flags, after: Flags, paid: Array
) -> tuple[float, str, str]:
    """What is moved from where to where; auctions, or money without a plan, make up the difference."""
    gone, new = (before & ~after)[0], (after & ~before)[0]
    out, to = ([problem.packages[p] for p in np.flatnonzero(own)] for own in (gone, new))
    freed, parts = float(paid.sum()), (float(paid[:-1].sum()), float(paid[-1]))
    others = zip(("auctions", UNPLANNED), parts, strict=True)
    payers = [name for name, part in others if freed and part / freed > SAME]
    (to if freed > 0 else out).extend(payers)
    amount = max(float(problem.price[own].sum()) for own in (gone, new))
    return amount, ", ".join(out) or "auctions", ", ".join(to) or "auctions"
