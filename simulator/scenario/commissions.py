"""Media that is paid by what it sells: a part of a scenario, as schema.py."""

from typing import Annotated

from pydantic import Field

from simulator.scenario.amounts import Amount, Level, Part, Rate


class Commission(Part):
    """A partner (affiliate 淘宝客, creator) who brings visits and takes a share of what they buy.

    It stands outside the plan's cells: it runs in every plan that does not leave it out.
    """

    title: str = ""
    """Name for readers."""
    source: str
    """Source whose traffic its visits follow and whose power to move people they have."""
    visits: Annotated[Level, Field(ge=0)]
    """Visits it brings on a normal day, people standing as at the start."""
    bands: dict[str, Annotated[Level, Field(le=1000)]]
    """Visits per person by audience band against each other [x]; missing bands are 0."""
    cvr: Annotated[Rate, Field(lt=1)]
    """Probability that a visit of the reference mix buys at once, normal phase."""
    rate: Annotated[Rate, Field(le=0.9)] = 0.0
    """Commission: share of the gmv of orders made on its visits, less the refunds to be expected."""
    fee: Annotated[Amount, Field(ge=0)] = 0.0
    """Fixed fee, paid when its first phase starts [CNY]."""
    cap: Annotated[Amount, Field(gt=0)] | None = None
    """Most that it may cost, the fee included; its visits end there [CNY]."""
    products: dict[str, Level] = {}
    """Products it shows and their weights; empty means all alike."""
    phases: list[str] = []
    """Phases in which it brings visits; empty means all."""
