"""Simple and exponential moving averages of the rate index and of BQX: ma."""

from __future__ import annotations

from include.features.arrays import Columns
from include.features.kernels import recursive, rolling
from include.features.series import Series

__all__ = ["compute"]

WINDOWS = (5, 10, 20, 50, 100, 200)


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 7."""
    columns: Columns = {}
    for prefix, x in (("", series.S), ("bqx_", series.b)):
        columns |= {f"{prefix}sma_{n}": rolling.mean(x, n) for n in WINDOWS}
        columns |= {f"{prefix}ema_{n}": recursive.ema(x, n) for n in WINDOWS}
    return columns
