"""Moments of the level, window by window."""

from __future__ import annotations

import numpy as np

from tests.oracles.windows import EPS, deviations, is_flat, over, sd, zero_if


def columns(y: np.ndarray, high: np.ndarray, low: np.ndarray, domain: str) -> dict[str, np.ndarray]:
    """The 24 columns on y; high and low are not read."""
    eps = EPS[domain]
    out: dict[str, np.ndarray] = {}
    for n in (20, 50, 120):
        statistics = {
            "mean": lambda w: w.mean(axis=1),
            "std": lambda w: sd(w, eps),
            "skew": lambda w: zero_if(is_flat(w, eps), skewness(w)),
            "kurt": lambda w: zero_if(is_flat(w, eps), kurtosis(w)),
            "min": lambda w: w.min(axis=1),
            "max": lambda w: w.max(axis=1),
            "range": lambda w: w.max(axis=1) - w.min(axis=1),
            "z_score": lambda w: zero_if(is_flat(w, eps), z(w, eps)),
        }
        out |= {f"{name}_{n}": over(y, n, statistic) for name, statistic in statistics.items()}
    return out


def z(w: np.ndarray, eps: float) -> np.ndarray:
    """Distance of the newest value from the mean, in sd (ddof=1)."""
    with np.errstate(all="ignore"):
        return deviations(w)[:, -1] / sd(w, eps)


def skewness(w: np.ndarray) -> np.ndarray:
    """Adjusted Fisher-Pearson G1 = sqrt(n(n-1))/(n-2) * m3/m2^1.5."""
    n, d = w.shape[1], deviations(w)
    with np.errstate(all="ignore"):
        g1 = (d**3).mean(axis=1) / (d**2).mean(axis=1) ** np.longdouble(1.5)
    return np.sqrt(np.longdouble(n * (n - 1))) / (n - 2) * g1


def kurtosis(w: np.ndarray) -> np.ndarray:
    """Unbiased excess kurtosis G2 = (n-1)/((n-2)(n-3)) * ((n+1)*g2 + 6)."""
    n, d = w.shape[1], deviations(w)
    with np.errstate(all="ignore"):
        g2 = (d**4).mean(axis=1) / (d**2).mean(axis=1) ** 2 - 3
    return np.longdouble(n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * g2 + 6)
