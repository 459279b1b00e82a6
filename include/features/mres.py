"""The same indicators on bars of 1, 5 and 15 minutes: mres."""

from __future__ import annotations

import math

import numpy as np

from include.features.arrays import EPS, Columns, Floats, lagged, ratio
from include.features.flags import choice, flag, tercile
from include.features.kernels import recursive, rolling, weighted
from include.features.kernels.extremes import still
from include.features.kernels.pairwise import correlation
from include.features.kernels.rank import mid_rank
from include.features.regimes import jumps, trend_regime
from include.features.resample import Resampled, resample
from include.features.series import Series

__all__ = ["WARM_BARS", "compute"]

POINTS, RETURN, BQX = EPS["idx"], EPS["bqx"], EPS["bqx"]  # smallest amounts that count

# Complete bars of 5 and of 15 minutes in front of a chunk: after them an EMA_26 has forgotten its start.
WARM_BARS = 450

FAST, SLOW, SIGNAL = 12, 26, 9  # bars of the MACD
WILDER = 14  # bars of RSI and ATR
TREND = 12  # closes of a trend regime
DAY = 288  # bars of 5 minutes
WALK = 1160 / 5  # var(d5)/var(r5) on a random walk
JUMP = 2.5  # sd


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 13.

    A row has the value of the newest bar that is complete and over, however old. What is NULL follows
    from the number of such bars, so a value may come up to k-1 rows before the catalogue's ``min``,
    and up to 2*(k-1) rows after it for every break in between.
    """
    five, fifteen = resample(series, 5), resample(series, 15)
    columns = {name: five.at_rows(values) for name, values in _of_five(five).items()}
    columns |= {name: fifteen.at_rows(values) for name, values in _of_fifteen(fifteen).items()}
    trends = (
        trend_regime(series.S, 20),
        columns["trend_regime_5m"],
        fifteen.at_rows(trend_regime(fifteen.S, TREND)),
    )
    return columns | _levels_compared(series, columns) | _vols_compared(series, columns) | _cascade(*trends)


def _of_five(bars: Resampled) -> Columns:
    """Columns of one value per 5-minute bar."""
    vol, bqx_vol = _sd(bars.r, 20, RETURN), _sd(bars.db, 20, BQX)
    atr = recursive.directional(bars.H, bars.L, bars.S, WILDER, POINTS).atr
    lags = {f"return_5m_lag_{k}": lagged(bars.r, k - 1) for k in (1, 2, 3, 5)}
    return {
        "rate_idx_5m_sma_10": rolling.mean(bars.S, 10),
        "rate_idx_5m_vol_20": vol,
        "bqx_5m_sma_10": rolling.mean(bars.b, 10),
        "bqx_5m_vol_20": bqx_vol,
        **lags,
        "rsi_5m_14": recursive.rsi(bars.S, WILDER, POINTS),
        "macd_5m": _macd(bars.S),
        "atr_5m_14": atr,
        "var_ratio_5m_bqx_idx": _log_ratio(bqx_vol, vol, power=2.0, expected=WALK, limit=10.0),
        "xcorr_5m_idx_bqx": correlation(bars.r, bars.db, 20, RETURN, BQX),
        "volume_5m_sma_10": rolling.mean(bars.V, 10),
        "spread_5m_mean_10": rolling.mean(bars.p, 10),
        "vol_regime_5m": tercile(mid_rank(vol, DAY, RETURN)),
        "trend_regime_5m": trend_regime(bars.S, TREND),
        "jump_count_5m_12": weighted.total(jumps(bars.r, JUMP), 12),
    }


def _of_fifteen(bars: Resampled) -> Columns:
    """Columns of one value per 15-minute bar."""
    return {
        "rate_idx_15m_sma_8": rolling.mean(bars.S, 8),
        "bqx_15m_sma_8": rolling.mean(bars.b, 8),
        "rate_idx_15m_vol_12": _sd(bars.r, 12, RETURN),
        "bqx_15m_vol_12": _sd(bars.db, 12, BQX),
        "rsi_15m_14": recursive.rsi(bars.S, WILDER, POINTS),
        "macd_15m": _macd(bars.S),
    }


def _macd(S: Floats) -> Floats:
    """EMA_12 - EMA_26 of the closes, hidden until there are 26 of them."""
    line = recursive.macd(S, FAST, SLOW, SIGNAL)[0]
    line[: SLOW - 1] = np.nan
    return line


def _levels_compared(series: Series, columns: Columns) -> Columns:
    """Means over 10, about 50 and about 120 minutes against each other, in bps."""
    one, five = rolling.mean(series.S, 10), columns["rate_idx_5m_sma_10"]
    fifteen = columns["rate_idx_15m_sma_8"]
    return {
        "sma_1m_vs_5m_ratio": 1e4 * ((one - five) / five),
        "sma_5m_vs_15m_ratio": 1e4 * ((five - fifteen) / fifteen),
    }


def _vols_compared(series: Series, columns: Columns) -> Columns:
    """Volatility of one minute, scaled to five, against that of five minutes."""
    one, five = _sd(series.r, 20, RETURN), columns["rate_idx_5m_vol_20"]
    return {"vol_1m_vs_5m_ratio": _log_ratio(one, five, power=1.0, expected=math.sqrt(1 / 5), limit=5.0)}


def _cascade(one: Floats, five: Floats, fifteen: Floats) -> Columns:
    """Whether the trends of three resolutions go the same way."""
    signs = [np.sign(trend) for trend in (one, five, fifteen)]
    total = sum(signs, start=np.zeros_like(one))
    up, down = (np.any([s == way for s in signs], axis=0) for way in (1.0, -1.0))
    return {
        "trend_5m_vs_15m_agreement": flag(signs[1] == signs[2], five, fifteen),
        "scale_cascade_aligned": flag(np.abs(total) == len(signs), *signs),
        "scale_cascade_diverged": flag(up & down, *signs),
    }


def _log_ratio(part: Floats, whole: Floats, *, power: float, expected: float, limit: float) -> Floats:
    """clip(ln((part/whole)^power/expected)) of two sds; 0 where one of their windows is flat."""
    flat = (part == 0) | (whole == 0)
    value = power * np.log(ratio(part, whole, flat=flat, neutral=1.0)) - math.log(expected)
    return choice(flat, 0.0, np.clip(value, -limit, limit), part, whole)


def _sd(x: Floats, n: int, eps: float) -> Floats:
    return rolling.sd(x, n, still(x, n, eps) >= n)
