"""Bringing the plan up to date with what really happened; the DAG does it every few minutes.

What is written follows from the tables, from Airflow and from the events, never from the last sync: so a
sync that was killed, or kept out by Airtable, is made good by the next one, and nothing is written twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from include.errors import PlanFailed
from include.events import outbox
from include.objects import ObjectStore
from include.pairs import PAIRS
from include.plan import blocks, model, status
from include.plan.apply import Writable, apply
from include.plan.evidence import gather
from include.plan.gaps import other_meaning
from include.plan.live import LONG_TEXT, Block, Change, Record, Snapshot, Table
from include.plan.model import Item, Plan
from include.plan.runs import AirflowStates, works
from include.reports import Reports
from include.storage.connection import connect

TABLES = ("Phases", "Stages", "Tasks")
STATUS = "Status"
JUDGED = ("Tasks", "Stages")  # tables whose status follows from evidence; of phases only a text does
TEXT_FIELD = {"Phases": "Description", "Stages": "Notes", "Tasks": "Description"}
_NAMED = 10  # records that a summary names


class Base(Writable, Protocol):
    """What is needed of a base."""

    def snapshot(self, tables: Sequence[str]) -> Snapshot:
        """The schema and all records of some tables."""
        ...


@dataclass
class Comparison:
    """What is to be written, and what was left alone and why."""

    changes: list[Change] = field(default_factory=list)
    left_alone: list[str] = field(default_factory=list)


def sync(
    url: str,
    base: Base,
    airflow_states: AirflowStates,
    reports: Reports,
    *,
    plan: Plan | None = None,
    pairs: Sequence[str] = PAIRS,
    bucket: ObjectStore | None = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Look at what is true, compare with Airtable, write what differs, and note which events it knows.

    Args:
        url: libpq connection string.
        base: the Airtable base.
        airflow_states: the newest runs of each DAG, see `include.plan.runs.AirflowRun`.
        reports: where all reports lie.
        plan: the desired plan; None reads it from its files.
        pairs: the pairs that have to be there.
        bucket: the whole bucket, where models are; None if there is none.
        now: the time that texts name.

    Returns:
        Plain values: drained (events), changed (records), left_alone (records and why), summary.

    Raises:
        AirtableUnavailable: Airtable does not answer; the events stay, the next sync catches up.
        PlanRefused: no access, or a status has no option in the base.
        PlanFailed: some records could not be written; the others were. The events stay.
    """
    plan = model.load() if plan is None else plan
    with connect(url) as connection:
        outbox.ensure_table(connection)
        waiting, events = outbox.waiting(connection), outbox.recent(connection)
    evidences = [item.evidence for item in plan.items if item.evidence is not None]
    proofs = gather(url, evidences, pairs, reports=reports, bucket=bucket)
    done = works(events, airflow_states, dict.fromkeys(map(status.task_of, evidences)))
    snapshot = base.snapshot(TABLES)
    standings = status.standings(plan.items, proofs, done, _by_hand(snapshot))
    found = compare(plan, standings, snapshot, now or datetime.now(UTC))
    applied = apply(base, found.changes, snapshot)
    if applied.failed:  # the plan does not know the events yet: they stay as they are
        told = "; ".join(
            f"{change.table} {change.key}: {reason}" for change, reason in applied.failed[:_NAMED]
        )
        raise PlanFailed(f"{len(applied.failed)} records of the plan could not be written. {told}")
    with connect(url) as connection:
        drained = outbox.mark_drained(connection, waiting)
        outbox.forget(connection)
    return {
        "drained": drained,
        "changed": len(applied.updated),
        "left_alone": found.left_alone,
        "summary": "\n".join([summary(drained, applied.updated, found.left_alone), *tally(standings)]),
    }


def dags(plan: Plan | None = None) -> list[str]:
    """Ids of the DAGs that do the work of the plan."""
    items = (model.load() if plan is None else plan).items
    return list(dict.fromkeys(item.evidence.dag for item in items if item.evidence and item.evidence.dag))


def compare(
    plan: Plan, standings: Sequence[status.Standing], snapshot: Snapshot, now: datetime
) -> Comparison:
    """What of the base is not as it stands. Records that are not clear are left alone and named.

    Args:
        plan: the desired plan.
        standings: where each task and stage stands.
        snapshot: the base.
        now: the time that new texts name.

    Raises:
        PlanRefused: a status has no option in the base.
    """
    found = Comparison()
    items = {(item.table, item.key): item for item in plan.items}
    by_key = {name: table.by_key() for name, table in snapshot.tables.items()}
    for standing in standings:
        address = (standing.table, standing.key)
        decision = plan.decisions.get(address)
        if decision is not None and decision.action == "ignore":
            continue
        table = snapshot.tables[standing.table]
        records = by_key[standing.table].get(standing.key, ())
        try:
            record = _only(records, items[address])
        except _Unclear as problem:
            found.left_alone.append(f"{standing.table} {standing.key}: {problem}")
            continue
        if record:
            _compare(standing, record, table, now, found)
    return found


def _compare(
    standing: status.Standing, record: Record, table: Table, now: datetime, found: Comparison
) -> None:
    """What of one record is not as it stands. A damaged text is left alone, its status is not."""
    fields, managed = _status(standing, record, table), {}
    try:
        managed = _text(standing, record, table, now)
    except blocks.Damaged as damage:
        name = TEXT_FIELD[table.name]
        found.left_alone.append(f"{standing.table} {standing.key}: {name}: {damage}")
    if fields or managed:
        found.changes.append(
            Change("update", standing.table, standing.key, record.id, fields, blocks=managed)
        )


def summary(drained: int, updated: Sequence[Change], left_alone: Sequence[str]) -> str:
    """A few plain lines."""
    lines = [f"{drained} events taken, {len(updated)} records of the plan changed."]
    lines += [f"{change.key}: {change.fields.get(STATUS, 'new figures')}" for change in updated[:_NAMED]]
    if len(updated) > _NAMED:
        lines.append(f"and {len(updated) - _NAMED} more")
    return "\n".join([*lines, *(f"Left alone: {text}" for text in left_alone)])


def tally(standings: Sequence[status.Standing]) -> list[str]:
    """How many tasks and stages stand where, one line per table."""
    lines = []
    for table in JUDGED:
        counts = Counter(standing.status for standing in standings if standing.table == table)
        numbers = ", ".join(
            f"{counts[name]} {words}"
            for name, words in (
                (status.DONE, "done"),
                (status.IN_PROGRESS, "in progress"),
                (status.OPEN, "to do"),
            )
        )
        lines.append(f"{table} of the plan that are judged by evidence: {numbers}")
    return lines


class _Unclear(Exception):
    """Nobody can say which record is meant."""


def _only(records: Sequence[Record], item: Item) -> Record | None:
    """The record of an item; None while the plan has not been applied."""
    if not records:
        return None
    if len(records) > 1:
        ids = ", ".join(record.id for record in records)
        raise _Unclear(f"its key is there {len(records)} times ({ids}); keep one")
    if other := other_meaning(item, records[0]):
        raise _Unclear(f"the record is about something else, {other!r}; see the report of bqx_plan")
    return records[0]


def _status(standing: status.Standing, record: Record, table: Table) -> dict[str, Any]:
    """The status, where it is not the one there. A phase is more than its models: people set its status."""
    if standing.table == "Phases":
        return {}
    live = record.fields.get(STATUS)
    if STATUS in table.fields and status.replaces(standing.status, live):
        return {STATUS: status.spelled(standing.status, table.name, table.fields[STATUS])}
    return {}


def _text(standing: status.Standing, record: Record, table: Table, now: datetime) -> dict[str, Block]:
    """The block with the facts, where they are not those there."""
    name = TEXT_FIELD[table.name]
    if name not in table.fields or table.fields[name].type not in LONG_TEXT:
        return {}
    known, wanted = blocks.read_of(record.fields, name, blocks.STATUS), blocks.plain(standing.text)
    told = known is not None or standing.status != status.OPEN
    if not told or (known is not None and status.without_time(known) == wanted):
        return {}
    return {name: Block(blocks.STATUS, status.with_time(wanted, now))}


def _by_hand(snapshot: Snapshot) -> Mapping[str, str]:
    tasks = snapshot.tables["Tasks"]
    return {tasks.key(record): str(record.fields.get(STATUS) or "") for record in tasks.records}
