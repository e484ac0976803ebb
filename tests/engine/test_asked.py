"""What a run is asked is checked before it is begun, and what a user's process does as it goes."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

import simulator as sim
from simulator.errors import UserError
from tests.worlds import brief

WORLD = brief()


def play(**options):
    return sim.simulate(WORLD, "even", **({"replications": 2, "spreads": False} | options))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "x"}, r"mode must be one of expected, sampled \(got 'x'\)"),
        ({"replications": 0}, r"replications must be a whole number from 1 to .* \(got 0\)"),
        ({"replications": 2.5}, "replications must be a whole number"),
        ({"replications": True}, "replications must be a whole number"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"seed": 1.5}, "seed must be a whole number from 0"),
        ({"mode": "expected", "vectors": -1}, "vectors must be a whole number from 0"),
        ({"executor": 2}, r"executor must be one of concurrent.futures \(got 2\)"),
        ({"processes": ["x"]}, "a process is a generator function, not called yet"),
        ({"processes": 5}, r"a process is a generator function, not called yet \(got 5\)"),
        ({"progress": 5}, r"progress is a function that is told how far it is \(got 5\)"),
        ({"spreads": "no"}, r"spreads must be True or False \(got 'no'\)"),
    ],
)
def test_what_cannot_be_run_is_told_in_a_sentence(options, words):
    with pytest.raises(UserError, match=words):
        play(**options)


def test_a_file_is_not_a_scenario():
    with pytest.raises(
        UserError, match=r"a scenario is what sim.read_scenario returns \(got 'a.yaml'\)"
    ):
        sim.simulate("a.yaml")


def test_whole_numbers_of_numpy_are_kept_as_plain_ones(tmp_path):
    outcomes = play(seed=np.int64(7), replications=np.int64(2))
    assert outcomes.summary("gmv").equals(play(seed=7).summary("gmv"))
    sim.write_outcomes(outcomes, tmp_path)  # JSON knows no numbers of NumPy


def test_an_executor_that_was_shut_down_takes_no_work():
    with ThreadPoolExecutor(1) as pool:
        pass
    with pytest.raises(UserError, match=r"the executor takes no work .*: give one that is open"):
        play(executor=pool)


# --- processes ----------------------------------------------------------------------------------


def sets(what, value):
    def rule(view):
        yield view.hours(1)
        getattr(view.controls, what)[:] = value

    return rule


def scalar(view):
    yield view.hours(1)
    view.controls.bid = 0.8


def yields(wait):
    def rule(view):
        yield wait

    return rule


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (yields(-5), r"process rule must yield seconds, such as view.hours\(24\) \(got -5\)"),
        (yields("1d"), "process rule must yield seconds"),
        (yields(None), "process rule must yield seconds"),
        (yields(float("inf")), "process rule must yield seconds"),
        (lambda view: None, "must yield how long it sleeps"),
        (sets("bid", np.nan), "process rule: controls.bid takes factors from 0 up"),
        (sets("pace", -1.0), "process rule: controls.pace takes factors from 0 up"),
        (scalar, "process scalar: controls.bid keeps its shape"),
    ],
)
def test_a_process_that_slips_is_named(rule, words):
    with pytest.raises(UserError, match=words):
        play(processes=rule)


@pytest.mark.parametrize(
    "what",
    [lambda v: v.people, lambda v: v.spent, lambda v: v.book.spend, lambda v: v.book.totals["gmv"]],
)
def test_a_process_can_only_look_at_the_market(what):
    def rule(view):
        yield view.hours(24)
        what(view)[:] = 0

    with pytest.raises(ValueError, match="read-only"):
        play(processes=[rule])


def test_a_process_that_cannot_be_sent_is_told_before_it_is():
    with (
        ProcessPoolExecutor(1) as pool,
        pytest.raises(UserError, match="let them stand in a module, not inside a function"),
    ):
        play(processes=sets("bid", 1.0), executor=pool)


def test_a_bid_of_nothing_spends_nothing():
    def rule(view):
        view.controls.bid[view.scene("harvest")] = 0
        yield view.hours(1)

    spend = play(processes=rule).scenes("even")["harvest"]["spend"]["mean"]
    assert spend == 0


def test_its_own_error_comes_through():
    def rule(view):
        yield view.hours(1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        play(processes=[rule])


def test_a_process_finds_its_scene_and_the_lanes_of_a_plan():
    def rule(view):
        view.controls.pace[view.scene("harvest"), view.lanes("half_half")] = 0
        yield view.hours(1)

    outcomes = sim.simulate(WORLD, replications=2, spreads=False, processes=[rule])
    spend = {plan: outcomes.scenes(plan)["harvest"]["spend"]["mean"] for plan in outcomes.plans}
    assert spend["half_half"] == 0 < spend["mostly_new"]

    def lost(view):
        yield view.scene("harvst")

    with pytest.raises(UserError, match="no scene is called 'harvst'; known are"):
        play(processes=[lost])
