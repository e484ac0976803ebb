"""Goals both ways: what they answer is the least, the most, and what a fresh run of the plan says."""

import json
from dataclasses import replace

import numpy as np
import pytest

from simulator.allocation.archive import Archive
from simulator.allocation.bounds import best_target
from simulator.allocation.effort import SHORT
from simulator.allocation.fair import fair_points
from simulator.allocation.goals import _Ladder, least_budget
from simulator.allocation.optimize import optimize
from simulator.allocation.problem import Limits
from simulator.allocation.quest import Draws
from simulator.errors import RunError, UserError
from simulator.outcomes.goal import StoppedShort, TargetMissed
from tests.worlds import booked, brief, expected, one, sampled

QUICK = {"effort": SHORT, "replications": 16}


def mean(scenario, plan, metric):
    played = expected(scenario, [plan], vectors=fair_points(scenario))
    return played.metrics(plan.name)[metric]["mean"]


# --- the least budget ---------------------------------------------------------------------------


@pytest.mark.slow
def test_the_least_budget_just_reaches_its_target():
    world = brief()
    goal = least_budget(world, {"new_customers": 2900}, **QUICK)
    assert mean(world, goal.plan, "new_customers") == pytest.approx(2900, rel=1e-3)
    assert goal.budget == pytest.approx(goal.plan.total(world))
    assert goal.expected["new_customers"] == pytest.approx(2900, rel=1e-3)
    less = optimize(
        world, ("new_customers",), budget=0.97 * goal.budget, budgets=(), effort=SHORT, replications=2
    )  # fmt: skip
    assert less.best.expected["new_customers"] < 2900


@pytest.mark.slow
def test_what_it_reaches_rises_with_the_budget():
    goal = least_budget(booked(), {"gmv": 420_000}, **QUICK)
    budgets, values = zip(*goal.tried, strict=True)
    assert list(budgets) == sorted(budgets)
    assert list(values) == sorted(values)
    assert goal.expected["gmv"] == pytest.approx(420_000, rel=1e-3)


@pytest.mark.slow
def test_a_profit_has_a_least_budget_too():
    world = brief()
    goal = least_budget(world, {"profit_incremental": 4000}, **QUICK)
    assert mean(world, goal.plan, "profit_incremental") == pytest.approx(4000, rel=1e-3)
    assert goal.budget < 5000


COSTLY = ("scenes.harvest.fixed_cost=300", "scenes.new_customer.fixed_cost=300")


def without_ads(world):
    """Profit of a world that is left to itself [CNY]."""
    played = expected(world, vectors=fair_points(world))
    return played.metrics("no ads")["profit"]["mean"]


@pytest.mark.slow
def test_a_profit_is_all_of_it_fixed_costs_taken_off():
    """As wherever else it is named: what comes without ads is part of it."""
    world = brief(*COSTLY)
    goal = least_budget(world, {"profit": without_ads(world) + 3000}, **QUICK)
    assert (goal.metric, goal.least.keys()) == ("profit", {"profit"})
    gained = mean(world, goal.plan, "profit_incremental")
    assert gained == pytest.approx(3000, abs=3e-4 * without_ads(world))
    assert goal.expected["profit"] == mean(world, goal.plan, "profit")


@pytest.mark.slow
def test_a_profit_that_comes_anyway_costs_nothing():
    assert least_budget(brief(), {"profit": 0.9 * without_ads(brief())}, **QUICK).budget == 0.0


def test_a_profit_out_of_reach_is_named_whole():
    nearest = r"reaches profit 900k CNY in the mean: the nearest is 1\d\dk CNY$"
    with pytest.raises(TargetMissed, match=nearest):
        least_budget(brief(), {"profit": 900e3}, **QUICK)


@pytest.mark.slow
def test_what_comes_anyway_costs_nothing():
    goal = least_budget(brief(), {"new_customers": 100}, **QUICK)
    assert goal.budget == 0.0
    assert goal.expected["new_customers"] > 100


@pytest.mark.slow
def test_a_target_out_of_reach_names_what_is_near():
    words = r"up to 120,000 CNY reaches new_customers 9,900 in the mean: the nearest is 3,\d+$"
    with pytest.raises(TargetMissed, match=words) as caught:
        least_budget(brief(), {"new_customers": 9900}, most=120_000, **QUICK)
    assert caught.value.exit_code == RunError.exit_code
    goal = least_budget(brief(), {"new_customers": 0.99 * caught.value.nearest}, **QUICK)
    assert goal.budget < 120_000


# --- as surely as asked ---------------------------------------------------------------------------


def ladder(*levels, sure=0.9):
    """Budgets of 10, 20 .. thousand CNY, and what they reach: as read, and both ends of its interval."""
    budgets = 1e4 * np.arange(1, len(levels) + 1)
    return _Ladder(None, Draws(100, 1, sure), "new_customers", 50.0, budgets, np.array(levels))


def test_a_bracket_inside_the_noise_is_closed():
    wide, narrow = (ladder((40, 40 - x, 40 + x), (52, 52 - x, 52 + x)) for x in (30.0, 20.0))
    assert (wide._is_close(1), narrow._is_close(1)) == (True, False)


def test_where_the_least_budget_lies_is_what_the_interval_of_the_quantile_leaves_open():
    found = ladder((30, 20, 40), (45, 35, 55), (55, 45, 65))
    assert found.between == (pytest.approx(10_000 + 10_000 * 10 / 15), None)
    found = ladder((30, 20, 40), (45, 35, 55), (70, 60, 80))
    assert found.between[1] == pytest.approx(20_000 + 10_000 * 15 / 25)
    assert ladder((30, 30, 30), (60, 60, 60), sure=None).between is None


@pytest.mark.slow
def test_other_draws_answer_nearly_the_same_and_get_there_as_surely():
    """Of one batch of draws the quantile was so much luck that budgets differed by a factor of two."""
    world, target = brief("products.coffee.luck_sd=0.1"), {"new_customers": 2250}
    options = {"sure": 0.9, "effort": SHORT, "replications": 50}
    goals = [least_budget(world, target, seed=seed, **options) for seed in (11, 12, 13)]
    budgets = [goal.budget for goal in goals]
    assert max(budgets) < 1.3 * min(budgets)
    for goal in goals:
        low, high = goal.between
        assert low < goal.budget < high < 2 * low
        plans = [replace(goal.plan, name="again")]
        fresh = sampled(world, plans, replications=400, seed=99, spreads=True)
        assert (fresh.values("again", "new_customers") >= 2250).mean() == pytest.approx(
            0.9, abs=0.06
        )


# --- stopped ------------------------------------------------------------------------------------


def stopped_at(words):
    def told(said, share):
        assert 0.0 <= share <= 1.0
        if said == words:
            raise KeyboardInterrupt

    return told


@pytest.mark.slow
def test_it_tells_what_it_does():
    told = []
    least_budget(
        brief(), {"new_customers": 2900}, progress=lambda *said: told.append(said), **QUICK
    )
    words, shares = zip(*told, strict=True)
    assert list(dict.fromkeys(words)) == [
        "looking everywhere", "closing in on the budget", "planning what is spent",
        "checking on fresh draws",
    ]  # fmt: skip
    assert list(shares) == sorted(shares) and 0 <= shares[0] < shares[-1] < 1


@pytest.mark.slow
@pytest.mark.parametrize(("sure", "least"), [(None, 2450), (0.9, 2300)])
def test_ctrl_c_gives_the_cheapest_plan_so_far(sure, least):
    world, target = brief("products.coffee.luck_sd=0.1"), {"new_customers": least}
    options = {"sure": sure, "effort": SHORT, "replications": 24}
    whole = least_budget(world, target, **options)
    goal = least_budget(world, target, progress=stopped_at("closing in on the budget"), **options)
    assert (whole.finished, goal.finished) == (True, False)
    assert goal.outcomes.mode == "expected"
    assert goal.expected["new_customers"] == mean(world, goal.plan, "new_customers") >= least
    assert 0.99 * whole.budget < goal.budget <= 2 * world.budget
    answer = json.loads(json.dumps(goal.as_json(), allow_nan=False))
    assert (answer["finished"], answer["chances"]) == (False, {"new_customers": None})
    assert answer["new_customers"].keys() == {"mean"}


@pytest.mark.slow
def test_ctrl_c_while_the_plan_is_checked_keeps_it():
    options = {"target": {"new_customers": 2900}, **QUICK}
    goal = least_budget(brief(), progress=stopped_at("checking on fresh draws"), **options)
    assert not goal.finished and goal.outcomes.mode == "expected"
    assert goal.plan == least_budget(brief(), **options).plan


@pytest.fixture
def third_call(monkeypatch):
    """The key is pressed while plans are played, after the wide sweep."""
    inside = Archive.__call__

    def pressed(archive, split):
        if len(archive.played) == 3:
            raise KeyboardInterrupt
        return inside(archive, split)

    monkeypatch.setattr(Archive, "__call__", pressed)


@pytest.mark.usefixtures("third_call")
def test_a_plan_so_far_keeps_limits_that_sweeps_leave_aside():
    limits = Limits(locks={"harvest": 4_321}, floors={"new_customer.sale": 1_234})
    goal = least_budget(brief(), {"new_customers": 2450}, limits=limits, **QUICK)
    assert not goal.finished
    assert sum(goal.plan.money["harvest"].values()) == pytest.approx(4_321)
    assert goal.plan.money["new_customer"]["sale"] >= 1_234 * (1 - 1e-9)


@pytest.mark.usefixtures("third_call")
def test_ctrl_c_before_any_plan_gets_there_is_a_sentence():
    words = r"^stopped before a budget was found that reaches new_customers 9,900 in the mean: "
    with pytest.raises(StoppedShort, match=rf"{words}the nearest so far is \d,\d+$") as caught:
        least_budget(brief(), {"new_customers": 9900}, **QUICK)
    assert caught.value.exit_code == 130


def test_ctrl_c_before_anything_is_known_is_passed_on(monkeypatch):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Archive, "__call__", pressed)
    with pytest.raises(KeyboardInterrupt):
        least_budget(brief(), {"gmv": 1}, **QUICK)


@pytest.mark.slow
def test_being_sure_costs_more():
    world = brief("products.coffee.luck_sd=0.1")
    target = {"new_customers": 2300}
    mean_only = least_budget(world, target, **QUICK)
    sure = least_budget(world, target, sure=0.9, effort=SHORT, replications=40)
    assert sure.budget > 1.05 * mean_only.budget
    assert sure.chance("new_customers") >= 0.8
    answer = json.loads(json.dumps(sure.as_json(), allow_nan=False))
    assert answer["chances"]["new_customers"] == sure.chance("new_customers")
    assert answer["plan"] == sure.plan.money


@pytest.mark.parametrize("target", [{"roi": 1}, {"clicks": 5}, {"gmv": 1, "new_customers": 1}, {}])
def test_only_one_target_that_money_brings_can_be_sought(target):
    with pytest.raises(UserError, match=r"one target|return falls|no target is called"):
        least_budget(brief(), target)


# --- the best target ----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_return_that_binds_just_holds():
    world = brief()
    goal = best_target(world, "new_customers", min_roi=0.2, **QUICK)
    assert mean(world, goal.plan, "roi") == pytest.approx(0.2, abs=2e-4)
    assert goal.budget < world.budget
    front = optimize(world, budget=goal.budget, budgets=(), effort=SHORT, replications=2)
    assert all(
        p.expected["new_customers"] <= 1.002 * goal.expected["new_customers"] for p in front.points
    )


@pytest.mark.slow
def test_a_profit_that_binds_is_all_of_it():
    world = brief(*COSTLY)
    kept = 0.97 * without_ads(world)
    goal = best_target(world, "new_customers", at_least={"profit": kept}, **QUICK)
    assert mean(world, goal.plan, "profit") == pytest.approx(kept, rel=1e-3)


def test_a_bound_that_does_not_bind_leaves_the_whole_budget():
    goal = best_target(brief(), "new_customers", min_roi=-0.9, **QUICK)
    assert goal.budget == pytest.approx(60_000, rel=1e-3)
    assert goal.expected["roi"] > -0.9


@pytest.mark.slow
def test_of_two_bounds_the_tighter_one_binds():
    world = brief()
    goal = best_target(world, "profit", at_least={"new_customers": 2800, "gmv": 1e5}, **QUICK)
    assert goal.expected["new_customers"] == pytest.approx(2800, rel=1e-3)
    assert goal.expected["gmv"] > 1.1e5
    there = least_budget(world, {"new_customers": 2800}, **QUICK)
    # Both are met to a thousandth, and here a thousandth more customers take a hundredth more money.
    assert goal.budget >= 0.99 * there.budget


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({"min_roi": 50}, r"roi >= 50\.0: the nearest is 0\.\d"),
        ({"at_least": {"gmv": 1e9}}, r"gmv >= 1\.00bn CNY: the nearest is 4\d\dk CNY$"),
        ({"min_roi": 0.3, "at_least": {"new_customers": 2900}}, "the nearest is"),
    ],
)
def test_bounds_out_of_reach_name_what_is_near(bounds, words):
    with pytest.raises(TargetMissed, match=words):
        best_target(
            brief(), "new_customers" if "min_roi" in bounds else "profit", **bounds, **QUICK
        )


@pytest.mark.slow
def test_a_bound_can_be_asked_for_with_certainty():
    world = brief("products.coffee.luck_sd=0.1")
    loose = best_target(world, "new_customers", min_roi=-0.15, **QUICK)
    sure = best_target(
        world, "new_customers", min_roi=-0.15, sure=0.9, statistic="p10", effort=SHORT, replications=40
    )  # fmt: skip
    assert sure.chance("roi") >= 0.8
    assert sure.budget < loose.budget


@pytest.mark.slow
def test_a_bound_that_holds_in_the_mean_may_bind_under_chance():
    options = {"min_roi": -0.3, "effort": SHORT, "replications": 40}
    loose = best_target(brief(), "new_customers", **options)
    sure = best_target(brief(), "new_customers", sure=0.95, **options)
    assert loose.expected["roi"] > -0.29  # nothing binds
    assert sure.chance("roi") > loose.chance("roi")
    assert sure.budget < loose.budget


@pytest.mark.slow
def test_the_most_in_bad_runs_is_sought_while_a_bound_holds_in_the_mean():
    """In that of the runs that the search plays: they are kinder than the mean field is."""
    world = brief("products.coffee.luck_sd=0.1")
    options = {"effort": SHORT, "replications": 8}
    goal = best_target(world, "new_customers", min_roi=0.0, statistic="cvar", **options)
    runs = {"replications": 8, "seed": 12, "spreads": True, "chance_alone": False}
    assert one(sampled(world, [goal.plan], **runs), "roi")[0] == pytest.approx(0.01, abs=0.01)
    assert goal.expected["roi"] < -0.05


@pytest.mark.slow
def test_a_certainty_out_of_reach_names_what_is_near():
    world = brief("products.coffee.luck_sd=0.1")
    words = r"keeps roi >= 0\.300 in 99% of replications: the nearest is [5-9]\d\.\d%$"
    with pytest.raises(TargetMissed, match=words):
        best_target(world, "new_customers", min_roi=0.3, sure=0.99, **QUICK)


def test_the_best_return_is_no_goal():
    with pytest.raises(UserError, match="ask optimize"):
        best_target(brief(), "roi", at_least={"gmv": 1})


# --- the best target, stopped -------------------------------------------------------------------


@pytest.mark.slow
def test_the_search_for_a_best_target_tells_what_it_does():
    told = []
    best_target(
        brief(), "new_customers", min_roi=0.2, progress=lambda *said: told.append(said), **QUICK
    )
    words, shares = zip(*told, strict=True)
    assert list(dict.fromkeys(words)) == [
        "weighing the figures", "closing in on the figures", "checking on fresh draws",
    ]  # fmt: skip
    assert list(shares) == sorted(shares) and 0 <= shares[0] < shares[-1] < 1


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"sure": 0.9}, {"statistic": "cvar"}])
def test_ctrl_c_gives_the_best_plan_so_far_that_keeps_the_bounds(how):
    world = brief("products.coffee.luck_sd=0.1")
    options = {"min_roi": -0.15, "effort": SHORT, "replications": 24, **how}
    stop = stopped_at("asking chance" if how else "closing in on the figures")
    whole = best_target(world, "new_customers", **options)
    goal = best_target(world, "new_customers", progress=stop, **options)
    assert (whole.finished, goal.finished) == (True, False)
    assert goal.outcomes.mode == "expected" and goal.expected["roi"] >= -0.15
    reached = goal.expected["new_customers"]
    assert 0.9 * whole.expected["new_customers"] < reached <= 1.02 * whole.expected["new_customers"]


@pytest.mark.usefixtures("third_call")
@pytest.mark.parametrize("sure", [None, 0.9])
def test_ctrl_c_before_any_plan_keeps_the_bounds_is_a_sentence(sure):
    words = (
        r"^stopped: so far no plan for 60,000 CNY reaches roi >= 50\.0: the nearest is -?\d\.\d+$"
    )
    with pytest.raises(StoppedShort, match=words) as caught:
        best_target(brief(), "new_customers", min_roi=50, sure=sure, **QUICK)
    assert caught.value.exit_code == 130
