"""Scenario files: read safely, extended, changed by --set, and checked against a model.

A file becomes a tree of nodes that know where they were written, so that every fault found later,
by the model or by a cross-check, points at its line. The steps of reading:

1. compose    YAML events become nodes; a hostile file ends here, before anything is built of it
2. extend     presets and other files lie below the file itself: `extends: [calendars/plain]`,
              and `preset: harvest` in an entry of `scenes` is presets/scenes/harvest.yaml
3. set        `--set KEY=VALUE` lies on top; a preset in it lies below the entry, as in a file
4. validate   against the model; all faults at once, in plain words
5. spread     a preset's number without a spread of its own gets that of its provenance

Step 1 is nodes.py, how trees are laid over each other merging.py, step 3 settings.py, the words of
step 4 are faults.py.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from simulator.errors import Problem, ScenarioError
from simulator.scenario.amounts import Uncertain, shown, suggestion
from simulator.scenario.asked import asked_list, asked_path
from simulator.scenario.faults import problems_of
from simulator.scenario.merging import merge
from simulator.scenario.nodes import MOST_BYTES, Node, Parts, Source, Tree, compose, decode, stop
from simulator.scenario.settings import Setting, lay_all

FORMAT = 1
SPREADS = {"published": 0.10, "estimate": 0.30}
"""Relative spread of a preset's numbers, by where the preset says they come from."""

MOST_EXTENDS = 8
MOST_FILES = 256

Model = TypeVar("Model", bound=BaseModel)


# --------------------------------------------------------------------------- 2. extend
@dataclass(frozen=True)
class _Place:
    """A file or a preset that can be read; only files have a folder."""

    name: str
    identity: str
    location: Path | Traversable
    folder: Path | None = None

    @classmethod
    def of_file(cls, path: Path) -> "_Place":
        return cls(str(path), os.path.realpath(path), path, path.parent)

    @classmethod
    def of_preset(cls, name: str) -> "_Place | None":
        """None when there is no such preset."""
        if len(name) > 200 or not re.fullmatch(r"[\w-]+(/[\w-]+)*", name):
            return None
        location = preset_folder().joinpath(f"{name}.yaml")
        return cls(f"presets/{name}.yaml", name, location) if location.is_file() else None

    def read(self, source: Source) -> bytes:
        """At most one byte more than a file may have."""
        try:
            with self.location.open("rb") as file:
                return file.read(MOST_BYTES + 1)
        except OSError as error:
            reason = (error.strerror or "unknown reason").lower()
            stop(Node(None, source, 1, 1), f"cannot be read: {reason}")


def preset_folder() -> Traversable:
    """Where the presets are kept."""
    return resources.files("simulator.scenario.presets")


def preset_names() -> list[str]:
    """Names of all presets, as `extends` takes them."""
    return sorted(_names_in(preset_folder()))


def _names_in(folder: Traversable, prefix: str = "") -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _names_in(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            yield prefix + entry.name.removesuffix(".yaml")


class _Reading:
    """Reads one file with everything it extends."""

    def __init__(self, trusted: bool) -> None:
        self.trusted = trusted
        self.files = 0

    def read(self, place: _Place, above: tuple[_Place, ...] = ()) -> Tree:
        """The file laid over what it extends; `above` are the files that led here."""
        source = Source(place.name)
        return self.over(place, decode(place.read(source), source), source, above)

    def over(
        self, place: _Place, text: str, source: Source, above: tuple[_Place, ...] = ()
    ) -> Tree:
        """The text laid over what it extends."""
        root = compose(text, source)
        if root is None or not isinstance(root.value, dict):
            stop(root or Node(None, source, 1, 1), "must hold a mapping of fields, and is not one")
        header = _take_header(root, preset=place.folder is None)
        chain = (*above, place)
        layers = [self._extended(node, chain) for node in _names_of(header.get("extends"))]
        return Tree(reduce(merge, [*layers, root]), header)

    def fill(self, root: Node) -> None:
        """Lays every entry of a section over the preset that it names."""
        problems: list[Problem] = []
        for section, entries in root.value.items():
            for name in entries.value if isinstance(entries.value, dict) else ():
                try:
                    self._fill(entries.value, (section, name))
                except ScenarioError as error:
                    problems += error.problems
                if problems and self.files > MOST_FILES:
                    raise ScenarioError(problems)
        if problems:
            raise ScenarioError(problems)

    def _fill(self, entries: dict[str, Node], path: tuple[str, str]) -> None:
        section, name = path
        entry = entries[name]
        if entry.child("preset") is None or not isinstance(entry.value, dict):
            return
        node = entry.value.pop("preset")
        self._count(node)
        place = _preset(node, (*path, "preset"), f"{section}/")
        entries[name] = merge(self.read(place).root, entry)

    def _extended(self, node: Node, chain: tuple[_Place, ...]) -> Node:
        place = self._place(node, chain[-1].folder)
        self._count(node)
        if place.identity in [other.identity for other in chain]:
            circle = " -> ".join(other.name for other in (*chain, place))
            stop(node, f"goes in a circle: {circle}", "extends")
        if len(chain) > MOST_EXTENDS:
            stop(node, f"goes more than {MOST_EXTENDS} files deep", "extends")
        return self.read(place, chain).root

    def _count(self, node: Node) -> None:
        self.files += 1
        if self.files > MOST_FILES:
            stop(node, f"is one file too many: a scenario reads at most {MOST_FILES}")

    def _place(self, node: Node, folder: Path | None) -> _Place:
        name = node.value
        if not isinstance(name, str):
            stop(node, f"must name presets or files (got {shown(name)})", "extends")
        if name.startswith(("./", "../", "/")):
            return self._file(node, folder)
        return _preset(node, ("extends",))

    def _file(self, node: Node, folder: Path | None) -> _Place:
        if folder is None or not self.trusted:
            stop(node, f"may name presets only here (got {shown(node.value)})", "extends")
        path = Path(os.path.normpath(folder / node.value))
        if not os.path.isfile(path):
            stop(node, f"names no file: {shown(node.value)}", "extends")
        return _Place.of_file(path)


def _preset(node: Node, path: Parts, prefix: str = "") -> _Place:
    """The preset that a node names, or a problem with the nearest known name."""
    name = str(node.value)
    place = _Place.of_preset(prefix + name)
    if place is None or not isinstance(node.value, str):
        known = [word.removeprefix(prefix) for word in preset_names() if word.startswith(prefix)]
        near = suggestion(name, known) or (_elsewhere(name) if prefix else _as_file(name))
        stop(node, f"names no preset: {shown(node.plain())}{near}", *path)
    return place


def _as_file(name: str) -> str:
    """How a file is named, for one that is meant."""
    return f"; a file is written {shown('./' + name)}" if name.endswith((".yaml", ".yml")) else ""


def _elsewhere(name: str) -> str:
    """Where a preset of that name lives: an affiliate is no slot."""
    homes = [word for word in preset_names() if word.rpartition("/")[2] == name]
    return f", there is one for {homes[0].partition('/')[0]}" if homes else ""


def _take_header(root: Node, preset: bool) -> dict[str, Node]:
    """Takes `format`, `extends` and a preset's `provenance` out of the fields."""
    header = {key: root.value.pop(key) for key in ("extends", "format") if key in root.value}
    if "format" in header:
        _check_format(header["format"])
    if preset and "provenance" in root.value:
        node = root.value.pop("provenance")
        if node.value not in SPREADS:
            stop(node, f"must be one of {', '.join(SPREADS)}", "provenance")
        root.source.provenance = node.value
    return header


def _check_format(node: Node) -> None:
    number = node.value
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        stop(node, f"must be {FORMAT} (got {shown(node.plain())})", "format")
    if number > FORMAT:
        known = f"this version reads format {FORMAT}: please update"
        stop(node, f"file is written for format {number}; {known}")


def _names_of(extends: Node | None) -> list[Node]:
    if extends is None or extends.value is None:
        return []
    if not isinstance(extends.value, list):
        extends.value = [replace(extends)]
    return extends.value


def read_tree(path: str | os.PathLike[str], sets: Iterable[str] = (), trusted: bool = True) -> Tree:
    """The scenario file at `path` with all it extends, and every KEY=VALUE of `sets` on top.

    A file that is not `trusted`, an uploaded one, may extend presets only.
    """
    place = _Place.of_file(asked_path("a file", path))
    if os.path.exists(path) and not os.path.isfile(path):
        stop(Node(None, Source(place.name), 1, 1), "cannot be read: not a file")
    reading = _Reading(trusted)
    return _finished(reading, reading.read(place), sets)


def parse_tree(
    data: bytes, name: str = "scenario.yaml", sets: Iterable[str] = (), trusted: bool = False
) -> Tree:
    """The same for the content of a file, such as an uploaded one."""
    source = Source(name)
    place = _Place(name, name, Path(name), Path())
    reading = _Reading(trusted)
    return _finished(reading, reading.over(place, decode(data, source), source), sets)


def _finished(reading: _Reading, tree: Tree, sets: Iterable[str]) -> Tree:
    """A preset that is set is laid below the entry, any other value over it."""
    presets: list[Setting] = []
    others: list[Setting] = []
    problems: list[Problem] = []
    one = isinstance(sets, str)
    for text in asked_list("sets", [sets] if one else sets, "['budget=80k']"):
        try:
            setting = Setting.read(text)
        except ScenarioError as error:
            problems += error.problems
            continue
        presets += setting.take_presets()
        (presets if setting.path[2:] == ("preset",) else others).append(setting)
    lay_all(tree.root, presets, [])
    reading.fill(tree.root)
    lay_all(tree.root, others, problems)
    return tree


# --------------------------------------------------------------------------- 4. validate
def validate(model: type[Model], tree: Tree) -> Model:
    """The model that a tree describes; a ScenarioError holds everything wrong with it."""
    try:
        instance = model.model_validate(tree.data(model))
    except ValidationError as error:
        raise ScenarioError(problems_of(model, tree, error)) from None
    return _with_spreads(instance, tree.root)


# --------------------------------------------------------------------------- 5. spread
def _with_spreads(value: Any, node: Node) -> Any:
    """The value with the spread of its provenance wherever nobody stated one."""
    match value, node.value:
        case Uncertain(), _:
            return _spread(value, node)
        case BaseModel(), dict():
            return value.model_copy(update=_changed(dict(value), node.value))
        case dict(), dict():
            return value | _changed(value, node.value)
        case list(), list():
            return [_with_spreads(*pair) for pair in zip(value, node.value, strict=False)]
    return value


def _changed(values: Mapping[str, Any], nodes: Mapping[str, Node]) -> dict[str, Any]:
    common = values.keys() & nodes.keys()
    return {key: _with_spreads(values[key], nodes[key]) for key in common}


def _spread(number: Uncertain, node: Node) -> Uncertain:
    written = node.child("value") or node
    provenance = written.source.provenance
    if number.stated or provenance is None:
        return number
    spread = Uncertain(number, SPREADS[provenance])
    spread.most = number.most
    return spread
