"""`adsim optimize`: the best split of a budget, printed, and saved with figures and a schedule.

One file has a frontier, of all its time or from a date on, or a least budget for a target; several
files share one budget.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from simulator.cli_asked import (
    LEAST,
    OBJECTIVES,
    SHARED,
    Asked,
    Wishes,
    read_limits,
    read_money,
    read_share,
    read_shared_limits,
    read_since,
    read_target,
    read_wishes,
    refuse,
    the_only_one,
)
from simulator.console import (
    FORMAT,
    INTERRUPTED,
    SETS,
    anchored,
    bold,
    chosen_plans,
    deliver,
    json_text,
    put,
    room_for,
    share_bar,
    warn_of_shortage,
    workers,
    written_to,
)
from simulator.errors import RunError, UserError

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.allocation.effort import Effort
    from simulator.outcomes.frontier import Frontier
    from simulator.outcomes.goal import Goal
    from simulator.outcomes.portfolio import Portfolio
    from simulator.scenario.plan import Plan
    from simulator.scenario.schema import Scenario

Command = TypeVar("Command", bound=Callable[..., object])


def _limit(name: str, words: str) -> Callable[[Command], Command]:
    return click.option(f"--{name}", multiple=True, metavar="NAME=AMOUNT", help=words)


def _once(name: str, what: str, words: str) -> Callable[[Command], Command]:
    return click.option(f"--{name}", multiple=True, callback=the_only_one, metavar=what, help=words)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@_once("budget", "AMOUNT", "Money to split, such as 12m. Default: the file's.")
@click.option(
    "--objective", multiple=True, metavar="NAME",
    help="What to seek, one or two of roi, profit, profit_incremental, new_customers, gmv, "
    "recalled_members, asset_value. Default: roi and new_customers; of several files, one: roi.",
)  # fmt: skip
@_once("min-roi", "R", "Pick a plan with at least this roi, such as 0.5.")
@_once("sure", "SHARE", "Reach --min-roi, or --least-budget's target, in this share of runs.")
@click.option(
    "--target", multiple=True, metavar="METRIC=AMOUNT",
    help="Pick a plan that reaches this, such as new_customers=30000; may be repeated.",
)  # fmt: skip
@_once(
    "least-budget",
    "METRIC=AMOUNT",
    "Seek the least budget that reaches this; --budget is then the most to try.",
)
@_once("since", "DATE", "Keep what --plan did before this date; split what is left.")
@_limit("lock", "Give a scene, or a scene.phase, exactly this; 12k, 1.2万 or 30% of the budget.")
@_limit("floor", "Give it at least this.")
@_limit("cap", "Give it at most this.")
@_limit("minimum", "Give a scene nothing, or at least this.")
@click.option(
    "--package", multiple=True, metavar="NAME=yes|no",
    help="Book this contract package, or do not.",
)  # fmt: skip
@_once("plan", "NAME", "Your current plan. Default: the file's first.")
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
def optimize(**options: Any) -> int:
    """Find the best split of the budget of a scenario FILE.

    The answer is a frontier: the plans that no other beats on both objectives, each beside your
    current plan, checked on fresh draws of chance. Ctrl-C prints the best so far.

    Several FILEs share one budget, by default the sum of their own. Limits then name a file, or
    FILE/NAME, by the file's name without its ending.
    """
    asked = Asked(**options)
    if any("," in name for name in asked.objective):
        raise UserError(
            "--objective: name one at a time, as in --objective roi --objective new_customers"
        )
    if len(asked.files) > 1:
        return _share(asked)
    return _least(asked) if asked.least_budget else _split(asked)


def _read(asked: Asked, file: str) -> "Scenario":
    from simulator.scenario import read_scenario

    return anchored(file, read_scenario(file, asked.sets), asked.quiet, asked.sets)


@contextmanager
def _searching(asked: Asked) -> Iterator[tuple[str | None, Any, Any]]:
    """Where to save, processes to compute in, and the bar."""
    jobs = asked.jobs or os.cpu_count() or 1
    runs = _labels(asked) if len(asked.files) > 1 else [""]
    with (
        workers(jobs) as executor,
        share_bar(asked.quiet) as progress,
        room_for(asked.folder, runs) as target,
    ):
        yield target, executor, progress


def _labels(asked: Asked) -> list[str]:
    """Names of the files, under which limits, answers and folders have them."""
    return [Path(file).stem for file in asked.files]


def _effort(asked: Asked) -> "Effort | None":
    from simulator.allocation.effort import SHORT

    return SHORT if asked.quick else None


# --------------------------------------------------------------------------- one file, one budget
def _split(asked: Asked) -> int:
    """The frontier of a file, of the whole of its time or of what is left at a date."""
    scenario = _read(asked, asked.files[0])
    total = _budget(asked, scenario.budget)
    wishes = read_wishes(asked.min_roi, asked.sure, asked.target)
    current = chosen_plans(scenario, [asked.plan] if asked.plan else [])[0]
    options: dict[str, Any] = {
        "budget": total, "limits": read_limits(asked.limits, total),
        "seed": asked.seed, "replications": asked.replications, "label": Path(asked.files[0]).stem,
    }  # fmt: skip
    moment = read_since(asked.since) if asked.since else None
    with _searching(asked) as (target, executor, progress):
        options |= {"effort": _effort(asked), "executor": executor, "progress": progress}
        options |= {"min_roi": wishes.min_roi, "at_least": wishes.targets, "sure": wishes.sure}
        frontier, scenario = _searched(asked, scenario, current, moment, options)
    picked, fault = _picked(frontier, wishes)
    warn_of_shortage(scenario, [picked])
    save = partial(_save, frontier, scenario, picked, target, quiet=asked.quiet) if target else None
    _deliver(_written(frontier, scenario, picked, asked.form, fault), asked, save)
    return _ended(frontier.finished, fault)


def _budget(asked: Asked, own: float) -> float:
    return read_money("--budget", asked.budget, own, least=1.0) if asked.budget else own


def _searched(
    asked: Asked, scenario: "Scenario", current: "Plan", moment: "datetime | None",
    options: dict[str, Any],
) -> "tuple[Frontier, Scenario]":  # fmt: skip
    """The frontier, and the scenario that its plans are plans of."""
    aims = asked.objective or OBJECTIVES
    if moment is None:
        from simulator.allocation.optimize import optimize as search

        return search(scenario, aims, current=current, **options), scenario
    from simulator.allocation.replan import replan
    from simulator.scenario.cut import cut_at

    return replan(scenario, current, moment, objectives=aims, **options), cut_at(scenario, moment)


def _deliver(text: str, asked: Asked, save: Callable[[], None] | None) -> None:
    deliver(partial(click.echo, text, nl=asked.form != "csv"), save)


def _ended(finished: bool, fault: str | None = None) -> int:
    """Say what is missing from the answer; the exit code."""
    if fault:
        click.echo(f"Error: {fault}", err=True)
    if not finished:
        click.echo("stopped before the search ended: this is the best so far", err=True)
        return INTERRUPTED
    return RunError.exit_code if fault else 0


def _picked(frontier: "Frontier", wishes: Wishes) -> "tuple[Plan, str | None]":
    """The plan that fits the wishes, or the best one and what is out of reach."""
    try:
        plan = frontier.pick(min_roi=wishes.min_roi, sure=wishes.sure, at_least=wishes.targets)
    except UserError as error:
        return frontier.answered.plan, str(error)
    return plan, None


# --------------------------------------------------------------------------- what is answered
def _written(
    frontier: "Frontier", scenario: "Scenario", picked: "Plan", form: str, missed: str | None = None
) -> str:
    """The answer as JSON, csv or text, which says what is out of reach."""
    if form == "json":
        return json_text(frontier.as_json() | {"picked": picked.name})
    if form == "csv":
        return frontier.table().to_csv(lineterminator="\n")
    from simulator.reports.advice import advice_text

    return advice_text(frontier, scenario, picked, bold, missed)


def _save(
    frontier: "Frontier", scenario: "Scenario", picked: "Plan", folder: str, *, quiet: bool
) -> None:
    """Write the run, the answer in three forms, the schedule and the figures."""
    from simulator.reports.optimum_figures import write_figures
    from simulator.reports.schedule import write_schedule

    names = ["frontier.json", "table.csv", "schedule.csv", "truth.csv"]
    with written_to(folder, names, quiet, {"": frontier.outcomes}) as place:
        put(place / "frontier.json", _written(frontier, scenario, picked, "json") + "\n")
        put(place / "table.csv", _written(frontier, scenario, picked, "csv"))
        since = frontier.past.until if frontier.past else None
        write_schedule(scenario, picked, place / "schedule.csv", since)
        _write_truth(scenario, picked, place / "truth.csv")
        names += write_figures(frontier, scenario, picked, place)


def _write_truth(scenario: "Scenario", picked: "Plan", path: Path) -> None:
    """What the plan loses without each of its scenes, for spreadsheet programs."""
    import csv

    from simulator.allocation.truth import METRICS, left_out

    with path.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["scene", *METRICS])
        for scene, lost in left_out(scenario, picked).items():
            table.writerow([scene, *lost.values()])


# --------------------------------------------------------------------------- the least budget
def _least(asked: Asked) -> int:
    """The least budget of a file that reaches a target; stopped before there is one, a sentence."""
    refuse(asked, LEAST)
    try:
        return _least_found(asked)
    except RunError as error:
        if error.exit_code != INTERRUPTED:
            raise
        click.echo(error, err=True)
        return INTERRUPTED


def _least_found(asked: Asked) -> int:
    scenario = _read(asked, asked.files[0])
    wanted = read_target(asked.least_budget or "")
    options: dict[str, Any] = {
        "sure": read_share(asked.sure), "limits": read_limits(asked.limits, None),
        "most": read_money("--budget", asked.budget, None, least=1.0) if asked.budget else None,
        "current": chosen_plans(scenario, [asked.plan] if asked.plan else [])[0],
        "seed": asked.seed, "replications": asked.replications, "label": Path(asked.files[0]).stem,
    }  # fmt: skip
    with _searching(asked) as (target, executor, progress):
        from simulator.allocation.goals import least_budget

        options |= {"effort": _effort(asked), "executor": executor, "progress": progress}
        goal = least_budget(scenario, wanted, **options)
    warn_of_shortage(scenario, [goal.plan])
    save = partial(_save_goal, goal, scenario, target, quiet=asked.quiet) if target else None
    _deliver(_goal_written(goal, scenario, asked.form), asked, save)
    return _ended(goal.finished)


def _goal_written(goal: "Goal", scenario: "Scenario", form: str) -> str:
    if form == "json":
        return json_text(goal.as_json())
    if form == "csv":
        rows = [f"{budget},{value}\n" for budget, value in goal.tried]
        return "".join([f"budget,{goal.metric}{_quantile(goal.sure)}\n", *rows])
    from simulator.reports.answers import goal_text

    return goal_text(goal, scenario, bold)


def _quantile(sure: float | None) -> str:
    """What of a metric is asked for with certainty: of 90% of runs the P10."""
    return f"_p{100 * (1 - sure):g}" if sure else ""


def _save_goal(goal: "Goal", scenario: "Scenario", folder: str, *, quiet: bool) -> None:
    from simulator.reports.schedule import write_schedule

    names = ["goal.json", "table.csv", "schedule.csv"]
    with written_to(folder, names, quiet, {"": goal.outcomes}) as place:
        put(place / "goal.json", _goal_written(goal, scenario, "json") + "\n")
        put(place / "table.csv", _goal_written(goal, scenario, "csv"))
        write_schedule(scenario, goal.plan, place / "schedule.csv")


# --------------------------------------------------------------------------- several files
def _share(asked: Asked) -> int:
    """One budget for several files."""
    refuse(asked, SHARED)
    if len(asked.objective) > 1:
        raise UserError("--objective: several files are split for one objective; give one")
    scenarios = [_read(asked, file) for file in asked.files]
    total = _budget(asked, sum(s.budget for s in scenarios))
    limits, files = read_shared_limits(asked.limits, total)
    with _searching(asked) as (target, executor, progress):
        from simulator.allocation.portfolio import optimize_portfolio

        found = optimize_portfolio(
            scenarios, total, labels=_labels(asked), objective=(asked.objective or OBJECTIVES)[0],
            limits=limits, files=files, replications=asked.replications, seed=asked.seed,
            effort=_effort(asked), executor=executor, progress=progress,
        )  # fmt: skip
    for scenario, plan in zip(scenarios, found.plans.values(), strict=True):
        warn_of_shortage(scenario, [plan])
    save = partial(_save_shared, found, scenarios, target, quiet=asked.quiet) if target else None
    _deliver(_shared_written(found, asked.form), asked, save)
    return _ended(found.finished)


def _shared_written(found: "Portfolio", form: str) -> str:
    if form == "json":
        return json_text(found.as_json())
    if form == "csv":
        return found.table().to_csv(lineterminator="\n")
    from simulator.reports.answers import portfolio_text

    return portfolio_text(found, bold)


def _save_shared(
    found: "Portfolio", scenarios: "Sequence[Scenario]", folder: str, *, quiet: bool
) -> None:
    """The answer, and for every file its run and its schedule in a folder of its name."""
    from simulator.reports.schedule import write_schedule

    names = ["portfolio.json", "table.csv", *(f"{file}/schedule.csv" for file in found.plans)]
    with written_to(folder, names, quiet, found.outcomes) as place:
        put(place / "portfolio.json", _shared_written(found, "json") + "\n")
        put(place / "table.csv", _shared_written(found, "csv"))
        for scenario, (file, plan) in zip(scenarios, found.plans.items(), strict=True):
            (place / file).mkdir()
            write_schedule(scenario, plan, place / file / "schedule.csv")
