"""The front door: a few names, each fetched from its room on first use.

`import simulator as sim` loads nothing heavy; `sim.simulate` loads the engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a type checker follows these; Python never runs them
    from simulator.allocation.bounds import best_target as best_target
    from simulator.allocation.goals import least_budget as least_budget
    from simulator.allocation.optimize import optimize as optimize
    from simulator.allocation.portfolio import optimize_portfolio as optimize_portfolio
    from simulator.allocation.problem import Limits as Limits
    from simulator.allocation.replan import replan as replan
    from simulator.allocation.truth import attribute as attribute
    from simulator.calibration.anchors import anchor as anchor
    from simulator.engine.simulate import simulate as simulate
    from simulator.outcomes import read_outcomes as read_outcomes
    from simulator.outcomes import write_outcomes as write_outcomes
    from simulator.outcomes.decomposition import decompose as decompose
    from simulator.outcomes.outcomes import Outcomes as Outcomes
    from simulator.reports.figures import plot_days as plot_days
    from simulator.reports.figures import plot_plans as plot_plans
    from simulator.reports.optimum_figures import plot_decomposition as plot_decomposition
    from simulator.reports.optimum_figures import plot_frontier as plot_frontier
    from simulator.reports.optimum_figures import plot_marginal as plot_marginal
    from simulator.reports.optimum_figures import plot_split as plot_split
    from simulator.reports.optimum_figures import plot_waterfall as plot_waterfall
    from simulator.reports.schedule import write_schedule as write_schedule
    from simulator.reports.study_figures import plot_heat_map as plot_heat_map
    from simulator.reports.study_figures import plot_tornado as plot_tornado
    from simulator.scenario import read_scenario as read_scenario
    from simulator.scenario.cut import cut_at as cut_at
    from simulator.scenario.plan import Plan as Plan
    from simulator.sweeps.store import read_store as read_store
    from simulator.sweeps.sweep import sweep as sweep
    from simulator.sweeps.values import with_values as with_values

__version__ = "0.1.0"

_ROOM_OF = {
    "Limits": "simulator.allocation.problem",
    "Outcomes": "simulator.outcomes.outcomes",
    "Plan": "simulator.scenario.plan",
    "anchor": "simulator.calibration.anchors",
    "attribute": "simulator.allocation.truth",
    "best_target": "simulator.allocation.bounds",
    "cut_at": "simulator.scenario.cut",
    "decompose": "simulator.outcomes.decomposition",
    "least_budget": "simulator.allocation.goals",
    "optimize": "simulator.allocation.optimize",
    "optimize_portfolio": "simulator.allocation.portfolio",
    "plot_days": "simulator.reports.figures",
    "plot_decomposition": "simulator.reports.optimum_figures",
    "plot_frontier": "simulator.reports.optimum_figures",
    "plot_heat_map": "simulator.reports.study_figures",
    "plot_marginal": "simulator.reports.optimum_figures",
    "plot_plans": "simulator.reports.figures",
    "plot_split": "simulator.reports.optimum_figures",
    "plot_tornado": "simulator.reports.study_figures",
    "plot_waterfall": "simulator.reports.optimum_figures",
    "read_outcomes": "simulator.outcomes",
    "read_scenario": "simulator.scenario",
    "read_store": "simulator.sweeps.store",
    "replan": "simulator.allocation.replan",
    "simulate": "simulator.engine.simulate",
    "sweep": "simulator.sweeps.sweep",
    "with_values": "simulator.sweeps.values",
    "write_outcomes": "simulator.outcomes",
    "write_schedule": "simulator.reports.schedule",
}

__all__ = list(_ROOM_OF)


def __getattr__(name: str) -> object:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    door = getattr(import_module(_ROOM_OF[name]), name)
    globals()[name] = door  # the next use finds it at once
    return door


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOM_OF})
