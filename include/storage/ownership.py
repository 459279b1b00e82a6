"""Which columns this bundle made: recorded in the database, never concluded from a name or a type.

Every column that we create carries a mark at the beginning of its comment. The mark belongs to the column
itself: it survives renames of the table and the column, and a dump with its restore. A table that somebody
made anew, or restored from a backup of the older system, has no marks, whatever its columns are called.
"""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from include.names import SCHEMA
from include.storage.connection import Connection, qualified, statement
from include.storage.tables import Table

MARK = "bqx: "
ASIDE = "catalogue_"  # before the name of a column of ours that gave it back to a legacy column
_COMMENT = f"{MARK}made and written by this bundle. Keep these words at the beginning of the comment."


def mark(table: Table, columns: Iterable[str]) -> sql.Composed:
    """Statements that mark columns of a table as ours; run them in the transaction that creates these."""
    return sql.SQL(";\n").join(
        sql.SQL("COMMENT ON COLUMN {} IS {}").format(
            sql.Identifier(SCHEMA, table.name, column), sql.Literal(_COMMENT)
        )
        for column in columns
    )


def owned_columns(connection: Connection, table: str) -> list[str]:
    """Columns of a table that we made, in table order; also those that were renamed since."""
    values = {"table": qualified(table).as_string(connection), "mark": MARK}
    return [str(name) for (name,) in connection.execute(statement("storage/list_owned_columns"), values)]


def foreign_columns(connection: Connection, tables: Iterable[Table]) -> dict[str, list[str]]:
    """Columns that have the name of one of ours and were made by somebody else, by table.

    Tables that do not exist, or of which every such column is ours, are left out.
    """
    asked = [(table.name, column) for table in tables for column in table.columns]
    values = {
        "schema": SCHEMA,
        "tables": [name for name, _ in asked],
        "columns": [column for _, column in asked],
        "mark": MARK,
    }
    found: dict[str, list[str]] = {}
    for name, column in connection.execute(statement("storage/list_foreign_columns"), values):
        found.setdefault(str(name), []).append(str(column))
    return found
