"""`--set KEY=VALUE`: one value read, and laid over the tree of a file."""

from dataclasses import dataclass, replace

from simulator.errors import Problem, ScenarioError
from simulator.scenario.amounts import shown, suggestion
from simulator.scenario.merging import lay
from simulator.scenario.nodes import (
    MOST_DEPTH,
    Node,
    Parts,
    Source,
    compose,
    decode,
    parts_of,
    stop,
)

_INCENTIVES = ("coupons", "subsidies", "rebates", "roi_guarantees", "hosted")
_ENTRIES: set[Parts] = {
    ("segments",), ("products",), ("sources",), ("pushes",), ("slots",), ("scenes",), ("commissions",),
    ("shocks",), ("plans",), ("calendar", "phases"), *(("incentives", kind) for kind in _INCENTIVES),
}  # fmt: skip
"""Where entries stand by names of the user's own."""


@dataclass(frozen=True)
class Setting:
    """One `KEY=VALUE`: the way to the value, the value, and the start of the text."""

    path: Parts
    node: Node
    here: Node
    empty: bool = False
    """The value is {}."""

    @classmethod
    def read(cls, text: str) -> "Setting":
        """The setting that the text of the option says; a ScenarioError when it says none."""
        key, equals, value = str(text).partition("=")
        source = Source(f"--set {text}")
        here = Node(None, source, 1, 1)
        path = parts_of(key.strip())
        if not (equals and path and all(path)) or len(path) > MOST_DEPTH:
            stop(here, "must read KEY=VALUE with a dotted KEY such as slots.search.median_cpm")
        if path[0] in {"extends", "format"}:
            stop(here, "cannot be set, only written in a file", *path)
        value_text = decode(value.encode(errors="surrogateescape"), source)
        node = compose(value_text, source, len(key) + 1)
        if node is None:
            stop(here, "has no value; null takes it away", *path)
        return cls(path, node, here, node.value == {})

    def take_presets(self) -> "list[Setting]":
        """The presets that entries in the value start from, taken out of it."""
        entries: dict[Parts, Node] = {}
        if len(self.path) == 2:
            entries = {self.path: self.node}
        elif len(self.path) == 1 and isinstance(self.node.value, dict):
            entries = {(*self.path, name): entry for name, entry in self.node.value.items()}
        return [
            replace(self, path=(*path, "preset"), node=entry.value.pop("preset"))
            for path, entry in entries.items()
            if isinstance(entry.value, dict) and "preset" in entry.value
        ]

    def lay(self, root: Node) -> None:
        """Lays the value over the tree."""
        parent = root
        for depth, part in enumerate(self.path[:-1], 1):
            if self.path[-1] != "preset":  # an entry set as a whole comes with its preset apart
                _check_name(parent, str(part), self.here, self.path[:depth])
            parent = _below(parent, part, self.here, self.path[:depth])
        before = parent.child(self.path[-1])
        if self.empty and before is not None and before.value:
            stop(self.node, "takes nothing away: null does", *self.path)
        key = replace(self.here, value=self.path[-1])
        _put(parent, replace(self.node, key=key), self.path)


def _below(parent: Node, part: str | int, here: Node, path: Parts) -> Node:
    """The collection under a name; made where there is none yet."""
    node = parent.child(part)
    if node is None or node.value is None:
        node = replace(here, value={}, key=here)
        _put(parent, node, path)
    return node


def _check_name(parent: Node, name: str, here: Node, path: Parts) -> None:
    """A part of an entry that is not there makes a new one; a slip of the pen must not."""
    if path[:-1] in _ENTRIES and isinstance(parent.value, dict) and name not in parent.value:
        near = suggestion(name, list(parent.value))
        if near:
            whole = f"to add one, set it as a whole: {'.'.join(map(str, path))}={{..}}"
            stop(here, f"does not exist{near} ({whole})", *path)


def _put(parent: Node, node: Node, path: Parts) -> None:
    part = str(path[-1])
    if isinstance(parent.value, dict):
        lay(parent.value, path, node)
    elif not isinstance(parent.value, list):
        place = f"{parent.source.name}:{parent.line}:{parent.column}"
        message = f"cannot be set below a single value ({shown(parent.value)}, {place})"
        stop(node, message, *path)
    elif parent.child(part) is None:
        stop(node, f"must be a number below {len(parent.value)}, an entry of the list", *path)
    else:
        parent.value[int(part)] = node


def lay_all(root: Node, settings: list[Setting], problems: list[Problem]) -> None:
    """Lays settings over the tree; faults are told together with the problems there are."""
    for setting in settings:
        try:
            setting.lay(root)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)
