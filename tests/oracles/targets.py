"""Reference columns and targets with pandas, from the written definitions: minute by minute, on a clock."""

from __future__ import annotations

import numpy as np
import pandas as pd

MINUTES = (15, 30, 45, 60, 75)


def table(ts: np.ndarray, S: np.ndarray, is_filled: np.ndarray) -> pd.DataFrame:
    """All reference columns and raw targets of a pair, one row per grid row, indexed by minute."""
    level = pd.Series(S, index=ts)
    out = pd.DataFrame({"base__rate_index": level})
    for w in MINUTES:
        q = sum((level.shift(i) - level) / level for i in range(1, w + 1))
        out[f"base__w{w}_bqx_return"] = q
        out[f"base__ewma_vol_60_w{w}"] = scale(q)
        for h in MINUTES:
            out[f"target__w{w}_h{h}"] = q.reindex(q.index + h).to_numpy()
    out["base__is_filled"] = is_filled.astype(float)
    out["base__is_trainable"] = trainable(ts, is_filled)
    return out


def scale(q: pd.Series) -> pd.Series:
    """Exponential average without end of squared differences, floored, unknown before 1440 differences."""
    change = q.diff()
    recent = change.pow(2).ewm(span=60, adjust=False).mean().pow(0.5)
    floor = 0.05 * change.rolling(1440).std()
    return pd.concat([recent, floor], axis=1).max(axis=1).where(change.notna().cumsum() >= 1440)


def trainable(ts: np.ndarray, is_filled: np.ndarray) -> list[float]:
    """A real bar, with every minute of 75 before and of 75 after it on the grid: looked up one by one."""
    there = set(ts.tolist())
    return [
        float(not filled and all(t + k in there for k in range(-75, 76)))
        for t, filled in zip(ts.tolist(), is_filled.tolist(), strict=True)
    ]
