"""The run-off: how many days after the end of advertising a scenario goes on."""

import math
from collections.abc import Iterator
from datetime import timedelta

from simulator.scenario.calendar import phase_spans
from simulator.scenario.goods import Commerce
from simulator.scenario.schema import Scenario
from simulator.scenario.slots import ContractSlot

LEAST_RUNOFF_DAYS = 7
"""Guarantees of return look seven days ahead."""
UNSETTLED = 0.001
"""Share of refunds that may be open at the end of the run-off."""


def runoff_days(scenario: Scenario) -> int:
    """Days after the end of advertising until refunds, make-goods and guarantees are settled."""
    settled, late = settle_days(scenario.commerce), late_order_days(scenario)
    return max(settled, late, LEAST_RUNOFF_DAYS, *_owed_days(scenario))


def _owed_days(scenario: Scenario) -> Iterator[int]:
    """Days in which shortfalls are made good, counted from the end of advertising: a window opens where the
    last phase of its package ends.
    """
    end = scenario.calendar.end
    ends = {span.phase: span.end for span in phase_spans(scenario.calendar)}
    for slot in scenario.slots.values():
        if isinstance(slot, ContractSlot) and slot.remedy == "make_good":
            window = timedelta(seconds=round(slot.make_good_days * 86400))
            for package in slot.packages.values():
                closed = max((ends.get(name, end) for name in package.phases), default=end)
                yield math.ceil((closed + window - end) / timedelta(days=1))


def late_order_days(scenario: Scenario) -> int:
    """Days in which 95% of the orders come that wait for a company's signature."""
    delays = [segment.order_delay_days for segment in scenario.segments.values()]
    return math.ceil(3 * max(delays, default=0.0))


def settle_days(commerce: Commerce, unsettled: float = UNSETTLED) -> int:
    """Days until all but this share of the refunds are due: exponential or Gamma of shape 4, from the
    midnight after the order.
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
    return longest + 1
