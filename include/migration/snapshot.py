"""The catalog as it is, read once: everything a plan is made from, in a consistent read-only view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress
from typing import Any, NamedTuple, cast

import psycopg
from psycopg import sql

from include.errors import Busy
from include.migration import names
from include.migration.access import INVOKER_SINCE, Access, read_access, version_and_role
from include.migration.model import Kind
from include.names import SCHEMA, legacy_pattern, table
from include.pairs import PAIRS
from include.storage.connection import Connection, qualified, statement
from include.storage.fitness import unfit
from include.storage.ownership import MARK

TABLES = ("r", "p", "f")  # relkinds that hold rows or partitions: table, parent, foreign table
VIEWS = ("v", "m")
LOCK_TIMEOUT = "10s"


class Relation(NamedTuple):
    """A row of ``pg_class``: table, partition, view, index, sequence ...

    Attributes:
        oid: what it is known by whatever its name.
        name: its name, unique in the schema.
        kind: ``relkind``; "p" is a partitioned parent.
        parent: oid of what it is a partition of, 0 if attached to nothing.
        bound: partition bound as PostgreSQL prints it.
        comment: for views.
    """

    oid: int
    name: str
    kind: str
    parent: int = 0
    bound: str = ""
    comment: str = ""


class Item(NamedTuple):
    """A constraint, an index that belongs to no constraint, or an owned sequence.

    Attributes:
        kind: which of the three.
        oid: of the object itself.
        name: its name.
        on: oid of its table.
        is_relation: the name lives beside those of tables, so it must be free in the whole schema;
            check and foreign key constraints only compete within their table.
    """

    kind: Kind
    oid: int
    name: str
    on: int
    is_relation: bool = True


class Dependent(NamedTuple):
    """Something that uses a table: it follows a rename, a person should know of it all the same."""

    on: int
    kind: str
    name: str


@dataclass(frozen=True)
class Snapshot:
    """One schema at one moment.

    Attributes:
        relations: by name.
        columns: of the partitioned parents: oid to name to SQL type, in table order.
        items: constraints, indexes and sequences of all tables.
        types: names of types made by hand.
        dependents: views, materialized views, foreign keys, triggers, publications.
        functions: signatures of the functions, of any schema, whose text names a legacy table, and whether
            that is a single partition.
        surroundings: (kind, name, detail) of what meets every rename: publications of all tables or of the
            schema, event triggers.
        registers: (register, entry) of legacy tables that extensions know by their name as text.
        homonyms: (schema, name) of relations elsewhere that have a legacy name.
        owned: of the partitioned parents, the columns that this bundle made, by oid.
        journal: (oid, kind, old name) to "renamed" or "reverted".
        filled: of the new names that stand beside a legacy table, those that hold rows (exact).
        access: who may do what with a legacy parent, by oid.
        unfit: of the partitioned parents that a migration touches or has renamed, why builds could not work
            with them, each reason with its remedy, by name.
        version: of the server, as ``server_version_num``.
        role: who reads the catalog, and would make the compatibility views.
    """

    relations: dict[str, Relation] = field(default_factory=dict)
    columns: dict[int, dict[str, str]] = field(default_factory=dict)
    items: tuple[Item, ...] = ()
    types: frozenset[str] = frozenset()
    dependents: tuple[Dependent, ...] = ()
    functions: tuple[tuple[str, bool], ...] = ()
    surroundings: tuple[tuple[str, str, str], ...] = ()
    registers: tuple[tuple[str, str], ...] = ()
    homonyms: tuple[tuple[str, str], ...] = ()
    owned: dict[int, frozenset[str]] = field(default_factory=dict)
    journal: dict[tuple[int, str, str], str] = field(default_factory=dict)
    filled: frozenset[str] = frozenset()
    access: dict[int, Access] = field(default_factory=dict)
    unfit: dict[str, list[str]] = field(default_factory=dict)
    version: int = INVOKER_SINCE
    role: str = ""

    def parent(self, name: str) -> Relation | None:
        """The partitioned parent of this name; None for a view, an ordinary table, or nothing."""
        relation = self.relations.get(name)
        return relation if relation is not None and relation.kind == "p" and not relation.parent else None

    def tree(self, parent: Relation) -> Iterator[Relation]:
        """The parent and everything attached below it, by level and name."""
        level = [parent]
        while level:
            yield from level
            level = [child for relation in level for child in self._children[relation.oid]]

    def items_of(self, oid: int) -> list[Item]:
        """Constraints, indexes and sequences of a table."""
        return self._items[oid]

    @cached_property
    def taken(self) -> frozenset[str]:
        """Every name that no table, index or sequence of the schema can get."""
        return frozenset(self.relations) | self.types

    @cached_property
    def constraints(self) -> dict[int, Item]:
        """Constraints by their oid."""
        return {item.oid: item for item in self.items if item.kind == "constraint"}

    @cached_property
    def _children(self) -> dict[int, list[Relation]]:
        children: dict[int, list[Relation]] = defaultdict(list)
        for relation in sorted(self.relations.values(), key=lambda relation: relation.name):
            if relation.kind in TABLES and relation.parent:
                children[relation.parent].append(relation)
        return children

    @cached_property
    def _items(self) -> dict[int, list[Item]]:
        items: dict[int, list[Item]] = defaultdict(list)
        for item in self.items:
            items[item.on].append(item)
        return items


def read(connection: Connection) -> Snapshot:
    """Read the catalog in one read-only transaction; no table is locked beyond reading, none is changed.

    Args:
        connection: an open connection, outside of a transaction.

    Raises:
        Busy: a table that must be looked into is locked for long.
    """
    try:
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            return _read(connection)
    except psycopg.errors.LockNotAvailable as error:
        raise Busy(
            f"A table that the plan has to look into has been locked by another session for {LOCK_TIMEOUT}. "
            "Nothing was changed; let that session finish, then plan again."
        ) from error


def _read(connection: Connection) -> Snapshot:
    def rows(name: str, **values: str) -> Iterator[tuple[Any, ...]]:
        found = connection.execute(statement(f"migration/snapshot/{name}"), {"schema": SCHEMA, **values})
        return cast("Iterator[tuple[Any, ...]]", found)

    relations = {row[1]: Relation(*row) for row in rows("list_relations")}
    columns = list(rows("list_columns", mark=MARK))
    version, role = version_and_role(connection)
    # the catalog of these publications came with the same version as views that read as the reader
    names_ = rows("list_schema_publications") if version >= INVOKER_SINCE else iter(())
    published = [("publication", name, f"schema {SCHEMA}") for (name,) in names_]
    journal = rows("list_journaled") if "migration_journal" in relations else iter(())
    return Snapshot(
        relations=relations,
        columns={oid: dict(zip(names_, types, strict=True)) for oid, names_, types, _ in columns},
        items=tuple(Item(*row) for row in rows("list_items")),
        types=frozenset(name for (name,) in rows("list_types")),
        dependents=tuple(Dependent(*row) for row in rows("list_dependents")),
        functions=tuple((row[0], row[1]) for row in rows("list_functions", **_mentions())),
        surroundings=(*((row[0], row[1], row[2]) for row in rows("list_surroundings")), *published),
        registers=tuple(_registers(connection, rows("list_registers"))),
        homonyms=tuple((row[0], row[1]) for row in rows("list_homonyms", legacy=legacy_pattern(PAIRS))),
        owned={oid: frozenset(compress(names_, owned)) for oid, names_, _, owned in columns},
        journal={(oid, kind, old): state for oid, kind, old, state in journal},
        filled=frozenset(name for name in _beside_legacy(relations) if _has_rows(connection, name)),
        access={oid: read_access(connection, oid) for oid in _legacy_parents(relations)},
        unfit=unfit(connection, _touched_parents(relations)),
        version=version,
        role=role,
    )


def _mentions() -> dict[str, str]:
    return {"mention": names.mention_pattern(), "partition_mention": names.partition_mention_pattern()}


def _registers(connection: Connection, found: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, str]]:
    """Entries that name a legacy table; of a register that we may not read, one empty entry."""
    for register, schema, table_name, column, is_readable in list(found):
        if not is_readable:
            yield register, ""
            continue
        query = sql.SQL("SELECT {column}::TEXT FROM {table} WHERE {column}::TEXT ~* %s ORDER BY 1").format(
            column=sql.Identifier(column), table=sql.Identifier(schema, table_name)
        )
        for (entry,) in connection.execute(query, [names.mention_pattern()]):
            yield register, str(entry)


def _legacy_parents(relations: dict[str, Relation]) -> Iterator[int]:
    for name, relation in relations.items():
        match = names.match_old(name) or names.match_rate(name)
        if relation.kind == "p" and match is not None and not match.suffix:
            yield relation.oid


def _touched_parents(relations: dict[str, Relation]) -> Iterator[str]:
    """Parents with a legacy name, with a new one, and those of which only columns are renamed."""
    known = {table(family, pair) for family in names.FAMILIES for pair in PAIRS}
    for name, relation in relations.items():
        match = names.match_old(name) or names.match_rate(name)
        if relation.kind == "p" and (name in known or (match is not None and not match.suffix)):
            yield name


def _beside_legacy(relations: dict[str, Relation]) -> Iterable[str]:
    """New names that exist while the legacy table exists too: only of those it matters if they are empty."""
    for name in relations:
        match = names.match_old(name) or names.match_rate(name)
        if match is not None and not match.suffix:
            new = names.new_parent(match.family, match.pair)
            if new in relations and relations[new].kind in TABLES:
                yield new


def _has_rows(connection: Connection, table: str) -> bool:
    # Looked up in the table itself: the planner's estimates say 0 for full tables after a crash.
    row = connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(qualified(table))).fetchone()
    return row is not None and bool(row[0])
