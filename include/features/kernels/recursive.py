"""Recursive averages and the indicators made of them, each in one pass over the bars.

EMA_n starts at the first input, E = x, then E += 2/(n+1) * (x - E). Wilder's average WIL_n is the
mean of the first n inputs at the n-th, then W += (x - W)/n. Both run over every row and are never
restarted. Leading NaN are rows before the first input; a NaN after it makes the rest NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.features.arrays import Floats
from include.features.kernels.jit import kernel

__all__ = ["Directional", "directional", "ema", "macd", "reverting", "rsi"]

PERCENT_EPS = 1e-9  # a sum of two indicators in percent that is nothing


class Directional(NamedTuple):
    """Wilder's directional system: average true range, the two indicators, their trend strength."""

    atr: Floats
    plus_di: Floats
    minus_di: Floats
    adx: Floats


def ema(x: Floats, n: int) -> Floats:
    """EMA_n from the first input on."""
    out = np.full(x.size, np.nan)
    _ema(x, _first(x), 2.0 / (n + 1), out)
    return out


def macd(x: Floats, fast: int, slow: int, signal: int) -> tuple[Floats, Floats]:
    """Line EMA_fast - EMA_slow and its EMA_signal, both from the first input on (line 0 there)."""
    out = np.full((2, x.size), np.nan)
    _macd(x, _first(x), 2.0 / (fast + 1), 2.0 / (slow + 1), 2.0 / (signal + 1), out)
    return out[0], out[1]


def reverting(x: Floats, base: Floats, weights: tuple[float, float, float]) -> Floats:
    """H = weights[0]*base + weights[1]*x + weights[2]*h, with h = base before the first row that has one.

    With squared returns and their long-run variance this is a GARCH(1,1) of fixed coefficients; the
    value of a row is what is expected of the next one.
    """
    out = np.full(x.size, np.nan)
    _reverting(x, base, _first(base), weights, out)
    return out


def rsi(x: Floats, n: int, eps: float) -> Floats:
    """100*U/(U+D) of Wilder averages of the rises and falls; 50 where U+D <= eps."""
    out = np.full(x.size, np.nan)
    _rsi(x, _first(x), n, eps, out)
    return out


def directional(high: Floats, low: Floats, close: Floats, n: int, eps: float) -> Directional:
    """ATR_n, +DI_n, -DI_n and ADX_n. The first row has no true range.

    A move counts only if it beats zero and the opposite move by more than ``eps``: up and down are
    equal ticks in 1% of real bars, and rounding must not decide which is larger. Both indicators
    are 0 where the averaged true range is <= eps, and DX is 0 where they are both 0.
    """
    out = np.full((4, close.size), np.nan)
    _directional(high, low, close, _first(close), n, eps, out)
    return Directional(*out)


def _first(x: Floats) -> int:
    """Row of the first input."""
    known = ~np.isnan(x)
    return int(known.argmax()) if known.any() else x.size


@kernel
def _ema(x: Floats, first: int, alpha: float, out: Floats) -> None:
    value = x[first] if first < x.size else np.nan
    for t in range(first, x.size):
        value += alpha * (x[t] - value)
        out[t] = value


@kernel
def _reverting(x: Floats, base: Floats, first: int, weights: tuple[float, float, float], out: Floats) -> None:
    value = base[first] if first < x.size else np.nan
    for t in range(first, x.size):
        value = weights[0] * base[t] + weights[1] * x[t] + weights[2] * value
        out[t] = value


@kernel
def _macd(x: Floats, first: int, fast: float, slow: float, smooth: float, out: Floats) -> None:
    if first >= x.size:
        return
    quick = lazy = x[first]
    signal = 0.0
    for t in range(first, x.size):
        quick += fast * (x[t] - quick)
        lazy += slow * (x[t] - lazy)
        line = quick - lazy
        signal += smooth * (line - signal)
        out[0, t] = line
        out[1, t] = signal


@kernel
def _rsi(x: Floats, first: int, n: int, eps: float, out: Floats) -> None:
    if first + n >= x.size:
        return
    up = down = 0.0
    for t in range(first + 1, first + n + 1):
        change = x[t] - x[t - 1]
        up += max(change, 0.0)
        down += max(-change, 0.0)
    up /= n
    down /= n
    out[first + n] = 50.0 if up + down <= eps else 100.0 * (up / (up + down))
    for t in range(first + n + 1, x.size):
        change = x[t] - x[t - 1]
        up += (max(change, 0.0) - up) / n
        down += (max(-change, 0.0) - down) / n
        out[t] = 50.0 if up + down <= eps else 100.0 * (up / (up + down))


@kernel
def _moves(high: Floats, low: Floats, close: Floats, t: int, eps: float) -> tuple[float, float, float]:
    """True range, upward and downward directional movement of row t."""
    true_range = max(high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1]))
    up, down = high[t] - high[t - 1], low[t - 1] - low[t]
    plus = up if up - down > eps and up > eps else 0.0
    minus = down if down - up > eps and down > eps else 0.0
    return true_range, plus, minus


@kernel
def _indicators(tr: float, plus: float, minus: float, eps: float) -> tuple[float, float, float]:
    """+DI, -DI and DX from averaged movements."""
    if tr <= eps:
        return 0.0, 0.0, 0.0
    plus_di, minus_di = 100.0 * (plus / tr), 100.0 * (minus / tr)
    total = plus_di + minus_di
    return plus_di, minus_di, 0.0 if total <= PERCENT_EPS else 100.0 * (abs(plus_di - minus_di) / total)


@kernel
def _directional(
    high: Floats, low: Floats, close: Floats, first: int, n: int, eps: float, out: Floats
) -> None:
    if first + n >= close.size:
        return
    tr = plus = minus = 0.0
    for t in range(first + 1, first + n + 1):
        moves = _moves(high, low, close, t, eps)
        tr, plus, minus = tr + moves[0], plus + moves[1], minus + moves[2]
    tr, plus, minus = tr / n, plus / n, minus / n
    adx, ready = 0.0, first + 2 * n - 1  # row of the n-th DX
    for t in range(first + n, close.size):
        if t > first + n:
            moves = _moves(high, low, close, t, eps)
            tr += (moves[0] - tr) / n
            plus += (moves[1] - plus) / n
            minus += (moves[2] - minus) / n
        plus_di, minus_di, dx = _indicators(tr, plus, minus, eps)
        adx += dx / n if t <= ready else (dx - adx) / n
        out[0, t] = tr
        out[1, t] = plus_di
        out[2, t] = minus_di
        if t >= ready:
            out[3, t] = adx
