"""The last 60 values of the rate index, of BQX and of the one-bar return: lag."""

from __future__ import annotations

from include.features.arrays import Columns, lagged
from include.features.series import Series

__all__ = ["compute"]

LAGS = range(1, 61)


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 6."""
    inputs = {"rate_idx": series.S, "bqx": series.b, "return": series.r}
    return {f"{name}_lag_{k}": lagged(x, k) for name, x in inputs.items() for k in LAGS}
