"""What the commands share: options, the bar, worker processes, and where to write.

Imports that take time wait inside the functions, as in the commands.
"""

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING, Any, NoReturn

import click

from simulator.errors import ScenarioError, UserError
from simulator.workers import settle

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing.process import BaseProcess

    from simulator.calibration.anchors import Anchored
    from simulator.outcomes import Outcomes
    from simulator.scenario.plan import Plan
    from simulator.scenario.schema import Scenario

Progress = Callable[[int, int], None]

INTERRUPTED = 130
"""Exit code after Ctrl-C."""

_OURS = re.compile(
    r"(frontier|goal|portfolio)\.json|(table|days|people|schedule|truth|swings|best_plans|regrets)\.csv"
    r"|(frontier|split_by_(scene|phase)|marginal|waterfall|tornado|heat_map|best_plan|regret)(-.+)?\.(svg|png)"
)
"""Files of answers: those of an older answer go when a new one takes their place."""

SETS = click.option(
    "--set", "sets", multiple=True, metavar="KEY=VALUE",
    help="Lay a value over the file, such as slots.search.median_cpm=60; may be repeated.",
)  # fmt: skip
FORMAT = click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table",
    show_default=True, help="How to print the answer.",
)  # fmt: skip


def anchored(
    file: str, scenario: "Scenario", quiet: bool, sets: Sequence[str] = ()
) -> "Scenario":  # fmt: skip
    """The scenario, read with `sets`, at the levels that its file's anchors ask for; they are said on stderr.

    Anchors tell of the past as the file has it: what a --set asks instead does not move the levels.
    """
    if scenario.anchors is None:
        return scenario
    found = fitted(file, scenario, sets)
    for row in found.contradictions:
        click.echo(f"{file}: anchors.{row.name} is not met (simulated {row.off:+.0%})", err=True)
    if not quiet:
        levels = ", ".join(f"{name} x{level:.3g}" for name, level in found.levels.items())
        click.echo(f"anchors set {levels}", err=True)
    return found.of(scenario, {_key(text) for text in sets})


def fitted(file: str, scenario: "Scenario", sets: Sequence[str]) -> "Anchored":
    """Levels for the file's own anchors, or those that are set; of other --set it knows nothing."""
    from simulator.calibration.anchors import anchor
    from simulator.scenario import read_scenario

    own = [text for text in sets if _key(text).split(".")[0] == "anchors"]
    if len(own) == len(sets):
        return anchor(scenario)
    try:
        return anchor(read_scenario(file, own))
    except ScenarioError:  # right with all of --set alone
        return anchor(scenario)


def _key(text: str) -> str:
    """The name in KEY=VALUE."""
    return text.partition("=")[0].strip()


def chosen_plans(scenario: "Scenario", names: Sequence[str]) -> "list[Plan]":
    """The plans of these names, each once, or all of the file."""
    from simulator.scenario.plan import named_plans

    return named_plans(scenario, tuple(dict.fromkeys(names)))


def made_folder(folder: str | None, runs: Iterable[str] = ()) -> str | None:
    """The folder, made and tried before the run: a run that cannot be saved is not begun.

    `runs` are the folders in it to which runs will be written; "" is itself.
    """
    if folder is None:
        return None
    if not folder:
        raise UserError("-o is empty: give it a folder, or leave it out")
    _check_free(folder, runs)
    try:
        os.makedirs(folder, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}") from None
    return folder


def _check_free(folder: str, runs: Iterable[str]) -> None:
    from simulator.outcomes.store import check_free

    for name in runs:
        check_free(Path(folder, name))


@contextmanager
def written_to(
    folder: str, names: Sequence[str], quiet: bool, runs: "Mapping[str, Outcomes] | None" = None
) -> Iterator[Path]:
    """A place for files that go to the folder together with the runs, once all of them are written.

    Files of an older answer go then. What goes wrong is told in a line, and so is what the folder
    holds at last.
    """
    try:
        with TemporaryDirectory(dir=folder, prefix=".", suffix=".part") as place:
            yield Path(place)
            with uninterrupted():
                _move(Path(place), Path(folder), runs or {})
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from None
    if not quiet:
        click.echo(f"wrote to {folder}: {', '.join(names)}", err=True)


def _move(place: Path, folder: Path, runs: "Mapping[str, Outcomes]") -> None:
    from simulator.outcomes import write_outcomes

    for name, run in runs.items():
        write_outcomes(run, folder / name)
    for name in {"", *_shared_by(folder)} - set(runs):  # before the list of them goes
        _clear(folder, name)
    for old in folder.iterdir():
        if _OURS.fullmatch(old.name) and old.is_file() and not (place / old.name).exists():
            old.unlink()
    for file in [path for path in place.rglob("*") if path.is_file()]:
        file.replace(folder / file.relative_to(place))


def _shared_by(folder: Path) -> set[str]:
    """Folders of the files of an older portfolio, by its own answer."""
    import json

    try:
        answer = json.loads((folder / "portfolio.json").read_text(encoding="utf-8"))
        return {name for name in answer["plans"] if Path(name).name == name != ".."}
    except (OSError, ValueError, RecursionError, TypeError, KeyError):
        return set()


def _clear(folder: Path, name: str) -> None:
    """Take an older run away; that of a file of a portfolio with its schedule, and its folder if it is empty then."""
    from simulator.outcomes.portfolio import SHARED
    from simulator.outcomes.store import plans_in, remove_outcomes

    place = folder / name
    if not name:
        remove_outcomes(place)
    elif SHARED in plans_in(place):  # another run may have been saved there since
        remove_outcomes(place)
        (place / "schedule.csv").unlink(missing_ok=True)
        with suppress(OSError):  # somebody's own files are in it
            place.rmdir()


def deliver(say: Callable[[], None], save: Callable[[], None] | None) -> None:
    """Print an answer and save it: neither is lost because the other cannot be done."""
    try:
        say()
        sys.stdout.flush()
    finally:
        if save is not None:
            save()


def put(path: Path, text: str) -> None:
    """Text; tables with the mark by which spreadsheet programs know UTF-8."""
    coding = "utf-8-sig" if path.suffix == ".csv" else "utf-8"
    path.write_text(text, encoding=coding, newline="")


@contextmanager
def room_for(folder: str | None, runs: Iterable[str] = ("",)) -> Iterator[str | None]:
    """The folder while its answer is sought: where none is found, a folder made for it goes again."""
    new = folder is not None and not os.path.isdir(folder)
    made = made_folder(folder, runs)
    try:
        yield made
    except BaseException:
        if made and new:
            with suppress(OSError):
                os.rmdir(made)
        raise


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until what is begun is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(1))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def json_text(document: dict[str, Any]) -> str:
    """One document; what is not a number has been made null before."""
    import json

    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)


def bold(text: str) -> str:
    """A heading, for terminals that want it."""
    dumb = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    plain = dumb or not sys.stdout.isatty()
    return text if plain else click.style(text, bold=True)


def warn_of_shortage(scenario: "Scenario", plans: "list[Plan]") -> None:
    """Say on stderr which bookings are larger than what there is."""
    from simulator.scenario.availability import lines_of

    for line in lines_of(scenario, plans, short_only=True):
        click.echo(f"Warning: {line}", err=True)


def warn_of_idle_budget(scenario: "Scenario", plans: "Sequence[Plan]", sets: Iterable[str]) -> None:
    """Say on stderr which plans another budget does not change: those that are written in CNY."""
    from simulator.scenario.plan import has_budgets

    if not any(_key(text) == "budget" for text in sets):
        return
    fixed = {name for name, entry in scenario.plans.items() if not entry.in_shares}
    if not scenario.plans and has_budgets(scenario):
        fixed = {"current"}
    idle = ", ".join(plan.name for plan in plans if plan.name in fixed)
    if idle:
        words = "written in CNY; write shares (20%) to have them follow the budget"
        click.echo(f"Warning: --set budget does not change {idle}: {words}", err=True)


@contextmanager
def bar(quiet: bool) -> Iterator[Progress | None]:
    """A bar on stderr, where somebody looks at it: (done, in all)."""
    with _shown_bar(quiet) as update:
        yield update and (lambda done, total: update("simulating", done, total))


@contextmanager
def share_bar(quiet: bool) -> Iterator[Callable[[str, float], None] | None]:
    """The same for work that tells in words what it does: (words, share that is behind)."""
    with _shown_bar(quiet) as update:
        yield update and (lambda words, share: update(words, share, 1.0))


@contextmanager
def _shown_bar(quiet: bool) -> Iterator[Callable[[str, float, float], None] | None]:
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("starting", total=None)

        def update(words: str, done: float, total: float) -> None:
            shown.update(task, description=words, completed=done, total=total)

        yield update


@contextmanager
def workers(jobs: int) -> Iterator[Any]:
    """Processes to compute in; None for this one alone. Ctrl-C ends them with the command."""
    if jobs == 1:
        yield None
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import active_children

    before = set(active_children())
    pool = ProcessPoolExecutor(jobs, initializer=settle)
    _start(pool)
    try:
        yield pool
    except KeyboardInterrupt:
        _leave(set(active_children()) - before)
    finally:
        # Python waits for them when it ends anyway, but may then write to a pipe that is being closed.
        pool.shutdown(wait=True, cancel_futures=True)


def _leave(children: "Iterable[BaseProcess]") -> NoReturn:
    """End the program with its workers; a pool that has lost workers can keep Python from ending."""
    for child in children:
        child.terminate()
    click.echo("\nstopped", err=True)
    sys.stdout.flush()
    os._exit(INTERRUPTED)


def _start(pool: "ProcessPoolExecutor") -> None:
    """Start the workers while Ctrl-C waits: none of them is hit before it ignores it."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        pool.submit(abs, 0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
