"""Creating tables from their definitions, and refusing tables that look different."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from include.errors import SchemaMismatch
from include.names import MAX_IDENTIFIER, SCHEMA
from include.storage.connection import Connection, qualified, statement
from include.storage.tables import Table

_DDL_LOCK = "bqx: create tables"


def columns_of(connection: Connection, table: str) -> dict[str, str]:
    """Name to SQL type of the columns of ``bqx.{table}``, in order; empty if there is no such table."""
    rows = connection.execute(statement("schema/list_columns"), {"table": f"{SCHEMA}.{table}"})
    return {str(name): str(sql_type) for name, sql_type in rows}


def ensure_tables(connection: Connection, tables: Iterable[Table]) -> None:
    """Create what is missing: schema, base tables, and the given parents (partitioned by month).

    Several runs may call this at once. ``CREATE TABLE IF NOT EXISTS`` does not compare columns,
    so that is done here.

    Raises:
        SchemaMismatch: a table exists with other columns; nothing was created.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_DDL_LOCK])
        connection.execute(statement("schema/create_base_tables"))
        for table in tables:
            present = columns_of(connection, table.name)
            if not present:
                connection.execute(_create_parent(table))
            elif present != _wanted(table):
                raise SchemaMismatch(_difference(table, present))


def _wanted(table: Table) -> dict[str, str]:
    stamp = {"created_at": "TIMESTAMP WITH TIME ZONE"} if table.stamped else {}
    return {"ts_utc": "TIMESTAMP WITH TIME ZONE"} | table.columns | stamp


def _create_parent(table: Table) -> sql.Composed:
    longest = f"{table.name}_0000_00__build_pkey"
    if len(longest) > MAX_IDENTIFIER:
        raise SchemaMismatch(
            f"Table name {table.name} is too long: {longest} exceeds {MAX_IDENTIFIER} bytes."
        )
    columns: list[sql.Composable] = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in table.columns.items()
    ]
    if table.stamped:
        columns.append(sql.SQL("created_at TIMESTAMPTZ NOT NULL DEFAULT now()"))
    return statement(
        "schema/create_parent", table=qualified(table.name), columns=sql.SQL(",\n    ").join(columns)
    )


def _difference(table: Table, present: dict[str, str]) -> str:
    wanted = _wanted(table)
    missing = [name for name in wanted if name not in present]
    extra = [name for name in present if name not in wanted]
    changed = [
        f"{name} is {present[name]}, should be {wanted[name]}"
        for name in wanted
        if name in present and present[name] != wanted[name]
    ]
    found = (("missing:", missing), ("not ours:", extra), ("other type:", changed))
    parts = [f"{label} {', '.join(items[:8])}" + " ..." * (len(items) > 8) for label, items in found if items]
    detail = "; ".join(parts) or "the columns stand in another order"
    return (
        f"Table {SCHEMA}.{table.name} exists with other columns than this version writes ({detail}). "
        "Nothing was changed. Rename or drop that table, or run the bundle version that made it."
    )
