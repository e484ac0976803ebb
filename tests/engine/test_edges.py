"""Worlds at the edge of what a file may say: nothing overflows, and nobody is lost."""

import warnings

import numpy as np
import pytest

from simulator.outcomes.outcomes import Outcomes
from simulator.scenario.schema import Scenario
from tests.worlds import brief, differing, expected, lanes_of, one, plan, sampled

MODES = ("expected", "sampled")


def run(scenario: Scenario, mode: str) -> Outcomes:
    """Played with attribution; a warning of NumPy is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if mode == "expected":
            return expected(scenario, attribution=True)
        return sampled(scenario, replications=16, attribution=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("people", [400_007, 12_345, 3, 1234.5])
def test_stages_may_hold_all_people(mode: str, people: float):
    """Each is rounded by itself, and together they are never more than there are."""
    everybody = "{discover: 30%, engage: 25%, enthuse: 15%, cart: 10%, initial: 20%}"
    few = [f"slots.{slot}.opportunities=1k" for slot in ("feed", "search_words")]
    few += [f"sources.{source}.organic_visits=9" for source in ("search", "recommend")]
    scenario = brief(
        *few, f"segments.shoppers.people={people}", f"segments.shoppers.start={everybody}"
    )
    found = run(scenario, mode).book.people
    assert (found >= 0).all()
    size = people if mode == "expected" else np.rint(people)
    assert found.sum(axis=(0, 1)) == pytest.approx(size)


@pytest.mark.parametrize("mode", MODES)
def test_a_step_may_release_every_basket(mode: str):
    """Of a cart that all leave rounding may leave less than nothing, which the next step divides by."""
    sets = [
        "segments.shoppers.price_elasticity=6", "calendar.phases.sale.release=30%",
        "products.coffee.discount={sale: 70%}", "segments.shoppers.start={initial: 20%, numerous: 10%}",
    ]  # fmt: skip
    found = run(brief(*sets), mode)
    assert 0 < one(found, "carts")[0] < 1e6
    assert np.isfinite(found.book.totals["gmv"]).all()


@pytest.mark.parametrize("mode", MODES)
def test_people_may_forget_at_once(mode: str):
    """Stages are then empty but for rounding, and touches of nobody are nobody's."""
    found = run(brief("chain.discover_days=0.01", "chain.enthuse_days=0.01"), mode)
    credited = found.book.scenes["gmv_attributed"].sum(axis=0)
    assert (credited <= found.book.totals["gmv"] * (1 + 1e-9)).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("cap", "rate", "comes"), [(3000, 0, True), (4000, 0, True), (3000, "5%", False)]
)
def test_a_fee_may_be_all_that_a_partner_may_cost(mode: str, cap: float, rate: str, comes: bool):
    """Who costs nothing more brings all visits; who would cost more brings none."""
    star = f"{{source: recommend, visits: 1k, bands: {{outside: 1}}, cvr: 2%, fee: 3k, cap: {cap}, rate: {rate}}}"
    found = run(brief(f"commissions.star={star}"), mode)
    visits, cost = found.book.commissions["visits"][0], found.book.commissions["cost"][0]
    assert cost[0] == 3000
    free = run(
        brief(f"commissions.star={star.replace(f'cap: {cap}, rate: {rate}', 'rate: 5%')}"), mode
    )
    assert visits[0] == (free.book.commissions["visits"][0, 0] if comes else 0.0)


@pytest.mark.parametrize("mode", MODES)
def test_a_budget_of_billions_may_meet_bids_that_cost_nothing(mode: str):
    """An audience of whom there is nobody, or hardly anybody."""
    sets = [
        "budget=9bn",
        "scenes.new_customer.budget=8bn",
        "plans=null",
        "scenes.new_customer.audience={outside: 0, aware: 0, active: 0, customers: 0, lapsed: 1}",
    ]
    scenario = brief(*sets)
    assert run(scenario, mode).book.spend[0, 0, 0] < 1000


@pytest.mark.parametrize("mode", MODES)
def test_bought_visits_replace_free_ones_alike_in_any_company(mode: str):
    """Also where a plan of the company buys from the source that replaces, and this one does not."""
    scenario = brief("sources.recommend.cannibalisation=20%")
    own, other = plan(scenario, "own", harvest=0.3), plan(scenario, "other", new_customer=0.5)
    play = expected if mode == "expected" else sampled
    both, single = play(scenario, [own, other]), play(scenario, [own])
    for name in ("own", "no ads"):
        assert differing(lanes_of(both, name), lanes_of(single, name)) == []
