"""What is different between the plan and the base, and what to write so that it is not. Pure, no I/O.

Matching: the exact text of the primary field, nothing else. A number says only who collides with whom.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from include.plan import blocks, encode
from include.plan.differences import KINDS, PARENTS, Analysis, Gap, Kind, astray, number_of
from include.plan.live import TABLES, Block, Change, Record, Snapshot
from include.plan.model import Item, Plan
from include.plan.others import others

__all__ = ["KINDS", "Analysis", "Gap", "Kind", "analyse", "number_of", "other_meaning"]

Address = tuple[str, str]  # (table, key)


def analyse(plan: Plan, snapshot: Snapshot) -> Analysis:
    """Compare the plan with a base.

    Raises:
        PlanRefused: the base lacks a table, field or option that the plan needs.
    """
    encode.check(plan, snapshot)
    comparison = _Comparison(plan, snapshot)
    for item in sorted(plan.items, key=lambda item: TABLES.index(item.table)):
        comparison.item(item)
    gaps = [*comparison.gaps, *others(plan, comparison.tables, comparison.compared)]
    gaps.sort(key=lambda gap: TABLES.index(gap.table))
    return Analysis(tuple(gaps), (*comparison.creates, *comparison.updates))


class _Comparison:
    """One pass over the wanted records, parents before children."""

    def __init__(self, plan: Plan, snapshot: Snapshot) -> None:
        self.plan = plan
        self.tables = {name: snapshot.tables[name] for name in TABLES if name in snapshot.tables}
        self.by_key = {name: table.by_key() for name, table in self.tables.items()}
        self.table_of = {record.id: record.table for record in snapshot.records()}
        self.rivals = self._rivals()
        self.settled: dict[Address, str | None] = {}  # id of the record; None: it will be created
        self.compared: set[str] = set()
        self.gaps: list[Gap] = []
        self.creates: list[Change] = []
        self.updates: list[Change] = []

    def item(self, item: Item) -> None:
        """Find the record of an item, and what is to be done with it."""
        matches = self.by_key[item.table].get(item.key, ())
        rivals = self.rivals.get((item.table, number_of(item.table, item.key)), [])
        for rival in rivals:
            self._collision(item, rival, present=bool(matches))
        if len(matches) > 1:
            decision = self._decision(item.table, item.key)
            note = decision or f"left alone: which of the {len(matches)} is meant? Rename or merge the others"
            ids = tuple(record.id for record in matches)
            self.gaps.append(Gap("duplicate", item.table, item.key, ids, note=note, blocking=not decision))
        elif matches:
            self._present(item, matches[0])
        else:
            self._absent(item, taken=bool(rivals))

    def _rivals(self) -> dict[Address, list[Record]]:
        """Records that the plan does not want, by their number."""
        wanted = {(item.table, item.key) for item in self.plan.items}
        found: dict[Address, list[Record]] = defaultdict(list)
        for name, table in self.tables.items():
            for record in table.records:
                key = table.key(record)
                if (name, key) not in wanted and (number := number_of(name, key)):
                    found[name, number].append(record)
        return found

    def _collision(self, item: Item, rival: Record, *, present: bool) -> None:
        key = self.tables[item.table].key(rival)
        if present:
            decision = self._decision(item.table, key)
            note = decision or "never touched: the wanted record has its exact key"
        else:
            decision = self._decision(item.table, key) or self._decision(
                item.table, item.key, "create", "ignore"
            )
            note = decision or f"'{item.key}' is not created beside it without a decision"
        blocking = not present and not decision
        self.gaps.append(Gap("collision", item.table, key, (rival.id,), None, key, item.key, note, blocking))

    def _absent(self, item: Item, *, taken: bool) -> None:
        create = self._decision(item.table, item.key, "create")
        ignore = self._decision(item.table, item.key)
        homeless = [key for table, key in item.links.values() if (table, key) not in self.settled]
        renamed = not item.new and not create
        if ignore:
            note = ignore
        elif taken and not create:
            note = "not created: its number is taken"
        elif homeless:
            note = f"not created: '{homeless[0]}' is not settled"
        else:
            note = "not created: it has to be there already. Was it renamed?" if renamed else ""
        self.gaps.append(
            Gap("missing", item.table, item.key, note=note or create, blocking=renamed and not ignore)
        )
        if not note:
            self.settled[item.table, item.key] = None
            self.creates.append(self._creation(item))

    def _creation(self, item: Item) -> Change:
        table = self.tables[item.table]
        plain = {**item.once, **item.fields}
        fields: dict[str, Any] = {table.primary: item.key}
        fields |= {name: encode.encode(value, table.fields[name]) for name, value in plain.items()}
        managed = {name: Block(blocks.PLAN, text) for name, text in item.blocks.items()}
        return Change(
            "create", item.table, item.key, None, fields, dict(item.links), managed, tuple(item.once)
        )

    def _present(self, item: Item, record: Record) -> None:
        decision = self._decision(item.table, item.key)
        if other := other_meaning(item, record):
            note = decision or "left alone: its Task ID is used for something else"
            ids = (record.id,)
            self.gaps.append(
                Gap(
                    "collision", item.table, item.key, ids, "Task Name", other, item.title, note, not decision
                )
            )
            return
        self.settled[item.table, item.key] = record.id
        self.compared.add(record.id)
        found = [*self._fields(item, record), *self._blocks(item, record), *self._links(item, record)]
        if decision:
            self.gaps += [replace(gap, note=decision, blocking=False) for gap, _ in found]
            return
        self.gaps += [gap for gap, _ in found]
        values = {gap.field: value for gap, value in found if gap.field and value is not None}
        if values:
            links = {name: target for name, target in item.links.items() if name in values}
            managed = {name: value for name, value in values.items() if isinstance(value, Block)}
            fields = {name: value for name, value in values.items() if name not in {*links, *managed}}
            self.updates.append(Change("update", item.table, item.key, record.id, fields, links, managed))

    def _fields(self, item: Item, record: Record) -> Iterator[tuple[Gap, Any]]:
        for name, value in item.fields.items():
            wanted = encode.encode(value, self.tables[item.table].fields[name])
            found = record.fields.get(name)
            if not encode.same(found, wanted):
                yield Gap("outdated", item.table, item.key, (record.id,), name, found, wanted), wanted

    def _blocks(self, item: Item, record: Record) -> Iterator[tuple[Gap, Block | None]]:
        for name, wanted in item.blocks.items():
            gap = Gap("outdated", item.table, item.key, (record.id,), name, wanted=wanted)
            try:
                found = blocks.read_of(record.fields, name, blocks.PLAN)
            except blocks.Damaged as damage:
                yield replace(gap, note=f"left alone: {damage}", blocking=True), None
                continue
            if found != blocks.plain(wanted):
                yield replace(gap, found=found), Block(blocks.PLAN, wanted)

    def _links(self, item: Item, record: Record) -> Iterator[tuple[Gap, Address | None]]:
        for name, target in item.links.items():
            found = encode.linked(record.fields.get(name))
            parent = PARENTS.get(item.table, ("", ""))[0] == name
            kind: Kind = "orphan" if parent and astray(found, target[0], self.table_of) else "outdated"
            gap = Gap(kind, item.table, item.key, (record.id,), name, found, target[1])
            if target not in self.settled:
                candidates = {one.id for one in self.by_key[target[0]].get(target[1], ())}
                if len(found) != 1 or found[0] not in candidates:
                    yield replace(gap, note=f"left alone: '{target[1]}' is not settled"), None
            elif found != (self.settled[target],):
                yield gap, target

    def _decision(self, table: str, key: str, *actions: str) -> str:
        """What someone decided about a record, empty where nobody did."""
        decision = self.plan.decisions.get((table, key))
        if decision is None or decision.action not in (actions or ("ignore",)):
            return ""
        return f"{decision.action}, as decided: {decision.reason}"


def other_meaning(item: Item, record: Record) -> str:
    """The Task Name of a record that uses our Task ID for something else.

    A record that carries a managed block is ours, whatever it is called by now.
    """
    found = str(record.fields.get("Task Name") or "").strip() if item.table == "Tasks" else ""
    if not found or found.casefold() == item.title.strip().casefold():
        return ""
    try:
        ours = any(blocks.read_of(record.fields, name, blocks.PLAN) for name in item.blocks)
    except blocks.Damaged:
        ours = True
    return "" if ours else found
