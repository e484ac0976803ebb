"""The engine's chain, exposure, wear-out and last touches against single people."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose

from simulator.market.audience import (
    ORDER,
    Chain,
    Contact,
    Crowd,
    Pulse,
    blend,
    by_band,
    fading,
    ratio,
    reach_hazard,
    renewal,
    wear,
)
from simulator.market.draws import Expected
from simulator.market.people import People
from simulator.market.tracers import Trail
from tests.market.chain_steps import draw_moves
from tests.oracles.people import (
    STAGES,
    Contacts,
    Habits,
    first_contacts,
    live,
    mean_click_odds,
    remember,
)

PEOPLE = 20_000
EVEN = np.full(24, 1 / 24)
BUSY = np.array([2, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 6, 5, 5, 5, 5, 5, 5, 6, 8, 10, 11, 9, 6]) / 113
"""Hours of a shop: quiet at night, busy in the evening."""
BAND_OF_STAGE = np.array([0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4])
WINDOWS = np.array([15.0, 15.0, 30.0, 30.0, 30.0])
PAY, CARTING = 0.95, 1.3
PAID = 2
"""Scenes with money; one more, the last, is free."""


# --- the engine with given intensities ----------------------------------------------------------


def moves_table(*rows):
    """[move, stage] from the moves of outside, discover, engage, enthuse, favourite."""
    table = np.zeros((4, STAGES))
    table[:, :5] = np.array(rows).T
    return table


VISIT_MOVES = moves_table(
    (0.25, 0.01, 0.012, 0.02), (0.30, 0.02, 0.017, 0.03), (0, 0.10, 0.03, 0.055),
    (0, 0, 0.07, 0.13), (0, 0, 0, 0.14),
)  # fmt: skip
BASE_MOVES = moves_table(
    (0.0005, 0, 0, 0), (0.03, 0, 0, 0.003), (0, 0.02, 0.005, 0.01), (0, 0, 0.015, 0.03),
    (0, 0, 0, 0.02),
) / 30  # fmt: skip
READINESS = np.array([0.4, 0.45, 0.8, 1.6, 2, 6, 0, 1.4, 2.5, 3.5, 1]) / 1.4
"""Presets' chain (chain/deeplink.yaml); a full cart makes a visit buy in about 20 of 100 cases."""
START = np.array([0.55, 0.08, 0.1, 0.05, 0.03, 0.04, 0, 0.08, 0.04, 0.01, 0.02])


def habits_of(days, *, views, visits, shape=np.inf, release=0.007, sale=()):
    """People whose days `sale` bring three times the views and visits, and more basket orders."""
    traffic = np.ones(days)
    traffic[list(sale)] = 3.0
    daily = np.array(visits)[None] * traffic[:, None, None]
    seen = np.array(views)[None] * traffic[:, None]
    touch = np.array([1.0, 1.2, 1.0])
    contacts = (daily * touch[:, None]).sum(axis=1)[:, BAND_OF_STAGE[1:6]]
    contacts[:, 0] += seen[:, BAND_OF_STAGE[1]]
    forget = np.zeros((days, STAGES))
    per_window = contacts * WINDOWS
    forget[:, 1:6] = lapse_rate(per_window, shape) / WINDOWS
    return Habits(
        start=START, views=seen, visits=daily, hours=BUSY, touch=touch,
        buying=PAY * np.array([0.02, 0.045, 0.03]), readiness=READINESS,
        moves=VISIT_MOVES * np.array([1, 1, CARTING, CARTING])[:, None], base=BASE_MOVES,
        release=PAY * release * traffic**2, favourite_release=0.33, forget=forget, keen=0.16 / 365,
        lapse_days=180.0, return_days=185.0, shape=shape,
    )  # fmt: skip


def lapse_rate(contacts, shape):
    """Lapses of those inside in a window: E[u e^-u] / (1 - E[e^-u]) for Gamma or even media use."""
    if np.isinf(shape):
        return contacts / np.expm1(contacts)
    spread = 1 + contacts / shape
    return contacts * spread ** -(shape + 1) / (1 - spread**-shape)


def engine_people(habits):
    """The same people for the engine; what the engine multiplies itself is divided out."""
    column = np.ones((1, 1))
    moves = habits.moves / np.array([1, 1, CARTING, CARTING])[:, None]
    return People(
        size=PEOPLE * column, start=habits.start[:, None, None], order_value=column,
        buy_odds=column, visit_moves=moves[..., None], base_moves=habits.base[..., None],
        cart_again=0 * column, propensity=habits.readiness[:, None], forget=WINDOWS[:, None],
        favourite_release=habits.favourite_release * column, keen_rate=habits.keen * column,
        lapse_days=habits.lapse_days, window_days=habits.lapse_days + habits.return_days,
        frequency_shape=np.minimum(habits.shape, 1e9) * column, reach_window=15 * column,
        fatigue=0.1 * column, fatigue_half_life=7 * column,
        new_taste=None, refund_odds=None, return_cost=None, spared=None, order_delay=None, habit=None,
    )  # fmt: skip


def march(habits, hours, tracers=()):
    """The engine in steps of some hours: people by day, all orders, credits [all or direct, tracer, scene]."""
    chain, draws, nobody = Chain(engine_people(habits), 1, 1), Expected(1), np.zeros((1, 1))
    n = PEOPLE * habits.start[:, None, None]
    crowd = Crowd(n, n[7:].copy(), nobody.copy(), 0 * by_band(n))
    stages, credited, ordered = [n.ravel().copy()], np.zeros((2, len(tracers), PAID)), 0.0
    for hour in range(0, 24 * len(habits.views), hours):
        part = habits.hours[hour % 24 : hour % 24 + hours].sum()
        contact, visits, bought = meet(habits, hour // 24, part)
        pulse = pulse_of(habits, hour, hours, part)
        chain.fill(crowd, contact, pulse)
        flows = draw_moves(chain, crowd, pulse, draws)
        ordered += flows[ORDER].sum()
        paid = paid_parts(habits, contact, visits, bought)
        for number, tracer in enumerate(tracers):
            if hour and hour % 24 == 0:
                tracer.age_a_day()
            tracer.touch(visits[:PAID], crowd.n)
            credited[:, number] += credit(tracer, chain, crowd, paid[1])
            tracer.move(flows, crowd.n, paid, chain.on_visits())
        chain.settle(crowd, nobody, draws)
        chain.remember(crowd, contact, pulse, (by_band(n), 0 * by_band(n)))
        if (hour + hours) % 24 == 0:
            stages.append(crowd.n.ravel().copy())
    return np.array(stages), ordered, credited


def meet(habits, day, part):
    """What a person of each band meets in a part of a day; visits and buying visits by scene."""
    visits = habits.visits[day][:, :, None, None] * part  # [scene, band, segment, lane]
    bought = visits * habits.buying[:, None, None, None] / PAY
    touches = (visits * habits.touch[:, None, None, None]).sum(axis=0)
    views = habits.views[day][:, None, None] * part
    unseen = visits[PAID, 0] * habits.touch[PAID]
    return Contact(views, touches, bought.sum(axis=0), unseen), visits, bought


def pulse_of(habits, hour, hours, part):
    one = np.ones((1, 1))
    return Pulse(
        days=hours / 24, browse=part, now=(hour + hours / 2) / 24, pay=PAY * one,
        cart=CARTING * one, release=habits.release[hour // 24] / PAY * part * one,
        deposit=0 * one, deposit_release=0 * one, balance=0 * one,
    )  # fmt: skip


def paid_parts(habits, contact, visits, bought):
    """Parts of touches and of buying visits that scenes paid for: [scene, band, segment, lane] each."""
    touches = (visits * habits.touch[:, None, None, None])[:PAID]
    return ratio(touches, contact.touches), ratio(bought[:PAID], contact.buys)


def credit(tracer, chain, crowd, paid_share):
    """Orders of a step credited to scenes, as the engine does it."""
    orders, waiting = chain.flows[ORDER], np.zeros((STAGES, 1, 1))
    waiting[4:6] = orders[4:6] * np.minimum(ratio(chain.baskets, chain.hazards[ORDER, 4:6]), 1.0)
    nobody = np.zeros((1, 1))
    found = tracer.credit(orders - waiting, paid_share, waiting, nobody, crowd.n).report
    return found.orders[:, 0, 0], found.direct[:, 0, 0]


# --- reach --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [0.3, 0.6, 2.0])
def test_reach_is_the_negative_binomial_of_all_views(shape):
    views = np.full(30, 0.2)
    views[10:13] = 1.0
    reached = first_contacts(views, shape, PEOPLE, seed=1)
    survival = np.cumsum([float(reach_hazard(*x)) for x in zip(
        np.cumsum(views) - views, views, np.full(30, shape), strict=True
    )])  # fmt: skip
    model = -np.expm1(-survival)
    assert_allclose(model, 1 - (1 + np.cumsum(views) / shape) ** -shape, rtol=1e-12)
    assert (np.abs(reached - model) < 4 * np.sqrt(model * (1 - model) / PEOPLE)).all()


def decaying_hazard(views, shape, window):
    """The model's hazard of a first contact by day, in steps of an hour."""
    exposure, hazards = np.array(0.0), []
    for today in np.repeat(views / 24, 24):
        hazards.append(reach_hazard(exposure, today, shape))
        exposure = blend(fading(np.array(1 / 24 / window)), exposure, today)
    return np.array(hazards).reshape(-1, 24).sum(axis=1)


SEASON = np.repeat([0.1, 0.8, 0.1, 0.03], [8, 3, 9, 10])
"""Views per day before, in, and after a burst."""


@pytest.mark.parametrize("shape", [0.6, 2.0])
def test_decayed_exposure_is_a_memory_that_fades_at_random(shape):
    """Exact through a burst if each contact is remembered for an exponential time of mean W."""
    people = remember(Contacts(SEASON, EVEN, shape, 15, fixed=False), PEOPLE, seed=5)
    model = decaying_hazard(SEASON, shape, 15) * people.outside
    found, expected = (x.reshape(-1, 5).sum(axis=1) for x in (people.first, model))
    assert (np.abs(found - expected) < 4 * np.sqrt(expected)).all()


@pytest.mark.parametrize("shape", [0.6, 2.0])
def test_decayed_exposure_is_a_window_only_when_nothing_changes(shape):
    """With a window of just W days: exact in stationarity, up to half off after a burst."""
    steady = remember(Contacts(np.full(30, 0.1), BUSY, shape, 15, fixed=True), PEOPLE, seed=4)
    hazard = 0.1 * shape / (shape + 0.1 * 15)
    found, expected = steady.first[15:].sum(), hazard * steady.outside[15:].sum()
    assert abs(found - expected) < 4 * np.sqrt(expected)
    changing = remember(Contacts(SEASON, EVEN, shape, 15, fixed=True), PEOPLE, seed=5)
    model = decaying_hazard(SEASON, shape, 15) * changing.outside
    assert 0.75 < changing.first.sum() / model.sum() < 1.0
    by_days = changing.first.reshape(-1, 5).sum(axis=1) / model.reshape(-1, 5).sum(axis=1)
    assert 0.5 < by_days.min() < 0.8
    assert 1.0 < by_days.max() < 1.5


# --- renewal ------------------------------------------------------------------------------------


@pytest.mark.parametrize("contacts", [0.1, 0.5, 1.0, 3.0, 6.0])
def test_windows_lapse_at_the_rate_of_gaps_as_long_as_the_window(contacts):
    """Contacts of a shop's hours, which a daily hazard need not know."""
    per_day = np.full(33, contacts / 15)
    people = remember(Contacts(per_day, BUSY, np.inf, 15, fixed=True), PEOPLE, seed=2)
    found = people.lapsed[15:].sum()
    expected = renewal(np.array(contacts), np.array(1e9)) / 15 * people.inside[15:].sum()
    assert abs(found - expected) < 4 * np.sqrt(expected)


@pytest.mark.parametrize("contacts", [0.3, 1.0, 3.0, 8.0])
def test_renewal_knows_uneven_media_use(contacts):
    """Heavy users stay inside, so those inside lapse less or, with many contacts, far more often."""
    per_day = np.full(33, contacts / 15)
    people = remember(Contacts(per_day, EVEN, 0.6, 15, fixed=True), PEOPLE, seed=3)
    truth = 15 * people.lapsed[15:].sum() / people.inside[15:].sum()
    model = float(renewal(np.array(contacts), np.array(0.6)))
    assert model == pytest.approx(truth, rel=0.04)
    assert model == pytest.approx(lapse_rate(contacts, 0.6), rel=1e-9)


# --- chain --------------------------------------------------------------------------------------

VIEWS = np.array([0.15, 0.3, 0.3, 0.2, 0.1])
VISITS = np.array([
    [0.010, 0.04, 0.05, 0.03, 0.02],
    [0.006, 0.02, 0.08, 0.06, 0.01],
    [0.004, 0.03, 0.08, 0.06, 0.01],
])  # fmt: skip
"""Per person and day: [band], [scene, band]."""


@cache
def month(scale, shape=np.inf):
    return habits_of(
        30, views=VIEWS * scale, visits=VISITS * scale, shape=shape, sale=(12, 13, 14, 25)
    )


@cache
def people_of_month(scale, shape=np.inf, tossed_apart=False):
    return live(month(scale, shape), PEOPLE, seed=1, tossed_apart=tossed_apart)


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize(("hours", "coarseness"), [(1, 0.0005), (24, 0.003)])
def test_chain_moves_people_as_single_people_move(scale, hours, coarseness):
    """`coarseness`: error of a share that a step of so many hours may bring."""
    people = people_of_month(scale)
    stages, orders, _ = march(month(scale), hours)
    model, found = stages / PEOPLE, people.stages / PEOPLE
    error = 4 * np.sqrt(model * (1 - model) / PEOPLE) + coarseness
    assert (np.abs(found - model) < error).all()
    assert abs(len(people.when) - orders) < 4 * np.sqrt(orders) + 10 * coarseness / 3 * orders


def test_uneven_media_use_places_few_people_otherwise():
    """Limit of the model: those who come back from discover are heavy users. Shares within 2%."""
    people = people_of_month(1.0, 0.6)
    stages, orders, _ = march(month(1.0, 0.6), 1)
    difference = (people.stages - stages) / PEOPLE
    assert np.abs(difference[5:, 0]).max() < 0.012
    assert np.abs(difference).max() < 0.02
    assert orders == pytest.approx(len(people.when), rel=0.03)


def test_a_visit_has_at_most_one_outcome():
    """Probabilities per visit exclude each other: tossed apart, they overlap and bring less."""
    people = people_of_month(1.0, tossed_apart=True)
    stages, orders, _ = march(month(1.0), 1)
    assert np.abs(people.stages - stages).max() / PEOPLE < 0.03
    assert 0.93 * orders < len(people.when) < orders


# --- attribution --------------------------------------------------------------------------------

WORLDS = {"plain": (1.0, ()), "busy": (2.5, (12, 13, 14, 25, 40))}
LOOK_BACK = (1, 3, 7, 15, 30)
MODELS = ("last_touch", "first_touch", "even")


@cache
def credits_of(world):
    """Share of all orders by model, window and scene, all and direct: of people, and as the tracers say."""
    scale, sale = WORLDS[world]
    habits = habits_of(45, views=VIEWS * scale, visits=VISITS * scale, sale=sale)
    people = live(habits, PEOPLE, seed=1)
    tracers = [
        Trail(model, window, PAID, (STAGES, 1, 1)) for model in MODELS for window in LOOK_BACK
    ]
    _, orders, (credited, direct) = march(habits, 3, tracers)
    truth = np.array([of_people(people, model, w) for model in MODELS for w in LOOK_BACK])
    shape = (len(MODELS), len(LOOK_BACK), 2, PAID)
    found = np.stack([credited, direct], axis=1) / orders
    return (truth / len(people.when)).reshape(shape), found.reshape(shape)


def of_people(people, model, window):
    """Orders by scene, and of them those on the scene's own visit, as single people tell."""
    last = [people.credit(window, PAID), people.direct(window, PAID, opened=False)]
    first = [people.openers(window, PAID), people.direct(window, PAID, opened=True)]
    return {"last_touch": last, "first_touch": first}.get(model, np.add(last, first) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("window", LOOK_BACK)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("world", WORLDS)
def test_tracers_credit_scenes_as_people_remember(world, model, window):
    """All orders credited, and those on the scene's own visits: shares within 2.5 points."""
    at = MODELS.index(model), LOOK_BACK.index(window)
    truth, credited = (shares[at] for shares in credits_of(world))
    assert np.abs(credited - truth).max() < 0.025


@pytest.mark.parametrize("world", WORLDS)
def test_credit_never_exceeds_all_orders_and_grows_with_the_window(world):
    for shares in credits_of(world):
        every = shares[:, :, 0]
        assert (every.sum(axis=2) < 1).all()
        assert (np.diff(every.sum(axis=2), axis=1) > 0).all()
        assert (
            np.diff(every[0], axis=0) > 0
        ).all()  # an opener may lose what a rival opens earlier


@pytest.mark.parametrize("world", WORLDS)
def test_the_rule_says_who_is_credited_and_not_how_much(world):
    for shares in credits_of(world):
        every = shares[:, :, 0].sum(axis=2)
        assert_allclose(every, every[:1].repeat(len(MODELS), axis=0), rtol=1e-9)
        moved = np.abs(np.diff(shares[:2, -1, 0], axis=0))
        assert moved.max() > 0.005


# --- wear-out -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fatigue", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("exposures", [0.1, 0.3, 1.0, 2.0, 4.0, 8.0])
def test_wear_is_a_lower_bound_for_even_exposure(exposures, fatigue):
    """Of people exposed at all, the mean factor is above the factor of the mean (Jensen).

    By at most phi^2 y / 2 in logs: 0.02% at y = 0.1, phi = 0.05; 4% at 8, 0.1; 14% at 8, 0.2.
    """
    of_people, of_views = mean_click_odds(exposures, fatigue, 200_000, seed=1)
    model = float(wear(np.array(exposures), np.array(fatigue)))
    noise = 2e-3 * fatigue * max(1, np.sqrt(exposures))
    assert -noise < np.log(of_people / model) < fatigue**2 * exposures / 2 + noise
    assert -noise < np.log(model / of_views) < fatigue + noise


def test_wear_does_not_know_uneven_exposure():
    """Limit of the model, shape 0.6, phi 0.1: of people +-13%, of the next impression far more."""
    exposures = (0.1, 1.0, 2.0, 8.0)
    truth = np.array([mean_click_odds(y, 0.1, 200_000, shape=0.6, seed=1) for y in exposures])
    ratios = wear(np.array(exposures), np.array(0.1))[:, None] / truth
    assert_allclose(ratios[:, 0], [1.007, 1.054, 1.073, 0.876], atol=0.01)
    assert_allclose(ratios[:, 1], [1.020, 1.194, 1.364, 1.845], atol=0.01)
