"""Rank of the current value among the values of its own trailing window."""

from __future__ import annotations

import numpy as np

from include.features.arrays import Floats
from include.features.kernels.extremes import extremes
from include.features.kernels.jit import BLOCK, kernel

__all__ = ["mid_rank"]

TIE = 1e-9  # share of the current value within which another one is equal: rounding decides no tie


def mid_rank(x: Floats, n: int, eps: float) -> Floats:
    """rank_n: (values below the current one + half of those equal to it, itself included)/n.

    In [0.5/n, 1-0.5/n]. Equal is what lies within 1e-9*abs(x_t), below what lies under that band.
    A flat window (range <= eps) gives 0.5.
    """
    out = np.empty(x.size)
    out[: n - 1] = np.nan
    _mid_rank(x, n, extremes(x, x, (n,))[n].extent, eps, out)
    return out


@kernel
def _mid_rank(x: Floats, n: int, extent: Floats, eps: float, out: Floats) -> None:
    bottom, top, count = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    for start in range(n - 1, x.size, BLOCK):
        size = min(BLOCK, x.size - start)
        now = x[start : start + size]
        for j in range(size):
            bottom[j] = now[j] - TIE * abs(now[j])
        for j in range(size):
            top[j] = now[j] + TIE * abs(now[j])
        count[:] = 0.0
        for lag in range(n):
            value = x[start - lag : start - lag + size]
            for j in range(size):
                count[j] += (0.5 if value[j] < bottom[j] else 0.0) + (0.5 if value[j] <= top[j] else 0.0)
        for j in range(size):
            out[start + j] = 0.5 if extent[start + j] <= eps else count[j] / n
            if np.isnan(extent[start + j]):
                out[start + j] = np.nan
