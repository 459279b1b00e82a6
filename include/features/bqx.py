"""BQX: what the last w closes were worth against the current one, and the columns of bqx_{pair}.

w{w}_bqx_return_t = sum_{i=1..w} (S_{t-i} - S_t)/S_t. The current row is the reference, not part of
the window. BQX is MINUS the move: positive when the rate fell.
"""

from __future__ import annotations

import numpy as np

from include.features.arrays import EPS, Columns, Floats, lagged
from include.features.kernels import rolling
from include.features.kernels.extremes import extremes, still
from include.features.kernels.jit import BLOCK, kernel

__all__ = ["WINDOWS", "bqx_columns", "returns"]

WINDOWS = (15, 30, 45, 60, 75)  # minutes, of BQX and of the forecast horizons


def returns(S: Floats) -> dict[int, Floats]:
    """w{w}_bqx_return for every window, NaN in the first w rows.

    Differences are summed, never levels: the result is as exact as the closes are.
    """
    out = np.full((len(WINDOWS), S.size), np.nan)
    for row, w in enumerate(WINDOWS):
        _returns(S, w, out[row])
    return dict(zip(WINDOWS, out, strict=True))


def bqx_columns(S: Floats) -> Columns:
    """The 38 value columns of bqx_{pair}, in the order of the table.

    Args:
        S: rate index of every grid row, index points.

    Returns:
        Per window the return, then maximum, minimum, mean, sd (ddof=1) and endpoint of the w rows
        BEFORE the current one; the agg columns repeat or scale those of the longest window.
    """
    columns: Columns = {"rate_index": S}
    ranges = extremes(S, S, WINDOWS)
    unmoved = still(S, WINDOWS[-1], EPS["idx"])
    for w, value in returns(S).items():
        level = rolling.level(S, w, unmoved >= w)
        columns |= {
            f"w{w}_bqx_return": value,
            f"w{w}_bqx_max_index": lagged(ranges[w].high, 1),
            f"w{w}_bqx_min_index": lagged(ranges[w].low, 1),
            f"w{w}_bqx_avg_index": lagged(level.mean, 1),
            f"w{w}_bqx_stdev_index": lagged(level.sd, 1),
            f"w{w}_bqx_endpoint": (lagged(S, w) - S) / S,
        }
    longest = WINDOWS[-1]
    for name in ("return", "max_index", "min_index", "avg_index", "stdev_index"):
        columns[f"agg_bqx_{name}"] = columns[f"w{longest}_bqx_{name}"]
    columns["agg_bqx_range"] = (columns["agg_bqx_max_index"] - columns["agg_bqx_min_index"]) / S
    columns["agg_bqx_volatility"] = columns["agg_bqx_stdev_index"] / S
    return columns


@kernel
def _returns(S: Floats, w: int, out: Floats) -> None:
    total = np.empty(BLOCK)
    for start in range(w, S.size, BLOCK):
        size = min(BLOCK, S.size - start)
        now = S[start : start + size]
        total[:] = 0.0
        for lag in range(1, w + 1):
            before = S[start - lag : start - lag + size]
            for j in range(size):
                total[j] += before[j] - now[j]
        for j in range(size):
            out[start + j] = total[j] / now[j]
