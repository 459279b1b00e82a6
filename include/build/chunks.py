"""What a month is computed from: grid bars with their warm-up, and what all pairs share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from include.build.code import code_version
from include.features.bqx import bqx_columns
from include.features.catalogue import family as catalogue_family
from include.features.correlation import shared_columns
from include.features.engine import compute
from include.features.grid import Grid, make_grid
from include.features.join import common_minutes
from include.features.mres import WARM_BARS
from include.features.resample import complete
from include.features.series import Series
from include.features.shared import Shared
from include.features.xpair import DOLLAR_LOOKBACK, Related, related_pairs
from include.names import Month
from include.pairs import USD_MAJORS
from include.storage.arrays import read_rows
from include.storage.bars import price_side_of, read_bars
from include.storage.connection import Connection
from include.storage.copying import FloatArray, MinuteArray
from include.storage.log import baseline_of, baselines, watermark
from include.storage.schema import columns_of
from include.storage.tables import SHARED, Table

MARGIN = 16  # bars in front of the first input: r needs 1, b needs 15, db needs 16
STILLNESS = 300  # more bars for a month that begins in a long stretch of equal prices, see decision 8
BQX_LOOKBACK = 75
# What families read of what all pairs share.
SHARED_INPUTS = {f"correlation_{domain}": shared_columns(domain) for domain in ("idx", "bqx")}
MID_OFFSET = {"bid": 0.5, "mid": 0.0, "ask": -0.5, "unknown": 0.5}  # of the close, in spreads


class Chunk(NamedTuple):
    """Grid bars of one month of a pair with the warm-up bars in front of them."""

    pair: str
    month: Month
    grid: Grid
    baseline_rate: float
    mid_offset: float
    shared: Shared | None = None
    related: Related | None = None

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
        shared = None if self.shared is None else _since(self.shared, minute)
        return self._replace(grid=grid, shared=shared)

    def trimmed(self, lookback: int) -> Chunk:
        """Exactly `lookback` grid bars in front: what is built beside a family must not change it."""
        first = max(0, self.first_row - lookback)
        return self.since(int(self.grid.ts[first])) if first < len(self.grid) else self

    def digest(self) -> bytes:
        """Hash of the month's own rows, of their base and of the price they record."""
        facts = f"{self.month} {self.baseline_rate!r} {self.mid_offset}".encode()
        return _digest(self._rows(self.first_row, len(self.grid)), facts)

    def fingerprint(self, family: str) -> str:
        """Hash of everything the month's values of a family follow from: bars, baseline, family, code.

        Bars in front of the family's look-back do not matter.
        """
        return self.fingerprints([family])[family]

    def fingerprints(self, families: Iterable[str]) -> dict[str, str]:
        """The same for several families; the rows of the month are hashed once."""
        own = self.digest()
        return {family: self._fingerprint(family, lookback_of(family), own) for family in families}

    def fingerprint_of_all(self) -> str:
        """Hash of every bar of the chunk, with its base and the code."""
        return self._fingerprint("", len(self.grid), self.digest())

    def _fingerprint(self, family: str, lookback: int, own: bytes) -> str:
        first = max(0, self.first_row - lookback)
        inputs = list(self._rows(first, self.first_row))
        if family in SHARED_INPUTS and self.shared is not None and len(self.grid):
            shared = _since(self.shared, int(self.grid.ts[min(first, len(self.grid) - 1)]))
            inputs += [shared.ts, *(shared.columns[name] for name in SHARED_INPUTS[family])]
        return _digest(inputs, f"{family} {code_version()} ".encode() + own).hex()

    def _rows(self, first: int, end: int) -> Iterator[npt.NDArray[Any]]:
        return (getattr(self.grid, field.name)[first:end] for field in fields(self.grid))


def lookback_of(family: str) -> int:
    """Grid bars to read in front of a month, from the catalogue."""
    return (BQX_LOOKBACK if family == "bqx" else catalogue_family(family).lookback) + MARGIN + STILLNESS


def read_chunk(
    connection: Connection,
    pair: str,
    month: Month,
    lookback: int,
    since: int | None = None,
    side: str | None = None,
) -> Chunk:
    """Read one month of grid bars with `lookback` real bars in front of it.

    Bars behind the watermark are not seen, whether or not they are in the table.

    Args:
        connection: a session.
        pair: the currency pair.
        month: the month.
        lookback: how many real bars to read in front of it.
        since: an epoch minute before the month: count them in front of that instead, and read all bars
            in between as well.
        side: price side of the bars, where it makes no difference; None to look it up.

    Raises:
        MissingInput: the pair has no bars table or no baseline.
    """
    first = month.first_minute if since is None else min(since, month.first_minute)
    end = min(month.end_minute, watermark(connection) + 1)
    bars = read_bars(connection, pair, first, max(end, first), before=lookback)
    grid = make_grid(bars, max(end - 1, int(bars.ts[-1]) if len(bars) else 0))
    side = side or price_side_of(connection, pair, month)
    return Chunk(pair, month, grid, baseline_of(connection, pair).rate, MID_OFFSET[side])


def with_shared(connection: Connection, chunk: Chunk, families: Iterable[str]) -> Chunk:
    """The chunk with what these families read of what all pairs share, over its minutes.

    Nothing is shared before that was built: every column is then absent.
    """
    names = sorted({name for family in families for name in SHARED_INPUTS.get(family, ())})
    if not names:
        return chunk
    if not len(chunk.grid) or not columns_of(connection, SHARED):
        return chunk._replace(shared=Shared(np.empty(0, np.int64), _no_rows(names)))
    first, last = int(chunk.grid.ts[0]), int(chunk.grid.ts[-1])
    ts, values = read_rows(connection, SHARED, names, first, last + 1)
    return chunk._replace(shared=Shared(ts, values))


def with_related(connection: Connection, chunk: Chunk) -> Chunk:
    """The chunk with the pairs that the family xpair reads, over its minutes and as far back as needed.

    Each has the rows before the chunk's first one that its own returns and BQX there are made of, and
    all together as many rows of the dollar grid before the month as its longest window counts, or all
    there are. No column asks which price they record. Pairs that were never loaded stay absent: what
    reads them is NULL.

    Raises:
        MissingInput: a related pair was loaded but its bars are gone.
    """
    since = int(chunk.grid.ts[0]) if len(chunk.grid) else chunk.month.first_minute
    loaded = baselines(connection)
    pairs = [pair for pair in related_pairs(chunk.pair) if pair in loaded]
    chunks = read_to_dollar_grid(connection, pairs, chunk.month, DOLLAR_LOOKBACK, since, side="unknown")
    return chunk._replace(related=Related({pair: one.series for pair, one in chunks.items()}))


def read_to_dollar_grid(
    connection: Connection,
    pairs: Sequence[str],
    month: Month,
    rows: int,
    since: int | None = None,
    side: str | None = None,
) -> dict[str, Chunk]:
    """Chunks of several pairs with at least that many rows of the dollar grid before the month.

    Where majors have gaps, the minutes they share are fewer than the rows of each: read further back
    until there are enough of them, or no more bars. `since` and `side` as in `read_chunk`.
    """
    before = rows + MARGIN
    start = month.first_minute if since is None else since
    while True:
        chunks = {pair: read_chunk(connection, pair, month, before, since, side) for pair in pairs}
        in_front = (int(np.searchsorted(chunk.grid.ts, start)) for chunk in chunks.values())
        exhausted = all(bars < before for bars in in_front)
        hopeless = any(pair not in chunks for pair in USD_MAJORS)
        if exhausted or hopeless or len(dollar_rows_before(chunks, month)) >= rows:
            return chunks
        before *= 2


def dollar_rows_before(chunks: Mapping[str, Chunk], month: Month) -> MinuteArray:
    """Minutes before the month at which all majors that are there have a row."""
    majors = [chunks[pair].grid.ts for pair in USD_MAJORS if pair in chunks]
    common = common_minutes(majors) if majors else np.empty(0, np.int64)
    return common[common < month.first_minute]


def with_complete_bars(connection: Connection, chunk: Chunk) -> Chunk:
    """The chunk with as many complete 15-minute bars before its month as the family mres needs.

    The catalogue's warm-up is right where no break cuts a bar short; a pair with many gaps has fewer
    complete bars in as many minutes, so it is read further back until there are enough, or no more
    bars. Call it before `with_shared` and `with_related`.
    """
    lookback = chunk.first_row
    while chunk.first_row >= lookback and len(complete(chunk.grid.ts[: chunk.first_row], 15)) < WARM_BARS:
        lookback = max(2 * lookback, MARGIN)
        chunk = read_chunk(connection, chunk.pair, chunk.month, lookback)
    return chunk


def columns_of_chunk(chunk: Chunk, table: Table) -> Mapping[str, FloatArray]:
    """Columns of a table for every grid bar of a chunk, its warm-up bars included; NaN = NULL."""
    if table.family == "bqx":
        return bqx_columns(chunk.series.S) | {"is_filled": chunk.grid.is_filled.astype(np.float64)}
    return compute(table.family, chunk.series, pair=chunk.pair, shared=chunk.shared, related=chunk.related)


def _digest(arrays: Iterable[npt.NDArray[Any]], facts: bytes) -> bytes:
    digest = blake2b(facts, digest_size=16)
    for values in arrays:
        digest.update(f"{len(values)} ".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.digest()


def _since(shared: Shared, minute: int) -> Shared:
    first = int(np.searchsorted(shared.ts, minute))
    return Shared(shared.ts[first:], {name: values[first:] for name, values in shared.columns.items()})


def _no_rows(names: Iterable[str]) -> dict[str, FloatArray]:
    return {name: np.empty(0) for name in names}
