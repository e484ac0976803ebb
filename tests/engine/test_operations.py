"""After the order: the payment gate, stock in shops, the shipping queue, the service score."""

import numpy as np
import pytest

from simulator.engine.simulate import make_grid
from simulator.errors import ScenarioError
from simulator.market.build import build_world
from tests.worlds import brief, expected, lanes_of, one, sampled

MODES = {"expected": expected, "sampled": lambda *args: sampled(*args, replications=24)}

# --- payment ------------------------------------------------------------------------------------

GATE = ("payment.wallet_share=0", "payment.capacity=60", "payment.retry=0")


def paid_and_failed(mode: str, *sets: str) -> list[float]:
    return one(MODES[mode](brief(*sets)), "paid_orders", "failed_payments", "peak_payment_load")


@pytest.mark.parametrize("mode", MODES)
def test_the_load_of_the_gate_follows_its_own_buyers(mode: str):
    """Half the capacity is twice the load, and up to four times the failures."""
    wide = paid_and_failed(mode, *GATE, "payment.capacity=120")
    narrow = paid_and_failed(mode, *GATE, "payment.capacity=60")
    shut = paid_and_failed(mode, *GATE, "payment.capacity=0.01")
    assert narrow[2] == pytest.approx(2 * wide[2], rel=0.02)
    assert wide[1] < narrow[1] < 4.2 * wide[1]
    assert wide[0] > narrow[0] > shut[0]
    assert shut[1] == pytest.approx(shut[0], rel=0.02)  # at most half of all attempts fail


def test_attempts_are_the_orders_that_are_paid_when_nothing_fails():
    """A day of one step: the load is its orders an hour, but for the newcomers of the step."""
    world = brief("payment.fail=0", "payment.capacity=1", "calendar.phases.sale.clock=1d")
    outcomes = expected(world, daily=True)
    orders = outcomes.book.days["gmv"][:, 0] / world.products["coffee"].price / 0.85
    peak = one(outcomes, "peak_payment_load")[0]
    assert peak == pytest.approx(orders.max() / 24, rel=0.05)


@pytest.mark.parametrize("mode", MODES)
def test_wallets_filled_in_time_pay_better(mode: str):
    """A top-up counts from the next phase on: in the last phase it comes too late."""
    none = paid_and_failed(mode, *GATE)
    some = paid_and_failed(mode, *GATE, "calendar.phases.normal.wallet_topup=30%")
    late = paid_and_failed(mode, *GATE, "calendar.phases.sale.wallet_topup=100%")
    assert some[1] < 0.95 * none[1] and some[0] > none[0]
    assert late[1] < none[1]  # the run-off is all that is left
    assert late[1] > some[1]


def test_topups_come_one_after_the_other():
    """1 - (1 - w) (1 - t1) (1 - t2): what is filled stays filled."""
    sets = [f"calendar.phases.{f}.payment_load=2" for f in ("normal", "sale")]
    sets += ["calendar.phases.normal.start=2021-03-24", "payment.retry=0"]
    twice = brief(
        *sets, "payment.wallet_share=20%", "calendar.phases.normal.wallet_topup=50%",
        "calendar.phases.early={start: 2021-03-20, wallet_topup: 25%, payment_load: 2}",
    )  # fmt: skip
    wallet = build_world(twice, make_grid(twice)).phases.wallet[:, 0]
    np.testing.assert_allclose(wallet, [0.2, 0.4, 0.7, 0.7], rtol=1e-15)


def test_without_a_capacity_the_calendar_gives_the_load():
    world = brief("calendar.phases.sale.payment_load=0.5", "calendar.phases.sale.clock=1d")
    assert one(expected(world), "peak_payment_load")[0] == pytest.approx(0.51, rel=0.1)
    assert world.payment.capacity is None


# --- stock in shops -----------------------------------------------------------------------------

DEPOT = ("products.coffee.stock=500", "commerce.fulfilment=8")
POOL = "products.coffee.pooled={units: 400, share: 75%, fulfilment: 20}"


@pytest.mark.parametrize("mode", MODES)
def test_shops_sell_what_the_depot_cannot(mode: str):
    names = ("paid_orders", "pooled", "unmet", "contribution", "refunds")
    alone = one(MODES[mode](brief(*DEPOT)), *names)
    pooled = one(MODES[mode](brief(*DEPOT, POOL)), *names)
    one_depot = one(MODES[mode](brief(*DEPOT, "products.coffee.stock=800")), *names)
    assert alone[:2] == pytest.approx([500, 0], abs=0.5)
    assert pooled[:2] == pytest.approx([800, 300], abs=0.5)
    assert pooled[2] == pytest.approx(one_depot[2], rel=0.02)  # people buy as if it were one stock
    assert one_depot[3] - pooled[3] == pytest.approx(
        300 * (20 - 8), rel=0.05
    )  # but freight is dearer


@pytest.mark.parametrize("mode", MODES)
def test_a_delivery_spares_the_shops(mode: str):
    """Goods that come to the depot in the sale are sent before those of the shops."""
    pool = ("products.coffee.stock=3000", "products.coffee.pooled={units: 400}")
    late = "products.coffee.restocks=[{at: 2021-03-28 06:00, units: 500}]"
    alone, helped = (
        one(MODES[mode](brief(*pool, *more)), "pooled", "paid_orders") for more in ((), (late,))
    )
    assert alone == pytest.approx([400, 3400], abs=0.5)
    assert helped[1] > 3650 and 100 < helped[0] < 350


def test_shops_send_nothing_while_the_depot_is_full():
    book = lanes_of(expected(brief(POOL)), "half_half")
    assert not book.totals["pooled"].any()
    assert not book.totals["pooled_fulfilment"].any()


def test_an_order_from_a_shop_costs_as_any_other_if_nothing_else_is_said():
    plain = "products.coffee.pooled={units: 300}"
    both = (brief(*DEPOT, plain), brief(*DEPOT, "products.coffee.stock=800"))
    left, right = (one(expected(world), "contribution")[0] for world in both)
    assert left == pytest.approx(right, rel=1e-9)


def test_a_pool_without_units_is_told():
    with pytest.raises(
        ScenarioError, match=r"products.coffee.pooled.*no unit \(0.1% of 500 units\)"
    ):
        brief("products.coffee.pooled={units: 500, share: 0.1%}")
