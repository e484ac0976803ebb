"""Coefficients of the market that may be off by 1% without any test failing, each with the reason.

Four kinds of reason: it cancels; it sets how far a search or a series goes, not where it ends; it
says which of two equal formulas is used; it bounds what no sound world reaches.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Spared:
    """One mutant, found by its text."""

    file: str
    """Module of simulator/market."""
    where: str
    """The function it stands in, or nothing."""
    change: str
    """before -> after, as the bench writes it."""
    why: str


SPARED: tuple[Spared, ...] = ()
