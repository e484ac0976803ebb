"""What is asked of a search from Python is checked before the search begins."""

from pathlib import Path

import pytest

import simulator as sim
from simulator.allocation.effort import SHORT
from simulator.errors import UserError

SCENARIO = sim.read_scenario(Path(__file__).parents[2] / "scenarios/minimal.yaml")
TARGET = {"new_customers": 4000}


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda s: sim.optimize(s, "roi"), r"such as \('roi', 'new_customers'\) \(got 'roi'\)"),
        (lambda s: sim.optimize(s, replications=0), "replications must be a whole number"),
        (lambda s: sim.optimize(s, current="half"), "no plan is called 'half'"),
        (lambda s: sim.optimize(s, limits={"harvest": 3}), r"limits are a sim.Limits, such as"),
        (lambda s: sim.optimize(s, budget="nine"), r"the budget must be a number such as 40, 12k"),
        (lambda s: sim.optimize(s, budget=-1), r"the budget must be from 0 up \(got -1\)"),
        (lambda s: sim.optimize(s, budget=0), "the budget must be above 0 CNY"),
        (lambda s: sim.optimize(s, budgets=1.3), r"budgets are multiples of the budget: \(0.7, 1.3\)"),
        (lambda s: sim.optimize(s, budgets={"a": 1}), "budgets are multiples of the budget"),
        (lambda s: sim.optimize(s, budgets=["70%", 0]), r"each of the budgets must be above 0 \(got 0\)"),
        (lambda s: sim.Limits(caps=["live"]), r"caps are a mapping, such as \{'live': 2e5\}"),
        (lambda s: sim.best_target(s, min_roi="half"), "min_roi must be a number such as"),
        (lambda s: sim.best_target(s, at_least={"gmv": "much"}), "gmv must be a number such as"),
        (lambda s: sim.best_target(s, at_least=["gmv"]), "least values are a mapping"),
        (lambda s: sim.replan(s, "half_half", "2021-03-15", spent={"new_customer.normal": "x"}),
         "what new_customer.normal spent must be a number"),
        (lambda s: sim.optimize_portfolio([s, s], labels=["a", "b"], files={"a": 3}), "limits are a sim.Limits"),
        (lambda s: sim.Limits(caps={"live": "5%"}), "the cap of live must be a number, not a percent"),
        (lambda s: sim.Limits(locks={"live": -5}), r"the lock of live must be from 0 up \(got -5\)"),
        (lambda s: sim.least_budget(s, {"new_customers": -1}), r"must be above 0 to be a target \(got -1\)"),
        (lambda s: sim.least_budget(s, 30_000), r"such as \{'new_customers': 30000\} \(got 30000\)"),
        (lambda s: sim.least_budget(s, TARGET, sure=90), "sure is a share of replications"),
        (lambda s: sim.best_target(s, min_roi=1, sure=0), "sure is a share of replications"),
        (lambda s: sim.attribute(s, "half"), "no plan is called 'half'"),
        (lambda s: sim.attribute(s, mode="x"), "mode must be one of expected, sampled"),
        (lambda s: sim.attribute(s, metrics="gmv"), r"metrics are a list, such as \['gmv'\]"),
        (lambda s: sim.replan(s, "half", "2021-03-15"), "no plan is called 'half'"),
        (lambda s: sim.cut_at(s, "someday"), "since: must be a date such as 2020-11-11"),
        (sim.optimize_portfolio, r"a scenario is what sim.read_scenario returns"),
        (lambda s: sim.optimize(s, effort="quick"), r"effort is an Effort .* \(got 'quick'\)"),
        (lambda s: sim.optimize(s, objectives=5), r"such as \('roi', 'new_customers'\) \(got 5\)"),
        (lambda s: sim.optimize(s, past=5), r"past is that of a frontier .* \(got 5\)"),
        (lambda s: sim.optimize(s, limits=sim.Limits(caps={5: 3})), "no scene, .* is called 5"),
        (lambda s: sim.Limits(groups={"g": "live"}), r"scenes of group g are a list, .* \(got 'live'\)"),
        (lambda s: sim.Limits(groups={"g": ["a"], "h": ["a"]}), "a is in two groups: g and h"),
        (lambda s: sim.Limits(packages={"tv.all": "no"}), "package tv.all must be True or False"),
        (lambda s: sim.least_budget(s, TARGET, sure="much"), "sure must be a number such as"),
        (lambda s: sim.best_target(s, min_roi=1, statistic="x"), "a statistic is one of mean, p10, cvar"),
        (lambda s: sim.best_target(s, 5, min_roi=1), "no metric is called 5; known are"),
        (lambda s: sim.optimize_portfolio(5), r"scenarios are a list, .* \(got 5\)"),
        (lambda s: sim.optimize_portfolio([s, s], labels="ab"), r"labels are a list, .* \(got 'ab'\)"),
        (lambda s: sim.optimize_portfolio([s, s], labels=["a", "b"], limits=5), "limits are a mapping"),
        (lambda s: sim.optimize_portfolio([s, s], files=sim.Limits(minimums={"a": 1}), labels=["a", "b"]),
         "files take floors, caps and locks alone"),
        (lambda s: sim.attribute(s, metrics=[]), "metrics must name at least one"),
        (lambda s: sim.attribute(s, metrics=["mroi"]), "'mroi' is no total that could be shared out"),
        (lambda s: sim.attribute(s, orders="x"), r"orders must be a whole number .* \(got 'x'\)"),
        (lambda s: sim.attribute(s, exact="no"), r"exact must be True or False \(got 'no'\)"),
        (lambda s: sim.sweep(5), r"a study is a scenario with what is varied, .* \(got 5\)"),
        (lambda s: sim.sweep(s, over=[]), "over is a mapping"),
        (lambda s: sim.sweep(s, over={"budget": (1, 2, 3, 4)}), "more values stand in a list"),
        (lambda s: sim.sweep(s, plans=sim.Plan("no ads", {}, frozenset())), "'no ads' is always run"),
        (lambda s: sim.sweep(s, plans=5), r"plans are a list, .* \(got 5\)"),
        (lambda s: sim.sweep(s, metrics=5), "metrics must be a list"),
        (lambda s: sim.sweep(s, executor=5), "no executor is called 5"),
        (lambda s: sim.sweep(s, jobs=0), r"jobs must be a whole number from 1 .* \(got 0\)"),
        (lambda s: sim.sweep(s, progress=5), "progress is a function"),
        (lambda s: sim.sweep(s, store=5), r"a store is given by its path \(got 5\)"),
        (lambda s: sim.read_store(None), r"a store is given by its path \(got nothing\)"),
        (lambda s: sim.sweep(s, over="budget"), r"over is a mapping, such as \{'budget'"),
    ],
)  # fmt: skip
def test_a_slip_is_told_in_a_sentence(ask, words):
    with pytest.raises(UserError, match=words):
        ask(SCENARIO)


@pytest.mark.slow
def test_a_slip_in_what_is_picked_is_told():
    found = sim.optimize(SCENARIO, ("roi",), effort=SHORT, replications=2, budgets=["70%"])
    assert [point.budget / SCENARIO.budget for point in found.others][:1] == [pytest.approx(0.7)]
    assert found.pick(min_roi="-50%") == found.pick(min_roi=-0.5)
    with pytest.raises(UserError, match="min_roi must be a number such as"):
        found.pick(min_roi="half")
    with pytest.raises(UserError, match="least values are a mapping"):
        found.pick(at_least=["gmv"])


@pytest.mark.slow
def test_the_current_plan_goes_by_its_name():
    found = sim.optimize(
        SCENARIO, ("roi",), current="mostly_new", effort=SHORT, replications=4, budgets=()
    )
    assert found.current == "mostly_new"
    with pytest.raises(UserError, match=r"sure is a share .* 0.9 for 90% \(got 90\)"):
        found.pick(min_roi=0.5, sure=90)
    with pytest.raises(UserError, match=r"a statistic is one of mean, p10, cvar \(got 'median'\)"):
        found.pick(statistic="median")


def test_a_study_takes_one_plan_and_refuses_one_that_does_not_fit():
    rows = sim.sweep(SCENARIO, over={"budget": [4e4]}, plans="half_half", mode="expected")
    assert set(rows["plan"]) == {"half_half"}
    with pytest.raises(UserError, match="names no scene: 'harvst'"):
        sim.sweep(
            SCENARIO, over={"budget": [4e4]}, plans=sim.Plan("p", {"harvst": {}}, frozenset())
        )


@pytest.mark.slow
def test_money_may_be_written_as_in_a_file():
    assert sim.Limits(caps={"harvest": "20k"}) == sim.Limits(caps={"harvest": 20_000})
    written, number = (
        sim.optimize(SCENARIO, ("roi",), budget=x, effort=SHORT, replications=2, budgets=())
        for x in ("5万", 50_000)
    )
    assert written.points[0].plan.money == number.points[0].plan.money
