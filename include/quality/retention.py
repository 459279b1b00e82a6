"""Cleaning up: reports of old runs, and tables that a build left behind. It says what it removes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import psycopg
from psycopg import sql

from include.features.catalogue import STORED
from include.names import SCHEMA
from include.pairs import PAIRS
from include.reports import Reports
from include.storage.connection import Connection, connect, exists, qualified, statement

# The reports of a data set go with it, see include/dataset/retention.py.
BY_RUN = ("quality", "migration", "training", "decisions", "plan")
LOCK_TIMEOUT = "500ms"  # nobody queues behind our request for longer
_LEFTOVER = re.compile(rf"({'|'.join(('m1', 'bqx', *STORED))})_({'|'.join(PAIRS)})_\d{{4}}_\d{{2}}__build")


class Leftover(NamedTuple):
    """A table that a build would have renamed and attached."""

    name: str
    bytes: int


def clean_up(url: str, reports: Reports, keep_runs: int, *, dry_run: bool = False) -> dict[str, object]:
    """Remove reports of all but the newest runs, and tables that a build left behind.

    Args:
        url: libpq connection string.
        reports: all reports; a run with anything else among them is left alone.
        keep_runs: the newest runs of each kind whose reports stay, at least 0.
        dry_run: say what would be removed, remove nothing.

    Returns:
        Plain values: runs kept, `reports` (``kind/run``) and tables removed (or to remove), their bytes;
        `not_ours`: runs that stay because something among their reports is not ours; `in_use`: tables that
        somebody held and that therefore stay.

    Raises:
        ValueError: `keep_runs` is negative.
    """
    if keep_runs < 0:
        raise ValueError(f"keep_runs is {keep_runs}; it is a number of runs, at least 0")
    with connect(url) as connection:
        leftovers = list(_leftovers(connection))
        in_use = [] if dry_run else [one.name for one in leftovers if not _drop(connection, one.name)]
        needed = _of_last_gates(connection)
    removed = [reports.remove_old(kind, keep_runs, needed=needed, dry_run=dry_run) for kind in BY_RUN]
    return {
        "dry_run": dry_run,
        "runs_kept": sum(one.kept for one in removed),
        "reports": [run for one in removed for run in one.runs],
        "tables": [one.name for one in leftovers if one.name not in in_use],
        "bytes": sum(one.bytes for one in removed)
        + sum(one.bytes for one in leftovers if one.name not in in_use),
        "not_ours": [run for one in removed for run in one.not_ours],
        "in_use": in_use,
    }


def _of_last_gates(connection: Connection) -> list[str]:
    """Runs with the last gate of a partition: it is not looked at again while it does not change."""
    if not exists(connection, "gate_log"):
        return []
    return [str(label) for (label,) in connection.execute("SELECT DISTINCT run_label FROM bqx.gate_log")]


def _leftovers(connection: Connection) -> Iterator[Leftover]:
    for name, size in connection.execute(statement("quality/list_leftovers")):
        if _LEFTOVER.fullmatch(str(name)):
            yield Leftover(str(name), int(str(size)))


def _drop(connection: Connection, table: str) -> bool:
    """Drop a leftover unless somebody uses it; a table that depends on it keeps it too."""
    assert _LEFTOVER.fullmatch(table), f"{SCHEMA}.{table} is no leftover of a build"
    try:
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(qualified(table)))
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DependentObjectsStillExist):
        return False
    return True
