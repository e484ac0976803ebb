"""The answers to goals and of several files in words: every figure says what it is."""

from dataclasses import replace

import pytest

from simulator.outcomes.compare import share_interval
from simulator.outcomes.goal import Goal
from simulator.outcomes.margin import Margin
from simulator.outcomes.portfolio import SHARED, Portfolio
from simulator.reports import answers
from simulator.reports.advice import UNFINISHED
from simulator.scenario.amounts import compact


@pytest.fixture
def goal(frontier):
    return Goal(
        scenario="shop", metric="new_customers", least={"new_customers": 65.0}, budget=60_000,
        plan=frontier.plans["best 2"], expected={}, current_plan=frontier.current_plan,
        outcomes=frontier.outcomes, tried=((30_000.0, 50.0), (60_000.0, 70.0)),
    )  # fmt: skip


def heading(text):
    """The lines above the first row."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return lines[: next(n for n, line in enumerate(lines) if line.startswith(("30.0k", "best")))]


@pytest.mark.parametrize(
    ("sure", "words"),
    [
        (None, ["new", "budget customers", "CNY in the mean"]),
        (0.9, ["new", "customers", "budget at least, in", "CNY 90% of runs"]),
        (0.995, ["new", "customers", "budget at least, in", "CNY 99.5% of runs"]),
    ],
)
def test_budgets_that_were_tried_say_what_of_the_metric_they_reach(goal, sure, words):
    """With certainty that is a quantile, which no mean should be held against."""
    assert heading(answers.tried_table(replace(goal, sure=sure))) == words


def test_a_goal_of_money_says_so_over_its_columns(goal, scenario):
    gmv = replace(goal, metric="gmv", least={"gmv": 150e3})
    assert heading(answers.tried_table(gmv)) == ["gmv", "budget CNY", "CNY in the mean"]
    assert "CNY CNY of the mean" in heading(answers.goal_table(gmv, scenario))[1]


def test_a_target_that_comes_anyway_takes_no_money(goal):
    assert "To reach 65 new customers needs no advertising," in answers.least_sentence(
        replace(goal, budget=0.0)
    )


@pytest.mark.parametrize("mode", ["sampled", "expected"])
def test_what_a_plan_brings_has_its_unit(goal, mode):
    gmv = replace(goal, metric="gmv", least={"gmv": 150e3})
    text = answers.least_sentence(replace(gmv, outcomes=replace(gmv.outcomes, mode=mode)))
    assert f" {compact(gmv.value)} CNY " in text


def test_a_share_of_runs_is_told_as_it_was_asked_for(goal):
    assert "sought in 99.5% of runs" in answers.least_sentence(replace(goal, sure=0.995))


@pytest.mark.parametrize(
    ("between", "words"),
    [
        ((51_200.0, 93_100.0), ["takes about 60,000 CNY, sought in 90%", "51.2k to 93.1k CNY is possible (95%)."]),
        ((62_900.0, 63_900.0), ["takes about 63,200 CNY, sought in 90%", "62.9k to 63.9k CNY is possible (95%)."]),
        ((51_200.0, None), ["takes about 60,000 CNY, sought in 90%", "51.2k CNY or more is possible (95%)."]),
        (None, ["takes 63,218 CNY at least, sought in 90%", " On other draws another budget is the least."]),
    ],
)  # fmt: skip
def test_a_budget_that_is_sought_surely_is_told_no_finer_than_it_is_known(goal, between, words):
    sought = replace(goal, budget=63_218.0, sure=0.9, between=between)
    text = answers.least_sentence(sought)
    assert words[0] in text and text.endswith(words[1])
    chance = sought.chance("new_customers")
    low, high = share_interval(chance, 20)
    assert f"there in {chance:.0%} of 20 runs (95% interval {low:.0%} to {high:.0%})." in text
    assert sought.as_json()["budget_between"] == (list(between) if between else None)


def test_an_interrupted_search_says_what_it_has_found_so_far(goal, scenario):
    """Its plan is played in the mean only: nothing is said of shares of runs or of intervals."""
    outcomes = replace(goal.outcomes, mode="expected")
    stopped = replace(goal, outcomes=outcomes, finished=False, sure=0.9)
    text = answers.goal_text(stopped, scenario)
    assert text.startswith(UNFINISHED)
    assert " ".join(answers.least_sentence(stopped).split()) == (
        "To reach 65 new customers takes 60,000 CNY at most, sought in 90% of runs: that is the cheapest "
        f"plan so far that gets there, with {goal.value:.1f} expected. A search to the end may find a "
        "cheaper one."
    )
    rows = [line.split() for line in answers.goal_table(stopped, scenario).splitlines()]
    assert [row[-1] for row in rows if row[0] in ("best", "now")] == ["-", "-"]
    assert "95% interval of the mean" not in " ".join(text.split())
    assert not answers.goal_text(goal, scenario).startswith(UNFINISHED)


# --- several files ------------------------------------------------------------------------------


def of_one_empty_cell(frontier, value):
    """A portfolio that plans nothing, for a first yuan does not come back."""
    empty = Margin(0, value, float("nan"), value, "empty")
    return Portfolio(
        budget=60_000, objective="profit_incremental", plans={"shop": frontier.best.plan},
        money={SHARED: {"shop": 0.0}}, unspent=60_000, margins={"shop/a.sale": empty},
        outcomes={"shop": frontier.outcomes},
    )  # fmt: skip


def test_files_whose_cells_would_lose_are_not_said_to_be_sold_out(frontier):
    assert answers.sharing(of_one_empty_cell(frontier, 0.4)).endswith(
        "More money brings less than it costs."
    )


@pytest.mark.parametrize(("value", "told"), [(-508.0, True), (0.4, False)])
def test_why_a_first_yuan_costs_many_is_told_of_several_files_too(frontier, value, told):
    text = answers.cells_table(of_one_empty_cell(frontier, value))
    assert ("a first yuan also pays for running its scene" in text) == told
