"""The margin of a plan: what the next yuan of every cell brings, and what that says of the whole budget.

symbol   meaning                                                       unit
v        value of a cell: what its next yuan brings in the return,     CNY per CNY
         before that yuan is paid; 1 means it just comes back
lambda   shadow price: what one more yuan of budget brings, net        CNY per CNY
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from simulator.outcomes.outcomes import Outcomes

State = Literal["inside", "empty", "full", "at_target", "at_limit"]
"""Of a cell: between its limits, without money, no more to buy (it would not spend 2% more), the same because the
target of its bid holds it back, or held by a limit."""
HELD_BACK = 0.95
"""A scene is held back by the target of its bid from so much of what that allows on."""
STEP = 10_000
"""What is said about the next money is about so much of it [CNY] or less; `Margin.second` is as well."""
YUAN = 1.0
"""Less is no money [CNY]."""


@dataclass(frozen=True)
class Margin:
    """What the next and the last yuan of a cell bring, as derivatives at the plan."""

    money: float
    """Planned [CNY]."""
    value: float
    """v: contribution of one more yuan, mean of the next and the last one [CNY per CNY]; mroi is v - 1."""
    second: float
    """Of the second objective, what 10,000 CNY more bring."""
    worth: float
    """v and the second objective at its price of this plan: equal in all cells inside their limits."""
    state: State


@dataclass(frozen=True)
class NextMoney:
    """What a little more money brings, played: cells inside their limits share it by their money.

    A slope says nothing of a sixth of the budget; what profit bends by on the way is in these.
    """

    money: float
    """How much more: `step_of` the budget, or less where limits leave less room [CNY]."""
    profit: float
    """Incremental profit [CNY]: net of what is spent."""
    second: float | None = None
    """Of the second objective, if there is one."""


def step_of(budget: float) -> int:
    """The next money that is spoken of: 10,000 CNY, or less where that were more than a fifth of the budget.

    >>> [step_of(budget) for budget in (9e6, 60e3, 3e3, 20.0)]
    [10000, 10000, 100, 1]
    """
    return min(STEP, 10 ** max(0, math.floor(math.log10(budget / 5))))


def told_targets(margins: Mapping[str, Margin], outcomes: Outcomes, plan: str) -> dict[str, Margin]:
    """Margins of a plan's cells, those told apart that would spend more if the target of their bid let them."""
    use = {s: figures["target_use"]["mean"] for s, figures in outcomes.scenes(plan).items()}
    return {
        cell: replace(margin, state="at_target")
        if margin.state == "full" and (use[scene_of(cell)] or 0.0) >= HELD_BACK
        else margin
        for cell, margin in margins.items()
    }


def scene_of(cell: str) -> str:
    """The scene of a cell "scene.phase", or "file/scene.phase"."""
    return cell.rpartition("/")[2].partition(".")[0]


def price_of_budget(margins: Mapping[str, Margin]) -> float | None:
    """What one more yuan brings net in cells inside their limits: the median of what they are worth."""
    inside = [m.worth for m in margins.values() if m.state == "inside"]
    return float(np.median(inside)) - 1 if inside else None


def next_json(found: NextMoney | None, second: str | None) -> dict[str, float] | None:
    """What the next money brings, by name; how much it is where that is not 10,000 CNY."""
    if found is None:
        return None
    more = {second: found.second} if second and found.second is not None else {}
    money = {} if found.money == STEP else {"money": found.money}
    return {"profit_incremental": found.profit} | more | money


def margin_json(margin: Margin, priced: bool = True) -> dict[str, Any]:
    """A margin; with one objective there is no second one, and without a price no common worth."""
    second = margin.second if math.isfinite(margin.second) else None
    return vars(margin) | {"second": second, "worth": margin.worth if priced else None}
