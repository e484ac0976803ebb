"""Rows of a made-up study, whose answers are known."""

from itertools import product

import numpy as np
import pandas as pd


def rows_of(formulas, levels, metric="profit", noise=(1.0, -1.0), keep=lambda **values: True):
    """Every plan in every cell of a grid: its formula, and above it the noise of each replication."""
    points = [dict(zip(levels, point, strict=True)) for point in product(*levels.values())]
    return rows_at([values for values in points if keep(**values)], formulas, metric, noise)


def rows_at(points, formulas, metric="profit", noise=(1.0, -1.0)):
    """The same in cells of any values."""
    return pd.DataFrame(
        {
            "scenario": "made", "cell": cell, "plan": plan, "replication": r, **values,
            metric: formula(**values) + e,
        }
        for cell, values in enumerate(points)
        for plan, formula in formulas.items()
        for r, e in enumerate(noise)
    )  # fmt: skip


def scattered(count, seed=3):
    """Points of two parameters from 0 to 1, no two alike in either."""
    return [{"a": a, "b": b} for a, b in np.random.default_rng(seed).random((count, 2))]
