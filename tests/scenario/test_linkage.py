"""What a file cannot mean about paid and free traffic, told at its place."""

import pytest

from simulator.errors import ScenarioError, UserError
from simulator.scenario.plan import Plan
from simulator.scenario.scenes import PlanEntry
from tests.worlds import minimal

PARTNER = "commissions={{star: {{visits: 9, cvr: 1%, bands: {{outside: 1}}, {}}}}}"
FAULTS = {
    "sources.search.cannibalisation=40%": "cannibalisation must be <= 0.3",
    "scenes.harvest.organic_boost=-1": "organic_boost must be >= 0",
    "scenes.harvest.bid={mode: cost_control, target: 9, counts_organic: true}": (
        "scenes.harvest.bid.counts_organic has no effect with cost_control: only a return target can "
        "count free sales; leave it out, or set roi_control"
    ),
    "life_cycle.organic_conversion=1.5": (
        "life_cycle.organic_conversion must be at most organic_base, 1: weights stay above 0"
    ),
    "life_cycle.organic_boost_cap=120%": "organic_boost_cap must lie in 0..1",
    PARTNER.format("surce: search"): "commissions.star.surce",
    PARTNER.format(
        "source: serch"
    ): "commissions.star.source names no source: 'serch', did you mean 'search'",
    PARTNER.format(
        "source: search, products: {tea: 1}"
    ): "commissions.star.products.tea names no product",
    PARTNER.format("source: search, phases: [later]"): "commissions.star.phases.0 names no phase",
    PARTNER.format("source: search, products: {coffee: 0}"): "must give a product a weight above 0",
    PARTNER.format("source: search, fee: 900, cap: 500"): (
        "commissions.star.cap must pay the fee, 900 CNY, at least"
    ),
    "commissions={star: {source: search, visits: 9, cvr: 1%, bands: {outside: 0}}}": (
        "commissions.star.bands must give a band above 0: it brings nobody"
    ),
    "plans.half_half.commissions=[star]": "names no commissioned media: 'star'",
    "life_cycle.organic_orders_scale=0": "organic_orders_scale must be > 0",
}


@pytest.mark.parametrize("setting", FAULTS)
def test_a_fault_is_told_at_its_place(setting: str):
    with pytest.raises(ScenarioError) as error:
        minimal(setting)
    assert FAULTS[setting] in str(error.value)


def test_a_plan_made_in_python_knows_the_commissioned_media_of_the_file():
    world = minimal("commissions.star={preset: creator, source: search, visits: 100}")
    entry = PlanEntry(scenes={"harvest": 0.5}, commissions=["star"])
    assert Plan.from_entry(world, "mine", entry).commissions == {"star"}
    for scenario, known in ((world, "star"), (minimal(), "none")):
        wrong = entry.model_copy(update={"commissions": ["stra"]})
        with pytest.raises(UserError, match=f"is called 'stra': known are {known}$"):
            Plan.from_entry(scenario, "mine", wrong)


def test_presets_of_whole_site_and_of_partners_are_whole():
    scenario = minimal(
        "scenes.site={preset: whole_site_linked, slots: [feed], budget: 0}",
        "commissions.taoke={preset: affiliate, source: recommend, visits: 100}",
        "commissions.star={preset: creator, source: search, visits: 100, fee: 1k, phases: [sale]}",
    )
    site, partners = scenario.scenes["site"], scenario.commissions
    assert site.bid.counts_organic and site.organic_boost == 0.5
    assert partners["taoke"].rate == 0.12
    assert partners["star"].fee == 1000
    share_outside = {
        name: p.bands["outside"] / sum(p.bands.values()) for name, p in partners.items()
    }
    assert share_outside["taoke"] < 0.02 < share_outside["star"]
