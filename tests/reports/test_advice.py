"""The answer in words says what the figures say, calls ties ties, and fits a terminal."""

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from unicodedata import east_asian_width

import numpy as np
import pytest

from simulator.outcomes.frontier import Past
from simulator.outcomes.margin import Margin, NextMoney
from simulator.reports import advice, sentences
from simulator.scenario import read_scenario
from simulator.scenario.amounts import compact
from simulator.scenario.plan import Plan
from tests.outcomes.synthetic import make_frontier
from tests.worlds import booked, plan

ROOT = Path(__file__).parents[2]
MINIMAL = ROOT / "scenarios/minimal.yaml"


def with_margins(frontier, next_money=None, **margins):
    best = replace(frontier.best, margins=margins, next_money=next_money)
    return replace(frontier, points=(best, *frontier.points[1:]))


def next_money(frontier):
    """The second sentence of the best plan."""
    return sentences.next_money(frontier, read_scenario(MINIMAL), frontier.best)


def times(plan, factor):
    """The plan with so many times its money."""
    money = {s: {f: factor * v for f, v in own.items()} for s, own in plan.money.items()}
    return replace(plan, money=money)


def joined(text):
    return " ".join(text.split())


def test_the_first_sentence_is_the_paired_gain_over_the_current_plan(frontier, scenario):
    first = joined(sentences.answer(frontier, scenario, frontier.plans["best 1"]))
    gain = frontier.gain("best 1", "profit_incremental")
    assert gain == pytest.approx((18_000, 18_000, 18_000))
    assert first.startswith(
        "best 1 brings +18.0k CNY incremental profit (95% interval +18.0k to +18.0k) and "
        "0 new customers (95% interval 0 to 0, a tie) against the current plan now, at a roi of "
    )


def test_a_return_has_one_definition_in_the_whole_answer(frontier, scenario):
    text = joined(advice.advice_text(frontier, scenario))
    own, best = (compact(frontier.outcomes.metrics(n)["roi"]["mean"]) for n in ("now", "best 1"))
    assert f", at a roi of {best} beside {own}" in text
    assert f" {best} " in joined(advice.frontier_table(frontier, scenario))
    assert not re.search(r"[+-][0-9.]+ roi", text)


@pytest.mark.parametrize("objectives", [("roi",), ("gmv",), ("profit", "new_customers")])
def test_profit_and_new_customers_are_told_whatever_is_sought(scenario, objectives):
    frontier = make_frontier(scenario, objectives=objectives)
    text = sentences.against_current(frontier, scenario, frontier.plans["best 2"])
    gain = frontier.gain("best 2", "new_customers")[0]
    assert f"{sentences.signed(gain)} new customers (95%" in text
    assert text.count(" CNY incremental profit (95%") == 1
    assert (" CNY gmv (95%" in text) == ("gmv" in objectives)


def test_a_plan_that_spends_nothing_has_no_return(frontier, scenario, monkeypatch):
    monkeypatch.setattr(sentences, "_mean", lambda _, plan, __: "-" if plan == "best 1" else "-0.5")
    text = sentences.against_current(frontier, scenario, frontier.best.plan)
    assert text.endswith(", with nothing spent, where that one has a roi of -0.5.")


def test_a_current_plan_that_spends_nothing_has_no_return(frontier, scenario, monkeypatch):
    monkeypatch.setattr(sentences, "_mean", lambda _, plan, __: "-" if plan == "now" else "1.5")
    text = sentences.against_current(frontier, scenario, frontier.best.plan)
    assert text.endswith(", at a roi of 1.5, where that one spends nothing.")
    monkeypatch.setattr(sentences, "_mean", lambda *_: "-")
    text = sentences.against_current(frontier, scenario, frontier.best.plan)
    assert text.endswith(" against the current plan now, with nothing spent.")


def test_a_tie_with_the_current_plan_is_called_one(frontier, scenario):
    same = make_frontier(scenario)
    rows = same.outcomes.book.totals
    n = same.outcomes.replications
    swing = np.array([(-1) ** k for k in range(n)])
    for name, size in (("gmv", 3000), ("new_customers", 5)):
        rows[name][:n] = rows[name][2 * n : 3 * n] + size * swing  # best 1 is "now" give or take
    first = joined(sentences.against_current(same, scenario, same.best.plan))
    assert first.startswith("The current plan now is as good as any: best 1 brings ")
    assert first.endswith("which chance alone can explain.")
    broken = replace(same, current_fits=False)  # no answer, however good
    first = joined(sentences.against_current(broken, scenario, same.best.plan))
    assert first.startswith("best 1 brings ") and "now (which breaks a limit)" in first


def test_the_current_plan_may_be_the_answer(frontier, scenario):
    text = sentences.against_current(frontier, scenario, frontier.current_plan)
    assert text == "Keep the current plan now: nothing at this budget is better for what you ask."


def test_a_current_plan_that_is_kept_is_told_by_its_own_figures(frontier, scenario):
    """The next money of another plan would be taken for that of the plan which is kept."""
    text = joined(sentences.answer(frontier, scenario, frontier.current_plan))
    found = frontier.outcomes.metrics("now")
    parts = [
        f"{compact(found[name]['mean'])} {words} (95% interval {compact(found[name]['ci_lo'])} to "
        f"{compact(found[name]['ci_hi'])})"
        for name, words in (
            ("profit_incremental", "CNY incremental profit"),
            ("new_customers", "new customers"),
        )
    ]
    roi = compact(found["roi"]["mean"])
    assert text.endswith(f"ask. It brings {' and '.join(parts)}, at a roi of {roi}.")
    stopped = make_frontier(scenario, mode="expected", finished=False)
    text = joined(sentences.answer(stopped, scenario, stopped.current_plan))
    assert "interval" not in text and "new customers, at a roi of" in text


def test_a_plan_is_kept_for_what_roi_is_judged_by_and_a_better_figure_is_named(scenario):
    """A plan that spends less has the higher roi and more new customers, but brings less in all."""
    made = make_frontier(scenario)
    book, best = made.outcomes.book, slice(0, made.outcomes.replications)
    book.scenes["spend"][0, best] *= 0.7
    book.totals["gmv"][best] *= 0.8
    book.totals["new_customers"][best] *= 1.05
    spare = replace(made, points=made.points[:1], others=())
    own = spare.current_plan
    assert spare.pick() is own
    assert spare.figure("best 1", "roi") > spare.figure("now", "roi")
    text = joined(sentences.answer(spare, scenario, own))
    assert text.startswith(
        "Keep the current plan now: no plan found for this budget brings more incremental profit, "
        "by which roi is judged."
    )
    assert "By the yuan spent another plan is better: best 1 brings -" in text
    roi = compact(spare.outcomes.metrics("best 1")["roi"]["mean"])
    assert text.endswith(f"against it, at a roi of {roi} beside 1.00.")


def test_a_plan_that_is_kept_for_more_new_customers_says_so(scenario):
    asked = replace(make_frontier(scenario, objectives=("new_customers",)), points=())
    text = sentences.against_current(asked, scenario, asked.current_plan)
    assert text.endswith(": no plan found for this budget brings more new customers.")


def test_less_money_that_does_better_than_the_plan_that_is_kept_is_named(frontier, scenario):
    """The plan of most profit costs less than the current one, and brings more of everything."""
    (_, most), own = frontier.others, frontier.current_plan
    cheap = replace(frontier, others=(replace(most, plan=times(most.plan, 0.8)),))
    text = joined(sentences.answer(cheap, scenario, own))
    words = (
        " Less money does as well or better: most profit (which costs 48.0k CNY) brings +12.0k CNY"
    )
    assert words in text
    assert text.endswith("against it, at a roi of 1.00 beside 1.00.")
    assert "Less money" not in sentences.answer(frontier, scenario, own)


def test_a_current_plan_without_money_has_no_return(frontier, monkeypatch):
    monkeypatch.setattr(sentences, "_mean", lambda *_: "-")
    assert sentences.own_figures(frontier).endswith(", with nothing spent.")


def test_the_second_sentence_is_of_the_plan_that_is_picked(frontier, scenario):
    """Its price counts the second objective at a price of its own, and is no money."""
    cells = {"a.sale": Margin(50_000, 1.08, 220, 2.8, "inside")}
    found = NextMoney(10_000, 790.0, 215.0)
    second = replace(frontier.points[1], margins=cells, next_money=found)
    both = replace(frontier, points=(frontier.best, second))
    text = joined(sentences.answer(both, scenario, second.plan))
    assert "would bring +215 new customers, and +790 CNY net of themselves." in text
    assert "What binds best 1\n" in advice.advice_text(both, scenario, second.plan)


def wished(frontier, next_money=None, **margins):
    """Beside a best plan that would gain 3,000 CNY, one that was asked for by its figures."""
    rich = with_margins(frontier, NextMoney(10_000, 3_000.0, 215.0), **margins)
    cheap, most = rich.others
    point = replace(cheap, margins=margins, next_money=next_money)
    return replace(rich, others=(point, most), wished=cheap.plan.name)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (NextMoney(10_000, -900.0, 88.0),
         "The next 10,000 CNY would bring +88.0 new customers, and -900 CNY net of themselves."),
        (None, "More money finds nothing to buy: every cell has what it can use."),
    ],
)  # fmt: skip
def test_beside_a_wish_the_next_money_is_that_of_the_wished_plan(frontier, scenario, found, words):
    cells = {"a.sale": Margin(50_000, 0.91, 88, 0.91, "inside" if found else "full")}
    both = wished(frontier, found, **cells)
    said = joined(sentences.answer(both, scenario, both.others[0].plan))
    assert said.endswith(words) and said.count("would bring") == bool(found)


def test_where_no_next_money_is_known_of_a_plan_none_of_another_is_told(frontier, scenario):
    """A plan at another budget that is picked: what the best plan would gain is not what it would."""
    cells = {"a.sale": Margin(50_000, 1.3, 210, 1.3, "inside")}
    rich = with_margins(frontier, NextMoney(10_000, 3_000.0, 215.0), **cells)
    assert "would bring" in sentences.answer(rich, scenario, rich.best.plan)
    said = sentences.answer(rich, scenario, rich.others[0].plan)
    assert said.startswith("70% best 1") and "would bring" not in said


def test_plans_that_cost_differently_are_told_apart(frontier, scenario):
    double = replace(frontier, budget=120_000)
    text = sentences.against_current(double, scenario, frontier.best.plan)
    assert "against the current plan now (which costs 60.0k CNY, not 120k)" in text
    text = sentences.against_current(double, scenario, double.current_plan)
    assert text.startswith("Keep the current plan now (which costs 60.0k CNY, not 120k): nothing")


def test_a_plan_made_again_says_of_what_it_is_made_up(frontier, scenario):
    """What auctions leave before the date is in no plan: 60,000 CNY were planned, 27,000 and the rest are there."""
    spent = {"new_customer.normal": 20_000.0, "new_customer.sale": 5_000.0, "harvest.sale": 2_000.0}
    again = replace(frontier, past=Past(datetime(2021, 3, 27), spent))
    text = sentences.against_current(again, scenario, again.best.plan)
    gone = "what is spent before 2021-03-27 and planned from it on"
    assert f"the current plan now ({gone} is 27.0k CNY, not 60.0k)" in text


@pytest.mark.parametrize(
    ("fits", "words"), [(True, "now, at a roi"), (False, "now (which breaks a limit), at a roi")]
)
def test_a_current_plan_that_breaks_limits_is_told(frontier, scenario, fits, words):
    asked = replace(frontier, current_fits=fits)
    text = sentences.against_current(asked, scenario, frontier.best.plan)
    assert f"against the current plan {words}" in text


@pytest.mark.parametrize(("times", "told"), [(2.5, False), (3.0, True)])
def test_where_the_search_for_profit_ended_is_told(frontier, scenario, times, told):
    most = replace(frontier.others[-1], budget=times * frontier.budget)
    table = advice.frontier_table(replace(frontier, others=(most,)), scenario)
    assert (f"{most.plan.name}: looked for up to 3 times the budget" in table) == told


@pytest.mark.parametrize(
    ("worth", "net", "words"),
    [
        (1.3, 3_000, "The next 10,000 CNY would bring +3,000 CNY net of themselves, most of all in a.sale."),
        (1.01, 100, "The budget is right: the next 10,000 CNY would bring +100 CNY net of themselves, about"
         " what they cost."),
        (1.01, -1_171, "The budget is right: the next 10,000 CNY would bring -1,171 CNY net of themselves."),
        (1.3, -1_171, "A little more pays, but the next 10,000 CNY would bring -1,171 CNY net of themselves."),
    ],
)  # fmt: skip
def test_the_second_sentence_follows_the_shadow_price_and_what_was_played(
    frontier, scenario, worth, net, words
):
    cells = {
        "a.sale": Margin(50_000, worth + 0.1, 0, worth, "inside"),
        "b.sale": Margin(10_000, worth, 0, worth, "inside"),
        "c.sale": Margin(10_000, 9.0, 0, 9.0, "full"),
    }
    assert next_money(with_margins(frontier, NextMoney(10_000, net), **cells)) == words


def test_spend_less_or_enough_is_planned(frontier, scenario):
    """Where the last yuan does not come back, what counts is whether profit falls with what is spent."""
    cells = {"a.sale": Margin(50_000, 0.6, 0, 0.6, "inside")}
    found = NextMoney(10_000, -4_000.0)
    poor = replace(frontier.best, margins=cells, unspent=0.0, next_money=found)
    alone = replace(frontier, points=(poor,), others=())
    left = replace(alone, points=(replace(poor, unspent=9_000.0, budget=69_000),))
    last = "for the next 10,000 CNY would bring -4,000 CNY net of themselves."
    assert next_money(alone) == f"Spend less, {last}"
    assert next_money(left) == "Enough is planned: 9,000 CNY stay unspent."


def in_mid_campaign(frontier, margin):
    """The plan of most profit spends 12,000 CNY less than the current one and brings 6,000 more."""
    names = ("most profit", "best 2", "best 1", "even split", "70% best 1", "now")
    outcomes = replace(frontier.outcomes, axes=replace(frontier.outcomes.axes, plans=names))
    past = Past(datetime(2021, 3, 15), {"new_customer.normal": 9_000.0})
    points = (replace(frontier.best, margins={"a.sale": margin}),)
    return replace(frontier, points=points, outcomes=outcomes, past=past)


def test_what_of_a_current_plan_is_better_kept_in_mid_campaign(frontier, scenario):
    made = in_mid_campaign(frontier, Margin(50_000, 0.6, 0, 0.6, "inside"))
    said = joined(sentences.answer(made, scenario, made.current_plan))
    assert said.startswith("Keep the current plan now")
    assert " It brings " in said
    assert said.endswith(
        "From 2021-03-15 on no next yuan brings what it costs: 12.0k CNY of the rest are better kept, "
        "as in most profit, which brings +6,000 CNY incremental profit (95% interval +6,000 to +6,000)."
    )


@pytest.mark.parametrize(("value", "worth"), [(1.1, 0.6), (0.6, 1.1), (0.99, 0.6)])
def test_nothing_is_better_kept_where_a_next_yuan_pays(frontier, value, worth):
    made = in_mid_campaign(frontier, Margin(50_000, value, 0, worth, "inside"))
    assert sentences.better_kept(made, made.current_plan) is None


def test_nothing_is_better_kept_where_spending_less_brings_less(frontier):
    made = in_mid_campaign(frontier, Margin(50_000, 0.6, 0, 0.6, "inside"))
    lean = replace(made, others=made.others[:1])
    assert lean.figure("70% best 1", "spend") < 0.8 * lean.figure("now", "spend")
    assert sentences.better_kept(lean, lean.current_plan) is None
    assert sentences.better_kept(replace(made, others=()), made.current_plan) is None
    assert sentences.better_kept(replace(made, past=None), made.current_plan) is None


def test_what_the_plan_of_most_profit_spends_is_told(frontier, scenario):
    """A plan may hold more than it spends on average: what counts is what is spent."""
    cells = {"a.sale": Margin(50_000, 0.6, 0, 0.6, "inside")}
    best, (cheap, dear) = frontier.best, frontier.others
    spends = {p.plan.name: frontier.figure(p.plan.name, "spend") for p in (best, cheap, dear)}
    assert spends[best.plan.name] < 0.9 * spends[dear.plan.name]
    found = NextMoney(10_000, -4_000.0)
    dear_now = replace(dear, margins=cells, next_money=found)
    less = replace(frontier, points=(dear_now,), others=(best,))
    words = f"Spend less: profit is highest at about {compact(spends[best.plan.name])} CNY, for"
    assert next_money(less).startswith(words)
    poor = replace(cheap, margins=cells, next_money=found)
    four = replace(dear, plan=times(dear.plan, 4))
    more = replace(frontier, points=(poor,), others=(four,))
    words = f"highest at about {compact(spends[dear.plan.name])} CNY spent, of 240k planned."
    assert next_money(more) == f"Only much more money would bring more: profit is {words}"


@pytest.mark.parametrize("cells", [{"a.sale": Margin(50_000, 0.6, 0, 0.6, "inside")}, {}])
def test_profit_is_highest_where_a_plan_that_is_shown_has_most(frontier, cells):
    """A search that is stopped has not sought it: the last plan at another budget may have less than others."""
    best, (cheap, dear) = frontier.best, frontier.others
    stopped = replace(
        frontier, points=(replace(dear, margins=cells),), others=(best, cheap), finished=False
    )
    profit = [frontier.figure(p.plan.name, "profit_incremental") for p in (cheap, dear, best)]
    assert profit == sorted(profit)
    assert next_money(stopped).startswith("Spend less: profit is highest at about 60.0k CNY")


def test_a_little_less_spent_is_no_advice(frontier):
    """Another plan of the budget with more profit may leave a few yuan."""
    cells = {"a.sale": Margin(50_000, 0.6, 0, 0.6, "inside")}
    poor = replace(frontier.points[1], margins=cells, next_money=NextMoney(10_000, -4_000.0))
    text = next_money(replace(frontier, points=(poor, frontier.best)))
    assert (
        text == "Enough is planned: profit is highest at about 60.0k CNY spent, of 60.0k planned."
    )


def test_small_budgets_are_told_of_small_steps(frontier, scenario):
    cells = {"a.sale": Margin(300, 1.3, 0, 1.3, "inside")}
    small = with_margins(frontier, NextMoney(100, 30.0), **cells)
    assert next_money(small).startswith("The next 100 CNY would bring +30.0 CNY")


@pytest.mark.parametrize(
    ("small", "empty", "where"),
    [
        ((40_000, 1.35), 1.0, "most of all in a.sale"),
        ((4_000, 1.35), 1.0, "about the same wherever there is more to buy"),
        ((40_000, 1.31), 1.0, "about the same wherever there is more to buy"),
        ((4_000, 1.35), 1.4, "most of all in d.sale"),
    ],
)
def test_a_cell_is_named_where_it_is_worth_more_and_can_take_the_money(
    frontier, scenario, small, empty, where
):
    money, value = small
    cells = {
        "a.sale": Margin(money, value, 0, 1.3, "inside"),
        "b.sale": Margin(50_000, 1.3, 0, 1.3, "inside"),
        "c.sale": Margin(50_000, 1.3, 0, 1.3, "inside"),
        "d.sale": Margin(0, empty, 0, empty, "empty"),
    }
    words = next_money(with_margins(frontier, NextMoney(10_000, 3_000.0), **cells))
    assert words.endswith(f"net of themselves, {where}.")


def test_where_the_return_does_not_count_the_next_money_is_told_in_what_is_sought(
    frontier, scenario
):
    cells = {
        "a.sale": Margin(30_000, 1.4, 200, 300.0, "inside"),
        "b.sale": Margin(10_000, 0.6, 280, 320.0, "inside"),
    }
    found = with_margins(frontier, NextMoney(10_000, 1_900.0, 215.0), **cells)
    end = replace(found, points=(replace(found.best, priced=False), *found.points[1:]))
    assert next_money(end) == (
        "The next 10,000 CNY would bring +215 new customers, and +1,900 CNY net of themselves."
    )


def test_what_new_customers_are_worth_is_not_called_money(frontier, scenario):
    """Between the ends the shadow price counts them: money that loses may be worth spending."""
    cells = {"a.sale": Margin(40_000, 0.4, 90, 1.9, "inside")}
    found = NextMoney(10_000, -6_100.0, 85.0)
    between = replace(frontier.points[1], margins=cells, next_money=found)
    assert between.price_of_new and between.shadow_price == pytest.approx(0.9)
    assert next_money(replace(frontier, points=(between, frontier.best))) == (
        "The next 10,000 CNY would bring +85.0 new customers, and -6,100 CNY net of themselves."
    )


def test_cells_that_would_lose_are_not_said_to_be_sold_out(frontier, scenario):
    """Nothing is planned because nothing pays, not because there is nothing to buy."""
    none = with_margins(frontier, **{"a.sale": Margin(0, 0.4, 0, 0.4, "empty")})
    left = replace(
        none, points=(replace(none.best, unspent=60_000.0, budget=120_000), *none.points[1:])
    )
    assert next_money(left) == "More money brings less than it costs: 60.0k CNY stay unspent."


def test_money_that_finds_nothing_to_buy_is_told(frontier, scenario):
    full = with_margins(frontier, **{"a.sale": Margin(50_000, 1.2, 0, 1.2, "full")})
    left = replace(
        full, points=(replace(full.best, unspent=9_000.0, budget=69_000), *full.points[1:])
    )
    text = next_money(left)
    assert text == "More money finds nothing to buy: 9,000 CNY stay unspent."


def test_money_that_pays_only_beyond_a_lock_is_told(frontier, scenario):
    """A lock that takes the whole budget: nothing takes a little more, other scenes take far more."""
    full = with_margins(frontier, **{"a.sale": Margin(60_000, 0.0, 0, 0.0, "full")})
    best, most = full.best, replace(full.others[-1], plan=times(full.points[0].plan, 2))
    poor = replace(best, plan=full.points[1].plan)
    assert full.gain(most.plan.name, "profit_incremental", poor.plan.name)[1] > 0
    spent = compact(full.figure(most.plan.name, "spend"))
    assert next_money(replace(full, points=(poor,), others=(most,))) == (
        f"Only much more money would bring more: profit is highest at about {spent} CNY spent, "
        "of 120k planned."
    )


def test_small_budgets_are_told_of_small_steps_in_what_is_sought_too(frontier, scenario):
    cells = {"a.sale": Margin(300, 1.4, 200, 300.0, "inside")}
    found = with_margins(frontier, NextMoney(100, 40.0, 2.0), **cells)
    end = replace(found, points=(replace(found.best, priced=False), *found.points[1:]))
    words = "The next 100 CNY would bring +2.00 new customers, and +40.0 CNY net of themselves."
    assert next_money(end) == words


def test_noise_is_no_figure(frontier, scenario):
    """Nothing is told in powers of ten, nor a fen that is left over."""
    noise = with_margins(frontier, **{"a.sale": Margin(60_000, 0.9997, 4e-12, 1.0, "inside")})
    row = advice.margins_table(noise, noise.best.plan).splitlines()[-1]
    assert row.split() == ["a.sale", "60.0k", "0", "0"]
    left = replace(noise, points=(replace(noise.best, unspent=0.0187), *noise.points[1:]))
    row = next(n for n in advice.frontier_table(left, scenario).splitlines() if "best 1 " in n)
    assert row.split()[3] == "0"


def test_what_the_next_money_brings_says_where_it_is_money(scenario):
    gmv = make_frontier(scenario, objectives=("roi", "gmv"))
    assert " CNY gmv\n" in advice.margins_table(gmv, gmv.best.plan)


def test_the_frontier_table_has_every_plan_with_its_figures(frontier, scenario):
    whole = replace(frontier, even_plan=Plan.even(scenario, "even split"))
    lines = advice.frontier_table(whole, scenario).splitlines()
    rows = [line for line in lines if line.startswith("  ")][2:]
    names = ["best 1", "best 2", "now (now)", "even split", "70% best 1", "most profit"]
    for name, row in zip(names, rows, strict=False):
        assert row.startswith(f"  {name} ")
        found = frontier.outcomes.metrics(name.removesuffix(" (now)"))["roi"]
        low, mean, high = (compact(found[key]) for key in ("ci_lo", "mean", "ci_hi"))
        assert f" {mean} {low} to {high} " in joined(row)
    assert rows[4].split()[3] == "42.0k"
    assert "  roi: Net incremental return 增量净回报率 [x]" in lines
    assert lines[-1] == "  best incremental profit in a race under chance: best 1"
    left = [row.split()[2 + name.count(" ")] for name, row in zip(names, rows, strict=False)]
    assert left[2] == compact(frontier.budget - frontier.figure("now", "spend"))


def test_the_price_of_a_new_customer_stands_beside_what_it_brings(frontier):
    assert advice.repeat_value(frontier, "best 2") == pytest.approx(2.0)
    rows = [joined(line) for line in advice.prices_table(frontier).splitlines()]
    assert rows[2] == "best 1 - 2.00 an end of the frontier"
    assert rows[3] == "best 2 3.00 2.00 dearer than it brings"
    assert advice._verdict(3.0, 4.0) == "worth its price"


def test_the_advice_is_where_price_and_value_cross(frontier):
    cheap, dear = (
        replace(frontier.points[1], price_of_new=price, plan=frontier.plans[name])
        for name, price in (("best 1", 1.5), ("best 2", 2.5))
    )
    crossing = replace(frontier, points=(cheap, dear))
    last = advice.prices_table(crossing).splitlines()[-1]
    assert last == "  Go towards new customers as far as best 1: from best 2 on they cost more."
    assert "Go towards" not in advice.prices_table(replace(frontier, points=(cheap,)))


def test_moves_are_in_words(frontier):
    text = joined(advice.moves_text(frontier))
    assert text == (
        "move 400k CNY from harvest.sale to new_customer.normal: +24.0k CNY, +3,100 new customers"
    )
    assert "none" in advice.moves_text(replace(frontier, moves=()))


def test_money_by_scene_and_phase_adds_up(scenario, frontier):
    plan = frontier.plans["best 1"]
    rows = [line.split() for line in advice.money_table(scenario, plan).splitlines()]
    assert rows[0] == ["scene", "normal", "sale", "packages", "in", "all"]
    assert rows[1][0::4] == ["new_customer", "42.0k"]
    assert rows[2] == ["harvest", "-", "18.0k", "-", "18.0k"]


def test_a_package_stands_beside_the_money_of_the_scene_that_pays_it():
    """600,000 impressions at 5 CNY per mille."""
    world = booked()
    own = plan(world, new_customer={"normal": 10_000, "sale": 4_000}, harvest=9_000)
    lines = advice.money_table(world, own).splitlines()
    assert lines[1].split() == ["new_customer", "7,857", "3,143", "3,000", "14.0k"]
    assert lines[2].split() == ["harvest", "-", "9,000", "-", "9,000"]
    assert lines[3] == "  packages: focus.opening"


def test_a_wide_table_is_cut_into_blocks():
    rows = [["scene", *"abcdefghij"], ["live", *"0123456789"]]
    first, second = advice.blocks(rows)
    assert first.splitlines()[0].split() == ["scene", *"abcdefg"]
    assert second.splitlines()[1].split() == ["live", *"789"]


def test_an_empty_cell_shows_what_entering_brings(frontier):
    lines = advice.margins_table(frontier, frontier.best.plan).splitlines()
    empty = next(line for line in lines if "harvest.sale" in line)
    assert empty.split() == ["harvest.sale", "-", "-0.300", "+90.0", "no", "money"]


def test_what_the_first_yuan_of_a_scene_pays_for_is_told_where_it_costs_many(frontier):
    note = "a first yuan also pays for running its scene"
    assert note not in advice.margins_table(frontier, frontier.best.plan)
    dear = with_margins(frontier, **{"live.sale": Margin(0.0, -50.0, 0, -50.0, "empty")})
    assert note in advice.margins_table(dear, dear.best.plan)


def test_unspent_money_of_the_plan_is_told_where_it_matters(frontier):
    second = frontier.points[1]
    for left, told in ((100.0, False), (2_000.0, True)):
        points = (frontier.best, replace(second, unspent=left, budget=62_000.0))
        lines = advice.binding_lines(replace(frontier, points=points), second.plan)
        assert ("best 2: 2,000 CNY stay unspent" in lines) == told


def test_one_objective_has_no_second_column(scenario):
    single = make_frontier(scenario, objectives=("roi",))
    text = advice.advice_text(single, scenario)
    text = text[text.index("Plans that nothing beats") :]  # the sentence before tells of them
    assert "new customers" not in text and "One more" not in text


def test_an_unfinished_answer_says_so_and_has_no_intervals(scenario):
    stopped = make_frontier(scenario, mode="expected", finished=False, leader="")
    text = advice.advice_text(stopped, scenario)
    assert text.startswith(advice.UNFINISHED)
    assert "interval" not in text and "a tie" not in text and "ties" not in text


def test_everything_fits_80_columns(frontier, scenario):
    text = advice.advice_text(frontier, scenario)
    wide = [sum(1 + (east_asian_width(c) in "WF") for c in line) for line in text.splitlines()]
    assert max(wide) <= 80


def test_long_lines_break_between_words():
    assert sentences.wrap("  " + "word " * 30, indent=4).splitlines()[1].startswith("    word")
    assert sentences.wrap("字" * 50) == "字" * 50  # one word cannot be broken


def test_a_plan_of_the_scenario_may_be_picked(frontier, scenario):
    text = advice.advice_text(frontier, scenario, Plan.even(scenario, "now"))
    assert "The next yuan in best 1" in text
