"""Books joined and cut: every array keeps the lanes that were asked for, empty tables included."""

import numpy as np

from simulator.outcomes.ledger import Ledger, join
from tests.outcomes.synthetic import make_axes, make_book
from tests.worlds import arrays


def bare_book(lanes):
    """A closed book of a world without packages."""
    axes = make_axes(plans=tuple("abcdefg"[: lanes - 1]))
    book = make_book(np.random.default_rng(1), axes, replications=1)
    book.packages = {name: np.zeros((0, lanes)) for name in book.packages}
    return book


def test_chosen_lanes_are_those_of_every_array():
    book = bare_book(lanes=5)
    for name, array in arrays(book.lanes(np.array([3, 1]))).items():
        assert np.array_equal(array, arrays(book)[name][..., [3, 1]]), name


def test_joined_lanes_stand_in_the_order_asked_for():
    left, right = bare_book(lanes=2), bare_book(lanes=3)
    for name, array in arrays(join([left, right], np.array([4, 0]))).items():
        sides = arrays(left)[name], arrays(right)[name]
        assert np.array_equal(array, np.concatenate(sides, axis=-1)[..., [4, 0]]), name


def test_what_is_not_filled_in_yet_stays_empty():
    chosen = Ledger.empty(1, 1, 1, 1, lanes=4).lanes(np.array([2]))
    assert (chosen.asset.size, chosen.totals["gmv"].shape) == (0, (1,))
