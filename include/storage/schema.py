"""Creating tables from their definitions, and refusing tables that look different or are not ours.

Feature tables may come from elsewhere: the migration gives them our names, here they get the columns of
the catalogue, marked as ours (`include.storage.ownership`). Columns without the mark are legacy and stay.
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from include.errors import Busy, MigrationDue, SchemaMismatch
from include.features.catalogue import STORED
from include.names import MAX_IDENTIFIER, SCHEMA
from include.storage import locks
from include.storage.connection import Connection, qualified, statement
from include.storage.legacy_columns import legacy_columns
from include.storage.ownership import ASIDE, foreign_columns, mark, owned_columns
from include.storage.stage_order import MIGRATED
from include.storage.tables import Table
from include.storage.upgrade import upgrade

_DDL_LOCK = "bqx: create tables"
_MIGRATE = (
    "Run the DAG bqx_migrate: it renames legacy columns whose names the catalogue uses to legacy_{name}. "
    "If the table is not a legacy one, rename it."
)


def columns_of(connection: Connection, table: str) -> dict[str, str]:
    """Name to SQL type of the columns of ``bqx.{table}``, in order; empty if there is no such table."""
    rows = connection.execute(statement("storage/list_columns"), {"table": f"{SCHEMA}.{table}"})
    return {str(name): str(sql_type) for name, sql_type in rows}


def ensure_tables(connection: Connection, tables: Iterable[Table]) -> None:
    """Create what is missing: schema, base tables, the given parents (partitioned by month), columns.

    Several runs may call this at once. ``CREATE TABLE IF NOT EXISTS`` does not compare columns,
    so that is done here. A table of a feature family may have further, legacy columns: they are kept,
    and what it lacks of the catalogue is added, NULL in the rows that are there.

    Raises:
        MigrationDue: a table has a legacy column under a name of the catalogue; nothing was created.
        SchemaMismatch: a table exists with columns that cannot be ours, or that somebody else made; nothing
            was created.
        Busy: queries held a table that lacks columns for longer than `locks.PATIENCE`.
    """
    tables, incomplete = list(tables), list[Table]()
    with connection.transaction():
        _exclude_others(connection)
        upgrade(connection)
        connection.execute(statement("storage/create_base_tables"))
        _refuse_foreign(connection, tables)
        for table in tables:
            present = columns_of(connection, table.name)
            if not present:
                connection.execute(_create_parent(table))
                connection.execute(mark(table, table.columns))
            elif present != _wanted(table):
                _check(connection, table, present)
                if not _wanted(table).keys() <= present.keys():
                    incomplete.append(table)
    for table in incomplete:
        _complete(connection, table)


def _exclude_others(connection: Connection) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_DDL_LOCK])


def _refuse_foreign(connection: Connection, tables: Iterable[Table]) -> None:
    """Writing into a column that somebody else made would destroy what it holds."""
    by_name = {table.name: table for table in tables}
    for name, columns in foreign_columns(connection, by_name.values()).items():
        headline = (
            f"Table {SCHEMA}.{name} holds columns under names of this bundle that it did not make "
            f"({_listed('', columns).strip()}); they are never overwritten. Nothing was changed."
        )
        if by_name[name].family in MIGRATED:
            raise MigrationDue(f"{headline} {_MIGRATE}")
        raise SchemaMismatch(f"{headline} Rename or drop that table, then run this again.")


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
        "storage/create_parent", table=qualified(table.name), columns=sql.SQL(",\n    ").join(columns)
    )


def _complete(connection: Connection, table: Table) -> None:
    """Add the columns that are missing, to the parent and with it to every partition.

    What was built before did not have them: it is forgotten, so that the next build writes it again.
    A column of ours that gave its name back to a legacy column, when names were taken back, returns.
    """
    try:
        for attempt in locks.attempts(locks.PATIENCE):
            with attempt, connection.transaction():
                _exclude_others(connection)
                locks.limit_waiting(connection)
                _lock_with_partitions(connection, table)
                present = columns_of(connection, table.name)
                missing = [name for name in table.columns if name not in present]
                if missing:
                    ours = owned_columns(connection, table.name)
                    for name in missing:
                        connection.execute(_add_column(table, name, ours))
                    connection.execute(mark(table, missing))
                    connection.execute("DELETE FROM bqx.build_log WHERE table_name = %s", [table.name])
                locks.end_limit(connection)
    except locks.REFUSED as error:
        raise Busy(
            f"Queries held {SCHEMA}.{table.name} for more than {locks.PATIENCE:.0f} s, so the columns of the "
            "catalogue could not be added. Nothing was changed; end the long query, then clear this task."
        ) from error


def _lock_with_partitions(connection: Connection, table: Table) -> None:
    """Get every lock the change needs, or none: nobody waits for us while we wait for a later one."""
    connection.execute("SELECT set_config('statement_timeout', %s, true)", [locks.STATEMENT_TIMEOUT])
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(qualified(table.name)))
    connection.execute("SELECT set_config('statement_timeout', '0', true)")


def _add_column(table: Table, name: str, ours: Iterable[str]) -> sql.Composed:
    aside = next((column for column in ours if column.startswith(f"{ASIDE}{name}")), None)
    names = {"table": qualified(table.name), "name": sql.Identifier(name)}
    if aside is not None:
        rename = sql.SQL("ALTER TABLE {table} RENAME COLUMN {aside} TO {name}")
        return rename.format(aside=sql.Identifier(aside), **names)
    add = sql.SQL("ALTER TABLE {table} ADD COLUMN {name} {kind}")
    return add.format(kind=sql.SQL(table.columns[name]), **names)


def _check(connection: Connection, table: Table, present: dict[str, str]) -> None:
    if table.family not in STORED:
        raise SchemaMismatch(
            f"{_headline(table, _difference(table, present))} Rename that table, or run the bundle "
            "version that made it."
        )
    changed = _changed(table, present)
    if "ts_utc" not in present:
        changed.insert(0, "it has no key ts_utc")
    if changed:
        raise SchemaMismatch(f"{_headline(table, _listed('other type:', changed))} {_MIGRATE}")
    row = connection.execute(
        statement("storage/describe_key"), {"table": f"{SCHEMA}.{table.name}"}
    ).fetchone()
    if row != ("RANGE (ts_utc)", "PRIMARY KEY (ts_utc)"):
        raise SchemaMismatch(
            f"Table {SCHEMA}.{table.name} must be partitioned by range of ts_utc, its primary key; found: "
            f"{' and '.join(str(part or 'none') for part in row or ())}. Nothing was changed. Mend it or "
            "rename it, then run this again."
        )
    odd = [one.name for one in legacy_columns(connection, table) if one.required and one.default is None]
    if odd:
        raise SchemaMismatch(
            f"Legacy columns of {SCHEMA}.{table.name} are NOT NULL without a default, new minutes have no "
            f"value for them: {', '.join(odd[:8])}. Nothing was changed. ALTER TABLE ... ALTER COLUMN ... "
            "DROP NOT NULL, then run this again."
        )


def _headline(table: Table, detail: str) -> str:
    return (
        f"Table {SCHEMA}.{table.name} exists with other columns than this version writes ({detail}). "
        "Nothing was changed."
    )


def _changed(table: Table, present: dict[str, str]) -> list[str]:
    return [
        f"{name} is {present[name]}, should be {kind}"
        for name, kind in _wanted(table).items()
        if name in present and present[name] != kind
    ]


def _difference(table: Table, present: dict[str, str]) -> str:
    wanted = _wanted(table)
    missing = [name for name in wanted if name not in present]
    extra = [name for name in present if name not in wanted]
    found = (("missing:", missing), ("not ours:", extra), ("other type:", _changed(table, present)))
    parts = [_listed(label, items) for label, items in found if items]
    return "; ".join(parts) or "the columns stand in another order"


def _listed(label: str, items: list[str]) -> str:
    return f"{label} {', '.join(items[:8])}" + " ..." * (len(items) > 8)
