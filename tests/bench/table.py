"""A table of figures to reach, CPU clocks, and the machine that they were measured on."""

import operator
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

MET = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Row:
    """One figure; a row without a goal is shown for what it is.

    Where the goal lies within two standard errors (`noise`) of a figure that misses it, the
    question is open: more replications would tell.
    """

    what: str
    measured: float
    unit: str = ""
    sign: str = ""
    goal: float = 0.0
    note: str = ""
    noise: float = 0.0

    @property
    def verdict(self) -> str:
        if not self.sign:
            return ""
        if MET[self.sign](self.measured, self.goal):
            return "met"
        return "open" if abs(self.measured - self.goal) <= 2 * self.noise else "NOT MET"

    def cells(self) -> tuple[str, ...]:
        goal = f"{self.sign} {number(self.goal)}{self.unit}" if self.sign else ""
        return self.what, f"{number(self.measured)}{self.unit}", goal, self.verdict, self.note


def number(value: float) -> str:
    """Three or four figures, as a reader wants them.

    >>> number(5812.4), number(46.31), number(1.687), number(0.00412)
    ('5,812', '46.3', '1.69', '0.0041')
    """
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 or size == 0 else f"{value:.2g}"


def write_table(rows: Iterable[Row], heads: str = "row | measured | goal | | remark") -> bool:
    """Print the rows in columns; whether no goal is missed."""
    rows = list(rows)
    cells = [tuple(head.strip() for head in heads.split("|")), *(row.cells() for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(cells[0]))]
    rule = tuple("-" * width for width in widths)
    for line in (cells[0], rule, *cells[1:]):
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        )
    return all(row.verdict != "NOT MET" for row in rows)


def cpu(work: Callable[[], object]) -> float:
    """CPU time of one call [s]."""
    start = time.process_time()
    work()
    return time.process_time() - start


def medians(works: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Median CPU time of each [s]; they take turns, so that a busy machine slows all of them."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            taken[name].append(cpu(work))
    return {name: statistics.median(times) for name, times in taken.items()}


def machine() -> str:
    """Processor and the versions that decide the speed."""
    parts = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "simpy"))
    return f"{processor()}; Python {platform.python_version()}, {parts}"


def processor() -> str:
    """Model of the CPU, as well as the system tells it."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else platform.processor() or platform.machine()
