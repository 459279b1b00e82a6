"""Which way a series goes, and where it jumps: what bars of one and of several minutes have in common."""

from __future__ import annotations

import numpy as np

from include.features.arrays import EPS, Floats, lagged
from include.features.flags import flag, sign
from include.features.kernels import rolling, trend
from include.features.kernels.extremes import still
from include.features.kernels.pairwise import correlation

__all__ = ["TIE", "clarity", "jumps", "trend_regime"]

POINTS, RETURN = EPS["idx"], EPS["bqx"]  # smallest amounts that count
STRONG, CLEAR = 0.8, 0.5  # R2 of a line
TIE = 1e-9  # R2 of whole ticks can be exactly one of these: rounding must not decide
QUIET = 60  # returns whose sd a jump is measured by


def trend_regime(S: Floats, n: int) -> Floats:
    """sgn(k)*(2 if Q >= 0.8, 1 if Q >= 0.5, else 0), the line through n closes having slope k and R2 Q.

    Args:
        S: index points, one per bar.
        n: bars in the window.
    """
    slope = trend.slope(S, n, still(S, n, POINTS) >= n)
    time = np.arange(S.size, dtype=np.float64)
    return sign(slope, POINTS) * clarity(correlation(S, time, n, POINTS, POINTS) ** 2)


def clarity(r2: Floats) -> Floats:
    """2, 1 or 0: a strong, a clear or no trend."""
    return flag(r2 >= STRONG - TIE, r2) + flag(r2 >= CLEAR - TIE, r2)


def jumps(r: Floats, sigmas: float) -> Floats:
    """1 where abs(r) > sigmas*sg, sg the sd of the 60 returns BEFORE; sg <= 1e-12 -> 0."""
    sg = lagged(rolling.sd(r, QUIET, still(r, QUIET, RETURN) >= QUIET), 1)
    return flag((sg > RETURN) & (np.abs(r) > sigmas * sg), r, sg)
