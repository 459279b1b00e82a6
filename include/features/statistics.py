"""Moments, extremes and z-score of the level over 20, 50 and 120 rows: statistics_idx, statistics_bqx."""

from __future__ import annotations

from include.features.arrays import Columns
from include.features.kernels import rolling
from include.features.kernels.extremes import extremes
from include.features.series import Series

__all__ = ["compute"]

WINDOWS = (20, 50, 120)


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 2."""
    view = series.view(domain)
    ranges = extremes(view.close, view.close, WINDOWS)
    columns: Columns = {}
    for n in WINDOWS:
        low, high, extent = ranges[n]
        mean, sd, z, skew, kurt = rolling.moments(view.close, n, view.flat(n))
        columns |= {
            f"mean_{n}": mean,
            f"std_{n}": sd,
            f"skew_{n}": skew,
            f"kurt_{n}": kurt,
            f"min_{n}": low,
            f"max_{n}": high,
            f"range_{n}": extent,
            f"z_score_{n}": z,
        }
    return columns
