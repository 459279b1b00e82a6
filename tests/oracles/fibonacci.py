"""Fibonacci levels of the last 100 bars, with pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.oracles.technical import true_range, wilder
from tests.oracles.windows import EPS


def columns(y: np.ndarray, high: np.ndarray, low: np.ndarray, domain: str) -> dict[str, np.ndarray]:
    """The 10 columns on the bars high, low, close y."""
    eps = EPS[domain]
    top = pd.Series(high).rolling(100).max()
    bottom = pd.Series(low).rolling(100).min()
    height = top - bottom
    out = {"fib_range_high": top, "fib_range_low": bottom}
    for name, x in (("23_6", 0.236), ("38_2", 0.382), ("50_0", 0.5), ("61_8", 0.618)):
        out[f"fib_{name}"] = top - x * height
    for name, x in (("127_2", 1.272), ("161_8", 1.618)):
        out[f"fib_ext_{name}"] = top + (x - 1) * height
    atr = pd.Series(wilder(true_range(high.tolist(), low.tolist(), y.tolist()), 14), dtype=float)
    for name in ("38_2", "61_8"):
        distance = ((y - out[f"fib_{name}"]) / atr.clip(lower=eps)).clip(-100, 100)
        out[f"dist_to_fib_{name}"] = distance.mask(height <= eps, 0.0)
    return {name: value.to_numpy() for name, value in out.items()}
