"""Compile every numeric kernel into the cache by computing all families of a few bars of every pair.

``python -m include.build.kernels``, with ``NUMBA_CACHE_DIR`` set: before the first builds, which would all
compile the same, and in an image, where there is no time for it later.
"""

from __future__ import annotations

import numpy as np

from include.features import engine
from include.features.bars import Bars
from include.features.bqx import bqx_columns
from include.features.grid import make_grid
from include.features.resample import complete
from include.features.series import Series
from include.features.shared import compute_shared
from include.features.xpair import Related
from include.pairs import PAIRS

__all__ = ["compile_all"]

MINUTES = 600
PAIR = "eurgbp"  # a cross: it reads the most pairs


def compile_all() -> None:
    """Compute every family once."""
    series = {pair: _series(number) for number, pair in enumerate(PAIRS)}
    shared, related, own = compute_shared(series), Related(series), series[PAIR]
    bqx_columns(own.S)
    complete(own.ts, 15)
    for family in engine.COMPUTED:
        engine.compute(family, own, pair=PAIR, shared=shared, related=related)


def _series(number: int) -> Series:
    close = 1.1 + 1e-4 * np.sin(np.arange(MINUTES, dtype=np.float64) + number)
    ts = np.arange(MINUTES, dtype=np.int64) + 28_000_000
    absent = np.full(MINUTES, np.nan)
    bars = Bars(
        ts=ts, open=close, high=close + 1e-4, low=close - 1e-4, close=close, volume=absent, spread=absent
    )
    return Series.of(make_grid(bars, int(ts[-1])), 1.1)


if __name__ == "__main__":
    compile_all()
