"""What scenes truly brought: shares that sum to the whole, and to closed forms where there are some."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest

from simulator.allocation.truth import (
    PARTNERS,
    attribute,
    coalition_plan,
    draw_orders,
    left_out,
    players_of,
    shapley,
)
from simulator.errors import UserError
from simulator.scenario.plan import Plan
from tests.worlds import booked, brief, expected, plan

THIRD = (
    "scenes.recall={preset: harvest, slots: [feed], budget: 10k, audience: {customers: 1, lapsed: 1}}",
    "plans.half_half=null",
    "plans.mostly_new=null",
)


def three():
    return brief("budget=70k", *THIRD)


def mean(shares):
    return {player: share.value for player, share in shares.items()}


def test_leaving_out_alone_is_what_shapley_values_are_told_beside():
    metrics = ["profit", "new_customers"]
    own = plan(three(), new_customer="20k", harvest="15k", recall="9k")
    found, whole = left_out(three(), own, metrics), attribute(three(), own, metrics)
    assert list(found) == ["new_customer", "harvest", "recall"]
    for scene, lost in found.items():
        known = {m: whole.shares[m][scene].left_out for m in metrics}
        assert lost == pytest.approx(known, rel=1e-9)


# --- games whose answer is known ----------------------------------------------------------------


def game(value):
    return lambda coalitions: np.array([[[float(value(s))]] for s in coalitions])


def test_where_parts_add_up_everyone_has_its_own():
    own = {"a": 3.0, "b": -1.0, "c": 0.5, "d": 2.0}
    found = shapley(game(lambda s: sum(own[p] for p in s)), list(own), orders=4)
    assert mean(found) == pytest.approx(own)
    for player, share in found.items():
        assert share.left_out == pytest.approx(own[player])
        assert share.error == pytest.approx(0.0, abs=1e-12)


def test_a_glove_game_has_its_closed_form():
    # One left and two right gloves; a pair is worth 1: the left one has 2/3, each right one 1/6.
    pairs = game(lambda s: min(len(s & {"left"}), len(s & {"r1", "r2"})))
    assert mean(shapley(pairs, ["left", "r1", "r2"])) == pytest.approx(
        {"left": 2 / 3, "r1": 1 / 6, "r2": 1 / 6}
    )


def test_drawn_orders_are_as_far_off_as_they_say():
    weights = np.random.default_rng(2).uniform(0, 1, 10)
    players = [f"p{n}" for n in range(10)]

    def value(s):
        return sum(w for p, w in zip(players, weights, strict=True) if p in s) ** 3

    # (sum w)^3 has a closed form: every product of three is shared by those who are in it.
    w = weights
    exact = [
        w[i] ** 3 + sum(1.5 * w[i] ** 2 * x + 1.5 * w[i] * x**2 for n, x in enumerate(w) if n != i)
        + sum(2 * w[i] * a * b for a, b in combinations(np.delete(w, i), 2))
        for i in range(10)
    ]  # fmt: skip
    found = shapley(game(value), players, orders=200)
    assert sum(mean(found).values()) == pytest.approx(w.sum() ** 3)
    apart = [(found[p].value - e) / found[p].error for p, e in zip(players, exact, strict=True)]
    assert np.sqrt(np.mean(np.square(apart))) < 2
    assert max(share.error for share in found.values()) < 0.05 * w.sum() ** 3 / 10


def test_orders_come_with_their_reverse():
    orders = draw_orders(["a", "b", "c"], 6, seed=3)
    assert all(b == a[::-1] for a, b in zip(orders[::2], orders[1::2], strict=True))
    assert orders == draw_orders(["a", "b", "c"], 6, seed=3)


# --- the scenes of a plan -----------------------------------------------------------------------


def test_three_scenes_have_their_exact_values():
    world = three()
    truth = attribute(world)
    own = Plan.current(world)
    subsets = [frozenset(s) for n in range(4) for s in combinations(world.scenes, n)]
    outcomes = expected(
        world, [coalition_plan(world, own, s, str(n)) for n, s in enumerate(subsets)]
    )
    for metric in ("profit", "new_customers"):
        worth = {s: outcomes.metrics(str(n))[metric]["mean"] for n, s in enumerate(subsets)}
        for scene, share in truth.shares[metric].items():
            value = sum(
                factorial(len(s)) * factorial(2 - len(s)) / 6 * (worth[s | {scene}] - worth[s])
                for s in subsets if scene not in s
            )  # fmt: skip
            assert share.value == pytest.approx(value, rel=1e-9)
            assert share.error == 0
            lost = worth[subsets[-1]] - worth[subsets[-1] - {scene}]
            assert share.left_out == pytest.approx(lost, rel=1e-9)
        total = outcomes.metrics("7")[f"{metric}_incremental"]["mean"]
        assert truth.total[metric] == pytest.approx(total, rel=1e-9)
        assert sum(s.value for s in truth.shares[metric].values()) == pytest.approx(total, rel=1e-9)


def test_drawn_orders_sum_to_the_whole_and_play_every_coalition_once():
    truth = attribute(three(), exact=False, orders=24)
    exact = attribute(three())
    assert truth.orders == 24
    assert truth.played <= 7
    for metric, shares in truth.shares.items():
        assert sum(s.value for s in shares.values()) == pytest.approx(truth.total[metric], rel=1e-9)
        assert truth.total[metric] == pytest.approx(exact.total[metric], rel=1e-12)
        for scene, share in shares.items():
            assert abs(share.value - exact.shares[metric][scene].value) <= 4 * share.error + 1e-9


def test_halves_of_a_scene_have_equal_values():
    whole = brief("plans.half_half=null", "plans.mostly_new=null")
    halves = brief(
        "scenes.again={preset: harvest, slots: [search_words, feed], phases: [sale], budget: 15k}",
        "scenes.harvest.budget=15k", "plans.half_half=null", "plans.mostly_new=null",
    )  # fmt: skip
    one, two = attribute(whole), attribute(halves)
    for metric, shares in two.shares.items():
        assert shares["harvest"].value == pytest.approx(shares["again"].value, rel=1e-9)
        if metric == "new_customers":  # the profit bears the fixed cost of a scene twice
            assert two.total[metric] == pytest.approx(one.total[metric], rel=1e-6)


def test_bookings_go_with_their_scene_and_signed_ones_stay():
    world = booked()
    own = Plan.current(world)
    assert own.packages == {"focus.opening"}
    assert not coalition_plan(world, own, frozenset({"harvest"}), "x").packages
    assert coalition_plan(world, own, frozenset({"new_customer"}), "x").packages == own.packages
    signed = booked("slots.focus.packages.opening.signed=true", "budget=80k")
    only = plan(signed, harvest=20_000)
    assert players_of(signed, only) == ["harvest"]
    assert coalition_plan(signed, only, frozenset(), "x").packages == {"focus.opening"}


def test_commissioned_media_has_a_share():
    world = brief(
        "commissions={creator: {source: recommend, visits: 50, bands: {outside: 1}, cvr: 2%, rate: 10%}}"
    )
    own = plan(world, new_customer=10_000)
    truth = attribute(world, own)
    assert list(truth.shares["profit"]) == ["new_customer", PARTNERS]
    assert truth.shares["new_customers"][PARTNERS].value > 0
    assert sum(s.value for s in truth.shares["profit"].values()) == pytest.approx(
        truth.total["profit"]
    )
    assert truth.table().loc[PARTNERS, ("new_customers", "value")] > 0


def test_under_chance_errors_shrink_with_replications_and_sums_hold():
    few, many = (attribute(three(), mode="sampled", replications=n) for n in (8, 128))
    assert many.as_json()["played"] == 7
    assert (
        attribute(three(), mode="sampled", replications=1).as_json()["shares"]["profit"]["harvest"][
            "error"
        ]
        is None
    )
    for truth in (few, many):
        for metric, shares in truth.shares.items():
            total = sum(share.value for share in shares.values())
            assert total == pytest.approx(truth.total[metric], rel=1e-9)
    for scene, share in many.shares["new_customers"].items():
        assert 0 < share.error < few.shares["new_customers"][scene].error


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": ["roi"]}, "'roi' is no total"),
        ({"metrics": ["fame"]}, "'fame' is no total"),
        ({"orders": 3}, "in pairs"),
        ({"orders": 2}, "at least 4"),
    ],
)
def test_what_cannot_be_shared_out_is_refused(options, words):
    with pytest.raises(UserError, match=words):
        attribute(brief(), **options)


def test_too_many_orders_are_refused():
    with pytest.raises(UserError, match="362,880 orders: sample them"):
        shapley(game(len), [f"p{n}" for n in range(9)])
