"""Columns of 5 and 15 minutes: the bars are picked out of a dictionary of minutes, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tests.oracles.spread import correlation, line, rank, thirds
from tests.oracles.technical import ema, rsi, true_range, wilder
from tests.oracles.windows import EPS, deviations, is_flat, over, padded, sd

POINTS, RETURN = EPS["idx"], EPS["bqx"]


class Block(NamedTuple):
    """A complete bar of several minutes."""

    end: int  # its last minute
    S: float
    H: float
    L: float
    b: float
    V: float
    p: float


def blocks(symbols: Mapping[str, np.ndarray], k: int) -> list[Block]:
    """All complete bars: every one of their minutes is a row."""
    row = {minute: number for number, minute in enumerate(symbols["ts"].tolist())}
    if not row:
        return []
    found = []
    for start in range(min(row) // k * k, max(row) + 1, k):
        rows = [row.get(minute) for minute in range(start, start + k)]
        if None not in rows:
            last = rows[-1]
            found.append(
                Block(
                    end=start + k - 1,
                    S=symbols["S"][last],
                    H=max(symbols["H"][rows]),
                    L=min(symbols["L"][rows]),
                    b=symbols["b"][last],
                    V=sum(symbols["V"][rows]),
                    p=sum(symbols["p"][rows]) / k,
                )
            )
    return found


def visible(minutes: np.ndarray, bars: list[Block], values: np.ndarray) -> np.ndarray:
    """For every row the value of the newest bar that has ended, its own minute included."""
    out, newest = [], -1
    for minute in minutes.tolist():
        while newest + 1 < len(bars) and bars[newest + 1].end <= minute:
            newest += 1
        out.append(values[newest] if newest >= 0 else np.nan)
    return np.array(out, np.float64)


def returns(S: np.ndarray) -> np.ndarray:
    """Log returns from bar to bar."""
    return padded(np.diff(np.log(S.astype(np.longdouble))), len(S)) if len(S) else S.astype(np.float64)


def mean(x: np.ndarray, n: int) -> np.ndarray:
    return over(x, n, lambda w: w.mean(axis=1))


def spread_of(x: np.ndarray, n: int, eps: float) -> np.ndarray:
    return over(x, n, lambda w: sd(w, eps))


def trend(S: np.ndarray, n: int) -> np.ndarray:
    """Sign of the slope, times 2, 1 or 0 by the share of the variance that the line explains."""

    def regime(w: np.ndarray) -> np.ndarray:
        t = np.arange(n, dtype=np.longdouble) - (n - 1) / 2
        u, flat = deviations(w), is_flat(w, POINTS)
        with np.errstate(all="ignore"):
            Q = np.where(flat, 0, (u * t).sum(axis=1) ** 2 / ((u * u).sum(axis=1) * (t * t).sum()))
        slope = line(w, POINTS)
        sign = np.where(np.abs(slope) <= POINTS, 0, np.sign(slope))
        return sign * ((Q >= 0.8 - 1e-9) * 1 + (Q >= 0.5 - 1e-9) * 1)

    return over(S, n, regime)


def log_ratio(part: np.ndarray, whole: np.ndarray, limit: float) -> np.ndarray:
    """Clipped logarithm of a ratio of variances or sds, 0 where one of them is 0."""
    with np.errstate(all="ignore"):
        value = np.clip(np.log(part / whole), -limit, limit)
    value = np.where((part == 0) | (whole == 0), 0.0, value)
    return np.where(np.isnan(part) | np.isnan(whole), np.nan, value)


def jump_count(r: np.ndarray) -> np.ndarray:
    """Returns beyond 2.5 sd of the 60 before them, in the last 12."""
    sg = np.full(len(r), np.nan)
    sg[1:] = spread_of(r, 60, RETURN)[:-1]
    jump = np.where(np.isnan(sg) | np.isnan(r), np.nan, (sg > RETURN) & (np.abs(r) > 2.5 * sg))
    return over(jump, 12, lambda w: w.sum(axis=1))


def macd(S: np.ndarray) -> np.ndarray:
    """EMA_12 - EMA_26; the first of 26 closes is where it begins to count."""
    fast, slow = (np.array(ema(S.tolist(), n), np.float64) for n in (12, 26))
    return np.where(np.arange(len(S)) < 25, np.nan, fast - slow)


def known(values) -> np.ndarray:
    return np.array(values, np.float64)


def columns(symbols: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The 30 columns from ts, S, H, L, b, V, p of the grid rows."""
    ts, S = symbols["ts"], symbols["S"]
    out: dict[str, np.ndarray] = {}
    trends = {1: trend(S, 20)}
    for k, of in ((5, of_five), (15, of_fifteen)):
        bars = blocks(symbols, k)
        values = {name: np.array([getattr(bar, name) for bar in bars]) for name in Block._fields}
        out |= {name: visible(ts, bars, column) for name, column in of(values).items()}
        trends[k] = visible(ts, bars, trend(values["S"], 12))
    out["trend_regime_5m"] = trends[5]
    five, fifteen = out["rate_idx_5m_sma_10"], out["rate_idx_15m_sma_8"]
    signs = np.sign([trends[1], trends[5], trends[15]])
    unknown = np.isnan(signs).any(axis=0)
    same, both = np.abs(signs.sum(axis=0)) == 3, (signs.max(axis=0) == 1) & (signs.min(axis=0) == -1)
    five_known = np.isnan(trends[5]) | np.isnan(trends[15])
    return out | {
        "sma_1m_vs_5m_ratio": 1e4 * (mean(S, 10) / five - 1),
        "vol_1m_vs_5m_ratio": log_ratio(
            np.sqrt(5) * spread_of(returns(S), 20, RETURN), out["rate_idx_5m_vol_20"], 5
        ),
        "sma_5m_vs_15m_ratio": 1e4 * (five / fifteen - 1),
        "trend_5m_vs_15m_agreement": np.where(five_known, np.nan, signs[1] == signs[2]),
        "scale_cascade_aligned": np.where(unknown, np.nan, same),
        "scale_cascade_diverged": np.where(unknown, np.nan, both),
    }


def of_five(bar: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One value per 5-minute bar."""
    S, r = bar["S"], returns(bar["S"])
    d = padded(np.diff(bar["b"]), len(r)) if len(r) else r
    vol, bqx_vol = spread_of(r, 20, RETURN), spread_of(d, 20, RETURN)
    ranges = true_range(bar["H"].tolist(), bar["L"].tolist(), S.tolist()) if len(S) else []
    return {
        "rate_idx_5m_sma_10": mean(S, 10),
        "rate_idx_5m_vol_20": vol,
        "bqx_5m_sma_10": mean(bar["b"], 10),
        "bqx_5m_vol_20": bqx_vol,
        **{f"return_5m_lag_{k}": padded(r[: max(len(r) - k + 1, 0)], len(r)) for k in (1, 2, 3, 5)},
        "rsi_5m_14": known(rsi(S.tolist(), 14, POINTS)) if len(S) else S,
        "macd_5m": macd(S),
        "atr_5m_14": known(wilder(ranges, 14)),
        "var_ratio_5m_bqx_idx": log_ratio(bqx_vol**2, 232 * vol**2, 10),
        "xcorr_5m_idx_bqx": correlation(r, d, 20, RETURN, RETURN),
        "volume_5m_sma_10": mean(bar["V"], 10),
        "spread_5m_mean_10": mean(bar["p"], 10),
        "vol_regime_5m": thirds(over(vol, 288, lambda w: rank(w, RETURN))),
        "jump_count_5m_12": jump_count(r),
    }


def of_fifteen(bar: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """One value per 15-minute bar."""
    S, r = bar["S"], returns(bar["S"])
    d = padded(np.diff(bar["b"]), len(r)) if len(r) else r
    return {
        "rate_idx_15m_sma_8": mean(S, 8),
        "bqx_15m_sma_8": mean(bar["b"], 8),
        "rate_idx_15m_vol_12": spread_of(r, 12, RETURN),
        "bqx_15m_vol_12": spread_of(d, 12, RETURN),
        "rsi_15m_14": known(rsi(S.tolist(), 14, POINTS)) if len(S) else S,
        "macd_15m": macd(S),
    }
