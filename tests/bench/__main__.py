"""python -m tests.bench engine | agreement | mutation | sweep: measure the promises, one table each.

Exit code 1 when a goal is missed. The figures are no tests: a busy machine moves them.
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
    engine.set_defaults(command=bench_engine)
    agreement = commands.add_parser("agreement", help="sampled mean against expected mode")
    agreement.add_argument("-n", type=int, default=2000, help="replications (default 2000)")
    agreement.set_defaults(command=bench_agreement)
    sweep = commands.add_parser(
        "sweep", help="what stores and executors cost, and what kills leave"
    )
    sweep.add_argument("--quick", action="store_true", help="few cells, plans and kills")
    sweep.set_defaults(command=bench_sweep)
    mutation = commands.add_parser("mutation", help="do the tests notice a wrong coefficient?")
    mutation.add_argument("--files", nargs="+", type=Path, help="modules (default: the market)")
    mutation.add_argument("--limit", type=int, help="a sample of so many mutants")
    mutation.add_argument("--seed", type=int, default=1, help="of the sample")
    mutation.add_argument("--jobs", type=int, default=1, help="mutants at once (default 1)")
    mutation.add_argument(
        "--quick", action="store_true", help="only the tests that tell in seconds"
    )
    mutation.add_argument("--list", action="store_true", help="only list the mutants")
    mutation.set_defaults(command=bench_mutation)
    return parser


def bench_engine(choice: argparse.Namespace) -> bool:
    from tests.bench.engine import FULL, QUICK, engine_rows, facts
    from tests.bench.table import machine, write_table

    print(machine())
    print(facts())
    return write_table(engine_rows(QUICK if choice.quick else FULL))


def bench_agreement(choice: argparse.Namespace) -> bool:
    from tests.bench.agreement import agreement_rows
    from tests.bench.table import machine, write_table

    print(machine())
    print(f"{choice.n:,} replications against the quadrature points of expected mode.")
    return write_table(agreement_rows(choice.n), "row | apart | goal | | sampled less expected")


def bench_sweep(choice: argparse.Namespace) -> bool:
    from tests.bench.sweep import FULL, QUICK, sweep_rows
    from tests.bench.table import machine, write_table

    print(machine())
    return write_table(sweep_rows(QUICK if choice.quick else FULL))


def bench_mutation(choice: argparse.Namespace) -> bool:
    from tests.bench.mutation import check_mutants, find_mutants, sample_of

    mutants = sample_of(find_mutants(choice.files), choice.limit, choice.seed)
    if choice.list:
        print("\n".join(map(str, mutants)))
        return True
    return check_mutants(mutants, choice.jobs, quick=choice.quick)


if __name__ == "__main__":
    sys.exit(main())
