"""The run to follow: a new one, one that is at work, never two."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from include.errors import BqxError
from local import report
from local.job import SYNC, _start_or_join, _sync
from local.options import Options
from local.progress import PIPELINE, Progress, Task
from tests.local.fake_airflow import FakeAirflow, instance

RUNS = f"GET /api/v2/dags/{PIPELINE}/dagRuns"
START = f"POST /api/v2/dags/{PIPELINE}/dagRuns"
CONF = {"pairs": ["eurusd"]}
STARTED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BEFORE, SINCE = "2026-03-02T08:59:59.500000Z", "2026-03-02T09:01:00Z"


def at_work(conf: dict[str, Any]) -> dict[str, Any]:
    return {"dag_id": PIPELINE, "dag_run_id": "old", "conf": conf, "queued_at": BEFORE}


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_a_new_run_is_started(console: Console) -> None:
    fake = FakeAirflow({RUNS: [], START: {"dag_run_id": "new"}})
    with fake.client() as airflow:
        assert _start_or_join(airflow, CONF, started=None, console=console) == "new"
    body = fake.asked[-1][2]
    assert body.pop("dag_run_id").startswith("manual__")
    assert body == {"logical_date": None, "conf": CONF}


def test_a_run_of_the_same_options_is_joined(console: Console) -> None:
    fake = FakeAirflow({RUNS: [at_work(CONF)]})
    with fake.client() as airflow:
        assert _start_or_join(airflow, CONF, started=None, console=console) == "old"
    assert START not in fake.paths()


def test_a_run_of_other_options_is_in_the_way(console: Console) -> None:
    fake = FakeAirflow({RUNS: [at_work({"pairs": ["usdjpy"]})]})
    with fake.client() as airflow, pytest.raises(BqxError, match="other options is at work"):
        _start_or_join(airflow, CONF, started=None, console=console)
    assert START not in fake.paths()


def test_runs_of_an_earlier_stack_are_given_up_those_of_other_schedules_are_not(console: Console) -> None:
    schedules = {PIPELINE: None, "bqx_load": None, "bqx_sync": "*/5 * * * *", "bqx_retrain": "0 2 * * 1"}
    fake = FakeAirflow(
        {
            "GET /api/v2/dags": [
                {"dag_id": dag, "timetable_summary": when} for dag, when in schedules.items()
            ],
            RUNS: [at_work({"pairs": ["usdjpy"]})],
            START: {"dag_run_id": "new"},
        }
    )
    for dag in ("bqx_load", "bqx_sync", "bqx_retrain"):
        child = {"dag_id": dag, "dag_run_id": "child", "queued_at": BEFORE}
        scheduled = {"dag_id": dag, "dag_run_id": "scheduled", "queued_at": SINCE}
        fake.answers[f"GET /api/v2/dags/{dag}/dagRuns"] = [scheduled, child]

    def forget(path: str) -> dict[str, Any]:
        fake.answers[RUNS] = []
        return {}

    fake.answers[f"PATCH /api/v2/dags/{PIPELINE}/dagRuns/old"] = forget
    for dag in ("bqx_load", "bqx_sync"):
        fake.answers[f"PATCH /api/v2/dags/{dag}/dagRuns/child"] = {}
    with fake.client() as airflow:
        assert _start_or_join(airflow, CONF, started=STARTED, console=console) == "new"
    changed = [(path, body) for path, _, body in fake.asked if path.startswith("PATCH")]
    assert changed == [
        (f"PATCH /api/v2/dags/{PIPELINE}/dagRuns/old", {"state": "failed"}),
        ("PATCH /api/v2/dags/bqx_load/dagRuns/child", {"state": "failed"}),
        ("PATCH /api/v2/dags/bqx_sync/dagRuns/child", {"state": "failed"}),
    ]


def synced(states: list[str]) -> tuple[tuple[str, str], FakeAirflow]:
    """The last sync of a run that is in one state after the other."""
    runs = f"/api/v2/dags/{SYNC}/dagRuns"
    left = iter(states)
    fake = FakeAirflow(
        {
            f"POST {runs}": {"dag_run_id": "last"},
            f"GET {runs}/last": lambda _: {"state": next(left)},
            f"GET {runs}/last/taskInstances": [instance(SYNC, "last", "sync", states[-1])],
        }
    )
    if states[-1] == "success":
        said = {"value": {"summary": "3 events taken"}}
        fake.answers[f"GET {runs}/last/taskInstances/sync/xcomEntries/return_value"] = said
    with fake.client() as airflow:
        return _sync(airflow, lambda: None), fake


def test_at_the_end_the_plan_hears_of_everything() -> None:
    (state, standing), fake = synced(["queued", "running", "success"])
    assert (state, standing) == ("success", "3 events taken")
    assert fake.paths().count(f"POST /api/v2/dags/{SYNC}/dagRuns") == 1


def test_a_sync_that_fails_is_told_by_its_state() -> None:
    assert synced(["running", "failed"])[0] == ("failed", "")


def test_the_summary_prints_what_tasks_left_to_tell_as_it_is(console: Console) -> None:
    told = "Data set d: 5 rows, content abc [not markup]\n  report /r/dataset.html"
    progress = Progress((), (), datetime.now(UTC), (told,))
    report.summary(console, Options.of({}), progress, {PIPELINE: "success"}, 60.0)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert told in text
    assert text.index(told) < text.index(f"{PIPELINE} success")


def test_failures_are_named_with_reason_and_remedy_and_not_without_end(console: Console) -> None:
    fake = FakeAirflow()
    for place in range(report.SHOWN + 3):
        path = f"GET /api/v2/dags/bqx_load/dagRuns/r/taskInstances/pairs.write{place}/logs/1"
        detail = {"exc_type": "BadInput", "exc_value": f"row {place}"}
        fake.answers[path] = {"content": [{"event": "failed", "level": "error", "error_detail": [detail]}]}
    failed = [
        Task("bqx_load", "r", f"pairs.write{place}", place, f"pair{place}", "failed", 1, None, 0.0)
        for place in range(report.SHOWN + 3)
    ]
    with fake.client() as airflow:
        report.failures(console, airflow, failed)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "pair pair0" in text
    assert "BadInput: row 0" in text
    assert "clear it with its downstream tasks" in text
    assert "and 3 more" in text
