"""A test of two versions that may be looked at after every day, and stopped when it has said something.

The evidence of a day is the difference of the gains of both arms on that day. If both versions are equally
good, swapping their names changes nothing, so the difference has a symmetric distribution, whatever happened
before. For symmetric d, exp(c d - (c d)^2 / 2) has a mean of at most 1 (de la Pena 1999), for every c and
without knowing variance or bounds. The product over days, mixed over c ~ N(0, RATE^2), is the evidence

    E = exp(RATE^2 S^2 / (2 (1 + RATE^2 V))) / sqrt(1 + RATE^2 V),   S = sum d, V = sum d^2,

a supermartingale that starts at 1: it ever reaches 20 with a probability of at most 1/20 (Ville).
Days are scaled by the median size of the days before, which keeps all of this.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from include.features.arrays import Floats

__all__ = ["BETTER", "LEVEL", "OPEN", "WORSE", "Verdict", "evidence", "judge"]

LEVEL = 0.05  # probability that it ever calls equal versions different, at most
RATE = 0.3  # of the mixture: for effects of about a fifth of the scatter of a day
BETTER, WORSE, OPEN = "challenger is better", "champion is better", "not decided"


class Verdict(NamedTuple):
    """What the days so far say.

    Attributes:
        outcome: `BETTER`, `WORSE` or `OPEN`.
        evidence: the largest so far; 1 / `LEVEL` decides.
        day: number of the day that decided, from 1; None while nothing is decided.
        days: with answers of both arms.
        gain: mean difference of a day.
    """

    outcome: str
    evidence: float
    day: int | None
    days: int
    gain: float


def judge(differences: Sequence[float], level: float = LEVEL) -> Verdict:
    """The verdict on days in their order; what was decided once stays decided.

    Args:
        differences: gain of the challenger less that of the champion, by day.
        level: probability of a false verdict, at most, however often one looks.
    """
    found = np.asarray(differences, np.float64)
    if not found.size:
        return Verdict(OPEN, 1.0, None, 0, math.nan)
    log, sums = evidence(found)
    gain = float(found.mean())
    over = np.flatnonzero(log >= -math.log(level))
    if not over.size:
        return Verdict(OPEN, math.exp(min(float(log.max()), 700.0)), None, found.size, gain)
    first = int(over[0])
    outcome = BETTER if sums[first] > 0 else WORSE
    return Verdict(outcome, math.exp(min(float(log[first]), 700.0)), first + 1, found.size, gain)


def evidence(differences: Floats) -> tuple[Floats, Floats]:
    """Logarithm of the evidence after each day, and the scaled sum so far.

    The first day that is not 0 only gives the scale of the next ones.
    """
    scaled = np.zeros(differences.size)
    sizes: list[float] = []  # of the days before, ascending
    for day, difference in enumerate(differences.tolist()):
        if sizes:
            middle = len(sizes) // 2
            scaled[day] = 2 * difference / (sizes[middle] + sizes[-middle - 1])
        if difference:
            insort(sizes, abs(difference))
    sums, squares = np.cumsum(scaled), RATE**2 * np.cumsum(scaled**2)
    log: Floats = RATE**2 * sums**2 / (2 * (1 + squares)) - np.log1p(squares) / 2
    return log, sums
