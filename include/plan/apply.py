"""Carrying out the changes of an analysis: in order, ten at a time, each batch read back and compared.

Before records are written they are read. What is there already is not written again, so the same changes
may be carried out twice; and what a person changed since the analysis is left alone and told.

Of a long text only the block of the change is ours: it is put into the text that is there when its turn has
come. What people, or the other DAG, wrote around it since the analysis stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, Protocol, TypeVar

from include.plan import blocks, encode
from include.plan.airtable import BATCH, PAGE, Outcome, Write
from include.plan.live import Block, Change, Record, Snapshot, Table

_AGAIN = "run bqx_plan again, it compares afresh"

Address = tuple[str, str]  # (table, key)
T = TypeVar("T")


class Writable(Protocol):
    """What is needed of a base."""

    def read(
        self, table: str, key_field: str, *, keys: Sequence[str] = (), ids: Sequence[str] = ()
    ) -> list[Record]:
        """Records with these keys, and those with these ids."""
        ...

    def write(self, table: str, writes: Sequence[Write], key_field: str) -> list[Outcome]:
        """Create and update records."""
        ...


@dataclass(frozen=True)
class Applied:
    """What became of the changes, in their order.

    Attributes:
        created: records that were created, and read back as they should be.
        updated: the same of records that were there.
        present: changes that somebody, or an earlier try, had made before.
        failed: changes that were not made or not read back as written, and why.
    """

    created: tuple[Change, ...]
    updated: tuple[Change, ...]
    present: tuple[Change, ...]
    failed: tuple[tuple[Change, str], ...]


def apply(base: Writable, changes: Iterable[Change], snapshot: Snapshot) -> Applied:
    """Carry out changes. A change that fails does not stop the others, except those that link to it.

    Args:
        base: where.
        changes: in the order in which they are to be made: the tables that others link to come first.
        snapshot: what the changes were found in.

    Raises:
        PlanRefused: no access. What was written before stays.
        AirtableUnavailable: there was no answer. What was written before stays; carry out the same changes
            again.
    """
    run = _Run(base, snapshot)
    for part in _looks(changes):
        run.carry_out(part)
    return Applied(tuple(run.created), tuple(run.updated), tuple(run.present), tuple(run.failed))


@dataclass
class _Job:
    """A change on its way.

    Attributes:
        fields: everything it wants, links included, blocks not.
        write: what of it is not there yet; of a block the whole text around it.
        failure: why it cannot be made; empty while it can.
    """

    change: Change
    fields: dict[str, Any] = field(default_factory=dict)
    write: dict[str, Any] = field(default_factory=dict)
    failure: str = ""

    def among(self, records: Iterable[Record], primary: str) -> list[Record]:
        """The records it is about: one, unless something is wrong."""
        wanted = self.change.record_id
        if wanted is not None:
            return [record for record in records if record.id == wanted]
        return [record for record in records if record.fields.get(primary) == self.change.key]

    def lacking(self, found: Mapping[str, Any]) -> list[str]:
        """Names of the fields that do not hold what is wanted."""
        lasting = {name: value for name, value in self.fields.items() if name not in self.change.once}
        plain = [name for name, value in lasting.items() if not _same(found.get(name), value)]
        return plain + [name for name, block in self.change.blocks.items() if not _holds(found, name, block)]

    def touched(self, name: str, now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
        """Whether somebody changed what is ours of a field.

        Raises:
            Damaged: nobody can say, the markers of the block are not whole.
        """
        if (block := self.change.blocks.get(name)) is None:
            return now.get(name) != before.get(name)
        return blocks.read_of(now, name, block.name) != blocks.read_of(before, name, block.name)

    def told(self, names: Iterable[str]) -> str:
        """Fields for a message."""
        managed = self.change.blocks
        return ", ".join(
            f"{name} (block '{managed[name].name}')" if name in managed else name for name in names
        )


class _Run:
    def __init__(self, base: Writable, snapshot: Snapshot) -> None:
        self._base, self._snapshot = base, snapshot
        self._before = {record.id: record for record in snapshot.records()}
        self._ids: dict[Address, list[str]] = {
            (table.name, key): [record.id for record in records]
            for table in snapshot.tables.values()
            for key, records in table.by_key().items()
        }
        self.created: list[Change] = []
        self.updated: list[Change] = []
        self.present: list[Change] = []
        self.failed: list[tuple[Change, str]] = []

    def carry_out(self, changes: Sequence[Change]) -> None:
        """Changes of one table and one action, no more than one look tells about."""
        table = self._snapshot.tables[changes[0].table]
        jobs = [_Job(change) for change in changes]
        for job in jobs:
            self._resolve(job, table)
        possible = _possible(jobs)
        found = self._read(table, possible)
        for job in possible:
            self._prepare(job, job.among(found, table.primary), table)
        writing = [job for job in _possible(jobs) if job.write]
        for batch in _parts(writing, BATCH):
            self._write(table, batch)
        for job in jobs:
            self._book(job)

    def _resolve(self, job: _Job, table: Table) -> None:
        """The ids of what a change links to; what was created before has one by now."""
        change = job.change
        job.fields = {name: value for name, value in change.fields.items() if name not in change.blocks}
        if change.action == "create":
            job.fields[table.primary] = change.key
        for name, address in change.links.items():
            ids = self._ids.get(address, [])
            if name not in table.fields or len(ids) != 1:
                problem = f"is there {len(ids)} times" if ids else "is not there, or could not be created"
                job.failure = f"{name}: {address[0]} {address[1]!r} {problem}"
                return
            job.fields[name] = encode.link(ids[0], table.fields[name])

    def _prepare(self, job: _Job, found: list[Record], table: Table) -> None:
        """What is still to be written, unless somebody was here since the plan was read."""
        change = job.change
        if len(found) > 1:
            job.failure = f"the key is there more than once by now ({_ids(found)}); {_AGAIN}"
        elif change.action == "create":
            others = job.lacking(found[0].fields) if found else []
            if others:
                job.failure = f"it was made since the plan was read, with other {job.told(others)}; {_AGAIN}"
            elif found:
                self._ids[change.table, change.key] = [found[0].id]
            else:
                job.write = job.fields | blocks.put_all(change.fields, change.blocks, table.rich)
        elif not found:
            job.failure = f"it was deleted since the plan was read; {_AGAIN}"
        else:
            self._prepare_update(job, found[0], table)

    def _prepare_update(self, job: _Job, found: Record, table: Table) -> None:
        now = found.fields
        if now.get(table.primary) != job.change.key:
            job.failure = f"it was renamed since the plan was read, to {now.get(table.primary)!r}; {_AGAIN}"
            return
        wanted = job.lacking(now)
        known = self._before.get(found.id)
        managed = {name: block for name, block in job.change.blocks.items() if name in wanted}
        try:
            touched = [name for name in wanted if known and job.touched(name, now, known.fields)]
            texts = blocks.put_all(now, managed, table.rich)
        except blocks.Damaged as damage:
            job.failure = f"{damage} Then {_AGAIN}"
            return
        if touched:
            job.failure = f"somebody changed {job.told(touched)} since the plan was read; {_AGAIN}"
        else:
            job.write = {name: job.fields[name] for name in wanted if name not in managed} | texts

    def _write(self, table: Table, jobs: Sequence[_Job]) -> None:
        writes = [Write(job.change.record_id, job.change.key, job.write) for job in jobs]
        for job, outcome in zip(jobs, self._base.write(table.name, writes, table.primary), strict=True):
            job.failure = outcome.error or ""
        written = _possible(jobs)
        found = self._read(table, written)
        for job in written:
            self._compare(job, job.among(found, table.primary))

    def _compare(self, job: _Job, found: list[Record]) -> None:
        """Read back: there, once, and with what was written."""
        if not found:
            job.failure = "it was written, and is not there when it is read back"
        elif len(found) > 1:
            job.failure = f"it was written, and its key is there more than once now ({_ids(found)})"
        elif others := job.lacking(found[0].fields):
            job.failure = f"it was written, and reads back with other {job.told(others)}"
        else:
            self._ids[job.change.table, job.change.key] = [found[0].id]

    def _book(self, job: _Job) -> None:
        if job.failure:
            self.failed.append((job.change, job.failure))
        elif not job.write:
            self.present.append(job.change)
        else:
            (self.created if job.change.action == "create" else self.updated).append(job.change)

    def _read(self, table: Table, jobs: Sequence[_Job]) -> list[Record]:
        ids = [job.change.record_id for job in jobs if job.change.record_id is not None]
        keys = [job.change.key for job in jobs if job.change.record_id is None]
        return self._base.read(table.name, table.primary, keys=keys, ids=ids)


def _looks(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """Neighbours of one table and one action, as many as one request reads.

    Where blocks are put into texts that are there, no more than one request writes: a look is as old as the
    write that follows it, not as old as ten. Airtable has no write that depends on what is there, so what
    somebody changes in such a text between the look and the write is lost: milliseconds, a second where the
    limiter lets others go first, longer only where Airtable itself refuses or does not answer.
    """
    for (_, action), group in groupby(changes, lambda change: (change.table, change.action)):
        neighbours = list(group)
        into_texts = action == "update" and any(change.blocks for change in neighbours)
        yield from _parts(neighbours, BATCH if into_texts else PAGE)


def _parts(items: Iterable[T], most: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while part := list(islice(iterator, most)):
        yield part


def _possible(jobs: Iterable[_Job]) -> list[_Job]:
    return [job for job in jobs if not job.failure]


def _holds(found: Mapping[str, Any], name: str, block: Block) -> bool:
    """Whether a block has its content, whatever stands around it."""
    try:
        return blocks.read_of(found, name, block.name) == blocks.plain(block.content)
    except blocks.Damaged:
        return False


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return encode.linked(found) == tuple(wanted)
    return encode.same(found, wanted)


def _ids(records: Iterable[Record]) -> str:
    return ", ".join(record.id for record in records)
