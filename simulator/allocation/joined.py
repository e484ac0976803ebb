"""Several files as one problem and one market: what a row brings is the sum over its files.

symbol   meaning                                                       shape
file     one scenario; its cells are called "file/scene.phase"
row      money of the cells of all files                               [row, cell]
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulator.allocation.archive import Archive
from simulator.allocation.feasible import fit_floors
from simulator.allocation.market import Answers, SimulatedMarket, known_rows, read_plans
from simulator.allocation.problem import Array, Limits, Problem, Split, check_known, check_locks
from simulator.allocation.repair import repair
from simulator.errors import UserError
from simulator.scenario.plan import plans_of
from simulator.scenario.schema import Scenario


@dataclass(frozen=True, eq=False)
class Member:
    """One file and its own problem."""

    label: str
    scenario: Scenario
    problem: Problem

    def current(self) -> Split:
        """The file's first plan."""
        return read_plans(self.problem, [plans_of(self.scenario)[0]])

    def starts(self, budgets: Array) -> list[Split]:
        """Plans of the file and an even split, each at these budgets: [plan][budget]."""
        rows = known_rows(self.scenario, self.problem)
        again = [rows.take([n] * len(budgets)) for n in (0, len(rows) - 1)]
        return [repair(self.problem, row, budgets) for row in again]

    def cost(self, row: Split) -> float:
        """What a row costs the file, packages and fees included [CNY]."""
        return float(self.problem.total(row)[0])


class PortfolioMarket:
    """Answers of all files, added up; a file plays only parts of rows that are new to it."""

    def __init__(self, markets: Sequence[SimulatedMarket], problems: Sequence[Problem]):
        self.markets = [Archive(market) for market in markets]
        self.cells = np.cumsum([0, *(len(p.cells) for p in problems)])
        self.packages = np.cumsum([0, *(len(p.packages) for p in problems)])
        self.calls = self.asked = 0

    @property
    def evaluations(self) -> int:
        """Rows of single files that were played."""
        return sum(market.evaluations for market in self.markets)

    def part(self, split: Split, file: int) -> Split:
        """The cells and packages of one file."""
        return Split(
            split.money[:, self.cells[file] : self.cells[file + 1]],
            split.booked[:, self.packages[file] : self.packages[file + 1]],
        )

    def __call__(self, split: Split) -> Answers:
        """What the rows bring in all files together."""
        self.calls += 1
        self.asked += len(split) * len(self.markets)
        found = [market(self.part(split, file)) for file, market in enumerate(self.markets)]
        return Answers(
            np.sum([a.values for a in found], axis=0),
            np.concatenate([a.spent for a in found], axis=1),
            np.concatenate([a.most for a in found], axis=1),
        )


def beside(parts: Sequence[Split]) -> Split:
    """Rows of the files side by side, as rows of the portfolio."""
    return Split(
        np.concatenate([p.money for p in parts], axis=1),
        np.concatenate([p.booked for p in parts], axis=1),
    )


def join_problems(members: Sequence[Member], budget: float, files: Limits) -> Problem:
    """One problem: cells, scenes and packages of all files, every file a group of scenes."""
    problems, labels = [m.problem for m in members], [m.label for m in members]
    scenes = np.cumsum([0, *(len(p.scenes) for p in problems)])
    check_known("file", [*files.floors, *files.caps, *files.locks], labels)
    check_locks(files)
    if any(p.groups for p in problems):
        raise UserError("groups of scenes cannot be limited in a portfolio, where files are groups")

    def named(names: str) -> tuple[str, ...]:
        return tuple(f"{m.label}/{x}" for m in members for x in getattr(m.problem, names))

    def joined(name: str) -> Array:
        return np.concatenate([getattr(p, name) for p in problems])

    def moved(name: str) -> "np.ndarray":
        return np.concatenate([getattr(p, name) + scenes[n] for n, p in enumerate(problems)])

    found = Problem(
        budget=budget, cells=named("cells"), scenes=named("scenes"), scene_of=moved("scene_of"),
        low=joined("low"), high=joined("high"), floor=joined("floor"), cap=joined("cap"),
        minimum=joined("minimum"), fixed=joined("fixed"), sunk=joined("sunk"),
        groups=tuple(labels), group_word="file",
        group_of=np.repeat(np.arange(len(problems)), np.diff(scenes)),
        group_floor=np.array([files.locks.get(f, files.floors.get(f, 0.0)) for f in labels]),
        group_cap=np.array([files.locks.get(f, files.caps.get(f, np.inf)) for f in labels]),
        packages=named("packages"), price=joined("price"), payer=moved("payer"),
        must=joined("must").astype(bool), may=joined("may").astype(bool),
    )  # fmt: skip
    return fit_floors(found)
