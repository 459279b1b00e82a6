"""Volume, and what price and BQX do while there is much of it: volume_idx, volume_bqx."""

from __future__ import annotations

import numpy as np

from include.features.arrays import EPS, Columns, Floats, lagged, ratio
from include.features.flags import choice, flag
from include.features.kernels import rolling, trend, weighted
from include.features.kernels.extremes import still
from include.features.kernels.pairwise import correlation
from include.features.kernels.rolling import Level
from include.features.series import Series

__all__ = ["compute"]

SHORT, LONG = 20, 60
SPIKE = 2.0  # sd above the mean
LARGE = 1.0  # sd from which a volume or a BQX is large

TICKS, RETURN, BQX = EPS["idx"], EPS["bqx"], EPS["bqx"]  # smallest amounts that count


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 11.2 and 11.3.

    Where a bar has no volume, every window that holds it is NULL.
    """
    return _alone(series) if domain == "idx" else _against_bqx(series)


def _alone(series: Series) -> Columns:
    V = series.V
    flat = still(V, SHORT, TICKS) >= SHORT
    mean, sd, z = rolling.level(V, SHORT, flat)
    return {
        "volume_level": V.copy(),
        "volume_sma_20": mean,
        "volume_std_20": sd,
        "volume_z_20": z,
        "volume_spike_flag": flag(z > SPIKE, z),
        "volume_change_5": np.log((V + 1.0) / (lagged(V, 5) + 1.0)),
        "volume_trend_20": trend.slope(V, SHORT, flat) / (mean + 1.0),
        "volume_regime": choice(z <= -LARGE, 0.0, np.where(z >= LARGE, 2.0, 1.0), z),
        "vol_price_corr_20": correlation(V, series.S, SHORT, TICKS, EPS["idx"]),
        "vol_return_corr_20": correlation(V, np.abs(series.r), SHORT, TICKS, RETURN),
        **_by_volume(series),
        "trade_count_20": weighted.total(flag((V > 0) & ~series.is_filled, V), SHORT),
    }


def _by_volume(series: Series) -> Columns:
    """Means over the last 20 rows in which every row counts as often as it has ticks."""
    V, r, S = series.V, series.r, series.S
    typical = (series.H + series.L + S) / 3.0
    plain = rolling.level(typical, SHORT, still(typical, SHORT, EPS["idx"]) >= SHORT).mean
    nothing = np.zeros_like(V)
    return {
        "vol_weighted_price_20": _weighted_mean(typical, V, plain),
        "uptick_ratio_20": _weighted_mean(flag(r > RETURN, r), V, nothing),
        "downtick_ratio_20": _weighted_mean(flag(r < -RETURN, r), V, nothing),
        "net_flow_20": 1e4 * _weighted_mean(r, V, nothing),
    }


def _weighted_mean(x: Floats, weight: Floats, otherwise: Floats) -> Floats:
    """sum_20(weight*x)/sum_20(weight), and ``otherwise`` where the weights are all 0."""
    tilt, total = weighted.tilt(x, weight, SHORT), weighted.total(weight, SHORT)
    none = total <= TICKS
    return choice(none, otherwise, x + ratio(tilt, total, flat=none), tilt)


def _against_bqx(series: Series) -> Columns:
    V, b = series.V, series.b
    volume, long_volume = _levels(V, TICKS)
    bqx, long_bqx = _levels(b, BQX)
    size, z = np.abs(bqx.z), volume.z
    return {
        "vol_bqx_corr_20": correlation(V, np.abs(b), SHORT, TICKS, BQX),
        "vol_bqx_corr_60": correlation(V, np.abs(b), LONG, TICKS, BQX),
        "vol_during_bqx_surge": _during(flag(long_bqx.z > LARGE, long_bqx.z), V, long_volume.mean),
        "vol_during_bqx_drop": _during(flag(long_bqx.z < -LARGE, long_bqx.z), V, long_volume.mean),
        "bqx_per_volume_20": (b - lagged(b, SHORT)) / (volume.mean + 1.0),
        "volume_confirms_bqx_flag": flag((size > LARGE) & (z > 0), size, z),
        "volume_diverges_bqx_flag": flag((size > LARGE) & (z < 0), size, z),
        "high_vol_high_bqx_flag": flag((size > LARGE) & (z > LARGE), size, z),
    }


def _levels(x: Floats, eps: float) -> tuple[Level, Level]:
    unmoved = still(x, LONG, eps)
    return rolling.level(x, SHORT, unmoved >= SHORT), rolling.level(x, LONG, unmoved >= LONG)


def _during(event: Floats, V: Floats, mean: Floats) -> Floats:
    """Mean volume in those of the last 60 rows in which the event was, over that of all plus 1."""
    number = weighted.total(event, LONG)
    return ratio(weighted.total(V * event, LONG), number, flat=number == 0) / (mean + 1.0)
