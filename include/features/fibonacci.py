"""Fibonacci levels of the range of the last 100 rows: fibonacci_idx, fibonacci_bqx."""

from __future__ import annotations

import numpy as np

from include.features.arrays import Columns, in_units_of
from include.features.kernels import recursive
from include.features.kernels.extremes import extremes
from include.features.series import Series

__all__ = ["compute"]

LOOKBACK = 100
RETRACEMENTS = {"23_6": 0.236, "38_2": 0.382, "50_0": 0.5, "61_8": 0.618}
EXTENSIONS = {"127_2": 1.272, "161_8": 1.618}
DISTANCES = ("38_2", "61_8")
DISTANCE_LIMIT = 100.0  # average true ranges


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 5."""
    view = series.view(domain)
    low, high, extent = extremes(view.low, view.high, (LOOKBACK,))[LOOKBACK]
    atr = recursive.directional(view.high, view.low, view.close, 14, view.eps).atr
    flat = extent <= view.eps
    columns = {f"fib_{name}": high - x * extent for name, x in RETRACEMENTS.items()}
    columns |= {f"fib_ext_{name}": high + (x - 1.0) * extent for name, x in EXTENSIONS.items()}
    for name in DISTANCES:
        distance = in_units_of(atr, view.close - columns[f"fib_{name}"], view.eps, flat=flat)
        columns[f"dist_to_fib_{name}"] = np.clip(distance, -DISTANCE_LIMIT, DISTANCE_LIMIT)
    return columns | {"fib_range_high": high, "fib_range_low": low}
