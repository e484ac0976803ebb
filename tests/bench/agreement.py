"""Two modes, one market: the mean of many sampled replications against expected mode.

Uncertain numbers stand at their central values; all other chance is on. Expected mode is the mean
over its quadrature points. `noise` is the standard error of the sampled mean. A difference above its
goal is "open" while the goal lies within two such errors of it.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

from simulator.engine.simulate import simulate
from simulator.outcomes.compare import Sample, influence, ratio_of_means
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario import read_scenario
from simulator.scenario.schema import Scenario
from tests.bench.table import Row
from tests.bench.worlds import ROOT, SMALL, scaled

FILES = ("minimal", "new_coffee_100m")
SHARES = ("gmv", "new_customers", "spend")
SHARE_GOALS = {1.0: 1.0, SMALL: 3.0}  # % by scale
ROI_GOAL, ROI_GAP_GOAL = 0.03, 0.005  # absolute
SEED = 7


def agreement_rows(replications: int, names: Sequence[str] = ()) -> Iterator[Row]:
    """Every figure of every plan; then roi between the plans."""
    for name in names or FILES:
        whole = read_scenario(ROOT / f"scenarios/{name}.yaml")
        for scale, goal in SHARE_GOALS.items():
            label = name if scale == 1.0 else f"{name} at {scale:.0%}"
            sampled, expected = both_modes(scaled(whole, scale), replications)
            yield from figure_rows(label, sampled, expected, goal)
            yield from gap_rows(label, sampled, expected)


def both_modes(scenario: Scenario, replications: int) -> tuple[Outcomes, Outcomes]:
    """Sampled and expected outcomes of the plans of the file."""
    sampled, expected = (
        simulate(
            scenario, replications=replications, seed=SEED, mode=mode, spreads=False, daily=False,
            attribution=False,
        )
        for mode in ("sampled", "expected")
    )  # fmt: skip
    return sampled, expected


def figure_rows(label: str, sampled: Outcomes, expected: Outcomes, goal: float) -> Iterator[Row]:
    for plan in sampled.plans:
        for metric in SHARES:
            true = figure(expected, plan, metric)
            off, noise = apart(sampled, expected, plan, metric)
            yield Row(
                f"{label}, {plan}: {metric}", abs(off) / true * 100, " %", "<=", goal,
                f"{off / true * 100:+.3f} %, noise {noise / true * 100:.3f} %",
                noise / true * 100,
            )  # fmt: skip
        off, noise = apart(sampled, expected, plan, "roi")
        remark = f"{off:+.4f} of {figure(expected, plan, 'roi'):.3f}, noise {noise:.4f}"
        yield Row(f"{label}, {plan}: roi", abs(off), "", "<=", ROI_GOAL, remark, noise)


def gap_rows(label: str, sampled: Outcomes, expected: Outcomes) -> Iterator[Row]:
    """roi of a plan less roi of another."""
    for a, b in combinations(sampled.plans, 2):
        true = figure(expected, a, "roi") - figure(expected, b, "roi")
        pair = [sampled.sample(plan, "roi") for plan in (a, b)]
        off = ratio_of_means(pair[0]) - ratio_of_means(pair[1]) - true
        effect = influence(pair[0]) - influence(pair[1])
        noise = float(effect.std(ddof=1)) / math.sqrt(effect.size)
        remark = f"{off:+.4f} of {true:+.3f}, noise {noise:.4f}"
        yield Row(f"{label}: roi, {a} - {b}", abs(off), "", "<=", ROI_GAP_GOAL, remark, noise)


def figure(outcomes: Outcomes, plan: str, metric: str) -> float:
    return ratio_of_means(outcomes.sample(plan, metric))


def apart(sampled: Outcomes, expected: Outcomes, plan: str, metric: str) -> tuple[float, float]:
    """Sampled less expected, and its standard error."""
    sample: Sample = sampled.sample(plan, metric)
    effect = influence(sample)
    noise = float(effect.std(ddof=1)) / math.sqrt(effect.size)
    return ratio_of_means(sample) - figure(expected, plan, metric), noise
