"""Where visits of a hit go on to, against every pair of products by itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.market.today import halo_of

share = st.floats(0, 1)


def pair_by_pair(way: np.ndarray, hit: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Looks at each product per visit: [product]."""
    looks = np.zeros(len(way))
    for p in range(len(way)):
        for q in range(len(way)):
            if p != q and others[p] < 1 - 1e-6:
                looks[q] += way[p] * hit[p] * others[q] / (1 - others[p])
    return looks


@given(st.lists(st.tuples(share, share, share, st.floats(0.1, 5)), min_size=1, max_size=6))
def test_looks_are_those_of_every_pair(rows: list[tuple[float, float, float, float]]):
    way, hit, others, kappa = np.array(rows).T
    way, others = (
        x / x.sum() if x.sum() > 1e-3 else np.full(len(x), 1 / len(x)) for x in (way, others)
    )
    looks = pair_by_pair(way, hit, others)
    halo = halo_of(way[None, :, None], hit[:, None], others[:, None], kappa[:, None, None])
    assert halo.seen[0, 0] == pytest.approx(looks.sum(), abs=1e-7)
    bought = (halo.seen[0, 0] * halo.kappa[0, 0, 0] * halo.mix[0, :, 0, 0]).tolist()
    assert bought == pytest.approx((looks * kappa).tolist(), abs=1e-6)
    assert halo.mix.min() >= 0


def test_a_hit_alone_in_the_store_pulls_nobody():
    one = np.ones((1, 1))
    halo = halo_of(one[None], one, one, one[:, None])
    assert halo.seen[0, 0] == halo.kappa[0, 0, 0] == halo.mix[0, 0, 0, 0] == 0
