"""Jumps, volatility regimes and trend regimes of the rate index: event."""

from __future__ import annotations

import numpy as np

from include.features.arrays import EPS, Columns, Flags, Floats, in_units_of, lagged, ratio
from include.features.flags import choice, flag, sign, tercile
from include.features.kernels import recursive, rolling, trend, weighted
from include.features.kernels.extremes import extremes, still
from include.features.kernels.pairwise import correlation
from include.features.kernels.rank import mid_rank
from include.features.regimes import TIE, clarity, jumps
from include.features.series import Series

__all__ = ["compute"]

RETURN, POINTS = EPS["bqx"], EPS["idx"]  # smallest amounts that count
DAY = 1440  # rows that a regime is ranked in
WINDOWS = (5, 20, 60, DAY)

JUMP, LARGE_JUMP = 2.5, 3.0  # sd of the 60 returns before
STEADY = 6  # rows over which a regime must not change
EXPANDED, COMPRESSED = 1.25, 0.75  # short sd over long sd
GARCH = (0.01, 0.05, 0.94)  # share of the long variance, of the new square, of what was expected
WEAK = 0.3  # R2 of a line that goes nowhere


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 12."""
    unmoved = still(series.r, DAY, RETURN)
    v = {n: rolling.sd(series.r, n, unmoved >= n) for n in WINDOWS}
    regime = {n: tercile(mid_rank(v[n], DAY, RETURN)) for n in (20, 60)}
    return {
        **_jumps(series.r, v),
        **_volatility(series.r, v),
        **{f"vol_regime_{n}": values for n, values in regime.items()},
        "vol_regime_transition": _changed(regime[20], STEADY),
        **_trend(series, v[60], regime[20]),
    }


def _jumps(r: Floats, v: dict[int, Floats]) -> Columns:
    before = lagged(v[60], 1)  # without the current return
    jump, large = (jumps(r, k) for k in (JUMP, LARGE_JUMP))
    recent = weighted.total(jump, 20)
    after = in_units_of(v[20], v[5], RETURN, flat=v[5] == 0)
    return {
        "jump_flag_2_5_sigma": jump,
        "jump_flag_3_sigma": large,
        "jump_count_20": recent,
        "jump_count_60": weighted.total(jump, 60),
        "time_since_last_jump": _since(jump, DAY),
        "jump_direction": sign(r, RETURN) * jump,
        "jump_magnitude_z": choice(jump == 1, ratio(r, before, flat=before == 0), 0.0, jump),
        "post_jump_decay_20": choice(recent > 0, after, 1.0, recent, v[20]),
    }


def _since(event: Floats, limit: int) -> Floats:
    """Rows since the last event, at most ``limit``, which is also the value before the first one.

    Rows before the first known one count as rows without an event. A later one that is NULL hides
    whether there was one, until the next event, or until ``limit`` rows have passed.
    """
    row, unknown = np.arange(event.size), np.isnan(event)
    begun = np.logical_or.accumulate(~unknown)

    def age(happened: Flags) -> Floats:
        last = np.maximum.accumulate(np.where(happened, row, -limit))
        return np.minimum(row - last, limit).astype(np.float64)

    since, hidden = age(event == 1), age(unknown & begun)
    return choice(~begun | ((hidden <= since) & (hidden < limit)), np.nan, since)


def _changed(regime: Floats, rows: int) -> Floats:
    extent = extremes(regime, regime, (rows,))[rows].extent
    return flag(extent > 0, extent)


def _volatility(r: Floats, v: dict[int, Floats]) -> Columns:
    squares = r * r
    return {
        "vol_z_score_20": rolling.level(v[20], 120, still(v[20], 120, RETURN) >= 120).z,
        "vol_percentile_100": mid_rank(v[20], 100, RETURN),
        "vol_acceleration_20": (v[20] - lagged(v[20], 5)) / np.maximum(v[60], RETURN),
        "vol_expansion_flag": flag(v[20] > EXPANDED * v[60], v[60]),
        "vol_compression_flag": flag(v[20] < COMPRESSED * v[60], v[60]),
        "ewma_vol_30": np.sqrt(recursive.ema(squares, 30)),
        "garch_vol_estimate": np.sqrt(recursive.reverting(squares, v[DAY] ** 2, GARCH)),
    }


def _trend(series: Series, v: Floats, regime: Floats) -> Columns:
    S, view = series.S, series.view("idx")
    slope = {n: trend.slope(S, n, view.flat(n)) for n in (5, 10, 20, 60)}
    time = np.arange(S.size, dtype=np.float64)
    r2 = {n: correlation(S, time, n, POINTS, POINTS) ** 2 for n in (20, 60)}
    way = {n: sign(slope[n], POINTS) for n in (5, 10, 20, 60)}
    back = lagged(way[20], 10)
    columns = {f"trend_strength_{n}": values for n, values in r2.items()}
    columns |= {f"trend_regime_{n}": way[n] * clarity(r2[n]) for n in r2}
    return columns | {
        "trend_consistency_20": (way[5] + way[10] + way[20]) / 3.0,
        "trend_reversal_flag": flag(way[20] * back < 0, way[20], back),
        "trend_acceleration_20": (slope[20] - lagged(slope[20], 5)) / np.maximum(S * v, POINTS),
        "sideways_flag_20": flag((r2[20] < WEAK - TIE) & (regime == 0), r2[20], regime),
    }
