"""Quadratic regressions through the exact rational pseudo-inverse of the design matrix."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np

from tests.oracles.windows import EPS, cut, deviations, is_flat, padded, sd

WINDOWS = (15, 30, 45, 60, 75, 90)


@cache
def pseudo_inverse(w: int, degree: int) -> np.ndarray:
    """(X'X)^-1 X' for the columns 1, x, x^2 .. and x = 0..w-1, solved in fractions."""
    size = degree + 1
    normal = [[Fraction(sum(x ** (i + j) for x in range(w))) for j in range(size)] for i in range(size)]
    rows = [normal[i] + [Fraction(x**i) for x in range(w)] for i in range(size)]
    for i in range(size):
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for k in range(size):
            if k != i:
                factor = rows[k][i]
                rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i], strict=True)]
    return np.array([[_long(value) for value in row[size:]] for row in rows])


def _long(value: Fraction) -> np.longdouble:
    return np.longdouble(value.numerator) / np.longdouble(value.denominator)


def fit(y: np.ndarray, w: int, eps: float) -> dict[str, np.ndarray]:
    """All single-window metrics of rows w-1 .. end, and the raw rmse and a2."""
    windows = cut(y, w)
    relative = windows - windows[:, :1]
    b0, a1, a2 = pseudo_inverse(w, 2) @ relative.T
    slope = (pseudo_inverse(w, 1) @ relative.T)[1]
    x = np.arange(w, dtype=np.longdouble)
    residuals = relative - (b0[:, None] + a1[:, None] * x + a2[:, None] * x**2)
    sse, sst = (residuals**2).sum(axis=1), (deviations(windows) ** 2).sum(axis=1)
    flat, s = is_flat(windows, eps), np.sqrt(sst / (w - 1))
    with np.errstate(all="ignore"):
        bend = np.abs(a2) * (w - 1) ** 2
        apex = np.clip((-a1 / (2 * a2) - (w - 1)) / (w - 1), -5, 5)
        resid_std = np.sqrt(sse / (w - 3))
        metrics = {
            "a2_norm": a2 * (w - 1) ** 2 / s,
            "a1_norm": a1 * (w - 1) / s,
            "b_norm": (b0 - relative.mean(axis=1)) / s,
            "r2": np.clip(1 - sse / sst, 0, 1),
            "resid_norm": residuals[:, -1] / s,
            "lin_slope": slope,
            "quad_apex": np.where(bend <= 1e-9 * s, 0, apex),
            "accel": 2 * a2,
            "resid_mean": residuals[:, -(w // 3) :].mean(axis=1) / s,
            "resid_std": resid_std,
            "resid_z": np.where(resid_std <= eps, 0, residuals[:, -1] / resid_std),
            "rmse": np.sqrt(sse / w),
        }
    return {name: padded(np.where(flat, 0, value), len(y)) for name, value in metrics.items()}


def columns(y: np.ndarray, high: np.ndarray, low: np.ndarray, domain: str) -> dict[str, np.ndarray]:
    """The 90 columns on y; high and low are not read."""
    eps = EPS[domain]
    fits = {w: fit(y, w, eps) for w in WINDOWS}
    d60 = padded(sd(cut(np.diff(y), 60), eps), len(y))
    out: dict[str, np.ndarray] = {}
    for w, metrics in fits.items():
        out |= {f"w{w}_{name}": value for name, value in metrics.items() if name != "rmse"}
        with np.errstate(all="ignore"):
            out[f"w{w}_rmse_norm"] = np.where(d60 == 0, 0, metrics["rmse"] / d60)
    for kind, pairs in (("a2", ((15, 60), (30, 90), (15, 45))), ("a1", ((30, 75), (15, 60), (15, 45)))):
        for s, k in pairs:
            u, v = out[f"w{s}_{kind}_norm"], out[f"w{k}_{kind}_norm"]
            out[f"{kind}_ratio_{s}_{k}"] = (u - v) / (abs(u) + abs(v) + 1e-12)
    for s, k in ((15, 45), (30, 75), (15, 60)):
        out[f"b_gap_{s}_{k}"] = out[f"w{s}_b_norm"] - out[f"w{k}_b_norm"]
    for s, k in ((30, 90), (15, 60), (45, 75)):
        out[f"r2_spread_{s}_{k}"] = out[f"w{s}_r2"] - out[f"w{k}_r2"]
    for s, k in ((15, 60), (30, 90), (45, 75)):
        u, v = fits[s]["rmse"], fits[k]["rmse"]
        with np.errstate(all="ignore"):
            log = np.clip(np.log(u / v), -5, 5)
        out[f"rmse_ratio_{s}_{k}"] = np.where((u <= eps) | (v <= eps), 0, log)
    out["a2_sign_agree"] = sum(_sign(fits[w]["accel"] / 2, eps) for w in WINDOWS) / 6
    out["a1_sign_agree"] = sum(_sign(fits[w]["lin_slope"], eps) for w in WINDOWS) / 6
    out["resid_z_spread_15_90"] = out["w15_resid_z"] - out["w90_resid_z"]
    return out


def _sign(x: np.ndarray, eps: float) -> np.ndarray:
    return np.where(np.isnan(x), np.nan, np.where(x > eps, 1.0, np.where(x < -eps, -1.0, 0.0)))
