"""The chronological split: which minutes are for training, for validation, for the test, and for nobody.

Boundaries depend on the period alone, so they are the same for all pairs; where a set would lie in a weekend,
`include.dataset.week` places them in trading time. Before each boundary a gap of
195 minutes has no rows: 75 in which labels would reach across it (purge), and 120 more, since windows of
later rows and long memory in prices reach back (embargo). All intervals are half open, in epoch minutes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from include.errors import BadParameter
from include.features.arrays import Flags, Minutes
from include.names import to_datetime

__all__ = ["EMBARGO", "GAP", "PURGE", "SETS", "Fold", "Interval", "Split", "folds", "sample", "split"]

SETS = ("train", "val", "test")
SHARES = (70, 15, 15)  # percent of clock time

PURGE = 75  # minutes, the longest horizon
EMBARGO = 120
GAP = PURGE + EMBARGO

DAY = 1440  # minutes
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Interval:
    """The minutes start <= t < end."""

    start: int
    end: int

    def rows(self, ts: Minutes) -> Flags:
        """Which rows lie in it."""
        return (ts >= self.start) & (ts < self.end)

    def __str__(self) -> str:
        return f"{to_datetime(self.start):%Y-%m-%d %H:%M} to {to_datetime(self.end):%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class Split:
    """Where the rows of each set lie. Minutes of the period in none of them are gap."""

    train: Interval
    val: Interval
    test: Interval

    @property
    def boundaries(self) -> tuple[int, int]:
        """First minute of validation and of test."""
        return self.val.start, self.test.start

    def assign(self, ts: Minutes) -> npt.NDArray[np.int8]:
        """Number of the set of every row in `SETS`; -1 in a gap or outside the period."""
        out = np.full(ts.size, -1, np.int8)
        for number, name in enumerate(SETS):
            out[getattr(self, name).rows(ts)] = number
        return out

    def to_dict(self) -> dict[str, dict[str, int]]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Split:
        """The split that `to_dict` wrote."""
        return cls(**{name: Interval(**plain[name]) for name in SETS})


@dataclass(frozen=True)
class Fold:
    """One step of the rolling-origin backtest."""

    number: int
    train: Interval
    test: Interval


def split(start: int, end: int) -> Split:
    """Cut a period at 70% and 85% of its clock time, rounded down to the minute.

    Args:
        start: first minute of the period.
        end: the minute after its last.

    Raises:
        BadParameter: the period is too short for three sets with gaps between them.
    """
    length = end - start
    first = start + length * SHARES[0] // 100
    second = start + length * (SHARES[0] + SHARES[1]) // 100
    whole = Split(Interval(start, first - GAP), Interval(first, second - GAP), Interval(second, end))
    if min(part.end - part.start for part in (whole.train, whole.val, whole.test)) < 1:
        raise BadParameter(
            f"{Interval(start, end)} is too short to split: validation has 15% of it, less a gap of "
            f"{GAP} minutes; choose a period of two days or more"
        )
    return whole


def folds(
    start: int, end: int, *, train_days: int = 60, test_days: int = 30, step_days: int = 7
) -> tuple[Fold, ...]:
    """Rolling-origin folds within a period: fit on 60 days, look at the next 30, go on by 7.

    Training ends `GAP` minutes before its test begins. Every fold lies wholly in the period; a period
    that is shorter than one fold has none. For choices made in training, pass the train interval.

    Raises:
        BadParameter: a number of days is below 1.
    """
    if min(train_days, test_days, step_days) < 1:
        raise BadParameter(
            f"folds of {train_days} and {test_days} days every {step_days} days cannot be; use 1 or more"
        )
    size, step = (train_days + test_days) * DAY, step_days * DAY
    found = []
    for number, first in enumerate(range(start, end - size + 1, step)):
        boundary = first + train_days * DAY
        found.append(Fold(number, Interval(first, boundary - GAP), Interval(boundary, first + size)))
    return tuple(found)


def sample(eligible: Flags, rows: int) -> npt.NDArray[np.intp]:
    """Numbers of at most ``rows`` of the eligible rows, evenly spaced, in order: the same on every call.

    One is taken of each stretch of equal length, at a place that moves by the golden ratio: a fixed
    stride of, say, 60 rows would see one minute of every hour only.
    """
    numbers = np.flatnonzero(eligible)
    if numbers.size <= rows:
        return numbers
    edges = np.arange(rows + 1) * numbers.size // rows
    places = np.arange(rows) * GOLDEN % 1.0
    return numbers[edges[:-1] + (places * np.diff(edges)).astype(np.intp)]
