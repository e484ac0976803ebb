"""Several scenario files share one budget: the split of most, held against those that a user would make.

Files do not meet in the market: what a row brings is the sum over its files. So a file is played only
for parts of rows that it has not seen, and a sweep of one file's cells costs nothing in the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

import numpy as np

from simulator.allocation.advice import binding_of, margins_of, next_money
from simulator.allocation.aims import Aims, linear
from simulator.allocation.archive import Archive
from simulator.allocation.effort import Effort, asked_effort
from simulator.allocation.fair import fair_points
from simulator.allocation.feasible import check_feasible
from simulator.allocation.finalists import ALIKE
from simulator.allocation.joined import Member, PortfolioMarket, beside, join_problems
from simulator.allocation.market import (
    OBJECTIVES,
    PROFIT,
    SimulatedMarket,
    make_plans,
    make_problem,
)
from simulator.allocation.problem import (
    Array,
    Limits,
    Problem,
    Split,
    asked_limits,
    check_known,
    stack,
    sums,
)
from simulator.allocation.quest import Progress, asked_budget, check_budget, kept_so_far
from simulator.allocation.refine import best_of, without_losers
from simulator.allocation.repair import keeps_limits
from simulator.allocation.search import TILT, Search
from simulator.allocation.settle import settle
from simulator.engine.simulate import Mode, check_run, simulate
from simulator.errors import UserError
from simulator.outcomes.margin import Margin, step_of, told_targets
from simulator.outcomes.outcomes import Outcomes
from simulator.outcomes.portfolio import (
    EQUAL,
    MOST,
    OWN,
    PROPORTIONAL,
    RIVALS,
    SHARED,
    Portfolio,
)
from simulator.scenario.asked import asked, asked_list, asked_table
from simulator.scenario.plan import Plan, package_prices, plans_of
from simulator.scenario.schema import Scenario


def optimize_portfolio(
    scenarios: Sequence[Scenario], budget: float | None = None, *, labels: Sequence[str] | None = None,
    objective: str = "roi", limits: Mapping[str, Limits] | None = None, files: Limits | None = None,
    replications: int = 100, seed: int = 11, effort: Effort | None = None,
    executor: Executor | None = None, progress: Progress | None = None,
) -> Portfolio:  # fmt: skip
    """Split one budget (the sum of the files' own, by default) over the cells of several scenarios.

    `labels` are short names of the files; `limits` are those inside a file, by label, and the
    floors, caps and locks of `files` hold for a file's money as a whole. The answer is held against
    the equal and the proportional split, each of which is as good inside its files as can be, and the
    first plans of the files at their own budgets.
    Ctrl-C ends the search with the best split so far, held against the rivals that are known by then,
    with `finished` False.
    """
    scenarios = asked_list("scenarios", scenarios, "[one, another]")
    for scenario in scenarios:
        check_run(scenario, "sampled", replications, seed, progress=progress)
    effort = asked_effort(effort)
    names, files = _labels(scenarios, labels), _asked_files(files)
    check_known("objective", [objective], list(OBJECTIVES))
    own = sum(s.budget for s in scenarios)
    total = asked_budget(budget, own)
    within = asked_table("limits", limits or {}, "{'one': sim.Limits(caps={'live': 2e5})}")
    check_known("file", list(within), names)
    members = [
        Member(name, s, make_problem(s, total, within.get(name)))
        for name, s in zip(names, scenarios, strict=True)
    ]
    work = _Work(members, total, objective, effort, executor, progress)
    chance = _Chance(replications, seed)
    check_budget(work.market, join_problems(members, total, Limits()), own)
    return _answer(work, _found(work, files, chance), chance)


def _asked_files(files: Limits | None) -> Limits | None:
    """Limits of files as a whole; others mean nothing there, and must not be lost."""
    found = None if files is None else asked_limits(files)
    if found and (found.minimums or found.groups or found.packages):
        raise UserError("files take floors, caps and locks alone: other limits go inside a file")
    return found


def _labels(scenarios: Sequence[Scenario], labels: Sequence[str] | None) -> list[str]:
    names = [s.name for s in scenarios]
    names = names if labels is None else asked_list("labels", labels, "['one', 'another']")
    for name in names:
        asked(str, name, "a label is text")
    if len(names) != len(scenarios) or len(set(names)) < len(names) or len(names) < 2:
        got = ", ".join(names)
        raise UserError(f"a portfolio needs two or more files with names that differ; got {got}")
    return names


@dataclass
class _Work:
    """What all parts of one optimisation share."""

    members: Sequence[Member]
    budget: float
    objective: str
    effort: Effort
    executor: Executor | None
    progress: Progress | None = None
    market: "PortfolioMarket" = field(init=False)
    archive: Archive = field(init=False)

    def __post_init__(self) -> None:
        problems = [member.problem for member in self.members]
        own = [
            SimulatedMarket(
                m.scenario, m.problem, self.wanted, executor=self.executor,
                vectors=fair_points(m.scenario, executor=self.executor),
            )
            for m in self.members
        ]  # fmt: skip
        self.market = PortfolioMarket(own, problems)
        self.archive = Archive(self.market)

    def say(self, words: str, share: float) -> None:
        """Tell how far it is."""
        if self.progress:
            self.progress(words, share)

    @property
    def wanted(self) -> list[str]:
        """Quantities of the market: the return, and what else is sought."""
        return list(dict.fromkeys([PROFIT, OBJECTIVES[self.objective]]))

    def search(self, problem: Problem) -> Search:
        """A search of the joint market under its limits."""
        return Search(self.archive, problem, len(self.wanted), self.effort)

    @property
    def aims(self) -> Aims:
        """Nearly all weight on what is sought."""
        count = len(self.wanted)
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


# --------------------------------------------------------------------------- search
@dataclass(frozen=True)
class _Chance:
    """How the answer is checked."""

    replications: int
    seed: int


@dataclass
class _Found:
    """The shared split, and those that it has to beat."""

    problem: Problem
    rows: dict[str, Split]
    finished: bool = True

    @property
    def splits(self) -> list[str]:
        """Those that are known, the shared one first."""
        return [name for name in (SHARED, *RIVALS) if name in self.rows]


def _found(work: _Work, files: Limits | None, chance: _Chance) -> _Found:
    """Search until it ends or is stopped; something must have been played by then."""
    problem = join_problems(work.members, work.budget, files or Limits())
    check_feasible(problem)
    found = _Found(problem, {OWN: beside([m.current() for m in work.members])})
    try:
        _seek(work, found)
        _never_below(work, found, chance)
        if OBJECTIVES[work.objective] == PROFIT:
            _seek_most_profit(work, found)
    except KeyboardInterrupt:
        found.finished = False
        found.rows[SHARED] = found.rows.get(SHARED) or _best_so_far(work, problem)
    return found


def _seek(work: _Work, found: _Found) -> None:
    """The splits that must be beaten first: the shared one starts from them and is never below."""
    for n, (name, shares) in enumerate(work.shares.items()):
        work.say(f"seeking the best {name}", 0.25 * n)
        found.rows[name] = _inside(work, shares)
    work.say("sharing the budget", 0.5)
    rivals = stack([found.rows[name] for name in work.shares])
    best = work.search(found.problem).seek(work.aims, rivals).rows
    settled = settle(work.archive, found.problem, best, work.aims)
    found.rows[SHARED] = _without_losers(work, found.problem, settled)


def _without_losers(work: _Work, problem: Problem, row: Split) -> Split:
    """The row without bookings that lose: beside an answer of several files stands none that spends less.

    What they cost stays, or goes where it brings more; the cells that met them are weighed anew.
    """
    keeps = replace(work.aims, keeps=np.ones(1, bool))
    kept = without_losers(work.archive, problem, keeps, row)
    if (kept.booked == row.booked).all():
        return row
    aims = [replace(work.aims, budget=budget) for budget in (work.aims.budget, problem.total(kept))]
    near = [work.search(problem).near(aim, kept).rows for aim in aims]
    best = best_of(work.archive, problem, keeps, [kept, *near])[0]
    return settle(work.archive, problem, best, keeps)


def _never_below(work: _Work, found: _Found, chance: _Chance) -> None:
    """The shared split, or a rival that keeps its limits and is better under chance, on draws that no answer uses."""
    work.say("racing under chance", 0.8)
    names = [SHARED, *(n for n in work.shares if keeps_limits(found.problem, found.rows[n])[0])]
    metric = OBJECTIVES[work.objective]
    total = np.zeros(len(names))
    for n, m in enumerate(work.members):
        plans = [_plan(work, found, name, n) for name in names]
        outcomes = simulate(
            m.scenario, plans, replications=chance.replications, seed=chance.seed + 1, daily=False,
            attribution=False, chance_alone=False, executor=work.executor,
        )  # fmt: skip
        total += [outcomes.values(name, metric).mean() for name in names]
    found.rows[SHARED] = found.rows[names[int(total.argmax())]]


def _seek_most_profit(work: _Work, found: _Found) -> None:
    """The split of most profit, whatever it costs up to a multiple of the budget, if it is another one."""
    work.say("asking what is better kept", 0.85)
    search = work.search(found.problem)
    search.aims, search.rows = work.aims, found.rows[SHARED]
    search.at_any_budget()
    best, keeps = search.known.rows.take([1]), search.known.aims.take([1])
    row, shared = settle(work.archive, found.problem, best, keeps), found.rows[SHARED]
    moved = np.abs(row.money - shared.money).max(initial=0.0) > ALIKE * work.budget
    if moved or (row.booked != shared.booked).any():
        found.rows[MOST] = row


def _inside(work: _Work, shares: Array) -> Split:
    """The best split inside files whose money is given."""
    labels = [m.label for m in work.members]
    locks = Limits(caps=dict(zip(labels, shares.tolist(), strict=True)))
    problem = join_problems(work.members, work.budget, locks)
    plans = [m.starts(np.array([share])) for m, share in zip(work.members, shares, strict=True)]
    starts = stack([beside(rows) for rows in zip(*plans, strict=True)])
    row = work.search(problem).seek(work.aims, starts).rows
    settled = settle(work.archive, problem, row, replace(work.aims, keeps=np.ones(1, bool)))
    return _without_losers(work, problem, settled)


def _best_so_far(work: _Work, problem: Problem) -> Split:
    """The best row played until now that keeps the limits."""
    rows, answers = kept_so_far(work.archive, problem)
    alike = work.aims.take([0] * len(rows))
    score = alike.score(alike.values(problem, rows, answers))
    if not score.size:
        raise KeyboardInterrupt
    return rows.take([int(score.argmax())])


# --------------------------------------------------------------------------- answer
def _answer(work: _Work, found: _Found, chance: _Chance) -> Portfolio:
    """Play all splits on fresh draws, and say what follows."""
    outcomes, finished = _promised(work, found, chance)
    best, margins = found.rows[SHARED], _margins(work, found, outcomes)
    plans = {m.label: _plan(work, found, SHARED, n) for n, m in enumerate(work.members)}
    answer = Portfolio(
        budget=work.budget, objective=OBJECTIVES[work.objective], plans=plans,
        money={name: _money(work, found.rows[name]) for name in found.splits},
        unspent=max(0.0, work.budget - _paid(work, found.problem, best)),
        margins=margins, outcomes=outcomes, finished=finished,
        next_money=next_money(work.archive, found.problem, best, margins, step_of(work.budget)),
        package_prices={m.label: package_prices(m.scenario) for m in work.members},
    )  # fmt: skip
    answer = answer.without_beaten_most()
    binding = [
        *binding_of(found.problem, best, answer, answer.left),
        *_files_that_bind(found.problem, best),
    ]
    return replace(
        answer, binding=tuple(binding), calls=work.market.calls,
        evaluations=work.market.evaluations, asked=work.market.asked,
    )  # fmt: skip


def _promised(work: _Work, found: _Found, chance: _Chance) -> tuple[dict[str, Outcomes], bool]:
    """All splits on draws of chance that the search has not seen; without chance if it is stopped."""
    if found.finished:
        try:
            work.say("checking on fresh draws", 0.9)
            return _played(work, found, chance, "sampled"), True
        except KeyboardInterrupt:
            pass
    return _played(work, found, chance, "expected"), False


def _played(work: _Work, found: _Found, chance: _Chance, mode: Mode) -> dict[str, Outcomes]:
    return {
        m.label: simulate(
            m.scenario, [_plan(work, found, name, n) for name in found.splits],
            replications=chance.replications, seed=chance.seed, daily=False, chance_alone=False,
            executor=work.executor, mode=mode, label=m.label,
        )
        for n, m in enumerate(work.members)
    }  # fmt: skip


def _files_that_bind(problem: Problem, row: Split) -> Iterator[str]:
    """Floors, caps and locks of whole files that the split just meets."""
    scenes = sums(row.money, problem.of_scene) + problem.booked_money(row.booked)
    totals = sums(scenes, problem.of_group)[0]
    limits = zip(problem.groups, problem.group_floor, problem.group_cap, totals, strict=True)
    for file, low, high, total in limits:
        if low == high:
            yield f"lock of file {file}: {low:,.0f} CNY"
        elif low > 0 and total <= low * (1 + 1e-6):
            yield f"floor of file {file}: {low:,.0f} CNY"
        elif total >= high * (1 - 1e-6):
            yield f"cap of file {file}: {high:,.0f} CNY"


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


def _margins(work: _Work, found: _Found, outcomes: Mapping[str, Outcomes]) -> dict[str, Margin]:
    table = margins_of(work.archive, found.problem, found.rows[SHARED], work.aims)[0]
    told: dict[str, Margin] = {}
    for file, own in outcomes.items():
        cells = {cell: margin for cell, margin in table.items() if cell.startswith(f"{file}/")}
        told |= told_targets(cells, own, SHARED)
    return told
