"""What a month is computed from: grid bars with their warm-up, and what all pairs share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from include import features
from include.features.bqx import bqx_columns
from include.features.catalogue import family as catalogue_family
from include.features.engine import compute
from include.features.grid import Grid, make_grid
from include.features.series import Series
from include.features.shared import SHARED_COLUMNS, Shared
from include.names import Month
from include.storage.arrays import read_rows
from include.storage.bars import price_side_of, read_bars
from include.storage.connection import Connection
from include.storage.copying import FloatArray, MinuteArray
from include.storage.log import baseline_of, watermark
from include.storage.schema import columns_of
from include.storage.tables import SHARED, Table

MARGIN = 16  # bars in front of the first input: r needs 1, b needs 15, db needs 16
STILLNESS = 300  # more bars for a month that begins in a long stretch of equal prices, see decision 8
BQX_LOOKBACK = 75
ACROSS_PAIRS = ("correlation_idx", "correlation_bqx")  # families that read what all pairs share
MID_OFFSET = {"bid": 0.5, "mid": 0.0, "ask": -0.5, "unknown": 0.5}  # of the close, in spreads


class Chunk(NamedTuple):
    """Grid bars of one month of a pair with the warm-up bars in front of them."""

    pair: str
    month: Month
    grid: Grid
    baseline_rate: float
    mid_offset: float
    shared: Shared | None = None

    @property
    def rows_of_month(self) -> MinuteArray:
        """Epoch minutes of the month's own rows, shape (rows,)."""
        return self.grid.ts[self.first_row :]

    @property
    def first_row(self) -> int:
        """Position of the month's first row behind the warm-up."""
        return int(np.searchsorted(self.grid.ts, self.month.first_minute))

    @property
    def series(self) -> Series:
        """The bars as index points."""
        return Series.of(self.grid, self.baseline_rate, self.mid_offset)

    def since(self, minute: int) -> Chunk:
        """Without the bars before a minute."""
        first = int(np.searchsorted(self.grid.ts, minute))
        grid = Grid(**{field.name: getattr(self.grid, field.name)[first:] for field in fields(self.grid)})
        return self._replace(grid=grid, shared=_since(self.shared, minute))

    def trimmed(self, lookback: int) -> Chunk:
        """Exactly `lookback` grid bars in front: what is built beside a family must not change it."""
        first = max(0, self.first_row - lookback)
        return self.since(int(self.grid.ts[first])) if first < len(self.grid) else self

    def fingerprint(self, family: str) -> str:
        """Hash of everything the month's values follow from: bars, baseline, family, code."""
        facts = f"{family} {self.month} {self.baseline_rate!r} {self.mid_offset} {code_version()}"
        digest = blake2b(facts.encode(), digest_size=16)
        for field in fields(self.grid):
            digest.update(np.ascontiguousarray(getattr(self.grid, field.name)).tobytes())
        if family in ACROSS_PAIRS and self.shared is not None:
            for values in (self.shared.ts, *self.shared.columns.values()):
                digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()


def lookback_of(family: str) -> int:
    """Grid bars to read in front of a month, from the catalogue."""
    return (BQX_LOOKBACK if family == "bqx" else catalogue_family(family).lookback) + MARGIN + STILLNESS


def read_chunk(connection: Connection, pair: str, month: Month, lookback: int) -> Chunk:
    """Read one month of grid bars with `lookback` real bars in front of it.

    Bars behind the watermark are not seen, whether or not they are in the table.

    Raises:
        MissingInput: the pair has no bars table or no baseline.
    """
    end = min(month.end_minute, watermark(connection) + 1)
    bars = read_bars(connection, pair, month.first_minute, max(end, month.first_minute), before=lookback)
    grid = make_grid(bars, max(end - 1, int(bars.ts[-1]) if len(bars) else 0))
    side = price_side_of(connection, pair, month)
    return Chunk(pair, month, grid, baseline_of(connection, pair).rate, MID_OFFSET[side])


def with_shared(connection: Connection, chunk: Chunk) -> Chunk:
    """The chunk with what all pairs share over its minutes; nothing is shared before that was built."""
    if not len(chunk.grid) or not columns_of(connection, SHARED):
        return chunk._replace(shared=Shared(np.empty(0, np.int64), _no_rows()))
    first, last = int(chunk.grid.ts[0]), int(chunk.grid.ts[-1])
    ts, values = read_rows(connection, SHARED, list(SHARED_COLUMNS), first, last + 1)
    return chunk._replace(shared=Shared(ts, values))


def columns_of_chunk(chunk: Chunk, table: Table) -> Mapping[str, FloatArray]:
    """Columns of a table for every grid bar of a chunk, its warm-up bars included; NaN = NULL."""
    if table.family == "bqx":
        return bqx_columns(chunk.series.S) | {"is_filled": chunk.grid.is_filled.astype(np.float64)}
    return compute(table.family, chunk.series, pair=chunk.pair, shared=chunk.shared)


@cache
def code_version() -> str:
    """Hash of the feature engine's source: another formula means another build."""
    digest = blake2b(digest_size=8)
    folder = Path(features.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _since(shared: Shared | None, minute: int) -> Shared | None:
    if shared is None:
        return None
    first = int(np.searchsorted(shared.ts, minute))
    return Shared(shared.ts[first:], {name: values[first:] for name, values in shared.columns.items()})


def _no_rows() -> dict[str, FloatArray]:
    return {name: np.empty(0) for name in SHARED_COLUMNS}
