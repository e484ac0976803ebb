"""What each scene truly brought: shares of the increment of a plan, known because the world is.

symbol   meaning                                                       unit
S        a coalition: the scenes whose money and packages a plan has
v(S)     a metric of that plan, less that without ads                  any
phi_i    Shapley value of scene i: its mean marginal part              any
l_i      leave-one-out: v(all) - v(all but i)                          any

Values of all scenes sum to v(all); what is left out, in general, does not (Shapley 1953).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.outcomes.compare import plain

if TYPE_CHECKING:
    import pandas as pd

PARTNERS = "commissions"
"""Commissioned media of a plan, which takes part like a scene."""


@dataclass(frozen=True)
class Share:
    """One scene's part of one metric."""

    value: float
    """phi_i."""
    error: float
    """Standard error of phi_i: of sampled orders of the scenes, and of chance; 0 where exact."""
    left_out: float
    """l_i: what is lost when it alone is left out."""


@dataclass(frozen=True)
class Truth:
    """What `attribute` returns."""

    scenario: str
    plan: str
    total: Mapping[str, float]
    """Increment of the plan over no ads, by metric."""
    shares: Mapping[str, Mapping[str, Share]]
    """By metric and scene; values sum to the total."""
    orders: int
    """Orders of the scenes that were sampled; 0: all coalitions were played."""
    played: int
    """Plans that were played."""

    def table(self) -> "pd.DataFrame":
        """A row per scene; columns (metric, value | error | left_out)."""
        import pandas as pd

        columns = {
            (metric, part): {scene: getattr(share, part) for scene, share in by_scene.items()}
            for metric, by_scene in self.shares.items()
            for part in ("value", "error", "left_out")
        }
        return pd.DataFrame(columns).rename_axis("scene")

    def as_json(self) -> dict[str, Any]:
        """For other programs."""
        return {
            "scenario": self.scenario, "plan": self.plan, "total": dict(self.total),
            "orders": self.orders, "played": self.played,
            "shares": {
                metric: {scene: {k: plain(v) for k, v in vars(share).items()} for scene, share in by_scene.items()}
                for metric, by_scene in self.shares.items()
            },
        }  # fmt: skip
