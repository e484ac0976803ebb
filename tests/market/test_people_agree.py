"""The engine's chain, exposure, wear-out and last touches against single people."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose

from simulator.market.audience import (
    FAVOURITE,
    ORDER,
    Chain,
    Contact,
    Crowd,
    Pulse,
    decayed,
    ratio,
    reach_hazard,
    renewal,
    wear,
)
from simulator.market.draws import Expected
from simulator.market.tracers import Tracers
from simulator.market.world import People
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
    contacts = seen + (daily * touch[:, None]).sum(axis=1)
    forget = np.zeros((days, STAGES))
    per_window = contacts[:, BAND_OF_STAGE[1:6]] * WINDOWS
    forget[:, 1:6] = per_window / np.expm1(per_window) / WINDOWS
    return Habits(
        start=START, views=seen, visits=daily, hours=BUSY, touch=touch,
        buying=PAY * np.array([0.02, 0.045, 0.03]), readiness=READINESS,
        moves=VISIT_MOVES * np.array([1, 1, CARTING, CARTING])[:, None], base=BASE_MOVES,
        release=PAY * release * traffic**2, favourite_release=0.33, forget=forget, keen=0.16 / 365,
        lapse_days=180.0, return_days=185.0, shape=shape,
    )  # fmt: skip


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
    )  # fmt: skip


def march(habits, hours, tracers=None):
    """The engine in steps of some hours: people by day [day + 1, stage] and credits per scene."""
    people = engine_people(habits)
    chain, draws = Chain(people, 1, 1), Expected(1)
    n = PEOPLE * habits.start[:, None, None]
    crowd = Crowd(n, n[7:].copy(), np.zeros((1, 1)), np.zeros((1, 1)))
    stages, credited, ordered = [crowd.n.ravel().copy()], np.zeros(PAID), 0.0
    for hour in range(0, 24 * len(habits.views), hours):
        day, part = hour // 24, habits.hours[hour % 24 : hour % 24 + hours].sum()
        if tracers and hour and hour % 24 == 0:
            tracers.age_a_day()
        visits = habits.visits[day] * part  # [scene, band]
        bought = visits * habits.buying[:, None] / PAY
        contact = Contact(*(x[:, None, None] for x in (
            habits.views[day] * part, habits.touch @ visits, bought.sum(axis=0)
        )))  # fmt: skip
        pulse = pulse_of(habits, hour, hours, part)
        if tracers:
            tracers.touch(visits[:PAID, :, None, None], crowd.n)
        chain.fill(crowd, contact, pulse)
        flows = chain.move(crowd, pulse, draws)
        ordered += flows[ORDER].sum()
        if tracers:
            paid_share = ratio(bought[:PAID], bought.sum(axis=0))[:, :, None, None]
            credited += credit(tracers, chain, crowd, paid_share)
            tracers.move(flows, crowd.n)
        chain.settle(crowd, np.zeros((1, 1)), draws)
        chain.remember(crowd, contact, pulse, np.zeros((1, 1)))
        if (hour + hours) % 24 == 0:
            stages.append(crowd.n.ravel().copy())
    return np.array(stages), credited, ordered


def pulse_of(habits, hour, hours, part):
    one = np.ones((1, 1))
    return Pulse(
        days=hours / 24, browse=part, now=(hour + hours / 2) / 24, pay=PAY * one,
        cart=CARTING * one, release=habits.release[hour // 24] / PAY * part * one,
        deposit=0 * one, deposit_release=0 * one, balance=0 * one,
    )  # fmt: skip


def credit(tracers, chain, crowd, paid_share):
    """Orders of a step credited to scenes, as the engine does it."""
    waiting = np.zeros((STAGES, 1, 1))
    orders = chain.flows[ORDER]
    released = np.minimum(ratio(chain.baskets, chain.hazards[ORDER, 4:6]), 1.0)
    waiting[4:6] = orders[4:6] * released
    nobody = np.zeros((1, 1))
    return tracers.credit(
        orders - waiting, paid_share, waiting, nobody, crowd.n
    ).orders.ravel()
