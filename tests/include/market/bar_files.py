"""Bar files for tests of loading: small, seeded, in the schema the readers document."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from include.features.bars import Bars


def walk(ts: np.ndarray, level: float, seed: int) -> Bars:
    """A random walk around a level at the given minutes."""
    rng = np.random.default_rng(seed)
    close = level * np.exp(np.cumsum(rng.normal(0, 1e-4, len(ts))))
    opened = np.append(close[:1], close[:-1])
    high, low = np.maximum(opened, close) * (1 + 1e-5), np.minimum(opened, close) * (1 - 1e-5)
    volume = rng.integers(1, 50, len(ts)).astype(np.float64)
    return Bars(ts, opened, high, low, close, volume, np.full(len(ts), level * 1e-5))


def write(folder: Path, pair: str, bars: Bars) -> Path:
    """Write one pair as Parquet."""
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume", "spread")}
    ts = pa.array(bars.ts * 60_000_000, pa.timestamp("us", tz="UTC"))
    path = folder / f"{pair}.parquet"
    pq.write_table(pa.table({"ts_utc": ts} | columns), path)
    return path
