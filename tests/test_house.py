"""The house is portable: no host, no machine, and the same commands wherever they are written."""

import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Written in halves, so that this file passes its own test.
REGISTRY_HOSTS = [
    "pypi" + ".org",
    "python" + "hosted",
    "anaconda" + ".org",
    "npmjs" + ".",
    "artifact" + "ory",
    "index" + "-url",
    "find" + "-links",
    "file:" + "//",
]
OWN_PLACES = {ROOT, ROOT.parent, Path.home(), Path("/home"), Path("/Users")}
SHARED_PLACES = {Path("/"), Path("/usr"), Path(tempfile.gettempdir())}


def read_text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read_tracked() -> dict[str, str]:
    """The text of every file that git has or would add; files that are not text are left out."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git clone")
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    texts: dict[str, str] = {}
    for name in filter(None, listing.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue  # deleted, not yet committed
        try:
            texts[name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return texts


def test_no_registry_is_named():
    found = {
        name: host
        for name, text in read_tracked().items()
        for host in REGISTRY_HOSTS
        if host in text
    }
    assert found == {}


def test_no_place_of_this_machine_is_named():
    places = "|".join(re.escape(str(place)) for place in sorted(OWN_PLACES - SHARED_PLACES))
    place = re.compile(rf"(?<![\w./}}])(?:{places})/\w")
    texts = read_tracked()
    found = {name: hit[0] for name, text in texts.items() if (hit := place.search(text))}
    assert found == {}


def test_no_lock_file():
    assert not (ROOT / ("uv" + ".lock")).exists()


def test_constraints_pin_exactly_and_cover_every_dependency():
    lines = read_text("constraints.txt").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    pinned = {canonical(line.split("==")[0]) for line in lines}
    project = tomllib.loads(read_text("pyproject.toml"))["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    assert {canonical(re.split(r"[^\w.-]", line)[0]) for line in wanted} - pinned == set()


def test_ci_runs_the_test_command_of_the_readme():
    command = re.search(r"\.venv/bin/pytest.*", read_text("README.md"))
    assert command
    last = read_text(".ci/run").rstrip().splitlines()[-1]
    assert last == f"step {command[0]}"


def test_the_two_commands_are_one_line_each():
    section = read_text("README.md").split("\n## Two commands\n")[1].split("\n## ")[0]
    fences = re.findall(r"```[a-z]*\n(.*?)```", section, flags=re.DOTALL)
    assert [fence.strip().count("\n") for fence in fences] == [0, 0]
