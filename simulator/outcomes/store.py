"""Outcomes on disk: a folder with one file of arrays and a manifest that names it.

The arrays are written first, under a name made of their content; the manifest is put in their place
last, in one move. A reader therefore finds the old run or the new one, never half of either.
"""

import hashlib
import json
import os
import re
import zipfile
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from simulator.errors import UserError
from simulator.files import write_part, write_whole
from simulator.outcomes.ledger import Ledger
from simulator.outcomes.metrics import Terms
from simulator.outcomes.outcomes import Axes, Outcomes, asked_outcomes
from simulator.scenario.asked import asked_path

FORMAT = 1
MANIFEST = "manifest.json"
HEAD = ("scenario", "title", "mode", "replications", "seed", "scenario_hash")
_ARRAYS = re.compile(r"book-[0-9a-f]{16}\.npz")
_PART = re.compile(r"[0-9a-f]{16}-[0-9a-f]{16}\.parquet")
"""Parts of a sweep (sweeps/store.py)."""

DAMAGE = (
    OSError, AttributeError, KeyError, RecursionError, TypeError, ValueError, EOFError, zipfile.BadZipFile,
)  # fmt: skip
"""What a spoilt manifest or file of arrays makes Python say."""

Arrays = dict[str, np.ndarray]


def write_outcomes(outcomes: Outcomes, folder: str | Path) -> Path:
    """Write a run into a folder, made if missing; an older run there is replaced as a whole."""
    outcomes, folder = asked_outcomes(outcomes), asked_path("the folder of a run", folder)
    check_free(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = _named(folder)
        name, digest = _write_arrays(outcomes, folder)
        manifest = _manifest(outcomes) | {"arrays": {"file": name, "sha256": digest}}
        text = json.dumps(manifest, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
        try:
            write_whole(folder / MANIFEST, text.encode("utf-8"))
        except BaseException:
            _remove(folder, name, keep=before)
            raise
        _remove(folder, before, keep=name)
    except OSError as error:
        raise UserError(f"cannot write the run to {folder}: {error.strerror or error}") from error
    return folder


def read_outcomes(folder: str | Path) -> Outcomes:
    """Read a run; every number is to the bit the one that was written."""
    folder = asked_path("the folder of a run", folder)
    manifest = _read_manifest(folder)
    try:
        with np.load(_checked_file(folder, manifest["arrays"]), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        return _outcomes_of(manifest, found)
    except DAMAGE as error:
        raise UserError(
            f"the run in {folder} is damaged ({error}); simulate it again, or restore a copy"
        ) from error


def plans_in(folder: Path) -> list[str]:
    """Names of the plans of the run in a folder, by its manifest alone; none where there is no run."""
    with suppress(*DAMAGE):
        return list(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["axes"]["plans"])
    return []


def remove_outcomes(folder: Path) -> None:
    """Take the run in a folder away, if there is one; what else is there stays."""
    name = _named(folder)
    if name is not None:
        (folder / MANIFEST).unlink()
        _remove(folder, name, keep=None)


def check_free(folder: str | Path) -> None:
    """Refuse the store of a sweep: without its manifest, all that was computed for it is lost."""
    if _is_store(Path(folder)):
        raise UserError(f"{folder} is the store of a sweep: choose another folder")


def this_machine() -> dict[str, Any]:
    """What the last bits of a result depend on: versions and CPU features."""
    import platform

    import scipy

    from simulator import __version__

    simd = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return {
        "versions": {
            "simulator": __version__, "python": platform.python_version(),
            "numpy": np.__version__, "scipy": scipy.__version__,
        },
        "cpu": {
            "machine": platform.machine(),
            "features": sorted({*simd.get("baseline", []), *simd.get("found", [])}),
        },
    }  # fmt: skip


# ---------------------------------------------------------------------- writing
def _manifest(outcomes: Outcomes) -> dict[str, Any]:
    return {"format": FORMAT} | _head(outcomes) | this_machine()


def _head(outcomes: Outcomes) -> dict[str, Any]:
    inner = outcomes.chance_only
    head = {name: getattr(outcomes, name) for name in HEAD}
    return head | {"axes": asdict(outcomes.axes), "chance_only": inner and _head(inner)}


def _arrays(outcomes: Outcomes, prefix: str = "") -> Arrays:
    found: Arrays = {}
    for room, part in (("book", outcomes.book), ("terms", outcomes.terms)):
        for f in fields(part):
            value = getattr(part, f.name)
            rows = (
                {f"/{k}": v for k, v in value.items()} if isinstance(value, dict) else {"": value}
            )
            found |= {f"{prefix}{room}/{f.name}{key}": array for key, array in rows.items()}
    if outcomes.chance_only is not None:
        found |= _arrays(outcomes.chance_only, prefix + "chance_only/")
    return found


def _write_arrays(outcomes: Outcomes, folder: Path) -> tuple[str, str]:
    """Write all arrays into one file; return its name and SHA-256."""
    found: dict[str, Any] = _arrays(outcomes)
    part = write_part(folder, lambda file: np.savez_compressed(file, **found))
    digest = _digest(part)
    name = f"book-{digest[:16]}.npz"
    os.replace(part, folder / name)
    return name, digest


def _named(folder: Path) -> str | None:
    """The file of arrays that the manifest of a folder names, if there is one."""
    with suppress(*DAMAGE):
        name = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["arrays"]["file"]
        return name if _ARRAYS.fullmatch(name) else None
    return None


def _is_store(folder: Path) -> bool:
    """Whether a sweep keeps its parts here; one whose manifest is spoilt still has the parts."""
    with suppress(*DAMAGE):
        return "study" in json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return any(_PART.fullmatch(path.name) for path in (folder / "parts").glob("*.parquet"))


def _remove(folder: Path, name: str | None, keep: str | None) -> None:
    """Remove arrays that no manifest names any more; those of another writer stay."""
    if name is not None and name != keep:
        (folder / name).unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# ---------------------------------------------------------------------- reading
def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"there is no run in {folder}: {MANIFEST} is missing") from error
    except NotADirectoryError as error:
        raise UserError(
            f"{folder} is a file: a run is the folder that it was written to"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"the run in {folder} is damaged: {MANIFEST}: {error}") from error
    if isinstance(manifest, dict) and "study" in manifest:
        raise UserError(f"{folder} is the store of a study: sim.read_store reads it")
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if type(version) is not int or version < 1:
        raise UserError(f"the run in {folder} is damaged: {MANIFEST} names no format")
    if version > FORMAT:
        raise UserError(
            f"the run in {folder} has format {version}; this program reads up to format {FORMAT}: "
            f"install a newer version of it"
        )
    return manifest


def _checked_file(folder: Path, entry: dict[str, str]) -> Path:
    """The file of arrays, if its content is what the manifest says."""
    if not _ARRAYS.fullmatch(entry["file"]):
        raise ValueError(f"{entry['file']!r} is no name of a file of arrays")
    path = folder / entry["file"]
    if _digest(path) != entry["sha256"]:
        raise ValueError(f"{entry['file']} has changed since it was written")
    return path


def _outcomes_of(head: dict[str, Any], arrays: Arrays, prefix: str = "") -> Outcomes:
    book, terms = _part(arrays, prefix + "book/"), _part(arrays, prefix + "terms/")
    inner = head["chance_only"]
    return Outcomes(
        **{name: head[name] for name in HEAD},
        axes=Axes(**{name: tuple(names) for name, names in head["axes"].items()}),
        book=Ledger(**_complete(book)),
        terms=Terms(**terms),
        chance_only=_outcomes_of(inner, arrays, prefix + "chance_only/") if inner else None,
    )


def _part(arrays: Arrays, prefix: str) -> dict[str, Any]:
    """The arrays under a prefix; "totals/gmv" becomes an entry of the dictionary "totals"."""
    part: dict[str, Any] = {}
    for name, array in arrays.items():
        if name.startswith(prefix):
            key, _, inner = name.removeprefix(prefix).partition("/")
            if inner:
                part.setdefault(key, {})[inner] = array
            else:
                part[key] = array
    return part


def _complete(book: dict[str, Any]) -> dict[str, Any]:
    """A book without days, packages or commissioned media leaves no trace of them; figures that the
    version it is from did not write down are unknown.
    """
    known = Ledger.empty(0, 0, 0, 0, lanes=0)
    for part in ("totals", "scenes", "products"):
        unknown = np.full_like(next(iter(book[part].values())), np.nan)
        book[part] = dict.fromkeys(getattr(known, part), unknown) | book[part]
    return {"days": {}, "packages": {}, "commissions": {}} | book
