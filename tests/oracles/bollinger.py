"""Bollinger bands from the textbook: middle, middle +- 2 population sd."""

from __future__ import annotations

import numpy as np

from tests.oracles.windows import EPS, cut, is_flat, padded, sd, zero_if


def columns(y: np.ndarray, high: np.ndarray, low: np.ndarray, domain: str) -> dict[str, np.ndarray]:
    """The 10 columns on y; high and low are not read."""
    eps = EPS[domain]
    out: dict[str, np.ndarray] = {}
    for n in (20, 50):
        w = cut(y, n)
        middle, half = w.mean(axis=1), 2 * sd(w, eps, ddof=0)
        upper, lower = middle + half, middle - half
        with np.errstate(all="ignore"):
            percent = zero_if(is_flat(w, eps), (w[:, -1] - lower) / (upper - lower), 0.5)
            if domain == "idx":
                bandwidth = (upper - lower) / middle
            else:
                scale = padded(sd(cut(y, 120), eps), len(y))[n - 1 :]
                bandwidth = zero_if(scale == 0, (upper - lower) / np.maximum(scale, eps))
        values = {
            "upper": upper,
            "middle": middle,
            "lower": lower,
            "percent_b": percent,
            "bandwidth": bandwidth,
        }
        out |= {f"bb_{name}_{n}": padded(value, len(y)) for name, value in values.items()}
    return out
