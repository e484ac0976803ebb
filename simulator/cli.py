"""The command line: data on stdout, everything else on stderr, one exit code.

0 all is well; 1 the run failed; 2 the command or a file is wrong; 130 stopped by Ctrl-C. Imports
that take time wait inside the commands, so that `adsim --help` and `adsim check` answer at once.
"""

import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TextIO

import click

from simulator import __version__
from simulator.cli_optimize import optimize
from simulator.cli_sweep import sweep
from simulator.console import (
    FORMAT,
    INTERRUPTED,
    SETS,
    anchored,
    bar,
    bold,
    chosen_plans,
    deliver,
    fitted,
    json_text,
    put,
    room_for,
    warn_of_idle_budget,
    warn_of_shortage,
    workers,
    written_to,
)
from simulator.errors import RunError, ScenarioError, UserError
from simulator.files import write_whole

if TYPE_CHECKING:
    import pandas as pd

    from simulator.calibration.anchors import Anchored
    from simulator.outcomes import Outcomes
    from simulator.scenario.schema import Scenario


_NO_ROOM = (errno.EPIPE, errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)
"""Why stdout takes no more: its reader has gone, or the disk is full."""


# --------------------------------------------------------------------------- the program
class Program(click.Group):
    """Ends every command with an exit code and a line on stderr, never with a traceback."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **__: Any) -> NoReturn:
        """Run one command and leave Python."""
        sys.exit(main(args))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    _open_streams()
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except (Exception, KeyboardInterrupt) as error:
        try:
            _say(error)
            sys.stderr.flush()
        except OSError:  # nobody hears it
            _drop(sys.stderr)
        return _code(error)


def _open_streams() -> None:
    """UTF-8 whatever the terminal says; what a stream is given, it writes as a whole or fails."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed: >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(getattr(stream, "buffer", None), io.RawIOBase):  # PYTHONUNBUFFERED
            whole = io.BufferedWriter(stream.buffer)
            setattr(sys, name, io.TextIOWrapper(whole, "utf-8", "backslashreplace"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _run(arguments: list[str]) -> int:
    with adsim.make_context("adsim", arguments) as context:
        code = adsim.invoke(context)
    sys.stdout.flush()
    return int(code or 0)


def _code(error: BaseException) -> int:
    """The exit code of a command that ended early."""
    if isinstance(error, click.exceptions.Exit | UserError | RunError):
        return error.exit_code
    if isinstance(error, click.ClickException):
        return UserError.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return INTERRUPTED
    seen_enough = isinstance(error, BrokenPipeError)  # adsim run ... | head
    return 0 if seen_enough else RunError.exit_code


def _say(error: BaseException) -> None:
    """Say on stderr what ended a command early."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        _drop(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            click.echo(f"Error: cannot print the answer: {error.strerror}", err=True)
    elif isinstance(error, click.ClickException):
        error.show()
    elif isinstance(error, UserError | RunError):
        placed = isinstance(error, ScenarioError)
        click.echo(error if placed else f"Error: {error}", err=True)
    elif isinstance(error, KeyboardInterrupt | click.Abort):
        click.echo("\nstopped", err=True)
    elif not isinstance(error, click.exceptions.Exit):
        _confess(error)


def _drop(stream: TextIO) -> None:
    """What a stream no longer takes is lost; Python would try it again at its end, and fail."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _confess(error: BaseException) -> None:
    """A fault of this program: one line, and with ADSIM_DEBUG=1 the traceback."""
    if os.environ.get("ADSIM_DEBUG") == "1":
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True)
    words = " ".join(f"{type(error).__name__}: {error}".split())
    hint = "please report it with what ADSIM_DEBUG=1 shows"
    click.echo(f"adsim: internal error: {words} ({hint})", err=True)


@click.group(cls=Program, name="adsim", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", message="%(version)s")
def adsim() -> None:
    """Split an advertising budget over scenes, slots and days, and see what it brings."""


# --------------------------------------------------------------------------- check
@adsim.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@SETS
def check(files: tuple[str, ...], sets: tuple[str, ...]) -> int:
    """Name every line of scenario files that is wrong.

    Of a file that is right it says how much of each contract booking there is to be had, and warns
    of what can be run but hardly meant.
    """
    from simulator.scenario import read_doubted
    from simulator.scenario.checks import counts

    code = 0
    for file in files:
        try:
            scenario, doubts = read_doubted(file, sets)
        except ScenarioError as error:
            click.echo(error, err=True)
            code = error.exit_code
        else:
            for doubt in doubts:
                click.echo(f"Warning: {doubt}", err=True)
            parts = [
                f"{n} {what.removesuffix('s') if n == 1 else what}"
                for what, n in counts(scenario).items()
            ]
            found = fitted(file, scenario, sets) if scenario.anchors else None
            word = "not ok" if found and found.contradictions else "ok"
            click.echo(f"{file}: {word} ({', '.join(parts)})")
            for line in _bookings(scenario):
                click.echo(f"  {line}")
            code = max(code, _show_anchors(file, found)) if found else code
    return code


def _show_anchors(file: str, found: "Anchored") -> int:
    """Show what the anchors of a file set; contradictions are an error of the file."""
    from simulator.reports.tables import anchors_table

    click.echo(anchors_table(found.levels, found.anchors))
    for name in found.stretched:
        click.echo(f"Warning: {file}: {name} went as far as it may for the anchors", err=True)
    words = "cannot be met by any levels"
    if len(found.anchors) > 1:
        words = "cannot be met together with the other anchors: change one of them"
    for row in found.contradictions:
        click.echo(f"{file}: anchors.{row.name} {words} (simulated {row.off:+.0%})", err=True)
    return UserError.exit_code if found.contradictions else 0


def _bookings(scenario: "Scenario") -> list[str]:
    """What there is to be had of the bookings; an auction promises nothing."""
    from simulator.scenario.availability import lines_of
    from simulator.scenario.plan import plans_of

    found = lines_of(scenario, plans_of(scenario))
    return [*found, "auctions: nothing is promised"] if found else []


# --------------------------------------------------------------------------- run
@adsim.command()
@click.argument("file")
@click.option(
    "--plan", "names", multiple=True, metavar="NAME",
    help="A plan of the file, `even` or `none`; may be repeated. Default: all of the file, or if it "
    "has none the budgets of its scenes as plan `current`.",
)  # fmt: skip
@click.option(
    "-n", "replications", type=click.IntRange(1, 1_000_000), default=200, show_default=True,
    help="Draws of chance in sampled mode.",
)  # fmt: skip
@click.option(
    "--mode", type=click.Choice(["expected", "sampled"]), default="sampled", show_default=True,
    help="The mean alone, or every decision drawn.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), default=11, show_default=True,
    help="Start of all chance: the same seed gives the same numbers.",
)  # fmt: skip
@SETS
@click.option("--no-spread", is_flag=True, help="Take every uncertain number at its value.")
@click.option(
    "--jobs", type=click.IntRange(1, 1024), default=1, show_default=True,
    help="Processes to run at once; the numbers do not depend on it.",
)  # fmt: skip
@click.option(
    "-o",
    "folder",
    metavar="DIR",
    help="Save the run here, with tables (csv) of figures, days and people.",
)
@FORMAT
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def run(
    file: str, *, names: tuple[str, ...], replications: int, mode: Literal["expected", "sampled"], seed: int,
    sets: tuple[str, ...], no_spread: bool, jobs: int, folder: str | None, form: str, quiet: bool,
) -> None:  # fmt: skip
    """Play every plan of a scenario FILE.

    The same world without ads is always played beside them, so that sales that would have come
    anyway are not counted.
    """
    from simulator.scenario import read_scenario

    scenario = anchored(file, read_scenario(file, sets), quiet, sets)
    plans = chosen_plans(scenario, names)
    warn_of_shortage(scenario, plans)
    warn_of_idle_budget(scenario, plans, sets)
    with room_for(folder) as target, workers(jobs) as executor, bar(quiet) as progress:
        from simulator.engine.simulate import simulate

        outcomes = simulate(
            scenario, plans, replications=replications, seed=seed, mode=mode,
            spreads=not no_spread, executor=executor, progress=progress,
        )  # fmt: skip
    outcomes = _called(outcomes, file)
    save = partial(_save, outcomes, target, quiet=quiet) if target else None
    deliver(partial(click.echo, _written(outcomes, form), nl=form != "csv"), save)


def _save(outcomes: "Outcomes", folder: str, *, quiet: bool) -> None:
    tables = {
        "days.csv": lambda plan: outcomes.days(plan).set_index("date"),
        "people.csv": outcomes.people,
    }
    with written_to(folder, ["table.csv", *tables], quiet, {"": outcomes}) as place:
        outcomes.to_csv(place / "table.csv")
        for name, table in tables.items():
            put(place / name, _by_plan(outcomes, table))


def _by_plan(outcomes: "Outcomes", table: "Callable[[str], pd.DataFrame]") -> str:
    """A table of every plan under the other, the world without ads last."""
    import pandas as pd

    from simulator.outcomes.metrics import NO_ADS

    parts = {plan: table(plan) for plan in (*outcomes.plans, NO_ADS)}
    return pd.concat(parts, names=["plan"]).to_csv(float_format="%.10g", lineterminator="\n")


def _written(outcomes: "Outcomes", form: str) -> str:
    """The outcomes as JSON, csv or tables."""
    if form == "csv":
        return outcomes.as_csv()
    if form == "json":
        return json_text(outcomes.as_json())
    from simulator.reports.tables import plans_table

    return plans_table(outcomes, bold)


def _called(outcomes: "Outcomes", file: str) -> "Outcomes":
    """The outcomes under the name of their file."""
    from dataclasses import replace

    name = os.fsencode(Path(file).stem).decode("utf-8", "backslashreplace")
    inner = outcomes.chance_only and replace(outcomes.chance_only, scenario=name)
    return replace(outcomes, scenario=name, chance_only=inner)


# --------------------------------------------------------------------------- compare
@adsim.command()
@click.argument("folder", metavar="DIR")
@click.argument("a")
@click.argument("b")
@FORMAT
def compare(folder: str, a: str, b: str, form: str) -> None:
    """Compare plans A and B of a run saved in DIR.

    Differences are A less B, replication by replication, with their 95% intervals.
    """
    from simulator.outcomes import read_outcomes
    from simulator.reports.tables import differences_table

    outcomes = read_outcomes(folder)
    found = outcomes.differences(a, b)
    if form == "json":
        head = {"scenario": outcomes.scenario, "a": a, "b": b, "metrics": found}
        click.echo(json_text(head))
    elif form == "csv":
        names = list(next(iter(found.values())))
        rows = [[metric, *map(_cell, row.values())] for metric, row in found.items()]
        click.echo("\n".join(map(",".join, [["metric", *names], *rows])))
    else:
        click.echo(differences_table(outcomes, a, b, bold))


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)


# --------------------------------------------------------------------------- new, schema
@adsim.command()
@click.argument("name")
@click.option("-o", "path", metavar="FILE", help="Where to write it. Default: NAME.yaml.")
def new(name: str, path: str | None) -> None:
    """Write a scenario called NAME to start from."""
    import json
    import re
    from importlib import resources

    if path is None and not re.fullmatch(r"\w[\w -]*", name):
        raise UserError(f"{name!r} cannot name a file: choose one with -o FILE")
    place = path or f"{name}.yaml"
    presets = resources.files("simulator.scenario.presets")
    text = presets.joinpath("starter.yaml.txt").read_text(encoding="utf-8")
    title = json.dumps(name, ensure_ascii=False)
    _write(place, text.replace("NAME_OF_THE_SCENARIO", title), anew=True)
    click.echo(f"wrote {place}; next: adsim check {place}", err=True)


FORMS = {
    "scenario": ("json", "markdown"),
    "study": ("json",),
    "metrics": ("table", "json"),
    "presets": ("table", "json"),
}
"""What `adsim schema --of` tells of, and in which forms, the usual one first."""


@adsim.command()
@click.argument("name", required=False)
@click.option("-o", "path", metavar="FILE", help="Write to a file instead of stdout.")
@click.option(
    "--format", "form", type=click.Choice(["json", "markdown", "table"]),
    help="The JSON Schema, or a page with every field; of metrics and presets a table, or JSON.",
)  # fmt: skip
@click.option(
    "--of", "kind", type=click.Choice(list(FORMS)), default="scenario",
    show_default=True, help="Which file; or the figures of a run; or what a file may extend.",
)  # fmt: skip
def schema(name: str | None, path: str | None, form: str | None, kind: str) -> None:
    """Print what a scenario file, or a study file of `adsim sweep`, may hold.

    `--of metrics` lists the figures of a run, `--of presets` the presets by kind, and `--of presets NAME` prints
    the preset of that name.
    """
    text = _form_of(kind, form) if name is None else _preset(name, form, kind)
    if path is None:
        click.echo(text, nl=False)
    else:
        _write(path, text)


def _preset(name: str, form: str | None, kind: str) -> str:
    """The YAML of a preset; nothing else is asked for by a name."""
    from simulator.scenario.catalogue import preset_text

    if kind != "presets":
        raise UserError(f"a name is that of a preset: adsim schema --of presets {name}")
    if form is not None:
        raise UserError("a preset is printed as it is written: leave out --format")
    return preset_text(name)


def _form_of(kind: str, form: str | None) -> str:
    """What there is of a kind, in the form that is asked for or its usual one."""
    if kind == "study" and form == "markdown":
        raise UserError("the fields of a study are on the page docs/scale.md: leave out --format")
    form = form or FORMS[kind][0]
    if form not in FORMS[kind]:
        raise UserError(f"--of {kind} is printed as {' or '.join(FORMS[kind])}, not as {form}")
    if kind in ("metrics", "presets"):
        from simulator.reports.lists import metrics_text, presets_text

        return metrics_text(form) if kind == "metrics" else presets_text(form)
    return _schema_of(kind, form)


def _schema_of(kind: str, form: str) -> str:
    from simulator.scenario.reference import page_text, schema_text

    if kind == "study":
        from simulator.sweeps.reference import make_study_schema

        return schema_text(make_study_schema())
    return schema_text() if form == "json" else page_text()


def _write(path: str, text: str, *, anew: bool = False) -> None:
    """The whole text, or what was there before; `anew`: nothing may have been there."""
    if anew and os.path.lexists(path):
        raise UserError(f"{path} exists: choose another name with -o FILE")
    try:
        write_whole(Path(path), text.encode("utf-8"))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None


# --------------------------------------------------------------------------- other modules
adsim.add_command(optimize)
adsim.add_command(sweep)
