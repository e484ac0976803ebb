"""How the cost of a study grows: with its lanes, with the placements of its world, and with its steps.

CPU time of this process for sampled lanes that keep totals alone, as in a sweep; worlds are built
beforehand. The world is the minimal scenario, its people cut into more segments, or its clock made
finer; the world of twelve_scenes.yaml stands beside it. An exponent is the slope of ln time against
ln size over the whole row.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from simulator.engine.lanes import make_chunks
from simulator.engine.run import Run
from simulator.engine.simulate import make_grid
from simulator.market.build import build_world
from simulator.market.world import World
from simulator.scenario import read_scenario
from simulator.scenario.schema import Scenario
from simulator.sweeps.study import read_study
from simulator.sweeps.sweep import open_store
from simulator.sweeps.tasks import play, prepare, tasks_of
from tests.bench.table import Row, medians
from tests.bench.worlds import ROOT, bench_plans, bench_scenario

MINIMAL = ROOT / "scenarios/minimal.yaml"
STUDY = ROOT / "scenarios/studies/dear_search.yaml"
REPLICATIONS = 16
LANES = 1024
RUNS = 3


def growth_rows() -> Iterator[Row]:
    """All rows, in the order of the table."""
    yield from lane_rows((64, 256, 1024, 4096))
    yield from row_of("placements", [split(n) for n in (1, 2, 4, 8, 16)], placements_of)
    yield from row_of("steps", [finer(clock) for clock in ("1d", "6h", "2h", "1h")], steps_of)
    yield from large_rows()
    yield from file_rows()


def split(count: int) -> Scenario:
    """The minimal scenario with its people in so many equal segments."""
    data = read_scenario(MINIMAL).model_dump(mode="json", exclude_unset=True)
    people = data["segments"].pop("shoppers")
    own = people | {"people": 400e3 / count}
    data["segments"] = {f"shoppers{n}": own for n in range(count)}
    return Scenario.model_validate(data)


def finer(clock: str) -> Scenario:
    """The minimal scenario with another clock on its ordinary days."""
    return read_scenario(MINIMAL, [f"calendar.phases.normal.clock={clock}"])


def placements_of(world: World) -> int:
    return int(world.media.valid.sum())


def steps_of(world: World) -> int:
    return len(world.steps)


def work_of(scenario: Scenario, lanes: int) -> tuple[World, Callable[[], None]]:
    """Its world, and the run of so many lanes in it."""
    world = build_world(scenario, make_grid(scenario))
    plans = bench_plans(scenario, lanes // REPLICATIONS)

    def run() -> None:
        for chunk in make_chunks(plans, REPLICATIONS):
            Run(world, chunk, 11, sampled=True, daily=False).go()

    return world, run


def exponent(sizes: list[int], times: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def timed(works: list[Callable[[], None]]) -> list[float]:
    """Median CPU times [s], in turns."""
    works[0]()  # imports, caches
    found = medians({str(n): partial(work) for n, work in enumerate(works)}, RUNS)
    return list(found.values())


def lane_rows(lanes: tuple[int, ...]) -> Iterator[Row]:
    times = timed([work_of(read_scenario(MINIMAL), n)[1] for n in lanes])
    note = listed(lanes, [1000 * t / n for t, n in zip(times, lanes, strict=True)], "ms a lane")
    yield Row("lanes: exponent of the cost", exponent(list(lanes), times), note=note)


def row_of(what: str, scenarios: list[Scenario], size: Callable[[World], int]) -> Iterator[Row]:
    found = [work_of(scenario, LANES) for scenario in scenarios]
    sizes, times = [size(world) for world, _ in found], timed([run for _, run in found])
    note = listed(sizes, [1000 * t / LANES for t in times], "ms a lane")
    yield Row(f"{what}: exponent of the cost", exponent(sizes, times), note=note)


def large_rows() -> Iterator[Row]:
    """What a lane costs in a small and in a large world."""
    for name, scenario in (("minimal", read_scenario(MINIMAL)), ("12 scenes", bench_scenario())):
        world, run = work_of(scenario, LANES)
        places, steps = placements_of(world), steps_of(world)
        [seconds] = timed([run])
        cost = seconds / LANES / steps / places
        note = f"{places} placements, {steps} steps, {1000 * seconds / LANES:.2f} ms a lane"
        yield Row(f"a lane, step and placement of {name}", 1e6 * cost, " us", note=note)


def file_rows() -> Iterator[Row]:
    """What reads, makes ready, writes and looks over: work of the one process that leads a sweep."""
    study = replace(read_study(STUDY), mode="expected")
    task = next(tasks_of(study))
    part = play(prepare(study, task)).part
    with TemporaryDirectory() as folder:
        store = open_store(study, folder)
        yield Row("reading a scenario file", each(lambda: read_scenario(MINIMAL)), " ms")
        yield Row("making a task ready", each(lambda: prepare(study, task)), " ms")
        keys = iter(range(10**6))
        yield Row("writing a part", each(lambda: store.write(f"{next(keys):016x}", part)), " ms")
        count = len(store.keys())
        look = each(store.sound) / count
        yield Row("looking over a part at the start", look, " ms", note=f"{len(part):,} bytes each")


def each(work: Callable[[], object], times: int = 50) -> float:
    """Median time of a call by the clock [ms]."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return 1000 * median(found)


def listed(sizes: "list[int] | tuple[int, ...]", costs: list[float], unit: str) -> str:
    return "; ".join(f"{n:,}: {x:.3g}" for n, x in zip(sizes, costs, strict=True)) + f" {unit}"
