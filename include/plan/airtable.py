"""An Airtable base: its schema, its records, and writing to them. Nothing here deletes or typecasts.

A record is created by a plain POST after a look whether its key is there, not by Airtable's own upsert:
that one does not promise an exact comparison of keys, and it would overwrite a record that a person has
made in the meantime.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pyairtable import Table as Remote
from pyairtable.formulas import EQ, OR, RECORD_ID
from pyairtable.formulas import Field as Named

from include.errors import PlanRefused
from include.plan.calls import Doubtful, Patience, PatientApi, Refused, Tries, no_access
from include.plan.limiter import Limiter
from include.plan.live import LINKS, TABLES, Field, Record, Snapshot, Table

PATIENT = Patience()
BATCH = 10  # records that one request writes, Airtable's limit
PAGE = 100  # records that one request reads, Airtable's limit
_OF_A_RECORD = (400, 404, 413, 422)  # one record may be to blame; anything else concerns the whole base
_LISTINGS = 3  # how often a list is begun again that took too long to read
_READ, _WRITE = "data.records:read", "data.records:write"


class Write(NamedTuple):
    """One record to write.

    Attributes:
        record_id: the record to update, None to create one.
        key: text of its primary field.
        fields: values by field name; of a record to create without the primary field, or with.
    """

    record_id: str | None
    key: str
    fields: Mapping[str, Any]


class Outcome(NamedTuple):
    """What became of a write: the record as Airtable returned it, or why there is none."""

    record: Record | None
    error: str | None


class Base:
    """A base.

    Args:
        token: personal access token with the scopes data.records:read and data.records:write, and
            schema.bases:read where it is to be had.
        base_id: id of the base.
        limiter: shared by everything that talks to this base.
        endpoint: address of the API, None for Airtable's.
        patience: how long to wait for what, before `AirtableUnavailable`.
        sleep: called with seconds.

    Raises:
        PlanRefused: the token cannot be one.
    """

    def __init__(
        self,
        token: str,
        base_id: str,
        *,
        limiter: Limiter,
        endpoint: str | None = None,
        patience: Patience = PATIENT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = PatientApi(
            token, base_id, limiter=limiter, endpoint=endpoint, patience=patience, sleep=sleep
        )
        self._base = self._api.base(base_id)

    def __repr__(self) -> str:
        return "<Airtable base>"

    def check(self, table: str = TABLES[0]) -> None:
        """Read one record, to see whether the base and the token fit together.

        Raises:
            PlanRefused: they do not.
            AirtableUnavailable: there was no answer.
        """
        self._list(self._remote(table), max_records=1, page_size=1)

    def snapshot(self, tables: Sequence[str] = TABLES) -> Snapshot:
        """The schema and all records of some tables.

        A token without the scope schema.bases:read gets the fields that occur in the records.

        Raises:
            PlanRefused: no access, or a table is not there.
            AirtableUnavailable: there was no answer.
        """
        described = self._schema()
        if described is not None and (absent := [name for name in tables if name not in described]):
            raise PlanRefused(
                f"The base lacks the tables {', '.join(absent)}; it has {', '.join(sorted(described))}. "
                "Either the base id is of another base, or they were renamed: rename them back."
            )
        records = {name: self._records(name) for name in tables}
        if described is None:
            return Snapshot(_inferred(records))
        return Snapshot(
            {name: Table(name, *described[name], records[name]) for name in tables}  # primary field, fields
        )

    def read(
        self, table: str, key_field: str, *, keys: Sequence[str] = (), ids: Sequence[str] = ()
    ) -> list[Record]:
        """Records with these exact keys, and those with these ids; one request for up to a hundred.

        Raises:
            PlanRefused: no access, or the table has no such field.
            AirtableUnavailable: there was no answer.
        """
        wanted = [EQ(Named(key_field), key) for key in keys] + [EQ(RECORD_ID(), one) for one in ids]
        if not wanted:
            return []
        found = self._list(self._remote(table), formula=OR(*wanted))
        return [one for one in found if one.fields.get(key_field) in keys or one.id in ids]

    def write(self, table: str, writes: Sequence[Write], key_field: str) -> list[Outcome]:
        """Create and update records, ten in a request.

        A record that Airtable refuses does not hold up the others of its request. Where nobody knows
        whether records were created, they are looked for by key before that is tried again. Whether a
        key is there already is for the caller to know.

        Args:
            table: name of the table.
            writes: any number; a key of two new records is written once.
            key_field: name of the primary field.

        Returns:
            What became of each, in the same order.

        Raises:
            PlanRefused: no access. What was written before stays.
            AirtableUnavailable: there was no answer. What was written before stays.
        """
        outcomes: dict[int, Outcome] = {}
        new: dict[str, int] = {}
        for number, write in enumerate(writes):
            if write.record_id is None and new.setdefault(write.key, number) != number:
                outcomes[number] = Outcome(None, "another new record of the same run has the same key")
        for creating in (True, False):
            numbers = [
                number
                for number, write in enumerate(writes)
                if number not in outcomes and (write.record_id is None) == creating
            ]
            for first in range(0, len(numbers), BATCH):
                batch = numbers[first : first + BATCH]
                landed = self._land(table, [writes[number] for number in batch], key_field, self._api.tries())
                outcomes.update(zip(batch, landed, strict=True))
        return [outcomes[number] for number in range(len(writes))]

    def _land(self, table: str, batch: list[Write], key_field: str, tries: Tries) -> list[Outcome]:
        try:
            return [Outcome(record, None) for record in self._send(table, batch, key_field)]
        except Doubtful as doubt:
            tries.pause(doubt.failure)
        except Refused as refusal:
            if refusal.failure.status not in _OF_A_RECORD:
                raise no_access(refusal.failure, _WRITE) from None
            if len(batch) == 1:
                return [Outcome(None, refusal.failure.words)]
            middle = len(batch) // 2
            first = self._land(table, batch[:middle], key_field, tries)
            return first + self._land(table, batch[middle:], key_field, tries)
        return self._land_the_rest(table, batch, key_field, tries)

    def _land_the_rest(self, table: str, batch: list[Write], key_field: str, tries: Tries) -> list[Outcome]:
        """After a create of which nobody knows whether it was carried out: adopt what is there by now."""
        found: dict[str, list[Record]] = {}
        for record in self.read(table, key_field, keys=[write.key for write in batch]):
            found.setdefault(record.fields[key_field], []).append(record)
        landed = {key: _only(records) for key, records in found.items()}
        rest = [write for write in batch if write.key not in landed]
        if rest:
            outcomes = self._land(table, rest, key_field, tries)
            landed |= {write.key: outcome for write, outcome in zip(rest, outcomes, strict=True)}
        return [landed[write.key] for write in batch]

    def _send(self, table: str, batch: list[Write], key_field: str) -> list[Record]:
        remote = self._remote(table)
        if batch[0].record_id is None:
            made = remote.batch_create([{key_field: write.key, **write.fields} for write in batch])
            return [Record(one["id"], table, one["fields"]) for one in made]
        changed = remote.batch_update(
            [{"id": str(write.record_id), "fields": dict(write.fields)} for write in batch]
        )
        return [Record(one["id"], table, one["fields"]) for one in changed]

    def _remote(self, table: str) -> Remote:
        return self._base.table(table)

    def _records(self, table: str) -> tuple[Record, ...]:
        """All pages. A list that was interrupted for too long, by a penalty, has to be begun again."""
        return tuple({one.id: one for one in self._list(self._remote(table), page_size=PAGE)}.values())

    def _list(self, remote: Remote, **options: Any) -> list[Record]:
        for attempt in range(_LISTINGS):
            try:
                return [Record(one["id"], remote.name, one["fields"]) for one in remote.all(**options)]
            except Refused as refusal:
                expired = refusal.failure.kind == "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"
                if not expired or attempt + 1 == _LISTINGS:
                    raise _unreadable(remote.name, refusal) from None
        raise AssertionError("unreachable")

    def _schema(self) -> dict[str, tuple[str, dict[str, Field]]] | None:
        """Primary field and fields of every table by name; None where the token may not know."""
        try:
            answer = self._api.get(self._base.urls.tables)
        except Refused as refusal:
            if refusal.failure.status == 403:
                return None  # of a wrong base the records are refused as well
            raise no_access(refusal.failure, _READ) from None
        names = {table["id"]: table["name"] for table in answer["tables"]}
        return {
            table["name"]: (
                next(one["name"] for one in table["fields"] if one["id"] == table["primaryFieldId"]),
                {field.name: field for field in _fields(table["fields"], names)},
            )
            for table in answer["tables"]
        }


def _unreadable(table: str, refusal: Refused) -> PlanRefused:
    failure = refusal.failure
    if failure.status in (401, 403, 404):
        return no_access(failure, _READ)
    return PlanRefused(f"Airtable will not read the table {table}: {failure.words}. Nothing was written.")


def _only(records: list[Record]) -> Outcome:
    if len(records) == 1:
        return Outcome(records[0], None)
    return Outcome(None, f"the key is there more than once: {', '.join(record.id for record in records)}")


def _fields(described: Sequence[Mapping[str, Any]], tables: Mapping[str, str]) -> Iterator[Field]:
    for one in described:
        options = one.get("options") or {}
        choices = tuple(choice["name"] for choice in options.get("choices", ()))
        yield Field(one["name"], one["type"], choices, tables.get(options.get("linkedTableId", "")))


def _inferred(records: Mapping[str, tuple[Record, ...]]) -> dict[str, Table]:
    """Tables as far as their records show them; the primary field of "Stages" is "Stage ID"."""
    homes = {record.id: table for table, found in records.items() for record in found}
    tables = {}
    for table, found in records.items():
        samples = {name: value for record in found for name, value in record.fields.items()}
        fields = {name: _guess(name, value, homes) for name, value in samples.items()}
        tables[table] = Table(table, f"{table.removesuffix('s')} ID", fields, found, inferred=True)
    return tables


def _guess(name: str, value: Any, homes: Mapping[str, str]) -> Field:
    """A field by one of its values. Text is text: nothing shows whether a line or an option is meant."""
    if isinstance(value, bool):
        return Field(name, "checkbox")
    if isinstance(value, int | float):
        return Field(name, "number")
    if isinstance(value, str):
        return Field(name, "multilineText")
    if isinstance(value, list) and value and all(str(one).startswith("rec") for one in value):
        return Field(name, LINKS, links_to=homes.get(value[0]))
    return Field(name, "unknown")
