"""What two or three series have to do with each other over trailing windows.

Means first, then products of the deviations from them, then residuals: three passes, no difference
of large sums. A NaN in any of the series inside a window gives NaN for that window, flat or not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.features.arrays import Flags, Floats
from include.features.kernels.extremes import still
from include.features.kernels.jit import BLOCK, kernel
from include.features.kernels.rolling import _offset, _squares

__all__ = ["Fit", "correlation", "two_factors"]

COLLINEAR = 1e-12  # share of a factor's variance that the other one leaves unexplained


class Fit(NamedTuple):
    """Share of the variance that the factors explain, and the variance that they leave (ddof=3)."""

    r2: Floats
    variance: Floats


def correlation(x: Floats, y: Floats, n: int, eps_x: float, eps_y: float) -> Floats:
    """corr_n: Pearson over the last n rows, clipped to [-1, 1]; 0 where a series is flat.

    Args:
        x: one value per row.
        y: one value per row.
        n: rows in a window, at least 2.
        eps_x: range of x up to which its window is flat.
        eps_y: the same for y.
    """
    out = np.empty(x.size)
    out[: n - 1] = np.nan
    _correlation(x, y, n, _flat(x, n, eps_x) | _flat(y, n, eps_y), out)
    return out


def two_factors(y: Floats, first: Floats, second: Floats, n: int, eps: float) -> Fit:
    """Least squares with constant of y on two factors over the last n rows.

    A factor that does not move inside the window is left out; of two that are collinear (one leaves
    1e-12 of the other's variance or less) only the first is used; without any the residuals are the
    deviations from the mean. Where y does not move R2 and variance are 0.

    Args:
        y: one value per row, and so are the factors, all in the same unit.
        first: the first factor.
        second: the second factor.
        n: rows in a window, at least 4.
        eps: range up to which a window is flat.
    """
    out = np.empty((2, y.size))
    out[:, : n - 1] = np.nan
    unused = (_flat(first, n, eps), _flat(second, n, eps))
    _two_factors(y, first, second, n, _flat(y, n, eps), unused, out)
    return Fit(*out)


def _flat(x: Floats, n: int, eps: float) -> Flags:
    return still(x, n, eps) >= n


@kernel
def _products(x: Floats, y: Floats, start: int, n: int, mx: Floats, my: Floats, out: Floats) -> None:
    """Sum of the products of the deviations from the means, taken relative to the newest values."""
    size = out.size
    x_now, y_now = x[start : start + size], y[start : start + size]
    out[:] = 0.0
    for lag in range(n):
        a, b = x[start - lag : start - lag + size], y[start - lag : start - lag + size]
        for j in range(size):
            out[j] += ((a[j] - x_now[j]) - mx[j]) * ((b[j] - y_now[j]) - my[j])


@kernel
def _correlation(x: Floats, y: Floats, n: int, flat: Flags, out: Floats) -> None:
    mx, my, xx, yy, xy = (np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK))
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        _offset(x, start, size, n, mx)
        _offset(y, start, size, n, my)
        _squares(x, start, size, n, mx, xx)
        _squares(y, start, size, n, my, yy)
        _products(x, y, start, n, mx, my, xy[:size])
        for j in range(size):
            value = xy[j] / np.sqrt(xx[j]) / np.sqrt(yy[j])
            value = -1.0 if value < -1.0 else (1.0 if value > 1.0 else value)
            out[start + j] = 0.0 if flat[start + j] else value
        for j in range(size):  # a series without movement beside one with a NaN
            if np.isnan(xy[j]):
                out[start + j] = np.nan


@kernel
def _explain(product: Floats, squares: Floats, unused: Flags) -> None:
    """Turn sums of products into slopes, in place; 0 where the factor is not used."""
    for j in range(unused.size):
        product[j] = 0.0 if unused[j] else product[j] / squares[j]


@kernel
def _less(
    x: Floats, z: Floats, slope: Floats, start: int, lag: int, mx: Floats, mz: Floats, out: Floats
) -> None:
    """Deviations of x from its mean, `lag` rows ago, less slope times those of z."""
    size = out.size
    x_now, z_now = x[start : start + size], z[start : start + size]
    a, b = x[start - lag : start - lag + size], z[start - lag : start - lag + size]
    for j in range(size):
        out[j] = ((a[j] - x_now[j]) - mx[j]) - slope[j] * ((b[j] - z_now[j]) - mz[j])


@kernel
def _two_factors(
    y: Floats, first: Floats, second: Floats, n: int, still: Flags, unused: tuple[Flags, Flags], out: Floats
) -> None:
    my, mf, ms = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    yy, ff, ss, sse = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    yf, sf, ys, rest = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    u, v = np.empty(BLOCK), np.empty(BLOCK)
    for start in range(n - 1, y.size, BLOCK):
        size = min(BLOCK, y.size - start)
        rows = slice(start, start + size)
        _offset(y, start, size, n, my)
        _offset(first, start, size, n, mf)
        _offset(second, start, size, n, ms)
        _products(y, y, start, n, my, my, yy[:size])  # added up in the order of the residuals
        _squares(first, start, size, n, mf, ff)
        _squares(second, start, size, n, ms, ss)
        _products(y, first, start, n, my, mf, yf[:size])
        _products(second, first, start, n, ms, mf, sf[:size])
        _explain(yf, ff, unused[0][rows])
        _explain(sf, ff, unused[0][rows])
        ys[:] = 0.0
        rest[:] = 0.0
        for lag in range(n):
            _less(y, first, yf, start, lag, my, mf, v[:size])
            _less(second, first, sf, start, lag, ms, mf, u[:size])
            for j in range(size):
                ys[j] += u[j] * v[j]
            for j in range(size):
                rest[j] += u[j] * u[j]
        _explain(ys, rest, unused[1][rows] | (rest[:size] <= COLLINEAR * ss[:size]))
        sse[:] = 0.0
        for lag in range(n):
            _less(y, first, yf, start, lag, my, mf, v[:size])
            _less(second, first, sf, start, lag, ms, mf, u[:size])
            for j in range(size):
                e = v[j] - ys[j] * u[j]
                sse[j] += e * e
        _finish(sse[:size], yy, n, still[rows], out[:, rows])


@kernel
def _finish(sse: Floats, sst: Floats, n: int, still: Flags, out: Floats) -> None:
    for j in range(sse.size):
        left = sse[j] / sst[j]
        out[0, j] = 0.0 if still[j] or left > 1.0 else 1.0 - left
    for j in range(sse.size):
        out[1, j] = 0.0 if still[j] else sse[j] / (n - 3.0)
    for j in range(sse.size):  # y without movement beside a factor with a NaN
        if np.isnan(sse[j]):
            out[0, j] = out[1, j] = np.nan
