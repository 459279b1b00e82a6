"""Sums and weighted sums of trailing windows; a NaN inside a window gives NaN for that window only."""

from __future__ import annotations

import numpy as np

from include.features.arrays import Floats
from include.features.kernels.jit import BLOCK, kernel

__all__ = ["tilt", "total"]


def total(x: Floats, n: int) -> Floats:
    """sum_n(x), without cancellation only for values of one sign."""
    out = np.empty(x.size)
    out[: n - 1] = np.nan
    _total(x, n, out)
    return out


def tilt(x: Floats, weight: Floats, n: int) -> Floats:
    """sum_n(weight*(x - x_t)): what the weighted mean lies above the current value, times the weight.

    Levels near 100 with moves of 1e-3 keep their digits because only differences are multiplied.
    """
    out = np.empty(x.size)
    out[: n - 1] = np.nan
    _tilt(x, weight, n, out)
    return out


@kernel
def _total(x: Floats, n: int, out: Floats) -> None:
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        result = out[start : start + size]
        result[:] = 0.0
        for lag in range(n):
            value = x[start - lag : start - lag + size]
            for j in range(size):
                result[j] += value[j]


@kernel
def _tilt(x: Floats, weight: Floats, n: int, out: Floats) -> None:
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        now, result = x[start : start + size], out[start : start + size]
        result[:] = 0.0
        for lag in range(n):
            value, share = x[start - lag : start - lag + size], weight[start - lag : start - lag + size]
            for j in range(size):
                result[j] += share[j] * (value[j] - now[j])
