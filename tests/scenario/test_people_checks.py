"""What cannot be meant of people, pushes and scenes is refused at its place, with the mend."""

import pytest

from tests.scenario.test_checks import complaint

PUSH = "pushes.call={{source: search, days: [2021-03-10], audience: {{customers: 50%}}, {}}}"
MEANT = {
    "segments.members={people: 40k, returns_borne_by: platform, return_freight: 20}": (
        "segments.members.return_freight has no effect: returns_borne_by says that the platform pays"
    ),
    "segments.members={people: 40k, breadth: 5000}": "segments.members.breadth must lie in 0.001..1000",
    "segments.members={people: 40k, order_delay_days: 90}": "order_delay_days must be <= 60 (got 90)",
    "scenes.harvest.creative_by_band={customer: 2}": (
        "scenes.harvest.creative_by_band.customer names no band: 'customer', did you mean 'customers'?"
    ),
    "scenes.new_customer.creative_by_band={lapsed: 2}": (
        "creative_by_band.lapsed must be for a band of the scene's audience; add lapsed there"
    ),
    "scenes.harvest.product_stages={hits: 1}": (
        "harvest.product_stages.hits names no product stage: 'hits', did you mean 'hit'?"
    ),
    "scenes.harvest.product_stages={hit: 0}": "product_stages must give a stage a weight above 0",
    "scenes.harvest.daily_cap=0": "scenes.harvest.daily_cap must be > 0",
    "scenes.harvest.budget_kind=weekly": "scenes.harvest.budget_kind must be one of",
    "scenes.harvest.objective=sale": "scenes.harvest.objective must be one of",
    "scenes.harvest.bid={cost_per: keen}": "scenes.harvest.bid.cost_per must be one of",
    "scenes.harvest.bid={mode: cost_control, cost_per: enthuse}": (
        "scenes.harvest.bid.target is required by cost_control [CNY per enthuse]"
    ),
    PUSH.format("reach: 2"): "pushes.call.reach must lie in 0..1 (got 2",
    PUSH.format("segments: [membrs]"): "names no segment: 'membrs', did you mean 'members'?",
    PUSH.format("cost: 0.1").replace("search", "fans"): "pushes.call.source names no source: 'fans'",
    PUSH.format("cost: 0.1").replace("03-10", "03-29"): (
        "pushes.call.days.0 must lie inside the calendar, 2021-03-01 to 2021-03-29"
    ),
    PUSH.format("cost: 0.1").replace("03-10", "03-10, 2021-03-10 12:00"): (
        "pushes.call.days.1 names 2021-03-10 twice"
    ),
    PUSH.format("cost: 0.1").replace("50%", "0"): "pushes.call.audience must give a band above 0",
}  # fmt: skip


@pytest.mark.parametrize("change", MEANT)
def test_what_cannot_be_meant_is_refused(change):
    assert MEANT[change] in complaint(change)


def test_moves_that_no_visit_makes_cannot_be_bid_for():
    none = [f"chain.visit_moves.{stage}.enthuse=0" for stage in ("outside", "discover", "engage")]
    assert "names a move that no visit makes: chain.visit_moves has no enthuse" in complaint(
        "scenes.harvest.bid={cost_per: enthuse}", *none
    )
