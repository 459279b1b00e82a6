"""After a migration: is everything where it was, is everything in it, is no old name left?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql

from include.errors import MigrationFailed
from include.migration import baseline, journal, views
from include.migration.baseline import Baseline, Leaf
from include.migration.journal import Entry
from include.migration.locking import LOCK_TIMEOUT, PATIENCE, session
from include.migration.names import (
    FAMILIES,
    mention_pattern,
    new_parent,
    partition_mention_pattern,
    spellings,
)
from include.migration.objects import find
from include.names import LEGACY, SCHEMA
from include.storage.connection import Connection, statement
from include.storage.content import measure
from include.storage.locks import attempts
from include.storage.stage_order import legacy_tables

_SHOWN = 10  # problems named in a message


class _Names(NamedTuple):
    """What the objects of a batch must be called: new names by oid, and renamed columns."""

    tables: Mapping[int, str]
    columns: Mapping[str, str]


class _Undo(Exception):
    """Leaves a transaction without a trace."""


def run(
    url: str, pair: str, *, waive_functions: bool = False, compatibility_views: bool = False
) -> dict[str, object]:
    """Compare a pair with its baseline, and look for anything that still goes by an old name.

    Contents are compared once: a batch that was found right is marked, because the builds write its
    tables from then on. Names, views and functions are checked every time.

    Args:
        url: libpq connection string.
        pair: the currency pair.
        waive_functions: accept functions whose text mentions an old name.
        compatibility_views: views answer to the old names, but for those of single partitions.

    Returns:
        Plain values: pair, batches, partitions, rows (compared now), views, materialized_views,
        functions (that mention old names).

    Raises:
        MigrationFailed: something is not as it was before; every object is named.
        Busy: another run is migrating this pair.
    """
    with session(url, pair) as connection:
        journal.ensure_tables(connection)
        entries = journal.in_force(connection, pair)
        stored = [row for row in baseline.read(connection, pair) if not row.verified]
        problems, right = [], []
        for family in sorted({row.family for row in stored}):
            rows = [row for row in stored if row.family == family]
            found = _family(connection, family, pair, rows, _expected(entries, family))
            problems += found
            right += [] if found else [family]
        dependents, wrong = _dependents(connection, pair)
        functions = functions_with_old_names(connection, pair)
        problems += _old_names(connection, pair) + wrong
        problems += [problem for found in views.problems(connection, pair).values() for problem in found]
        if not waive_functions:
            broken = _functions(
                connection,
                partition_mention_pattern([pair]) if compatibility_views else mention_pattern([pair]),
            )
            problems += [f"function {name} mentions a table by its old name" for name in broken]
        connection.execute(statement("migration/mark_verified"), {"pair": pair, "families": right})
    _complain(pair, problems)
    return {
        "pair": pair,
        "batches": len(right),
        "partitions": len(stored),
        "rows": sum(row.content.rows for row in stored),
        "views": dependents["v"],
        "materialized_views": dependents["m"],
        "functions": functions,
    }


def reverted(url: str, pair: str) -> dict[str, object]:
    """Compare a pair with its baseline after its renames were taken back.

    A partition that a build replaced in between is not compared, it is listed.

    Returns:
        Plain values: pair, partitions, rows (compared), rebuilt (names of replaced partitions).

    Raises:
        MigrationFailed: a partition is lost or holds something else than before.
        Busy: another run is migrating this pair.
    """
    with session(url, pair) as connection:
        journal.ensure_tables(connection)
        migrated = {entry.family for entry in journal.in_force(connection, pair)}
        stored = [row for row in baseline.read(connection, pair) if row.family not in migrated]
        problems, compared, rebuilt = list[str](), list[Baseline](), list[str]()
        for row in stored:
            now = {leaf.oid: leaf for leaf in baseline.leaves(connection, row.parent)}
            twin = {leaf.bound: leaf.name for leaf in now.values()}.get(row.leaf.bound)
            if row.leaf.oid in now:
                compared.append(row)
                problems += _leaf(connection, row, now[row.leaf.oid], row.leaf.name, row.leaf.columns)
            elif twin is not None:
                rebuilt.append(twin)
            else:
                problems.append(f"partition {SCHEMA}.{row.leaf.name} is lost")
    _complain(pair, problems)
    return {
        "pair": pair,
        "partitions": len(compared),
        "rows": sum(row.content.rows for row in compared),
        "rebuilt": sorted(rebuilt),
    }


def _complain(pair: str, problems: Sequence[str]) -> None:
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise MigrationFailed(
            f"{pair}: {'; '.join(problems[:_SHOWN])}{more}. Find out who changed it, or take the names "
            "back with the revert run."
        )


def _expected(entries: Iterable[Entry], family: str) -> _Names:
    renames = [entry.rename for entry in entries if entry.family == family]
    return _Names(
        {rename.oid: rename.new for rename in renames if rename.kind in ("table", "partition")},
        {rename.old: rename.new for rename in renames if rename.kind == "column"},
    )


def _family(
    connection: Connection, family: str, pair: str, rows: Sequence[Baseline], names: _Names
) -> list[str]:
    """Problems of one batch: the parent, the set of its partitions, each partition."""
    parent = rows[0].parent
    name = new_parent(family, pair)
    found = find(connection, name)
    if found is None or found.oid != parent:
        return [f"table {SCHEMA}.{name} is not the table that was migrated"]
    now = {leaf.oid: leaf for leaf in baseline.leaves(connection, parent)}
    known = {row.leaf.oid for row in rows}
    problems = [
        f"partition {SCHEMA}.{leaf.name} was not there before"
        for leaf in now.values()
        if leaf.oid not in known
    ]
    for row in rows:
        wanted = names.tables.get(row.leaf.oid, row.leaf.name)
        if row.leaf.oid not in now:
            problems.append(f"partition {SCHEMA}.{wanted} is lost")
            continue
        leaf = now[row.leaf.oid]
        columns = tuple(names.columns.get(column, column) for column in row.leaf.columns)
        if leaf.columns != columns:
            problems.append(f"{SCHEMA}.{leaf.name} has other columns than before")
        problems += _leaf(connection, row, leaf, wanted, columns)
    return problems


def _leaf(connection: Connection, row: Baseline, leaf: Leaf, name: str, columns: Sequence[str]) -> list[str]:
    """Problems of one partition; `columns` are those of the baseline by their present names."""
    where = f"{SCHEMA}.{leaf.name}"
    problems = []
    if leaf.name != name:
        problems.append(f"{where} should be called {name}")
    if leaf.file_node != row.leaf.file_node:
        problems.append(f"{where} was written anew (other file on disk)")
    if leaf.bound != row.leaf.bound:
        problems.append(f"{where} has other bounds than before ({row.leaf.bound})")
    if missing := sorted(set(columns) - set(leaf.columns)):
        return [*problems, f"{where} has lost the columns {', '.join(missing)}"]
    before, after = row.content, measure(connection, leaf.name, columns)
    if after.rows != before.rows:
        problems.append(f"{where} has {after.rows:,} rows, before it had {before.rows:,}")
    elif after != before:
        problems.append(f"{where} has as many rows as before but other contents")
    return problems


def _old_names(connection: Connection, pair: str) -> list[str]:
    """Tables, indexes, constraints and sequences of the pair that still go by an old name."""
    problems = [f"table {SCHEMA}.{name} still has its old name" for name in legacy_tables(connection, [pair])]
    for family in LEGACY:
        parent = find(connection, new_parent(family, pair))
        if parent is None:
            continue
        olds = "|".join(spellings(family, pair, rate_names=True))
        values = {"parent": parent.oid, "pattern": rf"(^|[^A-Za-z0-9])({olds})([^A-Za-z0-9]|$)"}
        objects = connection.execute(statement("migration/list_old_object_names"), values)
        problems += [f"{SCHEMA}.{name} still has an old name in its own" for (name,) in objects]
    return problems


def functions_with_old_names(connection: Connection, pair: str) -> list[str]:
    """Functions whose text mentions a table of the pair by its old name."""
    return _functions(connection, mention_pattern([pair]))


def _functions(connection: Connection, pattern: str) -> list[str]:
    rows = connection.execute(statement("migration/list_functions"), {"pattern": pattern})
    return [str(name) for (name,) in rows]


def _dependents(connection: Connection, pair: str) -> tuple[dict[str, int], list[str]]:
    """Use every view that reads the pair's tables. Returns the number by kind, and problems."""
    parents = [find(connection, new_parent(family, pair)) for family in FAMILIES]
    tables = [parent.oid for parent in parents if parent is not None]
    tables += [leaf.oid for table in list(tables) for leaf in baseline.leaves(connection, table)]
    rows = connection.execute(statement("migration/list_dependents"), {"tables": tables}).fetchall()
    count, problems = {"v": 0, "m": 0}, []
    for schema, name, kind in rows:
        count[str(kind)] += 1
        view = sql.Identifier(str(schema), str(name))
        try:
            _refresh(connection, view) if kind == "m" else _select(connection, view)
        except psycopg.Error as error:
            what = "refreshed" if kind == "m" else "read"
            problems.append(f"view {schema}.{name} cannot be {what}: {error.diag.message_primary or error}")
    return count, problems


def _select(connection: Connection, view: sql.Identifier) -> None:
    connection.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(view))


def _refresh(connection: Connection, view: sql.Identifier) -> None:
    """Refresh a materialized view and take it back; readers of it wait for that long at most."""
    for attempt in attempts(PATIENCE, (psycopg.errors.LockNotAvailable,)):
        with attempt:
            try:
                with connection.transaction():
                    connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
                    connection.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(view))
                    raise _Undo
            except _Undo:
                pass
