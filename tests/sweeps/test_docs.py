"""docs/scale.md does what it says: its study, its Python, its columns."""

import re
from dataclasses import replace

import pandas as pd
import pytest
from pyarrow.dataset import dataset

import simulator as sim
from simulator.sweeps.analysis import cell_figures
from simulator.sweeps.study import StudyFile, read_study
from tests.sweeps.studies import ROOT

PAGE = (ROOT / "docs/scale.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_study_of_the_page_is_read(tmp_path):
    [text] = blocks("yaml")
    path = tmp_path / "studies/study.yaml"
    path.parent.mkdir()
    minimal = ROOT / "scenarios/minimal.yaml"
    path.write_text(text.replace("[minimal]", f"[{minimal}]"), encoding="utf-8")
    assert len(read_study(path).cells) == 4


def test_every_field_of_a_study_is_on_the_page():
    rows = "\n".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    assert set(StudyFile.model_fields) <= set(re.findall(r"`(\w+)`", rows))


def test_the_python_of_the_page_runs(tmp_path, monkeypatch):
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for text in blocks("python"):
        exec(compile(text, "scale.md", "exec"), names)
    pd.testing.assert_frame_equal(names["rows"], names["again"], check_exact=True)
    assert len(names["best_plans"](names["rows"], "profit")) == 10


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The shipped study in expected mode, in the store that the page speaks of; where it lies."""
    place = tmp_path_factory.mktemp("place")
    study = read_study(ROOT / "scenarios/studies/dear_search.yaml")
    sim.sweep(replace(study, mode="expected"), store=place / "runs/b")
    return place


def test_the_files_and_columns_that_the_sql_of_the_page_names_are_there(shipped):
    """They are read as any program would; the arithmetic is that of every table."""
    [text] = blocks("sql")
    [pattern] = re.findall(r"FROM '(.*?)'", text)
    files = sorted(map(str, shipped.glob(pattern)))
    assert len(files) == 8
    table = dataset(files, format="parquet").to_table()
    used = set(re.findall(r"[a-z_]+", text.split("FROM")[0])) - {"avg", "sum"}
    assert used == {"budget", "plan", "profit", "profit_incremental", "outlay", "roi"}
    assert used <= set(table.column_names)
    groups = table.to_pandas().groupby(["budget", "plan"])
    roi = groups["profit_incremental"].sum() / groups["outlay"].sum()
    rows = sim.read_store(shipped / "runs/b").drop(columns=["slots.search_words.sigma", "cell"])
    rows = rows.drop(columns="slots.search_words.median_cpm").assign(
        cell=rows["budget"].rank(method="dense").astype(int)
    )
    wanted = cell_figures(rows, "roi").set_index(["budget", "plan"])["roi"]
    assert roi.to_dict() == pytest.approx(wanted.to_dict())


def test_the_sql_of_the_page_runs_where_duckdb_is_installed(shipped, monkeypatch):
    duckdb = pytest.importorskip("duckdb")
    monkeypatch.chdir(shipped)
    [text] = blocks("sql")
    found = duckdb.sql(text).df()
    rows = sim.read_store(shipped / "runs/b")
    wanted = rows.groupby(["budget", "plan"], as_index=False)["profit"].mean()
    assert found["avg(profit)"].tolist() == pytest.approx(wanted["profit"].tolist())
