"""The journal of renames: written in the transaction that renames, read by verification and revert."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

from psycopg.types.json import Jsonb

from include.errors import MigrationRefused
from include.migration.model import Kind, Plan, Rename
from include.reports import Reports
from include.storage.connection import Connection, exists, statement

KIND = "migration"  # of the reports, see `include.reports.KINDS`
_DDL_LOCK = "bqx: create migration tables"


class Entry(NamedTuple):
    """A rename in force and the family it belongs to."""

    family: str
    rename: Rename


def is_there(connection: Connection) -> bool:
    """Was anything ever migrated in this database?"""
    parts = ("journal", "baseline", "plan", "documents")
    return exists(connection, *(f"migration_{part}" for part in parts))


def ensure_tables(connection: Connection) -> None:
    """Create the journal and the table of baselines unless they are there; several runs may call this."""
    if is_there(connection):
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


class Documents(NamedTuple):
    """What was written last about the renames in force of a pair.

    Attributes:
        files: links by what they are; empty if nothing was written since the last rename.
        published_at: when; None if never.
        run_label: of the run that wrote them.
    """

    files: Mapping[str, str]
    published_at: datetime | None
    run_label: str

    def are_there(self, reports: Reports) -> bool:
        """Everything was written after the last rename and still lies among the reports."""
        names = {unquote(link).rpartition("/")[2] for link in self.files.values()}
        return bool(names) and names <= reports.names(KIND, self.run_label)


def record_documents(
    connection: Connection, pairs: Sequence[str], files: Mapping[str, str], run_label: str
) -> None:
    """Note that the documents of some pairs were written."""
    connection.execute(
        "INSERT INTO bqx.migration_documents (pairs, run_label, files) VALUES (%s, %s, %s)",
        [list(pairs), run_label, Jsonb(dict(files))],
    )


def documents(connection: Connection, pairs: Sequence[str]) -> dict[str, Documents]:
    """The documents of each pair that has renames in force."""
    if not is_there(connection):
        return {}
    rows = connection.execute(statement("migration/list_documents"), {"pairs": list(pairs)})
    found = {}
    for pair, renamed_at, published_at, run_label, files in cast("Iterable[tuple[Any, ...]]", rows):
        current = published_at is not None and published_at >= renamed_at
        found[str(pair)] = Documents(files if current else {}, published_at, str(run_label or ""))
    return found


def mark_reverted(connection: Connection, family: str, pair: str) -> int:
    """Note that the renames of a batch were taken back; call it in that transaction."""
    return connection.execute(statement("migration/mark_reverted"), {"family": family, "pair": pair}).rowcount
