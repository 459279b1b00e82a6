"""Small plans, bases that fulfil them, and what a base does with changes; without any network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, cast

from include.plan import blocks, encode
from include.plan.entries import Desired
from include.plan.live import TABLES, Change, Field, Record, Snapshot, Table
from include.plan.model import Decision, Item, Plan

PLAN = "MP-X-001: Plan"
STATUS = ("Todo", "In Progress", "Done")


def text(*names: str, long: bool = False) -> list[Field]:
    return [Field(name, "multilineText" if long else "singleLineText") for name in names]


def links(name: str, to: str) -> Field:
    return Field(name, "multipleRecordLinks", links_to=to)


SCHEMA: dict[str, list[Field]] = {
    "Plans": [*text("Plan ID"), *text("Description", long=True)],
    "Phases": [*text("Phase ID", "Duration"), *text("Description", long=True), links("Plan (Link)", "Plans")],
    "Stages": [
        *text("Stage ID", "Stage Code", "Duration", "Phase (Link)"),
        *text("Description", "Notes", long=True),
        Field("Estimated Cost", "number"),
        Field("Status", "singleSelect", STATUS),
        links("Plan (Link)", "Plans"),
    ],
    "Tasks": [
        *text("Task ID", "Task Name"),
        *text("Description", long=True),
        Field("Estimated Hours", "number"),
        Field("Status", "singleSelect", STATUS),
        Field("Priority", "singleSelect", ("High", "Low")),
        links("Stage (Link)", "Stages"),
    ],
}


def of(items: Iterable[Item], decisions: Mapping[tuple[str, str], Decision] | None = None) -> Plan:
    """A plan of these items; nothing stands behind them."""
    return Plan(tuple(items), decisions or {}, cast(Desired, None))


def phase(number: int) -> Item:
    key = f"Phase {number}: Part {number}"
    block = {"Description": f"What part {number} is for"}
    return Item(
        "Phases",
        key,
        str(number),
        f"Part {number}",
        False,
        {"Duration": "9 hours"},
        block,
        {"Plan (Link)": ("Plans", PLAN)},
    )


def stage(number: str, title: str = "Build", *, new: bool = True, parent: Item | None = None) -> Item:
    parent = parent or phase(int(number.split(".")[0]))
    return Item(
        "Stages",
        f"{number} - {title}",
        number,
        title,
        new,
        {"Stage Code": f"X-{number}", "Duration": "8 hours", "Estimated Cost": 5},
        {"Description": f"Stage {number}\nfeatures 15"},
        {"Phase (Link)": (parent.table, parent.key), "Plan (Link)": ("Plans", PLAN)},
        {"Status": "Todo"},
    )


def task(parent: Item, number: int) -> Item:
    name = f"Step {number} of {parent.number}"
    return Item(
        "Tasks",
        f"TSK-{parent.number}.{number}",
        f"{parent.number}.{number}",
        name,
        True,
        {"Task Name": name, "Estimated Hours": 0.25 * number, "Priority": "High"},
        {"Description": f"Do step {number}"},
        {"Stage (Link)": (parent.table, parent.key)},
        {"Status": "Todo"},
    )


def plan(
    stages: int = 6,
    tasks: int = 3,
    phases: int = 3,
    decisions: Mapping[tuple[str, str], Decision] | None = None,
) -> Plan:
    """A plan of new stages 1.1, 2.2, 3.3, 1.4 ... with new tasks, in phases that have to be there."""
    parents = [phase(number + 1) for number in range(phases)]
    made = [stage(f"{n % phases + 1}.{n + 1}", f"Build {n}") for n in range(stages)]
    jobs = [task(one, n + 1) for one in made for n in range(tasks)]
    top = Item("Plans", PLAN, "", "Plan", False, {}, {"Description": "All of it"})
    return of((top, *parents, *made, *jobs), decisions)


def empty() -> Snapshot:
    """A base with the tables and nothing in them."""
    return Snapshot(
        {name: Table(name, fields[0].name, {f.name: f for f in fields}) for name, fields in SCHEMA.items()}
    )


def add(snapshot: Snapshot, table: str, fields: Mapping[str, Any], record_id: str = "") -> Snapshot:
    """The base with one record more."""
    old = snapshot.tables[table]
    made = record_id or f"rec{table[:2]}{len(old.records):04d}"
    record = Record(made, table, {name: value for name, value in fields.items() if value not in ("", None)})
    return Snapshot({**snapshot.tables, table: replace(old, records=(*old.records, record))})


def edit(snapshot: Snapshot, table: str, record_id: str, fields: Mapping[str, Any]) -> Snapshot:
    """The base with some fields of one record changed; None empties a field."""
    old = snapshot.tables[table]
    assert any(record.id == record_id for record in old.records)

    def changed(record: Record) -> Record:
        if record.id != record_id:
            return record
        values = {**record.fields, **fields}
        return replace(record, fields={name: value for name, value in values.items() if value is not None})

    return Snapshot({**snapshot.tables, table: replace(old, records=tuple(map(changed, old.records)))})


def remove(snapshot: Snapshot, table: str, key: str) -> Snapshot:
    """The base without the records of a key."""
    old = snapshot.tables[table]
    return Snapshot(
        {**snapshot.tables, table: replace(old, records=tuple(r for r in old.records if old.key(r) != key))}
    )


def record(snapshot: Snapshot, table: str, key: str) -> Record:
    """The only record of a key."""
    (found,) = snapshot.tables[table].by_key()[key]
    return found


def apply(snapshot: Snapshot, changes: Iterable[Change]) -> Snapshot:
    """What a base looks like after changes were written one after the other."""
    serial = count(1)
    for change in changes:
        table = snapshot.tables[change.table]
        values = dict(change.fields)
        for name, target in change.links.items():
            values[name] = encode.link(record(snapshot, *target).id, table.fields[name])
        held: Mapping[str, Any] = {}
        if change.record_id is not None:
            (held,) = [one.fields for one in table.records if one.id == change.record_id]
        for name, (block, content) in change.blocks.items():
            values[name] = blocks.put(str(values.get(name) or held.get(name) or ""), block, content)
        assert set(values) <= set(table.fields)
        if change.action == "create":
            assert change.record_id is None
            snapshot = add(snapshot, change.table, values, f"recNew{change.table[:2]}{next(serial):05d}")
        else:
            assert change.record_id is not None
            snapshot = edit(snapshot, change.table, change.record_id, values)
    return snapshot


def fulfilled(wanted: Plan) -> Snapshot:
    """A base that holds exactly a plan, with a sentence of people around every block."""
    changes = []
    for item in sorted(wanted.items, key=lambda item: TABLES.index(item.table)):
        fields: dict[str, Any] = {SCHEMA[item.table][0].name: item.key, **item.fields, **item.once}
        for name, content in item.blocks.items():
            fields[name] = f"People wrote this.\n\n{blocks.put('', blocks.PLAN, content)}\nAnd this."
        changes.append(Change("create", item.table, item.key, None, fields, item.links))
    return apply(empty(), changes)
