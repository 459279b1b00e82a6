"""One page of a table's records: filtered, sorted, with the fields that were asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from local.airtable.faults import Fault
from local.airtable.formula import parse
from local.airtable.schema import Field, Record, Table

PAGE = 100  # records, at most
_ITERATOR = re.compile(r"itr[A-Za-z0-9]{14}/(rec[A-Za-z0-9]{14})")
_SORT = re.compile(r"sort\[(\d+)\]\[(field|direction)\]")


class Query(NamedTuple):
    """What a client wants to read.

    Attributes:
        fields: names or ids; empty for all.
        sort: field and whether the largest comes first.
        most: records on all pages together, None for all.
        after: the record that the page before began its offset with.
    """

    fields: Sequence[str] = ()
    sort: Sequence[tuple[str, bool]] = ()
    formula: str = ""
    page: int = PAGE
    most: int | None = None
    after: str = ""
    by_id: bool = False


def of_parameters(sent: Mapping[str, Sequence[str]]) -> Query:
    """A query from the parameters of a GET."""
    sort: dict[int, dict[str, str]] = {}
    for name, values in sent.items():
        if match := _SORT.fullmatch(name):
            sort.setdefault(int(match[1]), {})[match[2]] = values[0]
    plain = {name: values[0] for name, values in sent.items()}
    by_id = plain.get("returnFieldsByFieldId", "") in ("1", "true")
    document = plain | {
        "sort": [sort[index] for index in sorted(sort)],
        "fields": [*sent.get("fields[]", ()), *sent.get("fields", ())],
        "returnFieldsByFieldId": by_id,
    }
    return of_document(document)


def of_document(sent: Mapping[str, Any]) -> Query:
    """A query from the body of a POST."""
    try:
        sort = [(one["field"], one.get("direction", "asc") == "desc") for one in sent.get("sort", ())]
        page = int(sent.get("pageSize", PAGE))
        most = int(sent["maxRecords"]) if "maxRecords" in sent else None
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise Fault("INVALID_REQUEST_UNKNOWN") from problem
    if not 1 <= page <= PAGE or (most is not None and most < 1):
        raise Fault("INVALID_REQUEST_UNKNOWN")
    return Query(
        sent.get("fields") or (),
        sort,
        sent.get("filterByFormula") or "",
        page,
        most,
        _after(sent.get("offset")),
        bool(sent.get("returnFieldsByFieldId")),
    )


def select(table: Table, query: Query) -> tuple[list[Record], str | None]:
    """The records of a page, and the offset of the one after it."""
    wanted = parse(query.formula, table) if query.formula else None
    # Without a sort the real one promises no order; that of the ids is as good as none.
    found = sorted(table.records.values(), key=lambda record: record.id)
    found = [record for record in found if wanted is None or wanted(record)]
    for name, largest_first in reversed(query.sort):
        field = known(table, name)
        found.sort(key=lambda record: _order(record, field), reverse=largest_first)
    found = found[: query.most]
    ids = [record.id for record in found]
    if query.after and query.after not in ids:
        raise Fault("LIST_RECORDS_ITERATOR_NOT_AVAILABLE")
    begin = ids.index(query.after) if query.after else 0
    end = begin + query.page
    offset = f"itr{table.id[3:]}/{ids[end]}" if end < len(ids) else None
    return found[begin:end], offset


def known(table: Table, name: str) -> Field:
    """A field that has to be there."""
    field = table.find(name)
    if field is None:
        raise Fault("UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')
    return field


def _after(offset: object) -> str:
    if offset in (None, ""):
        return ""
    match = _ITERATOR.fullmatch(str(offset))
    if match is None:
        raise Fault("LIST_RECORDS_ITERATOR_NOT_AVAILABLE")
    return match[1]


def _order(record: Record, field: Field) -> tuple[bool, Any]:
    """Empty cells first, as the real one sorts them; options in their own order."""
    value = record.cells.get(field.id)
    if value is None:
        return False, 0
    if field.choices:
        return True, field.choices.index(value)
    return True, value
