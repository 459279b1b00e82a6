"""Bars for storage tests: a random walk with gaps, stored as a load would store them."""

from __future__ import annotations

import numpy as np

from include.features.bars import Bars
from include.market.rows import m1_columns
from include.names import Month, months_between
from include.storage.connection import connect
from include.storage.copying import encode
from include.storage.log import Baseline, record_baseline, record_load
from include.storage.partitions import lock_month, replace_month
from include.storage.schema import ensure_tables
from include.storage.tables import table_of

FIRST = Month(2024, 1)


def sample_bars(seed: int = 1, days_around: int = 2, months: int = 3) -> Bars:
    """Minute bars around the turns of some months, with missing minutes and one long gap."""
    rng = np.random.default_rng(seed)
    minutes, month = [], FIRST
    for _ in range(months):
        month = month.next
        minutes.append(np.arange(-days_around * 1440, days_around * 1440) + month.first_minute)
    ts = np.concatenate(minutes)
    ts = ts[rng.random(len(ts)) > 0.03]
    ts = ts[(ts < ts[700]) | (ts > ts[700] + 45)]
    close = np.round(1.1 * np.exp(np.cumsum(rng.normal(0, 1e-4, len(ts)))), 5)
    opened = np.round(close * np.exp(rng.normal(0, 5e-5, len(ts))), 5)
    high = np.maximum(opened, close) + 0.00003
    low = np.minimum(opened, close) - 0.00002
    volume = rng.integers(1, 90, len(ts)).astype(np.float64)
    return Bars(
        ts=ts, open=opened, high=high, low=low, close=close, volume=volume, spread=np.full(len(ts), 1e-5)
    )


def store(url: str, pair: str, bars: Bars) -> None:
    """Put bars, baseline and watermark into the database."""
    target = table_of("m1", pair)
    with connect(url) as connection:
        ensure_tables(connection, [target])
        record_baseline(connection, pair, Baseline(int(bars.ts[0]), float(bars.close[0])))
        record_load(connection, source="test", pairs=[pair], price_side="bid", watermark=int(bars.ts[-1]))
        for month in months_between(int(bars.ts[0]), int(bars.ts[-1])):
            part = bars.slice(month.first_minute, month.end_minute)
            rows = encode(part.ts, m1_columns(part, 1.0, "bid", derived=False), target.columns)
            with connection.transaction():
                lock_month(connection, target.name, month)
                replace_month(connection, target, month, rows)
