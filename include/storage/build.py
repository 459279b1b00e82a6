"""Building stored tables: read bars with their warm-up, compute, write a month, swap it in.

The unit of work is one month of one table, one transaction. A month whose inputs, baseline and
code are those of its last build is left alone, so running a build again changes nothing and
healing a failure rebuilds only what is missing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from include import features
from include.errors import MissingInput
from include.features.bqx import bqx_columns
from include.features.catalogue import family as catalogue_family
from include.features.engine import compute
from include.features.grid import MAX_FILL, Grid, make_grid
from include.features.series import Series
from include.names import SCHEMA, Month, months_between
from include.storage.bars import range_of_bars, read_bars
from include.storage.connection import Connection, connect
from include.storage.copying import FloatArray, MinuteArray, encode
from include.storage.log import baseline_of, built_from, record_build, watermark
from include.storage.partitions import count_rows, lock_month, partition_of, replace_month
from include.storage.schema import ensure_tables
from include.storage.tables import Table, table_of

MARGIN = 16  # bars in front of the first input: r needs 1, b needs 15, db needs 16
BQX_LOOKBACK = 75

log = logging.getLogger(__name__)


class MonthBuild(NamedTuple):
    """What happened to one month of one table."""

    table: str
    month: Month
    rows: int
    built: bool


def build(
    url: str,
    pair: str,
    families: Sequence[str],
    months: Sequence[str] = (),
    *,
    rebuild: bool = False,
    dry_run: bool = False,
) -> dict[str, object]:
    """Build families of one pair, month by month.

    Args:
        url: libpq connection string.
        pair: the currency pair.
        families: stored families of the catalogue, or "bqx".
        months: months as ``yyyy-mm``; empty means every month that has bars.
        rebuild: build months again that are already right.
        dry_run: say what would be built, write nothing.

    Returns:
        Plain values: pair, families, months built, months already right, rows written, seconds.

    Raises:
        MissingInput: the pair has no bars or no baseline.
        Busy: another run holds a month for too long.
        SchemaMismatch: a table has other columns than the catalogue.
    """
    started = time.monotonic()
    tables = [table_of(name, pair) for name in families]
    with connect(url) as connection:
        wanted = _months(connection, pair, months)
        if not dry_run:
            ensure_tables(connection, tables)
        results = [
            _build_month(connection, table, chunk, rebuild=rebuild, dry_run=dry_run)
            for chunk in _chunks(connection, pair, wanted, max(map(lookback_of, families)))
            for table in tables
        ]
    built = [result for result in results if result.built]
    return {
        "pair": pair,
        "families": list(families),
        "built": len(built),
        "already_right": len(results) - len(built),
        "rows": sum(result.rows for result in built),
        "seconds": round(time.monotonic() - started, 2),
        "dry_run": dry_run,
    }


def available_months(connection: Connection, pair: str) -> list[Month]:
    """Months in which the pair has grid bars (filled ones may reach into the month after its last bar).

    Raises:
        MissingInput: the pair has no table of bars, or nothing was loaded.
    """
    limits = range_of_bars(connection, pair)
    if limits is None:
        return []
    first, last = limits
    return months_between(first, min(last + MAX_FILL, max(watermark(connection), first)))


def _months(connection: Connection, pair: str, months: Sequence[str]) -> list[Month]:
    available = available_months(connection, pair)
    if not months:
        return available
    wanted = [Month.parse(text) for text in months]
    absent = [str(month) for month in wanted if month not in available]
    if absent:
        raise MissingInput(
            f"{pair} has no bars in {', '.join(absent)}; it has {available[0]} to {available[-1]}. "
            "Choose months in that range or load the bars first (DAG bqx_load)."
            if available
            else f"{SCHEMA}.m1_{pair} is empty: load bars of {pair} first (DAG bqx_load)."
        )
    return wanted


def _chunks(connection: Connection, pair: str, months: Sequence[Month], lookback: int) -> Iterator[Chunk]:
    """One chunk per month, read once for all families of a build."""
    for month in months:
        yield read_chunk(connection, pair, month, lookback)


def _build_month(
    connection: Connection, table: Table, chunk: Chunk, *, rebuild: bool, dry_run: bool
) -> MonthBuild:
    month = chunk.month
    chunk = chunk.trimmed(lookback_of(table.family))
    fingerprint = chunk.fingerprint(table.family)
    if not rebuild and _is_right(connection, table, month, fingerprint):
        return MonthBuild(table.name, month, 0, built=False)
    if dry_run or not len(chunk.rows_of_month):
        return MonthBuild(table.name, month, 0, built=dry_run)
    started = time.monotonic()
    with connection.transaction():
        lock_month(connection, table.name, month)
        if not rebuild and _is_right(connection, table, month, fingerprint):
            return MonthBuild(table.name, month, 0, built=False)
        rows = replace_month(connection, table, month, _rows(chunk, table))
        seconds = time.monotonic() - started
        record_build(connection, table.name, month, rows=rows, input_hash=fingerprint, seconds=seconds)
    log.info("%s %s: %s rows in %.2f s", table.name, month, f"{rows:,}", seconds)
    return MonthBuild(table.name, month, rows, built=True)


def _is_right(connection: Connection, table: Table, month: Month, fingerprint: str) -> bool:
    """The last build had these inputs, and what it wrote is still there, counted exactly."""
    last = built_from(connection, table.name, month)
    if last is None or last[0] != fingerprint:
        return False
    name = partition_of(connection, table.name, month)
    return name is not None and count_rows(connection, name) == last[1]


class Chunk(NamedTuple):
    """Grid bars of one month of a pair with the warm-up bars in front of them."""

    month: Month
    grid: Grid
    baseline_rate: float

    @property
    def rows_of_month(self) -> MinuteArray:
        """Epoch minutes of the month's own rows, shape (rows,)."""
        return self.grid.ts[self.first_row :]

    @property
    def first_row(self) -> int:
        """Position of the month's first row behind the warm-up."""
        return int(np.searchsorted(self.grid.ts, self.month.first_minute))

    def trimmed(self, lookback: int) -> Chunk:
        """Exactly `lookback` grid bars in front: what is built beside a family must not change it."""
        first = max(0, self.first_row - lookback)
        rows = {field.name: getattr(self.grid, field.name)[first:] for field in fields(self.grid)}
        return self._replace(grid=Grid(**rows))

    def fingerprint(self, family: str) -> str:
        """Hash of everything the month's values follow from: bars, baseline, family, code."""
        digest = blake2b(
            f"{family} {self.month} {self.baseline_rate!r} {code_version()}".encode(), digest_size=16
        )
        for name in ("ts", "open", "high", "low", "close", "volume", "spread", "is_filled"):
            digest.update(np.ascontiguousarray(getattr(self.grid, name)).tobytes())
        return digest.hexdigest()


def lookback_of(family: str) -> int:
    """Grid bars to read in front of a month, from the catalogue."""
    return (BQX_LOOKBACK if family == "bqx" else catalogue_family(family).lookback) + MARGIN


def read_chunk(connection: Connection, pair: str, month: Month, lookback: int) -> Chunk:
    """Read one month of grid bars with `lookback` real bars in front of it.

    Bars behind the watermark are not seen, whether or not they are in the table.

    Raises:
        MissingInput: the pair has no bars table or no baseline.
    """
    end = min(month.end_minute, watermark(connection) + 1)
    bars = read_bars(connection, pair, month.first_minute, max(end, month.first_minute), before=lookback)
    grid = make_grid(bars, max(end - 1, int(bars.ts[-1]) if len(bars) else 0))
    return Chunk(month, grid, baseline_of(connection, pair).rate)


def _rows(chunk: Chunk, table: Table) -> Iterator[bytes]:
    series = Series.of(chunk.grid, chunk.baseline_rate)
    columns: Mapping[str, FloatArray]
    if table.family == "bqx":
        columns = bqx_columns(series.S) | {"is_filled": chunk.grid.is_filled.astype(np.float64)}
    else:
        columns = compute(table.family, series)
    first = chunk.first_row
    month = {name: columns[name][first:] for name in table.columns}
    return encode(chunk.rows_of_month, month, table.columns)


@cache
def code_version() -> str:
    """Hash of the feature engine's source: another formula means another build."""
    digest = blake2b(digest_size=8)
    folder = Path(features.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
