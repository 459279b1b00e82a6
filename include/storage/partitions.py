"""Replacing one month of a table: all in one transaction, so readers see the old month or the new.

The rows arrive by binary COPY in a table that belongs to nobody, get their key and their bounds
checked, and only then the month is swapped. A process killed anywhere leaves nothing behind: its
transaction never happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql

from include.errors import Busy, SchemaMismatch
from include.names import SCHEMA, Month, partition, to_datetime
from include.storage import belongings, legacy_columns, locks
from include.storage.belongings import Belongings
from include.storage.connection import Connection, exists, qualified, statement
from include.storage.fitness import bound_of, bounds, unfit
from include.storage.legacy_columns import LegacyColumn
from include.storage.tables import Table

SWAP_PATIENCE = 60.0  # seconds of jittered retries before the build gives up
# What the server says of a table of which a month cannot be replaced: see `include.storage.fitness`.
_UNFIT = (
    psycopg.errors.DependentObjectsStillExist,
    psycopg.errors.ForeignKeyViolation,
    psycopg.errors.CheckViolation,
    psycopg.errors.InvalidObjectDefinition,
    psycopg.errors.WrongObjectType,
)
BUILD_PATIENCE = "600s"  # a second builder of the same month waits this long for the first


class Replaced(NamedTuple):
    """What a replaced month has: its rows, and legacy rows without a place in it, kept beside the table."""

    rows: int
    legacy_rows_aside: int


class Kept(NamedTuple):
    """First and last epoch minute the new rows cover: present rows outside of it are carried over."""

    first: int
    last: int


def attached_months(connection: Connection, table: str) -> dict[str, str]:
    """Partition bound, as PostgreSQL prints it, to partition name."""
    rows = connection.execute(statement("storage/list_partitions"), {"parent": f"{SCHEMA}.{table}"})
    return {str(bound): str(name) for name, bound in rows}


def partition_of(connection: Connection, table: str, month: Month) -> str | None:
    """Name of the attached partition that holds exactly this month, whatever it is called."""
    return attached_months(connection, table).get(bound_of(month))


def oid_of(connection: Connection, table: str) -> int:
    """What the server calls a table; another one of the same name has another number."""
    row = connection.execute("SELECT %s::REGCLASS::OID::BIGINT", [f"{SCHEMA}.{table}"]).fetchone()
    assert row is not None
    return int(str(row[0]))


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


def ensure_month(connection: Connection, table: str, month: Month) -> bool:
    """Attach an empty partition for a month unless it has one; returns True if it was attached.

    Raises:
        Busy: a builder held the month, or queries the table, for too long.
        SchemaMismatch: a table of the partition's name is in the way, or builds cannot work with the table.
    """
    if partition_of(connection, table, month) is not None:
        return False
    name = partition(table, month)
    with connection.transaction():
        lock_month(connection, table, month)
        if partition_of(connection, table, month) is not None:
            return False
        _check_name_is_free(connection, table, name, None)
        first, end = (sql.Literal(bound) for bound in bounds(month))
        create = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})")
        attach = create.format(qualified(name), qualified(table), first, end)
        _change(connection, table, month, lambda: connection.execute(attach))
    return True


def replace_month(
    connection: Connection, table: Table, month: Month, rows: Iterable[bytes], *, keep: Kept | None = None
) -> Replaced:
    """Write one month and swap it in. Call inside a transaction that holds `lock_month`.

    Columns of the table that are not ours keep their values (`include.storage.legacy_columns`), and what the
    present partition has of its own goes to the new one (`include.storage.belongings`).

    Args:
        connection: an open transaction.
        table: the table whose month is replaced.
        month: the month; a row outside of it is refused by the server.
        rows: blocks of a binary COPY (see `include.storage.copying`): key and `table.columns`.
        keep: rows of the present month outside this range are carried over (used by bar loads).

    Returns:
        The exact number of rows of the new month, and of legacy rows that have no place in it.

    Raises:
        Busy: readers held the table for longer than `SWAP_PATIENCE`.
        SchemaMismatch: a table of the partition's name is in the way, builds cannot work with the table
            (`include.storage.fitness`), or what the partition has of its own cannot be kept.
        MigrationFailed: legacy values would not survive.
    """
    name = partition(table.name, month)
    staging = f"{name}__build"
    present = partition_of(connection, table.name, month)
    _check_name_is_free(connection, table.name, name, present)
    _create_staging(connection, table.name, month, staging)
    legacy = legacy_columns.legacy_columns(connection, table)
    aside = 0
    if legacy and present is not None and _has_rows(connection, present):
        count, aside = _write_with_legacy(connection, table, staging, present, legacy, rows, keep)
    else:
        legacy_columns.drop_defaults(connection, qualified(staging), legacy)
        count = _write(connection, table, staging, present, rows, keep)
        legacy_columns.restore_defaults(connection, qualified(staging), legacy)
        _add_key(connection, staging)
    own = belongings.read(connection, present, staging, name) if present is not None else Belongings("")
    belongings.give(connection, own, own.first)
    _swap(connection, table.name, month, name, staging, present, own)
    return Replaced(count, aside)


def _create_staging(connection: Connection, parent: str, month: Month, staging: str) -> None:
    first, end = (sql.Literal(bound) for bound in bounds(month))
    connection.execute(
        statement(
            "storage/create_staging",
            staging=qualified(staging),
            parent=qualified(parent),
            first=first,
            end=end,
        )
    )


def _write(
    connection: Connection,
    table: Table,
    target: str,
    present: str | None,
    rows: Iterable[bytes],
    keep: Kept | None,
) -> int:
    """Fill an empty table of this transaction with the new rows and those to be kept; their number."""
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in ("ts_utc", *table.columns))
    copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary, FREEZE)").format(qualified(target), columns)
    with connection.cursor() as cursor:
        with cursor.copy(copy) as stream:
            for block in rows:
                stream.write(block)
        count = cursor.rowcount
    if keep is not None and present is not None:
        kept = connection.execute(
            statement(
                "storage/keep_rows_outside",
                staging=qualified(target),
                present=qualified(present),
                columns=columns,
            ),
            {"first": to_datetime(keep.first), "last": to_datetime(keep.last)},
        )
        count += kept.rowcount
    return count


def _write_with_legacy(
    connection: Connection,
    table: Table,
    staging: str,
    present: str,
    legacy: Sequence[LegacyColumn],
    rows: Iterable[bytes],
    keep: Kept | None,
) -> Replaced:
    """Receive the rows in a table of their own, then join them with the legacy values into the month."""
    computed = f"{staging}_rows"
    month = legacy_columns.Month(qualified(computed), qualified(staging), qualified(present))
    connection.execute(
        statement(
            "storage/create_rows",
            rows=month.rows,
            parent=qualified(table.name),
            columns=sql.SQL(", ").join(sql.Identifier(column) for column in ("ts_utc", *table.columns)),
        )
    )
    count = _write(connection, table, computed, present, rows, keep)
    _exclude_writers(connection, table.name, present)
    legacy_columns.carry_over(connection, table, month, legacy)
    connection.execute(sql.SQL("DROP TABLE {}").format(month.rows))
    _add_key(connection, staging)
    legacy_columns.check_carried(connection, table, month, legacy)
    return Replaced(count, legacy_columns.set_aside(connection, table, month, legacy))


def _exclude_writers(connection: Connection, parent: str, present: str) -> None:
    """Let nobody change a legacy value between its copy and the swap; reading goes on."""
    lock = sql.SQL("LOCK TABLE ONLY {}, ONLY {} IN SHARE MODE").format(qualified(parent), qualified(present))
    try:
        for attempt in locks.attempts(SWAP_PATIENCE):
            with attempt, connection.transaction():
                locks.limit_waiting(connection)
                connection.execute(lock)
                locks.end_limit(connection)
    except locks.REFUSED as error:
        raise Busy(
            f"Somebody has been writing to {SCHEMA}.{parent} for more than {SWAP_PATIENCE:.0f} s, so its "
            "legacy values could not be carried over. The old month is untouched; end that transaction, "
            "then clear this task."
        ) from error


def _add_key(connection: Connection, staging: str) -> None:
    connection.execute(
        sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY (ts_utc)").format(
            qualified(staging), sql.Identifier(f"{staging}_pkey")
        )
    )


def _has_rows(connection: Connection, table: str) -> bool:
    row = connection.execute(sql.SQL("SELECT EXISTS (SELECT 1 FROM {})").format(qualified(table))).fetchone()
    return row == (True,)


def _swap(
    connection: Connection,
    parent: str,
    month: Month,
    name: str,
    staging: str,
    present: str | None,
    own: Belongings,
) -> None:
    first, end = (sql.Literal(bound) for bound in bounds(month))
    attach = statement(
        "storage/attach_staging",
        staging=qualified(staging),
        name=sql.Identifier(name),
        partition=qualified(name),
        staging_key=qualified(f"{staging}_pkey"),
        key=sql.Identifier(f"{name}_pkey"),
        parent=qualified(parent),
        first=first,
        end=end,
    )

    def swap() -> None:
        if present is not None:
            names = (qualified(parent), qualified(present))
            connection.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(*names))
            connection.execute(sql.SQL("DROP TABLE {}").format(qualified(present)))
        belongings.give(connection, own, own.names)
        connection.execute(attach)
        belongings.give(connection, own, own.last)

    _change(connection, parent, month, swap)


def _change(connection: Connection, parent: str, month: Month, change: Callable[[], object]) -> None:
    """Change which partitions a table has, without anybody queuing behind us."""
    try:
        for attempt in locks.attempts(SWAP_PATIENCE):
            with attempt, connection.transaction():
                locks.limit_waiting(connection)
                change()
                locks.end_limit(connection)
    except locks.REFUSED as error:
        raise Busy(
            f"Queries held {SCHEMA}.{parent} for more than {SWAP_PATIENCE:.0f} s, so {month} could not be "
            "swapped in. The old month is untouched; end the long query, then clear this task."
        ) from error
    except _UNFIT as error:
        reasons = unfit(connection, [parent]).get(parent) or [error.diag.message_primary or str(error)]
        raise SchemaMismatch(
            f"{SCHEMA}.{parent} cannot get its month {month}: {'; '.join(reasons)}. The old month is "
            "untouched; do what is said, then clear this task."
        ) from error


def _check_name_is_free(connection: Connection, parent: str, name: str, present: str | None) -> None:
    if name != present and exists(connection, name):
        raise SchemaMismatch(
            f"Table {SCHEMA}.{name} exists but is not the partition of {SCHEMA}.{parent} for that month. "
            "Nothing was changed. Attach or rename it, then clear this task."
        )
