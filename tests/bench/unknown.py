"""Plans of a file against its first one: what the search believes, and what chance makes of it.

column    meaning                                                        unit
sampled   return less the first plan's, paired, unknown numbers drawn    % of the budget
noise     its standard error                                             % of the budget
means     the same in expected mode, all unknown numbers at their means  % of the budget
points    the same as the optimiser has it, over its fair values         % of the budget

Money that is not spent counts as lost, as in the search.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from simulator.allocation.fair import fair_points
from simulator.allocation.market import PROFIT
from simulator.engine.simulate import simulate
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario import read_scenario
from simulator.scenario.plan import plans_of
from simulator.scenario.schema import Scenario

FOLDER = Path(__file__).parents[2] / "scenarios"
SEED = 7


def unknown_rows(names: Sequence[str], replications: int) -> bool:
    """Print a line for every plan but the first; whether the points are nearer than the means, all in all."""
    print("plan | sampled | noise | means | points")
    off = []
    for name in names or sorted(path.stem for path in FOLDER.glob("*.yaml")):
        for plan, row in gaps(read_scenario(FOLDER / f"{name}.yaml"), replications):
            print(f"{name}, {plan} | " + " | ".join(f"{100 * x:.2f}" for x in row), flush=True)
            off.append([row[2] - row[0], row[3] - row[0]])
    means, points = np.sqrt(np.square(off).mean(axis=0)) * 100
    print(f"root of the mean square off: means {means:.2f}, points {points:.2f} % of the budget")
    return bool(points < means)


def gaps(
    scenario: Scenario, replications: int
) -> Iterator[tuple[str, tuple[float, float, float, float]]]:
    """Plan and its row, in shares of the budget."""
    plans, budget = plans_of(scenario), scenario.budget
    options = {"daily": False, "attribution": False, "chance_alone": False}
    drawn = simulate(scenario, plans, replications=replications, seed=SEED, **options)
    means, points = (
        simulate(scenario, plans, mode="expected", vectors=count, **options)
        for count in (0, fair_points(scenario))
    )
    for plan in plans[1:]:
        true, at_means, over = (
            _apart(played, plan.name) / budget for played in (drawn, means, points)
        )
        noise = float(true.std(ddof=1)) / np.sqrt(true.size)
        yield plan.name, (float(true.mean()), noise, float(at_means.mean()), float(over.mean()))


def _apart(outcomes: Outcomes, plan: str) -> np.ndarray:
    """Return less that of the first plan: [replication]."""
    first = outcomes.plans[0]
    return _return(outcomes, plan) - _return(outcomes, first)


def _return(outcomes: Outcomes, plan: str) -> np.ndarray:
    return outcomes.values(plan, PROFIT) + outcomes.values(plan, "spend")
