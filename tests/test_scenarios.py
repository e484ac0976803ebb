"""Every shipped scenario: its header says what it is, and it runs in both modes."""

from functools import cache

import numpy as np
import pytest

from simulator.engine.simulate import simulate
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario import read_scenario
from simulator.scenario.plan import plans_of
from tests.worlds import SCENARIOS, differing

FILES = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))
FEW = {"minimal"}  # a first file to read, without a persona
HEAD = ("Persona:", "Question:", "Vary:", "Published:", "Our estimates:")


@cache
def run(name: str, mode: str) -> Outcomes:
    return simulate(read_scenario(SCENARIOS / f"{name}.yaml"), mode=mode, replications=16, seed=11)


@pytest.mark.parametrize("name", [name for name in FILES if name not in FEW])
def test_the_header_says_who_asks_what_and_where_the_numbers_come_from(name: str):
    text = (SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8")
    head = text[: text.index("\nname:")]
    assert all(line.startswith("#") for line in head.splitlines())
    assert [word for word in HEAD if word not in head] == []
    scenario = read_scenario(SCENARIOS / f"{name}.yaml")
    assert scenario.question and len(plans_of(scenario)) >= 2


@pytest.mark.parametrize("mode", ["expected", "sampled"])
@pytest.mark.parametrize("name", FILES)
def test_every_plan_spends_sells_and_differs_from_no_ads(name: str, mode: str):
    outcomes, scenario = run(name, mode), read_scenario(SCENARIOS / f"{name}.yaml")
    for plan in plans_of(scenario):
        spend, gmv = (outcomes.sample(plan.name, metric) for metric in ("spend", "gmv"))
        assert 0.5 * plan.auction_money < np.mean(spend.top) <= scenario.budget * (1 + 1e-9)
        assert np.mean(gmv.top) > 0


@pytest.mark.parametrize("name", FILES)
def test_lanes_are_the_same_in_another_company(name: str):
    """One plan alone beside the plan without ads, half of the replications: the same bits."""
    scenario = read_scenario(SCENARIOS / f"{name}.yaml")
    plans = plans_of(scenario)
    alone = simulate(scenario, plans[-1:], replications=8, seed=11)
    whole = run(name, "sampled").book
    first = 16 * (len(plans) - 1)
    chosen = np.r_[first : first + 8, 16 * len(plans) : 16 * len(plans) + 8]
    assert differing(whole.lanes(chosen), alone.book) == []
