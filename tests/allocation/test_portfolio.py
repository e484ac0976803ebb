"""One budget for several files: it beats splits by rule, and its books agree with the files' own."""

import json
from functools import cache

import numpy as np
import pytest
from scipy.stats import t

from simulator.allocation.archive import Archive
from simulator.allocation.effort import SHORT
from simulator.allocation.fair import fair_points
from simulator.allocation.market import PROFIT, SimulatedMarket, make_problem
from simulator.allocation.optimize import optimize
from simulator.allocation.portfolio import PortfolioMarket, beside, optimize_portfolio
from simulator.allocation.problem import Limits, Split
from simulator.engine.simulate import simulate
from simulator.errors import UserError
from simulator.outcomes.portfolio import EQUAL, MOST, OWN, PROPORTIONAL, RIVALS, SHARED
from simulator.reports.answers import sharing, splits_table
from simulator.scenario.amounts import compact
from tests.worlds import booked, brief, expected

RULES = RIVALS[:-1]
"""Splits by rule, and the files' own plans: known whatever is sought."""
QUICK = {"effort": SHORT, "replications": 32}
DEAR = (
    "products.coffee.price=200",
    "budget=30k",
    "scenes.new_customer.budget=15k",
    "scenes.harvest.budget=15k",
    "slots.feed.median_cpm=30",
)


def files():
    return [brief(), brief(*DEAR)]


@cache
def shared():
    return optimize_portfolio(files(), 50_000, labels=["cheap", "dear"], **QUICK)


@pytest.mark.slow
def test_it_beats_the_equal_and_the_proportional_split():
    for rival in (EQUAL, PROPORTIONAL):
        mean, low, high = shared().gain("profit_incremental", rival)
        assert 0 < low < mean < high


@pytest.mark.slow
def test_the_whole_budget_is_split_and_no_split_gets_more():
    money = shared().money
    assert sum(money[SHARED].values()) == pytest.approx(50_000, rel=1e-6)
    assert money[EQUAL] == pytest.approx({"cheap": 25_000, "dear": 25_000}, rel=1e-4)
    assert money[PROPORTIONAL] == pytest.approx(
        {"cheap": 100_000 / 3, "dear": 50_000 / 3}, rel=1e-4
    )
    assert money[OWN] == pytest.approx({"cheap": 60_000, "dear": 30_000}, rel=1e-6)


def test_the_last_yuan_is_worth_the_same_in_every_file():
    worth = {c: m.worth for c, m in shared().margins.items() if m.state == "inside"}
    assert {cell.split("/")[0] for cell in worth} == {"cheap", "dear"}
    assert max(worth.values()) - min(worth.values()) < 0.02
    assert shared().shadow_price == pytest.approx(np.median(list(worth.values())) - 1)


def test_its_figures_are_those_of_a_fresh_run_of_every_file():
    runs = [
        simulate(scenario, [plan], replications=32, daily=False, chance_alone=False)
        for scenario, plan in zip(files(), shared().plans.values(), strict=True)
    ]
    profit = sum(run.values(SHARED, "profit_incremental") for run in runs)
    outlay = sum(run.sample(SHARED, "roi").bottom for run in runs)
    assert shared().figure(SHARED, "profit_incremental") == pytest.approx(profit.mean())
    assert shared().figure(SHARED, "roi") == pytest.approx(profit.mean() / outlay.mean())
    answer = json.loads(json.dumps(shared().as_json(), allow_nan=False))
    assert answer["gains"][EQUAL]["mean"] == shared().gain("profit_incremental", EQUAL)[0]
    assert list(shared().table().index) == [SHARED, *RIVALS]


def test_its_figures_carry_their_intervals():
    """Those of the mean of 32 replications of all files together; the table shows half of each."""
    run = sum(
        simulate(scenario, [plan], replications=32, daily=False, chance_alone=False).values(
            SHARED, "new_customers"
        )
        for scenario, plan in zip(files(), shared().plans.values(), strict=True)
    )
    half = t.ppf(0.975, 31) * run.std(ddof=1) / np.sqrt(32)
    low, high = shared().interval(SHARED, "new_customers")
    assert (low, high) == (pytest.approx(run.mean() - half), pytest.approx(run.mean() + half))
    row = shared().table().loc[SHARED]
    assert (row["new_customers.ci_lo"], row["new_customers.ci_hi"]) == (low, high)
    assert f"±{compact(half)}" in splits_table(shared())


@pytest.mark.slow
def test_inside_its_money_a_file_is_split_as_well_as_alone():
    money = shared().money[EQUAL]["dear"]
    alone = optimize(
        brief(*DEAR), ("roi",), budget=money, budgets=(), effort=SHORT, replications=2
    ).best  # fmt: skip
    plan = shared().outcomes["dear"]
    assert plan.plans[0] == SHARED
    best = alone.expected[PROFIT]
    equal = optimize_portfolio(
        files(), 50_000, labels=["cheap", "dear"], files=Limits(locks={"dear": money}),
        effort=SHORT, replications=2,
    )  # fmt: skip
    assert equal.money[SHARED]["dear"] == pytest.approx(money, rel=1e-3)
    world = brief(*DEAR)
    played = expected(world, [equal.plans["dear"]], vectors=fair_points(world))
    found = played.metrics(SHARED)["profit_incremental"]
    assert found["mean"] == pytest.approx(best, rel=5e-3)


@pytest.mark.slow
def test_limits_hold_inside_a_file_and_for_the_whole_of_it():
    found = optimize_portfolio(
        files(), 50_000, labels=["cheap", "dear"], files=Limits(floors={"cheap": 30_000}),
        limits={"dear": Limits(locks={"harvest": 2_000})}, effort=SHORT, replications=2,
    )  # fmt: skip
    assert found.money[SHARED]["cheap"] >= 30_000 * (1 - 1e-6)
    assert sum(found.plans["dear"].money["harvest"].values()) == pytest.approx(2_000, rel=1e-6)


@pytest.mark.slow
def test_a_cap_that_binds_nothing_costs_nothing():
    """Rivals that keep the limits of files may take the place of the shared split also under limits."""
    capped = optimize_portfolio(
        files(), 300_000, labels=["cheap", "dear"], files=Limits(caps={"dear": 300_000}), **QUICK
    )
    for rival in (EQUAL, PROPORTIONAL):
        assert capped.gain(PROFIT, rival)[0] >= -1_000


@pytest.mark.slow
def test_what_is_better_kept_is_said():
    """At five times what the files are made for, the split of most profit spends a fraction of it."""
    found = optimize_portfolio(files(), 150_000, labels=["cheap", "dear"], **QUICK)
    spends = sum(found.money[MOST].values())
    assert spends < 50_000 and found.shadow_price < -0.5
    assert found.gain(PROFIT, MOST)[2] < -20_000
    within = optimize_portfolio(files(), spends, labels=["cheap", "dear"], **QUICK)
    bring = [f.figure(split, PROFIT) for f, split in ((within, SHARED), (found, MOST))]
    assert bring[0] == pytest.approx(bring[1], rel=0.01)
    words = " ".join(sharing(found).split())
    assert f"Most profit is made with {compact(spends)} CNY: +" in words
    assert "against the most profit" not in words and "up to 3 times" in splits_table(found)


# --- packages -----------------------------------------------------------------------------------


def dear_booking(**limits):
    """A package of 24,000 CNY brings less than half of that; the cells have more money than they need."""
    worlds = [brief(), booked("slots.focus.cpm=40")]
    own = {"booked": Limits(packages={"focus.opening": limits["booked"]})} if limits else None
    return optimize_portfolio(
        worlds, 75_000, labels=["plain", "booked"], limits=own, replications=32
    )


@pytest.mark.slow
def test_a_package_that_loses_is_booked_in_no_split():
    """Beside the answer of several files stands no plan that costs less; what frees a cell it met is used."""
    free, forced = dear_booking(), dear_booking(booked=True)
    for split in (SHARED, EQUAL, PROPORTIONAL):
        assert free.money[split]["booked"] < 75_000 - 24_000
        assert free.figure(split, PROFIT) > forced.figure(split, PROFIT) + 8_000
    assert free.plans["booked"].packages == frozenset()
    assert forced.plans["booked"].packages == {"focus.opening"}
    inside = [m.worth for m in free.margins.values() if m.state == "inside"]
    assert max(inside) - min(inside) < 0.01
    assert "booking booked/focus.opening would lose" in free.binding[0]


# --- stopped ------------------------------------------------------------------------------------


def stopped_at(words):
    def told(said, share):
        assert 0.0 <= share <= 1.0
        if said == words:
            raise KeyboardInterrupt

    return told


STAGES = {
    f"seeking the best {EQUAL}": None,
    f"seeking the best {PROPORTIONAL}": [EQUAL, OWN],
    "sharing the budget": list(RULES),
    "racing under chance": list(RULES),
    "asking what is better kept": list(RULES),
    "checking on fresh draws": list(RIVALS),
}
"""What is told, in this order, and the rivals that are known by then."""


@pytest.mark.slow
def test_it_tells_what_it_does():
    told = []
    optimize_portfolio(
        files(), 50_000, labels=["a", "b"], progress=lambda *said: told.append(said), **QUICK
    )
    words, shares = zip(*told, strict=True)
    assert list(words) == list(STAGES)
    assert list(shares) == sorted(shares) and 0 <= shares[0] < shares[-1] < 1


@pytest.mark.slow
@pytest.mark.parametrize("words", list(STAGES)[1:])
def test_ctrl_c_gives_the_best_split_so_far(words):
    found = optimize_portfolio(
        files(), 50_000, labels=["cheap", "dear"], progress=stopped_at(words), **QUICK
    )
    assert (found.finished, found.mode, found.rivals) == (False, "expected", STAGES[words])
    assert sum(found.money[SHARED].values()) <= 50_000 * (1 + 1e-6)
    for rival in found.rivals[:-1]:  # own plans cost more
        assert found.gain(PROFIT, rival)[0] >= -1e-6 * 50_000
    again = [
        expected(scenario, [plan]).metrics(SHARED)[PROFIT]["mean"]
        for scenario, plan in zip(files(), found.plans.values(), strict=True)
    ]
    assert found.figure(SHARED, PROFIT) == pytest.approx(sum(again))
    answer = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert answer["finished"] is False
    assert {rival: gain.keys() for rival, gain in answer["gains"].items()} == {
        rival: {"mean"} for rival in found.rivals
    }
    assert list(found.table().index) == [SHARED, *found.rivals]


@pytest.mark.slow
def test_a_split_so_far_keeps_the_limits(monkeypatch):
    """The key is pressed while plans are played; the rivals need not keep what the split must."""
    inside, keys = Archive.__call__, [1]

    def pressed(archive, split):
        if len(archive.played) == 6 and keys:
            raise KeyboardInterrupt(keys.pop())
        return inside(archive, split)

    monkeypatch.setattr(Archive, "__call__", pressed)
    found = optimize_portfolio(
        files(), 50_000, labels=["cheap", "dear"], files=Limits(caps={"dear": 26_000}),
        limits={"dear": Limits(locks={"harvest": 2_000})}, **QUICK,
    )  # fmt: skip
    assert (found.finished, found.rivals) == (False, [OWN])
    assert sum(found.plans["dear"].money["harvest"].values()) == pytest.approx(2_000)
    assert found.money[SHARED]["dear"] <= 26_000 * (1 + 1e-6)


def test_ctrl_c_before_anything_is_known_is_passed_on():
    with pytest.raises(KeyboardInterrupt):
        optimize_portfolio(files(), progress=stopped_at(next(iter(STAGES))), labels=["a", "b"])


# --- other objectives ---------------------------------------------------------------------------


@pytest.mark.slow
def test_what_is_no_money_has_no_price_in_money():
    found = optimize_portfolio(
        files(), 50_000, labels=["cheap", "dear"], objective="new_customers", effort=SHORT,
        replications=2,
    )  # fmt: skip
    answer = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert answer["shadow_price"] is None
    assert {row["worth"] for row in answer["marginal"].values()} == {None}
    seconds = [m.second for m in found.margins.values() if m.state == "inside"]
    # a fifth of the budget: each further customer costs more than the first
    assert 0.5 * min(seconds) <= answer["next_10k"]["new_customers"] <= max(seconds)
    # one price of new customers in all files; what a step would gain is less than 0.02% of them
    assert max(seconds) < 1.15 * min(seconds)
    assert abs(answer["next_10k"]["profit_incremental"]) < 10_000
    assert "new customers, and " in " ".join(sharing(found).split())


# --- what binds ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limits", "line"),
    [
        (Limits(caps={"dear": 12_000}), "cap of file dear: 12,000 CNY"),
        (Limits(floors={"cheap": 45_000}), "floor of file cheap: 45,000 CNY"),
        (Limits(locks={"dear": 9_000}), "lock of file dear: 9,000 CNY"),
        (Limits(caps={"dear": 49_000}, floors={"cheap": 1_000}), None),
    ],
)
def test_limits_of_whole_files_that_bind_are_named(limits, line):
    found = optimize_portfolio(
        files(), 50_000, labels=["cheap", "dear"], files=limits, effort=SHORT, replications=2
    )
    assert [said for said in found.binding if " of file " in said] == ([line] if line else [])


# --- the market ---------------------------------------------------------------------------------


def test_a_market_of_two_files_adds_them_up_and_plays_nothing_twice():
    worlds = [brief(), booked()]
    problems = [make_problem(w, 50_000) for w in worlds]
    each = [SimulatedMarket(w, p, [PROFIT]) for w, p in zip(worlds, problems, strict=True)]
    market = PortfolioMarket(each, problems)
    ones = [
        Split(np.full((3, len(p.cells)), 3000.0), np.zeros((3, len(p.packages)), bool))
        for p in problems
    ]
    ones[1].money[2] *= 2
    ones[1].booked[1] = True
    found = market(beside(ones))
    apart = [each[n](rows) for n, rows in enumerate(ones)]
    assert np.array_equal(found.values, apart[0].values + apart[1].values)
    assert np.array_equal(found.spent, np.concatenate([a.spent for a in apart], axis=1))
    assert market.evaluations == 1 + 3  # one row of the first file, three of the second
    market(beside(ones))
    assert market.evaluations == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": ["a"]}, "two or more files"),
        ({"labels": ["a", "a"]}, "names that differ"),
        ({"labels": ["a", "b"], "limits": {"c": Limits()}}, "no file is called 'c'"),
        ({"labels": ["a", "b"], "files": Limits(caps={"c": 1})}, "no file is called 'c'"),
        ({"labels": ["a", "b"], "objective": "fame"}, "no objective is called"),
        (
            {"labels": ["a", "b"], "limits": {"a": Limits(groups={"g": ["harvest"]})}},
            "files are groups",
        ),
    ],
)
def test_what_makes_no_portfolio_is_refused(options, words):
    with pytest.raises(UserError, match=words):
        optimize_portfolio(files(), **options)
