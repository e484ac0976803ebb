"""The depot's queue against order by order in small pieces of time."""

import numpy as np
import pytest

from simulator.market.shipping import Depot, Queue, late_share

DEPOT = Depot(
    np.array([[100.0]]), np.array([[3.0]]), 6.0, np.array([[2.0]]), np.array([[0.1]]),
    np.array([[7.0]]),
)  # fmt: skip


def piecewise(
    before: float, orders: float, sent: float, pieces: int = 20_000
) -> tuple[float, float]:
    """Backlog at the end and on average, the step cut into small pieces."""
    level, total = before, 0.0
    for _ in range(pieces):
        after = max(0.0, level + (orders - sent) / pieces)
        total += (level + after) / 2 / pieces
        level = after
    return level, total


@pytest.mark.parametrize(
    ("before", "orders", "sent"),
    [(0, 50, 100), (0, 300, 100), (40, 300, 100), (40, 90, 100), (40, 10, 100), (500, 0, 100)],
)
def test_the_backlog_is_that_of_small_pieces(before: float, orders: float, sent: float):
    queue = Queue.of(1)
    queue.backlog[:] = before
    mean = queue.take(np.array([[float(orders)]]), np.array([[float(sent)]]))
    end, exact = piecewise(before, orders, sent)
    assert queue.backlog[0, 0] == pytest.approx(end, abs=1e-6)
    assert mean[0, 0] == pytest.approx(exact, rel=1e-3, abs=1e-3)


def test_all_orders_leave_one_day():
    queue, came, sent = Queue.of(2), np.array([[500.0, 20.0]]), np.array([[100.0, 100.0]])
    left = []
    for day in range(8):
        queue.take(came if day == 0 else np.zeros((1, 2)), sent)
        left.append(queue.backlog[0].tolist())
    assert left == [[400, 0], [300, 0], [200, 0], [100, 0], *[[0, 0]] * 4]


def test_half_of_the_orders_are_late_at_the_late_wait():
    waits = np.array([[0.0, 1.5, 3.0, 6.0, 1e12]])
    late = late_share(waits, DEPOT)[0]
    assert late[[0, 2]].tolist() == [0, 0.5]
    assert (np.diff(late) > 0).all() and late[-1] == pytest.approx(1)
    assert late[1] == pytest.approx(1 / 65) and late[3] == pytest.approx(64 / 65)


def test_the_score_falls_and_recovers_with_its_half_life():
    queue = Queue.of(1)
    for _ in range(7):
        down = queue.score(DEPOT, np.ones((1, 1)))[0, 0]
    assert down == pytest.approx(0.05)
    for _ in range(7):
        back = queue.score(DEPOT, np.zeros((1, 1)))[0, 0]
    assert back == pytest.approx(0.025)
