"""The best of several, against choices that are drawn one by one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from simulator.market.choice import DrawnTrial, Pictures, Trials, greatest, mean_of_best, told

DRAWN = 200_000


def drawn_choices(count: int, sd: float, information: float) -> np.ndarray:
    """True values of the candidates that measured best: [choice]."""
    rng = np.random.default_rng(5)
    z, noise = rng.standard_normal((2, DRAWN, count))
    best = np.argmax(sd * z + noise / math.sqrt(information), axis=1)
    return np.exp(sd * z[np.arange(DRAWN), best] - sd * sd / 2)


@pytest.mark.parametrize(
    ("count", "sd", "information"),
    [(2, 0.25, 20.0), (5, 0.5, 3.0), (8, 0.25, 400.0), (3, 1.0, 0.5)],
)
def test_the_mean_of_the_chosen_is_that_of_drawn_choices(count: int, sd: float, information: float):
    values = drawn_choices(count, sd, information)
    found = mean_of_best(told(np.array(sd), np.array(information)), np.array(float(count)))
    assert abs(values.mean() - float(found)) < 4 * values.std() / math.sqrt(DRAWN)


@pytest.mark.parametrize(("count", "sd", "information"), [(5, 0.5, 3.0), (8, 0.3, 400.0)])
def test_the_two_normals_of_a_chosen_one_scatter_as_drawn_choices_do(
    count: int, sd: float, information: float
):
    """a M + b xi - sd^2 / 2 has the mean and the spread of the log of the chosen."""
    logs = np.log(drawn_choices(count, sd, information))
    rng = np.random.default_rng(6)
    a = float(told(np.array(sd), np.array(information)))
    best = greatest(rng.standard_normal(DRAWN), np.array(float(count)))
    made = a * best + math.sqrt(sd * sd - a * a) * rng.standard_normal(DRAWN) - sd * sd / 2
    assert made.mean() == pytest.approx(logs.mean(), abs=0.006)
    assert made.std() == pytest.approx(logs.std(), rel=0.01)


@pytest.mark.parametrize("count", [1, 2, 3, 20, 300, 1000])
@pytest.mark.parametrize("a", [0.0, 0.1, 0.7, 2.0])
def test_the_trapezoids_are_the_integral(count: int, a: float):
    def density(x: float) -> float:
        return (
            count * math.exp(-((x - a) ** 2) / 2) / math.sqrt(2 * math.pi) * ndtr(x) ** (count - 1)
        )

    area = sum(quad(density, x, x + 1, epsabs=1e-13, epsrel=1e-13)[0] for x in range(-9, 12))
    assert float(mean_of_best(np.array(a), np.array(float(count)))) == pytest.approx(
        area, rel=1e-11
    )


@given(st.floats(0, 2), st.floats(0, 1e5), st.floats(0, 1e5), st.integers(1, 100))
def test_a_better_test_and_more_candidates_never_harm(
    sd: float, some: float, more: float, count: int
):
    less, much = (told(np.array(sd), np.array(x)) for x in (some, some + more))
    n = np.array(float(count))
    assert 0 <= less <= much * (1 + 1e-12) <= sd * (1 + 1e-9)
    gain = float(mean_of_best(less, n))
    assert 1 - 1e-12 <= gain <= float(mean_of_best(much, n)) * (1 + 1e-12)
    assert gain <= float(mean_of_best(less, n + 1)) * (1 + 1e-12)
    assert gain <= count * (1 + 1e-12)


def test_the_greatest_of_one_is_that_one():
    z = np.linspace(-6, 6, 41)
    assert greatest(z, np.array(1.0)) == pytest.approx(z, abs=1e-7)


class Fixed:
    """Chance that gives what it is told: by purpose, the same in the only lane."""

    def __init__(self, **values: float) -> None:
        self.values = values

    def normal(self, purpose: str, cells: int) -> np.ndarray:
        return np.full((cells, 1), self.values[purpose])


@pytest.mark.parametrize("count", [1, 2])
def test_a_test_as_clear_as_the_pictures_are_different_tells_half_of_the_variance(count: int):
    """sd 0.4 and 6.25 = 1 / 0.4^2 looks: a^2 = b^2 = 0.08; the best of two is worth 2 Phi(0.2) on average."""
    n, sd, looks = (np.array([[x]]) for x in (float(count), 0.4, 6.25))
    pictures = Pictures.tested(n, sd, looks)
    luck = pictures.luck(Fixed(picture_best=0.3, picture_rest=-0.5))
    part, best = math.sqrt(0.08), ndtri(ndtr(0.3) ** (1 / count))
    gain = {1: 1.0, 2: 2 * ndtr(0.2)}[count]
    assert pictures.gain[0, 0] == pytest.approx(gain, rel=1e-12)
    assert luck[0, 0] == pytest.approx(math.exp(part * (best - 0.5) - 0.08) / gain, rel=1e-12)


def test_noise_decides_where_it_outweighs_what_the_orders_tell():
    """Eight orders of two variants of sd 0.5 tell 0.5 sqrt(8 / 2) = 1 for each unit of truth."""
    number = np.array([0])
    trials = Trials(("test",), number, number, np.array([2]), np.array([0.5]), number)
    true, error = np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [0.995, 1.005]])
    one = DrawnTrial(trials, 0, true, error)
    one.orders += 8
    good, usual = math.exp(0.5 - 0.125), math.exp(-0.125)
    assert one.before() == pytest.approx([(good + usual) / 2] * 2, rel=1e-12)
    assert one.chosen() == pytest.approx([good, usual], rel=1e-12)
