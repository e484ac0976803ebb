"""`adsim optimize`: what it passes on, what it prints and saves, and how it ends."""

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from simulator import cli
from simulator.allocation.effort import SHORT
from simulator.allocation.truth import left_out
from simulator.cli_optimize import _goal_written
from simulator.console import uninterrupted
from simulator.errors import UserError
from simulator.outcomes import read_outcomes, write_outcomes
from simulator.outcomes.frontier import Past
from simulator.outcomes.goal import Goal
from simulator.outcomes.portfolio import EQUAL, SHARED, Portfolio
from simulator.reports.sentences import interval_of, signed
from simulator.reports.tables import width
from simulator.scenario import read_scenario
from simulator.scenario.cut import cut_at
from simulator.scenario.plan import Plan
from tests.outcomes.synthetic import make_axes, make_frontier, make_outcomes

ROOT = Path(__file__).parents[1]
MINIMAL = str(ROOT / "scenarios/minimal.yaml")


def answer(*arguments):
    return CliRunner().invoke(cli.adsim, ["optimize", MINIMAL, *arguments, "--jobs", "1"])


@pytest.fixture
def room(monkeypatch):
    """An optimiser that notes how it is called, and answers what the test puts there."""
    calls: list[Any] = []

    def optimize(scenario, objectives, **options):
        calls.append((scenario, objectives, options))
        return stand_in.answer

    frontier = make_frontier(read_scenario(MINIMAL))
    stand_in = SimpleNamespace(optimize=optimize, calls=calls, answer=frontier)
    goal = make_goal(frontier)

    def replan(scenario, plan, since, *, objectives, **options):
        return optimize(scenario, objectives, current=plan, since=since, **options)

    others = {
        "optimize": stand_in,
        "replan": SimpleNamespace(replan=replan),
        "goals": SimpleNamespace(least_budget=lambda s, to, **o: calls.append((s, to, o)) or goal),
    }
    for name, module in others.items():
        monkeypatch.setitem(sys.modules, f"simulator.allocation.{name}", module)
    return stand_in


def make_goal(frontier):
    return Goal(
        scenario="shop", metric="new_customers", least={"new_customers": 65.0}, budget=60_000,
        plan=frontier.plans["best 2"], expected={}, current_plan=frontier.current_plan,
        outcomes=frontier.outcomes, tried=((30_000.0, 50.0), (60_000.0, 70.0)),
    )  # fmt: skip


QUICK = ("--quick", "-n", "16")
LEAST = ("--least-budget", "new_customers=5400")


# --------------------------------------------------------------------------- what is asked
def test_it_passes_on_what_it_is_told(room):
    assert answer().exit_code == 0
    scenario, objectives, options = room.calls.pop()
    assert scenario == read_scenario(MINIMAL)
    assert objectives == ("roi", "new_customers")
    assert (options["budget"], options["replications"], options["seed"]) == (60_000, 100, 11)
    assert (options["effort"], options["executor"], options["progress"]) == (None, None, None)
    assert (options["current"].name, options["label"]) == ("half_half", "minimal")
    more = (
        "--budget",
        "8万",
        "--objective",
        "gmv",
        "--plan",
        "mostly_new",
        "-n",
        "9",
        "--seed",
        "5",
    )
    assert answer(*more, "--quick", "--set", "budget=70k").exit_code == 0
    scenario, objectives, options = room.calls.pop()
    assert (scenario.budget, objectives, options["budget"]) == (70_000, ("gmv",), 80_000)
    assert (options["current"].name, options["effort"]) == ("mostly_new", SHORT)
    assert (options["replications"], options["seed"]) == (9, 5)


def test_limits_are_amounts_as_in_scenario_files(room):
    limits = ("--lock", "harvest=12k", "--floor", "new_customer.sale=0.2万", "--cap", "harvest=30%")
    more = ("--minimum", "new_customer=10%", "--package", "a.b=yes", "--package", "a.c=no")
    assert answer("--budget", "50k", *limits, *more).exit_code == 0
    found = room.calls[0][2]["limits"]
    assert found.locks == {"harvest": 12_000}
    assert found.floors == {"new_customer.sale": 2_000}
    assert found.caps == {"harvest": 15_000}
    assert found.minimums == {"new_customer": 5_000}
    assert found.packages == {"a.b": True, "a.c": False}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lock", "harvest"), "--lock: write NAME=VALUE (got 'harvest')"),
        (("--lock", "harvest=much"), "--lock harvest: must be a number such as 40, 12k"),
        (("--lock", "harvest=0.3"), "less than one yuan; did you mean 30%?"),
        (
            ("--least-budget", "new_customers=5000", "--lock", "harvest=0.3"),
            "less than one yuan; give whole yuan",
        ),
        (("--cap", "harvest=-1"), "--cap harvest: must lie between 0 and the budget (got '-1')"),
        (("--cap", "harvest=130%"), "--cap harvest: must lie between 0 and the budget"),
        (("--cap", "harvest=1k", "--cap", "harvest=2k"), "--cap: harvest is given twice"),
        (("--package", "a.b=perhaps"), "--package a.b: write yes or no (got 'perhaps')"),
        (("--budget", "lots"), "--budget: must be a number"),
        (("--budget", ""), "--budget is empty: give it a value, or leave it out"),
        (("--plan", ""), "--plan is empty"), (("--since", ""), "--since is empty"),
        (("--least-budget", ""), "--least-budget is empty"),
        ((*LEAST, "--least-budget", "gmv=1m"), "--least-budget: give it once"),
        (("--plan", "a", "--plan", "b"), "--plan: give it once (got a and b)"),
        (("--budget", "-5"), "--budget: must be above 0, and a share at most 100% of the budget of"),
        (("--budget", "200%"), "--budget: must be above 0, and a share at most 100% of the budget of"),
        (("--target", "new_customers=5%"), "--target new_customers: give an amount, not a share"),
        (("--least-budget", "gmv=50%"), "--least-budget gmv: give an amount, not a share (got '50%')"),
        (("--budget", "0"), "--budget: must be 1 yuan at least (got '0')"),
        ((*LEAST, "--budget", "0"), "--budget: must be 1 yuan at least (got '0')"),
        (("--sure", "90%"), "--sure says how surely --min-roi is reached: give both"),
        (("--min-roi", "1", "--sure", "90"), "--sure: must lie above 0 and up to 100% (got '90')"),
        (("--min-roi", "high"), "--min-roi: must be a number"),
        (("--target", "new_customer=3"), "--target new_customer: is not a metric to be reached,"
         " did you mean 'new_customers'?"),
        (("--target", "cac=30"), "--target cac: is not a metric to be reached"),
        (("--plan", "half"), "no plan is called 'half', did you mean 'half_half'?"),
        (("--set", "budgt=1"), "budgt is not a known field"),
        (("-n", "1"), "-n"), (("--format", "xml"), "--format"),
    ],
)  # fmt: skip
def test_a_wrong_option_ends_with_2_before_any_search(room, arguments, words):
    found = answer(*arguments)
    assert (found.exit_code, found.stdout, room.calls) == (2, "", [])
    assert words in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--objective", "luck"), "no objective is called 'luck'"),
        (("--objective", "roi", "--objective", "roi"), "one objective, or two that differ"),
        (("--objective", "roi,gmv"), "--objective: name one at a time"),
        (("--lock", "harvst=1k"), "no scene, scene.phase or group is called 'harvst', did you mean"),
        (("--package", "a.b=yes"), "no package that a plan may choose is called 'a.b'"),
        (("--floor", "harvest=50k", "--floor", "new_customer=50k"), "but the budget is 60,000 CNY"),
        (("--cap", "harvest=0", "--cap", "new_customer=0"),
         "the limits leave no place for any money (new_customer 0, harvest 0): allow one of them more"),
        (("--lock", "harvest=10k", "--cap", "harvest=5k"),
         "harvest has a lock of 10,000 CNY and a cap of 5,000 CNY: lock it at 5,000 CNY, or drop one"),
        (("--lock", "harvest=1k", "--floor", "harvest=5k"), "a lock of 1,000 CNY and a floor of 5,000"),
        (("--minimum", "harvest=59k", "--floor", "harvest=1k", "--floor", "new_customer=10k"),
         "need 69,000 CNY, but the budget is 60,000 CNY (new_customer 10,000, harvest 59,000)"),
        (("--minimum", "harvest=59k", "--floor", "harvest=1k", "--cap", "harvest=2k"),
         "harvest must have 59,000 CNY, but may have only 2,000 CNY"),
        (("--budget", "1e15"), "is out of proportion: the market takes no more than about "),
        (("--package", "a.b=yes"), "is called 'a.b'; there is none"),
        (("--least-budget", "roi=1"), "ask for the most at a return instead (--min-roi;"),
        (("--least-budget", "gmv=0"), "gmv must be above 0 to be a target (got 0)"),
        (("--least-budget", "gmv=-5"), "gmv must be above 0 to be a target (got -5)"),
        (("--since", "2021-03-15", "--budget", "1k"), " CNY were spent before 2021-03-15, more than "),
        (("--since", "2021-03-15", "--lock", "new_customer.normal=1k"),
         "new_customer.normal is over on 2021-03-15: what it spent stays, so it takes no limit"),
    ],
)  # fmt: skip
def test_what_the_scenario_does_not_allow_ends_with_2(arguments, words):
    found = answer(*arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert words in found.stderr
    assert found.stderr.count("\n") == 1


README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^adsim optimize my_brand.yaml (-.*?)\s*(?:#.*)?$", README, re.MULTILINE)


def test_the_examples_of_the_readme_are_understood(room, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    coffee = str(ROOT / "scenarios/new_coffee_100m.yaml")
    assert len(EXAMPLES) >= 7
    for example in EXAMPLES:
        arguments = ["optimize", coffee, *shlex.split(example.split(" -o ")[0]), "--jobs", "1"]
        found = CliRunner().invoke(cli.adsim, [*arguments, "--format", "csv"])
        assert found.exit_code in {0, 1}, found.stderr  # 1: the wish is out of this shop's reach
        assert "internal error" not in found.stderr
    assert len(room.calls) == len(EXAMPLES)


def test_the_readme_names_every_key_of_the_json(room):
    table = README.split("The JSON is a contract:")[1].split("## ")[0]
    named = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE))))
    assert named == json.loads(answer("--format", "json").stdout).keys()


# --------------------------------------------------------------------------- what is answered
def test_a_target_out_of_reach_is_told_with_the_nearest_value(room):
    found = answer("--target", "new_customers=30000")
    assert found.exit_code == 1
    most = room.answer.figure("best 2", "new_customers")
    assert most == pytest.approx(69.88, abs=0.005)  # rounded down, or the next try would miss too
    assert found.stderr == (
        "Error: no plan found for 60,000 CNY reaches new_customers >= 30.0k (the most is 69.8)\n"
    )
    top, below = found.stdout.split("\n\n", maxsplit=1)
    assert " ".join(top.split()) == (
        "NOT REACHED: no plan found for 60,000 CNY reaches new_customers >= 30.0k (the most is 69.8). "
        "What follows is the best in the first objective."
    )
    assert below == answer().stdout
    found = answer("--target", "gmv=3m", "--target", "roi=2")
    gmv = max(
        room.answer.figure(name, "gmv")
        for name in ("best 1", "best 2", "now", "even split", "most profit")
    )
    assert f"gmv >= 3.00m CNY (the most is {int(gmv / 1000)}k CNY) and roi >= 2.00" in found.stderr
    assert "Plans that nothing beats" in found.stdout
    found = answer("--min-roi", "1.25", "--sure", "101%")
    assert found.exit_code == 2
    found = answer("--min-roi", "9", "--sure", "90%")
    assert (found.exit_code, "P(roi >= 9) >= 0.9 (the most is 0)" in found.stderr) == (1, True)


def test_a_current_plan_that_breaks_the_limits_is_no_answer(room):
    poor = replace(room.answer, points=room.answer.others[:1], objectives=("new_customers",))
    for fits, name in ((True, "now"), (False, "70% best 1")):
        room.answer = replace(poor, current_fits=fits)
        document = json.loads(answer("--format", "json").stdout)
        assert (document["picked"], document["current"]["fits"]) == (name, fits)


def test_the_wishes_choose_the_plan(room):
    chosen = {
        (): "best 1", ("--min-roi", "1.1"): "best 2", ("--min-roi", "125%"): "best 1",
        ("--target", "new_customers=65"): "best 2", ("--target", "roi=125%"): "best 1",
    }  # fmt: skip
    for arguments, name in chosen.items():
        found = answer(*arguments, "--format", "json")
        assert (found.exit_code, json.loads(found.stdout)["picked"]) == (0, name)


def test_json_keeps_its_contract(room):
    found = answer("--format", "json")
    assert (found.exit_code, found.stderr) == (0, "")
    document = json.loads(found.stdout, parse_constant=pytest.fail)
    assert document.keys() >= {
        "scenario", "budget", "objectives", "replications", "seed", "finished", "frontier",
        "other_budgets", "current", "shadow_price", "marginal", "moves", "binding", "leader",
        "calls", "evaluations", "picked",
    }  # fmt: skip
    for point in document["frontier"] + document["other_budgets"]:
        assert point.keys() >= {"name", "budget", "plan", "packages", "unspent", "price_of_new"}
        assert point["roi"].keys() >= {"mean", "p10", "p50", "p90", "ci_lo", "ci_hi"}
        assert point["new_customers"]["mean"] > 0
    assert document["current"]["name"] == "now"
    assert document["current"]["plan"]["harvest"] == {"sale": pytest.approx(30_000)}
    assert document["marginal"]["harvest.sale"] == {
        "money": 0, "value": 0.7, "second": 90, "worth": 0.8, "state": "empty",
    }  # fmt: skip
    next_money = {"profit_incremental": pytest.approx(2_000), "new_customers": pytest.approx(210)}
    assert document["next_10k"] == document["frontier"][0]["next_10k"] == next_money
    assert document["other_budgets"][0]["next_10k"] is None  # no margins there


def test_json_has_null_for_prices_where_the_return_has_no_weight(room):
    best = replace(room.answer.best, priced=False)
    room.answer = replace(room.answer, points=(best, *room.answer.points[1:]))
    document = json.loads(answer("--format", "json").stdout, parse_constant=pytest.fail)
    assert document["shadow_price"] is None and document["frontier"][0]["shadow_price"] is None
    assert {row["worth"] for row in document["marginal"].values()} == {None}
    assert document["next_10k"]["new_customers"] == pytest.approx(210)


def test_json_of_one_objective_has_null_where_there_is_no_second(room):
    best = room.answer.best
    alone = {cell: replace(m, second=float("nan")) for cell, m in best.margins.items()}
    room.answer = replace(
        room.answer, objectives=("roi",), points=(replace(best, margins=alone),)
    )  # fmt: skip
    document = json.loads(answer("--format", "json").stdout, parse_constant=pytest.fail)
    assert {row["second"] for row in document["marginal"].values()} == {None}
    assert document["next_10k"].keys() == {"profit_incremental"}


def test_csv_has_a_row_per_plan(room):
    rows = list(csv.DictReader(io.StringIO(answer("--format", "csv").stdout)))
    names = ["best 1", "best 2", "70% best 1", "most profit", "now"]
    assert [row["plan"] for row in rows] == names
    assert float(rows[0]["roi_mean"]) == room.answer.figure("best 1", "roi")
    assert rows[1]["price_of_new"] == "3.0"


def test_an_even_split_stands_in_json_and_csv_as_in_the_text(room):
    assert json.loads(answer("--format", "json").stdout)["even"] is None  # a search without one
    even = Plan.even(read_scenario(MINIMAL), "even split")
    room.answer = replace(room.answer, even_plan=even)
    document = json.loads(answer("--format", "json").stdout, parse_constant=pytest.fail)["even"]
    assert (document["name"], document["plan"]) == ("even split", even.money)
    assert document["roi"]["mean"] == room.answer.figure("even split", "roi")
    assert document["unspent"] == room.answer.left("even split")
    rows = list(csv.DictReader(io.StringIO(answer("--format", "csv").stdout)))
    assert [row["plan"] for row in rows[-2:]] == ["now", "even split"]
    assert float(rows[-1]["roi_mean"]) == document["roi"]["mean"]


def test_the_answer_is_saved_with_figures_and_a_schedule(room, tmp_path):
    folder = tmp_path / "a/b"
    found = answer("-o", str(folder), "--format", "json")
    assert found.exit_code == 0
    assert found.stderr.startswith(
        f"wrote to {folder}: frontier.json, table.csv, schedule.csv, truth.csv, "
    )
    saved = json.loads((folder / "frontier.json").read_text(encoding="utf-8"))
    assert saved == json.loads(found.stdout)
    assert read_outcomes(folder).plans == room.answer.outcomes.plans
    assert (folder / "table.csv").read_bytes().startswith(b"\xef\xbb\xbfplan,roi_mean,")
    with (folder / "schedule.csv").open(encoding="utf-8-sig") as file:
        budgets = [float(row["daily_budget"]) for row in csv.DictReader(file)]
    assert sum(budgets) == pytest.approx(60_000)
    with (folder / "truth.csv").open(encoding="utf-8-sig") as file:
        lost = {row["scene"]: row for row in csv.DictReader(file)}
    known = left_out(read_scenario(MINIMAL), room.answer.best.plan)
    assert lost.keys() == known.keys() == {"new_customer", "harvest"}
    for scene, found in known.items():
        assert {m: float(lost[scene][m]) for m in found} == pytest.approx(found)
    for name in ("frontier", "split_by_scene", "split_by_phase", "marginal", "waterfall"):
        assert (folder / f"{name}.svg").exists() and (folder / f"{name}.png").exists()
    assert answer("-o", str(folder), "--quiet").stderr == ""


def test_the_schedule_of_a_plan_made_again_begins_at_the_date(room, tmp_path):
    made = make_frontier(cut_at(read_scenario(MINIMAL), "2021-03-15"))
    room.answer = replace(made, past=Past(datetime(2021, 3, 15), {"new_customer.normal": 9_000.0}))
    assert answer("--since", "2021-03-15", "-o", str(tmp_path)).exit_code == 0
    with (tmp_path / "schedule.csv").open(encoding="utf-8-sig", newline="") as file:
        assert min(row["date"] for row in csv.DictReader(file)) == "2021-03-15"


def test_an_answer_that_cannot_be_saved_is_not_sought(room, tmp_path):
    (tmp_path / "file").write_text("")
    found = answer("-o", str(tmp_path / "file/out"))
    assert (found.exit_code, room.calls) == (2, [])
    assert found.stderr.startswith("Error: cannot write to ")


def test_the_best_so_far_is_printed_and_ends_with_130(room):
    room.answer = make_frontier(read_scenario(MINIMAL), mode="expected", finished=False)
    found = answer()
    assert found.exit_code == 130
    assert found.stdout.startswith("UNFINISHED: ")
    assert found.stderr == "stopped before the search ended: this is the best so far\n"
    assert json.loads(answer("--format", "json").stdout)["finished"] is False


# --------------------------------------------------------------------------- least budget, from a date on
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*LEAST, "--since", "2021-03-15"), "--since splits a budget that is given again"),
        ((*LEAST, "--objective", "gmv"), "--objective is not asked for beside --least-budget"),
        ((*LEAST, "--min-roi", "1"), "--min-roi picks from a frontier"),
        ((*LEAST, "--target", "gmv=1m"), "--target picks from a frontier"),
        ((*LEAST, "--cap", "harvest=30%"), "--cap harvest: the budget is what is sought, so give yuan"),
        ((*LEAST, "--sure", "0"), "--sure: must lie above 0"),
        (("--least-budget", "6000"), "--least-budget: write NAME=VALUE"),
        (("--least-budget", "gmv=lots"), "--least-budget gmv: must be a number"),
        (("--since", "soon"), "--since: "),
    ],
)  # fmt: skip
def test_questions_that_exclude_each_other_end_with_2(room, arguments, words):
    found = answer(*arguments)
    assert (found.exit_code, found.stdout, room.calls) == (2, "", [])
    assert words in found.stderr and found.stderr.count("\n") == 1


def test_a_least_budget_is_asked_as_it_is_written(room):
    options = ("--sure", "90%", "--budget", "90k", "--lock", "harvest=5k", "--seed", "3", "--quick")
    assert answer(*LEAST, *options, "--plan", "mostly_new").exit_code == 0
    scenario, target, found = room.calls.pop()
    assert (scenario, target) == (read_scenario(MINIMAL), {"new_customers": 5_400})
    assert (found["sure"], found["most"], found["seed"], found["effort"]) == (0.9, 90e3, 3, SHORT)
    assert (found["limits"].locks, found["current"].name) == ({"harvest": 5_000}, "mostly_new")


def test_a_least_budget_is_told_with_its_certainty(room, tmp_path):
    found = answer(*LEAST, "-o", str(tmp_path))
    assert found.exit_code == 0
    assert found.stderr == f"wrote to {tmp_path}: goal.json, table.csv, schedule.csv\n"
    goal = make_goal(room.answer)
    share = (room.answer.outcomes.values("best 2", "new_customers") >= 65).mean()
    assert 0 < share < 1
    words = " ".join(found.stdout.split())
    assert "To reach 65 new customers takes 60,000 CNY at least, sought in the mean" in words
    sure = interval_of(room.answer.outcomes.metrics("best 2")["new_customers"])
    brings = f"brings {goal.value:.1f} in the mean (95% interval {sure}), and gets"
    assert f"{brings} there in {share:.0%} of runs." in words
    saved = json.loads((tmp_path / "goal.json").read_text(encoding="utf-8"))
    assert saved == json.loads(answer(*LEAST, "--format", "json").stdout) == goal.as_json()
    assert answer(*LEAST, "--format", "csv").stdout.splitlines() == [
        "budget,new_customers", "30000.0,50.0", "60000.0,70.0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sure", "name"), [(0.9, "new_customers_p10"), (0.995, "new_customers_p0.5")]
)
def test_budgets_tried_with_certainty_are_named_by_their_quantile(room, sure, name):
    goal = replace(make_goal(room.answer), sure=sure)
    assert _goal_written(goal, read_scenario(MINIMAL), "csv").startswith(f"budget,{name}\n")


@pytest.mark.slow
def test_a_least_budget_costs_less_than_the_budget_and_gets_there():
    found = answer(*LEAST, *QUICK, "--format", "json")
    assert (found.exit_code, found.stderr) == (0, "")
    goal = json.loads(found.stdout)
    assert goal["expected"]["new_customers"] == pytest.approx(5_400, rel=1e-3)
    assert sum(sum(own.values()) for own in goal["plan"].values()) == pytest.approx(goal["budget"])
    assert 0 < goal["budget"] < 60_000


@pytest.mark.slow
def test_a_least_budget_out_of_reach_ends_with_1_and_the_nearest_value():
    found = answer("--least-budget", "new_customers=30000", "--budget", "80k", *QUICK)
    assert (found.exit_code, found.stdout) == (1, "")
    nearest = re.search(
        r"^Error: no budget up to 80,000 CNY .*: the nearest is ([\d,.]+)$", found.stderr
    )
    assert nearest and 3_000 < float(nearest[1].replace(",", "")) < 30_000


@pytest.mark.slow
def test_from_a_date_on_the_past_stays_and_the_rest_is_better():
    arguments = ("--since", "2021-03-15", "--plan", "mostly_new", "--objective", "profit")
    found = answer(*arguments, *QUICK, "--format", "json")
    assert (found.exit_code, found.stderr) == (0, "")
    document = json.loads(found.stdout)
    best, own = document["frontier"][0], document["current"]
    assert own["name"] == "mostly_new"
    for scene, money in own["plan"].items():
        for phase in {"normal"} & money.keys():
            assert best["plan"][scene][phase] == pytest.approx(money[phase])
    assert own["plan"]["new_customer"]["normal_0315"] > 0
    assert best["profit"]["mean"] >= own["profit"]["mean"]
    late = answer("--since", "2022-03-15")
    assert (late.exit_code, "after 2021-03-01 00:00" in late.stderr) == (2, True)


# --------------------------------------------------------------------------- several files
@pytest.fixture
def second(tmp_path):
    """The same market with half the budget."""
    path = tmp_path / "other.yaml"
    text = Path(MINIMAL).read_text(encoding="utf-8")
    path.write_text(text.replace("budget: 60k", "budget: 30k"), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--plan", "half_half"), "--plan names a plan of one file"),
        (("--since", "2021-03-15"), "--since is for one file"),
        (LEAST, "--least-budget is for one file"),
        (("--min-roi", "1"), "--min-roi picks from the frontier of one file"),
        (("--sure", "90%"), "--sure picks from the frontier of one file"),
        (("--target", "gmv=1m"), "--target picks from the frontier of one file"),
        (("--objective", "roi", "--objective", "gmv"), "for one objective; give one"),
        (("--minimum", "other=1k"), "--minimum: of several files, write FILE/NAME (got 'other=1k')"),
        (("--package", "a.b=yes"), "--package: of several files, write FILE/NAME"),
        (("--cap", "otter=1k"), "no file is called 'otter', did you mean 'other'?"),
        (("--cap", "otter/harvest=1k"), "no file is called 'otter', did you mean 'other'?"),
        (("--cap", "other/harvst=1k"), "is called 'harvst', did you mean"),
        (("--lock", "other=50k", "--floor", "minimal=50k"),
         "but the budget is 90,000 CNY (file minimal 50,000, file other 50,000): lower them"),
        (("--lock", "other=50k", "--cap", "other=20k"), "other has a lock of 50,000 CNY and a cap of"),
        (("--cap", "other=0", "--cap", "minimal=0"),
         "the limits leave no place for any money (file minimal 0, file other 0)"),
        (("--budget", "0"), "--budget: must be 1 yuan at least"),
        (("--budget", "1e15"), "is out of proportion: the market takes no more than about "),
    ],
)  # fmt: skip
def test_what_makes_no_sense_for_several_files_is_refused(second, arguments, words):
    found = answer(second, *arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert words in found.stderr and found.stderr.count("\n") == 1


def test_the_example_of_the_readme_for_several_files_is_understood(tmp_path, monkeypatch):
    (example,) = re.findall(
        r"^adsim (optimize my_brand.yaml [a-z].*?)\s*#.*$", README, re.MULTILINE
    )
    calls: list[Any] = []

    def stopped(scenarios, budget, **options):
        calls.append((budget, options))
        raise UserError("seen")

    stand_in = SimpleNamespace(optimize_portfolio=stopped)
    monkeypatch.setitem(sys.modules, "simulator.allocation.portfolio", stand_in)
    monkeypatch.chdir(tmp_path)
    for name in ("my_brand", "toys"):
        Path(f"{name}.yaml").write_bytes(Path(MINIMAL).read_bytes())
    found = CliRunner().invoke(cli.adsim, [*shlex.split(example), "--jobs", "1"])
    assert (found.exit_code, found.stderr) == (2, "Error: seen\n")
    ((budget, options),) = calls
    assert (budget, options["labels"], options["objective"]) == (20e6, ["my_brand", "toys"], "roi")
    assert options["files"].caps == {"toys": 8e6}
    assert options["limits"]["toys"].locks == {"live": 500_000}


def test_the_same_name_twice_is_refused():
    found = answer(MINIMAL)
    assert (found.exit_code, "names that differ; got minimal, minimal" in found.stderr) == (2, True)


@pytest.mark.slow
def test_several_files_share_a_budget(second, tmp_path):
    limits = ("--cap", "other=20k", "--lock", "minimal/harvest=10%")
    folder = tmp_path / "out"
    found = answer(second, "--budget", "60k", *limits, *QUICK, "-o", str(folder))
    assert found.exit_code == 0
    files = "portfolio.json, table.csv, minimal/schedule.csv, other/schedule.csv"
    assert found.stderr == f"wrote to {folder}: {files}\n"
    document = json.loads((folder / "portfolio.json").read_text(encoding="utf-8"))
    money = document["money"]
    assert sum(money["portfolio"].values()) == pytest.approx(60_000)
    assert money["portfolio"]["other"] <= 20_000 * (1 + 1e-9)
    assert sum(document["plans"]["minimal"]["plan"]["harvest"].values()) == pytest.approx(6_000)
    assert money["proportional split"] == pytest.approx(
        {"minimal": 40_000, "other": 20_000}, rel=1e-3
    )
    with (folder / "table.csv").open(encoding="utf-8-sig") as file:
        rows = {row["split"]: row for row in csv.DictReader(file)}
    gain = document["gains"]["equal split"]
    less = [float(rows[n]["profit_incremental"]) for n in ("portfolio", "equal split")]
    assert less[0] - less[1] == pytest.approx(gain["mean"])
    with (folder / "other/schedule.csv").open(encoding="utf-8-sig") as file:
        budgets = [float(row["daily_budget"]) for row in csv.DictReader(file)]
    assert sum(budgets) == pytest.approx(money["portfolio"]["other"], abs=0.1)
    assert read_outcomes(folder / "other").plans[0] == "portfolio"
    words = " ".join(found.stdout.split())
    low, high = (signed(gain[key]) for key in ("ci_lo", "ci_hi"))
    assert f"{signed(gain['mean'])} (95% interval {low} to {high}" in words
    assert all(width(line) <= 80 for line in found.stdout.splitlines())


# --------------------------------------------------------------------------- with the optimiser
@pytest.mark.slow
def test_a_real_search_is_the_same_with_any_number_of_processes():
    arguments = ("--quick", "-n", "16", "--format", "json")
    alone = answer(*arguments)
    command = [sys.executable, "-m", "simulator", "optimize", MINIMAL, *arguments, "--jobs", "2"]
    many = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert (alone.exit_code, alone.stderr, many.returncode, many.stderr) == (0, "", 0, "")
    assert alone.stdout == many.stdout
    document = json.loads(alone.stdout, parse_constant=pytest.fail)
    best, own = document["frontier"][0], document["current"]
    assert best["roi"]["mean"] >= own["roi"]["mean"]
    spent = sum(sum(phases.values()) for phases in best["plan"].values())
    assert spent == pytest.approx(60_000, rel=3e-6)  # full to a millionth
    assert 0 <= best["unspent"] < 0.01 * 60_000  # what chance leaves of it


@pytest.mark.slow
def test_a_lock_is_kept_to_the_yuan():
    limits = ("--lock", "harvest=20001", "--cap", "new_customer.sale=1234")
    found = answer(*limits, "--objective", "profit", "--quick", "-n", "4", "--format", "json")
    assert (found.exit_code, found.stderr) == (0, "")
    document = json.loads(found.stdout)
    for point in document["frontier"]:
        assert sum(point["plan"]["harvest"].values()) == pytest.approx(20_001)
        assert point["plan"]["new_customer"]["sale"] <= 1_234 * (1 + 1e-9)


REPORTING = """
import sys
from contextlib import contextmanager
import simulator.cli as cli
import simulator.cli_optimize as room

@contextmanager
def bar(quiet):
    yield lambda words, share: print(words, flush=True, file=sys.stderr)

cli.bar = room.share_bar = bar
sys.exit(cli.main())
"""


def interrupted(moment, *arguments):
    """Exit code, stdout and the rest of stderr after Ctrl-C at the moment that is told."""
    command = [sys.executable, "-c", REPORTING, *arguments, "--jobs", "2"]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **pipes) as process:
        assert process.stderr
        assert any(line.strip() == moment for line in process.stderr)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the workers get it too
        try:
            printed, said = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert "Traceback" not in said and "KeyboardInterrupt" not in said
    return process.returncode, printed, said


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["looking around the best", "racing under chance"])
def test_ctrl_c_gives_the_best_so_far_and_no_traceback(moment):
    quick = ("--quick",) * (moment == "racing under chance")
    arguments = ("optimize", MINIMAL, "--format", "json", "-n", "64", *quick)
    code, printed, said = interrupted(moment, *arguments)
    assert code == 130
    assert said.splitlines()[-1] == "stopped before the search ended: this is the best so far"
    document = json.loads(printed)
    assert document["finished"] is False
    assert document["frontier"][0]["roi"].keys() == {"mean"}


@pytest.mark.slow
def test_ctrl_c_before_anything_is_found_is_one_line():
    found = interrupted("looking everywhere", "optimize", MINIMAL)
    assert found == (130, "", "\nstopped\n")


@pytest.mark.slow
def test_ctrl_c_gives_the_cheapest_plan_so_far():
    arguments = ("optimize", MINIMAL, *LEAST, *QUICK, "--format", "json")
    code, printed, said = interrupted("closing in on the budget", *arguments)
    assert code == 130
    assert said.splitlines()[-1] == "stopped before the search ended: this is the best so far"
    goal = json.loads(printed)
    assert (goal["finished"], goal["chances"]) == (False, {"new_customers": None})
    assert goal["expected"]["new_customers"] >= 5_400


def test_ctrl_c_before_a_target_is_reached_is_one_line_and_leaves_no_folder(tmp_path):
    arguments = ("--least-budget", "new_customers=1bn", *QUICK, "-o", str(tmp_path / "out"))
    code, printed, said = interrupted("looking everywhere", "optimize", MINIMAL, *arguments)
    assert (code, printed) == (130, "")
    assert re.fullmatch(
        r"stopped before a budget was found that reaches new_customers 1.00bn in the mean: "
        r"the nearest so far is [\d,.]+k?\n", said
    )  # fmt: skip
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_ctrl_c_gives_the_best_shared_split_so_far(second, tmp_path):
    arguments = (second, *QUICK, "-o", str(tmp_path / "out"))
    code, printed, said = interrupted("sharing the budget", "optimize", MINIMAL, *arguments)
    assert code == 130
    assert printed.startswith("UNFINISHED: ")
    assert said.splitlines()[-1] == "stopped before the search ended: this is the best so far"
    document = json.loads((tmp_path / "out/portfolio.json").read_text(encoding="utf-8"))
    assert document["finished"] is False
    assert document["gains"].keys() == {"equal split", "proportional split", "own plans"}
    assert document["gains"]["equal split"]["mean"] >= -1e-6 * 90_000


@pytest.mark.parametrize("old", [True, False])
def test_ctrl_c_while_an_answer_is_saved_leaves_no_half_of_it(room, tmp_path, monkeypatch, old):
    folder = tmp_path / "out"
    if old:
        assert answer(*LEAST, "-o", str(folder)).exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("simulator.reports.schedule.write_schedule", pressed)
    found = answer(*LEAST, "--seed", "5", "-o", str(folder))
    assert (found.exit_code, found.stderr) == (130, "\nstopped\n")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("below", ["", "other"])
def test_the_store_of_a_sweep_is_refused_before_the_search(room, second, tmp_path, below):
    """Also where a run of one of several files would be written."""
    store = tmp_path / "out" / below
    store.mkdir(parents=True)
    (store / "manifest.json").write_text('{"format": 1, "study": {}}', encoding="utf-8")
    found = answer(*([second] if below else []), "-o", str(tmp_path / "out"))
    words = f"Error: {store} is the store of a sweep: choose another folder\n"
    assert (found.exit_code, found.stdout, found.stderr) == (2, "", words)
    assert room.calls == []
    assert [path.name for path in store.iterdir()] == ["manifest.json"]


def test_an_answer_takes_the_place_of_an_older_one_and_of_nothing_else(room, tmp_path):
    for name in ("frontier.json", "waterfall.png", "heat_map-toys.svg", "mine.txt", "table.xlsx"):
        (tmp_path / name).write_text("older", encoding="utf-8")
    assert answer(*LEAST, "-o", str(tmp_path)).exit_code == 0
    left = {path.name for path in tmp_path.iterdir() if not path.name.startswith("book-")}
    assert left == {
        "goal.json",
        "table.csv",
        "schedule.csv",
        "manifest.json",
        "mine.txt",
        "table.xlsx",
    }


@pytest.fixture
def shared(room, monkeypatch, tmp_path):
    """A command that shares a budget among files of these names, whose answer is made up."""
    scenario = read_scenario(MINIMAL)
    plan = Plan.shares(scenario, SHARED, new_customer=0.5, harvest=0.5)
    run = make_outcomes(axes=make_axes(plans=(SHARED, EQUAL)))

    def optimize_portfolio(scenarios, total, *, labels, **_):
        money = {split: dict.fromkeys(labels, 30_000.0) for split in (SHARED, EQUAL)}
        runs = dict.fromkeys(labels, run)
        return Portfolio(total, "roi", dict.fromkeys(labels, plan), money, 0.0, {}, runs)

    stand_in = SimpleNamespace(optimize_portfolio=optimize_portfolio)
    monkeypatch.setitem(sys.modules, "simulator.allocation.portfolio", stand_in)

    def share(*names):
        files = [tmp_path / f"{name}.yaml" for name in names]
        for file in files:
            file.write_bytes(Path(MINIMAL).read_bytes())
        return answer(*map(str, files), "-o", str(tmp_path / "out"), "--format", "csv", "--quiet")

    return share


def folders(place):
    return {path.parent.name for path in place.rglob("*") if path.is_file()}


def test_a_portfolio_takes_the_place_of_the_files_of_an_older_one(shared, tmp_path):
    out = tmp_path / "out"
    assert shared("b", "c").exit_code == 0
    assert folders(out) == {"out", "minimal", "b", "c"}
    (out / "c/notes.txt").write_text("mine", encoding="utf-8")
    assert shared("d").exit_code == 0
    assert folders(out) == {"out", "minimal", "c", "d"}
    assert not (out / "b").exists()
    assert [path.name for path in (out / "c").iterdir()] == ["notes.txt"]
    assert json.loads((out / "portfolio.json").read_text("utf-8"))["plans"].keys() == {
        "minimal", "d",
    }  # fmt: skip
    assert read_outcomes(out / "d").plans[0] == "portfolio"


def test_an_answer_of_one_file_takes_the_place_of_a_portfolio_and_the_other_way_round(
    shared, tmp_path
):
    out = tmp_path / "out"
    assert shared("b").exit_code == 0
    assert answer(*LEAST, "-o", str(out)).exit_code == 0
    assert folders(out) == {"out"}
    assert read_outcomes(out).plans[0] == "best 1"
    assert shared("b").exit_code == 0
    with pytest.raises(UserError, match="there is no run in"):
        read_outcomes(out)
    assert sorted(path.name for path in out.iterdir()) == [
        "b", "minimal", "portfolio.json", "table.csv",
    ]  # fmt: skip


def test_what_a_portfolio_did_not_write_stays(shared, tmp_path):
    """Folders that it does not name, a run saved since, and places that no name of a file leads to."""
    out = tmp_path / "out"
    assert shared("b").exit_code == 0
    for name in ("own", "b"):
        write_outcomes(make_outcomes(), out / name)
    (out / "own/schedule.csv").write_text("mine", encoding="utf-8")
    write_outcomes(make_outcomes(axes=make_axes(plans=(SHARED,))), tmp_path / "beside")
    said = json.loads((out / "portfolio.json").read_text("utf-8"))
    said["plans"] |= {"../beside": {}, "..": {}}
    (out / "portfolio.json").write_text(json.dumps(said), encoding="utf-8")
    assert shared("c").exit_code == 0
    assert read_outcomes(out / "own").plans == read_outcomes(out / "b").plans
    assert (out / "own/schedule.csv").read_text("utf-8") == "mine"
    assert read_outcomes(tmp_path / "beside").plans == ("portfolio",)


def test_a_portfolio_that_cannot_be_saved_leaves_the_older_one(shared, tmp_path, monkeypatch):
    assert shared("b").exit_code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("simulator.reports.schedule.write_schedule", full)
    found = shared("c")
    assert (found.exit_code, "No space left on device" in found.stderr) == (2, True)
    (tmp_path / "c.yaml").unlink()
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_ctrl_c_waits_until_files_are_in_their_places():
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append("all of it")
    assert done == ["all of it"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_of_a_run_too():
    code, printed, said = interrupted("1", "run", MINIMAL, "-n", "3000")
    assert (code, printed, said.splitlines()[-1]) == (130, "", "stopped")
