"""Favourites and carts are filled with what people want and can have (docs/model.md section 8)."""

import numpy as np
import pytest

from tests.worlds import brief, expected, figures, sampled

STILL = [  # only visits fill baskets
    f"chain.base_moves.{stage}={{favourite: 0, cart: 0}}"
    for stage in ("discover", "engage", "enthuse", "favourite")
]
TEA = (  # the same visits for it, whatever it sells
    "products.tea={price: 40, margin: 50%}",
    "life_cycle.organic_conversion=0",
    "life_cycle.organic_orders=0",
)
NOT_YET = "products.coffee.restocks=[{at: 2021-03-28 06:00, units: 100k}]"


def baskets(mode, *sets: str) -> np.ndarray:
    """Favourites and carts of all plans, the one without ads included: [lane]."""
    totals = mode(brief(*STILL, *sets)).book.totals
    return totals["favourites"] + totals["carts"]


@pytest.mark.parametrize("mode", [expected, sampled])
@pytest.mark.parametrize("power", [0.5, 1.5])
def test_a_product_fills_baskets_as_it_is_wanted(mode, power: float):
    """Not quite in proportion: who has a basket, or has bought, fills no other."""
    share = baskets(mode, f"products.coffee.product_power={power}") / baskets(mode)
    assert (np.abs(share / power - 1) < 0.12).all()


def test_half_the_power_sells_about_half_with_the_baskets_of_a_sale():
    """Orders that baskets bring need no visit on their day, but the power of those that filled them."""
    whole, half = (
        figures(expected(brief(*STILL, f"products.coffee.product_power={p}")), "half_half")
        for p in (1, 0.5)
    )
    assert 0.4 < half["gmv"] / whole["gmv"] < 0.65


@pytest.mark.parametrize("mode", [expected, sampled])
def test_what_is_not_there_fills_no_basket_and_what_is_announced_does(mode):
    gone, awaited, there = (
        baskets(mode, *sets).sum()
        for sets in (
            ("products.coffee.stock=0",),
            ("products.coffee.stock=0", NOT_YET),
            ("products.coffee.stock=1m", NOT_YET),
        )
    )
    assert gone == 0
    assert awaited > 0.9 * there


def test_a_better_cheap_product_does_not_cost_gmv():
    """Its baskets come on top, for the most part: they do not take the place of dear ones one by one."""
    gmv = [
        figures(expected(brief(*STILL, *TEA, f"products.tea.product_power={p}")), "half_half")[
            "gmv"
        ]
        for p in (0.5, 2)
    ]
    assert gmv[1] > 1.1 * gmv[0]


def test_tastes_fill_baskets_too():
    """Who likes what is new puts more of it into the cart."""
    new = ("products.coffee.product_stage=sampling", "products.coffee.launch=2021-03-28")
    plain, keen = (
        baskets(expected, *new, f"segments.shoppers.new_product_affinity={a}") for a in (1, 1.3)
    )
    assert (keen > 1.2 * plain).all()
