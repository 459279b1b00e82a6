"""Trailing windows in extended precision: every statistic in two passes over its own rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

EPS = {"idx": 1e-9, "bqx": 1e-12}


def cut(x: np.ndarray, n: int) -> np.ndarray:
    """All windows of n values, shape (rows, n), oldest value first, in extended precision."""
    return np.lib.stride_tricks.sliding_window_view(x.astype(np.longdouble), n)


def padded(values: np.ndarray, length: int) -> np.ndarray:
    """Values of the last rows as float64 behind as many NaN as `length` asks for."""
    return np.concatenate([np.full(length - len(values), np.nan), values.astype(np.float64)])


def over(x: np.ndarray, n: int, statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A statistic of every window, on the rows where the windows end."""
    return padded(statistic(cut(x, n)), len(x)) if len(x) >= n else np.full(len(x), np.nan)


def is_flat(w: np.ndarray, eps: float) -> np.ndarray:
    """Windows whose range is nothing."""
    return w.max(axis=1) - w.min(axis=1) <= eps


def deviations(w: np.ndarray) -> np.ndarray:
    """Values minus the mean of their window."""
    shifted = w - w[:, :1]
    return shifted - shifted.mean(axis=1, keepdims=True)


def sd(w: np.ndarray, eps: float, ddof: int = 1) -> np.ndarray:
    """Standard deviation, exactly 0 in a flat window."""
    n = w.shape[1]
    return np.where(is_flat(w, eps), 0, np.sqrt((deviations(w) ** 2).sum(axis=1) / (n - ddof)))


def zero_if(condition: np.ndarray, value: np.ndarray, neutral: float = 0.0) -> np.ndarray:
    """The neutral value in degenerate windows."""
    return np.where(condition, neutral, value)
