"""Least-squares line of one series on another over trailing windows.

Means first, then products of the deviations from them, then residuals: three passes, no difference
of large sums. A NaN in either series inside a window gives NaN for that window, flat or not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.features.arrays import Flags, Floats
from include.features.kernels.extremes import still
from include.features.kernels.jit import BLOCK, kernel
from include.features.kernels.pairwise import _products
from include.features.kernels.rolling import _offset, _squares

__all__ = ["Line", "line"]


class Line(NamedTuple):
    """Slope, and the newest residual in sd (ddof=2) of the residuals of its window."""

    slope: Floats
    resid_z: Floats


def line(y: Floats, x: Floats, n: int, eps_y: float, eps_x: float) -> Line:
    """Y on x with a constant over the last n rows.

    The slope is cov_n(x, y)/var_n(x), 0 where x is flat. The residual is 0 where x is flat, and where
    the sd of the residuals is no more than ``eps_y``, which it is wherever y is flat.

    Args:
        y: one value per row.
        x: one value per row.
        n: rows in a window, at least 3.
        eps_y: smallest amount of y's unit that counts as more than nothing.
        eps_x: range of x up to which its window is flat.
    """
    out = np.empty((2, y.size))
    out[:, : n - 1] = np.nan
    _line(y, x, n, still(x, n, eps_x) >= n, eps_y, out)
    return Line(*out)


@kernel
def _residuals(
    y: Floats, x: Floats, slope: Floats, start: int, n: int, my: Floats, mx: Floats, sse: Floats
) -> None:
    """Sum of the squared residuals of the lines with these slopes."""
    size = slope.size
    y_now, x_now = y[start : start + size], x[start : start + size]
    sse[:] = 0.0
    for lag in range(n):
        a, b = y[start - lag : start - lag + size], x[start - lag : start - lag + size]
        for j in range(size):
            e = ((a[j] - y_now[j]) - my[j]) - slope[j] * ((b[j] - x_now[j]) - mx[j])
            sse[j] += e * e


@kernel
def _line(y: Floats, x: Floats, n: int, flat: Flags, eps: float, out: Floats) -> None:
    my, mx, xx, xy, sse = (
        np.empty(BLOCK),
        np.empty(BLOCK),
        np.empty(BLOCK),
        np.empty(BLOCK),
        np.empty(BLOCK),
    )
    for start in range(n - 1, y.size, BLOCK):
        size = min(BLOCK, y.size - start)
        slope, z = out[0, start : start + size], out[1, start : start + size]
        _offset(y, start, size, n, my)
        _offset(x, start, size, n, mx)
        _squares(x, start, size, n, mx, xx)
        _products(x, y, start, n, mx, my, xy[:size])
        for j in range(size):
            slope[j] = 0.0 if flat[start + j] else xy[j] / xx[j]
        _residuals(y, x, slope, start, n, my, mx, sse)
        for j in range(size):
            sd = np.sqrt(sse[j] / (n - 2.0))
            none = flat[start + j] or sd <= eps
            z[j] = 0.0 if none else (slope[j] * mx[j] - my[j]) / sd
        for j in range(size):  # a series without movement beside one with a NaN
            if np.isnan(xy[j]):
                slope[j] = z[j] = np.nan
