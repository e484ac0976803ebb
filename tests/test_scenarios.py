"""Every shipped scenario: its header says what it is and what to vary, and the laws hold in it.

Runs are kept: most tests read the same two of each file.
"""

import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from simulator.engine import lanes
from simulator.engine.run import View
from simulator.engine.simulate import simulate
from simulator.outcomes.outcomes import Outcomes
from simulator.scenario import read_scenario
from simulator.scenario.plan import plans_of
from simulator.scenario.schema import Scenario
from tests.laws import check_outcomes, check_whole
from tests.worlds import SCENARIOS, differing, figures, lanes_of

FILES = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))
FEW = {"minimal"}  # a first file to read, without a persona
HEAD = ("Persona:", "Question:", "Vary:", "Published:", "Our estimates:")
MODES = ("expected", "sampled")
SETTING = re.compile(r"--set (?:'([^']+)'|([^\s()`]+=[^\s()`]*[^\s()`.,;:]))")

every_file = pytest.mark.parametrize("name", FILES)
every_persona = pytest.mark.parametrize("name", [name for name in FILES if name not in FEW])
both_modes = pytest.mark.parametrize("mode", MODES)


def path_of(name: str) -> Path:
    return SCENARIOS / f"{name}.yaml"


@cache
def read(name: str) -> Scenario:
    return read_scenario(path_of(name))


@cache
def run(name: str, mode: str) -> Outcomes:
    return simulate(read(name), mode=mode, replications=16, seed=11)


def head_of(name: str) -> str:
    text = path_of(name).read_text(encoding="utf-8")
    return text[: text.index("\nname:")]


# --- headers ------------------------------------------------------------------------------------


@every_persona
def test_the_header_says_who_asks_what_and_where_the_numbers_come_from(name: str):
    head = head_of(name)
    assert all(line.startswith("#") for line in head.splitlines())
    assert [word for word in HEAD if word not in head] == []
    assert read(name).question
    assert len(plans_of(read(name))) >= 2


def settings_of(name: str) -> list[list[str]]:
    """What a header says to vary, as typed: settings with nothing between them go together."""
    line = re.sub(r"\n#\s+", " ", head_of(name))
    groups: list[list[str]] = []
    end = -1
    for match in SETTING.finditer(line):
        if match.start() != end + 1:
            groups.append([])
        groups[-1].append(match[1] or match[2])
        end = match.end()
    return groups


@pytest.mark.parametrize(
    ("name", "settings"), [(name, settings) for name in FILES for settings in settings_of(name)]
)
def test_every_setting_that_a_header_names_changes_the_scenario(name: str, settings: list[str]):
    """A setting that merges into what is there, or that the file no longer knows, changes nothing."""
    assert read_scenario(path_of(name), settings) != read(name)


def test_settings_are_found_in_headers():
    assert settings_of("hosted_guarantee")[-1] == [
        "incentives.hosted=null",
        "products.nut_box.discount=null",
        "sources.hosted_channel=null",
    ]
    assert len(settings_of("single_day_1111_2013")[-1]) == 5


def test_the_header_of_the_basics_tells_the_first_hour():
    """The balances that open at 0:30 cut the clock: steps of an hour end half past, not at one o'clock."""
    name = "rising_basics_ten_million"
    found = re.search(
        r"about (\d+) million in the first hour", re.sub(r"\n#\s+", " ", head_of(name))
    )
    assert found
    scenario = read_scenario(path_of(name), ["calendar.phases.wave_1.clock=30min"])
    wave = scenario.calendar.phases["wave_1"].start - scenario.calendar.phases["presale"].start
    seen = []

    def look(view: View):
        yield wave.total_seconds() - 60  # a step stands in the book from its start on
        seen.append(view.book.totals["gmv"].copy())
        yield 3600
        seen.append(view.book.totals["gmv"].copy())

    simulate(scenario, plans_of(scenario)[:1], mode="expected", processes=[look])
    own = len(seen[0]) // 2
    assert (seen[1] - seen[0])[:own].mean() == pytest.approx(float(found[1]) * 1e6, rel=0.05)


# --- runs ---------------------------------------------------------------------------------------


SOLD_OUT = {"flash_presale"}
"""Everything is gone in half a minute, and the ads stop with it."""


@pytest.mark.slow
@both_modes
@every_file
def test_every_plan_spends_sells_and_differs_from_no_ads(name: str, mode: str):
    outcomes, scenario = run(name, mode), read(name)
    for plan in plans_of(scenario):
        spend, gmv = (outcomes.sample(plan.name, metric) for metric in ("spend", "gmv"))
        if name not in SOLD_OUT:
            assert 0.5 * plan.auction_money < np.mean(spend.top)
        assert np.max(spend.top) <= scenario.budget * (1 + 1e-9)
        assert np.mean(gmv.top) > 0
        assert differing(lanes_of(outcomes, plan.name), lanes_of(outcomes, "no ads"))


@both_modes
@every_file
def test_the_laws_hold_in_every_plan(name: str, mode: str):
    outcomes, scenario = run(name, mode), read(name)
    check_outcomes(scenario, plans_of(scenario), outcomes, slack=0.0 if mode == "sampled" else 1e-9)
    if mode == "sampled":
        check_whole(outcomes.book)


CUTS = {"sampled": (2, 64, 2), "expected": (16, 3, 2)}
"""Replications in a block, plans at once, lanes at once: one mode is cut by replications, one by plans."""


@pytest.mark.slow
@both_modes
@every_file
def test_no_chunk_and_no_order_of_plans_changes_a_bit(monkeypatch, name: str, mode: str):
    """Three replications, the last plan first; never one lane alone (see make_chunks)."""
    plans, full = plans_of(read(name)), run(name, mode)
    whole = full.chance_only or full  # without a spread, for the cut run is half as long so
    for setting, few in zip(("BLOCK", "PLANS_AT_ONCE", "LANES_AT_ONCE"), CUTS[mode], strict=True):
        monkeypatch.setattr(lanes, setting, few)
    cut = simulate(
        read(name), plans[::-1], mode=mode, replications=3, seed=11, spreads=False,
        daily=bool(whole.axes.days),
    )  # fmt: skip
    for plan in (*whole.plans, "no ads"):
        first = lanes_of(whole, plan).lanes(np.arange(cut.replications))
        assert differing(first, lanes_of(cut, plan)) == []


@pytest.mark.slow
@every_file
def test_lanes_are_the_same_in_another_company(name: str):
    """One plan alone beside the plan without ads, half of the replications: the same bits."""
    plans, whole = plans_of(read(name)), run(name, "sampled")
    alone = simulate(read(name), plans[-1:], replications=8, seed=11)
    for plan in (plans[-1].name, "no ads"):
        assert differing(lanes_of(whole, plan).lanes(np.arange(8)), lanes_of(alone, plan)) == []


# --- what a part of a file is worth -------------------------------------------------------------

WITHOUT = {
    "a depot that sends at once": ("appliance_subsidy", "shipping=null", "refunds", -1),
    "the platform's load in place of the shop's buyers": (
        "single_day_1111_2013", "payment.capacity=null", "peak_payment_load", -1,
    ),
    "one depot": ("single_day_1111_2013", "products.down_jacket.pooled=null", "unmet", 1),
    "no word to followers": ("single_day_1111_2013", "pushes=null", "carts", -1),
    "no weather": ("fashion_two_waves", "shocks=null", "gmv", -1),
    "nothing held back for the cold": (
        "fashion_two_waves", "products.down_coat.restocks=null", "unmet", 1,
    ),
    "buyers of companies who sign at once": (
        "enterprise_purchase", "segments.companies.order_delay_days=0", "gmv_campaign", 1,
    ),
    "a host for both groups abroad": (
        "overseas", "segments.abroad_own={returns_borne_by: platform, return_freight: null}", "contribution", 1,
    ),
}  # fmt: skip
"""File, setting, figure of the last plan, and whether the setting raises or lowers it."""


@pytest.mark.parametrize("what", WITHOUT)
def test_each_part_moves_the_figure_that_it_is_there_for(what: str):
    name, setting, figure, sign = WITHOUT[what]
    plan = plans_of(read(name))[-1].name
    other = simulate(read_scenario(path_of(name), [setting]), mode="expected", daily=False)
    before, after = figures(run(name, "expected"), plan)[figure], figures(other, plan)[figure]
    assert sign * (after - before) > 0.001 * abs(before)
