"""The media schedule adds up to the plan, follows the calendar, and names every booking."""

import csv
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from simulator.allocation.replan import carry_on
from simulator.engine.simulate import simulate
from simulator.errors import UserError
from simulator.reports.schedule import COLUMNS, in_fen, schedule_rows, write_schedule
from simulator.scenario import read_scenario
from simulator.scenario.cut import cut_at
from simulator.scenario.plan import Plan, package_price, plans_of

ROOT = Path(__file__).parents[2]
COFFEE = ROOT / "scenarios/new_coffee_100m.yaml"
EARLY = "slots.taobao_splash.packages.opening.booked_at=2020-10-22"


@pytest.fixture(scope="module")
def coffee():
    return read_scenario(COFFEE)


@pytest.fixture(scope="module")
def rows(coffee):
    return schedule_rows(coffee, plans_of(coffee)[0])


def auctions(rows):
    return [row for row in rows if row["kind"] == "auction"]


def test_daily_budgets_add_up_to_the_plan_in_every_cell(coffee, rows):
    found = defaultdict(float)
    for row in auctions(rows):
        found[row["scene"], row["phase"]] += row["daily_budget"]
    plan = plans_of(coffee)[0]
    wanted = {(s, f): v for s, own in plan.money.items() for f, v in own.items() if v > 0}
    assert found.keys() == wanted.keys()
    assert found == pytest.approx(wanted, abs=0.0051)


def test_with_bookings_they_cost_what_the_plan_costs(coffee, rows):
    money = sum(float(row.get("daily_budget", 0) or row.get("price", 0)) for row in rows)
    assert money == pytest.approx(plans_of(coffee)[0].total(coffee), abs=1)


def test_every_day_lies_in_its_phase(coffee, rows):
    phases = coffee.calendar.phases
    order = sorted(phases, key=lambda name: phases[name].start)
    ends = [phases[name].start for name in order[1:]] + [coffee.calendar.end]
    spans = {f: (phases[f].start, end) for f, end in zip(order, ends, strict=True)}
    for row in auctions(rows):
        day = datetime.fromisoformat(row["date"])
        start, end = spans[row["phase"]]
        assert day < end and day + timedelta(days=1) > start


def test_the_expected_spend_is_that_of_a_run(coffee, rows):
    plan = plans_of(coffee)[0]
    table = simulate(coffee, [plan], mode="expected").days(plan.name).set_index("date")
    day = table.loc["2020-11-05"]  # no booking is paid on this day
    own = [r for r in auctions(rows) if r["date"] == "2020-11-05"]
    assert {r["scene"] for r in own} == {s for s in coffee.scenes if day[f"spend.{s}"] > 0}
    for row in own:
        assert row["expected_spend"] == pytest.approx(day[f"spend.{row['scene']}"], abs=0.01)


def test_a_booking_has_its_deadline_price_and_dates(coffee, rows):
    bookings = {row["package"]: row for row in rows if row["kind"] == "contract"}
    assert bookings.keys() == plans_of(coffee)[0].packages
    row = bookings["focus_picture.warm_up"]
    first = coffee.calendar.phases["presale"].start
    lead = coffee.slots["focus_picture"].lead_days
    assert lead > 0
    assert datetime.fromisoformat(row["book_by"]) == first - timedelta(days=lead)
    assert (row["impressions"], row["price"]) == (15_000_000, package_price(coffee, row["package"]))
    last = coffee.calendar.phases["wave_1"].start - timedelta(seconds=1)
    assert (row["date"], row["until"]) == (first.date().isoformat(), last.date().isoformat())


def test_from_a_date_on_it_has_what_is_ahead_alone(tmp_path):
    """Early bookings have been made, of which one is over, one shows on; the third is still to be booked."""
    coffee = read_scenario(
        COFFEE, ["slots.focus_picture.packages.main_day.booked_at=2020-11-05", EARLY]
    )
    cut = cut_at(coffee, "2020-11-03")
    plan = carry_on(coffee, plans_of(coffee)[0], datetime(2020, 11, 3))
    path = tmp_path / "schedule.csv"
    write_schedule(cut, plan, path, "2020-11-03")
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert min(row["date"] for row in table) == "2020-11-03"
    found = {r["package"]: (r["phase"], r["booking"], r["book_by"]) for r in table if r["package"]}
    lead = timedelta(days=coffee.slots["focus_picture"].lead_days)
    last = coffee.calendar.phases["wave_2"].start - lead
    assert found == {
        "taobao_splash.opening": ("wave_1_1103", "booked", ""),
        "focus_picture.main_day": ("wave_2", "to book", last.isoformat(" ", "minutes")),
    }
    ahead = {
        (scene, phase): money
        for scene, own in plan.money.items()
        for phase, money in own.items()
        if cut.calendar.phases[phase].start >= datetime(2020, 11, 3) and money > 0
    }
    budgets = defaultdict(float)
    for row in table:
        if row["kind"] == "auction":
            budgets[row["scene"], row["phase"]] += float(row["daily_budget"])
    assert budgets == pytest.approx(ahead, abs=0.0051)


def test_what_is_booked_stands_in_order_of_its_days(coffee):
    cut = cut_at(coffee, "2020-11-03")  # packages without a date are booked long before the run
    plan = Plan("booked", {}, plans_of(coffee)[0].packages)
    rows = schedule_rows(cut, plan, datetime(2020, 11, 3))
    assert [(r["package"], r["date"], r["booking"]) for r in rows] == [
        ("taobao_splash.opening", "2020-11-03", "booked"),
        ("focus_picture.main_day", "2020-11-11", "booked"),
    ]


def test_a_phase_has_to_begin_at_the_date(coffee):
    with pytest.raises(UserError, match="no phase begins on 2020-11-03 00:00: give the scenario"):
        schedule_rows(coffee, plans_of(coffee)[0], datetime(2020, 11, 3))


def test_bids_are_on_every_row():
    bid = "scenes.harvest.bid={mode: cost_control, cost_per: order, target: 35}"
    minimal = read_scenario(ROOT / "scenarios/minimal.yaml", [bid])
    rows = schedule_rows(minimal, Plan.even(minimal))
    found = {(r["scene"], r["bid_mode"], r["bid_per"], r["bid_target"]) for r in rows}
    assert ("harvest", "cost_control", "order", 35.0) in found
    assert len(found) == 2


def test_money_in_one_pot_is_spread_over_all_its_days():
    minimal = read_scenario(
        ROOT / "scenarios/minimal.yaml", ["scenes.new_customer.budget_kind=cycle"]
    )
    plan = Plan.shares(minimal, "p", new_customer=0.5, harvest=0.5)
    rows = [r for r in schedule_rows(minimal, plan) if r["scene"] == "new_customer"]
    assert {r["phase"] for r in rows} == {"normal", "sale"}
    assert sum(r["daily_budget"] for r in rows) == pytest.approx(30_000, abs=0.005)


def test_money_by_the_day_is_the_same_on_every_day():
    minimal = read_scenario(
        ROOT / "scenarios/minimal.yaml", ["scenes.harvest.budget_kind=daily"]
    )  # fmt: skip
    rows = [r for r in schedule_rows(minimal, Plan.even(minimal)) if r["scene"] == "harvest"]
    assert [r["daily_budget"] for r in rows] == [10_000.0] * 3


def test_money_that_cannot_be_spent_is_still_on_the_schedule():
    idle = "scenes.harvest.bid={mode: custom_bid, cost_per: click, target: 1e-30}"
    minimal = read_scenario(ROOT / "scenarios/minimal.yaml", [idle])
    plan = replace(Plan.even(minimal), money={"new_customer": {}, "harvest": {"sale": 3_100.0}})
    rows = schedule_rows(minimal, plan)
    start, end = minimal.calendar.phases["sale"].start, minimal.calendar.end
    days = (end - start).days
    assert [r["date"] for r in rows] == [
        (start.date() + timedelta(n)).isoformat() for n in range(days)
    ]
    assert [r["daily_budget"] for r in rows] == pytest.approx([3_100 / days] * days, abs=0.01)
    assert {r["expected_spend"] for r in rows} == {0.0}


def test_parts_in_fen_add_up():
    rng = np.random.default_rng(3)
    for money in (0.01, 1234.56, 9e6 / 7):
        parts = in_fen(money, rng.uniform(0, 1, 37))
        assert sum(parts) == pytest.approx(round(money, 2), abs=1e-6)
        assert min(parts) >= 0


def test_a_spreadsheet_opens_it(coffee, tmp_path):
    path = tmp_path / "schedule.csv"
    write_schedule(coffee, plans_of(coffee)[0], path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfkind,date,phase,scene,")
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert tuple(table[0]) == COLUMNS
    assert table[0]["kind"] == "contract"
    assert any("预热" in row["title"] for row in table)


def test_what_cannot_be_written_is_told_and_leaves_no_file(tmp_path):
    minimal = read_scenario(ROOT / "scenarios/minimal.yaml")
    with pytest.raises(UserError, match=r"cannot write to .*: No such file or directory"):
        write_schedule(minimal, "even", tmp_path / "no" / "schedule.csv")
    with pytest.raises(UserError, match=r"a table is given by its path \(got nothing\)"):
        write_schedule(minimal, "even", None)
    with pytest.raises(UserError, match="no phase begins on 2021-03-15"):
        write_schedule(minimal, "even", tmp_path / "schedule.csv", since="2021-03-15")
    assert not (tmp_path / "schedule.csv").exists()
