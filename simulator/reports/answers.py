"""The least budget for a target, and one budget for several files, as plain text: the answer first."""

import math
from collections.abc import Iterator

from simulator.outcomes.compare import share_interval
from simulator.outcomes.frontier import FREE
from simulator.outcomes.goal import Goal
from simulator.outcomes.metrics import BY_NAME, written
from simulator.outcomes.portfolio import FIGURES, MOST, OWN, SHARED, Portfolio
from simulator.reports.advice import STATES, brought, document, entry_note, money_table
from simulator.reports.sentences import (
    EVEN,
    called,
    interval_of,
    next_of,
    signed,
    why_no_more,
    with_interval,
    within,
    wrap,
)
from simulator.reports.tables import Bold, columns, cut
from simulator.scenario.amounts import compact
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario

NOTES = """  equal, proportional: each is as good inside the files as can be; neither keeps
  limits of whole files. own plans: the first of every file, at its own budget."""
ANY = f"  most profit: at whatever budget, up to {FREE:g} times this one."
SURER = " A budget that gets there more surely: --sure 90%."


# --------------------------------------------------------------------------- the least budget
def goal_text(goal: Goal, scenario: Scenario, bold: Bold = str) -> str:
    """The budget, how certain it is, and the plan."""
    sections = [
        (goal.outcomes.title, wrap(least_sentence(goal))),
        ("On fresh draws of chance", goal_table(goal, scenario)),
        (f"Money of {goal.plan.name}", money_table(scenario, goal.plan)),
        ("Budgets that were tried", tried_table(goal)),
    ]
    return document(sections, goal.finished, bold)


def least_sentence(goal: Goal) -> str:
    """The budget, and with what certainty it reaches the target."""
    ((metric, target),) = goal.least.items()
    how = f"in {surely(goal.sure)} of runs" if goal.sure else "in the mean"
    if goal.outcomes.mode == "expected":
        return (
            f"To reach {_amount(target, metric)} takes {goal.budget:,.0f} CNY at most, sought {how}: that is "
            f"the cheapest plan so far that gets there, with {written(metric, goal.value)} expected. "
            f"A search to the end may find a cheaper one."
        )
    takes = takes_words(goal) if goal.budget >= 0.5 else "needs no advertising"
    sure = interval_of(goal.outcomes.metrics(goal.plan.name)[metric])
    return (
        f"To reach {_amount(target, metric)} {takes}, sought {how}: on draws that the search has not seen "
        f"the plan brings {written(metric, goal.value)} in the mean (95% interval {sure}), and gets "
        f"there in {_share(goal, goal.plan)} of {_runs(goal)}.{_uncertain(goal) or SURER}"
    )


def takes_words(goal: Goal) -> str:
    """The budget to the yuan where it is sought in the mean; with certainty no finer than it is known."""
    if not goal.between:
        return f"takes {goal.budget:,.0f} CNY at least"
    low, high = goal.between
    return f"takes about {known_to(goal.budget, (high or 2 * goal.budget) - low):,.0f} CNY"


def known_to(amount: float, width: float) -> float:
    """An amount without the digits that an interval of this width leaves open; one digit stays.

    >>> known_to(72_975, 40_000), known_to(72_975, 800), known_to(4_300, 90_000)
    (70000, 73000, 4000)
    """
    places = math.floor(math.log10(max(width / 2, 1.0)))
    return round(amount, -min(places, math.floor(math.log10(amount))))


def _runs(goal: Goal) -> str:
    """How many runs a share is of, and where it lies at 95%."""
    if not goal.sure:
        return "runs"
    n, chance = goal.outcomes.replications, goal.chance(goal.metric) or 0.0
    low, high = share_interval(chance, n)
    return f"{n} runs (95% interval {low:.0%} to {high:.0%})"


def _uncertain(goal: Goal) -> str:
    """Of a budget that is sought with certainty: between which ones the draws do not tell."""
    if not goal.sure:
        return ""
    if not goal.between:
        return " On other draws another budget is the least."
    low, high = goal.between
    span = (
        f"{compact(low)} CNY or more" if high is None else f"{compact(low)} to {compact(high)} CNY"
    )
    return f" The least budget is uncertain: {span} is possible (95%)."


def _share(goal: Goal, plan: Plan) -> str:
    """Share of runs in which a plan reaches the target; nothing without chance."""
    if goal.outcomes.mode == "expected":
        return "-"
    ((metric, target),) = goal.least.items()
    return f"{(goal.outcomes.values(plan.name, metric) >= target).mean():.0%}"


def goal_table(goal: Goal, scenario: Scenario) -> str:
    """The plan beside the current one."""
    (metric,) = goal.least
    head = ["plan", "costs\nCNY", _head(metric), "95% interval\nof the mean"]
    rows = [[*head, "roi", "gets\nthere in"]]
    for plan in (goal.plan, goal.current_plan):
        found = goal.outcomes.metrics(plan.name)
        figures = [plan.total(scenario), found[metric]["mean"]]
        more = [interval_of(found[metric]), compact(found["roi"]["mean"]), _share(goal, plan)]
        rows.append([_marked(goal, plan), *map(compact, figures), *more])
    return columns(rows, left=1)


def _marked(goal: Goal, plan: Plan) -> str:
    return cut(f"{plan.name} (now)" if plan is goal.current_plan else plan.name, 22)


def tried_table(goal: Goal) -> str:
    """What the best plan of each budget reaches: in the mean, or in the share of runs asked for."""
    rows = [[compact(budget), compact(value)] for budget, value in goal.tried]
    how = f"at least, in\n{surely(goal.sure)} of runs" if goal.sure else "in the mean"
    return columns([["budget\nCNY", f"{_head(goal.metric)}\n{how}"], *rows], left=0)


def _head(metric: str) -> str:
    """A metric over a column, with the unit where that is money."""
    unit = "\nCNY" if BY_NAME[metric].unit == "CNY" else ""
    return called(metric).replace(" ", "\n", 1) + unit


def surely(share: float) -> str:
    """A share of runs as it was asked for.

    >>> surely(0.9), surely(0.995)
    ('90%', '99.5%')
    """
    return f"{100 * share:g}%"


def _amount(value: float, metric: str) -> str:
    unit = "CNY " if BY_NAME[metric].unit == "CNY" else ""
    number = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
    return f"{number} {unit}{called(metric)}"


# --------------------------------------------------------------------------- several files
def portfolio_text(found: Portfolio, bold: Bold = str) -> str:
    """What sharing brings, the money of every file, and the next yuan."""
    sections = [
        (f"{compact(found.budget)} CNY for {', '.join(found.plans)}", sharing(found)),
        ("Money of every file [CNY]", files_table(found)),
        ("What the splits bring", splits_table(found)),
        ("The next yuan", cells_table(found)),
        ("What binds", "\n".join(f"  {line}" for line in found.binding or ["nothing but the budget"])),
    ]  # fmt: skip
    return document(sections, found.finished, bold)


def sharing(found: Portfolio) -> str:
    """The gain over splits by rule, and what the next money would bring."""
    rules = [name for name in found.rivals if name not in (OWN, MOST)] or found.rivals
    gains = " and ".join(f"{_gained(found, over)} against the {over}" for over in rules)
    unit = "CNY " if BY_NAME[found.objective].unit == "CNY" else ""
    first = f"Sharing brings, in {unit}{called(found.objective)}, {gains}."
    return "\n".join(map(wrap, [first, _next(found), *_most_profit(found)]))


def _most_profit(found: Portfolio) -> Iterator[str]:
    """What another budget would bring, where that is the better one."""
    if MOST in found.rivals:
        mean, low, high = found.gain(found.objective, MOST)
        more = with_interval(-mean, -high, -low) if found.mode == "sampled" else signed(-mean)
        money = compact(sum(found.money[MOST].values()))
        yield f"Most profit is made with {money} CNY: {more} CNY against this split."


def _gained(found: Portfolio, over: str) -> str:
    gain = found.gain(found.objective, over)
    return with_interval(*gain) if found.mode == "sampled" else signed(gain[0])


def _next(found: Portfolio) -> str:
    if found.next_money is None:
        return f"More money {why_no_more(found.margins)}."
    words = next_of(found.next_money, found.second)
    loses = (found.shadow_price or 0.0) < -EVEN and found.next_money.profit < 0
    return f"Spend less: {within(words)}" if loses and not found.second else words


def files_table(found: Portfolio) -> str:
    """A row per file, a column per split."""
    splits = (SHARED, *found.rivals)
    rows = [
        [cut(file, 24), *(compact(found.money[split][file]) for split in splits)]
        for file in found.plans
    ]
    whole = ["in all", *(compact(sum(found.money[split].values())) for split in splits)]
    unspent = [f"  unspent: {compact(found.left)}"] if found.left >= 1 else []
    head = ["file", *(split.replace(" ", "\n", 1) for split in splits)]
    return "\n".join([columns([head, *rows, whole], left=1), *unspent])


def splits_table(found: Portfolio) -> str:
    """All files together: figures of every split, half of their 95% intervals below, and what the shared
    one brings more.
    """
    rows = [["split", "roi", "incremental\nprofit CNY", "new\ncustomers", "shared\nless this"]]
    for split in (SHARED, *found.rivals):
        own = split == SHARED
        figures = [compact(_defined(found.figure(split, name))) for name in FIGURES]
        mean, low, _ = found.gain(found.objective, split)
        rows.append([split, *figures, "" if own else signed(mean)])
        if found.mode == "sampled":
            halves = [_half(found.figure(split, n), found.interval(split, n).lo) for n in FIGURES]
            rows.append(["", *halves, "" if own else _half(mean, low)])
    below = "  ±: the 95% interval of the mean\n" if found.mode == "sampled" else ""
    notes = [
        f"{below}  less this: in {called(found.objective)}",
        NOTES,
        *[ANY] * (MOST in found.rivals),
    ]
    return "\n".join([columns(rows, left=1), *notes])


def _half(mean: float, low: float) -> str:
    """Half of an interval that lies evenly about its mean."""
    return f"±{compact(mean - low)}" if math.isfinite(mean - low) else "-"


def _defined(value: float) -> float | None:
    return value if math.isfinite(value) else None


def cells_table(found: Portfolio) -> str:
    """What the next money of every cell of every file brings."""
    rows = [
        [cut(cell, 40), compact(m.money) if m.money >= 0.5 else "-", brought(m.value - 1), STATES[m.state]]
        for cell, m in found.margins.items()
    ]  # fmt: skip
    head = ["cell", "money\nCNY", "one more yuan\nbrings, net", ""]
    return "\n".join([columns([head, *rows], left=1), *entry_note(found.margins)])
