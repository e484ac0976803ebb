"""`adsim sweep` and the shipped studies."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import simulator as sim
from simulator import cli, cli_sweep
from simulator.cli_sweep import endings
from simulator.errors import UserError
from simulator.sweeps.analysis import best_plans, regrets
from simulator.sweeps.effects import swings
from simulator.sweeps.study import read_study
from simulator.sweeps.sweep import cells_of, estimate, vary
from simulator.sweeps.tasks import tasks_of
from tests.sweeps.studies import ROOT, STUDY, parts_in, write_study
from tests.worlds import brief

SHORT = STUDY.replace("steps: 4", "steps: 2").replace("replications: 3", "replications: 2")
CPM = "slots.search_words.median_cpm"
START = "calendar.phases.normal.start"
STUDIES = sorted((ROOT / "scenarios/studies").glob("*.yaml"))


def answer(*arguments):
    return CliRunner().invoke(cli.adsim, ["sweep", *map(str, arguments)])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"), SHORT)


@pytest.fixture(scope="module")
def store(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    found = answer(study, "--store", folder, "--executor", "none")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout == "4 of 4 parts are done, 0 missing, 0 damaged\n"
    return folder


def test_a_dry_run_computes_no_part_and_needs_no_store(study, tmp_path):
    found = answer(study, "--dry-run", "--format", "json", "--jobs", "1")
    numbers = json.loads(found.stdout)
    assert {key: numbers[key] for key in ("cells", "plans", "lanes", "tasks")} == {
        "cells": 4, "plans": 1, "lanes": 8, "tasks": 4,
    }  # fmt: skip
    table = answer(study, "--dry-run", "--format", "csv", "--jobs", "1").stdout
    (row,) = csv.DictReader(io.StringIO(table))
    assert row.keys() == numbers.keys()
    assert all(float(row[key]) == numbers[key] for key in row.keys() - {"seconds"})  # timed anew
    text = answer(study, "--dry-run", "--store", tmp_path / "none").stdout
    assert text.startswith("4 cells, 1 plans, 8 lanes in 4 parts\nabout ")
    assert not (tmp_path / "none").exists()


def test_an_estimate_grows_with_the_work_and_knows_the_size_of_a_part(study, store):
    read = read_study(study)
    found = estimate(read)
    size = sum(map(len, parts_in(store).values()))
    assert 0.8 * size < found.size < 1.25 * size
    assert found.seconds > 0
    assert found.tasks == len(list(tasks_of(read)))


def test_the_status_changes_nothing(study, store, tmp_path):
    found = answer(study, "--store", store, "--status", "--format", "json")
    assert json.loads(found.stdout) == {"tasks": 4, "done": 4, "missing": 0, "damaged": 0}
    table = answer(study, "--store", store, "--status", "--format", "csv").stdout
    assert table == "tasks,done,missing,damaged\n4,4,0,0\n"
    found = answer(study, "--store", tmp_path, "--status")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "there is no store in" in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_table_is_the_same_in_all_forms(study, store):
    rows = cells_of(sim.read_store(store), read_study(study))
    found = json.loads(answer(study, "--store", store, "--table", "--format", "json").stdout)
    assert found["rows"] == json.loads(json.dumps(rows))
    assert (found["mode"], found["replications"], found["seed"]) == ("sampled", 2, 11)
    text = answer(study, "--store", store, "--table", "--format", "csv").stdout
    table = list(csv.DictReader(io.StringIO(text)))
    assert len(table) == 4 * 3
    means = [float(row["mean"]) for row in table if row["metric"] == "profit"]
    assert means == [row["metrics"]["profit"]["mean"] for row in rows]
    lines = answer(study, "--store", store, "--table").stdout.splitlines()
    assert lines[0].split() == [
        "scenario", "cell", "budget", "median_cpm", "plan", "roi", "profit", "new_customers",
    ]  # fmt: skip
    assert [line.split()[:5] for line in lines[1:3]] == [
        ["brief", "0", "40,000", "60", "half_half"], ["brief", "1", "40,000", "90", "half_half"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "heads"),
    [
        (["budget", "slots.feed.median_cpm"], ["budget", "median_cpm"]),
        (["slots.feed.median_cpm", "slots.words.median_cpm"], ["feed.median_cpm", "words.median_cpm"]),
        (["budget", "scenes.live.budget"], ["budget", "live.budget"]),
        (["a.x.y", "b.x.y", "b.y"], ["a.x.y", "b.x.y", "b.y"]),
        (["sources.live.visits", "chain.plan"], ["live.visits", "chain.plan"]),
    ],
)  # fmt: skip
def test_a_parameter_is_headed_by_the_shortest_ending_that_tells_it_apart(paths, heads):
    assert endings(paths, ["scenario", "cell", "plan", "visits"]) == heads


def test_the_printed_table_tells_parameters_of_one_name_apart():
    values = {"slots.feed.median_cpm": 30.0, "slots.words.median_cpm": 60.0}
    row = {"scenario": "brief", "cell": 0, "values": values, "plan": "even"}
    head, _ = cli_sweep._columns([row | {"metrics": {"roi": {"mean": 0.5}}}]).splitlines()
    assert head.split() == [
        "scenario",
        "cell",
        "feed.median_cpm",
        "words.median_cpm",
        "plan",
        "roi",
    ]


@pytest.mark.slow
def test_tables_and_figures_are_saved_from_the_store_alone(study, store, tmp_path, monkeypatch):
    def play(work):
        raise AssertionError("nothing is left to compute")

    monkeypatch.setattr("simulator.sweeps.runner.play", play)
    found = answer(
        study, "--store", store, "--executor", "none", "-o", tmp_path, "--metric", "profit"
    )
    assert found.exit_code == 0, found.stderr
    names = found.stderr.removeprefix(f"wrote to {tmp_path}: ").strip().split(", ")
    assert sorted(names) == sorted(path.name for path in tmp_path.iterdir())
    assert {"table.csv", "tornado.svg", "heat_map.png"} <= set(names)
    rows = sim.read_store(store)
    for name, frame in {
        "swings": swings(rows, "profit"), "best_plans": best_plans(rows, "profit"),
        "regrets": regrets(rows, "profit"),
    }.items():  # fmt: skip
        saved = pd.read_csv(tmp_path / f"{name}.csv", encoding="utf-8-sig")
        pd.testing.assert_frame_equal(saved, frame, check_dtype=False)
    text = (tmp_path / "table.csv").read_text(encoding="utf-8-sig")
    assert text == answer(study, "--store", store, "--table", "--format", "csv").stdout


def test_a_complete_store_of_older_code_is_read_and_an_incomplete_one_is_refused(
    study, store, tmp_path
):
    (tmp_path / "parts").mkdir()
    manifest = json.loads((store / "manifest.json").read_text(encoding="utf-8"))
    manifest["makers"][0]["code"] = "0" * 64
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    for name, content in parts_in(store).items():
        (tmp_path / "parts" / name).write_bytes(content)
    found = answer(study, "--store", tmp_path, "--table", "--format", "csv")
    assert found.stdout == answer(study, "--store", store, "--table", "--format", "csv").stdout
    (tmp_path / "parts" / name).unlink()
    found = answer(study, "--store", tmp_path, "--table", "--executor", "none")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "another version of this program" in found.stderr


def test_a_folder_that_cannot_be_made_is_told_before_any_work(study, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    found = answer(study, "--store", tmp_path / "store", "-o", tmp_path / "file/below")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "cannot write to" in found.stderr
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "say where to keep the parts: --store DIR"),
        (("--store", "x", "--executor", "ray"), "no executor is called 'ray'"),
        (("--store", "x", "--executor", "dask:nowhere"), "at nowhere"),
        (("--jobs", "0"), "--jobs"),
        (("--dry-run", "--status"), "--dry-run prints nothing else: leave out --status"),
        (("--status", "--table", "-o", "y"), "leave out --table and -o"),
        (
            ("--store", "x", "--by", "budget"),
            "--by is about tables and figures: say where to save them, -o",
        ),
        (("--store", "x", "-o", "y", "--by", "budget"), "--by: name two parameters (got 'budget')"),
        (
            ("--store", "x", "-o", "y", "--by", "budget", "--by", "budget"),
            "(got 'budget', 'budget')",
        ),
        (("--store", ""), "--store is empty"),
        (("--store", "x", "-o", "y", "--plan", ""), "--plan is empty"),
        (("--store", "x", "-o", ""), "-o is empty"),
        (
            ("--store", "x", "-o", "y", "--metric", "prof"),
            "--metric: the study has no 'prof', did you mean 'profit'",
        ),
        (
            ("--store", "x", "-o", "y", "--plan", "z"),
            "--plan: the study has no 'z'; known are half_half",
        ),
        (
            ("--store", "x", "-o", "y", "--by", "budgt", "--by", "a"),
            "no 'budgt', did you mean 'budget'",
        ),
    ],
)
def test_a_wrong_command_ends_with_2_and_one_line(study, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "dask:nowhere" in arguments:
        pytest.importorskip("distributed")
        monkeypatch.setattr("simulator.sweeps.runner.PATIENCE", "0.3s")
    found = answer(study, *arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert words in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_study_ends_with_2_and_its_lines(tmp_path):
    path = write_study(tmp_path, "scenarios: [brief]\nover: {budgt: [1]}\nmetrics: [rio]\n")
    found = answer(path, "--store", tmp_path / "store")
    assert (found.exit_code, found.stdout) == (2, "")
    assert f"{path}:3:11: metrics.0 is no metric: 'rio', did you mean 'roi'?" in found.stderr
    assert not (tmp_path / "store").exists()


def test_scenarios_are_prepared_before_anything_is_varied(tmp_path):
    seen = []
    path = write_study(tmp_path, "scenarios: [brief]\n")
    read_study(path, lambda name, scenario: seen.append(name) or scenario)
    assert seen == ["brief"]


# --- the front door -----------------------------------------------------------------------------


def test_a_pair_is_a_range_and_faults_are_told_as_in_a_file():
    frame = sim.sweep(
        brief(), over={"budget": (40e3, 60e3)}, plans=["even"], design="sobol", points=2,
        replications=1, metrics=["profit"],
    )  # fmt: skip
    assert len(frame) == 2
    assert frame["budget"].between(40e3, 60e3).all()
    wrong = {"over": {"budgt": [1]}, "metrics": ["profit"]}
    with pytest.raises(
        UserError, match=r"sweep:1:1: over\.budgt is not known at budgt, did you mean 'budget'"
    ):
        sim.sweep(brief(), **wrong)
    with pytest.raises(UserError, match="plan names must differ; got even, even"):
        sim.sweep(brief(), plans=["even", "even"])
    with pytest.raises(UserError, match="no plan is called 'evn', did you mean 'even'"):
        sim.sweep(brief(), plans=["evn"])


@pytest.mark.parametrize(
    ("path", "given", "plain"),
    [
        ("budget", np.arange(40_000, 60_001, 10_000), [40_000, 50_000, 60_000]),
        ("budget", [np.int64(40_000), np.float32(6e4), "5万"], [40_000, 60_000.0, "5万"]),
        ("budget", pd.Series([4e4, 6e4]), [4e4, 6e4]),
        ("budget", range(40_000, 60_001, 20_000), [40_000, 60_000]),
        ("budget", np.array(5e4), [5e4]),
        (START, [date(2021, 3, 20), datetime(2021, 3, 21)], ["2021-03-20", "2021-03-21"]),
        (
            START, np.array(["2021-03-20", "2021-03-21"], "datetime64[ns]"),
            ["2021-03-20", "2021-03-21"],
        ),
        (START, pd.to_datetime(["2021-03-20"]), ["2021-03-20"]),
        (CPM, [{"value": np.int64(60), "sd": np.float64(0.2)}], [{"value": 60, "sd": 0.2}]),
    ],
)  # fmt: skip
def test_values_from_python_are_those_that_a_file_would_hold(path, given, plain):
    """Its manifest, which is JSON, takes them."""
    settings = {"replications": np.int64(2), "seed": np.uint64(2**64 - 1)}
    study = vary(brief(), {path: given}, ["half_half"], settings)
    levels = study.design.over[path]
    assert levels == plain
    assert [type(level) for level in levels] == [type(level) for level in plain]
    assert (study.replications, study.seed) == (2, 2**64 - 1)
    assert json.loads(json.dumps(study.content()))["over"] == {path: plain}


def test_rows_of_an_array_are_those_of_a_list():
    options = {"plans": ["half_half"], "mode": "expected", "metrics": ("profit",)}
    frame = sim.sweep(brief(), over={"budget": np.array([40_000, 60_000])}, **options)
    again = sim.sweep(brief(), over={"budget": ["40k", 6e4]}, **options)
    assert list(frame["budget"].unique()) == [40e3, 60e3]
    pd.testing.assert_frame_equal(frame, again, check_exact=True)


@pytest.mark.parametrize(
    "given",
    [
        {"over": {"budget": [1]}}, {"plans": ["half_half"]}, {"replications": 3}, {"seed": 11}, {"mode": "expected"},
        {"metrics": ["gmv"]}, {"design": "sobol", "points": 8}, {"where": []}, {"spreads": False},
        {"over": {}, "replications": 100},
    ],
)  # fmt: skip
def test_what_a_study_file_decides_is_not_decided_once_more(study, given):
    words = f"what is varied and how it is played: leave out {', '.join(given)}"
    for question in (study, read_study(study)):
        with pytest.raises(UserError, match=re.escape(words)):
            sim.sweep(question, **given)


def test_what_python_leaves_out_is_as_in_a_file_that_leaves_it_out(tmp_path):
    study = vary(brief(), {}, (), {})
    assert study.content() == read_study(write_study(tmp_path, "scenarios: [brief]\n")).content() | {
        "scenarios": study.content()["scenarios"], "plans": study.content()["plans"],
    }  # fmt: skip
    assert (study.replications, study.seed, study.mode, study.spreads) == (100, 11, "sampled", True)


# --- shipped studies ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_shipped_study_runs(path):
    """In expected mode, so that each cell is one lane a plan; every answer is a number."""
    study = replace(read_study(path), mode="expected")
    assert study.question
    frame = sim.sweep(study)
    assert len(frame.groupby(["cell", "plan"])) == len(study.cells) * len(study.cases[0].plans)
    assert frame[list(study.metrics)].notna().all(axis=None)


@pytest.mark.slow
def test_dear_search_words_lower_the_return_and_the_better_plan_stays_the_better():
    """What the shipped study asks, in expected mode."""
    study = read_study(ROOT / "scenarios/studies/dear_search.yaml")
    frame = sim.sweep(replace(study, mode="expected"))
    own = frame[(frame["budget"] == 60e3) & (frame["slots.search_words.sigma"] == 0.6)]
    cpm = "slots.search_words.median_cpm"
    table = own.pivot_table(index=cpm, columns="plan", values="roi")
    assert list(table.index) == [30.0, 45.0, 60.0]
    assert table["half_half"].is_monotonic_decreasing
    assert table["mostly_new"].is_monotonic_decreasing
    assert (table["mostly_new"] > table["half_half"]).all()
