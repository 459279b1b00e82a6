"""bqx_retrain as Airflow sees it: when it is due, what follows what, and how a run ends without bars."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include import settings
from include.retraining.forms import RETRAIN_PARAMS

pytestmark = pytest.mark.filterwarnings("default")  # a run goes through all of Airflow


@pytest.fixture
def dag(dagbag: Any) -> Any:
    return dagbag.dags["bqx_retrain"]


def due(dag: Any, start: datetime, end: datetime) -> list[datetime]:
    """When runs of the schedule are due between two moments."""
    from airflow.serialization.serialized_objects import DagSerialization

    known = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    return [info.run_after for info in known.iter_dagrun_infos_between(start, end)]


@pytest.mark.parametrize("month", [3, 10, 11])
def test_a_week_has_one_run_also_when_clocks_change(dag: Any, month: int) -> None:
    """Europe changes its clocks on the last Sunday of March and October, America in March and November."""
    start = datetime(2026, month, 1, tzinfo=UTC)
    found = due(dag, start, start + timedelta(days=35))
    assert len(found) == 5
    assert {(each.weekday(), each.hour, each.minute) for each in found} == {(0, 2, 0)}
    apart = {(later - earlier).total_seconds() for earlier, later in itertools.pairwise(found)}
    assert apart == {timedelta(days=7).total_seconds()}


def test_missed_weeks_are_not_made_up_and_one_runs_at_a_time(dag: Any) -> None:
    assert not dag.catchup
    assert dag.max_active_runs == 1


def test_a_drift_starts_it_too(dagbag: Any, dag: Any) -> None:
    assert dag.timetable.asset_condition.uri == settings.DRIFT_ASSET
    drifted = dagbag.dags["bqx_monitor"].get_task("drifted")
    assert [asset.uri for asset in drifted.outlets] == [settings.DRIFT_ASSET]
    assert drifted.upstream_task_ids == {"conclude", "plan"}
    assert drifted.trigger_rule == "all_done_min_one_success", "a pair that was not watched stops nothing"
    assert not drifted.downstream_task_ids


def test_order(dag: Any) -> None:
    order = [
        "begin", "quiet", "source", "load", "plan", "stale", "features", "dataset", "train", "candidates",
        "compare", "decide", "serve.chosen", "serve.deploy", "conclude",
    ]  # fmt: skip
    for before, after in itertools.pairwise(order):
        assert before in dag.get_task(after).get_flat_relative_ids(upstream=True), (before, after)
    assert {task.task_id for task in dag.tasks if not task.downstream_task_ids} == {"conclude"}
    assert dag.get_task("conclude").trigger_rule == "all_done", "how it ended is kept however it ended"
    assert "coming" in dag.get_task("dataset").upstream_task_ids
    phases = {task.trigger_dag_id: task for task in dag.tasks if hasattr(task, "trigger_dag_id")}
    assert phases.keys() == {"bqx_load", "bqx_features", "bqx_dataset", "bqx_train", "bqx_deploy"}
    for task in phases.values():
        assert task.deferrable, "waiting holds no worker"
        assert "{{ run_id }}" in task.trigger_run_id, "another attempt finds the same run"
    names = {task.trigger_run_id for task in dag.tasks if getattr(task, "trigger_dag_id", "") == "bqx_deploy"}
    assert len(names) == 2


def test_it_waits_for_whatever_changes_what_it_reads(dagbag: Any, dag: Any) -> None:
    assert set(settings.CHANGING) <= set(dagbag.dags)
    phases = {task.trigger_dag_id for task in dag.tasks if hasattr(task, "trigger_dag_id")}
    assert phases <= set(settings.CHANGING), "or a backfill could run beside it"
    assert dag.get_task("quiet").mode == "reschedule", "waiting holds no worker"


def test_a_run_without_bars_fails_and_says_so(
    airflow_database: None, dag: Any, database_url: str, monkeypatch: pytest.MonkeyPatch, db: Any
) -> None:
    """Whatever fails before a decision, the last task keeps it and fails the run."""
    monkeypatch.setenv("AIRFLOW_CONN_BQX_POSTGRES", database_url)
    retries = [(task, task.retries) for task in dag.tasks]
    for task in dag.tasks:
        task.retries = 0
    params = {name: schema["default"] for name, schema in RETRAIN_PARAMS.items()} | {"pairs": ["eurusd"]}
    try:
        done = dag.test(run_conf=params)
    finally:
        for task, number in retries:
            task.retries = number
    states = {each.task_id: str(each.state) for each in done.get_task_instances()}
    assert str(done.state) == "failed"
    assert (states["begin"], states["quiet"], states["load"]) == ("success", "success", "skipped")
    assert (states["plan"], states["conclude"]) == ("failed", "failed")
    rows = db.execute("SELECT state, summary FROM bqx.retrainings").fetchall()
    assert rows == [("failed", "There is no decision. Tasks failed: plan.")]
