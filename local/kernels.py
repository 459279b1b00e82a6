"""Compile every numeric kernel into the cache by computing all families of a few bars.

``python -m local.kernels``, with ``NUMBA_CACHE_DIR`` set.
"""

from __future__ import annotations

import numpy as np

from include.errors import BqxError
from include.features import engine
from include.features.bars import Bars
from include.features.bqx import bqx_columns
from include.features.grid import make_grid
from include.features.series import Series

MINUTES = 600


def main() -> None:
    """Compute what can be computed of one pair; what needs more than that compiles when it is built."""
    close = 1.1 + 1e-4 * np.sin(np.arange(MINUTES, dtype=np.float64))
    ts = np.arange(MINUTES, dtype=np.int64) + 28_000_000
    absent = np.full(MINUTES, np.nan)
    bars = Bars(
        ts=ts, open=close, high=close + 1e-4, low=close - 1e-4, close=close, volume=absent, spread=absent
    )
    series = Series.of(make_grid(bars, int(ts[-1])), 1.1)
    bqx_columns(series.S)
    for family in engine.COMPUTED:
        try:
            engine.compute(family, series)
        except BqxError as error:
            print(f"{family} is left out: {error}")


if __name__ == "__main__":
    main()
