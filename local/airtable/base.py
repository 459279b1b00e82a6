"""One base in one file. What a client was told is on the disk, and a request is done whole or not at all."""

from __future__ import annotations

import copy
import json
import os
import secrets
import string
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from local.airtable.cells import cell
from local.airtable.faults import Fault
from local.airtable.schema import LINKS, Field, Record, Table
from local.stand_in import own

MOST_KEYS = 3  # fields that an upsert may match on
_LETTERS = string.ascii_letters + string.digits
_T = TypeVar("_T")


class Write(NamedTuple):
    """A record that a client sent; without id it is created, or matched by the keys of an upsert."""

    id: str | None
    fields: Mapping[str, Any]


class Written(NamedTuple):
    """Records of one request, in its order, and which of them are new."""

    records: list[Record]
    created: list[str]
    updated: list[str]


class Base:
    """All tables of a folder. Threads may use it at once, processes may not.

    Args:
        folder: is created if missing.
        seed: makes the tables of a folder that has none yet.

    Raises:
        BqxError: another server has the folder.
    """

    def __init__(self, folder: Path, seed: Callable[[], Sequence[Table]]) -> None:
        self.folder, self.lock = folder, threading.RLock()
        self._owner = own(folder)
        self._file = folder / "base.json"
        if self._file.exists():
            tables = [Table.of(one) for one in json.loads(self._file.read_text())]
            self.tables = {table.id: table for table in tables}
        else:
            self.tables = {table.id: table for table in seed()}
            self._save()

    def close(self) -> None:
        """Let another server have the folder."""
        self._owner.close()

    def table(self, name: str) -> Table:
        """A table by name or id."""
        for table in self.tables.values():
            if name in (table.id, table.name):
                return table
        raise Fault("INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND")

    def write(
        self,
        name: str,
        writes: Sequence[Write],
        *,
        keys: Sequence[str] = (),
        replace: bool = False,
        typecast: bool = False,
    ) -> Written:
        """Create and update records: all of them, or none.

        Args:
            name: of the table.
            writes: what was sent.
            keys: fields of an upsert: a write without id updates the record that has the same values.
            replace: fields that were not sent become empty.
            typecast: values are made to fit.
        """

        def work() -> Written:
            table = self.table(name)
            merge = [self._field(table, key) for key in keys]
            done = Written([], [], [])
            for one in writes:
                found = one.id or self._match(table, merge, one.fields)
                record = self._record(table, found)
                self._fill(table, record, one.fields, replace, typecast)
                done.records.append(record)
                (done.updated if found else done.created).append(record.id)
            if len({record.id for record in done.records}) < len(writes):
                raise Fault("CANNOT_CREATE_DUPLICATE_RECORDS")
            return done

        return self._change(work)

    def delete(self, name: str, ids: Iterable[str]) -> list[str]:
        """Delete records and the links to them."""

        def work() -> list[str]:
            table = self.table(name)
            for one in (gone := list(ids)):
                record = self._record(table, one)
                for field in table.fields:
                    self._set(table, record, field, None)
                del table.records[one]
            return gone

        return self._change(work)

    def add_option(self, name: str, field: str, option: str) -> None:
        """Let a select field accept one more name, as a person does in the browser."""
        self._change(lambda: cell(self._field(self.table(name), field), option, self.tables, True))

    def rename_field(self, name: str, field: str, new: str) -> None:
        """Call a field otherwise, as a person does in the browser."""
        self._change(lambda: setattr(self._field(self.table(name), field), "name", new))

    def shown(self, table: Table, record: Record, by_id: bool = False) -> dict[str, Any]:
        """A record as the API answers with it: empty fields are absent."""
        fields = {
            (field.id if by_id else field.name): copy.copy(record.cells[field.id])
            for field in table.fields
            if field.id in record.cells
        }
        return {"id": record.id, "createdTime": record.created, "fields": fields}

    def _change(self, work: Callable[[], _T]) -> _T:
        with self.lock:
            before = copy.deepcopy(self.tables)
            try:
                result = work()
                self._save()
            except BaseException:
                self.tables = before
                raise
            return result

    def _save(self) -> None:
        draft = self._file.with_suffix(".draft")
        with draft.open("w") as stream:
            json.dump([table.plain() for table in self.tables.values()], stream, ensure_ascii=False)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self._file)
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _field(self, table: Table, name: str) -> Field:
        field = table.find(name)
        if field is None:
            raise Fault("UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')
        return field

    def _record(self, table: Table, found: str | None) -> Record:
        if found is None:
            name = "rec" + "".join(secrets.choice(_LETTERS) for _ in range(14))
            table.records[name] = Record(name, now(), {})
            return table.records[name]
        if found not in table.records:
            raise Fault("ROW_DOES_NOT_EXIST", f"Record ID {found} does not exist")
        return table.records[found]

    def _match(self, table: Table, merge: Sequence[Field], fields: Mapping[str, Any]) -> str | None:
        if not merge:
            return None
        wanted = {}
        for field in merge:
            sent = next((fields[name] for name in (field.name, field.id) if name in fields), None)
            if sent in (None, "") or field.type == LINKS:
                raise Fault("INVALID_REQUEST_UNKNOWN", f'Field "{field.name}" cannot be merged on')
            wanted[field.id] = sent
        found = [
            one.id
            for one in table.records.values()
            if all(one.cells.get(key) == value for key, value in wanted.items())
        ]
        if len(found) > 1:
            told = f"Cannot upsert: {len(found)} records match the values of the merge fields"
            raise Fault("INVALID_REQUEST_UNKNOWN", told)
        return found[0] if found else None

    def _fill(
        self, table: Table, record: Record, fields: Mapping[str, Any], replace: bool, typecast: bool
    ) -> None:
        values = {
            field.id: cell(field, value, self.tables, typecast)
            for field, value in ((self._field(table, name), value) for name, value in fields.items())
        }
        for field in table.fields:
            if field.id in values or replace:
                self._set(table, record, field, values.get(field.id))

    def _set(self, table: Table, record: Record, field: Field, value: Any) -> None:
        if field.type == LINKS:
            self._mirror(record, field, value or [])
        if value is None:
            record.cells.pop(field.id, None)
        else:
            record.cells[field.id] = value

    def _mirror(self, record: Record, field: Field, value: Sequence[str]) -> None:
        """The other side of a link shows what this side says."""
        target = self.tables[field.options["linkedTableId"]]
        inverse = field.options["inverseLinkFieldId"]
        before = record.cells.get(field.id, [])
        for one in {*before, *value} & target.records.keys():
            other = target.records[one]
            left = [name for name in other.cells.get(inverse, []) if name != record.id]
            if one in value:
                left = other.cells.get(inverse, []) if one in before else [*left, record.id]
            other.cells[inverse] = left
            if not left:
                del other.cells[inverse]


def now() -> str:
    """This moment as Airtable writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
