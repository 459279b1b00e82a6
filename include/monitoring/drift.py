"""Whether features look other than in training, with at most one false alarm in a hundred runs.

A window is `WINDOW` whole trading days. Its shares of a column's bins are held against those of the training
rows of the same hours, by the Kullback-Leibler divergence that the specification names and by the population
stability index. A column has drifted if its divergence is beyond its limit in two windows in a row.

How far a quiet window strays differs by column: volatility moves for weeks, a momentum hardly at all. So
every column has a limit of its own, exp(m + k * sd), with m and sd of the logarithm of its divergence over
all windows of the training days. k is common to all columns of all pairs and makes the rate of false alarms
that of a whole run: stretches of two windows are taken out of the training days as blocks, each is judged by
the days that it does not touch, and the largest excess over all columns and pairs is noted. These maxima are
taken to follow a Gumbel law; k is the bound that the next one exceeds with a probability of `AIM`, given
how few blocks there are. `AIM` is half of `LEVEL`: the days beside a block make it look more usual than a
block of later days, and with `LEVEL` itself a rate of 0.9 to 2.5% was measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from include.dataset.profile import bin_shares, stability_index
from include.features.arrays import Floats, Minutes
from include.monitoring.declaration import DRIFT_KL
from include.monitoring.reference import HOURS, Integers, Reference, hour_of

__all__ = [
    "AIM", "LEAST_DAYS", "LEVEL", "WINDOW", "Rows", "Usual", "Verdict", "compare", "divergence", "limit",
    "peaks", "usual",
]  # fmt: skip

WINDOW = 5  # trading days
ROW = 2  # windows in a row that a column has to be beyond its limit
BLOCK = ROW * WINDOW  # trading days that are taken out together
LEAST_DAYS = 5 * BLOCK  # of training; with fewer the bound would be so far away that nothing is found
LEVEL = 0.01  # of false alarms in a run, all pairs and columns together: the most that is allowed
AIM = LEVEL / 2  # what the bound is made for
TINY = 1e-4  # divergence that counts as none: the logarithm stays finite
LEAST_SPREAD = 0.1  # of the logarithm of a divergence; less is an accident of few windows
_DRAWS, _SEED = 100_000, 20_240_701


class Usual(NamedTuple):
    """How far windows of the training days stray, (columns,) each.

    Attributes:
        mean, sd: of the logarithm of the divergence.
    """

    mean: Floats
    sd: Floats

    def limits(self, k: float) -> Floats:
        """The divergence from which a column has drifted, at least that of the specification."""
        return np.maximum(np.exp(self.mean + k * self.sd) - TINY, DRIFT_KL)


class Rows(NamedTuple):
    """Rows of a window: those that a data set would have, that is trainable and with all columns known.

    Attributes:
        ts: epoch minutes.
        values: shape (rows, columns), columns of the reference.
    """

    ts: Minutes
    values: Floats


class Verdict(NamedTuple):
    """What two windows in a row say, (columns,) each.

    Attributes:
        kl: the smaller divergence of the two.
        psi: the population stability index of the newest window.
        limits: of the divergence.
    """

    kl: Floats
    psi: Floats
    limits: Floats

    @property
    def drift(self) -> float:
        """Divergence of the worst column, in a unit in which its limit is that of the specification."""
        return float((DRIFT_KL * self.kl / self.limits).max())

    @property
    def drifted(self) -> int:
        """How many columns are beyond their limit."""
        return int((self.kl > self.limits).sum())


def divergence(found: Floats, expected: Floats) -> Floats:
    """Kullback-Leibler divergence: sum over bins, the last axis, of a * ln(a / b)."""
    out: Floats = (found * np.log(found / expected)).sum(axis=-1)
    return out


def usual(reference: Reference) -> Usual | None:
    """How far windows of the training days stray from the others; None if there are too few days."""
    if reference.days.size < LEAST_DAYS:
        return None
    logs = _logs(reference)
    return Usual(logs.mean(axis=0), np.maximum(logs.std(axis=0, ddof=1), LEAST_SPREAD))


def peaks(reference: Reference) -> dict[int, float]:
    """The largest excess of any column in each stretch of two windows, in its sd, by the last day.

    Each stretch is judged by the mean and sd of the windows that share no day with it.
    """
    if reference.days.size < LEAST_DAYS:
        return {}
    logs = _logs(reference)
    starts = np.arange(WINDOW, logs.shape[0])  # of the second window
    first, end = np.maximum(starts - BLOCK + 1, 0), np.minimum(starts + WINDOW, logs.shape[0])
    mean, sd = _without(logs, first, end)
    excess = (np.minimum(logs[starts], logs[starts - WINDOW]) - mean) / np.maximum(sd, LEAST_SPREAD)
    last = reference.days[starts + WINDOW - 1]
    return dict(zip(last.tolist(), excess.max(axis=1).tolist(), strict=True))


def limit(of_pairs: Iterable[Mapping[int, float]], level: float = AIM) -> float | None:
    """K for all columns of all pairs; None if no pair has enough training days.

    Args:
        of_pairs: from `peaks`.
        level: of false alarms in a run.
    """
    largest: dict[int, float] = {}
    for pair in of_pairs:
        for day, peak in pair.items():
            largest[day] = max(peak, largest.get(day, peak))
    if not largest:
        return None
    found = np.array(list(largest.values()))
    blocks = max(2, (found.size + WINDOW) // BLOCK)
    return float(found.mean() + _factor(blocks, level) * found.std(ddof=1))


def compare(reference: Reference, known: Usual, k: float, windows: tuple[Rows, Rows]) -> Verdict:
    """Hold two windows in a row against the training rows.

    Args:
        reference: of the pair.
        known: from `usual`.
        k: from `limit`.
        windows: rows of the older and the newer one.
    """
    shares = [_shares(reference, *rows) for rows in windows]
    kl = np.array([divergence(found, expected) for found, expected in shares])
    return Verdict(kl.min(axis=0), stability_index(*shares[-1]), known.limits(k))


def _shares(reference: Reference, ts: Minutes, values: Floats) -> tuple[Floats, Floats]:
    """Shares of the bins in a window, and in training rows of the same hours."""
    rows = reference.by_hour[:, 0].sum(axis=1)
    hours = hour_of(ts)
    there = rows[hours] > 0
    counted = reference.counted(values[there].astype(np.float32), hours[there], HOURS)
    weight = np.bincount(hours[there], minlength=HOURS) / np.maximum(rows, 1)
    expected = (weight[:, None, None] * reference.by_hour).sum(axis=0)
    return bin_shares(counted.sum(axis=0)), bin_shares(expected)


def _logs(reference: Reference) -> Floats:
    """Logarithm of the divergence of every window from all other days, shape (windows, columns)."""
    before = np.zeros((reference.days.size + 1, *reference.by_day.shape[1:]), np.int64)
    np.cumsum(reference.by_day, axis=0, out=before[1:])
    out = np.empty((reference.days.size - WINDOW + 1, len(reference.columns)))
    for start in range(out.shape[0]):  # one by one: all at once would take a gigabyte
        own: Integers = before[start + WINDOW] - before[start]
        out[start] = divergence(bin_shares(own), bin_shares(before[-1] - own))
    return np.log(np.maximum(out, 0.0) + TINY)


def _without(logs: Floats, first: Integers, end: Integers) -> tuple[Floats, Floats]:
    """Mean and sd of each column without the windows [first, end), shape (len(first), columns)."""
    centred = logs - logs.mean(axis=0)
    sums = [np.vstack([np.zeros((1, logs.shape[1])), np.cumsum(x, axis=0)]) for x in (centred, centred**2)]
    count = (logs.shape[0] - (end - first))[:, None]
    total, squares = (each[-1] - (each[end] - each[first]) for each in sums)
    variance = np.maximum(squares - total**2 / count, 0.0) / (count - 1)
    return logs.mean(axis=0) + total / count, np.sqrt(variance)


@lru_cache(maxsize=64)
def _factor(blocks: int, level: float) -> float:
    """How many sd above the mean of some Gumbel values the next one lies with a probability of `level`."""
    drawn = np.random.default_rng(_SEED).gumbel(size=(_DRAWS, blocks + 1))
    known, following = drawn[:, :-1], drawn[:, -1]
    return float(np.quantile((following - known.mean(axis=1)) / known.std(axis=1, ddof=1), 1 - level))
