"""Columns of a renamed table that are not ours: a build writes the catalogue's and keeps these.

They belong to the origin. When a month is replaced, the new rows get the legacy values of the same
minutes, NULL where there were none; legacy rows of a minute that no longer exists move to a table
beside. Before the month is swapped both are compared with what was there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from psycopg import sql

from include.errors import MigrationFailed
from include.names import SCHEMA
from include.storage.connection import Connection, qualified, statement
from include.storage.ownership import owned_columns
from include.storage.tables import Table

# Types that are hashed as they are; others (json, bit, ...) have no hash function and go as text.
_HASHED = (
    "double",
    "real",
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "text",
    "boolean",
    "date",
    "timestamp",
)


class LegacyColumn(NamedTuple):
    """A column that is not ours.

    Attributes:
        name: its name.
        sql_type: its type as PostgreSQL prints it.
        required: it is NOT NULL.
        default: its default expression, if it has one.
    """

    name: str
    sql_type: str
    required: bool
    default: str | None


class Month(NamedTuple):
    """The tables that take part when a month with legacy values is replaced, as quoted identifiers.

    Attributes:
        rows: what was computed, without legacy columns.
        staging: the new month, empty.
        present: the month that is replaced.
    """

    rows: sql.Identifier
    staging: sql.Identifier
    present: sql.Identifier


def legacy_columns(connection: Connection, table: Table) -> list[LegacyColumn]:
    """Columns of a parent that are not ours, in table order; generated ones left out."""
    stamp = ["created_at"] if table.stamped else []
    moved = owned_columns(connection, table.name)  # ours, whatever they are called now
    return _columns(connection, table.name, ["ts_utc", *table.columns, *stamp, *moved])


def aside_name(table: str) -> str:
    """Where legacy rows go whose minute the new month does not have."""
    return f"{table}_legacy_rows"


def drop_defaults(connection: Connection, staging: sql.Identifier, columns: Sequence[LegacyColumn]) -> None:
    """New minutes have no legacy value: nothing like ``created_at`` may be stamped on them."""
    if changed := _with_default(columns):
        drops = [sql.SQL("ALTER {} DROP DEFAULT").format(sql.Identifier(one.name)) for one in changed]
        connection.execute(sql.SQL("ALTER TABLE {} {}").format(staging, sql.SQL(", ").join(drops)))


def restore_defaults(
    connection: Connection, staging: sql.Identifier, columns: Sequence[LegacyColumn]
) -> None:
    """Give the finished month the defaults of its parent again."""
    if changed := _with_default(columns):
        sets = [
            sql.SQL("ALTER {} SET DEFAULT {}").format(
                sql.Identifier(one.name), sql.SQL(one.default or "NULL")
            )
            for one in changed
        ]
        connection.execute(sql.SQL("ALTER TABLE {} {}").format(staging, sql.SQL(", ").join(sets)))


def carry_over(connection: Connection, table: Table, month: Month, legacy: Sequence[LegacyColumn]) -> None:
    """Fill the new month with the computed rows and the legacy values of the same minutes."""
    own = ["ts_utc", *table.columns]
    connection.execute(
        statement(
            "storage/carry_legacy_values",
            staging=month.staging,
            rows=month.rows,
            present=month.present,
            columns=_list(own),
            legacy=_list([one.name for one in legacy]),
            fresh_columns=_list(own, "fresh"),
            carried=sql.SQL(", ").join(map(_carried, legacy)),
        )
    )


def check_carried(connection: Connection, table: Table, month: Month, legacy: Sequence[LegacyColumn]) -> None:
    """Compare the legacy values of the minutes that both months have. Call it when the new one has its key.

    Raises:
        MigrationFailed: they differ; nothing was swapped.
    """
    before, after = (
        connection.execute(
            statement(
                "storage/fingerprint_legacy_values", table=one, other=other, hashed=_hashed(legacy, "old")
            )
        ).fetchone()
        for one, other in ((month.present, month.staging), (month.staging, month.present))
    )
    if before != after:
        raise MigrationFailed(
            f"Legacy values of {SCHEMA}.{table.name} would not survive the build (rows and fingerprint "
            f"{before} before, {after} after). The month was left as it is. Clear this task; if it "
            "fails again, report it with this message."
        )


def set_aside(connection: Connection, table: Table, month: Month, legacy: Sequence[LegacyColumn]) -> int:
    """Keep legacy rows beside the table whose minute the new month does not have; their number.

    Raises:
        MigrationFailed: other values were set aside for such a minute before; nothing was swapped.
    """
    name = aside_name(table.name)
    parts = {"present": month.present, "staging": month.staging, "values": _list(_names(legacy), "old")}
    lost = _number(connection, statement("storage/count_legacy_rows_lost", **parts))
    if not lost:
        return 0
    _ensure_aside(connection, table, name, legacy)
    connection.execute(
        statement(
            "storage/set_legacy_rows_aside", aside=qualified(name), legacy=_list(_names(legacy)), **parts
        )
    )
    unequal = _number(
        connection,
        statement(
            "storage/count_legacy_rows_unequal",
            aside=qualified(name),
            hashed=_hashed(legacy, "old"),
            hashed_aside=_hashed(legacy, "aside"),
            **parts,
        ),
    )
    if unequal:
        raise MigrationFailed(
            f"{unequal:,} legacy rows of {SCHEMA}.{table.name} have no place in its new month, and "
            f"{SCHEMA}.{name} holds other values for these minutes. The month was left as it is. Save the "
            "rows that are there, delete them, then clear this task."
        )
    return lost


def _ensure_aside(connection: Connection, table: Table, name: str, legacy: Sequence[LegacyColumn]) -> None:
    """The table beside: key and legacy columns, nothing required. It never loses a column."""
    present = {one.name for one in _columns(connection, name, [])}
    if not present:
        copy = sql.SQL("CREATE TABLE {} AS SELECT ts_utc, {} FROM {} WITH NO DATA")
        parent = qualified(table.name)
        connection.execute(copy.format(qualified(name), _list(_names(legacy)), parent))
        connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (ts_utc)").format(qualified(name)))
        text = f"Legacy rows of {SCHEMA}.{table.name} whose minute has no bar: kept here by the builds."
        connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(qualified(name), sql.Literal(text)))
        return
    for one in legacy:
        if one.name not in present:
            add = sql.SQL("ALTER TABLE {} ADD COLUMN {} {}")
            kind = sql.SQL(one.sql_type)
            connection.execute(add.format(qualified(name), sql.Identifier(one.name), kind))


def _columns(connection: Connection, name: str, own: list[str]) -> list[LegacyColumn]:
    rows = connection.execute(
        statement("storage/list_legacy_columns"), {"table": f"{SCHEMA}.{name}", "own": own}
    )
    return [
        LegacyColumn(str(column), str(kind), bool(required), None if default is None else str(default))
        for column, kind, required, default in rows
    ]


def _with_default(columns: Sequence[LegacyColumn]) -> list[LegacyColumn]:
    return [one for one in columns if one.default is not None and not one.required]


def _carried(column: LegacyColumn) -> sql.Composable:
    value = sql.SQL("old.{}").format(sql.Identifier(column.name))
    if column.required and column.default is not None:  # a new minute cannot be NULL here
        return sql.SQL("coalesce({}, {})").format(value, sql.SQL(column.default))
    return value


def _hashed(legacy: Sequence[LegacyColumn], alias: str) -> sql.Composable:
    parts: list[sql.Composable] = [sql.Identifier(alias, "ts_utc")]
    for one in legacy:
        as_it_is = one.sql_type.startswith(_HASHED) and not one.sql_type.endswith("[]")
        parts.append(sql.Identifier(alias, one.name) + sql.SQL("" if as_it_is else "::TEXT"))
    return sql.SQL(", ").join(parts)


def _names(legacy: Sequence[LegacyColumn]) -> list[str]:
    return [one.name for one in legacy]


def _list(columns: Sequence[str], alias: str = "") -> sql.Composable:
    return sql.SQL(", ").join(
        sql.Identifier(alias, column) if alias else sql.Identifier(column) for column in columns
    )


def _number(connection: Connection, query: sql.Composed) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(str(row[0]))
