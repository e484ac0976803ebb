"""Several scenario files share one budget: one problem whose cells are those of all files.

symbol   meaning                                                       shape
file     one scenario; its cells are called "file/scene.phase"
row      money of the cells of all files                               [row, cell]

Files do not meet in the market: what a row brings is the sum over its files. So a file is played only
for parts of rows that it has not seen, and a sweep of one file's cells costs nothing in the others.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from simulator.allocation.advice import binding_of, margins_of
from simulator.allocation.aims import Aims, linear
from simulator.allocation.market import (
    OBJECTIVES,
    PROFIT,
    VECTORS,
    Answers,
    SimulatedMarket,
    make_plans,
    make_problem,
    read_plans,
)
from simulator.allocation.problem import (
    Array,
    Limits,
    Problem,
    Split,
    check_feasible,
    check_known,
    stack,
)
from simulator.allocation.search import TILT, Archive, Effort, Search, settle
from simulator.engine.simulate import simulate
from simulator.errors import UserError
from simulator.outcomes.frontier import Margin
from simulator.outcomes.portfolio import EQUAL, OWN, PROPORTIONAL, RIVALS, SHARED, Portfolio
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.schema import Scenario


def optimize_portfolio(
    scenarios: Sequence[Scenario], budget: float | None = None, *, labels: Sequence[str] | None = None,
    objective: str = "roi", limits: Mapping[str, Limits] | None = None, files: Limits | None = None,
    replications: int = 100, seed: int = 11, effort: Effort | None = None,
    executor: Executor | None = None,
) -> Portfolio:  # fmt: skip
    """Split one budget (the sum of the files' own, by default) over the cells of several scenarios.

    `labels` are short names of the files; `limits` are those inside a file, by label, and the
    floors, caps and locks of `files` hold for a file's money as a whole. The answer is held against
    the equal and the proportional split, each of which is as good inside its files as can be.
    """
    names = _labels(scenarios, labels)
    check_known("objective", [objective], list(OBJECTIVES))
    total = budget or sum(s.budget for s in scenarios)
    within = limits or {}
    check_known("file", list(within), names)
    members = [
        _Member(name, s, make_problem(s, total, within.get(name)))
        for name, s in zip(names, scenarios, strict=True)
    ]
    work = _Work(members, total, objective, effort or Effort(), executor)
    found = _searched(work, files or Limits())
    if files is None:
        found = _never_below(work, found, replications, seed + 1)
    return _answer(work, found, replications, seed)


def _labels(scenarios: Sequence[Scenario], labels: Sequence[str] | None) -> list[str]:
    names = list(labels or [s.name for s in scenarios])
    if len(names) != len(scenarios) or len(set(names)) < len(names) or len(names) < 2:
        got = ", ".join(names)
        raise UserError(f"a portfolio needs two or more files with names that differ; got {got}")
    return names


@dataclass(frozen=True, eq=False)
class _Member:
    """One file and its own problem."""

    label: str
    scenario: Scenario
    problem: Problem

    def current(self) -> Split:
        """The file's first plan."""
        return read_plans(self.problem, [plans_of(self.scenario)[0]])

    def starts(self, budgets: Array) -> list[Split]:
        """Plans of the file and an even split, each at these budgets: [plan][budget]."""
        known = [*plans_of(self.scenario), Plan.even(self.scenario)]
        rows = read_plans(self.problem, known)
        again = [rows.take([n] * len(budgets)) for n in (0, len(known) - 1)]
        return [self.problem.repair(row, budgets) for row in again]

    def cost(self, row: Split) -> float:
        """What a row costs the file, packages and fees included [CNY]."""
        return float(self.problem.total(row)[0])


@dataclass
class _Work:
    """What all parts of one optimisation share."""

    members: Sequence[_Member]
    budget: float
    objective: str
    effort: Effort
    executor: Executor | None
    market: "PortfolioMarket" = field(init=False)
    archive: Archive = field(init=False)

    def __post_init__(self) -> None:
        wanted = dict.fromkeys([PROFIT, OBJECTIVES[self.objective]])
        problems = [member.problem for member in self.members]
        own = [
            SimulatedMarket(
                m.scenario, m.problem, list(wanted), executor=self.executor, vectors=VECTORS
            )
            for m in self.members
        ]
        self.market = PortfolioMarket(own, problems)
        self.archive = Archive(self.market)

    @property
    def aims(self) -> Aims:
        """Nearly all weight on what is sought."""
        count = len(dict.fromkeys([PROFIT, OBJECTIVES[self.objective]]))
        weights = np.full((1, count), TILT)
        weights[0, -1] = 1.0
        scale = np.array([self.budget, *[self._size()] * (count - 1)])
        return linear(weights, scale, np.array([self.budget]))

    def _size(self) -> float:
        """How much the files' own plans bring of what is sought."""
        row = beside([m.current() for m in self.members])
        return max(abs(float(self.archive(row).values[0, -1])), 1e-9)

    @property
    def shares(self) -> dict[str, Array]:
        """Money of the files in the splits that must be beaten: [file]."""
        own = np.array([m.scenario.budget for m in self.members])
        even = np.full(len(own), 1 / len(own))
        return {EQUAL: self.budget * even, PROPORTIONAL: self.budget * own / own.sum()}


# --------------------------------------------------------------------------- one market of all files
class PortfolioMarket:
    """Answers of all files, added up; a file plays only parts of rows that are new to it."""

    def __init__(self, markets: Sequence[SimulatedMarket], problems: Sequence[Problem]):
        self.markets = list(markets)
        self.cells = np.cumsum([0, *(len(p.cells) for p in problems)])
        self.packages = np.cumsum([0, *(len(p.packages) for p in problems)])
        self.memory: list[dict[bytes, tuple[Array, Array, Array]]] = [{} for _ in markets]
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
        found = [self._answer(file, self.part(split, file)) for file in range(len(self.markets))]
        return Answers(
            np.sum([a.values for a in found], axis=0),
            np.concatenate([a.spent for a in found], axis=1),
            np.concatenate([a.most for a in found], axis=1),
        )

    def _answer(self, file: int, rows: Split) -> Answers:
        known = self.memory[file]
        keys = [m.tobytes() + b.tobytes() for m, b in zip(rows.money, rows.booked, strict=True)]
        first = {key: n for n, key in reversed(list(enumerate(keys))) if key not in known}
        if first:
            new = self.markets[file](rows.take(list(first.values())))
            known |= dict(
                zip(first, zip(new.values, new.spent, new.most, strict=True), strict=True)
            )
        rows_found = zip(*(known[key] for key in keys), strict=True)
        return Answers(*(np.array(part) for part in rows_found))


def beside(parts: Sequence[Split]) -> Split:
    """Rows of the files side by side, as rows of the portfolio."""
    return Split(
        np.concatenate([p.money for p in parts], axis=1),
        np.concatenate([p.booked for p in parts], axis=1),
    )


def join_problems(members: Sequence[_Member], budget: float, files: Limits) -> Problem:
    """One problem: cells, scenes and packages of all files, every file a group of scenes."""
    problems, labels = [m.problem for m in members], [m.label for m in members]
    scenes = np.cumsum([0, *(len(p.scenes) for p in problems)])
    check_known("file", [*files.floors, *files.caps, *files.locks], labels)
    if any(p.groups for p in problems):
        raise UserError("groups of scenes cannot be limited in a portfolio, where files are groups")

    def named(names: str) -> tuple[str, ...]:
        return tuple(f"{m.label}/{x}" for m in members for x in getattr(m.problem, names))

    def joined(name: str) -> Array:
        return np.concatenate([getattr(p, name) for p in problems])

    def moved(name: str) -> "np.ndarray":
        return np.concatenate([getattr(p, name) + scenes[n] for n, p in enumerate(problems)])

    return Problem(
        budget=budget, cells=named("cells"), scenes=named("scenes"), scene_of=moved("scene_of"),
        low=joined("low"), high=joined("high"), floor=joined("floor"), cap=joined("cap"),
        minimum=joined("minimum"), fixed=joined("fixed"), groups=tuple(labels),
        group_of=np.repeat(np.arange(len(problems)), np.diff(scenes)),
        group_floor=np.array([files.locks.get(f, files.floors.get(f, 0.0)) for f in labels]),
        group_cap=np.array([files.locks.get(f, files.caps.get(f, np.inf)) for f in labels]),
        packages=named("packages"), price=joined("price"), payer=moved("payer"),
        must=joined("must").astype(bool), may=joined("may").astype(bool),
        fees=sum(p.fees for p in problems),
    )  # fmt: skip


# --------------------------------------------------------------------------- search and answer
@dataclass(frozen=True)
class _Found:
    """The shared split, and those that it has to beat."""

    problem: Problem
    rows: Mapping[str, Split]


def _searched(work: _Work, files: Limits) -> _Found:
    """The splits that must be beaten first: the shared one starts from them and is never below."""
    problem = join_problems(work.members, work.budget, files)
    check_feasible(problem)
    rows = {name: _inside(work, shares) for name, shares in work.shares.items()}
    search = Search(work.archive, problem, len(work.archive(rows[EQUAL]).values[0]), work.effort)
    best = search.seek(work.aims, stack(list(rows.values()))).rows
    own = beside([m.current() for m in work.members])
    return _Found(
        problem, {SHARED: settle(work.archive, problem, best, work.aims), **rows, OWN: own}
    )


def _never_below(work: _Work, found: _Found, replications: int, seed: int) -> _Found:
    """The shared split, or a rival that is better under chance, on draws that no answer uses."""
    names = (SHARED, EQUAL, PROPORTIONAL)
    metric = OBJECTIVES[work.objective]
    total = np.zeros(len(names))
    for n, m in enumerate(work.members):
        plans = [_plan(work, found, name, n) for name in names]
        outcomes = simulate(
            m.scenario, plans, replications=replications, seed=seed, daily=False, attribution=False,
            chance_alone=False, executor=work.executor,
        )  # fmt: skip
        total += [outcomes.values(name, metric).mean() for name in names]
    best = found.rows[names[int(total.argmax())]]
    return replace(found, rows={**found.rows, SHARED: best})


def _inside(work: _Work, shares: Array) -> Split:
    """The best split inside files whose money is given."""
    labels = [m.label for m in work.members]
    locks = Limits(caps=dict(zip(labels, shares.tolist(), strict=True)))
    problem = join_problems(work.members, work.budget, locks)
    plans = [m.starts(np.array([share])) for m, share in zip(work.members, shares, strict=True)]
    starts = stack([beside(rows) for rows in zip(*plans, strict=True)])
    search = Search(work.archive, problem, len(work.archive(starts).values[0]), work.effort)
    row = search.seek(work.aims, starts).rows
    return settle(work.archive, problem, row, replace(work.aims, keeps=np.ones(1, bool)))


def _answer(work: _Work, found: _Found, replications: int, seed: int) -> Portfolio:
    """Play all splits on fresh draws, and say what follows."""
    plans = [
        [_plan(work, found, name, n) for name in (SHARED, *RIVALS)]
        for n in range(len(work.members))
    ]
    outcomes = {
        m.label: simulate(
            m.scenario, plans[n], replications=replications, seed=seed, daily=False,
            chance_alone=False, executor=work.executor, label=m.label,
        )
        for n, m in enumerate(work.members)
    }  # fmt: skip
    best = found.rows[SHARED]
    answer = Portfolio(
        budget=work.budget, objective=OBJECTIVES[work.objective],
        plans={m.label: plans[n][0] for n, m in enumerate(work.members)},
        money={name: _money(work, row) for name, row in found.rows.items()},
        unspent=max(0.0, work.budget - _paid(work, found.problem, best)),
        margins=_margins(work, found), outcomes=outcomes,
    )  # fmt: skip
    return replace(
        answer, binding=tuple(binding_of(found.problem, best, answer)),
        calls=work.market.calls, evaluations=work.market.evaluations, asked=work.market.asked,
    )  # fmt: skip


def _plan(work: _Work, found: _Found, name: str, file: int) -> Plan:
    """A split's plan for one file; its own plan stays as it is, cells that cannot spend included."""
    member = work.members[file]
    if name == OWN:
        return replace(plans_of(member.scenario)[0], name=OWN)
    part = work.market.part(found.rows[name], file)
    return make_plans(member.scenario, member.problem, part, [name])[0]


def _money(work: _Work, row: Split) -> dict[str, float]:
    return {m.label: m.cost(work.market.part(row, n)) for n, m in enumerate(work.members)}


def _paid(work: _Work, problem: Problem, row: Split) -> float:
    """Expected cost of a row, contracts included [CNY]."""
    spent = work.archive(row).spent.sum(axis=1) + problem.contract_money(row.booked)
    return float(spent[0])


def _margins(work: _Work, found: _Found) -> dict[str, Margin]:
    return margins_of(work.archive, found.problem, found.rows[SHARED], work.aims)[0]
