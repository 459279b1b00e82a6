"""The renames of one family of one pair, and whether their new names are free. Pure: a snapshot in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from include.migration import names
from include.migration.model import Rename
from include.migration.snapshot import Item, Relation, Snapshot
from include.storage.tables import table_of

_ORDER = ("table", "partition", "constraint", "index", "sequence", "column")


class Naming(NamedTuple):
    """How the objects of one family of one pair are called afterwards.

    Attributes:
        family: family of the catalogue.
        pair: the currency pair.
        rate_names: names of an older migration count as legacy names.
    """

    family: str
    pair: str
    rate_names: bool = False

    @property
    def parent(self) -> str:
        """Name of the parent table."""
        return names.new_parent(self.family, self.pair)

    def table(self, name: str) -> str:
        """Name of an attached partition: it follows its table if its name begins like that."""
        for old in names.spellings(self.family, self.pair, rate_names=self.rate_names):
            if name.startswith(f"{old}_"):
                return names.fit(self.parent + name.removeprefix(old))
        return name

    def item(self, name: str) -> str:
        """Name of an index, constraint or sequence."""
        return names.new_object_name(name, self.family, self.pair, rate_names=self.rate_names)


def of(catalog: Snapshot, naming: Naming, parent: Relation) -> tuple[Rename, ...]:
    """All that is left to rename below a parent, in the order of execution; nothing if it is all done."""
    columns = (
        Rename("column", parent.oid, column, names.LEGACY_PREFIX + column, naming.parent)
        for column in _clashing_columns(catalog, naming, parent)
    )
    found = [*_tables_and_items(catalog, naming, parent), *columns]
    return tuple(sorted(found, key=lambda rename: _ORDER.index(rename.kind)))


def taken(catalog: Snapshot, renames: Sequence[Rename], drop: str = "") -> list[str]:
    """New names that something else has, or that two objects of the batch would get.

    Args:
        catalog: the snapshot.
        renames: of one batch.
        drop: a table that is dropped first; its names and those of all that hangs on it are free then.
    """
    freed = set(_names_of(catalog, catalog.relations[drop])) if drop else set()
    schema = set(catalog.taken - freed)
    tables: dict[int, set[str]] = defaultdict(set)
    found = set()
    for rename in renames:
        for space in _spaces(catalog, rename, schema, tables):
            if rename.new in space:
                found.add(rename.new)
            space.add(rename.new)
    return sorted(found)


def _tables_and_items(catalog: Snapshot, naming: Naming, parent: Relation) -> Iterator[Rename]:
    for relation in catalog.tree(parent):
        is_parent = relation is parent
        after = naming.parent if is_parent else naming.table(relation.name)
        if after != relation.name:
            yield Rename("table" if is_parent else "partition", relation.oid, relation.name, after)
        for item in catalog.items_of(relation.oid):
            new = naming.item(item.name)
            if new != item.name:
                on = after if item.kind == "constraint" else ""
                yield Rename(item.kind, item.oid, item.name, new, on)


def _clashing_columns(catalog: Snapshot, naming: Naming, parent: Relation) -> Iterator[str]:
    """Columns that have a name of the catalogue and that the builds did not make."""
    wanted = table_of(naming.family, naming.pair).columns
    owned = catalog.owned.get(parent.oid, frozenset())
    for name in catalog.columns.get(parent.oid, {}):
        if name in wanted and name not in owned:
            yield name


def _spaces(
    catalog: Snapshot, rename: Rename, schema: set[str], tables: dict[int, set[str]]
) -> Iterator[set[str]]:
    """The sets of names in which a new name must be free: the schema's, its table's, or both."""
    if rename.kind in ("table", "partition", "index", "sequence"):
        yield schema
    elif rename.kind == "constraint":
        item = catalog.constraints[rename.oid]
        if item.is_relation:  # its index has the same name
            yield schema
        if item.on not in tables:
            tables[item.on] = {other.name for other in catalog.items_of(item.on) if _is_constraint(other)}
        yield tables[item.on]


def _is_constraint(item: Item) -> bool:
    return item.kind == "constraint"


def _names_of(catalog: Snapshot, parent: Relation) -> Iterator[str]:
    for relation in catalog.tree(parent):
        yield relation.name
        yield from (item.name for item in catalog.items_of(relation.oid))
