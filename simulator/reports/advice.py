"""The answer of an optimisation as plain text: first in two sentences, then what stands behind them."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from simulator.outcomes.frontier import FREE, Frontier, Move
from simulator.outcomes.margin import STEP, Margin
from simulator.outcomes.metrics import BY_NAME
from simulator.outcomes.most_profit import MOST, ties_with_most
from simulator.reports.sentences import (
    MEASURE,
    SMALL,
    answer,
    called,
    interval_of,
    listed,
    margins_point,
    signed,
    unit_of,
    unspent_words,
    wrap,
)
from simulator.reports.tables import Bold, columns, cut
from simulator.scenario.amounts import compact
from simulator.scenario.plan import Plan, find_package, package_price
from simulator.scenario.schema import Scenario

UNFINISHED = "UNFINISHED: stopped before the search ended. The best so far, expected values alone."
MISSED = "NOT REACHED: {}. What follows is the best in the first objective."
WORTH, DEAR = "worth its price", "dearer than it brings"
STATES = {
    "inside": "",
    "empty": "no money",
    "full": "no more to buy",
    "at_target": "held by its target",
    "at_limit": "held by a limit",
}


def advice_text(
    frontier: Frontier, scenario: Scenario, picked: Plan | None = None, bold: Bold = str,
    missed: str | None = None,
) -> str:  # fmt: skip
    """Everything that a reader at a terminal needs, the answer in two sentences first.

    What was asked for and is `missed` stands above them: what follows is then another answer.
    """
    plan = picked or frontier.answered.plan
    sections = [
        (frontier.outcomes.title, answer(frontier, scenario, plan)),
        ("Plans that nothing beats", frontier_table(frontier, scenario)),
        *_price_section(frontier),
        *_moves_section(frontier, plan),
        (f"Money of {plan.name}", money_table(scenario, frontier.accounted(plan))),
        (f"The next yuan in {margins_point(frontier, plan).plan.name}", margins_table(frontier, plan)),
        (f"What binds {frontier.answered.plan.name}", "\n".join(f"  {line}" for line in binding_lines(frontier, plan))),
    ]  # fmt: skip
    text = document(sections, frontier.finished, bold)
    return f"{bold(wrap(MISSED.format(missed)))}\n\n{text}" if missed else text


def document(sections: Iterable[tuple[str, str]], finished: bool, bold: Bold) -> str:
    """Sections under their headings, marked where they are not the last word."""
    parts = [] if finished else [bold(UNFINISHED)]
    return "\n\n".join([*parts, *(f"{bold(head)}\n{text}" for head, text in sections)])


# --------------------------------------------------------------------------- plans
def frontier_table(frontier: Frontier, scenario: Scenario) -> str:
    """A row per plan: what it plans, leaves of the budget, and brings, with the interval of each mean.

    What a plan made again at a date plans is what was spent before it and what it plans from it on.
    """
    even = [frontier.even_plan.name] if frontier.even_plan else []
    at_budget = [point.plan.name for point in frontier.points]
    names = [*at_budget, frontier.current, *even, *(point.plan.name for point in frontier.others)]
    sampled = frontier.outcomes.mode == "sampled"
    head = ["plan", "planned\nCNY", "unspent\nCNY"]
    for name in frontier.objectives:
        head += [name.replace("_", "\n", 1)] + ["95% interval\nof the mean"] * sampled
    rows = []
    for name in names:
        plan = frontier.plans.get(name)
        left = compact(round(frontier.left(name)))
        cost = compact(frontier.accounted(plan).total(scenario)) if plan else "-"
        row = [cut(_marked(frontier, name), 19), cost, left]
        for metric in frontier.objectives:
            row += _with_interval(frontier, name, metric)
        rows.append(row)
    return "\n".join([columns([head, *rows], left=1), *_legend(frontier)])


def _marked(frontier: Frontier, name: str) -> str:
    return f"{name} (now)" if name == frontier.current else name


def _with_interval(frontier: Frontier, plan: str, metric: str) -> list[str]:
    found = frontier.outcomes.metrics(plan)[metric]
    mean = compact(found["mean"])
    if frontier.outcomes.mode == "expected":
        return [mean]
    return [mean, interval_of(found)]


def _legend(frontier: Frontier) -> Iterator[str]:
    for name in frontier.objectives:
        metric = BY_NAME[name]
        yield f"  {name}: {metric.title} {metric.chinese} [{metric.unit}]"
    if frontier.past:
        spent = sum(frontier.past.spent.values())
        gone = f"{compact(spent if spent >= 0.5 else 0.0)} CNY of auctions"
        yield f"  planned: {gone} before {frontier.past.until:%Y-%m-%d}, and what is planned from it on"
    if frontier.others and frontier.others[-1].budget > 0.98 * FREE * frontier.budget:
        yield f"  {frontier.others[-1].plan.name}: looked for up to {FREE:g} times the budget"
    if ties := ties_with_most(frontier):
        words = f"  {MOST}: by chance alone less incremental profit than {listed(ties)}"
        yield wrap(words, indent=4)
    if frontier.leader:
        measure = called(MEASURE.get(frontier.objectives[0], frontier.objectives[0]))
        yield f"  best {measure} in a race under chance: {frontier.leader}"


def _price_section(frontier: Frontier) -> list[tuple[str, str]]:
    """The price of one more new customer, where new customers are sought."""
    if frontier.objectives[-1] != "new_customers" or len(frontier.objectives) < 2:
        return []
    return [("The price of one more new customer", prices_table(frontier))]


def prices_table(frontier: Frontier) -> str:
    """Profit given up for one more, beside what each brings by coming back [CNY]."""
    rows = [["plan", "price\nCNY", "repeat\nCNY", ""]]
    for point in frontier.points:
        price, repeat = point.price_of_new, repeat_value(frontier, point.plan.name)
        rows.append(
            [cut(point.plan.name, 22), compact(price), compact(repeat), _verdict(price, repeat)]
        )
    note = "  repeat: value of the people won at the end, per incremental new customer"
    return "\n".join([columns(rows, left=1), note, *_crossing(frontier)])


def _crossing(frontier: Frontier) -> Iterator[str]:
    """The last plan whose next new customer is worth its price, where there is one after it."""
    points = [
        (p.plan.name, p.price_of_new, repeat_value(frontier, p.plan.name)) for p in frontier.points
    ]
    worth = [name for name, price, repeat in points if _verdict(price, repeat) == WORTH]
    dear = [name for name, price, repeat in points if _verdict(price, repeat) == DEAR]
    if worth and dear:
        yield f"  Go towards new customers as far as {worth[-1]}: from {dear[0]} on they cost more."


def repeat_value(frontier: Frontier, plan: str) -> float | None:
    """Expected later contribution per incremental new customer [CNY]; None without any."""
    people = frontier.figure(plan, "new_customers_incremental")
    worth = frontier.figure(plan, "asset_value") / people if people > 0 else math.nan
    return worth if math.isfinite(worth) else None


def _verdict(price: float | None, repeat: float | None) -> str:
    if price is None:
        return "an end of the frontier"
    if repeat is None:
        return ""
    return WORTH if price < repeat else DEAR


# --------------------------------------------------------------------------- moves and money
def _moves_section(frontier: Frontier, picked: Plan) -> list[tuple[str, str]]:
    """How to get there, unless one stays."""
    if picked.name == frontier.current:
        return []
    return [
        (f"Moves from {frontier.current} to {frontier.answered.plan.name}", moves_text(frontier))
    ]


def moves_text(frontier: Frontier) -> str:
    """Each recommended move in words, the largest first."""
    second = frontier.second
    moves = [move for move in frontier.moves if move.amount >= 1]  # a yuan
    lines = [wrap(f"  {_move(move, second)}", indent=4) for move in moves]
    return "\n".join(lines) or "  none: the current plan is the best one"


def _move(move: Move, second: str | None) -> str:
    brings = f"{signed(move.profit if abs(move.profit) >= 0.5 else 0.0)} CNY"
    if second:
        brings += f", {signed(move.second)} {unit_of(second)}{called(second)}"
    if move.source == move.target:
        return f"{compact(move.amount)} CNY in smaller steps: {brings}"
    return f"move {compact(move.amount)} CNY from {move.source} to {move.target}: {brings}"


def money_table(scenario: Scenario, plan: Plan) -> str:
    """Money by scene and phase [CNY], packages in a column of their own; wide tables in blocks."""
    phases = list(scenario.calendar.phases)
    booked = _packages_by_scene(scenario, plan)
    rows = []
    for scene in scenario.scenes:
        own, packs = plan.money.get(scene, {}), booked.get(scene, 0.0)
        cells = [own.get(phase, 0.0) for phase in phases] + [packs]
        rows.append([cut(scene, 20), *map(_money, cells), _money(sum(cells))])
    head = ["scene", *(cut(phase, 9) for phase in phases), "packages", "in all"]
    lines = list(blocks([head, *rows]))
    if plan.packages:
        lines.append(wrap(f"  packages: {', '.join(sorted(plan.packages))}", indent=4))
    return "\n".join(lines)


def _packages_by_scene(scenario: Scenario, plan: Plan) -> dict[str, float]:
    money: dict[str, float] = {}
    for name in plan.packages:
        scene = find_package(scenario, name).scene
        money[scene] = money.get(scene, 0.0) + package_price(scenario, name)
    return money


def _money(value: float) -> str:
    return compact(value) if value >= 0.5 else "-"


def blocks(rows: Sequence[list[str]], most: int = 7) -> Iterator[str]:
    """A wide table cut into tables of at most so many columns beside the first."""
    for start in range(1, len(rows[0]), most):
        yield columns([[row[0], *row[start : start + most]] for row in rows], left=1)


# --------------------------------------------------------------------------- the margin
def margins_table(frontier: Frontier, plan: Plan) -> str:
    """What the next money of every cell brings; of a cell without money, what entering brings."""
    point = margins_point(frontier, plan)
    second = frontier.second
    head = ["cell", "money\nCNY", "one more yuan\nbrings, net"]
    head += [f"{unit_of(second)}{called(second)}\nper {STEP:,}"] if second else []
    rows = [
        [cut(cell, 32), _money(margin.money), brought(margin.value - 1), *_second(margin, second),
         STATES[margin.state]]
        for cell, margin in point.margins.items()
    ]  # fmt: skip
    return "\n".join([columns([[*head, ""], *rows], left=1), *entry_note(point.margins)])


def entry_note(margins: Mapping[str, Margin]) -> Iterator[str]:
    """Why the first yuan of a cell may cost many."""
    if any(m.state == "empty" and m.value < -1 for m in margins.values()):
        yield "  no money: a first yuan also pays for running its scene and meets other scenes"


def _second(margin: Margin, second: str | None) -> list[str]:
    return [brought(margin.second)] if second else []


def brought(value: float) -> str:
    """A derivative with its sign; beyond three places it is noise.

    >>> brought(0.0798), brought(-0.0032), brought(4e-12), brought(220.4)
    ('+0.080', '-0.003', '0', '+220')
    """
    if abs(value) < 0.0005:
        return "0"
    return f"{value:+.3f}" if abs(value) < 10 else signed(value)


def binding_lines(frontier: Frontier, plan: Plan) -> list[str]:
    """What would let the best plan bring more, and why money stays unspent."""
    lines = list(frontier.binding)
    point = margins_point(frontier, plan)
    if point is not frontier.answered and point.unspent > SMALL * frontier.budget:
        lines.append(f"{point.plan.name}: {unspent_words(frontier, point)}")
    return lines or ["nothing but the budget"]
