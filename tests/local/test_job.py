"""The run to follow: a new one, one that is at work, never two."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from include.errors import BqxError
from include.local import report
from include.local.job import _start_or_join
from include.local.progress import PIPELINE, Task
from tests.local.fake_airflow import FakeAirflow

RUNS = f"GET /api/v2/dags/{PIPELINE}/dagRuns"
START = f"POST /api/v2/dags/{PIPELINE}/dagRuns"
CONF = {"pairs": ["eurusd"]}


def at_work(conf: dict[str, Any]) -> dict[str, Any]:
    return {"dag_id": PIPELINE, "dag_run_id": "old", "conf": conf}


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_a_new_run_is_started(console: Console) -> None:
    fake = FakeAirflow({RUNS: [], START: {"dag_run_id": "new"}})
    with fake.client() as airflow:
        assert _start_or_join(airflow, CONF, fresh=False, console=console) == "new"
    assert fake.asked[-1][2] == {"logical_date": None, "conf": CONF}


def test_a_run_of_the_same_options_is_joined(console: Console) -> None:
    fake = FakeAirflow({RUNS: [at_work(CONF)]})
    with fake.client() as airflow:
        assert _start_or_join(airflow, CONF, fresh=False, console=console) == "old"
    assert START not in fake.paths()


def test_a_run_of_other_options_is_in_the_way(console: Console) -> None:
    fake = FakeAirflow({RUNS: [at_work({"pairs": ["usdjpy"]})]})
    with fake.client() as airflow, pytest.raises(BqxError, match="other options is at work"):
        _start_or_join(airflow, CONF, fresh=False, console=console)
    assert START not in fake.paths()


def test_runs_of_an_earlier_stack_are_given_up_those_with_a_schedule_are_not(console: Console) -> None:
    schedules = {PIPELINE: None, "bqx_load": None, "bqx_sync": "*/5 * * * *"}
    fake = FakeAirflow(
        {
            "GET /api/v2/dags": [
                {"dag_id": dag, "timetable_summary": when} for dag, when in schedules.items()
            ],
            RUNS: [at_work({"pairs": ["usdjpy"]})],
            START: {"dag_run_id": "new"},
        }
    )
    for dag in ("bqx_load", "bqx_sync"):
        fake.answers[f"GET /api/v2/dags/{dag}/dagRuns"] = [{"dag_id": dag, "dag_run_id": "child"}]

    def forget(path: str) -> dict[str, Any]:
        fake.answers[RUNS] = []
        return {}

    fake.answers[f"PATCH /api/v2/dags/{PIPELINE}/dagRuns/old"] = forget
    fake.answers["PATCH /api/v2/dags/bqx_load/dagRuns/child"] = {}
    with fake.client() as airflow:
        assert _start_or_join(airflow, CONF, fresh=True, console=console) == "new"
    changed = [(path, body) for path, _, body in fake.asked if path.startswith("PATCH")]
    assert changed == [
        (f"PATCH /api/v2/dags/{PIPELINE}/dagRuns/old", {"state": "failed"}),
        ("PATCH /api/v2/dags/bqx_load/dagRuns/child", {"state": "failed"}),
    ]


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
