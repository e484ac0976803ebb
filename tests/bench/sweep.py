"""Sweeps: what a store and an executor cost beside the engine, what they hold, that all executors
write the same bytes, and what kills leave.

Costs are CPU time of all processes together, once they have started. The bare engine and the sweep
take turns, in as many processes, for two that are busy at once slow each other. Speed by the clock is
shown for what it is; on a busy machine it says little.
"""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from simulator.engine.lanes import Chunk
from simulator.engine.simulate import Job, run_alone
from simulator.scenario import read_scenario
from simulator.scenario.plan import Plan
from simulator.sweeps.runner import Crew, Runner, crew_of
from simulator.sweeps.store import read_store
from simulator.sweeps.study import METRICS, Study
from simulator.sweeps.sweep import Sweeping, open_store, vary
from simulator.sweeps.tasks import Work, needs_touches, prepare, tasks_of
from tests.bench.table import Row
from tests.sweeps.studies import ROOT, finish, parts_in, start, write_study
from tests.sweeps.test_kill import cluster, wait_for_workers

MINIMAL = ROOT / "scenarios/minimal.yaml"
ALONE = ("--executor", "none", "--quiet")


@dataclass(frozen=True)
class Size:
    """How long to measure."""

    cells: int
    plans: int
    kills: int
    turns: int


FULL = Size(cells=4, plans=2000, kills=20, turns=7)
QUICK = Size(cells=2, plans=200, kills=5, turns=3)


def sweep_rows(size: Size) -> Iterator[Row]:
    """All rows, in the order of the table."""
    yield from speed_rows(size)
    yield from many_rows(size)
    yield from kill_rows(size)


# --- speed --------------------------------------------------------------------------------------


def study_of(cells: int) -> Study:
    """The minimal scenario at so many prices; each cell is one chunk of its two plans."""
    over = {"slots.search_words.median_cpm": [50.0 + n for n in range(cells)]}
    settings = {"replications": 160, "metrics": list(METRICS)}
    return vary(read_scenario(MINIMAL), over, (), settings)


def bare(study: Study) -> None:
    """The lanes alone: nothing is kept, sent or written."""
    for task in tasks_of(study):
        run_alone(job_of(prepare(study, task)))


def job_of(work: Work) -> Job:
    chunk = Chunk((*work.plans, Plan.none(work.scenario)), work.replications)
    touches = needs_touches(work.metrics)
    return Job(work.scenario, chunk, work.seed, True, work.spreads, False, touches)


def swept(study: Study, crew: Crew) -> None:
    """All of it, into a store of its own."""
    with TemporaryDirectory() as folder:
        Sweeping(study, open_store(study, folder)).go(Runner(crew))


@dataclass(frozen=True)
class Cost:
    """Seconds of the bare engine, and of a sweep of the same lanes right after it."""

    bare: float
    cpu: float
    clock: float


def cpu_of(pids: list[int]) -> float:
    """CPU time of this process and of others [s]."""
    others = (psutil.Process(pid).cpu_times() for pid in pids)
    return time.process_time() + sum(each.user + each.system for each in others)


def turns(crew: Crew, workers: int, pids: Callable[[], list[int]], size: Size) -> list[Cost]:
    """The bare engine in every worker and a sweep by turns, when the imports are behind them."""
    swept(study_of(4), crew)
    study, part, found = study_of(size.cells), study_of(size.cells // workers), []
    for _ in range(size.turns):
        start = cpu_of(pids())
        wait([crew.executor.submit(bare, part) for _ in range(workers)])
        between, clock = cpu_of(pids()), time.perf_counter()
        swept(study, crew)
        end, clock = cpu_of(pids()), time.perf_counter() - clock
        found.append(Cost(between - start, end - between, clock))
    return found


def children() -> list[int]:
    return [child.pid or 0 for child in multiprocessing.active_children()]


def speed_rows(size: Size) -> Iterator[Row]:
    """Medians over the turns."""
    bare(study_of(1))
    lanes, clocks, loops = size.cells * 2 * 160, [], []
    for name, executor, jobs in CREWS:
        with crew_of(executor, jobs) as crew:
            costs = turns(crew, jobs, children, size)
            loops.append(clock_of_loops(crew))
        clocks.append(median(cost.clock for cost in costs))
        yield from cost_rows(name, lanes, costs)
    yield Row("2 processes over 1, by the clock", clocks[1] / clocks[2], "x", note=load())
    yield Row("the same of two empty loops: what the machine gives", loops[1] / loops[2], "x")
    if find_spec("distributed") is not None:
        yield from dask_rows(size, lanes)


def clock_of_loops(crew: Crew) -> float:
    """Two loops of a second of CPU time each, by the clock [s]."""
    start = time.perf_counter()
    wait([crew.executor.submit(loop) for _ in range(2)])
    return time.perf_counter() - start


def loop() -> None:
    start = time.process_time()
    while time.process_time() < start + 1.0:
        pass


CREWS = (("this process", "none", 1), ("1 process", "process", 1), ("2 processes", "process", 2))


def cost_rows(name: str, lanes: int, costs: list[Cost]) -> Iterator[Row]:
    clock = median(lanes / cost.clock for cost in costs)
    speed, note = median(lanes / cost.cpu for cost in costs), f"{clock:,.0f} by the clock"
    more = median(cost.cpu / cost.bare - 1 for cost in costs)
    yield Row(f"{name}, lanes per CPU second", speed, note=note)
    yield Row(f"{name} and a store, beyond the bare engine", 100 * more, "%", "<=", 10)


def dask_rows(size: Size, lanes: int) -> Iterator[Row]:
    """Scheduler and workers count as this process does."""
    with TemporaryDirectory() as folder, cluster(Path(folder), 2) as (address, processes):
        wait_for_workers(address, 2)
        with crew_of(f"dask:{address}") as crew:
            costs = turns(crew, 2, lambda: [process.pid for process in processes], size)
    yield from cost_rows("Dask with 2 workers", lanes, costs)


def load() -> str:
    return f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"


# --- many plans ---------------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from tests.bench.sweep import many_plans, resident
from simulator.sweeps.runner import Crew, Runner, crew_of
from simulator.sweeps.sweep import Sweeping, open_store
from simulator.sweeps.tasks import play, prepare, tasks_of
small = many_plans(2, 2)
play(prepare(small, next(tasks_of(small))))
study = many_plans(int(sys.argv[1]), 50)
Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
before = resident("VmRSS")
with crew_of("none") as crew:
    Sweeping(study, open_store(study, sys.argv[2])).go(Runner(crew))
print(resident("VmHWM") - before)
"""


def many_plans(count: int, replications: int) -> Study:
    """The minimal scenario with so many splits of its budget."""
    scenario = read_scenario(MINIMAL)
    step = 1 / (count + 1)
    shares = [step * (n + 1) for n in range(count)]
    plans = [
        Plan.shares(scenario, f"p{n}", new_customer=x, harvest=1 - x) for n, x in enumerate(shares)
    ]
    settings: dict[str, Any] = {"replications": replications, "metrics": list(METRICS)}
    return vary(scenario, {}, plans, settings)


def resident(kind: str) -> int:
    """Resident size of this process, now (VmRSS) or at most (VmHWM) [kB]; Linux alone tells it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))


def many_rows(size: Size) -> Iterator[Row]:
    """A study of many plans: what it holds in memory, and its store by each kind of worker."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        grown = grown_by(size.plans, folder / "alone")
        alone = parts_in(folder / "alone")
        written, count = sum(map(len, alone.values())), len(alone)
        what = f"memory, {size.plans:,} plans x 50 replications, store apart"
        yield Row(what, grown / 1024, " MB", "<=", 64, note=f"{written / 1e6:.1f} MB written")
        table = read_store(folder / "alone")
        for crew, store in others_of(many_plans(size.plans, 50), folder):
            wrong = len(alone.items() ^ parts_in(store).items())
            wrong += not table.equals(read_store(store))
            note = f"{count} parts and {len(table):,} rows compared"
            yield Row(f"its parts that differ from in-process: {crew}", wrong, "", "<=", 0, note)


def grown_by(plans: int, store: Path) -> int:
    """Growth of the resident size of a process that computes a study and writes its store [kB]."""
    found = subprocess.run(
        [sys.executable, "-c", HOLD, str(plans), str(store)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
        encoding="utf-8", check=True,
    )  # fmt: skip
    return int(found.stdout)


def others_of(study: Study, folder: Path) -> Iterator[tuple[str, Path]]:
    """The study's store by two processes, and by a scheduler and two workers on the loopback."""
    with crew_of("process", 2) as crew:
        Sweeping(study, open_store(study, folder / "process")).go(Runner(crew))
    yield "2 processes", folder / "process"
    if find_spec("distributed") is None:
        return
    (folder / "cluster").mkdir()
    with cluster(folder / "cluster", 2) as (address, _):
        wait_for_workers(address, 2)
        with crew_of(f"dask:{address}") as crew:
            Sweeping(study, open_store(study, folder / "dask")).go(Runner(crew))
    yield "Dask with 2 workers", folder / "dask"


# --- kills --------------------------------------------------------------------------------------


def kill_rows(size: Size) -> Iterator[Row]:
    """SIGKILL at any moment, from the first import to the last part; then one run to the end."""
    chance = random.Random(11)
    wrong = kills = 0
    with folders() as (study, folder):
        clock = time.perf_counter()
        finish(start(study, folder / "whole", *ALONE))
        length = time.perf_counter() - clock
        whole = parts_in(folder / "whole")
        while kills < size.kills:
            store = folder / f"store{kills}"
            kills += kill_some(study, store, chance, (length, min(4, size.kills - kills)))
            code, _, _ = finish(start(study, store, *ALONE))
            wrong += code != 0 or parts_in(store) != whole
    yield Row(
        f"stores that differ after {kills} kills at random moments",
        wrong,
        "",
        "<=",
        0,
        f"{len(whole)} parts each",
    )


def kill_some(study: Path, store: Path, chance: random.Random, limits: tuple[float, int]) -> int:
    """Start and kill a few times; how often the process was still running."""
    length, most = limits
    killed = 0
    for _ in range(most):
        process = start(study, store, *ALONE)
        time.sleep(chance.uniform(0, length))
        running = process.poll() is None
        process.send_signal(signal.SIGKILL)
        finish(process)
        killed += running
    return killed


@contextmanager
def folders() -> Iterator[tuple[Path, Path]]:
    with TemporaryDirectory() as name:
        yield write_study(Path(name) / "study"), Path(name)
