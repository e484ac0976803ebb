"""Anchors: a known truth is found again, contradictions are named, and a scenario without any stays."""

import pytest

from simulator.calibration.anchors import anchor, at_levels, own_figures
from simulator.engine.simulate import simulate
from simulator.scenario.plan import plans_of
from simulator.scenario.schema import Scenario
from tests.worlds import brief, figures

TRUTH = {"rivals": 1.4, "conversion": 0.7, "free_visits": 1.3}


def with_anchors(scenario: Scenario, **anchors: object) -> Scenario:
    data = scenario.model_dump(mode="json") | {"anchors": anchors}
    return Scenario.model_validate(data)


def own(scenario: Scenario) -> dict[str, float]:
    """What a merchant of that world would write down."""
    plan = plans_of(scenario)[0]
    found = figures(simulate(scenario, [plan], mode="expected", daily=False), plan.name)
    return {
        "gmv": found["gmv_campaign"], "average_cpc": found["spend"] / found["clicks"],
        "new_customer_share": found["new_customers"] / found["paid_orders"],
    }  # fmt: skip


def test_the_levels_of_a_known_world_are_found_again():
    scenario = brief("chance.demand_sd=0")
    found = anchor(with_anchors(scenario, **own(at_levels(scenario, TRUTH))))
    assert found.levels == pytest.approx(TRUTH, rel=0.02)
    assert max(abs(row.off) for row in found.anchors) < 0.005
    assert found.contradictions == ()
    assert own(found.scenario) == pytest.approx(own_figures_of(found), rel=0.005)


def own_figures_of(found) -> dict[str, float]:
    return {row.name: row.own for row in found.anchors}


def test_the_return_of_a_scene_can_be_an_anchor():
    found = anchor(with_anchors(brief(), roas={"harvest": 6}))
    (row,) = found.anchors
    assert row.name == "roas.harvest" and row.simulated == pytest.approx(6, rel=0.01)


def test_what_no_anchor_speaks_of_stays():
    found = anchor(with_anchors(brief(), average_cpc=1.5))
    assert found.levels["free_visits"] == pytest.approx(1, abs=0.02)
    assert abs(found.levels["rivals"] - 1) > 0.1


def test_contradictions_are_named():
    found = anchor(
        with_anchors(brief(), gmv=3e6, new_customer_share=0.05, average_cpc=40, spend=100)
    )
    assert {row.name for row in found.contradictions} >= {"spend"}


def test_a_scenario_without_anchors_stays_as_it_is():
    scenario = brief()
    assert own_figures(scenario) == {}
    assert anchor(scenario).scenario is scenario
