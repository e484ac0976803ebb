"""One tree of nodes laid over another: a file over what it extends, `--set` over the file."""

from dataclasses import replace

from simulator.scenario.nodes import Node, Parts


def merge(base: Node, over: Node, path: Parts = ()) -> Node:
    """Mappings merge, null takes an entry away, anything else replaces; `path` leads to both."""
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)) or _is_number(over):
        return over
    entries = dict(base.value)
    if _splits_money(over, path):
        entries = {key: node for key, node in entries.items() if key == "packages"}
    for key, node in over.value.items():
        lay(entries, (*path, key), node)
    return replace(over, value=entries)


def lay(entries: dict[str, Node], path: Parts, node: Node) -> None:
    """Lays a node over the entry that `path` ends with, if there is one."""
    key = str(path[-1])
    if key not in entries:
        entries[key] = node
    elif node.value is None:
        del entries[key]
    else:
        entries[key] = merge(entries[key], node, path)


def _splits_money(node: Node, path: Parts) -> bool:
    """A plan's money is one value: half of an inherited split must not survive."""
    return len(path) == 2 and path[0] == "plans" and bool(node.value.keys() - {"packages"})


def _is_number(node: Node) -> bool:
    """An uncertain number is one value: half of an inherited one must not survive."""
    keys = node.value.keys()
    return keys == {"low", "high"} or ("value" in keys and keys <= {"value", "sd"})
