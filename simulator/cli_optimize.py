"""`adsim optimize`: the best split of a budget, printed, and saved with figures and a schedule."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from simulator.console import (
    FORMAT,
    INTERRUPTED,
    SETS,
    anchored,
    bold,
    chosen_plans,
    json_text,
    made_folder,
    share_bar,
    warn_of_shortage,
    workers,
)
from simulator.errors import RunError, UserError

if TYPE_CHECKING:
    from simulator.allocation.problem import Limits
    from simulator.outcomes.frontier import Frontier
    from simulator.scenario.plan import Plan
    from simulator.scenario.schema import Scenario

Texts = tuple[str, ...]
Command = TypeVar("Command", bound=Callable[..., object])


@dataclass(frozen=True)
class Wishes:
    """What a plan of the frontier must reach to be picked."""

    min_roi: float | None
    sure: float | None
    targets: dict[str, float]


def _limit(name: str, words: str) -> Callable[[Command], Command]:
    return click.option(f"--{name}", multiple=True, metavar="NAME=AMOUNT", help=words)


@click.command()
@click.argument("file")
@click.option(
    "--budget", metavar="AMOUNT", help="Money to split, such as 12m. Default: the file's."
)
@click.option(
    "--objective", "objectives", multiple=True, metavar="NAME", default=("roi", "new_customers"),
    help="What to seek, one or two of roi, profit, new_customers, gmv, recalled_members, "
    "asset_value. Default: roi and new_customers.",
)  # fmt: skip
@click.option("--min-roi", metavar="R", help="Pick a plan with at least this roi, such as 0.5.")
@click.option("--sure", metavar="SHARE", help="Reach --min-roi in this share of runs, such as 90%.")
@click.option(
    "--target", "targets", multiple=True, metavar="METRIC=AMOUNT",
    help="Pick a plan that reaches this, such as new_customers=30000; may be repeated.",
)  # fmt: skip
@_limit("lock", "Give a scene, or a scene.phase, exactly this; 12k, 1.2万 or 30% of the budget.")
@_limit("floor", "Give it at least this.")
@_limit("cap", "Give it at most this.")
@_limit("minimum", "Give a scene nothing, or at least this.")
@click.option(
    "--package", "packages", multiple=True, metavar="NAME=yes|no",
    help="Book this contract package, or do not.",
)  # fmt: skip
@click.option(
    "--plan", "name", metavar="NAME", help="Your current plan. Default: the file's first."
)
@click.option(
    "-n", "replications", type=click.IntRange(2, 1_000_000), default=100, show_default=True,
    help="Draws of chance by which the plans found are checked.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0, 2**63), default=11, show_default=True,
    help="Start of all chance: the same seed gives the same numbers.",
)  # fmt: skip
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    help="Processes to run at once. Default: all processors.",
)
@click.option(
    "--quick", is_flag=True, help="Search less: a first answer in a fraction of the time."
)
@SETS
@click.option(
    "-o", "folder", metavar="DIR", help="Save the answer here, with figures and schedule."
)
@FORMAT
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def optimize(
    file: str, *, budget: str | None, objectives: Texts, min_roi: str | None, sure: str | None,
    targets: Texts, lock: Texts, floor: Texts, cap: Texts, minimum: Texts, packages: Texts,
    name: str | None, replications: int, seed: int, jobs: int | None, quick: bool, sets: Texts,
    folder: str | None, form: str, quiet: bool,
) -> int:  # fmt: skip
    """Find the best split of the budget of a scenario FILE.

    The answer is a frontier: the plans that no other beats on both objectives, each beside your
    current plan, checked on fresh draws of chance. Ctrl-C prints the best so far.
    """
    from simulator.scenario import read_scenario

    scenario = anchored(file, read_scenario(file, sets), quiet)
    total = _money("--budget", budget, scenario.budget) if budget else scenario.budget
    tables = {"floor": floor, "cap": cap, "lock": lock, "minimum": minimum}
    limits = _limits(tables, packages, total)
    wishes = _wishes(min_roi, sure, targets)
    current = chosen_plans(scenario, [name] if name else [])[0]
    target = made_folder(folder)
    with workers(jobs or os.cpu_count() or 1) as executor, share_bar(quiet) as progress:
        from simulator.allocation.optimize import SHORT
        from simulator.allocation.optimize import optimize as search

        frontier = search(
            scenario, objectives, budget=total, limits=limits, current=current, seed=seed,
            replications=replications, effort=SHORT if quick else None, executor=executor,
            progress=progress, label=Path(file).stem,
        )  # fmt: skip
    picked, fault = _picked(frontier, wishes)
    warn_of_shortage(scenario, [picked])
    click.echo(_written(frontier, scenario, picked, form), nl=form != "csv")
    if target is not None:
        _save(frontier, scenario, picked, target, quiet=quiet)
    return _ended(frontier, fault)


def _ended(frontier: "Frontier", fault: str | None) -> int:
    """Say what is missing from the answer; the exit code."""
    if fault:
        click.echo(f"Error: {fault}", err=True)
    if not frontier.finished:
        click.echo("stopped before the search ended: this is the best so far", err=True)
        return INTERRUPTED
    return RunError.exit_code if fault else 0


# --------------------------------------------------------------------------- what is asked
def _money(option: str, text: str, budget: float) -> float:
    """An amount as scenario files write it, or a share of the budget."""
    from simulator.scenario.amounts import read_amount

    try:
        amount = read_amount(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None
    share = text.rstrip().endswith("%")
    if amount < 0 or (share and amount > 1):
        raise UserError(f"{option}: must lie between 0 and the budget (got {text!r})")
    if 0 < amount < 1 and not share:
        raise UserError(f"{option}: {text} is less than one yuan; did you mean {amount * 100:g}%?")
    return amount * budget if share else amount


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE, each name once."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not (name.strip() and sign and value.strip()):
            raise UserError(f"{option}: write NAME=VALUE (got {text!r})")
        if name.strip() in found:
            raise UserError(f"{option}: {name.strip()} is given twice")
        found[name.strip()] = value.strip()
    return found


def _limits(tables: dict[str, Texts], packages: Texts, budget: float) -> "Limits":
    from simulator.allocation.problem import Limits

    def money(option: str, texts: Texts) -> dict[str, float]:
        parts = _pairs(option, texts)
        return {name: _money(f"{option} {name}", text, budget) for name, text in parts.items()}

    chosen = {name: _yes(name, text) for name, text in _pairs("--package", packages).items()}
    return Limits(
        floors=money("--floor", tables["floor"]), caps=money("--cap", tables["cap"]),
        locks=money("--lock", tables["lock"]), minimums=money("--minimum", tables["minimum"]),
        packages=chosen,
    )  # fmt: skip


def _yes(name: str, text: str) -> bool:
    if text.lower() not in ("yes", "no"):
        raise UserError(f"--package {name}: write yes or no (got {text!r})")
    return text.lower() == "yes"


def _wishes(min_roi: str | None, sure: str | None, targets: Texts) -> Wishes:
    from simulator.outcomes.metrics import BY_NAME
    from simulator.scenario.amounts import suggestion

    if sure is not None and min_roi is None:
        raise UserError("--sure says how surely --min-roi is reached: give both")
    wanted = _pairs("--target", targets)
    for name in wanted:
        known = [metric for metric, found in BY_NAME.items() if found.wish == "more"]
        if name not in known:
            near = suggestion(name, known) or ", such as new_customers, gmv or profit"
            raise UserError(f"--target {name}: is not a metric to be reached{near}")
    share = _number("--sure", sure)
    if share is not None and not 0 < share <= 1:
        raise UserError(f"--sure: must lie above 0 and up to 100% (got {sure!r})")
    reached = {name: _number(f"--target {name}", text) or 0.0 for name, text in wanted.items()}
    return Wishes(_number("--min-roi", min_roi), share, reached)


def _number(option: str, text: str | None) -> float | None:
    from simulator.scenario.amounts import read_amount

    try:
        return None if text is None else read_amount(text)
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None


def _picked(frontier: "Frontier", wishes: Wishes) -> "tuple[Plan, str | None]":
    """The plan that fits the wishes, or the best one and what is out of reach."""
    try:
        plan = frontier.pick(min_roi=wishes.min_roi, sure=wishes.sure, at_least=wishes.targets)
    except UserError as error:
        return frontier.best.plan, str(error)
    return plan, None


# --------------------------------------------------------------------------- what is answered
def _written(frontier: "Frontier", scenario: "Scenario", picked: "Plan", form: str) -> str:
    """The answer as JSON, csv or text."""
    if form == "json":
        return json_text(frontier.as_json() | {"picked": picked.name})
    if form == "csv":
        return frontier.table().to_csv(lineterminator="\n")
    from simulator.reports.advice import advice_text

    return advice_text(frontier, scenario, picked, bold)


def _save(
    frontier: "Frontier", scenario: "Scenario", picked: "Plan", folder: str, *, quiet: bool
) -> None:
    """Write the run, the answer in three forms, the schedule and the figures."""
    from simulator.outcomes import write_outcomes
    from simulator.reports.optimum_figures import write_figures
    from simulator.reports.schedule import write_schedule

    write_outcomes(frontier.outcomes, folder)
    place = Path(folder)
    try:
        document = _written(frontier, scenario, picked, "json")
        (place / "frontier.json").write_text(document + "\n", encoding="utf-8")
        table = _written(frontier, scenario, picked, "csv")
        (place / "table.csv").write_text(table, encoding="utf-8-sig", newline="")
        write_schedule(scenario, picked, place / "schedule.csv")
        _write_truth(scenario, picked, place / "truth.csv")
        drawn = write_figures(frontier, scenario, picked, place)
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from None
    if not quiet:
        files = ["frontier.json", "table.csv", "schedule.csv", "truth.csv", *drawn]
        click.echo(f"wrote to {folder}: {', '.join(files)}", err=True)


def _write_truth(scenario: "Scenario", picked: "Plan", path: Path) -> None:
    """What the plan loses without each of its scenes, for spreadsheet programs."""
    import csv

    from simulator.allocation.truth import METRICS, left_out

    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["scene", *METRICS])
        for scene, lost in left_out(scenario, picked).items():
            table.writerow([scene, *lost.values()])
