"""Last touches: they move with their people, age, and never outnumber them."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from simulator.market.audience import CART, ENGAGE, ENTHUSE, KINDS, ORDER, PASS_ON, STAY, TO
from simulator.market.tracers import (
    WIDTHS,
    Credit,
    Openers,
    Takings,
    Tracers,
    Trail,
    classes_within,
    gmv_of,
)

STAGES, SEGMENTS, LANES, SCENES = 11, 2, 3, 3
SHAPE = (STAGES, SEGMENTS, LANES)
BAND = np.array([0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4])
DEPOSIT_STAGE, INITIAL = 6, 7
unhurried = settings(deadline=None, max_examples=60)
seeds = st.integers(0, 2**32 - 1)


def random_people(rng):
    """People of whom some stages are empty."""
    return 1000 * rng.random(SHAPE) * (rng.random(SHAPE) < 0.8)


def random_visits(rng, most=1.0):
    return most * rng.random((SCENES, 5, SEGMENTS, LANES))


def random_flows(rng, n):
    """Flows of every kind that together take at most all people of a stage."""
    weights = rng.random((len(KINDS), *SHAPE)) * (rng.random((len(KINDS), *SHAPE)) < 0.5)
    shares = weights / np.maximum(weights.sum(axis=0), 1e-9)
    return shares * n * rng.random(SHAPE)


def random_paid(rng, flows, n, fresh):
    """Parts of touches and buying visits by scene, and of moves that visits cause: only new touches,
    `fresh`, of whom none moves twice.

    Moves on visits take at most the share of a stage that other moves leave.
    """
    paid = tuple(random_visits(rng) / SCENES for _ in range(2))
    caused = rng.random((PASS_ON, *SHAPE)) * (rng.random((PASS_ON, *SHAPE)) < 0.5)
    stays = 1 - flows.sum(axis=0) / np.maximum(n, 1e-9)
    movers = (by_scene_and_kind(paid, caused) * flows[:PASS_ON]).sum(axis=1)
    room = np.divide(fresh * stays, movers, out=np.ones_like(movers), where=movers > 1e-9)
    return paid, caused * np.minimum(room.min(axis=0), 1.0)


def by_scene_and_kind(paid, caused):
    """Part of each flow that happened on a scene's paid visit: [scene, kind, stage, segment, lane]."""
    touches, buys = (part[:, BAND] for part in paid)
    return np.stack(
        [(buys if kind < CART else touches) * caused[kind] for kind in range(PASS_ON)], axis=1
    )


def nobody_paid():
    """No move on a visit, as the arguments of `move`."""
    return (np.zeros((SCENES, 5, SEGMENTS, LANES)),) * 2, np.zeros((PASS_ON, *SHAPE))


def on_visits_of_the_first(*moves, part):
    """A part of these moves (kind, stage) on visits that the first scene paid for."""
    paid, caused = nobody_paid()
    first = paid[0].copy()
    first[0] = 1.0
    for kind, stage in moves:
        caused[kind, stage] = part
    return (first, first), caused


def carry_out(flows, n):
    """People after the flows; orders that stay in their stage change nothing."""
    after = n.copy()
    for kind, stage in zip(*np.nonzero(TO != STAY), strict=True):
        after[stage] -= flows[kind, stage]
        after[TO[kind, stage]] += flows[kind, stage]
    return after


def touched_tracers(rng, n, window=15):
    """Tracers with some days of history."""
    tracers = Tracers(window, SCENES, SHAPE)
    for _ in range(12):
        tracers.touch(random_visits(rng, 0.3), n)
        tracers.age_a_day()
    return tracers


def of_stage(tracers):
    """Touched people by stage: [stage, segment, lane]."""
    return tracers.touched.sum(axis=(0, 1))


# --- touches ------------------------------------------------------------------------------------


@unhurried
@given(seeds, st.floats(1e-6, 3.0))
def test_touches_are_the_last_of_poisson_visits(seed, most):
    """Of those with a visit, by scene in proportion; everyone else keeps an older touch."""
    rng = np.random.default_rng(seed)
    n, visits = random_people(rng), random_visits(rng, most)
    tracers = touched_tracers(rng, n)
    before, fresh = tracers.touched.copy(), tracers.touched[0].copy()
    tracers.touch(visits, n)
    unvisited = np.exp(-visits.sum(axis=0))[BAND]
    assert_allclose(tracers.touched[1:], before[1:] * unvisited, rtol=1e-12)
    by_scene = (visits / visits.sum(axis=0))[:, BAND] * (1 - unvisited) * n
    assert_allclose(tracers.touched[0], fresh * unvisited + by_scene, rtol=1e-9, atol=1e-12)
    untouched = n - before.sum(axis=(0, 1))
    assert_allclose(n - of_stage(tracers), untouched * unvisited, rtol=1e-9, atol=1e-9)


@unhurried
@given(seeds)
def test_visits_in_two_steps_touch_as_in_one(seed):
    rng = np.random.default_rng(seed)
    n, visits = random_people(rng), random_visits(rng)
    once, twice = Tracers(7, SCENES, SHAPE), Tracers(7, SCENES, SHAPE)
    once.touch(visits, n)
    twice.touch(visits / 2, n)
    twice.touch(visits / 2, n)
    assert_allclose(twice.touched, once.touched, rtol=1e-12)


# --- moves --------------------------------------------------------------------------------------


@unhurried
@given(seeds)
def test_touched_people_never_outnumber_people(seed):
    """Through touches, moves, midnights, shifts and forfeits, in every stage."""
    rng = np.random.default_rng(seed)
    n, tracers = random_people(rng), Tracers(15, SCENES, SHAPE)
    for number in range(12):
        older = tracers.touched[0].copy()
        visits = random_visits(rng)
        tracers.touch(visits, n)
        fresh = tracers.touched[0] - older * np.exp(-visits.sum(axis=0))[BAND]
        flows = random_flows(rng, n)
        tracers.move(flows, n, *random_paid(rng, flows, n, np.maximum(fresh, 0.0)))
        n = carry_out(flows, n)
        if number % 3 == 0:
            tracers.age_a_day()
            back = rng.random((SEGMENTS, LANES))
            tracers.shift(INITIAL, 2, back)
            n[2], n[INITIAL] = n[2] + back * n[INITIAL], (1 - back) * n[INITIAL]
        if number % 5 == 0:
            tracers.forfeit()
            n[2], n[DEPOSIT_STAGE] = n[2] + n[DEPOSIT_STAGE], 0.0
        assert (tracers.touched >= -1e-9).all()
        assert (of_stage(tracers) <= n + 1e-9).all()


@unhurried
@given(seeds)
def test_moves_take_touches_along_and_lose_none(seed):
    """Touches of an age and scene go where people go as if they were people themselves."""
    rng = np.random.default_rng(seed)
    n = random_people(rng)
    tracers = touched_tracers(rng, n)
    before, flows = tracers.touched.copy(), random_flows(rng, n)
    tracers.move(flows, n, *nobody_paid())
    assert_allclose(tracers.touched.sum(axis=2), before.sum(axis=2), rtol=1e-12)
    part = np.divide(flows, n, out=np.zeros_like(flows), where=n > 0)
    for age, scene in np.ndindex(before.shape[:2]):
        alike = carry_out(part * before[age, scene], before[age, scene])
        assert_allclose(tracers.touched[age, scene], alike, rtol=1e-9, atol=1e-9)


@unhurried
@given(seeds)
def test_moves_on_visits_take_new_touches_of_their_scenes(seed):
    """Those whom a visit moves were touched by it; of the others each touch moves alike."""
    rng = np.random.default_rng(seed)
    n = random_people(rng)
    tracers = touched_tracers(rng, n)
    flows = random_flows(rng, n)
    paid, caused = random_paid(rng, flows, n, tracers.touched[0])
    on_visit = np.zeros((SCENES, *flows.shape))
    on_visit[:, :PASS_ON] = by_scene_and_kind(paid, caused)
    before = tracers.touched.copy()
    tracers.move(flows, n, paid, caused)
    assert_allclose(tracers.touched.sum(axis=2), before.sum(axis=2), rtol=1e-12)
    others = flows * (1 - on_visit.sum(axis=0))
    part = np.divide(others, n, out=np.zeros_like(flows), where=n > 0)
    for age, scene in np.ndindex(before.shape[:2]):
        movers = part * before[age, scene]
        movers += flows * on_visit[scene] if age == 0 else 0.0
        expected = carry_out(movers, before[age, scene])
        assert_allclose(tracers.touched[age, scene], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kinds", [(CART,), (CART, ENTHUSE)])
def test_visits_that_move_more_people_than_they_touched_leave_no_ghosts(kinds):
    """Sampled moves of a small stage: of five people one moves by a visit expected of 0.01."""
    n, flows = np.full(SHAPE, 5.0), np.zeros((len(KINDS), *SHAPE))
    tracers = Tracers(15, SCENES, SHAPE)
    visits = np.full((SCENES, 5, SEGMENTS, LANES), 2.0)
    tracers.touch(visits, n)
    for _ in range(2):
        tracers.age_a_day()
    tracers.touched[0] = 0.01
    for kind in kinds:
        flows[kind, 1] = 1.0
    tracers.move(flows, n, *on_visits_of_the_first(*((kind, 1) for kind in kinds), part=0.9))
    n = carry_out(flows, n)
    assert (tracers.touched >= -1e-9).all()
    assert (of_stage(tracers) <= n + 1e-9).all()


def test_orders_that_stay_move_nothing():
    rng = np.random.default_rng(1)
    n = random_people(rng) + 1
    tracers = touched_tracers(rng, n)
    before, flows = tracers.touched.copy(), np.zeros((len(KINDS), *SHAPE))
    flows[ORDER, 8:10] = n[8:10] / 2
    (touches, buys), caused = nobody_paid()
    tracers.move(flows, n, (touches + 1 / SCENES, buys + 1 / SCENES), caused + 1)
    assert_allclose(tracers.touched, before)


def test_forfeited_deposits_fall_back_to_engage():
    rng = np.random.default_rng(2)
    tracers = touched_tracers(rng, random_people(rng) + 1)
    before = tracers.touched.copy()
    tracers.forfeit()
    assert not tracers.touched[:, :, DEPOSIT_STAGE].any()
    engaged = before[:, :, 2] + before[:, :, DEPOSIT_STAGE]
    assert_allclose(tracers.touched[:, :, 2], engaged)
    assert_allclose(tracers.touched.sum(axis=2), before.sum(axis=2))


@pytest.mark.parametrize(("stage", "target"), [(INITIAL, 2), (INITIAL, 8)])
def test_a_shift_moves_a_share_of_every_touch(stage, target):
    rng = np.random.default_rng(2)
    tracers = touched_tracers(rng, random_people(rng) + 1)
    before, share = tracers.touched.copy(), rng.random((SEGMENTS, LANES))
    tracers.shift(stage, target, share)
    assert_allclose(tracers.touched[:, :, stage], (1 - share) * before[:, :, stage])
    arrived = before[:, :, target] + share * before[:, :, stage]
    assert_allclose(tracers.touched[:, :, target], arrived)
    assert_allclose(tracers.touched.sum(axis=2), before.sum(axis=2))


# --- age ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [1, 3, 7, 15, 30])
def test_classes_fill_the_window(window):
    assert sum(WIDTHS[: classes_within(window)]) == window


@unhurried
@given(seeds)
def test_midnight_passes_on_a_day_of_each_class(seed):
    """Only the oldest class loses people, and no touch overtakes a younger class.

    A touch of today is half a day old at its first midnight: it stays half a day longer.
    """
    rng = np.random.default_rng(seed)
    tracers = Tracers(15, SCENES, SHAPE)
    tracers.touched[...] = rng.random(tracers.touched.shape)
    before = tracers.touched.copy()
    tracers.age_a_day()
    widths = np.array([1.5, *WIDTHS[1 : tracers.ages]])[:, None, None, None, None]
    lost = before[-1] / widths[-1]
    assert_allclose(tracers.touched.sum(axis=0), before.sum(axis=0) - lost, rtol=1e-12)
    arrived = np.zeros_like(before)
    arrived[1:] = before[:-1] / widths[:-1]
    assert_allclose(tracers.touched, before * (1 - 1 / widths) + arrived, rtol=1e-12)


def mean_life(window):
    """Mean days for which touches that come evenly over a day count, by steps of an hour."""
    tracers, n = Tracers(window, 1, (STAGES, 1, 1)), np.ones((STAGES, 1, 1))
    visits, counted = np.zeros((1, 5, 1, 1)), 0.0
    visits[0, 0] = 1e-6
    for hour in range(24 * 300):
        if hour and hour % 24 == 0:
            tracers.age_a_day()
        counted += tracers.touched[:, 0, 0].sum() / 24
        if hour < 24:
            tracers.touch(visits, n)
            counted += 1e-6 / 48  # the touch comes in the middle of its hour
    return counted / 24e-6


@pytest.mark.parametrize("window", [1, 3, 7, 15, 30])
def test_a_touch_counts_for_its_window_on_average(window):
    assert mean_life(window) == pytest.approx(window, rel=1e-2)


# --- credit -------------------------------------------------------------------------------------


@unhurried
@given(seeds)
def test_no_more_orders_are_credited_than_there_are(seed):
    """Credited and organic are all: organic is what is on free visits of untouched people.

    The orders of a step fall evenly between its first and its last touch.
    """
    rng = np.random.default_rng(seed)
    n = random_people(rng)
    tracers = touched_tracers(rng, n)
    earlier = of_stage(tracers) / np.maximum(n, 1e-9)
    tracers.touch(random_visits(rng), n)
    direct, waiting = (0.1 * n * rng.random(SHAPE) for _ in range(2))
    customers = 0.1 * n[7:10].sum(axis=0)
    paid_share = random_visits(rng) / SCENES
    credit = tracers.credit(direct, paid_share, waiting, customers, n)
    credited = credit.orders.sum(axis=0)
    after = 1 - of_stage(tracers) / np.maximum(n, 1e-9)
    untouched = (after + 1 - earlier) / 2
    free = direct * (1 - paid_share.sum(axis=0)[BAND]) + waiting
    regulars = n[7:10] / np.maximum(n[7:10].sum(axis=0), 1e-9)
    organic = (free * untouched).sum(axis=0) + customers * (regulars * after[7:10]).sum(axis=0)
    everything = (direct + waiting).sum(axis=0) + customers
    assert_allclose(credited + organic, everything, rtol=1e-9, atol=1e-9)
    assert_allclose(credit.organic, organic, rtol=1e-9, atol=1e-9)


def test_orders_on_paid_visits_belong_to_their_scene():
    n, nothing = np.full(SHAPE, 100.0), np.zeros(SHAPE)
    paid_share = np.zeros((SCENES, 5, SEGMENTS, LANES))
    paid_share[1] = 1.0
    tracers = touched_tracers(np.random.default_rng(3), n)
    tracers.touch(random_visits(np.random.default_rng(4)), n)
    credit = tracers.credit(n / 10, paid_share, nothing, nothing[0], n)
    assert_allclose(credit.orders[[0, 2]], 0.0, atol=1e-9)
    assert_allclose(credit.orders[1], 110.0)


def test_balances_belong_to_those_who_touched_who_paid_the_deposit():
    """Of a fifth, a tenth, a twentieth of those with a deposit, and twice as many of the customers."""
    n, nothing = np.full(SHAPE, 100.0), np.zeros(SHAPE)
    tracers, shares = Tracers(7, SCENES, SHAPE), np.array([0.2, 0.1, 0.05])
    tracers.touched[0] = 100 * shares[:, None, None, None]
    tracers.touched[0, :, INITIAL : INITIAL + 3] *= 2
    tracers.after = tracers.level = tracers.share(n)
    waiting = nothing.copy()
    waiting[DEPOSIT_STAGE] = 10.0
    none_paid, balances = np.zeros((SCENES, 5, SEGMENTS, LANES)), np.full(SHAPE[1:], 6.0)
    credit = tracers.credit(nothing, none_paid, waiting, balances, n, balances=balances)
    assert_allclose(credit.presale[:, 0, 0], shares * (10 + 2 * 6), rtol=1e-12)
    assert_allclose(credit.orders, credit.presale, rtol=1e-12)
    assert_allclose(credit.organic, 0.65 * 10 + 0.3 * 6, rtol=1e-12)


@pytest.mark.parametrize(("kind", "stage"), [(ENGAGE, 0), (CART, 3), (ORDER, 5)])
def test_people_whom_a_paid_visit_moves_carry_that_visit(kind, stage):
    """A hundredth of a stage has a paid visit, and all of those move: all are touched there."""
    tracers, n = Tracers(15, SCENES, SHAPE), np.full(SHAPE, 1000.0)
    visits = np.zeros((SCENES, 5, SEGMENTS, LANES))
    visits[0, BAND[stage]] = 0.01
    flows = np.zeros((len(KINDS), *SHAPE))
    flows[kind, stage] = 1000 * -np.expm1(-0.01)
    tracers.touch(visits, n)
    elsewhere = tracers.touched[0, 0, TO[kind, stage]].copy()
    tracers.move(flows, n, *on_visits_of_the_first((kind, stage), part=1.0))
    arrived = tracers.touched[0, 0, TO[kind, stage]] - elsewhere
    assert_allclose(arrived, flows[kind, stage], rtol=0.02)


# --- first touch, and both ----------------------------------------------------------------------


def walked(model, seed, window=7, **options):
    """Credits and orders of a trail's last step, after days of touches and moves."""
    rng = np.random.default_rng(seed)
    n, trail = random_people(rng), Trail(model, window, SCENES, SHAPE, **options)
    for _ in range(9):
        trail.touch(random_visits(rng, 0.4), n)
        flows = random_flows(rng, n)
        trail.move(flows, n, *nobody_paid())
        n = carry_out(flows, n)
        trail.age_a_day()
    trail.touch(random_visits(rng, 0.4), n)
    direct, waiting = (0.1 * n * rng.random(SHAPE) for _ in range(2))
    direct[DEPOSIT_STAGE] = 0.0
    customers, balances = 0.1 * n[7:10].sum(axis=0), 0.04 * n[7:10].sum(axis=0)
    shares = random_visits(rng) / SCENES
    guests = (1 - shares.sum(axis=0)) * rng.random(shares.shape[1:])
    orders = (direct, shares, waiting, customers, n)
    return trail.credit(*orders, balances=balances, guests=guests), orders


@unhurried
@given(seeds)
@pytest.mark.parametrize("model", ["last_touch", "first_touch", "even"])
def test_direct_indirect_presale_commissioned_and_organic_are_all_orders(model, seed):
    credits, (direct, _, waiting, customers, _) = walked(model, seed)
    credit = credits.report
    indirect = credit.orders - credit.direct - credit.presale
    for part in (credit.direct, indirect, credit.presale, credit.guests, credit.organic):
        assert part.min() >= -1e-9
    found = credit.orders.sum(axis=0) + credit.guests + credit.organic
    assert_allclose(found, (direct + waiting).sum(axis=0) + customers, rtol=1e-9)


@unhurried
@given(seeds)
def test_models_differ_in_who_is_credited_and_not_in_how_much(seed):
    last, first, even = (walked(m, seed)[0].report for m in ("last_touch", "first_touch", "even"))
    assert_allclose(first.orders.sum(axis=0), last.orders.sum(axis=0), rtol=1e-9)
    assert_allclose(even.orders, (last.orders + first.orders) / 2, rtol=1e-12)
    assert_allclose(first.organic, last.organic, rtol=1e-9)
    assert (first.direct <= last.direct + 1e-9).all()
    assert np.abs(first.orders - last.orders).max() > 1e-6


@pytest.mark.parametrize("model", ["last_touch", "first_touch", "even"])
def test_promises_follow_the_last_touch_whatever_the_model(model):
    """And a report is the same with a promise beside it and without."""
    last = walked("last_touch", 3)[0].report
    promised, alone = (walked(model, 3, promised=p)[0] for p in (True, False))
    assert alone.promised is None
    for part in fields(Credit):
        own, other = (getattr(c, part.name) for c in (promised.promised, last))
        assert_allclose(own, other, rtol=1e-12)
        own, other = (getattr(c.report, part.name) for c in (promised, alone))
        assert_allclose(own, other, rtol=1e-12)


def test_the_opener_keeps_people_whom_others_touch_later():
    """Everybody is touched by scene 0, then by 1: they belong to 1 by last touch, to 0 by first."""
    n = np.full(SHAPE, 100.0)
    for kind, owner in ((Tracers, 1), (Openers, 0)):
        tracer = kind(3, SCENES, SHAPE)
        for scene in (0, 1):
            visits = np.zeros((SCENES, 5, SEGMENTS, LANES))
            visits[scene] = 50.0
            tracer.touch(visits, n)
            tracer.age_a_day()
        assert_allclose(tracer.share(n)[owner], 1.0)


def test_orders_on_paid_visits_belong_to_the_opener_where_there_is_one():
    """A fifth, a tenth, a twentieth are owned; of ten orders 5 and 3 are on visits of the first two scenes."""
    n, nothing = np.full(SHAPE, 100.0), np.zeros(SHAPE)
    tracers, shares = Openers(7, SCENES, SHAPE), np.array([0.2, 0.1, 0.05])
    tracers.touched[0] = 100 * shares[:, None, None, None]
    tracers.after = tracers.level = tracers.share(n)
    paid_share, direct = np.zeros((SCENES, 5, SEGMENTS, LANES)), nothing.copy()
    paid_share[0], paid_share[1], direct[3] = 0.5, 0.3, 10.0
    credit = tracers.credit(direct, paid_share, nothing, nothing[0], n)
    owned, visits = shares * 10, 0.65 * np.array([5.0, 3.0, 0.0])
    assert_allclose(credit.orders[:, 0, 0], owned + visits, rtol=1e-12)
    assert_allclose(credit.direct[:, 0, 0], [5 * 0.85, 3 * 0.75, 0.0], rtol=1e-12)
    assert_allclose(credit.organic, 2 * 0.65, rtol=1e-12)


def test_a_contact_ends_a_window_after_its_last_touch():
    n, tracer = np.full(SHAPE, 100.0), Openers(3, SCENES, SHAPE)
    visits = np.zeros((SCENES, 5, SEGMENTS, LANES))
    visits[0] = 50.0
    tracer.touch(visits, n)
    for _ in range(30):
        tracer.age_a_day()
    assert tracer.share(n).max() < 1e-3
    tracer.touch(visits[[1, 0, 2]], n)
    assert tracer.share(n)[1].min() > 0.999


# --- gmv ------------------------------------------------------------------------------------------


def gmv_by_hand(credit: Credit, takings: Takings) -> list[float]:
    """Docs/model.md, Attributed orders: w_i, w_0 and the proportion, one scene and segment after the other."""
    scenes, segments = range(len(credit.orders)), range(credit.orders.shape[1])
    rho = [sum(credit.direct[i, :, 0]) / sum(credit.visited[i, :, 0]) for i in scenes]
    own_gmv = sum(rho[i] * takings.own_gmv[i, 0] for i in scenes)
    own_orders = sum(rho[i] * takings.own_orders[i, 0] for i in scenes)
    rest = (takings.gmv[0] - own_gmv) / (takings.orders[0] - own_orders)
    credited = []
    for i in scenes:
        own = takings.own_gmv[i, 0] / takings.own_orders[i, 0]
        credited.append(sum(
            takings.worth[g, 0]
            * (credit.direct[i, g, 0] * own + (credit.orders - credit.direct)[i, g, 0] * rest)
            for g in segments
        ))  # fmt: skip
    nobody = sum(
        (credit.organic + credit.guests)[g, 0] * takings.worth[g, 0] * rest for g in segments
    )
    scale = takings.gmv[0] / (sum(credited) + nobody)
    return [float(x * scale) for x in credited]


@pytest.mark.parametrize("seed", range(5))
def test_credited_gmv_is_that_of_the_equation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    visited = rng.uniform(20, 40, (3, 2, 1))
    direct, indirect = (
        rng.uniform(0.3, 0.9, visited.shape) * visited,
        rng.uniform(1, 9, visited.shape),
    )
    guests, organic = rng.uniform(5, 50, (2, 2, 1))
    credit = Credit(direct + indirect, direct, 0 * direct, visited, guests, organic)
    orders = credit.orders.sum(axis=(0, 1)) + (guests + organic).sum(axis=0)
    own = visited.sum(axis=1)
    takings = Takings(
        orders * 180.0, orders, own * rng.uniform(50, 250, own.shape), own, rng.uniform(100, 400, (2, 1))
    )  # fmt: skip
    assert gmv_of(credit, takings).ravel() == pytest.approx(gmv_by_hand(credit, takings), rel=1e-12)


def test_where_all_orders_are_on_own_visits_the_others_have_the_mean_of_all() -> None:
    one = np.ones((1, 1, 1))
    credit = Credit(3 * one, 2 * one, 0 * one, 2 * one, 0 * one[0], one[0])
    takings = Takings(np.array([200.0]), np.array([2.0]), 200 * one[0], 2 * one[0], one[0])
    assert gmv_of(credit, takings).item() == pytest.approx(200 * 300 / 400)


def test_where_own_visits_have_sold_nothing_all_gmv_goes_by_orders() -> None:
    """Chance: two orders on A's visits and one on B's, of which none is of what they show."""
    one = np.ones((2, 1, 1)) * np.array([2.0, 1.0])[:, None, None]
    credit = Credit(one, one, 0 * one, one, 0 * one[0], 0 * one[1])
    takings = Takings(
        np.array([300.0]), np.array([3.0]), 0 * one[:, 0], one[:, 0], np.array([[7.0]])
    )
    assert gmv_of(credit, takings).ravel().tolist() == pytest.approx([200.0, 100.0])
