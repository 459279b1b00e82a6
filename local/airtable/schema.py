"""Tables, fields and records of a base, and how they look to readers of its schema."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

LINKS = "multipleRecordLinks"
SELECT = "singleSelect"
RICH_TEXT = "richText"  # Markdown, which reads back in Airtable's own spelling
TEXTS = ("singleLineText", "multilineText", RICH_TEXT)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass
class Field:
    """A column. `options` are Airtable's: choices of a select, linked table and inverse of a link."""

    id: str
    name: str
    type: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def choices(self) -> list[str]:
        """Names that a select field accepts."""
        return [choice["name"] for choice in self.options.get("choices", ())]

    def told(self) -> dict[str, Any]:
        """The field as the schema shows it."""
        return {"id": self.id, "name": self.name, "type": self.type} | (
            {"options": self.options} if self.options else {}
        )


@dataclass
class Record:
    """A row: cells by field id, without those that are empty."""

    id: str
    created: str
    cells: dict[str, Any]


@dataclass
class Table:
    """A table: the first field is the primary one, records are in the order of their creation."""

    id: str
    name: str
    fields: list[Field]
    records: dict[str, Record] = field(default_factory=dict)

    def find(self, name: str) -> Field | None:
        """A field by name or id."""
        return next((one for one in self.fields if name in (one.name, one.id)), None)

    def title(self, record: Record) -> str:
        """Text of a record's primary field."""
        return str(record.cells.get(self.fields[0].id, ""))

    def told(self) -> dict[str, Any]:
        """The table as the schema shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "primaryFieldId": self.fields[0].id,
            "fields": [one.told() for one in self.fields],
            "views": [{"id": made_id("viw", self.name), "name": "Grid view", "type": "grid"}],
        }

    def plain(self) -> dict[str, Any]:
        """The whole table as JSON keeps it; `of` is the opposite."""
        return asdict(self) | {"records": [asdict(record) for record in self.records.values()]}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Table:
        """A table from what `plain` gave."""
        records = [Record(**one) for one in plain["records"]]
        return cls(
            plain["id"],
            plain["name"],
            [Field(**one) for one in plain["fields"]],
            {one.id: one for one in records},
        )


def made_id(prefix: str, text: str) -> str:
    """An id as Airtable's look, the same for the same text."""
    digest = hashlib.sha256(f"{prefix} {text}".encode()).digest()
    return prefix + "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:14])


def text(table: str, *names: str, long: bool = False, rich: bool = False) -> list[Field]:
    """Text fields of a table."""
    kind = RICH_TEXT if rich else TEXTS[1] if long else TEXTS[0]
    return [Field(made_id("fld", f"{table} {name}"), name, kind) for name in names]


def number(table: str, *names: str, precision: int = 2) -> list[Field]:
    """Number fields of a table."""
    options = {"precision": precision}
    return [Field(made_id("fld", f"{table} {name}"), name, "number", options) for name in names]


def select(table: str, name: str, choices: Mapping[str, str]) -> Field:
    """A field that accepts one of several names, each with its colour."""
    return Field(
        made_id("fld", f"{table} {name}"),
        name,
        SELECT,
        {
            "choices": [
                {
                    "id": made_id("sel", f"{table} {name} {one}"),
                    "name": one,
                    "color": f"{colour}Light2",
                }
                for one, colour in choices.items()
            ]
        },
    )


def link(table: str, name: str, other: str, inverse: str) -> Field:
    """A field that holds records of another table, which shows this side in its field `inverse`."""
    options = {
        "linkedTableId": made_id("tbl", other),
        "isReversed": False,
        "prefersSingleRecordLink": False,
        "inverseLinkFieldId": made_id("fld", f"{other} {inverse}"),
    }
    return Field(made_id("fld", f"{table} {name}"), name, LINKS, options)
