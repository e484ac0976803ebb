"""Stores: whole parts or none, one study each, and the same rows whatever happened to them."""

import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pandas.testing import assert_frame_equal

import simulator as sim
from simulator.errors import RunError, UserError
from simulator.outcomes import write_outcomes
from simulator.outcomes.metrics import BY_NAME
from simulator.scenario.plan import Plan, named_plans
from simulator.sweeps import store as stores
from simulator.sweeps.store import Store, read_store
from simulator.sweeps.study import read_study
from simulator.sweeps.sweep import cells_of, open_store, status_of
from simulator.sweeps.tasks import maker, needs_touches, play, prepare, tasks_of
from tests.outcomes.synthetic import make_outcomes
from tests.sweeps.studies import PARTS, STUDY, parts_in, write_study
from tests.worlds import brief

CELL = "slots.search_words.median_cpm"
SHORT = STUDY.replace("steps: 4", "steps: 2").replace("replications: 3", "replications: 2")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"), SHORT)


@pytest.fixture(scope="module")
def played(study, tmp_path_factory):
    """The study played once: its store and its rows."""
    folder = tmp_path_factory.mktemp("played")
    return folder, sim.sweep(study, store=folder)


@pytest.fixture
def copy(played, tmp_path):
    """A copy of the store, to be spoilt."""
    folder = tmp_path / "copy"
    (folder / "parts").mkdir(parents=True)
    (folder / "manifest.json").write_bytes((played[0] / "manifest.json").read_bytes())
    for name, content in parts_in(played[0]).items():
        (folder / "parts" / name).write_bytes(content)
    return folder


def no_work(monkeypatch):
    """Whoever computes from here on fails."""

    def play(work):
        raise AssertionError("nothing is left to compute")

    monkeypatch.setattr("simulator.sweeps.runner.play", play)


# --- rows ---------------------------------------------------------------------------------------


def test_rows_are_what_a_run_by_itself_finds(played):
    """A cell is the scenario with its values, simulated as ever."""
    _, frame = played
    row = frame[(frame["budget"] == 40e3) & (frame[CELL] == 90.0)]
    scenario = brief("budget=40k", f"{CELL}=90")
    outcomes = sim.simulate(scenario, named_plans(scenario, ["half_half"]), replications=2, seed=11)
    for name in ("roi", "profit", "new_customers"):
        np.testing.assert_array_equal(row[name], outcomes.values("half_half", name))


def test_rows_stand_in_the_order_of_the_study(played):
    _, frame = played
    assert list(frame["cell"]) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert list(frame["replication"]) == [0, 1] * 4
    assert list(frame["budget"]) == [40e3] * 4 + [60e3] * 4
    assert list(frame[CELL]) == [60.0, 60.0, 90.0, 90.0] * 2


def test_the_mean_of_a_ratio_is_the_ratio_of_the_means(played, study):
    row = cells_of(played[1], read_study(study))[0]
    own = played[1][played[1]["cell"] == 0]
    assert row["metrics"]["roi"]["mean"] == own["profit_incremental"].mean() / own["outlay"].mean()
    assert row["metrics"]["profit"]["mean"] == own["profit"].mean()
    assert row["values"] == {"budget": 40e3, CELL: 60.0}


def test_an_undefined_ratio_is_null(tmp_path):
    scenario = brief("plans.nothing={new_customer: 0, harvest: 0}")
    frame = sim.sweep(
        scenario, plans=["nothing"], replications=2, metrics=["roas", "roi"], store=tmp_path
    )
    assert frame["roas"].isna().all()
    [part] = (tmp_path / "parts").glob("*.parquet")
    assert pd.read_parquet(part)["roas"].isna().all()


def test_expected_mode_has_a_row_per_quadrature_point():
    scenario = brief("chance.demand_sd=0.2")
    frame = sim.sweep(scenario, plans=["half_half"], mode="expected")
    outcomes = sim.simulate(scenario, named_plans(scenario, ["half_half"]), mode="expected")
    np.testing.assert_array_equal(frame["profit"], outcomes.values("half_half", "profit"))
    assert len(frame) == outcomes.replications > 1


def test_cutting_into_tasks_changes_no_row(monkeypatch):
    scenario = brief()
    plans = [Plan.amounts(scenario, f"p{n}", new_customer=9e3 * n) for n in (1, 2, 3)]
    whole = sim.sweep(scenario, plans=plans, replications=18)
    monkeypatch.setattr("simulator.sweeps.tasks.PLANS_AT_ONCE", 3)
    monkeypatch.setattr("simulator.sweeps.tasks.LANES_AT_ONCE", 16)
    assert_frame_equal(sim.sweep(scenario, plans=plans, replications=18), whole, check_exact=True)


def test_touches_are_followed_where_a_metric_needs_them(study):
    """Left out, they change no other metric; so every metric is right whatever else is asked for."""
    scenario = brief()
    options = {"replications": 2, "daily": False, "chance_alone": False}
    full = sim.simulate(scenario, attribution=True, **options)
    less = sim.simulate(scenario, attribution=False, **options)
    for name in BY_NAME:
        same = np.array_equal(
            full.values("half_half", name), less.values("half_half", name), equal_nan=True
        )
        assert same or needs_touches((name,)), name
    assert needs_touches(("profit", "roas"))
    assert not needs_touches(("profit", "roi", "gmv"))


# --- going on -----------------------------------------------------------------------------------


def test_only_what_is_missing_is_computed(copy, study, played, monkeypatch):
    before = parts_in(copy)
    gone = sorted(before)[1]
    (copy / "parts" / gone).unlink()
    keys = []

    def count(work):
        keys.append(work.key)
        return play(work)

    monkeypatch.setattr("simulator.sweeps.runner.play", count)
    assert_frame_equal(sim.sweep(study, store=copy), played[1], check_exact=True)
    assert keys == [gone[:16]]
    assert parts_in(copy) == before


@pytest.mark.parametrize("spoil", ["cut", "changed", "empty"])
def test_a_damaged_part_is_set_aside_and_computed_again(copy, study, played, spoil):
    before = parts_in(copy)
    name, content = sorted(before.items())[0]
    spoilt = {"cut": content[:-7], "changed": b"x" + content[1:], "empty": b""}[spoil]
    (copy / "parts" / name).write_bytes(spoilt)
    assert status_of(read_study(study), copy) == {"tasks": 4, "done": 3, "missing": 0, "damaged": 1}
    with pytest.raises(UserError, match=r"1 of 4 parts of the store .* missing or damaged"):
        read_store(copy)
    assert len(read_store(copy, partial=True)) == 6
    assert_frame_equal(sim.sweep(study, store=copy), played[1], check_exact=True)
    assert parts_in(copy) == before
    assert (copy / "damaged" / name).read_bytes() == spoilt


def test_a_complete_store_is_read_without_work(copy, study, played, monkeypatch):
    no_work(monkeypatch)
    assert_frame_equal(sim.sweep(study, store=copy), played[1], check_exact=True)
    assert_frame_equal(read_store(copy), played[1], check_exact=True)


def test_two_parts_of_one_task_count_once(copy, study, played, monkeypatch):
    """Two kinds of processors may differ in the last bit; the rows must not be there twice."""
    first = sorted(parts_in(copy))[0]
    store = open_store(read_study(study), copy)
    table = pq.read_table(copy / "parts" / first)
    shifted = pc.add(table["profit"], 1.0)
    other = table.set_column(table.column_names.index("profit"), "profit", shifted)
    pq.write_table(other, copy / "other.parquet")
    store.write(first[:16], (copy / "other.parquet").read_bytes())
    assert len(parts_in(copy)) == 5
    assert len(read_store(copy)) == len(played[1])
    no_work(monkeypatch)
    assert len(sim.sweep(study, store=copy)) == len(played[1])
    assert len(parts_in(copy)) == 4


def test_half_written_files_are_no_parts_and_go_when_they_are_old(copy, study, played, monkeypatch):
    young, old = copy / "parts/.young.part", copy / "parts/.old.part"
    for path in (young, old):
        path.write_bytes(b"half")
    os.utime(old, (0, time.time() - 2 * stores.STALE))
    no_work(monkeypatch)
    assert_frame_equal(sim.sweep(study, store=copy), played[1], check_exact=True)
    assert (young.exists(), old.exists()) == (True, False)


# --- what does not mix --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("replications: 2", "replications: 4"), "replications was 2 and is 4"),
        (("to: 90", "to: 95"), "to was 90.0 and is 95.0; cells has changed"),
        (("[40k, 60k]", "[40k, 61k]"), "over.budget was"),
        (("replications: 2", "replications: 2\nseed: 12"), "seed was 11 and is 12"),
        (("new_customers]", "cac]"), "metrics was"),
        (("plans: [half_half]", "plans: [even]"), "plans.brief was"),
        (("replications: 2", "replications: 2\nmode: expected"), 'mode was "sampled" and is "expected"'),
    ],
)  # fmt: skip
def test_another_study_is_refused_and_what_changed_is_said(copy, tmp_path, change, words):
    before = parts_in(copy)
    changed = write_study(tmp_path / "changed", SHORT.replace(*change))
    with pytest.raises(UserError, match="belongs to another study") as caught:
        sim.sweep(changed, store=copy, allow_mixed=True)
    assert words in str(caught.value)
    assert parts_in(copy) == before


def test_another_world_is_refused(copy, tmp_path):
    path = write_study(tmp_path / "changed", SHORT)
    scenario = path.parent / "brief.yaml"
    scenario.write_text(scenario.read_text() + "chance: {demand_sd: 20%}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"another study: scenarios\.brief has changed; choose"):
        sim.sweep(path, store=copy)


def test_plans_with_other_money_are_refused(tmp_path):
    scenario = brief()
    plans = [Plan.amounts(scenario, "mine", new_customer=money) for money in (9e3, 8e3)]
    options = {"replications": 1, "mode": "expected", "store": tmp_path}
    sim.sweep(scenario, plans=plans[:1], **options)
    with pytest.raises(UserError, match="plan_money has changed"):
        sim.sweep(scenario, plans=plans[1:], **options)


def with_maker(folder: Path, **changes) -> None:
    """Say that something else computed the store."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["makers"] = [manifest["makers"][0] | changes]
    path.write_text(json.dumps(manifest), encoding="utf-8")


def test_another_processor_is_refused_unless_it_is_allowed(copy, study, played):
    with_maker(copy, cpu={"machine": "other", "features": []})
    with pytest.raises(
        UserError, match=r"computed elsewhere: cpu\.machine was \"other\" and is .*--allow-mixed"
    ):
        sim.sweep(study, store=copy)
    (copy / "parts" / sorted(parts_in(copy))[0]).unlink()
    assert_frame_equal(sim.sweep(study, store=copy, allow_mixed=True), played[1], check_exact=True)
    makers = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))["makers"]
    assert [each["cpu"]["machine"] for each in makers] == ["other", maker()["cpu"]["machine"]]
    sim.sweep(study, store=copy)  # known by now


def test_other_code_is_refused_whatever_is_allowed(copy, study):
    with_maker(copy, code="0" * 64)
    with pytest.raises(UserError, match="another version of this program: results are never mixed"):
        sim.sweep(study, store=copy, allow_mixed=True)


def test_the_answer_of_a_foreign_worker_is_refused(study, tmp_path):
    read = read_study(study)
    store = open_store(read, tmp_path)
    answer = play(prepare(read, next(tasks_of(read))))
    assert answer.maker == maker()
    store.admit(answer.maker)
    with pytest.raises(UserError, match="computed elsewhere"):
        store.admit(answer.maker | {"versions": {"numpy": "1.0"}})


# --- damage to the store itself -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "damaged: manifest.json"), ("[]", "names no format"), ('{"format": 0}', "names no format"),
        ('{"format": 2}', "has format 2; this program reads up to format 1: install a newer version"),
        ('{"format": 1}', "lacks study, tasks, makers"),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_read_is_named(copy, study, text, words):
    (copy / "manifest.json").write_text(text, encoding="utf-8")
    for work in (lambda: sim.sweep(study, store=copy), lambda: read_store(copy)):
        with pytest.raises(UserError, match=re.escape(words)):
            work()


def test_the_folder_of_a_run_is_no_store(study, tmp_path, monkeypatch):
    no_work(monkeypatch)
    run = write_outcomes(make_outcomes(), tmp_path / "run")
    before = sorted(path.name for path in run.iterdir())
    words = f"{run} is a saved run, not a store: choose another folder"
    for work in (lambda: sim.sweep(study, store=run), lambda: read_store(run)):
        with pytest.raises(UserError, match=re.escape(words)):
            work()
    assert sorted(path.name for path in run.iterdir()) == before


def test_parts_without_a_manifest_are_not_taken_over(copy, study):
    (copy / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"has parts but no manifest\.json"):
        sim.sweep(study, store=copy)
    with pytest.raises(UserError, match=r"there is no store in .*: manifest\.json is missing"):
        read_store(copy)


def test_a_store_that_cannot_be_made_is_told_before_any_work(study, tmp_path, monkeypatch):
    no_work(monkeypatch)
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(UserError, match="cannot write to"):
        sim.sweep(study, store=tmp_path / "file")


def test_a_write_that_fails_leaves_nothing_half_done(study, tmp_path, monkeypatch):
    """As on a full disk: the bytes do not reach it, and the next start goes on."""
    read = read_study(study)
    store = open_store(read, tmp_path)
    content = play(prepare(read, next(tasks_of(read)))).part

    def fail(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(RunError, match=r"No space left on device; what is done is safe"):
            store.write("0" * 16, content)
    assert list((tmp_path / "parts").iterdir()) == []
    assert store.write("0" * 16, content) == len(content)


def test_the_first_of_two_manifests_stands(study, tmp_path, monkeypatch):
    """Two processes begin at once: the second finds the manifest of the first, and obeys it."""
    content = read_study(study).content()
    Store.open(tmp_path, content, 4, maker=maker())
    read, calls = stores._read_manifest, []

    def late(folder):
        calls.append(folder)
        return None if len(calls) == 1 else read(folder)

    monkeypatch.setattr(stores, "_read_manifest", late)
    with pytest.raises(UserError, match="seed was 11 and is 12"):
        Store.open(tmp_path, content | {"seed": 12}, 4, maker=maker())
    assert len(calls) == 2


def test_a_file_system_without_hard_links_will_do(study, tmp_path, monkeypatch):
    def fail(*names):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", fail)
    sim.sweep(study, store=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "parts"]
    assert len(read_store(tmp_path)) == 8


def test_the_parts_are_plain_parquet(played):
    names = list(pd.read_parquet(played[0] / "parts").columns)
    ratio = ["profit_incremental", "outlay"]
    assert names[:6] == ["scenario", "cell", "plan", "replication", "budget", CELL]
    assert names[6:] == ["roi", "profit", "new_customers", *ratio]
    assert len(parts_in(played[0])) == PARTS // 2
