"""Means and moments of trailing windows; row t covers rows t-n+1 .. t.

All values are taken relative to the current one before anything is added up, then relative to the
window's own mean (two passes): at levels near 100 with moves of 1e-3 the result is good to 1e-12.
A NaN inside a window gives NaN for that window and for no other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.features.arrays import Flags, Floats
from include.features.kernels.jit import BLOCK, kernel

__all__ = ["Bands", "Level", "Moments", "bands", "level", "mean", "mean_deviation", "moments", "sd"]


class Level(NamedTuple):
    """Mean, sd (ddof=1) and the current value's distance from the mean in sd (both 0 where flat)."""

    mean: Floats
    sd: Floats
    z: Floats


class Moments(NamedTuple):
    """As Level, with adjusted skewness G1 and unbiased excess kurtosis G2 (0 in a flat window)."""

    mean: Floats
    sd: Floats
    z: Floats
    skew: Floats
    kurt: Floats


class Bands(NamedTuple):
    """Bands of k population sds around the mean, and where the current value lies between them.

    ``width`` is upper - lower; ``percent`` is 0 on the lower band, 1 on the upper, 0.5 where flat.
    """

    middle: Floats
    upper: Floats
    lower: Floats
    width: Floats
    percent: Floats


def sd(x: Floats, n: int, flat: Flags) -> Floats:
    """sd_n, ddof=1, exactly 0 in flat windows; ``flat`` marks their rows (see `extremes.still`)."""
    out = np.empty(x.size)
    out[: n - 1] = np.nan
    _sd(x, n, flat, out)
    return out


def mean(x: Floats, n: int) -> Floats:
    """mean_n, the same to the last bit as that of `level`."""
    out = np.empty(x.size)
    out[: n - 1] = np.nan
    _mean(x, n, out)
    return out


def level(x: Floats, n: int, flat: Flags) -> Level:
    """mean_n, sd_n and z_n. ``flat`` as in `sd`."""
    out = np.empty((3, x.size))
    out[:, : n - 1] = np.nan
    _level(x, n, flat, out)
    return Level(*out)


def moments(x: Floats, n: int, flat: Flags) -> Moments:
    """First four moments of windows of n >= 4 rows. ``flat`` as in `sd`."""
    out = np.empty((5, x.size))
    out[:, : n - 1] = np.nan
    _moments(x, n, flat, out)
    return Moments(*out)


def bands(x: Floats, n: int, flat: Flags, k: float) -> Bands:
    """mean_n +- k*sd0_n, sd0 with ddof=0. ``flat`` as in `sd`."""
    out = np.empty((5, x.size))
    out[:, : n - 1] = np.nan
    _bands(x, n, flat, k, out)
    return Bands(*out)


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
def _finish(now: Floats, flat: Flags, mean: Floats, m2: Floats, n: int, start: int, out: Floats) -> None:
    """Mean, sd and z. One loop per output: a loop that writes several is not made into vector code."""
    rows = slice(start, start + now.size)
    level, sd, z = out[0, rows], out[1, rows], out[2, rows]
    for j in range(now.size):
        level[j] = now[j] + mean[j]
    for j in range(now.size):
        sd[j] = 0.0 if flat[j] else np.sqrt(m2[j] / (n - 1))
    for j in range(now.size):
        z[j] = 0.0 if flat[j] else -mean[j] / sd[j]


@kernel
def _mean(x: Floats, n: int, out: Floats) -> None:
    mean = np.empty(BLOCK)
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        _offset(x, start, size, n, mean)
        for j in range(size):
            out[start + j] = x[start + j] + mean[j]


@kernel
def _sd(x: Floats, n: int, flat: Flags, out: Floats) -> None:
    mean, m2 = np.empty(BLOCK), np.empty(BLOCK)
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        _offset(x, start, size, n, mean)
        _squares(x, start, size, n, mean, m2)
        for j in range(size):
            out[start + j] = 0.0 if flat[start + j] else np.sqrt(m2[j] / (n - 1))


@kernel
def _level(x: Floats, n: int, flat: Flags, out: Floats) -> None:
    mean, m2 = np.empty(BLOCK), np.empty(BLOCK)
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        _offset(x, start, size, n, mean)
        _squares(x, start, size, n, mean, m2)
        rows = slice(start, start + size)
        _finish(x[rows], flat[rows], mean, m2, n, start, out)


@kernel
def _moments(x: Floats, n: int, flat: Flags, out: Floats) -> None:
    mean, m2, m3, m4 = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    to_skew = n * np.sqrt(n - 1.0) / (n - 2.0)
    to_kurt = (n + 1.0) * n * (n - 1.0) / ((n - 2.0) * (n - 3.0))
    normal = 3.0 * (n - 1.0) ** 2 / ((n - 2.0) * (n - 3.0))
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        _offset(x, start, size, n, mean)
        _powers(x, start, size, n, mean, m2, m3, m4)
        rows = slice(start, start + size)
        _finish(x[rows], flat[rows], mean, m2, n, start, out)
        skew, kurt, none = out[3, rows], out[4, rows], flat[rows]
        for j in range(size):
            skew[j] = 0.0 if none[j] else to_skew * m3[j] / (m2[j] * np.sqrt(m2[j]))
        for j in range(size):
            kurt[j] = 0.0 if none[j] else to_kurt * m4[j] / (m2[j] * m2[j]) - normal


@kernel
def _bands(x: Floats, n: int, flat: Flags, k: float, out: Floats) -> None:
    mean, m2 = np.empty(BLOCK), np.empty(BLOCK)
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        _offset(x, start, size, n, mean)
        _squares(x, start, size, n, mean, m2)
        rows = slice(start, start + size)
        now, none = x[rows], flat[rows]
        middle, upper, lower = out[0, rows], out[1, rows], out[2, rows]
        width, percent = out[3, rows], out[4, rows]
        for j in range(size):
            middle[j] = now[j] + mean[j]
        for j in range(size):
            width[j] = 0.0 if none[j] else 2.0 * k * np.sqrt(m2[j] / n)
        for j in range(size):
            upper[j] = middle[j] + 0.5 * width[j]
        for j in range(size):
            lower[j] = middle[j] - 0.5 * width[j]
        for j in range(size):
            percent[j] = 0.5 if none[j] else 0.5 - mean[j] / width[j]


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
