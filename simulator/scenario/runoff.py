"""The run-off: how many days after the end of advertising a scenario goes on."""

import math

from simulator.scenario.goods import Commerce
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import ContractSlot

LEAST_RUNOFF_DAYS = 7
UNSETTLED = 0.001
"""Share of refunds that may be open at the end of the run-off."""


def runoff_days(scenario: Scenario) -> int:
    """Days after the end of advertising until refunds, make-goods and guarantees are settled."""
    owed = [
        slot.make_good_days
        for slot in scenario.slots.values()
        if isinstance(slot, ContractSlot) and slot.packages and slot.remedy == "make_good"
    ]
    settled = _settle_days(scenario.commerce)
    late = late_order_days(scenario)
    return max(settled, late, LEAST_RUNOFF_DAYS, *(math.ceil(days) for days in owed))


def late_order_days(scenario: Scenario) -> int:
    """Days in which 95% of the orders come that wait for a company's signature."""
    delays = [segment.order_delay_days for segment in scenario.segments.values()]
    return math.ceil(3 * max(delays, default=0.0))


def _settle_days(commerce: Commerce) -> int:
    """Days until all but UNSETTLED of the refunds are due: exponential or Gamma of shape 4."""

    def still_open(day: int) -> float:
        fast, slow = day / commerce.refund_fast_days, 4 * day / commerce.refund_slow_days
        tail = math.exp(-slow) * sum(slow**k / math.factorial(k) for k in range(4))
        share = commerce.refund_fast_share
        return share * math.exp(-fast) + (1 - share) * tail

    longest = 1
    while still_open(longest) > UNSETTLED:
        longest *= 2
    shortest = longest // 2
    while longest - shortest > 1:
        middle = (shortest + longest) // 2
        if still_open(middle) > UNSETTLED:
            shortest = middle
        else:
            longest = middle
    return longest + 1
