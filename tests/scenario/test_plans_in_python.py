"""Plans made in Python: what does not fit the scenario is told, not lost."""

import dataclasses
from pathlib import Path

import pytest

import simulator as sim
from simulator.errors import UserError
from simulator.scenario.plan import asked_plans

FILE = Path(__file__).parents[2] / "scenarios/minimal.yaml"
SCENARIO = sim.read_scenario(FILE)


def money(plan):
    return {scene: sum(cells.values()) for scene, cells in plan.money.items()}


@pytest.mark.parametrize("share", [0.3, "30%", {"sale": 0.3}, {"sale": "30%"}])
def test_a_share_is_a_number_or_text_of_a_scene_or_a_phase(share):
    plan = sim.Plan.shares(SCENARIO, "mine", harvest=share)
    assert money(plan) == pytest.approx({"new_customer": 0, "harvest": 18_000})


@pytest.mark.parametrize("amount", [12_000, "12k", "1.2万", {"sale": 12_000}])
def test_an_amount_is_a_number_or_text_of_a_scene_or_a_phase(amount):
    plan = sim.Plan.amounts(SCENARIO, "mine", harvest=amount)
    assert money(plan) == {"new_customer": 0, "harvest": 12_000}


def test_an_amount_may_be_more_than_the_budget_for_a_run_says_what_it_brings():
    assert sim.Plan.amounts(SCENARIO, "rich", harvest=90_000).total(SCENARIO) == 90_000


@pytest.mark.parametrize(
    ("make", "fields", "words"),
    [
        ("shares", {"harvst": 0.3}, "plan 'p': names no scene: 'harvst', did you mean 'harvest'?"),
        ("shares", {"harvest": {"sal": 0.3}}, "names no phase: 'sal', did you mean 'sale'?"),
        ("shares", {"harvest": {"normal": 0.3}}, "gives money to harvest in normal: it spends in sale"),
        ("shares", {"harvest": 0.8, "new_customer": 0.7}, "shares .* at most 1 .got 1.5.; Plan.amounts"),
        ("shares", {"harvest": -0.1}, "harvest must be >= 0"),
        ("shares", {"harvest": float("nan")}, "harvest must be a finite number"),
        ("shares", {"harvest": "much"}, "harvest must be a number such as 40, 12k"),
        ("amounts", {"harvest": -5}, "harvest must be >= 0"),
        ("amounts", {"harvest": 0.5}, "harvest has 0.5 CNY; Plan.shares takes shares"),
        ("amounts", {"packages": ["a.b"], "harvest": 9}, "no contract package is called 'a.b'"),
    ],
)  # fmt: skip
def test_a_slip_is_named(make, fields, words):
    with pytest.raises(UserError, match=words):
        getattr(sim.Plan, make)(SCENARIO, "p", **fields)


@pytest.mark.parametrize(
    ("money", "words"),
    [
        ({"harvst": {"sale": 1.0}}, "names no scene: 'harvst'"),
        ({"harvest": {"sal": 1.0}}, "names no phase: 'sal'"),
        ({"harvest": 100.0}, "money of harvest is by phase"),
        ({"harvest": {"sale": -1.0}}, "must be 0 CNY or more in every phase"),
        ({"harvest": {"sale": float("nan")}}, "must be 0 CNY or more in every phase"),
        ({"harvest": {"sale": "12k"}}, "must be 0 CNY or more in every phase"),
        ({"harvest": {"sale": True}}, "must be 0 CNY or more in every phase"),
        ({"harvest": {"normal": 1.0}}, "gives money to harvest in normal: it spends in sale only"),
        ({5: {"sale": 1.0}}, "names no scene: 5; known are new_customer, harvest"),
        ({"harvest": {5: 1.0}}, "names no phase: 5; known are normal, sale"),
        (None, r"money is by scene and phase, such as .* \(got nothing\)"),
    ],
)
def test_a_plan_put_together_by_hand_is_checked_when_it_is_used(money, words):
    plan = sim.Plan("mine", money, frozenset())
    with pytest.raises(UserError, match=words):
        sim.simulate(SCENARIO, [plan], mode="expected")
    with pytest.raises(UserError, match=words):
        sim.plot_split(SCENARIO, [plan])


def test_a_plan_of_a_cut_scenario_does_not_lose_its_money_in_the_whole_one(tmp_path):
    cut = sim.cut_at(SCENARIO, "2021-03-15")
    plan = sim.Plan.even(cut)
    assert "normal_0315" in plan.money["new_customer"]
    with pytest.raises(UserError, match="names no phase: 'normal_0315'"):
        sim.simulate(SCENARIO, [plan], mode="expected")
    with pytest.raises(UserError, match="names no phase: 'normal_0315'"):
        sim.write_schedule(SCENARIO, plan, tmp_path / "schedule.csv")


def test_plans_go_by_name_too_and_one_alone_needs_no_list():
    names = [plan.name for plan in asked_plans(SCENARIO, ["even", "half_half", "none"])]
    assert names == ["even", "half_half", "none"]
    assert [plan.name for plan in asked_plans(SCENARIO, "even")] == ["even"]
    assert [plan.name for plan in asked_plans(SCENARIO, sim.Plan.even(SCENARIO))] == ["even"]
    assert [plan.name for plan in asked_plans(SCENARIO)] == list(SCENARIO.plans)
    with pytest.raises(UserError, match="no plan is called 'half', did you mean 'half_half'"):
        asked_plans(SCENARIO, ["half"])
    with pytest.raises(
        UserError, match=r"a plan is a sim.Plan with a name, or the name of one \(got 7\)"
    ):
        asked_plans(SCENARIO, [7])
    with pytest.raises(UserError, match=r"a plan is a sim.Plan with a name"):
        asked_plans(SCENARIO, [dataclasses.replace(sim.Plan.even(SCENARIO), name=7)])


def test_a_scenario_says_how_to_change_it():
    with pytest.raises(UserError, match=r"a scenario does not change; sim.with_values"):
        SCENARIO.budget = 80_000
    with pytest.raises(UserError, match="leads to 'traffic'"):
        SCENARIO.calendar.phases["sale"].traffic = 2
    changed = sim.with_values(SCENARIO, {"budget": 80_000, "calendar.phases.sale.traffic": 2})
    assert (changed.budget, float(changed.calendar.phases["sale"].traffic)) == (80_000, 2)
    assert SCENARIO.budget == 60_000


def test_one_setting_needs_no_list():
    assert sim.read_scenario(FILE, sets="budget=80k").budget == 80_000


@pytest.mark.parametrize(
    ("packages", "partners", "words"),
    [
        ("all", None, r"plan 'mine': packages and commissions are sets, such as .* \(got 'all'\)"),
        ([], None, r"packages and commissions are sets, such as .* \(got a list\)"),
        ({5}, None, "no contract package is called 5"),
        (frozenset(), "none", r"packages and commissions are sets, such as .* \(got 'none'\)"),
        (frozenset(), {"tv"}, "no commissioned media is called 'tv': known are none"),
    ],
)
def test_what_a_plan_books_by_hand_is_checked_too(packages, partners, words):
    with pytest.raises(UserError, match=words):
        asked_plans(SCENARIO, sim.Plan("mine", {}, packages, partners))


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: sim.read_scenario(None), r"a file is given by its path \(got nothing\)"),
        (lambda: sim.read_scenario("a\0b"), "a file is given by its path"),
        (lambda: sim.read_scenario(FILE, sets=[5]), "--set 5.* must read KEY=VALUE"),
        (lambda: sim.read_scenario(FILE, sets=5), r"sets are a list, such as .* \(got 5\)"),
        (lambda: sim.with_values("x", {}), "a scenario is what sim.read_scenario returns"),
        (lambda: sim.with_values(SCENARIO, [1]), r"values are a mapping, such as .* \(got a list\)"),
        (lambda: sim.with_values(SCENARIO, {"": 3}), r"values stand at dotted paths .* \(got ''\)"),
        (lambda: sim.with_values(SCENARIO, {5: 3}), r"values stand at dotted paths .* \(got 5\)"),
        (lambda: sim.with_values(SCENARIO, {"scenes.harvest.slots.7": "feed"}),
         r"scenes.harvest.slots.7 must be a number below \d, an entry of the list"),
        (lambda: sim.with_values(SCENARIO, {"scenes.harvest.slots.0.x": 1}), "must be text"),
        (lambda: sim.anchor("x"), "a scenario is what sim.read_scenario returns"),
        (lambda: sim.cut_at(None, "2021-03-15"), "a scenario is what sim.read_scenario returns"),
        (lambda: sim.Plan.shares("x"), "a scenario is what sim.read_scenario returns"),
        (lambda: sim.Plan.shares(SCENARIO), "a plan is a sim.Plan with a name"),
        (lambda: sim.Plan.even("x"), "a scenario is what sim.read_scenario returns"),
        (lambda: sim.Plan.even(SCENARIO, 5), "a plan is a sim.Plan with a name"),
        (lambda: sim.Plan.even(SCENARIO, packages="a.b"), r"packages are a list, .* \(got 'a.b'\)"),
        (lambda: sim.Plan.even(SCENARIO).total("x"), "a scenario is what sim.read_scenario returns"),
        (lambda: sim.simulate(SCENARIO, 5), r"plans are a list, such as .* \(got 5\)"),
        (lambda: sim.simulate(SCENARIO, {"even": 1}), r"plans are a list, .* \(got a mapping\)"),
    ],
)  # fmt: skip
def test_what_is_handed_in_is_told_in_a_sentence(ask, words):
    with pytest.raises(UserError, match=words):
        ask()
