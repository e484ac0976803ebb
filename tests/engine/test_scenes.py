"""Scenes: how their money is kept, what they bid for, and which products suit them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.engine.simulate import make_grid
from simulator.market.audience import (
    CART,
    ENGAGE,
    ENTHUSE,
    FAVOURITE,
    Chain,
    Contact,
    Crowd,
    Pulse,
    people_moved,
)
from simulator.market.build import build_world
from simulator.outcomes.ledger import LawBroken, check_laws
from simulator.scenario.plan import Plan, plans_of
from tests.engine.test_laws import SMALL, add, book_of
from tests.worlds import alone, brief, everything, expected, figures, lanes_of, one, plan, sampled

MODES = {"expected": expected, "sampled": sampled}


def run(world, *plans, mode="expected"):
    options = {"replications": 4} if mode == "sampled" else {}
    return MODES[mode](world, list(plans) or None, daily=True, **options)


def by_day(outcomes, scene=0):
    """Spend of a scene on each day: [day, replication]."""
    return lanes_of(outcomes, outcomes.plans[0]).days["scene_spend"][:, scene]


# --- how money is kept ----------------------------------------------------------------------------


@settings(max_examples=12)
@given(
    cap=st.floats(50, 5000), kind=st.sampled_from(["total", "daily", "cycle"]),
    pacing=st.sampled_from(["smooth", "quick"]), mode=st.sampled_from(list(MODES)),
    clock=st.sampled_from(["6h", "1d"]),
)  # fmt: skip
def test_no_day_costs_more_than_its_cap(cap, kind, pacing, mode, clock):
    world = brief(
        f"scenes.new_customer.daily_cap={cap}", f"scenes.new_customer.budget_kind={kind}",
        f"scenes.new_customer.pacing={pacing}", f"calendar.phases.normal.clock={clock}",
    )  # fmt: skip
    outcomes = run(world, mode=mode)
    assert (by_day(outcomes) <= cap * (1 + 1e-9)).all()
    assert by_day(outcomes).sum(axis=0).max() <= 30_000 * (1 + 1e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["total", "daily", "cycle"])
def test_a_rule_may_hurry_but_spends_no_more_than_there_is(kind: str, mode: str):
    def hurry(view):
        yield view.hours(1)
        view.controls.pace[...] = 2

    world = brief(f"scenes.new_customer.budget_kind={kind}")
    days = [
        by_day(MODES[mode](world, daily=True, processes=rules, spreads=False))[:, :1]
        for rules in ([], [hurry])
    ]
    early = len(days[0]) // 4
    assert days[1][:early].sum() >= days[0][:early].sum()
    assert days[1].sum() <= 30_000 * (1 + 1e-9)
    if kind == "total":
        assert days[1][:early].sum() > 1.2 * days[0][:early].sum()


def test_a_cap_that_does_not_bind_changes_nothing():
    usual = figures(run(brief()))
    assert figures(run(brief("scenes.new_customer.daily_cap=1m"))) == pytest.approx(usual, rel=1e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("pacing", ["smooth", "quick"])
def test_a_daily_budget_is_the_same_every_day(mode, pacing):
    world = brief(
        "scenes.new_customer.budget_kind=daily", f"scenes.new_customer.pacing={pacing}",
        "calendar.phases.normal.clock=3h",
    )  # fmt: skip
    spend = by_day(run(world, plan(world, new_customer={"normal": 6000}), mode=mode))
    assert (spend[:6] <= 1000 * (1 + 1e-9)).all()
    assert spend[:6] == pytest.approx(1000, rel=0.03)
    assert spend[6:].max() == 0


def test_what_a_day_leaves_is_lost_in_a_daily_budget_only():
    """On the first days the scene may hardly spend; later the others catch up."""
    dear = "scenes.new_customer.bid={mode: cost_control, cost_per: first_order, target: 3}"
    kinds = {
        kind: run(brief(dear, f"scenes.new_customer.budget_kind={kind}"))
        for kind in ("total", "daily")
    }
    assert one(kinds["daily"], "spend")[0] <= one(kinds["total"], "spend")[0] * (1 + 1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_what_the_auctions_do_not_take_is_unspent(mode):
    """A bid that hardly wins leaves nearly all; packages are paid beside."""
    world = everything("scenes.sale.bid={mode: custom_bid, cost_per: click, target: 0.01}")
    (chosen, *_) = plans_of(world)
    outcomes = run(world, chosen, mode=mode)
    book = lanes_of(outcomes, chosen.name)
    planned = np.array([[sum(chosen.money.get(s, {}).values())] for s in world.scenes])
    left = planned - book.spend.sum(axis=1)
    np.testing.assert_allclose(book.scenes["unspent"], left, rtol=1e-9, atol=1e-6)
    sale = list(world.scenes).index("sale")
    assert (left[sale] > 0.9 * planned[sale]).all()
    assert outcomes.metrics(chosen.name)["unspent"]["mean"] == pytest.approx(
        left.sum(axis=0).mean()
    )


@pytest.mark.parametrize("mode", MODES)
def test_what_the_phases_of_a_scene_leave_adds_up(mode):
    """A scene with one pot has no plan for a phase, and what it spends there is told all the same."""
    world = everything("scenes.sale.bid={mode: custom_bid, cost_per: click, target: 0.01}")
    (chosen, *_) = plans_of(world)
    outcomes = run(world, chosen, mode=mode)
    cells, scenes = outcomes.cells(chosen.name), outcomes.scenes(chosen.name)
    assert list(cells) == [
        name for name in world.scenes if sum(chosen.money.get(name, {}).values())
    ]
    for name, phases in cells.items():
        mean = {
            m: [cell[m]["mean"] for cell in phases.values()]
            for m in ("planned", "auction_spend", "unspent")
        }
        if world.scenes[name].budget_kind == "cycle":
            assert set(mean["planned"]) == set(mean["unspent"]) == {None}
            assert sum(mean["auction_spend"]) > 0
            continue
        money = {f: amount for f, amount in chosen.money[name].items() if amount}
        assert dict(zip(phases, mean["planned"], strict=True)) == pytest.approx(money)
        left = np.subtract(mean["planned"], mean["auction_spend"])
        assert mean["unspent"] == pytest.approx(left.tolist(), abs=1e-4)
        assert sum(mean["unspent"]) == pytest.approx(scenes[name]["unspent"]["mean"], abs=1e-4)
    assert outcomes.cells("none") == {}
    kinds = {world.scenes[name].budget_kind for name in cells}
    assert kinds == {"total", "daily", "cycle"}


def test_one_pot_follows_the_traffic_of_all_phases():
    """The split over phases of the plan does not matter; phases get money by their traffic."""
    world = brief("scenes.new_customer.budget_kind=cycle")
    early = run(world, plan(world, new_customer={"normal": 20_000}))
    late = run(world, plan(world, new_customer={"normal": 5_000, "sale": 15_000}))
    assert figures(early) == pytest.approx(figures(late), rel=1e-9)
    spent = lanes_of(early, early.plans[0]).spend[0, :, 0]
    assert spent.sum() == pytest.approx(20_000, rel=0.01)
    steps = make_grid(world)
    traffic = [steps.browse[steps.phase == f].sum() * x for f, x in ((0, 1), (1, 2))]
    assert spent[1] / spent[0] == pytest.approx(traffic[1] / traffic[0], rel=0.05)


def test_one_pot_for_one_phase_is_its_money():
    world, pot = (
        alone("scenes.only.bid={cost_per: click}", f"scenes.only.budget_kind={kind}", "budget=50k")
        for kind in ("total", "cycle")
    )
    assert figures(run(world)) == pytest.approx(figures(run(pot)), rel=1e-12)


@pytest.mark.parametrize("exact", [False, True])
def test_a_broken_cap_or_pot_is_told(exact):
    book, limits = book_of(SMALL, exact=exact)
    cap = book.scenes["peak_spend"].max(axis=1, keepdims=True)
    check_laws(book, *limits, exact=exact, cap=cap)
    add(book.scenes["peak_spend"], 1.0)
    with pytest.raises(LawBroken, match="spend of a scene on one day"):
        check_laws(book, *limits, exact=exact, cap=cap)
    book, limits = book_of(SMALL, exact=exact)
    add(book.spend, 1e6)
    with pytest.raises(LawBroken, match="spend of a scene: above"):
        check_laws(book, *limits, exact=exact, pot=np.full((len(book.spend), 1), True))


# --- what is bid for ------------------------------------------------------------------------------

KINDS = {"engage": (ENGAGE,), "enthuse": (ENTHUSE,), "perform": (FAVOURITE, CART)}


@pytest.mark.parametrize("goal", KINDS)
def test_people_moved_by_a_visit_are_those_of_the_chain(goal):
    """The hazards of the chain for one visit more, summed over the people of each band."""
    scenario = everything()
    world = build_world(scenario, make_grid(scenario))
    start = world.people.start
    crowd = Crowd(start, start[7:11], *np.zeros((2, *start.shape[1:])))
    chain = Chain(world.people, start.shape[1], start.shape[2])
    one_each, zero = np.ones((1, 1)), np.zeros((1, 1))
    pulse = Pulse(1e-12, 1.0, 0.0, one_each, one_each, *[zero] * 4)
    none = np.zeros((5, *start.shape[1:]))
    chain.fill(crowd, Contact(none, none + 1.0, none.copy()), pulse)
    moved = sum((chain.hazards[kind] * start)[:4] for kind in KINDS[goal])
    each = people_moved(goal, start, world.people.visit_moves)
    bands = np.array([start[0], start[1] + start[2], start[3:7].sum(axis=0)])
    assert (each[:3] * bands).sum() == pytest.approx(moved.sum(), rel=1e-9)
    assert each[3:].max() == 0


TARGETS = {
    "discover": 0.05, "engage": 2, "enthuse": 8, "perform": 6, "initial": 40, "numerous": 600,
}  # fmt: skip
EVERYBODY = (
    "scenes.only.audience={outside: 60%, aware: 80%, active: 60%, customers: 60%, lapsed: 50%}"
)


@pytest.mark.parametrize("goal", TARGETS)
def test_a_dearer_person_buys_more_of_them(goal):
    def spent(factor):
        bid = f"{{mode: cost_control, cost_per: {goal}, target: {factor * TARGETS[goal]}}}"
        world = alone(EVERYBODY, f"scenes.only.bid={bid}", "budget=400k")
        outcomes = expected(world)
        return one(outcomes, "spend")[0]

    assert 0 < spent(0.5) < spent(1) < spent(2)


@pytest.mark.parametrize(("goal", "target"), [("click", 1), ("cart", 10), ("order", 60)])
@pytest.mark.parametrize("mode", MODES)
def test_target_use_tells_whether_the_target_or_the_money_holds(goal, target, mode):
    """Money in plenty: the target holds, at about 1. Little money: bids are far below it."""
    bid = f"{{mode: cost_control, cost_per: {goal}, target: {target}}}"
    world = alone(EVERYBODY, f"scenes.only.bid={bid}", "budget=4m")

    def use(money):
        outcomes = run(world, Plan.shares(world, "some", only=money), mode=mode)
        assert one(outcomes, "spend")[0] > 0
        return outcomes.scenes("some")["only"]["target_use"]["mean"]

    assert use(1.0) == pytest.approx(1, abs=0.03)
    assert use(0.0005) < 0.8


def test_a_click_target_counts_the_clicks_that_are_bought():
    """In expected mode what the target allows is the target times the clicks of the book."""
    bid = "scenes.only.bid={mode: cost_control, cost_per: click, target: 1.5}"
    scene = expected(alone(EVERYBODY, bid, "budget=400k")).book.scenes
    assert scene["targeted"] == pytest.approx(scene["spend"])
    assert scene["allowed"] == pytest.approx(1.5 * scene["clicks"], rel=0.01)


def test_initial_is_another_name_of_the_first_order():
    bid = "scenes.only.bid={{mode: cost_control, cost_per: {}, target: 40}}"
    pair = [figures(expected(alone(EVERYBODY, bid.format(x)))) for x in ("initial", "first_order")]
    assert pair[0] == pair[1]


def test_the_cost_of_a_person_in_perform_is_at_most_its_target():
    """A world in which nothing else makes favourites and carts: the book counts them all."""
    quiet = (
        EVERYBODY.replace("customers: 60%, lapsed: 50%", "customers: 0, lapsed: 0"),
        "sources.feed.organic_visits=0", "chain.visit_moves.favourite.cart=0", "budget=200k",
        *(f"chain.base_moves.{s}.{m}=0" for s in ("discover", "engage", "enthuse") for m in ("cart", "favourite")),
        "chain.base_moves.discover.favourite=0", "chain.base_moves.favourite.cart=0",
    )  # fmt: skip
    world = alone(*quiet, "scenes.only.bid={mode: cost_control, cost_per: perform, target: 14}")
    spend, favourites, carts = one(expected(world), "spend", "favourites", "carts")
    assert spend < 200_000 * 0.99
    assert spend / (favourites + carts) == pytest.approx(14, rel=0.06)


# --- what suits a scene ---------------------------------------------------------------------------

TWO = "products.fresh={price: 120, margin: 55%, product_stage: launch}"


def test_a_scene_for_new_products_sells_new_products():
    def new_share(stages):
        outcomes = expected(brief(TWO, f"scenes.new_customer.product_stages={stages}"))
        paid = lanes_of(outcomes, outcomes.plans[0]).products["paid"].sum(axis=1)
        return paid[1] / paid.sum()

    assert new_share("{launch: 1}") > new_share("{}") > new_share("{core: 1}")
    assert new_share("{launch: 2, core: 2}") == pytest.approx(new_share("{launch: 1, core: 1}"))
    assert 0 < new_share("{sampling: 1}") < 1  # none is there: it takes what there is


def test_an_objective_is_a_word_for_readers():
    named = brief("scenes.new_customer.objective=reach")
    assert figures(expected(named)) == figures(expected(brief()))


def test_what_is_left_of_a_days_money_lowers_no_bid():
    """Drawn, a few fen stay below a cap that is reached before noon; the next morning begins with the bid."""
    capped = ["clock=12h", "start=2021-03-20"]
    sets = [*(f"calendar.phases.normal.{x}" for x in capped), "slots.feed.opportunities=6m", "plans=null",
            *(f"scenes.new_customer.{x}" for x in ("daily_cap=130", "pacing=quick", "budget=2k")),
            "scenes.harvest.budget=0"]  # fmt: skip
    bids: list[np.ndarray] = []

    def watch(view):
        for half in range(8):
            yield view.hours(12) - (half == 0)  # a second before noon, a second before midnight, ..
            bids.append(view.floor.state.bids[0].copy())

    scenario = brief(*sets)
    run = sampled(
        scenario, [plan(scenario, "own", new_customer=2000)], replications=16, processes=[watch]
    )
    assert 100 < run.book.spend[0, 0, :16].min() < 780
    mornings, evenings = np.array(bids[2::2]), np.array(bids[3::2])
    assert (evenings >= mornings).all()
