"""From a scenario and plans to outcomes: chunks of lanes, in this process or in others."""

import pickle
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast, get_args

import numpy as np

from simulator.engine.lanes import Chunk, make_chunks, money_table
from simulator.engine.points import Points, make_points, streams_of, value_of
from simulator.engine.run import Rule, Run
from simulator.errors import UserError
from simulator.market.build import build_world
from simulator.market.calendar import Steps, make_steps, phase_names
from simulator.market.draws import Sampled
from simulator.market.world import World
from simulator.outcomes.ledger import Ledger, join
from simulator.outcomes.metrics import Terms
from simulator.outcomes.outcomes import Axes, Outcomes
from simulator.scenario.amounts import shown
from simulator.scenario.asked import (
    asked,
    asked_choice,
    asked_progress,
    asked_scenario,
    asked_whole,
)
from simulator.scenario.chain import CHAIN_STAGES
from simulator.scenario.crowds import with_crowds
from simulator.scenario.moments import turning_points
from simulator.scenario.plan import Plan, all_packages, asked_plans, find_package
from simulator.scenario.runoff import runoff_days
from simulator.scenario.schema import Scenario
from simulator.scenario.uncertain import draw_all, scenario_digest, uncertain_paths

Progress = Callable[[int, int], None]
Mode = Literal["expected", "sampled"]


@dataclass(frozen=True)
class Job:
    """One chunk, ready to be sent to another process."""

    scenario: Scenario
    chunk: Chunk
    seed: int
    sampled: bool
    spreads: bool
    daily: bool
    attribution: bool
    rules: tuple[Rule, ...] = ()
    points: Points | None = None
    """Of expected mode; None: those of the shocks alone."""


def simulate(
    scenario: Scenario, plans: Sequence[Plan | str] | Plan | str | None = None, *, replications: int = 200,
    seed: int = 11, mode: Mode = "sampled", spreads: bool = True, daily: bool = True, attribution: bool = True,
    executor: Executor | None = None, progress: Progress | None = None,
    processes: Iterable[Rule] | Rule = (), label: str | None = None, chance_alone: bool = True,
    vectors: int | Points = 0,
) -> Outcomes:  # fmt: skip
    """Run plans (those of the file by default) and the zero-spend plan in the same replications.

    `plans` are made, or names as `adsim run --plan` takes them. mode "sampled" draws every decision,
    `replications` times; "expected" is the mean field. With `spreads`, uncertain numbers are drawn once
    per replication, and a second run without them is kept as `chance_only`, unless `chance_alone` is
    off. `executor` spreads chunks over processes. `processes` are the user's own generator functions,
    called with a `View` (engine/run.py); those for an executor of processes stand in a module, so that
    they can be sent. `label` names the run (a file's stem). With `vectors`, expected mode is a mean over
    that many values of all uncertain numbers, the same in every call, or over the points that are
    given; without, they stand at their means. UserError says what cannot be run.
    """
    check_run(scenario, mode, replications, seed, progress=progress)
    _check_flags(spreads=spreads, daily=daily, attribution=attribution, chance_alone=chance_alone)
    chosen, rules = asked_plans(scenario, plans), _rules_of(processes)
    sampled = mode == "sampled"
    points = None if sampled else _points_of(scenario, vectors)
    seed, replications = int(seed), int(replications)
    unsure = spreads and bool(uncertain_paths(scenario) if points is None else points.numbers)
    count = replications if points is None else points.count
    lanes = [*chosen, Plan.none(scenario)]
    jobs = [
        Job(scenario, chunk, seed, sampled, unsure, daily, attribution, rules, points)
        for chunk in make_chunks(lanes, count, shared=executor is not None)
    ]
    results = _run_all(jobs, executor, progress)
    order = _order(jobs, lanes)
    book = join([result.book for result in results], order)
    terms = _join_terms(results, jobs, scenario, lanes)
    alone = None
    if sampled and unsure and chance_alone:
        alone = simulate(
            scenario, chosen, replications=replications, seed=seed, spreads=False, daily=False,
            attribution=attribution, executor=executor, progress=progress, processes=rules, label=label,
        )  # fmt: skip
    return Outcomes(
        scenario=label or scenario.name, title=scenario.name, mode=mode, replications=count, seed=seed,
        axes=make_axes(scenario, chosen, days=len(book.days["gmv"]) if daily else 0), book=book,
        terms=terms, chance_only=alone, scenario_hash=scenario_digest(scenario),
    )  # fmt: skip


def check_run(
    scenario: object, mode: object, replications: object, seed: object, *, progress: object = None
) -> None:  # fmt: skip
    """Refuse what cannot be run, before any work is begun."""
    asked_scenario(scenario)
    asked_choice("mode", mode, get_args(Mode))
    asked_whole("replications", replications, 1, 10**9)
    asked_whole("seed", seed, 0, 2**64 - 1)
    asked_progress(progress)


def _check_flags(**flags: object) -> None:
    for name, flag in flags.items():
        asked(bool | np.bool_, flag, f"{name} must be True or False")  # "no" would count as yes


def _rules_of(processes: "Iterable[Rule] | Rule") -> tuple[Rule, ...]:
    """The user's processes; one alone need not stand in a list."""
    some = isinstance(processes, Iterable) and not callable(processes)
    rules = tuple(cast(Iterable[Rule], processes)) if some else (cast(Rule, processes),)
    for rule in rules:
        if not callable(rule):
            raise UserError(
                f"a process is a generator function, not called yet (got {shown(rule)})"
            )
    return rules


def _points_of(scenario: Scenario, vectors: int | Points) -> Points:
    if isinstance(vectors, Points):
        return vectors
    return make_points(scenario, asked_whole("vectors", vectors, 0, 10**6))


@dataclass(frozen=True)
class Result:
    """The book of one chunk and what the metrics need of its world: little, for it may be sent."""

    book: Ledger
    terms: dict[str, np.ndarray]
    """People and costs as Terms calls them: [.., replication], or [.., 1] if they are certain."""


def run_job(job: Job) -> Result:
    """Run one chunk; the same in any process."""
    world = _certain_world(job.scenario) if not job.spreads else _drawn_world(job)
    run = Run(
        world, job.chunk, job.seed, sampled=job.sampled, daily=job.daily,
        attribution=job.attribution, rules=job.rules, points=job.points,
    )  # fmt: skip
    return Result(run.go(), _terms_of(world))


def run_alone(job: Job) -> tuple[Ledger, Terms]:
    """One chunk whose last plan is the zero-spend one: its book, and what the metrics need."""
    result = run_job(job)
    terms = _join_terms([result], [job], job.scenario, list(job.chunk.plans))
    return result.book, terms


def _terms_of(world: World) -> dict[str, np.ndarray]:
    people, costs = world.people, world.costs
    return {
        "people": people.size, "frequency_shape": people.frequency_shape,
        "commission": costs.commission, "payment_fee": costs.payment_fee,
        "fulfilment": costs.fulfilment, "refund_handling": costs.refund_handling,
        "depreciation": costs.depreciation, "unsent": costs.unsent,
    }  # fmt: skip


def make_grid(scenario: Scenario) -> Steps:
    """The clock of a scenario, run-off included: the same for all plans."""
    return make_steps(scenario.calendar, runoff_days(scenario), turning_points(scenario))


def _certain_world(scenario: Scenario) -> World:
    return build_world(scenario, make_grid(scenario))


def _drawn_world(job: Job) -> World:
    """The world with one value of every uncertain number per replication of the chunk; what points do not name
    stands at its mean.
    """
    values: dict[str, Any] = draw_numbers(job)
    drawn = draw_all(job.scenario, values.get)
    return build_world(drawn, make_grid(job.scenario), original=job.scenario)


def draw_numbers(job: Job) -> dict[str, np.ndarray]:
    """Values of every uncertain number [replication]: log-normal with the stated mean, or uniform."""
    some = list(job.chunk.replications)
    if job.points is not None:
        return {path: values[some] for path, values in job.points.numbers.items()}
    numbers, names = uncertain_paths(job.scenario), streams_of(job.scenario)
    streams = {name: row for row, name in enumerate(dict.fromkeys(names.values()))}
    draws = Sampled(job.seed, some, 1, {"parameter": list(streams)})
    spreads = {names[path]: [number.sd] for path, number in numbers.items()}
    factors = draws.factor("parameter", np.array([spreads[s] for s in streams]), len(streams))
    uniforms = np.exp(-draws.exponential("parameter", len(streams)))
    rows = {path: streams[name] for path, name in names.items()}
    return {
        path: value_of(number, factors[rows[path]], uniforms[rows[path]])
        for path, number in numbers.items()
    }


def _run_all(jobs: list[Job], executor: Executor | None, progress: Progress | None) -> list[Result]:
    if executor is None:
        return [_counted(job, n, len(jobs), progress) for n, job in enumerate(jobs)]
    futures = _submitted(jobs, executor)
    for done, _ in enumerate(as_completed(futures), start=1):
        if progress:
            progress(done, len(jobs))
    return [future.result() for future in sorted(futures, key=lambda f: futures[f])]


def _submitted(jobs: list[Job], executor: Executor) -> dict[Future[Result], int]:
    if not isinstance(executor, Executor):
        raise UserError(f"executor must be one of concurrent.futures (got {shown(executor)})")
    if isinstance(executor, ProcessPoolExecutor):
        _check_sent(jobs[0].rules)
    try:
        return {executor.submit(run_job, job): n for n, job in enumerate(jobs)}
    except RuntimeError as error:  # shut down, or broken
        raise UserError(f"the executor takes no work ({error}): give one that is open") from error


def _check_sent(rules: tuple[Rule, ...]) -> None:
    try:
        pickle.dumps(rules)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UserError(
            f"processes of your own cannot be sent to the executor ({error}): let them stand in a module, "
            f"not inside a function, or leave the executor out"
        ) from error


def _counted(job: Job, number: int, count: int, progress: Progress | None) -> Result:
    result = run_job(job)
    if progress:
        progress(number + 1, count)
    return result


def _order(jobs: list[Job], plans: list[Plan]) -> np.ndarray:
    """Where the lanes of the joined chunks belong: plan by plan, replications in order."""
    position = {id(plan): n for n, plan in enumerate(plans)}
    keys = [
        (position[id(plan)], replication)
        for job in jobs
        for plan in job.chunk.plans
        for replication in job.chunk.replications
    ]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__))


def _join_terms(
    results: list[Result], jobs: list[Job], scenario: Scenario, plans: list[Plan]
) -> Terms:
    """Costs and sizes of every replication, from the chunks that hold its first plans."""
    first = [
        (result.terms, len(job.chunk.replications))
        for result, job in zip(results, jobs, strict=True)
        if job.chunk.plans[0] is plans[0]
    ]

    def wide(name: str) -> np.ndarray:
        parts = [np.broadcast_to(terms[name], (len(terms[name]), n)) for terms, n in first]
        return np.concatenate(parts, axis=1)

    count = sum(n for _, n in first)
    each = {name: wide(name) for name in results[0].terms}
    fixed, money = _fixed_costs(scenario, plans), _auction_money(scenario, plans)
    return Terms.over(count, fixed=fixed, money=money, **each)


def _auction_money(scenario: Scenario, plans: list[Plan]) -> np.ndarray:
    """Auction money [CNY], NaN where a scene has one pot for its phases: [scene, phase, plan]."""
    table = money_table(plans, scenario.scenes, phase_names(scenario.calendar))
    table[[scene.budget_kind == "cycle" for scene in scenario.scenes.values()]] = np.nan
    return table


def _fixed_costs(scenario: Scenario, plans: list[Plan]) -> np.ndarray:
    """Fixed costs of the scenes that a plan gives money or a booking: [scene, plan]."""
    booked = [{find_package(scenario, name).scene for name in plan.packages} for plan in plans]
    return np.array([
        [
            scene.running_cost if sum(plan.money.get(name, {}).values()) > 0 or name in own else 0.0
            for plan, own in zip(plans, booked, strict=True)
        ]
        for name, scene in scenario.scenes.items()
    ])  # fmt: skip


def make_axes(scenario: Scenario, plans: list[Plan], *, days: int) -> Axes:
    """Names of all axes of the outcomes; `days` in the book."""
    phases = phase_names(scenario.calendar)
    first = scenario.calendar.phases[phases[0]].start.date()
    return Axes(
        plans=tuple(plan.name for plan in plans), scenes=tuple(scenario.scenes), phases=phases,
        segments=tuple(with_crowds(scenario).segments), products=tuple(scenario.products), stages=CHAIN_STAGES,
        days=tuple((first + timedelta(days=n)).isoformat() for n in range(days)),
        items=tuple(product.items for product in scenario.products.values()),
        tails=tuple(float(product.tail) for product in scenario.products.values()),
        commissions=tuple(scenario.commissions), packages=tuple(all_packages(scenario)),
    )  # fmt: skip
