"""What a field accepts: a value that a client sent becomes a cell, or the request is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from local.airtable.faults import Fault
from local.airtable.schema import LINKS, RICH_TEXT, SELECT, TEXTS, Field, Table, made_id

LONGEST_TEXT = 100_000  # characters
_RECORD = re.compile(r"rec[A-Za-z0-9]{14}")
_NUMBERS = ("number", "currency", "percent", "duration", "rating")
_PUNCTUATION = re.compile(r"\\([!-/:-@\[-`{-~])|([\\`*_\[\]<>#~])")


def cell(field: Field, value: Any, tables: Mapping[str, Table], typecast: bool) -> Any:
    """The cell of a value; None where the field becomes empty.

    Args:
        field: where it goes.
        value: JSON that the client sent.
        tables: all tables by id, for links.
        typecast: the client asks for the value to be made to fit; new options are created then.
    """
    if value is None or value == []:
        return None
    if field.type in TEXTS:
        return _text(field, value, typecast)
    if field.type in _NUMBERS:
        return _number(field, value, typecast)
    if field.type == SELECT:
        return _choice(field, value, typecast)
    if field.type == LINKS:
        return _links(field, value, tables)
    raise _refused(field)


def _text(field: Field, value: Any, typecast: bool) -> str | None:
    if typecast and isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise _refused(field)
    return _spelled(value) if value and field.type == RICH_TEXT else value or None


def _spelled(markdown: str) -> str:
    """Rich text as Airtable gives it back: punctuation escaped, once, and a line end.

    Emphasis, headings and the like are not known here: what might be one is text.
    """
    escaped = _PUNCTUATION.sub(lambda found: f"\\{found[1] or found[2]}", markdown)
    return f"{escaped.rstrip()}\n"


def _number(field: Field, value: Any, typecast: bool) -> int | float:
    if typecast and isinstance(value, str):
        try:
            value = float(value)
        except ValueError as problem:
            raise _refused(field) from problem
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _refused(field)
    if field.type == "rating" and not (float(value).is_integer() and 1 <= value <= field.options["max"]):
        raise _refused(field)
    return int(value) if float(value).is_integer() else value  # the precision is for people only


def _choice(field: Field, value: Any, typecast: bool) -> str:
    if not isinstance(value, str):
        raise _refused(field)
    if value not in field.choices:
        if not typecast:
            told = f'Insufficient permissions to create new select option ""{value}""'
            raise Fault("INVALID_MULTIPLE_CHOICE_OPTIONS", told)
        new = {"id": made_id("sel", f"{field.id} {value}"), "name": value, "color": "grayLight2"}
        field.options["choices"].append(new)
    return value


def _links(field: Field, value: Any, tables: Mapping[str, Table]) -> list[str]:
    if not isinstance(value, list):
        raise Fault("INVALID_VALUE_FOR_COLUMN", "Value is not an array of record IDs.")
    target = tables[field.options["linkedTableId"]]
    for one in value:
        if not isinstance(one, str) or not _RECORD.fullmatch(one):
            raise Fault("INVALID_RECORD_ID", f'Value "{one}" is not a valid record ID.')
        if one in target.records:
            continue
        other = next((table for table in tables.values() if one in table.records), None)
        if other is None:
            raise Fault("ROW_DOES_NOT_EXIST", f"Record ID {one} does not exist")
        raise Fault(
            "ROW_TABLE_DOES_NOT_MATCH_LINKED_TABLE",
            f"Record ID {one} belongs to table {other.id}, but the field links to table {target.id}",
        )
    return list(dict.fromkeys(value))


def _refused(field: Field) -> Fault:
    return Fault("INVALID_VALUE_FOR_COLUMN", f'Field "{field.name}" cannot accept the provided value')
