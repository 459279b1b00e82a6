"""A real run tells what happened through its callbacks, and Airflow tells the same when it is asked."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import psycopg
import pytest
from bqx.notifier import run_callbacks, task_callbacks
from bqx.running import recent_runs

from include.errors import MissingInput
from include.events import outbox
from include.plan.runs import Work, works
from include.storage.connection import connect

pytestmark = pytest.mark.filterwarnings("default")  # a run goes through all of Airflow

BUILD = ("observed", "pairs.build")
NOTE = "MissingInput: gbpusd has no bars"


def carried_out(dag) -> None:
    """Run a DAG that is in no file: what a run needs in the metadata database is put there first."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    bag = DagBag(os.devnull)
    bag.dags = {dag.dag_id: dag}
    DagBundlesManager().sync_bundles_to_db()
    sync_bag_to_db(bag, "dags-folder", None)
    dag.test(logical_date=datetime(2026, 2, 1, tzinfo=UTC))


def test_events_and_airflow_tell_the_same(
    airflow_database, database_url: str, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk import dag, get_current_context, task, task_group
    from airflow.sdk.exceptions import AirflowSkipException

    monkeypatch.setenv("AIRFLOW_CONN_BQX_POSTGRES", database_url)
    told, events = [], []

    @dag(schedule=None, default_args=task_callbacks(), **run_callbacks())
    def observed():
        @task(map_index_template="{{ pair }}")
        def build(pair: str) -> int:
            get_current_context()["pair"] = pair
            if pair == "gbpusd":
                raise MissingInput("gbpusd has no bars")
            if pair == "usdjpy":
                raise AirflowSkipException
            return 1

        @task(trigger_rule="all_done")
        def ask() -> None:
            told.append(recent_runs(database_url, ["observed", "absent"]))
            with connect(database_url) as connection:
                events.extend(outbox.recent(connection))
                connection.execute("TRUNCATE bqx.events")  # from here on every event is lost
            told.append(recent_runs(database_url, ["observed"]))

        @task_group
        def pairs(pair: str) -> None:
            build(pair)

        pairs.expand(pair=["eurusd", "gbpusd", "usdjpy"]) >> ask()

    carried_out(observed())
    builds = [event for event in events if event.task_id == "pairs.build"]
    assert sorted(event.pair for event in builds if event.state == "running") == [
        "eurusd",
        "gbpusd",
        "usdjpy",
    ]
    ended = {event.pair: event for event in builds if event.state != "running"}
    assert {pair: event.state for pair, event in ended.items()} == {
        "eurusd": "success",
        "gbpusd": "failed",
        "usdjpy": "skipped",
    }
    assert ended["gbpusd"].note == NOTE
    assert all(event.ended_at >= event.started_at for event in ended.values())
    assert sum(event.state == "running" for event in events) == 4  # three builds, and the task that asks

    first, second = told
    assert first["absent"] == []
    by_events, by_airflow = works(events, {}, [BUILD])[BUILD], works(events, first, [BUILD])[BUILD]
    assert by_events == by_airflow
    run_id = first["observed"][0]["run_id"]
    assert by_airflow == Work(run_id, 2, 1, 0, (("gbpusd", NOTE),), seconds=by_airflow.seconds)
    # Without events: the same run, when it was due and its states; only pair and reason are unknown.
    assert second["observed"] == first["observed"]
    assert works([], second, [BUILD])[BUILD] == Work(run_id, 2, 1, 0, (("number 2", ""),))
    (introduced, *_) = db.execute("SELECT run_id, task_id FROM bqx.events ORDER BY event_id").fetchall()
    assert introduced == (run_id, "")
