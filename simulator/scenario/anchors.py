"""What a merchant knows of a past period: a part of a scenario, as schema.py."""

from typing import Annotated

from pydantic import Field

from simulator.scenario.amounts import Amount, Part, Share


class Anchors(Part):
    """Last period's own figures, from which the levels that nobody knows are solved: how strong rivals are,
    how readily visitors buy, how many come for free. Figures until advertising ends, before refunds.
    """

    plan: str = ""
    """Plan that stands for the period; empty means the first."""
    spend: Annotated[Amount, Field(gt=0)] | None = None
    """Media spend [CNY]."""
    gmv: Annotated[Amount, Field(gt=0)] | None = None
    """Paid orders at the price paid [CNY]."""
    average_cpc: Annotated[Amount, Field(gt=0)] | None = None
    """Spend per click [CNY]."""
    new_customer_share: Annotated[Share, Field(gt=0)] | None = None
    """New customers per paid order."""
    roas: dict[str, Annotated[Amount, Field(gt=0)]] = {}
    """Attributed gmv per yuan of spend, by scene, as the platform reports it [x]."""
