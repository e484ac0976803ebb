"""`adsim sweep`: play a study, go on where it was stopped, and show what is there."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from simulator.console import (
    FORMAT,
    Progress,
    anchored,
    deliver,
    json_text,
    made_folder,
    put,
    written_to,
)
from simulator.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from simulator.sweeps.study import Study
    from simulator.sweeps.sweep import Estimate


@dataclass(frozen=True)
class Asked:
    """What the options say."""

    folder: str | None
    executor: str
    jobs: int | None
    dry_run: bool
    status: bool
    table: bool
    target: str | None
    metric: str | None
    plan: str | None
    by: tuple[str, ...]
    form: str
    quiet: bool
    allow_mixed: bool


@click.command("sweep")
@click.argument("file", metavar="STUDY")
@click.option("--store", "folder", metavar="DIR", help="Where the parts are kept.")
@click.option(
    "--executor", default="process", show_default=True, metavar="NAME",
    help="Who computes: process, none (this process), or dask:tcp://HOST:PORT.",
)  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(1, 1024), default=None,
    help="Processes to run at once. Default: one per processor.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say what it would take.")
@click.option("--status", is_flag=True, help="Only say how far the store is.")
@click.option("--table", is_flag=True, help="Print a row per cell and plan.")
@click.option("-o", "target", metavar="DIR", help="Save tables here, with figures.")
@click.option("--metric", metavar="NAME", help="What -o is about. Default: the study's first.")
@click.option(
    "--plan", metavar="NAME",
    help="Whose figures -o draws. Default: the plan that gives away least over all cells.",
)  # fmt: skip
@click.option(
    "--by", multiple=True, metavar="NAME",
    help="Parameter across, and given again up, in the heat map of -o. Default: the two that "
    "move the plan most.",
)  # fmt: skip
@FORMAT
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@click.option("--allow-mixed", is_flag=True, help="Go on with other versions or processors.")
def sweep(file: str, **options: Any) -> None:
    """Play every plan of a STUDY file in every cell, and keep the answers in a store.

    Stopped by whatever, the same command goes on where it was.
    """
    from simulator.sweeps.study import read_study

    asked = Asked(**options)
    _check(asked)
    study = read_study(file, lambda name, scenario: anchored(name, scenario, asked.quiet))
    _answer(study, asked)


def _check(asked: Asked) -> None:
    """Refuse options that make no sense, by themselves or together."""
    for name, value in (
        ("--store", asked.folder),
        ("--metric", asked.metric),
        ("--plan", asked.plan),
    ):
        if value == "":
            raise UserError(f"{name} is empty: give it a value, or leave it out")
    only = [name for name in ("dry_run", "status") if getattr(asked, name)]
    more = [name for name, value in (("table", asked.table), ("o", asked.target)) if value]
    if len(only) > 1 or (only and more):
        both = [
            f"--{name.replace('_', '-')}" if len(name) > 1 else f"-{name}" for name in only + more
        ]
        raise UserError(f"{both[0]} prints nothing else: leave out {' and '.join(both[1:])}")
    if not asked.dry_run and asked.folder is None:
        raise UserError("say where to keep the parts: --store DIR")
    figures = [name for name in ("metric", "plan", "by") if getattr(asked, name)]
    if figures and asked.target is None:
        raise UserError(
            f"--{figures[0]} is about tables and figures: say where to save them, -o DIR"
        )
    if asked.by and len(set(asked.by)) != 2:
        raise UserError(f"--by: name two parameters (got {', '.join(map(repr, asked.by))})")


def _answer(study: "Study", asked: Asked) -> None:
    """What the options ask for."""
    store = asked.folder or ""
    if asked.dry_run:
        _say_estimate(study, asked.jobs, asked.form)
    elif asked.status:
        _say_status(study, store, asked.form)
    else:
        _check_names(study, asked)
        target = made_folder(asked.target)
        if not _is_complete(study, store):
            _play(study, asked, store)
        say = partial(_say_table if asked.table else _say_status, study, store, asked.form)
        deliver(say, partial(_save, study, asked, target) if target else None)


def _check_names(study: "Study", asked: Asked) -> None:
    """Refuse to draw what the study does not have, before any work."""
    plans = [plan for case in study.cases for plan in case.plan_names]
    for option, names, known in (
        ("--metric", [asked.metric], study.metrics), ("--plan", [asked.plan], plans),
        ("--by", asked.by, list(study.design.over)),
    ):  # fmt: skip
        for name in names:
            if name is not None and name not in known:
                from simulator.scenario.amounts import suggestion

                near = suggestion(name, list(known)) or f"; known are {', '.join(known) or 'none'}"
                raise UserError(f"{option}: the study has no {name!r}{near}")


def _is_complete(study: "Study", folder: str) -> bool:
    """Whether only reading is left, which any later version of the program may do, too."""
    from simulator.sweeps.store import has_manifest
    from simulator.sweeps.sweep import status_of

    if not has_manifest(folder):
        return False
    found = status_of(study, folder)
    return found["done"] == found["tasks"]


def _play(study: "Study", asked: Asked, folder: str) -> None:
    from simulator.sweeps.runner import Runner, crew_of
    from simulator.sweeps.sweep import Sweeping, open_store

    with crew_of(asked.executor, asked.jobs) as crew, _bar(asked.quiet) as progress:
        store = open_store(study, folder, allow_mixed=asked.allow_mixed)
        Sweeping(study, store, progress).go(Runner(crew))


@contextmanager
def _bar(quiet: bool) -> Iterator[Progress | None]:
    """Lanes done, their rate and the time left, on stderr, where somebody looks at it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    rate = TextColumn("{task.fields[rate]:,.0f} lanes/s")
    columns = (BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("playing", total=None, rate=0.0)
        start, before = time.monotonic(), list[int]()

        def show(done: int, total: int) -> None:
            if not before:
                before.append(done)  # of an earlier sweep
            rate = (done - before[0]) / max(time.monotonic() - start, 1e-9)
            bar.update(task, completed=done, total=total, rate=rate)

        yield show


# --------------------------------------------------------------------------- answers
def _say_estimate(study: "Study", jobs: int | None, form: str) -> None:
    import os
    from dataclasses import asdict

    from simulator.sweeps.sweep import estimate

    found = estimate(study, jobs or os.cpu_count() or 1)
    _say(asdict(found), form, _estimate_text(found))


def _estimate_text(found: "Estimate") -> str:
    return (
        f"{found.cells:,} cells, {found.plans:,} plans, {found.lanes:,} lanes in {found.tasks:,} parts\n"
        f"about {_duration(found.seconds)} and {_size(found.size)} on disk"
    )


def _size(size: float) -> str:
    """Bytes in words.

    >>> _size(5_236), _size(2.5e6), _size(1.8e9)
    ('5 kB', '2.5 MB', '1,800.0 MB')
    """
    return f"{size / 1e3:,.0f} kB" if size < 1e6 else f"{size / 1e6:,.1f} MB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _say_status(study: "Study", folder: str, form: str) -> None:
    from simulator.sweeps.sweep import status_of

    found = status_of(study, folder)
    text = "{done:,} of {tasks:,} parts are done, {missing:,} missing, {damaged:,} damaged"
    _say(found, form, text.format(**found))


def _say(numbers: dict[str, Any], form: str, text: str) -> None:
    if form == "json":
        click.echo(json.dumps(numbers))
    elif form == "csv":
        click.echo(",".join(numbers) + "\n" + ",".join(map(str, numbers.values())))
    else:
        click.echo(text)


def _say_table(study: "Study", folder: str, form: str) -> None:
    from simulator.sweeps.store import read_store
    from simulator.sweeps.sweep import cells_of

    rows = cells_of(read_store(folder), study)
    if form == "json":
        head = {"study": study.name, "seed": study.seed, "replications": study.replications}
        document = head | {"mode": study.mode, "rows": rows}
        click.echo(json_text(document))
    elif form == "csv":
        click.echo(_csv(rows), nl=False)
    else:
        click.echo(_columns(rows))


def _csv(rows: list[dict[str, Any]]) -> str:
    """A row per scenario, cell, plan and metric."""
    import csv
    import io

    statistics = ["mean", "p10", "p50", "p90", "ci_lo", "ci_hi"]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["scenario", "cell", *rows[0]["values"], "plan", "metric", *statistics])
    for row in rows:
        head = [row["scenario"], row["cell"], *row["values"].values(), row["plan"]]
        for name, figures in row["metrics"].items():
            table.writerow([*head, name, *(figures.get(key) for key in statistics)])
    return text.getvalue()


def _columns(rows: list[dict[str, Any]]) -> str:
    """Means, for people."""
    names, metrics = list(rows[0]["values"]), list(rows[0]["metrics"])
    head = [
        "scenario",
        "cell",
        *endings(names, ["scenario", "cell", "plan", *metrics]),
        "plan",
        *metrics,
    ]
    lines = [head]
    for row in rows:
        means = [_number(figures["mean"]) for figures in row["metrics"].values()]
        values = [_number(value) for value in row["values"].values()]
        lines.append([row["scenario"], str(row["cell"]), *values, row["plan"], *means])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    left = {0, 2 + len(names)}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n in left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def endings(paths: Sequence[str], taken: Sequence[str] = ()) -> list[str]:
    """The shortest ending of each path that tells it from the others, and from words that are taken.

    >>> endings(["slots.feed.median_cpm", "slots.search.median_cpm", "chain.fatigue"])
    ['feed.median_cpm', 'search.median_cpm', 'fatigue']
    """
    return [
        next((end for end in _ends(path) if not _shared(end, path, paths, taken)), path)
        for path in paths
    ]


def _ends(path: str) -> list[str]:
    """Endings at the dots, the shortest first."""
    parts = path.split(".")
    return [".".join(parts[n:]) for n in reversed(range(len(parts)))]


def _shared(end: str, path: str, paths: Sequence[str], taken: Sequence[str]) -> bool:
    return end in taken or any(end in _ends(other) for other in paths if other != path)


def _number(value: float | str | None) -> str:
    if value is None:
        return "-"
    return (
        value
        if isinstance(value, str)
        else f"{value:,.4g}"
        if abs(value) < 1e4
        else f"{value:,.0f}"
    )


# --------------------------------------------------------------------------- files
def _save(study: "Study", asked: Asked, folder: str) -> None:
    """Write tables and figures, from what is in the store."""
    from simulator.reports.study_figures import write_study_figures
    from simulator.sweeps.store import read_store
    from simulator.sweeps.sweep import cells_of

    rows, metric = read_store(asked.folder or ""), asked.metric or study.metrics[0]
    tables = {"table.csv": _csv(cells_of(rows, study)), **_tables(study, rows, metric)}
    names = list(tables)
    with written_to(folder, names, asked.quiet) as place:
        for name, text in tables.items():
            put(place / name, text)
        by = (asked.by[0], asked.by[1]) if asked.by else None
        names += write_study_figures(rows, metric, place, plan=asked.plan, by=by, mode=study.mode)


def _tables(study: "Study", rows: "pd.DataFrame", metric: str) -> dict[str, str]:
    """What the rows say of a metric, by the names of the files."""
    from simulator.outcomes.metrics import BY_NAME
    from simulator.sweeps.analysis import best_plans, regrets
    from simulator.sweeps.effects import swings

    frames = {"swings.csv": swings(rows, metric, study.mode)} if study.design.over else {}
    if BY_NAME[metric].wish:
        frames |= {"best_plans.csv": best_plans(rows, metric), "regrets.csv": regrets(rows, metric)}
    return {name: frame.to_csv(index=False, lineterminator="\n") for name, frame in frames.items()}
