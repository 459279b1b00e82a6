"""Slope of the least-squares line through a trailing window."""

from __future__ import annotations

import numpy as np

from include.features.arrays import Flags, Floats
from include.features.kernels.jit import BLOCK, kernel

__all__ = ["slope"]


def slope(x: Floats, n: int, flat: Flags) -> Floats:
    """lin_n: slope per row of the line through the last n values, exactly 0 in a flat window.

    Args:
        x: one value per row.
        n: rows in a window, at least 2.
        flat: rows whose window is flat (see `extremes.still`).
    """
    out = np.empty(x.size)
    out[: n - 1] = np.nan
    _slope(x, n, flat, out)
    return out


@kernel
def _slope(x: Floats, n: int, flat: Flags, out: Floats) -> None:
    total = np.empty(BLOCK)
    squares = n * (n * n - 1.0) / 12.0  # of the positions around their mean
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        now = x[start : start + size]
        total[:] = 0.0
        for lag in range(1, n):  # the newest value, taken relative to itself, adds 0
            before = x[start - lag : start - lag + size]
            position = 0.5 * (n - 1) - lag
            for j in range(size):
                total[j] += position * (before[j] - now[j])
        for j in range(size):
            out[start + j] = 0.0 if flat[start + j] else total[j] / squares
