"""Compatibility views: the old names keep answering for a while, read from the renamed tables."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from include.migration.locking import Effort, session, under_locks
from include.migration.names import COMPATIBILITY_COMMENT, LEGACY, old_parent, rate_parent
from include.migration.objects import find
from include.storage.connection import Connection, qualified, statement


def create(connection: Connection, *, old: str, new: str, table: int) -> bool:
    """Make a view under the old name of a parent that has just been renamed, in the same transaction.

    It has exactly the columns of the table under their old names, and the same roles may read it.

    Args:
        connection: a session in the renaming transaction, after the journal was written.
        old: the parent's name before.
        new: its name now.
        table: its oid.
    """
    rows = connection.execute(statement("migration/list_view_columns"), {"table": table})
    columns = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(sql.Identifier(str(now)), sql.Identifier(str(before)))
        for now, before in rows
    )
    connection.execute(
        statement(
            "migration/create_view",
            view=qualified(old),
            columns=columns,
            table=qualified(new),
            remark=sql.Literal(COMPATIBILITY_COMMENT),
        )
    )
    row = connection.execute(statement("migration/list_view_grants"), {"table": table}).fetchone()
    assert row is not None
    owner, is_ours, readers = row
    assert isinstance(readers, list)
    for reader in readers:
        role = sql.SQL("PUBLIC") if reader == "PUBLIC" else sql.Identifier(reader)
        connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(qualified(old), role))
    if not is_ours:
        alter = sql.SQL("ALTER VIEW {} OWNER TO {}")
        connection.execute(alter.format(qualified(old), sql.Identifier(str(owner))))
    return True


def is_compatibility_view(connection: Connection, name: str) -> bool:
    """Does this name belong to a view that we made?"""
    found = find(connection, name)
    return found is not None and found.kind == "v" and found.comment == COMPATIBILITY_COMMENT


def existing(connection: Connection, pairs: Sequence[str]) -> list[str]:
    """Names of our views for some pairs."""
    return [name for pair in pairs for name in _names(pair) if is_compatibility_view(connection, name)]


def drop(connection: Connection, name: str) -> None:
    """Drop one view. Never CASCADE: if another view reads it, the server refuses and says which."""
    connection.execute(sql.SQL("DROP VIEW {}").format(qualified(name)))


def drop_views(url: str, pairs: Sequence[str]) -> dict[str, object]:
    """Drop the compatibility views of some pairs, one transaction each; views of others are left alone.

    Raises:
        Busy: queries held a view for too long, or another run is migrating the pair.
        MigrationRefused: something reads a view; it is named.
    """
    effort, dropped = Effort(), list[str]()
    for pair in pairs:
        with session(url, pair) as connection:
            for name in existing(connection, [pair]):
                _drop_one(connection, name, effort)
                dropped.append(name)
    return {"dropped": dropped, **effort.to_dict()}


def _drop_one(connection: Connection, name: str, effort: Effort) -> None:
    # No LOCK TABLE here: on a view it would lock the tables behind it as well.
    under_locks(connection, [], lambda: drop(connection, name), effort)


def _names(pair: str) -> list[str]:
    names = (name(family, pair) for family in LEGACY for name in (old_parent, rate_parent))
    return [name for name in names if name]
