"""Values of the plan as the live base wants them, and the check that it can take them at all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from include.errors import PlanRefused
from include.plan import blocks
from include.plan.live import (
    DURATION,
    LINKS,
    LONG_TEXT,
    NUMBERS,
    PERCENT,
    RATING,
    SELECT,
    TEXT,
    Field,
    Snapshot,
    Table,
)
from include.plan.model import Item, Plan

MOST = 20  # problems of one message; who mends twenty reads the next twenty
MOST_STARS = 10  # of a rating
_CLOSE = 1e-9  # numbers travel as JSON: what is nearer than this was written by us


class Unfit(ValueError):
    """A field cannot take this value."""


def encode(value: str | int | float, field: Field) -> str | int | float:
    """A plain value for a live field, in the unit of its type.

    Hours become the seconds of a duration; what they are is told by the name of the field.

    Raises:
        Unfit: the field takes no such value; says what it takes.
    """
    if field.type in TEXT:
        return value if isinstance(value, str) else exact(value)
    if field.type == SELECT:
        if str(value) not in field.options:
            raise Unfit(f"'{value}' is no option; there are {listed(field.options)}")
        return str(value)
    if field.type in NUMBERS:
        return _number(value, field)
    if field.type == DURATION:
        return _seconds(value, field)
    if field.type == RATING:
        return _stars(value, field)
    if field.type == PERCENT:
        raise Unfit("a percent field holds a fraction, and the plan has none. Make it a number field")
    raise Unfit(f"a field of type {field.type} cannot be written")


def exact(number: float) -> str:
    """A number as text, with all of its digits and without an exponent: 8, 0.25, 12345.67."""
    return f"{number:.0f}" if number == int(number) else f"{Decimal(f'{number:.15g}'):f}"


def _number(value: str | float, field: Field) -> float:
    try:
        return value if isinstance(value, int | float) else float(value)
    except ValueError:
        raise Unfit(f"'{value}' is text and the field takes numbers ({field.type})") from None


def _seconds(value: str | float, field: Field) -> int:
    hours = _number(value, field)
    if not re.search(r"\bhours?\b", field.name, re.IGNORECASE):
        raise Unfit(f"a duration field holds seconds, {exact(hours)} is no number of hours. Make it a number")
    return round(3600 * hours)


def _stars(value: str | float, field: Field) -> int:
    number = _number(value, field)
    if number != int(number) or not 1 <= number <= MOST_STARS:
        raise Unfit(f"a rating field holds 1 to {MOST_STARS} whole stars, not {exact(number)}")
    return int(number)


def link(record_id: str, field: Field) -> str | list[str]:
    """The value that links to one record: a list for a link field, the id for a text field."""
    return [record_id] if field.type == LINKS else record_id


def linked(value: Any) -> tuple[str, ...]:
    """Ids in the value of a link, whatever the type of the field."""
    if isinstance(value, str):
        return (value.strip(),) if value.strip() else ()
    return tuple(map(str, value)) if isinstance(value, Sequence) else ()


def same(found: Any, wanted: str | int | float) -> bool:
    """Whether a live value is already what is wanted; no value and an empty text are the same.

    A rich text is it too if it means the same, see `include.plan.blocks.plain`.
    """
    if isinstance(wanted, str):
        return (found or "") in (wanted, f"{wanted}\n") or (
            isinstance(found, str) and "\\" in found and blocks.plain(found) == blocks.plain(wanted)
        )
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
