"""Statistics of what was put into a metric."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

_PERCENTILE = re.compile(r"p(100|\d{1,2}(?:\.\d{1,10})?)")


class Datum(NamedTuple):
    """Some values of a metric.

    Attributes:
        minimum, maximum: of the values; where they are equal, they are each of the values.
        samples: how many values, more than 0; CloudWatch takes fractions.
        total: their sum.
    """

    minimum: float
    maximum: float
    samples: float
    total: float


def _average(data: Sequence[Datum]) -> float:
    return math.fsum(each.total for each in data) / math.fsum(each.samples for each in data)


SIMPLE: dict[str, Callable[[Sequence[Datum]], float]] = {
    "SampleCount": lambda data: math.fsum(each.samples for each in data),
    "Average": _average,
    "Sum": lambda data: math.fsum(each.total for each in data),
    "Minimum": lambda data: min(each.minimum for each in data),
    "Maximum": lambda data: max(each.maximum for each in data),
}


def percent(statistic: str) -> float | None:
    """The percentage of a percentile such as ``p99.9``; None for another statistic."""
    found = _PERCENTILE.fullmatch(statistic)
    return float(found[1]) if found else None


def is_known(statistic: str) -> bool:
    """Whether there is such a statistic: one of the five simple ones, or a percentile."""
    return statistic in SIMPLE or percent(statistic) is not None


def value(statistic: str, data: Sequence[Datum]) -> float | None:
    """A statistic of the values of one period.

    Args:
        statistic: one that is known.
        data: at least one.

    Returns:
        None where CloudWatch has no such datapoint.
    """
    if statistic in SIMPLE:
        return SIMPLE[statistic](data)
    share = percent(statistic)
    assert share is not None, statistic
    return _percentile(data, share)


def _percentile(data: Sequence[Datum], share: float) -> float | None:
    """By linear interpolation between the closest ranks, as NumPy's default.

    CloudWatch has no percentile where a value is negative, nor of a statistic set whose values are not known.
    """
    if any(each.minimum < 0 or each.minimum != each.maximum for each in data):
        return None
    ordered = sorted(data)
    ranks = list(accumulate(each.samples for each in ordered))
    position = max(share / 100 * (ranks[-1] - 1), 0.0)
    below = math.floor(position)
    lower, upper = (
        ordered[min(bisect_right(ranks, rank), len(ordered) - 1)].minimum for rank in (below, below + 1)
    )
    return lower + (upper - lower) * (position - below)
