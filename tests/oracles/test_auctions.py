"""The auctions by brute force: what textbooks say of explicit bidders, and of those that are drawn."""

import numpy as np
import pytest

from tests.oracles.auctions import Setting, draw_own, draw_rivals, run_auction

FOUR = [1.0, 0.65, 0.45, 0.3]


@pytest.mark.parametrize("bidders", [2, 3, 7])
def test_uniform_bidders_bring_the_textbook_revenue(bidders):
    expected = (bidders - 1) / (bidders + 1)
    bids = np.random.default_rng(bidders).random((20_000, bidders))
    paid = [
        run_auction(row, [1.0] * bidders, [1.0], "second_price").payments[0]
        for row in bids.tolist()
    ]
    assert abs(np.mean(paid) - expected) < 4 * np.std(paid) / np.sqrt(len(paid))


def test_every_explicit_bidder_pays_least_under_vcg_and_most_under_first_price():
    rng = np.random.default_rng(2)
    for _ in range(300):
        bids, qualities = rng.lognormal(size=6).tolist(), rng.uniform(0.5, 2.0, 6).tolist()
        vcg, gsp, first = (
            run_auction(bids, qualities, FOUR, mechanism, 0.3).payments
            for mechanism in ("vcg", "gsp", "first_price")
        )
        assert len(vcg) == len(gsp) == len(first)
        assert (np.array(vcg) <= np.array(gsp) + 1e-12).all()
        assert (np.array(gsp) <= np.array(first) + 1e-12).all()


def test_the_best_simulated_rival_is_lognormal():
    s = Setting(0.0, 3.0, 0.8, decays=tuple(FOUR))
    rivals = np.log(draw_rivals(np.random.default_rng(1), s, 200_000))
    assert abs(rivals[:, 0].mean() - 3.0) < 4 * 0.8 / np.sqrt(200_000)
    assert rivals[:, 0].std() == pytest.approx(0.8, rel=0.01)
    assert (np.diff(rivals, axis=1) < 0).all()


def test_the_simulated_values_average_one():
    _, value = draw_own(np.random.default_rng(1), Setting(0.0, 3.0, 0.8, 0.5), 200_000)
    assert abs(value.mean() - 1.0) < 4 * value.std() / np.sqrt(200_000)
