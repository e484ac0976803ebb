"""Outcomes as plain text: a table for every plan and for its scenes, or for two plans compared.

A table fits a terminal of 80 columns. How a heading is made bold is for the caller to say.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol
from unicodedata import combining, east_asian_width

import numpy as np

from simulator.outcomes.metrics import BY_NAME
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.amounts import compact

Bold = Callable[[str], str]
Figures = Mapping[str, Mapping[str, float | None]]

MAIN_METRICS = (
    "spend", "net_spend", "gmv", "gmv_campaign", "revenue", "profit", "roi", "iroas", "roas", "roas_break_even",
    "new_customers", "cac", "recalled_members", "asset_value",
)  # fmt: skip
BESIDE = {
    "spend": ("commission_media", "message_spend", "money_back"),
    "net_spend": ("fixed_cost",),
    "gmv_campaign": ("deposits", "balances", "forfeited"),
    "revenue": ("settlement",),
}
"""What is shown below a main figure where there is any."""
SCENE_COLUMNS = {
    "spend": "spend",
    "impressions": "shown",
    "clicks": "clicks",
    "orders_attributed": "orders",
    "gmv_attributed": "gmv",
    "roas": "roas",
}
PLAN_COLUMNS = ("net_spend", "gmv", "profit", "roi", "new_customers", "cac")
"""What plans are first compared by."""
PRODUCT_COLUMNS = {"paid_orders": "orders", "gmv": "gmv", "refund_share": "refunds"}
STOCK_COLUMNS = {"unmet": "unmet", "back_on_sale": "back", "left": "left"}
"""Of products whose stock is limited."""
PACKAGE_COLUMNS = {
    "booked": "booked", "delivered": "delivered", "shortfall": "shortfall", "made_good": "made\ngood", "paid": "paid",
}  # fmt: skip
LEFT_COLUMNS = {"planned": "planned", "auction_spend": "spend", "unspent": "unspent"}
COMMISSION_COLUMNS = {"visits": "visits", "gmv": "gmv", "cost": "cost"}
PERCENT = ("refund_share", "sold_out")

TARGET_WORDS = (
    "  target: cost, as the bid counts it, against what its target allows; at 1.00 the\n"
    "  target holds the scene back, below it money or supply does"
)
LEFT_WORDS = (
    "  CNY; in these phases there was no more to buy, or the bid's target or a cap of\n"
    "  the day held the scene back"
)
CHANCE_ONLY = (
    '"Chance only" takes every uncertain number at its value. Means are over all\n'
    "that it may be, and can lie outside."
)


# --------------------------------------------------------------------------- what is shown
def plans_table(outcomes: Outcomes, bold: Bold = str) -> str:
    """Each plan with its main figures, and its scenes."""
    parts, rows = [bold(outcomes.title), _how(outcomes), *_overview(outcomes)], _shown(outcomes)
    for plan in outcomes.plans:
        parts += ["", bold(f"Plan {plan}"), _plan_table(outcomes, plan, rows)]
        parts += ["", f"Scenes of {plan}", _scene_table(outcomes, plan)]
        parts += [*_left_table(outcomes, plan), *_part_tables(outcomes, plan)]
    return "\n".join(parts)


def _overview(outcomes: Outcomes) -> Iterator[str]:
    """The means of all plans side by side, where there are several."""
    if len(outcomes.plans) > 1:
        plans = {plan: outcomes.metrics(plan) for plan in outcomes.plans}
        yield f"\n{_means('plan', plans, {name: name for name in PLAN_COLUMNS})}"
        yield "  means of the plans below; net_spend, gmv, profit, cac: CNY"


def _how(outcomes: Outcomes) -> str:
    """How the figures were made, and what their ranges are: one draw has none."""
    if outcomes.mode == "expected":
        return "expected"
    if outcomes.replications == 1:
        return f"sampled, 1 replication, seed {outcomes.seed}\nOne draw of chance has no ranges: see -n."
    words = (
        f"sampled, {outcomes.replications} replications, seed {outcomes.seed}\n"
        "Ranges hold the middle 80% of the replications (P10 to P90)."
    )
    return words if outcomes.chance_only is None else f"{words}\n{CHANCE_ONLY}"


def _has_ranges(outcomes: Outcomes) -> bool:
    return outcomes.mode == "sampled" and outcomes.replications > 1


class Compared(Protocol):
    """An own figure beside the simulated one."""

    @property
    def name(self) -> str:
        """What is compared."""

    @property
    def own(self) -> float:
        """The user's figure."""

    @property
    def simulated(self) -> float:
        """The scenario's."""


def anchors_table(levels: Mapping[str, float], rows: Iterable[Compared]) -> str:
    """Levels that anchors set, and what they were set by."""
    body = [
        [row.name, compact(row.own), compact(row.simulated), f"{row.simulated / row.own - 1:+.1%}"]
        for row in rows
    ]
    table = columns([["anchor", "own", "simulated", "off"], *body], left=1)
    set_to = ", ".join(f"{name} x{level:.3g}" for name, level in levels.items())
    return f"{table}\n  levels: {set_to}"


def _plan_table(outcomes: Outcomes, plan: str, names: list[str]) -> str:
    figures = outcomes.metrics(plan)
    books, heads = _ranged(outcomes, plan, figures)
    rows = []
    for name in names:
        unit = BY_NAME[name].unit.replace(" per ", "/")
        ranges = [_range(book[name]) for book in books]
        rows.append([name, unit, compact(figures[name]["mean"]), *ranges])
    return columns([["metric", "unit", "mean", *heads], *rows], left=2)


def _shown(outcomes: Outcomes) -> list[str]:
    """The main figures, what lies between them, and what goes wrong, where there is any."""
    shown = []
    for name in MAIN_METRICS:
        shown += [name, *(x for x in BESIDE.get(name, ()) if _any(outcomes, x))]
    return [*shown, *_worries(outcomes)]


def _any(outcomes: Outcomes, name: str) -> bool:
    return any(np.nan_to_num(outcomes.values(plan, name)).any() for plan in outcomes.plans)


def _worries(outcomes: Outcomes) -> Iterator[str]:
    """Money that finds no use, and what goes wrong in the shop, where a plan has much of it."""
    found = [outcomes.metrics(plan) for plan in outcomes.plans]
    if any(map(_leaves_money, found)):
        yield "unspent"
    if any((f["unmet"]["mean"] or 0) > 0.01 * (f["paid_orders"]["mean"] or 0) for f in found):
        yield "unmet"
    if any((f["late_share"]["mean"] or 0) > 0.05 for f in found):
        yield from ("late_share", "shipping_delay")


def _leaves_money(figures: Figures) -> bool:
    """A hundredth of what is spent, or more, stays in the auctions' purses."""
    return (figures["unspent"]["mean"] or 0) > 0.01 * (figures["spend"]["mean"] or 0)


def _ranged(outcomes: Outcomes, plan: str, figures: Figures) -> tuple[list[Figures], list[str]]:
    """The figures whose ranges are shown, and what is written over them."""
    if not _has_ranges(outcomes):
        return [], []
    if outcomes.chance_only is None:
        return [figures], ["range"]
    alone = outcomes.chance_only.metrics(plan)
    return [alone, figures], ["chance\nonly", "chance and\nnot knowing"]


def _range(numbers: Mapping[str, float | None]) -> str:
    low, high = numbers.get("p10"), numbers.get("p90")
    return "-" if low is None or high is None else f"{compact(low)} to {compact(high)}"


def _scene_table(outcomes: Outcomes, plan: str) -> str:
    scenes = outcomes.scenes(plan)
    left = {"unspent": "unspent"} if _leaves_money(outcomes.metrics(plan)) else {}
    aimed = any(figures["target_use"]["mean"] is not None for figures in scenes.values())
    table = _means(
        "scene", scenes, SCENE_COLUMNS | left | ({"target_use": "target"} if aimed else {})
    )
    money = ", ".join(["spend", "gmv", *left])
    words = f"{table}\n  {money}: CNY; roas: gmv per yuan spent"
    return f"{words}\n{TARGET_WORDS}" if aimed else words


def _left_table(outcomes: Outcomes, plan: str) -> Iterator[str]:
    """Where auction money is left, if much is: a row for each phase of a scene that leaves some of it."""
    if not _leaves_money(outcomes.metrics(plan)):
        return
    rows = [
        [cut(scene, 24), phase, *(_cell(name, figures[name]["mean"]) for name in LEFT_COLUMNS)]
        for scene, phases in outcomes.cells(plan).items()
        for phase, figures in phases.items()
        if (figures["unspent"]["mean"] or 0) > 0.01 * (figures["planned"]["mean"] or 0)
    ]
    if rows:
        table = columns([["scene", "phase", *LEFT_COLUMNS.values()], *rows], left=2)
        yield f"\nMoney that {plan} leaves in auctions\n{table}\n{LEFT_WORDS}"


def _part_tables(outcomes: Outcomes, plan: str) -> Iterator[str]:
    """Products, where there are several or one may run out, packages, and what commissioned media did."""
    parts = outcomes.parts(plan)
    goods, partners = parts["products"], parts["commissions"]
    limited = any(figures["left"]["mean"] is not None for figures in goods.values())
    if limited or len(goods) > 1:
        yield f"\nProducts of {plan}\n{_product_table(outcomes, plan, goods, limited=limited)}"
    if parts["packages"]:
        table = _means("package", parts["packages"], PACKAGE_COLUMNS)
        yield f"\nPackages of {plan}\n{table}\n  paid: CNY; all others: impressions"
    if partners:
        table = _means("commission", partners, COMMISSION_COLUMNS)
        yield f"\nCommissioned media of {plan}\n{table}\n  gmv, cost: CNY"


def _product_table(
    outcomes: Outcomes, plan: str, goods: Mapping[str, Figures], *, limited: bool
) -> str:
    """What each product sold, what is left of it, and how often and when it sold out."""
    gone = any(figures["sold_out"]["mean"] for figures in goods.values())
    heads = PRODUCT_COLUMNS | (STOCK_COLUMNS if limited else {})
    words = ["gmv: CNY; refunds: share of orders"]
    if limited:
        words.append("unmet: orders that found no goods; back: refunded units on sale again")
        words.append("left: units at the end")
    rows = _mean_rows("product", goods, heads | ({"sold_out": "sold\nout"} if gone else {}))
    if gone:
        words.append("sold out: share of replications, and the median day (month-day)")
        days = [(day or "-")[-5:] for day in outcomes.sold_out_on(plan).values()]
        rows = [[*row, day] for row, day in zip(rows, ["on", *days], strict=True)]
    return "\n  ".join([columns(rows, left=1), *words])


def _means(what: str, parts: Mapping[str, Figures], heads: Mapping[str, str]) -> str:
    return columns(_mean_rows(what, parts, heads), left=1)


def _mean_rows(
    what: str, parts: Mapping[str, Figures], heads: Mapping[str, str]
) -> list[list[str]]:
    """Means by metric, below what is written over them."""
    body = [
        [cut(name, 24), *(_cell(head, figures[head]["mean"]) for head in heads)]
        for name, figures in parts.items()
    ]
    return [[what, *heads.values()], *body]


def _cell(metric: str, mean: float | None) -> str:
    if metric in PERCENT and mean is not None:
        return f"{mean:.{1 if metric == 'refund_share' else 0}%}"
    return compact(mean)


def differences_table(outcomes: Outcomes, a: str, b: str, bold: Bold = str) -> str:
    """The main figures of plan A less those of plan B, and how sure that is."""
    found = outcomes.differences(a, b)
    sampled = outcomes.mode == "sampled"
    head = ["metric", "A", "B", "A less B"] + ["95% interval", "A better"] * sampled
    rows = []
    for name in MAIN_METRICS:
        row = found[name]
        gap = _without_dust(row["difference"], row["a"])
        cells = [name, *map(compact, (row["a"], row["b"], gap))]
        if sampled:
            low, high, better = row["ci_lo"], row["ci_hi"], row["better"]
            unknown = low is None or high is None
            cells.append("-" if unknown else f"{compact(low)} to {compact(high)}")
            cells.append("-" if better is None or unknown else f"{better:.0%}")
        rows.append(cells)
    return "\n".join([bold(f"A: {a}   B: {b}"), columns([head, *rows], left=1), *_units()])


def _without_dust(gap: float | None, of: float | None) -> float | None:
    """A difference, nothing where it is rounding: sums of two plans have other orders."""
    return 0.0 if gap and of and abs(gap) < 1e-12 * abs(of) else gap


def _units() -> Iterator[str]:
    """Which figures have which unit."""
    for unit in dict.fromkeys(BY_NAME[name].unit for name in MAIN_METRICS):
        yield f"  {unit}: {', '.join(n for n in MAIN_METRICS if BY_NAME[n].unit == unit)}"


# --------------------------------------------------------------------------- columns
def columns(rows: list[list[str]], left: int) -> str:
    """Cells in columns, the first `left` of them flush left; the head may have two lines."""
    head = [cell.split("\n") for cell in rows[0]]
    deep = max(map(len, head))
    above = [[([""] * (deep - len(cell)) + cell)[n] for cell in head] for n in range(deep)]
    table = [*above, *rows[1:]]
    widths = [max(map(width, column)) for column in zip(*table, strict=True)]
    return "\n".join(_line(row, widths, left) for row in table)


def _line(row: list[str], widths: list[int], left: int) -> str:
    cells = []
    for number, (cell, room) in enumerate(zip(row, widths, strict=True)):
        blank = " " * (room - width(cell))
        cells.append(cell + blank if number < left else blank + cell)
    return ("  " + "  ".join(cells)).rstrip()


def width(text: str) -> int:
    """Columns that a text takes in a terminal: Chinese characters take two."""
    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)


def cut(text: str, most: int) -> str:
    """A text that takes at most so many columns."""
    if width(text) <= most:
        return text
    while width(text) >= most:
        text = text[:-1]
    return f"{text}…"
