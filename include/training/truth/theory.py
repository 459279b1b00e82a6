"""What the no-skill forecast attains if prices are a martingale of constant volatility, in closed form.

With w the window of BQX and h the horizon, in minutes, BQX at t+h is a sum of the increments of minutes
t+h-j with weights w-j, j = 0..w-1. Only the increments with j >= h are known at t.
"""

from __future__ import annotations

import math

__all__ = ["directional_accuracy", "inflation", "r2_delta", "r2_raw", "scaled_sd"]


def r2_raw(w: int, h: int) -> float:
    """R2 of the no-skill forecast of BQX itself: 0 where h >= w."""
    return _squares(max(w - h, 0)) / _squares(w)


def r2_delta(w: int, h: int) -> float:
    """R2 of the no-skill forecast of the change of BQX until the horizon: one half where h >= w."""
    free = max(w - h, 0)
    predictable = free * h**2 + _squares(min(h, w))
    return predictable / (predictable + _squares(w) - _squares(free))


def directional_accuracy(r2: float) -> float:
    """Share of signs that a forecast of this R2 gets right, for Gaussian increments."""
    return 0.5 + math.asin(math.sqrt(r2)) / math.pi


def inflation(w: int, h: int) -> float:
    """How many neighbouring rows carry the information of one, for squared no-skill errors.

    1 + 2 * sum(rho_k ** 2) over the autocorrelations rho_k of the error at k rows: labels of neighbouring
    rows share increments.
    """
    weights = [w - j for j in range(min(w, h))]
    whole = sum(weight * weight for weight in weights)
    shared = (
        sum(a * b for a, b in zip(weights, weights[lag:], strict=False)) / whole
        for lag in range(1, len(weights))
    )
    return 1.0 + 2.0 * sum(rho * rho for rho in shared)


def _squares(n: int) -> float:
    """1 + 4 + .. + n * n."""
    return n * (n + 1) * (2 * n + 1) / 6


def scaled_sd(w: int, h: int) -> float:
    """Standard deviation of the change of BQX in units of its volatility s."""
    free = max(w - h, 0)
    total = free * h**2 + _squares(min(h, w)) + _squares(w) - _squares(free)
    return math.sqrt(total / (w * w + w))
