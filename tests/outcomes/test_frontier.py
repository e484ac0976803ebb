"""What a frontier says of bad cases, and which plan it picks by them."""

from dataclasses import replace

import numpy as np
import pytest

from simulator.errors import UserError
from simulator.outcomes.compare import Sample
from simulator.outcomes.wanted import statistic_of
from tests.outcomes.synthetic import make_frontier
from tests.worlds import minimal


def of_total(values, how):
    shuffled = np.random.default_rng(1).permutation(np.array(values, dtype=float))
    return statistic_of(Sample.total(shuffled), how)


def test_the_worst_tenth_is_told_by_its_mean():
    assert of_total(range(1, 21), "cvar") == 1.5  # of 1 and 2
    assert of_total([7, -40, *[9] * 28], "cvar") == pytest.approx((-40 + 7 + 9) / 3)
    assert of_total([5, 3, 4], "cvar") == 3  # of three there is no tenth: the worst one


def test_the_mean_the_tenth_quantile_and_the_worst_tenth_are_three_figures():
    values = [0, *[100] * 19]
    assert [of_total(values, how) for how in ("mean", "p10", "cvar")] == [95, 100, 50]


def test_the_worst_tenth_of_a_ratio_is_that_of_its_replications():
    ratio = Sample(np.array([8.0, 1.0, 6.0]), np.array([2.0, 1.0, 3.0]))
    assert [statistic_of(ratio, how) for how in ("mean", "cvar")] == [2.5, 1.0]


def test_a_plan_is_picked_by_what_is_asked_of_it():
    """best 1 brings 6,000 CNY more than best 2, but for two runs of twenty in which it loses 24,000."""
    frontier = make_frontier(minimal())
    frontier.outcomes.book.totals["gmv"][:2] -= 30_000
    assert frontier.pick(objective="profit").name == "best 1"
    assert frontier.pick(objective="profit", statistic="cvar").name == "best 2"
    lost = frontier.statistic("best 1", "profit") - frontier.statistic("best 1", "profit", "cvar")
    assert lost > 20_000


def test_a_return_that_no_plan_is_sure_of_is_refused_with_the_most():
    """A roi of 1.3 and of 1.2, of less in three runs of twenty for best 1 and in five for best 2."""
    frontier = make_frontier(minimal())
    for lanes in (slice(0, 3), slice(20, 25)):
        frontier.outcomes.book.totals["gmv"][lanes] -= 30_000
    assert frontier.pick(min_roi=1.15, sure=0.75).name == "best 2"
    assert frontier.pick(min_roi=1.15, sure=0.85).name == "best 1"
    words = r"P\(roi >= 1.15\) >= 0.9 \(the most is 0.85\)"
    with pytest.raises(UserError, match=f"no plan found for 60,000 CNY reaches {words}"):
        frontier.pick(min_roi=1.15, sure=0.9)


def beaten(first, second, **changes):
    """A frontier in which the second plan has other figures: gmv and new customers by these factors."""
    made = make_frontier(minimal(), answer="best 1", **changes)
    book, n = made.outcomes.book, made.outcomes.replications
    book.totals["gmv"][n : 2 * n] *= first
    book.totals["new_customers"][n : 2 * n] *= second
    return made


def names_of(points):
    return [point.plan.name for point in points]


def test_a_plan_that_another_one_of_its_budget_beats_under_chance_is_not_shown():
    assert names_of(beaten(1, 1).unbeaten().points) == ["best 1", "best 2"]
    assert names_of(beaten(1, 0.8).unbeaten().points) == ["best 1"]
    assert "best 2" in beaten(1, 0.8).unbeaten().outcomes.plans


def test_a_beaten_plan_that_is_named_stays_and_other_budgets_beat_nothing():
    found = beaten(1, 0.8, leader="best 2").unbeaten()
    assert names_of(found.points) == ["best 1", "best 2"]
    assert names_of(found.others) == names_of(beaten(1, 1).others)


def test_the_current_plan_beats_only_where_it_fits():
    """It brings more than the second plan here, which the first one does not beat."""
    made = beaten(0.9, 0.855)
    first = made.outcomes.replications
    made.outcomes.book.totals["new_customers"][:first] *= 0.9
    assert names_of(made.unbeaten().points) == ["best 1"]
    assert names_of(replace(made, current_fits=False).unbeaten().points) == ["best 1", "best 2"]


def test_a_plan_that_spends_a_part_at_a_high_return_beats_no_other():
    """Its roi is higher and its new customers are more, its incremental profit is less."""
    made = beaten(0.8, 1.05)
    n = made.outcomes.replications
    made.outcomes.book.scenes["spend"][0, n : 2 * n] *= 0.6
    spare = replace(made, answer="best 2")
    assert spare.figure("best 2", "roi") > spare.figure("best 1", "roi")
    assert "best 1" in names_of(replace(spare, leader="").unbeaten().points)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda f: f.pick(min_roi=1, sure="much"), "sure must be a number such as"),
        (lambda f: f.chance("best 1", "profit", None), r"least must be a number \(got nothing\)"),
        (lambda f: f.point("x"), "no plan of the frontier is called 'x'; known are best 1, best 2"),
        (lambda f: f.point(5), "no plan of the frontier is called 5; known are best 1"),
    ],
)
def test_what_a_frontier_cannot_answer_is_told_in_a_sentence(ask, words):
    with pytest.raises(UserError, match=words):
        ask(make_frontier(minimal()))


def test_what_stays_is_one_measure_in_all_rows():
    """That of the fresh draws: what expected mode leaves over stands in no table."""
    frontier = make_frontier(minimal())
    best, second = frontier.points
    points = replace(best, unspent=7_000.0), replace(second, unspent=9_000.0, budget=61_500.0)
    found = replace(frontier, points=points)
    assert found.left("best 1") == found.left("now") == pytest.approx(0.0, abs=1e-6)
    assert found.left("best 2") == pytest.approx(1_500)
    assert found.table().loc["best 2", "unspent"] == pytest.approx(1_500)
    document = found.as_json()
    rows = [*document["frontier"], *document["other_budgets"], document["current"]]
    assert [row["unspent"] for row in rows] == pytest.approx([0, 1_500, 0, 0, 0], abs=1e-6)
