"""docs/scale.md does what it says: its study, its Python, its columns."""

import re
import shlex
from dataclasses import replace
from importlib import import_module
from textwrap import dedent

import pandas as pd
import pytest
import yaml
from pyarrow.dataset import dataset

import simulator as sim
from simulator.cli import adsim
from simulator.sweeps.analysis import cell_figures
from simulator.sweeps.study import StudyFile, read_study
from tests.sweeps.studies import ROOT

PAGE = (ROOT / "docs/scale.md").read_text(encoding="utf-8")


def blocks(language):
    found = re.findall(rf"^ *```{language}\n(.*?)```", PAGE, flags=re.DOTALL | re.MULTILINE)
    return [dedent(text) for text in found]


def commands():
    """Every command of the page as its words, those of the manifest included."""
    manifest = yaml.safe_load_all(blocks("yaml")[1])
    pods = [part["spec"]["template"]["spec"] for part in manifest if "template" in part["spec"]]
    lines = [line for text in blocks("bash") for line in text.splitlines()]
    shown = [line.partition("  #")[0].removeprefix("srun ").rstrip("& ") for line in lines]
    words = [shlex.split(line) for line in shown if line.startswith(("adsim ", "dask "))]
    return [*words, *(pod["containers"][0]["args"] for pod in pods)]


def options_of(command):
    return {
        name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


def test_the_study_of_the_page_is_read(tmp_path):
    text = blocks("yaml")[0]
    path = tmp_path / "studies/study.yaml"
    path.parent.mkdir()
    minimal = ROOT / "scenarios/minimal.yaml"
    path.write_text(text.replace("[minimal]", f"[{minimal}]"), encoding="utf-8")
    assert len(read_study(path).cells) == 4


def test_the_commands_of_the_page_have_the_options_that_they_name():
    found = commands()
    assert len(found) >= 12
    for words in found:
        if words[0] == "dask":
            pytest.importorskip("distributed")
            command = import_module(f"distributed.cli.dask_{words[1]}").main
        else:
            command = adsim.commands[words[1]]
        used = {word for word in words if re.match(r"--?[a-z]", word)}
        assert used <= options_of(command), words


def test_the_manifest_of_the_page_holds_together():
    """Whoever is asked by name is there under that name, and every volume is declared."""
    parts = list(yaml.safe_load_all(blocks("yaml")[1]))
    named = {(part["kind"], part["metadata"]["name"]): part["spec"] for part in parts}
    assert len(named) == len(parts) == 5
    service = named["Service", "sweep-scheduler"]
    scheduler = named["Deployment", "sweep-scheduler"]["template"]
    assert service["selector"] == scheduler["metadata"]["labels"]
    port = service["ports"][0]["port"]
    assert str(port) in scheduler["spec"]["containers"][0]["args"]
    for kind in ("scheduler", "worker"):
        spec = named["Deployment", f"sweep-{kind}"]
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    address = f"tcp://sweep-scheduler:{port}"
    worker = named["Deployment", "sweep-worker"]["template"]["spec"]["containers"][0]
    pod = named["Job", "sweep"]["template"]["spec"]
    leader = pod["containers"][0]
    assert address in worker["args"]
    assert f"dask:{address}" in leader["args"]
    mounted = {mount["name"]: mount["mountPath"] for mount in leader["volumeMounts"]}
    assert mounted.keys() == {volume["name"] for volume in pod["volumes"]}
    claim = next(v["persistentVolumeClaim"] for v in pod["volumes"] if "persistentVolumeClaim" in v)
    assert ("PersistentVolumeClaim", claim["claimName"]) in named
    paths = [word for word in leader["args"] if word.startswith("/")]
    assert all(path.startswith(tuple(mounted.values())) for path in paths)


def test_every_field_of_a_study_is_on_the_page():
    rows = "\n".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    assert set(StudyFile.model_fields) <= set(re.findall(r"`(\w+)`", rows))


@pytest.mark.slow
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
