"""Exact numbers of rows, without counting a table again that nobody wrote to.

A table is counted anew when the files or the write counters of its partitions changed, or the server was
started since: a build swaps in a new file, and whoever changes rows by hand moves a counter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, cast

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from include.names import table as name_of
from include.storage.bars import is_origin_layout
from include.storage.connection import Connection, qualified, statement

Months = Mapping[str, int]  # exact rows by month ``yyyy-mm``

_CREATE_LOCK = "bqx: create the cache of counts"


def rows_of(connection: Connection, tables: Iterable[str]) -> dict[str, Months]:
    """Exact rows per month of some tables of our schema; tables that are not there are left out.

    Args:
        connection: a session from `include.storage.connection.connect`.
        tables: their names.
    """
    return _counted(connection, _stamps(connection, tables), _rows)


def grid_rows_of(connection: Connection, pairs: Iterable[str]) -> dict[str, Months]:
    """Rows that the bars of each pair ask for, per month; pairs without bars are left out.

    A minute is a row while the last real bar is at most five minutes old, up to the watermark of the loads.
    """
    pair_of = {name_of("m1", pair): pair for pair in pairs}
    last = _watermark(connection)
    if last is None:
        return {}

    def count(connection: Connection, table: str) -> Months:
        return _grid(connection, pair_of[table], last)

    stamps = {table: f"{stamp} {last.isoformat()}" for table, stamp in _stamps(connection, pair_of).items()}
    return {pair_of[table]: months for table, months in _counted(connection, stamps, count).items()}


def _counted(
    connection: Connection, stamps: Mapping[str, str], count: Callable[[Connection, str], Months]
) -> dict[str, Months]:
    """Counts by table: those that were kept where the stamp is the same, else new ones."""
    if not stamps:
        return {}
    _ensure_cache(connection)
    kept = {
        str(table): (str(stamp), cast(Months, months))
        for table, stamp, months in connection.execute(
            "SELECT table_name, stamp, months FROM bqx.counted WHERE table_name = any(%s)", [list(stamps)]
        )
    }
    found: dict[str, Months] = {}
    for table, stamp in stamps.items():
        if table in kept and kept[table][0] == stamp:
            found[table] = kept[table][1]
            continue
        try:
            months = count(connection, table)
        except psycopg.errors.UndefinedTable:  # dropped or renamed in between
            continue
        connection.execute(
            "INSERT INTO bqx.counted (table_name, stamp, months) VALUES (%s, %s, %s) "
            "ON CONFLICT (table_name) DO UPDATE SET stamp = excluded.stamp, months = excluded.months",
            [table, stamp, Jsonb(months)],
        )
        found[table] = months
    return found


def _stamps(connection: Connection, tables: Iterable[str]) -> dict[str, str]:
    rows = connection.execute(statement("evidence/stamp_tables"), {"tables": list(tables)})
    return {str(table): str(stamp) for table, stamp in rows}


def _rows(connection: Connection, table: str) -> Months:
    try:
        return _months(connection.execute(statement("evidence/count_rows", table=qualified(table))))
    except psycopg.errors.UndefinedColumn:  # a foreign table of that name
        return {}


def _grid(connection: Connection, pair: str, last: datetime) -> Months:
    origin = is_origin_layout(connection, pair)
    key = sql.SQL("(time AT TIME ZONE 'UTC')" if origin else "ts_utc")
    query = statement("evidence/count_grid", table=qualified(name_of("m1", pair)), key=key)
    return _months(connection.execute(query, {"watermark": last}))


def _months(rows: Iterable[tuple[Any, ...]]) -> Months:
    return {str(month): int(count) for month, count in rows if count}


def _watermark(connection: Connection) -> datetime | None:
    try:
        row = connection.execute("SELECT max(watermark) FROM bqx.loads").fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    return None if row is None else cast("datetime | None", row[0])


def _ensure_cache(connection: Connection) -> None:
    if connection.execute("SELECT to_regclass('bqx.counted') IS NOT NULL").fetchone() == (True,):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_CREATE_LOCK])
        connection.execute(statement("evidence/create_cache"))
