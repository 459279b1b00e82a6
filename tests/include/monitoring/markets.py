"""Features of simulated markets whose level and volatility wander for days, in hourly rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from include.dataset.evidence import FEATURES
from include.features.arrays import Floats
from include.monitoring.drift import BLOCK, WINDOW, Rows, compare, limit, peaks, usual
from include.monitoring.reference import HOURS, Reference, watched

NAMES = [name for name in watched(tuple(FEATURES)) if FEATURES[name].kind == "float"]
FIRST = 19_905  # days since 1970: Monday, 2024-07-01
SUMMER = 180  # minutes that the trading clock is ahead of UTC in summer; the tests do not need the winter


def weekdays(number: int) -> Floats:
    """The first trading days since `FIRST`, days since 1970."""
    return FIRST + np.arange(number) // 5 * 7 + np.arange(number) % 5


def minutes(days: int, hours: int = HOURS) -> Floats:
    """One minute of each hour of each trading day, epoch minutes, on a clock that stays on summer time."""
    ts = (weekdays(days)[:, None] * 1440 + np.arange(hours) * 60 + 30 - SUMMER).ravel()
    return ts.astype(np.int64)


def features(
    rng: np.random.Generator, pairs: int, days: int, columns: int, *, season: float = 0.0
) -> list[Floats]:
    """Values of each pair, shape (days, hours, columns).

    Half of what moves a level or a volatility is common to all pairs; levels have a half-life of 2 days,
    volatility of 4. Later columns follow the volatility more, and `season` is a daily course in sd.
    """
    weight = 0.3 * rng.random(columns)
    follows = 0.3 * np.linspace(0, 1, columns)
    common, market = _wandering(rng, days, 2.0, columns), _wandering(rng, days, 4.0, 1)
    course = season * np.sin(np.arange(HOURS) / HOURS * 2 * np.pi)[None, :, None]
    out = []
    for _ in range(pairs):
        level = weight * np.sqrt(0.5) * (common + _wandering(rng, days, 2.0, columns))
        volatility = np.exp(follows * np.sqrt(0.5) * (market + _wandering(rng, days, 4.0, 1)))
        noise = rng.normal(size=(days, HOURS, columns))
        out.append((level[:, None] + course + volatility[:, None] * noise).astype(np.float32))
    return out


def _wandering(rng: np.random.Generator, days: int, half_life: float, columns: int) -> Floats:
    keep = 0.5 ** (1 / half_life)
    steps = rng.normal(size=(days, columns))
    out = np.empty_like(steps)
    out[0] = steps[0]
    for day in range(1, days):
        out[day] = keep * out[day - 1] + np.sqrt(1 - keep**2) * steps[day]
    return out


def reference(values: Floats) -> Reference:
    """The reference of training days of `features`."""
    days, _, columns = values.shape
    return Reference.of(NAMES[:columns], minutes(days), values.reshape(-1, columns))


def windows(values: Floats, hours: slice = slice(None)) -> tuple[Rows, Rows]:
    """Two windows in a row of `BLOCK` later days of `features`, of some hours."""
    ts = minutes(BLOCK).reshape(BLOCK, HOURS)[:, hours]
    parts = (slice(0, WINDOW), slice(WINDOW, BLOCK))
    first, second = (
        Rows(ts[part].ravel(), values[part, hours].reshape(-1, values.shape[-1])) for part in parts
    )
    return first, second


class Alarms(NamedTuple):
    """What quiet runs did.

    Attributes:
        runs: how many.
        raised: in how many of them a column of a pair was beyond its limit.
    """

    runs: int
    raised: int


def quiet(seed: int, worlds: int, runs: int, *, pairs: int, days: int, columns: int) -> Alarms:
    """Runs of the monitor on days that are like those of training.

    Args:
        seed: of the random numbers.
        worlds: how often training days are drawn anew.
        runs: for each of them.
        pairs: of a world.
        days: of its training.
        columns: of each pair.
    """
    rng, raised = np.random.default_rng(seed), 0
    for _ in range(worlds):
        values = features(rng, pairs, days + runs * BLOCK, columns)
        references = [reference(each[:days]) for each in values]
        known = [usual(each) for each in references]
        k = limit(peaks(each) for each in references)
        for run in range(runs):
            later = slice(days + run * BLOCK, days + (run + 1) * BLOCK)
            verdicts = (
                compare(each, of, k, windows(pair[later]))  # type: ignore[arg-type]
                for each, of, pair in zip(references, known, values, strict=True)
            )
            raised += any(verdict.drifted for verdict in verdicts)
    return Alarms(worlds * runs, raised)
