"""What a base holds besides the plan and should not: duplicates, orphans, strangers in our numbers.

Everything here is reported and never changed. Records of other people's numbers are none of our business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from include.plan import encode
from include.plan.differences import PARENTS, Gap, astray, number_of
from include.plan.live import Record, Table
from include.plan.model import Plan

_NOT_OURS = "not in the plan: reported, never changed"
_HOME, _STAGES = PARENTS["Tasks"]


def others(plan: Plan, tables: Mapping[str, Table], compared: Collection[str]) -> Iterator[Gap]:
    """Gaps that no wanted record is to blame for.

    Args:
        plan: what is wanted.
        tables: the live tables, by name.
        compared: ids of the wanted records whose parents were looked at already.
    """
    wanted = {(item.table, item.key) for item in plan.items}
    table_of = {record.id: table.name for table in tables.values() for record in table.records}
    homes = _Homes(plan, tables)
    for table in tables.values():
        for key, records in table.by_key().items():
            ours = (table.name, key) in wanted
            if len(records) > 1 and key.strip() and not ours:
                ids = tuple(record.id for record in records)
                yield Gap("duplicate", table.name, key, ids, note=_NOT_OURS)
            for record in records:
                if record.id not in compared:
                    yield from _orphan(table, record, table_of)
                if not ours:
                    yield from _extra(table, record, homes)


class _Homes:
    """Which stage of ours a task belongs to that the plan does not know."""

    def __init__(self, plan: Plan, tables: Mapping[str, Table]) -> None:
        stages = {key for item in plan.items for table, key in item.links.values() if item.table == "Tasks"}
        stages &= {item.key for item in plan.items if item.table == _STAGES}
        records = tables[_STAGES].records if _STAGES in tables else ()
        keys = {record.id: tables[_STAGES].key(record) for record in records}
        self.of_number = {number_of(_STAGES, key): key for key in stages}
        self.of_record = {one: key for one, key in keys.items() if key in stages}
        self.elsewhere = {  # other meanings of our numbers: their tasks are theirs
            one
            for one, key in keys.items()
            if key not in stages and number_of(_STAGES, key) in self.of_number
        }

    def of(self, table: Table, record: Record) -> str:
        linked = encode.linked(record.fields.get(_HOME))
        for one in linked:
            if one in self.of_record:
                return self.of_record[one]
        if self.elsewhere.intersection(linked):
            return ""
        return self.of_number.get(number_of("Tasks", table.key(record)).rpartition(".")[0], "")


def _orphan(table: Table, record: Record, table_of: Mapping[str, str]) -> Iterator[Gap]:
    name, target = PARENTS.get(table.name, ("", ""))
    if name not in table.fields:
        return
    found = encode.linked(record.fields.get(name))
    if why := astray(found, target, table_of):
        yield Gap("orphan", table.name, table.key(record), (record.id,), name, found, None, why)


def _extra(table: Table, record: Record, homes: _Homes) -> Iterator[Gap]:
    key = table.key(record)
    if not key.strip():
        yield Gap("extra", table.name, key, (record.id,), note="its key is empty")
    elif table.name == "Tasks" and (stage := homes.of(table, record)):
        yield Gap("extra", table.name, key, (record.id,), note=f"the plan has no such task of '{stage}'")
