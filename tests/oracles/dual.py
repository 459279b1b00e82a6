"""The rate index against BQX, window by window in extended precision."""

from __future__ import annotations

import numpy as np

from tests.oracles import regression, statistics
from tests.oracles.spread import correlation, rank, thirds, where
from tests.oracles.windows import EPS, cut, deviations, is_flat, over, padded, sd, zero_if

POINTS, BQX = EPS["idx"], EPS["bqx"]
TOLERANCE = 1e-9  # a value on the band, up to rounding, is not outside


def columns(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The 28 columns of the symbols of a pair."""
    S, b = at["S"], at["b"]
    dS, db = (np.concatenate([[np.nan], np.diff(x)]) for x in (S, b))
    r = np.concatenate([[np.nan], np.diff(np.log(S.astype(np.longdouble)))]).astype(np.float64)
    return (
        _regressions(S, b, dS, db)
        | _parabolas(S, b)
        | _moments(S, b)
        | _changes(r, db)
        | _bollinger(_bands(S, POINTS), _bands(b, BQX))
    )


def line(y: np.ndarray, x: np.ndarray, eps_y: float, eps_x: float) -> tuple[np.ndarray, np.ndarray]:
    """Slope of y on x over 30 rows, and the last residual in standard errors of the regression."""
    wy, wx = cut(y, 30), cut(x, 30)
    v, u = deviations(wy), deviations(wx)
    flat_y, flat_x = is_flat(wy, eps_y), is_flat(wx, eps_x)
    with np.errstate(all="ignore"):
        slope = zero_if(flat_x, (u * v).sum(axis=1) / (u * u).sum(axis=1))
        residuals = v - slope[:, None] * u
        error = np.sqrt((residuals**2).sum(axis=1) / 28)
        z = zero_if(flat_x | flat_y | (error <= eps_y), residuals[:, -1] / error)
    missing = np.isnan(u).any(axis=1) | np.isnan(v).any(axis=1)
    return tuple(padded(np.where(missing, np.nan, value), len(y)) for value in (slope, z))


def _regressions(S: np.ndarray, b: np.ndarray, dS: np.ndarray, db: np.ndarray) -> dict[str, np.ndarray]:
    beta, z = line(b, S, BQX, POINTS)
    back, back_z = line(dS, db, POINTS, BQX)
    r2 = correlation(S, b, 30, POINTS, BQX) ** 2
    return {
        "reg_rate_bqx_beta_30": beta,
        "reg_rate_bqx_r2_30": r2,
        "reg_rate_bqx_resid_z_30": z,
        "reg_bqx_rate_beta_30": back,
        "reg_bqx_rate_r2_30": correlation(dS, db, 30, POINTS, BQX) ** 2,
        "reg_bqx_rate_resid_z_30": back_z,
        "reg_coupling_15_60": correlation(S, b, 15, POINTS, BQX) - correlation(S, b, 60, POINTS, BQX),
        "reg_decoupling_flag": where(r2 < 0.25, r2),
    }


def _parabolas(S: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    rate, bqx = regression.fit(S, 30, POINTS), regression.fit(b, 30, BQX)
    return {
        f"{name}_diff_idx_bqx": rate[metric] - bqx[metric]
        for name, metric in (("a2", "a2_norm"), ("a1", "a1_norm"), ("b", "b_norm"), ("r2", "r2"))
    }


def _moments(S: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    out = {}
    for name, moment in (("skew", statistics.skewness), ("kurt", statistics.kurtosis)):
        rate, bqx = (
            over(x, 20, lambda w, eps=eps, moment=moment: zero_if(is_flat(w, eps), moment(w)))
            for x, eps in ((S, POINTS), (b, BQX))
        )
        out[f"{name}_diff_bqx_idx_20"] = bqx - rate
    return out


def _changes(r: np.ndarray, db: np.ndarray) -> dict[str, np.ndarray]:
    out = {}
    for n in (20, 60):
        out[f"var_ratio_bqx_idx_{n}"] = _logarithm(_sd(db, n) ** 2, 240 * _sd(r, n) ** 2, 10)
    out["vol_ratio_bqx_idx_30"] = _logarithm(_sd(db, 30), np.sqrt(240) * _sd(r, 30), 10)
    out["vol_diff_bqx_idx_30"] = 10_000 * (_sd(db, 30) / np.sqrt(240) - _sd(r, 30))
    for k in (0, 1, 5, 15):
        earlier = np.concatenate([np.full(k, np.nan), r[: len(r) - k]])
        out[f"xcorr_idx_bqx_lag_{k}"] = correlation(earlier, db, 60, BQX, BQX)
    return out


def _sd(x: np.ndarray, n: int) -> np.ndarray:
    return over(x, n, lambda w: sd(w, BQX))


def _logarithm(part: np.ndarray, whole: np.ndarray, limit: float) -> np.ndarray:
    with np.errstate(all="ignore"):
        value = np.clip(np.log(part) - np.log(whole), -limit, limit)
    return np.where(np.isnan(part + whole), np.nan, np.where((part == 0) | (whole == 0), 0.0, value))


def _bands(y: np.ndarray, eps: float) -> dict[str, np.ndarray]:
    """Percent of the band, width in sd_120, rank of the width, side, slope of the middle in sd0_20."""
    w = cut(y, 20)
    middle, sd0 = padded(w.mean(axis=1), len(y)), padded(sd(w, eps, ddof=0), len(y))
    flat, missing = padded(is_flat(w, eps), len(y)) == 1, np.isnan(sd0)
    with np.errstate(all="ignore"):
        percent = np.where(flat, 0.5, 0.5 + padded(deviations(w)[:, -1], len(y)) / sd0 / 4)
        moved = np.concatenate([np.full(5, np.nan), middle[5:] - middle[:-5]])
        slope = np.where(flat & ~np.isnan(moved), 0.0, moved / (5 * sd0))
    width = 4 * sd0 / np.maximum(over(y, 120, lambda v: sd(v, eps)), eps)
    side = 1.0 * (percent > 1 + TOLERANCE) - 1.0 * (percent < -TOLERANCE)
    return {
        "percent": np.where(missing, np.nan, percent),
        "width": width,
        "squeeze": over(width, 120, lambda v: rank(v, eps)),
        "side": np.where(missing, np.nan, side),
        "slope": slope,
    }


def _bollinger(rate: dict[str, np.ndarray], bqx: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    apart = {name: bqx[name] - rate[name] for name in rate}
    return {
        "bb_z_diff_bqx_idx_20": apart["percent"],
        "bb_bandwidth_ratio_20": _logarithm(bqx["width"], rate["width"], 5),
        "bb_compression_diff_20": apart["squeeze"],
        "bb_breakout_divergence": apart["side"],
        "bb_slope_diff_20": apart["slope"],
        "bb_regime_mismatch_flag": where(thirds(bqx["squeeze"]) != thirds(rate["squeeze"]), apart["squeeze"]),
    }
