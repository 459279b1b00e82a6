"""What a person should know before approving, beyond the batches: strays, oddities, what depends on what."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from include.migration import names
from include.migration.access import Access, door
from include.migration.model import AT_WORK, Batch, Note
from include.migration.snapshot import TABLES, VIEWS, Relation, Snapshot
from include.names import LEGACY, SCHEMA, Month
from include.pairs import PAIRS

OLD_NAME = "old name"  # kind of the notes that only matter where compatibility views are made

_FOLLOWS = {
    "view": "reads {tables}: follows by itself and stays usable",
    "materialized view": "reads {tables}: follows by itself, can be refreshed as before",
    "foreign key": "refers to {tables}: follows by itself",
    "trigger": "fires on {tables}: follows by itself; see that its function names no legacy table",
    "publication": "publishes {tables}: follows by itself, but a subscriber looks for the new name",
}


_MEETS = {
    "publication": "publishes {detail}: a subscriber looks for the new names, and builds replace partitions",
    "event trigger": "calls {detail}: it meets every rename, see that it lets them pass",
}


def about(
    catalog: Snapshot, batches: Sequence[Batch], pairs: Sequence[str], *, accept_rate_names: bool = False
) -> tuple[Note, ...]:
    """Every note on a snapshot, in the order in which a person should read them."""
    trees = _trees(catalog, batches)
    found = [
        *_functions(catalog),
        *_registers(catalog),
        *_surroundings(catalog, batches),
        *_relations(catalog, trees, pairs, accept_rate_names),
        *_partitions(trees, accept_rate_names),
        *_missing_months(trees),
        *_unfit(catalog, batches),
        *_dependents(catalog, batches, trees),
        *_old_names(catalog, batches),
        *_other_schemas(catalog),
    ]
    return tuple(found)


Trees = dict[tuple[str, str], list[Relation]]  # family and pair to the parent and all that is attached


def _trees(catalog: Snapshot, batches: Sequence[Batch]) -> Trees:
    trees: Trees = {}
    for batch in batches:
        for name in dict.fromkeys((batch.old, batch.new)):
            parent = catalog.parent(name)
            if parent is not None:
                trees.setdefault((batch.family, batch.pair), []).extend(catalog.tree(parent))
    return trees


def _functions(catalog: Snapshot) -> Iterator[Note]:
    for name, names_partition in catalog.functions:
        text = (
            "its text names a single partition by its legacy name: it fails when called after the migration, "
            "with compatibility views too. Change it first"
            if names_partition
            else "its text names a legacy table: it fails when called after the migration. Change it first, "
            "or keep the old names as compatibility views"
        )
        yield Note("function", name, text)


def _registers(catalog: Snapshot) -> Iterator[Note]:
    """What extensions know by a name as text does not follow a rename."""
    found: dict[str, list[str]] = defaultdict(list)
    for register, entry in catalog.registers:
        found[register].append(entry)
    for register, entries in found.items():
        if entries == [""]:
            text = f"names tables by text and cannot be read by {catalog.role}: look for legacy names in it"
        else:
            text = (
                f"names legacy tables by text, which does not follow: {names.few(entries)}. Change these "
                "entries to the new names right after the run, and back after a revert"
            )
        yield Note("register", register, text)


def _surroundings(catalog: Snapshot, batches: Sequence[Batch]) -> Iterator[Note]:
    if any(batch.state in AT_WORK for batch in batches):
        for kind, name, detail in catalog.surroundings:
            yield Note(kind, name, _MEETS[kind].format(detail=detail))


def _relations(
    catalog: Snapshot, trees: Trees, pairs: Sequence[str], accept_rate_names: bool
) -> Iterator[Note]:
    attached = {relation.oid for tree in trees.values() for relation in tree}
    for name, relation in sorted(catalog.relations.items()):
        if relation.kind in TABLES + VIEWS and relation.oid not in attached:
            note = _relation(relation, pairs, accept_rate_names)
            if note is not None:
                yield Note(note[0], f"{SCHEMA}.{name}", note[1])


def _relation(relation: Relation, pairs: Sequence[str], accept_rate_names: bool) -> tuple[str, str] | None:
    old = names.match_old(relation.name, pairs)
    match = old or names.match_new(relation.name, pairs)
    if relation.kind in VIEWS:
        return _view(relation) if old else None
    if match is not None and match.suffix:
        where = "attached to another parent" if relation.parent else "attached to no parent"
        return "orphan", f"{where}: stays as it is. Attach it to its own parent first if its rows count"
    if old is not None:
        return "kind", "is no partitioned table: not a legacy table of this kind, stays as it is"
    rate = names.match_rate(relation.name, pairs)
    if rate is not None and not rate.suffix and not accept_rate_names:
        return (
            "rate name",
            "left by an older migration: stays as it is. Allow accept_rate_names to migrate it",
        )
    return _unknown_pair(relation)


def _view(relation: Relation) -> tuple[str, str]:
    if relation.comment.startswith(names.COMPATIBILITY_COMMENT):
        return "compatibility view", "made by an earlier run under the old name: stays"
    return "kind", "a view with a legacy name is no legacy table: stays as it is"


def _unknown_pair(relation: Relation) -> tuple[str, str] | None:
    found = re.fullmatch(rf"(?:{'|'.join(LEGACY.values())})_([a-z]{{6}})", relation.name)
    if found is None or found[1] in PAIRS:
        return None
    return "no target", f"{found[1]} is none of the {len(PAIRS)} pairs: stays as it is"


def _partitions(trees: Trees, accept_rate_names: bool) -> Iterator[Note]:
    """Attached partitions that are not called, or not bounded, like one."""
    for (family, pair), tree in trees.items():
        for child in tree:
            if child.bound == "DEFAULT":
                text = "has to stay empty: builds cannot attach a month whose rows are in it"
                yield Note("default partition", f"{SCHEMA}.{child.name}", text)
            if child.parent and family in LEGACY:
                note = _partition(child, family, pair, accept_rate_names)
                if note is not None:
                    yield Note(note[0], f"{SCHEMA}.{child.name}", note[1])


def _partition(child: Relation, family: str, pair: str, accept_rate_names: bool) -> tuple[str, str] | None:
    known = [names.new_parent(family, pair), *names.spellings(family, pair, rate_names=accept_rate_names)]
    if not child.name.startswith(tuple(f"{name}_" for name in known)):
        return "odd name", f"a partition of {family} of {pair} under another name: keeps it"
    match = names.match_old(child.name) or names.match_new(child.name) or names.match_rate(child.name)
    month = _first_month(child)
    if match is not None and month not in ("", match.month):
        return "odd month", f"its rows begin with {month}: its name says otherwise, only the prefix changes"
    return None


def _first_month(child: Relation) -> str:
    found = re.match(r"FOR VALUES FROM \('(\d{4}-\d{2})-", child.bound)
    return found[1] if found else ""


def _missing_months(trees: Trees) -> Iterator[Note]:
    """Gaps in a family's months, and months that all other families of the pair have."""
    months: dict[str, dict[str, set[str]]] = defaultdict(dict)
    for (family, pair), tree in trees.items():
        if family in LEGACY:
            months[pair][family] = {month for child in tree if (month := _first_month(child))}
    for pair, families in months.items():
        for family, own in families.items():
            others = [those for other, those in families.items() if other != family and those]
            common = set.intersection(*others) if len(others) > 1 else set()
            lost = sorted((common | _span(own)) - own) if own else []
            if lost:
                months_text = ", ".join(lost[:6]) + " ..." * (len(lost) > 6)
                text = f"has no partition for {months_text}: nothing to rename there"
                yield Note("missing months", f"{SCHEMA}.{trees[family, pair][0].name}", text)


def _unfit(catalog: Snapshot, batches: Sequence[Batch]) -> Iterator[Note]:
    """Tables that were renamed before, or are ours, with which builds cannot work."""
    for batch in batches:
        if batch.state in ("done", "ours") and (reasons := catalog.unfit.get(batch.new)):
            yield Note("unfit", f"{SCHEMA}.{batch.new}", f"builds cannot work with it: {'; '.join(reasons)}")


def _span(months: set[str]) -> set[str]:
    """Every month from the first to the last."""
    span: set[str] = set()
    if months:
        month, last = Month.parse(min(months)), Month.parse(max(months))
        while month <= last:
            span.add(str(month))
            month = month.next
    return span


def _dependents(catalog: Snapshot, batches: Sequence[Batch], trees: Trees) -> Iterator[Note]:
    roots = {
        relation.oid: batch.old
        for batch in batches
        if batch.state in AT_WORK
        for relation in trees.get((batch.family, batch.pair), [])
    }
    used: dict[tuple[str, str], list[str]] = defaultdict(list)
    for dependent in catalog.dependents:
        if dependent.on in roots and roots[dependent.on] not in used[dependent.kind, dependent.name]:
            used[dependent.kind, dependent.name].append(roots[dependent.on])
    for (kind, name), tables in sorted((key, tables) for key, tables in used.items() if tables):
        listed = ", ".join(tables[:3]) + f" and {len(tables) - 3} more" * (len(tables) > 3)
        yield Note("dependent", name, f"{kind}, {_FOLLOWS[kind].format(tables=listed)}")


def _old_names(catalog: Snapshot, batches: Sequence[Batch]) -> Iterator[Note]:
    """What a compatibility view cannot do that its table could, and whom that concerns."""
    concerned: dict[str, list[str]] = defaultdict(list)
    for batch in batches:
        parent = catalog.parent(batch.old)
        if batch.state in AT_WORK and batch.old != batch.new and parent is not None:
            access = catalog.access.get(parent.oid)
            if access is not None:
                concerned[_about_view(access, catalog)].append(f"{SCHEMA}.{batch.old}")
    for text, tables in concerned.items():
        yield Note(OLD_NAME, names.few(tables), text)


def _about_view(access: Access, catalog: Snapshot) -> str:
    found = door(access, catalog.version, catalog.role)
    if not found.view:
        return (
            f"no view is made under the old name, for it would not answer as the table does: {found.reason}"
        )
    owner = [access.owner]
    lacks = {
        "TRUNCATE": owner + list(access.may_truncate),
        "COPY ... FROM": owner + access.roles("INSERT"),
        "system columns such as ctid or tableoid": owner + access.roles("SELECT"),
    }
    listed = ", ".join(f"{what} ({', '.join(dict.fromkeys(roles))})" for what, roles in lacks.items())
    text = (
        f"a view under the old name answers, except for {listed}: these need the new name. Partitions get no "
        "views: nothing answers under the old name of a single month"
    )
    if found.refused:
        text += (
            f". It refuses {', '.join(found.refused)}, with rights on single columns of a table with row "
            "security: they need the new name"
        )
    return text


def _other_schemas(catalog: Snapshot) -> Iterator[Note]:
    found: dict[str, list[str]] = defaultdict(list)
    for schema, name in catalog.homonyms:
        found[schema].append(name)
    for schema, tables in found.items():
        text = f"{len(tables)} tables or views with legacy names ({tables[0]} ...): another schema, untouched"
        yield Note("other schema", schema, text)
