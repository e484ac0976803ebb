"""Study files: which cells they make, and what is wrong with them, told before any work."""

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import ScenarioError, UserError
from simulator.scenario import read_scenario
from simulator.scenario.uncertain import scenario_digest, uncertain_paths
from simulator.sweeps.design import Design, Range, Rule
from simulator.sweeps.study import read_study
from simulator.sweeps.tasks import tasks_of
from simulator.sweeps.values import unknown, with_values
from tests.sweeps.studies import BRIEF, write_study
from tests.worlds import SCENARIOS, expected, minimal

FILES = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))
CPM = "slots.search_words.median_cpm"


def span(low, high, **more):
    return Range.model_validate({"from": low, "to": high, **more})


def rows(design):
    return [tuple(cell.values.values()) for cell in design.cells()]


# --- cells --------------------------------------------------------------------------------------


def test_a_grid_is_every_combination_and_the_last_parameter_changes_first():
    design = Design({"a": [1, 2], "b": span(0, 1, steps=3)})
    assert rows(design) == list(product([1, 2], [0.0, 0.5, 1.0]))
    assert design.size() == 6
    assert [cell.number for cell in design.cells()] == list(range(6))


def test_a_study_without_parameters_has_one_cell():
    assert rows(Design({})) == [()]


def test_log_spacing_has_equal_ratios_and_both_ends_exactly():
    levels = span(0.1, 1000, steps=5, spacing="log").levels()
    assert (levels[0], levels[-1]) == (0.1, 1000)
    assert np.diff(np.log(levels)) == pytest.approx(np.log(10))


def test_whole_ranges_have_each_number_once():
    assert span(1, 3, steps=9, whole=True).levels() == [1, 2, 3]


@pytest.mark.parametrize("kind", ["latin_hypercube", "sobol"])
def test_points_fill_every_stratum_once_and_follow_the_seed(kind):
    over = {"a": span(0, 8), "b": span(10, 18), "c": ["x", "y"]}
    a, b, c = zip(*rows(Design(over, kind, 8, seed=3)), strict=True)
    assert sorted(np.floor(a)) == list(range(8))
    assert sorted(np.floor(np.array(b) - 10)) == list(range(8))
    assert sorted(c) == ["x"] * 4 + ["y"] * 4
    assert rows(Design(over, kind, 8, seed=3)) == list(zip(a, b, c, strict=True))
    assert rows(Design(over, kind, 8, seed=4)) != list(zip(a, b, c, strict=True))


# --- rules --------------------------------------------------------------------------------------


def test_a_rule_leaves_cells_out_and_numbers_the_rest():
    names = ["a", "b"]
    design = Design({"a": ["1k", 2000], "b": [0.5, 1500]}, rules=(Rule.read("b < a", names),))
    assert rows(design) == [("1k", 0.5), (2000, 0.5), (2000, 1500)]
    assert [cell.number for cell in design.cells()] == [0, 1, 2]


@given(a=st.integers(-50, 50), b=st.integers(-50, 50))
@settings(max_examples=25)
def test_a_rule_means_what_python_means(a, b):
    for text in (
        "a < b",
        "a - 2 * b >= 3",
        "- a + 10% * b != 1k * a",
        "a * b <= a + 7 - b",
        "a == b",
    ):
        rule = Rule.read(text, ["a", "b"])
        expected = eval(text.replace("10%", "0.1").replace("1k", "1000"), {"a": a, "b": b})
        assert rule.holds({"a": a, "b": b}) == expected, text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a", "must compare once"), ("a < b < a", "must compare once"), ("a < ", "needs numbers"),
        ("a < bb", "'bb', which is no parameter of over, did you mean 'b"), ("a b < 1", "needs numbers"),
        ("a < __import__('os')", "no parameter"), ("a ** 2 < 1", "needs numbers"), ("a = 1", "cannot be read"),
        ("a < " + "b + " * 400 + "b", "longer than"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_read_says_why(text, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Rule.read(text, ["a", "b"])


# --- values in a scenario -----------------------------------------------------------------------


def test_values_that_are_put_in_stay_as_they_are():
    phases = {"sale": 0.1}
    values = {"products.coffee.discount": phases, "products.coffee.discount.sale": 0.2}
    assert with_values(minimal(), values).products["coffee"].discount == {"sale": 0.2}
    assert phases == {"sale": 0.1}


@pytest.mark.parametrize("name", FILES)
def test_a_scenario_without_changes_is_itself_spreads_included(name):
    scenario = read_scenario(SCENARIOS / f"{name}.yaml")
    assert scenario_digest(with_values(scenario, {})) == scenario_digest(scenario)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("budget", "70k"), (CPM, 55), (CPM, {"value": 55, "sd": 0.2}), ("calendar.phases.sale.cvr", "180%"),
        ("products.coffee.discount.normal", "5%"), ("products.coffee.discount", None),
        ("plans.half_half.scenes.harvest", "40%"), ("scenes.harvest.slots.1", "search_words"),
        ("calendar.phases.sale.clock", "2h"), ("chance.demand_sd", 0.2),
    ],
)  # fmt: skip
def test_a_value_is_what_set_would_make_of_it(path, value):
    text = "null" if value is None else str(value).replace("'", "")
    if path == "scenes.harvest.slots.1":
        text = "search_words"
    try:
        expected = scenario_digest(minimal(f"{path}={text}"))
    except ScenarioError as error:
        with pytest.raises(ScenarioError) as caught:
            with_values(minimal(), {path: value})
        messages = [problem.message for problem in error.problems]
        assert [problem.message for problem in caught.value.problems] == messages
    else:
        assert scenario_digest(with_values(minimal(), {path: value})) == expected


def test_the_short_form_of_a_plan_is_known():
    short = with_values(minimal(), {"plans.half_half.harvest": "40%"})
    assert short == with_values(minimal(), {"plans.half_half.scenes.harvest": "40%"})
    assert short.plans["half_half"].scenes["harvest"] == 0.4
    assert unknown(minimal(), "plans.half_half.harvest") == ""


def test_the_digest_of_a_scenario_knows_its_spreads():
    wide = with_values(minimal(), {CPM: {"value": 75, "sd": 0.4}})
    narrow = with_values(minimal(), {CPM: {"value": 75, "sd": 0.1}})
    assert uncertain_paths(wide)[CPM] == uncertain_paths(narrow)[CPM]
    assert scenario_digest(wide) != scenario_digest(narrow)
    assert expected(wide).scenario_hash == scenario_digest(wide)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("budgt", "budgt, did you mean 'budget'?"), ("slots.serch_words.median_cpm", "did you mean 'search_words'?"),
        ("slots.search_words.median", "did you mean 'median_cpm'?"), ("budget.x", "a single value"),
        ("scenes.harvest.slots.7", "slots.7"), ("name", "changes no number"), ("", "is not known"),
    ],
)  # fmt: skip
def test_a_path_that_leads_nowhere_says_where_it_ends(path, words):
    assert words in unknown(minimal(), path)


# --- files --------------------------------------------------------------------------------------


def faults(folder: Path, text: str) -> list[str]:
    path = write_study(folder, text)
    with pytest.raises(ScenarioError) as caught:
        read_study(path)
    return [str(problem).replace(str(path), "study.yaml") for problem in caught.value.problems]


HEAD = "scenarios: [brief]\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("over: {a: [1]}", "study.yaml:1:1: scenarios is required"),
        (HEAD + "ovr: {budget: [1]}", "study.yaml:2:1: ovr is not a known field, did you mean 'over'?"),
        ("scenarios: [breef]", "study.yaml:1:13: scenarios.0 names no scenario file: 'breef', did you mean 'brief'?"),
        (HEAD + "plans: [half_haf]", "study.yaml:2:8: plans do not fit brief: no plan is called 'half_haf', did you"),
        (HEAD + "over:\n  budgt: [50k]", "study.yaml:3:3: over.budgt is not known at budgt, did you mean 'budget'?"),
        (
            HEAD + "over:\n  anchors.gmv: [1m, 2m]",
            "study.yaml:3:3: over.anchors.gmv changes no number: anchors are met once, before anything is varied",
        ),
        (HEAD + "over:\n  budget: [50k, -1]", "study.yaml:3:17: over.budget.1 must be > 0 (got -1)"),
        (HEAD + "over: {budget: []}", "study.yaml:2:16: over.budget is an empty list"),
        (HEAD + "over: {budget: [1, 1]}", "over.budget names 1 twice"),
        (HEAD + "over: {budget: [40k, 60k, 40000]}", "over.budget names one value twice: '40k' and 40000"),
        (HEAD + "over: {budget: [4万, 60k, 40k]}", "over.budget names one value twice: '4万' and '40k'"),
        (HEAD + "over: {chain.fatigue: [2%, 0.02]}", "chain.fatigue names one value twice: '2%' and 0.02"),
        (HEAD + "over: {x: [2021-03-20, '2021-03-20 00:00']}", "over.x names one value twice: '2021-03-20' and"),
        (HEAD + "over: {x: [1d, 24h]}", "over.x names one value twice: '1d' and '24h'"),
        (HEAD + "over: {x: [{value: 7, sd: 1}, {sd: 1, value: 7}]}", "over.x names"),
        (HEAD + "seed: 18446744073709551616", "study.yaml:2:7: seed must be < 18446744073709551616 (got 1844"),
        (HEAD + "over: {budget: {from: 5k, to: 5k}}", "study.yaml:2:16: over.budget is an empty range"),
        (HEAD + "over: {budget: {from: -1e308, to: 1e308}}", "over.budget is wider than any number"),
        (HEAD + "over: {budget: {from: 5k, two: 6k}}", "over.budget.two is not a known field, did you mean 'to'?"),
        (HEAD + "over: {budget: {from: 0, to: 1, spacing: log}}", "must start above 0 for log spacing"),
        (HEAD + "over: {budget: {from: 5k, to: 6k, steps: 1}}", "over.budget.steps must be >= 2 (got 1)"),
        (HEAD + "over: {budget: {from: 5k, to: 6k, steps: 1000000000}}", "must be <= 10000"),
        (HEAD + "over: {budget: {from: -5k, to: 60k}}", "study.yaml:2:16: over.budget must be > 0 (got -5000.0)"),
        (HEAD + "over: {budget: {from: 5k, to: 6k, steps: 2}}\ndesign: sobol\npoints: 8", "only a grid has"),
        (HEAD + "over: {budget: {from: 5k, to: 6k}}\ndesign: sobol\npoints: 12", "study.yaml:4:9: points must be a"),
        (HEAD + "over: {budget: {from: 5k, to: 6k}}\ndesign: sobol", "points must say how many cells"),
        (HEAD + "points: 4", "points are for space-filling designs"),
        (HEAD + "design: sobol\npoints: 4", "points have nothing to fill: name parameters under over"),
        (HEAD + "design: cube", "design must be one of grid, latin_hypercube, sobol (got 'cube')"),
        (HEAD + "over: {budget: [5k]}\nwhere: [budget < cpm]", "study.yaml:3:9: where.0 speaks of 'cpm'"),
        (HEAD + "over: {budget: [50k]}\nwhere: [budget < 1]", "study.yaml:3:8: where leaves none of 1 cells"),
        (HEAD + "plans: [half_half, half_half]", "study.yaml:2:20: plans.1 names 'half_half' twice"),
        (HEAD + "metrics: []", "study.yaml:2:10: metrics"),
        (HEAD + "metrics: [roi, mroi]", "metrics.1 is no metric of a study: 'mroi'; adsim optimize finds it"),
        (
            HEAD + "over: {slots.feed: [1], slots.feed.ctr: [2]}",
            "over.slots.feed.ctr is a part of over.slots.feed: vary one of the two",
        ),
        (
            HEAD + "over: {plans.a.x: [1], plans.a.scenes.x: [2]}",
            "over.plans.a.scenes.x is a part of over.plans.a.x",
        ),
        (HEAD + "metrics: [rio]", "study.yaml:2:11: metrics.0 is no metric: 'rio', did you mean 'roi'?"),
        (HEAD + "replications: 0", "replications must be >= 1 (got 0)"),
        (HEAD + "format: 2", "study.yaml:2:9: file is written for format 2"),
        (HEAD + "name: &a x", "anchors (&name) are not read"),
        ("scenarios: " + "[" * 100_000, "is nested more than 64 levels deep"),
        (
            HEAD + "over:\n  plans.half_half.harvest: [50%, 60%]",
            "study.yaml:3:3: over makes cell 1 (plans.half_half.harvest=60%) of brief, where plans.half_half",
        ),
    ],
)  # fmt: skip
def test_a_wrong_study_is_told_at_its_line(tmp_path, text, words):
    found = faults(tmp_path, text)
    assert [line for line in found if words in line], found


def test_levels_that_differ_are_no_pair(tmp_path):
    text = HEAD + "over: {budget: [40k, 40001, 4.1万], calendar.phases.sale.clock: [1h, 6h]}\n"
    assert len(read_study(write_study(tmp_path, text)).cells) == 6


@pytest.mark.parametrize("seed", ["18446744073709551615", "'18446744073709551615'"])
def test_the_largest_seed_of_a_run_is_one_of_a_study_to_the_last_digit(tmp_path, seed):
    assert read_study(write_study(tmp_path, f"{HEAD}seed: {seed}\n")).seed == 2**64 - 1


def test_a_scenario_is_no_study_and_a_study_no_scenario(tmp_path):
    path = write_study(tmp_path)
    with pytest.raises(ScenarioError) as told:
        read_study(SCENARIOS / "minimal.yaml")
    [line] = str(told.value).splitlines()
    assert "minimal.yaml:21:1: scenes make this a scenario, not a study: a study names its" in line
    with pytest.raises(ScenarioError) as told:
        read_scenario(path)
    assert (
        str(told.value)
        == f"{path}:2:1: scenarios make this a study, not a scenario: adsim sweep plays it"
    )


def test_everything_wrong_is_told_at_once(tmp_path):
    found = faults(tmp_path, HEAD + "over: {budget: []}\nmetrics: [rio]\npoints: 3\nwhere: [a]")
    assert len(found) == 4


def test_a_grid_of_a_billion_cells_is_refused_with_its_number(tmp_path):
    axes = [CPM, "budget", "chance.demand_sd"]
    ranges = "".join(f"  {name}: {{from: 0.1, to: 0.2, steps: 1000}}\n" for name in axes)
    [line] = faults(tmp_path, f"{HEAD}over:\n{ranges}")
    assert "over makes 1,000,000,000 cells, more than 100,000" in line


def test_a_study_may_have_the_name_of_its_scenario(tmp_path):
    path = write_study(tmp_path, HEAD)
    own = tmp_path / "studies" / "brief.yaml"
    own.parent.mkdir()
    path.rename(own)
    assert read_study(own).cases[0].scenario.budget == 60e3


def test_faults_of_a_scenario_are_told_in_its_own_file(tmp_path):
    path = write_study(tmp_path, HEAD)
    (tmp_path / "brief.yaml").write_text(BRIEF + "budget: -1\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"brief\.yaml:5:9: budget must be > 0"):
        read_study(path)


# --- tasks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replications", "mode"), [(1, "sampled"), (700, "sampled"), (9, "expected")]
)
def test_tasks_cover_every_lane_once(tmp_path, replications, mode):
    text = f"{HEAD}over: {{budget: [40k, 60k]}}\nreplications: {replications}\nmode: {mode}"
    study = read_study(write_study(tmp_path, text))
    tasks = list(tasks_of(study))
    lanes = [
        (task.cell, plan, replication)
        for task in tasks
        for plan in range(*task.plans)
        for replication in range(*task.replications)
    ]
    count = replications if mode == "sampled" else 1
    assert sorted(lanes) == list(product(range(2), range(2), range(count)))
    assert len({task.key("study") for task in tasks}) == len(tasks)
    assert study.lanes() == len(lanes) == sum(task.lanes for task in tasks)
