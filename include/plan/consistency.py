"""Whether a base hangs together once the plan is carried out: check 8 of the plan's arithmetic.

It is made before anything is written, on the base as the changes would leave it, and on the real one after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from include.plan import blocks, encode
from include.plan.arithmetic import Check
from include.plan.differences import PARENTS, Analysis
from include.plan.gaps import analyse
from include.plan.live import Change, Record, Snapshot
from include.plan.model import Item, Plan

TWICE = "8 Keys of the plan that are there more than once"
_SHOWN = 5


def check(plan: Plan, snapshot: Snapshot) -> tuple[Check, ...]:
    """Links, keys and what a further run would write; records that are left alone do not count."""
    analysis = analyse(plan, snapshot)
    left = _left(plan, analysis)
    parents = [
        _parents(
            plan, snapshot, table, [i for i in plan.items if i.table == table and (table, i.key) not in left]
        )
        for table in PARENTS
    ]
    twice = [
        f"{item.key} ({len(found)} times)"
        for item in plan.items
        if len(found := snapshot.tables[item.table].by_key().get(item.key, ())) > 1
        and (item.table, item.key) not in plan.decisions
    ]
    writes = [f"{change.action} {change.key}" for change in analysis.changes]
    return (
        *parents,
        _none(TWICE, twice),
        _none("8 Changes that a further run would write", writes),
    )


def _left(plan: Plan, analysis: Analysis) -> set[tuple[str, str]]:
    """Wanted records that are not carried out on purpose: their links are none of our business.

    A gap with a note is one that is not closed. Only those count that leave the whole record alone, or its
    parent: a record whose text is damaged still has to be linked. Keys that nobody wants do no harm here.
    """
    ignored = {address for address, decision in plan.decisions.items() if decision.action == "ignore"}
    whole = ("missing", "duplicate", "collision")
    return ignored | {
        (gap.table, gap.key)
        for gap in analysis.gaps
        if gap.note and (gap.kind in whole or gap.field == PARENTS.get(gap.table, ("", ""))[0])
    }


def projected(snapshot: Snapshot, changes: Iterable[Change]) -> Snapshot:
    """The base as the changes would leave it; records to create get their place as id."""
    tables = dict(snapshot.tables)
    for number, change in enumerate(changes):
        table = tables[change.table]
        values = dict(change.fields)
        for name, (target, key) in change.links.items():
            found = tables[target].by_key().get(key, ())
            values[name] = encode.link(found[0].id if found else "", table.fields[name])
        if change.record_id is None:
            made = Record(f"new {number}", change.table, {})
            records = (*table.records, _written(made, values, change))
        else:
            records = tuple(
                _written(one, values, change) if one.id == change.record_id else one for one in table.records
            )
        tables[change.table] = replace(table, records=records)
    return Snapshot(tables)


def _written(record: Record, values: Mapping[str, Any], change: Change) -> Record:
    fields = {**record.fields, **values}
    return replace(record, fields=fields | blocks.put_all(fields, change.blocks))


def _parents(plan: Plan, snapshot: Snapshot, table: str, items: list[Item]) -> Check:
    name, target = PARENTS[table]
    wrong = list(_astray(snapshot, items, name))
    wanted = f"{len(items)} of {len(items)}"
    right = f"{len(items) - len(wrong)} of {len(items)}"
    what = f"8 {table} of the plan linked to exactly one of {target}"
    return Check(what, wanted, right, not wrong, _few(wrong) or "all of them")


def _astray(snapshot: Snapshot, items: list[Item], name: str) -> Iterator[str]:
    by_key = {table: live.by_key() for table, live in snapshot.tables.items()}
    for item in items:
        homes = {one.id for one in by_key[item.links[name][0]].get(item.links[name][1], ())}
        found = by_key[item.table].get(item.key, ())
        if (
            len(found) != 1
            or len(ids := encode.linked(found[0].fields.get(name))) != 1
            or ids[0] not in homes
        ):
            yield item.key


def _none(name: str, wrong: list[str]) -> Check:
    return Check(name, "0", f"{len(wrong)}", not wrong, _few(wrong) or "none")


def _few(texts: list[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more
