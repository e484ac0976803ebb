"""Text becomes a tree of nodes that know where they were written.

Every fault found later, by the model or by a cross-check, points at the line of its node. A
hostile file ends here, at the first event that goes too far, before anything is built of it.
"""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NoReturn

import yaml
from pydantic import BaseModel

from simulator.errors import Problem, ScenarioError
from simulator.scenario.amounts import shown

MOST_BYTES = 5_000_000
MOST_NODES = 200_000
MOST_DEPTH = 64
_PLAIN = {
    "：": ":", "，": ",", "｛": "{", "｝": "}", "［": "[", "］": "]", "＃": "#", "“": '"', "”": '"',
    "\u3000": " ", "\u00a0": " ",
}  # fmt: skip
"""Signs that Chinese typing puts where YAML wants its own."""

Parts = tuple[str | int, ...]


# --------------------------------------------------------------------------- the tree
@dataclass
class Source:
    """A text that nodes come from; `provenance` only where a preset states it."""

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

    def problem(self, path: str | Sequence[str | int], message: str) -> Problem:
        """A fault of the value at a dotted path, for a check that knows nothing of files."""
        return self.nearest(path)[0].problem(message, parts_of(path))

    def key_problem(self, path: str | Sequence[str | int], message: str) -> Problem:
        """A fault of the name at the end of a dotted path."""
        node, found = self.nearest(path)
        return (node.key or node if found else node).problem(message, parts_of(path))


NOWHERE = Tree(Node(None, Source(""), 1, 1), {})
"""The tree of what was never written in a file."""


def parts_of(path: str | Sequence[str | int]) -> Parts:
    """The parts of a dotted path.

    >>> parts_of("slots.search.packages.0")
    ('slots', 'search', 'packages', '0')
    """
    return tuple(path.split(".")) if path and isinstance(path, str) else tuple(path)


def stop(node: Node, message: str, *path: str | int) -> NoReturn:
    """Raise the one fault that ends the reading."""
    raise ScenarioError([node.problem(message, path)])


# --------------------------------------------------------------------------- compose
# What a plain word means: YAML 1.2, so that `no`, `12:30`, 0o7 and dates stay text.
_WORDS: dict[str, bool | None] = {"": None, "~": None}
_WORDS |= dict.fromkeys(("null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True)
_WORDS |= dict.fromkeys(("false", "False", "FALSE"), False)
_INT = re.compile(r"[+-]?(0|[1-9][0-9]{0,19})")  # a seed has up to 20 digits
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
            stop(Node(None, self.source, 1, 1), f"is not YAML: {error}")
        if self.problems:
            raise ScenarioError(self.problems)
        return self.root

    def _wide(self, line: int) -> Problem | None:
        """A sign of Chinese typing where YAML wants its own: in the line of an error, or the one above."""
        lines = self.text.split("\n")
        for number in range(max(0, line - 1), min(line + 1, len(lines))):
            code = lines[number].split("#", 1)[0]
            for column, sign in enumerate(code, start=1):
                if sign in _PLAIN:
                    what = f"has {sign!r}, which is no {_PLAIN[sign]!r}: type the plain one"
                    return Node(None, self.source, number + 1, column).problem(what)
        return None

    def _syntax(self, error: yaml.MarkedYAMLError) -> Problem:
        what = error.problem or ""
        mark = error.problem_mark or error.context_mark
        if mark and (wide := self._wide(mark.line)):
            return wide
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
            stop(self._node(event.start_mark), "must hold one document only")

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
                stop(self._node(event.start_mark), message)

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
            stop(key, f"must not be {shown(key.value)}: a name is plain text")
        if key.value == "<<":
            stop(key, "merge keys (<<) are not read; use extends")
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


def compose(text: str, source: Source, shift: int = 0) -> Node | None:
    """The root node of a YAML text, None when it is empty; `shift`: columns before the text."""
    return _Composer(source, shift).compose(text)


def _value_of(event: yaml.NodeEvent) -> Any:
    if isinstance(event, yaml.ScalarEvent):
        return _plain_value(event.value) if event.implicit[0] else event.value
    return {} if isinstance(event, yaml.MappingStartEvent) else []


def decode(data: bytes, source: Source) -> str:
    """Text of a file, or a problem at the first byte that is none."""
    if len(data) > MOST_BYTES:
        stop(Node(None, source, 1, 1), f"is larger than {MOST_BYTES // 1_000_000} MB")
    data = data.removeprefix(BOM_UTF8)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode()
        kind = "UTF-16" if data[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "not UTF-8"
        stop(_at_end(before, source), f"is {kind} text: save the file as UTF-8")
    if wrong := _UNPRINTABLE.search(text):
        message = f"has an unprintable character (U+{ord(wrong[0]):04X})"
        stop(_at_end(text[: wrong.start()], source), message)
    return text


def _at_end(before: str, source: Source) -> Node:
    return Node(None, source, before.count("\n") + 1, len(before) - before.rfind("\n"))
