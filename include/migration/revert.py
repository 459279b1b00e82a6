"""Take the names back, from the journal, in the inverse order and in the same batches.

It also works after builds. Partitions they made or replaced are known by their parent and get the old
naming; columns they added stay and are listed. Where a build added a column whose name a legacy column
gets back, the build's is moved aside: who reads the old name must get the old values. Legacy rows that
a build kept beside the table come back to it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from psycopg import sql

from include.errors import MigrationRefused
from include.migration import baseline, journal, views
from include.migration.locking import Effort, session, under_locks
from include.migration.model import Kind, Rename
from include.migration.names import fit, new_parent, old_parent
from include.migration.objects import Present, alter, find, inverse, present
from include.names import SCHEMA
from include.storage.connection import Connection, connect, qualified, statement
from include.storage.legacy_columns import aside_name
from include.storage.log import forget_builds
from include.storage.ownership import ASIDE
from include.storage.partitions import count_rows

_ORDER: tuple[Kind, ...] = ("column", "sequence", "index", "constraint", "partition", "table")


class Reversal(NamedTuple):
    """What taking one batch back means.

    Attributes:
        family, pair: the batch.
        parent: present name of the table.
        old: the name it gets back.
        view: name of its compatibility view, to be dropped first; empty if there is none.
        renames: inverse renames in the order of execution.
        rebuilt: partitions made by builds, by their present names.
        added: columns that were not there before the migration; they stay.
        aside: of those, the ones that get another name.
        returned: legacy rows that a build kept beside the table; they come back.
    """

    family: str
    pair: str
    parent: str
    old: str
    view: str
    renames: tuple[Rename, ...]
    rebuilt: tuple[str, ...]
    added: tuple[str, ...]
    aside: tuple[str, ...]
    returned: int


def plan(url: str, pairs: Sequence[str]) -> list[dict[str, object]]:
    """Say what `run` would do, one plain mapping per batch. Reads only."""
    with connect(url) as connection:
        if not journal.is_there(connection):
            return []
        reversals = [
            _reversal(connection, family, pair, renames)
            for pair in pairs
            for family, renames in _batches(connection, pair)
        ]
    return [_to_dict(reversal) for reversal in reversals]


def run(url: str, pairs: Sequence[str]) -> dict[str, object]:
    """Take back every rename in force of some pairs. Running it again does nothing.

    Args:
        url: libpq connection string.
        pairs: the currency pairs.

    Returns:
        Plain values: batches (see `plan`, one mapping each), renamed (number by kind), views (dropped),
        seconds in transactions, retries and longest_wait (seconds).

    Raises:
        Busy: another run is migrating a pair, or queries held a table for too long.
        MigrationRefused: an object is not what the journal says, or an old name is taken; the batch is
            untouched, batches before it are reverted.
    """
    effort, done = Effort(), list[Reversal]()
    for pair in pairs:
        with session(url, pair) as connection:
            journal.ensure_tables(connection)
            for family, renames in _batches(connection, pair):
                done.append(_revert(connection, family, pair, renames, effort))
    return {
        "batches": [_to_dict(reversal) for reversal in done],
        "renamed": dict(Counter(rename.kind for reversal in done for rename in reversal.renames)),
        "views": sum(bool(reversal.view) for reversal in done),
    } | effort.to_dict()


def _revert(
    connection: Connection, family: str, pair: str, renames: Sequence[Rename], effort: Effort
) -> Reversal:
    before = _reversal(connection, family, pair, renames)

    def work() -> Reversal:
        reversal = _reversal(connection, family, pair, renames)
        if reversal.view:
            views.drop(connection, reversal.view)
        _return_rows(connection, family, pair, reversal.parent)
        if reversal.renames:
            connection.execute(alter(reversal.renames))
        forget_builds(connection, new_parent(family, pair))  # a new migration builds its months anew
        journal.mark_reverted(connection, family, pair)
        return reversal

    # The view first: its readers lock it before the table, and so do we.
    tables = [before.view] * bool(before.view) + [before.parent]
    return under_locks(connection, tables, work, effort)


def _batches(connection: Connection, pair: str) -> list[tuple[str, list[Rename]]]:
    """Families with renames in force, last one first."""
    families: dict[str, list[Rename]] = {}
    for entry in journal.in_force(connection, pair):
        families.setdefault(entry.family, []).append(entry.rename)
    return list(reversed(families.items()))


def _reversal(connection: Connection, family: str, pair: str, renames: Sequence[Rename]) -> Reversal:
    now = present(connection, renames)
    table = next((rename for rename in renames if rename.kind == "table"), None)
    parent = now.name_of(table) if table else new_parent(family, pair)
    found = find(connection, parent) if parent else None
    if found is None:
        raise MigrationRefused(
            f"Table {SCHEMA}.{parent or new_parent(family, pair)} is gone or was made anew, so its names "
            "cannot be taken back. Nothing of this batch was changed."
        )
    old = table.old if table else parent
    columns = _columns(connection, found.oid)
    added = _added(connection, family, pair, columns, renames)
    aside = _aside(renames, columns, parent)
    made = _made_by_builds(connection, family, pair, found.oid, renames) if table else []
    back = [*aside, *_inverses(renames, now), *_old_naming(made, new_parent(family, pair), old)]
    return Reversal(
        family=family,
        pair=pair,
        parent=parent,
        old=old,
        view=_view(connection, family, pair, old),
        renames=tuple(sorted(back, key=lambda rename: _ORDER.index(rename.kind))),
        rebuilt=tuple(rename.old for rename in made if rename.kind == "partition"),
        added=tuple(added),
        aside=tuple(f"{rename.old} -> {rename.new}" for rename in aside),
        returned=_kept_beside(connection, family, pair),
    )


def _view(connection: Connection, family: str, pair: str, old: str) -> str:
    """Where the parent was renamed before us, no rename says what its old name was: the family does."""
    olds = (old, old_parent(family, pair))
    return next((name for name in olds if views.is_compatibility_view(connection, name)), "")


def _inverses(renames: Sequence[Rename], now: Present) -> Iterable[Rename]:
    """Inverse renames of what is still there under its new name; last one first."""
    for rename in reversed(renames):
        name = now.name_of(rename)
        if name == rename.new:
            yield inverse(rename)
        elif name not in ("", rename.old):
            raise MigrationRefused(
                f"The {rename.kind} {SCHEMA}.{rename.new} is called {name} now. Nothing of this batch was "
                "changed; give it the name of the journal, then clear this task."
            )


def _made_by_builds(
    connection: Connection, family: str, pair: str, parent: int, renames: Sequence[Rename]
) -> list[Rename]:
    """Partitions that neither journal nor baseline know, with their objects; not renamed yet."""
    known = {rename.oid for rename in renames if rename.kind == "partition"}
    known |= {row.leaf.oid for row in baseline.read(connection, pair) if row.family == family}
    rows = connection.execute(statement("migration/list_build_objects"), {"parent": parent})
    return [
        Rename(cast(Kind, kind), cast(int, oid), str(name), str(name), "" if kind == "index" else str(table))
        for kind, oid, name, table_oid, table in rows
        if table_oid not in known
    ]


def _old_naming(made: Iterable[Rename], new: str, old: str) -> Iterable[Rename]:
    pattern = re.compile(rf"(?<![A-Za-z0-9]){re.escape(new)}(?![A-Za-z0-9])")
    for rename in made:
        name = fit(pattern.sub(old, rename.old, count=1))
        if name != rename.old:
            yield rename._replace(new=name)


def _columns(connection: Connection, table: int) -> list[str]:
    query = "SELECT attname FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped"
    return [str(name) for (name,) in connection.execute(f"{query} ORDER BY attnum", [table])]


def _added(
    connection: Connection, family: str, pair: str, columns: Sequence[str], renames: Sequence[Rename]
) -> list[str]:
    before = {
        column
        for row in baseline.read(connection, pair)
        if row.family == family
        for column in row.leaf.columns
    }
    renamed = {rename.old: rename.new for rename in renames if rename.kind == "column"}
    kept = {renamed.get(column, column) for column in before}
    return [column for column in columns if column not in kept] if before else []


def _aside(renames: Sequence[Rename], columns: Sequence[str], parent: str) -> list[Rename]:
    """Columns of a build that stand where a legacy column comes back to."""
    moved = []
    for rename in renames:
        if rename.kind == "column" and {rename.old, rename.new} <= set(columns):
            name, number = f"{ASIDE}{rename.old}", 2
            while name in columns:
                name, number = f"{ASIDE}{rename.old}_{number}", number + 1
            moved.append(Rename("column", rename.oid, rename.old, name, parent))
    return moved


def _kept_beside(connection: Connection, family: str, pair: str) -> int:
    beside = find(connection, aside_name(new_parent(family, pair)))
    return 0 if beside is None else count_rows(connection, aside_name(new_parent(family, pair)))


def _return_rows(connection: Connection, family: str, pair: str, parent: str) -> None:
    """Before the columns get their old names: those of the rows kept beside are the present ones."""
    name = aside_name(new_parent(family, pair))
    beside = find(connection, name)
    if beside is None:
        return
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in _columns(connection, beside.oid))
    connection.execute(
        statement("migration/return_rows", table=qualified(parent), aside=qualified(name), columns=columns)
    )


def _to_dict(reversal: Reversal) -> dict[str, object]:
    counts = Counter(rename.kind for rename in reversal.renames)
    lists = {name: list(getattr(reversal, name)) for name in ("rebuilt", "added", "aside")}
    return reversal._asdict() | {"renames": dict(counts)} | lists
