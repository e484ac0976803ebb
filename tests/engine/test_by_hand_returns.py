"""Plain arithmetic of goods that come back: how often a unit is sold, where it goes to, and what is left of it.

1,000 people a day want one, for 17 days. A refund falls due at the first midnight after its order.
"""

import pytest

from simulator.outcomes.outcomes import Outcomes
from tests.engine.test_by_hand import NO_B, figure
from tests.engine.test_by_hand_goods import BOTH, FREE, MANY, NOBUY, few, near, of_product, run

WANTED = (
    *FREE,
    "sources.s.organic_visits=100k",
    "commerce.refund_fast_days=0.02",
    "commerce.refund_slow_days=0.05",
)
HUNDRED = (*WANTED, "products.p={price: 100, margin: 50%, refund: 50%, stock: 100}")
SOLD_ONCE = ("commerce.resale=0", "commerce.refund_fast_share=0")
BEFORE, PARCELS = "commerce.refund_fast_share=1", "commerce.refund_fast_share=0"


def waves(units: float, back: float, number: int = 17) -> float:
    """What is sold of so many units, of which so much of every wave is on sale again on the next day."""
    return sum(units * back**n for n in range(number))


def unsold(found: Outcomes) -> float:
    """Units that came for sale, less what was sold and what is left of them."""
    back, sold, left = (
        of_product(found, "p", name) for name in ("back_on_sale", "paid_orders", "left")
    )
    return back - sold - left


@BOTH
def test_what_is_refunded_before_shipping_is_sold_again(mode: str) -> None:
    """100, 50, 25, .. day by day: of 100 units 200 are sold in the end, less half of the last wave."""
    found = run(mode, *HUNDRED, BEFORE, "commerce.resale=0", daily=True)
    assert of_product(found, "p", "paid_orders") == near(waves(100, 0.5), mode, 0.03)
    days = found.days(found.plans[0])["gmv"][:17].tolist()
    for day, gmv in enumerate(days):
        assert gmv / 100 == pytest.approx(100 / 2**day, abs=0.01 if mode == "expected" else 2), day
    assert unsold(found) == pytest.approx(-100, abs=1e-9)
    assert of_product(found, "p", "unmet") == near(17_000 - waves(100, 0.5), mode, 0.01)


@BOTH
@pytest.mark.parametrize(
    ("fast", "resale", "back"),
    [(0, "0", 0), (0, "100%", 0.5), (0, "50%", 0.25), (0.4, "50%", 0.35), (0.4, "0", 0.2)],
)
def test_of_the_parcels_a_part_goes_on_sale_again(
    mode: str, fast: float, resale: str, back: float
) -> None:
    """Half of the orders come back: the share that was never sent at once, of the others what can be sold again."""
    found = run(mode, *HUNDRED, f"commerce.refund_fast_share={fast}", f"commerce.resale={resale}")
    sold = waves(100, back)
    assert of_product(found, "p", "paid_orders") == near(sold, mode, 0.03)
    assert of_product(found, "p", "back_on_sale") == few(sold * back, mode)
    assert unsold(found) == pytest.approx(-100, abs=1e-9)


@BOTH
def test_what_keeps_its_value_is_sold_again_where_nothing_is_said(mode: str) -> None:
    """Of 50 parcels 20% of the value is lost: 40 are on sale again."""
    found = run(mode, *HUNDRED, PARCELS, "commerce.depreciation=20%")
    assert of_product(found, "p", "paid_orders") == near(waves(100, 0.4), mode, 0.03)


@BOTH
def test_parcels_that_take_long_are_too_late(mode: str) -> None:
    """They are back when nobody is there any more to buy them, and are left."""
    found = run(mode, *HUNDRED, PARCELS, "commerce.refund_slow_days=200", "commerce.resale=100%")
    assert of_product(found, "p", "paid_orders") == near(100, mode, 0.01)
    assert of_product(found, "p", "left") == few(50, mode)


@BOTH
def test_what_shops_sent_comes_back_to_the_depot(mode: str) -> None:
    """60 in the depot and 40 in shops: shops send 40 once, and the depot all that comes back."""
    found = run(mode, *HUNDRED, BEFORE, "products.p.stock=60", "products.p.pooled={units: 40}")
    assert of_product(found, "p", "paid_orders") == near(waves(100, 0.5), mode, 0.03)
    assert figure(found, "pooled") == near(40, mode, 0.01)
    assert unsold(found) == pytest.approx(-100, abs=1e-9)


@BOTH
def test_a_delivery_is_sold_as_often_as_what_was_there(mode: str) -> None:
    """100 at the start and 100 on the seventh day, on which 1.6 are back as well."""
    found = run(mode, *HUNDRED, BEFORE, "products.p.restocks=[{at: 2021-03-07, units: 100}]")
    sold = waves(100, 0.5) + waves(100, 0.5, 11)
    assert of_product(found, "p", "paid_orders") == near(sold, mode, 0.03)
    assert unsold(found) == pytest.approx(-200, abs=1e-9)


@BOTH
def test_goods_that_are_still_announced_do_not_come_back_before_they_are_there(mode: str) -> None:
    found = run(
        mode, *HUNDRED, BEFORE, "products.p.stock=0", "products.p.restocks=[{at: 2021-03-07, units: 100}]",
        daily=True,
    )  # fmt: skip
    assert found.days(found.plans[0])["gmv"][:6].sum() == 0
    assert of_product(found, "p", "paid_orders") == near(waves(100, 0.5, 11), mode, 0.03)


@BOTH
def test_the_first_time_that_it_is_gone_counts(mode: str) -> None:
    """1,000 units for 360 a day: gone on the third day, or on the fifth if 180 are back every midnight."""
    slow = (*HUNDRED, "sources.s.organic_visits=36k", "products.p.stock=1000", "commerce.resale=0")
    for kind, day in ((PARCELS, 2), (BEFORE, 4)):
        assert of_product(run(mode, *slow, kind), "p", "sold_out_day") == pytest.approx(
            day, abs=0.2
        )


@BOTH
@pytest.mark.parametrize(("resale", "stands"), [(0, 45), (0.5, 26.7), (0.9, 0), (1, 0)])
def test_what_is_neither_lost_nor_on_sale_is_written_down(
    mode: str, resale: float, stands: float
) -> None:
    """Cost 50, worth 20 at the end: of half of the orders a tenth is lost, a part on sale again, the rest stands."""
    found = run(
        mode, *HUNDRED, PARCELS, "products.p.salvage=20", "commerce.depreciation=10%", f"commerce.resale={resale}",
    )  # fmt: skip
    written = found.book.totals["write_down"].mean() / 30 - found.book.products["left"][0].mean()
    assert written == few(stands, mode)


@BOTH
def test_goods_without_end_are_not_counted(mode: str) -> None:
    some, others = (
        run(mode, *FREE, "products.p.refund=50%", f"commerce.resale={part}") for part in (0, 1)
    )
    assert figure(some, "profit") == figure(others, "profit")
    assert not others.book.products["back_on_sale"].any()
    assert others.parts(others.plans[0])["products"]["p"]["back_on_sale"]["mean"] is None


@BOTH
def test_who_changes_his_mind_waits_for_no_parcel(mode: str) -> None:
    """100 orders a day for a depot that sends 80; half is called off before: at midnight 50 leave a queue of 20."""
    queue = (*FREE, "shipping={per_day: 80, late_refund: 1}", "commerce.refund_fast_days=0.02")
    off = run(mode, *queue, "products.p.refund=50%", BEFORE)
    kept = run(mode, *queue, "products.p.refund=50%", PARCELS)
    assert figure(off, "peak_shipping_delay") == pytest.approx(
        0.25, abs=0.01 if mode == "expected" else 0.4
    )
    assert figure(kept, "peak_shipping_delay") == pytest.approx(17 * 20 / 80, abs=0.5)


def ads_for_both(clock: str) -> tuple[str, ...]:
    """100 orders a day for 30 days, all on ads that show p (200 in stock, half comes back) and q (no limit) alike."""
    return (
        MANY, NO_B, "calendar.end=2021-03-31", "calendar.phases.b=null", "slots.sb.packages.pb.phases=[a]",
        f"calendar.phases.a={{start: 2021-03-01, release: 0, clock: {clock}}}", "slots.sa.precision=1",
        "slots.sa.opportunities=10m", "slots.sa.packages.pa.impressions=3000k", "scenes.A.budget=100k",
        "products={p: {price: 100, margin: 50%, refund: 50%, stock: 200}, q: {price: 100, margin: 50%, refund: 0}}",
    )  # fmt: skip


@BOTH
def test_goods_that_come_back_bring_no_fewer_orders(mode: str) -> None:
    """3,000 with and without: whoever sees ads while p is gone sees q."""
    again = figure(run(mode, *ads_for_both("1d")), "paid_orders")
    once = figure(run(mode, *ads_for_both("1d"), *SOLD_ONCE), "paid_orders")
    assert again > 0.99 * once


@BOTH
def test_where_all_take_another_product_all_buy(mode: str) -> None:
    """1,700 want something, nine of ten p; who finds none takes q."""
    found = run(
        mode, MANY, "sources.s.organic_visits=10k", *NOBUY, "commerce.substitution=1", "commerce.refund_fast_share=1",
        "products={p: {price: 100, margin: 50%, refund: 60%, stock: 300, organic: 9}, "
        "q: {price: 100, margin: 50%, refund: 0, organic: 1}}",
    )  # fmt: skip
    assert figure(found, "paid_orders") == pytest.approx(1_700, rel=0.03)
