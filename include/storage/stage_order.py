"""Stage 1.6.9 comes first: nobody builds, loads or reads a pair whose legacy tables wait for their names.

What is in the database decides, not the order in which somebody triggers the DAGs. Whoever works on a pair
holds its lock together with others; a migration needs the same lock alone, so neither begins while the
other is at work. The lock ends with its session, however that ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg

from include.errors import Busy, MigrationDue
from include.names import COLUMNS_ONLY, LEGACY, SCHEMA, legacy_pattern
from include.storage.connection import Connection, exists, statement
from include.storage.ownership import foreign_columns
from include.storage.tables import table_of
from include.storage.upgrade import upgrade

MIGRATED = (*LEGACY, *COLUMNS_ONLY)  # families whose tables a migration touches
WORK_PATIENCE = "20s"  # longer than a migration waits for the same lock, so that two waiters do not both fail
_NAMED = 3


@contextmanager
def beside_others(connection: Connection, pair: str) -> Iterator[None]:
    """Work on the tables of a pair while no migration does.

    Raises:
        MigrationDue: stage 1.6.9 has to be done first.
        Busy: a migration of the pair is at work.
    """
    key = lock_key(pair)
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [WORK_PATIENCE])
            connection.execute("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", [key])
    except psycopg.errors.LockNotAvailable as error:
        raise Busy(
            f"bqx_migrate is at work on {pair}. Nothing was changed here; let that run finish, then clear "
            "this task."
        ) from error
    try:
        refuse_unmigrated(connection, [pair])
        yield
    finally:
        with suppress(psycopg.OperationalError):  # a session that has ended has let go of it
            connection.execute("SELECT pg_advisory_unlock_shared(hashtextextended(%s, 0))", [key])


def lock_key(pair: str) -> str:
    """Name of the lock of a pair."""
    return f"bqx: migrate {pair}"


def refuse_unmigrated(connection: Connection, pairs: Sequence[str]) -> None:
    """Check that stage 1.6.9 is done for some pairs, or has nothing to do there.

    Raises:
        MigrationDue: legacy tables have their old names (never migrated, interrupted, or taken back), legacy
            columns have names of the catalogue, or what was renamed was not compared yet.
    """
    upgrade(connection)
    due = {pair: found for pair in pairs if (found := _due(connection, pair))}
    if due:
        pair, reason = next(iter(due.items()))
        listed = ", ".join(due)
        raise MigrationDue(
            f"Stage 1.6.9 comes first: {reason}. Nothing was changed. Run the DAG bqx_migrate with dry_run "
            f"off for {listed if len(due) <= _NAMED else f'{len(due)} pairs, {pair} among them'}, or leave "
            "these pairs out."
        )


def legacy_tables(connection: Connection, pairs: Iterable[str]) -> list[str]:
    """Partitioned tables, and partitions, of some pairs that have their legacy names."""
    olds, pairs_ = "|".join(LEGACY.values()), "|".join(pairs)
    values = {
        "parents": legacy_pattern(pairs_.split("|")),
        "partitions": f"^({olds})_({pairs_})_",
        "attached_to": f"^({olds}|{'|'.join(LEGACY)})_({pairs_})(_|$)",
    }
    return [str(name) for (name,) in connection.execute(statement("storage/list_legacy_tables"), values)]


def uncompared_pairs(connection: Connection, pairs: Iterable[str]) -> set[str]:
    """Pairs that were renamed and not found right since: their run was killed before its check, or failed."""
    if not exists(connection, "migration_baseline"):
        return set()
    rows = connection.execute(statement("storage/list_uncompared"), {"pairs": list(pairs)})
    return {str(pair) for (pair,) in rows}


def _due(connection: Connection, pair: str) -> str:
    """Why a migration of the pair is due; empty if it is not."""
    if names := legacy_tables(connection, [pair]):
        return f"{SCHEMA}.{names[0]} has its legacy name{_more(names, 'tables')}"
    foreign = foreign_columns(connection, [table_of(family, pair) for family in MIGRATED])
    for table, columns in foreign.items():
        return (
            f"{SCHEMA}.{table} holds the column {columns[0]}{_more(columns, 'columns')}, which has a name of "
            "the catalogue and was not made by this bundle"
        )
    if uncompared_pairs(connection, [pair]):
        return f"the tables of {pair} were renamed and not compared with what they held before"
    return ""


def _more(names: Sequence[str], noun: str) -> str:
    return f" (and {len(names) - 1} more {noun})" if len(names) > 1 else ""
