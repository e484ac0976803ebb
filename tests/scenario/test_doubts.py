"""What can be run but hardly meant is told at its place, and never refused."""

import pytest

from simulator.scenario import parse_scenario
from simulator.scenario.checks import doubts_of
from tests.scenario.test_checks import SHOP, complaint


def doubts(*sets: str) -> list[str]:
    return [str(doubt) for doubt in doubts_of(parse_scenario(SHOP.encode(), sets=sets))]


def test_a_sound_shop_is_not_doubted():
    assert doubts() == []


# --------------------------------------------------------------------------- presale
NO_BALANCE = (
    "products.coffee.presale could take no deposit, for no balance can ever be paid: no window of "
    "calendar.balances ends after the start of phase 'presale', 2021-03-20; add one to calendar.balances"
)


@pytest.mark.parametrize("windows", ["[]", "[{start: 2021-03-10, end: 2021-03-20}]"])
def test_a_presale_whose_balances_nobody_can_pay_is_refused(windows: str):
    assert NO_BALANCE in complaint(f"calendar.balances={windows}")


@pytest.mark.parametrize(
    "setting", ["products.coffee.presale=false", "calendar.phases.presale.deposit=0"]
)
def test_without_deposits_no_window_is_asked_for(setting: str):
    assert doubts("calendar.balances=[]", setting) == []


@pytest.mark.parametrize("field", ["deposit", "deposit_release"])
def test_deposits_after_the_last_window_are_doubted(field: str):
    (found,) = doubts(
        "calendar.phases.late={start: 2021-03-28}", f"calendar.phases.late.{field}=0.1"
    )
    rule = "has no effect: the last window of calendar.balances is over by then, 2021-03-28"
    assert f"calendar.phases.late.{field} {rule}" in found


def test_a_window_in_which_nobody_pays_is_doubted():
    (found,) = doubts("calendar.balances.1.completion=0")
    assert (
        "calendar.balances.1.completion lets nobody pay the balance: every deposit before it"
        in found
    )
