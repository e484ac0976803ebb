"""Parameters that we do not know: one draw per replication, common to all plans, within bounds."""

import numpy as np
import pytest

from simulator.engine.lanes import Chunk
from simulator.engine.simulate import Job, draw_numbers, simulate
from simulator.scenario import read_scenario
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.uncertain import uncertain_paths

COFFEE = "scenarios/new_coffee_100m.yaml"
MINIMAL = "scenarios/minimal.yaml"


def job(scenario, replications):
    chunk = Chunk((*plans_of(scenario), Plan.none(scenario)), tuple(replications))
    return Job(scenario, chunk, 11, True, True, False, False)


def test_rates_stay_below_one_and_means_are_kept():
    scenario = read_scenario(COFFEE)
    numbers = uncertain_paths(scenario)
    drawn = draw_numbers(job(scenario, range(2000)))
    for path, values in drawn.items():
        assert values.min() >= 0 and values.max() <= numbers[path].most
        error = numbers[path].sd * float(numbers[path]) / np.sqrt(2000)
        if numbers[path].most == np.inf:
            assert abs(values.mean() - float(numbers[path])) < 4.5 * error


def test_numbers_do_not_depend_on_the_chunk_or_on_each_other():
    scenario = read_scenario(MINIMAL)
    every, some = draw_numbers(job(scenario, range(32))), draw_numbers(job(scenario, range(20, 32)))
    assert all(np.array_equal(every[path][20:], some[path]) for path in every)
    table = np.array(list(every.values()))
    off = np.corrcoef(draw_table(scenario))[np.triu_indices(len(table), 1)]
    assert np.abs(off).max() < 0.2


def draw_table(scenario):
    return np.array(list(draw_numbers(job(scenario, range(1000))).values()))


@pytest.mark.parametrize("path", [MINIMAL, COFFEE])
def test_not_knowing_widens_what_chance_alone_gives(path):
    outcomes = simulate(read_scenario(path), replications=64, seed=11, daily=False)
    plan = outcomes.plans[0]
    for metric in ("gmv", "new_customers", "roi"):
        both, alone = outcomes.metrics(plan)[metric], outcomes.chance_only.metrics(plan)[metric]
        assert both["p90"] - both["p10"] > 1.2 * (alone["p90"] - alone["p10"])


def test_a_stated_spread_of_one_number_moves_only_what_follows_from_it():
    sets = ["slots.feed.median_cpm={value: 25, sd: 50%}"]
    scenario = read_scenario(MINIMAL, sets=sets)
    assert float(uncertain_paths(scenario)["slots.feed.median_cpm"].sd) == 0.5
