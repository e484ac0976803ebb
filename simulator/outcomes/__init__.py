"""What happened: the ledger, the metrics and how plans compare."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.outcomes.outcomes import Outcomes as Outcomes
    from simulator.outcomes.store import read_outcomes as read_outcomes
    from simulator.outcomes.store import write_outcomes as write_outcomes

_MODULE_OF = {
    "Outcomes": "simulator.outcomes.outcomes",
    "read_outcomes": "simulator.outcomes.store",
    "write_outcomes": "simulator.outcomes.store",
}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)
