"""What a market has answered once is not played again."""

import numpy as np
import pytest

from simulator.allocation.archive import Archive
from simulator.allocation.market import Answers
from simulator.allocation.problem import Split, stack
from tests.allocation.markets import Made


class Cut(Made):
    """A market whose second call is cut off."""

    def __call__(self, split: Split) -> Answers:
        if self.calls == 1:
            self.calls += 1
            raise KeyboardInterrupt
        return super().__call__(split)


def squares(split: Split) -> tuple[np.ndarray, np.ndarray]:
    return (split.money**2).sum(axis=1, keepdims=True), split.money


def rows(*money: float, booked: bool = False) -> Split:
    return Split(np.array(money)[:, None], np.full((len(money), 1), booked))


def test_every_row_is_played_once_and_answered_in_its_place():
    archive = Archive(Made(squares))
    assert archive(rows(3, 1, 3)).values[:, 0].tolist() == [9, 1, 9]
    assert (archive.calls, archive.evaluations) == (1, 2)
    assert archive(rows(2, 3, 2, 1)).values[:, 0].tolist() == [4, 9, 4, 1]
    assert (archive.calls, archive.evaluations) == (2, 3)
    archive(rows(1, 2, 3))
    assert (archive.calls, archive.evaluations) == (2, 3)
    assert archive.every()[0].money[:, 0].tolist() == [3, 1, 2]
    assert archive.every()[1].values[:, 0].tolist() == [9, 1, 4]


def test_the_same_money_with_another_booking_is_another_plan():
    archive = Archive(Made(squares))
    archive(stack([rows(3), rows(3, booked=True)]))
    assert archive.evaluations == 2


def test_a_call_that_is_cut_off_leaves_the_archive_in_order():
    archive = Archive(Cut(squares))
    archive(rows(1, 2))
    with pytest.raises(KeyboardInterrupt):
        archive(rows(2, 5))
    assert archive.every()[0].money[:, 0].tolist() == [1, 2]
    assert archive(rows(5, 2, 1)).values[:, 0].tolist() == [25, 4, 1]
