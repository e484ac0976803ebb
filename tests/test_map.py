"""The map in README and the tree on disk are the same, read both ways."""

import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENTRY = re.compile(r"^(?P<indent> *)(?P<name>\S+)(?: +(?P<sentence>\S.*))?$")


def read_map() -> dict[str, str]:
    """Every path of the map with its sentence; directories end with a slash."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Map\n")[1]
    fence = section.split("```")[1].split("\n")[1:-1]
    sentences: dict[str, str] = {}
    above: list[tuple[int, str]] = []  # (indent, path) of the directories around a line
    for line in fence:
        entry = ENTRY.match(line)
        assert entry, f"not a line of a map: {line!r}"
        indent = len(entry["indent"])
        above = [parent for parent in above if parent[0] < indent]
        path = (above[-1][1] if above else "") + entry["name"]
        assert path not in sentences, f"twice in the map: {path}"
        sentences[path] = entry["sentence"] or ""
        if path.endswith("/"):
            above.append((indent, path))
    return sentences


def ignored_names() -> list[str]:
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    return [".git", *(line.rstrip("/") for line in lines if line and not line.startswith("#"))]


def walk(directory: Path, ignored: list[str]) -> list[str]:
    """Every path below a directory, seen from the root; an empty directory is no directory."""
    paths: list[str] = []
    for child in sorted(directory.iterdir()):
        if any(fnmatch(child.name, pattern) for pattern in ignored):
            continue
        path = child.relative_to(ROOT).as_posix()
        if child.is_dir():
            below = walk(child, ignored)
            paths += [path + "/", *below] if below else []
        else:
            paths.append(path)
    return paths


def belongs_in_the_map(path: str) -> bool:
    """Top-level entries but a user's own scenarios (`adsim new`), directories, and the modules of simulator/."""
    if path.endswith("/") or "/" not in path:
        return not path.endswith(".yaml")
    module = path.startswith("simulator/") and path.endswith(".py")
    return module and not path.endswith("/__init__.py")


def test_what_the_map_names_exists():
    tree = walk(ROOT, ignored_names())
    gone = [path for path in read_map() if path not in tree]
    assert not gone, "take out of the map in README: " + ", ".join(gone)


def test_what_exists_is_in_the_map():
    named = read_map()
    tree = walk(ROOT, ignored_names())
    missing = [path for path in tree if belongs_in_the_map(path) and path not in named]
    assert not missing, "add to the map in README: " + ", ".join(missing)


def test_every_entry_has_its_sentence():
    assert [path for path, sentence in read_map().items() if not sentence] == []


def test_the_ignored_are_names_not_paths():
    assert [name for name in ignored_names() if "/" in name or name.startswith("!")] == []
