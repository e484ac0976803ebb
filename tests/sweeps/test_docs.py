"""docs/scale.md does what it says: its study, its Python, its columns."""

import re
from dataclasses import replace

import pandas as pd

from simulator.sweeps.study import StudyFile, read_study
from simulator.sweeps.tasks import prepare, table_of, tasks_of
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


def test_the_columns_that_the_sql_of_the_page_names_are_there():
    """The shipped study has them; the arithmetic is that of every table."""
    [text] = blocks("sql")
    study = read_study(ROOT / "scenarios/studies/dear_search.yaml")
    work = prepare(replace(study, mode="expected"), next(tasks_of(study)))
    there = set(table_of(work).column_names)
    used = set(re.findall(r"[a-z_]+", text.split("FROM")[0])) - {"avg", "sum"}
    assert used - {"roi"} == {"budget", "plan", "profit", "profit_incremental", "outlay"}
    assert used <= there
