"""What is in a partition, from one pass of the server over its rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from psycopg import sql

from include.build.coverage import Keys
from include.names import Month, to_minute
from include.storage.connection import Connection, qualified, statement
from include.storage.partitions import partition_of
from include.storage.tables import Table

_AGGREGATES = ("count", "low", "high", "total")


class ColumnProfile(NamedTuple):
    """One column of one month.

    Attributes:
        nulls: rows that are NULL.
        low, high: smallest and largest value, None if every row is NULL. A NaN counts as the largest.
        total: sum of the values, 0 if every row is NULL.
        first: epoch minute of the first value, None if every row is NULL.
        leading_nulls: rows in front of the first value; all rows if there is none.
    """

    nulls: int
    low: float | None
    high: float | None
    total: float
    first: int | None
    leading_nulls: int

    @property
    def later_nulls(self) -> int:
        """Rows that are NULL behind the first value."""
        return self.nulls - self.leading_nulls

    @property
    def is_finite(self) -> bool:
        """Neither NaN nor infinity is among the values."""
        return all(math.isfinite(value) for value in (self.low, self.high) if value is not None)


class Profile(NamedTuple):
    """One month of one table.

    Attributes:
        keys: exact number of rows and the fingerprint of their keys.
        columns: a profile per column, in the order of the table.
    """

    table: str
    month: Month
    keys: Keys
    columns: dict[str, ColumnProfile]


def profile(connection: Connection, table: Table, month: Month) -> Profile | None:
    """Profile one month of a table: exact counts, never a planner's estimate.

    Args:
        connection: a session from `include.storage.connection.connect`.
        table: the table; it must have every column of `table.columns`.
        month: the month.

    Returns:
        The profile, or None if the table has no partition of that month.
    """
    partition = partition_of(connection, table.name, month)
    if partition is None:
        return None
    parts = {
        "table": qualified(partition),
        "aggregates": sql.SQL(",\n        ").join(_aggregates(table)),
        "columns": sql.SQL(",\n        ").join(_columns(table, qualified(partition))),
    }
    rows = connection.execute(statement("quality/profile_partition", **parts)).fetchall()
    number, key_hash = int(str(rows[0][0])), int(str(rows[0][1] or 0))
    columns = {name: _column(row, number) for name, row in zip(table.columns, rows, strict=True)}
    return Profile(table.name, month, Keys(number, key_hash), columns)


def _aggregates(table: Table) -> Iterator[sql.Composable]:
    for i, name in enumerate(table.columns):
        yield sql.SQL("count({0}) AS {1}, min({0}) AS {2}, max({0}) AS {3}, sum({0}) AS {4}").format(
            sql.Identifier(name), *(sql.Identifier(f"{what}_{i}") for what in _AGGREGATES)
        )


def _columns(table: Table, partition: sql.Composable) -> Iterator[sql.Composable]:
    for i, name in enumerate(table.columns):
        yield statement(
            "quality/profile_column",
            position=sql.Literal(i),
            **{what: sql.Identifier(f"{what}_{i}") for what in _AGGREGATES},
            column=sql.Identifier(name),
            table=partition,
        )


def _column(row: tuple[object, ...], rows: int) -> ColumnProfile:
    _, _, _, nulls, low, high, total, first, before = row
    return ColumnProfile(
        nulls=int(str(nulls)),
        low=None if low is None else float(str(low)),
        high=None if high is None else float(str(high)),
        total=0.0 if total is None else float(str(total)),
        first=to_minute(first.astimezone(UTC)) if isinstance(first, datetime) else None,
        leading_nulls=int(str(before)) if isinstance(first, datetime) else rows,
    )
