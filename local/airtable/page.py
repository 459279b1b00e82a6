"""What a person sees of the base in a browser: one page for each table, and nothing to click but links."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from include.pages import template
from local.airtable.faults import Fault
from local.airtable.schema import LINKS, SELECT, TEXTS, Field, Record, Table

FIRST = "Stages"  # what people look at
LONG_TEXTS = TEXTS[1:]
_TEMPLATE = Path(__file__).with_name("page.html.j2")
_ID = re.compile(r"rec[A-Za-z0-9]{14}")
_SHOWN_LINKS = 3
_SOONER = ("Status", "Phase (Link)", "Stage (Link)")  # columns that follow the key


class Chip(NamedTuple):
    """A link as it is shown: name and page of the record; without page it is not there."""

    name: str
    page: str


class Cell(NamedTuple):
    """A cell as it is shown.

    Attributes:
        kind: ``key``, ``chips``, ``select``, ``long``, ``number`` or ``text``.
        value: text, or chips of links.
        colour: of a select option.
        more: links that are not shown.
    """

    kind: str
    value: str | Sequence[Chip]
    colour: str = ""
    more: int = 0


class Row(NamedTuple):
    """A record as it is shown."""

    id: str
    created: str
    cells: Sequence[Cell]


def page(tables: Sequence[Table], name: str, title: str) -> str:
    """The page of a table; of the stages where no name is given.

    Raises:
        Fault: there is no such table.
    """
    wanted = name or FIRST
    table = next((one for one in tables if wanted in (one.name, one.id)), None)
    if table is None:
        raise Fault("NOT_FOUND")
    names = {record.id: (one, record) for one in tables for record in one.records.values()}
    records = sorted(table.records.values(), key=lambda record: _order(table.title(record)))
    fields = _in_order(table)
    rows = [Row(one.id, one.created, list(_cells(fields, one, names))) for one in records]
    used = [one for one in tables if one.records or one is table]
    return template(_TEMPLATE).render(
        title=title, tables=used, table=table, fields=fields, rows=rows, statuses=_statuses(table)
    )


def _in_order(table: Table) -> list[Field]:
    key, *others = table.fields
    sooner = [one for name in _SOONER if (one := table.find(name))]
    return [key, *sooner, *(one for one in others if one not in sooner)]


def _cells(fields: Sequence[Field], record: Record, names: dict[str, tuple[Table, Record]]) -> Iterator[Cell]:
    for index, field in enumerate(fields):
        value = record.cells.get(field.id)
        if index == 0:
            yield Cell("key", str(value or ""))
        elif value is None:
            yield Cell("text", "")
        elif field.type == LINKS:
            yield _chips(value, names)
        elif field.type in TEXTS and _ID.fullmatch(str(value)):
            yield _chips([value], names)
        else:
            yield _plain(field, value)


def _plain(field: Field, value: Any) -> Cell:
    if field.type == SELECT:
        return Cell("select", value, _colour(field, value))
    if field.type in LONG_TEXTS:
        return Cell("long", value)
    if isinstance(value, int | float):
        return Cell("number", f"{value:,}")
    return Cell("text", str(value))


def _chips(ids: Sequence[str], names: dict[str, tuple[Table, Record]]) -> Cell:
    chips = []
    for one in ids[:_SHOWN_LINKS]:
        if one in names:
            table, record = names[one]
            chips.append(Chip(table.title(record) or "(no name)", f"/{table.id}#{one}"))
        else:
            chips.append(Chip(f"{one} is not there", ""))
    return Cell("chips", chips, more=max(0, len(ids) - _SHOWN_LINKS))


def _colour(field: Field, value: str) -> str:
    found = next((one for one in field.options["choices"] if one["name"] == value), None)
    return str((found or {}).get("color", "gray")).removesuffix("Light2")


def _statuses(table: Table) -> list[tuple[str, str, int]]:
    """Option, colour and number of records of the Status field."""
    field = table.find("Status")
    if field is None:
        return []
    values = [record.cells.get(field.id) for record in table.records.values()]
    return [(name, _colour(field, name), values.count(name)) for name in field.choices]


def _order(key: str) -> tuple[bool, list[int], str]:
    """By the number in the key, so that 1.6.10 follows 1.6.9; those without a key come last."""
    numbers = re.search(r"\d+(?:\.\d+)*", key)
    return not key, [int(part) for part in numbers[0].split(".")] if numbers else [], key
