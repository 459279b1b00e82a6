"""Jumps, volatility and trend regimes, bar by bar."""

from __future__ import annotations

import math

import numpy as np

from tests.oracles.spread import line, rank, thirds, where, z
from tests.oracles.technical import ema
from tests.oracles.windows import EPS, deviations, is_flat, over, sd, zero_if

POINTS, RETURN = EPS["idx"], EPS["bqx"]
TOLERANCE = 1e-9  # an R2 on a threshold, up to rounding, has reached it


def columns(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The 26 columns of the symbols of a pair."""
    S = at["S"]
    r = np.concatenate([[np.nan], np.diff(np.log(S.astype(np.longdouble)))]).astype(np.float64)
    v = {n: over(r, n, lambda w: sd(w, RETURN)) for n in (5, 20, 60)}
    regime = {n: thirds(over(v[n], 1440, lambda w: rank(w, RETURN))) for n in (20, 60)}
    return (
        _jumps(r, v)
        | _volatility(r, v)
        | {f"vol_regime_{n}": values for n, values in regime.items()}
        | {"vol_regime_transition": _transition(regime[20])}
        | _trend(S, v, regime[20])
    )


def _jumps(r: np.ndarray, v: dict[int, np.ndarray]) -> dict[str, np.ndarray]:
    names = (
        "jump_flag_2_5_sigma", "jump_flag_3_sigma", "jump_count_20", "jump_count_60", "time_since_last_jump",
        "jump_direction", "jump_magnitude_z", "post_jump_decay_20",
    )  # fmt: skip
    out = {name: np.full(len(r), np.nan) for name in names}
    J: list[float] = []
    for t in range(len(r)):
        sg = v[60][t - 1] if t else math.nan
        if math.isnan(sg + r[t]):
            J.append(math.nan)
            continue
        z_now = abs(r[t]) / sg if sg > 1e-12 else 0.0
        J.append(1.0 if z_now > 2.5 else 0.0)
        out["jump_flag_2_5_sigma"][t] = J[t]
        out["jump_flag_3_sigma"][t] = 1.0 if z_now > 3 else 0.0
        out["jump_direction"][t] = math.copysign(J[t], r[t])
        out["jump_magnitude_z"][t] = r[t] / sg if J[t] else 0.0
        out["time_since_last_jump"][t] = next((d for d in range(min(1440, t + 1)) if J[t - d] == 1), 1440)
        for n in (20, 60):
            out[f"jump_count_{n}"][t] = sum(J[t - n + 1 :]) if t >= n - 1 else math.nan
        recent = out["jump_count_20"][t]
        if recent > 0:
            out["post_jump_decay_20"][t] = v[5][t] / max(v[20][t], 1e-12)
        elif recent == 0:
            out["post_jump_decay_20"][t] = 1.0
    return out


def _volatility(r: np.ndarray, v: dict[int, np.ndarray]) -> dict[str, np.ndarray]:
    before = np.concatenate([np.full(5, np.nan), v[20][:-5]])
    squares = [None if math.isnan(value) else value * value for value in r.tolist()]
    return {
        "vol_z_score_20": over(v[20], 120, lambda w: z(w, RETURN)),
        "vol_percentile_100": over(v[20], 100, lambda w: rank(w, RETURN)),
        "vol_acceleration_20": (v[20] - before) / np.where(v[60] > 1e-12, v[60], 1e-12),
        "vol_expansion_flag": where(v[20] > 1.25 * v[60], v[60]),
        "vol_compression_flag": where(v[20] < 0.75 * v[60], v[60]),
        "ewma_vol_30": np.sqrt(np.array(ema(squares, 30), np.float64)),
        "garch_vol_estimate": _garch(r),
    }


def _garch(r: np.ndarray) -> np.ndarray:
    out, h = np.full(len(r), np.nan), math.nan
    for t in range(1440, len(r)):
        window = r[t - 1439 : t + 1].astype(np.longdouble)
        moves = window.max() - window.min() > RETURN
        long_run = float(((window - window.mean()) ** 2).sum() / 1439) if moves else 0.0
        h = long_run if math.isnan(h) else h
        h = 0.01 * long_run + 0.05 * r[t] ** 2 + 0.94 * h
        out[t] = math.sqrt(h)
    return out


def _transition(regime: np.ndarray) -> np.ndarray:
    out = np.full(len(regime), np.nan)
    for t in range(5, len(regime)):
        last_six = regime[t - 5 : t + 1].tolist()
        if not any(math.isnan(value) for value in last_six):
            out[t] = float(len(set(last_six)) > 1)
    return out


def _trend(S: np.ndarray, v: dict[int, np.ndarray], regime: np.ndarray) -> dict[str, np.ndarray]:
    k = {n: over(S, n, lambda w: line(w, POINTS)) for n in (5, 10, 20, 60)}
    Q = {n: over(S, n, explained) for n in (20, 60)}
    way = {n: np.where(np.isnan(x), np.nan, 1.0 * (x > 1e-9) - 1.0 * (x < -1e-9)) for n, x in k.items()}
    before, way_before = (
        np.concatenate([np.full(lag, np.nan), x[: len(x) - lag]]) for x, lag in ((k[20], 5), (way[20], 10))
    )
    out = {f"trend_strength_{n}": Q[n] for n in Q}
    for n in Q:
        size = 1.0 * (Q[n] >= 0.5 - TOLERANCE) + 1.0 * (Q[n] >= 0.8 - TOLERANCE)
        out[f"trend_regime_{n}"] = way[n] * size
    return out | {
        "trend_consistency_20": (way[5] + way[10] + way[20]) / 3,
        "trend_reversal_flag": where((way[20] == -way_before) & (way[20] != 0), way[20] + way_before),
        "trend_acceleration_20": (k[20] - before) / np.maximum(S * v[60], 1e-9),
        "sideways_flag_20": where((Q[20] < 0.3 - TOLERANCE) & (regime == 0), Q[20] + regime),
    }


def explained(w: np.ndarray) -> np.ndarray:
    """R2 of the least-squares line, from its residuals."""
    n = w.shape[1]
    x = np.arange(n, dtype=np.longdouble) - np.longdouble(n - 1) / 2
    d = deviations(w)
    slope = (d * x).sum(axis=1) / (x * x).sum()
    with np.errstate(all="ignore"):
        r2 = 1 - ((d - slope[:, None] * x) ** 2).sum(axis=1) / (d * d).sum(axis=1)
    return zero_if(is_flat(w, POINTS), np.clip(r2, 0, 1))
