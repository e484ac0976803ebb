"""Scenario files: read safely, extended, changed by --set, and checked against a model.

A file becomes a tree of nodes that know where they were written, so that every fault found later,
by the model or by a cross-check, points at its line. The steps of `load`:

1. compose    YAML events become nodes; a hostile file ends here, before anything is built of it
2. extend     presets and other files lie below the file itself: `extends: [calendars/plain]`,
              and `preset: harvest` in an entry of `scenes` is presets/scenes/harvest.yaml
3. set        `--set KEY=VALUE` lies on top
4. validate   against the model; all faults at once, in plain words
5. spread     a preset's number without a spread of its own gets that of its provenance
"""

import os
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from simulator.errors import FieldError, Problem, ScenarioError
from simulator.scenario.amounts import Uncertain, shown, suggestion

FORMAT = 1
SPREADS = {"published": 0.10, "estimate": 0.30}
"""Relative spread of a preset's numbers, by where the preset says they come from."""

MOST_BYTES = 5_000_000
MOST_NODES = 200_000
MOST_DEPTH = 64
MOST_EXTENDS = 8
MOST_FILES = 256

Model = TypeVar("Model", bound=BaseModel)
Parts = tuple[str | int, ...]


# --------------------------------------------------------------------------- the tree
@dataclass(frozen=True)
class Origin:
    """Where a value was written; `provenance` only where a preset states it."""

    file: str
    line: int
    column: int
    provenance: str | None = None


@dataclass
class Source:
    """A text that nodes come from."""

    name: str
    provenance: str | None = None


@dataclass(slots=True)
class Node:
    """A value and its place; `key` is the node of the name it stands under."""

    value: Any  # str | int | float | bool | None | dict[str, Node] | list[Node]
    source: Source
    line: int
    column: int
    key: "Node | None" = None

    def origin(self) -> Origin:
        """Where the value was written."""
        return Origin(self.source.name, self.line, self.column, self.source.provenance)

    def problem(self, message: str, path: Parts = ()) -> Problem:
        """A fault of this value."""
        dotted = ".".join(map(str, path))
        return Problem(self.source.name, self.line, self.column, dotted, message)

    def child(self, part: str | int) -> "Node | None":
        """The entry of a mapping or a list; list entries may be counted in text, too."""
        if isinstance(self.value, dict):
            return self.value.get(str(part))
        if isinstance(self.value, list) and re.fullmatch("[0-9]{1,6}", str(part)):
            return dict(enumerate(self.value)).get(int(part))
        return None

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value


@dataclass(frozen=True)
class Tree:
    """A scenario file with everything it extends; `header` holds its `extends` and `format`."""

    root: Node
    header: Mapping[str, Node]

    def data(self, model: type[BaseModel]) -> dict[str, Any]:
        """Plain data for the model; it gets the header only where it has fields for it."""
        declared = self.header.keys() & model.model_fields.keys()
        return self.root.plain() | {key: self.header[key].plain() for key in declared}

    def nearest(self, path: str | Sequence[str | int]) -> tuple[Node, bool]:
        """The node at a dotted path, or its nearest parent and False."""
        parts = parts_of(path)
        node = self.header.get(str(parts[0])) if parts else None
        node, parts = (node, parts[1:]) if node else (self.root, parts)
        for part in parts:
            below = node.child(part)
            if below is None:
                return node, False
            node = below
        return node, True

    def origin(self, path: str | Sequence[str | int]) -> Origin:
        """Where the value at a dotted path was written, or its nearest existing parent."""
        return self.nearest(path)[0].origin()

    def problem(self, path: str | Sequence[str | int], message: str) -> Problem:
        """A fault of the value at a dotted path, for a check that knows nothing of files."""
        return self.nearest(path)[0].problem(message, parts_of(path))

    def key_problem(self, path: str | Sequence[str | int], message: str) -> Problem:
        """A fault of the name at the end of a dotted path."""
        node, found = self.nearest(path)
        return (node.key or node if found else node).problem(message, parts_of(path))


def parts_of(path: str | Sequence[str | int]) -> Parts:
    """The parts of a dotted path.

    >>> parts_of("slots.search.packages.0")
    ('slots', 'search', 'packages', '0')
    """
    return tuple(path.split(".")) if path and isinstance(path, str) else tuple(path)


def _stop(node: Node, message: str, *path: str | int) -> NoReturn:
    raise ScenarioError([node.problem(message, path)])


# --------------------------------------------------------------------------- 1. compose
# What a plain word means: YAML 1.2, so that `no`, `12:30`, 0o7 and dates stay text.
_WORDS: dict[str, bool | None] = {"": None, "~": None}
_WORDS |= dict.fromkeys(("null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True)
_WORDS |= dict.fromkeys(("false", "False", "FALSE"), False)
_INT = re.compile(r"[+-]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[+-]?(\.[0-9]{1,30}|(0|[1-9][0-9]{0,30})(\.[0-9]{0,30})?)(e[+-]?[0-9]{1,3})?")

_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _plain_value(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text.lower()) and abs(number := float(text)) != float("inf"):
        return number
    return text


class _Composer:
    """Builds nodes from YAML events one by one, without recursion.

    Neither depth nor aliases can hurt: the stream ends at the first event that goes too far.
    """

    def __init__(self, source: Source, shift: int = 0) -> None:
        self.source = source
        self.shift = shift  # columns before the text, in a --set argument
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self.open: list[Node] = []  # collections around the current event
        self.names: list[Node | None] = []  # the key that waits for its value, for each of them
        self.count = 0

    def compose(self, text: str) -> Node | None:
        """The root node; None for a text without any value."""
        self.text = text
        try:
            for event in yaml.parse(text, Loader=_LOADER):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            raise ScenarioError([self._syntax(error)]) from None
        except yaml.YAMLError as error:
            _stop(Node(None, self.source, 1, 1), f"is not YAML: {error}")
        if self.problems:
            raise ScenarioError(self.problems)
        return self.root

    def _syntax(self, error: yaml.MarkedYAMLError) -> Problem:
        what = error.problem or ""
        mark = error.problem_mark or error.context_mark
        if mark and mark.index >= len(self.text) and error.context_mark:
            mark = error.context_mark  # where the quote or bracket was opened
        why = f"{what} {error.context}" if error.context else what
        tab = mark and self.text[mark.index :][:1] == "\t"
        hint = ": a tab cannot indent, use spaces" if tab else ""
        return self._node(mark).problem(f"is not YAML: {why}{hint}")

    def _node(self, mark: Any, value: Any = None) -> Node:
        line, column = (mark.line, mark.column) if mark else (0, 0)
        return Node(value, self.source, line + 1, column + 1 + (0 if line else self.shift))

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.NodeEvent):
            self._refuse(event)
            self._add(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.open.pop()
            self.names.pop()
        elif isinstance(event, yaml.DocumentStartEvent) and self.root:
            _stop(self._node(event.start_mark), "must hold one document only")

    def _refuse(self, event: yaml.NodeEvent) -> None:
        """Stops at what no scenario needs and an attack does."""
        self.count += 1
        deep = len(self.open) >= MOST_DEPTH and isinstance(event, yaml.CollectionStartEvent)
        unprintable = _UNPRINTABLE.search(getattr(event, "value", ""))
        for wrong, message in (
            (isinstance(event, yaml.AliasEvent), "aliases (*name) are not read"),
            (event.anchor is not None, "anchors (&name) are not read"),
            (getattr(event, "tag", None) is not None, "tags (!name) are not read"),
            (deep, f"is nested more than {MOST_DEPTH} levels deep"),
            (unprintable, "has an unprintable character"),
            (self.count > MOST_NODES, f"has more than {MOST_NODES} values"),
        ):
            if wrong:
                _stop(self._node(event.start_mark), message)

    def _add(self, event: yaml.NodeEvent) -> None:
        node = self._node(event.start_mark, _value_of(event))
        if not self.open:
            self.root = node
        elif isinstance(self.open[-1].value, list):
            self.open[-1].value.append(node)
        elif self.names[-1] is None:
            self._name(node)
        else:
            self._enter(self.names[-1], node)
            self.names[-1] = None
        if isinstance(node.value, dict | list):
            self.open.append(node)
            self.names.append(None)

    def _name(self, key: Node) -> None:
        if isinstance(key.value, dict | list):
            _stop(key, f"must not be {shown(key.value)}: a name is plain text")
        if key.value == "<<":
            _stop(key, "merge keys (<<) are not read; use extends")
        if not isinstance(key.value, str):
            hint = f"name {shown(key.value)} must be text: write it in quotes"
            self.problems.append(key.problem(hint))
        elif not key.value.isprintable():
            self.problems.append(key.problem(f"name {shown(key.value)} must stand on one line"))
        self.names[-1] = replace(key, value=str(key.value))

    def _enter(self, key: Node, node: Node) -> None:
        node.key = key
        first = self.open[-1].value.setdefault(key.value, node)
        if first is not node:
            message = f"is given twice, first at line {first.key.line}, column {first.key.column}"
            self.problems.append(key.problem(message, (*self._path(), key.value)))

    def _path(self) -> Parts:
        """The names and numbers that lead to the innermost open collection."""
        steps = pairwise(self.open)
        return tuple(node.key.value if node.key else len(above.value) - 1 for above, node in steps)


def _value_of(event: yaml.NodeEvent) -> Any:
    if isinstance(event, yaml.ScalarEvent):
        return _plain_value(event.value) if event.implicit[0] else event.value
    return {} if isinstance(event, yaml.MappingStartEvent) else []


def _decode(data: bytes, source: Source) -> str:
    """Text of a file, or a problem at the first byte that is none."""
    if len(data) > MOST_BYTES:
        _stop(Node(None, source, 1, 1), f"is larger than {MOST_BYTES // 1_000_000} MB")
    data = data.removeprefix(BOM_UTF8)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        _stop(_at_end(before, source), "is not UTF-8 text: save the file as UTF-8")
    if wrong := _UNPRINTABLE.search(text):
        message = f"has an unprintable character (U+{ord(wrong[0]):04X})"
        _stop(_at_end(text[: wrong.start()], source), message)
    return text


def _at_end(before: str, source: Source) -> Node:
    return Node(None, source, before.count("\n") + 1, len(before) - before.rfind("\n"))


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
            _stop(Node(None, source, 1, 1), f"cannot be read: {reason}")


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
        return self.over(place, _decode(place.read(source), source), source, above)

    def over(
        self, place: _Place, text: str, source: Source, above: tuple[_Place, ...] = ()
    ) -> Tree:
        """The text laid over what it extends."""
        root = _Composer(source).compose(text)
        if root is None or not isinstance(root.value, dict):
            _stop(root or Node(None, source, 1, 1), "must hold a mapping of fields, and is not one")
        header = _take_header(root, preset=place.folder is None)
        chain = (*above, place)
        layers = [self._extended(node, chain) for node in _names_of(header.get("extends"))]
        return Tree(reduce(_merge, [*layers, root]), header)

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
        entries[name] = _merge(self.read(place).root, entry)

    def _extended(self, node: Node, chain: tuple[_Place, ...]) -> Node:
        place = self._place(node, chain[-1].folder)
        self._count(node)
        if place.identity in [other.identity for other in chain]:
            circle = " -> ".join(other.name for other in (*chain, place))
            _stop(node, f"goes in a circle: {circle}", "extends")
        if len(chain) > MOST_EXTENDS:
            _stop(node, f"goes more than {MOST_EXTENDS} files deep", "extends")
        return self.read(place, chain).root

    def _count(self, node: Node) -> None:
        self.files += 1
        if self.files > MOST_FILES:
            _stop(node, f"is one file too many: a scenario reads at most {MOST_FILES}")

    def _place(self, node: Node, folder: Path | None) -> _Place:
        name = node.value
        if not isinstance(name, str):
            _stop(node, f"must name presets or files (got {shown(name)})", "extends")
        if name.startswith(("./", "../", "/")):
            return self._file(node, folder)
        return _preset(node, ("extends",))

    def _file(self, node: Node, folder: Path | None) -> _Place:
        if folder is None or not self.trusted:
            _stop(node, f"may name presets only here (got {shown(node.value)})", "extends")
        path = Path(os.path.normpath(folder / node.value))
        if not os.path.isfile(path):
            _stop(node, f"names no file: {shown(node.value)}", "extends")
        return _Place.of_file(path)


def _preset(node: Node, path: Parts, prefix: str = "") -> _Place:
    """The preset that a node names, or a problem with the nearest known name."""
    name = str(node.value)
    place = _Place.of_preset(prefix + name)
    if place is None or not isinstance(node.value, str):
        known = [word.removeprefix(prefix) for word in preset_names() if word.startswith(prefix)]
        near = suggestion(name, known)
        _stop(node, f"names no preset: {shown(node.plain())}{near}", *path)
    return place


def _take_header(root: Node, preset: bool) -> dict[str, Node]:
    """Takes `format`, `extends` and a preset's `provenance` out of the fields."""
    header = {key: root.value.pop(key) for key in ("extends", "format") if key in root.value}
    if "format" in header:
        _check_format(header["format"])
    if preset and "provenance" in root.value:
        node = root.value.pop("provenance")
        if node.value not in SPREADS:
            _stop(node, f"must be one of {', '.join(SPREADS)}", "provenance")
        root.source.provenance = node.value
    return header


def _check_format(node: Node) -> None:
    number = node.value
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        _stop(node, f"must be {FORMAT} (got {shown(node.plain())})", "format")
    if number > FORMAT:
        known = f"this version reads format {FORMAT}: please update"
        _stop(node, f"file is written for format {number}; {known}")


def _names_of(extends: Node | None) -> list[Node]:
    if extends is None or extends.value is None:
        return []
    if not isinstance(extends.value, list):
        extends.value = [replace(extends)]
    return extends.value


def _merge(base: Node, over: Node) -> Node:
    """Mappings merge, null takes an entry away, anything else replaces."""
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)) or _is_number(over):
        return over
    entries = dict(base.value)
    for key, node in over.value.items():
        _lay(entries, key, node)
    return replace(over, value=entries)


def _lay(entries: dict[str, Node], key: str, node: Node) -> None:
    if key not in entries:
        entries[key] = node
    elif node.value is None:
        del entries[key]
    else:
        entries[key] = _merge(entries[key], node)


def _is_number(node: Node) -> bool:
    """An uncertain number is one value: half of an inherited one must not survive."""
    keys = node.value.keys()
    return keys == {"low", "high"} or ("value" in keys and keys <= {"value", "sd"})


# --------------------------------------------------------------------------- 3. set
def _set(root: Node, text: str) -> None:
    """Lays one `KEY=VALUE` over the tree."""
    key, equals, value = text.partition("=")
    source = Source(f"--set {text}")
    here = Node(None, source, 1, 1)
    path = parts_of(key.strip())
    if not (equals and path and all(path)) or len(path) > MOST_DEPTH:
        _stop(here, "must read KEY=VALUE with a dotted KEY such as slots.search.median_cpm")
    if path[0] in {"extends", "format"}:
        _stop(here, "cannot be set, only written in a file", *path)
    node = _Composer(source, len(key) + 1).compose(
        _decode(value.encode(errors="surrogateescape"), source)
    )
    if node is None:
        _stop(here, "has no value; null takes it away", *path)
    parent = root
    for depth, part in enumerate(path[:-1], 1):
        parent = _below(parent, part, here, path[:depth])
    _put(parent, replace(node, key=replace(here, value=path[-1])), path)


def _below(parent: Node, part: str | int, here: Node, path: Parts) -> Node:
    """The collection under a name; made where there is none yet."""
    node = parent.child(part)
    if node is None or node.value is None:
        node = replace(here, value={}, key=here)
        _put(parent, node, path)
    return node


def _put(parent: Node, node: Node, path: Parts) -> None:
    part = str(path[-1])
    if isinstance(parent.value, dict):
        _lay(parent.value, part, node)
    elif not isinstance(parent.value, list):
        place = f"{parent.source.name}:{parent.line}:{parent.column}"
        message = f"cannot be set below a single value ({shown(parent.value)}, {place})"
        _stop(node, message, *path)
    elif parent.child(part) is None:
        _stop(node, f"must be a number below {len(parent.value)}, an entry of the list", *path)
    else:
        parent.value[int(part)] = node


def read_tree(path: str | os.PathLike[str], sets: Iterable[str] = (), trusted: bool = True) -> Tree:
    """The scenario file at `path` with all it extends, and every KEY=VALUE of `sets` on top.

    A file that is not `trusted`, an uploaded one, may extend presets only.
    """
    place = _Place.of_file(Path(path))
    if os.path.exists(path) and not os.path.isfile(path):
        _stop(Node(None, Source(place.name), 1, 1), "cannot be read: not a file")
    reading = _Reading(trusted)
    return _finished(reading, reading.read(place), sets)


def parse_tree(
    data: bytes, name: str = "scenario.yaml", sets: Iterable[str] = (), trusted: bool = False
) -> Tree:
    """The same for the content of a file, such as an uploaded one."""
    source = Source(name)
    place = _Place(name, name, Path(name), Path())
    reading = _Reading(trusted)
    return _finished(reading, reading.over(place, _decode(data, source), source), sets)


def _finished(reading: _Reading, tree: Tree, sets: Iterable[str]) -> Tree:
    """A preset that is set is laid below the entry, any other value over it."""
    of_preset: list[str] = []
    others: list[str] = []
    for text in sets:
        names_preset = text.partition("=")[0].rstrip().endswith(".preset")
        (of_preset if names_preset else others).append(text)
    _set_all(tree.root, of_preset)
    reading.fill(tree.root)
    _set_all(tree.root, others)
    return tree


def _set_all(root: Node, sets: Iterable[str]) -> None:
    problems: list[Problem] = []
    for text in sets:
        try:
            _set(root, text)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)


# --------------------------------------------------------------------------- 4. validate
def load(
    model: type[Model],
    path: str | os.PathLike[str],
    sets: Iterable[str] = (),
    trusted: bool = True,
) -> Model:
    """The model that a scenario file describes; a ScenarioError holds everything wrong with it."""
    return validate(model, read_tree(path, sets, trusted))


def validate(model: type[Model], tree: Tree) -> Model:
    """The model that a tree describes."""
    try:
        instance = model.model_validate(tree.data(model))
    except ValidationError as error:
        details = error.errors(include_url=False)
        faults = _without_echoes([_Fault.of(model, tree, detail) for detail in details])
        raise ScenarioError(fault.problem(tree) for fault in faults) from None
    return _with_spreads(instance, tree.root)


class _Spot:
    """Follows pydantic's location through the types, to leave out the names of union members."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.path: Parts = ()
        self.union: Parts | None = None  # the last union without a discriminator
        self.owners: list[Any] = []
        self.types: list[Any] = [model]
        self.undecided = False

    def follow(self, part: str | int) -> None:
        if self.undecided:
            self._choose(str(part))
        else:
            self._descend(part)

    def _choose(self, name: str) -> None:
        """A union's location names the member that pydantic tried."""
        tagged = [kind for kind in self.types if name in _tags(kind)]
        if not tagged:
            self.union = self.path
            tagged = [kind for kind in self.types if getattr(kind, "__name__", "") == name]
        self._open(tagged or self.types, bool(tagged))

    def _descend(self, part: str | int) -> None:
        self.path = (*self.path, part)
        self.owners = self.types
        self._open([kind for owner in self.owners for kind in _inside(owner, part)], True)

    def _open(self, kinds: list[Any], decide: bool) -> None:
        members = [_members(kind) for kind in kinds]
        self.types = [kind for group in members for kind in group]
        self.undecided = decide and any(len(group) > 1 for group in members)


def _members(kind: Any) -> list[Any]:
    """The members of a union, None left out, or the type itself."""
    if get_origin(kind) is Annotated:
        return _members(get_args(kind)[0])
    if get_origin(kind) not in {Union, UnionType}:
        return [kind]
    some = [member for member in get_args(kind) if member is not NoneType]
    return _members(some[0]) if len(some) == 1 else some


def _fields(kind: Any) -> dict[str, FieldInfo]:
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return {}
    return {field.alias or name: field for name, field in kind.model_fields.items()}


def _tags(kind: Any) -> set[str]:
    """Words that a model, or any of a union of models, allows for its literal fields."""
    members = _members(kind)
    if len(members) > 1:
        return set().union(*map(_tags, members))
    literals = [
        field.annotation
        for field in _fields(members[0]).values()
        if get_origin(field.annotation) is Literal
    ]
    return {str(word) for literal in literals for word in get_args(literal)}


def _inside(kind: Any, part: str | int) -> list[Any]:
    """The type under a name or a number: none, one, or a guess."""
    fields = _fields(kind)
    if fields:
        return [fields[str(part)].annotation] if str(part) in fields else []
    inner = get_args(kind)
    if isinstance(part, str):
        return list(inner[1:2])
    fixed = get_origin(kind) is tuple and Ellipsis not in inner
    return list(inner[part : part + 1] if fixed else inner[:1])


@dataclass(frozen=True)
class _Fault:
    """One complaint of pydantic in plain words."""

    path: Parts
    message: str
    union: Parts | None
    at_key: bool

    @classmethod
    def of(cls, model: type[BaseModel], tree: Tree, detail: ErrorDetails) -> "_Fault":
        spot = _Spot(model)
        location = detail["loc"]
        of_name = location[-1:] == ("[key]",)
        for part in location[:-1] if of_name else location:
            spot.follow(part)
        deeper, at_name = _deeper(detail)
        path = (*spot.path, *deeper)
        node, found = tree.nearest(path)
        got = path[-1] if of_name else node.value if found else detail["input"]
        return cls(path, _message(detail, spot, path, shown(got)), spot.union, of_name or at_name)

    def problem(self, tree: Tree) -> Problem:
        place = tree.key_problem if self.at_key else tree.problem
        return place(self.path, self.message)


def _without_echoes(faults: list[_Fault]) -> list[_Fault]:
    """One fault per value of a union, and none where a member fits but for its own faults."""
    inner = {fault.union for fault in faults if fault.union not in {None, fault.path}}
    kept: dict[tuple[Parts, Any], _Fault] = {}
    for number, fault in enumerate(faults):
        at_union = fault.union == fault.path
        if at_union and fault.path in inner:
            continue
        key = (fault.path, None if at_union else number)
        first = kept.get(key)
        kept[key] = (
            replace(first, message=f"{first.message}, or {fault.message}") if first else fault
        )
    return list(kept.values())


def _deeper(detail: ErrorDetails) -> tuple[Parts, bool]:
    """The way from the field that pydantic names to what is at fault, and whether it is a name."""
    context = detail.get("ctx", {})
    if detail["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return (context["discriminator"].strip("'"),), False
    error = context.get("error")
    if isinstance(error, FieldError):
        return error.path, error.at_name
    return (), detail["type"] == "extra_forbidden"


_MESSAGES = {
    "missing": "is required",
    "greater_than": "must be > {gt} (got {got})",
    "greater_than_equal": "must be >= {ge} (got {got})",
    "less_than": "must be < {lt} (got {got})",
    "less_than_equal": "must be <= {le} (got {got})",
    "multiple_of": "must be a multiple of {multiple_of} (got {got})",
    "finite_number": "must be a finite number (got {got})",
    "model_type": "must be a mapping of fields (got {got})",
    "model_attributes_type": "must be a mapping of fields (got {got})",
    "dict_type": "must be a mapping (got {got})",
    "list_type": "must be a list (got {got})",
    "tuple_type": "must be a list (got {got})",
    "string_type": "must be text (got {got}), in quotes if need be",
    "string_pattern_mismatch": "must match {pattern} (got {got})",
    "string_too_short": "must have at least {min_length} characters (got {got})",
    "string_too_long": "must have at most {max_length} characters (got {got})",
    "too_short": "must have at least {min_length} entries (has {actual_length})",
    "too_long": "must have at most {max_length} entries (has {actual_length})",
    "float_type": "must be a number (got {got})",
    "float_parsing": "must be a number (got {got})",
    "int_type": "must be a whole number (got {got})",
    "int_parsing": "must be a whole number (got {got})",
    "int_from_float": "must be a whole number (got {got})",
    "bool_type": "must be true or false (got {got})",
    "bool_parsing": "must be true or false (got {got})",
}


def _message(detail: ErrorDetails, spot: _Spot, path: Parts, got: str) -> str:
    """The complaint as a user would say it."""
    context = detail.get("ctx", {})
    if detail["type"] == "extra_forbidden":
        return _unknown(str(path[-1]), spot.owners)
    if detail["type"] == "union_tag_not_found":
        return f"is required: {_one_of(_choices(str(path[-1]), spot.types))}"
    choices = context.get("expected_tags") or context.get("expected")
    if choices:
        return _no_choice(choices, got)
    if "error" in context:
        return str(context["error"])
    template = _MESSAGES.get(detail["type"], "")
    rounded = {key: _rounded(value) for key, value in context.items()}
    return template.format(got=got, **rounded) or f"{_bare(detail['msg'])} (got {got})"


def _bare(message: str) -> str:
    return message.replace("Input should", "must", 1)


def _rounded(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _unknown(name: str, owners: list[Any]) -> str:
    known = [field for owner in owners for field in _fields(owner)]
    near = suggestion(name, known) or f"; known are {', '.join(known)}"
    return f"is not a known field{near if len(near) < 300 else ''}"


def _no_choice(choices: str, got: str) -> str:
    known = re.findall(r"'([^']*)'", choices) or re.split(r", | or ", choices)
    near = suggestion(got.strip("'"), known)
    return f"must be {_one_of(known)} (got {got}){near}"


def _one_of(words: list[str]) -> str:
    return f"one of {', '.join(words)}" if len(words) > 1 else "".join(words)


def _choices(name: str, kinds: list[Any]) -> list[str]:
    """What the members of a union allow for the field that tells them apart."""
    fields = [_fields(kind).get(name) for kind in kinds]
    return [str(word) for field in fields if field for word in get_args(field.annotation)]


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
    return Uncertain(number, SPREADS[provenance])
