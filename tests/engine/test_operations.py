"""After the order: the payment gate, stock in shops, the shipping queue, the service score."""

import numpy as np
import pytest

from simulator.scenario.schema import Scenario
from tests.worlds import brief, expected, one, sampled

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
    from simulator.engine.simulate import make_grid
    from simulator.market.build import build_world

    wallet = build_world(twice, make_grid(twice)).phases.wallet[:, 0]
    np.testing.assert_allclose(wallet, [0.2, 0.4, 0.7, 0.7], rtol=1e-15)


def test_without_a_capacity_the_calendar_gives_the_load():
    world = brief("calendar.phases.sale.payment_load=0.5", "calendar.phases.sale.clock=1d")
    assert one(expected(world), "peak_payment_load")[0] == pytest.approx(0.51, rel=0.1)
    assert isinstance(world, Scenario) and world.payment.capacity is None
