"""Flags and classes: 0, 1, 2 as float64, NULL wherever a value that they look at is NULL."""

from __future__ import annotations

import numpy as np

from include.features.arrays import Flags, Floats

__all__ = ["choice", "flag", "sign", "tercile"]


def flag(condition: Flags, *values: Floats) -> Floats:
    """1 where the condition on the values holds, else 0."""
    return choice(condition, 1.0, 0.0, *values)


def choice(condition: Flags, yes: Floats | float, no: Floats | float, *values: Floats) -> Floats:
    """One of two, and NaN where one of the values is: a comparison with NaN is False, not unknown."""
    out: Floats = np.where(condition, yes, no)
    for value in values:
        out[np.isnan(value)] = np.nan
    return out


def tercile(rank: Floats) -> Floats:
    """0, 1 or 2: in the lowest, the middle or the highest third of its window."""
    return choice(rank < 1 / 3, 0.0, np.where(rank < 2 / 3, 1.0, 2.0), rank)


def sign(x: Floats, eps: float) -> Floats:
    """-1, 0 or 1; 0 up to ``eps``."""
    return choice(np.abs(x) <= eps, 0.0, np.sign(x), x)
