"""Least-squares parabolas over trailing windows, through orthogonal polynomials.

The window's values y_0 .. y_{w-1} are taken relative to the oldest, y_0, and projected on
1, u = x - (w-1)/2 and v = u^2 - (w^2-1)/12, which are orthogonal on x = 0 .. w-1. The residuals are
formed one by one in a second pass: SSE is a sum of squares, never a difference of large sums.
"""

from __future__ import annotations

import numpy as np

from include.features.arrays import Floats
from include.features.kernels.jit import BLOCK, kernel

__all__ = ["METRICS", "quadratic"]

METRICS = (
    "a2_norm", "a1_norm", "b_norm", "r2", "resid_norm", "lin_slope",
    "quad_apex", "accel", "resid_mean", "resid_std", "resid_z",
)  # fmt: skip

APEX_FLAT = 1e-9  # a parabola that bends by less than this share of the sd has no turning point
APEX_LIMIT = 5.0


def quadratic(y: Floats, w: int, extent: Floats, eps: float) -> dict[str, Floats]:
    """The metrics of y = a2*x^2 + a1*x + b0 on the last w rows, x = w-1 being the current one.

    Args:
        y: one value per row.
        w: rows in a window, at least 4.
        extent: max_w(y) - min_w(y); the window is flat where that is <= eps, and all metrics are 0.
        eps: smallest amount of y's unit that counts as more than nothing.
    """
    out = np.empty((len(METRICS), y.size))
    out[:, : w - 1] = np.nan
    x = np.arange(w, dtype=np.float64)
    u = x - (w - 1) / 2
    v = u * u - (w * w - 1) / 12
    _quadratic(y, u, v, extent, eps, out)
    return dict(zip(METRICS, out, strict=True))


@kernel
def _project(y: Floats, start: int, size: int, u: Floats, v: Floats, fit: Floats) -> None:
    """Coefficients of 1, u and v for the windows that end at rows start .. start+size-1."""
    w = u.size
    c0, c1, c2 = fit[0], fit[1], fit[2]
    fit[:] = 0.0
    oldest = y[start - w + 1 : start - w + 1 + size]
    for x in range(1, w):
        value = y[start - w + 1 + x : start - w + 1 + x + size]
        for j in range(size):
            d = value[j] - oldest[j]
            c0[j] += d
            c1[j] += d * u[x]
            c2[j] += d * v[x]
    uu, vv = np.sum(u * u), np.sum(v * v)
    for j in range(size):
        c0[j] /= w
        c1[j] /= uu
        c2[j] /= vv


@kernel
def _residuals(y: Floats, start: int, size: int, u: Floats, v: Floats, fit: Floats, sums: Floats) -> None:
    """Sums over the window: squared residuals, squared deviations, the last third's residuals."""
    w = u.size
    c0, c1, c2 = fit[0], fit[1], fit[2]
    sse, sst, tail = sums[0], sums[1], sums[2]
    sums[:] = 0.0
    oldest = y[start - w + 1 : start - w + 1 + size]
    for x in range(w):
        value = y[start - w + 1 + x : start - w + 1 + x + size]
        late = 1.0 if x >= w - w // 3 else 0.0
        for j in range(size):
            d = (value[j] - oldest[j]) - c0[j]
            e = d - (c1[j] * u[x] + c2[j] * v[x])
            sst[j] += d * d
            sse[j] += e * e
            tail[j] += e * late


@kernel
def _apex(a1: float, a2: float, sd: float, span: float) -> float:
    """Turning point in window lengths after the current row, clipped."""
    if abs(a2) * span * span <= APEX_FLAT * sd:
        return 0.0
    apex = (-a1 / (2.0 * a2) - span) / span
    if apex < -APEX_LIMIT:
        return -APEX_LIMIT
    return APEX_LIMIT if apex > APEX_LIMIT else apex


@kernel
def _quadratic(y: Floats, u: Floats, v: Floats, extent: Floats, eps: float, out: Floats) -> None:
    w = u.size
    span = w - 1.0
    fit, sums = np.empty((3, BLOCK)), np.empty((3, BLOCK))
    for start in range(w - 1, y.size, BLOCK):
        size = min(BLOCK, y.size - start)
        _project(y, start, size, u, v, fit)
        _residuals(y, start, size, u, v, fit, sums)
        for j in range(size):
            t = start + j
            if extent[t] <= eps:
                out[:, t] = 0.0
                continue
            mean, slope, a2 = fit[0, j], fit[1, j], fit[2, j]
            sse, sst = sums[0, j], sums[1, j]
            sd = np.sqrt(sst / span)
            a1 = slope - span * a2
            resid_sd = np.sqrt(sse / (w - 3.0))
            last = ((y[t] - y[t - w + 1]) - mean) - (slope * u[w - 1] + a2 * v[w - 1])
            out[0, t] = a2 * span * span / sd
            out[1, t] = a1 * span / sd
            out[2, t] = (slope * u[0] + a2 * v[0]) / sd
            r2 = 1.0 - sse / sst
            out[3, t] = 0.0 if r2 < 0.0 else r2  # rounding; NaN stays NaN
            out[4, t] = last / sd
            out[5, t] = slope
            out[6, t] = _apex(a1, a2, sd, span)
            out[7, t] = 2.0 * a2
            out[8, t] = sums[2, j] / (w // 3) / sd
            out[9, t] = resid_sd
            out[10, t] = 0.0 if resid_sd <= eps else last / resid_sd
