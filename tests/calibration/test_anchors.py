"""Anchors: a known truth is found again, contradictions are named, and a scenario without any stays."""

from datetime import datetime

import numpy as np
import pytest

from simulator.calibration.anchors import Anchor, Anchored, anchor, own_figures
from simulator.calibration.levels import LEVELS, at_levels, at_many
from simulator.engine.run import View
from simulator.engine.simulate import simulate
from simulator.errors import UserError
from simulator.reports.tables import anchors_table
from simulator.scenario.plan import plans_of
from simulator.scenario.schema import Scenario
from tests.worlds import brief, figures

TRUTH = {"rivals": 1.4, "conversion": 0.7, "free_visits": 1.3}


def with_anchors(scenario: Scenario, **anchors: object) -> Scenario:
    data = scenario.model_dump(mode="json") | {"anchors": anchors}
    return Scenario.model_validate(data)


def played(scenario: Scenario, number: int = 0) -> dict[str, float]:
    """Figures of a plan of the file."""
    plan = plans_of(scenario)[number]
    return figures(simulate(scenario, [plan], mode="expected", daily=False), plan.name)


def own(scenario: Scenario) -> dict[str, float]:
    """What a merchant of that world would write down on the evening when advertising ends."""
    seen: dict[str, float] = {}

    def write_down(view: View):
        yield (scenario.calendar.end - datetime(2021, 3, 20)).total_seconds() - 1
        book = view.book
        seen.update(
            {name: book.totals[name][0] for name in ("gmv", "new_customers", "paid_orders")}
        )
        seen.update(
            {f"{what} harvest": book.scenes[what][1, 0] for what in ("gmv_attributed", "spend")}
        )
        seen.update({what: book.scenes[what][:, 0].sum() for what in ("clicks", "spend")})

    simulate(scenario, plans_of(scenario)[:1], mode="expected", processes=[write_down])
    return {
        "gmv": seen["gmv"], "average_cpc": seen["spend"] / seen["clicks"],
        "new_customer_share": seen["new_customers"] / seen["paid_orders"],
        "roas.harvest": seen["gmv_attributed harvest"] / seen["spend harvest"],
    }  # fmt: skip


def as_written(figures: dict[str, float]) -> dict[str, object]:
    """The figures as a file has them."""
    return figures | {"roas": {"harvest": figures.pop("roas.harvest")}}


def test_the_levels_of_a_known_world_are_found_again():
    scenario = brief("chance.demand_sd=0")
    found = anchor(with_anchors(scenario, **as_written(own(at_levels(scenario, TRUTH)))))
    assert found.levels == pytest.approx(TRUTH, rel=0.02)
    assert max(abs(row.off) for row in found.anchors) < 0.005
    assert found.contradictions == ()
    assert own(found.scenario) == pytest.approx(own_figures_of(found), rel=0.005)


def test_levels_that_are_tried_together_are_those_worlds():
    scenario = brief("chance.demand_sd=0.2", "slots.feed.cvr={low: 2%, high: 4%}")
    x = np.log([[1.0, 1.0, 1.0], [1.4, 0.7, 1.3]])
    world, points = at_many(scenario, x)
    plan = plans_of(scenario)[0]
    outcomes = simulate(world, [plan], mode="expected", vectors=points, attribution=False)
    together = outcomes.values(plan.name, "gmv").reshape(len(x), -1).mean(axis=1)
    for levels, gmv in zip(np.exp(x), together, strict=True):
        alone = at_levels(scenario, dict(zip(LEVELS, levels, strict=True)))
        assert gmv == pytest.approx(played(alone)["gmv"], rel=1e-9)


def test_of_all_levels_that_meet_an_anchor_the_nearest_to_the_file_is_taken():
    """No move along levels of the same gmv comes nearer: the logs are in proportion to the slopes."""
    scenario = with_anchors(brief(), gmv=280_000)
    found = anchor(scenario)
    x = np.log([found.levels[name] for name in LEVELS])
    around = x + 0.01 * np.concatenate([np.eye(3), -np.eye(3)])
    gmv = [
        played(at_levels(scenario, dict(zip(LEVELS, np.exp(y), strict=True))))["gmv_campaign"]
        for y in around
    ]
    slopes = np.log(gmv[:3]) - np.log(gmv[3:])
    cosine = x @ slopes / np.linalg.norm(x) / np.linalg.norm(slopes)
    assert abs(cosine) > 0.999


def own_figures_of(found) -> dict[str, float]:
    return {row.name: row.own for row in found.anchors}


@pytest.mark.slow
def test_the_return_of_a_scene_can_be_an_anchor():
    found = anchor(with_anchors(brief(), roas={"harvest": 6}))
    (row,) = found.anchors
    assert row.name == "roas.harvest" and row.simulated == pytest.approx(6, rel=0.01)


@pytest.mark.slow
def test_spend_is_met_by_spend():
    """At a fixed bid, which leaves money over."""
    bid = "{mode: custom_bid, cost_per: click, target: 0.8}"
    scenario = brief(f"scenes.new_customer.bid={bid}", f"scenes.harvest.bid={bid}")
    found = anchor(with_anchors(scenario, spend=7_000))
    assert found.levels["rivals"] == pytest.approx(1.3, rel=0.02)
    assert played(found.scenario)["spend"] == pytest.approx(7_000, rel=1e-3)


@pytest.mark.slow
def test_the_plan_of_the_anchors_is_the_one_that_is_played():
    scenario = brief()
    assert played(scenario, 1)["gmv_campaign"] > 1.01 * played(scenario, 0)["gmv_campaign"]
    found = anchor(with_anchors(scenario, plan="mostly_new", gmv=300_000))
    assert played(found.scenario, 1)["gmv_campaign"] == pytest.approx(300_000, rel=1e-3)


@pytest.mark.slow
def test_what_no_anchor_speaks_of_stays():
    found = anchor(with_anchors(brief(), average_cpc=1.7))
    assert found.levels["free_visits"] == pytest.approx(1, abs=0.02)
    assert abs(found.levels["rivals"] - 1) > 0.1


@pytest.mark.slow
def test_contradictions_are_named():
    found = anchor(
        with_anchors(brief(), gmv=3e6, new_customer_share=0.05, average_cpc=40, spend=100)
    )
    assert {row.name for row in found.contradictions} >= {"spend"}


def test_an_anchor_may_be_missed_by_a_little():
    """By 2%, and not by 10%."""
    rows = (Anchor("gmv", 100, 110), Anchor("spend", 100, 98), Anchor("average_cpc", 100, 90))
    found = Anchored(brief(), {}, rows)
    assert [row.name for row in found.contradictions] == ["gmv", "average_cpc"]


def test_the_table_says_on_which_side_an_anchor_is_missed():
    rows = (Anchor("gmv", 2000, 2200), Anchor("spend", 100, 98))
    lines = anchors_table({"rivals": 1.25, "conversion": 0.5}, rows).splitlines()
    assert [line.split() for line in lines] == [
        ["anchor", "own", "simulated", "off"], ["gmv", "2,000", "2,200", "+10.0%"],
        ["spend", "100", "98.0", "-2.0%"], ["levels:", "rivals", "x1.25,", "conversion", "x0.5"],
    ]  # fmt: skip


def test_a_number_at_a_level_is_as_uncertain_as_before():
    scenario = brief(
        "slots.feed.median_cpm={value: 40, sd: 20%}",
        "slots.feed.cvr={value: 4%, sd: 30%}",
        "sources.search.organic_visits={low: 600, high: 1000}",
    )
    found = at_levels(scenario, {"rivals": 2.0, "conversion": 2.0, "free_visits": 1.5})
    feed, visits = found.slots["feed"], found.sources["search"].organic_visits
    assert (feed.median_cpm, feed.median_cpm.sd) == pytest.approx((80, 0.2))
    assert (feed.cvr, feed.cvr.sd) == pytest.approx((0.08 / 1.04, 0.3))
    assert (visits.low, visits.high) == pytest.approx((900, 1500))


def test_a_scenario_without_anchors_stays_as_it_is():
    scenario = brief()
    assert own_figures(scenario) == {}
    assert anchor(scenario).scenario is scenario


def test_a_spend_below_the_budget_is_met_though_all_of_it_is_spent_at_first():
    """A little more or less of anything moves nothing there: another start is looked for."""
    found = anchor(brief("anchors={spend: 50k}"))
    assert found.contradictions == ()
    assert found.anchors[0].simulated == pytest.approx(50e3, rel=0.01)


@pytest.mark.parametrize(
    ("anchors", "why"),
    [
        ({"roas": {"harvest": 3}}, "anchors.roas.harvest.* spends nothing on harvest"),
        ({"average_cpc": 1}, "anchors.average_cpc.* brings no click"),
    ],
)
def test_an_anchor_of_what_the_plan_has_nothing_of_is_refused(anchors, why: str):
    plan = "new_customer: 50%" if "roas" in anchors else "new_customer: 0%"
    with pytest.raises(UserError, match=why):
        anchor(with_anchors(brief(f"plans={{x: {{{plan}}}}}"), plan="x", **anchors))


def test_levels_that_go_as_far_as_they_may_are_told():
    found = anchor(with_anchors(brief(), gmv=9e9))
    assert found.stretched and [row.name for row in found.contradictions] == ["gmv"]
    assert Anchored(brief(), TRUTH, ()).stretched == ()


def test_another_version_keeps_the_levels_and_what_it_sets_itself():
    found = Anchored(brief(), TRUTH, ())
    changed = brief("slots.search_words.median_cpm=60", "budget=120k")
    there = found.of(changed, {"slots.search_words.median_cpm", "budget"})
    assert there.budget == 120_000
    assert float(there.slots["search_words"].median_cpm) == 60
    before, after = (float(world.slots["feed"].median_cpm) for world in (changed, there))
    assert after / before == pytest.approx(TRUTH["rivals"])
