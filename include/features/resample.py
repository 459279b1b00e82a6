"""Bars of several minutes: aligned to the clock, complete, and seen only once they are over."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from include.features.arrays import Floats, Minutes, lagged
from include.features.series import Series

__all__ = ["Resampled", "complete", "resample"]

Positions: TypeAlias = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Resampled:
    """The complete bars of k minutes of one pair, in time order. docs/features.md 0.5.

    A bar begins where the clock shows a multiple of k and is complete when all its minutes are rows of
    the grid, filled ones included. Blocks that a break, the first row or the watermark cuts into do
    not exist: the bar before and the bar after are neighbours.

    Attributes:
        S, b: of the last minute, shape (bars,).
        H, L: extremes, index points.
        V: sum of the volume, NaN where a minute has none.
        p: mean spread in index points, NaN where a minute has none.
        seen: how many of the bars are over when a row of the series is, shape (rows of the series,).
    """

    S: Floats
    H: Floats
    L: Floats
    b: Floats
    V: Floats
    p: Floats
    seen: Positions

    @cached_property
    def r(self) -> Floats:
        """Log return of S from bar to bar; the first bar has none."""
        return np.log(self.S / lagged(self.S, 1))

    @cached_property
    def db(self) -> Floats:
        """Difference of b from bar to bar."""
        return self.b - lagged(self.b, 1)

    def at_rows(self, values: Floats) -> Floats:
        """A column of the bars on the rows of the series: that of the newest bar that is over, or NaN."""
        return np.concatenate([[np.nan], values])[self.seen]


def complete(ts: Minutes, k: int) -> Positions:
    """Positions of the first minutes of all complete bars of k minutes, from minutes in rising order."""
    first, last = ts[: max(ts.size - k + 1, 0)], ts[k - 1 :]
    return np.flatnonzero((first % k == 0) & (last - first == k - 1))


def resample(series: Series, k: int) -> Resampled:
    """Bars of k minutes from grid rows.

    A row is known when its minute ends, so at row ts the bar that starts at floor((ts+1)/k)*k - k, or
    the newest complete one before it, is the newest that may be seen.

    Args:
        series: grid rows of a pair.
        k: minutes in a bar, at least 2.
    """
    ts = series.ts
    rows = complete(ts, k)
    minutes = rows[:, None] + np.arange(k)
    newest = (ts + 1) // k * k - k
    return Resampled(
        S=series.S[rows + k - 1],
        H=series.H[minutes].max(axis=1),
        L=series.L[minutes].min(axis=1),
        b=series.b[rows + k - 1],
        V=series.V[minutes].sum(axis=1),
        p=series.p[minutes].mean(axis=1),
        seen=np.searchsorted(ts[rows], newest, side="right"),
    )
