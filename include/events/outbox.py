"""The outbox: callbacks add what happened in one statement, the sync of the plan takes it from there.

An event is never the truth, it only tells sooner what Airflow and the tables say as well. So it may be
lost, doubled or out of order. Every sync reads the events of the newest runs of each DAG, marked or not, and
no older ones. The mark, `drained_at`, says that the plan knows an event: only then may it be forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast

import psycopg

from include.storage.connection import Connection, connect, exists, statement

CONNECT_TIMEOUT = 2  # seconds, the least that libpq takes
_OPTIONS = "-c TimeZone=UTC -c statement_timeout=1000 -c lock_timeout=500"
_CREATE_LOCK = "bqx: create the outbox"
_BATCH = 500  # events marked by one statement
RECENT = 5  # runs of each DAG of which every event is kept and read
_ABSENT = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName)


@dataclass(frozen=True)
class Event:
    """Something that happened to a task, or to a run.

    Attributes:
        dag_id: the DAG.
        run_id: its run.
        task_id: task with its groups; empty for the run as a whole.
        map_index: place in the mapping, -1 for a task that is not mapped.
        pair: currency pair of a mapped task, empty where it has none.
        try_number: which attempt.
        state: as Airflow calls it: running, success, failed, up_for_retry, skipped.
        run_at: when the run was due; orders the runs of a DAG.
        started_at: begin of the attempt.
        ended_at: its end.
        note: why it failed, for people.
    """

    dag_id: str
    run_id: str
    task_id: str
    state: str
    map_index: int = -1
    pair: str = ""
    try_number: int = 0
    run_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    note: str = ""


def post(url: str, event: Event) -> None:
    """Add an event: one statement on a connection of its own, with short time-outs.

    The first event of a database makes the table.

    Args:
        url: libpq connection string.
        event: what happened.

    Raises:
        psycopg.Error: the database does not take it.
    """
    values = asdict(event)
    with psycopg.connect(
        url, autocommit=True, connect_timeout=CONNECT_TIMEOUT, options=_OPTIONS, application_name="bqx events"
    ) as connection:
        try:
            connection.execute(statement("events/post"), values)
        except _ABSENT:
            ensure_table(connection)
            connection.execute(statement("events/post"), values)


def ensure_table(connection: Connection) -> None:
    """Make the outbox unless it is there; several sessions may call this at once."""
    if exists(connection, "event_runs"):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_CREATE_LOCK])
        connection.execute(statement("events/create_table"))


def known_runs(url: str) -> dict[str, dict[str, str]]:
    """When each run was due that an event told of, as ISO text: run id to time, by DAG."""
    found: dict[str, dict[str, str]] = {}
    with connect(url) as connection:
        ensure_table(connection)
        for dag_id, run_id, moment in connection.execute(statement("events/list_runs")):
            found.setdefault(str(dag_id), {})[str(run_id)] = cast(datetime, moment).isoformat()
    return found


def recent(connection: Connection, most: int = RECENT) -> list[Event]:
    """Every event of the newest runs of each DAG, in the order in which they came."""
    return [Event(**row) for row in _named(connection, "events/list_recent", {"most": most})]


def waiting(connection: Connection) -> list[int]:
    """Ids of the events that the plan does not know yet, oldest first."""
    return [int(str(number)) for (number,) in connection.execute(statement("events/list_waiting"))]


def mark_drained(connection: Connection, ids: Sequence[int]) -> int:
    """The plan knows these events now; returns how many were marked. Doing it twice changes nothing."""
    return sum(
        connection.execute(
            statement("events/mark_drained"), {"ids": list(ids[first : first + _BATCH])}
        ).rowcount
        for first in range(0, len(ids), _BATCH)
    )


def forget(connection: Connection, most: int = RECENT) -> int:
    """Delete what old runs left; one event of each run stays, so that the run is known."""
    return connection.execute(statement("events/forget"), {"most": most}).rowcount


def _named(connection: Connection, name: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    cursor = connection.execute(statement(name), values)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]
