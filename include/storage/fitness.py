"""What builds need of a table that they did not make: asked before it is renamed, and when a build fails.

A build replaces one month of UTC: it detaches the partition of exactly that month, drops it and attaches
another. So every partition has to be such a month, nothing may hang on a partition itself, and a DEFAULT
partition may not hold rows that belong into a month.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from psycopg import sql

from include.names import SCHEMA, Month
from include.storage.connection import Connection, qualified, statement
from include.storage.ownership import MARK
from include.storage.tables import MOMENT

KEY = ("RANGE (ts_utc)", "PRIMARY KEY (ts_utc)")
_RECIPE = 'docs/migration.md, section "Partitions that are not months", has statements that make it so'
_SHOWN = 3


class _Fact(NamedTuple):
    """One row of ``list_build_facts.sql``."""

    table: str
    fact: str
    subject: str
    detail: str


def bound_of(month: Month) -> str:
    """The bound of a month's partition as PostgreSQL prints it in a session whose time zone is UTC."""
    first, end = bounds(month)
    return f"FOR VALUES FROM ('{first}') TO ('{end}')"


def bounds(month: Month) -> tuple[str, str]:
    """Half-open bounds with an explicit offset, spelled as PostgreSQL prints them."""
    return f"{month}-01 00:00:00+00", f"{month.next}-01 00:00:00+00"


def month_of(bound: str) -> Month | None:
    """The month that a partition's bound is, or None if it is another range, a list, a remainder ..."""
    found = re.match(r"FOR VALUES FROM \('(\d{4}-\d{2})-01 ", bound)
    month = Month.parse(found[1]) if found else None
    return month if month is not None and bound == bound_of(month) else None


def unfit(connection: Connection, tables: Iterable[str]) -> dict[str, list[str]]:
    """Why builds cannot work with some tables, each reason with what to do about it.

    Args:
        connection: a session of `include.storage.connection.connect`.
        tables: names of partitioned tables; of those that do not exist nothing is said.

    Returns:
        Table to reasons; tables that builds can work with are left out.
    """
    facts: dict[str, list[_Fact]] = defaultdict(list)
    values = {"schema": SCHEMA, "tables": list(tables), "mark": MARK}
    for row in connection.execute(statement("storage/list_build_facts"), values):
        fact = _Fact(*map(str, row))
        facts[fact.table].append(fact)
    found = {table: list(_reasons(connection, table, told)) for table, told in facts.items()}
    return {table: reasons for table, reasons in found.items() if reasons}


def _reasons(connection: Connection, table: str, facts: list[_Fact]) -> Iterator[str]:
    of: dict[str, list[_Fact]] = defaultdict(list)
    for fact in facts:
        of[fact.fact].append(fact)
    yield from _about_key(table, of["key"], of["type"])
    yield from _about_columns(of["required"])
    if of["key"][0].subject == KEY[0]:
        yield from _about_partitions(connection, table, of["partition"])
    yield from _about_places(of["elsewhere"], of["not plain"])
    yield from _about_users(table, of["foreign key"], of["user"])


def _about_key(table: str, keys: list[_Fact], types: list[_Fact]) -> Iterator[str]:
    (key,) = keys
    if key.subject != KEY[0]:
        yield f"it is partitioned by {key.subject}, builds need months: RANGE (ts_utc); {_RECIPE}"
    elif types and types[0].detail.upper() != MOMENT:
        yield (
            f"its key ts_utc is {types[0].detail}, builds need {MOMENT.lower()}, and the type of a partition "
            f"key cannot be changed: copy the rows into a table with that key. {_RECIPE}"
        )
    elif key.detail != KEY[1]:
        drop = (
            f"its primary key is {key.detail.removeprefix('PRIMARY KEY ')}" if key.detail else "none is there"
        )
        yield (
            f"ts_utc has to be its primary key, {drop}: ALTER TABLE {SCHEMA}.{table} "
            "ADD PRIMARY KEY (ts_utc)" + ", after dropping the other" * bool(key.detail)
        )


def _about_columns(required: list[_Fact]) -> Iterator[str]:
    if required:
        yield (
            f"columns are NOT NULL without a default, new minutes have no value for them: {_few(required)}. "
            "ALTER TABLE ... ALTER COLUMN ... DROP NOT NULL"
        )


def _about_partitions(connection: Connection, table: str, partitions: list[_Fact]) -> Iterator[str]:
    others = [fact for fact in partitions if fact.detail != "DEFAULT" and month_of(fact.detail) is None]
    if others:
        example = others[0].detail.removeprefix("FOR VALUES ")
        yield (
            f"partitions are no months of UTC: {_few(others)} ({example}), so builds could not replace a "
            f"month; {_RECIPE}"
        )
    for fact in partitions:
        if fact.detail == "DEFAULT" and _has_rows(connection, fact.subject):
            yield (
                f"its DEFAULT partition {fact.subject} holds rows, so their months could not be attached; "
                f"{_RECIPE}"
            )
        month, named = month_of(fact.detail), re.search(r"_(\d{4})_(\d{2})$", fact.subject)
        if month is not None and named is not None and f"{named[1]}-{named[2]}" != str(month):
            yield (
                f"the partition {fact.subject} holds {month}, so a build of {named[1]}-{named[2]} would find "
                f"its name taken: ALTER TABLE {SCHEMA}.{fact.subject} RENAME TO ..."
            )


def _about_places(elsewhere: list[_Fact], not_plain: list[_Fact]) -> Iterator[str]:
    if elsewhere:
        yield (
            f"partitions are in another schema: {_few(elsewhere)}. ALTER TABLE {elsewhere[0].subject} "
            f"SET SCHEMA {SCHEMA}"
        )
    if not_plain:
        yield f"the partition {not_plain[0].subject} is {not_plain[0].detail}; {_RECIPE}"


def _about_users(table: str, keys: list[_Fact], users: list[_Fact]) -> Iterator[str]:
    for key in keys:
        yield (
            f"the foreign key {key.detail} of {key.subject} refers to it, and a month that is referred to "
            f"cannot be replaced: ALTER TABLE {key.subject} DROP CONSTRAINT {key.detail}"
        )
    for user in users[:_SHOWN]:
        yield (
            f"something depends on the partition {SCHEMA}.{user.subject} itself, which builds replace: "
            f"{user.detail}; let it read {SCHEMA}.{table} instead"
        )


def _few(facts: list[_Fact]) -> str:
    listed = ", ".join(fact.subject for fact in facts[:_SHOWN])
    return listed if len(facts) <= _SHOWN else f"{listed} and {len(facts) - _SHOWN} more"


def _has_rows(connection: Connection, table: str) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(qualified(table))
    return connection.execute(query).fetchone() == (True,)
