"""Carry out an approved plan for one pair: every batch is one transaction, all of it or nothing.

A batch is looked at by object identity, first without locks (a finished batch costs nobody anything)
and again under them: what was renamed, replaced, attached or detached since the plan stops the batch
before it begins. The journal is written in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from psycopg import sql

from include.errors import MigrationRefused
from include.migration import journal, views
from include.migration.locking import Effort, session, under_locks
from include.migration.model import Batch, Plan, Rename
from include.migration.objects import alter, find, pending, present
from include.names import SCHEMA
from include.storage.connection import Connection, qualified
from include.storage.log import forget_builds
from include.storage.ownership import owned_columns
from include.storage.schema import columns_of


class _Done(NamedTuple):
    renames: list[Rename]
    view: bool


def run(url: str, plan: Plan, pair: str, *, compatibility_views: bool = False) -> dict[str, object]:
    """Rename what the plan says for one pair. What is done already is left alone.

    Args:
        url: libpq connection string.
        plan: the approved plan.
        pair: the currency pair.
        compatibility_views: leave a view under each old parent name, with the old columns.

    Returns:
        Plain values: pair, batches, already_done, renamed (number by kind), views, seconds in
        transactions, retries and longest_wait (seconds).

    Raises:
        Busy: another run is migrating this pair, or queries held a table for too long.
        MigrationRefused: the database is not what was planned; the batch is untouched, batches before
            it are done and journaled.
    """
    batches = [batch for batch in plan.at_work if batch.pair == pair]
    effort, renamed, done = Effort(), Counter[str](), list[_Done]()
    if batches:
        with session(url, pair) as connection:
            journal.ensure_tables(connection)
            for batch in batches:
                result = _batch(connection, batch, plan.hash, effort, with_view=compatibility_views)
                if result is not None:
                    done.append(result)
                    renamed.update(rename.kind for rename in result.renames)
    return {
        "pair": pair,
        "batches": len(done),
        "already_done": len(batches) - len(done),
        "renamed": dict(renamed),
        "views": sum(result.view for result in done),
    } | effort.to_dict()


def _batch(
    connection: Connection, batch: Batch, plan_hash: str, effort: Effort, *, with_view: bool
) -> _Done | None:
    if not pending(connection, batch.renames):
        return None
    parent = _parent_name(connection, batch)
    with_view = with_view and batch.old != batch.new

    def work() -> _Done:
        todo = pending(connection, batch.renames)
        oid = _check_parent(connection, batch, parent)
        if batch.drop_first:
            _drop_ours(connection, batch)
        connection.execute(alter(todo))
        journal.record(connection, plan_hash=plan_hash, family=batch.family, pair=batch.pair, renames=todo)
        return _Done(todo, with_view and views.create(connection, old=batch.old, new=batch.new, table=oid))

    return under_locks(connection, [parent], work, effort)


def _parent_name(connection: Connection, batch: Batch) -> str:
    """The parent's name before this transaction: an interrupted batch may have it renamed already."""
    for rename in batch.renames:
        if rename.kind == "table":
            return present(connection, [rename]).name_of(rename)
    return batch.new


def _check_parent(connection: Connection, batch: Batch, parent: str) -> int:
    """The locked table is the planned one and has the partitions it had.

    Returns:
        Its oid.
    """
    found = find(connection, parent)
    if found is None:
        raise MigrationRefused(f"Table {SCHEMA}.{parent} is gone since the plan was made; plan again.")
    planned = [rename.oid for rename in batch.renames if rename.kind == "table"]
    children = [rename for rename in batch.renames if rename.kind == "partition"]
    strangers = [rename.old for rename in children if rename.oid not in found.partitions]
    what = ""
    if planned not in ([], [found.oid]):
        what = "it was made anew"
    elif strangers:
        what = f"{strangers[0]} is no longer one of its partitions"
    elif len(found.partitions) != batch.partitions:
        what = f"it has {len(found.partitions)} partitions, planned were {batch.partitions}"
    if what:
        raise MigrationRefused(
            f"Table {SCHEMA}.{parent} changed since the plan was made ({what}). Nothing of this batch was "
            "renamed; plan again."
        )
    return found.oid


def _drop_ours(connection: Connection, batch: Batch) -> None:
    """Remove the table of ours that has the new name. Never CASCADE: the server refuses if it is read."""
    name = batch.drop_first
    table = qualified(name)
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table))
    strangers = set(columns_of(connection, name)) - {"ts_utc", *owned_columns(connection, name)}
    filled = connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(table)).fetchone()
    if strangers or (filled != (False,) and not batch.drop_rows):
        what = f"the column {min(strangers)}, which is not ours," if strangers else "rows"
        raise MigrationRefused(
            f"Table {SCHEMA}.{name} has {what} now, so it is not dropped. Nothing of this batch was renamed; "
            "plan again."
        )
    connection.execute(sql.SQL("DROP TABLE {}").format(table))
    forget_builds(connection, name)
