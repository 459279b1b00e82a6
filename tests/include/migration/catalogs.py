"""Catalogs made by hand: snapshots of databases that nobody had to create, and plans applied to them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import replace

from include.migration import names
from include.migration.model import Plan, Rename
from include.migration.snapshot import Dependent, Item, Relation, Snapshot
from include.names import Month
from include.storage.tables import table_of

STAMP = "TIMESTAMP WITH TIME ZONE"
MONTHS = ("2024-01", "2024-02")


def legacy_columns(family: str) -> dict[str, str]:
    return {"ts_utc": STAMP} | dict.fromkeys(names.LEGACY_COLUMNS[family], "DOUBLE PRECISION")


def our_columns(family: str, pair: str) -> dict[str, str]:
    return {"ts_utc": STAMP} | table_of(family, pair).columns


def bound_of(month: str) -> str:
    return f"FOR VALUES FROM ('{month}-01 00:00:00+00') TO ('{Month.parse(month).next}-01 00:00:00+00')"


class Maker:
    """Builds a snapshot table by table, as PostgreSQL would list it."""

    def __init__(self) -> None:
        self._oids = itertools.count(16_384)
        self.relations: dict[str, Relation] = {}
        self.columns: dict[int, dict[str, str]] = {}
        self.owned: dict[int, frozenset[str]] = {}
        self.items: list[Item] = []
        self.dependents: list[Dependent] = []
        self.extra: dict[str, object] = {}

    def relation(self, name: str, kind: str, parent: int = 0, bound: str = "", comment: str = "") -> Relation:
        assert name not in self.relations, name
        self.relations[name] = Relation(next(self._oids), name, kind, parent, bound, comment)
        return self.relations[name]

    def parent(self, name: str, columns: dict[str, str], owned: Collection[str] = ()) -> Relation:
        made = self.relation(name, "p")
        self.columns[made.oid] = columns
        self.owned[made.oid] = frozenset(owned) - {"ts_utc"}
        self.key(made, f"{name}_pkey")
        return made

    def partition(self, parent: Relation, name: str, bound: str) -> Relation:
        made = self.relation(name, "r", parent.oid, bound)
        self.key(made, f"{name}_pkey")
        return made

    def key(self, on: Relation, name: str) -> None:
        self.relation(name, "I" if on.kind == "p" else "i")
        self.items.append(Item("constraint", next(self._oids), name, on.oid, True))

    def check(self, on: Relation, name: str) -> None:
        self.items.append(Item("constraint", next(self._oids), name, on.oid, False))

    def index(self, on: Relation, name: str) -> None:
        self.items.append(Item("index", self.relation(name, "i").oid, name, on.oid, True))

    def sequence(self, on: Relation, name: str) -> None:
        self.items.append(Item("sequence", self.relation(name, "S").oid, name, on.oid, True))

    def tree(
        self,
        name: str,
        columns: dict[str, str],
        months: Sequence[str] = MONTHS,
        owned: Collection[str] = (),
    ) -> Relation:
        made = self.parent(name, columns, owned)
        for month in months:
            self.partition(made, f"{name}_{month.replace('-', '_')}", bound_of(month))
        return made

    def ours(self, family: str, pair: str = "eurusd", months: Sequence[str] = MONTHS) -> Relation:
        columns = our_columns(family, pair)
        return self.tree(names.new_parent(family, pair), columns, months, columns)

    def legacy(self, family: str, pair: str = "eurusd", months: Sequence[str] = MONTHS) -> Relation:
        return self.tree(names.old_parent(family, pair), legacy_columns(family), months)

    def snapshot(self) -> Snapshot:
        return Snapshot(
            relations=dict(self.relations),
            columns=dict(self.columns),
            owned=dict(self.owned),
            items=tuple(self.items),
            dependents=tuple(self.dependents),
            **self.extra,
        )


def applied(catalog: Snapshot, plan: Plan) -> Snapshot:
    """The catalog after the plan, by PostgreSQL's rules: names must be free, a key takes its index along."""
    database = _Database(catalog)
    for batch in plan.at_work:
        if batch.drop_first:
            database.drop(batch.drop_first)
        for rename in batch.renames:
            database.rename(rename)
    return database.snapshot()


class _Database:
    """A catalog that can be changed."""

    def __init__(self, catalog: Snapshot) -> None:
        self.catalog = catalog
        self.relations, self.columns = dict(catalog.relations), dict(catalog.columns)
        self.items = {(item.kind, item.oid): item for item in catalog.items}
        self.journal = dict(catalog.journal)

    def snapshot(self) -> Snapshot:
        items = tuple(self.items.values())
        return replace(
            self.catalog, relations=self.relations, columns=self.columns, items=items, journal=self.journal
        )

    def drop(self, name: str) -> None:
        gone = {relation.oid for relation in self.catalog.tree(self.relations[name])}
        for item in [item for item in self.items.values() if item.on in gone]:
            del self.items[item.kind, item.oid]
            self.relations.pop(item.name, None)
        self.relations = {n: relation for n, relation in self.relations.items() if relation.oid not in gone}

    def rename(self, rename: Rename) -> None:
        self.journal[rename.oid, rename.kind, rename.old] = "renamed"
        if rename.kind == "column":
            columns = self.columns[rename.oid]
            assert rename.new not in columns
            names_after = (rename.new if name == rename.old else name for name in columns)
            self.columns[rename.oid] = dict(zip(names_after, columns.values(), strict=True))
            return
        item = self.items.get((rename.kind, rename.oid))
        if item is not None:
            self._rename_item(item, rename)
        if item is None or item.is_relation:
            assert rename.new not in self.relations, f"{rename.new} is taken"
            assert rename.new not in self.catalog.types, f"{rename.new} is a type"
            relation = self.relations.pop(rename.old)
            self.relations[rename.new] = relation._replace(name=rename.new)

    def _rename_item(self, item: Item, rename: Rename) -> None:
        if item.kind == "constraint":
            assert {relation.oid: name for name, relation in self.relations.items()}[item.on] == rename.on
            beside = {other.name for other in self.items.values() if other.on == item.on}
            assert rename.new not in beside
        self.items[item.kind, item.oid] = item._replace(name=rename.new)
