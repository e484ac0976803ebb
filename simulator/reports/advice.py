"""The answer of an optimisation as plain text: first in two sentences, then what stands behind them.

Differences are paired over the same replications. Where an interval holds zero, chance alone can
explain the difference, and the text says so: a tie is called a tie.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from simulator.outcomes.frontier import FREE, RETURNS, STEP, Frontier, Margin, Move, Point
from simulator.outcomes.frontier import next_money as brought_by_next
from simulator.outcomes.metrics import BY_NAME
from simulator.reports.tables import Bold, columns, cut, width
from simulator.scenario.amounts import compact
from simulator.scenario.plan import Plan, find_package, package_price
from simulator.scenario.schema import Scenario

LINE = 80
"""Columns of a terminal."""
EVEN = 0.02
"""A net return of the next yuan this near to zero says: neither more nor less."""
ALIKE = 0.02
"""Share by which a cell must be worth more than usual to be named."""
SMALL = 0.002
"""A share of the budget that is not worth a word when it stays unspent."""
PROFIT = "profit_incremental"
CALLED = {PROFIT: "incremental profit"}
WORTH, DEAR = "worth its price", "dearer than it brings"
STATES = {
    "inside": "",
    "empty": "no money",
    "full": "no more to buy",
    "at_limit": "held by a limit",
}


def advice_text(
    frontier: Frontier, scenario: Scenario, picked: Plan | None = None, bold: Bold = str
) -> str:
    """Everything that a reader at a terminal needs, the answer in two sentences first."""
    plan = picked or frontier.best.plan
    sections = [
        (frontier.outcomes.title, answer(frontier, scenario, plan)),
        ("Plans that nothing beats", frontier_table(frontier, scenario)),
        *_price_section(frontier),
        (f"Moves from {frontier.current} to {frontier.best.plan.name}", moves_text(frontier)),
        (f"Money of {plan.name}", money_table(scenario, plan)),
        (f"The next yuan in {margins_point(frontier, plan).plan.name}", margins_table(frontier, plan)),
        (f"What binds {frontier.best.plan.name}", "\n".join(f"  {line}" for line in binding_lines(frontier, plan))),
    ]  # fmt: skip
    parts = [] if frontier.finished else [bold(UNFINISHED)]
    return "\n\n".join([*parts, *(f"{bold(head)}\n{text}" for head, text in sections)])


UNFINISHED = "UNFINISHED: stopped before the search ended. The best so far, expected values alone."


# --------------------------------------------------------------------------- the two sentences
def answer(frontier: Frontier, scenario: Scenario, plan: Plan) -> str:
    """What the plan brings against the current one, and what the next money should do.

    Of a current plan that is kept nothing is known at the margin: its own figures stand there.
    """
    kept = plan.name == frontier.current
    point = margins_point(frontier, plan)
    then = own_figures(frontier) if kept else next_money(frontier, point)
    return "\n".join(map(wrap, [against_current(frontier, scenario, plan), then]))


def against_current(frontier: Frontier, scenario: Scenario, plan: Plan) -> str:
    """The first sentence: better, a tie, or another mix."""
    own = frontier.current
    if plan.name == own:
        costs = _budgets(frontier, scenario)
        return f"Keep the current plan {own}{costs}: nothing at this budget is better for what you ask."
    gains = {name: frontier.gain(plan.name, name) for name in told(frontier)}
    parts = " and ".join(_gain(frontier, name, *gain) for name, gain in gains.items())
    words = (
        f"{plan.name} brings {parts} against the current plan {own}{_budgets(frontier, scenario)}"
        f", {_returns(frontier, plan.name)}"
    )
    surely = frontier.outcomes.mode == "sampled"
    if surely and all(lo <= 0 <= hi for _, lo, hi in gains.values()):
        fits = f"The current plan {own} is as good as any: " if frontier.current_fits else ""
        return f"{fits}{words}, which chance alone can explain."
    ties = frontier.ties(plan.name, frontier.objectives[0]) if surely else []
    also = f"; in {frontier.objectives[0]} it ties with {_listed(ties)}" if ties else ""
    return f"{words}{also}."


def told(frontier: Frontier) -> list[str]:
    """Totals of which the first sentence tells the gain: profit, what else is sought, new customers."""
    sought = (name for name in frontier.objectives if name not in RETURNS)
    return list(dict.fromkeys([PROFIT, *sought, "new_customers"]))


def own_figures(frontier: Frontier) -> str:
    """The second sentence where the current plan is kept: what that one brings by itself."""
    parts = " and ".join(_brings(frontier, name) for name in told(frontier))
    mean = _mean(frontier, frontier.current, "roi")
    spent = "with nothing spent" if mean == "-" else f"at a roi of {mean}"
    return f"It brings {parts}, {spent}."


def _brings(frontier: Frontier, name: str) -> str:
    """A figure of the current plan with the interval of its mean."""
    found = frontier.outcomes.metrics(frontier.current)[name]
    sure = f" (95% interval {interval_of(found)})" if frontier.outcomes.mode == "sampled" else ""
    return f"{compact(found['mean'])} {_unit(name)}{_called(name)}{sure}"


def _gain(frontier: Frontier, name: str, mean: float, low: float, high: float) -> str:
    text = f"{signed(mean)} {_unit(name)}{_called(name)}"
    if frontier.outcomes.mode == "expected":
        return text
    return with_interval(mean, low, high, text)


def with_interval(mean: float, low: float, high: float, text: str = "") -> str:
    """A difference and how sure it is; the text may say the mean in words."""
    tie = ", a tie" if low <= 0 <= high else ""
    return f"{text or signed(mean)} (95% interval {signed(low)} to {signed(high)}{tie})"


def _returns(frontier: Frontier, plan: str) -> str:
    """The roi of a plan beside the current one's; none where nothing is spent."""
    mean, own = (_mean(frontier, name, "roi") for name in (plan, frontier.current))
    if mean == own == "-":
        return "with nothing spent"
    if own == "-":
        return f"at a roi of {mean}, where that one spends nothing"
    if mean == "-":
        return f"with nothing spent, where that one has a roi of {own}"
    return f"at a roi of {mean} beside {own}"


def _mean(frontier: Frontier, plan: str, metric: str) -> str:
    return compact(frontier.outcomes.metrics(plan)[metric]["mean"])


def _budgets(frontier: Frontier, scenario: Scenario) -> str:
    """Said where the two plans do not cost the same, or the current one could not be chosen."""
    own = frontier.current_plan.total(scenario)
    if abs(own - frontier.budget) >= 0.005 * frontier.budget:
        return f" (which costs {compact(own)} CNY, not {compact(frontier.budget)})"
    return "" if frontier.current_fits else " (which breaks a limit)"


def next_money(frontier: Frontier, point: Point) -> str:
    """The second sentence, of the plan that is spoken of: more, less, or enough."""
    price = point.shadow_price
    step = step_of(frontier.budget)
    words = next_of(point.margins, frontier.second, step) if frontier.second else None
    if not point.priced and words:
        return words
    if price is None:
        return _no_price(frontier, point)
    net = f"{signed(price * step)} CNY net of itself"
    if price < -EVEN:
        return _too_much(frontier, point, f"for the last {step:,} CNY bring {net}")
    if price <= EVEN:
        return (
            f"The budget is right: the next {step:,} CNY would bring {net}, about what they cost."
        )
    return f"The next {step:,} CNY would bring {net}, {_where(point, step)}."


def _no_price(frontier: Frontier, point: Point) -> str:
    """The same where no cell can take a little more: a far larger budget may open others that pay."""
    most = frontier.others[-1] if frontier.others else point
    sure = frontier.gain(most.plan.name, PROFIT, point.plan.name)[1]
    if most.budget > (1 + SMALL) * point.budget and sure > 0:
        highest = compact(frontier.figure(most.plan.name, "spend"))
        return (
            f"Only much more money would bring more: profit is highest at about {highest} CNY spent, "
            f"of {compact(most.budget)} planned."
        )
    held = any(m.state == "at_limit" and m.worth > 1 for m in point.margins.values())
    why = "meets limits" if held else "finds nothing to buy"
    return f"More money {why}: {_unspent(point.unspent)}."


def step_of(budget: float) -> int:
    """The next money that is spoken of: 10,000 CNY, or less where that were more than a fifth of the budget.

    >>> [step_of(budget) for budget in (9e6, 60e3, 3e3, 20.0)]
    [10000, 10000, 100, 1]
    """
    return min(STEP, 10 ** max(0, math.floor(math.log10(budget / 5))))


def _too_much(frontier: Frontier, point: Point, last: str) -> str:
    """To spend less, or that enough is planned where profit does not fall.

    Money that stays counts as lost at a fixed budget: by that count the last yuan of a plan may not
    come back although profit rises with what is planned.
    """
    if not frontier.others:
        left = point.unspent
        enough = f"Enough is planned: {_unspent(left)}."
        return enough if left > SMALL * frontier.budget else f"Spend less, {last}."
    most = frontier.others[-1]
    highest, now = (frontier.figure(p.plan.name, "spend") for p in (most, point))
    about = f"profit is highest at about {compact(highest)} CNY"
    if highest < now:
        return f"Spend less: {about}, {last}."
    return f"Enough is planned: {about} spent, of {compact(most.budget)} planned."


def next_of(margins: Mapping[str, Margin], name: str, step: int) -> str | None:
    """What the next money brings where something else than the return is sought."""
    found = brought_by_next(margins)
    if found is None:
        return None
    net, more = (signed(part * step / STEP) for part in found)
    more += f" {_unit(name)}{_called(name)}"
    return f"The next {step:,} CNY would bring {more}, and {net} CNY net of themselves."


def _where(point: Point, step: int) -> str:
    """Where the next money belongs: a cell of less than that is full before it has taken it."""
    takes = {
        cell: margin.value
        for cell, margin in point.margins.items()
        if margin.state == "empty" or (margin.state == "inside" and margin.money >= step)
    }
    usual = median(m.value for m in point.margins.values() if m.state == "inside")
    dearest = max(takes, key=lambda cell: takes[cell], default=None)
    if dearest is None or takes[dearest] <= usual * (1 + ALIKE):
        return "about the same wherever there is more to buy"
    return f"most of all in {dearest}"


def _unspent(amount: float) -> str:
    return f"{compact(amount)} CNY stay unspent" if amount > 0 else "every cell has what it can use"


# --------------------------------------------------------------------------- plans
def frontier_table(frontier: Frontier, scenario: Scenario) -> str:
    """A row per plan: what it costs, leaves, and brings, with the interval of each mean."""
    points = {point.plan.name: point for point in (*frontier.points, *frontier.others)}
    even = [name for name in frontier.outcomes.plans if name not in {*points, frontier.current}]
    at_budget = [point.plan.name for point in frontier.points]
    names = [*at_budget, frontier.current, *even, *(point.plan.name for point in frontier.others)]
    sampled = frontier.outcomes.mode == "sampled"
    head = ["plan", "costs\nCNY", "unspent\nCNY"]
    for name in frontier.objectives:
        head += [name.replace("_", "\n", 1)] + ["95% interval\nof the mean"] * sampled
    rows = []
    for name in names:
        plan = frontier.plans.get(name)
        left = compact(round(points[name].unspent)) if name in points else "-"
        cost = compact(plan.total(scenario)) if plan else "-"
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


def interval_of(found: Mapping[str, float | None]) -> str:
    """Of a mean; expected mode has none, nor has what is undefined."""
    low, high = found.get("ci_lo"), found.get("ci_hi")
    return "-" if low is None or high is None else f"{compact(low)} to {compact(high)}"


def _legend(frontier: Frontier) -> Iterator[str]:
    for name in frontier.objectives:
        metric = BY_NAME[name]
        yield f"  {name}: {metric.title} {metric.chinese} [{metric.unit}]"
    if frontier.others and frontier.others[-1].budget > 0.98 * FREE * frontier.budget:
        yield f"  {frontier.others[-1].plan.name}: looked for up to {FREE:g} times the budget"
    if frontier.leader:
        yield f"  best {frontier.objectives[0]} in a race under chance: {frontier.leader}"


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
def moves_text(frontier: Frontier) -> str:
    """Each recommended move in words, the largest first."""
    second = frontier.second
    moves = [move for move in frontier.moves if move.amount >= 1]  # a yuan
    lines = [wrap(f"  {_move(move, second)}", indent=4) for move in moves]
    return "\n".join(lines) or "  none: the current plan is the best one"


def _move(move: Move, second: str | None) -> str:
    brings = f"{signed(move.profit)} CNY"
    if second:
        brings += f", {signed(move.second)} {_called(second)}"
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
def margins_point(frontier: Frontier, plan: Plan) -> Point:
    """The point of the plan, or the best one where the plan is not of the frontier."""
    return next((p for p in frontier.points if p.plan.name == plan.name), frontier.best)


def margins_table(frontier: Frontier, plan: Plan) -> str:
    """What the next money of every cell brings; of a cell without money, what entering brings."""
    point = margins_point(frontier, plan)
    second = frontier.second
    head = ["cell", "money\nCNY", "one more yuan\nbrings, net"]
    head += [f"{_unit(second)}{_called(second)}\nper {STEP:,}"] if second else []
    rows = [
        [cut(cell, 32), _money(margin.money), _brought(margin.value - 1), *_second(margin, second),
         STATES[margin.state]]
        for cell, margin in point.margins.items()
    ]  # fmt: skip
    return "\n".join([columns([[*head, ""], *rows], left=1), *_entry_note(point)])


def _entry_note(point: Point) -> Iterator[str]:
    """Why the first yuan of a cell may cost many."""
    if any(m.state == "empty" and m.value < -1 for m in point.margins.values()):
        yield "  no money: a first yuan also pays for running its scene and meets other scenes"


def _second(margin: Margin, second: str | None) -> list[str]:
    return [_brought(margin.second)] if second else []


def _brought(value: float) -> str:
    """A derivative with its sign; beyond three places it is noise."""
    return signed(round(value, 3))


def binding_lines(frontier: Frontier, plan: Plan) -> list[str]:
    """What would let the best plan bring more, and why money stays unspent."""
    lines = list(frontier.binding)
    point = margins_point(frontier, plan)
    if point is not frontier.best and point.unspent > SMALL * frontier.budget:
        lines.append(f"{point.plan.name}: {_unspent(point.unspent)}")
    return lines or ["nothing but the budget"]


# --------------------------------------------------------------------------- words
def signed(value: float) -> str:
    """A difference with its sign.

    >>> signed(3104.2), signed(-0.0412), signed(0)
    ('+3,104', '-0.0412', '0')
    """
    return f"+{compact(value)}" if value > 0 else compact(value)


def _unit(name: str) -> str:
    """Before the name of a figure: that it is money."""
    return "CNY " if BY_NAME[name].unit == "CNY" else ""


def _called(name: str) -> str:
    return CALLED.get(name) or name.replace("_", " ")


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def wrap(text: str, indent: int = 0) -> str:
    """Lines of at most 80 columns, broken between words; the first keeps its own indent."""
    lead = text[: len(text) - len(text.lstrip())]
    lines, line = [], lead
    for word in text.split():
        longer = f"{line} {word}" if line.strip() else f"{line}{word}"
        if width(longer) > LINE and line.strip():
            lines.append(line)
            longer = f"{' ' * indent}{word}"
        line = longer
    return "\n".join([*lines, line])
