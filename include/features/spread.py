"""Spread, its level and its moments over short windows: spread_idx."""

from __future__ import annotations

from include.features.arrays import EPS, Columns, lagged
from include.features.flags import flag, tercile
from include.features.kernels import rolling, trend
from include.features.kernels.extremes import extremes, still
from include.features.kernels.rank import mid_rank
from include.features.series import Series

__all__ = ["compute"]

SPIKE = 2.0  # sd above the mean
QUIET = 0.5  # share of the long sd below which the short one is a compression


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 11.1.

    Where a bar has no spread, every window that holds it is NULL. The mid of a quote lies half a
    spread above the bid: ``mid_offset`` of the series says how many spreads above the close it is.
    """
    p, eps = series.p, EPS["idx"]
    unmoved = still(p, 120, eps)
    mean, sd, z = rolling.level(p, 20, unmoved >= 20)
    long = rolling.sd(p, 120, unmoved >= 120)
    return {
        "spread_level": p.copy(),
        "spread_pct": 100.0 * p / (series.S + series.mid_offset * p),
        "spread_z_20": z,
        "spread_change_5": p - lagged(p, 5),
        "spread_vol_30": rolling.sd(p, 30, unmoved >= 30),
        "spread_mean_20": mean,
        "spread_max_20": extremes(p, p, (20,))[20].high,
        "spread_spike_flag": flag(z > SPIKE, z),
        "spread_compression_flag": flag(sd < QUIET * long, long),
        "spread_trend_20": trend.slope(p, 20, unmoved >= 20),
        "spread_regime": tercile(mid_rank(p, 1440, eps)),
        "spread_percentile_60": mid_rank(p, 60, eps),
    }
