"""What every partition holds before the migration: exact counts and content fingerprints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from include.errors import MigrationRefused
from include.migration import journal
from include.migration.locking import session
from include.migration.model import Batch, Plan
from include.migration.objects import find
from include.names import SCHEMA
from include.storage.connection import Connection, statement
from include.storage.content import Content, measure


class Leaf(NamedTuple):
    """A table that holds rows: a partition, or the table itself where it is not partitioned."""

    oid: int
    name: str
    file_node: int
    bound: str
    columns: tuple[str, ...]


class Baseline(NamedTuple):
    """A leaf and its content before the migration."""

    family: str
    parent: int
    leaf: Leaf
    content: Content
    verified: bool


def take(url: str, plan: Plan, pair: str) -> dict[str, object]:
    """Count and fingerprint every partition of the batches at work of a pair.

    After a kill in the middle of a batch list, batches that were renamed keep the baseline taken before
    (identities are compared, not names); batches that were not touched are counted again, so that rows
    written between two runs are not mistaken for damage.

    Args:
        url: libpq connection string.
        plan: the plan that is about to be executed.
        pair: the currency pair.

    Returns:
        Plain values: pair, batches, partitions, rows (of the batches counted now), kept (batches whose
        baseline was kept).

    Raises:
        Busy: another run is migrating this pair.
        MigrationRefused: a table of the plan is gone.
    """
    batches = [batch for batch in plan.at_work if batch.pair == pair]
    counted, partitions, rows = 0, 0, 0
    if batches:
        with session(url, pair) as connection:
            journal.ensure_tables(connection)
            for batch in batches:
                if _is_kept(connection, batch):
                    continue
                contents = _take_batch(connection, batch)
                counted += 1
                partitions += len(contents)
                rows += sum(content.rows for content in contents)
    return {
        "pair": pair,
        "batches": counted,
        "partitions": partitions,
        "rows": rows,
        "kept": len(batches) - counted,
    }


def read(connection: Connection, pair: str) -> list[Baseline]:
    """The stored baselines of a pair."""
    return [
        Baseline(
            family,
            parent,
            Leaf(oid, name, file_node, bound, tuple(columns)),
            Content(rows, first, last, fingerprint),
            verified,
        )
        for (
            family,
            parent,
            oid,
            name,
            file_node,
            bound,
            rows,
            first,
            last,
            fingerprint,
            columns,
            verified,
        ) in _rows(connection, "read_baseline", {"pair": pair})
    ]


def leaves(connection: Connection, parent: int) -> list[Leaf]:
    """The tables that hold the rows of a parent, by name."""
    return [
        Leaf(oid, name, file_node, bound, tuple(columns))
        for oid, name, file_node, bound, columns in _rows(connection, "list_leaves", {"parent": parent})
    ]


def _take_batch(connection: Connection, batch: Batch) -> list[Content]:
    parent = find(connection, batch.old) or find(connection, batch.new)
    if parent is not None and parent.kind == "v":  # a compatibility view: the table has its new name
        parent = find(connection, batch.new)
    if parent is None:
        raise MigrationRefused(f"Table {SCHEMA}.{batch.old} is gone since the plan was made; plan again.")
    found = leaves(connection, parent.oid)
    contents = [measure(connection, leaf.name, leaf.columns) for leaf in found]
    with connection.transaction():
        connection.execute(
            statement("migration/drop_baseline"),
            {"pair": batch.pair, "family": batch.family, "oids": [leaf.oid for leaf in found]},
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                statement("migration/record_baseline"),
                [
                    leaf._asdict()
                    | content._asdict()
                    | {"family": batch.family, "pair": batch.pair, "parent": parent.oid}
                    | {"columns": list(leaf.columns)}
                    for leaf, content in zip(found, contents, strict=True)
                ],
            )
    return contents


def _is_kept(connection: Connection, batch: Batch) -> bool:
    parts = {"pair": batch.pair, "family": batch.family}
    return connection.execute(statement("migration/is_baseline_kept"), parts).fetchone() == (True,)


def _rows(connection: Connection, name: str, values: dict[str, object]) -> Iterable[tuple[Any, ...]]:
    return connection.execute(statement(f"migration/{name}"), values)
