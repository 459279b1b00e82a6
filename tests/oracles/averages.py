"""Moving averages: windows cut out one by one, recursions bar by bar."""

from __future__ import annotations

import numpy as np

from tests.oracles.technical import ema
from tests.oracles.windows import over


def columns(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The 24 columns of the symbols of a pair."""
    out: dict[str, np.ndarray] = {}
    for prefix, x in (("", at["S"]), ("bqx_", at["b"])):
        values = [None if np.isnan(value) else value for value in x.tolist()]
        for n in (5, 10, 20, 50, 100, 200):
            out[f"{prefix}sma_{n}"] = over(x, n, lambda w: w.mean(axis=1))
            out[f"{prefix}ema_{n}"] = np.array(ema(values, n), np.float64)
    return out
