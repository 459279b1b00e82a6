"""A whole migration as the DAG carries it out, and everything of a database that it must not lose.

`carry_out` keeps a record of the tasks that have ended, as Airflow does: called again with the same
folder it goes on where it was killed (somebody clears the task), with another folder it is a new run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import sql

from include.migration import journal, steps
from include.migration.plan import Options
from include.migration.steps import MIGRATE, Request
from include.storage.connection import connect
from tests.include.migration import database
from tests.reports import in_folder

_OBJECTS = """
SELECT oid::BIGINT, coalesce(pg_relation_filenode(oid), 0)::BIGINT, relkind::TEXT, relname::TEXT,
    coalesce(pg_get_expr(relpartbound, oid), '')
FROM pg_class
WHERE relnamespace::REGNAMESPACE::TEXT !~ '^(pg_|information_schema)'
    AND relkind <> 'v' AND relname NOT LIKE 'migration\\_%'
"""
_TABLES = """
SELECT oid::BIGINT, relnamespace::REGNAMESPACE::TEXT, relname::TEXT FROM pg_class WHERE oid = any(%s::OID[])
"""
_CONTENTS = """
SELECT {}::BIGINT, count(*), coalesce(sum(hashint8extended(hash_record_extended(t, 0), 0)), 0) FROM {} AS t
"""
_JOURNAL = """
SELECT family, pair, oid::BIGINT, kind, new_name FROM bqx.migration_journal WHERE state = 'renamed'
"""
_UNVERIFIED = "SELECT DISTINCT family, pair FROM bqx.migration_baseline WHERE verified_at IS NULL"


def request(
    pairs: Sequence[str],
    action: str = MIGRATE,
    *,
    views: bool = False,
    waive: bool = True,
    options: Options | None = None,
) -> Request:
    """What a run is asked for."""
    return Request(tuple(pairs), action, views, waive, options or Options())


def carry_out(url: str, folder: Path, wanted: Request, *, parallel: int = 1) -> dict[str, Any]:
    """Every task of a run, in the DAG's order, but for those that the folder says have ended.

    Returns:
        What the tasks returned, by name: ``plan``, ``prepare``, ``count eurusd``, ``apply eurusd`` ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    ended = folder / "tasks.jsonl"
    results = dict(map(json.loads, ended.read_text().splitlines())) if ended.exists() else {}

    def task(name: str, work: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if name not in results:
            results[name] = work(url, wanted, *args, **options)
            with ended.open("a") as stream:
                stream.write(json.dumps([name, results[name]], default=str) + "\n")
        return results[name]

    kept = {"reports": in_folder(folder.parent), "run_label": folder.name}
    made = task("plan", steps.plan, **kept)
    if not made["pairs"]:
        return results
    task("prepare", steps.prepare, made, parallel=parallel)
    for pair in made["pairs"]:
        task(f"count {pair}", steps.count, made["hash"], pair)
    for pair in made["pairs"]:
        task(f"apply {pair}", steps.apply, made["hash"], pair)
        task(f"check {pair}", steps.check, pair)
    task("publish", steps.publish, made["hash"], **kept)
    return results


def document(folder: Path, name: str) -> Path:
    """Where a run of `carry_out` puts one of its documents."""
    return folder.parent / "migration" / folder.name / name


class State(NamedTuple):
    """What a database holds.

    Attributes:
        schema: all of it as pg_dump prints it, but for the migration's own records.
        objects: identity, file on disk, kind, name and bound of every table, index, sequence and
            materialized view.
        contents: rows and fingerprint of every ordinary table, by its identity.
    """

    schema: str
    objects: frozenset[tuple[int, int, str, str, str]]
    contents: dict[int, tuple[int, int]]

    @property
    def tables(self) -> dict[int, str]:
        """Names of tables and partitions by identity."""
        return {oid: name for oid, _, kind, name, _ in self.objects if kind in "rp"}


def state_of(url: str, *, schema: bool = True) -> State:
    """Read everything that a migration may change or break; `schema` False leaves that out, it takes long."""
    with connect(url) as connection:
        objects = frozenset(connection.execute(_OBJECTS).fetchall())
        tables = sorted(found[0] for found in objects if found[2] == "r")
        query = sql.SQL(" UNION ALL ").join(
            sql.SQL(_CONTENTS).format(sql.Literal(oid), sql.Identifier(schema, name))
            for oid, schema, name in connection.execute(_TABLES, [tables]).fetchall()
        )
        contents = {oid: (rows, int(values)) for oid, rows, values in connection.execute(query)}
    return State(database.dump(url) if schema else "", objects, contents)


class Work(NamedTuple):
    """What the journal says.

    Attributes:
        batches: number of renames in force, by family and pair.
        names: new name of the tables and partitions that were renamed, by identity.
        unverified: batches that were counted and not compared yet.
    """

    batches: Counter[tuple[str, str]]
    names: dict[int, str]
    unverified: list[tuple[str, str]]


def work_of(url: str) -> Work:
    """Read the journal; empty if there is none."""
    with connect(url) as connection:
        if not journal.is_there(connection):
            return Work(Counter(), {}, [])
        batches, names = Counter[tuple[str, str]](), dict[int, str]()
        for family, pair, oid, kind, new in connection.execute(_JOURNAL):
            batches[family, pair] += 1
            if kind in ("table", "partition"):
                assert oid not in names, f"{new} was renamed twice"
                names[oid] = new
        return Work(batches, names, connection.execute(_UNVERIFIED).fetchall())


def assert_whole(url: str, before: State, after: State, done: Work) -> Work:
    """Every batch is wholly done or untouched, and tables have the names that the journal says.

    Args:
        url: database URL.
        before: the state before the migration.
        after: the state after an undisturbed one.
        done: the journal after that.

    Returns:
        The journal as it is now.
    """
    found, now = work_of(url), state_of(url, schema=False)
    for batch, count in found.batches.items():
        assert count == done.batches[batch], f"{batch} is half done"
    assert now.contents == before.contents
    assert {oid: found.names.get(oid, name) for oid, name in before.tables.items()} == now.tables
    assert now.objects <= before.objects | after.objects
    return found
