"""Quadratic regressions of the level over six windows, and their differences: reg_idx, reg_bqx."""

from __future__ import annotations

import math

import numpy as np

from include.features.arrays import Columns, Floats, ratio
from include.features.kernels import rolling
from include.features.kernels.extremes import still
from include.features.kernels.regression import quadratic
from include.features.series import Series, View

__all__ = ["compute"]

WINDOWS = (15, 30, 45, 60, 75, 90)
NOISE = 60  # one-row differences whose sd scales the rmse, the same for every window
LOG_LIMIT = 5.0

# (short, long) windows of the columns that compare two of them
A2_PAIRS = ((15, 60), (30, 90), (15, 45))
A1_PAIRS = ((30, 75), (15, 60), (15, 45))
B_PAIRS = ((15, 45), (30, 75), (15, 60))
R2_PAIRS = ((30, 90), (15, 60), (45, 75))
RMSE_PAIRS = ((15, 60), (30, 90), (45, 75))


def compute(series: Series, domain: str) -> Columns:
    """All columns of the family, one value per row of the series. docs/features.md 1."""
    view = series.view(domain)
    noise = _noise(view)
    columns: Columns = {}
    rmse: dict[int, Floats] = {}
    for w in WINDOWS:
        fit = quadratic(view.close, w, view.flat(w), view.eps)
        rmse[w] = math.sqrt((w - 3) / w) * fit["resid_std"]
        columns |= {f"w{w}_{metric}": value for metric, value in fit.items()}
        columns[f"w{w}_rmse_norm"] = ratio(rmse[w], noise, flat=noise == 0)
    return columns | _across_windows(columns) | _rmse_ratios(rmse, view.eps) | _agreement(columns, view.eps)


def _noise(view: View) -> Floats:
    """Spread (sd) of the last 60 differences; exactly 0 where they are all equal."""
    flat = still(view.change, NOISE, view.eps) >= NOISE
    return rolling.sd(view.change, NOISE, flat)


def _across_windows(columns: Columns) -> Columns:
    """Differences and bounded ratios of one metric in a short and a long window."""

    def pair(metric: str, short: int, long: int) -> tuple[Floats, Floats]:
        return columns[f"w{short}_{metric}"], columns[f"w{long}_{metric}"]

    out: Columns = {}
    out |= {f"a2_ratio_{s}_{k}": _bounded_ratio(*pair("a2_norm", s, k)) for s, k in A2_PAIRS}
    out |= {f"a1_ratio_{s}_{k}": _bounded_ratio(*pair("a1_norm", s, k)) for s, k in A1_PAIRS}
    out |= {f"b_gap_{s}_{k}": np.subtract(*pair("b_norm", s, k)) for s, k in B_PAIRS}
    out |= {f"r2_spread_{s}_{k}": np.subtract(*pair("r2", s, k)) for s, k in R2_PAIRS}
    return out | {"resid_z_spread_15_90": np.subtract(*pair("resid_z", 15, 90))}


def _bounded_ratio(u: Floats, v: Floats) -> Floats:
    """(u-v)/(abs(u)+abs(v)): a ratio whose denominator does not cross zero, in [-1, 1]."""
    return (u - v) / (np.abs(u) + np.abs(v) + 1e-12)


def _rmse_ratios(rmse: dict[int, Floats], eps: float) -> Columns:
    """ln(short/long), clipped; 0 where one of the fits is perfect."""
    columns: Columns = {}
    for short, long in RMSE_PAIRS:
        perfect = (rmse[short] <= eps) | (rmse[long] <= eps)
        quotient = ratio(rmse[short], rmse[long], flat=perfect, neutral=1.0)
        columns[f"rmse_ratio_{short}_{long}"] = np.clip(np.log(quotient), -LOG_LIMIT, LOG_LIMIT)
    return columns


def _agreement(columns: Columns, eps: float) -> Columns:
    """Mean sign over the windows of the bend a2 = accel/2, and of the slope."""
    bends = [_sign(columns[f"w{w}_accel"] / 2.0, eps) for w in WINDOWS]
    slopes = [_sign(columns[f"w{w}_lin_slope"], eps) for w in WINDOWS]
    return {"a2_sign_agree": np.mean(bends, axis=0), "a1_sign_agree": np.mean(slopes, axis=0)}


def _sign(x: Floats, eps: float) -> Floats:
    """-1, 0 or 1; 0 within eps of zero."""
    return np.where(np.abs(x) <= eps, 0.0, np.sign(x))
