"""Everything that grows without end, in one place: what is older than its time, reported, then removed.

Data sets go by `bqx_dataset`, reports of the quality gate by `bqx_features`: they are kept by their number,
and what hangs on them (training jobs, their runs in MLflow) goes here. Documents of the migration stay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from psycopg import sql

from include.events import outbox
from include.monitoring import store
from include.names import SCHEMA, Month, to_datetime
from include.objects import ObjectStore
from include.pairs import PAIRS
from include.reports import KINDS, Reports
from include.serving import captures, clock
from include.serving import retention as serving
from include.storage.connection import Connection, connect, exists, statement
from include.storage.fitness import bound_of
from include.storage.partitions import attached_months
from include.storage.tables import PREDICTIONS, table_of
from include.training import retention as training
from include.training.requests import FOLDER

__all__ = ["REPORTS", "Swept", "sweep"]

log = logging.getLogger(__name__)

# Kinds kept by the number of runs. The others go by `bqx_features` and `bqx_dataset`, or stay for ever.
REPORTS = tuple(sorted(KINDS.keys() - {"quality", "datasets", "migration"}))

Forget = Callable[[datetime, frozenset[str], bool], int]
Plain = dict[str, Any]


class Swept(NamedTuple):
    """What of one kind is older than its time.

    Attributes:
        what: the kind.
        rule: what is kept.
        number: how much was removed, or would be.
        unit: of the number.
    """

    what: str
    rule: str
    number: int
    unit: str

    def __str__(self) -> str:
        return f"{self.what}: {self.number:,} {self.unit} ({self.rule} kept)"


def sweep(
    url: str,
    bucket: ObjectStore,
    reports: Reports,
    params: Mapping[str, Any],
    mode: str,
    forget_runs: Forget | None,
) -> Plain:
    """Find what is older than its time, and remove it unless it is a dry run.

    Args:
        url: libpq connection string.
        bucket: the whole bucket.
        reports: where all reports lie.
        params: those of the form.
        mode: what counts as now for the data, see `include.serving.clock.as_of`; the rest ages by the clock.
        forget_runs: forgets runs of the tracking server that ended before a moment, but those of some jobs;
            None if there is no server.

    Returns:
        ``dry_run``, what was found by kind, and a ``summary``.
    """
    dry_run, now = params["dry_run"], datetime.now(UTC)
    with connect(url) as connection:
        data = to_datetime(clock.as_of(connection, mode))
        swept = _tables(connection, params, data, now, delete=not dry_run)
        swept.append(_predictions(connection, params["predictions_months"], data, delete=not dry_run))
    swept += _objects(bucket, reports, params, dry_run=dry_run)
    if forget_runs is not None:
        days = params["runs_days"]
        jobs = frozenset(found.key.split("/")[2] for found in bucket.list(f"{FOLDER}/"))
        count = forget_runs(now - timedelta(days=days), jobs, dry_run)
        swept.append(Swept("runs of MLflow", f"{days} days, and those whose job is there", count, "runs"))
    what = "would be removed (dry run)" if dry_run else "removed"
    summary = "\n".join([f"Retention, {what}:", *(f"  {each}" for each in swept)])
    log.info(summary)
    return {"dry_run": dry_run, "swept": {each.what: each.number for each in swept}, "summary": summary}


def _tables(
    connection: Connection, params: Mapping[str, Any], data: datetime, now: datetime, *, delete: bool
) -> list[Swept]:
    """Rows of tables that are older than some days."""
    kinds = (
        ("captures", "old_captures", (captures.TABLE,), data, params["captures_days"]),
        ("values of the monitor", "old_values", (store.TABLE,), data, params["values_days"]),
        ("incidents that are over", "old_incidents", ("alerts",), now, params["incidents_days"]),
        ("events of the outbox", "old_events", ("events", "event_runs"), now, params["events_days"]),
    )
    swept = []
    for what, name, tables, newest, days in kinds:
        count = 0
        if exists(connection, *tables):
            asked = {"before": newest - timedelta(days=days), "delete": delete, "most": outbox.RECENT}
            row = connection.execute(statement(f"retention/{name}"), asked).fetchone()
            count = int(str(row[0])) if row else 0
        swept.append(Swept(what, f"{days} days", count, "rows"))
    return swept


def _predictions(connection: Connection, months: int, data: datetime, *, delete: bool) -> Swept:
    """Whole months of predictions: a partition is dropped, not emptied row by row."""
    first = Month(data.year, data.month)
    for _ in range(months):
        first = first.previous
    oldest = bound_of(first)
    gone = [
        name
        for pair in PAIRS
        if exists(connection, table_of(PREDICTIONS, pair).name)
        for bound, name in attached_months(connection, table_of(PREDICTIONS, pair).name).items()
        if bound < oldest
    ]
    if delete:
        for name in gone:
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(SCHEMA, name)))
    return Swept("predictions", f"{months} months", len(gone), "months of a pair")


def _objects(
    bucket: ObjectStore, reports: Reports, params: Mapping[str, Any], *, dry_run: bool
) -> list[Swept]:
    archives = serving.clean_up(bucket, params["keep_states"], dry_run=dry_run)
    jobs = training.clean_up(bucket, dry_run=dry_run)
    runs = [reports.remove_old(kind, params["keep_reports"], dry_run=dry_run).runs for kind in REPORTS]
    states = f"those of {params['keep_states']} states"
    return [
        Swept("archives of models", states, len(archives.removed), "archives"),
        Swept(
            "training jobs", "those of data sets that are there, and decided ones", len(jobs.removed), "jobs"
        ),
        Swept("reports", f"{params['keep_reports']} runs of each kind", sum(map(len, runs)), "runs"),
    ]
