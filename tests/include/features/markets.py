"""Bars for the tests of the feature engine: a seeded simulation with everything nasty, and real ones."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from include.features.bars import Bars
from include.features.series import Series
from include.names import to_minute

TICK = 1e-5
THURSDAY = to_minute(datetime(2018, 12, 27, 12, tzinfo=UTC))
FRIDAY_CLOSE = to_minute(datetime(2018, 12, 28, 22, tzinfo=UTC))
SUNDAY_OPEN = to_minute(datetime(2018, 12, 30, 22, tzinfo=UTC))
NEW_YEAR = to_minute(datetime(2019, 1, 1, tzinfo=UTC))
END = to_minute(datetime(2019, 1, 1, 6, tzinfo=UTC))

REAL_DATA = Path(os.environ.get("BQX_REAL_DATA", Path(__file__).parents[4] / "shared" / "data" / "fx_m1"))


def bars_of(ts: np.ndarray, close: np.ndarray, **other: np.ndarray) -> Bars:
    """Bars from closes; what is not given is the close, volume and spread are absent."""
    absent = np.full(len(close), np.nan)
    prices = {name: other.get(name, close) for name in ("open", "high", "low")}
    return Bars(
        ts=ts, close=close, volume=other.get("volume", absent), spread=other.get("spread", absent), **prices
    )


def series_of(close: np.ndarray, high: np.ndarray | None = None, low: np.ndarray | None = None) -> Series:
    """A series without gaps straight from index points."""
    close = np.asarray(close, np.float64)
    absent = np.full(len(close), np.nan)
    return Series(
        ts=np.arange(len(close)) + THURSDAY,
        S=close,
        O=close.copy(),
        H=close.copy() if high is None else np.asarray(high, np.float64),
        L=close.copy() if low is None else np.asarray(low, np.float64),
        V=absent,
        p=absent,
        is_filled=np.zeros(len(close), np.bool_),
    )


@cache
def simulated(seed: int = 7) -> Bars:
    """Three and a half days of ticks of 1e-5 over a weekend and a New Year.

    In it: equal ticks, missing minutes, gaps of exactly 5 and 6 minutes, an outage of an hour, the
    weekend with a gap return of 1%, jumps of 2% up and down, and 270 bars of one single price.
    """
    rng = np.random.default_rng(seed)
    ts = np.concatenate([np.arange(THURSDAY, FRIDAY_CLOSE), np.arange(SUNDAY_OPEN, END)])
    moves = rng.standard_t(4, ts.size) * 6e-5 * np.exp(0.5 * np.sin(np.arange(ts.size) / 97))
    moves[[700, 1500]] += [0.02, -0.02]
    moves[FRIDAY_CLOSE - THURSDAY] += 0.01
    still = slice(2500, 2770)
    moves[still] = 0.0
    close = np.round(1.14 * np.exp(np.cumsum(moves)) / TICK) * TICK
    open_ = np.concatenate([close[:1], close[:-1]]) + TICK * rng.integers(-1, 2, ts.size)
    open_[still] = close[still]
    above, below = TICK * rng.integers(0, 9, ts.size), TICK * rng.integers(0, 9, ts.size)
    above[still] = below[still] = 0.0
    high, low = np.maximum(open_, close) + above, np.minimum(open_, close) - below
    spread = np.where(rng.random(ts.size) < 0.01, np.nan, TICK * rng.integers(-1, 20, ts.size))
    keep = rng.random(ts.size) > 0.02
    keep[[0, still.start - 1]] = True
    keep[still] = True
    for start, minutes in ((300, 5), (400, 6), (1000, 60)):
        keep[start : start + minutes] = False
        keep[[start - 1, start + minutes]] = True
    bars = bars_of(
        ts, close, open=open_, high=high, low=low, volume=rng.poisson(40, ts.size) * 1.0, spread=spread
    )
    return Bars(*(getattr(bars, name)[keep] for name in bars.__dataclass_fields__))


@cache
def recorded(pair: str, first: str, end: str) -> Bars:
    """Real bars of a pair in the half-open range of dates; the test is skipped if there are none."""
    path = REAL_DATA / f"{pair}.parquet"
    if not path.is_file():
        pytest.skip(f"no recorded bars at {path}; set BQX_REAL_DATA to their folder")
    table = pq.read_table(path)
    ts = table["ts_utc"].to_numpy().astype("datetime64[m]").astype(np.int64)
    prices = (
        table[name].to_numpy().astype(np.float64)
        for name in ("open", "high", "low", "close", "volume", "spread")
    )
    limits = (int(np.datetime64(day, "m").astype(np.int64)) for day in (first, end))
    return Bars(ts, *prices).slice(*limits)


MARKETS = {
    "simulated": lambda: simulated(),
    "eurusd": lambda: recorded("eurusd", "2018-12-20", "2019-01-10"),
    "audchf": lambda: recorded("audchf", "2018-12-20", "2019-01-10"),  # 2% in a minute on 2019-01-02
}
