"""The run-off: how many days after the end of advertising a scenario goes on."""

import math

from simulator.scenario.goods import Commerce
from simulator.scenario.schema import Scenario

UNSETTLED = 0.001
"""Share of the refunds of what advertising sold that may be open at the end: it closes them."""


def runoff_days(scenario: Scenario) -> int:
    """Days after the end of advertising until sales, the late orders of their visits, and refunds are over."""
    sales = scenario.calendar.sales_after_days + late_order_days(scenario)
    return max(settle_days(scenario.commerce), sales)


def late_order_days(scenario: Scenario) -> int:
    """Days in which 95% of the orders come that wait for a company's signature."""
    delays = [segment.order_delay_days for segment in scenario.segments.values()]
    return math.ceil(3 * max(delays, default=0.0))


def settle_days(commerce: Commerce, unsettled: float = UNSETTLED) -> int:
    """Days until all but this share of the refunds are due: exponential or Gamma of shape 4, the day of the
    order counting as one.
    """

    def still_open(day: int) -> float:
        fast, slow = day / commerce.refund_fast_days, 4 * day / commerce.refund_slow_days
        tail = math.exp(-slow) * sum(slow**k / math.factorial(k) for k in range(4))
        share = commerce.refund_fast_share
        return share * math.exp(-fast) + (1 - share) * tail

    longest = 1
    while still_open(longest) > unsettled:
        longest *= 2
    shortest = longest // 2
    while longest - shortest > 1:
        middle = (shortest + longest) // 2
        if still_open(middle) > unsettled:
            shortest = middle
        else:
            longest = middle
    return longest
