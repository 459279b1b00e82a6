"""The journal of renames: written in the transaction that renames, read by verification and revert."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from psycopg.types.json import Jsonb

from include.errors import MigrationRefused
from include.migration.model import Kind, Plan, Rename
from include.storage.connection import Connection, statement

_DDL_LOCK = "bqx: create migration tables"


class Entry(NamedTuple):
    """A rename in force and the family it belongs to."""

    family: str
    rename: Rename


def exists(connection: Connection) -> bool:
    """Was anything ever migrated in this database?"""
    row = connection.execute(
        "SELECT to_regclass('bqx.migration_journal') IS NOT NULL"
        " AND to_regclass('bqx.migration_plan') IS NOT NULL"
    ).fetchone()
    return row == (True,)


def ensure_tables(connection: Connection) -> None:
    """Create the journal and the table of baselines unless they are there; several runs may call this."""
    if exists(connection):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_DDL_LOCK])
        connection.execute(statement("migration/create_tables"))


def store_plan(connection: Connection, plan: Plan) -> None:
    """Keep a plan under its hash, so that every worker carries out the one that was approved."""
    connection.execute(
        "INSERT INTO bqx.migration_plan (plan_hash, content) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [plan.hash, Jsonb(plan.to_dict())],
    )


def stored_plan(connection: Connection, plan_hash: str) -> Plan:
    """The plan of that hash.

    Raises:
        MigrationRefused: there is none.
    """
    row = connection.execute(
        "SELECT content FROM bqx.migration_plan WHERE plan_hash = %s", [plan_hash]
    ).fetchone()
    if row is None:
        raise MigrationRefused(f"No plan {plan_hash} is stored in bqx.migration_plan: plan again.")
    return Plan.of(cast("dict[str, Any]", row[0]))


def record(
    connection: Connection, *, plan_hash: str, family: str, pair: str, renames: Sequence[Rename]
) -> None:
    """Note renames; call it in the transaction that makes them."""
    connection.execute(
        statement("migration/record_renames"),
        {
            "plan_hash": plan_hash,
            "family": family,
            "pair": pair,
            "kinds": [rename.kind for rename in renames],
            "oids": [rename.oid for rename in renames],
            "old_names": [rename.old for rename in renames],
            "new_names": [rename.new for rename in renames],
            "on_tables": [rename.on for rename in renames],
        },
    )


def in_force(connection: Connection, pair: str) -> list[Entry]:
    """Renames of a pair that were made and not reverted, oldest first."""
    rows = connection.execute(statement("migration/read_journal"), {"pair": pair})
    return [
        Entry(str(family), Rename(cast(Kind, kind), int(str(oid)), str(old), str(new), str(on)))
        for family, kind, oid, old, new, on in rows
    ]


def mark_reverted(connection: Connection, family: str, pair: str) -> int:
    """Note that the renames of a batch were taken back; call it in that transaction."""
    return connection.execute(statement("migration/mark_reverted"), {"family": family, "pair": pair}).rowcount
