"""Exact numbers of rows, and what is stale, without looking again at tables that nobody wrote to.

A table is looked at anew when the files or the write counters of its partitions changed, or the server was
started since: a build swaps in a new file, and whoever changes rows by hand moves a counter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from include.build.code import code_version
from include.build.freshness import Expected, Scope, compare, expect_all
from include.names import table as name_of
from include.pairs import PAIRS
from include.storage.bars import is_origin_layout
from include.storage.connection import Connection, exists, qualified, statement
from include.storage.tables import SHARED

T = TypeVar("T")

Months = Mapping[str, int]  # exact rows by month ``yyyy-mm``

_CREATE_LOCK = "bqx: create the cache of counts"


def rows_of(connection: Connection, tables: Iterable[str]) -> dict[str, Months]:
    """Exact rows per month of some tables of our schema; tables that are not there are left out.

    Args:
        connection: a session from `include.storage.connection.connect`.
        tables: their names.
    """
    return _remembered(connection, _stamps(connection, tables), _rows)


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
    return {pair_of[table]: months for table, months in _remembered(connection, stamps, count).items()}


def stale_tables(
    url: str, connection: Connection, pairs: Sequence[str], families: Sequence[str]
) -> frozenset[str]:
    """Tables with a month that a build would write anew now, or never wrote.

    As `include.build.freshness.check_freshness` finds them, but what a month would be made from is kept until
    bars, what all pairs share or the code change: while tables are built, only their log is read again.

    Args:
        url: libpq connection string.
        connection: a session.
        pairs: pairs to look at.
        families: stored families of the catalogue.
    """
    bars = [name_of("m1", pair) for pair in PAIRS]  # the shared columns follow from those of every pair
    stamps = _stamps(connection, [*bars, SHARED, "build_log", "baseline_rates", "loads"])
    if stamps.pop("build_log", None) is None:
        return frozenset()
    scope = Scope.of(connection, pairs, families)
    question = hashlib.sha256(f"{sorted(pairs)} {sorted(families)}".encode()).hexdigest()[:16]
    stamp = hashlib.sha256(f"{code_version()} {scope} {sorted(stamps.items())}".encode()).hexdigest()

    def look(_: Connection, __: str) -> list[dict[str, Any]]:
        return [expected._asdict() for expected in expect_all(url, scope, families)]

    name = f"expected {question}"
    months = [Expected(**each) for each in _remembered(connection, {name: stamp}, look)[name]]
    stale = {one.table for each in months for one in compare(connection, scope, families, each).stale}
    tables = {name_of(family, pair) for pair in pairs for family in families}
    # A pair whose bars cannot be read tells nothing of any of its tables.
    silent = {pair for pair in pairs if pair in scope.unreadable or name_of("m1", pair) in stale}
    return frozenset(stale & tables | {name_of(family, pair) for pair in silent for family in families})


def _remembered(
    connection: Connection, stamps: Mapping[str, str], look: Callable[[Connection, str], T]
) -> dict[str, T]:
    """What was found by table: what is kept where the stamp is the same, else looked at anew."""
    if not stamps:
        return {}
    _ensure_cache(connection)
    kept = {
        str(table): (str(stamp), cast(T, found))
        for table, stamp, found in connection.execute(
            "SELECT table_name, stamp, months FROM bqx.counted WHERE table_name = any(%s)", [list(stamps)]
        )
    }
    answers: dict[str, T] = {}
    for table, stamp in stamps.items():
        if table in kept and kept[table][0] == stamp:
            answers[table] = kept[table][1]
            continue
        try:
            answer = look(connection, table)
        except psycopg.errors.UndefinedTable:  # dropped or renamed in between
            continue
        connection.execute(
            "INSERT INTO bqx.counted (table_name, stamp, months) VALUES (%s, %s, %s) "
            "ON CONFLICT (table_name) DO UPDATE SET stamp = excluded.stamp, months = excluded.months",
            [table, stamp, Jsonb(answer)],
        )
        answers[table] = answer
    return answers


def _stamps(connection: Connection, tables: Iterable[str]) -> dict[str, str]:
    rows = connection.execute(statement("plan/stamp_tables"), {"tables": list(tables)})
    return {str(table): str(stamp) for table, stamp in rows}


def _rows(connection: Connection, table: str) -> Months:
    try:
        return _months(connection.execute(statement("plan/count_rows", table=qualified(table))))
    except psycopg.errors.UndefinedColumn:  # a foreign table of that name
        return {}


def _grid(connection: Connection, pair: str, last: datetime) -> Months:
    origin = is_origin_layout(connection, pair)
    key = sql.SQL("(time AT TIME ZONE 'UTC')" if origin else "ts_utc")
    query = statement("plan/count_grid", table=qualified(name_of("m1", pair)), key=key)
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
    if exists(connection, "counted"):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_CREATE_LOCK])
        connection.execute(statement("plan/create_cache"))
