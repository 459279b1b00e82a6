"""What every pair needs of the other pairs, computed once for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np

from include.features import dollar
from include.features.arrays import Columns, Floats, Minutes
from include.features.catalogue import FAMILIES
from include.features.join import common_minutes, join_exact
from include.features.series import Series
from include.pairs import PAIRS, USD_MAJORS

__all__ = ["SHARED_COLUMNS", "SHARED_LOOKBACK", "Shared", "compute_shared"]

FROM_SERIES = ("r", "b", "db")  # of each major, on its own grid
_GLOBAL = tuple(
    feature
    for name in ("correlation_idx", "correlation_bqx")
    for feature in FAMILIES[name].columns
    if feature.grid == "dollar"
)

# SQL type by name: what is taken over from the majors, then the global columns.
SHARED_COLUMNS: dict[str, str] = {
    f"{symbol}_{pair}": "DOUBLE PRECISION" for symbol in FROM_SERIES for pair in USD_MAJORS
} | {feature.name: feature.dtype for feature in _GLOBAL}

# Rows of the DOLLAR grid to load before a chunk; of every pair all bars since that minute.
SHARED_LOOKBACK: int = max(feature.lookback for feature in _GLOBAL)


@dataclass(frozen=True, eq=False)
class Shared:
    """Columns that all pairs share.

    Attributes:
        ts: sorted epoch minutes (UTC) at which at least one USD major has a grid row.
        columns: the columns of `SHARED_COLUMNS`, NaN = NULL, one value per minute of ``ts``.
    """

    ts: Minutes
    columns: Mapping[str, Floats]


def compute_shared(series: Mapping[str, Series]) -> Shared:
    """Join the majors and compute the 17 global columns on the dollar grid.

    Args:
        series: grid rows by pair. A pair that is missing leaves the columns that need it NULL:
            without a major there is no dollar grid, without any of the 28 no momentum dispersion.

    Returns:
        ``r_``, ``b_`` and ``db_`` of each major, NaN where it has no row; global columns, NaN at
        minutes that are not on the dollar grid.
    """
    majors = [series[pair].ts for pair in USD_MAJORS if pair in series]
    ts = reduce(np.union1d, majors, np.empty(0, np.int64))
    columns = {name: np.full(ts.size, np.nan) for name in SHARED_COLUMNS}
    for pair in USD_MAJORS:
        if pair in series:
            own = {f"{symbol}_{pair}": getattr(series[pair], symbol) for symbol in FROM_SERIES}
            columns |= join_exact(ts, series[pair].ts, own)
    if len(majors) == len(USD_MAJORS):
        grid = common_minutes(majors)
        columns |= join_exact(ts, grid, _global_columns(grid, series))
    return Shared(ts, columns)


def _global_columns(grid: Minutes, series: Mapping[str, Series]) -> Columns:
    r, b = {}, {pair: np.full(grid.size, np.nan) for pair in PAIRS}
    for pair, one in series.items():
        joined = join_exact(grid, one.ts, {"r": one.r, "b": one.b})
        r[pair], b[pair] = joined["r"], joined["b"]
    return dollar.of_returns(r) | dollar.of_bqx(b)
