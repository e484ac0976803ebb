"""From a date on: the cut alone changes next to nothing, the past stays, and the rest gets better."""

import re
from datetime import datetime
from functools import cache

import pytest

from simulator.allocation.effort import SHORT
from simulator.allocation.fair import fair_points
from simulator.allocation.problem import Limits
from simulator.allocation.replan import carry_on, replan, spent_by
from simulator.errors import ScenarioError, UserError
from simulator.reports.advice import advice_text
from simulator.reports.sentences import signed
from simulator.scenario.amounts import compact
from simulator.scenario.cut import cut_at
from simulator.scenario.plan import plans_of
from tests.worlds import booked, brief, everything, expected, plan, sampled

DAY = datetime(2021, 3, 24)
REST = "normal_0324"
QUICK = {"effort": SHORT, "replications": 4}
BY_PHASE = (
    "products.coffee.discount.normal=5%",
    "slots.feed.rival_level={normal: 1.3}",
    "scenes.new_customer.phases=[normal]",
    "incentives.coupons={gift: {merchant: 5%, order_value: 1.1, phases: [normal]}}",
    "commissions={creator: {source: recommend, visits: 50, bands: {outside: 1}, cvr: 2%, rate: 10%, "
    "fee: 100, phases: [normal]}}",
    "calendar.phases.normal.wallet_topup=20%",
    "calendar.phases.sale.payment_load=0.9",
)


def change(scenario, day, money=None, **options):
    """The greatest relative change of spend, gmv, new customers and contribution by the cut alone."""
    own = money or plans_of(scenario)[0]
    run = expected if not options else sampled
    whole = run(scenario, [own], **options).metrics(own.name)
    parts = run(cut_at(scenario, day), [carry_on(scenario, own, day)], **options).metrics(own.name)
    names = ("spend", "gmv", "new_customers", "contribution", "commission_media", "failed_payments")
    return max(abs(parts[n]["mean"] / whole[n]["mean"] - 1) for n in names if whole[n]["mean"])


@cache
def replanned():
    return replan(brief(), None, "2021-03-24", **QUICK)


@cache
def starved():
    """Bids below the reserve: the first scene spends nothing of its money before the date."""
    world = brief("scenes.new_customer.bid={mode: custom_bid, cost_per: click, target: 0.01}")
    return world, replan(world, None, "2021-03-24", objectives=("roi",), **QUICK)


# --- the cut ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sets", [(), BY_PHASE])
def test_the_cut_alone_changes_what_the_last_step_before_it_cannot_spend(sets):
    # Pacing aims at the money left: before the cut it now ends with an own last step.
    assert change(brief(*sets), DAY) < 2e-4


@pytest.mark.parametrize("kind", ["pacing=quick", "budget_kind=daily"])
def test_where_pacing_does_not_look_ahead_the_cut_changes_nothing(kind):
    assert change(brief(f"scenes.new_customer.{kind}"), DAY) < 1e-12


def test_a_booking_and_a_sale_day_can_be_cut():
    assert change(booked(), DAY) < 1e-3
    assert change(brief(), datetime(2021, 3, 27)) < 3e-3


def test_a_pot_is_kept_by_phase_after_the_cut():
    scenario = brief("scenes.new_customer.budget_kind=cycle")
    assert change(scenario, DAY) < 2e-3
    own = carry_on(scenario, plans_of(scenario)[0], DAY).money["new_customer"]
    assert sum(own.values()) == pytest.approx(30_000, rel=1e-3)
    assert cut_at(scenario, datetime(2021, 3, 26)).scenes["new_customer"].budget_kind == "total"


def test_every_mechanic_survives_the_cut():
    # A pot cannot be cut: by phase it spends less here, for its bids leave money in some of them.
    assert change(everything("scenes.gain.budget_kind=total"), datetime(2020, 11, 7)) < 2e-3
    assert change(everything(), datetime(2020, 11, 7)) < 6e-2


def test_what_is_uncertain_in_a_phase_is_drawn_once_for_both_parts():
    scenario = brief("calendar.phases.normal.traffic={value: 1, sd: 50%}")
    options = {"replications": 8, "spreads": True, "chance_alone": False}
    assert change(scenario, DAY, **options) < 5e-3


def test_a_phase_table_has_both_parts():
    cut = cut_at(brief(*BY_PHASE), DAY)
    assert list(cut.calendar.phases) == ["normal", REST, "sale"]
    assert cut.calendar.phases[REST].continues == "normal"
    assert cut.products["coffee"].discount[REST] == pytest.approx(0.05)
    assert cut.slots["feed"].rival_level[REST] == pytest.approx(1.3)
    for part in (
        cut.scenes["new_customer"],
        cut.incentives.coupons["gift"],
        cut.commissions["creator"],
    ):
        assert part.phases == ["normal", REST]
    again = cut_at(cut, datetime(2021, 3, 25))
    assert again.calendar.phases["normal_0324_0325"].continues == "normal"


def test_plans_of_the_file_keep_their_money():
    scenario = brief("plans.by_phase={new_customer: {normal: 30%, sale: 20%}, harvest: 50%}")
    entry = cut_at(scenario, DAY).plans["by_phase"].scenes["new_customer"]
    assert entry["normal"] + entry[REST] == pytest.approx(0.3)
    assert entry["normal"] / entry[REST] == pytest.approx(4 / 2)


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        (
            datetime(2021, 3, 20),
            "give a moment after 2021-03-20 00:00, when the scenario begins, and before 2021-03-29",
        ),
        (datetime(2021, 4, 1), "and before 2021-03-29 00:00"),
        (datetime(2021, 3, 27, 5), "within a step of the clock"),
    ],
)
def test_a_moment_that_cannot_be_cut_is_refused(moment, words):
    with pytest.raises(UserError, match=words):
        carry_on(brief(), plans_of(brief())[0], moment)


def test_a_rush_is_not_cut():
    scenario = brief("calendar.phases.sale.burst={}")
    with pytest.raises(UserError, match=r"opens with a rush.*2021-03-27 00:00 or later"):
        cut_at(scenario, datetime(2021, 3, 26, 12))


def test_the_name_of_the_rest_must_be_free():
    scenario = brief("calendar.phases.normal_0324={start: 2021-03-25}")
    with pytest.raises(
        UserError, match="there is a phase 'normal_0324' already: call it something"
    ):
        cut_at(scenario, DAY)


# --- the answer ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_past_stays_as_the_plan_left_it():
    spent = spent_by(brief(), plans_of(brief())[0], DAY)
    assert spent["new_customer"]["normal"] > 9_000
    assert spent["harvest"] == pytest.approx({"normal": 0.0, "sale": 0.0, "runoff": 0.0})
    world, points = cut_at(brief(), DAY), [p.plan for p in replanned().points]
    book = expected(world, points).book.spend[0, 0].reshape(len(points) + 1, -1).mean(axis=1)
    assert book[:-1] == pytest.approx(spent["new_customer"]["normal"], rel=1e-4)


@pytest.mark.slow
def test_what_the_past_left_is_split_again():
    world, frontier = starved()
    assert frontier.best.plan.money["new_customer"]["normal"] > 9_000
    rest = cut_at(world, DAY)
    played = expected(rest, [frontier.best.plan], vectors=fair_points(rest))
    spend = played.metrics(frontier.best.plan.name)["spend"]["mean"]
    assert spend + frontier.best.unspent == pytest.approx(60_000, rel=1e-6)
    assert frontier.best.plan.money["harvest"]["sale"] > 40_000
    check_sums(frontier, rest)


def check_sums(frontier, world):
    """What was spent and what is planned from then on are the budget, wherever plans are told."""
    spent = sum(frontier.past.spent.values())
    for made in (frontier.best.plan, frontier.current_plan):
        ahead = sum(
            money
            for scene, own in made.money.items()
            for phase, money in own.items()
            if f"{scene}.{phase}" not in frontier.past.spent
        )
        told = frontier.accounted(made)
        assert told.total(world) == pytest.approx(spent + ahead)
        assert told.total(world) <= frontier.budget * (1 + 1e-9)
    document = frontier.as_json()
    planned = sum(sum(own.values()) for own in document["current"]["plan"].values())
    assert planned == pytest.approx(document["budget"])
    text = advice_text(frontier, world)
    assert re.search(r"\n  half_half \(now\) +60\.0k ", text)
    assert "  planned: 0 CNY of auctions before 2021-03-24, and what is planned from it on" in text
    assert re.search(r"\n  new_customer +- ", text)  # of money before the date
    assert "not 60.0k)" not in text


@pytest.mark.slow
def test_what_is_left_is_better_kept_where_no_cell_pays():
    world, frontier = starved()
    most = frontier.others[-1]
    assert all(m.value < 1 for m in frontier.answered.margins.values())
    assert most.plan.name == "most profit"
    more = frontier.gain("most profit", "profit_incremental", frontier.answer)[0]
    assert more > 5_000
    text = " ".join(advice_text(frontier, cut_at(world, DAY)).split())
    words = "From 2021-03-24 on no next yuan brings what it costs: "
    left = frontier.figure(frontier.answer, "spend") - frontier.figure("most profit", "spend")
    assert (
        f"{words}{compact(left)} CNY of the rest are better kept, as in most profit, which" in text
    )
    assert f"which brings {signed(more)} CNY incremental profit (95%" in text
    assert "Enough is planned" not in text


@pytest.mark.slow
def test_only_cells_that_can_still_be_given_money_have_a_next_yuan():
    frontier = replanned()
    for point in frontier.points:
        assert list(point.margins) == [f"new_customer.{REST}", "new_customer.sale", "harvest.sale"]
    text = advice_text(frontier, cut_at(brief(), DAY))
    assert "new_customer.normal " not in text[text.index("The next yuan") :]


@pytest.mark.slow
def test_what_a_daily_budget_left_is_lost():
    """A scene that spends nothing: four days of six in the phase, which has half of its 10,000 CNY."""
    world = brief(
        "budget=20k",
        "scenes.harvest.budget=10k",
        "scenes.new_customer.budget=10k",
        "scenes.new_customer.budget_kind=daily",
        "scenes.new_customer.bid={mode: custom_bid, cost_per: click, target: 0.01}",
    )
    frontier = replan(world, None, "2021-03-24", objectives=("roi",), **QUICK)
    money = frontier.best.plan.money
    assert money["new_customer"]["normal"] == pytest.approx(5_000 * 4 / 6)
    assert money["harvest"]["sale"] == pytest.approx(20_000 - 5_000 * 4 / 6)


def test_the_rest_is_split_again_and_better():
    frontier = replanned()
    world = cut_at(brief(), DAY)
    plans = [frontier.best.plan, frontier.current_plan]
    best = expected(world, plans, vectors=fair_points(world))
    gain = best.differences(frontier.best.plan.name, frontier.current)["profit_incremental"]
    assert gain["difference"] > 500
    spent = best.metrics(frontier.best.plan.name)["spend"]["mean"]
    assert spent + frontier.best.unspent == pytest.approx(60_000, rel=1e-6)
    assert frontier.budget == frontier.best.budget == pytest.approx(60_000, rel=1e-9)
    assert "new_customer.normal_0324" in frontier.best.margins


@pytest.mark.slow
def test_what_really_was_spent_can_be_given():
    frontier = replan(
        brief(), None, "2021-03-24", spent={"new_customer.normal": 4_000}, objectives=("roi",), **QUICK
    )  # fmt: skip
    assert frontier.best.plan.money["new_customer"]["normal"] == pytest.approx(4_000)
    assert frontier.past.spent == pytest.approx({"new_customer.normal": 4_000})
    own = frontier.current_plan.money["new_customer"]
    assert own["normal"] == pytest.approx(4_000)
    assert own["normal"] + own[REST] == pytest.approx(15_000)
    assert frontier.current_fits
    assert all("new_customer.normal" not in (m.source, m.target) for m in frontier.moves)
    with pytest.raises(UserError, match=r"'harvest.sale' is no scene.phase before 2021-03-24"):
        replan(brief(), None, "2021-03-24", spent={"harvest.sale": 1})


@pytest.mark.slow
def test_a_booking_stays_unless_it_can_still_be_made():
    late = "slots.focus.packages.opening.booked_at=2021-03-25"
    sale = "slots.focus.packages.opening.phases=[sale]"
    world = booked(sale)
    none = plan(world, packages="none", new_customer=30_000, harvest=40_000)
    kept = replan(world, none, "2021-03-24", objectives=("roi",), **QUICK)
    assert all(not p.plan.packages for p in kept.points)
    free = booked(sale, late, "slots.focus.cpm=0.1")
    found = replan(free, none, "2021-03-24", objectives=("roi",), **QUICK)
    assert found.best.plan.packages == {"focus.opening"}


@pytest.mark.slow
def test_a_plan_can_be_planned_again_twice():
    world, first = cut_at(brief(), DAY), replanned().best.plan
    later = replan(world, first, "2021-03-27", objectives=("roi",), **QUICK)
    for phase in ("normal", REST):
        kept = later.best.plan.money["new_customer"][phase]
        assert kept == pytest.approx(first.money["new_customer"][phase], rel=2e-3)
    assert "sale_0327" in later.best.plan.money["harvest"]


@pytest.mark.slow
def test_limits_of_the_user_hold_for_the_rest():
    frontier = replan(
        brief(), None, "2021-03-24", objectives=("roi",), limits=Limits(locks={"harvest.sale": 7_000}),
        **QUICK,
    )  # fmt: skip
    assert frontier.best.plan.money["harvest"]["sale"] == pytest.approx(7_000)


def test_a_date_must_be_a_date():
    with pytest.raises(UserError, match="since: "):
        replan(brief(), None, "next Monday")


def test_a_phase_continues_one_that_there_is():
    with pytest.raises(ScenarioError, match=r"calendar.phases.sale.continues .*'normal'"):
        brief("calendar.phases.sale.continues=nromal")
