"""The command line: exit codes, what stands on which stream, and what each command prints."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unicodedata import east_asian_width

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

import simulator
from simulator import cli, console, with_values
from simulator.calibration.anchors import anchor
from simulator.engine.simulate import simulate
from simulator.errors import RunError
from simulator.outcomes import read_outcomes
from simulator.reports.tables import (
    BESIDE,
    MAIN_METRICS,
    PACKAGE_COLUMNS,
    PLAN_COLUMNS,
    SCENE_COLUMNS,
)
from simulator.scenario import read_scenario
from simulator.scenario.amounts import compact
from simulator.scenario.goods import UNLIMITED
from simulator.scenario.loader import preset_names
from simulator.scenario.plan import plans_of
from tests.outcomes.synthetic import make_axes, make_outcomes
from tests.worlds import brief

ROOT = Path(__file__).parents[1]
MINIMAL = str(ROOT / "scenarios/minimal.yaml")
TABLES = "table.csv, days.csv, people.csv"
COFFEE = str(ROOT / "scenarios/new_coffee_100m.yaml")
HEAVY = {"numpy", "pandas", "scipy", "simpy", "matplotlib", "pyarrow", "rich", "simulator.engine"}
START = {"pydantic", "yaml", "simulator.scenario"}


def answer(*arguments):
    return CliRunner().invoke(cli.adsim, list(arguments))


def program(
    *arguments, code="import sys; from simulator.cli import main; sys.exit(main())", **more
):
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, capture_output=True, encoding="utf-8", check=False, **more,
    )  # fmt: skip


def columns(line):
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in line)


@pytest.fixture
def engine(monkeypatch):
    """An engine that notes how it is called, and answers or raises what the test puts there."""
    calls: list[Any] = []

    def simulate(scenario, plans=None, **options):
        calls.append((scenario, plans, options))
        if isinstance(stand_in.answer, BaseException):
            raise stand_in.answer
        return stand_in.answer

    stand_in = SimpleNamespace(simulate=simulate, calls=calls, answer=make_outcomes())
    stand_in.answer.book.scenes["unspent"][:] = 0.0
    monkeypatch.setitem(sys.modules, "simulator.engine.simulate", stand_in)
    return stand_in


@pytest.fixture
def unsure():
    """Outcomes with and without what we do not know, and with Chinese names."""
    axes = make_axes(plans=("even", "先发"))
    return make_outcomes(seed=2, axes=axes, chance_only=make_outcomes(seed=1, axes=axes))


# --------------------------------------------------------------------------- the program
def loaded(*arguments):
    """Modules that a command loads, and its exit code."""
    code = (
        "import sys; from simulator.cli import main; c = main(); print(*sys.modules); sys.exit(c)"
    )
    found = program(*arguments, code=code)
    modules = found.stdout.splitlines()[-1].split()
    return {name for name in modules if name in HEAVY | START}, found


def test_help_loads_nothing_heavy():
    modules, found = loaded("--help")
    assert (modules, found.returncode, found.stderr) == (set(), 0, "")
    assert found.stdout.startswith("Usage: adsim [OPTIONS] COMMAND")


@pytest.mark.parametrize("command", [("check", MINIMAL), ("schema",), ("check", __file__)])
def test_check_and_schema_load_no_numbers(command):
    modules, found = loaded(*command)
    assert modules == START
    assert found.returncode == (2 if __file__ in command else 0)


def test_check_does_not_read_the_sources_of_the_model():
    code = "import sys, inspect; del inspect.findsource; from simulator.cli import main; main()"
    assert program("check", MINIMAL, code=code).stderr == ""


def test_every_command_helps():
    for command in cli.adsim.commands:
        found = answer(command, "-h")
        assert (found.exit_code, found.stderr) == (0, "")
        assert f"Usage: adsim {command} " in found.stdout


def test_the_version():
    assert answer("--version").stdout == f"{simulator.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("rum",), ("run",), ("check",), ("new",),
        ("run", MINIMAL, "--colour"), ("run", MINIMAL, "-n", "0"), ("run", "none.yaml"),
        ("run", MINIMAL, "-n", "many"), ("run", MINIMAL, "--mode", "exact"), ("compare", "x", "a"),
        ("run", MINIMAL, "--seed", "-1"), ("run", MINIMAL, "--format", "xml"),
        ("run", MINIMAL, "--jobs", "0"), ("run", MINIMAL, "--plan", "evn"),
        ("run", MINIMAL, "--set", "budget"), ("run", MINIMAL, "--set", "budgt=1"),
        ("check", MINIMAL, "--set", "budget=-1"), ("compare", "nowhere", "a", "b"),
    ],
)  # fmt: skip
def test_a_wrong_command_ends_with_2(arguments, engine):
    found = answer(*arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.strip()
    assert "Traceback" not in found.stderr
    assert engine.calls == []


def test_a_run_that_fails_ends_with_1(engine):
    engine.answer = RunError("clicks: above its limit by 3")
    found = answer("run", MINIMAL)
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr == "Error: clicks: above its limit by 3\n"


def test_a_fault_of_the_program_is_one_line(engine, monkeypatch):
    engine.answer = ZeroDivisionError("by\nzero")
    found = answer("run", MINIMAL)
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr.count("\n") == 1
    assert "internal error: ZeroDivisionError: by zero (please report it" in found.stderr
    monkeypatch.setenv("ADSIM_DEBUG", "1")
    assert "Traceback (most recent call last)" in answer("run", MINIMAL).stderr


def test_ctrl_c_ends_with_130(engine):
    engine.answer = KeyboardInterrupt()
    found = answer("run", MINIMAL)
    assert (found.exit_code, found.stdout, found.stderr) == (130, "", "\nstopped\n")


def test_ctrl_c_stops_the_program():
    code = (
        "import sys, time, types; from simulator.cli import main\n"
        "def simulate(*_, **__): print('begun', flush=True); time.sleep(60)\n"
        "sys.modules['simulator.engine.simulate'] = types.SimpleNamespace(simulate=simulate)\n"
        "sys.exit(main())"
    )
    arguments = [sys.executable, "-c", code, "run", MINIMAL]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    with subprocess.Popen(arguments, cwd=ROOT, **pipes) as process:
        assert process.stdout and process.stdout.readline() == "begun\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "\nstopped\n")


def test_a_reader_who_leaves_is_no_fault():
    read, write = os.pipe()
    os.close(read)
    arguments = [sys.executable, "-m", "simulator", "schema"]
    found = subprocess.run(arguments, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (found.returncode, found.stderr) == (0, b"")


FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")


@FULL
def test_a_full_disk_behind_stdout_is_told_and_no_fault_of_the_program(tmp_path):
    """Whether Python holds answers back or not; and what was asked for with -o is kept."""
    for more in ({}, {"PYTHONUNBUFFERED": "1"}):
        arguments = [
            sys.executable,
            "-m",
            "simulator",
            "run",
            MINIMAL,
            "-n",
            "2",
            "-o",
            str(tmp_path),
        ]
        with open("/dev/full", "w", encoding="utf-8") as full:
            found = subprocess.run(
                arguments, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False, env=os.environ | more
            )  # fmt: skip
        said = found.stderr.decode().splitlines()
        assert (found.returncode, said[-1]) == (
            1, "Error: cannot print the answer: No space left on device"
        )  # fmt: skip
        assert read_outcomes(tmp_path).replications == 2
        (tmp_path / "manifest.json").unlink()


def test_a_reader_who_leaves_does_not_take_the_saved_answer_along(tmp_path):
    read, write = os.pipe()
    os.close(read)
    arguments = [sys.executable, "-m", "simulator", "run", MINIMAL, "-n", "2", "-o", str(tmp_path)]
    found = subprocess.run(arguments, cwd=ROOT, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (found.returncode, found.stderr) == (0, f"wrote to {tmp_path}: {TABLES}\n".encode())
    assert read_outcomes(tmp_path).replications == 2


def test_an_answer_that_cannot_be_saved_is_printed_all_the_same(engine, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("simulator.outcomes.outcomes.Outcomes.to_csv", full)
    found = answer("run", MINIMAL, "-o", str(tmp_path))
    assert (found.exit_code, found.stdout) == (2, answer("run", MINIMAL).stdout)
    assert found.stderr == f"Error: cannot write to {tmp_path}: No space left on device\n"


def test_a_folder_that_takes_no_files_is_told_before_the_run(engine, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(console, "TemporaryFile", refuse)
    found = answer("run", MINIMAL, "-o", str(tmp_path))
    assert (found.exit_code, found.stdout, engine.calls) == (2, "", [])
    assert found.stderr == f"Error: cannot write to {tmp_path}: Permission denied\n"


def test_closed_streams_are_no_fault():
    code = "import sys; sys.stdout = sys.stderr = None; from simulator.cli import main; sys.exit(main())"
    assert program("check", MINIMAL, code=code).returncode == 0
    assert program("check", "nowhere.yaml", code=code).returncode == 2


@FULL
def test_nobody_hears_why_and_the_exit_code_is_as_ever():
    arguments = [sys.executable, "-m", "simulator", "run", "nowhere.yaml"]
    with open("/dev/full", "w", encoding="utf-8") as full:
        found = subprocess.run(arguments, cwd=ROOT, stderr=full, check=False)
    assert found.returncode == 2


def test_a_new_file_is_whole_or_not_there(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "old.json").write_text("old", encoding="utf-8")
    for command in (
        ("new", "me", "-o", str(tmp_path / "me.yaml")),
        ("schema", "-o", str(tmp_path / "old.json")),
    ):
        found = answer(*command)
        assert found.exit_code == 2
        assert "No space left on device" in found.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]
    assert (tmp_path / "old.json").read_text(encoding="utf-8") == "old"


@pytest.mark.skipif(sys.platform != "linux", reason="paths are text elsewhere")
def test_a_file_may_have_a_name_that_is_no_text(tmp_path):
    odd = os.fsencode(tmp_path) + b"/b\xff.yaml"
    Path(os.fsdecode(odd)).write_bytes(Path(MINIMAL).read_bytes())
    found = answer(
        "run", os.fsdecode(odd), "-n", "2", "-o", str(tmp_path / "out"), "--format", "json"
    )
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["scenario"] == "b\\xff"
    assert read_outcomes(tmp_path / "out").scenario == "b\\xff"


def test_output_is_utf_8_in_any_locale():
    found = program(
        "check", "没有.yaml", env=os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    )
    assert found.returncode == 2
    assert found.stderr.startswith("没有.yaml:1:1: cannot be read: ")


# --------------------------------------------------------------------------- check
def test_check_counts_what_it_read():
    found = answer("check", MINIMAL, COFFEE)
    assert (found.exit_code, found.stderr) == (0, "")
    first, second, *bookings = found.stdout.splitlines()
    assert first.startswith(f"{MINIMAL}: ok (1 segment, 2 scenes, 2 slots, 3 placements, 2 plans, ")
    assert re.search(r"\b[1-9][0-9]* uncertain numbers\)$", first)
    assert second.startswith(f"{COFFEE}: ok (4 segments, 5 scenes, ")
    assert bookings[0] == "  focus_picture.warm_up: all of 15m impressions available"
    assert bookings[-1] == "  auctions: nothing is promised"


TOO_MUCH = ("--set", "slots.focus_picture.opportunities=1.3m")


def test_a_budget_that_plans_in_yuan_do_not_follow_is_told(engine, tmp_path):
    told = "Warning: --set budget does not change fixed: written in CNY"
    file = tmp_path / "own.yaml"
    file.write_text(
        f"format: 1\nextends: {Path(MINIMAL).resolve()}\nplans: {{fixed: {{harvest: 30k}}, half: {{harvest: 50%}}}}\n"
    )
    assert told in answer("run", str(file), "--set", "budget=70k").stderr
    assert "Warning" not in answer("run", str(file), "--set", "budget=70k", "--plan", "half").stderr
    assert "Warning" not in answer("run", str(file)).stderr


def test_a_booking_that_is_too_large_is_told_by_check_and_run(engine):
    there = "focus_picture.warm_up: 11.9m of 15m impressions available"
    line = f"{there}: all of CNY 900,000 is paid, for the remedy is make_good"
    checked = answer("check", COFFEE, *TOO_MUCH)
    assert checked.exit_code == 0
    assert f"  {line}\n" in checked.stdout
    found = answer("run", COFFEE, *TOO_MUCH)
    assert found.exit_code == 0
    assert f"Warning: {line}" in found.stderr
    assert "taobao_splash" not in found.stderr
    assert answer("run", COFFEE).stderr == ""


def test_check_warns_of_a_guarantee_above_what_is_bid_for_at_its_place(tmp_path):
    own = tmp_path / "own.yaml"
    guarantee = "incentives:\n  roi_guarantees:\n    g: {scenes: [harvest], target: 5}\n"
    own.write_text(Path(MINIMAL).read_text(encoding="utf-8") + guarantee, encoding="utf-8")
    line = own.read_text(encoding="utf-8").count("\n")
    found = CliRunner().invoke(
        cli.adsim, ["check", str(own), "--set", "scenes.harvest.bid={mode: roi_control, target: 4}"]
    )
    assert found.exit_code == 0 and "ok (" in found.stdout
    place = f"Warning: {own}:{line}:36: incentives.roi_guarantees.g.target"
    assert found.stderr.startswith(f"{place} is above the return that is bid for, 4 (got 5)")


def test_check_names_every_problem_of_every_file(tmp_path):
    text = Path(MINIMAL).read_text(encoding="utf-8")
    broken, newer = tmp_path / "broken.yaml", tmp_path / "newer.yaml"
    broken.write_text(text.replace("55%", "155%").replace("cpm: 1.6", "cpn: 1.6"), encoding="utf-8")
    newer.write_text("format: 2\n" + text, encoding="utf-8")
    found = answer("check", str(broken), MINIMAL, str(newer))
    assert found.exit_code == 2
    assert found.stdout.count("\n") == 1
    first, second, third = found.stderr.splitlines()
    assert (
        first.startswith(f"{broken}:9:")
        and "sale.cpn is not a known field, did you mean 'cpm'?" in first
    )
    assert second.startswith(f"{broken}:14:") and "margin must lie in 0..1 (got '155%')" in second
    assert third.startswith(f"{newer}:1:9: file is written for format 2")


def test_check_sees_what_is_set():
    assert (
        answer(
            "check", MINIMAL, "--set", "budget=70k", "--set", "plans.all={harvest: 70k}"
        ).exit_code
        == 0
    )
    found = answer("check", MINIMAL, "--set", "plans.all={harvest: 70k}")
    assert "plans.all spends 10,000 CNY more than the budget of 60,000 CNY" in found.stderr


# --------------------------------------------------------------------------- run
def test_run_passes_on_what_it_is_told(engine):
    assert answer("run", MINIMAL).exit_code == 0
    _, plans, options = engine.calls.pop()
    assert [plan.name for plan in plans] == ["half_half", "mostly_new"]
    assert options == {
        "replications": 200, "seed": 11, "mode": "sampled", "spreads": True, "executor": None,
        "progress": None,
    }  # fmt: skip
    more = ("-n", "9", "--seed", "5", "--mode", "expected", "--no-spread", "--quiet")
    assert answer("run", MINIMAL, "--set", "budget=70k", *more).exit_code == 0
    scenario, _, options = engine.calls.pop()
    assert scenario == read_scenario(MINIMAL, ["budget=70k"])
    assert (options["replications"], options["seed"], options["mode"]) == (9, 5, "expected")
    assert options["spreads"] is False


def test_run_takes_plans_by_name(engine):
    names = ("none", "even", "mostly_new", "even")
    assert answer("run", MINIMAL, *(x for name in names for x in ("--plan", name))).exit_code == 0
    plans = engine.calls[0][1]
    assert [plan.name for plan in plans] == ["none", "even", "mostly_new"]
    assert [round(plan.auction_money) for plan in plans] == [0, 60_000, 60_000]
    found = answer("run", MINIMAL, "--plan", "mostly")
    assert found.stderr == "Error: no plan is called 'mostly', did you mean 'mostly_new'?\n"
    found = answer("run", MINIMAL, "--plan", "x")
    assert found.stderr.endswith("; known are half_half, mostly_new, even, none\n")


def test_run_without_plans_plays_the_budgets_of_the_scenes(engine):
    gone = ("--set", "plans.half_half=null", "--set", "plans.mostly_new=null")
    for names in ((), ("--plan", "current")):
        assert answer("run", MINIMAL, *gone, *names).exit_code == 0
        (plan,) = engine.calls.pop()[1]
        assert plan.name == "current"
        assert {s: round(sum(f.values())) for s, f in plan.money.items()} == {
            "new_customer": 30_000, "harvest": 30_000,
        }  # fmt: skip


def test_a_plan_of_the_file_may_be_called_even(engine):
    mine = "plans.even={new_customer: 10%, harvest: 90%}"
    assert answer("run", MINIMAL, "--set", mine, "--plan", "even").exit_code == 0
    assert sum(engine.calls[0][1][0].money["harvest"].values()) == pytest.approx(54_000)


def test_a_broken_file_is_not_run(engine, tmp_path):
    folder = tmp_path / "out"
    found = answer("run", MINIMAL, "--set", "plans.half_half.harvest=90%", "-o", str(folder))
    assert (found.exit_code, found.stdout, engine.calls) == (2, "", [])
    assert not folder.exists()


def test_a_run_that_cannot_be_saved_is_not_begun(engine, tmp_path):
    (tmp_path / "file").write_text("")
    found = answer("run", MINIMAL, "-o", str(tmp_path / "file/out"))
    assert (found.exit_code, engine.calls) == (2, [])
    assert found.stderr.startswith("Error: cannot write to ")


def test_json_is_one_document_on_stdout(engine, unsure):
    engine.answer = unsure
    found = answer("run", MINIMAL, "--format", "json")
    assert (found.exit_code, found.stderr) == (0, "")
    document = json.loads(found.stdout, parse_constant=pytest.fail)
    assert document == unsure.as_json() | {"scenario": "minimal"}
    assert [plan["plan"] for plan in document["plans"]] == ["even", "先发"]


def test_csv_is_in_long_form(engine, unsure):
    engine.answer = unsure
    found = answer("run", MINIMAL, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(found.stdout)))
    assert found.stdout == unsure.as_csv()
    assert {row["plan"] for row in rows} == {"even", "先发"}
    assert {row["scene"] for row in rows} == {"", "search", "live"}
    assert {row["product"] for row in rows} == {"", "bags", "beans"}
    roi = [row for row in rows if (row["plan"], row["scene"], row["metric"]) == ("even", "", "roi")]
    assert float(roi[0]["p10"]) < float(roi[0]["mean"]) < float(roi[0]["p90"])


def test_a_run_is_saved_and_read_again(engine, tmp_path):
    folder = tmp_path / "a/b"
    found = answer("run", MINIMAL, "-o", str(folder), "--format", "json")
    assert found.exit_code == 0
    again = read_outcomes(folder)
    assert again.as_json() == json.loads(found.stdout)
    table = (folder / "table.csv").read_bytes()
    assert table.startswith(
        b"\xef\xbb\xbfplan,scene,phase,product,package,commission,metric,mean,p10,"
    )


def test_the_store_of_a_sweep_is_refused_before_the_run(engine, tmp_path):
    (tmp_path / "manifest.json").write_text('{"format": 1, "study": {}}', encoding="utf-8")
    found = answer("run", MINIMAL, "-o", str(tmp_path))
    words = f"Error: {tmp_path} is the store of a sweep: choose another folder\n"
    assert (found.exit_code, found.stdout, found.stderr) == (2, "", words)
    assert engine.calls == []
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_the_tables_of_days_and_people_hold_every_plan_and_the_world_without_ads(engine, tmp_path):
    assert answer("run", MINIMAL, "-o", str(tmp_path)).exit_code == 0
    outcomes = engine.answer
    for name, wanted in (("days", outcomes.days), ("people", outcomes.people)):
        table = pd.read_csv(tmp_path / f"{name}.csv")
        assert list(table["plan"].unique()) == [*outcomes.plans, "no ads"]
        for plan, own in table.groupby("plan"):
            numbers = own.select_dtypes("number").to_numpy()
            there = wanted(plan).select_dtypes("number").to_numpy()
            np.testing.assert_allclose(numbers, there, rtol=1e-9)
    assert (
        (tmp_path / "days.csv")
        .read_bytes()
        .startswith(b"\xef\xbb\xbfplan,date,spend,gmv,new_customers_gross,visits,")
    )


# --------------------------------------------------------------------------- tables
def test_the_table_has_every_main_figure(engine):
    lines = answer("run", MINIMAL).stdout.splitlines()
    assert lines[0] == "新咖啡"
    assert lines[1] == "sampled, 40 replications, seed 1"
    for plan in ("even", "launch first"):
        beside = [name for names in BESIDE.values() for name in names]
        block = lines[lines.index(f"Plan {plan}") + 2 :][: len(MAIN_METRICS) + len(beside)]
        rows = {line.split()[0]: line.split() for line in block}
        assert [name for name in rows if name not in beside] == list(MAIN_METRICS)
        spend, roas = rows["spend"], rows["roas"]
        figures = engine.answer.metrics(plan)
        assert spend[1:] == ["CNY", *words(figures["spend"])]
        assert roas[1:] == ["x", *words(figures["roas"])]
    assert lines[lines.index("Plan even") + 1].split() == ["metric", "unit", "mean", "range"]


def words(numbers):
    low, mean, high = (compact(numbers[key]) for key in ("p10", "mean", "p90"))
    return [mean, low, "to", high]


def test_the_table_shows_chance_and_not_knowing_side_by_side(engine, unsure):
    engine.answer = unsure
    lines = answer("run", MINIMAL).stdout.splitlines()
    at = lines.index("Plan 先发")
    assert lines[at + 1].split() == ["chance", "chance", "and"]
    assert lines[at + 2].split() == ["metric", "unit", "mean", "only", "not", "knowing"]
    alone, both = unsure.chance_only.metrics("先发")["gmv"], unsure.metrics("先发")["gmv"]
    gmv = next(line for line in lines[at:] if line.startswith("  gmv"))
    assert gmv.split() == ["gmv", "CNY", words(both)[0], *words(alone)[1:], *words(both)[1:]]


def test_the_table_has_a_row_per_scene(engine):
    lines = answer("run", MINIMAL).stdout.splitlines()
    at = lines.index("Scenes of even")
    assert lines[at + 1].split() == ["scene", "spend", "shown", "clicks", "orders", "gmv", "roas"]
    live = engine.answer.scenes("even")["live"]
    figures = [compact(live[name]["mean"]) for name in SCENE_COLUMNS]
    assert lines[at + 3].split() == ["live", *figures]


def test_products_and_commissioned_media_have_tables(engine):
    engine.answer = found = make_outcomes(axes=replace(make_axes(), commissions=("star",)))
    ones = np.ones((1, 3 * found.replications))
    found.book.commissions = {"visits": 9 * ones, "gmv": 5 * ones, "cost": 2 * ones}
    lines = answer("run", MINIMAL).stdout.splitlines()
    at, beans = lines.index("Products of even"), found.parts("even")["products"]["beans"]
    assert lines[at + 1].split() == ["product", "orders", "gmv", "refunds", "unmet", "back", "left"]
    shown = [
        compact(beans[name]["mean"])
        for name in ("paid_orders", "gmv", "unmet", "back_on_sale", "left")
    ]
    shown.insert(2, f"{beans['refund_share']['mean']:.1%}")
    assert lines[at + 3].split() == ["beans", *shown]
    assert lines[at + 4] == "  gmv: CNY; refunds: share of orders"
    at = lines.index("Commissioned media of even")
    assert lines[at + 2 : at + 4] == ["  star          9.00  5.00  2.00", "  gmv, cost: CNY"]


def test_products_that_sell_out_say_how_often_and_when(engine):
    """Ten of forty replications, half of them on the first of the days and half on the third."""
    engine.answer = found = make_outcomes()
    day = found.book.products["sold_out_day"]
    day[1, :5], day[1, 5:10] = 0.9, 2.5
    lines = answer("run", MINIMAL).stdout.splitlines()
    at = lines.index("Products of even")
    assert lines[at + 1].split() == ["sold"]
    assert lines[at + 2].split()[-2:] == ["out", "on"]
    assert [line.split()[-2:] for line in lines[at + 3 : at + 5]] == [["0%", "-"], ["25%", "10-22"]]
    assert any(line.startswith("  sold out: share of replications") for line in lines)
    assert max(map(len, lines)) <= 80


def test_packages_of_a_plan_have_a_table(engine):
    axes = replace(make_axes(), packages=("focus.early", "focus.late", "top.all"))
    engine.answer = found = make_outcomes(axes=axes)
    found.book.packages["paid"] = 1000 * found.book.packages["booked"]
    found.book.packages["booked"][1] = found.book.packages["paid"][1] = 0
    lines = answer("run", MINIMAL).stdout.splitlines()
    at, early = lines.index("Packages of even"), found.parts("even")["packages"]["focus.early"]
    assert lines[at + 2].split() == ["package", "booked", "delivered", "shortfall", "good", "paid"]
    shown = [compact(early[name]["mean"]) for name in PACKAGE_COLUMNS]
    assert lines[at + 3].split() == ["focus.early", *shown]
    assert lines[at + 4].split()[0] == "top.all"  # the second is not booked
    assert lines[at + 5] == "  paid: CNY; all others: impressions"


def test_one_product_has_a_table_where_its_stock_is_limited(engine):
    engine.answer = found = make_outcomes(axes=replace(make_axes(), products=("bags",)))
    goods = found.book.products
    assert "Products of even" in answer("run", MINIMAL).stdout.splitlines()
    goods["left"][0] = UNLIMITED + goods["back_on_sale"][0] - goods["paid"][0]
    assert "Products of even" not in answer("run", MINIMAL).stdout.splitlines()
    assert found.parts("even")["products"]["bags"]["left"]["mean"] is None


def test_what_lies_between_spend_and_net_spend_is_shown_where_there_is_any(engine):
    lines = answer("run", MINIMAL).stdout.splitlines()
    at = lines.index("Plan even") + 2
    assert [line.split()[0] for line in lines[at : at + 7]] == [
        "spend", "commission_media", "message_spend", "money_back", "net_spend", "fixed_cost", "gmv"
    ]  # fmt: skip
    first = [line.split()[0] for line in lines if line.split()]
    at_campaign = first.index("gmv_campaign")
    presale = ["deposits", "balances", "forfeited"]
    assert first[at_campaign + 1 : at_campaign + 6] == [*presale, "revenue", "settlement"]
    for name in ("commission_media", "message_spend", "money_back", "settlement", *presale):
        engine.answer.book.totals[name][:] = 0.0
    engine.answer.__dict__.pop("_lanes", None)
    lines = answer("run", MINIMAL).stdout.splitlines()
    shown = [line.split()[0] for line in lines[at : at + 4]]
    assert shown == ["spend", "net_spend", "fixed_cost", "gmv"]


def test_several_plans_stand_side_by_side_first(engine):
    lines = answer("run", MINIMAL).stdout.splitlines()
    at = lines.index("Plan even") - len(engine.answer.plans) - 3
    assert lines[at].split() == ["plan", *PLAN_COLUMNS]
    for line, plan in zip(lines[at + 1 :], engine.answer.plans, strict=False):
        figures = engine.answer.metrics(plan)
        assert line.split() == [*plan.split(), *(compact(figures[n]["mean"]) for n in PLAN_COLUMNS)]


def test_a_scene_with_a_target_says_whether_it_holds(engine):
    scenes = engine.answer.book.scenes
    assert not any(
        line.startswith("  target:") for line in answer("run", MINIMAL).stdout.splitlines()
    )
    scenes["targeted"][1], scenes["allowed"][1] = 30.0, 40.0
    lines = answer("run", MINIMAL).stdout.splitlines()
    at = lines.index("Scenes of even") + 1
    assert [line.split()[-1] for line in lines[at : at + 3]] == ["target", "-", "0.750"]
    assert any(line.startswith("  target:") for line in lines)


def test_a_shop_that_chokes_says_so(engine):
    """Orders that wait for days, or find no goods, are blamed on the ads where nobody sees them."""
    fine, bad = make_outcomes(), make_outcomes()
    for run, late, unmet in ((fine, 0.01, 0.001), (bad, 0.5, 0.02)):
        paid = run.book.totals["paid_orders"]
        run.book.totals["late_orders"][:], run.book.totals["unmet"][:] = late * paid, unmet * paid
    for engine.answer, shown in ((fine, set()), (bad, {"unmet", "late_share", "shipping_delay"})):
        rows = {
            line.split()[0] for line in answer("run", MINIMAL).stdout.splitlines() if line.strip()
        }
        assert rows & {"unmet", "late_share", "shipping_delay"} == shown


def test_money_that_finds_no_use_is_named_with_its_scene(engine):
    """From a hundredth of the spend up: fen that rounding leaves are no news."""
    for part, shown in ((0.001, False), (0.5, True)):
        run = engine.answer = make_outcomes()
        run.book.scenes["unspent"][:] = part * run.book.scenes["spend"]
        lines = answer("run", MINIMAL).stdout.splitlines()
        assert any(line.split()[:1] == ["unspent"] for line in lines) == shown
        table = lines[lines.index("Scenes of even") + 1 :]
        assert (table[0].split()[-1] == "unspent") == shown
        if shown:
            scenes = run.scenes("even")
            rows = [line.split() for line in table[1 : 1 + len(scenes)]]
            assert {row[0]: row[-1] for row in rows} == {
                name: compact(own["unspent"]["mean"]) for name, own in scenes.items()
            }
            assert "  spend, gmv, unspent: CNY; roas: gmv per yuan spent" in lines


def test_money_that_is_left_is_shown_by_scene_and_phase(engine):
    """Phases that leave less than a hundredth of their money are not worth a row."""
    run = engine.answer = make_outcomes()
    run.book.scenes["unspent"][:] = run.book.scenes["spend"]
    run.book.spend[0], run.book.spend[1:] = 2.0, 4.99
    run.book.spend[1, 0] = 3.0
    lines = answer("run", MINIMAL).stdout.splitlines()
    at, cells = lines.index("Money that even leaves in auctions"), run.cells("even")
    assert lines[at + 1].split() == ["scene", "phase", "planned", "spend", "unspent"]
    first = run.axes.scenes[0]
    for n, phase in enumerate(run.axes.phases):
        cell = cells[first][phase]
        figures = [compact(cell[m]["mean"]) for m in ("planned", "auction_spend", "unspent")]
        assert lines[at + 2 + n].split() == [first, phase, *figures]
    last = at + 2 + len(run.axes.phases)
    assert lines[last].split() == [run.axes.scenes[1], run.axes.phases[0], "5.00", "3.00", "2.00"]
    assert lines[last + 1].startswith("  CNY; in these phases there was no more to buy")


def test_figures_of_a_scene_say_what_is_money(engine):
    lines = answer("run", MINIMAL).stdout.splitlines()
    assert lines.count("  spend, gmv: CNY; roas: gmv per yuan spent") == 2  # one for every plan


def test_one_draw_of_chance_has_no_ranges(engine):
    """From one figure to the same figure is no range, and hides that nothing is known of chance."""
    alone = make_outcomes(replications=1)
    for engine.answer in (alone, make_outcomes(replications=1, chance_only=alone)):
        lines = answer("run", MINIMAL, "-n", "1").stdout.splitlines()
        assert lines[1:3] == [
            "sampled, 1 replication, seed 1", "One draw of chance has no ranges: see -n."
        ]  # fmt: skip
        assert lines[lines.index("Plan even") + 1].split() == ["metric", "unit", "mean"]
        assert "to" not in " ".join(lines).split()


def test_an_expected_run_has_means_only(engine):
    engine.answer = make_outcomes(mode="expected")
    lines = answer("run", MINIMAL, "--mode", "expected").stdout.splitlines()
    assert lines[1] == "expected"
    assert lines[lines.index("Plan even") + 1].split() == ["metric", "unit", "mean"]
    assert "to" not in " ".join(lines).split()


def test_the_table_fits_80_columns_with_wide_characters(engine):
    from dataclasses import replace

    axes = replace(make_axes(plans=("even",)), scenes=("会员召回" * 9, "live"))
    book = make_outcomes(seed=2, axes=axes).book
    for rows in (*book.totals.values(), *book.scenes.values()):
        np.multiply(rows, -9.87654e4, out=rows)
    inner = make_outcomes(seed=1, axes=axes)
    engine.answer = replace(make_outcomes(axes=axes, chance_only=inner), book=book)
    lines = answer("run", MINIMAL).stdout.splitlines()
    assert max(map(columns, lines)) <= 80
    at = lines.index("Scenes of even")
    assert len({columns(line) for line in lines[at + 1 : at + 4]}) == 1
    assert lines[at + 2].startswith("  会员召回会员召回会员召… ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.5, "0.500"), (2.2, "2.20"), (-1.23456, "-1.23"), (0.00012, "1e-04"),
        (99.96, "100"), (999.4, "999"),
        (999.6, "1,000"), (9994, "9,994"), (9999, "10.0k"), (60_000, "60.0k"), (99_960, "100k"),
        (999_400, "999k"), (999_600, "1.00m"), (-8_998_120, "-9.00m"), (1.234e9, "1.23bn"),
        (1e13, "10,000bn"), (None, "-"),
    ],
)  # fmt: skip
def test_a_number_is_short(value, text):
    assert compact(value) == text


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colour_is_for_terminals_that_want_it(engine, monkeypatch):
    assert "\x1b" not in answer("run", MINIMAL).output
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert console.bold("a") == "\x1b[1ma\x1b[0m"
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as one:
            one.setenv(name, value)
            assert console.bold("a") == "a"


def test_progress_is_for_terminals_and_on_stderr(monkeypatch):
    shown, printed = Terminal(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(sys, "stdout", printed)
    with console.bar(quiet=True) as progress:
        assert progress is None
    with console.bar(quiet=False) as progress:
        assert progress is not None
        progress(1, 2)
    assert "simulating" in shown.getvalue()
    assert printed.getvalue() == ""


def test_workers_are_gone_when_the_command_is_done_with_them():
    """One that ends beside Python itself may leave a traceback about a closed pipe."""
    before = set(active_children())
    with pytest.raises(RunError), console.workers(2) as pool:
        assert pool.submit(abs, -3).result() == 3
        raise RunError("out of reach")
    assert set(active_children()) <= before


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_workers_do_not_outlive_a_killed_program(stop):
    code = (
        "from multiprocessing import active_children; from simulator.console import workers\n"
        "with workers(2) as pool:\n"
        "    list(pool.map(abs, range(9)))\n"
        "    print(*(child.pid for child in active_children()), flush=True)\n"
        "    __import__('time').sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        children = [Path(f"/proc/{pid.decode()}") for pid in process.stdout.readline().split()]
        assert children
        assert all(child.exists() for child in children)
        process.send_signal(stop)
        process.wait(timeout=30)
    end = time.monotonic() + 30
    while any(_runs(child) for child in children) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(_runs(child) for child in children)


def _runs(process: Path) -> bool:
    """Whether it is there, and no zombie that nobody has asked for."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# --------------------------------------------------------------------------- compare
@pytest.fixture
def saved(engine, tmp_path):
    assert answer("run", MINIMAL, "-o", str(tmp_path)).exit_code == 0
    return str(tmp_path)


def test_no_ads_may_be_called_as_in_run(saved):
    ours, theirs = (answer("compare", saved, "even", name).stdout for name in ("none", "no ads"))
    assert ours.splitlines()[1:] == theirs.splitlines()[1:]


def test_compare_shows_paired_differences(saved, engine):
    found = answer("compare", saved, "even", "launch first")
    assert (found.exit_code, found.stderr) == (0, "")
    lines = found.stdout.splitlines()
    assert lines[0] == "A: even   B: launch first"
    assert lines[1].split() == [
        "metric",
        "A",
        "B",
        "A",
        "less",
        "B",
        "95%",
        "interval",
        "A",
        "better",
    ]
    assert max(map(len, lines)) <= 80
    row = engine.answer.differences("even", "launch first")["gmv"]
    low, high = compact(row["ci_lo"]), compact(row["ci_hi"])
    means = [compact(row[key]) for key in ("a", "b", "difference")]
    gmv = next(line for line in lines if line.startswith("  gmv "))
    assert gmv.split() == ["gmv", *means, low, "to", high, f"{row['better']:.0%}"]


def test_compare_says_the_unit_of_every_figure(saved):
    lines = answer("compare", saved, "even", "launch first").stdout.splitlines()
    units = dict(line.strip().split(": ") for line in lines[-4:])
    assert units.keys() == {"CNY", "x", "people", "CNY per person"}
    assert units["people"] == "new_customers, recalled_members"
    assert sorted(", ".join(units.values()).split(", ")) == sorted(MAIN_METRICS)


def test_one_draw_of_chance_does_not_say_how_often_a_plan_is_better(engine, tmp_path):
    engine.answer = make_outcomes(replications=1)
    assert answer("run", MINIMAL, "-o", str(tmp_path)).exit_code == 0
    lines = answer("compare", str(tmp_path), "even", "launch first").stdout.splitlines()
    assert next(line for line in lines if line.startswith("  gmv ")).split()[-2:] == ["-", "-"]


def test_plans_of_an_expected_run_are_compared_by_their_means(engine, tmp_path):
    engine.answer = make_outcomes(mode="expected", replications=1)
    assert answer("run", MINIMAL, "--mode", "expected", "-o", str(tmp_path)).exit_code == 0
    found = answer("compare", str(tmp_path), "even", "launch first")
    assert (found.exit_code, found.stderr) == (0, "")
    lines = found.stdout.splitlines()
    assert lines[1].split() == ["metric", "A", "B", "A", "less", "B"]
    row = engine.answer.differences("even", "launch first")["gmv"]
    gmv = next(line for line in lines if line.startswith("  gmv "))
    assert gmv.split() == ["gmv", *(compact(row[key]) for key in ("a", "b", "difference"))]


def test_compare_for_other_programs(saved, engine):
    found = json.loads(answer("compare", saved, "even", "no ads", "--format", "json").stdout)
    expected = engine.answer.differences("even", "no ads")
    assert found == {"scenario": "minimal", "a": "even", "b": "no ads", "metrics": expected}
    text = answer("compare", saved, "even", "no ads", "--format", "csv").stdout
    rows = {row["metric"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows.keys() == expected.keys()
    assert float(rows["gmv"]["difference"]) == expected["gmv"]["difference"]
    assert rows["mroi"]["difference"] == ""


def test_compare_knows_the_plans_of_the_run(saved):
    found = answer("compare", saved, "evn", "launch first")
    assert found.exit_code == 2
    assert found.stderr == "Error: no plan is called 'evn'; did you mean 'even'?\n"


# --------------------------------------------------------------------------- new, schema
def test_a_new_scenario_passes_the_check(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = answer("new", "春季 sale-1")
    assert (found.exit_code, found.stdout) == (0, "")
    assert found.stderr == "wrote 春季 sale-1.yaml; next: adsim check 春季 sale-1.yaml\n"
    assert answer("check", "春季 sale-1.yaml").exit_code == 0
    assert read_scenario("春季 sale-1.yaml").name == "春季 sale-1"


def test_a_new_scenario_overwrites_nothing(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("mine")
    found = answer("new", "a", "-o", str(path))
    assert (found.exit_code, path.read_text()) == (2, "mine")
    assert found.stderr == f"Error: {path} exists: choose another name with -o FILE\n"
    assert answer("new", "a", "-o", str(tmp_path / "no/such/folder.yaml")).exit_code == 2


@pytest.mark.parametrize("name", ["a/b", "../a", "", '"quoted": [1]', "a: b", "#", "it's"])
def test_a_new_scenario_may_have_any_name_in_a_file_of_choice(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    found = answer("new", name)
    assert found.exit_code == 2
    assert "cannot name a file: choose one with -o FILE" in found.stderr
    assert answer("new", name, "-o", "x.yaml").exit_code == 0
    assert read_scenario("x.yaml").name == name
    assert os.listdir() == ["x.yaml"]


def test_the_schema_is_printed_or_written(tmp_path):
    path = tmp_path / "schema.json"
    assert answer("schema", "-o", str(path)).output == ""
    assert answer("schema").stdout == path.read_text(encoding="utf-8")
    assert json.loads(path.read_bytes())["properties"]["extends"]
    page = answer("schema", "--format", "markdown").stdout
    assert page.startswith("# The scenario file\n")
    study = json.loads(answer("schema", "--of", "study").stdout)
    assert {"over", "scenarios"} <= study["properties"].keys()
    found = answer("schema", "--of", "study", "--format", "markdown")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "docs/scale.md" in found.stderr


def test_the_metrics_are_listed_with_their_units_in_two_languages():
    lines = answer("schema", "--of", "metrics").stdout.splitlines()
    assert lines[0] == "of a plan"
    assert lines[2].split(maxsplit=3) == ["roi", "x", "增量净回报率", "Net incremental return"]
    found = json.loads(answer("schema", "--of", "metrics", "--format", "json").stdout)
    listed = {kind: [metric["name"] for metric in metrics] for kind, metrics in found.items()}
    outcomes = make_outcomes(axes=replace(make_axes(), packages=("a", "b", "c")))
    outcomes.book.packages["paid"] = outcomes.book.packages["booked"]
    plan = outcomes.as_json()["plans"][0]
    assert listed["plan"] == list(plan["metrics"])
    for kind in ("scenes", "products", "packages"):
        assert listed[kind] == list(next(iter(plan[kind].values())))
    assert sum(map(len, found.values())) == sum(line.startswith("  ") for line in lines) - len(
        found
    )
    spent = found["plan"][listed["plan"].index("cac")]
    assert spent == {
        "name": "cac", "unit": "CNY per person", "title": "Cost of an incremental new customer",
        "chinese": "增量获客成本", "better": "less",
    }  # fmt: skip


def test_the_presets_are_listed_by_kind_and_printed_by_name(tmp_path):
    lines = answer("schema", "--of", "presets").stdout.splitlines()
    at = lines.index("scenes")
    row = next(line for line in lines[at:] if line.split()[:1] == ["harvest"])
    assert row.split()[:3] == ["harvest", "爆发收割", "Harvest:"]
    found = json.loads(answer("schema", "--of", "presets", "--format", "json").stdout)
    names = [f"{kind}/{preset['name']}" for kind, presets in found.items() for preset in presets]
    assert names == preset_names()
    assert found["sources"][-1]["chinese"] == "短视频"
    printed = answer("schema", "--of", "presets", "sources/live").stdout
    assert yaml.safe_load(printed)["touch"] == 1.6
    path = tmp_path / "live.yaml"
    assert answer("schema", "--of", "presets", "sources/live", "-o", str(path)).output == ""
    assert path.read_text(encoding="utf-8") == printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("harvest",), "a name is that of a preset: adsim schema --of presets harvest"),
        (("--of", "presets", "harvest", "--format", "json"), "leave out --format"),
        (("--of", "presets", "live"), "choose one of scenes/live, sources/live"),
        (("--of", "metrics", "--format", "markdown"), "printed as table or json, not as markdown"),
        (("--format", "table"), "--of scenario is printed as json or markdown, not as table"),
        (("--of", "study", "--format", "table"), "--of study is printed as json, not as table"),
    ],
)
def test_what_schema_does_not_print_is_told(arguments, words):
    found = answer("schema", *arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert words in found.stderr


# --------------------------------------------------------------------------- with the engine
PER_PLAN = ("roi", "iroas", "roas", "profit", "new_customers", "cac", "gmv", "spend", "asset_value")
SAMPLED = {"mean", "p10", "p50", "p90", "ci_lo", "ci_hi"}


def test_an_expected_run_of_the_smallest_scenario():
    found = program("run", MINIMAL, "--mode", "expected", "--format", "json")
    assert (found.returncode, found.stderr) == (0, "")
    document = json.loads(found.stdout)
    assert (document["scenario"], document["mode"]) == ("minimal", "expected")
    assert [plan["plan"] for plan in document["plans"]] == ["half_half", "mostly_new"]
    for plan in document["plans"]:
        assert all(plan["metrics"][name].keys() == {"mean"} for name in PER_PLAN)
        assert 0 < plan["metrics"]["spend"]["mean"] <= 60_000 * (1 + 1e-9)
        assert plan["scenes"].keys() == {"new_customer", "harvest"}
        spend = sum(scene["spend"]["mean"] for scene in plan["scenes"].values())
        assert spend == pytest.approx(plan["metrics"]["spend"]["mean"])


@pytest.mark.slow
def test_a_sampled_run_is_the_same_with_any_number_of_processes():
    arguments = ("run", MINIMAL, "-n", "20", "--seed", "3", "--format", "json")
    alone, many = program(*arguments), program(*arguments, "--jobs", "2")
    assert (alone.returncode, alone.stderr, many.stderr) == (0, "", "")
    assert alone.stdout == many.stdout
    document = json.loads(alone.stdout)
    assert (document["replications"], document["seed"]) == (20, 3)
    for plan in document["plans"]:
        assert all(plan["metrics"][name].keys() >= SAMPLED for name in PER_PLAN)
        assert plan["chance_only"].keys() == plan["metrics"].keys()


def test_the_plan_without_ads_spends_nothing():
    found = answer("run", MINIMAL, "--mode", "expected", "--plan", "none", "--format", "json")
    figures = json.loads(found.stdout)["plans"][0]["metrics"]
    assert figures["spend"]["mean"] == 0
    assert figures["profit_incremental"]["mean"] == 0
    assert figures["gmv"]["mean"] > 0
    assert figures["roi"]["mean"] is None


def test_the_tables_of_a_real_run(tmp_path):
    found = answer("run", MINIMAL, "-n", "20", "-o", str(tmp_path))
    assert (found.exit_code, found.stderr) == (0, f"wrote to {tmp_path}: {TABLES}\n")
    lines = found.stdout.splitlines()
    assert max(map(columns, lines)) <= 80
    assert "Plan half_half" in lines and "Plan mostly_new" in lines
    assert answer("compare", str(tmp_path), "half_half", "mostly_new").exit_code == 0


# --------------------------------------------------------------------------- anchors
REACHED = "anchors={gmv: 200k}"
BEYOND = "anchors={spend: 90k}"  # of a budget of 60,000


@pytest.fixture
def short(tmp_path) -> str:
    """A file with the minimal world in nine days."""
    file = tmp_path / "short.yaml"
    file.write_text(yaml.safe_dump(brief().model_dump(mode="json"), allow_unicode=True))
    return str(file)


def test_check_shows_what_anchors_set(short):
    found = answer("check", short, "--set", REACHED)
    assert (found.exit_code, found.stderr) == (0, "")
    first, head, row, levels = found.stdout.splitlines()
    assert first.startswith(f"{short}: ok (")
    assert head.split() == ["anchor", "own", "simulated", "off"]
    assert row.split()[:3] == ["gmv", "200k", "200k"]
    assert re.fullmatch(r"  levels: rivals x\S+, conversion x\S+, free_visits x\S+", levels)


def test_check_refuses_anchors_that_cannot_be_met(short):
    found = answer("check", short, "--set", BEYOND)
    assert found.exit_code == 2
    assert found.stdout.splitlines()[2].split() == ["spend", "90.0k", "60.0k", "-33.3%"]
    told = f"{short}: anchors.spend cannot be met by any levels (simulated -33%)"
    assert found.stderr.splitlines()[-1] == told
    both = answer("check", short, "--set", BEYOND, "--set", "anchors.gmv=200k")
    words = "anchors.spend cannot be met together with the other anchors: change one of them"
    assert f"{short}: {words} (simulated" in both.stderr


def test_a_run_plays_the_world_that_its_anchors_ask_for(short):
    options = ("--mode", "expected", "--plan", "half_half", "--format", "json")
    found = answer("run", short, "--set", REACHED, *options)
    assert found.exit_code == 0
    assert re.fullmatch(
        r"anchors set rivals x\S+, conversion x\S+, free_visits x\S+\n", found.stderr
    )
    (plan,) = json.loads(found.stdout)["plans"]
    assert plan["metrics"]["gmv_campaign"]["mean"] == pytest.approx(200_000, rel=1e-3)


def test_a_what_if_keeps_the_levels_of_the_file(short):
    """The money is doubled, not the past that the anchors tell of."""
    options = ("--mode", "expected", "--plan", "half_half", "--format", "json")
    asked = answer("run", short, "--set", REACHED, "--set", "budget=120k", *options)
    (plan,) = json.loads(asked.stdout)["plans"]
    data = brief(REACHED)
    there = with_values(anchor(data).scenario, {"budget": 120e3})
    outcomes = simulate(
        there, [p for p in plans_of(there) if p.name == "half_half"], mode="expected"
    )
    wanted = outcomes.metrics("half_half")
    assert plan["metrics"]["gmv"]["mean"] == pytest.approx(wanted["gmv"]["mean"], rel=1e-6)
    assert plan["metrics"]["gmv_campaign"]["mean"] > 201_000


def test_a_run_says_which_anchors_are_not_met(short):
    found = answer("run", short, "--set", BEYOND, "--mode", "expected", "--quiet")
    said = f"{short}: anchors.spend is not met (simulated -33%)\n"
    assert (found.exit_code, found.stderr) == (0, said)
    assert "Plan half_half" in found.stdout.splitlines()
