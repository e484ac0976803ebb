"""What an optimisation found, in two sentences, and how figures are written in them.

Differences are paired over the same replications. Where an interval holds zero, chance alone can
explain the difference, and the text says so: a tie is called a tie.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from simulator.outcomes.frontier import RETURNS, Frontier, Point
from simulator.outcomes.margin import Margin, NextMoney
from simulator.outcomes.metrics import BY_NAME
from simulator.outcomes.most_profit import PROFIT, most_profit
from simulator.reports.tables import width
from simulator.scenario.amounts import compact
from simulator.scenario.plan import Plan
from simulator.scenario.schema import Scenario

LINE = 80
"""Columns of a terminal."""
EVEN = 0.02
"""A net return of the next yuan this near to zero says: neither more nor less."""
ALIKE = 0.02
"""Share by which a cell must be worth more than usual to be named."""
SMALL = 0.002
"""A share of the budget that is not worth a word when it stays unspent."""
CALLED = {PROFIT: "incremental profit"}
MEASURE = {"roi": PROFIT}
"""By what a return is judged: on the whole budget it is incremental profit."""


# --------------------------------------------------------------------------- the two sentences
def answer(frontier: Frontier, scenario: Scenario, plan: Plan) -> str:
    """What the plan brings against the current one, and what the next money should do.

    Of a current plan that is kept nothing is known at the margin: its own figures stand there, and
    what is as good by those.
    """
    keep = better_kept(frontier, plan)
    if plan.name == frontier.current:
        then = [own_figures(frontier), *([keep] if keep else as_good(frontier, scenario))]
    elif keep:
        then = [keep]
    else:
        then = _of_next(frontier, scenario, plan)
    return "\n".join(map(wrap, [against_current(frontier, scenario, plan), *then]))


def _of_next(frontier: Frontier, scenario: Scenario, plan: Plan) -> list[str]:
    """The second sentence of the plan itself; none where nothing is known of it at the margin."""
    point = _own_point(frontier, plan)
    return [next_money(frontier, scenario, point)] if point else []


def against_current(frontier: Frontier, scenario: Scenario, plan: Plan) -> str:
    """The first sentence: better, a tie, or another mix."""
    own = frontier.current
    if plan.name == own:
        return f"Keep the current plan {own}{_budgets(frontier, scenario)}: {_why_kept(frontier)}."
    gains = [frontier.gain(plan.name, name) for name in told(frontier)]
    words = (
        f"{plan.name}{_planned(frontier, scenario, plan)} brings {_gains(frontier, plan.name)} against the "
        f"current plan {own}{_budgets(frontier, scenario)}, {_returns(frontier, plan.name)}"
    )
    surely = frontier.outcomes.mode == "sampled"
    if surely and all(lo <= 0 <= hi for _, lo, hi in gains):
        fits = f"The current plan {own} is as good as any: " if frontier.current_fits else ""
        return f"{fits}{words}, which chance alone can explain."
    ties = frontier.ties(plan.name, frontier.objectives[0]) if surely else []
    also = f"; in {frontier.objectives[0]} it ties with {listed(ties)}" if ties else ""
    return f"{words}{also}."


def _why_kept(frontier: Frontier) -> str:
    """By what the current plan is ahead of the plans for the budget; if by nothing, a wish rules those out."""
    own, rivals = frontier.current, [point.plan.name for point in frontier.points]
    for aim in frontier.objectives:
        if all(frontier.statistic(n, aim) <= frontier.statistic(own, aim) for n in rivals):
            more = f"no plan found for this budget brings more {called(MEASURE.get(aim, aim))}"
            return f"{more}, by which roi is judged" if aim == "roi" else more
    return "nothing at this budget is better for what you ask"


def as_good(frontier: Frontier, scenario: Scenario) -> Iterator[str]:
    """Plans that the table shows at least as good as a current plan that is kept."""
    for point in _better_by_the_yuan(frontier)[:1]:
        yield f"By the yuan spent another plan is better: {_offered(frontier, point)}."
    cheaper = _better_with_less(frontier, scenario)
    if cheaper:
        most = max(cheaper, key=lambda p: frontier.figure(p.plan.name, PROFIT))
        costs = f" (which costs {compact(most.plan.total(scenario))} CNY)"
        yield f"Less money does as well or better: {_offered(frontier, most, costs)}."


def _better_by_the_yuan(frontier: Frontier) -> list[Point]:
    """Plans for the budget with better figures that bring less in all, for they spend less."""
    aim = frontier.objectives[0]
    level = frontier.statistic(frontier.current, aim)
    better = [p for p in frontier.points if _shown_better(frontier, p)]
    return [p for p in better if frontier.statistic(p.plan.name, aim) <= level]


def _better_with_less(frontier: Frontier, scenario: Scenario) -> list[Point]:
    """Plans of other budgets that cost less and bring no less of anything that is sought, nor less profit."""
    cost = (1 - SMALL) * frontier.current_plan.total(scenario)
    less = [p for p in frontier.others if p.plan.total(scenario) < cost]
    return [p for p in less if _shown_better(frontier, p, PROFIT)]


def _shown_better(frontier: Frontier, point: Point, *more: str) -> bool:
    """Whether no figure of what is sought is below the current plan's, and one is above it."""
    names = dict.fromkeys((*frontier.objectives, *more))
    pairs = [[frontier.figure(n, m) for n in (point.plan.name, frontier.current)] for m in names]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def _offered(frontier: Frontier, point: Point, costs: str = "") -> str:
    """What another plan brings against the current one."""
    name = point.plan.name
    return f"{name}{costs} brings {_gains(frontier, name)} against it, {_returns(frontier, name)}"


def _gains(frontier: Frontier, plan: str) -> str:
    """What a plan brings more than the current one."""
    return " and ".join(_gain(frontier, m, *frontier.gain(plan, m)) for m in told(frontier))


def _planned(frontier: Frontier, scenario: Scenario, plan: Plan) -> str:
    """Said of a plan that was looked for at another budget."""
    if plan.name not in (point.plan.name for point in frontier.others):
        return ""
    return f" (which plans {compact(frontier.accounted(plan).total(scenario))} of {compact(frontier.budget)} CNY)"


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
    return f"{compact(found['mean'])} {unit_of(name)}{called(name)}{sure}"


def _gain(frontier: Frontier, name: str, mean: float, low: float, high: float) -> str:
    text = f"{signed(mean)} {unit_of(name)}{called(name)}"
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
    own = frontier.accounted(frontier.current_plan).total(scenario)
    if abs(own - frontier.budget) >= 0.005 * frontier.budget:
        if frontier.past:
            gone = f"what is spent before {frontier.past.until:%Y-%m-%d} and planned from it on"
            return f" ({gone} is {compact(own)} CNY, not {compact(frontier.budget)})"
        return f" (which costs {compact(own)} CNY, not {compact(frontier.budget)})"
    return "" if frontier.current_fits else " (which breaks a limit)"


def better_kept(frontier: Frontier, plan: Plan) -> str | None:
    """Of a plan made again whose every next yuan loses: how much of the rest is better kept, and what that brings.

    The plan of most profit tells; None where it does not spend less or bring more.
    """
    if not frontier.past or not frontier.others or not _all_lose(margins_point(frontier, plan)):
        return None
    most = most_profit(frontier)
    less = frontier.figure(plan.name, "spend") - frontier.figure(most, "spend")
    gain = frontier.gain(most, PROFIT, plan.name)
    if less < SMALL * frontier.budget or gain[0] <= 0:
        return None
    return (
        f"From {frontier.past.until:%Y-%m-%d} on no next yuan brings what it costs: {compact(less)} CNY of "
        f"the rest are better kept, as in {most}, which brings {_gain(frontier, PROFIT, *gain)}."
    )


def _all_lose(point: Point) -> bool:
    """Whether the next yuan of every cell brings less than it costs, what else is sought included."""
    values = [max(m.value, m.worth if point.priced else m.value) for m in point.margins.values()]
    return bool(values) and max(values) < 1 - EVEN


def next_money(frontier: Frontier, scenario: Scenario, point: Point) -> str:
    """The second sentence, of the plan that is spoken of: more, less, or enough.

    Away from the end of the best return the next money has no price in money alone: both figures are told.
    """
    price, found = point.shadow_price, point.next_money
    if point.plan.name == frontier.wished:
        return _beyond_wish(frontier, point)
    words = next_of(found, frontier.second) if found and frontier.second else None
    if words and not (point.priced and point is frontier.answered):
        return words
    if price is None or found is None:
        return _no_price(frontier, scenario, point)
    if price < -EVEN:
        return _too_much(frontier, scenario, point)
    if words and point.price_of_new is not None:  # the shadow price holds more than money
        return words
    return _more_or_right(point, price, found)


def _beyond_wish(frontier: Frontier, point: Point) -> str:
    """The second sentence of a plan that was asked for by its figures: what pays best is not what it is held to."""
    if point.next_money:
        return next_of(point.next_money, frontier.second)
    return f"More money {why_no_more(point.margins)}: {unspent_words(frontier, point)}."


def _more_or_right(point: Point, price: float, found: NextMoney) -> str:
    """Where the next yuan [CNY per CNY] does not lose: whether as much as is spoken of pays as well."""
    net, rate = next_of(found, None).rstrip("."), found.profit / found.money
    if rate > EVEN:
        return f"{net}, {_where(point, found.money)}."
    if price > EVEN and rate < -EVEN:
        return f"A little more pays, but {within(net)}."
    about = ", about what they cost" if abs(rate) <= EVEN else ""
    return f"The budget is right: {within(net)}{about}."


def _no_price(frontier: Frontier, scenario: Scenario, point: Point) -> str:
    """The same where no cell can take a little more: a far larger budget may open others that pay."""
    if words := _only_much_more(frontier, scenario, point):
        return words
    most = _of_most_profit(frontier)
    if _surely_more(frontier, most, point) and _spends_less(frontier, most, point):
        return f"Spend less: {_highest(frontier, most)}."
    return f"More money {why_no_more(point.margins)}: {unspent_words(frontier, point)}."


def _only_much_more(frontier: Frontier, scenario: Scenario, point: Point) -> str:
    """Where the plan of most profit surely brings more than the point, and plans more: that it does."""
    most = _of_most_profit(frontier)
    planned, now = most.total(scenario), max(point.budget, point.plan.total(scenario))
    if planned <= (1 + SMALL) * now or not _surely_more(frontier, most, point):
        return ""
    words = _highest(frontier, most)
    return f"Only much more money would bring more: {words} spent, of {compact(planned)} planned."


def _surely_more(frontier: Frontier, most: Plan, point: Point) -> bool:
    """Whether it has more profit than the point, chance apart."""
    return frontier.gain(most.name, PROFIT, point.plan.name)[1] > 0


def why_no_more(margins: Mapping[str, Margin]) -> str:
    """What becomes of more money where no cell can take a little more."""
    if any(m.state == "at_limit" and m.worth > 1 for m in margins.values()):
        return "meets limits"
    states = {m.state for m in margins.values()}
    if "at_target" in states and "full" not in states:
        return "meets the targets of bids"
    return "finds nothing to buy" if not states or "full" in states else "brings less than it costs"


def _too_much(frontier: Frontier, scenario: Scenario, point: Point) -> str:
    """To spend less, or that enough is planned where profit does not fall.

    Money that stays counts as lost at a fixed budget: by that count the last yuan of a plan may not
    come back although profit rises with what is planned.
    """
    less = _as_next_loses(point.next_money)
    if not frontier.others:
        enough = f"Enough is planned: {unspent_words(frontier, point)}."
        return enough if point.unspent > SMALL * frontier.budget else f"Spend less{less}."
    most = _of_most_profit(frontier)
    about = _highest(frontier, most)
    if _spends_less(frontier, most, point):
        return f"Spend less: {about}{less}."
    if words := _only_much_more(frontier, scenario, point):
        return words
    return f"Enough is planned: {about} spent, of {compact(most.total(scenario))} planned."


def _as_next_loses(found: NextMoney | None) -> str:
    """Why to spend less, where what more money would lose is known."""
    if found is None or found.profit >= 0:
        return ""
    return f", for the next {found.money:,.0f} CNY would bring {brings_net(found)}"


def _of_most_profit(frontier: Frontier) -> Plan:
    """The plan of most profit, of all that are shown: a search that is stopped may not have sought it."""
    return frontier.plans[most_profit(frontier)]


def _spends_less(frontier: Frontier, most: Plan, point: Point) -> bool:
    """Whether it spends less than the point by more than is worth a word."""
    highest, now = (frontier.figure(name, "spend") for name in (most.name, point.plan.name))
    return highest < now - SMALL * frontier.budget


def _highest(frontier: Frontier, most: Plan) -> str:
    """At what spend profit is highest."""
    spend = frontier.figure(most.name, "spend")
    return f"profit is highest {f'at about {compact(spend)} CNY' if spend > 0 else 'with nothing spent'}"


def next_of(found: NextMoney, name: str | None) -> str:
    """What the next money brings, in what is sought beside the return first."""
    more = f"{brings_net(found)}."
    if name and found.second is not None:
        second = f"{signed(found.second)} {unit_of(name)}{called(name)}"
        more = f"{second}, and {more}"
    return f"The next {found.money:,.0f} CNY would bring {more}"


def within(sentence: str) -> str:
    """A sentence as a part of another one.

    >>> within("The next yuan pays.")
    'the next yuan pays.'
    """
    return sentence[:1].lower() + sentence[1:]


def brings_net(found: NextMoney) -> str:
    """What the next money brings in money."""
    return f"{signed(found.profit)} CNY net of themselves"


def _where(point: Point, step: float) -> str:
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


def unspent_words(frontier: Frontier, point: Point) -> str:
    """Money that stays, as the table shows it, or that there is use for all of it."""
    if point.unspent < 0.5:
        return "every cell has what it can use"
    return f"{compact(round(frontier.left(point.plan.name)))} CNY stay unspent"


def margins_point(frontier: Frontier, plan: Plan) -> Point:
    """The point of the plan, or the answer's where nothing is known of the plan at the margin."""
    return _own_point(frontier, plan) or frontier.answered


def _own_point(frontier: Frontier, plan: Plan) -> Point | None:
    """The point of the plan, if its margins are known: at the budget, and of the one that was wished."""
    wished = [point for point in frontier.others if point.plan.name == frontier.wished]
    return next((p for p in (*frontier.points, *wished) if p.plan.name == plan.name), None)


# --------------------------------------------------------------------------- words
def interval_of(found: Mapping[str, float | None]) -> str:
    """Of a mean; expected mode has none, nor has what is undefined."""
    low, high = found.get("ci_lo"), found.get("ci_hi")
    return "-" if low is None or high is None else f"{compact(low)} to {compact(high)}"


def signed(value: float) -> str:
    """A difference with its sign.

    >>> signed(3104.2), signed(-0.0412), signed(0)
    ('+3,104', '-0.0412', '0')
    """
    return f"+{compact(value)}" if value > 0 else compact(value)


def unit_of(name: str) -> str:
    """Before the name of a figure: that it is money."""
    return "CNY " if BY_NAME[name].unit == "CNY" else ""


def called(name: str) -> str:
    """The name of a figure in a sentence."""
    return CALLED.get(name) or name.replace("_", " ")


def listed(names: Sequence[str]) -> str:
    """Names with commas and an "and"."""
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
