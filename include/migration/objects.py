"""Objects by identity: what they are called now, what is left to rename, and the statements that do it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from psycopg import sql

from include.errors import MigrationRefused
from include.migration.model import Rename
from include.names import SCHEMA
from include.storage.connection import Connection, qualified, statement

_RELATIONS = ("table", "partition", "index", "sequence")

_ALTER = {
    "table": "ALTER TABLE {object} RENAME TO {new}",
    "partition": "ALTER TABLE {object} RENAME TO {new}",
    "index": "ALTER INDEX {object} RENAME TO {new}",
    "sequence": "ALTER SEQUENCE {object} RENAME TO {new}",
    "constraint": "ALTER TABLE {on} RENAME CONSTRAINT {old} TO {new}",
    "column": "ALTER TABLE {on} RENAME COLUMN {old} TO {new}",
}


class Found(NamedTuple):
    """A table or view that has a name right now."""

    oid: int
    kind: str
    partitions: frozenset[int]
    comment: str


class Present(NamedTuple):
    """Present names: relations and constraints by oid with their owner, columns by table."""

    relations: dict[int, tuple[str, int]]
    constraints: dict[int, tuple[str, int]]
    columns: dict[int, set[str]]

    def name_of(self, rename: Rename) -> str:
        """What the object is called now; empty if there is no such object any more."""
        if rename.kind == "column":
            names = self.columns.get(rename.oid, set())
            # the new name first: a build may have added a column of the old name since
            return next((name for name in (rename.new, rename.old) if name in names), "")
        known = self.constraints if rename.kind == "constraint" else self.relations
        return known.get(rename.oid, ("", 0))[0]


def find(connection: Connection, name: str) -> Found | None:
    """The table, view, index, ... of our schema that has this name now."""
    quoted = qualified(name).as_string(connection)
    row = connection.execute(statement("migration/find_parent"), {"name": quoted}).fetchone()
    if row is None:
        return None
    oid, kind, partitions, comment = row
    assert isinstance(partitions, list)
    return Found(int(str(oid)), str(kind), frozenset(partitions), str(comment))


def present(connection: Connection, renames: Iterable[Rename]) -> Present:
    """Read the present names of the objects of some renames, by their oid."""
    renames = list(renames)
    rows = connection.execute(
        statement("migration/read_present"),
        {
            "relations": [rename.oid for rename in renames if rename.kind in _RELATIONS],
            "constraints": [rename.oid for rename in renames if rename.kind == "constraint"],
            "tables": list({rename.oid for rename in renames if rename.kind == "column"}),
        },
    )
    found = Present({}, {}, {})
    for kind, oid, name, owner in rows:
        number = int(str(oid))
        if kind == "column":
            found.columns.setdefault(number, set()).add(str(name))
        else:
            known = found.relations if kind == "relation" else found.constraints
            known[number] = (str(name), int(str(owner)))
    return found


def pending(connection: Connection, renames: Sequence[Rename]) -> list[Rename]:
    """The renames that are still to do.

    Raises:
        MigrationRefused: an object is gone or has a name that is neither the old nor the new one.
    """
    now = present(connection, renames)
    todo = []
    for rename in renames:
        name = now.name_of(rename)
        if name == rename.old:
            todo.append(rename)
        elif name != rename.new:
            what = f"is called {name} now" if name else "is gone or was made anew"
            raise MigrationRefused(
                f"The {rename.kind} {SCHEMA}.{rename.on + '.' if rename.on else ''}{rename.old} {what}: the "
                "database is not what was planned. Nothing of this batch was renamed; plan again."
            )
    return todo


def inverse(rename: Rename) -> Rename:
    """The rename that takes this one back; constraints and columns still go by the table's new name."""
    return rename._replace(old=rename.new, new=rename.old)


def alter(renames: Iterable[Rename]) -> sql.Composed:
    """All renames as one string of commands: one round trip for a batch."""
    return sql.SQL(";\n").join(
        sql.SQL(_ALTER[rename.kind]).format(
            object=qualified(rename.old),
            on=qualified(rename.on),
            old=sql.Identifier(rename.old),
            new=sql.Identifier(rename.new),
        )
        for rename in renames
    )
