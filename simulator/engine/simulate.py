"""From a scenario and plans to outcomes: chunks of lanes, in this process or in others."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulator.engine.lanes import Chunk, make_chunks, quadrature, shock_names
from simulator.engine.run import Rule, Run
from simulator.market.calendar import Steps, make_steps
from simulator.market.contract import days_after
from simulator.market.draws import Sampled
from simulator.market.fulfilment import settle_days
from simulator.market.world import World, build_world
from simulator.outcomes.ledger import Ledger, join
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.amounts import Uncertain
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.schema import Scenario
from simulator.scenario.uncertain import draw_all, uncertain_paths

Progress = Callable[[int, int], None]
GUARANTEE_DAYS = 7


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


def simulate(
    scenario: Scenario, plans: Sequence[Plan] | None = None, *, replications: int = 200, seed: int = 11,
    mode: str = "sampled", spreads: bool = True, daily: bool = True, attribution: bool = True,
    executor: Executor | None = None, progress: Progress | None = None,
    processes: Iterable[Rule] = (), chunk_only: bool = False,
) -> Outcomes:  # fmt: skip
    """Run plans (those of the file by default) and the zero-spend plan in the same replications.

    mode "sampled" draws every decision, `replications` times; "expected" is the mean field. With `spreads`, uncertain numbers are
    drawn once per replication, and a second run without them is kept as `chance_only`. `executor` spreads chunks over processes;
    `processes` are the user's own generator functions (in this process only).
    """
    chosen = list(plans) if plans is not None else plans_of(scenario)
    sampled = mode == "sampled"
    unsure = sampled and spreads and bool(uncertain_paths(scenario))
    count = replications if sampled else quadrature(len(shock_names(scenario))).shape[1]
    lanes = [*chosen, Plan.none(scenario)]
    jobs = [
        Job(scenario, chunk, seed, sampled, unsure, daily, attribution, tuple(processes))
        for chunk in make_chunks(lanes, count)
    ]
    book = _arrange(_run_all(jobs, executor, progress), jobs, lanes)
    alone = None
    if unsure and not chunk_only:
        alone = simulate(
            scenario, chosen, replications=replications, seed=seed, spreads=False, daily=False,
            attribution=attribution, executor=executor, progress=progress, processes=processes,
        )  # fmt: skip
    return make_outcomes(scenario, chosen, book, seed=seed, mode=mode, replications=count, alone=alone)


def run_job(job: Job, progress: Callable[[int], None] | None = None) -> Ledger:
    """Run one chunk; the same in any process."""
    world = _certain_world(job.scenario) if not job.spreads else _drawn_world(job)
    run = Run(
        world, job.chunk, job.seed, sampled=job.sampled, daily=job.daily,
        attribution=job.attribution, rules=job.rules,
    )  # fmt: skip
    return run.go(progress)


def make_grid(scenario: Scenario) -> Steps:
    """The clock of a scenario, run-off included: the same for all plans."""
    no_runoff = make_steps(scenario.calendar, 1)
    packages = build_world(scenario, no_runoff).packages
    end = int(no_runoff.end[no_runoff.advertising - 1])
    late = days_after(packages, np.ones(len(packages.slot), dtype=bool), end)
    return make_steps(scenario.calendar, max(settle_days(scenario.commerce), late, GUARANTEE_DAYS))


@lru_cache(maxsize=4)
def _grid_of(text: str) -> Steps:
    return make_grid(Scenario.model_validate_json(text))


def _certain_world(scenario: Scenario) -> World:
    return build_world(scenario, make_grid(scenario))


def _drawn_world(job: Job) -> World:
    """The world with one value of every uncertain number per replication of the chunk."""
    numbers = uncertain_paths(job.scenario)
    draws = Sampled(job.seed, list(job.chunk.replications), 1, {"parameter": list(numbers)})
    spread = np.array([[n.sd] for n in numbers.values()])
    factors = draws.factor("parameter", spread, len(numbers))
    uniforms = np.exp(-draws.exponential("parameter", len(numbers)))
    at = {path: row for row, path in enumerate(numbers)}

    def draw(path: str, number: Uncertain) -> np.ndarray:
        row = at[path]
        if number.low is not None and number.high is not None:
            return np.asarray(number.low + (number.high - number.low) * uniforms[row])
        return np.minimum(float(number) * factors[row], number.most * (1 - 1e-9))

    drawn = draw_all(job.scenario, draw)
    return build_world(drawn, make_grid(job.scenario), original=job.scenario)


def _run_all(jobs: list[Job], executor: Executor | None, progress: Progress | None) -> list[Ledger]:
    if executor is None:
        return [_counted(job, n, len(jobs), progress) for n, job in enumerate(jobs)]
    futures = {executor.submit(run_job, job): n for n, job in enumerate(jobs)}
    for done, _ in enumerate(as_completed(futures), start=1):
        if progress:
            progress(done, len(jobs))
    return [future.result() for future in sorted(futures, key=lambda f: futures[f])]


def _counted(job: Job, number: int, count: int, progress: Progress | None) -> Ledger:
    ledger = run_job(job)
    if progress:
        progress(number + 1, count)
    return ledger


def _arrange(ledgers: list[Ledger], jobs: list[Job], plans: list[Plan]) -> Ledger:
    """All lanes in the order plan, replication."""
    position = {id(plan): n for n, plan in enumerate(plans)}
    keys = [
        (position[id(plan)], replication)
        for job in jobs
        for plan in job.chunk.plans
        for replication in job.chunk.replications
    ]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__))
    return join(ledgers).lanes(order)
