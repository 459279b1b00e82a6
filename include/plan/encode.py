"""Values of the plan as the live base wants them, and the check that it can take them at all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from include.errors import PlanRefused
from include.plan import blocks
from include.plan.live import LINKS, LONG_TEXT, NUMBERS, SELECT, TEXT, Field, Snapshot, Table
from include.plan.model import Item, Plan

MOST = 20  # problems of one message; who mends twenty reads the next twenty
_CLOSE = 1e-9  # numbers travel as JSON: what is nearer than this was written by us


class Unfit(ValueError):
    """A field cannot take this value."""


def encode(value: str | int | float, field: Field) -> str | int | float:
    """A plain value for a live field.

    Raises:
        Unfit: the field takes no such value; says what it takes.
    """
    if field.type in TEXT:
        return value if isinstance(value, str) else f"{value:g}"
    if field.type == SELECT:
        if str(value) not in field.options:
            raise Unfit(f"'{value}' is no option; there are {listed(field.options)}")
        return str(value)
    if field.type in NUMBERS:
        try:
            return value if isinstance(value, int | float) else float(value)
        except ValueError:
            raise Unfit(f"'{value}' is text and the field takes numbers ({field.type})") from None
    raise Unfit(f"a field of type {field.type} cannot be written")


def link(record_id: str, field: Field) -> str | list[str]:
    """The value that links to one record: a list for a link field, the id for a text field."""
    return [record_id] if field.type == LINKS else record_id


def linked(value: Any) -> tuple[str, ...]:
    """Ids in the value of a link, whatever the type of the field."""
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(map(str, value)) if isinstance(value, Sequence) else ()


def same(found: Any, wanted: str | int | float) -> bool:
    """Whether a live value is already what is wanted; no value and an empty text are the same."""
    if isinstance(wanted, str):
        return (found or "") == wanted if isinstance(found, str | None) else False
    number = isinstance(found, int | float) and not isinstance(found, bool)
    return number and math.isclose(found, wanted, rel_tol=_CLOSE, abs_tol=_CLOSE)


def check(plan: Plan, snapshot: Snapshot) -> None:
    """Refuse a base that cannot take the plan, before anything is written.

    Raises:
        PlanRefused: a table or field is not there, has another type, or lacks an option. Lists them all.
    """
    problems = list(dict.fromkeys(_problems(plan, snapshot.tables)))
    if problems:
        more = f"\n... and {len(problems) - MOST} more" if len(problems) > MOST else ""
        raise PlanRefused(
            f"The base cannot take the plan, nothing was written ({len(problems)} problems). Mend the base, "
            "or the plan where it names another field:\n- " + "\n- ".join(problems[:MOST]) + more
        )


def listed(options: Sequence[str]) -> str:
    """Options for a message."""
    return ", ".join(map(repr, options)) or "none"


def _problems(plan: Plan, tables: Mapping[str, Table]) -> Iterator[str]:
    for item in plan.items:
        if (table := tables.get(item.table)) is None:
            yield f"{item.table}: there is no such table. The base has {listed(sorted(tables))}"
        else:
            yield from _of_item(item, table)


def _of_item(item: Item, table: Table) -> Iterator[str]:
    primary = table.fields.get(table.primary)
    if primary is None or primary.type not in TEXT:
        yield f"{table.name}.{table.primary}: the primary field has to be text, it holds the key"
    plain = {**item.fields, **(item.once if item.new else {})}
    for name in (*plain, *item.blocks, *item.links):
        field = table.fields.get(name)
        if field is None:
            yield _absent(name, table)
        elif why := _unfit(item, plain, field, table.inferred):
            yield f"{table.name}.{name}: {why}"


def _unfit(item: Item, plain: Mapping[str, str | int | float], field: Field, inferred: bool) -> str:
    """Why a field cannot take what the item has for it, empty where it can."""
    if field.name in plain:
        try:
            encode(plain[field.name], field)
        except Unfit as unfit:
            return str(unfit)
        return ""
    if field.name in item.links:
        return _unlinkable(field, item.links[field.name][0])
    if blocks.marked(item.blocks[field.name]):
        return f"the text of {item.key!r} contains '[bqx:', the marker of a managed block. Reword it"
    long = TEXT if inferred else LONG_TEXT  # records do not say how long a text may be
    return "" if field.type in long else f"has to be long text, it is {field.type}"


def _absent(name: str, table: Table) -> str:
    if table.inferred:
        return (
            f"{table.name}.{name}: no record has such a field, and the token may not read the schema. Give "
            "it the scope schema.bases:read"
        )
    return f"{table.name}.{name}: there is no such field. The table has {listed(sorted(table.fields))}"


def _unlinkable(field: Field, target: str) -> str:
    if field.type in TEXT:
        return ""
    if field.type != LINKS:
        return f"has to be a link to {target}, or text, it is {field.type}"
    return (
        "" if field.links_to in (None, target) else f"has to link to {target}, it links to {field.links_to}"
    )
