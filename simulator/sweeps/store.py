"""A store: a folder with a manifest and one Parquet part per task, that survives whatever happens.

    manifest.json                   what the study is, and what computed it
    parts/KEY-DIGEST.parquet        the rows of one task
    damaged/                        parts whose content is not what their name says

A part is written under another name, brought safely to disk, and moved into its place in one step;
its name holds the SHA-256 of its content. So a reader finds whole parts or none, a spoilt part shows,
and two processes that compute the same task write the same file. Parts of different studies never
meet: the manifest says whose they are, and a task's key is made of the study's content.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.errors import RunError, UserError
from simulator.files import write_part
from simulator.scenario.asked import asked_path

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
MANIFEST = "manifest.json"
STALE = 3600.0
"""Age from which an unfinished file belongs to nobody [s]."""

_PART = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.parquet")
Content = dict[str, Any]


# --------------------------------------------------------------------------- manifest
def _read_manifest(folder: Path) -> Content | None:
    """What stands in the manifest, None if there is none; it is checked as far as its format."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"the store {folder} is damaged: {MANIFEST}: {error}") from error
    if isinstance(manifest, dict) and "arrays" in manifest:
        raise UserError(f"{folder} is a saved run, not a store: choose another folder")
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if type(version) is not int or version < 1:
        raise UserError(f"the store {folder} is damaged: {MANIFEST} names no format")
    if version > FORMAT:
        raise UserError(
            f"the store {folder} has format {version}; this program reads up to format {FORMAT}: "
            f"install a newer version of it"
        )
    missing = [key for key in ("study", "tasks", "makers") if key not in manifest]
    if missing:
        raise UserError(f"the store {folder} is damaged: {MANIFEST} lacks {', '.join(missing)}")
    return dict(manifest)


def has_manifest(folder: str | os.PathLike[str]) -> bool:
    """Whether a store has been begun here."""
    return (Path(folder) / MANIFEST).is_file()


def _known_manifest(folder: Path) -> Content:
    manifest = _read_manifest(folder)
    if manifest is None:
        raise UserError(f"there is no store in {folder}: {MANIFEST} is missing")
    return manifest


def _check_same(folder: Path, manifest: Content, study: Content) -> None:
    """Refuse a store of another study, and say what differs."""
    if changes := differences(manifest["study"], study):
        raise UserError(
            f"the store {folder} belongs to another study: {_listed(changes)}; choose another "
            f"folder, or change the study back"
        )


def _text(manifest: Content) -> bytes:
    return (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode()


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """What has changed between two contents, in words.

    >>> differences({"seed": 11, "over": {"a": [1]}}, {"seed": 12, "over": {"b": [1]}})
    ['seed was 11 and is 12', 'over.a is gone', 'over.b is new']
    """
    if old == new:
        return []
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return [_change(old, new, path)]
    names = list(dict.fromkeys([*old, *new]))
    found: list[str] = []
    for name in names:
        below = f"{path}.{name}" if path else str(name)
        if name not in new:
            found.append(f"{below} is gone")
        elif name not in old:
            found.append(f"{below} is new")
        else:
            found += differences(old[name], new[name], below)
    return found


def _change(old: Any, new: Any, path: str) -> str:
    was, now = (json.dumps(x, ensure_ascii=False) for x in (old, new))
    short = len(was) <= 60 and len(now) <= 60
    return f"{path} was {was} and is {now}" if short else f"{path} has changed"


def _listed(changes: list[str]) -> str:
    more = f", and {len(changes) - 5} more" if len(changes) > 5 else ""
    return "; ".join(changes[:5]) + more


# --------------------------------------------------------------------------- the store
class Store:
    """A folder that one study fills; any number of processes may do so at once."""

    def __init__(self, folder: Path, manifest: Content, *, allow_mixed: bool = False) -> None:
        self.folder = folder
        self.manifest = manifest
        self.allow_mixed = allow_mixed

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str], study: Content, tasks: int, *, maker: Content,
        allow_mixed: bool = False,
    ) -> "Store":  # fmt: skip
        """The store of a study, made if there is none; refused if it belongs to another.

        `maker` is what computes here; parts of another one may be mixed in only where `allow_mixed`
        says so, and never those of other code.
        """
        place = asked_path("a store", folder)
        fresh = {"format": FORMAT, "tasks": tasks, "study": study, "makers": [maker]}
        found = _read_manifest(place)
        try:
            (place / "parts").mkdir(parents=True, exist_ok=True)
            manifest = found or _first_manifest(place, fresh)
            store = cls(place, manifest, allow_mixed=allow_mixed)
            _check_same(place, manifest, study)
            store.admit(maker)
            store._tidy()
        except OSError as error:
            raise UserError(f"cannot write to {place}: {error.strerror or error}") from error
        return store

    def admit(self, maker: Content) -> None:
        """Refuse parts of another program or machine; an allowed one is noted in the manifest."""
        if maker in self.manifest["makers"]:
            return
        changes = differences(self.manifest["makers"][0], maker)
        if any(change.startswith("code ") for change in changes):
            raise UserError(
                f"the store {self.folder} was computed by another version of this program: results "
                f"are never mixed; choose another folder"
            )
        if not self.allow_mixed:
            raise UserError(
                f"the store {self.folder} was computed elsewhere: {_listed(changes)}; results could "
                f"differ in the last digits: choose another folder, or accept that with --allow-mixed"
            )
        self.manifest["makers"].append(maker)
        _replace(self.folder / MANIFEST, _text(self.manifest))

    # ---------------------------------------------------------------- parts
    def keys(self) -> set[str]:
        """Keys of all parts that are there, whole or not."""
        return set(_listing(self.folder))

    def sound(self) -> set[str]:
        """Keys of all whole parts; a damaged one is set aside, and so is a second of one key."""
        whole = set()
        for key, paths in _listing(self.folder).items():
            good = [path for path in paths if _is_whole(path)]
            for path in [path for path in paths if path not in good[:1]]:
                self._set_aside(path)
            if good:
                whole.add(key)
        return whole

    def write(self, key: str, part: bytes) -> int:
        """Put a part in its place, safe on disk; its size."""
        digest = hashlib.sha256(part).hexdigest()[:16]
        try:
            _replace(self.folder / "parts" / f"{key}-{digest}.parquet", part)
        except OSError as error:
            raise RunError(
                f"cannot write to {self.folder}: {error.strerror or error}; what is done is safe: make "
                f"room and start again"
            ) from error
        return len(part)

    def _set_aside(self, path: Path) -> None:
        (self.folder / "damaged").mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # another process was quicker
            os.replace(path, self.folder / "damaged" / path.name)

    def _tidy(self) -> None:
        """Remove what a stopped process left half-written long ago."""
        for path in (*self.folder.glob(".*.part"), *self.folder.glob("parts/.*.part")):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > STALE:
                    path.unlink()


def _listing(folder: Path) -> dict[str, list[Path]]:
    """Parts by their key, in order of their names."""
    found: dict[str, list[Path]] = {}
    for name in sorted(os.listdir(folder / "parts")):
        if match := _PART.fullmatch(name):
            found.setdefault(match[1], []).append(folder / "parts" / name)
    return found


def _is_whole(path: Path) -> bool:
    try:
        return _PART.sub(r"\2", path.name) == hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return False


def _first_manifest(folder: Path, fresh: Content) -> Content:
    """Write the manifest unless another process has just done so; the one that stands."""
    if _listing(folder):
        raise UserError(f"the store {folder} is damaged: it has parts but no {MANIFEST}")
    part = write_part(folder, lambda file: file.write(_text(fresh)))
    try:
        os.link(part, folder / MANIFEST)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        os.replace(part, folder / MANIFEST)
    finally:
        part.unlink(missing_ok=True)
    _sync(folder)
    return _read_manifest(folder) or fresh


def _replace(path: Path, content: bytes) -> None:
    """A file with its name, both safe on disk."""
    os.replace(write_part(path.parent, lambda file: file.write(content)), path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    """The names in a folder safe on disk, where a folder can be opened."""
    if os.name == "posix":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


# --------------------------------------------------------------------------- reading
def read_store(folder: str | os.PathLike[str], *, partial: bool = False) -> "pd.DataFrame":
    """Every row of a store, in the study's order: the same frame whoever computed it, and when.

    A store that is not complete is refused, unless a `partial` answer is asked for.
    """
    place = asked_path("a store", folder)
    manifest = _known_manifest(place)
    parts = list(_whole_parts(place))
    if len(parts) < manifest["tasks"] and not partial:
        raise UserError(
            f"{manifest['tasks'] - len(parts)} of {manifest['tasks']} parts of the store {place} are "
            f"missing or damaged: start the sweep again, or read it with partial=True"
        )
    return frame_of([path.read_bytes() for path in parts], manifest["study"]["plans"])


def survey(folder: str | os.PathLike[str], study: Content) -> dict[str, bool]:
    """Every part that the store of a study has, and whether it is whole; nothing is changed."""
    place = Path(folder)
    _check_same(place, _known_manifest(place), study)
    return {key: any(map(_is_whole, paths)) for key, paths in _listing(place).items()}


def _whole_parts(folder: Path) -> Iterator[Path]:
    """One whole part of every key."""
    for paths in _listing(folder).values():
        yield from [path for path in paths if _is_whole(path)][:1]


def frame_of(parts: list[bytes], plans: Mapping[str, list[str]]) -> "pd.DataFrame":
    """The rows of some parts, by scenario, cell, plan and replication."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not parts:
        return pd.DataFrame()
    table = pa.concat_tables([pq.read_table(pa.BufferReader(part)) for part in parts])
    frame = table.to_pandas()
    place = {(s, p): n for n, (s, p) in enumerate((s, p) for s in plans for p in plans[s])}
    frame["_scenario"] = frame["scenario"].map({name: n for n, name in enumerate(plans)})
    frame["_plan"] = [place[pair] for pair in zip(frame["scenario"], frame["plan"], strict=True)]
    keys = ["_scenario", "cell", "_plan", "replication"]
    return frame.sort_values(keys, ignore_index=True).drop(columns=["_scenario", "_plan"])
