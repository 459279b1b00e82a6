"""Compatibility views: the old names keep answering for a while, read from the renamed tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from psycopg import sql

from include.migration.access import door, give_rights, read_access, version_and_role, viewed
from include.migration.locking import Effort, session, under_locks
from include.migration.names import COMPATIBILITY_COMMENT, new_parent, old_parent, rate_parent
from include.migration.objects import find
from include.names import LEGACY, SCHEMA
from include.storage.connection import Connection, qualified, statement
from include.storage.ownership import MARK
from include.storage.schema import columns_of


def create(connection: Connection, *, old: str, new: str, table: int) -> bool:
    """Make a view under the old name of a parent that has just been renamed, in the same transaction.

    It has exactly the columns of the table under their old names, and answers to every role as the table did
    (see `include.migration.access`).

    Args:
        connection: a session in the renaming transaction, after the journal was written.
        old: the parent's name before.
        new: its name now.
        table: its oid.

    Returns:
        Whether there is a view: none is made where it would open or close doors.
    """
    access = read_access(connection, table)
    decided = door(access, *version_and_role(connection))
    if not decided.view:
        return False
    columns = _columns(connection, table)
    connection.execute(
        statement(
            "migration/create_view",
            view=qualified(old),
            columns=sql.SQL(", ").join(
                sql.SQL("{} AS {}").format(sql.Identifier(now), sql.Identifier(before))
                for now, before in columns.items()
            ),
            table=qualified(new),
            remark=sql.Literal(COMPATIBILITY_COMMENT),
        )
    )
    give_rights(connection, old, access, columns, invoker=decided.invoker)
    return True


def problems(connection: Connection, pair: str) -> dict[str, list[str]]:
    """What of our views of a pair does not answer as the table does, role by role: view to problems."""
    version, role = version_and_role(connection)
    found = {}
    for view, table in _tables(connection, pair):
        access, own = read_access(connection, table.oid), read_access(connection, view.oid)
        decided, name = door(access, version, role), view.name
        if not decided.view:
            found[name] = [f"{SCHEMA}.{name} must not exist: {decided.reason}"]
            continue
        wanted = viewed(access, _shown_columns(connection, name, table.oid))
        told = [f"{SCHEMA}.{name} lacks {grant}" for grant in sorted(wanted - own.grants)]
        told += [
            f"{SCHEMA}.{name} gives {grant}, its table does not" for grant in sorted(own.grants - wanted)
        ]
        if own.owner != access.owner:
            told.append(f"{SCHEMA}.{name} belongs to {own.owner}, its table to {access.owner}")
        if own.invoker != decided.invoker:
            told.append(
                f"{SCHEMA}.{name} reads its table as {'its owner' if decided.invoker else 'the reader'}"
            )
        if told:
            found[name] = told
    return found


def mend(url: str, pair: str) -> list[str]:
    """Give our views of a pair the rights that their tables have now; names of those that were changed.

    Raises:
        Busy: queries held a view for too long, or another run works on the pair.
        MigrationRefused: a view must go and something reads it; it is named.
    """
    effort, mended = Effort(), list[str]()
    with session(url, pair) as connection:
        tables = {view.name: table.oid for view, table in _tables(connection, pair)}
        for name in problems(connection, pair):
            under_locks(connection, [], partial(_mend_one, connection, name, tables[name]), effort)
            mended.append(name)
    return mended


def _mend_one(connection: Connection, name: str, table: int) -> None:
    access = read_access(connection, table)
    decided = door(access, *version_and_role(connection))
    if decided.view:
        columns = _shown_columns(connection, name, table)
        give_rights(connection, name, access, columns, invoker=decided.invoker)
    else:
        drop(connection, name)


class _Named(NamedTuple):
    name: str
    oid: int


def _tables(connection: Connection, pair: str) -> Iterator[tuple[_Named, _Named]]:
    """Our views of a pair, each with the table that it reads."""
    for family in LEGACY:
        table = find(connection, new_parent(family, pair))
        for name in (old_parent(family, pair), rate_parent(family, pair)):
            if name and table is not None and is_compatibility_view(connection, name):
                view = find(connection, name)
                assert view is not None
                yield _Named(name, view.oid), _Named(new_parent(family, pair), table.oid)


def _shown_columns(connection: Connection, view: str, table: int) -> dict[str, str]:
    """The same for those that a view has; a column may have been added to the table since."""
    shown = columns_of(connection, view)
    return {now: before for now, before in _columns(connection, table).items() if before in shown}


def _columns(connection: Connection, table: int) -> dict[str, str]:
    """Present name of each legacy column of a table to its name before; our own columns are left out."""
    rows = connection.execute(statement("migration/list_view_columns"), {"table": table, "mark": MARK})
    return {str(now): str(before) for now, before in rows}


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
