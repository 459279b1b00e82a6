"""Bollinger bands (k = 2, population sd) over 20 and 50 rows: bollinger_idx, bollinger_bqx."""

from __future__ import annotations

import math

import numpy as np

from include.features.arrays import Columns, Floats, ratio
from include.features.kernels import rolling
from include.features.series import Series, View

__all__ = ["compute"]

WINDOWS = (20, 50)
SCALE = 120  # rows of the sd that scales what is divided by the price in the idx domain


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 3."""
    view = series.view(domain)
    extremes = rolling.extremes(view.close, view.close, (*WINDOWS, SCALE))
    columns: Columns = {}
    widths: dict[int, Floats] = {}
    for n in WINDOWS:
        level = rolling.level(view.close, n, extremes[n].extent, view.eps)
        half = 2.0 * math.sqrt((n - 1) / n) * level.sd
        widths[n] = 2.0 * half
        columns |= {
            f"bb_upper_{n}": level.mean + half,
            f"bb_middle_{n}": level.mean,
            f"bb_lower_{n}": level.mean - half,
            f"bb_percent_b_{n}": ratio(level.away + half, widths[n], flat=level.sd == 0, neutral=0.5),
        }
    if domain == "idx":
        return columns | {f"bb_bandwidth_{n}": widths[n] / columns[f"bb_middle_{n}"] for n in WINDOWS}
    return columns | _scaled(widths, view, extremes[SCALE].extent)


def _scaled(widths: dict[int, Floats], view: View, extent: Floats) -> Columns:
    """Band widths in units of sd_120(b): the middle of the bands crosses zero with b."""
    sd = rolling.level(view.close, SCALE, extent, view.eps).sd
    unit = np.maximum(sd, view.eps)
    return {f"bb_bandwidth_{n}": ratio(width, unit, flat=sd == 0) for n, width in widths.items()}
