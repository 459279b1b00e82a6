"""Bollinger bands (two population sds) over 20 and 50 rows: bollinger_idx, bollinger_bqx."""

from __future__ import annotations

from include.features.arrays import Columns, in_units_of
from include.features.kernels import rolling
from include.features.series import Series

__all__ = ["compute"]

WINDOWS = (20, 50)
SDS = 2.0  # on either side of the middle
SCALE = 120  # rows of the sd that measures b, whose middle crosses zero


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 3."""
    view = series.view(domain)
    sd = rolling.sd(view.close, SCALE, view.flat(SCALE)) if domain == "bqx" else None
    columns: Columns = {}
    for n in WINDOWS:
        bands = rolling.bands(view.close, n, view.flat(n), SDS)
        columns |= {
            f"bb_upper_{n}": bands.upper,
            f"bb_middle_{n}": bands.middle,
            f"bb_lower_{n}": bands.lower,
            f"bb_percent_b_{n}": bands.percent,
            f"bb_bandwidth_{n}": bands.width / bands.middle
            if sd is None
            else in_units_of(sd, bands.width, view.eps, flat=sd == 0),
        }
    return columns
