"""Volume columns, row by row."""

from __future__ import annotations

import numpy as np

from tests.oracles.spread import correlation, line, where, z
from tests.oracles.windows import EPS, over, padded, sd

RETURN = EPS["bqx"]


def of_index(
    V: np.ndarray, S: np.ndarray, H: np.ndarray, L: np.ndarray, is_filled: np.ndarray
) -> dict[str, np.ndarray]:
    """The 15 columns of volume_idx."""
    ticks = EPS["idx"]
    r = padded(np.diff(np.log(S.astype(np.longdouble))), len(S))
    mean = over(V, 20, lambda w: w.mean(axis=1))
    z20 = over(V, 20, lambda w: z(w, ticks))
    regime = np.where(z20 <= -1, 0.0, np.where(z20 >= 1, 2.0, 1.0))
    return {
        "volume_level": V,
        "volume_sma_20": mean,
        "volume_std_20": over(V, 20, lambda w: sd(w, ticks)),
        "volume_z_20": z20,
        "volume_spike_flag": where(z20 > 2, z20),
        "volume_change_5": padded(np.log1p(V[5:]) - np.log1p(V[:-5]), len(V)),
        "volume_trend_20": over(V, 20, lambda w: line(w, ticks)) / (mean + 1),
        "volume_regime": np.where(np.isnan(z20), np.nan, regime),
        "vol_price_corr_20": correlation(V, S, 20, ticks, EPS["idx"]),
        "vol_return_corr_20": correlation(V, np.abs(r), 20, ticks, RETURN),
        **_weighted(V, S, H, L, r),
        "trade_count_20": _count(V, is_filled),
    }


def _weighted(
    V: np.ndarray, S: np.ndarray, H: np.ndarray, L: np.ndarray, r: np.ndarray
) -> dict[str, np.ndarray]:
    names = ("vol_weighted_price_20", "uptick_ratio_20", "downtick_ratio_20", "net_flow_20")
    out = {name: np.full(len(V), np.nan) for name in names}
    typical = (H.astype(np.longdouble) + L + S) / 3
    for t in range(19, len(V)):
        v, price, change = (x[t - 19 : t + 1].astype(np.longdouble) for x in (V, typical, r))
        if np.isnan(v).any():
            continue
        weights = v if v.sum() > 0 else np.ones(20, np.longdouble)
        out["vol_weighted_price_20"][t] = (weights * price).sum() / weights.sum()
        if np.isnan(change).any():
            continue
        total = v.sum() if v.sum() > 0 else np.inf
        out["uptick_ratio_20"][t] = v[change > RETURN].sum() / total
        out["downtick_ratio_20"][t] = v[change < -RETURN].sum() / total
        out["net_flow_20"][t] = 10_000 * (change * v).sum() / total
    return out


def _count(V: np.ndarray, is_filled: np.ndarray) -> np.ndarray:
    out = np.full(len(V), np.nan)
    for t in range(19, len(V)):
        rows = range(t - 19, t + 1)
        if not np.isnan(V[t - 19 : t + 1]).any():
            out[t] = sum(1 for i in rows if V[i] > 0 and not is_filled[i])
    return out


def of_bqx(V: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """The 8 columns of volume_bqx."""
    ticks, eps = EPS["idx"], EPS["bqx"]
    zv, zb = over(V, 20, lambda w: z(w, ticks)), over(b, 20, lambda w: z(w, eps))
    z60 = over(b, 60, lambda w: z(w, eps))
    known, large = zv + zb, np.abs(zb) > 1
    mean = over(V, 20, lambda w: w.mean(axis=1))
    return {
        "vol_bqx_corr_20": correlation(V, np.abs(b), 20, ticks, eps),
        "vol_bqx_corr_60": correlation(V, np.abs(b), 60, ticks, eps),
        "vol_during_bqx_surge": _during(V, z60, lambda value: value > 1),
        "vol_during_bqx_drop": _during(V, z60, lambda value: value < -1),
        "bqx_per_volume_20": padded(b[20:] - b[:-20], len(b)) / (mean + 1),
        "volume_confirms_bqx_flag": where(large & (zv > 0), known),
        "volume_diverges_bqx_flag": where(large & (zv < 0), known),
        "high_vol_high_bqx_flag": where(large & (zv > 1), known),
    }


def _during(V: np.ndarray, z60: np.ndarray, chosen) -> np.ndarray:
    out = np.full(len(V), np.nan)
    for t in range(59, len(V)):
        v, scores = V[t - 59 : t + 1], z60[t - 59 : t + 1]
        if np.isnan(v).any() or np.isnan(scores).any():
            continue
        inside = v[chosen(scores)]
        out[t] = (inside.mean() if inside.size else 0.0) / (v.mean() + 1)
    return out
