"""Technical indicators as plain recursions, one bar after the other; None = not known yet."""

from __future__ import annotations

import itertools

import numpy as np

from tests.oracles.windows import EPS, cut, is_flat, padded, sd, zero_if

Values = list[float | None]


def wilder(x: Values, n: int) -> Values:
    """Mean of the first n inputs at the n-th, then W += (x - W)/n."""
    seen: list[float] = []
    out: Values = []
    w: float | None = None
    for value in x:
        if value is None:
            out.append(None)
            continue
        seen.append(value)
        if w is not None:
            w = w + (value - w) / n
        elif len(seen) == n:
            w = sum(seen) / n
        out.append(w)
    return out


def ema(x: Values, n: int) -> Values:
    """E = x at the first input, then E += 2/(n+1)*(x - E)."""
    out: Values = []
    e: float | None = None
    for value in x:
        if value is not None:
            e = value if e is None else e + 2.0 / (n + 1) * (value - e)
        out.append(e)
    return out


def rsi(close: Values, n: int, eps: float) -> Values:
    """Relative strength index with Wilder averages."""
    change = [None, *(b - a for a, b in itertools.pairwise(close))]
    up = wilder([None if d is None else max(d, 0.0) for d in change], n)
    down = wilder([None if d is None else max(-d, 0.0) for d in change], n)
    out: Values = []
    for u, d in zip(up, down, strict=True):
        if u is None:
            out.append(None)
        else:
            out.append(50.0 if u + d <= eps else 100.0 * u / (u + d))
    return out


def true_range(high: Values, low: Values, close: Values) -> Values:
    """The first bar has none."""
    return [None] + [
        max(high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1]))
        for t in range(1, len(close))
    ]


def indicator(smoothed: Values, atr: Values, eps: float) -> Values:
    """100*smoothed/ATR, 0 where there is no true range."""
    return [
        None if a is None else (0.0 if a <= eps else 100.0 * m / a)
        for m, a in zip(smoothed, atr, strict=True)
    ]


def directional(high: Values, low: Values, close: Values, n: int, eps: float) -> dict[str, Values]:
    """ATR, DI and ADX."""
    plus_dm: Values = [None]
    minus_dm: Values = [None]
    for t in range(1, len(close)):
        up, dn = high[t] - high[t - 1], low[t - 1] - low[t]
        plus_dm.append(up if up - dn > eps and up > eps else 0.0)
        minus_dm.append(dn if dn - up > eps and dn > eps else 0.0)
    atr = wilder(true_range(high, low, close), n)
    plus_di, minus_di = (indicator(wilder(dm, n), atr, eps) for dm in (plus_dm, minus_dm))
    dx: Values = []
    for p, m in zip(plus_di, minus_di, strict=True):
        if p is None:
            dx.append(None)
        else:
            dx.append(0.0 if p + m <= 1e-9 else 100.0 * abs(p - m) / (p + m))
    return {"atr_14": atr, "plus_di_14": plus_di, "minus_di_14": minus_di, "adx_14": wilder(dx, n)}


def columns(y: np.ndarray, high: np.ndarray, low: np.ndarray, domain: str) -> dict[str, np.ndarray]:
    """The 15 columns on the bars high, low, close y."""
    eps = EPS[domain]
    close = y.tolist()
    line = [a - b for a, b in zip(ema(close, 12), ema(close, 26), strict=True)]
    signal = ema(line, 9)
    recursive = {
        "rsi_14": rsi(close, 14, eps),
        "rsi_21": rsi(close, 21, eps),
        "macd_line": line,
        "macd_signal": signal,
        "macd_histogram": [a - b for a, b in zip(line, signal, strict=True)],
        **directional(high.tolist(), low.tolist(), close, 14, eps),
    }
    out = {name: np.array(values, np.float64) for name, values in recursive.items()}
    return (
        out | _stochastic(y, high, low, eps) | _cci(y, high, low, eps) | _relative(y, out["atr_14"], domain)
    )


def _stochastic(y: np.ndarray, high: np.ndarray, low: np.ndarray, eps: float) -> dict[str, np.ndarray]:
    top, bottom = cut(high, 14).max(axis=1), cut(low, 14).min(axis=1)
    none, now = top - bottom <= eps, y[13:].astype(np.longdouble)
    with np.errstate(all="ignore"):
        k = zero_if(none, 100 * (now - bottom) / (top - bottom), 50)
        r = zero_if(none, -100 * (top - now) / (top - bottom), -50)
    d = cut(k, 3).mean(axis=1)
    return {
        name: padded(v, len(y)) for name, v in (("stoch_k_14", k), ("stoch_d_3", d), ("williams_r_14", r))
    }


def _cci(y: np.ndarray, high: np.ndarray, low: np.ndarray, eps: float) -> dict[str, np.ndarray]:
    w = cut((high.astype(np.longdouble) + low + y) / 3, 20)
    away = w - w.mean(axis=1, keepdims=True)
    mad = np.abs(away).mean(axis=1)
    with np.errstate(all="ignore"):
        value = zero_if(mad <= eps, away[:, -1] / (np.longdouble("0.015") * mad))
    return {"cci_20": padded(value, len(y))}


def _relative(y: np.ndarray, atr: np.ndarray, domain: str) -> dict[str, np.ndarray]:
    before = padded(y[:-12], len(y))
    if domain == "idx":
        return {"roc_12": 100 * (y / before - 1), "atr_pct_14": 100 * atr / y}
    w = cut(y, 120)
    scale = padded(np.maximum(sd(w, 1e-12), 1e-12), len(y))
    flat = padded(is_flat(w, 1e-12), len(y)) == 1
    return {
        "roc_12": np.where(flat, 0, (y - before) / scale),
        "atr_pct_14": np.where(flat, 0, 100 * atr / scale),
    }
