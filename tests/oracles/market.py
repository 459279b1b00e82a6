"""Grid and symbols of a pair, minute by minute and row by row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.features.bars import Bars


class Row(NamedTuple):
    """One grid row."""

    ts: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    spread: float
    is_filled: bool


def grid_rows(bars: Bars, watermark: int) -> list[Row]:
    """Walk over the clock: a minute is a row if it has a bar, or a bar at most 5 minutes before it."""
    at = {int(minute): position for position, minute in enumerate(bars.ts)}
    rows: list[Row] = []
    last: int | None = None  # position of the last real bar
    for minute in range(min(at, default=0), watermark + 1):
        position = at.get(minute)
        if position is not None:
            last = position
            prices = (bars.open[last], bars.high[last], bars.low[last], bars.close[last])
            rows.append(Row(minute, *prices, bars.volume[last], bars.spread[last], is_filled=False))
        elif last is not None and minute - bars.ts[last] <= 5:
            price = bars.close[last]
            volume = np.nan if np.isnan(bars.volume[last]) else 0.0
            rows.append(Row(minute, price, price, price, price, volume, bars.spread[last], is_filled=True))
    return rows


def bqx(S: np.ndarray, w: int) -> np.ndarray:
    """Sum over i = 1..w of (S_{t-i} - S_t)/S_t, NaN in the first w rows."""
    level = S.astype(np.longdouble)
    out = np.full(len(S), np.nan)
    for t in range(w, len(S)):
        out[t] = ((level[t - w : t] - level[t]) / level[t]).sum()
    return out


def symbols(bars: Bars, watermark: int, base: float) -> dict[str, np.ndarray]:
    """S, O, H, L, b, b_hi, b_lo, b_op of every grid row."""
    rows = grid_rows(bars, watermark)
    out = {
        symbol: np.array([100.0 * getattr(row, field) / base for row in rows])
        for symbol, field in {"S": "close", "O": "open", "H": "high", "L": "low"}.items()
    }
    b = bqx(out["S"], 15)
    total = np.full(len(rows), np.nan, np.longdouble)
    for t in range(15, len(rows)):
        total[t] = out["S"][t - 15 : t].astype(np.longdouble).sum()
    return out | {
        "ts": np.array([row.ts for row in rows], np.int64),
        "b": b,
        "b_hi": np.maximum(b, (total / out["L"] - 15).astype(np.float64)),
        "b_lo": np.minimum(b, (total / out["H"] - 15).astype(np.float64)),
        "b_op": (total / out["O"] - 15).astype(np.float64),
    }
