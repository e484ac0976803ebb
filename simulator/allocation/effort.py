"""How much is played before an answer is given."""

from dataclasses import dataclass

from simulator.scenario.asked import asked


@dataclass(frozen=True)
class Effort:
    """How much is played before an answer is given."""

    first_steps: int = 4
    """Newton steps before gaps are filled, and in each filling, at most (three times as many for one objective)."""
    fills: int = 2
    """Times that gaps between neighbours are filled."""
    fill: int = 6
    """Gaps that are filled at most, each time."""
    between: int = 120
    """Plans on the lines between neighbours, each time."""
    sweeps: int = 1
    """Near sweeps."""
    steps: int = 6
    """Newton steps of all rows at most."""
    more_steps: int = 8
    """Of all rows after cells have been closed (twice as many for one objective), and of rows that are near."""
    show_steps: int = 2
    """Of plans that are shown beside the others: between neighbours, and at other budgets."""
    settle_steps: int = 40
    """Of the best return, after money that is never spent is taken out; a row that is even needs none."""
    even_steps: int = 15
    """Moves between two cells of it, where those steps end before it is even."""
    enough: float = 2e-4
    """A step that gains less of the score's scale is the last."""


SHORT = Effort(
    first_steps=1,
    fills=1,
    fill=2,
    between=20,
    steps=3,
    more_steps=2,
    show_steps=2,
    settle_steps=2,
    even_steps=1,
)
"""An effort for quick answers."""


def asked_effort(effort: Effort | None) -> Effort:
    """The effort that is asked for, or the usual one."""
    words = "effort is an Effort of simulator.allocation.effort, such as its SHORT"
    return Effort() if effort is None else asked(Effort, effort, words)
