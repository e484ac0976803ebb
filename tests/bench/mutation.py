"""Would the tests notice a coefficient that is off by 1%?

Each mutant is the project with one number or one operand of one formula times 1.01. The tests that
check the rules run against it, the quickest to tell first; a mutant that passes all of them
is a survivor: a coefficient that nobody checks, or one that does not matter. Those that do not
matter are named, with the reason, in `tests.bench.spared`, and are not run.

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
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from tests.bench.nest import TIMED_OUT, Nest
from tests.bench.spared import SPARED, Spared
from tests.bench.worlds import ROOT

MARKET = ROOT / "simulator/market"
TESTS = ("tests/market", "tests/engine")
SLOW = 5.0  # seconds; tests that take longer are not repeated for every mutant
PARTS = ("simulator", "tests", "scenarios", "docs", "pyproject.toml", "README.md")
LEAST, MOST = 1e-5, 1e15  # outside, a number is a guard
PATIENCE = 4  # times the tests' usual time
# The engine against its twin: a second, and it kills most mutants of what is not chance or credit.
TWIN = "tests/engine/test_twin_agrees.py"
TELLING = {
    "choice": ["shelf", "busy_bargains"],
    "commission": ["linked"],
    "linkage": ["linked"],
    "owned": ["crowds"],
    "purse": ["crowds"],
    "repeat": ["shown"],
    "rivals": ["bookings"],
    "shipping": ["busy"],
    "shocks": ["busy"],
}
"""Cases of the twin that strain what a file is for."""
STRESS = ["everything", "rush", "scarcity", "busy_bargains"]
CREDIT = (
    "tests/engine/test_mechanics.py"
    "::test_orders_are_all_credited_where_all_visits_are_paid_and_nobody_waits"
)
"""The twin gives no credit to scenes."""
LANES = "tests/engine/test_chunks.py::test_few_lanes_are_summed_as_many_are"
"""The twin's cases are few lanes; the way of many is held against theirs."""
OWN_FIRST = {"draws", "quantiles", "tracers", "contract", "fulfilment", "guarantee"}
"""Files that the twin does not use, or whose own tests take less time."""

ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
SUMS = {"einsum", "weigh"}  # their first argument says how
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
    where: str
    """The function it stands in, or nothing."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.change}"

    @property
    def change(self) -> str:
        """What changes, in one line."""
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{before} -> {after}"

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]


# --- finding mutants ----------------------------------------------------------------------------


def find_mutants(files: Sequence[Path] | None = None) -> list[Mutant]:
    """Mutants of the files, or of all rules of the market, in order."""
    chosen = [Path(file).resolve() for file in files or sorted(MARKET.glob("*.py"))]
    return [m for path in chosen for m in mutants_of(path.relative_to(ROOT), path.read_bytes())]


def is_spared(mutant: Mutant, spared: Sequence[Spared] = SPARED) -> bool:
    """Whether it is known not to matter."""
    return any(fits(entry, mutant) for entry in spared)


def fits(entry: Spared, mutant: Mutant) -> bool:
    """Whether an entry of the table means this mutant."""
    names = mutant.path.stem, mutant.where, mutant.change
    return names == (entry.file, entry.where, entry.change)


def idle_entries(mutants: Sequence[Mutant], spared: Sequence[Spared] = SPARED) -> list[Spared]:
    """Entries of the files of these mutants that mean none of all that these files have."""
    files = sorted({ROOT / mutant.path for mutant in mutants})
    known = [entry for entry in spared if entry.file in {file.stem for file in files}]
    found = find_mutants(files) if known else []
    return [entry for entry in known if not any(fits(entry, mutant) for mutant in found)]


def on_changed_lines(mutants: Sequence[Mutant], commit: str) -> list[Mutant]:
    """Those on lines that differ from what they were in a commit."""
    changed = {path: changed_lines(path, commit) for path in {mutant.path for mutant in mutants}}
    return [mutant for mutant in mutants if mutant.line in changed[mutant.path]]


def changed_lines(path: Path, commit: str) -> set[int]:
    """Lines of a file that are new, or others, since a commit."""
    asked = ["git", "diff", "--unified=0", commit, "--", str(path)]
    told = subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    hunks = re.findall(r"^@@ .*\+(\d+)(?:,(\d+))? @@", told, re.MULTILINE)
    return {int(first) + n for first, count in hunks for n in range(int(count or 1))}


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
    a.py:3: x ** 3 -> x ** (3 * 1.01)
    a.py:3: RATE * x ** 3 - x[4] -> (RATE * x ** 3 * 1.01) - x[4]
    """
    text = source.decode()
    starts = [0]
    for row in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(row.encode()))
    found = {}
    for whole, part, where in sites(ast.parse(text), ()):
        begin, end = _span(part, starts)
        first, last = _span(whole, starts)
        changed = source[begin:end].decode()
        after = f"(({changed}) * 1.01)" if is_loose(part) else f"({changed} * 1.01)"
        shown = source[first:begin].decode() + after + source[end:last].decode()
        before = source[first:last].decode()
        found[begin, end] = Mutant(path, part.lineno, first, last, before, shown, where)
    return sorted(found.values(), key=lambda m: (m.line, m.end))


def _span(node: ast.expr, starts: list[int]) -> tuple[int, int]:
    """First and last byte of an expression."""
    assert node.end_lineno is not None and node.end_col_offset is not None
    return (
        starts[node.lineno - 1] + node.col_offset,
        starts[node.end_lineno - 1] + node.end_col_offset,
    )


def sites(node: ast.AST, above: tuple[ast.AST, ...]) -> Iterator[tuple[ast.expr, ast.expr, str]]:
    """(expression, the part of it that changes, function around it), from the module down."""
    where = next((n.name for n in reversed(above) if isinstance(n, ast.FunctionDef)), "")
    if isinstance(node, ast.Constant) and is_coefficient(node, above):
        yield next((n for n in above[:-3:-1] if isinstance(n, ast.expr)), node), node, where
    operand = operand_of(node)
    if isinstance(node, ast.expr) and operand is not None:
        yield node, operand, where
    elif isinstance(node, ast.AugAssign) and operand is not None:
        yield operand, operand, where
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
        case ast.Call(func=called, args=[_, first, *_]) if name_of(called) in SUMS:
            pair = [first]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="np"), attr=attr), args=[first, *_]):
            pair = [first] if attr in UFUNCS else []
        case _:
            return None
    if any(isinstance(part, SEQUENCES) or is_text(part) for part in pair):
        return None
    return next((part for part in pair if not isinstance(part, ast.Constant | ast.Starred)), None)


def is_loose(node: ast.expr) -> bool:
    """Whether a factor behind it would change its last part only."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Add | ast.Sub | ast.MatMult)
    return isinstance(node, ast.IfExp | ast.BoolOp | ast.Compare | ast.Lambda)


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

    free: "SimpleQueue[Tree]" = field(default_factory=SimpleQueue)
    failing: list[str] = field(default_factory=list)
    """Tests that fail without any mutant."""
    slow: list[str] = field(default_factory=list)
    """Tests that take longer than SLOW."""
    limit: float = 600.0
    """Seconds that the tests of a mutant may work."""

    @classmethod
    def plant(cls, folder: Path, count: int) -> "Trees":
        """Make the copies."""
        trees = cls()
        for n in range(count):
            tree = Tree.plant(folder / str(n))
            tree.nest.run([TWIN], seconds=3600)  # asks the twin, once for all mutants
            trees.free.put(tree)
        return trees

    def close(self) -> None:
        while not self.free.empty():
            self.free.get().nest.close()

    def measure(self, tests: Sequence[str]) -> None:
        """Run tests without any mutant: which fail, which are slow, and how much work all are."""
        tree = self.free.get()
        durations = ["--durations=0", f"--durations-min={SLOW}"]
        code, text, worked = tree.nest.run([*tests, *durations], seconds=3600)
        self.free.put(tree)
        if code not in {0, 1}:
            sys.exit(f"the tests do not run without any mutant:\n{text}")
        self.failing = re.findall(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", text, re.M)
        self.slow = re.findall(r"^[\d.]+s (?:call|setup) +(\S.*?)$", text, re.M)
        self.limit = PATIENCE * worked + 5

    def judge(self, mutant: Mutant, stages: Iterable[Sequence[str]]) -> Verdict:
        """Test one mutant in a free copy."""
        tree, start = self.free.get(), time.monotonic()
        file = tree.folder / mutant.path
        source = file.read_bytes()
        try:
            file.write_bytes(mutant.apply(source))
            outcome = self._outcome(tree, stages)
        finally:
            file.write_bytes(source)
            self.free.put(tree)
        return Verdict(mutant, outcome, time.monotonic() - start)

    def _outcome(self, tree: "Tree", stages: Iterable[Sequence[str]]) -> str:
        left_out = [f"--deselect={name}" for name in self.failing + self.slow]
        for stage in stages:
            code, *_ = tree.nest.run(["-x", *left_out, *stage], seconds=self.limit)
            if code not in {0, 5}:  # 5: no tests
                return "timed out" if code in TIMED_OUT else "killed"
        return "survived"


@dataclass
class Tree:
    """One copy, and the process that tests it."""

    folder: Path
    nest: Nest

    @classmethod
    def plant(cls, folder: Path) -> "Tree":
        """Copy the parts of the project that its tests need."""
        for name in PARTS:
            source = ROOT / name
            if source.is_dir():
                left_out = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, folder / name, ignore=left_out)
            else:
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, folder / name)
        check_own_code(folder)
        return cls(folder, Nest(folder, environment(folder)))


def quick_stages(mutant: Mutant) -> list[list[str]]:
    """The tests that are most likely to tell: seconds."""
    file, own = str(mutant.path), f"tests/market/test_{mutant.path.stem}.py"
    mine = [own] if (ROOT / own).exists() else []
    cases = TELLING.get(mutant.path.stem, STRESS)
    telling = [f"{TWIN}::test_the_engine_agrees_with_the_twin[{case}]" for case in cases]
    if mutant.path.stem in OWN_FIRST:
        return [[file, *mine], telling, [CREDIT, TWIN, LANES]]
    return [[file, *telling], [*mine, CREDIT, TWIN, LANES]]


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


def check_mutants(mutants: list[Mutant], jobs: int, *, quick: bool = False) -> bool:
    """Test all mutants and list the survivors; whether there are none.

    All pass the quick tests first; only what these do not kill is worth the whole suite.
    """
    chosen = [mutant for mutant in mutants if not is_spared(mutant)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(jobs) as pool:
        trees = Trees.plant(Path(folder), jobs)
        files = {str(m.path): m for m in chosen}.values()
        trees.measure(sorted({test for m in files for stage in quick_stages(m) for test in stage}))
        report_left_out(trees)
        verdicts = follow(pool.map(lambda m: trees.judge(m, quick_stages(m)), chosen), len(chosen))
        doubtful = [v.mutant for v in verdicts if v.outcome == "survived"]
        if doubtful and not quick:
            trees.measure(TESTS)
            report_left_out(trees)
            rest = follow(pool.map(lambda m: trees.judge(m, [TESTS]), doubtful), len(doubtful))
            verdicts = [v for v in verdicts if v.outcome != "survived"] + rest
        trees.close()
    print(f"{len(mutants) - len(chosen)} of {len(mutants)} are spared: tests/bench/spared.py")
    idle = idle_entries(mutants)
    for entry in idle:
        print(f"spared, but there is no such mutant: {entry.file} {entry.where}: {entry.change}")
    return write_survivors(verdicts) and not idle


def report_left_out(trees: Trees) -> None:
    for name in trees.failing:
        print(f"left out, fails without any mutant: {name}", flush=True)
    for name in trees.slow:
        print(f"left out, slower than {SLOW:.0f} s: {name}", flush=True)


def follow(verdicts: Iterable[Verdict], count: int) -> list[Verdict]:
    """Show the verdicts as they come."""
    seen = []
    for verdict in verdicts:
        seen.append(verdict)
        place = f"{len(seen)}/{count} {verdict.seconds:.1f} s"
        print(f"{place} {verdict.outcome}: {verdict.mutant}", file=sys.stderr, flush=True)
    return seen


def write_survivors(verdicts: list[Verdict]) -> bool:
    """Counts by file, and the survivors."""
    by_file: dict[str, list[str]] = {}
    for verdict in verdicts:
        by_file.setdefault(verdict.mutant.path.stem, []).append(verdict.outcome)
    for name, outcomes in sorted(by_file.items()):
        counts = {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
        print(f"{name}: " + ", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    survivors = [v.mutant for v in verdicts if v.outcome == "survived"]
    print(f"{len(verdicts)} mutants, {len(survivors)} survivors")
    for mutant in survivors:
        print(f"{mutant} ({mutant.where or 'module'})")
    return not survivors
