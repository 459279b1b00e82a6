"""Replacing one month of a table: all in one transaction, so readers see the old month or the new.

The rows arrive by binary COPY in a table that belongs to nobody, get their key and their bounds
checked, and only then the month is swapped. A process killed anywhere leaves nothing behind: its
transaction never happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import psycopg
from psycopg import sql
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from include.errors import Busy, SchemaMismatch
from include.names import SCHEMA, Month, partition, to_datetime
from include.storage.connection import Connection, qualified, statement
from include.storage.tables import Table

SWAP_LOCK_TIMEOUT = "500ms"  # nobody queues behind our request for longer
SWAP_PATIENCE = 60.0  # seconds of jittered retries before the build gives up
BUILD_PATIENCE = "600s"  # a second builder of the same month waits this long for the first


class Kept(NamedTuple):
    """First and last epoch minute the new rows cover: present rows outside of it are carried over."""

    first: int
    last: int


def attached_months(connection: Connection, table: str) -> dict[str, str]:
    """Partition bound, as PostgreSQL prints it, to partition name."""
    rows = connection.execute(statement("partitions/list_partitions"), {"parent": f"{SCHEMA}.{table}"})
    return {str(bound): str(name) for name, bound in rows}


def partition_of(connection: Connection, table: str, month: Month) -> str | None:
    """Name of the attached partition that holds exactly this month, whatever it is called."""
    first, end = _bounds(month)
    return attached_months(connection, table).get(f"FOR VALUES FROM ('{first}') TO ('{end}')")


def count_rows(connection: Connection, table: str) -> int:
    """Exact number of rows: counted, never a planner's estimate."""
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(qualified(table))).fetchone()
    assert row is not None
    return int(str(row[0]))


def lock_month(connection: Connection, table: str, month: Month) -> None:
    """Exclude every other builder of this month until the transaction ends.

    Raises:
        Busy: another builder held the month for longer than `BUILD_PATIENCE`.
    """
    key = f"bqx: build {table} {month}"
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [BUILD_PATIENCE])
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
            connection.execute("SELECT set_config('lock_timeout', '0', true)")
    except psycopg.errors.LockNotAvailable as error:
        raise Busy(
            f"Another run has been building {SCHEMA}.{table} for {month} for more than {BUILD_PATIENCE}. "
            "Nothing was changed here; let that run finish, then clear this task."
        ) from error


def replace_month(
    connection: Connection, table: Table, month: Month, rows: Iterable[bytes], *, keep: Kept | None = None
) -> int:
    """Write one month and swap it in. Call inside a transaction that holds `lock_month`.

    Args:
        connection: an open transaction.
        table: the table whose month is replaced.
        month: the month; a row outside of it is refused by the server.
        rows: blocks of a binary COPY (see `include.storage.copying`): key and `table.columns`.
        keep: rows of the present month outside this range are carried over (used by bar loads).

    Returns:
        The exact number of rows of the new month.

    Raises:
        Busy: readers held the table for longer than `SWAP_PATIENCE`.
        SchemaMismatch: a table of the partition's name is in the way.
    """
    name = partition(table.name, month)
    staging = f"{name}__build"
    first, end = (sql.Literal(bound) for bound in _bounds(month))
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in ("ts_utc", *table.columns))
    present = partition_of(connection, table.name, month)
    _check_name_is_free(connection, table.name, name, present)

    connection.execute(
        statement(
            "partitions/create_staging",
            staging=qualified(staging),
            parent=qualified(table.name),
            first=first,
            end=end,
        )
    )
    copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE)").format(qualified(staging), columns)
    with connection.cursor() as cursor:
        with cursor.copy(copy) as stream:
            for block in rows:
                stream.write(block)
        count = cursor.rowcount
    if keep is not None and present is not None:
        kept = connection.execute(
            statement(
                "partitions/keep_rows_outside",
                staging=qualified(staging),
                present=qualified(present),
                columns=columns,
            ),
            {"first": to_datetime(keep.first), "last": to_datetime(keep.last)},
        )
        count += kept.rowcount
    connection.execute(
        sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY (ts_utc)").format(
            qualified(staging), sql.Identifier(f"{staging}_pkey")
        )
    )
    _swap(connection, table.name, month, name, staging, present)
    return count


def _swap(
    connection: Connection, parent: str, month: Month, name: str, staging: str, present: str | None
) -> None:
    first, end = (sql.Literal(bound) for bound in _bounds(month))
    attach = statement(
        "partitions/attach_staging",
        staging=qualified(staging),
        name=sql.Identifier(name),
        partition=qualified(name),
        staging_key=qualified(f"{staging}_pkey"),
        key=sql.Identifier(f"{name}_pkey"),
        parent=qualified(parent),
        first=first,
        end=end,
    )
    attempts = Retrying(
        retry=retry_if_exception_type(psycopg.errors.LockNotAvailable),
        wait=wait_random_exponential(multiplier=0.2, max=5),
        stop=stop_after_delay(SWAP_PATIENCE),
        reraise=True,
    )
    try:
        for attempt in attempts:
            with attempt, connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", [SWAP_LOCK_TIMEOUT])
                if present is not None:
                    connection.execute(
                        sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(
                            qualified(parent), qualified(present)
                        )
                    )
                    connection.execute(sql.SQL("DROP TABLE {}").format(qualified(present)))
                connection.execute(attach)
                connection.execute("SELECT set_config('lock_timeout', '0', true)")
    except psycopg.errors.LockNotAvailable as error:
        raise Busy(
            f"Queries held {SCHEMA}.{parent} for more than {SWAP_PATIENCE:.0f} s, so {month} could not be "
            "swapped in. The old month is untouched; end the long query, then clear this task."
        ) from error


def _check_name_is_free(connection: Connection, parent: str, name: str, present: str | None) -> None:
    if name != present and connection.execute("SELECT to_regclass(%s)", [f"{SCHEMA}.{name}"]).fetchone() != (
        None,
    ):
        raise SchemaMismatch(
            f"Table {SCHEMA}.{name} exists but is not the partition of {SCHEMA}.{parent} for that month. "
            "Nothing was changed. Attach, rename or drop it, then clear this task."
        )


def _bounds(month: Month) -> tuple[str, str]:
    """Half-open bounds with an explicit offset, spelled as PostgreSQL prints them."""
    return f"{month}-01 00:00:00+00", f"{month.next}-01 00:00:00+00"
