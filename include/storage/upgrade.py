"""Databases of older versions of this bundle: what they lack is added once, before anything else.

Until 2026-11 no column was marked as ours. A table in the log of builds gets its marks here, unless it has
further columns and the journal does not say that a migration moved the legacy ones out of the way: then
nobody can know whose values it holds, and stage 1.6.9 has to be run.
"""

from __future__ import annotations

from collections.abc import Iterator

from include.features.catalogue import STORED
from include.names import SCHEMA
from include.pairs import PAIRS
from include.storage.connection import Connection, statement
from include.storage.ownership import mark
from include.storage.tables import SHARED, Table, table_of


def upgrade(connection: Connection) -> bool:
    """Bring the tables of an older version up to date; returns whether there was anything to do.

    Asks two questions where there is nothing to do. Several sessions may call this at once.
    """
    if not _is_older(connection):
        return False
    with connection.transaction():
        connection.execute("LOCK TABLE bqx.build_log IN ACCESS EXCLUSIVE MODE")
        if not _is_older(connection):
            return False
        if _lacks(connection, "build_log", "content_hash"):
            for table, columns in _made_by_us(connection):
                connection.execute(mark(table, columns))
            connection.execute("ALTER TABLE bqx.build_log ADD COLUMN content_hash NUMERIC")
        if _lacks(connection, "gate_log", "seen"):
            connection.execute("ALTER TABLE bqx.gate_log ADD COLUMN seen TEXT")
    return True


def _is_older(connection: Connection) -> bool:
    return _lacks(connection, "build_log", "content_hash") or _lacks(connection, "gate_log", "seen")


def _lacks(connection: Connection, table: str, column: str) -> bool:
    """Whether the table is there without the column."""
    columns = _columns(connection, table)
    return bool(columns) and column not in columns


def _made_by_us(connection: Connection) -> Iterator[tuple[Table, list[str]]]:
    logged = {str(name) for (name,) in connection.execute("SELECT DISTINCT table_name FROM bqx.build_log")}
    tables = [table_of(name, pair) for pair in PAIRS for name in ("m1", "bqx", *STORED)]
    for table in [*tables, table_of(SHARED, "")]:
        present = _columns(connection, table.name) if table.name in logged else []
        others = set(present) - {"ts_utc", "created_at", *table.columns}
        if present and (not others or _was_migrated(connection, table.name)):
            yield table, [name for name in table.columns if name in present]


def _was_migrated(connection: Connection, table: str) -> bool:
    if not _columns(connection, "migration_journal"):
        return False
    query = (
        "SELECT EXISTS (SELECT 1 FROM bqx.migration_journal"
        " WHERE oid = to_regclass(%s) AND state = 'renamed' AND kind IN ('table', 'column'))"
    )
    return connection.execute(query, [f"{SCHEMA}.{table}"]).fetchone() == (True,)


def _columns(connection: Connection, table: str) -> list[str]:
    rows = connection.execute(statement("storage/list_columns"), {"table": f"{SCHEMA}.{table}"})
    return [str(name) for name, _ in rows]
