"""Lags, one value after the other."""

from __future__ import annotations

import itertools
import math

import numpy as np


def columns(at: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The 180 columns of the symbols of a pair."""
    S, b = at["S"].tolist(), at["b"].tolist()
    r = [math.nan, *(math.log1p((now - before) / before) for before, now in itertools.pairwise(S))]
    return {
        f"{name}_lag_{k}": np.array([values[t - k] if t >= k else math.nan for t in range(len(S))])
        for name, values in (("rate_idx", S), ("bqx", b), ("return", r))
        for k in range(1, 61)
    }
