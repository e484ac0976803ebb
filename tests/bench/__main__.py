"""Measure the promises, one table each: python -m tests.bench NAME.

NAME is engine, agreement, allocation, mutation, promises, unknown, facts, grid, race, portfolio, sweep or growth. Exit
code 1 when a goal is missed. The figures are no tests: a busy machine moves them.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    choice = make_parser().parse_args(arguments)
    return 0 if choice.command(choice) else 1


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    commands = parser.add_subparsers(required=True)
    engine = commands.add_parser("engine", help="speed, memory and variance of the engine")
    engine.add_argument("--quick", action="store_true", help="one run each, at most 1,024 lanes")
    engine.add_argument("--world", type=Path, help="a scenario file (default: 90 days, 12 scenes)")
    engine.set_defaults(command=bench_engine)
    agreement = commands.add_parser("agreement", help="sampled mean against expected mode")
    agreement.add_argument("names", nargs="*", help="scenarios (default: minimal new_coffee_100m)")
    agreement.add_argument("-n", type=int, default=2000, help="replications (default 2000)")
    agreement.set_defaults(command=bench_agreement)
    portfolio = commands.add_parser("portfolio", help="three files that share one budget")
    portfolio.add_argument("-n", type=int, default=200, help="replications (default 200)")
    portfolio.set_defaults(command=bench_portfolio)
    allocation = commands.add_parser("allocation", help="our search against other optimisers")
    allocation.add_argument("--quick", action="store_true", help="a nearer reference")
    allocation.add_argument(
        "--worlds", nargs="*", type=int, choices=(6, 12, 30), default=(6, 12, 30), metavar="CELLS",
        help="frontiers of worlds with so many cells (default: 6 12 30)",
    )  # fmt: skip
    allocation.add_argument(
        "--scenarios",
        nargs="*",
        metavar="NAME",
        help="best return of these (default: all shipped; without names: none)",
    )
    allocation.add_argument("--beaten", type=Path, help="folder for plans that beat ours")
    allocation.set_defaults(command=bench_allocation)
    sweep = commands.add_parser(
        "sweep", help="what stores and executors cost, and what kills leave"
    )
    sweep.add_argument("--quick", action="store_true", help="few cells, plans and kills")
    sweep.set_defaults(command=bench_sweep)
    growth = commands.add_parser("growth", help="cost by lanes, placements and steps")
    growth.set_defaults(command=bench_growth)
    mutation = commands.add_parser("mutation", help="do the tests notice a wrong coefficient?")
    mutation.add_argument("--files", nargs="+", type=Path, help="modules (default: the market)")
    mutation.add_argument("--limit", type=int, help="a sample of so many mutants")
    mutation.add_argument("--seed", type=int, default=1, help="of the sample")
    mutation.add_argument("--jobs", type=int, default=1, help="mutants at once (default 1)")
    mutation.add_argument(
        "--quick", action="store_true", help="only the tests that tell in seconds"
    )
    mutation.add_argument("--since", metavar="COMMIT", help="only lines changed since a commit")
    mutation.add_argument("--list", action="store_true", help="only list the mutants")
    mutation.set_defaults(command=bench_mutation)
    add_allocation(commands)
    return parser


def add_allocation(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    promises = commands.add_parser("promises", help="what the optimiser's answers promise")
    promises.add_argument("names", nargs="*", help="scenarios (default: every shipped one)")
    promises.add_argument("-n", type=int, default=32, help="replications (default 32)")
    promises.set_defaults(command=bench_promises)
    unknown = commands.add_parser("unknown", help="what the search believes of unknown numbers")
    unknown.add_argument("names", nargs="*", help="scenarios (default: every shipped one)")
    unknown.add_argument("-n", type=int, default=304, help="replications (default 304)")
    unknown.set_defaults(command=bench_unknown)
    facts = commands.add_parser("facts", help="what comes out of the shipped worlds")
    facts.add_argument("names", nargs="*", help="facts (default: all)")
    facts.set_defaults(command=bench_facts)
    grid = commands.add_parser("grid", help="the search against every plan of a grid")
    grid.add_argument("--parts", type=int, default=20, help="of the budget (default 20)")
    grid.set_defaults(command=bench_grid)
    race = commands.add_parser("race", help="replications to pick the right plan")
    race.set_defaults(command=bench_race)


def bench_engine(choice: argparse.Namespace) -> bool:
    from tests.bench.engine import FULL, QUICK, engine_rows, facts
    from tests.bench.table import machine, write_table
    from tests.bench.worlds import measure

    if choice.world:
        measure(choice.world)
    print(machine())
    print(facts())
    return write_table(engine_rows(QUICK if choice.quick else FULL))


def bench_agreement(choice: argparse.Namespace) -> bool:
    from tests.bench.agreement import agreement_rows
    from tests.bench.table import machine, write_table

    print(machine())
    print(f"{choice.n:,} replications against the quadrature points of expected mode.")
    return write_table(
        agreement_rows(choice.n, choice.names), "row | apart | goal | | sampled less expected"
    )


def bench_portfolio(choice: argparse.Namespace) -> bool:
    from tests.bench.portfolio import portfolio_rows
    from tests.bench.table import machine, write_table

    print(machine())
    print(f"{choice.n:,} replications; gains are lower ends of paired 95% intervals.")
    return write_table(portfolio_rows(choice.n))


def bench_allocation(choice: argparse.Namespace) -> bool:
    from tests.bench.allocation import FULL, QUICK, best_rows, frontier_rows
    from tests.bench.table import machine, write_table

    size = QUICK if choice.quick else FULL
    print(machine())
    fine = True
    for cells in choice.worlds:
        fine &= write_table(frontier_rows(cells, size, choice.beaten))
    names = size.scenarios if choice.scenarios is None else choice.scenarios
    return (not names or write_table(best_rows(names))) and fine


def bench_sweep(choice: argparse.Namespace) -> bool:
    from tests.bench.sweep import FULL, QUICK, sweep_rows
    from tests.bench.table import machine, write_table

    print(machine())
    return write_table(sweep_rows(QUICK if choice.quick else FULL))


def bench_growth(_: argparse.Namespace) -> bool:
    from tests.bench.growth import growth_rows
    from tests.bench.table import machine, write_table

    print(machine())
    return write_table(growth_rows())


def bench_mutation(choice: argparse.Namespace) -> bool:
    from tests.bench.mutation import check_mutants, find_mutants, on_changed_lines, sample_of

    found = find_mutants(choice.files)
    if choice.since:
        found = on_changed_lines(found, choice.since)
    mutants = sample_of(found, choice.limit, choice.seed)
    if choice.list:
        print("\n".join(map(str, mutants)))
        return True
    return check_mutants(mutants, choice.jobs, quick=choice.quick)


def bench_unknown(choice: argparse.Namespace) -> bool:
    from tests.bench.table import machine
    from tests.bench.unknown import unknown_rows

    print(machine())
    return unknown_rows(choice.names, choice.n)


def bench_promises(choice: argparse.Namespace) -> bool:
    from tests.bench.promises import promise_rows
    from tests.bench.table import machine

    print(machine())
    return promise_rows(choice.names, choice.n)


def bench_facts(choice: argparse.Namespace) -> bool:
    from tests.bench.facts import fact_rows
    from tests.bench.table import write_table

    return write_table(fact_rows(choice.names), "figure | measured | | | remark")


def bench_grid(choice: argparse.Namespace) -> bool:
    from tests.bench.grid import grid_rows
    from tests.bench.table import machine, write_table

    print(machine())
    return write_table(grid_rows(choice.parts))


def bench_race(_: argparse.Namespace) -> bool:
    from tests.bench.race import race_rows
    from tests.bench.table import machine, write_table

    print(machine())
    return write_table(race_rows())


if __name__ == "__main__":
    sys.exit(main())
