"""Extremes of trailing windows, and for how long a series has been still. Exact, no arithmetic.

Row t covers rows t-n+1 .. t. A NaN inside a window gives NaN for that window and for no other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.features.arrays import Counts, Floats
from include.features.kernels.jit import kernel

__all__ = ["Extremes", "extremes", "still"]


class Extremes(NamedTuple):
    """Lowest and highest value of a window and the distance between them."""

    low: Floats
    high: Floats
    extent: Floats


def extremes(low: Floats, high: Floats, windows: tuple[int, ...]) -> dict[int, Extremes]:
    """min_n(low), max_n(high) and their difference for windows given in rising order."""
    out = np.empty((len(windows), 3, low.size))
    _ladder(low, windows, np.minimum, out[:, 0])
    _ladder(high, windows, np.maximum, out[:, 1])
    np.subtract(out[:, 1], out[:, 0], out=out[:, 2])
    return {n: Extremes(*rows) for n, rows in zip(windows, out, strict=True)}


def still(x: Floats, limit: int, eps: float) -> Counts:
    """How many of the last rows, the current one included, lie within ``eps`` of each other.

    Counted up to ``limit``: a window of n <= limit rows is flat, max_n - min_n <= eps, where the
    result is n or more. Most rows differ from the one before, which ends the search at once.
    """
    out = np.empty(x.size, np.int16)
    _still(x, limit, eps, out)
    return out


def _ladder(x: Floats, windows: tuple[int, ...], pick: np.ufunc, out: Floats) -> None:
    """Spans of 1, 2, 4 ... rows, each made of two of half its length; two spans cover a window."""
    span, current, spare = 1, x, np.empty((2, x.size))
    for n, row in zip(windows, out, strict=True):
        while 2 * span <= n:
            rung = spare[span.bit_length() % 2]
            _join(current, span, pick, rung)
            current, span = rung, 2 * span
        _join(current, n - span, pick, row)


def _join(x: Floats, rows: int, pick: np.ufunc, out: Floats) -> None:
    """Combine every value with the one `rows` rows before it."""
    out[:rows] = np.nan
    pick(x[rows:], x[: max(x.size - rows, 0)], out=out[rows:])


@kernel
def _still(x: Floats, limit: int, eps: float, out: Counts) -> None:
    for t in range(x.size):
        low = high = x[t]
        rows = 1
        while rows < min(limit, t + 1):
            value = x[t - rows]
            low, high = min(low, value), max(high, value)
            if not (high - low <= eps and value - low <= eps):  # NaN ends it too
                break
            rows += 1
        out[t] = rows
