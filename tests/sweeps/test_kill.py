"""Real processes and real signals: whatever stops a sweep, the next start completes it, to the bit.

What is compared are the files of the store: their names hold the digest of their content, so equal
names are equal rows; none is there twice and none is missing.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

import simulator as sim
from simulator.errors import RunError, UserError
from simulator.sweeps.runner import MOST_TRIES, Here, Runner, crew_of
from simulator.sweeps.store import read_store
from simulator.sweeps.study import read_study
from simulator.sweeps.sweep import Sweeping, open_store
from tests.sweeps.studies import (
    MAIN,
    PARTS,
    ROOT,
    finish,
    parts_in,
    start,
    wait_for_parts,
    write_study,
)

ALONE = ("--executor", "none", "--quiet")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def whole(study, tmp_path_factory):
    """Parts of the run that nobody disturbs, in this process."""
    folder = tmp_path_factory.mktemp("whole")
    sim.sweep(study, store=folder)
    parts = parts_in(folder)
    assert len(parts) == PARTS
    return parts


def leftovers(store):
    """Files that a stopped process left half-written."""
    return [path for path in store.rglob(".*") if path.is_file()]


# --- the main process ---------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_again_and_again_a_sweep_ends_as_if_undisturbed(study, whole, tmp_path):
    chance, killed = random.Random(5), 0
    for number, stop in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL), 1):
        process = start(study, tmp_path, *ALONE)
        wait_for_parts(tmp_path, number, process)
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(stop)
        code, _, err = finish(process)
        assert (code, err) in {(-stop, ""), (0, "")}  # on a machine that stalls, it may be done
        assert parts_in(tmp_path).items() <= whole.items()
        killed += code == -stop
    assert killed >= 1
    code, out, err = finish(start(study, tmp_path, *ALONE))
    assert (code, err) == (0, "")
    assert out == f"{PARTS} of {PARTS} parts are done, 0 missing, 0 damaged\n"
    assert parts_in(tmp_path) == whole


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_leaves_a_store_to_go_on_with(study, whole, tmp_path):
    for number in range(3):  # on a machine that stalls, it may be done before it is stopped
        store = tmp_path / f"store{number}"
        process = start(study, store, "--executor", "process", "--jobs", "2")
        wait_for_parts(store, 1, process)
        process.send_signal(signal.SIGINT)
        found = finish(process)
        if found[0]:
            break
    assert found == (130, "", "\nstopped\n")
    assert leftovers(store) == []
    assert parts_in(store).items() <= whole.items()
    sim.sweep(study, store=store)
    assert parts_in(store) == whole


@pytest.mark.slow
def test_workers_of_a_killed_process_do_not_stay(study, tmp_path):
    process = start(study, tmp_path, "--executor", "process", "--jobs", "1", code=TELLING)
    workers = [int(line) for line in iter(process.stdout.readline, "workers\n")]
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(map(is_running, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    stayed = [pid for pid in workers if is_running(pid)]
    for pid in stayed:
        os.kill(pid, signal.SIGKILL)
    finish(process)
    assert workers
    assert stayed == []


TELLING = """
import sys, multiprocessing
from simulator.cli import main
from simulator.sweeps.store import Store
write = Store.write
def tell(*arguments):
    written = write(*arguments)
    for child in multiprocessing.active_children():
        print(child.pid)
    print("workers", flush=True)
    return written
Store.write = tell
sys.exit(main())
"""


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = f"/proc/{pid}/stat"  # a process that has ended may wait to be collected
    if not os.path.exists(stat):
        return not os.path.isdir("/proc/self")
    with open(stat, encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_two_processes_may_fill_one_store(study, whole, tmp_path):
    both = [start(study, tmp_path, *ALONE) for _ in range(2)]
    assert [finish(process)[::2] for process in both] == [(0, ""), (0, "")]
    assert parts_in(tmp_path) == whole
    assert leftovers(tmp_path) == []


@pytest.mark.slow
def test_a_full_disk_ends_with_1_and_what_is_done_stays(study, whole, tmp_path):
    """No file may grow beyond the manifest and the smaller parts, as on a disk that is full."""
    sizes = sorted(map(len, whole.values()))
    manifest = write_manifest(study, tmp_path)
    limit = sizes[len(sizes) // 2] - 1
    assert manifest < limit
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n{MAIN}"
    ended, out, err = finish(start(study, tmp_path, *ALONE, code=code))
    assert (ended, out) == (1, "")
    assert f"Error: cannot write to {tmp_path}: " in err
    assert "what is done is safe: make room and start again" in err
    assert leftovers(tmp_path) == []
    assert parts_in(tmp_path).items() < whole.items()
    sim.sweep(study, store=tmp_path)
    assert parts_in(tmp_path) == whole


@pytest.mark.slow
def test_a_full_file_system_leaves_whole_parts_and_is_gone_on_with(study, whole, tmp_path):
    """A real one: of memory, with room for the manifest and a few parts, then made larger."""
    store, copies = tmp_path / "store", tmp_path / "copies"
    store.mkdir()
    room = write_manifest(study, tmp_path / "measured") + sum(map(len, whole.values())) // 2
    space = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", FULL]
    command = [sys.executable, "-c", MAIN, "sweep", str(study), "--store", str(store), *ALONE]
    answer = in_own_space([*space, str(store), str(copies), str(room), *command])
    (code, out, err), then = answer
    assert (code, out) == (1, "")
    assert f"Error: cannot write to {store}: No space left on device; what is done is safe" in err
    assert leftovers(copies / "full") == []
    kept = parts_in(copies / "full")
    assert 0 < len(kept) < PARTS
    assert kept.items() < whole.items()
    assert then == [0, f"{PARTS} of {PARTS} parts are done, 0 missing, 0 damaged\n", ""]
    assert parts_in(copies / "done") == whole


def in_own_space(command):
    """The JSON that a process prints which may mount file systems that nobody else sees."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    try:
        found = subprocess.run(
            command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, encoding="utf-8",
            capture_output=True, timeout=120, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no unshare on this system, so no file system of its own")
    if found.returncode == 77 or "unshare" in found.stderr:
        pytest.skip(f"a file system of memory may not be mounted here: {found.stderr.strip()}")
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


FULL = """
import json, shutil, subprocess, sys
store, copies, room, *command = sys.argv[1:]
def mount(*options):
    if shutil.which("mount") is None or subprocess.run(["mount", *options, store]).returncode:
        sys.exit(77)
def sweep(name):
    found = subprocess.run(command, capture_output=True, encoding="utf-8")
    shutil.copytree(store, copies + "/" + name)
    return found.returncode, found.stdout, found.stderr
mount("-t", "tmpfs", "-o", "size=" + room, "none")
first = sweep("full")
mount("-o", "remount,size=8m")
print(json.dumps([first, sweep("done")]))
"""


def write_manifest(study, store):
    """Begin the store; the size of its manifest."""
    open_store(read_study(study), store)
    return (store / "manifest.json").stat().st_size


# --- workers ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced(study, whole, tmp_path):
    """Two processes give the same bytes as one, also when workers die on the way."""
    read, struck = read_study(study), []
    store = open_store(read, tmp_path)
    with crew_of("process", 2) as crew:
        sweeping = Sweeping(read, store)
        for work, answer in Runner(crew).answers(sweeping._works()):
            sweeping._keep(work.key, answer)
            if crew.executor not in struck and len(struck) < 2:  # the first pool, then the next
                struck.append(crew.executor)
                os.kill(next(iter(crew.executor._processes)), signal.SIGKILL)
    assert len(struck) == 2
    assert parts_in(tmp_path) == whole


def test_a_task_that_kills_every_worker_is_named(study, monkeypatch):
    """An executor whose workers die is renewed a few times, then the sweep gives up."""
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool

    class Dying(Here):
        def submit(self, fn, /, *args, **kwargs):
            future = Future()
            future.set_exception(BrokenProcessPool("gone"))
            return future

    with pytest.raises(
        RunError, match=f"workers died {MOST_TRIES} times at or beside cell [01] of brief"
    ):
        sim.sweep(study, executor=Dying(), jobs=1)


def test_an_executor_that_cannot_be_renewed_ends_the_sweep(study):
    from concurrent.futures import BrokenExecutor

    class Broken(Here):
        def submit(self, fn, /, *args, **kwargs):
            raise BrokenExecutor("shut")

    with pytest.raises(RunError, match=r"the executor broke down \(shut\); what is done is safe"):
        sim.sweep(study, executor=Broken())


def test_at_most_twice_the_workers_are_under_way(study):
    """Memory is bounded by the tasks under way: none is made ready before there is room."""
    from concurrent.futures import Future

    class Slow(Here):
        waiting: list = []  # noqa: RUF012
        most = 0

        def submit(self, fn, /, *args, **kwargs):
            future = Future()
            self.waiting.append((future, fn, args))
            Slow.most = max(Slow.most, len(self.waiting))
            if len(self.waiting) == 4:  # full: the oldest is done
                oldest, work, arguments = self.waiting.pop(0)
                oldest.set_result(work(*arguments))
            return future

    read = read_study(study)
    with crew_of(Slow(), 2) as crew:
        ready = Sweeping(read)._works()
        made, runner = [], Runner(crew)
        answers = runner.answers(made.append(work) or work for work in ready)
        next(answers)
        assert (len(made), Slow.most) == (4, 4)
        answers.close()


@pytest.mark.parametrize("name", ["proces", "ray", "dask"])
def test_an_unknown_executor_is_refused(study, name):
    with pytest.raises(UserError, match="known are none, process, dask:tcp://HOST:PORT"):
        sim.sweep(study, executor=name)


# --- a cluster ----------------------------------------------------------------------------------


@contextmanager
def cluster(folder, workers):
    """A Dask scheduler and workers on the loopback, ended by their own ids."""
    with (
        started("scheduler", folder, 1, "--port", "0") as scheduler,
        workers_of(folder, workers) as others,
    ):
        yield address_in(folder / "scheduler.json"), [*scheduler, *others]


def workers_of(folder, count):
    options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
    return started("worker", folder, count, *options)


@contextmanager
def started(kind, folder, count, *options):
    """So many processes of `dask scheduler` or `dask worker`."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
    common = [
        "--scheduler-file",
        str(folder / "scheduler.json"),
        "--host",
        "127.0.0.1",
        "--no-dashboard",
    ]
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *common, *options]
    processes = [
        subprocess.Popen(
            command, cwd=folder, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for _ in range(count)
    ]  # fmt: skip
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def address_in(file):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            return json.loads(file.read_text(encoding="utf-8"))["address"]
        except (OSError, ValueError):
            time.sleep(0.05)
    raise AssertionError("the scheduler did not start")


def wait_for_workers(address, count):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)


needs_dask = pytest.mark.skipif(
    find_spec("distributed") is None, reason="distributed is not installed"
)


@pytest.mark.slow
@needs_dask
def test_a_cluster_gives_the_same_bytes_and_may_lose_a_worker(study, whole, tmp_path):
    with cluster(tmp_path, 2) as (address, processes):
        assert address.startswith("tcp://127.0.0.1:")
        wait_for_workers(address, 2)
        read = read_study(study)
        store = open_store(read, tmp_path / "store")

        def progress(done, total):
            if done and processes[-1].poll() is None:
                processes[-1].kill()

        with crew_of(f"dask:{address}") as crew:
            assert crew.under_way == 4
            Sweeping(read, store, progress).go(Runner(crew))
        assert processes[-1].wait() == -signal.SIGKILL
    assert parts_in(tmp_path / "store") == whole
    assert len(read_store(tmp_path / "store")) == 3 * PARTS


@pytest.mark.slow
@needs_dask
def test_workers_may_come_later_and_none_at_all_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("simulator.sweeps.runner.PATIENCE", "0.3s")
    monkeypatch.setattr("simulator.sweeps.runner.COUNT_AGAIN", 0.0)
    with cluster(tmp_path, 0) as (address, _):
        with pytest.raises(UserError, match=f"scheduler at {address} has no workers"):
            next(crew_of(f"dask:{address}").gen)
        monkeypatch.setattr("simulator.sweeps.runner.PATIENCE", "60s")
        with workers_of(tmp_path, 1), crew_of(f"dask:{address}") as crew:
            assert crew.room() == 2
            with workers_of(tmp_path, 1):
                wait_for_workers(address, 2)
                assert crew.room() == 4


@needs_dask
def test_a_scheduler_that_does_not_answer_is_named(study, monkeypatch):
    with socket.socket() as taken:  # nobody listens here
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr("simulator.sweeps.runner.PATIENCE", "0.3s")
        with pytest.raises(UserError, match=f"no Dask scheduler answers at {address}"):
            sim.sweep(study, executor=f"dask:{address}")


def test_without_the_package_a_cluster_is_refused_with_the_mend(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install 'ad-budget-simulator\[distributed\]'"):
        sim.sweep(study, executor="dask:tcp://127.0.0.1:1")
