"""Spread columns, window by window, from prices."""

from __future__ import annotations

import numpy as np

from tests.oracles.windows import EPS, cut, deviations, is_flat, over, padded, sd, zero_if


def z(w: np.ndarray, eps: float) -> np.ndarray:
    """Distance of the newest value from the mean of its window in sd."""
    with np.errstate(all="ignore"):
        return zero_if(is_flat(w, eps), deviations(w)[:, -1] / sd(w, eps))


def line(w: np.ndarray, eps: float) -> np.ndarray:
    """Slope of the least-squares line: covariance with time over the variance of time."""
    x = np.arange(w.shape[1], dtype=np.longdouble)
    x = x - x.mean()
    return zero_if(is_flat(w, eps), (deviations(w) * x).sum(axis=1) / (x**2).sum())


def rank(w: np.ndarray, eps: float) -> np.ndarray:
    """Values below the newest, and half of those equal to it, of all."""
    now = w[:, -1:]
    below = (w < now - 1e-9 * np.abs(now)).sum(axis=1)
    equal = (np.abs(w - now) <= 1e-9 * np.abs(now)).sum(axis=1)
    share = zero_if(is_flat(w, eps), (below + equal / 2) / w.shape[1], 0.5)
    return np.where(np.isnan(w).any(axis=1), np.nan, share)


def thirds(rank_values: np.ndarray) -> np.ndarray:
    """0, 1, 2 by thirds of the rank."""
    return np.where(np.isnan(rank_values), np.nan, 0.0 + (rank_values >= 1 / 3) + (rank_values >= 2 / 3))


def where(condition: np.ndarray, known: np.ndarray) -> np.ndarray:
    """A flag, NULL where its source is."""
    return np.where(np.isnan(known), np.nan, condition.astype(np.float64))


def columns(close: np.ndarray, spread: np.ndarray, base: float, mid_offset: float) -> dict[str, np.ndarray]:
    """The 12 columns of closes and spreads in prices."""
    eps = EPS["idx"]
    spread = np.where(spread < 0, 0.0, spread)
    p = 100 * spread / base
    z20 = over(p, 20, lambda w: z(w, eps))
    sd20, sd30, sd120 = (over(p, n, lambda w: sd(w, eps)) for n in (20, 30, 120))
    return {
        "spread_level": p,
        "spread_pct": 100 * spread / (close + mid_offset * spread),
        "spread_z_20": z20,
        "spread_change_5": padded(p[5:] - p[:-5], len(p)),
        "spread_vol_30": sd30,
        "spread_mean_20": over(p, 20, lambda w: w.mean(axis=1)),
        "spread_max_20": over(p, 20, lambda w: w.max(axis=1)),
        "spread_spike_flag": where(z20 > 2, z20),
        "spread_compression_flag": where(sd20 < 0.5 * sd120, sd120),
        "spread_trend_20": over(p, 20, lambda w: line(w, eps)),
        "spread_regime": thirds(over(p, 1440, lambda w: rank(w, eps))),
        "spread_percentile_60": over(p, 60, lambda w: rank(w, eps)),
    }


def correlation(x: np.ndarray, y: np.ndarray, n: int, eps_x: float, eps_y: float) -> np.ndarray:
    """Pearson of the last n values of two series, 0 where one of them is flat."""
    if len(x) < n:
        return np.full(len(x), np.nan)
    u, v = deviations(cut(x, n)), deviations(cut(y, n))
    flat = is_flat(cut(x, n), eps_x) | is_flat(cut(y, n), eps_y)
    with np.errstate(all="ignore"):
        value = (u * v).sum(axis=1) / np.sqrt((u**2).sum(axis=1) * (v**2).sum(axis=1))
    missing = np.isnan(u).any(axis=1) | np.isnan(v).any(axis=1)
    return padded(np.where(missing, np.nan, zero_if(flat, np.clip(value, -1, 1))), len(x))
