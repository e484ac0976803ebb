"""The Python of README runs as it stands, from top to bottom; its search is made short here."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import simulator as sim
from simulator.allocation.effort import SHORT

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_python_of_the_page_runs(tmp_path, monkeypatch):
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    short = partial(sim.optimize, effort=SHORT, replications=16, budgets=())
    monkeypatch.setitem(vars(sim), "optimize", short)
    names: dict[str, Any] = {}
    for text in re.findall(r"^```python\n(.*?)```", page, flags=re.DOTALL | re.MULTILINE):
        exec(text, names)
    assert (tmp_path / "schedule.csv").is_file()
    assert_bolder(names)
    richer = names["richer"]
    assert (richer.budget, list(richer.products)) == (80_000, ["coffee", "tea"])


def assert_bolder(names: dict[str, Any]) -> None:
    """The process of the page moves the plan that it speaks of, and no other."""
    plans = [names["even"], names["launch"]]
    usual, bold = sim.simulate(names["scenario"], plans, replications=16), names["bold"]
    assert (bold.values("even", "impressions") != usual.values("even", "impressions")).any()
    assert (bold.values("new first", "gmv") == usual.values("new first", "gmv")).all()
