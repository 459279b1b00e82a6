"""Building stored tables: read bars with their warm-up, compute, write a month, swap it in.

The unit of work is one month of one table, one transaction. A month whose inputs, baseline and
code are those of its last build is left alone, so running a build again changes nothing and
healing a failure rebuilds only what is missing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from include.build.chunks import (
    Chunk,
    columns_of_chunk,
    lookback_of,
    read_chunk,
    with_shared,
)
from include.errors import MissingInput
from include.features.grid import MAX_FILL
from include.names import SCHEMA, Month, months_between
from include.storage.bars import range_of_bars
from include.storage.connection import Connection, connect
from include.storage.copying import encode
from include.storage.log import built_from, logged_months, record_build, watermark
from include.storage.partitions import count_rows, lock_month, partition_of, replace_month
from include.storage.schema import ensure_tables
from include.storage.stage_order import beside_others
from include.storage.tables import Table, table_of

log = logging.getLogger(__name__)


class MonthBuild(NamedTuple):
    """What happened to one month of one table."""

    table: str
    month: Month
    rows: int
    built: bool
    legacy_rows_aside: int = 0


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
        Plain values: pair, families, months built, months already right, rows written, seconds, and
        legacy rows that were moved beside their table because their minute has no bar.

    Raises:
        MigrationDue: stage 1.6.9 has to be done for the pair first.
        MissingInput: the pair has no bars or no baseline.
        Busy: another run holds a month for too long, or a migration of the pair is at work.
        SchemaMismatch: a table has other columns than the catalogue.
    """
    started = time.monotonic()
    tables = [table_of(name, pair) for name in families]
    with connect(url) as connection, beside_others(connection, pair):
        wanted = wanted_months(connection, pair, families, months)
        if not dry_run:
            ensure_tables(connection, tables)
        results = [
            _build_month(connection, table, chunk, rebuild=rebuild, dry_run=dry_run)
            for chunk in _chunks(connection, pair, wanted, families)
            for table in tables
        ]
    return {"pair": pair, "families": list(families)} | summary(results, started) | {"dry_run": dry_run}


def summary(results: Sequence[MonthBuild], started: float) -> dict[str, object]:
    """Months built and already right, rows written and set aside, seconds since `started`: plain values."""
    built = [result for result in results if result.built]
    return {
        "built": len(built),
        "already_right": len(results) - len(built),
        "rows": sum(result.rows for result in built),
        "legacy_rows_aside": sum(result.legacy_rows_aside for result in built),
        "seconds": round(time.monotonic() - started, 2),
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


def wanted_months(
    connection: Connection, pair: str, families: Sequence[str] = (), months: Sequence[str] = ()
) -> list[Month]:
    """The months of a run: those that were asked for, else every one that has grid bars or was built.

    A month that was built and has no bars any more has to be emptied.

    Args:
        connection: a session.
        pair: the currency pair.
        families: whose built months count.
        months: months as ``yyyy-mm``; empty means all.

    Raises:
        MissingInput: the pair has no bars in one of them, and none of the families was built for it.
    """
    available = available_months(connection, pair)
    built = logged_months(connection, [table_of(name, pair).name for name in families]) if families else []
    if not months:
        return sorted({*available, *built})
    wanted = [Month.parse(text) for text in months]
    absent = [str(month) for month in wanted if month not in available and month not in built]
    if absent:
        raise MissingInput(
            f"{pair} has no bars in {', '.join(absent)}; it has {available[0]} to {available[-1]}. "
            "Choose months in that range or load the bars first (DAG bqx_load)."
            if available
            else f"{SCHEMA}.m1_{pair} is empty: load bars of {pair} first (DAG bqx_load)."
        )
    return wanted


def _chunks(
    connection: Connection, pair: str, months: Sequence[Month], families: Sequence[str]
) -> Iterator[Chunk]:
    """One chunk per month, read once for all families of a build."""
    lookback = max(map(lookback_of, families))
    for month in months:
        chunk = read_chunk(connection, pair, month, lookback)
        yield with_shared(connection, chunk, families)


def _build_month(
    connection: Connection, table: Table, chunk: Chunk, *, rebuild: bool, dry_run: bool
) -> MonthBuild:
    chunk = chunk.trimmed(lookback_of(table.family))
    if not len(chunk.rows_of_month):
        fingerprint = chunk.fingerprint(table.family)
        return empty_month(connection, table, chunk.month, fingerprint, dry_run=dry_run)

    def rows() -> Iterator[bytes]:
        columns, first = columns_of_chunk(chunk, table), chunk.first_row
        return encode(
            chunk.rows_of_month, {name: columns[name][first:] for name in table.columns}, table.columns
        )

    fingerprint = chunk.fingerprint(table.family)
    return write_month(connection, table, chunk.month, fingerprint, rows, rebuild=rebuild, dry_run=dry_run)


def empty_month(
    connection: Connection, table: Table, month: Month, fingerprint: str, *, dry_run: bool
) -> MonthBuild:
    """No bar asks for a row of this month: what an earlier build wrote goes, legacy rows are kept."""
    if built_from(connection, table.name, month) is None:
        return MonthBuild(table.name, month, 0, built=False)

    def rows() -> Iterator[bytes]:
        return encode(np.empty(0, np.int64), dict.fromkeys(table.columns), table.columns)

    return write_month(connection, table, month, fingerprint, rows, rebuild=False, dry_run=dry_run)


def write_month(
    connection: Connection,
    table: Table,
    month: Month,
    fingerprint: str,
    rows: Callable[[], Iterator[bytes]],
    *,
    rebuild: bool,
    dry_run: bool,
) -> MonthBuild:
    """Write a month unless it is right already, all in one transaction.

    Args:
        connection: a session.
        table: its table.
        month: the month.
        fingerprint: hash of everything its values follow from.
        rows: computes them, as blocks of a binary COPY; called only if they are needed.
        rebuild: write it even if it is right.
        dry_run: only say whether it would be written.
    """
    if not rebuild and _is_right(connection, table, month, fingerprint):
        return MonthBuild(table.name, month, 0, built=False)
    if dry_run:
        return MonthBuild(table.name, month, 0, built=True)
    started = time.monotonic()
    with connection.transaction():
        lock_month(connection, table.name, month)
        if not rebuild and _is_right(connection, table, month, fingerprint):
            return MonthBuild(table.name, month, 0, built=False)
        count, aside = replace_month(connection, table, month, rows())
        seconds = time.monotonic() - started
        record_build(connection, table.name, month, rows=count, input_hash=fingerprint, seconds=seconds)
    log.info("%s %s: %s rows in %.2f s", table.name, month, f"{count:,}", seconds)
    if aside:
        log.info("%s %s: %s legacy rows without a bar moved aside", table.name, month, f"{aside:,}")
    return MonthBuild(table.name, month, count, built=True, legacy_rows_aside=aside)


def _is_right(connection: Connection, table: Table, month: Month, fingerprint: str) -> bool:
    """The last build had these inputs, and what it wrote is still there, counted exactly."""
    last = built_from(connection, table.name, month)
    if last is None or last.input_hash != fingerprint:
        return False
    name = partition_of(connection, table.name, month)
    return name is not None and count_rows(connection, name) == last.rows
