"""When shocks are on: the mean of every step against spells that are drawn, and against brute force."""

import numpy as np
import pytest

from simulator.engine.lanes import cells_of
from simulator.engine.simulate import make_grid
from simulator.market.build import build_world
from simulator.market.draws import Expected, Sampled
from simulator.market.shocks import NEVER, Weather, begin, expected_on
from simulator.market.world import World
from tests.worlds import brief

COUNT = 4000
WINDOW = "start: 2021-03-21 07:00, end: 2021-03-25 19:00"
SHOCKS = {
    "once": f"{{{WINDOW}, chance: 70%, days: 2.3, demand: 2}}",
    "surely": f"{{{WINDOW}, chance: 100%, days: 0.2, demand: 2}}",
    "often": f"{{{WINDOW}, rate: 0.5, days: 1.7, demand: 2}}",
    "all the time": f"{{{WINDOW}, rate: 3, days: 1, demand: 2}}",
    "long": f"{{{WINDOW}, chance: 30%, days: 9, demand: 2}}",
    "at once": "{start: 2021-03-24, end: 2021-03-24 00:01, chance: 40%, days: 1, demand: 2}",
}


def world_of(*names: str) -> World:
    sets = [f"shocks.{name.replace(' ', '_')}={SHOCKS[name]}" for name in names]
    scenario = brief("calendar.phases.sale.clock=1h", *sets)
    return build_world(scenario, make_grid(scenario))


def drawn(world: World, count: int = COUNT, plans: int = 1) -> Weather:
    draws = Sampled(5, list(range(count)), plans, cells_of(world))
    return Weather(world.shocks, world.steps, draws, sampled=True)


def shares(weather: Weather) -> np.ndarray:
    """Share of every step in which the first shock is on: [step, lane]."""
    found = []
    for step in range(len(weather.steps)):
        weather.read(step)
        found.append(np.broadcast_to(weather.on[0], (COUNT,)) if weather.spells else weather.on[0])
    return np.array(found)


@pytest.mark.parametrize("name", SHOCKS)
def test_the_mean_is_that_of_drawn_spells(name: str):
    world = world_of(name)
    mean = shares(Weather(world.shocks, world.steps, Expected(1), sampled=False))[:, 0]
    spells = shares(drawn(world))
    error = spells.std(axis=1) / np.sqrt(COUNT)
    assert mean.max() > 0.02
    assert (np.abs(spells.mean(axis=1) - mean) <= 4.5 * error + 1e-12).all()
    assert (spells >= 0).all() and (spells <= 1 + 1e-12).all()


@pytest.mark.parametrize("name", ["once", "often"])
def test_a_shock_lasts_its_days(name: str):
    """Hours on of each replication: whole spells, or those of a Poisson process without overlaps."""
    world = world_of(name)
    weather = drawn(world)
    days = np.einsum("sl,s->l", shares(weather), world.steps.days)
    (starts, stops) = weather.spells[0]
    if name == "once":
        assert set(days.round(9)) == {0.0, 2.3}
        assert (days > 0).mean() == pytest.approx(0.7, abs=0.03)
        return
    for lane in range(200):
        ours = starts[starts[:, lane] < NEVER, lane]
        merged = union([(t, t + 1.7 * 86400) for t in ours]) / 86400
        assert days[lane] == pytest.approx(merged)
    mean = 0.5 * 4.5
    assert (starts < NEVER).sum(axis=0).mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / COUNT))
    assert (stops >= starts).all()


def union(spells: list[tuple[float, float]]) -> float:
    total, reached = 0.0, -np.inf
    for start, stop in spells:
        total += max(0.0, stop - max(start, reached))
        reached = max(reached, stop)
    return total


def test_starts_are_even_over_the_window():
    world = world_of("once")
    starts = drawn(world).spells[0][0, 0]
    first, width = world.shocks.start[0], world.shocks.end[0] - world.shocks.start[0]
    place = np.sort((starts[starts < NEVER] - first) / width)
    even = (np.arange(len(place)) + 0.5) / len(place)
    assert np.abs(place - even).max() < 1.63 / np.sqrt(len(place))  # Kolmogorov, 1%


def test_plans_see_the_same_sky_and_other_shocks_do_not_move_it():
    alone, both = world_of("once"), world_of("often", "once")
    one = begin(alone.shocks, Sampled(5, [0, 1, 2], 2, cells_of(alone)))[0]
    other = begin(both.shocks, Sampled(5, [0, 1, 2], 1, cells_of(both)))[1]
    np.testing.assert_array_equal(one[..., :3], one[..., 3:])
    np.testing.assert_array_equal(one[..., :3], other)


def test_nothing_is_on_outside_its_time():
    world = world_of("once")
    weather = drawn(world)
    for step in np.flatnonzero(~weather.near):
        weather.read(int(step))
        assert not weather.on.any()
    mean = expected_on(world.shocks, world.steps)[:, 0]
    assert ((mean > 0) == weather.near).all() and not weather.near.all()


class Clocks:
    """Chance of which every clock rings after the same time."""

    def __init__(self, wait: float) -> None:
        self.wait = wait

    def exponential(self, purpose: str, cells: int) -> np.ndarray:
        return np.full((cells, 1), self.wait)


def spells_in_days(name: str, wait: float) -> list[list[float]]:
    """Start and end of the spells that come, in days since the window opened."""
    world = world_of(name)
    (spells,) = begin(world.shocks, Clocks(wait))
    days = (spells[:, :, 0] - world.shocks.start[0]) / 86400
    return days[:, spells[0, :, 0] < NEVER].round(9).T.tolist()


def test_spells_by_hand():
    """At a chance of 0.7, 0.35 of all chance is a half of the 4.5 days; a clock of rate 3 rings thrice a day."""
    assert spells_in_days("once", -np.log(1 - 0.35)) == [[2.25, 4.55]]
    assert len(spells_in_days("once", -np.log(1 - 0.699))) == 1
    assert spells_in_days("once", -np.log(1 - 0.701)) == []
    assert spells_in_days("all the time", 4.5) == [[1.5, 2.5], [3.0, 4.0]]
    assert spells_in_days("often", 0.5) == [[1.0, 2.0], [2.0, 3.0], [3.0, 4.0], [4.0, 5.7]]


def test_the_share_of_a_step_that_spells_last():
    """One ends after a quarter of the step, the next begins with its second half."""
    world = world_of("once")
    weather = drawn(world, 1)
    step = int(np.flatnonzero(weather.near)[3])
    begins, ends = world.steps.start[step], world.steps.end[step]
    quarter = (ends - begins) / 4
    starts, stops = [begins - 9e4, begins + 2 * quarter], [begins + quarter, ends + 9e4]
    weather.spells = [np.array([starts, stops])[:, :, None]]
    weather.read(step)
    assert weather.on[0, 0] == pytest.approx(0.75, rel=1e-12)


def test_factors_are_for_those_whom_a_shock_moves():
    scenario = brief(
        "products.jacket={price: 600, margin: 50%}",
        f"shocks.cold={{{WINDOW}, chance: 100%, days: 9, demand: 3, products: [jacket]}}",
        f"shocks.news={{{WINDOW}, chance: 100%, days: 9, demand: 0.5, segments: [shoppers]}}",
        f"shocks.fair={{{WINDOW}, chance: 100%, days: 9, traffic: 1.5}}",
    )
    world = build_world(scenario, make_grid(scenario))
    weather = Weather(world.shocks, world.steps, Expected(1), sampled=False)
    weather.on = np.array([[0.5], [1.0], [0.25]])
    assert weather.of_products()[:, 0].tolist() == [1.0, 2.0]
    assert weather.of_segments()[:, 0].tolist() == [0.5]
    assert weather.of_traffic()[:, 0].tolist() == [1.125]
