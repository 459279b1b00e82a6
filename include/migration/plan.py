"""Deciding what a migration does: a snapshot of the catalog in, a plan out. Reads only, changes nothing.

Of every family and pair it asks two questions: is the legacy table there (O), is the new name taken (N)?

    O, not N   to do, or interrupted if part of it has its new name already
    N, not O   done if the legacy columns are in it, ours if the builds made it, otherwise a conflict
    both       a conflict: nothing is merged, and only an empty table of ours is dropped, if asked for
    neither    missing

A table of which the builds could not replace a month (see `include.storage.fitness`) is a conflict too: once
renamed and compared it would be of no use to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from include.migration import names, notes, renames, snapshot
from include.migration.model import Batch, Plan, State
from include.migration.snapshot import TABLES, Relation, Snapshot
from include.names import COLUMNS_ONLY
from include.pairs import PAIRS
from include.storage.connection import connect
from include.storage.tables import table_of

_AGAIN = "then plan again."


class Options(NamedTuple):
    """What a person may allow beyond the rules; nothing by default.

    Attributes:
        replace_empty: an empty table of ours that has the new name is dropped for the legacy one.
        replace_built: so is one that the builds have filled; they make its columns again.
        accept_rate_names: tables that an older migration named ``statistics_rate_{pair}`` and the like
            count as legacy tables if their columns are the legacy ones. Never ``reg_rate_{pair}``.
    """

    replace_empty: bool = False
    accept_rate_names: bool = False
    replace_built: bool = False


def make_plan(url: str, *, pairs: Sequence[str] = PAIRS, options: Options | None = None) -> Plan:
    """Read the catalog and say what a migration would do.

    Args:
        url: database URL.
        pairs: the pairs to migrate.
        options: what is allowed beyond the rules.
    """
    with connect(url) as connection:
        return classify(snapshot.read(connection), pairs, options)


def classify(catalog: Snapshot, pairs: Sequence[str] = PAIRS, options: Options | None = None) -> Plan:
    """The plan for a snapshot. Pure: the same snapshot gives the same plan."""
    allowed = options or Options()
    batches = tuple(_batch(catalog, family, pair, allowed) for family in names.FAMILIES for pair in pairs)
    return Plan(batches, notes.about(catalog, batches, pairs, accept_rate_names=allowed.accept_rate_names))


def _batch(catalog: Snapshot, family: str, pair: str, options: Options) -> Batch:
    site = _Site(catalog, family, pair, options)
    if family in COLUMNS_ONLY:
        return site.columns_only()
    if len(site.sources) > 1:
        found = " and ".join(source.name for source in site.sources)
        return site.conflict(f"{found} both exist: move one of them out of the schema, {_AGAIN}")
    return site.from_old(site.sources[0]) if site.sources else site.from_new()


class _Site:
    """One family of one pair in the catalog, and the judgements about it."""

    def __init__(self, catalog: Snapshot, family: str, pair: str, options: Options) -> None:
        self.catalog, self.family, self.pair, self.options = catalog, family, pair, options
        accepts = options.accept_rate_names and family in names.RATE_NAMES
        self.naming = renames.Naming(family, pair, rate_names=accepts)
        spellings = names.spellings(family, pair, rate_names=accepts)
        self.sources = [parent for name in spellings if (parent := catalog.parent(name)) is not None]
        self.old = self.sources[0].name if self.sources else spellings[0]
        self.new = names.new_parent(family, pair)
        self.wanted = table_of(family, pair).columns

    def from_old(self, source: Relation) -> Batch:
        """A legacy table exists."""
        target = self.catalog.relations.get(self.new)
        obstacle = self._why_not_replaced(target) if target is not None else ""
        if obstacle:
            return self.conflict(obstacle)
        lacking = self._lacking_legacy_columns(source)
        if lacking and names.match_old(source.name) is None:
            return self.conflict(f"{source.name} lacks {names.few(lacking)}, so it is not the legacy table.")
        reason = f"lacks the legacy columns {names.few(lacking)}; renamed all the same" if lacking else ""
        begun = any(names.match_new(relation.name) for relation in self.catalog.tree(source))
        drop = target.name if target is not None else ""
        batch = self._at_work(source, "interrupted" if begun else "to do", reason, drop)
        return batch._replace(drop_rows=bool(batch.drop_first) and drop in self.catalog.filled)

    def from_new(self) -> Batch:
        """No legacy table: renamed before, made by the builds, or never there."""
        target = self.catalog.relations.get(self.new)
        if target is None:
            return self._state("missing", reason=self._why_missing())
        if self.catalog.parent(self.new) is None:
            return self.conflict(f"{self.new} is no partitioned table: rename it, {_AGAIN}")
        if not self._was_renamed(target):
            lacking = self._lacking_legacy_columns(target)
            if lacking and self._is_ours(target):
                return self._state("ours", target)
            obstacle = self._why_not_done(target, lacking)
            if obstacle:
                return self.conflict(obstacle)
        return self._at_work(target, "interrupted")

    def columns_only(self) -> Batch:
        """The table keeps its name; legacy columns that have a name of the catalogue give way."""
        relation = self.catalog.relations.get(self.new)
        if relation is None:
            return self._state("missing", reason="not there; the builds will make it")
        if self.catalog.parent(self.new) is None:
            return self.conflict(
                f"{self.new} is no table partitioned by month, which the builds need: rename it, {_AGAIN}"
            )
        if self._is_only_ours(relation):
            return self._state("ours", relation)
        begun = any(name.startswith(names.LEGACY_PREFIX) for name in self._columns(relation))
        return self._at_work(relation, "interrupted" if begun else "to do")

    def conflict(self, reason: str) -> Batch:
        """A batch that a person has to look at."""
        return self._state("conflict", self.sources[0] if self.sources else None, reason)

    def _at_work(self, parent: Relation, state: State, reason: str = "", drop: str = "") -> Batch:
        """The batch with its renames; done if there are none, a conflict if a new name is taken."""
        found = renames.of(self.catalog, self.naming, parent)
        twice = [r.old for r in found if r.kind == "column" and r.new in self._columns(parent)]
        if twice:
            names_ = f"{twice[0]}, which this bundle did not make, and {names.LEGACY_PREFIX}{twice[0]}"
            return self._state(
                "conflict", parent, f"{parent.name} has both {names_}: rename or drop one, {_AGAIN}"
            )
        if not found:
            return self._state("done", parent)
        if reasons := self.catalog.unfit.get(parent.name):
            reason = f"builds could not work with {parent.name}: {'; '.join(reasons)}; {_AGAIN}"
            return self._state("conflict", parent, reason)
        in_the_way = renames.taken(self.catalog, found, drop)
        if in_the_way:
            reason = f"{names.few(in_the_way)} exist already: rename what has the name, {_AGAIN}"
            return self._state("conflict", parent, reason)
        return self._state(state, parent, reason)._replace(renames=found, drop_first=drop)

    def _state(self, state: State, parent: Relation | None = None, reason: str = "") -> Batch:
        partitions = sum(1 for _ in self.catalog.tree(parent)) - 1 if parent is not None else 0
        return Batch(self.family, self.pair, state, self.old, self.new, partitions=partitions, reason=reason)

    def _why_not_replaced(self, target: Relation) -> str:
        """What keeps an existing target in place; empty if it may be dropped for the legacy table."""
        both = f"{self.old} and {self.new} both exist"
        filled = target.name in self.catalog.filled
        if self.catalog.parent(target.name) is None:
            return f"{both}, the second is no partitioned table: rename it, {_AGAIN}"
        if not self._is_only_ours(target):
            if filled:
                what = "holds rows: find out which one counts, move the other"
            else:
                what = "is empty, its columns are not ours: rename or drop it"
            return f"{both} and the new one {what}, {_AGAIN}"
        tree = {relation.oid for relation in self.catalog.tree(target)}
        users = sorted({dependent.name for dependent in self.catalog.dependents if dependent.on in tree})
        if users:
            return f"{both}; the new one is ours but {names.few(users)} use it: drop or move them, {_AGAIN}"
        if self.options.replace_built or (self.options.replace_empty and not filled):
            return ""
        if filled:
            return f"{both}; the builds made the new one: allow replace_built, or drop it, {_AGAIN}"
        return f"{both}; the new one is ours and empty: allow replace_empty, or drop it, {_AGAIN}"

    def _why_not_done(self, target: Relation, lacking: Sequence[str]) -> str:
        """What speaks against a table of the new name being the legacy one; empty if nothing does."""
        if lacking:
            return (
                f"{self.new} has neither the legacy columns (not {names.few(lacking)}) nor exactly ours: "
                f"find out who made it, rename it, {_AGAIN}"
            )
        stray = self._stray_partitions(target)
        if stray:
            return (
                f"{self.new} has no partition, but {names.few(stray)} stand beside it: attach them, {_AGAIN}"
            )
        return ""

    def _columns(self, parent: Relation) -> dict[str, str]:
        return self.catalog.columns.get(parent.oid, {})

    def _lacking_legacy_columns(self, parent: Relation) -> list[str]:
        present = self._columns(parent)
        return [
            name
            for name in names.LEGACY_COLUMNS[self.family]
            if name not in present and names.LEGACY_PREFIX + name not in present
        ]

    def _is_only_ours(self, parent: Relation) -> bool:
        """We made every column but the key."""
        owned = self.catalog.owned.get(parent.oid, frozenset())
        return bool(owned) and set(self._columns(parent)) - {"ts_utc"} == owned

    def _is_ours(self, target: Relation) -> bool:
        """We made every column of the catalogue that it has; whoever added others did it for himself."""
        owned = self.catalog.owned.get(target.oid, frozenset())
        legacy = set(names.LEGACY_COLUMNS[self.family]) - set(self.wanted)
        keeps_legacy = any(
            name in legacy or name.startswith(names.LEGACY_PREFIX) for name in self._columns(target)
        )
        return (
            bool(owned) and not keeps_legacy and set(self.wanted).intersection(self._columns(target)) <= owned
        )

    def _was_renamed(self, target: Relation) -> bool:
        """The journal knows this very table: it is the legacy one whatever its columns are."""
        former = (names.old_parent(self.family, self.pair), names.rate_parent(self.family, self.pair))
        return any(self.catalog.journal.get((target.oid, "table", name)) == "renamed" for name in former)

    def _stray_partitions(self, target: Relation) -> list[str]:
        """Months that stand beside a parent without any: its columns alone do not prove that it is done."""
        if sum(1 for _ in self.catalog.tree(target)) > 1:
            return []
        strays = (
            relation.name
            for relation in self.catalog.relations.values()
            if relation.kind in TABLES and not relation.parent
        )
        return [name for name in strays if self._is_month(names.match_old(name) or names.match_new(name))]

    def _is_month(self, match: names.Match | None) -> bool:
        return match is not None and match[:2] == (self.family, self.pair) and bool(match.suffix)

    def _why_missing(self) -> str:
        if self.old in self.catalog.relations:
            return f"{self.old} is no partitioned table"
        alias = names.rate_parent(self.family, self.pair)
        if self.catalog.parent(alias) is not None:
            return f"{alias} is there: allow accept_rate_names to take it for the legacy table"
        return ""
