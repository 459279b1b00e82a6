"""Split-conformal intervals: how far outcomes lay from predictions on rows that served nothing else."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

LEVEL = 0.9  # of the outcomes lie inside

Floats = npt.NDArray[np.float64]


def half_width(residuals: Floats, level: float = LEVEL) -> float | None:
    """The half width that covers a new outcome with at least the probability `level`.

    That holds if rows are exchangeable. It is the k-th smallest absolute residual of n,
    k = ceil((n + 1) * level).

    Args:
        residuals: outcome minus prediction in units of s, on the calibration rows.
        level: between 0 and 1.

    Returns:
        In units of s; None if there are too few rows for the level (8 or fewer for 90 %).
    """
    size = np.sort(np.abs(residuals))
    k = math.ceil((size.size + 1) * level - 1e-9)  # 10 * 0.9 is 9, not a little more
    return float(size[k - 1]) if 0 < k <= size.size else None
