"""Which minutes are for what: the two halves of val, the folds of the backtest, and the rows learned from.

All intervals are half open, in epoch minutes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

GAP = 195  # minutes: 75 in which labels reach across a boundary, 120 more
DAY = 1440  # minutes
GOLDEN = (5**0.5 - 1) / 2
HELD_OUT = 5  # of a fold's training time the last fifth stops boosting and gives the intervals

Minutes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
RowNumbers = npt.NDArray[np.intp]


class Interval(NamedTuple):
    """The minutes start <= t < end."""

    start: int
    end: int

    def rows(self, ts: Minutes) -> Flags:
        """Which rows lie in it."""
        inside: Flags = (ts >= self.start) & (ts < self.end)
        return inside


class Parts(NamedTuple):
    """Rows to learn from, rows that stop boosting, and rows that give the intervals."""

    train: Interval
    val: Interval
    calibration: Interval


class Fold(NamedTuple):
    """One step of the rolling-origin backtest."""

    number: int
    parts: Parts
    test: Interval


def halves(whole: Interval) -> tuple[Interval, Interval]:
    """The earlier half, and the later half, which begins `GAP` minutes after the end of the first.

    The second is empty if there is no room for it.
    """
    middle = whole.start + (whole.end - whole.start) // 2
    return Interval(whole.start, middle), Interval(min(middle + GAP, whole.end), whole.end)


def folds(whole: Interval, train_days: int, test_days: int, step_days: int) -> list[Fold]:
    """Rolling-origin folds that lie wholly in an interval; a short one has none.

    Training ends `GAP` minutes before the test begins. The last fifth of the training time, after another
    gap, is not learned from: its halves stop boosting and give the intervals.
    """
    size = (train_days + test_days) * DAY
    out = []
    for number, first in enumerate(range(whole.start, whole.end - size + 1, step_days * DAY)):
        boundary = first + train_days * DAY
        held_out = boundary - train_days * DAY // HELD_OUT
        parts = Parts(Interval(first, held_out - GAP), *halves(Interval(held_out, boundary - GAP)))
        out.append(Fold(number, parts, Interval(boundary, first + size)))
    return out


def thirds(whole: Interval) -> list[Interval]:
    """Three stretches of equal length, one after the other."""
    edges = [whole.start + (whole.end - whole.start) * part // 3 for part in range(4)]
    return [Interval(edges[part], edges[part + 1]) for part in range(3)]


def sample(eligible: Flags, stride: int, most: int) -> RowNumbers:
    """Numbers of every stride-th of the eligible rows, at most so many, in order: the same on every call.

    One row is taken of each stretch of equal length, at a place that moves by the golden ratio: every 15th
    row exactly would see four minutes of each hour only.
    """
    numbers = np.flatnonzero(eligible)
    rows = min(-(-numbers.size // stride), most)
    if rows == numbers.size:
        return numbers
    edges = np.arange(rows + 1) * numbers.size // rows
    places = np.arange(rows) * GOLDEN % 1.0
    return numbers[edges[:-1] + (places * np.diff(edges)).astype(np.intp)]
