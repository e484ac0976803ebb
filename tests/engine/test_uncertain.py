"""Parameters that we do not know: one draw per replication, common to all plans, within bounds."""

import numpy as np
import pytest

from simulator.engine.lanes import Chunk
from simulator.engine.points import make_points
from simulator.engine.simulate import Job, draw_numbers, simulate
from simulator.scenario import read_scenario
from simulator.scenario.amounts import Uncertain
from simulator.scenario.plan import Plan, plans_of
from simulator.scenario.uncertain import draw_all, uncertain_paths
from tests.worlds import brief, expected, sampled

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


@pytest.mark.slow
@pytest.mark.parametrize("path", [MINIMAL, COFFEE])
def test_not_knowing_widens_what_chance_alone_gives(path):
    outcomes = simulate(read_scenario(path), replications=64, seed=11, daily=False)
    plan = outcomes.plans[0]
    for metric in ("gmv", "new_customers", "roi"):
        both, alone = outcomes.metrics(plan)[metric], outcomes.chance_only.metrics(plan)[metric]
        assert both["p90"] - both["p10"] > 1.2 * (alone["p90"] - alone["p10"])


def test_a_stated_spread_of_one_number_moves_that_number_alone():
    path = "slots.feed.median_cpm"
    sets = [[f"{path}={{value: 25, sd: {share}}}"] for share in ("20%", "50%")]
    less, more = (draw_numbers(job(read_scenario(MINIMAL, s), range(1000))) for s in sets)
    assert {name for name in less if not np.array_equal(less[name], more[name])} == {path}
    assert [x[path].std() / 25 for x in (less, more)] == pytest.approx([0.2, 0.5], rel=0.1)


# --- expected mode over several values of what is not known -------------------------------------


def test_a_point_is_an_expected_run_with_its_numbers():
    scenario = brief("chance.demand_sd=0")
    points, plan = make_points(scenario, 4), plans_of(scenario)[0]
    both = expected(scenario, [plan], vectors=4)
    for n in (0, 3):
        fixed = draw_all(scenario, lambda path, _, n=n: Uncertain(points.numbers[path][n]))
        alone = expected(fixed, [plan])
        for metric in ("gmv", "spend", "profit_incremental", "new_customers"):
            one, many = alone.values(plan.name, metric), both.values(plan.name, metric)
            assert many[n] == pytest.approx(one[0], rel=1e-9)


def test_points_keep_means_and_bounds_and_no_number_moves_another():
    scenario = read_scenario(COFFEE)
    points, numbers = make_points(scenario, 16), uncertain_paths(scenario)
    for path, values in points.numbers.items():
        assert values.min() >= 0 and values.max() <= numbers[path].most
        if numbers[path].most == np.inf:
            assert values.mean() == pytest.approx(float(numbers[path]), rel=2e-3)
    more = read_scenario(COFFEE, sets=["products.drip_bags.price={value: 150, sd: 20%}"])
    others = make_points(more, 16).numbers
    assert len(others) == len(points.numbers) + 1
    assert all(np.array_equal(values, others[path]) for path, values in points.numbers.items())


def test_where_nothing_is_unknown_the_points_are_those_of_the_shocks():
    scenario = brief("products.coffee.luck_sd=0.1")
    known = draw_all(scenario, lambda _, number: Uncertain(float(number)))
    one, other = expected(known), expected(known, vectors=16)
    assert np.array_equal(one.values(one.plans[0], "roi"), other.values(one.plans[0], "roi"))


def test_what_just_suffices_at_the_means_does_not_in_the_mean():
    """Stock for all orders that are expected: the mean of a minimum is below the minimum of means."""
    scenario = brief("products.coffee.stock=3600")
    plan = plans_of(scenario)[:1]
    drawn = sampled(scenario, plan, replications=128, seed=3, spreads=True, chance_alone=False)
    orders = drawn.values(plan[0].name, "paid_orders")
    noise = orders.std(ddof=1) / np.sqrt(orders.size)
    at_means, over = (
        expected(scenario, plan, vectors=n).values(plan[0].name, "paid_orders").mean()
        for n in (0, 16)
    )
    assert at_means - orders.mean() > 5 * noise
    assert abs(over - orders.mean()) < 3 * noise
