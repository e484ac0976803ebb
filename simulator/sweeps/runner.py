"""Who computes: this process, others on this machine, a Dask cluster, or any executor of the user.

One protocol, `concurrent.futures.Executor`, and one loop: at most twice as many tasks are under way
as there are workers, each answer is handed on as soon as it is there, and a task whose worker died
is given to another. So the memory of a sweep is that of the tasks under way, whatever its size.
"""

import math
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from simulator.errors import RunError, UserError
from simulator.scenario.asked import asked_whole
from simulator.sweeps.tasks import Answer, Work, play
from simulator.workers import settle

MOST_TRIES = 5
"""How often a task is tried whose worker dies."""
PATIENCE = "30s"
"""How long a cluster may take to answer, and to have its first worker."""
COUNT_AGAIN = 5.0
"""How often the workers of a cluster are counted, for they come and go [s]."""

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


class Here(Executor):
    """Computes in this process, at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """A future that is done already."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass
class Crew:
    """Workers, and how to get new ones when they are lost."""

    executor: Executor
    under_way: int
    """Tasks that are given out at once."""
    renew: Callable[[], Executor] | None = None
    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)
    """What a task whose worker died raises."""
    count: Callable[[], int] | None = None
    """Workers now, where they may become more or fewer."""
    counted: float = -math.inf

    def room(self) -> int:
        """Tasks that may be under way now."""
        now = time.monotonic()
        if self.count is not None and now > self.counted + COUNT_AGAIN:
            self.counted = now
            with suppress(OSError):  # whoever is gone shows by the tasks
                self.under_way = 2 * max(1, self.count())
        return self.under_way


@contextmanager
def crew_of(executor: Executor | str | None, jobs: int | None = None) -> Iterator[Crew]:
    """The crew that a word or an executor stands for.

    None or "none" is this process, "process" is `jobs` processes of this machine (as many as it has
    processors by default), "dask:tcp://host:port" the cluster of that scheduler.
    """
    if jobs is not None:
        asked_whole("jobs", jobs, 1, 10_000)
    if isinstance(executor, Executor):
        yield Crew(
            executor, 2 * (jobs or getattr(executor, "_max_workers", 0) or os.cpu_count() or 1)
        )
    elif executor in (None, "none"):
        yield Crew(Here(), 1)
    elif executor == "process":
        with _processes(jobs or os.cpu_count() or 1) as crew:
            yield crew
    elif isinstance(executor, str) and executor.startswith("dask:"):
        with _cluster(executor.removeprefix("dask:")) as crew:
            yield crew
    else:
        raise UserError(
            f"no executor is called {executor!r}: known are none, process, dask:tcp://HOST:PORT"
        )


# --------------------------------------------------------------------------- processes
@contextmanager
def _processes(jobs: int) -> Iterator[Crew]:
    """Fresh processes: nothing of this one is copied into them, whatever threads it has."""
    pools: list[ProcessPoolExecutor] = []

    def renew() -> Executor:
        context = multiprocessing.get_context("spawn")
        pools.append(ProcessPoolExecutor(jobs, mp_context=context, initializer=settle))
        return pools[-1]

    with _one_thread_each():
        try:
            yield Crew(renew(), 2 * jobs, renew)
        finally:
            for pool in pools:
                pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started meanwhile do their linear algebra in one thread."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# --------------------------------------------------------------------------- cluster
@contextmanager
def _cluster(address: str) -> Iterator[Crew]:
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise UserError(
            "executor dask: needs the package distributed: pip install 'ad-budget-simulator[distributed]'"
        ) from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {address}: {error}") from error
    try:
        _wait_for_one(client, address)
        executor = client.get_executor(pure=False)
        lost = (BrokenExecutor, KilledWorker)
        crew = Crew(executor, 2, None, lost, lambda: sum(client.nthreads().values()))
        crew.room()
        yield crew
    finally:
        client.close()


def _wait_for_one(client: Any, address: str) -> None:
    """Workers that are started together with the sweep may come a little later."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        raise UserError(f"the Dask scheduler at {address} has no workers") from None


# --------------------------------------------------------------------------- the loop
@dataclass
class Runner:
    """Gives out tasks and hands on their answers, in whatever order they come."""

    crew: Crew
    flying: dict[Future[Answer], Work] = field(default_factory=dict)
    again: deque[Work] = field(default_factory=deque)
    tries: dict[str, int] = field(default_factory=dict)

    def answers(self, works: Iterable[Work]) -> Iterator[tuple[Work, Answer]]:
        """Every task with its answer; tasks are made ready only when there is room for them."""
        waiting = iter(works)
        try:
            while self._fill(waiting):
                done, _ = wait(self.flying, return_when=FIRST_COMPLETED)
                for future in done:
                    work = self.flying.pop(future)
                    answer = self._answer(future, work)
                    if answer is not None:
                        yield work, answer
        finally:
            for future in self.flying:
                future.cancel()

    def _fill(self, waiting: Iterator[Work]) -> bool:
        """Give out tasks while there is room; whether any is under way."""
        while len(self.flying) < self.crew.room():
            work = self.again.popleft() if self.again else next(waiting, None)
            if work is None:
                break
            try:
                self.flying[self.crew.executor.submit(play, work)] = work
            except BrokenExecutor as error:
                self.again.appendleft(work)
                self._renew(error)
        return bool(self.flying)

    def _answer(self, future: Future[Answer], work: Work) -> Answer | None:
        """The answer, or None if the worker died and the task waits for another."""
        try:
            return future.result()
        except self.crew.lost as error:
            self.tries[work.key] = self.tries.get(work.key, 0) + 1
            if self.tries[work.key] >= MOST_TRIES:
                raise RunError(
                    f"workers died {MOST_TRIES} times at or beside cell {work.labels['cell']} of "
                    f"{work.labels['scenario']} (is there enough memory?); what is done is safe"
                ) from error
            self.again.append(work)
            return None
        except (CancelledError, OSError) as error:
            raise RunError(f"the workers are gone ({error}); what is done is safe") from error

    def _renew(self, error: BaseException) -> None:
        """New workers for a broken pool; tasks of the old one come back by themselves."""
        if self.crew.renew is None:
            raise RunError(f"the executor broke down ({error}); what is done is safe") from error
        self.crew.executor = self.crew.renew()
