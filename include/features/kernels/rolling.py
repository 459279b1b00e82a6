"""Means, moments and extremes of trailing windows; row t covers rows t-n+1 .. t.

All values are taken relative to the current one before anything is added up, then relative to the
window's own mean (two passes): at levels near 100 with moves of 1e-3 the result is good to 1e-12.
A NaN inside a window gives NaN for that window and for no other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.features.arrays import Floats
from include.features.kernels.jit import BLOCK, kernel

__all__ = ["Extremes", "Level", "Moments", "extremes", "level", "mean_deviation", "moments"]


class Extremes(NamedTuple):
    """Lowest and highest value of a window and the distance between them."""

    low: Floats
    high: Floats
    extent: Floats


class Level(NamedTuple):
    """Mean, distance of the current value from it, sd (ddof=1; exactly 0 in a flat window)."""

    mean: Floats
    away: Floats
    sd: Floats


class Moments(NamedTuple):
    """As Level, with adjusted skewness G1 and excess kurtosis G2 (0 in a flat window)."""

    mean: Floats
    away: Floats
    sd: Floats
    skew: Floats
    kurt: Floats


def _ladder(x: Floats, windows: tuple[int, ...], pick: np.ufunc) -> list[Floats]:
    """Min or max over windows in rising order: spans of 1, 2, 4 ... rows, two of which make a window."""
    out, span, current = [], 1, x
    for n in windows:
        while 2 * span <= n:
            current, span = _join(current, current, span, pick), 2 * span
        out.append(_join(current, current, n - span, pick))
    return out


def _join(newer: Floats, older: Floats, rows: int, pick: np.ufunc) -> Floats:
    out = np.empty_like(newer)
    out[:rows] = np.nan
    pick(newer[rows:], older[: max(older.size - rows, 0)], out=out[rows:])
    return out


def extremes(low: Floats, high: Floats, windows: tuple[int, ...]) -> dict[int, Extremes]:
    """min_n(low), max_n(high) and their difference for windows given in rising order, exact."""
    lows, highs = _ladder(low, windows, np.minimum), _ladder(high, windows, np.maximum)
    return {n: Extremes(a, b, b - a) for n, a, b in zip(windows, lows, highs, strict=True)}


def level(x: Floats, n: int, extent: Floats, eps: float) -> Level:
    """mean_n and sd_n. ``extent`` is max_n - min_n: a window is flat where that is <= eps."""
    out = np.empty((3, x.size))
    out[:, : n - 1] = np.nan
    _level(x, n, extent, eps, out)
    return Level(*out)


def moments(x: Floats, n: int, extent: Floats, eps: float) -> Moments:
    """First four moments of windows of n >= 4 rows. ``extent`` as in `level`."""
    out = np.empty((5, x.size))
    out[:, : n - 1] = np.nan
    _moments(x, n, extent, eps, out)
    return Moments(*out)


def mean_deviation(x: Floats, n: int) -> tuple[Floats, Floats]:
    """Distance of the current value from mean_n, and the mean absolute deviation from mean_n."""
    out = np.empty((2, x.size))
    out[:, : n - 1] = np.nan
    _mean_deviation(x, n, out)
    return out[0], out[1]


@kernel
def _offset(x: Floats, start: int, size: int, n: int, mean: Floats) -> None:
    """Mean of the window minus its newest value, for rows start .. start+size-1."""
    now = x[start : start + size]
    mean[:] = 0.0
    for lag in range(1, n - 1, 2):  # the newest value itself adds 0; two lags a turn save memory traffic
        a = x[start - lag : start - lag + size]
        b = x[start - lag - 1 : start - lag - 1 + size]
        for j in range(size):
            mean[j] += (a[j] - now[j]) + (b[j] - now[j])
    if n % 2 == 0:
        a = x[start - n + 1 : start - n + 1 + size]
        for j in range(size):
            mean[j] += a[j] - now[j]
    for j in range(size):
        mean[j] /= n


@kernel
def _squares(x: Floats, start: int, size: int, n: int, mean: Floats, m2: Floats) -> None:
    """Sum of squared deviations from the mean that `_offset` found."""
    now = x[start : start + size]
    m2[:] = 0.0
    for lag in range(0, n - 1, 2):
        a = x[start - lag : start - lag + size]
        b = x[start - lag - 1 : start - lag - 1 + size]
        for j in range(size):
            d, e = (a[j] - now[j]) - mean[j], (b[j] - now[j]) - mean[j]
            m2[j] += d * d + e * e
    if n % 2 == 1:
        a = x[start - n + 1 : start - n + 1 + size]
        for j in range(size):
            d = (a[j] - now[j]) - mean[j]
            m2[j] += d * d


@kernel
def _powers(
    x: Floats, start: int, size: int, n: int, mean: Floats, m2: Floats, m3: Floats, m4: Floats
) -> None:
    """Sums of the 2nd, 3rd and 4th powers of the deviations from the mean."""
    now = x[start : start + size]
    m2[:] = 0.0
    m3[:] = 0.0
    m4[:] = 0.0
    for lag in range(0, n - 1, 2):
        a = x[start - lag : start - lag + size]
        b = x[start - lag - 1 : start - lag - 1 + size]
        for j in range(size):
            d, e = (a[j] - now[j]) - mean[j], (b[j] - now[j]) - mean[j]
            dd, ee = d * d, e * e
            m2[j] += dd + ee
            m3[j] += dd * d + ee * e
            m4[j] += dd * dd + ee * ee
    if n % 2 == 1:
        a = x[start - n + 1 : start - n + 1 + size]
        for j in range(size):
            d = (a[j] - now[j]) - mean[j]
            dd = d * d
            m2[j] += dd
            m3[j] += dd * d
            m4[j] += dd * dd


@kernel
def _level(x: Floats, n: int, extent: Floats, eps: float, out: Floats) -> None:
    mean, m2 = np.empty(BLOCK), np.empty(BLOCK)
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        _offset(x, start, size, n, mean)
        _squares(x, start, size, n, mean, m2)
        for j in range(size):
            t = start + j
            out[0, t] = x[t] + mean[j]
            out[1, t] = -mean[j]
            out[2, t] = 0.0 if extent[t] <= eps else np.sqrt(m2[j] / (n - 1))


@kernel
def _moments(x: Floats, n: int, extent: Floats, eps: float, out: Floats) -> None:
    mean, m2, m3, m4 = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    to_skew = n * np.sqrt(n - 1.0) / (n - 2.0)
    to_kurt = (n + 1.0) * n * (n - 1.0) / ((n - 2.0) * (n - 3.0))
    normal = 3.0 * (n - 1.0) ** 2 / ((n - 2.0) * (n - 3.0))
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        _offset(x, start, size, n, mean)
        _powers(x, start, size, n, mean, m2, m3, m4)
        for j in range(size):
            t = start + j
            flat = extent[t] <= eps
            out[0, t] = x[t] + mean[j]
            out[1, t] = -mean[j]
            out[2, t] = 0.0 if flat else np.sqrt(m2[j] / (n - 1))
            out[3, t] = 0.0 if flat else to_skew * m3[j] / (m2[j] * np.sqrt(m2[j]))
            out[4, t] = 0.0 if flat else to_kurt * m4[j] / (m2[j] * m2[j]) - normal


@kernel
def _mean_deviation(x: Floats, n: int, out: Floats) -> None:
    mean, total = np.empty(BLOCK), np.empty(BLOCK)
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        _offset(x, start, size, n, mean)
        now = x[start : start + size]
        total[:] = 0.0
        for lag in range(n):
            a = x[start - lag : start - lag + size]
            for j in range(size):
                total[j] += abs((a[j] - now[j]) - mean[j])
        for j in range(size):
            out[0, start + j] = -mean[j]
            out[1, start + j] = total[j] / n
