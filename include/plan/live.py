"""What an Airtable base holds at one moment, and what is to be written to it. Plain values, no I/O."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

TABLES = ("Plans", "Phases", "Stages", "Tasks")  # what the plan manages, in the order of creation
LINKS = "multipleRecordLinks"
SELECT = "singleSelect"
RICH_TEXT = "richText"  # Markdown: it reads back with escapes and a line end
LONG_TEXT = ("multilineText", RICH_TEXT)
TEXT = ("singleLineText", *LONG_TEXT)
NUMBERS = ("number", "currency")
DURATION, PERCENT, RATING = "duration", "percent", "rating"  # seconds, a fraction, whole stars

Action = Literal["create", "update"]


@dataclass(frozen=True)
class Field:
    """A field of a live table.

    Attributes:
        name: as it is written.
        type: Airtable's name of the type: ``singleLineText``, ``number``, ``multipleRecordLinks`` ...
        options: names of the choices of a select field, in their order.
        links_to: name of the table that a link field points to, None where unknown.
    """

    name: str
    type: str
    options: tuple[str, ...] = ()
    links_to: str | None = None


@dataclass(frozen=True)
class Record:
    """A record as the API gives it: empty fields are absent."""

    id: str
    table: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A live table.

    Attributes:
        name: as it is written.
        primary: name of the primary field, which holds the key.
        fields: its fields by name.
        records: every record, all pages.
        inferred: True where fields and types were guessed from the records, because the token may not read
            the schema.
    """

    name: str
    primary: str
    fields: Mapping[str, Field]
    records: tuple[Record, ...] = ()
    inferred: bool = False

    @property
    def rich(self) -> frozenset[str]:
        """Names of the fields that hold Markdown."""
        return frozenset(name for name, field in self.fields.items() if field.type == RICH_TEXT)

    def key(self, record: Record) -> str:
        """Text of the primary field, exactly as it is; empty where there is none."""
        value = record.fields.get(self.primary)
        return "" if value is None else str(value)

    def by_key(self) -> dict[str, tuple[Record, ...]]:
        """Records by exact key; more than one is a duplicate."""
        found: dict[str, list[Record]] = {}
        for record in self.records:
            found.setdefault(self.key(record), []).append(record)
        return {key: tuple(records) for key, records in found.items()}


@dataclass(frozen=True)
class Snapshot:
    """The tables of a base, by name."""

    tables: Mapping[str, Table]

    def records(self) -> Iterator[Record]:
        """Every record of every table."""
        for table in self.tables.values():
            yield from table.records

    def to_json(self) -> str:
        """The whole as text; ``of`` reads it again."""
        return json.dumps({name: asdict(table) for name, table in self.tables.items()}, ensure_ascii=False)

    @classmethod
    def of(cls, text: str | bytes) -> Snapshot:
        """A snapshot from what ``to_json`` wrote."""
        return cls({name: _table(value) for name, value in json.loads(text).items()})


class Block(NamedTuple):
    """What one managed block of a long text is to hold.

    Attributes:
        name: ``blocks.PLAN`` or ``blocks.STATUS``.
        content: the text between its markers.
    """

    name: str
    content: str


@dataclass(frozen=True)
class Change:
    """One record to write.

    Attributes:
        action: ``create`` or ``update``; nothing is ever deleted.
        table: name of the table.
        key: text of the primary field.
        record_id: the record to update; None for one to create.
        fields: values by field name, encoded for the live types; with the primary field where the record
            is created.
        blocks: long text field -> the block in it. Never the whole text: it belongs to people, and to the
            other DAG, and is read when the change's turn has come. Of a record to create the text may begin
            with what ``fields`` has; of one to update a field is in ``fields`` or in ``blocks``.
        links: link field -> (table, key) of the one record to link to. Its id may not exist before this
            change's turn; ``encode.link`` makes the live value of the id.
        once: those of ``fields`` that only matter while the record is created, such as its first status.
    """

    action: Action
    table: str
    key: str
    record_id: str | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    blocks: Mapping[str, Block] = field(default_factory=dict)
    once: tuple[str, ...] = ()


def _table(value: Mapping[str, Any]) -> Table:
    fields = {
        name: Field(one["name"], one["type"], tuple(one["options"]), one["links_to"])
        for name, one in value["fields"].items()
    }
    records = tuple(Record(one["id"], one["table"], one["fields"]) for one in value["records"])
    return Table(value["name"], value["primary"], fields, records, value["inferred"])
