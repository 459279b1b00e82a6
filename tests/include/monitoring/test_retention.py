"""What is older than its time is found, reported, and removed only if somebody says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include import forms
from include.alerts import store as alerts
from include.events import outbox
from include.events.outbox import Event
from include.monitoring import retention, store
from include.monitoring.declaration import declared
from include.monitoring.values import Reading
from include.names import to_minute
from include.objects import ObjectStore
from include.reports import Reports
from include.serving import captures
from include.storage.connection import connect
from include.storage.schema import ensure_tables
from include.storage.tables import PREDICTIONS, table_of
from tests import s3
from tests.include.monitoring.worlds import BUDGET

PARAMS = {name: schema["default"] for name, schema in forms.RETENTION_PARAMS.items()}
NOW = datetime.now(UTC)
TABLE = table_of(PREDICTIONS, "eurusd").name


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[ObjectStore]:
    with s3.served(tmp_path) as server:
        store = ObjectStore(s3.connect(server.server_port), "bqx", "")
        store.ensure_bucket()
        yield store


@pytest.fixture
def url(database_url: str) -> str:
    """An old and a new row of everything."""
    with connect(database_url) as connection:
        captures.ensure_table(connection)
        alerts.ensure_tables(connection)
        ensure_tables(connection, [table_of(PREDICTIONS, "eurusd")])
        for days in (400, 1):
            moment = NOW - timedelta(days=days * 2)
            connection.execute(
                "INSERT INTO bqx.captures (ts_utc, pair, request_id, as_of, version, inputs)"
                " VALUES (%s, 'eurusd', 'r', %s, 'v', 'i')",
                [moment, moment],
            )
            store.keep(connection, declared(BUDGET), [Reading("cost", 1.0)], to_minute(moment), "run")
            connection.execute(
                "INSERT INTO bqx.alerts VALUES (%s, 'k', 'k', 't', 'warning', TRUE, '', '', '{}', 0, '{}',"
                " %s, %s, %s, FALSE, 1, '', %s)",
                [str(days), moment, moment, moment, moment],
            )
            month = f"{moment:%Y-%m}-01"
            connection.execute(
                f"CREATE TABLE bqx.{TABLE}_{moment:%Y_%m} PARTITION OF bqx.{TABLE}"
                f" FOR VALUES FROM ('{month}') TO ('{moment + timedelta(days=32):%Y-%m}-01')"
            )
    for number in range(outbox.RECENT + 2):
        outbox.post(database_url, Event("bqx_load", f"run {number}", "t", "success", run_at=NOW))
    with connect(database_url) as connection:
        connection.execute("UPDATE bqx.events SET posted_at = %s", [NOW - timedelta(days=200)])
        outbox.mark_drained(connection, outbox.waiting(connection)[1:])
    return database_url


def rows(url: str) -> dict[str, int]:
    with connect(url) as connection:
        counted = {
            table: int(str((connection.execute(f"SELECT count(*) FROM bqx.{table}").fetchone() or (0,))[0]))
            for table in ("captures", "monitor_values", "alerts", "events")
        }
        months = connection.execute(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = %s::REGCLASS", [f"bqx.{TABLE}"]
        ).fetchone()
    return counted | {"months": int(str((months or (0,))[0]))}


def sweep(url: str, bucket: ObjectStore, forget: Any = None, **params: Any) -> dict[str, Any]:
    reports = Reports(bucket._replace(prefix="reports"))
    return retention.sweep(url, bucket, reports, PARAMS | params, "now", forget)


def test_a_dry_run_is_the_default_and_removes_nothing(url: str, bucket: ObjectStore) -> None:
    before = rows(url)
    told = sweep(url, bucket)
    assert rows(url) == before
    assert told["swept"] == {
        "captures": 1, "values of the monitor": 1, "incidents that are over": 1, "events of the outbox": 1,
        "predictions": 1, "archives of models": 0, "training jobs": 0, "reports": 0,
    }  # fmt: skip
    assert told["summary"].startswith(
        "Retention, would be removed (dry run):\n  captures: 1 rows (90 days kept)"
    )


def test_what_is_old_goes_what_is_new_stays_and_a_second_time_there_is_nothing(
    url: str, bucket: ObjectStore
) -> None:
    planned = sweep(url, bucket)["swept"]
    before = rows(url)
    assert sweep(url, bucket, dry_run=False)["swept"] == planned, "what was planned is what is done"
    assert rows(url) == {name: count - 1 for name, count in before.items()}
    assert set(sweep(url, bucket, dry_run=False)["swept"].values()) == {0}


def test_reports_are_kept_by_the_number_of_runs(url: str, bucket: ObjectStore) -> None:
    reports = Reports(bucket._replace(prefix="reports"))
    kinds = {"monitoring", "retraining", "review", "experiments"}
    for number in range(4):
        for kind in kinds:
            reports.write(kind, f"run{number}", {"index.html": "x"})
        reports.write("migration", f"run{number}", {"plan.md": "x"})
    assert sweep(url, bucket, keep_reports=1, dry_run=False)["swept"]["reports"] == 3 * len(kinds)
    for kind in kinds:
        assert [found.key for found in bucket.list(f"reports/{kind}/")] == [f"reports/{kind}/run3/index.html"]
    assert len(list(bucket.list("reports/migration/"))) == 4, "documents stay for ever"


def test_runs_of_jobs_that_are_there_stay(url: str, bucket: ObjectStore) -> None:
    bucket.put("training/0123456789abcdef/bqx-eurusd-rf-1/result.json", b"{}")
    asked: list[tuple[datetime, frozenset[str], bool]] = []

    def forget(before: datetime, jobs: frozenset[str], dry_run: bool) -> int:
        asked.append((before, jobs, dry_run))
        return 3

    assert sweep(url, bucket, forget)["swept"]["runs of MLflow"] == 3
    ((before, jobs, dry_run),) = asked
    assert abs(datetime.now(UTC) - timedelta(days=365) - before) < timedelta(minutes=5)
    assert (jobs, dry_run) == (frozenset({"bqx-eurusd-rf-1"}), True)


def test_an_empty_database_has_nothing_to_remove(database_url: str, bucket: ObjectStore) -> None:
    assert set(sweep(database_url, bucket, dry_run=False)["swept"].values()) == {0}
