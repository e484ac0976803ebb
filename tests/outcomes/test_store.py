"""A run on disk is whole, is the run that was written, and says so when it is not."""

import dataclasses
import json
import os
import re

import numpy as np
import pytest

from simulator.errors import UserError
from simulator.outcomes import read_outcomes, store, write_outcomes
from simulator.outcomes.metrics import NO_CELLS
from tests.outcomes.synthetic import make_axes, make_outcomes


@pytest.fixture
def outcomes():
    return make_outcomes(chance_only=make_outcomes(seed=2, axes=make_axes(days=0)))


@pytest.fixture
def folder(outcomes, tmp_path):
    return write_outcomes(outcomes, tmp_path / "runs" / "咖啡")


def check_same(a, b):
    names = [
        f.name for f in dataclasses.fields(a) if f.name not in ("book", "terms", "chance_only")
    ]
    assert [getattr(a, name) for name in names] == [getattr(b, name) for name in names]
    left, right = store._arrays(a), store._arrays(b)
    assert set(left) == set(right)
    for name, array in left.items():
        assert array.dtype == right[name].dtype, name
        assert array.shape == right[name].shape, name
        assert array.tobytes() == right[name].tobytes(), name


def edit_manifest(folder, **changes):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(manifest), encoding="utf-8")


def test_a_run_comes_back_to_the_bit(outcomes, folder):
    outcomes.book.totals["gmv"][:4] = [np.nan, -0.0, 5e-324, np.nextafter(1, 2)]
    write_outcomes(outcomes, folder)
    again = read_outcomes(folder)
    check_same(outcomes, again)
    check_same(outcomes.chance_only, again.chance_only)


def test_a_run_that_came_back_says_the_same(outcomes, folder):
    again = read_outcomes(folder)
    assert again.as_json() == outcomes.as_json()
    assert again.days("even").equals(outcomes.days("even"))


def test_what_an_earlier_version_did_not_write_is_unknown(outcomes, folder):
    """A run from before a figure was kept comes back with all others."""
    for run in (outcomes, outcomes.chance_only):
        del run.book.scenes["unspent"], run.book.totals["unmet"], run.book.totals["peak_score_fall"]
        del run.book.products["left"], run.book.products["back_on_sale"]
        del run.book.products["sold_out_day"]
        object.__setattr__(run.terms, "money", NO_CELLS)
    write_outcomes(outcomes, folder)
    again = read_outcomes(folder)
    assert again.cells("even") == {}
    goods = again.parts("even")["products"]["beans"]
    unknown = [name for name, numbers in goods.items() if numbers["mean"] is None]
    assert unknown == ["left", "back_on_sale", "sold_out", "sold_out_day"]
    found = again.metrics("even")
    assert (found["unspent"]["mean"], found["unmet"]["mean"]) == (None, None)
    assert found["gmv"] == make_outcomes().metrics("even")["gmv"]


def test_the_layout_of_an_array_changes_no_bit(tmp_path):
    axes = make_axes()
    scenes = tuple(f"scene {n}" for n in range(11))  # enough for NumPy to sum in another order
    outcomes = make_outcomes(axes=dataclasses.replace(axes, scenes=scenes))
    turned = outcomes.book.lanes(np.arange(outcomes.book.viewed.shape[-1]))
    turned = dataclasses.replace(outcomes, book=turned)
    again = read_outcomes(write_outcomes(turned, tmp_path))
    for other in (turned, again):
        assert other.as_json() == outcomes.as_json()
        assert other.days("even").equals(outcomes.days("even"))


def test_a_book_without_days_or_packages_comes_back(tmp_path):
    bare = make_outcomes(axes=make_axes(days=0))
    bare.book.packages, bare.book.asset = {}, np.zeros(0)
    again = read_outcomes(write_outcomes(bare, tmp_path))
    check_same(bare, again)
    assert (again.book.packages, again.book.days) == ({}, {})


def test_the_manifest_says_where_the_bits_come_from(folder):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["format"] == 1
    assert manifest["scenario_hash"] == "abc"
    assert (manifest["mode"], manifest["seed"]) == ("sampled", 1)
    assert manifest["versions"]["numpy"] == np.__version__
    assert {"simulator", "python", "numpy", "scipy"} == set(manifest["versions"])
    assert manifest["cpu"]["machine"]


def test_a_later_run_replaces_the_earlier_and_leaves_nothing_behind(folder):
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    later = make_outcomes(seed=5)
    write_outcomes(later, folder)
    check_same(later, read_outcomes(folder))
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".npz", ".txt"]


@pytest.mark.parametrize("manifest", ['{"format": 1, "study": {}}', "spoilt", None])
def test_the_store_of_a_sweep_is_not_written_over(outcomes, tmp_path, manifest):
    part = tmp_path / f"parts/{'0' * 16}-{'a' * 16}.parquet"
    part.parent.mkdir()
    part.write_bytes(b"computed for hours")
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    words = f"{tmp_path} is the store of a sweep: choose another folder"
    with pytest.raises(UserError, match=re.escape(words)):
        write_outcomes(outcomes, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_parts_of_another_program_are_no_store(outcomes, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/mine.parquet").write_bytes(b"mine")
    check_same(outcomes, read_outcomes(write_outcomes(outcomes, tmp_path)))


def test_the_same_run_is_the_same_file(outcomes, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_outcomes(outcomes, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("moves", [0, 1])
def test_a_write_that_breaks_off_leaves_the_earlier_run(outcomes, folder, monkeypatch, moves):
    replace, count = os.replace, iter(range(9))

    def fail(source, target):
        if next(count) == moves:
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(UserError, match="No space left on device"):
        write_outcomes(make_outcomes(seed=5), folder)
    check_same(outcomes, read_outcomes(folder))


def test_a_write_that_breaks_off_leaves_no_arrays_behind(outcomes, folder, tmp_path, monkeypatch):
    before = {path.name for path in folder.iterdir()}

    def full(*_):
        raise OSError(28, "full")

    monkeypatch.setattr("simulator.outcomes.store.write_whole", full)
    for place in (folder, tmp_path / "new"):
        with pytest.raises(UserError, match="full"):
            write_outcomes(make_outcomes(seed=5), place)
    assert {path.name for path in folder.iterdir()} == before
    assert list((tmp_path / "new").iterdir()) == []


def test_a_writer_leaves_the_arrays_of_another_alone(outcomes, folder, monkeypatch):
    """Two write at once: whoever is last has its manifest and its arrays."""
    from simulator.outcomes import store

    other, write_whole = make_outcomes(seed=5), store.write_whole

    def while_another_writes(path, content):
        monkeypatch.setattr(store, "write_whole", write_whole)
        write_outcomes(other, folder)
        write_whole(path, content)

    monkeypatch.setattr(store, "write_whole", while_another_writes)
    last = make_outcomes(seed=6)
    write_outcomes(last, folder)
    check_same(last, read_outcomes(folder))


def test_an_interrupt_leaves_no_part(outcomes, folder, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_outcomes(make_outcomes(seed=5), folder)
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".npz"]
    check_same(outcomes, read_outcomes(folder))


def test_a_newer_format_is_refused_by_name(folder):
    edit_manifest(folder, format=2)
    with pytest.raises(UserError, match=r"has format 2; this program reads up to format 1"):
        read_outcomes(folder)


def test_no_run_is_no_run(tmp_path):
    with pytest.raises(UserError, match="there is no run in"):
        read_outcomes(tmp_path)
    with pytest.raises(UserError, match="there is no run in"):
        read_outcomes(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(UserError, match="cannot write the run to"):
        write_outcomes(make_outcomes(), tmp_path / "file")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": "1"}', '{"format": true}', "\xff"]
)
def test_a_spoilt_manifest_is_a_damaged_run(folder, text):
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="is damaged"):
        read_outcomes(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"arrays": None}, {"arrays": {}}, {"arrays": {"file": "../x.npz", "sha256": ""}},
        {"axes": {}}, {"axes": []}, {"replications": 7}, {"mode": "guessed"}, {"chance_only": 3},
    ],
)  # fmt: skip
def test_a_manifest_that_does_not_fit_is_a_damaged_run(folder, changes):
    edit_manifest(folder, **changes)
    with pytest.raises(UserError, match="is damaged"):
        read_outcomes(folder)


def test_spoilt_arrays_are_a_damaged_run(folder):
    (path,) = folder.glob("*.npz")
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    for spoilt in (b"", whole[:-100], flipped):
        path.write_bytes(spoilt)
        with pytest.raises(UserError, match="has changed since it was written"):
            read_outcomes(folder)
    path.unlink()
    with pytest.raises(UserError, match="is damaged"):
        read_outcomes(folder)


def test_what_is_no_run_is_told_from_what_is(folder, tmp_path):
    with pytest.raises(UserError, match=r"manifest.json is a file: a run is the folder"):
        read_outcomes(folder / "manifest.json")
    (tmp_path / "manifest.json").write_text('{"format": 1, "study": {}}')
    with pytest.raises(UserError, match=r"is the store of a study: sim.read_store reads it"):
        read_outcomes(tmp_path)


def test_only_outcomes_are_kept(tmp_path):
    with pytest.raises(UserError, match=r"those of simulate or frontier.outcomes .got a mapping."):
        write_outcomes({}, tmp_path)
