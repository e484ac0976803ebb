"""Would the tests notice a coefficient that is off by 1%?

Each mutant is the project with one number or one operand of one formula times 1.01. The tests that
check the rules run against it, the quickest to tell first; a mutant that passes all of them
is a survivor: a coefficient that nobody checks, or one that does not matter. What a survivor means is
for a reader to say: a factor that cancels in a ratio survives rightly.

Left alone: 0, 1, 2 and -1 as whole numbers; indices, shapes and axes; guards (numbers below 1e-5 or
above 1e15); types, defaults' messages, errors, docstrings and their doctests.
"""

import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.bench.worlds import ROOT

MARKET = ROOT / "simulator/market"
TESTS = ("tests/market", "tests/engine", "tests/oracles")
SLOW = 5.0  # seconds; tests that take longer are not repeated for every mutant
PARTS = ("simulator", "tests", "scenarios", "docs", "pyproject.toml", "README.md")
LEAST, MOST = 1e-5, 1e15  # outside, a number is a guard
PATIENCE = 2  # times the tests' usual time
# The engine against its twin in a scenario that strains every rule: seconds, and it kills most.
TWIN = ("tests/engine/test_twin_agrees.py", "-k", "rush")

ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
UFUNCS = {"add", "subtract", "multiply", "divide", "power"}
SHAPERS = {
    "reshape", "zeros", "empty", "ones", "full", "arange", "range", "repeat", "tile", "moveaxis",
    "swapaxes", "transpose", "expand_dims", "array_split", "split", "roll", "round", "astype",
    "lru_cache", "field", "slice",
}  # fmt: skip
SETTINGS = {"axis", "dtype", "maxsize", "ddof", "ndmin", "decimals", "digest_size", "strict"}
SEQUENCES = (ast.List, ast.Tuple, ast.ListComp, ast.JoinedStr, ast.Dict, ast.Set)


@dataclass(frozen=True)
class Mutant:
    """One change of one file, as byte offsets."""

    path: Path
    """From the root of the project."""
    line: int
    start: int
    end: int
    before: str
    after: str

    def __str__(self) -> str:
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{self.path}:{self.line}: {before} -> {after}"

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]


# --- finding mutants ----------------------------------------------------------------------------


def find_mutants(files: Sequence[Path] | None = None) -> list[Mutant]:
    """Mutants of the files, or of all rules of the market, in order."""
    chosen = [Path(file).resolve() for file in files or sorted(MARKET.glob("*.py"))]
    return [m for path in chosen for m in mutants_of(path.relative_to(ROOT), path.read_bytes())]


def sample_of(mutants: list[Mutant], limit: int | None, seed: int) -> list[Mutant]:
    """All, or a random sample in the order of the files."""
    if limit is None or limit >= len(mutants):
        return mutants
    rows = random.Random(seed).sample(range(len(mutants)), limit)
    return [mutants[row] for row in sorted(rows)]


def mutants_of(path: Path, source: bytes) -> list[Mutant]:
    """Every mutant of one module.

    >>> text = b"RATE = 0.5\\ndef grow(x, n: int):\\n    return RATE * x ** 3 - x[4]\\n"
    >>> for mutant in mutants_of(Path("a.py"), text):
    ...     print(mutant)
    a.py:1: 0.5 -> (0.5 * 1.01)
    a.py:3: RATE * x ** 3 -> (RATE * 1.01) * x ** 3
    a.py:3: x ** 3 -> (x * 1.01) ** 3
    a.py:3: 3 -> (3 * 1.01)
    a.py:3: RATE * x ** 3 - x[4] -> (RATE * x ** 3 * 1.01) - x[4]
    """
    text = source.decode()
    starts = [0]
    for row in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(row.encode()))
    found = {}
    for whole, part in sites(ast.parse(text), ()):
        begin, end = _span(part, starts)
        first, last = _span(whole, starts)
        after = f"({source[begin:end].decode()} * 1.01)"
        shown = source[first:begin].decode() + after + source[end:last].decode()
        before = source[first:last].decode()
        found[begin, end] = Mutant(path, part.lineno, first, last, before, shown)
    return sorted(found.values(), key=lambda m: (m.line, m.end))


def _span(node: ast.expr, starts: list[int]) -> tuple[int, int]:
    """First and last byte of an expression."""
    assert node.end_lineno is not None and node.end_col_offset is not None
    return (
        starts[node.lineno - 1] + node.col_offset,
        starts[node.end_lineno - 1] + node.end_col_offset,
    )


def sites(node: ast.AST, above: tuple[ast.AST, ...]) -> Iterator[tuple[ast.expr, ast.expr]]:
    """(expression, the part of it that changes), from the module down."""
    if isinstance(node, ast.Constant) and is_coefficient(node, above):
        yield node, node
    operand = operand_of(node)
    if isinstance(node, ast.expr) and operand is not None:
        yield node, operand
    elif isinstance(node, ast.AugAssign) and operand is not None:
        yield operand, operand
    for child in children(node):
        yield from sites(child, (*above, node))


def children(node: ast.AST) -> Iterator[ast.AST]:
    """What stands below a node and may count; types, indices, shapes and messages do not."""
    left_out: set[ast.AST | None] = set()
    if isinstance(node, ast.Subscript):
        left_out = {node.slice}
    elif isinstance(node, ast.AnnAssign | ast.arg):
        left_out = {node.annotation}
    elif isinstance(node, ast.FunctionDef):
        left_out = {node.returns, *node.decorator_list}
    elif isinstance(node, ast.Call):
        left_out = {k for k in node.keywords if k.arg in SETTINGS}
        if name_of(node.func) in SHAPERS:
            left_out |= {*node.args, *node.keywords}
    if isinstance(node, ast.Raise | ast.JoinedStr | ast.Assert):
        return
    yield from (child for child in ast.iter_child_nodes(node) if child not in left_out)


def is_coefficient(node: ast.Constant, above: tuple[ast.AST, ...]) -> bool:
    """Whether a number is part of a formula."""
    value, parent = node.value, above[-1]
    if isinstance(value, float):
        return LEAST <= abs(value) <= MOST
    if type(value) is not int or value in {0, 1, 2}:
        return False
    named = isinstance(parent, ast.Assign | ast.AnnAssign)
    return named or (isinstance(parent, ast.BinOp) and isinstance(parent.op, ARITHMETIC))


def operand_of(node: ast.AST) -> ast.expr | None:
    """The operand that is changed in arithmetic: the first that is no bare number."""
    match node:
        case ast.BinOp(op=op, left=left, right=right) if isinstance(op, ARITHMETIC):
            pair = [left, right]
        case ast.AugAssign(op=op, value=value) if isinstance(op, ARITHMETIC):
            pair = [value]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr=attr), args=[first, *_]):
            pair = [first] if attr in UFUNCS else []
        case _:
            return None
    if any(isinstance(part, SEQUENCES) or is_text(part) for part in pair):
        return None
    return next((part for part in pair if not isinstance(part, ast.Constant | ast.Starred)), None)


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def name_of(function: ast.expr) -> str:
    """Last part of the name that is called."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


# --- running the tests --------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What the tests said."""

    mutant: Mutant
    outcome: str
    """killed, timed out or survived."""
    seconds: float


@dataclass
class Trees:
    """Copies of the project, one for each mutant that is tested at a time."""

    free: "SimpleQueue[Path]"
    failing: list[str]
    """Tests that fail without any mutant."""
    slow: list[str]
    """Tests that take longer than SLOW."""
    limit: float
    """Seconds that the tests of a mutant may take."""

    @classmethod
    def plant(cls, folder: Path, count: int) -> "Trees":
        trees = cls(SimpleQueue(), [], [], 0.0)
        for n in range(count):
            trees.free.put(copy_tree(folder / str(n)))
        first = trees.free.get()
        check_own_code(first)
        durations = ["--durations=0", f"--durations-min={SLOW}"]
        shown = run_pytest(first, [*TESTS, *durations], timeout=3600)
        if shown.returncode not in {0, 1}:
            sys.exit(f"the tests do not run without any mutant:\n{shown.stdout}{shown.stderr}")
        trees.failing = re.findall(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", shown.stdout, re.M)
        trees.slow = re.findall(r"^[\d.]+s (?:call|setup) +(\S.*?)$", shown.stdout, re.M)
        start = time.monotonic()
        run_pytest(first, [*TESTS, *deselect(trees.failing + trees.slow)], timeout=3600)
        trees.limit = PATIENCE * count * (time.monotonic() - start) + 60
        trees.free.put(first)
        return trees

    def judge(self, mutant: Mutant) -> Verdict:
        """Test one mutant in a free copy."""
        tree, start = self.free.get(), time.monotonic()
        file = tree / mutant.path
        source = file.read_bytes()
        try:
            file.write_bytes(mutant.apply(source))
            outcome = self._outcome(tree, mutant)
        finally:
            file.write_bytes(source)
            self.free.put(tree)
        return Verdict(mutant, outcome, time.monotonic() - start)

    def _outcome(self, tree: Path, mutant: Mutant) -> str:
        own = f"tests/market/test_{mutant.path.stem}.py"
        quick = [stage for stage in ((own,), TWIN) if (tree / stage[0]).exists()]
        stages = [(str(mutant.path),), *quick, (*TESTS, *deselect(self.slow))]
        try:
            for stage in stages:
                arguments = ["-x", *deselect(self.failing), *stage]
                code = run_pytest(tree, arguments, timeout=self.limit).returncode
                if code not in {0, 5}:  # 5: no tests
                    return "killed"
        except subprocess.TimeoutExpired:
            return "timed out"
        return "survived"


def deselect(names: list[str]) -> list[str]:
    return [f"--deselect={name}" for name in names]


def copy_tree(target: Path) -> Path:
    """The parts of the project that its tests need."""
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)
    return target


def environment(tree: Path) -> dict[str, str]:
    """The copy comes first; no compiled files, which could outlive a mutant of equal size."""
    own = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return os.environ | own


def check_own_code(tree: Path) -> None:
    """Make sure that a copy tests itself."""
    command = [sys.executable, "-c", "import simulator; print(simulator.__file__)"]
    shown = subprocess.run(
        command, cwd=tree, env=environment(tree), capture_output=True, text=True, check=True
    )
    if not Path(shown.stdout.strip()).resolve().is_relative_to(tree.resolve()):
        sys.exit(f"the copy would test {shown.stdout.strip()}")


def run_pytest(
    tree: Path, arguments: list[str], *, timeout: float
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", "-rfE"]
    return subprocess.run(
        [*command, "-m", "not slow", *arguments], cwd=tree, env=environment(tree), timeout=timeout,
        capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip


def check_mutants(mutants: list[Mutant], jobs: int) -> bool:
    """Test all mutants and list the survivors; whether there are none."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(jobs) as pool:
        trees = Trees.plant(Path(folder), jobs)
        for name in trees.failing:
            print(f"left out, fails without any mutant: {name}", flush=True)
        print(f"left out, slower than {SLOW:.0f} s: {len(trees.slow)} tests", flush=True)
        verdicts = []
        for verdict in pool.map(trees.judge, mutants):
            verdicts.append(verdict)
            place = f"{len(verdicts)}/{len(mutants)}"
            print(f"{place} {verdict.outcome}: {verdict.mutant}", file=sys.stderr)
    return write_survivors(verdicts)


def write_survivors(verdicts: list[Verdict]) -> bool:
    counts = {name: 0 for name in ("killed", "timed out", "survived")}
    for verdict in verdicts:
        counts[verdict.outcome] += 1
    print(f"{len(verdicts)} mutants: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    for verdict in verdicts:
        if verdict.outcome == "survived":
            print(verdict.mutant)
    return counts["survived"] == 0
