"""What a table holds: exact count, range of keys, and a fingerprint of all values.

The fingerprint is the sum over the rows of ``hashint8extended(hash_record_extended(ROW(columns), 0), 0)``:
it does not depend on the order of the rows nor on names, and a lost, doubled or changed row changes it.
A record's hash is linear in the hashes of its columns, so without the outer hash the sum would not see
two rows that exchange a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import psycopg
from psycopg import sql

from include.storage.connection import Connection, qualified, statement

KEY = "ts_utc"


class Content(NamedTuple):
    """What a table holds; first and last key are None where it has no rows or no column ``ts_utc``."""

    rows: int
    first: datetime | None
    last: datetime | None
    fingerprint: Decimal


def measure(connection: Connection, table: str, columns: Sequence[str]) -> Content:
    """Exact count, key range and fingerprint over the given columns, in this order."""
    record = sql.SQL("ROW({})").format(sql.SQL(", ").join(sql.Identifier(column) for column in columns))
    try:
        return _measure(
            connection,
            table,
            columns,
            sql.SQL("hashint8extended(hash_record_extended({}, 0), 0)").format(record),
        )
    except psycopg.errors.UndefinedFunction:  # a column of a type that has no hash, such as json
        text = sql.SQL("hashtextextended(({})::text, 0)").format(record)
        return _measure(connection, table, columns, text)


def _measure(connection: Connection, table: str, columns: Sequence[str], row_hash: sql.Composable) -> Content:
    key = sql.Identifier(KEY) if KEY in columns else sql.SQL("NULL::TIMESTAMPTZ")
    row = connection.execute(
        statement(
            "storage/measure_rows",
            table=qualified(table),
            key=sql.SQL("{}::TIMESTAMPTZ").format(key),
            hash=row_hash,
        )
    ).fetchone()
    assert row is not None
    return Content._make(row)
