"""Every notebook is stored without outputs, and runs from top to bottom from a fresh clone."""

import shutil
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 60

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run(path: Path, folder: Path):
    """The notebook as it is after all cells of a copy have run in the root of the clone."""
    copy = shutil.copy(path, folder)
    notebook = nbformat.read(copy, as_version=4)
    place = {"metadata": {"path": str(ROOT)}}
    nbclient.NotebookClient(notebook, timeout=SECONDS, resources=place).execute()
    return notebook


def test_there_are_notebooks():
    assert NOTEBOOKS


@every_notebook
def test_no_outputs_are_stored(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert [cell.outputs for cell in code_cells(notebook) if cell.outputs] == []
    assert {cell.execution_count for cell in code_cells(notebook)} == {None}


@pytest.mark.slow
@every_notebook
def test_it_runs_and_every_table_and_figure_is_there(path, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    cells = code_cells(run(path, tmp_path))
    shown = [output for cell in cells for output in cell.outputs]
    assert [o.text for o in shown if o.output_type == "stream" and o.name == "stderr"] == []
    for cell in cells:  # a cell that ends in an expression shows it, a plot as a picture
        ends_in_figure = cell.source.rstrip().endswith(".figure")
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        assert ("image/png" in kinds) == ends_in_figure, cell.source
    assert any("text/html" in output.get("data", {}) for output in shown)
