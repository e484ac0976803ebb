"""The twin's common shocks: docs/model.md section 13, one row of points after another, without arrays."""

import math
from statistics import NormalDist

from simulator.scenario.schema import Scenario

FEWEST = 16


def shock_factors(scenario: Scenario, point: int | None) -> dict[str, float]:
    """What demand and the products' luck are multiplied by in a point; nothing without a point."""
    if point is None:
        return {}
    spreads = {"demand": float(scenario.chance.demand_sd)}
    spreads |= {f"luck.{name}": float(p.luck_sd) for name, p in scenario.products.items()}
    spreads = {name: sd for name, sd in spreads.items() if sd > 0}
    rows = points_of(len(spreads))
    return {
        name: _factor(sd, row, point) for (name, sd), row in zip(spreads.items(), rows, strict=True)
    }


def points_of(shocks: int) -> list[list[float]]:
    """z of every shock in every point."""
    count = FEWEST
    while count < 2 * shocks:
        count *= 2
    rows: list[list[float]] = []
    for shock in range(shocks):
        places = [(k + 0.5) * 5**shock / count for k in range(count)]
        row = [NormalDist().inv_cdf(place - math.floor(place)) for place in places]
        for other in rows:
            common = sum(a * b for a, b in zip(row, other, strict=True)) / count
            row = [a - common * b for a, b in zip(row, other, strict=True)]
        size = math.sqrt(sum(a * a for a in row) / count)
        rows.append([a / size for a in row])
    return rows


def _factor(sd: float, row: list[float], point: int) -> float:
    spread = math.sqrt(math.log1p(sd * sd))
    values = [math.exp(spread * z) for z in row]
    return values[point] * len(values) / sum(values)
