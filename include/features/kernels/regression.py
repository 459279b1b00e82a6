"""Least-squares parabolas over trailing windows, through orthogonal polynomials.

The window's values y_0 .. y_{w-1} are taken relative to the oldest, y_0, and projected on
1, u = x - (w-1)/2 and v = u^2 - (w^2-1)/12, which are orthogonal on x = 0 .. w-1. The residuals are
formed one by one in a second pass: SSE is a sum of squares, never a difference of large sums.
"""

from __future__ import annotations

import numpy as np

from include.features.arrays import Flags, Floats
from include.features.kernels.jit import BLOCK, kernel

__all__ = ["METRICS", "quadratic"]

METRICS = (
    "a2_norm", "a1_norm", "b_norm", "r2", "resid_norm", "lin_slope",
    "quad_apex", "accel", "resid_mean", "resid_std", "resid_z",
)  # fmt: skip

APEX_FLAT = 1e-9  # a parabola that bends by less than this share of the sd has no turning point
APEX_LIMIT = 5.0


def quadratic(y: Floats, w: int, flat: Flags, eps: float) -> dict[str, Floats]:
    """The metrics of y = a2*x^2 + a1*x + b0 on the last w rows, x = w-1 being the current one.

    Args:
        y: one value per row.
        w: rows in a window, at least 4.
        flat: True where the window is flat (see `extremes.still`): all metrics are 0.
        eps: smallest amount of y's unit that counts as more than nothing.
    """
    out = np.empty((len(METRICS), y.size))
    out[:, : w - 1] = np.nan
    x = np.arange(w, dtype=np.float64)
    u = x - (w - 1) / 2
    v = u * u - (w * w - 1) / 12
    _quadratic(y, u, v, flat, eps, out)
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
        ux, vx = u[x], v[x]
        for j in range(size):
            d = value[j] - oldest[j]
            c0[j] += d
            c1[j] += d * ux
            c2[j] += d * vx
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
        ux, vx, late = u[x], v[x], 1.0 if x >= w - w // 3 else 0.0
        for j in range(size):
            d = (value[j] - oldest[j]) - c0[j]
            e = d - (c1[j] * ux + c2[j] * vx)
            sst[j] += d * d
            sse[j] += e * e
            tail[j] += e * late


@kernel
def _scale(amount: Floats, factor: float, unit: Floats, flat: Flags, out: Floats) -> None:
    """One short loop per output: only such loops become vector code."""
    for j in range(flat.size):
        out[j] = 0.0 if flat[j] else amount[j] * factor / unit[j]


@kernel
def _apex(a1: Floats, a2: Floats, sd: Floats, span: float, flat: Flags, out: Floats) -> None:
    """Turning point in window lengths after the current row, clipped."""
    for j in range(flat.size):
        apex = (-a1[j] / (2.0 * a2[j]) - span) / span
        apex = -APEX_LIMIT if apex < -APEX_LIMIT else (APEX_LIMIT if apex > APEX_LIMIT else apex)
        out[j] = 0.0 if flat[j] or abs(a2[j]) * span * span <= APEX_FLAT * sd[j] else apex


@kernel
def _explained(sse: Floats, sst: Floats, flat: Flags, out: Floats) -> None:
    for j in range(flat.size):
        left = sse[j] / sst[j]
        out[j] = 0.0 if flat[j] or left > 1.0 else 1.0 - left


@kernel
def _root(squares: Floats, degrees: float, flat: Flags, out: Floats) -> None:
    for j in range(flat.size):
        out[j] = 0.0 if flat[j] else np.sqrt(squares[j] / degrees)


@kernel
def _quadratic(y: Floats, u: Floats, v: Floats, flat: Flags, eps: float, out: Floats) -> None:
    w = u.size
    span, one = w - 1.0, np.ones(BLOCK)
    fit, sums, more = np.empty((3, BLOCK)), np.empty((3, BLOCK)), np.empty((4, BLOCK))
    slope, a2 = fit[1], fit[2]
    sse, sst, tail = sums[0], sums[1], sums[2]
    a1, b, last, sd = more[0], more[1], more[2], more[3]
    for start in range(w - 1, y.size, BLOCK):
        size = min(BLOCK, y.size - start)
        _project(y, start, size, u, v, fit)
        _residuals(y, start, size, u, v, fit, sums)
        for j in range(size):
            a1[j] = slope[j] - span * a2[j]
        for j in range(size):
            b[j] = slope[j] * u[0] + a2[j] * v[0]
        now, oldest = y[start : start + size], y[start - w + 1 : start - w + 1 + size]
        for j in range(size):
            last[j] = ((now[j] - oldest[j]) - fit[0, j]) - (slope[j] * u[w - 1] + a2[j] * v[w - 1])
        rows = slice(start, start + size)
        none = flat[rows]
        _root(sst, span, none, sd)
        _scale(a2, span * span, sd, none, out[0, rows])
        _scale(a1, span, sd, none, out[1, rows])
        _scale(b, 1.0, sd, none, out[2, rows])
        _explained(sse, sst, none, out[3, rows])
        _scale(last, 1.0, sd, none, out[4, rows])
        _scale(slope, 1.0, one, none, out[5, rows])
        _apex(a1, a2, sd, span, none, out[6, rows])
        _scale(a2, 2.0, one, none, out[7, rows])
        _scale(tail, 1.0 / (w // 3), sd, none, out[8, rows])
        _root(sse, w - 3.0, none, out[9, rows])
        _scale(last, 1.0, out[9, rows], out[9, rows] <= eps, out[10, rows])
