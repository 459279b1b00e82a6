"""Locks of the migration: one run per pair, and nobody queues behind us for more than about a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from psycopg import sql

from include.errors import Busy, MigrationRefused
from include.names import SCHEMA
from include.storage.connection import Connection, connect, qualified, statement
from include.storage.locks import attempts
from include.storage.stage_order import lock_key

LOCK_TIMEOUT = "500ms"  # for each lock, and for all locks of a batch together
PATIENCE = 60.0  # seconds of jittered retries before a batch gives up
RUN_PATIENCE = "3s"  # the server may need a moment to notice that a killed run is gone

T = TypeVar("T")

_WAITED = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.QueryCanceled,  # the locks together took longer than LOCK_TIMEOUT
    psycopg.errors.DeadlockDetected,
)
_REFUSED = (
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateObject,
    psycopg.errors.DuplicateColumn,
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedObject,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.WrongObjectType,
    psycopg.errors.InvalidTableDefinition,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.DependentObjectsStillExist,
    psycopg.errors.OutOfMemory,
)


@dataclass
class Effort:
    """What the locks of a run cost.

    Attributes:
        seconds: time in transactions, pauses between attempts not counted.
        retries: attempts that had to be repeated.
        longest_wait: the longest attempt, from asking for the first lock to the end of its transaction:
            nobody waited for us longer than that.
    """

    seconds: float = 0.0
    retries: int = 0
    longest_wait: float = 0.0

    def to_dict(self) -> dict[str, float]:
        """Plain values, rounded to milliseconds."""
        return {
            "seconds": round(self.seconds, 3),
            "retries": self.retries,
            "longest_wait": round(self.longest_wait, 3),
        }


@contextmanager
def session(url: str, pair: str) -> Iterator[Connection]:
    """The one session that migrates a pair. Ends with the process, however that ends.

    Raises:
        Busy: another run is migrating this pair, or a load, a build or a training set works on it.
    """
    with connect(url) as connection:
        connection.prepare_threshold = None  # several commands in one string cannot be prepared
        connection.execute(  # a server that can stops counting for a client that was killed
            "SELECT set_config(name, '1s', false) FROM pg_settings"
            " WHERE name = 'client_connection_check_interval'"
        )
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", [RUN_PATIENCE])
                connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [lock_key(pair)])
        except psycopg.errors.LockNotAvailable as error:
            raise Busy(
                f"{_holder(connection, pair)} right now. Nothing was changed here; let that run finish, "
                "then clear this task."
            ) from error
        yield connection


def _holder(connection: Connection, pair: str) -> str:
    """Who works on a pair, for people."""
    holders = connection.execute(statement("storage/list_lock_holders"), {"key": lock_key(pair)}).fetchall()
    if any(is_alone for _, is_alone in holders):
        return f"Another run is migrating {pair}"
    pids = ", ".join(str(pid) for pid, _ in holders)
    return f"A load, a build or a training set is working on the tables of {pair} (server process {pids})"


def under_locks(connection: Connection, tables: Sequence[str], work: Callable[[], T], effort: Effort) -> T:
    """Do `work` in a transaction that holds ``ACCESS EXCLUSIVE`` on tables and their partitions.

    Args:
        connection: a session of `session`.
        tables: names of tables or views of our schema, locked in this order; none if `work` itself asks
            for its locks, with the same limit.
        work: runs under the locks; called again after an attempt that waited too long.
        effort: gets what it cost.

    Raises:
        Busy: the locks were held by others for longer than `PATIENCE`.
        MigrationRefused: the server refused a statement; the transaction is rolled back.
    """
    names = ", ".join(f"{SCHEMA}.{name}" for name in tables)
    try:
        for attempt in attempts(PATIENCE, _WAITED):
            effort.retries += attempt.retry_state.attempt_number > 1
            with attempt:
                return _attempt(connection, tables, work, effort)
    except _WAITED as error:
        raise Busy(
            f"Queries held {names} for more than {PATIENCE:.0f} s. Nothing of this batch was renamed; end "
            "the long query, then clear this task."
        ) from error
    except _REFUSED as error:
        raise MigrationRefused(
            f"{names}: PostgreSQL says: {error.diag.message_primary}. Nothing of this batch was renamed; "
            "remove the cause, then plan again."
        ) from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def _attempt(connection: Connection, tables: Sequence[str], work: Callable[[], T], effort: Effort) -> T:
    started = time.monotonic()
    try:
        with connection.transaction():
            connection.execute(_lock(tables))
            return work()
    finally:
        spent = time.monotonic() - started
        effort.seconds += spent
        effort.longest_wait = max(effort.longest_wait, spent)


def _lock(tables: Sequence[str]) -> sql.Composed:
    timeout = sql.Literal(LOCK_TIMEOUT)
    limit = sql.SQL("SET LOCAL lock_timeout = {timeout}").format(timeout=timeout)
    if not tables:
        return limit
    names = sql.SQL(", ").join(qualified(name) for name in tables)
    return limit + sql.SQL(
        "; SET LOCAL statement_timeout = {timeout};"
        " LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE; SET LOCAL statement_timeout = 0"
    ).format(timeout=timeout, names=names)
