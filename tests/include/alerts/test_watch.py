"""What Airflow and CloudWatch say becomes signals with the right key, and nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include import settings
from include.alerts import watch
from include.alerts.airflow_api import task_link
from include.alerts.policy import ALARM, COST, CRITICAL, DRIFT, FAILURE, LATENCY, WARNING

AT = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BASE = "http://airflow.example/"


def event(**changes: Any) -> dict[str, Any]:
    told = {
        "dag_id": "bqx_features", "run_id": "manual__1", "task_id": "pairs.build", "map_index": 3,
        "pair": "eurusd", "try_number": 2, "failed_at": AT, "note": "QualityError: 3 findings",
    }  # fmt: skip
    return told | changes


def run(state: str, **changes: Any) -> dict[str, Any]:
    told = {
        "dag_id": "bqx_features", "dag_run_id": "manual__1", "state": state,
        "run_after": "2026-03-02T00:00:00Z", "start_date": "2026-03-02T00:00:00Z",
        "end_date": "2026-03-02T12:00:00Z",
    }  # fmt: skip
    return told | changes


def task(state: str, minutes: float, **changes: Any) -> dict[str, Any]:
    since = (AT - timedelta(minutes=minutes)).isoformat()
    told = {
        "dag_id": "bqx_features", "dag_run_id": "manual__1", "task_id": "pairs.build", "map_index": 3,
        "try_number": 1, "state": state, "rendered_map_index": "eurusd",
        "start_date": since if state == "running" else None, "queued_when": since,
    }  # fmt: skip
    return told | changes


def alarm(name: str, described: str = "", state: str = "ALARM") -> dict[str, Any]:
    return {"AlarmName": name, "StateValue": state, "AlarmDescription": described}


def test_runs_of_a_schedule_are_one_series_and_others_stand_alone() -> None:
    assert watch.run_key("d", "scheduled__2026-03-02") == watch.run_key("d", "scheduled__2026-03-09")
    assert watch.run_key("d", "manual__1") != watch.run_key("d", "manual__2")
    assert watch.run_key("d", "scheduled__1") != watch.run_key("e", "scheduled__1")


def test_a_failed_task_is_told_with_pair_reason_and_log() -> None:
    (told,) = watch.of_events([event()], BASE)
    assert told.line == "pairs.build of eurusd: QualityError: 3 findings"
    assert told.pairs == ("eurusd",)
    assert told.link == f"{BASE}dags/bqx_features/runs/manual__1/tasks/pairs.build/mapped/3?try_number=2"
    assert not told.settled, "more of the run may fail"
    assert told.key == watch.run_key("bqx_features", "manual__1")


def test_a_failed_run_settles_its_incident() -> None:
    ended, late = watch.of_events(
        [event(task_id="", pair="", note="task_failure"), event(task_id="", pair="", note="timed_out")], BASE
    )
    assert (ended.settled, ended.line) == (True, "")
    assert late.line == "the run: timed_out"
    assert ended.link == f"{BASE}dags/bqx_features/runs/manual__1"


def test_our_own_failures_are_not_told_by_us() -> None:
    ours = run("failed", dag_id=watch.OURSELVES)
    assert watch.of_events([event(dag_id=watch.OURSELVES)], BASE) == []
    assert watch.of_ended_runs([ours], BASE) == []


def test_ended_runs_begin_and_end_the_incident_that_events_began() -> None:
    failed, well = watch.of_ended_runs([run("failed"), run("success")], BASE)
    (told,) = watch.of_events([event()], BASE)
    assert failed.key == well.key == told.key
    assert (failed.firing, well.firing, failed.kind, failed.at) == (True, False, FAILURE, AT)


@pytest.mark.parametrize("dag_id", ["bqx_sync", "bqx_features"])
@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=1)])
def test_a_run_misses_its_deadline_and_not_before(dag_id: str, late: timedelta) -> None:
    begun = AT - settings.DEADLINES.get(dag_id, settings.DEADLINE) - late
    waiting = run("queued", dag_id=dag_id, start_date=None, run_after=begun.isoformat())
    going = run("running", dag_id=dag_id, dag_run_id="m2", start_date=begun.isoformat())
    assert len(watch.of_unfinished_runs([waiting, going], AT, BASE)) == (2 if late else 0)


@pytest.mark.parametrize(
    ("busy", "stuck"),
    [
        (task("running", 2 * 60 + 14), False),
        (task("running", 2 * 60 + 16), True),
        (task("queued", 29), False),
        (task("queued", 31), True),
        (task("running", 31), False),
        (task("queued", 31, queued_when=None), False),
    ],
)
def test_a_task_that_nobody_is_behind_is_stuck(busy: dict[str, Any], stuck: bool) -> None:
    found = watch.of_busy_tasks([busy], AT, BASE)
    assert len(found) == stuck
    if stuck:
        assert found[0].pairs == ("eurusd",)
        assert "pairs.build is" in found[0].line


def test_stuck_tasks_of_a_run_are_one_incident() -> None:
    found = watch.of_busy_tasks([task("queued", 40, map_index=place) for place in range(28)], AT, BASE)
    assert len({each.key for each in found}) == 1


def test_an_import_error_is_told_without_what_its_trace_holds() -> None:
    trace = 'File "x.py"\n  password = "hunter2"\nValueError: hunter2 is wrong\n'
    error = {"filename": "dags/x.py", "bundle_name": "bqx", "stack_trace": trace}
    (told,) = watch.of_import_errors([error], AT, BASE)
    assert told.line == "ValueError"
    assert (told.title, told.key) == ("dags/x.py cannot be parsed", "import/bqx/dags/x.py")
    assert watch.of_import_errors([error | {"stack_trace": ""}], AT, BASE)[0].line == ""


def test_alarms_of_a_value_are_one_incident_that_says_the_worse() -> None:
    described = "{}: Cost of the month to date, $ is above {}. What to do: docs/runbooks/cost.md"
    warning = alarm("bqx-cost-warning", described.format("warning", 350))
    critical = alarm("bqx-cost-critical", described.format("critical", 400))
    first, second = watch.of_alarms([warning, critical], AT, "bqx-")
    assert first.key == second.key == "alarm/bqx-cost"
    assert (first.severity, second.severity) == (CRITICAL, WARNING)
    assert first.title == "Cost of the month to date, $ is above 400"
    assert (first.kind, first.runbook) == (COST, "runbooks/cost.md")


@pytest.mark.parametrize(
    ("runbook", "kind"), [("model-drift", DRIFT), ("high-latency", LATENCY), ("endpoint-down", ALARM)]
)
def test_the_runbook_says_what_kind_it_is(runbook: str, kind: str) -> None:
    described = f"critical: it is bad. What to do: docs/runbooks/{runbook}.md"
    assert watch.of_alarms([alarm("bqx-x-critical", described)], AT, "bqx-")[0].kind == kind


def test_alarms_that_are_not_ours_or_not_on_are_left_alone() -> None:
    others = [
        alarm("bqx-cost-warning", state="OK"),
        alarm("bqx-cost-warning", state="INSUFFICIENT_DATA"),
        alarm("shop-cost-warning"),
        alarm("bqx-rollback"),
    ]
    assert watch.of_alarms(others, AT, "bqx-") == []
    (bare,) = watch.of_alarms([alarm("bqx-cost-warning")], AT, "bqx-")
    assert bare.title == "bqx-cost-warning"


def test_addresses_hold_whatever_a_run_is_called() -> None:
    link = task_link(BASE, "d", "manual__2026-03-02T00:00:00+00:00 /x", "t", -1, 0)
    assert link == f"{BASE}dags/d/runs/manual__2026-03-02T00%3A00%3A00%2B00%3A00%20/x/tasks/t"
    assert task_link("", "d", "r", "t", 1, 1) == ""
