"""The Python of README runs as it stands, from top to bottom; its search is made short here."""

import re
from functools import partial
from pathlib import Path

import pytest

import simulator as sim
from simulator.allocation.optimize import SHORT

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_python_of_the_page_runs(tmp_path, monkeypatch):
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    short = partial(sim.optimize, effort=SHORT, replications=16, budgets=())
    monkeypatch.setitem(vars(sim), "optimize", short)
    names: dict[str, object] = {}
    for text in re.findall(r"^```python\n(.*?)```", page, flags=re.DOTALL | re.MULTILINE):
        exec(text, names)
    assert (tmp_path / "schedule.csv").is_file()
    richer = names["richer"]
    assert (richer.budget, list(richer.products)) == (80_000, ["coffee", "tea"])
